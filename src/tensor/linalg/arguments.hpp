// What the functions of linear algebra ask of their arguments, and the errors they throw.
#pragma once

#include <cstdint>
#include <string_view>

#include "sterna/error.hpp"
#include "sterna/tensor.hpp"

namespace sterna::linalg {

/// An error about two tensors, with the shapes and dtypes of both.
Error two_tensors(std::string_view operation, std::string_view message, const Tensor& a, const Tensor& b,
                  ErrorCategory category = ErrorCategory::Mismatch);

/// What LAPACK could not do for matrix `place` of a stack, and its `info`.
Error no_result(std::string_view operation, std::string_view message, const Tensor& a, std::int64_t place,
                int info);

/// Throws unless `a` is a stack of finite matrices whose lengths LAPACK can count; `square`: with as many
/// rows as columns.
void require_matrices(std::string_view operation, const Tensor& a, bool square = false);
/// Throws InvalidArgument when there is NaN or infinity.
void require_finite(std::string_view operation, const Tensor& a);

/// F32 for F32 and the half floats, F64 for all else: what LAPACK computes in.
DType computed_type(DType dtype) noexcept;
/// The type of results: F64 for integers and Bool.
DType result_dtype(DType dtype) noexcept;

/// f(T{}) for the T of F32 or F64.
template <class F>
void with_real(DType computed, F&& f) {
  if (computed == DType::F64) {
    f(double{});
  } else {
    f(float{});
  }
}

}  // namespace sterna::linalg
