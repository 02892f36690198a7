"""What a kernel's callers say about the sizes they pass, read from the calls.

A kernel is proved for all sizes that its callers can pass, not for all combinations of numbers: a convolution's output
is as large as its input allows. Each call gives every unknown size of the kernel as a polynomial in sizes of the
program (`host_sizes.py`); what is known of these, and what the program asserts on the way to the call, relates them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import islpy as isl
from torch_mlir import ir

from stratagem.compiler.checks.equalities import UNKNOWN, Names
from stratagem.compiler.checks.host_operations import Comparison, comparisons
from stratagem.compiler.checks.host_sizes import Fact, HostSizes
from stratagem.compiler.checks.index_reader import index_name, is_size, size_name
from stratagem.compiler.checks.polynomials import Polynomial
from stratagem.compiler.checks.relations import relating
from stratagem.compiler.ir import functions, symbol_name, walk

MOST_CASES = 64
"""Alternatives of one condition: isl keeps all of them apart. What is left out makes a proof harder, never wrong."""


def premises_of_calls(module: Any) -> dict[str, tuple[str, ...]]:
    """Kernel -> what each of its calls says about its unknown sizes, as isl conditions, equal ones once; an empty
    condition where a call says nothing."""
    names = {symbol_name(f) for f in functions(module)}
    said: dict[str, dict[str, None]] = {}
    sizes = HostSizes()
    asserted: list[Fact] = []
    for op in walk(module.operation):
        if op.name == "cf.assert":
            asserted += [Fact(c.text, _names(c), op, c.cases) for c in comparisons(sizes, op.operands[0])]
        if op.name != "func.call":
            continue
        callee = str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value)
        if callee in names:
            said.setdefault(callee, {})[_condition(op, sizes, asserted)] = None
    return {name: tuple(conditions) for name, conditions in said.items()}


def _names(comparison: Comparison) -> frozenset[str]:
    return frozenset().union(*(s.unknowns() for s in comparison.sides))


def _condition(call: Any, sizes: HostSizes, asserted: list[Fact]) -> str:
    """`exists h0, ... : n0_1 = h0 and n2_1 = h0 + 2`; empty when the call passes nothing unknown."""
    passed = dict(_passed(call, sizes))
    before = [fact for fact in asserted if _runs_before(fact.after, call)]
    names = Names(before)
    given = dict.fromkeys(names.of(name) for size in passed.values() for name in sorted(size.unknowns()))
    known = map(names.fact, [*sizes.facts, *before, *_branches_taken(call, sizes)])
    facts = relating(given, [*known, *_equal_products(list(given))])
    texts = [f"{symbol} = {names.text(str(size))}" for symbol, size in passed.items()] + [
        f"({fact.text})" for fact in _few_cases(facts, set(given))
    ]
    return _quantified(list(dict.fromkeys(texts)))


def _equal_products(given: list[str]) -> Iterator[Fact]:
    """Two products that differ in one factor are equal where that factor is."""
    products = [(name, Counter(name.split("_"))) for name in given if "_" in name]
    for (one, factors), (two, others) in itertools.combinations(products, 2):
        left, right = list((factors - others).elements()), list((others - factors).elements())
        if len(left) == len(right) == 1:
            yield Fact(f"{left[0]} != {right[0]} or {one} = {two}", frozenset([one, two, *left, *right]), cases=3)


def _few_cases(facts: list[Fact], given: set[str]) -> list[Fact]:
    """The facts without those whose alternatives would multiply beyond measure, nearest to the given sizes first."""
    cases, dropped = 1, set()
    for fact in sorted((f for f in facts if f.cases > 1), key=lambda f: len(f.names - given)):
        if cases * fact.cases > MOST_CASES:
            dropped.add(fact)
        else:
            cases *= fact.cases
    return [f for f in facts if f not in dropped]


def _passed(call: Any, sizes: HostSizes) -> Iterator[tuple[str, Polynomial]]:
    """The kernel's symbols for unknown sizes and index arguments, with what the call passes for them."""
    for number, value in enumerate(call.operands):
        if isinstance(value.type, ir.IndexType):
            yield index_name(number), sizes.index(value)
        elif isinstance(value.type, ir.RankedTensorType):
            kind = ir.RankedTensorType(value.type)
            for dim in range(kind.rank):
                if kind.is_dynamic_dim(dim):
                    yield size_name(number, dim), sizes.extent(value, dim)


def _runs_before(assertion: Any, call: Any) -> bool:
    """Whether the call runs only after the assertion; the walk has met the assertion first."""
    block, inside = assertion.block, call
    while inside is not None and inside.name != "func.func":
        if inside.block == block:
            return True
        inside = inside.parent.operation
    return False


def _branches_taken(call: Any, sizes: HostSizes) -> Iterator[Fact]:
    """What the conditions say in whose `then` branches the call stands."""
    inside, outer = call, call.parent.operation
    while outer.name != "func.func":
        if outer.name == "scf.if" and inside.block == outer.regions[0].blocks[0]:
            for comparison in comparisons(sizes, outer.operands[0]):
                yield Fact(comparison.text, _names(comparison), cases=comparison.cases)
        inside, outer = outer, outer.parent.operation


def _quantified(texts: list[str]) -> str:
    """The conjunction with the program's unknowns bound and numbered as they come, so that calls that say the same say
    it in the same words."""
    numbers: dict[str, str] = {}
    renamed = [UNKNOWN.sub(lambda m: numbers.setdefault(m.group(), f"h{len(numbers)}"), text) for text in texts]
    quantified = f"exists {', '.join(numbers.values())} : " if numbers else ""
    return quantified + " and ".join(renamed)


def possible_sizes(premises: Sequence[str]) -> tuple[Any, list[str]]:
    """The sizes that fulfil one of the conditions, as an isl set of parameters, all sizes where there is no condition;
    and the conditions that no sizes fulfil."""
    if not premises or "" in premises:
        return isl.Set("{ : }"), []
    sets = {condition: _fulfilling(condition) for condition in premises}
    contradictory = [condition for condition, found in sets.items() if found.is_empty()]
    union = isl.Set("{ : false }")
    for found in sets.values():
        union = union.union(found)
    return union.coalesce(), contradictory


def _fulfilling(condition: str) -> Any:
    symbols = dict.fromkeys(re.findall(r"\bn\d+_\d+\b|\ba\d+\b", condition))
    signs = [f"{symbol} >= 0" for symbol in symbols if is_size(symbol)]
    return isl.Set(f"[{', '.join(symbols)}] -> {{ : {' and '.join([*signs, f'({condition})'])} }}")


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
