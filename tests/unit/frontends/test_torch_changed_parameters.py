"""A parameter that `forward` changes is state, like a buffer: an input and an output behind the user's own."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs PyTorch: pip install 'stratagem[torch]'")

import torch


class Rescaled(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            self.weight.div_(2)
        return x * self.weight


def test_changed_parameters_are_outputs_under_their_own_name() -> None:
    from stratagem.compiler.frontends.torch import load_torch
    from stratagem.compiler.signatures import signature_of

    with torch.no_grad():
        signature = signature_of(load_torch(Rescaled(), (torch.ones(3),)).module)
    assert [s.name for s in signature.inputs] == ["x", "weight"]
    assert [s.name for s in signature.outputs] == ["output", "weight"]
