"""Buffers of free size are given back once and after their last use."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.checks.deallocations import check_deallocations
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import parse_module

HOST = """
func.func @main(%x: memref<?xf32> {model.input = "x"}, %n: index) -> (memref<?xf32> {model.output = "y"}) {
  %a = memref.alloc(%n) : memref<?xf32>
  %b = memref.alloc(%n) : memref<?xf32>
  memref.copy %x, %a : memref<?xf32> to memref<?xf32>
  %v = memref.cast %a : memref<?xf32> to memref<?xf32, strided<[?], offset: ?>>
  memref.copy %v, %b : memref<?xf32, strided<[?], offset: ?>> to memref<?xf32>
  memref.dealloc %a : memref<?xf32>
  return %b : memref<?xf32>
}
"""
DEALLOC = "  memref.dealloc %a : memref<?xf32>\n"
COPY = "  memref.copy %v, %b : memref<?xf32, strided<[?], offset: ?>> to memref<?xf32>\n"


def refuted(text: str) -> list[str]:
    return [f.detail for f in check_deallocations(parse_module(text)) if f.verdict is Verdict.REFUTED]


def test_a_buffer_that_is_given_back_is_proved() -> None:
    (finding,) = check_deallocations(parse_module(HOST))
    assert finding.verdict is Verdict.PROVED


def test_a_program_without_buffers_of_its_own_says_nothing() -> None:
    assert check_deallocations(parse_module("func.func @main() {\n return\n}")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (DEALLOC, "", "is never given back"),
        (DEALLOC, DEALLOC * 2, "is given back 2 times"),
        (COPY + DEALLOC, DEALLOC + COPY, "is used after it was given back"),
        (DEALLOC, DEALLOC + DEALLOC.replace("%a", "%b"), "is given back, but others own it by then"),
        (DEALLOC, DEALLOC + DEALLOC.replace("%a", "%x"), "memory that was not allocated here is given back"),
        (DEALLOC, "  scf.if %p {\n" + DEALLOC + "  }\n", "is given back in another block"),
    ],
)
def test_memory_given_back_wrongly_is_refuted(old: str, new: str, said: str) -> None:
    assert old in HOST
    text = HOST.replace(old, new).replace("%n: index)", "%n: index, %p: i1)" if "%p" in new else "%n: index)")
    (detail,) = refuted(text)
    assert said in detail


def test_memory_that_was_given_back_holds_nothing() -> None:
    x, n = np.ones(5, np.float32), np.asarray(5)
    np.testing.assert_array_equal(reference(parse_module(HOST), [x, n])[0], x)
    early = HOST.replace(COPY + DEALLOC, DEALLOC + COPY)
    with pytest.raises(Violation, match="nobody wrote"):
        reference(parse_module(early), [x, n])
