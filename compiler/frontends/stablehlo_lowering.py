"""StableHLO to linalg on tensors: the wheel's passes, then our own forms for what they leave behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.forked import CrashError, run_forked
from stratagem.compiler.frontends.stablehlo_control import lower_case, lower_if, lower_while
from stratagem.compiler.frontends.stablehlo_empty import fold_empty_reduction, fold_empty_slice
from stratagem.compiler.frontends.stablehlo_expand import expand
from stratagem.compiler.frontends.stablehlo_fills import fill_for_broadcast
from stratagem.compiler.frontends.stablehlo_location import line_in, source_line
from stratagem.compiler.frontends.stablehlo_products import PRODUCTS, split_product
from stratagem.compiler.frontends.stablehlo_scatter import lower_scatter
from stratagem.compiler.frontends.stablehlo_select import lower_select_and_scatter
from stratagem.compiler.frontends.stablehlo_shapes import (
    has_known_sizes,
    lower_dimension_size,
    lower_dynamic_broadcast,
    lower_dynamic_reshape,
    lower_shape_assertion,
)
from stratagem.compiler.frontends.stablehlo_sort import lower_sort, sort_by_single_keys
from stratagem.compiler.frontends.stablehlo_window import lower_reduce_window
from stratagem.compiler.ir import functions, new_context, parse_module, run_pipeline, to_text
from stratagem.runtime.errors import PassError, UnsupportedError

PREPARE = (
    "builtin.module(func.func(stablehlo-legalize-composite-to-call),inline,symbol-dce,func.func(shape-legalize-to-stablehlo,"
    "chlo-legalize-to-stablehlo,stablehlo-legalize-deprecated-ops),stablehlo-refine-shapes,"
    "func.func(stablehlo-canonicalize-dynamism,stablehlo-complex-math-expander),canonicalize)"
)
TO_LINALG = "builtin.module(stablehlo-legalize-to-linalg,stablehlo-convert-to-signless,canonicalize,cse)"
CLEAN = "builtin.module(canonicalize,cse)"

_MARKERS = ("Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape", "annotate_device_placement")
"""Custom calls that say where a value lives: placement is this compiler's own decision."""

REWRITES: dict[str, Callable[[Any], None]] = {
    "stablehlo.while": lower_while,
    "stablehlo.if": lower_if,
    "stablehlo.case": lower_case,
    "stablehlo.sort": lower_sort,
    "stablehlo.scatter": lower_scatter,
    "stablehlo.select_and_scatter": lower_select_and_scatter,
    "stablehlo.reduce_window": lower_reduce_window,
    "stablehlo.get_dimension_size": lower_dimension_size,
    "stablehlo.dynamic_broadcast_in_dim": lower_dynamic_broadcast,
    "stablehlo.dynamic_reshape": lower_dynamic_reshape,
    "linalg.generic": fill_for_broadcast,
}
"""Run after the wheel's passes, when regions already hold linalg and integers are signless."""

_SHAPED_BY_OPERAND = ("stablehlo.dynamic_broadcast_in_dim", "stablehlo.dynamic_reshape")

NEAREST_FORMS = {
    "rng_bit_generator": "pass the random numbers as an input, or use jax.random with the threefry generator",
    "rng": "pass the random numbers as an input, or use jax.random with the threefry generator",
    "custom_call": "express it in jax.numpy, or leave it out of the compiled function",
    "fft": "fixed sizes",
    "triangular_solve": "fixed sizes",
    "cholesky": "fixed sizes",
    "reduce_window": "fixed sizes",
    "convolution": "fixed sizes",
    "uniform_quantize": "quantize and dequantize with ordinary arithmetic",
    "uniform_dequantize": "quantize and dequantize with ordinary arithmetic",
}
_FOREIGN = ("stablehlo", "chlo", "vhlo", "shape", "mhlo", "sdy")
_SUPPORTED_ELEMENTS = re.compile(r"^(f64|f32|f16|bf16|complex<f(32|64)>|[us]?i(1|8|16|32|64)|index)$")


def stablehlo_context() -> Any:
    """A context that knows StableHLO, CHLO and VHLO beside the usual dialects."""
    from torch_mlir._mlir_libs import _stablehlo
    from torch_mlir.passmanager import PassManager

    if not _registered:
        _stablehlo.register_stablehlo_passes()
        _registered.append(True)
    context = new_context()
    _stablehlo.register_dialect(context)
    context.allow_unregistered_dialects = True  # attributes of other compilers (`sdy`) say nothing to this one
    with context:  # CHLO has no Python registration: running a pass that depends on it loads it
        empty = ir.Module.parse("module {}")
        PassManager.parse("builtin.module(func.func(convert-torch-to-stablehlo))").run(empty.operation)
    return context


_registered: list[bool] = []


