// Tensors from values and from memory of the program's own.
#pragma once
#include <complex>

#include "rushlight/api/tensor.h"

namespace rushlight::api {

namespace detail {

// A number, a list, or braces in braces: what torch::tensor() takes.
class TensorData {
 public:
  TensorData() : sizes_{0}, dtype_(default_dtype()), braced_(true) {}  // {}
  template <class T, require<std::is_arithmetic_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>> = 0>
  TensorData(T v) : TensorData(type_of<T>(), Scalar(v)) {}
  TensorData(complex64 v) : TensorData(DType::Complex64, Scalar(v)) {}
  TensorData(complex128 v) : TensorData(DType::Complex128, Scalar(v)) {}
  TensorData(std::initializer_list<TensorData> items);
  template <class T>
  TensorData(ArrayRef<T> items) : TensorData(type_of<T>(), items.data(), items.size()) {}
  template <class T>
  TensorData(const std::vector<T>& items) : TensorData(ArrayRef<T>(items)) {}
  TensorData(const std::vector<bool>& items);

  // int and int64_t make int64, float and double the default type, as literals in Python do.
  Tensor make(const TensorOptions& options) const;

 private:
  TensorData(DType d, Scalar v) : dtype_(d), number_(v) {}
  TensorData(DType d, const void* items, size_t count);
  template <class T>
  static constexpr DType type_of() {
    if constexpr (std::is_same_v<T, bool> || !std::is_integral_v<T>) return dtype_of<T>;
    else if constexpr (sizeof(T) == 1) return std::is_signed_v<T> ? DType::Int8 : DType::UInt8;
    else return sizeof(T) == 2 ? DType::Int16 : sizeof(T) == 4 ? DType::Int32 : DType::Int64;
  }
  void fill(rushlight::Tensor& out, int64_t& at) const;

  std::vector<int64_t> sizes_;
  DType dtype_;
  bool braced_ = false;
  Scalar number_;
  rushlight::Tensor list_;  // of a vector
  std::vector<TensorData> items_;
};

}  // namespace detail

// torch::tensor(3), torch::tensor({1.0, 2.0}), torch::tensor({{1, 2}, {3, 4}}), torch::tensor(std::vector<float>{...}).
inline Tensor tensor(detail::TensorData data, const TensorOptions& options = {}) { return data.make(options); }

// Borrows memory. Without a deleter the caller keeps it alive for as long as the tensor; the deleter is called with `data` when the last
// tensor over it is gone.
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const std::function<void(void*)>& deleter,
                 const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, const std::function<void(void*)>& deleter,
                 const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {});

}  // namespace rushlight::api
