"""Results of one day on machines with one processor's name are kept apart by their instructions."""

from __future__ import annotations

from benchmarks.results import FOLDER, file_of


def test_machines_of_one_day_have_files_of_their_own() -> None:
    wide, narrow = (
        file_of({"date": "2026-01-02", "machine": {"processor": "Some CPU (R) 9", "isa": isa}})
        for isa in ("generic-avx512", "generic-avx2")
    )
    assert wide == FOLDER / "2026-01-02-some-cpu-r-9-generic-avx512.json"
    assert narrow.name == "2026-01-02-some-cpu-r-9-generic-avx2.json"
