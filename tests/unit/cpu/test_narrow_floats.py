"""The conversions that generated code brings along, value by value against numpy's."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from stratagem.compiler.backends.cpu.linker import link
from stratagem.compiler.backends.cpu.llvm import emit_object
from stratagem.compiler.backends.cpu.narrow_floats import with_conversions
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.runtime.shared_object import open_shared_object

Array = np.ndarray[Any, Any]
LOOP = """
define void @loop{name}(ptr %from, ptr %to, i64 %count) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %source = getelementptr {wide}, ptr %from, i64 %i
  %target = getelementptr {narrow}, ptr %to, i64 %i
  %x = load {wide}, ptr %source
  %y = call {narrow} @{name}({wide} %x)
  store {narrow} %y, ptr %target
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""
FUNCTIONS = {
    "__truncsfhf2": ("float", "half", np.float32, np.float16),
    "__truncdfhf2": ("double", "half", np.float64, np.float16),
    "__extendhfsf2": ("half", "float", np.float16, np.float32),
    "__truncsfbf2": ("float", "bfloat", np.float32, ml_dtypes.bfloat16),
    "__truncdfbf2": ("double", "bfloat", np.float64, ml_dtypes.bfloat16),
}


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    loops = [LOOP.format(name=name, wide=wide, narrow=narrow) for name, (wide, narrow, _, _) in FUNCTIONS.items()]
    return open_shared_object(link([emit_object("".join(loops), CpuTarget())]))


def converted(library: ctypes.CDLL, name: str, values: Array) -> Array:
    _, _, source, target = FUNCTIONS[name]
    given = np.ascontiguousarray(values, source)
    out = np.empty(given.shape, target)
    getattr(library, f"loop{name}")(
        ctypes.c_void_p(given.ctypes.data), ctypes.c_void_p(out.ctypes.data), ctypes.c_int64(given.size)
    )
    return out


def same(a: Array, b: Array) -> bool:
    """Equal bits, where any NaN is like any other."""
    bits = f"u{a.itemsize}"
    return bool(((a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))).all())


def between(narrow: Array) -> Array:
    """Every value of a narrow type in f64, the middles between neighbours, and values just beside the middles."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wide = narrow.astype(np.float64)
    known = np.unique(wide[np.isfinite(wide)])
    middle = (known[1:] + known[:-1]) / 2
    step = (known[1:] - known[:-1]) * 2.0**-12
    ends = [np.array([-0.0, np.inf, -np.inf, np.nan, 65519.0, 65520.0, 65536.0, 1e9, -1e9])]
    return np.concatenate([known, middle, middle - step, middle + step, *ends])


ALL_BITS = np.arange(2**16, dtype=np.uint16)


def test_f16_widens_exactly(library: ctypes.CDLL) -> None:
    halves = ALL_BITS.view(np.float16)
    assert same(converted(library, "__extendhfsf2", halves), halves.astype(np.float32))


@pytest.mark.parametrize("name", ["__truncsfhf2", "__truncdfhf2"])
def test_f16_rounds_to_nearest_even(library: ctypes.CDLL, name: str) -> None:
    values = between(ALL_BITS.view(np.float16)).astype(FUNCTIONS[name][2])
    with np.errstate(over="ignore"):
        assert same(converted(library, name, values), values.astype(np.float16))


@pytest.mark.parametrize("name", ["__truncsfbf2", "__truncdfbf2"])
def test_bf16_rounds_to_nearest_even(library: ctypes.CDLL, name: str) -> None:
    values = between(ALL_BITS.view(ml_dtypes.bfloat16)).astype(np.float32)
    assert same(converted(library, name, values), values.astype(ml_dtypes.bfloat16))


def test_f64_rounds_once(library: ctypes.CDLL) -> None:
    """A hair above the middle: by way of f32 it would fall to the middle, then to the even side."""
    up = 1 + 2.0**-8 + 2.0**-40
    values = np.array([up, -up, 1 + 2.0**-8 - 2.0**-40, 3e38, 1e300, 2.0**-140, 1e-300])
    expected = np.array([1 + 2.0**-7, -1 - 2.0**-7, 1.0, 3e38, np.inf, 0.0, 0.0], np.float32).astype(ml_dtypes.bfloat16)
    assert same(converted(library, "__truncdfbf2", values), expected)
    tiny = np.array([1 + 2.0**-11 + 2.0**-40, 2.0**-25 + 2.0**-60, 2.0**-25, 65520 - 2.0**-30])
    assert converted(library, "__truncdfhf2", tiny).tolist() == [1 + 2.0**-10, 2.0**-24, 0.0, 65504.0]


def test_only_code_with_narrow_floats_carries_them() -> None:
    assert with_conversions("define void @f(float %x)") == "define void @f(float %x)"
    assert "@__truncsfbf2" in with_conversions("load bfloat, ptr %p")
