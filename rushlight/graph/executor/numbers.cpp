// Numbers: arithmetic as Python's, with 64-bit integers; what does not fit is an error, never another number.
#include <cmath>
#include <numeric>

#include "rushlight/graph/executor/entries.h"

namespace rushlight::graph {

int64_t floor_divide(int64_t a, int64_t b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: integer division or modulo by zero");
  RL_CHECK(RuntimeError, !(b == -1 && a == INT64_MIN), "OverflowError: ", a, " // -1 does not fit in 64 bits");
  int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}
int64_t modulo(int64_t a, int64_t b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: integer division or modulo by zero");
  if (b == -1) return 0;
  int64_t m = a % b;
  return m != 0 && ((m < 0) != (b < 0)) ? m + b : m;
}
int64_t whole(double v, const char* what) {
  RL_CHECK(ValueError, !std::isnan(v), what, ": cannot convert float NaN to integer");
  constexpr double kLimit = 9223372036854775808.0;
  RL_CHECK(RuntimeError, v >= -kLimit && v < kLimit, "OverflowError: ", what, ": ", v, " does not fit in 64 bits");
  return int64_t(v);
}

namespace {

[[noreturn]] void overflow(int64_t a, const char* op, int64_t b) {
  throw RuntimeError(str("OverflowError: ", a, " ", op, " ", b, " does not fit in 64 bits"));
}
int64_t add(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_add_overflow(a, b, &out)) overflow(a, "+", b);
  return out;
}
int64_t sub(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_sub_overflow(a, b, &out)) overflow(a, "-", b);
  return out;
}
int64_t mul(int64_t a, int64_t b) {
  int64_t out;
  if (__builtin_mul_overflow(a, b, &out)) overflow(a, "*", b);
  return out;
}
// Python's ** of numbers whose result is a float.
double real_power(const IValue& a, const IValue& b) {
  double base = a.to_double(), exponent = b.to_double();
  RL_CHECK(RuntimeError, base != 0 || !(exponent < 0), "ZeroDivisionError: 0.0 cannot be raised to a negative power");
  return std::pow(base, exponent);
}
int64_t power(int64_t base, int64_t exponent) {
  RL_CHECK(RuntimeError, exponent >= 0, "pow: a negative exponent, ", exponent, ", of an integer result");
  int64_t out = 1, by = base;
  for (int64_t left = exponent; left;) {
    if (left & 1 && __builtin_mul_overflow(out, by, &out)) overflow(base, "**", exponent);
    left >>= 1;
    if (left && __builtin_mul_overflow(by, by, &by)) overflow(base, "**", exponent);
  }
  return out;
}
int64_t shift_left(int64_t a, int64_t b) {
  RL_CHECK(ValueError, b >= 0, "negative shift count");
  if (a == 0) return 0;
  int64_t out = b < 63 ? int64_t(uint64_t(a) << b) : 0;
  if (b >= 63 || out >> b != a) overflow(a, "<<", b);
  return out;
}
int64_t shift_right(int64_t a, int64_t b) {
  RL_CHECK(ValueError, b >= 0, "negative shift count");
  return a >> std::min<int64_t>(b, 63);
}
double float_modulo(double a, double b) {
  double m = std::fmod(a, b);
  if (m == 0) return std::copysign(m, b);
  return (m < 0) != (b < 0) ? m + b : m;
}
// As Python's: through the remainder, for a / b may round up to the next whole number.
double float_floor_divide(double a, double b) {
  if (b == 0) return a / b;
  double m = std::fmod(a, b), q = (a - m) / b;
  if (m != 0 && (m < 0) != (b < 0)) q -= 1;
  if (q == 0) return std::copysign(0.0, a / b);
  double down = std::floor(q);
  return q - down > 0.5 ? down + 1 : down;
}
// A division by 0.0 gives inf or nan, in scripts as in files that PyTorch wrote, where Python's raises.
double divide(double a, double b) { return a / b; }
complex128 divide(complex128 a, complex128 b) { return a / b; }
int64_t absolute(int64_t a) { return a < 0 ? sub(0, a) : a; }
// Halves go to the even neighbour.
double rounded(double v) { return std::nearbyint(v); }
int64_t factorial(int64_t n) {
  RL_CHECK(ValueError, n >= 0, "factorial() not defined for negative values");
  int64_t out = 1;
  for (int64_t i = 2; i <= n; i++) out = mul(out, i);
  return out;
}
IValue number_of(const Scalar& s) { return IValue(s); }

