"""Which device class and unit runs a kernel: the target's fastest unit that supports every part of the
work."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.kernel import SEQUENTIAL, body_ops, contractions, generics, is_tileable, is_tileable_op
from stratagem.compiler.schedule.match import main_function, needed_functions
from stratagem.compiler.schedule.pieces import is_pieces
from stratagem.compiler.schedule.structured import dtype
from stratagem.hwmodels import Device, Machine


def assign(function: Any, machine: Machine) -> tuple[dict[str, str], list[str]]:
    """The entries of the kernel's claim, and the names of all units (`device/unit`) that could do its main
    work."""
    ops = body_ops(function)
    host = machine.members[machine.host].device
    target = target_device(machine)
    if is_pieces(ops) and len(target.groups()) == 1:
        return _assign_copies(ops, target)
    if not is_tileable(ops):
        reason = "" if target == host else f"{_opaque_names(ops)} has no tiled form"
        return {"class": host.name, "function": SEQUENTIAL, "reason": reason}, []
    main = main_op(ops)
    name, kind = main_function(main, target), working_dtype(main)
    candidates = [f"{device.name}/{unit.name}" for device in _devices(machine) for unit in device.units
                  if device.allows(unit, name, kind)]  # fmt: skip
    problem = refusal(ops, target)
    chosen = host if problem and target != host else target
    unit = chosen.unit_for(main_function(main, chosen), kind)
    entries = {"class": chosen.name, "unit": unit.name if unit else "", "function": name}
    if problem:
        entries["reason"] = problem
    return entries, candidates


def _assign_copies(ops: list[Any], target: Device) -> tuple[dict[str, str], list[str]]:
    kind = dtype(ops[-1].results[0])
    able = [u for u in target.units if target.allows(u, "copy", kind)]
    entries = {"class": target.name, "function": "copy", "unit": able[0].name if able else ""}
    return entries, [f"{target.name}/{u.name}" for u in able]


def _devices(machine: Machine) -> list[Device]:
    return list({member.device.name: member.device for member in machine.members.values()}.values())


def target_device(machine: Machine) -> Device:
    """The device the kernels are for: the one that is not the host, where there is one."""
    others = [m.device for name, m in machine.members.items() if name != machine.host]
    return others[0] if others else machine.members[machine.host].device


def main_op(ops: list[Any]) -> Any:
    """The op that decides what a kernel is: a contraction, else the last reduction, else the last op."""
    found = contractions(ops) or _reductions(ops) or generics(ops)
    return found[-1]


def _reductions(ops: list[Any]) -> list[Any]:
    from stratagem.compiler.schedule.structured import REDUCTION, iterators

    return [op for op in generics(ops) if REDUCTION in iterators(op)]


def working_dtype(op: Any) -> str:
    """The element type an op computes on: that of its first tensor input, else of its result."""
    tensors = [v for v in op.operands if hasattr(v.type, "element_type")]
    return dtype(tensors[0])


def refusal(ops: list[Any], device: Device) -> str:
    """Why `device` cannot run these ops; empty when it can."""
    for op in generics(ops):
        for name, kind in needed_functions(op):
            if device.unit_for(name, kind) is None:
                return f"no unit of {device.name} does {name} on {kind}"
    return ""


def _opaque_names(ops: list[Any]) -> str:
    names = sorted({op.name for op in ops if not is_tileable_op(op)})
    return ", ".join(names) or "a kernel without loops"
