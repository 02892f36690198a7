"""A shared object for AArch64 in this process's memory, as its own machine's loader would lay it out."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _record(fields: str) -> np.dtype[Any]:
    """`type:u4 size:u8` -> a record of little-endian numbers."""
    return np.dtype([(name, f"<{kind}") for name, _, kind in (field.partition(":") for field in fields.split())])


# The System V ABI's tables, and where the file's header says that they lie.
HEADER = _record("ident:16u1 type:u2 machine:u2 version:u4 entry:u8 segments:u8 sections:u8 flags:u4 size:u2")
COUNTS = _record("segment_size:u2 segments:u2 section_size:u2 sections:u2")
SEGMENT = _record("type:u4 flags:u4 offset:u8 address:u8 physical:u8 file_size:u8 size:u8 alignment:u8")
SECTION = _record("name:u4 type:u4 flags:u8 address:u8 offset:u8 size:u8 link:u4 info:u4 alignment:u8 entry_size:u8")
SYMBOL = _record("name:u4 info:u1 other:u1 section:u2 value:u8 size:u8")
RELOCATION = _record("offset:u8 type:u4 symbol:u4 addend:i8")
LOADED, RELOCATIONS, SYMBOLS = 1, 4, 11
WEAK = 2
"""How a symbol is bound that lies at 0 where nobody defines it."""
ABSOLUTE, GLOBAL_DATA, JUMP_SLOT, RELATIVE = 257, 1025, 1026, 1027
"""Types of relocations (ELF for the Arm 64-bit Architecture)."""


class Image:
    """The loaded object.

    Args:
        code: the file's bytes. address_of: where an imported function lies; raises what it likes when there is none.

    Attributes:
        symbols: addresses of what the object exports.
    """

    def __init__(self, code: bytes, address_of: Callable[[str], int]) -> None:
        self._code = np.frombuffer(code, np.uint8)
        header = self._table(HEADER, 0, 1)[0]
        counts = self._table(COUNTS, HEADER.itemsize, 1)[0]
        segments = self._table(SEGMENT, header["segments"], counts["segments"])
        self._sections = self._table(SECTION, header["sections"], counts["sections"])
        loaded = segments[segments["type"] == LOADED]
        # Anonymous memory begins at a page: what the code adds to the address of its page is right.
        self._memory = np.frombuffer(mmap.mmap(-1, int((loaded["address"] + loaded["size"]).max())), np.uint8)
        self._base = int(self._memory.ctypes.data)
        for segment in loaded:
            part = self._code[int(segment["offset"]) :][: int(segment["file_size"])]
            self._memory[int(segment["address"]) :][: part.size] = part
        self.symbols: dict[str, int] = {}
        for section in self._sections[self._sections["type"] == SYMBOLS]:
            self._define(section, address_of)

    def _table(self, record: np.dtype[Any], offset: int, count: int) -> Array:
        return self._code[int(offset) :][: int(count) * record.itemsize].view(record)

    def _define(self, section: Any, address_of: Callable[[str], int]) -> None:
        """Notes the exports of a table of symbols, and writes the addresses that refer to it."""
        symbols = self._table(SYMBOL, section["offset"], section["size"] // SYMBOL.itemsize)
        texts = self._code[int(self._sections[section["link"]]["offset"]) :]
        names = [texts[int(s["name"]) :][:4096].tobytes().partition(b"\0")[0].decode() for s in symbols]
        own = {n: self._base + int(s["value"]) for n, s in zip(names, symbols, strict=True) if s["section"]}
        self.symbols |= own
        for table in self._sections[self._sections["type"] == RELOCATIONS]:
            for entry in self._table(RELOCATION, table["offset"], table["size"] // RELOCATION.itemsize):
                name, weak = names[entry["symbol"]], symbols[entry["symbol"]]["info"] >> 4 == WEAK
                if entry["type"] == RELATIVE:
                    self._write(entry, self._base)
                else:
                    self._write(entry, own[name] if name in own else 0 if weak else address_of(name))

    def _write(self, entry: Any, target: int) -> None:
        if entry["type"] not in (ABSOLUTE, GLOBAL_DATA, JUMP_SLOT, RELATIVE):
            raise NotImplementedError(f"relocation {entry['type']} of AArch64: teach {__name__} what it writes")
        value = np.array([target + int(entry["addend"])], np.uint64)
        self._memory[int(entry["offset"]) :][:8] = value.view(np.uint8)
