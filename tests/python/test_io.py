"""save and load, against PyTorch in both directions, and against files made to do harm."""

import collections
import io
import os
import pickle
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

DTYPES = "uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128 bool bfloat16".split()


def saved(module, obj, **options):
    buffer = io.BytesIO()
    module.save(obj, buffer, **options)
    return buffer.getvalue()


def numbers(t):
    t = t.detach()
    return (t.float() if "bfloat16" in str(t.dtype) else t).numpy()


def same(a, b):
    """Equal in type, values, geometry and order."""
    if isinstance(a, (rl.Tensor, torch.Tensor)):
        assert type(a).__name__ == type(b).__name__
        assert (tuple(a.shape), a.stride(), a.storage_offset()) == (tuple(b.shape), b.stride(), b.storage_offset())
        assert str(a.dtype).rpartition(".")[2] == str(b.dtype).rpartition(".")[2]
        assert a.requires_grad == b.requires_grad
        np.testing.assert_array_equal(numbers(a), numbers(b))
    elif isinstance(a, dict):
        assert type(a) is type(b) and list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a).__name__ == type(b).__name__ and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, (int, float, str, bytes, type(None), complex, set)):
        assert type(a) is type(b) and a == b
    else:
        assert str(a) == str(b)


def checkpoint(m):
    """What programs save, made with either module."""
    w = m.arange(6, dtype=m.float32).reshape(2, 3)
    model = collections.OrderedDict(weight=w, bias=w[1], transposed=w.t())
    model["parameter"] = m.nn.Parameter(m.ones(2))
    model._metadata = collections.OrderedDict({"": {"version": 1}})
    return {
        "model": model,
        "optimizer": {"state": {0: {"step": m.tensor(3.0), "exp_avg": m.zeros(2)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0]}]},
        "numbers": [0, 255, 256, 65536, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63), 1.5, True, False, None],
        "text": ["", "h\u00e9", "x" * 300, b"\x00\xff"],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "torch": [m.Size([2, 3]), m.device("cpu"), m.float16],
        "empty": m.zeros(0, 3),
        "gradient": m.ones(2, requires_grad=True),
        "epoch": 12,
    }  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_both_ways(dtype):
    ours = rl.tensor([0, 1, 1, 0]).to(getattr(rl, dtype))
    theirs = torch.tensor([0, 1, 1, 0]).to(getattr(torch, dtype))
    same(rl.load(io.BytesIO(saved(torch, theirs))), theirs)
    same(torch.load(io.BytesIO(saved(rl, ours)), weights_only=True), ours)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
def test_reads_what_pytorch_writes(options):
    theirs = checkpoint(torch)
    ours = rl.load(io.BytesIO(saved(torch, theirs, **options)))
    same(ours, theirs)
    assert ours["model"]._metadata == theirs["model"]._metadata
    assert ours["model"]["weight"].data_ptr() + 12 == ours["model"]["bias"].data_ptr()  # one storage
    same(rl.load(io.BytesIO(saved(torch, theirs, **options)), weights_only=False), theirs)


def test_pytorch_reads_what_we_write(tmp_path):
    ours = checkpoint(rl)
    rl.save(ours, tmp_path / "x.pt")
    theirs = torch.load(tmp_path / "x.pt", weights_only=True)
    same(theirs, ours)
    assert theirs["model"]._metadata == ours["model"]._metadata
    assert theirs["model"]["weight"].data_ptr() + 12 == theirs["model"]["bias"].data_ptr()
    same(torch.load(tmp_path / "x.pt", weights_only=True, mmap=True), ours)
    same(rl.load(tmp_path / "x.pt", mmap=True), ours)
    with zipfile.ZipFile(tmp_path / "x.pt") as z:
        assert z.testzip() is None
        assert {"x/data.pkl", "x/version", "x/byteorder", "x/data/0"} <= set(z.namelist())


def test_a_mapped_file_is_not_changed_by_its_tensors(tmp_path):
    rl.save(rl.zeros(4), tmp_path / "x.pt")
    t = rl.load(tmp_path / "x.pt", mmap=True)
    t.add_(1)
    assert rl.load(tmp_path / "x.pt").tolist() == [0, 0, 0, 0]


