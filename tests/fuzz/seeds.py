"""Small sound inputs of each kind for the fuzz targets of data_fuzz.cpp and script_fuzz.cpp: python seeds.py FOLDER writes FOLDER/png/0 and so on."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

PIXELS = np.random.default_rng(0).integers(0, 255, (9, 13, 3), dtype=np.uint8)


def pictures(kind: str, modes: list[str], **options) -> list[bytes]:
    out = []
    for mode in modes:
        file = io.BytesIO()
        image = Image.fromarray(PIXELS).convert(mode)
        exif = image.getexif()
        exif[0x112] = 6
        image.save(file, kind, **options, **({"exif": exif} if kind in ("PNG", "JPEG") else {}))
        out.append(file.getvalue())
    return out


def saved(save, *arrays, **named) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def idx() -> list[bytes]:
    plain = bytes([0, 0, 8, 2]) + struct.pack(">II", 3, 5) + bytes(range(15))
    return [plain, gzip.compress(plain), bytes([0, 0, 13, 1]) + struct.pack(">If", 1, 2.5)]


def cifar() -> list[bytes]:
    rows = np.zeros((1, 3072), dtype=np.uint8)
    return [
        bytes([3]) + rows.tobytes(),
        bytes([3, 4]) + rows.tobytes(),
        *(pickle.dumps({"data": rows, "labels": [1]}, protocol) for protocol in (2, 5)),
        pickle.dumps({b"data": rows, b"fine_labels": [1], b"coarse_labels": [2]}, 2),
        pickle.dumps({"label_names": ["a", b"b"]}, 2),
    ]


def wav() -> list[bytes]:
    out = []
    for code, bits, data in (
        (1, 16, bytes(range(64))),
        (1, 8, bytes(range(32))),
        (3, 32, np.linspace(-1, 1, 16, dtype="<f4").tobytes()),
    ):
        block = bits // 8 * 2
        fmt = b"fmt " + struct.pack("<IHHIIHH", 16, code, 2, 8000, 8000 * block, block, bits)
        body = b"WAVE" + fmt + b"data" + struct.pack("<I", len(data)) + data
        out.append(b"RIFF" + struct.pack("<I", len(body)) + body)
    return out


TESTS = Path(__file__).parent.parent


def functions() -> list[bytes]:
    text = "".join(p.read_text() for p in sorted((TESTS / "python" / "script").glob("*.py")))
    return [("def " + part.split("\n\n\n")[0] + "\n").encode() for part in text.split("\ndef ")[1:]]


def graphs() -> list[bytes]:
    texts = "".join(p.read_text() for p in sorted((TESTS / "graph").glob("*.txt")))
    return [("graph(" + part.split("becomes")[0].split("====")[0]).encode() for part in texts.split("\ngraph(")[1:]]


ONNX_MODELS = [
    b"\x08\x08\x3a\x32\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x12\x01g\x2a\x11\x08\x02\x10\x01\x42\x01w\x4a\x08" + bytes(8) + b"\x5a\x07\x0a\x01x\x12\x02\x0a\x00\x62\x03\x0a\x01y\x42\x02\x10\x11",
    b"\x3a\x13\x2a\x11\x08\x02\x10\x01\x22\x08" + bytes(8) + b"\x42\x01w",
]  # fmt: skip
# A net of an operator with arguments: Relu of "x" into "y" with order "NCHW" and axis 1.
NET = (
    b"\x0a\x03net\x12\x29\x0a\x01x\x12\x01y\x1a\x02op\x22\x04Relu\x2a\x0d\x0a\x05order\x22\x04NCHW\x2a\x08\x0a\x04axis\x18\x01"
    b"\x1a\x06simple\x3a\x01x\x42\x01y"
)
NET_TEXT = b"""name: "net"  # a net
op { input: "x" output: "y" type: "Relu" arg { name: "order" s: "NC\\110W" } arg < name: "axis" i: 1 floats: [1.5, -inf, 2e3] > }
external_input: "x" external_output: 'y'
"""


def pickles() -> list[bytes]:
    """Of a module of TorchScript, and of a dict with a tensor, as archives have them."""
    name = b"X\x06\x00\x00\x00weight"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"
        b"K\x00(K\x04K\x04t(K\x04K\x01t\x89ccollections\nOrderedDict\n)RtR"
    )
    return [
        b"\x80\x02c__torch__\nM\n)\x81}(X\x08\x00\x00\x00training\x89" + name + tensor + b"ub.",
        b"\x80\x02}(" + name + tensor + b"X\x01\x00\x00\x00n](K\x01G?\xf0\x00\x00\x00\x00\x00\x00e\x85u.",
    ]


CODE = b"""class M(Module):
  __parameters__ = ["weight"]
  training : bool
  weight : Tensor
  def forward(self: __torch__.M, x: Tensor, n: Optional[int]=None) -> List[Tensor]:
    out = annotate(List[Tensor], [])
    for i in range(2):
      _0 = torch.append(out, torch.add(torch.matmul(x, self.weight), CONSTANTS.c0, alpha=i))
    return out
