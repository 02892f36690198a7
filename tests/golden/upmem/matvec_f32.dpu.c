/* DPU program of kernel matvec: run by all tasklets, tiles in WRAM, operands in MRAM. */
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[1088];
__mram_noinit SG_ALIGNED uint8_t mram_arg1[136];
__mram_noinit SG_ALIGNED uint8_t mram_arg2[32];

BARRIER_INIT(barrier, NR_TASKLETS);

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(136);
  uint8_t *const slab1 = mem_alloc(544);
  uint8_t *const slab2 = mem_alloc(16);
  const int32_t n0 = (97 - args.unit0) < 8 ? (97 - args.unit0) : 8;
  {
    float *const t0 = (float *)slab0;
    sg_read(mram_arg1, t0, 132);
    for (int32_t u0 = tasklet * 4; u0 < n0; u0 += NR_TASKLETS * 4) {
      const int32_t n1 = (n0 - u0) < 4 ? (n0 - u0) : 4;
      float *const t1 = (float *)slab1;
      sg_read(mram_arg0 + (136 * u0), t1, 136 * n1);
      float *const t2 = (float *)slab2;
      for (int32_t i0 = 0; i0 < n1; ++i0) {
        t2[i0] = 0.0f;
      }
      SG_COUNT(SG_LOOP, n1);
      for (int32_t i1 = 0; i1 < n1; ++i1) {
        float acc0 = t2[i1];
        for (int32_t i2 = 0; i2 < 33; ++i2) {
          const float x0 = t1[34 * i1 + i2];
          const float x1 = t0[i2];
          const float v0 = x0 * x1;
          const float v1 = acc0 + v0;
          acc0 = v1;
        }
        t2[i1] = acc0;
      }
      SG_COUNT(SG_LOOP, n1 * 33);
      SG_COUNT(SG_ADD_F32, n1 * 33);
      SG_COUNT(SG_MUL_F32, n1 * 33);
      sg_write(t2, mram_arg2 + (4 * u0), 4 * n1);
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
