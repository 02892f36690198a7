// RUN: stratagem opt %s --passes 'plan-memory' | filecheck %s

// Which of the two is read is known at run time only: %a and the free-sized %d live as long as what was chosen.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    memref<128xi8> {physical.arena = 128 : i64}
// CHECK-DAG:     %[[A:.*]] = memref.view %{{.*}}[%{{.*}}][] {physical.size = 64 : i64} : memref<128xi8> to memref<4xf32>
// CHECK-DAG:     %[[D:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         arith.select %{{.*}}, %[[A]], %arg0
// CHECK:         arith.select %{{.*}}, %[[D]], %arg1
// CHECK:         %[[B:.*]] = memref.view %{{.*}}[%{{.*}}][] {physical.size = 64 : i64} : memref<128xi8> to memref<4xf32>
// CHECK:         call @pair
// CHECK-NEXT:    memref.dealloc %[[D]]
func.func @main(%x: memref<4xf32> {model.input = "x"}, %z: memref<?xf32> {model.input = "z"}, %n: index, %p: i1) {
  %a = memref.alloc() : memref<4xf32>
  %d = memref.alloc(%n) : memref<?xf32>
  call @copy(%x, %a) : (memref<4xf32>, memref<4xf32>) -> ()
  %s = arith.select %p, %a, %x : memref<4xf32>
  %t = arith.select %p, %d, %z : memref<?xf32>
  %b = memref.alloc() : memref<4xf32>
  call @copy(%x, %b) : (memref<4xf32>, memref<4xf32>) -> ()
  call @pair(%b, %s, %t) : (memref<4xf32>, memref<4xf32>, memref<?xf32>) -> ()
  return
}
func.func private @copy(memref<4xf32>, memref<4xf32>) -> ()
func.func private @pair(memref<4xf32>, memref<4xf32>, memref<?xf32>) -> ()
