// DType: element types, numbered as PyTorch's ScalarType so that archives and schemas can carry the number.
#pragma once
#include <complex>
#include <cstdint>
#include <string>
#include <string_view>

#include "rushlight/core/half.h"

namespace rushlight {

enum class DType : int8_t {
  UInt8 = 0,
  Int8 = 1,
  Int16 = 2,
  Int32 = 3,
  Int64 = 4,
  Float16 = 5,
  Float32 = 6,
  Float64 = 7,
  Complex64 = 9,
  Complex128 = 10,
  Bool = 11,
  BFloat16 = 15,
  // PyTorch's C++ names.
  Byte = UInt8,
  Char = Int8,
  Short = Int16,
  Int = Int32,
  Long = Int64,
  Half = Float16,
  Float = Float32,
  Double = Float64,
  ComplexFloat = Complex64,
  ComplexDouble = Complex128,
};
constexpr int kDTypeSlots = 16;  // tables indexed by dtype have this many entries

using complex64 = std::complex<float>;
using complex128 = std::complex<double>;

template <class T> struct dtype_of_type;
template <> struct dtype_of_type<uint8_t> { static constexpr DType value = DType::UInt8; };
template <> struct dtype_of_type<int8_t> { static constexpr DType value = DType::Int8; };
template <> struct dtype_of_type<int16_t> { static constexpr DType value = DType::Int16; };
template <> struct dtype_of_type<int32_t> { static constexpr DType value = DType::Int32; };
template <> struct dtype_of_type<int64_t> { static constexpr DType value = DType::Int64; };
template <> struct dtype_of_type<Half> { static constexpr DType value = DType::Float16; };
template <> struct dtype_of_type<float> { static constexpr DType value = DType::Float32; };
template <> struct dtype_of_type<double> { static constexpr DType value = DType::Float64; };
template <> struct dtype_of_type<complex64> { static constexpr DType value = DType::Complex64; };
template <> struct dtype_of_type<complex128> { static constexpr DType value = DType::Complex128; };
template <> struct dtype_of_type<bool> { static constexpr DType value = DType::Bool; };
template <> struct dtype_of_type<BFloat16> { static constexpr DType value = DType::BFloat16; };
template <class T> constexpr DType dtype_of = dtype_of_type<T>::value;

constexpr int item_size(DType d) {
  constexpr int8_t sizes[kDTypeSlots] = {1, 1, 2, 4, 8, 2, 4, 8, 0, 8, 16, 1, 0, 0, 0, 2};
  return sizes[int(d)];
}
constexpr bool is_complex(DType d) { return d == DType::Complex64 || d == DType::Complex128; }
constexpr bool is_floating(DType d) {
  return d == DType::Float32 || d == DType::Float64 || d == DType::Float16 || d == DType::BFloat16;
}
constexpr bool is_half(DType d) { return d == DType::Float16 || d == DType::BFloat16; }
constexpr bool is_differentiable(DType d) { return is_floating(d) || is_complex(d); }
constexpr bool is_integral(DType d, bool include_bool) {
  return d <= DType::Int64 || (include_bool && d == DType::Bool);
}
constexpr bool is_signed(DType d) { return d != DType::UInt8 && d != DType::Bool; }

// The real dtype of a complex one's parts, and the reverse; other dtypes unchanged.
constexpr DType to_real(DType d) {
  return d == DType::Complex64 ? DType::Float32 : d == DType::Complex128 ? DType::Float64 : d;
}
constexpr DType to_complex(DType d) {
  return d == DType::Float64 ? DType::Complex128 : is_floating(d) ? DType::Complex64 : d;
}

// "float32"; the name under which Python shows the dtype.
std::string_view name_of(DType d);
// C++'s name of a dtype, as PyTorch's errors print it: "uint8_t", "c10::Half".
const char* cpp_name_of(DType d);
// True and sets d for "float32", "float", "half", ...
bool dtype_from_name(std::string_view name, DType& d);
// PyTorch's promotion lattice for two tensors of the same category (dimension count aside).
DType promote_types(DType a, DType b);
// PyTorch's can_cast: false for complex -> real, float -> int, non-bool -> bool.
bool can_cast(DType from, DType to);

inline void append_text(std::string& out, DType d) {
  out += "rushlight.";
  out += name_of(d);
}

// What default-typed creation functions make; float32 unless set_default_dtype changed it.
DType default_dtype();
void set_default_dtype(DType d);

// Layout and memory format, numbered as PyTorch's.
enum class Layout : int8_t { Strided = 0 };
enum class MemoryFormat : int8_t { Contiguous = 0, Preserve = 1, ChannelsLast = 2, ChannelsLast3d = 3 };

}  // namespace rushlight
