"""A plug-in written on PyTorch's stable C++ headers (torch/csrc/stable of its wheel), linked with this library instead."""

import importlib.util
from pathlib import Path

import pytest
from conftest import BUILD, run

import rushlight as torch

HEADERS = Path(importlib.util.find_spec("torch").origin).parent / "include"
LIBRARY = BUILD / "python" / "rushlight"

PLUGIN = r"""
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <string>
#include <vector>

using torch::stable::Tensor;

Tensor twice(const Tensor& x) {
  Tensor out = torch::stable::empty_like(x);
  const float* from = static_cast<const float*>(x.data_ptr());
  float* to = static_cast<float*>(out.data_ptr());
  for (int64_t i = 0; i < x.numel(); i++) to[i] = 2 * from[i];
  return out;
}
int64_t describe(const Tensor& x, int64_t i, double d, bool b, std::optional<int64_t> maybe) {
  return x.dim() * 10000 + x.size(0) * 1000 + i * 100 + int64_t(d) * 10 + b + maybe.value_or(0);
}
// By the dispatcher, with an operator that this header does not name.
Tensor by_name(const Tensor& x) {
  StableIValue stack[] = {torch::stable::detail::from(x)};
  TORCH_ERROR_CODE_CHECK(aoti_torch_call_dispatcher("aten::relu", "", stack));
  return torch::stable::detail::to<Tensor>(stack[0]);
}
Tensor fails(const Tensor& x) {
  StableIValue stack[] = {torch::stable::detail::from(x), torch::stable::detail::from(x)};
  TORCH_ERROR_CODE_CHECK(aoti_torch_call_dispatcher("aten::mm", "", stack));
  return torch::stable::detail::to<Tensor>(stack[0]);
}
std::string joined(std::vector<Tensor> xs, std::string text) { return text + std::to_string(xs.size()); }

STABLE_TORCH_LIBRARY(stable_plug, m) {
  m.def("twice(Tensor x) -> Tensor");
  m.def("describe(Tensor x, int i, float d, bool b, int? maybe=None) -> int");
  m.def("by_name(Tensor x) -> Tensor");
  m.def("fails(Tensor x) -> Tensor");
  m.def("joined(Tensor[] xs, str text) -> str");
}
STABLE_TORCH_LIBRARY_IMPL(stable_plug, CompositeExplicitAutograd, m) {
  m.impl("twice", TORCH_BOX(&twice));
  m.impl("describe", TORCH_BOX(&describe));
  m.impl("by_name", TORCH_BOX(&by_name));
  m.impl("fails", TORCH_BOX(&fails));
  m.impl("joined", TORCH_BOX(&joined));
}
"""


@pytest.fixture(scope="module")
def plug(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stable")
    (folder / "plug.cpp").write_text(PLUGIN)
    linked = ["-L", LIBRARY, "-lrushlight", f"-Wl,-rpath,{LIBRARY}"]
    run(
        "g++",
        "-std=c++20",
        "-O0",
        "-w",
        "-shared",
        "-fPIC",
        "-I",
        HEADERS,
        folder / "plug.cpp",
        "-o",
        folder / "plug.so",
        *linked,
    )
    torch.ops.load_library(folder / "plug.so")
    return torch.ops.stable_plug


def test_tensors_and_numbers_cross(plug):
    x = torch.tensor([[1.0, -2.0, 3.0]])
    assert plug.twice(x).tolist() == [[2, -4, 6]]
    assert plug.describe(x, 3, 4.5, True) == 21341
    assert plug.describe(x, 3, 4.5, False, 5) == 21345
    assert plug.joined([x, x], "n=") == "n=2"


def test_operators_are_called_by_name(plug):
    assert plug.by_name(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
    with pytest.raises(RuntimeError, match="1x3 and 1x3"):
        plug.fails(torch.ones(1, 3))
