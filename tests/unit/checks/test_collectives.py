"""Collectives: the same sequence on every rank, and the verifier of each operation."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.collectives import check_collectives
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import PassError

UNIFORM = """
func.func @main(%x: tensor<4xf32> {model.input = "x"}) -> (tensor<4xf32> {model.output = "y"}) {
  %r = "system.all_reduce"(%x) {axis = "tp", reduction = "sum"} : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
"""
GUARDED = """
func.func @main(%x: tensor<4xf32> {model.input = "x"}) -> (tensor<4xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %rank = "system.rank"() {axis = "tp"} : () -> index
  %first = arith.cmpi eq, %rank, %c0 : index
  %r = scf.if %first -> (tensor<4xf32>) {
    %s = "system.all_reduce"(%x) {axis = "tp", reduction = "sum"} : (tensor<4xf32>) -> tensor<4xf32>
    scf.yield %s : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
"""


def test_collectives_in_sequence_are_proved() -> None:
    (finding,) = check_collectives(parse_module(UNIFORM))
    assert finding.verdict is Verdict.PROVED


def test_a_collective_only_some_ranks_reach_is_refuted() -> None:
    (finding,) = check_collectives(parse_module(GUARDED))
    assert finding.verdict is Verdict.REFUTED
    assert finding.detail == "system.all_reduce runs under scf.if, which depends on the rank"


def test_no_collectives_no_finding() -> None:
    assert (
        check_collectives(
            parse_module(
                UNIFORM.replace(
                    '"system.all_reduce"(%x) {axis = "tp", reduction = "sum"} : (tensor<4xf32>) -> tensor<4xf32>',
                    "tensor.cast %x : tensor<4xf32> to tensor<4xf32>",
                )
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reduction = "sum"', 'reduction = "mean"', "reduction 'mean' is none of sum, max, min, prod"),
        ('axis = "tp"', 'axis = ""', "needs the mesh axis it runs over"),
        ("(tensor<4xf32>) -> tensor<4xf32>\n  return", "(tensor<4xf32>) -> tensor<?xf32>\n  return", "keeps the type"),
    ],
)
def test_verifiers_name_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in UNIFORM
    text = UNIFORM.replace(old, new)
    if "?" in new:
        text = text.replace("-> (tensor<4xf32> {", "-> (tensor<?xf32> {").replace(
            "return %r : tensor<4xf32>", "return %r : tensor<?xf32>"
        )
    with pytest.raises(PassError, match=message):
        parse_module(text)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (
            '"system.all_gather"(%x) {axis = "tp", dim = 3 : i64} : (tensor<4xf32>) -> tensor<8xf32>',
            "dimension 3 is outside a tensor of rank 1",
        ),
        (
            '"system.reduce_scatter"(%x) {axis = "tp", dim = 0 : i64, reduction = "or"} : '
            "(tensor<4xf32>) -> tensor<2xf32>",
            "reduction 'or'",
        ),
        (
            '"system.transfer"(%x) {source = "a", target = "b"} : (tensor<4xf32>) -> tensor<5xf32>',
            "does not change the type",
        ),
        ('"system.rank"() {axis = ""} : () -> index', "needs the mesh axis"),
    ],
)
def test_other_verifiers(op: str, message: str) -> None:
    with pytest.raises(PassError, match=message):
        parse_module(f"func.func @main(%x: tensor<4xf32>) {{\n  %r = {op}\n  return\n}}")
