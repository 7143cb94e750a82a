# needs: timm torchvision huggingface_hub safetensors
import timm
import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler

torch.manual_seed(0)
SMALL = {"img_size": 64}
for name, options in {
    "resnet18": {}, "mobilenetv3_small_050": {}, "efficientnet_b0": {}, "convnext_atto": {}, "regnetx_002": {}, "densenet121": {},
    "ghostnet_050": {}, "poolformer_s12": {}, "mobilevit_xxs": {}, "edgenext_xx_small": {}, "vit_tiny_patch16_224": SMALL,
    "deit_tiny_patch16_224": SMALL, "swin_tiny_patch4_window7_224": {**SMALL, "window_size": 4},
}.items():  # fmt: skip
    model = timm.create_model(name, num_classes=10, **options)
    out = model(torch.randn(2, 3, 64, 64))
    out.square().sum().backward()
    assert out.shape == (2, 10) and all(p.grad is not None for p in model.parameters() if p.requires_grad), name
optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3)
CosineLRScheduler(optimizer, 10).step(1)
optimizer.step()
print("ran")
