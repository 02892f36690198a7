"""A C block being written, and the reading of index and scalar values in it.

Index and scalar arithmetic has no place of its own in the output: a value is written, as a `const` variable,
where it is first needed. Values from outside of a DPU program (sizes of tensors, the DPU's place in the grid)
are leaves that the host and the device programs bind in their own way.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.affine import affine_text_or_index
from stratagem.compiler.backends.upmem.dtypes import DType, dtype_of
from stratagem.compiler.backends.upmem.geometry import (
    Entry,
    defining_op,
    is_tensor,
    kept_axes,
    slice_of,
    static_shape,
)
from stratagem.compiler.backends.upmem.scalars import Scalar, constant_scalar, scalar_operation
from stratagem.compiler.backends.upmem.symbols import Index, Variable, minimum_high, minimum_low
from stratagem.compiler.backends.upmem.views import View
from stratagem.compiler.ir import DYNAMIC, location_text
from stratagem.runtime.errors import UnsupportedError

ShapeLeaf = Callable[[int, int], Variable]
ScalarLeaf = Callable[[int, DType], str]


class Scope:
    """Lines of C with indentation, names, and what each SSA value is called.

    Args:
        integer: C type of index variables. shape: variable for dimension d of function argument n, when
        dynamic.
        scalar: C expression for scalar function argument n.
    """

    def __init__(self, integer: str, shape: ShapeLeaf, scalar: ScalarLeaf) -> None:
        self.integer = integer
        self.lines: list[str] = []
        self._shape, self._scalar = shape, scalar
        self._indent = 1
        self._frames: list[dict[Any, Any]] = [{}]
        self._numbers: dict[str, Iterator[int]] = {}
        self._data: set[str] = set()
        self.costs: list[str] = []
        """Counters of the scalar operations written since the list was last cleared."""

    def line(self, text: str) -> None:
        self.lines.append("  " * self._indent + text if text else "")

    def fresh(self, prefix: str) -> str:
        """A name that no other call returned."""
        return f"{prefix}{next(self._numbers.setdefault(prefix, itertools.count()))}"

    def bind(self, value: Any, meaning: Any) -> None:
        self._frames[-1][value] = meaning

    def bind_outer(self, value: Any, meaning: Any) -> None:
        """Binds in the outermost frame: the meaning holds in the whole program."""
        self._frames[0][value] = meaning

    def find(self, value: Any) -> Any | None:
        for frame in reversed(self._frames):
            if value in frame:
                return frame[value]
        return None

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A C block `head { ... }`; bindings made in it end with it."""
        self.line(f"{head} {{" if head else "{")
        self._indent += 1
        self._frames.append({})
        try:
            yield
        finally:
            self._frames.pop()
            self._indent -= 1
            self.line("}")

    def define(self, prefix: str, text: str, low: int | None, high: int | None, **facts: Any) -> Index:
        """Writes `const integer name = text;` and returns the variable as an Index."""
        name = self.fresh(prefix)
        self.line(f"const {self.integer} {name} = {text};")
        return Index.of(Variable(name, low, high, **facts))

    def entry(self, entry: Entry) -> Index:
        return Index(entry) if isinstance(entry, int) else self.index(entry)

    def index(self, value: Any) -> Index:
        """The whole number `value` holds, writing what is needed to compute it."""
        found = self.find(value)
        if isinstance(found, Scalar):
            return Index.of(Variable(found.text))
        if found is None:
            found = self._compute_index(value)
            self.bind(value, found)
        if not isinstance(found, Index):
            raise UnsupportedError(f"{value} is not a whole number known here")
        return found

    def _compute_index(self, value: Any) -> Index:
        op = defining_op(value)
        if op is None:
            return self._argument_index(value)
        operands = list(op.operands)
        if any(self._depends_on_data(o) for o in operands):
            return self._from_data(op)
        if op.name == "arith.constant":
            return Index(int(ir.IntegerAttr(op.attributes["value"]).value))
        if op.name == "tensor.dim":
            return self.dimension(operands[0], self.index(operands[1]).constant)
        if op.name in ("affine.apply", "affine.min", "affine.max"):
            return self._affine(op, [self.index(o) for o in operands])
        if op.name in ("arith.index_cast", "arith.index_castui"):
            return self.index(operands[0])
        return self._arithmetic(op, [self.index(o) for o in operands])

    def _argument_index(self, value: Any) -> Index:
        if value.owner.owner.operation.name != "func.func":
            raise UnsupportedError(f"the number {value} depends on a loop that does not surround its use")
        return Index.of(Variable(self._scalar(value.arg_number, dtype_of(value.type))))

    def _affine(self, op: Any, operands: list[Index]) -> Index:
        results = affine_text_or_index(ir.AffineMapAttr(op.attributes["map"]).value, operands, self)
        if op.name == "affine.apply" or len(results) == 1:
            return results[0]
        return self.extreme(results, largest=op.name == "affine.max")

    def extreme(self, values: list[Index], largest: bool) -> Index:
        """The minimum (or maximum) of `values` as a variable."""
        unique = list(dict.fromkeys(values))
        certain = [v for v in unique if _decides(v, unique, largest)]
        if certain:
            return certain[0]
        if largest:
            low, high = (_negated(b) for b in reversed(_minimum_bounds([v.scaled(-1) for v in unique])))
        else:
            low, high = _minimum_bounds(unique)
        text = unique[0].text
        for value in unique[1:]:
            a, b = text, value.text
            text = f"({a} {'>' if largest else '<'} {b} ? {a} : {b})"
        alternatives = () if largest else tuple(unique)
        return self.define("n", text.removeprefix("(").removesuffix(")"), low, high, alternatives=alternatives)

    def _arithmetic(self, op: Any, operands: list[Index]) -> Index:
        name = op.name.removeprefix("arith.")
        if name in ("addi", "subi"):
            return operands[0] + operands[1] if name == "addi" else operands[0] - operands[1]
        if name == "muli":
            return self.multiply(*operands)
        if name in ("minsi", "maxsi", "minui", "maxui"):
            return self.extreme(operands, largest=name.startswith("max"))
        if name in ("divsi", "divui", "floordivsi", "ceildivsi", "ceildivui"):
            return self.divide(operands[0], operands[1], up=name.startswith("ceil"))
        if name in ("remsi", "remui"):
            return self.remainder(*operands)
        raise UnsupportedError(
            f"{op.name} cannot be part of a slice or loop bound on a DPU", location=location_text(op)
        )

    def _depends_on_data(self, value: Any) -> bool:
        """Whether elements of tensors decide a value, not loops and sizes alone."""
        found = self.find(value)
        if isinstance(found, Index):
            return any(variable.name in self._data for variable, _ in found.terms)
        if found is not None:
            return isinstance(found, Scalar)
        op = defining_op(value)
        return op is not None and any(self._depends_on_data(o) for o in op.operands)

    def _from_data(self, op: Any) -> Index:
        """A number that depends on data, such as a clamped index of a gather: nothing is known of it, not even its
        sign, and on the way to it all 64 bits of an index may matter."""
        operation = scalar_operation(op, [self.scalar(o) for o in op.operands], dtype_of(op.results[0].type))
        if operation.cost:
            self.costs.append(operation.cost)
        name = self.fresh("n")
        self._data.add(name)
        self.line(f"const int64_t {name} = {operation.text};")
        return Index.of(Variable(name))

    def multiply(self, a: Index, b: Index) -> Index:
        if a.is_constant or b.is_constant:
            return b.scaled(a.constant) if a.is_constant else a.scaled(b.constant)
        known = None not in (a.low, a.high, b.low, b.high) and (a.low or 0) >= 0 and (b.low or 0) >= 0
        high = (a.high or 0) * (b.high or 0) if known else None
        return self.define("n", f"{a.text} * {b.text}", 0 if known else None, high, divisor=a.divisor * b.divisor)

    def divide(self, a: Index, b: Index, up: bool) -> Index:
        """a / b rounded down (or up), b > 0 and a >= 0 as slices have them."""
        if b.is_constant and b.constant and a.divisible_by(b.constant):
            return (
                Index(a.constant // b.constant, tuple((v, f // b.constant) for v, f in a.terms))
                if all(f % b.constant == 0 for _, f in a.terms)
                else self._division_variable(a, b, up)
            )
        return self._division_variable(a, b, up)

    def _division_variable(self, a: Index, b: Index, up: bool) -> Index:
        if a.is_constant and b.is_constant:
            return Index(-(-a.constant // b.constant) if up else a.constant // b.constant)
        raised = (a + b - 1) if up else a
        divisor = b.low if b.low else 1
        bounds = [None if edge is None or divisor < 1 else edge // divisor for edge in (raised.low, raised.high)]
        low = 0 if (raised.low or -1) >= 0 else None
        return self.define("n", f"{raised.text} / {b.text}", low, bounds[1])

    def remainder(self, a: Index, b: Index) -> Index:
        high = None if b.high is None else b.high - 1
        return self.define("n", f"{a.text} % {b.text}", 0, high)

    def dimension(self, value: Any, axis: int) -> Index:
        """Extent `axis` of tensor `value`."""
        extent = static_shape(value)[axis]
        if extent != DYNAMIC:
            return Index(extent)
        found = self.find(value)
        if isinstance(found, View):
            return found.sizes[axis]
        op = defining_op(value)
        if op is not None:
            return self._result_dimension(op, value, axis)
        owner = value.owner.owner.operation
        if owner.name == "func.func":
            return Index.of(self._shape(value.arg_number, axis))
        return self.dimension(_initial_value(owner, value.arg_number), axis)

    def _result_dimension(self, op: Any, value: Any, axis: int) -> Index:
        operands = list(op.operands)
        if op.name == "tensor.extract_slice":
            where = slice_of(op)
            kept = kept_axes(len(where.sizes), where.sizes, static_shape(value))
            return self.entry(where.sizes[kept[axis]])
        if op.name == "tensor.empty":
            before = sum(1 for n in static_shape(value)[:axis] if n == DYNAMIC)
            return self.index(operands[before])
        if op.name == "tensor.cast":
            return self.dimension(operands[0], axis)
        if op.name == "tensor.insert_slice":
            return self.dimension(operands[1], axis)
        number = list(op.results).index(value)
        if op.name in ("scf.forall", "scf.for"):
            return self.dimension(operands[len(operands) - len(op.results) + number], axis)
        if op.name.startswith("linalg."):
            tensors = [o for o in operands if is_tensor(o)]
            return self.dimension(tensors[len(tensors) - len(op.results) + number], axis)
        raise UnsupportedError(f"size {axis} of the result of {op.name} is not known", location=location_text(op))

    def scalar(self, value: Any) -> Scalar:
        """A C expression for the scalar `value`, writing what is needed to compute it."""
        found = self.find(value)
        if isinstance(found, Index):
            return Scalar(found.text, dtype_of(value.type))
        if found is None:
            found = self._compute_scalar(value)
            self.bind(value, found)
        if not isinstance(found, Scalar):
            raise UnsupportedError(f"{value} is not a scalar known here")
        return found

    def _compute_scalar(self, value: Any) -> Scalar:
        op = defining_op(value)
        dtype = dtype_of(value.type)
        if op is None:
            if value.owner.owner.operation.name != "func.func":
                raise UnsupportedError(f"the scalar {value} belongs to a loop that does not surround its use")
            return Scalar(self._scalar(value.arg_number, dtype), dtype)
        if op.name == "arith.constant":
            return constant_scalar(op, dtype)
        if dtype.name == "index":
            return Scalar(self.index(value).text, dtype)
        operation = scalar_operation(op, [self.scalar(o) for o in op.operands], dtype)
        if operation.cost:
            self.costs.append(operation.cost)
        name = self.fresh("v")
        self.line(f"const {dtype.c} {name} = {operation.text};")
        return Scalar(name, dtype)


_DECLARATION = re.compile(r"^\s*(?:const \w+|\w+ \*const) (\w+) = .*;$")


def without_unused(lines: list[str]) -> list[str]:
    """Drops declarations of constants that no other line names (bounds that only the emitter needed)."""
    while True:
        words = Counter(word for line in lines for word in set(re.findall(r"\w+", line)))
        kept = [line for line in lines if not (m := _DECLARATION.match(line)) or words[m[1]] > 1]
        if len(kept) == len(lines):
            return kept
        lines = kept


def _minimum_bounds(values: list[Index]) -> tuple[int | None, int | None]:
    return minimum_low(values), minimum_high(values)


def _negated(number: int | None) -> int | None:
    return None if number is None else -number


def _decides(value: Index, values: list[Index], largest: bool) -> bool:
    """Whether `value` is the extreme whatever the others turn out to be."""
    edge = value.low if largest else value.high
    others = [v.high if largest else v.low for v in values if v is not value]
    if edge is None:
        return False
    return all(other is not None and (other <= edge if largest else other >= edge) for other in others)


def _initial_value(owner: Any, argument: int) -> Any:
    """The value that an iteration argument or shared output starts from."""
    operands = list(owner.operands)
    arguments = len(owner.regions[0].blocks[0].arguments)
    return operands[len(operands) - (arguments - argument)]
