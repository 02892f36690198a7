"""A program cut over ranks computes what the whole program does, and a wrong cut is noticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.interpreter.spmd_api import run_spmd
from stratagem.compiler.ir import parse_module, to_text
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.partition_program import PartitionProgram
from stratagem.compiler.program import Program
from stratagem.compiler.signatures import signature_of
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import HardwareError, UsageError
from tests.unit.sharding.programs import HEADS, MLP

Array = np.ndarray[Any, Any]


def cut(text: str, strategy: str, ranks: int = 2) -> Program:
    program = Program(parse_module(text))
    machine = load_machine("two-hosts", {"hosts": ranks})
    PartitionProgram(strategy).apply(program, PassContext(machine))
    program.module.operation.verify()
    return program


def data(text: str) -> dict[str, Array]:
    signature, rng = signature_of(parse_module(text)), np.random.default_rng(0)
    specs = (*signature.inputs, *signature.parameters)
    return {s.name: rng.standard_normal([n or 1 for n in s.shape]).astype(np.float32) for s in specs}


def results_of_ranks(program: Program, arrays: dict[str, Array], ranks: int) -> list[Array]:
    inputs = {s.name: arrays[s.name] for s in signature_of(program.module).inputs}
    parameters = {k: v for k, v in arrays.items() if k not in inputs}
    results = run_spmd(program, [inputs] * ranks, (("node", ranks),), parameters)
    return [values[0][0] for values in results]


@pytest.mark.parametrize("strategy", ["tensor", "batch", "auto"])
@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("text", [MLP, HEADS], ids=["mlp", "heads"])
def test_every_rank_gets_the_whole_result(text: str, ranks: int, strategy: str) -> None:
    arrays = data(text)
    (whole,) = reference(Program(parse_module(text)), arrays)
    for part in results_of_ranks(cut(text, strategy, ranks), arrays, ranks):
        np.testing.assert_allclose(part, whole, rtol=1e-12, atol=1e-12)


def test_tensor_strategy_cuts_the_weights_and_batch_does_not() -> None:
    def shards(strategy: str) -> list[int | None]:
        return [s.shard_dim for s in signature_of(cut(MLP, strategy).module).parameters]

    assert shards("tensor") == [1, 0, 0]
    assert shards("batch") == [None, None, None]


def test_a_wrong_collective_changes_the_result() -> None:
    arrays = data(MLP)
    (whole,) = reference(Program(parse_module(MLP)), arrays)
    text = to_text(cut(MLP, "tensor").module)
    assert 'reduction = "sum"' in text
    wrong = Program(parse_module(text.replace('reduction = "sum"', 'reduction = "max"')))
    assert not np.allclose(results_of_ranks(wrong, arrays, 2)[0], whole)


def test_sizes_that_do_not_divide_stay_whole() -> None:
    text = MLP.replace("8x", "7x").replace("32x", "33x").replace("x32xf32", "x33xf32").replace("<32xf32", "<33xf32")
    arrays = data(text)
    (whole,) = reference(Program(parse_module(text)), arrays)
    np.testing.assert_allclose(results_of_ranks(cut(text, "tensor"), arrays, 2)[0], whole, rtol=1e-12)


def test_a_system_without_a_mesh_leaves_the_program_alone() -> None:
    program = Program(parse_module(MLP))
    before = to_text(program.module)
    PartitionProgram().apply(program, PassContext(load_machine("generic-avx512")))
    assert to_text(program.module) == before


def test_unknown_strategies_are_refused() -> None:
    with pytest.raises(UsageError, match="there is no strategy 'pipeline'\n  hint: strategies: auto, tensor, batch"):
        cut(MLP, "pipeline")


def test_a_mesh_of_two_axes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = load_machine("two-hosts")
    object.__setattr__(machine, "mesh", (("a", 2), ("b", 2)))
    with pytest.raises(HardwareError, match=r"mesh axes a \(2\), b \(2\)"):
        PartitionProgram().apply(Program(parse_module(MLP)), PassContext(machine))
    object.__setattr__(machine, "mesh", (("node", 2),))


def test_tensors_without_elements_stay_whole() -> None:
    """There is no work to share out; and upstream's folding of empty slices does not like their parts."""
    text = """
func.func @main(%x: tensor<0x6x4xf32> {model.input = "x"}) -> (tensor<4x0x6xf32> {model.output = "y"}) {
  %e = tensor.empty() : tensor<4x0x6xf32>
  %y = linalg.transpose ins(%x : tensor<0x6x4xf32>) outs(%e : tensor<4x0x6xf32>) permutation = [2, 0, 1]
  return %y : tensor<4x0x6xf32>
}
"""
    for strategy in ("tensor", "batch", "auto"):
        assert "system." not in to_text(cut(text, strategy).module)
