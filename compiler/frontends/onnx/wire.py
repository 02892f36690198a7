"""Cuts large tensors out of an ONNX file before protobuf sees them.

An ONNX model is a protobuf message; its weights are byte strings inside it. Parsing such a file copies
every weight at least once. Here the message is walked on the wire instead: each large `raw_data` of a
TensorProto is replaced by a note "bytes o..o+n of this file", in the form ONNX has for external data. What is
left is a small message, and the weights stay where they are.

Field numbers are those of onnx.proto; the wire format is protobuf's: tag = number * 8 + kind, kinds 0 varint,
1 eight bytes, 2 length and bytes, 5 four bytes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from stratagem.runtime.errors import ModelError

KEEP = 1024
"""Tensors of at most this many bytes stay inside the message."""
EMBEDDED = f"\0{secrets.token_hex(16)}"
"""The external-data location that means: this very file. No model can name it."""
DEPTH_LIMIT = 64

# message -> {field number: message of the field}; only the ways that lead to a TensorProto
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor"},
    "Function": {7: "Node"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph"},
}
_RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA, _EXTERNAL, _DATA_LOCATION = 9, 4, 10, 13, 14


@dataclass(frozen=True)
class _Field:
    number: int
    kind: int
    start: int  # of the tag
    payload: int  # of the content, for kind 2
    end: int


def skeleton(data: memoryview, source: str) -> bytes:
    """The model without its large tensors' bytes.

    Raises ModelError when `data` is empty, ends inside a field, or is not protobuf.
    """
    if not len(data):
        raise ModelError(
            f"{source}: the file is empty", hint="an ONNX model is a protobuf message; was it copied whole?"
        )
    out = bytearray()
    _rewrite(data, "Model", 0, len(data), out, source, 0)
    return bytes(out)


def _rewrite(data: memoryview, kind: str, start: int, end: int, out: bytearray, source: str, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise ModelError(f"{source}: graphs nested deeper than {DEPTH_LIMIT} at byte {start}")
    children, at, kept = _CHILDREN[kind], start, start
    while at < end:
        field = _read_field(data, at, end, source)
        at = field.end
        child = children.get(field.number) if field.kind == 2 and field.end - field.payload > KEEP else None
        if child is None:
            continue
        out += data[kept : field.start]
        kept = field.end
        inner = bytearray()
        if child == "Tensor":
            _rewrite_tensor(data, field.payload, field.end, inner, source)
        else:
            _rewrite(data, child, field.payload, field.end, inner, source, depth + 1)
        out += _varint(field.number << 3 | 2) + _varint(len(inner))
        out += inner
    out += data[kept:end]


def _rewrite_tensor(data: memoryview, start: int, end: int, out: bytearray, source: str) -> None:
    """Copies a TensorProto, its large values replaced by a note. Packed floats and doubles are raw data in
    disguise.
    """
    at = start
    while at < end:
        field = _read_field(data, at, end, source)
        size = field.end - field.payload
        packed = field.kind == 2 and field.number in (_RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA)
        if packed and size > KEEP:
            out += _note(field.payload, size)
        else:
            out += data[at : field.end]
        at = field.end


def _note(offset: int, length: int) -> bytes:
    entries = (("location", EMBEDDED), ("offset", str(offset)), ("length", str(length)))
    note = b"".join(_bytes_field(_EXTERNAL, _entry(key, value)) for key, value in entries)
    return note + _varint(_DATA_LOCATION << 3) + _varint(1)


def _entry(key: str, value: str) -> bytes:
    return _bytes_field(1, key.encode()) + _bytes_field(2, value.encode())


def _bytes_field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_field(data: memoryview, at: int, end: int, source: str) -> _Field:
    tag, payload = _read_varint(data, at, end, source)
    number, kind = tag >> 3, tag & 7
    if number == 0 or kind not in (0, 1, 2, 5):
        raise ModelError(
            f"{source}: not an ONNX model: byte {at} is not the start of a protobuf field",
            hint="expected the bytes that onnx.save writes",
        )
    if kind == 0:
        _, stop = _read_varint(data, payload, end, source)
    elif kind == 2:
        length, payload = _read_varint(data, payload, end, source)
        stop = payload + length
    else:
        stop = payload + (8 if kind == 1 else 4)
    if stop > end:
        raise ModelError(
            f"{source}: the file is cut short or damaged: the field at byte {at} needs bytes up to {stop}, "
            f"{end} is the end",
            hint="copy or download the file again",
        )
    return _Field(number, kind, at, payload, stop)


def _read_varint(data: memoryview, at: int, end: int, source: str) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ModelError(
                f"{source}: the file is cut short: it ends inside the number at byte {at}",
                hint="copy or download the file again",
            )
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise ModelError(f"{source}: not an ONNX model: the number before byte {at} is longer than 64 bits")
