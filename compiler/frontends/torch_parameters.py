"""PyTorch tensors as numpy arrays of a ParameterStore: without a copy where the layout allows, tied
weights once."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch.export import ExportedProgram

from stratagem.compiler.frontends.torch_signature import Role, Signature, Slot
from stratagem.runtime.errors import UnsupportedError
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]

DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float64: np.dtype(np.float64),
    torch.float32: np.dtype(np.float32),
    torch.float16: np.dtype(np.float16),
    torch.bfloat16: np.dtype(ml_dtypes.bfloat16),
    torch.int64: np.dtype(np.int64),
    torch.int32: np.dtype(np.int32),
    torch.int16: np.dtype(np.int16),
    torch.int8: np.dtype(np.int8),
    torch.uint32: np.dtype(np.uint32),
    torch.uint8: np.dtype(np.uint8),
    torch.bool: np.dtype(np.bool_),
}


def to_numpy(tensor: torch.Tensor, name: str = "a tensor") -> Array:
    """The tensor's values as a row-major array, sharing memory where it can. Raises UnsupportedError by
    dtype."""
    if tensor.dtype not in DTYPES:
        raise UnsupportedError(
            f"{name} has dtype {tensor.dtype}",
            hint="supported: " + ", ".join(str(d).removeprefix("torch.") for d in DTYPES),
        )
    if tensor.is_meta:
        raise UnsupportedError(f"{name} is on the meta device and has no values", hint="load the weights first")
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype is torch.bfloat16:  # numpy has no bfloat16 of its own
        plain = plain.view(torch.int16)
        return np.asarray(plain.numpy()).view(DTYPES[torch.bfloat16])
    return np.asarray(plain.numpy())


def to_torch(array: Array) -> torch.Tensor:
    """The array as a tensor; the counterpart of `to_numpy`."""
    if array.dtype == DTYPES[torch.bfloat16]:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def tensor_of(program: ExportedProgram, slot: Slot) -> torch.Tensor:
    """The value of a parameter, buffer or constant; a complex one with its parts in a last dimension of 2.

    Non-persistent buffers are among the constants.
    """
    if not slot.source:
        raise UnsupportedError(
            "the model holds an operator that may raise an exception, which a program cannot",
            hint="for factors of matrices, the operator of the same name that returns `info` (`..._ex`)",
        )
    source = program.state_dict if slot.source in program.state_dict else program.constants
    value = source.get(slot.source)
    if not isinstance(value, torch.Tensor):
        raise UnsupportedError(f"'{slot.source}' is a {type(value).__name__}, not a tensor")
    return torch.view_as_real(value.resolve_conj()) if value.dtype.is_complex else value


def find_aliases(program: ExportedProgram, signature: Signature) -> dict[str, str]:
    """Placeholder -> the first placeholder that holds the same memory in the same way (tied weights)."""
    first: dict[Any, str] = {}
    aliases: dict[str, str] = {}
    for slot in signature.having(Role.PARAMETER):
        tensor = tensor_of(program, slot)
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and first.setdefault(key, slot.node) != slot.node:
            aliases[slot.node] = first[key]
    return aliases


def collect_parameters(program: ExportedProgram, slots: list[Slot]) -> ParameterStore:
    """The parameters of these slots by name."""
    store = ParameterStore()
    for slot in slots:
        store.add(slot.name, to_numpy(tensor_of(program, slot), f"parameter '{slot.name}'"))
    return store
