"""Unsigned integers in the torch dialect, computed in a signed type that holds all of their values.

The wheel's lowerings read most operands as signed: 200 > 130 is false for uint8, 200 / 3 is -18. Before: an operator on
`ui8`. After: the same operator on `si16` between conversions, which the wheel does right; an unsigned result is the low
half of the wide one. Operators that move data, or compute the same bits for either sign, stay as they are.

Nothing holds all of uint64: its other operators are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.dense import dense_array
from stratagem.compiler.ir import walk

WIDER = {"ui8": "si16", "ui16": "si32", "ui32": "si64"}
_CODES = {"si8": 1, "si16": 2, "si32": 3, "si64": 4}
"""torch.dtype as the dialect's integer."""

_CONVERSIONS = frozenset({"aten.to.dtype", "prims.convert_element_type"})
_MOVES = frozenset({
    "aten.view", "aten.reshape", "aten.flatten.using_ints", "aten.unflatten.int", "aten.squeeze", "aten.squeeze.dim",
    "aten.unsqueeze", "aten.expand", "aten.broadcast_to", "aten.permute", "aten.transpose.int", "aten.t",
    "aten.slice.Tensor", "aten.slice_scatter", "aten.select.int", "aten.select_scatter", "aten.index_select",
    "aten.gather", "aten.copy",
    "aten.clone", "aten.contiguous", "aten.detach", "aten.where.self", "aten.flip", "aten.roll", "aten.repeat",
    "aten.tile", "aten.as_strided", "aten.empty.memory_format", "aten.view.dtype", "aten.size.int", "aten.dim",
    "aten.scatter.src", "prims.collapse", "prims.split_dim", "tensor_static_info_cast", "copy.to_vtensor",
    "copy.to_tensor", "aten.int_repr", "aten._make_per_tensor_quantized_tensor",
    "aten._make_per_channel_quantized_tensor",
})  # fmt: skip
_SAME_BITS = frozenset({
    "aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor", "aten.bitwise_and.Tensor", "aten.bitwise_or.Tensor",
    "aten.bitwise_xor.Tensor", "aten.bitwise_not", "aten.eq.Tensor", "aten.ne.Tensor",
})  # fmt: skip
_RIGHT = frozenset({
    "aten.gt.Tensor", "aten.ge.Tensor", "aten.lt.Tensor", "aten.le.Tensor", "aten.maximum", "aten.minimum",
})  # fmt: skip
"""Operators of one unsigned type that the wheel lowers as unsigned."""

_TENSOR = re.compile(r"!torch\.vtensor<(.*),(\w+)>$")
_TENSORS = re.compile(r"list<(optional<)?vtensor")
"""What takes a list of tensors (concatenation, indexing) moves data."""
Refuse = Callable[[Any, str], Exception]
"""(operation, what stands in the way) -> the error to raise."""


def widen_unsigned(module: Any, refuse: Refuse) -> None:
    """Rewrites the operators of a torch-dialect module that the wheel would compute as signed.

    Raises what `refuse` makes for operators on uint64, and for conversions from floats to it.
    """
    for op in list(walk(module.operation)):
        name = op.name.removeprefix("torch.")
        if name == op.name or name.startswith(("prim.", "operator", "constant.")) or not _has_unsigned(op):
            continue
        with ir.InsertionPoint(op), op.location:
            if name in _CONVERSIONS:
                _from_float(op, refuse)
            elif name == "vtensor.literal":
                _widen_literal(op)
            elif not _is_sign_free(op, name):
                _widen(op, refuse)


def _is_sign_free(op: Any, name: str) -> bool:
    if name in _MOVES or any(_TENSORS.search(str(v.type)) for v in op.operands):
        return True
    kinds = {_element(v) for v in op.operands} - {None}
    return name in (_SAME_BITS | _RIGHT) and len(kinds) == 1 and _multiplies_by_one(op)


def _multiplies_by_one(op: Any) -> bool:
    """Whether a factor (`alpha`), if there is one, is 1: the wheel takes no other that needs the highest bit."""
    factors = [v.owner for v in op.operands if str(v.type) == "!torch.int"]
    return all(f.name == "torch.constant.int" and ir.IntegerAttr(f.attributes["value"]).value == 1 for f in factors)


def _element(value: Any) -> str | None:
    match = _TENSOR.match(str(value.type))
    return match[2] if match else None


def _has_unsigned(op: Any) -> bool:
    return any((_element(v) or "").startswith("ui") for v in [*op.operands, *op.results])


