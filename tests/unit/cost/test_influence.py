"""What single numbers do to a program's time, beside costing the program on the changed machine."""

from __future__ import annotations

import pytest

from stratagem.compiler.compile import compile_program
from stratagem.compiler.cost.influence import FACTOR, Influence, influences
from stratagem.compiler.cost.program import ProgramCost, program_cost
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System, load_machine
from stratagem.hwmodels.override import with_values
from tests.unit.cost.test_program import EXPONENTIALS, MATMUL

PRODUCT = MATMUL.format(m=131, n=67, k=1021)
WALK = EXPONENTIALS.format(n=1 << 23)


def taken(text: str, machine: System) -> tuple[ProgramCost, str]:
    """The cost of a program, and its tensor level."""
    compiled = compile_program(Program(parse_module(text)), machine, until="device")
    return program_cost(parse_module(compiled.levels["device"]), machine), compiled.levels["tensor"]


def found(text: str, machine: System) -> tuple[ProgramCost, dict[str, Influence]]:
    cost, tensor = taken(text, machine)
    return cost, {one.key: one for one in influences(Program(parse_module(tensor)), machine, cost)}


@pytest.mark.parametrize(
    ("text", "key", "changed"),
    [
        (WALK, "launch", "3.3 us"),
        (WALK, "levels.dram.bandwidth", "84.48 GB/s"),
        (WALK, "units.math.rate.f32", "1.76 op/cy"),
        (PRODUCT, "launch", "3.3 us"),
        (PRODUCT, "levels.l3.bandwidth", "140.8 B/cy"),
    ],
)
def test_an_influence_is_what_the_changed_machine_costs(text: str, key: str, changed: str) -> None:
    """None of these numbers changes which tiles are chosen here."""
    machine = load_machine("generic-avx512")
    cost, influence = found(text, machine)
    other = taken(text, with_values(machine, {key: changed}))[0]
    assert influence[key].change(cost) == pytest.approx(other.seconds - cost.seconds, rel=1e-6)
    assert influence[key].change(cost) != 0


def test_the_largest_comes_first_and_what_is_not_felt_is_left_out() -> None:
    cost, influence = found(WALK, load_machine("generic-avx512"))
    changes = [abs(one.change(cost)) for one in influence.values()]
    assert changes == sorted(changes, reverse=True)
    assert next(iter(influence)) == "levels.dram.bandwidth"
    assert "units.fma.latency" not in influence  # there is no multiply-add


def test_more_is_better_of_rates_and_worse_of_latencies() -> None:
    cost, influence = found(PRODUCT, load_machine("generic-avx512"))
    for one in influence.values():
        assert one.more_is_better == (one.change(cost) <= 0), one
        assert one.value > 0
    assert {influence["launch"].more_is_better, influence["levels.l3.bandwidth"].more_is_better} == {False, True}


def test_work_of_free_sizes_feels_its_launch_only() -> None:
    text = (
        EXPONENTIALS.format(n="?")
        .replace("tensor.empty()", "tensor.empty(%s)")
        .replace("  %e =", "  %c0 = arith.constant 0 : index\n  %s = tensor.dim %x, %c0 : tensor<?xf32>\n  %e =")
    )
    cost, influence = found(text, load_machine("generic-avx2"))
    assert list(influence) == ["launch"]
    assert influence["launch"].change(cost) == pytest.approx((FACTOR - 1) * influence["launch"].value)


def test_kernels_that_cost_otherwise_here_are_left_out() -> None:
    """A cost of another compile: nothing can be said of it."""
    machine = load_machine("generic-avx512")
    _, tensor = taken(PRODUCT, machine)
    other, _ = taken(PRODUCT, load_machine("generic-avx2"))
    assert not influences(Program(parse_module(tensor)), machine, other)
