"""The physical contract: @main on buffers calls declared functions; the runtime or one member's kernel serves each.

Run after the level's passes and by the verifier; it trusts nothing but the IR and the hardware description.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_flags, find_function, functions, symbol_name, walk
from stratagem.compiler.levels.border import check_border
from stratagem.compiler.levels.device import check_kernel, kernel_class
from stratagem.hwmodels import Machine
from stratagem.runtime.errors import PassError

COLLECTIVE = "physical.collective"
C_INTERFACE = "llvm.emit_c_interface"
KINDS = ("all_reduce", "all_gather", "reduce_scatter")
REDUCTIONS = ("sum", "max", "min")
"""What the runtime's `sg_reduction` knows."""
RANK = "sg_rank"


def check_physical_level(module: Any, machine: Machine) -> None:
    """Raises PassError for the first thing that a program at level `physical` may not contain."""
    main = find_function(module, "main")
    check_border(main, machine)
    _check_arena(main)
    kernels = _kernels(module, machine)
    for function in functions(module):
        if symbol_name(function) != "main":
            _check_declaration(function, kernels)


def _check_arena(main: Any) -> None:
    """The size that the runtime allocates is the size that the program uses."""
    arguments = main.regions[0].blocks[0].arguments
    for argument, is_arena in zip(arguments, argument_flags(main, "physical.arena"), strict=True):
        if is_arena:
            claims = ir.DictAttr(ir.ArrayAttr(main.attributes["arg_attrs"])[argument.arg_number])
            claimed, used = ir.IntegerAttr(claims["physical.arena"]).value, ir.MemRefType(argument.type).shape[0]
            if claimed != used:
                raise PassError(f"@main claims an arena of {claimed} bytes and uses {used}")


def _kernels(module: Any, machine: Machine) -> dict[str, Any]:
    """Every kernel by name, checked for the member whose module it stands in."""
    devices = {member.device.name: member.device for member in machine.members.values()}
    found: dict[str, Any] = {}
    for view in module.body.operations:
        op = view.operation
        if op.name != "builtin.module":
            continue
        member = symbol_name(op) if "sym_name" in op.attributes else ""
        if member not in machine.members:
            raise PassError(f"kernels for member '{member}', the system has {', '.join(machine.members)}")
        for function in (f for f in walk(op) if f.name == "func.func"):
            name, made_for = symbol_name(function), machine.members[member].device.name
            if name in found:
                raise PassError(f"kernel @{name} has code for two members")
            check_kernel(name, function, devices)
            if kernel_class(function) != made_for:
                raise PassError(f"kernel @{name} is for {kernel_class(function)}, member '{member}' is a {made_for}")
            found[name] = function
    return found


def _check_declaration(function: Any, kernels: dict[str, Any]) -> None:
    name = symbol_name(function)
    kinds = list(ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value).inputs)
    if list(function.regions[0].blocks):
        raise PassError(f"function @{name} has a body beside @main", hint="kernels stand in the module of their member")
    if name == RANK:
        return
    if C_INTERFACE not in function.attributes:
        raise PassError(f"@{name} is declared without {C_INTERFACE}: it takes descriptors of its buffers")
    if COLLECTIVE in function.attributes:
        _check_collective(name, kinds, ir.DictAttr(function.attributes[COLLECTIVE]))
        return
    if name not in kernels:
        raise PassError(f"@{name} is declared, but no member has code for it")
    wanted = ir.FunctionType(ir.TypeAttr(kernels[name].attributes["function_type"]).value).inputs
    if [_plain(kind) for kind in kinds] != [_plain(kind) for kind in wanted]:
        raise PassError(f"@{name} is declared with {_list(kinds)}, its kernel takes {_list(list(wanted))}")


def _check_collective(name: str, kinds: list[Any], claims: Any) -> None:
    """What the runtime will do fits the buffers that it is given."""
    kind = str(ir.StringAttr(claims["kind"]).value)
    if kind not in KINDS:
        raise PassError(f"@{name} claims collective '{kind}', the runtime has {', '.join(KINDS)}")
    reduction = str(ir.StringAttr(claims["reduction"]).value) if "reduction" in claims else ""
    if (kind == "all_gather") != (not reduction) or (reduction and reduction not in REDUCTIONS):
        allowed = "no reduction" if kind == "all_gather" else f"one of {', '.join(REDUCTIONS)}"
        raise PassError(f"@{name} claims {kind} with reduction '{reduction}', it takes {allowed}")
    source, target = (ir.MemRefType(k) for k in kinds)
    dtype = ir.TypeAttr(claims["dtype"]).value
    if not source.element_type == target.element_type == dtype:
        raise PassError(f"@{name} claims elements of {dtype} for buffers {_list(kinds)}")
    one, other = (source.shape, target.shape) if kind != "reduce_scatter" else (target.shape, source.shape)
    if one != other if kind == "all_reduce" else one == other or not _is_part(one, other):
        raise PassError(f"@{name} claims {kind} from and to buffers {_list(kinds)}")


def _is_part(part: list[int], whole: list[int]) -> bool:
    """Whether buffers of one shape, side by side in dimension 0, make one of the other shape."""
    if not part or not whole or part[1:] != whole[1:]:
        return False
    if ir.ShapedType.get_dynamic_size() in (part[0], whole[0]):
        return True
    return whole[0] % part[0] == 0 if part[0] else not whole[0]


def _plain(kind: Any) -> tuple[Any, ...]:
    """Element type and shape of a tensor or buffer; the type itself of anything else."""
    if not isinstance(kind, ir.RankedTensorType | ir.MemRefType):
        return (str(kind),)
    return str(kind.element_type), tuple(kind.shape)


def _list(kinds: list[Any]) -> str:
    return ", ".join(map(str, kinds))
