"""StableHLO text and artifacts: reading, names, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.frontends.stablehlo import clean_name, load_stablehlo
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import ModelError, UnsupportedError, UsageError


def module(body: str, signature: str = "%x: tensor<3xf32>) -> (tensor<3xf32>") -> str:
    return f"module {{\n func.func public @main({signature}) {{\n{body}\n }}\n}}\n"


ADD = module("%0 = stablehlo.add %x, %x : tensor<3xf32>\nreturn %0 : tensor<3xf32>")
X = np.arange(3, dtype=np.float32)


def test_text_path_and_bytes_are_the_same_program(tmp_path: Path) -> None:
    path = tmp_path / "add.mlir"
    path.write_text(ADD)
    for source in (ADD, ADD.encode(), path, str(path)):
        program = load_stablehlo(source)
        assert emulate(program, [X])[0].tolist() == [0, 2, 4]
    signature = signature_of(program.module)
    assert [s.name for s in (*signature.inputs, *signature.outputs)] == ["arg0", "output"]


def test_large_constants_become_parameters() -> None:
    values = ", ".join(f"{i}.5" for i in range(65))
    body = f"%0 = stablehlo.constant dense<[{values}]> : tensor<65xf32>\nreturn %0 : tensor<65xf32>"
    program = load_stablehlo(module(body, ") -> (tensor<65xf32>"))
    assert [a.shape for a in program.parameters.values()] == [(65,)]
    assert emulate(program, [])[0][64] == 64.5


def test_placement_marks_and_barriers_are_dropped() -> None:
    body = """%0 = stablehlo.custom_call @Sharding(%x) : (tensor<3xf32>) -> tensor<3xf32>
              %1 = stablehlo.optimization_barrier %0 : tensor<3xf32>
              return %1 : tensor<3xf32>"""
    assert emulate(load_stablehlo(module(body)), [X])[0].tolist() == X.tolist()


def test_sort_is_stable() -> None:
    body = """%i = stablehlo.iota dim = 0 : tensor<6xi32>
    %0:2 = "stablehlo.sort"(%x, %i) <{dimension = 0 : i64, is_stable = true}> ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>, %c: tensor<i32>, %d: tensor<i32>):
      %1 = stablehlo.compare GT, %a, %b : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %1 : tensor<i1>
    }) : (tensor<6xf32>, tensor<6xi32>) -> (tensor<6xf32>, tensor<6xi32>)
    return %0#1 : tensor<6xi32>"""
    program = load_stablehlo(module(body, "%x: tensor<6xf32>) -> (tensor<6xi32>"))
    keys = np.array([1, 3, 1, 3, 2, 1], np.float32)
    assert emulate(program, [keys])[0].tolist() == [1, 3, 4, 0, 2, 5]


@pytest.mark.parametrize(("start", "rows"), [(3, 0), (2, 1)])
@pytest.mark.parametrize("element", ["f32", "ui8", "complex<f32>"])
def test_slices_that_begin_at_the_end_of_a_dimension(element: str, start: int, rows: int) -> None:
    given, made = (f"tensor<{n}x2x{element}>" for n in (3, rows))
    body = f"""%0 = stablehlo.slice %x [{start}:3, 0:2] : (tensor<3x2x{element}>) -> {made}
    %1 = stablehlo.concatenate %x, %0, dim = 0 : ({given}, {made}) -> tensor<{3 + rows}x2x{element}>
    return %0, %1 : {made}, tensor<{3 + rows}x2x{element}>"""
    program = load_stablehlo(module(body, f"%x: {given}) -> ({made}, tensor<{3 + rows}x2x{element}>"))
    dtype = {"f32": np.float32, "ui8": np.uint8, "complex<f32>": np.complex64}[element]
    x: np.ndarray[Any, Any] = np.arange(250, 256).reshape(3, 2).astype(dtype)
    cut, joined = emulate(program, [x])
    np.testing.assert_array_equal(cut, x[start:])
    np.testing.assert_array_equal(joined, np.concatenate([x, x[start:]]))


