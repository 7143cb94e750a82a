# needs: pytorch_warmup warmup_scheduler torch_lr_finder schedulefree tqdm packaging
import pytorch_warmup
import schedulefree
import torch
from torch_lr_finder import LRFinder
from warmup_scheduler import GradualWarmupScheduler

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(model.parameters())
schedule, warmup = (
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
    pytorch_warmup.UntunedLinearWarmup(optimizer),
)
for _ in range(3):
    optimizer.step()
    with warmup.dampening():
        schedule.step()
assert 0 < optimizer.param_groups[0]["lr"] < 1e-5
gradual = GradualWarmupScheduler(torch.optim.SGD(model.parameters(), 0.1), 1, 5)
gradual.optimizer.step()
gradual.step()
finder = LRFinder(model, torch.optim.SGD(model.parameters(), 1e-5), torch.nn.MSELoss(), device="cpu")
rows = torch.utils.data.TensorDataset(torch.randn(16, 2), torch.randn(16, 1))
finder.range_test(torch.utils.data.DataLoader(rows, 4), end_lr=1, num_iter=5)
assert len(finder.history["lr"]) == 5
for optimizer in (
    schedulefree.AdamWScheduleFree(model.parameters()),
    schedulefree.SGDScheduleFree(model.parameters(), lr=0.1),
):
    optimizer.train()
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 2)).pow(2).mean().backward()
        optimizer.step()
    optimizer.eval()
print("ran")
