// RUN: stratagem opt %s --passes 'plan-memory' | filecheck %s

// %a dies before %c is born, so both lie at offset 448; %b is alive with each of them. %e leaves: it stays allocated.
// The dynamic buffer is freed after its last use.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    memref<512xi8> {physical.arena = 512 : i64}
// CHECK-DAG:     %[[A:.*]] = memref.view %{{.*}}[%c448{{.*}}][] {physical.size = 64 : i64} : memref<512xi8> to memref<4xf32>
// CHECK-DAG:     %[[B:.*]] = memref.view %{{.*}}[%c0{{.*}}][] {physical.size = 448 : i64} : memref<512xi8> to memref<100xf32>
// CHECK:         %[[D:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         call @grow(%[[A]], %[[B]])
// CHECK:         %[[C:.*]] = memref.view %{{.*}}[%c448{{.*}}][] {physical.size = 64 : i64} : memref<512xi8> to memref<4xf32>
// CHECK:         call @spread(%[[C]], %[[D]])
// CHECK-NEXT:    memref.dealloc %[[D]]
// CHECK:         %[[E:.*]] = memref.alloc() : memref<4xf32>
// CHECK:         return %[[E]]
func.func @main(%x: memref<4xf32> {model.input = "x"}, %n: index) -> (memref<4xf32> {model.output = "y"}) {
  %a = memref.alloc() : memref<4xf32>
  %b = memref.alloc() : memref<100xf32>
  %d = memref.alloc(%n) : memref<?xf32>
  call @copy(%x, %a) : (memref<4xf32>, memref<4xf32>) -> ()
  call @grow(%a, %b) : (memref<4xf32>, memref<100xf32>) -> ()
  %c = memref.alloc() : memref<4xf32>
  call @grow(%c, %b) : (memref<4xf32>, memref<100xf32>) -> ()
  call @spread(%c, %d) : (memref<4xf32>, memref<?xf32>) -> ()
  %e = memref.alloc() : memref<4xf32>
  call @copy(%c, %e) : (memref<4xf32>, memref<4xf32>) -> ()
  return %e : memref<4xf32>
}
func.func private @copy(memref<4xf32>, memref<4xf32>) -> ()
func.func private @grow(memref<4xf32>, memref<100xf32>) -> ()
func.func private @spread(memref<4xf32>, memref<?xf32>) -> ()
