/* The performance counter, answered from the simulator's own cost counters. */
#ifndef SG_DEVICE_PERFCOUNTER_H
#define SG_DEVICE_PERFCOUNTER_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t perfcounter_t;
typedef enum { COUNT_CYCLES, COUNT_INSTRUCTIONS } perfcounter_config_t;

perfcounter_t perfcounter_config(perfcounter_config_t what, bool reset);
perfcounter_t perfcounter_get(void);

#endif
