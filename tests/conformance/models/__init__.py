"""Architectures with random weights in small configurations: what a package defines, built here with sizes of our own.

A file per field; each registers builders by name with `model`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tests.conformance.outcome import Excluded

FIELDS = ("plain", "vision", "language", "graphs")
BUILDERS: dict[str, Callable[[], Model]] = {}


@dataclass
class Model:
    """A module in evaluation mode, example arguments, and `dynamic_shapes` as in `torch.export`."""

    module: Any
    args: tuple[Any, ...]
    dynamic: tuple[Any, ...]


def model(name: str, *packages: str) -> Callable[[Callable[[], Model]], Callable[[], Model]]:
    """Registers a builder under a name; a missing package excludes its cases."""

    def register(build: Callable[[], Model]) -> Callable[[], Model]:
        def checked() -> Model:
            for package in packages:
                need(package)
            return build()

        BUILDERS[name] = checked
        return build

    return register


def need(package: str) -> None:
    if find_spec(package) is None:
        raise Excluded(f"package {package} is not installed")


def names() -> list[str]:
    for field in FIELDS:
        import_module(f"{__name__}.{field}")
    return list(BUILDERS)


def build(name: str) -> Model:
    """The model `name`, the same each time: seeded weights, batch statistics that are not those of a new layer."""
    import torch

    names()
    torch.manual_seed(0)
    found = BUILDERS[name]()
    found.module.eval()
    for layer in found.module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.running_var is not None:
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return found
