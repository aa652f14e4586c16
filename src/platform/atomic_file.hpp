// Writing a file so that it is either whole or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/bytes.hpp"

namespace sterna {

/// Writes to a temporary file beside `path` and renames it on commit(). Without a commit, the destructor
/// removes the temporary file and `path` is untouched; where the file system has files without a name
/// (O_TMPFILE), a process that is killed leaves nothing either. Every failure throws Io (file, reason), a
/// full disk included.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(Bytes bytes);  ///< appends; buffered
  void write_zeros(std::uint64_t n);
  /// Replaces bytes that were written before: at + bytes.size() ≤ offset().
  void overwrite(std::uint64_t at, Bytes bytes);
  std::uint64_t offset() const noexcept { return offset_; }
  /// Flushes, syncs and renames. Nothing may be written afterwards.
  void commit();

 private:
  void flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;  ///< empty while it has no name
  int fd_ = -1;
  std::uint64_t offset_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace sterna
