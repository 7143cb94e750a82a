"""The 1,797 handwritten digits that ship inside scikit-learn: 8x8 pixels of 0 to 16 (E. Alpaydin, C. Kaynak, UCI 1998)."""

from rushlight.utils.data import TensorDataset
from sklearn.datasets import load_digits

import rushlight as torch


def digits() -> tuple[TensorDataset, TensorDataset]:
    """Training and test set: every fifth digit is held out. Images are float32 (N, 1, 8, 8) in [0, 1], labels int64."""
    raw = load_digits()
    images = torch.from_numpy(raw.images).to(torch.float32).unsqueeze(1) / 16
    labels = torch.from_numpy(raw.target)
    held_out = torch.arange(len(labels)) % 5 == 0
    return TensorDataset(images[~held_out], labels[~held_out]), TensorDataset(images[held_out], labels[held_out])
