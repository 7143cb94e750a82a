"""What compressed layouts demand of their indices, in PyTorch's words; behind them what was there."""

import pytest
import torch as reference

import rushlight as torch

CASES = {
    "a beginning that is not 0": ([1, 1, 2], [0, 1], [1.0, 2.0]),
    "an end that is not the number of values": ([0, 1, 3], [0, 1], [1.0, 2.0]),
    "beginnings that fall": ([0, 2, 1], [0], [1.0]),
    "more in a row than columns": ([0, 3, 3], [0, 1, 1], [1.0, 2.0, 3.0]),
    "a column that is not there": ([0, 1, 2], [0, 5], [1.0, 2.0]),
    "a negative column": ([0, 1, 2], [0, -1], [1.0, 2.0]),
    "columns out of order": ([0, 2, 2], [1, 0], [1.0, 2.0]),
    "a column twice": ([0, 2, 2], [0, 0], [1.0, 2.0]),
    "beginnings of other rows": ([0, 1], [0, 1], [1.0, 2.0]),
    "fewer columns than values": ([0, 1, 2], [0, 1], [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("make", ["sparse_csr_tensor", "sparse_csc_tensor"])
@pytest.mark.parametrize("case", CASES)
def test_errors_begin_as_pytorchs(case, make):
    texts = []
    for module in (reference, torch):
        begins, plain, values = (module.tensor(items) for items in CASES[case])
        # PyTorch reads as far as the first beginning says: what lies there is given, so that its answer is always the same.
        plain = module.cat([plain, plain[-1:] + 1])[: len(plain)]
        with pytest.raises(RuntimeError) as raised:
            getattr(module, make)(begins, plain, values, (2, 2), check_invariants=True)
        texts.append(str(raised.value).splitlines()[0])
    assert texts[1].startswith(texts[0]), texts
