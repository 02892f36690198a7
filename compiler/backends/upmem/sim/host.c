/* The host side of the API: sets of DPUs, transfers and launches. DPUs run one after another. */
#include "sim.h"

#include <dlfcn.h>
#include <dpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sg_limits sg_limits;
struct sg_report sg_report;
struct sg_dpu *sg_current_dpu;
uint32_t sg_current_dpu_index;

static struct sg_dpu *dpus;
static uint32_t dpu_count;
static uint8_t *fresh_globals;

void sg_sim_configure(const struct sg_limits *limits);
void sg_sim_take_report(struct sg_report *report);
size_t sg_sim_sizes(int which);
void sg_sim_clear(void);

void sg_sim_configure(const struct sg_limits *limits) { sg_limits = *limits; }

/* Hands over the counters and starts again from zero. */
void sg_sim_take_report(struct sg_report *report) {
  if (sg_limits.clock > 0) sg_report.kernel_seconds = sg_report.kernel_cycles / sg_limits.clock;
  *report = sg_report;
  memset(&sg_report, 0, sizeof sg_report);
}

size_t sg_sim_sizes(int which) { return which ? sizeof(struct sg_report) : sizeof(struct sg_limits); }

static void free_images(void) {
  for (uint32_t i = 0; i < dpu_count; ++i) free(dpus[i].mram), free(dpus[i].mram_set), free(dpus[i].globals);
  if (dpus) memset(dpus, 0, dpu_count * sizeof *dpus);
  free(fresh_globals);
  fresh_globals = NULL;
  sg_memory_close();
}

dpu_error_t dpu_alloc(uint32_t count, const char *profile, struct dpu_set_t *set) {
  (void)profile;
  if (count == DPU_ALLOCATE_ALL) count = (uint32_t)sg_limits.dpus;
  if (dpus || count == 0 || count > sg_limits.dpus) {
    sg_violate("dpu-alloc", NULL, 0, "%u DPUs asked, %llu present, %u in use", count, (unsigned long long)sg_limits.dpus,
               dpu_count);
    return DPU_ERR_ALLOCATION;
  }
  dpus = calloc(count, sizeof *dpus);
  if (!dpus) return DPU_ERR_ALLOCATION;
  dpu_count = count;
  *set = (struct dpu_set_t){0, count};
  return DPU_OK;
}

dpu_error_t dpu_free(struct dpu_set_t set) {
  (void)set;
  free_images();
  free(dpus);
  dpus = NULL;
  dpu_count = 0;
  sg_unload_program();
  return DPU_OK;
}

dpu_error_t dpu_get_nr_dpus(struct dpu_set_t set, uint32_t *count) {
  *count = set.count;
  return DPU_OK;
}

struct dpu_set_t sg_dpu_at(struct dpu_set_t set, uint32_t index) { return (struct dpu_set_t){set.first + index, 1}; }

dpu_error_t dpu_load(struct dpu_set_t set, const char *path, struct dpu_program_t **program) {
  (void)program;
  free_images();
  sg_unload_program(); /* a fresh copy: variables start from their initial values */
  if (sg_load_program(path) || sg_memory_open()) return DPU_ERR_PROGRAM;
  fresh_globals = malloc(sg_global_bytes() + 1);
  if (!fresh_globals) return DPU_ERR_PROGRAM;
  memcpy(fresh_globals, (void *)sg_program.data_low, sg_global_bytes());
  for (uint32_t i = set.first; i < set.first + set.count; ++i) {
    dpus[i].mram = calloc(sg_mram_bytes_used() + 1, 1);
    dpus[i].mram_set = calloc(sg_mram_bytes_used() + 1, 1);
    dpus[i].globals = malloc(sg_global_bytes() + 1);
    if (!dpus[i].mram || !dpus[i].mram_set || !dpus[i].globals) return DPU_ERR_PROGRAM;
    memcpy(dpus[i].globals, fresh_globals, sg_global_bytes());
  }
  sg_report.mram_used = sg_mram_bytes_used();
  sg_report.tasklets = sg_program.tasklets;
  sg_report.dpus_used = set.count;
  return DPU_OK;
}

dpu_error_t dpu_prepare_xfer(struct dpu_set_t dpu, void *buffer) {
  for (uint32_t i = dpu.first; i < dpu.first + dpu.count; ++i) dpus[i].transfer = buffer;
  return DPU_OK;
}

/* Where a symbol's bytes are: an MRAM offset or a place in the variables. */
struct place {
  bool mram;
  uint64_t offset;
};

static int find_place(const char *symbol, uint32_t offset, size_t length, struct place *place) {
  uintptr_t address = sg_program.handle ? (uintptr_t)dlsym(sg_program.handle, symbol) : 0, low, high;
  const char *name;
  if (!address || !sg_symbol(address, &low, &high, &name))
    return sg_violate("host-symbol", NULL, 0, "the DPU program has no symbol '%s'", symbol);
  place->mram = address >= sg_program.mram_low && address < sg_program.mram_high;
  uint64_t granule = place->mram ? sg_limits.host_mram_granule : sg_limits.host_wram_granule;
  if (granule && (offset % granule || length % granule))
    return sg_violate("host-transfer", NULL, 0, "%zu B at offset %u of '%s': both must be multiples of %llu B", length,
                      offset, symbol, (unsigned long long)granule);
  if (offset + length > high - low)
    return sg_violate("host-transfer", NULL, 0, "bytes [%u, %zu) of '%s', which has %zu B", offset, offset + length,
                      symbol, (size_t)(high - low));
  place->offset = offset + (place->mram ? address - sg_program.mram_low : address - sg_program.data_low);
  return 0;
}

