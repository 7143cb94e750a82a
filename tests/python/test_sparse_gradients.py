"""Gradients of sparse tensors and sparse gradients, of functions, modules and optimizers, as PyTorch has them."""

import pytest
import torch
from sparse_support import coo, csr, doubled, hybrid, matrix, same

import rushlight as rl

GRADIENTS = {
    "to_dense": lambda t, x: (x.to_dense() * matrix(t, 2, 3)).sum(),
    "sum": lambda t, x: x.sum(),
    "sparse.sum": lambda t, x: (t.sparse.sum(x, 0).to_dense() * t.tensor([1.0, 2.0, 3.0])).sum(),
    "sparse.mm": lambda t, x: (t.sparse.mm(x, matrix(t)) ** 2).sum(),
    "@": lambda t, x: ((x @ matrix(t)) ** 2).sum(),
    "mv": lambda t, x: ((x @ t.tensor([1.0, -2.0, 3.0])) ** 2).sum(),
    "sparse by sparse": lambda t, x: (t.sparse.mm(x, matrix(t).to_sparse()).to_dense() ** 2).sum(),
    "sparse.addmm": lambda t, x: (t.sparse.addmm(t.ones(2, 2), x, matrix(t), alpha=2) ** 2).sum(),
    "softmax": lambda t, x: (t.sparse.softmax(x, 1).to_dense() * matrix(t, 2, 3)).sum(),
    "log_softmax": lambda t, x: (t.sparse.log_softmax(x, 1).to_dense() * matrix(t, 2, 3)).sum(),
    "times": lambda t, x: ((x * 2).to_dense() ** 2).sum(),
    "plus": lambda t, x: ((x + x).to_dense() ** 2).sum(),
    "t": lambda t, x: (x.t().to_dense() * matrix(t, 3, 2)).sum(),
    "values": lambda t, x: (x.coalesce().values() ** 2).sum(),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_of_a_sparse_leaf(name):
    def run(t):
        x = coo(t).coalesce().requires_grad_()
        GRADIENTS[name](t, x).backward()
        # PyTorch's is dense for some, and has then also what the elements that are not there would get.
        return x.grad.to_dense() * (x.detach().to_dense() != 0)

    same(run)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_of_the_values(name):
    def run(t):
        v = t.tensor([3.0, 4.0, 5.0], requires_grad=True)
        GRADIENTS[name](t, t.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3))).backward()
        return v.grad

    same(run)


def test_gradient_of_the_dense_factor():
    def run(t, make):
        d = matrix(t).requires_grad_()
        (make(t, d) ** 2).sum().backward()
        return d.grad.to_dense()

    same(lambda t: run(t, lambda t, d: t.sparse.mm(doubled(t), d)))
    same(lambda t: run(t, lambda t, d: csr(t) @ d))
    same(lambda t: run(t, lambda t, d: d @ coo(t)))
    same(lambda t: run(t, lambda t, d: t.addmm(t.ones(2, 2), coo(t), d)))
    same(lambda t: run(t, lambda t, d: (d.t() * coo(t)).to_dense()))
    same(lambda t: run(t, lambda t, d: d.t() + coo(t)))
    same(lambda t: run(t, lambda t, d: d.to_sparse().to_dense()))


def test_gradient_of_doubled_values_comes_once():
    # The element [1, 2] stands twice; its gradient is that of the element, not the sum over both.
    x = doubled(rl).requires_grad_()
    (x.to_dense() * matrix(rl, 2, 3)).sum().backward()
    assert x.grad.to_dense().tolist() == [[0, 0, matrix(rl, 2, 3)[0, 2]], [0, 0, matrix(rl, 2, 3)[1, 2]]]


def test_second_derivatives():
    i = [[0, 1, 1], [2, 0, 2]]

    def f(v, d):
        s = rl.sparse_coo_tensor(i, v, (2, 3))
        return rl.sparse.mm(s * 2, d) + rl.sparse.softmax(s, 1).to_dense() @ d

    v = rl.tensor([0.3, 0.4, 0.5], dtype=rl.float64, requires_grad=True)
    d = matrix(rl).to(rl.float64).requires_grad_()
    assert rl.autograd.gradcheck(f, (v, d))
    assert rl.autograd.gradgradcheck(f, (v, d))


