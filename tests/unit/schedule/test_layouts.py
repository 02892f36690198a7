"""Channels last: which tensors follow, that the meaning stays, and that the numbers of the hardware decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch_mlir import ir

from stratagem.compiler.arguments import parameter_arguments
from stratagem.compiler.interpreter.api import equal_in_field
from stratagem.compiler.ir import find_function, parse_module, run_pipeline
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.propagate_layouts import PropagateLayouts
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.layout_cost import channels_last_pays
from stratagem.compiler.schedule.layouts import groups_of
from stratagem.compiler.schedule.machine import TileTarget, tile_target
from stratagem.compiler.schedule.permute import store_channels_last
from stratagem.hwmodels import load_device, load_machine
from stratagem.runtime.errors import PassError
from stratagem.runtime.parameters import ParameterStore

MAPS = """
#id = affine_map<(n, c, h, w) -> (n, c, h, w)>
#at = affine_map<(n, c, h, w) -> (n, c, 0, 0)>
#nc = affine_map<(n, c, h, w) -> (n, c)>
"""
KINDS = 'iterator_types = ["parallel", "parallel", "parallel", "parallel"]'


def conv(name: str, picture: str, kind: str, filters: str = "w", channels: int = 6, size: int = 5, k: int = 1) -> str:
    made = f"tensor<2x{channels}x{size}x{size}xf32>"
    weights = f"tensor<{channels}x{kind.split('x')[1]}x{k}x{k}xf32>"
    return f"""
  %{name}_e = tensor.empty() : {made}
  %{name}_f = linalg.fill ins(%zero : f32) outs(%{name}_e : {made}) -> {made}
  %{name} = linalg.conv_2d_nchw_fchw ins(%{picture}, %{filters} : tensor<{kind}>, {weights}) outs(%{name}_f : {made})
    -> {made}"""


def program(body: str, result: str, kind: str, filters: str = "6x3x1x1") -> Program:
    text = f"""{MAPS}
