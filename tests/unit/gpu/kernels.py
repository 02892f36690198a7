"""Kernels in device form, written out as the contract has them, for the tests of the GPU backend.

Each function returns the text of a module with one kernel. Sizes are numbers, or `?` for a dynamic first
dimension; tiles are small and odd on purpose, so that every mask matters.
"""

from __future__ import annotations

ZEROS = {"f32": "0.0 : f32", "f16": "0.0 : f16", "bf16": "0.0 : bf16"}
LOWEST = {"f32": "0xFF800000 : f32", "f16": "0xFC00 : f16", "bf16": "0xFF80 : bf16"}

Extent = int | str

ID2 = "affine_map<(d0, d1) -> (d0, d1)>"
ROW = "affine_map<(d0, d1) -> (d0)>"
PARALLEL = 'iterator_types = ["parallel", "parallel"]'
REDUCING = 'iterator_types = ["parallel", "reduction"]'
COLUMN = "affine_map<(d0, d1) -> (d1)>"


def _kernel(name: str, signature: str, result: str, body: str, unit: str = "simt") -> str:
    claims = f'device.kernel = {{class = "h100", unit = "{unit}", function = "{name}"}}'
    return f"""\
module attributes {{stratagem.level = "device"}} {{
  func.func private @{name}({signature}) -> {result} attributes {{{claims}}} {{
{body}
  }}
}}
"""


def matmul_gelu(m: Extent, k: int, n: int, dtype: str = "f32", tile: tuple[int, int, int] = (48, 32, 32)) -> str:
    """out[m,n] = gelu(a[m,k] @ w[k,n] + bias[n]), the tanh form, with constants that bf16 can hold."""
    tm, tn, tk = tile
    a, w, out = f"tensor<{m}x{k}x{dtype}>", f"tensor<{k}x{n}x{dtype}>", f"tensor<{m}x{n}x{dtype}>"
    t = f"tensor<?x?x{dtype}>"
    body = f"""\
    %c0 = arith.constant 0 : index
    %ck = arith.constant {k} : index
    %step = arith.constant {tk} : index
    %zero = arith.constant {ZEROS[dtype]}
    %m = tensor.dim %out, %c0 : {out}
    %r = scf.forall (%i, %j) = (0, 0) to (%m, {n}) step ({tm}, {tn}) shared_outs(%o = %out) -> ({out}) {{
      %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tm})>(%i)[%m]
      %nt = affine.min affine_map<(d0) -> ({n} - d0, {tn})>(%j)
      %ot = tensor.extract_slice %o[%i, %j] [%mt, %nt] [1, 1] : {out} to {t}
      %acc0 = linalg.fill ins(%zero : {dtype}) outs(%ot : {t}) -> {t}
      %acc = scf.for %p = %c0 to %ck step %step iter_args(%acc1 = %acc0) -> ({t}) {{
        %kt = affine.min affine_map<(d0) -> ({k} - d0, {tk})>(%p)
        %as = tensor.extract_slice %a[%i, %p] [%mt, %kt] [1, 1] : {a} to {t}
        %ws = tensor.extract_slice %w[%p, %j] [%kt, %nt] [1, 1] : {w} to {t}
        %d = linalg.matmul ins(%as, %ws : {t}, {t}) outs(%acc1 : {t}) -> {t}
        scf.yield %d : {t}
      }} {{device.level = "smem"}}
      %bs = tensor.extract_slice %bias[%j] [%nt] [1] : tensor<{n}x{dtype}> to tensor<?x{dtype}>
      %e = linalg.generic {{indexing_maps = [{ID2}, {COLUMN}, {ID2}], {PARALLEL}}}
          ins(%acc, %bs : {t}, tensor<?x{dtype}>) outs(%ot : {t}) {{
      ^bb0(%x: {dtype}, %b: {dtype}, %old: {dtype}):
        %half = arith.constant 0.5 : {dtype}
        %one = arith.constant 1.0 : {dtype}
        %c = arith.constant 0.796875 : {dtype}
        %cube = arith.constant 0.044677734375 : {dtype}
        %s = arith.addf %x, %b : {dtype}
        %s2 = arith.mulf %s, %s : {dtype}
        %s3 = arith.mulf %s2, %s : {dtype}
        %q = arith.mulf %s3, %cube : {dtype}
        %u = arith.addf %s, %q : {dtype}
        %v = arith.mulf %u, %c : {dtype}
        %th = math.tanh %v : {dtype}
        %p1 = arith.addf %th, %one : {dtype}
        %h = arith.mulf %s, %half : {dtype}
        %g = arith.mulf %h, %p1 : {dtype}
        linalg.yield %g : {dtype}
      }} -> {t}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %e into %o[%i, %j] [%mt, %nt] [1, 1] : {t} into {out}
      }}
    }} {{device.tier = "sm"}}
    return %r : {out}"""
    signature = f"%a: {a}, %w: {w}, %bias: tensor<{n}x{dtype}>, %out: {out} {{device.dest}}"
    return _kernel("matmul_gelu", signature, out, body, "tensor")


