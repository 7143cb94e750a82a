"""Tensors on two devices, and meta tensors where values are needed: errors that name operator and devices, never a read of memory."""

import re

import pytest
import rushlight.nn.functional as F

import rushlight as torch
import rushlight.nn as nn


def meta(*sizes, **options):
    return torch.ones(*sizes, device="meta", **options)


def step_with_meta_gradients():
    x = torch.ones(3)
    x.requires_grad_().grad = torch.ones(3)
    x.grad.data = meta(3)
    torch.optim.SGD([x], lr=0.1).step()


MIXED = {
    "add": lambda: torch.ones(3) + meta(3),
    "add_": lambda: torch.ones(3).add_(meta(3)),
    "add.out": lambda: torch.add(torch.ones(3), torch.ones(3), out=meta(3)),
    "written 0-d": lambda: torch.tensor(1.0).add_(meta(())),
    "where": lambda: torch.where(torch.ones(3) > 0, meta(3), torch.ones(3)),
    "mm": lambda: torch.mm(torch.ones(2, 3), meta(3, 4)),
    "cat": lambda: torch.cat([torch.ones(3), meta(3)]),
    "stack": lambda: torch.stack([torch.ones(3), meta(3)]),
    "gather": lambda: torch.ones(3, 3).gather(0, meta(3, 3, dtype=torch.int64)),
    "index by meta": lambda: torch.ones(3, 3)[meta(2, dtype=torch.int64)],
    "index_put_": lambda: torch.ones(3).index_put_((torch.tensor([0]),), meta(1)),
    "embedding": lambda: F.embedding(torch.tensor([1]), meta(3, 4)),
    "linear": lambda: nn.Linear(8, 4).to("meta")(torch.ones(4, 8)),
    "conv2d": lambda: nn.Conv2d(3, 8, 3).to("meta")(torch.ones(1, 3, 9, 9)),
    "batch_norm": lambda: nn.BatchNorm2d(3).to("meta")(torch.ones(2, 3, 4, 4)),
    "layer_norm": lambda: nn.LayerNorm(3).to("meta")(torch.ones(2, 3)),
    "lstm": lambda: nn.LSTM(3, 4).to("meta")(torch.ones(5, 1, 3)),
    "gru": lambda: nn.GRU(3, 4).to("meta")(torch.ones(5, 1, 3)),
    "attention": lambda: nn.MultiheadAttention(4, 2).to("meta")(*[torch.ones(5, 1, 4)] * 3),
    "cross_entropy": lambda: F.cross_entropy(torch.ones(2, 3), meta(2, dtype=torch.int64)),
    "set_": lambda: torch.ones(3).set_(meta(3)),
    "optimizer": lambda: step_with_meta_gradients(),
}  # fmt: skip


@pytest.mark.parametrize("case", MIXED)
def test_tensors_on_two_devices_are_refused(case):
    with pytest.raises((RuntimeError, TypeError)) as e:
        MIXED[case]()
    if e.type is RuntimeError:
        assert re.search(r"cpu.*meta|meta.*cpu", str(e.value)), e.value


def test_the_error_names_operator_arguments_and_remedy():
    with pytest.raises(
        RuntimeError, match=r"mul: .*same device.* cpu and meta! \(self is on cpu, other on meta\).*\.to\("
    ):
        torch.ones(3) * meta(3)


DATA_NEEDED = {
    "nonzero": lambda: meta(3).nonzero(),
    "masked_select": lambda: meta(3).masked_select(meta(3) > 0),
    "unique": lambda: meta(3).unique(),
    "bincount": lambda: meta(3, dtype=torch.int64).bincount(),
    "item": lambda: meta(()).item(),
    "float": lambda: float(meta(1)),
    "int": lambda: int(meta(1)),
    "bool": lambda: bool(meta(1)),
    "index": lambda: [1, 2][meta((), dtype=torch.int64)],
    "tolist": lambda: meta(3).tolist(),
    "numpy": lambda: meta(3).numpy(),
    "dlpack": lambda: meta(3).__dlpack__(),
    "equal": lambda: torch.equal(meta(3), meta(3)),
    "to cpu": lambda: meta(3).to("cpu"),
    "copy_": lambda: torch.ones(3).copy_(meta(3)),
    "fill_": lambda: torch.ones(3).fill_(meta(())),
    "iterate a mask": lambda: torch.ones(3)[meta(3) > 0],
    "multinomial from cpu": lambda: torch.ones(3).multinomial(2, generator=torch.Generator()).to("meta").tolist(),
}


