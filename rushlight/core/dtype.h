// DType: element types, numbered as PyTorch's ScalarType so that archives and schemas can carry the number.
//
// RL_COMPUTED_DTYPES and RL_STORED_DTYPES are the one table of them. Whatever names, sizes, prints, stores or translates dtypes is made
// from it, in Python too (bind_types): a new dtype is a line here, and its rows in kernels/convert.cpp.
#pragma once
#include <complex>
#include <cstdint>
#include <string>
#include <string_view>

#include "rushlight/core/half.h"
#include "rushlight/core/small_types.h"

namespace rushlight {

using complex64 = std::complex<float>;
using complex128 = std::complex<double>;

enum class DTypeKind : uint8_t { Bool, Unsigned, Signed, Float, Complex, Quantized };

// X(name, number, C++ type, Python's other name, ScalarType's name, in messages, for C++ compilers, kind, numpy's type)
// Those that kernels compute with:
#define RL_COMPUTED_DTYPES(X)                                                                                   \
  X(UInt8, uint8, 0, uint8_t, "", "Byte", "uint8_t", "unsigned char", Unsigned, "|u1")                          \
  X(Int8, int8, 1, int8_t, "", "Char", "int8_t", "signed char", Signed, "|i1")                                  \
  X(Int16, int16, 2, int16_t, "short", "Short", "int16_t", "short", Signed, "<i2")                              \
  X(Int32, int32, 3, int32_t, "int", "Int", "int", "int", Signed, "<i4")                                        \
  X(Int64, int64, 4, int64_t, "long", "Long", "int64_t", "long", Signed, "<i8")                                 \
  X(Float16, float16, 5, Half, "half", "Half", "c10::Half", "c10::Half", Float, "<f2")                          \
  X(Float32, float32, 6, float, "float", "Float", "float", "float", Float, "<f4")                               \
  X(Float64, float64, 7, double, "double", "Double", "double", "double", Float, "<f8")                          \
  X(Complex64, complex64, 9, complex64, "cfloat", "ComplexFloat", "c10::complex<float>", "c10::complex<float>", \
    Complex, "<c8")                                                                                             \
  X(Complex128, complex128, 10, complex128, "cdouble", "ComplexDouble", "c10::complex<double>",                 \
    "c10::complex<double>", Complex, "<c16")                                                                    \
  X(Bool, bool, 11, bool, "", "Bool", "bool", "bool", Bool, "|b1")                                              \
  X(BFloat16, bfloat16, 15, BFloat16, "", "BFloat16", "c10::BFloat16", "c10::BFloat16", Float, "")
// Those that are made, moved, viewed and converted; the few operators that take them work through others' rows
// (PointwiseInfo::entry).
#define RL_STORED_DTYPES(X)                                                                                           \
  X(Complex32, complex32, 8, complex32, "chalf", "ComplexHalf", "c10::complex<c10::Half>", "c10::complex<c10::Half>", \
    Complex, "")                                                                                                      \
  X(QInt8, qint8, 12, qint8, "", "QInt8", "c10::qint8", "c10::qint8", Quantized, "")                                  \
  X(QUInt8, quint8, 13, quint8, "", "QUInt8", "c10::quint8", "c10::quint8", Quantized, "")                            \
  X(QInt32, qint32, 14, qint32, "", "QInt32", "c10::qint32", "c10::qint32", Quantized, "")                            \
  X(QUInt4x2, quint4x2, 16, quint4x2, "", "QUInt4x2", "c10::quint4x2", "c10::quint4x2", Quantized, "")                \
  X(QUInt2x4, quint2x4, 17, quint2x4, "", "QUInt2x4", "c10::quint2x4", "c10::quint2x4", Quantized, "")                \
  X(Float8_e5m2, float8_e5m2, 23, Float8_e5m2, "", "Float8_e5m2", "c10::Float8_e5m2", "c10::Float8_e5m2", Float, "")  \
  X(Float8_e4m3fn, float8_e4m3fn, 24, Float8_e4m3fn, "", "Float8_e4m3fn", "c10::Float8_e4m3fn", "c10::Float8_e4m3fn", \
    Float, "")                                                                                                        \
  X(Float8_e5m2fnuz, float8_e5m2fnuz, 25, Float8_e5m2fnuz, "", "Float8_e5m2fnuz", "c10::Float8_e5m2fnuz",             \
    "c10::Float8_e5m2fnuz", Float, "")                                                                                \
  X(Float8_e4m3fnuz, float8_e4m3fnuz, 26, Float8_e4m3fnuz, "", "Float8_e4m3fnuz", "c10::Float8_e4m3fnuz",             \
    "c10::Float8_e4m3fnuz", Float, "")                                                                                \
  X(UInt16, uint16, 27, uint16_t, "", "UInt16", "uint16_t", "unsigned short", Unsigned, "<u2")                        \
  X(UInt32, uint32, 28, uint32_t, "", "UInt32", "uint32_t", "unsigned int", Unsigned, "<u4")                          \
  X(UInt64, uint64, 29, uint64_t, "", "UInt64", "uint64_t", "unsigned long", Unsigned, "<u8")                         \
  X(Float8_e8m0fnu, float8_e8m0fnu, 44, Float8_e8m0fnu, "", "Float8_e8m0fnu", "c10::Float8_e8m0fnu",                  \
    "c10::Float8_e8m0fnu", Float, "")
#define RL_DTYPES(X)    \
  RL_COMPUTED_DTYPES(X) \
  RL_STORED_DTYPES(X)
constexpr int kDTypeSlots = 45;     // tables indexed by dtype have this many entries
constexpr int kComputedSlots = 16;  // tables of what is computed with, which are many: see is_computed()

enum class DType : int8_t {
#define RL_ENTRY(Name, python, number, ...) Name = number,
  RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  // PyTorch's C++ names.
  Byte = UInt8,
  Char = Int8,
  Short = Int16,
  Int = Int32,
  Long = Int64,
  Half = Float16,
  Float = Float32,
  Double = Float64,
  ComplexHalf = Complex32,
  ComplexFloat = Complex64,
  ComplexDouble = Complex128,
};

template <class T> struct dtype_of_type;
#define RL_ENTRY(Name, python, number, Type, ...) \
  template <> struct dtype_of_type<Type> { static constexpr DType value = DType::Name; };
RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
template <class T> constexpr DType dtype_of = dtype_of_type<T>::value;

// What the table says of one.
struct DTypeInfo {
  DType dtype;
  const char* name;   // "float16"; the name under which Python shows it
  const char* alias;  // "half", or ""
  const char*
      scalar_type;  // "Half": PyTorch's own name, in errors, printed graphs, and names of storages and types in files
  const char* cpp_name;   // "c10::Half"; as PyTorch's errors print it
  const char* type_name;  // "unsigned char": the compiler's name of the type
  DTypeKind kind;
  int8_t size;
  bool computed;
  const char* numpy;  // "<f2", or "" where numpy has none
};
constexpr int kDTypeCount = 26;
extern const DTypeInfo kDTypes[kDTypeCount];  // all, computed ones first
// Of a number that names no dtype, null.
const DTypeInfo* find_dtype(int number);
const DTypeInfo& info_of(DType d);
// The dtype of that number in PyTorch's ScalarType. Throws RuntimeError where there is none.
DType dtype_numbered(int64_t number);

namespace detail {
constexpr uint64_t bit_of(int number, bool set) { return set ? uint64_t(1) << number : 0; }
constexpr uint64_t dtypes_of_kind(DTypeKind kind) {
  uint64_t mask = 0;
#define RL_ENTRY(Name, python, number, Type, alias, scalar_type, cpp_name, type_name, Kind, numpy) \
  mask |= bit_of(number, kind == DTypeKind::Kind);
  RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  return mask;
}
constexpr uint64_t computed_dtypes() {
  uint64_t mask = 0;
#define RL_ENTRY(Name, python, number, ...) mask |= bit_of(number, true);
  RL_COMPUTED_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  return mask;
}
struct ItemSizes { int8_t of[kDTypeSlots] = {}; };
constexpr ItemSizes item_sizes() {
  ItemSizes sizes;
#define RL_ENTRY(Name, python, number, Type, ...) sizes.of[number] = int8_t(sizeof(Type));
  RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  return sizes;
}
inline constexpr ItemSizes kItemSizes = item_sizes();
constexpr bool any_of(uint64_t mask, DType d) { return mask >> int(d) & 1; }
}  // namespace detail

constexpr int item_size(DType d) { return detail::kItemSizes.of[int(d)]; }
constexpr bool is_kind(DType d, DTypeKind kind) { return detail::any_of(detail::dtypes_of_kind(kind), d); }
constexpr bool is_complex(DType d) { return detail::any_of(detail::dtypes_of_kind(DTypeKind::Complex), d); }
constexpr bool is_floating(DType d) { return detail::any_of(detail::dtypes_of_kind(DTypeKind::Float), d); }
constexpr bool is_half(DType d) { return d == DType::Float16 || d == DType::BFloat16; }
constexpr bool is_differentiable(DType d) { return is_floating(d) || is_complex(d); }
constexpr bool is_integral(DType d, bool include_bool) {
  constexpr uint64_t whole = detail::dtypes_of_kind(DTypeKind::Signed) | detail::dtypes_of_kind(DTypeKind::Unsigned);
  return detail::any_of(whole, d) || (include_bool && d == DType::Bool);
}
constexpr bool is_signed(DType d) {
  return !is_kind(d, DTypeKind::Unsigned) && d != DType::Bool && d != DType::Float8_e8m0fnu;
}
constexpr bool is_quantized(DType d) { return is_kind(d, DTypeKind::Quantized); }
constexpr bool is_float8(DType d) { return is_floating(d) && item_size(d) == 1; }
// True for uint16, uint32 and uint64, which PyTorch calls barebones.
constexpr bool is_wide_unsigned(DType d) { return is_kind(d, DTypeKind::Unsigned) && d != DType::UInt8; }
// Kernels are compiled for it.
constexpr bool is_computed(DType d) { return detail::any_of(detail::computed_dtypes(), d); }

// The real dtype of a complex one's parts, and the reverse; other dtypes unchanged.
constexpr DType to_real(DType d) {
  return d == DType::Complex64    ? DType::Float32
         : d == DType::Complex128 ? DType::Float64
         : d == DType::Complex32  ? DType::Float16
                                  : d;
}
constexpr DType to_complex(DType d) {
  return d == DType::Float64   ? DType::Complex128
         : d == DType::Float16 ? DType::Complex32
         : is_floating(d)      ? DType::Complex64
                               : d;
}

// "float32"; the name under which Python shows the dtype.
std::string_view name_of(DType d);
// C++'s name of a dtype, as PyTorch's errors print it: "uint8_t", "c10::Half".
const char* cpp_name_of(DType d);
// PyTorch's own name of a dtype in its "not implemented" errors: "Half", "ComplexFloat".
std::string_view scalar_type_name(DType d);
// True and sets d for "float32", "float", "half", ...
bool dtype_from_name(std::string_view name, DType& d);
// True and sets d for "Half", "ComplexFloat", ...
bool dtype_from_scalar_type(std::string_view name, DType& d);
// True and sets d for the methods that convert: "float", "char", "cfloat", ...
bool dtype_from_method(std::string_view name, DType& d);
// PyTorch's promotion lattice for two tensors of the same category (dimension count aside). Throws RuntimeError where PyTorch has none.
DType promote_types(DType a, DType b);
// PyTorch's can_cast: false for complex -> real, float -> int, non-bool -> bool.
bool can_cast(DType from, DType to);

inline void append_text(std::string& out, DType d) {
  out += "torch.";
  out += name_of(d);
}

// What default-typed creation functions make; float32 unless set_default_dtype changed it.
DType default_dtype();
void set_default_dtype(DType d);

// Layout and memory format, numbered as PyTorch's.
enum class Layout : int8_t { Strided = 0, Sparse, SparseCsr, Mkldnn, SparseCsc, SparseBsr, SparseBsc, Jagged };
constexpr int kLayouts = 8;
// "strided", "sparse_coo", "sparse_csr", ...: as Python names it.
const char* name_of(Layout layout);
inline void append_text(std::string& out, Layout layout) {
  out += "torch.";
  out += name_of(layout);
}
enum class MemoryFormat : int8_t { Contiguous = 0, Preserve = 1, ChannelsLast = 2, ChannelsLast3d = 3 };

}  // namespace rushlight
