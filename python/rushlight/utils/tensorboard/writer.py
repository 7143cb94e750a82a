"""SummaryWriter: scalars, text, histograms, images, sound, graphs, hyperparameters and embeddings in event files."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from rushlight import Tensor

from . import _plugins as plugins
from . import _protobuf as pb
from ._media import encode_gif, encode_png, encode_wav
from ._record import RecordWriter
from .summary import scalar as scalar_summary
from .summary import text as text_summary

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
        self.add_event(pb.event(when, step, summary=summary))

    def add_event(self, event: bytes) -> None:
        """Appends an encoded Event."""
        self._records.write(event)
        self._queued += 1
        if self._queued > self._max_queue or time.monotonic() - self._flushed > self._flush_secs:
            self.flush()

    def flush(self) -> None:
        self._records.flush()
        self._queued = 0
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._records.close()


def _array(value: Any) -> Any:
    """A tensor, an array or a nest of lists as an array."""
    import numpy as np

    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() and value.element_size() == 2 else value).numpy()
    return np.asarray(value)


def _default_bins() -> list[float]:
    """PyTorch's: geometric from 1e-12 by steps of a tenth to 1e20, both signs, and zero."""
    positive = []
    v = 1e-12
    while v < 1e20:
        positive.append(v)
        v *= 1.1
    return [-x for x in reversed(positive)] + [0.0] + positive


def _histogram(tag: str, values: Any, bins: Any) -> bytes:
    import numpy as np

    counts, edges = np.histogram(values, bins=bins)
    used = np.flatnonzero(counts)
    if not len(used):
        raise ValueError("The histogram is empty, please file a bug report.")
    # TensorBoard wants an empty bucket before the first full one: each limit closes the bucket on its left.
    start, stop = used[0], used[-1] + 1
    return pb.histogram(
        tag,
        float(values.min()),
        float(values.max()),
        len(values),
        float(values.sum()),
        float(values.dot(values)),
        edges[start : stop + 1].tolist(),
        [0.0, *map(float, counts[start:stop])],
    )


def _bytes(array: Any) -> Any:
    """Floats in [0, 1] as 0 to 255."""
    return array if array.dtype == "uint8" else (array * 255.0).clip(0, 255).astype("uint8")


def _image(image: Any, dataformats: str) -> Any:
    """An image as bytes in the order HWC."""
    dataformats = dataformats.upper()
    if set(dataformats) - set("CHW") or len(dataformats) not in (2, 3):
        raise ValueError(f"add_image: expected dataformats such as CHW, HWC or HW, got {dataformats}")
    array = _array(image)
    if array.ndim != len(dataformats):
        raise ValueError(
            f"add_image: expected {len(dataformats)} dimensions for dataformats {dataformats}, got shape {array.shape}"
        )
    if len(dataformats) == 2:
        array, dataformats = array[None], "C" + dataformats
    return _bytes(array.transpose([dataformats.index(d) for d in "HWC"]))


