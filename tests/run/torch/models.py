"""A small zoo: one module for each kind of model, with awkward sizes, whose free sizes can be told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

FREE = torch.export.Dim.DYNAMIC


@dataclass(frozen=True)
class Case:
    """A module; examples of its arguments for sizes a and b; which dimensions are a or b."""

    module: Callable[[], nn.Module]
    arguments: Callable[[int, int], tuple[Any, ...]]
    free: tuple[dict[int, Any], ...]


class InstanceNormUNet(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Down, up, skip connection; instance norm reduces over a batch folded into the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(1, 5, 3, padding=1)
        self.deep = nn.Conv2d(5, 7, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(7, 5, 2, stride=2)
        self.last = nn.Conv2d(10, 3, 1)
        self.norm = nn.InstanceNorm2d(5, affine=True)

    def forward(self, x: Any) -> Any:
        skip = functional.leaky_relu(self.norm(self.down(x)), 0.1)
        return self.last(torch.cat([skip, self.up(functional.relu(self.deep(skip)))], 1))


class SqueezeExcite(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Depthwise convolution, batch norm, and a gate computed from the mean of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(7, 7, 3, stride=2, padding=1, groups=7, bias=False)
        self.norm = nn.BatchNorm2d(7)
        self.shrink, self.grow = nn.Conv2d(7, 3, 1), nn.Conv2d(3, 7, 1)

    def forward(self, x: Any) -> Any:
        y = functional.hardswish(self.norm(self.depthwise(x)))
        gate = functional.adaptive_avg_pool2d(y, 1)
        return y * torch.sigmoid(self.grow(functional.relu(self.shrink(gate))))


class Recurrent(nn.Module):  # type: ignore[misc]  # torch has no types here
    """An LSTM under a bidirectional GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 7, batch_first=True)
        self.gru = nn.GRU(7, 3, batch_first=True, bidirectional=True)

    def forward(self, x: Any) -> Any:
        return self.gru(self.lstm(x)[0])[0]


class CausalAttention(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Embedding, attention over the past with a table of positions, and logits by the embedding's own weight."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(31, 24), nn.Embedding(41, 24)
        self.norm, self.qkv, self.out = nn.LayerNorm(24), nn.Linear(24, 72), nn.Linear(24, 24)

    def forward(self, ids: Any) -> Any:
        batch, length = ids.shape
        x = self.tokens(ids) + self.positions(torch.arange(length))
        q, k, v = (t.view(batch, length, 3, 8).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, length, 24))
        return functional.linear(x, self.tokens.weight)


class MessagePassing(nn.Module):  # type: ignore[misc]  # torch has no types here
    """One graph layer: gather along edges, sum at their ends, normalise by degree."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(5, 11), nn.Linear(5, 11, bias=False)

    def forward(self, nodes: Any, edges: Any) -> Any:
        source, target = edges[0], edges[1]
        summed = torch.zeros_like(nodes).index_add(0, target, nodes[source])
        degree = torch.zeros(nodes.shape[0]).index_add(0, target, torch.ones(target.shape[0]))
        return functional.elu(self.own(nodes) + self.other(summed / degree.clamp(min=1)[:, None]))


class Recommender(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Bags of embeddings, their pairwise products, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(23, 7, mode="sum")
        self.dense, self.top = nn.Linear(5, 7), nn.Linear(8, 1)

    def forward(self, features: Any, ids: Any) -> Any:
        dense, bag = functional.relu(self.dense(features)), self.bag(ids)
        product = torch.bmm(dense[:, None], bag[:, :, None]).flatten(1)
        return torch.sigmoid(self.top(torch.cat([dense, product], 1)))


def _graph(nodes: int, edges: int) -> tuple[Any, ...]:
    return torch.randn(nodes, 5), torch.randint(0, nodes, (2, edges))


CASES = {
    "instance-norm-unet": Case(InstanceNormUNet, lambda a, b: (torch.randn(a, 1, 2 * b, 6),), ({0: FREE},)),
    "squeeze-excite": Case(SqueezeExcite, lambda a, _: (torch.randn(a, 7, 11, 13),), ({0: FREE},)),
    "recurrent": Case(Recurrent, lambda a, _: (torch.randn(a, 3, 5),), ({0: FREE},)),
    "causal-attention": Case(CausalAttention, lambda a, b: (torch.randint(0, 31, (a, b)),), ({0: FREE, 1: FREE},)),
    "message-passing": Case(MessagePassing, _graph, ({0: FREE}, {1: FREE})),
    "recommender": Case(
        Recommender, lambda a, b: (torch.randn(a, 5), torch.randint(0, 23, (a, 3))), ({0: FREE}, {0: FREE})
    ),
}
