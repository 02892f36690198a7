"""The device level means what the tensor level meant: exact comparison in a finite field, on several
devices."""

from __future__ import annotations

import pytest

from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import parse_module
from tests.unit.schedule.programs import PROGRAMS, softmax
from tests.unit.schedule.support import lowered

SHAPES = {"mlp-dynamic": [[29, 37], [37, 53], [53], [53, 11], [11]], "softmax-dynamic": [[41, 31]]}


@pytest.mark.parametrize("target", ["generic-avx512", "h100", "upmem-rank"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_lowering_keeps_the_meaning(name: str, target: str) -> None:
    before = parse_module(PROGRAMS[name])
    assert equal_in_field(before, lowered(PROGRAMS[name], target), shapes=SHAPES.get(name)) is None


@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_a_dynamic_batch_works_at_every_size(rows: int) -> None:
    text = PROGRAMS["mlp-dynamic"]
    shapes = [[rows, 37], [37, 53], [53], [53, 11], [11]]
    assert equal_in_field(parse_module(text), lowered(text, "generic-avx512"), shapes=shapes) is None


def test_the_comparison_notices_a_wrong_tile() -> None:
    text = softmax("8", 32)
    module = lowered(text, "generic-avx512")
    broken = str(module).replace("arith.divf", "arith.mulf")
    assert broken != str(module)
    assert equal_in_field(parse_module(text), parse_module(broken)) is not None
