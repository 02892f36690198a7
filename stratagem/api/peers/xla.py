"""XLA's CPU compiler as `jax.jit` uses it, through jax's own client, on StableHLO.

A program of PyTorch gets there through torch-mlir (`convert.py`); its weights are arguments that stay on the device, as
JAX programs pass theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stratagem.api.measure.subject import read_arrays
from stratagem.api.peers.base import Loaded, Peer, Task
from stratagem.api.peers.convert import WEIGHTS

PEER = Peer(
    "xla",
    "xla",
    {"jax": "jax", "jaxlib": "jaxlib"},
    ".mlir",
    environment=lambda threads: {
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}",
        "JAX_PLATFORMS": "cpu",
        "NPROC": str(threads),
    },
)


def load(task: Task) -> Loaded:
    import jax
    from jax.extend.backend import get_backend
    from jaxlib import xla_client

    client = get_backend("cpu")
    devices = xla_client.DeviceList(tuple(client.local_devices()[:1]))
    source = task.files[".mlir"].read_bytes()
    executable = client.compile_and_load(source, devices, xla_client.CompileOptions())
    weights = task.files[".mlir"].with_suffix(WEIGHTS)
    arrays = list(read_arrays(weights).values()) if weights.exists() else []
    # Without 64-bit mode device_put narrows integers, and the program names the widths it takes.
    with jax.enable_x64(True):
        buffers = [jax.device_put(a) for a in [*arrays, *task.inputs.values()]]

    def call() -> Any:
        results = executable.execute_sharded(buffers).disassemble_into_single_device_arrays()
        return jax.block_until_ready([shards[0] for shards in results])

    return Loaded(call, lambda outputs: [np.asarray(o) for o in outputs])
