// Formulas: what a pointwise functor computes, as data. A functor applied to Expr<float> instead of float writes each of its steps down, so that
// the formula comes from the very specialisation that the float loop does, with its constants as floats. It prints as text, and is what
// code generation reads.
//
//   op.def().kernel.pointwise->formula(DType::Float32, args).text()   // "x0 * (1 - (x1 * x1))"
//
// Every step has a dtype and rounds to it: a * b + c are two steps, and two roundings (docs/design.md, 5). What a function's step computes is
// its overload in math.h and beside it for the dtypes of its arguments.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "rushlight/core/scalar.h"
#include "rushlight/kernels/complex_math.h"
#include "rushlight/kernels/integer_math.h"
#include "rushlight/kernels/special.h"

namespace rushlight {

// What a step does. The names are those of functions.h.
enum class Fn : uint8_t {
  input,     // args[0] is its number
  constant,  // value
  cast,
  select,
#define RL_NAME(name, ...) name,
  RL_OPERATORS(RL_NAME) RL_COMPARISONS(RL_NAME) RL_UNARY_OPERATORS(RL_NAME)  //
  RL_MATH1(RL_NAME) RL_MATH2(RL_NAME)                                        //
  RL_SPECIAL_MATH1(RL_NAME) RL_SPECIAL_MATH2(RL_NAME) RL_SPECIAL_FLOAT_MATH2(RL_NAME)
#undef RL_NAME
};

class Formula {
 public:
  struct Step {
    Fn fn;
    DType dtype;      // of what it gives
    int32_t args[3];  // earlier steps; -1: none
    Scalar value;     // of a constant
  };
  // In an order in which each comes after what it needs. Some may be of no use for the result.
  const std::vector<Step>& steps() const { return steps_; }
  int32_t result() const { return result_; }  // a step
  void set_result(int32_t step) { result_ = step; }
  // "y0 = exp(-abs(x0)); select(x0 < 0, y0, 1) / (1 + y0)": what is used more than once has a name.
  std::string text() const;

  // While it lives, Exprs of this thread write their steps into the formula.
  class Recording {
   public:
    explicit Recording(Formula& into);
    ~Recording();
    Recording(const Recording&) = delete;

   private:
    Formula* before_;
  };

 private:
  friend struct FormulaWriter;
  std::vector<Step> steps_;
  int32_t result_ = -1;
};

namespace detail {
// Steps of the formula being recorded, by number. Out of line, with few arguments: functors are many.
constexpr int32_t step_kind(Fn fn, DType d) { return int32_t(fn) << 8 | int32_t(d); }
int32_t write_step(int32_t kind, int32_t a, int32_t b = -1, int32_t c = -1);
int32_t write_number(DType d, double v);
int32_t write_number(DType d, int64_t v);
int32_t write_number(DType d, complex128 v);
}  // namespace detail

namespace math {

template <class R>
class Expr {
 public:
  template <class N>
    requires std::is_convertible_v<N, R>
  Expr(N v) : step_(write(R(v))) {}
  // As numbers convert: of themselves only from float to double.
  template <class S>
    requires(!std::is_same_v<S, R>)
  explicit(!(std::is_same_v<S, float> && std::is_same_v<R, double>)) Expr(Expr<S> x)
      : step_(detail::write_step(kind(Fn::cast), x.step())) {}

  static Expr input(int number) { return of(Fn::input, number); }
  template <class... Steps> static Expr of(Fn fn, Steps... args) {
    Expr e;
    e.step_ = detail::write_step(kind(fn), args...);
    return e;
  }
  int32_t step() const { return step_; }

#define RL_OPERATOR(name, sign) \
  friend Expr operator sign(Expr a, Expr b) { return of(Fn::name, a.step_, b.step_); }
#define RL_COMPARISON(name, sign) \
  friend Expr<bool> operator sign(Expr a, Expr b) { return Expr<bool>::of(Fn::name, a.step_, b.step_); }
  RL_OPERATORS(RL_OPERATOR)
  RL_COMPARISONS(RL_COMPARISON)
#undef RL_OPERATOR
#undef RL_COMPARISON
  friend Expr operator-(Expr a) { return of(Fn::negative, a.step_); }
  friend Expr operator~(Expr a) { return of(Fn::bit_not, a.step_); }
  friend Expr<bool> operator!(Expr a) { return Expr<bool>::of(Fn::logical_not, a.step_); }

 private:
  Expr() = default;
  static constexpr int32_t kind(Fn fn) { return detail::step_kind(fn, dtype_of<R>); }
  static int32_t write(R v) {
    if constexpr (is_complex_type<R>) return detail::write_number(dtype_of<R>, complex128(v));
    else if constexpr (is_integer<R>) return detail::write_number(dtype_of<R>, int64_t(v));
    else return detail::write_number(dtype_of<R>, double(v));
  }
  int32_t step_;
};

// A function of Exprs where the numbers have one; its result is an Expr of theirs.
#define RL_EXPR1(name, ...)                                                       \
  template <class R>                                                              \
    requires requires(R x) { math::name(x); }                                     \
  auto name(Expr<R> x) {                                                          \
    return Expr<decltype(math::name(std::declval<R>()))>::of(Fn::name, x.step()); \
  }
#define RL_EXPR2(name, ...)                                                                                    \
  template <class R>                                                                                           \
    requires requires(R x) { math::name(x, x); }                                                               \
  auto name(Expr<R> x, Expr<R> y) {                                                                            \
    return Expr<decltype(math::name(std::declval<R>(), std::declval<R>()))>::of(Fn::name, x.step(), y.step()); \
  }
RL_MATH1(RL_EXPR1)
RL_MATH2(RL_EXPR2)
#undef RL_EXPR1
#undef RL_EXPR2
template <class R>
Expr<R> select(Expr<bool> c, Expr<R> a, Expr<R> b) {
  return Expr<R>::of(Fn::select, c.step(), a.step(), b.step());
}
template <class A, class B>
auto either(Expr<bool> c, A&& a, B&& b) {
  return select(c, a(), b());
}

}  // namespace math

using math::Expr;

namespace special {
#define RL_EXPR1(name) \
  inline Expr<double> name(Expr<double> x) { return Expr<double>::of(Fn::name, x.step()); }
#define RL_EXPR2(name) \
  inline Expr<double> name(Expr<double> x, Expr<double> y) { return Expr<double>::of(Fn::name, x.step(), y.step()); }
#define RL_EXPR_FLOAT2(name) \
  RL_EXPR2(name)             \
  inline Expr<float> name(Expr<float> x, Expr<float> y) { return Expr<float>::of(Fn::name, x.step(), y.step()); }
RL_SPECIAL_MATH1(RL_EXPR1)
RL_SPECIAL_MATH2(RL_EXPR2)
RL_SPECIAL_FLOAT_MATH2(RL_EXPR_FLOAT2)
#undef RL_EXPR1
#undef RL_EXPR2
#undef RL_EXPR_FLOAT2
}  // namespace special

}  // namespace rushlight
