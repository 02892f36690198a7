"""PyTorch front end: a module, a function or an exported program becomes a Program at the tensor level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.export import ExportedProgram

from stratagem.compiler.frontends.landing import land
from stratagem.compiler.frontends.torch_arguments import (
    complex_names,
    settle_arguments,
    settle_outputs,
    unsigned_names,
)
from stratagem.compiler.frontends.torch_capture import capture
from stratagem.compiler.frontends.torch_lowering import FUNCTION, import_graph, lower_to_linalg
from stratagem.compiler.frontends.torch_parameters import (
    Array,
    collect_parameters,
    tensor_of,
    to_numpy,
)
from stratagem.compiler.frontends.torch_refusals import check_graph
from stratagem.compiler.frontends.torch_rewrites import prepare
from stratagem.compiler.frontends.torch_signature import Role, Signature, read_signature
from stratagem.compiler.frontends.torch_sizes import assert_sizes, free_sizes, lower_bounds
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class TorchModel:
    """A loaded model: the program, and what is needed to call it as PyTorch would.

    `state` holds the initial values of inputs that are the model's own buffers (batch statistics, caches):
    the program takes them in and gives them back changed, under the same name. `complex_names` are the inputs and
    outputs that are complex for PyTorch; the program has their real and imaginary parts in a last dimension of 2.
    """

    program: Program
    signature: Signature
    state: Mapping[str, Array]
    complex_names: frozenset[str] = frozenset()


def load_torch(
    model: Any,
    example_inputs: Sequence[Any],
    dynamic_shapes: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
) -> Program:
    """Loads a PyTorch model; see `import_torch`."""
    return import_torch(model, example_inputs, dynamic_shapes, kwargs=kwargs).program


def load_exported_program(path: str | Path) -> Program:
    """Loads a file written by `torch.export.save`, without unpickling anything; see `torch_archive`."""
    from stratagem.compiler.frontends.torch_archive import read_exported_program

    return import_exported(read_exported_program(Path(path))).program


def import_torch(
    model: Any,
    example_inputs: Sequence[Any],
    dynamic_shapes: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
) -> TorchModel:
    """Captures and lowers a PyTorch model.

    Args:
        model: nn.Module, function, or torch.export.ExportedProgram.
        example_inputs: a tuple with one example per positional argument; any pytree. Tensors are inputs, other values
        become part of the program.
        dynamic_shapes: as in torch.export.export; sizes named there stay free.
        kwargs: examples of keyword arguments.

    Raises ModelError for models that cannot be captured, UnsupportedError for operators outside the tensor
    contract.
    """
    exported = capture(model, example_inputs, kwargs, dynamic_shapes)
    forward = getattr(model, "forward", None) if isinstance(model, nn.Module) else model
    return import_exported(exported, forward if callable(forward) else None)


def import_exported(exported: ExportedProgram, forward: Callable[..., Any] | None = None) -> TorchModel:
    """Lowers an exported program; `forward` gives its arguments' names where it is known."""
    if isinstance(forward, ExportedProgram):
        forward = None
    prepared = prepare(exported)
    signature = read_signature(prepared, forward)
    check_graph(prepared.graph)
    state = {
        s.name: to_numpy(tensor_of(prepared, s), f"buffer '{s.name}'").copy() for s in signature.having(Role.STATE)
    }
    arguments = settle_arguments(prepared, signature)
    outputs = settle_outputs(prepared, signature)
    names = [slot.name for slot in arguments if slot.role is not Role.PARAMETER]
    parameters = {i: slot for i, slot in enumerate(arguments) if slot.role is Role.PARAMETER}
    sizes = free_sizes(_input_nodes(prepared, parameters), names)
    split = complex_names(prepared.graph, arguments, outputs)
    program = land(
        lower_to_linalg(import_graph(prepared.graph)),
        FUNCTION,
        input_names=names,
        output_names=[slot.name for slot in outputs],
        parameters=collect_parameters(prepared, list(parameters.values())),
        parameter_arguments={i: slot.name for i, slot in parameters.items()},
        unsigned=unsigned_names(prepared.graph, arguments, outputs),
    )
    assert_sizes(program.module, sizes, lower_bounds(prepared))
    return TorchModel(program, signature, state, split)


def _input_nodes(program: ExportedProgram, parameters: Mapping[int, Any]) -> list[Any]:
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
    return [node for i, node in enumerate(placeholders) if i not in parameters]
