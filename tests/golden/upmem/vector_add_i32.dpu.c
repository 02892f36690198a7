/* DPU program of kernel va: run by all tasklets, tiles in WRAM, operands in MRAM. */
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[128];
__mram_noinit SG_ALIGNED uint8_t mram_arg1[128];
__mram_noinit SG_ALIGNED uint8_t mram_arg2[128];

BARRIER_INIT(barrier, NR_TASKLETS);

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(16);
  uint8_t *const slab1 = mem_alloc(16);
  uint8_t *const slab2 = mem_alloc(16);
  const int32_t n0 = (1009 - args.unit0) < 32 ? (1009 - args.unit0) : 32;
  {
    for (int32_t u0 = tasklet * 8; u0 < n0; u0 += NR_TASKLETS * 8) {
      const int32_t n1 = (n0 - u0) < 8 ? (n0 - u0) : 8;
      for (int32_t k0 = 0; k0 < n1; k0 += 4) {
        const int32_t n2 = (n1 - k0) < 4 ? (n1 - k0) : 4;
        int32_t *const t0 = (int32_t *)slab0;
        sg_read(mram_arg0 + (4 * k0 + 4 * u0), t0, 4 * n2);
        int32_t *const t1 = (int32_t *)slab1;
        sg_read(mram_arg1 + (4 * k0 + 4 * u0), t1, 4 * n2);
        int32_t *const t2 = (int32_t *)slab2;
        for (int32_t i0 = 0; i0 < n2; ++i0) {
          const int32_t x0 = t0[i0];
          const int32_t x1 = t1[i0];
          const int32_t v0 = x0 + x1;
          t2[i0] = v0;
        }
        SG_COUNT(SG_LOOP, n2);
        SG_COUNT(SG_ADD_I32, n2);
        sg_write(t2, mram_arg2 + (4 * k0 + 4 * u0), 4 * n2);
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
