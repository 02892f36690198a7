"""How long each kernel of an artifact takes, and how near that is to what its device can do.

The host program is run by the reference interpreter on actual data, every kernel by its compiled code, in the program's
order and with the data that it would have there: what it finds in caches is about what it finds in an ordinary run. The
limit is the roofline (Williams, Waterman, Patterson, 2009): operations at the unit's peak rate, or the kernel's inputs
and outputs once through the smallest memory that holds them, whichever takes longer.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stratagem.runtime.container import Container
from stratagem.runtime.errors import UsageError
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.signature import NUMPY_TYPES, Signature

if TYPE_CHECKING:
    from stratagem.hwmodels import Device

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Limit:
    """The least seconds that a device needs for some work, and what takes them: a unit or a memory level."""

    seconds: float
    by: str


@dataclass
class Measured:
    """The calls of one kernel in one run of the program: seconds of each (the median over all runs), and their limits;
    None for a call whose operations do not follow from sizes."""

    seconds: list[float] = field(default_factory=list)
    limits: list[Limit | None] = field(default_factory=list)

    @property
    def total(self) -> float:
        return sum(self.seconds)

    @property
    def fraction(self) -> float | None:
        """The part of the limit that was reached, over all calls; None where a call has no limit."""
        if None in self.limits or self.total <= 0:
            return None
        return sum(limit.seconds for limit in self.limits if limit is not None) / self.total

    def to_json(self) -> dict[str, Any]:
        """Seconds of each call; the fraction of the limit is null where a call has none."""
        return {"seconds": list(self.seconds), "fraction": self.fraction, "limited_by": self.limited_by}

    def __str__(self) -> str:
        """`12 calls in 5.31 ms, 87% of what fma allows`."""
        calls = f"{len(self.seconds)} call{'s' * (len(self.seconds) != 1)} in {self.total * 1e3:.3f} ms"
        return calls if self.fraction is None else f"{calls}, {self.fraction:.0%} of what {self.limited_by} allows"

    @property
    def limited_by(self) -> str:
        """What limits the call that takes longest."""
        longest = max(zip(self.seconds, self.limits, strict=True), key=lambda pair: pair[0])[1]
        return longest.by if longest is not None else ""


def measure_kernels(container: Container, inputs: Mapping[str, Array], rounds: int = 5) -> dict[str, Measured]:
    """Times every kernel call of an artifact of one rank, kernels of other members than the host included.

    Args:
        inputs: an array per input, by name. rounds: how many runs the median is taken over, after one that warms up.

    Raises UsageError for an artifact without code or of several ranks, RuntimeInputError for inputs that do not fit.
    """
    from stratagem.compiler.artifact import level_text, machine_of
    from stratagem.compiler.interpreter.api import run_with_kernels
    from stratagem.compiler.ir import parse_module
    from stratagem.compiler.program import Program
    from stratagem.runtime.executable import load_executable

    if container.manifest["until"] != "code" or int(container.manifest["ranks"]) > 1:
        raise UsageError("kernels can be measured in artifacts with code, of one rank")
    signature = Signature.from_json(container.manifest["signature"])
    bound = signature.bind(inputs)
    named = {spec.name: array for spec, array in zip(signature.inputs, bound, strict=True)}
    executable = load_executable(container)
    module = parse_module(level_text(container, "device"))
    member = container.members["params.safetensors"]
    program = Program(module, ParameterStore.load(container.path, member.offset, member.size))
    timer = _Timer(module, executable, machine_of(container))
    for _ in range(rounds + 1):
        timer.calls = 0
        run_with_kernels(program, named, timer)
    return timer.result()


class _Timer:
    """Executes kernels for the interpreter and notes how long each call took."""

    def __init__(self, module: Any, executable: Any, machine: Any) -> None:
        from stratagem.compiler.ir import functions, symbol_name

        self.executable, self.machine = executable, machine
        self.kernels = {symbol_name(f): f for f in functions(module)}
        self.calls = 0
        self.noted: list[tuple[str, Limit | None, list[float]]] = []

    def __call__(self, name: str, arrays: Sequence[Array]) -> list[Array]:
        from torch_mlir import ir

        kind = ir.FunctionType(ir.TypeAttr(self.kernels[name].attributes["function_type"]).value)
        scalars = {i for i, t in enumerate(kind.inputs) if not isinstance(t, ir.RankedTensorType)}
        made, seconds = self.executable.time_kernel(name, arrays, len(kind.results), scalars)
        if self.calls == len(self.noted):
            self.noted.append((name, self._limit(name, arrays), []))
        self.noted[self.calls][2].append(seconds)
        self.calls += 1
        return list(made)

    def _limit(self, name: str, arrays: Sequence[Array]) -> Limit | None:
        from stratagem.api.sizing import work_of_call
        from stratagem.compiler.schedule import kernel

        claim = kernel.claim(self.kernels[name])
        device = next(m.device for m in self.machine.members.values() if m.device.name == claim["class"])
        work = work_of_call(self.kernels[name], arrays)
        if work.operations is None:
            return None
        return limit_of(device, claim.get("unit", ""), arrays[0].dtype, work.operations, work.bytes)

    def result(self) -> dict[str, Measured]:
        found: dict[str, Measured] = {}
        for name, limit, seconds in self.noted:
            one = found.setdefault(name, Measured())
            one.seconds.append(statistics.median(seconds[1:]))
            one.limits.append(limit)
        return found


def limit_of(device: Device, unit: str, dtype: Any, operations: int, moved: int) -> Limit:
    """The roofline of a kernel on a device.

    Args:
        unit: what computes; where the device has none of that name or it gives no rate, the fastest unit counts.
        dtype: numpy's element type. operations: arithmetic of one call. moved: bytes of inputs and outputs.
    """
    element = next(name for name, kind in NUMPY_TYPES.items() if kind == np.dtype(dtype))
    rates = [device.unit_rate(u, element) for u in device.units if u.name == unit]
    rate = next((r for r in rates if r > 0), device.peak_rate(element))
    computing = Limit(operations / rate if rate else 0.0, unit or "compute")
    return max(computing, _moving(device, moved), key=lambda limit: limit.seconds)


def _moving(device: Device, moved: int) -> Limit:
    """The bytes once through the smallest memory that holds them all, if the description says how fast that is."""
    best = Limit(0.0, "compute")
    for level in device.memories():
        size, bandwidth = level.size, device.level_bandwidth(level.name)
        holds = size is None or size * device.instances(level.name) >= moved
        if holds and bandwidth:
            best = Limit(moved / bandwidth, level.name)
    return best
