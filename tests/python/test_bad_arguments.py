"""What reads or writes memory by one argument's geometry says so where another's doesn't fit, before it touches anything."""

import pytest

import rushlight as rl
from rushlight import _C

X, G = rl.ones(3, 4), rl.ones(3, 4)
ROW = rl.ones(3, 1)
HALVES = [rl.float16, rl.bfloat16]


@pytest.mark.parametrize(
    ("args", "match"),
    [
        ((rl.ones(3), X, ROW, ROW, None, 1), r"grad_output of shape \[3, 4\], got \[3\]"),
        ((G, X, rl.ones(2, 1), ROW, None, 1), r"mean of shape \[3, 1\]"),
        ((G, X, ROW, rl.ones(3), None, 1), r"rstd of shape \[3, 1\]"),
        ((G, X, ROW, ROW, rl.ones(3), 1), r"weight of shape \[4\]"),
        ((G, X, ROW, ROW, None, 3), "dims from 1 to 2, got 3"),
        ((G, X, ROW, ROW, None, 0), "dims from 1 to 2, got 0"),
        ((G, X.int(), ROW, ROW, None, 1), "not implemented for 'Int'"),
    ],
)
def test_layer_norm_backward(args, match):
    with pytest.raises((RuntimeError, NotImplementedError), match=match):
        rl._layer_norm_backward(*args)


@pytest.mark.parametrize(
    ("grad", "reduction", "total", "match"),
    [
        (rl.ones(2), 0, rl.tensor(3.0), r"grad_output of shape \[3\], got \[2\]"),
        (rl.ones(3), 1, rl.tensor(3.0), r"grad_output of shape \[\], got \[3\]"),
        (rl.ones(3).double(), 0, rl.tensor(3.0), "grad_output of dtype"),
        (rl.tensor(1.0), 1, rl.ones(0), "total_weight to be a tensor of one element"),
        (rl.tensor(1.0), 1, rl.tensor(3), "total_weight of dtype"),
    ],
)
def test_nll_loss_backward(grad, reduction, total, match):
    with pytest.raises(RuntimeError, match=match):
        _C._nn.nll_loss_backward(grad, X, rl.tensor([0, 1, 2]), None, reduction, -100, total)


@pytest.mark.parametrize("sorter", [[5, 0, 1], [-1, 0, 1], [2**40, 0, 1]])
def test_a_sorter_names_positions_of_the_boundaries(sorter):
    with pytest.raises(RuntimeError, match="sorter index out of range"):
        rl.searchsorted(rl.tensor([1.0, 2.0, 3.0]), rl.tensor([1.5]), sorter=rl.tensor(sorter))


def test_histc_over_a_range_wider_than_its_dtype():
    edge = 3e38
    assert rl.histc(rl.tensor([-edge, 0.0, edge]), 4, -edge, edge).tolist() == [1, 0, 1, 1]
    assert rl.histc(rl.tensor([-edge, 0.0, edge]), 4).tolist() == [1, 0, 1, 1]


def test_there_are_no_pairs_of_bfloat16():
    with pytest.raises(RuntimeError, match="view_as_complex is only supported for"):
        rl.view_as_complex(rl.ones(3, 2, dtype=rl.bfloat16))
    assert rl.view_as_complex(rl.ones(3, 2, dtype=rl.float16)).dtype is rl.complex32


@pytest.mark.parametrize(("n", "r", "again"), [(8, 2**40, True), (100, 50, False), (2**20, 2**62, True)])
def test_combinations_are_counted_first(n, r, again):
    with pytest.raises((RuntimeError, MemoryError), match="combinations|allocate"):
        rl.combinations(rl.ones(n), r, again)


def test_combinations():
    assert rl.combinations(rl.arange(3), 2).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert rl.combinations(rl.arange(2), 3, True).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert rl.combinations(rl.arange(2), 3).shape == (0, 3)
    assert rl.combinations(rl.arange(0), 2, True).shape == (0, 2)
    assert rl.combinations(rl.arange(4), 4).tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("cell", "gates"), [("gru_cell", 3), ("lstm_cell", 4), ("rnn_tanh_cell", 1)])
