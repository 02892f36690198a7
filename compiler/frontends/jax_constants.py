"""Arrays captured by a JAX function, lifted out of its program and named after the user's variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import source_info_util
from jax.extend import core

from stratagem.compiler.levels.tensor import CONSTANT_LIMIT

source_info_util.register_exclusion(str(Path(__file__).parent))  # our frames are not the user's source


@dataclass(frozen=True)
class Lifted:
    """A function of `(constants, *leaves)` with the same results, and the constants to pass."""

    function: Callable[..., list[Any]]
    constants: list[Any]


def lift_constants(closed: Any) -> Lifted:
    """Takes arrays above 64 elements out of a traced program, also those of functions under `jax.jit`
    inside it."""
    constants: dict[int, Any] = {}
    for constant in _all_constants(closed):
        if np.size(constant) > CONSTANT_LIMIT:
            constants.setdefault(id(constant), constant)
    order = list(constants)

    def run(arrays: list[Any], *leaves: Any) -> list[Any]:
        return _evaluate(closed, dict(zip(order, arrays, strict=True)), leaves)

    return Lifted(run, list(constants.values()))


def _all_constants(closed: Any) -> Iterator[Any]:
    yield from closed.consts
    for equation in closed.jaxpr.eqns:
        yield from (v.val for v in equation.invars if isinstance(v, core.Literal))
        if _is_jit(equation):
            yield from _all_constants(equation.params["jaxpr"])


def _is_jit(equation: Any) -> bool:
    return equation.primitive.name in ("jit", "pjit")


def _evaluate(closed: Any, arrays: Mapping[int, Any], leaves: Any, caller: Any = None) -> list[Any]:
    """Runs a jaxpr on tracers, jitted functions inline, with `arrays` in place of the constants they stand
    for.

    `caller` is the traceback of the call that is being inlined.
    """
    jaxpr = closed.jaxpr
    values: dict[Any, Any] = {}

    def read(v: Any) -> Any:
        return arrays.get(id(v.val), v.val) if isinstance(v, core.Literal) else values[v]

    values.update(zip(jaxpr.constvars, (arrays.get(id(c), c) for c in closed.consts), strict=True))
    values.update(zip(jaxpr.invars, leaves, strict=True))
    for equation in jaxpr.eqns:
        inputs = [read(v) for v in equation.invars]
        traceback = _nearest(equation.source_info.traceback, caller)
        if _is_jit(equation):
            results = _evaluate(equation.params["jaxpr"], arrays, inputs, traceback)
        else:
            results = _bind(equation, inputs, traceback)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _nearest(own: Any, caller: Any) -> Any:
    """The traceback that ends closest to the operation: the caller's, when the equation's own knows no
    more of the user's code (functions inside JAX, traced once and cached)."""
    if caller is None or own is None:
        return own if caller is None else caller
    places, outer = ([(f.file_name, f.start_line) for f in source_info_util.user_frames(t)] for t in (own, caller))
    return caller if not places or places[0] in outer else own


def _bind(equation: Any, inputs: list[Any], traceback: Any) -> list[Any]:
    """Applies one primitive, under the source location of the equation."""
    info, parameters = equation.source_info, equation.primitive.get_bind_params(equation.params)
    with source_info_util.user_context(traceback, name_stack=info.name_stack), equation.ctx.manager:
        results = equation.primitive.bind(*inputs, **parameters)
    return list(results) if equation.primitive.multiple_results else [results]


def captured_names(function: Callable[..., Any]) -> dict[int, str]:
    """id of an array -> its name, for the arrays a function reaches by its closure, globals, object or
    attributes."""
    names: dict[int, str] = {}
    for name, value in _captured(function, depth=3):
        try:
            paths, _ = jax.tree_util.tree_flatten_with_path(value)
        except Exception:  # not a pytree, and no business of ours
            continue
        for path, leaf in paths:
            if hasattr(leaf, "dtype"):
                names.setdefault(id(leaf), _joined(name, path))
    return names


def constant_id(constant: Any) -> int:
    """The identity that a captured array has in the user's code; JAX wraps numpy arrays once it has seen
    them."""
    original = constant.base if isinstance(constant, np.ndarray) and constant.base is not None else constant
    return id(original)


def _captured(function: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Named values a function reaches; through functions in its closure down to `depth`."""
    owner = getattr(function, "__self__", None)
    if owner is not None:
        yield "self", owner
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(plain):
        yield "self", function
        return
    variables = inspect.getclosurevars(plain)
    yield from ((k, v) for k, v in variables.globals.items() if not inspect.ismodule(v))
    for name, value in variables.nonlocals.items():
        yield name, value
        if depth and inspect.isfunction(inspect.unwrap(value) if callable(value) else value):
            yield from _captured(value, depth - 1)


def _joined(name: str, path: Any) -> str:
    from stratagem.compiler.frontends.stablehlo import clean_name

    rest = clean_name(jax.tree_util.keystr(path)).strip(".")
    return f"{name}.{rest}" if rest else name
