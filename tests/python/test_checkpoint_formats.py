"""Every form of file that torch.save has had, and safetensors: read here, and read by PyTorch where it was written here."""

import io
import json
import mmap
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from nn_support import assert_same, to_torch

import rushlight as rl

BOTH = pytest.mark.parametrize("weights_only", [True, False])


def saved(obj, framework=rl, **options):
    buffer = io.BytesIO()
    framework.save(obj, buffer, **options)
    return buffer.getvalue()


def loaded(data, **options):
    return rl.load(io.BytesIO(data), **options)


def rezipped(data, change):
    """The zip file with entries renamed, changed or left out: change(name, bytes) gives (name, bytes) or None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            entry = change(name, old.read(name))
            if entry:
                new.writestr(*entry)
    return out.getvalue()


# ---- the zip file of 1.4


@BOTH
def test_the_zip_file_of_pytorch_1_4(weights_only):
    def older(name, data):
        if name.endswith(("byteorder", ".format_version", ".storage_alignment", "serialization_id")):
            return None
        return name.replace("/data/", "/tensors/"), data

    x = torch.arange(6.0).reshape(2, 3)
    back = loaded(rezipped(saved({"x": x, "y": x.t()}, torch), older), weights_only=weights_only)
    assert back["x"].tolist() == x.tolist() and back["y"].data_ptr() == back["x"].data_ptr()


# ---- before 1.6


def values():
    base = rl.arange(12.0).reshape(3, 4)
    linear = rl.nn.Linear(2, 2)
    return {
        "base": base,
        "view": base.t()[1:],
        "double": rl.ones(3, dtype=rl.float64),
        "bool": rl.tensor([True, False]),
        "half": rl.ones(2, dtype=rl.bfloat16),
        "complex": rl.tensor([1 + 2j]),
        "unsigned": rl.tensor([1, 2], dtype=rl.uint16),
        "state": linear.state_dict(),
        "parameter": linear.weight,
        "empty": rl.empty(0),
        "plain": [1, 2.5, "text", None, (True, b"bytes")],
    }


@pytest.mark.parametrize("plain", [True, False])
def test_pytorch_reads_the_older_format(plain):
    obj = values()
    if not plain:
        obj["other"] = OrderedDict(a={1, 2})
        obj["counter"] = range(3)  # only Python's pickle writes it
    unsigned = obj.pop("unsigned")  # what has no storage class PyTorch writes so, but can't read
    obj2 = {**obj, "unsigned": unsigned}
    assert loaded(saved(obj2, _use_new_zipfile_serialization=False), weights_only=plain)["unsigned"].tolist() == [1, 2]
    data = saved(obj, _use_new_zipfile_serialization=False)
    assert not data.startswith(b"PK")
    back = torch.load(io.BytesIO(data), weights_only=plain)
    assert list(back) == list(obj)
    for name in ("base", "view", "double", "bool", "half", "complex", "parameter", "empty"):
        assert_same(obj[name], back[name], 0, 0, name)
        assert back[name].stride() == obj[name].stride()
    assert back["view"].untyped_storage().data_ptr() == back["base"].untyped_storage().data_ptr()
    assert back["plain"] == obj["plain"] and isinstance(back["parameter"], torch.nn.Parameter)
    again = loaded(data, weights_only=plain)
    assert again["view"].untyped_storage().data_ptr() == again["base"].untyped_storage().data_ptr()
    assert again["plain"] == obj["plain"]


@BOTH
def test_reads_the_older_format_of_pytorch(weights_only):
    base = torch.arange(12.0).reshape(3, 4)
    obj = {"base": base, "view": base[1], "half": torch.ones(2).to(torch.float8_e5m2), "n": 3}
    back = loaded(saved(obj, torch, _use_new_zipfile_serialization=False), weights_only=weights_only)
    assert back["base"].tolist() == base.tolist() and back["n"] == 3 and back["half"].dtype == rl.float8_e5m2
    back["base"][1, 0] = 50
    assert back["view"][0] == 50


# ---- 0.1


def tar_file(whole_module=False):
    """As PyTorch 0.1 wrote it: storages, tensors and the object, in three files of pickles and numbers."""
    w, b = np.arange(6, dtype="<f4").reshape(2, 3), np.array([10, 20], dtype="<f8")

    class Named:
        def __init__(self, module, name):
            self.module, self.name = module, name

    class Old(pickle._Pickler):
        def persistent_id(self, obj):
            return obj[1] if isinstance(obj, tuple) and obj[:1] == ("#",) else None

        def save(self, obj, *args, **kwargs):
            if isinstance(obj, Named):
                self.write(f"c{obj.module}\n{obj.name}\n".encode())
            else:
                super().save(obj, *args, **kwargs)

    def dump(*objs):
        out = io.BytesIO()
        for o in objs:
            Old(out, 2).dump(o)
        return out.getvalue()

    def numbers(data):
        return struct.pack("<q", data.size) + data.tobytes()

    storages = dump(2)
    storages += dump((100, "cpu", Named("torch", "FloatStorage"))) + numbers(w)
    storages += dump((200, "cpu", Named("torch", "DoubleStorage"))) + numbers(b)
    storages += dump([(300, 100, 3, 3)])  # a part of the first
    tensors = dump(3)
    for key, storage, sizes, strides, offset in (
        (1, 100, (2, 3), (3, 1), 0),
        (2, 200, (2,), (1,), 0),
        (3, 300, (3,), (1,), 0),
    ):
        tensors += dump((key, storage, Named("torch", "FloatTensor")))
        tensors += struct.pack("<i", len(sizes)) + bytes(4)
        tensors += struct.pack(f"<{2 * len(sizes) + 1}q", *sizes, *strides, offset)
    obj = {"w": ("#", 1), "b": ("#", 2), "row": ("#", 3), "step": 7}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("storages", storages), ("tensors", tensors), ("pickle", dump(obj))):
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return out.getvalue(), w, b


@BOTH
def test_the_tar_file_of_pytorch_0_1(weights_only):
    data, w, b = tar_file()
    back = loaded(data, weights_only=weights_only)
    assert back["w"].tolist() == w.tolist() and back["b"].tolist() == b.tolist() and back["b"].dtype == rl.float64
    assert back["row"].tolist() == w[1].tolist() and back["step"] == 7
    back["w"][1, 0] = 50
    assert back["row"][0] == 50
    assert loaded(data, map_location="meta", weights_only=weights_only)["w"].is_meta


def test_a_cut_tar_file_says_why():
    data, _, _ = tar_file()
    for end in [*range(512, len(data) - 10240, 97), 1024, 1536]:
        with pytest.raises(RuntimeError, match="load"):
            loaded(data[:end])


def test_variables_and_parameters_of_pytorch_0_3():
    x = torch.arange(3.0)

    class Old(pickle._Pickler):
        def save(self, obj, *args, **kwargs):
            if isinstance(obj, Call):
                self.save_reduce(*obj.reduced, obj=obj)
            elif isinstance(obj, Global):
                self.write(f"c{obj.module}\n{obj.name}\n".encode())
            else:
                super().save(obj, *args, **kwargs)

        def persistent_id(self, obj):
            return obj[1] if isinstance(obj, tuple) and obj[:1] == ("#",) else None

    class Global:
        def __init__(self, module, name):
            self.module, self.name = module, name

        def __call__(self):
            pass

    class Call:
        def __init__(self, *reduced):
            self.reduced = reduced

    storage = ("#", ("storage", Global("torch", "FloatStorage"), "5", "cpu", 3, None))
    tensor = Call(Global("torch._utils", "_rebuild_tensor"), (storage, 0, (3,), (1,)))
    variable = Call(Global("torch.autograd.variable", "Variable"), (tensor,), (True, False, OrderedDict()))
    parameter = Call(Global("torch.nn.parameter", "Parameter"), (tensor,), (False, False, OrderedDict()))
    out = io.BytesIO()
    for o in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(o, out, protocol=2)
    Old(out, 2).dump([variable, parameter])
    pickle.dump(["5"], out, protocol=2)
    out.write(struct.pack("<q", 3) + x.numpy().tobytes())
    for weights_only in (True, False):
        v, p = loaded(out.getvalue(), weights_only=weights_only)
        assert v.tolist() == [0, 1, 2] and v.requires_grad and not isinstance(v, rl.nn.Parameter)
        assert isinstance(p, rl.nn.Parameter) and not p.requires_grad and p.data_ptr() == v.data_ptr()


# ---- byte order


@BOTH
@pytest.mark.parametrize("says", [True, False])
def test_files_of_the_other_byte_order(weights_only, says):
    obj = {
        "f": torch.arange(3.0),
        "c": torch.tensor([1 + 2j]),
        "i": torch.tensor([1, -2]),
        "b": torch.tensor([True, False]),
    }
    widths = {"0": 4, "1": 4, "2": 8, "3": 1}

    def swapped(name, data):
        if name.endswith("byteorder"):
            return (name, b"big") if says else None
        folder, _, key = name.rpartition("/")
        if folder.endswith("/data"):
            data = np.frombuffer(data, dtype=f"V{widths[key]}").tobytes()
            data = b"".join(data[i : i + widths[key]][::-1] for i in range(0, len(data), widths[key]))
        return name, data

    data = rezipped(saved(obj, torch), swapped)
    if not says:
        assert rl.serialization.get_default_load_endianness() is None
        rl.serialization.set_default_load_endianness(rl.serialization.LoadEndianness.BIG)
    try:
        back = loaded(data, weights_only=weights_only)
    finally:
        rl.serialization.set_default_load_endianness(None)
    assert {k: v.tolist() for k, v in back.items()} == {k: v.tolist() for k, v in obj.items()}
    with pytest.raises(TypeError):
        rl.serialization.set_default_load_endianness("big")


def test_an_unknown_byte_order_is_refused():
    data = rezipped(saved(rl.ones(1)), lambda n, d: (n, b"middle") if n.endswith("byteorder") else (n, d))
    with pytest.raises(RuntimeError, match="the byte order is 'middle'"):
        loaded(data)


# ---- settings


@BOTH
def test_skip_data(weights_only):
    with rl.serialization.skip_data():
        data = saved({"x": rl.ones(5), "y": rl.ones(2, dtype=rl.float64)})
        with pytest.raises(RuntimeError, match="skip_data"):
            saved(rl.ones(1), _use_new_zipfile_serialization=False)
    assert len(data) >= len(saved({"x": rl.ones(5), "y": rl.ones(2, dtype=rl.float64)}))
    assert torch.load(io.BytesIO(data))["x"].tolist() == [0] * 5
    assert loaded(data, weights_only=weights_only)["y"].tolist() == [0, 0]
    with rl.serialization.skip_data():
        assert loaded(saved(rl.ones(3)), weights_only=weights_only).shape == (3,)
    with torch.serialization.skip_data():
        theirs = saved({"x": torch.ones(3)}, torch)
    assert loaded(theirs, weights_only=weights_only)["x"].tolist() == [0, 0, 0]


def test_files_without_checksums():
    try:
        torch.serialization.set_crc32_options(False)
        rl.serialization.set_crc32_options(False)
        assert loaded(saved(torch.arange(3.0), torch)).tolist() == [0, 1, 2]
        ours = saved(rl.arange(3.0))
        assert not rl.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(True)
        rl.serialization.set_crc32_options(True)
    assert torch.load(io.BytesIO(ours)).tolist() == [0, 1, 2] and loaded(ours).tolist() == [0, 1, 2]
    assert {e.CRC for e in zipfile.ZipFile(io.BytesIO(ours)).infolist()} == {0}


@BOTH
def test_map_location_takes_a_function_of_the_storage(weights_only):
    data = saved({"x": rl.arange(3.0), "y": rl.ones(2)})
    seen = []

    def place(storage, where):
        seen.append((type(storage).__name__, storage.nbytes(), storage.tolist()[:4], where))
        return storage

    assert loaded(data, map_location=place, weights_only=weights_only)["x"].tolist() == [0, 1, 2]
    assert seen == [("UntypedStorage", 12, [0, 0, 0, 0], "cpu"), ("UntypedStorage", 8, [0, 0, 128, 63], "cpu")]
    assert loaded(data, map_location=lambda s, where: None, weights_only=weights_only)["y"].tolist() == [1, 1]
    doubled = loaded(data, map_location=lambda s, where: s.clone(), weights_only=weights_only)
    assert doubled["y"].tolist() == [1, 1]
    with pytest.raises(pickle.UnpicklingError, match="smaller"):
        loaded(data, map_location=lambda s, where: rl.UntypedStorage(1), weights_only=weights_only)
    for where in ({"cpu": "meta"}, "meta", rl.device("meta")):
        assert loaded(data, map_location=where, weights_only=weights_only)["x"].is_meta


def test_storages_move_and_copy():
    for fw in (rl, torch):
        x = fw.arange(3.0)
        s = x.untyped_storage()
        assert s.cpu().data_ptr() == s.data_ptr() and not s.is_cuda and s.untyped() is s and s.get_device() is None
        if fw is rl:
            assert s.to(device="meta").device.type == "meta"
        other = fw.UntypedStorage(12)
        other.copy_(s)
        assert other.tolist() == s.tolist() and other.fill_(7).tolist() == [7] * 12
        other.copy_(s)
        other.byteswap(fw.float32)
        assert other.tolist()[4:8] == s.tolist()[4:8][::-1]
        typed = x.storage() if fw is rl else torch.storage.TypedStorage(wrap_storage=s, dtype=x.dtype, _internal=True)
        assert typed.cpu().tolist() == [0, 1, 2]
        with pytest.raises(RuntimeError, match="size"):
            other.copy_(fw.UntypedStorage(1))
    for place in (lambda s, where: s.cpu(), lambda s, where: s.to(device="meta")):
        assert loaded(saved(rl.ones(2)), map_location=place).shape == (2,)
    with pytest.raises(AssertionError, match="CUDA"):
        loaded(saved(rl.ones(2)), map_location=lambda s, where: s.cuda(0))


@BOTH
def test_mmap(tmp_path, weights_only):
    path = tmp_path / "m.pt"
    rl.save({"x": rl.arange(1000.0)}, path)
    back = rl.load(path, mmap=True, weights_only=weights_only)["x"]
    assert not back.untyped_storage().resizable()  # the file's own memory
    back[0] = 50  # private
    assert rl.load(path, weights_only=weights_only)["x"][0] == 0 and back[0] == 50
    with pytest.raises(ValueError, match="must be a file path"):
        rl.load(io.BytesIO(path.read_bytes()), mmap=True, weights_only=weights_only)


def test_how_files_are_mapped():
    for fw in (rl, torch):
        assert fw.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
        with fw.serialization.set_default_mmap_options(mmap.MAP_PRIVATE):
            pass
    with pytest.raises(NotImplementedError, match="checksums.*MAP_PRIVATE"):
        rl.serialization.set_default_mmap_options(mmap.MAP_SHARED)


class OnMeta(rl.Tensor):
    """Its shape alone is saved, and attributes."""


def test_allowed_classes_without_values_and_names_of_python_2():
    x = rl.empty(2, 3, device="meta").as_subclass(OnMeta)
    x.note = 3
    with rl.serialization.safe_globals([OnMeta]):
        back = loaded(saved(x))
    assert type(back) is OnMeta and back.is_meta and back.shape == (2, 3) and back.note == 3
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL builtins.print was not an allowed"):
        loaded(saved(print))


def test_two_types_over_one_memory_can_not_be_saved():
    x = rl.ones(2)
    for obj in ({"x": x, "y": x.view(rl.int32)}, {"x": x, "y": x.view(rl.int32), "other": range(2)}):
        with pytest.raises(RuntimeError, match="view the same data as different types"):
            saved(obj)


def test_unsafe_globals_are_listed():
    data = saved(torch.nn.Linear(1, 1), torch)
    assert rl.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == ["torch.nn.modules.linear.Linear"]
    assert rl.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(saved(values()))) == []
    with rl.serialization.safe_globals([rl.nn.Linear]):
        assert rl.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == []


def test_registered_devices(monkeypatch):
    monkeypatch.setattr(rl.serialization, "_packages", [])
    rl.serialization.register_package(5, lambda s: None, lambda s, where: s.clone() if where == "elsewhere" else None)
    data = rezipped(
        saved(rl.ones(2)), lambda n, d: (n, d.replace(b"X\x03\x00\x00\x00cpu", b"X\x09\x00\x00\x00elsewhere"))
    )
    for weights_only in (True, False):
        assert loaded(data, weights_only=weights_only).tolist() == [1, 1]
    assert rl.serialization.location_tag(rl.UntypedStorage(1)) == "cpu"


# ---- modules of older versions


def aged(module, *changes):
    """The module pickled, with its attributes as an older version had them."""
    for path, change in changes:
        change(module.get_submodule(path).__dict__)
    return loaded(saved(module), weights_only=False)


def without(*names):
    def change(own):
        for name in names:
            own.pop(name, None)
            own["_parameters"].pop(name, None)
            own["_buffers"].pop(name, None)

    return change


def test_modules_pickled_by_older_versions():
    nn, x = rl.nn, rl.randn(2, 3, 8)
    for make in (
        lambda: (nn.LSTM(8, 4), without("proj_size")),
        lambda: (
            nn.LSTM(8, 4, 2, bidirectional=True),
            lambda own: (own.pop("proj_size"), own.update(_data_ptrs=[], dropout_state={})),
        ),
        lambda: (nn.GRU(8, 4), lambda own: own.update(_flat_weights_names=[], _flat_weights=[rl.ones(1)])),
        lambda: (nn.RNN(8, 4), lambda own: own.update(all_weights=own["_all_weights"])),
        lambda: (nn.GELU(), without("approximate")),
        lambda: (
            nn.Conv1d(3, 2, 3, padding=1),
            without("padding_mode", "_reversed_padding_repeated_twice", "_non_persistent_buffers_set"),
        ),
        lambda: (
            nn.ConvTranspose1d(3, 2, 3),
            without("padding_mode", "_is_full_backward_hook", "_state_dict_pre_hooks"),
        ),
        lambda: (nn.BatchNorm1d(3).eval(), without("num_batches_tracked", "track_running_stats")),
        lambda: (nn.SiLU(), without("inplace")),
        lambda: (nn.Softmax(-1), without()),
        lambda: (nn.AvgPool1d(2), without("count_include_pad")),
        lambda: (nn.Upsample(scale_factor=2.0), without("align_corners", "recompute_scale_factor")),
    ):
        module, change = make()
        expected = module(x)
        got = aged(module, ("", change))(x)
        for a, b in zip(
            got if isinstance(got, tuple) else (got,), expected if isinstance(expected, tuple) else (expected,)
        ):
            if isinstance(a, rl.Tensor):
                assert_same(a, to_torch(b.detach()), 1e-6, 1e-6)


TRAVELLERS = {
    "linear": lambda nn: nn.Linear(2, 3),
    "convolution": lambda nn: nn.Conv2d(2, 4, 3, padding="same"),
    "batch norm": lambda nn: nn.BatchNorm2d(3),
    "LSTM": lambda nn: nn.LSTM(3, 4, 2, bidirectional=True),
    "GRU": lambda nn: nn.GRU(3, 4),
    "attention": lambda nn: nn.MultiheadAttention(8, 2),
    "encoder": lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2),
    "containers": lambda nn: nn.ModuleDict(
        {"a": nn.Sequential(nn.GELU(), nn.Dropout()), "b": nn.ModuleList([nn.PReLU()])}
    ),
    "loss": lambda nn: nn.CrossEntropyLoss(label_smoothing=0.1),
    "weight norm": lambda nn: nn.utils.weight_norm(nn.Linear(2, 2)),
    "spectral norm": lambda nn: nn.utils.spectral_norm(nn.Linear(2, 2)),
    "lazy": lambda nn: nn.LazyLinear(3),
}


@pytest.mark.parametrize("kind", TRAVELLERS)
@pytest.mark.parametrize("zipped", [True, False])
def test_whole_modules_travel_both_ways(kind, zipped):
    theirs = TRAVELLERS[kind](torch.nn)
    ours = loaded(saved(theirs, torch, _use_new_zipfile_serialization=zipped), weights_only=False)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    back = torch.load(io.BytesIO(saved(ours, _use_new_zipfile_serialization=zipped)), weights_only=False)
    assert repr(back) == repr(theirs)
    for name, value in theirs.state_dict().items():
        if not torch.nn.parameter.is_lazy(value):
            assert (back.state_dict()[name] == value).all()
    if kind == "LSTM":
        x = torch.ones(5, 1, 3)
        assert_same(ours(rl.ones(5, 1, 3))[0], theirs(x)[0], 1e-5, 1e-6)
        assert (back(x)[0] == theirs(x)[0]).all()


def test_attention_pickled_by_older_versions():
    nn, x = rl.nn, rl.randn(5, 2, 8)
    module = nn.MultiheadAttention(8, 2)
    expected = module(x, x, x)[0]
    old = aged(
        module,
        (
            "",
            without(
                "batch_first", "kdim", "vdim", "_qkv_same_embed_dim", "q_proj_weight", "k_proj_weight", "v_proj_weight"
            ),
        ),
    )
    assert_same(old(x, x, x)[0], to_torch(expected.detach()), 1e-6, 1e-6)
    layer = nn.TransformerEncoderLayer(8, 2, 16).eval()
    encoder = nn.TransformerEncoder(layer, 2).eval()
    expected = encoder(x)
    old = aged(
        encoder,
        ("", without("enable_nested_tensor", "use_nested_tensor", "mask_check")),
        *((f"layers.{i}", without("norm_first", "activation", "activation_relu_or_gelu")) for i in range(2)),
        *((f"layers.{i}.self_attn", without("batch_first")) for i in range(2)),
    )
    assert_same(old(x), to_torch(expected.detach()), 1e-6, 1e-6)


def test_names_that_moved():
    def renamed(name, data):
        new = b"torch.nn.modules.activation\n_LinearWithBias\n"  # 1.4 to 1.8
        return name, data.replace(b"torch.nn.modules.linear\nNonDynamicallyQuantizableLinear\n", new)

    module = rl.nn.MultiheadAttention(4, 2)
    back = loaded(rezipped(saved(module), renamed), weights_only=False)
    assert (back.out_proj.weight == module.out_proj.weight).all()

    def replaced(name, data):
        return name, data.replace(b"ctorch.nn.modules.linear\nLinear\n", b"ctorch.nn.modules.linear\nNothing\n")

    with pytest.raises(AttributeError, match="torch.nn.modules.linear.Nothing, which rushlight does not have"):
        loaded(rezipped(saved(rl.nn.Linear(1, 1)), replaced), weights_only=False)


def test_losses_of_older_versions():
    for flags, reduction in (
        ({"size_average": True, "reduce": True}, "mean"),
        ({"size_average": False}, "sum"),
        ({"reduce": False}, "none"),
    ):
        loss = rl.nn.MSELoss()
        del loss.reduction
        loss.__dict__.update(flags)
        assert loaded(saved(loss), weights_only=False).reduction == reduction


# ---- safetensors


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_safetensors(tmp_path):
    base = rl.arange(6.0).reshape(2, 3)
    tensors = {
        "a": base.t(),
        'b/é\n"x"': rl.ones(2, dtype=rl.bfloat16),
        "c": rl.tensor([True]),
        "d": rl.tensor(5),
        "e": rl.empty(0, 3),
        "f": rl.ones(2).to(rl.float8_e4m3fn),
    }
    path = tmp_path / "m.safetensors"
    rl.safetensors.save_file(tensors, path, {"format": "pt"})
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    assert (8 + size) % 8 == 0 and header["__metadata__"] == {"format": "pt"} and header["a"]["shape"] == [3, 2]
    for back in (rl.safetensors.load_file(path), rl.safetensors.load(data)):
        assert set(back) == set(tensors)
        for name, t in tensors.items():
            assert back[name].dtype == t.dtype and back[name].shape == t.shape and back[name].is_contiguous()
            assert back[name].tolist() == t.tolist()
    with rl.safetensors.safe_open(path, framework="pt") as f:
        assert f.keys() == sorted(tensors) and f.metadata() == {"format": "pt"}
        assert f.get_tensor("a").tolist() == base.t().tolist()
        assert f.get_slice("a")[1:, 0].tolist() == [1, 2] and f.get_slice("a").get_shape() == [3, 2]
        with pytest.raises(KeyError, match="does not contain tensor z"):
            f.get_tensor("z")
    assert rl.safetensors.load(rl.safetensors.save({})) == {}


def test_safetensors_of_models(tmp_path):
    model = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    path = tmp_path / "m.safetensors"
    with pytest.raises(RuntimeError, match="share memory"):
        rl.safetensors.save_file(model.state_dict(), path)
    rl.safetensors.save_model(model, path)
    other = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.Linear(2, 2))
    other[1].weight = other[0].weight
    assert rl.safetensors.load_model(other, path) == ([], [])
    assert (other[1].weight == model[0].weight).all()
    with pytest.raises(RuntimeError, match="Missing key"):
        rl.safetensors.load_model(rl.nn.Linear(2, 2), path)


ONE = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "too short"),
        (b"\x01", "too short"),
        (struct.pack("<Q", 2**63) + b"{}", "a header of"),
        (raw(b"{"), "ends too early"),
        (raw(b"[]"), "expected '{'"),
        (raw(b'{"x"'), "damaged"),
        (raw(b'{"x": {"dtype": "F32"}}'), "without dtype, shape or data_offsets"),
        (raw(ONE), "outside of the file"),
        (raw(ONE, b"12345678"), "after the last tensor"),
        (raw({"x": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}}, b"1234"), "dtype 'F33'"),
        (raw({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"), "has 4 bytes"),
        (raw({"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}}, b"1234"), "has 4 bytes"),
        (raw({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"1234"), "not negative"),
        (raw({**ONE, "y": ONE["x"]}, b"1234"), "overlap"),
        (raw(b'{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "x": {}}', b"1234"), "damaged"),
        (raw(b'{"\\ud800": 5}'), "damaged"),
        (raw(b'{"x\\'), "damaged"),
    ],
    ids=range(17),
)
def test_damaged_safetensors(data, text):
    with pytest.raises(RuntimeError, match=text):
        rl.safetensors.load(data)


def test_every_cut_and_changed_byte_of_safetensors_answers_or_says_why():
    data = rl.safetensors.save({"x": rl.arange(3.0), "y": rl.ones(2, 2, dtype=rl.int64)}, {"a": "b"})
    for end in range(len(data)):
        with pytest.raises(RuntimeError, match="load"):
            rl.safetensors.load(data[:end])
    for at in range(len(data)):
        for byte in (0, 34, 57, 123, 255):
            try:
                rl.safetensors.load(data[:at] + bytes([byte]) + data[at + 1 :])
            except RuntimeError as e:
                assert "load 'a file object'" in str(e)


def test_safetensors_of_what_it_can_not_hold(tmp_path):
    with pytest.raises(ValueError, match="lacks"):
        rl.safetensors.save({"x": rl.ones(1, dtype=rl.complex128)})
    with pytest.raises(ValueError, match="expected torch.Tensor"):
        rl.safetensors.save({"x": 1})
    with pytest.raises(ValueError, match="Expected a dict"):
        rl.safetensors.save([rl.ones(1)])
    with pytest.raises(ValueError, match="meta"):
        rl.safetensors.save({"x": rl.ones(1, device="meta")})
    with pytest.raises(FileNotFoundError):
        rl.safetensors.load_file(tmp_path / "none")
    with pytest.raises(ValueError, match="framework"):
        rl.safetensors.safe_open(tmp_path / "none", framework="flax")


def test_strings_of_python_2_are_read_in_the_encoding_that_the_caller_names():
    text = "\u017c\u00f3".encode()
    data = (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x01U\rlittle_endianq\x02\x88s.\x80\x02]q\x01(U\x04"
        + text
        + b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x011U\x03cpuK\x01NtQK\x00K\x01\x85K\x01\x85"
        b"\x89NtRe.\x80\x02]q\x01U\x011q\x02a." + (1).to_bytes(8, "little") + bytes(4)
    )
    for fw in (rl, torch):
        for options, wanted in (({}, text.decode()), ({"encoding": "bytes"}, text)):
            read, zeros = fw.load(io.BytesIO(data), weights_only=False, **options)
            assert read == wanted and zeros.tolist() == [0.0]


def test_what_was_saved_to_a_file_object_is_there_for_others(tmp_path):
    for fw in (rl, torch):
        with open(tmp_path / "m.pt", "wb") as file:
            fw.save(fw.ones(2), file)
            assert fw.load(tmp_path / "m.pt").tolist() == [1.0, 1.0]


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("writer", [rl, torch], ids=["rushlight", "torch"])
def test_objects_one_after_another_in_a_file(writer, weights_only):
    x = writer.arange(6.0).reshape(2, 3)
    objects = [{"x": x, "row": x[1]}, [writer.ones(3, dtype=writer.int64), x.bool()], 7, x.to(writer.bfloat16)]
    file = io.BytesIO()
    for o in objects:
        file.write(b"gap")
        writer.save(o, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    for o in objects:
        assert file.read(3) == b"gap"
        assert str(rl.load(file, weights_only=weights_only)) == str(o)
    assert not file.read()
