// RUN: stratagem opt %s --passes 'form-kernels' --target generic-avx512 | filecheck %s

// Of one element no step is taken: it is not kept, or the layouts of slices with fewer dimensions would not agree.
// CHECK-LABEL: func.func @main
// CHECK-NOT:     [1, 2, 1]
// CHECK:         tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0] [1, 1, 1] [1, 1, 1]
func.func @main(%x: tensor<1x1x1xf32> {model.input = "x"}, %y: tensor<1x1xf32> {model.input = "y"})
    -> (tensor<1x1x1xf32> {model.output = "z"}) {
  %z = tensor.insert_slice %y into %x[0, 0, 0] [1, 1, 1] [1, 2, 1] : tensor<1x1xf32> into tensor<1x1x1xf32>
  return %z : tensor<1x1x1xf32>
}
