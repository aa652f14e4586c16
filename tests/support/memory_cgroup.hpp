// A control group with a memory limit, and this process in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace sterna::testing {

/// From construction to destruction the process is in a group of its own, where the system allows that: as
/// root, with version 1 mounted at /sys/fs/cgroup/memory, or version 2 at /sys/fs/cgroup with the memory
/// controller given to its groups.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(std::uint64_t limit);
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  /// Why the process is in no such group; empty when it is.
  const std::string& why_not() const noexcept { return why_not_; }

 private:
  std::string enter(const std::filesystem::path& parent, const char* limit_file, std::uint64_t limit);

  std::filesystem::path group_;
  std::filesystem::path home_;  ///< the group that the process came from
  std::string why_not_;
};

}  // namespace sterna::testing
