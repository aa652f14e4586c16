#include "format/npy/header.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/checked.hpp"
#include "sterna/error.hpp"

namespace sterna::npy {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;  // where the elements begin, as NumPy writes
constexpr std::size_t kMaxShown = 80;   // of a file's own text in errors

struct Spelling {
  DType dtype;
  std::string_view code;  // kind and bytes; the byte order stands before it
};
constexpr std::array kSpellings{
    Spelling{DType::F64, "f8"}, Spelling{DType::F32, "f4"}, Spelling{DType::F16, "f2"},
    Spelling{DType::I8, "i1"},  Spelling{DType::I16, "i2"}, Spelling{DType::I32, "i4"},
    Spelling{DType::I64, "i8"}, Spelling{DType::U8, "u1"},  Spelling{DType::U16, "u2"},
    Spelling{DType::U32, "u4"}, Spelling{DType::U64, "u8"}, Spelling{DType::Bool, "b1"},
};

struct OtherKind {
  char kind;
  std::string_view reason;
};
constexpr std::array kOtherKinds{
    OtherKind{'O', "Python objects, which only Python can unpickle"},
    OtherKind{'c', "complex numbers"},
    OtherKind{'S', "byte strings"},
    OtherKind{'a', "byte strings"},
    OtherKind{'U', "text"},
    OtherKind{'V', "raw records"},
    OtherKind{'M', "dates"},
    OtherKind{'m', "durations"},
};

std::string shown(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, kMaxShown)) result += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > kMaxShown ? result + "..." : result;
}

/// Reads the one form of dictionary that a header has, and nothing more of Python.
class DictReader {
 public:
  explicit DictReader(std::string_view text) : text_(text) {}

  Header read() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") {
        once(seen_descr_, key);
        descr();
      } else if (key == "fortran_order") {
        once(seen_order_, key);
        header_.fortran_order = boolean();
      } else if (key == "shape") {
        once(seen_shape_, key);
        shape();
      } else {
        fail("the header has an unknown key", shown(key), "descr, fortran_order, shape");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail_here("the end of the header");
    if (!seen_descr_ || !seen_order_ || !seen_shape_)
      fail("the header lacks a key", shown(text_), "descr, fortran_order, shape");
    return header_;
  }

 private:
  [[noreturn]] static void fail(std::string_view message, std::string found, std::string expected,
                                ErrorCategory category = ErrorCategory::Format) {
    throw Error(category, message, {{"found", std::move(found)}, {"expected", std::move(expected)}});
  }
  [[noreturn]] void fail_here(std::string expected) const {
    const std::string_view rest = text_.substr(at_);
    fail("the header is damaged", rest.empty() ? "its end" : shown(rest), std::move(expected));
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail_here(std::string(1, c));
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  static void once(bool& seen, std::string_view key) {
    if (std::exchange(seen, true)) fail("a key occurs twice", std::string(key), "once");
  }

  std::string_view string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail_here("a string");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) fail_here("a string");
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    if (value.find('\\') != value.npos) fail_here("a string without escapes");
    at_ = end + 1;
    return value;
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail_here("True or False");
    return false;
  }

  void descr() {
    skip_space();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      fail("the array's type is not supported", "records: " + shown(text_.substr(at_)),
           "one number per element", ErrorCategory::Unsupported);
    }
    const std::string_view type = string();
    const char order = type.empty() ? '\0' : type[0];
    const std::string_view code = type.substr(type.empty() ? 0 : 1);
    if (order == '<' || order == '>' || order == '|') {
      for (const Spelling& row : kSpellings) {
        if (row.code != code) continue;
        const bool one_byte = info(row.dtype).block_bytes == 1;
        if (order == '|' && !one_byte) break;  // it would not say which order
        header_.dtype = row.dtype;
        header_.swapped = order == '>' && !one_byte;
        return;
      }
    }
    std::string found = "'" + shown(type) + "'";
    for (const OtherKind& row : kOtherKinds) {
      if (!code.empty() && code[0] == row.kind) found += ": " + std::string(row.reason);
    }
    fail("the array's type is not supported", std::move(found),
         "< or > and f2, f4, f8, i1 to i8, u1 to u8, or |b1", ErrorCategory::Unsupported);
  }

  void shape() {
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail_here(", or )");
      if (header_.shape.size() == kMaxNpyRank)
        fail("the array has too many axes", "more", std::to_string(kMaxNpyRank));
      header_.shape.push_back(length());
      comma = accept(',');
    }
    if (header_.shape.size() == 1 && !comma) fail_here("a comma after the only length");  // (3) is a number
  }

  std::int64_t length() {
    skip_space();
    const std::size_t begin = at_;
    std::optional<std::int64_t> value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto tens = value ? checked_mul<std::int64_t>(*value, 10) : std::nullopt;
      value = tens ? checked_add<std::int64_t>(*tens, text_[at_] - '0') : std::nullopt;
    }
    const std::string_view digits = text_.substr(begin, at_ - begin);
    if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) {
      at_ = begin;
      fail_here("a length");
    }
    if (!value) fail("a length is too large", shown(digits), "at most 2^63 - 1");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote long numbers
    return *value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Header header_;
  bool seen_descr_ = false, seen_order_ = false, seen_shape_ = false;
};

