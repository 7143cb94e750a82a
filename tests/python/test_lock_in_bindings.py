"""The bindings touch no Python object, None included, while they have given the lock away."""

import re

import pytest
from conftest import ROOT

SOURCES = ROOT / "python" / "src"
# What needs the lock: the C API but for the calls that take it or ask for it, and what makes Python objects of ours.
NEEDS_LOCK = re.compile(
    r"\b(Py(?!GILState|Eval_SaveThread|Eval_RestoreThread|_ssize_t|Object\b)\w+|check\(|wrap\(|to_python\()"
)


def without_the_lock(text: str):
    """What follows each `GilRelease name(...);` in its block, with its line."""
    for given in re.finditer(r"GilRelease \w+\([^;]*\);", text):
        depth, end = 0, given.end()
        while depth >= 0:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield text.count("\n", 0, given.start()) + 1, text[given.end() : end]


@pytest.mark.parametrize("source", sorted(SOURCES.rglob("*.cpp")), ids=lambda path: path.name)
def test_blocks_without_the_lock_leave_python_alone(source):
    text = re.sub(r"//.*", "", source.read_text())
    found = [(line, hit[0]) for line, block in without_the_lock(text) if (hit := NEEDS_LOCK.search(block))]
    assert not found, "lines and calls that need the lock: " + str(found)


def test_the_test_sees_what_it_is_for():
    bad = "{ { GilRelease release(true); run(); Py_RETURN_NONE; } return wrap(x); }"
    good = "{ { GilRelease release(true); run(); } Py_RETURN_NONE; }"
    assert [bool(NEEDS_LOCK.search(block)) for _, block in without_the_lock(bad)] == [True]
    assert [bool(NEEDS_LOCK.search(block)) for _, block in without_the_lock(good)] == [False]
