#include "rushlight/io/crc32.h"

#include <zlib.h>

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rushlight::io {
namespace {

#if defined(__x86_64__)
#define RL_CLMUL __attribute__((target("pclmul,sse4.1"))) inline

RL_CLMUL __m128i load(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

RL_CLMUL __m128i folded(__m128i x, __m128i by, __m128i next) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), next);
}

// Gopal and others, Fast CRC computation for generic polynomials using PCLMULQDQ (Intel, 2009), for the reflected polynomial: 10 times as
// fast as zlib's tables. `bytes` is a multiple of 16, at least 64. Takes and gives the crc before its last inversion.
RL_CLMUL uint32_t fold(const uint8_t* p, size_t bytes, uint32_t crc) {
  // x^n mod P for the distances that are folded over: 512 and 128 bits.
  const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4),
                by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128(int(crc))), b = load(p + 16), c = load(p + 32), d = load(p + 48);
  for (p += 64, bytes -= 64; bytes >= 64; p += 64, bytes -= 64) {
    a = folded(a, by_512, load(p));
    b = folded(b, by_512, load(p + 16));
    c = folded(c, by_512, load(p + 32));
    d = folded(d, by_512, load(p + 48));
  }
  a = folded(folded(folded(a, by_128, b), by_128, c), by_128, d);
  for (; bytes >= 16; p += 16, bytes -= 16) a = folded(a, by_128, load(p));
  // 128 bits to 64, to 32.
  const __m128i low = _mm_setr_epi32(-1, 0, -1, 0);
  a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
  a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), _mm_set_epi64x(0, 0x0163cd6124), 0x00),
                    _mm_srli_si128(a, 4));
  // Barrett's reduction.
  const __m128i polynomial = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  __m128i q = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low), polynomial, 0x10), low);
  a = _mm_xor_si128(a, _mm_clmulepi64_si128(q, polynomial, 0x00));
  return uint32_t(_mm_extract_epi32(a, 1));
}
#endif

}  // namespace

uint32_t crc32_of(const void* data, size_t bytes, uint32_t start) {
  const uint8_t* p = static_cast<const uint8_t*>(data);
  uint32_t crc = start;
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (size_t n = bytes / 16 * 16; fast && n >= 64) {
    crc = ~fold(p, n, ~crc);
    p += n;
    bytes -= n;
  }
#endif
  while (bytes) {
    size_t n = std::min<size_t>(bytes, 1u << 30);
    crc = uint32_t(::crc32(crc, p, uInt(n)));
    p += n;
    bytes -= n;
  }
  return crc;
}

}  // namespace rushlight::io
