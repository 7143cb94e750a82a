"""torch::nn beside rushlight.nn: one seed gives both the same weights and results, and files go both ways."""

import subprocess

import pytest
import torch
from conftest import BUILD, ROOT, run

import rushlight as rl
from rushlight import safetensors

PACKAGE = BUILD / "python" / "rushlight"
GENERATED = BUILD / "generated"

# Python's call, C++'s call, sizes of the inputs. Inputs are cos(0), cos(1), ... in the sizes.
CASES = [
    ("Linear(3, 4)", "Linear(3, 4)", [(2, 3)]),
    ("Linear(3, 4, bias=False)", "Linear(LinearOptions(3, 4).bias(false))", [(2, 3)]),
    ("Bilinear(3, 4, 2)", "Bilinear(3, 4, 2)", [(5, 3), (5, 4)]),
    ("Conv1d(2, 3, 3)", "Conv1d(2, 3, 3)", [(1, 2, 8)]),
    (
        "Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2)",
        "Conv2d(Conv2dOptions(4, 6, {3, 2}).stride(2).padding(1).groups(2))",
        [(2, 4, 7, 7)],
    ),
    (
        "Conv2d(1, 2, 3, padding=1, padding_mode='reflect')",
        "Conv2d(Conv2dOptions(1, 2, 3).padding(1).padding_mode(torch::kReflect))",
        [(1, 1, 5, 5)],
    ),
    ("Conv2d(1, 2, 4, padding='same')", "Conv2d(Conv2dOptions(1, 2, 4).padding(torch::kSame))", [(1, 1, 6, 6)]),
    ("Conv3d(1, 2, 2)", "Conv3d(1, 2, 2)", [(1, 1, 3, 3, 3)]),
    ("ConvTranspose1d(2, 3, 3)", "ConvTranspose1d(2, 3, 3)", [(1, 2, 4)]),
    (
        "ConvTranspose2d(2, 3, 3, stride=2, output_padding=1)",
        "ConvTranspose2d(ConvTranspose2dOptions(2, 3, 3).stride(2).output_padding(1))",
        [(1, 2, 4, 4)],
    ),
    ("BatchNorm1d(3)", "BatchNorm1d(3)", [(4, 3)]),
    ("BatchNorm2d(3, momentum=None)", "BatchNorm2d(BatchNormOptions(3).momentum(std::nullopt))", [(2, 3, 4, 4)]),
    ("InstanceNorm2d(3, affine=True)", "InstanceNorm2d(InstanceNorm2dOptions(3).affine(true))", [(2, 3, 4, 4)]),
    ("LayerNorm([4])", "LayerNorm(LayerNormOptions({4}))", [(2, 4)]),
    ("GroupNorm(2, 4)", "GroupNorm(2, 4)", [(2, 4, 3)]),
    ("LocalResponseNorm(2)", "LocalResponseNorm(2)", [(1, 4, 3, 3)]),
    ("PReLU(3)", "PReLU(PReLUOptions().num_parameters(3))", [(2, 3)]),
    ("ELU(0.5)", "ELU(ELUOptions().alpha(0.5))", [(2, 3)]),
    ("SELU()", "SELU()", [(6,)]),
    ("GELU()", "GELU()", [(6,)]),
    ("GLU()", "GLU()", [(6,)]),
    ("Hardtanh(-0.5, 0.2)", "Hardtanh(HardtanhOptions().min_val(-0.5).max_val(0.2))", [(6,)]),
    ("LeakyReLU(0.2)", "LeakyReLU(LeakyReLUOptions().negative_slope(0.2))", [(6,)]),
    ("RReLU()", "RReLU()", [(6,)]),
    ("Softmax(1)", "Softmax(1)", [(2, 3)]),
    ("Dropout(0.3)", "Dropout(0.3)", [(20,)]),
    ("Dropout2d(0.3)", "Dropout2d(0.3)", [(2, 8, 2, 2)]),
    ("AlphaDropout(0.3)", "AlphaDropout(0.3)", [(20,)]),
    ("MaxPool2d(2)", "MaxPool2d(2)", [(1, 1, 4, 4)]),
    ("AvgPool2d(3, stride=2, padding=1)", "AvgPool2d(AvgPool2dOptions(3).stride(2).padding(1))", [(1, 1, 5, 5)]),
    ("AdaptiveAvgPool2d((None, 2))", "AdaptiveAvgPool2d(AdaptiveAvgPool2dOptions({std::nullopt, 2}))", [(1, 1, 4, 4)]),
    ("AdaptiveMaxPool1d(2)", "AdaptiveMaxPool1d(2)", [(1, 1, 6)]),
    ("LPPool1d(2, 2)", "LPPool1d(LPPool1dOptions(2, 2))", [(1, 1, 6)]),
    (
        "FractionalMaxPool2d(2, output_size=2)",
        "FractionalMaxPool2d(FractionalMaxPool2dOptions(2).output_size(2))",
        [(1, 1, 6, 6)],
    ),
    (
        "Upsample(scale_factor=2.0)",
        "Upsample(UpsampleOptions().scale_factor(std::vector<double>{2, 2}))",
        [(1, 1, 2, 2)],
    ),
    ("PixelShuffle(2)", "PixelShuffle(2)", [(1, 4, 2, 2)]),
    ("Fold((4, 4), 2)", "Fold(FoldOptions(4, 2))", [(1, 4, 9)]),
    ("ReplicationPad1d((1, 2))", "ReplicationPad1d(ReplicationPad1dOptions({1, 2}))", [(1, 1, 3)]),
    ("ConstantPad2d(1, 0.5)", "ConstantPad2d(ConstantPad2dOptions(1, 0.5))", [(1, 1, 3, 3)]),
    ("CosineSimilarity()", "CosineSimilarity()", [(2, 3), (2, 3)]),
    ("PairwiseDistance()", "PairwiseDistance()", [(2, 3), (2, 3)]),
    ("MSELoss(reduction='sum')", "MSELoss(MSELossOptions(torch::kSum))", [(2, 3), (2, 3)]),
    ("SmoothL1Loss(beta=0.5)", "SmoothL1Loss(SmoothL1LossOptions().beta(0.5))", [(2, 3), (2, 3)]),
    ("HuberLoss(delta=0.5)", "HuberLoss(HuberLossOptions().delta(0.5))", [(2, 3), (2, 3)]),
    ("BCEWithLogitsLoss()", "BCEWithLogitsLoss()", [(2, 3), (2, 3)]),
    ("KLDivLoss(reduction='batchmean')", "KLDivLoss(torch::kBatchMean)", [(2, 3), (2, 3)]),
    ("SoftMarginLoss()", "SoftMarginLoss()", [(2, 3), (2, 3)]),
    ("TripletMarginLoss()", "TripletMarginLoss()", [(2, 3), (2, 3), (2, 3)]),
    ("RNN(3, 4, nonlinearity='relu')", "RNN(RNNOptions(3, 4).nonlinearity(torch::kReLU))", [(5, 2, 3)]),
    ("GRU(3, 4, num_layers=2)", "GRU(GRUOptions(3, 4).num_layers(2))", [(5, 2, 3)]),
    (
        "LSTM(3, 4, bidirectional=True, batch_first=True, proj_size=2)",
        "LSTM(LSTMOptions(3, 4).bidirectional(true).batch_first(true).proj_size(2))",
        [(2, 5, 3)],
    ),
    ("GRUCell(3, 4)", "GRUCell(3, 4)", [(2, 3)]),
    ("LSTMCell(3, 4)", "LSTMCell(3, 4)", [(2, 3)]),
    ("MultiheadAttention(4, 2)", "MultiheadAttention(4, 2)", [(3, 2, 4)] * 3),
    (
        "MultiheadAttention(4, 2, add_bias_kv=True, kdim=3, vdim=5)",
        "MultiheadAttention(MultiheadAttentionOptions(4, 2).add_bias_kv(true).kdim(3).vdim(5))",
        [(3, 2, 4), (3, 2, 3), (3, 2, 5)],
    ),
    (
        "TransformerEncoderLayer(4, 2, dim_feedforward=8, dropout=0.0)",
        "TransformerEncoderLayer(TransformerEncoderLayerOptions(4, 2).dim_feedforward(8).dropout(0))",
        [(3, 2, 4)],
    ),
    (
        "Transformer(4, 2, 2, 1, dim_feedforward=8, dropout=0.0)",
        "Transformer(TransformerOptions(4, 2, 2, 1).dim_feedforward(8).dropout(0))",
        [(3, 2, 4), (2, 2, 4)],
    ),
]