def test_gradients_through_levels():
    def f(v):
        s = rl.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3))
        return ((s @ matrix(rl)) ** 2).sum() + (s * 3).to_dense().sum()

    v = rl.tensor([3.0, 4.0, 5.0])
    wanted = v.clone().requires_grad_()
    f(wanted).backward()
    assert rl.allclose(rl.func.grad(f)(v), wanted.grad)
    with pytest.raises(NotImplementedError, match="vmap"):
        rl.func.vmap(lambda x: x * 2)(coo(rl))


def test_gradients_add_up():
    def run(t):
        weight = t.nn.Parameter(matrix(t))
        found = []
        for dense in (False, False, True, False):
            loss = weight.sum() if dense else t.nn.functional.embedding(t.tensor([2, 0, 2]), weight, sparse=True).sum()
            loss.backward()
            found.append(weight.grad)
            found = [g.clone() for g in found]
        return found

    same(run)
    # Both kinds in one pass.
    same(lambda t: two_uses(t))


def two_uses(t):
    weight = t.nn.Parameter(matrix(t))
    (weight.sum() + t.nn.functional.embedding(t.tensor([1]), weight, sparse=True).sum()).backward()
    return weight.grad


def test_a_gradient_is_not_changed_by_the_next():
    weight = rl.nn.Parameter(matrix(rl))
    given = rl.ones(1, 2)
    rl.nn.functional.embedding(rl.tensor([1]), weight, sparse=True).backward(given)
    weight.grad.mul_(3)
    assert given.tolist() == [[1, 1]]
    weight.grad.data.mul_(2)  # shares the parts
    assert weight.grad.to_dense()[1].tolist() == [6, 6]
    weight.grad.detach_()
    weight.grad.zero_()
    assert weight.grad._nnz() == 0


# ---- modules and optimizers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}], ids=str)
def test_embedding(options):
    def run(t):
        layer = t.nn.Embedding(4, 2, sparse=True, **options)
        layer.weight.data = matrix(t, 4, 2)
        (layer(t.tensor([[1, 3], [3, 0]])) * t.tensor([1.0, 2.0])).sum().backward()
        return layer.weight.grad

    same(run)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_embedding_bag(mode):
    def run(t):
        layer = t.nn.EmbeddingBag(4, 2, sparse=True, mode=mode)
        layer.weight.data = matrix(t, 4, 2)
        weights = t.tensor([1.0, 2.0, 3.0, 4.0]) if mode == "sum" else None
        layer(t.tensor([1, 3, 3, 0]), t.tensor([0, 3]), weights).sum().backward()
        return layer.weight.grad

    same(run)


def test_gather_with_a_sparse_gradient():
    def run(t):
        x = matrix(t).requires_grad_()
        t.gather(x, 1, t.tensor([[0, 0], [1, 0]]), sparse_grad=True).sum().backward()
        return x.grad

    same(run)


