// What dlpack_test.py calls: tensors of Sterna's, made, taken over and looked at. The test calls with valid
// arguments, and nothing here throws then.
#include "sterna/dlpack.hpp"

#include <string>

extern "C" {

/// 0, 1, … of the named dtype, in a shape (4, 6) that is transposed, and whose rows are in reverse.
sterna::Tensor* bridge_make(const char* dtype) {
  const sterna::Tensor x = sterna::Tensor::arange(24).to(sterna::dtype_from_name(dtype).value());
  return new sterna::Tensor(x.reshape({6, 4}).transpose().slice(0, {.step = -1}));
}
DLManagedTensor* bridge_export(const sterna::Tensor* tensor) {
  return sterna::to_dlpack(*tensor);
}
sterna::Tensor* bridge_import(DLManagedTensor* managed) {
  return new sterna::Tensor(sterna::from_dlpack(managed));
}
const void* bridge_data(const sterna::Tensor* tensor) {
  return tensor->raw();
}
const char* bridge_dtype(const sterna::Tensor* tensor) {
  return sterna::name(tensor->dtype()).data();
}
double bridge_element(const sterna::Tensor* tensor, long row, long column) {
  return tensor->select(0, row).select(0, column).item<double>();
}
long bridge_handles(const sterna::Tensor* tensor) {
  return tensor->storage().use_count();
}
void bridge_drop(sterna::Tensor* tensor) {
  delete tensor;
}
}
