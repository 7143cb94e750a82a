# needs: segmentation_models_pytorch timm torchvision huggingface_hub safetensors
import segmentation_models_pytorch as smp
import torch

for kind in (smp.Unet, smp.FPN, smp.Linknet, smp.PSPNet, smp.DeepLabV3Plus, smp.MAnet):
    out = kind("resnet18", encoder_weights=None, classes=3)(torch.randn(2, 3, 64, 64))
    smp.losses.DiceLoss("multiclass")(out, torch.randint(3, (2, 64, 64))).backward()
    assert out.shape == (2, 3, 64, 64)
print("ran")
