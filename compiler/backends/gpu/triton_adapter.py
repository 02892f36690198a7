"""The only place that reaches into Triton's CPU interpreter: checked accesses, right 16-bit maths and truth values.

Stock, the interpreter checks no bounds, truncates f32 to bf16, multiplies the bit patterns of bf16 in dots
and adds them in arithmetic; answers of comparisons carry the type of what was compared. Here loads and stores go
through an `AccessChecker`, bf16 casts round to nearest even, dots widen, any other arithmetic on bf16 is an error,
because emitted kernels compute in f32, and answers are of type int1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import triton
import triton.language as tl
from triton.runtime import interpreter

from stratagem.compiler.backends.gpu.access_checks import AccessChecker

INTERPRETING = bool(triton.knobs.runtime.interpret)
assert INTERPRETING, "set TRITON_INTERPRET=1 before Triton is imported"

Array = np.ndarray[Any, Any]
Handle = interpreter.TensorHandle
Builder = interpreter.InterpreterBuilder

_current: list[AccessChecker] = []


@dataclass(frozen=True)
class Argument:
    """One value passed to a kernel: its Triton signature type and the number or address."""

    signature: str
    value: int | float

    def handle(self) -> Any:
        """The interpreter's tensor for it, of exactly the compiled type (Python integers would hide
        overflow).
        """
        if self.signature.startswith("*"):
            kind = tl.pointer_type(_scalar_type(self.signature[1:]))
            return tl.tensor(Handle(np.array([self.value], np.uint64), kind), kind)
        kind = _scalar_type(self.signature)
        return tl.tensor(Handle(np.array([self.value], interpreter._get_np_dtype(kind)), kind), kind)


def _scalar_type(signature: str) -> Any:
    return tl.str_to_ty(signature, None)


def run_programs(
    function: Any, programs: Iterable[int], count: int, arguments: list[Argument], checker: AccessChecker
) -> None:
    """Runs the given programs of a one-dimensional grid of `count`, in the given order."""
    order = list(programs)
    builder = interpreter.interpreter_builder
    following = iter(order)

    def next_program(x: int, y: int, z: int) -> None:
        checker.program = int(next(following))
        Builder.set_grid_idx(builder, checker.program, 0, 0)

    builder.set_grid_idx = next_program
    builder.set_grid_dim = lambda *_: Builder.set_grid_dim(builder, count, 1, 1)
    _current.append(checker)
    try:
        with np.errstate(all="ignore"):
            function[(len(order),)](*(a.handle() for a in arguments))
    finally:
        _current.pop()
        del builder.set_grid_idx, builder.set_grid_dim


def _checked(handle: Any, mask: Any, writes: bool) -> Any:
    item = np.dtype(interpreter._get_np_dtype(handle.get_element_ty())).itemsize
    lanes = _current[-1].access(handle.data, None if mask is None else mask.data, item, writes)
    return Handle(lanes, tl.int1)


_stock_load, _stock_store, _stock_dot = (
    Builder.create_masked_load,
    Builder.create_masked_store,
    Builder.create_dot,
)
_stock_cast = Builder.cast_impl


def _load(self: Any, pointers: Any, mask: Any, other: Any, *rest: Any, **options: Any) -> Any:
    return _stock_load(self, pointers, _checked(pointers, mask, writes=False), other, *rest, **options)


def _store(self: Any, pointers: Any, value: Any, mask: Any, *rest: Any, **options: Any) -> Any:
    return _stock_store(self, pointers, value, _checked(pointers, mask, writes=True), *rest, **options)


def bf16_bits(values: Array) -> Array:
    """f32 rounded to nearest even bf16, as bit patterns."""
    return np.ascontiguousarray(values, np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)


def bf16_values(bits: Array) -> Array:
    """The f32 values of bf16 bit patterns."""
    values: Array = np.ascontiguousarray(bits, np.uint16).view(ml_dtypes.bfloat16).astype(np.float32)
    return values


def tf32_values(values: Array) -> Array:
    """f32 rounded to the 10 mantissa bits of tf32, as tensor cores read it."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded: Array = (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    result: Array = rounded.view(np.float32)
    return result


def _cast(self: Any, source: Any, target: Any) -> Any:
    if tl.bfloat16 not in (source.dtype.scalar, target.scalar):
        return _stock_cast(self, source, target)
    values = bf16_values(source.data) if source.dtype.scalar == tl.bfloat16 else source.data.astype(np.float32)
    if target.scalar == tl.bfloat16:
        return Handle(bf16_bits(values), tl.bfloat16)
    return Handle(values.astype(interpreter._get_np_dtype(target)), target.scalar)


def _dot(self: Any, a: Any, b: Any, accumulator: Any, precision: Any, imprecise: Any) -> Any:
    left, right = (bf16_values(x.data) if x.dtype.scalar == tl.bfloat16 else x.data for x in (a, b))
    if a.dtype.scalar == tl.float32 and str(precision).upper().endswith("TF32"):
        left, right = tf32_values(left), tf32_values(right)
    wide = np.float64 if accumulator.data.dtype == np.float64 else np.float32
    result = np.matmul(left.astype(wide), right.astype(wide)) + accumulator.data
    return Handle(result.astype(accumulator.data.dtype), accumulator.dtype.scalar)


def _refusing_bf16(name: str, stock: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, *operands: Any) -> Any:
        first = operands[0][0] if isinstance(operands[0], tuple) else operands[0]
        kind = getattr(getattr(first, "handle", first), "dtype", None)
        if getattr(kind, "scalar", None) == tl.bfloat16:
            raise TypeError(f"{name} on bfloat16: emitted kernels compute in float32")
        return stock(self, *operands)

    return checked


def _typing_answers(stock: Callable[..., Any]) -> Callable[..., Any]:
    """Truth values typed as such: one that is spread over a block becomes a number of its handle's type."""

    def typed(self: Any, *operands: Any) -> Any:
        result = stock(self, *operands)
        return Handle(result.data, tl.int1) if result.data.dtype == np.bool_ else result

    return typed


def _erf(self: Any, operand: Any) -> Any:
    """Abramowitz and Stegun are not exact enough; erf by its own library function, vectorised once."""
    return Handle(_erf_values(operand.data), operand.dtype.scalar)


def _erf_values(values: Array) -> Array:
    from math import erf

    flat = np.fromiter(map(erf, values.ravel().tolist()), np.float64, values.size)
    return flat.reshape(values.shape).astype(values.dtype)


Builder.create_masked_load, Builder.create_masked_store = _load, _store
Builder.create_dot, Builder.cast_impl, Builder.create_erf = _dot, _cast, _erf
for _name in ("binary_op", "unary_op", "create_fma"):
    setattr(Builder, _name, _refusing_bf16(_name, getattr(Builder, _name)))
Builder.binary_op = _typing_answers(Builder.binary_op)
for _class in (interpreter.ReduceOps, interpreter.ScanOps):
    _class.apply_impl = _refusing_bf16("a reduction", _class.apply_impl)
