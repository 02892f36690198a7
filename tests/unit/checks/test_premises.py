"""What calls say about sizes: products, several calls, and conditions that do not grow with the program."""

from __future__ import annotations

import islpy as isl

from stratagem.compiler.checks.premises import MOST_CASES, possible_sizes, premises_of_calls
from stratagem.compiler.ir import parse_module

KERNEL = "func.func private @k(%a: tensor<?xf32>, %b: tensor<?xf32> {device.dest}) -> tensor<?xf32>"
CALL = "func.call @k(%a, %b) : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>"


def premises(body: str) -> tuple[str, ...]:
    text = f"""
func.func @main(%x: tensor<?x?xf32>, %y: tensor<?xf32>, %k: index, %z: tensor<?x?xf32>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %x, %c0 : tensor<?x?xf32>
  %m = tensor.dim %x, %c1 : tensor<?x?xf32>
  %l = tensor.dim %y, %c0 : tensor<?xf32>
{body}
  return
}}
{KERNEL}"""
    return premises_of_calls(parse_module(text))["k"]


def implied(conditions: tuple[str, ...], claim: str) -> bool:
    possible, contradictory = possible_sizes(conditions)
    assert not contradictory and not possible.is_empty()
    return bool(possible.is_subset(isl.Set(f"[n0_0, n1_0] -> {{ : {claim} }}")))


PRODUCTS = f"""
  %p = arith.muli %n, %m : index
  %q = arith.muli %m, %l : index
  %a = tensor.empty(%p) : tensor<?xf32>
  %b = tensor.empty(%q) : tensor<?xf32>
  {CALL}"""
ASSERT = '  %same = arith.cmpi eq, %n, %l : index\n  cf.assert %same, "rows"\n'


def test_products_are_equal_where_their_factors_are_asserted_to_be() -> None:
    assert implied(premises(ASSERT + PRODUCTS), "n0_0 = n1_0")
    assert not implied(premises(PRODUCTS), "n0_0 = n1_0")


FOUR = f"""
  %w = tensor.dim %z, %c0 : tensor<?x?xf32>
  %v = tensor.dim %z, %c1 : tensor<?x?xf32>
  %rows = arith.cmpi eq, %n, %v : index
  cf.assert %rows, "rows"
  %p = arith.muli %n, %m : index
  %q = arith.muli %v, %w : index
  %a = tensor.empty(%p) : tensor<?xf32>
  %b = tensor.empty(%q) : tensor<?xf32>
  {CALL}"""
COLUMNS = '  %columns = arith.cmpi eq, %m, %w : index\n  cf.assert %columns, "columns"\n'


def test_products_are_equal_where_all_their_factors_are() -> None:
    known = FOUR.replace("  %p =", COLUMNS + "  %p =")
    assert implied(premises(known), "n0_0 = n1_0")
    assert not implied(premises(FOUR), "n0_0 = n1_0")


def test_an_equality_behind_the_call_says_nothing() -> None:
    assert not implied(premises(FOUR + "\n" + COLUMNS), "n0_0 = n1_0")


def test_each_call_adds_sizes_that_are_possible() -> None:
    once = f"  %a = tensor.empty(%n) : tensor<?xf32>\n  %b = tensor.empty(%n) : tensor<?xf32>\n  {CALL}\n"
    twice = (
        "  %d = arith.muli %n, %c2 : index\n  %e = tensor.empty(%d) : tensor<?xf32>\n"
        f"  {CALL.replace('%b', '%e')}\n  {CALL.replace('%b', '%e')}"
    )
    assert implied(premises(once), "n0_0 = n1_0")
    both = premises(once + twice)
    assert len(both) == 2
    assert not implied(both, "n0_0 = n1_0") and implied(both, "n1_0 = n0_0 or n1_0 = 2n0_0")


def test_alternatives_do_not_multiply_beyond_measure() -> None:
    steps = ["  %s0 = arith.minsi %k, %n : index"]
    for i in range(40):
        steps += [f"  %t{i} = arith.minsi %s{i}, %l : index", f"  %s{i + 1} = arith.addi %t{i}, %s0 : index"]
    steps += ["  %a = tensor.empty(%n) : tensor<?xf32>", "  %b = tensor.empty(%s40) : tensor<?xf32>", f"  {CALL}"]
    (condition,) = premises("\n".join(steps))
    assert 0 < condition.count(" or ") <= MOST_CASES.bit_length()
    assert not implied((condition,), "n0_0 = n1_0")


def test_a_condition_does_not_grow_with_what_lies_before_the_call() -> None:
    def chain(length: int) -> str:
        steps = ["  %s0 = arith.addi %n, %c0 : index"]
        steps += [f"  %s{i + 1} = arith.ceildivsi %s{i}, %c2 : index" for i in range(length)]
        last = f"%s{length}"
        steps += [f"  %a = tensor.empty({last}) : tensor<?xf32>", f"  %h = arith.floordivsi {last}, %c2 : index"]
        return "\n".join([*steps, "  %b = tensor.empty(%h) : tensor<?xf32>", f"  {CALL}"])

    assert premises(chain(3)) == premises(chain(17))
    assert implied(premises(chain(17)), "n1_0 = floor(n0_0/2)")


BRANCH = """
  %small = arith.cmpi sle, %n, %l : index
  %a = tensor.empty(%n) : tensor<?xf32>
  %b = tensor.empty(%l) : tensor<?xf32>
  scf.if %small {
    THEN
  } else {
    ELSE
  }
"""


def test_a_call_in_a_branch_knows_its_condition() -> None:
    taken = BRANCH.replace("THEN", CALL).replace("ELSE", "")
    assert implied(premises(taken), "n0_0 <= n1_0")
    other = BRANCH.replace("THEN", "").replace("ELSE", CALL)
    assert not implied(premises(other), "n0_0 <= n1_0")


def test_numbers_follow_through_minima_and_maxima() -> None:
    clamped = """
  %low = arith.maxsi %k, %c0 : index
  %at = arith.minsi %low, %c2 : index
  %a = tensor.empty(%at) : tensor<?xf32>
  %b = tensor.empty(%n) : tensor<?xf32>
  """
    assert implied(premises(clamped + CALL), "0 <= n0_0 <= 2")
    assert not implied(premises(clamped + CALL), "n0_0 <= 1")
    assert not implied(premises(clamped.replace("%low, %c2", "%k, %c2") + CALL), "n0_0 >= 1")
