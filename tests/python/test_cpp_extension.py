"""Extensions in C++: compiled while a program runs and by setuptools, with pybind11, nanobind or operators alone."""

import os
import sys
import textwrap
import time

import pytest
from conftest import run
from rushlight.utils import cpp_extension

import rushlight as torch

FAST = ["-O0"]  # of the compiler: these programs are short


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))


@pytest.fixture
def pybind11(tmp_path):
    if not cpp_extension._pybind11(tmp_path):
        pytest.skip("no pybind11")


def test_paths_have_the_headers_and_the_library():
    assert any(os.path.exists(os.path.join(p, "torch", "extension.h")) for p in cpp_extension.include_paths())
    assert any(os.path.exists(os.path.join(p, "rushlight", "c_api.h")) for p in cpp_extension.include_paths())
    assert any(os.path.exists(os.path.join(p, "librushlight.so")) for p in cpp_extension.library_paths())


CELL = """
#include <torch/extension.h>
#include <vector>

// A cell without a forget gate, forward and backward.
std::vector<at::Tensor> cell_forward(torch::Tensor input, torch::Tensor weights, torch::Tensor bias,
                                     torch::Tensor old_h, torch::Tensor old_cell) {
  auto X = torch::cat({old_h, input}, /*dim=*/1);
  auto gate_weights = torch::addmm(bias, X, weights.transpose(0, 1));
  auto gates = gate_weights.chunk(3, /*dim=*/1);
  auto in = torch::sigmoid(gates[0]);
  auto out = torch::sigmoid(gates[1]);
  auto candidate = torch::elu(gates[2], /*alpha=*/1.0);
  auto new_cell = old_cell + candidate * in;
  auto new_h = torch::tanh(new_cell) * out;
  return {new_h, new_cell, in, out, candidate, X, gate_weights};
}
torch::Tensor d_tanh(torch::Tensor z) { return 1 - z.tanh().pow(2); }
at::ScalarType kind(const torch::Tensor& x) { return x.scalar_type(); }
torch::Device place(const torch::Tensor& x) { return x.device(); }
torch::Tensor drawn(at::Generator g) { return torch::rand({2}, g); }
torch::Tensor filled(at::IntArrayRef sizes, at::Scalar v, torch::Dtype d, std::optional<torch::Tensor> plus) {
  auto t = torch::full(sizes, v, d);
  return plus ? t + *plus : t;
}
void refuse(const torch::Tensor& x) { TORCH_CHECK(x.is_cuda(), "x must be a CUDA tensor"); }

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &cell_forward, "cell forward");
  m.def("d_tanh", &d_tanh);
  m.def("kind", &kind);
  m.def("place", &place);
  m.def("drawn", &drawn);
  m.def("filled", &filled, py::arg("sizes"), py::arg("v"), py::arg("d"), py::arg("plus") = py::none());
  m.def("refuse", &refuse);
}
"""


def test_a_module_with_pybind11(pybind11, tmp_path):
    (tmp_path / "cell.cpp").write_text(CELL)
    m = cpp_extension.load("cell_cpp", [str(tmp_path / "cell.cpp")], extra_cflags=FAST)
    torch.manual_seed(0)
    x, w, b, h, c = (torch.randn(*s) for s in ((2, 3), (12, 7), (12,), (2, 4), (2, 4)))
    w.requires_grad_()
    out = m.forward(x, w, b, h, c)
    gates = torch.addmm(b, torch.cat([h, x], 1), w.t()).chunk(3, 1)
    want = c + torch.nn.functional.elu(gates[2]) * torch.sigmoid(gates[0])
    assert len(out) == 7 and torch.equal(out[1], want)
    out[0].sum().backward()  # autograd sees what C++ calls
    assert w.grad.shape == w.shape
    assert m.kind(x) is torch.float32 and m.place(x) == torch.device("cpu")
    g = torch.Generator().manual_seed(3)
    again = torch.Generator().manual_seed(3)
    assert torch.equal(m.drawn(g), torch.rand(2, generator=again))
    assert m.filled([2, 1], 2, torch.int32).tolist() == [[2], [2]]
    assert m.filled(sizes=(2,), v=1.5, d=torch.float64, plus=torch.ones(2)).tolist() == [2.5, 2.5]
    y = m.d_tanh(x)
    assert type(y) is torch.Tensor
    with pytest.raises(RuntimeError, match="x must be a CUDA tensor"):
        m.refuse(x)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        m.d_tanh("no tensor")


