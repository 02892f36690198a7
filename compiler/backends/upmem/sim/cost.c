/* Time of one launch on one DPU, estimated.

   Pipeline: a tasklet may issue again after `threads_for_peak` cycles, so a DPU needs at least that many tasklets to
   issue every cycle. Per stretch between two barriers, with I instructions and D cycles of DMA of each tasklet:
     cycles = max(sum of I, sum of D, max over tasklets of threads_for_peak * I + D)
   The DMA engine serves one transfer at a time; a transfer costs latency + bytes / rate. Stretches add up. */
#include "sim.h"

#include <perfcounter.h>
#include <string.h>

static uint64_t instructions[SG_MAX_TASKLETS + 1];
static double dma[SG_MAX_TASKLETS + 1];
static uint32_t tasklets;
static double cycles;

void sg_count(int operation, uint64_t times);

void sg_cost_start(uint32_t count) {
  tasklets = count;
  cycles = 0;
  memset(instructions, 0, sizeof instructions);
  memset(dma, 0, sizeof dma);
}

void sg_cost_instructions(uint64_t count) {
  sg_report.instructions += count;
  if (sg_current_tasklet >= 0) instructions[sg_current_tasklet] += count;
}

void sg_count(int operation, uint64_t times) {
  if (operation < 0 || operation >= SG_OPERATIONS) return;
  sg_cost_instructions((uint64_t)(sg_limits.operation_cycles[operation] * (double)times + 0.5));
}

void sg_cost_dma(bool write, uint32_t bytes) {
  double start = write ? sg_limits.write_latency_cycles : sg_limits.read_latency_cycles;
  double rate = sg_limits.dma_bytes_per_cycle > 0 ? sg_limits.dma_bytes_per_cycle : 1;
  if (write) ++sg_report.dma_writes;
  else ++sg_report.dma_reads;
  sg_report.dma_bytes += bytes;
  if (sg_current_tasklet >= 0) dma[sg_current_tasklet] += start + bytes / rate;
}

static double stretch(void) {
  double depth = sg_limits.threads_for_peak ? (double)sg_limits.threads_for_peak : 1;
  double issued = 0, engine = 0, longest = 0;
  for (uint32_t t = 0; t < tasklets; ++t) {
    double alone = depth * (double)instructions[t] + dma[t];
    issued += (double)instructions[t];
    engine += dma[t];
    if (alone > longest) longest = alone;
  }
  double most = issued > engine ? issued : engine;
  return most > longest ? most : longest;
}

void sg_cost_barrier(void) {
  cycles += stretch();
  memset(instructions, 0, sizeof instructions);
  memset(dma, 0, sizeof dma);
}

double sg_cost_finish(void) {
  sg_cost_barrier();
  return cycles;
}

perfcounter_t perfcounter_config(perfcounter_config_t what, bool reset) {
  (void)what, (void)reset;
  return perfcounter_get();
}

perfcounter_t perfcounter_get(void) { return (perfcounter_t)(cycles + stretch()); }
