// Tensors to and from other libraries without a copy, through the structures of DLPack 0.6.
#pragma once

#include <dlpack/dlpack.h>

#include "sterna/tensor.hpp"

namespace sterna {

/// A description of the tensor's elements that shares its storage, and keeps it alive until `deleter` is
/// called on it: once, by whoever takes it (a Python capsule named "dltensor", torch.from_dlpack, …). `data`
/// points at element (0, 0, …), so `byte_offset` is 0; strides are always given, in elements, and may be
/// negative.
///
/// Throws Unsupported for what DLPack 0.6 has no words for: Bool (convert to U8 shares the bytes), the packed
/// and the block dtypes. It has no mark for read-only memory either: such a tensor is InvalidArgument unless
/// `allow_read_only`, and then the caller sees to it that nobody writes.
DLManagedTensor* to_dlpack(const Tensor& tensor, bool allow_read_only = false);

/// A tensor on the elements that `managed` describes. It takes `managed` over: its deleter (which may be
/// null) runs once, when the last tensor on that storage is gone. When this throws, `managed` is still the
/// caller's.
///
/// Any strides, negative ones included; null stands for row-major. `writable` is the caller's word, for lack
/// of a mark. Throws Unsupported for memory that is not the host's (the error names the device), element
/// types that no dtype stands for and vectors of several lanes; InvalidArgument for what is no tensor: null
/// pointers, negative lengths, elements that are not aligned to their size.
Tensor from_dlpack(DLManagedTensor* managed, bool writable = true);

}  // namespace sterna
