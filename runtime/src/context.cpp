// Contexts and failure. Generated code has no unwind tables, so a failing assertion leaves it by longjmp; frames in
// between are generated code or functions of this library that own nothing at that point.
#include "context.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace stratagem {

thread_local JumpTarget *jump_target = nullptr;

namespace {
thread_local sg_context own_context;
thread_local sg_context *chosen_context = nullptr;
}  // namespace

sg_context &current_context() { return chosen_context ? *chosen_context : own_context; }

void record_error(sg_context &context, const char *message) {
  std::lock_guard<std::mutex> lock(context.mutex);
  if (context.error.empty()) context.error = message && *message ? message : "the program failed without a message";
}

void abandon() {
  if (jump_target) longjmp(jump_target->buffer, 1);
}

void fail(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  sg_fail(text);
}

// Apart from sg_call, whose variables a longjmp must not touch.
static void run_to_end_or_failure(void (*entry)(void **), void **args) {
  JumpTarget target;
  target.outer = jump_target;
  if (setjmp(target.buffer) == 0) {
    jump_target = &target;
    entry(args);
    jump_target = target.outer;
  } else {
    jump_target = jump_target->outer;
  }
}

}  // namespace stratagem

using namespace stratagem;

extern "C" {

int sg_abi_version(void) { return SG_ABI_VERSION; }

sg_context *sg_context_create(void) { return new sg_context(); }

void sg_context_destroy(sg_context *context) {
  if (chosen_context == context) chosen_context = nullptr;
  delete context;
}

sg_context *sg_context_use(sg_context *context) {
  sg_context *previous = chosen_context;
  chosen_context = context;
  return previous;
}

void sg_fail(const char *message) {
  record_error(current_context(), message);
  abandon();
}

void sg_assert_failed(const char *message) {
  sg_fail(message);
  fprintf(stderr, "stratagem: %s\n", message);
  abort();
}

const char *sg_error(void) { return current_context().error.c_str(); }

int sg_call(void (*entry)(void **), void **args) { return sg_call_returning(entry, args, nullptr, -1); }

int sg_call_returning(void (*entry)(void **), void **args, void *const *const *results, int64_t count) {
  sg_context &context = current_context();
  {
    std::lock_guard<std::mutex> lock(context.mutex);
    context.error.clear();
  }
  const int64_t mark = sg_scratch_mark();
  BlockList blocks;
  BlockList *outer = track_blocks(&blocks);
  run_to_end_or_failure(entry, args);
  track_blocks(outer);
  const bool failed = !context.error.empty();
  if (failed || count < 0) {
    empty_blocks(blocks, failed);
  } else {
    std::vector<void *> kept;
    for (int64_t i = 0; i < count; ++i) kept.push_back(*results[i]);
    release_other_blocks(blocks, kept);
  }
  sg_scratch_release(mark);
  return failed ? 1 : 0;
}

void sg_set_driver(sg_driver_fn driver, void *user) {
  sg_context &context = current_context();
  context.driver = driver;
  context.driver_user = user;
}

void sg_driver_call(int64_t kernel, void **descriptors, int64_t count) {
  sg_context &context = current_context();
  if (!context.driver) return fail("kernel %lld runs on another member, but no driver is set", (long long)kernel);
  const int status = context.driver(context.driver_user, kernel, descriptors, count);
  if (status != 0) fail("the driver failed on kernel %lld with status %d", (long long)kernel, status);
}

}  // extern "C"
