"""Models of machines, each made once."""

from __future__ import annotations

from functools import cache
from typing import Any

from stratagem.compiler.cost.model import Model, model_of
from stratagem.hwmodels import load_machine


@cache
def machine_model(system: str, dtype: str, params: tuple[tuple[str, Any], ...] = ()) -> Model:
    """The model of a system of the library, with parameters as pairs."""
    return model_of(load_machine(system, dict(params)), dtype)
