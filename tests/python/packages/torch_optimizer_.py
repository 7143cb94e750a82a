# needs: torch_optimizer pytorch_ranger
import torch
import torch_optimizer

for name in ("AccSGD", "AdaBelief", "AdaBound", "AdaMod", "AdamP", "AggMo", "DiffGrad", "LARS", "Lamb", "MADGRAD", "NovoGrad", "PID",
             "QHAdam", "RAdam", "SGDP", "SGDW", "SWATS", "Yogi"):  # fmt: skip
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = getattr(torch_optimizer, name)([weight], lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.isfinite().all() and not torch.equal(weight, torch.ones(3, 2)), name
print("ran")
