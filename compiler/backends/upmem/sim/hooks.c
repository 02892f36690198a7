/* Calls that the compiler puts before every load and store of the emitted code (-fsanitize=thread, compile step only).
   They count, and check alignment, bounds, races and use of unwritten bytes. */
#include "sim.h"

static void access_wram(const void *address, size_t bytes, bool write, const void *pc) {
  if (write) ++sg_report.stores;
  else ++sg_report.loads;
  sg_cost_instructions(1);
  if ((uintptr_t)address % bytes)
    sg_violate("wram-alignment", NULL, 0, "a %s of %zu B at an address that is no multiple of it @%#lx@",
               write ? "store" : "load", bytes, sg_line(pc));
  sg_shadow_wram((uintptr_t)address, bytes, write, NULL, 0, pc);
}

#define HOOKS(bytes)                                                                  \
  void __tsan_read##bytes(void *address);                                             \
  void __tsan_write##bytes(void *address);                                            \
  void __tsan_read##bytes(void *address) {                                            \
    access_wram(address, bytes, false, __builtin_return_address(0));                  \
  }                                                                                   \
  void __tsan_write##bytes(void *address) {                                           \
    access_wram(address, bytes, true, __builtin_return_address(0));                   \
  }

HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) {}
