/* Barriers: exactly the declared number of tasklets must arrive. */
#ifndef SG_DEVICE_BARRIER_H
#define SG_DEVICE_BARRIER_H

#include <stdint.h>

typedef struct sg_barrier {
  uint32_t expected;
  uint32_t arrived;
  uint32_t round;
} barrier_t;

void sg_barrier_wait(barrier_t *barrier, const char *file, int line);

#define BARRIER_INIT(name, count) barrier_t name = {(count), 0, 0}
#define barrier_wait(barrier) sg_barrier_wait((barrier), __FILE__, __LINE__)

#endif
