"""rushlight.audio.functional and transforms: against scipy and definitions, and against torchaudio's Python code where it is installed.

RUSHLIGHT_TEST_PACKAGES=FOLDER names where `pip install --no-deps --target FOLDER torchaudio` has put it; its compiled part isn't needed.
"""

import math
import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from rushlight.audio import functional as F
from rushlight.audio import transforms as T

import rushlight as rl

rl.manual_seed(0)
SOUND = rl.rand(2, 4000) * 1.6 - 0.8


def test_lfilter_is_scipys():
    signal = pytest.importorskip("scipy.signal")
    a, b = [1.1, 0.3, 0.2, -0.1], [0.4, 0.2, 0.1, 0.3]
    got = F.lfilter(SOUND.double(), rl.tensor(a).double(), rl.tensor(b).double(), clamp=False)
    assert np.allclose(got.numpy(), signal.lfilter(b, a, SOUND.double().numpy()))


def test_lfilter_gradients():
    x = rl.rand(2, 2, 10, dtype=rl.float64).requires_grad_()
    a = rl.tensor([[1.0, 0.2, 0.1], [1.2, -0.3, 0.2]], dtype=rl.float64).requires_grad_()
    b = rl.tensor([[0.3, 0.2, 0.1], [0.2, -0.3, 0.2]], dtype=rl.float64).requires_grad_()
    assert rl.autograd.gradcheck(lambda *t: F.lfilter(*t, clamp=False), (x, a, b))
    assert rl.autograd.gradgradcheck(lambda *t: F.lfilter(*t, clamp=False), (x, a, b))


def test_resampled_sine_is_a_sine():
    time = rl.arange(8000.0) / 16000
    out = F.resample((2 * math.pi * 440 * time).sin(), 16000, 22050)
    wanted = (2 * math.pi * 440 * rl.arange(float(len(out))) / 22050).sin()
    assert (out - wanted)[100:-100].abs().max() < 2e-3


def test_spectrogram_and_back():
    spec = T.Spectrogram(n_fft=256, power=None)(SOUND)
    assert spec.shape == (2, 129, 32)
    assert rl.allclose(T.InverseSpectrogram(n_fft=256)(spec, 4000), SOUND, atol=1e-5)


def test_griffin_lim_finds_the_spectrogram():
    sine = (rl.arange(4000.0) * 0.3).sin()[None]
    spec = T.Spectrogram(n_fft=256)(sine)

    def missed(rounds):
        rl.manual_seed(0)
        again = T.Spectrogram(n_fft=256)(T.GriffinLim(n_fft=256, n_iter=rounds)(spec))
        return float((again.sqrt() - spec.sqrt()).norm() / spec.sqrt().norm())

    assert missed(0) > 0.5
    assert missed(40) < 0.15


def test_mel_filters_are_triangles_that_meet():
    bank = F.melscale_fbanks(201, 0.0, 8000.0, 20, 16000)
    inside = bank.sum(1)[5:170]
    assert rl.allclose(inside, rl.ones(len(inside)), atol=1e-5)


def test_dct_is_orthonormal():
    dct = F.create_dct(20, 20, "ortho")
    assert rl.allclose(dct @ dct.t(), rl.eye(20), atol=1e-5)


def test_mu_law_and_decibels_there_and_back():
    assert (F.mu_law_decoding(F.mu_law_encoding(SOUND, 256), 256) - SOUND).abs().max() < 0.03
    x = SOUND.abs() + 0.1
    assert rl.allclose(F.DB_to_amplitude(F.amplitude_to_DB(x, 10.0, 1e-10, 0.0), 1.0, 1.0), x, atol=1e-5)


def test_noise_has_the_ratio_asked_for():
    noise = rl.rand(2, 4000) - 0.5
    added = F.add_noise(SOUND, noise, rl.tensor([3.0, 10.0])) - SOUND
    ratio = 10 * rl.log10(SOUND.pow(2).sum(-1) / added.pow(2).sum(-1))
    assert rl.allclose(ratio, rl.tensor([3.0, 10.0]), atol=1e-3)


