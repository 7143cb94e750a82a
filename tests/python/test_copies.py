"""Copies between memory layouts against NumPy's: odd and zero sizes, steps, negative strides, offsets, both sides strided."""

import random

import numpy as np
import pytest

import rushlight as T

SIZES = [0, 1, 2, 3, 5, 8, 9, 17, 33, 40, 64, 70]


def random_view(choose: random.Random, dtype: str):
    """A permuted and sliced view of a random array, as NumPy's and as ours."""
    sizes = [choose.choice(SIZES) for _ in range(choose.randint(1, 5))]
    while np.prod(sizes) > 100_000:
        sizes[choose.randrange(len(sizes))] = choose.choice([1, 2, 3])
    array = (np.arange(np.prod(sizes)) % 251).reshape(sizes).astype(dtype)
    order = choose.sample(range(len(sizes)), len(sizes))
    index = tuple(
        slice(choose.randint(0, 2), None, choose.choice([1, 2, 3])) if choose.random() < 0.3 else slice(None)
        for _ in sizes
    )
    return array.transpose(order)[index], T.from_numpy(array).permute(order)[index]


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "complex128"])
def test_copies_between_layouts(dtype):
    choose = random.Random(dtype)
    for _ in range(60):
        expected, view = random_view(choose, dtype)
        assert np.array_equal(view.clone(memory_format=T.contiguous_format).numpy(), expected)
        dims = [d for d in range(expected.ndim) if choose.random() < 0.5] or [0]
        assert np.array_equal(view.flip(dims).numpy(), np.flip(expected, dims))
        sizes = list(expected.shape)
        reverse = list(range(len(sizes)))[::-1]
        mirrored = T.empty(sizes[::-1], dtype=view.dtype).permute(reverse)
        assert np.array_equal(mirrored.copy_(view).contiguous().numpy(), expected)
        dim = choose.randrange(len(sizes))
        spaced = T.zeros([2 * n + 1 if d == dim else n for d, n in enumerate(sizes)], dtype=view.dtype)
        every_other = tuple(slice(1, None, 2) if d == dim else slice(None) for d in range(len(sizes)))
        spaced[every_other].copy_(view)
        assert np.array_equal(spaced.numpy()[every_other], expected)
        assert not spaced.numpy()[
            tuple(slice(0, None, 2) if d == dim else slice(None) for d in range(len(sizes)))
        ].any()
        if sizes[dim]:
            wide = T.empty(sizes, dtype=view.dtype).copy_(view.narrow(dim, 0, 1))
            assert np.array_equal(wide.numpy(), np.broadcast_to(expected.take([0], dim), expected.shape))
