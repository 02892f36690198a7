"""The cubin reader on files that are none."""

from __future__ import annotations

import struct

import pytest

from stratagem.compiler.backends.gpu.cubin import read_kernels
from stratagem.runtime.errors import ArtifactError


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x01" + bytes(80), b"MZ" + bytes(80)])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="not a cubin"):
        read_kernels(content)


def test_a_truncated_file_is_refused() -> None:
    header = b"\x7fELF\x02" + bytes(35) + struct.pack("<Q", 1000) + bytes(12) + struct.pack("<HH", 4, 1)
    with pytest.raises(ArtifactError, match="damaged"):
        read_kernels(header.ljust(64, b"\0"))


def test_a_file_without_kernels_has_none() -> None:
    table, names = 64, b"\0.shstrtab\0"
    sections = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 192, len(names), 0, 0, 1, 0)
    header = b"\x7fELF\x02" + bytes(35) + struct.pack("<Q", table) + bytes(12) + struct.pack("<HH", 2, 1)
    assert read_kernels(header.ljust(64, b"\0") + sections + names) == {}
