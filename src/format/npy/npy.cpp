// One array in a .npy file.
#include "sterna/npy.hpp"

#include <cstring>
#include <memory>
#include <utility>

#include "format/npy/header.hpp"
#include "platform/atomic_file.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

Tensor mapped(std::shared_ptr<const MappedFile> file) {
  const std::string path = file->path().string();
  const npy::Header header = npy::parse_header(file->bytes(), file->bytes().size(), path);
  const Bytes elements = file->bytes().subspan(header.data_offset);
  const auto refuse = [&](std::string_view reason) {
    throw Error(ErrorCategory::Unsupported, "the array cannot be used where it lies in the file",
                {{"file", path}, {"reason", std::string(reason)}});
  };
  if (header.swapped) refuse("its elements are big-endian");
  if (header.data_offset % info(header.dtype).block_bytes != 0) refuse("its elements are not aligned");
  npy::check_flags(header, elements, path);
  auto* data = const_cast<std::byte*>(elements.data());  // read-only storage: nobody writes through it
  return npy::tensor_on(header, Storage::borrow(
                                    elements.empty() ? nullptr : data, elements.size(),
                                    [file = std::move(file)] {}, false, Storage::Owner::Mapped));
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const npy::Header header = npy::parse_header(bytes, bytes.size(), name);
  const auto storage = Storage::allocate(header.data_bytes);
  const MutableBytes elements(storage->data(), header.data_bytes);
  if (!elements.empty()) std::memcpy(elements.data(), bytes.data() + header.data_offset, elements.size());
  npy::finish_elements(header, elements, name);
  return npy::tensor_on(header, storage);
}

Tensor read_npy(const std::filesystem::path& path, const NpyOptions& options) {
  auto file = MappedFile::open(path);
  if (options.map) return mapped(std::move(file));
  return parse_npy(file->bytes(), path.string());
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const npy::Image image = npy::image_of(tensor);
  AtomicFile file(path);
  file.write(as_bytes(image.header));
  file.write(image.data());
  file.commit();
}

}  // namespace sterna
