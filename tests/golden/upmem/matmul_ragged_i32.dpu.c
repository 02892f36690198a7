/* DPU program of kernel matmul: run by all tasklets, tiles in WRAM, operands in MRAM. */
#define SG_NEEDS_EDGES
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
  int32_t unit1;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[1920];
__mram_noinit SG_ALIGNED uint8_t mram_arg1[1856];
__mram_noinit SG_ALIGNED uint8_t mram_arg2[1024];

BARRIER_INIT(barrier, NR_TASKLETS);

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(80);
  uint8_t *const slab1 = mem_alloc(160);
  uint8_t *const slab2 = mem_alloc(112);
  const int32_t n0 = (33 - args.unit0) < 16 ? (33 - args.unit0) : 16;
  const int32_t n1 = (31 - args.unit1) < 16 ? (31 - args.unit1) : 16;
  {
    const int32_t n2 = (n0 + 4) / 5;
    const int32_t n3 = (n1 + 2) / 3;
    for (int32_t u0 = tasklet; u0 < n2 * n3; u0 += NR_TASKLETS) {
      const int32_t u1 = u0 / n3;
      const int32_t j0 = u1 * 5;
      const int32_t u2 = u0 % n3;
      const int32_t j1 = u2 * 3;
      const int32_t n4 = (n0 - j0) < 5 ? (n0 - j0) : 5;
      const int32_t n5 = (n1 - j1) < 3 ? (n1 - j1) : 3;
      const int32_t lead0 = j1 % 2;
      int32_t *const t0 = (int32_t *)slab0;
      for (int32_t i0 = 0; i0 < n4; ++i0) {
        for (int32_t i1 = 0; i1 < n5; ++i1) {
          t0[4 * i0 + i1 + lead0] = 0;
        }
      }
      SG_COUNT(SG_LOOP, n4 * n5);
      for (int32_t k0 = 0; k0 < 29; k0 += 7) {
        const int32_t n6 = (29 - k0) < 7 ? (29 - k0) : 7;
        const int32_t lead1 = k0 % 2;
        int32_t *const t1 = (int32_t *)slab1;
        for (int32_t r0 = 0; r0 < n4; ++r0) {
          sg_read(mram_arg0 + (120 * j0 + 4 * k0 + 120 * r0 - 4 * lead1), t1 + (8 * r0), 4 * lead1 + 4 * n6);
        }
        const int32_t lead2 = j1 % 2;
        int32_t *const t2 = (int32_t *)slab2;
        for (int32_t r1 = 0; r1 < n6; ++r1) {
          sg_read(mram_arg1 + (4 * j1 + 64 * k0 + 64 * r1 - 4 * lead2), t2 + (4 * r1), 4 * lead2 + 4 * n5);
        }
        for (int32_t i2 = 0; i2 < n4; ++i2) {
          for (int32_t i3 = 0; i3 < n5; ++i3) {
            int32_t acc0 = t0[4 * i2 + i3 + lead0];
            for (int32_t i4 = 0; i4 < n6; ++i4) {
              const int32_t x0 = t1[8 * i2 + i4 + lead1];
              const int32_t x1 = t2[i3 + 4 * i4 + lead2];
              const int32_t v0 = x0 * x1;
              const int32_t v1 = acc0 + v0;
              acc0 = v1;
            }
            t0[4 * i2 + i3 + lead0] = acc0;
          }
        }
        SG_COUNT(SG_LOOP, n4 * n5 * n6);
        SG_COUNT(SG_ADD_I32, n4 * n5 * n6);
        SG_COUNT(SG_MUL_I32, n4 * n5 * n6);
      }
      for (int32_t r2 = 0; r2 < n4; ++r2) {
        sg_write_edges(t0 + (4 * r2), mram_arg2 + (64 * j0 + 4 * j1 + 64 * r2 - 4 * lead0), 4 * lead0, 4 * n5);
      }
    }
  }
}

int main(void) {
  const int32_t tasklet = (int32_t)me();
  if (tasklet == 0) mem_reset();
  barrier_wait(&barrier);
  if (!args.active) return 0;
  if (args.phase == 0) phase0(tasklet);
  return 0;
}
