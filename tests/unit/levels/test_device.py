"""The device contract refuses what it should, and says what and where."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.assurance import check_level
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.ir import parse_module
from stratagem.compiler.levels.device import check_device_level
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import PassError

CLAIM = 'device.kernel = {class = "generic-avx512", unit = "fma", function = "add"}'
GOOD = f"""
func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {{
  %e = tensor.empty() : tensor<8xf32>
  %y = call @k(%x, %e) : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}}
func.func private @k(%x: tensor<8xf32>, %o: tensor<8xf32> {{device.dest}}) -> tensor<8xf32> attributes {{{CLAIM}}} {{
  %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%s = %o) -> (tensor<8xf32>) {{
    %t = tensor.extract_slice %x[%i] [4] [1] : tensor<8xf32> to tensor<4xf32>
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %t into %s[%i] [4] [1] : tensor<4xf32> into tensor<8xf32>
    }}
  }} {{device.tier = "core"}}
  return %r : tensor<8xf32>
}}"""

WRONG = [
    ("tensor.empty() : tensor<8xf32>\n", "tensor.splat %c : tensor<8xf32>\n", "tensor.splat stands in @main"),
    ('class = "generic-avx512"', 'class = "abacus"', "kernel @k is for 'abacus'"),
    ('unit = "fma"', 'unit = "slide-rule"', "claims unit 'slide-rule'"),
    (f" attributes {{{CLAIM}}}", "", "kernel @k has no device.kernel attribute"),
    (" {device.dest}", "", "1 results and 0 destinations"),
    ('device.tier = "core"', 'device.tier = "lane"', "scf.forall of tier 'lane'"),
    ("{device.tier", '{device.stage = "attic", device.tier', "staged in 'attic'"),
    ('function = "add"', 'function = "sequential"', ""),
    ("%x: tensor<8xf32>)", '%x: tensor<8xf32> {system.shard = "node:0"})', "cut over axis 'node', the system has none"),
]


def check(text: str) -> None:
    check_device_level(parse_module(text), load_machine("generic-avx512"))


def test_a_good_program_passes() -> None:
    check(GOOD)


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[w[2] or "sequential" for w in WRONG])
def test_what_breaks_the_contract_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if "%c" in text:
        text = text.replace("%e = ", "%c = arith.constant 0.0 : f32\n  %e = ", 1)
    if not message:
        check(text)
        return
    with pytest.raises(PassError, match=message):
        check(text)


def test_a_kernel_without_a_forall_must_be_sequential() -> None:
    start, end = GOOD.index("  %r = scf.forall"), GOOD.index("  return %r")
    text = GOOD[:start] + GOOD[end:].replace("%r", "%o")
    with pytest.raises(PassError, match=r"kernel @k is 'add' but has no scf.forall"):
        check(text)
    check(text.replace('function = "add"', 'function = "sequential"'))


def test_destinations_come_last() -> None:
    text = GOOD.replace("@k(%x: tensor<8xf32>, %o: tensor<8xf32> {device.dest})",
                        "@k(%o: tensor<8xf32> {device.dest}, %x: tensor<8xf32>)")  # fmt: skip
    with pytest.raises(PassError, match="destinations must be the last arguments"):
        check(text)


def test_a_staging_loop_names_a_memory() -> None:
    loop = """  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %c1 step %c1 {
  } {device.level = "l9"}
  %r = scf.forall"""
    with pytest.raises(PassError, match=r"scf.for stages 'l9', generic-avx512 has no such memory"):
        check(GOOD.replace("  %r = scf.forall", loop, 1))


def test_a_broken_contract_is_a_finding_before_any_proof() -> None:
    text = GOOD.replace("[4] [1] : tensor<8xf32> to", '[4] [1] {device.stage = "attic"} : tensor<8xf32> to')
    (finding,) = check_level("device", parse_module(text), load_machine("generic-avx512"))
    assert finding.verdict is Verdict.REFUTED and "a tile is staged in 'attic'" in finding.detail


NESTED = """  %r = scf.forall (%i) = (0) to (8) step (4) shared_outs(%s = %o) -> (tensor<8xf32>) {
    %u = tensor.extract_slice %s[%i] [4] [1] : tensor<8xf32> to tensor<4xf32>
    %v = scf.forall (%j) = (0) to (4) step (1) shared_outs(%q = %u) -> (tensor<4xf32>) {
      %t = tensor.extract_slice %x[%j] [1] [1] : tensor<8xf32> to tensor<1xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %t into %q[%j] [1] [1] : tensor<1xf32> into tensor<4xf32>
      }
    } {device.tier = "INNER"}
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %v into %s[%i] [4] [1] : tensor<4xf32> into tensor<8xf32>
    }
  } {device.tier = "OUTER"}
"""


def nested(outer: str, inner: str) -> None:
    start, end = GOOD.index("  %r = scf.forall"), GOOD.index("  return %r")
    text = GOOD[:start] + NESTED.replace("OUTER", outer).replace("INNER", inner) + GOOD[end:]
    text = text.replace('class = "generic-avx512", unit = "fma"', 'class = "upmem-rank", unit = "alu"')
    check_device_level(parse_module(text), load_machine("cpu-upmem"))


def test_loops_over_groups_stand_in_each_other_as_the_groups_do() -> None:
    nested("dpu", "tasklet")


@pytest.mark.parametrize(("outer", "inner"), [("tasklet", "dpu"), ("dpu", "dpu")])
def test_other_nestings_are_refused(outer: str, inner: str) -> None:
    message = f"scf.forall of tier '{inner}' stands in one of tier '{outer}'; upmem-rank has dpu around tasklet"
    with pytest.raises(PassError, match=message):
        nested(outer, inner)
