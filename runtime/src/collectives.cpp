// Collectives of generated code: looked up by group in the current context.
#include "context.h"

namespace {

const sg_collectives *table(int64_t group) {
  const auto &groups = stratagem::current_context().groups;
  const auto found = groups.find(group);
  if (found != groups.end()) return &found->second;
  stratagem::fail("the program communicates in group %lld, but no communicator serves it", (long long)group);
  return nullptr;
}

void check(int status, const char *what, int64_t group) {
  if (status != 0) stratagem::fail("%s failed in group %lld with status %d", what, (long long)group, status);
}

}  // namespace

extern "C" {

void sg_set_collectives(int64_t group, const sg_collectives *entries) {
  stratagem::current_context().groups[group] = *entries;
}

int64_t sg_rank(int64_t group) {
  const sg_collectives *t = table(group);
  return t ? t->rank : 0;
}

int64_t sg_size(int64_t group) {
  const sg_collectives *t = table(group);
  return t ? t->size : 1;
}

void sg_barrier(int64_t group) {
  if (const sg_collectives *t = table(group)) check(t->barrier(t->user), "barrier", group);
}

void sg_all_reduce(int64_t group, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction) {
  if (const sg_collectives *t = table(group))
    check(t->all_reduce(t->user, in, out, count, dtype, reduction), "all_reduce", group);
}

void sg_all_gather(int64_t group, const void *in, void *out, int64_t count, int32_t dtype) {
  if (const sg_collectives *t = table(group)) check(t->all_gather(t->user, in, out, count, dtype), "all_gather", group);
}

void sg_reduce_scatter(int64_t group, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction) {
  if (const sg_collectives *t = table(group))
    check(t->reduce_scatter(t->user, in, out, count, dtype, reduction), "reduce_scatter", group);
}

void sg_broadcast(int64_t group, void *data, int64_t count, int32_t dtype, int64_t root) {
  if (const sg_collectives *t = table(group)) check(t->broadcast(t->user, data, count, dtype, root), "broadcast", group);
}

void sg_all_to_all(int64_t group, const void *in, void *out, int64_t count, int32_t dtype) {
  if (const sg_collectives *t = table(group)) check(t->all_to_all(t->user, in, out, count, dtype), "all_to_all", group);
}

void sg_send(int64_t group, const void *data, int64_t bytes, int64_t to, int64_t tag) {
  if (const sg_collectives *t = table(group)) check(t->send(t->user, data, bytes, to, tag), "send", group);
}

void sg_recv(int64_t group, void *data, int64_t bytes, int64_t from, int64_t tag) {
  if (const sg_collectives *t = table(group)) check(t->recv(t->user, data, bytes, from, tag), "recv", group);
}

}  // extern "C"
