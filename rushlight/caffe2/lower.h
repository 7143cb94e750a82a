// Nets as graphs: the operators between those that work on the workspace itself (If, Load, counters) are one graph of rushlight's IR, whose
// values are the blobs (translate.h), and which its executor runs after the passes that scripts get.
//
// A graph is made for blobs of these dtypes and sizes. The first time that a net meets some, its operators run one by one, as Caffe2's checks and
// errors ask for it, and what they make is noted; the second time the graph is made, for what is known then.
#pragma once
#include "rushlight/caffe2/rerun.h"
#include "rushlight/caffe2/translate.h"
#include "rushlight/caffe2/workspace.h"
#include "rushlight/core/ivalue.h"

namespace rushlight::caffe2 {

// _caffe2::Type of tensors, or of any blobs.
const rushlight::Op& graph_op(const std::string& type, bool tensors);

class Program {
 public:
  explicit Program(const Net& net);
  // Where a graph fails, its operators run again one by one: what came before the mistake is in the workspace then, and the error is Caffe2's.
  void run(Workspace& ws);
  // The graphs that were made so far, as text; for tools and tests.
  std::vector<std::string> graphs() const;

 private:
  struct Variant {
    std::vector<Known> inputs;
    std::vector<std::vector<Known>> made;  // by each operator
    std::unique_ptr<graph::Executable> program;
    std::unique_ptr<Rerun> rerun;
  };
  struct Part {
    bool lowered = false;  // else one operator on the workspace
    std::vector<const Op*> ops;
    std::vector<std::string> inputs, outputs;  // blobs that the graph reads, and those that it writes
    std::vector<BlobRef> in, out;              // those blobs, while the workspace has the stamp
    std::vector<bool> written;                 // whether those of `in` are in `out` too
    bool apart = false;                        // no two names of `out` are one blob
    uint64_t stamp = 0;
    std::vector<std::unique_ptr<Variant>> variants;
    size_t last = 0;  // the variant that ran last
  };
  void run_one_by_one(Part& part, Workspace& ws, Variant* into);
  void lower(const Part& part, Variant& v);
  std::vector<Part> parts_;
};

// A net and the net that fills its parameters as a script module: what `init` makes and `predict` reads are its parameters (of floating point) and
// buffers, the other inputs the arguments of forward, and the external outputs (or else what no operator reads) the result. Throws RuntimeError
// naming an operator that works on a workspace.
Ref<ObjectValue> module_of(const Message& init, const Message& predict);

}  // namespace rushlight::caffe2
