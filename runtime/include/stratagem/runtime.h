/* The C interface of the Stratagem runtime: what generated code calls, and what programs that run artifacts call.
 *
 * Every pointer argument is borrowed for the length of the call unless said otherwise. Sizes are in bytes, counts in
 * elements. Functions that can fail return 0 on success and another value on failure; sg_error() then holds the reason.
 */
#ifndef STRATAGEM_RUNTIME_H
#define STRATAGEM_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SG_ABI_VERSION 2
int sg_abi_version(void);

/* ---- threads ------------------------------------------------------------------------------------------------- */

/* One phase of a kernel: runs units [begin, end) of the linearised forall. args[i] points to the i-th captured value
 * (a memref descriptor or a scalar). */
typedef void (*sg_phase_fn)(void **args, int64_t begin, int64_t end);

/* Runs all units of a phase on the pool and returns when the last is done. Units may run in any order and together.
 * Calls from inside a phase, and calls while another thread holds the pool, run on the calling thread. */
void sg_parallel_for(int64_t units, sg_phase_fn phase, void **args);

/* Threads that take part in a phase, the caller included; n < 1 means one per processor this process may use. */
void sg_set_threads(int n);
int sg_get_threads(void);
/* Bind thread i to the i-th processor of the process's affinity mask (0 = off, the default). Takes effect on the next
 * phase. */
void sg_set_pinning(int on);

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* 64-byte aligned block, uninitialised; freed blocks are kept by size class, so that repeated runs ask the system for
 * nothing. Never returns NULL: out of memory is reported by sg_fail. */
void *sg_alloc(size_t bytes);
void sg_free(void *block);
/* Gives cached free blocks back to the system; returns the bytes given back. */
size_t sg_trim(void);
/* Bytes held from the system by sg_alloc, in use or cached. */
size_t sg_held_bytes(void);

/* Per-thread stack of scratch memory for the body of a phase: blocks live until the mark below them is released. */
void *sg_scratch_alloc(size_t bytes);
int64_t sg_scratch_mark(void);
void sg_scratch_release(int64_t mark);

/* ---- failure ------------------------------------------------------------------------------------------------- */

/* Records the message (copied) and abandons the running sg_call of this context. Outside sg_call it only records. */
void sg_fail(const char *message);
/* What generated code calls for a failed assertion: sg_fail, and the end of the process outside sg_call. */
void sg_assert_failed(const char *message);
/* Runs entry(args); returns 0, or 1 when sg_fail was called on the way, here or in a worker. Blocks that the calling
 * thread took with sg_alloc on the way and did not free are the caller's after success; after a failure they are freed. */
int sg_call(void (*entry)(void **args), void **args);
/* The same for an entry that returns `count` buffers: results[i] points to the i-th one's memref descriptor, which begins
 * with its block. These blocks are the caller's after success; all others of the run are freed. */
int sg_call_returning(void (*entry)(void **args), void **args, void *const *const *results, int64_t count);
/* Message of the last failure in this thread's context, "" when there was none. Valid until the next sg_call. */
const char *sg_error(void);

/* ---- contexts ------------------------------------------------------------------------------------------------ */

/* A context holds what a run needs beside its arguments: error slot, driver, communicators. Each thread starts with a
 * context of its own; worker threads take the context of the phase they run. */
typedef struct sg_context sg_context;
sg_context *sg_context_create(void);
void sg_context_destroy(sg_context *context);
/* Makes `context` current on this thread and returns the previous one; NULL means the thread's own. */
sg_context *sg_context_use(sg_context *context);

/* ---- kernels of other members -------------------------------------------------------------------------------- */

/* Serves one launch; descriptors[i] points to a memref descriptor or scalar. Returns 0 on success. */
typedef int (*sg_driver_fn)(void *user, int64_t kernel, void **descriptors, int64_t count);
void sg_set_driver(sg_driver_fn driver, void *user);
/* Called by generated code; a missing or failing driver ends in sg_fail. */
void sg_driver_call(int64_t kernel, void **descriptors, int64_t count);

/* ---- collectives --------------------------------------------------------------------------------------------- */

