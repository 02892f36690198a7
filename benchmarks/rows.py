"""What `make bench` measures: operators and networks in f32, batch 1 unless said, weights and inputs from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.networks.images import VisionTransformer, mobilenet_v2, resnet
from benchmarks.networks.language import Bert, Gpt2, LlamaBlock
from benchmarks.networks.operators import Attention, MatMul, MatVec
from benchmarks.networks.ranking import Dlrm

SEED = 7
Tensors = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        kind: as in `benchmarks.names`. make: the module. inputs: example tensors, which are also the ones measured.
        convolutional: as in `stratagem.api.peers.base.Task`.
    """

    name: str
    kind: str
    about: str
    make: Callable[[], nn.Module]
    inputs: Callable[[], Tensors]
    convolutional: bool = False

    def build(self) -> tuple[nn.Module, Tensors]:
        """Module and inputs, the same in every run."""
        torch.manual_seed(SEED)
        return self.make().eval(), self.inputs()


def normal(*shapes: Sequence[int]) -> Callable[[], Tensors]:
    return lambda: tuple(torch.randn(*shape) for shape in shapes)


def tokens(words: int, length: int) -> torch.Tensor:
    return torch.randint(0, words, (1, length))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(1024, 4096), nn.GELU(), nn.Linear(4096, 1024))


IMAGE = normal((1, 3, 224, 224))
HEADS = (1, 12, 512, 64)

CASES = [
    Case("gemm", "kernels", "1024^3, both operands inputs", MatMul, normal((1024, 1024), (1024, 1024))),
    Case("gemm-odd", "kernels", "1000 x 777 x 333, both operands inputs", MatMul, normal((1000, 333), (333, 777))),
    Case("linear", "kernels", "1024^3, constant weight", partial(nn.Linear, 1024, 1024), normal((1024, 1024))),
    Case("gemv", "kernels", "4096 x 4096, constant weight", partial(MatVec, 4096), normal((4096, 1))),
    Case("mlp", "kernels", "256 x 1024 -> 4096, GELU, -> 1024", mlp, normal((256, 1024))),
    Case("softmax", "kernels", "rows of 4096 x 4096", partial(nn.Softmax, -1), normal((4096, 4096))),
    Case("layernorm", "kernels", "rows of 4096 x 1024", partial(nn.LayerNorm, 1024), normal((4096, 1024))),
    Case("conv", "kernels", "3 x 3, 64 -> 64 channels, 56 x 56", partial(nn.Conv2d, 64, 64, 3, padding=1),
         normal((1, 64, 56, 56)), True),
    Case("depthwise", "kernels", "3 x 3, 144 channels, 56 x 56", partial(nn.Conv2d, 144, 144, 3, padding=1, groups=144),
         normal((1, 144, 56, 56)), True),
    Case("attention", "kernels", "12 heads, 512 tokens, width 64", Attention, normal(HEADS, HEADS, HEADS)),
    Case("resnet18", "models", "ResNet-18, 224 x 224", partial(resnet, 18), IMAGE, True),
    Case("resnet50", "models", "ResNet-50, 224 x 224", partial(resnet, 50), IMAGE, True),
    Case("mobilenetv2", "models", "MobileNetV2, 224 x 224", mobilenet_v2, IMAGE, True),
    Case("bert", "models", "BERT-base, 128 tokens", Bert, lambda: (tokens(30522, 128),)),
    Case("gpt2-prefill", "models", "GPT-2 small, 128 tokens", Gpt2, lambda: (tokens(50257, 128),)),
    Case("gpt2-decode", "models", "GPT-2 small, one token, cache of 512", partial(Gpt2, 512),
         lambda: (tokens(50257, 1), *(torch.randn(HEADS) for _ in range(24)))),
    Case("vit", "models", "ViT-B/16, 224 x 224", VisionTransformer, IMAGE),
    Case("dlrm", "models", "DLRM, batch 256, 26 tables of 50000 x 64, 10 rows each", Dlrm,
         lambda: (torch.rand(256, 13), torch.randint(0, 50000, (26, 256, 10)))),
    Case("gemv-memory", "memory", "8192 x 8192, constant weight", partial(MatVec, 8192), normal((8192, 1))),
    Case("softmax-memory", "memory", "rows of 8192 x 4096", partial(nn.Softmax, -1), normal((8192, 4096))),
    Case("layernorm-memory", "memory", "rows of 32768 x 1024", partial(nn.LayerNorm, 1024), normal((32768, 1024))),
    Case("llama-decode", "models", "a block of Llama-3.2-1B, one token, cache of 512", LlamaBlock,
         lambda: (torch.randn(1, 1, 2048), torch.tensor([512]), *normal((1, 8, 512, 64), (1, 8, 512, 64))())),
]  # fmt: skip
