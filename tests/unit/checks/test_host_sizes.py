"""Sizes read from a host program: what follows from the operations, what stays unknown, what loops keep."""

from __future__ import annotations

import islpy as isl
import pytest

from stratagem.compiler.checks.host_sizes import HostSizes
from stratagem.compiler.checks.polynomials import Polynomial, number
from stratagem.compiler.ir import find_function, parse_module

HEAD = """
func.func @main(%x: tensor<?x?xf32>, %s: tensor<2xi64>, %k: index, %p: i1) -> index {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %n = tensor.dim %x, %c0 : tensor<?x?xf32>
  %m = tensor.dim %x, %c1 : tensor<?x?xf32>
"""


def read(body: str) -> tuple[HostSizes, list[Polynomial]]:
    """The sizes that the test returns, in order."""
    count = body.rsplit("return", 1)[1].split(":")[0].count("%")
    text = HEAD.replace("-> index", f"-> ({', '.join(['index'] * count)})") + body + "\n}"
    module = parse_module(text)
    block = find_function(module, "main").regions[0].blocks[0]
    sizes = HostSizes()
    return sizes, [sizes.index(v) for v in list(block.operations)[-1].operation.operands]


def same(body: str) -> bool:
    first, second = read(body)[1]
    return first == second


def follows(sizes: HostSizes, claim: str) -> bool:
    """Whether the facts imply the claim."""
    facts = " and ".join(f"({f.text})" for f in sizes.facts)
    names = sorted({name for f in sizes.facts for name in f.names})
    claims = isl.Set(f"[{', '.join(names)}] -> {{ : {claim} }}")
    known = isl.Set(f"[{', '.join(names)}] -> {{ : {facts} }}")
    return not known.is_empty() and known.is_subset(claims)


@pytest.mark.parametrize(
    "body",
    [
        "%a = arith.muli %n, %m : index\n %b = arith.muli %m, %n : index\n return %a, %b : index, index",
        "%a = arith.muli %n, %m : index\n %b = arith.divsi %a, %n : index\n return %b, %m : index, index",
        "%a = arith.index_cast %n : index to i64\n %b = arith.index_cast %a : i64 to index\n"
        " return %b, %n : index, index",
        "%v = tensor.from_elements %n, %m : tensor<2xindex>\n %a = tensor.extract %v[%c1] : tensor<2xindex>\n"
        " return %a, %m : index, index",
        "%u = tensor.extract %s[%c0] : tensor<2xi64>\n %v = tensor.extract %s[%c0] : tensor<2xi64>\n"
        " %a = arith.index_cast %u : i64 to index\n %b = arith.index_cast %v : i64 to index\n"
        " return %a, %b : index, index",
        "%e = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, %k, 4]\n"
        " : tensor<?x?xf32> into tensor<?x?x4xf32>\n"
        " %c = tensor.collapse_shape %e [[0, 1], [2]] : tensor<?x?x4xf32> into tensor<?x4xf32>\n"
        " %a = tensor.dim %c, %c0 : tensor<?x4xf32>\n %b = arith.muli %k, %n : index\n return %a, %b : index, index",
        "%t = tensor.extract_slice %x[0, %k] [1, %m] [1, 1] : tensor<?x?xf32> to tensor<?xf32>\n"
        " %a = tensor.dim %t, %c0 : tensor<?xf32>\n return %a, %m : index, index",
        "%a = scf.if %p -> index {\n scf.yield %n : index\n } else {\n scf.yield %n : index\n }\n"
        " return %a, %n : index, index",
        "%a = arith.select %p, %m, %m : index\n return %a, %m : index, index",
        '%g = "system.all_gather"(%x) {axis = "a", dim = 1 : i64} : (tensor<?x?xf32>) -> tensor<?x?xf32>\n'
        " %a = tensor.dim %g, %c0 : tensor<?x?xf32>\n return %a, %n : index, index",
        "%a = arith.minsi %n, %c0 : index\n return %a, %c0 : index, index",
        "%d = arith.addi %n, %m : index\n %a = arith.maxsi %d, %n : index\n return %a, %d : index, index",
        "%q = arith.cmpi slt, %n, %c0 : index\n %a = arith.select %q, %m, %n : index\n return %a, %n : index, index",
        "%q = arith.cmpi sge, %c0, %c1 : index\n %a = arith.select %q, %m, %n : index\n return %a, %n : index, index",
        '%g = "system.all_reduce"(%x) {axis = "a", reduction = "sum"} : (tensor<?x?xf32>) -> tensor<?x?xf32>\n'
        " %a = tensor.dim %g, %c1 : tensor<?x?xf32>\n return %a, %m : index, index",
    ],
)
def test_the_same_size_is_known_to_be_the_same(body: str) -> None:
    assert same(body)


