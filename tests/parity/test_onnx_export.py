"""What is exported as ONNX, over PyTorch's databases of modules and of operators: onnxruntime must give the same numbers.

An operator that is refused must be one that PyTorch's own exporter refuses too, or stand in KNOWN with a reason.
"""

import io
import itertools
import re
import warnings

import numpy as np
import pytest
import torch
from carry import counterpart, resolve, tensors, to_rushlight
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

import rushlight as rl

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)

OPSETS = [11, 13, 17, 18, 26]
SAMPLES = 2

# Regular expression over "module opset" or an operator's name: why it is refused where PyTorch's exporter isn't.
KNOWN = {
    r"^nn.functional.avg_pool[23]d$": "ONNX has no divisor of one's own where windows hang over the end",
    r"^nn.functional.pad.replicate_negative$": "cuts off on one side and pads on the other, which takes two nodes",
    r"^triplet_margin_with_distance_loss$": "the sample passes a function of PyTorch's",
}
# The values are whatever the memory held, or random.
UNDETERMINED = re.compile(r"^(new_)?empty|dropout|fractional|^rand|^(normal|uniform|bernoulli|multinomial|cauchy|exponential|geometric|log_normal)|rrelu|multi_head_attention_forward")  # fmt: skip


# Of matrices made longer by almost the same rows, which have next to no inverse.
SINGULAR = re.compile(
    r"^(linalg\.)?(inv|inv_ex|inverse|solve|solve_ex|tensorinv|tensorsolve|cholesky\w*|solve_triangular|triangular_solve|lu_solve)$"
)


class Call:
    """A call whose tensors are the arguments."""

    def __init__(self, function, args, kwargs):
        self.function = function
        self.given = []
        self.args, self.kwargs = self.taken(tuple(args)), self.taken(dict(kwargs))

    def taken(self, value):
        if isinstance(value, (rl.Tensor, torch.Tensor)):
            self.given.append(value)
            return _Place(len(self.given) - 1)
        if isinstance(value, dict):
            return {k: self.taken(v) for k, v in value.items()}
        return type(value)(self.taken(v) for v in value) if type(value) in (list, tuple) else value

    def put(self, value, given):
        if isinstance(value, _Place):
            return given[value.number]
        if isinstance(value, dict):
            return {k: self.put(v, given) for k, v in value.items()}
        return type(value)(self.put(v, given) for v in value) if type(value) in (list, tuple) else value

    def __call__(self, *given):
        return self.function(*self.put(self.args, given), **self.put(self.kwargs, given))


class _Place:
    def __init__(self, number):
        self.number = number


def module_of(package, call, inner=None):
    class Called(package.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, *given):
            return call(*given)

    return Called()


def results(module, given):
    with rl.no_grad():
        return tensors(module(*[t.clone() for t in given]), rl.Tensor)


def real(values):
    """Complex tensors as the model has them: with the parts along a last dimension."""
    return [rl.view_as_real(t.resolve_conj()) if t.is_complex() else t for t in values]


def compare(session, given, expected):
    wanted = {i.name for i in session.get_inputs()}
    fed = {f"x{i}": t.numpy() for i, t in enumerate(real(given)) if f"x{i}" in wanted}
    for got, want in zip(session.run(None, fed), real(expected), strict=True):
        if want.is_floating_point():
            # onnxruntime's Fourier transforms are as exact as their largest numbers are.
            scale = max([1.0, *want.abs().flatten().nan_to_num(0, 0, 0).tolist()]) if got.size else 1.0
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-5 * scale)
        else:
            np.testing.assert_array_equal(got, want.numpy())


def axes_of(t, which):
    """The dynamic axes of a tensor: "first", "last", or all."""
    return [k for k in range(t.dim()) if which not in ("first", "last") or k == (0 if which == "first" else t.dim() - 1)]  # fmt: skip


def longer(t, which):
    """Twice as long along the dynamic axes, with other numbers: places of the largest of two are nobody's choice."""
    for axis in axes_of(t, which):
        t = rl.cat([t, t * (0.9 + 0.1 * rl.rand(t.shape)) if t.is_floating_point() else t], axis)
    return t


def export(module, given, opset, dynamic=None):
    names = [f"x{i}" for i in range(len(given))]
    axes = {n: dict.fromkeys(axes_of(t, dynamic), "") for n, t in zip(names, given, strict=True)} if dynamic else None
    file = io.BytesIO()
    rl.onnx.export(module, tuple(given), file, input_names=names, dynamic_axes=axes, opset_version=opset, dynamo=False)
    onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


