"""What rests on LAPACK, against PyTorch: values where they are determined, else products; first and second gradients; meta; errors."""

import pytest
import torch

import rushlight as rl


def definite(m, a):
    return a @ a.mH + 2 * m.eye(a.shape[-1], dtype=a.dtype)


def hermitian(m, a):
    return a + a.mH + m.diag(m.arange(1.0, a.shape[-1] + 1, dtype=m.float64)).to(a.dtype) * 3


def lower(m, a):
    return a.tril() + 3 * m.eye(a.shape[-1], dtype=a.dtype)


def square(a):
    return a[..., : min(a.shape[-2:]), : min(a.shape[-2:])]


def products_of_lu(m, a):
    p, l, u = m.linalg.lu(a)
    return p, l @ u.cos(), l, u


def eig(m, a):
    values, vectors = m.linalg.eig(square(a))
    return vectors * values.unsqueeze(-2).cos() @ m.linalg.inv(vectors)


def eigh(m, a, uplo="L"):
    values, vectors = m.linalg.eigh(hermitian(m, square(a)), uplo)
    return values, vectors * values.unsqueeze(-2).cos().to(a.dtype) @ vectors.mH


def qr(m, a, mode="reduced"):
    q, r = m.linalg.qr(a, mode)
    return q @ r.cos(), r.abs(), q.abs()


def reflected(m, a, left=True, transpose=False):
    factors, tau = a.tril(-1)[..., : min(a.shape[-2:])], (a.sum(-2) / 3)[..., : min(a.shape[-2:])]
    other = a if left else a.mT
    return m.ormqr(factors, tau, other, left=left, transpose=transpose)


def columns(m, a):
    tall = a if a.shape[-2] >= a.shape[-1] else a.mT
    return m.linalg.householder_product(tall, tall.sum(-2)[..., :-1] / 3)


def lu_solved(m, a, left=True, adjoint=False):
    lu, pivots = m.linalg.lu_factor(square(a))
    b = square(a).sin()
    return m.linalg.lu_solve(lu, pivots, b[..., :1] if left else b[..., :1, :], left=left, adjoint=adjoint)


def factors_of_lu(m, a):
    return m.linalg.lu_factor(a).LU


def triangular(m, a, **options):
    s = square(a)
    return m.linalg.solve_triangular(lower(m, s).mT if options["upper"] else lower(m, s), s.cos(), **options)


