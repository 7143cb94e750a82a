// Expr: a symbolic value. A pointwise functor applied to Exprs gives the expression it computes, which prints as text and is what code
// generation reads. Comparisons give Exprs too, so `select` works as it does on numbers.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "rushlight/core/error.h"

namespace rushlight {

class Expr {
 public:
  struct Node {
    std::string op;  // "+", "exp", "select", ...; "input" and "const" are leaves
    std::vector<std::shared_ptr<const Node>> args;
    double value = 0;  // of a const; index of an input
  };
  Expr() : Expr(0.0) {}
  Expr(double v) : node_(std::make_shared<Node>(Node{"const", {}, v})) {}
  Expr(float v) : Expr(double(v)) {}
  Expr(int v) : Expr(double(v)) {}
  Expr(int64_t v) : Expr(double(v)) {}
  Expr(bool v) : Expr(double(v)) {}
  Expr(std::string op, std::vector<Expr> args);
  static Expr input(int index);

  const Node& node() const { return *node_; }
  const std::shared_ptr<const Node>& shared() const { return node_; }
  std::string text() const;  // "exp(x0) - 1"

 private:
  std::shared_ptr<const Node> node_;
};

#define RL_BINARY(op) \
  inline Expr operator op(const Expr& a, const Expr& b) { return Expr(#op, {a, b}); }
RL_BINARY(+)
RL_BINARY(-)
RL_BINARY(*)
RL_BINARY(/)
RL_BINARY(%)
RL_BINARY(<)
RL_BINARY(>)
RL_BINARY(<=)
RL_BINARY(>=)
RL_BINARY(==)
RL_BINARY(!=)
RL_BINARY(&&)
RL_BINARY(||)
RL_BINARY(&)
RL_BINARY(|)
RL_BINARY(^)
RL_BINARY(<<)
RL_BINARY(>>)
#undef RL_BINARY
inline Expr operator-(const Expr& a) { return Expr("neg", {a}); }
inline Expr operator!(const Expr& a) { return Expr("!", {a}); }
inline Expr operator~(const Expr& a) { return Expr("~", {a}); }

namespace math {
#define RL_MATH1(name) \
  inline Expr name(const Expr& x) { return Expr(#name, {x}); }
#define RL_MATH2(name) \
  inline Expr name(const Expr& x, const Expr& y) { return Expr(#name, {x, y}); }
RL_MATH1(exp)
RL_MATH1(exp2)
RL_MATH1(expm1)
RL_MATH1(log)
RL_MATH1(log2)
RL_MATH1(log10)
RL_MATH1(log1p)
RL_MATH1(sin)
RL_MATH1(cos)
RL_MATH1(tan)
RL_MATH1(asin)
RL_MATH1(acos)
RL_MATH1(atan)
RL_MATH1(sinh)
RL_MATH1(cosh)
RL_MATH1(tanh)
RL_MATH1(asinh)
RL_MATH1(acosh)
RL_MATH1(atanh)
RL_MATH1(erf)
RL_MATH1(erfc)
RL_MATH1(lgamma)
RL_MATH1(tgamma)
RL_MATH1(cbrt)
RL_MATH1(sqrt)
RL_MATH1(floor)
RL_MATH1(ceil)
RL_MATH1(trunc)
RL_MATH1(round_even)
RL_MATH1(abs)
RL_MATH1(isnan)
RL_MATH2(pow)
RL_MATH2(atan2)
RL_MATH2(hypot)
RL_MATH2(fmod)
RL_MATH2(copysign)
RL_MATH2(maximum)
RL_MATH2(minimum)
#undef RL_MATH1
#undef RL_MATH2
inline Expr select(const Expr& c, const Expr& a, const Expr& b) { return Expr("select", {c, a, b}); }
inline Expr limit(const Expr& x, const Expr& low, const Expr& high) { return minimum(maximum(x, low), high); }
}  // namespace math

}  // namespace rushlight