// A function of any two numbers: of integers, of reals or of complex numbers, as the larger kind of the two says.
template <class I, class F, class C>
IValue of_kind(const IValue& a, const IValue& b, const I& ints, const F& floats, const C& complexes) {
  if (a.is_complex() || b.is_complex()) return IValue(complexes(a.to_complex(), b.to_complex()));
  if (a.is_double() || b.is_double()) return IValue(floats(a.to_double(), b.to_double()));
  return IValue(ints(a.to_int(), b.to_int()));
}
void divide_with_rest(const IValue* a, IValue* r) {
  RL_CHECK(RuntimeError, a[1].to_double() != 0, "ZeroDivisionError: float divmod()");
  r[0] = float_floor_divide(a[0].to_double(), a[1].to_double());
  r[1] = float_modulo(a[0].to_double(), a[1].to_double());
}
complex128 no_complex(complex128, complex128) { throw TypeError("this is not defined for complex numbers"); }

#define RL_MIXED(name, f)                                                                               \
  RL_P("aten::" name ".float(float a, float b) -> float", f(a[0].to_double(), a[1].to_double())),       \
      RL_P("aten::" name ".int_float(int a, float b) -> float", f(a[0].to_double(), a[1].to_double())), \
      RL_P("aten::" name ".float_int(float a, int b) -> float", f(a[0].to_double(), a[1].to_double()))
#define RL_COMPLEX(name, op)                                                                                       \
  RL_P("aten::" name ".complex(complex a, complex b) -> complex", a[0].to_complex() op a[1].to_complex()),         \
      RL_P("aten::" name ".int_complex(int a, complex b) -> complex", a[0].to_complex() op a[1].to_complex()),     \
      RL_P("aten::" name ".complex_int(complex a, int b) -> complex", a[0].to_complex() op a[1].to_complex()),     \
      RL_P("aten::" name ".float_complex(float a, complex b) -> complex", a[0].to_complex() op a[1].to_complex()), \
      RL_P("aten::" name ".complex_float(complex a, float b) -> complex", a[0].to_complex() op a[1].to_complex())
#define RL_ANY_NUMBERS(name, i, f, c) RL_P("aten::" name "(Scalar a, Scalar b) -> Scalar", of_kind(a[0], a[1], i, f, c))
#define RL_COMPARE(name, op)                                                                                       \
  RL_P("aten::" name ".int(int a, int b) -> bool", a[0].to_int() op a[1].to_int()),                                \
      RL_P("aten::" name ".float(float a, float b) -> bool", a[0].to_double() op a[1].to_double()),                \
      RL_P("aten::" name ".int_float(int a, float b) -> bool", a[0].to_double() op a[1].to_double()),              \
      RL_P("aten::" name ".float_int(float a, int b) -> bool", a[0].to_double() op a[1].to_double()),              \
      RL_P("aten::" name "(Scalar a, Scalar b) -> bool",                                                           \
           of_kind(                                                                                                \
               a[0], a[1], [](int64_t x, int64_t y) { return x op y; }, [](double x, double y) { return x op y; }, \
               [](complex128 x, complex128 y) { return bool(no_complex(x, y).real()); }))
