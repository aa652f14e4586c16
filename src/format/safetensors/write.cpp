#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "format/safetensors/header.hpp"
#include "format/safetensors/safetensors.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"

namespace sterna::safetensors {
namespace {

[[noreturn]] void fail(std::string_view message, const OutTensor& tensor, std::string found,
                       std::string expected) {
  throw Error(ErrorCategory::InvalidArgument, message,
              {{"tensor", tensor.name}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

std::string_view dtype_name(const OutTensor& tensor) {
  const auto row = std::ranges::find(kDTypes, tensor.dtype, &std::pair<std::string_view, DType>::second);
  if (row == kDTypes.end())
    fail("safetensors files cannot hold this dtype", tensor, std::string(name(tensor.dtype)),
         "a plain dtype");
  return row->first;
}

void check(const std::vector<OutTensor>& tensors) {
  std::set<std::string_view> names;
  for (const OutTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) fail("a tensor's name is used twice", tensor, "twice", "once");
    if (tensor.name == kMetadataKey)
      fail("a tensor cannot have this name", tensor, tensor.name, "another name");
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    if (bytes != tensor.bytes.size())
      fail("a tensor's size is not that of its shape", tensor, std::to_string(tensor.bytes.size()) + " bytes",
           bytes ? std::to_string(*bytes) + " bytes" : "less than 2^64 bytes");
  }
}

/// The file's first bytes: length, JSON in the tensors' order, spaces up to a multiple of 8.
std::string header_of(const std::vector<const OutTensor*>& tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::uint64_t offset = 0;
  for (const OutTensor* tensor : tensors) {
    const std::uint64_t end = offset + tensor->bytes.size();
    header.push_back(
        {tensor->name,
         {{"dtype", dtype_name(*tensor)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}}});
    offset = end;
  }
  std::string json;
  try {
    json = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCategory::InvalidArgument, "a tensor's name is not UTF-8");
  }
  json.resize(round_up(json.size(), kLengthBytes), ' ');
  if (json.size() > kMaxHeaderBytes)
    throw Error(ErrorCategory::Limit, "too many tensors for one safetensors file",
                {{"found", std::to_string(json.size()) + " bytes of header"},
                 {"expected", "at most " + std::to_string(kMaxHeaderBytes)}});
  const std::uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + json;
}

}  // namespace

void write(const std::filesystem::path& path, const std::vector<OutTensor>& tensors) {
  check(tensors);
  std::vector<const OutTensor*> order;
  for (const OutTensor& tensor : tensors) order.push_back(&tensor);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const OutTensor* tensor) { return info(tensor->dtype).block_bytes; });

  AtomicFile file(path);
  file.write(as_bytes(header_of(order)));
  for (const OutTensor* tensor : order) file.write(tensor->bytes);
  file.commit();
}

}  // namespace sterna::safetensors
