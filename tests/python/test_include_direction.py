"""The architecture as the sources show it: who includes whom, and nothing tied to one machine."""

import re
import subprocess

import pytest
from conftest import ROOT

# Each folder may include itself and those in the groups before its own.
ORDER = [
    {"core"},
    {"kernels"},
    {"dispatch"},
    {"ops"},
    {"autograd", "cuda"},
    {"transforms"},
    {"graph"},
    {"io"},
    {"script"},
    {"api"},
    {"capi"},
    {"data", "vision", "quantized"},  # libraries of their own: nothing before them may need them
    {"onnx", "caffe2", "nn", "optim"},
    {"distributed", "serve"},
]
# The same within ops, of the headers that its topics share.
TOPICS = [
    "sparse",
    "quantized",
    "create",
    "pointwise",
    "index",
    "reduce",
    "shape",
    "order",
    "linalg",
    "fft",
    "random",
    "nn",
    "image",
    "loss",
    "optim",
    "functional",
]
RANK = {folder: i for i, group in enumerate(ORDER) for folder in group}
# Made from the operator records: what the build derives belongs to ops.
DERIVED = {
    "fn": "ops",
    "functions.h": "ops",
    "c_api.h": "api",
    "functional.h": "ops",
    "torch_methods.inc": "ops",
    "torch_functions.inc": "ops",
    "torch_namespaces.inc": "ops",
    "torch_meta.inc": "ops",
    "torch_ops.inc": "ops",
}


def sources(*endings: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [f for f in listed.stdout.splitlines() if f.endswith(endings) and (ROOT / f).is_file()]


def test_each_folder_includes_only_those_before_it():
    wrong = []
    for name in sources(".h", ".cpp", ".cu"):
        parts = name.split("/")
        if parts[0] != "rushlight" or len(parts) < 3:
            continue
        folder = parts[1]
        assert folder in RANK, f"{name}: folder {folder} has no place in the order"
        for i, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*[<"]rushlight/([^/">]+)', line)
            if not match:
                continue
            topic = re.match(r'\s*#\s*include "rushlight/ops/(\w+)/', line)
            if topic and folder == "ops" and TOPICS.index(topic[1]) > TOPICS.index(parts[2]):
                wrong.append(f"{name}:{i}: ops/{parts[2]} may not include ops/{topic[1]}")
            target = DERIVED.get(match[1], match[1])
            assert target in RANK, f"{name}:{i}: {line.strip()} is in no known folder"
            if target != folder and RANK[target] >= RANK[folder]:
                wrong.append(f"{name}:{i}: {folder} may not include {target}")
    assert not wrong, "\n".join(wrong)


def test_core_library_includes_no_python():
    wrong = [
        f"{name}: {include}"
        for name in sources(".h", ".cpp")
        if name.startswith("rushlight/")
        for include in re.findall(r"#\s*include\s*[<\"](Python\.h|nanobind/[^>\"]*)", (ROOT / name).read_text())
    ]
    assert not wrong, "\n".join(wrong)


def test_no_path_of_one_machine():
    # Folders that only one machine has; written apart so that this file doesn't name them.
    pattern = re.compile(r"(?<![\w.$}])/(?:wo" r"rk|ho" r"me|ro" r"ot)/\w")
    wrong = []
    for name in sources(""):
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue  # a binary fixture
        wrong += [f"{name}:{i}: {line.strip()}" for i, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["dev", ".ci/run"])
def test_script_is_executable_and_parses(name):
    assert (ROOT / name).stat().st_mode & 0o100
    subprocess.run(["bash", "-n", ROOT / name], check=True)
