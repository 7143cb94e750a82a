"""A small convolutional network for 8x8 handwritten digits: plain PyTorch code."""

import rushlight as torch
from rushlight import nn


class Digits(nn.Module):
    """Two convolutions, one pooling, two linear layers: 42,498 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.dropout = nn.Dropout(0.25)
        self.hidden = nn.Linear(32 * 4 * 4, 72)
        self.output = nn.Linear(72, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = self.dropout(x.flatten(1))
        return self.output(torch.relu(self.hidden(x)))
