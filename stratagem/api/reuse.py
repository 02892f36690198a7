"""Whole compiles of model files, kept in the compile cache: the same file for the same target is read back, not made.

An entry is an artifact, named by what decides its content: the bytes of the model and of the files it names, the
target, the options, and the compiler itself. Bytes are hashed once; afterwards a file counts as unchanged while its
size, inode and times are, as in git's index, and a file that was written just before it was hashed is hashed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratagem.runtime.container import Container, replacing
from stratagem.runtime.errors import ArtifactError, ResourceError

if TYPE_CHECKING:
    from stratagem.compiler.compile import Compilation

SETTLED_NS = 2_000_000_000
"""A file must be older than this when it is hashed for its times to tell later writes apart."""


@dataclass(frozen=True)
class Recipe:
    """What a compile depends on besides the model: `machine` is the loaded system, the rest as for `compile`."""

    machine: Any
    input_shapes: Mapping[str, Sequence[int]] | None
    until: str | None
    strategy: str

    def key(self) -> str:
        from stratagem.compiler import knobs
        from stratagem.compiler.cache import key
        from stratagem.compiler.tuning.database import Database
        from stratagem.hwmodels.dump import dump
        from stratagem.runtime.version import VERSION

        shapes = sorted((name, list(shape)) for name, shape in (self.input_shapes or {}).items())
        now = knobs.current()
        options = json.dumps([shapes, self.until, self.strategy, now.verify, now.threads, Database.default().stamp()])
        return key(VERSION, _identity(_sources()), dump(self.machine), options)


def reused(model: Path, recipe: Recipe, make: Callable[[], Compilation]) -> Compilation:
    """The compile of a model file: read back where it is kept, else made and kept.

    A full disk, a damaged entry or a file that changes meanwhile only mean that nothing is reused.
    """
    from stratagem.compiler.cache import folder

    where = folder()
    if where is None or not _reusable():
        return make()
    notes = _Notes(where, model)
    recipe_key = recipe.key()
    digest = notes.digest()
    if digest is not None and (found := _read(_entry(where, digest, recipe_key), recipe.machine)) is not None:
        return found
    before = _stamp(model)
    made = make()
    with contextlib.suppress(ResourceError, OSError):
        _keep(where, notes, made, recipe_key, before)
    return made


def _reusable() -> bool:
    """Whether nobody wants to look at the compile itself, or to change it on the way."""
    from stratagem.compiler import knobs

    now = knobs.current()
    return now.reuse == "on" and now.verify != "full" and not (now.dump or now.stop or now.override or now.debug)


def _read(path: Path, machine: Any) -> Compilation | None:
    from stratagem.compiler.artifact import read_artifact

    if not path.exists():
        return None
    try:
        found = read_artifact(Container(path), machine)
    except ArtifactError:
        path.unlink(missing_ok=True)
        return None
    with contextlib.suppress(OSError):
        path.touch()  # the least recently used entries are deleted first
    return found


def _keep(where: Path, notes: _Notes, made: Compilation, recipe_key: str, before: list[int]) -> None:
    from stratagem.compiler.artifact import write_artifact
    from stratagem.compiler.cache import LIMIT, trim

    if made.parameters.nbytes > LIMIT // 2 or _stamp(notes.model) != before:
        return
    digest = notes.write()
    path = _entry(where, digest, recipe_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_artifact(made, path)
    trim()


def _entry(where: Path, digest: str, recipe_key: str) -> Path:
    from stratagem.compiler.cache import key

    name = key("compile", digest, recipe_key)
    return where / name[:2] / name


class _Notes:
    """What is known of a model file: which files belong to it, their stamps and the digest of their bytes."""

    def __init__(self, where: Path, model: Path) -> None:
        from stratagem.compiler.cache import key

        self.model = model.resolve()
        name = key("model file", str(self.model))
        self._path = where / name[:2] / name

    def digest(self) -> str | None:
        """The digest of the model's bytes; None where the files that belong to it are not known."""
        try:
            notes = json.loads(self._path.read_text())
            files = [Path(name) for name in notes["files"]]
            if notes["settled"] and [_stamp(file) for file in files] == notes["stamps"]:
                return str(notes["digest"])
            return _digest(files)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self) -> str:
        """Notes the model's files as they are now; returns their digest."""
        files = [self.model, *_named_files(self.model)]
        stamps = [_stamp(file) for file in files]
        settled = max(stamp[1] for stamp in stamps) < time.time_ns() - SETTLED_NS
        digest = _digest(files)
        notes = {"files": list(map(str, files)), "stamps": stamps, "settled": settled, "digest": digest}
        with replacing(self._path) as file:
            file.write(json.dumps(notes).encode())
        return digest


def _named_files(model: Path) -> list[Path]:
    """Files with weights that the model names."""
    if model.suffix.lower() != ".onnx":
        return []
    from stratagem.compiler.frontends.onnx.external import external_files

    return external_files(model)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def _stamp(path: Path) -> list[int]:
    """What changes when a file is written: size, times and inode."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _identity(files: Iterable[Path]) -> str:
    """A digest of the files' names, sizes and times."""
    return hashlib.sha256(json.dumps([[str(f), *_stamp(f)] for f in files]).encode()).hexdigest()


def _sources() -> list[Path]:
    """The compiler's own files: another version of any of them makes other programs."""
    import importlib

    parts = [importlib.import_module(f"stratagem.{part}") for part in ("compiler", "dialects", "hwmodels", "runtime")]
    folders = [Path(place) for part in parts for place in part.__path__]
    return sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".yaml", ".so"))
