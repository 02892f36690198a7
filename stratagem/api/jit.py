"""`@stratagem.jit`: compiles a PyTorch or JAX function, or an nn.Module, when it is first called.

>>> import stratagem as sg
>>> @sg.jit(target="cpu")                                  # doctest: +SKIP
... def f(x, w): return torch.softmax(x @ w, -1)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stratagem.api.execution import Prepare, prepare_for
from stratagem.api.loading import framework_of


class Jitted:
    """A function that is compiled once per pattern of arguments: containers, dtypes, fixed sizes, Python
    values.

    `compilations` lists what was compiled so far. Sizes named in `dynamic_shapes` do not count.
    """

    def __init__(self, function: Callable[..., Any], prepare: Prepare, dynamic_shapes: Any = None) -> None:
        self.function = function
        self.compilations: list[Any] = []
        self._prepare, self._dynamic_shapes = prepare, dynamic_shapes
        self._framework = ""
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for compiled in self.compilations:
            leaves = compiled.leaves(args, kwargs)
            if leaves is not None and compiled.accepts(leaves):
                return compiled(leaves)
        compiled = self._compile(args, kwargs)
        self.compilations.append(compiled)
        return compiled(compiled.leaves(args, kwargs))

    def _compile(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        self._framework = self._framework or framework_of(self.function, [*args, *kwargs.values()])
        if self._framework == "jax":
            from stratagem.api.jax_call import compile_call as compile_jax

            return compile_jax(self.function, args, kwargs, self._dynamic_shapes, self._prepare)
        from stratagem.api.torch_call import compile_call as compile_torch

        return compile_torch(self.function, args, kwargs, self._dynamic_shapes, self._prepare)


def jit(
    function: Callable[..., Any] | None = None,
    *,
    target: Any = "cpu",
    dynamic_shapes: Any = None,
    prepare: Prepare | None = None,
) -> Any:
    """Compiles a function at its first call; also a decorator, with or without arguments.

    Args:
        function: a function of PyTorch tensors or JAX arrays, or an nn.Module.
        target: as for `stratagem.compile`.
        dynamic_shapes: sizes that stay free: `torch.export`'s argument for PyTorch; for JAX one mapping
            axis -> name, or None, per argument.
        prepare: what turns a program into a callable on arrays; default compiles for `target`.

    Returns a `Jitted`. Calls raise ModelError or UnsupportedError when the function cannot be compiled.
    Gradients do not pass through; `backward` on a result says so.
    """
    if function is None:
        return functools.partial(jit, target=target, dynamic_shapes=dynamic_shapes, prepare=prepare)
    return Jitted(function, prepare or prepare_for(target), dynamic_shapes)
