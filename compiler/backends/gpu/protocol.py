"""Messages between this process and a worker: one line of JSON, then raw byte blobs of the sizes it
announces.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

Message = tuple[dict[str, Any], list[bytes]]


def write_message(stream: BinaryIO, data: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Sends one message and flushes."""
    line = json.dumps({"data": data, "sizes": [len(b) for b in blobs]})
    stream.write(line.encode() + b"\n")
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """The next message; None when the other side is gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head = json.loads(line)
    blobs = [stream.read(size) for size in head["sizes"]]
    if any(len(blob) != size for blob, size in zip(blobs, head["sizes"], strict=True)):
        return None
    return head["data"], blobs
