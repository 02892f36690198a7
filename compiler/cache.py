"""A cache of compiled code on disk: content-addressed, safe under several processes, never trusted blindly.

Each entry is one file named by the SHA-256 of what it was made from; its first 32 bytes are the SHA-256 of the rest, so
a torn or damaged entry is a miss. Writers write a temporary file and rename it, so readers never see half an entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from stratagem.compiler import knobs

LIMIT = 2 * 2**30
"""Bytes the cache may grow to; the oldest entries go first."""


def key(*parts: str | bytes) -> str:
    """A digest of the parts, in order; parts cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def folder() -> Path | None:
    """Where entries live; None when knob `cache` is `off`."""
    setting = knobs.current().cache
    if setting == "off":
        return None
    return Path(setting) if setting else Path(platformdirs.user_cache_dir("stratagem"))


def cached(name: str, make: Callable[[], bytes]) -> bytes:
    """The entry `name` (a `key`), made and stored when it is not there; the oldest ones make room for it.

    A full disk only means no caching.
    """
    where = folder()
    if where is None:
        return make()
    path = where / name[:2] / name
    found = _read(path)
    if found is not None:
        return found
    data = make()
    with contextlib.suppress(OSError):
        _write(path, data)
        trim()
    return data


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, data = content[:32], content[32:]
    if hashlib.sha256(data).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def trim(limit: int | None = None) -> int:
    """Deletes the least recently used entries until the cache is under `limit` bytes, LIMIT unless given; returns the
    bytes freed. Another process may delete some at the same time."""
    where = folder()
    if where is None or not where.exists():
        return 0
    entries = sorted(_sizes(where), key=lambda entry: entry[1].st_mtime)
    excess = sum(status.st_size for _, status in entries) - (LIMIT if limit is None else limit)
    freed = 0
    for entry, status in entries:
        if freed >= excess:
            break
        freed += status.st_size
        entry.unlink(missing_ok=True)
    return freed


def _sizes(where: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for entry in where.glob("??/*"):
        with contextlib.suppress(FileNotFoundError):
            yield entry, entry.stat()
