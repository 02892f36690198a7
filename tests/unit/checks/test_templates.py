"""Kernels that differ in name only are proved once; proofs that take too long say so."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks import templates
from stratagem.compiler.checks.templates import prove_template
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module

KERNEL = """
func.func private @NAME(%x: tensor<?xf32>, %o: tensor<?xf32> {device.dest}) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %r = scf.forall (%i) = (0) to (%n) step (STEP) shared_outs(%s = %o) -> (tensor<?xf32>) {
    %m = affine.min affine_map<(d0)[s0] -> (64, s0 - d0)>(%i)[%n]
    %a = tensor.extract_slice %x[%i] [%m] [1] : tensor<?xf32> to tensor<?xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %a into %s[%i] [%m] [1] : tensor<?xf32> into tensor<?xf32>
    }
  }
  return %r : tensor<?xf32>
}
"""


def proved(name: str, step: int = 64) -> list[Finding]:
    module = parse_module(KERNEL.replace("NAME", name).replace("STEP", str(step)))
    equal = ("exists h0 : n0_0 = h0 and n1_0 = h0",)
    return prove_template(find_function(module, name), "device", equal, frozenset())


@pytest.fixture(autouse=True)
def _nothing_proved() -> None:
    templates._proved.clear()


def test_a_template_is_proved_once_and_speaks_of_each_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    first = proved("one")
    monkeypatch.setattr(templates, "prove_kernel", None)
    second = proved("two")
    assert {f.verdict for f in first} == {Verdict.PROVED}
    assert [f.obligation for f in first] == [f.obligation for f in second]
    assert {f.subject for f in first} == {"one"} and {f.subject for f in second} == {"two"}


def test_another_tile_is_another_template() -> None:
    assert Verdict.REFUTED not in {f.verdict for f in proved("one")}
    assert Verdict.REFUTED in {f.verdict for f in proved("one", step=63)}


def test_a_proof_without_end_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MOST_STEPS", 300)
    (only,) = proved("one")
    assert only.verdict is Verdict.NOT_CHECKED and "more than 300 steps; it was at: " in only.detail
    monkeypatch.undo()
    templates._proved.clear()
    assert {f.verdict for f in proved("one")} == {Verdict.PROVED}, "isl goes on after the limit"
