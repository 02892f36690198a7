"""`torch.compile(model, backend="stratagem")`.

Options: `torch.compile(..., options={"target": "my-device.yaml", "fallback": True})`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from stratagem.api.execution import Prepare, prepare_for
from stratagem.api.torch_call import TorchCall
from stratagem.runtime.errors import StratagemError, UsageError

NAME = "stratagem"
_OPTIONS = ("fallback", "prepare", "target")


class CapturedGraph(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A graph that Dynamo captured, as a module of its tensor arguments.

    Dynamo passes weights and free sizes as arguments like any other. Here weights are parameters again,
    under the names they have in the user's model, and free sizes are read from the tensors that have them.
    """

    def __init__(self, graph: fx.GraphModule, values: Sequence[Any]) -> None:
        super().__init__()
        placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
        object.__setattr__(self, "_graph", graph)
        self._sources: list[Callable[[Sequence[torch.Tensor]], Any]] = []
        self.positions: list[int] = []
        self.examples: list[Any] = [node.meta.get("example_value") for node in placeholders]
        for i, (node, value) in enumerate(zip(placeholders, values, strict=True)):
            self._sources.append(self._source(i, node, value))

    def _source(self, i: int, node: fx.Node, value: Any) -> Callable[[Sequence[torch.Tensor]], Any]:
        if _is_static(node, value):
            name = weight_name(node.name)
            if isinstance(value, nn.Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)
            return lambda _: getattr(self, name)
        if isinstance(value, torch.Tensor):
            at = len(self.positions)
            self.positions.append(i)
            return lambda tensors: tensors[at]
        place = _place_of_size(self.examples, self.examples[i])
        if place is None:
            return lambda _: value
        owner, dimension = place
        return lambda tensors: self._sources[owner](tensors).shape[dimension]

    def forward(self, *tensors: torch.Tensor) -> Any:
        # Node by node, so that the source lines Dynamo noted come along.
        with fx.traceback.preserve_node_meta():
            return fx.Interpreter(self._graph).run(*(source(tensors) for source in self._sources))

    def dynamic_shapes(self) -> tuple[Any, ...]:
        """torch.export's description of the free sizes: those that are symbols in Dynamo's graph."""
        if not self.positions:
            return ()
        auto = torch.export.Dim.AUTO
        shapes = (getattr(self.examples[i], "shape", ()) for i in self.positions)
        return (tuple({d: auto for d, n in enumerate(s) if isinstance(n, torch.SymInt)} for s in shapes),)


def _is_static(node: fx.Node, value: Any) -> bool:
    marks = node.meta.get("tensor_dict", {})
    return isinstance(value, nn.Parameter) or "_dynamo_static_input_type" in marks


def _place_of_size(examples: Sequence[Any], size: Any) -> tuple[int, int] | None:
    """Argument and dimension whose free size is this symbol."""
    if not isinstance(size, torch.SymInt):
        return None
    for i, example in enumerate(examples):
        if isinstance(example, torch.Tensor):
            for dimension, other in enumerate(example.shape):
                if isinstance(other, torch.SymInt) and other.node.expr == size.node.expr:
                    return i, dimension
    return None


def weight_name(placeholder: str) -> str:
    """`l_self_modules_fc_parameters_weight_` -> `fc_weight`."""
    name = placeholder.strip("_").removeprefix("l_self_").removeprefix("l_").replace("modules_", "")
    return name.replace("parameters_", "").replace("buffers_", "") or placeholder


class CompiledGraph:
    """What Dynamo calls: compiles at the first call, when the weights' values are known, and again when
    sizes that are part of the program, or the weights, change."""

    def __init__(self, graph: fx.GraphModule, prepare: Prepare, fallback: bool) -> None:
        self._graph, self._prepare, self._fallback = graph, prepare, fallback
        self.compilations: list[tuple[TorchCall, CapturedGraph, tuple[int, ...]]] = []
        self._eager = False

    def __call__(self, *values: Any) -> Any:
        if self._eager:
            return self._graph(*values)
        for call, captured, versions in self.compilations:
            leaves = [values[i] for i in captured.positions]
            if call.accepts(leaves) and versions == _versions(captured):
                return call(leaves)
        try:
            return self._compile(values)
        except StratagemError as error:
            if not self._fallback:
                raise
            warnings.warn(f"a graph runs in eager PyTorch: {error}", RuntimeWarning, stacklevel=2)
            self._eager = True
            return self._graph(*values)

    def _compile(self, values: Sequence[Any]) -> Any:
        from stratagem.compiler.frontends.torch import import_torch

        captured = CapturedGraph(self._graph, values)
        leaves = tuple(values[i] for i in captured.positions)
        model = import_torch(captured, leaves, captured.dynamic_shapes())
        call = TorchCall(model, self._prepare(model.program), captured)
        self.compilations = [c for c in self.compilations if c[2] == _versions(c[1])]
        self.compilations.append((call, captured, _versions(captured)))
        return call(leaves)


def _versions(captured: CapturedGraph) -> tuple[int, ...]:
    """How often each weight was written to: a program is compiled for the values it saw."""
    return tuple(int(p._version) for p in captured.parameters())


def stratagem_backend(
    graph: fx.GraphModule,
    example_inputs: Sequence[Any],
    *,
    options: Mapping[str, Any] | None = None,
    **_: Any,
) -> Callable[..., Any]:
    """The Dynamo backend; see the module's text for `options`.

    An unsupported operator raises UnsupportedError at the first call, or, with `fallback`, warns and
    leaves that graph to eager PyTorch. Raises UsageError for options it does not know.
    """
    given = dict(options or {})
    unknown = sorted(set(given) - set(_OPTIONS))
    if unknown:
        raise UsageError(f"backend option '{unknown[0]}' is not known", hint=f"options: {', '.join(_OPTIONS)}")
    prepare = given.get("prepare") or prepare_for(given.get("target", "cpu"))
    return CompiledGraph(graph, prepare, bool(given.get("fallback", False)))


def register_torch_backend() -> None:
    """Makes `backend="stratagem"` known to torch.compile; installed packages are found without it."""
    from torch._dynamo.backends.registry import list_backends, register_backend

    if NAME not in list_backends(exclude_tags=()):
        register_backend(stratagem_backend, name=NAME)