def lower_stablehlo(module: Any) -> Any:
    """The module in linalg on tensors; raises UnsupportedError for the first operation without a form, with
    its location.

    Runs in a child process: some operations make the passes abort.
    """
    _check_types(module)

    def step() -> str:
        _lower(module)
        return to_text(module)

    try:
        return parse_module(run_forked(step))
    except CrashError as crash:
        raise UnsupportedError(
            f"the lowering of StableHLO to linalg crashes ({crash})",
            hint="try the function in parts to find the operation",
        ) from None


def _lower(module: Any) -> None:
    _drop_markers(module)
    with module.context:
        for op in list(walk_inner_first(module.operation)):
            expand(op)
    _run(module, PREPARE)
    _drop_markers(module)
    with module.context:
        for op in list(walk_inner_first(module.operation)):
            _lower_early(op)
    _run(module, TO_LINALG)
    with module.context:
        for op in list(walk_inner_first(module.operation)):
            if op.name in REWRITES:
                REWRITES[op.name](op)
        _check_lowered(module)
    _run(module, CLEAN)
    _drop_foreign_attributes(module)


def _drop_foreign_attributes(module: Any) -> None:
    """What the framework that exported the module wrote on it, its functions, their arguments and results."""
    for op in (module.operation, *functions(module)):
        for name in list(op.attributes):
            if name not in ("sym_name", "function_type", "sym_visibility"):
                del op.attributes[name]


def _lower_early(op: Any) -> None:
    """What has to be done while it is StableHLO: tensors without elements, comparators of sorts, arithmetic on sizes,
    complex products."""
    if op.name == "stablehlo.slice":
        fold_empty_slice(op)
    elif op.name == "stablehlo.reduce":
        fold_empty_reduction(op)
    elif op.name == "stablehlo.sort":
        sort_by_single_keys(op)
    elif op.name == "stablehlo.custom_call" and call_target(op) == "shape_assertion":
        lower_shape_assertion(op)
    elif op.name in PRODUCTS:
        split_product(op)
    elif op.name in _SHAPED_BY_OPERAND and has_known_sizes(op):
        REWRITES[op.name](op)


def walk_inner_first(op: Any) -> Iterator[Any]:
    """All operations below `op`, those in regions before their owner."""
    for region in op.regions:
        for block in region.blocks:
            for child in list(block.operations):
                yield from walk_inner_first(child.operation)
                yield child.operation


def call_target(op: Any) -> str:
    """The function a custom_call names."""
    return str(ir.StringAttr(op.attributes["call_target_name"]).value)


def _drop_markers(module: Any) -> None:
    for op in list(walk_inner_first(module.operation)):
        is_marker = op.name == "stablehlo.custom_call" and call_target(op) in _MARKERS
        if (is_marker or op.name == "stablehlo.optimization_barrier") and len(op.operands) == len(op.results):
            for result, operand in zip(op.results, op.operands, strict=True):
                result.replace_all_uses_with(operand)
            op.erase()


def _run(module: Any, pipeline: str) -> None:
    try:
        run_pipeline(module, pipeline)
    except PassError as error:
        name = re.search(r"'((?:stablehlo|chlo)\.[\w.]+)'", error.problem)
        if not name:
            raise
        detail = error.problem.rpartition(": ")[2]
        raise refuse(name[1], f"cannot be lowered: {detail}", line_in(error.problem)) from None


def _check_types(module: Any) -> None:
    """Raises UnsupportedError for element types outside the tensor contract (quantized, 4- and 8-bit
    floats).

    Before the passes run: some of them abort the process on quantized types.
    """
    for op in walk_inner_first(module.operation):
        if op.name == "stablehlo.reduce_precision" and not _is_static(op.results[0].type):
            raise refuse(op.name, "of free sizes is not supported: the lowering crashes", source_line(op))
        for result in op.results:
            kind = result.type
            element = str(kind.element_type) if isinstance(kind, ir.ShapedType) else ""
            if element and not _SUPPORTED_ELEMENTS.match(element):
                hint = NEAREST_FORMS.get(
                    bare_name(op.name), "supported: f64 f32 f16 bf16, complex numbers and integers of 1 to 64 bits"
                )
                raise UnsupportedError(
                    f"{op.name} gives elements of type {element}", hint=hint, location=source_line(op)
                )


def _is_static(kind: Any) -> bool:
    return bool(ir.RankedTensorType(kind).has_static_shape)


def _check_lowered(module: Any) -> None:
    for op in walk_inner_first(module.operation):
        if op.name.split(".")[0] in _FOREIGN and op.name != "stablehlo.return":
            target = f" @{call_target(op)}" if op.name == "stablehlo.custom_call" else ""
            raise refuse(op.name + target, "is not supported", source_line(op))


def refuse(operation: str, reason: str, location: str | None) -> UnsupportedError:
    """The one form of refusals of operations."""
    return UnsupportedError(
        f"{operation} {reason}", hint=NEAREST_FORMS.get(bare_name(operation), ""), location=location
    )


def bare_name(operation: str) -> str:
    """`stablehlo.custom_call @f` -> `custom_call`."""
    return operation.split(" ")[0].split(".")[-1]
