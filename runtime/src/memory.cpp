// Blocks by size class, and the per-thread scratch stack.
#include <array>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "context.h"

namespace {

constexpr size_t kAlignment = 64;
constexpr int kStepsPerDoubling = 4;  // wasted space stays below a quarter of a block
constexpr int kClasses = 48 * kStepsPerDoubling;

struct Header {
  size_t size_class;
  Header *next;
};
static_assert(sizeof(Header) <= kAlignment, "the header sits in the padding before the block");

// Smallest class whose blocks hold `bytes`; writes that size.
int size_class(size_t bytes, size_t *rounded) {
  size_t base = kAlignment;
  int index = 0;
  while (base * 2 <= bytes) base *= 2, index += kStepsPerDoubling;
  const size_t step = base / kStepsPerDoubling;
  const size_t steps = bytes <= base ? 0 : (bytes - base + step - 1) / step;
  *rounded = (base + steps * step + kAlignment - 1) / kAlignment * kAlignment;
  return index + static_cast<int>(steps);
}

class Cache {
 public:
  void *take(size_t bytes) {
    size_t rounded = 0;
    const int index = size_class(bytes, &rounded);
    if (index >= kClasses) return nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (Header *head = free_[index]) {
        free_[index] = head->next;
        return reinterpret_cast<char *>(head) + kAlignment;
      }
      held_ += rounded;
    }
    void *block = nullptr;
    if (posix_memalign(&block, kAlignment, rounded + kAlignment) != 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      held_ -= rounded;
      return nullptr;
    }
    static_cast<Header *>(block)->size_class = static_cast<size_t>(index);
    return static_cast<char *>(block) + kAlignment;
  }

  void give(void *block) {
    Header *header = reinterpret_cast<Header *>(static_cast<char *>(block) - kAlignment);
    std::lock_guard<std::mutex> lock(mutex_);
    header->next = free_[header->size_class];
    free_[header->size_class] = header;
  }

  size_t trim() {
    std::lock_guard<std::mutex> lock(mutex_);
    size_t freed = 0;
    for (int index = 0; index < kClasses; ++index)
      while (Header *head = free_[index]) {
        free_[index] = head->next;
        freed += bytes_of(index);
        std::free(head);
      }
    held_ -= freed;
    return freed;
  }

  size_t held() {
    std::lock_guard<std::mutex> lock(mutex_);
    return held_;
  }

 private:
  static size_t bytes_of(int index) {
    const size_t base = kAlignment << (index / kStepsPerDoubling);
    const size_t bytes = base + base / kStepsPerDoubling * static_cast<size_t>(index % kStepsPerDoubling);
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  std::mutex mutex_;
  std::array<Header *, kClasses> free_{};
  size_t held_ = 0;
};

Cache &cache() {
  static Cache *instance = new Cache();  // never destroyed: threads may outlive static destruction
  return *instance;
}

// A stack of chunks; a mark is chunk number and offset. Chunks are kept for the life of the thread.
class Scratch {
 public:
  ~Scratch() {
    for (Chunk &chunk : chunks_) std::free(chunk.data);
  }

  void *take(size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    while (current_ < chunks_.size()) {
      Chunk &chunk = chunks_[current_];
      if (bytes <= chunk.size - used_) {
        void *block = chunk.data + used_;
        used_ += bytes;
        return block;
      }
      ++current_;
      used_ = 0;
    }
    return grow(bytes);
  }

  int64_t mark() const { return static_cast<int64_t>((current_ << 48) | used_); }

  void release(int64_t mark) {
    current_ = static_cast<size_t>(mark) >> 48;
    used_ = static_cast<size_t>(mark) & ((size_t{1} << 48) - 1);
  }

 private:
  struct Chunk {
    char *data;
    size_t size;
  };

  void *grow(size_t bytes) {
    constexpr size_t kSmallest = size_t{1} << 20;
    const size_t doubled = chunks_.empty() ? kSmallest : chunks_.back().size * 2;
    const size_t size = bytes > doubled ? bytes : doubled;
    void *data = nullptr;
    if (posix_memalign(&data, kAlignment, size) != 0) return nullptr;
    chunks_.push_back({static_cast<char *>(data), size});
    current_ = chunks_.size() - 1;
    used_ = bytes;
    return data;
  }

  std::vector<Chunk> chunks_;
  size_t current_ = 0, used_ = 0;
};

thread_local Scratch scratch;

}  // namespace

extern "C" {

void *sg_alloc(size_t bytes) {
  void *block = cache().take(bytes ? bytes : 1);
  if (!block) stratagem::fail("out of memory: a buffer of %zu bytes was refused", bytes);
  return block;
}

void sg_free(void *block) {
  if (block) cache().give(block);
}

size_t sg_trim(void) { return cache().trim(); }

size_t sg_held_bytes(void) { return cache().held(); }

void *sg_scratch_alloc(size_t bytes) {
  void *block = scratch.take(bytes ? bytes : 1);
  if (!block) stratagem::fail("out of memory: scratch of %zu bytes was refused", bytes);
  return block;
}

int64_t sg_scratch_mark(void) { return scratch.mark(); }

void sg_scratch_release(int64_t mark) { scratch.release(mark); }

}  // extern "C"
