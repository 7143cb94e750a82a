"""Data sets from files that the tests write, and pictures of tensors."""

import gzip
import json
import struct

import numpy as np
import pytest
from rushlight.vision.datasets.folder import tensor_loader
from rushlight.vision.transforms import v2

import rushlight as torch
from rushlight.vision import datasets, utils

Image = pytest.importorskip("PIL.Image")
RANDOM = np.random.default_rng(0)


def bytes_of(*shape):
    return RANDOM.integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    pixels = {}
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(2):
            pixels[name, i] = bytes_of(6, 5, 3)
            Image.fromarray(pixels[name, i]).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "images" / "dog" / "notes.txt").write_text("no image")
    return tmp_path / "images", pixels


def test_folders_of_classes(folder):
    root, pixels = folder
    data = datasets.ImageFolder(root)
    assert (data.classes, data.class_to_idx, data.targets) == (["cat", "dog"], {"cat": 0, "dog": 1}, [0, 0, 1, 1])
    assert np.array_equal(np.asarray(data[3][0]), pixels["dog", 1]) and data[3][1] == 1
    fast = datasets.ImageFolder(
        root, transform=v2.RandomHorizontalFlip(p=1), target_transform=str, loader=tensor_loader
    )
    image, label = fast[0]
    assert np.array_equal(image.numpy(), pixels["cat", 0][:, ::-1].transpose(2, 0, 1)) and label == "0"
    assert "Number of datapoints: 4" in repr(fast)
    (root / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no valid file for the classes empty"):
        datasets.ImageFolder(root)
    assert len(datasets.ImageFolder(root, allow_empty=True)) == 4
    (root / "cat" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(RuntimeError, match="0.png"):
        datasets.ImageFolder(root, allow_empty=True, loader=tensor_loader)[0]


def write_idx(path, array, zipped=False):
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    with (gzip.open if zipped else open)(path, "wb") as file:
        file.write(head + array.tobytes())


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST", "EMNIST"])
def test_mnist_and_its_kin(name, tmp_path):
    make = getattr(datasets, name)
    options = {"split": "letters"} if name == "EMNIST" else {}
    with pytest.raises(RuntimeError, match="Dataset not found"):
        make(tmp_path, **options)
    with pytest.raises(torch.UnsupportedError, match="download=True needs a network.*raw"):
        make(tmp_path, download=True, **options)
    raw = tmp_path / name / "raw"
    raw.mkdir(parents=True)
    images, labels = bytes_of(7, 28, 28), bytes_of(7) % 10
    prefix = "emnist-letters-test" if name == "EMNIST" else "t10k"
    write_idx(raw / f"{prefix}-images-idx3-ubyte", images)
    write_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", labels, zipped=True)
    data = make(tmp_path, train=False, download=True, **options)
    assert np.array_equal(data.data.numpy(), images) and data.targets.tolist() == labels.tolist()
    assert np.array_equal(np.asarray(data[3][0]), images[3]) and data[3][1] == labels[3] and len(data) == 7
    write_idx(raw / f"{prefix}-labels-idx1-ubyte.gz", labels[:5], zipped=True)
    with pytest.raises(RuntimeError, match="7 images.*labels of shape"):
        make(tmp_path, train=False, **options)


def test_cifar(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    images, labels = bytes_of(4, 3, 32, 32), bytes_of(4) % 10
    (folder / "test_batch.bin").write_bytes(b"".join(bytes([y]) + x.tobytes() for x, y in zip(images, labels)))
    (folder / "batches.meta.txt").write_text("\n".join("abcdefghij"))
    data = datasets.CIFAR10(tmp_path, train=False)
    assert np.array_equal(data.data, images.transpose(0, 2, 3, 1)) and data.targets == labels.tolist()
    assert data.classes == list("abcdefghij")
    assert np.array_equal(np.asarray(data[1][0]), images[1].transpose(1, 2, 0))
    with pytest.raises(RuntimeError, match="data_batch_1"):
        datasets.CIFAR10(tmp_path)


def test_fake_data_is_the_same_each_time():
    data = datasets.FakeData(3, (3, 8, 9), 5)
    torch.manual_seed(0)
    before = torch.rand(1)
    torch.manual_seed(0)
    assert np.array_equal(np.asarray(data[1][0]), np.asarray(data[1][0]))
    assert torch.equal(torch.rand(1), before)  # and no random number is used up
    assert data[2][0].size == (9, 8) and 0 <= data[2][1] < 5
    with pytest.raises(IndexError):
        data[3]


def test_pascal_and_coco(tmp_path):
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("ImageSets/Main", "ImageSets/Segmentation", "JPEGImages", "Annotations", "SegmentationClass"):
        (voc / name).mkdir(parents=True)
    Image.fromarray(bytes_of(8, 9, 3)).save(voc / "JPEGImages" / "a.jpg")
    mask = bytes_of(8, 9) % 3
    Image.fromarray(mask).save(voc / "SegmentationClass" / "a.png")
    for kind in ("Main", "Segmentation"):
        (voc / "ImageSets" / kind / "train.txt").write_text("a\n")
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"
    (voc / "Annotations" / "a.xml").write_text(
        f"<annotation><filename>a.jpg</filename><object><name>cat</name>{box}</object></annotation>"
    )
    image, target = datasets.VOCDetection(tmp_path)[0]
    assert image.size == (9, 8)
    assert target["annotation"]["object"] == [
        {"name": "cat", "bndbox": {"xmin": "1", "ymin": "2", "xmax": "5", "ymax": "6"}}
    ]
    assert np.array_equal(np.asarray(datasets.VOCSegmentation(tmp_path)[0][1]), mask)
    listing = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 7, "caption": "a cat", "bbox": [1, 2, 3, 4]}],
    }
    (tmp_path / "all.json").write_text(json.dumps(listing))
    assert datasets.CocoDetection(voc / "JPEGImages", tmp_path / "all.json")[0][1] == listing["annotations"]
    assert datasets.CocoCaptions(voc / "JPEGImages", tmp_path / "all.json")[0][1] == ["a cat"]
    (tmp_path / "all.json").write_text("{")
    with pytest.raises(RuntimeError, match="all.json: no JSON"):
        datasets.CocoDetection(voc, tmp_path / "all.json")


