# needs: vit_pytorch einops torchvision
import torch
from vit_pytorch import SimpleViT, ViT
from vit_pytorch.cait import CaiT

size = {"image_size": 64, "patch_size": 16, "num_classes": 5, "dim": 32, "heads": 2, "mlp_dim": 32}
for model in (ViT(**size, depth=2), SimpleViT(**size, depth=2), CaiT(**size, depth=1, cls_depth=1)):
    out = model(torch.randn(2, 3, 64, 64))
    out.sum().backward()
    assert out.shape == (2, 5)
print("ran")
