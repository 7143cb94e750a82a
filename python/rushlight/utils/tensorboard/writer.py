"""SummaryWriter: scalars, text, histograms and images in event files."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from rushlight import Tensor

from . import _protobuf as pb
from ._png import encode_png
from ._record import RecordWriter

__all__ = ["FileWriter", "SummaryWriter"]

_file_count = 0


class FileWriter:
    """Appends events to one new file in ``log_dir``; flushes when ``flush_secs`` have passed since the last time."""

    def __init__(
        self, log_dir: str | os.PathLike, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str = ""
    ) -> None:
        global _file_count
        self.log_dir = os.fspath(log_dir)
        os.makedirs(self.log_dir, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{_file_count}"
        _file_count += 1
        self.path = os.path.join(self.log_dir, name + filename_suffix)
        self._records = RecordWriter(open(self.path, "wb"))  # noqa: SIM115 - closed by close
        self._max_queue = max_queue
        self._flush_secs = flush_secs
        self._queued = 0
        self._flushed = time.monotonic()
        self._records.write(pb.event(time.time(), version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        return self.log_dir

    def add_summary(self, summary: bytes, global_step: int | None = None, walltime: float | None = None) -> None:
        """Appends an encoded Summary."""
        when = time.time() if walltime is None else walltime
        step = None if global_step is None else int(global_step)
        self._records.write(pb.event(when, step, summary=summary))
        self._queued += 1
        if self._queued > self._max_queue or time.monotonic() - self._flushed > self._flush_secs:
            self.flush()

    def flush(self) -> None:
        self._records.flush()
        self._queued = 0
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._records.close()


def _number(value: Any) -> float:
    return float(value.item() if hasattr(value, "item") else value)


def _values(value: Any) -> list[float]:
    """All elements of a tensor, an array or a nest of lists."""
    if isinstance(value, Tensor):
        return [float(x) for x in value.detach().reshape(-1).tolist()]
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [x for item in value for x in _values(item)]
    return [float(value)]


def _default_bins() -> list[float]:
    """PyTorch's: geometric from 1e-12 by steps of a tenth to 1e20, both signs, and zero."""
    positive = []
    v = 1e-12
    while v < 1e20:
        positive.append(v)
        v *= 1.1
    return [-x for x in reversed(positive)] + [0.0] + positive


def _even_bins(low: float, high: float, count: int) -> list[float]:
    if low == high:
        low, high = low - 0.5, high + 0.5
    return [low + (high - low) * i / count for i in range(count)] + [high]


def _histogram(tag: str, values: list[float], edges: list[float]) -> bytes:
    from bisect import bisect_right

    counts = [0.0] * (len(edges) - 1)
    for v in values:
        if edges[0] <= v <= edges[-1]:
            counts[min(bisect_right(edges, v) - 1, len(counts) - 1)] += 1
    used = [i for i, c in enumerate(counts) if c]
    if not used:
        raise ValueError("The histogram is empty, please file a bug report.")
    # TensorBoard wants an empty bucket before the first full one: each limit closes the bucket on its left.
    start, stop = used[0], used[-1] + 1
    limits = edges[start : stop + 1]
    buckets = [0.0, *counts[start:stop]]
    return pb.histogram(
        tag, min(values), max(values), len(values), sum(values), sum(v * v for v in values), limits, buckets
    )


def _pixels(image: Any, dataformats: str) -> tuple[bytes, int, int, int]:
    """An image as bytes with height, width and channels; floats in [0, 1] become 0 to 255."""
    dataformats = dataformats.upper()
    if set(dataformats) - set("CHW") or len(dataformats) not in (2, 3):
        raise ValueError(f"add_image: expected dataformats such as CHW, HWC or HW, got {dataformats}")
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    import numpy as np

    array = np.asarray(image)
    if array.ndim != len(dataformats):
        raise ValueError(
            f"add_image: expected {len(dataformats)} dimensions for dataformats {dataformats}, got shape {array.shape}"
        )
    if len(dataformats) == 2:
        array, dataformats = array[None], "C" + dataformats
    array = array.transpose([dataformats.index(d) for d in "HWC"])
    if array.dtype != np.uint8:
        array = (array * 255.0).clip(0, 255).astype(np.uint8)
    height, width, channels = array.shape
    return np.ascontiguousarray(array).tobytes(), height, width, channels


