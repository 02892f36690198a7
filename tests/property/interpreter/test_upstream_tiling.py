"""Random small programs, tiled and fused by upstream passes, compute the same as before: exactly, in the
field.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratagem.compiler.interpreter.api import Violation, compare, emulate, equal_in_field, reference_with_bound
from stratagem.compiler.ir import parse_module, run_pipeline

SCRIPT = """
transform.named_sequence @tile(%g: !transform.any_op {transform.consumed}) {
  %t, %f = transform.structured.tile_using_forall %g tile_sizes [SIZE]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
  transform.yield
}
transform.named_sequence @any(%g: !transform.any_op {transform.readonly}) -> !transform.any_op {
  transform.match.operation_name %g ["linalg.generic"] : !transform.any_op
  transform.yield %g : !transform.any_op
}
transform.named_sequence @__transform_main(%r: !transform.any_op {transform.consumed}) {
  %x = transform.foreach_match in %r @any -> @tile : (!transform.any_op) -> !transform.any_op
  transform.yield
}
"""
MAPS = """
#id = affine_map<(i, j) -> (i, j)>
#tr = affine_map<(i, j) -> (j, i)>
#row = affine_map<(i, j) -> (i)>
#a = affine_map<(i, j, k) -> (i, k)>
#b = affine_map<(i, j, k) -> (k, j)>
#c = affine_map<(i, j, k) -> (i, j)>
"""
PARALLEL = '["parallel", "parallel"]'
Shape = tuple[int, int]


def tensor(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


@dataclass
class Writer:
    """Collects the body of a program of two-dimensional values."""

    values: list[tuple[str, Shape]]
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def filled(self, constant: str, *shape: int) -> str:
        empty, full = self.fresh(), self.fresh()
        t = tensor(*shape)
        self.lines.append(f"{empty} = tensor.empty() : {t}")
        self.lines.append(f"{full} = linalg.fill ins({constant} : f32) outs({empty} : {t}) -> {t}")
        return full

    def generic(
        self,
        maps: str,
        kinds: str,
        inputs: list[tuple[str, tuple[int, ...]]],
        init: str,
        shape: tuple[int, ...],
        body: str,
    ) -> str:
        result = self.fresh()
        names, types = ", ".join(n for n, _ in inputs), ", ".join(tensor(*s) for _, s in inputs)
        arguments = ", ".join(f"%z{i}: f32" for i in range(len(inputs) + 1))
        kind = tensor(*shape)
        head = f"{result} = linalg.generic {{indexing_maps = [{maps}], iterator_types = {kinds}}}"
        operands = f"ins({names} : {types}) outs({init} : {kind})"
        self.lines.append(f"{head} {operands} {{\n^bb0({arguments}):\n{body}\n}} -> {kind}")
        return result

    def matmul(self, left: tuple[str, Shape], right: tuple[str, Shape]) -> None:
        shape = (left[1][0], right[1][1])
        body = "%u = arith.mulf %z0, %z1 : f32\n%w = arith.addf %z2, %u : f32\nlinalg.yield %w : f32"
        kinds = '["parallel", "parallel", "reduction"]'
        init = self.filled("%zero", *shape)
        self.values.append((self.generic("#a, #b, #c", kinds, [left, right], init, shape, body), shape))

    def elementwise(self, operation: str, *operands: tuple[str, Shape]) -> None:
        shape = operands[0][1]
        body = f"%w = {operation} {', '.join(f'%z{i}' for i in range(len(operands)))} : f32\nlinalg.yield %w : f32"
        maps = ", ".join(["#id"] * (len(operands) + 1))
        init = self.filled("%zero", *shape)
        self.values.append((self.generic(maps, PARALLEL, list(operands), init, shape, body), shape))

    def transpose(self, operand: tuple[str, Shape]) -> None:
        shape = operand[1][::-1]
        init = self.filled("%zero", *shape)
        self.values.append(
            (self.generic("#tr, #id", PARALLEL, [operand], init, shape, "linalg.yield %z0 : f32"), shape)
        )

    def row_statistic(self, reduction: str, start: str, use: str, operand: tuple[str, Shape]) -> None:
        """Reduces every row, then combines the row with its statistic."""
        rows = operand[1][:1]
        body = f"%w = {reduction} %z0, %z1 : f32\nlinalg.yield %w : f32"
        init = self.filled(start, *rows)
        statistic = self.generic("#id, #row", '["parallel", "reduction"]', [operand], init, rows, body)
        body = f"%w = {use} %z0, %z1 : f32\nlinalg.yield %w : f32"
        init = self.filled("%zero", *operand[1])
        result = self.generic("#id, #row, #id", PARALLEL, [operand, (statistic, rows)], init, operand[1], body)
        self.values.append((result, operand[1]))


@st.composite
def programs(draw: Any) -> tuple[str, list[Shape]]:
    sizes = [draw(st.integers(1, 9)) for _ in range(3)]
    shapes = [(draw(st.sampled_from(sizes)), draw(st.sampled_from(sizes))) for _ in range(3)]
    writer = Writer([(f"%a{i}", shape) for i, shape in enumerate(shapes)])
    for _ in range(draw(st.integers(2, 6))):
        operand = draw(st.sampled_from(writer.values[-4:]))
        kind = draw(st.sampled_from(["matmul", "binary", "unary", "transpose", "row"]))
        fitting = [v for v in writer.values if v[1][0] == operand[1][1]]
        if kind == "matmul" and fitting:
            writer.matmul(operand, draw(st.sampled_from(fitting)))
        elif kind == "binary":
            other = draw(st.sampled_from([v for v in writer.values if v[1] == operand[1]]))
            operation = draw(st.sampled_from(["addf", "subf", "mulf", "maximumf"]))
            writer.elementwise(f"arith.{operation}", operand, other)
        elif kind == "unary":
            writer.elementwise(draw(st.sampled_from(["math.tanh", "arith.negf", "math.exp"])), operand)
        elif kind == "transpose":
            writer.transpose(operand)
        else:
            reduction, start = draw(st.sampled_from([("arith.addf", "%zero"), ("arith.maximumf", "%low")]))
            use = draw(st.sampled_from(["arith.subf", "arith.divf", "arith.mulf"]))
            writer.row_statistic(reduction, start, use, operand)
    result, shape = writer.values[-1]
    arguments = ", ".join(f"%a{i}: {tensor(*s)}" for i, s in enumerate(shapes))
    body = "\n".join(writer.lines)
    head = "%zero = arith.constant 0.0 : f32\n%low = arith.constant 0xFF800000 : f32\n"
    text = f"func.func @main({arguments}) -> {tensor(*shape)} {{\n{head}{body}\nreturn {result} : {tensor(*shape)}\n}}"
    return text, shapes


def lowered(text: str, tile: int, *, fuse: bool) -> Any:
    script = SCRIPT.replace("SIZE", str(tile))
    module = parse_module(f"{MAPS}\nmodule attributes {{transform.with_named_sequence}} {{\n{text}\n{script}\n}}")
    fusion = "func.func(linalg-fuse-elementwise-ops,canonicalize,cse)," if fuse else ""
    run_pipeline(module, f"builtin.module({fusion}transform-interpreter,canonicalize,cse)")
    return module


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs(), tile=st.integers(1, 4), fuse=st.booleans())
def test_tiled_program_is_equal_and_within_the_bound(program: tuple[str, list[Shape]], tile: int, fuse: bool) -> None:
    text, shapes = program
    plain, tiled = parse_module(MAPS + text), lowered(text, tile, fuse=fuse)
    assert equal_in_field(plain, tiled) is None
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    (wanted,), (actual,) = reference_with_bound(plain, inputs), emulate(tiled, inputs)
    assert compare(actual, *wanted).outcome != "outside bound"


@pytest.mark.parametrize("tile", [1, 3, 4])
def test_the_oracle_sees_a_changed_tile(tile: int) -> None:
    """The property above can fail: a tile that starts one element off is found."""
    writer = Writer([("%a0", (7, 5)), ("%a1", (5, 6))])
    writer.matmul(*writer.values)
    result, shape = writer.values[-1]
    head = "%zero = arith.constant 0.0 : f32\n"
    body = "\n".join(writer.lines)
    text = f"func.func @main(%a0: {tensor(7, 5)}, %a1: {tensor(5, 6)}) -> {tensor(*shape)} {{\n{head}{body}\n"
    text += f"return {result} : {tensor(*shape)}\n}}"
    moved = str(lowered(text, tile, fuse=False))
    first = moved.index("tensor.extract_slice")
    start = moved.index("[", first)
    broken = moved[:start] + "[0, 0]" + moved[moved.index("]", start) + 1 :]
    assert broken != moved
    with suppress(Violation):
        assert equal_in_field(parse_module(MAPS + text), parse_module(broken)) is not None