Header parse(Bytes bytes, std::uint64_t file_size) {
  const auto fail = [](std::string_view message, std::string found, std::string expected,
                       ErrorCategory category = ErrorCategory::Format) {
    throw Error(category, message, {{"found", std::move(found)}, {"expected", std::move(expected)}});
  };
  ByteCursor cursor(bytes);
  const auto magic = cursor.take(kMagic.size());
  if (!magic || as_text(*magic) != kMagic) fail("this is no .npy file", "other first bytes", "\\x93NUMPY");
  const auto major = cursor.read<std::uint8_t>();
  const auto minor = cursor.read<std::uint8_t>();
  if (!major || !minor) fail("the file is cut off", std::to_string(file_size) + " bytes", "a version");
  if (*major < 1 || *major > 3 || *minor != 0) {
    fail("this version of the format is not supported", std::to_string(*major) + "." + std::to_string(*minor),
         "1.0, 2.0 or 3.0", ErrorCategory::Unsupported);
  }
  std::optional<std::uint32_t> length;
  if (*major == 1) {
    length = cursor.read<std::uint16_t>();
  } else {
    length = cursor.read<std::uint32_t>();
  }
  if (length && *length > kMaxHeaderText) {
    fail("the header is longer than that of any plain array", std::to_string(*length) + " bytes",
         "at most " + std::to_string(kMaxHeaderText), ErrorCategory::Unsupported);
  }
  const auto text = length ? cursor.take(*length) : std::nullopt;
  if (!text) {
    fail("the file is cut off", std::to_string(cursor.remaining()) + " bytes of header",
         length ? std::to_string(*length) : "its length");
  }
  Header header = DictReader(as_text(*text)).read();
  header.data_offset = cursor.offset();

  std::optional<std::uint64_t> needed = info(header.dtype).block_bytes;
  std::uint64_t strides = 1;  // products with lengths of 0 counted as 1 must fit as well
  bool fits = true, none = false;
  for (const std::int64_t n : header.shape) {
    none |= n == 0;
    const auto product =
        checked_mul<std::uint64_t>(strides, static_cast<std::uint64_t>(std::max<std::int64_t>(n, 1)));
    fits &= product.has_value();
    strides = product.value_or(1);
  }
  needed = fits ? checked_mul(*needed, strides) : std::nullopt;
  if (!needed || *needed > std::uint64_t{1} << 62) {
    fail("the shape is larger than any file", to_string(header.shape), "fewer elements");
  }
  if (none) needed = 0;
  const std::uint64_t found = file_size - header.data_offset;
  if (found != *needed) {
    fail(found < *needed ? "the file is cut off" : "the file goes on behind the array",
         std::to_string(found) + " bytes of elements",
         std::to_string(*needed) + " for " + std::string(name(header.dtype)) + " " + to_string(header.shape));
  }
  header.data_bytes = *needed;
  return header;
}

