// From a file's bytes to metadata and tensors. Nothing here trusts a number: counts are compared with the
// bytes that are left before anything is allocated, offsets with the file's size before anything is viewed.
#include <algorithm>
#include <array>
#include <numeric>
#include <set>

#include "base/checked.hpp"
#include "format/gguf/gguf.hpp"
#include "format/gguf/layout.hpp"
#include "format/gguf/types.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {
namespace {

// The largest published vocabularies (262k tokens) need about 15 MB. The limit keeps what a crafted sparse
// file can make us allocate to about a gigabyte.
constexpr std::size_t kMaxHeaderBytes = std::size_t{256} << 20;
// Files hold arrays of arrays at most; each level costs a stack frame.
constexpr unsigned kMaxArrayDepth = 8;

// By type number: the fewest bytes that an element takes. An empty string is its length, an empty array its
// element type and length.
constexpr std::array<std::size_t, 13> kMinBytes{1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

constexpr std::size_t kMinEntryBytes = 8 + 4 + 1;     // key length, value type, value
constexpr std::size_t kMinInfoBytes = 8 + 4 + 4 + 8;  // name length, dimensions, type, offset
constexpr std::size_t kMaxNameShown = 100;            // names in errors: a damaged length makes long ones

std::string shown(std::string_view name) {
  if (name.size() <= kMaxNameShown) return std::string(name);
  return std::string(name.substr(0, kMaxNameShown)) + "...";
}

/// What is being read, for errors: {"key", …} or {"tensor", …}, empty for the file's own fields.
struct Subject {
  std::string_view role;
  std::string_view name;
};

[[noreturn]] void fail(std::string_view message, const Subject& subject, std::string found,
                       std::string expected) {
  Error::Values values;
  if (!subject.role.empty()) values.emplace_back(subject.role, shown(subject.name));
  values.emplace_back("found", std::move(found));
  values.emplace_back("expected", std::move(expected));
  throw Error(ErrorCategory::Format, message, std::move(values));
}

class Reader {
 public:
  explicit Reader(Bytes bytes) : cursor_(bytes.first(std::min(bytes.size(), kMaxHeaderBytes))) {}

  std::size_t offset() const noexcept { return cursor_.offset(); }

  template <class T>
  T number(const Subject& subject) {
    const auto value = cursor_.read<T>();
    if (!value) fail_short(subject, sizeof(T));
    return *value;
  }

  std::string_view text(const Subject& subject) {
    const auto length = number<std::uint64_t>(subject);
    const auto taken = cursor_.take(length);
    if (!taken) fail_short(subject, length);
    return as_text(*taken);
  }

  /// A number of things that take at least `min_bytes` each; more than can follow is an error.
  std::uint64_t count(const Subject& subject, std::string_view of, std::size_t min_bytes) {
    const auto n = number<std::uint64_t>(subject);
    if (n > cursor_.remaining() / min_bytes)
      fail("the header counts more " + std::string(of) + " than the file has room for", subject,
           std::to_string(n), "at most " + std::to_string(cursor_.remaining() / min_bytes));
    return n;
  }

  Value value(const Subject& subject, std::uint32_t type) {
    switch (type) {
      case 0:
        return number<std::uint8_t>(subject);
      case 1:
        return number<std::int8_t>(subject);
      case 2:
        return number<std::uint16_t>(subject);
      case 3:
        return number<std::int16_t>(subject);
      case 4:
        return number<std::uint32_t>(subject);
      case 5:
        return number<std::int32_t>(subject);
      case 6:
        return number<float>(subject);
      case 7:
        return boolean(subject);
      case 8:
        return std::string(text(subject));
      case kArrayType:
        return array(subject, 1);
      case 10:
        return number<std::uint64_t>(subject);
      case 11:
        return number<std::int64_t>(subject);
      case 12:
        return number<double>(subject);
    }
    fail_type(subject, type);
  }

 private:
  bool boolean(const Subject& subject) {
    const auto byte = number<std::uint8_t>(subject);
    if (byte > 1) fail("a boolean is neither 0 nor 1", subject, std::to_string(byte), "0 or 1");
    return byte == 1;
  }

  template <class T>
  std::vector<T> numbers(std::uint64_t n) {
    std::vector<T> items(n);
    const Bytes bytes = *cursor_.take(n * sizeof(T));  // count() has seen that they are there
    if (n != 0) std::memcpy(items.data(), bytes.data(), bytes.size());
    return items;
  }

  Array array(const Subject& subject, unsigned depth) {
    if (depth > kMaxArrayDepth)
      fail("arrays are nested too deeply", subject, std::to_string(depth), std::to_string(kMaxArrayDepth));
    const auto type = number<std::uint32_t>(subject);
    if (type >= kMinBytes.size()) fail_type(subject, type);
    const std::uint64_t n = count(subject, "array elements", kMinBytes[type]);
    switch (type) {
      case 0:
        return numbers<std::uint8_t>(n);
      case 1:
        return numbers<std::int8_t>(n);
      case 2:
        return numbers<std::uint16_t>(n);
      case 3:
        return numbers<std::int16_t>(n);
      case 4:
        return numbers<std::uint32_t>(n);
      case 5:
        return numbers<std::int32_t>(n);
      case 6:
        return numbers<float>(n);
      case 7:
        return elements<bool>(n, [&] { return boolean(subject); });
      case 8:
        return strings(n, subject);
      case kArrayType:
        return elements<Array>(n, [&] { return array(subject, depth + 1); });
      case 10:
        return numbers<std::uint64_t>(n);
      case 11:
        return numbers<std::int64_t>(n);
      default:
        return numbers<double>(n);
    }
  }

  template <class T, class Read>
  static std::vector<T> elements(std::uint64_t n, Read read) {
    std::vector<T> items;  // grows as elements are read: n alone reserves nothing
    for (std::uint64_t i = 0; i < n; ++i) items.push_back(read());
    return items;
  }

  StringTable strings(std::uint64_t n, const Subject& subject) {
    StringTable items;
    for (std::uint64_t i = 0; i < n; ++i) items.push_back(text(subject));
    items.shrink_to_fit();
    return items;
  }

  [[noreturn]] void fail_short(const Subject& subject, std::uint64_t needed) const {
    const bool cut = cursor_.offset() + cursor_.remaining() == kMaxHeaderBytes;
    fail(cut ? "the header is longer than 256 MiB" : "the file ends inside its header", subject,
         std::to_string(cursor_.remaining()) + " bytes at offset " + std::to_string(cursor_.offset()),
         std::to_string(needed) + " bytes");
  }

  [[noreturn]] static void fail_type(const Subject& subject, std::uint32_t type) {
    fail("unknown metadata value type", subject, std::to_string(type), "0 to 12");
  }

  ByteCursor cursor_;
};

std::uint32_t read_version(Reader& reader, Bytes bytes) {
  const std::string_view found = as_text(bytes.first(std::min(bytes.size(), kMagic.size())));
  if (found != kMagic)
    fail("not a GGUF file", {}, bytes.empty() ? "an empty file" : "'" + std::string(found) + "'", "'GGUF'");
  reader.number<std::uint32_t>({});
  const auto version = reader.number<std::uint32_t>({});
  if (version == 2 || version == 3) return version;
  const Error::Values values{{"found", "version " + std::to_string(version)}, {"expected", "version 2 or 3"}};
  if (version == 0) throw Error(ErrorCategory::Format, "GGUF version 0 does not exist", values);
  if (version == 1)
    throw Error(ErrorCategory::Unsupported,
                "GGUF version 1 is not supported: convert the original model again with a current tool",
                values);
  if ((version & 0xffffu) == 0)  // 2 or 3 with its bytes the other way round
    throw Error(ErrorCategory::Unsupported,
                "big-endian GGUF files are not supported: convert the original "
                "model again as little-endian",
                values);
  throw Error(ErrorCategory::Unsupported, "this GGUF version is newer than this program", values);
}

Metadata read_metadata(Reader& reader, std::uint64_t n) {
  std::vector<std::pair<std::string, Value>> entries;
  std::set<std::string_view> keys;  // views of the file
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::string_view key = reader.text({"key", "number " + std::to_string(i)});
    if (!keys.insert(key).second) fail("a metadata key occurs twice", {"key", key}, "twice", "once");
    const Subject subject{"key", key};
    const auto type = reader.number<std::uint32_t>(subject);
    entries.emplace_back(key, reader.value(subject, type));
  }
  return Metadata(std::move(entries));
}

/// A tensor's description; `offset` is relative to the data section.
struct Info {
  StoredTensor tensor;
  std::uint64_t offset;
  std::uint64_t bytes;
};

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "[";
  for (const std::uint64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

Info read_info(Reader& reader, std::uint64_t number) {
  Info info;
  StoredTensor& tensor = info.tensor;
  tensor.name = reader.text({"tensor", "number " + std::to_string(number)});
  const Subject subject{"tensor", tensor.name};
  const auto dimensions = reader.number<std::uint32_t>(subject);
  if (dimensions > kMaxDimensions)
    fail("a tensor has too many dimensions", subject, std::to_string(dimensions),
         "at most " + std::to_string(kMaxDimensions));
  std::optional<std::uint64_t> elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto n = reader.number<std::uint64_t>(subject);
    if (n == 0) fail("a tensor's dimension is 0", subject, "0", "1 or more");
    tensor.shape.insert(tensor.shape.begin(), n);  // innermost first in the file
    elements = elements ? checked_mul(*elements, n) : elements;
  }
  const auto type = reader.number<std::uint32_t>(subject);
  const auto dtype = dtype_of_type(type);
  if (!dtype) throw unsupported_type(type).with("tensor", shown(tensor.name));
  tensor.dtype = *dtype;
  info.offset = reader.number<std::uint64_t>(subject);
  const auto bytes = elements ? storage_bytes(*dtype, tensor.rows(), tensor.cols()) : std::nullopt;
  if (!bytes)
    fail("a tensor's shape does not fit its type", subject,
         shape_text(tensor.shape) + " of " + std::string(name(*dtype)),
         "rows that are multiples of " + std::to_string(sterna::info(*dtype).block_elements));
  info.bytes = *bytes;
  return info;
}

/// Two type numbers mean two things each, which differ in size: says which it is when the room that the file
/// gives the tensor is that of the other.
void check_other_meaning(const Info& info, std::uint64_t room, std::uint64_t alignment) {
  const std::uint64_t elements = info.tensor.rows() * info.tensor.cols();
  const auto fits = [&](std::uint64_t block, std::uint64_t bytes) {
    return info.tensor.cols() % block == 0 && room == round_up(elements / block * bytes, alignment);
  };
  const Error::Values values{{"tensor", shown(info.tensor.name)},
                             {"found", std::to_string(room) + " bytes"},
                             {"expected", std::to_string(info.bytes) + " bytes"}};
  if (info.tensor.dtype == DType::Q2_0 && fits(128, 34))
    throw Error(
        ErrorCategory::Unsupported,
        "this Q2_0 tensor has blocks of 128 weights, a form that llama.cpp has given up for blocks of 64; "
        "quantise the original model again",
        values);
  if (info.tensor.dtype == DType::I2_S && fits(32, 18))
    throw Error(
        ErrorCategory::Unsupported,
        "type 36 is IQ4_NL_4_4 in this file, which llama.cpp has removed, not I2_S; quantise the original "
        "model again",
        values);
}

/// Checks where the tensors lie and views their bytes. As in llama.cpp, each starts where its predecessor
/// ends, padded: a type number that means another type to the program that wrote the file is found out here.
void place(std::vector<Info>& infos, Bytes data, std::uint64_t alignment) {
  std::vector<std::size_t> order(infos.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return infos[i].offset; });
  for (std::size_t k = 0; k < order.size(); ++k) {
    Info& info = infos[order[k]];
    const Subject subject{"tensor", info.tensor.name};
    if (info.offset % alignment != 0)
      fail("a tensor's offset is not aligned", subject, std::to_string(info.offset),
           "a multiple of " + std::to_string(alignment));
    if (info.offset > data.size())
      fail("a tensor lies behind the end of the file", subject, "offset " + std::to_string(info.offset),
           "at most " + std::to_string(data.size()));
    const bool last = k + 1 == order.size();
    const std::uint64_t end =
        last ? data.size() : std::min<std::uint64_t>(infos[order[k + 1]].offset, data.size());
    const std::uint64_t room = end - info.offset;
    const bool padded = room >= info.bytes && (last || room == round_up(info.bytes, alignment));
    if (!padded) {
      check_other_meaning(info, room, alignment);
      if (room >= info.bytes)
        fail(
            "there is a gap behind a tensor: its type number may mean another type to the program that wrote "
            "the file",
            subject, std::to_string(room) + " bytes", std::to_string(info.bytes) + " bytes, padded");
      fail(last ? "the file ends inside a tensor" : "a tensor overlaps the next one", subject,
           std::to_string(room) + " bytes", std::to_string(info.bytes) + " bytes");
    }
    info.tensor.bytes = data.subspan(info.offset, info.bytes);
  }
}

