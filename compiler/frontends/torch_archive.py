"""Reads programs saved by `torch.export.save` (`.pt2`) without running anything that is in the file.

`torch.export.load` is not safe on a file from elsewhere: it unpickles the example inputs and custom
objects, and it evaluates the text of symbolic sizes as Python. Here the archive is opened as a plain zip;
tensors are mapped from their raw bytes; pickled members are never read (example inputs are not needed) or
refused; and every text that PyTorch would evaluate or look up is checked first (`torch_archive_text`).
What remains for PyTorch is to rebuild the graph.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from stratagem.compiler.frontends.torch_archive_text import check_program_text
from stratagem.runtime.errors import ModelError, StratagemError, UsageError

PROGRAM_LIMIT = 2**28
"""Largest graph description in bytes; weights are not part of it."""

_LOCAL_HEADER = 30  # bytes before the name in a zip member's local header; lengths of name and extra at 26 and 28
_KNOWN_VERSION = "0"


@dataclass(frozen=True)
class Archive:
    """An opened `.pt2` file: its members by path below the root folder, and the mapped bytes."""

    path: Path
    members: Mapping[str, zipfile.ZipInfo]
    data: np.ndarray[Any, Any]
    file: zipfile.ZipFile

    def text(self, member: str) -> str:
        """A small member as text, its checksum verified."""
        info = self._info(member)
        if info.file_size > PROGRAM_LIMIT:
            raise ModelError(f"{self.path}: {member} has {info.file_size} bytes, more than {PROGRAM_LIMIT}")
        return self.file.read(info).decode()

    def raw(self, member: str) -> np.ndarray[Any, Any]:
        """The bytes of an uncompressed member, copied only when written to."""
        info = self._info(member)
        header = self.data[info.header_offset : info.header_offset + _LOCAL_HEADER]
        lengths = np.frombuffer(header[26:30].tobytes(), np.uint16)
        begin = info.header_offset + _LOCAL_HEADER + int(lengths.sum())
        if begin + info.file_size > self.data.size:
            raise ModelError(f"{self.path}: {member} ends outside the file")
        return self.data[begin : begin + info.file_size]

    def _info(self, member: str) -> zipfile.ZipInfo:
        if member not in self.members:
            raise ModelError(f"{self.path}: there is no {member} in the archive")
        return self.members[member]


def read_exported_program(path: Path) -> ExportedProgram:
    """The program in a `.pt2` file; raises UsageError for a missing file, ModelError for a damaged or
    unsafe one."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    archive = open_archive(path)
    name = _model_name(archive)
    try:
        return _rebuild(archive, name)
    except StratagemError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise ModelError(f"{path}: cannot be read: {type(error).__name__}: {first}") from error


def open_archive(path: Path) -> Archive:
    """Opens and checks the container: a zip, one root folder, plain paths, nothing compressed."""
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(
            f"{path}: not a torch.export archive: {error} ({path.stat().st_size} bytes)",
            hint="the file may be cut short; save it again with torch.export.save",
        ) from None
    members = {}
    for info in file.infolist():
        parts = PurePosixPath(info.filename).parts
        if info.filename.startswith("/") or ".." in parts or len(parts) < 2:
            raise ModelError(f"{path}: unsafe path '{info.filename}' in the archive")
        if info.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"{path}: {info.filename} is compressed; torch.export.save stores members as they are")
        members["/".join(parts[1:])] = info
    # Copy on write: PyTorch wants writable memory, the file stays as it is.
    return Archive(path, members, np.memmap(path, np.uint8, "c"), file)


def _model_name(archive: Archive) -> str:
    if "archive_version" not in archive.members:
        raise ModelError(
            f"{archive.path}: a zip, but not a torch.export archive of this PyTorch",
            hint="the file may be cut short, or come from torch.save, which saves no program",
        )
    version = archive.text("archive_version").strip()
    if version != _KNOWN_VERSION:
        raise ModelError(f"{archive.path}: archive version {version}, this reader knows {_KNOWN_VERSION}")
    models = [m for m in archive.members if m.startswith("models/") and m.endswith(".json")]
    if len(models) != 1:
        raise ModelError(f"{archive.path}: {len(models)} programs in the archive, expected one")
    return models[0].removeprefix("models/").removesuffix(".json")


def _rebuild(archive: Archive, name: str) -> ExportedProgram:
    from torch._export.serde import schema
    from torch._export.serde.serialize import ExportedProgramDeserializer, _dict_to_dataclass

    content = json.loads(archive.text(f"models/{name}.json"))
    check_program_text(content, str(archive.path))
    content["guards_code"] = []  # Python text; nothing here runs it, nothing shall
    weights = _tensors(archive, "data/weights/", f"{name}_weights_config.json")
    constants = _tensors(archive, "data/constants/", f"{name}_constants_config.json")
    program = _dict_to_dataclass(schema.ExportedProgram, content)
    rebuilt: ExportedProgram = ExportedProgramDeserializer().deserialize(program, weights, constants, None)
    return rebuilt


def _tensors(archive: Archive, folder: str, config: str) -> dict[str, torch.Tensor]:
    """The tensors a payload list names; those that share bytes share memory. Refuses pickled entries."""
    if folder + config not in archive.members:
        raise ModelError(
            f"{archive.path}: weights are in the old pickled form ({folder})",
            hint="load and save the file again with a current PyTorch where it is trusted",
        )
    entries = json.loads(archive.text(folder + config))["config"]
    storages: dict[str, np.ndarray[Any, Any]] = {}
    tensors = {}
    for name, entry in entries.items():
        member = folder + str(entry["path_name"])
        if entry["use_pickle"] or not entry.get("tensor_meta"):
            raise ModelError(
                f"{archive.path}: '{name}' is stored as a pickle, which can run code when it is read",
                hint="export the model without custom objects or tensor subclasses",
            )
        storages.setdefault(member, archive.raw(member))
        tensor = _tensor(archive, name, storages[member], entry["tensor_meta"])
        tensors[name] = torch.nn.Parameter(tensor, requires_grad=False) if entry["is_param"] else tensor
    return tensors


def _tensor(archive: Archive, name: str, raw: np.ndarray[Any, Any], meta: Mapping[str, Any]) -> torch.Tensor:
    from torch._export.serde.serialize import _SERIALIZE_TO_TORCH_DTYPE

    dtype = _SERIALIZE_TO_TORCH_DTYPE[meta["dtype"]]
    shape, strides = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
    offset = int(meta["storage_offset"]["as_int"])
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    itemsize = torch.empty((), dtype=dtype).element_size()
    if min([offset, *shape, *strides], default=0) < 0:
        raise ModelError(f"{archive.path}: '{name}' has a negative size")
    if 0 in shape:
        return torch.zeros(shape, dtype=dtype)
    if (last + 1) * itemsize > raw.size:
        raise ModelError(f"{archive.path}: '{name}' needs {(last + 1) * itemsize} bytes, the archive holds {raw.size}")
    flat = torch.from_numpy(raw[: raw.size // itemsize * itemsize]).view(dtype)
    return flat.as_strided(shape, strides, offset)
