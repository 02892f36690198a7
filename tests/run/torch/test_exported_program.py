"""`sg.compile` on a `torch.export.ExportedProgram`: no example inputs, its own names and free sizes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import stratagem as sg
from stratagem.runtime.errors import UsageError


class Net(nn.Module):  # type: ignore[misc]  # torch has no types here
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(7, 5)
        self.register_buffer("shift", torch.arange(5.0))

    def forward(self, tokens: Any, scale: Any) -> Any:
        return torch.softmax(self.fc(tokens) * scale + self.shift, -1)


def exported(net: Net) -> Any:
    free = ({0: torch.export.Dim.DYNAMIC}, None)
    return torch.export.export(net, (torch.randn(3, 7), torch.ones(5)), dynamic_shapes=free)


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_it_runs_at_every_size_it_was_exported_for(rows: int) -> None:
    net = Net().eval()
    model = sg.compile(exported(net), target="cpu")
    assert [i.name for i in model.signature.inputs] == ["tokens", "scale"]
    tokens, scale = torch.randn(rows, 7), torch.randn(5)
    torch.testing.assert_close(model(tokens, scale), net(tokens, scale).detach(), rtol=1e-5, atol=1e-6)


def test_the_exported_program_is_left_as_it_was() -> None:
    net = Net().eval()
    program = exported(net)
    before = str(program)
    sg.load_model(program)
    assert str(program) == before
    tokens, scale = torch.randn(4, 7), torch.randn(5)
    torch.testing.assert_close(program.module()(tokens, scale), net(tokens, scale))


def test_free_sizes_cannot_be_given_afterwards() -> None:
    with pytest.raises(UsageError, match="settled when it was exported") as caught:
        sg.load_model(exported(Net()), dynamic_shapes=({1: torch.export.Dim.DYNAMIC}, None))
    assert "torch.export.export" in str(caught.value)


def test_a_module_still_needs_example_inputs() -> None:
    with pytest.raises(UsageError, match="needs example inputs"):
        sg.load_model(Net())
