"""Databases of pictures, Caffe2's tools for making them, ImageInput, and the flows of its tutorials on small data."""

import gzip
import struct

import numpy as np
import pytest
from rushlight.__main__ import main
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import brew, core, gru_cell, model_helper, optimizer, workspace
from rushlight.caffe2.python.predictor import mobile_exporter, predictor_exporter

import rushlight as torch


@pytest.fixture(autouse=True)
def fresh_workspace():
    workspace.ResetWorkspace()
    yield
    workspace.SwitchWorkspace("default")
    workspace.ResetWorkspace()


def run(op, inputs, outputs, **args):
    names = [f"i{k}" for k in range(len(inputs))]
    for name, value in zip(names, inputs):
        workspace.FeedBlob(name, np.asarray(value, dtype="f" if isinstance(value, list) else None))
    workspace.RunOperatorOnce(core.CreateOperator(op, names, outputs, **args))
    return [workspace.FetchBlob(o) for o in outputs]


def digits(n, seed=0):
    """n pictures of 12 x 12 with a bar that stands at one of 4 places, and the places."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n).astype(np.uint8)
    images = rng.integers(0, 60, (n, 12, 12)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[:, label * 3 : label * 3 + 3] = 220
    return images, labels


def write_idx(folder, images, labels):
    paths = folder / "images-idx3-ubyte.gz", folder / "labels-idx1-ubyte"
    with gzip.open(paths[0], "wb") as f:
        f.write(struct.pack(">BBBBIII", 0, 0, 8, 3, *images.shape) + images.tobytes())
    paths[1].write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, len(labels)) + labels.tobytes())
    return [str(p) for p in paths]


def entries(kind, path):
    from rushlight import _caffe2

    cursor, out = _caffe2.open_db(kind, str(path)), []
    while cursor.valid():
        out.append((cursor.key(), caffe2_pb2.TensorProtos.FromString(cursor.value())))
        cursor.next()
    return out


# ---- the commands


def test_make_mnist_db_and_convert_db(tmp_path, capsys):
    images, labels = digits(20)
    image_file, label_file = write_idx(tmp_path, images, labels)
    out = str(tmp_path / "db")
    files = ["--image_file", image_file, "--label_file", label_file]
    assert (
        main(["make_mnist_db", *files, "--output_file", out, "--db=lmdb", "--channel_first", "--data_limit", "15"]) == 0
    )
    got = entries("lmdb", out)
    assert len(got) == 15 and got[3][0] == b"00000003"
    first = got[3][1].protos[0]
    assert first.data_type == caffe2_pb2.TensorProto.BYTE and list(first.dims) == [1, 12, 12]
    assert first.byte_data == images[3].tobytes() and list(got[3][1].protos[1].int32_data) == [labels[3]]
    copy = str(tmp_path / "copy")
    types = ["--input_db_type", "lmdb", "--output_db_type", "leveldb"]
    assert main(["convert_db", "--input_db", out, "--output_db", copy, *types, "--batch_size", "4"]) == 0
    assert entries("leveldb", copy) == got
    assert "15 entries" in capsys.readouterr().out
    assert main(["convert_db", "--input_db", out, "--output_db", copy, *types]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (
        main(["make_mnist_db", "--image_file", label_file, "--label_file", image_file, "--output_file", out + "2"]) == 1
    )
    assert "don't belong together" in capsys.readouterr().err
    assert (
        main(["make_mnist_db", "--image_file", "/nowhere", "--label_file", label_file, "--output_file", out + "3"]) == 1
    )


def test_make_cifar_db(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (6, 3072)).astype(np.uint8)
    for k in range(1, 7):
        label = bytes([k])
        name = f"data_batch_{k}.bin" if k < 6 else "test_batch.bin"
        (tmp_path / name).write_bytes(label + rows[k - 1].tobytes())
    train, test = str(tmp_path / "train"), str(tmp_path / "test")
    assert (
        main(
            [
                "make_cifar_db",
                "--input_folder",
                str(tmp_path),
                "--output_train_db_name",
                train,
                "--output_test_db_name",
                test,
            ]
        )
        == 0
    )
    got = entries("leveldb", train)
    assert [e[0] for e in got] == [b"%05d" % k for k in range(5)] and len(entries("leveldb", test)) == 1
    assert list(got[2][1].protos[0].dims) == [3, 32, 32] and got[2][1].protos[0].byte_data == rows[2].tobytes()
    assert list(got[2][1].protos[1].int32_data) == [3]


def picture_folder(folder, n=6):
    from rushlight.vision.io import write_png

    lines = []
    for k in range(n):
        image = torch.zeros(3, 10, 14, dtype=torch.uint8)
        image[k % 3] = 200  # red, green, blue in turns
        write_png(image, str(folder / f"p{k}.png"))
        lines.append(f"p{k}.png {k % 3}")
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return str(folder / "list.txt")


def image_db(tmp_path, *more):
    listed = picture_folder(tmp_path)
    path = str(tmp_path / "images")
    flags = ["--input_folder", str(tmp_path), "--list_file", listed, "--output_db_name", path, "--db", "minidb", *more]
    assert main(["make_image_db", *flags]) == 0
    return path


def read_images(path, outputs=("data", "label"), **args):
    workspace.RunOperatorOnce(core.CreateOperator("CreateDB", [], ["reader"], db=path, db_type="minidb"))
    workspace.RunOperatorOnce(core.CreateOperator("ImageInput", ["reader"], list(outputs), **args))
    return [workspace.FetchBlob(o) for o in outputs]


@pytest.mark.parametrize("raw", [[], ["--raw"]], ids=["files", "pixels"])
def test_image_input_gives_batches_of_pictures_blue_first(tmp_path, raw):
    path = image_db(tmp_path, *raw)
    data, label = read_images(path, batch_size=3, scale=8, crop=6, is_test=1, mean=100.0, std=50.0)
    assert data.shape == (3, 6, 6, 3) and data.dtype == np.float32
    assert label.tolist() == [0, 1, 2] and label.dtype == np.int32
    for k, channel in enumerate((2, 1, 0)):  # red is the last channel
        want = np.full(3, -2.0)
        want[channel] = 2.0
        assert np.allclose(data[k], want)
    # Means for each channel, and one channel.
    data, _ = read_images(
        path, batch_size=1, minsize=8, crop=8, mean_per_channel=[0.0, 0.0, 200.0], std_per_channel=[1.0, 1.0, 2.0]
    )
    assert data.shape == (1, 8, 8, 3) and np.allclose(data, 0)
    gray, _ = read_images(path, batch_size=1, scale=8, crop=8, color=0)
    assert gray.shape == (1, 8, 8, 1) and np.allclose(gray, 60, atol=1)
    warped, _ = read_images(path, batch_size=1, scale=20, crop=20, warp=1)
    assert warped.shape == (1, 20, 20, 3) and np.allclose(warped[..., 2], 200)


def test_image_input_sizes_by_area_and_mirrors(tmp_path):
    from rushlight import _caffe2

    ramp = np.zeros((4, 8, 3), np.uint8)
    ramp[:] = np.arange(8)[None, :, None] * 10
    record = caffe2_pb2.TensorProtos()
    record.protos.add(data_type=caffe2_pb2.TensorProto.BYTE, dims=[4, 8, 3], byte_data=ramp.tobytes())
    record.protos.add(data_type=caffe2_pb2.TensorProto.FLOAT, float_data=[7.0])
    db = _caffe2.create_db("minidb", str(tmp_path / "db"))
    db.put(b"0", record.SerializeToString())
    db.commit()
    data, label = read_images(str(tmp_path / "db"), batch_size=1, scale=2, crop=2, is_test=1)
    # 8 columns become 4 (means of two neighbours); the middle two are cut out.
    assert label.tolist() == [7] and data[0, 0, :, 0].tolist() == [25, 45]
    torch.manual_seed(0)
    data, _ = read_images(str(tmp_path / "db"), batch_size=64, scale=4, crop=4, mirror=1)
    rising = data[:, 0, 1, 0] > data[:, 0, 0, 0]
    assert 10 < rising.sum() < 54 and len({tuple(r) for r in np.sort(data[:, 0, :, 0])}) == 5  # 5 places to cut


@pytest.mark.parametrize(
    "args, text",
    [
        ({"crop": 4, "scale": 4}, "Batch size should be above 0"),
        ({"batch_size": 1, "scale": 4}, "Must provide the cropping value"),
        ({"batch_size": 1, "crop": 4}, "one and only one of scaling or minsize"),
        ({"batch_size": 1, "crop": 4, "scale": 4, "minsize": 4}, "one and only one of scaling or minsize"),
        ({"batch_size": 1, "crop": 8, "scale": 4}, "must be no smaller than the crop"),
        ({"batch_size": 1, "crop": 4, "scale": 4, "label_type": 1}, "label_type 1 is not supported"),
        ({"batch_size": 1, "crop": 4, "scale": 4, "mean_per_channel": [1.0]}, "a number for each channel, got 1"),
        ({"batch_size": 1, "crop": 4, "scale": 4, "std": 0.0}, "std should be above 0"),
    ],
)
def test_image_input_says_what_is_wrong_with_its_arguments(tmp_path, args, text):
    with pytest.raises(RuntimeError, match=text):
        read_images(image_db(tmp_path), **args)


def test_image_input_names_the_record_that_is_damaged(tmp_path):
    from rushlight import _caffe2

    def one(*protos):
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        db = _caffe2.create_db("minidb", str(path))
        record = caffe2_pb2.TensorProtos()
        for p in protos:
            record.protos.add(**p)
        db.put(b"key", record.SerializeToString())
        db.commit()
        return str(path)

    label = {"data_type": caffe2_pb2.TensorProto.INT32, "int32_data": [1]}
    string, byte = caffe2_pb2.TensorProto.STRING, caffe2_pb2.TensorProto.BYTE
    for protos, text in (
        ([{"data_type": string, "string_data": [b"no picture"]}, label], "entry 'key'"),
        ([{"data_type": string, "string_data": [b"\x89PNG\r\n\x1a\n" + bytes(20)]}, label], "entry 'key'"),
        ([label], "a record of 1 tensors"),
        ([{"data_type": byte, "dims": [1 << 40, 1 << 40, 3], "byte_data": b"x"}, label], "a picture of 1 bytes"),
        ([{"data_type": byte, "dims": [-1, 2, 3], "byte_data": b"x"}, label], "a picture of 1 bytes"),
        ([label, label], "Unknown image data type 2"),
    ):
        with pytest.raises(RuntimeError, match=text):
            read_images(one(*protos), batch_size=1, crop=4, scale=4)
    with pytest.raises(RuntimeError, match="TensorProtosDBInput"):
        run("VideoInput", [[1.0]], ["y"])


# ---- operators of detection, hierarchies, statistics


def test_generate_proposals_turns_anchors_into_the_best_boxes():
    anchors = np.array([[-8, -8, 7, 7], [-16, -16, 15, 15]], "f")
    scores = np.zeros((1, 2, 4, 4), "f")
    scores[0, 0, 1, 1], scores[0, 0, 1, 2], scores[0, 1, 2, 2] = 0.9, 0.8, 0.95
    deltas = np.zeros((1, 8, 4, 4), "f")
    deltas[0, 0, 1, 1] = 0.5  # a shift by half a width to the right
    rois, probs = run(
        "GenerateProposals", [scores, deltas, [[64.0, 64.0, 1.0]], anchors], ["r", "p"],
        spatial_scale=1 / 16, nms_thresh=0.7, min_size=1.0, post_nms_topN=3,
    )  # fmt: skip
    assert np.allclose(probs, [0.95, 0.9, 0.8])
    assert np.allclose(rois[0], [0, 16, 16, 47, 47]) and np.allclose(rois[1], [0, 16, 8, 31, 23]) and rois[2, 1] == 24
    few, _ = run(
        "GenerateProposals",
        [scores, deltas, [[64.0, 64.0, 1.0]], anchors],
        ["r", "p"],
        nms_thresh=0.1,
        min_size=20.0,
        post_nms_topN=9,
    )
    w, h = few[:, 3] - few[:, 1] + 1, few[:, 4] - few[:, 2] + 1
    assert (w >= 20).all() and (h >= 20).all() and np.allclose(few[0], [0, 16, 16, 47, 47])
    with pytest.raises(RuntimeError, match="don't fit"):
        run("GenerateProposals", [scores, deltas[:, :4], [[64.0, 64.0, 1.0]], anchors], ["r", "p"])
    with pytest.raises(RuntimeError, match="rotated boxes"):
        run("GenerateProposals", [scores, deltas, [[64.0, 64.0, 1.0]], np.zeros((2, 5), "f")], ["r", "p"])


def test_proposals_of_a_pyramid_are_collected_and_distributed():
    def boxes(*sides):
        return np.array([[0, 0, 0, s - 1, s - 1] for s in sides], "f")

    inputs = [
        boxes(50, 500),
        boxes(230),
        boxes(100),
        np.array([0.1, 0.9], "f"),
        np.array([0.5], "f"),
        np.array([0.7], "f"),
    ]
    outputs = ["rois", "l2", "l3", "l4", "l5", "back"]
    got = run(
        "CollectAndDistributeFpnRpnProposals", inputs, outputs, rpn_min_level=2, rpn_max_level=4, roi_min_level=2, roi_max_level=5,
    )  # fmt: skip
    sides = [(o[:, 3] + 1).tolist() for o in got[:5]]
    assert sides == [[500, 100, 230, 50], [100, 50], [], [230], [500]]
    assert np.array_equal(np.concatenate(got[1:5])[got[5]], got[0])
    with pytest.raises(RuntimeError, match="there are 3 levels, and 4 inputs"):
        run("CollectAndDistributeFpnRpnProposals", inputs[:4], outputs, rpn_min_level=2, rpn_max_level=4)
    with pytest.raises(RuntimeError, match="are no range"):
        run("CollectAndDistributeFpnRpnProposals", inputs, outputs, rpn_min_level=4, rpn_max_level=2)


def test_hierarchical_softmax_and_its_gradient():
    from rushlight.caffe2.proto import hsm_pb2

    tree = hsm_pb2.HierarchyProto(size=3)
    for word, nodes in {0: [(0, 2, 0)], 1: [(0, 2, 1), (2, 2, 0)], 2: [(0, 2, 1), (2, 2, 1)]}.items():
        path = tree.paths.add(word_id=word)
        for index, length, target in nodes:
            path.path_nodes.add(index=index, length=length, target=target)
    rng = np.random.default_rng(0)
    X, W, b = (
        rng.standard_normal((3, 4)).astype("f"),
        rng.standard_normal((4, 4)).astype("f"),
        rng.standard_normal(4).astype("f"),
    )
    labels = np.array([0, 2, 1], "i")
    args = {"hierarchy": tree.SerializeToString()}
    (y, between) = run("HSoftmax", [X, W, b, labels], ["y", "between"], **args)

    def softmax(x):
        e = np.exp(x - x.max())
        return e / e.sum()

    top, low = [softmax(X[k] @ W[:2].T + b[:2]) for k in range(3)], [softmax(X[k] @ W[2:].T + b[2:]) for k in range(3)]
    want = [-np.log(top[0][0]), -np.log(top[1][1] * low[1][1]), -np.log(top[2][1] * low[2][0])]
    assert np.allclose(y, want, atol=1e-5) and between.shape == (20,) and np.allclose(between[2:4], top[0])
    net = core.Net("h")
    loss = net.SumElements(net.HSoftmax(["i0", "i1", "i2", "i3"], ["l", "m"], **args)[0], "loss")
    grads = net.AddGradientOperators([loss])
    workspace.RunNetOnce(net)
    got = workspace.FetchBlob(grads["i0"])
    want = (top[0] - [1, 0]) @ W[:2]
    assert np.allclose(got[0], want, atol=1e-5)
    with pytest.raises(RuntimeError, match="the hierarchy has no word 7"):
        run("HSoftmax", [X, W, b, np.array([0, 7, 1], "i")], ["y", "m"], **args)
    with pytest.raises(RuntimeError, match="byte"):
        run("HSoftmax", [X, W, b, labels], ["y", "m"], hierarchy=b"\xff\xff\xff")


def test_statistics_are_kept_by_name_and_timers_write_there():
    workspace.RunOperatorOnce(core.CreateOperator("StatRegistryCreate", [], ["stats"]))
    workspace.FeedBlob("keys", np.array(["a", "b"], dtype=object))
    workspace.FeedBlob("values", np.array([3, 4]))
    for _ in range(2):
        workspace.RunOperatorOnce(core.CreateOperator("StatRegistryUpdate", ["keys", "values", "stats"], []))
    export = core.CreateOperator("StatRegistryExport", ["stats"], ["k", "v", "t"])
    workspace.RunOperatorOnce(export)
    assert workspace.FetchBlob("k").tolist() == [b"a", b"b"] and workspace.FetchBlob("v").tolist() == [6, 8]
    workspace.RunOperatorOnce(export)  # which emptied it
    assert len(workspace.FetchBlob("v")) == 0
    workspace.RunOperatorOnce(core.CreateOperator("TimerBegin", [], ["timer"], counter_name="wait"))
    workspace.RunOperatorOnce(core.CreateOperator("TimerGet", ["timer"], ["ns"]))
    assert workspace.FetchBlob("ns") > 0
    workspace.RunOperatorOnce(core.CreateOperator("TimerEnd", ["timer"], []))
    workspace.RunOperatorOnce(core.CreateOperator("StatRegistryExport", [], ["k", "v", "t"]))
    assert b"wait/time_ns/sum" in workspace.FetchBlob("k").tolist()


# ---- flows of the tutorials


@pytest.mark.parametrize("kind", ["leveldb", "lmdb"])
def test_lenet_learns_from_a_database_and_is_exported(tmp_path, kind):
    images, labels = digits(128)
    image_file, label_file = write_idx(tmp_path, images, labels)
    path = str(tmp_path / "db")
    files = ["--image_file", image_file, "--label_file", label_file]
    assert main(["make_mnist_db", *files, "--output_file", path, "--db", kind, "--channel_first"]) == 0

    def net_of(model, data):
        x = brew.max_pool(
            model, brew.conv(model, data, "conv1", dim_in=1, dim_out=4, kernel=3), "pool1", kernel=2, stride=2
        )
        x = brew.relu(model, brew.fc(model, x, "fc3", dim_in=4 * 5 * 5, dim_out=16), "relu3")
        return brew.softmax(model, brew.fc(model, x, "pred", dim_in=16, dim_out=4), "softmax")

    def input_of(model, batch):
        data8, label = brew.db_input(model, blobs_out=["data_uint8", "label"], batch_size=batch, db=path, db_type=kind)
        data = model.Scale(model.Cast(data8, "data", to=core.DataType.FLOAT), "data", scale=1 / 256)
        return model.StopGradient(data, data), label

    workspace.ResetWorkspace(str(tmp_path))
    train = model_helper.ModelHelper(name="train", arg_scope={"order": "NCHW"})
    data, label = input_of(train, 32)
    loss = train.AveragedLoss(train.LabelCrossEntropy([net_of(train, data), label], "xent"), "loss")
    brew.accuracy(train, ["softmax", label], "accuracy")
    train.AddGradientOperators([loss])
    optimizer.build_sgd(train, base_learning_rate=0.1, policy="step", stepsize=1, gamma=0.999)
    workspace.RunNetOnce(train.param_init_net)
    workspace.CreateNet(train.net, overwrite=True)
    losses = []
    for _ in range(60):
        workspace.RunNet(train.net)
        losses.append(float(workspace.FetchBlob("loss")))
    assert losses[-1] < losses[0] / 3 and workspace.FetchBlob("accuracy") > 0.9

    deploy = model_helper.ModelHelper(name="deploy", arg_scope={"order": "NCHW"}, init_params=False)
    net_of(deploy, "data")
    meta = predictor_exporter.PredictorExportMeta(
        predict_net=deploy.net.Proto(), parameters=[str(b) for b in deploy.params], inputs=["data"], outputs=["softmax"]
    )
    predictor_exporter.save_to_db("minidb", str(tmp_path / "model.minidb"), meta)
    workspace.ResetWorkspace(str(tmp_path))
    predict = predictor_exporter.prepare_prediction_net(str(tmp_path / "model.minidb"), "minidb")
    workspace.FeedBlob("data", images[:40, None].astype("f") / 256)
    workspace.RunNetOnce(predict)
    assert (workspace.FetchBlob("softmax").argmax(1) == labels[:40]).mean() > 0.9


def test_pictures_are_prepared_and_classified_by_a_model_of_two_files(tmp_path):
    # The zoo's flow: a picture is cut, made blue first, channels first, less a mean, and given to a Predictor.
    rng = np.random.default_rng(0)
    init, predict = core.Net("init"), core.Net("squeeze")
    shapes = {
        "conv_w": (4, 3, 3, 3),
        "conv_b": (4,),
        "e1_w": (4, 4, 1, 1),
        "e1_b": (4,),
        "e3_w": (4, 4, 3, 3),
        "e3_b": (4,),
        "last_w": (5, 8, 1, 1),
        "last_b": (5,),
    }
    for name, shape in shapes.items():
        init.GivenTensorFill([], name, shape=list(shape), values=(rng.standard_normal(shape) / 4).astype("f").ravel())
    net = predict
    net.Relu(net.Conv(["data", "conv_w", "conv_b"], "conv", kernel=3, stride=2), "conv")
    net.MaxPool("conv", "pool", kernel=3, stride=2, legacy_pad=3)
    net.Conv(["pool", "e1_w", "e1_b"], "e1", kernel=1)
    net.Conv(["pool", "e3_w", "e3_b"], "e3", kernel=3, pad=1)
    net.Concat(["e1", "e3"], ["fire", "dims"], order="NCHW")
    net.Dropout("fire", ["drop", "mask"], ratio=0.5, is_test=1)
    net.Relu(net.Conv(["drop", "last_w", "last_b"], "last", kernel=1), "last")
    net.Softmax(net.AveragePool("last", "mean", global_pooling=1, legacy_pad=3), "softmaxout")
    predict.Proto().external_output.append("softmaxout")
    files = tmp_path / "init_net.pb", tmp_path / "predict_net.pb"
    for f, n in zip(files, (init, predict)):
        f.write_bytes(n.Proto().SerializeToString())
    image = rng.random((40, 30, 3)).astype("f")
    image = image[5:33, 1:29][:, :, ::-1].transpose(2, 0, 1)[None] * 255 - 128
    predictor = workspace.Predictor(files[0].read_bytes(), files[1].read_bytes())
    (got,) = predictor.run([np.ascontiguousarray(image)])
    assert got.shape == (1, 5, 1, 1) and np.isclose(got.sum(), 1, atol=1e-5)
    from rushlight.caffe2 import to_module

    module = to_module(files[0].read_bytes(), files[1].read_bytes())
    assert np.allclose(module(torch.from_numpy(np.ascontiguousarray(image))).detach().numpy(), got, atol=1e-5)


def test_cifar_is_trained_by_plans_with_checkpoints_and_exported_for_phones(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 64).astype("i")
    data = rng.normal(0, 0.3, (64, 3, 8, 8)).astype("f")
    data[np.arange(64), labels] += 1
    workspace.ResetWorkspace(str(tmp_path))
    workspace.FeedBlob("data", data), workspace.FeedBlob("label", labels)
    model = model_helper.ModelHelper(name="cifar", arg_scope={"order": "NCHW"})
    x = brew.relu(model, brew.conv(model, "data", "conv1", 3, 6, kernel=3, pad=1), "relu1")
    x = brew.average_pool(model, x, "pool1", kernel=4, stride=4)
    softmax = brew.softmax(model, brew.fc(model, x, "fc", 6 * 4, 3), "softmax")
    loss = model.AveragedLoss(model.LabelCrossEntropy([softmax, "label"], "xent"), "loss")
    brew.iter(model, "iter")
    model.AddGradientOperators([loss])
    optimizer.build_adam(model, base_learning_rate=0.02)
    model.net.Checkpoint(["iter", *model.params], [], db="step_%03d.minidb", db_type="minidb", every=10)
    plan = core.Plan("training")
    plan.AddStep(core.ExecutionStep("init", model.param_init_net))
    plan.AddStep(core.execution_step("train", model.net, num_iter=40))
    workspace.RunPlan(plan)
    assert workspace.FetchBlob("loss") < 0.3
    assert sorted(p.name for p in tmp_path.glob("step_*")) == [f"step_{k:03d}.minidb" for k in (10, 20, 30, 40)]

    deploy = model_helper.ModelHelper(name="cifar_deploy", arg_scope={"order": "NCHW"}, init_params=False)
    x = brew.relu(deploy, brew.conv(deploy, "data", "conv1", 3, 6, kernel=3, pad=1), "relu1")
    x = brew.average_pool(deploy, x, "pool1", kernel=4, stride=4)
    brew.softmax(deploy, brew.fc(deploy, x, "fc", 6 * 4, 3), "softmax")
    init, predict = mobile_exporter.Export(workspace, deploy.net, deploy.params)
    (got,) = workspace.Predictor(init.SerializeToString(), predict.SerializeToString()).run({"data": data})
    assert (got.argmax(1) == labels).mean() > 0.9
    # An earlier state, loaded again.
    before = workspace.FetchBlob("fc_w")
    names = [str(p) for p in model.params]
    workspace.RunOperatorOnce(core.CreateOperator("Load", [], names, db="step_010.minidb", db_type="minidb"))
    assert not np.array_equal(workspace.FetchBlob("fc_w"), before)


def test_a_gru_learns_the_next_letter():
    text = "abcab" * 8
    letters = sorted(set(text))
    D, T = len(letters), 12
    model = model_helper.ModelHelper(name="char_rnn")
    hidden, _ = gru_cell.GRU(model, "input", "lengths", ["h0"], D, 10, scope="gru")
    flat, _ = model.net.Reshape(hidden, ["flat", "flat_shape"], shape=[-1, 10])
    softmax = model.net.Softmax(brew.fc(model, flat, "fc", dim_in=10, dim_out=D), "p")
    loss = model.net.AveragedLoss(model.net.LabelCrossEntropy([softmax, "target"], "xent"), "loss")
    grads = model.AddGradientOperators([loss])
    optimizer.build_adam(model, base_learning_rate=0.05)
    one_hot = np.eye(D, dtype="f")
    workspace.FeedBlob("lengths", np.array([T], "i"))
    workspace.FeedBlob("h0", np.zeros((1, 1, 10), "f"))

    def feed(at):
        ids = [letters.index(c) for c in text[at : at + T + 1]]
        workspace.FeedBlob("input", one_hot[ids[:-1]][:, None])
        workspace.FeedBlob("target", np.array(ids[1:], "i"))

    feed(0)
    workspace.RunNetOnce(model.param_init_net)
    workspace.CreateNet(model.net)
    for k in range(150):
        feed(k % 20)
        workspace.RunNet(model.net)
    assert workspace.FetchBlob("loss") < 0.35  # the second letter of a pair that begins a row can't be known
    assert str(grads["gru/i2h_w"]) == "gru/i2h_w_grad"


@pytest.mark.parametrize("linear_before_reset", [False, True])
def test_a_gru_computes_its_formula_and_its_gradient_is_a_difference(linear_before_reset):
    rng = np.random.default_rng(0)
    model = model_helper.ModelHelper(name="gru")
    out, last, params = gru_cell.GRU(
        model, "x", "lengths", ["h0"], 3, 4, scope="g", linear_before_reset=linear_before_reset, return_params=True
    )
    loss = model.net.SumElements(model.net.Sqr(out, "s"), "loss")
    grads = model.AddGradientOperators([loss])
    x, h = rng.standard_normal((3, 2, 3)).astype("f"), rng.standard_normal((2, 4)).astype("f")
    workspace.FeedBlob("x", x), workspace.FeedBlob("h0", h[None]), workspace.FeedBlob("lengths", np.array([3, 2], "i"))
    workspace.RunNetOnce(model.param_init_net)
    workspace.CreateNet(model.net)
    workspace.RunNet(model.net)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    params = {**params.pop("recurrent"), **params}
    value = {k: [workspace.FetchBlob(n) for n in v.values()] for k, v in params.items()}
    for t in range(3):
        r, u, o = np.split(x[t] @ value["input"][0].T + value["input"][1], 3, axis=1)
        W = {k: value[k] for k in ("reset", "update", "output")}
        r = sigmoid(r + h @ W["reset"][0].T + W["reset"][1])
        u = sigmoid(u + h @ W["update"][0].T + W["update"][1])
        inner = (
            r * (h @ W["output"][0].T + W["output"][1])
            if linear_before_reset
            else (r * h) @ W["output"][0].T + W["output"][1]
        )
        new = h * u + np.tanh(o + inner) * (1 - u)
        h = np.where(np.array([[True], [t < 2]]), new, h)
        assert np.allclose(workspace.FetchBlob(out)[t], h, atol=1e-5)
    assert np.allclose(workspace.FetchBlob(last)[0], h, atol=1e-5)
    for name in ("x", "h0", "g/i2h_w", "g/reset_gate_t_w", "g/output_gate_t_b"):
        grad, was = workspace.FetchBlob(grads[name]), workspace.FetchBlob(name)
        losses = []
        for step in (1e-2, -1e-2):
            moved = was.copy()
            moved.ravel()[1] += step
            workspace.FeedBlob(name, moved)
            workspace.RunNet(model.net)
            losses.append(float(workspace.FetchBlob("loss")))
        workspace.FeedBlob(name, was)
        workspace.RunNet(model.net)
        assert np.isclose((losses[0] - losses[1]) / 2e-2, grad.ravel()[1], rtol=2e-2, atol=2e-3), name