PROGRAMS = {
    "cholesky": lambda m, a: m.linalg.cholesky(definite(m, square(a))),
    "cholesky_upper": lambda m, a: m.linalg.cholesky_ex(definite(m, square(a)), upper=True).L,
    "cholesky_solve": lambda m, a: m.cholesky_solve(square(a), lower(m, square(a))),
    "cholesky_inverse": lambda m, a: m.cholesky_inverse(
        m.linalg.cholesky(definite(m, square(a)), upper=True), upper=True
    ),
    "lu": products_of_lu,
    "lu_factor": factors_of_lu,
    "lu_solve": lu_solved,
    "lu_solve_right": lambda m, a: lu_solved(m, a, left=False),
    "lu_solve_adjoint": lambda m, a: lu_solved(m, a, adjoint=True),
    "lu_solve_right_adjoint": lambda m, a: lu_solved(m, a, left=False, adjoint=True),
    "qr": qr,
    "ormqr": reflected,
    "ormqr_transposed": lambda m, a: reflected(m, a, transpose=True),
    "ormqr_right": lambda m, a: reflected(m, a, left=False),
    "ormqr_right_transposed": lambda m, a: reflected(m, a, left=False, transpose=True),
    "householder_product": columns,
    "eig": eig,
    "eigvals": lambda m, a: m.linalg.eigvals(square(a)).abs().sort().values,
    "eigh": eigh,
    "eigh_upper": lambda m, a: eigh(m, a, "U"),
    "eigvalsh": lambda m, a: m.linalg.eigvalsh(hermitian(m, square(a))),
    "solve": lambda m, a: m.linalg.solve(square(a), square(a)[..., :2].sin()),
    "solve_vector": lambda m, a: m.linalg.solve(square(a), square(a)[..., 0].sin()),
    "solve_right": lambda m, a: m.linalg.solve(square(a), square(a)[..., :2, :].sin(), left=False),
    "solve_broadcast": lambda m, a: m.linalg.solve(square(a), square(a).expand(3, *square(a).shape)),
    "solve_ex": lambda m, a: m.linalg.solve_ex(square(a), square(a)).result,
    "solve_triangular": lambda m, a: triangular(m, a, upper=False),
    "solve_triangular_right": lambda m, a: triangular(m, a, upper=True, left=False),
    "solve_triangular_unit": lambda m, a: triangular(m, a, upper=True, unitriangular=True),
    "inv": lambda m, a: m.linalg.inv(square(a)),
    "pinv": lambda m, a: m.linalg.pinv(a),
    "pinv_hermitian": lambda m, a: m.linalg.pinv(hermitian(m, square(a)), hermitian=True),
    "pinv_tolerance": lambda m, a: m.linalg.pinv(a, atol=0.5, rtol=0.1),
    "det": lambda m, a: m.linalg.det(square(a)),
    "slogdet": lambda m, a: tuple(m.linalg.slogdet(square(a))),
    "logdet": lambda m, a: m.logdet(definite(m, square(a))),
    "matrix_exp": lambda m, a: m.linalg.matrix_exp(square(a)),
    "matrix_exp_scaled": lambda m, a: m.matrix_exp(2 * square(a)),
    "matrix_power": lambda m, a: (m.linalg.matrix_power(square(a), 5), m.matrix_power(square(a), -2)),
    "matrix_power_zero": lambda m, a: m.linalg.matrix_power(square(a), 0),
    "lstsq": lambda m, a: tuple(m.linalg.lstsq(a, a.sin(), driver="gels"))[:2],
    "lstsq_gelsd": lambda m, a: m.linalg.lstsq(a, a.sin(), driver="gelsd"),
    "lstsq_vector": lambda m, a: m.linalg.lstsq(a, a[..., 0].sin()).solution,
    "cond": lambda m, a: (
        m.linalg.cond(a),
        m.linalg.cond(a, -2),
        m.linalg.cond(square(a).detach(), 1),
        m.linalg.cond(square(a).detach(), "fro"),
    ),
    "multi_dot": lambda m, a: (
        m.linalg.multi_dot([t.reshape(-1, t.shape[-1]) for t in (a[..., 0], a[..., 0].mT, a[..., 1])])
        if a.dim() == 3
        else m.linalg.multi_dot([a[0], a.mT, a, a.mT, a[:, 0]])
    ),
    "tensorinv": lambda m, a: (
        m.linalg.tensorinv(square(a).reshape(1, *square(a).reshape(-1, 3).shape), ind=2)
        if a.dim() == 2
        else m.linalg.tensorinv(a[0].unsqueeze(1), ind=2)
    ),
    "tensorsolve": lambda m, a: (
        m.linalg.tensorsolve(square(a).unsqueeze(-2), square(a)[..., 0], dims=(-1,))
        if a.dim() == 2
        else m.linalg.tensorsolve(a[0], a[0, 0])
    ),
    "vander": lambda m, a: m.linalg.vander(a, N=4),
    "vecdot": lambda m, a: m.linalg.vecdot(a, a.cos(), dim=-2),
}
SHAPES = [(4, 3), (3, 4), (2, 3, 3)]


def given(shape, dtype):
    a = torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(7))
    return rl.tensor(a.numpy()).requires_grad_(), a.clone().requires_grad_()


def listed(outs):
    return [t for t in (outs if isinstance(outs, tuple) else (outs,)) if t.numel()]


def same(mine, theirs):
    torch.testing.assert_close(
        torch.tensor(mine.detach().numpy()), theirs.detach().resolve_conj(), rtol=1e-7, atol=1e-7
    )