typedef enum { SG_F32 = 0, SG_F64 = 1, SG_I32 = 2, SG_I64 = 3, SG_I8 = 4 } sg_dtype;
typedef enum { SG_SUM = 0, SG_MAX = 1, SG_MIN = 2 } sg_reduction;

/* One implementation of the collectives over one group of ranks. Every entry returns 0 on success. */
typedef struct sg_collectives {
  void *user;
  int64_t rank, size;
  int (*barrier)(void *user);
  int (*all_reduce)(void *user, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction);
  /* in: count elements; out: size*count elements, rank after rank */
  int (*all_gather)(void *user, const void *in, void *out, int64_t count, int32_t dtype);
  /* in: size*count elements; out: count elements, the reduction of every rank's own part */
  int (*reduce_scatter)(void *user, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction);
  int (*broadcast)(void *user, void *data, int64_t count, int32_t dtype, int64_t root);
  /* in and out: size*count elements; part r of in goes to rank r */
  int (*all_to_all)(void *user, const void *in, void *out, int64_t count, int32_t dtype);
  int (*send)(void *user, const void *data, int64_t bytes, int64_t to, int64_t tag);
  int (*recv)(void *user, void *data, int64_t bytes, int64_t from, int64_t tag);
} sg_collectives;

/* Serves group `group` (one per mesh axis, or 0 for all ranks) of the current context; the table is copied. */
void sg_set_collectives(int64_t group, const sg_collectives *table);
/* Called by generated code; a group without a table, or a failing entry, ends in sg_fail. */
int64_t sg_rank(int64_t group);
int64_t sg_size(int64_t group);
void sg_barrier(int64_t group);
void sg_all_reduce(int64_t group, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction);
void sg_all_gather(int64_t group, const void *in, void *out, int64_t count, int32_t dtype);
void sg_reduce_scatter(int64_t group, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction);
void sg_broadcast(int64_t group, void *data, int64_t count, int32_t dtype, int64_t root);
void sg_all_to_all(int64_t group, const void *in, void *out, int64_t count, int32_t dtype);
void sg_send(int64_t group, const void *data, int64_t bytes, int64_t to, int64_t tag);
void sg_recv(int64_t group, void *data, int64_t bytes, int64_t from, int64_t tag);

/* Ranks as threads of this process. Create once, join from each rank's thread, destroy after the last rank is done. */
typedef struct sg_local_group sg_local_group;
sg_local_group *sg_local_group_create(int64_t size);
void sg_local_group_destroy(sg_local_group *group);
/* Serves `group` of the current context as rank `rank` of `local`. */
int sg_local_group_join(sg_local_group *local, int64_t group, int64_t rank);
/* Wakes every rank that waits, with an error: called when one rank fails, so that the others do not wait forever. */
void sg_local_group_abort(sg_local_group *local);

/* ---- programs ------------------------------------------------------------------------------------------------ */

#define SG_MAX_RANK 16

typedef struct sg_tensor_info {
  const char *name;
  const char *dtype; /* f32, i64, ... */
  int64_t rank;
  int64_t shape[SG_MAX_RANK]; /* -1 where the size is known only when the program runs */
} sg_tensor_info;

/* A dense row-major tensor. */
typedef struct sg_tensor {
  void *data;
  int64_t rank;
  int64_t shape[SG_MAX_RANK];
} sg_tensor;

typedef struct sg_program sg_program;
/* Opens an artifact; NULL on failure (see sg_error). Parameters stay in the file, mapped read-only. */
sg_program *sg_program_load(const char *path);
void sg_program_free(sg_program *program);
int64_t sg_program_inputs(const sg_program *program);
int64_t sg_program_outputs(const sg_program *program);
/* The i-th input or output; NULL when there is none. Valid while the program is. */
const sg_tensor_info *sg_program_input(const sg_program *program, int64_t i);
const sg_tensor_info *sg_program_output(const sg_program *program, int64_t i);
/* Runs once. Ranks and known sizes of the inputs are checked. Fills in all outputs; their data belongs to the caller, who
 * gives it back with sg_free. Not reentrant: one run of one program at a time. */
int sg_program_run(sg_program *program, const sg_tensor *inputs, sg_tensor *outputs);

#ifdef __cplusplus
}
#endif
#endif