def batch_matmul(b: int, m: int, k: int, n: int, dtype: str = "f32", transposed: bool = False) -> str:
    """out[b] = a[b] @ w[b], or a[b] @ w[b]^T; one program per matrix, everything in one tile."""
    w = f"{n}x{k}" if transposed else f"{k}x{n}"
    right = (
        "affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>" if transposed else "affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>"
    )
    ta, tw, to = f"tensor<{b}x{m}x{k}x{dtype}>", f"tensor<{b}x{w}x{dtype}>", f"tensor<{b}x{m}x{n}x{dtype}>"
    sa, sw, so = f"tensor<1x{m}x{k}x{dtype}>", f"tensor<1x{w}x{dtype}>", f"tensor<1x{m}x{n}x{dtype}>"
    maps = f"affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>, {right}, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>"
    wsize = f"{n}, {k}" if transposed else f"{k}, {n}"
    body = f"""\
    %zero = arith.constant {ZEROS[dtype]}
    %r = scf.forall (%i) in ({b}) shared_outs(%o = %out) -> ({to}) {{
      %as = tensor.extract_slice %a[%i, 0, 0] [1, {m}, {k}] [1, 1, 1] : {ta} to {sa}
      %ws = tensor.extract_slice %w[%i, 0, 0] [1, {wsize}] [1, 1, 1] : {tw} to {sw}
      %os = tensor.extract_slice %o[%i, 0, 0] [1, {m}, {n}] [1, 1, 1] : {to} to {so}
      %f = linalg.fill ins(%zero : {dtype}) outs(%os : {so}) -> {so}
      %d = linalg.generic {{indexing_maps = [{maps}],
          iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
          ins(%as, %ws : {sa}, {sw}) outs(%f : {so}) {{
      ^bb0(%x: {dtype}, %y: {dtype}, %acc: {dtype}):
        %p = arith.mulf %x, %y : {dtype}
        %s = arith.addf %acc, %p : {dtype}
        linalg.yield %s : {dtype}
      }} -> {so}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %d into %o[%i, 0, 0] [1, {m}, {n}] [1, 1, 1] : {so} into {to}
      }}
    }} {{device.tier = "sm"}}
    return %r : {to}"""
    return _kernel("batch_matmul", f"%a: {ta}, %w: {tw}, %out: {to} {{device.dest}}", to, body, "tensor")


