// Nets as graphs: the operators between those that work on the workspace itself (If, Load, counters) are one graph of rushlight's IR, whose
// values are the blobs, and which its executor runs. Each node calls an operator of the namespace `_caffe2`,
// `_caffe2::Relu(str def, Any[] inputs) -> Any[]`, whose first argument is the OperatorDef in binary form.
#pragma once
#include "rushlight/caffe2/workspace.h"
#include "rushlight/graph/executor/executor.h"

namespace rushlight::caffe2 {

class Program {
 public:
  explicit Program(const Net& net);
  // Where a graph fails, its operators run again one by one: what came before the mistake is in the workspace then, and the error is Caffe2's.
  void run(Workspace& ws);

 private:
  struct Part {
    std::vector<const Op*> ops;
    std::vector<std::string> inputs, outputs;  // blobs that the graph reads, and those that it writes
    std::unique_ptr<graph::Executable> graph;  // null for an operator on the workspace
  };
  std::vector<Part> parts_;
};

}  // namespace rushlight::caffe2
