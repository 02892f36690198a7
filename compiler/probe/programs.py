"""Programs that a probe compiles for any device, at the tensor level."""

from __future__ import annotations


def product(m: int, n: int, k: int, dtype: str = "f32") -> str:
    """The product of two matrices."""
    a, b, c = f"tensor<{m}x{k}x{dtype}>", f"tensor<{k}x{n}x{dtype}>", f"tensor<{m}x{n}x{dtype}>"
    return f"""module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%a: {a} {{model.input = "a"}}, %b: {b} {{model.input = "b"}}) -> ({c} {{model.output = "c"}}) {{
  %zero = arith.constant 0.0 : {dtype}
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%zero : {dtype}) outs(%e : {c}) -> {c}
  %r = linalg.matmul ins(%a, %b : {a}, {b}) outs(%f : {c}) -> {c}
  return %r : {c}
}}
}}"""


def elementwise(count: int, body: str) -> str:
    """One operation on each of `count` numbers `%v`; `%one` is 1."""
    t, row = f"tensor<{count}xf32>", "affine_map<(d0) -> (d0)>"
    return f"""module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%x: {t} {{model.input = "x"}}) -> ({t} {{model.output = "y"}}) {{
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : {t}
  %r = linalg.generic {{indexing_maps = [{row}, {row}], iterator_types = ["parallel"]}} ins(%x : {t}) outs(%e : {t}) {{
  ^bb0(%v: f32, %w: f32):
    %u = {body}
    linalg.yield %u : f32
  }} -> {t}
  return %r : {t}
}}
}}"""