def test_shared_and_cyclic_values():
    t, shared = rl.ones(2), [1]
    shared.append(shared)
    back = rl.load(io.BytesIO(saved(rl, {"a": t, "b": t, "c": shared})))
    assert back["a"] is back["b"] and back["c"][1] is back["c"]


def test_tensors_with_attributes():
    for module in rl, torch:
        t, p = module.ones(2), module.nn.Parameter(module.ones(2))
        t.tag, p.tag = "t", "p"
        for reader in rl, torch:
            for weights_only in True, False:
                a, b = reader.load(io.BytesIO(saved(module, [t, p])), weights_only=weights_only)
                assert (a.tag, b.tag) == ("t", "p") and type(b) is reader.nn.Parameter


class Config:
    def __init__(self, width):
        self.width = width


def test_other_classes_need_permission():
    file = saved(rl, {"config": Config(3), "x": rl.ones(1)})
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global: GLOBAL .*Config was not an allowed global"):
        rl.load(io.BytesIO(file))
    assert rl.load(io.BytesIO(file), weights_only=False)["config"].width == 3
    assert torch.load(io.BytesIO(file), weights_only=False)["config"].width == 3
    with rl.serialization.safe_globals([Config]):
        assert rl.load(io.BytesIO(file))["config"].width == 3
    assert rl.serialization.get_safe_globals() == []


def test_whole_modules_travel():
    ours = rl.nn.Sequential(rl.nn.Linear(2, 3), rl.nn.ReLU())
    theirs = torch.load(io.BytesIO(saved(rl, ours)), weights_only=False)
    assert isinstance(theirs, torch.nn.Sequential)
    same(theirs.state_dict()["0.weight"], ours.state_dict()["0.weight"])
    back = rl.load(io.BytesIO(saved(torch, theirs)), weights_only=False)
    assert isinstance(back, rl.nn.Sequential)
    same(back.state_dict()["0.bias"], theirs.state_dict()["0.bias"])


def test_plain_containers_of_pytorch():
    values = {
        "counter": collections.Counter("aab"),
        "bytes": bytearray(b"x\xff"),
        "set": {1, 2},
        "complex": 1j,
        "big": 2**80,
    }
    same(rl.load(io.BytesIO(saved(torch, values))), values)
    same(torch.load(io.BytesIO(saved(rl, values)), weights_only=False), values)


def test_map_location():
    file = saved(torch, torch.ones(3))
    assert rl.load(io.BytesIO(file), map_location="meta").device.type == "meta"
    for place in "cpu", rl.device("cpu"), {"cpu": "cpu"}, lambda storage, location: storage:
        same(rl.load(io.BytesIO(file), map_location=place), torch.ones(3))
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        rl.load(io.BytesIO(file), map_location="cuda")


def test_what_was_on_a_device_that_is_not_here_needs_map_location():
    written, moved = zipfile.ZipFile(io.BytesIO(saved(torch, torch.ones(3)))), io.BytesIO()
    with zipfile.ZipFile(moved, "w") as archive:
        for name in written.namelist():
            data = written.read(name)
            if name.endswith("data.pkl"):  # the text "cpu" as a pickle has it
                data = data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
            archive.writestr(name, data)
    for options in {}, {"map_location": {"cuda:1": "cpu"}}, {"weights_only": False}:
        moved.seek(0)
        with pytest.raises(RuntimeError, match="on a CUDA device .* use torch.load with map_location"):
            rl.load(moved, **options)
    for place in "cpu", {"cuda:0": "cpu"}, lambda storage, location: storage:
        moved.seek(0)
        same(rl.load(moved, map_location=place), torch.ones(3))


def test_errors_are_those_programs_expect(tmp_path):
    with pytest.raises(FileNotFoundError):
        rl.load(tmp_path / "none.pt")
    with pytest.raises(IsADirectoryError):
        rl.load(tmp_path)
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        rl.save(1, tmp_path / "none" / "x.pt")
    with pytest.raises(EOFError, match="the file is empty"):
        rl.load(io.BytesIO())
    with pytest.raises(RuntimeError, match="neither a zip archive nor a pickle"):
        rl.load(io.BytesIO(b"\xffhello"))
    with pytest.raises(ValueError, match="file path"):
        rl.load(io.BytesIO(b""), mmap=True)
    with pytest.raises(RuntimeError, match="explicit pickle_module"):
        rl.load(io.BytesIO(b""), weights_only=True, pickle_module=pickle)


