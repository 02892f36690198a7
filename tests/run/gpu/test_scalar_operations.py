"""Every scalar operation the printer knows, interpreted, against the reference with its derived bound."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter
from stratagem.compiler.backends.gpu.printer.scalar_operations import ARITHMETIC, FLOAT_COMPARISONS
from stratagem.compiler.interpreter.api import compare, reference, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.runtime.signature import NUMPY_TYPES
from tests.unit.gpu.support import needs_triton, printed

pytestmark = needs_triton

SIZE = 61
TERNARY = ("math.fma",)
UNARY = ("arith.negf", "math.absi")
POSITIVE = ("math.log", "math.log2", "math.log1p", "math.sqrt", "math.rsqrt")
PREDICATES = [f"{o}{p}" for o in "ou" for p in ("eq", "gt", "ge", "lt", "le", "ne")] + ["ord", "uno"]


def kernel(body: str, sources: list[str], target: str) -> str:
    """out = body(x, y, z) over vectors, four elements a program."""
    names = "xyz"[: len(sources)]
    arguments = "".join(f"%{n}: tensor<{SIZE}x{t}>, " for n, t in zip(names, sources, strict=True))
    slices = "\n".join(
        f"%{n}s = tensor.extract_slice %{n}[%i] [%n] [1] : tensor<{SIZE}x{t}> to tensor<?x{t}>"
        for n, t in zip(names, sources, strict=True)
    )
    maps = ", ".join(["affine_map<(d0) -> (d0)>"] * (len(sources) + 1))
    out = f"tensor<{SIZE}x{target}>"
    return f"""
    func.func private @k({arguments}%out: {out} {{device.dest}}) -> {out} {{
      %r = scf.forall (%i) = (0) to ({SIZE}) step (4) shared_outs(%o = %out) -> ({out}) {{
        %n = affine.min affine_map<(d0) -> ({SIZE} - d0, 4)>(%i)
        {slices}
        %e = tensor.empty(%n) : tensor<?x{target}>
        %g = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
            ins({", ".join(f"%{n}s" for n in names)} : {", ".join(f"tensor<?x{t}>" for t in sources)})
            outs(%e : tensor<?x{target}>) {{
        ^bb0({"".join(f"%{n}v: {t}, " for n, t in zip(names, sources, strict=True))}%old: {target}):
          {body}
          linalg.yield %v : {target}
        }} -> tensor<?x{target}>
        scf.forall.in_parallel {{
          tensor.parallel_insert_slice %g into %o[%i] [%n] [1] : tensor<?x{target}> into {out}
        }}
      }} {{device.tier = "sm"}}
      return %r : {out}
    }}"""


def inputs(types: list[str], positive: bool = False) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    random = np.random.default_rng(7)
    arrays = []
    for kind in types:
        values = random.standard_normal(SIZE) * (0.5 if kind.startswith("f") else 40)
        values[::7] = np.round(values[::7])
        values = np.abs(values) + (0.01 if kind == "f32" else 1) if positive else values
        arrays.append((values > 0 if kind == "i1" else values).astype(NUMPY_TYPES[kind]))
    return arrays


def check(interpreter: CheckedInterpreter, body: str, types: list[str], target: str, positive: bool = False) -> None:
    text = kernel(body, types, target)
    printed_kernel = printed(text)
    given, out = inputs(types, positive), np.zeros(SIZE, NUMPY_TYPES[target])
    value, bound = reference_with_bound(parse_module(text), [*given, np.zeros_like(out)], function="k")[0]
    interpreter.run(printed_kernel.source, printed_kernel.plan, [*given, out])
    verdict = compare(out, value, bound)
    assert verdict.outcome != "outside bound" and verdict.checked > SIZE // 2, str(verdict)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(interpreter: CheckedInterpreter, name: str) -> None:
    dialect, operation = name.split(".")
    kind = "i32" if operation.endswith(("i", "si")) else "f32"
    count = 3 if name in TERNARY else 1 if dialect == "math" or name in UNARY else 2
    operands = ", ".join(f"%{n}v" for n in "xyz"[:count])
    nonzero = operation in ("divsi", "remsi", "divf")
    check(interpreter, f"%v = {name} {operands} : {kind}", [kind] * count, kind, name in POSITIVE or nonzero)


@pytest.mark.parametrize("name", [name for name in ARITHMETIC if name.startswith("math.")])
def test_functions_in_f64(interpreter: CheckedInterpreter, name: str) -> None:
    count, kind = 3 if name in TERNARY else 1, "i64" if name == "math.absi" else "f64"
    operands = ", ".join(f"%{n}v" for n in "xyz"[:count])
    check(interpreter, f"%v = {name} {operands} : {kind}", [kind] * count, kind, name in POSITIVE)


def one_with_many(predicate: str) -> str:
    """out[i] = x <predicate> y[i], eight elements and one program."""
    return f"""
    func.func private @k(%x: tensor<f32>, %y: tensor<8xf32>, %out: tensor<8xi1> {{device.dest}}) -> tensor<8xi1> {{
      %r = scf.forall (%i) in (1) shared_outs(%o = %out) -> (tensor<8xi1>) {{
        %g = linalg.generic {{iterator_types = ["parallel"],
            indexing_maps = [affine_map<(d0) -> ()>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>]}}
            ins(%x, %y : tensor<f32>, tensor<8xf32>) outs(%o : tensor<8xi1>) {{
        ^bb0(%xv: f32, %yv: f32, %old: i1):
          %v = arith.cmpf {predicate}, %xv, %yv : f32
          linalg.yield %v : i1
        }} -> tensor<8xi1>
        scf.forall.in_parallel {{
          tensor.parallel_insert_slice %g into %o[0] [8] [1] : tensor<8xi1> into tensor<8xi1>
        }}
      }} {{device.tier = "sm"}}
      return %r : tensor<8xi1>
    }}"""


@pytest.mark.parametrize("one", [0.5, np.nan])
@pytest.mark.parametrize("predicate", PREDICATES)
def test_one_number_is_compared_with_many(interpreter: CheckedInterpreter, predicate: str, one: float) -> None:
    text = one_with_many(predicate)
    given = [np.array(one, np.float32), np.array([0.5, 1, 0, np.nan, np.inf, -np.inf, -0.5, 0.5], np.float32)]
    out = np.zeros(8, bool)
    kernel = printed(text)
    (value,) = reference(parse_module(text), [*given, out.copy()], function="k")
    interpreter.run(kernel.source, kernel.plan, [*given, out])
    np.testing.assert_array_equal(out, value)


@pytest.mark.parametrize("predicate", PREDICATES)
def test_float_comparisons(interpreter: CheckedInterpreter, predicate: str) -> None:
    check(interpreter, f"%v = arith.cmpf {predicate}, %xv, %yv : f32", ["f32", "f32"], "i1")


def test_all_float_predicates_are_covered() -> None:
    assert len(PREDICATES) == len(FLOAT_COMPARISONS) - 2  # without "never" and "always"


@pytest.mark.parametrize("predicate", ["eq", "ne", "slt", "sle", "sgt", "sge"])
def test_integer_comparisons_and_select(interpreter: CheckedInterpreter, predicate: str) -> None:
    body = f"%c = arith.cmpi {predicate}, %xv, %yv : i32\n%v = arith.select %c, %xv, %yv : i32"
    check(interpreter, body, ["i32", "i32"], "i32")


@pytest.mark.parametrize("exponent", [2.0, 3.0, 4.0, 0.5, -0.5, -1.0, 1.0])
def test_powers(interpreter: CheckedInterpreter, exponent: float) -> None:
    body = f"%p = arith.constant {exponent} : f32\n%v = math.powf %xv, %p : f32"
    check(interpreter, body, ["f32"], "f32", positive=True)


def test_general_powers(interpreter: CheckedInterpreter) -> None:
    check(interpreter, "%v = math.powf %xv, %yv : f32", ["f32", "f32"], "f32", positive=True)
    constant = "%c = arith.constant 10000.0 : f32\n%v = math.powf %c, %xv : f32"
    check(interpreter, constant, ["f32"], "f32")


def test_powers_of_special_values(interpreter: CheckedInterpreter) -> None:
    kernel_ = printed(kernel("%v = math.powf %xv, %yv : f32", ["f32", "f32"], "f32"))
    special = [0.0, 0.5, 1.0, -1.0, -2.0, 2.0, np.inf, -np.inf, np.nan]
    x, y = (g.ravel().astype(np.float32) for g in np.meshgrid(special, special))
    for start in (0, x.size - SIZE):
        a, b = (v[start : start + SIZE] for v in (x, y))
        out = np.zeros(SIZE, np.float32)
        interpreter.run(kernel_.source, kernel_.plan, [a, b, out])
        with np.errstate(all="ignore"):
            expected = np.power(a, b)
        wrong = ~((out == expected) | (np.isnan(out) & np.isnan(expected)))
        found = list(zip(a[wrong], b[wrong], out[wrong], expected[wrong], strict=True))
        assert not found, found


@pytest.mark.parametrize(
    ("operation", "source", "target"),
    [
        ("extf", "f16", "f32"),
        ("extf", "bf16", "f32"),
        ("extf", "f32", "f64"),
        ("truncf", "f32", "f16"),
        ("truncf", "f32", "bf16"),
        ("sitofp", "i32", "f32"),
        ("sitofp", "i8", "f16"),
        ("uitofp", "i1", "f32"),
        ("sitofp", "i1", "f32"),
        ("fptosi", "f32", "i32"),
        ("extsi", "i8", "i64"),
        ("extsi", "i1", "i32"),
        ("extui", "i1", "i64"),
        ("extui", "i8", "i32"),
        ("extui", "i16", "i64"),
        ("uitofp", "i8", "f32"),
        ("uitofp", "i32", "f64"),
        ("trunci", "i32", "i8"),
    ],
)
def test_casts(interpreter: CheckedInterpreter, operation: str, source: str, target: str) -> None:
    check(interpreter, f"%v = arith.{operation} %xv : {source} to {target}", [source], target)