PROGRAM = """
#include <torch/torch.h>
#include <fstream>
using namespace torch::nn;
torch::Tensor in(torch::IntArrayRef sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) n *= s;
  return torch::arange(n, torch::kFloat32).cos().view(sizes);
}
torch::Tensor first(const torch::Tensor& t) { return t; }
template <class... T> torch::Tensor first(const std::tuple<T...>& t) { return first(std::get<0>(t)); }
c10::Dict<std::string, torch::Tensor> all;
template <class M, class... X> void one(const std::string& name, M module, const X&... x) {
  for (const auto& p : module->named_parameters()) all.insert(name + "." + p.key(), p.value().detach().clone());
  all.insert(name + ".", first(module->forward(x...)).detach());
}
int main(int, char** argv) {
  @CASES@
  std::vector<char> bytes = torch::pickle_save(all);
  std::ofstream(argv[1], std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
  Sequential net(Linear(3, 4), BatchNorm1d(4), ReLU(), Linear(4, 2));
  torch::save(net, argv[2]);
  net->eval();
  for (int i = 3; argv[i]; i++) {
    torch::load(net, argv[i]);
    std::printf("%.6f ", net->forward(in({2, 3})).sum().item<double>());
  }
}
"""


def compiled(source, program, *more):
    done = subprocess.run(
        ["g++", "-std=c++17", f"-I{ROOT}/include", f"-I{ROOT}", f"-I{GENERATED}", source, "-o", program, f"-L{PACKAGE}",
         "-lrushlight_nn", "-lrushlight_data", "-lrushlight", f"-Wl,-rpath,{PACKAGE}", *more],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return program


def input_of(sizes):
    n = 1
    for s in sizes:
        n *= s
    return rl.arange(n, dtype=rl.float32).cos().view(sizes)


def test_one_seed_gives_python_and_cpp_the_same_modules(tmp_path):
    lines = [
        f'torch::manual_seed(5); one("{i}", {cpp}, {", ".join("in({" + ", ".join(map(str, s)) + "})" for s in sizes)});'
        for i, (_, cpp, sizes) in enumerate(CASES)
    ]
    (tmp_path / "modules.cpp").write_text(PROGRAM.replace("@CASES@", "\n  ".join(lines)))
    program = compiled(tmp_path / "modules.cpp", tmp_path / "modules")

    def net(lib):
        return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.ReLU(), lib.nn.Linear(4, 2)).eval()

    files = {"rushlight.pt": net(rl), "torch.pt": net(torch)}
    rl.save(files["rushlight.pt"].state_dict(), tmp_path / "rushlight.pt")
    torch.save(files["torch.pt"].state_dict(), tmp_path / "torch.pt")
    safetensors.save_file(dict(files["rushlight.pt"].state_dict()), tmp_path / "net.safetensors")
    files["net.safetensors"] = files["rushlight.pt"]
    sums = run(program, tmp_path / "all.pt", tmp_path / "net.pt", *[tmp_path / f for f in files]).split()
    for (name, module), got in zip(files.items(), sums, strict=True):
        lib = torch if name == "torch.pt" else rl
        x = lib.arange(6, dtype=lib.float32).cos().view(2, 3)
        assert float(got) == pytest.approx(module(x).sum().item(), abs=2e-6), name
    # PyTorch reads what C++ saved.
    names = dict(torch.jit.load(tmp_path / "net.pt").named_parameters())
    assert sorted(names) == ["0.bias", "0.weight", "1.bias", "1.weight", "3.bias", "3.weight"]

    found = rl.load(tmp_path / "all.pt")
    for i, (python, cpp, sizes) in enumerate(CASES):
        rl.manual_seed(5)
        module = eval(f"rl.nn.{python}")
        for name, p in module.named_parameters():
            assert rl.equal(found[f"{i}.{name}"], p), (cpp, name)
        out = module(*[input_of(s) for s in sizes])
        while isinstance(out, tuple):
            out = out[0]
        assert rl.equal(found[f"{i}."].nan_to_num(), out.detach().nan_to_num()), cpp
        count = sum(1 for key in found if key.startswith(f"{i}."))
        assert count == 1 + len(list(module.parameters())), cpp
