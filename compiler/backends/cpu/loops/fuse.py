"""A reduction takes in the elementwise operation whose result it reads: each vector is summed while it is in registers.

Before: `generic {e = exp(x)}`, `generic {s += e}`. After: one generic with outputs `s` and `e`, whose loops are those
of the reduction. On buffers, where both would have run anyway: no value is computed twice or in another way.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg

from stratagem.compiler.backends.cpu.loops.access import NARROW_FLOATS
from stratagem.compiler.backends.cpu.loops.body import is_elementwise, reads_argument
from stratagem.compiler.backends.cpu.loops.choose import choose
from stratagem.compiler.backends.cpu.loops.combine import combiner_of
from stratagem.compiler.backends.cpu.loops.nest import NotLinear, read_nest, simplify
from stratagem.compiler.backends.cpu.outline_phases import buffer_root
from stratagem.compiler.backends.cpu.target import CpuTarget

_ADDRESSING = ("memref.subview", "memref.cast", "memref.dim")


def fuse_producers(ops: list[Any], target: CpuTarget) -> list[Any]:
    """Fuses what can be fused among the generics `ops` of a function, in order; returns those that are there then."""
    found = list(ops)
    for op in ops:
        position = _read_result(op)
        producer = _maker(op, position) if position is not None else None
        if position is None or producer is None or not _may_run_at(producer, op):
            continue
        with ir.InsertionPoint(op):
            fused = _fused(producer, op, position)
        if not _runs_along_its_sums(fused, target):
            fused.erase()
            continue
        found[found.index(op)] = fused
        found.remove(producer)
        producer.erase()
        op.erase()
    return found


def stores_beside_sums(op: Any) -> bool:
    """Whether an operation has outputs after the first that it never reads: those of producers."""
    first, count = (int(n) for n in ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    body = op.regions[0].blocks[0]
    return any(not reads_argument(body, first + i) for i in range(1, count))


def _runs_along_its_sums(fused: Any, target: CpuTarget) -> bool:
    """Whether the lanes lie along what is summed: only this strategy stores at every step of a sum."""
    with ir.InsertionPoint(fused):
        try:
            return choose(simplify(read_nest(fused)), target).kind == "lanes"
        except NotLinear:
            return False


def _read_result(op: Any) -> int | None:
    """The one input of a reduction that is walked by all of its loops, when the loops may carry a store as well."""
    body, maps = op.regions[0].blocks[0], _maps(op)
    if len(op.operands) - len(_inputs(op)) != 1 or combiner_of(body) is None or not _is_plain(op):
        return None
    if "reduction" not in str(op.attributes["iterator_types"]) or not _is_local(_output(op)):
        return None
    able = [i for i, _ in enumerate(_inputs(op)) if reads_argument(body, i) and _is_permutation(maps[i])]
    return able[0] if len(able) == 1 else None


def _maker(op: Any, position: int) -> Any | None:
    """The elementwise operation before `op` that wrote this input of it, all of it."""
    value = op.operands[position]
    element = str(ir.MemRefType(value.type).element_type) if isinstance(value.type, ir.MemRefType) else ""
    if not element or element in NARROW_FLOATS or element == "i1":
        return None  # what is stored is not what is in registers
    makers = [one for one in _before(op) if one.name == "linalg.generic" and _output(one) == value]
    if not makers or len(makers[-1].operands) - len(_inputs(makers[-1])) != 1:
        return None
    maker = makers[-1]
    body = maker.regions[0].blocks[0]
    overwrites = not reads_argument(body, len(_inputs(maker))) and "reduction" not in str(
        maker.attributes["iterator_types"]
    )
    return maker if overwrites and _is_plain(maker) and _is_permutation(_maps(maker)[-1]) else None


def _may_run_at(producer: Any, op: Any) -> bool:
    """Whether the producer may run as late as `op`: what runs in between and what `op` writes touches neither what the
    producer reads nor what it writes."""
    touched = [buffer_root(v) for v in producer.operands if isinstance(v.type, ir.MemRefType)]
    written = buffer_root(_output(producer))
    others = [v for v in op.operands if isinstance(v.type, ir.MemRefType) and v != _output(producer)]
    if any(buffer_root(v) == written for v in others) or buffer_root(_output(op)) in touched:
        return False
    between = _before(op)
    for one in between[between.index(producer) + 1 :]:
        if one.name in _ADDRESSING or one.name == "memref.alloc" or one.name.startswith(("arith.", "affine.")):
            continue
        if one.name != "linalg.generic" or not _is_local(_output(one)) or buffer_root(_output(one)) in touched:
            return False
        if any(isinstance(v.type, ir.MemRefType) and buffer_root(v) == written for v in one.operands):
            return False
    return True


def _fused(producer: Any, op: Any, position: int) -> Any:
    """One generic: inputs of the producer, then other inputs of the reduction; outputs of the reduction, then of the
    producer."""
    own = [i for i in range(len(_inputs(op))) if i != position]
    inputs = [*_inputs(producer), *(op.operands[i] for i in own)]
    read, maps = _maps(op)[position], _maps(op)
    moved = [_through(m, _maps(producer)[-1], read) for m in _maps(producer)]
    attributes = [*moved[:-1], *(maps[i] for i in own), maps[-1], read]
    made = linalg.GenericOp(
        [],
        inputs,
        [_output(op), _output(producer)],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in attributes]),
        op.attributes["iterator_types"],
    ).operation
    first, second = producer.regions[0].blocks[0], op.regions[0].blocks[0]
    kinds = [*[a.type for a in first.arguments][:-1], *(second.arguments[i].type for i in own)]
    block = made.regions[0].blocks.append(
        *kinds, second.arguments[len(second.arguments) - 1].type, first.arguments[len(first.arguments) - 1].type
    )
    mapping = dict(zip(list(first.arguments)[:-1], block.arguments, strict=False))
    with ir.InsertionPoint(block):
        value = _copy_body(first, mapping)
        mapping[second.arguments[position]] = value
        arguments = list(block.arguments)[len(_inputs(producer)) :]
        mapping |= dict(zip([second.arguments[i] for i in own], arguments, strict=False))
        mapping[second.arguments[len(second.arguments) - 1]] = arguments[len(own)]
        linalg.YieldOp([_copy_body(second, mapping), value])
    return made


def _copy_body(block: Any, mapping: dict[Any, Any]) -> Any:
    """Copies what a body computes to the insertion point; returns what it yields."""
    operations = [child.operation for child in block.operations]
    for one in operations[:-1]:
        copy = one.clone().operation
        for i, operand in enumerate(copy.operands):
            copy.operands[i] = mapping.get(operand, operand)
        mapping |= dict(zip(one.results, copy.results, strict=True))
    return mapping.get(operations[-1].operands[0], operations[-1].operands[0])


def _through(one: Any, written: Any, read: Any) -> Any:
    """A map of the producer over the loops of the reduction, which reads through `read` what was written through
    `written`."""
    loops = {ir.AffineDimExpr(w).position: r for w, r in zip(written.results, read.results, strict=True)}
    renamed = ir.AffineMap.get(read.n_dims, 0, [loops[i] for i in range(written.n_dims)])
    return ir.AffineMap.get(read.n_dims, 0, [e.compose(renamed) for e in one.results])


def _is_plain(op: Any) -> bool:
    """Elementwise arithmetic without the loops' counters, which would have to be renamed."""
    body = op.regions[0].blocks[0]
    return is_elementwise(body) and all(child.operation.name != "linalg.index" for child in body.operations)


def _is_permutation(one: Any) -> bool:
    dims = [ir.AffineDimExpr(e).position for e in one.results if isinstance(e, ir.AffineDimExpr)]
    return len(dims) == len(one.results) == one.n_dims and len(set(dims)) == len(dims)


def _is_local(value: Any) -> bool:
    """Whether a buffer was allocated here, so that nothing else is the same memory."""
    root = buffer_root(value)
    return not isinstance(root.owner, ir.Block) and root.owner.operation.name == "memref.alloc"


def _before(op: Any) -> list[Any]:
    """The operations before `op` in its block."""
    found: list[Any] = []
    for child in op.block.operations:
        if child.operation == op:
            return found
        found.append(child.operation)
    return found


def _maps(op: Any) -> list[Any]:
    return [ir.AffineMapAttr(a).value for a in ir.ArrayAttr(op.attributes["indexing_maps"])]


def _inputs(op: Any) -> list[Any]:
    return list(op.operands)[: int(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])[0])]


def _output(op: Any) -> Any:
    return op.operands[len(op.operands) - 1]
