"""Kernels that claim a library which cannot do them, as edited IR may: they are not done by other means in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratagem.compiler.backends.cpu.compile import compile_kernels
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import load_device
from stratagem.runtime.errors import PassError
from tests.unit.libraries.support import offering


def kernel(left: str, right: str, out: str, shapes: tuple[str, str, str], loops: int = 3, combine: str = "addf") -> str:
    """`out(combine)= left * right`, the last loop being the sum, in a kernel that claims the library."""
    a, b, c = (f"tensor<{shape}xf32>" for shape in shapes)
    names = ", ".join(f"d{i}" for i in range(loops))
    maps = ", ".join(f"affine_map<({names}) -> ({one})>" for one in (left, right, out))
    kinds = ", ".join(['"parallel"'] * (loops - 1) + ['"reduction"'])
    return f"""func.func private @k(%a: {a}, %b: {b}, %o: {c} {{device.dest}}) -> {c} attributes {{
    device.kernel = {{class = "with-library", unit = "plain", function = "matmul"}}}} {{
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}} ins(%a, %b : {a}, {b}) outs(%o : {c}) {{
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.{combine} %s, %p : f32
    linalg.yield %t : f32
  }} -> {c}
  return %r : {c}
}}"""


@pytest.mark.parametrize(
    "text, message",
    [
        (
            kernel("d1, d3", "d0, d3, d2", "d1, d0, d2", ("8x16", "4x16x32", "8x4x32"), loops=4),
            "a library multiplies two matrices, this product has 4 loops",
        ),
        (
            kernel("d0, d2 * 2", "d2, d1", "d0, d1", ("8x31", "16x32", "8x32")),
            "a library reads matrices whose rows or columns are dense",
        ),
        (
            kernel("d0, d2", "d2, d1", "d0, d1", ("8x16", "16x32", "8x32"), combine="maximumf"),
            r"kernel 'k' claims to be done by .*libgemm\.so, and has no product that a library does",
        ),
    ],
    ids=["panels", "every second column", "no sum"],
)
def test_other_kernels_are_refused(library: Path, text: str, message: str) -> None:
    with pytest.raises(PassError, match=message):
        compile_kernels(parse_module(text), load_device(offering(library)))
