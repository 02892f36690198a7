// Ranks as threads of one process. Each collective posts the rank's pointers, meets the others at a barrier, reads
// their data, and meets them again before anyone's buffer may change.
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <vector>

#include "context.h"

namespace {

constexpr int kAborted = 1, kBadType = 2, kBadRank = 3, kMismatch = 4, kBadSize = 5;

int64_t size_of(int32_t dtype) {
  switch (dtype) {
    case SG_F32: case SG_I32: return 4;
    case SG_F64: case SG_I64: return 8;
    case SG_I8: return 1;
    default: return 0;
  }
}

template <typename T>
T combine(T a, T b, int32_t reduction) {
  if (reduction == SG_MAX) return std::max(a, b);
  if (reduction == SG_MIN) return std::min(a, b);
  if constexpr (std::is_integral_v<T>)  // sums wrap around
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
  else
    return a + b;
}

// out[i] = reduction over ranks of in[rank][offset + i], in rank order: every rank computes the same bits.
template <typename T>
void reduce(const std::vector<const void *> &in, int64_t offset, void *out, int64_t count, int32_t reduction) {
  T *result = static_cast<T *>(out);
  for (int64_t i = 0; i < count; ++i) {
    T value = static_cast<const T *>(in[0])[offset + i];
    for (size_t r = 1; r < in.size(); ++r) value = combine(value, static_cast<const T *>(in[r])[offset + i], reduction);
    result[i] = value;
  }
}

int reduce_any(const std::vector<const void *> &in, int64_t offset, void *out, int64_t count, int32_t dtype,
               int32_t reduction) {
  switch (dtype) {
    case SG_F32: reduce<float>(in, offset, out, count, reduction); return 0;
    case SG_F64: reduce<double>(in, offset, out, count, reduction); return 0;
    case SG_I32: reduce<int32_t>(in, offset, out, count, reduction); return 0;
    case SG_I64: reduce<int64_t>(in, offset, out, count, reduction); return 0;
    case SG_I8: reduce<int8_t>(in, offset, out, count, reduction); return 0;
    default: return kBadType;
  }
}

}  // namespace

struct sg_local_group {
  explicit sg_local_group(int64_t size) : size(size), posted(static_cast<size_t>(size)), counts(posted.size()) {}

  // Returns kAborted when some rank gave up.
  int meet() {
    std::unique_lock<std::mutex> lock(mutex);
    if (aborted) return kAborted;
    const uint64_t round = rounds;
    if (++arrived == size) {
      arrived = 0;
      ++rounds;
      changed.notify_all();
      return 0;
    }
    changed.wait(lock, [&] { return rounds != round || aborted; });
    return rounds != round ? 0 : kAborted;
  }

  // Posts this rank's buffer and waits until all have; a different count anywhere is an error everywhere.
  int post(int64_t rank, const void *data, int64_t count) {
    posted[static_cast<size_t>(rank)] = data;
    counts[static_cast<size_t>(rank)] = count;
    if (const int status = meet()) return status;
    const bool same = std::all_of(counts.begin(), counts.end(), [&](int64_t other) { return other == counts[0]; });
    if (same) return 0;
    meet();
    return kMismatch;
  }

  using Channel = std::tuple<int64_t, int64_t, int64_t>;  // from, to, tag

  const int64_t size;
  std::mutex mutex;
  std::condition_variable changed;
  bool aborted = false;
  int64_t arrived = 0;
  uint64_t rounds = 0;
  std::vector<const void *> posted;
  std::vector<int64_t> counts;
  std::map<Channel, std::deque<std::vector<char>>> mail;
  std::vector<std::unique_ptr<struct Rank>> ranks;
};

struct Rank {
  sg_local_group *group;
  int64_t rank;
  std::vector<char> result;  // reductions land here first: `out` may be `in`
};

