"""Design-space exploration: one program compiled and costed on variants of a machine, and which of them are worth it.

Each point is a changed description, the program compiled for it down to level `device` (so tiles, fusion and layouts
fit the point), and the cost of one run. A point is on the Pareto front where no other is better in one objective and
not worse in the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stratagem.compiler.compile import compile_program
from stratagem.compiler.cost.axes import Axis, combinations, magnitude
from stratagem.compiler.cost.program import ProgramCost, program_cost
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System
from stratagem.hwmodels.errors import HardwareFileError
from stratagem.hwmodels.need import MissingNumberError
from stratagem.hwmodels.nodes import Scalar
from stratagem.hwmodels.override import with_values
from stratagem.runtime.errors import StratagemError, UsageError
from stratagem.runtime.parameters import ParameterStore

MOST_POINTS = 4096
KNOWN = {"time": "s", "energy": "J", "edp": "J*s"}
"""Objectives that a run has, and their units; `edp` is energy times time. The keys that vary are objectives, too."""
DEFAULT = ("time", "energy")
STAGE = "device"

Told = Callable[[int, int, str], None]
"""(points done, points in all, the next one)."""


@dataclass(frozen=True)
class Point:
    """One variant.

    Attributes:
        values: key -> value as written. objectives: name -> number in base units, less is better; empty, and `problem`
        says why, where the variant cannot be or the program cannot be compiled for it. front: on the Pareto front.
    """

    values: Mapping[str, Scalar]
    objectives: Mapping[str, float]
    problem: str = ""
    front: bool = False

    @property
    def text(self) -> str:
        """The values in a line."""
        return ", ".join(f"{key} {value}" for key, value in self.values.items())


def check_objectives(names: Sequence[str], axes: Sequence[Axis]) -> None:
    """Raises UsageError for a name that is neither an objective nor a key that varies."""
    known = [*KNOWN, *(axis.key for axis in axes)]
    for name in names:
        if name not in known:
            raise UsageError(f"there is no objective '{name}'", hint=f"objectives here: {', '.join(known)}")


def sweep(
    program: Program, machine: System, axes: Sequence[Axis], objectives: Sequence[str], told: Told | None = None
) -> list[Point]:
    """Every combination of the axes' values, in order.

    Args:
        program: at level `tensor`, of one rank's sizes or of the whole; it is used up. machine: the one that varies.
        objectives: names, as `check_objectives` takes them.

    Raises UsageError for more than `MOST_POINTS` points, MissingNumberError for energy where the description lacks the
    idle power. What is wrong with single points is told in them.
    """
    choices = list(combinations(axes))
    if len(choices) > MOST_POINTS:
        problem = f"{len(choices)} points are more than {MOST_POINTS}"
        raise UsageError(problem, hint="give fewer values, with --points or as a list")
    text, parameters = _at_tensor_level(program, machine)
    points = []
    for number, values in enumerate(choices):
        if told:
            told(number, len(choices), Point(values, {}).text)
        fresh = Program(parse_module(text), parameters.copy())
        points.append(_point(fresh, machine, values, objectives))
    return with_front(points)


def _at_tensor_level(program: Program, machine: System) -> tuple[str, ParameterStore]:
    """What all points start from: what parameters decide is computed once."""
    compiled = compile_program(program, machine, until="tensor")
    return compiled.levels["tensor"], compiled.parameters


def _point(program: Program, machine: System, values: Mapping[str, Scalar], objectives: Sequence[str]) -> Point:
    try:
        variant = with_values(machine, values)
        compiled = compile_program(program, variant, until=STAGE)
    except HardwareFileError as error:
        return Point(values, {}, "; ".join(f"{p.path}: {p.message}" for p in error.problems))
    except StratagemError as error:
        return Point(values, {}, error.problem)
    cost = program_cost(parse_module(compiled.levels[STAGE]), variant)
    return Point(values, {name: _objective(name, cost, variant, values) for name in objectives})


def _objective(name: str, cost: ProgramCost, machine: System, values: Mapping[str, Scalar]) -> float:
    if name in values:
        return magnitude(values[name])
    if name == "time":
        return cost.seconds
    if cost.joules is None:
        raise MissingNumberError(machine.name, "power.idle", "energy of a run")
    return cost.joules if name == "energy" else cost.joules * cost.seconds


def with_front(points: Sequence[Point]) -> list[Point]:
    """The points, those on the Pareto front marked."""
    good = [point for point in points if not point.problem]
    return [replace(p, front=not p.problem and not any(_beats(other, p) for other in good)) for p in points]


def _beats(one: Point, other: Point) -> bool:
    """Not worse in any objective, and better in one."""
    pairs = [(one.objectives[name], other.objectives[name]) for name in other.objectives]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def rows(points: Sequence[Point], axes: Sequence[Axis], objectives: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A table as text: values, objectives, `*` on the front; what cannot be with the reason."""
    from stratagem.hwmodels.units import format_quantity

    keys = [axis.key for axis in axes]
    told = [name for name in objectives if name in KNOWN]
    yield (*keys, *told, "front")
    for point in points:
        values = [str(point.values[key]) for key in keys]
        if point.problem:
            yield (*values, *["-"] * len(told), f"cannot be: {point.problem}")
        else:
            numbers = [format_quantity(point.objectives[name], KNOWN[name]) for name in told]
            yield (*values, *numbers, "*" if point.front else "")
