"""Integer divisions that processors trap on: a zero in the data ends the run with its place, not the process."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.runtime.errors import StratagemError
from tests.run.onnx.harness import model_of


def compiled(operator: str, kind: str) -> sg.CompiledModel:
    text = f'g ({kind}["n"] x, {kind}["n"] y) => ({kind}["n"] z) {{ z = {operator}(x, y) }}'
    return sg.compile(model_of(text))


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("operator", ["Div", "Mod"])
def test_zero_anywhere_is_a_clear_error_and_the_program_lives_on(operator: str, kind: str) -> None:
    program = compiled(operator, kind)
    for size in (1, 7, 17, 64, 131):
        x, y = np.arange(3, 3 + size).astype(kind), np.full(size, 3, kind)
        for at in {0, size // 2, size - 1}:
            broken = y.copy()
            broken[at] = 0
            with pytest.raises(StratagemError, match=r"integer division by zero at .*z"):
                program(x, broken)
        want = x // y if operator == "Div" else x % y
        assert (program(x, y) == want).all(), size


def test_the_least_number_by_minus_one_wraps_around() -> None:
    least = np.iinfo(np.int32).min
    x = np.array([least, least, 7, least + 1, 12], np.int32)
    y = np.array([-1, 1, -1, -1, 5], np.int32)
    assert compiled("Div", "int32")(x, y).tolist() == [least, least, -7, -(least + 1), 2]
    assert compiled("Mod", "int32")(x, y).tolist() == [0, 0, 0, 0, 2]


def test_one_element_divides_without_a_vector() -> None:
    program = sg.compile(model_of("g (int64 x, int64 y) => (int64 z) { z = Div(x, y) }"))
    assert program(np.int64(7), np.int64(2)) == 3
    with pytest.raises(StratagemError, match="integer division by zero"):
        program(np.int64(7), np.int64(0))
