"""`stratagem.jit` on JAX: calls behave like JAX's; programs run in the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

from stratagem.api.jit import jit
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.program import Program
from stratagem.runtime.errors import UnsupportedError

Array = np.ndarray[Any, Any]


def interpreted(program: Program) -> Callable[[Sequence[Array]], list[Array]]:
    """Stands in for the compiler: the program's reference meaning."""
    return lambda arrays: emulate(program, arrays)


def test_pytrees_in_and_out() -> None:
    @jit(prepare=interpreted)
    def function(batch: Any, *, scale: Any) -> Any:
        return {"y": jnp.tanh(batch["x"]) * scale, "parts": (batch["x"] + 1, None)}

    x = jnp.arange(3.0)
    result = function({"x": x}, scale=jnp.float32(2))
    np.testing.assert_allclose(result["y"], jnp.tanh(x) * 2, 1e-6)
    np.testing.assert_allclose(result["parts"][0], x + 1)
    assert result["parts"][1] is None
    assert isinstance(result["y"], jax.Array)


def test_numpy_arguments_take_jaxs_dtypes() -> None:
    function = jit(lambda x: jnp.sum(x), prepare=interpreted)
    assert function(jnp.ones(3)).dtype == jnp.float32
    assert function(np.ones(3)).dtype == jnp.float32
    assert len(function.compilations) == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "bfloat16", "bool", "int32"])
def test_dtypes_come_back(dtype: str) -> None:
    x = jnp.asarray([0, 1, 200]).astype(dtype)
    result = jit(lambda a: jnp.flip(a), prepare=interpreted)(x)
    assert result.dtype == x.dtype
    assert (np.asarray(result) == np.asarray(x)[::-1]).all()


def test_free_sizes_need_one_compilation() -> None:
    function = jit(lambda x: x.sum(-1), dynamic_shapes=({0: "b"},), prepare=interpreted)
    for rows in (3, 1, 7):
        assert function(jnp.ones((rows, 2))).tolist() == [2.0] * rows
    assert len(function.compilations) == 1


def test_other_sizes_recompile() -> None:
    function = jit(lambda x: x * 2, prepare=interpreted)
    for size in (2, 3, 2):
        assert function(jnp.ones(size)).tolist() == [2.0] * size
    assert len(function.compilations) == 2


def test_a_gradient_is_a_function_like_any_other() -> None:
    gradient = jax.grad(lambda w, x: jnp.sum(jnp.tanh(x @ w)))
    w, x = jnp.ones((3, 2)) * 0.1, jnp.ones((4, 3))
    np.testing.assert_allclose(jit(gradient, prepare=interpreted)(w, x), gradient(w, x), 1e-5)


def test_refusals_reach_the_caller() -> None:
    with pytest.raises(UnsupportedError, match="jax svd"):
        jit(lambda x: jnp.linalg.svd(x)[1], prepare=interpreted)(jnp.ones((2, 3)))


def test_compiled_for_the_cpu() -> None:
    weight = jnp.asarray(np.random.default_rng(0).standard_normal((5, 7)), jnp.float32)
    function = jit(lambda x: jax.nn.softmax(x @ weight, -1), target="cpu", dynamic_shapes=({0: "b"},))
    for rows in (3, 1, 17):
        x = jnp.ones((rows, 5)) * 0.3
        np.testing.assert_allclose(function(x), jax.nn.softmax(x @ weight, -1), 1e-5, 1e-6)
