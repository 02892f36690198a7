"""The artifact file: all or nothing when written, every byte covered when read."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from stratagem.runtime.container import ALIGNMENT, Container, first_member_offset, write_container
from stratagem.runtime.errors import ArtifactError, ResourceError


def written(folder: Path) -> Path:
    path = folder / "a.sgm"

    def parameters(file: Any) -> None:
        file.write(b"x" * 100)

    write_container(path, {"params": parameters, "a/b.txt": b"hello"}, {"until": "code"})
    return path


def test_members_are_aligned_and_read_back(tmp_path: Path) -> None:
    container = Container(written(tmp_path))
    assert container.text("a/b.txt") == "hello"
    assert container.manifest["until"] == "code"
    assert {m.offset % ALIGNMENT for m in container.members.values()} == {0}
    assert container.members["params"].offset == first_member_offset("params")


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path)
    original = path.read_bytes()
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"damaged|format"):
            Container(path)


@pytest.mark.parametrize("length", [0, 1, 40, 300])
def test_truncated_files_are_refused(tmp_path: Path, length: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ArtifactError, match="is damaged"):
        Container(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no artifact .*none\.sgm"):
        Container(tmp_path / "none.sgm")


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"holds no code/model.so"):
        Container(written(tmp_path)).read("code/model.so")


def test_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stratagem.runtime.container.FORMAT", 99)
    path = written(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="artifact format 99, this version reads 1"):
        Container(path)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        file.write(b"x" * 10)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError, match="No space left on device"):
        write_container(tmp_path / "a.sgm", {"params": fill}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_artifact(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()

    def fail(file: Any) -> None:
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        write_container(path, {"params": fail}, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
