"""Trains a network on handwritten digits, saves it three ways, and runs it from C++. `./dev demo` calls this.

demo.py [--epochs 12] [--out out/digits] [--seed 0] [--resume digits.pt]
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from data import digits
from model import Digits
from rushlight.utils.data import DataLoader, TensorDataset
from rushlight.utils.tensorboard import SummaryWriter

import rushlight as torch
from rushlight import nn


class Progress:
    """One line that is drawn over and over: bar, loss, accuracy, time left. Where the output is no terminal, a line an epoch."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done, self.start = steps, 0, time.perf_counter()
        self.live = sys.stdout.isatty()

    def step(self, epoch: int, loss: float, accuracy: float, last: bool) -> None:
        self.done += 1
        if not self.live and not last:
            return
        elapsed = time.perf_counter() - self.start
        left = elapsed / self.done * (self.steps - self.done)
        filled = 24 * self.done // self.steps
        text = f"epoch {epoch:2d} [{'#' * filled}{'.' * (24 - filled)}] loss {loss:.4f}  accuracy {accuracy:6.2%}  {left:4.1f} s left"
        print(("\r" if self.live else "") + text, end="" if self.live and self.done < self.steps else "\n", flush=True)


@torch.no_grad()
def accuracy(net: nn.Module, data: TensorDataset) -> float:
    """The share of a data set that the network gets right."""
    net.eval()
    images, labels = data.tensors
    right = (net(images).argmax(1) == labels).sum().item()
    net.train()
    return right / len(labels)


