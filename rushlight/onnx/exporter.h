// What the table of operators sees of an export; see export.h.
#pragma once
#include <array>
#include <functional>

#include "rushlight/onnx/export.h"
#include "rushlight/onnx/proto.h"
#include "rushlight/script/ast.h"

namespace rushlight::onnx {

// A value: what it is in the example, and where it stands in the model ("" for constants that nobody asked for yet).
struct Known {
  IValue value;
  IValue other;  // the same where the dynamic axes are twice as long; None where that isn't known
  std::string name;
  std::string imaginary;  // where the imaginary part of a complex tensor stands; `name` is the real part's then
  std::shared_ptr<std::vector<Known>> items;  // of lists and tuples that depend on an input
  bool sequence =
      false;  // of a list whose length depends on the inputs: `name` is a sequence; `value` a list of some tensors like its own
  bool constant = true;
  bool of_sizes = false;  // depends on nothing but sizes of the inputs
};

// The items of a list or tuple.
std::vector<Known> items_of(const Known& k);

struct AttributeValue {
  std::string name;
  enum { I, F, S, Is, Fs, T, G, Ss } kind;
  int64_t i = 0;
  double f = 0;
  std::string s;  // of G: the graph's bytes
  std::vector<int64_t> is;
  std::vector<double> fs;
  Tensor t;
  std::vector<std::string> ss;
};
inline AttributeValue at(std::string n, int64_t v) { return {std::move(n), AttributeValue::I, v}; }
inline AttributeValue at(std::string n, int v) { return {std::move(n), AttributeValue::I, v}; }
inline AttributeValue at(std::string n, bool v) { return {std::move(n), AttributeValue::I, v}; }
inline AttributeValue at(std::string n, double v) { return {std::move(n), AttributeValue::F, 0, v}; }
inline AttributeValue at(std::string n, const char* v) { return {std::move(n), AttributeValue::S, 0, 0, v}; }
inline AttributeValue at(std::string n, std::string v) { return {std::move(n), AttributeValue::S, 0, 0, std::move(v)}; }
inline AttributeValue at(std::string n, std::vector<int64_t> v) {
  return {std::move(n), AttributeValue::Is, 0, 0, {}, std::move(v)};
}
inline AttributeValue at(std::string n, std::vector<std::string> v) {
  AttributeValue a{std::move(n), AttributeValue::Ss};
  a.ss = std::move(v);
  return a;
}
using AttributeList = std::vector<AttributeValue>;
using Name = std::string;
using Names_ = std::vector<std::string>;

class Exporter {
 public:
  explicit Exporter(const ExportOptions& o) : options(o), opset(o.opset) {}
  // A node; the name of its (first) output.
  Name op(const char* type, const Names_& inputs, const AttributeList& attributes = {}) {
    return ops(type, inputs, 1, attributes)[0];
  }
  // `called`: the first output's name, where it is chosen already.
  Names_ ops(const char* type, const Names_& inputs, size_t outputs, const AttributeList& attributes = {},
             const char* domain = "", const Name& called = "");
  Name constant(const Tensor& t);
  Name scalar(const Scalar& v, DType d);               // a constant without dimensions
  Name ints(const std::vector<int64_t>& v);            // a constant, one dimension
  Name number(double v, DType d, bool scalar = true);  // a constant
  Name cast(const Name& x, DType to);
  Name unsqueeze(const Name& x, const std::vector<int64_t>& axes);
  Name squeeze(const Name& x, const std::vector<int64_t>& axes);
  Name reduce(const char* type, const Name& x, const std::vector<int64_t>& axes, bool keep);
  // Of two of a dtype the larger or the smaller, element by element.
  Name extreme(const Name& a, const Name& b, DType d, bool larger);
  Name slice(const Name& x, int64_t axis, const Name& begin, const Name& end, int64_t step);
  // A value's name, as a tensor of a dtype where one is given.
  Name name_of(Known& k, const DType* as = nullptr);
  // Whole numbers side by side as one int64 tensor.
  Name joined(Known& list);

