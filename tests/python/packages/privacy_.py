# needs: opacus opt_einsum torchattacks
import opacus
import torch
import torchattacks
from torch import nn

rows = torch.utils.data.TensorDataset(torch.rand(32, 1, 8, 8), torch.randint(0, 10, (32,)))
loader = torch.utils.data.DataLoader(rows, batch_size=8)
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
engine = opacus.PrivacyEngine(accountant="rdp")
model, optimizer, loader = engine.make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), 0.1),
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
assert 0 < engine.get_epsilon(1e-5) < 100

victim = nn.Sequential(nn.Flatten(), nn.Linear(48, 10)).eval()
x, y = torch.rand(4, 3, 4, 4), torch.randint(0, 10, (4,))
for name, most in {"FGSM": 8 / 255, "PGD": 8 / 255, "MIFGSM": 8 / 255, "TPGD": 8 / 255, "CW": 1, "DeepFool": 1}.items():
    changed = getattr(torchattacks, name)(victim)(x, y)
    assert changed.shape == x.shape and (changed - x).abs().max() <= most + 1e-6, name
print("ran")
