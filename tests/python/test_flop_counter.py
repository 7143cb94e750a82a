"""utils.flop_counter, compared with PyTorch's."""

import pytest
import torch as reference
import torch.utils.flop_counter
from rushlight.utils.flop_counter import FlopCounterMode

import rushlight as torch


def counted(module, counter, backward):
    model = module.nn.Sequential(
        module.nn.Conv2d(3, 8, 3),
        module.nn.ConvTranspose2d(8, 4, 3, stride=2),
        module.nn.Flatten(),
        module.nn.Linear(676, 5),
    )
    x = module.ones(2, 3, 8, 8, requires_grad=True)
    with counter(display=False) as count:
        y = model(x)
        y = y + (y.unsqueeze(2) @ y.unsqueeze(1)).sum(-1)
        if backward:
            y.sum().backward()
    return count.get_total_flops()


@pytest.mark.parametrize("backward", [False, True])
def test_as_pytorch_counts(backward):
    theirs = counted(reference, reference.utils.flop_counter.FlopCounterMode, backward)
    assert counted(torch, FlopCounterMode, backward) == theirs > 0


def test_modules_tables_and_own_formulas():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.Linear(4, 5)))
    with FlopCounterMode(
        model, display=False, custom_mapping={torch.ops.aten.relu: lambda x, *, out_shape: 7}
    ) as counter:
        model(torch.ones(2, 3)).relu()
    counts = {where: sum(ops.values()) for where, ops in counter.get_flop_counts().items()}
    assert counts == {
        "Global": 48 + 80 + 7,
        "Sequential": 128,
        "Sequential.0": 48,
        "Sequential.1": 80,
        "Sequential.1.0": 80,
    }
    table = counter.get_table(depth=2)
    assert "Sequential.1 " in table and "Sequential.1.0" not in table and "Global" in table
    with FlopCounterMode(display=False) as counter:
        torch.ones(2).relu()
    assert counter.get_total_flops() == 0
