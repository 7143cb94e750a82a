// Special functions, by series and by what is near enough to them.
#include "rushlight/onnx/export_texts.h"

namespace rushlight::onnx {

const char* const kSpecialTexts = R"py(
def erfc(self: Any):
    return 1 - torch.erf(self)

def _series(x: Any, c: Any):
    y = torch.full_like(x, c[0])
    for k in range(1, len(c)):
        y = y * x + c[k]
    return y

def _by_erfc(z: Any):
    t = 1.0 / (1.0 + 0.5 * z)
    return t, _series(t, [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223])

def special_erfcx(self: Any):
    x = torch.abs(self)
    t, power = _by_erfc(x)
    y = t * torch.exp(power)
    return torch.where(self < 0, 2.0 * torch.exp(self * self) - y, y)

def special_ndtr(self: Any):
    return 0.5 * (1.0 + torch.erf(self * 0.7071067811865476))

def special_log_ndtr(self: Any):
    z = torch.abs(self) * 0.7071067811865476
    t, power = _by_erfc(z)
    tail = torch.log(0.5 * t) + power - z * z
    return torch.where(self < 0, tail, torch.log(1.0 - torch.exp(tail)))

def _i_small(x: Any, c: Any):
    t = torch.clamp(x, max=3.75) / 3.75
    return _series(t * t, c)

def _i_large(x: Any, c: Any):
    y = torch.clamp(x, min=3.75)
    return _series(3.75 / y, c) / torch.sqrt(y)

def special_i0e(self: Any):
    x = torch.abs(self)
    small = _i_small(x, [0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0]) * torch.exp(-x)
    large = _i_large(x, [0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228])
    return torch.where(x < 3.75, small, large)

def special_i1e(self: Any):
    x = torch.abs(self)
    small = _i_small(x, [0.00032411, 0.00301532, 0.02658733, 0.15084934, 0.51498869, 0.87890594, 0.5]) * x * torch.exp(-x)
    large = _i_large(x, [-0.00420059, 0.01787654, -0.02895312, 0.02282967, -0.01031555, 0.00163801, -0.00362018, -0.03988024, 0.39894228])
    return torch.sign(self) * torch.where(x < 3.75, small, large)

def i0(self: Any):
    return torch.exp(torch.abs(self)) * torch.special_i0e(self)

def special_i0(self: Any):
    return torch.i0(self)

def special_i1(self: Any):
    return torch.exp(torch.abs(self)) * torch.special_i1e(self)

def special_modified_bessel_i0(self: Any):
    return torch.i0(self)

def special_modified_bessel_i1(self: Any):
    return torch.special_i1(self)

def special_scaled_modified_bessel_k0(x: Any):
    near = torch.clamp(x, max=2.0)
    t = near * near / 4.0
    small = -torch.log(near / 2.0) * torch.i0(near) + _series(t, [0.0000074, 0.0001075, 0.00262698, 0.0348859, 0.23069756, 0.4227842, -0.57721566])
    far = torch.clamp(x, min=2.0)
    large = _series(2.0 / far, [0.00053208, -0.0025154, 0.00587872, -0.01062446, 0.02189568, -0.07832358, 1.25331414]) / torch.sqrt(far)
    return torch.where(x <= 2.0, small * torch.exp(near), large)

def special_scaled_modified_bessel_k1(x: Any):
    near = torch.clamp(x, max=2.0)
    t = near * near / 4.0
    small = torch.log(near / 2.0) * torch.special_i1(near) + _series(t, [-0.00004686, -0.00110404, -0.01919402, -0.18156897, -0.67278579, 0.15443144, 1.0]) / near
    far = torch.clamp(x, min=2.0)
    large = _series(2.0 / far, [-0.00068245, 0.00325614, -0.00780353, 0.01504268, -0.0365562, 0.23498619, 1.25331414]) / torch.sqrt(far)
    return torch.where(x <= 2.0, small * torch.exp(near), large)

def special_modified_bessel_k0(self: Any):
    return torch.special_scaled_modified_bessel_k0(self) * torch.exp(-self)

def special_modified_bessel_k1(self: Any):
    return torch.special_scaled_modified_bessel_k1(self) * torch.exp(-self)

def _wave0(x: Any):
    u = 3.0 / x
    size = _series(u, [0.00014476, -0.00072805, 0.00137237, -0.00009512, -0.0055274, -0.00000077, 0.79788456]) / torch.sqrt(x)
    return size, x + _series(u, [0.00013558, -0.00029333, -0.00054125, 0.00262573, -0.00003954, -0.04166397, -0.78539816])

def _wave1(x: Any):
    u = 3.0 / x
    size = _series(u, [-0.00020033, 0.00113653, -0.00249511, 0.00017105, 0.01659667, 0.00000156, 0.79788456]) / torch.sqrt(x)
    return size, x + _series(u, [-0.00029166, 0.00079824, 0.00074348, -0.00637879, 0.0000565, 0.12499612, -2.35619449])

def _j0_near(x: Any):
    return _series(x * x / 9.0, [0.00021, -0.0039444, 0.0444479, -0.3163866, 1.2656208, -2.2499997, 1.0])

def _j1_near(x: Any):
    return x * _series(x * x / 9.0, [0.00001109, -0.00031761, 0.00443319, -0.03954289, 0.21093573, -0.56249985, 0.5])

def special_bessel_j0(self: Any):
    x = torch.abs(self)
    size, phase = _wave0(torch.clamp(x, min=3.0))
    return torch.where(x <= 3.0, _j0_near(torch.clamp(x, max=3.0)), size * torch.cos(phase))

def special_bessel_j1(self: Any):
    x = torch.abs(self)
    size, phase = _wave1(torch.clamp(x, min=3.0))
    return torch.sign(self) * torch.where(x <= 3.0, _j1_near(torch.clamp(x, max=3.0)), size * torch.cos(phase))

def special_bessel_y0(self: Any):
    near = torch.clamp(self, max=3.0)
    small = 0.6366197723675814 * torch.log(near / 2.0) * _j0_near(near)
    small = small + _series(near * near / 9.0, [-0.00024846, 0.00427916, -0.04261214, 0.25300117, -0.74350384, 0.60559366, 0.36746691])
    size, phase = _wave0(torch.clamp(self, min=3.0))
    return torch.where(self <= 3.0, small, size * torch.sin(phase))

def special_bessel_y1(self: Any):
    near = torch.clamp(self, max=3.0)
    rest = _series(near * near / 9.0, [0.0027873, -0.0400976, 0.3123951, -1.3164827, 2.1682709, 0.2212091, -0.6366198])
    small = 0.6366197723675814 * torch.log(near / 2.0) * _j1_near(near) + rest / near
    size, phase = _wave1(torch.clamp(self, min=3.0))
    return torch.where(self <= 3.0, small, size * torch.sin(phase))

def special_spherical_bessel_j0(x: Any):
    near = _series(x * x, [1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0])
    return torch.where(torch.abs(x) < 0.5, near, torch.sin(x) / x)

def lgamma(self: Any):
    below = self < 0.5
    z = torch.where(below, -self, self - 1.0)
    t = z + 7.5
    parts = [676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012, 9.984369578019572e-06, 1.5056327351493116e-07]
    total = torch.full_like(z, 0.9999999999998099)
    for k in range(len(parts)):
        total = total + parts[k] / (z + (k + 1.0))
    y = 0.9189385332046727 + (z + 0.5) * torch.log(t) - t + torch.log(total)
    # sin(pi x) of the place between two whole numbers
    turned = torch.abs(torch.sin(3.141592653589793 * (self - torch.round(self))))
    return torch.where(below, 1.1447298858494002 - torch.log(turned) - y, y)

def digamma(self: Any):
    below = self < 0.5
    x = torch.where(below, 1.0 - self, self)
    shifted = torch.zeros_like(x)
    for k in range(6):
        shifted = shifted - 1.0 / (x + float(k))
    y = x + 6.0
    u = 1.0 / (y * y)
    y = torch.log(y) - 0.5 / y - u * (1.0 / 12.0 - u * (1.0 / 120.0 - u / 252.0)) + shifted
    return torch.where(below, y - 3.141592653589793 / torch.tan(3.141592653589793 * (self - torch.round(self))), y)

def special_zeta(self: Any, other: Any):
    one = torch.ones_like(self * 1.0 + other * 1.0)
    x, q = self * one, other * one
    rounds = 9 + int(torch.amax(torch.clamp(-q, min=0.0)))
    total = torch.zeros_like(one)
    for k in range(rounds):
        total = total + torch.pow(q + float(k), -x)
    w = q + float(rounds)
    power = torch.pow(w, -x)
    total = total + power * w / (x - 1.0) + 0.5 * power
    term = x * power / w
    total = total + term / 12.0
    term = term * (x + 1.0) * (x + 2.0) / (w * w)
    total = total - term / 720.0
    term = term * (x + 3.0) * (x + 4.0) / (w * w)
    total = total + term / 30240.0
    term = term * (x + 5.0) * (x + 6.0) / (w * w)
    total = total - term / 1209600.0
    total = torch.where(((q < 0) & (x != torch.floor(x))) | (x < 1), torch.full_like(total, float("nan")), total)
    return torch.where(((q <= 0) & (q == torch.floor(q)) & (x >= 1)) | (x == 1), torch.full_like(total, float("inf")), total)

def _polygamma(self: Any, n: Any):
    if n == 0:
        return torch.digamma(self)
    factor = 1.0
    for k in range(n):
        factor = -factor * float(k + 1)
    return torch.special.zeta(n + 1.0, self) * -factor

def special_ndtri(self: Any):
    p = self * 1.0
    q = p - 0.5
    r = 0.180625 - q * q
    middle = q * (((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) / (((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1.0)
    far = torch.sqrt(-torch.log(torch.clamp(torch.minimum(p, 1.0 - p), min=1e-45)))
    r = far - 1.6
    side = (((0.17023821103 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777) / ((0.12021132975 * r + 0.7370016425) * r + 1.0)
    r = far - 5.0
    tail = (((0.017337203997 * r + 0.42868294337) * r + 3.081226386) * r + 6.657905115) / ((0.012258202635 * r + 0.24197894225) * r + 1.0)
    y = torch.where(torch.abs(q) <= 0.425, middle, torch.sign(q) * torch.where(far <= 5.0, side, tail))
    y = torch.where((p == 0) | (p == 1), torch.sign(q) * float("inf"), y)
    return torch.where((p < 0) | (p > 1), torch.full_like(y, float("nan")), y)

def _orthogonal(x: Any, n: Any, slope: Any, offset: Any, kind: Any):
    degree = torch.trunc(n * torch.ones_like(x * 1.0 + n * 1.0))
    x = x * torch.ones_like(degree)
    before = torch.ones_like(degree)
    here = x * slope + offset
    y = torch.where(degree < 0, torch.zeros_like(here), torch.where(degree < 1, before, here))
    for k in range(2, int(torch.amax(degree)) + 1):
        if kind == "chebyshev":
            after = 2.0 * x * here - before
        elif kind == "h":
            after = 2.0 * (x * here - float(k - 1) * before)
        elif kind == "he":
            after = x * here - float(k - 1) * before
        elif kind == "laguerre":
            after = ((float(2 * k - 1) - x) * here - float(k - 1) * before) / float(k)
        else:
            after = (float(2 * k - 1) * x * here - float(k - 1) * before) / float(k)
        y = torch.where(degree >= float(k), after, y)
        before = here
        here = after
    return y

def special_chebyshev_polynomial_t(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "chebyshev")

def special_shifted_chebyshev_polynomial_t(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 1.0, 0.0, "chebyshev")

def special_chebyshev_polynomial_u(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 0.0, "chebyshev")

def special_shifted_chebyshev_polynomial_u(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, 0.0, "chebyshev")

def special_chebyshev_polynomial_v(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, -1.0, "chebyshev")

def special_shifted_chebyshev_polynomial_v(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, -1.0, "chebyshev")

def special_chebyshev_polynomial_w(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 1.0, "chebyshev")

def special_shifted_chebyshev_polynomial_w(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, 1.0, "chebyshev")

def special_hermite_polynomial_h(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 0.0, "h")

def special_hermite_polynomial_he(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "he")

def special_laguerre_polynomial_l(x: Any, n: Any):
    return _orthogonal(x, n, -1.0, 1.0, "laguerre")

def special_legendre_polynomial_p(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "legendre")
)py";

}  // namespace rushlight::onnx
