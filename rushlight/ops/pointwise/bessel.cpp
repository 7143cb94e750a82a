// Bessel functions, the Airy function and orthogonal polynomials: without gradients, as in PyTorch.
#include "rushlight/ops/pointwise/special.h"

namespace rushlight {
namespace {

RL_SPECIAL1(BesselI0, bessel_i0)
RL_SPECIAL1(BesselI1, bessel_i1)
RL_SPECIAL1(BesselJ0, bessel_j0)
RL_SPECIAL1(BesselJ1, bessel_j1)
RL_SPECIAL1(BesselY0, bessel_y0)
RL_SPECIAL1(BesselY1, bessel_y1)
RL_SPECIAL1(BesselK0, bessel_k0)
RL_SPECIAL1(BesselK1, bessel_k1)
RL_SPECIAL1(BesselK0e, bessel_k0e)
RL_SPECIAL1(BesselK1e, bessel_k1e)
RL_SPECIAL1(SphericalJ0, spherical_j0)
RL_SPECIAL1(AiryAi, airy_ai)
RL_SPECIAL2(ChebyshevT, chebyshev_t)
RL_SPECIAL2(ChebyshevU, chebyshev_u)
RL_SPECIAL2(ChebyshevV, chebyshev_v)
RL_SPECIAL2(ChebyshevW, chebyshev_w)
RL_SPECIAL2(HermiteH, hermite_h)
RL_SPECIAL2(HermiteHe, hermite_he)
RL_SPECIAL2(LaguerreL, laguerre_l)
RL_SPECIAL2(LegendreP, legendre_p)
RL_SPECIAL2(ShiftedT, shifted_chebyshev_t)
RL_SPECIAL2(ShiftedU, shifted_chebyshev_u)
RL_SPECIAL2(ShiftedV, shifted_chebyshev_v)
RL_SPECIAL2(ShiftedW, shifted_chebyshev_w)

}  // namespace

OP(special_bessel_j0, {.schema = "special_bessel_j0(Tensor self) -> Tensor",
                       .doc = "The Bessel function of the first kind, of order 0."
                              " >>> torch.special.bessel_j0(torch.tensor([0.5, 1.]))\ntensor([0.9385, 0.7652])",
                       .kernel = pointwise<BesselJ0, Floating>(Promote::ToFloat),
                       .forms = kFunction | kOut,
                       .module = "special"});
OP(special_bessel_j1, {.schema = "special_bessel_j1(Tensor self) -> Tensor",
                       .doc = "The Bessel function of the first kind, of order 1."
                              " >>> torch.special.bessel_j1(torch.tensor([0.5, 1.]))\ntensor([0.2423, 0.4401])",
                       .kernel = pointwise<BesselJ1, Floating>(Promote::ToFloat),
                       .forms = kFunction | kOut,
                       .module = "special"});
OP(special_bessel_y0, {.schema = "special_bessel_y0(Tensor self) -> Tensor",
                       .doc = "The Bessel function of the second kind, of order 0."
                              " >>> torch.special.bessel_y0(torch.tensor([0.5, 1.]))\ntensor([-0.4445,  0.0883])",
                       .kernel = pointwise<BesselY0, Floating>(Promote::ToFloat),
                       .forms = kFunction | kOut,
                       .module = "special"});
OP(special_bessel_y1, {.schema = "special_bessel_y1(Tensor self) -> Tensor",
                       .doc = "The Bessel function of the second kind, of order 1."
                              " >>> torch.special.bessel_y1(torch.tensor([0.5, 1.]))\ntensor([-1.4715, -0.7812])",
                       .kernel = pointwise<BesselY1, Floating>(Promote::ToFloat),
                       .forms = kFunction | kOut,
                       .module = "special"});
OP(special_modified_bessel_i0,
   {.schema = "special_modified_bessel_i0(Tensor self) -> Tensor",
    .doc = "The modified Bessel function of the first kind, of order 0."
           " >>> torch.special.modified_bessel_i0(torch.tensor([0.5, 1.]))\ntensor([1.0635, 1.2661])",
    .kernel = pointwise<BesselI0, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_modified_bessel_i1,
   {.schema = "special_modified_bessel_i1(Tensor self) -> Tensor",
    .doc = "The modified Bessel function of the first kind, of order 1."
           " >>> torch.special.modified_bessel_i1(torch.tensor([0.5, 1.]))\ntensor([0.2579, 0.5652])",
    .kernel = pointwise<BesselI1, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_modified_bessel_k0,
   {.schema = "special_modified_bessel_k0(Tensor self) -> Tensor",
    .doc = "The modified Bessel function of the second kind, of order 0."
           " >>> torch.special.modified_bessel_k0(torch.tensor([0.5, 1.]))\ntensor([0.9244, 0.4210])",
    .kernel = pointwise<BesselK0, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_modified_bessel_k1,
   {.schema = "special_modified_bessel_k1(Tensor self) -> Tensor",
    .doc = "The modified Bessel function of the second kind, of order 1."
           " >>> torch.special.modified_bessel_k1(torch.tensor([0.5, 1.]))\ntensor([1.6564, 0.6019])",
    .kernel = pointwise<BesselK1, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_scaled_modified_bessel_k0,
   {.schema = "special_scaled_modified_bessel_k0(Tensor x) -> Tensor",
    .doc = "exp(x) times modified_bessel_k0(x)."
           " >>> torch.special.scaled_modified_bessel_k0(torch.tensor([0.5, 1.]))\ntensor([1.5241, 1.1445])",
    .kernel = pointwise<BesselK0e, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_scaled_modified_bessel_k1,
   {.schema = "special_scaled_modified_bessel_k1(Tensor x) -> Tensor",
    .doc = "exp(x) times modified_bessel_k1(x)."
           " >>> torch.special.scaled_modified_bessel_k1(torch.tensor([0.5, 1.]))\ntensor([2.7310, 1.6362])",
    .kernel = pointwise<BesselK1e, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_spherical_bessel_j0,
   {.schema = "special_spherical_bessel_j0(Tensor x) -> Tensor",
    .doc = "sin(x) / x, 1 at 0."
           " >>> torch.special.spherical_bessel_j0(torch.tensor([0.5, 1.]))\ntensor([0.9589, 0.8415])",
    .kernel = pointwise<SphericalJ0, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special"});
OP(special_airy_ai, {.schema = "special_airy_ai(Tensor x) -> Tensor",
                     .doc = "The Airy function Ai."
                            " >>> torch.special.airy_ai(torch.tensor([0.5, 1.]))\ntensor([0.2317, 0.1353])",
                     .kernel = pointwise<AiryAi, Floating>(Promote::ToFloat),
                     .forms = kFunction | kOut,
                     .module = "special"});
OP(special_chebyshev_polynomial_t,
   {.schema = "special_chebyshev_polynomial_t(Tensor x, Tensor n) -> Tensor",
    .doc = "The Chebyshev polynomial of the first kind of degree n."
           " >>> torch.special.chebyshev_polynomial_t(torch.tensor([0.5, 1.]), 2)\ntensor([-0.5000,  1.0000])",
    .kernel = pointwise<ChebyshevT, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_chebyshev_polynomial_t.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_chebyshev_polynomial_t.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_chebyshev_polynomial_u,
   {.schema = "special_chebyshev_polynomial_u(Tensor x, Tensor n) -> Tensor",
    .doc = "The Chebyshev polynomial of the second kind of degree n."
           " >>> torch.special.chebyshev_polynomial_u(torch.tensor([0.5, 1.]), 2)\ntensor([0., 3.])",
    .kernel = pointwise<ChebyshevU, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_chebyshev_polynomial_u.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_chebyshev_polynomial_u.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_chebyshev_polynomial_v,
   {.schema = "special_chebyshev_polynomial_v(Tensor x, Tensor n) -> Tensor",
    .doc = "The Chebyshev polynomial of the third kind of degree n."
           " >>> torch.special.chebyshev_polynomial_v(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  1.])",
    .kernel = pointwise<ChebyshevV, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_chebyshev_polynomial_v.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_chebyshev_polynomial_v.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_chebyshev_polynomial_w,
   {.schema = "special_chebyshev_polynomial_w(Tensor x, Tensor n) -> Tensor",
    .doc = "The Chebyshev polynomial of the fourth kind of degree n."
           " >>> torch.special.chebyshev_polynomial_w(torch.tensor([0.5, 1.]), 2)\ntensor([1., 5.])",
    .kernel = pointwise<ChebyshevW, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_chebyshev_polynomial_w.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_chebyshev_polynomial_w.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_hermite_polynomial_h,
   {.schema = "special_hermite_polynomial_h(Tensor x, Tensor n) -> Tensor",
    .doc = "The physicist's Hermite polynomial of degree n."
           " >>> torch.special.hermite_polynomial_h(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  2.])",
    .kernel = pointwise<HermiteH, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_hermite_polynomial_h.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_hermite_polynomial_h.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_hermite_polynomial_he,
   {.schema = "special_hermite_polynomial_he(Tensor x, Tensor n) -> Tensor",
    .doc = "The probabilist's Hermite polynomial of degree n."
           " >>> torch.special.hermite_polynomial_he(torch.tensor([0.5, 1.]), 2)\ntensor([-0.7500,  0.0000])",
    .kernel = pointwise<HermiteHe, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_hermite_polynomial_he.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_hermite_polynomial_he.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_laguerre_polynomial_l,
   {.schema = "special_laguerre_polynomial_l(Tensor x, Tensor n) -> Tensor",
    .doc = "The Laguerre polynomial of degree n."
           " >>> torch.special.laguerre_polynomial_l(torch.tensor([0.5, 1.]), 2)\ntensor([ 0.1250, -0.5000])",
    .kernel = pointwise<LaguerreL, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_laguerre_polynomial_l.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_laguerre_polynomial_l.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_legendre_polynomial_p,
   {.schema = "special_legendre_polynomial_p(Tensor x, Tensor n) -> Tensor",
    .doc = "The Legendre polynomial of degree n."
           " >>> torch.special.legendre_polynomial_p(torch.tensor([0.5, 1.]), 2)\ntensor([-0.1250,  1.0000])",
    .kernel = pointwise<LegendreP, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_legendre_polynomial_p.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_legendre_polynomial_p.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_shifted_chebyshev_polynomial_t,
   {.schema = "special_shifted_chebyshev_polynomial_t(Tensor x, Tensor n) -> Tensor",
    .doc = "chebyshev_polynomial_t of 2 x - 1."
           " >>> torch.special.shifted_chebyshev_polynomial_t(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  1.])",
    .kernel = pointwise<ShiftedT, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_shifted_chebyshev_polynomial_t.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_shifted_chebyshev_polynomial_t.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_shifted_chebyshev_polynomial_u,
   {.schema = "special_shifted_chebyshev_polynomial_u(Tensor x, Tensor n) -> Tensor",
    .doc = "chebyshev_polynomial_u of 2 x - 1."
           " >>> torch.special.shifted_chebyshev_polynomial_u(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  3.])",
    .kernel = pointwise<ShiftedU, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_shifted_chebyshev_polynomial_u.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_shifted_chebyshev_polynomial_u.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_shifted_chebyshev_polynomial_v,
   {.schema = "special_shifted_chebyshev_polynomial_v(Tensor x, Tensor n) -> Tensor",
    .doc = "chebyshev_polynomial_v of 2 x - 1."
           " >>> torch.special.shifted_chebyshev_polynomial_v(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  1.])",
    .kernel = pointwise<ShiftedV, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_shifted_chebyshev_polynomial_v.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_shifted_chebyshev_polynomial_v.n_scalar(Tensor x, Scalar n) -> Tensor"}});
OP(special_shifted_chebyshev_polynomial_w,
   {.schema = "special_shifted_chebyshev_polynomial_w(Tensor x, Tensor n) -> Tensor",
    .doc = "chebyshev_polynomial_w of 2 x - 1."
           " >>> torch.special.shifted_chebyshev_polynomial_w(torch.tensor([0.5, 1.]), 2)\ntensor([-1.,  5.])",
    .kernel = pointwise<ShiftedW, Floating>(Promote::ToFloat),
    .forms = kFunction | kOut,
    .module = "special",
    .overloads = {"special_shifted_chebyshev_polynomial_w.x_scalar(Scalar x, Tensor n) -> Tensor",
                  "special_shifted_chebyshev_polynomial_w.n_scalar(Tensor x, Scalar n) -> Tensor"}});

}  // namespace rushlight
