"""Runs compiled GPU kernels: on a GPU through libcuda where there is one, else in the checked interpreter.

Needs neither MLIR nor, on a machine with a GPU, Triton.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stratagem.compiler.backends.gpu.binding import Array, BoundCall, bind, raise_failed
from stratagem.compiler.backends.gpu.cubin import read_kernels
from stratagem.compiler.backends.gpu.cuda import LIBRARY, CudaDevice, LoadedFunction, count_devices
from stratagem.compiler.backends.gpu.interpreter import LABEL, CheckedInterpreter
from stratagem.compiler.backends.gpu.plan import KernelPlan
from stratagem.runtime.errors import ArtifactError

INDEX = "kernels.json"


@dataclass(frozen=True)
class RunReport:
    """One kernel call: where it ran and how long it took, copies included.

    `device_ran` is False when the checked interpreter stood in for the GPU; `lanes` is then the number of
    element accesses it checked.
    """

    kernel: str
    where: str
    device_ran: bool
    seconds: float
    lanes: int = 0


@dataclass
class Driver:
    """Runs the kernels of one artifact.

    Args:
        files: what `compile_kernels` returned. device: facts of the device description; not needed.
        library: the CUDA driver to load.

    Attributes:
        plans: launch plan of each kernel. cuda: the device kernels run on, None when they are interpreted.
        where: which of the two, and why.
    """

    files: Mapping[str, bytes]
    device: Mapping[str, Any] = field(default_factory=dict)
    library: str = LIBRARY

    def __post_init__(self) -> None:
        if INDEX not in self.files:
            raise ArtifactError(f"the artifact's GPU code has no {INDEX}", hint="compile the model again")
        index = json.loads(self.files[INDEX])
        self._kernels: dict[str, dict[str, Any]] = index["kernels"]
        self.plans = {name: KernelPlan.from_json(entry["plan"]) for name, entry in self._kernels.items()}
        self._functions: dict[str, LoadedFunction] = {}
        self.cuda: CudaDevice | None = None
        self._interpreter: CheckedInterpreter | None = None
        self.where = self._choose()

    def _choose(self) -> str:
        """Opens the GPU if one is here that runs this code; the text says what is used, and why."""
        if not count_devices(self.library):
            return f"{LABEL}: no CUDA device here"
        device = CudaDevice(0, self.library)
        foreign = [f for f in self._function_facts() if not _runs_on(f, device.capability)]
        if foreign:
            device.close()
            wanted = f"compute capability {foreign[0]['capability'] / 10}"
            return f"{LABEL}: the code is for {wanted}, {device.name} has {device.capability / 10}"
        self.cuda = device
        return f"run on {device.name}"

    def _function_facts(self) -> list[dict[str, Any]]:
        return [facts for entry in self._kernels.values() for facts in entry["functions"].values()]

    def run(self, kernel: str, inputs: Sequence[Array], outputs: Sequence[Array]) -> RunReport:
        """Runs one kernel: reads `inputs`, writes `outputs` in place.

        Raises RuntimeInputError for arguments that do not fit, VerificationError for what the interpreter
        finds, ResourceError when the GPU fails.
        """
        if kernel not in self.plans:
            raise ArtifactError(f"the artifact has no GPU kernel '{kernel}'", hint="compile the model again")
        started = time.perf_counter()
        arguments = [*inputs, *outputs]
        lanes = 0
        if self.cuda is not None:
            self._run_on_gpu(self.cuda, bind(self.plans[kernel], _scalars(self.plans[kernel], arguments)), arguments)
        else:
            lanes = self._interpret(kernel, arguments)
        return RunReport(kernel, self.where, self.cuda is not None, time.perf_counter() - started, lanes)

    def close(self) -> None:
        """Ends the interpreter, releases the GPU."""
        if self._interpreter is not None:
            self._interpreter.close()
        if self.cuda is not None:
            self.cuda.close()
        self._interpreter = self.cuda = None

    def _interpret(self, kernel: str, arguments: list[Array]) -> int:
        if self._interpreter is None:
            self._interpreter = CheckedInterpreter()
        plan = self.plans[kernel]
        source = self.files[f"{kernel}.py"].decode()
        return self._interpreter.run(source, plan, _scalars(plan, arguments)).lanes

    def _run_on_gpu(self, cuda: CudaDevice, call: BoundCall, arguments: list[Array]) -> None:
        cuda.make_current()
        read = {p.buffer for b in call.launches for p in b.launch.parameters if p.reads}
        addresses: list[int] = []
        try:
            for index, (array, expected) in enumerate(zip(arguments, call.plan.arguments, strict=True)):
                addresses.append(cuda.allocate(array.nbytes))
                if index in read and expected.shape is not None:
                    cuda.upload(addresses[-1], _contiguous(array))
            for size, scratch in zip(call.scratch, call.plan.scratch, strict=True):
                addresses.append(cuda.allocate(size))
                if scratch.messages:
                    cuda.upload(addresses[-1], np.zeros(size, np.uint8))
            self.launch(cuda, call, addresses)
            cuda.synchronize()
            raise_failed(call.plan, _statuses(cuda, call, addresses[len(arguments) :]))
            for array, address, expected in zip(arguments, addresses, call.plan.arguments, strict=False):
                if expected.role == "dest":
                    result = _contiguous(array)
                    cuda.download(result, address)
                    if result is not array:
                        array[...] = result
        finally:
            for address in addresses:
                cuda.free(address)

    def launch(self, cuda: CudaDevice, call: BoundCall, addresses: Sequence[int]) -> None:
        """Queues all launches of a call on buffers on the device: arguments in order, then scratch."""
        for bound in call.launches:
            if not bound.grid:
                continue
            values = [
                (p.type, addresses[p.buffer] if p.buffer is not None else v or 0)
                for p, v in zip(bound.launch.parameters, bound.values, strict=True)
            ]
            cuda.launch(self._function(cuda, call.plan.name, bound.launch.function), bound.grid, values)

    def _function(self, cuda: CudaDevice, kernel: str, symbol: str) -> LoadedFunction:
        if symbol not in self._functions:
            facts = self._kernels[kernel]["functions"][symbol]
            cubin = self.files[f"{symbol}.cubin"]
            launch = next(item for item in self.plans[kernel].launches if item.function == symbol)
            hidden = len(read_kernels(cubin)[symbol].parameters) - len(launch.parameters)
            self._functions[symbol] = cuda.load(cubin, symbol, facts["threads"], facts["shared"], hidden)
        return self._functions[symbol]


def _statuses(cuda: CudaDevice, call: BoundCall, addresses: Sequence[int]) -> list[Array]:
    """The status words of the scratch buffers that have them."""
    found = []
    for scratch, address in zip(call.plan.scratch, addresses, strict=True):
        if scratch.messages:
            found.append(np.zeros(len(scratch.messages), np.int32))
            cuda.download(found[-1], address)
    return found


def _runs_on(facts: Mapping[str, Any], capability: int) -> bool:
    """Code that uses instructions of one version runs there only, other code on its whole major version."""
    compiled = int(facts["capability"])
    if facts["exact"]:
        return compiled == capability
    return compiled // 10 == capability // 10 and compiled <= capability


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def _scalars(plan: KernelPlan, arguments: Sequence[Array]) -> list[Array | int | float]:
    """Scalar arguments arrive as arrays of one element."""
    return [
        a if expected.shape is not None else a.reshape(-1)[0].item()
        for a, expected in zip(arguments, plan.arguments, strict=False)
    ] + list(arguments[len(plan.arguments) :])
