// The vector functions behind pointwise operators: within 1.1 ulp of the exact value (tanh of floats 1.4) with each instruction set
// (tests/python/test_build.py runs this in several environments).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/cpp/values.h"

namespace rushlight {
namespace {

constexpr int64_t kCount = 1003;  // no multiple of any vector's length

template <class T>
std::vector<T> spread(double from, double to) {
  std::vector<T> v;
  for (int64_t i = 0; i < kCount; i++) v.push_back(T(from + (to - from) * double(i) / double(kCount - 1)));
  return v;
}

// The largest error in units of the last place of T.
template <class T, class Exact>
double worst_ulp(const std::vector<T>& got, Exact exact) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); i++) {
    long double want = exact(i);
    T rounded = T(want);
    double ulp = double(std::nextafter(std::fabs(rounded), T(INFINITY)) - std::fabs(rounded));
    worst = std::max(worst, std::fabs(double(got[i] - want)) / ulp);
  }
  return worst;
}

template <class T>
class VectorMath : public testing::Test {
 protected:
  void expect_exact(Tensor (*op)(const Tensor&), long double (*exact)(long double), double from, double to,
                    double ulp = 1.1) {
    std::vector<T> x = spread<T>(from, to);
    std::vector<T> y = values_of<T>(op(tensor_of<T>(x, kCount)));
    EXPECT_LE(worst_ulp(y, [&](size_t i) { return exact(x[i]); }), ulp);
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(VectorMath, Types);

TYPED_TEST(VectorMath, Exp) { this->expect_exact(&exp, std::exp, -80, 80); }
TYPED_TEST(VectorMath, Log) { this->expect_exact(&log, std::log, 1e-3, 1e3); }
TYPED_TEST(VectorMath, Sin) { this->expect_exact(&sin, std::sin, -30, 30); }
TYPED_TEST(VectorMath, Erf) { this->expect_exact(&erf, std::erf, -4, 4); }
TYPED_TEST(VectorMath, Tan) { this->expect_exact(&tan, std::tan, -1.5, 1.5); }
TYPED_TEST(VectorMath, Atan) { this->expect_exact(&atan, std::atan, -10, 10); }

TYPED_TEST(VectorMath, Tanh) {
  for (double to : {1e-3, 1.0, 10.0, 1e30}) this->expect_exact(&tanh, std::tanh, -to, to, 1.4);
}

TYPED_TEST(VectorMath, Erfinv) {
  auto x = spread<TypeParam>(-0.999, 0.999);
  for (int i = 1; i < std::numeric_limits<TypeParam>::digits; i++) {
    TypeParam small = std::ldexp(TypeParam(1), -i);
    x.insert(x.end(), {small, 1 - small, small - 1});
  }
  auto y = values_of<TypeParam>(erfinv(tensor_of<TypeParam>(x, int64_t(x.size()))));
  // One step of Newton's method in more digits.
  auto exact = [&](size_t i) {
    long double z = y[i], size = std::fabs((long double)x[i]), high = std::fabs(z);
    long double off = size > 0.5L ? (1 - size) - std::erfc(high) : std::erf(high) - size;
    return std::copysign(high - off * std::exp(high * high) * 0.886226925452758013649L, z);
  };
  EXPECT_LE(worst_ulp(y, exact), sizeof(TypeParam) == 4 ? 3 : 2);
}

TYPED_TEST(VectorMath, Pow) {
  auto x = spread<TypeParam>(0.01, 20), y = spread<TypeParam>(-5, 5);
  auto z = values_of<TypeParam>(pow(tensor_of<TypeParam>(x, kCount), tensor_of<TypeParam>(y, kCount)));
  EXPECT_LE(worst_ulp(z, [&](size_t i) { return std::pow((long double)x[i], (long double)y[i]); }), 1.1);
}

}  // namespace
}  // namespace rushlight
