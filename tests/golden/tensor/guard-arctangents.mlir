// RUN: stratagem opt %s --passes 'guard-arctangents; guard-arctangents; mlir{pipeline=canonicalize,cse}' | filecheck %s

// A guard is made once, and folding finds what IEEE 754 says of two zeros.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[Y:.*]]: f32, %[[X:.*]]: f32
// CHECK-DAG:     %[[PI:.*]] = arith.constant 3.14159274 : f32
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG:     %[[NO_X:.*]] = arith.cmpf oeq, %[[X]], %[[ZERO]] : f32
// CHECK-DAG:     %[[SIGN:.*]] = math.copysign %[[ONE]], %[[X]] : f32
// CHECK-DAG:     %[[BESIDE:.*]] = arith.select %[[NO_X]], %[[SIGN]], %[[X]] : f32
// CHECK-DAG:     %[[NO_Y:.*]] = arith.cmpf oeq, %[[Y]], %[[ZERO]] : f32
// CHECK:         %[[SAFE:.*]] = arith.select %[[NO_Y]], %[[BESIDE]], %[[X]] : f32
// CHECK-NEXT:    %[[A:.*]] = math.atan2 %[[Y]], %[[SAFE]] : f32
// CHECK-NEXT:    return %[[A]], %[[PI]]
func.func @main(%y: f32, %x: f32) -> (f32, f32) {
  %zero = arith.constant 0.0 : f32
  %negative = arith.constant -0.0 : f32
  %a = math.atan2 %y, %x : f32
  %b = math.atan2 %zero, %negative : f32
  return %a, %b : f32, f32
}
