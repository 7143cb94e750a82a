// Bit operations.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct BitAnd {
  static constexpr bool kStoredToo = true;
  RL_FN T operator()(T a, T b) const { return T(a & b); }
};

template <class T> struct BitOr {
  static constexpr bool kStoredToo = true;
  RL_FN T operator()(T a, T b) const { return T(a | b); }
};

template <class T> struct BitXor {
  static constexpr bool kStoredToo = true;
  RL_FN T operator()(T a, T b) const { return T(a ^ b); }
};

template <class T>
struct BitNot {
  static constexpr bool kStoredToo = true;
  RL_FN T operator()(T a) const {
    if constexpr (std::is_same_v<T, bool>) return __builtin_bit_cast(uint8_t, a) == 0;  // gcc makes no vectors of !a
    else if constexpr (math::is_bool<T>) return !a;
    else return T(~a);
  }
};

template <class T> struct ShiftLeft {
  RL_FN T operator()(T a, T b) const { return math::shift_left(a, b); }
};

template <class T> struct ShiftRight {
  RL_FN T operator()(T a, T b) const { return math::shift_right(a, b); }
};

using IntegralNoBool = TypeList<int32_t, int64_t>;

}  // namespace

OP(bitwise_and, {.schema = "bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor",
                 .doc = "Bits set in both."
                        " >>> torch.bitwise_and(torch.tensor([12]), torch.tensor([10]))\ntensor([8])",
                 .kernel = pointwise<BitAnd, Integral>(),
                 .overloads = {"bitwise_and.Scalar(Tensor self, Scalar other) -> Tensor"},
                 .numbers = Numbers::Fallback});
OP(bitwise_or, {.schema = "bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor",
                .doc = "Bits set in either."
                       " >>> torch.bitwise_or(torch.tensor([12]), torch.tensor([10]))\ntensor([14])",
                .kernel = pointwise<BitOr, Integral>(),
                .overloads = {"bitwise_or.Scalar(Tensor self, Scalar other) -> Tensor"},
                .numbers = Numbers::Fallback});
OP(bitwise_xor, {.schema = "bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor",
                 .doc = "Bits set in exactly one."
                        " >>> torch.bitwise_xor(torch.tensor([12]), torch.tensor([10]))\ntensor([6])",
                 .kernel = pointwise<BitXor, Integral>(),
                 .overloads = {"bitwise_xor.Scalar(Tensor self, Scalar other) -> Tensor"},
                 .numbers = Numbers::Fallback});
OP(bitwise_not, {.schema = "bitwise_not(Tensor self) -> Tensor",
                 .doc = "Every bit flipped; not for bools."
                        " >>> torch.bitwise_not(torch.tensor([0, 5]))\ntensor([-1, -6])",
                 .kernel = pointwise<BitNot, Integral>()});
OP(bitwise_left_shift,
   {.schema = "bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor",
    .doc = "self << other."
           " >>> torch.bitwise_left_shift(torch.tensor([1, 2]), torch.tensor([3, 3]))\ntensor([ 8, 16])",
    .kernel = pointwise<ShiftLeft, IntegralNoBool>(),
    .overloads = {"bitwise_left_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor"},
    .numbers = Numbers::Fallback});
OP(bitwise_right_shift,
   {.schema = "bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor",
    .doc = "self >> other."
           " >>> torch.bitwise_right_shift(torch.tensor([8, 17]), torch.tensor([3, 3]))\ntensor([1, 2])",
    .kernel = pointwise<ShiftRight, IntegralNoBool>(),
    .overloads = {"bitwise_right_shift.Tensor_Scalar(Tensor self, Scalar other) -> Tensor"},
    .numbers = Numbers::Fallback});

}  // namespace rushlight
