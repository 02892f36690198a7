"""Normalizations and the masked softmax beside PyTorch's own: the same numbers, in types no wider than PyTorch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import stratagem as sg

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def compiled(model: Any, *inputs: torch.Tensor) -> sg.CompiledModel:
    with torch.no_grad():
        return sg.compile(model, inputs)


def agree(model: Any, *inputs: torch.Tensor) -> sg.CompiledModel:
    found = compiled(model, *inputs)
    with torch.no_grad():
        got, expected = found(*inputs), model(*inputs)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    bound = TOLERANCE[expected.dtype]
    np.testing.assert_allclose(got.double(), expected.double(), rtol=bound, atol=bound)
    return found


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.LayerNorm(33), (5, 33)),
        (nn.LayerNorm((7, 5), elementwise_affine=False), (3, 7, 5)),
        (nn.LayerNorm(1), (2, 1)),
        (nn.GroupNorm(3, 12), (2, 12, 5, 7)),
        (nn.GroupNorm(1, 4, affine=False), (0, 4, 3)),
    ],
    ids=str,
)
def test_normalizations(module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    agree(module.to(dtype).eval(), (3 * x + 2).to(dtype))


def test_a_layer_of_f32_is_normalized_in_f32() -> None:
    """Conversions of every element to f64 made half of the time."""
    text = compiled(nn.LayerNorm(33).eval(), torch.randn(5, 33)).ir("tensor")
    assert "xf32>" in text and "xf64>" not in text


def attention(q: Any, k: Any, v: Any, mask: Any) -> Any:
    return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("boolean", [False, True])
def test_a_masked_row_attends_to_nothing(dtype: torch.dtype, boolean: bool) -> None:
    q, k, v = (torch.randn(2, 3, 17, 16, generator=torch.Generator().manual_seed(n)).to(dtype) for n in range(3))
    mask = torch.zeros(2, 1, 17, 17, dtype=dtype)
    mask[0, 0, 3], mask[1, 0, :, 5] = -math.inf, -math.inf
    found = agree(attention, q, k, v, mask == 0 if boolean else mask)
    assert not found(q, k, v, mask == 0 if boolean else mask)[0, :, 3].any()


def test_what_is_not_a_number_stays_so() -> None:
    q, k, v = (torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(n)) for n in range(3))
    mask = torch.zeros(1, 1, 5, 5)
    mask[0, 0, 2, 1] = math.nan
    found = compiled(attention, q, k, v, mask)(q, k, v, mask)
    assert torch.equal(found.isnan(), attention(q, k, v, mask).isnan()) and found[0, :, 2].isnan().all()