def scale_add(m: Extent, n: int, dtype: str = "f32", tile: int = 5, columns: int = 48) -> str:
    """out[m,n] = max(x[m,n] * scale[n] + y[m,1], 0): a chain with a row and a column broadcast."""
    full, t = f"tensor<{m}x{n}x{dtype}>", f"tensor<?x?x{dtype}>"
    y = f"tensor<{m}x1x{dtype}>"
    body = f"""\
    %c0 = arith.constant 0 : index
    %zero = arith.constant {ZEROS[dtype]}
    %m = tensor.dim %x, %c0 : {full}
    %r = scf.forall (%i, %j) = (0, 0) to (%m, {n}) step ({tile}, {columns})
        shared_outs(%o = %out) -> ({full}) {{
      %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%i)[%m]
      %nt = affine.min affine_map<(d0) -> ({n} - d0, {columns})>(%j)
      %xs = tensor.extract_slice %x[%i, %j] [%mt, %nt] [1, 1] : {full} to {t}
      %ss = tensor.extract_slice %scale[%j] [%nt] [1] : tensor<{n}x{dtype}> to tensor<?x{dtype}>
      %ys = tensor.extract_slice %y[%i, 0] [%mt, 1] [1, 1] : {y} to tensor<?x1x{dtype}>
      %e0 = tensor.empty(%mt, %nt) : {t}
      %e = linalg.generic {{indexing_maps = [{ID2}, {COLUMN}, affine_map<(d0, d1) -> (d0, 0)>, {ID2}],
          {PARALLEL}}}
          ins(%xs, %ss, %ys : {t}, tensor<?x{dtype}>, tensor<?x1x{dtype}>) outs(%e0 : {t}) {{
      ^bb0(%a: {dtype}, %s: {dtype}, %b: {dtype}, %old: {dtype}):
        %p = arith.mulf %a, %s : {dtype}
        %q = arith.addf %p, %b : {dtype}
        %z = arith.maximumf %q, %zero : {dtype}
        linalg.yield %z : {dtype}
      }} -> {t}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %e into %o[%i, %j] [%mt, %nt] [1, 1] : {t} into {full}
      }}
    }} {{device.tier = "sm"}}
    return %r : {full}"""
    signature = f"%x: {full}, %scale: tensor<{n}x{dtype}>, %y: {y}, %out: {full} {{device.dest}}"
    return _kernel("scale_add", signature, full, body)


def _reduce(name: str, source: str, init: str, op: str, full: str, rows: str, dtype: str) -> str:
    return f"""\
      %{name} = linalg.generic {{indexing_maps = [{ID2}, {ROW}], {REDUCING}}}
          ins(%{source} : {full}) outs(%{init} : {rows}) {{
      ^bb0(%e0: {dtype}, %acc: {dtype}):
        %s = {op} %acc, %e0 : {dtype}
        linalg.yield %s : {dtype}
      }} -> {rows}"""


def _with_row(name: str, source: str, row: str, lines: str, full: str, rows: str, dtype: str, out: str) -> str:
    return f"""\
      %{name} = linalg.generic {{indexing_maps = [{ID2}, {ROW}, {ID2}], {PARALLEL}}}
          ins(%{source}, %{row} : {full}, {rows}) outs(%{out} : {full}) {{
      ^bb0(%x: {dtype}, %y: {dtype}, %old: {dtype}):
{lines}
        linalg.yield %z : {dtype}
      }} -> {full}"""


def softmax(m: Extent, n: int, dtype: str = "f32", tile: int = 3) -> str:
    """out[m,n] = softmax over n; whole rows in a tile."""
    whole = f"tensor<{m}x{n}x{dtype}>"
    full, rows = f"tensor<?x{n}x{dtype}>", f"tensor<?x{dtype}>"
    shifted = f"        %d = arith.subf %x, %y : {dtype}\n        %z = math.exp %d : {dtype}"
    body = f"""\
    %c0 = arith.constant 0 : index
    %zero = arith.constant {ZEROS[dtype]}
    %lowest = arith.constant {LOWEST[dtype]}
    %m = tensor.dim %a, %c0 : {whole}
    %r = scf.forall (%i) = (0) to (%m) step ({tile}) shared_outs(%o = %out) -> ({whole}) {{
      %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%i)[%m]
      %at = tensor.extract_slice %a[%i, 0] [%mt, {n}] [1, 1] : {whole} to {full}
      %e = tensor.empty(%mt) : {full}
      %re = tensor.empty(%mt) : {rows}
      %m0 = linalg.fill ins(%lowest : {dtype}) outs(%re : {rows}) -> {rows}
{_reduce("max", "at", "m0", "arith.maximumf", full, rows, dtype)}
{_with_row("exp", "at", "max", shifted, full, rows, dtype, "e")}
      %s0 = linalg.fill ins(%zero : {dtype}) outs(%re : {rows}) -> {rows}
{_reduce("sum", "exp", "s0", "arith.addf", full, rows, dtype)}
{_with_row("y", "exp", "sum", f"        %z = arith.divf %x, %y : {dtype}", full, rows, dtype, "e")}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[%i, 0] [%mt, {n}] [1, 1] : {full} into {whole}
      }}
    }} {{device.tier = "sm"}}
    return %r : {whole}"""
    return _kernel("softmax", f"%a: {whole}, %out: {whole} {{device.dest}}", whole, body)


