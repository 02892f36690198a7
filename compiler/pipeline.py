"""The way down, as data: stage -> passes, in order. A stage's name is its dump suffix, its `--until` name, the key
under which edited IR may replace its result, and its heading in `docs/architecture.md`."""

from __future__ import annotations

Stage = tuple[str, tuple[str, ...]]

PIPELINE: tuple[Stage, ...] = (
    ("tensor", ()),
    ("device", ()),
    ("system", ()),
    ("physical", ()),
)


def stage_names() -> list[str]:
    return [name for name, _ in PIPELINE]
