// RUN: stratagem opt %s --passes 'assert-sizes' | filecheck %s

// What a loop computes is asserted in the loop, and an operation whose body reads another tensor is no exception.
// CHECK-LABEL: func.func @main
// CHECK-NOT:     cf.assert
// CHECK:         scf.for
// CHECK:           cf.assert %{{.*}}, "sizes do not fit together: dimension 0 and dimension 0 of the operands
// CHECK-NEXT:      linalg.generic
// CHECK-NOT:     cf.assert
func.func @main(%x: tensor<?xf32> {model.input = "x"}, %y: tensor<?xf32> {model.input = "y"},
                %t: tensor<5xf32> {model.param = "t"}) -> (tensor<?xf32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %z = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %x) -> (tensor<?xf32>) {
    %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
        iterator_types = ["parallel"]} ins(%y : tensor<?xf32>) outs(%s : tensor<?xf32>) {
    ^bb0(%a: f32, %b: f32):
      %v = tensor.extract %t[%i] : tensor<5xf32>
      %p = arith.mulf %a, %v : f32
      %q = arith.addf %p, %b : f32
      linalg.yield %q : f32
    } -> tensor<?xf32>
    scf.yield %r : tensor<?xf32>
  }
  return %z : tensor<?xf32>
}
