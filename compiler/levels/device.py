"""The device contract: `@main` calls destination-passing kernels; kernels are tiled for units that exist. It holds at
level `system`, too.

Run after the level's passes and by the verifier; it trusts nothing but the IR and the hardware description.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import find_function, functions, location_text, symbol_name, walk
from stratagem.compiler.levels.border import check_border
from stratagem.compiler.levels.structured import check_iterators
from stratagem.compiler.levels.tensor import picks_a_tensor
from stratagem.hwmodels import Device, Machine
from stratagem.runtime.errors import PassError

KERNEL = "device.kernel"
DESTINATION = "device.dest"
MAIN_TENSOR_OPS = frozenset(
    ["empty", "dim", "cast", "collapse_shape", "expand_shape", "extract_slice", "extract", "from_elements"]
)
MAIN_CONTROL = frozenset(
    ["scf.if", "scf.for", "scf.while", "scf.yield", "scf.condition", "cf.assert", "func.call", "func.return"]
)
SCALAR_DIALECTS = ("arith", "affine", "index", "math", "ub")


def check_device_level(module: Any, machine: Machine) -> None:
    """Raises PassError for the first thing that a program at level `device` may not contain."""
    devices = {member.device.name: member.device for member in machine.members.values()}
    main = find_function(module, "main")
    check_border(main, machine)
    for op in walk(main):
        _check_main_op(op)
    kernels = {symbol_name(f): f for f in functions(module) if symbol_name(f) != "main"}
    for name, function in kernels.items():
        check_kernel(name, function, devices)


def _check_main_op(op: Any) -> None:
    dialect, _, name = op.name.partition(".")
    if op.name in MAIN_CONTROL or (dialect == "tensor" and name in MAIN_TENSOR_OPS):
        return
    if dialect == "system" or op.name == "arith.constant" or picks_a_tensor(op):
        return
    tensors = any(isinstance(v.type, ir.RankedTensorType) for v in [*op.operands, *op.results])
    if dialect in SCALAR_DIALECTS and not tensors:
        return
    raise PassError(
        f"{op.name} stands in @main at the device level",
        hint="tensor computations belong in kernels: run form-kernels",
        location=location_text(op),
    )


def check_kernel(name: str, function: Any, devices: dict[str, Device]) -> None:
    """Raises PassError where a kernel is not one for the device of its claim, which must be among `devices`. A kernel
    that another device refused is tiled for that one, and says so (`tiles`)."""
    entries = _claim(name, function)
    device = devices.get(entries.get("class", ""))
    if device is None:
        raise PassError(f"kernel @{name} is for '{entries.get('class', '')}', not for {', '.join(devices)}")
    if entries.get("unit") and entries["unit"] not in {u.name for u in device.units}:
        raise PassError(f"kernel @{name} claims unit '{entries['unit']}', {device.name} has no such unit")
    _check_destinations(name, function)
    phases = [op for op in _top_level(function) if op.name == "scf.forall"]
    if not phases and entries.get("function") != "sequential":
        raise PassError(f"kernel @{name} is '{entries.get('function', '')}' but has no scf.forall")
    tiled_for = devices.get(entries.get("tiles", device.name))
    if tiled_for is None:
        raise PassError(f"kernel @{name} is tiled for '{entries['tiles']}', not for {', '.join(devices)}")
    for op in walk(function):
        check_iterators(op)
        _check_loop(name, op, tiled_for)


def kernel_class(function: Any) -> str:
    """The device class that a kernel claims to be for; empty where it claims none."""
    return _claim(symbol_name(function), function).get("class", "")


def _claim(name: str, function: Any) -> dict[str, str]:
    if KERNEL not in function.attributes:
        raise PassError(f"kernel @{name} has no {KERNEL} attribute", hint="run match-functions")
    found = {}
    for entry in ir.DictAttr(function.attributes[KERNEL]):
        value = entry.attr.maybe_downcast()
        if isinstance(value, ir.StringAttr):
            found[entry.name] = str(value.value)
    return found


def _check_destinations(name: str, function: Any) -> None:
    kind = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
    arguments = list(ir.ArrayAttr(function.attributes["arg_attrs"])) if "arg_attrs" in function.attributes else []
    marked = [i for i, a in enumerate(arguments) if DESTINATION in ir.DictAttr(a)]
    if [kind.inputs[i] for i in marked] != list(kind.results):
        raise PassError(
            f"kernel @{name} has {len(kind.results)} results and {len(marked)} destinations of type "
            f"{', '.join(str(kind.inputs[i]) for i in marked) or 'none'}"
        )
    if marked != list(range(len(arguments) - len(marked), len(arguments))):
        raise PassError(f"kernel @{name}: destinations must be the last arguments")


def _top_level(function: Any) -> Iterator[Any]:
    for view in function.regions[0].blocks[0].operations:
        yield view.operation


def _check_loop(name: str, op: Any, device: Device) -> None:
    if op.name == "scf.forall":
        tier = _text(op, "device.tier")
        if tier not in {group.name for group in device.groups()}:
            raise PassError(f"kernel @{name}: scf.forall of tier '{tier}', {device.name} has "
                            f"{', '.join(g.name for g in device.groups()) or 'no groups'}")  # fmt: skip
        _check_nesting(name, op, tier, device)
    if op.name == "scf.for" and "device.level" in op.attributes:
        level = _text(op, "device.level")
        if level not in {m.name for m in device.memories()}:
            raise PassError(f"kernel @{name}: scf.for stages '{level}', {device.name} has no such memory")
    for key in ("device.stage",):
        if key in op.attributes and _text(op, key) not in {m.name for m in device.memories()}:
            raise PassError(f"kernel @{name}: a tile is staged in '{_text(op, key)}', no memory of {device.name}")


def _check_nesting(name: str, op: Any, tier: str, device: Device) -> None:
    """Loops over groups stand in each other as the groups do."""
    order = [group.name for group in device.groups()]
    around = op.parent.operation
    while around.name != "func.func":
        outer = _text(around, "device.tier") if around.name == "scf.forall" else ""
        if outer in order and order.index(outer) >= order.index(tier):
            nesting = " around ".join(order)
            raise PassError(
                f"kernel @{name}: scf.forall of tier '{tier}' stands in one of tier '{outer}'; "
                f"{device.name} has {nesting}",
                location=location_text(op),
            )
        around = around.parent.operation


def _text(op: Any, key: str) -> str:
    return str(ir.StringAttr(op.attributes[key]).value) if key in op.attributes else ""
