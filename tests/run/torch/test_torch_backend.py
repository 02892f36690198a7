"""`torch.compile(backend="stratagem")`; programs run in the reference interpreter."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from stratagem.api.torch_backend import register_torch_backend, stratagem_backend, weight_name
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.program import Program
from stratagem.runtime.errors import UnsupportedError, UsageError

programs: list[Program] = []


def interpreted(program: Program) -> Any:
    """Stands in for the compiler and notes what it was given."""
    programs.append(program)
    return lambda arrays: emulate(program, arrays)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    register_torch_backend()
    torch._dynamo.reset()
    programs.clear()
    with torch.no_grad():
        yield


def compiled(model: Any, **options: Any) -> Any:
    return torch.compile(model, backend="stratagem", options={"prepare": interpreted, **options})


def close(a: Any, b: Any) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_the_backend_is_listed() -> None:
    register_torch_backend()  # twice is fine
    assert "stratagem" in torch._dynamo.list_backends()


def test_weights_are_parameters_and_not_inputs() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    x = torch.randn(2, 4)
    close(compiled(model)(x), model(x))
    assert len(programs) == 1
    assert sorted(a.shape for a in programs[0].parameters.values()) == [(3,), (3, 4)]


def test_other_sizes_recompile_once_and_then_stay_free() -> None:
    model = nn.Linear(4, 3)
    function = compiled(model)
    for rows in (2, 3, 5, 7):
        x = torch.randn(rows, 4)
        close(function(x), model(x))
    assert len(programs) == 2


def test_marked_sizes_are_free_from_the_start() -> None:
    model = nn.Linear(4, 3)
    function = compiled(model)
    for rows in (2, 3, 5):
        x = torch.randn(rows, 4)
        torch._dynamo.mark_dynamic(x, 0)
        close(function(x), model(x))
    assert len(programs) == 1


def test_written_weights_are_seen() -> None:
    model = nn.Linear(4, 3)
    function, x = compiled(model), torch.randn(2, 4)
    function(x)
    model.weight.mul_(2)
    close(function(x), model(x))


def test_training_statistics_are_written_back() -> None:
    model = nn.BatchNorm1d(3)
    wanted = copy.deepcopy(model)
    function = compiled(model)
    for _ in range(2):
        x = torch.randn(5, 3)
        close(function(x), wanted(x))
    close(model.running_mean, wanted.running_mean)


def test_graph_breaks_compile_each_part() -> None:
    def function(x: Any) -> Any:
        y = torch.tanh(x)
        torch._dynamo.graph_break()
        return y * 2

    x = torch.randn(3)
    close(compiled(function)(x), function(x))
    assert len(programs) == 2


def by_ldl(x: Any) -> Any:
    return torch.linalg.ldl_factor_ex(x)[0].diagonal()


def test_unsupported_operators_raise_with_the_users_line() -> None:
    with pytest.raises(UnsupportedError) as caught:
        compiled(by_ldl)(torch.eye(3))
    assert str(caught.value).startswith(f"{__file__}:{by_ldl.__code__.co_firstlineno + 1}: ")


def test_fallback_warns_and_runs_eager() -> None:
    function = compiled(by_ldl, fallback=True)
    with pytest.warns(RuntimeWarning, match="runs in eager PyTorch"):
        close(function(torch.eye(3)), torch.ones(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(function(torch.eye(3)), torch.ones(3))


def test_unknown_options() -> None:
    graph = torch.fx.symbolic_trace(nn.ReLU())
    with pytest.raises(UsageError, match=r"'speed' is not known\n.*fallback, prepare, target"):
        stratagem_backend(graph, [], options={"speed": 11})


def test_complex_arguments_and_results() -> None:
    def function(x: Any, z: Any) -> Any:
        return torch.fft.rfft(x), z.conj() * x.sum(), x + 1

    x, z = torch.randn(2, 5), torch.randn(3, dtype=torch.complex64)
    call = torch.compile(function, backend="stratagem", fullgraph=True)
    for found, wanted in zip(call(x, z.conj()), function(x, z.conj()), strict=True):
        assert found.dtype is wanted.dtype
        torch.testing.assert_close(found, wanted.resolve_conj(), rtol=1e-5, atol=1e-5)


def test_a_graph_without_tensors_as_arguments() -> None:
    call = torch.compile(lambda: torch.arange(5.0) * 2, backend="stratagem", fullgraph=True)
    close(call(), torch.arange(5.0) * 2)


@pytest.mark.parametrize("shape", [(3,), (0, 3), ()])
def test_results_that_are_constants_belong_to_the_caller(shape: tuple[int, ...]) -> None:
    call = torch.compile(lambda x: (torch.ones(shape), torch.ones(shape), x * 2), backend="stratagem", fullgraph=True)
    first = call(torch.ones(2))
    first[0].fill_(7.0)
    second = call(torch.ones(2))
    del first  # frees what it got
    close(second[0], torch.ones(shape))
    close(second[1], torch.ones(shape))


def test_sorting_puts_nan_last_and_keeps_the_order_of_equal_numbers() -> None:
    x = torch.tensor([3.0, 1.0, float("nan"), 2.0, 1.0, -0.0, 0.0, float("inf"), float("nan"), -1.0])
    for descending in (False, True):
        call = torch.compile(lambda x, d=descending: torch.sort(x, descending=d), backend="stratagem")
        values, places = call(x)
        wanted = torch.sort(x, stable=True, descending=descending)
        assert places.tolist() == wanted.indices.tolist()
        torch.testing.assert_close(values, wanted.values, equal_nan=True)


def test_comparisons_of_constants_with_whole_numbers() -> None:
    def function(x: Any) -> Any:
        return torch.where(torch.full_like(x, 3.0) > 1, x, -x)

    x = torch.tensor([1.0, -2.0])
    close(torch.compile(function, backend="stratagem", fullgraph=True)(x), x)


def test_names_of_weights() -> None:
    assert weight_name("l_self_modules_0_parameters_weight_") == "0_weight"
    assert weight_name("l_self_modules_bn_buffers_running_mean_") == "bn_running_mean"


def test_compiled_for_the_cpu() -> None:
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    x = torch.randn(4, 5)
    close(torch.compile(model, backend="stratagem")(x), model(x))
