#include "support/memory_cgroup.hpp"

#include <unistd.h>

#include <fstream>

namespace sterna::testing {
namespace {

using std::filesystem::path;

bool write(const path& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

/// The group of a hierarchy ("memory", or "" for version 2), as /proc/self/cgroup has it.
path own_group(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second != std::string::npos && line.substr(first + 1, second - first - 1) == controller) {
      return path(line.substr(second + 1)).relative_path();
    }
  }
  return {};
}

}  // namespace

MemoryCgroup::MemoryCgroup(std::uint64_t limit) {
  const path root = "/sys/fs/cgroup";
  if (std::filesystem::exists(root / "memory/memory.limit_in_bytes")) {
    home_ = root / "memory" / own_group("memory");
    why_not_ = enter(home_, "memory.limit_in_bytes", limit);
  } else if (std::filesystem::exists(root / "cgroup.controllers")) {
    home_ = root / own_group("");
    why_not_ = enter(root, "memory.max", limit);  // a group with processes may have none below it
  } else {
    why_not_ = "no control groups at " + root.string();
  }
}

std::string MemoryCgroup::enter(const path& parent, const char* limit_file, std::uint64_t limit) {
  const path group = parent / ("sterna-test-" + std::to_string(::getpid()));
  std::error_code error;
  if (!std::filesystem::create_directory(group, error)) {
    return "cannot make a control group in " + parent.string() + ": " + error.message();
  }
  group_ = group;
  if (!write(group / limit_file, std::to_string(limit))) return "cannot limit the memory of a control group";
  if (!write(group / "cgroup.procs", std::to_string(::getpid()))) return "cannot enter a control group";
  return "";
}

MemoryCgroup::~MemoryCgroup() {
  if (group_.empty()) return;
  if (why_not_.empty()) write(home_ / "cgroup.procs", std::to_string(::getpid()));
  ::rmdir(group_.c_str());
}

}  // namespace sterna::testing
