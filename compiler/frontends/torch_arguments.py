"""Makes the placeholders and outputs of a prepared graph exactly the arguments and results of the program.

Arguments: parameters and inputs in the graph's order, state last; tied weights once; fixed values gone; constants of up
to 64 elements inside the program. Results: the user's outputs, then state; all tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx.passes.shape_prop import _extract_tensor_metadata

from stratagem.compiler.frontends.torch_complex import COMPLEX
from stratagem.compiler.frontends.torch_parameters import find_aliases, tensor_of
from stratagem.compiler.frontends.torch_signature import Role, Signature, Slot
from stratagem.compiler.levels.tensor import CONSTANT_LIMIT

aten = torch.ops.aten

UNSIGNED = {torch.uint8, torch.uint32}


def settle_arguments(program: ExportedProgram, signature: Signature) -> list[Slot]:
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
    last = nodes[signature.inputs[-1].node] if state else None
    for slot in state:
        if last is not None and last is not nodes[slot.node]:
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
    """A free Python integer among the inputs becomes a 0-dimensional int64 tensor: the level has tensors
    only."""
    size = node.meta["val"]
    node.meta["val"] = fake_scalar(program)
    node.meta["tensor_meta"] = _extract_tensor_metadata(node.meta["val"])
    with program.graph.inserting_after(_last_placeholder(program.graph)):
        value = program.graph.call_function(aten._local_scalar_dense.default, (node,))
    value.meta = {"val": size}
    node.replace_all_uses_with(value, delete_user_cb=lambda user: user is not value)


def settle_outputs(program: ExportedProgram, signature: Signature) -> list[Slot]:
    """Keeps the outputs that are tensors or sizes, sizes as 0-dimensional int64 tensors; returns their
    slots."""
    output = next(node for node in program.graph.nodes if node.op == "output")
    kept = [(slot, v) for slot, v in zip(signature.outputs, output.args[0], strict=True) if slot.role is not Role.FIXED]
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


def unsigned_names(graph: fx.Graph, arguments: list[Slot], outputs: list[Slot]) -> frozenset[str]:
    """The names of arguments and outputs with unsigned integers, which MLIR's signless types do not show."""
    named = _named_nodes(graph, arguments, outputs)
    return frozenset(name for name, node in named if getattr(node.meta["val"], "dtype", None) in UNSIGNED)


def complex_names(graph: fx.Graph, arguments: list[Slot], outputs: list[Slot]) -> frozenset[str]:
    """The names of arguments and outputs that stand for complex tensors, with a last dimension of 2."""
    return frozenset(name for name, node in _named_nodes(graph, arguments, outputs) if COMPLEX in node.meta)


def _named_nodes(graph: fx.Graph, arguments: list[Slot], outputs: list[Slot]) -> list[tuple[str, fx.Node]]:
    nodes = list(graph.nodes)
    placeholders = [node for node in nodes if node.op == "placeholder"]
    return [
        *((s.name, n) for s, n in zip(arguments, placeholders, strict=True)),
        *((s.name, n) for s, n in zip(outputs, nodes[-1].args[0], strict=True)),
    ]


def fake_scalar(program: Any) -> Any:
    """A 0-dimensional int64 value in the program's fake mode, what a symbolic integer input becomes."""
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch._subclasses.FakeTensor):
            with value.fake_mode:
                return torch.empty((), dtype=torch.int64)
    return torch.empty((), dtype=torch.int64)
