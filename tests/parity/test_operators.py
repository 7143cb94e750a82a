"""Every operator rushlight has, against PyTorch's own database of operators and sample inputs (op_db).

Which operators are tried follows from what rushlight shows; no list names them. What is known to differ, and why, stands in
KNOWN: whoever mends one has to take its line away.
"""

import itertools
import re
import warnings

import pytest
import torch
from carry import counterpart, resolve, tensors, to_rushlight, to_torch
from torch.testing._internal.common_device_type import toleranceOverride
from torch.testing._internal.common_methods_invocations import op_db

import rushlight as rl

SAMPLES = 16
DTYPES = [torch.float32, torch.int64, torch.bool, torch.bfloat16, torch.complex64, torch.uint8]
TIGHT, LOOSE = {"rtol": 1e-5, "atol": 1e-5}, {"rtol": 1.6e-2, "atol": 1e-2}
TOLERANCE = {
    torch.float64: {"rtol": 1e-7, "atol": 1e-7},
    torch.float32: TIGHT,
    torch.complex64: TIGHT,
    torch.bfloat16: LOOSE,
}

# Regular expression over "table operator dtype": why.
KNOWN = {
    r"^(forward|gradient|meta|gradgrad) nn\.functional\.triplet_margin_with_distance_loss ": "the sample passes a function of PyTorch's",
    r"^forward (native_batch_norm|nn\.functional\.(batch|instance)_norm) bfloat16": "PyTorch rounds variances on the way",
    r"^forward nn\.functional\.conv_transpose[23]d bfloat16": "PyTorch adds up bfloat16 where it doesn't ask oneDNN",
    r"^forward (nn\.functional\.grid_sample|grid_sampler_[23]d) bfloat16": "PyTorch computes coordinates in bfloat16",
    r"^(meta|forward|out|gradient|gradgrad) nn\.functional\.linear_cross_entropy\.chunked ": "the samples pass PyTorch's options",
    r"^out sparse\.sampled_addmm ": "no out= that is sparse",
    r"^out (split_with_sizes|unbind)_copy ": "no out= that is a list",
    r"^gradient as_strided_scatter ": "PyTorch gives self the gradient of what is replaced, not of what stays",
    r"^(forward|gradient) histogramdd ": "edges that don't ascend raise",
    r"^gradgrad masked\.logaddexp ": "0 where PyTorch has NaN, where all is hidden",
    r"^gradgrad cov ": "the sample's weights are float32, whose sums are in another order",
    r"^(forward|method) matrix_exp float32": "PyTorch loses digits in float32",
}
# Nobody says which of several right results comes out; another machine's library may choose otherwise.
FREE = re.compile(r"^(forward|out|gradient|gradgrad) (linalg\.eigh?|svd_lowrank|pca_lowrank) ")

# A function in Python whose operator isn't there.
ABSENT = re.compile(r"no record names|has no such operator|module 'rushlight[\w.]*' has no attribute")

# The values are whatever the memory held.
UNINITIALISED = re.compile(r"^(new_)?empty(_like|_strided|_permuted)?$")


def entries():
    return [op for op in op_db if resolve(op.name) is not None]


def title(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def cases(table, wanted, dtypes):
    for op in entries():
        for dtype in dtypes:
            if wanted(op) and dtype in op.dtypes:
                name = f"{title(op)} {str(dtype).removeprefix('torch.')}"
                why = [reason for pattern, reason in KNOWN.items() if re.search(pattern, f"{table} {name}")]
                marks = [pytest.mark.xfail(reason=why[0], strict=True)] if why else []
                if FREE.search(f"{table} {name}"):
                    marks.append(pytest.mark.skip(reason="signs and phases of vectors are free"))
                if dtype not in (torch.float32, torch.float64):
                    marks.append(pytest.mark.full)
                yield pytest.param(op, dtype, id=name.replace(" ", "-"), marks=marks)


def samples(op, dtype, requires_grad=False):
    """Sample inputs and what PyTorch makes of them; those it refuses are left out."""
    torch.manual_seed(1)
    for sample in itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=requires_grad), SAMPLES):
        yield sample.input, sample.args, sample.kwargs, sample


def seeded(call):
    """The result of a call that may draw random numbers; 42 is what op_db's own entries seed with."""
    torch.manual_seed(42)
    rl.manual_seed(42)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except (NotImplementedError, AttributeError) as e:
            if ABSENT.search(str(e)):
                pytest.skip(f"rests on an operator that rushlight lacks: {e}")
            raise


def close(op, dtype, ours, theirs, what):
    if UNINITIALISED.match(op.name):
        ours, theirs = ([t.shape for t in tensors(x, torch.Tensor)] for x in (ours, theirs))
    override = [
        d.d[dtype]
        for info in op.decorators
        for d in getattr(info, "decorators", [info])
        if isinstance(d, toleranceOverride) and dtype in d.d
    ]
    results = tensors(theirs, torch.Tensor)
    tolerance = TOLERANCE.get(results[0].dtype if results else dtype, {"rtol": 0, "atol": 0})
    rtol, atol = (max([tolerance[k], *(getattr(t, k) for t in override)]) for k in ("rtol", "atol"))
    if isinstance(theirs, tuple):
        theirs = list(theirs)
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m: f"{what}: {m}")


