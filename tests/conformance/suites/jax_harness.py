"""JAX's harnesses of primitives (in the jax package): some 5,600 functions with arguments; jax itself is the oracle."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tests.conformance.compare import Array, expect
from tests.conformance.outcome import Excluded, Wrong

TITLE = "JAX primitive harnesses"
SOURCE = "jax._src.internal_test_util.test_harnesses"
FLOOR = 0.75
BFLOAT16 = 0.03
"""Tolerance for bfloat16, eight units in the last place: jax rounds after every operation, and a compiler need not."""


@cache
def _harnesses() -> dict[str, Any]:
    from jax._src.internal_test_util import test_harnesses

    return {harness.fullname: harness for harness in test_harnesses.all_harnesses}


def names() -> list[str]:
    return list(_harnesses())


def run(name: str) -> None:
    harness = _harnesses()[name]
    function = harness.dyn_fun
    if harness.group_name == "approx_top_k":
        function = _selecting(function)
    if harness.group_name == "sort" and not harness.params["is_stable"]:
        function = _settled(function, harness.params["num_keys"], harness.params["dimension"])
    compare_with_jax(function, [_canonical(a) for a in harness.dyn_args_maker(np.random.RandomState(0))])


def _selecting(top_k: Any) -> Any:
    """A selection whose indices are judged by what they select: which of equal elements comes first is not defined."""
    from jax import numpy as jnp

    def select(operand: Any) -> Any:
        values, indices = top_k(operand)
        return values, jnp.take_along_axis(operand, indices, axis=-1)

    return select


def _settled(sort: Any, keys: int, dimension: int) -> Any:
    """A sort that need not be stable, judged by its keys in order and by what stands beside which key: the order of
    equal keys is not defined."""
    from jax import lax

    def settle(*operands: Any) -> Any:
        results = sort(*operands)
        return (*results[:keys], *lax.sort(tuple(results), dimension=dimension, num_keys=len(results)))

    return settle


def compare_with_jax(function: Any, arguments: list[Array]) -> None:
    """Compiles a function of arrays for this machine and compares what it gives with what jax gives.

    Raises Excluded when jax itself cannot run it on a CPU, Wrong when results differ.
    """
    import jax

    import stratagem as sg
    from stratagem.compiler.frontends.jax import load_jax

    try:
        # Read at once: jax computes in the background, and its library of linear algebra does not survive a fork then.
        wanted = [np.asarray(value) for value in jax.tree_util.tree_leaves(jax.jit(function)(*arguments))]
    except Exception as error:  # of any kind: the oracle has no answer
        raise Excluded(f"jax does not run it on a CPU: {type(error).__name__}: {error}") from error
    executable = sg.compile(load_jax(function, tuple(arguments)), target="cpu").executable
    results = executable(*arguments)
    if len(results) != len(wanted):
        raise Wrong(f"{len(results)} results instead of {len(wanted)}")
    for got, want in zip(results, wanted, strict=True):
        expect([got], [want], BFLOAT16 if want.dtype.name == "bfloat16" else None)


def _canonical(argument: Any) -> Array:
    """An argument in the dtype that jax gives it."""
    import jax

    array = np.asarray(argument)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
