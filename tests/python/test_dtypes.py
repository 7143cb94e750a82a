"""All dtypes of the table, those that are only stored included: made, viewed, converted, printed, saved, loaded, as by PyTorch."""

import io
import math

import numpy as np
import pytest
import torch

import rushlight

FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
UNSIGNED = ["uint16", "uint32", "uint64"]
QUANTIZED = ["qint8", "quint8", "qint32", "quint4x2", "quint2x4"]
STORED = [*FLOAT8, *UNSIGNED, "complex32"]
COMPUTED = ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool", "bfloat16"]
COMPLEX = ["complex64", "complex128"]


def both(make):
    return make(rushlight), make(torch)


def same_bytes(ours, theirs):
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    if ours.numel():
        ours, theirs = ours.contiguous().reshape(-1), theirs.contiguous().reshape(-1)
        assert ours.view(rushlight.uint8).tolist() == theirs.view(torch.uint8).tolist()


@pytest.mark.parametrize("name", [*STORED, *QUANTIZED, *COMPUTED, *COMPLEX])
def test_facts_of_a_dtype_are_pytorchs(name):
    ours, theirs = getattr(rushlight, name), getattr(torch, name)
    assert repr(ours) == repr(theirs)
    for fact in ("itemsize", "is_floating_point", "is_complex"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact
    if name in QUANTIZED:
        with pytest.raises(RuntimeError, match="isSignedType"):
            _ = ours.is_signed
    else:
        assert ours.is_signed == theirs.is_signed
    if name in ("float16", "float32", "float64", "bfloat16", "complex32", *COMPLEX):
        assert str(ours.to_complex()) == str(theirs.to_complex())
        assert str(ours.to_real()) == str(theirs.to_real())
    else:
        with pytest.raises(RuntimeError, match="Unknown Complex ScalarType"):
            ours.to_complex()


@pytest.mark.parametrize("name", [n for n in dir(torch) if isinstance(getattr(torch, n), torch.dtype)])
def test_each_name_of_pytorch_s_is_the_same_dtype(name):
    if not hasattr(rushlight, name):
        assert name.startswith(("bit", "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "int", "float4"))
        pytest.skip("a dtype that rushlight has not")
    assert repr(getattr(rushlight, name)) == repr(getattr(torch, name))


def interesting(lib):
    values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.4,
        1.5,
        2.5,
        3.5,
        -5.5,
        100.7,
        127.9,
        200.0,
        255.0,
        300.0,
        448.0,
        463.9,
        464.0,
        480.0,
        1e4,
    ]
    values += [57344.0, 61440.0, 65504.0, 65535.9, 70000.0, 1e9, 3e9, 5e9, 1e-3, 2e-5, 7e-8, 1e-40, 1e30, -1e30]
    return lib.tensor([*values, math.inf, -math.inf, math.nan], dtype=lib.float32)


@pytest.mark.parametrize("name", FLOAT8)
def test_floats_of_all_kinds_become_float8_as_in_pytorch(name):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 50_000, dtype=np.uint32).view(np.float32)
    near = rng.normal(size=50_000).astype(np.float32) * np.float32(2.0) ** rng.integers(-20, 18, 50_000)
    values = np.concatenate([bits[~np.isnan(bits)], near.astype(np.float32)])
    same_bytes(*both(lambda lib: lib.from_numpy(values).to(getattr(lib, name))))
    same_bytes(*both(lambda lib: interesting(lib).to(getattr(lib, name))))


@pytest.mark.parametrize("name", FLOAT8)
def test_every_code_of_float8_is_the_number_it_is_in_pytorch(name):
    def values(lib):
        return lib.arange(256).to(lib.uint8).view(getattr(lib, name)).to(lib.float32)

    ours, theirs = both(values)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("to", [*COMPUTED, *COMPLEX])
@pytest.mark.parametrize("given", [*COMPUTED, *COMPLEX])
def test_conversion_is_pytorchs_bit_by_bit(given, to):
    """Some pairs have a loop, others a detour (Note [Detours] in kernels/convert.cpp); more than its piece is converted here."""

    def converted(lib):
        x = lib.arange(700, dtype=lib.float64) * 0.1837
        if given in COMPLEX:
            x = lib.complex(x, x.flip(0))
        x = x.to(getattr(lib, given))
        return lib.stack([x.to(getattr(lib, to)), x.view(350, 2).t().to(getattr(lib, to)).reshape(-1)])

    same_bytes(*both(converted))


@pytest.mark.parametrize("to", STORED)
@pytest.mark.parametrize("given", [*COMPUTED, *COMPLEX, *STORED])
def test_conversion_to_a_stored_dtype(given, to):
    def converted(lib):
        t = lib.tensor([0, 1, 2, 3, 5, 100, 120, 60], dtype=lib.int64).to(getattr(lib, given))
        return lib.stack([t, t]).t().to(getattr(lib, to))  # strided, and more than one row

    same_bytes(*both(converted))


@pytest.mark.parametrize("to", [*COMPUTED, *COMPLEX, *STORED])
@pytest.mark.parametrize("given", UNSIGNED)
def test_large_unsigned_numbers_convert(given, to):
    bits = 8 * getattr(torch, given).itemsize

    def converted(lib):
        raw = [0, 1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1]
        return lib.tensor(raw, dtype=getattr(lib, given)).to(getattr(lib, to))

    same_bytes(*both(converted))


@pytest.mark.parametrize("to", UNSIGNED)
@pytest.mark.parametrize("given", ["float32", "float64"])
def test_floats_become_unsigned_numbers_by_wrapping(given, to):
    def converted(lib):
        return lib.tensor([0.0, -1.0, 70000.5, -3.0, 2e9, 65535.0], dtype=getattr(lib, given)).to(getattr(lib, to))

    same_bytes(*both(converted))


def test_complex32_holds_two_halves():
    def made(lib):
        return lib.tensor([1 + 2j, 1e6 - 3j, complex(0.1, -0.3)]).to(lib.complex32)

    same_bytes(*both(made))
    for f in (
        lambda lib: made(lib).real,
        lambda lib: lib.view_as_real(made(lib)),
        lambda lib: made(lib).to(lib.float32),
        lambda lib: made(lib).to(lib.complex64),
        lambda lib: made(lib) * made(lib),
        lambda lib: made(lib) + 1,
        lambda lib: made(lib).abs(),
        lambda lib: lib.complex(lib.ones(2).half(), lib.ones(2).half()),
        lambda lib: lib.ones(2, dtype=lib.float16) * 2j,
        lambda lib: made(lib).chalf().conj().resolve_conj(),
    ):
        same_bytes(*both(f))


@pytest.mark.parametrize("name", STORED)
def test_printing_and_reading_elements(name):
    def text(lib):
        return lib.tensor([[0, 1, 2], [3, 8, 64]], dtype=getattr(lib, name))

    ours, theirs = both(text)
    if name != "float8_e8m0fnu":  # PyTorch prints its smallest number, which 0 becomes, as 0
        assert repr(ours) == repr(theirs)
    assert ours.tolist() == theirs.tolist()
    assert ours[1, 2].item() == theirs[1, 2].item()
    assert ours.type() == theirs.type()


def test_the_largest_uint64_stays_what_it_is():
    t = rushlight.tensor([2**64 - 1, 0], dtype=rushlight.uint64)
    assert t[0].item() == 2**64 - 1 and t.tolist() == [2**64 - 1, 0]
    assert repr(t) == repr(torch.tensor([2**64 - 1, 0], dtype=torch.uint64))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("value", [3, -1, 70000, 2.5, -5.5, 1e9, 1e40])
def test_numbers_written_into_tensors(name, value):
    for f in (
        lambda lib: lib.zeros(3, dtype=getattr(lib, name)).fill_(value),
        lambda lib: lib.full((3,), value, dtype=getattr(lib, name)),
        lambda lib: lib.tensor([value], dtype=getattr(lib, name)),
    ):
        try:
            theirs = f(torch)
        except (RuntimeError, TypeError, OverflowError, ValueError):
            with pytest.raises((RuntimeError, TypeError, OverflowError, ValueError)):
                f(rushlight)
        else:
            same_bytes(f(rushlight), theirs)


@pytest.mark.parametrize("name", [*STORED, *QUANTIZED])
def test_views_and_moves_keep_the_bytes(name):
    def source(lib):
        return lib.arange(64).to(lib.uint8).view(getattr(lib, name))

    movers = [
        lambda t, lib: t.view(4, -1).t(),
        lambda t, lib: t[2:5],
        lambda t, lib: t[-1],
        lambda t, lib: t.view(lib.uint8),
    ]
    if name not in QUANTIZED:
        movers += [
            lambda t, lib: t.clone(),
            lambda t, lib: t.view(4, -1).t().contiguous(),
            lambda t, lib: lib.cat([t, t]),
            lambda t, lib: t[lib.tensor([1, 0])],
            lambda t, lib: lib.stack([t, t], 1),
            lambda t, lib: lib.zeros_like(t).copy_(t),
        ]
    for move in movers:
        ours, theirs = move(source(rushlight), rushlight), move(source(torch), torch)
        assert str(ours.dtype) == str(theirs.dtype) and ours.shape == theirs.shape
        if name not in QUANTIZED:
            same_bytes(ours.reshape(-1), theirs.reshape(-1))


@pytest.mark.parametrize("name", [*STORED, *QUANTIZED])
def test_checkpoints_go_both_ways(name, tmp_path):
    def made(lib):
        return {"t": lib.arange(64).to(lib.uint8).view(getattr(lib, name))[1:3]}

    for write, read in ((rushlight, torch), (torch, rushlight), (rushlight, rushlight)):
        write.save(made(write), tmp_path / "t.pt")
        for weights_only in (True, False):
            t = read.load(tmp_path / "t.pt", weights_only=weights_only)["t"]
            assert str(t.dtype) == "torch." + name
            assert t.storage_offset() == 1
            raw = t.untyped_storage()
            assert list(raw)[:64] == list(range(64))


@pytest.mark.parametrize("name", STORED)
def test_python_s_pickle_writes_them_too(name):
    t = rushlight.arange(16).to(rushlight.uint8).view(getattr(rushlight, name))
    file = io.BytesIO()
    rushlight.save({"t": t, "big": 2**70}, file)  # no number for the fast writer
    file.seek(0)
    same_bytes(
        rushlight.load(file, weights_only=False)["t"], torch.arange(16).to(torch.uint8).view(getattr(torch, name))
    )


@pytest.mark.parametrize("name", UNSIGNED)
def test_what_pytorch_computes_with_wide_unsigned_numbers(name):
    bits = 8 * getattr(torch, name).itemsize

    def numbers(lib):
        return lib.tensor([2**bits - 1, 7, 0, 2 ** (bits - 1)], dtype=getattr(lib, name))

    for f in (
        lambda t, lib: t * t,
        lambda t, lib: t * 3,
        lambda t, lib: t == t,
        lambda t, lib: t != 7,
        lambda t, lib: t & t,
        lambda t, lib: t | t,
        lambda t, lib: t ^ t,
        lambda t, lib: lib.where(t == t, t, t),
        lambda t, lib: t.sum(),
        lambda t, lib: t[1:3].prod(),
        lambda t, lib: t.cumsum(0),
        lambda t, lib: t.any(),
        lambda t, lib: (t / t).nan_to_num(5.0),
        lambda t, lib: t + lib.ones(4),
    ):
        same_bytes(f(numbers(rushlight), rushlight), f(numbers(torch), torch))
    assert rushlight.equal(numbers(rushlight), numbers(rushlight))
    for f in (lambda t: t + t, lambda t: t < t, lambda t: -t, lambda t: t.max()):
        with pytest.raises(NotImplementedError, match="UInt"):
            f(numbers(rushlight))


@pytest.mark.parametrize("name", FLOAT8)
def test_float8_multiplies_and_compares(name):
    def numbers(lib):
        return lib.tensor([1.0, 2.0, 4.0, 0.5]).to(getattr(lib, name))

    same_bytes(numbers(rushlight) * numbers(rushlight), numbers(torch) * numbers(torch))
    same_bytes(numbers(rushlight) == numbers(rushlight), numbers(torch) == numbers(torch))
    same_bytes(numbers(rushlight).isnan(), numbers(torch).isnan())
    with pytest.raises(NotImplementedError, match="Float8"):
        numbers(rushlight) + numbers(rushlight)
    with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported"):
        numbers(rushlight) * rushlight.ones(4)


@pytest.mark.parametrize("name", [*STORED, *QUANTIZED])
@pytest.mark.parametrize("other", [*COMPUTED, *COMPLEX, *STORED, *QUANTIZED])
def test_promotion_is_pytorchs(name, other):
    def promoted(lib):
        return str(lib.promote_types(getattr(lib, name), getattr(lib, other)))

    try:
        wanted = promoted(torch)
    except RuntimeError as e:
        with pytest.raises(RuntimeError, match=str(e)[:40].replace("(", "\\(")):
            promoted(rushlight)
    else:
        assert promoted(rushlight) == wanted


@pytest.mark.parametrize("name", QUANTIZED)
def test_quantized_elements_are_not_numbers(name):
    t = rushlight.empty(2, dtype=getattr(rushlight, name))
    for f in (lambda: t[0].item(), lambda: t.to(rushlight.float32), lambda: t + t, lambda: t * t):
        with pytest.raises(NotImplementedError, match="not implemented for 'QU?I"):
            f()


@pytest.mark.parametrize("name", UNSIGNED)
def test_numpy_shares_unsigned_arrays(name):
    array = np.arange(4).astype(name)
    t = rushlight.from_numpy(array)
    assert t.dtype is getattr(rushlight, name)
    array[0] = 9
    assert t[0].item() == 9 and t.numpy().dtype == array.dtype
    assert rushlight.from_dlpack(torch.arange(4).to(getattr(torch, name))).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", [*FLOAT8, "complex32", "bfloat16"])
def test_numpy_has_no_such_type(name):
    with pytest.raises(TypeError, match="Got unsupported ScalarType"):
        rushlight.zeros(2, dtype=getattr(rushlight, name)).numpy()


@pytest.mark.parametrize("name", FLOAT8)
def test_limits(name):
    ours, theirs = rushlight.finfo(getattr(rushlight, name)), torch.finfo(getattr(torch, name))
    for fact in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution", "dtype"):
        assert getattr(ours, fact) == getattr(theirs, fact), fact


@pytest.mark.parametrize("name", UNSIGNED)
def test_limits_of_unsigned_numbers(name):
    ours, theirs = rushlight.iinfo(getattr(rushlight, name)), torch.iinfo(getattr(torch, name))
    assert (ours.bits, ours.max, ours.min) == (theirs.bits, theirs.max, theirs.min)


def test_the_class_tensor_stands_for_the_default_dtype():
    assert rushlight.ones(2, dtype=rushlight.int32).type(rushlight.Tensor).dtype == rushlight.get_default_dtype()
    for fw in (rushlight, torch):
        with pytest.raises(
            TypeError, match="torch.cuda.FloatTensor not available. Torch not compiled with CUDA enabled"
        ):
            fw.set_default_tensor_type(fw.cuda.FloatTensor)
