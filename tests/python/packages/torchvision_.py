# needs: torchvision PIL
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision import models, transforms, tv_tensors
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

torch.manual_seed(0)
for name in ("resnet18", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "densenet121", "squeezenet1_0", "shufflenet_v2_x0_5",
             "mnasnet0_5", "regnet_y_400mf", "convnext_tiny", "swin_t"):  # fmt: skip
    out = models.get_model(name, weights=None, num_classes=10)(torch.randn(2, 3, 64, 64))
    out.sum().backward()
    assert out.shape == (2, 10), name
models.vit_b_16(weights=None, image_size=32)(torch.randn(1, 3, 32, 32)).sum().backward()
fcn = models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=5)
assert fcn(torch.randn(2, 3, 64, 64))["out"].shape == (2, 5, 64, 64)
features = create_feature_extractor(models.resnet18(), {"layer1": "a", "layer3": "b"})(torch.rand(1, 3, 64, 64))
assert {k: tuple(v.shape) for k, v in features.items()} == {"a": (1, 64, 16, 16), "b": (1, 256, 4, 4)}

image = Image.fromarray((np.random.rand(40, 50, 3) * 255).astype("uint8"))
old = transforms.Compose([
    transforms.RandomResizedCrop(32), transforms.RandomHorizontalFlip(), transforms.ColorJitter(0.2, 0.2, 0.2, 0.1),
    transforms.RandomRotation(10), transforms.RandomAffine(5, (0.1, 0.1)), transforms.ToTensor(),
    transforms.Normalize([0.5] * 3, [0.5] * 3), transforms.RandomErasing(),
])  # fmt: skip
assert old(image).shape == (3, 32, 32)
tensors = transforms.Compose([
    transforms.Resize(32), transforms.CenterCrop(28), transforms.GaussianBlur(3), transforms.ColorJitter(0.2, 0.2, 0.2, 0.1),
    transforms.RandomPerspective(p=1.0), transforms.Pad(2),
])  # fmt: skip
assert tensors(torch.rand(3, 40, 50)).shape == (3, 32, 32)
new = v2.Compose(
    [
        v2.ToImage(),
        v2.RandomResizedCrop(32, antialias=True),
        v2.ColorJitter(0.2, 0.2),
        v2.ToDtype(torch.float32, scale=True),
    ]
)
assert new(image).shape == (3, 32, 32)
box = tv_tensors.BoundingBoxes([[1, 2, 10, 20]], format="XYXY", canvas_size=(40, 50))
picture, box = v2.Compose([v2.Resize((20, 25)), v2.RandomHorizontalFlip(1.0)])(
    tv_tensors.Image(torch.rand(3, 40, 50)), box
)
assert type(picture) is tv_tensors.Image and box.canvas_size == (20, 25) and box.tolist() == [[20, 1, 25, 10]]
assert torchvision.utils.make_grid(torch.rand(4, 3, 8, 8)).shape[0] == 3
assert (
    len(
        list(
            torch.utils.data.DataLoader(
                torchvision.datasets.FakeData(10, (3, 32, 32), transform=transforms.ToTensor()), 4
            )
        )
    )
    == 3
)
print("ran")