def train(
    net: nn.Module,
    optimizer,
    data: TensorDataset,
    epochs: int,
    writer: SummaryWriter | None = None,
    curve: list[tuple[float, float]] | None = None,
) -> list[tuple[float, float]]:
    """Trains in place up to `epochs`; returns (mean loss, training accuracy) of each epoch. `curve` holds those already done."""
    loader = DataLoader(data, batch_size=64, shuffle=True)
    curve = list(curve or [])
    progress = Progress((epochs - len(curve)) * len(loader))
    for epoch in range(len(curve) + 1, epochs + 1):
        total, right, seen = 0.0, 0, 0
        for images, labels in loader:
            optimizer.zero_grad()
            scores = net(images)
            loss = nn.functional.cross_entropy(scores, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            right += (scores.argmax(1) == labels).sum().item()
            seen += len(labels)
            progress.step(epoch, total / seen, right / seen, seen == len(data))
        curve.append((total / seen, right / seen))
        if writer:
            writer.add_scalar("loss/train", curve[-1][0], epoch)
            writer.add_scalar("accuracy/train", curve[-1][1], epoch)
    return curve


def save_checkpoint(path: Path, net: nn.Module, optimizer, curve: list[tuple[float, float]]) -> None:
    """All that training goes on from; the generator's state too, for shuffling and dropout draw from it."""
    torch.save(
        {
            "model": net.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": torch.get_rng_state(),
            "curve": curve,
        },
        path,
    )


def load_checkpoint(path: Path, net: nn.Module, optimizer) -> list[tuple[float, float]]:
    """The other way; returns the curve so far."""
    checkpoint = torch.load(path, weights_only=True)
    net.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    torch.set_rng_state(checkpoint["generator"])
    return checkpoint["curve"]


@torch.no_grad()
def misread(net: nn.Module, data: TensorDataset) -> list[tuple[list[list[float]], int, int]]:
    """The images that the network gets wrong, with their label and what it took them for."""
    net.eval()
    images, labels = data.tensors
    guesses = net(images).argmax(1)
    wrong = (guesses != labels).nonzero().flatten().tolist()
    net.train()
    return [(images[i, 0].tolist(), labels[i].item(), guesses[i].item()) for i in wrong]


def draw(curve: list[tuple[float, float]], share: float, wrong: list, path: Path, shown: int = 12) -> None:
    """A picture of the training curve, and of the digits that were misread."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    epochs = range(1, len(curve) + 1)
    figure = plt.figure(figsize=(9, 3.5), layout="constrained")
    curves, digits_ = figure.subfigures(1, 2, width_ratios=(5, 4))
    left = curves.subplots()
    left.plot(epochs, [loss for loss, _ in curve], color="tab:red", label="loss")
    left.set(xlabel="epoch", ylabel="loss")
    right = left.twinx()
    right.plot(epochs, [share for _, share in curve], color="tab:blue", label="training accuracy")
    right.axhline(share, color="tab:green", linestyle="--", label=f"held-out accuracy {share:.2%}")
    right.set_ylabel("accuracy")
    left.legend(handles=[*left.lines, *right.lines], loc="center right")
    digits_.suptitle(f"{len(wrong)} held-out digits misread" + (f", {shown} of them" if len(wrong) > shown else ""))
    for place in digits_.subplots(max(1, -(-min(len(wrong), shown) // 4)), 4).flat:
        place.axis("off")
    for place, (image, label, guess) in zip(digits_.axes, wrong[:shown]):  # noqa: B905 - as many as there are
        place.imshow(image, cmap="gray_r")
        place.set_title(f"{label} read as {guess}", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def run_from_cpp(model: Path, data: Path) -> str | None:
    """The output of the C++ program (predict.cpp), or None where it was not built."""
    program = Path(os.environ.get("RUSHLIGHT_BUILD", "build")) / "examples" / "digits_predict"
    if not program.exists():
        return None
    return subprocess.run([program, model, data], check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("out/digits"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="a digits.pt to go on from, up to --epochs in all")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(args.seed)
    training, test = digits()
    net = Digits()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    print(
        f"{len(training)} digits to learn from, {len(test)} held out; {sum(p.numel() for p in net.parameters()):,} parameters"
    )
    curve = load_checkpoint(args.resume, net, optimizer) if args.resume else []
    if len(curve) >= max(args.epochs, 1):
        parser.error(f"{args.resume} has {len(curve)} epochs already; ask for more with --epochs")
    with SummaryWriter(str(args.out / "tensorboard")) as writer:
        start = time.perf_counter()
        curve = train(net, optimizer, training, args.epochs, writer, curve)
        seconds = time.perf_counter() - start
        share = accuracy(net, test)
        writer.add_scalar("accuracy/test", share, args.epochs)
    print(f"trained in {seconds:.1f} s; test accuracy {share:.2%}")
    draw(curve, share, misread(net, test), args.out / "curve.png")

    save_checkpoint(args.out / "digits.pt", net, optimizer, curve)

    net.eval()
    images, labels = test.tensors
    scripted = torch.jit.script(net)
    traced = torch.jit.trace(net, images[:4])
    with torch.no_grad():
        expected = net(images)
        for name, other in {"scripted": scripted, "traced": traced}.items():
            difference = (other(images) - expected).abs().max().item()
            print(f"{name} model: largest difference {difference:.1e}")
    scripted.save(str(args.out / "digits_script.pt"))
    torch.save({"images": images, "labels": labels}, args.out / "digits_test.pt")

    predictions = expected.argmax(1).tolist()
    output = run_from_cpp(args.out / "digits_script.pt", args.out / "digits_test.pt")
    if output is None:
        print("C++: build/examples/digits_predict is not built; run ./dev build")
    else:
        lines = output.splitlines()
        same = [int(word) for word in lines[1].split()] == predictions
        print(f"C++: {lines[0]}; predictions {'equal' if same else 'DIFFERENT FROM'} Python's")
        if not same:
            sys.exit(1)

    print(f"""
written to {args.out}/
  digits.pt         model, optimizer and generator: torch.load("digits.pt") in PyTorch or here
  digits_script.pt  the scripted model: torch.jit.load in PyTorch, or C++ without Python (examples/digits/predict.cpp)
  digits_test.pt    the held-out digits
  tensorboard/      tensorboard --logdir {args.out}/tensorboard
  curve.png         loss and accuracy by epoch, and the digits that were misread
next: train on with ./dev demo --resume {args.out}/digits.pt --epochs {2 * args.epochs}, change examples/digits/model.py and
run ./dev demo again, or read docs/add-an-operator.md""")


if __name__ == "__main__":
    main()
