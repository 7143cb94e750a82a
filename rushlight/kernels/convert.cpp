// Conversion of rows between every pair of dtypes; the only place that knows how one element type becomes another.
//
// Note [Detours]: a pair has a loop of its own, for each instruction set, if programs convert so much that it counts. Half precision meets
// others in float32, a complex number in its real part's dtype, a dtype that is only stored in a computed one: that row is a piece of
// the cache, and the result is the same bit by bit, for the direct way is defined by it.
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
  else if constexpr (std::is_same_v<To, bool>) return v != From(0);
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 8)
    return To(
        std::conditional_t<std::is_same_v<To, uint32_t>, int64_t, int32_t>(v));  // what x86 makes of what doesn't fit
  else return To(v);
}

// A bool may be a view of any byte: what isn't 0 is true.
template <class From>
inline From load(const From* p) {
  if constexpr (std::is_same_v<From, bool>) return *reinterpret_cast<const uint8_t*>(p) != 0;
  else return *p;
}

RL_FOR_EACH_ISA(
    template <class To RL_COMMA class From>, void, dense, (To * out, const From* in, int64_t n),
    { RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = cast_value<To>(load(in + i)); }, <To RL_COMMA From>)

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
    *reinterpret_cast<To*>(o) = cast_value<To>(load(reinterpret_cast<const From*>(p)));
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

// See Note [Detours].
constexpr bool has_loop(DType to, DType from) {
  if (is_half(to) || is_half(from)) return to == DType::Float32 || from == DType::Float32;
  if (is_complex(to) && is_complex(from)) return true;
  if (is_complex(from)) return to == DType::Bool || to == to_real(from);
  return !is_complex(to) || from == to_real(to);
}

template <class To, class From>
constexpr Convert loop_of() {
  if constexpr (!std::is_same_v<To, From> && has_loop(dtype_of<To>, dtype_of<From>)) return convert<To, From>;
  else return nullptr;
}

template <class To>
Convert from_any(DType from) {
  switch (from) {
#define RL_ENTRY(Name, python, number, Type, ...) \
  case DType::Name: return loop_of<To, Type>();
    RL_COMPUTED_DTYPES(RL_ENTRY)
#undef RL_ENTRY
    default: return nullptr;
  }
}

// None where there is a detour.
Convert converter(DType to, DType from) {
  switch (to) {
#define RL_ENTRY(Name, python, number, Type, ...) \
  case DType::Name: return from_any<Type>(from);
    RL_COMPUTED_DTYPES(RL_ENTRY)
#undef RL_ENTRY
    default: return nullptr;
  }
}

// ---- by a detour ----

// Element by element, with a conversion that C++ knows.
template <class To, class From>
void each(void* out, int64_t out_stride, const void* in, int64_t in_stride, int64_t n) {
  char* o = static_cast<char*>(out);
  const char* p = static_cast<const char*>(in);
  for (int64_t i = 0; i < n; i++, o += out_stride, p += in_stride) {
    From v = *reinterpret_cast<const From*>(p);
    if constexpr (std::is_same_v<To, uint64_t> && std::is_floating_point_v<From>)  // negative ones wrap
      *reinterpret_cast<To*>(o) = v >= From(0x1p63) ? (v < From(0x1p64) ? To(v) : 0) : To(int64_t(v));
    else if constexpr (std::is_same_v<From, complex32>) *reinterpret_cast<To*>(o) = To(v.real(), v.imag());
    else if constexpr (std::is_same_v<To, complex32>) *reinterpret_cast<To*>(o) = To(v.real(), v.imag());
    else *reinterpret_cast<To*>(o) = To(v);
  }
}

// The row in which a dtype meets `other`, and the way there and back.
struct Detour {
  DType row;
  Convert read, write;
};
Detour detour(DType d, DType other) {
  bool fraction = is_differentiable(other);
  if (is_half(d) || (is_complex(d) && is_computed(d) && !is_complex(other))) {
    DType row = is_half(d) ? DType::Float32 : to_real(d);
    return {row, converter(row, d), converter(d, row)};
  }
  switch (d) {
    case DType::Float8_e5m2: return {DType::Float32, each<float, Float8_e5m2>, each<Float8_e5m2, float>};
    case DType::Float8_e4m3fn: return {DType::Float32, each<float, Float8_e4m3fn>, each<Float8_e4m3fn, float>};
    case DType::Float8_e5m2fnuz: return {DType::Float32, each<float, Float8_e5m2fnuz>, each<Float8_e5m2fnuz, float>};
    case DType::Float8_e4m3fnuz: return {DType::Float32, each<float, Float8_e4m3fnuz>, each<Float8_e4m3fnuz, float>};
    case DType::Float8_e8m0fnu: return {DType::Float32, each<float, Float8_e8m0fnu>, each<Float8_e8m0fnu, float>};
    case DType::Complex32: return {DType::Complex64, each<complex64, complex32>, each<complex32, complex64>};
    case DType::UInt16: return {DType::Int32, each<int32_t, uint16_t>, each<uint16_t, int32_t>};
    case DType::UInt32: return {DType::Int64, each<int64_t, uint32_t>, each<uint32_t, int64_t>};
    case DType::UInt64:
      if (other == DType::Float32) return {DType::Float32, each<float, uint64_t>, each<uint64_t, float>};
      if (fraction) return {DType::Float64, each<double, uint64_t>, each<uint64_t, double>};
      return {DType::Int64, each<int64_t, uint64_t>, each<uint64_t, int64_t>};
    default: return {d, nullptr, nullptr};
  }
}

// In pieces: from the one dtype to its row, to the other's row, to the other.
void convert_in_pieces(DType to, char* out, int64_t out_stride, DType from, const char* in, int64_t in_stride,
                       int64_t n) {
  RL_CHECK(NotImplementedError, !is_quantized(to) && !is_quantized(from), "\"copy_\" not implemented for '",
           scalar_type_name(is_quantized(to) ? to : from), "'");
  constexpr int64_t kPiece = 128;
  alignas(16) char first[kPiece * 16], second[kPiece * 16];
  Detour source = detour(from, to), target = detour(to, from);
  if (!source.read) source.row = from;
  // What is written narrower wraps from 64 bits, as it would from its own dtype.
  if (to == DType::UInt16 && is_differentiable(source.row)) target = {DType::Int64, nullptr, each<uint16_t, int64_t>};
  int64_t row_size = item_size(source.row), target_size = item_size(target.row);
  for (int64_t at = 0; at < n; at += kPiece) {
    int64_t count = std::min(kPiece, n - at);
    const void* p = in + at * in_stride;
    int64_t step = in_stride;
    if (source.read) {
      source.read(first, row_size, p, step, count);
      p = first, step = row_size;
    }
    char* o = out + at * out_stride;
    if (!target.write) {
      convert_row(to, o, out_stride, source.row, p, step, count);
    } else {
      convert_row(target.row, second, target_size, source.row, p, step, count);
      target.write(o, out_stride, second, target_size, count);
    }
  }
}

}  // namespace

void convert_row(DType to, void* out, int64_t out_stride, DType from, const void* in, int64_t in_stride, int64_t n) {
  if (to != from) {
    if (Convert loop = converter(to, from)) return loop(out, out_stride, in, in_stride, n);
    return convert_in_pieces(to, static_cast<char*>(out), out_stride, from, static_cast<const char*>(in), in_stride, n);
  }
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
