// Types that are stored and converted, and not computed with: float8 kinds, pairs of halves, and quantised integers.
#pragma once
#include <cstdint>

#include "rushlight/core/half.h"

namespace rushlight {

// Eight-bit floats, by name: bits of exponent and mantissa; fn: no infinities; uz: no negative zero, and its code is the only NaN;
// e8m0fnu holds powers of two without a sign.
enum class Float8Kind : uint8_t { e5m2, e4m3fn, e5m2fnuz, e4m3fnuz, e8m0fnu };
// Rounds to nearest even. What is too large becomes infinite (e5m2), the largest (e4m3fn) or NaN (the others).
uint8_t float8_from(Float8Kind kind, float v);
// The largest finite one.
float float8_largest(Float8Kind kind);
float float8_value(Float8Kind kind, uint8_t bits);

template <Float8Kind kind>
struct Float8 {
  static constexpr Float8Kind kKind = kind;
  uint8_t x = 0;
  Float8() = default;
  Float8(float v) : x(float8_from(kind, v)) {}
  operator float() const { return float8_value(kind, x); }
};
using Float8_e5m2 = Float8<Float8Kind::e5m2>;
using Float8_e4m3fn = Float8<Float8Kind::e4m3fn>;
using Float8_e5m2fnuz = Float8<Float8Kind::e5m2fnuz>;
using Float8_e4m3fnuz = Float8<Float8Kind::e4m3fnuz>;
using Float8_e8m0fnu = Float8<Float8Kind::e8m0fnu>;

struct complex32 {
  Half real_, imag_;
  complex32() = default;
  complex32(float re, float im = 0) : real_(re), imag_(im) {}
  float real() const { return real_; }
  float imag() const { return imag_; }
};

// Quantised integers; of the last two, a byte holds two or four.
struct qint8 { int8_t val_; };
struct quint8 { uint8_t val_; };
struct qint32 { int32_t val_; };
struct quint4x2 { uint8_t val_; };
struct quint2x4 { uint8_t val_; };

}  // namespace rushlight
