// Special functions of one or two numbers, in double: what pointwise functors call where there is no vector form worth having. Each is exact
// to a few units in the last place of a double but near its zeros, so that a float result is rounded right.
#pragma once

namespace rushlight::special {

double digamma(double x);
// The sum over k >= 0 of (q + k)^-s.
double zeta(double s, double q);
// The n-th derivative of digamma.
double polygamma(int n, double x);
// polygamma(1, x) with PyTorch's rounding: near the poles on the left a float keeps fewer digits.
float polygamma(int n, float x);
double erfinv(double x);
double ndtr(double x);                 // the normal distribution function
double ndtri(double p);                // the inverse of the normal distribution function
double erfcx(double x);                // exp(x^2) erfc(x)
double log_ndtr(double x);             // the logarithm of the normal distribution function
double gammainc(double a, double x);   // regularised lower incomplete gamma function
double gammaincc(double a, double x);  // regularised upper incomplete gamma function

// Bessel functions; i: modified of the first kind, k: of the second; e: times exp(-|x|) or exp(x).
double bessel_i0(double x);
double bessel_i1(double x);
double bessel_i0e(double x);
double bessel_i1e(double x);
double bessel_k0(double x);
double bessel_k1(double x);
double bessel_k0e(double x);
double bessel_k1e(double x);
double bessel_j0(double x);
double bessel_j1(double x);
double bessel_y0(double x);
double bessel_y1(double x);
double spherical_j0(double x);
double airy_ai(double x);

// Orthogonal polynomials of degree n (rounded towards 0; negative: 0).
double chebyshev_t(double x, double n);
double chebyshev_u(double x, double n);
double chebyshev_v(double x, double n);
double chebyshev_w(double x, double n);
double shifted_chebyshev_t(double x, double n);  // of 2 x - 1
double shifted_chebyshev_u(double x, double n);
double shifted_chebyshev_v(double x, double n);
double shifted_chebyshev_w(double x, double n);
double hermite_h(double x, double n);
double hermite_he(double x, double n);
float hermite_h(float x, float n);  // these overflow and cancel as PyTorch's do
float hermite_he(float x, float n);
double laguerre_l(double x, double n);
double legendre_p(double x, double n);

}  // namespace rushlight::special
