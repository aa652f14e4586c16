// The driver's table: a name of harness.py's rows, and the call it stands for.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sterna/manipulation.hpp"
#include "sterna/tensor.hpp"

namespace sterna::numpy_test {

using Outputs = std::vector<Tensor>;

/// An argument as it came; Dims, lists and index lists have types of their own.
struct Value {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Dims, Tensor, std::vector<Tensor>,
               Indices>
      held;
};

/// The arguments of a case, in the order of harness.py. A wrong place or type throws.
class Args {
 public:
  explicit Args(std::vector<Value> values) : values_(std::move(values)) {}

  std::size_t size() const { return values_.size(); }
  bool none(std::size_t i) const { return std::holds_alternative<std::monostate>(values_.at(i).held); }
  const Tensor& tensor(std::size_t i) const { return as<Tensor>(i); }
  const std::vector<Tensor>& tensors(std::size_t i) const { return as<std::vector<Tensor>>(i); }
  const Indices& indices(std::size_t i) const { return as<Indices>(i); }
  const Dims& dims(std::size_t i) const { return as<Dims>(i); }
  const std::string& text(std::size_t i) const { return as<std::string>(i); }
  std::int64_t integer(std::size_t i) const { return as<std::int64_t>(i); }
  double number(std::size_t i) const { return as<double>(i); }
  bool flag(std::size_t i) const { return as<bool>(i); }
  /// None or an integer; None or axes.
  MaybeAxis maybe_axis(std::size_t i) const { return none(i) ? MaybeAxis{} : integer(i); }
  std::optional<Axes> maybe_axes(std::size_t i) const { return none(i) ? std::optional<Axes>{} : dims(i); }
  /// int, float or bool.
  Scalar scalar(std::size_t i) const;
  /// A dtype's name, or None.
  DType dtype(std::size_t i) const { return dtype_from_name(text(i)).value(); }
  std::optional<DType> maybe_dtype(std::size_t i) const {
    return none(i) ? std::optional<DType>{} : dtype(i);
  }

 private:
  template <class T>
  const T& as(std::size_t i) const {
    return std::get<T>(values_.at(i).held);
  }
  std::vector<Value> values_;
};

struct Row {
  std::string name;
  std::function<Outputs(const Args&)> run;
};

/// Rows of a file: `const Rows kRows{{"roll", [](const Args& a) -> Outputs { … }}, …};`
struct Rows {
  Rows(std::initializer_list<Row> rows);
};

}  // namespace sterna::numpy_test
