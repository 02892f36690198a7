"""Networks to measure, from their papers, with random weights."""

from __future__ import annotations

import torch
from torch import nn


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the image's extent but for its stride, and its normalisation."""
    return [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)]


class Residual(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Layers whose result is added to their input; where shapes differ, to its projection."""

    def __init__(self, inputs: int, outputs: int, stride: int, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        same = inputs == outputs and stride == 1
        self.skip = nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layers(x) + self.skip(x))


def basic(inputs: int, width: int, stride: int) -> Residual:
    """Two 3 x 3 convolutions."""
    layers = [*convolution(inputs, width, 3, stride), nn.ReLU(), *convolution(width, width, 3)]
    return Residual(inputs, width, stride, layers)


def bottleneck(inputs: int, width: int, stride: int) -> Residual:
    """1 x 1, 3 x 3 and 1 x 1 convolutions; the last one is four times as wide."""
    layers = [*convolution(inputs, width, 1), nn.ReLU(), *convolution(width, width, 3, stride), nn.ReLU()]
    return Residual(inputs, 4 * width, stride, [*layers, *convolution(width, 4 * width, 1)])


def resnet(depth: int) -> nn.Module:
    """ResNet-18 or -50 for images of 224 x 224 (He et al., arXiv:1512.03385, with the stride in the 3 x 3 layers)."""
    make, counts, growth = {18: (basic, (2, 2, 2, 2), 1), 50: (bottleneck, (3, 4, 6, 3), 4)}[depth]
    layers = [*convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        for i in range(count):
            layers.append(make(channels, width, 2 if stage and i == 0 else 1))
            channels = width * growth
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)).eval()


class EncoderLayer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Attention and a feed-forward network, each added to its input and normalised after it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        parts = (project(x) for project in (self.query, self.key, self.value))
        heads = [part.view(batch, length, self.heads, -1).transpose(1, 2) for part in parts]
        mixed = nn.functional.scaled_dot_product_attention(*heads)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return self.norm2(x + self.feed(x))


class Bert(nn.Module):  # type: ignore[misc]  # torch has no types here
    """The encoder of BERT-base: 12 layers of width 768 (Devlin et al., arXiv:1810.04805)."""

    def __init__(self, layers: int = 12, width: int = 768, heads: int = 12, words: int = 30522) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.layers = nn.Sequential(*(EncoderLayer(width, heads) for _ in range(layers)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = self.places(torch.arange(tokens.shape[1]))
        result: torch.Tensor = self.layers(self.norm(self.words(tokens) + places))
        return result
