"""Dicts of scripts: their entries are Python's, in Python's order."""

import random

import pytest

import rushlight as torch


def changed(d: dict[int, int], changes: list[tuple[int, int]]) -> dict[int, int]:
    for key, what in changes:
        if what >= 0:
            d[key] = what
        elif what == -1 and key in d:
            del d[key]
        elif what == -2:
            d.pop(key, 0)
        elif what == -3 and len(d) > 0:
            d.popitem()
    return d


@pytest.mark.parametrize("keys", [range(12), range(0, 1 << 40, 1 << 32), range(-300, 300)], ids=["few", "high", "many"])
def test_against_pythons(keys):
    # Keys that differ in high bits only fall together; those that are erased leave no gap that a search would end at.
    r, scripted = random.Random(0), torch.jit.script(changed)
    for _ in range(20):
        changes = [(r.choice(keys), r.choice([-3, -2, -1, *range(5)])) for _ in range(600)]
        assert list(scripted({}, changes).items()) == list(changed({}, changes).items())


@torch.jit.script
def by_float(d: dict[float, int], empty: int) -> tuple[int, int, int]:
    found = 0
    if float("nan") in d:
        found = 1
    taken = 0
    if empty == 1:
        d.clear()
    if empty == 2:
        taken = d.popitem()[1]
    return found, taken, len(d)


def test_a_key_that_differs_from_itself():
    nan = float("nan")
    assert by_float({1.0: 5, nan: 7}, 0) == (0, 0, 2)
    assert by_float({1.0: 5, nan: 7}, 1) == (0, 0, 0)
    assert by_float({1.0: 5, nan: 7}, 2) == (0, 7, 1)


def test_words():
    @torch.jit.script
    def count(words: list[str]) -> dict[str, int]:
        out: dict[str, int] = {}
        for w in words:
            out[w] = out.get(w, 0) + 1
        return out

    words = "the cat and the dog and the bird".split() + [str(i % 700) for i in range(2000)]
    wanted: dict = {}
    for w in words:
        wanted[w] = wanted.get(w, 0) + 1
    assert list(count(words).items()) == list(wanted.items())
