// Zip structures after the published application note: end record, central directory, local headers; with the 64-bit
// forms, since parameters may exceed 4 GiB. Every offset is checked against the mapping before it is used.
#include "archive.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace stratagem {
namespace {

constexpr uint32_t kEndMagic = 0x06054b50, kEnd64Magic = 0x06064b50, kLocator64Magic = 0x07064b50;
constexpr uint32_t kEntryMagic = 0x02014b50, kLocalMagic = 0x04034b50;
constexpr size_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kEntrySize = 46, kLocalSize = 30;
constexpr uint32_t kSee64 = 0xffffffff;

template <typename T>
T read(const char *at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Entry {
  uint64_t packed, size, header;
  uint16_t method;
};

// Replaces the fields that did not fit 32 bits by those of the 64-bit extra record.
bool widen(Entry &entry, const char *extra, size_t length) {
  while (length >= 4) {
    const uint16_t id = read<uint16_t>(extra), bytes = read<uint16_t>(extra + 2);
    if (bytes > length - 4u) return false;
    if (id == 1) {
      const char *at = extra + 4, *end = at + bytes;
      for (uint64_t *field : {&entry.size, &entry.packed, &entry.header}) {
        if (*field != kSee64) continue;
        if (end - at < 8) return false;
        *field = read<uint64_t>(at);
        at += 8;
      }
    }
    extra += 4 + bytes;
    length -= 4u + bytes;
  }
  return true;
}

}  // namespace

Archive::~Archive() {
  if (data_) munmap(const_cast<char *>(data_), size_);
}

bool Archive::open(const std::string &path, std::string &reason) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    reason = "cannot open " + path + ": " + std::strerror(errno);
    return false;
  }
  struct stat status;
  const bool known = fstat(file, &status) == 0 && status.st_size > 0;
  void *mapping = known ? mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  ::close(file);
  if (mapping == MAP_FAILED) {
    reason = path + " cannot be mapped: it is empty or not a regular file";
    return false;
  }
  data_ = static_cast<const char *>(mapping);
  size_ = static_cast<size_t>(status.st_size);
  if (find_directory(reason)) return true;
  reason = path + " is not an artifact: " + reason;
  return false;
}

bool Archive::find_directory(std::string &reason) {
  reason = "no end record of a zip file";
  if (size_ < kEndSize) return false;
  const size_t lowest = size_ - std::min(size_, kEndSize + 65535);
  size_t end = size_ - kEndSize;
  while (read<uint32_t>(data_ + end) != kEndMagic) {
    if (end == lowest) return false;
    --end;
  }
  uint64_t entries = read<uint16_t>(data_ + end + 10), offset = read<uint32_t>(data_ + end + 16);
  if (end >= kLocatorSize && read<uint32_t>(data_ + end - kLocatorSize) == kLocator64Magic) {
    const uint64_t end64 = read<uint64_t>(data_ + end - kLocatorSize + 8);
    if (end64 > size_ - kEnd64Size || read<uint32_t>(data_ + end64) != kEnd64Magic) return false;
    entries = read<uint64_t>(data_ + end64 + 32);
    offset = read<uint64_t>(data_ + end64 + 48);
  }
  reason = "its directory lies outside the file";
  if (offset > size_) return false;
  directory_ = offset;
  entries_ = entries;
  return true;
}

bool Archive::find(const std::string &name, Member &member, std::string &reason) const {
  size_t at = directory_;
  for (size_t i = 0; i < entries_; ++i) {
    reason = "the archive's directory is damaged";
    if (at > size_ || size_ - at < kEntrySize || read<uint32_t>(data_ + at) != kEntryMagic) return false;
    const char *p = data_ + at;
    const size_t name_length = read<uint16_t>(p + 28), extra = read<uint16_t>(p + 30), comment = read<uint16_t>(p + 32);
    if (size_ - at - kEntrySize < name_length + extra + comment) return false;
    at += kEntrySize + name_length + extra + comment;
    if (name.size() != name_length || std::memcmp(p + kEntrySize, name.data(), name_length) != 0) continue;

    Entry entry = {read<uint32_t>(p + 20), read<uint32_t>(p + 24), read<uint32_t>(p + 42), read<uint16_t>(p + 10)};
    if (!widen(entry, p + kEntrySize + name_length, extra)) return false;
    reason = name + " is compressed; artifacts are not";
    if (entry.method != 0 || entry.packed != entry.size) return false;
    reason = name + " lies outside the file: it is truncated or damaged";
    if (entry.header > size_ - kLocalSize || read<uint32_t>(data_ + entry.header) != kLocalMagic) return false;
    const char *local = data_ + entry.header;
    const uint64_t start = entry.header + kLocalSize + read<uint16_t>(local + 26) + read<uint16_t>(local + 28);
    if (start > size_ || entry.size > size_ - start) return false;
    member = {data_ + start, static_cast<size_t>(entry.size)};
    return true;
  }
  member = {};
  return true;
}

}  // namespace stratagem
