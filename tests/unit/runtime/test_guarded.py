"""Writes past the ends of guarded memory are seen on both sides; kernels that do so are refused."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

import stratagem as sg
from stratagem.runtime.errors import VerificationError
from stratagem.runtime.executable import Executable
from stratagem.runtime.guarded import Guarded


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5)])
@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float64])
def test_memory_is_aligned_and_whole(shape: tuple[int, ...], dtype: type) -> None:
    guarded = Guarded(shape, np.dtype(dtype))
    guarded.array[...] = 3
    assert guarded.array.shape == shape and guarded.array.dtype == dtype
    assert guarded.damage() == ""
    assert guarded.array.ctypes.data % 64 == 0 or not guarded.array.size


@pytest.mark.parametrize(("offset", "said"), [(-1, "1 byte before it"), (0, ""), (11, ""), (12, "1 byte behind it")])
def test_single_bytes_beside_it_are_seen(offset: int, said: str) -> None:
    guarded = Guarded.copy_of(np.array([1, 2, 3], np.float32))
    inside = guarded.array.view(np.uint8)
    byte = ctypes.c_uint8.from_address(inside.ctypes.data + offset)
    byte.value = 7
    assert guarded.damage() == said


SOURCE = """
func.func @main(%x: tensor<7xf32> {model.input = "x"}) -> (tensor<7xf32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<7xf32>
  %y = linalg.exp ins(%x : tensor<7xf32>) outs(%e : tensor<7xf32>) -> tensor<7xf32>
  return %y : tensor<7xf32>
}
"""


@pytest.fixture
def program(tmp_path: Path) -> tuple[Executable, str]:
    from stratagem.compiler.ir import parse_module
    from stratagem.compiler.program import Program

    compiled = sg.compile(Program(parse_module(SOURCE)))
    (name,) = (k.subject for k in compiled.report.findings if k.obligation == "every element written")
    return compiled.executable, name


def test_kernels_run_between_zones(program: tuple[Executable, str]) -> None:
    executable, name = program
    x = np.linspace(-1, 1, 7, dtype=np.float32)
    (y,) = executable.run_kernel(name, [x, np.zeros(7, np.float32)], results=1)
    np.testing.assert_allclose(y, np.exp(x), rtol=1e-6)


def test_a_kernel_that_writes_outside_is_refused(program: tuple[Executable, str]) -> None:
    """The kernel writes 7 elements; a destination of 6 has its zone behind it overwritten."""
    executable, name = program
    with pytest.raises(VerificationError, match="outside argument 1: 4 bytes behind it"):
        executable.run_kernel(name, [np.zeros(7, np.float32), np.zeros(6, np.float32)], results=1)


def test_a_kernel_that_writes_its_inputs_is_refused(program: tuple[Executable, str]) -> None:
    executable, name = program
    with pytest.raises(VerificationError, match="changed argument 1, which it only reads"):
        executable.run_kernel(name, [np.ones(7, np.float32), np.zeros(7, np.float32)], results=0)
