"""The scalar operations of a `linalg.generic` body as Triton expressions over tiles.

A body value is a vector expression that varies along some of the iteration axes. Floats of 16 bits are
computed in f32 and rounded where the value leaves the body. Short values used once are written inside their
user, others get a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer import scalar_operations as table
from stratagem.compiler.backends.gpu.printer.element_types import computed_in, element_type
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import converted
from stratagem.compiler.backends.gpu.printer.scalars import (
    DYNAMIC_EXTENT_LIMIT,
    Scalar,
    affine,
    constant,
    without_parentheses,
)
from stratagem.compiler.backends.gpu.printer.values import Number
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError

INLINE_LENGTH = 56


@dataclass(frozen=True)
class Lanes:
    """A value of the body: Triton text, the iteration axes it varies along, its type in the IR and as held.

    `literal` is the value where it is a plain number, `padding` that of the lanes past the sizes where known.
    """

    text: str
    axes: frozenset[int]
    element: str
    held: str
    literal: float | int | None = None
    padding: float | None = None


def number_lanes(number: Number) -> Lanes:
    held = computed_in(number.element)
    return Lanes(number.text, frozenset(), number.element, held, number.literal, _as_float(number.literal))


def literal_text(value: float | int) -> str:
    """A Python literal that Triton reads as the same number."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value) if value >= 0 else f"({value!r})"


def constant_number(op: Any) -> Number:
    """The Number of an `arith.constant` of scalar type."""
    value = op.attributes["value"]
    element = str(op.results[0].type)
    raw: float | int
    if isinstance(value, ir.FloatAttr):
        raw = float(value.value)
    elif isinstance(value, ir.IntegerAttr):
        raw = int(bool(value.value)) if element == "i1" else int(value.value)
    else:
        raw = int(bool(ir.BoolAttr(value).value))
    return Number(literal_text(raw), element, raw)


