"""place-kernels: every kernel call gets a member, and values that cross members get a transfer.

Before: calls of @main whose kernels name a device class. After: each call carries `system.member`, and each use of a
tensor on another member than where it lives goes through one `system.transfer`; a value moved once is not moved again
in the same block. Reshapes and casts stay where their operand is; `tensor.empty` has no home and never moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.ir import find_function, functions, local_text, parse_module, set_level, symbol_name
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import HardwareError

if TYPE_CHECKING:
    from stratagem.hwmodels import System

HOMELESS = ("tensor.empty",)
FOLLOWS_OPERAND = ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape", "tensor.extract_slice")


@dataclass(frozen=True)
class PlaceKernels(Pass):
    name: ClassVar[str] = "place-kernels"

    def apply(self, program: Program, context: PassContext) -> None:
        machine = context.machine
        if machine is None:
            raise HardwareError("placing kernels needs a system", hint="name a target")
        members = {symbol_name(f): member_for(f, machine) for f in functions(program.module)}
        main = find_function(program.module, "main")
        with program.module.context:
            _Placer(members, machine.host).block(main.regions[0].blocks[0])
        set_level(program.module, "system")


def member_for(function: Any, machine: System) -> str:
    """The member that runs a kernel: the one of its class, or the host where that member's backend refuses
    it.

    A refusal is written into the kernel's claims: `reason`, for the report, and `tiles`, the device whose groups and
    memories its loops are about. The host runs these loops as they are.
    """
    wanted = device_class(function)
    for name, member in machine.members.items():
        if member.device.name != wanted or name == machine.host:
            continue
        module = parse_module(local_text(function), function.context)
        reason = load_backend(member.device.backend).refusal(module, member.device)
        if reason is None:
            return name
        _move_to_host(function, machine, f"{name}: {reason}")
    return machine.host


def _move_to_host(function: Any, machine: System, reason: str) -> None:
    claims = ir.DictAttr(function.attributes["device.kernel"])
    entries = {claims[i].name: claims[i].attr for i in range(len(claims))}
    with function.context:
        entries["tiles"], entries["unit"] = entries["class"], ir.StringAttr.get("")
        entries["class"] = ir.StringAttr.get(machine.host_device.name)
        entries["reason"] = ir.StringAttr.get(reason)
        function.attributes["device.kernel"] = ir.DictAttr.get(entries)


def device_class(function: Any) -> str:
    """The device class that a kernel was made for; empty for other functions."""
    if "device.kernel" not in function.attributes:
        return ""
    claims = ir.DictAttr(function.attributes["device.kernel"])
    return str(ir.StringAttr(claims["class"]).value) if "class" in claims else ""


@dataclass
class _Placer:
    """Walks blocks in order and knows where each value lives."""

    members: dict[str, str]
    host: str
    home: dict[Any, str] = field(default_factory=dict)
    copies: dict[tuple[Any, str], Any] = field(default_factory=dict)

    def block(self, block: Any) -> None:
        saved = dict(self.copies)
        for op in list(block.operations):
            self._operation(op.operation)
        self.copies = saved

    def _operation(self, op: Any) -> None:
        member = self._member_of(op)
        if op.name == "func.call":
            op.attributes["system.member"] = ir.StringAttr.get(member)
        for index, value in enumerate(op.operands):
            if (
                isinstance(value.type, ir.RankedTensorType)
                and op.name not in FOLLOWS_OPERAND
                and op.name != "tensor.dim"
            ):
                op.operands[index] = self._at(value, member, op)
        for region in op.regions:
            for inner in region.blocks:
                self.block(inner)
        for result in op.results:
            self.home[result] = member

    def _member_of(self, op: Any) -> str:
        if op.name == "func.call":
            return self.members.get(str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value), self.host)
        if op.name in FOLLOWS_OPERAND:
            return self.home.get(op.operands[0], self.host)
        return self.host

    def _at(self, value: Any, member: str, before: Any) -> Any:
        """`value` on `member`: itself, an earlier copy, or a new transfer in front of `before`."""
        home = self.home.get(value, self.host)
        if home == member or _is_homeless(value):
            return value
        if (value, member) not in self.copies:
            with ir.InsertionPoint(before), before.location:
                attributes = {"source": ir.StringAttr.get(home), "target": ir.StringAttr.get(member)}
                transfer = ir.Operation.create(
                    "system.transfer", results=[value.type], operands=[value], attributes=attributes
                )
            self.home[transfer.result] = member
            self.copies[(value, member)] = transfer.result
        return self.copies[(value, member)]


def _is_homeless(value: Any) -> bool:
    owner = value.owner
    return not isinstance(owner, ir.Block) and owner.operation.name in HOMELESS
