#include "platform/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using std::filesystem::path;

void put(const path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary) << text;
}

std::string reason_of(const path& file, MapOptions options = {}) {
  try {
    MappedFile::open(file, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Io);
    EXPECT_EQ(error.value("file"), file.string());
    return std::string(error.value("reason"));
  }
  return "opened";
}

/// root reads everything: become nobody while this lives.
class Unprivileged {
 public:
  Unprivileged() {
    if (user_ == 0) {
      EXPECT_EQ(::seteuid(65534), 0);
    }
  }
  ~Unprivileged() {
    if (user_ == 0) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }

 private:
  uid_t user_ = ::geteuid();
};

class MappedFileKinds : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(MapAndRead, MappedFileKinds, ::testing::Bool());

TEST_P(MappedFileKinds, GivesTheFilesBytes) {
  const path file = testing::scratch() / "file";
  std::string text(300000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 256);
  put(file, text);
  const auto mapped = MappedFile::open(file, {.map = GetParam()});
  EXPECT_EQ(as_text(mapped->bytes()), text);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(mapped->bytes().data()) % 64, 0u);
  EXPECT_EQ(mapped->is_mapped(), GetParam());
  EXPECT_EQ(mapped->path(), file);
}

TEST_P(MappedFileKinds, AnEmptyFileHasNoBytes) {
  const path file = testing::scratch() / "empty";
  put(file, "");
  EXPECT_TRUE(MappedFile::open(file, {.map = GetParam()})->bytes().empty());
}

TEST_P(MappedFileKinds, LocksWhatFitsTheLimit) {
  const path file = testing::scratch() / "file";
  put(file, "text");
  EXPECT_EQ(as_text(MappedFile::open(file, {.map = GetParam(), .lock = true})->bytes()), "text");
}

TEST(MappedFile, SaysWhyAFileCannotBeOpened) {
  const path folder = testing::scratch();
  EXPECT_EQ(reason_of(folder / "missing"), "No such file or directory");
  EXPECT_EQ(reason_of(folder), "Is a directory");
  EXPECT_EQ(reason_of(""), "No such file or directory");
  EXPECT_EQ(reason_of("/dev/null"), "not a regular file");
  const path fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0666), 0);
  EXPECT_EQ(reason_of(fifo), "not a regular file");
}

TEST(MappedFile, SaysThatPermissionIsMissing) {
  const path file = testing::scratch() / "secret";
  put(file, "text");
  ASSERT_EQ(::chmod(file.c_str(), 0), 0);
  const Unprivileged unprivileged;
  EXPECT_EQ(reason_of(file), "Permission denied");
}

TEST(MappedFile, SaysThatTheLockLimitIsTooSmall) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizers replace mlock() by nothing";
#endif
  const path file = testing::scratch() / "sparse";
  put(file, "");
  constexpr std::uintmax_t kMoreThanAnyDefaultLimit = std::uintmax_t{1} << 40;
  std::error_code refused;
  std::filesystem::resize_file(file, kMoreThanAnyDefaultLimit, refused);
  if (refused) GTEST_SKIP() << "no sparse files here";
  const Unprivileged unprivileged;
  EXPECT_EQ(reason_of(file, {.map = true, .lock = true}), "Cannot allocate memory");
}

}  // namespace
}  // namespace sterna
