// Loops over the elements of broadcast tensors of any strides and dtypes, as kernels/loops.h has them for the CPU.
#pragma once
#include "rushlight/core/half.h"
#include "rushlight/cuda/common.cuh"
#include "rushlight/kernels/loops.h"

namespace rushlight::cuda {

constexpr int kMaxDims = 16;

// A finished LoopPlan, as a kernel takes it. Strides in bytes.
template <int N>
struct Geometry {
  int dims = 0;
  int64_t sizes[kMaxDims];
  int64_t strides[N][kMaxDims];
  char* data[N];

  // False where the plan has more dimensions left than fit.
  bool set(const LoopPlan& plan) {
    dims = int(plan.shape().size());
    if (dims > kMaxDims) return false;
    for (int d = 0; d < dims; d++) {
      sizes[d] = plan.shape()[size_t(d)];
      for (int k = 0; k < N; k++) strides[k][d] = plan.strides(k)[size_t(d)];
    }
    for (int k = 0; k < N; k++) data[k] = plan.data(k);
    return true;
  }
  // Where element i of each operand is; the last dimension is the innermost.
  __device__ void locate(int64_t i, char** at) const {
    for (int k = 0; k < N; k++) at[k] = data[k];
    for (int d = dims - 1; d >= 0; d--) {
      int64_t here = i % sizes[d];
      i /= sizes[d];
      for (int k = 0; k < N; k++) at[k] += here * strides[k][d];
    }
  }
};

// The kinds of element that kernels here read and write. Complex numbers fall back to the CPU.
inline bool has_elements(DType d) { return !is_complex(d); }

// Halves as CUDA's C++ has no use for: by bits, rounded to nearest even.
__device__ inline float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023u;
  if (exponent == 31) return __uint_as_float(sign | 0x7F800000u | mantissa << 13);
  if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
  float tiny = float(mantissa) * 0x1p-24f;
  return sign ? -tiny : tiny;
}
__device__ inline uint16_t float_to_half(float f) {
  uint32_t bits = __float_as_uint(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return uint16_t(sign | 0x7E00u);   // NaN
  if (magnitude >= 0x477FF000u) return uint16_t(sign | 0x7C00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {                                  // subnormal: units of 2^-24
    return uint16_t(sign | uint32_t(__float2int_rn(__uint_as_float(magnitude) * 0x1p24f)));
  }
  magnitude -= 112u << 23;
  return uint16_t(sign | (magnitude + 0xFFFu + (magnitude >> 13 & 1u)) >> 13);
}
__device__ inline float bfloat16_to_float(uint16_t h) { return __uint_as_float(uint32_t(h) << 16); }
__device__ inline uint16_t float_to_bfloat16(float f) {
  uint32_t bits = __float_as_uint(f);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return uint16_t(bits >> 16 | 0x40u);
  return uint16_t((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

template <class T>
__device__ T load(const char* p, DType d) {
  switch (d) {
    case DType::UInt8: return T(*reinterpret_cast<const uint8_t*>(p));
    case DType::Int8: return T(*reinterpret_cast<const int8_t*>(p));
    case DType::Int16: return T(*reinterpret_cast<const int16_t*>(p));
    case DType::Int32: return T(*reinterpret_cast<const int32_t*>(p));
    case DType::Int64: return T(*reinterpret_cast<const int64_t*>(p));
    case DType::Float16: return T(half_to_float(*reinterpret_cast<const uint16_t*>(p)));
    case DType::BFloat16: return T(bfloat16_to_float(*reinterpret_cast<const uint16_t*>(p)));
    case DType::Float32: return T(*reinterpret_cast<const float*>(p));
    case DType::Float64: return T(*reinterpret_cast<const double*>(p));
    default: return T(*reinterpret_cast<const bool*>(p));
  }
}
template <class T>
__device__ void store(char* p, DType d, T v) {
  switch (d) {
    case DType::UInt8: *reinterpret_cast<uint8_t*>(p) = uint8_t(v); break;
    case DType::Int8: *reinterpret_cast<int8_t*>(p) = int8_t(v); break;
    case DType::Int16: *reinterpret_cast<int16_t*>(p) = int16_t(v); break;
    case DType::Int32: *reinterpret_cast<int32_t*>(p) = int32_t(v); break;
    case DType::Int64: *reinterpret_cast<int64_t*>(p) = int64_t(v); break;
    case DType::Float16: *reinterpret_cast<uint16_t*>(p) = float_to_half(float(v)); break;
    case DType::BFloat16: *reinterpret_cast<uint16_t*>(p) = float_to_bfloat16(float(v)); break;
    case DType::Float32: *reinterpret_cast<float*>(p) = float(v); break;
    case DType::Float64: *reinterpret_cast<double*>(p) = double(v); break;
    default: *reinterpret_cast<bool*>(p) = v != T(0); break;
  }
}

// f(addresses of the operands' elements) for each of n elements.
template <int N, class F>
__global__ void for_each(F f, Geometry<N> geometry, int64_t n) {
  int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    char* at[N];
    geometry.locate(i, at);
    f(at);
  }
}
template <int N, class F>
void launch(const F& f, const Geometry<N>& geometry, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  for_each<N><<<blocks_for(n), kThreads, 0, stream>>>(f, geometry, n);
  check(cudaGetLastError(), "launch");
}

}  // namespace rushlight::cuda