#define RL_EQUAL(name, op)                                                                                         \
  RL_P("aten::" name ".int(int a, int b) -> bool", a[0].to_int() op a[1].to_int()),                                \
      RL_P("aten::" name ".float(float a, float b) -> bool", a[0].to_double() op a[1].to_double()),                \
      RL_P("aten::" name ".int_float(int a, float b) -> bool", a[0].to_double() op a[1].to_double()),              \
      RL_P("aten::" name ".float_int(float a, int b) -> bool", a[0].to_double() op a[1].to_double()),              \
      RL_P("aten::" name ".complex(complex a, complex b) -> bool", a[0].to_complex() op a[1].to_complex()),        \
      RL_P("aten::" name ".complex_float(complex a, float b) -> bool", a[0].to_complex() op a[1].to_complex()),    \
      RL_P("aten::" name ".float_complex(float a, complex b) -> bool", a[0].to_complex() op a[1].to_complex()),    \
      RL_P("aten::" name ".bool(bool a, bool b) -> bool", a[0].to_bool() op a[1].to_bool()),                       \
      RL_P("aten::" name "(Scalar a, Scalar b) -> bool",                                                           \
           of_kind(                                                                                                \
               a[0], a[1], [](int64_t x, int64_t y) { return x op y; }, [](double x, double y) { return x op y; }, \
               [](complex128 x, complex128 y) { return x op y; }))
#define RL_MATH(name, f)                                           \
  RL_P("aten::" name ".int(int a) -> float", f(a[0].to_double())), \
      RL_P("aten::" name ".float(float a) -> float", f(a[0].to_double()))
// Of complex numbers too.
#define RL_COMPLEX_MATH(name, f)                                                                \
  RL_MATH(name, f), RL_P("aten::" name ".complex(complex a) -> complex", f(a[0].to_complex())), \
      RL_P("aten::" name ".Scalar(Scalar a) -> Scalar",                                         \
           a[0].is_complex() ? IValue(f(a[0].to_complex())) : IValue(f(a[0].to_double())))
#define RL_MATH2(name, f)                                                                                      \
  RL_P("aten::" name ".int(int a, int b) -> float", f(a[0].to_double(), a[1].to_double())), RL_MIXED(name, f), \
      RL_P("aten::" name "(Scalar a, Scalar b) -> float", f(a[0].to_double(), a[1].to_double()))
#define RL_TEST(name, f, join)                                        \
  RL_P("aten::" name ".float(float a) -> bool", f(a[0].to_double())), \
      RL_P("aten::" name ".complex(complex a) -> bool", f(a[0].to_complex().real()) join f(a[0].to_complex().imag()))
#define RL_LEAST(name, f)                                                                                            \
  RL_P("prim::" name ".int(int a, int b) -> int", f(a[0].to_int(), a[1].to_int())),                                  \
      RL_P("prim::" name ".float(float a, float b) -> float", f(a[0].to_double(), a[1].to_double())),                \
      RL_P("prim::" name ".int_float(int a, float b) -> float", f(a[0].to_double(), a[1].to_double())),              \
      RL_P("prim::" name ".float_int(float a, int b) -> float", f(a[0].to_double(), a[1].to_double())),              \
      RL_P("prim::" name "(Scalar a, Scalar b) -> Scalar",                                                           \
           of_kind(                                                                                                  \
               a[0], a[1], [](int64_t x, int64_t y) { return f(x, y); }, [](double x, double y) { return f(x, y); }, \
               no_complex))

constexpr double kDegrees = 57.295779513082320876798154814105;
double degrees(double v) { return v * kDegrees; }
double radians(double v) { return v / kDegrees; }

