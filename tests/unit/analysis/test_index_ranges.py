"""Intervals of indices hold every value that the computation can give."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stratagem.compiler.analysis.index_ranges import Interval, interval_of
from stratagem.compiler.ir import DYNAMIC, parse_module, walk

BODY = """
func.func @main(%x: tensor<4xi64>, %e: tensor<4x6xi64>, %t: i64, %f: i1) -> tensor<4x6xi64> {{
  %m2 = arith.constant -2 : i64
  %c3 = arith.constant 3 : i64
  %c5 = arith.constant 5 : i64
  %y = linalg.generic {{indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>],
                       iterator_types = ["parallel", "parallel"]}} ins(%x : tensor<4xi64>) outs(%e : tensor<4x6xi64>) {{
  ^bb0(%k: i64, %o: i64):
    %ia = linalg.index 0 : index
    %ib = linalg.index 1 : index
    %a = arith.index_cast %ia : index to i64
    %b = arith.index_cast %ib : index to i64
    {code}
    linalg.yield %r : i64
  }} -> tensor<4x6xi64>
  return %y : tensor<4x6xi64>
}}
"""


def interval(code: str, loops: tuple[int, ...] = (4, 6)) -> Interval:
    module: Any = parse_module(BODY.format(code=code))
    (end,) = (op for op in walk(module.operation) if op.name == "linalg.yield")
    return interval_of(end.operands[0], loops)


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        ("%r = arith.addi %a, %m2 : i64", -2, 1),
        ("%r = arith.subi %a, %b : i64", -5, 3),
        ("%r = arith.muli %a, %b : i64", 0, 15),
        ("%r = arith.muli %a, %m2 : i64", -6, 0),
        ("%r = arith.remsi %b, %c3 : i64", 0, 2),
        ("%r = arith.divsi %b, %c3 : i64", 0, 1),
        ("%q = arith.maxsi %k, %m2 : i64\n %r = arith.minsi %q, %c3 : i64", -2, 3),
        ("%r = arith.select %f, %a, %c5 : i64", 0, 5),
        ("%q = arith.cmpi ne, %k, %c3 : i64\n %r = arith.extui %q : i1 to i64", 0, 1),
        ("%q = arith.cmpi ne, %k, %c3 : i64\n %r = arith.extsi %q : i1 to i64", -1, 0),
        ("%i = arith.index_cast %f : i1 to index\n %r = arith.index_cast %i : index to i64", -1, 0),
        ("%n = arith.subi %a, %c5 : i64\n %r = arith.remsi %n, %c3 : i64", -2, 0),
    ],
)
def test_known_ends(code: str, low: int, high: int) -> None:
    assert interval(code) == Interval(low, high)


@pytest.mark.parametrize("operation", ["addi", "subi", "muli", "remsi", "divsi", "maxsi", "minsi"])
def test_every_value_is_inside(operation: str) -> None:
    """Against all values of two loops, the second shifted so that signs differ."""
    found = interval(f"%s = arith.addi %b, %m2 : i64\n %r = arith.{operation} %a, %s : i64")
    compute: dict[str, Any] = {
        "addi": lambda a, s: a + s,
        "subi": lambda a, s: a - s,
        "muli": lambda a, s: a * s,
        "remsi": lambda a, s: a - s * int(a / s),
        "divsi": lambda a, s: int(a / s),
        "maxsi": max,
        "minsi": min,
    }
    for a, b in itertools.product(range(4), range(6)):
        if operation not in ("remsi", "divsi") or b != 2:
            assert found.low <= compute[operation](a, b - 2) <= found.high


def test_what_is_unknown_is_not_inside() -> None:
    assert not interval("%r = arith.addi %k, %c3 : i64").inside(2**62)
    assert not interval("%r = arith.maxsi %k, %c3 : i64").inside(2**62)
    assert not interval("%r = arith.xori %a, %b : i64").inside(2**62)
    free = interval("%r = arith.addi %a, %c3 : i64", (DYNAMIC, 6))
    assert free.low == 3 and not free.inside(2**62)


@pytest.mark.parametrize(("low", "high", "size", "inside"), [(0, 4, 5, True), (0, 5, 5, False), (-1, 2, 5, False)])
def test_inside(low: int, high: int, size: int, inside: bool) -> None:
    assert Interval(low, high).inside(size) is inside
