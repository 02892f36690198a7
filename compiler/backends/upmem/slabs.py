"""WRAM of one tasklet: slabs taken once, at the start of a phase, and reused by tiles whose lives do not
overlap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Slabs:
    """Slab number -> bytes; frames follow the C blocks in which tiles are declared."""

    sizes: list[int] = field(default_factory=list)
    _free: set[int] = field(default_factory=set)
    _frames: list[list[int]] = field(default_factory=lambda: [[]])

    def take(self, size: int) -> str:
        """The name of a slab of at least `size` bytes: the smallest free one that is large enough, else a new
        one."""
        fitting = [slab for slab in self._free if self.sizes[slab] >= size]
        if fitting:
            slab = min(fitting, key=lambda s: self.sizes[s])
            self._free.discard(slab)
        else:
            slab = len(self.sizes)
            self.sizes.append(size)
        self._frames[-1].append(slab)
        return f"slab{slab}"

    @contextmanager
    def frame(self) -> Iterator[None]:
        """Slabs taken inside are free again after it."""
        self._frames.append([])
        try:
            yield
        finally:
            self._free.update(self._frames.pop())

    def named(self) -> dict[str, int]:
        """Name -> bytes."""
        return {f"slab{number}": size for number, size in enumerate(self.sizes)}
