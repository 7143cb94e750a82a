# needs: torchvision PIL
# torchvision's own code and rushlight.vision, both on rushlight: the same results from the same seed.
import random

import numpy as np
import torch
import torchvision
from PIL import Image
from rushlight.vision.transforms import v2 as ours2
from torchvision.transforms import v2 as theirs2

import rushlight.vision as helpers

assert "rushlight" not in torchvision.__file__
y, x = np.mgrid[0:40, 0:50]
picture = np.stack([(np.sin(x / 7 + i) + np.cos(y / 5 - i)) * 60 + 127 for i in range(3)], -1).astype("uint8")
image, tensor = Image.fromarray(picture), torch.from_numpy(picture.transpose(2, 0, 1).copy())


def drawn(transform, inpt):
    torch.manual_seed(3)
    random.seed(3)
    out = transform(inpt)
    return np.asarray(out).astype(float)


OPTIONS = {
    "Resize": {"size": 20}, "CenterCrop": {"size": 30}, "Pad": {"padding": 3}, "RandomCrop": {"size": 20}, "RandomHorizontalFlip": {},
    "RandomResizedCrop": {"size": 24}, "ColorJitter": {"brightness": 0.3, "contrast": 0.4, "saturation": 0.5, "hue": 0.1},
    "RandomRotation": {"degrees": 30}, "RandomAffine": {"degrees": 20, "translate": (0.1, 0.2), "scale": (0.8, 1.2), "shear": 10},
    "RandomPerspective": {"p": 1}, "GaussianBlur": {"kernel_size": 5}, "RandomPosterize": {"bits": 3, "p": 1}, "AutoAugment": {},
    "RandomEqualize": {"p": 1}, "RandAugment": {}, "TrivialAugmentWide": {}, "AugMix": {}, "ElasticTransform": {"alpha": 40.0},
    "RandomGrayscale": {"p": 0.9}, "RandomInvert": {}, "RandomAutocontrast": {"p": 1}, "RandomAdjustSharpness": {"sharpness_factor": 2, "p": 1},
}  # fmt: skip
for name, options in OPTIONS.items():
    for theirs, ours in ((torchvision.transforms, helpers.transforms), (theirs2, ours2)):
        for inpt in (image, tensor):
            want = drawn(getattr(theirs, name)(**options), inpt)
            got = drawn(getattr(ours, name)(**options), inpt)
            assert want.shape == got.shape, name
            apart = np.abs(want - got)
            assert (apart > 0).mean() < 0.02 and apart.mean() < 0.05, (name, theirs.__name__, type(inpt), apart.mean())

for name in ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "regnet_x_400mf", "swin_t", "efficientnet_b0"):
    made = []
    for models in (torchvision.models, helpers.models):
        torch.manual_seed(0)
        made.append(models.get_model(name, num_classes=5).eval())
    states = [m.state_dict() for m in made]
    assert list(states[0]) == list(states[1]), name
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0]), name
    inpt = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(made[0](inpt), made[1](inpt), rtol=1e-4, atol=1e-5)

boxes, scores = torch.rand(30, 4) * 20, torch.rand(30)
boxes[:, 2:] += boxes[:, :2]
assert torch.equal(torchvision.ops.nms(boxes, scores, 0.3), helpers.ops.nms(boxes, scores, 0.3))
detector = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
    weights=None, weights_backbone=None, num_classes=3
)
losses = detector([torch.rand(3, 64, 64)], [{"boxes": torch.tensor([[5.0, 5, 40, 40]]), "labels": torch.tensor([1])}])
sum(losses.values()).backward()
print("ran")
