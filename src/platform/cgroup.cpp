#include "platform/cgroup.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace sterna {
namespace {

using std::filesystem::path;

void tighten(std::optional<double>& quota, double microseconds, double period) {
  if (microseconds <= 0 || period <= 0) return;  // −1: no limit
  const double value = microseconds / period;
  quota = quota ? std::min(*quota, value) : value;
}

/// cpu.max: "max 100000" or "150000 100000".
void read_version_2(const path& folder, std::optional<double>& quota) {
  std::ifstream file(folder / "cpu.max");
  double microseconds = 0;
  double period = 0;
  if (file >> microseconds >> period) tighten(quota, microseconds, period);
}

void read_version_1(const path& folder, std::optional<double>& quota) {
  std::ifstream quota_file(folder / "cpu.cfs_quota_us");
  std::ifstream period_file(folder / "cpu.cfs_period_us");
  double microseconds = 0;
  double period = 0;
  if (quota_file >> microseconds && period_file >> period) tighten(quota, microseconds, period);
}

/// Calls `read` for `group` below `mount` and for every group above it. In a container the mount may show
/// the group itself as its root, and the path from outside does not exist there: then only the root is read.
template <class Read>
void read_upwards(const path& mount, const path& group, const Read& read) {
  path folder = group.relative_path();
  while (!folder.empty()) {
    read(mount / folder);
    folder = folder.parent_path();
  }
  read(mount);
}

bool names_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

std::optional<double> cpu_quota(const path& membership, const path& root) {
  std::optional<double> quota;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {  // "hierarchy:controllers:/path"
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const path group = path(line.substr(second + 1)).lexically_normal();
    if (controllers.empty()) {
      read_upwards(root, group, [&](const path& folder) { read_version_2(folder, quota); });
    } else if (names_cpu(controllers)) {
      for (const path& mount : {root / "cpu", root / controllers}) {
        read_upwards(mount, group, [&](const path& folder) { read_version_1(folder, quota); });
      }
    }
  }
  return quota;
}

}  // namespace sterna