const Entry kEntries[] = {
    RL_P("aten::add.int(int a, int b) -> int", add(a[0].to_int(), a[1].to_int())),
    RL_MIXED("add", [](double x, double y) { return x + y; }),
    RL_COMPLEX("add", +),
    RL_ANY_NUMBERS(
        "add", add, [](double x, double y) { return x + y; }, [](complex128 x, complex128 y) { return x + y; }),
    RL_P("aten::sub.int(int a, int b) -> int", sub(a[0].to_int(), a[1].to_int())),
    RL_MIXED("sub", [](double x, double y) { return x - y; }),
    RL_COMPLEX("sub", -),
    RL_ANY_NUMBERS(
        "sub", sub, [](double x, double y) { return x - y; }, [](complex128 x, complex128 y) { return x - y; }),
    RL_P("aten::mul.int(int a, int b) -> int", mul(a[0].to_int(), a[1].to_int())),
    RL_MIXED("mul", [](double x, double y) { return x * y; }),
    RL_COMPLEX("mul", *),
    RL_ANY_NUMBERS(
        "mul", mul, [](double x, double y) { return x * y; }, [](complex128 x, complex128 y) { return x * y; }),
    RL_P("aten::floordiv.int(int a, int b) -> int", floor_divide(a[0].to_int(), a[1].to_int())),
    RL_MIXED("floordiv", float_floor_divide),
    RL_ANY_NUMBERS(
        "floordiv", [](int64_t x, int64_t y) { return floor_divide(x, y); },
        [](double x, double y) { return float_floor_divide(x, y); }, no_complex),
    RL_P("aten::remainder.int(int a, int b) -> int", modulo(a[0].to_int(), a[1].to_int())),
    RL_MIXED("remainder", float_modulo),
    RL_ANY_NUMBERS(
        "remainder", [](int64_t x, int64_t y) { return modulo(x, y); },
        [](double x, double y) { return float_modulo(x, y); }, no_complex),
    RL_DO("aten::divmod.int(int x, int y) -> (int, int)", r[0] = floor_divide(a[0].to_int(), a[1].to_int());
          r[1] = modulo(a[0].to_int(), a[1].to_int())),
    RL_DO("aten::divmod.float(float x, float y) -> (float, float)", divide_with_rest(a, r)),
    RL_DO("aten::divmod.int_float(int x, float y) -> (float, float)", divide_with_rest(a, r)),
    RL_DO("aten::divmod.float_int(float x, int y) -> (float, float)", divide_with_rest(a, r)),
    RL_P("aten::div.int(int a, int b) -> float", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::div.float(float a, float b) -> float", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::div.complex(complex a, complex b) -> complex", divide(a[0].to_complex(), a[1].to_complex())),
    RL_P("aten::div.complex_float(complex a, float b) -> complex", divide(a[0].to_complex(), a[1].to_complex())),
    RL_P("aten::div.float_complex(float a, complex b) -> complex", divide(a[0].to_complex(), a[1].to_complex())),
    RL_P("aten::div(Scalar a, Scalar b) -> float", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::__round_to_zero_floordiv.int(int a, int b) -> int",
         floor_divide(a[0].to_int(), a[1].to_int()) +
             (modulo(a[0].to_int(), a[1].to_int()) != 0 && (a[0].to_int() < 0) != (a[1].to_int() < 0))),
    RL_P("aten::pow.int(int a, int b) -> float", real_power(a[0], a[1])),
    RL_P("aten::pow.float(float a, float b) -> float", real_power(a[0], a[1])),
    RL_P("aten::pow.int_float(int a, float b) -> float", real_power(a[0], a[1])),
    RL_P("aten::pow.float_int(float a, int b) -> float", real_power(a[0], a[1])),
    RL_P("aten::pow.complex(complex a, complex b) -> complex", std::pow(a[0].to_complex(), a[1].to_complex())),
    RL_P("aten::pow.complex_float(complex a, float b) -> complex", std::pow(a[0].to_complex(), a[1].to_double())),
    RL_P("aten::pow.float_complex(float a, complex b) -> complex", std::pow(a[0].to_double(), a[1].to_complex())),
    RL_P("aten::pow.Scalar_Scalar(Scalar a, Scalar b) -> float", real_power(a[0], a[1])),
    RL_P("aten::pow.int_to_int(int a, int b) -> int", power(a[0].to_int(), a[1].to_int())),
    RL_P("aten::neg.int(int a) -> int", sub(0, a[0].to_int())),
    RL_P("aten::neg.float(float a) -> float", -a[0].to_double()),
    RL_P("aten::neg.complex(complex a) -> complex", -a[0].to_complex()),
    RL_P("aten::neg.Scalar(Scalar a) -> Scalar", number_of(-a[0].to_scalar())),
    RL_COMPARE("lt", <),
    RL_COMPARE("le", <=),
    RL_COMPARE("gt", >),
    RL_COMPARE("ge", >=),
    RL_EQUAL("eq", ==),
    RL_EQUAL("ne", !=),
    RL_P("aten::__and__.bool(bool a, bool b) -> bool", a[0].to_bool() && a[1].to_bool()),
    RL_P("aten::__or__.bool(bool a, bool b) -> bool", a[0].to_bool() || a[1].to_bool()),
    RL_P("aten::__xor__.bool(bool a, bool b) -> bool", a[0].to_bool() != a[1].to_bool()),
    RL_P("aten::__and__.int(int a, int b) -> int", a[0].to_int() & a[1].to_int()),
    RL_P("aten::__or__.int(int a, int b) -> int", a[0].to_int() | a[1].to_int()),
    RL_P("aten::__xor__.int(int a, int b) -> int", a[0].to_int() ^ a[1].to_int()),
    RL_P("aten::__lshift__.int(int a, int b) -> int", shift_left(a[0].to_int(), a[1].to_int())),
    RL_P("aten::__rshift__.int(int a, int b) -> int", shift_right(a[0].to_int(), a[1].to_int())),
    RL_P("aten::bitwise_not.int(int a) -> int", ~a[0].to_int()),
    RL_P("aten::__not__(bool self) -> bool", !a[0].to_bool()),
    RL_P("aten::__is__(t1 self, t2 obj) -> bool", a[0].is_same(a[1])),
    RL_P("aten::__isnot__(t1 self, t2 obj) -> bool", !a[0].is_same(a[1])),
    RL_COMPLEX_MATH("sqrt", std::sqrt),
    RL_COMPLEX_MATH("exp", std::exp),
    RL_COMPLEX_MATH("log", std::log),
    RL_COMPLEX_MATH("log10", std::log10),
    RL_COMPLEX_MATH("sin", std::sin),
    RL_COMPLEX_MATH("cos", std::cos),
    RL_COMPLEX_MATH("tan", std::tan),
    RL_COMPLEX_MATH("asin", std::asin),
    RL_COMPLEX_MATH("acos", std::acos),
    RL_COMPLEX_MATH("atan", std::atan),
    RL_COMPLEX_MATH("sinh", std::sinh),
    RL_COMPLEX_MATH("cosh", std::cosh),
    RL_COMPLEX_MATH("tanh", std::tanh),
    RL_COMPLEX_MATH("asinh", std::asinh),
    RL_COMPLEX_MATH("acosh", std::acosh),
    RL_COMPLEX_MATH("atanh", std::atanh),
    RL_MATH("log2", std::log2),
    RL_MATH("log1p", std::log1p),
    RL_MATH("expm1", std::expm1),
    RL_MATH("erf", std::erf),
    RL_MATH("erfc", std::erfc),
    RL_MATH("gamma", std::tgamma),
    RL_MATH("lgamma", std::lgamma),
    RL_MATH("fabs", std::fabs),
    RL_MATH("degrees", degrees),
    RL_MATH("radians", radians),
    RL_MATH2("atan2", std::atan2),
    RL_MATH2("fmod", std::fmod),
    RL_MATH2("copysign", std::copysign),
    RL_MATH2("mathremainder", std::remainder),
    RL_MATH2("hypot", std::hypot),
    RL_MATH2("log", [](double x, double base) { return std::log(x) / std::log(base); }),
    RL_TEST("isnan", std::isnan, ||),
    RL_TEST("isinf", std::isinf, ||),
    RL_TEST("isfinite", std::isfinite, &&),
    RL_P("aten::ldexp(float x, int i) -> float",
         std::ldexp(a[0].to_double(), int(std::clamp<int64_t>(a[1].to_int(), -100000, 100000)))),
    RL_DO("aten::frexp(float a) -> (float, int)", int e = 0; r[0] = std::frexp(a[0].to_double(), &e);
          r[1] = int64_t(e)),
    RL_DO("aten::modf(float a) -> (float, float)", double i = 0; r[0] = std::modf(a[0].to_double(), &i); r[1] = i),
    RL_P("aten::gcd.int(int a, int b) -> int", std::gcd(absolute(a[0].to_int()), absolute(a[1].to_int()))),
    RL_P("aten::factorial.int(int a) -> int", factorial(a[0].to_int())),
    RL_P("aten::angle.float(float a) -> float", a[0].to_double() < 0 ? 3.14159265358979323846 : 0.0),
    RL_P("aten::angle.complex(complex a) -> float", std::arg(a[0].to_complex())),
    RL_P("aten::polar.float(float a, float b) -> complex", std::polar(a[0].to_double(), a[1].to_double())),
    RL_P("prim::real.complex(complex a) -> float", a[0].to_complex().real()),
    RL_P("prim::imag.complex(complex a) -> float", a[0].to_complex().imag()),
    RL_P("aten::floor.int(int a) -> int", a[0].to_int()),
    RL_P("aten::floor.float(float a) -> int", whole(std::floor(a[0].to_double()), "floor()")),
    RL_P("aten::ceil.int(int a) -> int", a[0].to_int()),
    RL_P("aten::ceil.float(float a) -> int", whole(std::ceil(a[0].to_double()), "ceil()")),
    RL_P("aten::round.int(int a) -> float", a[0].to_double()),
    RL_P("aten::round.float(float a) -> float", rounded(a[0].to_double())),
    RL_P("prim::abs.int(int a) -> int", absolute(a[0].to_int())),
    RL_P("prim::abs.float(float a) -> float", std::fabs(a[0].to_double())),
    RL_P("prim::abs.complex(complex a) -> float", std::abs(a[0].to_complex())),
    RL_P("prim::abs.Scalar(Scalar a) -> Scalar", a[0].is_complex()  ? IValue(std::abs(a[0].to_complex()))
                                                 : a[0].is_double() ? IValue(std::fabs(a[0].to_double()))
                                                                    : IValue(absolute(a[0].to_int()))),
    RL_LEAST("min", std::min),
    RL_LEAST("max", std::max),
    RL_P("aten::Int.bool(bool a) -> int", int64_t(a[0].to_bool())),
    RL_P("aten::Int.float(float a) -> int", whole(a[0].to_double(), "int()")),
    RL_P("aten::Int.Scalar(Scalar a) -> int",
         a[0].is_double() ? whole(a[0].to_double(), "int()") : a[0].to_scalar().to_int()),
    RL_P("aten::Float.int(int a) -> float", a[0].to_double()),
    RL_P("aten::Float.bool(bool a) -> float", double(a[0].to_bool())),
    RL_P("aten::Float.Scalar(Scalar a) -> float", a[0].to_scalar().to_double()),
    RL_P("aten::Bool.int(int a) -> bool", a[0].to_int() != 0),
    RL_P("aten::Bool.float(float a) -> bool", a[0].to_double() != 0),
    RL_P("aten::Complex.Scalar(Scalar a) -> complex", a[0].to_complex()),
#define RL_MAKE_COMPLEX(x, y) \
  RL_P("aten::Complex." #x "_" #y "(" #x " x, " #y " y) -> complex", complex128(a[0].to_double(), a[1].to_double()))
    RL_MAKE_COMPLEX(float, float),
    RL_MAKE_COMPLEX(int, float),
    RL_MAKE_COMPLEX(float, int),
    RL_MAKE_COMPLEX(int, int),
    RL_MAKE_COMPLEX(bool, bool),
    RL_MAKE_COMPLEX(bool, int),
    RL_MAKE_COMPLEX(bool, float),
    RL_MAKE_COMPLEX(int, bool),
    RL_MAKE_COMPLEX(float, bool),
    RL_DO("aten::__range_length(int lo, int hi, int step) -> int", int64_t lo = a[0].to_int();
          int64_t hi = a[1].to_int(); int64_t step = a[2].to_int();
          RL_CHECK(ValueError, step != 0, "range() arg 3 must not be zero");
          uint64_t span = step > 0 ? uint64_t(hi) - uint64_t(lo) : uint64_t(lo) - uint64_t(hi);
          uint64_t by = step > 0 ? uint64_t(step) : 0 - uint64_t(step);
          r[0] = (step > 0 ? lo < hi : lo > hi) ? int64_t(std::min<uint64_t>(1 + (span - 1) / by, INT64_MAX))
                                                : int64_t(0)),
    RL_P("aten::__derive_index(int index, int start, int step) -> int",
         add(a[1].to_int(), mul(a[0].to_int(), a[2].to_int()))),
};

}  // namespace

std::span<const Entry> number_entries() { return kEntries; }

}  // namespace rushlight::graph
