// RUN: stratagem opt %s --passes 'form-kernels; match-functions; tile-kernels' --target generic-avx512 | filecheck %s

// Blocks of rows and columns for the cores, steps of depth for the nearest cache, linalg on what is left. The sizes come
// from the caches and vectors of the description: see tile-kernels-matmul-smaller for others.
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    device.bytes = {l2 = 262144 : i64}
// CHECK:         scf.forall (%[[I:.*]], %[[J:.*]]) = (0, 0) to (1024, 4096) step (512, 128) shared_outs(%[[O:.*]] = %{{.*}})
// CHECK:           tensor.extract_slice %[[O]][%[[I]], %[[J]]] [512, 128] [1, 1]
// CHECK:           linalg.fill
// CHECK:           scf.for %[[K:.*]] = %{{.*}} to %c2048 step %c1024 iter_args
// CHECK:             tensor.extract_slice %{{.*}}[%[[I]], %[[K]]] [512, 1024] [1, 1]
// CHECK:             tensor.extract_slice %{{.*}}[%[[K]], %[[J]]] [1024, 128] [1, 1]
// CHECK:             linalg.generic
// CHECK:           } {device.level = "l1"}
// CHECK:           tensor.parallel_insert_slice
// CHECK:         } {device.tier = "core"}
func.func @main(%a: tensor<1024x2048xf32>, %b: tensor<2048x4096xf32>) -> tensor<1024x4096xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1024x4096xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1024x4096xf32>) -> tensor<1024x4096xf32>
  %c = linalg.matmul ins(%a, %b : tensor<1024x2048xf32>, tensor<2048x4096xf32>)
    outs(%f : tensor<1024x4096xf32>) -> tensor<1024x4096xf32>
  return %c : tensor<1024x4096xf32>
}
