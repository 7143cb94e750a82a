"""torch.fft, stft and istft against PyTorch: values, strides, first and second gradients, meta, lengths of every kind, errors."""

import numpy as np
import pytest
import torch

import rushlight as rl

from .harness import c64, case, f32, f64, i64, op, raises

for name in ("fft", "ifft", "rfft", "ihfft"):
    op(
        f"fft.{name}",
        [
            case(f32(3, 8)),
            case(f32(3, 5), norm="ortho"),
            case(f32(3, 6), 4, 0, norm="forward"),
            case(f64(2, 3), 7, -1),
            case(i64(5), grad=False),
            case(f32(1)),
            *([case(c64(4, 3), dim=0), case(c64(2, 6), 9)] if name in ("fft", "ifft") else []),
            raises(RuntimeError, f32(3), 0, match=r"Invalid number of data points \(0\) specified"),
            raises(IndexError, f32(3), None, 2, match="Dimension out of range"),
            raises(RuntimeError, f32(3), norm="x", match="Invalid normalization mode"),
        ],
    )
for name in ("irfft", "hfft"):
    op(
        f"fft.{name}",
        [
            case(c64(3, 5)),
            case(c64(3, 5), 9, norm="ortho"),
            case(c64(4, 3), 6, 0, norm="forward"),
            case(f32(2, 4)),
            case(f32(2, 4), 3),
            raises(RuntimeError, c64(2, 1), match=r"Invalid number of data points \(0\) specified"),
        ],
    )
for name in ("fftn", "ifftn", "rfftn", "irfftn", "hfftn", "ihfftn"):
    real = name in ("rfftn", "ihfftn")
    op(
        f"fft.{name}",
        [
            case(f32(3, 4, 5)),
            case(f32(3, 4, 5), (2, 6), norm="ortho"),
            case(f32(3, 4, 5), dim=(0, 2), norm="forward"),
            case(f32(3, 4, 5), (-1, 3), (2, 1)),
            *([] if real else [case(c64(3, 4, 5), dim=(2, 0, 1))]),
            raises(RuntimeError, f32(3, 4), dim=(0, -2), match="FFT dims must be unique"),
            raises(RuntimeError, f32(3, 4), (1, 2, 3), match="Got shape with 3 values"),
            raises(RuntimeError, f32(3, 4), (2,), (0, 1), match="must have the same length"),
        ],
    )
    op(f"fft.{name[:-1]}2", [case(f32(2, 3, 4)), case(f32(3, 4, 2), (5, 4), (0, 1))])
op("fft.fftshift", [case(f32(5)), case(f32(3, 4), (1,)), case(i64(2, 3, 4))])
op("fft.ifftshift", [case(f32(5)), case(f32(3, 4), 0)])


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_every_length(dtype):
    """Radices, primes, split and convolved transforms; in batches, and alone. Against numpy: MKL's, which PyTorch takes
    on Intel's processors, are 20 times less exact at lengths such as 34 and 62."""
    bound = 2e-6 if dtype == torch.complex64 else 4e-15
    for n in [*range(1, 70), 97, 128, 210, 257, 899, 1000, 1009, 1024, 4096, 5003, 10007, 65536]:
        for rows in (1, 3, 20) if n < 5000 else (1,):
            a = torch.randn(rows, n, dtype=dtype, generator=torch.Generator().manual_seed(n))
            mine, theirs = rl.fft.fft(rl.tensor(a.numpy())), torch.tensor(np.fft.fft(a.to(torch.complex128).numpy()))
            size = float(theirs.abs().max())
            assert float((torch.tensor(mine.numpy()) - theirs).abs().max()) < bound * size, (n, rows)
            again = torch.tensor(rl.fft.ifft(mine).numpy())
            assert float((again - a).abs().max()) < bound * float(a.abs().max()), (n, rows)
            x = rl.tensor(a.real.contiguous().numpy())
            half = rl.fft.rfft(x)
            theirs = torch.tensor(np.fft.rfft(a.real.to(torch.float64).numpy()))
            assert float((torch.tensor(half.numpy()) - theirs).abs().max()) < bound * size, (n, rows)
            again = rl.fft.irfft(half, n)
            assert float((again - x).abs().max()) < bound * float(x.abs().max() + 1), (n, rows)