  const ExportOptions& options;
  int opset;
  std::vector<std::string> nodes;      // serialized, of the graph that is being written
  std::vector<std::string> top;        // those before all others: what every graph in a node sees
  std::map<std::string, int> domains;  // of the nodes so far, and their versions
  std::vector<std::pair<Name, Tensor>> initialisers;
  std::map<const void*, Name> known_tensors;
  std::map<Name, std::pair<Name, Name>> quantized;  // scale and zero point of what QuantizeLinear made
  std::vector<Tensor> kept;                         // so that no other tensor gets their address
  int count = 0;
};

// A node of the graph that is to be written.
struct Call {
  Exporter& e;
  graph::Node* node;
  std::vector<Known*> in;
  std::vector<Known> out;  // their examples; names are the translator's to give

  bool has(size_t i) const { return i < in.size() && !in[i]->value.is_none(); }
  const Tensor& example(size_t i) const { return in[i]->value.tensor(); }
  int64_t rank(size_t i) const { return example(i).dim(); }
  Name t(size_t i) const { return e.name_of(*in[i]); }
  // As the result's dtype, which numbers and other dtypes are converted to.
  Name promoted(size_t i) const { return as(i, out[0].value.tensor().dtype()); }
  Name as(size_t i, DType d) const { return e.name_of(*in[i], &d); }
  // A size that the model is to hold as a number. Throws NotImplementedError where it belongs to a dynamic axis.
  int64_t size(size_t k, int64_t axis) const { return fixed(*in[k], axis); }
  int64_t result_size(size_t k, int64_t axis) const { return fixed(out[k], axis); }
  int64_t fixed(const Known& k, int64_t axis) const;
  bool is_fixed(const Known& k, int64_t axis) const;
  int64_t i(size_t k) const { return need(k).to_int(); }
  double f(size_t k) const {
    return need(k).is_int()    ? double(need(k).to_int())
           : need(k).is_bool() ? double(need(k).to_bool())
                               : need(k).to_double();
  }
  bool b(size_t k) const { return need(k).is_int() ? need(k).to_int() != 0 : need(k).to_bool(); }
  int64_t axis(size_t k, size_t of = 0, int64_t more = 0) const {
    int64_t a = i(k), n = rank(of) + more;
    return a < 0 ? a + n : a;
  }
  std::vector<int64_t> list(size_t k) const {
    return in[k]->value.is_int() ? std::vector<int64_t>{in[k]->value.to_int()} : need(k).int_list().vec();
  }
  const IValue& need(size_t k) const;
  DType dtype() const { return out[0].value.tensor().dtype(); }
  bool floats(size_t k = 0) const { return is_floating(example(k).dtype()); }
};
// Gives the names of the node's outputs.
using ExportRule = Names_ (*)(Call& c);
const std::map<std::string, ExportRule>& export_rules();
// The steps of a pointwise operator's formula as nodes. Empty: it is none, or a step has no counterpart.
Names_ by_formula(Call& c);
// A number that follows from others: (times * first * second + plus) / over, rounded down; second: -1, there is none. `inverse`: 1 over that.
struct SizeFormula {
  int64_t first = 0, second = -1, times = 1, plus = 0, over = 1;
  bool inverse = false;
};
using ThreeNumbers = std::array<double, 3>;
// What the constants that differ between three traces of one program follow from; false: something else differs, or a constant follows from
// none of `sizes`. `even_only`: of other sizes than multiples of these the program is an error. See export_sizes.cpp.
bool follow_sizes(const std::array<std::shared_ptr<graph::Graph>, 3>& graphs, const std::vector<ThreeNumbers>& sizes,
                  bool even_only, std::map<const graph::Node*, SizeFormula>& found);
// Complex tensors (export_complex.cpp): whether a call has any; a call that has, `write` being for calls of its parts, or false; and
// inputs and outputs, which are real tensors with the parts along a last dimension.
bool has_complex(const Call& c);
bool write_complex(Call& c, const std::string& kind, const std::function<void(Call&)>& write);
Known with_parts_last(Exporter& e, Known k);
void split_parts(Exporter& e, Known& k);
// What an operator of ATen's consists of, a function of TorchScript. Null where there is none; see export_texts*.cpp.
script::StmtPtr export_text(const std::string& name);

}  // namespace rushlight::onnx
