#include "batch/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.hpp"
#include "base/fnv1a.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"
#include "support/output.hpp"
#include "support/text_input.hpp"

namespace sterna::cli {
namespace {

[[noreturn]] void fail_io(const std::filesystem::path& path) {
  throw Error(ErrorCategory::Io, "cannot write the output",
              {{"file", path.string()}, {"reason", std::strerror(errno)}});
}

}  // namespace

Journal::Journal(std::filesystem::path path, const std::vector<std::string>& keys) : path_(std::move(path)) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path_, ignored)) read(keys);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_io(path_);
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

void Journal::read(const std::vector<std::string>& keys) {
  const std::string text = read_text(path_);
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == text.npos) break;  // a line that was being written when the run broke off
    const std::string_view line = std::string_view(text).substr(begin, end + 1 - begin);
    begin = end + 1;
    Record record = Record::parse(line, nullptr, false);
    const bool ours = record.is_object() && record.contains("index") &&
                      record["index"].is_number_unsigned() && record.contains("key") &&
                      record["key"].is_string();
    const std::size_t index = ours ? record["index"].get<std::size_t>() : keys.size();
    if (index >= keys.size() || record["key"] != keys[index]) {
      throw Error(
          ErrorCategory::Mismatch,
          "the output file holds something else than results of these prompts with this model and these "
          "options: name another one, or start anew with --overwrite",
          {{"file", path_.string()}});
    }
    if (record.contains("error")) continue;
    kept += line;
    records_.insert_or_assign(index, std::move(record));
  }
  if (kept.size() == text.size()) return;
  AtomicFile out(path_);
  out.write(as_bytes(kept));
  out.commit();
}

void Journal::append(std::size_t index, Record record) {
  const std::string line = json_line(record);
  for (std::size_t written = 0; written < line.size();) {
    const ssize_t n = ::write(fd_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_io(path_);
    written += static_cast<std::size_t>(n);
  }
  records_.insert_or_assign(index, std::move(record));
}

std::string record_key(std::initializer_list<std::string_view> texts) {
  Fnv1a hash;
  // After each 0xFF, no byte of UTF-8: keeps "a" "bc" apart from "ab" "c".
  for (const auto text : texts) hash.add(as_bytes(text)).add(std::uint8_t{0xFF});
  return hash.hex();
}

}  // namespace sterna::cli
