"""Float literals: every form the newer printer writes, read back by the older parser with the same bits."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from stratagem.compiler.backends.cpu.literals import hexadecimal, rewrite_float_literals


@pytest.mark.parametrize(
    "kind, literal, spelled",
    [
        ("float", "1.0", "0x3FF0000000000000"),
        ("float", "4.471500e-02", "0x3FA6E4E260000000"),
        ("float", "-0.0", "0x8000000000000000"),
        ("float", "f0x3FB8AA3B", "0x3FF7154760000000"),
        ("float", "+inf", "0x7FF0000000000000"),
        ("float", "-inf", "0xFFF0000000000000"),
        ("float", "nan", "0x7FF8000000000000"),
        ("float", "1.401298e-45", "0x36A0000000000000"),
        ("double", "0.1", "0x3FB999999999999A"),
        ("half", "1.0", "0xH3C00"),
        ("half", "-inf", "0xHFC00"),
        ("bfloat", "1.003906e+00", "0xR3F80"),
        ("bfloat", "1.01171875", "0xR3F82"),
        ("bfloat", "qnan", "0xR7FC0"),
    ],
)
def test_spelling(kind: str, literal: str, spelled: str) -> None:
    assert hexadecimal(kind, literal) == spelled


def test_lines() -> None:
    line = '  %1 = call float @f(float %0, float 5.000000e-01, i32 7), !x !{!"float 1.0"}'
    assert rewrite_float_literals(line) == (
        '  %1 = call float @f(float %0, float 0x3FE0000000000000, i32 7), !x !{!"float 1.0"}\n'
    )
    vector = "  store <2 x float> <float 1.000000e+00, float nan>, ptr %v.1.0, align 8"
    assert "<float 0x3FF0000000000000, float 0x7FF8000000000000>, ptr %v.1.0" in rewrite_float_literals(vector)
    for kept in ("; float 1.0", 'source_filename = "a 1.0"', "!0 = !{float 1.0}", "  %x = add i32 %a, 10"):
        assert rewrite_float_literals(kept) == kept + "\n"


def test_the_parser_reads_the_same_bits() -> None:
    from llvmlite import binding

    random = np.random.default_rng(0)
    bits = random.integers(0, 2**32, 200, dtype=np.uint64).astype(np.uint32)
    values = [v for v in bits.view(np.float32) if np.isfinite(v)]
    lines = [f"@g{i} = global float {float(v):.17e}" for i, v in enumerate(values)]
    module = binding.parse_assembly(rewrite_float_literals("\n".join(lines)))
    for i, value in enumerate(values):
        text = str(module.get_global_variable(f"g{i}")).split("float ")[1].strip()
        number = struct.unpack("<d", struct.pack("<Q", int(text, 16)))[0] if text.startswith("0x") else float(text)
        assert np.float32(number) == value
