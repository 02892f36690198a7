/* Tasklets as coroutines: one runs until it waits at a barrier or ends, then the next. The order is fixed, so a run
   repeats exactly; what a missing barrier would break is found by the shadow tags, not by luck. */
#include "sim.h"

#include <alloc.h>
#include <barrier.h>
#include <mutex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { HOST_STACK = 256 * 1024 }; /* of the coroutine on this machine; the device's own stacks are only budgeted */

enum state { READY, WAITING, DONE };

struct tasklet {
  ucontext_t context;
  uint8_t *stack;
  enum state state;
  barrier_t *barrier;
  uint32_t round;
  const char *file;
  int line;
  int locks;
};

static struct tasklet tasklets[SG_MAX_TASKLETS + 1];
static ucontext_t scheduler;
int sg_current_tasklet = -1;
bool sg_current_locked;

uint32_t sg_me(void);
uint32_t sg_me(void) { return (uint32_t)sg_current_tasklet; }

void sg_abort_tasklet(void) {
  struct tasklet *self = &tasklets[sg_current_tasklet];
  self->state = DONE;
  swapcontext(&self->context, &scheduler);
}

static void run_entry(void) {
  sg_program.entry();
  struct tasklet *self = &tasklets[sg_current_tasklet];
  if (self->locks) sg_violate("mutex", NULL, 0, "a tasklet ended while it held a mutex");
  self->state = DONE;
}

static int start(struct tasklet *one) {
  if (!one->stack) one->stack = malloc(HOST_STACK);
  if (!one->stack || getcontext(&one->context) != 0) return sg_violate("host-memory", NULL, 0, "no stack for a tasklet");
  one->context.uc_stack.ss_sp = one->stack;
  one->context.uc_stack.ss_size = HOST_STACK;
  one->context.uc_link = &scheduler;
  one->state = READY;
  one->locks = 0;
  one->barrier = NULL;
  makecontext(&one->context, run_entry, 0);
  return 0;
}

static bool released(const struct tasklet *one) { return one->barrier->round != one->round; }

static bool step(uint32_t index) {
  struct tasklet *one = &tasklets[index];
  if (one->state == WAITING && released(one)) one->state = READY;
  if (one->state != READY) return false;
  sg_current_tasklet = (int)index;
  sg_site_file = NULL;
  sg_current_locked = one->locks > 0;
  sg_set_stack((uintptr_t)one->stack, (uintptr_t)one->stack + HOST_STACK);
  swapcontext(&scheduler, &one->context);
  sg_current_tasklet = -1;
  return true;
}

static int stuck(void) {
  const struct tasklet *waiting = NULL;
  uint32_t count = 0;
  for (uint32_t t = 0; t < sg_program.tasklets; ++t)
    if (tasklets[t].state == WAITING) waiting = &tasklets[t], ++count;
  if (!waiting) return 0;
  return sg_violate("barrier", waiting->file, waiting->line, "%u of %u tasklets wait here for ever, the barrier wants %u",
                    count, sg_program.tasklets, waiting->barrier->expected);
}

int sg_run_tasklets(void) {
  for (uint32_t t = 0; t < sg_program.tasklets; ++t)
    if (start(&tasklets[t])) return -1;
  ++sg_epoch;
  for (bool moved = true; moved && !sg_failed();) {
    moved = false;
    for (uint32_t t = 0; t < sg_program.tasklets && !sg_failed(); ++t) moved |= step(t);
  }
  return sg_failed() ? -1 : stuck();
}

void sg_barrier_wait(barrier_t *barrier, const char *file, int line) {
  struct tasklet *self = &tasklets[sg_current_tasklet];
  if (sg_limits.max_barriers && barrier->expected >= sg_limits.max_barriers)
    sg_violate("barrier", file, line, "a barrier of %u, the count must stay below %llu", barrier->expected,
               (unsigned long long)sg_limits.max_barriers);
  if (self->locks) sg_violate("mutex", file, line, "a barrier while a mutex is held");
  if (barrier->arrived + 1 > barrier->expected)
    sg_violate("barrier", file, line, "more tasklets arrive than the %u it was made for", barrier->expected);
  sg_cost_instructions(1);
  if (++barrier->arrived == barrier->expected) {
    barrier->arrived = 0;
    ++barrier->round;
    if (barrier->expected == sg_program.tasklets) ++sg_epoch, sg_cost_barrier();
    return;
  }
  self->state = WAITING, self->barrier = barrier, self->round = barrier->round;
  self->file = file, self->line = line;
  swapcontext(&self->context, &scheduler);
}

void sg_mutex_lock(mutex_id_t mutex, const char *file, int line) {
  if (mutex->owner) sg_violate("mutex", file, line, "tasklet %d already holds the mutex", mutex->owner - 1);
  mutex->owner = sg_current_tasklet + 1;
  sg_current_locked = ++tasklets[sg_current_tasklet].locks > 0;
  sg_cost_instructions(1);
}

void sg_mutex_unlock(mutex_id_t mutex, const char *file, int line) {
  if (mutex->owner != sg_current_tasklet + 1) sg_violate("mutex", file, line, "the tasklet does not hold the mutex");
  mutex->owner = 0;
  sg_current_locked = --tasklets[sg_current_tasklet].locks > 0;
  sg_cost_instructions(1);
}

void *sg_mem_alloc(size_t bytes, const char *file, int line) {
  void *start = sg_heap_take(bytes);
  if (!start)
    sg_violate("wram-capacity", file, line, "mem_alloc of %zu B after %llu B: variables %llu B + %u stacks of %u B leave less",
               bytes, (unsigned long long)sg_heap_used(), (unsigned long long)sg_global_bytes(), sg_program.tasklets,
               sg_program.stack);
  return start;
}

void mem_reset(void) { sg_heap_reset(); }
