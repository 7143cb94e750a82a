// The front end's small types, with PyTorch's names and methods: Device, TypeMeta, Scalar, TensorOptions and the constants kFloat, kCPU, ...
// Everything in this folder's headers compiles as C++17.
#pragma once
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "rushlight/core/array_ref.h"
#include "rushlight/core/device.h"
#include "rushlight/core/dtype.h"
#include "rushlight/core/scalar.h"

namespace rushlight {

// "Float", "Long": the names of the constants.
const char* toString(DType d);
std::ostream& operator<<(std::ostream& out, DType d);
// PyTorch's names, here so that calls without a namespace find them.
inline size_t elementSize(DType d) { return size_t(item_size(d)); }
inline bool isFloatingType(DType d) { return is_floating(d); }
inline bool isComplexType(DType d) { return is_complex(d); }
inline bool isIntegralType(DType d, bool include_bool) { return is_integral(d, include_bool); }
inline DType promoteTypes(DType a, DType b) { return promote_types(a, b); }
inline bool canCast(DType from, DType to) { return can_cast(from, to); }
std::ostream& operator<<(std::ostream& out, DeviceType t);
std::ostream& operator<<(std::ostream& out, Layout layout);
std::ostream& operator<<(std::ostream& out, MemoryFormat format);
template <class T, require<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>> = 0>
std::ostream& operator<<(std::ostream& out, T v) {
  return out << float(v);
}

template <class T>
std::ostream& operator<<(std::ostream& out, ArrayRef<T> items) {
  out << "[";
  for (size_t i = 0; i < items.size(); i++) out << (i ? ", " : "") << items[i];
  return out << "]";
}
inline std::ostream& operator<<(std::ostream& out, const Dims& items) { return out << IntArrayRef(items); }

}  // namespace rushlight

// Kernels start maxima from std::numeric_limits<scalar_t>::lowest().
namespace rushlight::detail {
template <class H, uint16_t Least, uint16_t Greatest, uint16_t Epsilon, uint16_t Infinity, uint16_t Nan,
          uint16_t Denormal, int Digits>
struct HalfLimits : std::numeric_limits<float> {
  static constexpr H of(uint16_t bits) {
    H h;
    h.bits = bits;
    return h;
  }
  static constexpr int digits = Digits, digits10 = (Digits - 1) * 301 / 1000, max_digits10 = Digits * 301 / 1000 + 2;
  static constexpr int max_exponent = Digits == 11 ? 16 : 128, min_exponent = Digits == 11 ? -13 : -125;
  static constexpr int max_exponent10 = Digits == 11 ? 4 : 38, min_exponent10 = Digits == 11 ? -4 : -37;
  static constexpr H min() { return of(Least); }
  static constexpr H max() { return of(Greatest); }
  static constexpr H lowest() { return of(uint16_t(Greatest | 0x8000)); }
  static constexpr H epsilon() { return of(Epsilon); }
  static H round_error() { return H(0.5f); }
  static constexpr H infinity() { return of(Infinity); }
  static constexpr H quiet_NaN() { return of(Nan); }
  static constexpr H signaling_NaN() { return of(Infinity | 1); }
  static constexpr H denorm_min() { return of(Denormal); }
};
}  // namespace rushlight::detail
template <>
struct std::numeric_limits<rushlight::Half>
    : rushlight::detail::HalfLimits<rushlight::Half, 0x0400, 0x7bff, 0x1400, 0x7c00, 0x7e00, 1, 11> {};
template <>
struct std::numeric_limits<rushlight::BFloat16>
    : rushlight::detail::HalfLimits<rushlight::BFloat16, 0x0080, 0x7f7f, 0x3c00, 0x7f80, 0x7fc0, 1, 8> {};

// What torch is: the names of rushlight::api, and the spaces below, which stand in it themselves so that a program's
// `namespace torch { namespace nn { ... } }` adds to them. The inline namespace keeps their symbols apart from PyTorch's.
namespace rushlight::api {}
namespace torch {
using namespace rushlight::api;
inline namespace rl {
using namespace rushlight::api;
using rushlight::require;
using rushlight::RuntimeError;
namespace nn {}
namespace optim {}
namespace data {}
}  // namespace rl
}  // namespace torch

