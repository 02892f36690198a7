// RUN: stratagem opt %s --passes 'assert-indices' | filecheck %s

// The rows of %t are chosen by %i: compared once per row, not once per element, and the program stops if one is outside.
// CHECK-LABEL: func.func @main
// CHECK:         %[[IN:.*]] = linalg.generic {{.*}} iterator_types = ["parallel"]} ins(%arg1 : tensor<?xi64>)
// CHECK:           arith.cmpi sge
// CHECK:           arith.cmpi slt
// CHECK:           linalg.yield {{.*}} : i1
// CHECK:         %[[ALL:.*]] = linalg.reduce ins(%[[IN]] : tensor<?xi1>)
// CHECK:         %[[OK:.*]] = tensor.extract %[[ALL]][] : tensor<i1>
// CHECK:         cf.assert %[[OK]], "an index is outside dimension 0 of size 5
// CHECK-NOT:     cf.assert
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]}
func.func @main(%t: tensor<5x3xf32> {model.input = "t"}, %i: tensor<?xi64> {model.input = "i"})
    -> (tensor<?x3xf32> {model.output = "y"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %i, %c0 : tensor<?xi64>
  %e = tensor.empty(%n) : tensor<?x3xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>],
                       iterator_types = ["parallel", "parallel"]} ins(%i : tensor<?xi64>) outs(%e : tensor<?x3xf32>) {
  ^bb0(%k: i64, %o: f32):
    %row = arith.index_cast %k : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %t[%row, %column] : tensor<5x3xf32>
    linalg.yield %v : f32
  } -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