File parse_file(Bytes bytes, const std::string& name) {
  Reader reader(bytes);
  File file;
  file.version = read_version(reader, bytes);
  const std::uint64_t tensors = reader.count({}, "tensors", kMinInfoBytes);
  const std::uint64_t entries = reader.count({}, "metadata entries", kMinEntryBytes);
  file.metadata = read_metadata(reader, entries);
  const std::uint64_t alignment = alignment_of(file.metadata);

  std::vector<Info> infos;
  for (std::uint64_t i = 0; i < tensors; ++i) infos.push_back(read_info(reader, i));
  if (infos.empty()) return file;  // metadata alone: a vocabulary, or the first of a split
  const std::uint64_t begin = round_up<std::uint64_t>(reader.offset(), alignment);
  if (begin > bytes.size())
    fail("the file ends before its tensors' data", {}, std::to_string(bytes.size()) + " bytes",
         "more than " + std::to_string(begin));
  place(infos, bytes.subspan(begin), alignment);
  for (Info& info : infos) {
    info.tensor.file = name;
    const std::string tensor = info.tensor.name;
    if (!file.container.add(std::move(info.tensor)))
      fail("a tensor's name occurs twice", {"tensor", tensor}, "twice", "once");
  }
  return file;
}

}  // namespace

File parse(Bytes bytes, const std::string& name) {
  try {
    return parse_file(bytes, name);
  } catch (const Error& error) {
    throw error.with("file", name);
  }
}

}  // namespace sterna::gguf
