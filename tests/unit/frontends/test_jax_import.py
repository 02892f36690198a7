"""JAX functions at the tensor level: names, parameters, free sizes, values; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

from stratagem.compiler.frontends.jax import load_jax
from stratagem.compiler.frontends.stablehlo import load_stablehlo
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import walk
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import ModelError, StratagemError

Function = Callable[..., Any]
RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.standard_normal(shape).astype(np.float32)


def names(program: Program) -> tuple[list[str], list[str], list[str]]:
    """Inputs, outputs, parameters."""
    signature = signature_of(program.module)
    return ([s.name for s in signature.inputs], [s.name for s in signature.outputs], list(program.parameters))


def check(function: Function, *examples: Any, others: tuple[Any, ...] = (), dynamic: Any = None) -> Program:
    """Loads for the examples; compares the program with JAX on `others`, the examples unless given."""
    program = load_jax(function, examples, dynamic)
    args = others or examples
    wanted = jax.tree_util.tree_leaves(function(*args))
    got = emulate(program, [np.asarray(a) for a in jax.tree_util.tree_leaves(args)])
    for g, w in zip(got, wanted, strict=True):
        wanted_array = np.asarray(w)
        g = g.view(wanted_array.dtype) if wanted_array.dtype.kind == "u" else g
        np.testing.assert_allclose(g.astype(np.float64), wanted_array.astype(np.float64), 2e-5, 2e-5)
    return program


def test_captured_weights_become_parameters_under_the_users_names() -> None:
    weights = {"dense": {"kernel": jnp.asarray(normal(8, 16))}, "other": normal(16, 8)}

    @jax.jit
    def inner(x: Any) -> Any:
        return x @ weights["other"]

    program = check(lambda x: inner(x @ weights["dense"]["kernel"]), normal(2, 8))
    assert sorted(names(program)[2]) == ["weights.dense.kernel", "weights.other"]
    assert len(str(program.module)) < 4000


def test_names_of_inputs_and_outputs() -> None:
    def function(batch: Any, scale: Any) -> Any:
        return {"sum": batch["x"] + scale, "pair": (scale, batch["y"])}

    program = check(function, {"x": normal(3), "y": normal(2)}, normal(3))
    assert names(program)[:2] == (["arg0.x", "arg0.y", "arg1"], ["pair.0", "pair.1", "sum"])


def test_source_lines_survive_to_linalg() -> None:
    def function(x: Any) -> Any:
        return jnp.tanh(x)

    program = load_jax(function, (normal(3),))
    line = function.__code__.co_firstlineno + 1
    generic = next(op for op in walk(program.module.operation) if op.name == "linalg.generic")
    assert f'test_jax_import.py":{line}:' in str(generic.location)


def attention(x: Any) -> Any:
    scores = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((5, 5), bool)), x @ x.T, -1e9), -1)
    return scores @ x


def steps(x: Any) -> Any:
    return jax.lax.fori_loop(0, 4, lambda i, c: c * 2 + i, x)


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda carry, row: (carry * 0.5 + row, carry.sum()), jnp.zeros(x.shape[1]), x)


def branches(x: Any) -> Any:
    return jax.lax.switch(jnp.argmax(x[:, 0]), [lambda a: a, lambda a: -a, lambda a: a * 2], x)


def conditional(x: Any) -> Any:
    return jax.lax.cond(x.sum() > 0, lambda a: a + 1, lambda a: a - 1, x)


def sorted_rows(x: Any) -> Any:
    return jnp.sort(x, -1), jnp.argsort(x, 0), jax.lax.top_k(x, 2)


def gradient(x: Any) -> Any:
    return jax.grad(lambda a: jnp.sum(jnp.tanh(a) @ a.T))(x)


def statistics(x: Any) -> Any:
    return jnp.cumsum(x, 0), jnp.var(x, -1, keepdims=True), jnp.argmax(x, 1), jnp.max(x)


def random_bits(x: Any) -> Any:
    return jax.random.bits(jax.random.key(3), x.shape, jnp.uint32)


@pytest.mark.parametrize(
    "function",
    [attention, steps, scanned, branches, conditional, sorted_rows, gradient, statistics],
)
def test_functions_have_jaxs_values(function: Function) -> None:
    check(function, normal(5, 3))


def test_random_numbers_from_a_key_have_jaxs_values() -> None:
    check(random_bits, normal(2, 3))


@pytest.mark.parametrize(
    "update",
    [
        lambda x, i, v: jnp.asarray(x).at[i].set(v),
        lambda x, i, v: jnp.asarray(x).at[i].add(v),
        lambda x, i, v: jnp.asarray(x).at[i].max(v),
        lambda x, i, v: jnp.asarray(x).at[i].add(v, mode="drop"),
        lambda x, i, v: jnp.asarray(x).at[:, 1].multiply(v[0, 0]),
        lambda x, i, v: jnp.asarray(x).at[i, 0].add(v[:, 0]),
        lambda x, i, v: jax.vmap(lambda a, b: a.at[b].add(2.0))(jnp.asarray(x)[:3], i),
    ],
)
def test_scatters(update: Function) -> None:
    check(update, normal(5, 4), np.array([1, 3, 1], np.int32), normal(3, 4))


def max_pool(x: Any) -> Any:
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2, 3), (2, 2), ((0, 0), (1, 1)))


def test_gradient_of_max_pooling() -> None:
    check(jax.grad(lambda x: (max_pool(x) ** 2).sum()), normal(4, 7))


def test_updates_outside_are_dropped() -> None:
    check(lambda x, i: jnp.asarray(x).at[i].add(1.0, mode="drop"), normal(4, 2), np.array([3, 9, 0], np.int32))


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_free_sizes(rows: int) -> None:
    weight = normal(4, 5)

    def function(x: Any, y: Any) -> Any:
        return jax.nn.softmax(x @ weight, -1) + y, (x * 2).reshape(-1), jnp.mean(x, 0)

    examples = (normal(3, 4), normal(3, 5))
    others = (normal(rows, 4), normal(rows, 5))
    program = check(function, *examples, others=others, dynamic=({0: "b"}, {0: "b"}))
    assert [s.shape for s in signature_of(program.module).inputs] == [(None, 4), (None, 5)]


def test_symbolic_examples() -> None:
    (b,) = jax.export.symbolic_shape("b")
    program = load_jax(lambda x: x + 1, (jax.ShapeDtypeStruct((b, 2), jnp.float32),))
    assert emulate(program, [np.zeros((5, 2), np.float32)])[0].shape == (5, 2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int32", "int8", "uint8", "bool"])
def test_dtypes(dtype: str) -> None:
    x = jnp.arange(6).reshape(2, 3).astype(dtype)
    program = load_jax(lambda a: a | a if dtype == "bool" else a + a, (x,))
    assert ("model.unsigned" in str(program.module)) == (dtype == "uint8")


def refusal(function: Function, *args: Any) -> str:
    with pytest.raises(StratagemError) as caught:
        load_jax(function, args)
    return str(caught.value)


def by_singular_values(x: Any) -> Any:
    return jnp.linalg.svd(x, compute_uv=False)


def by_callback(x: Any) -> Any:
    return jax.pure_callback(np.sin, x, x)


@pytest.mark.parametrize(("function", "way_out"), [(by_singular_values, "outside"), (by_callback, "callbacks")])
def test_refusals_name_operation_line_and_way_out(function: Function, way_out: str) -> None:
    message = refusal(function, normal(3, 3))
    assert message.startswith(f"{__file__}:{function.__code__.co_firstlineno + 1}: jax ")
    assert way_out in message


def test_python_control_flow_on_values() -> None:
    message = refusal(lambda x: x if x.sum() > 0 else -x, normal(3))
    assert "depends on the values of an array" in message and "jax.lax.cond" in message


def test_wrong_examples() -> None:
    message = refusal(lambda x, y: x @ y, normal(3, 4), normal(3, 4))
    assert "does not trace on the examples (float32[3, 4], float32[3, 4])" in message


def test_examples_that_are_no_tuple() -> None:
    with pytest.raises(ModelError, match=r"expected a tuple"):
        load_jax(lambda x: x, normal(3))


def test_dynamic_shapes_of_the_wrong_length() -> None:
    with pytest.raises(ModelError, match=r"dynamic_shapes has 2 entries for 1 arguments"):
        load_jax(lambda x: x, (normal(3),), (None, None))


def test_exported_bytes_load_like_the_function() -> None:
    x = normal(2, 3)
    exported = jax.export.export(jax.jit(lambda a: {"y": jnp.tanh(a)}))(x)
    program = load_stablehlo(exported.mlir_module_serialized)
    assert names(program)[:2] == (["a"], ["y"])
    np.testing.assert_allclose(emulate(program, [x])[0], np.tanh(x), 1e-6)


def test_sorts_put_nans_and_zeros_where_jax_does() -> None:
    keys = np.array([1, np.nan, -0.0, np.inf, 0.0, -np.inf, -3, -np.nan], np.float32)
    check(lambda x: (jnp.sort(x), jnp.argsort(x), jnp.argsort(-x)), keys)
    values = np.array([1, np.nan, -2, np.inf, -np.inf], np.float32)
    check(lambda x: jax.lax.top_k(x, 3)[1], values)
