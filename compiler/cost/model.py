"""A system as cost models use it: one device, its kernels, its network, all at one end of their ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stratagem.compiler.cost.device import device_model
from stratagem.compiler.cost.figures import End, Figures
from stratagem.compiler.cost.kernels import Kernels
from stratagem.compiler.cost.layers import BlockCost, block_cost
from stratagem.compiler.cost.network import Network, network_of
from stratagem.compiler.cost.workload import Cut, Workload
from stratagem.hwmodels import System
from stratagem.runtime.errors import UsageError

Stages = tuple[BlockCost, BlockCost, BlockCost]


@dataclass
class Model:
    """Kernels and network of one kind of member, and the costs of blocks found so far."""

    system: System
    member: str
    figures: Figures
    kernels: Kernels
    network: Network
    found: dict[tuple[Workload, Cut, str, bool], Stages] = field(default_factory=dict, repr=False)

    def lacks(self, primitives: Iterable[str]) -> str:
        """The first primitive that the system does not have; empty when it has all."""
        return next((name for name in primitives if name not in self.network.algorithms), "")

    def stages(self, workload: Workload, cut: Cut, recompute: str, overlap: bool) -> Stages:
        """Costs of head, one layer and tail."""
        key = (workload, cut, recompute, overlap)
        stages = self.found.get(key)
        if stages is None:
            head, layer, tail = workload.cut(cut)
            ranks = cut.tensor
            stages = self.found[key] = (
                block_cost(head, self.kernels, self.network, ranks, "none", overlap),
                block_cost(layer, self.kernels, self.network, ranks, recompute, overlap),
                block_cost(tail, self.kernels, self.network, ranks, "none", overlap),
            )
        return stages


def model_of(system: System, dtype: str, member: str = "", end: End = End.STATED, alone: str = "") -> Model:
    """The model of `member` (by default the one with the highest rate of products) at one end of all ranges.

    Raises UsageError for a member that is not there, MissingNumberError where the description lacks a number.
    """
    name = member or accelerator(system, dtype)
    if name not in system.members:
        raise UsageError(f"system '{system.name}' has no member '{name}'", hint=f"members: {', '.join(system.members)}")
    figures = Figures(end, alone)
    device = device_model(system.members[name].device, dtype, figures)
    return Model(system, name, figures, Kernels(device), network_of(system, name, figures))


def accelerator(system: System, dtype: str) -> str:
    """The member whose devices do most products a second, all together; the first one where none does any."""

    def speed(name: str) -> float:
        member = system.members[name]
        unit = member.device.unit_for("matmul", dtype)
        return member.count * member.device.unit_rate(unit, dtype) if unit else 0.0

    return max(system.members, key=speed)