def test_errors_of_a_file_object_pass_through():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        rl.save(rl.ones(3), Full())


# ---- harm


class Harm:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call", [(os.system, ("echo harm",)), (eval, ("1",)), (exec, ("1",))], ids=lambda c: c[0].__name__
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_called(call, zipped, capfd):
    file = saved(torch, [Harm(*call)], _use_new_zipfile_serialization=zipped)
    name = f"{call[0].__module__}.{call[0].__name__}".replace("builtins", "(builtins|__builtin__)")
    with pytest.raises(pickle.UnpicklingError, match=f"Unsupported global: GLOBAL {name}"):
        rl.load(io.BytesIO(file))
    assert capfd.readouterr().out == ""


def repacked(file, change, compression=zipfile.ZIP_STORED):
    """The archive with entries changed: change(name, data) -> (name, data)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            new.writestr(*change(name, old.read(name)))
    return out.getvalue()


def test_archives_repacked_by_other_programs():
    theirs = checkpoint(torch)
    for compression in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        same(rl.load(io.BytesIO(repacked(saved(torch, theirs), lambda *e: e, compression))), theirs)


def test_a_zip_bomb_is_refused_at_once():
    bomb = repacked(
        saved(torch, torch.ones(1)), lambda n, d: (n, bytes(600 << 20) if "data/0" in n else d), zipfile.ZIP_DEFLATED
    )
    assert len(bomb) < 1 << 20
    with pytest.raises(RuntimeError, match="zip bomb"):
        rl.load(io.BytesIO(bomb))


BOUNDED = """
import io, pickle, resource, sys
import rushlight as rl
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (256 << 20),) * 2)
try:
    rl.load(sys.argv[1])
except (RuntimeError, pickle.UnpicklingError, ValueError) as e:
    assert sys.argv[2] in str(e), e
else:
    sys.exit("it was read")
