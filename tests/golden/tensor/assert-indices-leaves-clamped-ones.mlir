// RUN: stratagem opt %s --passes 'assert-indices' | filecheck %s

// What is clamped into the range, or decided by loops alone, is not compared again.
// CHECK-LABEL: func.func @main
// CHECK-NOT:     cf.assert
// CHECK:         return
func.func @main(%t: tensor<5x3xf32> {model.input = "t"}, %i: tensor<7xi64> {model.input = "i"})
    -> (tensor<7x3xf32> {model.output = "y"}) {
  %zero = arith.constant 0 : i64
  %four = arith.constant 4 : i64
  %two = arith.constant 2 : index
  %e = tensor.empty() : tensor<7x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>],
                       iterator_types = ["parallel", "parallel"]} ins(%i : tensor<7xi64>) outs(%e : tensor<7x3xf32>) {
  ^bb0(%k: i64, %o: f32):
    %low = arith.maxsi %k, %zero : i64
    %high = arith.minsi %low, %four : i64
    %row = arith.index_cast %high : i64 to index
    %b = linalg.index 1 : index
    %column = arith.subi %two, %b : index
    %v = tensor.extract %t[%row, %column] : tensor<5x3xf32>
    linalg.yield %v : f32
  } -> tensor<7x3xf32>
  return %y : tensor<7x3xf32>
}
