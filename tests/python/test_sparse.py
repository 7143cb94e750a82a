"""Layouts, and what is refused of them."""

import pytest

import rushlight as rl


def test_layouts_have_names_and_tensors_say_theirs():
    assert repr(rl.sparse_coo) == "torch.sparse_coo"
    assert rl.ones(2).layout is rl.strided
    assert rl.zeros(2, layout=rl.strided).tolist() == [0, 0]


@pytest.mark.parametrize("make", [rl.ones, rl.rand, rl.zeros])
def test_factories_do_not_make_strided_tensors_of_another_layout(make):
    with pytest.raises(NotImplementedError, match=r"layout=torch.sparse_csr.*to_sparse"):
        make(2, layout=rl.sparse_csr)