namespace rushlight::api {

namespace nn = torch::rl::nn;
namespace optim = torch::rl::optim;
namespace data = torch::rl::data;

using rushlight::ArrayRef;
using rushlight::BFloat16;
using rushlight::DeviceType;
using rushlight::Dims;
using rushlight::DType;
using rushlight::Float8_e4m3fn;
using rushlight::Float8_e4m3fnuz;
using rushlight::Float8_e5m2;
using rushlight::Float8_e5m2fnuz;
using rushlight::Float8_e8m0fnu;
using rushlight::Half;
using rushlight::IntArrayRef;
using rushlight::Layout;
using rushlight::MemoryFormat;
using rushlight::OptionalIntArrayRef;
using rushlight::qint32;
using rushlight::qint8;
using rushlight::quint2x4;
using rushlight::quint4x2;
using rushlight::quint8;
using ScalarType = DType;
using Dtype = DType;
using DeviceIndex = int8_t;
using std::make_optional;
using std::nullopt;
using std::nullopt_t;
using std::optional;
using string_view = std::string_view;

using Error = rushlight::Error;
using IndexError = rushlight::IndexError;
using ValueError = rushlight::ValueError;
using TypeError = rushlight::TypeError;
using NotImplementedError = rushlight::NotImplementedError;
using OutOfMemoryError = rushlight::OutOfMemory;

// kUInt8, kFloat16, ...; and PyTorch's other names below.
#define RL_ENTRY(Name, ...) constexpr DType k##Name = DType::Name;
RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
constexpr DType kByte = kUInt8, kChar = kInt8, kShort = kInt16, kInt = kInt32, kLong = kInt64;
constexpr DType kU8 = kUInt8, kI8 = kInt8, kI16 = kInt16, kI32 = kInt32, kI64 = kInt64;
constexpr DType kHalf = kFloat16, kFloat = kFloat32, kDouble = kFloat64, kF16 = kFloat16, kF32 = kFloat32,
                kF64 = kFloat64;
constexpr DType kComplexHalf = kComplex32, kComplexFloat = kComplex64, kComplexDouble = kComplex128;
constexpr DeviceType kCPU = DeviceType::CPU, kCUDA = DeviceType::CUDA, kHIP = DeviceType::HIP, kFPGA = DeviceType::FPGA,
                     kMAIA = DeviceType::MAIA, kXLA = DeviceType::XLA, kVulkan = DeviceType::Vulkan,
                     kMetal = DeviceType::Metal, kXPU = DeviceType::XPU, kMPS = DeviceType::MPS,
                     kMeta = DeviceType::Meta, kHPU = DeviceType::HPU, kVE = DeviceType::VE, kLazy = DeviceType::Lazy,
                     kIPU = DeviceType::IPU, kMTIA = DeviceType::MTIA, kPrivateUse1 = DeviceType::PrivateUse1;
inline bool isValidDeviceType(DeviceType t) { return int(t) >= 0 && int(t) < kDeviceTypes; }
constexpr Layout kStrided = Layout::Strided, kSparse = Layout::Sparse, kSparseCsr = Layout::SparseCsr,
                 kSparseCsc = Layout::SparseCsc, kSparseBsr = Layout::SparseBsr, kSparseBsc = Layout::SparseBsc,
                 kMkldnn = Layout::Mkldnn, kJagged = Layout::Jagged;

class Device : public rushlight::Device {
 public:
  using Type = DeviceType;
  Device() = default;
  Device(rushlight::Device d) : rushlight::Device(d) {}
  Device(DeviceType type, DeviceIndex index = -1) : rushlight::Device{type, index} {}
  // "cpu", "cuda:1". Throws for any other text.
  Device(const std::string& text) : rushlight::Device(rushlight::Device::parse(text)) {}
  DeviceType type() const { return rushlight::Device::type; }
  DeviceIndex index() const { return rushlight::Device::index; }
  bool has_index() const { return index() >= 0; }
  void set_index(DeviceIndex i) { rushlight::Device::index = i; }
  bool is_cuda() const { return type() == kCUDA; }
  bool is_hip() const { return type() == kHIP; }
  bool is_maia() const { return type() == kMAIA; }
  bool is_xla() const { return type() == kXLA; }
  bool is_vulkan() const { return type() == kVulkan; }
  bool is_metal() const { return type() == kMetal; }
  bool is_xpu() const { return type() == kXPU; }
  bool is_mps() const { return type() == kMPS; }
  bool is_hpu() const { return type() == kHPU; }
  bool is_ve() const { return type() == kVE; }
  bool is_lazy() const { return type() == kLazy; }
  bool is_ipu() const { return type() == kIPU; }
  bool is_mtia() const { return type() == kMTIA; }
  bool is_privateuseone() const { return type() == kPrivateUse1; }
  bool supports_as_strided() const { return !is_ipu() && !is_xla() && !is_lazy() && !is_mtia(); }
  std::string str() const { return text(); }
  friend bool operator==(const Device& a, const Device& b) { return a.type() == b.type() && a.index() == b.index(); }
  friend bool operator!=(const Device& a, const Device& b) { return !(a == b); }
};
std::ostream& operator<<(std::ostream& out, const Device& d);

// What Tensor::dtype() gives: prints as "float", and is a ScalarType wherever one is wanted.
class TypeMeta {
 public:
  TypeMeta(DType d = DType::Float32) : dtype_(d) {}
  operator DType() const { return dtype_; }
  DType toScalarType() const { return dtype_; }
  bool isScalarType() const { return true; }
  bool isScalarType(DType d) const { return dtype_ == d; }
  size_t itemsize() const { return size_t(item_size(dtype_)); }
  std::string_view name() const;
  template <class T>
  static TypeMeta Make() {
    return dtype_of<T>;
  }
  template <class T>
  bool Match() const {
    return dtype_ == dtype_of<T>;
  }
  friend bool operator==(TypeMeta a, TypeMeta b) { return a.dtype_ == b.dtype_; }
  friend bool operator==(TypeMeta a, DType b) { return a.dtype_ == b; }
  friend bool operator==(DType a, TypeMeta b) { return a == b.dtype_; }
  friend bool operator!=(TypeMeta a, TypeMeta b) { return a.dtype_ != b.dtype_; }
  friend bool operator!=(TypeMeta a, DType b) { return a.dtype_ != b; }
  friend bool operator!=(DType a, TypeMeta b) { return a != b.dtype_; }

