// Calibration of whole models: what is seen, that nothing about running it changes a bit, files and resuming.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

#include "model/model_impl.hpp"
#include "platform/mapped_file.hpp"
#include "platform/process_memory.hpp"
#include "session/calibration/choose_windows.hpp"
#include "sterna/calibration.hpp"
#include "sterna/error.hpp"
#include "sterna/session.hpp"
#include "support/paths.hpp"
#include "tensor/dequantize.hpp"

namespace sterna {
namespace {

std::string story() {
  std::string text;
  for (const char* number : {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}) {
    text += "The king had " + std::string(number) +
            " sons, and the youngest of them went out into the wide world to learn what fear was.\n\n\n";
  }
  return text;
}

const std::shared_ptr<const Model>& tales() {
  static const auto model = Model::load(testing::bundled_model());
  return model;
}

CalibrationOptions small_options() {
  CalibrationOptions options;
  options.window = 70;  // a chunk of the Gram sum and a bit
  options.threads = 1;
  return options;
}

void expect_same(const Calibration& a, const Calibration& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.window, b.window);
  EXPECT_EQ(a.windows, b.windows);
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.inputs.size(), b.inputs.size());
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    const InputStatistics &x = a.inputs[i], &y = b.inputs[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.channels, y.channels);
    EXPECT_EQ(x.tokens, y.tokens);
    EXPECT_EQ(x.least, y.least);
    EXPECT_EQ(x.most, y.most);
    EXPECT_EQ(x.ema_least, y.ema_least);
    EXPECT_EQ(x.ema_most, y.ema_most);
    EXPECT_EQ(x.mean, y.mean);
    EXPECT_EQ(x.variance, y.variance);
    EXPECT_EQ(x.skewness, y.skewness);
    EXPECT_EQ(x.kurtosis, y.kurtosis);
    EXPECT_TRUE(x.magnitude_counts == y.magnitude_counts) << x.name;
    EXPECT_TRUE(x.second_moments == y.second_moments) << x.name;
    EXPECT_TRUE(x.channel_most == y.channel_most) << x.name;
    EXPECT_TRUE(x.gram == y.gram) << x.name;
  }
}

TEST(Calibrate, ThreadsAndBatchChangeNoBit) {
  CalibrationOptions options = small_options();
  options.max_tokens = 140;
  options.gram = true;
  const Calibration expected = calibrate(tales(), story(), options);
  EXPECT_EQ(expected.tokens, 140u);
  EXPECT_EQ(expected.inputs.size(), 4u * tales()->config().layers);
  for (const unsigned threads : {1u, 2u, 3u}) {
    for (const std::uint32_t batch : {1u, 7u, 512u}) {
      options.threads = threads;
      options.batch = batch;
      expect_same(calibrate(tales(), story(), options), expected);
    }
  }
}

TEST(Calibrate, TheFirstInputIsTheNormalisedEmbedding) {
  CalibrationOptions options = small_options();
  options.max_tokens = options.window;
  const InputStatistics found = calibrate(tales(), story(), options).inputs.front();
  const Weights& weights = tales()->impl().weights;
  const TextWindows text = windows_of(*tales()->tokenizer(), story(), options.window, "a test");
  std::vector<TokenId> tokens(options.window);
  text.copy(choose_windows(text, options).front(), tokens.data());
  std::vector<double> moments(found.channels);
  std::vector<float> row(found.channels);
  for (const TokenId token : tokens) {
    dequantize_row(weights.embedding.dtype,
                   weights.embedding.data + static_cast<std::size_t>(token) * weights.embedding.stride,
                   row.size(), row.data());
    double square = tales()->config().norm_eps;
    for (const float x : row) square += double{x} * x / static_cast<double>(row.size());
    for (std::size_t c = 0; c < row.size(); ++c) {
      const double y = row[c] / std::sqrt(square) * weights.layers[0].attention_norm[c];
      moments[c] += y * y / static_cast<double>(tokens.size());
    }
  }
  // The rows are rounded to float32.
  for (std::size_t c = 0; c < moments.size(); ++c)
    EXPECT_NEAR(found.second_moments[c], moments[c], 1e-5 * moments[c]) << c;
}

TEST(Calibrate, ItsPartsAgree) {
  CalibrationOptions options = small_options();
  options.gram = true;
  const Calibration found = calibrate(tales(), story(), options);
  for (const InputStatistics& input : found.inputs) {
    double square = 0, most = 0;
    for (std::size_t c = 0; c < input.channels; ++c) {
      EXPECT_NEAR(input.gram[c * input.channels + c], input.second_moments[c],
                  1e-4 * input.second_moments[c]);
      square += input.second_moments[c] / static_cast<double>(input.channels);
      most = std::max(most, static_cast<double>(input.channel_most[c]));
    }
    EXPECT_NEAR(square, input.variance + input.mean * input.mean, 1e-9 * square);
    EXPECT_EQ(most, std::max(-input.least, input.most));
    EXPECT_EQ(std::accumulate(input.magnitude_counts.begin(), input.magnitude_counts.end(), std::uint64_t{0}),
              input.tokens * input.channels);
  }
  EXPECT_EQ(found.of("blk.0.attn_k"), &found.inputs[0]);
  EXPECT_EQ(found.of("blk.1.ffn_down"), &found.inputs[7]);
}

