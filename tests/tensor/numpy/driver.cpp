// Reads the cases of harness.py from stdin, calls the row of each, and writes what it gives to stdout.
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <stdexcept>

#include "rows.hpp"
#include "sterna/error.hpp"

namespace sterna::numpy_test {
namespace {

std::map<std::string, std::function<Outputs(const Args&)>>& table() {
  static std::map<std::string, std::function<Outputs(const Args&)>> rows;
  return rows;
}

struct Blob {
  DType dtype;
  std::shared_ptr<Storage> storage;
};

class Reader {
 public:
  explicit Reader(std::string data) : data_(std::move(data)) {}

  template <class T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  const char* take(std::size_t count) {
    if (count > data_.size() - at_) throw std::runtime_error("the cases end too early");
    at_ += count;
    return data_.data() + at_ - count;
  }
  Dims dims(std::size_t count) {
    Dims values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(get<std::int64_t>());
    return values;
  }
  std::string text() {
    const auto length = get<std::uint16_t>();
    return std::string(take(length), length);
  }

 private:
  std::string data_;
  std::size_t at_ = 0;
};

// Codes of dtypes are places in the table of dtypes, whose first rows are the plain ones.
DType dtype_of_code(std::uint8_t code) {
  return dtype_table()[code].dtype;
}

/// A case's arguments. Storages that it may write are copied, once per case.
class CaseReader {
 public:
  CaseReader(Reader& in, const std::vector<Blob>& blobs) : in_(in), blobs_(blobs) {}

  Value value() { return value_of(in_.get<char>()); }

  /// The whole storages that the case may have written.
  Outputs written() const {
    Outputs result;
    for (const std::uint32_t id : order_) result.push_back(whole(copies_.at(id), blobs_[id].dtype));
    return result;
  }
  bool is_argument(const Tensor& tensor) const {
    for (const Tensor& argument : arguments_) {
      if (tensor.shares_storage_with(argument)) return true;
    }
    return false;
  }

 private:
  static Tensor whole(const std::shared_ptr<Storage>& storage, DType dtype) {
    const auto count = static_cast<std::int64_t>(storage->bytes() / info(dtype).block_bytes);
    return Tensor(storage, dtype, {count}, {1});
  }

  Tensor tensor() {
    const auto id = in_.get<std::uint32_t>();
    const bool writes = in_.get<std::uint8_t>();
    const DType dtype = dtype_of_code(in_.get<std::uint8_t>());
    const auto rank = in_.get<std::uint8_t>();
    Shape shape = in_.dims(rank);
    Strides strides = in_.dims(rank);
    const auto offset = in_.get<std::int64_t>();
    std::shared_ptr<Storage> storage = blobs_.at(id).storage;
    if (writes) {
      auto& copy = copies_[id];
      if (!copy) {
        copy = whole(storage, dtype).clone().storage();
        order_.push_back(id);
      }
      storage = copy;
    }
    arguments_.push_back(Tensor(storage, dtype, std::move(shape), std::move(strides), offset));
    return arguments_.back();
  }

  Index entry() {
    switch (const char tag = in_.get<char>()) {
      case 'W':
        return kNewAxis;
      case 'E':
        return kEllipsis;
      case 'I':
        return in_.get<std::int64_t>();
      case 'T':
        return tensor();
      case 'Z': {
        Slice slice;
        const bool has_start = in_.get<std::uint8_t>();
        slice.start = in_.get<std::int64_t>();
        const bool has_stop = in_.get<std::uint8_t>();
        slice.stop = in_.get<std::int64_t>();
        slice.step = in_.get<std::int64_t>();
        if (!has_start) slice.start.reset();
        if (!has_stop) slice.stop.reset();
        return slice;
      }
      default:
        throw std::runtime_error(std::string("unknown entry ") + tag);
    }
  }

