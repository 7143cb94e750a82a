"""Lazy modules and nn.utils: parametrisations, weight and spectral norm, pruning, fusion; against PyTorch's."""

import copy
import io
import warnings

import pytest
import torch
import torch.nn.utils.prune
from nn_support import assert_same, from_torch, to_torch

import rushlight as rl

warnings.filterwarnings("ignore", category=FutureWarning)


def both(make, x=None):
    """The same module of both frameworks with the same state."""
    theirs, ours = make(torch), make(rl)
    ours.load_state_dict(from_torch(theirs.state_dict()))
    return ours, theirs


LAZY = [
    ("LazyLinear", (5,), (2, 7)),
    ("LazyLinear", (5, False), (7,)),
    ("LazyConv1d", (4, 3), (2, 3, 9)),
    ("LazyConv2d", (4, 3), (3, 9, 9)),
    ("LazyConv2d", (4, 3, 1, 1, 1, 2), (1, 6, 9, 9)),
    ("LazyConv3d", (4, 3), (2, 3, 5, 5, 5)),
    ("LazyConvTranspose1d", (4, 3), (2, 3, 9)),
    ("LazyConvTranspose2d", (4, 3), (2, 3, 9, 9)),
    ("LazyConvTranspose3d", (4, 3), (3, 5, 5, 5)),
    ("LazyBatchNorm1d", (), (4, 6)),
    ("LazyBatchNorm2d", (1e-3, 0.2), (4, 6, 3, 3)),
    ("LazyBatchNorm3d", (), (4, 6, 3, 3, 3)),
    ("LazyInstanceNorm1d", (), (4, 6, 8)),
    ("LazyInstanceNorm2d", (), (2, 6, 3, 3)),
    ("LazyInstanceNorm3d", (), (4, 6, 3, 3, 3)),
]


@pytest.mark.parametrize(("name", "args", "shape"), LAZY, ids=str)
def test_lazy_modules(name, args, shape):
    torch.manual_seed(0)
    x = torch.randn(shape)
    theirs, ours = getattr(torch.nn, name)(*args), getattr(rl.nn, name)(*args)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(rl.nn.parameter.is_lazy(v) for k, v in ours.state_dict().items() if "num_batches" not in k)
    copied = copy.deepcopy(ours)
    theirs(x)
    ours(from_torch(x))
    assert type(ours).__name__ == type(theirs).__name__ and repr(ours) == repr(theirs)
    assert set(ours.__dict__) == set(theirs.__dict__)
    ours.load_state_dict(from_torch(theirs.state_dict()))
    assert_same(ours(from_torch(x)), theirs(x), 1e-4, 1e-5)
    # Loading makes the parameters too, and the first call only checks the input.
    copied.load_state_dict(ours.state_dict())
    assert not copied.has_uninitialized_params()
    copied(from_torch(x))
    assert type(copied) is type(ours) and repr(copied) == repr(ours)


def test_lazy_modules_are_moved_cast_and_saved_before_the_first_call():
    nn = rl.nn
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2)).double()
    buffer = io.BytesIO()
    rl.save(model, buffer)
    buffer.seek(0)
    model = rl.load(buffer, weights_only=False)
    assert model(rl.ones(2, 1, 5, 5, dtype=rl.float64)).dtype == rl.float64
    assert model[3].weight.shape == (2, 36) and type(model[1]) is nn.BatchNorm2d
    assert model[0].weight.requires_grad and model[0].weight.is_leaf


LAZY_MISTAKES = [
    lambda fw: fw.nn.LazyLinear(3).weight.shape,
    lambda fw: fw.nn.LazyLinear(3).weight + 1,
    lambda fw: fw.nn.init.ones_(fw.nn.LazyLinear(3).weight),
    lambda fw: fw.nn.LazyLinear(3).share_memory(),
    lambda fw: fw.nn.LazyConv2d(3, 3)(fw.ones(3)),
    lambda fw: fw.nn.LazyConv2d(4, 3, groups=2)(fw.ones(1, 3, 5, 5)),
    lambda fw: fw.nn.Linear(2, 3).load_state_dict(fw.nn.LazyLinear(3).state_dict()),
    lambda fw: fw.nn.utils.weight_norm(fw.nn.LazyLinear(3)),
    lambda fw: fw.nn.utils.spectral_norm(fw.nn.LazyLinear(3)),
    lambda fw: loaded_then_called(fw),
]


