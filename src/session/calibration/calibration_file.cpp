// Calibrations as JSON and the tensors of a safetensors file, with a checksum over both.
#include "session/calibration/calibration_file.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/fnv1a.hpp"
#include "format/safetensors/safetensors.hpp"
#include "model/identity.hpp"
#include "model/json_reader.hpp"
#include "platform/atomic_file.hpp"
#include "session/calibration/model_inputs.hpp"
#include "sterna/error.hpp"

namespace sterna {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFormat = "sterna calibration";
constexpr std::uint64_t kVersion = 1;
constexpr const char* kAbout = "about";

struct FloatField {
  const char* name;
  float InputStatistics::*value;
};
constexpr FloatField kFloats[] = {{"least", &InputStatistics::least}, {"most", &InputStatistics::most}};

struct DoubleField {
  const char* name;
  double InputStatistics::*value;
};
constexpr DoubleField kDoubles[] = {
    {"ema_least", &InputStatistics::ema_least}, {"ema_most", &InputStatistics::ema_most},
    {"mean", &InputStatistics::mean},           {"variance", &InputStatistics::variance},
    {"skewness", &InputStatistics::skewness},   {"kurtosis", &InputStatistics::kurtosis}};

/// Calls visit(name, vector, shape) for what an input has in tensors.
template <class Input, class Visit>
void for_each_tensor(Input& input, bool gram, Visit&& visit) {
  using Shape = std::vector<std::uint64_t>;
  visit(input.name + ".magnitude_counts", input.magnitude_counts, Shape{kMagnitudeBins});
  visit(input.name + ".second_moments", input.second_moments, Shape{input.channels});
  visit(input.name + ".channel_most", input.channel_most, Shape{input.channels});
  if (gram) visit(input.name + ".gram", input.gram, Shape{input.channels, input.channels});
}

constexpr DType dtype_of_element(const std::uint64_t&) {
  return DType::U64;
}
constexpr DType dtype_of_element(const double&) {
  return DType::F64;
}
constexpr DType dtype_of_element(const float&) {
  return DType::F32;
}

bool has_gram(const Calibration& calibration) {
  return !calibration.inputs.empty() && !calibration.inputs.front().gram.empty();
}

std::vector<safetensors::OutTensor> tensors_of(const Calibration& calibration) {
  std::vector<safetensors::OutTensor> tensors;
  for (const InputStatistics& input : calibration.inputs) {
    for_each_tensor(input, has_gram(calibration), [&](std::string name, const auto& values, auto shape) {
      tensors.push_back(
          {std::move(name), dtype_of_element(values[0]), std::move(shape), std::as_bytes(std::span(values))});
    });
  }
  return tensors;
}

/// Of the tensors' bytes and of all that the JSON says besides.
std::string checksum(const Calibration& calibration, json about) {
  about.erase("checksum");
  Fnv1a hash;
  for (const safetensors::OutTensor& tensor : tensors_of(calibration)) hash.add(tensor.bytes);
  return hash.add(std::string_view(about.dump())).hex();
}

std::string text_of(const json& about) {
  return about.dump(1) + "\n";
}

/// `place`: the key that says where the tensors are, or what they are of.
std::string describe(const Calibration& calibration, const char* place, const std::string& value) {
  json about{{"format", kFormat},
             {"version", kVersion},
             {"model", calibration.model},
             {"window", calibration.window},
             {"windows", calibration.windows},
             {"tokens", calibration.tokens},
             {"gram", has_gram(calibration)},
             {place, value}};
  json& inputs = about["inputs"] = json::array();
  for (const InputStatistics& input : calibration.inputs) {
    json entry{{"name", input.name}, {"channels", input.channels}};
    for (const FloatField& field : kFloats) entry[field.name] = input.*field.value;
    for (const DoubleField& field : kDoubles) entry[field.name] = input.*field.value;
    inputs.push_back(std::move(entry));
  }
  about["checksum"] = checksum(calibration, about);
  return text_of(about);
}

[[noreturn]] void damaged(const std::string& file, std::string_view message, std::string found,
                          std::string expected) {
  throw Error(ErrorCategory::Format, message,
              {{"file", file}, {"found", std::move(found)}, {"expected", std::move(expected)}});
}

template <class T>
T required(const JsonReader& reader, const char* key, std::optional<T> value) {
  if (!value) reader.fail(key, "a value");
  return *value;
}

struct Description {
  json about;
  std::string place;
};

/// The JSON, when it is as it was written, of this format and version and of the model.
Description read_description(std::string_view text, const std::string& file, const char* place,
                             const Model& model) {
  Description description{parse_json(text, file), {}};
  const JsonReader reader(description.about, file);
  if (required(reader, "format", reader.string_of("format")) != kFormat) reader.fail("format", kFormat);
  if (const auto version = required(reader, "version", reader.unsigned_of("version")); version != kVersion) {
    throw Error(ErrorCategory::Unsupported, "a calibration of another version",
                {{"file", file}, {"found", std::to_string(version)}, {"expected", std::to_string(kVersion)}});
  }
  if (text_of(description.about) != text)
    damaged(file, "the calibration is not as it was written", "other text", "the same JSON");
  if (const auto identity = required(reader, "model", reader.string_of("model"));
      identity != model_identity(model)) {
    throw Error(ErrorCategory::Mismatch, "the calibration is of another model",
                {{"file", file}, {"found", identity}, {"expected", model_identity(model)}});
  }
  description.place = required(reader, place, reader.string_of(place));
  return description;
}

template <class T>
void read_tensor(const Container& container, const std::string& file, const std::string& name,
                 std::vector<T>& values, const std::vector<std::uint64_t>& shape) {
  const StoredTensor* tensor = container.find(name);
  if (!tensor || tensor->dtype != dtype_of_element(T{}) || tensor->shape != shape) {
    throw Error(ErrorCategory::Format, "a tensor of the calibration is missing or has another shape or type",
                {{"file", file}, {"tensor", name}});
  }
  values.resize(tensor->bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
}

void read_numbers(const json& entry, const std::string& file, InputStatistics& input) {
  const JsonReader reader(entry, file, input.name + ".");
  if (reader.string_of("name") != input.name) reader.fail("name", input.name);
  if (reader.unsigned_of("channels") != input.channels)
    reader.fail("channels", std::to_string(input.channels));
  for (const FloatField& field : kFloats) {
    const double value = required(reader, field.name, reader.number_of(field.name));
    if (!(std::abs(value) <= double{std::numeric_limits<float>::max()})) reader.fail(field.name, "a float");
    input.*field.value = static_cast<float>(value);
  }
  for (const DoubleField& field : kDoubles)
    input.*field.value = required(reader, field.name, reader.number_of(field.name));
}

/// Everything else of the JSON, and the tensors.
Calibration read_numbers(const Description& description, const std::string& file, const Container& container,
                         std::size_t other_tensors, const Model& model) {
  const JsonReader reader(description.about, file);
  Calibration calibration;
  calibration.model = *reader.string_of("model");
  calibration.window = reader.required_u32("window");
  calibration.windows = required(reader, "windows", reader.unsigned_of("windows"));
  calibration.tokens = required(reader, "tokens", reader.unsigned_of("tokens"));
  if (calibration.window == 0 || calibration.tokens % calibration.window != 0 ||
      calibration.tokens / calibration.window != calibration.windows)
    reader.fail("tokens", "window · windows");
  const bool gram = required(reader, "gram", reader.bool_of("gram"));
  calibration.inputs = inputs_of(model, /*gram=*/false).sums;
  const json* entries = reader.find("inputs");
  if (!entries || !entries->is_array() || entries->size() != calibration.inputs.size())
    reader.fail("inputs", "an array of " + std::to_string(calibration.inputs.size()));
  std::size_t tensors = other_tensors;
  for (std::size_t i = 0; i < calibration.inputs.size(); ++i) {
    InputStatistics& input = calibration.inputs[i];
    input.tokens = calibration.tokens;
    read_numbers((*entries)[i], file, input);
    for_each_tensor(input, gram, [&](const std::string& name, auto& values, const auto& shape) {
      read_tensor(container, file, name, values, shape);
      ++tensors;
    });
  }
  if (container.tensors().size() != tensors) {
    damaged(file, "the calibration has tensors of something else",
            std::to_string(container.tensors().size()) + " tensors", std::to_string(tensors));
  }
  const std::string found = checksum(calibration, description.about);
  if (reader.string_of("checksum") != found) {
    damaged(file, "the calibration is damaged, or its two files do not belong together", "checksum " + found,
            reader.string_of("checksum").value_or("none"));
  }
  return calibration;
}

fs::path tensor_file(const fs::path& file) {
  if (file.extension() == ".safetensors" || !file.has_filename()) {
    throw Error(ErrorCategory::InvalidArgument, "a calibration's file is JSON: its tensors lie beside it",
                {{"found", file.string()}, {"expected", "a name that does not end in .safetensors"}});
  }
  fs::path tensors = file;
  return tensors.replace_extension(".safetensors");
}

}  // namespace

void save_calibration(const Calibration& calibration, const fs::path& file) {
  const fs::path tensors = tensor_file(file);
  const std::string about = describe(calibration, "tensors", tensors.filename().string());
  safetensors::write(tensors, tensors_of(calibration));
  AtomicFile out(file);
  out.write(as_bytes(about));
  out.commit();
}

Calibration load_calibration(const fs::path& file, const Model& model) {
  const fs::path tensors = tensor_file(file);
  const auto mapped = MappedFile::open(file);
  const Description description = read_description(as_text(mapped->bytes()), file.string(), "tensors", model);
  // The file beside it, whatever it was called when it was written.
  return read_numbers(description, file.string(), safetensors::read(tensors), 0, model);
}

void write_unfinished(const fs::path& file, const Calibration& sums, const std::string& work) {
  const std::string about = describe(sums, "work", work);
  std::vector<safetensors::OutTensor> tensors = tensors_of(sums);
  tensors.push_back({kAbout, DType::U8, {about.size()}, as_bytes(about)});
  safetensors::write(file, tensors);
}

Calibration read_unfinished(const fs::path& file, const Model& model, const std::string& work) {
  const Container container = safetensors::read(file);
  const StoredTensor* about = container.find(kAbout);
  if (!about || about->dtype != DType::U8) {
    throw Error(ErrorCategory::Format, "not an unfinished calibration",
                {{"file", file.string()}, {"expected", "a tensor named about"}});
  }
  const Description description = read_description(as_text(about->bytes), file.string(), "work", model);
  if (description.place != work) {
    throw Error(ErrorCategory::Mismatch,
                "the unfinished calibration is of another text or other options: remove it to start anew",
                {{"file", file.string()}, {"found", description.place}, {"expected", work}});
  }
  return read_numbers(description, file.string(), container, 1, model);
}

}  // namespace sterna