  Value value_of(char tag) {
    switch (tag) {
      case 'N':
        return {};
      case 'B':
        return {in_.get<std::uint8_t>() != 0};
      case 'I':
        return {in_.get<std::int64_t>()};
      case 'F':
        return {in_.get<double>()};
      case 'S':
        return {in_.text()};
      case 'D':
        return {in_.dims(in_.get<std::uint8_t>())};
      case 'T':
        return {tensor()};
      case 'L': {
        std::vector<Tensor> list(in_.get<std::uint8_t>());
        for (Tensor& each : list) each = std::get<Tensor>(value().held);
        return {std::move(list)};
      }
      case 'X': {
        Indices entries;
        for (int n = in_.get<std::uint8_t>(); n > 0; --n) entries.push_back(entry());
        return {std::move(entries)};
      }
      default:
        throw std::runtime_error(std::string("unknown argument ") + tag);
    }
  }

  Reader& in_;
  const std::vector<Blob>& blobs_;
  std::map<std::uint32_t, std::shared_ptr<Storage>> copies_;
  std::vector<std::uint32_t> order_;
  std::vector<Tensor> arguments_;
};

class Writer {
 public:
  template <class T>
  void put(T value) {
    write(&value, sizeof value);
  }
  void write(const void* data, std::size_t count) {
    if (count != 0) std::fwrite(data, 1, count, stdout);  // an empty tensor may have no address
  }
  void tensor(const Tensor& tensor, bool shares) {
    const Tensor whole = tensor.contiguous();
    put(static_cast<std::uint8_t>(whole.dtype()));
    put(static_cast<std::uint8_t>(shares));
    put(static_cast<std::uint8_t>(whole.rank()));
    for (const std::int64_t length : whole.shape()) put(length);
    put(static_cast<std::uint64_t>(whole.bytes()));
    write(whole.raw(), whole.bytes());
  }
  void failure(std::uint8_t status, const std::string& message) {
    put(status);
    put(static_cast<std::uint32_t>(message.size()));
    write(message.data(), message.size());
  }
};

void run(Reader& in, Writer& out, const std::vector<Blob>& blobs) {
  const std::string name = in.text();
  CaseReader reader(in, blobs);
  std::vector<Value> values;
  for (int n = in.get<std::uint8_t>(); n > 0; --n) values.push_back(reader.value());
  try {
    const auto row = table().find(name);
    if (row == table().end()) throw std::runtime_error("no row " + name);
    Outputs outputs = row->second(Args(std::move(values)));
    const Outputs written = reader.written();
    out.put(std::uint8_t{0});
    out.put(static_cast<std::uint8_t>(outputs.size() + written.size()));
    for (const Tensor& each : outputs) out.tensor(each, reader.is_argument(each));
    for (const Tensor& each : written) out.tensor(each, true);
  } catch (const Error& error) {
    out.failure(1, error.what());
  } catch (const std::exception& error) {
    out.failure(2, error.what());
  }
}

void run_all() {
  std::string data;
  char block[1 << 16];
  while (const std::size_t count = std::fread(block, 1, sizeof block, stdin)) data.append(block, count);
  Reader in(std::move(data));
  std::vector<Blob> blobs(in.get<std::uint32_t>());
  for (Blob& blob : blobs) {
    blob.dtype = dtype_of_code(in.get<std::uint8_t>());
    const auto bytes = in.get<std::uint64_t>();
    blob.storage = Storage::allocate(bytes);
    const char* from = in.take(bytes);
    if (bytes > 0) std::memcpy(blob.storage->data(), from, bytes);
  }
  Writer out;
  for (auto n = in.get<std::uint32_t>(); n > 0; --n) run(in, out, blobs);
}

}  // namespace

Scalar Args::scalar(std::size_t i) const {
  const auto& held = values_.at(i).held;
  if (const bool* value = std::get_if<bool>(&held)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&held)) return *value;
  return std::get<double>(held);
}

Rows::Rows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) table().emplace(row.name, row.run);
}

}  // namespace sterna::numpy_test

int main() {
  try {
    sterna::numpy_test::run_all();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "numpy_driver: %s\n", error.what());
    return 1;
  }
}