@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (3, 0), (0, 0), (1, 3)])
def test_reductions_over_nothing_are_what_they_start_from(rows: int, columns: int) -> None:
    body = f"""%a = stablehlo.constant dense<7.0> : tensor<f32>
    %b = stablehlo.constant dense<-1> : tensor<i32>
    %0:2 = stablehlo.reduce(%x init: %a), (%i init: %b) across dimensions = [0] :
        (tensor<{rows}x{columns}xf32>, tensor<{rows}x{columns}xi32>, tensor<f32>, tensor<i32>)
        -> (tensor<{columns}xf32>, tensor<{columns}xi32>)
    reducer(%p: tensor<f32>, %q: tensor<f32>) (%r: tensor<i32>, %s: tensor<i32>) {{
      %1 = stablehlo.add %p, %q : tensor<f32>
      %2 = stablehlo.maximum %r, %s : tensor<i32>
      stablehlo.return %1, %2 : tensor<f32>, tensor<i32>
    }}
    return %0#0, %0#1 : tensor<{columns}xf32>, tensor<{columns}xi32>"""
    signature = (
        f"%x: tensor<{rows}x{columns}xf32>, %i: tensor<{rows}x{columns}xi32>)"
        f" -> (tensor<{columns}xf32>, tensor<{columns}xi32>"
    )
    sums, most = emulate(
        load_stablehlo(module(body, signature)),
        [np.full((rows, columns), 2, np.float32), np.full((rows, columns), 5, np.int32)],
    )
    np.testing.assert_array_equal(sums, np.full(columns, 7 + 2 * rows))
    np.testing.assert_array_equal(most, np.full(columns, 5 if rows else -1))


def test_missing_file() -> None:
    with pytest.raises(UsageError, match=r"cannot read absent\.mlir"):
        load_stablehlo("absent.mlir")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"\x00\xff\xfe", "neither MLIR text nor MLIR bytecode"),
        ("module {\n func.func @main( }", "not valid StableHLO text"),
        ("module {\n}", "no function 'main'"),
        (module("return %x : tensor<4xf32>"), "not valid StableHLO text"),
        (b"ML\xefR" + b"\x00" * 20, "not a readable portable artifact"),
        (b"ML\xefR", "not a readable portable artifact"),
    ],
)
def test_damaged_sources(source: str | bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_stablehlo(source)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "%0 = stablehlo.custom_call @mine(%x) : (tensor<3xf32>) -> tensor<3xf32>",
            r"custom_call @mine is not supported",
        ),
        (
            "%0 = stablehlo.rng %c, %c, %s, distribution = UNIFORM"
            " : (tensor<f32>, tensor<f32>, tensor<1xi64>) -> tensor<3xf32>",
            r"stablehlo.rng .*\n.*random numbers as an input",
        ),
    ],
)
def test_operations_without_a_form(body: str, message: str) -> None:
    constants = """%c = stablehlo.constant dense<1.0> : tensor<f32>
                   %s = stablehlo.constant dense<3> : tensor<1xi64>\n"""
    with pytest.raises(UnsupportedError, match=message):
        load_stablehlo(module(f"{constants}{body}\nreturn %0 : tensor<3xf32>"))


def test_quantized_elements_are_refused_before_a_pass_sees_them() -> None:
    kind = "tensor<3x!quant.uniform<i8:f32, 0.5>>"
    body = f"%0 = stablehlo.uniform_quantize %x : (tensor<3xf32>) -> {kind}\nreturn %x : tensor<3xf32>"
    with pytest.raises(UnsupportedError, match=r"uniform_quantize gives elements of type"):
        load_stablehlo(module(body))


@pytest.mark.parametrize(
    ("text", "name"),
    [("d['b'][0].x", "d.b.0.x"), ("x", "x"), ("['a']", "a"), ("result[0]", "result.0"), ("a[1][2]", "a.1.2")],
)
def test_names(text: str, name: str) -> None:
    assert clean_name(text) == name
