/* Linked into every DPU program: tells the simulator where the MRAM section lies. */
#include <stdint.h>

extern uint8_t __start_sg_mram[] __attribute__((weak, visibility("hidden")));
extern uint8_t __stop_sg_mram[] __attribute__((weak, visibility("hidden")));

extern uint8_t *const sg_mram_low, *const sg_mram_high;
uint8_t *const sg_mram_low = __start_sg_mram;
uint8_t *const sg_mram_high = __stop_sg_mram;
