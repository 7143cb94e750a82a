"""Learns to enlarge photographs three times, by a convolutional network that ends in a pixel shuffle (Shi et al. 2016).

super_resolution.py [--steps 300] [--seed 0]
"""

import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init
from sklearn.datasets import load_sample_images
from torch.utils.data import DataLoader, Dataset

FACTOR = 3


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 32, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(32, 32, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(32, 16, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(16, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        small = x
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.pixel_shuffle(self.conv4(x)) + F.interpolate(small, scale_factor=FACTOR, mode="bicubic")

    def _initialize_weights(self):
        for conv in (self.conv1, self.conv2, self.conv3):
            init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        init.zeros_(self.conv4.weight)


class Crops(Dataset):
    """Squares of the photographs' brightness, small and large."""

    def __init__(self, photos, size=48, stride=36):
        squares = [p.unfold(0, size, stride).unfold(1, size, stride).reshape(-1, 1, size, size) for p in photos]
        self.large = torch.cat(squares)
        self.small = F.interpolate(self.large, scale_factor=1 / FACTOR, mode="bilinear", antialias=True)

    def __len__(self):
        return len(self.large)

    def __getitem__(self, i):
        return {"small": self.small[i], "large": self.large[i]}


def psnr(a, b):
    return 10 * math.log10(1 / F.mse_loss(a, b).item())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    weights = torch.tensor([0.299, 0.587, 0.114])
    photos = [torch.from_numpy(p.copy()).float().div(255) @ weights for p in load_sample_images().images]
    train, test = Crops([p[: len(p) * 2 // 3] for p in photos]), Crops([p[len(p) * 2 // 3 :] for p in photos])
    model = Net(FACTOR)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [args.steps * 2 // 3], gamma=0.3)
    step = 0
    while step < args.steps:
        for batch in DataLoader(train, batch_size=16, shuffle=True):
            optimizer.zero_grad()
            loss = F.mse_loss(model(batch["small"]), batch["large"])
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            print(f"step {step} loss {loss.item():.8g}")
            if step == args.steps:
                break
    with torch.no_grad():
        bicubic = F.interpolate(test.small, scale_factor=FACTOR, mode="bicubic")
        print(f"PSNR {psnr(model(test.small), test.large):.2f} dB, of bicubic {psnr(bicubic, test.large):.2f} dB")


if __name__ == "__main__":
    main()
