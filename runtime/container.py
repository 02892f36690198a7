"""The artifact file `.sgm`: an uncompressed zip whose members can be memory mapped in place.

Any zip tool opens it. Members are stored, never compressed, and start on 64-byte boundaries; `manifest.json` comes
last and holds a SHA-256 of every other member. The archive's comment is the SHA-256 of everything else in the file
(manifest, headers, padding), so no byte can change unnoticed. Reading checks all digests, never unpickles, never
extracts to disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stratagem.runtime.errors import ArtifactError, ResourceError

FORMAT = 1
ALIGNMENT = 64
MANIFEST = "manifest.json"
MANIFEST_LIMIT = 16 * 2**20
SEAL = 64
_LOCAL_HEADER = 30
"""Bytes of a zip local file header before the name (APPNOTE.TXT 4.3.7)."""

Writer = Callable[[IO[bytes]], None]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path` that takes its place on success and disappears on failure.

    Raises ResourceError when the disk is full or the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w+b") as file:
            yield file
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror}", hint="nothing was left behind") from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def write_container(path: Path, members: dict[str, bytes | Writer], manifest: dict[str, Any]) -> None:
    """Writes all members and the manifest at once, or nothing."""
    with replacing(path) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            digests = {name: _write_member(archive, file, name, content) for name, content in members.items()}
            text = json.dumps({**manifest, "format": FORMAT, "digests": digests}, indent=1)
            _write_member(archive, file, MANIFEST, text.encode())
            archive.comment = b"0" * SEAL
            covered = [locate(file, archive.getinfo(name)) for name in members]
        seal = _seal(file, covered)
        file.seek(-SEAL, os.SEEK_END)
        file.write(seal)


def _write_member(archive: zipfile.ZipFile, file: IO[bytes], name: str, content: bytes | Writer) -> str:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    padding = -_unpadded_start(file.tell(), name) % ALIGNMENT
    info.extra = (0x5347).to_bytes(2, "little") + padding.to_bytes(2, "little") + bytes(padding)
    hashed = _HashingFile(archive.open(info, "w", force_zip64=True))
    with hashed.file:
        if callable(content):
            content(hashed)  # type: ignore[arg-type]
        else:
            hashed.write(content)
    return hashed.digest.hexdigest()


def _unpadded_start(header_at: int, name: str) -> int:
    """Where a member's bytes would begin without padding: behind its header, name, and two extra fields (our padding's
    own header, 4 bytes, and the 20 bytes that zip64 sizes take)."""
    return header_at + _LOCAL_HEADER + len(name.encode()) + 4 + 20


def first_member_offset(name: str) -> int:
    """Where the bytes of the first member begin in every container."""
    return -(-_unpadded_start(0, name) // ALIGNMENT) * ALIGNMENT


def _seal(file: IO[bytes], covered: list[Member]) -> bytes:
    """SHA-256, in hex, of all bytes outside the `covered` members and before the seal itself."""
    digest, at = hashlib.sha256(), 0
    end = file.seek(0, os.SEEK_END) - SEAL
    for member in [*sorted(covered, key=lambda m: m.offset), Member(end, 0)]:
        file.seek(at)
        digest.update(file.read(max(0, member.offset - at)))
        at = member.offset + member.size
    return digest.hexdigest().encode()


class _HashingFile:
    """Passes writes on and keeps their digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.file.write(data)


@dataclass(frozen=True)
class Member:
    """Where a member's bytes lie in the container."""

    offset: int
    size: int


def locate(file: IO[bytes], info: zipfile.ZipInfo) -> Member:
    """Where the bytes of a stored member begin: behind its local header. Raises ValueError for any other member."""
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04" or info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"member {info.filename} is not stored plainly")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return Member(info.header_offset + _LOCAL_HEADER + names, info.file_size)


class Container:
    """An artifact opened for reading, with every digest checked.

    Raises ArtifactError when the file is not an artifact, is of another format, or a byte of it changed.
    """

    def __init__(self, path: str | Path, verify: bool = True) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb") as file, zipfile.ZipFile(file) as archive:
                self.members = {info.filename: locate(file, info) for info in archive.infolist()}
                self.manifest = self._read_manifest()
        except FileNotFoundError:
            raise ArtifactError(f"there is no artifact {self.path}") from None
        except zipfile.BadZipFile as error:
            hint = "`stratagem compile` writes artifacts; copy or compile it again if this was one"
            raise ArtifactError(f"{self.path} is damaged, or not an artifact: {error}", hint=hint) from None
        except (zipfile.LargeZipFile, EOFError, ValueError, OSError) as error:
            raise self._damaged(str(error)) from None
        if self.manifest.get("format") != FORMAT:
            found = self.manifest.get("format")
            raise ArtifactError(
                f"{self.path} has artifact format {found}, this version reads {FORMAT}", hint="compile the model again"
            )
        if verify:
            self._check_digests()

    def _read_manifest(self) -> dict[str, Any]:
        member = self.members.get(MANIFEST)
        if member is None or member.size > MANIFEST_LIMIT:
            raise ValueError("it has no manifest")
        manifest = json.loads(self.read(MANIFEST))
        if not isinstance(manifest, dict) or not isinstance(manifest.get("digests"), dict):
            raise ValueError("its manifest has no digests")
        return manifest

    def _check_digests(self) -> None:
        digests = self.manifest["digests"]
        if set(digests) != set(self.members) - {MANIFEST}:
            raise self._damaged("members and manifest do not match")
        with self.path.open("rb") as file:
            seal = _seal(file, [self.members[name] for name in digests])
            file.seek(-SEAL, os.SEEK_END)
            if file.read(SEAL) != seal:
                raise self._damaged("its headers or manifest are not what was written")
        for name, expected in digests.items():
            if self._digest(self.members[name]) != expected:
                raise self._damaged(f"member {name} is not what was written")

    def _digest(self, member: Member) -> str:
        digest, left = hashlib.sha256(), member.size
        with self.path.open("rb") as file:
            file.seek(member.offset)
            while left > 0 and (block := file.read(min(left, 2**20))):
                digest.update(block)
                left -= len(block)
        return digest.hexdigest()

    def _damaged(self, why: str) -> ArtifactError:
        return ArtifactError(f"{self.path} is damaged: {why}", hint="compile the model again or copy the file afresh")

    def read(self, name: str) -> bytes:
        """The bytes of one member; raises ArtifactError when there is none of that name."""
        if name not in self.members:
            raise ArtifactError(f"{self.path} holds no {name}", hint=f"it holds {', '.join(self.members)}")
        member = self.members[name]
        with self.path.open("rb") as file:
            file.seek(member.offset)
            return file.read(member.size)

    def text(self, name: str) -> str:
        return self.read(name).decode()
