"""What a kernel's callers say about the sizes they pass, read from the calls.

A kernel is proved for all sizes that its callers can pass, not for all combinations of numbers: a convolution's output
is as large as its input allows. Each call gives every unknown size of the kernel as an expression in sizes of the
program; a premise is the disjunction of what the calls say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.checks.index_reader import IndexReader, NotAffine, index_name, size_name
from stratagem.compiler.ir import functions, symbol_name, walk

EQUAL = 0
AT_MOST = (3, 7)
"""Predicate numbers of `arith.cmpi`: eq; sle and ule."""


@dataclass
class HostReader(IndexReader):
    """Reads sizes in the host program; what is not affine there gets a name of its own, the same for the same value."""

    opaque: dict[Any, str] = field(default_factory=dict)
    prefix: ClassVar[str] = "g"  # isl knows no shadowing, and kernels name their own values t0, t1, ...

    def index(self, value: Any) -> str:
        """An index value as an expression."""
        return self._or_opaque(("index", value), lambda: self.expression(value))

    def extent(self, tensor: Any, dim: int) -> str:
        """The size of a tensor's dimension as an expression."""
        return self._or_opaque(("size", tensor, dim), lambda: self.size(tensor, dim))

    def _or_opaque(self, key: Any, read: Any) -> str:
        if key in self.opaque:
            return self.opaque[key]
        try:
            text: str = read()
        except NotAffine:
            text = self.opaque[key] = self.symbol(f"h{len(self.opaque)}", "a size of the program")
        return text

    def _read(self, value: Any) -> str:
        owner = value.owner
        if isinstance(owner, ir.Block):
            raise NotAffine("an argument")
        if owner.operation.name == "tensor.dim":
            return self.extent(owner.operation.operands[0], int(self.expression(owner.operation.operands[1])))
        return super()._read(value)

    def expression(self, value: Any) -> str:
        if value not in self.names:
            self.names[value] = self._or_opaque(("value", value), lambda: self._read(value))
        return self.names[value]

    def _argument_size(self, tensor: Any, block: Any, dim: int) -> str:
        raise NotAffine("an argument")

    def _result_size(self, tensor: Any, op: Any, dim: int) -> str:
        kind = ir.RankedTensorType(tensor.type)
        dynamic_before = sum(kind.is_dynamic_dim(i) for i in range(dim))
        if op.name == "func.call":
            number = [r == tensor for r in op.results].index(True)
            return self.extent(op.operands[len(op.operands) - len(op.results) + number], dim)
        if op.name == "system.transfer":
            return self.extent(op.operands[0], dim)
        if op.name == "tensor.expand_shape":
            return self.index(op.operands[1 + dynamic_before])
        if op.name == "tensor.collapse_shape":
            group = ir.ArrayAttr(ir.ArrayAttr(op.attributes["reassociation"])[dim])
            return self._product([self.extent(op.operands[0], ir.IntegerAttr(i).value) for i in group])
        if op.name in ("tensor.empty", "tensor.cast", "tensor.extract_slice"):
            return super()._result_size(tensor, op, dim)
        raise NotAffine(op.name)

    def _product(self, sizes: list[str]) -> str:
        """The size of merged dimensions; a product of unknowns gets one name per product."""
        known, unknown = 1, []
        for size in sizes:
            if size.isdigit():
                known *= int(size)
            else:
                unknown.append(size)
        if len(unknown) > 1:
            key = ("product", tuple(unknown))
            unknown = [self.opaque.setdefault(key, f"h{len(self.opaque)}")]
            self.symbol(unknown[0], "a product of sizes")
        return f"({known}*{unknown[0]})" if unknown else str(known)


def premises_of_calls(module: Any) -> dict[str, str]:
    """Kernel -> what its calls say about its unknown sizes, as one isl condition (empty where they say nothing)."""
    names = {symbol_name(f) for f in functions(module)}
    said: dict[str, list[str]] = {}
    reader = HostReader()
    asserted = _asserted(module, reader)
    for op in walk(module.operation):
        if op.name != "func.call":
            continue
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        if callee in names:
            holds = [relation for block, relation in asserted if _lies_in(op, block)]
            said.setdefault(callee, []).append(_condition(op, reader, holds))
    return {name: _disjunction(conditions) for name, conditions in said.items()}


