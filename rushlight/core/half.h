// Half and BFloat16: storage types. Arithmetic on them happens in float; see kernels/loops.h.
#pragma once
#include <cstdint>

#include "rushlight/core/cxx17.h"

namespace rushlight {

// bfloat16: the upper half of a float; rounds to nearest even.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float v) {
    uint32_t u = bit_cast<uint32_t>(v);
    uint32_t rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
    bits = uint16_t((u & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : rounded);
  }
  operator float() const { return bit_cast<float>(uint32_t(bits) << 16); }
};

// IEEE 754 binary16; rounds to nearest even, keeps subnormals.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  Half(float v) {
    // Adding and subtracting scaled powers of two lets the float unit round; after M. Dukhan's description (FP16 library).
    float base = (__builtin_fabsf(v) * 0x1.0p+112f) * 0x1.0p-110f;
    uint32_t w = bit_cast<uint32_t>(v);
    uint32_t shl1 = w + w;
    uint32_t bias = shl1 & 0xFF000000u;
    if (bias < 0x71000000u) bias = 0x71000000u;
    base = bit_cast<float>((bias >> 1) + 0x07800000u) + base;
    uint32_t b = bit_cast<uint32_t>(base);
    uint32_t nonsign = ((b >> 13) & 0x7C00u) + (b & 0x0FFFu);
    bits = uint16_t(((w >> 16) & 0x8000u) | (shl1 > 0xFF000000u ? 0x7E00u : nonsign));
  }
  operator float() const {
    uint32_t w = uint32_t(bits) << 16;
    uint32_t sign = w & 0x80000000u, two_w = w + w;
    float normal = bit_cast<float>((two_w >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
    float subnormal = bit_cast<float>((two_w >> 17) | (126u << 23)) - 0.5f;
    return bit_cast<float>(  //
        sign | (two_w < (1u << 27) ? bit_cast<uint32_t>(subnormal) : bit_cast<uint32_t>(normal)));
  }
};

}  // namespace rushlight
