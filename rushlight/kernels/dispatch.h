// dispatch: from a dtype at run time to a C++ type.
//
//   dispatch(RealTypes{}, t.dtype(), "sort", [&]<class T>() { sort_rows<T>(...); });
#pragma once
#include <string_view>

#include "rushlight/core/dtype.h"
#include "rushlight/core/error.h"

namespace rushlight {

template <class... Ts> struct Types {};
using FloatTypes = Types<float, double, Half, BFloat16>;
using FloatAndComplexTypes = Types<float, double, Half, BFloat16, complex64, complex128>;
using IntegerTypes = Types<int64_t, int32_t, int16_t, int8_t, uint8_t>;
using NumberTypes = Types<float, double, int64_t, int32_t, Half, BFloat16, int16_t, int8_t, uint8_t>;
using RealTypes = Types<float, double, int64_t, int32_t, Half, BFloat16, int16_t, int8_t, uint8_t, bool>;
using AllTypes =
    Types<float, double, int64_t, int32_t, Half, BFloat16, int16_t, int8_t, uint8_t, bool, complex64, complex128>;

// Calls f<T>() for the type of `d`; throws NotImplementedError naming `op` if it is not listed.
template <class... Ts, class F>
void dispatch(Types<Ts...>, DType d, std::string_view op, F&& f) {
  bool found = ((dtype_of<Ts> == d ? (f.template operator()<Ts>(), true) : false) || ...);
  RL_CHECK(NotImplementedError, found, '"', op, "\" not implemented for '", scalar_type_name(d), "'");
}

// Unsigned words of 1, 2, 4, 8 or 16 bytes, for kernels that only move elements.
struct Word16 { uint64_t low, high; };
template <class F>
void dispatch_size(DType d, F&& f) {
  switch (item_size(d)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Word16>();
  }
}

// What sums and products of T are kept in.
template <class T> struct accumulator { using type = T; };
template <> struct accumulator<Half> { using type = float; };
template <> struct accumulator<BFloat16> { using type = float; };
template <class T>
  requires(std::is_integral_v<T>)
struct accumulator<T> {
  using type = int64_t;
};
template <class T> using accumulator_t = typename accumulator<T>::type;
// T itself, or float for half types: what comparisons and mathematics happen in.
template <class T> using compute_t =
    std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

}  // namespace rushlight