@pytest.mark.parametrize("case", DATA_NEEDED)
def test_values_of_meta_tensors_are_refused(case):
    with pytest.raises((RuntimeError, TypeError, ValueError, BufferError)):
        DATA_NEEDED[case]()


def test_an_operator_whose_result_depends_on_values_says_so():
    with pytest.raises(NotImplementedError, match="nonzero: not implemented for tensors on device meta"):
        meta(3).nonzero()


def test_numbers_and_0d_cpu_tensors_meet_meta_tensors():
    for result in [meta(3) + 1, meta(3) * torch.tensor(2.0), torch.tensor(2.0) - meta(3), meta(3).fill_(torch.tensor(1.0))]:  # fmt: skip
        assert result.device.type == "meta" and result.shape == (3,)
    assert torch.where(meta(3) > 0, torch.tensor(1.0), torch.tensor(0.0)).device.type == "meta"


def test_in_place_operators_leave_meta_tensors_as_they_are():
    x = meta(3)
    assert x.zero_() is x and x.fill_(2) is x and x.normal_() is x and x.copy_(torch.ones(3)) is x
    assert x.uniform_().device.type == "meta" and x.resize_(2, 2).shape == (2, 2) and x.t_().stride() == (1, 2)
    assert nn.init.kaiming_uniform_(meta(3, 3)).shape == (3, 3)


def test_likes_take_shape_and_dtype_across_devices():
    like = meta(2, 3, dtype=torch.float64)
    for f in [torch.empty_like, torch.zeros_like, torch.ones_like, torch.rand_like, torch.randn_like]:
        assert f(like).device.type == "meta" and f(like).dtype == torch.float64
        assert f(like, device="cpu").device.type == "cpu"
    assert torch.zeros_like(like, device="cpu").sum().item() == 0
    assert like.new_zeros(2).device.type == "meta" and torch.ones(6).view_as(like).shape == (2, 3)


def test_gradients_on_meta_have_shapes():
    x = meta(2, 3, requires_grad=True)
    (x.exp() @ meta(3, 4)).sum().backward()
    assert x.grad.shape == (2, 3) and x.grad.device.type == "meta"
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(2, requires_grad=True).backward(meta(2))


def test_an_optimizer_step_over_meta_parameters_is_refused_or_does_nothing():
    model = nn.Linear(3, 2).to("meta")
    for make in [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW]:
        optimizer = make(model.parameters(), lr=0.1)
        model.weight.grad, model.bias.grad = meta(2, 3), meta(2)
        optimizer.step()
        assert model.weight.device.type == "meta"


def test_meta_modules_get_memory_with_to_empty():
    model = nn.Linear(3, 2).to("meta")
    with pytest.raises(NotImplementedError, match="meta"):
        model.to("cpu")
    model = model.to_empty(device="cpu")
    assert model(torch.ones(1, 3)).shape == (1, 2)


def test_bounds_on_meta_give_meta_tensors():
    for f in [torch.linspace, torch.logspace]:
        for start, end in [(meta(()), 1.0), (0.0, meta(())), (meta(()), torch.tensor(2.0))]:
            assert f(start, end, 3).device.type == "meta" and f(start, end, 3, device="cpu").shape == (3,)


def test_a_cpu_by_number_is_the_cpu():
    # So that a gradient of what was made on "cpu:0" fits a parameter on "cpu".
    for made in (
        torch.empty(2, device="cpu:0"),
        torch.arange(3, device="cpu:0"),
        torch.zeros(2).new_ones(3, device="cpu:0"),
    ):
        assert made.device == torch.device("cpu") and made.device.index is None
    assert torch.empty(2, device="meta:0").device == torch.device("meta")
    assert torch.empty_strided((2, 2), (1, 2), device="cpu:0").device.index is None
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2, device="cpu:0")).sum().backward()
    torch.optim.Adam(layer.parameters()).step()
