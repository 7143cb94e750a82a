"""Slices of storages are storages over the same bytes; torch.asarray sees them as numbers."""

import gc

import pytest

import rushlight as torch


def test_slices_share_the_bytes_and_keep_them():
    storage = torch.arange(4, dtype=torch.uint8).untyped_storage()
    part = storage[1:3]
    storage[1] = 9
    assert part.tolist() == [9, 2] and storage[-1] == 3 and storage[2:].nbytes() == 2 and storage[4:].nbytes() == 0
    part[1] = 7
    assert storage.tolist() == [0, 9, 7, 3]
    del storage
    gc.collect()
    assert part.tolist() == [9, 7] and part.untyped() is part and not part.resizable()
    with pytest.raises(RuntimeError, match="only a step of 1"):
        _ = part[::2]
    with pytest.raises(IndexError):
        _ = part[2]


def test_asarray_of_a_storage():
    floats = torch.tensor([1.0, 2.0, 3.0])
    part = floats.untyped_storage()[4:]
    seen = torch.asarray(part, dtype=torch.float32)
    assert seen.tolist() == [2, 3]
    seen[0] = 5
    assert floats[1] == 5
    assert torch.asarray(part, dtype=torch.uint8).shape == (8,)
