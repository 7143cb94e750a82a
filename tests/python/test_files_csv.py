"""rushlight.data.read_csv: types, quotes, missing values, and what it says of bad rows."""

import random

import numpy as np
import pytest

import rushlight as torch
from rushlight.data import read_csv


def test_types_are_guessed():
    t = read_csv(b"i,f,b,s,m\n1,2.5,true,x y,\n-3,1e3,False,z,4\n")
    assert t["i"].tolist() == [1, -3] and t["i"].dtype == torch.int64
    assert t["f"].tolist() == [2.5, 1000] and t["f"].dtype == torch.float64
    assert t["b"].tolist() == [True, False]
    assert t["s"] == ["x y", "z"]
    assert t["m"].isnan().tolist() == [True, False] and t["m"][1] == 4
    assert t.rows == 2 and list(t) == ["i", "f", "b", "s", "m"]


def test_types_by_name_and_for_all():
    t = read_csv(b"a,b\n1,2\n3,4\n", "float32")
    assert t["a"].dtype == t["b"].dtype == torch.float32
    assert torch.equal(t.tensor(), torch.tensor([[1.0, 2], [3, 4]]))
    t = read_csv(b"a,b\n1,2\n3,4\n", {"b": "str"}, columns=["b", "a"])
    assert list(t) == ["b", "a"] and t["b"] == ["2", "4"]
    assert t.tensor("a", dtype=torch.int64).tolist() == [[1], [3]]


def test_a_guess_of_integers_becomes_floats_where_a_later_row_wants_it():
    rows = [str(i) for i in range(3000)]
    rows[2500] = "0.5"
    rows[2600] = ""  # an empty line is no row
    t = read_csv(("x\n" + "\n".join(rows)).encode())
    assert t["x"].dtype == torch.float64 and t["x"][2500] == 0.5 and t.rows == 2999


def test_quotes_line_breaks_and_bom():
    t = read_csv(b'\xef\xbb\xbf"a ""b""",c\r\n"x,\ny",1\r\n"",2\r\n\r\nplain "q",3', {'a "b"': "str"})
    assert t['a "b"'] == ["x,\ny", "", 'plain "q"']
    assert t["c"].tolist() == [1, 2, 3]


def test_options():
    t = read_csv(
        b"junk\n# note\n1;2\n# more\n3;4\n", header=False, delimiter=";", comment="#", skip_rows=1, names=["p", "q"]
    )
    assert t["p"].tolist() == [1, 3] and t["q"].tolist() == [2, 4]
    assert read_csv(b"1,2\n", header=False).keys() == {"0", "1"}
    assert read_csv(b"a\n1\n2\n3\n", max_rows=2)["a"].tolist() == [1, 2]
    assert read_csv(b"a,b\n").rows == 0
    assert read_csv(b" a\n 1 \n", {" a": "int64"})[" a"].tolist() == [1]


def test_missing_values():
    t = read_csv(b"a,b,c\n1,x,true\nNA,,\n", {"b": "category"}, fill={"a": 7, "c": 1})
    assert t["a"].tolist() == [1, 7] and t["a"].dtype == torch.int64
    assert t["b"].tolist() == [0, -1] and t.categories == {"b": ["x"]}
    assert t["c"].tolist() == [True, True]
    with pytest.raises(RuntimeError, match="line 3: column 'a': expected int64, got no value 'NA'; say with fill="):
        read_csv(b"a\n1\nNA\n", "int64")


def test_categories_are_those_given():
    data = b"label\ndog\ncat\ndog\n"
    assert read_csv(data, {"label": "category"})["label"].tolist() == [1, 0, 1]
    t = read_csv(data, categories={"label": ["dog", "bird", "cat"]})
    assert t["label"].tolist() == [0, 2, 0]
    with pytest.raises(RuntimeError, match="line 3: column 'label': 'cat' is none of its 2 categories"):
        read_csv(data, categories={"label": ["dog", "bird"]})


BAD = [
    (b"a,b\n1,2\n3\n", "line 3: 1 fields, expected 2"),
    (b"a,b\n1,2,3\n", "line 2: more than 2 fields"),
    (b"a\n1\n2\nx\n", "line 4: column 'a': expected int64, got 'x'"),
    (b'a,b\n1,"x\n', "line 2: a quote that is never closed, in column 'b'"),
    (b'a,b\n1,"x"y\n', "line 2: text after a closing quote, in column 'b'"),
    (b"a\n1e5\n99999999999999999999\n", "expected int64, got '1e5'"),
]


@pytest.mark.parametrize("data, says", BAD)
def test_bad_rows_are_named_by_line(data, says, tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(data)
    types = {"a": "int64"}
    with pytest.raises(RuntimeError, match=f"read_csv '{file}': .*{says}"):
        read_csv(file, types)
    t = read_csv(file, types, skip_errors=True)
    assert t.errors == len(t.error_texts) >= 1
    assert t.rows == t["a"].numel() <= 2


def test_errors_are_counted_and_good_rows_stay():
    rng, rows, bad = random.Random(0), [], 0
    for i in range(200_000):
        kind = rng.random()
        if kind < 0.01:
            rows.append(f"{i},oops,t{i}")
            bad += 1
        elif kind < 0.02:
            rows.append(f"{i}")
            bad += 1
        else:
            rows.append(f'{i},{i / 8},"t,{i}"')
    t = read_csv(
        ("i,x,s\n" + "\n".join(rows) + "\n").encode(), {"i": "int64", "x": "float64", "s": "str"}, skip_errors=True
    )
    assert t.errors == bad and t.rows == 200_000 - bad
    assert torch.equal(t["x"] * 8, t["i"].double())
    assert t["s"] == [f"t,{i}" for i in t["i"].tolist()]


def test_numbers_are_read_to_the_bit():
    rng = np.random.default_rng(0)
    values = np.concatenate([
        rng.normal(size=3000), 10.0 ** rng.uniform(-320, 308, 3000), rng.integers(-(2**62), 2**62, 3000).astype(float),
        [0.1, 1e22, 1e23, 9007199254740993.0, 5e-324, 1.7976931348623157e308, 123456789012345678.0],
    ])  # fmt: skip
    texts = (
        [repr(v) for v in values.tolist()]
        + [f"{v:.3f}" for v in values[:3000]]
        + ["1e999", "-1e999", "1e-999", "+5", "-.5", "7."]
    )
    got = read_csv(("x\n" + "\n".join(texts)).encode(), "float64")["x"].numpy()
    assert np.array_equal(got, np.array([float(t) for t in texts]))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="types names a column 'z', but the file has a, b"):
        read_csv(b"a,b\n1,2\n", {"z": "int64"})
    with pytest.raises(ValueError, match="expected a column's type to be int64, .* got complex"):
        read_csv(b"a\n1\n", "complex")
    with pytest.raises(ValueError, match="two different characters"):
        read_csv(b"a\n", delimiter='"')
    with pytest.raises(RuntimeError, match="no row, not even one of names"):
        read_csv(b"")
    with pytest.raises(RuntimeError, match="two columns are named 'a'"):
        read_csv(b"a,a\n1,2\n")
    with pytest.raises(KeyError, match="no column 'q'; the table has a"):
        read_csv(b"a\n1\n")["q"]
    with pytest.raises(TypeError, match="column 's' is text"):
        read_csv(b"s\nx\n").tensor("s")
    with pytest.raises(OSError, match="No such file"):
        read_csv("/nowhere.csv")
