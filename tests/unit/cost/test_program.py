"""What a program costs: claims of kernels, their ranges, traffic and energy, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stratagem.api.compiling import compile
from stratagem.compiler.cost.program import ProgramCost, Weights, program_cost
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import System, load_machine
from stratagem.hwmodels.scaled import at_end, changeable, with_factor
from stratagem.runtime.parameters import ParameterStore

MATMUL = """module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%a: tensor<{m}x{k}xf32> {{model.input = "a"}}, %b: tensor<{k}x{n}xf32> {{model.input = "b"}})
    -> (tensor<{m}x{n}xf32> {{model.output = "y"}}) {{
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{m}x{n}xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %r = linalg.matmul ins(%a, %b : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>) outs(%f : tensor<{m}x{n}xf32>)
      -> tensor<{m}x{n}xf32>
  return %r : tensor<{m}x{n}xf32>
}}
}}"""
EXPONENTIALS = """module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%x: tensor<{n}xf32> {{model.input = "x"}}) -> (tensor<{n}xf32> {{model.output = "y"}}) {{
  %e = tensor.empty() : tensor<{n}xf32>
  %r = linalg.generic {{indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]}} ins(%x : tensor<{n}xf32>) outs(%e : tensor<{n}xf32>) {{
  ^bb0(%v: f32, %w: f32):
    %u = math.exp %v : f32
    linalg.yield %u : f32
  }} -> tensor<{n}xf32>
  return %r : tensor<{n}xf32>
}}
}}"""

LOOKUPS = """module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%i: tensor<{n}xi64> {{model.input = "i"}}, %t: tensor<{words}x64xf32> {{model.param = "t"}})
    -> (tensor<{n}x64xf32> {{model.output = "y"}}) {{
  %e = tensor.empty() : tensor<{n}x64xf32>
  %r = linalg.generic {{indexing_maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0, d1)>],
      iterator_types = ["parallel", "parallel"]}} ins(%i : tensor<{n}xi64>) outs(%e : tensor<{n}x64xf32>) {{
  ^bb0(%v: i64, %w: f32):
    %row = arith.index_cast %v : i64 to index
    %column = linalg.index 1 : index
    %u = tensor.extract %t[%row, %column] : tensor<{words}x64xf32>
    %s = arith.addf %u, %u : f32
    linalg.yield %s : f32
  }} -> tensor<{n}x64xf32>
  return %r : tensor<{n}x64xf32>
}}
}}"""


def cost(text: str, machine: System) -> ProgramCost:
    compiled = compile(Program(parse_module(text)), target=machine, until="device")
    return program_cost(parse_module(compiled.ir("device")), machine)


def test_a_large_product_takes_what_its_multiply_adds_take() -> None:
    machine = load_machine("generic-avx512")
    found = cost(MATMUL.format(m=1024, n=1024, k=1024), machine)
    [call] = found.calls
    assert call.function == "matmul" and call.operations == 2 * 1024**3
    assert call.seconds.compute == pytest.approx(2 * 1024**3 / 768e9, rel=0.02)
    assert call.seconds.compute < found.seconds < 1.4 * call.seconds.compute
    assert found.low < found.seconds < found.high  # every number of the description has a spread
    assert call.joules["fma"] == pytest.approx(2 * 1024**3 * 5e-12)
    assert found.weakest[1].kind == "assumed"


@pytest.mark.parametrize("n", [1, 17, 1 << 20])
def test_exponentials_take_what_their_unit_takes(n: int) -> None:
    machine = load_machine("generic-avx512")
    found = cost(EXPONENTIALS.format(n=n), machine)
    device = machine.members[machine.host].device
    rate = device.unit_rate(next(u for u in device.units if u.name == "math"), "f32")
    [call] = found.calls
    assert call.seconds.total >= n / rate + (device.launch or 0.0) * 0.99
    if n > 1000:
        assert call.seconds.compute == pytest.approx(n / rate, rel=0.1)
        assert call.traffic["l3"] == 8 * n and "dram" not in call.traffic


def test_what_does_not_fit_the_caches_comes_from_main_memory() -> None:
    n = 1 << 23
    found = cost(EXPONENTIALS.format(n=n), load_machine("generic-avx2"))
    assert found.traffic()["dram"] == 8 * n
    assert found.calls[0].seconds.memory == pytest.approx(8 * n / 38.4e9)
    assert found.joules_by()["dram"] == pytest.approx(8 * n * 160e-12)
    assert found.joules is not None and found.joules > 8 * found.seconds  # 8 W of idling


@pytest.mark.parametrize(("n", "words"), [(100, 1 << 20), (1, 1 << 20), (100, 7)])
def test_of_a_table_only_what_is_looked_up_is_read(n: int, words: int) -> None:
    machine = load_machine("generic-avx2")
    store = ParameterStore({"t": np.zeros((words, 64), np.float32)})
    program = Program(parse_module(LOOKUPS.format(n=n, words=words)), store)
    compiled = compile(program, target=machine, until="device", run_checks=False)
    calls = program_cost(parse_module(compiled.ir("device")), machine).calls
    call = next(one for one in calls if one.function == "gather")
    assert call.weights == Weights(min(n, words) * 256, n, words * 256)
    memories = machine.members[machine.host].device.memories()
    level = next(memory for memory in memories if memory.name == ("dram" if words > 7 else "l1"))
    waited = call.seconds.wait - call.by_itself.wait
    assert waited == pytest.approx(n * (level.latency or 0.0) / 4)  # on four cores


def test_free_sizes_have_no_claims_and_count_as_one_sequence() -> None:
    text = (
        EXPONENTIALS.format(n="?")
        .replace("tensor.empty()", "tensor.empty(%s)")
        .replace("  %e =", "  %c0 = arith.constant 0 : index\n  %s = tensor.dim %x, %c0 : tensor<?xf32>\n  %e =")
    )
    [call] = cost(text, load_machine("generic-avx2")).calls
    assert call.operations is None and call.seconds.wait > 0 and not call.traffic


def test_other_numbers_other_costs() -> None:
    machine = load_machine("generic-avx2")
    device = machine.members[machine.host].device
    paths = changeable(device)
    faster, slower = (changeable(at_end(device, best=best)) for best in (True, False))
    for path, value in paths.items():
        assert min(faster[path], slower[path]) <= value <= max(faster[path], slower[path])
    assert faster["launch"] < paths["launch"] < slower["launch"]
    twice = with_factor(device, "levels.dram.bandwidth", 2.0)
    assert changeable(twice)["levels.dram.bandwidth"] == 2 * paths["levels.dram.bandwidth"]
    assert twice != device and with_factor(device, "levels.dram.bandwidth", 3.0) != twice
    assert changeable(twice)["launch"] == paths["launch"]


def test_a_description_with_other_numbers_changes_the_claims(tmp_path: Path) -> None:
    half = tmp_path / "half.yaml"
    half.write_text(
        "hw: 1\ndevice: half\nextends: generic-avx512\nclock: 1.5 GHz\nsource: {kind: assumed}\npeak: !replace {}\n"
    )
    text = MATMUL.format(m=512, n=512, k=512)
    ratio = (
        cost(text, load_machine(half)).calls[0].seconds.compute
        / cost(text, load_machine("generic-avx512")).calls[0].seconds.compute
    )
    assert ratio == pytest.approx(2.0, rel=0.01)
