"""torch.masked.MaskedTensor against PyTorch's."""

import warnings

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

USES = {
    "text": lambda t, x, m: x,
    "integers": lambda t, x, m: t.masked.masked_tensor(t.arange(6).reshape(2, 3), m),
    "unary": lambda t, x, m: (x.square(), -x, x.clamp(min=1.0), t.sqrt(x)),
    "binary": lambda t, x, m: (x + x, x * t.full((2, 3), 2.0), x > x, t.maximum(x, x)),
    "in place": lambda t, x, m: x.detach().neg_().add_(x.detach()),
    "reduced": lambda t, x, m: (x.sum(), x.mean(1), x.amax(0), x.prod(), x.argmin(), x.std()),
    "shapes": lambda t, x, m: (x[0], x.reshape(3, 2), t.cat([x, x], 1), x.unsqueeze(0), x.transpose(0, 1), x.split(1)),
    "softmax": lambda t, x, m: t.softmax(x, -1),
    "where": lambda t, x, m: t.where(t.full((2, 3), 1.0) > 0, x, -x),
    "sparse": lambda t, x, m: (x.to_sparse().to_dense(), x.to_sparse_csr().to_dense(), x.to_sparse().sin().to_dense()),
    "functions": lambda t, x, m: (t.masked.sum(x.detach(), 1), t.masked.amax(x.detach())),
    "filled": lambda t, x, m: x.to_tensor(7.0).detach(),
}


def made(t):
    data, mask = t.arange(6.0).reshape(2, 3), t.tensor([[True, True, False], [False, True, False]])
    return t.masked.masked_tensor(data, mask, requires_grad=True), mask


@pytest.mark.parametrize("use", USES)
def test_as_pytorch_computes_and_prints(use):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = (str(USES[use](t, *made(t))) for t in (rl, torch))
    assert ours == theirs


@pytest.mark.parametrize("reduced", ["sum", "mean", "amax", "prod"])
def test_gradients_have_the_mask(reduced):
    def gradient(t):
        x, _ = made(t)
        getattr(x, reduced)().backward()
        return str(x.grad)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert gradient(rl) == gradient(torch)


def test_gradients_reach_what_it_was_made_of():
    x = rl.arange(3.0).requires_grad_()
    mask = rl.tensor([True, False, True])
    (rl.masked.as_masked_tensor(x, mask) * 2).sum().backward()
    assert rl.masked.is_masked_tensor(x.grad)
    assert x.grad.to_tensor(0.0).tolist() == [2.0, 0.0, 2.0]


def test_what_does_not_fit_is_refused():
    x, mask = made(rl)
    with pytest.raises(ValueError, match="Input masks must match"):
        x + rl.masked.masked_tensor(rl.ones(2, 3), ~mask)
    with pytest.raises(ValueError, match=r"data.size\(\) must equal mask.size\(\)"):
        rl.masked.masked_tensor(rl.ones(3, 3), mask)
    with pytest.raises(TypeError, match="data must be a Tensor"):
        rl.masked.masked_tensor(x, mask)
    with pytest.raises(TypeError, match="same layout"):
        rl.masked.masked_tensor(rl.ones(2, 3).to_sparse(), mask)
    with pytest.warns(UserWarning, match="not implemented"), pytest.raises(TypeError, match="NotImplemented"):
        x.max()


def test_functions_of_masked_count_what_counts():
    x, _ = made(rl)
    assert rl.masked.mean(x.detach()).item() == pytest.approx(5 / 3)
