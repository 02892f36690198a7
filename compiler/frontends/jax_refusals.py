"""What JAX programs are refused for, found in the jaxpr, where the user's source lines are at hand."""

from __future__ import annotations

from typing import Any

from jax._src import source_info_util

from stratagem.runtime.errors import UnsupportedError

_OUTSIDE = "compute it outside the compiled function"
NEAREST_FORMS = {
    "eigh": _OUTSIDE,
    "eig": _OUTSIDE,
    "svd": _OUTSIDE,
    "schur": _OUTSIDE,
    "custom_call": _OUTSIDE,
    "pure_callback": "write it in jax.numpy; callbacks into Python cannot be compiled",
    "io_callback": "write it in jax.numpy; callbacks into Python cannot be compiled",
    "debug_callback": "remove jax.debug.print from the compiled function",
    "pallas_call": "write it in jax.numpy: kernels for other compilers cannot be taken over",
}


def check_jaxpr(jaxpr: Any, caller: str | None = None) -> None:
    """Raises UnsupportedError for the first operation, also in inner functions, that has no form.

    `caller` is the line of the call around; functions inside JAX have no line of the user's.
    """
    for equation in jaxpr.eqns:
        name, where = equation.primitive.name, _line(equation) or caller
        if name in NEAREST_FORMS:
            raise UnsupportedError(f"jax {name} is not supported", hint=NEAREST_FORMS[name], location=where)
        for inner in _inner(equation):
            check_jaxpr(inner, where)


def _inner(equation: Any) -> list[Any]:
    """The jaxprs among an equation's parameters."""
    found = []
    for value in equation.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            inner = getattr(item, "jaxpr", item)
            if hasattr(inner, "eqns"):
                found.append(inner)
    return found


def _line(equation: Any) -> str | None:
    frame = source_info_util.user_frame(equation.source_info.traceback)
    return f"{frame.file_name}:{frame.start_line}" if frame else None
