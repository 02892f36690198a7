"""Proofs of kernels, once per template: kernels that differ in name only are proved once, within a limit of steps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import islpy as isl

from stratagem.compiler.checks.kernel_proofs import prove_kernel
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import symbol_name

MOST_STEPS = 20_000_000
"""Of isl for one kernel: some ten seconds. Kernels of real models take thousands."""
MOST_TEMPLATES = 4096
"""Remembered; the one not used for longest goes first."""
_proved: OrderedDict[tuple[Any, ...], list[Finding]] = OrderedDict()


def prove_template(function: Any, level: str, premises: Sequence[str], updated: frozenset[int]) -> list[Finding]:
    """The findings of `prove_kernel`; a kernel of the same text and premises, proved before, is not proved again.

    A proof that takes more than MOST_STEPS ends as *not checked* and names the obligation it was at.
    """
    name = symbol_name(function)
    key = (_without_name(function, name), level, tuple(premises), updated)
    if key not in _proved:
        if len(_proved) >= MOST_TEMPLATES:
            _proved.popitem(last=False)
        _proved[key] = [_renamed(f, name, "") for f in _within_limit(function, level, premises, updated)]
    _proved.move_to_end(key)
    return [_renamed(f, "", name) for f in _proved[key]]


def _without_name(function: Any, name: str) -> str:
    """The kernel as text with its locations: findings tell them."""
    return str(function.operation.get_asm(enable_debug_info=True)).replace(f"@{name}", "@", 1)


def _renamed(finding: Finding, old: str, new: str) -> Finding:
    return replace(finding, subject=new + finding.subject.removeprefix(old))


def _within_limit(function: Any, level: str, premises: Sequence[str], updated: frozenset[int]) -> list[Finding]:
    context = isl.DEFAULT_CONTEXT
    context.reset_operations()
    context.set_max_operations(MOST_STEPS)
    try:
        return prove_kernel(function, level, premises, updated)
    except isl.Error as error:
        if not _out_of_steps():
            raise
        at = next((note for note in getattr(error, "__notes__", ())), "the sizes of callers")
        detail = f"the proofs of this kernel took more than {MOST_STEPS} steps; it was at: {at}"
        return [Finding(level, symbol_name(function), "races and bounds", Verdict.NOT_CHECKED, detail)]
    finally:
        context.set_max_operations(0)
        context.reset_operations()


def _out_of_steps() -> bool:
    """Whether isl refuses even the simplest set."""
    try:
        isl.Set("{ : }")
    except isl.Error:
        return True
    return False
