"""Models: names and shapes of parameters, initial weights of a seed, and outputs are torchvision 0.28's, whose numbers stand here."""

import pytest

import rushlight as torch
from rushlight.vision import models

# With seed 0 and 7 classes: entries of the state dict, and the first outputs for an image of seed 1.
EXPECTED = {
    "resnet18": (122, [0.05498, 0.22647, 0.05512, -0.02528]),
    "squeezenet1_1": (52, [0.25207, 0.00215, 0.00658, 0.05165]),
    "shufflenet_v2_x0_5": (338, [-0.00918, 0.004, 0.00371, -0.01045]),
    "regnet_y_400mf": (384, [-0.00449, -0.00166, 0.01727, -0.00174]),
    "convnext_tiny": (182, [-0.62523, 0.23829, -0.42632, 0.94156]),
    "swin_t": (185, [0.03729, -0.20892, -0.02069, 0.86175]),
    "densenet121": (727, [0.0735, 0.19897, -0.67836, -0.19048]),
    "googlenet": (364, [-0.02354, -0.01823, -0.0182, -0.02642]),
    "lraspp_mobilenet_v3_large": (319, [0.05291, 0.02203, 0.14529, 0.02615]),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", EXPECTED)
def test_model_is_torchvisions(name):
    entries, first = EXPECTED[name]
    torch.manual_seed(0)
    options = {"weights_backbone": None} if name.startswith("lraspp") else {}
    model = models.get_model(name, weights=None, num_classes=7, **options).eval()
    assert len(model.state_dict()) == entries
    image = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        out = model(image)
    out = out["out"] if isinstance(out, dict) else out
    torch.testing.assert_close(out.reshape(2, 7, -1)[0, :4, 0], torch.tensor(first), rtol=1e-3, atol=5e-5)


# Numbers of parameters as torchvision's documentation has them.
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mobilenet_v2", 3504872), ("mobilenet_v3_small", 2542856), ("mobilenet_v3_large", 5483032), ("mnasnet0_5", 2218512),
        ("mnasnet1_3", 6282256), ("efficientnet_b0", 5288548), ("efficientnet_b1", 7794184), ("efficientnet_v2_s", 21458488),
        ("resnet50", 25557032), ("resnext50_32x4d", 25028904), ("regnet_x_400mf", 5495976), ("densenet169", 14149480),
        ("shufflenet_v2_x1_5", 3503624), ("squeezenet1_0", 1248424),
    ],
)  # fmt: skip
def test_number_of_parameters(name, count):
    with torch.device("meta"):
        model = models.get_model(name)
    assert sum(p.numel() for p in model.parameters()) == count


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v3_small", "swin_v2_t", "efficientnet_b0"])
def test_training_step(name):
    torch.manual_seed(0)
    model = models.get_model(name, num_classes=3).train()
    out = model(torch.rand(2, 3, 64, 64))
    if name == "googlenet":
        assert out._fields == ("logits", "aux_logits2", "aux_logits1")
        out = out.logits + out.aux_logits1 + out.aux_logits2
    out.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_names():
    assert models.list_models(include=["resnet*", "vgg11"]) == [
        "resnet101",
        "resnet152",
        "resnet18",
        "resnet34",
        "resnet50",
        "vgg11",
    ]
    assert "fcn_resnet50" in models.list_models(module=models.segmentation)
    assert "resnet18" not in models.list_models(module=models.segmentation)
    assert models.get_model_builder("resnet18") is models.resnet18
    assert models.get_model_weights("resnet50") is models.ResNet50_Weights
    assert [w.name for w in models.ResNet50_Weights] == ["IMAGENET1K_V1", "IMAGENET1K_V2"]
    assert models.get_weight("ResNet50_Weights.DEFAULT") is models.ResNet50_Weights.IMAGENET1K_V2
    with pytest.raises(ValueError, match="Unknown model nonet"):
        models.get_model("nonet")


def test_weights_come_from_the_folder_of_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_dir", str(tmp_path))
    with pytest.raises(
        RuntimeError, match="no network; put https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth into"
    ):
        models.squeezenet1_1(weights="DEFAULT")
    torch.manual_seed(0)
    saved = models.squeezenet1_1()
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(
        torch.hub,
        "load_state_dict_from_url",
        lambda url, *a, **k: torch.load(tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"),
    )
    torch.save(saved.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    loaded = models.squeezenet1_1(weights=models.SqueezeNet1_1_Weights.DEFAULT)
    assert all(torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values()))


def test_weights_say_how_images_are_prepared():
    prepare = models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert (prepare.crop_size, prepare.resize_size) == ([224], [232])
    out = prepare(torch.full((3, 300, 400), 255, dtype=torch.uint8))
    assert out.shape == (3, 224, 224)
    torch.testing.assert_close(
        out[:, 0, 0], torch.tensor([(1 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))])
    )


def test_outputs_from_the_middle():
    from rushlight.vision.models._utils import IntermediateLayerGetter

    part = IntermediateLayerGetter(models.resnet18(), {"layer1": "a", "layer3": "b"})
    assert "fc" not in part
    assert {k: tuple(v.shape) for k, v in part(torch.rand(1, 3, 64, 64)).items()} == {
        "a": (1, 64, 16, 16),
        "b": (1, 256, 4, 4),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "googlenet", "vit_b_32", "swin_t", "swin_v2_t", "lraspp_mobilenet_v3_large"]
)
def test_models_are_scripted_and_traced(name):
    options = (
        {"weights_backbone": None}
        if name.startswith("lraspp")
        else {"init_weights": False}
        if name == "googlenet"
        else {}
    )
    torch.manual_seed(0)
    model = models.get_model(name, num_classes=3, **options).eval()
    image = torch.rand(1, 3, 224 if name == "vit_b_32" else 64, 224 if name == "vit_b_32" else 64)
    with torch.no_grad():
        want = model(image)
        for made in (torch.jit.script(model), torch.fx.symbolic_trace(model)):
            got = made(image)
            got = got[0] if isinstance(got, tuple) else got  # googlenet's script gives the outputs for training too
            torch.testing.assert_close(got, want)


def test_features_of_named_nodes():
    from rushlight.vision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    torch.manual_seed(0)
    model = models.resnet18(num_classes=3).eval()
    train, evaluation = get_graph_node_names(model)
    assert train == evaluation and train[:6] == ["x", "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1"]
    assert "layer2.0.downsample.1" in train and "layer1.1.relu_1" in train
    x = torch.rand(1, 3, 64, 64)
    part = create_feature_extractor(model, {"layer1": "a", "layer2.0.add": "b", "fc": "c"}).eval()
    out = part(x)
    assert {k: tuple(v.shape) for k, v in out.items()} == {"a": (1, 64, 16, 16), "b": (1, 128, 8, 8), "c": (1, 3)}
    torch.testing.assert_close(out["c"], model(x))
    assert "layer4" not in dict(create_feature_extractor(model, ["layer1"]).named_children())
    with pytest.raises(ValueError, match="nowhere.*not present"):
        create_feature_extractor(model, ["nowhere"])
    net = models.googlenet(init_weights=False, num_classes=3)
    part = create_feature_extractor(net, train_return_nodes=["aux1.fc2", "fc"], eval_return_nodes=["fc"])
    image = torch.rand(2, 3, 64, 64)
    assert list(part.train()(image)) == ["aux1.fc2", "fc"] and list(part.eval()(image)) == ["fc"]
