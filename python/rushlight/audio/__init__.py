"""Sound: files in and out through libsndfile, and torchaudio's functional and transforms.

Tensors are (channels, frames). What is wrong with a file is a RuntimeError that names it and the place.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass

import rushlight

from .. import _data, _missing

__all__ = ["AudioMetaData", "functional", "info", "load", "save", "transforms"]


def __getattr__(name: str):
    if name in ("functional", "transforms"):
        return importlib.import_module(f"rushlight.audio.{name}")
    raise _missing.missing_name(sys.modules[__name__], name)


@dataclass
class AudioMetaData:
    """What a file's header says: `bits_per_sample` is 0 where the coding has none; `encoding` is PCM_S, PCM_U, PCM_F, FLAC, VORBIS, ULAW, ..."""

    sample_rate: int
    num_frames: int
    num_channels: int
    bits_per_sample: int
    encoding: str


def _source(uri):
    return uri.read() if hasattr(uri, "read") else uri


def info(uri, format: str | None = None, buffer_size: int = 4096, backend: str | None = None) -> AudioMetaData:
    """What the header of a file says, without a look at its sound.

    Args:
        uri: a path, bytes or an open file.
    """
    rate, frames, channels, bits, encoding, _ = _data.audio_info(_source(uri))
    return AudioMetaData(rate, frames, channels, bits, encoding)


def load(
    uri,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    format: str | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
) -> tuple:
    """The sound of a file, and how many samples it has a second.

    Args:
        uri: a path, bytes or an open file: wav, flac, ogg, aiff, au, ...
        frame_offset, num_frames: which part; -1 for all that follows.
        normalize: float32 in [-1, 1]; else the file's own kind of number: int16, int32 (24 bits too), uint8, float32 or float64.
        channels_first: (channels, frames), else (frames, channels).

    Raises RuntimeError for a damaged file, or one that is cut short, OSError for one that can't be opened.
    """
    data = _source(uri)
    dtype = "float32"
    if not normalize:
        _, _, _, bits, encoding, _ = _data.audio_info(data)
        if encoding == "PCM_F":
            dtype = "float64" if bits == 64 else "float32"
        elif encoding in ("PCM_S", "PCM_U", "FLAC"):
            dtype = "int16" if bits <= 16 else "int32"
        unsigned = encoding == "PCM_U"
    samples, rate = _data.read_audio(data, frame_offset, num_frames, dtype)
    if not normalize and unsigned:
        samples = (samples // 256 + 128).to(rushlight.uint8)
    return samples if channels_first else samples.t().contiguous(), rate


_ENCODINGS = {
    ("PCM_S", 8): "PCM_S8", ("PCM_S", 16): "PCM_16", ("PCM_S", 24): "PCM_24", ("PCM_S", 32): "PCM_32", ("PCM_U", 8): "PCM_U8",
    ("PCM_F", 32): "FLOAT", ("PCM_F", 64): "DOUBLE", ("ULAW", 8): "ULAW", ("ALAW", 8): "ALAW",
}  # fmt: skip


def _encoding(name: str | None, bits: int | None) -> str:
    if name is None and bits is None:
        return ""
    if name in ("VORBIS", "OPUS"):
        return name
    if name is None or name == "FLAC":
        name = "PCM_U" if bits == 8 and name is None else "PCM_S"
    default = {"PCM_S": 16, "PCM_U": 8, "PCM_F": 32, "ULAW": 8, "ALAW": 8}.get(name)
    found = _ENCODINGS.get((name, bits or default))
    if found is None:
        raise ValueError(
            f"save: no encoding {name} of {bits} bits; there are {', '.join(f'{n} {b}' for n, b in _ENCODINGS)}, VORBIS and OPUS"
        )
    return found


def save(
    uri,
    src,
    sample_rate: int,
    channels_first: bool = True,
    format: str | None = None,
    encoding: str | None = None,
    bits_per_sample: int | None = None,
    buffer_size: int = 4096,
    backend: str | None = None,
    compression=None,
) -> None:
    """Writes sound to a file; an older one stays whole until all is written.

    Args:
        uri: a path, or an open file (then `format` has to be given).
        src: float32, float64, int16, int32 or uint8, (channels, frames), or (frames, channels) unless `channels_first`.
        format: "wav", "flac", "ogg", "aiff" or "au". Default: what the path ends with.
        encoding, bits_per_sample: "PCM_S" (8, 16, 24, 32), "PCM_U" (8), "PCM_F" (32, 64), "ULAW", "ALAW", "VORBIS", "OPUS". Default: what format and
            dtype suggest.
    """
    if format is None:
        if hasattr(uri, "write"):
            raise ValueError("save: an open file has no ending that says its format; give format=")
        format = os.path.splitext(os.fspath(uri))[1].lstrip(".").lower()
    format = {"aif": "aiff", "oga": "ogg", "opus": "ogg", "vorbis": "ogg", "wave": "wav"}.get(format, format)
    if src.dim() == 1:
        src = src.unsqueeze(0 if channels_first else 1)
    data = _data.write_audio(
        src.detach() if channels_first else src.detach().t(), sample_rate, format, _encoding(encoding, bits_per_sample)
    )
    if hasattr(uri, "write"):
        uri.write(data.numpy().tobytes())
    else:
        _data.write_file(uri, data)
