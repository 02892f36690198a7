"""Shared libraries that a program's machine code calls, named by its hardware file: loaded before the code."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stratagem.runtime.errors import ArtifactError


@dataclass(frozen=True)
class NeededLibrary:
    """A library: its file as the hardware file names it, the functions called, what to do where it is missing."""

    file: str
    symbols: tuple[str, ...]
    install: str = ""

    @property
    def name(self) -> str:
        """What the loader knows it by once it is loaded (its soname)."""
        return Path(self.file).name

    @staticmethod
    def of(call: Any) -> NeededLibrary:
        """The library of a call that a hardware file describes (`hwmodels.LibraryCall`)."""
        threads = [name for name in (call.set_threads, call.get_threads) if name]
        return NeededLibrary(call.library, (*call.symbols.values(), *threads), call.install)

    @staticmethod
    def from_json(entry: Mapping[str, Any]) -> NeededLibrary:
        return NeededLibrary(entry["file"], tuple(entry["symbols"]), entry["install"])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "symbols": list(self.symbols)}


def load_libraries(libraries: Iterable[NeededLibrary]) -> list[ctypes.CDLL]:
    """Loads each library, so that code which names it is loaded with it. Raises ArtifactError where one is missing or
    lacks a function.

    Their names stay out of the process's own: other copies of the same library may be loaded.
    """
    return [_load(library) for library in libraries]


def _load(library: NeededLibrary) -> ctypes.CDLL:
    calls = f"the program calls {library.symbols[0]} of {library.name}"
    try:
        found = ctypes.CDLL(_path(library.file), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        problem = f"{calls}, which its hardware file offers, and that library does not load: {error}"
        raise ArtifactError(problem, hint=_remedy(library)) from None
    for symbol in library.symbols:
        if not hasattr(found, symbol):
            problem = f"{calls}, and the library that was found has no {symbol}"
            raise ArtifactError(problem, hint="install the version that the hardware file is for")
    return found


def _path(file: str) -> str:
    """Where a library lies: below the environment's `lib` or a folder of packages, else where the loader looks."""
    folders = [Path(sys.prefix) / "lib", *map(Path, filter(None, sys.path))]
    return next((str(folder / file) for folder in folders if (folder / file).is_file()), file)


def _remedy(library: NeededLibrary) -> str:
    first = f"{library.install}, or " if library.install else ""
    return f"{first}compile for a hardware file that does not offer it"
