"""Pictures: what rushlight.vision.io reads and writes, compared with PIL, and what it says of damaged files."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

import rushlight as torch
from rushlight import _data

vio = pytest.importorskip("rushlight.vision.io")
needs_png = pytest.mark.skipif(not _data.has_library("png"), reason="built without libpng")
needs_jpeg = pytest.mark.skipif(not _data.has_library("jpeg"), reason="built without libjpeg-turbo")

PIXELS = np.random.default_rng(0).integers(0, 255, (37, 53, 3), dtype=np.uint8)


def saved(image, kind, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def as_pil(data: bytes, mode: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert(mode))


def interleaved(image) -> np.ndarray:
    out = image.numpy().transpose(1, 2, 0)
    return out[..., 0] if out.shape[2] == 1 else out


KINDS = [
    pytest.param("PNG", {}, ["RGB", "L", "RGBA", "LA", "P", "1"], marks=needs_png),
    ("BMP", {}, ["RGB", "L", "P", "1"]),
    ("PPM", {}, ["RGB", "L", "1"]),
    pytest.param("JPEG", {"quality": 90}, ["RGB", "L", "CMYK"], marks=needs_jpeg),
    pytest.param("JPEG", {"quality": 90, "progressive": True}, ["RGB", "L"], marks=needs_jpeg),
]


@pytest.mark.parametrize("kind, options, modes", KINDS)
def test_pixels_are_those_of_pil(kind, options, modes):
    for mode in modes:
        data = saved(Image.fromarray(PIXELS).convert(mode), kind, **options)
        shown = {"P": "RGB", "1": "L", "CMYK": "RGB"}.get(mode, mode)
        image = vio.decode_image(data)
        assert np.array_equal(interleaved(image), as_pil(data, shown)), (kind, mode)
        info = vio.image_info(data)
        assert (info["kind"], info["channels"], info["height"], info["width"]) == (kind, *image.shape)
        assert info["bits"] == 8
        rgb = as_pil(data, shown)[..., :1].repeat(3, 2) if mode == "LA" else as_pil(data, "RGB")
        assert np.array_equal(interleaved(vio.decode_image(data, "RGB")), rgb)
        rgba = vio.decode_image(data, vio.ImageReadMode.RGBA)
        assert rgba.shape == (4, 37, 53)
        if kind != "JPEG" and mode != "LA":  # JPEG has its own gray
            assert np.array_equal(interleaved(vio.decode_image(data, "GRAY")), as_pil(data, "L")), (kind, mode)


@needs_png
def test_interlaced_and_transparent_png():
    # Written by libpng through PIL is never interlaced; palettes with transparent entries are RGBA.
    image = Image.fromarray(PIXELS).quantize(16)
    data = saved(image, "PNG", transparency=3)
    assert np.array_equal(interleaved(vio.decode_png(data)), as_pil(data, "RGBA"))


@pytest.mark.parametrize("kind", [pytest.param("PNG", marks=needs_png), "PPM"])
def test_sixteen_bits_are_kept(kind):
    pixels = np.random.default_rng(1).integers(0, 65535, (5, 7), dtype=np.uint16)
    image = vio.decode_image(saved(Image.fromarray(pixels), kind))
    assert image.dtype == torch.uint16
    assert np.array_equal(image[0].numpy(), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [pytest.param("PNG", marks=needs_png), pytest.param("JPEG", marks=needs_jpeg)])
def test_exif_orientation(kind, orientation):
    image = Image.fromarray(PIXELS)
    exif = image.getexif()
    exif[0x112] = orientation
    data = saved(image, kind, exif=exif)
    turned = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(interleaved(vio.decode_image(data, apply_exif_orientation=True)), turned)
    assert vio.decode_image(data).shape == (3, 37, 53)
    assert vio.image_info(data)["orientation"] == orientation


def test_text_forms_of_pnm():
    assert vio.decode_image(b"P2 # a comment\n2 2\n15\n0 15\n5 10\n").tolist() == [[[0, 255], [85, 170]]]
    assert vio.decode_image(b"P1 3 1\n101").tolist() == [[[0, 255, 0]]]
    assert vio.decode_image(b"P4 3 1\n\xa0").tolist() == [[[0, 255, 0]]]
    assert vio.decode_image(b"P3 1 1 255\n1 2 3").tolist() == [[[1]], [[2]], [[3]]]


@needs_png
def test_written_png_and_files(tmp_path):
    picture = torch.tensor(PIXELS).permute(2, 0, 1)
    for channels in (1, 2, 3, 4):
        image = torch.cat([picture, picture[:1]])[:channels]
        assert torch.equal(vio.decode_png(vio.encode_png(image)), image)
    vio.write_png(picture, tmp_path / "a.png")
    assert torch.equal(vio.read_image(tmp_path / "a.png"), picture)
    assert np.array_equal(np.array(Image.open(tmp_path / "a.png")), PIXELS)
    assert torch.equal(vio.read_file(str(tmp_path / "a.png")), vio.encode_png(picture))


@needs_jpeg
def test_written_jpeg(tmp_path):
    picture = torch.tensor(PIXELS).permute(2, 0, 1)
    vio.write_jpeg(picture, tmp_path / "a.jpg", quality=95)
    data = saved(Image.fromarray(PIXELS), "JPEG", quality=95, subsampling=2)
    assert np.array_equal(np.array(Image.open(tmp_path / "a.jpg")), as_pil(data, "RGB"))
    both = vio.decode_jpeg(vio.encode_jpeg([picture, picture[:1]]))
    assert [i.shape[0] for i in both] == [3, 1]


def test_photographs_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    from pathlib import Path

    files = sorted((Path(datasets.__file__).parent / "images").glob("*.jpg"))
    assert files
    for file in files:
        assert np.array_equal(interleaved(vio.read_image(file)), np.array(Image.open(file)))


def damaged():
    image = Image.fromarray(PIXELS)
    ppm, bmp = saved(image, "PPM"), saved(image, "BMP")
    yield "empty", b"", "the file is empty"
    yield "text", b"hello world", "begin 68 65 6c"
    yield "cut ppm", ppm[:-1], "cut short"
    yield "ppm header", b"P6 10", "ends at byte 5"
    yield "large sample", b"P2 1 1 10\n11", "sample of 11"
    yield "cut bmp", bmp[:-100], "cut short"
    yield "huge bmp", bmp[:18] + b"\xff\xff\xff\x7f\xff\xff\xff\x7f" + bmp[26:], "limit"
    yield "no size", bmp[:18] + bytes(8) + bmp[26:], "0 x 0"
    yield "bmp depth", bmp[:28] + b"\x07" + bmp[29:], "7 bits a pixel"
    if _data.has_library("png"):
        png = saved(image, "PNG")
        yield "cut png", png[:-30], f"ends at byte {len(png) - 30}"
        yield "png crc", png[:30] + b"\0\0\0" + png[33:], "CRC"
        yield "png data", png[:500] + b"\0\0\0\0" + png[504:], "in row"
        bomb = vio.encode_png(torch.zeros(1, 8, 8, dtype=torch.uint8)).numpy().tobytes()
        import struct
        import zlib

        head = b"IHDR" + struct.pack(">II", 12000, 12000) + bomb[24:29]
        yield "png bomb", bomb[:12] + head + struct.pack(">I", zlib.crc32(head)) + bomb[33:], "can't hold them"
    if _data.has_library("jpeg"):
        jpeg = saved(image, "JPEG")
        yield "cut jpeg", jpeg[:-30], "cut short"
        yield "jpeg header", jpeg[:100], "cut short"
        yield "jpeg data", jpeg[:900] + b"\xff\xff\0\xff\x13\x23\x34" * 5 + jpeg[935:], "at byte"
        at = jpeg.index(b"\xff\xc0") + 5
        yield "huge jpeg", jpeg[:at] + b"\xff\x00\xff\x00" + jpeg[at + 4 :], "can't hold them|limit"


@pytest.mark.parametrize("name, data, says", [pytest.param(*d, id=d[0]) for d in damaged()])
def test_damage_is_an_error_that_names_file_and_place(name, data, says, tmp_path):
    file = tmp_path / "bad.img"
    file.write_bytes(data)
    with pytest.raises(RuntimeError, match=rf"read_image '{file}': .*({says})"):
        vio.read_image(file)


def test_wrong_arguments():
    with pytest.raises(OSError, match="read_image '/nowhere/a.png': No such file"):
        vio.read_image("/nowhere/a.png")
    with pytest.raises(ValueError, match="mode: expected one of UNCHANGED"):
        vio.decode_image(b"P5 1 1 255\n0", "BGR")
    with pytest.raises(TypeError, match="expected the file's bytes as a contiguous uint8 tensor"):
        vio.decode_image(torch.zeros(3))
    with pytest.raises(TypeError, match="expected a path, bytes or a uint8 tensor, got int"):
        vio.decode_image(7)
    with pytest.raises(RuntimeError, match="limit of 10;"):
        vio.decode_image(b"P5 11 1 255\n" + bytes(11), max_pixels=10)
    with pytest.raises(ValueError, match="channels"):
        vio.encode_png(torch.zeros(5, 2, 2, dtype=torch.uint8))
    with pytest.raises(TypeError, match="uint8"):
        vio.encode_png(torch.zeros(3, 2, 2))
    with pytest.raises(ValueError, match="quality"):
        vio.encode_jpeg(torch.zeros(3, 2, 2, dtype=torch.uint8), quality=0)
