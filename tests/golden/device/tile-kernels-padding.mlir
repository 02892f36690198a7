// RUN: stratagem opt %s --passes 'form-kernels; match-functions; tile-kernels' --target generic-avx512 | filecheck %s

// No side of the padding cuts the pictures: each unit fills its own, then copies the middle, while the tile is in a cache.
// One row of pictures is no share for all units, so that is filled in one phase and copied in the next.
// CHECK-LABEL: func.func private @pad(
// CHECK:         scf.forall (%{{.*}}) = (0) to (48) step (2)
// CHECK:           linalg.generic
// CHECK:           linalg.yield %cst
// CHECK:           tensor.insert_slice %{{.*}} into %{{.*}}[0, 1, 2]
// CHECK:         } {device.tier = "core"}
// CHECK-NOT:     scf.forall
// CHECK:         return
// CHECK-LABEL: func.func private @pad_
// CHECK-COUNT-2: scf.forall
func.func @main(%x: tensor<48x57x55xf32> {model.input = "x"}, %r: tensor<3x57x55xf32> {model.input = "r"})
    -> (tensor<48x59x58xf32> {model.output = "y"}, tensor<3x59x58xf32> {model.output = "s"}) {
  %zero = arith.constant 0.0 : f32
  %y = tensor.pad %x low[0, 1, 2] high[0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<48x57x55xf32> to tensor<48x59x58xf32>
  %s = tensor.pad %r low[0, 1, 2] high[0, 1, 1] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<3x57x55xf32> to tensor<3x59x58xf32>
  return %y, %s : tensor<48x59x58xf32>, tensor<3x59x58xf32>
}
