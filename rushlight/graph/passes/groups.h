// Groups: nodes that can run as one. A group is a node with a block, which holds them; its inputs are the tensors from outside that they take.
// The executor tries the group as a whole (graph/executor/group.h), and runs the block where it can't: under a profiler, for a gradient, for
// shapes or dtypes that are another matter.
#pragma once
#include <optional>

#include "rushlight/graph/ir.h"
#include "rushlight/kernels/network.h"

namespace rushlight::graph {

// A node as a layer of a network, before shapes are known.
struct NetworkStep {
  NetworkLayer
      layer;  // a, b and the values of parameters count the node's inputs; of pools and convolutions, the window but for sizes
  int tensors = 1;        // that it takes, besides parameters: its first arguments
  int spatial = 0;        // dimensions beside batch and channels; 0: any
  bool ceil = false;      // of a pool
  bool adaptive = false;  // a pool whose output the window says
  Dims weight = {};       // sizes, where they are known
};
// Elements of a linear layer's weight from which on it is one, and packed; small products have kernels that start sooner.
constexpr int64_t kLeastPacked = 128 * 128;
// None where it is no such layer, or what it needs is neither constant nor, for parameters, an attribute of an object.
std::optional<NetworkStep> network_step(const Node& n);
// The window of a convolution with a weight of these sizes and a bias, if it has one, of so many numbers; false where they don't fit.
bool set_weight(NetworkStep& s, const Dims& weight, std::optional<int64_t> bias);

// A node that computes each element of its result from those of its tensors, by a record's functor; all else that it takes is constant.
bool is_pointwise(const Node& n);

}  // namespace rushlight::graph
