"""Tensor-level programs, for tests that go through the schedule."""

from __future__ import annotations


def _module(arguments: str, result: str, body: str) -> str:
    return f"""module attributes {{stratagem.level = "tensor"}} {{
func.func @main({arguments}) -> ({result} {{model.output = "o"}}) {{
{body}
}}
}}"""


def _zero(dtype: str) -> str:
    return "0.0" if dtype.startswith("f") else "0"


def matmul(m: int, n: int, k: int, dtype: str) -> str:
    a, b, c = f"tensor<{m}x{k}x{dtype}>", f"tensor<{k}x{n}x{dtype}>", f"tensor<{m}x{n}x{dtype}>"
    return _module(
        f'%a: {a} {{model.input = "a"}}, %b: {b} {{model.input = "b"}}',
        c,
        f"""  %z = arith.constant {_zero(dtype)} : {dtype}
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%z : {dtype}) outs(%e : {c}) -> {c}
  %r = linalg.matmul ins(%a, %b : {a}, {b}) outs(%f : {c}) -> {c}
  return %r : {c}""",
    )


def matmul_onto_itself(n: int) -> str:
    """a + a @ b: the sum starts from an operand that every step still reads."""
    t = f"tensor<{n}x{n}xf32>"
    return _module(
        f'%a: {t} {{model.input = "a"}}, %b: {t} {{model.input = "b"}}',
        t,
        f"""  %r = linalg.matmul ins(%a, %b : {t}, {t}) outs(%a : {t}) -> {t}
  return %r : {t}""",
    )


def chain(n: int, dtype: str) -> str:
    """(a + b) * b."""
    t = f"tensor<{n}x{dtype}>"
    row = "affine_map<(d0) -> (d0)>"
    kind = "f" if dtype.startswith("f") else "i"
    return _module(
        f'%a: {t} {{model.input = "a"}}, %b: {t} {{model.input = "b"}}',
        t,
        f"""  %e = tensor.empty() : {t}
  %r = linalg.generic {{indexing_maps = [{row}, {row}, {row}], iterator_types = ["parallel"]}}
      ins(%a, %b : {t}, {t}) outs(%e : {t}) {{
  ^bb0(%x: {dtype}, %y: {dtype}, %w: {dtype}):
    %u = arith.add{kind} %x, %y : {dtype}
    %v = arith.mul{kind} %u, %y : {dtype}
    linalg.yield %v : {dtype}
  }} -> {t}
  return %r : {t}""",
    )


def row_sums(m: int, n: int, dtype: str) -> str:
    a, o = f"tensor<{m}x{n}x{dtype}>", f"tensor<{m}x{dtype}>"
    kind = "f" if dtype.startswith("f") else "i"
    return _module(
        f'%a: {a} {{model.input = "a"}}',
        o,
        f"""  %z = arith.constant {_zero(dtype)} : {dtype}
  %e = tensor.empty() : {o}
  %f = linalg.fill ins(%z : {dtype}) outs(%e : {o}) -> {o}
  %r = linalg.reduce ins(%a : {a}) outs(%f : {o}) dimensions = [1] (%x: {dtype}, %y: {dtype}) {{
    %u = arith.add{kind} %x, %y : {dtype}
    linalg.yield %u : {dtype}
  }}
  return %r : {o}""",
    )


