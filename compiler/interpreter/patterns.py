"""What a structured operation computes, read from its maps and body once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg

from stratagem.compiler.interpreter.access import Access
from stratagem.compiler.interpreter.attributes import segments
from stratagem.compiler.interpreter.instructions import Body, Instruction
from stratagem.runtime.errors import UnsupportedError

UNIT = -1
"""In `Structure.orders`: a dimension of size 1 that the map indexes with the constant 0 (a reduction that
keeps it).
"""

COMBINERS = {
    "arith.addf": "add",
    "arith.mulf": "mul",
    "arith.maximumf": "maximum",
    "arith.minimumf": "minimum",
    "arith.maxnumf": "maxnum",
    "arith.minnumf": "minnum",
    "arith.addi": "add",
    "arith.muli": "mul",
    "arith.maxsi": "maxs",
    "arith.minsi": "mins",
    "arith.maxui": "maxu",
    "arith.minui": "minu",
    "arith.andi": "and",
    "arith.ori": "or",
    "arith.xori": "xor",
}
"""Associative and commutative operations: a reduction by one of them may be evaluated in any order."""


@dataclass(frozen=True)
class Combiner:
    """`output = function(output, term)`; `term` is a slot."""

    function: str
    element: str
    term: int


@dataclass(frozen=True)
class Structure:
    """A decoded structured operation.

    `used` tells which operands the body reads; `arguments` how many block arguments it has; `orders` how the
    parallel dimensions of each output are permuted. For reductions of known form `combiners` has one entry
    per output, `terms` are the instructions that compute the terms, and `contraction` is the product that was
    left out of them.
    """

    accesses: tuple[Access, ...]
    inputs: int
    outputs: int
    parallel: tuple[int, ...]
    reduction: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...]
    used: tuple[bool, ...]
    arguments: int
    uses_index: bool
    combiners: tuple[Combiner, ...] | None
    terms: tuple[Instruction, ...]
    contraction: Instruction | None

    @staticmethod
    def of(instruction: Instruction) -> Structure:
        op = instruction.op
        maps = linalg.get_indexing_maps(op) if len(op.regions) else None
        if maps is None:
            raise UnsupportedError(f"{op.name} has no reference semantics", location=instruction.location)
        accesses = tuple(Access.of(ir.AffineMapAttr(m).value) for m in maps)
        inputs, outputs = _counts(op, len(accesses))
        reduction = _reduction_dims(op, accesses[inputs:])
        parallel = tuple(d for d in range(accesses[0].dims) if d not in reduction)
        orders = tuple(_order(instruction, access, parallel) for access in accesses[inputs:])
        body = instruction.bodies[0]
        combiners, terms, product = _reduction_form(body, inputs, outputs) if reduction else (None, (), None)
        used = tuple(
            (bool(reduction) and k >= inputs) or (k < len(body.arguments) and body_reads(body, body.arguments[k]))
            for k in range(len(accesses))
        )
        return Structure(
            accesses,
            inputs,
            outputs,
            parallel,
            reduction,
            orders,
            used,
            len(body.arguments),
            _uses_index(body),
            combiners,
            terms,
            product,
        )


def body_reads(body: Body, slot: int) -> bool:
    """Whether a body, nested ones included, reads a slot."""
    return any(
        slot in instruction.operands or any(body_reads(inner, slot) for inner in instruction.bodies)
        for instruction in (*body.instructions, body.terminator)
    )


def _counts(op: Any, operands: int) -> tuple[int, int]:
    if "operandSegmentSizes" in op.attributes:
        parts = segments(op)
        return parts[0].stop, parts[1].stop - parts[1].start
    outputs = max(len(op.results), 1)
    return operands - outputs, outputs


def _reduction_dims(op: Any, outputs: Sequence[Access]) -> tuple[int, ...]:
    """As written on the operation, else the dimensions that index no output."""
    if "iterator_types" in op.attributes:
        kinds = [str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"])]
        return tuple(d for d, kind in enumerate(kinds) if "parallel" not in kind)
    present = {dim for access in outputs for dim in access.plain}
    return tuple(d for d in range(outputs[0].dims) if d not in present)


def _order(instruction: Instruction, access: Access, parallel: tuple[int, ...]) -> tuple[int, ...]:
    """The position among `parallel` of each output dimension; UNIT for a size-1 dimension at constant
    index.
    """
    if sorted(d for d in access.plain if d is not None) != list(parallel) or not access.elsewhere_first():
        raise UnsupportedError(
            f"{instruction.name}: an output map does not permute the parallel dimensions {list(parallel)}",
            location=instruction.location,
        )
    return tuple(UNIT if d is None else parallel.index(d) for d in access.plain)


def _uses_index(body: Body) -> bool:
    return any(i.name == "linalg.index" or any(_uses_index(inner) for inner in i.bodies) for i in body.instructions)


def _reduction_form(
    body: Body, inputs: int, outputs: int
) -> tuple[tuple[Combiner, ...] | None, tuple[Instruction, ...], Instruction | None]:
    """Recognises outputs that are combined with a term by one known operation each, and sums of products."""
    makers = {slot: i for i in body.instructions for slot in i.results}
    combiners, last = [], []
    for position, slot in enumerate(body.terminator.operands):
        accumulator = body.arguments[inputs + position]
        maker = makers.get(slot)
        if maker is None or maker.name not in COMBINERS or maker.operands.count(accumulator) != 1:
            return None, (), None
        if _reads(body, accumulator) != 1 or _reads(body, slot) != 1:
            return None, (), None
        term = maker.operands[0] if maker.operands[1] == accumulator else maker.operands[1]
        combiners.append(Combiner(COMBINERS[maker.name], maker.element, term))
        last.append(maker)
    terms = [i for i in body.instructions if not any(i is maker for maker in last)]
    product = makers.get(combiners[0].term) if outputs == 1 and combiners[0].function == "add" else None
    if product is None or product.name not in ("arith.mulf", "arith.muli") or _reads(body, combiners[0].term) != 1:
        return tuple(combiners), tuple(terms), None
    return tuple(combiners), tuple(i for i in terms if i is not product), product


def _reads(body: Body, slot: int) -> int:
    """How often a slot is read in a body; reads in nested bodies count too."""
    return sum(
        instruction.operands.count(slot) + sum(_reads(inner, slot) for inner in instruction.bodies)
        for instruction in (*body.instructions, body.terminator)
    )