def _grid(images: Any, columns: int) -> Any:
    """Images (N, H, W, C) side by side in rows."""
    import numpy as np

    n, height, width, channels = images.shape
    grid = np.zeros((-(-n // columns) * height, columns * width, channels), images.dtype)
    for i in range(n):
        y, x = i // columns * height, i % columns * width
        grid[y : y + height, x : x + width] = images[i]
    return grid


def _framed(pixels: Any, boxes: Any, rescale: float, labels: list[str] | None) -> Any:
    """The image enlarged, with frames around the boxes, which are in pixels of the enlarged one."""
    import numpy as np

    height, width = (round(n * rescale) for n in pixels.shape[:2])
    rows, columns = (np.arange(n) * old // n for n, old in zip((height, width), pixels.shape[:2], strict=True))
    out = np.array(np.broadcast_to(pixels[rows][:, columns], (height, width, max(3, pixels.shape[2]))))
    red = np.array([255, 0, 0, 255][: out.shape[2]], np.uint8)
    for x1, y1, x2, y2 in boxes.round().astype(int):
        left, right, top, bottom = (max(0, v) for v in (min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)))
        out[top : bottom + 1, [v for v in (left, right) if v < width]] = red
        out[[v for v in (top, bottom) if v < height], left : right + 1] = red
    if labels is not None:
        from PIL import Image, ImageDraw

        picture = Image.fromarray(out)
        for (x1, y1, _, _), label in zip(boxes, labels, strict=True):
            ImageDraw.Draw(picture).text((x1 + 2, y1 + 2), label, fill="red")
        out = np.asarray(picture)
    return out


def _figure_pixels(figure: Any, close: bool) -> Any:
    import io

    import numpy as np
    from matplotlib import pyplot

    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    if close:
        pyplot.close(figure)
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)


class SummaryWriter:
    """Writes event files that TensorBoard shows.

    Args:
        log_dir: where the file goes. Default: ``runs/<time>_<host><comment>``.
        purge_step: events from this step on, which an interrupted run has written into the folder, are void.
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
            if self.purge_step is not None:  # what an earlier file has from this step on is void
                now = time.time()
                self.file_writer.add_event(pb.event(now, self.purge_step, version="brain.Event:2"))
                self.file_writer.add_event(pb.event(now, self.purge_step, restart=True))
                self.purge_step = None
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
        """Adds a number to the curve ``tag``.

        Args:
            new_style: as a tensor for the plugin "scalars".
            double_precision: so, and in float64.
        """
        summary = scalar_summary(tag, scalar_value, new_style=new_style, double_precision=double_precision)
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Tensor, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Adds a tensor as it is, in float32."""
        data = pb.tensor([float(x) for x in _array(tensor).reshape(-1)], tuple(tensor.shape))
        self._get_file_writer().add_summary(pb.value(tag, data, plugin="tensor"), global_step, walltime)

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
            self.all_writers[folder].add_summary(scalar_summary(main_tag, number), global_step, when)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Adds a text, shown as Markdown."""
        self._get_file_writer().add_summary(text_summary(tag, text_string), global_step, walltime)

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
        data = _array(values).reshape(-1).astype("float64")
        if not len(data):
            raise ValueError("The input has no element.")
        edges = self.default_bins if isinstance(bins, str) and bins == "tensorflow" else bins
        if max_bins is not None and not isinstance(edges, (str, int)) and len(edges) - 1 > max_bins:
            every = (len(edges) - 1) // max_bins
            edges = [*edges[::every], *([edges[-1]] if (len(edges) - 1) % every else [])]
        self._get_file_writer().add_summary(_histogram(tag, data, edges), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: int,
        sum: float,
        sum_squares: float,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a distribution that was counted elsewhere: ``bucket_counts[i]`` values up to ``bucket_limits[i]``."""
        limits, counts = ([float(x) for x in _array(b).reshape(-1)] for b in (bucket_limits, bucket_counts))
        if len(limits) != len(counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        summary = pb.histogram(tag, min, max, num, sum, sum_squares, limits, counts)
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds an image: bytes, or floats in [0, 1], in the order of dimensions that ``dataformats`` gives."""
        pixels = _image(img_tensor, dataformats)
        height, width, channels = pixels.shape
        summary = pb.image(tag, encode_png(pixels.tobytes(), height, width, channels), height, width, channels)
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
        array = _array(img_tensor).transpose([dataformats.upper().index(d) for d in "NHWC"])
        self.add_image(tag, _grid(array, min(len(array), 8)), global_step, walltime, "HWC")

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | list[str] | None = None,
    ) -> None:
        """Adds an image with a red frame for each row (x1, y1, x2, y2) of ``box_tensor``, enlarged by ``rescale``.

        Labels are drawn by Pillow, which has to be installed for them.
        """
        boxes = _array(box_tensor).reshape(-1, 4) * rescale
        names = [labels] if isinstance(labels, str) else labels
        if names is not None and len(names) != len(boxes):
            names = None
        pixels = _framed(_image(img_tensor, dataformats), boxes, rescale, names)
        self.add_image(tag, pixels, global_step, walltime, "HWC")

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: int | None = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Adds a film (N, T, C, H, W) of bytes, or floats in [0, 1]; the N side by side, as a moving GIF."""
        import numpy as np

        film = _bytes(_array(vid_tensor))
        if film.ndim != 5 or film.shape[2] not in (1, 3):
            raise ValueError(f"add_video: expected shape (N, T, C, H, W) with 1 or 3 channels, got {film.shape}")
        columns = 1 << (len(film).bit_length() // 2)
        frames = np.stack([_grid(f.transpose(0, 2, 3, 1), columns) for f in film.swapaxes(0, 1)])
        frames = np.broadcast_to(frames, (*frames.shape[:3], 3))
        _, height, width, _ = frames.shape
        summary = pb.image(tag, encode_gif(frames, fps), height, width, film.shape[2])
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Adds sound: ``(1, L)`` or ``(L)`` values in [-1, 1]; what is beyond is cut."""
        import numpy as np

        sound = _array(snd_tensor).squeeze()
        if np.abs(sound).max(initial=0) > 1:
            print("warning: audio amplitude out of range, auto clipped.")
            sound = sound.clip(-1, 1)
        if sound.ndim != 1:
            raise ValueError(f"add_audio: expected values of one channel, (1, L) or (L), got {tuple(snd_tensor.shape)}")
        samples = (sound * 32767.0).astype("<i2").tobytes()
        summary = pb.audio(tag, encode_wav(samples, sample_rate, 1), sample_rate, 1, len(sound))
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Adds the graph of a model: its operator calls, folded by modules.

        Args:
            input_to_model: a tensor, or a tuple of arguments, the model is called with once.
            verbose: whether the nodes are printed too.
        """
        from ._graph import graph_def

        if input_to_model is None:
            raise ValueError("add_graph: expected input_to_model, what the model is called with, got None")
        inputs = input_to_model if isinstance(input_to_model, tuple) else (input_to_model,)
        self._get_file_writer().add_event(pb.event(time.time(), graph=graph_def(model, inputs, verbose)))

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Adds a run's hyperparameters and what came of them, in a folder of its own.

        Args:
            hparam_dict: numbers, strings and booleans.
            metric_dict: numbers, by the tags of their curves.
            hparam_domain_discrete: the values that a hyperparameter may have.
            run_name: the folder. Default: the time.
        """
        summaries = plugins.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        with SummaryWriter(os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))) as run:
            for summary in summaries:
                run._get_file_writer().add_summary(summary, global_step)
            for tag, number in metric_dict.items():
                run.add_scalar(tag, number, global_step)

    def add_embedding(
        self,
        mat: Any,
        metadata: list | None = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: list[str] | None = None,
    ) -> None:
        """Adds points for the projector.

        Args:
            mat: ``(N, D)``, a point a row.
            metadata: the labels of the points, or with ``metadata_header`` a row for each.
            label_img: ``(N, C, H, W)``, a picture for each point.
        """
        from ._embedding import write_embedding

        write_embedding(
            self._get_file_writer().get_logdir(), _array(mat), metadata, label_img, global_step, tag, metadata_header
        )

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds precision and recall over thresholds.

        Args:
            labels: whether each example is of the class: 0 or 1.
            predictions: the probability given to that, in [0, 1].
        """
        import numpy as np

        truth, score = _array(labels).reshape(-1).astype(bool), _array(predictions).reshape(-1).astype(float)
        weight = np.ones_like(score) if weights is None else np.broadcast_to(_array(weights), score.shape)
        count = min(num_thresholds, 127)
        # Bin t holds the scores of at least t / (count - 1); what is above the threshold is a sum from the right.
        places = np.floor(score * (count - 1)).astype(int).clip(0, count - 1)
        tp, fp = (np.bincount(places, weight * hit, count)[::-1].cumsum()[::-1] for hit in (truth, ~truth))
        precision = tp / np.maximum(1e-7, tp + fp)
        recall = tp / np.maximum(1e-7, tp[0])
        rows = [tp, fp, fp[0] - fp, tp[0] - tp, precision, recall]
        self._get_file_writer().add_summary(plugins.pr_curve(tag, rows), global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds precision and recall that were computed elsewhere, one value for each threshold."""
        parts = (
            true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall,
        )  # fmt: skip
        rows = [_array(p).reshape(-1)[: min(num_thresholds, 127)] for p in parts]
        if len({len(r) for r in rows}) != 1:
            raise ValueError(f"add_pr_curve_raw: expected six rows of one length, got {[len(r) for r in rows]}")
        self._get_file_writer().add_summary(plugins.pr_curve(tag, rows), global_step, walltime)

    def add_custom_scalars(self, layout: dict[str, dict[str, list[Any]]]) -> None:
        """Adds diagrams of several curves, once a folder: ``{category: {title: ["Multiline" or "Margin", tags]}}``."""
        self._get_file_writer().add_summary(plugins.custom_scalars(layout))

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Adds one diagram of several curves."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Adds one diagram of a curve between two others: tags of value, lower and upper bound."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict | None = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a 3D mesh or cloud of points.

        Args:
            vertices: ``(N, V, 3)`` places.
            colors: ``(N, V, 3)`` in 0 to 255.
            faces: ``(N, F, 3)`` indices of vertices.
            config_dict: the scene, as three.js names it.
        """
        parts = {"VERTEX": vertices, "FACE": faces, "COLOR": colors}
        arrays = {kind: _array(part) for kind, part in parts.items() if part is not None}
        for kind, array in arrays.items():
            if array.ndim != 3 or array.shape[2] != 3:
                raise ValueError(f"add_mesh: expected shape (N, V, 3) for {kind.lower()}, got {array.shape}")
        self._get_file_writer().add_summary(plugins.mesh(tag, arrays, config_dict), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a matplotlib figure as an image; a list of them side by side."""
        import numpy as np

        pixels = np.stack([_figure_pixels(f, close) for f in (figure if isinstance(figure, list) else [figure])])
        self.add_image(tag, _grid(pixels, min(len(pixels), 8)), global_step, walltime, "HWC")

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