def test_inline_sources_and_what_is_built_again(pybind11, capfd):
    source = "torch::Tensor plus(torch::Tensor x) { return x + %d; }"
    options = {"functions": ["plus"], "extra_cflags": FAST, "verbose": True}
    one = cpp_extension.load_inline("inline_plus", source % 1, **options)
    assert one.plus(torch.ones(1)).item() == 2
    assert "-c" in capfd.readouterr().out
    assert cpp_extension.load_inline("inline_plus", source % 1, **options).plus(torch.ones(1)).item() == 2
    assert capfd.readouterr().out == ""  # nothing was compiled, nothing linked
    time.sleep(0.02)
    two = cpp_extension.load_inline("inline_plus", source % 2, **options)
    assert two.plus(torch.ones(1)).item() == 3 and one.plus(torch.ones(1)).item() == 2


def test_a_changed_header_is_seen(tmp_path, capfd):
    (tmp_path / "by.h").write_text("constexpr double by = 2;\n")
    for name in "ab":
        (tmp_path / f"{name}.cpp").write_text(f"int unused_{name}() {{ return 0; }}\n")
    (tmp_path / "main.cpp").write_text(
        '#include <iostream>\n#include "by.h"\nint main() { std::cout << by << std::endl; }\n'
    )
    (tmp_path / "out").mkdir()
    sources = [str(tmp_path / f"{n}.cpp") for n in ("main", "a", "b")]

    def build():
        return cpp_extension.load(
            "shows", sources, build_directory=str(tmp_path / "out"), is_standalone=True, verbose=True
        )

    assert run(build()) == "2\n"
    capfd.readouterr()
    time.sleep(0.02)
    (tmp_path / "by.h").write_text("constexpr double by = 3;\n")
    assert run(build()) == "3\n"
    log = capfd.readouterr().out
    assert "main.cpp" in log and "a.cpp" not in log and "b.cpp" not in log


def test_a_library_of_operators_needs_no_pybind11(tmp_path):
    (tmp_path / "op.cpp").write_text(
        "#include <torch/library.h>\n"
        "at::Tensor warp(const at::Tensor& x, int64_t n) { return x * n; }\n"
        'TORCH_LIBRARY(ext_ops, m) { m.def("warp(Tensor x, int n=2) -> Tensor", &warp); }\n'
    )
    path = cpp_extension.load("ext_ops", str(tmp_path / "op.cpp"), extra_cflags=FAST, is_python_module=False)
    assert path.endswith(".so") and torch.ops.ext_ops.warp(torch.ones(2)).tolist() == [2, 2]


def test_mistakes_show_the_compilers_text(tmp_path):
    with pytest.raises(RuntimeError, match="Error building extension 'wrong'") as e:
        (tmp_path / "wrong.cpp").write_text("int f() { return not_declared; }\n")
        cpp_extension.load("wrong", str(tmp_path / "wrong.cpp"))
    assert "not_declared" in str(e.value) and "wrong.cpp:1" in str(e.value)
    with pytest.raises(FileNotFoundError, match=r"nothing\.cpp does not exist"):
        cpp_extension.load("missing", str(tmp_path / "nothing.cpp"))
    with pytest.raises(ValueError, match="identifier"):
        cpp_extension.load("no name", str(tmp_path / "wrong.cpp"))
    with pytest.raises(FileNotFoundError, match="build directory"):
        cpp_extension.load("wrong", str(tmp_path / "wrong.cpp"), build_directory=str(tmp_path / "nowhere"))
    (tmp_path / "unlinked.cpp").write_text("void elsewhere(); int main() { elsewhere(); }\n")
    with pytest.raises(RuntimeError, match="elsewhere"):
        cpp_extension.load("unlinked", str(tmp_path / "unlinked.cpp"), is_standalone=True)