"""


def described(key="0", count=4, offset=0, size=(4,), stride=(1,)):
    """The pickle of a tensor that says so of itself."""
    value = b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV%s\nVcpu\nI%d\ntQ" % (
        key.encode(),
        count,
    )
    for part in offset, size, stride:
        value += pickle.dumps(part, 2)[2:-1]
    return b"\x80\x02" + value + b"I00\nccollections\nOrderedDict\n(tRtR."


HOSTILE = {
    "nested": (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "nested more than 500 deep"),
    "unfolds": (b"\x80\x02" + b"]" * 30_000_000 + b".", "refused as a zip bomb"),
    "string": (b"\x80\x04\x8d" + b"\xff" * 8 + b".", "cut short"),
    "integer": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "cut short"),
    "digits": (b"I" + b"9" * 1_000_000 + b"\n.", "limit"),
    "count": (described(count=1 << 60), "16 bytes where its description says"),
    "negative": (described(count=-1), "a storage of -1 elements"),
    "sizes": (described(size=(1 << 33, 1 << 33), stride=(1, 1)), "outside of its storage"),
    "stride": (described(stride=(1 << 62,)), "outside of its storage"),
    "backwards": (described(stride=(-1,)), "strides [-1]"),
    "offset": (described(offset=(1 << 63) - 1), "outside of its storage"),
    "dimensions": (described(size=(1,) * 500, stride=(1,) * 500), "500 dimensions"),
    "path": (described(key="../../../etc/passwd"), "no entry"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded(name, tmp_path):
    pkl, text = HOSTILE[name]
    path = tmp_path / "hostile.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, data in ("data.pkl", pkl), ("version", b"3\n"), ("data/0", bytes(16)):
            file.writestr("a/" + entry, data)
    done = subprocess.run([sys.executable, "-c", BOUNDED, path, text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_names_that_leave_the_archive_are_refused():
    file = repacked(saved(torch, torch.ones(1)), lambda n, d: ("../" + n if "data/0" in n else n, d))
    with pytest.raises(RuntimeError, match="leaves the archive"):
        rl.load(io.BytesIO(file))


def small():
    return {"w": torch.arange(3.0), "n": [1, "x"]}


@pytest.mark.parametrize("zipped", [True, False])
def test_cut_at_any_byte_it_says_why(zipped):
    file = saved(torch, small(), _use_new_zipfile_serialization=zipped)
    for cut in range(len(file)):
        with pytest.raises((RuntimeError, pickle.UnpicklingError)):
            rl.load(io.BytesIO(file[:cut]))


@pytest.mark.parametrize("zipped", [True, False])
def test_changed_at_any_byte_it_answers_or_says_why(zipped):
    file = saved(torch, small(), _use_new_zipfile_serialization=zipped)
    for at in range(len(file)):
        for bit in range(8):
            changed = bytearray(file)
            changed[at] ^= 1 << bit
            try:
                rl.load(io.BytesIO(bytes(changed)))
            except (RuntimeError, pickle.UnpicklingError, ValueError, TypeError):
                pass


def test_a_changed_pickle_answers_or_says_why():
    file = saved(torch, small())
    names = zipfile.ZipFile(io.BytesIO(file)).namelist()
    pkl = next(n for n in names if n.endswith("data.pkl"))
    good = zipfile.ZipFile(io.BytesIO(file)).read(pkl)
    for at in range(len(good)):
        for value in 0, 1, good[at] ^ 0x80, good[at] ^ 1, ord("R"), ord("h"), 0x93, 0xFF:
            changed = good[:at] + bytes([value]) + good[at + 1 :]
            try:
                rl.load(io.BytesIO(repacked(file, lambda n, d, new=changed: (n, new if n == pkl else d))))
            except (RuntimeError, pickle.UnpicklingError, ValueError, TypeError):
                pass


# ---- interrupted


INTERRUPTED = """
import resource, signal, sys
import rushlight as rl
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    rl.save({"x": rl.ones(1 << 20), "y": rl.zeros(1 << 20)}, sys.argv[1])
except OSError as e:
    assert "x.pt" in str(e) and "File too large" in str(e), e
else:
    sys.exit("nothing went wrong")
"""


def test_an_interrupted_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    rl.save(rl.tensor([7]), path)
    old = path.read_bytes()
    for limit in 0, 100, 70_000, 1 << 20, 5 << 20, (8 << 20) + 500:
        subprocess.run([sys.executable, "-c", INTERRUPTED, path, str(limit)], check=True, timeout=60)
        assert path.read_bytes() == old and os.listdir(tmp_path) == ["x.pt"]


def test_a_value_that_cannot_be_pickled_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    rl.save(rl.tensor([7]), path)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        rl.save({"lock": threading.Lock(), "x": rl.ones(3)}, path)
    assert rl.load(path).tolist() == [7] and os.listdir(tmp_path) == ["x.pt"]


def test_threads_that_save_to_one_path_leave_a_whole_file(tmp_path):
    path = tmp_path / "x.pt"
    threads = [threading.Thread(target=rl.save, args=(rl.full((1000,), float(i)), path)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(rl.load(path).tolist())) == 1 and os.listdir(tmp_path) == ["x.pt"]


def test_file_objects_of_ones_own_give_pieces():
    import rushlight as torch

    class Pieces:
        """Reads at most 100 bytes at a time, into memory that it is given."""

        def __init__(self, data):
            self.file = io.BytesIO(data)

        def readinto(self, view):
            return self.file.readinto(view[:100])

        def read(self, *size):
            raise AssertionError("readinto does")

        def seek(self, *where):
            self.file.seek(*where)

        def tell(self):
            return self.file.tell()

    out = io.BytesIO()
    for value in ({"x": torch.arange(1000)}, "next"):
        torch.save(value, out, _use_new_zipfile_serialization=False)
    source = Pieces(b"begin" + out.getvalue())
    source.seek(5)
    assert torch.load(source)["x"].tolist() == list(range(1000)) and torch.load(source) == "next"
    archive = io.BytesIO()
    torch.save(torch.ones(3), archive)
    assert torch.load(Pieces(archive.getvalue())).tolist() == [1.0, 1.0, 1.0]
