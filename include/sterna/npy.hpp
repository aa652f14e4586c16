// NumPy's files: one array in a .npy, several with names in a .npz.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/tensor.hpp"

namespace sterna {

/// Format and meaning: NEP 1 and the documentation of numpy.lib.format, versions 1.0, 2.0 and 3.0;
/// docs/formats.md.
///
/// Elements are F16, F32, F64, I8 … U64 and Bool, of either byte order; those of the other order are swapped.
/// An array in Fortran order becomes a tensor with such strides, not a copy. Everything is checked before
/// memory is taken for it. Throws Io (file, reason); Format for bytes that are no such file, are cut off, or
/// go on behind the array; Unsupported for arrays of Python objects, records, text, complex numbers and the
/// like, with what was found.
struct NpyOptions {
  /// The tensor is a read-only view of the mapped file, and costs its pages only. Unsupported where that
  /// cannot be: elements of the other byte order, or not aligned to their size.
  bool map = false;
};
Tensor read_npy(const std::filesystem::path& file, const NpyOptions& options = {});

/// The same for a file that is in memory; the elements are copied. `name` stands for the file in errors.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name);

/// Writes the array, atomically: version 1.0, little-endian; in Fortran order if the tensor's elements lie in
/// it, else in C order. They begin at a multiple of 64 bytes. Unsupported for BF16, the packed and the block
/// dtypes, and more than 64 axes, which NumPy does not have.
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

struct NamedTensor {
  std::string name;  ///< UTF-8, without ".npy"
  Tensor tensor;
};

struct NpzOptions {
  /// Only these, in this order; all, in the file's order, when there are none. A name that is not there is a
  /// Mismatch.
  std::vector<std::string> names{};
  /// Most bytes that compressed arrays may become, together; what lies in the file uncompressed does not
  /// count. Beyond it: Limit. Deflate makes up to 1030 bytes of one, so a small file can ask for any amount.
  std::uint64_t max_inflated = std::uint64_t{4} << 30;
};

/// Reads a zip archive (with 64-bit sizes) of .npy files, stored or deflated. Besides what read_npy checks:
/// the CRC of every array, sizes that contradict each other, names that occur twice. Encrypted entries, other
/// compressions and entries that are no .npy are Unsupported.
std::vector<NamedTensor> read_npz(const std::filesystem::path& file, const NpzOptions& options = {});
std::vector<NamedTensor> parse_npz(std::span<const std::byte> bytes, std::string_view name,
                                   const NpzOptions& options = {});

/// Writes the arrays, atomically, deflated if `compress`. The bytes depend on the arguments alone (the
/// entries' time is 1980). Throws as write_npy, and InvalidArgument for a name that is empty, occurs twice or
/// is no UTF-8.
void write_npz(const std::filesystem::path& file, std::span<const NamedTensor> tensors,
               bool compress = false);

}  // namespace sterna