def test_convolutions_are_numpys():
    for mode in ("full", "valid", "same"):
        wanted = np.convolve(SOUND[0].numpy(), SOUND[1, :9].numpy(), mode)
        for f in (F.convolve, F.fftconvolve):
            assert np.allclose(f(SOUND[0], SOUND[1, :9], mode).numpy(), wanted, atol=1e-4), mode


def test_masks_fill_one_stretch():
    spec = rl.ones(3, 40, 100)
    for transform, axis in ((T.FrequencyMasking(20), 1), (T.TimeMasking(50, p=0.3), 2)):
        out = transform(spec)
        flat = (out == 0).all(3 - axis)[0].tolist()
        assert sum(flat) <= (20 if axis == 1 else 30) and "".join(map(str, map(int, flat))).strip("0").count("0") == 0


def test_wrong_arguments():
    with pytest.raises(ValueError, match="as many channels"):
        F.lfilter(SOUND[0], rl.ones(3, 2), rl.ones(3, 2))
    with pytest.raises(ValueError, match="above 0"):
        F.resample(SOUND, 0, 8000)
    with pytest.raises(ValueError, match="can't be more"):
        T.MFCC(n_mfcc=50, melkwargs={"n_mels": 40})
    with pytest.raises(ValueError, match="no rate"):
        T.TimeStretch()(T.Spectrogram(power=None)(SOUND))


# ---- torchaudio ----


@pytest.fixture(scope="module")
def torchaudio():
    """Its functional and transforms over the installed PyTorch, without its compiled part."""
    pytest.importorskip("torch")
    folders = [*os.environ.get("RUSHLIGHT_TEST_PACKAGES", "").split(os.pathsep), *sys.path]
    found = next((f for f in folders if f and (Path(f) / "torchaudio" / "functional").is_dir()), None)
    if found is None:
        pytest.skip("no torchaudio here")
    package, extension = types.ModuleType("torchaudio"), types.ModuleType("torchaudio._extension")
    package.__path__ = [str(Path(found) / "torchaudio")]
    package._extension = extension
    extension.fail_if_no_align = extension.fail_if_no_rir = lambda f: f
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = extension._IS_ALIGN_AVAILABLE = extension._IS_RIR_AVAILABLE = False
    sys.modules.update({"torchaudio": package, "torchaudio._extension": extension})
    import torchaudio.functional
    import torchaudio.transforms

    yield torchaudio
    for name in [n for n in sys.modules if n.split(".")[0] == "torchaudio"]:
        del sys.modules[name]


