#include "rushlight/core/scalar.h"

#include <cstring>

namespace rushlight {

void Scalar::fail_number(const Scalar& s, DType d) {
  throw RuntimeError(str("value cannot be converted to type ", cpp_name_of(d), " without overflow: ", s));
}

// Negative numbers are none of e8m0fnu's; 0 becomes its smallest.
bool Scalar::fits_float8(double v, Float8Kind kind) {
  if (std::isnan(v) || (std::isinf(v) && kind == Float8Kind::e5m2)) return true;
  return std::abs(v) <= double(float8_largest(kind)) && (kind != Float8Kind::e8m0fnu || v >= 0);
}

namespace {

// Calls f<T>() for the dtype's type.
template <class F>
decltype(auto) with_number(DType d, const char* what, F&& f) {
  switch (d) {
#define RL_ENTRY(Name, python, number, Type, ...)                                   \
  case DType::Name:                                                                 \
    if constexpr (!is_quantized(DType::Name)) return f.template operator()<Type>(); \
    break;
    RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
  }
  throw NotImplementedError(str('"', what, "\" not implemented for '", scalar_type_name(d), "'"));
}

}  // namespace

Scalar number_in(const Scalar& s, DType d, bool halves_saturate) {
  return with_number(d, "fill_cpu", [&]<class T>() -> Scalar {
    if constexpr (is_half(dtype_of<T>) || is_float8(dtype_of<T>))
      if (halves_saturate && !s.is_complex()) return s.cast<T>();
    if constexpr (std::is_same_v<T, uint64_t>)  // beyond int64 it stays a float
      if (s.is_float() && s.fits<T>() && !s.fits<int64_t>()) return s;
    return s.to<T>();
  });
}

void write_number(const Scalar& s, DType d, void* to) {
  with_number(d, "fill_cpu", [&]<class T>() {
    T v = s.to<T>();
    std::memcpy(to, &v, sizeof v);
  });
}

Scalar read_number(DType d, const void* from) {
  return with_number(d, "_local_scalar_dense_cpu", [&]<class T>() -> Scalar {
    T v;
    std::memcpy(&v, from, sizeof v);
    if constexpr (std::is_same_v<T, uint64_t>)
      if (v > uint64_t(INT64_MAX)) return double(v);
    return v;
  });
}

}  // namespace rushlight
