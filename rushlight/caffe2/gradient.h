// Gradient operators, as Caffe2's makers write them.
#pragma once
#include <map>

#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

// "ConvGradient: I0 I1 GO0 -> GI1 GI2? GI0": one gradient operator, by inputs (I), outputs (O) and gradients (GO, GI) of the forward one. `?`:
// where the forward operator has that many; `I*`: all of them.
class GradientSpec {
 public:
  explicit GradientSpec(std::string_view text);
  std::string type;
  struct Token {
    enum Kind { In, Out, GradOut, GradIn } kind;
    int index;  // -1: all
    bool optional;
  };
  std::vector<Token> inputs, outputs;
  // The gradient operator, by `derive`.
  void run(const OpType& forward, Call& c) const;
};

// The gradient of a blob: one blob, or the rows of one that have gradients.
struct BlobGradient {
  std::string dense, indices, values;
  bool defined() const { return !dense.empty() || sparse(); }
  bool sparse() const { return !values.empty(); }
};

class GradientMaker {
 public:
  GradientMaker(const Op& op, const std::vector<BlobGradient>& go) : op(op), go_(go), gi_(op.inputs.size()) {}
  const Op& op;
  std::string I(size_t k) const { return op.inputs.at(k); }
  std::string O(size_t k) const { return op.outputs.at(k); }
  bool has_GO(size_t k) const { return k < go_.size() && go_[k].defined(); }
  // Throws where the gradient isn't there or is sparse.
  std::string GO(size_t k);
  // The name of the gradient of input k, which is dense.
  std::string GI(size_t k);
  std::string GI_indices(size_t k);
  std::string GI_values(size_t k);
  void set_dense(size_t k, std::string name) { gi_[k] = {std::move(name), "", ""}; }
  void set_sparse(size_t k, std::string indices, std::string values) {
    gi_[k] = {"", std::move(indices), std::move(values)};
  }

  // Adds an operator; `copy`: with the forward operator's arguments behind `args`.
  Message& add(const std::string& type, std::vector<std::string> in, std::vector<std::string> out,
               std::vector<MessageRef> args = {}, bool copy = true);
  void from_spec(const GradientSpec& spec);

  std::vector<MessageRef> ops;
  std::vector<BlobGradient>& gradients() { return gi_; }

 private:
  const std::vector<BlobGradient>& go_;
  std::vector<BlobGradient> gi_;
  std::vector<bool> copied_;
};

MessageRef int_arg(const std::string& name, int64_t v);
MessageRef float_arg(const std::string& name, double v);
MessageRef text_arg(const std::string& name, std::string v);
MessageRef ints_arg(const std::string& name, std::vector<int64_t> v);

// What an operator's gradient is, for blobs of `go`; also core.GradientRegistry's. Throws for an operator without gradient.
struct GradientMeta {
  std::vector<MessageRef> ops;
  std::vector<BlobGradient> gradients;  // of the inputs
};
GradientMeta gradient_of(const Message& def, const std::vector<BlobGradient>& go);

// AddGradientOperators: appends to `net` the operators that compute the gradients of `ys`, whose given gradients may be empty (then it is filled
// with ones), and returns the gradient of each blob.
using GradientMap = std::map<std::string, BlobGradient>;
GradientMap add_gradients(Message& net, const std::vector<std::pair<std::string, BlobGradient>>& ys, size_t skip = 0);
// The same of a list of operators: the gradient operators alone.
GradientMap backward_pass(const std::vector<MessageRef>& ops,
                          const std::vector<std::pair<std::string, BlobGradient>>& ys, std::vector<MessageRef>& out);

// Gradients of the operators that run nets (control_gradient.cpp).
void if_gradient(GradientMaker& m);
void while_gradient(GradientMaker& m);
void do_gradient(GradientMaker& m);
// What the nets of an If operator write under one name they write under another.
void rename_if_output(Message& op, const std::string& from, const std::string& to);

// Asked for what has no gradient here: fills `meta` and returns true where a front end has one for the operator.
using ForeignGradient =
    std::function<bool(const Message& def, const std::vector<BlobGradient>& go, GradientMeta& meta)>;
ForeignGradient& foreign_gradient();

}  // namespace rushlight::caffe2
