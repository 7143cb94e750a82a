"""What PyTorch's own tests ask of tensors and few programs do; each holds in PyTorch too."""

import pytest
import torch as pytorch

import rushlight as torch


@pytest.fixture(params=["ours", "pytorch"])
def fw(request):
    return torch if request.param == "ours" else pytorch


def test_a_value_may_have_more_leading_ones_than_its_place(fw):
    x = fw.zeros(2, 4)
    x[[1]] = fw.arange(4.0).view(1, 1, 1, 4)
    x[fw.tensor([True, False])] = fw.ones(1, 1, 4)
    assert x.tolist() == [[1.0] * 4, [0.0, 1.0, 2.0, 3.0]]
    with pytest.raises(RuntimeError, match="shape mismatch"):
        x[[0, 1]] = fw.ones(1, 3, 4)
    with pytest.raises(TypeError, match="slice indices"):
        x["a":]


def test_copies_between_overlapping_memory_are_refused_or_right(fw):
    x = fw.arange(6.0)
    with pytest.raises(RuntimeError, match="unsupported operation"):
        x[1:].copy_(x[:-1])
    x[::2].copy_(x[1::2])
    assert x.tolist() == [1.0, 1.0, 3.0, 3.0, 5.0, 5.0]
    assert x.copy_(x) is x


def test_equal_compares_values_of_any_dtypes(fw):
    assert fw.equal(fw.tensor([1.0, 2.0]), fw.tensor([1, 2]))
    assert not fw.equal(fw.tensor([1.5]), fw.tensor([1]))


def test_reversed_and_views(fw):
    assert list(map(fw.Tensor.tolist, reversed(fw.tensor([[1, 2], [3, 4]])))) == [[3, 4], [1, 2]]
    x = fw.zeros(2, 3)
    assert x[0]._is_view() and x.t()._is_view() and not x._is_view() and not x.clone()._is_view()
    assert fw.is_signed(x) and not fw.is_signed(x.bool())


def test_a_new_dimension_of_one_strides_as_unsqueezes(fw):
    assert fw.ones(2).expand(1, 1, 2).stride() == (2, 2, 1)
    assert fw.ones(2).expand(3, 1, 2).stride() == (0, 2, 1)
    assert fw.ones(2).expand(1, 3, 2).stride() == (0, 0, 1)
    assert fw.tensor(1.0).expand(1, 2).stride() == (0, 0)


def test_resize_as_keeps_the_format_when_told(fw):
    like = fw.zeros(2, 3, 4, 5).to(memory_format=fw.channels_last)
    assert fw.zeros(120).resize_as_(like, memory_format=fw.preserve_format).stride() == like.stride()
    assert fw.zeros(120).resize_as_(like).is_contiguous()


def test_diff_says_what_does_not_fit(fw):
    with pytest.raises(RuntimeError, match="diff expects the shape of tensor to prepend or append"):
        fw.diff(fw.zeros(2, 3), dim=0, prepend=fw.zeros(1, 2))


def test_functions_of_elements(fw):
    x = fw.tensor([1.0, 2.0])
    assert x.map2_(fw.tensor([3.0, 4.0]), fw.tensor(1.0), lambda a, b, c: a * b + c).tolist() == [4.0, 9.0]
    with pytest.raises(TypeError):
        x.apply_(lambda v: "a")


def test_gradcheck_takes_results_that_are_no_dense_memory():
    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: t.as_strided((3, 3), (0, 1), 1), x)


@pytest.mark.parametrize(
    ("size", "stride", "offset"), [((5, 5), (0, 1), 0), ((2, 3), (1, 2), 0), ((3,), (0,), 2), ((6,), (1,), 1)]
)
def test_what_an_expanded_tensor_shows_once_more_has_the_gradient_of_one(size, stride, offset):
    x = torch.randn(7, dtype=torch.float64, requires_grad=True)
    shown = {"size": size, "stride": stride, "storage_offset": offset}
    assert torch.autograd.gradcheck(lambda t: t.expand(4, 7).as_strided(**shown), x)
    assert torch.autograd.gradcheck(lambda t: t.as_strided((5, 3), (1, 1)).as_strided(**shown), x)
    assert torch.autograd.gradgradcheck(lambda t: t.expand(4, 7).as_strided(**shown).square(), x)


def test_channels_stay_last_in_resampling(fw):
    x = fw.rand(2, 3, 4, 4).contiguous(memory_format=fw.channels_last)
    for mode in ("nearest", "bilinear", "bicubic"):
        y = fw.nn.functional.interpolate(x, size=(6, 7), mode=mode)
        assert y.is_contiguous(memory_format=fw.channels_last) and not y.is_contiguous()
    y = fw.nn.functional.interpolate(x, size=(2, 2), mode="bilinear", antialias=True)
    assert y.is_contiguous(memory_format=fw.channels_last)
    assert fw.nn.functional.interpolate(fw.rand(2, 3, 4, 4), size=(6, 7)).is_contiguous()


