// tokenizer.model: a protobuf message, read and written here field by field (sentencepiece_model.proto is the
// format's definition; the wire format is protobuf's encoding guide). The library that encodes gets only
// messages written here: its parser and its tables trust what they are given.
#include <bit>

#include "sterna/error.hpp"
#include "tokenizer/sentencepiece.hpp"

namespace sterna {
namespace {

// Field numbers.
enum Model : std::uint32_t { kPieces = 1, kTrainer = 2, kNormalizer = 3, kDenormalizer = 5 };
enum Piece : std::uint32_t { kText = 1, kScore = 2, kType = 3 };
enum Trainer : std::uint32_t {
  kModelType = 3,
  kWhitespaceAsSuffix = 24,
  kByteFallback = 35,
  kBosPiece = 46,
  kEosPiece = 47,
  kPadPiece = 48
};
enum Normalizer : std::uint32_t { kCharsMap = 2, kDummyPrefix = 3, kExtraWhitespaces = 4, kEscape = 5 };

constexpr std::uint64_t kUnigram = 1, kBpe = 2;  // values of kModelType

enum class Wire : std::uint32_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

[[noreturn]] void malformed(std::string_view reason) {
  throw Error(ErrorCategory::Format, "not a SentencePiece model", {{"reason", std::string(reason)}});
}

[[noreturn]] void unsupported(std::string_view found) {
  throw Error(ErrorCategory::Unsupported, "the SentencePiece model needs something that is not implemented",
              {{"found", std::string(found)}});
}

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::Varint;
  std::uint64_t value = 0;  ///< of all but Bytes
  Bytes bytes;

  void require(Wire expected) const {
    if (wire != expected) malformed("field " + std::to_string(number) + " has another type");
  }
  bool flag() const { return number_value() != 0; }
  std::uint64_t number_value() const {
    require(Wire::Varint);
    return value;
  }
  float real() const {
    require(Wire::Fixed32);
    return std::bit_cast<float>(static_cast<std::uint32_t>(value));
  }
  std::string_view text() const {
    require(Wire::Bytes);
    return as_text(bytes);
  }
};

class Message {
 public:
  explicit Message(Bytes bytes) : cursor_(bytes) {}

  /// False at the end.
  bool next(Field& field) {
    if (cursor_.remaining() == 0) return false;
    const std::uint64_t key = varint();
    field = {};
    field.number = static_cast<std::uint32_t>(key >> 3);
    field.wire = static_cast<Wire>(key & 7);
    switch (field.wire) {
      case Wire::Varint:
        field.value = varint();
        return true;
      case Wire::Fixed32:
        field.value = whole(cursor_.read<std::uint32_t>());
        return true;
      case Wire::Fixed64:
        field.value = whole(cursor_.read<std::uint64_t>());
        return true;
      case Wire::Bytes:
        field.bytes = whole(cursor_.take(varint()));
        return true;
    }
    malformed("unknown wire type");
  }

 private:
  template <class T>
  static T whole(std::optional<T> value) {
    if (!value) malformed("cut off");
    return *value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = whole(cursor_.read<std::uint8_t>());
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    malformed("a number is too long");
  }

  ByteCursor cursor_;
};

void read_piece(Bytes bytes, TokenizerSpec& spec) {
  std::string text;
  float score = 0;
  auto type = TokenType::Normal;
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == kText) text = field.text();
    if (field.number == kScore) score = field.real();
    if (field.number == kType) {
      if (field.number_value() < 1 || field.value > 6) malformed("unknown type of piece");
      type = static_cast<TokenType>(field.value);
    }
  }
  spec.tokens.push_back(std::move(text));
  spec.scores.push_back(score);
  spec.types.push_back(type);
}

struct TrainerSettings {
  std::uint64_t model_type = kUnigram;
  bool byte_fallback = false;
  std::string bos = "<s>", eos = "</s>", pad = "<pad>";
};

void read_trainer(Bytes bytes, TrainerSettings& trainer) {
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == kModelType) trainer.model_type = field.number_value();
    if (field.number == kByteFallback) trainer.byte_fallback = field.flag();
    if (field.number == kBosPiece) trainer.bos = field.text();
    if (field.number == kEosPiece) trainer.eos = field.text();
    if (field.number == kPadPiece) trainer.pad = field.text();
    if (field.number == kWhitespaceAsSuffix && field.flag()) unsupported("spaces as suffixes");
  }
}

