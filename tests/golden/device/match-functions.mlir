// RUN: stratagem opt %s --passes 'form-kernels; match-functions' --target upmem-rank | filecheck %s

// A sum of integers runs in memory; a scan has no tiled form and stays with the host, which the claim says.
// CHECK-LABEL: func.func private @
// CHECK-SAME:    class = "upmem-rank", function = "add", unit = "alu"}, device.work = {bytes = 84 : i64, operations = 7 : i64}
// CHECK-LABEL: func.func private @
// CHECK-SAME:    function = "sequential", reason = "tm_tensor.scan has no tiled form"
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<7xi32>, %y: tensor<7xi32>, %z: tensor<7x3xf32>) -> (tensor<7xi32>, tensor<7x3xf32>) {
  %e = tensor.empty() : tensor<7xi32>
  %s = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
    ins(%x, %y : tensor<7xi32>, tensor<7xi32>) outs(%e : tensor<7xi32>) {
  ^bb0(%a: i32, %b: i32, %o: i32):
    %t = arith.addi %a, %b : i32
    linalg.yield %t : i32
  } -> tensor<7xi32>
  %zero = arith.constant 0.0 : f32
  %i = tensor.empty() : tensor<7x3xf32>
  %j = tensor.empty() : tensor<3xf32>
  %f = linalg.fill ins(%zero : f32) outs(%j : tensor<3xf32>) -> tensor<3xf32>
  %r:2 = tm_tensor.scan dimension(0) inclusive(true) ins(%z : tensor<7x3xf32>)
      outs(%i, %f : tensor<7x3xf32>, tensor<3xf32>) {
  ^bb0(%in: f32, %acc: f32):
    %t = arith.addf %in, %acc : f32
    tm_tensor.yield %t : f32
  } -> tensor<7x3xf32>, tensor<3xf32>
  return %s, %r#0 : tensor<7xi32>, tensor<7x3xf32>
}
