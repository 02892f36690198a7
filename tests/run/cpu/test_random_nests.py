"""Random sums of products against numpy: any loops, any operand layouts, strided windows, sizes known or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.run.cpu.harness import Array, Kernels, this_machine
from tests.run.cpu.kernels import MULTIPLY_ADD, shape_text, structured

SIZES = (1, 2, 3, 5, 7, 13, 16, 17, 31, 33, 40)
SEEDS = 8
PER_SEED = 10


@dataclass(frozen=True)
class Nest:
    """Loop sizes, the loops of each operand in the order of its dimensions, a last dimension `(outer, inner, step)` of
    the first operand that slides a window, if any, and whether sizes are left open until run time."""

    sizes: tuple[int, ...]
    parallel: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    window: tuple[int, int, int] | None
    dynamic: bool

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        first = [self.sizes[d] for d in self.first]
        if self.window:
            outer, inner, step = self.window
            first.append((self.sizes[outer] - 1) * step + self.sizes[inner])
        second, out = ([self.sizes[d] for d in dims] for dims in (self.second, self.parallel))
        return tuple(first), tuple(second), tuple(out)

    def text(self, name: str) -> str:
        loops = "(" + ",".join(f"d{i}" for i in range(len(self.sizes))) + ")"
        first = [f"d{d}" for d in self.first]
        if self.window:
            outer, inner, step = self.window
            first.append(f"d{outer}*{step}+d{inner}")
        maps = [f"{loops}->({','.join(first)})"]
        maps += [f"{loops}->({','.join(f'd{d}' for d in dims)})" for dims in (self.second, self.parallel)]
        kinds = "".join("p" if d in self.parallel else "r" for d in range(len(self.sizes)))
        shapes = [[None] * len(s) if self.dynamic else list(s) for s in self.shapes]
        texts = [shape_text(s) for s in shapes]
        return structured(texts[:2], texts[2], maps, kinds, MULTIPLY_ADD, "0.0", name)

    def exact(self, a: Array, b: Array) -> Array:
        """The sum in f64 by einsum; a window becomes two dimensions of a view."""
        a, b = a.astype(np.float64), b.astype(np.float64)
        first = list(self.first)
        if self.window:
            outer, inner, step = self.window
            shape = (*a.shape[:-1], self.sizes[outer], self.sizes[inner])
            strides = (*a.strides[:-1], a.strides[-1] * step, a.strides[-1])
            a = np.lib.stride_tricks.as_strided(a, shape, strides)
            first += [outer, inner]
        letters = "abcdefgh"
        spell = ["".join(letters[d] for d in dims) for dims in (first, self.second, self.parallel)]
        return np.asarray(np.einsum(f"{spell[0]},{spell[1]}->{spell[2]}", a, b))


def random_nest(random: np.random.Generator) -> Nest:
    count = int(random.integers(2, 6))
    largest = 4 if count >= 4 else len(SIZES)
    sizes = tuple(int(random.choice(SIZES[: largest + 2])) for _ in range(count))
    order = [int(d) for d in random.permutation(count)]
    parallel = tuple(order[: int(random.integers(1, count + 1))])
    first = [d for d in order if random.random() < 0.7]
    second = [d for d in order if d not in first or random.random() < 0.5]
    random.shuffle(first)
    random.shuffle(second)
    window = None
    if count >= 3 and random.random() < 0.4:
        outer, inner = (int(d) for d in random.choice(count, 2, replace=False))
        window = (outer, inner, int(random.integers(1, 4)))
        first = [d for d in first if d not in (outer, inner)]
        second = [*second, *(d for d in (outer, inner) if d not in second and (d not in parallel))]
    return Nest(sizes, parallel, tuple(first), tuple(second), window, bool(random.random() < 0.4))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_sums_of_products(seed: int) -> None:
    random = np.random.default_rng(seed)
    nests = [random_nest(random) for _ in range(PER_SEED)]
    wide = bool(seed % 2)
    machine = this_machine(64, 32) if wide else this_machine(16, 16)
    kernels = Kernels("\n".join(n.text(f"k{i}") for i, n in enumerate(nests)), machine)
    for i, nest in enumerate(nests):
        a, b = (random.standard_normal(s).astype(np.float32) for s in nest.shapes[:2])
        got = kernels.guarded(f"k{i}", a, b, np.full(nest.shapes[2], np.nan, np.float32))[0]
        terms = int(np.prod([n for d, n in enumerate(nest.sizes) if d not in nest.parallel]))
        bound = (terms + 2) * 2.0**-24 * nest.exact(np.abs(a), np.abs(b)) + 1e-37
        assert (np.abs(got - nest.exact(a, b)) <= bound).all(), nest