"""


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, data in entries.items():
            archive.writestr(f"a/{entry}", data)
    return file.getvalue()


def archives() -> tuple[list[bytes], list[bytes]]:
    """What archive_fuzz.cpp and checkpoint_fuzz.cpp read; the first byte says which way."""
    module, plain = pickles()
    constants, numbers = b"\x80\x02K\x01\x85.", bytes(64)
    parts = [module, CODE, constants, b"3\n", numbers, b"{}"]
    entries = dict(zip(["data.pkl", "code/__torch__.py", "constants.pkl", "version", "data/0"], parts, strict=False))
    apart = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    whole, values = zipped(entries), zipped({"data.pkl": plain, "version": b"3\n", "data/0": numbers})
    return (
        [b"\0" + apart, b"\1" + whole, b"\2" + apart, b"\3" + whole, b"\3" + values, b"\3" + module],
        [b"\0" + values, b"\1" + plain, b"\1" + module, b"\2" + values, b"\2" + whole],
    )


def seeds() -> dict[str, list[bytes]]:
    return {
        "png": pictures("PNG", ["RGB", "L", "RGBA", "P", "1", "LA"]),
        "jpeg": pictures("JPEG", ["RGB", "L", "CMYK"]) + pictures("JPEG", ["RGB"], progressive=True),
        "bmp": pictures("BMP", ["RGB", "L", "P", "1"]),
        "pnm": [*pictures("PPM", ["RGB", "L", "1"]), b"P2 2 2 9\n1 2 3 4", b"P3 1 1 999 # c\n1 2 3", b"P1 3 1\n101"],
        "csv": [b'a,b,c\n1,2.5,x\n-3,NA,"y ""z"""\r\n\n4,1e5,\n', b"true,#x\nfalse,1\n# comment\n", b'"a\nb",1\n'],
        "idx": idx(),
        "cifar": cifar(),
        "npy": [saved(np.save, PIXELS), saved(np.save, np.asfortranarray(PIXELS.astype(">f4"))), saved(np.savez, a=PIXELS[:1]), saved(np.savez_compressed, a=PIXELS)],
        "record": [
            b"\x08\x01\x10\x01\x18\x02\x22\x02ab\x28\x03",
            b"\x08\x01\x10\x01\x18\x01\x22\x0cP5 1 1 255 \x07\x28\x03\x38\x01",
            b"\x0a\x0e\x08\x02\x10\x01\x1d\x00\x00\x80\x3f\x1d\x00\x00\x00\x40",
            b"\x0a\x0a\x08\x02\x10\x0a\x52\x02\x01\x02\x3a\x00",
        ],
        "wav": wav(),
        "script": functions(),
        "graph": graphs(),
        "protobuf": [b"\x08\x96\x01\x12\x03abc\x1d\x00\x00\x80\x3f\x23\x08\x01\x24\x2a\x02\x08\x01\x31" + bytes(8)],
        # A Relu over an input and a weight of two numbers, its bytes once raw and once in float_data.
        "onnx_model": ONNX_MODELS,
        "onnx_import": ONNX_MODELS,
        "net_def": [NET],
        "caffe2_import": [NET],
        "net_text": [NET_TEXT],
        "archive": archives()[0],
        "checkpoint": archives()[1],
    }  # fmt: skip


if __name__ == "__main__":
    for name, files in seeds().items():
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(files):
            chosen = b"" if name in ("archive", "checkpoint") else b"\x1b"  # the byte that chooses options
            (folder / str(i)).write_bytes(chosen + data)
