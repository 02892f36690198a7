"""Planted bugs in a kernel whose sizes nothing but an assertion relates: each is refused, and the sizes are named."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.assurance import check_level, refuse_refuted
from stratagem.compiler.checks.kernel_proofs import prove_kernel
from stratagem.compiler.checks.premises import premises_of_calls
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import VerificationError
from tests.unit.checks.kernels import WINDOW

ASSERT = '    cf.assert %both, "the window reaches past b"\n'
CALL = "    %y = call"


def findings(text: str) -> list[Finding]:
    module = parse_module(text)
    return prove_kernel(find_function(module, "window"), "device", premises_of_calls(module)["window"])


def refuted(text: str) -> dict[str, str]:
    return {f.obligation: f.detail for f in findings(text) if f.verdict is Verdict.REFUTED}


def planted(*edits: tuple[str, str]) -> str:
    text = WINDOW
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def names(detail: str, *sizes: str) -> bool:
    return all(f"{size} = " in detail for size in sizes)


def test_the_right_kernel_is_proved_for_all_sizes() -> None:
    assert {f.verdict for f in findings(WINDOW)} == {Verdict.PROVED}


@pytest.mark.parametrize("size, tile, dim", [("%n", 8, 0), ("%m", 64, 1)])
def test_a_dropped_last_tile_leaves_elements_unwritten(size: str, tile: int, dim: int) -> None:
    bounds = "(%n, %m)"
    full = f"affine.apply affine_map<()[s0] -> ((s0 floordiv {tile}) * {tile})>()[{size}]"
    found = refuted(
        planted((f"to {bounds}", f"to {bounds.replace(size, '%full')}"), ("    %r =", f"    %full = {full}\n    %r ="))
    )
    assert set(found) == {"every element written"}
    assert names(found["every element written"], "size 0 of argument 3", "size 1 of argument 3")


@pytest.mark.parametrize("step", ["(7, 64)", "(8, 63)"])
def test_units_that_overlap_race(step: str) -> None:
    found = refuted(planted(("step (8, 64)", f"step {step}")))
    assert "units write apart" in found
    assert names(found["units write apart"], "size 0 of argument 3", "size 1 of argument 3")


def test_a_missing_minimum_reads_and_writes_out_of_bounds() -> None:
    found = refuted(planted(("affine.min #columns(%j)[%m]", "affine.apply affine_map<() -> (64)>()")))
    assert {"reads in bounds", "writes in bounds"} <= set(found)
    assert names(found["reads in bounds"], "size 1 of argument 0", "size 1 of argument 3")


def test_a_destination_of_the_wrong_sizes_is_refused() -> None:
    found = refuted(planted(("tensor.empty(%rows, %columns)", "tensor.empty(%columns, %rows)")))
    assert "reads in bounds" in found
    assert names(found["reads in bounds"], "size 0 of argument 0", "size 0 of argument 3")


def test_sizes_that_nothing_relates_are_refused() -> None:
    found = refuted(planted((ASSERT, "")))
    assert set(found) == {"reads in bounds"}
    assert names(found["reads in bounds"], "size 0 of argument 1", "argument 2", "size 1 of argument 3")


@pytest.mark.parametrize("forgotten", ["%fits", "%ahead"])
def test_half_of_the_assertion_is_not_enough(forgotten: str) -> None:
    kept = "%ahead" if forgotten == "%fits" else "%fits"
    assert set(refuted(planted(("cf.assert %both", f"cf.assert {kept}")))) == {"reads in bounds"}


def test_an_assertion_after_the_call_does_not_protect_it() -> None:
    text = planted((ASSERT, ""), ("    return %y", f"{ASSERT}    return %y"))
    assert set(refuted(text)) == {"reads in bounds"}


def test_an_assertion_in_a_branch_holds_only_there() -> None:
    text = planted((ASSERT, f"    scf.if %ahead {{\n{ASSERT}    }}\n"))
    assert set(refuted(text)) == {"reads in bounds"}


def test_premises_that_no_sizes_fulfil_prove_nothing() -> None:
    never = f'    %never = arith.cmpi slt, %end, %columns : index\n    cf.assert %never, "never"\n{ASSERT}'
    broken = planted((ASSERT, never), ("step (8, 64)", "step (7, 64)"))
    found = findings(broken)
    assert [(f.obligation, f.verdict) for f in found] == [("sizes of callers", Verdict.NOT_CHECKED)]
    assert found[0].detail.startswith("no sizes fulfil what a call says of them")


def test_a_contradiction_in_one_call_is_reported_beside_the_proofs_of_another() -> None:
    never = '    %never = arith.cmpi slt, %end, %columns : index\n    cf.assert %never, "never"\n    return %y'
    again = CALL.replace("%y", "%y2")
    call = next(line for line in WINDOW.splitlines(keepends=True) if line.startswith(CALL))
    text = planted(("    return %y", f"{never}"), ("    return %y", f"{call.replace(CALL, again)}    return %y"))
    verdicts = {f.obligation: f.verdict for f in findings(text)}
    assert verdicts.pop("sizes of callers") is Verdict.NOT_CHECKED
    assert set(verdicts.values()) == {Verdict.PROVED}


def test_a_refuted_kernel_of_unrelated_sizes_ends_the_compile() -> None:
    module = parse_module(planted((ASSERT, "")))
    with pytest.raises(VerificationError, match="device level, window: 'reads in bounds' does not hold: size 0"):
        refuse_refuted(check_level("device", module, load_machine("generic-avx512")))