TEST(Calibrate, DoesNotDependOnHowWeightsAreHeld) {
  const Calibration expected = calibrate(tales(), story(), small_options());
  const auto other =
      Model::load(testing::bundled_model(), {.map = false, .kernel = "generic", .pack = Pack::OnePoint6Bit});
  expect_same(calibrate(other, story(), small_options()), expected);
}

TEST(Calibrate, RefusesWhatItCannotUse) {
  CalibrationOptions options = small_options();
  EXPECT_THROW(calibrate(tales(), "short", options), Error);
  options.window = 1;
  EXPECT_THROW(calibrate(tales(), story(), options), Error);
  options = small_options();
  options.batch = 0;
  EXPECT_THROW(calibrate(tales(), story(), options), Error);
  EXPECT_THROW(calibrate(Model::load(testing::fixture("llama3-rope-scaling")), story(), {}), Error);
}

// --- windows

TEST(ChooseWindows, EachWayIsWhatItSays) {
  TextWindows text{0, std::vector<TokenId>(1000, 5), 10, 100};
  for (std::size_t i = 300; i < 400; ++i) text.tokens[i] = static_cast<TokenId>(i);  // windows 30 … 39
  CalibrationOptions options;
  options.window = 11;
  options.max_tokens = 105;  // ten windows hold as many
  for (const Windows windows :
       {Windows::Systematic, Windows::Random, Windows::Stratified, Windows::Importance}) {
    EXPECT_EQ(windows_from_name(to_string(windows)), windows);
    options.windows = windows;
    const auto chosen = choose_windows(text, options);
    ASSERT_EQ(chosen.size(), 10u);
    EXPECT_TRUE(std::ranges::is_sorted(chosen));
    EXPECT_EQ(std::ranges::adjacent_find(chosen), chosen.end());
    EXPECT_LT(chosen.back(), 100u);
    EXPECT_EQ(chosen, choose_windows(text, options));
    CalibrationOptions another = options;
    another.seed = 1;
    EXPECT_EQ(choose_windows(text, another) == chosen, windows == Windows::Systematic);
    another.max_tokens = 0;
    EXPECT_EQ(choose_windows(text, another).size(), 100u);
    another.max_tokens = 1'000'000;
    EXPECT_EQ(choose_windows(text, another).size(), 100u);
  }
  options.windows = Windows::Systematic;
  EXPECT_EQ(choose_windows(text, options), (std::vector<std::size_t>{5, 15, 25, 35, 45, 55, 65, 75, 85, 95}));
  options.windows = Windows::Stratified;
  const auto stratified = choose_windows(text, options);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(stratified[i] / 10, i);
  // Rare tokens: ln(1001) each against ln(1001 / 900); ten windows of 100 have 98 % of the weight.
  options.windows = Windows::Importance;
  std::size_t rare = 0;
  for (const std::size_t w : choose_windows(text, options)) rare += w / 10 == 3;
  EXPECT_GE(rare, 7u);
}

// --- files

class CalibrationFile : public ::testing::Test {
 protected:
  static const Calibration& calibration() {
    static const Calibration found = [] {
      CalibrationOptions options = small_options();
      options.max_tokens = 70;
      return calibrate(tales(), story(), options);
    }();
    return found;
  }

  static std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static void write(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  std::filesystem::path folder_ = testing::scratch();
  std::filesystem::path file_ = folder_ / "tales.json";
  std::filesystem::path tensors_ = folder_ / "tales.safetensors";
};

TEST_F(CalibrationFile, IsReadAsItWasWritten) {
  CalibrationOptions options = small_options();
  options.max_tokens = 70;
  options.gram = true;
  const Calibration with_gram = calibrate(tales(), story(), options);
  for (const Calibration* written : {&calibration(), &with_gram}) {
    save_calibration(*written, file_);
    expect_same(load_calibration(file_, *tales()), *written);
  }
  EXPECT_THROW(save_calibration(calibration(), tensors_), Error);
}

TEST_F(CalibrationFile, OfAnotherModelIsRefused) {
  save_calibration(calibration(), file_);
  const auto other = Model::load(testing::fixture("llama3-rope-scaling"));
  try {
    load_calibration(file_, *other);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Mismatch);
  }
}

TEST_F(CalibrationFile, OfALaterVersionIsRefused) {
  save_calibration(calibration(), file_);
  std::string text = bytes_of(file_);
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
  write(file_, text);
  try {
    load_calibration(file_, *tales());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Unsupported);
  }
}

