"""ONNX Runtime's CPU provider: all graph optimizations, one graph after the other, results in bound memory."""

from __future__ import annotations

from typing import Any

from stratagem.api.peers.base import Loaded, Peer, Task

PEER = Peer("onnxruntime", "onnx_runtime", {"onnxruntime": "onnxruntime"}, ".onnx")


def load(task: Task) -> Loaded:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = task.threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(task.files[".onnx"]), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, array in task.bound([spec.name for spec in session.get_inputs()]):
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    for spec in session.get_outputs():
        _bind_output(binding, spec)

    def call() -> None:
        session.run_with_iobinding(binding)

    return Loaded(call, lambda _: [value.numpy().copy() for value in binding.get_outputs()])


def _bind_output(binding: Any, spec: Any) -> None:
    """Memory for an output beforehand where its shape is fixed."""
    import numpy as np
    import onnxruntime

    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    if spec.type not in kinds or not all(isinstance(n, int) for n in spec.shape):
        binding.bind_output(spec.name, "cpu")
        return
    value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(spec.shape, kinds[spec.type])
    binding.bind_ortvalue_output(spec.name, value)
