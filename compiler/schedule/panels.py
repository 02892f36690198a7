"""Weights of matrix products, stored panel by panel.

`C[m, n] += A[m, k] * W[k, n]` reads `W` in panels of a few vectors of columns; so does a convolution, whose filter
`W[k..., n]` has several dimensions before its columns. Stored as a matrix, a panel's rows lie a row of `W` apart, so
every run copies the panel to dense memory first, or pays for pages and cache lines that it does not use up. Stored as
`W[n / p, k, p]`, a panel is one stretch of memory. The kernel's dimension `n` becomes two, `n / p` and `p`, in all of
its operations; callers see its other operands and its results through reshapes, which move nothing.
The layout is that of Goto and van de Geijn (2008, "Anatomy of High-Performance Matrix Multiplication"), made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from stratagem.compiler.arguments import add_parameter, drop_argument, parameter_name
from stratagem.compiler.ir import DYNAMIC
from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import region
from stratagem.compiler.schedule.clone import remap
from stratagem.compiler.schedule.dims import KernelDims, OpLoops, analyse
from stratagem.compiler.schedule.extents import extent, slice_parts
from stratagem.compiler.schedule.kernel import block_of, body_ops, contractions, terminator
from stratagem.compiler.schedule.rebuild import indexed_loops, rebuild, renumber
from stratagem.compiler.schedule.region import Range
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    Linear,
    dtype,
    dtype_bytes,
    input_count,
    is_fill,
    is_generic,
    is_tensor,
    owner,
    shape,
)

OPAQUE = -1
"""The place of a dimension that is read through anything but its bare loop, or twice."""


@dataclass(frozen=True)
class Panels:
    """How a kernel is to be cut.

    Attributes:
        weight: the argument to be stored in panels. dims: the kernel's dimensions, `dim` the one that is cut, into
            `count` panels of `columns`. places: tensor -> which of its dimensions that is; absent where it has none.
    """

    weight: Any
    dims: KernelDims
    dim: int
    count: int
    columns: int
    places: Mapping[Any, int]

    def cut_loop(self, loops: OpLoops) -> int | None:
        """The loop of an operation that is cut."""
        return loops.dims.index(self.dim) if self.dim in loops.dims else None

    def cut_sizes(self, value: Any, sizes: list[Any]) -> list[Any]:
        """The sizes of a tensor after the cut."""
        if value == self.weight:
            return [self.count, *sizes[:-1], self.columns]
        at = self.places[value]
        return [*sizes[:at], self.count, self.columns, *sizes[at + 1 :]]


def panels_of(function: Any, widths: Sequence[int], least: int) -> Panels | None:
    """How to cut a kernel whose one product has a weight of more than `least` bytes, into panels of the first of
    `widths` that cuts it into whole ones; None where that cannot be done."""
    ops = body_ops(function)
    products = contractions(ops)
    if len(products) != 1:
        return None
    dims = analyse(ops)
    for position in range(2):
        dim = _columns_of(products[0], position, dims, least)
        weight = products[0].operands[position]
        columns = next((w for w in widths if dim is not None and shape(weight)[-1] % w == 0), None)  # type: ignore[operator]
        if dim is None or columns is None or shape(weight)[-1] == columns:
            continue
        places = _places(ops, dims, dim)
        if places is not None:
            return Panels(weight, dims, dim, shape(weight)[-1] // columns, columns, places)  # type: ignore[operator]
    return None


def _columns_of(product: Any, position: int, dims: KernelDims, least: int) -> int | None:
    """The kernel dimension of the columns of operand `position`, if it is an argument `[k..., n]` that suits panels."""
    value, loops = product.operands[position], dims.loops[product]
    read = [r.loop if r is not None else None for r in loops.accesses[position]]
    if not isinstance(value.owner, ir.Block) or len(list(value.uses)) != 1 or len(read) < 2:
        return None
    *depth, column = read
    sizes = shape(value)
    last = loops.accesses[-1][-1] if loops.accesses[-1] else None
    if None in sizes or column is None or last is None or last.loop != column:
        return None
    if any(d is None or loops.iterators[d] != REDUCTION for d in depth):
        return None
    bytes_ = prod(size for size in sizes if size is not None) * dtype_bytes(dtype(value))
    return loops.dims[column] if bytes_ > least else None


def _places(ops: list[Any], dims: KernelDims, dim: int) -> dict[Any, int] | None:
    """Where the tensors of a kernel have dimension `dim`; None where an operation does not let it be cut in two."""
    found: dict[Any, int | None] = {}
    for op, loops in dims.loops.items():
        cut = [i for i, d in enumerate(loops.dims) if d == dim]
        if len(cut) > 1 or any(loops.iterators[i] == REDUCTION or i in indexed_loops(op) for i in cut):
            return None
        for value, access in _tensors(op, loops.accesses):
            at = _place(access, cut)
            if at == OPAQUE or found.setdefault(value, at) != at:
                return None
    for op in ops:
        if op.name == "tensor.insert_slice" and not _follows_source(op, found):
            return None
    for op in ops:
        if is_fill(op) and op.results[0] in found:  # a fill has its dimensions where its destination has them
            at = found[op.results[0]]
            if found.setdefault(op.operands[1], at) != at:
                return None
    places = {value: at for value, at in found.items() if at is not None}
    return places if all(_lets_cut(op, places) for op in ops) else None


def _follows_source(insert: Any, found: dict[Any, int | None]) -> bool:
    """Gives both tensors around an insertion the place of the inserted one; whether that is possible."""
    at = found.get(insert.operands[0])
    whole = at is None or shape(insert.operands[0])[at] == shape(insert.results[0])[at]
    return whole and all(found.setdefault(v, at) == at for v in (insert.operands[1], insert.results[0]))


def _lets_cut(op: Any, places: Mapping[Any, int]) -> bool:
    """Whether an operation beside the generics has nothing to do with cut tensors, or means the same afterwards."""
    if is_generic(op) or is_fill(op) or op.name in ("tensor.empty", "tensor.insert_slice"):
        return True
    if op.name != "tensor.dim" or op.operands[0] not in places:
        return not any(v in places for v in op.operands)
    asked = owner(op.operands[1])
    constant = asked is not None and asked.name == "arith.constant"
    return constant and isinstance(op.operands[0].owner, ir.Block) and _number(asked) < places[op.operands[0]]


def _number(constant: Any) -> int:
    return int(ir.IntegerAttr(constant.attributes["value"]).value)


def _tensors(op: Any, accesses: list[Access]) -> list[tuple[Any, Access]]:
    """All tensors of a generic with their accesses; a result has that of its destination."""
    written = accesses[input_count(op) :]
    pairs = [*zip(op.operands, accesses, strict=True), *zip(op.results, written, strict=True)]
    return [(value, access) for value, access in pairs if is_tensor(value)]


def _place(access: Access, cut: list[int]) -> int | None:
    """The dimension that the loop in `cut` indexes; None for none."""
    if not cut:
        return None
    at = [i for i, r in enumerate(access) if r is None or any(loop in cut for loop, _ in r.terms)]
    if not at:
        return None
    result = access[at[0]]
    return at[0] if len(at) == 1 and result is not None and result.loop == cut[0] else OPAQUE


@rests_on("flat-index")
def store_in_panels(program: Program, main: Any, function: Any, calls: list[Any], cut: Panels) -> bool:
    """Cuts a kernel and its calls; False, and nothing changed, unless each call passes a parameter of its own."""
    number = cut.weight.arg_number
    weights = [call.operands[number] for call in calls]
    names = [parameter_name(main, weight) for weight in weights]
    if any(name not in program.parameters for name in names) or any(len(list(w.uses)) != 1 for w in weights):
        return False
    places = {a.arg_number: a for a in block_of(function).arguments if a in cut.places}
    returned = [v if v in cut.places else None for v in terminator(function).operands]
    for call in calls:
        _cut_call(program, main, call, number, places, returned, cut)
    _cut_kernel(function, cut)
    return True


def _cut_kernel(function: Any, cut: Panels) -> None:
    """Rewrites the kernel's operations on tensors with one dimension more."""
    ops, block, end = body_ops(function), block_of(function), terminator(function)
    for argument in block.arguments:
        if argument in cut.places:
            argument.set_type(_cut_type(argument, cut))
    mapping: dict[Any, Any] = {}
    for op in ops:
        if is_generic(op) and (loop := cut.cut_loop(cut.dims.loops[op])) is not None:
            _cut_generic(op, loop, cut, mapping)
        elif op.name == "tensor.insert_slice" and op.results[0] in cut.places:
            _cut_insert(op, cut, mapping)
    remap(end, mapping)
    for op in reversed(ops):
        remade = is_generic(op) or is_fill(op) or op.name in ("tensor.empty", "tensor.insert_slice")
        if remade and not any(list(r.uses) for r in op.results):
            op.erase()
    kinds = ir.FunctionType.get([a.type for a in block.arguments], [v.type for v in end.operands])
    function.attributes["function_type"] = ir.TypeAttr.get(kinds)