@dataclass
class BodyPrinter:
    """Prints body operations in order; `values` maps MLIR values to what they are.

    `index_lanes` gives the text of `linalg.index` along one iteration dimension, `outer` looks up values
    defined outside the body, `gather` loads a tensor's elements at computed indices where conditions hold,
    and `mask` says which lanes along some iteration dimensions exist.
    """

    writer: FunctionWriter
    index_lanes: Callable[[int], Lanes]
    outer: Callable[[Any], Lanes]
    gather: Callable[[Any, list[Lanes], list[Lanes]], Lanes]
    mask: Callable[[frozenset[int]], str]
    asserted: list[Lanes] = field(default_factory=list)
    values: dict[Any, Lanes] = field(default_factory=dict)

    def value(self, operand: Any) -> Lanes:
        return self.values[operand] if operand in self.values else self.outer(operand)

    def run(self, op: Any) -> None:
        """Prints one operation of the body; UnsupportedError names one that has no Triton form."""
        if op.name == "cf.assert":
            self._assertion(op)
            return
        result = self._lanes(op)
        uses = len(list(op.results[0].uses))
        if result.literal is None and (uses > 1 or len(result.text) > INLINE_LENGTH):
            name = self.writer.assign("v", result.text)
            result = Lanes(name, result.axes, result.element, result.held, None, result.padding)
        self.values[op.results[0]] = result

    def computed(self, operand: Any) -> Lanes:
        """The operand in the type arithmetic on it is done in."""
        lanes = self.value(operand)
        wanted = computed_in(lanes.element)
        if lanes.literal is not None or lanes.held == wanted:
            return lanes
        return Lanes(converted(lanes.text, lanes.held, wanted), lanes.axes, lanes.element, wanted, None, lanes.padding)

    def _lanes(self, op: Any) -> Lanes:
        name = op.name
        if name == "arith.constant":
            return number_lanes(constant_number(op))
        if name == "linalg.index":
            return self.index_lanes(int(ir.IntegerAttr(op.attributes["dim"]).value))
        if name == "tensor.extract":
            return self.gather(op.operands[0], [self.computed(o) for o in op.operands[1:]], self.asserted)
        if name == "affine.apply":
            return self._affine(op)
        if name in table.CASTS:
            return self._cast(op)
        operands = [self.computed(o) for o in op.operands]
        element = str(op.results[0].type)
        text = self._text(op, [o.text for o in operands])
        axes = frozenset().union(*(o.axes for o in operands))
        return Lanes(text, axes, element, computed_in(element))

    def _assertion(self, op: Any) -> None:
        """Records a failure in the kernel's status words, which the host reads after the last launch."""
        condition = self.value(op.operands[0])
        pointer, slot = self.writer.assertion(str(ir.StringAttr(op.attributes["msg"]).value))
        exists = self.mask(condition.axes)
        failed = f"({condition.text} == 0)" + (f" & {exists}" if exists else "")
        count = f"({failed}).to(tl.int32)"
        name = self.writer.assign("failed", f"tl.max({count})" if condition.axes else count)
        self.writer.line(f"tl.atomic_max({pointer} + {slot}, {name}, mask={name} > 0)")
        self.asserted.append(condition)

    def _affine(self, op: Any) -> Lanes:
        operands = [self.value(o) for o in op.operands]
        scalars = [
            constant(int(o.literal)) if o.literal is not None else Scalar(DYNAMIC_EXTENT_LIMIT, o.text)
            for o in operands
        ]
        affine_map = ir.AffineMapAttr(op.attributes["map"]).value
        dims, symbols = scalars[: affine_map.n_dims], scalars[affine_map.n_dims :]
        result = affine(affine_map.results[0], dims, symbols, self.writer.show)
        axes = frozenset().union(*(o.axes for o in operands))
        return Lanes(self.writer.show(result), axes, "index", "index", result.constant)

    def _text(self, op: Any, operands: list[str]) -> str:
        name = op.name
        if name in table.ARITHMETIC:
            wide = table.WIDE.get(name) if str(op.results[0].type) == "f64" else None
            text = (wide or table.ARITHMETIC[name])(*operands)
            self.writer.helpers.update(h for h in table.HELPERS if text.startswith(f"{h}("))
            return text
        if name == "arith.select":
            return f"tl.where({', '.join(operands)})"
        if name in ("arith.cmpf", "arith.cmpi"):
            forms = table.FLOAT_COMPARISONS if name == "arith.cmpf" else table.INTEGER_COMPARISONS
            predicate = int(ir.IntegerAttr(op.attributes["predicate"]).value)
            if predicate in forms:
                return forms[predicate].format(a=operands[0], b=operands[1])
        if name in ("math.powf", "math.fpowi"):
            exponent = self.value(op.operands[1]).literal
            if exponent is not None and float(exponent) in table.SUPPORTED_POWERS:
                return table.SUPPORTED_POWERS[float(exponent)].format(a=operands[0])
            if name == "math.powf":
                self.writer.helpers.add("_pow")
                values = (self._as_tensor(self.computed(o)) for o in op.operands)
                return f"_pow({', '.join(values)})"
        raise UnsupportedError(
            f"the GPU backend has no Triton form of `{op}`".split("\n", maxsplit=1)[0],
            hint="the kernel can run on the host member instead",
            location=location_text(op),
        )

    def _as_tensor(self, lanes: Lanes) -> str:
        """The value as a Triton tensor, also where it is a literal."""
        if lanes.literal is None:
            return without_parentheses(lanes.text)
        return f"tl.full((), {lanes.text}, {element_type(lanes.held).tl})"

    def _cast(self, op: Any) -> Lanes:
        source = self.value(op.operands[0])
        element = str(op.results[0].type)
        unsigned = op.name in table.UNSIGNED_CASTS and source.element != "i1"
        bits = 8 * element_type(source.element).bytes
        if source.literal is not None:
            held = int(source.literal) % (1 << bits) if unsigned else source.literal
            value = float(held) if element_type(element).floating else int(held)
            return Lanes(literal_text(value), source.axes, element, computed_in(element), value)
        if op.name == "arith.extf" and source.held == element:
            return Lanes(source.text, source.axes, element, source.held, None, source.padding)
        sign = "-" if op.name in ("arith.extsi", "arith.sitofp") and source.held == "i1" else ""
        if unsigned:  # Triton's signed types would carry the sign along
            text = f"{source.text}.to(tl.uint{bits}).to({element_type(element).tl})"
        else:
            text = converted(source.text, source.held, element)
        padding = source.padding if source.padding == 0.0 else None
        return Lanes(f"({sign}{text})" if sign else text, source.axes, element, element, None, padding)


def _as_float(value: float | int | None) -> float | None:
    return None if value is None else float(value)
