"""How many small random edits of a kernel's IR the checks notice: the score of the interpreter as a test
oracle.
"""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.api import Violation, equal_in_field, reference
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import StratagemError
from tests.unit.interpreter import programs

EDITS = 100
LEAST_SCORE = 0.99
Shapes = dict[str, tuple[int, ...]]
KERNELS: list[tuple[str, str, Shapes]] = [
    (programs.MATMUL_GELU_TENSOR, programs.MATMUL_GELU_DEVICE, {"a": (11, 19), "w": (19, 23), "b": (23,)}),
    (programs.SOFTMAX_TENSOR, programs.SOFTMAX_DEVICE, {"x": (7, 37)}),
    (programs.LAYER_NORM_TENSOR, programs.LAYER_NORM_DEVICE, {"x": (5, 21), "g": (21,)}),
    (programs.CONV_TENSOR, programs.CONV_DEVICE, {"x": (1, 3, 15, 17), "k": (5, 3, 3, 3)}),
    (programs.REDUCTION_TENSOR, programs.REDUCTION_DEVICE, {"x": (53,)}),
    (programs.MATVEC_TENSOR, programs.MATVEC_DEVICE, {"a": (37, 24), "x": (24,)}),
]
OPERATIONS = ("addf", "subf", "mulf", "divf", "maximumf", "minimumf")


def edited(text: str, rng: random.Random) -> str | None:
    """One edit inside the kernel: another operation, swapped operands, a number off by one, another value
    or map.
    """
    start = text.rindex("func.func private")
    head, code = text[:start], text[start:]
    kind = rng.choice(["operation", "swap", "number", "value", "constant"])
    patterns = {
        "operation": rf"arith\.({'|'.join(OPERATIONS)})",
        "swap": r"arith\.(?:subf|divf) (%\w+, %\w+)",
        "number": r"(?<=[\[ ,(])(\d+)(?=[\],) ])",
        "value": r"(?:ins|outs)\((%\w+)",
        "constant": r"arith\.constant (0\.0|1\.0|0\.5|0xFF800000) ",
    }
    found = list(re.finditer(patterns[kind], code))
    if not found:
        return None
    place = rng.choice(found)
    old = place[1]
    choices = {
        "operation": [name for name in OPERATIONS if name != old],
        "swap": [", ".join(reversed(old.split(", ")))],
        "number": [str(int(old) + 1), str(max(0, int(old) - 1))] if old.isdigit() else [],
        "value": re.findall(r"(%\w+) =", code),
        "constant": [number for number in ("0.0", "1.0", "0.25") if number != old],
    }
    new = rng.choice(choices[kind])
    return head + code[: place.start(1)] + new + code[place.end(1) :] if new != old else None


def verdict(plain: Any, broken: Any, shapes: Shapes) -> str:
    """`killed`, `equivalent` (same float64 results on several inputs) or `missed`."""
    try:
        if equal_in_field(plain, broken, shapes=shapes) is not None:
            return "killed"
    except Violation:
        return "killed"
    rng = np.random.default_rng(1)
    for scale in (1.0, 0.01, 5.0):
        inputs = {name: (rng.standard_normal(shape) * scale).astype(np.float32) for name, shape in shapes.items()}
        (a,), (b,) = reference(plain, inputs), reference(broken, inputs)
        if not np.allclose(a, b, rtol=1e-9, atol=1e-12):
            return "missed"
    return "equivalent"


def test_nearly_every_real_change_is_noticed() -> None:
    rng = random.Random(7)
    counts = {"killed": 0, "equivalent": 0, "missed": 0}
    survivors = []
    while sum(counts.values()) < EDITS:
        plain, kernel, shapes = rng.choice(KERNELS)
        text = edited(kernel, rng)
        if text is None:
            continue
        try:
            broken = parse_module(text)
        except StratagemError:
            continue  # MLIR's own verifier noticed
        outcome = verdict(parse_module(plain), broken, shapes)
        counts[outcome] += 1
        if outcome == "missed":
            survivors.append(text)
    score = counts["killed"] / (counts["killed"] + counts["missed"])
    assert score >= LEAST_SCORE, (counts, survivors[:2])
    assert counts["killed"] > EDITS // 2, counts
