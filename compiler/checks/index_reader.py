"""Index arithmetic of a kernel as expressions that isl reads.

Loop variables and unknown sizes are names; `affine.min` and `affine.max` become extra existential variables with their
defining constraints. Anything outside Presburger arithmetic (a product of two unknowns, a data-dependent index) raises
`NotAffine`, and the caller falls back to fixed sizes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch_mlir import ir

from stratagem.compiler.ir import DYNAMIC

T = TypeVar("T")


class NotAffine(Exception):
    """An index that isl cannot reason about for all sizes."""


def size_name(argument: int, dim: int) -> str:
    """The symbol for an unknown size of a kernel's argument."""
    return f"n{argument}_{dim}"


def index_name(argument: int) -> str:
    """The symbol for an index argument of a kernel."""
    return f"a{argument}"


def is_size(symbol: str) -> bool:
    """Whether a kernel's symbol stands for a size, which is never negative, and not for an index argument."""
    return symbol.startswith("n")


def meaning(symbol: str) -> str:
    """How to say a kernel's symbol to a person; other names stay as they are."""
    size = re.fullmatch(r"n(\d+)_(\d+)", symbol)
    if size:
        return f"size {size[2]} of argument {size[1]}"
    index = re.fullmatch(r"a(\d+)", symbol)
    return f"argument {index[1]}" if index else symbol


