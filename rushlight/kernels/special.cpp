#include "rushlight/kernels/special.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "rushlight/kernels/math.h"

namespace rushlight::special {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846, kSqrtPi = 1.77245385090551602730, kSqrt2 = 1.41421356237309504880;

// B_2k of the Euler-Maclaurin and Stirling series.
constexpr double kBernoulli[] = {1.0 / 6,       -1.0 / 30,       1.0 / 42,       -1.0 / 30,
                                 5.0 / 66,      -691.0 / 2730,   7.0 / 6,        -3617.0 / 510,
                                 43867.0 / 798, -174611.0 / 330, 854513.0 / 138, -236364091.0 / 2730};

// exp(-|x|) I_v(x) for v = 0, 1: the power series, all of whose terms are positive, or beyond 30 the asymptotic one.
double scaled_i(int v, double given) {
  double x = std::abs(given), sum, term;
  if (std::isinf(x)) return v == 1 && given < 0 ? -0.0 : 0.0;
  if (x <= 30) {
    double square = x * x / 4;
    sum = term = v == 0 ? 1 : x / 2;
    for (int k = 1; term > sum * 1e-17; k++) sum += term *= square / (double(k) * (k + v));
    sum *= std::exp(-x);
  } else {
    sum = term = 1;
    for (int k = 1; k < 40; k++) {
      double odd = 2 * k - 1;
      term *= (odd * odd - 4.0 * v * v) / (8.0 * k * x);
      sum += term;
      if (std::abs(term) < 1e-17) break;
    }
    sum /= std::sqrt(2 * kPi) * std::sqrt(x);
  }
  return v == 1 && given < 0 ? -sum : sum;
}
// exp(x) K_v(x) for v = 0, 1/3 (from 1e-2 on), 1: the integral of exp(x - x cosh t) cosh(v t) by the trapezium rule, which converges geometrically.
double scaled_k(double v, double x) {
  if (std::isnan(x) || x < 0) return kNaN;
  if (x == 0) return kInf;
  // Substituting t = asinh-like steps would pay only below 1e-2, where the series at 0 serves.
  if (x < 1e-2) {
    constexpr double gamma = 0.57721566490153286061;
    double square = x * x / 4, log_half = std::log(x / 2);
    if (v == 0)
      return std::exp(x) *
             (-(log_half + gamma) * (1 + square + square * square / 4) + square + square * square * 0.375);
    return std::exp(x) * (1 / x + x / 2 *
                                      (log_half * (1 + square / 2 + square * square / 12) -
                                       ((1 - 2 * gamma) / 2 + square / 2 * (1.25 - gamma) +
                                        square * square / 12 * (5.0 / 3 - gamma))));
  }
  if (x > 100) {
    double sum = 1, term = 1;
    for (int k = 1; k < 40 && std::abs(term) > 1e-17; k++) {
      double odd = 2 * k - 1;
      sum += term *= (4 * v * v - odd * odd) / (8.0 * k * x);
    }
    return sum * std::sqrt(kPi / 2) / std::sqrt(x);
  }
  // Wide enough for an error of 1e-17: the integrand grows with the imaginary part of t, the faster the larger x.
  double step = std::min(0.2, 0.7 / std::sqrt(x)), grow = std::exp(step / 2), root = 1, sum = 0.5;
  for (;;) {
    root *= grow;                                                                // exp(t / 2)
    double sinh_half = (root - 1 / root) / 2, less = 2 * sinh_half * sinh_half;  // cosh t - 1
    double weight = v == 0 ? 1 : v == 1 ? less + 1 : (std::pow(root, 2 * v) + std::pow(root, -2 * v)) / 2;  // cosh(v t)
    double term = std::exp(-x * less) * weight;
    sum += term;
    if (term < sum * 1e-18) return sum * step;
  }
}

// y > 0 with erfc(y) = q, for 0 < q <= 1, by Newton's method on log(erfc): exact for the smallest q as well.
double erfc_inverse(double q) {
  double y, log_q = std::log(q);
  if (q > 0.3) {
    y = (1 - q) * kSqrtPi / 2;
  } else {
    double t = -log_q - std::log(kSqrtPi);
    y = std::sqrt(std::max(0.05, t - 0.5 * std::log(std::max(t, 0.1))));
  }
  for (int i = 0; i < 60; i++) {
    double scaled = erfcx(y), off = std::log(scaled) - y * y - log_q;
    double move = off * scaled * kSqrtPi / 2;
    // Newton on a concave function may overshoot below 0 from the right end.
    y = y + move > 0 ? y + move : y / 2;
    if (std::abs(move) <= 1e-16 * y) break;
  }
  return y;
}

// The term p_n of a three-term recurrence p_{k+1} = next(k, p_k, p_{k-1}); NaN for an n whose loop would not end.
template <class T, class F>
T recurrence(T n, T p0, T p1, const F& next) {
  if (!(n > -1 && n < 1e9)) return n <= -1 ? T(0) : T(kNaN);
  int64_t degree = int64_t(n);
  if (degree == 0) return p0;
  T before = p0, now = p1;
  for (int64_t k = 1; k < degree && now == now; k++) {
    T then = next(T(k), now, before);
    before = now;
    now = then;
  }
  return now;
}
template <class T>
T any_hermite_h(T x, T n) {
  return recurrence(n, T(1), 2 * x, [x](T k, T a, T b) { return std::fma(2 * x, a, -(2 * k * b)); });
}
template <class T>
T any_hermite_he(T x, T n) {
  return recurrence(n, T(1), x, [x](T k, T a, T b) { return std::fma(x, a, -(k * b)); });
}

}  // namespace

