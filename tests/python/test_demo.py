"""The demo: what it prints and writes, that PyTorch takes its files, and that training goes on from its checkpoint."""

import io
import re
import struct
import sys
import types

import pytest
from conftest import BUILD, ROOT, run

import rushlight

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

DEMO = ROOT / "examples" / "digits"


def example(framework):
    """The example's own functions, as they stand or with PyTorch in rushlight's place."""
    modules = {}
    before = {name: sys.modules.get(name) for name in ("data", "model")}
    try:
        for name in "data", "model", "demo":
            modules[name] = sys.modules[name] = types.ModuleType(name)
            source = (DEMO / f"{name}.py").read_text().replace("rushlight", framework)
            exec(compile(source, str(DEMO / f"{name}.py"), "exec"), modules[name].__dict__)
    finally:
        sys.modules.pop("demo")
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
    return types.SimpleNamespace(
        **{**modules["data"].__dict__, **modules["model"].__dict__, **modules["demo"].__dict__}
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Its output and the folder it wrote."""
    folder = tmp_path_factory.mktemp("digits")
    return run(sys.executable, DEMO / "demo.py", "--epochs", "3", "--out", folder), folder


def bits(t):
    t = t.detach().contiguous()
    return str(t.dtype), tuple(t.shape), bytes(t.numpy().tobytes())


def all_tensors(value, path=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from all_tensors(item, f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from all_tensors(item, f"{path}.{i}")
    else:
        yield path, bits(value) if isinstance(value, (rushlight.Tensor, torch.Tensor)) else value


def test_it_says_what_it_does_and_wrote(demo):
    output, folder = demo
    assert "1437 digits to learn from, 360 held out; 42,498 parameters" in output
    for epoch in 1, 2, 3:
        assert re.search(rf"epoch +{epoch} \[#+\.*\] loss \d\.\d{{4}}  accuracy +\d+\.\d\d%  +\d+\.\d s left", output)
    assert re.search(r"trained in [\d.]+ s; test accuracy 9\d\.\d\d%", output)
    assert re.search(r"scripted model: largest difference \d\.\de[+-]\d\d", output)
    written = re.findall(r"^  (\S+)  +\S.*$", output, re.MULTILINE)
    assert sorted(name.rstrip("/") for name in written) == sorted(path.name for path in folder.iterdir())
    assert "next: " in output
    assert (folder / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", (folder / "curve.png").read_bytes()[16:24]) == (1080, 420)


def test_a_terminal_gets_one_line_drawn_over_and_over():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    before, sys.stdout = sys.stdout, Terminal()
    try:
        progress = example("rushlight").Progress(4)
        for step in range(4):
            progress.step(1, 1.0 / (step + 1), step / 4, step == 3)
        text = sys.stdout.getvalue()
    finally:
        sys.stdout = before
    assert text.count("\r") == 4 and text.count("\n") == 1 and text.endswith("\n")
    assert "[######..................] loss 1.0000  accuracy  0.00%" in text
    assert "[########################] loss 0.2500  accuracy 75.00%   0.0 s left" in text


def test_tensorboard_reads_the_curves(demo):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(demo[1] / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["accuracy/test", "accuracy/train", "loss/train"]
    losses = [(e.step, e.value) for e in events.Scalars("loss/train")]
    assert [step for step, _ in losses] == [1, 2, 3] and losses[0][1] > losses[2][1]
    assert [f"loss {value:.4f}" in demo[0] for _, value in losses] == [True] * 3


def test_pytorch_takes_the_checkpoint(demo):
    theirs = torch.load(demo[1] / "digits.pt", weights_only=True)
    ours = rushlight.load(demo[1] / "digits.pt", weights_only=True)
    assert dict(all_tensors(theirs)) == dict(all_tensors(ours))
    assert sum(isinstance(value, tuple) for value in dict(all_tensors(ours)).values()) >= 40

    there = example("torch")
    torch.manual_seed(1)
    net = there.Digits()
    optimizer = torch.optim.Adam(net.parameters())
    assert there.load_checkpoint(demo[1] / "digits.pt", net, optimizer) == ours["curve"]
    assert bits(torch.get_rng_state()) == bits(ours["generator"])
    assert dict(all_tensors(net.state_dict())) == dict(all_tensors(ours["model"]))
    state = optimizer.state_dict()
    assert dict(all_tensors(state["state"])) == dict(all_tensors(ours["optimizer"]["state"]))
    assert state["param_groups"][0]["lr"] == 2e-3


def test_pytorch_goes_on_from_it_on_the_same_curve(demo):
    curves = []
    for name in "rushlight", "torch":
        here = example(name)
        net = here.Digits()
        optimizer = here.torch.optim.Adam(net.parameters())
        curve = here.load_checkpoint(demo[1] / "digits.pt", net, optimizer)
        curves.append(here.train(net, optimizer, here.digits()[0], 4, None, curve)[-1])
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_resumed_training_is_bit_equal_to_uninterrupted(tmp_path):
    here = example("rushlight")
    training, _ = here.digits()

    def start():
        net = here.Digits()
        return net, rushlight.optim.Adam(net.parameters(), lr=2e-3)

    rushlight.manual_seed(5)
    net, optimizer = start()
    curve = here.train(net, optimizer, training, 2)
    here.save_checkpoint(tmp_path / "digits.pt", net, optimizer, curve)
    curve = here.train(net, optimizer, training, 4, None, curve)
    never_interrupted = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve}
    drawn = rushlight.rand(3)

    rushlight.manual_seed(77)
    net, optimizer = start()
    rushlight.rand(11)
    curve = here.load_checkpoint(tmp_path / "digits.pt", net, optimizer)
    assert len(curve) == 2
    curve = here.train(net, optimizer, training, 4, None, curve)
    resumed = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve}
    assert dict(all_tensors(resumed)) == dict(all_tensors(never_interrupted))
    assert bits(rushlight.rand(3)) == bits(drawn)


def test_resuming_from_the_command_line(demo, tmp_path):
    output = run(
        sys.executable, DEMO / "demo.py", "--epochs", "4", "--out", tmp_path, "--resume", demo[1] / "digits.pt"
    )
    assert "epoch  4 [" in output and "epoch  3 [" not in output
    assert len(rushlight.load(tmp_path / "digits.pt")["curve"]) == 4


def test_pytorch_runs_the_script(demo):
    held_out = torch.load(demo[1] / "digits_test.pt", weights_only=True)
    theirs = torch.jit.load(demo[1] / "digits_script.pt")(held_out["images"])
    here = rushlight.load(demo[1] / "digits_test.pt")
    ours = rushlight.jit.load(demo[1] / "digits_script.pt")(here["images"])
    torch.testing.assert_close(theirs, torch.from_numpy(ours.detach().numpy()), rtol=0, atol=1e-5)


def test_cpp_prints_the_same_predictions(demo):
    program = BUILD / "examples" / "digits_predict"
    accuracy, predictions = run(program, demo[1] / "digits_script.pt", demo[1] / "digits_test.pt").splitlines()
    held_out = rushlight.load(demo[1] / "digits_test.pt")
    expected = rushlight.jit.load(demo[1] / "digits_script.pt")(held_out["images"]).argmax(1)
    assert [int(word) for word in predictions.split()] == expected.tolist()
    share = (expected == held_out["labels"]).sum().item() / len(expected)
    assert accuracy == f"accuracy {share:.2%}"
    assert f"C++: {accuracy}; predictions equal Python's" in demo[0] and f"test {accuracy}" in demo[0]


def test_the_picture_shows_legend_held_out_accuracy_and_misread_digits(monkeypatch, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    here = example("rushlight")
    _, test = here.digits()
    rushlight.manual_seed(0)
    net = here.Digits()
    wrong = here.misread(net, test)
    share = here.accuracy(net, test)
    assert len(wrong) == 360 - round(share * 360) > 12 and net.training
    images, labels = test.tensors
    for image, label, guess in wrong[:3]:
        at = next(i for i in range(360) if images[i, 0].tolist() == image)
        assert labels[at].item() == label != guess
    monkeypatch.setattr(pyplot, "close", lambda figure: drawn.append(figure))
    drawn = []
    here.draw([(2.0, 0.2), (1.0, 0.8)], share, wrong, tmp_path / "curve.png")
    left, right, *digits = drawn[0].axes
    assert [t.get_text() for t in left.get_legend().get_texts()] == [
        "loss", "training accuracy", f"held-out accuracy {share:.2%}",
    ]  # fmt: skip
    assert [d.get_title() for d in digits] == [f"{label} read as {guess}" for _, label, guess in wrong[:12]]
    here.draw([(2.0, 0.2)], 1.0, [], tmp_path / "curve.png")  # nothing misread
    monkeypatch.undo()
    pyplot.close("all")
