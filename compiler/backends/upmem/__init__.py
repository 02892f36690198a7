"""UPMEM-class near-memory devices: kernels as UPMEM C, run on a bundled functional and timing simulator."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "BACKEND":
        from stratagem.compiler.backends.upmem.backend import Backend

        return Backend()
    raise AttributeError(name)
