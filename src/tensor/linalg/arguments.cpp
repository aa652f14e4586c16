#include "tensor/linalg/arguments.hpp"

#include <limits>
#include <string>

#include "sterna/ops.hpp"
#include "tensor/axis.hpp"

namespace sterna::linalg {
namespace {

std::string described(const Tensor& a) {
  return to_string(a.shape()) + ' ' + std::string(name(a.dtype()));
}

}  // namespace

Error two_tensors(std::string_view operation, std::string_view message, const Tensor& a, const Tensor& b,
                  ErrorCategory category) {
  return Error(category, message,
               {{"operation", std::string(operation)}, {"operands", described(a) + ", " + described(b)}});
}

Error no_result(std::string_view operation, std::string_view message, const Tensor& a, std::int64_t place,
                int info) {
  Error::Values more;
  if (a.rank() > 2) more.emplace_back("matrix", std::to_string(place));
  more.emplace_back("info", std::to_string(info));
  return tensor_error(ErrorCategory::InvalidArgument, operation, message, a, std::move(more));
}

void require_matrices(std::string_view operation, const Tensor& a, bool square) {
  require_plain(operation, a.dtype());
  if (a.rank() < 2)
    throw tensor_error(ErrorCategory::Mismatch, operation, "a matrix has two axes at least", a);
  if (square && a.size(-1) != a.size(-2))
    throw tensor_error(ErrorCategory::Mismatch, operation, "the matrix is not square", a);
  if (a.size(-1) > std::numeric_limits<int>::max() || a.size(-2) > std::numeric_limits<int>::max())
    throw tensor_error(ErrorCategory::Limit, operation, "an axis is longer than LAPACK counts", a);
  require_finite(operation, a);
}

void require_finite(std::string_view operation, const Tensor& a) {
  if (info(a.dtype()).kind == DTypeKind::Float && !all(isfinite(a)).item<bool>())
    throw tensor_error(ErrorCategory::InvalidArgument, operation, "there is NaN or infinity in the matrix",
                       a);
}

DType computed_type(DType dtype) noexcept {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 ? DType::F32 : DType::F64;
}

DType result_dtype(DType dtype) noexcept {
  return info(dtype).kind == DTypeKind::Float ? dtype : DType::F64;
}

}  // namespace sterna::linalg