 private:
  DType dtype_;
};
std::ostream& operator<<(std::ostream& out, TypeMeta t);
inline DType typeMetaToScalarType(TypeMeta t) { return t; }
inline TypeMeta scalarTypeToTypeMeta(DType d) { return d; }
inline std::optional<DType> optTypeMetaToScalarType(std::optional<TypeMeta> t) { return t; }
using rushlight::canCast;
using rushlight::elementSize;
using rushlight::isComplexType;
using rushlight::isFloatingType;
using rushlight::isIntegralType;
using rushlight::promoteTypes;
using rushlight::toString;
template <class T>
struct CppTypeToScalarType : std::integral_constant<DType, dtype_of<T>> {};

class Scalar : public rushlight::Scalar {
 public:
  Scalar() = default;
  // Not of a pointer, which would be a bool: a text is no number.
  template <class T, require<std::is_arithmetic_v<T>> = 0>
  Scalar(T v) : rushlight::Scalar(v) {}
  Scalar(Half v) : rushlight::Scalar(v) {}
  Scalar(BFloat16 v) : rushlight::Scalar(v) {}
  template <auto kind>
  Scalar(Float8<kind> v) : rushlight::Scalar(v) {}
  Scalar(complex32 v) : rushlight::Scalar(v) {}
  Scalar(complex64 v) : rushlight::Scalar(v) {}
  Scalar(complex128 v) : rushlight::Scalar(v) {}
  Scalar(const rushlight::Scalar& s) : rushlight::Scalar(s) {}
  // Throws RuntimeError where T can't hold the value.
  template <class T>
  T to() const;
  double toDouble() const { return to<double>(); }
  float toFloat() const { return to<float>(); }
  int toInt() const { return to<int>(); }
  int64_t toLong() const { return to<int64_t>(); }
  int16_t toShort() const { return to<int16_t>(); }
  int8_t toChar() const { return to<int8_t>(); }
  uint8_t toByte() const { return to<uint8_t>(); }
  bool toBool() const { return to<bool>(); }
  Half toHalf() const { return to<Half>(); }
  BFloat16 toBFloat16() const { return to<BFloat16>(); }
  complex64 toComplexFloat() const { return to<complex64>(); }
  complex128 toComplexDouble() const { return to<complex128>(); }
  bool isFloatingPoint() const { return is_float(); }
  bool isIntegral(bool include_bool) const { return is_integral(include_bool); }
  bool isComplex() const { return is_complex(); }
  bool isBoolean() const { return is_bool(); }
  DType type() const { return is_bool() ? kBool : is_int() ? kLong : is_float() ? kDouble : kComplexDouble; }
  template <class T>
  bool equal(T v) const {
    return is_complex() ? rushlight::Scalar::to<complex128>() == complex128(double(v))
           : is_float() ? to_double() == double(v)
                        : to_int() == int64_t(v) && double(to_int()) == double(v);
  }
  Scalar operator-() const { return rushlight::Scalar::operator-(); }
  Scalar conj() const { return isComplex() ? Scalar(std::conj(toComplexDouble())) : *this; }

