// Comparisons and logic: results are bool, and have no gradient.
#include "rushlight/dispatch/pointwise.h"

namespace rushlight {
namespace {

template <class T> struct Eq {
  static constexpr bool kStoredToo = true;
  RL_FN auto operator()(T a, T b) const { return a == b; }
};
template <class T> struct Ne {
  static constexpr bool kStoredToo = true;
  RL_FN auto operator()(T a, T b) const { return a != b; }
};
template <class T> struct Lt {
  RL_FN auto operator()(T a, T b) const { return a < b; }
};
template <class T> struct Le {
  RL_FN auto operator()(T a, T b) const { return a <= b; }
};
template <class T> struct Gt {
  RL_FN auto operator()(T a, T b) const { return a > b; }
};
template <class T> struct Ge {
  RL_FN auto operator()(T a, T b) const { return a >= b; }
};
template <class T> struct LogicalAnd {
  RL_FN auto operator()(T a, T b) const { return (a != T(0)) && (b != T(0)); }
};
template <class T> struct LogicalOr {
  RL_FN auto operator()(T a, T b) const { return (a != T(0)) || (b != T(0)); }
};
template <class T> struct LogicalXor {
  RL_FN auto operator()(T a, T b) const { return (a != T(0)) != (b != T(0)); }
};
template <class T> struct LogicalNot {
  RL_FN auto operator()(T a) const {
    if constexpr (std::is_same_v<T, bool>)
      return __builtin_bit_cast(uint8_t, a) == 0;  // gcc makes no vectors of a == false
    else return a == T(0);
  }
};

}  // namespace

OP(eq, {.schema = "eq.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self == other. >>> torch.eq(torch.tensor([1, 2]), 2)\ntensor([False,  True])",
        .kernel = pointwise<Eq, AnyAndBytes>(),
        .overloads = {"eq.Scalar(Tensor self, Scalar other) -> Tensor"},
        .numbers = Numbers::Fallback});
OP(ne, {.schema = "ne.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self != other. >>> torch.ne(torch.tensor([1, 2]), 2)\ntensor([ True, False])",
        .kernel = pointwise<Ne, AnyAndBytes>(),
        .overloads = {"ne.Scalar(Tensor self, Scalar other) -> Tensor"},
        .aliases = {"not_equal"},
        .numbers = Numbers::Fallback});
OP(lt, {.schema = "lt.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self < other. >>> torch.lt(torch.tensor([1, 2]), 2)\ntensor([ True, False])",
        .kernel = pointwise<Lt, RealAndBytes>(),
        .overloads = {"lt.Scalar(Tensor self, Scalar other) -> Tensor"},
        .aliases = {"less"},
        .numbers = Numbers::Fallback});
OP(le, {.schema = "le.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self <= other. >>> torch.le(torch.tensor([1, 3]), 2)\ntensor([ True, False])",
        .kernel = pointwise<Le, RealAndBytes>(),
        .overloads = {"le.Scalar(Tensor self, Scalar other) -> Tensor"},
        .aliases = {"less_equal"},
        .numbers = Numbers::Fallback});
OP(gt, {.schema = "gt.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self > other. >>> torch.gt(torch.tensor([1, 3]), 2)\ntensor([False,  True])",
        .kernel = pointwise<Gt, RealAndBytes>(),
        .overloads = {"gt.Scalar(Tensor self, Scalar other) -> Tensor"},
        .aliases = {"greater"},
        .numbers = Numbers::Fallback});
OP(ge, {.schema = "ge.Tensor(Tensor self, Tensor other) -> Tensor",
        .doc = "self >= other. >>> torch.ge(torch.tensor([1, 2]), 2)\ntensor([False,  True])",
        .kernel = pointwise<Ge, RealAndBytes>(),
        .overloads = {"ge.Scalar(Tensor self, Scalar other) -> Tensor"},
        .aliases = {"greater_equal"},
        .numbers = Numbers::Fallback});
OP(logical_and,
   {.schema = "logical_and(Tensor self, Tensor other) -> Tensor",
    .doc = "Both non-zero. >>> torch.logical_and(torch.tensor([1, 0]), torch.tensor([2, 2]))\ntensor([ True, False])",
    .kernel = pointwise<LogicalAnd, Any>()});
OP(logical_or,
   {.schema = "logical_or(Tensor self, Tensor other) -> Tensor",
    .doc = "Either non-zero. >>> torch.logical_or(torch.tensor([1, 0]), torch.tensor([0, 0]))\ntensor([ True, False])",
    .kernel = pointwise<LogicalOr, Any>()});
OP(logical_xor, {.schema = "logical_xor(Tensor self, Tensor other) -> Tensor",
                 .doc = "Exactly one non-zero. >>> torch.logical_xor(torch.tensor([1, 0]), torch.tensor([2, "
                        "2]))\ntensor([False,  True])",
                 .kernel = pointwise<LogicalXor, Any>()});
OP(logical_not, {.schema = "logical_not(Tensor self) -> Tensor",
                 .doc = "self == 0. >>> torch.logical_not(torch.tensor([1, 0]))\ntensor([False,  True])",
                 .kernel = pointwise<LogicalNot, Any>()});

}  // namespace rushlight
