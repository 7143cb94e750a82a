#include "rushlight/kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rushlight {
namespace {

template <class T>
void quantize_to(T* out, const float* in, int64_t n, float inverse, int64_t zero_point) {
  constexpr int64_t lowest = std::numeric_limits<T>::min(), highest = std::numeric_limits<T>::max();
  // Of 8 bits a float holds all that can come out; outside of the range only the sign counts.
  if constexpr (sizeof(T) == 1) {
    float low = float(lowest - zero_point), high = float(highest - zero_point);
    auto zero = int32_t(zero_point);
    for (int64_t i = 0; i < n; i++) {
      float v = std::nearbyint(in[i] * inverse);
      v = v < low ? low : v;
      v = v > high ? high : v;
      out[i] = T(int32_t(v) + zero);
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      double v = std::nearbyint(in[i] * inverse) + double(zero_point);
      out[i] = T(std::min(std::max(v, double(lowest)), double(highest)));
    }
  }
}
template <class T>
void dequantize_from(float* out, const T* in, int64_t n, float scale, int64_t zero_point) {
  for (int64_t i = 0; i < n; i++) out[i] = float(int64_t(in[i]) - zero_point) * scale;
}

}  // namespace

QuantizedRange quantized_range(DType d) {
  switch (d) {
    case DType::QInt8: return {-128, 127};
    case DType::QUInt8: return {0, 255};
    case DType::QInt32: return {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
    default: throw RuntimeError(str("quantize: expected the dtype qint8, quint8 or qint32, got ", d));
  }
}

void quantize_row(DType to, void* out, const float* in, int64_t n, float scale, int64_t zero_point) {
  float inverse = 1.0f / scale;
  switch (to) {
    case DType::QInt8: return quantize_to(static_cast<int8_t*>(out), in, n, inverse, zero_point);
    case DType::QUInt8: return quantize_to(static_cast<uint8_t*>(out), in, n, inverse, zero_point);
    default: return quantize_to(static_cast<int32_t*>(out), in, n, inverse, zero_point);
  }
}

void dequantize_row(DType from, float* out, const void* in, int64_t n, float scale, int64_t zero_point) {
  switch (from) {
    case DType::QInt8: return dequantize_from(out, static_cast<const int8_t*>(in), n, scale, zero_point);
    case DType::QUInt8: return dequantize_from(out, static_cast<const uint8_t*>(in), n, scale, zero_point);
    default: return dequantize_from(out, static_cast<const int32_t*>(in), n, scale, zero_point);
  }
}

QuantizedAs choose_quantization(float min, float max, int64_t qmin, int64_t qmax, bool reduce_range) {
  constexpr float kSmallestScale = 6.1e-5f;  // below it PyTorch's engines would lose the scale's reciprocal
  RL_CHECK(RuntimeError, min <= max && std::isfinite(min) && std::isfinite(max),
           "quantize: expected numbers with a least and a greatest one, got ", min, " and ", max);
  if (reduce_range) qmin /= 2, qmax /= 2;
  min = std::min(min, 0.f);
  max = std::max(max, 0.f);
  auto steps = double(qmax - qmin);
  double scale = (double(max) - min) / steps;
  if (float(scale) == 0.0f || std::isinf(1.0f / float(scale))) scale = 0.1;
  if (scale < kSmallestScale) {
    auto grows = kSmallestScale / float(scale);
    scale = kSmallestScale;
    if (min == 0.0f) max = float(kSmallestScale * steps);
    else if (max == 0.0f) min = -float(kSmallestScale * steps);
    else min *= grows, max *= grows;
  }
  // The end from which the zero point comes out more exactly decides.
  double from_min = double(qmin) - min / scale, from_max = double(qmax) - max / scale;
  double min_error = std::abs(double(qmin)) - std::abs(min / scale);
  double max_error = std::abs(double(qmax)) - std::abs(max / scale);
  double zero = std::nearbyint(min_error < max_error ? from_min : from_max);
  return {scale, int64_t(std::min(std::max(zero, double(qmin)), double(qmax)))};
}

}  // namespace rushlight
