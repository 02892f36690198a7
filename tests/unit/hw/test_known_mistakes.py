"""The mistakes that were found in published hardware files, each planted here, and what the loader says to it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from stratagem.hwmodels import HardwareFileError, check_file, load_device, load_machine
from stratagem.hwmodels.units import BINARY, DECIMAL, parse_quantity

Write = Callable[..., Path]

FABRIC = """\
hw: 1
system: fabric
source: {kind: assumed}
members: {host: {device: tiny}, gpu: {device: tiny}}
host: host
tiers:
  - name: nvl
    count: 8
    of: gpu
    with: {host: 1}
    switch: {count: 6, ports: 16, latency: 300 ns}
    link: {ports: {count: 12, rate: 25 GB/s}, bandwidth: 300 GB/s, latency: 1.9 us, per: gpu}
links:
  - {from: gpu, to: host, name: pcie, count: 8, bandwidth: 32 GB/s, latency: 1 us, per: gpu}
"""


@pytest.fixture
def problems(write: Write) -> Callable[..., list[str]]:
    """Every problem of the small device with each (old, new) text replaced."""

    def found(*changes: tuple[str, str]) -> list[str]:
        return [str(problem) for problem in check_file(write(*changes))]

    return found


@pytest.fixture
def system_problems(write: Write) -> Callable[..., list[str]]:
    """Every problem of a node of eight with each (old, new) text replaced."""
    write()

    def found(*changes: tuple[str, str]) -> list[str]:
        return [str(problem) for problem in check_file(write(*changes, text=FABRIC, name="fabric.yaml"))]

    return found


Problems = Callable[..., list[str]]


def test_sound_files_have_no_problems(problems: Problems, system_problems: Problems) -> None:
    assert problems() == []
    assert system_problems() == []


def test_unit_prefixes_are_powers_of_a_thousand_or_1024() -> None:
    """Found: a reader whose T was 1e13, so that 3.35 TB/s loaded as 33.5e12."""
    assert parse_quantity("3.35 TB/s").value == 3.35e12
    assert [DECIMAL[prefix] for prefix in "kMGTPE"] == [3, 6, 9, 12, 15, 18]
    for prefix, power in DECIMAL.items():
        assert Fraction(parse_quantity(f"1 {prefix}B").value) == Fraction(10) ** power
    for prefix, power in BINARY.items():
        assert Fraction(parse_quantity(f"1 {prefix}B").value) == Fraction(2) ** power


def test_percentages_are_not_factors(problems: Problems) -> None:
    """Found: 30 "percent" multiplied by watts without dividing by 100."""
    (found,) = problems(("spread: 10%", "spread: 30"))
    assert "source.spread: must be at most 1, not 30 (15 is 1500%; write 15% or 0.15)" in found
    (found,) = problems(("idle: 1 W", "idle: 30%"))
    assert "power.idle: the number 30% has no unit; write a power such as 45 W" in found


def test_placeholders_claim_no_document(problems: Problems) -> None:
    """Found: files that hold numbers of another device and are admitted placeholders in a comment only."""
    (found,) = problems(("spread: 10%", "status: placeholder"))
    assert "source.kind: a placeholder's numbers are not its own, so their kind is not 'datasheet'" in found
    assert problems(("kind: datasheet", "kind: assumed"), ("spread: 10%", "status: placeholder")) == []
    (found,) = problems(("spread: 10%", "status: checked"))
    assert "source.status: 'checked' is not one of draft, reviewed, placeholder" in found


def test_memory_bandwidth_is_that_of_its_pins(problems: Problems) -> None:
    """Found: an 8192-bit stack of memory at 6.81 TB/s where its pins carry 5.3."""
    pins = "pins: {count: 8192, rate: 5.2 Gbit/s}, latency: 80 ns"
    inner = ("bandwidth: 64 B/cy", "bandwidth: 2 KiB/cy")
    (found,) = problems(("10 GB/s", "6.81 TB/s"), ("latency: 80 ns", pins), inner)
    assert "levels.dram.bandwidth: 6.81 TB/s, but 8192 pins at 5.2 Gbit/s carry 5.325 TB/s" in found
    assert problems(("10 GB/s", "5.3 TB/s"), ("latency: 80 ns", pins), inner) == []


def test_keys_stand_once(problems: Problems) -> None:
    """Found: `ports:` twice in one memory, of which YAML readers keep the last silently."""
    (found,) = problems(("size: 1 GiB", "size: 1 GiB, size: 2 GiB"))
    assert "levels.0.size: the key 'size' stands twice; first on line 8" in found


def test_bits_are_no_bytes(system_problems: Problems) -> None:
    """Found: a text of 100 Gbit/s beside a field of 100 gigabytes/s; a bare number beside a unit in a comment."""
    link = ("link: {ports: {count: 12, rate: 25 GB/s}, bandwidth: 300 GB/s", "link: {bandwidth: 100")
    assert any("the number 100 has no unit" in found for found in system_problems(link))
    assert any(
        "the unit 'Gb' is ambiguous; write Gbit" in found for found in system_problems((link[0], link[1] + " Gb/s"))
    )
    (found,) = system_problems(("rate: 25 GB/s", "rate: 25 Gbit/s"))
    assert "tiers.nvl.link.bandwidth: 300 GB/s, but 12 ports at 25 Gbit/s carry 37.5 GB/s" in found


def test_links_end_at_as_many_things_as_there_are(system_problems: Problems) -> None:
    """Found: a text of 6 switches beside links to 8."""
    (found,) = system_problems(("count: 8, bandwidth", "count: 6, bandwidth"))
    assert "links.pcie.count: 6 links do not spread evenly over 8 'gpu'" in found
    (found,) = system_problems(("count: 6, ports", "count: 5, ports"))
    assert "8 users with 12 ports each need 96 ports, and the switches have 5 x 16 = 80" in found


def test_one_device_has_one_bandwidth(problems: Problems) -> None:
    """Found: five bandwidths of one memory in five tools. Sources that disagree widely need a range."""
    (found,) = problems(("10 GB/s", "{datasheet: 10 GB/s, measured: 10 Gbit/s}"))
    assert "the sources disagree by a factor of 8 (measured 10 Gbit/s, datasheet 10 GB/s)" in found
    assert problems(("10 GB/s", "{datasheet: 10 GB/s, measured: 8 GB/s}")) == []
    assert problems(("10 GB/s", "{datasheet: 10 GB/s, measured: 3 GB/s, spread: 80%}")) == []


def test_peaks_follow_from_the_units(problems: Problems) -> None:
    """Found: fields that multiply to 298 TFLOP/s for a device of 181."""
    (found,) = problems(("128 GFLOP/s", "181 GFLOP/s"))
    assert "peak.f32: declared 181 Gop/s, but the units give 128 Gop/s" in found


def test_reviews_are_dated(problems: Problems) -> None:
    """Found: a wrong dataflow, reported by a user, still there five years later with nothing to say so."""
    (found,) = problems(("spread: 10%", "status: reviewed"))
    assert "source.status: it is not said when the numbers were reviewed; add 'reviewed'" in found
    (found,) = problems(("spread: 10%", "reviewed: 2026-08-02"))
    assert "source.reviewed: there is a date of a review, and no 'status: reviewed'" in found
    assert problems(("spread: 10%", "status: reviewed, reviewed: 2026-08-02")) == []


def test_latencies_cover_the_switch(system_problems: Problems) -> None:
    """Found: a switch latency that users have to halve themselves. Here a link's is from end to end, always."""
    (found,) = system_problems(("latency: 1.9 us", "latency: 150 ns"))
    assert "tiers.nvl.link.latency: 150 ns from end to end is less than one switch on the way takes (300 ns)" in found


