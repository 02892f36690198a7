"""The sentence that sums up a report, and what a report tells in full."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.verdicts import AssuranceReport, Finding, Verdict

PROVED = Finding("device", "matmul", "in bounds", Verdict.PROVED)
HERE = Finding("device", "gather", "in bounds", Verdict.PROVED_HERE, "not affine: d0 * d1")
LOST = Finding("device", "scan", "in bounds", Verdict.NOT_CHECKED, "reads what nobody understands")
TESTED = Finding("code", "matmul", "results within the derived bound", Verdict.TESTED)
VACUOUS = Finding("code", "main", "output y within the derived bound", Verdict.NOT_CHECKED, "bound inf")
WRONG = Finding("device", "matmul", "units write apart", Verdict.REFUTED, "[n=3] 0 and 1", "model.py:3")


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([], "nothing was checked"),
        ([PROVED], "kernels proved safe for all sizes; code not run; all 1 obligations checked"),
        (
            [PROVED, HERE, TESTED],
            "kernels proved safe for all sizes but in 1 obligations, for these sizes; code tested against float64; "
            "all 3 obligations checked",
        ),
        (
            [PROVED, LOST, TESTED, VACUOUS],
            "kernels not proved safe in 1 obligations; code tested against float64; 2 of 4 obligations not checked",
        ),
        ([TESTED], "kernels not proved safe; code tested against float64; all 1 obligations checked"),
        (
            [PROVED, WRONG],
            "REFUTED: 1 of 2 obligations do not hold, first 'units write apart' of matmul (device level)",
        ),
    ],
)
def test_the_sentence(findings: list[Finding], sentence: str) -> None:
    assert AssuranceReport(findings).verdict_line() == sentence


def test_reports_survive_json() -> None:
    report = AssuranceReport([PROVED, HERE, LOST, WRONG])
    assert AssuranceReport.from_json(report.to_json()).findings == report.findings
    text = report.to_text()
    assert "refuted: [n=3] 0 and 1 (model.py:3)" in text and "scan" in text


def test_the_summary_counts_by_level_and_names_what_is_open() -> None:
    report = AssuranceReport([PROVED, LOST, TESTED, VACUOUS])
    assert report.summary() == [
        "device     1 proved for all sizes, 1 not checked",
        "code       1 tested, 1 not checked",
        "not checked: scan: in bounds: reads what nobody understands",
        "not checked: main: output y within the derived bound: bound inf",
    ]
    assert report.summary(most=1)[-1] == "not checked: 1 more (`stratagem verify`)"


def test_levels_stand_in_the_order_of_the_way_down() -> None:
    """A pass of the device stage may be checked for what holds at system level."""
    early = Finding("system", "main", "ranks compute what the uncut program does", Verdict.PROVED)
    report = AssuranceReport([early, TESTED, PROVED])
    assert [line.split()[0] for line in report.summary()] == ["device", "system", "code"]
    headings = [line for line in report.to_text().splitlines()[:-1] if not line.startswith(" ")]
    assert headings == ["device", "system", "code"]
