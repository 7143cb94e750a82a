"""gradcheck finds what is wrong with a gradient, whichever way it is wrong; custom functions in forward mode go by their jvp."""

import pytest
from rushlight.autograd.gradcheck import GradcheckError, get_analytical_jacobian, get_numerical_jacobian

import rushlight as torch
from rushlight.autograd import Function, forward_ad, gradcheck, gradgradcheck


def real(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def shifted(x):
    y = x.clone()
    y.register_hook(lambda g: g + 1e-2)
    return y


class Jitter(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g * (1 + torch.rand_like(g) * 1e-6)


class SparseGradient(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g.to_sparse()


class NeedsBoth(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, a, b):
        if not a.any() or not b.any():
            raise RuntimeError("a gradient is missing")
        return a * 2 + b * 3


def test_right_gradients_pass():
    z = torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda x: (x.sin(), x * 2), real(0.5, 1.0), check_forward_ad=True)
    assert gradcheck(lambda z: z * z, z, check_forward_ad=True) and gradcheck(
        lambda z: z.abs(), z, check_forward_ad=True
    )
    assert gradgradcheck(torch.exp, real(0.5, 1.0), check_fwd_over_rev=True)
    assert gradcheck(lambda x: (), real(1.0)) and gradcheck(Jitter.apply, real(1.0), nondet_tol=1e-5)


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
@pytest.mark.parametrize("masked", [True, False])
def test_sparse_inputs(layout, masked):
    x = torch.tensor([[1.0, 0.0], [2.0, 3.0]], dtype=torch.float64).to_sparse(layout=layout).requires_grad_()
    assert gradcheck(torch.sum, x, masked=masked)
    if layout is torch.sparse_coo:
        assert gradcheck(lambda a, b: a * b.coalesce().to_dense(), (real(1.0, 2.0), x), masked=True)


@pytest.mark.parametrize(
    "text, function, options",
    [
        ("Jacobian mismatch for output 0 with respect to input 0", shifted, {}),
        ("backward not multiplied by grad_output", shifted, {"atol": 0.1}),
        ("Backward is not reentrant", Jitter.apply, {}),
        ("grad is incorrect layout", SparseGradient.apply, {}),
        ("handle undefined output grads", NeedsBoth.apply, {"atol": 10}),
        ("expected to be zero", lambda x: x.detach() * 2, {}),
    ],
)
def test_wrong_gradients_are_named(text, function, options):
    if function == NeedsBoth.apply:
        from rushlight.autograd.gradcheck import _check_undefined

        x = real(1.0)
        with pytest.raises(GradcheckError, match=text):
            _check_undefined(list(function(x)), [(0, x)])
        return
    with pytest.raises(GradcheckError, match=text):
        gradcheck(function, real(1.0, 2.0), **options)
    assert not gradcheck(function, real(1.0, 2.0), raise_exception=False, **options)


def test_imaginary_parts_are_named():
    z = torch.ones(2, dtype=torch.complex128, requires_grad=True)
    with pytest.raises(GradcheckError, match="imaginary part of complex outputs only, Jacobian mismatch"):
        gradcheck(shifted, z)


def test_what_can_not_be_checked_raises_whatever_is_asked():
    x = real(1.0)
    quiet = {"raise_exception": False}
    for error, text, function, value, options in (
        (ValueError, "at least one input tensor", torch.sin, x.detach(), {}),
        (RuntimeError, "0th input has a dimension with stride 0", torch.sin, x.expand(2, 2), {}),
        (
            ValueError,
            "Sparse output is not supported",
            lambda s: s,
            torch.ones(2).double().to_sparse().requires_grad_(),
            {"masked": True},
        ),
        (AssertionError, "at least one of", torch.sin, x, {"check_backward_ad": False}),
        (
            AssertionError,
            "check_batched_grad=True requires",
            torch.sin,
            x,
            {"check_backward_ad": False, "check_forward_ad": True, "check_batched_grad": True},
        ),
        (AssertionError, "outputs with the same shape", lambda x: torch.cat([x, x]) if (x >= 1).all() else x, x, {}),
    ):
        with pytest.raises(error, match=text):
            gradcheck(function, value, **options, **quiet)
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double precision"):
        assert gradcheck(lambda x: x, torch.ones(1, requires_grad=True), atol=0.1)


class Product(Function):
    calls = 0

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_forward(x, y)
        ctx.save_for_backward(x, y)
        return x * y, x + y

    @staticmethod
    def backward(ctx, a, b):
        x, y = ctx.saved_tensors
        return a * y + b, a * x + b

    @staticmethod
    def jvp(ctx, x_t, y_t):
        Product.calls += 1
        x, y = ctx.saved_tensors
        return x_t * y + x * y_t, x_t + y_t


class Doubled(Function):
    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def jvp(ctx, x_t):
        return x_t * 2


def test_forward_mode_calls_the_jvp_of_custom_functions():
    assert gradcheck(Product.apply, (real(1.0, 2.0), real(3.0, 4.0)), check_forward_ad=True) and Product.calls == 4
    assert gradcheck(Doubled.apply, real(1.0), check_forward_ad=True, check_backward_ad=False)
    with forward_ad.dual_level():
        x = forward_ad.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))
        a, b = Product.apply(x * 3, torch.ones(2))
        found = forward_ad.unpack_dual(a * 2 + b)
    assert found.primal.tolist() == [10.0, 10.0] and found.tangent.tolist() == [9.0, 18.0]
    assert Product.apply(torch.ones(1), torch.ones(1))[1].item() == 2.0  # outside of a level


