"""A perceptron goes down to every device of the library, and means the same at every level."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.backends.cpu.linker import find_c_compiler
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import list_models, load_device
from stratagem.runtime.errors import ResourceError

torch = pytest.importorskip("torch", reason="the models are torch modules: pip install 'stratagem[torch]'")

NAMES = [model.name for model in list_models() if model.type == "device" and not model.name.startswith("generic-")]


def links_here(name: str) -> bool:
    """Whether there is a linker for the device's code, where that is for a host of another architecture."""
    triple = str(load_device(name).target.get("triple", ""))
    try:
        find_c_compiler(triple.partition("-")[0] or platform.machine())
    except ResourceError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_level_agrees(name: str) -> None:
    if load_device(name).backend == "gpu":
        pytest.importorskip("triton", reason="compiling for GPUs needs Triton: pip install 'stratagem[gpu]'")
    torch.manual_seed(0)
    module, x = (
        torch.nn.Sequential(torch.nn.Linear(33, 65), torch.nn.ReLU(), torch.nn.Linear(65, 7)),
        torch.randn(5, 33),
    )
    with torch.no_grad():
        compiled = sg.compile(module, (x,), target=name, until=None if links_here(name) else "physical")
        expected = module(x).numpy()
    argument, store = compiled.signature.inputs[0].name, compiled.compilation.parameters
    for level in compiled.levels:
        (value,) = reference(Program(parse_module(compiled.ir(level)), store), {argument: x.numpy()})
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4, err_msg=level)
    counts = compiled.report.counts()
    assert counts.get("proved for all sizes", 0) >= 10
    assert "refuted" not in counts
