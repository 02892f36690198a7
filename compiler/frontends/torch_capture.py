"""From a PyTorch module or function to a `torch.export.ExportedProgram`.

Capture runs without gradients, so regions under `no_grad` leave no trace in the graph. A plain function is
wrapped in a module; the modules it uses become submodules, so that their weights keep the names the user
gave them.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram

import stratagem.compiler
from stratagem.compiler.frontends.torch_fixed_sizes import fixed_sizes
from stratagem.runtime.errors import ModelError, SourceLocation, UnsupportedError

FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_DATA_DEPENDENT = re.compile(r"[Dd]ata[- ]dependent|GuardOnDataDependent|unbacked symint|\.item\(\)")
_GUARD = re.compile(r"Constraints violated|specialized|not a valid dimension|dynamic_shapes|Dim\b")


class FunctionModule(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A function as a module: `forward` is the function, the modules it reaches are children under their
    own names."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        for name, module in reached_modules(function):
            self.add_module(name, module)
        # An attribute of the instance, so that torch.export sees the function's own signature.
        object.__setattr__(self, "forward", _with_signature(function))
        _keep_source_lines(function)
        self.eval_like(function)

    def eval_like(self, function: Callable[..., Any]) -> None:
        """The wrapper trains if any wrapped module does; it must not change the modes of the modules below
        it."""
        self.training = any(m.training for _, m in reached_modules(function))


def _with_signature(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or one around it where it has no signature (PyTorch's builtins)."""
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return lambda *inputs: function(*inputs)
    return function


