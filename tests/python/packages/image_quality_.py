# needs: pytorch_msssim piq lpips lightly torchvision
import lpips
import piq
import torch
from lightly.loss import BarlowTwinsLoss, NTXentLoss, VICRegLoss
from lightly.models.modules import SimCLRProjectionHead
from pytorch_msssim import ms_ssim, ssim

a, b = torch.rand(1, 3, 192, 192, requires_grad=True), torch.rand(1, 3, 192, 192)
ssim(a, b, data_range=1).backward()
assert a.grad.abs().sum() > 0 and 0 < ms_ssim(a, b, data_range=1) < 1
a = a.detach()
for measure in (piq.psnr, piq.gmsd, piq.vsi, piq.haarpsi, piq.ssim):
    assert measure(a, b).isfinite()
assert piq.total_variation(a) > 0
assert lpips.LPIPS(net="squeeze", pretrained=False, pnet_rand=True, verbose=False)(a, b).shape == (1, 1, 1, 1)

head = SimCLRProjectionHead(32, 32, 16)
one, two = head(torch.randn(8, 32)), head(torch.randn(8, 32))
(NTXentLoss()(one, two) + BarlowTwinsLoss()(one, two) + VICRegLoss()(one, two)).backward()
assert all(p.grad is not None for p in head.parameters())
print("ran")
