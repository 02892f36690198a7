"""Layouts of convolutions, chosen before kernels are formed.

A convolution is computed tap by tap: for each position of the window, a matmul of channels. *Filters* that are
parameters are stored window first, so that the matrix of one tap is contiguous; the copy is made once, at compile time,
and the level above reads its own order as a view of it.
*Results* whose innermost dimension is shorter than a vector are accumulated with the channels innermost and put into
their own order when they are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from stratagem.compiler.arguments import add_parameter, drop_argument, parameter_name
from stratagem.compiler.ir import find_function, walk
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.layouts import is_convolution
from stratagem.compiler.schedule.rebuild import rebuild, replace
from stratagem.compiler.schedule.structured import (
    Access,
    Linear,
    accesses,
    inits,
    inputs,
    is_fill,
    iterators,
    loop_extents,
    owner,
    shape,
)
from stratagem.compiler.schedule.writes import elementwise

FILLED = 0.75
"""Share of a vector that the innermost dimension of a result must fill to be left where it is."""


def relayout_convolutions(program: Program, lanes: int) -> None:
    """Applies both to every convolution of `@main`; `lanes`: elements of the target's vectors."""
    module = program.module
    main = find_function(module, "main")
    for op in [op for op in walk(main) if is_convolution(op)]:
        _window_first(program, main, _channels_innermost(op, lanes))


def _slides(loop: int | None, picture: Access) -> bool:
    """Whether a loop shares a subscript of the picture with another one."""
    return any(r is not None and len(r.terms) > 1 and loop in [i for i, _ in r.terms] for r in picture)


def _channels_innermost(op: Any, lanes: int) -> Any:
    """Accumulates with the widest filter-only dimension innermost where the innermost one is short."""
    reads, extents = accesses(op), loop_extents(op)
    written = [r.loop for r in reads[-1] if r is not None and r.loop is not None]
    last = written[-1] if len(written) == len(reads[-1]) else None
    size = extents[last] if last is not None else None
    if size is None or size >= FILLED * lanes:
        return op
    pictures, filters = ({loop for r in a if r is not None for loop, _ in r.terms} for a in reads[:2])
    channels = [i for i in written if i in filters and i not in pictures and (extents[i] or 0) >= lanes]
    filled = owner(inits(op)[0])
    if not channels or filled is None or not is_fill(filled):
        return op
    position = written.index(channels[-1])
    order = [i for i in range(len(written)) if i != position] + [position]
    with ir.InsertionPoint(op), op.location:
        return _accumulate_in(op, reads, order, filled)


def _accumulate_in(op: Any, reads: list[Access], order: list[int], filled: Any) -> Any:
    result = op.results[0]
    sizes = [extent(result, i) for i in order]
    empty = tensor.empty(sizes, result.type.element_type)
    start = linalg.fill(filled.operands[0], outs=[empty])
    moved = tuple(reads[-1][i] for i in order)
    loops = len(iterators(op))
    made = rebuild(op, [*inputs(op), start], [*reads[:-1], moved], iterators(op), {i: i for i in range(loops)})
    target = tensor.empty([extent(result, i) for i in range(len(order))], result.type.element_type)
    copied = elementwise([target], target, lambda arguments: arguments[0])
    copy = owner(copied)
    identity = [Linear(((i, 1),)) for i in range(len(order))]
    permuted = replace_copy(copy, made.results[0], tuple(identity[i] for i in order), tuple(identity))
    result.replace_all_uses_with(permuted.results[0])
    op.erase()
    return made


def replace_copy(copy: Any, source: Any, read: Access, written: Access) -> Any:
    """The elementwise copy `copy`, reading `source` through `read` instead."""
    loops = len(written)
    return replace(copy, [source, copy.operands[1]], [read, written], iterators(copy), {i: i for i in range(loops)})


def _window_first(program: Program, main: Any, op: Any) -> None:
    """Stores the filter with its window dimensions first, if it is a parameter that only this op reads."""
    value, reads = op.operands[1], accesses(op)
    name = parameter_name(main, value)
    if name is None or name not in program.parameters or None in shape(value) or len(list(value.uses)) != 1:
        return
    sliding = [i for i, r in enumerate(reads[1]) if r is not None and _slides(r.loop, reads[0])]
    innermost = [r.loop for r in reads[-1] if r is not None][-1]
    rest = [i for i in range(len(reads[1])) if i not in sliding]
    last = [i for i in rest if (r := reads[1][i]) is not None and r.loop == innermost]
    order = sliding + [i for i in rest if i not in last] + last
    wide = [i for i in order if shape(value)[i] != 1]
    if wide == sorted(wide):  # only dimensions of one element would move
        return
    store = program.parameters
    before = store[name].shape
    array = np.ascontiguousarray(store[name].transpose(order))
    kind = ir.RankedTensorType.get(list(array.shape), value.type.element_type)
    moved_name = store.add(f"{name}.window-first", array)
    given = add_parameter(main, moved_name, kind, value.location)
    store.set_view(name, moved_name, [order.index(i) for i in range(len(order))], before)  # for the level above
    moved = tuple(reads[1][i] for i in order)
    loops = len(iterators(op))
    operands = [op.operands[0], given, *list(op.operands)[2:]]
    replace(op, operands, [reads[0], moved, *reads[2:]], iterators(op), {i: i for i in range(loops)})
    drop_argument(main, value)
