"""Worker processes: their protocol, and what happens when Triton is missing."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

import pytest

from stratagem.compiler.backends.gpu import worker
from stratagem.compiler.backends.gpu.protocol import read_message, write_message
from stratagem.runtime.errors import ResourceError
from tests.unit.gpu.support import needs_triton


def test_messages_carry_any_bytes() -> None:
    stream = io.BytesIO()
    blobs = [b"", b"\n\0{}", bytes(range(256))]
    write_message(stream, {"name": "k", "numbers": [1, None]}, blobs)
    write_message(stream, {})
    stream.seek(0)
    assert read_message(stream) == ({"name": "k", "numbers": [1, None]}, blobs)
    assert read_message(stream) == ({}, [])
    assert read_message(stream) is None


def test_a_cut_message_is_the_end() -> None:
    stream = io.BytesIO()
    write_message(stream, {}, [b"12345678"])
    for length in (3, len(stream.getvalue()) - 1):
        assert read_message(io.BytesIO(stream.getvalue()[:length])) is None


def test_without_triton_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str, package: str | None = None) -> Any:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(ResourceError, match=r"pip install stratagem\[gpu\]"):
        worker.Worker("aot_worker").ask({})


@needs_triton
def test_a_worker_that_cannot_start_quotes_its_output() -> None:
    with worker.Worker("no_such_module") as one, pytest.raises(worker.WorkerDiedError, match="no_such_module"):
        one.ask({})
