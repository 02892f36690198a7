"""Facts about compiled kernels, read from the cubin itself: registers, stack, shared memory, parameter
layout.

A cubin is an ELF file. NVIDIA's attribute sections (`.nv.info` for the module, `.nv.info.<kernel>` per kernel) are
lists of records: format byte, attribute byte, 16-bit value or size, then `size` bytes when the format byte is
4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from stratagem.runtime.errors import ArtifactError

_HEADER_SIZE = 64
_SIZED_RECORD = 4
_PARAMETER, _REGISTERS, _FRAME, _THREADS = 0x17, 0x2F, 0x11, 0x10


@dataclass(frozen=True)
class KernelFacts:
    """What the assembler wrote about one kernel.

    `parameters` holds (offset, size) in bytes, in order; `threads` is the block size the kernel requires, if it does.
    `frame` is the bytes of stack of one thread.
    """

    name: str
    registers: int
    frame: int
    code_bytes: int
    static_shared: int
    parameters: tuple[tuple[int, int], ...]
    threads: tuple[int, int, int] | None


@dataclass(frozen=True)
class _Section:
    name: str
    data: bytes
    size: int


def read_kernels(cubin: bytes) -> dict[str, KernelFacts]:
    """The facts of every kernel in a cubin, by symbol; ArtifactError when it is no 64-bit ELF file."""
    if len(cubin) < _HEADER_SIZE or cubin[:5] != b"\x7fELF\x02":
        raise ArtifactError("the GPU code is not a cubin", hint="compile the model again")
    try:
        sections = {s.name: s for s in _sections(cubin)}
        return {name: _facts(name, sections) for name in _kernel_names(sections)}
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ArtifactError(f"the cubin is damaged: {error}", hint="compile the model again") from None


def _sections(cubin: bytes) -> Iterator[_Section]:
    (table,) = struct.unpack_from("<Q", cubin, 40)
    count, names = struct.unpack_from("<HH", cubin, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", cubin, table + 64 * i) for i in range(count)]
    for header in headers:
        offset, size = header[4], header[5]
        stored = b"" if header[1] == 8 else cubin[offset : offset + size]  # type 8 occupies no space in the file
        yield _Section(_text(cubin, headers[names][4] + header[0]), stored, size)


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _kernel_names(sections: dict[str, _Section]) -> list[str]:
    return [s.removeprefix(".text.") for s in sections if s.startswith(".text.") and f".nv.info.{s[6:]}" in sections]


def _facts(name: str, sections: dict[str, _Section]) -> KernelFacts:
    parameters, threads = [], None
    for attribute, value in _records(sections[f".nv.info.{name}"].data):
        if attribute == _PARAMETER:
            _, ordinal, offset, flags = struct.unpack("<IHHI", value)
            parameters.append((ordinal, offset, (flags >> 18) & 0x3FFF))
        elif attribute == _THREADS:
            threads = struct.unpack("<3I", value)
    shared = sections.get(f".nv.shared.{name}")
    return KernelFacts(
        name=name,
        registers=_of_symbol(name, _REGISTERS, sections),
        frame=_of_symbol(name, _FRAME, sections),
        code_bytes=sections[f".text.{name}"].size,
        static_shared=shared.size if shared else 0,
        parameters=tuple((offset, size) for _, offset, size in sorted(parameters)),
        threads=threads,
    )


def _of_symbol(name: str, wanted: int, sections: dict[str, _Section]) -> int:
    """A module-wide attribute of one kernel: records hold (symbol index, value)."""
    symbols, strings = sections[".symtab"].data, sections[".strtab"].data
    for attribute, value in _records(sections[".nv.info"].data):
        if attribute == wanted and len(value) == 8:
            index, number = struct.unpack("<II", value)
            (text,) = struct.unpack_from("<I", symbols, 24 * index)
            if _text(strings, text) == name:
                return int(number)
    return 0


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        form, attribute, size = struct.unpack_from("<BBH", data, at)
        at += 4
        if form == _SIZED_RECORD:
            yield attribute, data[at : at + size]
            at += size
