"""Complex tensors are pairs of real ones in the program; their inputs and outputs have a last dimension of 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from stratagem.compiler.frontends.torch import import_torch, load_torch
from stratagem.compiler.frontends.torch_complex_rules import LIMIT
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import UnsupportedError

Function = Callable[..., Any]
X = torch.randn(3, 7, generator=torch.Generator().manual_seed(1))
Z = torch.complex(X, X.flip(0))


def real(value: Any) -> Any:
    return torch.view_as_real(value.resolve_conj()) if value.dtype.is_complex else value


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.fft.rfft(x),
        lambda x: torch.fft.rfft(x, n=4, norm="ortho"),
        lambda x: torch.fft.fft2(x).abs(),
        lambda x: torch.fft.irfft(x, n=11),
        lambda x: torch.fft.hfft(x),
        lambda x: torch.fft.ifftn(torch.polar(x.abs(), x)),
        lambda x: torch.view_as_real(torch.complex(x, x) * (2 - 1j) + 1) / 3,
        lambda z: (z @ z.mH).angle() if z.is_complex() else z,
        lambda z: torch.cat([z, z.real, z.conj()]) / (z.sum() + 2),
    ],
)
@pytest.mark.parametrize("value", [X, Z])
def test_programs_have_real_and_imaginary_parts(function: Function, value: Any) -> None:
    try:
        wanted = function(value)
    except RuntimeError:
        pytest.skip("PyTorch has no such transform of complex numbers")
    model = import_torch(function, (value,))
    found = emulate(model.program, [real(value).numpy()])[0]
    np.testing.assert_allclose(found, real(wanted).numpy(), 1e-4, 1e-4)
    assert bool(model.complex_names) == (value.is_complex() or wanted.is_complex())


def test_a_transform_beyond_the_limit_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="has dtype complex64"):
        load_torch(lambda x: torch.fft.fft(x).real, (torch.zeros(LIMIT + 1),))


def test_an_operator_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"aten\.tan\.default has dtype complex64"):
        load_torch(lambda z: torch.tan(z), (Z,))