void read_normalizer(Bytes bytes, TokenizerSpec& spec) {
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == kCharsMap && !field.text().empty()) unsupported("a normalisation map");
    if (field.number == kDummyPrefix) spec.add_space_prefix = field.flag();
    if (field.number == kExtraWhitespaces) spec.remove_extra_whitespaces = field.flag();
    if (field.number == kEscape && !field.flag()) unsupported("spaces that are not escaped");
  }
}

void check_denormalizer(Bytes bytes) {
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == kCharsMap && !field.text().empty()) unsupported("a denormalisation map");
  }
}

std::optional<TokenId> control_piece(const TokenizerSpec& spec, std::string_view text) {
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] == TokenType::Control && spec.tokens[id] == text) return static_cast<TokenId>(id);
  }
  return std::nullopt;
}

TokenizerSpec read(Bytes bytes) {
  TokenizerSpec spec;
  spec.kind = TokenizerKind::SentencePiece;
  spec.add_space_prefix = spec.remove_extra_whitespaces = true;  // the format's defaults
  TrainerSettings trainer;
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number >= kPieces && field.number <= kDenormalizer) field.require(Wire::Bytes);
    if (field.number == kPieces) read_piece(field.bytes, spec);
    if (field.number == kTrainer) read_trainer(field.bytes, trainer);
    if (field.number == kNormalizer) read_normalizer(field.bytes, spec);
    if (field.number == kDenormalizer) check_denormalizer(field.bytes);
  }
  if (spec.tokens.empty()) malformed("no pieces");
  if (trainer.model_type != kUnigram && trainer.model_type != kBpe) unsupported("a word or character model");
  spec.unigram = trainer.model_type == kUnigram;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] == TokenType::Unknown) spec.unk = static_cast<TokenId>(id);
    if (spec.types[id] == TokenType::Byte && !trainer.byte_fallback) malformed("bytes without byte fallback");
  }
  spec.bos = control_piece(spec, trainer.bos);
  spec.eos = control_piece(spec, trainer.eos);
  spec.pad = control_piece(spec, trainer.pad);
  return spec;
}

class Writer {
 public:
  void number(std::uint32_t field, std::uint64_t value) {
    key(field, Wire::Varint);
    varint(value);
  }
  void real(std::uint32_t field, float value) {
    key(field, Wire::Fixed32);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    out_.append(reinterpret_cast<const char*>(&bits), sizeof bits);
  }
  void text(std::uint32_t field, std::string_view value) {
    key(field, Wire::Bytes);
    varint(value.size());
    out_ += value;
  }
  void message(std::uint32_t field, const Writer& value) { text(field, value.out_); }
  void clear() { out_.clear(); }
  std::string take() { return std::move(out_); }

 private:
  void key(std::uint32_t field, Wire wire) { varint(field << 3 | static_cast<std::uint32_t>(wire)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

}  // namespace

TokenizerSpec read_sentencepiece_model(Bytes model, const std::string& file) {
  try {
    return read(model);
  } catch (const Error& error) {
    throw error.with("file", file);
  }
}

std::string sentencepiece_model(const TokenizerSpec& spec, bool with_dummy_prefix) {
  Writer model, part;
  bool bytes = false;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    part.clear();
    part.text(kText, spec.tokens[id]);
    part.real(kScore, spec.scores[id]);
    part.number(kType, static_cast<std::uint64_t>(spec.types[id]));
    model.message(kPieces, part);
    bytes |= spec.types[id] == TokenType::Byte;
  }
  part.clear();
  part.number(kModelType, spec.unigram ? kUnigram : kBpe);
  part.number(kByteFallback, bytes);
  model.message(kTrainer, part);
  part.clear();
  part.number(kDummyPrefix, with_dummy_prefix);
  part.number(kExtraWhitespaces, spec.remove_extra_whitespaces);
  model.message(kNormalizer, part);
  return model.take();
}

}  // namespace sterna
