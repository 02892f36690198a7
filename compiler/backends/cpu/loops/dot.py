"""Instructions that multiply narrow elements and add their products, group by group, to sums of 32 bits.

    sums[i] += x[i, 0] * y[i, 0] + ... + x[i, g - 1] * y[i, g - 1]

A group of `g` neighbours fills 32 bits: two bf16, four i8. Which processor has which instruction is told by the
features of its description, in LLVM's spelling. Sources: Intel 64 and IA-32 Architectures Software Developer's Manual
(VDPBF16PS: two multiply-adds, each rounded to the nearest, denormals are zero; VPDPBUSD: unsigned times signed bytes,
sums wrap); Arm Architecture Reference Manual for A-profile (SDOT, UDOT: bytes of one kind, sums wrap).
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.build import parse_type, vector_type
from stratagem.compiler.backends.cpu.target import GROUP_BYTES, CpuTarget

SIGN_BITS = 0x80808080 - 2**32
"""The sign bit of each of the four bytes of an i32."""


@dataclass(frozen=True)
class Dot:
    """One instruction, for operands of known signs.

    Attributes:
        element: "bf16" or "i8". intrinsic: LLVM's name. columns_first: whether the columns are its first factor.
        flipped: whether it takes the rows' bytes with their sign bits flipped, which are 128 more or less. Then the
            sums come out wrong by 128 times the sum of the columns, which is exact modulo 2^32.
    """

    element: str
    intrinsic: str
    columns_first: bool = True
    flipped: bool = False

    @property
    def group(self) -> int:
        """Elements of a group."""
        return 4 if self.element == "i8" else 2

    @property
    def storage(self) -> Any:
        """The integer type of one element's bits."""
        return parse_type(f"i{8 * GROUP_BYTES // self.group}")

    def add(self, sums: Any, columns: Any, rows: Any) -> Any:
        """The sums with the products of two vectors of groups (i32) added."""
        lanes = ir.VectorType(sums.type).shape[0]
        narrow = vector_type(lanes * self.group, parse_type(self.element))
        factors = [
            ir.Operation.create("vector.bitcast", results=[narrow], operands=[v]).result for v in (columns, rows)
        ]
        attributes = {
            "intrin": ir.StringAttr.get(self.intrinsic),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([3, 0]),
            "op_bundle_sizes": ir.DenseI32ArrayAttr.get([]),
        }
        operands = [sums, *(factors if self.columns_first else reversed(factors))]
        return ir.Operation.create(
            "llvm.call_intrinsic", results=[sums.type], operands=operands, attributes=attributes
        ).result


def dot_of(target: CpuTarget, element: str, signs: tuple[bool, bool] = (True, True)) -> Dot | None:
    """The instruction that multiplies columns and rows of `element`, which are signed or not; None where the processor
    has none, or its description tells of no unit that works on groups of them."""
    if element not in target.dots:
        return None
    features, bits = target.features.split(","), 8 * target.vector_bytes
    architecture = (target.triple or platform.machine()).partition("-")[0]
    if architecture == "x86_64":
        return _x86(element, features, bits, signs)
    if architecture == "aarch64" and element == "i8" and "+dotprod" in features and bits == 128:
        name = "sdot" if signs[0] else "udot"
        return Dot(element, f"llvm.aarch64.neon.{name}.v4i32.v16i8", flipped=signs[0] != signs[1])
    return None


def _x86(element: str, features: Collection[str], bits: int, signs: tuple[bool, bool]) -> Dot | None:
    evex = bits == 512 or "+avx512vl" in features  # which registers shorter than 512 bits need
    if element == "bf16" and evex and "+avx512bf16" in features:
        return Dot(element, f"llvm.x86.avx512bf16.dpbf16ps.{bits}")
    if element == "i8" and ((evex and "+avx512vnni" in features) or (bits < 512 and "+avxvnni" in features)):
        name = f"llvm.x86.avx512.vpdpbusd.{bits}"
        return Dot(element, name, columns_first=not signs[0], flipped=signs[0] == signs[1])
    return None
