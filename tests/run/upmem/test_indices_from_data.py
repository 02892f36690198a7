"""Indices that elements decide: of any sign, and 64 bits wide until they are brought into range."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program

TEXT = """
module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%i: tensor<9x{element}> {{model.input = "i"}}) -> (tensor<9xi32> {{model.output = "y"}}) {{
  %c3 = arith.constant 3 : index
  %e = tensor.empty() : tensor<9xi32>
  %r = linalg.generic {{indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>],
      iterator_types = ["parallel"]}} ins(%i : tensor<9x{element}>) outs(%e : tensor<9xi32>) {{
  ^bb0(%a: {element}, %o: i32):
    %n = arith.{cast} %a : {element} to index
    %m = arith.{operation} %n, %c3 : index
    %k = arith.index_cast %m : index to i32
    linalg.yield %k : i32
  }} -> tensor<9xi32>
  return %r : tensor<9xi32>
}}
}}"""
VALUES = (-128, -7, -3, -1, 0, 1, 2, 5, 127)
MEANINGS = {
    "remui": lambda n: (n % 2**64) % 3,
    "remsi": lambda n: abs(n) % 3 * (1 if n >= 0 else -1),
    "divui": lambda n: (n % 2**64) // 3,
    "divsi": lambda n: abs(n) // 3 * (1 if n >= 0 else -1),
    "minui": lambda n: min(n % 2**64, 3),
    "maxsi": lambda n: max(n, 3),
}


@pytest.mark.parametrize("operation", MEANINGS)
@pytest.mark.parametrize(("element", "cast"), [("i8", "index_cast"), ("i8", "index_castui"), ("i64", "index_cast")])
def test_arithmetic_on_indices_from_data(element: str, cast: str, operation: str) -> None:
    text = TEXT.format(element=element, cast=cast, operation=operation)
    model = sg.compile(Program(parse_module(text)), target="upmem-rank")
    scale = 1 if element == "i8" else 2**40 + 1
    values = [v * scale for v in VALUES]
    read = [v % 256 if cast == "index_castui" else v for v in values]
    wanted = [MEANINGS[operation](n) % 2**32 for n in read]
    (result,) = model.executable(np.asarray(values, np.int8 if element == "i8" else np.int64))
    np.testing.assert_array_equal(result.view(np.uint32), wanted)
    assert model.executable.where.endswith("of upmem-rank"), "the kernel was to run on the device"
