// From a file's bytes to tensors. The JSON is read as events, not as a tree: the header has three levels and
// nothing else is let in, duplicate keys are seen, and no nesting costs stack or memory.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "format/safetensors/header.hpp"
#include "format/safetensors/safetensors.hpp"
#include "sterna/error.hpp"

namespace sterna::safetensors {
namespace {

constexpr std::size_t kMaxShown = 160;  // of names and parser messages in errors

std::string shown(std::string_view text) {
  if (text.size() <= kMaxShown) return std::string(text);
  return std::string(text.substr(0, kMaxShown)) + "...";
}

/// Turns nlohmann's events into five; whatever a reader does not expect, it refuses with a Format error.
class JsonReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  void read(Bytes json) {
    const std::string_view text = as_text(json);
    nlohmann::json_sax<nlohmann::json>* events = this;
    nlohmann::json::sax_parse(text.begin(), text.end(), events);
  }

 protected:
  virtual void open(char bracket) = 0;  ///< '{' or '['
  virtual void close() = 0;
  virtual void on_key(const std::string& key) = 0;
  virtual void on_string(const std::string& text) = 0;
  virtual void on_unsigned(std::uint64_t number) = 0;
  virtual void on_other(std::string_view what) = 0;  ///< null, booleans, other numbers

