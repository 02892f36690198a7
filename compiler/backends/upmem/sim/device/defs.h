/* Identity of the running tasklet, and the program's own claims about its size. */
#ifndef SG_DEVICE_DEFS_H
#define SG_DEVICE_DEFS_H

#include <stdint.h>

#include <attributes.h>

#ifndef NR_TASKLETS
#error "NR_TASKLETS must be given on the command line"
#endif

__attribute__((weak)) const uint32_t sg_program_tasklets = NR_TASKLETS;
#ifdef STACK_SIZE_DEFAULT
__attribute__((weak)) const uint32_t sg_program_stack = STACK_SIZE_DEFAULT;
#endif

uint32_t sg_me(void);
void sg_count(int operation, uint64_t times);

static inline uint32_t me(void) { return sg_me(); }

#define STRATAGEM_SIMULATOR 1

#endif
