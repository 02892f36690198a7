"""Converting `.pt2` files for peers: parameters of StableHLO lie as JAX programs have them, and results stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stratagem.api.measure.subject import read_arrays
from stratagem.api.peers import PEERS, convert, xla
from stratagem.api.peers.base import Task
from stratagem.runtime.errors import UsageError


class Net(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """A convolution in groups, a product with a weight, and one whose weight is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(4, 6, (3, 5), padding=(1, 0), groups=2)
        self.linear, self.shared = torch.nn.Linear(6, 7), torch.nn.Parameter(torch.randn(7, 7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(self.conv(x).mean((2, 3)))
        return y @ self.shared.T + y @ self.shared


def converted(module: Any, inputs: tuple[torch.Tensor, ...], folder: Path) -> tuple[Path, list[Any]]:
    exported = torch.export.export(module.eval(), inputs)
    torch.export.save(exported, folder / "net.pt2")
    convert.main(folder / "net.pt2", folder / "net.mlir")
    weights = read_arrays(folder / f"net{convert.WEIGHTS}")
    return folder / "net.mlir", [array.shape for array in weights.values()]


def test_parameters_are_laid_out_and_results_stay(tmp_path: Path) -> None:
    x = torch.randn(1, 4, 7, 11)
    module = Net()
    path, shapes = converted(module, (x,), tmp_path)
    assert (3, 5, 2, 6) in shapes and (6, 7) in shapes and (7, 7) in shapes
    loaded = xla.load(Task({".mlir": path}, {"x": x.numpy()}, 1, "default", tmp_path))
    (found,) = loaded.fetch(loaded.call())
    assert np.allclose(found, module(x).detach().numpy(), atol=1e-5)


def test_a_program_without_parameters_has_none(tmp_path: Path) -> None:
    path, shapes = converted(torch.nn.Tanh(), (torch.randn(3),), tmp_path)
    assert shapes == [] and path.exists()


def test_there_is_not_a_way_between_all_formats(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.onnx files are not converted to \.mlir"):
        convert.main(tmp_path / "net.onnx", tmp_path / "net.mlir")
    assert convert.reachable(".onnx") == {".onnx"} and convert.reachable(".pt2") == {".pt2", ".onnx", ".mlir"}


def test_a_conversion_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"no archive")
    files, failed = convert.files_for(tmp_path / "net.pt2", [".onnx"], tmp_path)
    assert files == {".pt2": tmp_path / "net.pt2"} and failed[".onnx"].startswith("no .onnx of net.pt2: ")


def test_every_peer_reads_a_format_that_can_be_had() -> None:
    assert all(peer.format in convert.reachable(".pt2") for peer in PEERS.values())