def test_cuda_sources_without_cuda(tmp_path, monkeypatch):
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    (tmp_path / "k.cu").write_text("__global__ void k() {}\n")
    with pytest.raises(OSError, match="CUDA_HOME"):
        cpp_extension.load("k", str(tmp_path / "k.cu"))
    with pytest.raises(OSError, match="CUDA_HOME"):
        cpp_extension.CUDAExtension("k", ["k.cu"])


SETUP = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(
    name="ext_setup",
    ext_modules=[CppExtension("ext_setup.core", ["core.cpp"], extra_compile_args={"cxx": ["-O0"]}, define_macros=[("BY", "7")])],
    packages=["ext_setup"],
    cmdclass={"build_ext": BuildExtension.with_options(no_python_abi_suffix=True)},
)
"""


def test_setuptools_under_the_name_of_torch(tmp_path):
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "ext_setup").mkdir()
    (tmp_path / "ext_setup" / "__init__.py").write_text("import torch\nfrom . import core\n")
    (tmp_path / "core.cpp").write_text(
        textwrap.dedent("""
        #include <Python.h>
        #include <torch/library.h>
        TORCH_LIBRARY(ext_setup, m) { m.def("by(Tensor x) -> Tensor", [](const at::Tensor& x) { return x * BY; }); }
        PyMODINIT_FUNC PyInit_core() {
          static PyModuleDef def = {PyModuleDef_HEAD_INIT, "core", nullptr, -1, nullptr};
          return PyModule_Create(&def);
        }
        """)
    )
    here = [sys.executable, "-m", "rushlight"]
    run(*here, "setup.py", "build_ext", "--inplace", cwd=tmp_path)
    assert (tmp_path / "ext_setup" / "core.so").exists()
    before = next(tmp_path.glob("build/**/core.o")).stat().st_mtime_ns
    run(*here, "setup.py", "build_ext", "--inplace", cwd=tmp_path)
    assert next(tmp_path.glob("build/**/core.o")).stat().st_mtime_ns == before
    program = "import torch, ext_setup; print(torch.ops.ext_setup.by(torch.ones(2)).tolist())"
    assert run(*here, "-c", program, cwd=tmp_path) == "[7.0, 7.0]\n"


def test_a_module_with_nanobind(tmp_path):
    nanobind = pytest.importorskip("nanobind")
    (tmp_path / "nb.cpp").write_text(
        textwrap.dedent("""
        #include <rushlight/nanobind.h>
        NB_MODULE(TORCH_EXTENSION_NAME, m) {
          m.def("twice", [](const torch::Tensor& x) { return x * 2; });
          m.def("kind", [](const torch::Tensor& x) { return x.scalar_type(); });
          m.def("place", [](torch::Device d) { return torch::zeros({1}, d).device(); });
          m.def("seed", [](const torch::Generator& g) { return g.current_seed(); });
        }
        """)
    )
    sources = [str(tmp_path / "nb.cpp"), os.path.join(nanobind.source_dir(), "nb_combined.cpp")]
    include = [nanobind.include_dir(), os.path.join(nanobind.include_dir(), "..", "ext", "robin_map", "include")]
    m = cpp_extension.load("nb_ext", sources, extra_include_paths=include, extra_cflags=[*FAST, "-fno-strict-aliasing"])
    x = torch.ones(2, requires_grad=True)
    y = m.twice(x)
    assert y.tolist() == [2, 2] and y.requires_grad
    assert m.kind(x) is torch.float32 and m.place("cpu") == torch.device("cpu") == m.place(torch.device("cpu"))
    assert m.seed(torch.Generator().manual_seed(5)) == 5
    with pytest.raises(TypeError, match="incompatible function arguments"):
        m.twice(3)