 private:
  bool null() override { return on_other("null"), true; }
  bool boolean(bool value) override { return on_other(value ? "true" : "false"), true; }
  bool number_integer(number_integer_t value) override { return on_other(std::to_string(value)), true; }
  bool number_unsigned(number_unsigned_t value) override { return on_unsigned(value), true; }
  bool number_float(number_float_t, const string_t& text) override { return on_other(text), true; }
  bool string(string_t& text) override { return on_string(text), true; }
  bool binary(binary_t&) override { return on_other("binary"), true; }
  bool start_object(std::size_t) override { return open('{'), true; }
  bool start_array(std::size_t) override { return open('['), true; }
  bool end_object() override { return close(), true; }
  bool end_array() override { return close(), true; }
  bool key(string_t& key) override { return on_key(key), true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& error) override {
    std::string_view reason = error.what();
    if (const auto at = reason.find(": "); at != reason.npos) reason.remove_prefix(at + 2);
    throw Error(ErrorCategory::Format, "the JSON is damaged",
                {{"found", shown(reason)}, {"offset", std::to_string(position)}});
  }
};

/// A tensor of the header, before it is known to fit the file.
struct Entry {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

[[noreturn]] void fail(std::string_view message, const std::string& tensor, std::string found,
                       std::string expected) {
  throw Error(ErrorCategory::Format, message,
              {{"tensor", shown(tensor)}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

/// {"__metadata__": {string: string}, NAME: {"dtype": string, "shape": [n…], "data_offsets": [begin, end]}}
class HeaderReader final : public JsonReader {
 public:
  std::vector<Entry> entries;

 private:
  enum class In { Start, Names, Metadata, Tensor, Shape, Offsets };

  void open(char bracket) override {
    if (in_ == In::Start && bracket == '{') {
      in_ = In::Names;
    } else if (in_ == In::Names && bracket == '{') {
      in_ = name_ == kMetadataKey ? In::Metadata : In::Tensor;
      if (in_ == In::Tensor) entries.push_back({name_, {}, {}, {}});
      keys_.clear();
    } else if (in_ == In::Tensor && bracket == '[' && (field_ == "shape" || field_ == "data_offsets")) {
      in_ = field_ == "shape" ? In::Shape : In::Offsets;
      (in_ == In::Shape ? entries.back().shape : entries.back().offsets).emplace();
    } else {
      refuse(bracket == '{' ? "an object" : "an array");
    }
  }

  void close() override {
    if (in_ == In::Shape || in_ == In::Offsets)
      in_ = In::Tensor;
    else
      in_ = In::Names;  // the outermost object's end is also the text's
  }

  void on_key(const std::string& key) override {
    if (!(in_ == In::Names ? names_ : keys_).insert(key).second)
      fail(in_ == In::Names ? "a tensor's name occurs twice" : "a key occurs twice",
           in_ == In::Names ? key : name_, shown(key), "once");
    if (in_ == In::Names) name_ = key;
    if (in_ != In::Tensor) return;
    field_ = key;
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      fail("a tensor has an unknown key", name_, shown(key), "dtype, shape, data_offsets");
  }

  void on_string(const std::string& text) override {
    if (in_ == In::Tensor && field_ == "dtype")
      entries.back().dtype = text;
    else if (in_ != In::Metadata)
      refuse("'" + shown(text) + "'");
  }

  void on_unsigned(std::uint64_t number) override {
    if (in_ == In::Shape)
      entries.back().shape->push_back(number);
    else if (in_ == In::Offsets)
      entries.back().offsets->push_back(number);
    else
      refuse(std::to_string(number));
  }

  void on_other(std::string_view what) override { refuse(shown(what)); }

  [[noreturn]] void refuse(std::string found) const {
    if (in_ == In::Start)
      throw Error(ErrorCategory::Format, "the header is no JSON object", {{"found", found}});
    fail("the header holds something unexpected", name_, std::move(found), expected());
  }

  std::string expected() const {
    if (in_ == In::Names) return "an object";
    if (in_ == In::Metadata) return "a string";
    if (in_ != In::Tensor) return "a whole number";
    return field_ == "dtype" ? "a string" : "an array";
  }

  In in_ = In::Start;
  std::string name_;
  std::string field_;
  std::set<std::string> names_;
  std::set<std::string> keys_;  // of the innermost object that is no list of names
};

/// {"weight_map": {string: string}, anything else: ignored}
class IndexReader final : public JsonReader {
 public:
  std::optional<std::map<std::string, std::string>> weight_map;

 private:
  void open(char bracket) override {
    if (depth_ == 0 && bracket != '{') refuse("an array", "an object");
    if (in_map()) refuse("no string", "a file name");
    if (depth_ == 1 && key_ == "weight_map") {
      if (bracket != '{') refuse("an array", "an object");
      if (weight_map) refuse("a second weight_map", "one");
      weight_map.emplace();
      map_open_ = true;
    }
    ++depth_;
  }
  void close() override {
    if (in_map()) map_open_ = false;
    --depth_;
  }
  void on_key(const std::string& key) override {
    if (in_map() && weight_map->contains(key)) fail("a tensor's name occurs twice", key, "twice", "once");
    if (in_map() || depth_ == 1) key_ = key;
  }
  void on_string(const std::string& text) override {
    if (in_map())
      weight_map->emplace(key_, text);
    else
      on_other("a string");
  }
  void on_unsigned(std::uint64_t) override { on_other("a number"); }
  void on_other(std::string_view what) override {
    if (depth_ == 0) refuse(std::string(what), "an object");
    if (in_map()) refuse(std::string(what), "a file name");
    if (depth_ == 1 && key_ == "weight_map") refuse(std::string(what), "an object");
  }

  bool in_map() const { return map_open_ && depth_ == 2; }
  [[noreturn]] void refuse(std::string found, std::string expected) const {
    throw Error(ErrorCategory::Format, "the index holds something unexpected",
                {{"key", shown(key_)}, {"found", std::move(found)}, {"expected", std::move(expected)}});
  }

  std::size_t depth_ = 0;
  bool map_open_ = false;
  std::string key_;
};

DType dtype_of(const Entry& entry) {
  const auto row =
      std::ranges::find(kDTypes, std::string_view(*entry.dtype), &std::pair<std::string_view, DType>::first);
  if (row != kDTypes.end()) return row->second;
  std::string expected;
  for (const auto& [name, dtype] : kDTypes) expected += (expected.empty() ? "" : " ") + std::string(name);
  throw Error(ErrorCategory::Unsupported,
              "this dtype is not supported: convert the checkpoint to F32, F16 or BF16",
              {{"tensor", shown(entry.name)}, {"found", shown(*entry.dtype)}, {"expected", expected}});
}

std::string range_text(std::uint64_t begin, std::uint64_t end) {
  return "[" + std::to_string(begin) + ", " + std::to_string(end) + ")";
}

void check_complete(const Entry& entry) {
  if (!entry.dtype || !entry.shape || !entry.offsets)
    fail("a tensor's description is incomplete", entry.name,
         std::string("no ") + (!entry.dtype   ? "dtype"
                               : !entry.shape ? "shape"
                                              : "data_offsets"),
         "dtype, shape, data_offsets");
  const auto& offsets = *entry.offsets;
  if (offsets.size() != 2)
    fail("a tensor's offsets are no range", entry.name, std::to_string(offsets.size()) + " numbers",
         "begin and end");
  if (offsets[0] > offsets[1])
    fail("a tensor's offsets are no range", entry.name, range_text(offsets[0], offsets[1]),
         "begin not after end");
}

StoredTensor view(Entry entry, Bytes data, const std::string& file) {
  StoredTensor tensor;
  tensor.dtype = dtype_of(entry);
  tensor.name = std::move(entry.name);
  tensor.shape = std::move(*entry.shape);
  tensor.file = file;
  const std::uint64_t size = (*entry.offsets)[1] - (*entry.offsets)[0];
  const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
  if (bytes != size)
    fail("a tensor's size is not that of its shape", tensor.name, std::to_string(size) + " bytes",
         bytes ? std::to_string(*bytes) + " bytes" : "less than 2^64 bytes");
  tensor.bytes = data.subspan((*entry.offsets)[0], size);
  return tensor;
}

Container parse_file(Bytes bytes, const std::string& file) {
  ByteCursor cursor(bytes);
  const auto length = cursor.read<std::uint64_t>();
  if (!length)
    throw Error(ErrorCategory::Format, "the file is too short for a safetensors file",
                {{"found", std::to_string(bytes.size()) + " bytes"}, {"expected", "8 or more"}});
  if (*length > kMaxHeaderBytes)
    throw Error(ErrorCategory::Format, "not a safetensors file, or a header over the format's limit",
                {{"found", std::to_string(*length) + " bytes"}, {"expected", "at most 100000000"}});
  const auto json = cursor.take(*length);
  if (!json)
    throw Error(
        ErrorCategory::Format, "the file ends inside its header",
        {{"found", std::to_string(cursor.remaining()) + " bytes"}, {"expected", std::to_string(*length)}});
  if (json->empty() || as_text(*json).front() != '{')
    throw Error(
        ErrorCategory::Format, "the header does not begin with {",
        {{"found", json->empty() ? "nothing" : "'" + std::string(as_text(*json).substr(0, 1)) + "'"}});
  HeaderReader header;
  header.read(*json);
  std::vector<Entry>& entries = header.entries;
  for (const Entry& entry : entries) check_complete(entry);

  const Bytes data = bytes.subspan(cursor.offset());
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) {  // an empty tensor before its neighbour
    return std::pair((*entry.offsets)[0], (*entry.offsets)[1]);
  });
  Container container;
  std::uint64_t end = 0;
  for (Entry& entry : entries) {
    const auto [from, to] = std::pair((*entry.offsets)[0], (*entry.offsets)[1]);
    if (from != end)
      fail(from < end ? "a tensor overlaps the one before it" : "there is a hole before a tensor", entry.name,
           range_text(from, to), "begin at " + std::to_string(end));
    if (to > data.size())
      fail("the file ends inside a tensor", entry.name, range_text(from, to),
           "at most " + std::to_string(data.size()));
    end = to;
    container.add(view(std::move(entry), data, file));  // HeaderReader has seen that the names differ
  }
  if (end != data.size())
    throw Error(
        ErrorCategory::Format, "bytes follow the last tensor",
        {{"found", std::to_string(data.size()) + " bytes of data"}, {"expected", std::to_string(end)}});
  return container;
}

std::map<std::string, std::string> parse_index_json(Bytes json) {
  IndexReader index;
  index.read(json);
  if (!index.weight_map || index.weight_map->empty())
    throw Error(ErrorCategory::Format, "the index names no tensors",
                {{"key", "weight_map"}, {"found", index.weight_map ? "an empty object" : "nothing"}});
  for (const auto& [tensor, shard] : *index.weight_map) {
    // Published indices name files beside them; anything else could lead out of the folder.
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos)
      fail("the index names a shard that is no plain file name", tensor, shown(shard),
           "a file in the same folder");
  }
  return std::move(*index.weight_map);
}

}  // namespace

Container parse(Bytes bytes, const std::string& name) {
  try {
    return parse_file(bytes, name);
  } catch (const Error& error) {
    throw error.with("file", name);
  }
}

std::map<std::string, std::string> parse_index(Bytes json, const std::string& name) {
  try {
    return parse_index_json(json);
  } catch (const Error& error) {
    throw error.with("file", name);
  }
}

}  // namespace sterna::safetensors