template <std::size_t kWidth>
void swap_bytes(MutableBytes elements) {
  for (std::size_t i = 0; i + kWidth <= elements.size(); i += kWidth)
    std::reverse(elements.begin() + static_cast<std::ptrdiff_t>(i),
                 elements.begin() + static_cast<std::ptrdiff_t>(i + kWidth));
}

}  // namespace

Header parse_header(Bytes bytes, std::uint64_t file_size, std::string_view file) {
  try {
    return parse(bytes, file_size);
  } catch (const Error& error) {
    throw error.with("file", file);
  }
}

std::string make_header(DType dtype, const Shape& shape, bool fortran_order) {
  const auto* spelling = std::ranges::find(kSpellings, dtype, &Spelling::dtype);
  if (spelling == kSpellings.end()) {
    throw Error(ErrorCategory::Unsupported, "NumPy has no such type",
                {{"operation", "write npy"},
                 {"dtype", std::string(name(dtype))},
                 {"expected", "f16, f32, f64, i8 to u64 or bool; convert it first"}});
  }
  if (shape.size() > kMaxNpyRank) {
    throw Error(ErrorCategory::Unsupported, "NumPy has no arrays of so many axes",
                {{"operation", "write npy"},
                 {"found", std::to_string(shape.size())},
                 {"expected", "at most " + std::to_string(kMaxNpyRank)}});
  }
  const bool one_byte = info(dtype).block_bytes == 1;
  const std::string text = std::string("{'descr': '") + (one_byte ? "|" : "<") + std::string(spelling->code) +
                           "', 'fortran_order': " + (fortran_order ? "True" : "False") +
                           ", 'shape': " + to_string(shape) + ", }";
  // Magic, version, the length in two bytes, the text, spaces, a newline.
  const std::size_t prefix = kMagic.size() + 4;
  const std::size_t length = round_up(prefix + text.size() + 1, kAlignment) - prefix;
  std::string header(kMagic);
  header += {'\x01', '\0', static_cast<char>(length & 0xFF), static_cast<char>(length >> 8)};
  header += text;
  header.append(length - text.size() - 1, ' ');
  return header + '\n';
}

Tensor tensor_on(const Header& header, std::shared_ptr<Storage> storage) {
  Strides strides = contiguous_strides(header.shape);
  if (header.fortran_order && header.data_bytes > 0) {
    std::int64_t step = 1;
    for (std::size_t k = 0; k < strides.size(); ++k) {
      strides[k] = step;
      step *= header.shape[k];
    }
  }
  return Tensor(std::move(storage), header.dtype, header.shape, std::move(strides));
}

void check_flags(const Header& header, Bytes elements, std::string_view file) {
  if (header.dtype != DType::Bool) return;
  const auto bad = std::ranges::find_if(elements, [](std::byte value) { return value > std::byte{1}; });
  if (bad == elements.end()) return;
  throw Error(ErrorCategory::Format, "an element is neither false nor true",
              {{"file", std::string(file)},
               {"element", std::to_string(bad - elements.begin())},
               {"found", std::to_string(static_cast<int>(*bad))},
               {"expected", "0 or 1"}});
}

void finish_elements(const Header& header, MutableBytes elements, std::string_view file) {
  check_flags(header, elements, file);
  if (!header.swapped) return;
  switch (info(header.dtype).block_bytes) {
    case 2:
      return swap_bytes<2>(elements);
    case 4:
      return swap_bytes<4>(elements);
    default:
      return swap_bytes<8>(elements);
  }
}

Image image_of(const Tensor& tensor) {
  const bool fortran = !tensor.is_contiguous() && tensor.transpose().is_contiguous();
  std::string header = make_header(tensor.dtype(), tensor.shape(), fortran);
  return {std::move(header), fortran ? tensor.transpose() : tensor.contiguous()};
}

}  // namespace sterna::npy
