"""Event files: read back by TensorBoard itself."""

import io
import os

import numpy as np
import pytest
from rushlight.utils.tensorboard import SummaryWriter
from rushlight.utils.tensorboard._record import crc32c

import rushlight as rl

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder):
    events = accumulator.EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    return events


def test_crc():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", 0.5, 0)
        writer.add_scalar("loss", rl.tensor(0.25), 10, walltime=12.0)
        writer.add_scalar("loss", np.float32(-1e30), -3)
        writer.add_scalars("both/curves", {"train": 1, "test": 2.0}, 1)
    found = read(tmp_path).Scalars("loss")
    assert [(e.step, e.value) for e in found] == [(0, 0.5), (10, 0.25), (-3, np.float32(-1e30))]
    assert found[1].wall_time == 12.0
    assert read(tmp_path / "both_curves_train").Scalars("both/curves")[0].value == 1.0
    assert read(tmp_path / "both_curves_test").Scalars("both/curves")[0].value == 2.0


def test_text(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "# größer\nthan ASCII", 3)
    (event,) = read(tmp_path).Tensors("notes/text_summary")
    assert event.step == 3
    assert [s.decode() for s in event.tensor_proto.string_val] == ["# größer\nthan ASCII"]


def test_histogram_as_pytorchs(tmp_path):
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    for bins in ("tensorflow", 10):
        for name, kind, data in (("ours", SummaryWriter, rl.from_numpy(values)), ("theirs", TorchWriter, values)):
            writer = kind(str(tmp_path / f"{name}{bins}"))
            writer.add_histogram("h", data, 1, bins=bins)
            writer.close()
        ours, theirs = (read(tmp_path / f"{n}{bins}").Histograms("h")[0].histogram_value for n in ("ours", "theirs"))
        assert ours.num == theirs.num == 1000
        assert (ours.min, ours.max) == (theirs.min, theirs.max)
        np.testing.assert_allclose([ours.sum, ours.sum_squares], [theirs.sum, theirs.sum_squares], rtol=1e-5)
        assert sum(ours.bucket) == 1000
        used = [(limit, n) for limit, n in zip(ours.bucket_limit, ours.bucket, strict=True) if n]
        expected = [(limit, n) for limit, n in zip(theirs.bucket_limit, theirs.bucket, strict=True) if n]
        np.testing.assert_allclose(used, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dataformats"), [((3, 4, 5), "CHW"), ((4, 5, 3), "HWC"), ((4, 5), "HW"), ((1, 4, 5), "CHW")]
)
def test_images(tmp_path, shape, dataformats):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("bytes", pixels, dataformats=dataformats)
        writer.add_image("floats", rl.from_numpy(pixels.astype(np.float32) / 255), 2, dataformats=dataformats)
    events = read(tmp_path)
    expected = pixels.squeeze() if 1 in shape or len(shape) == 2 else pixels
    if dataformats == "CHW" and shape[0] == 3:
        expected = pixels.transpose(1, 2, 0)
    for tag in ("bytes", "floats"):
        (event,) = events.Images(tag)
        assert (event.height, event.width) == (4, 5)
        decoded = np.asarray(image.open(io.BytesIO(event.encoded_image_string)))
        assert np.abs(decoded.astype(int) - expected.astype(int)).max() <= (1 if tag == "floats" else 0)


def test_batches_of_images_and_bad_ones(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_images("grid", rl.zeros(10, 1, 3, 4))
        with pytest.raises(ValueError, match="expected 1, 3 or 4 channels, got 2"):
            writer.add_image("two", rl.zeros(2, 3, 4))
        with pytest.raises(ValueError, match="dimensions"):
            writer.add_image("flat", rl.zeros(3, 4))
        with pytest.raises(ValueError, match="no element"):
            writer.add_histogram("none", rl.zeros(0))
    (event,) = read(tmp_path).Images("grid")
    assert (event.height, event.width) == (6, 32)


def test_what_is_flushed_is_on_disk(tmp_path):
    writer = SummaryWriter(tmp_path)
    writer.add_scalar("loss", 1.0, 0)
    writer.flush()
    assert read(tmp_path).Scalars("loss")[0].value == 1.0
    writer.close()
    writer.add_scalar("loss", 2.0, 1)  # opens another file
    writer.close()
    assert len(os.listdir(tmp_path)) == 2
