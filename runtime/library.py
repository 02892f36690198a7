"""Finds the C++ runtime's shared library, installed or freshly built."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from stratagem.runtime.errors import ResourceError

LIBRARY = "libstratagem_runtime.so"
BUILD_COMMAND = "cmake -B build/runtime -DCMAKE_BUILD_TYPE=Release && cmake --build build/runtime"


def search_paths() -> list[Path]:
    """Places where the library may lie, best first: $STRATAGEM_RUNTIME (file or folder), the package, build/."""
    chosen = os.environ.get("STRATAGEM_RUNTIME")
    if chosen:
        path = Path(chosen)
        return [path / LIBRARY if path.is_dir() else path]
    import stratagem.runtime as package

    folders = [Path(folder) for folder in package.__path__]
    found = [folder / LIBRARY for folder in folders]
    return found + [path for folder in folders for path in _development_builds(folder)]


def find_library() -> Path:
    """The library's path; raises ResourceError with the places searched and how to build it when it is nowhere."""
    paths = search_paths()
    for path in paths:
        if path.is_file():
            return path
    places = ", ".join(str(path) for path in paths)
    hint = f"build it in the repository with `{BUILD_COMMAND}`, or set STRATAGEM_RUNTIME to the library or its folder"
    raise ResourceError(f"the runtime library {LIBRARY} was not found; searched {places}", hint=hint)


def _development_builds(package_folder: Path) -> Iterable[Path]:
    """Libraries under the repository's build folder, newest first; nothing for an installed package."""
    root = package_folder.resolve().parent
    if not (root / "CMakeLists.txt").is_file():
        return []
    built = [*root.glob(f"build/{LIBRARY}"), *root.glob(f"build/*/{LIBRARY}")]
    return sorted(built, key=lambda path: path.stat().st_mtime, reverse=True)
