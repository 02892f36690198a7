"""Kernels in device form, written out, by size: vectors, matrices, rows; tiles are odd on purpose."""

from __future__ import annotations

HEAD = 'attributes {device.kernel = {class = "upmem-rank", unit = "alu", function = "generic"}}'


ROW = "affine_map<(d0) -> (d0)>"
VECTORS = f"indexing_maps = [{ROW}, {ROW}, {ROW}]"
TOTAL = f'indexing_maps = [{ROW}, affine_map<(d0) -> ()>], iterator_types = ["reduction"]'


def vector_add(n: int, unit: int, tile: int, piece: int, dtype: str = "i32", op: str = "addi") -> str:
    """out = a (op) b on n elements: `unit` per DPU, `tile` per tasklet turn, staged in pieces."""
    t = f"tensor<{n}x{dtype}>"
    u = f"tensor<?x{dtype}>"
    return f"""
func.func private @va(%a: {t}, %b: {t}, %out: {t} {{device.dest}}) -> {t} {HEAD} {{
  %c0 = arith.constant 0 : index
  %step = arith.constant {piece} : index
  %r = scf.forall (%p) = (0) to ({n}) step ({unit}) shared_outs(%o = %out) -> ({t}) {{
    %n = affine.min affine_map<(d0) -> ({n} - d0, {unit})>(%p)
    %ap = tensor.extract_slice %a[%p] [%n] [1] : {t} to {u}
    %bp = tensor.extract_slice %b[%p] [%n] [1] : {t} to {u}
    %op = tensor.extract_slice %o[%p] [%n] [1] : {t} to {u}
    %x = scf.forall (%t) = (0) to (%n) step ({tile}) shared_outs(%o2 = %op) -> ({u}) {{
      %m = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%t)[%n]
      %at = tensor.extract_slice %ap[%t] [%m] [1] : {u} to {u}
      %bt = tensor.extract_slice %bp[%t] [%m] [1] : {u} to {u}
      %ot = tensor.extract_slice %o2[%t] [%m] [1] : {u} to {u}
      %y = scf.for %k = %c0 to %m step %step iter_args(%acc = %ot) -> ({u}) {{
        %q = affine.min affine_map<(d0)[s0] -> (s0 - d0, {piece})>(%k)[%m]
        %ak = tensor.extract_slice %at[%k] [%q] [1] {{device.stage = "wram"}} : {u} to {u}
        %bk = tensor.extract_slice %bt[%k] [%q] [1] {{device.stage = "wram"}} : {u} to {u}
        %ok = tensor.extract_slice %acc[%k] [%q] [1] {{device.stage = "wram"}} : {u} to {u}
        %v = linalg.generic {{{VECTORS}, iterator_types = ["parallel"]}} ins(%ak, %bk : {u}, {u}) outs(%ok : {u}) {{
        ^bb0(%e: {dtype}, %f: {dtype}, %g: {dtype}):
          %h = arith.{op} %e, %f : {dtype}
          linalg.yield %h : {dtype}
        }} -> {u}
        %w = tensor.insert_slice %v into %acc[%k] [%q] [1] : {u} into {u}
        scf.yield %w : {u}
      }} {{device.level = "wram"}}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o2[%t] [%m] [1] : {u} into {u}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %x into %o[%p] [%n] [1] : {u} into {t}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {t}
}}"""


def scale_free(unit: int, tile: int) -> str:
    """out = s * a for one number s, on as many i32 elements as the run brings."""
    t = "tensor<?xi32>"
    return f"""
func.func private @scale(%a: {t}, %s: tensor<i32>, %out: {t} {{device.dest}}) -> {t} {HEAD} {{
  %c0 = arith.constant 0 : index
  %n = tensor.dim %out, %c0 : {t}
  %r = scf.forall (%p) = (0) to (%n) step ({unit}) shared_outs(%o = %out) -> ({t}) {{
    %m = affine.min affine_map<(d0)[s0] -> (s0 - d0, {unit})>(%p)[%n]
    %ap = tensor.extract_slice %a[%p] [%m] [1] : {t} to {t}
    %op = tensor.extract_slice %o[%p] [%m] [1] : {t} to {t}
    %x = scf.forall (%t) = (0) to (%m) step ({tile}) shared_outs(%o2 = %op) -> ({t}) {{
      %q = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%t)[%m]
      %at = tensor.extract_slice %ap[%t] [%q] [1] {{device.stage = "wram"}} : {t} to {t}
      %ot = tensor.extract_slice %o2[%t] [%q] [1] {{device.stage = "wram"}} : {t} to {t}
      %v = linalg.generic {{indexing_maps = [affine_map<(d0) -> ()>, {ROW}, {ROW}], iterator_types = ["parallel"]}}
        ins(%s, %at : tensor<i32>, {t}) outs(%ot : {t}) {{
      ^bb0(%e: i32, %f: i32, %g: i32):
        %h = arith.muli %e, %f : i32
        linalg.yield %h : i32
      }} -> {t}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %v into %o2[%t] [%q] [1] : {t} into {t}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %x into %o[%p] [%m] [1] : {t} into {t}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {t}
}}"""