def test_peaks_are_dense(problems: Problems, write: Write) -> None:
    """Found: rates on sparse weights listed as peaks."""
    sparse = ("lanes: {f32: 8}", "lanes: {f32: 8}\n    sparse: {pattern: 2:4, rate: {f32: 32 op/cy}}")
    (found,) = problems(sparse, ("128 GFLOP/s", "256 GFLOP/s"))
    assert (
        "the units give 128 Gop/s (count x rate x clock); this is the rate on sparse weights; peaks are dense" in found
    )
    assert problems(sparse) == []
    device = load_device(write(sparse))
    assert (device.peak_rate("f32"), device.sparse_rate("f32")) == (128e9, 256e9)
    (found,) = problems((sparse[0], sparse[1].replace("32 op", "33 op")))
    assert "units.fma.sparse.rate.f32: 2.06 times the dense rate; '2:4' allows 1 to 2 times" in found
    (found,) = problems((sparse[0], sparse[1].replace("{f32: 32", "{i8: 32")))
    assert "there is no dense rate for i8; give it under 'rate' or 'lanes': peaks are dense" in found
    (found,) = problems((sparse[0], sparse[1].replace("2:4", "4:2")))
    assert "expected N:M (N of every M weights are not zero), such as '2:4' in quotes, not '4:2'" in found


