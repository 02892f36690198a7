/* Uses the runtime from many threads at once; run under the sanitizers. Returns 0 when all values are right. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <stratagem/runtime.h>

enum { UNITS = 997, ROUNDS = 200, RANKS = 4 };

static void add_one(void **args, int64_t begin, int64_t end) {
  int64_t *counts = args[0];
  const int64_t mark = sg_scratch_mark();
  int64_t *scratch = sg_scratch_alloc((size_t)(end - begin) * sizeof *scratch);
  for (int64_t i = begin; i < end; ++i) scratch[i - begin] = counts[i] + 1;
  memcpy(counts + begin, scratch, (size_t)(end - begin) * sizeof *scratch);
  sg_scratch_release(mark);
}

static void fail_late(void **args, int64_t begin, int64_t end) {
  (void)args;
  if (end > UNITS - 5) sg_fail("late");
  for (volatile int64_t i = begin; i < end; ++i) {}
}

/* Two blocks are left when the phase fails, one is freed in time. */
static void run_failing(void **args) {
  int64_t *left = sg_alloc(UNITS * sizeof *left), *freed = sg_alloc(8);
  left[0] = *freed = 1;
  ((int64_t *)sg_alloc(100000))[0] = 2;
  sg_free(freed);
  sg_parallel_for(UNITS, fail_late, args);
}

static void run_well(void **args) { args[0] = sg_alloc(1000); }

/* What a failed run left comes back, what a good one made stays. */
static int memory_of_runs(void) {
  int wrong = 0;
  void *args[] = {NULL};
  wrong |= sg_call(run_failing, args) != 1;
  const size_t held = sg_held_bytes();
  for (int round = 0; round < ROUNDS; ++round) wrong |= sg_call(run_failing, args) != 1;
  wrong |= sg_held_bytes() != held;
  wrong |= sg_call(run_well, args) != 0;
  memset(args[0], 1, 1000);
  sg_free(args[0]);
  return wrong;
}

static int phases(void) {
  int wrong = 0;
  for (int round = 0; round < ROUNDS; ++round) {
    int64_t *counts = sg_alloc(UNITS * sizeof *counts);
    memset(counts, 0, UNITS * sizeof *counts);
    void *args[] = {counts};
    sg_set_threads(1 + round % 5);
    for (int i = 0; i < 10; ++i) sg_parallel_for(UNITS, add_one, args);
    for (int i = 0; i < UNITS; ++i) wrong |= counts[i] != 10;
    wrong |= sg_call(run_failing, args) != 1 || strcmp(sg_error(), "late") != 0;
    sg_free(counts);
  }
  return wrong;
}

typedef struct {
  sg_local_group *group;
  int64_t rank;
  int wrong;
} member;

static void *rank_main(void *argument) {
  member *me = argument;
  me->wrong = sg_local_group_join(me->group, 0, me->rank);
  for (int round = 0; round < ROUNDS; ++round) {
    float in[RANKS], out[RANKS];
    for (int i = 0; i < RANKS; ++i) in[i] = (float)(me->rank + i);
    sg_all_reduce(0, in, out, RANKS, SG_F32, SG_SUM);
    for (int i = 0; i < RANKS; ++i) me->wrong |= out[i] != (float)(RANKS * i + RANKS * (RANKS - 1) / 2);
    const int64_t next = (me->rank + 1) % RANKS, last = (me->rank + RANKS - 1) % RANKS;
    sg_send(0, &me->rank, sizeof me->rank, next, round);
    int64_t got = -1;
    sg_recv(0, &got, sizeof got, last, round);
    me->wrong |= got != last;
    int64_t counts[8] = {0};
    void *args[] = {counts};
    sg_parallel_for(8, add_one, args);
    for (int i = 0; i < 8; ++i) me->wrong |= counts[i] != 1;
  }
  return NULL;
}

int main(void) {
  int wrong = phases() | memory_of_runs();
  pthread_t threads[RANKS];
  member members[RANKS];
  sg_local_group *group = sg_local_group_create(RANKS);
  for (int i = 0; i < RANKS; ++i) {
    members[i] = (member){group, i, 0};
    pthread_create(&threads[i], NULL, rank_main, &members[i]);
  }
  for (int i = 0; i < RANKS; ++i) {
    pthread_join(threads[i], NULL);
    wrong |= members[i].wrong;
  }
  sg_local_group_destroy(group);
  sg_trim();
  return wrong;
}
