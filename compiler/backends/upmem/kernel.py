"""One kernel in device form -> one DPU program and one host function, with the choices that sizes force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.device_program import DeviceProgram
from stratagem.compiler.backends.upmem.dtypes import dtype_of
from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.geometry import block_of, is_tensor, static_shape, terminator
from stratagem.compiler.backends.upmem.host_emitter import HostEmitter, entry_name
from stratagem.compiler.backends.upmem.scope import without_unused
from stratagem.compiler.backends.upmem.static_checks import Usage, fit_tasklets, usage_of
from stratagem.compiler.ir import location_text, symbol_name
from stratagem.runtime.errors import HardwareError, StratagemError, UnsupportedError


@dataclass(frozen=True)
class EmittedKernel:
    """C texts of one kernel and what the driver must know.

    Attributes:
        entry: the host function's name. device, host: the DPU program and the host side.
        tasklets: how many the program is compiled for.
        arguments: element type and shape (-1 where dynamic) of each argument; None for the shape of a scalar.
        results: how many of the last arguments are destinations. usage: sizes against limits.
    """

    name: str
    entry: str
    device: str
    host: str
    tasklets: int
    arguments: tuple[tuple[str, tuple[int, ...] | None], ...]
    results: int
    usage: Usage


def emit_kernel(function: Any, facts: DeviceFacts) -> EmittedKernel:
    """Emits `function`, whose named linalg operations have been generalized.

    Tensors that the tasklets of a DPU share are kept in WRAM; when that leaves too little room, in MRAM.

    Raises UnsupportedError for what has no C form, HardwareError for what does not fit, both naming the
    kernel.
    """
    name = symbol_name(function)
    try:
        try:
            return _emit(name, function, facts, temporaries_in_mram=False)
        except HardwareError:
            return _emit(name, function, facts, temporaries_in_mram=True)
    except (UnsupportedError, HardwareError) as error:
        raise _named(error, name, function) from None


def _named(error: StratagemError, name: str, function: Any) -> StratagemError:
    place = error.location or location_text(function)
    return type(error)(f"kernel {name}: {error.problem}", hint=error.hint, location=place)


def _emit(name: str, function: Any, facts: DeviceFacts, temporaries_in_mram: bool) -> EmittedKernel:
    program = DeviceProgram(name, facts)
    program.arrays.temporaries_in_mram = temporaries_in_mram
    host = HostEmitter(function, program)
    host.kernel()
    if not program.phases:
        raise UnsupportedError(
            f"it has no forall of tier {facts.unit_tier!r}, so there is nothing for the DPUs to do",
            hint="tile it for that tier, or place it on the host",
        )
    device = program.text()
    tasklets = fit_tasklets(program, facts)
    arguments = tuple(_argument(a) for a in block_of(function).arguments)
    return EmittedKernel(
        name,
        entry_name(name),
        device,
        host.text(without_unused(host.scope.lines)),
        tasklets,
        arguments,
        len(list(terminator(function).operands)),
        usage_of(program, facts, tasklets, device),
    )


def _argument(value: Any) -> tuple[str, tuple[int, ...] | None]:
    dtype = dtype_of(value.type).name
    if not is_tensor(value):
        return dtype, None
    dynamic = ir.ShapedType.get_dynamic_size()
    return dtype, tuple(-1 if n == dynamic else n for n in static_shape(value))
