/* DPU program of kernel reduction: run by all tasklets, tiles in WRAM, operands in MRAM. */
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[400];
__mram_noinit SG_ALIGNED uint8_t mram_host0[8];

BARRIER_INIT(barrier, NR_TASKLETS);
static SG_ALIGNED int32_t shared2[6];
static SG_ALIGNED int32_t shared3[2];

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(88);
  uint8_t *const slab1 = mem_alloc(8);
  const int32_t n0 = (1009 - 100 * args.unit0) < 100 ? (1009 - 100 * args.unit0) : 100;
  {
    for (int32_t u0 = tasklet; u0 < 5; u0 += NR_TASKLETS) {
      const int32_t n1 = (20 * u0) < n0 ? (20 * u0) : n0;
      const int32_t n2 = (n0 - n1) < 20 ? (n0 - n1) : 20;
      const int32_t lead0 = n1 % 2;
      int32_t *const t0 = (int32_t *)slab0;
      sg_read(mram_arg0 + (4 * n1 - 4 * lead0), t0, 4 * lead0 + 4 * n2);
      int32_t *const t1 = (int32_t *)slab1;
      t1[0] = 0;
      SG_COUNT(SG_LOOP, 1);
      int32_t acc0 = t1[0];
      for (int32_t i0 = 0; i0 < n2; ++i0) {
        const int32_t x0 = t0[i0 + lead0];
        const int32_t v0 = x0 + acc0;
        acc0 = v0;
      }
      t1[0] = acc0;
      SG_COUNT(SG_LOOP, n2);
      SG_COUNT(SG_ADD_I32, n2);
      shared2[u0] = t1[0];
      SG_COUNT(SG_LOOP, 1);
    }
  }
  barrier_wait(&barrier);
  if (tasklet == 0) {
    shared3[0] = 0;
    SG_COUNT(SG_LOOP, 1);
    int32_t acc1 = shared3[0];
    for (int32_t i1 = 0; i1 < 5; ++i1) {
      const int32_t x1 = shared2[i1];
      const int32_t v1 = x1 + acc1;
      acc1 = v1;
    }
    shared3[0] = acc1;
    SG_COUNT(SG_LOOP, 5);
    SG_COUNT(SG_ADD_I32, 5);
  }
  if (tasklet == 0) {
    int32_t *const t2 = (int32_t *)slab1;
    t2[0] = shared3[0];
    SG_COUNT(SG_LOOP, 1);
    sg_write(t2, mram_host0, 4);
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
