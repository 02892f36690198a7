"""Register blocks of sums that dot-product instructions make, where the processor has such instructions.

Applies to products of two bf16 summed in f32 and of two bytes summed in i32. The columns of a block are always packed,
group by group; rows are read where they lie if they lie in groups, and packed once for all columns otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import Size, add, carrying_loop, loop, mul, parse_type, splat
from stratagem.compiler.backends.cpu.loops.block import Columns, column_blocks, emit_rows, with_active
from stratagem.compiler.backends.cpu.loops.choose import Plan
from stratagem.compiler.backends.cpu.loops.dot import SIGN_BITS, dot_of
from stratagem.compiler.backends.cpu.loops.emit import nested_loops, written_order
from stratagem.compiler.backends.cpu.loops.groups import Groups, Packing, ceil_div
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.pack_groups import fill_panel, fill_rows
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.lemmas.registry import rests_on

LEAST_ROWS = 6
"""Rows below which packing the columns takes longer than the wider instruction saves."""
_SIGNED = {"arith.extsi": True, "arith.extui": False, "arith.extf": True}


def with_dots(nest: Nest, plan: Plan, target: CpuTarget) -> Plan:
    """The plan with dot products where the processor has them and the nest is made for them; else the plan."""
    if plan.kind != "block" or plan.rows is None or plan.chunk or len(nest.inputs) != 2 or len(nest.outputs) != 1:
        return plan
    rows, product = nest.known_size(plan.rows), _product(nest)
    if product is None or plan.lanes * 4 != target.vector_bytes or (rows is not None and rows < LEAST_ROWS):
        return plan
    moving = [i for i, a in enumerate(nest.inputs) if a.moves_with(plan.vector)]
    if len(moving) != 1 or nest.inputs[moving[0]].moves_with(plan.rows):
        return plan
    columns = moving[0]
    grouped = _grouped(nest, {columns: plan.vector, 1 - columns: plan.rows})
    dot = dot_of(target, product.element, (product.signed[columns], product.signed[1 - columns]))
    if grouped is None or dot is None:
        return plan
    few = None if rows is not None else plan.few or plan
    return replace(plan, dot=dot, columns=columns, grouped=grouped, packed=None, must=False, few=few)


@dataclass(frozen=True)
class _Product:
    """The element type of a product's factors, and which of the nest's inputs are signed."""

    element: str
    signed: tuple[bool, bool]


def _product(nest: Nest) -> _Product | None:
    """What a body multiplies, when all that it does is `sum + extended x * extended y`."""
    operations = [op.operation for op in nest.body.operations]
    sums = nest.outputs[0].computed
    kind = {"f32": "f", "i32": "i"}.get(str(sums))
    if kind is None or len(operations) not in (3, 5):
        return None
    last, total = operations[-2], nest.body.arguments[2]
    if operations[-1].operands[0] != last.results[0] or last.name != f"arith.add{kind}" or total not in last.operands:
        return None
    term = next((v for v in last.operands if v != total), None)
    if term is None or isinstance(term.owner, ir.Block) or term.owner.operation.name != f"arith.mul{kind}":
        return None
    signs: dict[int, bool] = {}
    for factor in term.owner.operation.operands:
        number, signed = _input(factor)
        signs[number] = signed
    elements = {str(a.element) for a in nest.inputs}
    if set(signs) != {0, 1} or elements != {"bf16" if kind == "f" else "i8"}:
        return None
    return _Product(elements.pop(), (signs[0], signs[1]))


def _input(value: Any) -> tuple[int, bool]:
    """The number of the input that a factor is, as it is or extended, and whether it is signed; -1 for none."""
    signed = True
    if not isinstance(value.owner, ir.Block) and value.owner.operation.name in _SIGNED:
        signed = _SIGNED[value.owner.operation.name]
        value = value.owner.operation.operands[0]
    return (int(value.arg_number) if isinstance(value.owner, ir.Block) else -1), signed


def _grouped(nest: Nest, free: Mapping[int, int]) -> int | None:
    """The reduction to group: the longest along which both operands move, and where each is dense, along the reduction
    or along its own loop, `free`."""

    def dense(d: int) -> bool:
        return all(a.moves_with(d) and (a.is_unit(d) or a.is_unit(free[i])) for i, a in enumerate(nest.inputs))

    return max(filter(dense, nest.loops(False)), key=lambda d: (nest.known_size(d) or 1 << 30, d), default=None)


@rests_on("moved-factors", "contraction-in-parts")
def emit_dots(nest: Nest, plan: Plan) -> None:
    """Emits: loops that move the columns, blocks of columns (with packing), the other loops, blocks of rows."""
    assert plan.dot is not None and plan.rows is not None
    packing = Packing.of(nest, plan.dot, plan.columns, plan.vector, plan.grouped, plan.lanes)
    parallel = [d for d in written_order(nest, nest.loops(True)) if d not in (plan.vector, plan.rows)]
    outside = [d for d in parallel if packing.source.moves_with(d)]
    inside = [d for d in parallel if d not in outside]
    panel = packing.scratch(plan.vectors * plan.lanes)
    grouped_rows = _rows_reader(nest, plan)

    def columns(counters: list[Size]) -> None:
        rows = None if inside else grouped_rows(counters)
        for begin, end, step, shape in column_blocks(nest.sizes[plan.vector], plan):

            def block(position: Size, shape: Columns = shape) -> None:
                here = list(counters)
                here[plan.vector] = position
                one = with_active(shape, nest, plan, position)
                dense = packing.panel(panel, one.vectors * plan.lanes).shifted(mul(-packing.dot.group, position))
                fill_panel(packing, dense, here, one.vectors, one.active)
                one = replace(one, excess=_excess(packing, plan, panel, one.vectors))

                def inner(counters: list[Size]) -> None:
                    emit_rows(_grouped_nest(nest, plan, dense, rows or grouped_rows(counters)), plan, counters, one)

                nested_loops(nest, inside, here, inner)

            loop(begin, end, step, block)

    nested_loops(nest, outside, [0] * len(nest.sizes), columns)


def _grouped_nest(nest: Nest, plan: Plan, columns: Groups, rows: Groups) -> Nest:
    """The nest over groups, with both operands grouped."""
    assert plan.dot is not None
    sizes = [ceil_div(size, plan.dot.group) if d == plan.grouped else size for d, size in enumerate(nest.sizes)]
    return replace(nest, sizes=sizes, inputs=[columns, rows] if plan.columns == 0 else [rows, columns])


def _rows_reader(nest: Nest, plan: Plan) -> Callable[[list[Size]], Groups]:
    """What packs the rows at some counters of the other loops, or finds them in groups where they are."""
    assert plan.dot is not None and plan.rows is not None
    dot, size = plan.dot, nest.known_size(plan.grouped)
    packing = replace(Packing.of(nest, dot, 1 - plan.columns, plan.rows, plan.grouped, plan.lanes), flip=dot.flipped)
    if packing.source.is_unit(plan.grouped) and size is not None and size % dot.group == 0 and not dot.flipped:
        return lambda counters: packing.in_place()
    if packing.source.is_unit(plan.grouped):
        memory = packing.scratch(nest.sizes[plan.rows])

        def copied(counters: list[Size]) -> Groups:
            fill_rows(packing, packing.rows(memory), counters)
            return packing.rows(memory)

        return copied
    return _interleaved(nest, plan, packing)


def _interleaved(nest: Nest, plan: Plan, packing: Packing) -> Callable[[list[Size]], Groups]:
    """What packs rows that are dense along their own loop, a vector of them at a time."""
    loop_of_rows, size = packing.free, nest.sizes[packing.free]
    width = mul(plan.lanes, ceil_div(size, plan.lanes))
    memory, single = packing.scratch(width), replace(plan, vector=loop_of_rows, vectors=1)

    def pack(counters: list[Size]) -> Groups:
        dense = packing.panel(memory, width)
        for begin, end, step, shape in column_blocks(size, single):

            def block(position: Size, shape: Columns = shape) -> None:
                here = [position if d == loop_of_rows else c for d, c in enumerate(counters)]
                one = with_active(shape, nest, single, position)
                fill_panel(packing, dense, here, one.vectors, one.active)

            loop(begin, end, step, block)
        return dense

    return pack


def _excess(packing: Packing, plan: Plan, panel: Any, vectors: int) -> tuple[Any, ...]:
    """By how much sums of flipped rows come out too large, for each vector of columns; empty where nothing is flipped:
    what the dot product of the columns with sign bits alone is."""
    dot = packing.dot
    if not dot.flipped:
        return ()
    i32 = parse_type("i32")
    zero, signs = (splat(arith.constant(i32, n), plan.lanes) for n in (0, SIGN_BITS))

    def body(step: Size, sums: list[Any]) -> list[Any]:
        start = mul(step, vectors * plan.lanes * dot.group)
        columns = Groups(dot.storage, panel, ())
        places = [add(start, v * plan.lanes * dot.group) for v in range(vectors)]
        return [dot.add(s, columns.load_vector(at, 1, plan.lanes), signs) for s, at in zip(sums, places, strict=True)]

    return tuple(carrying_loop(0, packing.steps, 1, [zero] * vectors, body))
