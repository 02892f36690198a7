"""The activation functions recurrent operators may name, as plain nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph
from stratagem.runtime.errors import ModelError

Op = Callable[..., str]

_DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
_ALPHA = {
    "LeakyRelu": 0.01,
    "ThresholdedRelu": 1.0,
    "ScaledTanh": 1.0,
    "HardSigmoid": 0.2,
    "Elu": 1.0,
    "Affine": 1.0,
}
_BETA = {"ScaledTanh": 1.0, "HardSigmoid": 0.5, "Affine": 0.0}
_PLAIN = {"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus"}


@dataclass(frozen=True)
class Activation:
    """A function by its ONNX name, with the parameters it takes."""

    name: str
    alpha: float
    beta: float


def default_activations(kind: str, given: dict[str, Any], direction: int, directions: int) -> Sequence[Activation]:
    """The functions of one direction: as named by the node, else the operator's defaults."""
    names = [n.decode() if isinstance(n, bytes) else n for n in given.get("activations", [])]
    names = names or _DEFAULTS[kind] * directions
    each = len(names) // directions
    alphas, betas = iter(given.get("activation_alpha", [])), iter(given.get("activation_beta", []))
    found = []
    for name in names:  # alphas and betas are listed in the order of the functions that take one
        alpha = next(alphas, _ALPHA[name]) if name in _ALPHA else 0.0
        beta = next(betas, _BETA[name]) if name in _BETA else 0.0
        found.append(Activation(name, alpha, beta))
    return found[direction * each : (direction + 1) * each]


def activation_node(op: Op, graph: Graph, label: str, function: Activation, value: str) -> str:
    """Writes `function(value)` with `op` and returns the result's name."""

    def constant(number: float) -> str:
        return graph.add_constant(f"{label}/{function.name}", np.array(number, np.float32))

    if function.name in _PLAIN:
        return op(function.name, value)
    if function.name in ("LeakyRelu", "Elu", "ThresholdedRelu"):
        return op(function.name, value, alpha=function.alpha)
    if function.name == "HardSigmoid":
        return op("HardSigmoid", value, alpha=function.alpha, beta=function.beta)
    if function.name == "ScaledTanh":
        return op("Mul", constant(function.alpha), op("Tanh", op("Mul", constant(function.beta), value)))
    if function.name == "Affine":
        return op("Add", op("Mul", constant(function.alpha), value), constant(function.beta))
    raise ModelError(f"node '{label}' names the activation '{function.name}', which ONNX does not define")
