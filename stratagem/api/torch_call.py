"""Calls a compiled PyTorch model as PyTorch would: containers, buffers it changes, arguments it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from stratagem.compiler.frontends.torch import TorchModel
from stratagem.compiler.frontends.torch_parameters import DTYPES, Array, to_numpy, to_torch
from stratagem.compiler.frontends.torch_signature import Role, Slot, flatten_call
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import RuntimeInputError
from stratagem.runtime.signature import TensorSpec

Execute = Callable[[Sequence[Array]], Sequence[Array]]


class _InferenceOnly(torch.autograd.Function):  # type: ignore[misc]  # torch has no types here
    """Marks outputs as depending on parameters, and says on the way back what is missing."""

    @staticmethod
    def forward(context: Any, anchor: torch.Tensor, *outputs: torch.Tensor) -> Any:
        return tuple(output.view_as(output) for output in outputs)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> Any:
        raise RuntimeError(
            "Stratagem compiled this model for inference, without gradients.\n"
            "  hint: call it under torch.no_grad(), or compile a function that computes them"
        )


@dataclass
class TorchCall:
    """One compiled model for one pattern of arguments.

    `execute` runs the program on arrays; `module` is where its buffers live, None when it has none.
    """

    model: TorchModel
    execute: Execute
    module: nn.Module | None = None

    def __post_init__(self) -> None:
        specs = {spec.name: spec for spec in signature_of(self.model.program.module).inputs}
        self._specs: Mapping[str, TensorSpec] = specs
        buffers = {slot.source for slot in self.model.signature.having(Role.STATE)}
        self._state = [s for s in self.model.signature.outputs if s.role is Role.STATE and s.source in buffers]
        self._changed = [s for s in self.model.signature.outputs if s.role is Role.STATE and s.source not in buffers]

    def leaves(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any] | None:
        """The call's values in order, None when its containers are not those of the example."""
        try:
            return flatten_call(self.model.signature.in_tree, args, kwargs)
        except ValueError:
            return None

    def accepts(self, leaves: Sequence[Any]) -> bool:
        """Whether this compilation serves these values: same fixed values, dtypes, and sizes where they
        are fixed."""
        slots = self._user_slots()
        return len(slots) == len(leaves) and all(map(self._fits, slots, leaves))

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """Runs the program; writes changed buffers and arguments back, and returns what the model returns."""
        given = zip(self._user_slots(), leaves, strict=True)
        arrays = [to_array(self._as_real(s, v)) for s, v in given if s.role is Role.INPUT]
        arrays += [to_numpy(self._buffer(slot)) for slot in self.model.signature.having(Role.STATE)]
        with torch.no_grad():
            results = [to_torch(np.asarray(a)) for a in self.execute(arrays)]
        results = [self._as_complex(s, r) for s, r in zip(self._result_slots(), results, strict=True)]
        outputs = iter(results)  # the user's tensors, then state, as `torch_arguments` orders them
        user = [s.value if s.role is Role.FIXED else next(outputs) for s in self._user_outputs()]
        by_name = dict(zip((s.name for s in self._state_results()), outputs, strict=True))
        self._write_back(by_name, leaves)
        user = _without_gradients(user, leaves, self.module)
        tree = self.model.signature.out_tree
        return tree.unflatten(user) if tree is not None else tuple(user)

    def _user_slots(self) -> list[Slot]:
        return [s for s in self.model.signature.inputs if s.role in (Role.INPUT, Role.FIXED)]

    def _user_outputs(self) -> list[Slot]:
        return [s for s in self.model.signature.outputs if s.role is not Role.STATE]

    def _state_results(self) -> list[Slot]:
        return [s for s in self.model.signature.outputs if s.role is Role.STATE]

    def _result_slots(self) -> list[Slot]:
        """What the program gives, in order: the user's tensors, then state."""
        return [s for s in self._user_outputs() if s.role is not Role.FIXED] + self._state_results()

    def _as_real(self, slot: Slot, value: Any) -> Any:
        """A complex input with its parts in a last dimension."""
        return torch.view_as_real(value.resolve_conj()) if slot.name in self.model.complex_names else value

    def _as_complex(self, slot: Slot, result: torch.Tensor) -> torch.Tensor:
        return torch.view_as_complex(result) if slot.name in self.model.complex_names else result

    def _fits(self, slot: Slot, value: Any) -> bool:
        if slot.role is Role.FIXED:
            return type(value) is type(slot.value) and bool(value == slot.value)
        if isinstance(value, torch.Tensor) and value.dtype.is_complex != (slot.name in self.model.complex_names):
            return False
        value = self._as_real(slot, value)
        spec = self._specs[slot.name]
        if not isinstance(value, torch.Tensor):
            return isinstance(value, int) and not spec.shape
        same_shape = len(value.shape) == len(spec.shape) and all(
            want in (None, have) for want, have in zip(spec.shape, value.shape, strict=True)
        )
        return same_shape and DTYPES.get(value.dtype) == spec.numpy_dtype

    def _buffer(self, slot: Slot) -> torch.Tensor:
        if self.module is None:
            return to_torch(self.model.state[slot.name])
        owner, _, name = slot.source.rpartition(".")
        buffer: torch.Tensor = getattr(self.module.get_submodule(owner), name)
        return buffer

    def _write_back(self, results: Mapping[str, torch.Tensor], leaves: Sequence[Any]) -> None:
        with torch.no_grad():
            for slot in self._state if self.module is not None else ():
                self._buffer(slot).copy_(results[slot.name])
            places = {slot.node: value for slot, value in zip(self._user_slots(), leaves, strict=True)}
            for slot in self._changed:
                places[slot.source].copy_(results[slot.name])


def to_array(value: Any) -> Array:
    """A tensor, or a whole number that is an input, as an array; raises RuntimeInputError for others."""
    if isinstance(value, torch.Tensor):
        return to_numpy(value)
    if isinstance(value, int):
        return np.asarray(value, np.int64)
    raise RuntimeInputError(f"an input is a {type(value).__name__}", hint="pass torch tensors")


def _without_gradients(outputs: list[Any], leaves: Sequence[Any], module: nn.Module | None) -> list[Any]:
    """Outputs that refuse `backward` with a reason, where eager PyTorch would have given gradients."""
    if not torch.is_grad_enabled():
        return outputs
    tensors = [v for v in leaves if isinstance(v, torch.Tensor)]
    tensors += list(module.parameters()) if module is not None else []
    anchor = next((t for t in tensors if t.requires_grad), None)
    floating = [i for i, v in enumerate(outputs) if isinstance(v, torch.Tensor) and v.is_floating_point()]
    if anchor is None or not floating:
        return outputs
    marked = _InferenceOnly.apply(anchor, *(outputs[i] for i in floating))
    result = list(outputs)
    for i, value in zip(floating, marked, strict=True):
        result[i] = value
    return result


def compile_call(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], dynamic_shapes: Any, prepare: Any
) -> TorchCall:
    """Captures `function` for these arguments and prepares it; raises what `import_torch` raises."""
    from stratagem.compiler.frontends.torch import import_torch
    from stratagem.compiler.frontends.torch_capture import as_module

    module = as_module(function)
    model = import_torch(module, tuple(args), dynamic_shapes, kwargs=kwargs)
    return TorchCall(model, prepare(model.program), module)
