// Conversion of rows between every pair of dtypes; the only place that knows how one element type becomes another.
#include <algorithm>
#include <cstring>

#include "rushlight/kernels/loops.h"

#ifdef RL_X86_DISPATCH
#include <immintrin.h>
#endif

namespace rushlight {
namespace {

template <class To, class From>
inline To cast_value(From v) {
  constexpr bool from_complex = is_complex(dtype_of<From>), to_complex = is_complex(dtype_of<To>);
  if constexpr (from_complex && to_complex)
    return To(typename To::value_type(v.real()), typename To::value_type(v.imag()));
  else if constexpr (from_complex && std::is_same_v<To, bool>) return v != From(0);
  else if constexpr (from_complex) return cast_value<To>(v.real());
  else if constexpr (to_complex) return To(cast_value<typename To::value_type>(v), 0);
  else if constexpr (is_half(dtype_of<From>)) return cast_value<To>(float(v));
  else if constexpr (is_half(dtype_of<To>)) return To(float(v));
  else if constexpr (std::is_same_v<To, bool>) return v != From(0);
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 8)
    return To(int64_t(v));  // wraps as PyTorch's x86 kernels do, instead of saturating
  else return To(v);
}

RL_FOR_EACH_ISA(
    template <class To RL_COMMA class From>, void, dense, (To * out, const From* in, int64_t n),
    { RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = cast_value<To>(in[i]); }, <To RL_COMMA From>)

#ifdef RL_X86_DISPATCH
// float16 has instructions of its own, which gcc does not find in the shifts and masks of Half.
template <>
RL_TARGET_AVX2 void dense_avx2<float, Half>(float* out, const Half* in, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  for (; i < n; i++) out[i] = float(in[i]);
}
template <>
RL_TARGET_AVX2 void dense_avx2<Half, float>(Half* out, const float* in, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; i++) out[i] = Half(in[i]);
}
template <>
RL_TARGET_AVX512 void dense_avx512<float, Half>(float* out, const Half* in, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(out + i,
                     _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i))));
  for (; i < n; i++) out[i] = float(in[i]);
}
template <>
RL_TARGET_AVX512 void dense_avx512<Half, float>(Half* out, const float* in, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; i++) out[i] = Half(in[i]);
}
#endif

template <class To, class From>
void convert(void* out, int64_t out_stride, const void* in, int64_t in_stride, int64_t n) {
  if (out_stride == sizeof(To) && in_stride == sizeof(From))
    return dense_isa<To, From>()(static_cast<To*>(out), static_cast<const From*>(in), n);
  char* o = static_cast<char*>(out);
  const char* p = static_cast<const char*>(in);
  for (int64_t i = 0; i < n; i++, o += out_stride, p += in_stride)
    *reinterpret_cast<To*>(o) = cast_value<To>(*reinterpret_cast<const From*>(p));
}

// A line of words from every `step`-th one; the steps that come up most have loops that the compiler vectorises.
RL_FOR_EACH_ISA(
    template <class Word>, void, gather_line, (Word * out, const Word* in, int64_t step, int64_t n),
    {
      if (step == 0) {
        Word one = *in;
        for (int64_t i = 0; i < n; i++) out[i] = one;
      } else if (step == -1) {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] = in[-i];
      } else if (step == 2) {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) out[i] = in[2 * i];
      } else {
        for (int64_t i = 0; i < n; i++) out[i] = in[i * step];
      }
    },
    <Word>)

// Same dtype: bytes only.
template <class Word>
void move_row(char* out, int64_t out_stride, const char* in, int64_t in_stride, int64_t n) {
  if (out_stride == sizeof(Word))
    return gather_line_isa<Word>()(reinterpret_cast<Word*>(out), reinterpret_cast<const Word*>(in),
                                   in_stride / int64_t(sizeof(Word)), n);
  for (int64_t i = 0; i < n; i++, out += out_stride, in += in_stride) std::memcpy(out, in, sizeof(Word));
}

using Convert = void (*)(void*, int64_t, const void*, int64_t, int64_t);

template <class To>
Convert from_any(DType from) {
  switch (from) {
    case DType::UInt8: return convert<To, uint8_t>;
    case DType::Int8: return convert<To, int8_t>;
    case DType::Int16: return convert<To, int16_t>;
    case DType::Int32: return convert<To, int32_t>;
    case DType::Int64: return convert<To, int64_t>;
    case DType::Float16: return convert<To, Half>;
    case DType::Float32: return convert<To, float>;
    case DType::Float64: return convert<To, double>;
    case DType::Complex64: return convert<To, complex64>;
    case DType::Complex128: return convert<To, complex128>;
    case DType::Bool: return convert<To, bool>;
    default: return convert<To, BFloat16>;
  }
}

Convert converter(DType to, DType from) {
  switch (to) {
    case DType::UInt8: return from_any<uint8_t>(from);
    case DType::Int8: return from_any<int8_t>(from);
    case DType::Int16: return from_any<int16_t>(from);
    case DType::Int32: return from_any<int32_t>(from);
    case DType::Int64: return from_any<int64_t>(from);
    case DType::Float16: return from_any<Half>(from);
    case DType::Float32: return from_any<float>(from);
    case DType::Float64: return from_any<double>(from);
    case DType::Complex64: return from_any<complex64>(from);
    case DType::Complex128: return from_any<complex128>(from);
    case DType::Bool: return from_any<bool>(from);
    default: return from_any<BFloat16>(from);
  }
}

}  // namespace

void convert_row(DType to, void* out, int64_t out_stride, DType from, const void* in, int64_t in_stride, int64_t n) {
  if (to != from) return converter(to, from)(out, out_stride, in, in_stride, n);
  int64_t size = item_size(to);
  if (out_stride == size && in_stride == size) {
    std::memmove(out, in, size_t(n * size));
    return;
  }
  char* o = static_cast<char*>(out);
  const char* p = static_cast<const char*>(in);
  switch (size) {
    case 1: return move_row<uint8_t>(o, out_stride, p, in_stride, n);
    case 2: return move_row<uint16_t>(o, out_stride, p, in_stride, n);
    case 4: return move_row<uint32_t>(o, out_stride, p, in_stride, n);
    case 8: return move_row<uint64_t>(o, out_stride, p, in_stride, n);
    default: return move_row<complex128>(o, out_stride, p, in_stride, n);
  }
}

}  // namespace rushlight