def test_gradcheck_moves_inputs_that_a_function_knows_by_itself():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: (x * x).sum() + 0 * given.sum(), x)
    before = x.detach().clone()
    with pytest.raises(torch.autograd.gradcheck.__globals__["GradcheckError"]):
        torch.autograd.gradcheck(lambda given: (given.detach() * given).sum(), x)
    assert torch.equal(x, before)


def test_strict_functional_says_what_is_no_function_of_the_input(fw):
    x = fw.ones(2)
    functional = fw.autograd.functional
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function does not require gradients"):
        functional.vjp(lambda t: t.detach(), x, x, strict=True)
    with pytest.raises(RuntimeError, match="should contain a single element"):
        functional.hessian(lambda t: t, x)
    with pytest.raises(RuntimeError, match="given v should contain a single Tensor"):
        functional.jvp(lambda t: t, x, (x, x))


def test_no_grad_on_a_class_holds_while_objects_are_made(fw):
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @fw.no_grad()
        class Made:
            def __init__(self):
                self.in_init = fw.is_grad_enabled()

            def method(self):
                return fw.is_grad_enabled()

    assert Made().in_init is False and Made().method() is True


def test_the_order_of_dimensions_may_be_ambiguous(fw):
    assert fw.zeros(2, 3, 4, 5).to(memory_format=fw.channels_last).dim_order(ambiguity_check=True) == (0, 2, 3, 1)
    x = fw.zeros(2, 2, 1, 2)
    with pytest.raises(RuntimeError, match="unique dim order"):
        x.dim_order(ambiguity_check=True)
    assert x.dim_order(ambiguity_check=[fw.contiguous_format, fw.channels_last]) == (0, 1, 2, 3)
    with pytest.raises(RuntimeError, match="unique dim order"):
        fw.zeros(1, 1, 2, 2).dim_order(ambiguity_check=[fw.contiguous_format, fw.channels_last])
    with pytest.raises(TypeError, match="ambiguity_check"):
        x.dim_order(ambiguity_check="no")


def test_numbers_before_tensors_may_be_complex(fw):
    a, b, c = fw.ones(2, dtype=fw.complex64), fw.full((2,), 2j), fw.full((2,), 4 + 0j)
    with pytest.warns(UserWarning, match="deprecated"):
        fw.set_warn_always(True)
        try:
            assert fw.addcdiv(a, 2j, b, c).tolist() == [0j, 0j]
        finally:
            fw.set_warn_always(False)


def test_out_of_another_shape_is_resized_with_a_warning_and_keeps_the_order_of_dimensions(fw):
    x = fw.rand(2, 3, 4).permute(2, 0, 1)
    out = fw.add(x, x, out=fw.empty(0))
    assert out.stride() == x.stride() and fw.equal(out, x * 2)
    with pytest.warns(UserWarning, match="outputs will not be resized unless"):
        fw.add(x, x, out=fw.empty(3))


def test_what_fills_with_one_value_may_write_a_place_twice(fw):
    x = fw.rand(1).expand(4)
    assert x.fill_(3).tolist() == [3.0] * 4 and x.zero_().tolist() == [0.0] * 4
    with pytest.raises(RuntimeError, match="single memory location"):
        x.add_(1)
    for call in (
        lambda: x.masked_fill_(fw.tensor([True, False, False, False]), 5),
        lambda: x.index_fill_(0, fw.tensor([1]), 6),
        lambda: x.index_put_((fw.tensor([1]),), fw.tensor([7.0])),
    ):
        with pytest.warns(UserWarning, match="expanded tensors"):
            call()
        assert x[0] == x[3] >= 5
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Own", (fw.FloatTensor,), {})


def test_wide_unsigned_integers_are_drawn(fw):
    drawn = []
    for f in (torch, pytorch):
        f.manual_seed(1)
        drawn.append([f.randint(0, 60000, (3,), dtype=d).tolist() for d in (f.uint16, f.uint32, f.uint64)])
    assert drawn[0] == drawn[1]
    with pytest.raises(RuntimeError, match="out of bounds"):
        fw.randint(0, 70000, (1,), dtype=fw.uint16)


def test_checks_of_conditions(fw):
    for check, error in (
        (fw._check_index, IndexError), (fw._check_value, ValueError), (fw._check_type, TypeError),
        (fw._check_not_implemented, NotImplementedError),
    ):  # fmt: skip
        check(True)
        with pytest.raises(error, match="why"):
            check(False, lambda: "why")
    fw._check_tensor_all(fw.tensor([True, True]))
    with pytest.raises(RuntimeError, match="why"):
        fw._check_tensor_all(fw.tensor([True, False]), lambda: "why")


