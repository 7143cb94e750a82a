"""Pictures from and to files and bytes, under torchvision.io's names.

Tensors are uint8 (C, H, W), contiguous. PNG, JPEG, BMP and PPM/PGM/PBM are read, PNG and JPEG written. What is wrong with a file is a RuntimeError that
names it and the place; one that claims more than ``max_pixels`` is refused before memory is taken for it.
"""

from __future__ import annotations

from enum import Enum

from .. import _data, _missing

__all__ = [
    "ImageReadMode",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "encode_jpeg",
    "encode_png",
    "image_info",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]

MAX_PIXELS = 178_956_970  # PIL's limit


class ImageReadMode(Enum):
    """What a picture's pixels become: as they are, gray, gray with alpha, RGB, RGB with alpha."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


def _number(mode) -> int:
    """A mode, its name ("RGB"), or its number."""
    if isinstance(mode, str):
        if mode.upper() not in ImageReadMode.__members__:
            raise ValueError(f"mode: expected one of {', '.join(ImageReadMode.__members__)}, got {mode!r}")
        return ImageReadMode[mode.upper()].value
    return mode.value if isinstance(mode, ImageReadMode) else mode


def read_file(path: str):
    """A file's bytes as a uint8 tensor of one dimension."""
    return _data.read_file(path)


def write_file(filename: str, data) -> None:
    """Writes a uint8 tensor of one dimension as a file; a file of that name stays whole until all is written."""
    _data.write_file(filename, data)


def decode_image(
    input,
    mode=ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
):
    """The picture in a uint8 tensor, bytes, or the file of a path: PNG, JPEG, BMP or PPM.

    Args:
        mode: what the pixels become: an ImageReadMode or its name.
        apply_exif_orientation: turns the picture as its EXIF entry says (JPEG, PNG).
        max_pixels: a picture of more is refused.
        strict: damage inside of a JPEG file's data is an error. If False, the pixels after it are what libjpeg makes of them; a file
            that is cut short is an error always.

    Shape: (C, H, W), uint8; uint16 where a PNG or PPM file has 16 bits.
    Raises RuntimeError for a damaged file, OSError for one that can't be opened.

    >>> decode_image(b"P5 2 1 255\\n" + bytes([7, 200]))
    tensor([[[  7, 200]]], dtype=torch.uint8)
    """
    return _data.decode_image(input, _number(mode), apply_exif_orientation, max_pixels=max_pixels, strict=strict)


def read_image(
    path: str,
    mode=ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
    *,
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
):
    """`decode_image` of a file."""
    return _data.read_image(path, _number(mode), apply_exif_orientation, max_pixels=max_pixels, strict=strict)


def decode_png(
    input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False, *, max_pixels: int = MAX_PIXELS
):
    """`decode_image` that takes only PNG."""
    return _data.decode_png(input, _number(mode), apply_exif_orientation, max_pixels=max_pixels)


def decode_jpeg(
    input,
    mode=ImageReadMode.UNCHANGED,
    device="cpu",
    apply_exif_orientation: bool = False,
    *,
    max_pixels: int = MAX_PIXELS,
    strict: bool = True,
):
    """`decode_image` that takes only JPEG; of a list, a list. The pictures go to `device`."""
    if isinstance(input, list):
        return [
            decode_jpeg(i, mode, device, apply_exif_orientation, max_pixels=max_pixels, strict=strict) for i in input
        ]
    image = _data.decode_jpeg(input, _number(mode), apply_exif_orientation, max_pixels=max_pixels, strict=strict)
    return image if str(device) == "cpu" else image.to(device)


def encode_png(input, compression_level: int = 6):
    """A PNG file's bytes, as a uint8 tensor, of a picture (C, H, W) with 1 to 4 channels.

    >>> picture = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
    >>> torch.equal(decode_png(encode_png(picture)), picture)
    True
    """
    return _data.encode_png(input, compression_level)


def encode_jpeg(input, quality: int = 75):
    """A JPEG file's bytes, as a uint8 tensor, of a picture (C, H, W) with 1 or 3 channels; of a list, a list."""
    if isinstance(input, list):
        return [encode_jpeg(i, quality) for i in input]
    return _data.encode_jpeg(input, quality)


def write_png(input, filename: str, compression_level: int = 6) -> None:
    """Writes a picture (C, H, W) as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input, filename: str, quality: int = 75) -> None:
    """Writes a picture (C, H, W) as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))


def image_info(input) -> dict:
    """What a picture's header says, without a look at its pixels: kind, width, height, channels, bits, orientation (EXIF's, 1 to 8).

    >>> image_info(b"P5 2 1 255\\n" + bytes([7, 200]))["kind"]
    'PPM'
    """
    return _data.image_info(input)


__getattr__ = _missing.getattr_of(__name__)