def _cut_generic(op: Any, loop: int, cut: Panels, mapping: dict[Any, Any]) -> None:
    loops = cut.dims.loops[op]
    renamed = {i: i if i <= loop else i + 1 for i in range(len(loops.iterators))}
    pair = [Linear(((loop, 1),)), Linear(((loop + 1, 1),))]
    operands, accesses = [], []
    with ir.InsertionPoint(op), op.location:
        for value, access in zip(op.operands, loops.accesses, strict=True):
            moved = renumber(access, renamed)
            if value in cut.places:
                at = cut.places[value]
                whole = (
                    [pair[0], *moved[:-1], pair[1]] if value == cut.weight else [*moved[:at], *pair, *moved[at + 1 :]]
                )
                moved = tuple(whole)
                value = _cut_value(value, cut, mapping)
            operands.append(value)
            accesses.append(moved)
        kinds = [*loops.iterators[: loop + 1], loops.iterators[loop], *loops.iterators[loop + 1 :]]
        made = rebuild(op, operands, accesses, kinds, renamed)
    mapping.update(zip(op.results, made.results, strict=True))


def _cut_insert(op: Any, cut: Panels, mapping: dict[Any, Any]) -> None:
    """The insertion into the cut tensor; along the cut dimension it covers all."""
    with ir.InsertionPoint(op), op.location:
        offsets, sizes, strides = slice_parts(op, 2)
        at = cut.places[op.results[0]]
        parts = [Range(o, s, t) for o, s, t in zip(offsets, sizes, strides, strict=True)]
        place = (*parts[:at], Range(0, cut.count), Range(0, cut.columns), *parts[at + 1 :])
        source = mapping.get(op.operands[0], op.operands[0])
        mapping[op.results[0]] = region.insert(source, _cut_value(op.operands[1], cut, mapping), place)


