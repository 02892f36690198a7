"""The memory plan's checker: it accepts the planner's work and refutes planted overlaps."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratagem.compiler.analysis.lifetimes import Lifetime
from stratagem.compiler.checks.memory_plan import check_memory_plan
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.plan_memory import Interval, PlanMemory, place
from stratagem.compiler.program import Program

HOST = """
func.func @main(%x: memref<40xf32> {model.input = "x"}) -> (memref<40xf32> {model.output = "y"}) {
  %a = memref.alloc() : memref<40xf32>
  %b = memref.alloc() : memref<40xf32>
  %c = memref.alloc() : memref<40xf32>
  call @k(%x, %a) : (memref<40xf32>, memref<40xf32>) -> ()
  call @k(%a, %b) : (memref<40xf32>, memref<40xf32>) -> ()
  call @k(%b, %c) : (memref<40xf32>, memref<40xf32>) -> ()
  %e = memref.alloc() : memref<40xf32>
  call @k(%c, %e) : (memref<40xf32>, memref<40xf32>) -> ()
  return %e : memref<40xf32>
}
func.func private @k(memref<40xf32>, memref<40xf32>) -> ()
"""


def planned() -> str:
    program = Program(parse_module(HOST))
    PlanMemory().apply(program, PassContext())
    return str(program.module)


def verdicts(text: str) -> dict[str, Verdict]:
    return {f.obligation: f.verdict for f in check_memory_plan(parse_module(text))}


def test_the_planners_work_is_proved() -> None:
    assert set(verdicts(planned()).values()) == {Verdict.PROVED}


def test_overlapping_buffers_are_refuted_by_name() -> None:
    text = planned()
    offsets = sorted({int(n) for n in re.findall(r"arith.constant (\d+) : index", text)})
    assert offsets == [0, 192], "the first and the third buffer share a place"
    broken = text.replace("arith.constant 192 : index", "arith.constant 0 : index")
    assert verdicts(broken)["buffers apart while alive"] is Verdict.REFUTED
    (finding,) = [f for f in check_memory_plan(parse_module(broken)) if f.verdict is Verdict.REFUTED]
    assert re.search(r"buffer \d \[0, 160\) and buffer \d \[0, 160\) are both alive at operation \d+", finding.detail)


def test_a_buffer_outside_the_arena_or_off_its_alignment_is_refuted() -> None:
    text = planned()
    last = max(int(n) for n in re.findall(r"arith.constant (\d+) : index", text))
    outside = text.replace(f"arith.constant {last} : index", f"arith.constant {last + 4096} : index")
    assert verdicts(outside)["buffers inside the arena"] is Verdict.REFUTED
    crooked = text.replace(f"arith.constant {last} : index", f"arith.constant {last + 4} : index")
    assert verdicts(crooked)["buffers aligned"] is Verdict.REFUTED


def test_a_program_without_an_arena_is_not_checked() -> None:
    assert verdicts(HOST) == {"memory plan": Verdict.NOT_CHECKED}


intervals = st.lists(
    st.tuples(st.integers(1, 50), st.integers(0, 20), st.integers(0, 20)).map(
        lambda t: Interval(t[0] * 64, Lifetime(min(t[1:]), max(t[1:]), False))
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(intervals)
def test_plans_never_overlap_and_are_no_larger_than_needed(buffers: list[Interval]) -> None:
    offsets, total = place(buffers)
    assert total <= sum(b.size for b in buffers)
    for i, (a, at) in enumerate(zip(buffers, offsets, strict=True)):
        assert at % 64 == 0 and at + a.size <= total
        for b, other in zip(buffers[:i], offsets[:i], strict=True):
            together = a.life.first <= b.life.last and b.life.first <= a.life.last
            assert not together or at + a.size <= other or other + b.size <= at


@pytest.mark.parametrize("sizes", [[64], [64, 128, 64]])
def test_buffers_that_never_meet_share_one_place(sizes: list[int]) -> None:
    buffers = [Interval(size, Lifetime(2 * i, 2 * i + 1, False)) for i, size in enumerate(sizes)]
    assert place(buffers) == ([0] * len(sizes), max(sizes))