/// Some cuts of and flips in `path`, which `load` must refuse.
template <class Load>
void expect_damage_is_found(const std::filesystem::path& path, const std::string& bytes, Load&& load) {
  const auto refused = [&](const std::string& damaged, const std::string& what) {
    std::ofstream(path, std::ios::binary) << damaged;
    try {
      load();
      ADD_FAILURE() << path << ": accepted with " << what;
    } catch (const Error&) {
    }
  };
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t cut = i * bytes.size() / 40;
    refused(bytes.substr(0, cut), "bytes up to " + std::to_string(cut));
  }
  refused(bytes + ' ', "a byte more");
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t at = i < 200 ? i * 13 % bytes.size() : (i * 7919 * 1031) % bytes.size();
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << i % 8));
    refused(flipped, "bit " + std::to_string(i % 8) + " of byte " + std::to_string(at) + " flipped");
  }
  std::ofstream(path, std::ios::binary) << bytes;
  load();
}

TEST_F(CalibrationFile, DamageIsFound) {
  save_calibration(calibration(), file_);
  const auto load = [&] { load_calibration(file_, *tales()); };
  expect_damage_is_found(file_, bytes_of(file_), load);
  expect_damage_is_found(tensors_, bytes_of(tensors_), load);
  std::filesystem::remove(tensors_);
  EXPECT_THROW(load(), Error);
}

TEST_F(CalibrationFile, TensorsOfAnotherCalibrationAreRefused) {
  save_calibration(calibration(), file_);
  const std::string json = bytes_of(file_);
  Calibration other = calibration();
  other.inputs[3].second_moments[5] *= 2;
  save_calibration(other, file_);
  write(file_, json);
  EXPECT_THROW(load_calibration(file_, *tales()), Error);
}

// --- unfinished work

/// Stops after so many windows.
Calibration stopped_after(std::uint64_t windows, CalibrationOptions options) {
  options.progress = [windows](unsigned long long done, unsigned long long, std::string_view) {
    if (done == windows) throw Error(ErrorCategory::Cancelled, "enough");
  };
  return calibrate(tales(), story(), options);
}

TEST_F(CalibrationFile, StoppedWorkGoesOnToTheSameBits) {
  CalibrationOptions options = small_options();
  options.gram = true;
  options.window = 50;
  const Calibration expected = calibrate(tales(), story(), options);
  ASSERT_GE(expected.windows, 3u);
  options.resume = folder_ / "unfinished";
  EXPECT_THROW(stopped_after(1, options), Error);
  options.threads = 2;
  options.batch = 3;
  EXPECT_THROW(stopped_after(2, options), Error);
  std::uint64_t evaluated = 0;
  options.progress = [&](unsigned long long, unsigned long long, std::string_view) { ++evaluated; };
  expect_same(calibrate(tales(), story(), options), expected);
  EXPECT_EQ(evaluated, expected.windows - 2);
  // What is done is not done again.
  expect_same(calibrate(tales(), story(), options), expected);
  EXPECT_EQ(evaluated, expected.windows - 2);
}

TEST_F(CalibrationFile, WorkIsSavedWhileItGoesOn) {
  CalibrationOptions options = small_options();
  options.window = 50;
  options.resume = folder_ / "unfinished";
  options.resume_every = 0;
  options.progress = [&](unsigned long long done, unsigned long long, std::string_view) {
    EXPECT_EQ(std::filesystem::exists(options.resume), done > 1);
  };
  calibrate(tales(), story(), options);
}

TEST_F(CalibrationFile, UnfinishedWorkOfSomethingElseIsRefused) {
  CalibrationOptions options = small_options();
  options.window = 50;
  options.resume = folder_ / "unfinished";
  EXPECT_THROW(stopped_after(1, options), Error);
  const auto refused = [&](const CalibrationOptions& changed, const std::string& text) {
    try {
      calibrate(tales(), text, changed);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::Mismatch) << error.what();
    }
  };
  CalibrationOptions changed = options;
  changed.gram = true;
  refused(changed, story());
  changed = options;
  changed.window = 51;
  refused(changed, story());
  changed = options;
  changed.max_tokens = 50;
  refused(changed, story());
  refused(options, "Another story. " + story());
  expect_damage_is_found(options.resume, bytes_of(options.resume),
                         [&] { calibrate(tales(), story(), options); });
}

// --- memory

TEST(SlowCalibrate, MemoryDoesNotGrowWithTheText) {
  STERNA_REQUIRE_SHARED(corpus, "corpus");
  const auto text = MappedFile::open(corpus / "tales-train.txt");
  CalibrationOptions options;
  options.window = 128;
  options.max_tokens = 512;
  const std::string_view megabyte = as_text(text->bytes()).substr(0, 1'000'000);
  calibrate(tales(), megabyte, options);  // what is needed once, and the tokenizer's tables
  const std::uint64_t before = peak_resident_bytes();
  options.max_tokens = 8192;
  calibrate(tales(), megabyte, options);
  // Sixteen times the tokens; the allocator may keep a megabyte more or less.
  EXPECT_LT(peak_resident_bytes(), before + (4u << 20));
}

}  // namespace
}  // namespace sterna
