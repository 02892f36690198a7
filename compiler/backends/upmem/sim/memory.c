/* WRAM as the tasklets see it: the heap, and a shadow of heap, variables and MRAM that knows what was written, by
   whom and since which barrier. The compiler's thread-sanitizer instrumentation calls in for every load and store of
   the emitted code (see hooks.c); no library of that sanitizer is linked.

   A tag is epoch << 7 | locked << 6 | tasklet; the epoch advances at every barrier of all tasklets and at every
   launch (it repeats after 2^25 of them), so nothing has to be cleared between launches. Reader 63 stands for "several". */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 64, SEVERAL = 63, MAX_BUFFERS = 4096 };

struct tags {
  uint32_t written, read;
};

struct buffer {
  uintptr_t low, high;
};

static uint8_t *heap, *heap_set, *data_set;
static struct tags *heap_tags, *data_tags, *mram_tags;
static size_t heap_room, heap_next, heap_bytes;
static struct buffer buffers[MAX_BUFFERS];
static size_t buffer_count;
static uintptr_t stack_low, stack_high;
uint32_t sg_epoch;

int sg_memory_open(void) {
  uint64_t fixed = sg_global_bytes() + (uint64_t)sg_program.tasklets * sg_program.stack + sg_limits.wram_reserved;
  heap_bytes = sg_limits.wram_bytes - fixed;
  heap_room = heap_bytes + (size_t)GAP * MAX_BUFFERS;
  heap = aligned_alloc(64, (heap_room + 63) / 64 * 64);
  heap_set = calloc(heap_room, 1);
  heap_tags = calloc(heap_room, sizeof *heap_tags);
  data_set = malloc(sg_global_bytes() + 1);
  data_tags = calloc(sg_global_bytes() + 1, sizeof *data_tags);
  mram_tags = calloc(sg_mram_bytes_used() / 8 + 1, sizeof *mram_tags);
  if (!heap || !heap_set || !heap_tags || !data_set || !data_tags || !mram_tags)
    return sg_violate("host-memory", NULL, 0, "the simulator ran out of memory");
  memset(data_set, 1, sg_global_bytes());
  return 0;
}

void sg_memory_close(void) {
  free(heap), free(heap_set), free(heap_tags), free(data_set), free(data_tags), free(mram_tags);
  heap = heap_set = data_set = NULL;
  heap_tags = data_tags = mram_tags = NULL;
}

void sg_heap_reset(void) {
  memset(heap, 0xA5, heap_next);
  memset(heap_set, 0, heap_next);
  heap_next = 0;
  buffer_count = 0;
}

uint64_t sg_heap_used(void) { return heap_next - (uint64_t)GAP * buffer_count; }

void *sg_heap_take(size_t bytes) {
  size_t unit = sg_limits.dma_granule > 8 ? sg_limits.dma_granule : 8;
  size_t size = (bytes + unit - 1) / unit * unit;
  if (sg_heap_used() + size > heap_bytes || buffer_count == MAX_BUFFERS) return NULL;
  uint8_t *start = heap + heap_next;
  buffers[buffer_count++] = (struct buffer){(uintptr_t)start, (uintptr_t)start + bytes};
  heap_next += size + GAP;
  uint64_t used = sg_global_bytes() + (uint64_t)sg_program.tasklets * sg_program.stack + sg_limits.wram_reserved;
  if (used + sg_heap_used() > sg_report.peak_wram) sg_report.peak_wram = used + sg_heap_used();
  return start;
}

static bool in_heap(uintptr_t address) { return address - (uintptr_t)heap < heap_room; }
static bool in_data(uintptr_t address) { return address - sg_program.data_low < sg_global_bytes(); }

static bool find_buffer(uintptr_t address, uintptr_t *low, uintptr_t *high) {
  static size_t last;
  if (last < buffer_count && address - buffers[last].low < buffers[last].high - buffers[last].low) {
    *low = buffers[last].low, *high = buffers[last].high;
    return true;
  }
  size_t from = 0, to = buffer_count;
  while (from < to) {
    size_t middle = (from + to) / 2;
    if (address < buffers[middle].low) to = middle;
    else if (address >= buffers[middle].high) from = middle + 1;
    else {
      last = middle, *low = buffers[middle].low, *high = buffers[middle].high;
      return true;
    }
  }
  return false;
}

