"""JAX front end: a function and example arguments become a Program at the tensor level.

Arrays the function captures (weights in a closure) become parameters under the names they have in the
user's code; they never pass through MLIR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax._src import config

from stratagem.compiler.frontends.jax_constants import captured_names, constant_id, lift_constants
from stratagem.compiler.frontends.jax_refusals import check_jaxpr
from stratagem.compiler.frontends.stablehlo import clean_name, land_stablehlo, output_name, parse_stablehlo
from stratagem.compiler.program import Program
from stratagem.runtime.errors import ModelError, StratagemError, UnsupportedError
from stratagem.runtime.parameters import ParameterStore


@dataclass(frozen=True)
class JaxModel:
    """A loaded function: the program, and the containers of its call."""

    program: Program
    in_tree: Any
    out_tree: Any


def load_jax(
    function: Callable[..., Any],
    example_args: Sequence[Any],
    dynamic_shapes: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
) -> Program:
    """Loads a JAX function; see `import_jax`."""
    return import_jax(function, example_args, dynamic_shapes, kwargs=kwargs).program


def import_jax(
    function: Callable[..., Any],
    example_args: Sequence[Any],
    dynamic_shapes: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
) -> JaxModel:
    """Traces and lowers a JAX function.

    Args:
        function: anything `jax.jit` takes.
        example_args: a tuple with one example per argument: arrays, `jax.ShapeDtypeStruct`s (also with symbolic sizes),
        or pytrees of them.
        dynamic_shapes: one entry per argument: None, or a mapping axis -> name of the free size; equal names are equal
        sizes. For a pytree argument, the same for each of its leaves.

    Raises ModelError when the function does not trace on the examples, UnsupportedError for operations
    without a form.
    """
    if not isinstance(example_args, (tuple, list)):
        raise ModelError(
            f"example arguments are one {type(example_args).__name__}, expected a tuple, one entry each",
            hint="write (x,) for a single argument",
        )
    args, keywords = _abstract(tuple(example_args), dynamic_shapes), _abstract_all(dict(kwargs or {}))
    try:
        closed, out_shapes = jax.make_jaxpr(function, return_shape=True)(*args, **keywords)
        check_jaxpr(closed.jaxpr)
        lifted = lift_constants(closed)
        leaves, in_tree = jax.tree_util.tree_flatten((args, keywords))
        shapes = [jax.ShapeDtypeStruct(np.shape(c), c.dtype) for c in lifted.constants]
        # Whole stack traces would be many times larger than the program; one frame is the user's line.
        # Annotations of how operations are cut over devices have no portable form in one of the two partitioners.
        with config.include_full_tracebacks_in_locations(False), config.use_shardy_partitioner(False):
            exported = jax.export.export(jax.jit(lifted.function, keep_unused=True))(shapes, *leaves)
    except StratagemError:
        raise
    except Exception as error:
        raise _explain(error, example_args) from error
    return _land(exported, lifted.constants, captured_names(function), in_tree, (args, keywords), out_shapes)


def _land(
    exported: Any, constants: list[Any], names: Mapping[int, str], in_tree: Any, call: Any, outs: Any
) -> JaxModel:
    store = ParameterStore()
    positions = {i: store.add(names.get(constant_id(c), "constant"), np.asarray(c)) for i, c in enumerate(constants)}
    paths, _ = jax.tree_util.tree_flatten_with_path(outs)
    program = land_stablehlo(
        parse_stablehlo(exported.mlir_module_serialized),
        input_names=_input_names(call),
        output_names=[output_name(clean_name("result" + _path_text(path))) for path, _ in paths],
        parameters=store,
        parameter_arguments=positions,
    )
    return JaxModel(program, in_tree, jax.tree_util.tree_structure(outs))


def _input_names(call: Any) -> list[str]:
    """`arg0`, `arg1.key` ... for positional arguments, the keyword itself for the others."""
    names = []
    for path, _ in jax.tree_util.tree_flatten_with_path(call)[0]:
        head = clean_name(_path_text(path[1:2])).strip(".")
        rest = clean_name(_path_text(path[2:])).strip(".")
        first = f"arg{head}" if head.isdigit() else head
        names.append(f"{first}.{rest}" if rest else first)
    return names


def _path_text(path: Sequence[Any]) -> str:
    return str(jax.tree_util.keystr(tuple(path)))


def _abstract(args: tuple[Any, ...], dynamic_shapes: Any) -> tuple[Any, ...]:
    """The arguments as shapes and dtypes, free sizes as symbols of one scope."""
    if dynamic_shapes is None:
        return tuple(_abstract_all(a) for a in args)
    if len(dynamic_shapes) != len(args):
        raise ModelError(f"dynamic_shapes has {len(dynamic_shapes)} entries for {len(args)} arguments")
    scope = jax.export.SymbolicScope()
    return tuple(_abstract_all(a, free, scope) for a, free in zip(args, dynamic_shapes, strict=True))


def _abstract_all(value: Any, free: Mapping[int, str] | None = None, scope: Any = None) -> Any:
    return jax.tree_util.tree_map(lambda leaf: _abstract_leaf(leaf, free or {}, scope), value)


def _abstract_leaf(leaf: Any, free: Mapping[int, str], scope: Any) -> Any:
    if isinstance(leaf, jax.ShapeDtypeStruct) and not free:
        return leaf
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if not free:
        return jax.ShapeDtypeStruct(array.shape, dtype)
    text = ", ".join(str(free.get(i, n)) for i, n in enumerate(array.shape))
    return jax.ShapeDtypeStruct(jax.export.symbolic_shape(text, scope=scope), dtype)


def _explain(error: Exception, args: Sequence[Any]) -> ModelError:
    first = next((line for line in str(error).strip().splitlines() if line.strip()), "")
    name = type(error).__name__
    if "Concretization" in name or "TracerBool" in name or "TracerArray" in name or "InconclusiveDimension" in name:
        return UnsupportedError(
            f"control flow or a shape depends on the values of an array: {first}",
            hint="use jnp.where, jax.lax.cond or jax.lax.while_loop, or bind values with functools.partial",
        )
    shapes = ", ".join(
        f"{a.dtype}{list(a.shape)}" for a in jax.tree_util.tree_leaves(list(args)) if hasattr(a, "dtype")
    )
    return ModelError(f"the function does not trace on the examples ({shapes}): {name}: {first}")