def _cut_value(value: Any, cut: Panels, mapping: dict[Any, Any]) -> Any:
    """A tensor of the kernel with its dimension cut: an argument as it is by now, a fill or an empty one made anew."""
    made_by = owner(value)
    if made_by is None or value in mapping:
        return mapping.get(value, value)
    if is_fill(made_by):
        return linalg.fill(made_by.operands[0], outs=[_cut_value(made_by.operands[1], cut, mapping)])
    sizes = cut.cut_sizes(value, [extent(value, i) for i in range(value.type.rank)])
    return tensor.empty(sizes, value.type.element_type)


def _cut_type(value: Any, cut: Panels) -> Any:
    sizes = cut.cut_sizes(value, [DYNAMIC if n is None else n for n in shape(value)])
    return ir.RankedTensorType.get(sizes, value.type.element_type)


def _cut_call(
    program: Program, main: Any, call: Any, number: int, places: dict[int, Any], returned: list[Any], cut: Panels
) -> None:
    """The call on reshaped operands and the stored panels; its results are reshaped back."""
    weight = call.operands[number]
    with ir.InsertionPoint(call), call.location:
        operands = list(call.operands)
        operands[number] = _stored(program, main, weight, cut)
        for i, argument in places.items():
            if i != number:
                operands[i] = _reshaped(operands[i], argument, cut)
        kinds = [r.type if v is None else _type_like(r, v, cut) for r, v in zip(call.results, returned, strict=True)]
        attributes = {name: call.attributes[name] for name in call.attributes}
        made = ir.Operation.create("func.call", results=kinds, operands=operands, attributes=attributes)
        for old, new, inner in zip(call.results, made.results, returned, strict=True):
            plain = new if inner is None else tensor.CollapseShapeOp(old.type, new, _groups(inner, cut)).result
            old.replace_all_uses_with(plain)
    call.erase()
    drop_argument(main, weight)


def _stored(program: Program, main: Any, weight: Any, cut: Panels) -> Any:
    """The parameter in panels, `[n / p, k..., p]`; what was a view of it, or it itself, is a view of them."""
    store, name = program.parameters, parameter_name(main, weight)
    assert name is not None, "checked before anything is changed"
    *depth, width = store[name].shape
    panels = np.moveaxis(store[name].reshape(*depth, cut.count, cut.columns), -2, 0)
    added = store.add(f"{name}.panels", np.ascontiguousarray(panels))
    last = len(depth)
    places = [*([d + 1] for d in range(last)), [0, last + 1]]  # where each dimension of the weight is in the panels
    for view, order, sizes in store.views_of(name):
        store.set_view(view, added, [place for d in order for place in places[d]], sizes)
    store.set_view(name, added, [place for group in places for place in group], [*depth, width])
    return add_parameter(main, added, _cut_type(cut.weight, cut), weight.location)


def _reshaped(value: Any, argument: Any, cut: Panels) -> Any:
    """What a caller passes for `argument`, with the dimension cut."""
    sizes = cut.cut_sizes(argument, [extent(value, i) for i in range(value.type.rank)])
    made_by = owner(value)
    if made_by is not None and made_by.name == "tensor.empty":
        return tensor.empty(sizes, value.type.element_type)
    static = [n if isinstance(n, int) else DYNAMIC for n in sizes]
    kind = ir.RankedTensorType.get(static, value.type.element_type)
    free = [n for n in sizes if not isinstance(n, int)]
    return tensor.ExpandShapeOp(kind, value, _groups(argument, cut), free, static).result


def _type_like(result: Any, inner: Any, cut: Panels) -> Any:
    sizes = cut.cut_sizes(inner, [DYNAMIC if n is None else n for n in shape(result)])
    return ir.RankedTensorType.get(sizes, result.type.element_type)


def _groups(value: Any, cut: Panels) -> list[list[int]]:
    """Reassociation between a tensor and its cut form; `value` has its own rank or one more."""
    at = cut.places[value]
    rank = len(shape(value))
    return [[i] if i < at else [i, i + 1] if i == at else [i + 1] for i in range(rank)]
