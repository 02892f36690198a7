// RUN: stratagem opt %s --passes 'form-kernels; match-functions; call-libraries; tile-kernels' --target %S/with-library.yaml | filecheck %s

// The library does the large product, by an estimate of less than half of the time: the claim names the library's unit,
// and what it means stays a product on tiles, one for each of four cores. Two rows take as long to read by either, and a
// call takes a microsecond: there it is not chosen.
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME:    tensor<512x512xf32>, %arg1: tensor<512x512xf32>
// CHECK-SAME:    device.kernel = {candidates = ["with-library/fma", "with-library/blas"]
// CHECK-SAME:    function = "matmul", unit = "blas"}
// CHECK-SAME:    device.offer = {chosen = true, generated = {{.*}}, library = {{.*}}, measured = false, unit = "blas"}
// CHECK:         scf.forall ({{.*}}) = (0, 0) to (512, 512) step (256, 256)
// CHECK:           linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-LABEL: func.func private @matmul_{{[0-9]+}}
// CHECK-SAME:    function = "matmul", unit = "fma"}
// CHECK-SAME:    device.offer = {chosen = false
func.func @main(%a: tensor<512x512xf32> {model.input = "a"}, %b: tensor<512x512xf32> {model.input = "b"},
    %r: tensor<2x512xf32> {model.input = "r"})
    -> (tensor<512x512xf32> {model.output = "y"}, tensor<2x512xf32> {model.output = "z"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<512x512xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<512x512xf32>) -> tensor<512x512xf32>
  %y = linalg.matmul ins(%a, %b : tensor<512x512xf32>, tensor<512x512xf32>) outs(%i : tensor<512x512xf32>)
    -> tensor<512x512xf32>
  %f = tensor.empty() : tensor<2x512xf32>
  %j = linalg.fill ins(%zero : f32) outs(%f : tensor<2x512xf32>) -> tensor<2x512xf32>
  %z = linalg.matmul ins(%r, %b : tensor<2x512xf32>, tensor<512x512xf32>) outs(%j : tensor<2x512xf32>)
    -> tensor<2x512xf32>
  return %y, %z : tensor<512x512xf32>, tensor<2x512xf32>
}