def test_rows_do_not_touch_each_other():
    x = rl.randn(20, 12)
    clean = rl.fft.rfft(x)
    x[3] = float("nan")
    dirty = rl.fft.rfft(x)
    assert bool(dirty[3].isnan().all())
    rest = [i for i in range(20) if i != 3]
    assert rl.equal(dirty[rest], clean[rest])


def test_imaginary_parts_that_a_real_transform_cannot_have_are_not_read():
    for m in (rl, torch):
        x = m.tensor([1 + 5j, 2 + 1j, 3 + 7j])
        assert m.allclose(m.fft.irfft(x), m.fft.irfft(m.tensor([1, 2 + 1j, 3])))


@pytest.mark.parametrize("dims", [(0,), (1,), (2,), (0, 1), (1, 0), (2, 0), (0, 1, 2)])
def test_strides(dims):
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        for name in ("fftn", "rfftn", "irfftn"):
            results = [
                getattr(m.fft, name)(
                    m.ones(2, 3, 4).permute(*order).to(m.complex64 if name != "rfftn" else m.float32), dim=dims
                )
                for m in (rl, torch)
            ]
            assert results[0].stride() == results[1].stride(), (name, order)


def test_frequencies():
    for n in (1, 4, 5):
        for d in (1.0, 0.25):
            assert rl.fft.fftfreq(n, d).tolist() == torch.fft.fftfreq(n, d).tolist()
            assert rl.fft.rfftfreq(n, d).tolist() == torch.fft.rfftfreq(n, d).tolist()
    assert rl.fft.fftfreq(3, dtype=rl.float64, requires_grad=True).requires_grad
    with pytest.raises(RuntimeError, match="floating point or complex"):
        rl.fft.fftfreq(3, dtype=rl.int64)


def test_halves_are_refused():
    with pytest.raises(RuntimeError, match="Unsupported dtype Half"):
        rl.fft.fft(rl.ones(4, dtype=rl.float16))


def test_out():
    out = rl.empty(4, dtype=rl.complex64)
    assert rl.fft.fft(rl.ones(4), out=out) is out and out.tolist() == [4, 0, 0, 0]
    with pytest.raises(RuntimeError):
        rl.fft.fft(rl.ones(4), out=rl.empty(4))


# ---- stft ----

SIGNALS = [
    {"n_fft": 16},
    {"n_fft": 16, "hop_length": 3, "win_length": 10},
    {"n_fft": 8, "normalized": True, "pad_mode": "constant"},
    {"n_fft": 8, "center": False},
    {"n_fft": 9, "onesided": False, "win_length": 7},
    {"n_fft": 16, "win_length": 7, "center": False, "align_to_window": True},
]


@pytest.mark.parametrize("options", SIGNALS)
@pytest.mark.parametrize("shape", [(40,), (2, 40)])
@pytest.mark.parametrize("windowed", [False, True])
def test_stft(options, shape, windowed):
    given = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    results = []
    for m in (rl, torch):
        x = m.tensor(given.numpy()).requires_grad_()
        window = (
            m.hann_window(options.get("win_length", options["n_fft"]), dtype=m.float64).requires_grad_()
            if windowed
            else None
        )
        spectrum = m.stft(x, window=window, return_complex=True, **options)
        as_real = m.stft(x, window=window, return_complex=False, **options)
        leaves = [t for t in (x, window) if t is not None]
        first = m.autograd.grad((as_real**3).sum(), leaves, create_graph=True)
        second = m.autograd.grad(sum((t**2).sum() for t in first), leaves)
        results.append((m.view_as_real(spectrum.resolve_conj()), as_real, *first, *second, spectrum.stride()))
    for mine, theirs in zip(*results, strict=True):
        if isinstance(mine, tuple):
            assert mine == theirs
        else:
            torch.testing.assert_close(torch.tensor(mine.detach().numpy()), theirs.detach())


