// Operators of Caffe2: a record each, in the files ops_*.cpp, and the call that a record's function sees.
//
//   r.op("Sqr", "1 -> 1", [](Call& c) { Tensor x = c.X(); c.set(x * x); }).grad("SqrGradient: I0 GO0 -> GI0");
//
// Most are compositions of rushlight's operators, so that gradients go through them: a gradient operator that has no function of its own is
// derived from the forward one, run again. What ATen has no operator for is a loop here.
// Thread safety: the registry is made once and then read.
#pragma once
#include <torch/torch.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/caffe2/message.h"

namespace rushlight::caffe2 {

using torch::Tensor;
using Value =
    rushlight::IValue;  // what a blob holds: a tensor, a std::string, an Object; None where nothing was put yet
class Workspace;
struct OpType;

// "[enforce fail at ops_nn.cpp:12] x.dim() == 2. text": as Caffe2's checks of its core come out.
[[noreturn]] void enforce_failed(const char* file, int line, const char* condition, const std::string& text);
#define C2_ENFORCE(condition, ...) \
  ((condition) ? void()            \
               : ::rushlight::caffe2::enforce_failed(__FILE__, __LINE__, #condition, ::rushlight::str(__VA_ARGS__)))
#define C2_FAIL(...) ::rushlight::caffe2::enforce_failed(__FILE__, __LINE__, "", ::rushlight::str(__VA_ARGS__))

// What a blob holds that is no tensor.
struct Object : RefCounted {
  virtual const char* type_name() const = 0;  // "caffe2::TensorCPU"-like, for errors and BlobProto.type
};
// A tensor of strings.
struct StringTensor final : Object {
  const char* type_name() const override { return "Tensor"; }
  std::vector<int64_t> sizes;
  std::vector<std::string> items;
};
struct Int8Tensor final : Object {
  const char* type_name() const override { return "int8::Int8TensorCPU"; }
  Tensor data;  // uint8, or int32 for biases
  float scale = 1;
  int32_t zero_point = 0;
};
template <class T>
Value object_value(Ref<T> o) {
  return Value::capsule(Ref<RefCounted>(o));
}
// Null if v holds none of that kind.
template <class T>
T* as(const Value& v) {
  return v.is_capsule() ? dynamic_cast<T*>(v.object()) : nullptr;
}
// "Tensor", "std::string", "nullptr (uninitialized)".
std::string type_name_of(const Value& v);

// An argument of an OperatorDef or NetDef, looked up by name.
class Arguments {
 public:
  explicit Arguments(const Message& def);
  bool has(std::string_view name) const { return find(name); }
  int64_t i(std::string_view name, int64_t otherwise = 0) const;
  bool b(std::string_view name, bool otherwise = false) const { return i(name, otherwise) != 0; }
  double f(std::string_view name, double otherwise = 0) const;
  std::string s(std::string_view name, std::string_view otherwise = {}) const;
  std::vector<int64_t> ints(std::string_view name) const;
  std::vector<double> floats(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;
  MessageRef net(std::string_view name) const;  // null if there is none
  const Message* find(std::string_view name) const;

 private:
  std::map<std::string, MessageRef, std::less<>> all_;
};

// An operator of a net, read once.
struct Op {
  explicit Op(MessageRef def);
  MessageRef def;
  std::string type;
  std::vector<std::string> inputs, outputs;
  Arguments args;
  const OpType* record = nullptr;
  // What a record keeps from run to run: a compiled net, a generator of its own.
  mutable std::map<std::string, Ref<RefCounted>> kept;
};

class Call {
 public:
  Call(const Op& op, Workspace* ws) : op(op), ws(ws), in(op.inputs.size()), out(op.outputs.size()) {}
  const Op& op;
  Workspace* ws;
  std::vector<Value> in, out;

  size_t inputs() const { return in.size(); }
  size_t outputs() const { return out.size(); }
  // Input k as a tensor; throws as Caffe2 does where the blob holds something else.
  Tensor X(size_t k = 0) const;
  bool has(size_t k) const { return k < in.size(); }
  template <class T>
  T& object(size_t k) const {
    T* o = k < in.size() ? as<T>(in[k]) : nullptr;
    if (!o) wrong_type(k, "another type");
    return *o;
  }
  template <class T>
  const T* data(const Tensor& t, const char* what = "") const;
  // Input k as numbers, whatever its dtype is.
  std::vector<int64_t> whole_numbers(size_t k) const;
  double number(size_t k) const;
  [[noreturn]] void wrong_type(size_t k, const char* wanted) const;
  [[noreturn]] void unsupported(const Tensor& t) const;

  int64_t i(std::string_view name, int64_t otherwise = 0) const { return op.args.i(name, otherwise); }
  bool b(std::string_view name, bool otherwise = false) const { return op.args.b(name, otherwise); }
  double f(std::string_view name, double otherwise = 0) const { return op.args.f(name, otherwise); }
  std::string s(std::string_view name, std::string_view otherwise = {}) const { return op.args.s(name, otherwise); }
  std::vector<int64_t> ints(std::string_view name) const { return op.args.ints(name); }
  bool nhwc() const { return s("order", "NCHW") == "NHWC"; }
  bool has_arg(std::string_view name) const { return op.args.has(name); }

  void set(size_t k, Tensor t) {
    if (k < out.size()) out[k] = Value(rushlight::Tensor(t));
  }
  void set(Tensor t) { set(0, std::move(t)); }
  void set_value(size_t k, Value v) {
    if (k < out.size()) out[k] = std::move(v);
  }
};

using Run = std::function<void(Call&)>;
// Writes the gradient operators of one operator; see gradient.h.
class GradientMaker;
using MakeGradient = std::function<void(GradientMaker&)>;

struct OpType {
  std::string name;
  int min_in = 0, max_in = 0, min_out = 0, max_out = 0;
  bool inplace = true;                // an output may be an input
  bool stateful = false;              // reads or writes what is behind a blob, or the workspace
  std::vector<std::string> required;  // arguments
  Run run;
  std::string script;  // what it is in a graph (translate.h): "X): return X.abs()"; empty where it is a node of its own
  std::string grad_spec;    // "AbsGradient: I0 GO0 -> GI0"
  std::string grad_script;  // `script` of that gradient operator, where it has no record of its own
  MakeGradient make_gradient;
  bool never = false;        // who asks for its gradient has made a mistake (ArgMax)
  bool no_gradient = false;  // gradients end there, and that is no error (ConstantFill, StopGradient)
};

class Registry {
 public:
  class Entry {
   public:
    Entry(Registry& r, OpType& t) : r_(r), t_(t) {}
    // `parameters`, `body`: as those of script(), of the gradient operator, which then has no record.
    Entry& grad(std::string spec, std::string_view parameters = {}, std::string_view body = {});
    Entry& grad(MakeGradient make) {
      t_.make_gradient = std::move(make);
      return *this;
    }
    Entry& stop() {
      t_.never = true;
      return *this;
    }
    Entry& quiet() {
      t_.no_gradient = true;
      return *this;
    }
    Entry& apart() {
      t_.inplace = false;
      return *this;
    }
    Entry& stateful() {
      t_.stateful = true;
      return *this;
    }
    Entry& needs(std::string argument) {
      t_.required.push_back(std::move(argument));
      return *this;
    }
    // What it is in graphs: parameters and lines of TorchScript; see translate.h.
    Entry& script(std::string_view parameters, std::string_view body);
    // Another name of it.
    Entry& also(std::string name);

   private:
    Registry& r_;
    OpType& t_;
  };
  // `counts`: "1 -> 1", "2-3 -> 1+".
  Entry op(std::string name, std::string_view counts, Run run);
  const OpType* find(std::string_view name) const;
  std::vector<std::string> names() const;
  static const Registry& get();

 private:
  friend class Entry;
  void derive_gradients();
  std::map<std::string, OpType, std::less<>> all_;
};

// Runs operators of the types Python and PythonGradient; a front end that has the functions sets it.
Run& foreign_function();

// A run of an operator outside of any net, with other inputs and outputs than its def says.
std::vector<Tensor> run_forward(const Op& op, const OpType& type, const std::vector<Value>& inputs, size_t outputs);
// The gradients of `of` for those of `inputs` that `wanted` marks, by running the forward operator again. An undefined gradient is zeros.
std::vector<Tensor> derive(const OpType& type, const Op& op, std::vector<Value> inputs,
                           const std::vector<size_t>& wanted, const std::vector<Tensor>& grads);

// Runs `call`, whose inputs are there: checks, and errors that name the operator.
void run_checked(Call& call);
// "Operator def did not pass schema checking", where it doesn't.
void check_schema(const Op& op);

// ---- dtypes: TensorProto.DataType and the tensors' ----
torch::Dtype dtype_of_proto(int64_t type);  // throws for STRING and unknown ones
int64_t proto_of_dtype(torch::Dtype d);
std::string shown_dtype(torch::Dtype d);  // "int", "float", "long": as Caffe2 names them in errors

// The order of the axes with channels last, and back.
Tensor to_nchw(const Tensor& x);
Tensor to_nhwc(const Tensor& x);
// Throws unless 0 <= axis (after counting from the end) < dims, or <= with `end`.
int64_t canonical_axis(int64_t axis, int64_t dims, bool end = false);
int64_t size_from(const Tensor& x, int64_t axis);
int64_t size_to(const Tensor& x, int64_t axis);
// [size_to(axis), size_from(axis)]
Tensor flat(const Tensor& x, int64_t axis);
inline Tensor scalar(double v, torch::Dtype d = torch::kFloat) {
  return torch::full({}, v, torch::TensorOptions().dtype(d));
}
Tensor int_list(const std::vector<int64_t>& v, torch::Dtype d = torch::kLong);
Tensor zeros_or(const Tensor& g, const Tensor& like);
// A contiguous tensor of that dtype.
template <class T>
const T* Call::data(const Tensor& t, const char*) const {
  if (t.scalar_type() != torch::CppTypeToScalarType<T>::value) unsupported(t);
  return static_cast<const T*>(t.data_ptr());
}

void add_math(Registry& r);
void add_shape(Registry& r);
void add_nn(Registry& r);
void add_norm(Registry& r);
void add_loss(Registry& r);
void add_reduce(Registry& r);
void add_segment(Registry& r);
void add_sparse(Registry& r);
void add_fill(Registry& r);
void add_optim(Registry& r);
void add_state(Registry& r);
void add_queue(Registry& r);
void add_dataset(Registry& r);
void add_int8(Registry& r);
void add_detect(Registry& r);
void add_control(Registry& r);
void add_recurrent(Registry& r);
void add_db(Registry& r);
void add_aten(Registry& r);
void add_text(Registry& r);
void add_features(Registry& r);

}  // namespace rushlight::caffe2
