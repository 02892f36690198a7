"""tensor.collapse_shape and expand_shape on views: free when only dimensions of size 1 come or go, or when
the elements lie one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.geometry import static_shape
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index
from stratagem.compiler.backends.upmem.views import MRAM, Storage, View, row_major
from stratagem.compiler.ir import DYNAMIC, location_text
from stratagem.runtime.errors import UnsupportedError


def reshape_view(op: Any, view: View, scope: Scope) -> View:
    """The view that `op`, a collapse or expand of `view`, stands for."""
    groups = [
        [int(ir.IntegerAttr(i).value) for i in ir.ArrayAttr(g)] for g in ir.ArrayAttr(op.attributes["reassociation"])
    ]
    shape = static_shape(op.results[0])
    if op.name == "tensor.collapse_shape":
        found = _collapse(groups, static_shape(op.operands[0]), view)
    else:
        found = _expand(groups, shape, view)
    return found or _flat(op, view, shape)


def _collapse(groups: list[list[int]], shape: list[int], view: View) -> View | None:
    """Each group keeps its one dimension that is not 1."""
    kept = []
    for group in groups:
        wide = [axis for axis in group if shape[axis] != 1]
        if len(wide) > 1:
            return None
        kept.append(wide[0] if wide else group[0])
    if not groups:
        return view.with_axes((), (), ())
    return view.with_axes(
        [view.axes[axis] for axis in kept],
        [view.sizes[axis] for axis in kept],
        [view.steps[axis] for axis in kept],
    )


def _expand(groups: list[list[int]], shape: list[int], view: View) -> View | None:
    axes: list[int | None] = [None] * len(shape)
    sizes, steps = [Index(1)] * len(shape), [1] * len(shape)
    for source, group in enumerate(groups):
        wide = [axis for axis in group if shape[axis] != 1]
        if len(wide) > 1:
            return None
        axis = wide[0] if wide else group[0]
        axes[axis], sizes[axis], steps[axis] = view.axes[source], view.sizes[source], view.steps[source]
    return view.with_axes(axes, sizes, steps)


def _flat(op: Any, view: View, shape: list[int]) -> View:
    """Any reshape of a dense, whole storage of static shape."""
    dense = tuple(s.constant for s in view.storage.strides) == row_major([e.constant for e in view.storage.extents])
    fixed = all(e.is_constant for e in (*view.storage.extents, *view.storage.strides)) and DYNAMIC not in shape
    if view.storage.space == MRAM or not (fixed and dense and view.same_place(view.storage.whole())):
        raise UnsupportedError(f"{op.name} of a padded or partial tensor needs a copy", location=location_text(op))
    storage: Storage = replace(
        view.storage,
        extents=tuple(Index(n) for n in shape or [1]),
        strides=tuple(Index(n) for n in row_major(shape or [1])),
        bounds=tuple(shape or [1]),
    )
    whole = storage.whole()
    return whole if shape else View(storage, whole.offsets, (), ())
