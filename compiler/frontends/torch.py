"""PyTorch front end: a module, a function or an exported program becomes a Program at the tensor level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from stratagem.compiler.frontends.landing import land
from stratagem.compiler.frontends.torch_capture import capture
from stratagem.compiler.frontends.torch_lowering import FUNCTION, fake_scalar, import_graph, lower_to_linalg
from stratagem.compiler.frontends.torch_parameters import (
    Array,
    collect_parameters,
    find_aliases,
    tensor_of,
    to_numpy,
)
from stratagem.compiler.frontends.torch_refusals import check_graph
from stratagem.compiler.frontends.torch_rewrites import prepare
from stratagem.compiler.frontends.torch_signature import Role, Signature, Slot, read_signature
from stratagem.compiler.levels.tensor import CONSTANT_LIMIT
from stratagem.compiler.program import Program

aten = torch.ops.aten


@dataclass(frozen=True)
class TorchModel:
    """A loaded model: the program, and what is needed to call it as PyTorch would.

    `state` holds the initial values of inputs that are the model's own buffers (batch statistics, caches): the program
    takes them in and gives them back changed, under the same name.
    """

    program: Program
    signature: Signature
    state: Mapping[str, Array]


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

    Raises ModelError for models that cannot be captured, UnsupportedError for operators outside the tensor contract.
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
        s.name: to_numpy(tensor_of(prepared, s), f"buffer '{s.name}'").copy()
        for s in signature.having(Role.STATE)
    }
    arguments = _settle_arguments(prepared, signature)
    outputs = _settle_outputs(prepared, signature)
    unsigned = _unsigned_names(prepared.graph, arguments, outputs)
    parameters = {i: slot for i, slot in enumerate(arguments) if slot.role is Role.PARAMETER}
    program = land(
        lower_to_linalg(import_graph(prepared.graph)),
        FUNCTION,
        input_names=[slot.name for slot in arguments if slot.role is not Role.PARAMETER],
        output_names=[slot.name for slot in outputs],
        parameters=collect_parameters(prepared, list(parameters.values())),
        parameter_arguments={i: slot.name for i, slot in parameters.items()},
        unsigned=unsigned,
    )
    return TorchModel(program, signature, state)


def _settle_arguments(program: ExportedProgram, signature: Signature) -> list[Slot]:
    """Makes the placeholders exactly the arguments of the function; returns their slots in order."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    ordered = _state_last(signature, nodes)
    aliases = find_aliases(program, signature)
    small = _small_constants(program)
    arguments = []
    for slot in ordered:
        node = nodes[slot.node]
        if slot.node in aliases:
            _replace(node, nodes[aliases[slot.node]])
        elif slot.role is Role.FIXED:
            program.graph.erase_node(node)
        elif slot.node in small:
            _replace(node, _literal(program, node, tensor_of(program, slot)))
        else:
            if isinstance(node.meta.get("val"), torch.SymInt):
                _tensor_for_integer(program, node)
            arguments.append(slot)
    return arguments


def _state_last(signature: Signature, nodes: Mapping[str, fx.Node]) -> list[Slot]:
    """Moves the placeholders of state behind those of the user's inputs, where a caller expects them."""
    state = signature.having(Role.STATE)
    last = nodes[signature.inputs[-1].node] if signature.inputs else None
    for slot in state:
        if last is not nodes[slot.node]:
            last.append(nodes[slot.node])
            last = nodes[slot.node]
    return [slot for slot in signature.inputs if slot.role is not Role.STATE] + state


def _small_constants(program: ExportedProgram) -> set[str]:
    """Placeholders of constants small enough to stay in the program, where they can be folded."""
    specs = program.graph_signature.input_specs
    lifted = [s for s in specs if s.kind is InputKind.CONSTANT_TENSOR and s.target in program.constants]
    return {s.arg.name for s in lifted if program.constants[s.target].numel() <= CONSTANT_LIMIT}


def _replace(node: fx.Node, other: fx.Node) -> None:
    node.replace_all_uses_with(other)
    node.graph.erase_node(node)


def _literal(program: ExportedProgram, node: fx.Node, value: torch.Tensor) -> fx.Node:
    name = f"_constant_{node.name}"
    program.graph_module.register_buffer(name, value.detach().clone(), persistent=False)
    with program.graph.inserting_after(_last_placeholder(program.graph)):
        literal: fx.Node = program.graph.get_attr(name)
    literal.meta = dict(node.meta)
    return literal


def _last_placeholder(graph: fx.Graph) -> fx.Node:
    return [node for node in graph.nodes if node.op == "placeholder"][-1]


def _tensor_for_integer(program: ExportedProgram, node: fx.Node) -> None:
    """A free Python integer among the inputs becomes a 0-dimensional int64 tensor: the level has tensors only."""
    size = node.meta["val"]
    node.meta["val"] = fake_scalar(program)
    with program.graph.inserting_after(_last_placeholder(program.graph)):
        value = program.graph.call_function(aten._local_scalar_dense.default, (node,))
    value.meta = {"val": size}
    node.replace_all_uses_with(value, delete_user_cb=lambda user: user is not value)


def _settle_outputs(program: ExportedProgram, signature: Signature) -> list[Slot]:
    """Keeps the outputs that are tensors or sizes, sizes as 0-dimensional int64 tensors; returns their slots."""
    output = next(node for node in program.graph.nodes if node.op == "output")
    kept = [
        (slot, v)
        for slot, v in zip(signature.outputs, output.args[0], strict=True)
        if slot.role is not Role.FIXED
    ]
    kept.sort(key=lambda pair: pair[0].role is Role.STATE)  # the user's outputs first; stable
    with program.graph.inserting_before(output):
        output.args = (tuple(_as_tensor(program, value) for _, value in kept),)
    return [slot for slot, _ in kept]


def _as_tensor(program: ExportedProgram, value: Any) -> Any:
    size = value.meta.get("val")
    if not isinstance(size, (torch.SymInt, int)):
        return value
    node = program.graph.call_function(aten.scalar_tensor.default, (value,), {"dtype": torch.int64})
    node.meta["val"] = fake_scalar(program)
    return node


def _unsigned_names(graph: fx.Graph, arguments: list[Slot], outputs: list[Slot]) -> frozenset[str]:
    nodes = list(graph.nodes)
    placeholders = [node for node in nodes if node.op == "placeholder"]
    values = [(s.name, n.meta["val"]) for s, n in zip(arguments, placeholders, strict=True)]
    values += [(s.name, n.meta["val"]) for s, n in zip(outputs, nodes[-1].args[0], strict=True)]
    return frozenset(name for name, value in values if getattr(value, "dtype", None) is torch.uint8)
