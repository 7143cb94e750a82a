"""What out= may be given: PyTorch's rules for its dtype and its memory."""

import pytest
import torch as reference

import rushlight as torch

# `x` and `y` are float32 of shape (3, 4), `wide` float64; `mask` is bool, `at` int64.
CALLS = """
torch.mm(x, y.t(), out=wide)
torch.gather(x, 1, at, out=wide)
torch.cumsum(x, 0, out=wide)
torch.add(x, y, out=wide)
torch.cat([x, y], out=wide)
torch.complex(x, y, out=wide)
torch.multinomial(x.abs(), 2, out=wide)
torch.masked_select(x, mask, out=wide)
torch.bernoulli(x.abs() / 9, out=wide)
torch.cat([x[:0], y], out=y)
torch.cat([x, y], out=y[:2])
torch.take(x, at, out=x)
torch.masked_select(x, mask, out=x)
torch.add(x, y, out=x)
torch.clamp(x, 0, out=x)
torch.cumsum(x, 0, out=x)
"""


@pytest.mark.parametrize("call", CALLS.split("\n")[1:-1])
def test_out_is_refused_where_pytorch_refuses_it(call):
    def outcome(module):
        names = {
            "torch": module,
            "x": module.arange(12, dtype=module.float32).reshape(3, 4),
            "y": module.ones(3, 4),
            "wide": module.zeros(3, 4, dtype=module.float64),
            "mask": module.ones(3, 4, dtype=module.bool),
            "at": module.zeros(3, 4, dtype=module.int64),
        }
        try:
            return eval(call, names).tolist() if "bernoulli" not in call else None
        except RuntimeError as e:
            return type(e)

    assert outcome(torch) == outcome(reference)


@pytest.mark.parametrize("T", [torch, reference], ids=["rushlight", "torch"])
def test_an_empty_result_may_have_a_stride_of_0(T):
    out = T.empty(0, 2, dtype=T.int64).as_strided((0, 2), (1, 0))
    assert T.nonzero(T.zeros(2, 2), out=out) is out and out.shape == (0, 2)


KEEP = ["neg", "abs", "sign", "sgn", "ceil", "floor", "round", "trunc", "frac", "conj_physical"]


@pytest.mark.parametrize("name", KEEP)
@pytest.mark.parametrize(
    "given, found", [("float32", "float64"), ("int64", "float32"), ("float32", "float32"), ("int32", "int64")]
)
def test_operators_that_keep_a_dtype_have_out_of_that_one_alone(name, given, found):
    def run(fw):
        x = fw.ones(3, dtype=getattr(fw, given))
        return getattr(fw, name)(x, out=fw.empty(3, dtype=getattr(fw, found))).tolist()

    try:
        expected = run(reference)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            run(torch)
    else:
        assert run(torch) == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda fw, **o: fw.zeros(3, **o),
        lambda fw, **o: fw.full((3,), 1, **o),
        lambda fw, **o: fw.arange(3, **o),
        lambda fw, **o: fw.linspace(0, 1, 3, **o),
        lambda fw, **o: fw.rand(3, **o),
        lambda fw, **o: fw.empty(3, **o),
        lambda fw, **o: fw.sum(fw.ones(3, 3), 0, **o),
        lambda fw, **o: fw.cumsum(fw.ones(3), 0, **o),
        lambda fw, **o: fw.prod(fw.ones(3, 3), 0, **o),
        lambda fw, **o: fw.linalg.vector_norm(fw.ones(3, 3), dim=0, **o),
    ],
)
def test_a_dtype_that_is_named_is_that_of_out(call):
    for named, found in (("float64", "float32"), ("float32", "float32")):
        for fw in (reference, torch):
            options = {"dtype": getattr(fw, named), "out": fw.empty(3, dtype=getattr(fw, found))}
            if named == found:
                assert call(fw, **options).dtype == getattr(fw, found)
            else:
                with pytest.raises(
                    RuntimeError, match="does not match dtype of out|to have dtype double, but got float"
                ):
                    call(fw, **options)


def test_results_beside_their_arguments_in_one_storage():
    w = torch.arange(10.0)
    torch.cat([w[:2], w[2:4]], out=w[5:9])
    assert w.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 9]
    torch.cat([w[:0], w[7:9]], out=w[:2])
    assert w.tolist() == [2, 3, 2, 3, 4, 0, 1, 2, 3, 9]
    torch.index_select(w[:2], 0, torch.tensor([1, 0]), out=w[8:])
    torch.masked_select(w[:2], torch.tensor([False, True]), out=w[4:5])
    assert w.tolist() == [2, 3, 2, 3, 3, 0, 1, 2, 3, 2]
    columns = torch.arange(8.0).view(2, 4)
    torch.cat([columns[:, 1:2], columns[:, :1]], 1, out=columns[:, 2:])
    assert columns.tolist() == [[0, 1, 1, 0], [4, 5, 5, 4]]
    for over in (w[3:7], w[:4], w[1:5]):
        with pytest.raises(RuntimeError, match="single memory location"):
            torch.cat([w[:2], w[2:4]], out=over)
    with pytest.raises(RuntimeError, match="single memory location"):  # it would have to be resized
        torch.cat([w[:2], w[2:4]], out=w[5:6])


@pytest.mark.parametrize("make", [("arange", 6), ("linspace", 0, 5, 6), ("logspace", 0, 1, 6), ("range", 0, 5)])
@pytest.mark.filterwarnings("ignore")
def test_what_counts_fills_a_result_of_another_shape(make):
    def f(t):
        whole, part = t.zeros(2, 3), t.zeros(3, 4)
        getattr(t, make[0])(*make[1:], out=whole)
        getattr(t, make[0])(*make[1:], out=part[:2, 1:])
        return torch.tensor([whole.tolist(), part[:2, 1:].tolist()])

    assert torch.allclose(f(torch), f(reference))


def test_a_layout_must_be_that_of_the_result():
    with pytest.raises(RuntimeError, match="does not match layout of out"):
        torch.zeros(2, layout=torch.sparse_coo, out=torch.zeros(2))
