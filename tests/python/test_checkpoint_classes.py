"""What checkpoints hold besides plain tensors: strings of Python 2, classes of tensors; and who decides what is executed."""

import copy
import io
import pickle

import pytest

import rushlight as rl

PYTHON_2 = (  # ["\xc5\xbc", "a"] of Python 2, in the format before 1.6
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x01(U\x10protocol_versionq\x02M\xe9\x03U\x0dlittle_endianq\x08\x88u."
    b"\x80\x02]q\x01(U\x02\xc5\xbcT\x01\x00\x00\x00ae.\x80\x02]q\x01."
)


@pytest.mark.parametrize(
    "encoding, expected", [("utf-8", ["ż", "a"]), ("latin1", ["Å¼", "a"]), ("bytes", [b"\xc5\xbc", b"a"])]
)
@pytest.mark.parametrize("weights_only", [True, False])
def test_strings_of_python_2_in_any_encoding(encoding, expected, weights_only):
    assert rl.load(io.BytesIO(PYTHON_2), encoding=encoding, weights_only=weights_only) == expected


def test_strings_of_python_2_in_a_wrong_encoding():
    for encoding, error in (("ascii", UnicodeDecodeError), ("no such", LookupError)):
        with pytest.raises(error):
            rl.load(io.BytesIO(PYTHON_2), encoding=encoding)


class Pair(rl.Tensor):
    """A class that keeps its values elsewhere."""

    @staticmethod
    def __new__(cls, a, b):
        return rl.Tensor._make_wrapper_subclass(cls, a.shape, dtype=a.dtype, strides=a.stride())

    def __init__(self, a, b):
        self.a, self.b = a, b

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        made = [func(getattr(args[0], name), *args[1:], **(kwargs or {})) for name in "ab"]
        return cls(*made) if func is rl.ops.aten.clone.default else made[0]


class Named(rl.Tensor):
    pass


def test_classes_of_tensors_are_saved_copied_and_loaded_where_they_are_allowed():
    for made in (Pair(rl.ones(2), rl.zeros(2)), rl.arange(3).as_subclass(Named)):
        buffer = io.BytesIO()
        rl.save({"x": made}, buffer)
        for options in ({"weights_only": False}, {}):
            buffer.seek(0)
            if not options:
                with pytest.raises(pickle.UnpicklingError, match=type(made).__name__):
                    rl.load(buffer)
                buffer.seek(0)
            with rl.serialization.safe_globals([type(made)]):
                read = rl.load(buffer, **options)["x"]
            assert type(read) is type(made) and read.shape == made.shape
            assert read.b.tolist() == [0.0, 0.0] if isinstance(read, Pair) else read.tolist() == [0, 1, 2]
    copied = copy.deepcopy(Pair(rl.ones(2), rl.zeros(2)))
    assert type(copied) is Pair and copied.a.tolist() == [1.0, 1.0]

    class Plain(Pair):
        __torch_dispatch__ = classmethod(lambda cls, func, types, args=(), kwargs=None: func(args[0].a))

    with pytest.raises(RuntimeError, match="cloning returns another instance of the same subclass"):
        copy.deepcopy(Plain(rl.ones(2), rl.ones(2)))


def test_the_environment_decides_what_is_executed(monkeypatch):
    buffer = io.BytesIO()
    rl.save(rl.nn.Linear(1, 1), buffer)

    def read(**options):
        buffer.seek(0)
        return rl.load(buffer, **options)

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.warns(UserWarning, match="forcing weights_only=False"):
        assert isinstance(read(), rl.nn.Linear)
    with pytest.raises(pickle.UnpicklingError):
        read(weights_only=True)
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "yes")
    with pytest.raises(RuntimeError, match="Only one of"):
        read()
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(pickle.UnpicklingError):
        read(weights_only=False)


def test_records_by_the_names_that_programs_know(tmp_path):
    for place in (tmp_path / "a.zip", io.BytesIO()):
        with rl.serialization._open_zipfile_writer(place) as archive:
            archive.write_record("a/b", b"1234", 4)
        if isinstance(place, io.BytesIO):
            place.seek(0)
            assert rl.serialization._is_zipfile(place) and place.tell() == 0
        with rl.serialization._open_zipfile_reader(place) as archive:
            assert archive.has_record("a/b") and archive.get_record("a/b") == b"1234"
    assert not rl.serialization._is_zipfile(io.BytesIO(b"PK"))
    function, arguments = rl._utils._rebuild_sparse_tensor, (rl.sparse_coo, (rl.tensor([[1]]), rl.ones(1), (3,)))
    assert pickle.loads(pickle.dumps(function)) is function and function(*arguments).shape == (3,)
