"""A compiled program, loaded and callable. Needs numpy and the C++ runtime; neither torch, JAX nor MLIR."""

from __future__ import annotations

import ctypes
import platform
import threading
import time
from collections.abc import Container as Collection
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.runtime import descriptors
from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.container import Container
from stratagem.runtime.drivers import DriverTable
from stratagem.runtime.errors import ArtifactError, VerificationError
from stratagem.runtime.guarded import Guarded
from stratagem.runtime.instructions import missing_instructions
from stratagem.runtime.needed_libraries import NeededLibrary, load_libraries
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.shared_object import architecture, open_shared_object
from stratagem.runtime.signature import Signature, TensorSpec, as_parts, from_parts

Array = np.ndarray[Any, Any]
ENTRY = "sg_entry"


class Executable:
    """A program bound to its parameters.

    Calls are serialised: one executable owns one arena.

    Args:
        code: bytes of the shared object with the host program and its CPU kernels.
        signature: inputs, outputs and parameters in the order of `sg_entry`'s arguments.
        parameters: arrays by name; used in place, never written.
        arena_bytes: scratch memory the host program was planned for.
        drivers: the kernels that other members than the host run.
        rank: which part of cut parameters this one binds, in a program that several ranks run together.
        libraries: what the code calls beside the runtime.
    """

    def __init__(
        self,
        code: bytes,
        signature: Signature,
        parameters: Mapping[str, Array],
        arena_bytes: int,
        drivers: DriverTable,
        rank: int = 0,
        libraries: Sequence[NeededLibrary] = (),
    ) -> None:
        self.signature, self._drivers = signature, drivers
        self._runtime = load_runtime()
        self._needed = load_libraries(libraries)
        self._library = _open_shared_object(code, libraries)
        self._entry = ctypes.cast(getattr(self._library, ENTRY), ctypes.c_void_p).value or 0
        self._arena_memory = Guarded((arena_bytes,), np.dtype(np.int8))
        self._arena = self._arena_memory.array
        self._parameters = [_bound(parameters, spec, rank) for spec in signature.parameters]
        self._lock = threading.Lock()
        self._lay_out()

    def _lay_out(self) -> None:
        """One block of words for all descriptors and one for the pointers to them, filled once but for the inputs."""
        ranks = [
            len(s.stored.shape) for s in (*self.signature.outputs, *self.signature.inputs, *self.signature.parameters)
        ]
        ends = np.cumsum([0] + [descriptors.words(r) for r in [*ranks, 1]])
        self._words = np.zeros(int(ends[-1]), np.int64)
        parts = [self._words[a:b] for a, b in pairwise(ends)]
        outputs, inputs = len(self.signature.outputs), len(self.signature.inputs)
        self._outputs, self._inputs = parts[:outputs], parts[outputs : outputs + inputs]
        for part, array in zip(parts[outputs + inputs :], [*self._parameters, self._arena], strict=True):
            descriptors.fill(part, array)
        # MLIR's C interface takes all results as one struct, in front; sg_entry keeps that order.
        tail = [p.ctypes.data for p in parts[outputs:]]
        head = [self._words.ctypes.data] if outputs else []
        self._pointers = np.array([*head, *tail], np.int64)
        self._pointers_at, self._arena_at = map(descriptors.address_of, (self._pointers, self._arena))
        self._parameters_at = {descriptors.address_of(array) for array in self._parameters}
        self._results_at = (ctypes.c_void_p * outputs)(*[p.ctypes.data for p in self._outputs])

    @property
    def where(self) -> str:
        """What runs it: the host, and for each other member with kernels its device, or what stands in for that."""
        members = sorted({kernel.member for kernel in self._drivers.kernels})
        return "; ".join(["host CPU", *(f"{member} {self._drivers.drivers[member].where}" for member in members)])

    def __call__(self, *arguments: Any, **named: Any) -> list[Array]:
        """Runs the program once; arrays in the signature's order or by name, results as a list of arrays."""
        arrays = self.signature.bind(named if named else arguments)
        with self._lock:
            return self._run(arrays)

    def run_kernel(
        self, name: str, arguments: Sequence[Array], results: int, scalars: Collection[int] = ()
    ) -> list[Array]:
        """Runs one kernel alone, for checking, on copies of its arguments between guard zones.

        Args:
            arguments: inputs, then destinations, in their own dtypes. results: how many destinations there are.
            scalars: positions of arguments that are passed by value: sizes, and elements that kernels take as such.

        Returns the destinations. Raises ArtifactError for a kernel this program does not have, VerificationError when
        the kernel writes anything but its destinations.
        """
        copies = [Guarded.copy_of(np.asarray(a)) for a in arguments]
        self._call_kernel(name, [copy.array for copy in copies], scalars)
        _refuse_damage(name, copies, arguments[: len(arguments) - results])
        return [copy.array for copy in copies[len(copies) - results :]]

    def time_kernel(
        self, name: str, arguments: Sequence[Array], results: int, scalars: Collection[int] = ()
    ) -> tuple[list[Array], float]:
        """Runs one kernel alone, on its inputs where they are and on destinations that are in memory already.

        Arguments as for `run_kernel`; returns the destinations, and seconds. Raises ArtifactError for a kernel this
        program does not have.
        """
        inputs = [np.ascontiguousarray(a).reshape(a.shape) for a in arguments[: len(arguments) - results]]
        made = [Guarded(a.shape, a.dtype).array for a in arguments[len(arguments) - results :]]
        return made, self._call_kernel(name, [*inputs, *made], scalars)

    def _call_kernel(self, name: str, arrays: Sequence[Array], scalars: Collection[int]) -> float:
        """Calls a kernel on dense arrays; returns seconds."""
        function = getattr(self._library, f"_mlir_ciface_{name}", None)
        if function is None:
            raise ArtifactError(f"the program has no kernel '{name}'")
        blocks = [np.zeros(descriptors.words(a.ndim), np.int64) for a in arrays]
        for block, array in zip(blocks, arrays, strict=True):
            descriptors.fill(block, array)
        passed = [
            _by_value(array) if i in scalars else ctypes.c_void_p(block.ctypes.data)
            for i, (array, block) in enumerate(zip(arrays, blocks, strict=True))
        ]
        function.restype = None
        with self._lock, self._drivers.active(self._runtime):
            started = time.perf_counter()
            function(*passed)
            return time.perf_counter() - started

    def run_with_scratch(self, arguments: Sequence[Array], byte: int) -> list[Array]:
        """Like a call, with every byte of the arena set to `byte` before; for checking.

        Raises VerificationError when something is written outside the arena.
        """
        arrays = self.signature.bind(arguments)
        with self._lock:
            self._arena.view(np.uint8)[:] = byte
            results = self._run(arrays)
        if damage := self._arena_memory.damage():
            raise VerificationError(f"the program wrote outside its arena of {self._arena.nbytes} bytes: {damage}")
        return results

    def _run(self, arrays: Sequence[Array]) -> list[Array]:
        arrays = [as_parts(array) for array in arrays]
        borrowed = {descriptors.fill(part, array) for part, array in zip(self._inputs, arrays, strict=True)}
        with self._drivers.active(self._runtime):
            self._runtime.call(self._entry, self._pointers_at, self._results_at)
        return [
            self._take(part, spec, borrowed) for part, spec in zip(self._outputs, self.signature.outputs, strict=True)
        ]

    def _take(self, part: Array, spec: TensorSpec, borrowed: set[int]) -> Array:
        """One result as an array: adopted when the program allocated it, copied when it is handed through."""
        pointer, rank, dtype = int(part[0]), len(spec.stored.shape), spec.stored.numpy_dtype
        inside_arena = self._arena_at <= pointer < self._arena_at + max(1, self._arena.nbytes)
        if inside_arena or pointer in borrowed or pointer in self._parameters_at:
            held = descriptors.view(part, rank, dtype).copy()
        else:
            borrowed.add(pointer)
            held = descriptors.adopt(part, rank, dtype, self._runtime.free)
        return from_parts(held) if spec.is_complex else held


