#include "rushlight/core/sizes.h"

namespace rushlight {

void fail_overflow(int64_t a, char op, int64_t b) {
  throw ShapeError(str("integer overflow: ", a, ' ', op, ' ', b,
                       ", computed from the given sizes, steps or offsets, does not fit 64 bits"));
}

void fail_product(IntArrayRef sizes) {
  throw ShapeError(str("numel: integer multiplication overflow: a tensor of sizes ", sizes,
                       " has more elements than 64 bits count"));
}

bool storage_extent(IntArrayRef sizes, IntArrayRef strides, int64_t offset, int64_t& elements) {
  int64_t first = offset, last = offset;
  elements = 0;
  for (int64_t s : sizes)
    if (s == 0) return true;
  for (size_t i = 0; i < sizes.size(); i++) {
    int64_t reach;
    if (__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) ||
        __builtin_add_overflow(reach < 0 ? first : last, reach, reach < 0 ? &first : &last))
      return false;
  }
  return first >= 0 && !__builtin_add_overflow(last, 1, &elements);
}

}  // namespace rushlight
