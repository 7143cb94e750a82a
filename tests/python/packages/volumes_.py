# needs: torchio SimpleITK nibabel deprecated humanize tensorly neuralop rich
import torch
import torchio as tio
from neuralop.models import FNO

torch.manual_seed(0)
subject = tio.Subject(a=tio.ScalarImage(tensor=torch.rand(1, 8, 8, 8)), b=tio.LabelMap(tensor=torch.ones(1, 8, 8, 8)))
changed = tio.Compose([tio.RandomFlip(), tio.RandomNoise(), tio.RandomAffine(), tio.ZNormalization()])(subject)
assert changed.a.shape == (1, 8, 8, 8)
net = FNO(n_modes=(4, 4), hidden_channels=8, in_channels=1, out_channels=1, n_layers=1)
net(torch.randn(1, 1, 16, 16)).pow(2).mean().backward()
assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
print("ran")