def load_executable(path: str | Path | Container, rank: int = 0) -> Executable:
    """Opens an artifact, checks it, maps its parameters and loads its code. Raises ArtifactError."""
    container = path if isinstance(path, Container) else Container(path)
    manifest = container.manifest
    if manifest.get("code") is None:
        stopped = manifest.get("until", "an earlier level")
        raise ArtifactError(
            f"{container.path} holds no code: it was compiled until level '{stopped}'", hint="run it with --level"
        )
    signature = Signature.from_json(manifest["signature"])
    parameters = container.members["params.safetensors"]
    store = ParameterStore.load(container.path, parameters.offset, parameters.size)
    drivers = DriverTable.from_artifact(manifest.get("kernels", []), container)
    code = container.read(manifest["code"])
    libraries = tuple(map(NeededLibrary.from_json, manifest.get("libraries", ())))
    return Executable(code, signature, store, int(manifest["arena_bytes"]), drivers, rank, libraries)


def _remedy(libraries: Sequence[NeededLibrary]) -> str:
    """What may help where the loader refuses code although the libraries that it calls are loaded."""
    if not libraries:
        return "compile it on this machine"
    names = ", ".join(library.name for library in libraries)
    return f"the hardware file names libraries by the names that they give themselves (soname): {names}"


def _open_shared_object(code: bytes, libraries: Sequence[NeededLibrary] = ()) -> ctypes.CDLL:
    """Loads a shared object from memory; `libraries` are those that it calls.

    Raises ArtifactError when it is for another architecture than this process's, needs instructions that this processor
    does not have, or the system's loader refuses it.
    """
    built_for, here = architecture(code), platform.machine()
    if built_for != here:
        raise ArtifactError(
            f"the program's machine code is for {built_for}, this machine is {here}",
            hint=f"run it on such a machine or under qemu-{built_for} (docs/cross-compiling.md); here its levels run "
            "(`run --level device`) and its proofs (`verify --no-run`)",
        )
    try:
        library = open_shared_object(code)
    except OSError as error:
        raise ArtifactError(f"the program's machine code does not load: {error}", hint=_remedy(libraries)) from None
    if lacking := missing_instructions(library):
        raise ArtifactError(
            f"the program's machine code needs instructions that this processor does not have: {', '.join(lacking)}",
            hint="compile it for target cpu, which is this machine, or for a system with 'params: {device: cpu}'; its "
            "levels run here (`run --level device`)",
        )
    return library