@pytest.mark.parametrize("rows", [-1, 1, 3])
def test_cells_want_weights_of_whole_gates(cell, gates, rows):
    x, h = rl.ones(1, 2), rl.ones(1, 3)
    state = (h, h) if gates == 4 else h
    for ih, hh in [(3 * gates + rows, 3 * gates), (3 * gates, 3 * gates + rows)]:
        with pytest.raises(RuntimeError, match="expected weight_ih of shape"):
            getattr(rl, cell)(x, state, rl.ones(ih, 2), rl.ones(hh, 3))


def test_recurrent_networks_want_states_of_three_dimensions():
    weights = [rl.ones(12, 2), rl.ones(12, 3)]
    for h, c in [(rl.ones(()), rl.ones(1, 1, 3)), (rl.ones(1, 1, 3), rl.ones(3))]:
        with pytest.raises(RuntimeError, match="hidden"):
            rl.lstm(rl.ones(1, 1, 2), (h, c), weights, False, 1, 0.0, False, False, False)


@pytest.mark.parametrize("shape", [(2, 0, 3, 4), (3, 4)])
def test_grouped_attention_wants_heads(shape):
    query = rl.ones(2, 4, 3, 4)
    with pytest.raises(RuntimeError, match="heads"):
        rl.nn.functional.scaled_dot_product_attention(query, rl.ones(shape), rl.ones(shape), enable_gqa=True)


def test_a_tensor_of_no_dimensions_counts_as_one_that_has_one():
    assert rl.ones(()).movedim(0, -1).shape == ()
    with pytest.raises(IndexError):
        rl.ones(()).movedim(0, 1)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("dtype", [rl.float32, rl.complex128])
def test_svd_of_what_is_not_finite_ends(value, dtype):
    a = rl.ones(2, 3, 4, dtype=dtype)
    a[1, 0, 2] = value
    with pytest.raises(RuntimeError, match=r"Batch element 1\): The algorithm failed .* non-finite values"):
        rl.linalg.svd(a)


def test_integers_have_no_mean_of_nothing():
    with pytest.raises(RuntimeError, match="non-zero size"):
        rl.nn.functional.adaptive_avg_pool3d(rl.zeros(1, 2, 3, 0, dtype=rl.int64), 1)


def test_gradient_of_resampling_by_places_of_any_layout():
    x = rl.ones(1, 6, requires_grad=True)
    places, weights = rl.tensor([[5, 0]]).t().expand(2, 3), rl.ones(2, 3)
    rl._resample(x, 1, places, weights).sum().backward()
    assert x.grad.tolist() == [[3, 0, 0, 0, 0, 3]]


def test_places_of_resampling_are_checked_on_every_device():
    x, weights = rl.ones(1, 4, device="meta", requires_grad=True), rl.ones(1, 3)
    with pytest.raises(IndexError, match="places below 4"):
        rl._resample(x, 1, rl.tensor([[0, 5, 1]]), weights)
    with pytest.raises(RuntimeError, match="on the CPU, got meta"):
        rl._resample(x, 1, rl.zeros(1, 3, dtype=rl.int32, device="meta"), weights)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_an_empty_batch_is_resampled_to_any_size(mode):
    x = rl.ones(0, 2, 3, requires_grad=True)
    y = rl.nn.functional.interpolate(x, size=2**40, mode=mode)
    y.sum().backward()
    assert y.shape == (0, 2, 2**40) and x.grad.shape == x.shape
    with pytest.raises(RuntimeError, match=r"Non-empty 3D data tensor expected .*\[2, 0, 3\]"):
        rl.nn.functional.interpolate(rl.ones(2, 0, 3), size=5, mode=mode)


def test_a_kernel_wider_than_what_it_slides_over():
    x, w = rl.ones(1, 3, 4, requires_grad=True), rl.ones(2, 3, 17, requires_grad=True)
    y = rl.nn.functional.conv1d(x, w, padding="same")
    assert y.tolist() == [[[12.0] * 4] * 2]
    y.sum().backward()
    assert x.grad.unique().tolist() == [8]
    assert w.grad[0, 0].tolist() == [0] * 5 + [1, 2, 3, 4, 3, 2, 1] + [0] * 5 and y.shape == (1, 2, 4)


