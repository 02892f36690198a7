"""Artifacts run from C, on this machine and, cross-compiled, on others under qemu-user, or their code alone under
unicorn: real models and inputs, every output within the rounding bound that follows from the IR."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the models are torch modules: pip install 'stratagem[torch]'")

import torch

import stratagem as sg
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore
from tests.run.cpu.crossing import TARGETS, Array, Loader, Runner, build_loader
from tests.test_tiny import LAYER, B, W, floats

FOREIGN = [name for name in TARGETS if name != platform.machine()]


@pytest.fixture(scope="module", params=TARGETS)
def loader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return build_loader(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def example(loader: Runner) -> Loader:
    """The C example itself."""
    return loader if isinstance(loader, Loader) else pytest.skip(loader.reason)


class Network(torch.nn.Module):  # type: ignore[misc]
    """Convolution, matmul, layer norm, softmax, and functions that processors have no instruction for."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.wide, self.norm = torch.nn.Linear(8 * 7 * 5, 33), torch.nn.LayerNorm(33)
        self.head = torch.nn.Linear(33, 17)

    def forward(self, x: Any) -> Any:
        h = torch.relu(self.convolution(x)).flatten(1)
        h = self.norm(torch.nn.functional.gelu(self.wide(h)))
        return torch.softmax(self.head(h), -1), torch.sin(h), torch.exp(h).sum(-1)


def narrow(x: Any, w: Any) -> Any:
    return torch.softmax(x @ w, -1) * torch.tanh(x[:, :1])


def integers(x: Any, w: Any) -> Any:
    return x.to(torch.int32) @ w.to(torch.int32), x.to(torch.float32) / 7


def compiled_for(loader: Runner, model: Any, inputs: Sequence[Any], **options: Any) -> sg.CompiledModel:
    with torch.no_grad():
        return sg.compile(model, tuple(inputs), target=loader.target, **options)


def results(loader: Runner, compiled: sg.CompiledModel, arrays: Sequence[Array], folder: Path) -> list[Array]:
    named = {spec.name: a for spec, a in zip(compiled.signature.inputs, arrays, strict=True)}
    return loader.run(compiled.save(folder / "model.sgm"), compiled.signature, named, folder)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_network(loader: Runner, rows: int, tmp_path: Path) -> None:
    """Compiled for a free number of rows; the same numbers as on this machine, and within the bound."""
    torch.manual_seed(0)
    module, traced, x = Network().eval(), torch.randn(2, 3, 7, 5), torch.randn(rows, 3, 7, 5)
    free = ({0: torch.export.Dim.DYNAMIC},)
    compiled = compiled_for(loader, module, [traced], dynamic_shapes=free)
    got = results(loader, compiled, [x.numpy()], tmp_path)
    tensor = Program(parse_module(compiled.ir("tensor")), compiled.compilation.parameters)
    bounded = reference_with_bound(tensor, {compiled.signature.inputs[0].name: x.numpy()})
    native = sg.compile(module, (traced,), dynamic_shapes=free)(x)
    for actual, (value, bound), here in zip(got, bounded, native, strict=True):
        assert compare(actual, value, bound), compare(actual, value, bound)
        np.testing.assert_allclose(actual, here.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "steps"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_narrow_floats(loader: Runner, dtype: str, steps: float, tmp_path: Path) -> None:
    rng, kind = torch.Generator().manual_seed(1), getattr(torch, dtype)
    x, w = (torch.randn(*shape, generator=rng).to(kind) for shape in ((5, 13), (13, 7)))
    compiled = compiled_for(loader, narrow, [x, w])
    arrays = [a.float().numpy().astype(s.numpy_dtype) for a, s in zip((x, w), compiled.signature.inputs, strict=True)]
    (got,) = results(loader, compiled, arrays, tmp_path)
    assert got.shape == (5, 7)
    np.testing.assert_allclose(got.astype(np.float64), narrow(x.double(), w.double()), rtol=8 * steps, atol=steps)


def test_integers(loader: Runner, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(2)
    x, w = (torch.randint(-128, 128, shape, dtype=torch.int8, generator=rng) for shape in ((3, 17), (17, 5)))
    product, scaled = results(loader, compiled_for(loader, integers, [x, w]), [x.numpy(), w.numpy()], tmp_path)
    expected = integers(x, w)
    assert product.dtype == np.int32 and (product == expected[0].numpy()).all()
    np.testing.assert_allclose(scaled, expected[1].numpy(), rtol=1e-6)


def layer_for(target: str, folder: Path) -> Path:
    program = Program(parse_module(LAYER), ParameterStore({"w": W, "b": B}))
    return sg.compile(program, target=target).save(folder / "layer.sgm")


def test_what_the_loader_refuses(example: Loader, tmp_path: Path) -> None:
    artifact = layer_for(example.target, tmp_path)
    floats(5, 13).tofile(tmp_path / "x.in")
    for arguments, code, reason in (
        (["x=5,14:" + str(tmp_path / "x.in")], 1, "does not hold the 280 bytes"),
        (["x=65:" + str(tmp_path / "x.in")], 1, "'x' has rank 1, the program takes rank 2"),
        (["x=13,5:" + str(tmp_path / "x.in")], 1, "'x' has size 5 in dimension 1, the program takes 13"),
        (["x=5,13"], 2, "write it as x=3,64:file.bin"),
        (["x=5,13:none.in"], 1, "cannot read none.in"),
    ):
        done = example.start(artifact, *arguments)
        assert (done.returncode, done.stdout) == (code, "") and reason in done.stderr, done.stderr
    assert example.start(tmp_path / "none.sgm").returncode == 1


def test_code_of_another_architecture_is_refused_from_c(example: Loader, tmp_path: Path) -> None:
    other = next(name for name in TARGETS if name != example.architecture)
    artifact = foreign_artifact(other, tmp_path)
    done = example.start(artifact)
    assert done.returncode == 1 and f"machine code is for {other}" in done.stderr


@pytest.mark.parametrize("architecture", FOREIGN)
def test_code_of_another_architecture_is_refused_here(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its levels run all the same: the reference interpreter knows no architecture."""
    from stratagem.cli.main import run

    artifact = str(foreign_artifact(architecture, tmp_path))
    assert run(["run", artifact]) == 8
    said = capsys.readouterr().err
    assert f"machine code is for {architecture}, this machine is {platform.machine()}" in said and "qemu-" in said
    assert run(["run", artifact, "--level", "device"]) == 0


def foreign_artifact(architecture: str, folder: Path) -> Path:
    """A layer's artifact for another architecture; a skip where its linker is missing."""
    from stratagem.runtime.errors import ResourceError

    try:
        return layer_for(TARGETS[architecture], folder)
    except ResourceError as error:
        pytest.skip(str(error))
