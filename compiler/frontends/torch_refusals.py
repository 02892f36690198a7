"""What cannot be compiled, found in the graph before lowering, and said in the user's words.

Each refusal names the operator, the user's source line and the nearest form that works.
"""

from __future__ import annotations

import operator
import re
from typing import Any

import torch
from torch import fx

from stratagem.compiler.frontends.torch_capture import user_location
from stratagem.compiler.frontends.torch_complex_rules import LIMIT
from stratagem.compiler.frontends.torch_loops import is_loop, loop_count, loop_graphs
from stratagem.compiler.frontends.torch_parameters import DTYPES
from stratagem.runtime.errors import SourceLocation, UnsupportedError

_SYMBOLIC = re.compile(
    r"^(sym_|add|sub|mul|floordiv|mod|truediv|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|ceil|floor|trunc|getitem|max|min)"
)

NEAREST_FORMS: dict[str, str] = {
    "nonzero": "the number of results depends on the data: keep a mask and use torch.where",
    "masked_select": "the number of results depends on the data: use torch.where(mask, x, fill)",
    "masked_scatter": "use torch.where with values of the mask's shape",
    "index": "a boolean mask gives a data-dependent size: use torch.where, or integer indices",
    "unique": "the number of results depends on the data: no fixed-size form",
    "_unique2": "the number of results depends on the data: no fixed-size form",
    "repeat_interleave": "pass repeats as a Python int, or output_size and torch.gather",
    "item": "keep the value as a 0-dimensional tensor",
    "bincount": "torch.zeros(size).scatter_add_(0, x, ones) with a fixed size",
    "bernoulli": "model.eval() turns dropout off; otherwise pass the random tensor as an input",
    "native_dropout": "model.eval() turns dropout off",
    "multinomial": "pass uniform noise as an input and use argmax(logits - log(-log(noise)))",
    "linalg_ldl_factor_ex": "no supported form; compute it outside the model",
    "linalg_eig": "no supported form; compute it outside the model",
    "_linalg_eigvals": "no supported form; compute it outside the model",
    "nms": "leave it out of the model and run it on the outputs",
    "roi_align": "leave it out of the model and run it on the outputs",
    "while_loop": "a loop that counts a number from 0 by 1 to a constant, all it reads carried along",
    "scan": "a Python loop with a fixed number of steps, which export unrolls",
}
_COMPLEX_HINT = "keep real and imaginary parts as two real tensors"
_RANDOM_HINT = "model.eval() turns dropout off; otherwise pass the random tensor as an input"


def check_graph(graph: fx.Graph) -> None:
    """Raises UnsupportedError for the first node that has no form at the tensor level."""
    for part in (graph, *loop_graphs(graph)):
        for node in part.nodes:
            if node.op == "call_function":
                _check_target(node)
            _check_value(node)


def nearest_form(operation: str) -> str:
    """Advice for an operator by its name without namespace and overload; empty where there is none."""
    if operation.startswith(("fft_", "_fft_", "stft", "istft")):
        return f"up to {LIMIT} points; beyond, products with the real and imaginary parts of parts of the DFT matrix"
    return NEAREST_FORMS.get(operation, "")


def refuse(operation: str, reason: str, location: SourceLocation | str | None, hint: str = "") -> UnsupportedError:
    """The one form of all refusals of operators."""
    return UnsupportedError(f"{operation} {reason}", hint=hint or nearest_form(bare_name(operation)), location=location)


def bare_name(operation: str) -> str:
    """`aten.index.Tensor` -> `index`."""
    parts = operation.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def _check_target(node: fx.Node) -> None:
    target, where = node.target, user_location(node.meta.get("stack_trace"))
    if is_loop(node) and loop_count(node) is not None:
        return
    if isinstance(target, torch._ops.HigherOrderOperator):
        raise refuse(f"higher_order.{target.name()}", "is not supported", where)
    if not isinstance(target, torch._ops.OpOverload):
        if _SYMBOLIC.match(getattr(target, "__name__", "")) or target is operator.getitem:
            return
        raise refuse(str(target), "is not an operator", where)
    if target.namespace not in ("aten", "prims", "prim"):
        hint = nearest_form(bare_name(str(target))) or "write it with PyTorch's own operators, or leave it out"
        raise refuse(str(target), f"is a custom operator of '{target.namespace}'", where, hint)
    if torch.Tag.nondeterministic_seeded in target.tags:
        raise refuse(str(target), "draws random numbers", where, nearest_form(bare_name(str(target))) or _RANDOM_HINT)


def _check_value(node: fx.Node) -> None:
    for value in _tensors(node.meta.get("val")):
        _check_dtype(node, value)
        if _depends_on_data(value):
            where = user_location(node.meta.get("stack_trace"))
            raise refuse(_cause(node), "gives a size that depends on the data", where)


def _check_dtype(node: fx.Node, value: Any) -> None:
    if isinstance(value, torch.Tensor) and value.dtype not in DTYPES:
        raise refuse_dtype(f"input '{node.name}'" if node.op == "placeholder" else str(node.target), value.dtype, node)


def refuse_dtype(what: str, dtype: torch.dtype, node: fx.Node) -> UnsupportedError:
    """The refusal of an operator or input for the dtype of what it takes or gives."""
    supported = "supported: " + ", ".join(str(d).removeprefix("torch.") for d in DTYPES)
    hint = nearest_form(bare_name(what)) or (_COMPLEX_HINT if dtype.is_complex else supported)
    where = user_location(node.meta.get("stack_trace"))
    return refuse(what, f"has dtype {str(dtype).removeprefix('torch.')}", where, hint)


def _tensors(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [v for item in value for v in _tensors(item)]
    return [value] if isinstance(value, (torch.Tensor, torch.SymInt, torch.SymFloat, torch.SymBool)) else []


def _depends_on_data(value: Any) -> bool:
    from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

    return bool(free_unbacked_symbols(value))


def _cause(node: fx.Node) -> str:
    return str(node.target)
