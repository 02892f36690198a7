"""Operators on unsigned integers mean what they mean in PyTorch, beyond the largest signed number too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from stratagem.compiler.frontends.torch import load_torch
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import StratagemError

X = torch.tensor([0, 1, 2, 100, 127, 128, 129, 200, 254, 255, 3], dtype=torch.uint8)
Y = torch.tensor([255, 254, 200, 129, 128, 127, 100, 7, 3, 1, 2], dtype=torch.uint8)
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: x + y,
    "difference": lambda x, y: torch.sub(x, y, alpha=200),
    "product": lambda x, y: x * y,
    "quotient": lambda x, y: x // y,
    "remainder": lambda x, y: x % y,
    "true quotient": lambda x, y: x / y,
    "quotient by a number": lambda x, y: x // 3,
    "negative": lambda x, y: -x,
    "absolute": lambda x, y: x.abs(),
    "comparison": lambda x, y: x > y,
    "comparison with a number": lambda x, y: (x > 130, x == 200, x != 255),
    "clamp": lambda x, y: torch.clamp(x, 10, 200),
    "shifts": lambda x, y: (x >> 1, x << 1),
    "total": lambda x, y: x.sum(),
    "largest": lambda x, y: (x.max(), x.argmax(), x.amin()),
    "sorted": lambda x, y: (x.sort(descending=True).values, x.topk(3).values),
    "scaled": lambda x, y: x * 2.5,
    "with signed": lambda x, y: x * y.to(torch.int16),
    "from floats": lambda x, y: (x.float() * 0.9).to(torch.uint8),
    "through wide integers": lambda x, y: (x.to(torch.int64) * 3).to(torch.uint8),
    "padded": lambda x, y: torch.nn.functional.pad(x, (1, 1), value=200),
    "filled": lambda x, y: (x + torch.full((11,), 250, dtype=torch.uint8), x.masked_fill(x > 100, 250)),
    "moved": lambda x, y: (torch.cat([x, y]).flip(0), torch.where(x > y, x, y)),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_uint8(operator: str) -> None:
    function = OPERATORS[operator]
    wanted = function(X, Y)
    results = emulate(load_torch(lambda x, y: function(x, y), (X, Y)), [X.numpy(), Y.numpy()])
    for got, want in zip(results, wanted if isinstance(wanted, tuple) else [wanted], strict=True):
        assert got.dtype == want.numpy().dtype
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-6)


def test_uint32() -> None:
    x = torch.tensor([0, 1, 2**31, 2**32 - 1], dtype=torch.uint32)
    results = emulate(load_torch(lambda a: (a, a.float(), a.to(torch.int64)), (x,)), [x.numpy()])
    assert [r.dtype.name for r in results] == ["uint32", "float32", "int64"]
    assert results[2].tolist() == x.tolist()


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint64])
def test_others_are_refused_by_name(dtype: torch.dtype) -> None:
    with pytest.raises(StratagemError, match=str(dtype).removeprefix("torch.")):
        load_torch(lambda a: a.float(), (torch.tensor([1]).to(dtype),))
