"""Kernels that a library may do: which units of a device offer one, which kernels suit, who was chosen and why.

A kernel that a library does is the same IR as any other: a product on tiles is what it means, and what interpreters
run. Only its claim names a unit whose function is a call (`calls` in the hardware file); the backend emits that call
for each tile.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.structured import (
    CASTS,
    accesses,
    body_ops,
    dtype,
    is_permutation,
    loop_extents,
)
from stratagem.hwmodels import Device, Unit

OFFER = "device.offer"
"""On a kernel that a library could do: `{unit, chosen, measured, generated, library}`, seconds of a call of each."""

MOST = 2**31
"""Sizes that the narrowest convention can pass are below."""


@dataclass(frozen=True)
class Offer:
    """What a library's offer came to: the unit that is one, whether it does the kernel, whether both were measured here
    or estimated, and seconds of a call by generated code and by the library."""

    unit: str
    chosen: bool
    measured: bool
    generated: float
    library: float

    def to_json(self) -> dict[str, Any]:
        """Seconds, and who was chosen by which."""
        return asdict(self)

    def __str__(self) -> str:
        """`blas; generated code takes 1.31 times as long (measured: 1.18 against 0.9 ms)`."""
        won, lost = (self.library, self.generated) if self.chosen else (self.generated, self.library)
        winner, loser = (self.unit, "generated code") if self.chosen else ("generated code", self.unit)
        how = "measured" if self.measured else "estimated"
        times = f"{lost * 1e3:.3g} against {won * 1e3:.3g} ms"
        return f"{winner}; {loser} takes {lost / won:.2f} times as long ({how}: {times})"


def write_offer(function: Any, offer: Offer) -> None:
    """Leaves on a kernel what its offer came to."""
    f64 = ir.F64Type.get()
    entries = {
        "unit": ir.StringAttr.get(offer.unit),
        "chosen": ir.BoolAttr.get(offer.chosen),
        "measured": ir.BoolAttr.get(offer.measured),
        "generated": ir.FloatAttr.get(f64, offer.generated),
        "library": ir.FloatAttr.get(f64, offer.library),
    }
    function.attributes[OFFER] = ir.DictAttr.get(entries)


def read_offer(function: Any) -> Offer | None:
    """What a kernel's offer came to; None where there was none."""
    if OFFER not in function.attributes:
        return None
    entries = {entry.name: entry.attr.maybe_downcast().value for entry in ir.DictAttr(function.attributes[OFFER])}
    return Offer(**entries)


def offering_units(function: Any, device: Device) -> tuple[Unit, ...]:
    """The libraries that could do a kernel's product; none where it is no plain one of known sizes."""
    products = kernel.contractions(kernel.body_ops(function))
    if len(products) != 1 or not is_plain_product(products[0]):
        return ()
    return device.libraries_for(kernel.claim(function).get("function", ""), dtype(products[0].operands[0]))


def is_plain_product(op: Any) -> bool:
    """Whether a contraction is a product of two matrices as they lie, in one element type, with all sizes known."""
    kinds = {dtype(value) for value in op.operands}
    reads = accesses(op)
    plain = len(reads[0]) == len(reads[1]) == len(reads[2]) == 2 and all(is_permutation(a) for a in reads)
    converts = any(inner.name in CASTS for inner in body_ops(op))
    extents = loop_extents(op)
    known = len(extents) == 3 and all(n is not None and 0 < n < MOST for n in extents)
    return plain and known and len(kinds) == 1 and not converts


def claimed_library(function: Any, device: Device) -> Unit | None:
    """The library that a kernel claims to be done by; None where code is generated."""
    claim = kernel.claim(function)
    unit = next((u for u in device.units if u.name == claim.get("unit", "")), None)
    return unit if unit is not None and claim.get("function", "") in unit.calls else None


def claim_unit(function: Any, unit: Unit) -> None:
    """Gives a kernel to another unit of its device."""
    kernel.set_claim(function, {**kernel.claim(function), "unit": unit.name}, kernel.candidates(function))
