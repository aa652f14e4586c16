#include "platform/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>

#include "base/checked.hpp"
#include "platform/cpu.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/system_error.hpp"
#include "platform/thread_pool.hpp"

namespace sterna {
namespace {

int open_for_reading(const std::filesystem::path& path) {
  int fd;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // O_NONBLOCK: a FIFO must not wait
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/// Fills `to` from byte `from` of the file on.
void read_piece(int fd, std::size_t from, MutableBytes to, const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t n = ::pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(from + done));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw io_error("cannot read the file", path, errno);
    }
    if (n == 0) {
      throw Error(ErrorCategory::Io, "the file shrank while it was read",
                  {{"file", path.string()},
                   {"found", std::to_string(from + done)},
                   {"expected", "at least " + std::to_string(from + to.size())}});
    }
    done += static_cast<std::size_t>(n);
  }
}

/// Fills `to` from the start of the file.
void read_all(int fd, MutableBytes to, const std::filesystem::path& path) {
  // Linux moves at most 2^31 − 4096 bytes in a call; smaller pieces also let a signal stop the program.
  constexpr std::size_t kPiece = std::size_t{16} << 20;
  // Copying from the page cache, and clearing what is copied to, is bound by a core's work; a few of them
  // reach what the memory gives.
  constexpr unsigned kReaders = 8;
  const std::size_t pieces = ceil_div(to.size(), kPiece);
  ThreadPool readers(
      static_cast<unsigned>(std::min<std::size_t>(pieces, std::min(kReaders, cpu_info().physical_cores))));
  std::mutex mutex;
  std::exception_ptr failure;
  readers.parallel_for(pieces, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    try {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t from = i * kPiece;
        read_piece(fd, from, to.subspan(from, std::min(kPiece, to.size() - from)), path);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void lock_pages(const void* at, std::size_t size, const std::filesystem::path& path) {
  if (::mlock(at, size) == 0) return;
  const int code = errno;
  Error error = io_error("cannot lock the file in memory", path, code).with("expected", std::to_string(size));
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    error = error.with("limit", std::to_string(limit.rlim_cur));
  }
  throw error;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, MapOptions options) {
  const FileDescriptor fd(open_for_reading(path));
  if (fd.get() < 0) throw io_error("cannot open the file", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw io_error("cannot open the file", path, errno);
  if (S_ISDIR(status.st_mode)) throw io_error("cannot open the file", path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCategory::Io, "cannot open the file",
                {{"file", path.string()}, {"reason", "not a regular file"}});
  }

  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->mapped_ = options.map;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return file;

  // Both kinds of memory come from mmap: aligned to a page, given back in the same way.
  void* at = options.map ? ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0)
                         : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    throw io_error(options.map ? "cannot map the file" : "no memory for the file", path, errno)
        .with("expected", std::to_string(size));
  }
  file->bytes_ = {static_cast<const std::byte*>(at), size};  // from here on the destructor unmaps
  if (!options.map) {
    ::madvise(at, size, MADV_HUGEPAGE);  // fewer page faults and misses of the address cache, where it works
    read_all(fd.get(), {static_cast<std::byte*>(at), size}, path);
    ::mprotect(at, size, PROT_READ);
  }
  if (options.lock) lock_pages(at, size, path);
  return file;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace sterna
