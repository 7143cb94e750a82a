"""An LSTM forecasts series: the lines of a photograph, read from left to right.

time_series.py [--steps 300] [--seed 0]
"""

import argparse

import torch
from sklearn.datasets import load_sample_image
from torch import nn
from torch.utils.data import DataLoader, Dataset

PAST, FUTURE = 48, 8


class Lines(Dataset):
    """Stretches of lines: PAST values, and the FUTURE ones that come next. Colours are three series that run together."""

    def __init__(self, lines):
        self.lines = lines
        self.starts = range(0, lines.size(1) - PAST - FUTURE + 1, 16)

    def __len__(self):
        return len(self.lines) * len(self.starts)

    def __getitem__(self, i):
        line, start = self.lines[i // len(self.starts)], self.starts[i % len(self.starts)]
        stretch = line[start : start + PAST + FUTURE]
        return stretch[:PAST], stretch[PAST:]


class Forecaster(nn.Module):
    def __init__(self, series=3, hidden=48):
        super().__init__()
        self.lstm = nn.LSTM(series, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, series)

    def forward(self, past, steps):
        output, state = self.lstm(past)
        value = past[:, -1] + self.head(output[:, -1])
        values = [value]
        for _ in range(steps - 1):  # its own forecasts are what it goes on from
            output, state = self.lstm(value.unsqueeze(1), state)
            value = value + self.head(output[:, -1])
            values.append(value)
        return torch.stack(values, dim=1)


@torch.no_grad()
def evaluate(model, loader):
    """Root mean squared errors: of the forecast, and of saying that nothing changes."""
    model.eval()
    errors = torch.zeros(2)
    count = 0
    for past, future in loader:
        forecasts = torch.stack([model(past, FUTURE), past[:, -1:].expand_as(future)])
        errors += (forecasts - future).square().mean(dim=(2, 3)).sum(dim=1)
        count += len(past)
    model.train()
    return (errors / count).sqrt().tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    photo = torch.from_numpy(load_sample_image("china.jpg").copy()).float() / 255
    lines = photo[::4]  # every fourth, (lines, columns, 3)
    held_out = torch.arange(len(lines)) % 5 == 0
    train, test = Lines(lines[~held_out]), Lines(lines[held_out])
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=30)
    criterion = nn.SmoothL1Loss(beta=0.1)
    step = 0
    while step < args.steps:
        for past, future in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(past, FUTURE), future)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.5)
            optimizer.step()
            plateau.step(loss.item())
            step += 1
            print(f"step {step} loss {loss.item():.8g}")
            if step == args.steps:
                break
    forecast, naive = evaluate(model, DataLoader(test, batch_size=256))
    print(f"root mean squared error {forecast:.4f}; of going on unchanged {naive:.4f}")


if __name__ == "__main__":
    main()
