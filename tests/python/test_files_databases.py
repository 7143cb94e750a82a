"""LMDB and LevelDB: what is written is read, by the plain packages too; damage and misuse are errors that say so."""

import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import BUILD
from PIL import Image

import rushlight as torch
from rushlight import _data
from rushlight.data import (
    DatabaseDataset,
    decode_record,
    encode_datum,
    encode_tensors,
    make_db,
    meanings,
    open_db,
)

KINDS = [
    pytest.param(k, marks=pytest.mark.skipif(not _data.has_library(k), reason=f"no {k} here"))
    for k in ("lmdb", "leveldb")
]
needs_lmdb = KINDS[0].marks[0]
ENTRIES = {f"key{i:03d}".encode(): bytes([i % 256]) * (i % 50) for i in range(600)}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def filled(kind, tmp_path):
    path = tmp_path / "db"
    with open_db(path, "a", kind) as db, db.write() as batch:
        for key, value in reversed(ENTRIES.items()):
            batch.put(key, value)
    return path


def test_what_is_written_is_read(filled, kind):
    with open_db(filled) as db:
        assert db.kind == kind == _data.db_kind(filled)
        assert len(db) == 600 and list(db.items()) == list(ENTRIES.items())
        assert list(db) == list(ENTRIES) and list(db.values()) == list(ENTRIES.values())
        assert db["key007"] == b"\x07" * 7 and db[b"key000"] == b""
        assert "key601" not in db and db.get("nope", 5) == 5
        assert db.get_many(["key001", "nope"]) == [b"\x01", None]
        with pytest.raises(KeyError):
            db["nope"]


def test_ranges(filled):
    with open_db(filled) as db:
        keys = list(ENTRIES)
        assert list(db.keys("key590")) == keys[590:]
        assert list(db.keys(stop=b"key003")) == keys[:3]
        assert list(db.keys(b"key0035", b"key005")) == keys[4:5]
        assert list(db.keys(prefix="key01")) == keys[10:20]
        assert list(db.keys(reverse=True)) == keys[::-1]
        assert list(db.keys("key002", "key005", reverse=True)) == keys[4:1:-1]
        assert list(db.keys(prefix="key59", reverse=True)) == keys[599:589:-1]
        assert list(db.keys(prefix="zzz")) == []
        with pytest.raises(ValueError, match="prefix"):
            list(db.keys(start="a", prefix="b"))


def test_cursor(filled):
    db = open_db(filled)
    cursor = db.cursor()
    assert cursor and cursor.key == b"key000"
    assert cursor.seek("key0105") and cursor.key == b"key011" and cursor.value == bytes([11]) * 11
    assert cursor.next() and cursor.prev() and cursor.prev() and cursor.key == b"key010"
    assert cursor.last() and cursor.key == b"key599"
    assert not cursor.next() and not cursor
    with pytest.raises(IndexError, match="on no entry"):
        cursor.key  # noqa: B018
    db.close()
    assert cursor.first() and cursor.key == b"key000"  # a cursor keeps what it needs
    with pytest.raises(ValueError, match="is closed"):
        db["key000"]


def test_closed_while_it_is_read(filled):
    db = open_db(filled)

    def keys():
        yield "key000"
        db.close()
        yield "key001"

    assert db.get_many(keys()) == [b"", bytes([1])]

    # A LevelDB is read without Python's lock.
    for _ in range(20):
        db = open_db(filled)
        closer = threading.Timer(0.002, db.close)
        closer.start()
        with pytest.raises(ValueError, match="is closed"):
            while True:
                db["key300"]
        closer.join()


def test_transaction_is_whole_or_nothing(filled):
    with open_db(filled, "w") as db:
        before = db.cursor()
        with pytest.raises(RuntimeError, match="stop"), db.write() as batch:
            batch.put("new", "1")
            raise RuntimeError("stop")
        assert "new" not in db
        with db.write() as batch:
            batch["new"] = "é"
            del batch["key000"]
            assert (
                batch.get("new") == "é".encode()
                and batch.get("key000", "gone") == "gone"
                and batch.get("key001") == b"\x01"
            )
        assert db["new"] == "é".encode() and "key000" not in db and len(db) == 600
        db["more"] = b"x"
        del db["more"], db["never there"]
        assert "more" not in db
        assert before.first() and before.key == b"key000"  # the database as it was


def test_opened_to_read_is_not_written(filled):
    with open_db(filled) as db, pytest.raises(RuntimeError, match="opened to read"):
        db["a"] = b"b"


