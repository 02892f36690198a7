// RUN: stratagem opt %s --passes 'form-kernels; match-functions; tile-kernels' --target %S/small-caches.yaml | filecheck %s

// The program of tile-kernels-matmul for the same device with smaller caches: other tiles, the same code.
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    device.bytes = {l2 = 32768 : i64}
// CHECK:         scf.forall (%{{.*}}, %{{.*}}) = (0, 0) to (1024, 4096) step (512, 2048)
// CHECK:           scf.for %{{.*}} = %{{.*}} to %c2048 step %c128 iter_args
func.func @main(%a: tensor<1024x2048xf32>, %b: tensor<2048x4096xf32>) -> tensor<1024x4096xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1024x4096xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1024x4096xf32>) -> tensor<1024x4096xf32>
  %c = linalg.matmul ins(%a, %b : tensor<1024x2048xf32>, tensor<2048x4096xf32>)
    outs(%f : tensor<1024x4096xf32>) -> tensor<1024x4096xf32>
  return %c : tensor<1024x4096xf32>
}
