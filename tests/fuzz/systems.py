"""Hardware that programs are compiled for: what ships, made-up machines with random numbers, several ranks."""

from __future__ import annotations

from random import Random

FUNCTIONS = (
    "matmul", "batch_matmul", "matvec", "dot", "outer", "conv_1d", "conv_2d", "depthwise_conv_1d", "depthwise_conv_2d",
    "max_pool_2d", "sum_pool_2d", "add", "sub", "mul", "div", "fma", "max", "min", "neg", "abs", "exp", "log", "tanh",
    "erf", "sqrt", "rsqrt", "sin", "cos", "floor", "ceil", "round", "cast", "copy", "transpose", "compare", "select",
    "gather", "reduce_sum", "reduce_max", "reduce_min", "reduce_mul",
)  # fmt: skip
ALWAYS = ("add", "copy")
DTYPES = ("f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "i1", "index")
KINDS = ("cpu", "gpu", "upmem", "made-up", "ranks")
"""What `--targets` may name."""


def draw_target(kind: str, rng: Random) -> str:
    """A target of this kind, as YAML or as a name of the library."""
    if kind == "made-up":
        return _device(rng)
    if kind == "ranks":
        return _ranks(rng)
    return {"cpu": "cpu", "gpu": "h100", "upmem": "upmem-rank"}[kind]


def _bytes(rng: Random, least: int, most: int) -> int:
    return int(2 ** rng.randint(least, most))


def _device(rng: Random, name: str = "made-up") -> str:
    """A CPU-like device: a memory, sometimes a shared cache, cores, one or two caches, registers, one or two units."""
    granule = rng.choice([4, 8, 16, 64])
    vector = rng.choice([16, 32, 64])
    levels = [f"{{name: pool, kind: memory, size: 2 GiB, granule: {granule} B, bandwidth: 1 GB/s, latency: 9 us}}"]
    sizes = sorted((_bytes(rng, 10, 20) for _ in range(rng.randint(1, 3))), reverse=True)
    caches = [_cache(rng, place, n, granule) for place, n in enumerate(sizes)]
    shared = rng.randint(0, 1) if len(caches) > 1 else 0
    levels += [*caches[:shared], f"{{name: core, kind: group, count: {rng.choice([1, 2, 3, 4, 6, 7, 16])}}}"]
    levels += caches[shared:]
    levels.append(f"{{name: vreg, kind: register, size: {vector * rng.choice([8, 16])} B, granule: {vector} B}}")
    units = _units(rng, vector)
    model = {16: "x86-64-v2", 32: "x86-64-v3", 64: "x86-64-v3"}[vector]
    bits = min(vector, 32) * 8
    lines = [
        "hw: 1",
        f"device: {name}",
        "class: near-memory",
        "backend: cpu",
        "source: {kind: projected, spread: 50%, note: random numbers}",
        f"clock: {rng.choice([0.2, 0.8, 2.5])} GHz",
        "levels:",
        *(f"  - {line}" for line in levels),
        "units:",
        *units,
        f'target: {{triple: x86_64-unknown-linux-gnu, cpu: {model}, features: "", vector-bits: {bits}}}',
    ]
    return "\n".join(lines) + "\n"


def _cache(rng: Random, place: int, size: int, granule: int) -> str:
    """The `place`-th cache from outside: closer ones are faster, or the description is refused."""
    rates = f"bandwidth: {rng.choice([16, 32]) * 4**place} B/cy, latency: {rng.randint(200, 240) // 7**place} cy"
    return f"{{name: cache{place}, kind: cache, size: {size} B, granule: {granule} B, {rates}}}"


def _units(rng: Random, vector: int) -> list[str]:
    """One unit that does most, and sometimes a second one for few functions and types."""
    first = [f for f in FUNCTIONS if f in ALWAYS or rng.random() < 0.9]
    lines = _unit(rng, "vector", first, [d for d in DTYPES if rng.random() < 0.9] or ["f32"], vector)
    if rng.random() < 0.5:
        second = [f for f in FUNCTIONS if rng.random() < 0.2] or ["matmul"]
        lines += _unit(rng, "special", second, rng.sample(DTYPES[:6], 2), vector)
    return lines


def _unit(rng: Random, name: str, functions: list[str], dtypes: list[str], vector: int) -> list[str]:
    width = {"f64": 8, "i64": 8, "index": 8, "f32": 4, "i32": 4, "f16": 2, "bf16": 2, "i16": 2}
    lanes = ", ".join(f"{d}: {max(1, vector // width.get(d, 1))}" for d in dtypes)
    count = rng.choice([1, 1, 2])
    return [
        f"  - name: {name}",
        "    at: vreg",
        f"    count: {count}",
        f"    functions: [{', '.join(functions)}]",
        f"    lanes: {{{lanes}}}",
    ]


def _ranks(rng: Random) -> str:
    """Two, three or four hosts of one kind, one rank each."""
    hosts, own = rng.choice([2, 2, 3, 4]), rng.random() < 0.5
    device = "made-up" if own else rng.choice(["generic-avx2", "generic-sse"])
    speed = rng.choice(["1 Gbit/s", "25 Gbit/s", "400 Gbit/s", "9000 Gbit/s"])
    params = f"{{device: {device}, hosts: {hosts}, bandwidth: {speed}, latency: {rng.choice([0.1, 2, 20])} us}}"
    system = f"hw: 1\nsystem: some-hosts\nextends: two-hosts\nsource: {{kind: assumed}}\nparams: {params}\n"
    return f"{system}---\n{_device(rng)}" if own else system
