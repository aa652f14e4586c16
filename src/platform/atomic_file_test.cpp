#include "platform/atomic_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sterna/error.hpp"
#include "support/paths.hpp"

namespace sterna {
namespace {

using std::filesystem::path;

std::string content(const path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<path> entries(const path& folder) {
  std::vector<path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    found.push_back(entry.path().filename());
  }
  return found;
}

template <class F>
std::string reason_of(const F& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::Io);
    return std::string(error.value("reason"));
  }
  return "done";
}

TEST(AtomicFile, IsThereOnlyAfterCommit) {
  const path folder = testing::scratch();
  const path target = folder / "out";
  {
    AtomicFile file(target);
    file.write(as_bytes("hello, "));
    file.write_zeros(3);
    file.write(as_bytes("world"));
    EXPECT_EQ(file.offset(), 15u);
    EXPECT_FALSE(std::filesystem::exists(target));
    file.commit();
  }
  EXPECT_EQ(content(target), std::string("hello, \0\0\0world", 15));
  EXPECT_EQ(entries(folder), std::vector<path>{"out"});
}

TEST(AtomicFile, PiecesOfEverySizeArriveInOrder) {
  const path target = testing::scratch() / "out";
  std::string expected;
  AtomicFile file(target);
  for (const std::size_t size : {1ul, 1048575ul, 1ul, 1048576ul, 3000000ul, 0ul, 7ul, 1048570ul, 20ul}) {
    std::string piece(size, '\0');
    for (std::size_t i = 0; i < size; ++i) piece[i] = static_cast<char>(i * 7 + size);
    file.write(as_bytes(piece));
    file.write_zeros(size / 3);
    expected += piece + std::string(size / 3, '\0');
    ASSERT_EQ(file.offset(), expected.size());
  }
  file.commit();
  EXPECT_TRUE(content(target) == expected);
}

TEST(AtomicFile, OverwritesWhatWasWritten) {
  const path target = testing::scratch() / "out";
  AtomicFile file(target);
  file.write(as_bytes("a header, "));
  file.overwrite(2, as_bytes("HEAD"));  // still in the buffer
  file.write(as_bytes("a body"));
  file.overwrite(0, as_bytes("A"));  // long written
  file.write(as_bytes(", an end"));
  EXPECT_EQ(file.offset(), 24u);
  file.commit();
  EXPECT_EQ(content(target), "A HEADer, a body, an end");
}

TEST(AtomicFile, WithoutCommitTheOldFileStays) {
  const path folder = testing::scratch();
  const path target = folder / "out";
  std::ofstream(target) << "old";
  { AtomicFile(target).write(as_bytes("new")); }
  EXPECT_EQ(content(target), "old");
  EXPECT_EQ(entries(folder), std::vector<path>{"out"});
}

TEST(AtomicFile, WritesThroughASymbolicLink) {
  const path folder = testing::scratch();
  std::ofstream(folder / "real") << "old";
  std::filesystem::create_symlink("real", folder / "link");
  AtomicFile file(folder / "link");
  file.write(as_bytes("new"));
  file.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(content(folder / "real"), "new");
}

TEST(AtomicFile, NewFilesFollowTheUmask) {
  const path target = testing::scratch() / "out";
  const mode_t old = ::umask(027);
  AtomicFile(target).commit();
  ::umask(old);
  struct stat status {};
  ASSERT_EQ(::stat(target.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, RefusesAtOnceWhatItCannotReplace) {
  const path folder = testing::scratch();
  EXPECT_EQ(reason_of([&] { AtomicFile file(folder); }), "Is a directory");
  EXPECT_EQ(reason_of([&] { AtomicFile file(folder / ""); }), "Is a directory");
  EXPECT_EQ(reason_of([&] { AtomicFile file("/dev/null"); }), "not a regular file");
  EXPECT_EQ(reason_of([&] { AtomicFile file(folder / "none" / "out"); }), "No such file or directory");
  EXPECT_EQ(reason_of([&] { AtomicFile file("none-such-folder/"); }), "Is a directory");
  EXPECT_TRUE(entries(folder).empty());
}

/// A limit on the size of files stands for a full disk: write() fails in the same place.
TEST(AtomicFile, AFailedWriteLeavesNothingBehind) {
  const path folder = testing::scratch();
  const path target = folder / "out";
  std::ofstream(target) << "old";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1500000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string block(400000, 'x');
  const auto reason = reason_of([&] {
    AtomicFile file(target);
    for (int i = 0; i < 5; ++i)
      file.write(as_bytes(block));  // the limit cuts one write() short, then refuses
    file.commit();
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(reason, "File too large");
  EXPECT_EQ(content(target), "old");
  EXPECT_EQ(entries(folder), std::vector<path>{"out"});
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMeet) {
  const path folder = testing::scratch();
  AtomicFile first(folder / "out");
  AtomicFile second(folder / "out");
  first.write(as_bytes("first"));
  second.write(as_bytes("second"));
  first.commit();
  EXPECT_EQ(content(folder / "out"), "first");
  second.commit();
  EXPECT_EQ(content(folder / "out"), "second");
  EXPECT_EQ(entries(folder), std::vector<path>{"out"});
}

}  // namespace
}  // namespace sterna