def _refuse_damage(name: str, copies: Sequence[Guarded], inputs: Sequence[Array]) -> None:
    for number, copy in enumerate(copies):
        if damage := copy.damage():
            raise VerificationError(f"kernel '{name}' wrote outside argument {number}: {damage}")
    for number, (copy, array) in enumerate(zip(copies, inputs, strict=False)):
        if copy.array.tobytes() != np.asarray(array).tobytes():
            raise VerificationError(f"kernel '{name}' changed argument {number}, which it only reads")


def _by_value(array: Array) -> Any:
    """An array of one element as C passes a scalar of its dtype."""
    if array.dtype.kind in "iub":
        return ctypes.c_int64(int(array))
    if array.dtype == np.float64:
        return ctypes.c_double(float(array))
    # A narrower float lies in the low bits of the register of an f32; the others are ones, as RISC-V asks.
    return ctypes.c_float.from_buffer_copy(array.tobytes().ljust(4, b"\xff"))


def _bound(parameters: Mapping[str, Array], spec: TensorSpec, rank: int) -> Array:
    """This rank's part of the parameter, contiguous; raises ArtifactError when it is missing or of another shape."""
    whole = parameters.get(spec.name)
    array = None if whole is None else spec.part(whole, rank)
    if array is None or array.dtype != spec.numpy_dtype or array.shape != spec.shape:
        have = "nothing" if whole is None else f"{whole.dtype}{list(whole.shape)}"
        raise ArtifactError(f"parameter {spec} is needed, the artifact holds {have}")
    return np.ascontiguousarray(array).reshape(array.shape)
