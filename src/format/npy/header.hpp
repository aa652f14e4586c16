// The header of a .npy file: a Python dictionary with the type, order and shape of the array. Layout:
// docs/formats.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "sterna/tensor.hpp"

namespace sterna::npy {

inline constexpr std::size_t kMaxNpyRank = 64;  ///< NumPy's own
/// Most bytes of a header's dictionary: what version 1.0 can have. That of 64 axes takes 2 KiB.
inline constexpr std::size_t kMaxHeaderText = 0xFFFF;
/// Bytes at the beginning of a file that hold every header: 12 stand before the dictionary.
inline constexpr std::size_t kMaxHeader = kMaxHeaderText + 12;

struct Header {
  DType dtype = DType::F32;
  bool swapped = false;  ///< the elements are big-endian
  bool fortran_order = false;
  Shape shape;
  std::size_t data_offset = 0;  ///< of the elements in the file
  std::size_t data_bytes = 0;
};

/// The header at the beginning of a file of `file_size` bytes, the first of which are `bytes`: all, or at
/// least kMaxHeader. Throws Format and Unsupported (file, found, expected); data_offset + data_bytes is
/// file_size.
Header parse_header(Bytes bytes, std::uint64_t file_size, std::string_view file);

/// A header for little-endian elements; what follows begins at a multiple of 64 bytes. Throws Unsupported for
/// a dtype that NumPy does not have.
std::string make_header(DType dtype, const Shape& shape, bool fortran_order = false);

/// A tensor of the header's shape and order on `storage`, which holds the elements from its byte 0 on.
Tensor tensor_on(const Header& header, std::shared_ptr<Storage> storage);
/// Makes `elements`, which lie as in a file of this header, those of a tensor: swaps their bytes, and checks
/// that each of a Bool's is 0 or 1.
void finish_elements(const Header& header, MutableBytes elements, std::string_view file);
void check_flags(const Header& header, Bytes elements, std::string_view file);

/// A tensor as a file has it: the header, and elements in one piece, of `tensor` itself if they lie so.
struct Image {
  std::string header;
  Tensor elements;
  Bytes data() const { return {elements.raw(), elements.bytes()}; }
};
Image image_of(const Tensor& tensor);

}  // namespace sterna::npy