def test_datasheets_are_dated(problems: Problems) -> None:
    """Found: a vendor page whose numbers changed over time."""
    (found,) = problems((', retrieved: "2026-08-01"', ""))
    assert "source: the numbers are from a datasheet, and it is not said when it was read; add 'retrieved" in found
    (found,) = problems(("2026-08-01", "August 2026"))
    assert "source.retrieved: expected a date such as 2026-08-01, not 'August 2026'" in found
    (found,) = problems(("80 ns", "{datasheet: 80 ns, id: a web page}"))
    assert "levels.dram.latency: the numbers are from a datasheet, and it is not said when it was read" in found
    assert problems(("80 ns", "{datasheet: 80 ns, id: a web page, retrieved: 2026-08-01}")) == []
    (found,) = problems(("80 ns", "{datasheet: 80 ns, id: a web page, retrieved: 2026-02-30}"))
    assert "expected a date such as 2026-08-01, not '2026-02-30'" in found


def test_sources_that_disagree_make_a_range(write: Write) -> None:
    """Found: two abstracts of one paper that swap two numbers. A list is a range: its middle, and how far it goes."""
    device = load_device(write(("80 ns", "{paper: [60 ns, 100 ns], id: two abstracts}")))
    assert device.level("dram").latency == pytest.approx(80e-9)
    origin = device.trust("levels.dram.latency")
    assert origin.kind == "paper"
    assert origin.spread == pytest.approx(0.25)
    with pytest.raises(HardwareFileError, match="a list of numbers already says the spread"):
        load_device(write(("80 ns", "{paper: [60 ns, 100 ns], spread: 5%}")))
    with pytest.raises(HardwareFileError, match="one of them needs no list"):
        load_device(write(("80 ns", "{paper: [60 ns]}")))
    with pytest.raises(HardwareFileError, match="are not in the same kind of unit"):
        load_device(write(("80 ns", "{paper: [60 ns, 100 cy]}")))


def test_power_and_peak_fit_together(problems: Problems) -> None:
    (found,) = problems(("max: 20 W", "max: 20 kW"))
    assert "power.max: 20000 W over the peak is 156.2 nJ/op, outside 0.01 to 1000 pJ/op" in found


def test_rings_are_no_faster_than_their_links(write: Write, system_text: str) -> None:
    write()
    path = write(("bandwidth: 0.9 GB/s", "bandwidth: 1.1 GB/s"), text=system_text, name="pair.yaml")
    assert "which only an in-network algorithm can be" in str(check_file(path)[0])
    network = "all_reduce: {algorithms: [in-network], in-network: {tiers: [node]}"
    changes = ("all_reduce: {algorithms: [ring]", network), ("bandwidth: 0.9 GB/s", "bandwidth: 1.1 GB/s")
    path = write(*changes, text=system_text, name="pair.yaml")
    assert load_machine(path).primitives["all_reduce"].bandwidth == 1.1e9
    path = write(changes[0], ("bandwidth: 0.9 GB/s", "bandwidth: 2.1 GB/s"), text=system_text, name="pair.yaml")
    assert "2.1 GB/s is above the fastest link (1 GB/s), twice which is the most" in str(check_file(path)[0])
