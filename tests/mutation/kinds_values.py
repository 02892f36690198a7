"""Mutations of what is computed: operations, operands, constants, maps of structured operations."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from torch_mlir import ir

from stratagem.compiler.program import Program
from tests.mutation.edits import (
    Edit,
    bypassing,
    constant,
    constant_value,
    kind,
    operations,
    others,
    renaming,
    replacing_operand,
    setting,
)

FLOATS = ("arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maximumf", "arith.minimumf")
INTEGERS = ("arith.addi", "arith.subi", "arith.muli", "arith.maxsi", "arith.minsi")
FUNCTIONS = ("math.exp", "math.tanh", "math.erf", "math.rsqrt", "math.sqrt", "math.absf", "arith.negf")
FAMILIES = (FLOATS, INTEGERS, FUNCTIONS)
PREDICATES = {"arith.cmpi": range(10), "arith.cmpf": range(1, 15)}


@kind("operation replaced")
def operation_replaced(program: Program) -> Iterator[Edit]:
    for op in operations(program):
        family = next((f for f in FAMILIES if op.name in f), ())
        for name in family:
            if name != op.name:
                yield Edit(f"{op.name} becomes {name}", renaming(op, name, {}))


@kind("predicate")
def predicate(program: Program) -> Iterator[Edit]:
    for op in operations(program, *PREDICATES):
        old = ir.IntegerAttr(op.attributes["predicate"])
        for number in PREDICATES[op.name]:
            if number != old.value:
                new = ir.IntegerAttr.get(old.type, number)
                yield Edit(f"{op.name}: predicate {old.value} becomes {number}", setting(op, "predicate", new))


@kind("operands swapped")
def operands_swapped(program: Program) -> Iterator[Edit]:
    for op in operations(program):
        values = list(op.operands)
        for i, j in combinations(range(len(values)), 2):
            if values[i].type == values[j].type and values[i] != values[j]:
                yield Edit(f"{op.name}: operands {i} and {j} swapped", _swap(op, i, j))


def _swap(op: Any, i: int, j: int) -> Any:
    def apply() -> None:
        first, second = op.operands[i], op.operands[j]
        op.operands[i], op.operands[j] = second, first

    return apply


@kind("other value")
def other_value(program: Program) -> Iterator[Edit]:
    for op in operations(program):
        for i, value in enumerate(op.operands):
            for number, other in enumerate(others(op, value)):
                what = f"{op.name}: operand {i} is another value ({number})"
                yield Edit(what, replacing_operand(op, i, lambda other=other: other))  # type: ignore[misc]


@kind("operation dropped")
def operation_dropped(program: Program) -> Iterator[Edit]:
    for op in operations(program):
        if op.name.startswith("system.") or op.name == "scf.forall":
            continue  # kinds of their own
        for n, result in enumerate(op.results):
            for i, value in enumerate(op.operands):
                if value.type == result.type:
                    yield Edit(f"{op.name} dropped: operand {i} in place of result {n}", bypassing(op, n, value))


@kind("constant")
def wrong_constant(program: Program) -> Iterator[Edit]:
    for op in operations(program, "arith.constant"):
        old, kind_ = constant_value(op.results[0]), op.results[0].type
        if old is None or any(use.owner.operation.name in ("linalg.fill", "memref.view") for use in op.results[0].uses):
            continue  # kinds of their own
        for new in _near(old, kind_):
            attribute = (
                ir.FloatAttr.get(kind_, new) if isinstance(kind_, ir.FloatType) else ir.IntegerAttr.get(kind_, int(new))
            )
            yield Edit(f"arith.constant {old} becomes {new}", setting(op, "value", attribute))


def _near(old: int | float, kind_: Any) -> list[int | float]:
    if isinstance(kind_, ir.FloatType):
        return [x for x in (old * 2.0, old * 1.01, old + 1.0, -old, 0.0) if x != old and abs(x) < float("inf")]
    if str(kind_) == "i1":
        return [0 if old else 1]
    return [old + 1, old - 1]


@kind("initial value")
def initial_value(program: Program) -> Iterator[Edit]:
    for op in operations(program, "linalg.fill"):
        old, kind_ = constant_value(op.operands[0]), op.operands[0].type
        if old is None:
            continue
        choices = (0.0, 1.0, -1e30, 0.25) if isinstance(kind_, ir.FloatType) else (0, 1, -3)
        for new in choices:
            if new != old:
                made = replacing_operand(op, 0, lambda k=kind_, v=new: constant(k, v))  # type: ignore[misc]
                yield Edit(f"linalg.fill with {new} for {old}", made)


@kind("indexing map")
def indexing_map(program: Program) -> Iterator[Edit]:
    """Two dimensions of one map exchanged."""
    for op in operations(program):
        for number, maps, found in _maps(op):
            for i, j in combinations(range(len(found.results)), 2):
                results = list(found.results)
                results[i], results[j] = results[j], results[i]
                yield _with_map(op, maps, number, found, results, f"dimensions {i} and {j} exchanged")


@kind("dimension dropped")
def dimension_dropped(program: Program) -> Iterator[Edit]:
    """One dimension of a map is 0, or another one."""
    for op in operations(program):
        for number, maps, found in _maps(op):
            for i in range(len(found.results)):
                choices = [ir.AffineConstantExpr.get(0), *(ir.AffineDimExpr.get(d) for d in range(found.n_dims))]
                for new in choices:
                    results = [*found.results[:i], new, *found.results[i + 1 :]]
                    if new != found.results[i]:
                        yield _with_map(op, maps, number, found, results, f"dimension {i} is {new}")


def _maps(op: Any) -> Iterator[tuple[int, list[Any], Any]]:
    if "indexing_maps" not in op.attributes:
        return
    maps = list(ir.ArrayAttr(op.attributes["indexing_maps"]))
    for number, attribute in enumerate(maps):
        yield number, maps, ir.AffineMapAttr(attribute).value


def _with_map(op: Any, maps: list[Any], number: int, old: Any, results: list[Any], what: str) -> Edit:
    new = ir.AffineMapAttr.get(ir.AffineMap.get(old.n_dims, old.n_symbols, results))
    changed = ir.ArrayAttr.get([*maps[:number], new, *maps[number + 1 :]])
    return Edit(f"{op.name}: map {number}, {what}", setting(op, "indexing_maps", changed))


@kind("iterator")
def iterator(program: Program) -> Iterator[Edit]:
    for op in operations(program, "linalg.generic"):
        kinds = list(ir.ArrayAttr(op.attributes["iterator_types"]))
        for i, old in enumerate(kinds):
            new = "reduction" if "parallel" in str(old) else "parallel"
            attribute = ir.Attribute.parse(f"#linalg.iterator_type<{new}>")
            changed = ir.ArrayAttr.get([*kinds[:i], attribute, *kinds[i + 1 :]])
            yield Edit(f"{op.name}: loop {i} is {new}", setting(op, "iterator_types", changed))


@kind("order of dimensions")
def order_of_dimensions(program: Program) -> Iterator[Edit]:
    """Permutations, strides, dilations and axes written as numbers in attributes of tensor operations."""
    for op in operations(program):
        for key in ("permutation", "dimensions", "dimension", "dim", "strides", "dilations"):
            if key not in op.attributes or not op.name.startswith(("linalg.", "tm_tensor.", "tensor.")):
                continue
            for new in _changed_numbers(op.attributes[key].maybe_downcast()):
                yield Edit(f"{op.name}: {key} becomes {new}", setting(op, key, new))


def _changed_numbers(attribute: Any) -> Iterator[Any]:
    from tests.mutation.edits import shifted_numbers

    if isinstance(attribute, ir.DenseI64ArrayAttr):
        numbers = list(attribute)
        for i, j in combinations(range(len(numbers)), 2):
            swapped = list(numbers)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield ir.DenseI64ArrayAttr.get(swapped)
        return
    yield from shifted_numbers(attribute)