def _with_element(kind: Any, element: str) -> Any:
    match = _TENSOR.match(str(kind))
    assert match is not None
    return ir.Type.parse(f"!torch.vtensor<{match[1]},{element}>")


def _convert(value: Any, element: str) -> Any:
    """`value` in another integer type, at the insertion point: wider, or its low bits."""
    if element.startswith("ui"):
        return _reinterpret(_convert(value, element.replace("ui", "si")), element)
    code = _constant("int", ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _CODES[element]))
    no, none = _constant("bool", ir.IntegerAttr.get(ir.IntegerType.get_signless(1), 0)), _constant("none")
    return ir.Operation.create(
        "torch.aten.to.dtype", results=[_with_element(value.type, element)], operands=[value, code, no, no, none]
    ).result


def _reinterpret(value: Any, element: str) -> Any:
    """The same bits under the other sign, through the builtin type that both have: the wheel converts to few unsigned
    types.
    """
    shaped = _with_element(value.type, element)
    plain = ir.Operation.create("torch_c.to_builtin_tensor", results=[builtin_type(shaped)], operands=[value]).result
    return ir.Operation.create("torch_c.from_builtin_tensor", results=[shaped], operands=[plain]).result


def builtin_type(kind: Any) -> Any:
    """The builtin tensor type of a `!torch.vtensor`: signless, free sizes as `?`."""
    match = _TENSOR.match(str(kind))
    assert match is not None
    sizes = match[1].strip("[]").replace(",", "x")
    element = match[2].replace("ui", "i").replace("si", "i")
    return ir.Type.parse(f"tensor<{sizes}{'x' * bool(sizes)}{element}>")


def _constant(kind: str, value: Any = None) -> Any:
    attributes = {} if value is None else {"value": value}
    result = ir.Type.parse(f"!torch.{kind}")
    return ir.Operation.create(f"torch.constant.{kind}", results=[result], attributes=attributes).result


def _from_float(op: Any, refuse: Refuse) -> None:
    """A float becomes unsigned by way of si64: the wheel would cut it off at the largest signed number."""
    source, result = _element(op.operands[0]) or "", _element(op.results[0]) or ""
    if not result.startswith("ui") or source.startswith(("ui", "si", "i")):
        return
    if result not in WIDER:
        raise refuse(op, f"converts {source} to uint64, of which no signed integer type holds all values")
    wide = _convert(op.operands[0], "si64")
    op.results[0].replace_all_uses_with(_convert(wide, result))
    op.erase()


def _widen_literal(op: Any) -> None:
    """Unsigned elements inside the program, some forms of which the wheel has no lowering for."""
    element, value = _element(op.results[0]) or "", op.attributes["value"]
    if not isinstance(value, ir.DenseElementsAttr):
        return
    wide = WIDER.get(element, "si64")
    kind = ir.RankedTensorType.get(ir.ShapedType(value.type).shape, ir.Type.parse(wide))
    numbers = dense_array(value, np.dtype(f"int{wide[2:]}")).ravel().tolist()
    if not numbers:
        _empty_literal(op)
        return
    elements = [ir.IntegerAttr.get(kind.element_type, n) for n in numbers]
    literal = ir.Operation.create(
        "torch.vtensor.literal",
        results=[_with_element(op.results[0].type, wide)],
        attributes={"value": ir.DenseElementsAttr.get(elements, kind)},
    ).result
    op.results[0].replace_all_uses_with(_convert(literal, element))
    op.erase()


def _empty_literal(op: Any) -> None:
    kind = builtin_type(op.results[0].type)
    empty = arith.ConstantOp(kind, ir.Attribute.parse(f"dense<> : {kind}")).result
    literal = ir.Operation.create("torch_c.from_builtin_tensor", results=[op.results[0].type], operands=[empty]).result
    op.results[0].replace_all_uses_with(literal)
    op.erase()


def _widen(op: Any, refuse: Refuse) -> None:
    kinds = {_element(v) for v in [*op.operands, *op.results]}
    if "ui64" in kinds:
        raise refuse(op, "has uint64 operands, of which no signed integer type holds all values")
    for i, value in enumerate(op.operands):
        element = _element(value)
        if element in WIDER:
            op.operands[i] = _convert(value, WIDER[element])
    with ir.InsertionPoint.after(op):
        for result in op.results:
            element = _element(result)
            if element in WIDER:
                result.set_type(_with_element(result.type, WIDER[element]))
                uses = list(result.uses)
                narrow = _convert(result, element)
                for use in uses:
                    use.owner.operands[use.operand_number] = narrow
