# needs: thop ptflops torchsummary torchvision
import thop
import torch
from ptflops import get_model_complexity_info
from torchsummary import summary
from torchvision.models import resnet18

operations, parameters = thop.profile(resnet18(), inputs=(torch.randn(1, 3, 32, 32),), verbose=False)
assert parameters == 11689512 and operations == 37727232
macs, parameters = get_model_complexity_info(
    resnet18(), (3, 32, 32), as_strings=False, print_per_layer_stat=False, backend="pytorch"
)
assert parameters == 11689512 and 37e6 < macs < 39e6
summary(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), (3, 8, 8), device="cpu")
print("ran")
