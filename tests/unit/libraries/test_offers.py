"""Who does a product: by estimate, by measurement, what is kept of it, and what `explain` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stratagem.api.explaining import explain
from stratagem.compiler import knobs
from stratagem.compiler.ir import parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.library import Offer, read_offer
from stratagem.compiler.tuning.database import Database, Subject
from stratagem.compiler.tuning.offers import Contest
from stratagem.hwmodels import load_machine
from stratagem.runtime.container import Container
from stratagem.runtime.errors import ArtifactError, PassError
from tests.unit.libraries.support import QUICK, SLOW, compiled, offering, product

FASTER = (2e-3, 1e-3)
"""Seconds by generated code and by the library."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with knobs.scope(cache=str(tmp_path / "cache")):
        yield Database.default()


def offers(model: Any) -> list[Offer]:
    found = map(read_offer, kernel.kernels(parse_module(model.ir("device"))))
    return [offer for offer in found if offer is not None]


def unit(model: Any) -> str:
    """The unit of the one kernel."""
    return next(kernel.claim(one)["unit"] for one in kernel.kernels(parse_module(model.ir("device"))))


def asked_for_times(monkeypatch: pytest.MonkeyPatch) -> list[Contest]:
    """What is measured from now on, where the library takes half of the time."""
    asked: list[Contest] = []

    def timed(one: Contest) -> tuple[float, float]:
        asked.append(one)
        return FASTER

    monkeypatch.setattr("stratagem.compiler.tuning.offers._timed", timed)
    return asked


@pytest.mark.parametrize("rate, chosen", [(QUICK, True), (SLOW, False)])
def test_the_estimate_chooses_by_what_the_file_says(library: Path, rate: str, chosen: bool) -> None:
    model = compiled(product(64, 256, 128), offering(library, rate))
    (offer,) = offers(model)
    assert (offer.unit, offer.chosen, offer.measured) == ("plain", chosen, False)
    assert (offer.library < offer.generated) is chosen and unit(model) == ("plain" if chosen else "fma")


def test_a_library_reaches_its_share_of_the_rate(library: Path) -> None:
    target = offering(library, SLOW)
    (whole,) = offers(compiled(product(64, 256, 128), target))
    target.write_text(target.read_text().replace("    latency:", "    utilisation: {f32: 50%}\n    latency:"))
    (half,) = offers(compiled(product(64, 256, 128), target))
    assert half.library == pytest.approx(2 * whole.library, rel=0.05) and half.generated == whole.generated


@pytest.mark.parametrize(
    "text",
    [
        product(64, 256, 128, element="f16"),
        product(64, 256, 128).replace("128", "?"),
        product(64, 256, 128).replace("64x", "?x").replace("tensor.empty()", "tensor.empty(%n)"),
    ],
    ids=["another element type", "depth unknown", "rows unknown"],
)
def test_only_plain_products_of_known_sizes_are_offered(library: Path, text: str) -> None:
    if "%n" in text:
        text = text.replace(
            "  %z =", "  %c0 = arith.constant 0 : index\n  %n = tensor.dim %a, %c0 : tensor<?x128xf32>\n  %z ="
        )
    assert offers(compiled(text, offering(library))) == []


def test_tuning_measures_both_and_keeps_it(library: Path, database: Database) -> None:
    target = offering(library, QUICK)  # it claims to be quick, and is not
    (offer,) = offers(compiled(product(64, 256, 512), target, tune=4))
    assert offer.measured and not offer.chosen and offer.library > offer.generated
    assert offers(compiled(product(64, 256, 512), target)) == [offer], "a later compile takes what was measured"
    with knobs.scope(threads=1):
        (other,) = offers(compiled(product(64, 256, 512), target))
    assert not other.measured, "it was measured for another number of threads"


