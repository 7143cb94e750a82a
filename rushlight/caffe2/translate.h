// What Caffe2's operators are in graphs of the one IR. A record says it as TorchScript (Registry::Entry::script), which is put where an operator
// stands with its arguments as constants, so that no branch on them is left. An operator without such a text, or whose text calls
// unsupported(), is a node
//
//   _caffe2::Type(str def, Tensor[] inputs) -> Tensor[]
//   _caffe2::Type.any(str def, Any[] inputs) -> Any[]       where a blob is no tensor
//
// whose first argument is the OperatorDef as text.
//
// A text is what follows "def Name(": parameters, and the body's lines. Inputs come by position, None where they are absent; arguments of the
// OperatorDef by name. Parameters that are neither:
//   inputs    all inputs, of an operator that takes any number
//   outputs   how many outputs there are; the result is then a tuple, of at least as many
//   kernel, stride, dilation, begin, end, around, zeros, space, even, legacy
//             of convolutions and pools: lists of a number for each spatial dimension (`around`: as constant_pad_nd takes them; `space`: the
//             dimensions), whether begin is end, and legacy_pad
// The text sees, besides torch and helpers (translate.cpp): rank(x), known while compiling where x is; sized(x), whether x's sizes are known then;
// size(x, k), numel(x), same(a, b), floating(x); and unsupported(), which gives up.
#pragma once
#include <unordered_map>

#include "rushlight/caffe2/operator.h"
#include "rushlight/script/lowering.h"

namespace rushlight::caffe2 {

// What is known of a blob's value while a graph is made.
struct Known {
  bool tensor = false;  // else it is something else, or nobody knows
  DType dtype = DType::Float32;
  int64_t rank = -1;  // -1: unknown
  bool sized = false;
  std::vector<int64_t> sizes;  // where sized
  static Known of(const rushlight::IValue& v);
};

class Translator final : public script::Resolver {
 public:
  explicit Translator(graph::Graph& graph);
  // Values that stand for the outputs. `made`: what is known of them, where it is; else a tensor is expected of each.
  std::vector<graph::Value*> op(const Op& op, const std::vector<graph::Value*>& inputs,
                                const std::vector<Known>* made = nullptr);
  std::unordered_map<const graph::Value*, Known> known;

  script::SugaredPtr resolve(const std::string& name, const script::Range& range) override;

 private:
  bool by_text(const Op& op, const std::vector<graph::Value*>& inputs, std::vector<graph::Value*>& out);
  std::vector<graph::Value*> by_node(const Op& op, const std::vector<graph::Value*>& inputs,
                                     const std::vector<Known>* made);
  graph::Graph& graph_;
  script::Lowering lowering_;
  script::Range here_;
  std::unordered_map<std::string, script::SugaredPtr> helpers_;
};

}  // namespace rushlight::caffe2