 private:
  [[noreturn]] void fail_overflow(DType wanted) const;
  // Whether the value is a whole number's worth of T away from T's range; halves are judged as floats.
  bool fits(DType wanted) const;
};
std::ostream& operator<<(std::ostream& out, const Scalar& s);

template <class T>
T Scalar::to() const {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
    return rushlight::Scalar::to<T>();
  } else {
    using Known =
        std::conditional_t<std::is_integral_v<T>,
                           std::conditional_t<sizeof(T) == 1, std::conditional_t<std::is_signed_v<T>, int8_t, uint8_t>,
                                              std::conditional_t<sizeof(T) == 2, int16_t,
                                                                 std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>>,
                           T>;
    if (!fits(dtype_of<Known>)) fail_overflow(dtype_of<Known>);
    return rushlight::Scalar::to<T>();
  }
}

class Tensor;

namespace detail {
// An optional whose bytes are never unset: gcc 12 warns of a copy of one whose are.
template <class T>
class Setting {
 public:
  Setting() = default;
  Setting(const std::optional<T>& v) : value_(v.value_or(T())), set_(v.has_value()) {}
  Setting(T v) : value_(v), set_(true) {}
  operator std::optional<T>() const { return set_ ? std::optional<T>(value_) : std::nullopt; }
  bool has_value() const { return set_; }
  explicit operator bool() const { return set_; }
  T value_or(T other) const { return set_ ? value_ : other; }

 private:
  T value_{};
  bool set_ = false;
};
}  // namespace detail

// dtype, device and requires_grad of a tensor to be made: torch::dtype(torch::kInt64).requires_grad(false).
class TensorOptions {
 public:
  TensorOptions() = default;
  TensorOptions(DType d) : dtype_(d) {}
  TensorOptions(TypeMeta d) : dtype_(d.toScalarType()) {}
  // A template, so that TensorOptions({kCPU, 0}) means the constructor of both.
  template <class D, require<std::is_base_of_v<rushlight::Device, D>> = 0>
  TensorOptions(const D& d) : device_(Device(d)) {}
  template <class Text, require<std::is_convertible_v<const Text&, std::string>> = 0>
  TensorOptions(const Text& device) : device_(Device(std::string(device))) {}
  TensorOptions(DeviceType t) : device_(Device(t)) {}
  TensorOptions(DeviceType t, DeviceIndex index) : device_(Device(t, index)) {}
  TensorOptions(Layout l) : layout_(l) {}
  TensorOptions(MemoryFormat f) : format_(f) {}

  TensorOptions dtype(std::optional<DType> d) const;
  TensorOptions dtype(TypeMeta d) const { return dtype(std::optional<DType>(d.toScalarType())); }
  TensorOptions dtype(DType d) const { return dtype(std::optional<DType>(d)); }
  template <class T>
  TensorOptions dtype() const {
    return dtype(dtype_of<T>);
  }
  TensorOptions device(std::optional<Device> d) const;
  TensorOptions device(Device d) const { return device(std::optional<Device>(d)); }
  TensorOptions device(DeviceType t, DeviceIndex index = -1) const { return device(Device(t, index)); }
  TensorOptions device(const std::string& text) const { return device(Device(text)); }
  // Of a CUDA device.
  TensorOptions device_index(DeviceIndex index) const { return device(kCUDA, index); }
  TensorOptions layout(std::optional<Layout> l) const;
  TensorOptions requires_grad(std::optional<bool> v) const;
  TensorOptions pinned_memory(std::optional<bool> v) const;
  TensorOptions memory_format(std::optional<MemoryFormat> f) const;

  TypeMeta dtype() const { return dtype_.value_or(default_dtype()); }
  Device device() const { return device_.value_or(Device()); }
  Layout layout() const { return layout_.value_or(kStrided); }
  bool requires_grad() const { return requires_grad_.value_or(false); }
  bool pinned_memory() const { return pinned_memory_.value_or(false); }
  bool has_dtype() const { return dtype_.has_value(); }
  bool has_device() const { return device_.has_value(); }
  bool has_requires_grad() const { return requires_grad_.has_value(); }
  std::optional<TypeMeta> dtype_opt() const;
  std::optional<Device> device_opt() const;
  std::optional<Layout> layout_opt() const;
  std::optional<bool> requires_grad_opt() const;
  std::optional<bool> pinned_memory_opt() const;
  std::optional<MemoryFormat> memory_format_opt() const;
  // What `o` says, and this where it says nothing.
  TensorOptions merge_in(TensorOptions o) const {
    if (!o.dtype_) o.dtype_ = dtype_;
    if (!o.device_) o.device_ = device_;
    if (!o.layout_) o.layout_ = layout_;
    if (!o.requires_grad_) o.requires_grad_ = requires_grad_;
    if (!o.pinned_memory_) o.pinned_memory_ = pinned_memory_;
    if (!o.format_) o.format_ = format_;
    return o;
  }