SPEC = T.Spectrogram(power=None, hop_length=160)(SOUND)
POWER = SPEC.abs() ** 2
WINDOW = rl.hann_window(400)
A, B = rl.tensor([[1.0, 0.2, 0.1], [1.2, -0.3, 0.2]]), rl.tensor([[0.3, 0.2, 0.1], [0.2, -0.3, 0.2]])
FUNCTIONS = [
    *(("spectrogram", SOUND, 3, WINDOW, 400, 160, 400, p, n) for p in (None, 1.0, 0.5) for n in (False, True, "frame_length")),
    *(("inverse_spectrogram", SPEC, length, pad, WINDOW, 400, 160, 400, n) for length, pad in ((4000, 0), (None, 5)) for n in (False, "window")),
    *(("griffinlim", POWER, WINDOW, 400, 160, 400, 2.0, 4, m, 4000, r) for m in (0.0, 0.5) for r in (False, True)),
    *(("melscale_fbanks", 201, 20.0, 7600.0, 40, 16000, n, s) for n in (None, "slaney") for s in ("htk", "slaney")),
    *(("resample", SOUND, o, n, 6, 0.99, m) for o, n in ((16000, 8000), (44100, 16000)) for m in ("sinc_interp_hann", "sinc_interp_kaiser")),
    *(("sliding_window_cmn", SOUND.reshape(2, 200, 20), 60, 20, c, v) for c in (False, True) for v in (False, True)),
    *(("mask_along_axis", POWER, 30, 0.5, axis, p) for axis in (1, 2) for p in (1.0, 0.3)),
    *((f"{n}_biquad", SOUND, 16000, 1000.0) for n in ("lowpass", "highpass", "allpass", "bandpass", "bandreject", "band")),
    ("equalizer_biquad", SOUND, 16000, 1000.0, 6.0), ("bass_biquad", SOUND, 16000, 10.0), ("treble_biquad", SOUND, 16000, -5.0),
    ("amplitude_to_DB", POWER, 10.0, 1e-10, 0.1, 30.0), ("linear_fbanks", 201, 20.0, 7600.0, 40, 16000), ("create_dct", 13, 40, None),
    ("mu_law_encoding", SOUND, 256), ("compute_deltas", POWER, 7), ("mask_along_axis_iid", POWER, 30, 0.5, 2),
    ("spectral_centroid", SOUND, 16000, 0, WINDOW, 400, 160, 400), ("pitch_shift", SOUND, 16000, -3), ("contrast", SOUND, 40.0),
    ("add_noise", SOUND, SOUND.flip(0), rl.tensor([3.0, 10.0]), rl.tensor([4000, 3000])), ("speed", SOUND, 16000, 1.1, rl.tensor([4000, 300])),
    ("lfilter", SOUND, A, B), ("lfilter", SOUND, A, B, True, False), ("filtfilt", SOUND, A[0], B[0]), ("deemphasis", SOUND),
    ("phase_vocoder", SPEC, 1.3, rl.linspace(0, math.pi * 160, 201)[:, None]), ("preemphasis", SOUND), ("gain", SOUND, 3.0),
]  # fmt: skip
TRANSFORMS = [
    ("MelSpectrogram", {}, SOUND), ("MFCC", {}, SOUND), ("MFCC", {"log_mels": True, "melkwargs": {"n_mels": 60}}, SOUND), ("LFCC", {}, SOUND),
    ("Resample", {"orig_freq": 16000, "new_freq": 11025}, SOUND), ("TimeStretch", {"hop_length": 160, "fixed_rate": 0.8}, SPEC),
    *(("Fade", {"fade_in_len": 500, "fade_out_len": 700, "fade_shape": s}, SOUND) for s in ("linear", "exponential", "logarithmic", "quarter_sine", "half_sine")),
    ("Vol", {"gain": 2.0, "gain_type": "power"}, SOUND), ("FrequencyMasking", {"freq_mask_param": 40}, POWER), ("MelScale", {"n_mels": 40}, POWER),
    ("TimeMasking", {"time_mask_param": 10, "iid_masks": True, "p": 0.5}, POWER), ("SpeedPerturbation", {"orig_freq": 16000, "factors": [0.9, 1.1]}, SOUND),
    ("SpecAugment", {"n_time_masks": 2, "time_mask_param": 8, "n_freq_masks": 2, "freq_mask_param": 30, "p": 0.6}, POWER),
    ("InverseMelScale", {"n_stft": 201, "n_mels": 40}, POWER[:, :40]),
]  # fmt: skip
LOOSE = {
    "griffinlim",
    "pitch_shift",
    "phase_vocoder",
    "TimeStretch",
    "MFCC",
    "LFCC",
    "InverseMelScale",
}  # phases and logarithms of small numbers


def compare(name, reference, ours, arguments):
    import torch

    torch.manual_seed(3)
    rl.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = reference(*(torch.from_numpy(a.numpy()) if isinstance(a, rl.Tensor) else a for a in arguments))
        got = ours(*arguments)
    if isinstance(wanted, tuple):
        wanted, got = wanted[0], got[0]
    wanted, got = wanted.resolve_conj().numpy(), got.resolve_conj().numpy()
    assert wanted.shape == got.shape and wanted.dtype == got.dtype
    assert np.abs(wanted - got).max() <= (5e-3 if name in LOOSE else 1e-4) * max(1, np.abs(wanted).max())


@pytest.mark.parametrize("case", FUNCTIONS, ids=lambda c: c[0])
def test_function_is_torchaudios(torchaudio, case):
    name, *arguments = case
    compare(name, getattr(torchaudio.functional, name), getattr(F, name), arguments)


@pytest.mark.parametrize("case", TRANSFORMS, ids=lambda c: c[0])
def test_transform_is_torchaudios(torchaudio, case):
    name, options, sound = case
    compare(name, getattr(torchaudio.transforms, name)(**options), getattr(T, name)(**options), [sound])
