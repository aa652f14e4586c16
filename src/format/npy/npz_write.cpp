// Arrays into a .npz, through libzip, whose output goes to an AtomicFile.
#include <zip.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <set>
#include <utility>

#include "format/npy/header.hpp"
#include "platform/atomic_file.hpp"
#include "sterna/error.hpp"
#include "sterna/npy.hpp"

namespace sterna {
namespace {

/// The file as libzip writes it: mostly at the end, and once for each entry over the header before its bytes.
class Target {
 public:
  explicit Target(const std::filesystem::path& path) : file_(path) { zip_error_init(&error_); }
  ~Target() { zip_error_fini(&error_); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// What went wrong in the file, if anything did.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }
  void commit() { file_.commit(); }

  static zip_int64_t callback(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    return static_cast<Target*>(self)->answer(data, length, command);
  }

 private:
  zip_int64_t answer(void* data, zip_uint64_t length, zip_source_cmd_t command) {
    switch (command) {
      case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
      case ZIP_SOURCE_STAT: {  // an empty file, to be written
        auto* status = static_cast<zip_stat_t*>(data);
        zip_stat_init(status);
        status->size = 0;
        status->valid = ZIP_STAT_SIZE;
        return sizeof *status;
      }
      case ZIP_SOURCE_WRITE:
        return write({static_cast<const std::byte*>(data), length});
      case ZIP_SOURCE_SEEK_WRITE: {
        const zip_int64_t to = zip_source_seek_compute_offset(at_, file_.offset(), data, length, &error_);
        if (to < 0) return -1;
        at_ = static_cast<std::uint64_t>(to);
        return 0;
      }
      case ZIP_SOURCE_TELL_WRITE:
        return static_cast<zip_int64_t>(at_);
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&error_, data, length);
      default:  // opening, closing, committing: the AtomicFile's owner does that; reading: there is nothing
        return 0;
    }
  }

  zip_int64_t write(Bytes bytes) {
    try {
      const std::uint64_t before = std::min<std::uint64_t>(bytes.size(), file_.offset() - at_);
      if (before > 0) file_.overwrite(at_, bytes.first(before));
      if (before < bytes.size()) file_.write(bytes.subspan(before));
    } catch (...) {  // must not pass through C
      failure_ = std::current_exception();
      zip_error_set(&error_, ZIP_ER_WRITE, 0);
      return -1;
    }
    at_ += bytes.size();
    return static_cast<zip_int64_t>(bytes.size());
  }

  AtomicFile file_;
  std::uint64_t at_ = 0;  // never beyond the file's end
  zip_error_t error_;
  std::exception_ptr failure_;
};

struct Discard {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};

void add(zip_t* archive, const std::string& name, const npy::Image& image, bool compress) {
  const auto fragment = [](Bytes bytes) {
    return zip_buffer_fragment_t{reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(bytes.data())),
                                 bytes.size()};
  };
  const zip_buffer_fragment_t parts[] = {fragment(as_bytes(image.header)), fragment(image.data())};
  const bool elements = !image.data().empty();
  zip_source_t* source = zip_source_buffer_fragment(archive, parts, elements ? 2 : 1, 0);
  const auto fail = [&] {
    throw Error(ErrorCategory::InvalidArgument, "the array cannot be added to the file",
                {{"entry", name}, {"reason", zip_strerror(archive)}});
  };
  if (!source) fail();
  const zip_int64_t index = zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    fail();
  }
  const auto at = static_cast<zip_uint64_t>(index);
  constexpr zip_uint16_t kMidnight = 0;
  constexpr zip_uint16_t kFirstOfJanuary1980 = 1 << 5 | 1;  // where the count of years begins
  if (zip_set_file_compression(archive, at, compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(archive, at, kMidnight, kFirstOfJanuary1980, 0) != 0)
    fail();
}

}  // namespace

void write_npz(const std::filesystem::path& path, std::span<const NamedTensor> tensors, bool compress) {
  const auto refuse = [&](std::string_view message, std::string found) {
    throw Error(ErrorCategory::InvalidArgument, message,
                {{"file", path.string()}, {"found", std::move(found)}});
  };
  if (tensors.empty()) refuse("there are no arrays to write", "none");
  std::vector<npy::Image> images;
  std::set<std::string_view> names;
  for (const NamedTensor& each : tensors) {
    if (each.name.empty() || each.name.find('\0') != each.name.npos)
      refuse("an array has no usable name", each.name);
    if (!names.insert(each.name).second) refuse("a name occurs twice", each.name);
    images.push_back(npy::image_of(each.tensor));
  }

  Target target(path);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* output = zip_source_function_create(Target::callback, &target, &error);
  std::unique_ptr<zip_t, Discard> archive(
      output ? zip_open_from_source(output, ZIP_CREATE | ZIP_TRUNCATE, &error) : nullptr);
  if (!archive) {
    zip_source_free(output);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw Error(ErrorCategory::Internal, "libzip refuses to write", {{"reason", reason}});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) add(archive.get(), tensors[i].name, images[i], compress);
  if (zip_close(archive.get()) != 0) {
    target.rethrow();
    throw Error(ErrorCategory::Io, "cannot write the file",
                {{"file", path.string()}, {"reason", zip_strerror(archive.get())}});
  }
  archive.release();  // closed
  target.commit();
}

}  // namespace sterna
