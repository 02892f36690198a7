// Blocks by size class, the blocks of a run, and the per-thread scratch stack.
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "context.h"

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int kStepsPerDoubling = 4;  // wasted space stays below a quarter of a block
constexpr int kClasses = 48 * kStepsPerDoubling;

static_assert(sizeof(stratagem::BlockHeader) <= kAlignment, "the header sits in the padding before the block");
using Header = stratagem::BlockHeader;
using stratagem::BlockList;

Header *header_of(void *block) { return reinterpret_cast<Header *>(static_cast<char *>(block) - kAlignment); }

void *block_of(Header *header) { return reinterpret_cast<char *>(header) + kAlignment; }

// Memory from the system; large pages where it is large, so that walking it needs few entries of a translation buffer.
void *from_system(size_t bytes) {
  const bool large = bytes >= 2 * kHugePage;
  void *memory = nullptr;
  if (posix_memalign(&memory, large ? kHugePage : kAlignment, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (large) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a refusal costs speed only
#endif
  return memory;
}

thread_local BlockList *tracking = nullptr;

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
        return own(head);
      }
      held_ += rounded;
    }
    void *block = from_system(rounded + kAlignment);
    if (!block) {
      std::lock_guard<std::mutex> lock(mutex_);
      held_ -= rounded;
      return nullptr;
    }
    static_cast<Header *>(block)->size_class = static_cast<size_t>(index);
    std::lock_guard<std::mutex> lock(mutex_);
    return own(static_cast<Header *>(block));
  }

  void give(void *block) {
    std::lock_guard<std::mutex> lock(mutex_);
    Header *header = header_of(block);
    disown(header);
    keep(header);
  }

  // Empties the list; its blocks are freed, or left to whoever holds them.
  void empty(BlockList &list, bool release) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (Header *header = list.first) {
      disown(header);
      if (release) keep(header);
    }
  }

  // Empties the list: blocks that `kept` names are left to whoever holds them, the others are freed.
  void release_others(BlockList &list, const std::vector<void *> &kept) {
    std::lock_guard<std::mutex> lock(mutex_);
    while (Header *header = list.first) {
      disown(header);
      if (std::find(kept.begin(), kept.end(), block_of(header)) == kept.end()) keep(header);
    }
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

  // The rest is called with the lock held: a block may be freed by another thread than the one whose run made it.
  static void *own(Header *header) {
    header->list = tracking;
    header->previous = nullptr;
    header->next = tracking ? tracking->first : nullptr;
    if (header->next) header->next->previous = header;
    if (tracking) tracking->first = header;
    return block_of(header);
  }

  static void disown(Header *header) {
    if (!header->list) return;
    (header->previous ? header->previous->next : header->list->first) = header->next;
    if (header->next) header->next->previous = header->previous;
    header->list = nullptr;
  }

  void keep(Header *header) {
    header->next = free_[header->size_class];
    free_[header->size_class] = header;
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
    void *data = from_system(size);
    if (!data) return nullptr;
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

namespace stratagem {

BlockList *track_blocks(BlockList *list) {
  BlockList *previous = tracking;
  tracking = list;
  return previous;
}

void empty_blocks(BlockList &list, bool release) { cache().empty(list, release); }

void release_other_blocks(BlockList &list, const std::vector<void *> &kept) { cache().release_others(list, kept); }

}  // namespace stratagem

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