namespace {

Rank &self(void *user) { return *static_cast<Rank *>(user); }

int barrier(void *user) { return self(user).group->meet(); }

int reduce_part(Rank &me, const void *in, int64_t posted, int64_t offset, void *out, int64_t count, int32_t dtype,
                int32_t reduction) {
  if (const int status = me.group->post(me.rank, in, posted)) return status;
  me.result.resize(static_cast<size_t>(count * size_of(dtype)));
  const int status = reduce_any(me.group->posted, offset, me.result.data(), count, dtype, reduction);
  const int met = me.group->meet();
  if (status || met) return status ? status : met;
  std::memcpy(out, me.result.data(), me.result.size());
  return 0;
}

int all_reduce(void *user, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction) {
  return reduce_part(self(user), in, count, 0, out, count, dtype, reduction);
}

int reduce_scatter(void *user, const void *in, void *out, int64_t count, int32_t dtype, int32_t reduction) {
  Rank &me = self(user);
  return reduce_part(me, in, count, me.rank * count, out, count, dtype, reduction);
}

int all_gather(void *user, const void *in, void *out, int64_t count, int32_t dtype) {
  Rank &me = self(user);
  if (const int status = me.group->post(me.rank, in, count)) return status;
  const int64_t bytes = count * size_of(dtype);
  for (int64_t r = 0; r < me.group->size; ++r)
    std::memmove(static_cast<char *>(out) + r * bytes, me.group->posted[static_cast<size_t>(r)],
                 static_cast<size_t>(bytes));
  return me.group->meet();
}

int broadcast(void *user, void *data, int64_t count, int32_t dtype, int64_t root) {
  Rank &me = self(user);
  if (root < 0 || root >= me.group->size) return kBadRank;
  if (const int status = me.group->post(me.rank, data, count)) return status;
  const void *source = me.group->posted[static_cast<size_t>(root)];
  if (me.rank != root) std::memcpy(data, source, static_cast<size_t>(count * size_of(dtype)));
  return me.group->meet();
}

int all_to_all(void *user, const void *in, void *out, int64_t count, int32_t dtype) {
  Rank &me = self(user);
  if (const int status = me.group->post(me.rank, in, count)) return status;
  const int64_t bytes = count * size_of(dtype);
  for (int64_t r = 0; r < me.group->size; ++r)
    std::memcpy(static_cast<char *>(out) + r * bytes,
                static_cast<const char *>(me.group->posted[static_cast<size_t>(r)]) + me.rank * bytes,
                static_cast<size_t>(bytes));
  return me.group->meet();
}

int send(void *user, const void *data, int64_t bytes, int64_t to, int64_t tag) {
  Rank &me = self(user);
  if (to < 0 || to >= me.group->size) return kBadRank;
  const char *begin = static_cast<const char *>(data);
  std::lock_guard<std::mutex> lock(me.group->mutex);
  me.group->mail[{me.rank, to, tag}].emplace_back(begin, begin + bytes);
  me.group->changed.notify_all();
  return 0;
}

int recv(void *user, void *data, int64_t bytes, int64_t from, int64_t tag) {
  Rank &me = self(user);
  if (from < 0 || from >= me.group->size) return kBadRank;
  std::unique_lock<std::mutex> lock(me.group->mutex);
  auto &queue = me.group->mail[{from, me.rank, tag}];
  me.group->changed.wait(lock, [&] { return !queue.empty() || me.group->aborted; });
  if (queue.empty()) return kAborted;
  const std::vector<char> message = std::move(queue.front());
  queue.pop_front();
  if (static_cast<int64_t>(message.size()) != bytes) return kBadSize;
  std::memcpy(data, message.data(), message.size());
  return 0;
}

}  // namespace

extern "C" {

sg_local_group *sg_local_group_create(int64_t size) { return size < 1 ? nullptr : new sg_local_group(size); }

void sg_local_group_destroy(sg_local_group *group) { delete group; }

int sg_local_group_join(sg_local_group *local, int64_t group, int64_t rank) {
  if (!local || rank < 0 || rank >= local->size) return kBadRank;
  Rank *me = nullptr;
  {
    std::lock_guard<std::mutex> lock(local->mutex);
    local->ranks.push_back(std::make_unique<Rank>(Rank{local, rank, {}}));
    me = local->ranks.back().get();
  }
  const sg_collectives table = {me,        rank,           local->size, barrier, all_reduce,
                                all_gather, reduce_scatter, broadcast,   all_to_all, send, recv};
  sg_set_collectives(group, &table);
  return 0;
}

void sg_local_group_abort(sg_local_group *local) {
  std::lock_guard<std::mutex> lock(local->mutex);
  local->aborted = true;
  local->changed.notify_all();
}

}  // extern "C"
