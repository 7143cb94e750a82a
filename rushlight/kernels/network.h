// Networks: convolutions and what stands between them, or linear layers and theirs, for known shapes, as one program of a provider. It chooses the layouts that values
// have on the way, joins what follows a convolution to it, and plans the memory of all values. Weights that are known are packed once; those
// that are values are put into the layout that a convolution wants on each run, for they may have been written to.
//
//   NetworkSpec spec;                       // of a float32 input
//   spec.inputs = {{1, 3, 224, 224}};
//   spec.layers.push_back({.kind = NetworkLayer::Kind::Conv, .a = 0, ...});
//   spec.outputs = {1};                     // values: inputs first, then each layer's result
//   std::unique_ptr<Network> n = compile_network(spec, packed);   // null: no provider takes it
#pragma once
#include <memory>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/kernels/providers.h"

namespace rushlight {

struct NetworkLayer {
  enum class Kind : uint8_t { Conv, Linear, MaxPool, MeanPool, BatchNorm, Function, Add, Mul };
  // With parameters alpha and beta: x < 0 ? alpha * x : x; min(max(x, alpha), beta); x * min(max(alpha * x + beta, 0), 1).
  enum class Function : uint8_t { Relu, Clip, HardSwish, HardSigmoid, Logistic, Tanh, Swish, Gelu, GeluTanh, Elu };
  // Of a layer: known, an input, or (neither) left out.
  struct Parameter {
    const float* known = nullptr;
    int value = -1;
    explicit operator bool() const { return known || value >= 0; }
  };
  Kind kind;
  int a = 0, b = -1;  // values
  Dims sizes = {};    // of the result
  // Of Conv, of pools, which use input, output, kernel, stride, padding, dilation, and of Linear, which uses in and out: its input and
  // its result have two dimensions, and its weight, which is known, is (out, in), or in memory (in, out) where it is `turned`.
  ConvProblem window = {};
  Parameter weight, bias, mean, variance;
  Function function = Function::Relu;
  float alpha = 0, beta = 0;
  double eps = 0;              // of BatchNorm, which has mean and variance
  bool count_padding = false;  // of MeanPool
  bool turned = false;         // of Linear
};

struct NetworkSpec {
  std::vector<Dims> inputs;
  std::vector<NetworkLayer> layers;
  std::vector<int> outputs;
  const Dims& sizes(int value) const {
    return size_t(value) < inputs.size() ? inputs[size_t(value)] : layers[size_t(value) - inputs.size()].sizes;
  }
};

// Null where no provider is there, or none takes all layers. `packed` is made by the first call. The weights have to outlive the network.
// Thread safety: not for one `packed` at once.
std::unique_ptr<Network> compile_network(const NetworkSpec& spec, std::shared_ptr<PackedWeights>& packed);

}  // namespace rushlight
