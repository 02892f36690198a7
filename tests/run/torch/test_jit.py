"""`stratagem.jit` on PyTorch: calls behave like PyTorch's; programs run in the reference interpreter."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from stratagem.api.jit import Jitted, jit
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.program import Program
from stratagem.runtime.errors import UnsupportedError

Array = np.ndarray[Any, Any]


def interpreted(program: Program) -> Callable[[Sequence[Array]], list[Array]]:
    """Stands in for the compiler: the program's reference meaning."""
    return lambda arrays: emulate(program, arrays)


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_a_decorated_function() -> None:
    @jit(prepare=interpreted)
    def function(x: Any, w: Any) -> Any:
        return torch.softmax(x @ w, -1)

    assert isinstance(function, Jitted) and getattr(function, "__name__", "") == "function"
    x, w = torch.randn(3, 4), torch.randn(4, 5)
    close(function(x, w), torch.softmax(x @ w, -1))


def test_containers_and_python_values_come_back() -> None:
    function = jit(
        lambda batch, n: {"sum": batch["x"] + n, "n": n, "size": batch["x"].shape[0], "none": None},
        prepare=interpreted,
    )
    result = function({"x": torch.ones(3)}, 2)
    assert list(result) == ["sum", "n", "size", "none"]
    assert (result["n"], result["size"], result["none"]) == (2, 3, None)
    close(result["sum"], torch.full((3,), 3.0))


def test_one_compilation_per_pattern_of_arguments() -> None:
    function = jit(lambda x, n: x * n, prepare=interpreted)
    x = torch.ones(3)
    for value, count in (
        ((x, 2), 1),
        ((x + 1, 2), 1),
        ((x, 3), 2),
        ((torch.ones(4), 2), 3),
        ((x.double(), 2), 4),
    ):
        close(function(*value), value[0] * value[1])
        assert len(function.compilations) == count


def test_free_sizes_need_one_compilation() -> None:
    free = torch.export.Dim.DYNAMIC
    function = jit(lambda x: x.sum(-1), dynamic_shapes=({0: free},), prepare=interpreted)
    for rows in (3, 1, 7):
        close(function(torch.ones(rows, 2)), torch.full((rows,), 2.0))
    assert len(function.compilations) == 1


def test_training_statistics_are_written_back() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    wanted = copy.deepcopy(model)
    function = jit(model, prepare=interpreted)
    for _ in range(2):
        x = torch.randn(5, 4)
        close(function(x).detach(), wanted(x).detach())
    assert int(model[1].num_batches_tracked) == 2
    close(model[1].running_var, wanted[1].running_var)


def test_changed_arguments_are_written_back() -> None:
    def step(cache: Any, x: Any) -> Any:
        cache[0].add_(x)
        return cache.sum()

    mine, wanted = torch.zeros(2, 3), torch.zeros(2, 3)
    function = jit(step, prepare=interpreted)
    for _ in range(2):
        close(function(mine, torch.ones(3)), step(wanted, torch.ones(3)))
    close(mine, wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.uint8, torch.bool, torch.int64])
def test_dtypes_come_back(dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1, 200]).to(dtype)
    result = jit(lambda a: (a, a.to(torch.float32)), prepare=interpreted)(x)
    close(result, (x, x.to(torch.float32)))


def test_signed_and_unsigned_bytes_are_different_patterns() -> None:
    function = jit(lambda a: a.to(torch.float32), prepare=interpreted)
    close(function(torch.tensor([200], dtype=torch.uint8)), torch.tensor([200.0]))
    close(function(torch.tensor([-56], dtype=torch.int8)), torch.tensor([-56.0]))


def test_backward_says_that_there_are_no_gradients() -> None:
    output = jit(nn.Linear(2, 2), prepare=interpreted)(torch.ones(1, 2))
    with pytest.raises(RuntimeError, match="without gradients"):
        output.sum().backward()


def test_refusals_reach_the_caller() -> None:
    with pytest.raises(UnsupportedError, match=r"aten\.nonzero"):
        jit(torch.nonzero, prepare=interpreted)(torch.ones(2))


def test_compiled_for_the_cpu() -> None:
    free = torch.export.Dim.DYNAMIC
    model = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.LayerNorm(7)).eval()
    function = jit(model, target="cpu", dynamic_shapes=({0: free},))
    with torch.no_grad():
        for rows in (3, 1, 17):
            x = torch.randn(rows, 5)
            close(function(x), model(x))
    assert len(function.compilations) == 1
