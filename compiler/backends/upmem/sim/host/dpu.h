/* The host side of the API: sets of DPUs, transfers, launches. Errors come back as values; the reason is kept and
   returned by sg_sim_error(). */
#ifndef SG_HOST_DPU_H
#define SG_HOST_DPU_H

#include <stddef.h>
#include <stdint.h>

#define SG_HOST_SIMULATOR 1

typedef enum dpu_error_t {
  DPU_OK = 0,
  DPU_ERR_ALLOCATION,
  DPU_ERR_INVALID_ARGUMENT,
  DPU_ERR_PROGRAM,
  DPU_ERR_TRANSFER,
  DPU_ERR_DPU_FAULT
} dpu_error_t;

struct dpu_set_t {
  uint32_t first;
  uint32_t count;
};

struct dpu_program_t;
typedef enum { DPU_XFER_TO_DPU, DPU_XFER_FROM_DPU } dpu_xfer_t;
typedef enum { DPU_XFER_DEFAULT = 0 } dpu_xfer_flags_t;
typedef enum { DPU_ASYNCHRONOUS, DPU_SYNCHRONOUS } dpu_launch_policy_t;

#define DPU_ALLOCATE_ALL UINT32_MAX

dpu_error_t dpu_alloc(uint32_t count, const char *profile, struct dpu_set_t *set);
dpu_error_t dpu_free(struct dpu_set_t set);
dpu_error_t dpu_get_nr_dpus(struct dpu_set_t set, uint32_t *count);
dpu_error_t dpu_load(struct dpu_set_t set, const char *path, struct dpu_program_t **program);
dpu_error_t dpu_prepare_xfer(struct dpu_set_t dpu, void *buffer);
dpu_error_t dpu_push_xfer(struct dpu_set_t set, dpu_xfer_t direction, const char *symbol, uint32_t offset,
                          size_t length, dpu_xfer_flags_t flags);
dpu_error_t dpu_broadcast_to(struct dpu_set_t set, const char *symbol, uint32_t offset, const void *source,
                             size_t length, dpu_xfer_flags_t flags);
dpu_error_t dpu_copy_to(struct dpu_set_t set, const char *symbol, uint32_t offset, const void *source, size_t length);
dpu_error_t dpu_copy_from(struct dpu_set_t set, const char *symbol, uint32_t offset, void *target, size_t length);
dpu_error_t dpu_launch(struct dpu_set_t set, dpu_launch_policy_t policy);
dpu_error_t dpu_sync(struct dpu_set_t set);
const char *dpu_error_to_string(dpu_error_t error);

struct dpu_set_t sg_dpu_at(struct dpu_set_t set, uint32_t index);

#define DPU_FOREACH(set, dpu, index) \
  for ((index) = 0; (index) < (set).count && ((dpu) = sg_dpu_at((set), (index)), 1); ++(index))

#endif