def _keep_source_lines(function: Callable[..., Any]) -> None:
    """Asks PyTorch to note lines of this function: by itself it notes those of functions called `forward`."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if inspect.isfunction(plain):
        fx.proxy._register_stack_trace_anchor(plain)


def reached_modules(function: Callable[..., Any]) -> Iterator[tuple[str, nn.Module]]:
    """The modules a function reads from its closure, its globals and, for a method, its object; each once."""
    seen: set[int] = set()
    for name, value in _reached_values(function):
        if isinstance(value, nn.Module) and id(value) not in seen:
            seen.add(id(value))
            yield name.replace(".", "_"), value


def _reached_values(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    owner = getattr(function, "__self__", None)
    if owner is not None:
        yield "self", owner
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if inspect.isfunction(plain):
        variables = inspect.getclosurevars(plain)
        yield from variables.nonlocals.items()
        yield from variables.globals.items()


def as_module(model: Any) -> nn.Module:
    """The model as a module; raises ModelError for things that torch.export cannot take."""
    if isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
        raise ModelError(
            f"{type(model).__name__} is TorchScript, which torch.export does not take",
            hint="load the original nn.Module (its state_dict works: torch.load(..., weights_only=True))",
        )
    if isinstance(model, nn.Module):
        return model
    if callable(model):
        return FunctionModule(model)
    raise ModelError(f"cannot compile an object of type {type(model).__name__}", hint="pass an nn.Module or a function")


def capture(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
) -> ExportedProgram:
    """Exports a model for example inputs.

    Args:
        model: nn.Module, function, or an ExportedProgram (returned as it is).
        args, kwargs: example inputs, any pytree; tensors become inputs, other values are fixed.
        dynamic_shapes: as in `torch.export.export`; None fixes every size.

    Raises ModelError when the model does not run on the examples, UnsupportedError when control flow or
    shapes depend on data, both with the user's source line.
    """
    if isinstance(model, ExportedProgram):
        return model
    module = as_module(model)
    _check_example_types(args)
    errors: list[Exception] = []
    for strict in (False, True):  # the second tracer follows some Python that the first cannot
        try:
            with torch.no_grad(), _guards_unlogged():
                return torch.export.export(
                    module, tuple(args), dict(kwargs or {}), dynamic_shapes=dynamic_shapes, strict=strict
                )
        except Exception as error:
            errors.append(error)
            if _is_final(error):
                break
    raise _explain(errors, module, args, kwargs) from errors[0]


@contextmanager
def _guards_unlogged() -> Iterator[None]:
    """Keeps torch from logging a failed guard with its own stack: the exception says the same, and we report that."""
    log = logging.getLogger("torch._guards")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _check_example_types(args: Sequence[Any]) -> None:
    if not isinstance(args, (tuple, list)):
        raise ModelError(
            f"example inputs are one {type(args).__name__}, expected a tuple with one entry per argument",
            hint="write (x,) for a single input",
        )


def _is_final(error: Exception) -> bool:
    """Whether the other tracer would meet the same obstacle: wrong inputs, or shapes that depend on data."""
    return isinstance(error, TypeError) or bool(_DATA_DEPENDENT.search(str(error)))


def _explain(errors: Sequence[Exception], module: nn.Module, args: Sequence[Any], kwargs: Any) -> ModelError:
    """The first tracer's error in the user's words."""
    error = errors[0]
    text, where = str(error).strip(), user_location(_trace_text(error))
    if fixed := fixed_sizes(text):
        # Only the second tracer knows the line, and only where it met the same obstacle.
        same = [_trace_text(e) for e in errors if fixed_sizes(str(e))]
        return ModelError(
            f"the dynamic shapes do not fit the model: {fixed} (a Python loop, a condition or another size)",
            hint="leave that dimension out of dynamic_shapes and compile once per size",
            location=user_location("".join(same)),
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if _DATA_DEPENDENT.search(text):
        return UnsupportedError(
            f"control flow or a shape depends on the values of a tensor: {first}",
            hint="use torch.where, torch.cond or a fixed size instead of Python control flow on values",
            location=where,
        )
    problem = _eager_failure(module, args, kwargs)
    if problem is not None:
        return ModelError(
            f"the model does not run on the example inputs ({_shapes(args)}): {problem}",
            hint="pass one example per argument of forward, with the shapes and dtypes it expects",
            location=where,
        )
    if _GUARD.search(text):
        return ModelError(f"the dynamic shapes do not fit the model: {first}", location=where)
    return UnsupportedError(f"torch.export cannot capture the model: {type(error).__name__}: {first}", location=where)


def _eager_failure(module: nn.Module, args: Sequence[Any], kwargs: Any) -> str | None:
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            _untouched_call(module, args, dict(kwargs or {}))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    return None


def _untouched_call(module: nn.Module, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Runs the module on copies of inputs and buffers: a diagnosis must not change the user's state."""
    from torch.func import functional_call
    from torch.utils import _pytree as pytree

    def copied(value: Any) -> Any:
        return value.clone() if isinstance(value, torch.Tensor) else value

    state = {name: value.clone() for name, value in module.named_buffers()}
    functional_call(module, state, pytree.tree_map(copied, tuple(args)), pytree.tree_map(copied, kwargs))


def _shapes(args: Sequence[Any]) -> str:
    from torch.utils import _pytree as pytree

    def one(value: Any) -> str:
        if not isinstance(value, torch.Tensor):
            return type(value).__name__
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"

    return ", ".join(one(v) for v in pytree.tree_leaves(list(args)))


def _trace_text(error: BaseException) -> str:
    """The frames an exception passed, and those that torch wrote into its message, innermost last."""
    import traceback

    return "".join(traceback.format_tb(error.__traceback__)) + str(error)


def user_location(stack_trace: str | None) -> SourceLocation | None:
    """The innermost frame of a stack trace that is neither PyTorch's nor ours: the line the user can
    change."""
    frames = FRAME.findall(stack_trace or "")
    outside = [f for f in frames if not is_internal_frame(f[0])]
    return SourceLocation(outside[-1][0], int(outside[-1][1])) if outside else None


def is_internal_frame(file: str) -> bool:
    """Whether a frame's file belongs to PyTorch or to this compiler."""
    return file.startswith(_INTERNAL) or file.startswith("<")


_INTERNAL = (
    str(Path(torch.__file__).parent) + "/",
    # Not the package's own search path: in an editable install that holds the whole repository.
    str(Path(stratagem.__file__).parent) + "/",
    *(path + "/" for path in stratagem.compiler.__path__),
    "torch/",  # how torch.export shortens its own paths in saved programs
)
