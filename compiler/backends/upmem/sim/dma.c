/* The DMA engine: every rule on size, alignment and bounds, then the copy. */
#include "sim.h"

#include <string.h>

void sg_mram_read(const void *mram, void *wram, uint32_t bytes, const char *file, int line);
void sg_mram_write(const void *wram, void *mram, uint32_t bytes, const char *file, int line);

static const char *direction(bool write) { return write ? "mram_write" : "mram_read"; }

static void check_size(bool write, uint32_t bytes, const char *file, int line) {
  uint64_t granule = sg_limits.dma_granule, burst = sg_limits.dma_burst;
  if (bytes < granule || bytes > burst || bytes % granule)
    sg_violate("dma-size", file, line, "%s of %u B: a transfer is %llu to %llu B in steps of %llu B", direction(write),
               bytes, (unsigned long long)granule, (unsigned long long)burst, (unsigned long long)granule);
}

static void check_alignment(bool write, uint64_t mram, uintptr_t wram, const char *file, int line) {
  uint64_t granule = sg_limits.dma_granule;
  if (mram % granule || wram % granule)
    sg_violate("dma-alignment", file, line, "%s: %s address is %llu B past a multiple of %llu B", direction(write),
               mram % granule ? "MRAM" : "WRAM", (unsigned long long)(mram % granule ? mram % granule : wram % granule),
               (unsigned long long)granule);
}

static void check_mram(bool write, uintptr_t address, uint32_t bytes, const char *file, int line) {
  uintptr_t low = 0, high = 0;
  const char *name = "?";
  if (address < sg_program.mram_low || address >= sg_program.mram_high || !sg_symbol(address, &low, &high, &name)) {
    sg_violate("mram-bounds", file, line, "%s: MRAM offset %lld is in no array of the program", direction(write),
               (long long)(address - sg_program.mram_low));
    return;
  }
  if (address + bytes > high)
    sg_violate("mram-bounds", file, line, "%s: bytes [%llu, %llu) of MRAM array '%s', which has %llu B",
               direction(write), (unsigned long long)(address - low), (unsigned long long)(address - low + bytes), name,
               (unsigned long long)(high - low));
}

static void check_wram(bool write, uintptr_t address, uint32_t bytes, const char *file, int line) {
  uintptr_t low = 0, high = 0;
  if (!sg_wram_object(address, &low, &high))
    sg_violate("wram-bounds", file, line, "%s: the WRAM address is in no buffer or variable", direction(write));
  else if (address + bytes > high)
    sg_violate("wram-bounds", file, line, "%s: bytes [%llu, %llu) of a WRAM buffer of %llu B", direction(write),
               (unsigned long long)(address - low), (unsigned long long)(address - low + bytes),
               (unsigned long long)(high - low));
}

static uint64_t check(bool write, const void *mram, const void *wram, uint32_t bytes, const char *file, int line) {
  uintptr_t from = (uintptr_t)mram;
  check_size(write, bytes, file, line);
  check_alignment(write, from - sg_program.mram_low, (uintptr_t)wram, file, line);
  check_mram(write, from, bytes, file, line);
  check_wram(write, (uintptr_t)wram, bytes, file, line);
  sg_shadow_mram(from - sg_program.mram_low, bytes, write, file, line);
  sg_shadow_wram((uintptr_t)wram, bytes, !write, file, line, NULL);
  sg_cost_dma(write, bytes);
  return from - sg_program.mram_low;
}

/* Bytes nobody wrote read as this pattern: as i32 a large negative number, as f32 a tiny odd one. */
enum { POISON = 0xA5 };

void sg_mram_read(const void *mram, void *wram, uint32_t bytes, const char *file, int line) {
  uint64_t offset = check(false, mram, wram, bytes, file, line);
  const uint8_t *image = sg_current_dpu->mram + offset, *known = sg_current_dpu->mram_set + offset;
  uint8_t *target = wram, *target_known = sg_wram_set((uintptr_t)wram);
  for (uint32_t i = 0; i < bytes; ++i) target[i] = known[i] ? image[i] : POISON;
  memcpy(target_known, known, bytes);
}

void sg_mram_write(const void *wram, void *mram, uint32_t bytes, const char *file, int line) {
  uint64_t offset = check(true, mram, wram, bytes, file, line);
  memcpy(sg_current_dpu->mram + offset, wram, bytes);
  memcpy(sg_current_dpu->mram_set + offset, sg_wram_set((uintptr_t)wram), bytes);
}