def test_axes_have_numpys_names(fw):
    x = fw.zeros(2, 3)
    assert (
        fw.swapaxes(x, axis0=0, axis1=1).shape
        == x.swapdims(dim0=0, dim1=1).shape
        == x.swapaxes_(0, axis1=1).shape
        == (3, 2)
    )


def test_diagonals_are_filled(fw):
    assert fw.zeros(2, 3).fill_diagonal_(1).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert fw.zeros(5, 2).fill_diagonal_(1, wrap=True).tolist() == [[1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]
    assert fw.zeros(2, 2, 2).fill_diagonal_(1).sum().item() == 2
    x = fw.ones(2, 2, requires_grad=True)
    (x * 2).fill_diagonal_(5).sum().backward()
    assert x.grad.tolist() == [[0, 2], [2, 0]]
    for bad in (fw.zeros(3), fw.zeros(2, 2, 3)):
        with pytest.raises(RuntimeError):
            bad.fill_diagonal_(1)


def test_factories_take_the_dtype_of_out(fw):
    out = fw.empty(0, dtype=fw.int16)
    assert fw.ones(3, out=out) is out and out.tolist() == [1, 1, 1] and out.dtype is fw.int16
    assert fw.arange(3, out=fw.empty(3, dtype=fw.float64)).dtype is fw.float64
    assert fw.empty(2, out=fw.empty(0, dtype=fw.bool)).dtype is fw.bool
    fw.manual_seed(0)
    drawn = fw.rand(2, out=fw.empty(2, dtype=fw.float64))
    fw.manual_seed(0)
    assert fw.equal(drawn, fw.rand(2, dtype=fw.float64))


def test_what_is_written_in_an_order_of_its_own_shares_no_memory_with_what_is_read(fw):
    y, index = fw.rand(6), fw.tensor([2, 1, 0])
    for call in (
        lambda: y.index_add_(0, index, y[:3]),
        lambda: index.index_copy_(0, index, index.clone()),
        lambda: y.scatter_(0, index, y[3:]),
        lambda: y.put_(index, y[:3]),
        lambda: y[1:4].scatter_add_(0, index, y[:3]),
    ):
        with pytest.raises(RuntimeError, match="unsupported operation"):
            call()
    mask = fw.tensor([True, False])
    assert mask.masked_fill_(mask, False).tolist() == [False, False]


def test_sizes_are_joined_to_tuples_alone(fw):
    class Sequence:
        def __len__(self):
            return 1

        def __getitem__(self, i):
            return [7][i]

    assert fw.Size([1]) + (2,) == (1, 2)
    with pytest.raises(TypeError, match="can only concatenate tuple"):
        fw.Size([1]) + Sequence()


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "amin", "prod"])
def test_segments_are_reduced(reduce):
    results = []
    for f in (torch, pytorch):
        x = f.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 5.0], [5.0, 7.0]], requires_grad=True)
        lengths = f.tensor([1, 0, 3])
        y = f.segment_reduce(x, reduce, lengths=lengths, axis=0)
        f.nan_to_num(y, 0.0, 0.0, 0.0).sum().backward()
        z = f.segment_reduce(x.detach(), reduce, offsets=f.tensor([0, 2, 2, 4]), initial=1)
        rows = f.segment_reduce(x.detach(), reduce, lengths=f.tensor([[2], [2], [2], [2]]), axis=1)
        part = f.segment_reduce(x.detach(), reduce, lengths=f.tensor([1, 1]), unsafe=True)
        results.append([pytorch.tensor(t.tolist()) for t in (y, x.grad, z, rows, part)])
    for ours, theirs in zip(*results, strict=True):
        pytorch.testing.assert_close(ours, theirs, equal_nan=True)


