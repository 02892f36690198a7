"""Floating-point literals of newer LLVM assembly rewritten for the older LLVM that makes the code.

MLIR's LLVM prints `float 4.4715e-02`, `+inf`, `nan`, `f0x3FB8AA3B`; the code generator's LLVM accepts decimals only
when exact and wants everything else as hexadecimal: 64 bits for float and double, `0xH` + 16 bits for half, `0xR` + 16
bits for bfloat (LLVM Language Reference, "Simple Constants"). A literal belongs to the nearest type name before it.
"""

from __future__ import annotations

import math
import re
import struct

_TOKEN = re.compile(
    r"""(?P<quoted>"[^"]*")
      | (?P<type>\b(?:half|bfloat|float|double)\b)
      | (?<![\w%@.!\#$-])(?P<literal>
            f0x[0-9A-Fa-f]+
          | [-+]?\d+\.\d*(?:[eE][-+]?\d+)?
          | [-+](?:inf|q?nan)\b | \b(?:inf|q?nan)\b(?!\w)
          | [-+]?s?nan\(0x[0-9A-Fa-f]+\)
        )(?![\w.])""",
    re.VERBOSE,
)
_SKIPPED = ("source_filename", "target ", ";", "!", "attributes ")
_WIDTH = {"half": 16, "bfloat": 16, "float": 32, "double": 64}


def rewrite_float_literals(text: str) -> str:
    """LLVM assembly with every floating-point literal in a form that both versions read alike."""
    return "\n".join(_rewrite_line(line) for line in text.splitlines()) + "\n"


def _rewrite_line(line: str) -> str:
    if line.startswith(_SKIPPED):
        return line
    kind = ""

    def replace(match: re.Match[str]) -> str:
        nonlocal kind
        if match["type"]:
            kind = match["type"]
        if match["literal"] and kind:
            return hexadecimal(kind, match["literal"])
        return match[0]

    return _TOKEN.sub(replace, line)


def hexadecimal(kind: str, literal: str) -> str:
    """The literal of LLVM type `kind` in hexadecimal form."""
    return _spell(kind, _bits(kind, literal))


def _bits(kind: str, literal: str) -> int:
    """The literal's bit pattern in the width of `kind`."""
    if literal.startswith("f0x"):
        return int(literal[3:], 16)
    negative = literal.startswith("-")
    body = literal.lstrip("+-")
    if "nan" in body:
        return _nan_bits(kind, body, negative)
    value = float(literal)
    if kind == "half":
        return int(struct.unpack("<H", struct.pack("<e", value))[0])
    if kind == "double":
        return int(struct.unpack("<Q", struct.pack("<d", value))[0])
    single = int(struct.unpack("<I", struct.pack("<f", value))[0])
    return single if kind == "float" else _round_to_bfloat(single)


def _nan_bits(kind: str, body: str, negative: bool) -> int:
    width = _WIDTH[kind]
    exponent = {"half": 5, "bfloat": 8, "float": 8, "double": 11}[kind]
    mantissa = width - 1 - exponent
    payload = int(body[body.index("0x") : -1], 16) if "(" in body else 0
    quiet = 0 if body.startswith("snan") else 1 << (mantissa - 1)
    return (int(negative) << (width - 1)) | (((1 << exponent) - 1) << mantissa) | quiet | payload


def _round_to_bfloat(single: int) -> int:
    if math.isinf(struct.unpack("<f", struct.pack("<I", single))[0]):
        return single >> 16
    return (single + 0x7FFF + ((single >> 16) & 1)) >> 16


def _spell(kind: str, bits: int) -> str:
    if kind == "half":
        return f"0xH{bits:04X}"
    if kind == "bfloat":
        return f"0xR{bits:04X}"
    if kind == "double":
        return f"0x{bits:016X}"
    return f"0x{_widen(bits):016X}"


def _widen(single: int) -> int:
    """LLVM writes a float as the double of equal value; NaN payloads move with the mantissa, unquieted."""
    sign, exponent, mantissa = single >> 31, (single >> 23) & 0xFF, single & 0x7FFFFF
    if exponent == 0xFF:
        return (sign << 63) | (0x7FF << 52) | (mantissa << 29)
    value = struct.unpack("<f", struct.pack("<I", single))[0]
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])
