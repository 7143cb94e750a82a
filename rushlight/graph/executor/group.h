// Groups as the executor runs them: as a whole where it can, see passes/groups.h.
// Thread safety: run() may be called from many threads at once.
#pragma once
#include <memory>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {

class Group {
 public:
  virtual ~Group() = default;
  // Fills the results, or returns false, having done nothing. What stands there and is held by nothing else
  // may be written over. `inputs`: tensors that are on the CPU and strided, whose gradient nobody wants. Bit k of `known`: the caller knows
  // that nobody else holds result k.
  virtual bool run(const Tensor* const* inputs, IValue* results, uint32_t known = 0) = 0;
};

// Of the nodes in a group's block; null where nothing runs them as one.
std::unique_ptr<Group> make_network_group(const Node& group);
std::unique_ptr<Group> make_pointwise_group(const Node& group);

}  // namespace rushlight::graph
