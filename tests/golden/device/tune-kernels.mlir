// RUN: stratagem opt %s --passes 'tune-kernels; tile-kernels' --target generic-avx512 | filecheck %s

// A kernel that names its tiles gets these, whatever the cost model would choose; the name is gone afterwards. Nothing was
// measured for this one, so `tune-kernels` changes nothing.
// CHECK-LABEL: func.func private @matmul
// CHECK-NOT:     device.tiles
// CHECK:         scf.forall (%[[I:.*]], %[[J:.*]]) = (0, 0) to (96, 160) step (24, 80)
// CHECK:           scf.for %{{.*}} = %{{.*}} to %c64 step %c16 iter_args
// CHECK-NOT:     device.tiles
#rows = affine_map<(d0, d1, d2) -> (d0, d2)>
#columns = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
module attributes {stratagem.level = "device"} {
func.func private @matmul(%a: tensor<96x64xf32>, %b: tensor<64x160xf32>, %o: tensor<96x160xf32> {device.dest})
    -> tensor<96x160xf32> attributes {
      device.kernel = {candidates = ["generic-avx512/fma"], class = "generic-avx512", function = "matmul", unit = "fma"},
      device.tiles = {sizes = array<i64: 24, 80>, stages = [array<i64: 2, 16>]}} {
  %zero = arith.constant 0.0 : f32
  %f = linalg.fill ins(%zero : f32) outs(%o : tensor<96x160xf32>) -> tensor<96x160xf32>
  %c = linalg.generic {indexing_maps = [#rows, #columns, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<96x64xf32>, tensor<64x160xf32>) outs(%f : tensor<96x160xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  } -> tensor<96x160xf32>
  return %c : tensor<96x160xf32>
}
}