def weighted(m, outs):
    """A number that depends on every element of the results."""
    total = 0
    for t in outs:
        if not t.requires_grad:
            continue
        t = m.view_as_real(t.resolve_conj()) if t.is_complex() else t
        total = total + (t * m.linspace(0.5, 1.5, t.numel(), dtype=m.float64).reshape(t.shape)).sum()
    return total


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients(name, shape, dtype):
    results = []
    for m, a in zip((rl, torch), given(shape, dtype), strict=True):
        try:
            outs = listed(PROGRAMS[name](m, a))
        except RuntimeError as e:
            outs, first, second = [str(e)], [], []
        else:
            first = second = [m.zeros(1)]
            total = weighted(m, outs)
            if not isinstance(total, int):
                first = m.autograd.grad(total, [a], create_graph=True)
                if first[0].requires_grad:
                    second = m.autograd.grad(weighted(m, first), [a])
        results.append((outs, first, second))
    mine, theirs = results
    assert [len(t) for t in mine] == [len(t) for t in theirs]
    for ours, right in zip(mine, theirs, strict=True):
        for x, y in zip(ours, right, strict=True):
            if not isinstance(y, str):
                same(x, y)


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"eig", "lstsq_gelsd", "matrix_exp_scaled"}))
def test_meta(name):
    for shape in SHAPES:
        real = listed(PROGRAMS[name](rl, given(shape, torch.float64)[0].detach()))
        meta = listed(PROGRAMS[name](Meta(), rl.empty(shape, dtype=rl.float64, device="meta")))
        assert [(t.shape, t.dtype, t.stride()) for t in real] == [(t.shape, t.dtype, t.stride()) for t in meta], shape


class Meta:
    """rushlight, whose factories make meta tensors."""

    def __getattr__(self, name):
        found = getattr(rl, name)
        if name in ("eye", "arange", "zeros", "linspace"):
            return lambda *args, **options: found(*args, **options, device="meta")
        return found


@pytest.mark.parametrize("hermitian_form", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_ldl(hermitian_form, dtype):
    mine, theirs = (t.detach() for t in given((2, 5, 5), dtype))
    for m, a in ((rl, mine), (torch, theirs)):
        a = a + (a.mH if hermitian_form else a.mT)
        ld, pivots, info = m.linalg.ldl_factor_ex(a, hermitian=hermitian_form)
        x = m.linalg.ldl_solve(ld, pivots, a[..., :2], hermitian=hermitian_form)
        rest = abs(a @ x - a[..., :2]).max()
        assert float(rest) < 1e-10 and info.tolist() == [0, 0]


def test_rank():
    for m in (rl, torch):
        a = m.diag(m.tensor([5.0, 1.0, 1e-9]))
        assert int(m.linalg.matrix_rank(a)) == 2
        assert int(m.linalg.matrix_rank(a, atol=2.0)) == 1
        assert int(m.linalg.matrix_rank(a, m.tensor(1e-12), hermitian=True)) == 3
        assert m.linalg.matrix_rank(m.stack([a, a * 0]), atol=m.tensor([0.1, 2.0])).tolist() == [2, 0]
        assert m.linalg.matrix_rank(m.zeros(2, 0, 3)).tolist() == [0, 0]


def test_determinants_of_singular_matrices_have_gradients():
    grads = []
    for m in (rl, torch):
        a = m.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]], dtype=m.float64, requires_grad=True)
        (g,) = m.autograd.grad(m.linalg.det(a), [a], create_graph=True)
        grads.append(g)
    same(*grads)


