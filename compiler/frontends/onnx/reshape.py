"""`Reshape` of any kind as collapse and expand of neighbouring dimensions.

The wheel lowers views that merge free dimensions wrongly, so reshapes are lowered here. Sizes are compared
by name where they are free: `[batch, seq, 768] -> [batch, seq, 12, 64]` splits the last dimension only.
What cannot be matched is collapsed to one dimension and expanded again, which is right for every reshape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.frontends.onnx.graph import Dim


@dataclass(frozen=True)
class Group:
    """Input dimensions `source` hold the same elements as output dimensions `target`."""

    source: tuple[int, ...]
    target: tuple[int, ...]


def match_groups(source: Sequence[Dim], target: Sequence[Dim]) -> list[Group]:
    """Splits a reshape into independent groups, as fine as the known sizes allow."""
    groups: list[Group] = []
    i = j = 0
    while i < len(source) or j < len(target):
        end = _next_group(source, target, i, j)
        if end is None:
            break
        groups.append(Group(tuple(range(i, end[0])), tuple(range(j, end[1]))))
        i, j = end
    tail: list[Group] = []
    stop_i, stop_j = len(source), len(target)
    while stop_i > i and stop_j > j and _same(source[stop_i - 1], target[stop_j - 1]):
        if (stop_i - 1 == i and stop_j - 1 != j) or (stop_j - 1 == j and stop_i - 1 != i):
            break
        stop_i, stop_j = stop_i - 1, stop_j - 1
        tail.insert(0, Group((stop_i,), (stop_j,)))
    if stop_i > i or stop_j > j:
        groups.append(Group(tuple(range(i, stop_i)), tuple(range(j, stop_j))))
    return join_empty(groups + tail)


def _same(a: Dim, b: Dim) -> bool:
    return a is not None and a == b


def _next_group(source: Sequence[Dim], target: Sequence[Dim], i: int, j: int) -> tuple[int, int] | None:
    """End of the shortest group that starts at `i`, `j` and surely has equally many elements on both sides."""
    for width in range(1, len(source) - i + len(target) - j + 1):
        for a in range(max(0, width - (len(target) - j)), min(width, len(source) - i) + 1):
            b = width - a
            if ((a and b) or width == 1) and _equal_products(source[i : i + a], target[j : j + b]):
                return i + a, j + b
    return None


def _equal_products(left: Sequence[Dim], right: Sequence[Dim]) -> bool:
    if any(d is None for d in [*left, *right]):
        return False
    return _factors(left) == _factors(right)


def _factors(sizes: Sequence[Dim]) -> tuple[int, list[str]]:
    number = 1
    for size in sizes:
        number *= size if isinstance(size, int) else 1
    return number, sorted(s for s in sizes if isinstance(s, str))


def join_empty(groups: list[Group]) -> list[Group]:
    """Joins groups that are empty on one side (sizes of one) to a neighbour; every group then has both."""
    out: list[Group] = []
    for group in groups:
        if out and (not group.source or not group.target or not out[-1].source or not out[-1].target):
            out[-1] = Group(out[-1].source + group.source, out[-1].target + group.target)
        else:
            out.append(group)
    return out


def build_reshape(value: Any, groups: list[Group], sizes: Sequence[Any], result: Any) -> Any:
    """Writes the reshape at the current insertion point.

    Args:
        value: tensor to reshape.
        sizes: for each output dimension an `int`, or an index value.
        result: the tensor type wanted.
    """
    kind, out = ir.RankedTensorType(value.type), ir.RankedTensorType(result)
    if out.rank == 0:
        return _to_scalar(value, kind)
    value = _collapse(value, kind, groups)
    value = cast(value, _type([_product(sizes, g.target) for g in groups], kind.element_type))
    value = _expand(value, groups, sizes, kind.element_type)
    return cast(value, out)


def _to_scalar(value: Any, kind: Any) -> Any:
    if kind.rank == 0:
        return value
    value = cast(value, _type([1] * kind.rank, kind.element_type))
    return tensor.CollapseShapeOp(_type([], kind.element_type), value, []).result


def _flat_size(kind: Any, dims: Sequence[int]) -> int | None:
    number = 1
    for i in dims:
        if kind.is_dynamic_dim(i):
            return None
        number *= kind.get_dim_size(i)
    return number


def _product(sizes: Sequence[Any], dims: Sequence[int]) -> int | None:
    """The number of elements when every size is a number; None makes the middle dimension free."""
    number = 1
    for i in dims:
        if not isinstance(sizes[i], int):
            return None
        number *= sizes[i]
    return number


def _type(sizes: Sequence[int | None], element: Any) -> Any:
    dynamic = ir.ShapedType.get_dynamic_size()
    return ir.RankedTensorType.get([dynamic if s is None else s for s in sizes], element)


def _collapse(value: Any, kind: Any, groups: list[Group]) -> Any:
    if all(len(g.source) == 1 for g in groups):
        return value
    if kind.rank == 0:
        ones = [1] * len(groups)
        return tensor.ExpandShapeOp(_type(ones, kind.element_type), value, [], [], ones).result
    flat = [_flat_size(kind, g.source) for g in groups]
    return tensor.CollapseShapeOp(_type(flat, kind.element_type), value, [list(g.source) for g in groups]).result


def _expand(value: Any, groups: list[Group], sizes: Sequence[Any], element: Any) -> Any:
    if all(len(g.target) == 1 for g in groups):
        return value
    static = [s if isinstance(s, int) else ir.ShapedType.get_dynamic_size() for s in sizes]
    dynamic = [s for s in sizes if not isinstance(s, int)]
    kind = ir.RankedTensorType.get(static, element)
    return tensor.ExpandShapeOp(kind, value, [list(g.target) for g in groups], dynamic, static).result


def cast(value: Any, kind: Any) -> Any:
    """`value` under the type `kind`, through tensor.cast when they differ."""
    return value if value.type == kind else tensor.CastOp(kind, value).result


def index(number: int) -> Any:
    """An index constant at the current insertion point."""
    return arith.ConstantOp(ir.IndexType.get(), ir.IntegerAttr.get(ir.IndexType.get(), number)).result


def take_dims(source: Any, places: Sequence[int | None], result: Any) -> Any:
    """A reshape whose output dimension i is input dimension `places[i]`, or one; the other inputs are one."""
    rank = ir.RankedTensorType(source.type).rank
    groups: list[Group] = []
    at = 0
    for i, place in enumerate(places):
        stop = at if place is None else place + 1
        groups.append(Group(tuple(range(at, stop)), (i,)))
        at = stop
    groups.append(Group(tuple(range(at, rank)), ()))
    sizes = [1 if p is None else dims_product(source, (p,)) for p in places]
    return build_reshape(source, join_empty([g for g in groups if g.source or g.target]), sizes, result)


def dims_product(source: Any, dims: Sequence[int]) -> Any:
    """The product of some sizes: a number, or an index value when one of them is free."""
    kind = ir.RankedTensorType(source.type)
    number, value = 1, None
    for i in dims:
        if not kind.is_dynamic_dim(i):
            number *= kind.get_dim_size(i)
            continue
        size = tensor.DimOp(source, index(i)).result
        value = size if value is None else arith.MulIOp(value, size).result
    if value is None:
        return number
    return value if number == 1 else arith.MulIOp(value, index(number)).result
