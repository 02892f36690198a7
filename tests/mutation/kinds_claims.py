"""Mutations of claims: attributes in which one level tells the next what it decided. A kind is here only where code or
an interpreter reads the attribute; others (work, bytes and candidates, for reports) cannot make a run wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import find_function
from stratagem.compiler.program import Program
from tests.mutation.edits import Edit, kind, operations, setting
from tests.mutation.kinds_loops import kernels_of

WRONG = "nowhere"


@kind("claim: device of a kernel")
def device_of_a_kernel(program: Program) -> Iterator[Edit]:
    kernels = kernels_of(program)
    known = {_text(ir.DictAttr(f.attributes["device.kernel"]), "class") for f in kernels} | {WRONG}
    for function in kernels:
        claims = ir.DictAttr(function.attributes["device.kernel"])
        for new in sorted(known - {_text(claims, "class")}):
            broken = "code is made for a device that does not run it"
            changed = ir.DictAttr.get({**_entries(claims), "class": ir.StringAttr.get(new)})
            yield Edit(f"kernel for device {new}", setting(function, "device.kernel", changed), broken)
        changed = ir.DictAttr.get({**_entries(claims), "unit": ir.StringAttr.get(WRONG)})
        yield Edit("kernel for a unit that is not there", setting(function, "device.kernel", changed), "no such unit")


@kind("claim: group of units")
def group_of_units(program: Program) -> Iterator[Edit]:
    loops = [op for op in operations(program, "scf.forall") if "device.tier" in op.attributes]
    known = {str(ir.StringAttr(op.attributes["device.tier"]).value) for op in loops} | {WRONG}
    for op in loops:
        for new in sorted(known - {str(ir.StringAttr(op.attributes["device.tier"]).value)}):
            broken = "units are not nested as in the device"
            yield Edit(f"scf.forall over {new}", setting(op, "device.tier", ir.StringAttr.get(new)), broken)


@kind("claim: memory of a tile")
def memory_of_a_tile(program: Program) -> Iterator[Edit]:
    for op in operations(program):
        for key in ("device.stage", "device.level"):
            if key in op.attributes:
                yield Edit(f"{op.name}: {key} is {WRONG}", setting(op, key, ir.StringAttr.get(WRONG)), "no such memory")


@kind("claim: destination")
def destination_claim(program: Program) -> Iterator[Edit]:
    for function in kernels_of(program):
        attributes = list(ir.ArrayAttr(function.attributes["arg_attrs"])) if "arg_attrs" in function.attributes else []
        for i, dictionary in enumerate(attributes):
            if "device.dest" in ir.DictAttr(dictionary):
                changed = ir.ArrayAttr.get([*attributes[:i], ir.DictAttr.get({}), *attributes[i + 1 :]])
                broken = "results go where no caller reads them"
                yield Edit(f"argument {i} is no destination", setting(function, "arg_attrs", changed), broken)


@kind("claim: member of a call")
def member_of_a_call(program: Program) -> Iterator[Edit]:
    calls = [op for op in operations(program, "func.call") if "system.member" in op.attributes]
    known = {str(ir.StringAttr(op.attributes["system.member"]).value) for op in calls} | {WRONG, "host"}
    for op in calls:
        for new in sorted(known - {str(ir.StringAttr(op.attributes["system.member"]).value)}):
            broken = "a member runs a kernel that was made for another one"
            yield Edit(f"call on member {new}", setting(op, "system.member", ir.StringAttr.get(new)), broken)
        yield Edit("call without a member", _forgetting(op, "system.member"), "nobody runs the kernel")


@kind("claim: module of a member")
def module_of_a_member(program: Program) -> Iterator[Edit]:
    """The kernels of a member stand under another name."""
    found = [op for op in operations(program, "builtin.module") if "sym_name" in op.attributes]
    for op in found:
        broken = "a member runs kernels that were made for another one"
        for new in (WRONG, "host"):
            if str(ir.StringAttr(op.attributes["sym_name"]).value) != new:
                yield Edit(f"kernels of member {new}", setting(op, "sym_name", ir.StringAttr.get(new)), broken)
    for function in kernels_of(program):
        if function.parent.name == "builtin.module" and "sym_name" in function.parent.attributes:
            yield Edit("kernel without its code", function.erase, "a declared kernel has no code")


@kind("claim: C interface")
def c_interface(program: Program) -> Iterator[Edit]:
    for function in operations(program, "func.func"):
        if "llvm.emit_c_interface" in function.attributes:
            broken = "code passes scalars where the callee reads descriptors"
            yield Edit("declaration without C interface", _forgetting(function, "llvm.emit_c_interface"), broken)


def _forgetting(op: Any, key: str) -> Callable[[], None]:
    def apply() -> None:
        del op.attributes[key]

    return apply


@kind("claim: names of the border")
def names_of_the_border(program: Program) -> Iterator[Edit]:
    """Two inputs, parameters or outputs of one type take each other's name or shard."""
    main = find_function(program.module, "main")
    signature = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    for key, kinds in (("arg_attrs", list(signature.inputs)), ("res_attrs", list(signature.results))):
        attributes = list(ir.ArrayAttr(main.attributes[key])) if key in main.attributes else []
        for i, j in combinations(range(len(attributes)), 2):
            if kinds[i] == kinds[j]:
                swapped = list(attributes)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                yield Edit(f"{key} {i} and {j} exchanged", setting(main, key, ir.ArrayAttr.get(swapped)))


@kind("claim: shard")
def shard(program: Program) -> Iterator[Edit]:
    main = find_function(program.module, "main")
    attributes = list(ir.ArrayAttr(main.attributes["arg_attrs"])) if "arg_attrs" in main.attributes else []
    for i, dictionary in enumerate(attributes):
        entries = _entries(ir.DictAttr(dictionary))
        if "system.shard" not in entries:
            continue
        axis, dim = str(ir.StringAttr(entries["system.shard"]).value).rsplit(":", 1)
        for new in (f"{axis}:{1 - int(dim)}", f"{WRONG}:{dim}"):
            changed = ir.DictAttr.get({**entries, "system.shard": ir.StringAttr.get(new)})
            yield _argument(main, attributes, i, changed, f"argument {i} cut as {new}")
        rest = {k: v for k, v in entries.items() if k != "system.shard"}
        yield _argument(main, attributes, i, ir.DictAttr.get(rest), f"argument {i} not cut")


def _argument(main: Any, attributes: list[Any], i: int, new: Any, what: str) -> Edit:
    changed = ir.ArrayAttr.get([*attributes[:i], new, *attributes[i + 1 :]])
    return Edit(what, setting(main, "arg_attrs", changed))


def _entries(dictionary: Any) -> dict[str, Any]:
    return {dictionary[i].name: dictionary[i].attr for i in range(len(dictionary))}


def _text(dictionary: Any, key: str) -> str:
    return str(ir.StringAttr(dictionary[key]).value) if key in dictionary else ""
