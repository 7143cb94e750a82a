"""A siamese network learns which digits are alike, and recognises classes that it has never been trained on.

siamese.py [--steps 400] [--seed 0]
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

UNSEEN = (8, 9)


class Triplets(Dataset):
    """An image, another of its class, and one of another class."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels
        self.by_class = {c: (labels == c).nonzero(as_tuple=True)[0] for c in labels.unique().tolist()}

    def __len__(self):
        return len(self.images)

    def draw(self, c):
        members = self.by_class[c]
        return self.images[members[torch.randint(len(members), ())]]

    def __getitem__(self, i):
        c = self.labels[i].item()
        others = [k for k in self.by_class if k != c]
        return self.images[i], self.draw(c), self.draw(others[torch.randint(len(others), (1,)).item()])


class Embedding(nn.Module):
    def __init__(self, size=16):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding="same"), nn.PReLU(), nn.MaxPool2d(2, stride=2),
            nn.Conv2d(16, 32, 3, padding="same"), nn.PReLU(), nn.AdaptiveAvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(128, 64), nn.PReLU(), nn.Linear(64, size))

    def forward(self, x):
        return F.normalize(self.fc(self.cnn(x)), dim=1)


@torch.no_grad()
def nearest(model, known, known_labels, images, labels):
    """The share of images whose nearest neighbour among the known is of their class."""
    model.eval()
    distances = torch.cdist(model(images), model(known))
    right = (known_labels[distances.argmin(dim=1)] == labels).float().mean().item()
    model.train()
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    digits = load_digits()
    images = torch.as_tensor(digits.images).float().sub(8).div(8)[:, None]
    labels = torch.as_tensor(digits.target)
    unseen = torch.isin(labels, torch.tensor(UNSEEN))
    data = Triplets(images[~unseen], labels[~unseen])
    model = Embedding()
    criterion = nn.TripletMarginLoss(margin=0.5)
    optimizer = torch.optim.Adamax(model.parameters(), lr=4e-3)
    step = 0
    while step < args.steps:
        for anchor, positive, negative in DataLoader(data, batch_size=64, shuffle=True):
            # One call for all three: they go through the same weights.
            a, p, n = model(torch.cat([anchor, positive, negative])).chunk(3)
            loss = criterion(a, p, n)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            print(f"step {step} loss {loss.item():.8g}")
            if step == args.steps:
                break
    new, new_labels = images[unseen], labels[unseen]
    share = nearest(model, new[:20], new_labels[:20], new[20:], new_labels[20:])
    print(f"digits {UNSEEN}, never trained on, told apart by 20 examples: {share:.2%}")


if __name__ == "__main__":
    main()
