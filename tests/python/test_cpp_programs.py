"""C++ programs as users build them: the examples, with CMake and with one command; linked beside other libraries; how fast they start."""

import shutil
import subprocess
import sys

import cpp_examples
import pytest
from conftest import BUILD, run

import rushlight as torch

PACKAGE = BUILD / "python" / "rushlight"


def flags(*asked):
    return run(sys.executable, "-m", "rushlight", *asked).split()


def test_examples_build_against_the_build_tree(tmp_path):
    cpp_examples.check_cmake(PACKAGE / "lib" / "cmake", tmp_path)


def test_examples_build_against_an_installed_package(tmp_path):
    run("cmake", "--install", BUILD, "--prefix", tmp_path / "prefix")
    cpp_examples.check_cmake(tmp_path / "prefix", tmp_path)


@pytest.mark.parametrize("name", cpp_examples.NAMES)
def test_an_example_builds_with_one_command(name, tmp_path):
    program = tmp_path / name
    run("g++", "-std=c++17", cpp_examples.SOURCES / f"{name}.cpp", "-o", program, *flags("--cflags", "--libs"))
    cpp_examples.check(name, program, tmp_path)


def test_a_model_of_onnx_runs_in_a_program_without_python(tmp_path):
    path = tmp_path / "traced.pt"
    want = cpp_examples.save_archive(path)
    x = torch.rand(1, 3, 8, 8)
    torch.onnx.export(
        torch.jit.load(str(path)), x, tmp_path / "net.onnx", input_names=["x"], dynamic_axes={"x": [0]}, dynamo=False
    )
    run(sys.executable, "-m", "rushlight", "convert", tmp_path / "net.onnx", tmp_path / "net.pt")
    program = tmp_path / "infer"
    run("g++", "-std=c++17", cpp_examples.SOURCES / "infer.cpp", "-o", program, *flags("--cflags", "--libs"))
    cpp_examples.check_infer(program, tmp_path / "net.pt", want)
    assert run(program, tmp_path / "net.pt", "2", "3", "8", "8").splitlines()[0] == "[2, 5]"
    linked = run("ldd", program)
    assert "libpython" not in linked and "librushlight_nn" not in linked  # it has no modules of its own
    assert [f for f in flags("--libs") if f.startswith("-I")] == [] and "-lrushlight" not in flags("--cflags")


# Symbols of libraries that are often linked beside this one, each in a program that uses both.
OTHERS = {
    "gtest/gtest.h": ("testing::InitGoogleTest(&argc, argv);", ["-lgtest", "-lpthread"]),
    "yaml-cpp/yaml.h": ('if (YAML::Load("{a: 3}")["a"].as<int>() != 3) return 1;', ["-lyaml-cpp"]),
    "google/protobuf/any.pb.h": (
        'google::protobuf::Any a; a.set_type_url("x"); if (a.SerializeAsString().empty()) return 1;',
        ["-lprotobuf", "-lpthread"],
    ),
    "omp.h": (
        "int n = 0;\n#pragma omp parallel for reduction(+ : n)\nfor (int i = 0; i < 8; i++) n += i;\nif (n != 28) return 1;",
        ["-fopenmp"],
    ),
}


@pytest.mark.parametrize("header", OTHERS)
def test_linked_beside_others(header, tmp_path):
    use, options = OTHERS[header]
    found = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"], input=f"#include <{header}>\n", capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"no {header}")
    (tmp_path / "main.cpp").write_text(
        f"#include <{header}>\n#include <torch/torch.h>\n#include <iostream>\n"
        "int main(int argc, char** argv) {\n  (void)argc, (void)argv;\n"
        f"{use}\n  auto x = torch::ones({{64, 64}}).requires_grad_();\n  x.mm(x).sum().backward();\n"
        "  std::cout << x.grad()[0][0].item<float>() << std::endl;\n}\n"
    )
    command = ["g++", "-std=c++17", "-O0", tmp_path / "main.cpp", "-o", tmp_path / "main"]
    run(*command, *flags("--cflags", "--libs"), *options)
    assert run(tmp_path / "main") == "128\n"


@pytest.mark.parametrize("standard", [17, 20])
def test_headers_compile_with_clang(standard, tmp_path):
    clang = shutil.which("clang++") or shutil.which("clang++-19")
    if clang is None:
        pytest.skip("no clang++")
    (tmp_path / "main.cpp").write_text("#include <torch/torch.h>\nint main() { return int(torch::ones({2}).dim()); }\n")
    run(clang, f"-std=c++{standard}", "-fsyntax-only", *flags("--cflags"), tmp_path / "main.cpp")


RESIDENT = """
#include <torch/script.h>
#include <fstream>
#include <iostream>
int main(int argc, char** argv) {
  torch::jit::Module m = torch::jit::load(argv[1]);
  m.eval();
  torch::NoGradGuard no_grad;
  for (int i = 0; i < 5; i++) m.forward({torch::ones({1, 3, 224, 224})});
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) std::cout << std::stoi(line.substr(6)) << std::endl;
}
"""


def test_a_network_in_a_program_needs_its_weights_and_40_mb(tmp_path):
    net = torch.vision.models.resnet18().eval()
    weights = sum(t.numel() * t.element_size() for t in net.state_dict().values()) / 2**20
    torch.jit.trace(net, torch.rand(1, 3, 224, 224)).save(str(tmp_path / "net.pt"))
    (tmp_path / "main.cpp").write_text(RESIDENT)
    run("g++", "-std=c++17", "-O0", tmp_path / "main.cpp", "-o", tmp_path / "main", *flags("--cflags", "--libs"))
    resident = int(run(tmp_path / "main", tmp_path / "net.pt")) / 1024
    assert resident <= weights + 40, (resident, weights)