def softmax(m: int, n: int) -> str:
    t, r = f"tensor<{m}x{n}xf32>", f"tensor<{m}xf32>"
    two, row = "affine_map<(d0, d1) -> (d0, d1)>", "affine_map<(d0, d1) -> (d0)>"
    parallel = 'iterator_types = ["parallel", "parallel"]'
    over = 'iterator_types = ["parallel", "reduction"]'
    return _module(
        f'%x: {t} {{model.input = "x"}}',
        t,
        f"""  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : {t}
  %s = tensor.empty() : {r}
  %f = linalg.fill ins(%low : f32) outs(%s : {r}) -> {r}
  %top = linalg.generic {{indexing_maps = [{two}, {row}], {over}}} ins(%x : {t}) outs(%f : {r}) {{
  ^bb0(%a: f32, %b: f32):
    %c = arith.maximumf %a, %b : f32
    linalg.yield %c : f32
  }} -> {r}
  %ex = linalg.generic {{indexing_maps = [{two}, {row}, {two}], {parallel}}} ins(%x, %top : {t}, {r}) outs(%e : {t}) {{
  ^bb0(%a: f32, %b: f32, %c: f32):
    %d = arith.subf %a, %b : f32
    %g = math.exp %d : f32
    linalg.yield %g : f32
  }} -> {t}
  %f2 = linalg.fill ins(%zero : f32) outs(%s : {r}) -> {r}
  %sum = linalg.generic {{indexing_maps = [{two}, {row}], {over}}} ins(%ex : {t}) outs(%f2 : {r}) {{
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  }} -> {r}
  %q = linalg.generic {{indexing_maps = [{two}, {row}, {two}], {parallel}}} ins(%ex, %sum : {t}, {r}) outs(%e : {t}) {{
  ^bb0(%a: f32, %b: f32, %c: f32):
    %d = arith.divf %a, %b : f32
    linalg.yield %d : f32
  }} -> {t}
  return %q : {t}""",
    )


def strided_convolution(size: int, dtype: str) -> str:
    """A 3x3 convolution with stride 2 on one image of 3 channels, 5 filters."""
    out = (size - 3) // 2 + 1
    x, w, o = f"tensor<1x3x{size}x{size}x{dtype}>", f"tensor<5x3x3x3x{dtype}>", f"tensor<1x5x{out}x{out}x{dtype}>"
    return _module(
        f'%a: {x} {{model.input = "a"}}, %b: {w} {{model.input = "b"}}',
        o,
        f"""  %z = arith.constant {_zero(dtype)} : {dtype}
  %e = tensor.empty() : {o}
  %f = linalg.fill ins(%z : {dtype}) outs(%e : {o}) -> {o}
  %r = linalg.conv_2d_nchw_fchw {{dilations = dense<1> : tensor<2xi64>, strides = dense<2> : tensor<2xi64>}}
      ins(%a, %b : {x}, {w}) outs(%f : {o}) -> {o}
  return %r : {o}""",
    )


def gather(rows: int, columns: int, count: int) -> str:
    """Row `index[i]` of a table, negative indices from the end; clamped, so that no other kernel compares them."""
    t, i, o = f"tensor<{rows}x{columns}xf32>", f"tensor<{count}xi64>", f"tensor<{count}x{columns}xf32>"
    two, row = "affine_map<(d0, d1) -> (d0, d1)>", "affine_map<(d0, d1) -> (d0)>"
    return _module(
        f'%i: {i} {{model.input = "i"}}, %t: {t} {{model.input = "t"}}',
        o,
        f"""  %rows = arith.constant {rows} : i64
  %last = arith.constant {rows - 1} : i64
  %zero = arith.constant 0 : i64
  %e = tensor.empty() : {o}
  %r = linalg.generic {{indexing_maps = [{row}, {two}], iterator_types = ["parallel", "parallel"]}}
      ins(%i : {i}) outs(%e : {o}) {{
  ^bb0(%x: i64, %y: f32):
    %c = arith.cmpi slt, %x, %zero : i64
    %w = arith.addi %x, %rows : i64
    %s = arith.select %c, %w, %x : i64
    %low = arith.maxsi %s, %zero : i64
    %inside = arith.minsi %low, %last : i64
    %n = arith.index_cast %inside : i64 to index
    %m = linalg.index 1 : index
    %v = tensor.extract %t[%n, %m] : {t}
    linalg.yield %v : f32
  }} -> {o}
  return %r : {o}""",
    )
