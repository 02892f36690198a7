"""Which sizes of a kernel's arguments every caller makes equal, read from the calls."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import DYNAMIC, functions, symbol_name, walk

Key = tuple[Any, ...]


def premises_of_calls(module: Any) -> dict[str, dict[tuple[int, int], tuple[int, int]]]:
    """Kernel -> {(argument, dimension): the first (argument, dimension) of the same size in all calls}.

    Index arguments count as (argument, -1). A premise holds only when it holds for every call.
    """
    shared: dict[str, dict[tuple[int, int], tuple[int, int]]] = {}
    names = {symbol_name(f) for f in functions(module)}
    for op in walk(module.operation):
        if op.name != "func.call":
            continue
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        if callee in names:
            found = _equal_sizes(op)
            shared[callee] = found if callee not in shared else _agree(shared[callee], found)
    return shared


def _agree(
    first: dict[tuple[int, int], tuple[int, int]], second: dict[tuple[int, int], tuple[int, int]]
) -> dict[tuple[int, int], tuple[int, int]]:
    return {place: root for place, root in first.items() if second.get(place) == root}


def _equal_sizes(call: Any) -> dict[tuple[int, int], tuple[int, int]]:
    first: dict[Key, tuple[int, int]] = {}
    equal = {}
    for number, value in enumerate(call.operands):
        for place, key in _keys(number, value):
            root = first.setdefault(key, place)
            if root != place:
                equal[place] = root
    return equal


def _keys(number: int, value: Any) -> list[tuple[tuple[int, int], Key]]:
    if isinstance(value.type, ir.IndexType):
        return [((number, -1), _index_key(value))]
    if not isinstance(value.type, ir.RankedTensorType):
        return []
    kind = ir.RankedTensorType(value.type)
    dynamic = [d for d in range(kind.rank) if kind.is_dynamic_dim(d)]
    return [((number, d), size_key(value, d)) for d in dynamic]


def _index_key(value: Any) -> Key:
    owner = value.owner
    if isinstance(owner, ir.Block):
        return ("value", value)
    op = owner.operation
    if op.name == "arith.constant":
        return ("number", ir.IntegerAttr(op.attributes["value"]).value)
    if op.name == "tensor.dim":
        index = _index_key(op.operands[1])
        return size_key(op.operands[0], index[1]) if index[0] == "number" else ("value", value)
    if op.name in ("affine.apply", "arith.addi", "arith.muli", "arith.subi", "arith.divui", "arith.divsi"):
        map_text = str(op.attributes["map"]) if "map" in op.attributes else op.name
        return (map_text, *(_index_key(v) for v in op.operands))
    return ("value", value)


def size_key(value: Any, dim: int) -> Key:
    """A name for the size of a tensor's dimension: equal names mean equal sizes."""
    kind = ir.RankedTensorType(value.type)
    if not kind.is_dynamic_dim(dim):
        return ("number", kind.get_dim_size(dim))
    owner = value.owner
    if isinstance(owner, ir.Block):
        return ("size", value, dim)
    op = owner.operation
    if op.name == "tensor.empty":
        return _index_key(op.operands[sum(kind.is_dynamic_dim(i) for i in range(dim))])
    if op.name == "func.call":
        number = [r == value for r in op.results].index(True)
        return size_key(op.operands[len(op.operands) - len(op.results) + number], dim)
    if op.name in ("tensor.cast", "system.transfer"):
        return size_key(op.operands[0], dim)
    if op.name == "tensor.expand_shape":
        return _index_key(op.operands[1 + sum(kind.is_dynamic_dim(i) for i in range(dim))])
    if op.name == "tensor.collapse_shape":
        group = ir.ArrayAttr(ir.ArrayAttr(op.attributes["reassociation"])[dim])
        return _product([size_key(op.operands[0], ir.IntegerAttr(i).value) for i in group])
    if op.name == "tensor.extract_slice" and ir.RankedTensorType(op.operands[0].type).rank == kind.rank:
        static = list(ir.DenseI64ArrayAttr(op.attributes["static_offsets"])).count(DYNAMIC)
        return _index_key(op.operands[1 + static + sum(kind.is_dynamic_dim(i) for i in range(dim))])
    return ("size", value, dim)


def _product(keys: list[Key]) -> Key:
    """The size of dimensions merged into one; a lone unknown among ones keeps its name."""
    number, unknown = 1, []
    for key in keys:
        if key[0] == "number":
            number *= key[1]
        else:
            unknown.append(key)
    if not unknown:
        return ("number", number)
    return unknown[0] if number == 1 and len(unknown) == 1 else ("product", number, *unknown)


def updated_destinations(module: Any) -> dict[str, set[int]]:
    """Kernel -> results whose destination holds values already in some call, so that not all of it must be written."""
    found: dict[str, set[int]] = {}
    for op in walk(module.operation):
        if op.name != "func.call":
            continue
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        destinations = list(op.operands)[len(op.operands) - len(op.results) :]
        for number, value in enumerate(destinations):
            owner = value.owner
            if isinstance(owner, ir.Block) or owner.operation.name != "tensor.empty":
                found.setdefault(callee, set()).add(number)
    return found
