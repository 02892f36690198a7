"""Image networks of torchvision, timm and MONAI."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from tests.conformance.models import Model, model
from tests.conformance.models.plain import FREE

_LIBRARIES: list[Any] = []


def torchvision() -> Any:
    """The package. Where its compiled operators do not fit the installed torch, their names are declared, so that the
    networks, which use none of them, can be imported.
    """
    if not _LIBRARIES:
        spec = find_spec("torchvision")
        folder = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in sorted(set(re.findall(r'"torchvision::(\w+)"', (folder / "_meta_registrations.py").read_text()))):
            library.define(f"{name}(Tensor x) -> Tensor")
        for name in sorted(_decorated(folder)):
            library.define(f"{name}(Tensor x) -> Tensor")
        _LIBRARIES.append(library)
    import torchvision

    return torchvision


def _decorated(folder: Path) -> set[str]:
    return set(re.findall(r'@register_meta\("(\w+)"\)', (folder / "_meta_registrations.py").read_text()))


def _image(size: int) -> tuple[Any, ...]:
    return (torch.randn(2, 3, size, size),)


def _torchvision(name: str, size: int, **options: Any) -> None:
    @model(name, "torchvision")
    def build() -> Model:
        return Model(getattr(torchvision().models, name)(weights=None, **options), _image(size), ({0: FREE},))


def _timm(name: str, size: int) -> None:
    @model(f"timm_{name}", "torchvision", "timm")
    def build() -> Model:
        torchvision()
        import timm

        return Model(timm.create_model(name, pretrained=False), _image(size), ({0: FREE},))


for _name in (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
):
    _torchvision(_name, 64)
_torchvision("vit_b_16", 224)
_torchvision("googlenet", 224, init_weights=False)
_timm("mobilenetv3_large_100", 96)
_timm("efficientformerv2_s0", 224)
_timm("mixer_s32_224", 224)


@model("unet_monai", "monai")
def unet() -> Model:
    from monai.networks.nets import BasicUNet

    network = BasicUNet(spatial_dims=2, in_channels=1, out_channels=2, features=(8, 8, 16, 16, 32, 8))
    return Model(network, (torch.randn(2, 1, 64, 64),), ({0: FREE},))
