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
  NetworkLayer layer;     // a and b count the node's tensors; of pools and convolutions, the window but for sizes
  int tensors = 1;        // that it takes: its first arguments
  int spatial = 0;        // dimensions beside batch and channels; 0: any
  bool ceil = false;      // of a pool
  bool adaptive = false;  // a pool whose output the window says
  Dims weight = {};       // sizes
};
// None where it is no such layer, or not all that it needs is constant.
std::optional<NetworkStep> network_step(const Node& n);

// A node that computes each element of its result from those of its tensors, by a record's functor; all else that it takes is constant.
bool is_pointwise(const Node& n);

}  // namespace rushlight::graph
