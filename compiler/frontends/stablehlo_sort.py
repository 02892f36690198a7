"""stablehlo.sort as tm_tensor.sort, whose region is one comparison of the first operand.

In two steps. Before the wheel's passes, while the comparator is still StableHLO, it is read and noted as
an attribute; after them, when integers are signless, the operation is replaced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.stablehlo_location import source_line
from stratagem.compiler.frontends.stablehlo_sort_keys import integer_keys
from stratagem.runtime.errors import UnsupportedError

NOTE = "sort.order"  # the fields of an Order as text

_PREDICATES = {"f": ("ole", "oge"), "s": ("sle", "sge"), "u": ("ule", "uge")}


@dataclass(frozen=True)
class Order:
    """Sorted by operand `key`, by an arith predicate that holds where the first may stay before the second.

    `keys` tells how floats compare: `plain`; `total`, the IEEE total order, in which NaNs and signed zeros
    have their places; or `canonical`, the same after making all zeros and all NaNs alike (what JAX sorts by).
    """

    key: int
    predicate: str
    keys: str = "plain"

    def __str__(self) -> str:
        return f"{self.key} {self.predicate} {self.keys}"

    @staticmethod
    def parse(text: str) -> Order:
        key, predicate, keys = text.split()
        return Order(int(key), predicate, keys)


def note_order(op: Any) -> None:
    """Writes the comparator's order on a stablehlo.sort.

    Raises UnsupportedError for comparators that are not one comparison of one operand's elements. JAX
    compares after making zeros and NaNs alike; that is seen through.
    """
    order = read_order(op)
    if order is None:
        raise UnsupportedError(
            "stablehlo.sort orders by more than one comparison",
            hint="sort by one key at a time, the least significant first (sorts are stable)",
            location=source_line(op),
        )
    op.attributes[NOTE] = ir.StringAttr.get(str(order), op.context)


def read_order(op: Any) -> Order | None:
    """The order a comparator stands for, None when it is not one comparison."""
    block = op.regions[0].blocks[0]
    end = list(block.operations)[-1].operation
    compare = _owner(end.operands[0])
    if compare is None or compare.name != "stablehlo.compare":
        return None
    left, right = (_argument(value, block) for value in compare.operands)
    if left is None or right is None or left // 2 != right // 2 or left == right:
        return None
    direction = str(compare.attributes["comparison_direction"])
    if not any(d in direction for d in ("LT", "LE", "GT", "GE")):
        return None
    descending = ("G" in direction.split()[-1]) != (left > right)
    kind = str(ir.RankedTensorType(compare.operands[0].type).element_type)
    family = "u" if kind.startswith("ui") or kind == "i1" else "s" if kind.startswith("i") else "f"
    if family == "f" and "TOTALORDER" in str(compare.attributes.get("compare_type")):
        is_direct = compare.operands[0] in list(block.arguments)
        return Order(left // 2, _PREDICATES["s"][descending], "total" if is_direct else "canonical")
    return Order(left // 2, _PREDICATES[family][descending])


def _argument(value: Any, block: Any) -> int | None:
    """The number of the block argument a compared value comes from, through `select(is special, constant,
    x)`."""
    while True:
        for i, argument in enumerate(block.arguments):
            if argument == value:
                return i
        owner = _owner(value)
        if owner is None or owner.name != "stablehlo.select" or not _is_special(owner):
            return None
        value = owner.operands[2]


def _is_special(select: Any) -> bool:
    """Whether a select replaces single values: zeros of either sign, or NaNs (x != x), by a constant."""
    test, constant = _owner(select.operands[0]), _owner(select.operands[1])
    if test is None or test.name != "stablehlo.compare":
        return False
    equality = any(d in str(test.attributes["comparison_direction"]) for d in ("EQ", "NE"))
    return equality and (constant is None or constant.name == "stablehlo.constant")


def _owner(value: Any) -> Any | None:
    owner = value.owner
    return owner.operation if isinstance(owner, ir.Operation | ir.OpView) else None


def lower_sort(op: Any) -> None:
    """Replaces a noted stablehlo.sort by tm_tensor.sort, the key first among its operands.

    StableHLO asks "does a come before b", false for equal keys; tm_tensor asks "may a stay before b", true
    for equal keys. That also keeps a stable sort stable. Total orders of floats become orders of integers.
    """
    order = Order.parse(ir.StringAttr(op.attributes[NOTE]).value)
    values = list(op.operands)
    dimension = ir.IntegerAttr(op.attributes["dimension"]).value % max(values[0].type.rank, 1)
    with ir.InsertionPoint(op), op.location:
        if order.keys == "plain":
            first = [order.key]
            sorted_values = [values[order.key]]
        else:
            first, sorted_values = [-1], [integer_keys(values[order.key], order.keys == "canonical")]
        places = [*first, *(i for i in range(len(values)) if i not in first)]
        sorted_values += [values[i] for i in places[1:]]
        new = _make_sort(sorted_values, dimension, order.predicate)
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
