// RUN: stratagem opt %s --passes 'assert-sizes' | filecheck %s

// A computed slice must lie inside its tensor, and what is inserted must have the sizes of its place. A slice that takes
// a dimension as it is, and one that the types show to be inside, cost nothing.
// CHECK-LABEL: func.func @main
// CHECK:         %[[SIGN:.*]] = arith.cmpi sge, %arg3, %c0
// CHECK:         cf.assert %[[SIGN]], "a slice's size is negative
// CHECK:         %[[END:.*]] = affine.apply {{.*}}%arg3
// CHECK:         %[[INSIDE:.*]] = arith.cmpi sle, %[[END]], %{{.*}}
// CHECK:         cf.assert %[[INSIDE]], "a slice reaches past dimension 0 of its tensor
// CHECK:         cf.assert %{{.*}}, "a slice reaches past dimension 0 of its tensor
// CHECK:         cf.assert %{{.*}}, "sizes do not fit together: dimension 0 of what is inserted and of its place
// CHECK-NOT:     cf.assert
func.func @main(%x: tensor<?x4xf32> {model.input = "x"}, %y: tensor<?xf32> {model.input = "y"},
                %w: tensor<8x4xf32> {model.param = "w"}, %n: index)
    -> (tensor<?x4xf32> {model.output = "a"}, tensor<?x4xf32> {model.output = "b"},
        tensor<?x2xf32> {model.output = "c"}, tensor<3x4xf32> {model.output = "d"}) {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x4xf32>
  %a = tensor.extract_slice %x[2, 0] [%n, 4] [3, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  %b = tensor.insert_slice %y into %x[1, 0] [%n, 1] [1, 1] : tensor<?xf32> into tensor<?x4xf32>
  %c = tensor.extract_slice %x[0, 1] [%rows, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %d = tensor.extract_slice %w[1, 0] [3, 4] [2, 1] : tensor<8x4xf32> to tensor<3x4xf32>
  return %a, %b, %c, %d : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x2xf32>, tensor<3x4xf32>
}
