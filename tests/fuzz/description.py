"""What a random program is: a description that can be stored, shrunk and written as MLIR.

Sizes are expressions over a table of *bases*, so that one base can shrink and everything derived from it follows:

    ("b", i)              base i, fixed or known at run time only
    ("c", n)              the number n
    ("a", d, m, k, q)     (d * m + k) floordiv q
    ("*", d, e)           d * e
    ("+", d, e)           d + e
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Dim = tuple[Any, ...]
Shape = tuple[Dim, ...]

ONE: Dim = ("c", 1)
FLOATS = ("f64", "f32", "f16", "bf16")
INTEGERS = ("i64", "i32", "i16", "i8")
WIDTHS = {"f64": 64, "f32": 32, "f16": 16, "bf16": 16, "i64": 64, "i32": 32, "i16": 16, "i8": 8, "i1": 1, "index": 64}


@dataclass(frozen=True)
class Type:
    """A tensor of `element`; a scalar where `shape` is None."""

    element: str
    shape: Shape | None

    @property
    def dims(self) -> Shape:
        return self.shape or ()


@dataclass
class Base:
    """One free choice of a size. `is_dynamic`: the program's types do not say it."""

    size: int
    is_dynamic: bool


@dataclass
class Value:
    number: int
    type: Type


@dataclass
class Input(Value):
    """`data` names the range its elements are drawn from (see `data.py`)."""

    is_parameter: bool = False
    is_unsigned: bool = False
    data: str = "unit"


@dataclass
class Region:
    arguments: list[Value]
    steps: list[Step]
    yields: list[int]


@dataclass
class Step:
    """One operation. `needs` lists (size, least value) without which it is undefined."""

    kind: str
    operands: list[int]
    results: list[Value]
    attrs: dict[str, Any] = field(default_factory=dict)
    regions: list[Region] = field(default_factory=list)
    needs: list[tuple[Dim, int]] = field(default_factory=list)


@dataclass
class Output:
    number: int
    is_unsigned: bool = False


@dataclass
class Description:
    """A program. `runs` gives a size to every base, once per run; `seed` draws the data."""

    bases: list[Base]
    inputs: list[Input]
    steps: list[Step]
    outputs: list[Output]
    runs: list[list[int]]
    seed: int

    def copy(self) -> Description:
        return copy.deepcopy(self)

    def is_dynamic(self, dim: Dim) -> bool:
        if dim[0] == "b":
            return self.bases[dim[1]].is_dynamic
        return any(self.is_dynamic(d) for d in dim[1:] if isinstance(d, tuple))

    def fixed(self, dim: Dim) -> int | None:
        """The size where the types say it, else None."""
        return None if self.is_dynamic(dim) else size_of(dim, [b.size for b in self.bases])

    def all_steps(self) -> Iterator[Step]:
        return walk(self.steps)

    def is_defined(self, sizes: Sequence[int]) -> bool:
        """No size is negative, and every step has what it needs."""
        shapes = [v.type.dims for v in self.inputs]
        shapes += [
            v.type.dims for s in self.all_steps() for v in [*s.results, *(a for r in s.regions for a in r.arguments)]
        ]
        negative = any(size_of(d, sizes) < 0 for shape in shapes for d in shape)
        return not negative and all(size_of(d, sizes) >= n for s in self.all_steps() for d, n in s.needs)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for region in step.regions:
            yield from walk(region.steps)


def size_of(dim: Dim, sizes: Sequence[int]) -> int:
    """The value of a size expression when the bases are `sizes`."""
    kind, *rest = dim
    if kind == "b":
        return sizes[rest[0]]
    if kind == "c":
        return int(rest[0])
    if kind == "a":
        inner, times, plus, divisor = rest
        return int((size_of(inner, sizes) * times + plus) // divisor)
    left, right = (size_of(d, sizes) for d in rest)
    return left * right if kind == "*" else left + right


def bases_of(dim: Dim) -> set[int]:
    if dim[0] == "b":
        return {dim[1]}
    return set().union(*(bases_of(d) for d in dim[1:] if isinstance(d, tuple)))


def affine(dim: Dim, times: int = 1, plus: int = 0, divisor: int = 1) -> Dim:
    """(dim * times + plus) floordiv divisor, folded where that is easy."""
    if (times, plus, divisor) == (1, 0, 1):
        return dim
    if dim[0] == "c":
        return ("c", (dim[1] * times + plus) // divisor)
    return ("a", dim, times, plus, divisor)


def product(dims: Sequence[Dim]) -> Dim:
    """The product, nested from the left; numbers are folded when all are numbers."""
    total = dims[0] if dims else ONE
    for dim in dims[1:]:
        both_numbers = total[0] == "c" and dim[0] == "c"
        total = ("c", total[1] * dim[1]) if both_numbers else ("*", total, dim)
    return total
