// What every model file is, whatever its format: named byte ranges with a type and a shape, mapped, not
// copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/dtype.hpp"

namespace sterna {

/// A tensor as its file describes it. The bytes belong to the container's mapped files.
struct StoredTensor {
  std::string name;
  DType dtype;
  std::vector<std::uint64_t> shape;  ///< outermost dimension first; the last is contiguous
  Bytes bytes;                       ///< exactly storage_bytes(dtype, rows, cols)
  std::string file;                  ///< for error messages

  std::uint64_t cols() const noexcept { return shape.empty() ? 1 : shape.back(); }
  std::uint64_t rows() const noexcept {  ///< the product of all dimensions but the last; checked when read
    std::uint64_t n = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

/// The tensors of one checkpoint, in file order, over the files that hold their bytes. Names are unique.
struct Container {
  std::vector<StoredTensor> tensors;
  std::vector<std::shared_ptr<const MappedFile>> files;

  /// Null when there is none.
  const StoredTensor* find(std::string_view name) const noexcept;
};

}  // namespace sterna
