// What programs use of c10/util and c10/core besides tensors: small vectors, references that may own, symbolic sizes (which are numbers here).
#pragma once
#include <algorithm>
#include <complex>
#include <functional>
#include <ostream>
#include <sstream>
#include <unordered_map>
#include <vector>

#include "rushlight/api/tensor.h"

// As PyTorch's logging header has it: the items with a space between.
namespace std {
template <class T, class A>
ostream& operator<<(ostream& out, const vector<T, A>& items) {
  for (size_t i = 0; i < items.size(); i++) out << (i ? " " : "") << items[i];
  return out;
}
}  // namespace std

namespace rushlight {
// Half precision counts in float and rounds each result; with a float or a double it becomes one.
template <class T, class H>
using with_half = std::conditional_t<std::is_floating_point_v<T>, T, H>;
#define RL_HALF_OPERATOR(H, op)                                      \
  inline H operator op(H a, H b) { return H(float(a) op float(b)); } \
  template <class T, require<std::is_arithmetic_v<T>> = 0>           \
  with_half<T, H> operator op(H a, T b) {                            \
    if constexpr (std::is_floating_point_v<T>) return float(a) op b; \
    else return a op H(float(b));                                    \
  }                                                                  \
  template <class T, require<std::is_arithmetic_v<T>> = 0>           \
  with_half<T, H> operator op(T a, H b) {                            \
    if constexpr (std::is_floating_point_v<T>) return a op float(b); \
    else return H(float(a)) op b;                                    \
  }                                                                  \
  inline H& operator op## = (H & a, H b) { return a = a op b; }
#define RL_HALF_OPERATORS(H)                       \
  inline H operator-(H a) { return H(-float(a)); } \
  RL_HALF_OPERATOR(H, +)                           \
  RL_HALF_OPERATOR(H, -)                           \
  RL_HALF_OPERATOR(H, *)                           \
  RL_HALF_OPERATOR(H, /)
RL_HALF_OPERATORS(Half)
RL_HALF_OPERATORS(BFloat16)
#undef RL_HALF_OPERATORS
#undef RL_HALF_OPERATOR
}  // namespace rushlight

namespace rushlight::api {

// A vector; the items that it has room for inside are a matter of PyTorch's.
template <class T>
class SmallVectorImpl : public std::vector<T> {
 public:
  using std::vector<T>::vector;
  SmallVectorImpl(const std::vector<T>& v) : std::vector<T>(v) {}
  SmallVectorImpl(ArrayRef<T> items) : std::vector<T>(items.begin(), items.end()) {}
  template <class It>
  void append(It begin, It end) {
    this->insert(this->end(), begin, end);
  }
  void append(std::initializer_list<T> items) { append(items.begin(), items.end()); }
  void append(size_t n, const T& v) { this->insert(this->end(), n, v); }
  T pop_back_val() {
    T last = std::move(this->back());
    this->pop_back();
    return last;
  }
  size_t size_in_bytes() const { return this->size() * sizeof(T); }
};
template <class T, unsigned N = 6>
class SmallVector : public SmallVectorImpl<T> {
 public:
  using SmallVectorImpl<T>::SmallVectorImpl;
};
template <class T>
std::ostream& operator<<(std::ostream& out, const SmallVectorImpl<T>& items) {
  out << "[";
  for (size_t i = 0; i < items.size(); i++) out << (i ? ", " : "") << items[i];
  return out << "]";
}
template <class T, unsigned N>
std::ostream& operator<<(std::ostream& out, const SmallVector<T, N>& items) {
  return out << static_cast<const SmallVectorImpl<T>&>(items);
}
using DimVector = SmallVector<int64_t, 5>;

template <class T>
ArrayRef<T> makeArrayRef(const std::vector<T>& v) {
  return v;
}
template <class T>
ArrayRef<T> makeArrayRef(const T* data, size_t n) {
  return ArrayRef<T>(data, n);
}
template <class T, size_t N>
ArrayRef<T> makeArrayRef(const T (&items)[N]) {
  return ArrayRef<T>(items, N);
}
template <class T>
using OptionalArrayRef = std::optional<ArrayRef<T>>;
using ITensorListRef = TensorList;
using IOptTensorListRef = TensorList;
using TensorBase = Tensor;

// A size that might be symbolic while PyTorch traces; here it is a number.
class SymInt {
 public:
  SymInt(int64_t v = 0) : v_(v) {}
  operator int64_t() const { return v_; }
  int64_t expect_int() const { return v_; }
  int64_t as_int_unchecked() const { return v_; }
  int64_t guard_int(const char*, int64_t) const { return v_; }
  std::optional<int64_t> maybe_as_int() const { return v_; }
  bool is_symbolic() const { return false; }