OPTIMIZERS = {
    "SGD": ("SGD", {"lr": 0.1}),
    "SGD momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "SGD maximize": ("SGD", {"lr": 0.1, "maximize": True}),
    "Adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01}),
    "SparseAdam": ("SparseAdam", {"lr": 0.1}),
    "SparseAdam maximize": ("SparseAdam", {"lr": 0.1, "betas": (0.5, 0.9), "maximize": True}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    kind, options = OPTIMIZERS[name]

    def run(t):
        layer = t.nn.Embedding(5, 3, sparse=True)
        layer.weight.data = matrix(t, 5, 3)
        other = t.nn.Parameter(t.ones(3))
        params = [layer.weight] if kind == "SparseAdam" else [layer.weight, other]
        optimizer = getattr(t.optim, kind)(params, **options)
        for at in ([0, 1, 1], [4], [1, 3], []):
            optimizer.zero_grad()
            ((layer(t.tensor(at, dtype=t.int64)) * other) ** 2).sum().backward()
            optimizer.step()
        state = optimizer.state[layer.weight]
        return [layer.weight, other, *(v.to_dense() for v in state.values() if hasattr(v, "to_dense") and v.dim() > 1)]

    same(run)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adadelta", "ASGD"])
def test_optimizers_for_dense_gradients_say_so(name):
    for t in (torch, rl):
        layer = t.nn.Embedding(5, 3, sparse=True)
        optimizer = getattr(t.optim, name)(layer.parameters())
        layer(t.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match=f"{name if t is rl else ''}.* does not support sparse gradients"):
            optimizer.step()


def test_sparse_adam_wants_sparse_gradients():
    for t in (torch, rl):
        p = t.nn.Parameter(t.ones(2))
        p.sum().backward()
        with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
            t.optim.SparseAdam([p]).step()
        with pytest.raises(ValueError, match="Invalid learning rate"):
            t.optim.SparseAdam([p], lr=-1)
        with pytest.raises(ValueError, match="dense parameter"):
            t.optim.SparseAdam([coo(t)])


def test_clipping_a_sparse_gradient():
    # PyTorch 2.13 has no norm for it; the value is that of the dense gradient.
    layer = rl.nn.Embedding(3, 2, sparse=True)
    layer(rl.tensor([0, 1, 1])).sum().backward()
    total = rl.nn.utils.clip_grad_norm_(layer.parameters(), 0.1)
    assert total.item() == pytest.approx(10**0.5)
    assert layer.weight.grad.coalesce().values().norm().item() == pytest.approx(0.1, rel=1e-4)


# ---- files -----------------------------------------------------------------------------------------------------------------


def test_saved_sparse_tensors_know_that_they_changed():
    d = rl.ones(3, 2, requires_grad=True)
    s = coo(rl)
    out = (d.t() * s).sum()
    s.mul_(2)  # new values: what was saved is as it was
    out.backward()
    assert rl.equal(d.grad, coo(rl).to_dense().t())


def test_sparse_adam_says_which_parameters_it_cannot_take():
    def refused(t, groups):
        with pytest.raises(ValueError) as caught:
            t.optim.SparseAdam(groups)
        return str(caught.value)

    for groups in (
        lambda t: [t.ones(2), t.ones(2, dtype=t.complex64)],
        lambda t: [{"params": [t.ones(2)]}, {"params": [t.ones(2, dtype=t.complex64)]}],
        lambda t: [t.ones(2).to_sparse()],
    ):
        assert refused(rl, groups(rl)) == refused(torch, groups(torch))


@pytest.mark.parametrize("to", ["coo", "csr", "csc"])
@pytest.mark.parametrize("of", ["coo", "csr", "csc"])
def test_gradients_between_layouts(of, to):
    def convert(x, layout):
        return getattr(x, {"coo": "to_sparse"}.get(layout, f"to_sparse_{layout}"))()

    def gradient(fw):
        a = fw.tensor([[0.0, 1, 2], [3, 0, 4]])
        x = convert(a, of).detach().requires_grad_()
        g = convert(a * 10, to)
        return fw.autograd.grad(convert(x, to), x, g)[0].to_dense().tolist()

    assert gradient(rl) == gradient(torch)


def test_products_of_unlike_sparse_dimensions_and_gradients_of_broadcast_ones():
    fine, coarse = rl.arange(6.0).reshape(3, 2).to_sparse(), hybrid(rl)
    assert (fine * coarse).to_dense().tolist() == (fine.to_dense() * coarse.to_dense()).tolist()
    assert (fine * coarse).sparse_dim() == 1
    x = rl.sparse_coo_tensor([[0, 0], [0, 2]], [2.0, 3.0], (1, 3)).requires_grad_()
    (coo(rl) * x).to_dense().sum().backward()
    assert x.grad.to_dense().tolist() == [[4.0, 0.0, 8.0]]
    with pytest.raises(RuntimeError, match=r"expand: a sparse tensor of shape \[2, 3\] can't be repeated to \[2, 4\]"):
        coo(rl).expand(2, 4)


def test_the_gradient_of_sum_is_whole_and_that_of_sparse_sum_is_not():
    def program(t):
        x = coo(t).requires_grad_()
        x.sum().backward()
        whole, x.grad = x.grad, None
        t.sparse.sum(x).backward()
        y = csr(t).requires_grad_()
        y.sum().backward()
        return whole, x.grad, y.grad, x.detach().sum(dtype=t.float64)

    same(program)
