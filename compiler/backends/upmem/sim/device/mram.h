/* Transfers between MRAM and WRAM. Every call knows its line, so that a broken rule can be reported where it is. */
#ifndef SG_DEVICE_MRAM_H
#define SG_DEVICE_MRAM_H

#include <stdint.h>

#include <attributes.h>

void sg_mram_read(const void *mram, void *wram, uint32_t bytes, const char *file, int line);
void sg_mram_write(const void *wram, void *mram, uint32_t bytes, const char *file, int line);

#define mram_read(mram, wram, bytes) sg_mram_read((mram), (wram), (uint32_t)(bytes), __FILE__, __LINE__)
#define mram_write(wram, mram, bytes) sg_mram_write((wram), (mram), (uint32_t)(bytes), __FILE__, __LINE__)

#endif