def layer_norm(m: Extent, n: int, dtype: str = "f32", tile: int = 2) -> str:
    """out[m,n] = (x - mean) / sqrt(var + 1e-5) * scale[n] + shift[n]; statistics over n in f32."""
    whole, full = f"tensor<{m}x{n}x{dtype}>", f"tensor<?x{n}x{dtype}>"
    wide, rows, vector = f"tensor<?x{n}xf32>", "tensor<?xf32>", f"tensor<{n}x{dtype}>"

    def widen(name: str, source: str) -> str:
        return (
            f"%{name} = arith."
            + (f"addf %{source}, %none" if dtype == "f32" else f"extf %{source}")
            + (" : f32" if dtype == "f32" else f" : {dtype} to f32")
        )

    centre = "        %mean = arith.divf %y, %count : f32\n        %z = arith.subf %x, %mean : f32"
    narrow = f"arith.truncf %q2 : f32 to {dtype}" if dtype != "f32" else "arith.addf %q2, %none : f32"
    body = f"""\
    %c0 = arith.constant 0 : index
    %none = arith.constant 0.0 : f32
    %count = arith.constant {float(n)} : f32
    %eps = arith.constant 1.0e-5 : f32
    %m = tensor.dim %a, %c0 : {whole}
    %r = scf.forall (%i) = (0) to (%m) step ({tile}) shared_outs(%o = %out) -> ({whole}) {{
      %mt = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%i)[%m]
      %at = tensor.extract_slice %a[%i, 0] [%mt, {n}] [1, 1] : {whole} to {full}
      %ot = tensor.extract_slice %o[%i, 0] [%mt, {n}] [1, 1] : {whole} to {full}
      %we = tensor.empty(%mt) : {wide}
      %re = tensor.empty(%mt) : {rows}
      %wide = linalg.generic {{indexing_maps = [{ID2}, {ID2}], {PARALLEL}}}
          ins(%at : {full}) outs(%we : {wide}) {{
      ^bb0(%x: {dtype}, %old: f32):
        {widen("w", "x")}
        linalg.yield %w : f32
      }} -> {wide}
      %s0 = linalg.fill ins(%none : f32) outs(%re : {rows}) -> {rows}
{_reduce("sum", "wide", "s0", "arith.addf", wide, rows, "f32")}
{_with_row("centred", "wide", "sum", centre, wide, rows, "f32", "we")}
      %var = linalg.generic {{indexing_maps = [{ID2}, {ROW}], {REDUCING}}}
          ins(%centred : {wide}) outs(%s0 : {rows}) {{
      ^bb0(%x: f32, %acc: f32):
        %sq = arith.mulf %x, %x : f32
        %s = arith.addf %acc, %sq : f32
        linalg.yield %s : f32
      }} -> {rows}
      %y = linalg.generic {{indexing_maps = [{ID2}, {ROW}, {COLUMN}, {COLUMN}, {ID2}],
          {PARALLEL}}}
          ins(%centred, %var, %scale, %shift : {wide}, {rows}, {vector}, {vector}) outs(%ot : {full}) {{
      ^bb0(%c: f32, %v: f32, %x: {dtype}, %b: {dtype}, %old: {dtype}):
        %mean = arith.divf %v, %count : f32
        %safe = arith.addf %mean, %eps : f32
        %inv = math.rsqrt %safe : f32
        %q = arith.mulf %c, %inv : f32
        {widen("xw", "x")}
        {widen("bw", "b")}
        %q1 = arith.mulf %q, %xw : f32
        %q2 = arith.addf %q1, %bw : f32
        %z = {narrow}
        linalg.yield %z : {dtype}
      }} -> {full}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[%i, 0] [%mt, {n}] [1, 1] : {full} into {whole}
      }}
    }} {{device.tier = "sm"}}
    return %r : {whole}"""
    signature = f"%a: {whole}, %scale: {vector}, %shift: {vector}, %out: {whole} {{device.dest}}"
    return _kernel("layer_norm", signature, whole, body)