double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  if (std::isnan(x) || x == -kInf) return kNaN;
  double result = 0;
  if (x < 0) {
    if (x == std::floor(x)) return kNaN;
    double whole;
    result = -kPi / std::tan(kPi * std::modf(x, &whole));  // the reflection, at the fraction for the tangent's sake
    x = 1 - x;
  }
  for (; x < 12; x++) result -= 1 / x;
  double square = 1 / (x * x), power = 1, sum = 0;
  for (int k = 0; k < 10; k++) {
    power *= square;
    sum += kBernoulli[k] / (2 * (k + 1)) * power;
  }
  return result + std::log(x) - 0.5 / x - sum;
}

double zeta(double s, double q) {
  if (s == 1) return kInf;
  if (!(s > 1)) return kNaN;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNaN;
    // The sum over all whole k, less that over those below: no number of steps from q up to 0.
    double rest = q - std::floor(q), sign = std::fmod(s, 2) == 0 ? 1 : -1;
    return zeta(s, rest) + sign * (zeta(s, 1 - rest) - zeta(s, 1 - q));
  }
  double sum = 0;
  int k = 0;
  for (; k < 12 || q + k < 9; k++) {
    double term = std::pow(q + k, -s);
    sum += term;
    if (q + k > 0 && std::abs(term) < 1e-18 * std::abs(sum)) return sum;
  }
  double a = q + k, power = std::pow(a, -s), factor = s / a;
  sum += std::pow(a, 1 - s) / (s - 1) + power / 2;  // not a times a power that may underflow
  double factorial = 2;                             // (2 j)!
  for (int j = 1; j <= 12; j++) {
    double term = kBernoulli[j - 1] / factorial * factor * power;
    sum += term;
    if (std::abs(term) < 1e-18 * std::abs(sum)) break;
    factor *= (s + 2 * j - 1) * (s + 2 * j) / (a * a);
    factorial *= (2 * j + 1.0) * (2 * j + 2.0);
  }
  return sum;
}

double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  return (std::fmod(n, 2) != 0 ? 1 : -1) * std::tgamma(n + 1.0) * zeta(n + 1.0, x);
}

