#include "tokenizer/tokenizer_json_reader.hpp"

#include "sterna/error.hpp"

namespace sterna {
namespace {

using nlohmann::json;

/// tokenizer.json files nest about ten deep.
constexpr std::size_t kMaxDepth = 64;

[[noreturn]] void fail(const std::string& reason) {
  throw Error(ErrorCategory::Format, "not a tokenizer.json", {{"reason", reason}});
}

/// Builds the tree from the parser's events (nlohmann's SAX interface), but takes a vocabulary of 100,000
/// entries and its merges out of the stream: as a tree they take longer to build than the file takes to read.
class Reader {
 public:
  explicit Reader(TokenizerJson& out) : out_(out) {}

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
        out_.merges.push_back(std::move(value));
        return true;
      case Part::Pair:
        if (value.empty() || value.find(' ') != value.npos)
          fail("a token of a merge is empty or has a space");
        if (pair_size_++ == 0) {
          out_.merges.push_back(std::move(value));
        } else {
          out_.merges.back().append(1, ' ').append(value);
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

  TokenizerJson& out_;
  Part part_ = Part::Tree;
  std::vector<json*> stack_;  ///< the open values of the tree; a parent does not grow while a child is open
  std::string key_, top_key_;
  int pair_size_ = 0;
};

}  // namespace

TokenizerJson parse_tokenizer_json(Bytes bytes) {
  TokenizerJson out;
  Reader reader(out);
  const auto text = as_text(bytes);
  json::sax_parse(text.data(), text.data() + text.size(), &reader);
  if (!out.rest.is_object()) fail("no object");
  return out;
}

}  // namespace sterna
