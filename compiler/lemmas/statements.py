"""The lemmas. A statement about every value, not about a program: what a rewrite does to a program, `verify` checks.

A claim is an equation or implication over the variables, in Python's notation: `+ - * / // %` and comparisons, `max`,
`min`, `If(c, a, b)`, `And`, `Or`, `Not`, `Implies`, and `exp`, of which it is known that exp(a + b) = exp(a) exp(b),
exp(0) = 1 and exp > 0. Reductions over any number of terms are stated as their start and one step: the induction is
the same for all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Lemma:
    """A statement for all values of its variables.

    Attributes:
        name: its id. says: in words. variables: name -> `real` or `int`. given: what may be assumed. claims: what holds
            then, each.
    """

    name: str
    says: str
    variables: dict[str, str]
    claims: tuple[str, ...]
    given: tuple[str, ...] = field(default=())

    @property
    def digest(self) -> str:
        """Of the statement without its words: a proof holds for this digest only."""
        text = repr((self.name, sorted(self.variables.items()), self.given, self.claims))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _variables(names: str, sort: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), sort)


LEMMAS: tuple[Lemma, ...] = (
    Lemma(
        "sum-onto-zero",
        "Summing onto a value is summing onto zero and adding the value afterwards.",
        _variables("init total term", "real"),
        ("init == 0 + init", "(init + total) + term == init + (total + term)"),
    ),
    Lemma(
        "sum-in-parts",
        "Two partial sums, each started at zero and each one term longer, still make the whole sum.",
        _variables("a b whole x y", "real"),
        ("0 + 0 == 0", "(a + x) + b == whole + x", "a + (b + y) == whole + y"),
        given=("a + b == whole",),
    ),
    Lemma(
        "product-in-parts",
        "Two partial products, each started at one, make the whole product.",
        _variables("a b whole x y", "real"),
        ("1 * 1 == 1", "(a * x) * b == whole * x", "a * (b * y) == whole * y"),
        given=("a * b == whole",),
    ),
    Lemma(
        "extreme-in-parts",
        "Maxima and minima of parts, however often an element is in them, make those of the whole.",
        _variables("a b x y", "real"),
        (
            "max(max(a, x), b) == max(max(a, b), x)",
            "max(a, max(b, y)) == max(max(a, b), y)",
            "max(max(a, x), x) == max(a, x)",
            "min(min(a, x), b) == min(min(a, b), x)",
            "min(min(a, x), x) == min(a, x)",
        ),
    ),
    Lemma(
        "contraction-in-parts",
        "A contraction cut along its reduction loop: the parts' results sum to the whole's, and a common factor of the"
        " terms may be taken out of either.",
        _variables("a b whole x y f", "real"),
        ("(a + x * y) + b == whole + x * y", "a * f + b * f == whole * f"),
        given=("a + b == whole",),
    ),
    Lemma(
        "flat-index",
        "Two dimensions are one: i n + j determines i and j, and reaches every element once.",
        _variables("i j n m k", "int"),
        (
            "(i * n + j) // n == i",
            "(i * n + j) % n == j",
            "And(0 <= i * n + j, i * n + j < m * n)",
            "(k // n) * n + k % n == k",
            "And(k // n < m, 0 <= k % n, k % n < n)",
        ),
        given=("n >= 1", "m >= 1", "0 <= i", "i < m", "0 <= j", "j < n", "0 <= k", "k < m * n"),
    ),
    Lemma(
        "unit-index",
        "A dimension of size one has index zero, so reading without it reads the same element.",
        _variables("i n", "int"),
        ("i == 0", "i * n == 0"),
        given=("n == 1", "0 <= i", "i < n"),
    ),
    Lemma(
        "permuted-index",
        "A copy with its dimensions in another order, read in that order, is its source.",
        _variables("i j p q", "int"),
        ("And(i == p, j == q)",),
        given=("And(p == i, q == j)",),
    ),
    Lemma(
        "shifted-index",
        "Inside a frame, the element at i + low is the one that was framed at i, and it lies inside the whole.",
        _variables("i low high size", "int"),
        ("(i + low) - low == i", "And(0 <= i + low, i + low < low + size + high)"),
        given=("0 <= low", "0 <= high", "0 <= i", "i < size"),
    ),
    Lemma(
        "square",
        "x to the power of 2, 3, 1 and -1, as products and a quotient.",
        _variables("x y", "real"),
        ("x ** 2 == x * x", "x ** 3 == x * x * x", "x ** 1 == x", "Implies(x * y == 1, 1 / x == y)"),
        given=("x != 0",),
    ),
    Lemma(
        "tanh-by-expm1",
        "tanh a = t / (t + 2) with t = exp(2 a) - 1.",
        _variables("a", "real"),
        ("(exp(a) - exp(0 - a)) / (exp(a) + exp(0 - a)) == (exp(a + a) - 1) / ((exp(a + a) - 1) + 2)",),
    ),
    Lemma(
        "divide-by-reciprocal",
        "Dividing is multiplying by the reciprocal.",
        _variables("x s", "real"),
        ("x / s == x * (1 / s)",),
        given=("s != 0",),
    ),
    Lemma(
        "divided-after-contraction",
        "A contraction of quotients by one number is the contraction, divided by it: its start, and one term more.",
        _variables("total p v s", "real"),
        ("0 / s == 0", "total / s + (p / s) * v == (total + p * v) / s"),
        given=("s != 0",),
    ),
    Lemma(
        "exponentials-of-a-row",
        "Of the exponentials of values less the largest, that of the largest is one, so that their sum is at least one"
        " however many there are.",
        _variables("x m rest", "real"),
        ("Implies(x == m, exp(x - m) == 1)", "Implies(rest >= 0, exp(m - m) + rest >= 1)", "exp(x - m) + rest > rest"),
    ),
    Lemma(
        "at-least-one",
        "A sum, or one where it is less, is at least one. An exponential less something larger is no larger.",
        _variables("x m c s", "real"),
        ("If(s < 1, 1, s) >= 1", "Implies(x <= m, x - If(m < c, c, m) <= 0)"),
    ),
    Lemma(
        "selected-once",
        "Computing an element where it is read gives what was stored: the body is a function of its operands.",
        _variables("x y", "real"),
        ("Implies(x == y, exp(x) == exp(y))",),
    ),
    Lemma(
        "one-term-of-a-column",
        "A rank that holds some columns of a product computes those columns as the whole product has them.",
        _variables("total x w v", "real"),
        ("Implies(w == v, total + x * w == total + x * v)",),
    ),
    Lemma(
        "reduced-then-gathered",
        "Each element reduced by the rank that keeps it, then gathered, is reduced on every rank.",
        _variables("a b c d", "real"),
        ("(a + b) + (c + d) == ((a + b) + c) + d", "a + b == b + a", "(a + b) + c == a + (b + c)"),
    ),
    Lemma(
        "scaled-factor",
        "A factor's scale may be the other factor's: each product stays what it is, and so does their sum.",
        _variables("total x y scale", "real"),
        ("total + x * (y * scale) == total + (x * scale) * y",),
    ),
    Lemma(
        "moved-factors",
        "Products of factors that are moved sum to the sum of the products and what the moves add, which sums of single"
        " factors tell. It holds for integers, so it holds for what is left of them modulo a power of two.",
        _variables("total moved xs ys x y p q", "int"),
        (
            "Implies(moved == total - q * xs - p * ys, (x - p) * (y - q) + moved"
            " == (total + x * y) - q * (xs + x) - p * (ys + (y - q)))",
            "0 == 0 - q * 0 - p * 0",
        ),
    ),
)
BY_NAME = {lemma.name: lemma for lemma in LEMMAS}
