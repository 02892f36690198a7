"""Everything that a probe measures, in order, and the calibration file that says so."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import ml_dtypes
import numpy as np

from stratagem.compiler.backends.cpu.loops.dot import dot_of
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.probe import kernels
from stratagem.compiler.probe.found import Found, Tell
from stratagem.compiler.probe.loops import CHAINS, STREAMS, TYPES, load_loops
from stratagem.compiler.probe.timing import best_rate, memory, ring
from stratagem.hwmodels import Device, Level

BEYOND = 8
"""The working set of main memory is this many times the last cache."""
LARGER = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Sizes of the last cache that are tried, in multiples of what the system says."""
ENOUGH = 0.75
"""Part of its bandwidth that a cache must keep for a working set to count as held."""
LARGEST = 1 << 29
"""Bytes of a working set at most, all threads together."""


def measure(device: Device, seconds: float, tell: Tell) -> Found:
    """Measures `device`, which describes this machine, with `seconds` for each of some thirty figures."""
    probe = _Probe(device, seconds, tell)
    probe.multiply_adds()
    probe.scaling()
    probe.memories()
    probe.kernels()
    probe.settle()
    return probe.found


def working_set(device: Device, level: Level, threads: int, last: int) -> int:
    """Bytes of all threads together that lie in a level and not in those inside it: half of what it holds."""
    if level.kind != "cache" or not level.size:
        return min(BEYOND * last, LARGEST, (level.size or LARGEST) // 4)
    private = device.instances(level.name) >= threads
    return level.size // 2 * (threads if private else device.instances(level.name))


def _outermost_cache(device: Device) -> int:
    sizes = [
        level.size * device.instances(level.name) for level in device.memories() if level.kind == "cache" and level.size
    ]
    return max(sizes, default=32 << 20)


class _Probe:
    """The steps, and what they share: the unit that multiplies and adds, its lanes by dtype, the loops."""

    def __init__(self, device: Device, seconds: float, tell: Tell) -> None:
        self.device, self.seconds, self.tell = device, seconds, tell
        self.found = Found()
        self.unit = next(u for u in device.units if "f32" in u.lanes and not u.emulated)
        self.lanes = {dtype: self.unit.lanes[dtype] for dtype in TYPES if dtype in self.unit.lanes}
        self.threads = int(device.target.get("threads", 1))
        target = CpuTarget.of(device)
        self.dots = {dtype: dot for dtype in target.dots if (dot := dot_of(target, dtype)) is not None}
        self.library = load_loops(device, self.lanes, self.dots)

    def multiply_adds(self) -> None:
        """The unit's rate for each dtype, with all threads."""
        for dtype in self.lanes:
            self.tell(f"multiply-adds of {dtype}")
            self.found.units[self.unit.name, dtype] = self._multiply_adds(dtype, self.lanes[dtype], self.threads)
        for dtype, dot in self.dots.items():
            self.tell(f"dot products of {dtype}")
            name = next(u.name for u in self.device.units if dtype in u.tile and not u.emulated)
            factors = dot.group * self.lanes["f32"]
            self.found.units[name, dtype] = self._multiply_adds(dtype, factors, self.threads)

    def scaling(self) -> None:
        """Powers of two of threads, and all of them, against one."""
        counts = sorted({1 << n for n in range(self.threads.bit_length())} | {self.threads})
        rates = {}
        for count in (n for n in counts if n <= self.threads):
            self.tell(f"multiply-adds with {count} of {self.threads} threads")
            rates[count] = self._multiply_adds("f32", self.lanes["f32"], count)
        self.found.scaling = {n: rate / rates[1] for n, rate in rates.items()}

    def memories(self) -> None:
        """Bandwidth and latency of every level."""
        last = _outermost_cache(self.device)
        for level in self.device.memories():
            self.tell(f"memory: {level.name}")
            total = working_set(self.device, level, self.threads, last)
            self.found.bandwidth[level.name] = self._read_rate(total // self.threads)
            one = level.size // 2 if level.kind == "cache" and level.size else total
            self.found.latency[level.name] = self._latency(one, level.granule)
        self._last_cache()

    def _last_cache(self) -> None:
        """How much the outermost cache holds: where a machine is shared or divided, it is seldom what it says."""
        shared = [m for m in self.device.memories() if m.kind == "cache" and m.size]
        if not shared:
            return
        level, pieces = shared[0], self.device.instances(shared[0].name)
        self.tell(f"size of {level.name}")
        least = ENOUGH * self.found.bandwidth[level.name]
        for times in LARGER:
            total = int(times * (level.size or 0) * pieces)
            if total > LARGEST or self._read_rate(total // self.threads) < least:
                break
            self.found.size[level.name] = total

    def kernels(self) -> None:
        """What the compiler's own kernels reach."""
        self.tell("starting a kernel")
        self.found.launch = kernels.launch_seconds(self.device, self.seconds)
        for name, dtype, rate in kernels.function_rates(self.device, self.seconds):
            self.tell(f"exponentials of {dtype}")
            self.found.units[name, dtype] = rate
        peak = self.found.units[self.unit.name, "f32"]
        for share in kernels.product_shares(self.device, self.unit.name, peak, self.seconds):
            self.tell(f"products: {' x '.join(map(str, share.size))}")
            self.found.samples.append(share)

    def settle(self) -> None:
        """Where something else ran meanwhile, one figure can contradict another: the better one is nearer the truth."""
        found, key = self.found, (self.unit.name, "f32")
        fastest = max(share.utilisation for share in found.samples)
        if fastest > 1:
            found.units[key] *= fastest
            found.samples = [replace(share, utilisation=share.utilisation / fastest) for share in found.samples]
        levels = [level.name for level in self.device.memories()]
        for outer, inner in pairwise(levels):
            found.bandwidth[inner] = max(found.bandwidth[inner], found.bandwidth[outer])
        for inner, outer in pairwise(reversed(levels)):
            found.latency[outer] = max(found.latency[inner], found.latency[outer])

    def _multiply_adds(self, dtype: str, factors: int, threads: int) -> float:
        """op/s of so many threads together, each step on vectors of so many factors."""
        function = getattr(self.library, f"multiply_add_{dtype}")
        number = np.dtype(TYPES[dtype][1] if dtype in TYPES else ml_dtypes.bfloat16 if dtype == "bf16" else dtype)
        numbers = [np.full(factors, 1e-3 if number.kind != "i" else 1, number) for _ in range(threads)]
        work = [lambda turns, at=array.ctypes.data: function(turns, at) for array in numbers]
        return best_rate(work, 2.0 * factors * CHAINS, self.seconds)

    def _read_rate(self, size: int) -> float:
        """B/s of all threads, each over `size` bytes of its own."""
        block = STREAMS * 4 * self.lanes["f32"]
        whole = max(size // block, 1) * block
        arrays = [memory(whole, np.float32) for _ in range(self.threads)]
        for array in arrays:
            array[:] = 1.0
        work = [lambda turns, at=a.ctypes.data: self.library.read_all(at, whole, turns) for a in arrays]
        return best_rate(work, float(block), self.seconds)

    def _latency(self, size: int, line: int) -> float:
        """Seconds of one step along a chain of addresses that lie in `size` bytes."""
        held, at = ring(size, line)

        def walk(steps: int) -> None:
            nonlocal at  # each try goes on where the last one ended, else a few lines would stay in the caches
            at = self.library.chase(at, steps)

        seconds = 1.0 / best_rate([walk], 1.0, self.seconds)
        del held  # until here the addresses must be valid
        return seconds
