"""What the sharding rules need to know of a linalg operation, read from the IR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg

from stratagem.compiler.ir import walk

COMBINERS = {
    "arith.addf": "sum",
    "arith.addi": "sum",
    "arith.maximumf": "max",
    "arith.maxnumf": "max",
    "arith.maxsi": "max",
    "arith.minimumf": "min",
    "arith.minnumf": "min",
    "arith.minsi": "min",
}
"""The operation that folds a reduction -> what a collective must do to fold the ranks' results."""


@dataclass(frozen=True)
class Structure:
    """A linalg operation as loops over dimensions.

    `dims_of[i][d]` is the loop that indexes dimension d of operand i, None when it is anything but a plain loop index.
    `free_loops` are those that may be cut: no `linalg.index`, no captured tensor, no window over them.
    `reduction` folds the results of a cut reduction loop; empty when it cannot be folded by a collective.
    """

    loops: int
    reductions: frozenset[int]
    dims_of: tuple[tuple[int | None, ...], ...]
    inputs: int
    free_loops: frozenset[int]
    reduction: str


def structure_of(op: Any) -> Structure | None:
    """The structure of a linalg operation on tensors; None for any other operation, or one that captures tensors."""
    maps = indexing_maps(op) if is_loop_nest(op) else None
    if maps is None or _captures_tensors(op):
        return None
    kinds = _iterators(op)
    dims_of = plain_dims(maps)
    blocked = _indexed_loops(op)
    for affine_map, dims in zip(maps, dims_of, strict=True):
        for expression, dim in zip(affine_map.results, dims, strict=True):
            if dim is None:
                blocked |= loops_in(expression)
    free = frozenset(range(maps[0].n_dims)) - blocked
    return Structure(
        maps[0].n_dims,
        frozenset(i for i, k in enumerate(kinds) if k == "reduction"),
        dims_of,
        len(op.operands) - len(op.results),
        free,
        _combiner(op),
    )


def is_loop_nest(op: Any) -> bool:
    """Whether an operation is a linalg operation on tensors."""
    return op.name.startswith("linalg.") and bool(op.results) and op.name not in ("linalg.index", "linalg.yield")


def plain_dims(maps: list[Any]) -> tuple[tuple[int | None, ...], ...]:
    """For each operand the loop that indexes each of its dimensions, None where that is no plain loop index."""
    return tuple(tuple(_plain_dim(e) for e in m.results) for m in maps)


def indexing_maps(op: Any) -> list[Any] | None:
    """One affine map per operand of a linalg operation; None when it states none."""
    if "indexing_maps" in op.attributes:
        return [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]
    try:
        attribute = linalg.get_indexing_maps(op)
    except Exception:
        return None
    return None if attribute is None else [ir.AffineMapAttr(a).value for a in attribute]


def _iterators(op: Any) -> list[str]:
    """Iterator kinds; named operations state theirs through the output maps: a loop no output uses is a reduction."""
    if "iterator_types" in op.attributes:
        texts = [str(a) for a in ir.ArrayAttr(op.attributes["iterator_types"])]
        return ["reduction" if "reduction" in t else "parallel" for t in texts]
    maps = indexing_maps(op) or []
    used: set[int] = set()
    for output in maps[len(op.operands) - len(op.results) :]:
        for expression in output.results:
            used |= loops_in(expression)
    return ["parallel" if i in used else "reduction" for i in range(maps[0].n_dims)]


def _plain_dim(expression: Any) -> int | None:
    narrowed = expression.maybe_downcast()
    return int(narrowed.position) if isinstance(narrowed, ir.AffineDimExpr) else None


def loops_in(expression: Any) -> set[int]:
    """The loops an indexing expression mentions."""
    narrowed = expression.maybe_downcast()
    if isinstance(narrowed, ir.AffineDimExpr):
        return {int(narrowed.position)}
    if isinstance(narrowed, ir.AffineBinaryExpr):
        return loops_in(narrowed.lhs) | loops_in(narrowed.rhs)
    return set()


def _indexed_loops(op: Any) -> set[int]:
    return {int(ir.IntegerAttr(inner.attributes["dim"]).value) for inner in walk(op) if inner.name == "linalg.index"}


def _captures_tensors(op: Any) -> bool:
    """Whether the body reads a tensor from outside, as gathers do: such a read may go to any rank's part."""
    return any(isinstance(v.type, ir.RankedTensorType) for inner in walk(op) for v in inner.operands)


def _combiner(op: Any) -> str:
    if not op.regions or not len(op.regions[0].blocks) or len(op.results) != 1:
        return ""
    block = op.regions[0].blocks[0]
    value = list(block.operations)[-1].operation.operands[0]
    owner = value.owner
    if isinstance(owner, ir.Block):
        return ""
    accumulator = block.arguments[len(block.arguments) - 1]
    folds = accumulator in list(owner.operation.operands)
    return COMBINERS.get(owner.operation.name, "") if folds else ""
