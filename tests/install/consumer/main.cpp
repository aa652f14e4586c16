// A program that knows only the installed package.
#include <sterna/sterna.hpp>

#include <iostream>
#include <string_view>

int main() {
  if (std::string_view(STERNA_VERSION) != PACKAGE_VERSION) {
    std::cerr << "header " << STERNA_VERSION << ", package " << PACKAGE_VERSION << '\n';
    return 1;
  }
  if (sterna::storage_bytes(sterna::DType::I2_S, 2, 128) != 2 * 32 + 32) {
    std::cerr << "wrong size of an I2_S tensor\n";
    return 1;
  }
  try {
    throw sterna::Error(sterna::ErrorCategory::Io, "cannot open", {{"file", "a"}});
  } catch (const sterna::Error& error) {
    return error.value("file") == "a" ? 0 : 1;
  }
}
