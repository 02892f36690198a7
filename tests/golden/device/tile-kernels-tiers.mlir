// RUN: stratagem opt %s --passes 'form-kernels; match-functions; tile-kernels' --target upmem-rank | filecheck %s

// Two tiers of units: a forall for each. Tiles of the inner tier are copied to the scratchpad, which their slices say.
// CHECK-LABEL: func.func private @add
// CHECK:         scf.forall (%[[I:.*]]) = (0) to (65536) step (1024) shared_outs(%[[O:.*]] = %{{.*}})
// CHECK:           %[[T:.*]] = tensor.extract_slice %{{.*}}[%[[I]]] [1024] [1] : tensor<65536xi32>
// CHECK:           scf.forall (%[[J:.*]]) = (0) to (1024) step ([[S:.*]]) shared_outs
// CHECK:             tensor.extract_slice %[[T]][%[[J]]] [[[S]]] [1] {device.stage = "wram"}
// CHECK:             linalg.generic
// CHECK:             tensor.parallel_insert_slice
// CHECK:           } {device.tier = "tasklet"}
// CHECK:           tensor.parallel_insert_slice %{{.*}} into %[[O]][%[[I]]] [1024] [1]
// CHECK:         } {device.tier = "dpu"}
#id = affine_map<(d0) -> (d0)>
func.func @main(%x: tensor<65536xi32>) -> tensor<65536xi32> {
  %e = tensor.empty() : tensor<65536xi32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
    ins(%x : tensor<65536xi32>) outs(%e : tensor<65536xi32>) {
  ^bb0(%a: i32, %o: i32):
    %t = arith.addi %a, %a : i32
    linalg.yield %t : i32
  } -> tensor<65536xi32>
  return %s : tensor<65536xi32>
}
