"""stablehlo.sort as tm_tensor.sort, whose region is one comparison of the first operand.

In two steps. Before the wheel's passes, while the comparator is still StableHLO, it is read: one sort by several keys
becomes several stable sorts by one, each with its key noted as an attribute. After them, when integers are signless,
each is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.stablehlo_build import (
    compare,
    complex_number,
    imaginary,
    is_complex,
    real,
    tensor_type,
)
from stratagem.compiler.frontends.stablehlo_location import source_line
from stratagem.compiler.frontends.stablehlo_order import Key, read_keys
from stratagem.compiler.frontends.stablehlo_sort_keys import integer_keys
from stratagem.runtime.errors import UnsupportedError

NOTE = "sort.key"
"""The fields of a Key as text, but for its part."""


def sort_by_single_keys(op: Any) -> None:
    """Writes a stablehlo.sort as sorts by one key each, the least significant first, on real operands.

    Raises UnsupportedError for comparators that are no lexicographic order of the operands' elements.
    """
    keys = read_keys(op)
    if keys is None:
        raise UnsupportedError(
            "stablehlo.sort has a comparator that is no lexicographic order",
            hint="compare elements of one operand, or of one after the other where they are equal",
            location=source_line(op),
        )
    with ir.InsertionPoint(op), op.location:
        places: list[int] = []
        values: list[Any] = []
        for operand in op.operands:
            places.append(len(values))
            values += [real(operand), imaginary(operand)] if is_complex(operand) else [operand]
        for key in reversed(keys):
            values = _sorted_by(key, places[key.operand] + (key.part == "imag"), values, op)
        for place, result in zip(places, op.results, strict=True):
            pair = is_complex(result)
            result.replace_all_uses_with(complex_number(*values[place : place + 2]) if pair else values[place])
    op.erase()


def _sorted_by(key: Key, place: int, values: Sequence[Any], op: Any) -> list[Any]:
    kinds = [v.type for v in values]
    attributes = {name: op.attributes[name] for name in ("dimension", "is_stable") if name in op.attributes}
    attributes[NOTE] = ir.StringAttr.get(f"{place} {key.predicate} {key.mode}")
    new = ir.Operation.create("stablehlo.sort", kinds, list(values), attributes, regions=1)
    scalars = [tensor_type([], kind.element_type) for kind in kinds for _ in range(2)]
    block = new.regions[0].blocks.append(*scalars, arg_locs=[ir.Location.current] * len(scalars))
    with ir.InsertionPoint(block):  # for the verifier: the note is what counts
        first, second = list(block.arguments)[2 * place : 2 * place + 2]
        ir.Operation.create("stablehlo.return", operands=[compare("LT", first, second)])
    return list(new.results)


def lower_sort(op: Any) -> None:
    """Replaces a noted stablehlo.sort by tm_tensor.sort, the key first among its operands.

    StableHLO asks "does a come before b", false for equal keys; tm_tensor asks "may a stay before b", true
    for equal keys. That also keeps a stable sort stable. Total orders of floats become orders of integers.
    """
    number, predicate, mode = ir.StringAttr(op.attributes[NOTE]).value.split()
    key, values = int(number), list(op.operands)
    dimension = ir.IntegerAttr(op.attributes["dimension"]).value % max(values[0].type.rank, 1)
    with ir.InsertionPoint(op), op.location:
        if mode == "plain":
            first, sorted_values = [key], [values[key]]
        else:
            first, sorted_values = [-1], [integer_keys(values[key], mode == "canonical")]
        places = [*first, *(i for i in range(len(values)) if i not in first)]
        sorted_values += [values[i] for i in places[1:]]
        new = _make_sort(sorted_values, dimension, predicate)
    for position, i in enumerate(places):
        if i >= 0:
            op.results[i].replace_all_uses_with(new.results[position])
    op.erase()


def _make_sort(operands: list[Any], dimension: int, predicate: str) -> Any:
    scalars = [kind for value in operands for kind in (value.type.element_type,) * 2]
    here = ir.Location.current
    new = ir.Operation.create(
        "tm_tensor.sort",
        [value.type for value in operands],
        operands,
        attributes={
            "dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), dimension),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, len(operands)]),
        },
        regions=1,
    )
    block = new.regions[0].blocks.append(*scalars, arg_locs=[here] * len(scalars))
    with ir.InsertionPoint(block):
        left, right = block.arguments[0], block.arguments[1]
        if predicate.startswith("o"):
            stays = arith.CmpFOp(getattr(arith.CmpFPredicate, predicate.upper()), left, right).result
        else:
            stays = arith.CmpIOp(getattr(arith.CmpIPredicate, predicate), left, right).result
        ir.Operation.create("tm_tensor.yield", [], [stays])
    return new
