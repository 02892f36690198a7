"""What PyTorch models are refused for, and that the message names operator, line and a way out."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from stratagem.compiler.frontends import torch_lowering
from stratagem.compiler.frontends.torch import load_torch
from stratagem.compiler.frontends.torch_fixed_sizes import fixed_sizes
from stratagem.runtime.errors import ModelError, StratagemError, UnsupportedError

X = torch.ones(3, 4)


def refusal(function: Callable[..., Any], *args: Any, dynamic: Any = None) -> str:
    with pytest.raises(StratagemError) as caught:
        load_torch(function, args or (X,), dynamic)
    return str(caught.value)


def by_mask(x: Any) -> Any:
    return x[x > 0]


def by_nonzero(x: Any) -> Any:
    return torch.nonzero(x)


def by_dropout(x: Any) -> Any:
    return torch.nn.functional.dropout(x, 0.5, training=True)


def by_long_fft(x: Any) -> Any:
    return torch.fft.fft(x, n=5000).real


def by_ldl(x: Any) -> Any:
    return torch.linalg.ldl_factor_ex(x[:, :3])[0]


def by_erf(x: Any) -> Any:
    return torch.erf(x * 2)


def by_complex(x: Any) -> Any:
    return torch.tan(torch.complex(x, x)).abs()


@pytest.mark.parametrize(
    ("function", "operator", "way_out"),
    [
        (by_mask, "aten.index.Tensor", "torch.where"),
        (by_nonzero, "aten.nonzero", "torch.where"),
        (by_dropout, "draws random numbers", "model.eval()"),
        (by_long_fft, "aten._fft_r2c", "DFT matrix"),
        (by_ldl, "ldl_factor", "outside the model"),
        (by_complex, "aten.tan", "two real tensors"),
    ],
)
def test_operators_are_named_with_line_and_way_out(function: Callable[..., Any], operator: str, way_out: str) -> None:
    message = refusal(function)
    line = function.__code__.co_firstlineno + 1
    assert message.startswith(f"{__file__}:{line}: ")
    assert operator in message and way_out in message


def test_crashes_of_the_lowering_do_not_reach_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash_at_erf(module: Any) -> None:
        if "torch.aten.erf " in str(module):
            os.abort()
        run_pipelines(module)

    run_pipelines = torch_lowering._run_pipelines
    monkeypatch.setattr(torch_lowering, "_run_pipelines", crash_at_erf)
    message = refusal(by_erf)
    assert message.startswith(f"{__file__}:{by_erf.__code__.co_firstlineno + 1}: aten.erf cannot be lowered")
    assert "the lowering crashes" in message


def test_control_flow_on_values() -> None:
    message = refusal(lambda x: x * 2 if x.sum() > 0 else x)
    assert "depends on the values of a tensor" in message and "torch.where" in message


def test_wrong_examples_are_named_with_their_shapes() -> None:
    message = refusal(torch.nn.Linear(5, 2), torch.ones(3, 4))
    assert "does not run on the example inputs (float32[3, 4])" in message


def test_missing_examples() -> None:
    message = refusal(lambda x, y: x + y, X)
    assert "does not run on the example inputs" in message and "missing" in message


def test_examples_that_are_no_tuple() -> None:
    with pytest.raises(ModelError, match=r"expected a tuple.*\n.*\(x,\)"):
        load_torch(lambda x: x, X)


def test_dynamic_shapes_that_contradict_the_model() -> None:
    free = torch.export.Dim.DYNAMIC
    message = refusal(lambda x: x + torch.ones(3, 4), X, dynamic=({0: free},))
    assert "dynamic shapes do not fit the model" in message


def steps(x: Any) -> Any:
    total = torch.zeros(x.shape[0])
    for step in range(x.shape[1]):  # a Python loop: its length is part of the program
        total = torch.tanh(total + x[:, step])
    return total


@pytest.mark.parametrize(
    ("free", "named"),
    [
        (torch.export.Dim.DYNAMIC, "dimension 1 of input x to 4"),
        (torch.export.Dim("time"), "the free size 'time' to 4"),
    ],
)
def test_a_python_loop_over_a_free_size(free: Any, named: str, caplog: pytest.LogCaptureFixture) -> None:
    message = refusal(steps, X, dynamic=({1: free},))
    line = inspect.getsourcelines(steps)[1] + 2
    assert f"{__file__}:{line}" in message and named in message
    assert "leave that dimension out of dynamic_shapes" in message
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_every_size_that_a_model_fixes_is_named() -> None:
    report = "\n".join(
        f"You marked {name} as dynamic but your code specialized it to be a constant ({value})."
        for name, value in (("L['batch']['x'].size()[0]", 3), ("s", 7))
    )
    assert fixed_sizes(report) == "it fixes dimension 0 of input batch['x'] to 3 and the free size 's' to 7"
    assert fixed_sizes("5 not in range [7, int_oo]") == ""


def test_things_that_are_no_models() -> None:
    with pytest.raises(ModelError, match="cannot compile an object of type int"):
        load_torch(3, (X,))


def test_torchscript() -> None:
    scripted = torch.jit.trace(lambda x: x + 1, (X,))
    with pytest.raises(ModelError, match="TorchScript"):
        load_torch(scripted, (X,))


def test_custom_operators() -> None:
    @torch.library.custom_op("stratagem_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    twice.register_fake(torch.empty_like)
    with pytest.raises(UnsupportedError, match=r"stratagem_test.*custom operator"):
        load_torch(lambda x: twice(x), (X,))


def test_a_refused_model_keeps_its_state() -> None:
    class Counting(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x: Any) -> Any:
            self.count.add_(1)
            return x @ x  # 3x4 by 3x4 does not fit

    model = Counting()
    refusal(model)
    assert float(model.count) == 0