class SummaryWriter:
    """Writes event files that TensorBoard shows.

    Args:
        log_dir: where the file goes. Default: ``runs/<time>_<host><comment>``.
        flush_secs: how long an event may wait to be written. Default: 120.

    >>> import os, tempfile
    >>> from rushlight.utils.tensorboard import SummaryWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SummaryWriter(folder) as writer:
    ...         writer.add_scalar("loss", 0.5, global_step=1)
    ...     len(os.listdir(folder))
    1
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            started = time.strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{started}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self.default_bins = _default_bins()
        self._get_file_writer()

    def _open(self, folder: str) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _get_file_writer(self) -> FileWriter:
        if self.all_writers is None or self.file_writer is None:
            self.file_writer = self._open(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds a number to the curve ``tag``."""
        self._get_file_writer().add_summary(pb.scalar(tag, _number(scalar_value)), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a number to each of several curves of one diagram; each curve has a file of its own."""
        self._get_file_writer()
        when = time.time() if walltime is None else walltime
        assert self.all_writers is not None
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, main_tag.replace("/", "_") + "_" + tag)
            if folder not in self.all_writers:
                self.all_writers[folder] = self._open(folder)
            self.all_writers[folder].add_summary(pb.scalar(main_tag, _number(number)), global_step, when)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Adds a text, shown as Markdown."""
        summary = pb.string_tensor(tag + "/text_summary", [text_string], "text")
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds the distribution of the values.

        Args:
            bins: ``"tensorflow"`` for geometric ones, a number of equal ones, or the edges.
        """
        data = _values(values)
        if not data:
            raise ValueError("The input has no element.")
        if isinstance(bins, str):
            if bins == "tensorflow":
                edges = self.default_bins
            else:
                edges = _even_bins(min(data), max(data), max(1, min(64, len(data))))
        elif isinstance(bins, int):
            edges = _even_bins(min(data), max(data), bins)
        else:
            edges = [float(b) for b in _values(bins)]
        if max_bins is not None and len(edges) - 1 > max_bins:
            every = (len(edges) - 1) // max_bins
            edges = edges[::every] + ([edges[-1]] if (len(edges) - 1) % every else [])
        self._get_file_writer().add_summary(_histogram(tag, data, edges), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds an image: bytes, or floats in [0, 1], in the order of dimensions that ``dataformats`` gives."""
        pixels, height, width, channels = _pixels(img_tensor, dataformats)
        summary = pb.image(tag, encode_png(pixels, height, width, channels), height, width, channels)
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds a batch of images side by side, in rows of eight."""
        if "N" not in dataformats.upper() or len(dataformats) != 4:
            raise ValueError(f"add_images: expected dataformats such as NCHW, got {dataformats}")
        if isinstance(img_tensor, Tensor):
            img_tensor = img_tensor.detach().cpu().numpy()
        import numpy as np

        array = np.asarray(img_tensor).transpose([dataformats.upper().index(d) for d in "NHWC"])
        n, height, width, channels = array.shape
        columns = min(n, 8)
        grid = np.zeros((-(-n // columns) * height, columns * width, channels), array.dtype)
        for i in range(n):
            y, x = i // columns * height, i % columns * width
            grid[y : y + height, x : x + width] = array[i]
        self.add_image(tag, grid, global_step, walltime, "HWC")

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a matplotlib figure as an image."""
        import io

        from matplotlib import pyplot

        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba", dpi=figure.dpi)
        import numpy as np

        width, height = figure.canvas.get_width_height()
        pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)
        if close:
            pyplot.close(figure)
        self.add_image(tag, pixels, global_step, walltime, "HWC")

    def flush(self) -> None:
        """Writes what is waiting."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Writes what is waiting and closes the files; adding something opens new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
