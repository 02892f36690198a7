"""A module of device-form kernels -> the files an artifact stores."""

from __future__ import annotations

import json
from typing import Any

from stratagem.compiler.backends.base import KernelCode
from stratagem.compiler.backends.upmem.facts import device_facts
from stratagem.compiler.backends.upmem.kernel import EmittedKernel, emit_kernel
from stratagem.compiler.backends.upmem.sources import support_files
from stratagem.compiler.ir import clone_module, functions, run_pipeline
from stratagem.hwmodels import Device
from stratagem.runtime.errors import UnsupportedError

PASSES = "builtin.module(func.func(linalg-generalize-named-ops))"
"""What happens to a kernel before it is printed: one form of linalg operation is enough. Foralls of one
iteration must stay, so no canonicalization here."""

MANIFEST = "kernels.json"
HOST_FILE = "host.c"


def compile_kernels(module: Any, device: Device) -> KernelCode:
    """Emits every kernel of `module`.

    Raises UnsupportedError or HardwareError for the first kernel that cannot be emitted, with its name and the
    reason.
    """
    facts = device_facts(device)
    copy = clone_module(module)
    run_pipeline(copy, PASSES)
    emitted = [emit_kernel(function, facts) for function in functions(copy) if is_kernel(function)]
    if not emitted:
        raise UnsupportedError(f"the module for device {device.name} holds no kernel")
    files = {_device_file(kernel): kernel.device.encode() for kernel in emitted}
    files[HOST_FILE] = host_file(emitted).encode()
    files["stratagem_machine.h"] = facts.machine_header().encode()
    files["device.json"] = facts.to_json().encode()
    files[MANIFEST] = json.dumps({k.name: _entry(k) for k in emitted}, indent=1).encode()
    files.update(support_files())
    report = {"simulated": True, "kernels": {k.name: _facts(k) for k in emitted}}
    return KernelCode(files, tuple(k.name for k in emitted), report)


def is_kernel(function: Any) -> bool:
    """Functions with a body that claim to be kernels (a declaration has none)."""
    return bool(function.regions[0].blocks) and "device.kernel" in function.attributes


def host_file(emitted: list[EmittedKernel]) -> str:
    """The host side of all kernels: one file, one set of DPUs."""
    head = [
        "/* Host side of the kernels: scatter, launch, gather. */",
        '#include "stratagem_host.h"',
        "",
        '#include "stratagem_math.h"',
        "",
    ]
    declarations = [
        *(f"int {k.entry}(void *const *data, const int64_t *shapes, const char *program);" for k in emitted),
        "void stratagem_close(void);",
        "",
        "void stratagem_close(void) { sg_close(); }",
    ]
    return "\n".join([*head, *declarations, *(f"\n{k.host}" for k in emitted), ""])


def _facts(kernel: EmittedKernel) -> dict[str, Any]:
    """What the kernel became, and what that takes of a DPU."""
    return {"emitted": [_device_file(kernel), HOST_FILE], **kernel.usage.as_dict()}


def _device_file(kernel: EmittedKernel) -> str:
    return f"{kernel.name}.dpu.c"


def _entry(kernel: EmittedKernel) -> dict[str, Any]:
    arguments = [{"dtype": dtype, "shape": shape} for dtype, shape in kernel.arguments]
    return {
        "entry": kernel.entry,
        "arguments": arguments,
        "results": kernel.results,
        "tasklets": kernel.tasklets,
        "usage": kernel.usage.as_dict(),
    }
