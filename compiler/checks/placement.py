"""Placement at the system level: every kernel on a member of its device, every tensor where it is read.

A value lives on one member: arguments of @main and what the host makes on the host, a kernel's results where the kernel
runs, a transferred value at the transfer's target; views live where their operand does. `tensor.empty` is memory that
nobody has written and has no home; a size is known everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, functions, location_text, symbol_name
from stratagem.compiler.levels.device import kernel_class

LEVEL = "system"
VIEWS = ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape", "tensor.extract_slice")
ANYWHERE = ("tensor.dim",)
"""Operations that ask for a size only."""
MEMBER, KERNEL = "system.member", "device.kernel"


def check_placement(module: Any, machine: Any) -> list[Finding]:
    """Two findings for @main: kernels run on their devices, values are where they are read."""
    devices = {name: member.device.name for name, member in machine.members.items()}
    classes = {symbol_name(f): kernel_class(f) for f in functions(module) if KERNEL in f.attributes}
    walker = _Homes(devices, classes, machine.host)
    found = list(walker.block(find_function(module, "main").regions[0].blocks[0]))
    return [
        _finding("kernels on their devices", [p for p in found if p.is_kernel]),
        _finding("values where they are read", [p for p in found if not p.is_kernel]),
    ]


def _finding(obligation: str, problems: list[_Problem]) -> Finding:
    if not problems:
        return Finding(LEVEL, "main", obligation, Verdict.PROVED)
    return Finding(LEVEL, "main", obligation, Verdict.REFUTED, problems[0].text, location_text(problems[0].op))


@dataclass(frozen=True)
class _Problem:
    op: Any
    text: str
    is_kernel: bool = False


@dataclass
class _Homes:
    """Walks blocks in order. `home`: value -> member; None for memory that has no home yet."""

    devices: dict[str, str]
    classes: dict[str, str]
    host: str
    home: dict[Any, str | None] = field(default_factory=dict)

    def block(self, block: Any) -> Iterator[_Problem]:
        for view in block.operations:
            op = view.operation
            yield from self._operation(op)
            for region in op.regions:
                for inner in region.blocks:
                    yield from self.block(inner)

    def _operation(self, op: Any) -> Iterator[_Problem]:
        if op.name == "system.transfer":
            yield from self._transfer(op)
            return
        member = self._member(op)
        if op.name == "func.call":
            yield from self._kernel(op, member)
        for number, value in enumerate(op.operands):
            if op.name not in (*VIEWS, *ANYWHERE) and self._of(value) not in (None, member):
                what = f"{_name(op)} runs on '{member}' and reads operand {number} on '{self._of(value)}'"
                yield _Problem(op, what)
        for result in op.results:
            self.home[result] = None if op.name == "tensor.empty" else member

    def _of(self, value: Any) -> str | None:
        return self.home.get(value, self.host) if isinstance(value.type, ir.RankedTensorType) else None

    def _member(self, op: Any) -> str:
        if op.name in VIEWS:
            return self._of(op.operands[0]) or self.host
        if op.name != "func.call" or MEMBER not in op.attributes:
            return self.host
        return str(ir.StringAttr(op.attributes[MEMBER]).value)

    def _kernel(self, op: Any, member: str) -> Iterator[_Problem]:
        made_for = self.classes.get(str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value))
        if MEMBER not in op.attributes:
            yield _Problem(op, f"{_name(op)} has no {MEMBER}", is_kernel=True)
        elif member not in self.devices:
            known = ", ".join(self.devices)
            yield _Problem(op, f"{_name(op)} runs on '{member}', the system has {known}", is_kernel=True)
        elif made_for is not None and made_for != self.devices[member]:
            what = f"{_name(op)} is for {made_for} and runs on '{member}', a {self.devices[member]}"
            yield _Problem(op, what, is_kernel=True)

    def _transfer(self, op: Any) -> Iterator[_Problem]:
        source, target = (str(ir.StringAttr(op.attributes[key]).value) for key in ("source", "target"))
        unknown = [name for name in (source, target) if name not in self.devices]
        if unknown:
            yield _Problem(op, f"a transfer names member '{unknown[0]}', the system has {', '.join(self.devices)}")
        if source == target:
            yield _Problem(op, f"a transfer from '{source}' to itself")
        if self._of(op.operands[0]) not in (None, source):
            yield _Problem(op, f"a transfer from '{source}' of a value on '{self._of(op.operands[0])}'")
        self.home[op.results[0]] = target


def _name(op: Any) -> str:
    return f"the call of {op.attributes['callee']}" if op.name == "func.call" else op.name
