// Element access for loops: auto a = x.accessor<float, 2>(); a[i][j] = 1;
#pragma once
#include "rushlight/api/tensor.h"

namespace rushlight::api {

template <class T, size_t N>
class TensorAccessor {
 public:
  TensorAccessor(T* data, const int64_t* sizes, const int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  IntArrayRef sizes() const { return {sizes_, N}; }
  IntArrayRef strides() const { return {strides_, N}; }
  int64_t size(int64_t d) const { return sizes_[d]; }
  int64_t stride(int64_t d) const { return strides_[d]; }
  T* data() const { return data_; }
  decltype(auto) operator[](int64_t i) const {
    if constexpr (N == 1) return data_[i * strides_[0]];
    else return TensorAccessor<T, N - 1>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
  }

 private:
  T* data_;
  const int64_t *sizes_, *strides_;
};
template <class T>
class TensorAccessor<T, 0> {  // of a tensor without dimensions
 public:
  TensorAccessor(T* data, const int64_t*, const int64_t*) : data_(data) {}
  operator T&() const { return *data_; }
  T& operator=(const T& v) const { return *data_ = v; }
  T* data() const { return data_; }

 private:
  T* data_;
};

// The same with sizes and strides of its own, so that it may be kept.
template <class T, size_t N, class Index = int64_t>
class PackedTensorAccessor {
 public:
  PackedTensorAccessor(T* data, const int64_t* sizes, const int64_t* strides) : data_(data) {
    std::copy(sizes, sizes + N, sizes_);
    std::copy(strides, strides + N, strides_);
  }
  Index size(int64_t d) const { return Index(sizes_[d]); }
  Index stride(int64_t d) const { return Index(strides_[d]); }
  T* data() const { return data_; }
  decltype(auto) operator[](Index i) const { return TensorAccessor<T, N>(data_, sizes_, strides_)[i]; }

 private:
  T* data_;
  int64_t sizes_[N], strides_[N];
};
template <class T, size_t N>
using PackedTensorAccessor32 = PackedTensorAccessor<T, N, int32_t>;
template <class T, size_t N>
using PackedTensorAccessor64 = PackedTensorAccessor<T, N, int64_t>;

[[noreturn]] void fail_accessor(int64_t wanted, int64_t dims);

template <class T, size_t N>
TensorAccessor<T, N> Tensor::accessor() const& {
  if (dim() != int64_t(N)) fail_accessor(int64_t(N), dim());
  return {data_ptr<T>(), sizes().data(), strides().data()};
}
template <class T, size_t N>
PackedTensorAccessor<T, N, int64_t> Tensor::packed_accessor64() const& {
  if (dim() != int64_t(N)) fail_accessor(int64_t(N), dim());
  return {data_ptr<T>(), sizes().data(), strides().data()};
}
template <class T, size_t N>
PackedTensorAccessor<T, N, int32_t> Tensor::packed_accessor32() const& {
  if (dim() != int64_t(N)) fail_accessor(int64_t(N), dim());
  return {data_ptr<T>(), sizes().data(), strides().data()};
}

}  // namespace rushlight::api
