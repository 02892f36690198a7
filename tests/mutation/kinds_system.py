"""Mutations of what ranks and members do together, of the memory plan, and of stored parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.ir import find_function, walk
from stratagem.compiler.program import Program
from tests.mutation.edits import (
    Edit,
    bypassing,
    constant,
    constant_value,
    kind,
    operations,
    others,
    replacing_operand,
    setting,
)

COLLECTIVES = ("system.all_reduce", "system.all_gather", "system.reduce_scatter")
REDUCTIONS = ("sum", "max", "min", "prod")


@kind("collective missing")
def collective_missing(program: Program) -> Iterator[Edit]:
    for op in operations(program, *COLLECTIVES):
        if op.operands[0].type == op.results[0].type:
            yield Edit(f"{op.name} dropped", bypassing(op, 0, op.operands[0]))
    for op in _runtime_calls(program):
        if op.operands[0].type == op.operands[-1].type:
            yield Edit(f"call of {op.attributes['callee']} copies instead", _copying(op))


def _runtime_calls(program: Program) -> list[Any]:
    served = {str(f.attributes["sym_name"]) for f in operations(program, "func.func") if _is_served(f)}
    calls = operations(program, "func.call")
    return [c for c in calls if str(c.attributes["callee"]).replace("@", '"') + '"' in served]


def _is_served(function: Any) -> bool:
    return "physical.collective" in function.attributes


def _copying(op: Any) -> Callable[[], None]:
    def apply() -> None:
        if op.results:
            op.results[0].replace_all_uses_with(op.operands[0])
        else:
            with ir.InsertionPoint(op):
                ir.Operation.create("memref.copy", operands=[op.operands[0], op.operands[-1]])
        op.erase()

    return apply


@kind("collective extra")
def collective_extra(program: Program) -> Iterator[Edit]:
    axes = [str(ir.StringAttr(op.attributes["axis"]).value) for op in operations(program, *COLLECTIVES)]
    if not axes:
        return
    for op in walk(find_function(program.module, "main")):
        for n, result in enumerate(op.results):
            if isinstance(result.type, ir.RankedTensorType) and op.name != "tensor.empty":
                for reduction in ("sum", "max"):
                    what = f"all_reduce({reduction}) of result {n} of {op.name}"
                    yield Edit(what, _reducing(op, n, axes[0], reduction))


def _reducing(op: Any, n: int, axis: str, reduction: str) -> Callable[[], None]:
    def apply() -> None:
        attributes = {"axis": ir.StringAttr.get(axis), "reduction": ir.StringAttr.get(reduction)}
        with ir.InsertionPoint.after(op):
            made = ir.Operation.create(
                "system.all_reduce", results=[op.results[n].type], operands=[op.results[n]], attributes=attributes
            )
        op.results[n].replace_all_uses_except(made.result, made)

    return apply


@kind("collective")
def collective(program: Program) -> Iterator[Edit]:
    """Another reduction, another dimension, another kind."""
    for op in operations(program, *COLLECTIVES):
        if "reduction" in op.attributes:
            old = str(ir.StringAttr(op.attributes["reduction"]).value)
            for new in (r for r in REDUCTIONS if r != old):
                yield Edit(f"{op.name}: {new} for {old}", setting(op, "reduction", ir.StringAttr.get(new)))
        if "dim" in op.attributes:
            old_dim = ir.IntegerAttr(op.attributes["dim"])
            for dim in range(4):
                if dim != old_dim.value:
                    changed = ir.IntegerAttr.get(old_dim.type, dim)
                    yield Edit(f"{op.name}: dimension {dim} for {old_dim.value}", setting(op, "dim", changed))
    for function in filter(_is_served, operations(program, "func.func")):
        claims = ir.DictAttr(function.attributes["physical.collective"])
        for key, choices in (("reduction", REDUCTIONS), ("kind", ("all_reduce", "all_gather", "reduce_scatter"))):
            for choice in choices:
                if key in claims and str(ir.StringAttr(claims[key]).value) != choice:
                    yield Edit(f"runtime call: {key} is {choice}", _claiming(function, key, ir.StringAttr.get(choice)))


def _claiming(function: Any, key: str, value: Any) -> Callable[[], None]:
    claims = ir.DictAttr(function.attributes["physical.collective"])
    entries = {claims[i].name: claims[i].attr for i in range(len(claims))}
    return setting(function, "physical.collective", ir.DictAttr.get({**entries, key: value}))


@kind("transfer missing")
def transfer_missing(program: Program) -> Iterator[Edit]:
    for op in operations(program, "system.transfer"):
        broken = "a member reads memory of another one"
        yield Edit("system.transfer dropped", bypassing(op, 0, op.operands[0]), broken)


@kind("transfer")
def transfer(program: Program) -> Iterator[Edit]:
    for op in operations(program, "system.transfer"):
        source, target = op.attributes["source"], op.attributes["target"]
        broken = "a transfer starts or ends where the value is not"
        yield Edit("system.transfer backwards", _ends(op, target, source), broken)
        yield Edit("system.transfer to where it comes from", setting(op, "target", source), broken)
        yield Edit("system.transfer from where it goes", setting(op, "source", target), broken)


def _ends(op: Any, source: Any, target: Any) -> Callable[[], None]:
    def apply() -> None:
        op.attributes["source"], op.attributes["target"] = source, target

    return apply


@kind("destination")
def destination(program: Program) -> Iterator[Edit]:
    """A kernel or the runtime writes somewhere else."""
    for op in operations(program, "func.call"):
        last = len(op.operands) - 1
        for value in others(op, op.operands[last], limit=4):
            made = replacing_operand(op, last, lambda v=value: v)  # type: ignore[misc]
            yield Edit(f"call of {op.attributes['callee']} writes to another value", made)


@kind("place in memory")
def place_in_memory(program: Program) -> Iterator[Edit]:
    """A planned buffer begins a little elsewhere, or where another one does."""
    views = operations(program, "memref.view")
    begins = [constant_value(v.operands[1]) for v in views]
    for view, old in zip(views, begins, strict=True):
        if old is None:
            continue
        near = {old - 64, old + 64, old + 4, *(b for b in begins if b is not None)} - {old}
        for new in sorted(n for n in near if n >= 0):
            index = view.operands[1].type
            made = replacing_operand(view, 1, lambda k=index, v=new: constant(k, v))  # type: ignore[misc]
            yield Edit(f"memref.view at {new} for {old}", made)


@kind("size of the arena")
def size_of_the_arena(program: Program) -> Iterator[Edit]:
    main = find_function(program.module, "main")
    attributes = list(ir.ArrayAttr(main.attributes["arg_attrs"])) if "arg_attrs" in main.attributes else []
    for i, dictionary in enumerate(attributes):
        if "physical.arena" in ir.DictAttr(dictionary):
            old = ir.IntegerAttr(ir.DictAttr(dictionary)["physical.arena"])
            for size in (old.value - 64, old.value + 64):
                new = ir.DictAttr.get({"physical.arena": ir.IntegerAttr.get(old.type, size)})
                changed = ir.ArrayAttr.get([*attributes[:i], new, *attributes[i + 1 :]])
                broken = "the runtime allocates what the attribute says"
                if size >= 0:
                    yield Edit(f"arena of {size} bytes for {old.value}", setting(main, "arg_attrs", changed), broken)


@kind("copy dropped")
def copy_dropped(program: Program) -> Iterator[Edit]:
    for op in operations(program, "memref.copy", "linalg.copy"):
        if not op.results:
            yield Edit(f"{op.name} dropped", op.erase)


@kind("memory given back")
def memory_given_back(program: Program) -> Iterator[Edit]:
    """Never, too early, or twice."""
    for op in operations(program, "memref.dealloc"):
        yield Edit("memref.dealloc dropped", op.erase, "memory leaks")
        yield Edit("memref.dealloc twice", _twice(op), "memory is given back twice")
        readers = [use.owner.operation for use in op.operands[0].uses]
        users = [user for user in readers if user != op and user.block == op.block]
        if users:
            first = min(users, key=lambda u: [o.operation for o in op.block.operations].index(u))
            yield Edit("memref.dealloc before the first use", _before(op, first), "memory is used after it went")


def _twice(op: Any) -> Callable[[], None]:
    def apply() -> None:
        with ir.InsertionPoint(op):
            ir.Operation.create("memref.dealloc", operands=[op.operands[0]])

    return apply


def _before(op: Any, first: Any) -> Callable[[], None]:
    return lambda: op.move_before(first)


@kind("stored parameter")
def stored_parameter(program: Program) -> Iterator[Edit]:
    """Other data, another order of its elements, another view."""
    store = program.parameters
    for name, array in list(store._arrays.items()):
        yield Edit(f"parameter {name}: one element changed", _storing(store, name, _one_changed(array)))
        yield Edit(f"parameter {name}: elements shifted", _storing(store, name, np.roll(array, 1)))
        if array.ndim > 1:
            turned = np.ascontiguousarray(np.swapaxes(array, 0, -1)).reshape(array.shape)
            yield Edit(f"parameter {name}: two dimensions exchanged", _storing(store, name, turned))
    for name, (source, order, shape) in list(store._views.items()):
        for i, j in combinations(range(len(order)), 2):
            changed = list(order)
            changed[i], changed[j] = changed[j], changed[i]
            yield Edit(f"view {name}: order {changed}", _viewing(store, name, (source, tuple(changed), shape)))


def _one_changed(array: Any) -> Any:
    changed = np.array(array)
    changed.reshape(-1)[changed.size // 2] += 1
    return changed


def _storing(store: Any, name: str, array: Any) -> Callable[[], None]:
    return lambda: store._arrays.__setitem__(name, array)


def _viewing(store: Any, name: str, view: Any) -> Callable[[], None]:
    return lambda: store._views.__setitem__(name, view)
