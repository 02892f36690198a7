// RUN: stratagem opt %s --passes 'bufferize-host; plan-memory' | filecheck %s

// The host becomes a program on buffers; the kernel keeps its tensor form in its member's module.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    %[[X:.*]]: memref<5xf32> {model.input = "x"}
// CHECK-SAME:    %[[ARENA:.*]]: memref<64xi8> {physical.arena = 64 : i64}
// CHECK-SAME:    -> (memref<5xf32> {model.output = "y"})
// CHECK-DAG:     %[[VIEW:.*]] = memref.view %[[ARENA]]
// CHECK-DAG:     %[[RESULT:.*]] = memref.alloc()
// CHECK:         call @negate(%[[X]], %[[VIEW]])
// CHECK:         call @negate(%[[VIEW]], %[[RESULT]])
// CHECK:         return %[[RESULT]]
// CHECK:       func.func private @negate(memref<5xf32>, memref<5xf32>) attributes {llvm.emit_c_interface}
// CHECK:       module @host
// CHECK:         func.func private @negate(%{{.*}}: tensor<5xf32>, %{{.*}}: tensor<5xf32> {device.dest}) -> tensor<5xf32>
#id = affine_map<(d0) -> (d0)>
module attributes {stratagem.level = "system"} {
  func.func @main(%x: tensor<5xf32> {model.input = "x"}) -> (tensor<5xf32> {model.output = "y"}) {
    %e = tensor.empty() : tensor<5xf32>
    %a = call @negate(%x, %e) {system.member = "host"} : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    %b = call @negate(%a, %e) {system.member = "host"} : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    return %b : tensor<5xf32>
  }
  func.func private @negate(%x: tensor<5xf32>, %out: tensor<5xf32> {device.dest}) -> tensor<5xf32>
      attributes {device.kernel = {class = "generic-avx512", function = "neg", unit = "fma"}} {
    %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
        ins(%x : tensor<5xf32>) outs(%out : tensor<5xf32>) {
    ^bb0(%in: f32, %old: f32):
      %n = arith.negf %in : f32
      linalg.yield %n : f32
    } -> tensor<5xf32>
    return %r : tensor<5xf32>
  }
}
