// Arrays out of a .npz, through libzip. What it is asked to unpack is checked first: sizes against each
// other, against the file, and against the limit.
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "base/checked.hpp"
#include "format/npy/header.hpp"
#include "platform/mapped_file.hpp"
#include "sterna/error.hpp"
#include "sterna/npy.hpp"

namespace sterna {
namespace {

constexpr std::string_view kSuffix = ".npy";
// A match of 258 bytes takes at least two bits: one for its length, one for its distance (RFC 1951).
constexpr std::uint64_t kMaxDeflateRatio = 258 * 8 / 2;

struct CloseArchive {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const noexcept { zip_fclose(entry); }
};

class Archive {
 public:
  Archive(Bytes bytes, std::string_view file, const NpzOptions& options)
      : file_(file), size_(bytes.size()), options_(options) {
    if (bytes.empty())  // to libzip, an archive that has yet to be filled
      throw failure(ErrorCategory::Format, "the archive cannot be read", {{"found", "0 bytes"}});
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
    if (source) archive_.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
    if (!archive_) {
      const Error refusal = zip_failure("the archive cannot be read", error);
      zip_source_free(source);
      zip_error_fini(&error);
      throw refusal;
    }
    list();
  }

  std::vector<NamedTensor> read() {
    if (!options_.names.empty()) choose();
    check_inflated();
    std::vector<NamedTensor> tensors;
    for (const Entry& entry : entries_) tensors.push_back({entry.name, read(entry)});
    return tensors;
  }

 private:
  struct Entry {
    std::string name;
    zip_uint64_t index;
    std::uint64_t size;
    bool deflated;
  };

  Error failure(ErrorCategory category, std::string_view message, Error::Values values) const {
    values.insert(values.begin(), {"file", file_});
    return Error(category, message, std::move(values));
  }
  Error zip_failure(std::string_view message, zip_error_t& error) const {
    const bool memory = zip_error_code_zip(&error) == ZIP_ER_MEMORY;
    return failure(memory ? ErrorCategory::Limit : ErrorCategory::Format, message,
                   {{"reason", zip_error_strerror(&error)}});
  }

  void list() {
    const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
    std::uint64_t packed = 0;  // entries that lie in each other would be counted twice
    std::set<std::string> names;
    for (zip_int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<zip_uint64_t>(i);
      zip_stat_t status;
      if (zip_stat_index(archive_.get(), index, ZIP_FL_ENC_STRICT, &status) != 0)
        throw zip_failure("an entry cannot be read", *zip_get_error(archive_.get()));
      std::string name = status.name;
      const auto refuse = [&](ErrorCategory category, std::string_view message, std::string found,
                              std::string expected) {
        throw failure(
            category, message,
            {{"entry", name.substr(0, 100)}, {"found", std::move(found)}, {"expected", std::move(expected)}});
      };
      if (!names.insert(name).second) refuse(ErrorCategory::Format, "a name occurs twice", "twice", "once");
      if (!name.ends_with(kSuffix))
        refuse(ErrorCategory::Unsupported, "an entry is no array", "another name", "NAME.npy");
      if (status.encryption_method != ZIP_EM_NONE)
        refuse(ErrorCategory::Unsupported, "an entry is encrypted",
               "method " + std::to_string(status.encryption_method), "no encryption");
      if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
        refuse(ErrorCategory::Unsupported, "an entry is compressed in another way",
               "method " + std::to_string(status.comp_method), "0 (stored) or 8 (deflated)");
      const auto sum = checked_add<std::uint64_t>(packed, status.comp_size);
      if (!sum || *sum > size_)
        refuse(ErrorCategory::Format, "the entries are larger than the file",
               std::to_string(status.comp_size) + " more bytes", std::to_string(size_) + " in all");
      packed = *sum;
      const bool deflated = status.comp_method == ZIP_CM_DEFLATE;
      const std::uint64_t most = status.comp_size * (deflated ? kMaxDeflateRatio : 1);  // comp_size ≤ size_
      if (status.size > most || (!deflated && status.size != most))
        refuse(ErrorCategory::Format, "an entry's sizes contradict each other",
               std::to_string(status.size) + " bytes", (deflated ? "at most " : "") + std::to_string(most));
      name.resize(name.size() - kSuffix.size());
      entries_.push_back({std::move(name), index, status.size, deflated});
    }
  }