def torch_exports(call, opset):
    """Whether PyTorch's exporter, the one that needs no other package, writes the call."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = module_of(torch, call, getattr(call, "inner", None)).eval()
            torch.onnx.export(module, tuple(call.given), io.BytesIO(), opset_version=opset, dynamo=False)
    except Exception:  # of many kinds
        return False
    return True


def known(name):
    for pattern, why in KNOWN.items():
        if re.search(pattern, name):
            return why
    return None


def title(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


@pytest.mark.parametrize("op", [op for op in op_db if torch.float32 in op.dtypes and resolve(op.name) is not None and not UNDETERMINED.search(op.name.removeprefix("nn.functional."))], ids=title)  # fmt: skip
def test_operators(op):
    torch.manual_seed(1)
    tried = 0
    for sample in itertools.islice(op.sample_inputs("cpu", torch.float32), 20):
        try:
            theirs = Call(op.op, (sample.input, *sample.args), sample.kwargs)
            if not theirs.given or any(t.numel() == 0 or t.layout != torch.strided for t in theirs.given):
                continue
            theirs.given = [t.detach().contiguous() for t in theirs.given]
            ours = Call(counterpart(op.op, op.name), *to_rushlight(((sample.input, *sample.args), sample.kwargs)))
            ours.given = [t.detach().contiguous() for t in ours.given]
            module = module_of(rl, ours)
            expected = results(module, ours.given)
        except Exception:  # rushlight lacks what the sample asks for, which is test_operators.py's matter
            continue
        if not expected or any(t.dtype == rl.bfloat16 for t in (*expected, *ours.given)):
            continue
        try:
            session = export(module, ours.given, 18)
        except NotImplementedError as error:
            if known(title(op)) or not torch_exports(theirs, 18):
                pytest.skip(str(error)[:100])
            raise
        compare(session, ours.given, expected)
        for which in () if SINGULAR.search(op.name) else ("first", "last", "all"):
            compare_longer(module, ours.given, expected, 18, which)
        tried += 1
        if tried == SAMPLES:
            return


def compare_longer(module, given, expected, opset, which):
    """The same with dynamic axes and at another size, where the module takes it and export doesn't refuse it."""
    twice = [longer(t, which) for t in given]
    try:
        more = results(module, twice)
    except Exception:  # each operator has its own way to say so
        return
    alike = len(more) == len(expected) and all(a.dim() == b.dim() for a, b in zip(more, expected, strict=True))
    if not alike or not any(t.dim() for t in given):
        return
    try:
        session = export(module, given, opset, which)
    except NotImplementedError as error:
        assert re.search("dynamic|depends on the inputs|without dimensions", str(error)), str(error)
        return
    compare(session, given, expected)
    compare(session, twice, more)


def module_cases():
    for info in module_db:
        name = info.module_cls.__name__
        if (
            "Fractional" not in name
            and getattr(rl.nn, name, None) is not None
            and info.module_cls.__module__.startswith("torch.nn.modules")
        ):
            for opset in OPSETS:
                yield pytest.param(info, opset, id=f"{name}-{opset}", marks=[] if opset in (11, 18) else [pytest.mark.full])  # fmt: skip


@pytest.mark.parametrize(("info", "opset"), module_cases())
def test_modules(info, opset):
    name = info.module_cls.__name__
    torch.manual_seed(1)
    tried = 0
    inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=False)
    for given in inputs:
        if given.forward_input is None:
            continue
        make, forward = given.constructor_input, given.forward_input
        if any(callable(v) and not isinstance(v, torch.dtype) for v in (*make.args, *make.kwargs.values())):
            continue  # a function or a module of PyTorch's
        their_module = info.module_cls(*make.args, **make.kwargs).eval()
        theirs = Call(their_module, forward.args, forward.kwargs)
        theirs.inner = their_module
        if not theirs.given or any(t.numel() == 0 or t.is_complex() or t.layout != torch.strided for t in theirs.given):
            continue
        try:
            args, kwargs = to_rushlight((make.args, make.kwargs))
            our_module = getattr(rl.nn, name)(*args, **kwargs).eval()
            ours = Call(our_module, *to_rushlight((forward.args, forward.kwargs)))
            ours.given = [t.detach().contiguous() for t in ours.given]
            module = module_of(rl, ours, our_module).eval()
            expected = results(module, ours.given)
        except NotImplementedError:
            continue
        if any(t.is_complex() for t in expected):
            continue
        try:
            compare(export(module, ours.given, opset), ours.given, expected)
        except NotImplementedError as error:
            if known(f"{name} {opset}") or not torch_exports(theirs, min(opset, 18)):
                pytest.skip(str(error)[:100])
            raise
        compare_longer(module, ours.given, expected, opset, "first")
        tried += 1
        if tried == 4:
            return
