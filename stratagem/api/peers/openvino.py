"""OpenVINO's CPU plugin in f32 (its default may be bf16), tuned for latency with one stream."""

from __future__ import annotations

from stratagem.api.peers.base import Loaded, Peer, Task

PEER = Peer("openvino", "openvino", {"openvino": "openvino"}, ".onnx")


def load(task: Task) -> Loaded:
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(task.threads),
        "ENABLE_CPU_PINNING": False,  # the processors are chosen for the whole process
    }
    core = openvino.Core()
    model = core.read_model(task.files[".onnx"])
    bound = task.bound([port.any_name for port in model.inputs])
    if any(port.partial_shape.is_dynamic for port in model.inputs):
        model.reshape({name: list(array.shape) for name, array in bound})
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    for name, array in bound:
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
    count = len(model.outputs)
    return Loaded(request.infer, lambda _: [request.get_output_tensor(i).data.copy() for i in range(count)])
