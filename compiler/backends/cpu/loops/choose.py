"""Which strategy suits a nest, from sizes, strides and loop kinds alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.body import is_elementwise, reads_argument
from stratagem.compiler.backends.cpu.loops.combine import combiner_of
from stratagem.compiler.backends.cpu.loops.dot import Dot
from stratagem.compiler.backends.cpu.loops.nest import Nest, indices_used
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.schedule.register_block import (
    FEW_ROWS,
    MOST_ROWS,
    PACK_ROWS,
    PACK_STRIDE,
    SPARE_REGISTERS,
    WIDE_VECTORS,
    is_scattered,
    most_rows,
    register_block,
)

LARGEST_SQUARE = 16
"""Lanes of a square turned in registers."""
LARGEST_TURNED_BODY = 12
"""Operations of a body that may be repeated for every row of a square."""
STREAMS = 6
"""Rows of a long operand that are read side by side: no more streams than prefetchers follow."""


@dataclass(frozen=True)
class Plan:
    """A strategy and its loops.

    Attributes:
        kind: "map" (no reduction), "turn" (no reduction, operands dense along different loops), "block" (lanes along a
            parallel loop, sums in registers), "lanes" (lanes along a reduction), "scalar".
        vector: the loop whose iterations are lanes. rows: the loop unrolled into registers, if any.
        lanes: elements of a vector. vectors: vectors side by side. height: rows of a register block.
        packed: the input copied to a dense panel first, if any; must: in place it cannot be read as vectors.
        chunk: how many steps of the only reduction all blocks of columns do before the next ones; 0 for all of them.
        few: the plan to follow instead where, at run time, there are fewer than FEW_ROWS rows.
        line_bytes: of a cache line, for what is fetched ahead.
        dot: the instruction that makes the sums from groups along the reduction `grouped`, if any; then `columns` is
        the input that is read as vectors, and both inputs are packed where they do not lie in groups.
    """

    kind: str
    vector: int = -1
    rows: int | None = None
    lanes: int = 1
    vectors: int = 1
    height: int = 1
    packed: int | None = None
    must: bool = False
    chunk: int = 0
    few: Plan | None = None
    line_bytes: int = 64
    dot: Dot | None = None
    grouped: int = -1
    columns: int = -1

    def __str__(self) -> str:
        """For reports: `block 6x4 of 16 lanes, packed`."""
        if self.kind == "scalar":
            return self.kind
        shape = f" {self.height}x{self.vectors}" if self.kind in ("block", "lanes") else ""
        packed = ", packed" if self.packed is not None else ""
        dots = f", dots of {self.dot.group} {self.dot.element}" if self.dot is not None else ""
        return f"{self.kind}{shape} of {self.lanes} lanes{packed}{dots}"


def choose(nest: Nest, target: CpuTarget) -> Plan:
    """The strategy for a nest."""
    if not is_elementwise(nest.body) or not nest.sizes:
        return Plan("scalar")
    lanes = _lanes(nest, target)
    vectors = [d for d in nest.loops(True) if all(a.is_unit(d) for a in nest.outputs)]
    if not nest.loops(False):
        best = max(vectors, key=lambda d: _contiguous(nest, d), default=None)
        if best is None or _gathers(nest, best):
            return _turned(nest, lanes, vectors) or Plan("scalar")
        return Plan("map", best, None, lanes)
    block = _best_block(nest, target, lanes, vectors)
    reduction = _reduction(nest, target, lanes)
    if block is None or _too_narrow(nest, block):
        return reduction or block or Plan("scalar")
    few = reduction if block.must else _wide(nest, target, block)
    if block.rows is None:
        return replace(block, chunk=_chunk(nest, block.vector))
    if few is None:
        return block
    rows = nest.known_size(block.rows)
    if rows is None:
        return replace(block, few=few)
    return few if rows < FEW_ROWS else block


def _turned(nest: Nest, lanes: int, vectors: list[int]) -> Plan | None:
    """Lanes along one loop, with the operands that are dense along another loop turned square by square."""
    lanes = min(lanes, LARGEST_SQUARE)
    operations = len(list(nest.body.operations))
    if indices_used(nest.body) or operations > LARGEST_TURNED_BODY or lanes & (lanes - 1) or lanes < 2:
        return None
    for d in vectors:
        gathered = _gathers(nest, d)
        for t in nest.loops(True):
            wide = all((nest.known_size(loop) or lanes) >= lanes for loop in (d, t))
            if t != d and wide and all(nest.inputs[i].is_unit(t) for i in gathered):
                return Plan("turn", d, t, lanes)
    return None


def _lanes(nest: Nest, target: CpuTarget) -> int:
    """Lanes of the widest type that takes part in registers."""
    widest = max(a.bytes() for a in nest.accesses)
    return max(1, target.vector_bytes // widest)


def _contiguous(nest: Nest, d: int) -> tuple[int, int]:
    """How many operands are dense or constant along `d`, then the trip count."""
    return sum(a.is_unit(d) or not a.moves_with(d) for a in nest.accesses), nest.known_size(d) or 1 << 30


def _gathers(nest: Nest, d: int) -> list[int]:
    """Inputs that a vector along `d` must collect element by element."""
    used = [i for i, _ in enumerate(nest.inputs) if reads_argument(nest.body, i)]
    return [i for i in used if nest.inputs[i].moves_with(d) and nest.inputs[i].coefficients[d] not in (1, 2)]


def _best_block(nest: Nest, target: CpuTarget, lanes: int, vectors: list[int]) -> Plan | None:
    """The widest loop with direct vector accesses, else one whose one gathered operand is worth packing."""
    direct = [d for d in vectors if not _gathers(nest, d)]
    if direct:
        d = max(direct, key=lambda d: nest.known_size(d) or 1 << 30)
        return _shape(nest, target, lanes, d, _panel_candidate(nest, d, target), must=False)
    for d in vectors:
        gathered = _gathers(nest, d)
        rows = _reuse_loop(nest, d, gathered)
        if len(gathered) == 1 and rows is not None:
            return _shape(nest, target, lanes, d, gathered[0], must=True)
    return None


def _wide(nest: Nest, target: CpuTarget, block: Plan) -> Plan | None:
    """The same block with few rows and long ones, for operands that are read once or twice."""
    moving = [i for i, a in enumerate(nest.inputs) if a.moves_with(block.vector) and reads_argument(nest.body, i)]
    if len(moving) != 1 or len(nest.outputs) != 1:
        return None
    height = 2
    vectors = max(1, min(WIDE_VECTORS, (target.registers - SPARE_REGISTERS) // (height + 1)))
    size = nest.known_size(block.vector)
    vectors = min(vectors, -(-size // block.lanes)) if size is not None else vectors
    return replace(block, vectors=vectors, height=height, packed=None, must=False, chunk=_chunk(nest, block.vector))


def _chunk(nest: Nest, vector: int) -> int:
    """Steps of a reduction to do at a time so that a long operand, dense along `vector`, streams row by row."""
    reductions = nest.loops(False)
    moving = [a for i, a in enumerate(nest.inputs) if a.moves_with(vector) and reads_argument(nest.body, i)]
    if len(reductions) != 1 or len(moving) != 1 or not moving[0].is_unit(vector):
        return 0
    step = moving[0].coefficients[reductions[0]]
    return STREAMS if not isinstance(step, int) or step >= PACK_STRIDE else 0


def _too_narrow(nest: Nest, plan: Plan) -> bool:
    size = nest.known_size(plan.vector)
    return size is not None and size * 4 < plan.lanes


def _reuse_loop(nest: Nest, vector: int, operands: list[int]) -> int | None:
    """The longest other parallel loop along which none of these inputs moves, inner ones first."""
    able = [d for d in nest.loops(True) if d != vector and not any(nest.inputs[i].moves_with(d) for i in operands)]
    return max(able, key=lambda d: (nest.known_size(d) or 1 << 30, d), default=None)


def _panel_candidate(nest: Nest, vector: int, target: CpuTarget) -> int | None:
    """An input read along `vector` whose rows lie far apart, and which many rows of the block would read again."""
    moving = [i for i, a in enumerate(nest.inputs) if a.moves_with(vector) and reads_argument(nest.body, i)]
    rows = _reuse_loop(nest, vector, moving)
    if len(moving) != 1 or rows is None or not nest.inputs[moving[0]].is_unit(vector):
        return None
    read = nest.inputs[moving[0]]
    far = all(_is_scattered(read, k, nest.known_size(k), target) for k in nest.loops(False))
    return moving[0] if far and (nest.known_size(rows) or 1 << 30) >= PACK_ROWS else None


def _is_scattered(read: Access, reduction: int, size: int | None, target: CpuTarget) -> bool:
    step = read.coefficients[reduction]
    known = isinstance(step, int) and size is not None
    return not known or is_scattered(step, size, read.bytes(), target.private_bytes)  # type: ignore[arg-type]


def _shape(nest: Nest, target: CpuTarget, lanes: int, vector: int, packed: int | None, must: bool) -> Plan:
    """Rows and vectors of the register block: sums, one vector per moving operand and two spare registers must fit."""
    moving = [i for i, a in enumerate(nest.inputs) if a.moves_with(vector) and reads_argument(nest.body, i)]
    # A panel holds no rows: the packed operand must not move with them.
    rows = _reuse_loop(nest, vector, moving if packed is None else [packed])
    most = MOST_ROWS
    vectors = register_block(target.registers).vectors
    if rows is None:  # nothing is read twice; several sums still hide latency
        others = [d for d in nest.loops(True) if d != vector]
        rows = max(others, key=lambda d: (nest.known_size(d) or 1 << 30, d), default=None)
        vectors, most = (2, 4) if rows is not None else (min(8, target.registers // 3), 1)
    size = nest.known_size(vector)
    vectors = max(1, min(vectors, -(-size // lanes)) if size is not None else vectors)
    height = min(most, most_rows(target.registers, vectors, max(1, len(moving)), len(nest.outputs)))
    return Plan("block", vector, rows, lanes, vectors, max(1, height) if rows is not None else 1, packed, must)


def _reduction(nest: Nest, target: CpuTarget, lanes: int) -> Plan | None:
    """Lanes along a reduction that every input walks densely, when the combining operation is known."""
    if combiner_of(nest.body) is None or not all(_is_stored(nest, i) for i in range(1, len(nest.outputs))):
        return None
    able = [d for d in nest.loops(False) if not _gathers(nest, d) and any(a.is_unit(d) for a in nest.inputs)]
    able = [d for d in able if all(a.is_unit(d) for a in nest.outputs[1:])]
    if not able:
        return None
    vector = max(able, key=lambda d: (nest.known_size(d) or 1 << 30, d))
    rows = _sharing_rows(nest, vector)
    if rows is None:
        return Plan("lanes", vector, None, lanes, 4, line_bytes=target.line_bytes)
    return Plan("lanes", vector, rows, lanes, 1, 4, line_bytes=target.line_bytes)


def _is_stored(nest: Nest, i: int) -> bool:
    """Whether output `i` is no sum: another element at each point of all loops, and never read."""
    access = nest.outputs[i]
    return all(map(access.moves_with, range(len(nest.sizes)))) and not reads_argument(nest.body, len(nest.inputs) + i)


def _sharing_rows(nest: Nest, vector: int) -> int | None:
    """The parallel loop along which an operand that moves with the lanes stays put: a short one if there is one, so
    that the long operand is read once."""
    read = [a for i, a in enumerate(nest.inputs) if reads_argument(nest.body, i) and a.moves_with(vector)]
    able = [d for d in nest.loops(True) if any(not a.moves_with(d) for a in read)]
    return min(
        able,
        key=lambda d: (nest.known_size(d) or (1 << 30 if nest.outputs[0].is_unit(d) else 8), d),
        default=None,
    )
