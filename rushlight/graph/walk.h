// Going through a graph.
#pragma once
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// f(node) for each, those of inner blocks before the node that has them. f may put nodes before the one it is given, or destroy it.
template <class F>
void each_node(const Block& b, const F& f) {
  for (Node* n : b) {
    for (Block* inner : n->blocks()) each_node(*inner, f);
    f(n);
  }
}

}  // namespace rushlight::graph
