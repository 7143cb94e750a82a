"""Sound files: what is written is read, wav files of the standard library, and what is said of damaged ones."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight import _data, audio

pytestmark = pytest.mark.skipif(not _data.has_library("sndfile"), reason="no libsndfile here")

SOUND = (torch.arange(2000.0) * 0.05).sin() * 0.8
STEREO = torch.stack([SOUND, SOUND.flip(0)])


def plain_wav(samples: np.ndarray, rate=8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[0])
        out.setsampwidth(samples.dtype.itemsize)
        out.setframerate(rate)
        out.writeframes(samples.T.tobytes())
    return file.getvalue()


@pytest.mark.parametrize(
    "ending, bits, tolerance", [("wav", 32, 0), ("flac", 16, 2**-15), ("ogg", 0, 0.1), ("aiff", 32, 0), ("au", 32, 0)]
)
def test_what_is_written_is_read(ending, bits, tolerance, tmp_path):
    file = tmp_path / f"a.{ending}"
    audio.save(file, STEREO, 8000)
    sound, rate = audio.load(file)
    assert rate == 8000 and sound.shape == (2, 2000) and sound.dtype == torch.float32
    assert (sound - STEREO).abs().max() <= tolerance
    info = audio.info(file)
    assert (info.sample_rate, info.num_frames, info.num_channels, info.bits_per_sample) == (8000, 2000, 2, bits)
    part, _ = audio.load(file, frame_offset=100, num_frames=50)
    assert torch.equal(part, sound[:, 100:150])
    assert audio.load(file, frame_offset=3000)[0].shape == (2, 0)
    assert torch.equal(audio.load(file, channels_first=False)[0], sound.t())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_wav_keeps_the_dtype(dtype, tmp_path):
    sound = (SOUND * {"uint8": 100, "int16": 30000, "int32": 2e9}.get(dtype, 1) + (128 if dtype == "uint8" else 0)).to(
        getattr(torch, dtype)
    )[None]
    audio.save(tmp_path / "a.wav", sound, 16000)
    back, _ = audio.load(tmp_path / "a.wav", normalize=False)
    assert back.dtype == sound.dtype and torch.equal(back, sound)


def test_wav_of_the_standard_library_is_read_and_ours_by_it(tmp_path):
    samples = (STEREO.numpy() * 32767).astype("<i2")
    sound, rate = audio.load(plain_wav(samples))
    assert rate == 8000 and np.array_equal(sound.numpy(), samples.astype(np.float32) / 32768)
    audio.save(tmp_path / "a.wav", torch.tensor(samples), 8000)
    with wave.open(str(tmp_path / "a.wav")) as read:
        assert read.getparams()[:4] == (2, 2, 8000, 2000)
        assert read.readframes(2000) == samples.T.tobytes()


def test_encodings_and_open_files(tmp_path):
    audio.save(tmp_path / "a.wav", STEREO, 8000, encoding="PCM_S", bits_per_sample=24)
    info = audio.info(tmp_path / "a.wav")
    assert (info.encoding, info.bits_per_sample) == ("PCM_S", 24)
    audio.save(tmp_path / "b.wav", STEREO, 8000, encoding="ULAW")
    assert audio.info(tmp_path / "b.wav").encoding == "ULAW"
    file = io.BytesIO()
    audio.save(file, SOUND, 8000, format="flac")
    file.seek(0)
    assert audio.load(file)[0].shape == (1, 2000)
    audio.save(tmp_path / "c.wav", torch.tensor([[-2.0, 2.0]]), 8000, encoding="PCM_S")
    assert audio.load(tmp_path / "c.wav", normalize=False)[0].tolist() == [[-32768, 32767]]  # cut, not wrapped around


def test_wav_files_of_the_system():
    files = sorted(Path("/usr/share/sounds").rglob("*.wav"))[:5]
    if not files:
        pytest.skip("no wav files in /usr/share/sounds")
    for file in files:
        sound, rate = audio.load(file)
        with wave.open(str(file)) as plain:
            assert (rate, sound.shape[1], sound.shape[0]) == (
                plain.getframerate(),
                plain.getnframes(),
                plain.getnchannels(),
            )


WAV = plain_wav((STEREO.numpy() * 32767).astype("<i2"))


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "the file is empty"),
        (b"no sound at all", "no sound file that is known"),
        (WAV[:-100], "chunk 'data' at byte 36 says 8000 bytes, but 7900 follow; the file is cut short"),
        (WAV[:40], "cut short"),
        (WAV[:20], "cut short"),
        (WAV[:22] + b"\0\0" + WAV[24:], "no sound file|channels"),
    ],
)
def test_damaged_wav(data, says, tmp_path):
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(RuntimeError, match=f"load '{tmp_path}/a.wav': .*({says})"):
        audio.load(tmp_path / "a.wav")


def test_cut_flac(tmp_path):
    noise = torch.rand(1, 50000) - 0.5
    audio.save(tmp_path / "a.flac", noise, 8000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(RuntimeError, match=f"load '{tmp_path}/a.flac': .*"):
        audio.load(tmp_path / "a.flac")


def test_wrong_arguments(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        audio.load(tmp_path / "nothing.wav")
    with pytest.raises(ValueError, match="format 'xyz' is not known"):
        audio.save(tmp_path / "a.xyz", SOUND, 8000)
    with pytest.raises(ValueError, match="can't hold FLOAT"):
        audio.save(tmp_path / "a.flac", SOUND, 8000, encoding="PCM_F")
    with pytest.raises(TypeError, match="not int64"):
        audio.save(tmp_path / "a.wav", torch.zeros(1, 5, dtype=torch.int64), 8000)
    with pytest.raises(ValueError, match="give format="):
        audio.save(io.BytesIO(), SOUND, 8000)
    assert list(tmp_path.iterdir()) == []
