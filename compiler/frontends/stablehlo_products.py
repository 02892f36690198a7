"""Products of complex tensors as products of their parts: matrix products that everything below knows."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import complex_number, imaginary, is_complex, real, same

PRODUCTS = ("stablehlo.dot_general", "stablehlo.convolution")


def split_product(op: Any) -> None:
    """(a + bi)(c + di) = (ac - bd) + (ad + bc)i for a product of two complex tensors; others stay."""
    if not is_complex(op.results[0]):
        return
    left, right = op.operands
    attributes = {name: op.attributes[name] for name in op.attributes}

    def product(one: Any, two: Any) -> Any:
        kind = ir.RankedTensorType.get(list(op.results[0].type.shape), one.type.element_type)
        return ir.Operation.create(op.name, [kind], [one, two], attributes).result

    with ir.InsertionPoint(op), op.location:
        a, b, c, d = real(left), imaginary(left), real(right), imaginary(right)
        re = same("subtract", product(a, c), product(b, d))
        im = same("add", product(a, d), product(b, c))
        op.results[0].replace_all_uses_with(complex_number(re, im))
    op.erase()