def test_wrong_tangents_are_found():
    class Tripled(Doubled):
        jvp = staticmethod(lambda ctx, t: t * 3)

    class Summed(Doubled):
        jvp = staticmethod(lambda ctx, t: t.sum())

    class Two(Doubled):
        jvp = staticmethod(lambda ctx, t: (t, t))

    options = {"check_forward_ad": True, "check_backward_ad": False}
    with pytest.raises(
        GradcheckError, match="computed with forward mode mismatch for output 0 with respect to input 0"
    ):
        gradcheck(Tripled.apply, real(1.0, 2.0), **options)
    with pytest.raises(RuntimeError, match="expected a tangent of shape"):
        gradcheck(Summed.apply, real(1.0, 2.0), **options)
    with pytest.raises(RuntimeError, match="expected 1 but got 2"):
        gradcheck(Two.apply, real(1.0, 2.0), **options)


def test_tangents_of_inputs_whose_elements_lie_in_another_order():
    x = torch.rand(1, 2, 2, 2, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: x * x, [x], check_forward_ad=True)


def test_all_inputs_have_tangents_in_forward_mode():
    def scales_a_tangent(x, y):
        if forward_ad._current_level >= 0:
            primal, tangent = forward_ad.unpack_dual(y)
            y = forward_ad.make_dual(primal, tangent * 1.1)
        return x + y

    x, y = (torch.rand(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    wanted = "Jacobian computed with forward mode mismatch for output 0 with respect to input 1"
    with pytest.raises(GradcheckError, match=wanted):
        gradcheck(scales_a_tangent, (x, y), check_forward_ad=True)


def test_the_old_functions_give_the_tables():
    x, y = real(1.0, 2.0), real(3.0, 4.0)
    with pytest.warns(FutureWarning, match="get_numerical_jacobian"):
        by_x, by_y = get_numerical_jacobian(lambda given: (given[0] * given[1], given[0]), (x, y), eps=1e-6)
    assert torch.allclose(by_x, torch.diag(y.detach())) and torch.allclose(by_y, torch.diag(x.detach()))
    with pytest.warns(FutureWarning, match="get_analytical_jacobian"):
        tables, same, sizes, dtypes = get_analytical_jacobian((x, y), x * y)
    assert torch.equal(tables[0], torch.diag(y.detach())) and same and sizes and dtypes


def test_an_output_whose_dtype_depends_on_the_values():
    def jumps(x):
        return x if x.sum() >= 1 else x.float()

    with pytest.raises(AssertionError, match="the same dtype when inputs are perturbed"):
        gradcheck(jumps, (real(1.0),))


@pytest.mark.parametrize("layout", ["sparse_bsr", "sparse_bsc"])
def test_inputs_of_block_layouts(layout):
    x = torch.tensor([[1.0, 2, 0, 0], [0, 3, 0, 0], [0, 0, 4, 5], [0, 0, 6, 7]], dtype=torch.float64)
    sparse = x.to_sparse(layout=getattr(torch, layout), blocksize=(2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: t.to_dense() ** 2, (sparse,), masked=True)


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsc"])
def test_operators_that_save_a_sparse_input_s_values(layout):
    x = torch.tensor([[1.0, 0, 0, 2], [0, 3, 0, 0]], dtype=torch.float64)
    options = {"blocksize": (1, 2)} if layout == "sparse_bsc" else {}
    sparse = x.to_sparse(layout=getattr(torch, layout), **options).requires_grad_()
    y = torch.arange(8, dtype=torch.float64).reshape(4, 2).requires_grad_()
    for masked in (True, False):
        assert torch.autograd.gradcheck(
            lambda a, b: a.to_dense(masked_grad=masked).sin() @ b, (sparse, y), masked=masked
        )
        if layout != "sparse_bsc":
            assert torch.autograd.gradcheck(lambda a, b: torch.sparse.mm(a, b), (sparse, y), masked=True)
