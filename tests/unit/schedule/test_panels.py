"""Right sides of products are stored in panels where that helps, and nothing changes but the layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.arguments import parameter_arguments
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.levels.device import check_device_level
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.form_kernels import FormKernels
from stratagem.compiler.passes.match_functions import MatchFunctions
from stratagem.compiler.passes.pack_weights import PackWeights
from stratagem.compiler.passes.tile_kernels import TileKernels
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_machine
from stratagem.runtime.parameters import ParameterStore

Array = np.ndarray[Any, Any]
PRODUCT = """
func.func @main(%x: tensor<?x{k}xf32> {{model.input = "x"}}, %r: tensor<?x{n}xf32> {{model.input = "r"}},
                %w: tensor<{k}x{n}xf32> {{model.param = "w"}}) -> (tensor<?x{n}xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %m = tensor.dim %x, %c0 : tensor<?x{k}xf32>
  %e = tensor.empty(%m) : tensor<?x{n}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<?x{n}xf32>) -> tensor<?x{n}xf32>
  %p = linalg.matmul ins(%x, %w : tensor<?x{k}xf32>, tensor<{k}x{n}xf32>) outs(%i : tensor<?x{n}xf32>)
    -> tensor<?x{n}xf32>
  {rest}
  return %y : tensor<?x{n}xf32>
}}"""
RESIDUAL = "%y = linalg.add ins(%p, %r : tensor<?x{n}xf32>, tensor<?x{n}xf32>) outs(%e : tensor<?x{n}xf32>)\n"
RESIDUAL += "    -> tensor<?x{n}xf32>"
ALONE = "%y = tensor.cast %p : tensor<?x{n}xf32> to tensor<?x{n}xf32>"
READ_TWICE = """%s = tensor.extract_slice %w[0, 0] [1, {n}] [1, 1] : tensor<{k}x{n}xf32> to tensor<{n}xf32>
  %b = linalg.broadcast ins(%s : tensor<{n}xf32>) outs(%e : tensor<?x{n}xf32>) dimensions = [0]
  %y = linalg.add ins(%p, %b : tensor<?x{n}xf32>, tensor<?x{n}xf32>) outs(%e : tensor<?x{n}xf32>)
    -> tensor<?x{n}xf32>"""


def program(k: int, n: int, rest: str = RESIDUAL) -> Program:
    text = PRODUCT.format(rest=rest.format(k=k, n=n), k=k, n=n)
    w = np.random.default_rng(0).standard_normal((k, n)).astype(np.float32)
    return Program(parse_module(text), ParameterStore({"w": w}))


def packed(given: Program, target: str = "generic-avx512") -> list[str]:
    """Takes the program through kernels, packing and tiling; the names of its parameters."""
    machine = load_machine(target)
    for one in (FormKernels(), MatchFunctions(), PackWeights(), TileKernels()):
        one.apply(given, PassContext(machine))
        given.module.operation.verify()
    check_device_level(given.module, machine)
    return list(parameter_arguments(find_function(given.module, "main")))


@pytest.mark.parametrize("rows", [1, 7, 33])
@pytest.mark.parametrize(("k", "n", "rest"), [(97, 128, RESIDUAL), (1031, 96, RESIDUAL), (97, 128, ALONE)])
def test_the_meaning_stays(k: int, n: int, rest: str, rows: int) -> None:
    random = np.random.default_rng(rows)
    inputs = {name: random.standard_normal((rows, d)).astype(np.float32) for name, d in (("x", k), ("r", n))}
    (wanted,) = reference(program(k, n, rest), inputs)
    given = program(k, n, rest)
    assert packed(given) == ["w.panels"]
    np.testing.assert_allclose(reference(given, inputs)[0], wanted, rtol=1e-12)


def test_a_panel_is_one_stretch_of_memory() -> None:
    given, matrix = program(97, 128), program(97, 128).parameters["w"]
    packed(given)
    panels = given.parameters["w.panels"]
    assert panels.shape == (2, 97, 64) and panels.flags.c_contiguous
    for i in range(2):
        np.testing.assert_array_equal(panels[i], matrix[:, 64 * i : 64 * i + 64])
    np.testing.assert_array_equal(given.parameters["w"], matrix)
    assert given.parameters.nbytes == matrix.nbytes


@pytest.mark.parametrize(
    ("k", "n", "rest"),
    [
        (97, 127, RESIDUAL),  # no whole number of panels
        (1031, 64, RESIDUAL),  # one panel as it is
        (31, 64, RESIDUAL),  # fits the innermost memory
        (97, 128, READ_TWICE),
    ],
)
def test_other_weights_stay_as_they_are(k: int, n: int, rest: str) -> None:
    assert packed(program(k, n, rest)) == ["w"]


@pytest.mark.parametrize("target", ["h100", "upmem-rank"])
def test_devices_whose_kernels_read_no_panels_get_none(target: str) -> None:
    assert packed(program(97, 128), target) == ["w"]


FILTERED = """
func.func @main(%x: tensor<1x9x7x40xf32> {{model.input = "x"}}, %w: tensor<{f}x40x3x3xf32> {{model.param = "w"}})
    -> (tensor<1x11x6x{f}xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x7x5x{f}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x7x5x{f}xf32>) -> tensor<1x7x5x{f}xf32>
  %c = linalg.generic {{indexing_maps = [affine_map<(n, f, h, w, c, p, q) -> (n, h + p, w + q, c)>,
      affine_map<(n, f, h, w, c, p, q) -> (f, c, p, q)>, affine_map<(n, f, h, w, c, p, q) -> (n, h, w, f)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}}
      ins(%x, %w : tensor<1x9x7x40xf32>, tensor<{f}x40x3x3xf32>) outs(%i : tensor<1x7x5x{f}xf32>) {{
  ^bb0(%a: f32, %b: f32, %s: f32):
    %m = arith.mulf %a, %b : f32
    %t = arith.addf %s, %m : f32
    linalg.yield %t : f32
  }} -> tensor<1x7x5x{f}xf32>
  %y = tensor.pad %c low[0, 3, 0, 0] high[0, 1, 1, 0] {{
  ^bb0(%j: index, %k: index, %l: index, %o: index):
    tensor.yield %zero : f32
  }} : tensor<1x7x5x{f}xf32> to tensor<1x11x6x{f}xf32>
  return %y : tensor<1x11x6x{f}xf32>
}}"""


@pytest.mark.parametrize(
    ("features", "name"), [(128, "w.window-first.panels"), (64, "w.window-first"), (48, "w.window-first")]
)
def test_filters_are_stored_in_panels(features: int, name: str) -> None:
    """Of whole panels only, if more than one; in a kernel that writes a frame, too. The level above reads its own order
    of dimensions."""
    text = FILTERED.format(f=features)
    w = np.random.default_rng(0).standard_normal((features, 40, 3, 3)).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((1, 9, 7, 40)).astype(np.float32)
    given = Program(parse_module(text), ParameterStore({"w": w}))
    assert packed(given) == [name]
    np.testing.assert_array_equal(given.parameters["w"], w)
    if features == 128:
        panels = given.parameters[name]
        assert panels.shape == (2, 3, 3, 40, 64) and given.parameters.nbytes == w.nbytes
        np.testing.assert_array_equal(panels[1, 2, 0, 5], w[64:, 5, 2, 0])
    (wanted,) = reference(Program(parse_module(text), ParameterStore({"w": w})), {"x": x})
    np.testing.assert_allclose(reference(given, {"x": x})[0], wanted, rtol=1e-12)