def row_sum(m: int, n: int, dtype: str = "f32", chunk: int = 24, operation: str = "arith.addf") -> str:
    """out[m] = reduction of x[m,n] over n, in chunks of columns, one row per program."""
    start = ZEROS[dtype] if operation == "arith.addf" else LOWEST[dtype]
    whole, part = f"tensor<{m}x{n}x{dtype}>", f"tensor<1x?x{dtype}>"
    one, out = f"tensor<1x{dtype}>", f"tensor<{m}x{dtype}>"
    body = f"""\
    %c0 = arith.constant 0 : index
    %cn = arith.constant {n} : index
    %step = arith.constant {chunk} : index
    %start = arith.constant {start}
    %r = scf.forall (%i) in ({m}) shared_outs(%o = %out) -> ({out}) {{
      %e = tensor.empty() : {one}
      %acc0 = linalg.fill ins(%start : {dtype}) outs(%e : {one}) -> {one}
      %acc = scf.for %p = %c0 to %cn step %step iter_args(%acc1 = %acc0) -> ({one}) {{
        %nt = affine.min affine_map<(d0) -> ({n} - d0, {chunk})>(%p)
        %xs = tensor.extract_slice %x[%i, %p] [1, %nt] [1, 1] : {whole} to {part}
        %s = linalg.generic {{indexing_maps = [{ID2}, {ROW}], {REDUCING}}}
            ins(%xs : {part}) outs(%acc1 : {one}) {{
        ^bb0(%a: {dtype}, %b: {dtype}):
          %t = {operation} %b, %a : {dtype}
          linalg.yield %t : {dtype}
        }} -> {one}
        scf.yield %s : {one}
      }} {{device.level = "smem"}}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %acc into %o[%i] [1] [1] : {one} into {out}
      }}
    }} {{device.tier = "sm"}}
    return %r : {out}"""
    return _kernel("row_sum", f"%x: {whole}, %out: {out} {{device.dest}}", out, body)


def two_phases(m: int, n: int) -> str:
    """out[m,n] = x[m,n] - (sum of row m): the sums in scratch memory, then a second phase that reads them."""
    whole, out, one = f"tensor<{m}x{n}xf32>", f"tensor<{m}xf32>", "tensor<1xf32>"
    row = f"tensor<1x{n}xf32>"
    body = f"""\
    %zero = arith.constant 0.0 : f32
    %scratch = tensor.empty() : {out}
    %sums = scf.forall (%i) in ({m}) shared_outs(%o = %scratch) -> ({out}) {{
      %xs = tensor.extract_slice %in[%i, 0] [1, {n}] [1, 1] : {whole} to {row}
      %e = tensor.empty() : {one}
      %s0 = linalg.fill ins(%zero : f32) outs(%e : {one}) -> {one}
{_reduce("sum", "xs", "s0", "arith.addf", row, one, "f32")}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %sum into %o[%i] [1] [1] : {one} into {out}
      }}
    }} {{device.tier = "sm"}}
    %r = scf.forall (%i) in ({m}) shared_outs(%o = %out) -> ({whole}) {{
      %xs = tensor.extract_slice %in[%i, 0] [1, {n}] [1, 1] : {whole} to {row}
      %ss = tensor.extract_slice %sums[%i] [1] [1] : {out} to {one}
      %e = tensor.empty() : {row}
{_with_row("y", "xs", "ss", "        %z = arith.subf %x, %y : f32", row, one, "f32", "e")}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[%i, 0] [1, {n}] [1, 1] : {row} into {whole}
      }}
    }} {{device.tier = "sm"}}
    return %r : {whole}"""
    return _kernel("two_phases", f"%in: {whole}, %out: {whole} {{device.dest}}", whole, body)