@dataclass
class IndexReader:
    """Reads SSA index values and tensor sizes.

    Attributes:
        names: loop variables and other values that already have an expression.
        symbols: names of the unknown sizes and index arguments met so far, in order.
        fixed: unknown sizes that are given numbers, for the fallback.
        auxiliary: name of each value that `affine.min/max` defines -> the constraint that defines it.
    """

    fixed: Mapping[str, int] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    symbols: dict[str, None] = field(default_factory=dict)
    auxiliary: dict[str, str] = field(default_factory=dict)

    def expression(self, value: Any) -> str:
        """An index value as an isl expression."""
        if value not in self.names:
            self.names[value] = self._read(value)
        return self.names[value]

    def _read(self, value: Any) -> str:
        owner = value.owner
        if isinstance(owner, ir.Block):
            if owner.owner.operation.name != "func.func":
                raise NotAffine(f"a value that {owner.owner.operation.name} carries")
            return self.symbol(index_name(value.arg_number))
        op = owner.operation
        if op.name == "arith.constant":
            return str(ir.IntegerAttr(op.attributes["value"]).value)
        if op.name == "tensor.dim":
            return self._dim(op)
        if op.name in ("affine.apply", "affine.min", "affine.max"):
            return self._affine(op)
        if op.name in ("arith.index_cast", "arith.index_castui"):
            return self.expression(op.operands[0])
        return self._arithmetic(op)

    def _dim(self, op: Any) -> str:
        dim, rank = self.expression(op.operands[1]), ir.RankedTensorType(op.operands[0].type).rank
        if not dim.isdigit() or int(dim) >= rank:
            raise NotAffine(f"dimension {dim} of a tensor of rank {rank}")
        return self.size(op.operands[0], int(dim))

    def _arithmetic(self, op: Any) -> str:
        signs = {"arith.addi": "+", "arith.subi": "-"}
        if op.name in signs:
            left, right = map(self.expression, op.operands)
            return f"({left} {signs[op.name]} {right})"
        if op.name in ("arith.muli", "arith.ceildivsi", "arith.floordivsi"):
            left, right = map(self.expression, op.operands)
            return combine(op.name, left, right)
        if op.name in ("arith.divsi", "arith.remsi"):
            left, right = map(self.expression, op.operands)
            return self._truncated(op.name, left, right)
        if op.name in ("arith.minsi", "arith.maxsi", "arith.minui", "arith.maxui"):
            return self._bound("<=" if "min" in op.name else ">=", [self.expression(v) for v in op.operands])
        raise NotAffine(f"{op.name} at {op.location}")

    def _affine(self, op: Any) -> str:
        affine_map = ir.AffineMapAttr(op.attributes["map"]).value
        operands = [self.expression(v) for v in op.operands]
        dims, symbols = operands[: affine_map.n_dims], operands[affine_map.n_dims :]
        results = [render(r, dims, symbols) for r in affine_map.results]
        if op.name == "affine.apply":
            return results[0]
        return self._bound("<=" if op.name == "affine.min" else ">=", results)

    def _bound(self, relation: str, choices: list[str]) -> str:
        name = f"t{len(self.auxiliary)}"
        every = " and ".join(f"{name} {relation} {c}" for c in choices)
        some = " or ".join(f"{name} = {c}" for c in choices)
        self.auxiliary[name] = f"{every} and ({some})"
        return name

    def _truncated(self, operation: str, left: str, right: str) -> str:
        """A quotient rounded towards zero, or its remainder."""
        divisor = int(right.strip("()")) if is_number(right) else 0
        if divisor <= 0:
            raise NotAffine(f"{left} / {right}")
        name = f"t{len(self.auxiliary)}"
        self.auxiliary[name] = truncates(name, left, divisor)
        return name if operation == "arith.divsi" else f"({left} - {divisor}*{name})"

    def auxiliaries_in(self, texts: list[str]) -> list[str]:
        """Names of the auxiliary values that the texts mention, directly or through each other."""
        found: dict[str, None] = {}
        pending = list(texts)
        while pending:
            for name in re.findall(r"\bt\d+\b", pending.pop()):
                if name not in found:
                    found[name] = None
                    pending.append(self.auxiliary[name])
        return list(found)

    def symbol(self, name: str) -> str:
        """An unknown size; a number when it is fixed."""
        if name in self.fixed:
            return str(self.fixed[name])
        self.symbols[name] = None
        return name

    # ---- sizes of tensors

    def size(self, tensor: Any, dim: int) -> str:
        """The size of one dimension of a tensor value."""
        kind = ir.RankedTensorType(tensor.type)
        if not kind.is_dynamic_dim(dim):
            return str(kind.get_dim_size(dim))
        owner = tensor.owner
        if isinstance(owner, ir.Block):
            return self._argument_size(tensor, owner, dim)
        return self._result_size(tensor, owner.operation, dim)

    def _argument_size(self, tensor: Any, block: Any, dim: int) -> str:
        parent = block.owner.operation
        if parent.name == "func.func":
            return self.symbol(size_name(tensor.arg_number, dim))
        if parent.name == "scf.forall":
            loops = len(ir.DenseI64ArrayAttr(parent.attributes["staticUpperBound"]))
            outputs = list(parent.operands)[len(parent.operands) - len(parent.results) :]
            return self.size(outputs[tensor.arg_number - loops], dim)
        if parent.name == "scf.for":
            return self.size(parent.operands[2 + tensor.arg_number], dim)
        raise NotAffine(f"size of an argument of {parent.name}")

    def _result_size(self, tensor: Any, op: Any, dim: int) -> str:
        number = [r == tensor for r in op.results].index(True)
        if op.name == "tensor.empty":
            kind = ir.RankedTensorType(tensor.type)
            before = sum(kind.is_dynamic_dim(i) for i in range(dim))
            return self.expression(op.operands[before])
        if op.name == "tensor.extract_slice":
            return self._slice_size(op, dim)
        if op.name in ("tensor.cast", "tensor.insert_slice", "tensor.insert"):
            return self.size(op.operands[0 if op.name == "tensor.cast" else 1], dim)
        if op.name in ("scf.forall", "scf.for") or op.name.startswith("linalg."):
            offset = 3 if op.name == "scf.for" else len(op.operands) - len(op.results)
            return self.size(op.operands[offset + number], dim)
        raise NotAffine(f"size of a result of {op.name} at {op.location}")

    def _slice_size(self, op: Any, dim: int) -> str:
        sizes = slice_geometry(self, op, 1).sizes
        kept = kept_dims([int(s) if s.isdigit() else None for s in sizes], ir.RankedTensorType(op.results[0].type))
        return sizes[kept[dim]]


