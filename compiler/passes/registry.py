"""Name -> pass, one line each. The imports sit inside the functions: start-up stays quick and tools still see them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import fields

from stratagem.compiler.passes.base import Pass, UpstreamPass
from stratagem.runtime.errors import UsageError

PassClass = Callable[[], type[Pass]]


def _upstream() -> type[Pass]:
    return UpstreamPass


def _drop_unused_results() -> type[Pass]:
    from stratagem.compiler.passes.drop_unused_results import DropUnusedResults

    return DropUnusedResults


def _guard_arctangents() -> type[Pass]:
    from stratagem.compiler.passes.guard_arctangents import GuardArctangents

    return GuardArctangents


def _fill_splats() -> type[Pass]:
    from stratagem.compiler.passes.fill_splats import FillSplats

    return FillSplats


def _assert_sizes() -> type[Pass]:
    from stratagem.compiler.passes.assert_sizes import AssertSizes

    return AssertSizes


def _assert_indices() -> type[Pass]:
    from stratagem.compiler.passes.assert_indices import AssertIndices

    return AssertIndices


def _fold_parameters() -> type[Pass]:
    from stratagem.compiler.passes.fold_parameters import FoldParameters

    return FoldParameters


def _propagate_layouts() -> type[Pass]:
    from stratagem.compiler.passes.propagate_layouts import PropagateLayouts

    return PropagateLayouts


def _call_libraries() -> type[Pass]:
    from stratagem.compiler.passes.call_libraries import CallLibraries

    return CallLibraries


def _pack_weights() -> type[Pass]:
    from stratagem.compiler.passes.pack_weights import PackWeights

    return PackWeights


def _place_kernels() -> type[Pass]:
    from stratagem.compiler.passes.place_kernels import PlaceKernels

    return PlaceKernels


def _lower_transfers() -> type[Pass]:
    from stratagem.compiler.passes.lower_transfers import LowerTransfers

    return LowerTransfers


def _bufferize_host() -> type[Pass]:
    from stratagem.compiler.passes.bufferize_host import BufferizeHost

    return BufferizeHost


def _plan_memory() -> type[Pass]:
    from stratagem.compiler.passes.plan_memory import PlanMemory

    return PlanMemory


def _form_kernels() -> type[Pass]:
    from stratagem.compiler.passes.form_kernels import FormKernels

    return FormKernels


def _match_functions() -> type[Pass]:
    from stratagem.compiler.passes.match_functions import MatchFunctions

    return MatchFunctions


def _tune_kernels() -> type[Pass]:
    from stratagem.compiler.passes.tune_kernels import TuneKernels

    return TuneKernels


def _tile_kernels() -> type[Pass]:
    from stratagem.compiler.passes.tile_kernels import TileKernels

    return TileKernels


def _partition_program() -> type[Pass]:
    from stratagem.compiler.passes.partition_program import PartitionProgram

    return PartitionProgram


def _lower_collectives() -> type[Pass]:
    from stratagem.compiler.passes.lower_collectives import LowerCollectives

    return LowerCollectives


PASSES: dict[str, PassClass] = {
    "mlir": _upstream,
    "form-kernels": _form_kernels,
    "match-functions": _match_functions,
    "call-libraries": _call_libraries,
    "pack-weights": _pack_weights,
    "propagate-layouts": _propagate_layouts,
    "tune-kernels": _tune_kernels,
    "tile-kernels": _tile_kernels,
    "guard-arctangents": _guard_arctangents,
    "fill-splats": _fill_splats,
    "drop-unused-results": _drop_unused_results,
    "assert-indices": _assert_indices,
    "assert-sizes": _assert_sizes,
    "fold-parameters": _fold_parameters,
    "place-kernels": _place_kernels,
    "partition-program": _partition_program,
    "lower-transfers": _lower_transfers,
    "lower-collectives": _lower_collectives,
    "bufferize-host": _bufferize_host,
    "plan-memory": _plan_memory,
}


def pass_class(name: str) -> type[Pass]:
    """The class called `name`; raises UsageError with the nearest names when there is none."""
    if name in PASSES:
        return PASSES[name]()
    near = difflib.get_close_matches(name, PASSES, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"passes: {', '.join(sorted(PASSES))}"
    raise UsageError(f"there is no pass '{name}'", hint=hint)


def parse(text: str) -> Pass:
    """`fuse-kernels{max-ops=8}` -> the pass with that option; the inverse of `str(pass)`."""
    match = re.fullmatch(r"([\w-]+)(?:\{(.*)\})?", text.strip(), re.S)
    if not match:
        raise UsageError(f"cannot read the pass '{text}'", hint="write name or name{option=value ...}")
    cls = pass_class(match[1])
    types = {f.name.replace("_", "-"): f for f in fields(cls)}
    values: dict[str, object] = {}
    for part in _split_options(match[2] or ""):
        key, _, value = part.partition("=")
        if key not in types:
            raise UsageError(f"pass '{match[1]}' has no option '{key}'", hint=f"options: {', '.join(types) or 'none'}")
        values[types[key].name] = _convert(value, types[key].default)
    return cls(**values)


def _split_options(text: str) -> list[str]:
    """Splits at spaces outside brackets, so that values may be whole pipelines."""
    parts, depth, current = [], 0, ""
    for char in text:
        depth += (char in "({[") - (char in ")}]")
        if char == " " and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [p for p in [*parts, current] if p]


def _convert(value: str, default: object) -> object:
    if isinstance(default, bool):
        return value in ("1", "true", "True")
    if isinstance(default, int):
        return int(value)
    return value