def test_plain_packages_read_ours_and_we_theirs(kind, filled, tmp_path):
    package = pytest.importorskip("lmdb" if kind == "lmdb" else "plyvel")
    theirs = tmp_path / "theirs"
    if kind == "lmdb":
        with package.open(str(filled), readonly=True) as env, env.begin() as txn:
            assert dict(txn.cursor()) == ENTRIES
        with package.open(str(theirs), map_size=1 << 22) as env, env.begin(write=True) as txn:
            for key, value in ENTRIES.items():
                txn.put(key, value)
    else:
        db = package.DB(str(filled))
        assert dict(db) == ENTRIES
        db.close()
        db = package.DB(str(theirs), create_if_missing=True)
        for key, value in ENTRIES.items():
            db.put(key, value)
        db.close()
    with open_db(theirs, "w") as db:
        assert dict(db.items()) == ENTRIES
        db["more"] = b"1"


@needs_lmdb
def test_lmdb_in_a_file_and_by_name(tmp_path):
    with open_db(tmp_path / "one.mdb", "a", name="train") as db:
        db["a"] = b"1"
    assert (tmp_path / "one.mdb").is_file()
    assert open_db(tmp_path / "one.mdb", name="train")["a"] == b"1"
    assert list(open_db(tmp_path / "one.mdb")) == [b"train"]
    with pytest.raises(KeyError, match="no database 'test'"):
        open_db(tmp_path / "one.mdb", name="test")
    with pytest.raises(ValueError, match="keys of 1 to 511 bytes"):
        open_db(tmp_path / "one.mdb", "w")["x" * 600] = b""


def _read_in_child(db, results):
    try:
        results.put((len(db), db["key007"]))
    except RuntimeError as error:
        results.put(str(error))


def test_forked_and_spawned_children(filled, kind):
    db = open_db(filled)
    cursor = db.cursor()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_read_in_child, args=(db, results))
    child.start()
    got = results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    if kind == "lmdb":
        assert got == (600, b"\x07" * 7)
        assert pickle.loads(pickle.dumps(db))["key007"] == b"\x07" * 7
    else:
        assert "belongs to the process that opened it" in got
    assert db["key007"] == b"\x07" * 7 and cursor.last()


def test_threads(filled):
    from concurrent.futures import ThreadPoolExecutor

    with open_db(filled) as db, ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda k: db[k] == ENTRIES[k], list(ENTRIES) * 4))


def test_nothing_there(tmp_path):
    with pytest.raises(OSError, match="no such file or folder; to make one, open it to write"):
        open_db(tmp_path / "db")
    (tmp_path / "other").mkdir()
    with pytest.raises(OSError, match="neither LMDB .* nor LevelDB"):
        open_db(tmp_path / "other")
    with pytest.raises(ValueError, match="mode r, w or a"):
        open_db(tmp_path / "db", "x")


