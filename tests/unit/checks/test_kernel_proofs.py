"""Integer-set proofs: a right kernel is proved for all sizes, each planted bug is refuted with a counterexample."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.assurance import check_level, refuse_refuted
from stratagem.compiler.checks.kernel_proofs import prove_kernel
from stratagem.compiler.checks.premises import premises_of_calls
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import VerificationError
from tests.unit.checks.kernels import ADD


def findings(text: str) -> list[Finding]:
    module = parse_module(text)
    return prove_kernel(find_function(module, "double"), "device", premises_of_calls(module).get("double", ()))


def refuted(text: str) -> dict[str, str]:
    return {f.obligation: f.detail for f in findings(text) if f.verdict is Verdict.REFUTED}


def planted(old: str, new: str) -> str:
    assert old in ADD
    return ADD.replace(old, new)


def test_a_right_kernel_is_proved_for_all_sizes() -> None:
    found = findings(ADD)
    assert {f.verdict for f in found} == {Verdict.PROVED}
    assert {f.obligation for f in found} >= {
        "writes in bounds",
        "reads in bounds",
        "units write apart",
        "every element written",
    }


def test_a_dropped_last_tile_leaves_elements_unwritten() -> None:
    text = planted("(0) to (%n) step (64)", "(0) to (%last) step (64)").replace(
        "    %r = scf.forall",
        "    %last = affine.apply affine_map<()[s0] -> ((s0 floordiv 64) * 64)>()[%n]\n    %r = scf.forall",
    )
    found = refuted(text)
    assert set(found) == {"every element written"}
    assert "size 0 of argument 1 = 1" in found["every element written"] and found["every element written"].endswith(
        "at (0,)"
    )


def test_two_units_that_write_the_same_element_race() -> None:
    found = refuted(planted("step (64)", "step (60)"))
    assert "units write apart" in found
    assert "size 0 of argument 1 = 61" in found["units write apart"]


def test_a_gap_between_tiles_is_found() -> None:
    assert "every element written" in refuted(planted("step (64)", "step (68)"))


def test_a_missing_clamp_writes_and_reads_out_of_bounds() -> None:
    text = planted("(s0 - d0, 64)", "(s0 - d0 + 64, 64)")
    assert set(refuted(text)) >= {"writes in bounds", "reads in bounds"}


def test_reading_what_another_unit_writes_is_found() -> None:
    text = planted("%xt = tensor.extract_slice %x[%i] [%m] [1]", "%xt = tensor.extract_slice %o[0] [%m] [1]")
    assert "reads own writes only" in refuted(text)


def test_sizes_the_callers_do_not_relate_may_differ() -> None:
    text = planted("%e = tensor.empty(%n)", "%c7 = arith.constant 7 : index\n    %e = tensor.empty(%c7)")
    assert "reads in bounds" in refuted(text)


def test_an_asserted_relation_is_a_premise() -> None:
    text = ADD.replace('(%x: tensor<?xf32> {model.input = "x"})', '(%x: tensor<?xf32> {model.input = "x"}, %k: index)')
    text = text.replace("%e = tensor.empty(%n)", "%e = tensor.empty(%k)")
    assert set(refuted(text)) == {"reads in bounds"}
    asserted = text.replace(
        "    %e = tensor.empty",
        '    %same = arith.cmpi eq, %k, %n : index\n    cf.assert %same, "sizes differ"\n    %e = tensor.empty',
    )
    assert {f.verdict for f in findings(asserted)} == {Verdict.PROVED}


def test_a_relation_asserted_in_a_branch_is_no_premise_outside() -> None:
    text = ADD.replace('(%x: tensor<?xf32> {model.input = "x"})', '(%x: tensor<?xf32> {model.input = "x"}, %k: index)')
    text = text.replace(
        "    %e = tensor.empty(%n)",
        "    %same = arith.cmpi eq, %k, %n : index\n    %other = arith.cmpi slt, %k, %n : index\n"
        '    scf.if %other {\n      cf.assert %same, "sizes differ"\n    }\n    %e = tensor.empty(%k)',
    )
    assert set(refuted(text)) == {"reads in bounds"}


def test_products_of_unknown_sizes_are_proved_for_boundary_sizes() -> None:
    text = planted(
        "%m = affine.min #clamp(%i)[%n]", "%q = arith.muli %i, %n : index\n      %m = affine.min #clamp(%i)[%n]"
    )
    text = text.replace("tensor.extract_slice %x[%i]", "tensor.extract_slice %x[%z]").replace(
        "      %xt =", "      %z = arith.remsi %q, %n : index\n      %xt ="
    )
    found = findings(text)
    assert found
    assert all(f.verdict in (Verdict.PROVED_HERE, Verdict.NOT_CHECKED, Verdict.REFUTED) for f in found)
    assert all("not affine" in f.detail for f in found if f.verdict is not Verdict.REFUTED)


def test_a_refuted_kernel_ends_the_compile() -> None:
    module = parse_module(planted("step (64)", "step (60)"))
    machine = load_machine("generic-avx512")
    with pytest.raises(VerificationError, match="device level, double: 'units write apart' does not hold: size 0"):
        refuse_refuted(check_level("device", module, machine))


def test_an_index_that_a_loop_carries_is_no_argument_of_the_kernel() -> None:
    loop = (
        "      %c1 = arith.constant 1 : index\n"
        "      %p = scf.for %k = %c0 to %n step %c1 iter_args(%q = %c0) -> index {\n"
        "        %next = arith.addi %q, %k : index\n        %s = tensor.extract_slice %x[%q] [1] [1]"
        " : tensor<?xf32> to tensor<1xf32>\n        scf.yield %next : index\n      }\n      %m = affine.min"
    )
    found = findings(planted("      %m = affine.min", loop))
    assert [f.verdict for f in found] == [Verdict.NOT_CHECKED]
    assert found[0].detail == "not affine: a value that scf.for carries"
