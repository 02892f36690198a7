"""IREE's llvm-cpu for this processor, from ONNX. Compiled modules are kept, with what compiling took."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.api.peers.base import Array, Loaded, Peer, Task

LAST = "builtin.module(util.func(iree-preprocessing-convert-conv-to-channels-last))"
BASE = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-opt-level=O3",
    # With the default of 32 KiB, attention over 128 tokens is refused.
    "--iree-llvmcpu-stack-allocation-limit=524288",
)
FLAGS = {
    "plain": (),
    "tiled": ("--iree-opt-data-tiling",),
    "channels-last": (f"--iree-preprocessing-pass-pipeline={LAST}",),
}
PEER = Peer(
    "iree",
    "iree",
    {"iree.compiler": "iree-base-compiler[onnx]", "iree.runtime": "iree-base-runtime"},
    ".onnx",
    tuple(FLAGS),
    # Convolutions as they come, channels first, are several times slower.
    suits=lambda variant, convolutional, parameters: (variant == "channels-last") == convolutional,
)


def load(task: Task) -> Loaded:
    import iree.runtime as rt

    module_file, compile_s = compiled(task)
    started = time.perf_counter()
    if task.threads == 1:
        driver = rt.get_driver("local-sync")
    else:
        rt.flags.parse_flags(f"--task_topology_group_count={task.threads}", "--task_worker_stack_size=1048576")
        driver = rt.get_driver("local-task")
    device = driver.create_default_device(allocators=["caching"])
    config = rt.Config(device=device)
    context = rt.SystemContext(config=config)
    module = rt.VmModule.mmap(config.vm_instance, str(module_file))
    context.add_vm_module(module)
    name = next(n for n in module.function_names if "$" not in n and not n.startswith("__"))
    function = module.lookup_function(name)
    arguments, kept = rt.VmVariantList(len(task.inputs)), []
    for array in task.inputs.values():
        kept.append(rt.asdevicearray(device, array))
        arguments.push_ref(kept[-1]._buffer_view)

    def call() -> Any:
        outputs = rt.VmVariantList(8)
        context.vm_context.invoke(function, arguments, outputs)
        return outputs

    def fetch(outputs: Any) -> list[Array]:
        assert kept, "arguments live as long as the model"
        views = (outputs.get_as_object(i, rt.HalBufferView) for i in range(outputs.size))
        return [np.array(rt.DeviceArray(device, view, implicit_host_transfer=True)) for view in views]

    return Loaded(call, fetch, {"ready_s": compile_s + time.perf_counter() - started})


def compiled(task: Task) -> tuple[Path, float]:
    """The module file, compiled once a model and version, and the seconds that took."""
    module, note = task.scratch / "module.vmfb", task.scratch / "compile_s"
    if note.exists():
        return module, float(note.read_text())
    tools = Path(sys.executable).parent
    source = task.scratch / "module.mlir"
    started = time.perf_counter()
    run_tool([str(tools / "iree-import-onnx"), str(task.files[".onnx"]), "-o", source.name], task.scratch)
    compile_it = [str(tools / "iree-compile"), source.name, "-o", module.name]
    run_tool([*compile_it, *BASE, *FLAGS[task.variant]], task.scratch)
    compile_s = time.perf_counter() - started
    source.unlink()
    note.write_text(str(compile_s))
    return module, compile_s


def run_tool(command: list[str], folder: Path) -> None:
    """Runs it in a folder; raises RuntimeError with its first errors."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if "error:" in line] or done.stderr.splitlines()[-2:]
    raise RuntimeError(f"{Path(command[0]).name} exited with {done.returncode}: {' | '.join(lines[:2])[:400]}")
