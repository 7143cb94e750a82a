"""Event files: read back by TensorBoard itself."""

import io
import os

import numpy as np
import pytest
from rushlight._C import _crc32c as crc32c
from rushlight.utils.tensorboard import SummaryWriter

import rushlight as rl

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder):
    events = accumulator.EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0, "tensors": 0})
    events.Reload()
    return events


def test_crc():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(memoryview(b"123456789")[:0]) == 0


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


# ---- further kinds: what PyTorch writes for the same call, as messages --------------------------------------------


def messages(folder):
    """All values of all files of a folder, by tag."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found = {}
    for path in sorted(folder.rglob("*tfevents*")):
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found[value.tag] = value
    return found


def theirs_and_ours(tmp_path, fill):
    """What fill(writer, framework) leads to in PyTorch and here."""
    import torch
    from torch.utils.tensorboard import SummaryWriter as TorchWriter

    found = []
    for name, kind, framework in (("theirs", TorchWriter, torch), ("ours", SummaryWriter, rl)):
        with kind(str(tmp_path / name)) as writer:
            fill(writer, framework)
        found.append(messages(tmp_path / name))
    assert found[0].keys() == found[1].keys() and found[0]
    return found


def test_scalars_as_tensors_and_tensors(tmp_path):
    def fill(writer, t):
        writer.add_scalar("new", 0.1, 1, new_style=True)
        writer.add_scalar("double", 0.1, 1, double_precision=True, new_style=True)
        writer.add_tensor("tensor", t.arange(6.0).reshape(2, 3))

    theirs, ours = theirs_and_ours(tmp_path, fill)
    assert ours == theirs


def test_hyperparameters(tmp_path):
    def fill(writer, t):
        writer.add_hparams(
            {"lr": 0.1, "layers": 3, "bias": True, "optimizer": "adam", "unset": None},
            {"hparam/loss": t.tensor(0.25), "hparam/accuracy": 0.9},
            {"lr": [0.1, 0.01], "optimizer": ["adam", "sgd"]},
            run_name="first",
            global_step=7,
        )

    theirs, ours = theirs_and_ours(tmp_path, fill)
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    parsed = [
        {tag: HParamsPluginData.FromString(v.metadata.plugin_data.content) for tag, v in m.items() if tag[0] == "_"}
        for m in (theirs, ours)
    ]
    theirs_experiment, ours_experiment = (p["_hparams_/experiment"].experiment for p in parsed)
    assert ours_experiment.metric_infos == theirs_experiment.metric_infos
    infos = {i.name: i for i in ours_experiment.hparam_infos}
    assert [*infos] == ["lr", "layers", "bias", "optimizer"]
    assert [v.number_value for v in infos["lr"].domain_discrete.values] == [0.1, 0.01]
    assert [i.type for i in infos.values()] == [3, 3, 2, 1]  # FLOAT64, FLOAT64, BOOL, STRING
    values = parsed[1]["_hparams_/session_start_info"].session_start_info.hparams
    assert (values["lr"].number_value, values["bias"].bool_value, values["optimizer"].string_value) == (
        0.1,
        True,
        "adam",
    )
    assert parsed[0]["_hparams_/session_end_info"] == parsed[1]["_hparams_/session_end_info"]
    assert read(tmp_path / "ours" / "first").Scalars("hparam/loss")[0].value == 0.25
    with SummaryWriter(tmp_path / "bad") as writer:
        with pytest.raises(TypeError, match="not in hparam_dict"):
            writer.add_hparams({"a": 1}, {}, {"b": [1]})
        with pytest.raises(ValueError, match="one of int, float, str, bool"):
            writer.add_hparams({"a": [1]}, {})


def test_summaries_that_loggers_hand_over(tmp_path):
    from rushlight.utils.tensorboard.summary import hparams, scalar, text

    with SummaryWriter(tmp_path) as writer:
        for summary in (*hparams({"lr": 0.1}, {"loss": -1}), scalar("loss", rl.tensor(0.5)), text("note", "hello")):
            writer._get_file_writer().add_summary(summary, 3)
    events = read(tmp_path)
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(3, 0.5)]
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(events.summary_metadata)
    assert events.Tensors("note/text_summary")[0].tensor_proto.string_val == [b"hello"]
    with pytest.raises(ValueError, match="one of int, float, str, bool"):
        hparams({"a": [1]})


def test_precision_and_recall(tmp_path):
    labels = np.random.default_rng(0).integers(0, 2, 200)
    scores = np.random.default_rng(1).random(200)

    def fill(writer, t):
        writer.add_pr_curve("curve", t.tensor(labels), t.tensor(scores), 3, num_thresholds=31)
        writer.add_pr_curve("weighted", labels, scores, weights=0.5)
        writer.add_pr_curve_raw("raw", [2, 1], [1, 0], [0, 1], [0, 1], [0.66, 1.0], [1.0, 0.5], num_thresholds=2)

    theirs, ours = theirs_and_ours(tmp_path, fill)
    assert len(ours["curve"].tensor.float_val) == 6 * 31
    for tag, value in ours.items():
        assert value.metadata.plugin_data == theirs[tag].metadata.plugin_data
        assert value.tensor.tensor_shape == theirs[tag].tensor.tensor_shape
        np.testing.assert_allclose(value.tensor.float_val, theirs[tag].tensor.float_val, rtol=1e-5)


def test_layouts_of_scalars_meshes_and_raw_histograms(tmp_path):
    def fill(writer, t):
        writer.add_custom_scalars(
            {"Loss": {"both": ["Multiline", ["train", "test"]]}, "Range": {"x": ["Margin", ["a", "b", "c"]]}}
        )
        points = t.arange(12.0).reshape(1, 4, 3)
        faces = t.tensor([[[0, 1, 2], [1, 2, 3]]])
        writer.add_mesh("mesh", points, (points * 20).to(t.uint8), faces, {"camera": {"cls": "PerspectiveCamera"}})
        writer.add_histogram_raw("raw", 0, 3, 6, 9.0, 19.0, [1, 2, 3], [1, 2, 3])

    theirs, ours = theirs_and_ours(tmp_path, fill)
    assert {t: (v.metadata.plugin_data.plugin_name, v.tensor, v.histo) for t, v in ours.items()} == {
        t: (v.metadata.plugin_data.plugin_name, v.tensor, v.histo) for t, v in theirs.items()
    }
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    for tag in ("mesh_VERTEX", "mesh_FACE", "mesh_COLOR"):
        mine, other = (MeshPluginData.FromString(m[tag].metadata.plugin_data.content) for m in (ours, theirs))
        assert (mine.name, mine.content_type, list(mine.shape), mine.components) == (
            other.name, other.content_type, list(other.shape), other.components,
        )  # fmt: skip
        assert mine.json_config == other.json_config
    with SummaryWriter(tmp_path / "one") as writer:
        writer.add_custom_scalars_marginchart(["a", "b", "c"], title="t")
        with pytest.raises(ValueError, match="3 tags"):
            writer.add_custom_scalars_marginchart(["a"])
        with pytest.raises(ValueError, match="expected shape"):
            writer.add_mesh("m", rl.zeros(4, 3))


def test_sound(tmp_path):
    import wave

    def fill(writer, t):
        writer.add_audio("tone", t.sin(t.arange(800.0) / 5).reshape(1, -1) * 0.9, 2, sample_rate=8000)

    theirs, ours = theirs_and_ours(tmp_path, fill)
    (event,) = read(tmp_path / "ours").Audio("tone")
    assert (event.sample_rate, event.length_frames, event.content_type) == (8000, 800, "audio/wav")
    ours, theirs = (wave.open(io.BytesIO(m["tone"].audio.encoded_audio_string)) for m in (ours, theirs))
    assert ours.getparams() == theirs.getparams()
    samples = [np.frombuffer(w.readframes(800), "<i2").astype(int) for w in (ours, theirs)]
    assert np.abs(samples[0] - samples[1]).max() <= 1 and samples[0].max() > 29000
    with SummaryWriter(tmp_path / "bad") as writer, pytest.raises(ValueError, match="one channel"):
        writer.add_audio("two", rl.zeros(2, 100))


class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.ReLU())
        self.scale = rl.nn.Parameter(rl.ones(4))

    def forward(self, x, y):
        return self.fc(x) * self.scale, y.sort()[1]


def test_a_graph_has_nodes_by_module(tmp_path, capsys):
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(Net(), (rl.zeros(2, 3), rl.zeros(4)), verbose=True)
        with pytest.raises(ValueError, match="input_to_model"):
            writer.add_graph(Net())
    assert "Net/fc/0/linear = aten::linear(input/input_1, Net/fc/0/weight, Net/fc/0/bias)" in capsys.readouterr().out
    events = read(tmp_path)
    nodes = {n.name: n for n in events.Graph().node}
    assert nodes["Net/fc/1/relu"].input == ["Net/fc/0/linear"] and nodes["Net/fc/1/relu"].op == "aten::relu"
    assert list(nodes["Net/mul"].input) == ["Net/fc/1/relu", "Net/scale"]
    sizes = [d.size for d in nodes["Net/mul"].attr["_output_shapes"].list.shape[0].dim]
    assert sizes == [2, 4]
    assert list(nodes["output/output_1"].input) == ["Net/mul"]
    (second,) = nodes["output/output_2"].input
    assert second.endswith(":1") and second[:-2] in nodes
    known = set(nodes)
    assert all(i.split(":")[0] in known for n in nodes.values() for i in n.input)


def test_embeddings_are_files_that_the_projector_lists(tmp_path):
    image = pytest.importorskip("PIL.Image")
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    points = rl.arange(10.0).reshape(5, 2) / 3
    pictures = rl.zeros(5, 3, 4, 4)
    pictures[4, 1] = 1.0
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(points, ["a", "b", 3, "d", "e"], pictures, 2)
        writer.add_embedding(points.numpy(), [["x", 1]] * 5, tag="a/b", metadata_header=["name", "n"])
        with pytest.raises(AssertionError, match="#labels should equal with #data points"):
            writer.add_embedding(points, ["a"])
    config = text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), ProjectorConfig())
    first, second = config.embeddings
    assert (first.tensor_name, second.tensor_name) == ("default:00002", "a/b:00000")
    rows = [line.split("\t") for line in (tmp_path / first.tensor_path).read_text().splitlines()]
    np.testing.assert_allclose(np.array(rows, np.float32), points.numpy())
    assert (tmp_path / first.metadata_path).read_text().split() == ["a", "b", "3", "d", "e"]
    assert (tmp_path / second.metadata_path).read_text().splitlines()[:2] == ["name\tn", "x\t1"]
    sprite = np.asarray(image.open(tmp_path / first.sprite.image_path))
    assert list(first.sprite.single_image_dim) == [4, 4]
    assert sprite.shape == (8, 12, 3) and (sprite[4:, 4:8] == [0, 255, 0]).all() and not sprite[:4].any()


def test_films_figures_and_boxes(tmp_path):
    image = pytest.importorskip("PIL.Image")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    film = np.random.default_rng(0).integers(0, 256, (1, 3, 3, 20, 30)).astype(np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_video("film", rl.from_numpy(film), fps=10)
        writer.add_figure("figures", [pyplot.figure(figsize=(1, 1), dpi=50) for _ in range(2)])
        writer.add_image_with_boxes("boxes", rl.zeros(3, 10, 12), rl.tensor([[1.0, 2.0, 6.0, 8.0]]), rescale=2)
        writer.add_image_with_boxes("named", rl.zeros(3, 40, 40), [[1, 2, 36, 38]], labels=["cat"])
    events = read(tmp_path)
    gif = image.open(io.BytesIO(events.Images("film")[0].encoded_image_string))
    assert gif.n_frames == 3 and gif.size == (30, 20) and gif.info["duration"] == 100
    for t in range(3):
        gif.seek(t)
        shown = np.asarray(gif.convert("RGB")).astype(int)
        assert np.abs(shown - film[0, t].transpose(1, 2, 0)).max() <= 26  # half a step of the palette
    assert (events.Images("figures")[0].height, events.Images("figures")[0].width) == (50, 100)
    boxes = np.asarray(image.open(io.BytesIO(events.Images("boxes")[0].encoded_image_string)))
    red = (boxes == [255, 0, 0]).all(-1)
    assert boxes.shape == (20, 24, 3) and red[4, 2:13].all() and red[16, 12] and red.sum() == 2 * (11 + 11)
    named = np.asarray(image.open(io.BytesIO(events.Images("named")[0].encoded_image_string)))
    assert (named[4:20, 3:30, 0] > 0).any()


def test_what_a_restart_makes_void_is_gone(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(5):
            writer.add_scalar("loss", step, step)
    with SummaryWriter(tmp_path, purge_step=3, filename_suffix=".again") as writer:
        writer.add_scalar("loss", 30.0, 3)
    events = accumulator.EventAccumulator(str(tmp_path), purge_orphaned_data=True)
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(0, 0), (1, 1), (2, 2), (3, 30)]


def test_histograms_of_many_and_of_half_values(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("big", rl.randn(300_000), 0)
        writer.add_histogram("half", rl.tensor([0.5, 1.0], dtype=rl.bfloat16), 0, bins=[0.0, 0.75, 2.0])
        writer.add_histogram("auto", rl.arange(8), 0, bins="auto")
        writer.add_histogram("few", rl.randn(1000), 0, max_bins=20)
    events = read(tmp_path)
    assert events.Histograms("big")[0].histogram_value.num == 300_000
    assert list(events.Histograms("half")[0].histogram_value.bucket) == [0.0, 1.0, 1.0]
    assert events.Histograms("auto")[0].histogram_value.sum == 28
    assert len(events.Histograms("few")[0].histogram_value.bucket) <= 22
