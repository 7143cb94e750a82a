"""Models that are written as ONNX mean what they meant: read again by our own importer, and run by onnxruntime where it is installed."""

import io

import numpy as np

import rushlight as torch
from rushlight import nn

try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = onnxruntime = None


OPSETS = [11, 13, 17, 18, 22]


def outputs(value):
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in outputs(v)]
    return [value]


def check(model, *args, opset=17, dynamic=False, tolerance=1e-4, others=()):
    """`others`: arguments of other sizes that the written model must take too; `dynamic`: True for the first axis, or which axes."""
    file = io.BytesIO()
    names = [f"in{i}" for i in range(len(args))]
    axes = {n: dict.fromkeys((0,) if dynamic is True else dynamic, "") for n in names} if dynamic else None
    torch.onnx.export(model, args, file, input_names=names, opset_version=opset, dynamic_axes=axes, dynamo=False)
    data = file.getvalue()
    again = torch.onnx.load(data)
    if isinstance(model, nn.Module):
        model.eval()
    session = None
    if onnx is not None:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for given in (args, *others):
        with torch.no_grad():
            expected = [t.numpy() for t in outputs(model(*given))]
            for e, got in zip(expected, outputs(again(*given)), strict=True):
                np.testing.assert_allclose(got.numpy(), e, rtol=tolerance, atol=tolerance)
        if session is not None:
            for e, got in zip(expected, session.run(None, {n: a.numpy() for n, a in zip(names, given, strict=True)}), strict=True):  # fmt: skip
                np.testing.assert_allclose(got, e, rtol=tolerance, atol=tolerance)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def image():
    return torch.randn(2, 4, 9, 8)
