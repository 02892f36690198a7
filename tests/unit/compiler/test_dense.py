"""Constants of every element type as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch_mlir import ir

from stratagem.compiler.dense import complex_array, dense_array
from stratagem.compiler.interpreter.attributes import elements_array

INFINITE = float("-inf")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dense<[1.0, 0xFC00, -2.5]> : tensor<3xf16>", [1.0, INFINITE, -2.5]),
        ("dense<[1.0, 0xFF80, -2.5]> : tensor<3xbf16>", [1.0, INFINITE, -2.5]),
        ("dense<0xFF80> : tensor<3xbf16>", [INFINITE] * 3),
        ('dense<"0x803F00400000"> : tensor<3xbf16>', [1.0, 2.0, 0.0]),
        ("dense<2.0> : tensor<bf16>", 2.0),
        ("dense<> : tensor<0xbf16>", []),
        ("dense<[[0.5], [3.0]]> : tensor<2x1xf32>", [[0.5], [3.0]]),
        ("dense<[true, false]> : tensor<2xi1>", [True, False]),
        ("dense<[-1, 2]> : tensor<2xindex>", [-1, 2]),
        ("dense<[255, 2]> : tensor<2xui8>", [-1, 2]),
    ],
)
def test_elements(text: str, wanted: Any) -> None:
    with ir.Context():
        array = elements_array(ir.Attribute.parse(text))
    np.testing.assert_array_equal(array, wanted)
    assert array.shape == np.shape(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dense<[(1.0, -2.5), (0x7F800000, 0.0)]> : tensor<2xcomplex<f32>>", [1 - 2.5j, np.inf]),
        ("dense<(1.0, 2.0)> : tensor<3xcomplex<f32>>", [1 + 2j] * 3),
        ('dense<"0x0000803F000000400000404000008040"> : tensor<2xcomplex<f32>>', [1 + 2j, 3 + 4j]),
        ("dense<(0.5, 1.0e-300)> : tensor<complex<f64>>", 0.5 + 1e-300j),
    ],
)
def test_complex_elements(text: str, wanted: Any) -> None:
    with ir.Context() as context:
        context.allow_unregistered_dialects = True
        module = ir.Module.parse(f'%c = "arith.constant"() <{{value = {text}}}> : () -> {text.split(" : ")[1]}')
        array = complex_array(module.body.operations[0].operation)
    np.testing.assert_array_equal(array, wanted)
    assert array.dtype == (np.complex128 if "f64" in text else np.complex64)


def test_what_is_not_dense_is_no_array() -> None:
    with ir.Context(), pytest.raises(ValueError, match="DenseElementsAttr"):
        dense_array(ir.Attribute.parse("sparse<[[0]], 1.0> : tensor<3xf32>"), np.dtype(np.float32))
