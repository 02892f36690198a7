"""Calls a compiled JAX function as JAX would: pytrees in and out, arrays of JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from stratagem.api.execution import Array, Execute, Prepare
from stratagem.compiler.frontends.jax import JaxModel, import_jax
from stratagem.compiler.signatures import signature_of


@dataclass
class JaxCall:
    """One compiled function for one pattern of arguments."""

    model: JaxModel
    execute: Execute

    def __post_init__(self) -> None:
        self._specs = signature_of(self.model.program.module).inputs

    def leaves(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Array] | None:
        """The call's arrays in order, None when its containers are not those of the example."""
        leaves, tree = jax.tree_util.tree_flatten((tuple(args), dict(kwargs)))
        return [_array(leaf) for leaf in leaves] if tree == self.model.in_tree else None

    def accepts(self, leaves: Sequence[Array]) -> bool:
        """Whether dtypes, and sizes where they are fixed, are those compiled for."""
        return len(leaves) == len(self._specs) and all(
            array.dtype == spec.numpy_dtype
            and array.ndim == len(spec.shape)
            and all(want in (None, have) for want, have in zip(spec.shape, array.shape, strict=True))
            for array, spec in zip(leaves, self._specs, strict=True)
        )

    def __call__(self, leaves: Sequence[Array]) -> Any:
        results = self.execute(leaves)
        return jax.tree_util.tree_unflatten(self.model.out_tree, [jnp.asarray(r) for r in results])


def compile_call(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], dynamic_shapes: Any, prepare: Prepare
) -> JaxCall:
    """Traces `function` for these arguments and prepares it; raises what `import_jax` raises."""
    model = import_jax(function, tuple(args), dynamic_shapes, kwargs=kwargs)
    return JaxCall(model, prepare(model.program))


def _array(leaf: Any) -> Array:
    """A leaf as an array of the dtype JAX would give it (32 bits, unless 64 are enabled)."""
    array = np.asarray(leaf)
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)
