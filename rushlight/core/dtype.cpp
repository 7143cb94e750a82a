#include "rushlight/core/dtype.h"

#include <atomic>

#include "rushlight/core/error.h"

namespace rushlight {
namespace {
constexpr std::string_view kNames[kDTypeSlots] = {"uint8",   "int8",    "int16", "int32",     "int64",      "float16",
                                                  "float32", "float64", "",      "complex64", "complex128", "bool",
                                                  "",        "",        "",      "bfloat16"};
struct Alias {
  std::string_view name;
  DType d;
};
constexpr Alias kAliases[] = {{"float", DType::Float32},    {"double", DType::Float64},    {"half", DType::Float16},
                              {"short", DType::Int16},      {"int", DType::Int32},         {"long", DType::Int64},
                              {"cfloat", DType::Complex64}, {"cdouble", DType::Complex128}};
std::atomic<DType> current_default{DType::Float32};
}  // namespace

std::string_view name_of(DType d) { return kNames[int(d)]; }

const char* cpp_name_of(DType d) {
  switch (d) {
    case DType::UInt8: return "uint8_t";
    case DType::Int8: return "int8_t";
    case DType::Int16: return "int16_t";
    case DType::Int32: return "int";
    case DType::Int64: return "int64_t";
    case DType::Float16: return "c10::Half";
    case DType::Float32: return "float";
    case DType::Float64: return "double";
    case DType::Complex64: return "c10::complex<float>";
    case DType::Complex128: return "c10::complex<double>";
    case DType::Bool: return "bool";
    default: return "c10::BFloat16";
  }
}

bool dtype_from_name(std::string_view name, DType& d) {
  for (int i = 0; i < kDTypeSlots; i++)
    if (!name.empty() && kNames[i] == name) return d = DType(i), true;
  for (const Alias& a : kAliases)
    if (a.name == name) return d = a.d, true;
  return false;
}

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) {
    bool wide = a == DType::Complex128 || b == DType::Complex128 || a == DType::Float64 || b == DType::Float64;
    return wide ? DType::Complex128 : DType::Complex64;
  }
  if (is_floating(a) || is_floating(b)) {
    if (!is_floating(a)) return b;
    if (!is_floating(b)) return a;
    if (is_half(a) && is_half(b)) return DType::Float32;  // float16 with bfloat16
    if (is_half(a)) return b;
    if (is_half(b)) return a;
    return DType::Float64;
  }
  if (a == DType::Bool) return b;
  if (b == DType::Bool) return a;
  if (a == DType::UInt8 || b == DType::UInt8) {
    DType other = a == DType::UInt8 ? b : a;
    return other == DType::Int8 ? DType::Int16 : other;
  }
  return a > b ? a : b;  // signed integers are numbered by width
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to, true)) return false;
  return !(from != DType::Bool && to == DType::Bool);
}

DType default_dtype() { return current_default.load(std::memory_order_relaxed); }

void set_default_dtype(DType d) {
  RL_CHECK(TypeError, is_floating(d),
           "set_default_dtype: only floating-point types are supported as the default type, got ", d);
  current_default = d;
}

}  // namespace rushlight