@pytest.mark.parametrize(
    ("pad", "mode", "match"),
    [
        ([1, 1], 3, "mode must be 0, 1 or 2, got 3"),
        ([1, 1], 2**32, "mode must be 0, 1 or 2"),
        ([2, 4], 0, "size 4 is enough for"),
        ([5, 0], 2, "size 4 is enough for"),
        ([-1, 1], 1, "0 or more"),
    ],
)
def test_border_pad(pad, mode, match):
    with pytest.raises(RuntimeError, match=match):
        rl._border_pad(X, pad, mode)
    with pytest.raises(RuntimeError, match="is enough for"):
        rl._border_pad(rl.ones(2, 0), [1, 1], 1)


@pytest.mark.parametrize("mask", [[], [True], [True, True], [True] * 4])
def test_linear_backward_mask(mask):
    with pytest.raises(RuntimeError, match="3 values in output_mask|bool\\[3\\]"):
        _C._ops.linear_backward(rl.ones(1, 2), rl.ones(1, 6), rl.ones(6, 2), mask)


def test_conv_with_padding_same_looks_at_its_weight():
    for shape in [(), (4,), (4, 3), (4, 3, 2, 2)]:
        with pytest.raises(RuntimeError, match="conv1d: expected weight of 3 dimensions"):
            rl.conv1d(rl.ones(1, 3, 4), rl.ones(shape), padding="same")


def test_embedding_renorm_looks_at_its_table():
    for table in [rl.ones(()), rl.ones(3), rl.ones(2, 2, 2), rl.ones(2, 2).long()]:
        with pytest.raises(RuntimeError, match="expected a matrix of floating dtype"):
            rl.embedding_renorm_(table, rl.tensor([0]), 1.0, 2.0)
    with pytest.raises(RuntimeError, match="int32/int64"):
        rl.embedding_renorm_(rl.ones(2, 2), rl.tensor([0.0]), 1.0, 2.0)


def test_triangles_without_columns():
    assert rl.tril_indices(2**40, 0, 2).shape == (2, 0)
    assert rl.triu_indices(2**40, 0, -2).shape == (2, 0)


def test_layers_past_counting():
    with pytest.raises(RuntimeError, match="overflow|too large|hidden"):
        rl.gru(rl.ones(1, 1, 1), rl.ones(1, 1, 1), [], False, 2**62, 0.0, False, True, False)


def test_adaptive_pooling_to_what_no_memory_holds():
    for pool in (rl.nn.functional.adaptive_avg_pool2d, rl.nn.functional.adaptive_max_pool2d):
        with pytest.raises((RuntimeError, MemoryError)):
            pool(rl.ones(0, 1, 2, 2), (1, 2**62 + 1))


def test_averages_of_no_rows():
    with pytest.raises(RuntimeError, match="expected length 1 before the last 2 dimensions"):
        rl._avg_pool(rl.ones(2, 3, 8, 6), 2, [0, 1, 1], [0, 1, 1] * 2, 0)


def test_cross_entropy_of_a_number():
    for smoothing in (0.0, 0.5):
        with pytest.raises((RuntimeError, IndexError, ValueError)):
            rl.nn.functional.cross_entropy(rl.tensor(1.0), rl.tensor(0), label_smoothing=smoothing)


def test_topk_of_a_number():
    for k in (0, 1):
        values, indices = rl.topk(rl.tensor(7), k)
        assert (values.item(), indices.item()) == (7, 0)


def test_index_reduce_of_a_number_into_a_vector():
    with pytest.raises(RuntimeError, match="source tensor shape must match self tensor shape"):
        rl.arange(3.0).index_reduce(0, rl.tensor(1), rl.tensor(5.0), "mean", include_self=False)


def test_diagonal_backward_of_negative_sizes():
    with pytest.raises(RuntimeError, match="input_sizes of 0 or more"):
        _C._ops.diagonal_backward(rl.ones(4, 1), [1, -(2**62), 63], 0, 0, 1)


def test_gcd_and_lcm_of_the_smallest_integer():
    least = rl.tensor([-(2**63)] * 3)
    assert rl.gcd(least, rl.tensor([6, -1, 0])).tolist() == [2, 1, -(2**63)]
    assert rl.lcm(least, rl.tensor([1, -1, 0])).tolist() == [-(2**63), -(2**63), 0]


def test_patches_a_huge_stride_apart():
    x = rl.arange(105.0).reshape(3, 5, 7)
    huge, large = (rl.nn.functional.unfold(x, 3, 2, 2, (1, s)) for s in (2**63 - 1, 100))
    assert rl.equal(huge, large)
