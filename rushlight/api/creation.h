// Tensors from values and from memory of the program's own.
#pragma once
#include <complex>

#include "rushlight/api/tensor.h"

namespace rushlight::api {

namespace detail {

// A number, a list, or braces in braces: what torch::tensor() takes.
class TensorDataContainer {
 public:
  TensorDataContainer() : sizes_{0}, dtype_(default_dtype()), braced_(true) {}  // {}
  template <class T, require<std::is_arithmetic_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>> = 0>
  TensorDataContainer(T v) : TensorDataContainer(type_of<T>(), Scalar(v)) {}
  TensorDataContainer(complex64 v) : TensorDataContainer(DType::Complex64, Scalar(v)) {}
  TensorDataContainer(complex128 v) : TensorDataContainer(DType::Complex128, Scalar(v)) {}
  TensorDataContainer(std::initializer_list<TensorDataContainer> items);
  template <class T>
  TensorDataContainer(ArrayRef<T> items) : TensorDataContainer(type_of<T>(), items.data(), items.size()) {}
  template <class T>
  TensorDataContainer(const std::vector<T>& items) : TensorDataContainer(ArrayRef<T>(items)) {}
  TensorDataContainer(const std::vector<bool>& items);

  // Which of the three it is; the last is a vector's. Asking for another one throws RuntimeError.
  bool is_scalar() const { return !braced_ && !list_.defined(); }
  bool is_init_list() const { return braced_; }
  bool is_tensor() const { return list_.defined(); }
  const Scalar& scalar() const;
  const std::vector<TensorDataContainer>& init_list() const;
  Tensor tensor() const;
  const std::vector<int64_t>& sizes() const { return sizes_; }
  ScalarType scalar_type() const { return ScalarType(dtype_); }

  // int and int64_t make int64, float and double the default type, as literals in Python do.
  Tensor make(const TensorOptions& options) const;

 private:
  TensorDataContainer(DType d, Scalar v) : dtype_(d), number_(v) {}
  TensorDataContainer(DType d, const void* items, size_t count);
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
  std::vector<TensorDataContainer> items_;
};

// As it is written: {{1, 2}, {3, 4}}.
std::ostream& operator<<(std::ostream& out, const TensorDataContainer& data);

}  // namespace detail

// torch::tensor(3), torch::tensor({1.0, 2.0}), torch::tensor({{1, 2}, {3, 4}}), torch::tensor(std::vector<float>{...}).
inline Tensor tensor(detail::TensorDataContainer data, const TensorOptions& options = {}) { return data.make(options); }

namespace detail {
// at::tensor keeps the values' own type, and makes a list of a number.
inline Tensor of_own_type(const TensorDataContainer& data, const TensorOptions& options) {
  return data.make(options.has_dtype() ? options : options.dtype(data.scalar_type()));
}
// `data`, given back by `deleter`, which must not throw: what it throws is a warning.
std::shared_ptr<void> kept(void* data, std::function<void(void*)> deleter);
}  // namespace detail

// Borrows memory. Without a deleter the caller keeps it alive for as long as the tensor; the deleter is called with `data` when the last
// tensor over it is gone.
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const std::function<void(void*)>& deleter,
                 const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, const std::function<void(void*)>& deleter,
                 const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, const TensorOptions& options = {});
Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {});

}  // namespace rushlight::api

namespace at {
template <class T>
rushlight::api::Tensor tensor(rushlight::ArrayRef<T> values, const rushlight::api::TensorOptions& options = {}) {
  return rushlight::api::detail::of_own_type(values, options);
}
template <class T>
rushlight::api::Tensor tensor(std::initializer_list<T> values, const rushlight::api::TensorOptions& options = {}) {
  return at::tensor(rushlight::ArrayRef<T>(values), options);
}
template <class T>
rushlight::api::Tensor tensor(const std::vector<T>& values, const rushlight::api::TensorOptions& options = {}) {
  return rushlight::api::detail::of_own_type(values, options);
}
template <class T, rushlight::require<(int(rushlight::dtype_of_type<T>::value) >= 0)> = 0>
rushlight::api::Tensor tensor(T value, const rushlight::api::TensorOptions& options = {}) {
  return at::tensor(rushlight::ArrayRef<T>(value), options);
}
}  // namespace at
