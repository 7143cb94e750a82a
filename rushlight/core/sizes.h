// Arithmetic on sizes, strides, offsets and counts that users give. What does not fit 64 bits throws ShapeError; nothing wraps.
#pragma once
#include "rushlight/core/array_ref.h"
#include "rushlight/core/cxx17.h"

namespace rushlight {

[[noreturn, gnu::cold]] void fail_overflow(int64_t a, char op, int64_t b);

// An int64_t whose sums, differences and products throw instead of overflowing: `CheckedInt(pad) * 2 + size`.
class CheckedInt {
 public:
  constexpr CheckedInt(int64_t v) : v_(v) {}
  constexpr operator int64_t() const { return v_; }
  CheckedInt& operator+=(CheckedInt o) { return *this = *this + o; }
  CheckedInt& operator-=(CheckedInt o) { return *this = *this - o; }
  CheckedInt& operator*=(CheckedInt o) { return *this = *this * o; }

#define RL_CHECKED(sign, text, builtin)                         \
  friend CheckedInt operator sign(CheckedInt a, CheckedInt b) { \
    int64_t out;                                                \
    if (builtin(a.v_, b.v_, &out)) [[unlikely]]                 \
      fail_overflow(a.v_, text, b.v_);                          \
    return out;                                                 \
  }                                                             \
  template <class T, require<std::is_integral_v<T>> = 0>        \
  friend CheckedInt operator sign(CheckedInt a, T b) {          \
    return a sign CheckedInt(int64_t(b));                       \
  }                                                             \
  template <class T, require<std::is_integral_v<T>> = 0>        \
  friend CheckedInt operator sign(T a, CheckedInt b) {          \
    return CheckedInt(int64_t(a)) sign b;                       \
  }
  RL_CHECKED(+, '+', __builtin_add_overflow)
  RL_CHECKED(-, '-', __builtin_sub_overflow)
  RL_CHECKED(*, '*', __builtin_mul_overflow)
#undef RL_CHECKED

 private:
  int64_t v_;
};

[[noreturn, gnu::cold]] void fail_product(IntArrayRef sizes);

// The number of elements of a tensor; false where 64 bits can't count them. A size of 0 counts as 1 in this check, so that no product of
// some of the sizes, such as a stride, overflows either. REQUIRES: no negative size.
inline bool try_product(IntArrayRef sizes, int64_t& n) {
  n = 1;
  bool empty = false, overflow = false;
  for (int64_t s : sizes) {
    empty |= s == 0;
    overflow |= __builtin_mul_overflow(n, s == 0 ? 1 : s, &n);
  }
  if (empty) n = 0;
  return !overflow;
}
inline int64_t product(IntArrayRef sizes) {
  int64_t n;
  if (!try_product(sizes, n)) [[unlikely]]
    fail_product(sizes);
  return n;
}

// The elements that a storage must have for a tensor of this geometry, 0 for one without elements. False where there is no such number:
// the geometry reaches below the storage's start or beyond 64 bits.
bool storage_extent(IntArrayRef sizes, IntArrayRef strides, int64_t offset, int64_t& elements);

// A stride scaled as slices with a step and views of parts do. Beyond 64 bits it is the largest, which no element is reached by: the
// dimension has one at most.
inline int64_t scaled_stride(int64_t stride, int64_t by) {
  int64_t out;
  return __builtin_mul_overflow(stride, by, &out) ? INT64_MAX : out;
}

// Rounded up. REQUIRES: b > 0.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }

}  // namespace rushlight
