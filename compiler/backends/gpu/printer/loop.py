"""Staging loops: `scf.for` as a Triton loop that carries tiles; destinations pass through it by reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.contraction import is_contraction
from stratagem.compiler.backends.gpu.printer.element_types import computed_in
from stratagem.compiler.backends.gpu.printer.extents import tile_shape
from stratagem.compiler.backends.gpu.printer.scalars import Scalar
from stratagem.compiler.backends.gpu.printer.structured import replace_held
from stratagem.compiler.backends.gpu.printer.values import Tile, View
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from stratagem.compiler.backends.gpu.printer.phase import PhasePrinter


def print_loop(phase: PhasePrinter, op: Any) -> None:
    """Prints one `scf.for`. Tiles are carried in the type arithmetic is done in."""
    writer = phase.writer
    lower, upper, step = (phase.scalar(o) for o in list(op.operands)[:3])
    block = op.regions[0].blocks[0]
    induction, *carried = block.arguments
    names = [_enter(phase, init, argument, op) for init, argument in zip(list(op.operands)[3:], carried, strict=True)]
    _load_invariants(phase, block)
    variable = writer.fresh("k")
    phase.values[induction] = Scalar(max(upper.high - 1, 1), variable)
    writer.line(f"for {variable} in tl.range({', '.join(writer.show(s) for s in (lower, upper, step))}):")
    outside = dict(phase.loaded)
    with writer.indented():
        phase.block(block)
        _refuse_reading_own_stores(phase, set(phase.loaded) - set(outside), op)
        _carry(phase, list(list(block.operations)[-1].operands), names, op)
    phase.loaded = outside
    for result, argument in zip(op.results, carried, strict=True):
        phase.values[result] = phase.values[argument]


def _enter(phase: PhasePrinter, init: Any, argument: Any, op: Any) -> str | None:
    """Binds a carried value before the loop; the name of its variable, None for a destination."""
    known = phase.shaped(init)
    if isinstance(known, View) and _is_inserted_into(argument):
        phase.values[argument] = known
        return None
    tile = phase.tile_of(known)
    held = computed_in(tile.element)
    name = phase.writer.fresh("acc")
    phase.writer.line(f"{name} = {replace_held(tile, held).text}")
    phase.values[argument] = Tile(name, tile.dims, tile.element, held)
    return name


def _load_invariants(phase: PhasePrinter, block: Any) -> None:
    """Loads tiles that the loop reads whole and does not move, once, before it.

    Operands of f32 dots stay in memory, for those may be read in steps.
    """
    for op in block.operations:
        if op.operation.name != "linalg.generic" or (is_contraction(op.operation) and _multiplies_f32(op)):
            continue
        arguments = op.regions[0].blocks[0].arguments
        maps = ir.ArrayAttr(op.attributes["indexing_maps"])
        for operand, argument, access in zip(op.operands, arguments, maps, strict=True):
            known = phase.values.get(operand)
            whole = ir.AffineMapAttr(access).value.is_projected_permutation
            if isinstance(known, View) and list(argument.uses) and whole:
                phase.tile_of(known)


def _multiplies_f32(op: Any) -> bool:
    return "f32" in str(op.operands[0].type)


def _is_inserted_into(argument: Any) -> bool:
    users = [use.owner.operation for use in argument.uses]
    return any(u.name == "tensor.insert_slice" and u.operands[1] == argument for u in users)


def _carry(phase: PhasePrinter, yielded: list[Any], names: list[str | None], op: Any) -> None:
    targets, sources = [], []
    for value, name, init in zip(yielded, names, list(op.operands)[3:], strict=True):
        known = phase.shaped(value)
        if name is None:
            if not isinstance(known, View):
                raise UnsupportedError("a loop must pass on the destination it updates", location=location_text(op))
            continue
        tile = phase.tile_of(known)
        before = phase.shaped(init)
        smallest = phase.writer.smallest_extent
        if tile_shape(tile.dims, smallest) != tile_shape(before.dims, smallest):
            raise UnsupportedError("a loop carries a tile whose shape changes", location=location_text(op))
        text = replace_held(tile, computed_in(tile.element)).text
        if text != name:
            targets.append(name)
            sources.append(text)
    if targets:
        phase.writer.line(f"{', '.join(targets)} = {', '.join(sources)}")


def _refuse_reading_own_stores(phase: PhasePrinter, inside: set[int], op: Any) -> None:
    """A loop that loads from a buffer it also stores to would see its own stores in the next iteration."""
    for view, _ in (phase.loaded[key] for key in inside):
        if view.buffer.index in phase.written_in_place:
            raise UnsupportedError(
                f"a loop reads {view.buffer.name}, which it also stores to",
                hint="split the kernel into two phases",
                location=location_text(op),
            )
