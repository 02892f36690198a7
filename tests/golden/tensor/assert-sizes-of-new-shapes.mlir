// RUN: stratagem opt %s --passes 'assert-sizes' | filecheck %s

// A dimension splits only into sizes that multiply to it; a reshape keeps the number of elements; parts that are joined
// agree in the other dimensions; a computed padding is not negative. What the types say already is not asserted.
// CHECK-LABEL: func.func @main
// CHECK:         %[[SPLIT:.*]] = arith.muli %arg3, %c4
// CHECK:         %[[EVEN:.*]] = arith.cmpi eq, %[[SPLIT]]
// CHECK:         cf.assert %[[EVEN]], "dimension 0 does not split into ?x4
// CHECK:         cf.assert %{{.*}}, "the new shape has another number of elements
// CHECK:         cf.assert %{{.*}}, "sizes do not fit together: dimension 1 and dimension 1 of the operands
// CHECK:         %[[SIGN:.*]] = arith.cmpi sge, %arg3, %c0
// CHECK:         cf.assert %[[SIGN]], "a padding is negative
// CHECK-NOT:     cf.assert
func.func @main(%x: tensor<?x6xf32> {model.input = "x"}, %y: tensor<?x?xf32> {model.input = "y"},
                %s: tensor<3xi64> {model.input = "s"}, %k: index, %w: tensor<8x6xf32> {model.param = "w"})
    -> (tensor<?x4x6xf32> {model.output = "a"}, tensor<?x?x?xf32> {model.output = "b"},
        tensor<?x6xf32> {model.output = "c"}, tensor<?x6xf32> {model.output = "d"},
        tensor<2x4x6xf32> {model.output = "e"}) {
  %zero = arith.constant 0.0 : f32
  %a = tensor.expand_shape %x [[0, 1], [2]] output_shape [%k, 4, 6] : tensor<?x6xf32> into tensor<?x4x6xf32>
  %b = tensor.reshape %x(%s) : (tensor<?x6xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  %c = tensor.concat dim(0) %x, %y : (tensor<?x6xf32>, tensor<?x?xf32>) -> tensor<?x6xf32>
  %d = tensor.pad %x low[%k, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<?x6xf32> to tensor<?x6xf32>
  %e = tensor.expand_shape %w [[0, 1], [2]] output_shape [2, 4, 6] : tensor<8x6xf32> into tensor<2x4x6xf32>
  return %a, %b, %c, %d, %e
      : tensor<?x4x6xf32>, tensor<?x?x?xf32>, tensor<?x6xf32>, tensor<?x6xf32>, tensor<2x4x6xf32>
}