float polygamma(float n, float x) {
  if (n != 1 || !(x > -1e3f) || (x <= 0 && x == std::floor(x))) return float(polygamma(double(n), double(x)));
  // Reflection, then six steps of the recurrence up to the asymptotic series.
  float sign = 1, sum = 0;
  if (x < 0.5f) {
    float s = std::sin(float(kPi) * x);
    sum -= float(kPi * kPi) / (s * s);
    sign = -1;
    x = 1 - x;
  }
  for (int k = 0; k < 6; k++, x += 1) sum += 1 / (x * x);
  float y = 1 / (x * x);
  sum += (1 + 1 / (2 * x) + y * (1.0f / 6 - y * (1.0f / 30 - y * (1.0f / 42)))) / x;
  return sign * sum;
}

double erfcx(double x) {
  if (x < 5) return std::exp(x * x) * std::erfc(x);
  if (x > 1e8) return 1 / kSqrtPi / x;
  // The continued fraction x + 1/2/(x + 2/2/(x + 3/2/(x + ...))), from behind.
  double tail = x;
  for (int k = 60; k >= 1; k--) tail = x + 0.5 * k / tail;
  return 1 / (kSqrtPi * tail);
}
double ndtr(double x) { return 0.5 * std::erfc(x * -(1 / kSqrt2)); }
double ndtri(double p) {
  if (!(p >= 0 && p <= 1)) return kNaN;
  if (p == 0 || p == 1) return p == 0 ? -kInf : kInf;
  if (p < 0.05) return -kSqrt2 * erfc_inverse(2 * p);
  return kSqrt2 * math::erfinv(2 * p - 1);
}
double log_ndtr(double x) {
  double t = x / kSqrt2;
  return x < -1 ? std::log(erfcx(-t) / 2) - t * t : std::log1p(-std::erfc(t) / 2);
}

double gammaincc(double a, double x) {
  if (!(a >= 0 && x >= 0)) return kNaN;
  if (a == 0) return x > 0 ? 0.0 : kNaN;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 1.0;
  if (std::isinf(x)) return 0;
  if (x < a + 1) return 1 - gammainc(a, x);
  // Lentz' evaluation of the continued fraction.
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int i = 1; i < 100000; i++) {
    double n = -double(i) * (i - a);
    b += 2;
    d = 1 / (n * d + b);
    c = b + n / c;
    h *= c * d;
    if (std::abs(c * d - 1) < 1e-16) break;
  }
  return h * std::exp(a * std::log(x) - x - std::lgamma(a));
}
double gammainc(double a, double x) {
  if (!(a >= 0 && x >= 0)) return kNaN;
  if (a == 0) return x > 0 ? 1.0 : kNaN;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 0.0;
  if (std::isinf(x)) return 1;
  if (x >= a + 1) return 1 - gammaincc(a, x);
  double term = 1 / a, sum = term;
  for (int i = 1; i < 100000 && term > sum * 1e-17; i++) sum += term *= x / (a + i);
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

double bessel_i0e(double x) { return scaled_i(0, x); }
double bessel_i1e(double x) { return scaled_i(1, x); }
// Half of the exponent twice: the scaled value is small where exp alone would overflow.
double bessel_i0(double x) {
  double half = std::exp(std::abs(x) / 2);
  return std::isinf(half) ? kInf : scaled_i(0, x) * half * half;
}
double bessel_i1(double x) {
  double half = std::exp(std::abs(x) / 2);
  return std::isinf(half) ? std::copysign(kInf, x) : scaled_i(1, x) * half * half;
}
double bessel_k0e(double x) { return scaled_k(0, x); }
double bessel_k1e(double x) { return scaled_k(1, x); }
double bessel_k0(double x) { return scaled_k(0, x) * std::exp(-x); }
double bessel_k1(double x) { return scaled_k(1, x) * std::exp(-x); }
double bessel_j0(double x) { return ::j0(x); }
double bessel_j1(double x) { return ::j1(x); }
double bessel_y0(double x) { return x < 0 ? kNaN : ::y0(x); }
double bessel_y1(double x) { return x < 0 ? kNaN : ::y1(x); }
double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  return std::abs(x) < 1e-4 ? 1 - x * x / 6 : std::sin(x) / x;
}

