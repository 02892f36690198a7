"""What each number of a hardware description does to the time of a program: one of them changed, all else as it is.

The program is taken from level `tensor` to where tiles are chosen; then each kernel is costed on devices that differ in
one number, always with the tiles that it has on the stated one. So an influence is that of the number on this program
as compiled; a compile for the other number might cut kernels otherwise (`stratagem sweep` does that).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.cost.program import NO_WEIGHTS, ProgramCost, Weights, sequential_estimate, with_weights
from stratagem.compiler.ir import symbol_name
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.cost import Seconds
from stratagem.compiler.schedule.estimate import estimate
from stratagem.compiler.schedule.pieces import is_pieces
from stratagem.compiler.schedule.tile_kernel import tiles_of
from stratagem.compiler.schedule.untiled import read_untiled
from stratagem.hwmodels import Device, System
from stratagem.hwmodels.scaled import scaled, with_factor

FACTOR = 1.1
"""How much a number is changed by."""
TILING = "tile-kernels"


@dataclass(frozen=True)
class Influence:
    """One number of a device.

    Attributes:
        key: path such as "levels.dram.bandwidth". value: base SI units. more_is_better: rates and bandwidths, not
        latencies. after: kernel -> its seconds when the number is `FACTOR` times as large, of the kernels that feel it.
    """

    device: str
    key: str
    value: float
    more_is_better: bool
    after: Mapping[str, Seconds]

    def change(self, cost: ProgramCost) -> float:
        """Seconds that a run takes more when the number is `FACTOR` times as large."""
        felt = [call for call in cost.calls if call.kernel in self.after]
        return sum(self.after[call.kernel].total - call.seconds.total for call in felt)


def influences(program: Program, machine: System, cost: ProgramCost) -> list[Influence]:
    """Every number that a kernel of the program feels, the largest change of the time first.

    Args:
        program: at level `tensor`; it is changed. machine: as for the compile. cost: of the compiled program; kernels
        that cost otherwise here, because they were compiled otherwise, are left out.
    """
    context = PassContext(machine)
    for name in dict(PIPELINE)["device"]:
        if name == TILING:
            break
        parse(name).apply(program, context)
    stated = {call.kernel: call for call in reversed(cost.calls)}
    devices = {m.device.name: m.device for m in machine.members.values()}
    found = []
    with program.module.context, ir.Location.unknown():
        by_device: dict[str, list[_Kernel]] = {}
        for function in kernel.kernels(program.module):
            one = _Kernel.of(function, devices)
            call = stated.get(one.name) if one is not None else None
            if one is not None and call is not None and one.seconds(one.device) == call.by_itself:
                one = replace(one, weights=call.weights)
                by_device.setdefault(one.device.name, []).append(one)
        for name, kernels in by_device.items():
            found += _of_device(devices[name], kernels)
    return sorted(found, key=lambda one: -abs(one.change(cost)))


def _of_device(device: Device, kernels: list[_Kernel]) -> list[Influence]:
    found = []
    for path, (value, more) in _numbers(device).items():
        changed = with_factor(device, path, FACTOR)
        after = {one.name: seconds for one in kernels if (seconds := one.in_run(changed)) != one.in_run(device)}
        if after:
            found.append(Influence(device.name, path, value, more, after))
    return found


@dataclass(frozen=True)
class _Kernel:
    """A kernel before it is cut, and the tiles that it will get; none where one unit runs it."""

    function: Any
    device: Device
    untiled: Any
    choice: Any
    known: dict[str, Seconds]
    weights: Weights = NO_WEIGHTS

    @staticmethod
    def of(function: Any, devices: Mapping[str, Device]) -> _Kernel | None:
        claim = kernel.claim(function)
        if not claim:
            return None
        device = devices[claim["class"]]
        whole = claim["function"] == kernel.SEQUENTIAL or is_pieces(kernel.body_ops(function))
        untiled = None if whole else read_untiled(function, device)
        if untiled is not None and not untiled.has_fixed_sizes:
            untiled = None
        return _Kernel(function, device, untiled, tiles_of(untiled) if untiled else None, {})

    @property
    def name(self) -> str:
        return str(symbol_name(self.function))

    def in_run(self, device: Device) -> Seconds:
        """The same, with weights that come from where all weights lie."""
        return with_weights(self.seconds(device), device, self.weights)

    def seconds(self, device: Device) -> Seconds:
        """One call on `device`, which differs from its own in numbers only."""
        if device.digest not in self.known:
            self.known[device.digest] = self._seconds(device)
        return self.known[device.digest]

    def _seconds(self, device: Device) -> Seconds:
        if self.untiled is None:
            return sequential_estimate(self.function, device).seconds
        return estimate(self.untiled.on(device), self.choice)


def _numbers(device: Device) -> dict[str, tuple[float, bool]]:
    """Path -> value, and whether more is better."""
    found: dict[str, tuple[float, bool]] = {}

    def note(path: str, value: float, more_is_better: bool) -> float:
        found[path] = (value, more_is_better)
        return value

    scaled(device, note)
    return found
