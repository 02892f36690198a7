"""Tensor-level programs by hand, with awkward sizes: what the passes of the device level are tried on."""

from __future__ import annotations

ELEMENTWISE_2D = 'iterator_types = ["parallel", "parallel"]'
HEAD = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
#keep = affine_map<(d0, d1) -> (d0, 0)>
"""


def linear(m: str, k: int, n: int, name: str, source: str, weight: str, bias: str, sizes: str = "") -> str:
    """`name = source * weight + bias` for a tensor of m x k."""
    return f"""
    %e_{name} = tensor.empty({sizes}) : tensor<{m}x{n}xf32>
    %f_{name} = linalg.fill ins(%zero : f32) outs(%e_{name} : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
    %m_{name} = linalg.matmul ins({source}, {weight} : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>)
      outs(%f_{name} : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
    %{name} = linalg.generic {{indexing_maps = [#id, #col, #id], {ELEMENTWISE_2D}}}
      ins(%m_{name}, {bias} : tensor<{m}x{n}xf32>, tensor<{n}xf32>) outs(%e_{name} : tensor<{m}x{n}xf32>) {{
    ^bb0(%a: f32, %t: f32, %o: f32):
      %s = arith.addf %a, %t : f32
      linalg.yield %s : f32
    }} -> tensor<{m}x{n}xf32>"""


def relu(shape: str, name: str, source: str, like: str) -> str:
    """`name = max(source, 0)` elementwise on a matrix."""
    return f"""
    %{name} = linalg.generic {{indexing_maps = [#id, #id], {ELEMENTWISE_2D}}}
      ins({source} : tensor<{shape}xf32>) outs({like} : tensor<{shape}xf32>) {{
    ^bb0(%a: f32, %o: f32):
      %s = arith.maximumf %a, %zero : f32
      linalg.yield %s : f32
    }} -> tensor<{shape}xf32>"""


def mlp(m: str = "13") -> str:
    """Two dense layers with a ReLU between; `m` rows, `?` for a dynamic batch."""
    sizes = "%m" if m == "?" else ""
    size = f"%m = tensor.dim %x, %c0 : tensor<{m}x37xf32>" if sizes else ""
    return f"""{HEAD}
func.func @main(%x: tensor<{m}x37xf32>, %w: tensor<37x53xf32>, %b: tensor<53xf32>, %v: tensor<53x11xf32>,
                %c: tensor<11xf32>) -> tensor<{m}x11xf32> {{
    %zero = arith.constant 0.0 : f32
    %c0 = arith.constant 0 : index
    {size}
    {linear(m, 37, 53, "h", "%x", "%w", "%b", sizes)}
    {relu(f"{m}x53", "r", "%h", "%e_h")}
    {linear(m, 53, 11, "y", "%r", "%v", "%c", sizes)}
    return %y : tensor<{m}x11xf32>
}}"""


def softmax(rows: str = "7", columns: int = 31) -> str:
    """Softmax over the last dimension of a matrix."""
    sizes = "%m" if rows == "?" else ""
    size = f"%m = tensor.dim %x, %c0 : tensor<{rows}x{columns}xf32>" if sizes else ""
    matrix, one = f"tensor<{rows}x{columns}xf32>", f"tensor<{rows}xf32>"
    return f"""{HEAD}
func.func @main(%x: {matrix}) -> {matrix} {{
    %zero = arith.constant 0.0 : f32
    %least = arith.constant 0xFF800000 : f32
    %c0 = arith.constant 0 : index
    {size}
    %r = tensor.empty({sizes}) : {one}
    %e = tensor.empty({sizes}) : {matrix}
    %low = linalg.fill ins(%least : f32) outs(%r : {one}) -> {one}
    %max = linalg.generic {{indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}}
      ins(%x : {matrix}) outs(%low : {one}) {{
    ^bb0(%a: f32, %o: f32):
      %s = arith.maximumf %a, %o : f32
      linalg.yield %s : f32
    }} -> {one}
    %exp = linalg.generic {{indexing_maps = [#id, #row, #id], {ELEMENTWISE_2D}}}
      ins(%x, %max : {matrix}, {one}) outs(%e : {matrix}) {{
    ^bb0(%a: f32, %m1: f32, %o: f32):
      %d = arith.subf %a, %m1 : f32
      %s = math.exp %d : f32
      linalg.yield %s : f32
    }} -> {matrix}
    %none = linalg.fill ins(%zero : f32) outs(%r : {one}) -> {one}
    %sum = linalg.generic {{indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}}
      ins(%exp : {matrix}) outs(%none : {one}) {{
    ^bb0(%a: f32, %o: f32):
      %s = arith.addf %a, %o : f32
      linalg.yield %s : f32
    }} -> {one}
    %y = linalg.generic {{indexing_maps = [#id, #row, #id], {ELEMENTWISE_2D}}}
      ins(%exp, %sum : {matrix}, {one}) outs(%e : {matrix}) {{
    ^bb0(%a: f32, %m2: f32, %o: f32):
      %s = arith.divf %a, %m2 : f32
      linalg.yield %s : f32
    }} -> {matrix}
    return %y : {matrix}
}}"""


CONV = """
#b = affine_map<(d0, d1, d2, d3) -> (d1)>
#id4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
func.func @main(%x: tensor<1x5x9x11xf32>, %w: tensor<7x5x3x3xf32>, %b: tensor<7xf32>, %res:
tensor<1x7x5x6xf32>)
    -> tensor<1x7x5x6xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  } : tensor<1x5x9x11xf32> to tensor<1x5x11x13xf32>
  %e = tensor.empty() : tensor<1x7x5x6xf32>
  %bias = linalg.generic {indexing_maps = [#b, #id4], iterator_types = ["parallel", "parallel", "parallel",
  "parallel"]}
    ins(%b : tensor<7xf32>) outs(%e : tensor<1x7x5x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<1x7x5x6xf32>
  %c = linalg.conv_2d_nchw_fchw {dilations = dense<1> : vector<2xi64>, strides = dense<2> : vector<2xi64>}
    ins(%p, %w : tensor<1x5x11x13xf32>, tensor<7x5x3x3xf32>) outs(%bias : tensor<1x7x5x6xf32>) ->
    tensor<1x7x5x6xf32>
  %y = linalg.generic {indexing_maps = [#id4, #id4, #id4],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%c, %res : tensor<1x7x5x6xf32>, tensor<1x7x5x6xf32>) outs(%e : tensor<1x7x5x6xf32>) {
  ^bb0(%a: f32, %r: f32, %o: f32):
    %s = arith.addf %a, %r : f32
    %t = arith.maximumf %s, %zero : f32
    linalg.yield %t : f32
  } -> tensor<1x7x5x6xf32>
  return %y : tensor<1x7x5x6xf32>
}"""

CONCAT = """
func.func @main(%a: tensor<3x5xf32>, %b: tensor<3x?xf32>, %c: tensor<3x1xf32>) -> tensor<3x?xf32> {
  %0 = tensor.concat dim(1) %a, %b, %c : (tensor<3x5xf32>, tensor<3x?xf32>, tensor<3x1xf32>) ->
  tensor<3x?xf32>
  return %0 : tensor<3x?xf32>
}"""

BRANCHES = """
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @main(%x: tensor<5x7xf32>, %flag: tensor<i1>) -> tensor<5x7xf32> {
  %p = tensor.extract %flag[] : tensor<i1>
  %e = tensor.empty() : tensor<5x7xf32>
  %y = scf.if %p -> tensor<5x7xf32> {
    %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x7xf32>) outs(%e : tensor<5x7xf32>) {
    ^bb0(%u: f32, %o: f32):
      %s = arith.mulf %u, %u : f32
      linalg.yield %s : f32
    } -> tensor<5x7xf32>
    scf.yield %a : tensor<5x7xf32>
  } else {
    scf.yield %x : tensor<5x7xf32>
  }
  return %y : tensor<5x7xf32>
}"""

LOOKUP = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @main(%ids: tensor<13xi64>, %table: tensor<2x19xf32>) -> tensor<13x19xf32> {
  %e = tensor.empty() : tensor<13x19xf32>
  %y = linalg.generic {indexing_maps = [#row, #id], iterator_types = ["parallel", "parallel"]}
    ins(%ids : tensor<13xi64>) outs(%e : tensor<13x19xf32>) {
  ^bb0(%i: i64, %o: f32):
    %r = arith.index_cast %i : i64 to index
    %c = linalg.index 1 : index
    %v = tensor.extract %table[%r, %c] : tensor<2x19xf32>
    linalg.yield %v : f32
  } -> tensor<13x19xf32>
  return %y : tensor<13x19xf32>
}"""

SCAN = """
func.func @main(%x: tensor<5x7xf32>) -> tensor<5x7xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x7xf32>
  %a = tensor.empty() : tensor<7xf32>
  %f = linalg.fill ins(%zero : f32) outs(%a : tensor<7xf32>) -> tensor<7xf32>
  %y:2 = tm_tensor.scan dimension(0) inclusive(true) ins(%x : tensor<5x7xf32>)
      outs(%e, %f : tensor<5x7xf32>, tensor<7xf32>) {
  ^bb0(%in: f32, %acc: f32):
    %s = arith.addf %in, %acc : f32
    tm_tensor.yield %s : f32
  } -> tensor<5x7xf32>, tensor<7xf32>
  return %y#0 : tensor<5x7xf32>
}"""

ATTENTION = """
#q = affine_map<(b, m, n, k) -> (b, m, k)>
#k = affine_map<(b, m, n, k) -> (b, n, k)>
#s = affine_map<(b, m, n, k) -> (b, m, n)>
#id = affine_map<(b, m, n) -> (b, m, n)>
#row = affine_map<(b, m, n) -> (b, m)>
func.func @main(%q: tensor<3x13x8xf32>, %k: tensor<3x11x8xf32>, %v: tensor<3x11x8xf32>) -> tensor<3x13x8xf32> {
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<3x13x11xf32>
  %r = tensor.empty() : tensor<3x13xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x13x11xf32>) -> tensor<3x13x11xf32>
  %scores = linalg.generic {indexing_maps = [#q, #k, #s],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%q, %k : tensor<3x13x8xf32>, tensor<3x11x8xf32>) outs(%f : tensor<3x13x11xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %o, %p : f32
    linalg.yield %t : f32
  } -> tensor<3x13x11xf32>
  %low = linalg.fill ins(%least : f32) outs(%r : tensor<3x13xf32>) -> tensor<3x13xf32>
  %max = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
    ins(%scores : tensor<3x13x11xf32>) outs(%low : tensor<3x13xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.maximumf %a, %o : f32
    linalg.yield %t : f32
  } -> tensor<3x13xf32>
  %shifted = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel",
  "parallel"]}
    ins(%scores, %max : tensor<3x13x11xf32>, tensor<3x13xf32>) outs(%e : tensor<3x13x11xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<3x13x11xf32>
  %g = tensor.empty() : tensor<3x13x8xf32>
  %h = linalg.fill ins(%zero : f32) outs(%g : tensor<3x13x8xf32>) -> tensor<3x13x8xf32>
  %y = linalg.batch_matmul ins(%shifted, %v : tensor<3x13x11xf32>, tensor<3x11x8xf32>)
    outs(%h : tensor<3x13x8xf32>) -> tensor<3x13x8xf32>
  return %y : tensor<3x13x8xf32>
}"""

TWO_READERS = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
func.func @main(%x: tensor<5x9xf32>) -> (tensor<5x9xf32>, tensor<5xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x9xf32>
  %r = tensor.empty() : tensor<5xf32>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%x : tensor<5x9xf32>) outs(%e : tensor<5x9xf32>) {
  ^bb0(%u: f32, %o: f32):
    %s = math.exp %u : f32
    linalg.yield %s : f32
  } -> tensor<5x9xf32>
  %f = linalg.fill ins(%zero : f32) outs(%r : tensor<5xf32>) -> tensor<5xf32>
  %b = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
    ins(%a : tensor<5x9xf32>) outs(%f : tensor<5xf32>) {
  ^bb0(%u: f32, %o: f32):
    %s = arith.addf %u, %o : f32
    linalg.yield %s : f32
  } -> tensor<5xf32>
  return %a, %b : tensor<5x9xf32>, tensor<5xf32>
}"""

SUM_ALL = """
#id = affine_map<(d0, d1) -> (d0, d1)>
#all = affine_map<(d0, d1) -> ()>
func.func @main(%x: tensor<211x97xf32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<211x97xf32>
  %q = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%x : tensor<211x97xf32>) outs(%e : tensor<211x97xf32>) {
  ^bb0(%a: f32, %o: f32):
    %p = arith.mulf %a, %a : f32
    linalg.yield %p : f32
  } -> tensor<211x97xf32>
  %r = tensor.empty() : tensor<f32>
  %f = linalg.fill ins(%zero : f32) outs(%r : tensor<f32>) -> tensor<f32>
  %s = linalg.generic {indexing_maps = [#id, #all], iterator_types = ["reduction", "reduction"]}
    ins(%q : tensor<211x97xf32>) outs(%f : tensor<f32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.addf %a, %o : f32
    linalg.yield %t : f32
  } -> tensor<f32>
  return %s : tensor<f32>
}"""

HEADS = """
#id = affine_map<(b, h, m, n) -> (b, h, m, n)>
#mask = affine_map<(b, h, m, n) -> (b, 0, 0, n)>
#row = affine_map<(b, h, m, n) -> (b, h, m)>
#keep = affine_map<(b, h, m, n) -> (b, h, m, 0)>
func.func @main(%q: tensor<10x24xf32>, %k: tensor<10x24xf32>, %v: tensor<10x24xf32>, %bias: tensor<2x1x1x5xf32>)
    -> tensor<10x24xf32> {
  %zero = arith.constant 0.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %q4 = tensor.expand_shape %q [[0, 1], [2, 3]] output_shape [2, 5, 3, 8] : tensor<10x24xf32> into tensor<2x5x3x8xf32>
  %k4 = tensor.expand_shape %k [[0, 1], [2, 3]] output_shape [2, 5, 3, 8] : tensor<10x24xf32> into tensor<2x5x3x8xf32>
  %v4 = tensor.expand_shape %v [[0, 1], [2, 3]] output_shape [2, 5, 3, 8] : tensor<10x24xf32> into tensor<2x5x3x8xf32>
  %e = tensor.empty() : tensor<2x3x5x8xf32>
  %et = tensor.empty() : tensor<2x3x8x5xf32>
  %qt = linalg.transpose ins(%q4 : tensor<2x5x3x8xf32>) outs(%e : tensor<2x3x5x8xf32>) permutation = [0, 2, 1, 3]
  %kt = linalg.transpose ins(%k4 : tensor<2x5x3x8xf32>) outs(%et : tensor<2x3x8x5xf32>) permutation = [0, 2, 3, 1]
  %vt = linalg.transpose ins(%v4 : tensor<2x5x3x8xf32>) outs(%e : tensor<2x3x5x8xf32>) permutation = [0, 2, 1, 3]
  %q3 = tensor.collapse_shape %qt [[0, 1], [2], [3]] : tensor<2x3x5x8xf32> into tensor<6x5x8xf32>
  %k3 = tensor.collapse_shape %kt [[0, 1], [2], [3]] : tensor<2x3x8x5xf32> into tensor<6x8x5xf32>
  %v3 = tensor.collapse_shape %vt [[0, 1], [2], [3]] : tensor<2x3x5x8xf32> into tensor<6x5x8xf32>
  %s0 = tensor.empty() : tensor<6x5x5xf32>
  %s1 = linalg.fill ins(%zero : f32) outs(%s0 : tensor<6x5x5xf32>) -> tensor<6x5x5xf32>
  %s2 = linalg.batch_matmul ins(%q3, %k3 : tensor<6x5x8xf32>, tensor<6x8x5xf32>)
    outs(%s1 : tensor<6x5x5xf32>) -> tensor<6x5x5xf32>
  %s = tensor.expand_shape %s2 [[0, 1], [2], [3]] output_shape [2, 3, 5, 5]
    : tensor<6x5x5xf32> into tensor<2x3x5x5xf32>
  %w = tensor.empty() : tensor<2x3x5x5xf32>
  %masked = linalg.generic {indexing_maps = [#id, #mask, #id],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%s, %bias : tensor<2x3x5x5xf32>, tensor<2x1x1x5xf32>) outs(%w : tensor<2x3x5x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<2x3x5x5xf32>
  %r = tensor.empty() : tensor<2x3x5xf32>
  %low = linalg.fill ins(%least : f32) outs(%r : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
  %max = linalg.generic {indexing_maps = [#id, #row],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
    ins(%masked : tensor<2x3x5x5xf32>) outs(%low : tensor<2x3x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = arith.maximumf %a, %o : f32
    linalg.yield %t : f32
  } -> tensor<2x3x5xf32>
  %max1 = tensor.expand_shape %max [[0], [1], [2, 3]] output_shape [2, 3, 5, 1]
    : tensor<2x3x5xf32> into tensor<2x3x5x1xf32>
  %p = linalg.generic {indexing_maps = [#id, #keep, #id],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
    ins(%masked, %max1 : tensor<2x3x5x5xf32>, tensor<2x3x5x1xf32>) outs(%w : tensor<2x3x5x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.subf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<2x3x5x5xf32>
  %p3 = tensor.collapse_shape %p [[0, 1], [2], [3]] : tensor<2x3x5x5xf32> into tensor<6x5x5xf32>
  %o0 = tensor.empty() : tensor<6x5x8xf32>
  %o1 = linalg.fill ins(%zero : f32) outs(%o0 : tensor<6x5x8xf32>) -> tensor<6x5x8xf32>
  %o2 = linalg.batch_matmul ins(%p3, %v3 : tensor<6x5x5xf32>, tensor<6x5x8xf32>)
    outs(%o1 : tensor<6x5x8xf32>) -> tensor<6x5x8xf32>
  %o4 = tensor.expand_shape %o2 [[0, 1], [2], [3]] output_shape [2, 3, 5, 8]
    : tensor<6x5x8xf32> into tensor<2x3x5x8xf32>
  %oe = tensor.empty() : tensor<2x5x3x8xf32>
  %ot = linalg.transpose ins(%o4 : tensor<2x3x5x8xf32>) outs(%oe : tensor<2x5x3x8xf32>) permutation = [0, 2, 1, 3]
  %y = tensor.collapse_shape %ot [[0, 1], [2, 3]] : tensor<2x5x3x8xf32> into tensor<10x24xf32>
  return %y : tensor<10x24xf32>
}"""

PROGRAMS = {
    "mlp": mlp(),
    "mlp-one-row": mlp("1"),
    "mlp-dynamic": mlp("?"),
    "softmax": softmax(),
    "softmax-dynamic": softmax("?"),
    "softmax-long-rows": softmax("3", 4099),
    "conv": CONV,
    "concat": CONCAT,
    "branches": BRANCHES,
    "lookup": LOOKUP,
    "scan": SCAN,
    "attention": ATTENTION,
    "two-readers": TWO_READERS,
    "sum-all": SUM_ALL,
    "heads": HEADS,
}
