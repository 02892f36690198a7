"""Framework tensors to numpy and back, without copies where the framework allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]


def to_numpy(values: Sequence[Any]) -> tuple[str, list[Array]]:
    """Which framework the values come from (`torch`, `jax` or `numpy`) and the values as arrays."""
    kinds = {type(v).__module__.partition(".")[0] for v in values}
    kind = "torch" if "torch" in kinds else "jax" if kinds & {"jax", "jaxlib"} else "numpy"
    return kind, [_array(v) for v in values]


def _array(value: Any) -> Array:
    if type(value).__module__.partition(".")[0] != "torch":
        return np.asarray(value)
    tensor = value.detach().cpu().contiguous()
    if str(tensor.dtype) == "torch.bfloat16":
        import torch

        raw: Array = tensor.view(torch.int16).numpy()
        return raw.view(ml_dtypes.bfloat16)
    array: Array = tensor.numpy()
    return array


def from_numpy(kind: str, arrays: Sequence[Array]) -> list[Any]:
    """Arrays as tensors of the framework the arguments came from."""
    if kind == "torch":
        return [_torch(a) for a in arrays]
    if kind == "jax":
        import jax.numpy as jnp

        return [jnp.asarray(a) for a in arrays]
    return list(arrays)


def _torch(array: Array) -> Any:
    import torch

    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
