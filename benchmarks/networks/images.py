"""Networks for images of 224 x 224."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.networks.language import PreNormLayer


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
    return settled(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)))


class Inverted(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Wide inside: 1 x 1, depthwise 3 x 3 and 1 x 1 convolutions, added to the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, growth: int) -> None:
        super().__init__()
        width = inputs * growth
        widen = [*convolution(inputs, width, 1), nn.ReLU6()] if growth > 1 else []
        each = [nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU6()]
        self.layers = nn.Sequential(*widen, *each, *convolution(width, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x)
        return x + result if self.adds else result


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 of width 1 (Sandler et al., arXiv:1801.04381, table 2)."""
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    layers, channels = [*convolution(3, 32, 3, 2), nn.ReLU6()], 32
    for growth, outputs, count, stride in stages:
        for i in range(count):
            layers.append(Inverted(channels, outputs, stride if i == 0 else 1, growth))
            channels = outputs
    layers += [*convolution(channels, 1280, 1), nn.ReLU6()]
    return settled(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)))


def settled(model: nn.Module) -> nn.Module:
    """The network for inference, with the statistics that its normalisations see: without these, activations fade away
    layer by layer, and a comparison of results says nothing."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches seen, here one
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.1)
    with torch.no_grad():
        model.train()(torch.randn(4, 3, 224, 224))
    return model.eval()


class VisionTransformer(nn.Module):  # type: ignore[misc]  # torch has no types here
    """ViT-B/16: 196 patches and a class token (Dosovitskiy et al., arXiv:2010.11929)."""

    def __init__(self, layers: int = 12, width: int = 768, heads: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, 197, width) * 0.02)
        self.layers = nn.Sequential(*(PreNormLayer(width, heads, 1e-6) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        patches = self.patches(image).flatten(2).transpose(1, 2)
        x = self.layers(torch.cat([self.token, patches], 1) + self.places)
        result: torch.Tensor = self.head(self.norm(x[:, 0]))
        return result
