"""NEON code, executed: tests of kernels in this folder, once more on an emulated processor, and what the emulator is
trusted with."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.run.cpu.crossing import lacking_to_emulate

if platform.machine() == "aarch64":
    pytest.skip("this machine runs the code itself", allow_module_level=True)
if lacking := lacking_to_emulate():
    pytest.skip(lacking, allow_module_level=True)

import unicorn

import stratagem as sg
from stratagem.hwmodels import load_device
from stratagem.runtime.bindings import ExecutionError
from stratagem.runtime.descriptors import address_of
from tests.run.cpu import (
    harness,
    test_contractions,
    test_convolutions,
    test_elementary,
    test_maps,
    test_random_nests,
    test_reductions,
    test_rows,
)
from tests.run.cpu.emulated import load_emulated
from tests.run.cpu.harness import Kernels
from tests.run.cpu.kernels import matmul
from tests.run.cpu.machine import machine
from tests.run.cpu.test_contractions import SIZES, check_product, operands
from tests.run.cpu.test_dots import SIGNS, bytes_of, check_bytes, product, program
from tests.run.cpu.test_elementary import NAMES, check_error, elementary_kernels, samples
from tests.run.onnx.harness import model_of

REPEATED = (
    test_contractions,
    test_convolutions,
    test_elementary,
    test_maps,
    test_random_nests,
    test_reductions,
    test_rows,
)
globals().update((name, test) for file in REPEATED for name, test in vars(file).items() if name.startswith("test_"))
TARGET = "raspberry-pi-5"
INSTRUCTIONS = {
    "fmla": [(0xFFE0FC00, 0x4E20CC00), (0xFFC0F400, 0x4F801000)],
    "sdot": [(0xFFE0FC00, 0x4E809400), (0xFFC0F400, 0x4F80E000)],
    "udot": [(0xFFE0FC00, 0x6E809400), (0xFFC0F400, 0x6F80E000)],
}
"""Bits that are fixed and their values, for vectors of 4 sums: times a vector, times an element (Arm Architecture
Reference Manual, C7.2)."""


@pytest.fixture(autouse=True, scope="module")
def emulated() -> Iterator[None]:
    """This machine, as tests of kernels know it, is a Raspberry Pi 5."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "PROCESSOR", load_device(TARGET).target)
        yield


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    return elementary_kernels()


@pytest.mark.parametrize("name", NAMES)
def test_error_is_within_the_table(kernels: Kernels, name: str) -> None:
    """In place of the test of that name, with fewer samples: large angles are left to the C library one by one."""
    check_error(kernels, name, samples(1000003)[::3])


def executed() -> set[str]:
    """Which of the instructions were executed since this was last asked."""
    words = machine().executed()
    return {name for name, forms in INSTRUCTIONS.items() if any(((words & m) == v).any() for m, v in forms)}


@pytest.mark.parametrize("size", [(13, 33, 17), (37, 65, 129), (None, None, None)])
def test_products_multiply_and_add_vectors(size: tuple[int | None, int | None, int | None]) -> None:
    kernels = Kernels(matmul(*size), load_device(TARGET))
    executed()
    for m, n, k in SIZES if None in size else [size]:
        a, b, out = operands(m or 1, n or 1, k or 1)
        check_product(kernels.guarded("k", a, b, out)[0], a, b)
    assert executed() == {"fmla"}


@pytest.mark.parametrize("signs", SIGNS)
def test_products_of_bytes_add_whole_groups(signs: tuple[str, str]) -> None:
    kernels = Kernels(product("i8", None, None, None, "", signs), load_device(TARGET))
    executed()
    for size in [(7, 5, 3), (13, 33, 17), (37, 65, 129)]:
        a, b = bytes_of(*size)
        check_bytes(kernels.guarded("k", a, b, np.zeros((a.shape[0], b.shape[1]), np.int32))[0], a, b, signs)
    assert executed() & {"sdot", "udot"}


def test_a_program_of_bytes(tmp_path: Path) -> None:
    """From the tensor level to a run: the description's unit for dot products is what the code uses."""
    compiled = sg.compile(program("i8"), target=TARGET)
    assert 'unit = "dot"' in compiled.ir("device")
    multiply, (a, b) = load_emulated(compiled.save(tmp_path / "bytes.sgm")), bytes_of(37, 77, 101)
    executed()
    check_bytes(multiply(a, b)[0], a, b, ("s", "s"))
    assert "sdot" in executed()


def test_a_program_that_stops_itself_says_why(tmp_path: Path) -> None:
    text = 'g (int32["n"] x, int32["n"] y) => (int32["n"] z) { z = Div(x, y) }'
    divide = load_emulated(sg.compile(model_of(text), target=TARGET).save(tmp_path / "divide.sgm"))
    x, y = np.arange(3, 20, dtype=np.int32), np.full(17, 3, np.int32)
    assert (divide(x, y)[0] == x // y).all()
    y[16] = 0
    with pytest.raises(ExecutionError, match=r"integer division by zero at .*z"):
        divide(x, y)
    y[16] = 2
    assert (divide(x, y)[0] == x // y).all()


def placed(*instructions: int) -> int:
    """The address of code of these instructions."""
    code = np.array(instructions, np.uint32)
    machine().keep(code)
    return address_of(code)


def test_the_emulator_stops_where_this_process_has_no_memory() -> None:
    code, data = placed(0xF9400000, 0xD65F03C0), np.array([1], np.int64)  # ldr x0, [x0]; ret
    machine().call(code, address_of(data))
    with pytest.raises(unicorn.UcError, match="UNMAPPED"):
        machine().call(code, 8)


def test_an_instruction_that_the_processor_lacks_is_told() -> None:
    with pytest.raises(NotImplementedError, match="no instruction 0x6e40ec00"):
        machine().call(placed(0x6E40EC00, 0xD65F03C0))  # bfmmla v0.4s, v0.8h, v0.8h; ret


def test_arguments_behind_the_eighth_lie_on_the_stack() -> None:
    code = placed(0xF94007E0, 0xF9000020, 0xD65F03C0)  # ldr x0, [sp, 8]; str x0, [x1]; ret
    found = np.zeros(1, np.int64)
    machine().call(code, 0, address_of(found), *range(2, 10))
    assert found[0] == 9


def test_a_function_that_nobody_has_is_named() -> None:
    with pytest.raises(NotImplementedError, match="the code calls fly_to_the_moon"):
        machine().gate("fly_to_the_moon")
