#include "rushlight/kernels/quantile_slope.h"

#include <cmath>
#include <limits>

#include "rushlight/kernels/special.h"

namespace rushlight::special {
namespace {

constexpr double kPrecise = 1e-15;
constexpr int kMaxTerms = 200000;  // about the square root of the parameters is needed

// A number and its derivative by one parameter.
struct Dual { double v, d = 0; };
Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
Dual operator/(Dual a, Dual b) {
  double q = a.v / b.v;
  return {q, (a.d - q * b.d) / b.v};
}

// b0 + a1 / (b1 + a2 / (b2 + ...)) from the front (Lentz 1976). `next(n, a, b)` gives the n-th pair.
template <class F>
Dual continued_fraction(Dual b0, const F& next) {
  auto off_zero = [](Dual x) { return x.v == 0 ? Dual{std::numeric_limits<double>::min(), x.d} : x; };
  Dual f = off_zero(b0), c = f, d{0};
  for (int n = 1; n < kMaxTerms; n++) {
    Dual a, b;
    next(n, a, b);
    d = Dual{1} / off_zero(b + a * d);
    c = off_zero(b + a / c);
    Dual step = c * d;
    f = f * step;
    // The derivative's own step is c' d + c d', which has to settle too.
    if (!(std::abs(step.v - 1) > kPrecise || std::abs(step.d) > kPrecise)) break;
  }
  return f;
}

// z of x by the Cornish-Fisher expansion, then the expansion's derivative: both are off by O(a^-2.5).
double wide_gamma_slope(double a, double x) {
  double root = std::sqrt(a), z = (x - a) / root;
  for (int i = 0; i < 6; i++) z = (x - a - (z * z - 1) / 3 - z * (z * z - 7) / (36 * root)) / root;
  return 1 + z / (2 * root) - z * (z * z - 7) / (72 * a * root) + ((3 * z * z + 7) * z * z - 16) / (810 * a * a);
}

}  // namespace

double gamma_slope(double a, double x) {
  if (!(a > 0) || std::isnan(x)) return std::numeric_limits<double>::quiet_NaN();
  if (x <= 0) return 0;
  if (a > 1e4 && std::abs(x - a) < 10 * std::sqrt(a)) return wide_gamma_slope(a, x);
  if (x < a + 1) {
    // The lower function is x^a e^-x / Gamma(a + 1) times the sum of x^n / ((a + 1) ... (a + n)).
    double term = 1, harmonic = 0, sum = 1, slope = 0;
    for (int n = 1; n < kMaxTerms; n++) {
      harmonic += 1 / (a + n);
      term *= x / (a + n);
      sum += term;
      slope -= term * harmonic;
      if (!(term > kPrecise * sum)) break;
    }
    return -x / a * (sum * (std::log(x) - digamma(a + 1)) + slope);
  }
  // The upper one is x^a e^-x / Gamma(a) over 1 + x - a - 1 (1 - a) / (3 + x - a - 2 (2 - a) / ...).
  Dual below = continued_fraction({x + 1 - a, -1}, [&](int n, Dual& top, Dual& bottom) {
    top = {n * (a - n), double(n)};
    bottom = {x + 2 * n + 1 - a, -1};
  });
  Dual f = Dual{1} / below;
  return x * (f.v * (std::log(x) - digamma(a)) + f.d);
}

double beta_slope(double a, double b, double x) {
  if (std::isnan(a + b + x)) return std::numeric_limits<double>::quiet_NaN();
  if (a <= 0 || b <= 0 || x <= 0) return 0;  // the value is fixed there
  x = std::fmin(x, 1);
  // I_x(p, q) is x^p (1 - x)^q / (p B(p, q)) over a continued fraction that converges where x is left of the mean; right of it
  // the other tail is taken.
  bool left = x < (a + 1) / (a + b + 2);
  Dual p = left ? Dual{a, 1} : Dual{b, 0}, q = left ? Dual{b, 0} : Dual{a, 1};
  double y = left ? x : 1 - x;
  Dual below = continued_fraction({1}, [&](int n, Dual& top, Dual& bottom) {
    double m = n / 2;
    bottom = {1};
    Dual two = p + Dual{double(n - 1)};
    top = n % 2 ? Dual{-y} * (p + Dual{m}) * (p + q + Dual{m}) / (two * (two + Dual{1}))
                : Dual{y * m} * (q + Dual{-m}) / (two * (two + Dual{1}));
  });
  Dual f = Dual{1} / below;
  double by_beta = digamma(a + b) - (left ? digamma(a + 1) : digamma(a));
  double slope = f.v * (std::log(x) + by_beta) + f.d;
  return left ? -x / a * slope : x / b * slope;
}

}  // namespace rushlight::special
