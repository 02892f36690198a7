"""The proof that a cut program computes what the uncut one does: right cuts are proved, each wrong one is refuted."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.sharding.check import check_partition
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import parse_module
from tests.unit.checks.sharding import programs as p

RIGHT = {
    "uncut": (p.SUMS, p.SUMS),
    "sums": (p.SUMS, p.SUMS_CUT),
    "sums of every second row": (p.SUMS, p.column_sums(4, p.EVERY_SECOND_ROW, "%p", p.all_reduced())),
    "rows": (p.DIFFERENCES, p.DIFFERENCES_CUT),
    "every second row, gathered so": (
        p.DIFFERENCES,
        p.differences(4, p.rows_of_both(p.EVERY_SECOND_ROW, p.EVERY_SECOND_ROW), "%p", "%p_b", p.GATHERED_INNER),
    ),
    "maxima that start from an argument": (
        p.column_sums(8, "", "%x", "return %q : tensor<3xf32>", "%b", "maximumf"),
        p.column_sums(4, p.OWN_ROWS, "%p", p.all_reduced("max"), "%b", "maximumf"),
    ),
    "an all_reduce of maxima that every rank has": (
        p.column_sums(8, "", "%x", "return %q : tensor<3xf32>", "%b", "maximumf"),
        p.column_sums(8, "", "%x", p.all_reduced("max"), "%b", "maximumf"),
    ),
}

WRONG = {
    "a missing all_reduce": (
        (p.SUMS, p.column_sums(4, p.OWN_ROWS, "%p", "return %q : tensor<3xf32>")),
        "result 'y' is a partial sum over 'node' of linalg.generic at -:13:8: an all_reduce is missing",
    ),
    "another reduction": (
        (p.SUMS, p.column_sums(4, p.OWN_ROWS, "%p", p.all_reduced("max"))),
        "system.all_reduce at -:21:8 is an all_reduce(max) of a partial sum over 'node' of linalg.generic at -:13:8",
    ),
    "an all_reduce of sums that every rank has": (
        (p.SUMS, p.column_sums(8, "", "%x", p.all_reduced())),
        "is an all_reduce(sum) of the whole of linalg.generic",
    ),
    "an initial value that each rank adds": (
        (
            p.column_sums(8, "", "%x", "return %q : tensor<3xf32>", "%b"),
            p.column_sums(4, p.OWN_ROWS, "%p", p.all_reduced(), "%b"),
        ),
        "each adds the initial value, which is not neutral",
    ),
    "another axis": (
        (p.SUMS, p.column_sums(4, p.OWN_ROWS, "%p", p.all_reduced(axis="tp"))),
        "system.all_reduce is over axis 'tp', the program is cut over 'node'",
    ),
    "a missing all_gather": (
        (p.DIFFERENCES, p.differences(4, p.rows_of_both(p.OWN_ROWS, p.OWN_ROWS), "%p", "%p_b", p.NOT_GATHERED)),
        "tensor.concat at -:19:8 reads operand 0, a rank's part of linalg.exp at -:7:8; it needs the same values",
    ),
    "gathered along another dimension": (
        (p.DIFFERENCES, p.differences(4, p.rows_of_both(p.OWN_ROWS, p.OWN_ROWS), "%p", "%p_b", p.GATHERED_INNER)),
        "result 'y' is the whole of linalg.exp at -:7:8 with its elements in another order: "
        "[(4 of dim 0 by 1, 2 of dim 0 by 4) (3 of dim 1 by 1)], not [(8 of dim 0 by 1) (3 of dim 1 by 1)]",
    ),
    "a gather whose type says another dimension": (
        (p.DIFFERENCES, p.changed(p.DIFFERENCES_CUT, "dim = 0", "dim = 1")),
        "system.all_gather gives 1 along dimension 0, its type says 2",
    ),
    "a part that is no part per rank": (
        (p.SUMS, p.column_sums(4, p.QUARTERS, "%p", p.all_reduced())),
        "tensor.extract_slice at -:10:8 reads operand 1, other numbers on every rank of 'node', from system.rank",
    ),
    "rows that do not belong together": (
        (p.DIFFERENCES, p.differences(4, p.rows_of_both(p.OWN_ROWS, p.EVERY_SECOND_ROW), "%p", "%p_b", p.GATHERED)),
        "linalg.sub at -:16:8 computes nothing that the uncut program does: operand 0 is a rank's part of "
        "argument 0 ('x'); operand 1 is a rank's part of argument 1 ('b')",
    ),
    "the same rows on every rank": (
        (p.DIFFERENCES, p.changed(p.DIFFERENCES_CUT, "%e_b[%r, 0, 0]", "%e_b[0, 0, 0]")),
        "tensor.extract_slice at -:12:10 computes nothing that the uncut program does: operand 0 is the whole of "
        "argument 1 ('b')",
    ),
    "operands in another order": (
        (p.DIFFERENCES, p.differences(4, p.rows_of_both(p.OWN_ROWS, p.OWN_ROWS), "%p_b", "%p", p.GATHERED)),
        "operand 0 is a rank's part of argument 1 ('b'); operand 1 is a rank's part of argument 0 ('x')",
    ),
    "another value returned": (
        (p.DIFFERENCES, p.differences(8, "", "%x", "%b", "return %d : tensor<8x3xf32>")),
        "result 'y' is the whole of linalg.sub at -:6:8, not the whole of linalg.exp at -:7:8",
    ),
    "arguments that changed places": (
        (p.SUMS, p.SUMS_CUT.replace('"x"', '"z"').replace('"b"', '"x"').replace('"z"', '"b"')),
        "@main has other arguments than the uncut program, or other names of them",
    ),
    "another name of the result": (
        (p.SUMS, p.changed(p.SUMS_CUT, 'model.output = "y"', 'model.output = "z"')),
        "@main has other results than the uncut program",
    ),
}


@pytest.mark.parametrize("uncut, cut", RIGHT.values(), ids=RIGHT)
def test_a_right_cut_is_proved(uncut: str, cut: str) -> None:
    finding = p.checked(uncut, cut)
    assert finding.verdict is Verdict.PROVED, finding.detail


@pytest.mark.parametrize("texts, said", WRONG.values(), ids=WRONG)
def test_a_wrong_cut_is_refuted_with_a_witness(texts: tuple[str, str], said: str) -> None:
    finding = p.checked(*texts)
    assert finding.verdict is Verdict.REFUTED
    assert said in finding.detail


@pytest.mark.parametrize("mesh", [(), (("node", 1),), (("a", 2), ("b", 2))], ids=str)
def test_programs_that_nothing_cuts_have_no_finding(mesh: tuple[tuple[str, int], ...]) -> None:
    assert check_partition(p.SUMS, parse_module(p.SUMS), mesh) == []


def test_what_has_no_reading_is_not_checked() -> None:
    first, second = "cf.cond_br %true, ^one, ^two", "return %q : tensor<3xf32>"
    branches = p.changed(p.SUMS, second, f"{first}\n^one:\n  {second}\n^two:\n  return %b : tensor<3xf32>")
    branches = p.changed(branches, "%zero = ", "%true = func.call @flag() : () -> i1\n  %zero = ")
    module = parse_module(branches + "func.func private @flag() -> i1")
    (finding,) = check_partition(p.SUMS, module, p.MESH)
    assert finding.verdict is Verdict.NOT_CHECKED and finding.detail == "branches between blocks"