 private:
  int64_t v_;
};
inline std::ostream& operator<<(std::ostream& out, const SymInt& v) { return out << v.expect_int(); }
using SymIntArrayRef = IntArrayRef;

// A value of its own, or another's.
template <class T>
class MaybeOwned {
 public:
  static MaybeOwned borrowed(const T& v) {
    MaybeOwned out;
    out.borrowed_ = &v;
    return out;
  }
  static MaybeOwned owned(T v) {
    MaybeOwned out;
    out.own_ = std::move(v);
    return out;
  }
  const T& operator*() const& { return borrowed_ ? *borrowed_ : own_; }
  T operator*() && { return borrowed_ ? *borrowed_ : std::move(own_); }
  const T* operator->() const { return borrowed_ ? borrowed_ : &own_; }
  bool unsafeIsBorrowed() const { return borrowed_; }

 private:
  const T* borrowed_ = nullptr;
  T own_;
};

template <class Items>
std::string Join(const std::string& between, const Items& items) {
  std::ostringstream out;
  bool first = true;
  for (const auto& i : items) {
    if (!first) out << between;
    first = false;
    out << i;
  }
  return out.str();
}

template <class T>
struct hash : std::hash<T> {};
inline size_t hash_combine(size_t seed, size_t value) {
  return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2));
}
template <class... Ts>
size_t get_hash(const Ts&... values) {
  size_t seed = 0;
  ((seed = hash_combine(seed, hash<Ts>()(values))), ...);
  return seed;
}

namespace complex_literals {
inline std::complex<float> operator""_if(long double v) { return {0, float(v)}; }
inline std::complex<double> operator""_id(long double v) { return {0, double(v)}; }
inline std::complex<float> operator""_if(unsigned long long v) { return {0, float(v)}; }
inline std::complex<double> operator""_id(unsigned long long v) { return {0, double(v)}; }
}  // namespace complex_literals

// Memory with what frees it.
class DataPtr {
 public:
  DataPtr() = default;
  DataPtr(void* data, Device device) : data_(data), device_(device) {}
  DataPtr(void* data, void* context, void (*deleter)(void*), Device device)
      : data_(data), context_(context, deleter ? deleter : +[](void*) {}), device_(device) {}
  void* get() const { return data_; }
  void* mutable_get() { return data_; }
  void* get_context() const { return context_.get(); }
  Device device() const { return device_; }
  void clear() { data_ = nullptr, context_.reset(); }
  explicit operator bool() const { return data_; }

 private:
  void* data_ = nullptr;
  std::unique_ptr<void, void (*)(void*)> context_{nullptr, +[](void*) {}};
  Device device_;
};
// Blocks of the library's own memory.
class Allocator {
 public:
  DataPtr allocate(size_t bytes) const;
};
// Throws NotImplementedError for another device than the CPU.
const Allocator* GetAllocator(DeviceType device);
inline const Allocator* GetCPUAllocator() { return GetAllocator(kCPU); }

// Number types and the dtypes of others.
inline bool isSignedType(DType d) { return d != kByte && d != kBool && !(d >= kUInt16 && d <= kUInt64); }
// Of a complex type the type of its parts, and the other way round; all others stay.
DType toValueType(DType d);
DType toComplexType(DType d);
using rushlight::can_cast;
using rushlight::promote_types;
// "CPU", or "cpu".
std::string DeviceTypeName(DeviceType type, bool lower_case = false);

// A 0-d tensor of int64, double, bool or complex128.
Tensor scalar_to_tensor(const Scalar& s, Device device = kCPU);

// What both broadcast to.
std::vector<int64_t> infer_size(IntArrayRef a, IntArrayRef b);
DimVector infer_size_dimvector(IntArrayRef a, IntArrayRef b);
// `shape` with its -1 replaced, for a tensor of so many elements.
std::vector<int64_t> infer_size(IntArrayRef shape, int64_t numel);
inline int64_t maybe_wrap_dim(int64_t dim, int64_t dims, bool /*wrap_scalar*/ = true) {
  return rushlight::wrap_dim(dim, dims);
}
std::tuple<MaybeOwned<Tensor>, MaybeOwned<Tensor>> expand_outplace(const Tensor& a, const Tensor& b);
MaybeOwned<Tensor> expand_inplace(const Tensor& to, const Tensor& t);
MaybeOwned<Tensor> expand_size(const Tensor& t, IntArrayRef sizes);
inline bool is_expandable_to(IntArrayRef from, IntArrayRef to) {
  if (from.size() > to.size()) return false;
  for (size_t i = 1; i <= from.size(); i++)
    if (from[from.size() - i] != 1 && from[from.size() - i] != to[to.size() - i]) return false;
  return true;
}

}  // namespace rushlight::api