def loaded_then_called(fw):
    lazy = fw.nn.LazyLinear(3)
    lazy.load_state_dict(fw.nn.Linear(2, 3).state_dict())
    lazy(fw.ones(1, 5))


@pytest.mark.parametrize("mistake", LAZY_MISTAKES, ids=range(len(LAZY_MISTAKES)))
def test_mistakes_with_lazy_modules(mistake):
    texts = []
    for fw in (rl, torch):
        with pytest.raises((RuntimeError, ValueError, AssertionError)) as e:
            mistake(fw)
        texts.append((e.type.__name__, str(e.value).split(" in <")[0]))
    assert texts[0][1] == texts[1][1]


def test_a_lazy_module_of_ones_own():
    class Scale(rl.nn.modules.lazy.LazyModuleMixin, rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = rl.nn.UninitializedParameter()

        def initialize_parameters(self, x, *, start=1.0):
            self.weight.materialize(x.shape[-1:])
            rl.nn.init.constant_(self.weight, start)

        def forward(self, x, *, start=1.0):
            return x * self.weight

    scale = Scale()
    assert scale(rl.ones(2), start=3.0).tolist() == [3, 3] and not scale._forward_pre_hooks
    assert isinstance(scale.weight, rl.nn.Parameter) and not rl.nn.parameter.is_lazy(scale.weight)


@pytest.mark.parametrize(("cutoffs", "bias"), [([5, 10], False), ([3], True), ([2, 4, 8], True)])
def test_adaptive_log_softmax(cutoffs, bias):
    torch.manual_seed(0)
    ours, theirs = both(lambda fw: fw.nn.AdaptiveLogSoftmaxWithLoss(16, 20, cutoffs, div_value=2.0, head_bias=bias))
    assert repr(ours) == repr(theirs)
    x, target = torch.randn(30, 16, requires_grad=True), torch.randint(0, 20, (30,))
    mine = from_torch(x.detach()).requires_grad_()
    got, expected = ours(mine, from_torch(target)), theirs(x, target)
    assert type(got).__name__ == type(expected).__name__ and got._fields == expected._fields
    assert_same(got.output, expected.output, 1e-5, 1e-6)
    expected.loss.backward()
    got.loss.backward()
    assert_same(mine.grad, x.grad, 1e-5, 1e-6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_same(a.grad, b.grad, 1e-5, 1e-6)
    with rl.no_grad():
        assert_same(ours.log_prob(mine), theirs.log_prob(x), 1e-5, 1e-6)
        assert ours.predict(mine).tolist() == theirs.predict(x).tolist()
        assert_same(ours(mine[0], from_torch(target)[0]).output, theirs(x[0], target[0]).output, 1e-5, 1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", ["indices", "probabilities"])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_cross_entropy_in_pieces(reduction, kind, bias):
    torch.manual_seed(0)
    x, w, b = torch.randn(7, 5), torch.randn(9, 5), torch.randn(9)
    if kind == "indices":
        target, settings = torch.tensor([0, 8, 2, -100, 4, 4, 1]), {"weight": torch.rand(9), "label_smoothing": 0.1}
    else:
        target, settings = torch.randn(7, 9).softmax(1), {}
    results = []
    for size in (None, 1, 3, 100):
        ours = [from_torch(t).requires_grad_() for t in (x, w, b)]
        options = size and rl.nn.LinearCrossEntropyOptions(batch_chunk_size=size)
        loss = rl.nn.functional.linear_cross_entropy(
            ours[0],
            ours[1],
            from_torch(target),
            linear_bias=ours[2] if bias else None,
            reduction=reduction,
            options=options,
            **{k: from_torch(v) if torch.is_tensor(v) else v for k, v in settings.items()},
        )
        (loss * 2).backward()
        results.append([loss, *(t.grad for t in ours if t.grad is not None)])
    theirs = [t.clone().requires_grad_() for t in (x, w, b)]
    logits = torch.nn.functional.linear(theirs[0], theirs[1], theirs[2] if bias else None)
    loss = torch.nn.functional.cross_entropy(logits, target, reduction=reduction, **settings)
    (loss * 2).backward()
    expected = [loss, *(t.grad for t in theirs if t.grad is not None)]
    for got in results:
        for a, e in zip(got, expected, strict=True):
            assert_same(a, e, 1e-5, 1e-5)


# ---- weight norm, spectral norm


MODULES = {
    "linear": (lambda fw: fw.nn.Linear(4, 3), (2, 4)),
    "conv": (lambda fw: fw.nn.Conv2d(2, 3, 3), (1, 2, 5, 5)),
    "transposed": (lambda fw: fw.nn.ConvTranspose1d(2, 3, 3), (1, 2, 5)),
}


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize(
    "norm",
    [
        lambda fw, m: fw.nn.utils.weight_norm(m),
        lambda fw, m: fw.nn.utils.weight_norm(m, dim=None),
        lambda fw, m: fw.nn.utils.weight_norm(m, dim=1),
        lambda fw, m: fw.nn.utils.spectral_norm(m),
        lambda fw, m: fw.nn.utils.parametrizations.weight_norm(m),
        lambda fw, m: fw.nn.utils.parametrizations.weight_norm(m, dim=None),
        lambda fw, m: fw.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=2),
    ],
    ids=["weight", "weight of all", "weight dim 1", "spectral", "new weight", "new weight of all", "new spectral"],
)
def test_norms(kind, norm):
    make, shape = MODULES[kind]
    torch.manual_seed(0)
    ours, theirs = both(lambda fw: norm(fw, make(fw)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    x = torch.randn(shape)
    mine = from_torch(x)
    for _ in range(3):
        ours.zero_grad()
        theirs.zero_grad()
        got, expected = ours(mine), theirs(x)
        assert_same(got, expected, 1e-4, 1e-5)
        expected.sin().sum().backward()
        got.sin().sum().backward()
        for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert_same(a.grad, b.grad, 1e-4, 1e-5, name)
    for name, value in theirs.state_dict().items():
        assert_same(ours.state_dict()[name], value, 1e-4, 1e-5, name)
    before = ours.eval()(mine)
    for fw, m in ((rl, ours), (torch, theirs.eval())):
        if hasattr(m, "parametrizations"):
            fw.nn.utils.parametrize.remove_parametrizations(m, "weight")
        elif hasattr(m, "weight_g"):
            fw.nn.utils.remove_weight_norm(m)
        else:
            fw.nn.utils.remove_spectral_norm(m)
    assert set(ours.state_dict()) == set(theirs.state_dict()) == {"weight", "bias"}
    assert_same(ours(mine), to_torch(before), 1e-4, 1e-5)
    assert type(ours) is type(make(rl)) and isinstance(ours.weight, rl.nn.Parameter)


def test_state_of_the_older_weight_norm_loads_into_the_newer():
    old = rl.nn.utils.weight_norm(rl.nn.Linear(3, 2))
    new = rl.nn.utils.parametrizations.weight_norm(rl.nn.Linear(3, 2))
    new.load_state_dict(old.state_dict())
    x = rl.ones(1, 3)
    assert (new(x) - old(x)).abs().max() < 1e-6


# ---- parametrize


class Symmetric:
    """Made for both frameworks."""

    @staticmethod
    def of(fw):
        class Symmetric(fw.nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).mT

            def right_inverse(self, x):
                return x.triu()

        return Symmetric()


def test_parametrize():
    seen = []
    for fw in (rl, torch):
        P = fw.nn.utils.parametrize
        layer = fw.nn.Linear(3, 3)
        cls = type(layer)
        P.register_parametrization(layer, "weight", Symmetric.of(fw))
        assert P.is_parametrized(layer) and P.is_parametrized(layer, "weight") and not P.is_parametrized(layer, "bias")
        assert P.type_before_parametrizations(layer) is cls
        layer.weight = fw.eye(3) * 2
        P.register_parametrization(layer, "weight", Symmetric.of(fw))
        P.register_parametrization(layer, "bias", fw.nn.Sigmoid())
        names = list(layer.state_dict())
        with P.cached():
            assert layer.weight is layer.weight
        assert layer.weight is not layer.weight
        layer(fw.ones(1, 3)).sum().backward()
        grad = layer.parametrizations.weight.original.grad.tolist()
        twin = copy.deepcopy(layer)
        twin.weight = fw.zeros(3, 3)
        assert layer.weight.sum() == 6
        with pytest.raises(RuntimeError, match="only supported through state_dict"):
            import pickle

            pickle.dumps(layer)
        P.remove_parametrizations(layer, "bias", leave_parametrized=False)
        shape = repr(layer)
        P.remove_parametrizations(layer, "weight")
        assert type(layer) is cls and "parametrizations" not in layer._modules
        seen.append((names, grad, shape, layer.weight.tolist(), list(layer.state_dict())))
    assert seen[0] == seen[1]


def test_parametrize_mistakes():
    def shape_changing(fw):
        class Flat(fw.nn.Module):
            def forward(self, x):
                return x.flatten()

        return Flat()

    def dtype_changing(fw):
        class Double(fw.nn.Module):
            def forward(self, x):
                return x.double()

        return Double()

    def wrong_type(fw):
        class Number(fw.nn.Module):
            def forward(self, x):
                return 1

        return Number()

    def backwards(fw):
        class Back(fw.nn.Module):
            def forward(self, x):
                return x

            def right_inverse(self, x):
                return 1

        return Back()

    for make in (shape_changing, dtype_changing, wrong_type, backwards):
        for twice in (False, True):
            texts = []
            for fw in (rl, torch):
                layer = fw.nn.Linear(3, 3)
                if twice:
                    fw.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric.of(fw))
                state = list(layer.state_dict())
                with pytest.raises(ValueError) as e:
                    fw.nn.utils.parametrize.register_parametrization(layer, "weight", make(fw))
                assert list(layer.state_dict()) == state
                texts.append(type(e.value))
            assert texts[0] is texts[1]
    layer = rl.nn.utils.parametrize.register_parametrization(rl.nn.Linear(2, 2), "weight", rl.nn.Identity())
    with pytest.raises(RuntimeError, match="does not implement right_inverse"):
        layer.weight = rl.ones(2, 2)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        rl.nn.utils.parametrize.register_parametrization(layer, "none", rl.nn.Identity())
    with pytest.raises(ValueError, match="does not have a parametrization on bias"):
        rl.nn.utils.parametrize.remove_parametrizations(layer, "bias")


def test_transferred_parametrizations():
    P = rl.nn.utils.parametrize
    first = P.register_parametrization(rl.nn.Linear(3, 3), "weight", Symmetric.of(rl))
    second = P.transfer_parametrizations_and_params(first, rl.nn.Linear(3, 3))
    assert (
        second.weight == first.weight
    ).all() and second.parametrizations.weight.original is first.parametrizations.weight.original


# ---- prune


PRUNES = {
    "l1": lambda fw, m: fw.nn.utils.prune.l1_unstructured(m, "weight", 0.4),
    "l1 count": lambda fw, m: fw.nn.utils.prune.l1_unstructured(m, "weight", 5),
    "l1 scores": lambda fw, m: fw.nn.utils.prune.l1_unstructured(
        m, "weight", 3, importance_scores=m.weight.abs().neg().exp()
    ),
    "ln": lambda fw, m: fw.nn.utils.prune.ln_structured(m, "weight", 1, n=2, dim=1),
    "ln last": lambda fw, m: fw.nn.utils.prune.ln_structured(m, "weight", 0.5, n=1, dim=0),
    "identity": lambda fw, m: fw.nn.utils.prune.identity(m, "weight"),
    "custom": lambda fw, m: fw.nn.utils.prune.custom_from_mask(m, "bias", fw.tensor([1, 0, 1, 0])),
}


@pytest.mark.parametrize("kind", PRUNES)
@pytest.mark.parametrize("then", [None, "l1 count", "ln", "custom"])
def test_prune(kind, then):
    torch.manual_seed(0)
    state = torch.nn.Linear(6, 4).state_dict()
    seen = []
    for fw in (rl, torch):
        m = fw.nn.Linear(6, 4)
        m.load_state_dict(state if fw is torch else from_torch(state))
        PRUNES[kind](fw, m)
        if then:
            PRUNES[then](fw, m)
        assert fw.nn.utils.prune.is_pruned(m)
        x = fw.ones(2, 6)
        m(x).sum().backward()
        grads = {n: p.grad.tolist() for n, p in m.named_parameters()}
        masked = {n: b.tolist() for n, b in m.named_buffers()}
        for name in ("weight", "bias"):
            if hasattr(m, name + "_mask"):
                fw.nn.utils.prune.remove(m, name)
        assert not fw.nn.utils.prune.is_pruned(m)
        seen.append((list(masked), masked, {k: v for k, v in m.state_dict().items()}, grads))
    assert seen[0][:2] == seen[1][:2] and seen[0][3] == seen[1][3]
    for name, value in seen[1][2].items():
        assert_same(seen[0][2][name], value, 0, 0, name)


def test_prune_at_random_and_over_all():
    prune = rl.nn.utils.prune
    m = prune.random_unstructured(rl.nn.Linear(10, 10), "weight", 0.3)
    assert (m.weight == 0).sum() == 30
    prune.random_structured(m, "weight", amount=2, dim=0)
    assert ((m.weight == 0).all(1)).sum() >= 2
    rl.manual_seed(0)
    torch.manual_seed(0)
    models = []
    for fw in (rl, torch):
        model = fw.nn.Sequential(fw.nn.Linear(4, 4), fw.nn.Linear(4, 4))
        fw.nn.utils.prune.global_unstructured(
            [(model[0], "weight"), (model[1], "weight")], fw.nn.utils.prune.L1Unstructured, amount=10
        )
        models.append(model)
    for name, mask in models[1].named_buffers():
        assert_same(dict(models[0].named_buffers())[name], mask, 0, 0)


def test_prune_mistakes():
    for mistake in (
        lambda fw: fw.nn.utils.prune.l1_unstructured(fw.nn.Linear(2, 2), "weight", 5),
        lambda fw: fw.nn.utils.prune.l1_unstructured(fw.nn.Linear(2, 2), "weight", 1.5),
        lambda fw: fw.nn.utils.prune.l1_unstructured(fw.nn.Linear(2, 2), "weight", "a"),
        lambda fw: fw.nn.utils.prune.l1_unstructured(fw.nn.Linear(2, 2), "none", 1),
        lambda fw: fw.nn.utils.prune.ln_structured(fw.nn.Linear(2, 2), "bias", 1, 2, 0),
        lambda fw: fw.nn.utils.prune.ln_structured(fw.nn.Linear(2, 2), "weight", 1, 2, 3),
        lambda fw: fw.nn.utils.prune.remove(fw.nn.Linear(2, 2), "weight"),
        lambda fw: fw.nn.utils.prune.global_unstructured(3, fw.nn.utils.prune.L1Unstructured, amount=1),
    ):
        kinds = []
        for fw in (rl, torch):
            with pytest.raises((ValueError, TypeError, IndexError, AttributeError)) as e:
                mistake(fw)
            kinds.append(e.type)
        assert kinds[0] is kinds[1]


# ---- the rest


@pytest.mark.parametrize("affine", [True, False])
def test_fusion(affine):
    torch.manual_seed(0)
    for make, shape, transpose in (
        (
            lambda fw: fw.nn.Sequential(fw.nn.Conv2d(2, 4, 3, bias=affine), fw.nn.BatchNorm2d(4, affine=affine)),
            (3, 2, 6, 6),
            False,
        ),
        (
            lambda fw: fw.nn.Sequential(fw.nn.ConvTranspose2d(2, 4, 3), fw.nn.BatchNorm2d(4, affine=affine)),
            (3, 2, 6, 6),
            True,
        ),
    ):
        model = make(rl)
        model(from_torch(torch.randn(shape)))
        model.eval()
        x = from_torch(torch.randn(shape))
        fused = rl.nn.utils.fuse_conv_bn_eval(model[0], model[1], transpose)
        assert_same(fused(x), to_torch(model(x).detach()), 1e-4, 1e-5)
    model = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.BatchNorm1d(4))
    model(rl.randn(5, 3))
    model.eval()
    x = rl.randn(5, 3)
    assert_same(rl.nn.utils.fuse_linear_bn_eval(*model)(x), to_torch(model(x).detach()), 1e-4, 1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        rl.nn.utils.fuse_linear_bn_eval(*model.train())


def test_skip_init_memory_format_and_stateless():
    assert rl.nn.utils.skip_init(rl.nn.Conv2d, 2, 3, 3, dtype=rl.float64).weight.dtype == rl.float64
    with pytest.raises(RuntimeError, match="'device' arg"):
        rl.nn.utils.skip_init(rl.nn.Softmax)
    model = rl.nn.Sequential(rl.nn.Conv2d(2, 3, 3))
    rl.nn.utils.convert_conv2d_weight_memory_format(model, rl.channels_last)
    assert model[0].weight.is_contiguous(memory_format=rl.channels_last)
    layer = rl.nn.Linear(1, 1, bias=False)
    out = rl.nn.utils.stateless.functional_call(layer, {"weight": rl.full((1, 1), 5.0)}, rl.ones(1, 1))
    assert out.item() == 5 and layer.weight.item() != 5


def test_factory_kwargs():
    assert rl.nn.factory_kwargs({"dtype": rl.float64, "factory_kwargs": {"device": "cpu"}}) == {
        "dtype": rl.float64,
        "device": "cpu",
    }
    assert rl.nn.factory_kwargs(None) == {}
    with pytest.raises(TypeError, match="unexpected kwargs"):
        rl.nn.factory_kwargs({"other": 1})
    with pytest.raises(TypeError, match="specified twice"):
        rl.nn.factory_kwargs({"dtype": rl.float64, "factory_kwargs": {"dtype": rl.float64}})


def test_sync_batch_norm_takes_over_a_model():
    model = rl.nn.Sequential(
        rl.nn.Linear(2, 3), rl.nn.BatchNorm1d(3), rl.nn.Sequential(rl.nn.BatchNorm1d(3, affine=False))
    )
    model(rl.randn(8, 2))
    model.eval()
    x = rl.randn(4, 2)
    expected = model(x)
    made = rl.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert made is model and type(made[1]) is rl.nn.SyncBatchNorm and type(made[2][0]) is rl.nn.SyncBatchNorm
    assert not made[1].training and (made(x) == expected).all()


def test_checks_that_recurrent_subclasses_call():
    seen = []
    for fw in (rl, torch):
        lstm, gru = fw.nn.LSTM(3, 4, 2, bidirectional=True), fw.nn.GRU(3, 4, batch_first=True)
        x, h = fw.ones(5, 2, 3), fw.arange(24.0).reshape(1, 6, 4)
        lstm.check_forward_args(x, (fw.ones(4, 2, 4), fw.ones(4, 2, 4)), None)
        texts = []
        for call in (
            lambda: lstm.check_forward_args(x, (fw.ones(4, 2, 4), fw.ones(4, 1, 4)), None),
            lambda: gru.check_forward_args(x, fw.ones(1, 2, 4), None),
            lambda: gru.check_input(fw.ones(3), None),
        ):
            with pytest.raises(RuntimeError) as e:
                call()
            texts.append(str(e.value))
        order = fw.tensor([5, 4, 3, 2, 1, 0])
        seen.append(
            (
                texts,
                gru.get_expected_hidden_size(x, None),
                gru.permute_hidden(h, order).tolist(),
                lstm.get_expected_cell_size(x, None),
            )
        )
    assert seen[0] == seen[1]
