"""Random programs over the tensor contract: which operations, which types, which sizes, which outputs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from tests.fuzz.description import FLOATS, INTEGERS, Base, Description, Output, Type
from tests.fuzz.families import control, models, named, ordered, shapes, structured
from tests.fuzz.scope import DoesNotFit, Scope
from tests.fuzz.text import unread_bases

SIZES = (1, 2, 3, 5, 7, 8, 11, 13, 16, 17, 31, 33, 65)
"""Ones, primes, and one more than a power of two, where tiles end."""
RUN_SIZES = (1, 2, 3, 4, 5, 7, 9, 16, 17, 33)
EMPTY = 0.02
"""How often a size is zero."""

Draw = Callable[[Scope], None]
PLAIN: tuple[tuple[Draw, int], ...] = (
    (structured.elementwise, 10),
    (structured.reduction, 6),
    (structured.argmax, 1),
    (structured.gather, 2),
    (structured.contraction, 4),
    (named.product, 5),
    (named.window, 3),
    (named.elementwise, 2),
    (named.transpose, 2),
    (named.broadcast, 2),
    (named.reduce, 1),
    (named.mapped, 1),
    (models.softmax, 1),
    (models.normalisation, 1),
    (models.layer, 2),
    (models.attention, 1),
    (shapes.slice_of, 3),
    (shapes.insertion, 3),
    (shapes.padding, 2),
    (shapes.joining, 2),
    (shapes.collapsing, 2),
    (shapes.expanding, 2),
    (shapes.generated, 1),
    (shapes.constants, 1),
    (shapes.splatted, 1),
    (shapes.listed, 1),
    (ordered.scan, 1),
    (ordered.sort, 1),
    (ordered.topk, 1),
    (ordered.scatter, 1),
)
NESTED: tuple[tuple[Draw, int], ...] = ((control.branch, 1), (control.loop, 2), (control.repeat, 1))
COUNTED: tuple[tuple[Draw, int], ...] = ((shapes.counted_slice, 4), (shapes.counted_insertion, 4))


def draw_step(scope: Scope) -> None:
    """Appends one operation, sometimes none where the draw does not fit."""
    choices = PLAIN
    if scope.depth < control.DEEPEST:
        choices += NESTED
    if scope.scalars:
        choices += COUNTED
    draws, weights = zip(*choices, strict=True)
    with suppress(DoesNotFit):
        scope.rng.choices(draws, weights)[0](scope)


def draw_program(seed: int, most_steps: int = 8) -> Description:
    """The program that belongs to a seed."""
    rng = Random(seed)
    sizes = [
        0 if rng.random() < EMPTY else rng.choice(SIZES[: rng.choice([6, 9, 13])]) for _ in range(rng.randint(2, 4))
    ]
    dynamic = rng.random() < 0.5
    bases = [Base(n, dynamic and rng.random() < 0.6) for n in sizes]
    program = Description(bases, [], [], [], [sizes], seed)
    scope = Scope(rng, program, _elements(rng), draw_step)
    wanted = rng.randint(1, most_steps)
    for _ in range(4 * wanted):
        if len(program.steps) >= wanted:
            break
        draw_step(scope)
        program.steps = scope.steps
    if not program.steps:
        scope.input(Type("f32", (("b", 0),)))
        named.transpose(scope)
        program.steps = scope.steps
    _choose_outputs(scope)
    settle(program)
    _choose_runs(rng, program)
    return program


def settle(program: Description) -> None:
    """Sizes that nothing tells at run time are fixed, and not at 0: types that say 0 allow less."""
    for base in unread_bases(program):
        program.bases[base] = Base(max(1, program.bases[base].size), False)
        for sizes in program.runs:
            sizes[base] = program.bases[base].size


def _elements(rng: Random) -> list[str]:
    """The element types values of this program are made of: mostly one float type, often one integer type."""
    pool = [rng.choice(["f32", "f32", "f32", "f64", "f16", "bf16"])] * 4
    pool += [rng.choice(INTEGERS)] * rng.choice([0, 1, 1, 4])
    pool += [rng.choice([*FLOATS, *INTEGERS, "i1"])] * rng.choice([0, 0, 1])
    return pool


def _choose_outputs(scope: Scope) -> None:
    """Results that nothing reads, and sometimes one that something does."""
    program, rng = scope.program, scope.rng
    read = {n for s in program.all_steps() for n in [*s.operands, *(y for r in s.regions for y in r.yields)]}
    made = [v for s in program.steps for v in s.results if v.type.shape is not None]
    unread = [v for v in made if v.number not in read]
    chosen = unread[-4:] or made[-1:]
    chosen += [v for v in rng.sample(made, min(1, len(made))) if v not in chosen and rng.random() < 0.4]
    program.outputs = [Output(v.number, v.type.element in INTEGERS and rng.random() < 0.25) for v in chosen]


def _choose_runs(rng: Random, program: Description) -> None:
    if not any(b.is_dynamic for b in program.bases):
        return
    for _ in range(12):
        sizes = [
            (0 if rng.random() < 3 * EMPTY else rng.choice(RUN_SIZES)) if b.is_dynamic else b.size
            for b in program.bases
        ]
        if sizes not in program.runs and program.is_defined(sizes):
            program.runs.append(sizes)
        if len(program.runs) == 3:
            return
