# needs: safetensors
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

tensors = {"a": torch.randn(2, 3), "b": torch.arange(4), "c": torch.ones(2, dtype=torch.bfloat16)}
save_file(tensors, "x.safetensors", metadata={"made": "here"})
for read in (load_file("x.safetensors"), load(save(tensors))):
    assert all(torch.equal(read[k], v) and read[k].dtype == v.dtype for k, v in tensors.items())
with safe_open("x.safetensors", framework="pt") as file:
    assert set(file.keys()) == set(tensors) and file.metadata() == {"made": "here"}
    assert torch.equal(file.get_slice("a")[:, 1:], tensors["a"][:, 1:])
model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
save_model(model, "m.safetensors")
load_model(other, "m.safetensors")
assert torch.equal(model.weight, other.weight)
print("ran")
