# needs: accelerate safetensors huggingface_hub psutil
import torch
from accelerate import Accelerator, init_empty_weights
from accelerate.utils import set_seed

set_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = torch.nn.Linear(4, 2)
data = torch.utils.data.TensorDataset(torch.randn(16, 4), torch.randint(2, (16,)))
optimizer = torch.optim.AdamW(model.parameters())
model, optimizer, loader, schedule = accelerator.prepare(
    model, optimizer, torch.utils.data.DataLoader(data, 4, shuffle=True), torch.optim.lr_scheduler.StepLR(optimizer, 1)
)
for x, y in loader:
    with accelerator.accumulate(model):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
assert accelerator.gather(loss.detach()).isfinite().all() and isinstance(
    accelerator.unwrap_model(model), torch.nn.Linear
)
accelerator.save_state("state")
accelerator.load_state("state")
with init_empty_weights():
    assert torch.nn.Linear(1000, 1000).weight.is_meta
print("ran")