def attention(heads: int, length: int, depth: int, dtype: str = "f32", tile: tuple[int, int] = (32, 16)) -> str:
    """out[h] = softmax(q[h] @ k[h]^T) @ v[h], one pass over the keys with a running maximum and sum."""
    tq, tk = tile
    whole = f"tensor<{heads}x{length}x{depth}x{dtype}>"
    queries, keys = f"tensor<?x{depth}x{dtype}>", f"tensor<?x{depth}x{dtype}>"
    scores, rows, wide = "tensor<?x?xf32>", "tensor<?xf32>", f"tensor<?x{depth}xf32>"
    contraction = 'iterator_types = ["parallel", "parallel", "reduction"]'
    mk = "affine_map<(d0, d1, d2) -> (d0, d2)>"
    nk, kn = "affine_map<(d0, d1, d2) -> (d1, d2)>", "affine_map<(d0, d1, d2) -> (d2, d1)>"
    mn = "affine_map<(d0, d1, d2) -> (d0, d1)>"
    one_row = "affine_map<(d0) -> (d0)>"
    row_wise = 'iterator_types = ["parallel"]'
    same = "" if dtype == "f32" else f"arith.extf %{{0}} : {dtype} to f32"
    widen = [same.format(x) or f"arith.addf %{x}, %zero : f32" for x in ("a", "b")]
    narrow = f"arith.truncf %x : f32 to {dtype}" if dtype != "f32" else "arith.addf %x, %zero : f32"
    rounded = f"arith.truncf %u : f32 to {dtype}" if dtype != "f32" else "arith.addf %u, %zero : f32"
    probabilities = f"tensor<?x?x{dtype}>"
    product = f"""%aw = {widen[0]}
            %bw = {widen[1]}
            %w = arith.mulf %aw, %bw : f32
            %s = arith.addf %acc, %w : f32
            linalg.yield %s : f32"""
    shifted = "        %d = arith.subf %x, %y : f32\n        %z = math.exp %d : f32"
    body = f"""\
    %c0 = arith.constant 0 : index
    %cl = arith.constant {length} : index
    %step = arith.constant {tk} : index
    %zero = arith.constant 0.0 : f32
    %lowest = arith.constant 0xFF800000 : f32
    %r = scf.forall (%h, %i) = (0, 0) to ({heads}, {length}) step (1, {tq})
        shared_outs(%o = %out) -> ({whole}) {{
      %mt = affine.min affine_map<(d0) -> ({length} - d0, {tq})>(%i)
      %qs = tensor.extract_slice %q[%h, %i, 0] [1, %mt, {depth}] [1, 1, 1] : {whole} to {queries}
      %re = tensor.empty(%mt) : {rows}
      %we = tensor.empty(%mt) : {wide}
      %m0 = linalg.fill ins(%lowest : f32) outs(%re : {rows}) -> {rows}
      %l0 = linalg.fill ins(%zero : f32) outs(%re : {rows}) -> {rows}
      %a0 = linalg.fill ins(%zero : f32) outs(%we : {wide}) -> {wide}
      %all:3 = scf.for %p = %c0 to %cl step %step iter_args(%m = %m0, %l = %l0, %acc0 = %a0)
          -> ({rows}, {rows}, {wide}) {{
        %nt = affine.min affine_map<(d0) -> ({length} - d0, {tk})>(%p)
        %ks = tensor.extract_slice %k[%h, %p, 0] [1, %nt, {depth}] [1, 1, 1] : {whole} to {keys}
        %vs = tensor.extract_slice %v[%h, %p, 0] [1, %nt, {depth}] [1, 1, 1] : {whole} to {keys}
        %se = tensor.empty(%mt, %nt) : {scores}
        %s0 = linalg.fill ins(%zero : f32) outs(%se : {scores}) -> {scores}
        %qk = linalg.generic {{indexing_maps = [{mk}, {nk}, {mn}], {contraction}}}
            ins(%qs, %ks : {queries}, {keys}) outs(%s0 : {scores}) {{
        ^bb0(%a: {dtype}, %b: {dtype}, %acc: f32):
            {product}
        }} -> {scores}
{_reduce("mn", "qk", "m", "arith.maximumf", scores, rows, "f32")}
{_with_row("e", "qk", "mn", shifted, scores, rows, "f32", "se")}
        %scale = linalg.generic {{indexing_maps = [{one_row}, {one_row}, {one_row}], {row_wise}}}
            ins(%m, %mn : {rows}, {rows}) outs(%re : {rows}) {{
        ^bb0(%x: f32, %y: f32, %old: f32):
            %d = arith.subf %x, %y : f32
            %z = math.exp %d : f32
            linalg.yield %z : f32
        }} -> {rows}
        %ls = linalg.generic {{indexing_maps = [{one_row}, {one_row}, {one_row}], {row_wise}}}
            ins(%l, %scale : {rows}, {rows}) outs(%re : {rows}) {{
        ^bb0(%x: f32, %y: f32, %old: f32):
            %z = arith.mulf %x, %y : f32
            linalg.yield %z : f32
        }} -> {rows}
{_reduce("ln", "e", "ls", "arith.addf", scores, rows, "f32")}
{_with_row("as", "acc0", "scale", "        %z = arith.mulf %x, %y : f32", wide, rows, "f32", "we")}
        %pe = tensor.empty(%mt, %nt) : {probabilities}
        %pr = linalg.generic {{indexing_maps = [{ID2}, {ID2}], {PARALLEL}}}
            ins(%e : {scores}) outs(%pe : {probabilities}) {{
        ^bb0(%x: f32, %old: {dtype}):
            %z = {narrow}
            linalg.yield %z : {dtype}
        }} -> {probabilities}
        %an = linalg.generic {{indexing_maps = [{mk}, {kn}, {mn}], {contraction}}}
            ins(%pr, %vs : {probabilities}, {keys}) outs(%as : {wide}) {{
        ^bb0(%a: {dtype}, %b: {dtype}, %acc: f32):
            {product}
        }} -> {wide}
        scf.yield %mn, %ln, %an : {rows}, {rows}, {wide}
      }} {{device.level = "smem"}}
      %oe = tensor.empty(%mt) : {queries}
      %y = linalg.generic {{indexing_maps = [{ID2}, {ROW}, {ID2}], {PARALLEL}}}
          ins(%all#2, %all#1 : {wide}, {rows}) outs(%oe : {queries}) {{
      ^bb0(%x: f32, %s: f32, %old: {dtype}):
        %u = arith.divf %x, %s : f32
        %z = {rounded}
        linalg.yield %z : {dtype}
      }} -> {queries}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[%h, %i, 0] [1, %mt, {depth}] [1, 1, 1]
            : {queries} into {whole}
      }}
    }} {{device.tier = "sm"}}
    return %r : {whole}"""
    signature = f"%q: {whole}, %k: {whole}, %v: {whole}, %out: {whole} {{device.dest}}"
    return _kernel("attention", signature, whole, body, "tensor")


