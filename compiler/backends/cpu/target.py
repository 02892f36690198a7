"""What code generation needs to know of a CPU, read from its hardware description."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.hwmodels import Device

BITS = {
    "f64": 64,
    "i64": 64,
    "index": 64,
    "f32": 32,
    "i32": 32,
    "f16": 16,
    "bf16": 16,
    "i16": 16,
    "i8": 8,
    "i1": 8,
}
GROUP_BYTES = 4
"""Bytes of the elements whose products a dot-product instruction adds to one sum, and of that sum."""


@dataclass(frozen=True)
class CpuTarget:
    """A processor as the code generator sees it.

    Attributes:
        triple, cpu, features: as LLVM spells them; an empty triple means this process's own.
        vector_bytes: bytes of one vector register. registers: how many there are.
        cache_bytes: first-level data cache of one core. panel_bytes: what a packed panel may take of the next one.
        private_bytes: the largest cache that a core has to itself. cached_bytes: all caches of the largest level
        together. line_bytes: of a line of the first level.
        dots: element types of which a unit multiplies and adds groups that fill the lanes of 32-bit sums.
    """

    triple: str = ""
    cpu: str = "generic"
    features: str = ""
    vector_bytes: int = 16
    registers: int = 16
    cache_bytes: int = 32 * 1024
    panel_bytes: int = 256 * 1024
    private_bytes: int = 1024 * 1024
    cached_bytes: int = 64 * 1024 * 1024
    line_bytes: int = 64
    dots: tuple[str, ...] = ()

    def lanes(self, dtype: str) -> int:
        """Elements of `dtype` in one vector register, at least 1."""
        return max(1, self.vector_bytes * 8 // BITS[dtype])

    @staticmethod
    def of(device: Device) -> CpuTarget:
        """Reads the description's `target` facts and its register and cache levels; absent facts take the defaults."""
        facts = device.target
        vector_bytes, registers = _register_file(device)
        levels = [level for level in reversed(device.memories()) if level.kind == "cache" and level.size]
        caches = [level.size for level in levels if level.size]
        default = CpuTarget()
        return CpuTarget(
            triple=str(facts.get("triple", "")),
            cpu=str(facts.get("cpu", default.cpu)),
            features=_features(facts.get("features", "")),
            vector_bytes=vector_bytes,
            registers=registers,
            cache_bytes=caches[0] if caches else default.cache_bytes,
            panel_bytes=caches[1] // 4 if len(caches) > 1 else default.panel_bytes,
            private_bytes=_private_cache(device) or default.private_bytes,
            cached_bytes=max((n * device.instances(c.name) for c, n in zip(levels, caches, strict=True)), default=0)
            or default.cached_bytes,
            line_bytes=levels[0].granule if levels and levels[0].granule > 1 else default.line_bytes,
            dots=_dots(device, vector_bytes),
        )


def _dots(device: Device, vector_bytes: int) -> tuple[str, ...]:
    """Element types of which a unit adds the products of whole groups to one row of sums: its operation is one row of
    as many columns as a register holds sums, and as deep as a group is long."""
    sums = vector_bytes // GROUP_BYTES
    units = [unit for unit in device.units if not unit.emulated and "matmul" in unit.functions]
    return tuple(
        sorted(
            {d for u in units for d, tile in u.tile.items() if tile == (1, sums, GROUP_BYTES * 8 // BITS.get(d, 32))}
        )
    )


def _private_cache(device: Device) -> int:
    """Bytes of the largest cache inside the outermost group; 0 where there is none."""
    kinds = [level.kind for level in device.levels]
    inside = device.levels[kinds.index("group") :] if "group" in kinds else ()
    return max((level.size or 0 for level in inside if level.kind == "cache"), default=0)


def _features(value: object) -> str:
    """`["avx2", "-fma"]` or `"+avx2,-fma"` -> `+avx2,-fma`."""
    parts = value.split(",") if isinstance(value, str) else [str(v) for v in value]  # type: ignore[attr-defined]
    return ",".join(p if p[0] in "+-" else f"+{p}" for p in (part.strip() for part in parts) if p)


def _register_file(device: Device) -> tuple[int, int]:
    """(bytes of a vector register, number of them): the innermost register level's granule and size."""
    default = CpuTarget()
    lanes = [unit.lanes["f32"] for unit in device.units if "f32" in unit.lanes and not unit.emulated]
    for level in reversed(device.levels):
        if level.kind == "register" and level.size:
            width = level.granule if level.granule >= 8 else default.vector_bytes
            return width, max(8, level.size // width)
    return (max(lanes) * 4 if lanes else default.vector_bytes), default.registers