  std::optional<DType> dtype_or(std::optional<DType> other = {}) const;
  std::optional<MemoryFormat> format_or(std::optional<MemoryFormat> other) const;
  // `made`, once it requires a gradient if these options say so.
  Tensor finish(Tensor made) const;
  // Of what converts a tensor, which may be the one that is given. Throws RuntimeError if a gradient is asked for.
  Tensor converted(Tensor made) const;

 private:
  template <class T>
  TensorOptions with(detail::Setting<T> TensorOptions::* field, const std::optional<T>& value) const;
  detail::Setting<DType> dtype_;
  detail::Setting<Device> device_;
  detail::Setting<Layout> layout_;
  detail::Setting<MemoryFormat> format_;
  detail::Setting<bool> requires_grad_, pinned_memory_;
};
std::ostream& operator<<(std::ostream& out, const TensorOptions& o);

inline TensorOptions dtype(DType d) { return TensorOptions(d); }
inline TensorOptions dtype(TypeMeta d) { return TensorOptions(d); }
template <class T>
TensorOptions dtype() {
  return TensorOptions(dtype_of<T>);
}
inline TensorOptions device(Device d) { return TensorOptions(d); }
inline TensorOptions device(DeviceType t, DeviceIndex index = -1) { return TensorOptions(Device(t, index)); }
inline TensorOptions device(const std::string& text) { return TensorOptions(Device(text)); }
inline TensorOptions device_index(DeviceIndex index) { return TensorOptions().device_index(index); }
inline TensorOptions layout(Layout l) { return TensorOptions(l); }
inline TensorOptions memory_format(MemoryFormat f) { return TensorOptions(f); }
inline TensorOptions requires_grad(bool v = true) { return TensorOptions().requires_grad(v); }

// Device and layout in one, as before there were TensorOptions.
enum class Backend { CPU, CUDA, Meta, PrivateUse1, SparseCPU, SparseCUDA, SparseCsrCPU, SparseCsrCUDA, Undefined };
const char* toString(Backend b);
std::ostream& operator<<(std::ostream& out, Backend b);

// What the deprecated Tensor::type() gives: x.type().scalarType(). There is one object of each kind.
class DeprecatedTypeProperties {
 public:
  DeprecatedTypeProperties(Backend backend, DType d) : dtype_(d), backend_(backend) {}
  operator DType() const { return dtype_; }
  operator TensorOptions() const { return options(); }
  DType scalarType() const { return dtype_; }
  TypeMeta typeMeta() const { return dtype_; }
  Backend backend() const { return backend_; }
  DeviceType device_type() const;
  bool is_cuda() const { return device_type() == kCUDA; }
  bool is_sparse() const { return layout() == kSparse; }
  bool is_sparse_csr() const { return layout() == kSparseCsr; }
  Layout layout() const;
  TensorOptions options(int16_t device_index = -1) const {
    return TensorOptions(dtype_).device(device_type(), DeviceIndex(device_index)).layout(layout());
  }
  TensorOptions options(std::optional<Device> device) const { return device ? options().device(*device) : options(); }
  DeprecatedTypeProperties& toBackend(Backend b) const;
  DeprecatedTypeProperties& toScalarType(DType d) const;
  // "CPUFloatType"
  std::string toString() const;
  friend bool operator==(const DeprecatedTypeProperties& a, const DeprecatedTypeProperties& b) {
    return a.dtype_ == b.dtype_ && a.backend_ == b.backend_;
  }
  friend bool operator!=(const DeprecatedTypeProperties& a, const DeprecatedTypeProperties& b) { return !(a == b); }

 private:
  DType dtype_;
  Backend backend_;
};
std::ostream& operator<<(std::ostream& out, const DeprecatedTypeProperties& t);
DeprecatedTypeProperties& getDeprecatedTypeProperties(Backend backend, DType d);
inline DeprecatedTypeProperties& CPU(DType d) { return getDeprecatedTypeProperties(Backend::CPU, d); }
inline DeprecatedTypeProperties& CUDA(DType d) { return getDeprecatedTypeProperties(Backend::CUDA, d); }

inline TypeMeta get_default_dtype() { return default_dtype(); }
inline DType get_default_dtype_as_scalartype() { return default_dtype(); }
// Throws TypeError unless it is a floating point type.
void set_default_dtype(TypeMeta d);

}  // namespace rushlight::api
