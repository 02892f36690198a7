"""What single operations of the host program say about sizes: how results of tensor and integer operations follow from
their operands. `host_sizes.py` names what they leave open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler.checks.index_reader import fold_affine, kept_dims
from stratagem.compiler.checks.polynomials import Polynomial, number
from stratagem.compiler.ir import DYNAMIC

if TYPE_CHECKING:
    from stratagem.compiler.checks.host_sizes import HostSizes

SIZE_BITS = 64
"""Integers at least this wide hold every size; a cast to fewer bits may change the number."""

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
"""`arith.cmpi` predicates by number, in isl's notation; the last four compare without sign."""
FIRST_UNSIGNED = 6


# ---- extents of tensors


def _of_destination(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial:
    op = tensor.owner.operation
    number_of = [r == tensor for r in op.results].index(True)
    return sizes.extent(op.operands[len(op.operands) - len(op.results) + number_of], dim)


def _of_source(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial:
    return sizes.extent(tensor.owner.operation.operands[0], dim)


def _beside_cut(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial | None:
    """Ranks' parts are joined or cut along one dimension, whose size depends on how many ranks there are."""
    op = tensor.owner.operation
    return None if ir.IntegerAttr(op.attributes["dim"]).value == dim else sizes.extent(op.operands[0], dim)


def _given(leading: int) -> Callable[[HostSizes, Any, int], Polynomial]:
    """Free sizes stand behind so many operands, in order."""

    def read(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial:
        kind = ir.RankedTensorType(tensor.type)
        before = sum(kind.is_dynamic_dim(i) for i in range(dim))
        return sizes.index(tensor.owner.operation.operands[leading + before])

    return read


def _of_collapsed(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial:
    op, product = tensor.owner.operation, number(1)
    for merged in ir.ArrayAttr(ir.ArrayAttr(op.attributes["reassociation"])[dim]):
        product = product * sizes.extent(op.operands[0], ir.IntegerAttr(merged).value)
    return product


def _of_slice(sizes: HostSizes, tensor: Any, dim: int) -> Polynomial:
    op = tensor.owner.operation
    groups = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    dynamic = iter(list(op.operands)[groups[0] + groups[1] :])
    static = list(ir.DenseI64ArrayAttr(op.attributes["static_sizes"]))
    found = [sizes.index(next(dynamic)) if n == DYNAMIC else number(n) for n in static]
    return found[kept_dims([s.constant for s in found], ir.RankedTensorType(tensor.type))[dim]]


EXTENTS: dict[str, Callable[[HostSizes, Any, int], Polynomial | None]] = {
    "func.call": _of_destination,
    "system.transfer": _of_source,
    "system.all_reduce": _of_source,
    "system.all_gather": _beside_cut,
    "system.reduce_scatter": _beside_cut,
    "tensor.cast": _of_source,
    "tensor.empty": _given(0),
    "tensor.expand_shape": _given(1),
    "tensor.collapse_shape": _of_collapsed,
    "tensor.extract_slice": _of_slice,
}
"""Operation -> a free extent of its result, None where the operation does not say."""


# ---- integers


def read_integer(sizes: HostSizes, op: Any) -> Polynomial | None:
    """The integer that an operation computes; None for control flow."""
    read = _INTEGERS.get(op.name)
    if read is not None:
        return read(sizes, op)
    return None if op.regions else _same_computation(sizes, op)


def _same_computation(sizes: HostSizes, op: Any) -> Polynomial:
    """A name for what an operation without effects computes, the same for the same operands."""
    attributes = tuple((name, str(op.attributes[name])) for name in op.attributes)
    operands = tuple(sizes.index(v) if _is_integer(v) else v for v in op.operands)
    return sizes.name((op.name, attributes, operands, str(op.results[0].type)))


def _is_integer(value: Any) -> bool:
    return isinstance(value.type, ir.IndexType | ir.IntegerType)


def _constant(sizes: HostSizes, op: Any) -> Polynomial:
    return number(ir.IntegerAttr(op.attributes["value"]).value)


def _dim(sizes: HostSizes, op: Any) -> Polynomial:
    at = sizes.index(op.operands[1]).constant
    return _same_computation(sizes, op) if at is None else sizes.extent(op.operands[0], at)


def _cast(sizes: HostSizes, op: Any) -> Polynomial:
    """A cast keeps the number unless it drops bits, or reads a negative number as one without sign."""
    before, after = (_bits(v) for v in (op.operands[0], op.results[0]))
    keeps = after >= min(before, SIZE_BITS) and (before >= SIZE_BITS or not op.name.endswith("ui"))
    return sizes.index(op.operands[0]) if keeps else _same_computation(sizes, op)


def _bits(value: Any) -> int:
    return SIZE_BITS if isinstance(value.type, ir.IndexType) else int(ir.IntegerType(value.type).width)


def _affine(sizes: HostSizes, op: Any) -> Polynomial:
    affine_map = ir.AffineMapAttr(op.attributes["map"]).value
    operands = [sizes.index(v) for v in op.operands]
    dims, symbols = operands[: affine_map.n_dims], operands[affine_map.n_dims :]

    def combine(name: str, left: Polynomial, right: Polynomial) -> Polynomial:
        return _combine(sizes, name, left, right)

    results = [fold_affine(r, dims, symbols, number, combine) for r in affine_map.results]
    return results[0] if op.name == "affine.apply" else sizes.bound("<=" if op.name == "affine.min" else ">=", results)


def _combine(sizes: HostSizes, name: str, left: Polynomial, right: Polynomial) -> Polynomial:
    if name == "arith.addi":
        return left + right
    if name == "arith.subi":
        return left - right
    if name == "arith.muli":
        return left * right
    if name in ROUNDINGS:
        return sizes.divided(left, right, ROUNDINGS[name])
    return left - sizes.divided(left, right, "zero" if name == "arith.remsi" else "floor") * right


ROUNDINGS = {"arith.ceildivsi": "ceil", "arith.floordivsi": "floor", "arith.divsi": "zero"}


def _binary(sizes: HostSizes, op: Any) -> Polynomial:
    return _combine(sizes, op.name, *map(sizes.index, op.operands))


def _bound(sizes: HostSizes, op: Any) -> Polynomial:
    return sizes.bound("<=" if op.name == "arith.minsi" else ">=", [sizes.index(v) for v in op.operands])


def _select(sizes: HostSizes, op: Any) -> Polynomial:
    chosen, other = (sizes.index(v) for v in list(op.operands)[1:])
    if chosen == other:
        return chosen
    compared = list(comparisons(sizes, op.operands[0]))
    if any(c.never(sizes) for c in compared):
        return other
    sides = [side for c in compared for side in c.sides]

    def define(name: str) -> tuple[list[tuple[str, int]], list[Polynomial]]:
        true = " and ".join([f"{name} = {chosen}", *(c.text for c in compared)])
        return [(f"({true}) or {name} = {other}", 1 + math.prod(c.cases for c in compared))], [chosen, other, *sides]

    return sizes.name(("select", op.operands[0], chosen, other), define)


def _element(sizes: HostSizes, op: Any) -> Polynomial:
    """An element of a tensor that was put together from single values."""
    made_by = op.operands[0].owner
    at = [sizes.index(v).constant for v in list(op.operands)[1:]]
    if isinstance(made_by, ir.Block) or made_by.operation.name != "tensor.from_elements" or len(at) != 1:
        return _same_computation(sizes, op)
    return _same_computation(sizes, op) if at[0] is None else sizes.index(made_by.operation.operands[at[0]])


_INTEGERS: dict[str, Callable[[HostSizes, Any], Polynomial]] = {
    "arith.constant": _constant,
    "tensor.dim": _dim,
    "tensor.extract": _element,
    "arith.select": _select,
    **dict.fromkeys(("arith.index_cast", "arith.index_castui", "arith.extsi", "arith.extui", "arith.trunci"), _cast),
    **dict.fromkeys(("affine.apply", "affine.min", "affine.max"), _affine),
    **dict.fromkeys(("arith.addi", "arith.subi", "arith.muli", "arith.remsi", *ROUNDINGS), _binary),
    **dict.fromkeys(("arith.minsi", "arith.maxsi"), _bound),
}


# ---- conditions


@dataclass(frozen=True)
class Comparison:
    """Two sizes and the number of an `arith.cmpi` predicate that holds between them."""

    predicate: int
    sides: tuple[Polynomial, Polynomial]

    @property
    def text(self) -> str:
        """In isl's notation; a comparison without sign says something of two sizes that are not negative only."""
        left, right = self.sides
        plain = f"{left} {COMPARISONS[self.predicate]} {right}"
        return f"({left} < 0 or {right} < 0 or {plain})" if self.predicate >= FIRST_UNSIGNED else plain

    @property
    def cases(self) -> int:
        """Alternatives without `or`; isl splits an inequality of both directions, too."""
        if self.predicate >= FIRST_UNSIGNED:
            return 3
        return 2 if COMPARISONS[self.predicate] == "!=" else 1

    def never(self, sizes: HostSizes) -> bool:
        """Whether it certainly does not hold; only for comparisons with sign."""
        left, right = self.sides
        above = {
            "<": (left, right),
            ">": (right, left),
            "<=": (left, right + number(1)),
            ">=": (right, left + number(1)),
        }
        sign = COMPARISONS[self.predicate] if self.predicate < FIRST_UNSIGNED else ""
        return sign in above and sizes.at_least(*above[sign])


def comparisons(sizes: HostSizes, condition: Any) -> Iterator[Comparison]:
    """What certainly holds when a truth value is true: comparisons of sizes."""
    if isinstance(condition.owner, ir.Block):
        return
    op = condition.owner.operation
    if op.name == "arith.andi":
        for part in op.operands:
            yield from comparisons(sizes, part)
    if op.name == "arith.cmpi" and _is_integer(op.operands[0]):
        left, right = map(sizes.index, op.operands)
        yield Comparison(ir.IntegerAttr(op.attributes["predicate"]).value, (left, right))
