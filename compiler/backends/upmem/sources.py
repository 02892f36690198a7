"""The C files that ship with this backend: support headers for emitted code, and the simulator."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
SUPPORT = FOLDER / "support"
SIMULATOR = FOLDER / "sim"


def support_files() -> dict[str, bytes]:
    """Headers that emitted programs include; they go into the artifact, so that it can be built with the SDK
    too."""
    return {path.name: path.read_bytes() for path in sorted(SUPPORT.glob("*.h"))}


def simulator_sources() -> list[Path]:
    """The C files of the simulator library."""
    return sorted(SIMULATOR.glob("*.c"))