def _disjunction(conditions: list[str]) -> str:
    distinct = list(dict.fromkeys(conditions))
    return "" if "" in distinct else " or ".join(f"({c})" for c in distinct)


def _lies_in(op: Any, block: Any) -> bool:
    """Whether an op is in a block or in a region of one of its ops: what is asserted in a branch holds only there."""
    while op.name != "builtin.module":
        if op.block == block:
            return True
        op = op.parent.operation
    return False


def _asserted(module: Any, reader: HostReader) -> list[tuple[Any, str]]:
    """Relations between sizes that the program asserts before its kernels run, with the block where they hold."""
    found = []
    pending = [(op.block, op.operands[0]) for op in walk(module.operation) if op.name == "cf.assert"]
    while pending:
        block, value = pending.pop()
        owner = value.owner
        if isinstance(owner, ir.Block):
            continue
        op = owner.operation
        if op.name == "arith.andi":
            pending.extend((block, operand) for operand in op.operands)
        elif op.name == "arith.cmpi" and ir.IntegerAttr(op.attributes["predicate"]).value == EQUAL:
            found.append((block, " = ".join(reader.index(v) for v in op.operands)))
        elif op.name == "arith.cmpi" and ir.IntegerAttr(op.attributes["predicate"]).value in AT_MOST:
            found.append((block, " <= ".join(reader.index(v) for v in op.operands)))
    return found


def _condition(call: Any, reader: HostReader, asserted: list[str]) -> str:
    """`exists h0, ... : n0_1 = h0 and n2_1 = h0 + 2`; empty when the call passes nothing unknown."""
    equalities = []
    for number, value in enumerate(call.operands):
        if isinstance(value.type, ir.IndexType):
            equalities.append((index_name(number), reader.index(value)))
        elif isinstance(value.type, ir.RankedTensorType):
            kind = ir.RankedTensorType(value.type)
            dynamic = [d for d in range(kind.rank) if kind.is_dynamic_dim(d)]
            equalities += [(size_name(number, d), reader.extent(value, d)) for d in dynamic]
    if not equalities:
        return ""
    texts = [f"{name} = {expression}" for name, expression in equalities]
    texts += _relevant(asserted, texts)
    auxiliary = reader.auxiliaries_in(texts)
    texts += [reader.auxiliary[t] for t in auxiliary]
    hidden = [s for s in reader.symbols if _mentions(texts, s)] + auxiliary
    quantified = f"exists {', '.join(hidden)} : " if hidden else ""
    return quantified + " and ".join(texts)


def _relevant(asserted: list[str], texts: list[str]) -> list[str]:
    """The asserted relations that speak only of sizes the texts already speak of, equalities first: an equality with
    one known side makes its other side known. The rest would only make the sets larger."""
    known = {name for text in texts for name in _sizes_of(text)}
    chosen: list[str] = []
    pending = sorted(dict.fromkeys(asserted), key=lambda text: "<=" in text)
    progress = True
    while progress:
        fits = [t for t in pending if _sizes_of(t) <= known or (" = " in t and _sizes_of(t) & known)]
        progress = bool(fits)
        for text in fits:
            known |= _sizes_of(text)
            pending.remove(text)
        chosen += fits
    return chosen


def _sizes_of(text: str) -> set[str]:
    return set(re.findall(r"\b[hg]\d+\b", text))


def _mentions(texts: list[str], name: str) -> bool:
    return any(re.search(rf"\b{name}\b", text) for text in texts)


def unrelated_sizes(premise: str) -> int:
    """How many sizes of the program a premise speaks of without saying where they come from."""
    return len(set(re.findall(r"\bh\d+\b", premise)))


def updated_destinations(module: Any) -> dict[str, set[int]]:
    """Kernel -> results whose destination holds values already in some call, so that not all of it must be written."""
    found: dict[str, set[int]] = {}
    for op in walk(module.operation):
        if op.name != "func.call":
            continue
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        destinations = list(op.operands)[len(op.operands) - len(op.results) :]
        for number, value in enumerate(destinations):
            owner = value.owner
            if isinstance(owner, ir.Block) or owner.operation.name != "tensor.empty":
                found.setdefault(callee, set()).add(number)
    return found