static void move_bytes(struct sg_dpu *dpu, const struct place *place, void *buffer, size_t length, bool to) {
  uint8_t *inside = place->mram ? dpu->mram + place->offset : dpu->globals + place->offset;
  if (to) memcpy(inside, buffer, length);
  else memcpy(buffer, inside, length);
  if (to && place->mram) memset(dpu->mram_set + place->offset, 1, length);
}

/* The link carries `bandwidth` for all DPUs, and no DPU takes or gives more than its own. */
static void add_time(uint64_t bytes, uint32_t taking, double bandwidth, bool to) {
  double own = taking * (to ? sg_limits.unit_to_bandwidth : sg_limits.unit_from_bandwidth);
  if (own > 0 && (bandwidth <= 0 || own < bandwidth)) bandwidth = own;
  double start = to ? sg_limits.to_latency : sg_limits.from_latency;
  double seconds = start + (bandwidth > 0 ? (double)bytes / bandwidth : 0);
  ++sg_report.transfers;
  if (to) sg_report.to_seconds += seconds;
  else sg_report.from_seconds += seconds;
}

dpu_error_t dpu_push_xfer(struct dpu_set_t set, dpu_xfer_t direction, const char *symbol, uint32_t offset,
                          size_t length, dpu_xfer_flags_t flags) {
  struct place place;
  bool to = direction == DPU_XFER_TO_DPU;
  uint64_t moved = 0;
  uint32_t taking = 0;
  (void)flags;
  if (find_place(symbol, offset, length, &place)) return DPU_ERR_TRANSFER;
  for (uint32_t i = set.first; i < set.first + set.count; ++i) {
    if (!dpus[i].transfer) continue; /* a DPU without a prepared buffer takes no part */
    move_bytes(&dpus[i], &place, dpus[i].transfer, length, to);
    dpus[i].transfer = NULL;
    moved += length;
    ++taking;
  }
  if (to) sg_report.bytes_to += moved;
  else sg_report.bytes_from += moved;
  add_time(moved, taking, to ? sg_limits.to_bandwidth : sg_limits.from_bandwidth, to);
  return DPU_OK;
}

dpu_error_t dpu_broadcast_to(struct dpu_set_t set, const char *symbol, uint32_t offset, const void *source,
                             size_t length, dpu_xfer_flags_t flags) {
  struct place place;
  (void)flags;
  if (find_place(symbol, offset, length, &place)) return DPU_ERR_TRANSFER;
  for (uint32_t i = set.first; i < set.first + set.count; ++i)
    move_bytes(&dpus[i], &place, (void *)(uintptr_t)source, length, true);
  sg_report.bytes_broadcast += length * set.count;
  add_time(length * set.count, set.count, sg_limits.broadcast_bandwidth, true);
  return DPU_OK;
}

dpu_error_t dpu_copy_to(struct dpu_set_t set, const char *symbol, uint32_t offset, const void *source, size_t length) {
  return dpu_broadcast_to(set, symbol, offset, source, length, DPU_XFER_DEFAULT);
}

dpu_error_t dpu_copy_from(struct dpu_set_t set, const char *symbol, uint32_t offset, void *target, size_t length) {
  if (set.count != 1) {
    sg_violate("host-transfer", NULL, 0, "dpu_copy_from takes one DPU, the set has %u", set.count);
    return DPU_ERR_TRANSFER;
  }
  dpu_prepare_xfer(set, target);
  return dpu_push_xfer(set, DPU_XFER_FROM_DPU, symbol, offset, length, DPU_XFER_DEFAULT);
}

static int run_one(uint32_t index, double *longest) {
  sg_current_dpu = &dpus[index];
  sg_current_dpu_index = index;
  memcpy((void *)sg_program.data_low, dpus[index].globals, sg_global_bytes());
  sg_heap_reset();
  sg_cost_start(sg_program.tasklets);
  int failed = sg_run_tasklets();
  double cycles = sg_cost_finish();
  if (cycles > *longest) *longest = cycles;
  memcpy(dpus[index].globals, (void *)sg_program.data_low, sg_global_bytes());
  return failed;
}

dpu_error_t dpu_launch(struct dpu_set_t set, dpu_launch_policy_t policy) {
  double longest = 0;
  (void)policy;
  if (!sg_program.handle) {
    sg_violate("program", NULL, 0, "a launch before a program was loaded");
    return DPU_ERR_PROGRAM;
  }
  for (uint32_t i = set.first; i < set.first + set.count; ++i)
    if (run_one(i, &longest)) return DPU_ERR_DPU_FAULT;
  ++sg_report.launches;
  sg_report.kernel_cycles += longest;
  return DPU_OK;
}

dpu_error_t dpu_sync(struct dpu_set_t set) {
  (void)set;
  return DPU_OK;
}

const char *dpu_error_to_string(dpu_error_t error) {
  static const char *const names[] = {"ok", "allocation", "invalid argument", "program", "transfer", "DPU fault"};
  return (unsigned)error < sizeof names / sizeof *names ? names[error] : "unknown";
}
