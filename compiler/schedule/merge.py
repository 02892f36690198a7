"""Merges elementwise ops of a kernel into the op that reads them: one loop body instead of a tensor in
between.

Before: `%1 = generic(%a)`, `%2 = generic(%1)`. After: `%2 = generic(%a)` with both bodies. Only where nothing is
computed more often than before, or what is repeated costs less than reading it back would.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule.clone import Mapping, clone
from stratagem.compiler.schedule.rebuild import Pair, drop_unit_loops, empty_generic, renumber
from stratagem.compiler.schedule.structured import (
    Access,
    accesses,
    body,
    body_ops,
    inits,
    input_count,
    inputs,
    is_contraction,
    is_elementwise,
    is_generic,
    is_permutation,
    is_tensor,
    iterators,
    loop_extents,
    output_accesses,
    owner,
    unsized_loops,
)

CHEAP = frozenset(
    [
        "arith.extf",
        "arith.truncf",
        "arith.extsi",
        "arith.extui",
        "arith.trunci",
        "arith.sitofp",
        "arith.uitofp",
        "arith.addf",
        "arith.subf",
        "arith.mulf",
        "arith.negf",
        "arith.cmpf",
        "arith.cmpi",
        "arith.select",
        "arith.index_cast",
        "arith.maximumf",
        "arith.minimumf",
        "linalg.yield",
    ]
)
"""Scalar ops that cost less than storing and reloading their result."""
CHEAP_OPS = 3
CHEAP_USERS = 4


def merge_elementwise(block: Any) -> None:
    """Merges what can be merged among the generics of a kernel's block, last consumers first."""
    changed = True
    while changed:
        changed = False
        for op in reversed([view.operation for view in block.operations]):
            if is_generic(op) and not is_contraction(op) and _merge_one(op):
                changed = True
                break


def _merge_one(consumer: Any) -> bool:
    for value in inputs(consumer):
        producer = owner(value) if is_tensor(value) else None
        if producer is not None and _can_merge(producer, consumer):
            _merge(producer, consumer)
            return True
    return False


def _can_merge(producer: Any, consumer: Any) -> bool:
    if not is_elementwise(producer) or len(producer.results) != 1 or is_contraction(producer):
        return False
    if any(list(a.uses) for a in list(body(producer).arguments)[input_count(producer) :]):
        return False
    users = {use.owner.operation for use in producer.results[0].uses}
    if users != {consumer} and not _cheap_to_repeat(producer, users):
        return False
    if producer.results[0] in inits(consumer):
        return False
    loops = len(iterators(consumer))
    reads = {a for v, a in zip(consumer.operands, accesses(consumer), strict=True) if v == producer.results[0]}
    if len(reads) != 1 or not all(is_permutation(a) and len(a) == loops for a in reads):
        return False
    # A loop that only the value in between sizes may go with it where it runs once; else it needs the value.
    extents = loop_extents(consumer)
    return all(extents[loop] == 1 for loop in _unsized_without(producer, consumer))


def _unsized_without(producer: Any, consumer: Any) -> list[int]:
    """The consumer's loops that no operand would size once it reads what the producer reads."""
    kept, fresh, _, _ = _merged_reads(producer, consumer)
    return unsized_loops([*(a for _, a in [*kept, *fresh]), *output_accesses(consumer)], len(iterators(consumer)))


def _merged_reads(producer: Any, consumer: Any) -> tuple[list[Pair], list[Pair], list[Pair], dict[int, int]]:
    """What the merged op reads: the consumer's other inputs and the producer's that are new; then all the producer
    reads in terms of the consumer's loops, and the consumer's loop for each of the producer's."""
    value = producer.results[0]
    old = list(zip(inputs(consumer), accesses(consumer), strict=False))
    loops = _producer_loops(producer, next(a for v, a in old if v == value))
    taken = [(v, renumber(a, loops)) for v, a in zip(inputs(producer), accesses(producer), strict=False)]
    kept = [(v, a) for v, a in old if v != value]
    return kept, [pair for pair in taken if pair not in kept], taken, loops


def _cheap_to_repeat(producer: Any, users: set[Any]) -> bool:
    ops = body_ops(producer)
    if len(ops) > CHEAP_OPS or len(users) > CHEAP_USERS or any(o.name not in CHEAP for o in ops):
        return False
    return all(is_generic(u) and not is_contraction(u) for u in users)


@rests_on("selected-once")
def _merge(producer: Any, consumer: Any) -> None:
    value = producer.results[0]
    unsized = _unsized_without(producer, consumer)
    kept, fresh, taken, loops = _merged_reads(producer, consumer)
    with ir.InsertionPoint(consumer), consumer.location:
        made = empty_generic(consumer, [*kept, *fresh])
        _fill(made, producer, consumer, [*kept, *fresh], taken, loops, value)
    for before, after in zip(consumer.results, made.results, strict=True):
        before.replace_all_uses_with(after)
    consumer.erase()
    if unsized:
        drop_unit_loops(made, unsized)
    if not list(value.uses):
        producer.erase()


def _producer_loops(producer: Any, read: Access) -> dict[int, int]:
    """Which loop of the consumer each loop of the producer becomes."""
    written = accesses(producer)[input_count(producer)]
    loops = [(w.loop, r.loop) for w, r in zip(written, read, strict=True) if w is not None and r is not None]
    return {old: new for old, new in loops if old is not None and new is not None}


def _fill(
    made: Any,
    producer: Any,
    consumer: Any,
    read: list[Pair],
    taken: list[Pair],
    loops: dict[int, int],
    value: Any,
) -> None:
    new = list(body(made).arguments)
    at = {pair: new[i] for i, pair in enumerate(read)}
    mapping: Mapping = {}
    for argument, pair in zip(body(producer).arguments, taken, strict=False):
        mapping[argument] = at[pair]
    with ir.InsertionPoint(body(made)):
        for inner in body_ops(producer)[:-1]:
            copy = clone(inner, mapping)
            if copy.name == "linalg.index":
                old = int(ir.IntegerAttr(copy.attributes["dim"]).value)
                copy.attributes["dim"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), loops[old])
        result = body_ops(producer)[-1].operands[0]
        result = mapping.get(result, result)
        arguments = list(body(consumer).arguments)
        pairs = list(zip(inputs(consumer), accesses(consumer), strict=False))
        for argument, pair in zip(arguments, pairs, strict=False):
            mapping[argument] = result if pair[0] == value else at[pair]
        for argument, target in zip(arguments[len(pairs) :], new[len(read) :], strict=True):
            mapping[argument] = target
        for inner in body_ops(consumer):
            clone(inner, mapping)
