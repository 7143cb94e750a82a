// Element access for loops: auto a = x.accessor<float, 2>(); a[i][j] = 1;
#pragma once
#include <limits>

#include "rushlight/api/tensor.h"

namespace rushlight::api {

// How an accessor's pointer is declared.
template <class T>
struct DefaultPtrTraits {
  using PtrType = T*;
};
template <class T>
struct RestrictPtrTraits {
  using PtrType = T* __restrict;
};

template <class T, size_t N, template <class> class PtrTraits, class Index>
class TensorAccessor {
 public:
  using PtrType = typename PtrTraits<T>::PtrType;
  TensorAccessor(PtrType data, const Index* sizes, const Index* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  ArrayRef<Index> sizes() const { return {sizes_, N}; }
  ArrayRef<Index> strides() const { return {strides_, N}; }
  Index size(int64_t d) const { return sizes_[d]; }
  Index stride(int64_t d) const { return strides_[d]; }
  PtrType data() const { return data_; }
  decltype(auto) operator[](Index i) const {
    if constexpr (N == 1) return static_cast<T&>(data_[i * strides_[0]]);
    else return TensorAccessor<T, N - 1, PtrTraits, Index>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
  }

 private:
  PtrType data_;
  const Index *sizes_, *strides_;
};
template <class T, template <class> class PtrTraits, class Index>
class TensorAccessor<T, 0, PtrTraits, Index> {  // of a tensor without dimensions
 public:
  TensorAccessor(T* data, const Index*, const Index*) : data_(data) {}
  operator T&() const { return *data_; }
  T& operator=(const T& v) const { return *data_ = v; }
  T* data() const { return data_; }

 private:
  T* data_;
};

// The same with sizes and strides of its own, so that it may be kept.
template <class T, size_t N, template <class> class PtrTraits, class Index>
class GenericPackedTensorAccessor {
 public:
  using PtrType = typename PtrTraits<T>::PtrType;
  template <class From>
  GenericPackedTensorAccessor(PtrType data, const From* sizes, const From* strides) : data_(data) {
    for (size_t d = 0; d < N; d++) sizes_[d] = Index(sizes[d]), strides_[d] = Index(strides[d]);
  }
  Index size(int64_t d) const { return sizes_[d]; }
  Index stride(int64_t d) const { return strides_[d]; }
  PtrType data() const { return data_; }
  decltype(auto) operator[](Index i) const {
    return TensorAccessor<T, N, PtrTraits, Index>(data_, sizes_, strides_)[i];
  }
  // Throws IndexError for a dimension that is not there.
  GenericPackedTensorAccessor transpose(int64_t a, int64_t b) const {
    GenericPackedTensorAccessor out = *this;
    std::swap(out.sizes_[wrap_dim(a, int64_t(N))], out.sizes_[wrap_dim(b, int64_t(N))]);
    std::swap(out.strides_[wrap_dim(a, int64_t(N))], out.strides_[wrap_dim(b, int64_t(N))]);
    return out;
  }

 private:
  PtrType data_;
  Index sizes_[N ? N : 1], strides_[N ? N : 1];
};
template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits>
using PackedTensorAccessor32 = GenericPackedTensorAccessor<T, N, PtrTraits, int32_t>;
template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits>
using PackedTensorAccessor64 = GenericPackedTensorAccessor<T, N, PtrTraits, int64_t>;
template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits, class Index = int64_t>
using PackedTensorAccessor = GenericPackedTensorAccessor<T, N, PtrTraits, Index>;

[[noreturn]] void fail_accessor(int64_t wanted, int64_t dims);
[[noreturn]] void fail_accessor_index(int64_t numel, size_t index_bytes);

template <class T, size_t N>
TensorAccessor<T, N> Tensor::accessor() const& {
  if (dim() != int64_t(N)) fail_accessor(int64_t(N), dim());
  return {data_ptr<T>(), sizes().data(), strides().data()};
}
template <class T, size_t N, template <class> class PtrTraits, class Index>
GenericPackedTensorAccessor<T, N, PtrTraits, Index> Tensor::generic_packed_accessor() const& {
  if (dim() != int64_t(N)) fail_accessor(int64_t(N), dim());
  if (numel() > int64_t(std::numeric_limits<Index>::max())) fail_accessor_index(numel(), sizeof(Index));
  return {data_ptr<T>(), sizes().data(), strides().data()};
}
template <class T, size_t N, template <class> class PtrTraits>
PackedTensorAccessor64<T, N, PtrTraits> Tensor::packed_accessor64() const& {
  return generic_packed_accessor<T, N, PtrTraits, int64_t>();
}
template <class T, size_t N, template <class> class PtrTraits>
PackedTensorAccessor32<T, N, PtrTraits> Tensor::packed_accessor32() const& {
  return generic_packed_accessor<T, N, PtrTraits, int32_t>();
}

}  // namespace rushlight::api