def test_what_was_measured_wins_over_the_estimate(
    library: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_for_times(monkeypatch)
    model = compiled(product(64, 256, 512), offering(library, SLOW), tune=4)
    assert offers(model) == [Offer("plain", True, True, *FASTER)] and unit(model) == "plain" and len(asked) == 1
    compiled(product(64, 256, 512), offering(library, SLOW), tune=4)
    assert len(asked) == 1, "what was measured is not measured again"


def test_a_weight_and_an_input_are_measured_apart(
    library: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generated code reads a weight in panels, an input as it is."""
    asked = asked_for_times(monkeypatch)
    weight = np.zeros((512, 256), np.float32)
    compiled(product(64, 256, 512, weight=True), offering(library), weight, tune=4)
    compiled(product(64, 256, 512), offering(library), tune=4)
    first, second = asked
    assert "x512x" in first.generated.text and first.generated.text != second.generated.text
    assert first.called.text == second.called.text


def test_a_little_faster_is_not_enough(library: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratagem.compiler.tuning.offers._timed", lambda one: (1e-3, 0.98e-3))
    (offer,) = offers(compiled(product(64, 256, 512), offering(library), tune=4))
    assert not offer.chosen
    assert str(offer) == "generated code; plain takes 0.98 times as long (measured: 0.98 against 1 ms)"


def test_measuring_needs_the_library(library: Path, database: Database) -> None:
    target = offering(library)
    target.write_text(target.read_text().replace("libgemm.so", "libnowhere.so"))
    with pytest.raises(ArtifactError, match=r"calls gemm_f32 of libnowhere\.so"):
        compiled(product(64, 256, 512), target, tune=4)


def test_explain_says_who_won(library: Path, tmp_path: Path) -> None:
    path = compiled(product(64, 256, 128), offering(library)).save(tmp_path / "m.sgm")
    found = explain(Container(path))
    text = found.to_text()
    assert re.search(r"done by +plain; generated code takes [\d.]+ times as long \(estimated: ", text)
    assert "call of gemm_f32 in" in text and re.search(r"could run on +with-library/fma", text)
    (entry,) = found.to_json()["kernels"]
    assert entry["offer"]["chosen"] and entry["offer"]["library"] < entry["offer"]["generated"]


def test_offers_are_kept_by_kernel_device_threads_and_unit(database: Database) -> None:
    subject = Subject("kernel", "device", 0)
    assert database.offered(subject, "plain") is None
    database.record_offer(subject, "plain", *FASTER)
    assert database.offered(subject, "plain") == FASTER
    assert (
        database.offered(subject, "other") is None and database.offered(Subject("kernel", "device", 1), "plain") is None
    )


def test_the_better_of_two_libraries_does_it(library: Path) -> None:
    target = offering(library, QUICK)
    entry = target.read_text().partition("units:\n")[2]
    second = entry.replace("name: plain", "name: other").replace(QUICK, "8192 op/cy")
    target.write_text(target.read_text() + second)
    model = compiled(product(512, 512, 512), target)
    assert [offer.unit for offer in offers(model)] == ["other"] and unit(model) == "other"


def test_a_backend_that_calls_none_refuses(library: Path) -> None:
    target = offering(library)
    target.write_text(target.read_text().replace("extends: cpu\n", "extends: cpu\nbackend: 'null'\n"))
    program = Program(parse_module("module {\n}"))
    message = "with-library offers a library .unit 'plain'., and backend null calls none"
    with pytest.raises(PassError, match=message):
        parse("call-libraries").apply(program, PassContext(load_machine(target)))


def test_it_needs_a_hardware_description() -> None:
    with pytest.raises(PassError, match="call-libraries needs a hardware description"):
        parse("call-libraries").apply(Program(parse_module("module {\n}")), PassContext())


def test_only_the_hosts_kernels_are_measured(
    library: Path, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = asked_for_times(monkeypatch)
    target = offering(library)
    system = target.parent / "pair.yaml"
    system.write_text(
        "hw: 1\nsystem: pair\nsource: {kind: assumed}\nhost: host\n"
        "members: {host: {device: cpu}, other: {device: with-library}}\n"
        "links: [{from: host, to: other, bandwidth: 1 GB/s, latency: 1 us}]\n"
    )
    machine = load_machine(system)
    program = Program(parse_module(product(64, 256, 512)))
    for name in ("form-kernels", "match-functions", "call-libraries{seconds=4}"):
        parse(name).apply(program, PassContext(machine))
    (offer,) = [offer for one in kernel.kernels(program.module) if (offer := read_offer(one)) is not None]
    assert not offer.measured and not asked


def test_what_cannot_be_estimated_is_left_to_measurements(
    library: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratagem.compiler.tuning.offers._estimated", lambda lone: float("inf"))
    target = offering(library)
    assert offers(compiled(product(64, 256, 512), target)) == []
    asked_for_times(monkeypatch)
    (offer,) = offers(compiled(product(64, 256, 512), target, tune=4))
    assert offer.measured and offer.chosen
