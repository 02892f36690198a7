"""What a sweep varies: `levels.l2.size=256KiB..4MiB` as a key of the description and its values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stratagem.hwmodels import System
from stratagem.hwmodels.errors import HardwareFileError
from stratagem.hwmodels.nodes import Scalar
from stratagem.hwmodels.override import stated, unit_problems
from stratagem.hwmodels.units import NONE, NUMBER, Quantity, UnitError, parse_quantity, parse_unit
from stratagem.runtime.errors import HardwareError, UsageError

MOST_STEPS = 64
"""Values of one axis: where doubling takes more, the number has to be said."""
DIGITS = 6
FORM = "write it as KEY=LOW..HIGH or KEY=VALUE,VALUE, such as levels.l2.size=256KiB..4MiB"


@dataclass(frozen=True)
class Axis:
    """A key of the description, and the values that it takes in turn, as written in a file."""

    key: str
    values: tuple[Scalar, ...]


def read_axis(text: str, machine: System, points: int = 0) -> Axis:
    """One `--vary`.

    Args:
        text: `KEY=LOW..HIGH` or `KEY=VALUE,VALUE,...`. points: how many values a range gets, the ends among them,
        each a fixed factor above the one before; 0 for doubling.

    Raises UsageError for text that cannot be read and ranges that go down, HardwareError for keys that the description
    does not state and units that do not fit them.
    """
    key, found, rest = text.partition("=")
    if not found or not key or not rest:
        raise UsageError(f"--vary {text} cannot be read", hint=FORM)
    key = key.strip()
    said = _said(machine, key)
    low, dots, high = rest.partition("..")
    values = _steps(text, low, high, points) if dots else tuple(_value(text, one) for one in rest.split(","))
    for value in values:
        if problems := unit_problems(machine, key, value):
            raise HardwareError(f"--vary {text}: {problems[0].message}", hint=f"the description says {said}")
    return Axis(key, values)


def combinations(axes: Sequence[Axis]) -> Iterator[dict[str, Scalar]]:
    """Every choice of a value for each key, the last key fastest."""
    for chosen in itertools.product(*(axis.values for axis in axes)):
        yield {axis.key: value for axis, value in zip(axes, chosen, strict=True)}


def magnitude(value: Scalar) -> float:
    """A value as a number in base units, for comparing values of one key."""
    return parse_quantity(str(value)).value


def _said(machine: System, key: str) -> Scalar:
    try:
        return stated(machine, key)
    except HardwareFileError as error:
        raise HardwareError(str(error)) from None


def _quantity(text: str, one: str) -> Quantity:
    try:
        return parse_quantity(one.strip())
    except UnitError as error:
        raise UsageError(f"--vary {text}: {error}", hint=FORM) from None


def _value(text: str, one: str) -> Scalar:
    """A single value; without a unit it is a whole number where it can be."""
    quantity = _quantity(text, one)
    if quantity.dimension != NONE or quantity.text.endswith("%"):
        return quantity.text
    return int(quantity.value) if quantity.value == int(quantity.value) else quantity.value


def _steps(text: str, low: str, high: str, points: int) -> tuple[Scalar, ...]:
    """From `low` to `high`, written in the unit of `low`."""
    first, last = _quantity(text, low), _quantity(text, high)
    if first.dimension != last.dimension:
        raise UsageError(f"--vary {text}: {low} and {high} are not in the same kind of unit", hint=FORM)
    if not 0 < first.value < last.value:
        hint = "a range starts above zero and goes up"
        raise UsageError(f"--vary {text}: {low} is zero or not below {high}", hint=hint)
    ratio = last.value / first.value
    if not points and math.log2(ratio) > MOST_STEPS - 2:
        raise UsageError(
            f"--vary {text}: doubling takes more than {MOST_STEPS} values", hint="say how many with --points"
        )
    numbers = _geometric(first.value, ratio, points) if points else _doubled(first.value, last.value)
    return tuple(dict.fromkeys(_written(number, first) for number in numbers))


def _geometric(first: float, ratio: float, points: int) -> list[float]:
    if points < 2:
        return [first]
    return [first * ratio ** (n / (points - 1)) for n in range(points)]


def _doubled(first: float, last: float) -> list[float]:
    numbers = [first]
    while numbers[-1] * 2 <= last * (1 + 1e-9):
        numbers.append(numbers[-1] * 2)
    return numbers if math.isclose(numbers[-1], last) else [*numbers, last]


def _written(number: float, like: Quantity) -> Scalar:
    """A number in base units as a file would have it, in the unit of `like`; bare numbers are counts."""
    if like.dimension == NONE and "." not in like.text and "%" not in like.text:
        return round(number)
    matched = NUMBER.fullmatch(like.text)
    symbols = matched[2] if matched else ""
    scale = float(parse_unit(symbols)[0]) if symbols else 1.0
    return f"{number / scale:.{DIGITS}g} {symbols}".strip()
