"""A generative adversarial network: one network draws digits, another tells them from real ones.

gan.py [--steps 2000] [--seed 0]
"""

import argparse

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

NOISE = 32


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.05)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(NOISE, 64, 4, 1, 0, bias=False),  # 4 x 4
            nn.BatchNorm2d(64),
            nn.ReLU(True),
            nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),  # 8 x 8
            nn.BatchNorm2d(32),
            nn.ReLU(True),
            nn.Conv2d(32, 1, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, 32, 4, 2, 1, bias=False),  # 4 x 4
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(32, 64, 3, 1, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 1, 4, 1, 0),
        )

    def forward(self, input):
        return self.main(input).view(-1)


def batches(loader):
    while True:
        yield from loader


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    generator = Generator().apply(weights_init)
    discriminator = Discriminator().apply(weights_init)

    images = torch.tensor(load_digits().images, dtype=torch.float).unsqueeze(1) / 8 - 1
    loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
    criterion = nn.BCEWithLogitsLoss()
    # Pixels at the border never change: a smaller eps would blow the rounding of their gradients up to steps.
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-4)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-4)

    for step, (real,) in zip(range(1, args.steps + 1), batches(loader)):
        # The discriminator: real ones are 1, drawn ones 0.
        discriminator.zero_grad()
        loss_real = criterion(discriminator(real), torch.ones(len(real)))
        fake = generator(torch.randn(len(real), NOISE, 1, 1))
        loss_fake = criterion(discriminator(fake.detach()), torch.zeros(len(real)))
        (loss_real + loss_fake).backward()
        optimizer_d.step()
        # The generator: its drawings should pass for real.
        generator.zero_grad()
        loss_g = criterion(discriminator(fake), torch.ones(len(real)))
        loss_g.backward()
        optimizer_g.step()
        print(f"step {step} loss {(loss_real + loss_fake).item():.8g} generator {loss_g.item():.8g}")

    generator.eval()
    with torch.no_grad():
        drawn = generator(torch.randn(6, NOISE, 1, 1)).squeeze(1)
    for row in range(8):
        print("  ".join("".join(" .:-=+*#%@"[int((v + 1) * 4.99)] * 2 for v in image[row]) for image in drawn.tolist()))


if __name__ == "__main__":
    main()
