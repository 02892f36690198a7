"""Parameters of a StableHLO program laid out as JAX programs have them: `[in, out]` for products, HWIO for filters.

PyTorch's are `[out, in]` and OIHW, and become arguments: without this, a compiler turns them round in every run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FILTER = re.compile(r"x\[o, i((?:, \d)+)\]->")


def lay_out_parameters(module: Any, arrays: Sequence[Array]) -> list[Array]:
    """Changes `main`, whose first arguments the arrays are; returns the arrays as it then takes them.

    A parameter is laid out anew where its only use turns it round, or convolves with it.
    """
    from torch_mlir import ir

    function = next(op for op in module.body.operations if op.operation.name == "func.func")
    block = function.regions[0].blocks[0]
    result = list(arrays)
    with module.context:
        for i, argument in enumerate(list(block.arguments)[: len(result)]):
            order = _order(argument)
            if order is None:
                continue
            result[i] = np.ascontiguousarray(result[i].transpose(order))
            element = ir.RankedTensorType(argument.type).element_type
            argument.set_type(ir.RankedTensorType.get(result[i].shape, element, loc=ir.Location.unknown()))
            _use_as_is(next(iter(argument.uses)).owner, argument)
        kinds = ir.FunctionType(ir.TypeAttr(function.attributes["function_type"]).value)
        taken = [a.type for a in block.arguments]
        function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(taken, kinds.results))
    return result


def _order(argument: Any) -> tuple[int, ...] | None:
    """How to turn a parameter round before the run, or None to leave it."""
    uses = list(argument.uses)
    if len(uses) != 1:
        return None
    op = uses[0].owner
    if op.name == "stablehlo.transpose":
        return tuple(map(int, re.findall(r"\d+", str(op.attributes["permutation"]).partition(":")[2])))
    if op.name == "stablehlo.convolution" and uses[0].operand_number == 1 and _filter(op):
        rank = 2 + len(re.findall(r"\d", _filter(op)))
        return (*range(2, rank), 1, 0)
    return None


def _filter(op: Any) -> str:
    """The window's dimensions of a filter that has outputs and inputs first, as spelled; empty for another."""
    found = FILTER.search(str(op.attributes["dimension_numbers"]))
    return found.group(1) if found else ""


def _use_as_is(op: Any, argument: Any) -> None:
    from torch_mlir import ir

    if op.name == "stablehlo.transpose":
        op.results[0].replace_all_uses_with(argument)
        op.erase()
        return
    spelled = FILTER.sub(r"x[\1, i, o]->", str(op.attributes["dimension_numbers"])).replace("x[, ", "x[")
    op.attributes["dimension_numbers"] = ir.Attribute.parse(spelled)
