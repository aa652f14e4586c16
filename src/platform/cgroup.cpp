#include "platform/cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

#include "platform/kernel_file.hpp"

namespace sterna {
namespace {

using std::filesystem::path;

enum class Version { One, Two };

/// Calls `visit` for `group` below `mount` and for every group above it. In a container the mount may show
/// the group itself as its root, and the path from outside does not exist there: then only the root is read.
template <class Visit>
void visit_upwards(const path& mount, const path& group, Version version, const Visit& visit) {
  path folder = group.relative_path();
  while (!folder.empty()) {
    visit(mount / folder, version);
    folder = folder.parent_path();
  }
  visit(mount, version);
}

bool names(const std::string& controllers, std::string_view controller) {
  return ("," + controllers + ",").find("," + std::string(controller) + ",") != std::string::npos;
}

/// Calls visit(folder, version) for every folder in which `controller` may say something about the process,
/// its own group before those above.
template <class Visit>
void for_each_group(const path& membership, const path& root, std::string_view controller,
                    const Visit& visit) {
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "hierarchy:controllers:/path"
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const path group = path(line.substr(second + 1)).lexically_normal();
    if (controllers.empty()) {  // version 2; beside version 1 it is mounted in a folder of its own
      for (const path& mount : {root, root / "unified"}) visit_upwards(mount, group, Version::Two, visit);
    } else if (names(controllers, controller)) {
      for (const path& mount : {root / controller, root / controllers}) {
        visit_upwards(mount, group, Version::One, visit);
      }
    }
  }
}

/// cpu.max: "max 100000" or "150000 100000".
std::optional<double> quota_of(const path& folder, Version version) {
  double microseconds = 0;
  double period = 0;
  if (version == Version::Two) {
    std::ifstream file(folder / "cpu.max");
    file >> microseconds >> period;
  } else {
    std::ifstream(folder / "cpu.cfs_quota_us") >> microseconds;
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  if (microseconds <= 0 || period <= 0) return std::nullopt;  // −1: no limit
  return microseconds / period;
}

struct MemoryFileNames {
  const char* limit;
  const char* usage;
  std::string_view inactive_file;  ///< key in memory.stat, of the group and those below
};

/// Version 2 says "max" for no limit, version 1 the largest multiple of a page below 2^63.
std::optional<CgroupMemory> memory_of(const path& folder, Version version) {
  constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;
  const MemoryFileNames names =
      version == Version::Two
          ? MemoryFileNames{"memory.max", "memory.current", "inactive_file "}
          : MemoryFileNames{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
  const auto limit = KernelFile((folder / names.limit).c_str()).number();
  if (!limit || *limit >= kNoLimit) return std::nullopt;
  const auto usage = KernelFile((folder / names.usage).c_str()).number();
  const auto inactive = KernelFile((folder / "memory.stat").c_str()).field(names.inactive_file);
  if (!usage || !inactive) return std::nullopt;
  return CgroupMemory{*limit, *usage, *inactive};
}

/// Shares of a limit compared without dividing by one of 0.
bool nearer_to_limit(const CgroupMemory& a, const CgroupMemory& b) {
  return static_cast<double>(a.working_set()) * static_cast<double>(b.limit) >
         static_cast<double>(b.working_set()) * static_cast<double>(a.limit);
}

/// Of " avg10=12.34 avg60=…", as a share.
std::optional<double> share_of(std::optional<std::string_view> line) {
  constexpr std::string_view kKey = "avg10=";
  if (!line || !line->starts_with(kKey)) return std::nullopt;
  line->remove_prefix(kKey.size());
  const std::string_view digits = line->substr(0, line->find(' '));
  double percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && percent >= 0 && percent <= 100 ? std::optional(percent / 100) : std::nullopt;
}

}  // namespace

std::optional<double> cpu_quota(const path& membership, const path& root) {
  std::optional<double> tightest;
  for_each_group(membership, root, "cpu", [&](const path& folder, Version version) {
    if (const auto quota = quota_of(folder, version)) tightest = std::min(*quota, tightest.value_or(*quota));
  });
  return tightest;
}

std::optional<CgroupMemory> cgroup_memory(const path& membership, const path& root) {
  std::optional<CgroupMemory> nearest;
  for_each_group(membership, root, "memory", [&](const path& folder, Version version) {
    const auto memory = memory_of(folder, version);
    if (memory && (!nearest || nearer_to_limit(*memory, *nearest))) nearest = memory;
  });
  return nearest;
}

std::optional<MemoryStalls> cgroup_stalls(const path& membership, const path& root) {
  std::optional<MemoryStalls> own;
  for_each_group(membership, root, "memory", [&](const path& folder, Version version) {
    if (!own && version == Version::Two) own = read_stalls(folder / "memory.pressure");
  });
  return own;
}

std::optional<MemoryStalls> read_stalls(const path& file) {
  const KernelFile text(file.c_str());
  const auto some = share_of(text.line("some "));
  const auto full = share_of(text.line("full "));
  return some && full ? std::optional(MemoryStalls{*some, *full}) : std::nullopt;
}

}  // namespace sterna