def test_half_written(filled, kind):
    if kind == "lmdb":
        file = filled / "data.mdb"
        data = file.read_bytes()
        for size in (100, 5000, len(data) - 4096):
            file.write_bytes(data[:size])
            with pytest.raises(RuntimeError, match=f"open_db '{filled}': .*data.mdb' ends at byte {size}"):
                open_db(filled)
        file.write_bytes(bytes(16) + b"\xde\xc0\xef\xbf" + data[20:])
        with pytest.raises((RuntimeError, OSError), match="open_db"):
            open_db(filled)
    else:
        with open_db(filled, "w") as db, db.write() as batch:
            for i in range(3000):
                batch.put(f"k{i}", os.urandom(100))
        for log in filled.glob("*.log"):
            data = bytearray(log.read_bytes())
            data[len(data) // 2] ^= 0xFF
            log.write_bytes(data)
        with pytest.raises(RuntimeError, match=f"open_db '{filled}': .*damaged or half-written"):
            open_db(filled)
        for manifest in filled.glob("MANIFEST-*"):
            manifest.unlink()
        with pytest.raises(RuntimeError, match="damaged or half-written"):
            open_db(filled)


# ---- records ----


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_datum(dtype):
    image = (torch.rand(3, 4, 5) * 255).to(getattr(torch, dtype))
    back, label = decode_record(encode_datum(image, -3))
    assert torch.equal(back, image) and label == -3
    assert decode_record(encode_datum(image.permute(0, 2, 1)))[1] is None


@pytest.mark.skipif(not _data.has_library("png"), reason="built without libpng")
def test_encoded_datum():
    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    image, label = decode_record(encode_datum(out.getvalue(), 4))
    assert label == 4 and np.array_equal(image.numpy().transpose(1, 2, 0), pixels)


def test_tensor_protos():
    tensors = {
        "f": torch.randn(2, 3), "d": torch.randn(4).double(), "u": torch.arange(5, dtype=torch.uint8), "l": torch.tensor([-1, 2**60]),
        "i": torch.tensor([-5, 7], dtype=torch.int32), "s": torch.tensor([-5], dtype=torch.int16), "c": torch.tensor([-5], dtype=torch.int8),
        "b": torch.tensor([True, False]), "h": torch.randn(3).half(), "scalar": torch.tensor(3.0), "none": torch.zeros(0, 2),
    }  # fmt: skip
    back = decode_record(encode_tensors(tensors))
    assert back.keys() == tensors.keys()
    for name, t in tensors.items():
        assert back[name].dtype == t.dtype and torch.equal(back[name], t), name
    assert isinstance(decode_record(encode_tensors([torch.ones(1)])), tuple)
    with pytest.raises(TypeError, match="no type for complex64"):
        encode_tensors([torch.zeros(1, dtype=torch.complex64)])


def test_records_by_their_bytes():
    # Datum { channels: 1 height: 1 width: 2 data: "ab" label: 3 }, as protobuf writes it, with an unknown field 9 in between.
    assert decode_record(b"\x08\x01\x10\x01\x18\x02\x4a\x01x\x22\x02ab\x28\x03")[0].tolist() == [[[97, 98]]]
    # TensorProtos { protos { dims: 2 data_type: FLOAT float_data: [1, 2] } }, not packed.
    (t,) = decode_record(b"\x0a\x0e\x08\x02\x10\x01\x1d\x00\x00\x80\x3f\x1d\x00\x00\x00\x40")
    assert t.tolist() == [1, 2]
    # The same, packed, with no number at all.
    (t,) = decode_record(b"\x0a\x06\x08\x00\x10\x01\x1a\x00")
    assert t.tolist() == [] and t.shape == (0,)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "empty"),
        (b"\x08", "cut short"),
        (b"\x08\x01\x22\x7f", "a field of 127 bytes at byte 2"),
        (b"\x08\x01\x10\x01\x18\x03\x22\x02ab", "sizes \\[1, 1, 3\\] with 2 numbers"),
        (b"\x0a\x05\x08\x02\x10\x01", "cut short"),
        (b"\x0a\x04\x08\x02\x10\x08", "type 8"),
        (b"\x0b", "no field of protobuf's"),
        (b"\x08" + b"\xff" * 12, "a number without an end"),
        (b"\x08\x01\x10\x01\x18\x01\x22\x02ab\x38\x01", "the picture at byte 8: no PNG"),
    ],
)
def test_damaged_records(data, says):
    with pytest.raises(RuntimeError, match=says):
        decode_record(data)


# ---- make-db ----


@pytest.fixture
def pictures(tmp_path):
    for i, name in enumerate(["cat/a.ppm", "cat/b.ppm", "dog/c.ppm"]):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), i, dtype=np.uint8)).save(file)
    return tmp_path / "pictures"


def test_make_db_of_a_folder(pictures, kind, tmp_path):
    assert make_db(pictures, tmp_path / "db", kind) == {"entries": 3, "errors": 0, "classes": 2}
    data = DatabaseDataset(tmp_path / "db")
    assert data.keys == [b"00000000_cat/a.ppm", b"00000001_cat/b.ppm", b"00000002_dog/c.ppm"]
    assert [(int(image[0, 0, 0]), label) for image, label in data] == [(0, 0), (1, 0), (2, 1)]
    assert meanings(tmp_path / "db") == {"classes": ["cat", "dog"]}
    with pytest.raises(FileExistsError, match="is there already"):
        make_db(pictures, tmp_path / "db", kind)


def test_make_db_names_or_counts_damaged_pictures(pictures, kind, tmp_path):
    bad = pictures / "cat" / "bad.ppm"
    bad.write_bytes(b"P6 9 9 255\n")
    with pytest.raises(RuntimeError, match=f"{bad}.*cut short"):
        make_db(pictures, tmp_path / "one", kind)
    assert make_db(pictures, tmp_path / "two", kind, skip_errors=True)["errors"] == 1
    assert len(DatabaseDataset(tmp_path / "two")) == 3


def test_make_db_of_a_csv(kind, tmp_path):
    (tmp_path / "t.csv").write_text("x,y,name\n1.5,2,b\n2.5,3,a\n")
    assert make_db(tmp_path / "t.csv", tmp_path / "db", kind, types={"x": "float32"})["entries"] == 2
    first = DatabaseDataset(tmp_path / "db")[0]
    assert first["x"] == 1.5 and first["y"] == 2 and first["name"] == 1 and first["x"].dtype == torch.float32
    assert meanings(tmp_path / "db") == {"categories": {"name": ["a", "b"]}}


@needs_lmdb
def test_dataset_in_forked_workers(pictures, tmp_path):
    make_db(pictures, tmp_path / "db")
    data = DatabaseDataset(tmp_path / "db")
    assert len(data) == 3 and data[0][1] == 0  # open in the parent too
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map(_label, [(data, i) for i in range(3)]) == [0, 0, 1]
    assert [s[1] for s in data.__getitems__([2, 0])] == [1, 0]


