"""Stratagem: machine-learning models from PyTorch, JAX and ONNX to CPU, GPU and near-memory kernels, level by level.

>>> import stratagem as sg
>>> exe = sg.compile("model.onnx", target="cpu")   # doctest: +SKIP
>>> exe(x)                                          # doctest: +SKIP

Everything heavy is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratagem.runtime.version import VERSION

__version__ = VERSION

__all__ = [
    "CompiledModel",
    "StratagemError",
    "__version__",
    "compile",
    "jit",
    "load",
    "load_model",
    "register_torch_backend",
]

if TYPE_CHECKING:
    from stratagem.api.compiling import CompiledModel, compile, load
    from stratagem.api.jit import jit
    from stratagem.api.loading import load_model
    from stratagem.api.torch_backend import register_torch_backend
    from stratagem.runtime.errors import StratagemError

_HOMES = {
    "CompiledModel": "stratagem.api.compiling",
    "compile": "stratagem.api.compiling",
    "load": "stratagem.api.compiling",
    "load_model": "stratagem.api.loading",
    "jit": "stratagem.api.jit",
    "register_torch_backend": "stratagem.api.torch_backend",
    "StratagemError": "stratagem.runtime.errors",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'stratagem' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
