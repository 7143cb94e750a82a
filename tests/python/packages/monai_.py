# needs: monai
import torch
from monai.inferers import sliding_window_inference
from monai.losses import DiceLoss
from monai.networks.nets import BasicUNet, UNet
from monai.transforms import Compose, GaussianSmooth, RandFlip, Resize, ScaleIntensity

x = torch.randn(1, 1, 32, 32)
for model in (UNet(2, 1, 2, (8, 16, 32), (2, 2)), BasicUNet(2, 1, 2)):
    DiceLoss(to_onehot_y=True, softmax=True)(model(x), torch.randint(2, (1, 1, 32, 32))).backward()
    assert sliding_window_inference(x, (32, 32), 2, model.eval()).shape == (1, 2, 32, 32)
assert Compose([ScaleIntensity(), RandFlip(1.0), Resize((16, 16)), GaussianSmooth()])(torch.rand(1, 32, 32)).shape == (
    1,
    16,
    16,
)
print("ran")
