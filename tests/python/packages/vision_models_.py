# needs: ultralytics open_clip ttach antialiased_cnns torchvision cv2 ftfy regex polars
import antialiased_cnns
import torch
import ttach
from open_clip.model import CLIP
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel

torch.manual_seed(0)
detector = DetectionModel("yolov8n.yaml", nc=3, verbose=False)
detector.args = get_cfg()
batch = {
    "img": torch.rand(2, 3, 64, 64), "batch_idx": torch.tensor([0.0, 1.0]), "cls": torch.tensor([[0.0], [1.0]]),
    "bboxes": torch.tensor([[0.5, 0.5, 0.3, 0.3], [0.4, 0.4, 0.2, 0.2]]),
}  # fmt: skip
detector.loss(batch)[0].sum().backward()
assert detector.eval()(torch.rand(1, 3, 64, 64))[0].shape == (1, 7, 84)
clip = CLIP(
    16,
    {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1},
)
image, text, scale = clip(torch.rand(2, 3, 32, 32), torch.randint(0, 50, (2, 8)))
(scale * image @ text.T).logsumexp(1).sum().backward()
blurred = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), antialiased_cnns.BlurPool(3, stride=2), torch.nn.Flatten())
turned = ttach.ClassificationTTAWrapper(blurred, ttach.aliases.d4_transform())
assert turned(torch.rand(1, 3, 8, 8)).shape == (1, 48)
print("ran")
