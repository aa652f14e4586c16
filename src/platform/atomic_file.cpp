#include "platform/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "platform/file_descriptor.hpp"
#include "platform/system_error.hpp"

namespace sterna {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;  // one system call per MiB

/// What rename() will replace. A symbolic link is followed, so that its target is written and the link
/// stays; what is no regular file (a directory, /dev/null) is never replaced.
std::filesystem::path target_of(std::filesystem::path path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return path;  // a missing folder is found out when the temporary file is made
    throw io_error("cannot write the file", path, errno);
  }
  if (S_ISDIR(status.st_mode)) throw io_error("cannot write the file", path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCategory::Io, "cannot write the file",
                {{"file", path.string()}, {"reason", "not a regular file"}});
  }
  std::error_code unresolved;
  auto resolved = std::filesystem::canonical(path, unresolved);
  return unresolved ? std::move(path) : std::move(resolved);
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

void write_all(int fd, Bytes bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw io_error("cannot write the file", path, errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

/// tries(name) with names beside `path` until it does not fail for a name that is taken: left by a process
/// that had this number before.
template <class Try>
std::filesystem::path with_free_name(const std::filesystem::path& path, Try&& tries) {
  static std::atomic<unsigned> counter{0};
  for (;;) {
    auto name = folder_of(path) /
                (".sterna-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp");
    if (tries(name.c_str())) return name;
    if (errno != EEXIST && errno != EINTR) throw io_error("cannot write the file", path, errno);
  }
}

/// By which an open file without a name gets one.
std::string proc_name(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(target_of(std::move(path))) {
  if (!path_.has_filename()) throw io_error("cannot write the file", path_, EISDIR);
  buffer_.reserve(kBufferBytes);
#if defined(O_TMPFILE)
  // Where the file system can: without a name until it is whole, so that a killed process leaves nothing.
  fd_ = ::open(folder_of(path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd_ >= 0 && ::access(proc_name(fd_).c_str(), F_OK) == 0) return;
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
#endif
  temporary_ = with_free_name(path_, [&](const char* name) {
    fd_ = ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd_ >= 0;
  });
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(Bytes bytes) {
  if (bytes.size() > kBufferBytes - buffer_.size()) {
    flush();
    if (bytes.size() >= kBufferBytes) {
      write_all(fd_, bytes, path_);
      offset_ += bytes.size();
      return;
    }
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  offset_ += bytes.size();
}

void AtomicFile::write_zeros(std::uint64_t n) {
  while (n > 0) {
    if (buffer_.size() == kBufferBytes) flush();
    const auto piece = std::min<std::uint64_t>(n, kBufferBytes - buffer_.size());
    buffer_.resize(buffer_.size() + piece);
    offset_ += piece;
    n -= piece;
  }
}

void AtomicFile::overwrite(std::uint64_t at, Bytes bytes) {
  flush();
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw io_error("cannot write the file", path_, errno);
    }
    at += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::flush() {
  write_all(fd_, buffer_, path_);
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(fd_) != 0) throw io_error("cannot write the file", path_, errno);
  if (temporary_.empty()) {
    temporary_ = with_free_name(path_, [&](const char* name) {
      return ::linkat(AT_FDCWD, proc_name(fd_).c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
    });
  }
  // Some file systems report a full disk only here. The descriptor is gone whatever close() says.
  if (::close(std::exchange(fd_, -1)) != 0) throw io_error("cannot write the file", path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw io_error("cannot write the file", path_, errno);
  temporary_.clear();
  // The new name survives a power cut once its folder is on disk; the data already are, so a file system
  // that cannot do this is no failure.
  const FileDescriptor folder(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

}  // namespace sterna
