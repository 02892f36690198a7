"""PyTorch's eager mode on a program saved by `torch.export`; networks of convolutions also with channels last."""

from __future__ import annotations

from typing import Any

from stratagem.api.peers.base import Array, Loaded, Peer, Task

PEER = Peer(
    "torch",
    "torch_eager",
    {"torch": "torch"},
    ".pt2",
    ("contiguous", "channels-last"),
    suits=lambda variant, convolutional, parameters: convolutional or variant == "contiguous",
)


def open_module(task: Task) -> Any:
    """The exported program as a module that takes its tensors one by one, without checks around it."""
    import torch

    torch.set_num_threads(task.threads)
    module = torch.export.load(str(task.files[".pt2"])).module(check_guards=False)
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    module.recompile()
    return module


def results(value: Any) -> list[Array]:
    """The tensors of any structure of results as arrays."""
    import torch

    return [leaf.detach().numpy() for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def load(task: Task) -> Loaded:
    import torch

    from stratagem.api.tensors import from_numpy

    module, tensors = open_module(task), from_numpy("torch", list(task.inputs.values()))
    if task.variant == "channels-last":
        module = module.to(memory_format=torch.channels_last)
        tensors = [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def call() -> Any:
        return module(*tensors)

    return Loaded(call, results)