  void choose() {
    std::vector<Entry> chosen;
    for (const std::string& name : options_.names) {
      const auto entry = std::ranges::find(entries_, name, &Entry::name);
      if (entry == entries_.end())
        throw failure(ErrorCategory::Mismatch, "no such array in the file", {{"expected", name}});
      chosen.push_back(*entry);
    }
    entries_ = std::move(chosen);
  }

  void check_inflated() const {
    std::uint64_t total = 0;  // of sizes that are at most 1032 times the file's, for each name asked for
    for (const Entry& entry : entries_) {
      if (!entry.deflated) continue;
      const auto sum = checked_add(total, entry.size);
      total = sum.value_or(options_.max_inflated);
      if (sum && *sum <= options_.max_inflated) continue;
      throw failure(ErrorCategory::Limit, "the arrays are larger than the limit for compressed ones",
                    {{"entry", entry.name},
                     {"found", "at least " + std::to_string(total) + " bytes"},
                     {"expected", "at most " + std::to_string(options_.max_inflated)}});
    }
  }

  Tensor read(const Entry& entry) {
    const std::string name = file_ + ":" + entry.name + std::string(kSuffix);
    const std::unique_ptr<zip_file_t, CloseEntry> open(zip_fopen_index(archive_.get(), entry.index, 0));
    if (!open)
      throw zip_failure("an entry cannot be read", *zip_get_error(archive_.get())).with("entry", entry.name);
    const auto fill = [&](MutableBytes to) {
      while (!to.empty()) {
        const zip_int64_t n = zip_fread(open.get(), to.data(), to.size());
        if (n < 0)
          throw zip_failure("an entry is damaged", *zip_file_get_error(open.get())).with("entry", entry.name);
        if (n == 0)
          throw failure(ErrorCategory::Format, "an entry is cut off",
                        {{"entry", entry.name}, {"found", std::to_string(to.size()) + " bytes too few"}});
        to = to.subspan(static_cast<std::size_t>(n));
      }
    };
    std::vector<std::byte> head(std::min<std::uint64_t>(entry.size, npy::kMaxHeader));
    fill(head);
    const npy::Header header = npy::parse_header(head, entry.size, name);
    const auto storage = Storage::allocate(header.data_bytes);
    const MutableBytes elements(storage->data(), header.data_bytes);
    const std::size_t known = head.size() - header.data_offset;
    if (known > 0) std::memcpy(elements.data(), head.data() + header.data_offset, known);
    fill(elements.subspan(known));
    std::byte beyond;  // the end is where libzip compares the CRC
    const zip_int64_t rest = zip_fread(open.get(), &beyond, 1);
    if (rest < 0)
      throw zip_failure("an entry is damaged", *zip_file_get_error(open.get())).with("entry", entry.name);
    if (rest > 0)
      throw failure(ErrorCategory::Format, "an entry is longer than it says",
                    {{"entry", entry.name}, {"expected", std::to_string(entry.size) + " bytes"}});
    npy::finish_elements(header, elements, name);
    return npy::tensor_on(header, storage);
  }

  std::string file_;
  std::uint64_t size_;
  const NpzOptions& options_;
  std::unique_ptr<zip_t, CloseArchive> archive_;
  std::vector<Entry> entries_;
};

}  // namespace

std::vector<NamedTensor> parse_npz(std::span<const std::byte> bytes, std::string_view name,
                                   const NpzOptions& options) {
  return Archive(bytes, name, options).read();
}

std::vector<NamedTensor> read_npz(const std::filesystem::path& path, const NpzOptions& options) {
  const auto file = MappedFile::open(path);
  return parse_npz(file->bytes(), path.string(), options);
}

}  // namespace sterna