def _label(job):
    data, i = job
    return data[i][1]


# ---- damage inside of LMDB's pages, which the library itself does not survive ----

READ_ALL = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from rushlight.data import open_db
path = pathlib.Path(sys.argv[2])
sound = (path / "data.mdb").read_bytes()
told = 0
for page in range(0, len(sound) // 4096):
    for at, bytes_ in [(8, 2), (10, 2), (12, 2), (14, 2), (16, 2), (40, 8), (64, 8), (88, 8), (128, 8), (4080, 8)]:
        for value, mode in ((0, "r"), (2, "r"), (2**64 - 1, "w")):
            data = bytearray(sound)
            start = 4096 * page + at
            data[start : start + bytes_] = (value % 2 ** (8 * bytes_)).to_bytes(bytes_, "little")
            (path / "data.mdb").write_bytes(data)
            (path / "lock.mdb").unlink(missing_ok=True)
            try:
                with open_db(path, mode, verify=mode == "r") as db:
                    sum(len(value) for _, value in db.items(reverse=True))
                    db.get("key007")
                    if mode == "w":
                        with db.write(sync=False) as batch:
                            batch["new"], batch["long"] = b"x", b"y" * 9000
                            del batch["key001"]
            except (RuntimeError, OSError) as error:
                assert "open_db" in str(error), error
                told += "is damaged" in str(error)
print(told)
"""


@needs_lmdb
def test_no_damaged_page_of_lmdb_ends_the_process(tmp_path):
    with open_db(tmp_path / "db", "a", "lmdb") as db:
        for first in range(3):
            with db.write() as batch:
                for i in range(first, 300, 3):
                    batch.put(f"key{i:03d}", bytes([i % 256]) * (i % 90 if i % 100 else 5000))
        with db.write() as batch:
            for i in range(0, 300, 7):
                batch.delete(f"key{i:03d}")
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, BUILD / "python", tmp_path / "db"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.returncode} {done.stderr[-2000:]}"
    assert int(done.stdout) > 100


@needs_lmdb
def test_an_error_of_a_damaged_page_names_it(tmp_path):
    with open_db(tmp_path / "db", "a", "lmdb") as db:
        db["a"] = b"1"
    file = tmp_path / "db" / "data.mdb"
    data = bytearray(file.read_bytes())
    page = next(p for p in range(len(data) - 4096, 0, -4096) if data[p + 10] == 2)  # the leaf that was written last
    data[page + 14 : page + 16] = b"\xff\xff"
    file.write_bytes(data)
    with pytest.raises(
        RuntimeError, match=f"open_db '.*': page {page // 4096} at byte {page}: its free space .* damaged"
    ):
        open_db(tmp_path / "db")


@needs_lmdb
def test_several_values_of_a_key_and_trees_in_trees_pass_the_check(tmp_path):
    package = pytest.importorskip("lmdb")
    with package.open(str(tmp_path / "db"), map_size=1 << 24, max_dbs=4) as env:
        for name, options in {"many": {}, "fixed": {"dupfixed": True}, "whole": {"integerkey": True}}.items():
            db = env.open_db(name.encode(), dupsort=name != "whole", **options)
            with env.begin(db=db, write=True) as txn:
                for i in range(2000):
                    key = i.to_bytes(8, "little") if name == "whole" else str(i % 3).encode()
                    txn.put(key, f"{i:08d}".encode())
                if name == "many":
                    txn.put(b"few", b"1"), txn.put(b"few", b"2")
    for name in ("many", "fixed", "whole"):
        with open_db(tmp_path / "db", name=name, verify=True) as db:
            assert len(list(db.items())) == 2000 + 2 * (name == "many")


def test_lookups_that_fail(filled):
    db = open_db(filled)
    with pytest.raises(TypeError, match="expected bytes or str, got int"):
        db[3]
    with pytest.raises(TypeError, match="expected bytes or str, got float"):
        1.5 in db  # noqa: B015
    with pytest.raises(KeyError, match="not there"):
        db["not there"]
    assert "not there" not in db and db.get("not there", 5) == 5
    db.close()
    for ask in (lambda: db["a"], lambda: "a" in db, lambda: db.get("a"), lambda: len(db), lambda: list(db.keys())):
        with pytest.raises(ValueError, match="is closed"):
            ask()


def test_a_database_that_was_never_opened():
    from rushlight.data import Database

    empty = Database.__new__(Database)
    for ask in (lambda: empty["a"], lambda: "a" in empty):
        with pytest.raises(ValueError, match="never opened"):
            ask()
    with pytest.raises(TypeError):
        empty.get("a")
