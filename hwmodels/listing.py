"""What the library has."""

from __future__ import annotations

from stratagem.hwmodels.errors import HardwareFileError
from stratagem.hwmodels.load import ModelInfo
from stratagem.hwmodels.locate import Document, library_files, read_file
from stratagem.hwmodels.resolve import resolve


def library_models() -> list[ModelInfo]:
    """One line per description of the library, devices first; files that cannot be read are left out."""
    found: list[ModelInfo] = []
    for _name, path in library_files():
        try:
            found += [info(document) for document in read_file(path)]
        except HardwareFileError:
            continue
    return found


def info(document: Document) -> ModelInfo:
    """The line of one description."""
    plain = resolve(document).root.plain()
    source = plain.get("source") or {}
    return ModelInfo(
        document.name,
        document.kind,
        str(plain.get("class", "")),
        str(source.get("kind", "")),
        str(plain.get("note", "") or source.get("note", "")),
    )
