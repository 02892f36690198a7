"""Inputs for runs whose data does not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stratagem.runtime.errors import UsageError
from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]


def random_arrays(
    signature: Signature, shapes: Mapping[str, Sequence[int]] | None = None, seed: int = 0
) -> dict[str, Array]:
    """Normal random floats and complex numbers, and zeros and ones for integers; free dimensions are 1 unless `shapes`
    says otherwise.

    Raises UsageError for a shape of no input.
    """
    given, rng = dict(shapes or {}), np.random.default_rng(seed)
    for name in given.keys() - {spec.name for spec in signature.inputs}:
        takes = "; ".join(map(str, signature.inputs)) or "none"
        raise UsageError(f"there is no input '{name}'", hint=f"inputs: {takes}")
    arrays = {}
    for spec in signature.inputs:
        shape = tuple(given.get(spec.name, [n or 1 for n in spec.shape]))
        integral = spec.numpy_dtype.kind in "iub"
        values = rng.integers(0, 2, shape) if integral else rng.standard_normal(shape)
        if spec.is_complex:
            values = values + 1j * rng.standard_normal(shape)
        arrays[spec.name] = np.asarray(values).astype(spec.numpy_dtype)
    return arrays
