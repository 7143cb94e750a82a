"""A small U-Net finds the flower in a photograph. It sees grey pixels; the mask that it learns comes from their colours.

segmentation.py [--steps 150] [--seed 0]
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_sample_image


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(4, outputs),
            nn.SiLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(4, outputs),
            nn.SiLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down1 = DoubleConv(1, width)
        self.down2 = DoubleConv(width, 2 * width)
        self.bottom = DoubleConv(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.conv2 = DoubleConv(4 * width, 2 * width)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv1 = DoubleConv(3 * width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.conv2(torch.cat([self.up2(c), b], dim=1))
        a = self.conv1(torch.cat([self.up1(b), a], dim=1))
        return self.out(a)


def load():
    """Grey values (1, H, W) and the mask (1, H, W) of what is more red than green."""
    photo = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1).float() / 255
    photo = F.avg_pool2d(photo, 2)
    grey = (photo * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    return (grey - grey.mean()) / grey.std(), (photo[0:1] > photo[1:2] + 0.1).float()


def crops(image, mask, count, size=64):
    """Random squares, some of them mirrored."""
    pairs = torch.cat([image, mask])
    out = []
    for _ in range(count):
        y = torch.randint(0, pairs.shape[1] - size + 1, (1,)).item()
        x = torch.randint(0, pairs.shape[2] - size + 1, (1,)).item()
        crop = pairs[:, y : y + size, x : x + size]
        out.append(crop.flip(2) if torch.rand(1).item() < 0.5 else crop)
    return torch.stack(out).split(1, dim=1)


def dice_loss(scores, mask):
    p = torch.sigmoid(scores)
    return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    image, mask = load()
    half = image.shape[2] // 2  # learns on the left, is judged on the right
    model = UNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=args.steps + 1)
    for step in range(1, args.steps + 1):
        x, y = crops(image[:, :, :half], mask[:, :, :half], 8)
        scores = model(x)
        loss = F.binary_cross_entropy_with_logits(scores, y) + dice_loss(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        print(f"step {step} loss {loss.item():.8g}")

    model.eval()
    with torch.no_grad():
        height, width = image.shape[1] // 4 * 4, half // 4 * 4
        right, truth = (t[:, :height, half : half + width] for t in (image, mask))
        found = model(right[None])[0] > 0
        overlap = (found & truth.bool()).sum() / (found | truth.bool()).sum().clamp(min=1)
    print(f"intersection over union on the unseen half {overlap.item():.3f}")


if __name__ == "__main__":
    main()