bool sg_wram_object(uintptr_t address, uintptr_t *low, uintptr_t *high) {
  const char *name;
  if (in_heap(address)) return find_buffer(address, low, high);
  if (!in_data(address)) return false;
  if (sg_symbol(address, low, high, &name)) return true;
  *low = sg_program.data_low, *high = sg_program.data_high; /* a static variable has no name to ask for */
  return true;
}

uint8_t *sg_wram_set(uintptr_t address) {
  return in_heap(address) ? heap_set + (address - (uintptr_t)heap) : data_set + (address - sg_program.data_low);
}

static int conflict(uint32_t tag, uint32_t mine) {
  if (tag >> 7 != mine >> 7 || tag == mine) return 0;
  if ((tag & 63) == (mine & 63)) return 0;
  return !(tag & mine & 64);
}

/* The tag after one more access by `mine`: of the same tasklet, "locked" only if every access was. */
static uint32_t joined(uint32_t tag, uint32_t mine) {
  if (tag >> 7 != mine >> 7) return mine;
  uint32_t who = (tag & 63) == (mine & 63) ? mine & 63 : SEVERAL;
  return (mine & ~UINT32_C(127)) | (tag & mine & 64) | who;
}

static const char *race(struct tags *tags, uint32_t mine, bool write) {
  const char *with = NULL;
  if (conflict(tags->written, mine)) with = "written";
  else if (write && conflict(tags->read, mine)) with = "read";
  if (write) tags->written = joined(tags->written, mine);
  else tags->read = joined(tags->read, mine);
  return with;
}

static uint32_t my_tag(void) {
  return sg_epoch << 7 | (uint32_t)sg_current_locked << 6 | (uint32_t)sg_current_tasklet;
}

void sg_shadow_mram(uint64_t offset, size_t bytes, bool write, const char *file, int line) {
  for (uint64_t at = offset / 8; at < (offset + bytes + 7) / 8; ++at) {
    const char *with = race(&mram_tags[at], my_tag(), write);
    if (with)
      sg_violate("race", file, line, "MRAM offset %llu was %s by another tasklet since the last barrier",
                 (unsigned long long)(at * 8), with);
  }
}

static void shadow_bytes(struct tags *tags, uint8_t *known, size_t bytes, bool write, bool check_known,
                         const char *file, int line, const void *pc) {
  uint32_t mine = my_tag();
  for (size_t i = 0; i < bytes; ++i) {
    const char *with = race(&tags[i], mine, write);
    if (with)
      sg_violate("race", file, line, "WRAM was %s by another tasklet since the last barrier @%#lx@", with, sg_line(pc));
    if (write) known[i] = 1;
    else if (check_known && !known[i])
      sg_violate("uninitialised", file, line, "a load from WRAM that nobody wrote @%#lx@", sg_line(pc));
  }
}

/* Transfers may carry unwritten bytes (padding); loads may not use them. `pc` is set for loads and stores. */
void sg_shadow_wram(uintptr_t address, size_t bytes, bool write, const char *file, int line, const void *pc) {
  uintptr_t low, high;
  if (in_heap(address)) {
    if (pc && (!find_buffer(address, &low, &high) || address + bytes > high))
      sg_violate("wram-bounds", file, line, "a %s outside of every WRAM buffer @%#lx@", write ? "store" : "load",
                   sg_line(pc));
    size_t at = address - (uintptr_t)heap;
    shadow_bytes(heap_tags + at, heap_set + at, bytes, write, pc != NULL, file, line, pc);
  } else if (in_data(address)) {
    size_t at = address - sg_program.data_low;
    shadow_bytes(data_tags + at, data_set + at, bytes, write, false, file, line, pc);
  } else if (address - stack_low >= stack_high - stack_low) {
    if (address - sg_program.mram_low < sg_mram_bytes_used())
      sg_violate("mram-access", file, line, "a %s of MRAM without DMA @%#lx@", write ? "store" : "load",
                   sg_line(pc));
    else if (write || address - sg_program.image_low >= sg_program.image_high - sg_program.image_low)
      sg_violate("wram-bounds", file, line, "a %s outside of WRAM @%#lx@", write ? "store" : "load",
                   sg_line(pc));
  }
}

void sg_set_stack(uintptr_t low, uintptr_t high) { stack_low = low, stack_high = high; }