@pytest.mark.parametrize(
    "body",
    [
        "return %n, %m : index, index",
        "%a = arith.index_cast %n : index to i8\n %b = arith.index_cast %a : i8 to index\n"
        " return %b, %n : index, index",
        "%u = tensor.extract %s[%c0] : tensor<2xi64>\n %v = tensor.extract %s[%c1] : tensor<2xi64>\n"
        " %a = arith.index_cast %u : i64 to index\n %b = arith.index_cast %v : i64 to index\n"
        " return %a, %b : index, index",
        "%a = arith.muli %n, %m : index\n %b = arith.divsi %a, %c4 : index\n return %b, %m : index, index",
        '%g = "system.all_gather"(%x) {axis = "a", dim = 1 : i64} : (tensor<?x?xf32>) -> tensor<?x?xf32>\n'
        " %a = tensor.dim %g, %c1 : tensor<?x?xf32>\n return %a, %m : index, index",
        "%a = arith.minsi %k, %c0 : index\n return %a, %c0 : index, index",
        "%q = arith.cmpi slt, %k, %c0 : index\n %a = arith.select %q, %m, %n : index\n return %a, %n : index, index",
        "%q = arith.cmpi ult, %n, %c0 : index\n %a = arith.select %q, %m, %n : index\n return %a, %n : index, index",
        "%a = scf.if %p -> index {\n scf.yield %n : index\n } else {\n scf.yield %m : index\n }\n"
        " return %a, %n : index, index",
    ],
)
def test_other_sizes_are_not(body: str) -> None:
    assert not same(body)


LOOP = """
  %r = scf.for %i = %c0 to %k step %c1 iter_args(%t = %x) -> tensor<?x?xf32> {
    %a = tensor.dim %t, %c0 : tensor<?x?xf32>
    %b = tensor.dim %t, %c1 : tensor<?x?xf32>
    %e = tensor.empty(FIRST, %b) : tensor<?x?xf32>
    scf.yield %e : tensor<?x?xf32>
  }
  %rows = tensor.dim %r, %c0 : tensor<?x?xf32>
  %columns = tensor.dim %r, %c1 : tensor<?x?xf32>
  return %rows, %columns : index, index
"""


def test_what_a_loop_keeps_is_what_it_began_as() -> None:
    sizes, (rows, columns) = read(LOOP.replace("FIRST", "%a"))
    assert str(rows) == "(1*h0)" and str(columns) == "(1*h1)" and sizes.not_negative == {"h0", "h1"}


@pytest.mark.parametrize("first", ["%b", "%k", "%i"])
def test_what_a_loop_changes_is_unknown(first: str) -> None:
    sizes, (rows, columns) = read(LOOP.replace("FIRST", first))
    assert rows != columns and not follows(sizes, f"{rows} = {columns}")


def test_a_while_loop_that_keeps_its_sizes() -> None:
    body = """
  %r:2 = scf.while (%t = %x, %i = %c0) : (tensor<?x?xf32>, index) -> (tensor<?x?xf32>, index) {
    %go = arith.cmpi slt, %i, %k : index
    scf.condition(%go) %t, %i : tensor<?x?xf32>, index
  } do {
  ^bb0(%u: tensor<?x?xf32>, %j: index):
    %a = tensor.dim %u, %c0 : tensor<?x?xf32>
    %b = tensor.dim %u, %c1 : tensor<?x?xf32>
    %e = tensor.empty(%a, %b) : tensor<?x?xf32>
    %next = arith.addi %j, %c1 : index
    scf.yield %e, %next : tensor<?x?xf32>, index
  }
  %rows = tensor.dim %r#0, %c0 : tensor<?x?xf32>
  return %rows, %r#1 : index, index"""
    _, (rows, count) = read(body)
    assert str(rows) == "(1*h0)" and count.constant is None


@pytest.mark.parametrize(
    "operation, claim",
    [
        ("arith.floordivsi %n, %c4", "4*{r} <= h0 < 4*{r} + 4"),
        ("arith.ceildivsi %n, %c4", "4*{r} - 4 < h0 <= 4*{r}"),
        ("arith.remsi %n, %c4", "0 <= {r} < 4"),
        ("arith.minsi %n, %c4", "{r} <= h0 and {r} <= 4"),
        ("arith.maxsi %n, %c4", "{r} >= h0 and {r} >= 4"),
    ],
)
def test_facts_say_what_an_operation_computes(operation: str, claim: str) -> None:
    sizes, (result,) = read(f"%a = {operation} : index\n return %a : index")
    assert follows(sizes, claim.format(r=result))
    assert not follows(sizes, f"{result} = h0 and h0 = 7")


def test_division_truncates_towards_zero() -> None:
    sizes, (result,) = read(
        "%c7 = arith.constant -7 : index\n %l = arith.subi %n, %n : index\n %z = arith.addi %l, %c7 : index\n"
        " %m7 = arith.minsi %z, %k : index\n %a = arith.divsi %m7, %c4 : index\n return %a : index"
    )
    assert follows(sizes, f"{result} <= -1") and not follows(sizes, f"{result} <= -2")


def test_a_loop_variable_stays_between_its_bounds() -> None:
    sizes, (last,) = read(
        "%r = scf.for %i = %c4 to %n step %c1 iter_args(%t = %c4) -> index {\n scf.yield %i : index\n }\n"
        " return %r : index"
    )
    assert follows(sizes, f"{last} >= 4") and last != number(4)
