// How a quantile moves with a parameter of its distribution: d x / d a where F(x; a) stays as it is, which is -F'_a / F'_x. The gradients of
// samples that were drawn by rejection rest on it (Figurnov et al. 2018, "Implicit reparameterization gradients").
#pragma once

namespace rushlight::special {

// Of x, drawn from Gamma(a, 1).
double gamma_slope(double a, double x);
// Of x, drawn from Beta(a, b), by a, over 1 - x (which need not be formed where x rounds to 1).
double beta_slope(double a, double b, double x);

}  // namespace rushlight::special
