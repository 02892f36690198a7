/* Functional and timing simulator of a near-memory device: the parts that the source files share.
   Everything that depends on a product is in `struct sg_limits`, filled by the driver from the hardware description. */
#ifndef SG_SIM_H
#define SG_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_MAX_TASKLETS 63 /* bits of a shadow tag, not a property of a device */
#define SG_OPERATIONS 32
#define SG_TEXT 1024

/* Field order is shared with driver.py; all limits of the machine. Zero means: the description does not say. */
struct sg_limits {
  uint64_t mram_bytes, wram_bytes, stack_bytes, wram_reserved;
  uint64_t dma_granule, dma_burst, host_mram_granule, host_wram_granule;
  uint64_t dpus, max_tasklets, threads_for_peak, max_barriers;
  double clock, read_latency_cycles, write_latency_cycles, dma_bytes_per_cycle;
  double to_bandwidth, from_bandwidth, broadcast_bandwidth; /* of all DPUs together */
  double unit_to_bandwidth, unit_from_bandwidth;            /* of one of them */
  double to_latency, from_latency;                          /* of each transfer */
  double operation_cycles[SG_OPERATIONS];
};

/* What one entry call did; field order is shared with driver.py. Seconds are estimates. */
struct sg_report {
  uint64_t launches, instructions, loads, stores;
  uint64_t dma_reads, dma_writes, dma_bytes;
  uint64_t bytes_to, bytes_from, bytes_broadcast, transfers;
  uint64_t peak_wram, mram_used, tasklets, dpus_used;
  double kernel_cycles, kernel_seconds, to_seconds, from_seconds;
};

/* One simulated DPU: MRAM and WRAM survive between launches. */
struct sg_dpu {
  uint8_t *mram, *mram_set;    /* image and one byte per byte: was it ever written? */
  uint8_t *globals;            /* saved image of the program's variables */
  void *transfer;              /* buffer given by dpu_prepare_xfer */
};

/* A loaded DPU program; addresses are those of the shared object in this process. */
struct sg_program {
  void *handle;
  char path[SG_TEXT];
  int (*entry)(void);
  uint32_t tasklets, stack;
  uintptr_t data_low, data_high; /* variables: WRAM, without the MRAM section */
  uintptr_t mram_low, mram_high;
  uintptr_t image_low, image_high; /* all that is mapped, for constants */
};

extern struct sg_limits sg_limits;
extern struct sg_report sg_report;
extern struct sg_program sg_program;
extern struct sg_dpu *sg_current_dpu;
extern uint32_t sg_current_dpu_index;
extern int sg_current_tasklet; /* -1 outside of a launch */
extern bool sg_current_locked; /* the running tasklet holds a mutex */
extern uint32_t sg_epoch;
extern const char *sg_site_file; /* the emitted line that called a support function, NULL when none did */
extern int sg_site_line;

/* errors.c: keeps the first broken rule. Inside a tasklet it does not return. */
int sg_violate(const char *rule, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool sg_failed(void);

/* program.c */
int sg_load_program(const char *path);
void sg_unload_program(void);
uint64_t sg_mram_bytes_used(void);
uint64_t sg_global_bytes(void);
unsigned long sg_line(const void *pc); /* a return address as the object file counts it; 0 when there is none */
bool sg_symbol(uintptr_t address, uintptr_t *low, uintptr_t *high, const char **name);

/* memory.c: shadow state of WRAM and MRAM */
int sg_memory_open(void);
void sg_memory_close(void);
void sg_heap_reset(void);
void *sg_heap_take(size_t bytes);
uint64_t sg_heap_used(void);
bool sg_wram_object(uintptr_t address, uintptr_t *low, uintptr_t *high);
void sg_shadow_wram(uintptr_t address, size_t bytes, bool write, const char *file, int line, const void *pc);
void sg_shadow_mram(uint64_t offset, size_t bytes, bool write, const char *file, int line);
uint8_t *sg_wram_set(uintptr_t address);
void sg_set_stack(uintptr_t low, uintptr_t high);

/* tasklets.c */
int sg_run_tasklets(void);
void sg_abort_tasklet(void);

/* cost.c */
void sg_cost_start(uint32_t tasklets);
void sg_cost_instructions(uint64_t count);
void sg_cost_dma(bool write, uint32_t bytes);
void sg_cost_barrier(void);
double sg_cost_finish(void);

#endif
