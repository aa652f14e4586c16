// Watching a stream of text for texts that end it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sterna {

/// Passes text through, but holds back an end that may be the beginning of a stop text.
class StopText {
 public:
  explicit StopText(std::vector<std::string> stops);

  /// Takes the next piece and returns what can be handed out: all text before a stop text, or all that can no
  /// longer become one. Valid until the next call.
  std::string_view push(std::string_view text);
  bool stopped() const noexcept { return stopped_; }
  /// What was held back, when the stream ends otherwise.
  std::string_view finish();

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string out_;
  bool stopped_ = false;
};

}  // namespace sterna
