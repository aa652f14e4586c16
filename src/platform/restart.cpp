#include "platform/restart.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace sterna {

void restart_with(const Settings& settings) {
  bool any = false;
  for (const auto& [name, value] : settings) {
    if (std::getenv(name.c_str()) != nullptr) continue;
    any = true;
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  if (!any) return;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(std::move(argument));
  if (arguments.empty()) return;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv("/proc/self/exe", argv.data());
}

}  // namespace sterna
