// Read-only view of an artifact: an uncompressed zip, mapped into memory.
#pragma once

#include <cstddef>
#include <string>

namespace stratagem {

struct Member {
  const char *data = nullptr;  // into the mapping; null when the archive has no such member
  size_t size = 0;
};

class Archive {
 public:
  Archive() = default;
  ~Archive();
  Archive(const Archive &) = delete;
  Archive &operator=(const Archive &) = delete;

  // Maps the file; on failure returns false and writes the reason.
  bool open(const std::string &path, std::string &reason);
  // The member's bytes; a compressed or truncated member is a failure with a reason, a missing one is not.
  bool find(const std::string &name, Member &member, std::string &reason) const;

  const char *data() const { return data_; }
  size_t size() const { return size_; }

 private:
  bool find_directory(std::string &reason);

  const char *data_ = nullptr;
  size_t size_ = 0;
  size_t directory_ = 0, entries_ = 0;
};

}  // namespace stratagem
