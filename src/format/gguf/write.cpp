// Version 3, little-endian. The header is made in memory, the tensors' bytes stream past.
#include <set>
#include <type_traits>

#include "base/checked.hpp"
#include "format/gguf/gguf.hpp"
#include "format/gguf/layout.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {
namespace {

constexpr std::uint32_t kVersion = 3;

[[noreturn]] void fail(std::string_view message, const OutTensor& tensor, std::string found,
                       std::string expected) {
  throw Error(ErrorCategory::InvalidArgument, message,
              {{"tensor", tensor.name}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

/// The header, as bytes in memory: a few megabytes at most.
class HeaderWriter {
 public:
  template <class T>
  void number(T value) {
    raw({reinterpret_cast<const char*>(&value), sizeof value});
  }
  void raw(std::string_view bytes) { bytes_ += bytes; }
  void text(std::string_view text) {
    number<std::uint64_t>(text.size());
    raw(text);
  }

  void value(const Value& value) {
    std::visit([&](const auto& v) { item(v); }, static_cast<const Value::variant&>(value));
  }

  const std::string& bytes() const noexcept { return bytes_; }

 private:
  template <class T>
  requires std::is_arithmetic_v<T>
  void item(T value) { number(value); }
  void item(bool value) { number<std::uint8_t>(value); }
  void item(std::string_view value) { text(value); }
  void item(const Array& array) {
    number(static_cast<std::uint32_t>(array.index()));
    number<std::uint64_t>(array.size());
    std::visit(
        [&](const auto& items) {
          for (const auto& element : items) item(element);
        },
        static_cast<const Array::variant&>(array));
  }

  std::string bytes_;
};

/// Bytes of each tensor, in order.
std::vector<std::uint64_t> check(const std::vector<OutTensor>& tensors) {
  std::set<std::string_view> names;
  std::vector<std::uint64_t> sizes;
  for (const OutTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) fail("a tensor's name is used twice", tensor, "twice", "once");
    if (tensor.shape.size() > kMaxDimensions)
      fail("a tensor has too many dimensions", tensor, std::to_string(tensor.shape.size()),
           std::to_string(kMaxDimensions));
    if (!type_of_dtype(tensor.dtype))
      fail("GGUF files cannot hold this dtype", tensor, std::string(name(tensor.dtype)), "another dtype");
    StoredTensor shape{tensor.name, tensor.dtype, tensor.shape, {}, {}};
    std::uint64_t elements = 1;
    for (const std::uint64_t n : tensor.shape) {
      const auto product = checked_mul(elements, n);
      if (n == 0 || !product)
        fail("a tensor's dimension is unusable", tensor, std::to_string(n), "1 or more");
      elements = *product;
    }
    const auto bytes = storage_bytes(tensor.dtype, shape.rows(), shape.cols());
    if (!bytes)
      fail("a tensor's row is not a whole number of blocks", tensor,
           std::to_string(shape.cols()) + " elements",
           "a multiple of " + std::to_string(info(tensor.dtype).block_elements));
    sizes.push_back(*bytes);
  }
  return sizes;
}

}  // namespace

void write(const std::filesystem::path& path, const Metadata& metadata, std::vector<OutTensor> tensors,
           const Progress& progress) {
  const std::vector<std::uint64_t> sizes = check(tensors);
  const std::uint64_t alignment = alignment_of(metadata);

  HeaderWriter header;
  header.raw(kMagic);
  header.number(kVersion);
  header.number<std::uint64_t>(tensors.size());
  header.number<std::uint64_t>(metadata.entries().size());
  for (const auto& [key, value] : metadata.entries()) {
    header.text(key);
    header.number(static_cast<std::uint32_t>(value.index()));
    header.value(value);
  }
  std::uint64_t total = 0;  // of the data section; each tensor is padded, the last too
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const OutTensor& tensor = tensors[i];
    header.text(tensor.name);
    header.number(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto n = tensor.shape.rbegin(); n != tensor.shape.rend(); ++n) header.number(*n);  // innermost first
    header.number(*type_of_dtype(tensor.dtype));
    header.number(total);
    total += round_up(sizes[i], alignment);
  }

  AtomicFile file(path);
  const auto pad = [&] { file.write_zeros(round_up(file.offset(), alignment) - file.offset()); };
  file.write(as_bytes(header.bytes()));
  pad();
  const std::uint64_t data = file.offset();
  if (progress) progress(0, total, "bytes");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t begin = file.offset();
    tensors[i].fill(file);
    if (file.offset() - begin != sizes[i])
      throw Error(ErrorCategory::Internal, "a tensor was not filled with its size",
                  {{"file", path.string()},
                   {"tensor", tensors[i].name},
                   {"found", std::to_string(file.offset() - begin) + " bytes"},
                   {"expected", std::to_string(sizes[i]) + " bytes"}});
    pad();
    tensors[i].fill = {};  // what it holds on to is needed no longer
    if (progress) progress(file.offset() - data, total, "bytes");
  }
  file.commit();
}

}  // namespace sterna::gguf
