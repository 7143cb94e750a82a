"""A variational autoencoder of handwritten digits: compresses them to a few numbers, and draws new ones.

vae.py [--steps 1500] [--latent 8] [--seed 0]
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.mean = nn.Linear(64, latent)
        self.log_variance = nn.Linear(64, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid()
        )

    def reparameterize(self, mean, log_variance):
        std = torch.exp(0.5 * log_variance)
        return mean + torch.randn_like(std) * std

    def forward(self, x):
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        return self.decoder(self.reparameterize(mean, log_variance)), mean, log_variance


def elbo(reconstruction, x, mean, log_variance):
    """The negative evidence lower bound of a batch, an image."""
    likelihood = F.binary_cross_entropy(reconstruction, x, reduction="sum")
    divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return (likelihood + divergence) / len(x)


def show(images):
    """Images side by side, as characters."""
    shades = " .:-=+*#%@"
    for row in range(8):
        print("  ".join("".join(shades[int(v * 9.99)] * 2 for v in image[row * 8 : row * 8 + 8]) for image in images))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    data = torch.from_numpy(load_digits().data).float().div(16)
    model = VAE(args.latent)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for step in range(1, args.steps + 1):
        x = data[torch.randint(len(data), (128,))]
        reconstruction, mean, log_variance = model(x)
        loss = elbo(reconstruction, x, mean, log_variance)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        print(f"step {step} loss {loss.item():.8g}")

    model.eval()
    with torch.inference_mode():
        show(model.decoder(torch.randn(6, args.latent)).tolist())


if __name__ == "__main__":
    main()
