// Reads back what Graph::text() prints; passes are tested as text.
#pragma once
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// Throws RuntimeError with the line that is no graph text. Tensor constants other than single numbers can't be read back.
std::shared_ptr<Graph> parse_graph(std::string_view text);

// Resolves node->op or node->primitive from its kind and the types of its inputs; false if nothing fits.
bool resolve(Node* node);

}  // namespace rushlight::graph
