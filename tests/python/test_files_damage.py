"""Every reader of data over sound files with random damage: an error or a result, nothing else. The fuzz targets in tests/fuzz look deeper."""

import random
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "fuzz"))
import seeds  # noqa: E402

CASES = 150
PROGRAM = """
import io, pickle, sys
sys.path.insert(0, sys.argv[1])
import rushlight
from rushlight import _data
name, inputs = pickle.load(sys.stdin.buffer)
if name.startswith(("net_", "caffe2_")):
    import rushlight.caffe2
    from rushlight.caffe2.proto import _messages as text_format, caffe2_pb2
readers = {
    "png": _data.decode_png, "jpeg": _data.decode_jpeg, "bmp": _data.decode_bmp, "pnm": _data.decode_pnm, "idx": _data.read_idx,
    "cifar": lambda b: _data.read_cifar(b, 10), "csv": lambda b: rushlight.data.read_csv(b, skip_errors=True),
    "npy": lambda b: _data.load_npz(b) if b[:1] == b"P" else _data.load_npy(b), "record": rushlight.data.decode_record,
    "wav": lambda b: rushlight.audio.load(b),
    "onnx_import": lambda b: rushlight.onnx.load(b), "net_def": lambda b: caffe2_pb2.NetDef.FromString(b),
    "caffe2_import": lambda b: rushlight.caffe2.to_module(caffe2_pb2.NetDef(), caffe2_pb2.NetDef.FromString(b)),
    "checkpoint": lambda b: rushlight.load(io.BytesIO(b[1:])), "archive": lambda b: rushlight.jit.load(io.BytesIO(b[1:])),
    "net_text": lambda b: text_format.Parse(b.decode("latin-1"), caffe2_pb2.NetDef()),
}
read = 0
for data in inputs:
    try:
        readers[name](data)
        read += 1
    except rushlight.InternalError:
        raise
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        pass
    except Exception as e:
        assert type(e).__name__ in ("DecodeError", "ParseError"), e  # protobuf's own, where the package is there
print(read, len(inputs))
"""


def damaged(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if out else 0
        match rng.randrange(4):
            case 0:
                del out[at:]
            case 1:
                out[at : at + 1] = bytes([rng.choice([0, 0x7F, 0x80, 0xFF, rng.randrange(256)])])
            case 2:
                out[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                del out[at : at + rng.randint(1, 8)]
    return bytes(out)


OTHERS = ("script", "graph", "protobuf", "onnx_model")  # no readers of data: their tests are beside theirs


@pytest.mark.parametrize("name", [name for name in seeds.seeds() if name not in OTHERS])
def test_damage_is_an_error_or_nothing(name):
    import pickle

    rng, sound = random.Random(0), seeds.seeds()[name]
    inputs = sound + [damaged(rng.choice(sound), rng) for _ in range(CASES)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, BUILD / "python"],
        input=pickle.dumps((name, inputs)),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    read, count = map(int, done.stdout.split())
    assert count == len(inputs) and read > 0


def test_import_loads_no_reader():
    """`import rushlight` neither loads the library of readers nor what that needs, and reading pictures loads no codecs of sound."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import rushlight; maps = lambda: open('/proc/self/maps').read()\n"
        "assert 'rushlight_data' not in maps() and 'libpng' not in maps()\n"
        "import rushlight.vision.io; rushlight._data; assert 'rushlight_data' in maps()\n"
        "assert 'sndfile' not in maps() and 'leveldb' not in maps() and 'liblmdb' not in maps()"
    )
    subprocess.run([sys.executable, "-c", program, BUILD / "python"], check=True)
