/* What every emitted host program shares: one set of DPUs for all kernels, and copies of boxes between tensors and the
   padded staging buffers of DPUs. */
#ifndef STRATAGEM_HOST_H
#define STRATAGEM_HOST_H

#include <dpu.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stratagem_machine.h"

enum { SG_OUT_OF_MEMORY = 1000 }; /* beside the API's own error numbers */

#define SG_TRY(call)                   \
  do {                                 \
    status = (int)(call);              \
    if (status != DPU_OK) goto finish; \
  } while (0)
#define SG_NEED(pointer)                                           \
  do {                                                             \
    if (!(pointer)) {                                              \
      status = SG_OUT_OF_MEMORY;                                   \
      goto finish;                                                 \
    }                                                              \
  } while (0)

static struct dpu_set_t sg_set;
static uint32_t sg_set_size;
static const char *sg_loaded;

static inline int64_t sg_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t sg_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t sg_ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }
static inline int64_t sg_floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static inline void sg_close(void) {
  if (sg_set_size) dpu_free(sg_set);
  sg_set_size = 0;
  sg_loaded = NULL;
}

/* The set has at least `wanted` DPUs (or all there are) and runs `program`; `name` is the identity of the program. */
static inline int sg_open(int64_t wanted, const char *name, const char *program) {
  const uint32_t count = wanted < 1 ? 1 : (uint32_t)sg_min(wanted, SG_NR_DPUS); /* empty tensors: nothing runs */
  if (sg_set_size < count) {
    sg_close();
    const int status = (int)dpu_alloc(count, NULL, &sg_set);
    if (status != DPU_OK) return status;
    sg_set_size = count;
  }
  if (sg_loaded && strcmp(sg_loaded, name) == 0) return DPU_OK;
  sg_loaded = NULL;
  const int status = (int)dpu_load(sg_set, program, NULL);
  if (status == DPU_OK) sg_loaded = name;
  return status;
}

/* Moves `length` bytes between `symbol` of each DPU and its place in `buffer`, DPU i at i * pitch. */
static inline int sg_push(dpu_xfer_t way, const char *symbol, void *buffer, size_t pitch, size_t length) {
  struct dpu_set_t dpu;
  uint32_t i;
  DPU_FOREACH(sg_set, dpu, i) {
    const int status = (int)dpu_prepare_xfer(dpu, (uint8_t *)buffer + i * pitch);
    if (status != DPU_OK) return status;
  }
  return (int)dpu_push_xfer(sg_set, way, symbol, 0, length, DPU_XFER_DEFAULT);
}

/* Copies a box of `rank` dimensions; strides in elements, the last stride of both sides is 1. */
static inline void sg_copy_box(void *to, const int64_t *to_strides, const void *from, const int64_t *from_strides,
                               const int64_t *sizes, int rank, size_t element) {
  if (rank == 1) {
    if (sizes[0] > 0) memcpy(to, from, (size_t)sizes[0] * element);
    return;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    sg_copy_box((uint8_t *)to + (size_t)(i * to_strides[0]) * element, to_strides + 1,
                (const uint8_t *)from + (size_t)(i * from_strides[0]) * element, from_strides + 1, sizes + 1, rank - 1,
                element);
}

#endif
