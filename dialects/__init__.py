"""Our dialects, one file each. Upstream dialects hold the maths; ours hold what the levels add to it."""

from __future__ import annotations


def load_all() -> None:
    """Loads every dialect into the current context; safe to call again."""
    from stratagem.dialects.system import System

    System.load()