ERRORS = {
    "singular": (lambda m: m.linalg.inv(m.zeros(2, 3, 3)), "Batch element 0.*singular"),
    "singular_solve": (lambda m: m.linalg.solve(m.zeros(2, 2), m.ones(2)), "singular"),
    "not_definite": (lambda m: m.linalg.cholesky(-m.eye(2)), "leading minor of order 1"),
    "not_definite_ex": (lambda m: m.linalg.cholesky_ex(-m.eye(2), check_errors=True), "leading minor of order 1"),
    "nan_svd": (lambda m: m.linalg.svd(m.full((2, 2), float("nan"))), "non-finite"),
    "nan_eigh": (lambda m: m.linalg.eigh(m.full((3, 3), float("nan"))), "linalg.eigh"),
}
MISTAKES = {
    "not_square": (lambda m: m.linalg.inv(m.ones(2, 3)), "must be batches of square matrices, but they are 2 by 3"),
    "vector": (lambda m: m.linalg.det(m.ones(3)), "must have at least 2 dimensions"),
    "integers": (
        lambda m: m.linalg.inv(m.ones(2, 2, dtype=m.int32)),
        "floating point or complex tensor as input. Got Int",
    ),
    "rows": (lambda m: m.linalg.solve(m.eye(3), m.ones(4, 2)), r"AX = B \(3x3 and 4x2\)"),
    "dtypes": (lambda m: m.linalg.solve(m.eye(3), m.ones(3, dtype=m.float64)), "same dtype"),
    "pivots": (
        lambda m: m.linalg.lu_solve(m.eye(3), m.tensor([1, 2, 9], dtype=m.int32), m.ones(3, 1)),
        "Pivots given to lu_solve",
    ),
    "pivots_unpacked": (lambda m: m.lu_unpack(m.eye(2), m.tensor([1, 9], dtype=m.int32)), "must be between 1 and"),
    "pivots_ldl": (lambda m: m.linalg.ldl_solve(m.eye(2), m.tensor([1, 7], dtype=m.int32), m.ones(2, 1)), "ldl_solve"),
    "uplo": (lambda m: m.linalg.eigh(m.eye(2), "X"), "'L' or 'U'"),
    "mode": (lambda m: m.linalg.qr(m.eye(2), "x"), "unrecognized mode 'x'"),
    "driver": (lambda m: m.linalg.lstsq(m.eye(2), m.eye(2), driver="x"), "should be one of"),
    "zero_u": (lambda m: m.linalg.lu_factor(m.zeros(2, 2)), r"U\[1,1\] is zero"),
    "infinite_eig": (lambda m: m.linalg.eig(m.full((2, 2), float("inf"))), "should not contain infs or NaNs"),
    "norm": (lambda m: m.linalg.cond(m.eye(2), 3), "invalid norm type"),
    "r_mode": (lambda m: m.linalg.qr(m.ones(2, 2, requires_grad=True), "r").R.sum().backward(), "depends on Q"),
    "chain": (lambda m: m.linalg.multi_dot([m.ones(2, 3), m.ones(2, 3)]), "cannot be multiplied"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_matrices_that_will_not_do(name):
    program, text = ERRORS[name]
    for m in (torch, rl):
        with pytest.raises(m.linalg.LinAlgError, match=text):
            program(m)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    program, text = MISTAKES[name]
    for m in (torch, rl):
        with pytest.raises(RuntimeError, match=text):
            program(m)


def test_pivots_of_blocks_come_in_pairs():
    with pytest.raises(RuntimeError, match="in pairs"):
        rl.linalg.ldl_solve(rl.eye(2), rl.tensor([1, -1], dtype=rl.int32), rl.ones(2, 1))


@pytest.mark.parametrize("function", ["inv", "cholesky", "eigvals", "eigvalsh", "det", "matrix_exp", "svdvals", "pinv"])
def test_nothing(function):
    for shape in ((0, 0), (0, 3, 3), (2, 0, 0)):
        mine, theirs = (
            getattr(rl.linalg, function)(rl.zeros(shape)),
            getattr(torch.linalg, function)(torch.zeros(shape)),
        )
        assert tuple(mine.shape) == tuple(theirs.shape) and mine.tolist() == theirs.tolist()


def test_out():
    a = rl.randn(3, 3)
    inverse, rows = rl.empty(3, 3), rl.empty(0)
    assert rl.linalg.inv(a, out=inverse) is inverse and rl.allclose(inverse, rl.linalg.inv(a))
    assert rl.allclose(rl.linalg.solve(a, a[0], out=rows), rl.linalg.solve(a, a[0]))
    q, r = rl.linalg.qr(a, out=(rl.empty(3, 3), rl.empty(3, 3)))
    assert rl.allclose(q @ r, a, atol=1e-5)
