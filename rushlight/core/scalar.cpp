#include "rushlight/core/scalar.h"

namespace rushlight {

void Scalar::fail_number(const Scalar& s, DType d) {
  throw RuntimeError(str("value cannot be converted to type ", cpp_name_of(d), " without overflow: ", s));
}

Scalar number_in(const Scalar& s, DType d, bool halves_saturate) {
  switch (d) {
    case DType::UInt8: return s.to<uint8_t>();
    case DType::Int8: return s.to<int8_t>();
    case DType::Int16: return s.to<int16_t>();
    case DType::Int32: return s.to<int32_t>();
    case DType::Int64: return s.to<int64_t>();
    case DType::Float16: return halves_saturate && !s.is_complex() ? s.cast<Half>() : s.to<Half>();
    case DType::Float32: return s.to<float>();
    case DType::Float64: return s.to<double>();
    case DType::Complex64: return s.to<complex64>();
    case DType::Complex128: return s.to<complex128>();
    case DType::Bool: return s.to<bool>();
    default: return halves_saturate && !s.is_complex() ? s.cast<BFloat16>() : s.to<BFloat16>();
  }
}

}  // namespace rushlight
