// What every model file is, whatever its format: named byte ranges with a type and a shape, mapped, not
// copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
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
  Bytes bytes;                       ///< exactly storage_bytes(dtype, rows, cols); of any alignment
  std::string file;                  ///< for error messages

  std::uint64_t cols() const noexcept { return shape.empty() ? 1 : shape.back(); }
  std::uint64_t rows() const noexcept {  ///< the product of all dimensions but the last; checked when read
    std::uint64_t n = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) n *= shape[i];
    return n;
  }
};

/// The tensors of one checkpoint, in file order, over the files that hold their bytes. Names are unique.
class Container {
 public:
  const std::vector<StoredTensor>& tensors() const noexcept { return tensors_; }
  const std::vector<std::shared_ptr<const MappedFile>>& files() const noexcept { return files_; }

  /// Null when there is none.
  const StoredTensor* find(std::string_view name) const noexcept;

  /// Appends; false, and nothing changed, when the name is taken.
  bool add(StoredTensor tensor);
  /// Keeps the file open for as long as the container lives.
  void keep(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }

 private:
  std::vector<StoredTensor> tensors_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  // Ordered, not hashed: names come from files, and no choice of names makes it slow.
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace sterna
