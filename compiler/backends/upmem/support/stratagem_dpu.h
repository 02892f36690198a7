/* What every emitted DPU program shares: transfers of any length made of legal ones. Plain UPMEM C; the constants of the
   machine come from stratagem_machine.h, which is generated from the hardware description. */
#ifndef STRATAGEM_DPU_H
#define STRATAGEM_DPU_H

#include <stdbool.h>
#include <stdint.h>

#include <alloc.h>
#include <barrier.h>
#include <defs.h>
#include <mram.h>
#include <mutex.h>

#include "stratagem_machine.h"

#ifdef STRATAGEM_SIMULATOR
void sg_site(const char *file, int line);
#define SG_COUNT(operation, times) sg_count((operation), (uint64_t)(times)) /* for the time estimate only */
#define SG_SITE(call) (sg_site(__FILE__, __LINE__), call, sg_site(0, 0))
#else
#define SG_COUNT(operation, times) ((void)0)
#define SG_SITE(call) (call)
#endif

/* Arrays that take part in transfers. */
#define SG_ALIGNED __attribute__((aligned(SG_DMA_GRANULE)))

typedef __mram_ptr uint8_t *sg_mram_t;

static inline uint32_t sg_whole(uint32_t bytes) {
  return (bytes + (SG_DMA_GRANULE - 1)) / SG_DMA_GRANULE * SG_DMA_GRANULE;
}

/* Reads `bytes`, rounded up to whole granules, in bursts. Both addresses are multiples of the granule. */
static inline void sg_read_run(sg_mram_t from, void *to, uint32_t bytes) {
  for (uint32_t at = 0; at < bytes; at += SG_DMA_BURST) {
    const uint32_t left = sg_whole(bytes - at);
    mram_read(from + at, (uint8_t *)to + at, left < SG_DMA_BURST ? left : SG_DMA_BURST);
  }
}

/* Writes `bytes`, rounded up: what follows up to the next granule must be padding of the same row. */
static inline void sg_write_run(const void *from, sg_mram_t to, uint32_t bytes) {
  for (uint32_t at = 0; at < bytes; at += SG_DMA_BURST) {
    const uint32_t left = sg_whole(bytes - at);
    mram_write((const uint8_t *)from + at, to + at, left < SG_DMA_BURST ? left : SG_DMA_BURST);
  }
}

#define sg_read(from, to, bytes) SG_SITE(sg_read_run((sg_mram_t)(from), (to), (uint32_t)(bytes)))
#define sg_write(from, to, bytes) SG_SITE(sg_write_run((from), (sg_mram_t)(to), (uint32_t)(bytes)))

#ifdef SG_NEEDS_EDGES
/* Tiles of neighbouring tasklets may share a granule. Its bytes are merged under one mutex. */
MUTEX_INIT(sg_edge_mutex);
static SG_ALIGNED uint8_t sg_edge[NR_TASKLETS][SG_DMA_GRANULE];

static inline void sg_merge_granule(const uint8_t *from, sg_mram_t to, uint32_t low, uint32_t high) {
  uint8_t *const word = sg_edge[me()];
  mutex_lock(sg_edge_mutex);
  mram_read(to, word, SG_DMA_GRANULE);
  for (uint32_t i = low; i < high; ++i) word[i] = from[i];
  mram_write(word, to, SG_DMA_GRANULE);
  mutex_unlock(sg_edge_mutex);
}

/* Writes exactly bytes [lead, lead + bytes) after the aligned addresses `from` and `to`. */
static inline void sg_write_edges_run(const void *from, sg_mram_t to, uint32_t lead, uint32_t bytes) {
  const uint8_t *const source = from;
  const uint32_t end = lead + bytes, last = end / SG_DMA_GRANULE * SG_DMA_GRANULE;
  uint32_t at = 0;
  if (lead) {
    sg_merge_granule(source, to, lead, end < SG_DMA_GRANULE ? end : SG_DMA_GRANULE);
    at = SG_DMA_GRANULE;
  }
  if (last > at) sg_write_run(source + at, to + at, last - at);
  if (end > last && last >= at) sg_merge_granule(source + last, to + last, 0, end - last);
}

static inline void sg_read_edges_run(sg_mram_t from, void *to, uint32_t bytes) {
  mutex_lock(sg_edge_mutex);
  sg_read_run(from, to, bytes);
  mutex_unlock(sg_edge_mutex);
}

#define sg_write_edges(from, to, lead, bytes) \
  SG_SITE(sg_write_edges_run((from), (sg_mram_t)(to), (uint32_t)(lead), (uint32_t)(bytes)))
#define sg_read_edges(from, to, bytes) SG_SITE(sg_read_edges_run((sg_mram_t)(from), (to), (uint32_t)(bytes)))
#endif

#endif
