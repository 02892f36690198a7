"""Kernels that one unit runs as they are: bounds and completeness are proved, planted bugs are refuted."""

from __future__ import annotations

import pytest

from stratagem.compiler.checks.kernel_proofs import prove_kernel
from stratagem.compiler.checks.premises import premises_of_calls
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, parse_module

JOIN = """
#end = affine_map<()[s0, s1] -> (s0 + s1)>
func.func @main(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x3xf32>
  %m = tensor.dim %y, %c0 : tensor<?x3xf32>
  %sum = affine.apply #end()[%n, %m]
  %e = tensor.empty(%sum) : tensor<?x3xf32>
  %z = call @join(%x, %y, %e) : (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  return %z : tensor<?x3xf32>
}
func.func private @join(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>, %out: tensor<?x3xf32> {device.dest})
    -> tensor<?x3xf32> attributes {device.kernel = {class = "generic-avx512", unit = "", function = "concat"}} {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x3xf32>
  %m = tensor.dim %y, %c0 : tensor<?x3xf32>
  %a = tensor.insert_slice %x into %out[0, 0] [%n, 3] [1, 1] : tensor<?x3xf32> into tensor<?x3xf32>
  %b = tensor.insert_slice %y into %a[%n, 0] [%m, 3] [1, 1] : tensor<?x3xf32> into tensor<?x3xf32>
  return %b : tensor<?x3xf32>
}
"""


def findings(text: str, updated: frozenset[int] = frozenset()) -> list[Finding]:
    module = parse_module(text)
    return prove_kernel(find_function(module, "join"), "device", premises_of_calls(module)["join"], updated)


def refuted(text: str, updated: frozenset[int] = frozenset()) -> dict[str, str]:
    return {f.obligation: f.detail for f in findings(text, updated) if f.verdict is Verdict.REFUTED}


def planted(old: str, new: str) -> str:
    assert old in JOIN
    return JOIN.replace(old, new)


def test_a_right_kernel_is_proved_for_all_sizes() -> None:
    found = findings(JOIN)
    assert {f.obligation for f in found} == {"writes in bounds", "every element written"}
    assert {f.verdict for f in found} == {Verdict.PROVED}


def test_a_part_left_out_leaves_elements_unwritten() -> None:
    text = planted("return %b", "return %a")
    assert set(refuted(text)) == {"every element written"}
    assert "size 0 of argument 1 = 1" in refuted(text)["every element written"]
    assert not refuted(text, frozenset([0]))


@pytest.mark.parametrize("place", ["%m", "3"])
def test_a_part_in_the_wrong_place_is_out_of_bounds(place: str) -> None:
    assert "writes in bounds" in refuted(planted("into %a[%n, 0]", f"into %a[{place}, 0]"))


def test_a_destination_that_is_too_small_is_refuted() -> None:
    found = refuted(planted("tensor.empty(%sum)", "tensor.empty(%n)"))
    assert set(found) == {"writes in bounds"}
    assert "size 0 of argument 2 = " in found["writes in bounds"]


def test_a_slice_that_reads_past_its_tensor_is_refuted() -> None:
    slice_of = "tensor.extract_slice %y[1, 0] [%m, 3] [1, 1] : tensor<?x3xf32> to tensor<?x3xf32>"
    text = planted("  %b = tensor.insert_slice %y", f"  %s = {slice_of}\n  %b = tensor.insert_slice %s")
    assert set(refuted(text)) == {"reads in bounds"}


def test_an_operation_that_is_not_understood_is_not_checked() -> None:
    splat = "tensor.generate %n {\n  ^bb0(%i: index, %j: index):\n    tensor.yield %f : f32\n  } : tensor<?x3xf32>"
    text = planted("  return %b", f"  %f = arith.constant 1.0 : f32\n  %g = {splat}\n  return %g")
    (found,) = findings(text)
    assert found.verdict is Verdict.NOT_CHECKED
    assert found.detail == "one unit runs it, with tensor.generate, tensor.yield"


def test_a_place_that_is_not_affine_is_not_checked() -> None:
    text = planted("  %b = ", "  %p = arith.muli %n, %m : index\n  %b = ").replace("into %a[%n, 0]", "into %a[%p, 0]")
    (found,) = findings(text)
    assert found.verdict is Verdict.NOT_CHECKED and found.detail.startswith("not affine")


def test_a_size_of_a_computed_dimension_is_not_affine() -> None:
    text = JOIN.replace(
        "%m = tensor.dim %y, %c0 : tensor<?x3xf32>\n  %a", "%m = tensor.dim %y, %n : tensor<?x3xf32>\n  %a"
    )
    assert [f.verdict for f in findings(text)] == [Verdict.NOT_CHECKED]


def test_a_destination_handed_back_is_complete_when_it_is_empty() -> None:
    """Where nothing is to be written, the result is the destination; with elements it is refuted, at the kernel."""
    whole = planted("return %b", "return %out")
    assert set(refuted(whole)) == {"every element written"}
    empty = whole.replace("x3xf32", "x0xf32").replace(", 3]", ", 0]")
    lines = [line for line in empty.splitlines() if "insert_slice" not in line]
    assert not refuted("\n".join(lines))
