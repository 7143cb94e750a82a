#include "rushlight/kernels/normal_fill.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "rushlight/core/generator.h"
#include "rushlight/kernels/isa.h"

namespace rushlight {
namespace {

// log and sine/cosine by the polynomials of Cephes (S. Moshier, logf.c and sinf.c): PyTorch's vector code for this one place uses them
// instead of the correctly rounded functions, so the same seed needs the same polynomials, in the same order of operations, and joined
// (a * b + c rounded once) where its compiler joins them.
inline __attribute__((always_inline)) float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

inline __attribute__((always_inline)) float log_cephes(float x) {
  constexpr float smallest = std::bit_cast<float>(0x00800000u);
  x = x > smallest ? x : smallest;
  int32_t bits = std::bit_cast<int32_t>(x);
  float e = float((bits >> 23) - 0x7f) + 1.0f;
  x = std::bit_cast<float>((bits & ~0x7f800000) | 0x3f000000);  // mantissa in [0.5, 1)
  bool small = x < 0.707106781186547524f;
  float extra = small ? x : 0.0f;
  x = x - 1.0f;
  e = e - (small ? 1.0f : 0.0f);
  x = x + extra;
  float z = x * x;
  float y = 7.0376836292E-2f;
  y = fma(y, x, -1.1514610310E-1f);
  y = fma(y, x, 1.1676998740E-1f);
  y = fma(y, x, -1.2420140846E-1f);
  y = fma(y, x, 1.4249322787E-1f);
  y = fma(y, x, -1.6668057665E-1f);
  y = fma(y, x, 2.0000714765E-1f);
  y = fma(y, x, -2.4999993993E-1f);
  y = fma(y, x, 3.3333331174E-1f);
  y = fma(y * x, z, e * -2.12194440e-4f);
  y = fma(z, -0.5f, y);
  x = x + y;
  return fma(e, 0.693359375f, x);
}

inline __attribute__((always_inline)) void sincos_cephes(float x, float& sine, float& cosine) {
  // x is in [0, 2 pi] here: no sign to take off.
  float y = x * 1.27323954473516f;  // 4 / pi
  int32_t j = int32_t(y);
  j = (j + 1) & ~1;
  y = float(j);
  uint32_t sign_sine = uint32_t(j & 4) << 29;
  bool swap = (j & 2) == 0;
  uint32_t sign_cosine = uint32_t(~(j - 2) & 4) << 29;
  x = fma(y, -0.78515625f, x);
  x = fma(y, -2.4187564849853515625e-4f, x);
  x = fma(y, -3.77489497744594108e-8f, x);
  float z = x * x;
  float c = 2.443315711809948E-005f;
  c = fma(c, z, -1.388731625493765E-003f);
  c = fma(c, z, 4.166664568298827E-002f);
  c = fma(c * z, z, z * -0.5f) + 1.0f;
  float s = -1.9515295891E-4f;
  s = fma(s, z, 8.3321608736E-3f);
  s = fma(s, z, -1.6666654611E-1f);
  s = fma(s * z, x, x);
  float a = swap ? s : c, b = swap ? c : s;
  sine = std::bit_cast<float>(std::bit_cast<uint32_t>(a) ^ sign_sine);
  cosine = std::bit_cast<float>(std::bit_cast<uint32_t>(b) ^ sign_cosine);
}

constexpr int64_t kTogether = 16;  // blocks a loop runs over: one block alone would be unrolled instead of vectorised

RL_FOR_EACH_ISA(
    inline, void, fill, (float* data, int64_t blocks, float mean, float std), {
      for (int64_t first = 0; first < blocks; first += kTogether) {
        int64_t count = blocks - first < kTogether ? blocks - first : kTogether;
        float* p = data + first * 16;
        float u1[kTogether * 8];
        float u2[kTogether * 8];
        for (int64_t block = 0; block < count; block++) {
          std::memcpy(u1 + block * 8, p + block * 16, 32);
          std::memcpy(u2 + block * 8, p + block * 16 + 8, 32);
        }
        RL_IVDEP
        for (int64_t i = 0; i < count * 8; i++) {
          float radius = __builtin_sqrtf(-2.0f * log_cephes(1.0f - u1[i]));
          float theta = 6.283185307179586f * u2[i];
          float sine;
          float cosine;
          sincos_cephes(theta, sine, cosine);
          u1[i] = fma(radius * cosine, std, mean);
          u2[i] = fma(radius * sine, std, mean);
        }
        for (int64_t block = 0; block < count; block++) {
          std::memcpy(p + block * 16, u1 + block * 8, 32);
          std::memcpy(p + block * 16 + 8, u2 + block * 8, 32);
        }
      }
    }, )

RL_FOR_EACH_ISA(
    inline, void, to_unit, (const uint32_t* bits, float* out, int64_t n), {
      for (int64_t i = 0; i < n; i++) out[i] = float(int32_t(bits[i] & 0xffffffu)) * 0x1p-24f;
    }, )

RL_FOR_EACH_ISA(
    inline, void, scale, (float* data, int64_t n, float span, float low), {
      for (int64_t i = 0; i < n; i++) data[i] = __builtin_fmaf(data[i], span, low);
    }, )

}  // namespace

void normal_fill(float* data, int64_t blocks, float mean, float std) { fill_isa()(data, blocks, mean, std); }
void scale_fill(float* data, int64_t n, float span, float low) { scale_isa()(data, n, span, low); }
void unit_uniform_fill(Generator& g, float* data, int64_t n) {
  uint32_t bits[1024];
  for (int64_t at = 0; at < n; at += 1024) {
    int64_t count = std::min<int64_t>(1024, n - at);
    g.random(bits, count);
    to_unit_isa()(bits, data + at, count);
  }
}

}  // namespace rushlight
