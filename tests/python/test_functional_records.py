"""Functions of nn.functional whose logic is a record's: the same eagerly, in scripts, in traces, and in archives that PyTorch runs."""

import importlib.util
import inspect
import io
import pickle
import sys
import warnings

import pytest
import torch

import rushlight as rl

F, G = rl.nn.functional, torch.nn.functional


def values(*shape, low=-2.0, high=2.0, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * (high - low) + low


def ours(v):
    return rl.from_numpy(v.numpy().copy()) if isinstance(v, torch.Tensor) else v


# A script's body over x, y and z, and what these are.
X, Y, P = values(3, 4), values(3, 4, seed=1), values(3, 4, low=0.1, high=0.9, seed=2)
IMAGE, CLASSES = values(2, 3, 6, 6), torch.tensor([0, 3, 1])
POOLED = G.max_pool2d(IMAGE, 2, return_indices=True)
CASES = [
    ("F.cross_entropy(x, z, reduction='sum', label_smoothing=0.1)", X, Y, CLASSES),
    ("F.nll_loss(x, z, ignore_index=3)", X, Y, CLASSES),
    ("F.gaussian_nll_loss(x, y, z, full=True)", X, Y, P),
    ("F.gaussian_nll_loss(x, y, 0.5, reduction='none')", X, Y, P),
    ("F.gaussian_nll_loss(x, y, z[:, 0])", X, Y, P),
    ("F.poisson_nll_loss(x, y)", X, Y, P),
    ("F.kl_div(x, z, reduction='batchmean')", X, Y, P),
    ("F.binary_cross_entropy(z, y, weight=x)", X, P, P),
    ("F.binary_cross_entropy_with_logits(x, z, pos_weight=y)", X, Y.abs(), P),
    ("F.smooth_l1_loss(x, y, beta=0.0)", X, Y, P),
    ("F.huber_loss(x, y, reduction='sum', weight=z)", X, Y, P),
    ("F.mse_loss(x, y, weight=z)", X, Y, P),
    ("F.l1_loss(x, y, reduction='none')", X, Y, P),
    ("F.margin_ranking_loss(x, y, z.sign(), margin=0.5)", X, Y, P),
    ("F.multi_margin_loss(x, z, p=2)", X, Y, CLASSES),
    ("F.multilabel_soft_margin_loss(x, z, reduction='none')", X, Y, P.round()),
    ("F.triplet_margin_loss(x, y, z, swap=True)", X, Y, P),
    ("F.cosine_embedding_loss(x, y, z[:, 0].sign())", X, Y, P),
    ("F.softmin(x, dim=1)", X, Y, P),
    ("F.softmax(x, dim=-1, dtype=torch.float64)", X, Y, P),
    ("F.normalize(x, p=3.0, dim=0)", X, Y, P),
    ("F.lp_pool1d(x, 2.0, 2)", X, Y, P),
    ("F.lp_pool2d(x, 3.0, (2, 1), stride=2, ceil_mode=True)", IMAGE.abs(), Y, P),
    ("F.lp_pool2d(x, float('inf'), 2)", IMAGE, Y, P),
    ("F.max_unpool2d(x, z, 2)", POOLED[0], Y, POOLED[1]),
    ("F.max_unpool2d(x, z, 2, output_size=[7, 7])", POOLED[0], Y, POOLED[1]),
    ("F.interpolate(x, scale_factor=2.0)", IMAGE, Y, P),
    ("F.interpolate(x, size=4, mode='area')", IMAGE, Y, P),
    ("F.interpolate(x, size=(3, 8), mode='bilinear', align_corners=True)", IMAGE, Y, P),
    ("F.interpolate(x, scale_factor=[0.5, 1.5], mode='bicubic', recompute_scale_factor=True)", IMAGE, Y, P),
    ("F.grid_sample(x, y, padding_mode='border', align_corners=False)", IMAGE, values(2, 3, 3, 2, seed=3), P),
    ("F.affine_grid(x, [2, 1, 3, 4], align_corners=True)", values(2, 2, 3), Y, P),
    ("F.local_response_norm(x, 2)", IMAGE, Y, P),
    ("F.group_norm(x, 3)", IMAGE, Y, P),
    ("F.batch_norm(x, None, None, training=True)", IMAGE, Y, P),
    ("F.embedding(z, x, padding_idx=-1)", X, Y, torch.tensor([0, 2])),
    ("F.embedding_bag(z, x, mode='max')", X, Y, torch.tensor([[0, 2], [1, 1]])),
    ("F.unfold(x, 2, stride=2)", IMAGE, Y, P),
    ("F.dropout2d(x, 0.5, training=False)", IMAGE, Y, P),
]  # fmt: skip


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A class for each case, in a file, where the compiler finds its source."""
    path = tmp_path_factory.mktemp("functional") / "functional_cases.py"
    lines = ["import rushlight as torch", "F = torch.nn.functional"]
    for i, (body, *_) in enumerate(CASES):
        lines += [f"class M{i}(torch.nn.Module):", "    def forward(self, x, y, z):", f"        return {body}"]
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location("functional_cases", path)
    module = sys.modules["functional_cases"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("i", range(len(CASES)), ids=[c[0] for c in CASES])
def test_it_is_the_same_everywhere(i, modules):
    body, *args = CASES[i]
    want = eval(body, {"F": G, "torch": torch}, dict(zip("xyz", args, strict=True)))
    mine = [ours(a) for a in args]

    def check(got, how):
        torch.testing.assert_close(torch.from_numpy(got.numpy()), want, msg=lambda m: f"{how}: {m}")

    module = modules[f"M{i}"]()
    check(module(*mine), "eager")
    scripted = rl.jit.script(module)
    check(scripted(*mine), "script")
    check(rl.jit.trace(module, tuple(mine), check_trace=False)(*mine), "trace")
    for how, compiled in (("script", scripted), ("trace", rl.jit.trace(module, tuple(mine), check_trace=False))):
        archive = io.BytesIO()
        rl.jit.save(compiled, archive)
        archive.seek(0)
        torch.testing.assert_close(torch.jit.load(archive)(*args), want, msg=lambda m, how=how: f"archive, {how}: {m}")


def test_a_trace_of_attention_takes_other_sizes():
    attention = rl.nn.MultiheadAttention(4, 2).eval()

    class Self(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = attention

        def forward(self, x):
            return self.attention(x, x, x)[0]

    traced = rl.jit.trace(Self(), rl.rand(3, 2, 4))
    x = rl.rand(5, 7, 4)
    assert rl.equal(traced(x), attention(x, x, x)[0])
    kinds = traced.attention.graph
    assert "functional::" not in "".join(line.split("#")[0] for line in str(kinds).splitlines())


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda f, x: f.mse_loss(x, x, reduction="most"), ValueError),
        (lambda f, x: f.gaussian_nll_loss(x, x, -1.0), ValueError),
        (lambda f, x: f.gaussian_nll_loss(x, x, x[:2].abs()), ValueError),
        (lambda f, x: f.interpolate(x, size=3), NotImplementedError),
        (lambda f, x: f.interpolate(x), ValueError),
        (lambda f, x: f.interpolate(x[None], size=3, scale_factor=2.0), ValueError),
        (lambda f, x: f.interpolate(x[None], size=3, mode="bilinear"), NotImplementedError),
        (lambda f, x: f.embedding(x.long(), x, padding_idx=7), AssertionError),
        (lambda f, x: f.dropout1d(x[0]), RuntimeError),
        (lambda f, x: f.batch_norm(x[:1], None, None, training=True), ValueError),
        (lambda f, x: f.local_response_norm(x, 2), ValueError),
    ],
)  # fmt: skip
def test_errors_are_of_the_type_and_text_that_pytorchs_are(call, kind):
    with pytest.raises(kind) as theirs:
        call(G, X)
    with pytest.raises(kind) as mine:
        call(F, ours(X))
    assert type(mine.value) is type(theirs.value)
    if "at least" not in str(theirs.value):
        assert " ".join(str(mine.value).split())[:40] == " ".join(str(theirs.value).split())[:40]


def test_warnings_are_python_warnings_in_calls_and_in_scripts():
    x = ours(X)
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(x, x)
    with pytest.warns(UserWarning, match=r"target size \(torch.Size\(\[4\]\)\)"):
        F.mse_loss(x, x[0])

    def loss(x):
        return F.softmax(x)

    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        rl.jit.script(loss)(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="batchmean"):
            F.kl_div(x, x)


def test_a_function_tells_its_signature_and_is_pickled_by_name():
    for name in (
        "gaussian_nll_loss",
        "cross_entropy",
        "lp_pool2d",
        "multi_head_attention_forward",
        "interpolate",
        "normalize",
    ):
        mine, theirs = inspect.signature(getattr(F, name)), inspect.signature(getattr(G, name))
        assert list(mine.parameters) == list(theirs.parameters)
    assert pickle.loads(pickle.dumps(F.mse_loss)) is F.mse_loss


def test_many_choices_of_options_all_work():
    x, y = ours(X), ours(Y)
    for i in range(60):  # more than programs are kept for
        with pytest.raises(ValueError, match=f"choice{i} is not a valid value for reduction"):
            F.huber_loss(x, y, reduction=f"choice{i}")
    assert F.huber_loss(x, y).item() == pytest.approx(G.huber_loss(X, Y).item())


def test_unravel_index():
    places = torch.tensor([[0, 5], [11, 7]])
    for shape in ((3, 4), [2, 3, 2], 12, torch.Size([12, 1])):
        mine = rl.unravel_index(ours(places), tuple(shape) if isinstance(shape, torch.Size) else shape)
        theirs = torch.unravel_index(places, shape)
        assert isinstance(mine, tuple)
        assert [m.tolist() for m in mine] == [t.tolist() for t in theirs]
    with pytest.raises(TypeError, match="integer dtype"):
        rl.unravel_index(rl.ones(2), (2,))
    with pytest.raises(ValueError, match="negative"):
        rl.unravel_index(rl.tensor([0]), (-1,))
