"""Architectures with random weights (`tests/conformance/models`), with fixed sizes and with free ones.

`name` is compiled and run for its example; `name.dynamic` is compiled with free sizes and run with larger ones.
Packages that are not installed exclude their models.
"""

from __future__ import annotations

from typing import Any

from tests.conformance import models
from tests.conformance.compare import expect
from tests.conformance.outcome import Wrong
from tests.conformance.suites.opinfo import tensors

TITLE = "PyTorch models"
SOURCE = "torchvision, timm, transformers, torch_geometric, monai"
FLOOR = 0.93
TOLERANCE = 1e-3
"""Deep networks add up rounding; both sides compute in float32."""
_DYNAMIC = ".dynamic"


def names() -> list[str]:
    found = models.names()
    return [*found, *(name + _DYNAMIC for name in found)]


def run(name: str) -> None:
    import torch

    import stratagem as sg

    is_dynamic = name.endswith(_DYNAMIC)
    case, own = (models.build(name.removesuffix(_DYNAMIC)) for _ in range(2))  # some networks change their weights
    call = sg.jit(case.module, target="cpu", dynamic_shapes=case.dynamic if is_dynamic else None)
    for args in [case.args, *([_larger(case.args, case.dynamic)] if is_dynamic else [])]:
        with torch.no_grad():
            expect(tensors(call(*args)), tensors(own.module(*args)), TOLERANCE)
    if len(call.compilations) > 1:
        raise Wrong("other sizes are compiled anew, although they are free")


def _larger(args: tuple[Any, ...], dynamic: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with each free size larger: a small batch by 1, the others by 3; elements repeat."""
    import torch

    found = []
    for value, free in zip(args, _entries(dynamic), strict=True):
        for dim in free:
            size = value.shape[dim]
            more = 1 if dim == 0 and size < 10 else 3
            value = value.index_select(dim, torch.arange(size + more) % size)
        found.append(value.contiguous())
    return tuple(found)


def _entries(dynamic: Any) -> list[dict[int, Any]]:
    """One entry an argument; those of `*args` stand in a tuple of their own."""
    return [dynamic] if isinstance(dynamic, dict) else [entry for part in dynamic for entry in _entries(part)]
