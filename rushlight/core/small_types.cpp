#include "rushlight/core/small_types.h"

namespace rushlight {
namespace {

struct Format {
  int mantissa, bias;
  uint8_t largest;   // the code of the largest number
  uint8_t overflow;  // of what is larger, without the sign
  uint8_t nan;
  bool signed_zero;  // and signed overflow and NaN
};
constexpr Format kFormats[] = {{2, 15, 0x7B, 0x7C, 0x7F, true},
                               {3, 7, 0x7E, 0x7E, 0x7F, true},
                               {2, 16, 0x7F, 0x80, 0x80, false},
                               {3, 8, 0x7F, 0x80, 0x80, false}};

// Powers of two: half-way cases go to the even exponent, but nothing goes below the smallest.
uint8_t power_from(uint32_t bits) {
  uint32_t exponent = bits >> 23 & 0xFF, rest = bits & 0x7FFFFF;
  if (exponent == 0xFF) return 0xFF;
  bool up = rest > 0x400000 || (rest == 0x400000 && exponent > 0);
  return uint8_t(exponent + up);
}

}  // namespace

uint8_t float8_from(Float8Kind kind, float v) {
  uint32_t bits = bit_cast<uint32_t>(v), size = bits & 0x7FFFFFFF;
  if (kind == Float8Kind::e8m0fnu) return power_from(bits);
  const Format& f = kFormats[int(kind)];
  uint8_t sign = uint8_t(bits >> 24 & 0x80);
  if (size > 0x7F800000) return f.signed_zero ? uint8_t(f.nan | sign) : f.nan;
  uint32_t smallest = uint32_t(128 - f.bias) << 23;  // the smallest normal number's bits
  uint32_t code = 0;
  if (size < smallest) {
    // Adding a number whose last bit is worth one of theirs lets the float unit round.
    float step = bit_cast<float>(uint32_t(128 - f.bias - f.mantissa + 23) << 23);
    code = bit_cast<uint32_t>(bit_cast<float>(size) + step) - bit_cast<uint32_t>(step);
  } else {
    int drop = 23 - f.mantissa;
    uint32_t from_bias = size - (uint32_t(127 - f.bias) << 23);
    code = (from_bias + (1u << (drop - 1)) - 1 + (from_bias >> drop & 1)) >> drop;
  }
  if (code > f.largest) return f.signed_zero ? uint8_t(f.overflow | sign) : f.overflow;
  return uint8_t(code | (code || f.signed_zero ? sign : 0));
}

float float8_largest(Float8Kind kind) {
  return kind == Float8Kind::e8m0fnu ? 0x1p127f : float8_value(kind, kFormats[int(kind)].largest);
}

float float8_value(Float8Kind kind, uint8_t bits) {
  if (kind == Float8Kind::e8m0fnu)
    return bits == 0xFF ? __builtin_nanf("") : bit_cast<float>(bits ? uint32_t(bits) << 23 : 0x400000u);
  const Format& f = kFormats[int(kind)];
  int code = bits & 0x7F, exponent = code >> f.mantissa, mantissa = code & ((1 << f.mantissa) - 1);
  float sign = bits & 0x80 ? -1.0f : 1.0f;
  if (f.signed_zero ? code > f.largest : bits == f.nan) {
    bool infinite = kind == Float8Kind::e5m2 && code == 0x7C;
    return infinite ? sign * __builtin_inff() : __builtin_nanf("");
  }
  float value = float(exponent ? mantissa + (1 << f.mantissa) : mantissa);
  return sign * value * bit_cast<float>(uint32_t(127 + (exponent ? exponent : 1) - f.bias - f.mantissa) << 23);
}

}  // namespace rushlight
