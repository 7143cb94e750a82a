"""The programs of examples/cpp as tests build them: what each prints and writes on small data."""

import subprocess

from conftest import ROOT, run

import rushlight as rl

SOURCES = ROOT / "examples" / "cpp"
NAMES = sorted(path.stem for path in SOURCES.glob("*.cpp"))


def save_archive(path):
    """A traced classifier of (N, 3, 8, 8), and the three likeliest classes of what seed 0 draws."""
    rl.manual_seed(0)
    net = rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3), rl.nn.ReLU(), rl.nn.Flatten(), rl.nn.Linear(144, 5)).eval()
    rl.jit.trace(net, rl.rand(1, 3, 8, 8)).save(str(path))
    rl.manual_seed(0)
    return rl.softmax(net(rl.rand(1, 3, 8, 8)), -1).topk(3).indices[0].tolist()


def infer(program, folder):
    check_infer(program, folder / "net.pt", save_archive(folder / "net.pt"))


def check_infer(program, path, want):
    out = run(program, path, "1", "3", "8", "8").splitlines()
    assert out[0] == "[1, 5]" and [int(line.split()[0]) for line in out[1:]] == want
    wrong = subprocess.run([program, path, "1", "4", "8", "8"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and "channels" in wrong.stderr
    missing = subprocess.run([program, "/nowhere/net.pt"], capture_output=True, text=True, check=False)
    assert missing.returncode == 1 and "/nowhere/net.pt" in missing.stderr


def custom_operator(program, folder):
    assert run(program) == "10\n20\n"


def train_digits(program, folder):
    rl.manual_seed(0)
    labels = rl.arange(10).repeat(40)
    patterns = (rl.rand(10, 1, 8, 8) > 0.5).float()
    rl.save({"images": patterns[labels] + 0.2 * rl.randn(400, 1, 8, 8), "labels": labels}, folder / "digits.pt")
    text = run(program, folder / "digits.pt", folder / "model.pt")
    assert float(text.split()[1].rstrip("%")) > 95
    assert (folder / "model.pt").stat().st_size > 10000


def custom_dataset(program, folder):
    rl.manual_seed(0)
    for name, pattern in (("standing", rl.arange(48) // 4 % 2), ("lying", rl.arange(48).unsqueeze(1) // 4 % 2)):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(40):
            picture = (pattern * 200 + rl.randint(0, 56, (3, 48, 48))).to(rl.uint8)
            rl.vision.io.write_png(
                picture[:, :, : 40 + i % 8].contiguous(), str(folder / "pictures" / name / f"{i}.png")
            )
    lines = run(program, folder / "pictures", "3").splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert lines[-1].endswith("held out 16 of 16 right")
    (folder / "pictures" / "lying" / "0.png").write_bytes(b"no picture")
    spoiled = subprocess.run([program, folder / "pictures"], capture_output=True, text=True, check=False)
    assert spoiled.returncode == 1 and "lying/0.png" in spoiled.stderr


def check(name, program, folder):
    """Runs example `name`; files it needs are made in `folder`."""
    globals()[name](program, folder)


def check_cmake(prefix, folder):
    """Builds all against the package under `prefix` by their own CMakeLists.txt, and runs them."""
    run("cmake", "-S", SOURCES, "-B", folder / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder / "build")
    for name in NAMES:
        check(name, folder / "build" / name, folder)
