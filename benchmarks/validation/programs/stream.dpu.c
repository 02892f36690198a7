/* STREAM (McCalpin, 1995) on one DPU: every tasklet reads blocks from MRAM, works on them in WRAM, and writes blocks
   back. sizes.h says what there is of that: SG_READS arrays are read, SG_WRITES written, and one of SG_COPY, SG_ADD,
   SG_SCALE and SG_TRIAD is done, or nothing. Inner loops are taken to be unrolled: they have no overhead of their own. */
#include "stratagem_dpu.h"

#include "sizes.h"

typedef int64_t word;

enum { WORDS = SG_BLOCK_BYTES / sizeof(word), PART = SG_BLOCKS * SG_BLOCK_BYTES };

__host uint32_t active; /* tasklets that take part */

static SG_ALIGNED uint8_t blocks[NR_TASKLETS][2][SG_BLOCK_BYTES];

__mram_noinit SG_ALIGNED uint8_t operands[2][NR_TASKLETS * PART];
__mram_noinit SG_ALIGNED uint8_t results[NR_TASKLETS * PART];

static inline void work(const word *x, word *y) {
  for (uint32_t i = 0; i < WORDS; ++i) {
#if defined SG_COPY
    y[i] = x[i];
#elif defined SG_ADD
    y[i] = x[i] + y[i];
#elif defined SG_SCALE
    y[i] = 3 * x[i];
#elif defined SG_TRIAD
    y[i] = x[i] + 3 * y[i];
#else
    (void)x, (void)y;
#endif
  }
#if defined SG_ADD || defined SG_TRIAD
  SG_COUNT(SG_ADD_I64, WORDS);
#endif
#if defined SG_SCALE || defined SG_TRIAD
  SG_COUNT(SG_MUL_I64, WORDS);
#endif
}

int main(void) {
  if (me() >= active) return 0;
  uint8_t *const x = blocks[me()][0], *const y = blocks[me()][1];
  const uint32_t first = me() * PART;
  for (uint32_t at = first; at < first + PART; at += SG_BLOCK_BYTES) {
    if (SG_READS > 0) mram_read(operands[0] + at, x, SG_BLOCK_BYTES);
    if (SG_READS > 1) mram_read(operands[1] + at, y, SG_BLOCK_BYTES);
    work((const word *)x, (word *)y);
    if (SG_WRITES > 0) mram_write(y, results + at, SG_BLOCK_BYTES);
    SG_COUNT(SG_LOOP, 1);
    SG_COUNT(SG_ADD_I32, SG_READS + SG_WRITES - 1); /* LOOP has one address, every further array has its own */
  }
  return 0;
}
