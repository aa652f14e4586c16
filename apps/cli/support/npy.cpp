#include "support/npy.hpp"

namespace sterna::cli {

std::string npy_header(std::span<const std::uint64_t> shape) {
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::uint64_t n : shape) dict += std::to_string(n) + ",";
  dict += "), }";
  constexpr std::size_t kPrefix = 10;  // magic, version and the u16 length
  const std::size_t unpadded = kPrefix + dict.size() + 1;
  dict.append((64 - unpadded % 64) % 64, ' ');
  dict += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dict.size() & 0xFF);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

}  // namespace sterna::cli