func.func @main(%x: tensor<2x3x5x5xf32> {{model.input = "x"}}, %w: tensor<{filters}xf32> {{model.param = "w"}})
    -> (tensor<{kind}xf32> {{model.output = "y"}}) {{
  %zero = arith.constant 0.0 : f32
  {body}
  return %{result} : tensor<{kind}xf32>
}}"""
    shape = [int(n) for n in filters.split("x")]
    return Program(parse_module(text), ParameterStore({"w": np.random.default_rng(0).random(shape, np.float32)}))


FIRST = conv("a", "x", "2x3x5x5xf32")
T = "tensor<2x6x5x5xf32>"
PROGRAMS = {
    "one": (FIRST, "a", "2x6x5x5"),
    "elementwise": (
        FIRST
        + f"""
  %b_e = tensor.empty() : tensor<2x6x1x1xf32>
  %m = linalg.fill ins(%zero : f32) outs(%b_e : tensor<2x6x1x1xf32>) -> tensor<2x6x1x1xf32>
  %y = linalg.generic {{indexing_maps = [#id, #at, #id], {KINDS}}}
      ins(%a, %m : {T}, tensor<2x6x1x1xf32>) outs(%a_e : {T}) {{
  ^bb0(%p: f32, %q: f32, %o: f32):
    %i = linalg.index 1 : index
    %j = arith.index_cast %i : index to i32
    %k = arith.sitofp %j : i32 to f32
    %s = arith.addf %p, %k : f32
    %t = arith.maximumf %s, %q : f32
    linalg.yield %t : f32
  }} -> {T}""",
        "y",
        "2x6x5x5",
    ),
    "moved": (
        FIRST
        + f"""
  %p = tensor.pad %a low[0, 1, 2, 0] high[0, 0, 1, 3] {{
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  }} : {T} to tensor<2x7x8x8xf32>
  %s = tensor.extract_slice %p[0, 1, 3, 0] [2, 6, 5, 4] [1, 1, 1, 2] : tensor<2x7x8x8xf32> to tensor<2x6x5x4xf32>
  %c = tensor.concat dim(1) %s, %s : (tensor<2x6x5x4xf32>, tensor<2x6x5x4xf32>) -> tensor<2x12x5x4xf32>
  %y = tensor.insert_slice %s into %c[0, 3, 0, 0] [2, 6, 5, 4] [1, 1, 1, 1]
      : tensor<2x6x5x4xf32> into tensor<2x12x5x4xf32>""",
        "y",
        "2x12x5x4",
    ),
    "reshaped": (
        FIRST
        + f"""
  %flat = tensor.collapse_shape %a [[0], [1], [2, 3]] : {T} into tensor<2x6x25xf32>
  %y = tensor.expand_shape %flat [[0], [1, 2], [3]] output_shape [2, 2, 3, 25]
      : tensor<2x6x25xf32> into tensor<2x2x3x25xf32>""",
        "y",
        "2x2x3x25",
    ),
    "torn": (
        FIRST + f"\n  %y = tensor.collapse_shape %a [[0], [1, 2, 3]] : {T} into tensor<2x150xf32>",
        "y",
        "2x150",
    ),
    "picked": (
        FIRST
        + f"""
  %y_e = tensor.empty() : tensor<2x6x10x10xf32>
  %two = arith.constant 2 : index
  %y = linalg.generic {{indexing_maps = [#id], {KINDS}}} outs(%y_e : tensor<2x6x10x10xf32>) {{
  ^bb0(%o: f32):
    %n = linalg.index 0 : index
    %c = linalg.index 1 : index
    %h = linalg.index 2 : index
    %w_ = linalg.index 3 : index
    %i = arith.divui %h, %two : index
    %j = arith.divui %w_, %two : index
    %v = tensor.extract %a[%n, %c, %i, %j] : {T}
    linalg.yield %v : f32
  }} -> tensor<2x6x10x10xf32>""",
        "y",
        "2x6x10x10",
    ),
    "reduced": (
        FIRST
        + f"""
  %y_e = tensor.empty() : tensor<2x6xf32>
  %y_f = linalg.fill ins(%zero : f32) outs(%y_e : tensor<2x6xf32>) -> tensor<2x6xf32>
  %y = linalg.generic {{indexing_maps = [#id, #nc],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}}
      ins(%a : {T}) outs(%y_f : tensor<2x6xf32>) {{
  ^bb0(%p: f32, %o: f32):
    %s = arith.addf %p, %o : f32
    linalg.yield %s : f32
  }} -> tensor<2x6xf32>""",
        "y",
        "2x6",
    ),
}


keep: list[Program] = []
"""Modules must outlive the values taken from them."""


def generalized(given: Program) -> Program:
    keep.append(given)
    run_pipeline(given.module, "builtin.module(func.func(linalg-generalize-named-ops),canonicalize,cse)")
    return given


def groups(given: Program) -> tuple[Any, list[Any]]:
    main = find_function(given.module, "main")
    block = main.regions[0].blocks[0]
    return block, groups_of(block, set(parameter_arguments(main).values()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_meaning_stays(name: str) -> None:
    before, after = program(*PROGRAMS[name]), generalized(program(*PROGRAMS[name]))
    with after.module.context, ir.Location.unknown():
        block, found = groups(after)
        assert len(found) == 1 and found[0].consistent
        store_channels_last(block, found[0].layouts)
    after.module.operation.verify()
    assert "tensor<2x5x5x6xf32>" in str(after.module)
    assert equal_in_field(before, after) is None


def test_a_layout_spreads_as_far_as_it_can() -> None:
    """Through a reshape that joins rows and columns, not through one that joins channels with them."""
    _, (whole,) = groups(generalized(program(*PROGRAMS["reshaped"])))
    assert {len(layout) for layout in whole.layouts.values()} == {1, 2}
    _, (torn,) = groups(generalized(program(*PROGRAMS["torn"])))
    assert all(value.type.rank == 4 for value in torn.layouts)


def test_stored_parameters_keep_their_layout() -> None:
    given = generalized(program(*PROGRAMS["one"]))
    stored = parameter_arguments(find_function(given.module, "main"))["w"]
    assert stored not in groups(given)[1][0].layouts


def target_with(lanes: int, bandwidth: float) -> TileTarget:
    return replace(tile_target(load_device("generic-avx512"), "matmul", "f32"), lanes=lanes, outer_bandwidth=bandwidth)


@pytest.mark.parametrize(
    ("lanes", "bandwidth", "pays"),
    [(16, 1e15, True), (16, 1e3, False), (5, 1e15, False)],
    ids=["wide vectors", "slow memory", "rows fill the vectors"],
)
def test_the_hardware_decides(lanes: int, bandwidth: float, pays: bool) -> None:
    """A convolution with 16 channels and rows of 5."""
    given = generalized(program(conv("a", "x", "2x3x5x5xf32", channels=16), "a", "2x16x5x5", "16x3x1x1"))
    (group,) = groups(given)[1]
    assert channels_last_pays(group, target_with(lanes, bandwidth)) is pays


def test_only_vectors_on_addressed_memory_are_asked_for() -> None:
    given = program(*PROGRAMS["one"])
    text = str(given.module)
    PropagateLayouts().apply(given, PassContext(load_machine("upmem-rank")))
    assert str(given.module) == text


def test_hardware_is_needed() -> None:
    with pytest.raises(PassError, match="needs a hardware description"):
        PropagateLayouts().apply(program(*PROGRAMS["one"]), PassContext())


def test_a_transposition_of_the_program_counts() -> None:
    """Channels last costs nothing where the program itself wants its result that way."""
    turned = """
  %t_e = tensor.empty() : tensor<2x5x5x16xf32>
  %t = linalg.transpose ins(%a : tensor<2x16x5x5xf32>) outs(%t_e : tensor<2x5x5x16xf32>) permutation = [0, 2, 3, 1]"""
    body = conv("a", "x", "2x3x5x5xf32", channels=16)
    slow = target_with(16, 2e9)
    pays = []
    for more, result, kind in (("", "a", "2x16x5x5"), (turned, "t", "2x5x5x16")):
        (group,) = groups(generalized(program(body + more, result, kind, "16x3x1x1")))[1]
        pays.append(channels_last_pays(group, slow))
    assert pays == [False, True]
