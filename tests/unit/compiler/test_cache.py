"""The compile cache: hits, damage, two writers, and disks that are full."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from stratagem.compiler import cache, knobs


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        return b"code"

    with knobs.scope(cache=str(tmp_path)):
        name = cache.key("a", b"b")
        assert [cache.cached(name, make), cache.cached(name, make)] == [b"code", b"code"]
    assert len(made) == 1


def test_parts_of_a_key_do_not_run_together() -> None:
    assert cache.key("ab", "c") != cache.key("a", "bc")


def test_a_damaged_entry_is_a_miss(tmp_path: Path) -> None:
    with knobs.scope(cache=str(tmp_path)):
        name = cache.key("x")
        cache.cached(name, lambda: b"good")
        entry = tmp_path / name[:2] / name
        entry.write_bytes(entry.read_bytes()[:-1] + b"?")
        assert cache.cached(name, lambda: b"again") == b"again"


def test_off_means_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with knobs.scope(cache="off"):
        assert cache.cached("name", lambda: b"made") == b"made"
        assert cache.folder() is None


def test_a_folder_that_cannot_be_written_only_means_no_caching(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with knobs.scope(cache=str(blocked)):
        assert cache.cached(cache.key("x"), lambda: b"made") == b"made"


def _write_many(folder: str) -> None:
    with knobs.scope(cache=folder):
        for i in range(50):
            assert cache.cached(cache.key(str(i)), lambda i=i: bytes([i]) * 5000) == bytes([i]) * 5000  # type: ignore[misc]


def test_two_processes_share_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(str(tmp_path),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    _write_many(str(tmp_path))


def test_a_new_entry_makes_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 2500)  # an entry of 968 bytes takes 1000 with its digest
    with knobs.scope(cache=str(tmp_path)):
        for i in range(5):
            cache.cached(cache.key(str(i)), lambda: b"x" * 968)
            name = cache.key(str(i))
            os.utime(tmp_path / name[:2] / name, (i, i))
            assert len(list(tmp_path.glob("??/*"))) == min(i + 1, 2)
        assert cache.cached(cache.key("4"), lambda: b"made again") == b"x" * 968


def test_the_oldest_entries_go_first(tmp_path: Path) -> None:
    with knobs.scope(cache=str(tmp_path)):
        names = [cache.key(str(i)) for i in range(3)]
        for age, name in enumerate(names):
            cache.cached(name, lambda: b"x" * 968)
            os.utime(tmp_path / name[:2] / name, (age, age))
        assert cache.trim(2000) == 1000
        assert not (tmp_path / names[0][:2] / names[0]).exists()