double airy_ai(double x) {
  if (std::isnan(x) || std::isinf(x)) return std::isnan(x) ? kNaN : 0.0;
  if (x > 1) {
    double z = 2.0 / 3 * x * std::sqrt(x);
    return std::sqrt(x / 3) / kPi * scaled_k(1.0 / 3, z) * std::exp(-z);
  }
  if (x > -8) {  // both power series at 0, whose terms cancel on the left: with more digits
    constexpr long double at0 = 0.355028053887817239260L, slope0 = 0.258819403792806798405L;
    long double cube = (long double)x * x * x, f = 1, g = x, sum_f = 1, sum_g = x;
    for (int k = 1; std::abs(f) + std::abs(g) > 1e-20L; k++) {
      f *= cube / ((3 * k - 1) * (3 * k));
      g *= cube / ((3 * k) * (3 * k + 1));
      sum_f += f;
      sum_g += g;
    }
    return double(at0 * sum_f - slope0 * sum_g);
  }
  // The asymptotic series in 1 / z, cut at its smallest term.
  double size = -x, z = 2.0 / 3 * size * std::sqrt(size), term = 1, even = 1, odd = 0, least = 1;
  for (int k = 1; k < 60; k++) {
    double next = term * (6.0 * k - 5) * (6.0 * k - 3) * (6.0 * k - 1) / (216.0 * k * (2.0 * k - 1) * z);
    if (next > least) break;
    term = least = next;
    double sign = k / 2 % 2 ? -1 : 1;
    (k % 2 ? odd : even) += sign * term;
  }
  return (std::sin(z + kPi / 4) * even - std::cos(z + kPi / 4) * odd) / (kSqrtPi * std::sqrt(std::sqrt(size)));
}

double chebyshev_t(double x, double n) {
  if (std::abs(x) < 1 && n > 6) return std::cos(std::trunc(n) * std::acos(x));
  return recurrence<double>(n, 1, x, [x](double, double a, double b) { return 2 * x * a - b; });
}
double chebyshev_u(double x, double n) {
  return recurrence<double>(n, 1, 2 * x, [x](double, double a, double b) { return 2 * x * a - b; });
}
double chebyshev_v(double x, double n) {
  return recurrence<double>(n, 1, 2 * x - 1, [x](double, double a, double b) { return 2 * x * a - b; });
}
double chebyshev_w(double x, double n) {
  return recurrence<double>(n, 1, 2 * x + 1, [x](double, double a, double b) { return 2 * x * a - b; });
}
double shifted_chebyshev_t(double x, double n) { return chebyshev_t(2 * x - 1, n); }
double shifted_chebyshev_u(double x, double n) { return chebyshev_u(2 * x - 1, n); }
double shifted_chebyshev_v(double x, double n) { return chebyshev_v(2 * x - 1, n); }
double shifted_chebyshev_w(double x, double n) { return chebyshev_w(2 * x - 1, n); }
double hermite_h(double x, double n) { return any_hermite_h(x, n); }
double hermite_he(double x, double n) { return any_hermite_he(x, n); }
float hermite_h(float x, float n) { return any_hermite_h(x, n); }
float hermite_he(float x, float n) { return any_hermite_he(x, n); }
double laguerre_l(double x, double n) {
  return recurrence<double>(n, 1, 1 - x,
                            [x](double k, double a, double b) { return ((2 * k + 1 - x) * a - k * b) / (k + 1); });
}
double legendre_p(double x, double n) {
  return recurrence<double>(n, 1, x,
                            [x](double k, double a, double b) { return ((2 * k + 1) * x * a - k * b) / (k + 1); });
}

}  // namespace rushlight::special
