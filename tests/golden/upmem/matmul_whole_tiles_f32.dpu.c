/* DPU program of kernel matmul: run by all tasklets, tiles in WRAM, operands in MRAM. */
#include "stratagem_dpu.h"

#include "stratagem_math.h"

struct arguments {
  uint32_t phase;
  uint32_t active;
  int32_t unit0;
  int32_t unit1;
} __attribute__((aligned(8)));

__host struct arguments args;

__mram_noinit SG_ALIGNED uint8_t mram_arg0[4096];
__mram_noinit SG_ALIGNED uint8_t mram_arg1[8192];
__mram_noinit SG_ALIGNED uint8_t mram_arg2[2048];

BARRIER_INIT(barrier, NR_TASKLETS);

static void phase0(const int32_t tasklet) {
  uint8_t *const slab0 = mem_alloc(256);
  uint8_t *const slab1 = mem_alloc(512);
  uint8_t *const slab2 = mem_alloc(512);
  {
    for (int32_t u0 = tasklet; u0 < 8; u0 += NR_TASKLETS) {
      const int32_t u1 = u0 / 4;
      const int32_t j0 = u1 * 8;
      const int32_t u2 = u0 % 4;
      const int32_t j1 = u2 * 8;
      float *const t0 = (float *)slab0;
      for (int32_t i0 = 0; i0 < 8; ++i0) {
        for (int32_t i1 = 0; i1 < 8; ++i1) {
          t0[8 * i0 + i1] = 0.0f;
        }
      }
      SG_COUNT(SG_LOOP, 64);
      for (int32_t k0 = 0; k0 < 64; k0 += 16) {
        float *const t1 = (float *)slab1;
        for (int32_t r0 = 0; r0 < 8; ++r0) {
          mram_read((__mram_ptr void const *)(mram_arg0 + (256 * j0 + 4 * k0 + 256 * r0)), t1 + (16 * r0), 64);
        }
        float *const t2 = (float *)slab2;
        for (int32_t r1 = 0; r1 < 16; ++r1) {
          mram_read((__mram_ptr void const *)(mram_arg1 + (4 * j1 + 128 * k0 + 128 * r1)), t2 + (8 * r1), 32);
        }
        for (int32_t i2 = 0; i2 < 8; ++i2) {
          for (int32_t i3 = 0; i3 < 8; ++i3) {
            float acc0 = t0[8 * i2 + i3];
            for (int32_t i4 = 0; i4 < 16; ++i4) {
              const float x0 = t1[16 * i2 + i4];
              const float x1 = t2[i3 + 8 * i4];
              const float v0 = x0 * x1;
              const float v1 = acc0 + v0;
              acc0 = v1;
            }
            t0[8 * i2 + i3] = acc0;
          }
        }
        SG_COUNT(SG_LOOP, 1024);
        SG_COUNT(SG_ADD_F32, 1024);
        SG_COUNT(SG_MUL_F32, 1024);
      }
      for (int32_t r2 = 0; r2 < 8; ++r2) {
        mram_write(t0 + (8 * r2), (__mram_ptr void *)(mram_arg2 + (128 * j0 + 4 * j1 + 128 * r2)), 32);
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
