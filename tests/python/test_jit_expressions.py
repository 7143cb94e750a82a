"""Expressions as scripts have them: compiled here and by PyTorch, each saved, and each archive run by both."""

import io
import linecache
import warnings

import pytest
import torch as reference

import rushlight as torch

EXPRESSIONS = [
    "x.cpu()",
    "x.data",
    "x.T",
    "x.mT",
    "x.H",
    "x.mH",
    "torch.tensor(x[1:].storage_offset())",
    "torch.nn.functional.interpolate(x[None, None], scale_factor=2.0, mode='bilinear', align_corners=False)",
    "torch.stack([a * b for a, b in zip([x, x + 1], [x + 2, x])])",
    "torch.stack([a * i for i, a in enumerate([x, x + 1])])",
    "torch.tensor(max([1, 5, 3]))",
    "torch.tensor(sorted([3, 1, 2]))",
    "torch.nn.functional.affine_grid(torch.ones(1, 2, 3), [1, 1, 4, 4], align_corners=False)",
    "torch.nn.functional.lp_pool1d(x[None], 2.0, 2)",
    "torch.nn.functional.lp_pool2d(x[None, None], 2.0, 2)",
    "torch.view_as_real(torch.stft(x.flatten(), 8, 4, window=torch.hann_window(8), return_complex=True))",
    "torch.fft.rfft(x).real",
    "torch.inverse(x[:3, :3] + 3 * torch.eye(3))",
    "torch.det(x[:3, :3])",
    "torch.nn.utils.rnn.pad_sequence([x, x[:2]])",
    "torch.nn.utils.rnn.pad_sequence([x, x[:2]], batch_first=True, padding_value=2.0, padding_side='left')",
    "torch.as_tensor([1.5, 2.0])",
    "torch.as_tensor(x)",
    "torch.as_tensor(x, dtype=torch.float64)",
    "torch.tensor(torch.is_grad_enabled())",
    "torch.tensor(x.is_nested)",
    "torch._convolution_mode(x[None, None], torch.ones(1, 1, 3, 3), None, [1, 1], 'same', [1, 1], 1)",
    "torch._convolution_mode(x[None], torch.ones(2, 4, 2), torch.ones(2), [1], 'valid', [1], 1)",
    "torch._weight_norm(x, x[:, :1], 0)",
    "torch.tensor(torch._nested_tensor_from_mask_left_aligned(x[None], torch.ones(1, 4) > 0))",
    "torch.tensor(torch._nested_tensor_from_mask_left_aligned(x[None], torch.arange(4)[None] > 1))",
    "x.type(torch.float64)",
]


def compiled(library, tmp_path, text):
    file = tmp_path / f"made_{library.__name__}.py"
    file.write_text(text)
    linecache.checkcache(str(file))
    names = {"torch": library, "__name__": "made"}
    exec(compile(text, str(file), "exec"), names)
    return library.jit.script(names["f"])


def moved(function, to, saver):
    file = io.BytesIO()
    saver.jit.save(function, file)
    return to.jit.load(io.BytesIO(file.getvalue()))


def value(function, library):
    library.manual_seed(0)
    return function(library.arange(16.0).reshape(4, 4) / 7 - 1).double().tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_both_compile_save_and_read_it(tmp_path, expression):
    text = f"def f(x):\n    return {expression}\n"
    theirs, own = compiled(reference, tmp_path, text), compiled(torch, tmp_path, text)
    wanted = pytest.approx(reference.tensor(value(theirs, reference)).flatten().tolist(), rel=1e-5, abs=1e-6)
    for function, library in [
        (own, torch),
        (moved(theirs, torch, reference), torch),
        (moved(own, torch, torch), torch),
        (moved(own, reference, torch), reference),
    ]:
        assert reference.tensor(value(function, library)).flatten().tolist() == wanted


def test_a_script_seeds_as_python_does(tmp_path):
    text = "def f(x):\n    torch.manual_seed(3)\n    return torch.rand(4) + x\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, own = compiled(reference, tmp_path, text), compiled(torch, tmp_path, text)
        loaded = moved(theirs, torch, reference), moved(own, torch, torch), moved(own, reference, torch)
    wanted = theirs(reference.zeros(4)).tolist()
    assert own(torch.zeros(4)).tolist() == wanted
    assert [f(m.zeros(4)).tolist() for f, m in zip(loaded, (torch, torch, reference), strict=True)] == [wanted] * 3
