"""Each edit of the exported graph: what the backend gets wrong without it, right with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from stratagem.compiler.frontends.torch import load_torch
from stratagem.compiler.frontends.torch_rewrites import prepare
from stratagem.compiler.frontends.torch_views import Group, split_groups
from stratagem.compiler.interpreter.api import emulate

FREE = torch.export.Dim.DYNAMIC
Function = Callable[..., Any]


class Wrapped(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, function: Function) -> None:
        super().__init__()
        object.__setattr__(self, "forward", function)


def prepared(function: Function, *args: Any, dynamic: Any = None) -> Any:
    return prepare(torch.export.export(Wrapped(function), args, dynamic_shapes=dynamic, strict=False))


def targets(program: Any) -> list[str]:
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


def agree(function: Function, *args: Any) -> None:
    wanted = function(*(a.clone() for a in args)).numpy()
    np.testing.assert_allclose(emulate(load_torch(function, args), [a.numpy() for a in args])[0], wanted, 1e-6)


X = torch.arange(12.0).reshape(3, 4)


def set_where(x: Any) -> Any:
    y = x.clone()
    y[x > 5] = -1.0
    return y


def set_rows(x: Any) -> Any:
    y = x.clone()
    y[x[:, 0] > 3] = torch.arange(4.0)
    return y


@pytest.mark.parametrize("function", [set_where, set_rows])
def test_boolean_puts_become_where(function: Function) -> None:
    assert "aten.index_put.default" not in targets(prepared(function, X))
    agree(function, X)


@pytest.mark.parametrize("pads", [(1, -1), (-1, 2), (-1, -1), (0, 0, -1, 2), (2, 0, 1, -1)])
def test_negative_pads_become_slices(pads: tuple[int, ...]) -> None:
    agree(lambda x: torch.nn.functional.pad(x, pads, value=7.0), X)


def test_both_branches_of_cond_are_computed_and_one_is_chosen() -> None:
    def function(x: Any) -> Any:
        return torch.cond(x.sum() > 0, lambda a: a * 2, lambda a: a - 1, (x,))

    assert not any("cond" in t for t in targets(prepared(function, X)))
    agree(function, X)
    agree(function, -X)


def test_tanh_gelu_has_the_right_constant() -> None:
    """The backend's own form is off by up to 2e-4."""
    agree(lambda x: torch.nn.functional.gelu(x, approximate="tanh"), torch.linspace(0.1, 4, 50))


def test_linear_stays_whole() -> None:
    layer = torch.nn.Linear(4, 2)
    program = prepare(torch.export.export(layer, (X,), strict=False))
    assert targets(program) == ["aten.linear.default"]


def test_views_of_free_dimensions_become_flatten_and_unflatten() -> None:
    def function(x: Any) -> Any:
        b, s, _ = x.shape
        return x.view(b * s, 2, 2)

    found = targets(prepared(function, torch.ones(2, 3, 4), dynamic=({0: FREE, 1: FREE},)))
    assert "aten.flatten.using_ints" in found and "aten.unflatten.int" in found
    assert not any("view" in t or "reshape" in t for t in found)


def test_checks_of_sizes_are_dropped() -> None:
    def function(x: Any) -> Any:
        torch._check(x.shape[0] > 1)
        return x.to(torch.float64)

    found = targets(prepared(function, X, dynamic=({0: FREE},)))
    assert not any("assert" in t or "constrain" in t for t in found)


@pytest.mark.parametrize(
    ("source", "result", "groups"),
    [
        ([2, 3], [6], [Group(0, 2, 0, 1)]),
        ([6], [2, 3], [Group(0, 1, 0, 2)]),
        ([4, 6], [4, 2, 3], [Group(0, 1, 0, 1), Group(1, 1, 1, 2)]),
        ([2, 6], [3, 4], [Group(0, 2, 0, 2)]),
        ([3, 1, 5], [3, 5], [Group(0, 1, 0, 1), Group(1, 1, 1, 0), Group(2, 1, 1, 1)]),
        ([3, 5], [3, 1, 5], [Group(0, 1, 0, 1), Group(1, 0, 1, 1), Group(1, 1, 2, 1)]),
        ([], [1], [Group(0, 0, 0, 1)]),
        ([5], [7], None),
    ],
)
def test_shapes_split_into_groups_of_equal_products(source: Any, result: Any, groups: Any) -> None:
    assert split_groups(source, result) == groups
