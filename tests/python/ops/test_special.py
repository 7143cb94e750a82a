"""Special functions."""

from .harness import case, f16, f32, f64, given, i64, inf, nan, op, raises

wide = f32(4, 5, low=-6.5, high=9.0)
edges = given([0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e-8])

for name in ("lgamma", "digamma", "special.i0", "special.i0e", "special.i1", "special.i1e", "special.erfcx"):
    op(
        name,
        [case(wide, tolerance=1e-5), case(edges, grad=False), case(i64(3, low=1, high=9)), case(nan(2), grad=False)],
    )
op("special.log_ndtr", [case(wide), case(edges), case(f32(5, low=-30, high=-10))])
op("special.ndtr", [case(wide), case(edges), case(i64(3))])
op("special.ndtri", [case(f32(5, low=0.01, high=0.99)), case(edges, grad=False)])
op(
    "erfinv",
    [
        case(f32(3, 4, low=-0.99, high=0.99)),
        case(f16(3, low=-0.9, high=0.9), grad=False),
        case(edges, grad=False),
        case(f64(1000, low=-1.0, high=1.0), grad=False, tolerance=1e-13),
        case(given([1.5, -1.5]), grad=False),
        case(nan(1), grad=False),
        case(inf(1), grad=False),
    ],
)
op("special.entr", [case(f32(5, low=0.1, high=3.0)), case(edges, grad=False), case(inf(1), grad=False)])
op(
    "polygamma",
    [
        case(1, f32(3, 4, low=0.2, high=9.0), tolerance=1e-5),
        case(3, f32(5, low=0.5, high=9.0), tolerance=1e-5),
        case(0, i64(3, low=1, high=9), tolerance=1e-5),
        raises(RuntimeError, -1, f32(3), match="does not support negative n"),
    ],
)
op("mvlgamma", [case(f32(3, 2, low=2.0, high=5.0), 3), raises(RuntimeError, f32(3), 0, match="greater than or equal")])
op(
    "special.zeta",
    [case(f32(5, low=1.1, high=9.0), f32(5, low=0.3, high=9.0), grad=False), case(f32(3), 2.0, grad=False)],
)
op(
    "special.xlog1py",
    [
        case(f32(4), f32(3, 4, low=-0.9)),
        case(given([0.0, 0.0]), given([-1.0, 2.0]), grad=False),
        case(2.0, f32(3, low=0.0)),
    ],
)
for name in ("igamma", "igammac"):
    op(name, [case(f32(5, low=0.1, high=9.0), f32(5, low=0.0, high=9.0), grad=False), case(edges, edges, grad=False)])
for name in ("bessel_j0", "bessel_j1", "bessel_y0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
             "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "spherical_bessel_j0", "airy_ai"):  # fmt: skip
    cases = [case(f32(20, low=0.01, high=12.0), grad=False, tolerance=1e-5), case(edges, grad=False)]
    if "_k" in name:  # by a series, an integral, a series
        for low, high in ((0.001, 0.1), (0.1, 10.0), (10.0, 300.0)):
            cases.append(case(f64(50, low=low, high=high), grad=False, tolerance=1e-13))
    op(f"special.{name}", cases)
for name in ("chebyshev_polynomial_t", "chebyshev_polynomial_u", "hermite_polynomial_he", "laguerre_polynomial_l",
             "legendre_polynomial_p", "shifted_chebyshev_polynomial_w"):  # fmt: skip
    op(
        f"special.{name}",
        [case(f32(6, 1), given([-1, 0, 1, 2, 5, 9]), grad=False, tolerance=1e-4), case(f32(4), 3, grad=False)],
    )