def gather(rows: int, count: int, width: int, dtype: str = "f32") -> str:
    """out[i] = table[index[i]], with assertions that every index is one of the table's rows."""
    table, index, out = f"tensor<{rows}x{width}x{dtype}>", f"tensor<{count}xi64>", f"tensor<{count}x{width}x{dtype}>"
    body = f"""\
    %zero = arith.constant 0 : i64
    %rows = arith.constant {rows} : i64
    %r = scf.forall (%i) = (0) to ({count}) step (4) shared_outs(%o = %out) -> ({out}) {{
      %nt = affine.min affine_map<(d0) -> ({count} - d0, 4)>(%i)
      %is = tensor.extract_slice %index[%i] [%nt] [1] : {index} to tensor<?xi64>
      %e = tensor.empty(%nt) : tensor<?x{width}x{dtype}>
      %g = linalg.generic {{indexing_maps = [{ROW}, {ID2}], {PARALLEL}}}
          ins(%is : tensor<?xi64>) outs(%e : tensor<?x{width}x{dtype}>) {{
      ^bb0(%n: i64, %old: {dtype}):
        %low = arith.cmpi sge, %n, %zero : i64
        cf.assert %low, "index is negative"
        %high = arith.cmpi slt, %n, %rows : i64
        cf.assert %high, "index is past the table"
        %row = arith.index_cast %n : i64 to index
        %j = linalg.index 1 : index
        %v = tensor.extract %table[%row, %j] : {table}
        linalg.yield %v : {dtype}
      }} -> tensor<?x{width}x{dtype}>
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %g into %o[%i, 0] [%nt, {width}] [1, 1] : tensor<?x{width}x{dtype}> into {out}
      }}
    }} {{device.tier = "sm"}}
    return %r : {out}"""
    return _kernel("gather", f"%table: {table}, %index: {index}, %out: {out} {{device.dest}}", out, body)


