"""Whole PyTorch models as native code, against eager PyTorch: at fixed sizes, and at sizes other than the examples'."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

import stratagem as sg
from tests.run.torch.models import CASES


def eager(module: Any, arguments: tuple[Any, ...]) -> Any:
    with torch.no_grad():
        return module(*arguments)


@pytest.mark.parametrize("name", CASES)
def test_fixed_sizes(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    module, arguments = case.module().eval(), case.arguments(1, 7)
    model = sg.compile(module, arguments, target="cpu")
    torch.testing.assert_close(model(*arguments), eager(module, arguments), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_free_sizes(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    module = case.module().eval()
    model = sg.compile(module, case.arguments(3, 7), target="cpu", dynamic_shapes=case.free)
    b_is_free = sum(map(len, case.free)) > 1
    for a, b in ((3, 7), (2, 5), (17, 13)):
        arguments = case.arguments(a, b if b_is_free else 7)
        torch.testing.assert_close(model(*arguments), eager(module, arguments), rtol=1e-4, atol=1e-5)


def test_a_changed_weight_is_noticed() -> None:
    case = CASES["squeeze-excite"]
    module, arguments = case.module().eval(), case.arguments(2, 1)
    model = sg.compile(module, arguments, target="cpu")
    other = case.module().eval()
    with pytest.raises(AssertionError, match="not close"):
        torch.testing.assert_close(model(*arguments), eager(other, arguments), rtol=1e-4, atol=1e-5)
