"""Finding descriptions: a name of the library, a file beside the one that asks, or a path the user gave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node, read_documents

LIBRARY = Path(__file__).parent / "library"
THIS_MACHINE = "cpu"  # the name that stands for the probed machine
FILE_KINDS = ("device", "system", "mapping", "calibration")
SAFE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")


@dataclass(frozen=True)
class Document:
    """One document of a file, and its neighbours there."""

    kind: str
    name: str
    root: Node
    file: Path | None
    neighbours: tuple[Node, ...] = ()


def identify(root: Node, file: Path | None, neighbours: tuple[Node, ...]) -> Document:
    """What a document describes; HardwareFileError when it does not say."""
    for kind in reversed(FILE_KINDS):  # mappings and calibrations also name a system or device
        name = root.child(kind)
        if name is not None and isinstance(name.value, str) and SAFE_NAME.fullmatch(name.value):
            return Document(kind, name.value, root, file, neighbours)
        if name is not None:
            message = f"a {kind} needs a name of letters, digits, '-', '_' or '.'"
            raise HardwareFileError([Problem(name.place, kind, message)])
    keys = list(root.mapping())
    near = next((hint for key in keys if (hint := did_you_mean(key, FILE_KINDS))), "")
    message = f"the document says none of {', '.join(f'{kind}:' for kind in FILE_KINDS)}"
    raise HardwareFileError([Problem(root.place, "", message, near or "start it with 'hw: 1' and 'device: NAME'")])


@lru_cache(maxsize=256)
def read_cached(path: Path, stamp: tuple[int, int]) -> tuple[Document, ...]:
    """The documents of a file; cached until its time or size changes."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise HardwareFileError([Problem(Place(str(path)), "", f"cannot read the file: {reason}")]) from None
    return parse_text(text, str(path), path)


@lru_cache(maxsize=64)
def parse_text(text: str, file: str, path: Path | None = None) -> tuple[Document, ...]:
    """The documents of a text."""
    roots = tuple(read_documents(text, file))
    return tuple(identify(stamped(root), path, roots) for root in roots)


def stamped(root: Node) -> Node:
    """The tree with the document's own `source` noted on every node, for values that are inherited later."""
    source = root.child("source")
    if source is None:
        return root

    def stamp(node: Node) -> Node:
        if isinstance(node.value, dict):
            return replace(node, source=source, value={key: stamp(child) for key, child in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, source=source, value=[stamp(child) for child in node.value])
        return replace(node, source=source)

    return stamp(root)


def read_file(path: Path) -> tuple[Document, ...]:
    """The documents of a file."""
    try:
        state = path.stat()
    except OSError as error:
        raise HardwareFileError([Problem(Place(str(path)), "", f"cannot read the file: {error.strerror}")]) from None
    return read_cached(path.resolve(), (state.st_mtime_ns, state.st_size))


def library_files() -> Iterator[tuple[str, Path]]:
    """Name and path of every description of the library: `h100-sxm`, `generic/...`."""
    for folder in ("devices", "systems"):
        base = LIBRARY / folder
        for path in sorted(base.rglob("*.yaml")):
            yield path.relative_to(base).with_suffix("").as_posix(), path


@lru_cache(maxsize=1)
def library_names() -> dict[str, Path]:
    """Library name -> path."""
    return dict(library_files())


def find(name: str, asked_by: Document | None, place: Place, path: str) -> Document:
    """The description `name`: in the same file, else beside it, else in the library.

    Names are never paths out of those folders; HardwareFileError names the nearest known one.
    """
    if not SAFE_NAME.fullmatch(name) or ".." in name:
        raise HardwareFileError(
            [Problem(place, path, f"'{name}' is not a name", "names hold no '..' and start no '/'")]
        )
    if asked_by is not None:
        for root in asked_by.neighbours:
            other = identify(stamped(root), asked_by.file, asked_by.neighbours)
            if other.name == name and other.root.place != asked_by.root.place:
                return other
        beside = file_beside(name, asked_by.file)
        if beside is not None:
            return document_named(beside, name, place, path)
    if name == THIS_MACHINE:
        from stratagem.hwmodels.probe import probe_text

        return parse_text(probe_text(), "<this machine>")[-1]
    if name in library_names():
        return document_named(library_names()[name], name, place, path)
    hint = did_you_mean(name, library_names()) or "see 'stratagem hw list'"
    raise HardwareFileError(
        [Problem(place, path, f"nothing is called '{name}', neither here nor in the library", hint)]
    )


def file_beside(name: str, file: Path | None) -> Path | None:
    """`NAME.yaml` in the folder of `file`, when it is there and not elsewhere by a link."""
    if file is None:
        return None
    folder = file.parent.resolve()
    candidate = (folder / f"{name}.yaml").resolve()
    usable = candidate.is_file() and candidate.is_relative_to(folder) and candidate != file.resolve()
    return candidate if usable else None


def document_named(file: Path, name: str, place: Place, path: str) -> Document:
    """The document of a file that is called `name` (its last part)."""
    documents = read_file(file)
    for document in documents:
        if document.name == name.rsplit("/", 1)[-1]:
            return document
    found = ", ".join(document.name for document in documents)
    raise HardwareFileError([Problem(place, path, f"{file.name} describes {found}, not '{name}'")])