@dataclass(frozen=True)
class Geometry:
    """Offsets, sizes and strides of a slice, as isl expressions."""

    offsets: list[str]
    sizes: list[str]
    strides: list[str]


def slice_geometry(reader: IndexReader, op: Any, tensors: int) -> Geometry:
    """The geometry of an extract, insert or parallel_insert slice with `tensors` leading tensor operands."""
    dynamic = iter(list(op.operands)[tensors:])

    def read(name: str) -> list[str]:
        static = list(ir.DenseI64ArrayAttr(op.attributes[name]))
        return [reader.expression(next(dynamic)) if n == DYNAMIC else str(n) for n in static]

    return Geometry(read("static_offsets"), read("static_sizes"), read("static_strides"))


def kept_dims(sizes: list[int | None], result: Any) -> list[int]:
    """Which dimensions of a slice remain in a result of lower rank: unit dimensions are dropped from the front."""
    drop = len(sizes) - result.rank
    kept: list[int] = []
    for i, size in enumerate(sizes):
        wanted = (
            None
            if result.is_dynamic_dim(len(kept))
            else result.get_dim_size(len(kept))
            if len(kept) < result.rank
            else -1
        )
        if drop and size == 1 and wanted != 1:
            drop -= 1
            continue
        kept.append(i)
    return kept[: result.rank] if not drop else [i for i, s in enumerate(sizes) if s != 1][: result.rank]


def is_number(text: str) -> bool:
    return text.strip("()").lstrip("-").isdigit()


def truncates(name: str, dividend: str, divisor: int) -> str:
    """The condition that a name is the dividend over a positive number, rounded towards zero."""
    down = f"{divisor}*{name} <= {dividend} < {divisor}*{name} + {divisor}"
    up = f"{divisor}*{name} - {divisor} < {dividend} <= {divisor}*{name}"
    return f"(({dividend} >= 0 and {down}) or ({dividend} < 0 and {up}))"


def combine(operation: str, left: str, right: str) -> str:
    """Sums, and products and quotients with one known operand; raises NotAffine otherwise."""
    if operation == "arith.addi":
        return f"({left} + {right})"
    if operation == "arith.muli":
        if not (is_number(left) or is_number(right)):
            raise NotAffine(f"{left} * {right}")
        return f"({left}*{right})"
    if not is_number(right) or int(right.strip("()")) <= 0:
        raise NotAffine(f"{left} / {right}")
    if operation == "affine.mod":
        return f"(({left}) mod {right})"
    rounded = f"{left} + {right} - 1" if operation == "arith.ceildivsi" else left
    return f"(floor(({rounded})/{right}))"


def render(expression: Any, dims: list[str], symbols: list[str]) -> str:
    """An affine expression with its dimensions and symbols replaced."""
    return fold_affine(expression, dims, symbols, str, combine)


def fold_affine(
    expression: Any, dims: list[T], symbols: list[T], number: Callable[[int], T], combine: Callable[[str, T, T], T]
) -> T:
    """An affine expression evaluated from its leaves: `combine` takes the name of the `arith` operation."""
    narrowed = expression.maybe_downcast()
    if isinstance(narrowed, ir.AffineDimExpr):
        return dims[int(narrowed.position)]
    if isinstance(narrowed, ir.AffineSymbolExpr):
        return symbols[int(narrowed.position)]
    if isinstance(narrowed, ir.AffineConstantExpr):
        return number(int(narrowed.value))
    left, right = (fold_affine(e, dims, symbols, number, combine) for e in (narrowed.lhs, narrowed.rhs))
    return combine(AFFINE_OPERATIONS[type(narrowed).__name__], left, right)


AFFINE_OPERATIONS = {
    "AffineAddExpr": "arith.addi",
    "AffineMulExpr": "arith.muli",
    "AffineFloorDivExpr": "arith.floordivsi",
    "AffineCeilDivExpr": "arith.ceildivsi",
    "AffineModExpr": "affine.mod",
}
"""The operation on integers that each kind of affine expression stands for; its remainder has the divisor's sign."""
