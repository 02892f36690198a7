// RUN: stratagem opt %s --passes 'fold-parameters' | filecheck %s

// Counters, fills and views are made in registers; a table of half a megabyte costs more than it saves; a parameter
// without data here (%w) is unknown.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    (%arg0: tensor<7xi64> {model.input = "x"}, %arg1: tensor<7xi64> {model.param = "w"})
// CHECK:         linalg.index
// CHECK-COUNT-2: linalg.mul {{.*}}tensor<7xi64>
// CHECK:         linalg.mul {{.*}}tensor<65537xi64>
// CHECK:         linalg.add
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<7xi64> {model.input = "x"}, %w: tensor<7xi64> {model.param = "w"})
    -> (tensor<7xi64> {model.output = "z"}, tensor<65537xi64> {model.output = "t"}) {
  %e = tensor.empty() : tensor<7xi64>
  %i = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%e : tensor<7xi64>) {
  ^bb0(%out: i64):
    %at = linalg.index 0 : index
    %v = arith.index_cast %at : index to i64
    linalg.yield %v : i64
  } -> tensor<7xi64>
  %ww = linalg.mul ins(%w, %w : tensor<7xi64>, tensor<7xi64>) outs(%e : tensor<7xi64>) -> tensor<7xi64>
  %y = linalg.mul ins(%x, %i : tensor<7xi64>, tensor<7xi64>) outs(%e : tensor<7xi64>) -> tensor<7xi64>
  %z = linalg.add ins(%y, %ww : tensor<7xi64>, tensor<7xi64>) outs(%e : tensor<7xi64>) -> tensor<7xi64>
  %l = tensor.empty() : tensor<65537xi64>
  %c = arith.constant 5 : i64
  %f = linalg.fill ins(%c : i64) outs(%l : tensor<65537xi64>) -> tensor<65537xi64>
  %big = linalg.mul ins(%f, %f : tensor<65537xi64>, tensor<65537xi64>) outs(%l : tensor<65537xi64>) -> tensor<65537xi64>
  %s = tensor.extract_slice %big[0] [7] [1] : tensor<65537xi64> to tensor<7xi64>
  %zz = linalg.add ins(%z, %s : tensor<7xi64>, tensor<7xi64>) outs(%e : tensor<7xi64>) -> tensor<7xi64>
  return %zz, %big : tensor<7xi64>, tensor<65537xi64>
}
