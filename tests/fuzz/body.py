"""Random scalar code for the bodies of structured operations: typed, and defined for all values it may meet.

A body is a list of instructions; a reference is `a0` (an argument), `t3` (the fourth instruction), `x1` (the index of
loop 1), `s2` (the step's third operand, a scalar), or `c:f32:0.5` (a constant).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.fuzz.description import FLOATS, INTEGERS, WIDTHS, Dim, Value

FLOAT_BINARY = ("addf", "subf", "mulf", "maximumf", "minimumf", "addf", "mulf", "maxnumf", "minnumf")
INTEGER_BINARY = ("addi", "subi", "muli", "andi", "ori", "xori", "maxsi", "minsi", "maxui", "minui")
DIVISIONS = ("divsi", "divui", "remsi", "remui", "ceildivsi", "ceildivui", "floordivsi")
SHIFTS = ("shli", "shrsi", "shrui")
COUNTS = ("math.ctpop", "math.ctlz", "math.cttz", "math.absi")
SMOOTH = ("math.tanh", "math.erf", "math.sin", "math.cos", "math.atan", "arith.negf", "math.absf", "math.erfc")
POSITIVE = ("math.sqrt", "math.rsqrt", "math.log", "math.log1p", "math.log2", "math.cbrt")
GROWING = ("math.exp", "math.expm1", "math.exp2", "math.sinh", "math.cosh")
STEPS = ("math.floor", "math.ceil", "math.trunc", "math.roundeven", "math.round")
FLOAT_TESTS = ("olt", "ole", "ogt", "oge", "oeq", "one", "ult", "uge")
INTEGER_TESTS = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
SAME_WIDTH = {"i64": "f64", "i32": "f32", "i16": "f16"}
CLAMP = 100.0


class BodyMaker:
    """Collects instructions. `arguments` are references with their element types."""

    def __init__(self, rng: Random, arguments: Sequence[tuple[str, str]], loops: int = 0) -> None:
        self.rng, self.arguments, self.loops = rng, list(arguments), loops
        self.code: list[dict[str, Any]] = []
        self.tables: list[Value] = []
        """Tensors that the code reads elements of."""

    def add(self, form: str, op: str, kind: str, args: Sequence[str], to: str = "", **more: Any) -> str:
        self.code.append({"form": form, "op": op, "type": kind, "to": to or kind, "args": list(args), **more})
        return f"t{len(self.code) - 1}"

    def size(self, dim: Dim) -> str:
        """A size of the program, as an index."""
        return self.add("dim", "", "index", [], dim=dim)

    def expression(self, element: str, depth: int) -> str:
        """A reference to a value of `element` made of the arguments."""
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf(element)
        if element in FLOATS:
            return self._float(element, depth)
        return self._boolean(depth) if element == "i1" else self._integer(element, depth)

    def leaf(self, element: str) -> str:
        fitting = [ref for ref, kind in self.arguments if kind == element]
        if fitting and self.rng.random() < 0.85:
            return self.rng.choice(fitting)
        if self.loops and self.rng.random() < 0.2:
            return self.cast(
                self.add("index", "linalg.index", "index", [], n=self.rng.randrange(self.loops)), "index", element
            )
        if self.arguments and self.rng.random() < 0.7:
            return self.cast(*self.rng.choice(self.arguments), element)
        return self.constant(element)

    def constant(self, element: str) -> str:
        if element in FLOATS:
            return f"c:{element}:{self.rng.choice(['0.0', '1.0', '-1.0', '0.5', '2.0', '-0.25', '3.0'])}"
        return f"c:{element}:{self.rng.choice([0, 1] if element == 'i1' else [0, 1, 2, 3, 5, 7])}"

    def _float(self, element: str, depth: int) -> str:
        pick = self.rng.random()
        x = self.expression(element, depth - 1)
        if pick < 0.45:
            return self.add(
                "plain", f"arith.{self.rng.choice(FLOAT_BINARY)}", element, [x, self.expression(element, depth - 1)]
            )
        if pick < 0.65:
            return self.add("plain", self.rng.choice(SMOOTH), element, [x])
        if pick < 0.72:
            return self.add("plain", self.rng.choice(POSITIVE), element, [self._above_half(x, element)])
        if pick < 0.78:
            bounded = self.add("plain", "arith.minimumf", element, [x, f"c:{element}:2.0"])
            return self.add("plain", self.rng.choice(GROWING), element, [bounded])
        if pick < 0.83:
            return self.add("plain", "arith.divf", element, [x, self._above_half(self.leaf(element), element)])
        if pick < 0.86:
            return self.add("plain", self.rng.choice(STEPS), element, [x])
        if pick < 0.89:
            return self.add("plain", "math.fma", element, [x, self.leaf(element), self.leaf(element)])
        if pick < 0.91:
            return self.add("plain", self.rng.choice(["math.copysign", "math.atan2"]), element, [x, self.leaf(element)])
        if pick < 0.92:
            exponent = f"c:{element}:{self.rng.choice(['2.0', '3.0', '0.5', '-1.0', '1.5'])}"
            return self.add("plain", "math.powf", element, [self._above_half(x, element), exponent])
        if pick < 0.97:
            return self.select(self._boolean(depth - 1), x, self.leaf(element), element)
        other = self.rng.choice([*FLOATS, *INTEGERS])
        return self.cast(self.expression(other, depth - 1), other, element)

    def _above_half(self, x: str, element: str) -> str:
        size = self.add("plain", "math.absf", element, [x])
        return self.add("plain", "arith.addf", element, [size, f"c:{element}:0.5"])

    def _integer(self, element: str, depth: int) -> str:
        pick = self.rng.random()
        x = self.expression(element, depth - 1)
        if pick < 0.5:
            return self.add(
                "plain", f"arith.{self.rng.choice(INTEGER_BINARY)}", element, [x, self.expression(element, depth - 1)]
            )
        if pick < 0.62:
            return self.divide(x, self.leaf(element), element)
        if pick < 0.7:
            amount = self.add(
                "plain", "arith.andi", element, [self.leaf(element), f"c:{element}:{WIDTHS[element] - 1}"]
            )
            return self.add("plain", f"arith.{self.rng.choice(SHIFTS)}", element, [x, amount])
        if pick < 0.72 and element in SAME_WIDTH:
            other = SAME_WIDTH[element]
            return self.add("cast", "arith.bitcast", other, [self.leaf(other)], element)
        if pick < 0.75 and element != "index":
            return self.add("plain", self.rng.choice(COUNTS), element, [x])
        if pick < 0.9:
            return self.select(self._boolean(depth - 1), x, self.leaf(element), element)
        other = self.rng.choice([*INTEGERS, "i1", "f32", "index"])
        return self.cast(self.expression(other, depth - 1), other, element)

    def divide(self, x: str, y: str, element: str) -> str:
        """By 1 to 8: a divisor of zero, or a quotient that does not fit, would be undefined."""
        low = self.add("plain", "arith.andi", element, [y, f"c:{element}:7"])
        divisor = self.add("plain", "arith.addi", element, [low, f"c:{element}:1"])
        return self.add("plain", f"arith.{self.rng.choice(DIVISIONS)}", element, [x, divisor])

    def _boolean(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.3:
            op = f"arith.{self.rng.choice(['andi', 'ori', 'xori'])}"
            return self.add("plain", op, "i1", [self._boolean(depth - 1), self._boolean(depth - 1)])
        known = sorted({kind for _, kind in self.arguments if kind != "i1"}) or ["i32"]
        element = self.rng.choice(known)
        x, y = self.leaf(element), self.leaf(element)
        if element in FLOATS:
            return self.add("compare", "arith.cmpf", element, [x, y], "i1", how=self.rng.choice(FLOAT_TESTS))
        return self.add("compare", "arith.cmpi", element, [x, y], "i1", how=self.rng.choice(INTEGER_TESTS))

    def select(self, condition: str, x: str, y: str, element: str) -> str:
        return self.add("select", "arith.select", element, [condition, x, y])

    def cast(self, x: str, old: str, new: str) -> str:
        """To another element type; numbers outside the new type are brought into it first where that matters."""
        if old == new:
            return x
        if old in FLOATS:
            return self._from_float(x, old, new)
        if new in FLOATS:
            if old == "index":
                x, old = self.add("cast", "arith.index_cast", "index", [x], "i64"), "i64"
            op = "arith.uitofp" if old == "i1" else self.rng.choice(["arith.sitofp", "arith.uitofp"])
            return self.add("cast", op, old, [x], new)
        if new == "i1":
            return self.add("compare", "arith.cmpi", old, [x, f"c:{old}:0"], "i1", how="ne")
        if "index" in (old, new):
            return self.add("cast", self.rng.choice(["arith.index_cast", "arith.index_castui"]), old, [x], new)
        if WIDTHS[old] > WIDTHS[new]:
            return self.add("cast", "arith.trunci", old, [x], new)
        op = "arith.extui" if old == "i1" else self.rng.choice(["arith.extsi", "arith.extui"])
        return self.add("cast", op, old, [x], new)

    def _from_float(self, x: str, old: str, new: str) -> str:
        if new in FLOATS and WIDTHS[old] == WIDTHS[new]:
            return self.cast(self.add("cast", "arith.extf", old, [x], "f32"), "f32", new)
        if new in FLOATS:
            return self.add("cast", "arith.extf" if WIDTHS[old] < WIDTHS[new] else "arith.truncf", old, [x], new)
        if new == "i1":
            return self.add("compare", "arith.cmpf", old, [x, f"c:{old}:0.0"], "i1", how="ogt")
        is_signed = self.rng.random() < 0.7
        least = f"c:{old}:{-CLAMP if is_signed else 0.0}"
        low = self.add("plain", "arith.maximumf", old, [x, least])
        held = self.add("plain", "arith.minimumf", old, [low, f"c:{old}:{CLAMP}"])
        target = "i64" if new == "index" else new
        whole = self.add("cast", "arith.fptosi" if is_signed else "arith.fptoui", old, [held], target)
        return self.cast(whole, target, new)
