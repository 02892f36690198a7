"""The access checker on its own: each kind of wrong access is named, right ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.access_checks import AccessChecker, Region

BASE, OUT, SCRATCH = 0x1000, 0x9000, 0xF000


def region(name: str, base: int, writable: bool = True, covered: bool = False, initialised: bool = False) -> Region:
    return Region(name, base, 64, writable, covered, initialised, np.zeros(64, bool))


def checker() -> AccessChecker:
    made = AccessChecker(
        [
            Region("in0", BASE, 64, writable=False, covered=False, initialised=True, written=np.zeros(64, bool)),
            Region("out0", OUT, 64, writable=True, covered=True, initialised=False, written=np.zeros(64, bool)),
            Region("scratch0", SCRATCH, 64, True, covered=False, initialised=False, written=np.zeros(64, bool)),
        ]
    )
    made.begin_launch("k_0")
    return made


def lanes(base: int, *indices: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([base + 4 * i for i in indices], np.uint64)


def test_a_clean_kernel_has_no_findings() -> None:
    c = checker()
    for program in range(4):
        c.program = program
        c.access(lanes(BASE, *range(16)), None, 4, writes=False)
        c.access(lanes(OUT, *range(4 * program, 4 * program + 4)), None, 4, writes=True)
    c.finish()
    assert c.problems == {}
    assert c.lanes == 4 * 20


def test_lanes_outside_are_named_and_masked_off() -> None:
    c = checker()
    allowed = c.access(lanes(BASE, 14, 15, 16), None, 4, writes=False)
    assert allowed.tolist() == [True, True, False]
    assert (
        c.problems["out-of-bounds read"]
        == "out-of-bounds read: 1 lanes, first at in0 + 64 of 64 bytes (k_0, program 0)"
    )


def test_an_element_that_straddles_the_end_is_outside() -> None:
    c = checker()
    c.access(np.array([OUT + 62], np.uint64), None, 4, writes=True)
    assert "out-of-bounds write" in c.problems


def test_masked_lanes_are_not_checked() -> None:
    c = checker()
    c.access(lanes(BASE, 15, 99), np.array([True, False]), 4, writes=False)
    assert c.problems == {}


@pytest.mark.parametrize(
    ("first", "second", "name"), [(True, True, "race write-write"), (True, False, "race read-write")]
)
def test_two_programs_race(first: bool, second: bool, name: str) -> None:
    c = checker()
    c.access(lanes(OUT, 3), None, 4, writes=first)
    c.program = 1
    c.access(lanes(OUT, 3), None, 4, writes=second)
    assert name in c.problems


def test_a_write_after_another_programs_read_races() -> None:
    c = checker()
    c.access(lanes(OUT, 3), None, 4, writes=False)
    c.program = 1
    c.access(lanes(OUT, 3), None, 4, writes=True)
    assert "race write-read" in c.problems


def test_launches_order_accesses() -> None:
    c = checker()
    c.access(lanes(SCRATCH, 3), None, 4, writes=True)
    c.begin_launch("k_1")
    c.program = 1
    c.access(lanes(SCRATCH, 3), None, 4, writes=False)
    assert c.problems == {}


def test_uninitialised_reads_input_writes_and_overlaps() -> None:
    c = checker()
    c.access(lanes(SCRATCH, 0), None, 4, writes=False)
    c.access(lanes(BASE, 0), None, 4, writes=True)
    c.access(lanes(OUT, 1, 1), None, 4, writes=True)
    assert set(c.problems) == {
        "read of uninitialised memory",
        "write to input",
        "overlapping lanes of one store",
    }


def test_holes_in_the_output_are_counted() -> None:
    c = checker()
    c.access(lanes(OUT, *range(15)), None, 4, writes=True)
    c.finish()
    assert c.problems == {
        "output not covered": "output not covered: out0: 4 of 64 bytes never written (k_0, program 0)"
    }