def test_segments_that_do_not_fit(fw):
    x = fw.ones(4)
    for options in (
        {}, {"lengths": fw.tensor([1, 2])}, {"lengths": fw.tensor([5])}, {"lengths": fw.tensor([-1, 5])}, {"lengths": fw.tensor([[4]])},
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            fw.segment_reduce(x, "sum", **options)
    with pytest.raises(RuntimeError, match="prod, .*amax or amin"):
        fw.segment_reduce(x, "none", lengths=fw.tensor([4]))


def test_lists_that_hold_themselves_are_refused(fw):
    itself = [0]
    itself.append(itself)
    for data in (itself, [[1, 2], itself]):
        with pytest.raises((TypeError, ValueError)):
            fw.tensor(data)


def test_streams_are_numbers(fw):
    with pytest.raises(TypeError, match="stream must be"):
        fw.ones(2).__dlpack__(stream="a")
    with pytest.raises(RuntimeError, match="as_tuple"):
        fw.nonzero(fw.ones(2), as_tuple=True, out=fw.zeros(0, dtype=fw.int64))


def test_an_expanded_tensor_does_not_decide_the_order_of_a_result(fw):
    mask, x = fw.ones(1, 2, 5).expand(3, 2, 5), fw.ones(3, 2, 5)
    turned = fw.ones(3, 5, 2).transpose(1, 2)
    assert (mask * x).stride() == (x * mask).stride() == (10, 5, 1)
    assert (mask * mask).stride() == mask.clone().stride() == fw.empty_like(mask).stride() == (10, 5, 1)
    assert (mask * turned).stride() == (10, 5, 1) and (turned * mask).stride() == (10, 1, 2)
    assert fw.ones(2, 1, 5).expand(2, 4, 5).transpose(0, 2).exp().stride() == (1, 5, 20)


@pytest.mark.parametrize("index", [slice(None), ..., (slice(0, 2), 1)], ids=["slice", "ellipsis", "column"])
def test_a_number_is_not_assigned_to_an_expanded_tensor(fw, index):
    x = fw.ones(1, 2).expand(3, 2)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x[index] = 5
    x[0] = 5  # a row is no more expanded
    assert x.tolist() == [[5.0, 5.0]] * 3


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(
    "part",
    [lambda x: x, lambda x: x[:, :, 1:-1, 1:-1], lambda x: x[:, :, ::2, ::2], lambda x: x[:1], lambda x: x[0][None]],
    ids=["whole", "cut", "stepped", "one", "unsqueezed"],
)
def test_pieces_of_channels_last_pictures_stay_so(mode, part):
    def strides(fw):
        x = part(fw.rand(2, 4, 8, 8).contiguous(memory_format=fw.channels_last))
        return fw.nn.functional.interpolate(x, size=(5, 5), mode=mode).stride()

    assert strides(torch) == strides(pytorch)


def test_what_tensors_are_made_of(fw):
    class Unreadable:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            raise TypeError

    assert fw.cat([fw.empty(0), fw.empty(0)], dim=3).shape == (0,)
    with pytest.raises(ValueError, match="could not determine the shape"):
        fw.tensor(Unreadable())
    with pytest.raises(ValueError, match="buffer protocol"):
        fw.frombuffer([1, 2], dtype=fw.uint8)
    with pytest.raises(RuntimeError, match="Half, Float or Double"):
        fw.polar(fw.tensor([1]), fw.tensor([1]))
    fw.set_warn_always(True)
    try:
        with pytest.warns(UserWarning, match="buffer is not writable"):
            fw.frombuffer(b"ab", dtype=fw.uint8)
    finally:
        fw.set_warn_always(False)


def test_a_part_is_spread_over_what_it_is_a_part_of(fw):
    x = fw.arange(6.0).view(2, 3)
    x[1] = x[1, 0]
    x[:] = x[1]
    assert x.tolist() == [[3.0] * 3] * 2
    w = fw.ones(2, 3, requires_grad=True)
    y = w * fw.arange(3.0)
    y[:, 0] = y[0, 2]
    y.sum().backward()
    assert w.grad.tolist() == [[0.0, 1.0, 6.0], [0.0, 1.0, 2.0]]


@pytest.mark.parametrize("factors", [{"beta": True}, {"alpha": True}])
def test_addr_takes_bools_as_factors_of_bools_alone(fw, factors):
    ones = fw.ones(2)
    with pytest.raises(RuntimeError, match="only supported for Boolean results"):
        fw.addr(fw.ones(2, 2), ones, ones, **factors)
    fw.addr(fw.ones(2, 2) > 0, ones > 0, ones > 0, **factors)


def test_xlogy_of_a_number_takes_out(fw):
    x = fw.tensor([1.0, 2.0])
    out = fw.empty(2)
    fw.xlogy(2.0, x, out=out)
    assert out.tolist() == fw.special.xlogy(2.0, x).tolist() == fw.xlogy(2.0, x).tolist()


def test_xlog1py_of_a_number_takes_out(fw):
    x = fw.tensor([0.0, 1.0], dtype=fw.float64, requires_grad=True)
    fw.special.xlog1py(2.0, x).sum().backward()
    assert x.grad.tolist() == [2.0, 1.0]
    out = fw.empty(2, dtype=fw.float64)
    fw.special.xlog1py(2.0, x.detach(), out=out)
    assert out.tolist() == fw.special.xlog1py(2.0, x).tolist()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear"])
def test_integers_are_not_interpolated(fw, mode):
    with pytest.raises(NotImplementedError):
        fw.nn.functional.interpolate(fw.ones(1, 1, 2, 2).long(), scale_factor=2.0, mode=mode)
    if mode == "nearest":
        assert fw.nn.functional.interpolate(fw.ones(1, 1, 2, 2).byte(), size=4, mode=mode).dtype is fw.uint8
