/* DPU program of kernel softmax: run by all tasklets, tiles in WRAM, operands in MRAM. */
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[2048];
__mram_noinit SG_ALIGNED uint8_t mram_arg1[2048];

BARRIER_INIT(barrier, NR_TASKLETS);

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(512);
  uint8_t *const slab1 = mem_alloc(512);
  uint8_t *const slab2 = mem_alloc(8);
  uint8_t *const slab3 = mem_alloc(8);
  const int32_t n0 = (33 - args.unit0) < 8 ? (33 - args.unit0) : 8;
  {
    for (int32_t u0 = tasklet * 2; u0 < n0; u0 += NR_TASKLETS * 2) {
      const int32_t n1 = (n0 - u0) < 2 ? (n0 - u0) : 2;
      float *const t0 = (float *)slab0;
      sg_read(mram_arg0 + (256 * u0), t0, 256 * n1);
      float *const t1 = (float *)slab1;
      float *const t2 = (float *)slab2;
      for (int32_t i0 = 0; i0 < n1; ++i0) {
        t2[i0] = (-sg_inff());
      }
      SG_COUNT(SG_LOOP, n1);
      for (int32_t i1 = 0; i1 < n1; ++i1) {
        float acc0 = t2[i1];
        for (int32_t i2 = 0; i2 < 64; ++i2) {
          const float x0 = t0[64 * i1 + i2];
          const float v0 = sg_maximumf(x0, acc0);
          acc0 = v0;
        }
        t2[i1] = acc0;
      }
      SG_COUNT(SG_LOOP, n1 * 64);
      SG_COUNT(SG_ADD_F32, n1 * 64);
      for (int32_t i3 = 0; i3 < n1; ++i3) {
        for (int32_t i4 = 0; i4 < 64; ++i4) {
          const float x1 = t0[64 * i3 + i4];
          const float x2 = t2[i3];
          const float v1 = x1 - x2;
          const float v2 = sg_expf(v1);
          t1[64 * i3 + i4] = v2;
        }
      }
      SG_COUNT(SG_LOOP, n1 * 64);
      SG_COUNT(SG_ADD_F32, n1 * 64);
      float *const t3 = (float *)slab3;
      for (int32_t i5 = 0; i5 < n1; ++i5) {
        t3[i5] = 0.0f;
      }
      SG_COUNT(SG_LOOP, n1);
      for (int32_t i6 = 0; i6 < n1; ++i6) {
        float acc1 = t3[i6];
        for (int32_t i7 = 0; i7 < 64; ++i7) {
          const float x3 = t1[64 * i6 + i7];
          const float v3 = x3 + acc1;
          acc1 = v3;
        }
        t3[i6] = acc1;
      }
      SG_COUNT(SG_LOOP, n1 * 64);
      SG_COUNT(SG_ADD_F32, n1 * 64);
      for (int32_t i8 = 0; i8 < n1; ++i8) {
        for (int32_t i9 = 0; i9 < 64; ++i9) {
          const float old3 = t1[64 * i8 + i9];
          const float x4 = t3[i8];
          const float v4 = old3 / x4;
          t1[64 * i8 + i9] = v4;
        }
      }
      SG_COUNT(SG_LOOP, n1 * 64);
      SG_COUNT(SG_DIV_F32, n1 * 64);
      sg_write(t1, mram_arg1 + (256 * u0), 256 * n1);
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