def window_maximum(m: int, n: int, window: int, stride: int, dtype: str = "f32") -> str:
    """out[i,j] = max over k of x[i, stride*j + k], k < window; one row per program."""
    count = (n - window) // stride + 1
    whole, out = f"tensor<{m}x{n}x{dtype}>", f"tensor<{m}x{count}x{dtype}>"
    row, part, taps = f"tensor<1x{n}x{dtype}>", f"tensor<1x{count}x{dtype}>", f"tensor<{window}x{dtype}>"
    read = f"affine_map<(d0, d1, d2) -> (d0, d1 * {stride} + d2)>"
    maps = f"{read}, affine_map<(d0, d1, d2) -> (d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>"
    body = f"""\
    %lowest = arith.constant {LOWEST[dtype]}
    %r = scf.forall (%i) in ({m}) shared_outs(%o = %out) -> ({out}) {{
      %xs = tensor.extract_slice %x[%i, 0] [1, {n}] [1, 1] : {whole} to {row}
      %taps = tensor.empty() : {taps}
      %e = tensor.empty() : {part}
      %m0 = linalg.fill ins(%lowest : {dtype}) outs(%e : {part}) -> {part}
      %y = linalg.generic {{indexing_maps = [{maps}],
          iterator_types = ["parallel", "parallel", "reduction"]}}
          ins(%xs, %taps : {row}, {taps}) outs(%m0 : {part}) {{
      ^bb0(%a: {dtype}, %k: {dtype}, %acc: {dtype}):
        %t = arith.maximumf %acc, %a : {dtype}
        linalg.yield %t : {dtype}
      }} -> {part}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[%i, 0] [1, {count}] [1, 1] : {part} into {out}
      }}
    }} {{device.tier = "sm"}}
    return %r : {out}"""
    return _kernel("window_maximum", f"%x: {whole}, %out: {out} {{device.dest}}", out, body)


def point_convolution(channels: int, filters: int, height: int, width: int, dtype: str = "f32") -> str:
    """out[f,i,j] = sum over c of x[c,i,j] * w[f,c]; two rows of the image per program, so m has two dimensions."""
    image, weight = f"tensor<{channels}x{height}x{width}x{dtype}>", f"tensor<{filters}x{channels}x{dtype}>"
    out, part = f"tensor<{filters}x{height}x{width}x{dtype}>", f"tensor<{channels}x?x{width}x{dtype}>"
    result = f"tensor<{filters}x?x{width}x{dtype}>"
    dims = "(d0, d1, d2, d3)"
    maps = f"affine_map<{dims} -> (d3, d1, d2)>, affine_map<{dims} -> (d0, d3)>, affine_map<{dims} -> (d0, d1, d2)>"
    body = f"""\
    %zero = arith.constant {ZEROS[dtype]}
    %r = scf.forall (%i) = (0) to ({height}) step (2) shared_outs(%o = %out) -> ({out}) {{
      %nt = affine.min affine_map<(d0) -> ({height} - d0, 2)>(%i)
      %xs = tensor.extract_slice %x[0, %i, 0] [{channels}, %nt, {width}] [1, 1, 1] : {image} to {part}
      %e = tensor.empty(%nt) : {result}
      %f = linalg.fill ins(%zero : {dtype}) outs(%e : {result}) -> {result}
      %y = linalg.generic {{indexing_maps = [{maps}],
          iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
          ins(%xs, %w : {part}, {weight}) outs(%f : {result}) {{
      ^bb0(%a: {dtype}, %b: {dtype}, %acc: {dtype}):
        %p = arith.mulf %a, %b : {dtype}
        %s = arith.addf %acc, %p : {dtype}
        linalg.yield %s : {dtype}
      }} -> {result}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o[0, %i, 0] [{filters}, %nt, {width}] [1, 1, 1] : {result} into {out}
      }}
    }} {{device.tier = "sm"}}
    return %r : {out}"""
    return _kernel("point_convolution", f"%x: {image}, %w: {weight}, %out: {out} {{device.dest}}", out, body, "tensor")
