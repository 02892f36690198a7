"""Best plans over numbers of devices, each with its range and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stratagem.compiler.cost.figures import End, Figure, least_trusted_figure
from stratagem.compiler.cost.model import Model, model_of
from stratagem.compiler.cost.plans import Plan
from stratagem.compiler.cost.resources import dollars, joules, kilograms
from stratagem.compiler.cost.search import best_plan, step_cost, why_not
from stratagem.compiler.cost.step import StepCost
from stratagem.compiler.cost.workload import Workload
from stratagem.hwmodels import System
from stratagem.hwmodels.need import MissingNumberError
from stratagem.runtime.errors import HardwareError

FELT = 0.01
"""Share of the time that a number must be able to change to count among what a result rests on."""


@dataclass(frozen=True)
class Span:
    """A result with both ends of its range."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Influence:
    """One number, and how much longer a step takes when it is at the bad end of its range."""

    figure: Figure
    slower: float


@dataclass(frozen=True)
class Simulation:
    """One number of devices.

    Attributes:
        plan, cost: the best plan, as stated. seconds: of a step, with its range. joules, kilograms, dollars: of a step,
        or the sentence that says which number is missing. influences: largest first. weakest: the least trusted
        number that is felt, None where none has a range or none is felt. tried: plans that were costed.
    """

    devices: int
    plan: Plan
    cost: StepCost
    seconds: Span
    joules: Span | str
    kilograms: Span | str
    dollars: Span | str
    influences: tuple[Influence, ...]
    weakest: Figure | None
    tried: int


@dataclass
class Simulator:
    """Simulates steps of a workload on a system.

    Raises (all methods) MissingNumberError where the description lacks a number that time needs.
    """

    system: System
    workload: Workload
    mode: str = "training"
    member: str = ""

    def __post_init__(self) -> None:
        self.stated = self._model(End.STATED)
        self.best = self._model(End.BEST)
        self.worst = self._model(End.WORST)

    def _model(self, end: End, alone: str = "") -> Model:
        return model_of(self.system, self.workload.dtype, self.member, end, alone)

    def available(self) -> int:
        """Devices that the system has."""
        return self.system.members[self.stated.member].count

    def run(self, devices: int, batch: int) -> Simulation:
        """The best plan for `devices` devices and a batch of all of them together.

        Raises HardwareError when the system has fewer, or no plan can be made.
        """
        if devices > self.available():
            name = self.stated.member
            raise HardwareError(
                f"{devices} devices are asked for, and system '{self.system.name}' has {self.available()} of '{name}'",
                hint="give fewer, or a parameter of the system with --param (see `stratagem hw show`)",
            )
        found = best_plan(self.stated, self.workload, devices, batch, self.mode)
        if found is None:
            raise HardwareError(
                f"no plan shares {self.workload.layers} layers and a batch of {batch} over {devices} devices: "
                + why_not(self.stated, self.workload, devices, batch, self.mode),
                hint="data ranks must divide the batch, pipeline stages the layers: give another --batch or --devices",
            )
        return self.price(found.plan, found.tried)

    def price(self, plan: Plan, tried: int = 1) -> Simulation:
        """One plan with everything about it."""
        costs = [step_cost(model, self.workload, plan, self.mode) for model in self._models()]
        influences = tuple(self._influences(plan, costs[1].seconds))
        felt = [item.figure for item in influences if item.slower >= FELT]
        return Simulation(
            plan.devices,
            plan,
            costs[1],
            Span(costs[0].seconds, costs[1].seconds, costs[2].seconds),
            self._span(lambda model, cost: joules(model, plan, cost), costs),
            self._span(lambda model, cost: kilograms(model, joules(model, plan, cost)), costs),
            self._span(lambda model, cost: dollars(model, plan, cost), costs),
            influences,
            least_trusted_figure(felt) if felt else None,
            tried,
        )

    def _models(self) -> tuple[Model, Model, Model]:
        return self.best, self.stated, self.worst

    def _span(self, question: Callable[[Model, StepCost], float], costs: Sequence[StepCost]) -> Span | str:
        """A question asked of all three models; the sentence of the first number that is missing."""
        try:
            low, value, high = (question(model, cost) for model, cost in zip(self._models(), costs, strict=True))
        except MissingNumberError as missing:
            return str(missing)
        return Span(low, value, high)

    def _influences(self, plan: Plan, seconds: float) -> Iterator[Influence]:
        """Each number at its bad end alone, largest effect first."""
        effects = []
        for key, figure in self.worst.figures.taken.items():
            if not figure.origin.spread:
                continue
            model = self._model(End.WORST, alone=key)
            slower = step_cost(model, self.workload, plan, self.mode).seconds / seconds - 1
            effects.append(Influence(figure, slower))
        yield from sorted((e for e in effects if e.slower > 0), key=lambda e: -e.slower)
