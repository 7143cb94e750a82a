"""Classifies handwritten digits with a small convolutional network.

classification.py [--steps N] [--epochs 10] [--seed 0]
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.norm2 = nn.BatchNorm2d(32)
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(32 * 4 * 4, classes)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return F.log_softmax(self.fc(self.dropout(torch.flatten(x, 1))), dim=1)


def load():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    data = TensorDataset(images, torch.tensor(digits.target))
    held_out = len(data) // 5
    return random_split(data, [len(data) - held_out, held_out], generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    confusion = torch.zeros(10, 10, dtype=torch.long)
    for images, labels in loader:
        guesses = model(images).argmax(dim=1)
        confusion.index_put_((labels, guesses), torch.tensor(1), accumulate=True)
    model.train()
    return confusion


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, help="stop after this many")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    training, held_out = load()
    loader = DataLoader(training, batch_size=64, shuffle=True, drop_last=True)
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = args.steps or args.epochs * len(loader)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    step = 0
    while step < steps:
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            print(f"step {step} loss {loss.item():.8g}")
            if step == steps:
                break
    confusion = evaluate(model, DataLoader(held_out, batch_size=256))
    print(f"held-out accuracy {confusion.diagonal().sum().item() / confusion.sum().item():.2%}")
    print(confusion)


if __name__ == "__main__":
    main()
