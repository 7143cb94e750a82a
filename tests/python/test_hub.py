"""torch.hub: local repositories and files; what would need the network says so."""

import pytest

import rushlight as torch

HUBCONF = """
dependencies = ["json"]
from helper import scale
def tiny(width=2, pretrained=False):
    'A tiny model.'
    import rushlight as torch
    model = torch.nn.Linear(width, 1, bias=False)
    torch.nn.init.constant_(model.weight, scale)
    return model
def _hidden(): pass
"""


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    (tmp_path / "helper.py").write_text("scale = 3.0")
    return str(tmp_path)


def test_local_folder(repository):
    assert torch.hub.list(repository, source="local") == ["tiny"]
    assert torch.hub.help(repository, "tiny", source="local") == "A tiny model."
    assert torch.hub.load(repository, "tiny", width=4, source="local").weight.tolist() == [[3.0] * 4]
    with pytest.raises(RuntimeError, match="Cannot find callable large in hubconf"):
        torch.hub.load(repository, "large", source="local")
    with pytest.raises(FileNotFoundError, match="hubconf.py"):
        torch.hub.load(repository + "/nowhere", "tiny", source="local")
    with pytest.raises(ValueError, match="Unknown source"):
        torch.hub.load(repository, "tiny", source="elsewhere")


def test_what_needs_the_network(tmp_path, repository):
    torch.hub.set_dir(tmp_path / "hub")
    try:
        with pytest.raises(torch.UnsupportedError, match="source='local'"):
            torch.hub.load("pytorch/vision:main", "resnet18")
        with pytest.raises(torch.UnsupportedError, match="put the file at .*checkpoints/resnet.pth yourself"):
            torch.hub.load_state_dict_from_url("https://example.org/resnet.pth?x=1")
        with pytest.raises(torch.UnsupportedError, match="network"):
            torch.hub.download_url_to_file("https://example.org/a", str(tmp_path / "a"))
        # Files that are there already are used.
        (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
        torch.save({"w": torch.ones(2)}, tmp_path / "hub" / "checkpoints" / "resnet.pth")
        assert torch.hub.load_state_dict_from_url("https://example.org/resnet.pth")["w"].tolist() == [1, 1]
        url = (tmp_path / "hub" / "checkpoints" / "resnet.pth").as_uri()
        assert list(torch.utils.model_zoo.load_url(url, model_dir=str(tmp_path / "other"))) == ["w"]
        (tmp_path / "hub" / "owner_name_main").mkdir()
        (tmp_path / "hub" / "owner_name_main" / "hubconf.py").write_text("def model(): return 5")
        assert torch.hub.load("owner/name", "model") == 5
    finally:
        torch.hub.set_dir(str(tmp_path))
