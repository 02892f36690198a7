"""Pages in a real browser: no fault, no request, sliders that compute, nothing wider than a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stratagem.api.profiling import Measured
from stratagem.cli.main import run
from stratagem.compiler.artifact import tensor_program
from stratagem.compiler.cost.influence import FACTOR, influences
from stratagem.report.program import cost_of, program_page
from stratagem.runtime.container import Container
from tests.run.report.browser import Page

SECTIONS = ["time", "bottleneck", "whatif", "roofline", "timeline", "energy", "machine", "levels", "assurance"]
SLIDE = """(() => {{
  const slider = document.querySelector('[data-key="{key}"]');
  slider.value = {value};
  slider.dispatchEvent(new Event("input"));
  return document.getElementById("whatif-total").textContent;
}})()"""


@pytest.fixture
def report(described: Path, tmp_path: Path) -> Path:
    """With times of every kernel as if they had been measured: three times the estimate."""
    container = Container(described)
    plain = cost_of(container)
    assert plain is not None
    measured: dict[str, Measured] = {}
    for call in plain.cost.calls:
        one = measured.setdefault(call.kernel, Measured())
        one.seconds.append(3 * call.seconds.total)
        one.limits.append(None)
    path = tmp_path / "report.html"
    path.write_text(program_page(container, cost_of(container, measured)))
    return path


def quiet(page: Page, path: Path) -> None:
    assert page.faults == []
    assert set(page.requests) == {path.as_uri()}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_it_opens_at_any_width_in_light_and_dark(page: Page, report: Path, width: int, dark: bool) -> None:
    page.open(report, width, dark)
    page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run("[...document.querySelectorAll('section')].map(one => one.id)") == SECTIONS
    assert page.run("document.documentElement.scrollWidth") <= width
    back = page.run("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 24, 30)" if dark else "rgb(255, 255, 255)")
    quiet(page, report)


def test_names_are_shown_as_they_are(page: Page, report: Path, described: Path) -> None:
    page.open(report, 1200)
    assert page.run("document.querySelector('h1').textContent") == f"{described.stem} on generic-avx512"
    assert page.run("document.querySelectorAll('script').length") == 2
    quiet(page, report)


def test_sliders_compute_what_the_compiler_does(page: Page, report: Path, described: Path) -> None:
    """As stated the total is the compiler's; with one number 10 % larger it is the one costed anew."""
    container = Container(described)
    costed = cost_of(container)
    assert costed is not None
    page.open(report, 1200)
    total = costed.cost.seconds
    none = "totalAfter(data, data.numbers.map(() => 1))"
    assert page.run(none) == pytest.approx(total, rel=1e-9)
    for place, one in enumerate(influences(tensor_program(container), costed.machine, costed.cost)):
        script = f"totalAfter(data, data.numbers.map((number, at) => at === {place} ? {FACTOR} : 1))"
        assert page.run(script) == pytest.approx(total + one.change(costed.cost), rel=1e-6), one.key
    quiet(page, report)


def test_sliders_change_what_is_shown(page: Page, report: Path) -> None:
    page.open(report, 1200)
    before = page.run("document.getElementById('whatif-total').textContent")
    slower: Any = page.run(SLIDE.format(key="launch", value=2))
    assert before.count("+0.00 %") == 1 and "+0.00 %" not in slower and "+" in slower
    faster = page.run(SLIDE.format(key="launch", value=-3))
    assert "−" in faster
    page.run("document.querySelector('#whatif button').click()")
    assert page.run("document.getElementById('whatif-total').textContent") == before
    quiet(page, report)


def test_tables_sort_and_regroup(page: Page, report: Path) -> None:
    page.open(report, 1200)
    first = "[...document.querySelectorAll('#time tbody td:first-child')].map(one => one.textContent)"
    by_time = page.run(first)
    page.run("document.querySelector('#time th button').click()")
    assert page.run(first) == sorted(by_time) and len(by_time) >= 2
    page.run(
        "(() => { const one = document.querySelector('#time select'); one.selectedIndex = 1;"
        " one.dispatchEvent(new Event('change')); })()"
    )
    places = page.run(first)
    assert places != by_time and places
    quiet(page, report)


def test_plots_have_a_point_for_each_kernel(page: Page, report: Path, described: Path) -> None:
    costed = cost_of(Container(described))
    assert costed is not None
    page.open(report, 1200)
    counted = {c.kernel for c in costed.cost.calls if c.operations and c.traffic.get("l1")}
    assert page.run("document.querySelectorAll('#roofline figure:last-child .point').length") == len(counted)
    assert page.run("document.querySelectorAll('#roofline figure:last-child .measured').length") == len(counted)
    assert page.run("document.querySelectorAll('#timeline rect').length") == 2 * len(costed.cost.calls)
    quiet(page, report)


def test_levels_are_unpacked_side_by_side(page: Page, report: Path) -> None:
    page.open(report, 1200)
    page.run("document.querySelector('#levels details').open = true")
    page.run("new Promise(done => setTimeout(done, 300))")
    tensor, device = page.run("[...document.querySelectorAll('#levels pre')].map(one => one.textContent)")
    assert 'stratagem.level = "tensor"' in tensor and "scf.forall" in device
    quiet(page, report)


def test_the_page_of_a_sweep(page: Page, described: Path, tmp_path: Path) -> None:
    path = tmp_path / "sweep.html"
    vary = "levels.l2.size=32KiB,256KiB,1MiB"
    assert (
        run(["sweep", str(described), "--vary", vary, "--objective", "time,levels.l2.size", "--html", str(path)]) == 0
    )
    for width in (390, 1200):
        page.open(path, width)
        assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.querySelectorAll('#points tbody tr').length") == 2
    assert page.run("document.querySelectorAll('#front circle').length") == 2
    assert "larger than" in page.run("document.getElementById('refused').textContent")
    quiet(page, path)


def test_faults_and_requests_are_noticed(page: Page, tmp_path: Path) -> None:
    """The checks above would see a script that throws, one that complains, and a picture from elsewhere."""
    path = tmp_path / "bad.html"
    path.write_text("<img src='https://example.invalid/x.png'><script>console.error('oh'); missing();</script>")
    page.open(path, 1200)
    page.run("new Promise(done => setTimeout(done, 200))")
    assert any("missing" in fault for fault in page.faults) and any("oh" in fault for fault in page.faults)
    assert "https://example.invalid/x.png" in page.requests