def matmul(m: int, n: int, k: int, unit: tuple[int, int], tile: tuple[int, int], depth: int, dtype: str = "i32") -> str:
    """out = a @ b: blocks of `unit` per DPU, of `tile` per tasklet turn, the sum in steps of `depth`."""
    um, un = unit
    tm, tn = tile
    a, b, c = f"tensor<{m}x{k}x{dtype}>", f"tensor<{k}x{n}x{dtype}>", f"tensor<{m}x{n}x{dtype}>"
    ar, br, d = f"tensor<?x{k}x{dtype}>", f"tensor<{k}x?x{dtype}>", f"tensor<?x?x{dtype}>"
    zero = "0.0" if dtype.startswith("f") else "0"
    return f"""
func.func private @matmul(%a: {a}, %b: {b}, %out: {c} {{device.dest}}) -> {c} {HEAD} {{
  %c0 = arith.constant 0 : index
  %zero = arith.constant {zero} : {dtype}
  %kk = arith.constant {k} : index
  %step = arith.constant {depth} : index
  %r = scf.forall (%i, %j) = (0, 0) to ({m}, {n}) step ({um}, {un}) shared_outs(%o = %out) -> ({c}) {{
    %mm = affine.min affine_map<(d0) -> ({m} - d0, {um})>(%i)
    %nn = affine.min affine_map<(d0) -> ({n} - d0, {un})>(%j)
    %ap = tensor.extract_slice %a[%i, 0] [%mm, {k}] [1, 1] : {a} to {ar}
    %bp = tensor.extract_slice %b[0, %j] [{k}, %nn] [1, 1] : {b} to {br}
    %op = tensor.extract_slice %o[%i, %j] [%mm, %nn] [1, 1] : {c} to {d}
    %x = scf.forall (%s, %t) = (0, 0) to (%mm, %nn) step ({tm}, {tn}) shared_outs(%o2 = %op) -> ({d}) {{
      %ms = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tm})>(%s)[%mm]
      %nt = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tn})>(%t)[%nn]
      %at = tensor.extract_slice %ap[%s, 0] [%ms, {k}] [1, 1] : {ar} to {ar}
      %bt = tensor.extract_slice %bp[0, %t] [{k}, %nt] [1, 1] : {br} to {br}
      %ot = tensor.extract_slice %o2[%s, %t] [%ms, %nt] [1, 1] : {d} to {d}
      %f = linalg.fill ins(%zero : {dtype}) outs(%ot : {d}) -> {d}
      %y = scf.for %z = %c0 to %kk step %step iter_args(%acc = %f) -> ({d}) {{
        %q = affine.min affine_map<(d0) -> ({k} - d0, {depth})>(%z)
        %ak = tensor.extract_slice %at[0, %z] [%ms, %q] [1, 1] {{device.stage = "wram"}} : {ar} to {d}
        %bk = tensor.extract_slice %bt[%z, 0] [%q, %nt] [1, 1] {{device.stage = "wram"}} : {br} to {d}
        %v = linalg.matmul ins(%ak, %bk : {d}, {d}) outs(%acc : {d}) -> {d}
        scf.yield %v : {d}
      }} {{device.level = "wram"}}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %y into %o2[%s, %t] [%ms, %nt] [1, 1] : {d} into {d}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %x into %o[%i, %j] [%mm, %nn] [1, 1] : {d} into {c}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {c}
}}"""


def matvec(m: int, k: int, unit: int, tile: int, dtype: str = "i32") -> str:
    """out = a @ x, rows spread over DPUs and tasklets, the vector broadcast."""
    a, x, y = f"tensor<{m}x{k}x{dtype}>", f"tensor<{k}x{dtype}>", f"tensor<{m}x{dtype}>"
    ar, yr = f"tensor<?x{k}x{dtype}>", f"tensor<?x{dtype}>"
    zero = "0.0" if dtype.startswith("f") else "0"
    return f"""
func.func private @matvec(%a: {a}, %x: {x}, %out: {y} {{device.dest}}) -> {y} {HEAD} {{
  %zero = arith.constant {zero} : {dtype}
  %r = scf.forall (%p) = (0) to ({m}) step ({unit}) shared_outs(%o = %out) -> ({y}) {{
    %n = affine.min affine_map<(d0) -> ({m} - d0, {unit})>(%p)
    %ap = tensor.extract_slice %a[%p, 0] [%n, {k}] [1, 1] : {a} to {ar}
    %op = tensor.extract_slice %o[%p] [%n] [1] : {y} to {yr}
    %z = scf.forall (%t) = (0) to (%n) step ({tile}) shared_outs(%o2 = %op) -> ({yr}) {{
      %m = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%t)[%n]
      %at = tensor.extract_slice %ap[%t, 0] [%m, {k}] [1, 1] {{device.stage = "wram"}} : {ar} to {ar}
      %ot = tensor.extract_slice %o2[%t] [%m] [1] : {yr} to {yr}
      %f = linalg.fill ins(%zero : {dtype}) outs(%ot : {yr}) -> {yr}
      %v = linalg.matvec ins(%at, %x : {ar}, {x}) outs(%f : {yr}) -> {yr}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %v into %o2[%t] [%m] [1] : {yr} into {yr}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %z into %o[%p] [%n] [1] : {yr} into {y}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {y}
}}"""


