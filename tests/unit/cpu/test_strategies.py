"""Which loops a nest gets, from its access pattern and the register file alone."""

from __future__ import annotations

from typing import Any

import pytest
from torch_mlir import ir

from stratagem.compiler.backends.cpu.bufferize import bufferize_kernels
from stratagem.compiler.backends.cpu.loops.blocks import row_blocks
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.lower_linalg import lower_linalg
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import functions, parse_module, run_pipeline, walk
from tests.run.cpu.kernels import MULTIPLY_ADD, matmul, structured

WIDE = CpuTarget(vector_bytes=64, registers=32)
NARROW = CpuTarget(vector_bytes=16, registers=16)


def plan(text: str, target: CpuTarget = WIDE) -> Plan:
    """The plan of a kernel's last operation."""
    module = parse_module(text)
    bufferize_kernels(module)
    return lower_linalg(module, target)[-1][1]


def test_a_product_fills_the_register_file() -> None:
    wide, narrow = plan(matmul(96, 256, 256)), plan(matmul(96, 256, 256), NARROW)
    assert (wide.kind, wide.lanes, wide.vectors, wide.height) == ("block", 16, 4, 6)
    assert (narrow.kind, narrow.lanes, narrow.vectors, narrow.height) == ("block", 4, 2, 6)
    for one, registers in ((wide, 32), (narrow, 16)):
        assert one.vectors * one.height + one.vectors + 1 <= registers


def test_far_rows_are_packed_when_many_rows_read_them() -> None:
    assert plan(matmul(96, 256, 256)).packed is None
    assert plan(matmul(96, 3072, 256)).packed == 1
    assert plan(matmul(3, 3072, 256)).packed is None
    assert plan(matmul(96, 256, 256, turned_b=True)).must


def test_few_rows_follow_memory() -> None:
    assert plan(matmul(1, 3072, 768, turned_b=True)).kind == "lanes"
    assert plan(matmul(3, 3072, 768, turned_b=True)).kind == "lanes"
    few = plan(matmul(None, 3072, 768, turned_b=True)).few
    assert few is not None
    assert few.kind == "lanes"


def test_windows_and_rows() -> None:
    loops = "(n,f,h,w,c,p,q)"
    maps = [f"{loops}->(n,c,h+p,w+q)", f"{loops}->(f,c,p,q)", f"{loops}->(n,f,h,w)"]
    text = structured(["1x64x30x30xf32", "32x64x3x3xf32"], "1x32x28x28xf32", maps, "pppprrr", MULTIPLY_ADD, "0.0")
    found = plan(text)
    assert (found.kind, found.vectors, found.packed) == ("block", 2, None)
    body = "%q = arith.addf %x0, %s : f32\nlinalg.yield %q : f32"
    rows = structured(["8x100xf32"], "8xf32", ["(i,j)->(i,j)", "(i,j)->(i)"], "pr", body, "0.0")
    columns = structured(["8x100xf32"], "100xf32", ["(i,j)->(i,j)", "(i,j)->(j)"], "rp", body, "0.0")
    assert plan(rows).kind == "lanes"
    assert plan(columns).kind == "block"


def test_maps() -> None:
    copy = "%n = arith.negf %x0 : f32\nlinalg.yield %n : f32"
    same = structured(["8x100xf32"], "8x100xf32", ["(i,j)->(i,j)"] * 2, "pp", copy)
    turned = structured(["100x80xf32"], "80x100xf32", ["(i,j)->(j,i)", "(i,j)->(i,j)"], "pp", copy)
    small = structured(["3x5xf32"], "5x3xf32", ["(i,j)->(j,i)", "(i,j)->(i,j)"], "pp", copy)
    assert [plan(t).kind for t in (same, turned, small)] == ["map", "turn", "scalar"]


def test_no_structured_operation_is_left() -> None:
    module = parse_module(matmul(37, None, 12))
    bufferize_kernels(module)
    lower_linalg(module, WIDE)
    assert module.operation.verify()
    assert not [op.name for op in walk(module.operation) if op.name.startswith("linalg.")]


@pytest.mark.parametrize("size", [1, 2, 7, 11, 12, 13, 23, 24, 25, 49, 56, 97])
@pytest.mark.parametrize("height", [1, 4, 6, 12])
def test_row_blocks_cover_every_row_once(size: int, height: int) -> None:
    rows: list[int] = []
    for begin, end, step in row_blocks(size, height):
        assert 1 <= step <= height
        assert (end - begin) % step == 0
        rows += range(begin, end)
    assert rows == list(range(size))


def test_inputs_are_never_written_in_place() -> None:
    text = """func.func private @k(%a: tensor<4xf32>, %o: tensor<4xf32> {device.dest}) -> tensor<4xf32> {
      %r = linalg.exp ins(%a : tensor<4xf32>) outs(%a : tensor<4xf32>) -> tensor<4xf32>
      return %r : tensor<4xf32>
    }"""
    module = parse_module(text)
    bufferize_kernels(module)
    run_pipeline(module, "builtin.module(canonicalize)")
    function: Any = functions(module)[0]
    argument = function.regions[0].blocks[0].arguments[0]
    with module.context:
        written = [op for op in walk(function) if op.name == "linalg.generic" and op.operands[1] == argument]
    assert not written
    assert isinstance(argument.type, ir.MemRefType)


FILLED = """
func.func @k(%a: tensor<24x40xf32>, %b: tensor<40x48xf32>, %o: tensor<24x48xf32> {{device.dest}})
    -> tensor<24x48xf32> {{
  %c = arith.constant 2.5 : f32
  %f = linalg.fill ins(%c : f32) outs(%o : tensor<24x48xf32>) -> tensor<24x48xf32>
  {between}
  %r = linalg.matmul ins(%a, %b : tensor<24x40xf32>, tensor<40x48xf32>) outs({start} : tensor<24x48xf32>)
    -> tensor<24x48xf32>
  return %r : tensor<24x48xf32>
}}"""


def test_a_product_takes_over_the_fill_before_it() -> None:
    assert kinds(FILLED.format(between="", start="%f")) == ["block"]


def test_a_fill_that_something_reads_stays() -> None:
    read = "%n = linalg.negf ins(%f : tensor<24x48xf32>) outs(%f : tensor<24x48xf32>) -> tensor<24x48xf32>"
    assert kinds(FILLED.format(between=read, start="%n")) == ["map", "map", "block"]


def test_long_rows_are_read_side_by_side_where_there_are_few() -> None:
    assert plan(matmul(1, 3072, 768)).chunk > 1
    assert plan(matmul(1, 96, 768)).chunk == 0
    few = plan(matmul(None, 3072, 768)).few
    assert few is not None and few.chunk > 1
    # each block is made several times then: what the output holds counts, so the fill stays
    assert [p.kind for p in plans(matmul(1, 3072, 768))] == ["map", "block"]


def plans(text: str) -> list[Plan]:
    """The plans of a kernel's operations, in order."""
    module = parse_module(text)
    bufferize_kernels(module)
    return [found for _, found in lower_linalg(module, WIDE)]


def kinds(text: str) -> list[str]:
    return [found.kind for found in plans(text)]
