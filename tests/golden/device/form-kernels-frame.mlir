// RUN: stratagem opt %s --passes 'form-kernels; match-functions; tile-kernels' --target generic-avx512 | filecheck %s

// What is padded is computed in its place: the kernel writes the four sides of the frame, then the middle. The other
// reader of the middle reads it there, through a shifted map.
// CHECK-DAG:     #[[INSIDE:.*]] = affine_map<(d0, d1) -> (d0, d1 + 2)>
// CHECK-LABEL: func.func @main
// CHECK:         %[[P:.*]] = call @[[K:.*]](%arg0, %{{.*}}) : (tensor<5x7xf32>, tensor<8x10xf32>) -> tensor<8x10xf32>
// CHECK-NOT:     tensor.pad
// CHECK:         func.func private @[[K]]
// CHECK-COUNT-4: scf.forall {{.*}} -> (tensor<8x10xf32>)
// CHECK:         %[[R:.*]] = scf.forall {{.*}} -> (tensor<8x10xf32>)
// CHECK:           math.exp
// CHECK:           tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%{{.*}}, 2]
// CHECK:         return %[[R]]
// CHECK:         indexing_maps = [#[[INSIDE]], #{{.*}}]
#id = affine_map<(i, j) -> (i, j)>
func.func @main(%x: tensor<5x7xf32> {model.input = "x"})
    -> (tensor<8x10xf32> {model.output = "p"}, tensor<5x7xf32> {model.output = "q"}) {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<5x7xf32>
  %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x7xf32>) outs(%e : tensor<5x7xf32>) {
  ^bb0(%l: f32, %o: f32):
    %m = math.exp %l : f32
    linalg.yield %m : f32
  } -> tensor<5x7xf32>
  %p = tensor.pad %v low[1, 2] high[2, 1] {
  ^bb0(%k: index, %q: index):
    tensor.yield %one : f32
  } : tensor<5x7xf32> to tensor<8x10xf32>
  %q = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%v : tensor<5x7xf32>) outs(%e : tensor<5x7xf32>) {
  ^bb0(%l: f32, %o: f32):
    %m = math.tanh %l : f32
    linalg.yield %m : f32
  } -> tensor<5x7xf32>
  return %p, %q : tensor<8x10xf32>, tensor<5x7xf32>
}
