"""Placement: kernels run on members of their device, and read what is there."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.placement import check_placement
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import load_machine

PLACED = """
func.func @main(%x: tensor<7xf32>) -> tensor<7xf32> {
  %c0 = arith.constant 0 : index
  %e = tensor.empty() : tensor<7xf32>
  %t = "system.transfer"(%x) {source = "host", target = "pim"} : (tensor<7xf32>) -> tensor<7xf32>
  %v = tensor.cast %t : tensor<7xf32> to tensor<?xf32>
  %n = tensor.dim %v, %c0 : tensor<?xf32>
  %w = tensor.cast %v : tensor<?xf32> to tensor<7xf32>
  %y = call @k(%w, %e) {system.member = "pim"} : (tensor<7xf32>, tensor<7xf32>) -> tensor<7xf32>
  %h = "system.transfer"(%y) {source = "pim", target = "host"} : (tensor<7xf32>) -> tensor<7xf32>
  return %h : tensor<7xf32>
}
func.func private @k(tensor<7xf32>, tensor<7xf32>) -> tensor<7xf32> attributes {device.kernel = {class = "upmem-rank"}}
"""
KERNELS, VALUES = "kernels on their devices", "values where they are read"


def refuted(text: str) -> dict[str, str]:
    findings = check_placement(parse_module(text), load_machine("cpu-upmem"))
    assert [f.obligation for f in findings] == [KERNELS, VALUES]
    return {f.obligation: f.detail for f in findings if f.verdict is Verdict.REFUTED}


def test_a_placed_program_is_proved() -> None:
    assert refuted(PLACED) == {}


@pytest.mark.parametrize(
    ("old", "new", "obligation", "said"),
    [
        ("@k(%w, %e)", "@k(%x, %e)", VALUES, "the call of @k runs on 'pim' and reads operand 0 on 'host'"),
        ("return %h", "return %y", VALUES, "func.return runs on 'host' and reads operand 0 on 'pim'"),
        ("return %h", "return %w", VALUES, "func.return runs on 'host' and reads operand 0 on 'pim'"),
        ('"system.transfer"(%y)', '"system.transfer"(%x)', VALUES, "a transfer from 'pim' of a value on 'host'"),
        ('source = "pim"', 'source = "moon"', VALUES, "a transfer names member 'moon', the system has host, pim"),
        ('source = "pim"', 'source = "host"', VALUES, "a transfer from 'host' to itself"),
        ('{system.member = "pim"} ', "", KERNELS, "the call of @k has no system.member"),
        ('member = "pim"', 'member = "moon"', KERNELS, "the call of @k runs on 'moon', the system has host, pim"),
        (
            'member = "pim"',
            'member = "host"',
            KERNELS,
            "the call of @k is for upmem-rank and runs on 'host', a generic",
        ),
    ],
)
def test_what_is_in_the_wrong_place_is_refuted(old: str, new: str, obligation: str, said: str) -> None:
    assert old in PLACED
    assert refuted(PLACED.replace(old, new, 1))[obligation].startswith(said)


def test_values_of_a_branch_are_on_the_host() -> None:
    branch = PLACED.replace("return %h", "%r = scf.if %p -> tensor<7xf32> {\n scf.yield %y : tensor<7xf32>\n } else {\n"
                            " scf.yield %h : tensor<7xf32>\n }\n return %r").replace(
        "%x: tensor<7xf32>)", "%x: tensor<7xf32>, %p: i1)", 1)  # fmt: skip
    assert refuted(branch) == {VALUES: "scf.yield runs on 'host' and reads operand 0 on 'pim'"}
    assert refuted(branch.replace("scf.yield %y", "scf.yield %h")) == {}
