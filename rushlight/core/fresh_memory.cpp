#include "rushlight/core/fresh_memory.h"

#include <cstring>
#include <limits>

namespace rushlight {

bool fill_fresh_memory = false;

void fill_fresh(const Tensor& t, size_t first_byte) {
  Storage& memory = t.storage();
  if (!memory.device().is_cpu() || is_quantized(t.dtype())) return;
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  alignas(16) char item[16] = {};
  Scalar fill = is_complex(t.dtype())      ? Scalar(complex128(kNaN, kNaN))
                : is_floating(t.dtype())   ? Scalar(kNaN)
                : t.dtype() == DType::Bool ? Scalar(true)
                                           : Scalar(int64_t(0));
  size_t size = size_t(t.item_size());
  if (is_integral(t.dtype(), false)) {
    std::memset(item, 0xFF, size);  // all ones; a sign is the highest bit of the last byte
    if (info_of(t.dtype()).kind == DTypeKind::Signed) item[size - 1] = 0x7F;
  } else {
    write_number(fill, t.dtype(), item);
  }
  char* data = static_cast<char*>(memory.data());
  for (size_t at = first_byte; at + size <= memory.bytes(); at += size) std::memcpy(data + at, item, size);
}

}  // namespace rushlight
