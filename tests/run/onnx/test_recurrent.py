"""LSTM, GRU and RNN with their options, against onnxruntime; free sequence length and batch size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.run.onnx.harness import check, floats

STEPS, BATCH, INPUT, HIDDEN = 5, 3, 4, 7
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(
    kind: str,
    direction: str = "forward",
    lengths: bool = False,
    states: bool = False,
    peepholes: bool = False,
    **given: Any,
) -> tuple[Any, dict[str, Any]]:
    """A model of one recurrent node, and inputs for it."""
    count, gates = (2 if direction == "bidirectional" else 1), GATES[kind]
    weights = {
        "W": floats(count, gates * HIDDEN, INPUT),
        "R": floats(count, gates * HIDDEN, HIDDEN),
        "B": floats(count, 2 * gates * HIDDEN),
    }
    inputs: dict[str, Any] = {"X": floats(STEPS, BATCH, INPUT)}
    declared = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["steps", "batch", INPUT])]
    if lengths:
        inputs["L"] = np.array([5, 2, 3], np.int32)
        declared.append(helper.make_tensor_value_info("L", TensorProto.INT32, ["batch"]))
    for name in ("h", "c") if states and kind == "LSTM" else ("h",) if states else ():
        inputs[name] = floats(count, BATCH, HIDDEN, seed=ord(name))
        declared.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [count, "batch", HIDDEN]))
    if peepholes:
        weights["P"] = floats(count, 3 * HIDDEN)
    operands = ["X", "W", "R", "B", "L" if lengths else "", "h" if states else ""]
    operands += ["c" if states else "", "P" if peepholes else ""] if kind == "LSTM" else []
    results = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
    node = helper.make_node(kind, operands, results, name="cell", hidden_size=HIDDEN, direction=direction, **given)
    outputs = [helper.make_tensor_value_info(r, TensorProto.FLOAT, None) for r in results]
    graph = helper.make_graph(
        [node], "net", declared, outputs, [numpy_helper.from_array(v, k) for k, v in weights.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), inputs


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_directions_with_lengths_and_states(kind: str, direction: str) -> None:
    check(*recurrent(kind, direction, lengths=True, states=True))


OPTIONS: list[dict[str, Any]] = [
    {"kind": "LSTM", "peepholes": True},
    {"kind": "LSTM", "clip": 0.3, "states": True},
    {"kind": "LSTM", "input_forget": 1},
    {
        "kind": "LSTM",
        "activations": ["HardSigmoid", "ScaledTanh", "Softsign"],
        "activation_alpha": [0.3, 0.7],
        "activation_beta": [0.4, 1.1],
    },
    {"kind": "GRU", "linear_before_reset": 1},
    {"kind": "GRU", "linear_before_reset": 1, "direction": "bidirectional"},
    {"kind": "RNN", "direction": "bidirectional", "activations": ["Relu", "Tanh"]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(k for k in o))
def test_options(options: dict[str, Any]) -> None:
    check(*recurrent(**options))
