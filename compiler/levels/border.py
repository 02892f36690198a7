"""The border of @main below the tensor level: names of arguments and results, and how arguments are cut over ranks."""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, result_attributes
from stratagem.hwmodels import Machine
from stratagem.runtime.errors import PassError


def check_border(main: Any, machine: Machine) -> None:
    """Raises PassError when two arguments or results share a name, or when a claim of `system.shard` fits neither the
    argument nor the machine's mesh."""
    for what, names in (
        ("inputs", argument_attributes(main, "model.input")),
        ("parameters", argument_attributes(main, "model.param")),
        ("outputs", result_attributes(main, "model.output")),
    ):
        twice = [name for name, count in Counter(n for n in names if n is not None).items() if count > 1]
        if twice:
            raise PassError(f"two {what} of @main are called '{twice[0]}'")
    arguments = main.regions[0].blocks[0].arguments
    for number, (argument, claim) in enumerate(zip(arguments, argument_attributes(main, "system.shard"), strict=True)):
        if claim is not None:
            _check_shard(number, argument.type, claim, machine)


def _check_shard(number: int, kind: Any, claim: str, machine: Machine) -> None:
    axis, _, dim = claim.rpartition(":")
    axes = {name for name, _ in machine.mesh}
    if axis not in axes:
        known = ", ".join(sorted(axes)) or "none"
        raise PassError(f"argument {number} of @main is cut over axis '{axis}', the system has {known}")
    rank = ir.ShapedType(kind).rank
    if not dim.isdigit() or int(dim) >= rank:
        raise PassError(f"argument {number} of @main is cut along dimension {dim}, it has {rank}")
