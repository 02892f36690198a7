"""What goes in and out of an exported graph: one slot per placeholder and per output, with the names users
see.

Names: inputs are the arguments of `forward`, followed by the path inside a container (`batch.image`, `kv.0`);
parameters are the module's fully-qualified names; outputs are `output`, `output.0` ... or the keys of a
mapping.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.utils import _pytree as pytree


class Role(Enum):
    """What a placeholder or an output of the graph is to the user."""

    INPUT = "input"
    PARAMETER = "parameter"
    STATE = "state"  # a buffer that the model changes: comes in as an input, goes out as an output
    FIXED = "fixed"  # a Python value, part of the program


@dataclass(frozen=True)
class Slot:
    """A placeholder (by `node` name) or an output (by position) of the graph, its role and the user's name
    for it."""

    node: str
    role: Role
    name: str
    source: str = ""
    """The fully-qualified name in the module, for parameters and state; for an output that is an argument the
    model changed, that argument's placeholder."""
    value: Any = None
    """The Python value of a fixed slot."""


@dataclass(frozen=True)
class Signature:
    """All slots, in the graph's order, and the containers of the user's call."""

    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    in_tree: Any
    out_tree: Any

    def having(self, role: Role) -> list[Slot]:
        return [slot for slot in self.inputs if slot.role is role]


STATE_CHANGES = (OutputKind.BUFFER_MUTATION, OutputKind.PARAMETER_MUTATION)
"""Outputs that are the new value of something the module holds."""


def read_signature(program: ExportedProgram, forward: Callable[..., Any] | None = None) -> Signature:
    """The slots of an exported program; `forward` gives the argument names where it is known."""
    in_tree, out_tree = program.call_spec.in_spec, program.call_spec.out_spec
    changed = {spec.target for spec in program.graph_signature.output_specs if spec.kind in STATE_CHANGES}
    inputs = _input_slots(program, _input_names(program, forward), changed)
    user_names = {slot.node: slot.name for slot in inputs}
    return Signature(tuple(inputs), tuple(_output_slots(program, user_names)), in_tree, out_tree)


def _input_slots(program: ExportedProgram, names: Sequence[str], changed: set[str | None]) -> list[Slot]:
    slots, remaining = [], iter(names)
    for spec in program.graph_signature.input_specs:
        node, target = spec.arg.name, spec.target or ""
        if spec.kind is InputKind.USER_INPUT:
            name = next(remaining, node)
            role = Role.FIXED if isinstance(spec.arg, ConstantArgument) else Role.INPUT
            slots.append(Slot(node, role, name, value=getattr(spec.arg, "value", None)))
        elif spec.kind in (InputKind.BUFFER, InputKind.PARAMETER) and target in changed:
            slots.append(Slot(node, Role.STATE, target, target))
        else:
            slots.append(Slot(node, Role.PARAMETER, target, target))
    return _unique(slots)


def _output_slots(program: ExportedProgram, user_names: Mapping[str, str]) -> list[Slot]:
    names = iter(leaf_names(program.call_spec.out_spec, "output"))
    slots = []
    for spec in program.graph_signature.output_specs:
        node, target = getattr(spec.arg, "name", ""), spec.target or ""
        if spec.kind in STATE_CHANGES:
            slots.append(Slot(node, Role.STATE, target, target))
        elif spec.kind is OutputKind.USER_INPUT_MUTATION:
            changed = user_names.get(target, target)
            slots.append(Slot(node, Role.STATE, changed, target))
        else:
            role = Role.FIXED if isinstance(spec.arg, ConstantArgument) else Role.INPUT
            slots.append(Slot(node, role, next(names, node), value=getattr(spec.arg, "value", None)))
    return _unique(slots)


def _unique(slots: list[Slot]) -> list[Slot]:
    """The slots with a number added to names that were taken; parameters and inputs share one space of
    names."""
    taken: set[str] = set()
    result = []
    for slot in slots:
        name, n = slot.name, 0
        while name in taken:
            n += 1
            name = f"{slot.name}.{n}"
        taken.add(name)
        result.append(replace(slot, name=name))
    return result


def _input_names(program: ExportedProgram, forward: Callable[..., Any] | None) -> list[str]:
    arguments = _argument_names(forward) or _recorded_names(program)
    spec = program.call_spec.in_spec
    if arguments is None or spec is None:
        return [s.arg.name for s in program.graph_signature.input_specs if s.kind is InputKind.USER_INPUT]
    names = []
    for path, _ in _leaf_paths(spec):
        kind, first = _key_text(path[0]), _key_text(path[1])
        head = first if kind == "1" or not first.isdigit() else arguments(int(first))
        names.append(".".join([head, *map(_key_text, path[2:])]))
    return names


def _argument_names(forward: Callable[..., Any] | None) -> Callable[[int], str] | None:
    """Position -> name of a positional argument; those behind `*rest` are `rest.0`, `rest.1` ..."""
    if forward is None:
        return None
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        return None
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "input")
    return lambda i: plain[i] if i < len(plain) else f"{rest}.{i - len(plain)}"


def _recorded_names(program: ExportedProgram) -> Callable[[int], str] | None:
    """The argument names that the exported program itself remembers."""
    root = program.module_call_graph[0].signature if program.module_call_graph else None
    recorded = list(root.forward_arg_names or []) if root is not None else []
    return (lambda i: recorded[i] if i < len(recorded) else f"input.{i}") if recorded else None


def leaf_names(tree: Any, root: str) -> list[str]:
    """One name per leaf of a container: mappings give their keys, sequences `root.0`, a lone leaf `root`."""
    if tree is None:
        return []
    names = []
    for path, _ in _leaf_paths(tree):
        texts = [_key_text(key) for key in path]
        needs_root = not texts or texts[0].isdigit()
        names.append(".".join([root, *texts] if needs_root else texts))
    return names


def _leaf_paths(tree: Any) -> list[tuple[Any, Any]]:
    filled = pytree.tree_unflatten([_Leaf()] * tree.num_leaves, tree)
    return list(pytree.tree_flatten_with_path(filled, is_leaf=lambda x: isinstance(x, _Leaf))[0])


class _Leaf:
    """Stands for one value while paths are read; not None, which is an empty container to some trees."""


def _key_text(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def flatten_call(in_tree: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The leaves of a call in the exported order; raises ValueError when its containers differ from the
    example's."""
    if in_tree is None:
        return list(args)
    positional, keywords = in_tree.child(0), in_tree.child(1)
    ordered = {k: kwargs[k] for k in (keywords.context or []) if k in kwargs}
    ordered.update({k: v for k, v in kwargs.items() if k not in ordered})
    leaves, spec = pytree.tree_flatten((tuple(args), ordered))
    if spec != in_tree:
        raise ValueError(f"expected {positional.num_leaves} values in {in_tree}, got {spec}")
    return list(leaves)
