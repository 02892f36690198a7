// The per-thread state of a run: error slot, jump target of sg_fail, driver, communicators.
#pragma once

#include <csetjmp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "stratagem/runtime.h"

struct sg_context {
  std::mutex mutex;  // guards `error`: several workers may fail at once
  std::string error;
  sg_driver_fn driver = nullptr;
  void *driver_user = nullptr;
  std::map<int64_t, sg_collectives> groups;
};

namespace stratagem {

// The context in force on this thread; never null.
sg_context &current_context();

// Where sg_fail jumps on this thread; null outside sg_call and outside phases.
struct JumpTarget {
  jmp_buf buffer;
  JumpTarget *outer;
};
extern thread_local JumpTarget *jump_target;

// Stands in front of every block of sg_alloc. `next` links free blocks of a size, or with `previous` a run's blocks.
struct BlockList;
struct BlockHeader {
  size_t size_class;
  BlockHeader *next, *previous;
  BlockList *list;  // of the run that made the block, while that runs
};
struct BlockList {
  BlockHeader *first = nullptr;
};

// From now on this thread's sg_alloc enters blocks into `list`, or with null into none; returns the previous list.
BlockList *track_blocks(BlockList *list);
// Ends a run: frees what is left in the list, or leaves it to the caller of the run.
void empty_blocks(BlockList &list, bool release);
// Ends a run: frees what is left in the list, but for the blocks in `kept`, which are the caller's.
void release_other_blocks(BlockList &list, const std::vector<void *> &kept);

// Writes the first error of a run; later ones are consequences and are dropped.
void record_error(sg_context &context, const char *message);

// Leaves the running call or phase after an error was recorded; returns when there is none to leave.
void abandon();

// Formats like printf, then sg_fail.
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void fail(const char *format, ...);

}  // namespace stratagem
