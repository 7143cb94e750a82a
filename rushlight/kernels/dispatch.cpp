#include "rushlight/kernels/dispatch.h"

namespace rushlight {

std::string_view scalar_type_name(DType d) {
  switch (d) {
    case DType::UInt8: return "Byte";
    case DType::Int8: return "Char";
    case DType::Int16: return "Short";
    case DType::Int32: return "Int";
    case DType::Int64: return "Long";
    case DType::Float16: return "Half";
    case DType::Float32: return "Float";
    case DType::Float64: return "Double";
    case DType::Complex64: return "ComplexFloat";
    case DType::Complex128: return "ComplexDouble";
    case DType::Bool: return "Bool";
    default: return "BFloat16";
  }
}

}  // namespace rushlight
