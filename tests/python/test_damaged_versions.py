"""Archives whose version no reader knows, pickles whose frames reach beyond the file, and tensors without values in both."""

import copy
import io
import pickle
import struct
import zipfile

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")


def remade(change, save=None):
    """A checkpoint with each entry's bytes put through change(name, bytes)."""
    buffer, out = io.BytesIO(), io.BytesIO()
    (save or (lambda to: rl.save({"a": rl.ones(2)}, to)))(buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    out.seek(0)
    return out


def with_version(text, save=None):
    return remade(lambda name, data: text if name.endswith("/version") else data, save)


@pytest.mark.parametrize(
    "text",
    [b"9223372036854775808", b"18446744073709551617", b"-1", b"0", b"11", b"", b"three", b"3 x", b"\xff\x00" * 30],
)
@pytest.mark.parametrize("weights_only", [True, False])
def test_versions_that_no_reader_knows(text, weights_only):
    with pytest.raises(RuntimeError, match="the file's version is '.*'; versions 1 to 10 can be read"):
        rl.load(with_version(text), weights_only=weights_only)


@pytest.mark.parametrize("text", [b"9223372036854775808", b"-3", b"text"])
def test_script_archives_too(text):
    file = with_version(text, lambda to: rl.jit.save(rl.jit.script(rl.nn.ReLU()), to))
    with pytest.raises(RuntimeError, match="the file's version is"):
        rl.jit.load(file)


@pytest.mark.parametrize("text", [b"1\n", b"3", b"10\r\n"])
@pytest.mark.parametrize("weights_only", [True, False])
def test_versions_that_are_read(text, weights_only):
    assert rl.load(with_version(text), weights_only=weights_only)["a"].tolist() == [1, 1]


def with_frame(size):
    def change(name, data):
        return data[:2] + b"\x95" + struct.pack("<Q", size) + data[2:] if name.endswith("data.pkl") else data

    return remade(change)


@pytest.mark.parametrize("size", [100_000, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("weights_only", [True, False])
def test_frames_longer_than_the_file(size, weights_only):
    with pytest.raises(pickle.UnpicklingError, match="frame of|truncated|FRAME|overflow"):
        rl.load(with_frame(size), weights_only=weights_only)


def test_a_frame_that_fits_is_read():
    assert rl.load(with_frame(20))["a"].tolist() == [1, 1]


# ---- meta tensors


def without_values(lib):
    module = lib.nn.Linear(2, 3, device="meta")
    return {
        "plain": lib.empty(3, 4, device="meta"),
        "view": lib.empty(4, 6, device="meta", dtype=lib.int16)[1:, 2:].t(),
        "scalar": lib.empty((), device="meta", dtype=lib.complex64),
        "leaf": lib.empty(2, device="meta", requires_grad=True),
        "parameter": lib.nn.Parameter(lib.empty(5, device="meta", dtype=lib.float64)),
        "state": module.state_dict(),
        "mixed": [lib.ones(2), lib.empty(0, device="meta", dtype=lib.bool)],
    }


def facts(t):
    return (type(t).__name__, str(t.dtype), tuple(t.shape), t.stride(), str(t.device), t.requires_grad)


def flat(tree):
    for v in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(v, (dict, list)):
            yield from flat(v)
        else:
            yield v


@pytest.mark.parametrize("writer", [rl, torch])
@pytest.mark.parametrize("reader", [rl, torch])
@pytest.mark.parametrize("weights_only", [True, False])
def test_meta_tensors_are_saved_and_loaded(writer, reader, weights_only):
    buffer = io.BytesIO()
    tree = without_values(writer)
    writer.save(tree, buffer)
    for place in [None, "cpu"]:
        buffer.seek(0)
        loaded = reader.load(buffer, weights_only=weights_only, map_location=place)
        assert [facts(t) for t in flat(loaded)] == [facts(t) for t in flat(tree)]
        assert loaded["mixed"][0].tolist() == [1, 1]
    with zipfile.ZipFile(buffer) as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 1


def test_modules_and_tensors_with_attributes():
    buffer = io.BytesIO()
    module = rl.nn.Linear(2, 3, device="meta")
    module.weight.note = "later"
    rl.save(module, buffer)
    buffer.seek(0)
    loaded = rl.load(buffer, weights_only=False)
    assert loaded.weight.is_meta and loaded.weight.shape == (3, 2) and loaded.weight.note == "later"
    assert isinstance(loaded.bias, rl.nn.Parameter)
    t = rl.empty(2, 3, device="meta").t()
    for again in [pickle.loads(pickle.dumps(t)), copy.deepcopy(t)]:
        assert facts(again) == facts(t)


def test_scripted_modules_on_meta():
    buffer = io.BytesIO()
    rl.jit.save(rl.jit.script(rl.nn.Linear(2, 3, device="meta")), buffer)
    for lib in [rl, torch]:
        buffer.seek(0)
        weight = lib.jit.load(buffer).weight
        assert str(weight.device) == "meta" and tuple(weight.shape) == (3, 2)
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3, device="meta")), buffer)
    buffer.seek(0)
    assert rl.jit.load(buffer).weight.is_meta


@pytest.mark.parametrize("sizes", [(-1,), (2**40, 2**40)])
def test_meta_tensors_that_can_not_be(sizes):
    class Bad:
        def __reduce__(self):
            return torch._utils._rebuild_meta_tensor_no_storage, (torch.float32, sizes, (1,) * len(sizes), False)

    buffer = io.BytesIO()
    torch.save(Bad(), buffer)
    buffer.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="meta tensor"):
        rl.load(buffer)
