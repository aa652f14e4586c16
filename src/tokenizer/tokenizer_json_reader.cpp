#include "tokenizer/tokenizer_json_reader.hpp"

#include "sterna/error.hpp"

namespace sterna::tokenizer_json {

using nlohmann::json;

namespace {

/// tokenizer.json files nest about ten deep.
constexpr std::size_t kMaxDepth = 64;

[[noreturn]] void fail(std::string_view reason) {
  malformed("json", reason);
}

/// Builds the tree from the parser's events (nlohmann's SAX interface), but takes a vocabulary of 100,000
/// entries and its merges out of the stream: as a tree they take longer to build than the file takes to read.
class Reader {
 public:
  explicit Reader(File& out) : out_(out) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(json::number_integer_t value) { return scalar(value); }
  bool number_float(json::number_float_t value, const std::string&) { return scalar(value); }
  bool binary(json::binary_t&) { fail("binary value"); }

  bool number_unsigned(json::number_unsigned_t value) {
    if (part_ != Part::Vocab) return scalar(value);
    out_.vocab.emplace_back(std::move(key_), value);
    return true;
  }

  bool string(std::string& value) {
    switch (part_) {
      case Part::Tree:
      case Part::Vocab:
        return scalar(std::move(value));
      case Part::Merges:
        out_.merges.push_back(value);
        return true;
      case Part::Pair:
        if (value.empty() || value.find(' ') != value.npos)
          fail("a token of a merge is empty or has a space");
        if (pair_size_++ == 0) {
          pair_ = std::move(value);
        } else {
          out_.merges.push_back(pair_.append(1, ' ').append(value));
        }
        return true;
    }
    return false;
  }

  bool key(std::string& key) {
    if (part_ == Part::Tree) {
      if (stack_.size() == 1) top_key_ = key;
      if (stack_.back()->contains(key)) fail("key \"" + key + "\" occurs twice");
    }
    key_ = std::move(key);
    return true;
  }

  bool start_object(std::size_t) {
    if (in_model() && key_ == "vocab") {
      place(nullptr);
      part_ = Part::Vocab;
      return true;
    }
    return open(json::object());
  }
  bool start_array(std::size_t) {
    if (part_ == Part::Merges) {
      part_ = Part::Pair;
      pair_size_ = 0;
      return true;
    }
    if (in_model() && key_ == "merges") {
      place(nullptr);
      part_ = Part::Merges;
      out_.has_merges = true;
      return true;
    }
    return open(json::array());
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) { fail(error.what()); }

 private:
  enum class Part { Tree, Vocab, Merges, Pair };

  bool in_model() const { return part_ == Part::Tree && stack_.size() == 2 && top_key_ == "model"; }

  bool scalar(json value) {
    require_tree();
    place(std::move(value));
    return true;
  }

  bool open(json value) {
    require_tree();
    if (stack_.size() == kMaxDepth) fail("nested too deeply");
    stack_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    switch (part_) {
      case Part::Tree:
        stack_.pop_back();
        break;
      case Part::Pair:
        if (pair_size_ != 2) fail("a merge is not two tokens");
        part_ = Part::Merges;
        break;
      case Part::Vocab:
      case Part::Merges:
        part_ = Part::Tree;
        break;
    }
    return true;
  }

  void require_tree() const {
    if (part_ == Part::Vocab) fail("an id of the vocabulary is not a whole number");
    if (part_ != Part::Tree) fail("a merge is not text");
  }

  json* place(json value) {
    if (stack_.empty()) {
      out_.rest = std::move(value);
      return &out_.rest;
    }
    json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  File& out_;
  Part part_ = Part::Tree;
  std::vector<json*> stack_;  ///< the open values of the tree; a parent does not grow while a child is open
  std::string key_, top_key_;
  std::string pair_;
  int pair_size_ = 0;
};

}  // namespace

File parse(Bytes bytes) {
  File out;
  Reader reader(out);
  const auto text = as_text(bytes);
  json::sax_parse(text.data(), text.data() + text.size(), &reader);
  if (!out.rest.is_object()) fail("no object");
  return out;
}

void malformed(std::string_view part, std::string_view reason) {
  throw Error(ErrorCategory::Format, "not a tokenizer.json",
              {{"part", std::string(part)}, {"reason", std::string(reason)}});
}

void unsupported(std::string_view part, std::string_view found, std::string_view possible) {
  throw Error(
      ErrorCategory::Unsupported, "the tokenizer does something that is not implemented",
      {{"part", std::string(part)}, {"found", std::string(found)}, {"possible", std::string(possible)}});
}

const json& get(const json& object, const char* key) {
  static const json null;
  const auto at = object.find(key);
  return at == object.end() ? null : *at;
}

std::string text_of(const json& object, const char* key, std::string_view part) {
  const json& value = get(object, key);
  if (!value.is_string()) malformed(part, std::string(key) + " is not text");
  return value.get<std::string>();
}

bool flag_of(const json& object, const char* key, std::string_view part) {
  const json& value = get(object, key);
  if (value.is_null()) return false;
  if (!value.is_boolean()) malformed(part, std::string(key) + " is not a boolean");
  return value.get<bool>();
}

std::string type_of(const json& component, std::string_view part) {
  if (!component.is_object()) malformed(part, "not an object");
  return text_of(component, "type", part);
}

std::vector<json> sequence_of(const json& component, const char* members, std::string_view part) {
  if (component.is_null()) return {};
  if (type_of(component, part) != "Sequence") return {component};
  const json& list = get(component, members);
  if (!list.is_array()) malformed(part, "a Sequence without a list");
  return list.get<std::vector<json>>();
}

}  // namespace sterna::tokenizer_json
