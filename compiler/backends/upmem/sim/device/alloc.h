/* The bump allocator of WRAM. */
#ifndef SG_DEVICE_ALLOC_H
#define SG_DEVICE_ALLOC_H

#include <stddef.h>

void *sg_mem_alloc(size_t bytes, const char *file, int line);
void mem_reset(void);

#define mem_alloc(bytes) sg_mem_alloc((bytes), __FILE__, __LINE__)

#endif
