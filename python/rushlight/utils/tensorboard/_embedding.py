"""Points for TensorBoard's projector: tab-separated files beside the events, and a configuration that lists them."""

from __future__ import annotations

import os
from typing import Any

from ._media import encode_png


def _sprite(label_img: Any, folder: str) -> tuple[int, int]:
    """All pictures in a square of them; returns the sizes of one."""
    from .writer import _array, _bytes, _grid

    images = _bytes(_array(label_img)).transpose(0, 2, 3, 1)
    sheet = _grid(images, int((len(images) - 1) ** 0.5) + 1)
    height, width, channels = sheet.shape
    with open(os.path.join(folder, "sprite.png"), "wb") as f:
        f.write(encode_png(sheet.tobytes(), height, width, channels))
    return images.shape[2], images.shape[1]


def write_embedding(
    log_dir: str, points: Any, metadata: Any, label_img: Any, step: int | None, tag: str, header: list[str] | None
) -> None:
    if points.ndim != 2:
        raise ValueError(f"add_embedding: expected mat of shape (N, D), got {points.shape}")
    step = 0 if step is None else int(step)
    for name, rows in (("labels", metadata), ("images", label_img)):
        if rows is not None and len(rows) != len(points):
            raise AssertionError(f"#{name} should equal with #data points")
    escaped = tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")
    subfolder = f"{step:05d}/{escaped}"
    folder = os.path.join(log_dir, f"{step:05d}", escaped)
    os.makedirs(folder, exist_ok=True)
    config = [f'tensor_name: "{tag}:{step:05d}"', f'tensor_path: "{subfolder}/tensors.tsv"']
    if metadata is not None:
        rows = [[str(cell) for cell in row] for row in metadata] if header else [[str(label)] for label in metadata]
        rows = [header, *rows] if header else rows
        with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as f:
            f.writelines("\t".join(row) + "\n" for row in rows)
        config.append(f'metadata_path: "{subfolder}/metadata.tsv"')
    if label_img is not None:
        width, height = _sprite(label_img, folder)
        config.append(
            f'sprite {{\n    image_path: "{subfolder}/sprite.png"\n    single_image_dim: {width}\n'
            f"    single_image_dim: {height}\n  }}"
        )
    with open(os.path.join(folder, "tensors.tsv"), "w") as f:
        f.writelines("\t".join(repr(float(x)) for x in row) + "\n" for row in points)
    with open(os.path.join(log_dir, "projector_config.pbtxt"), "a", encoding="utf-8") as f:
        f.write("embeddings {\n  " + "\n  ".join(config) + "\n}\n")