def reduction(n: int, unit: int, tasklets: int, dtype: str = "i32") -> str:
    """out = sum of a: partial sums per tasklet, then per DPU, then on the host."""
    a, o, u = f"tensor<{n}x{dtype}>", f"tensor<{dtype}>", f"tensor<?x{dtype}>"
    units = -(-n // unit)
    p, s = f"tensor<{units}x{dtype}>", f"tensor<{tasklets}x{dtype}>"
    tile = -(-unit // tasklets)
    one = f"tensor<1x{dtype}>"
    add = "addf" if dtype.startswith("f") else "addi"
    zero = "0.0" if dtype.startswith("f") else "0"

    def total(name: str, source: str, kind: str, start: str) -> str:
        return f"""
      %{name} = linalg.generic {{{TOTAL}}} ins({source} : {kind}) outs({start} : {o}) {{
      ^bb0(%x: {dtype}, %y: {dtype}):
        %z = arith.{add} %x, %y : {dtype}
        linalg.yield %z : {dtype}
      }} -> {o}"""

    return f"""
func.func private @reduction(%a: {a}, %out: {o} {{device.dest}}) -> {o} {HEAD} {{
  %zero = arith.constant {zero} : {dtype}
  %e0 = tensor.empty() : {p}
  %parts = scf.forall (%i) = (0) to ({units}) step (1) shared_outs(%o = %e0) -> ({p}) {{
    %start = affine.apply affine_map<(d0) -> (d0 * {unit})>(%i)
    %n = affine.min affine_map<(d0) -> ({n} - d0 * {unit}, {unit})>(%i)
    %ap = tensor.extract_slice %a[%start] [%n] [1] : {a} to {u}
    %e1 = tensor.empty() : {s}
    %sums = scf.forall (%t) = (0) to ({tasklets}) step (1) shared_outs(%o2 = %e1) -> ({s}) {{
      %first = affine.min affine_map<(d0)[s0] -> (d0 * {tile}, s0)>(%t)[%n]
      %m = affine.min affine_map<(d0)[s0, s1] -> (s0 - s1, {tile})>(%t)[%n, %first]
      %at = tensor.extract_slice %ap[%first] [%m] [1] {{device.stage = "wram"}} : {u} to {u}
      %e2 = tensor.empty() : {o}
      %f = linalg.fill ins(%zero : {dtype}) outs(%e2 : {o}) -> {o}
      {total("sum", "%at", u, "%f")}
      %sum1 = tensor.expand_shape %sum [] output_shape [1] : {o} into {one}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %sum1 into %o2[%t] [1] [1] : {one} into {s}
      }}
    }} {{device.tier = "tasklet"}}
    %e3 = tensor.empty() : {o}
    %f3 = linalg.fill ins(%zero : {dtype}) outs(%e3 : {o}) -> {o}
    {total("all", "%sums", s, "%f3")}
    %all1 = tensor.expand_shape %all [] output_shape [1] : {o} into {one}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %all1 into %o[%i] [1] [1] : {one} into {p}
    }}
  }} {{device.tier = "dpu"}}
  %f4 = linalg.fill ins(%zero : {dtype}) outs(%out : {o}) -> {o}
  {total("result", "%parts", p, "%f4")}
  return %result : {o}
}}"""


def softmax(m: int, n: int, unit: int, tile: int) -> str:
    """Rows of softmax(x): maximum, exponentials, sum, quotient; whole rows in WRAM."""
    x, xr = f"tensor<{m}x{n}xf32>", f"tensor<?x{n}xf32>"
    r = "tensor<?xf32>"
    two, row = "affine_map<(d0, d1) -> (d0, d1)>", "affine_map<(d0, d1) -> (d0)>"
    both = 'iterator_types = ["parallel", "parallel"]'
    over = 'iterator_types = ["parallel", "reduction"]'
    return f"""
func.func private @softmax(%x: {x}, %out: {x} {{device.dest}}) -> {x} {HEAD} {{
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %r = scf.forall (%p) = (0) to ({m}) step ({unit}) shared_outs(%o = %out) -> ({x}) {{
    %n = affine.min affine_map<(d0) -> ({m} - d0, {unit})>(%p)
    %xp = tensor.extract_slice %x[%p, 0] [%n, {n}] [1, 1] : {x} to {xr}
    %op = tensor.extract_slice %o[%p, 0] [%n, {n}] [1, 1] : {x} to {xr}
    %z = scf.forall (%t) = (0) to (%n) step ({tile}) shared_outs(%o2 = %op) -> ({xr}) {{
      %m = affine.min affine_map<(d0)[s0] -> (s0 - d0, {tile})>(%t)[%n]
      %xt = tensor.extract_slice %xp[%t, 0] [%m, {n}] [1, 1] {{device.stage = "wram"}} : {xr} to {xr}
      %ot = tensor.extract_slice %o2[%t, 0] [%m, {n}] [1, 1] : {xr} to {xr}
      %e = tensor.empty(%m) : {r}
      %f = linalg.fill ins(%low : f32) outs(%e : {r}) -> {r}
      %top = linalg.generic {{indexing_maps = [{two}, {row}], {over}}} ins(%xt : {xr}) outs(%f : {r}) {{
      ^bb0(%a: f32, %b: f32):
        %c = arith.maximumf %a, %b : f32
        linalg.yield %c : f32
      }} -> {r}
      %ex = linalg.generic {{indexing_maps = [{two}, {row}, {two}], {both}}}
          ins(%xt, %top : {xr}, {r}) outs(%ot : {xr}) {{
      ^bb0(%a: f32, %b: f32, %c: f32):
        %d = arith.subf %a, %b : f32
        %g = math.exp %d : f32
        linalg.yield %g : f32
      }} -> {xr}
      %f2 = linalg.fill ins(%zero : f32) outs(%e : {r}) -> {r}
      %sum = linalg.generic {{indexing_maps = [{two}, {row}], {over}}} ins(%ex : {xr}) outs(%f2 : {r}) {{
      ^bb0(%a: f32, %b: f32):
        %c = arith.addf %a, %b : f32
        linalg.yield %c : f32
      }} -> {r}
      %q = linalg.generic {{indexing_maps = [{row}, {two}], {both}}} ins(%sum : {r}) outs(%ex : {xr}) {{
      ^bb0(%a: f32, %b: f32):
        %c = arith.divf %b, %a : f32
        linalg.yield %c : f32
      }} -> {xr}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %q into %o2[%t, 0] [%m, {n}] [1, 1] : {xr} into {xr}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %z into %o[%p, 0] [%n, {n}] [1, 1] : {xr} into {x}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {x}
}}"""


def elementwise(n: int, types: tuple[str, ...], result: str, body: str) -> str:
    """One DPU, one tile: out = body(in0, in1, ...), for trying scalar operations."""
    inputs = "".join(f"%a{k}: tensor<{n}x{t}>, " for k, t in enumerate(types))
    maps = ", ".join([ROW] * (len(types) + 1))
    o = f"tensor<{n}x{result}>"
    names = ", ".join(f"%t{k}" for k in range(len(types)))
    kinds = ", ".join(f"tensor<{n}x{t}>" for t in types)
    scalars = "".join(f"%x{k}: {t}, " for k, t in enumerate(types))
    slices = "\n".join(
        f"      %t{k} = tensor.extract_slice %a{k}[%t] [{n}] [1] : tensor<{n}x{t}> to tensor<{n}x{t}>"
        for k, t in enumerate(types)
    )
    return f"""
func.func private @elementwise({inputs}%out: {o} {{device.dest}}) -> {o} {HEAD} {{
  %r = scf.forall (%p) = (0) to (1) step (1) shared_outs(%o = %out) -> ({o}) {{
    %op = tensor.extract_slice %o[%p] [{n}] [1] : {o} to {o}
    %z = scf.forall (%t) = (0) to (1) step (1) shared_outs(%o2 = %op) -> ({o}) {{
{slices}
      %ot = tensor.extract_slice %o2[%t] [{n}] [1] : {o} to {o}
      %v = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
          ins({names} : {kinds}) outs(%ot : {o}) {{
      ^bb0({scalars}%old: {result}):
        {body}
        linalg.yield %y : {result}
      }} -> {o}
      scf.forall.in_parallel {{
        tensor.parallel_insert_slice %v into %o2[%t] [{n}] [1] : {o} into {o}
      }}
    }} {{device.tier = "tasklet"}}
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %z into %o[%p] [{n}] [1] : {o} into {o}
    }}
  }} {{device.tier = "dpu"}}
  return %r : {o}
}}"""
