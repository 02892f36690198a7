"""Building blocks of the rewrite: local types, and the operations that turn one placement into another.

Collectives here always work on a new leading dimension, so that the runtime only ever concatenates or reduces whole
contiguous parts; the reshapes and transposes around them become part of neighbouring kernels.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.sharding.placements import Sharded


def shape_of(value: Any) -> list[int | None]:
    """Sizes, None where not known at compile time."""
    kind = ir.RankedTensorType(value.type)
    return [None if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in range(kind.rank)]


def tensor_type(shape: list[int | None], like: Any) -> Any:
    dynamic = ir.ShapedType.get_dynamic_size()
    sizes = [dynamic if n is None else n for n in shape]
    return ir.RankedTensorType.get(sizes, ir.RankedTensorType(like).element_type)


def local_type(kind: Any, placement: Any, ranks: int) -> Any:
    """The type of one rank's part."""
    if not isinstance(placement, Sharded):
        return kind
    shaped = ir.RankedTensorType(kind)
    shape = [None if shaped.is_dynamic_dim(i) else shaped.get_dim_size(i) for i in range(shaped.rank)]
    size = shape[placement.dim]
    assert size is not None
    shape[placement.dim] = size // ranks
    return tensor_type(shape, kind)


class Builder:
    """Emits the operations of one mesh axis at the current insertion point."""

    def __init__(self, axis: str, ranks: int) -> None:
        self.axis, self.ranks = axis, ranks

    def all_reduce(self, value: Any, reduction: str) -> Any:
        return self._collective("all_reduce", value, value.type, reduction=reduction)

    def all_gather(self, value: Any, placement: Sharded) -> Any:
        """Parts -> whole: gather in front, move the ranks to where the parts belong, merge."""
        shape, d = shape_of(value), placement.dim
        under = [placement.outer] if placement.outer > 1 else []
        local = _known(shape[d]) // placement.outer
        cut: list[list[int | None]] = [[n] for n in shape]
        cut[d] = [*under, local]
        cut[0] = [1, *cut[0]]
        parts = self._split(value, cut)
        kind = tensor_type([self.ranks, *shape_of(parts)[1:]], value.type)
        gathered = self._collective("all_gather", parts, kind, dim=0)
        front, rank = d + len(under), len(shape_of(parts))
        moved = self._transpose(gathered, [*range(1, front + 1), 0, *range(front + 1, rank)])
        return self._merge(moved, [1] * d + [len(under) + 2] + [1] * (len(shape) - d - 1))

    def reduce_scatter(self, value: Any, placement: Sharded, reduction: str) -> Any:
        """Partial sums -> each rank its part of the total."""
        parts = self._ranks_in_front(value, placement)
        kind = tensor_type([1, *shape_of(parts)[1:]], value.type)
        scattered = self._collective("reduce_scatter", parts, kind, dim=0, reduction=reduction)
        return self._drop_front(scattered, placement)

    def own_part(self, value: Any, placement: Sharded) -> Any:
        """Whole -> this rank's part: a slice at the rank's place."""
        parts = self._ranks_in_front(value, placement)
        shape, dynamic = [1, *shape_of(parts)[1:]], ir.ShapedType.get_dynamic_size()
        attributes = {"axis": ir.StringAttr.get(self.axis)}
        rank = ir.Operation.create("system.rank", results=[ir.IndexType.get()], attributes=attributes).result
        sizes = [dynamic if n is None else n for n in shape]
        offsets = [dynamic, *[0] * (len(shape) - 1)]
        kind = tensor_type(shape, value.type)
        dims = self._dynamic_sizes(parts)
        part = tensor.extract_slice(kind, parts, [rank], dims, [], offsets, sizes, [1] * len(shape))
        return self._drop_front(part, placement)

    def _ranks_in_front(self, value: Any, placement: Sharded) -> Any:
        """[.., outer * ranks * n, ..] -> [ranks, .., outer, n, ..]; no outer dimension where outer is 1."""
        shape, d = shape_of(value), placement.dim
        under = [placement.outer] if placement.outer > 1 else []
        cut: list[list[int | None]] = [[n] for n in shape]
        cut[d] = [*under, self.ranks, _known(shape[d]) // placement.outer // self.ranks]
        wide = self._split(value, cut)
        at, rank = d + len(under), len(shape_of(wide))
        return self._transpose(wide, [at, *range(at), *range(at + 1, rank)])

    def _drop_front(self, value: Any, placement: Sharded) -> Any:
        """[1, .., outer, n, ..] -> [.., outer * n, ..]."""
        under = 1 if placement.outer > 1 else 0
        rank, d = len(shape_of(value)) - 1 - under, placement.dim
        counts = [1] * d + [1 + under] + [1] * (rank - d - 1)
        counts[0] += 1
        return self._merge(value, counts)

    def _collective(self, name: str, value: Any, kind: Any, dim: int | None = None, reduction: str = "") -> Any:
        attributes = {"axis": ir.StringAttr.get(self.axis)}
        if dim is not None:
            attributes["dim"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), dim)
        if reduction:
            attributes["reduction"] = ir.StringAttr.get(reduction)
        return ir.Operation.create(f"system.{name}", results=[kind], operands=[value], attributes=attributes).result

    def _dynamic_sizes(self, value: Any) -> list[Any]:
        index = ir.IndexType.get()
        return [tensor.dim(value, arith.constant(index, i)) for i, n in enumerate(shape_of(value)) if n is None]

    def _split(self, value: Any, cut: list[list[int | None]]) -> Any:
        """Each dimension i becomes the dimensions `cut[i]`."""
        dynamic = ir.ShapedType.get_dynamic_size()
        shape = [n for sizes in cut for n in sizes]
        static = [dynamic if n is None else n for n in shape]
        groups = _groups([len(sizes) for sizes in cut])
        return tensor.expand_shape(tensor_type(shape, value.type), value, groups, self._dynamic_sizes(value), static)

    def _merge(self, value: Any, counts: list[int]) -> Any:
        """The next `counts[i]` dimensions become dimension i."""
        shape, groups = shape_of(value), _groups(counts)
        merged = [_product([shape[i] for i in group]) for group in groups]
        return tensor.collapse_shape(tensor_type(merged, value.type), value, groups)

    def _transpose(self, value: Any, order: list[int]) -> Any:
        if order == sorted(order):
            return value
        shape = shape_of(value)
        kind = tensor_type([shape[i] for i in order], value.type)
        sizes = self._dynamic_sizes_in(value, order)
        empty = ir.Operation.create("tensor.empty", results=[kind], operands=sizes).result
        return linalg.transpose(value, outs=[empty], permutation=order).operation.results[0]

    def _dynamic_sizes_in(self, value: Any, order: list[int]) -> list[Any]:
        index = ir.IndexType.get()
        shape = shape_of(value)
        return [tensor.dim(value, arith.constant(index, i)) for i in order if shape[i] is None]


def _groups(counts: list[int]) -> list[list[int]]:
    """[1, 2] -> [[0], [1, 2]]."""
    groups, at = [], 0
    for count in counts:
        groups.append(list(range(at, at + count)))
        at += count
    return groups


def _product(sizes: list[int | None]) -> int | None:
    total = 1
    for n in sizes:
        if n is None:
            return None
        total *= n
    return total


def _known(size: int | None) -> int:
    """A size that the rules only let through when it is known."""
    assert size is not None, "a dimension of unknown size was cut"
    return size