def plain(value):
    """A result as a list, tuple or tensor, without PyTorch's own structure types."""
    if isinstance(value, torch.Tensor):
        return value.detach().resolve_conj().resolve_neg()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("op, dtype", list(cases("forward", lambda op: True, DTYPES)))
def test_forward(op, dtype):
    function = counterpart(op.op, op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype)):
        mine = to_rushlight((x, args, kwargs))
        theirs = plain(seeded(lambda: op(x, *args, **kwargs)))
        ours = to_torch(seeded(lambda: function(mine[0], *mine[1], **mine[2])))
        close(op, dtype, ours, theirs, f"sample {i}, {sample.summary()}")


@pytest.mark.parametrize("op, dtype", list(cases("method", lambda op: op.get_method() is not None, [torch.float32])))
def test_method(op, dtype):
    method = counterpart(op.get_method(), op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype)):
        mine = to_rushlight((x, args, kwargs))
        theirs = plain(seeded(lambda: op.get_method()(x, *args, **kwargs)))
        close(
            op,
            dtype,
            to_torch(seeded(lambda: method(mine[0], *mine[1], **mine[2]))),
            theirs,
            f"sample {i}, {sample.summary()}",
        )


@pytest.mark.parametrize("op, dtype", list(cases("inplace", lambda op: op.get_inplace() is not None, [torch.float32])))
def test_inplace(op, dtype):
    method = counterpart(op.get_inplace(), getattr(op.get_inplace(), "__name__", op.name))
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype)):
        if sample.broadcasts_input:
            continue
        own = x.clone()
        mine = to_rushlight((own, args, kwargs))
        try:
            theirs = plain(seeded(lambda: op.get_inplace()(own, *args, **kwargs)))
        except RuntimeError:
            continue  # the result has another dtype
        assert seeded(lambda: method(mine[0], *mine[1], **mine[2])) is mine[0]
        close(op, dtype, to_torch(mine[0]), theirs, f"sample {i}, {sample.summary()}")


@pytest.mark.parametrize("op, dtype", list(cases("out", lambda op: op.supports_out, [torch.float32])))
def test_out(op, dtype):
    function = counterpart(op.op, op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype)):
        mine = to_rushlight((x, args, kwargs))
        theirs = seeded(lambda: op(x, *args, **kwargs))
        if not tensors(theirs, torch.Tensor):
            continue
        out = to_rushlight([torch.zeros_like(t) for t in tensors(theirs, torch.Tensor)])
        where = out[0] if isinstance(theirs, torch.Tensor) else tuple(out)
        there = [torch.zeros_like(t) for t in tensors(theirs, torch.Tensor)]
        try:
            seeded(lambda: op(x, *args, **kwargs, out=there[0] if isinstance(theirs, torch.Tensor) else tuple(there)))
        except (RuntimeError, TypeError):
            continue  # nonzero(as_tuple=True) has no out=
        seeded(lambda: function(mine[0], *mine[1], **mine[2], out=where))
        close(op, dtype, to_torch(out), plain(tensors(theirs, torch.Tensor)), f"sample {i}, {sample.summary()}")


def recorded(function, given, kind):
    """What a call gives and what it was given, as far as they require gradients."""
    x, args, kwargs = given
    outs = tensors(seeded(lambda: function(x, *args, **kwargs)), kind)
    return [t for t in outs if t.requires_grad], [t for t in tensors([x, args, kwargs], kind) if t.requires_grad]


@pytest.mark.parametrize("op, dtype", list(cases("gradient", lambda op: op.supports_autograd, [torch.float64])))
def test_gradient(op, dtype):
    """Of all differentiable inputs, for a fixed random weighting of the outputs."""
    function = counterpart(op.op, op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype, requires_grad=True)):
        outs, leaves = recorded(op, (x, args, kwargs), torch.Tensor)
        if not outs:
            continue
        my_outs, my_leaves = recorded(function, to_rushlight((x, args, kwargs)), rl.Tensor)
        torch.manual_seed(2)
        weights = [torch.randn_like(t) for t in outs]
        theirs = torch.autograd.grad(outs, leaves, weights, allow_unused=True)
        ours = rl.autograd.grad(my_outs, my_leaves, to_rushlight(weights), allow_unused=True)
        zeros = [torch.zeros_like(t) for t in leaves]
        theirs = [z if g is None else plain(g) for g, z in zip(theirs, zeros, strict=True)]
        ours = [z if g is None else to_torch(g) for g, z in zip(ours, zeros, strict=True)]
        close(op, dtype, ours, theirs, f"sample {i}, {sample.summary()}")


ERRORS = (RuntimeError, ValueError, TypeError, IndexError)  # NotImplementedError is a RuntimeError


@pytest.mark.parametrize("op, dtype", list(cases("errors", lambda op: op.error_inputs_func, [torch.float32])))
def test_errors(op, dtype):
    """What PyTorch refuses is refused."""
    function = counterpart(op.op, op.name)
    for i, wrong in enumerate(op.error_inputs("cpu")):
        sample = wrong.sample_input
        x, args, kwargs = sample.input, sample.args, sample.kwargs
        try:
            mine = to_rushlight((x, args, kwargs), {})
            op(x, *args, **kwargs)
        except (*ERRORS, AssertionError):
            with pytest.raises((*ERRORS, AssertionError)):
                seeded(lambda: function(mine[0], *mine[1], **mine[2]))
                pytest.fail(f"error {i}, {sample.summary()}: nothing raised, expected {wrong.error_regex}")