@pytest.mark.parametrize(
    "options", [{}, {"length": 37}, {"length": 90}, {"normalized": True}, {"center": False}, {"onesided": False}]
)
def test_istft(options):
    given = torch.randn(2, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    forward = {k: v for k, v in options.items() if k != "length"}
    results = []
    for m in (rl, torch):
        window = m.hamming_window(12, dtype=m.float64).requires_grad_()
        spectrum = (
            m.stft(m.tensor(given.numpy()), 16, 4, 12, window, return_complex=True, **forward).detach().requires_grad_()
        )
        try:
            x = m.istft(spectrum, 16, 4, 12, window, **options)
        except RuntimeError as e:
            assert "window overlap add min" in str(e)
            results.append([])
            continue
        first = m.autograd.grad((x**3).sum(), [spectrum, window], create_graph=True)
        squares = (m.view_as_real(first[0].resolve_conj()) ** 2).sum() + (first[1] ** 2).sum()
        second = m.autograd.grad(squares, [spectrum, window])
        results.append([x, *(m.view_as_real(t.resolve_conj()) if t.is_complex() else t for t in (*first, *second))])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(torch.tensor(mine.detach().numpy()), theirs.detach())


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.stft(m.ones(10), 16, center=False, return_complex=True),
        lambda m: m.stft(m.ones(30), 16, hop_length=0, return_complex=True),
        lambda m: m.stft(m.ones(30), 16, win_length=20, return_complex=True),
        lambda m: m.stft(m.ones(30), 16, window=m.ones(5), return_complex=True),
        lambda m: m.stft(m.ones(30), 16),
        lambda m: m.stft(m.ones(2, 2, 30), 16, return_complex=True),
        lambda m: m.stft(m.arange(30), 16, return_complex=True),
        lambda m: m.istft(m.ones(9, 4), 16),
        lambda m: m.istft(m.ones(9, 4, dtype=m.complex64), 18),
        lambda m: m.istft(m.ones(9, 4, dtype=m.complex64), 16, hop_length=20),
        lambda m: m.istft(m.ones(9, 4, dtype=m.complex64), 16, return_complex=True),
        lambda m: m.istft(m.ones(9, 4, dtype=m.complex64), 16, 16, window=m.zeros(16)),
    ],
)
def test_mistakes_in_stft(call):
    for m in (rl, torch):
        with pytest.raises(RuntimeError):
            call(m)


# ---- windows ----


@pytest.mark.parametrize(
    "name", ["hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window"]
)
def test_windows(name):
    for n in (0, 1, 2, 5, 8):
        for periodic in (True, False):
            for dtype in ("float32", "float64"):
                mine = getattr(rl, name)(n, periodic, dtype=getattr(rl, dtype))
                theirs = getattr(torch, name)(n, periodic, dtype=getattr(torch, dtype))
                torch.testing.assert_close(torch.tensor(mine.numpy()), theirs)
    for m in (rl, torch):
        assert getattr(m, name)(3, requires_grad=True).requires_grad
        with pytest.raises(RuntimeError, match="non-negative window_length"):
            getattr(m, name)(-1)
        with pytest.raises(RuntimeError, match="floating point dtypes"):
            getattr(m, name)(3, dtype=m.int64)
    assert rl.hamming_window(4, True, 0.5, 0.4).tolist() == pytest.approx([0.1, 0.5, 0.9, 0.5])


@pytest.mark.parametrize(
    "name, options",
    [
        ("bartlett", {}), ("blackman", {}), ("cosine", {}), ("exponential", {"tau": 2.0}), ("gaussian", {"std": 1.5}),
        ("general_cosine", {"a": [0.4, 0.3, 0.2]}), ("general_hamming", {"alpha": 0.6}), ("hamming", {}), ("hann", {}),
        ("kaiser", {"beta": 5.0}), ("nuttall", {}),
    ],
)  # fmt: skip
def test_signal_windows(name, options):
    for n in (0, 1, 2, 5, 8):
        for sym in (True, False):
            mine = getattr(rl.signal.windows, name)(n, sym=sym, dtype=rl.float64, **options)
            theirs = getattr(torch.signal.windows, name)(n, sym=sym, dtype=torch.float64, **options)
            torch.testing.assert_close(torch.tensor(mine.numpy()), theirs)
    for m in (rl, torch):
        with pytest.raises(ValueError):
            getattr(m.signal.windows, name)(-1, **options)
        with pytest.raises(ValueError):
            getattr(m.signal.windows, name)(3, dtype=m.int64, **options)
