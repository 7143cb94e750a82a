"""Images a second on one core: a folder of 64x64 PNGs through resize, crop, flip and normalise.

images.py [torchvision|rushlight] [COUNT]: one of the two; without arguments both, in turns, and the ratio.
torchvision reads with PIL, as it does by default; rushlight.vision decodes in C++ and transforms bytes (tensor_loader).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

COUNT = 400


def write(folder: str) -> None:
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:64, 0:64]
    random = np.random.default_rng(0)
    os.makedirs(os.path.join(folder, "some"))
    for i in range(COUNT):
        waves = [
            (np.sin(x / (5 + i % 7) + c) + np.cos(y / 6 - c)) * 50 + 127 + random.normal(0, 6, x.shape)
            for c in range(3)
        ]
        Image.fromarray(np.stack(waves, -1).clip(0, 255).astype("uint8")).save(os.path.join(folder, "some", f"{i}.png"))


def run(which: str, folder: str) -> None:
    if which == "torchvision":
        import torch
        from torchvision import datasets
        from torchvision import transforms as T

        loader = {}
        steps = [T.Resize(56), T.RandomCrop(48), T.RandomHorizontalFlip(), T.ToTensor()]
    else:
        from rushlight.vision.datasets.folder import tensor_loader
        from rushlight.vision.transforms import v2

        import rushlight as torch
        from rushlight.vision import datasets
        from rushlight.vision import transforms as T

        loader = {"loader": tensor_loader}
        steps = [v2.Resize(56), v2.RandomCrop(48), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        T = v2
    torch.set_num_threads(1)
    data = datasets.ImageFolder(
        folder, transform=T.Compose([*steps, T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]), **loader
    )
    best = 1e9
    for _ in range(4):
        start = time.process_time()
        for i in range(len(data)):
            data[i]
        best = min(best, time.process_time() - start)
    print(len(data) / best)


def main() -> None:
    if len(sys.argv) > 1:
        return run(sys.argv[1], sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        write(folder)
        speeds: dict[str, float] = {}
        for _ in range(2):
            for which in ("torchvision", "rushlight"):
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", __file__, which, folder],
                    capture_output=True,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
                if done.returncode:
                    sys.exit(done.stderr)
                speeds[which] = max(speeds.get(which, 0), float(done.stdout))
        print(
            f"torchvision {speeds['torchvision']:.0f} images/s, rushlight {speeds['rushlight']:.0f}, ratio {speeds['rushlight'] / speeds['torchvision']:.2f}"
        )


if __name__ == "__main__":
    main()