def test_grids():
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 2, 3)
    grid = utils.make_grid(images, nrow=3, padding=1, pad_value=9)
    assert grid.shape == (3, 7, 13)
    assert grid[0, 1].tolist() == [9, 0, 0, 0, 9, 1, 1, 1, 9, 2, 2, 2, 9]
    assert grid[2, 4].tolist() == [9, 3, 3, 3, 9, 4, 4, 4, 9, 9, 9, 9, 9]
    assert utils.make_grid(images, normalize=True).max() == 1
    with pytest.raises(TypeError, match="list of tensors expected"):
        utils.make_grid(3)


def test_images_are_written(tmp_path):
    picture = torch.rand(3, 8, 9)
    utils.save_image(picture, tmp_path / "a.png")
    read = np.asarray(Image.open(tmp_path / "a.png")).transpose(2, 0, 1)
    assert np.array_equal(read, (picture * 255 + 0.5).clamp(0, 255).to(torch.uint8).numpy())


def test_drawing():
    black = torch.zeros(3, 12, 14, dtype=torch.uint8)
    drawn = utils.draw_bounding_boxes(black, torch.tensor([[2, 3, 8, 9]]), colors="red", fill=True)
    assert drawn[:, 3, 2:9].tolist() == [[255] * 7, [0] * 7, [0] * 7]
    assert 0 < drawn[0, 6, 5] < 255 and drawn[0, 11, 13] == 0 and black.sum() == 0
    mask = torch.zeros(1, 12, 14, dtype=torch.bool)
    mask[0, :6] = True
    painted = utils.draw_segmentation_masks(black + 100, mask, alpha=0.5, colors=[(200, 0, 100)])
    assert painted[:, 0, 0].tolist() == [150, 50, 100] and painted[:, 11, 0].tolist() == [100] * 3
    dots = utils.draw_keypoints(black, torch.tensor([[[5.0, 6.0], [1, 1]]]), colors="blue", radius=1)
    assert dots[:, 6, 5].tolist() == [0, 0, 255]
    flow = utils.flow_to_image(torch.stack([torch.ones(2, 3), torch.zeros(2, 3)]))
    assert flow.shape == (3, 2, 3) and flow.dtype == torch.uint8 and (flow[0] == 255).all()
    with pytest.raises(ValueError, match="xmin, ymin"):
        utils.draw_bounding_boxes(black, torch.tensor([[5, 5, 1, 1]]))
    with pytest.raises(ValueError, match="dtype bool"):
        utils.draw_segmentation_masks(black, mask.int())
