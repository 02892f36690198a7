"""However a program is cut, the proof of the cut goes through, and a cut that is broken in one place is refuted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from stratagem.compiler.checks.sharding.check import check_partition
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import find_function, parse_module, to_text, walk
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.partition_program import PartitionProgram
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.compiler.sharding import partition
from stratagem.compiler.sharding.rules import Cut
from stratagem.hwmodels import load_machine
from tests.fuzz import programs
from tests.fuzz.text import to_mlir

SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 36)
COLLECTIVES = ("system.all_reduce", "system.all_gather", "system.reduce_scatter")


def uncut(seed: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A drawn program as `partition-program` gets it, of sizes that parts can be made of."""
    monkeypatch.setattr(programs, "SIZES", SIZES)
    program = Program(parse_module(to_mlir(programs.draw_program(seed))))
    passes = next(passes for stage, passes in PIPELINE if stage == "tensor")
    for one in passes:
        if one != "fold-parameters":  # needs the parameters' data
            parse(one).apply(program, PassContext())
    return to_text(program.module)


def cut_anyhow(text: str, ranks: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program cut along loops that are drawn, whatever that costs."""
    rng = random.Random(seed)

    def drawn(options: Sequence[Cut], cost: Callable[[Cut], float]) -> Cut:
        return rng.choice(options[1:]) if len(options) > 1 and rng.random() < 0.85 else options[0]

    monkeypatch.setattr(partition, "cheapest", drawn)
    program = Program(parse_module(text))
    machine = load_machine("two-hosts", {"hosts": ranks})
    PartitionProgram(rng.choice(["tensor", "batch"])).apply(program, PassContext(machine))
    return program.module


def collectives(module: Any) -> list[Any]:
    return [op for op in walk(find_function(module, "main")) if op.name in COLLECTIVES]


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("ranks", [2, 3])
def test_every_cut_is_proved(seed: int, ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = uncut(seed, monkeypatch)
    module = cut_anyhow(text, ranks, seed, monkeypatch)
    (finding,) = check_partition(text, module, (("node", ranks),))
    assert finding.verdict is Verdict.PROVED, finding.detail


def test_the_drawn_programs_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proved above is something."""
    cut = sum(bool(collectives(cut_anyhow(uncut(s, monkeypatch), 2, s, monkeypatch))) for s in range(24))
    assert cut > 8


@pytest.mark.parametrize("seed", range(24))
def test_sums_that_are_left_out_are_refuted(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = uncut(seed, monkeypatch)
    reductions = len([op for op in collectives(cut_anyhow(text, 2, seed, monkeypatch)) if op.name == COLLECTIVES[0]])
    for number in range(reductions):
        module = cut_anyhow(text, 2, seed, monkeypatch)
        op = [op for op in collectives(module) if op.name == COLLECTIVES[0]][number]
        op.results[0].replace_all_uses_with(op.operands[0])
        (finding,) = check_partition(text, module, (("node", 2),))
        assert finding.verdict is Verdict.REFUTED and "an all_reduce is missing" in finding.detail
