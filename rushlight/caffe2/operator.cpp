#include "rushlight/caffe2/operator.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "rushlight/caffe2/gradient.h"

namespace rushlight::caffe2 {

void enforce_failed(const char* file, int line, const char* condition, const std::string& text) {
  const char* slash = std::strrchr(file, '/');
  throw RuntimeError(str("[enforce fail at ", slash ? slash + 1 : file, ":", line, "] ", condition, ". ", text));
}

std::string type_name_of(const Value& v) {
  if (v.is_none()) return "nullptr (uninitialized)";
  if (v.is_tensor()) return "caffe2::Tensor";
  if (v.is_string()) return "std::string";
  if (auto* o = as<Object>(v)) return as<StringTensor>(v) ? "caffe2::Tensor" : std::string("caffe2::") + o->type_name();
  return v.kind_name();
}

// ---- arguments ---------------------------------------------------------------------------------------------------

Arguments::Arguments(const Message& def) {
  for (const MessageRef& a : def.messages("arg")) {
    auto [at, fresh] = all_.emplace(a->text("name"), a);
    if (!fresh && !at->second->equals(*a)) at->second = a;  // Caffe2 takes the last one that is there twice
  }
}

const Message* Arguments::find(std::string_view name) const {
  auto found = all_.find(name);
  return found == all_.end() ? nullptr : found->second.get();
}

static void wrong_field(std::string_view name, const char* field) {
  C2_FAIL("Argument ", name, " does not have the right field: expected field ", field);
}

int64_t Arguments::i(std::string_view name, int64_t otherwise) const {
  const Message* a = find(name);
  if (!a) return otherwise;
  if (!a->has("i")) wrong_field(name, "i");
  return a->whole("i");
}
double Arguments::f(std::string_view name, double otherwise) const {
  const Message* a = find(name);
  if (!a) return otherwise;
  if (!a->has("f")) wrong_field(name, "f");
  return a->real("f");
}
std::string Arguments::s(std::string_view name, std::string_view otherwise) const {
  const Message* a = find(name);
  if (!a) return std::string(otherwise);
  if (!a->has("s")) wrong_field(name, "s");
  return a->text("s");
}
std::vector<int64_t> Arguments::ints(std::string_view name) const {
  const Message* a = find(name);
  return a ? a->wholes("ints") : std::vector<int64_t>();
}
std::vector<double> Arguments::floats(std::string_view name) const {
  const Message* a = find(name);
  if (!a) return {};
  return {a->floats("floats").begin(), a->floats("floats").end()};
}
std::vector<std::string> Arguments::strings(std::string_view name) const {
  const Message* a = find(name);
  return a ? a->texts("strings") : std::vector<std::string>();
}
MessageRef Arguments::net(std::string_view name) const {
  const Message* a = find(name);
  const Message* n = a ? a->message_or_null("n") : nullptr;
  return n ? MessageRef(const_cast<Message*>(n)) : MessageRef();
}

Op::Op(MessageRef d)
    : def(std::move(d)),
      type(def->text("type")),
      inputs(def->texts("input")),
      outputs(def->texts("output")),
      args(*def) {
  record = Registry::get().find(type);
}

// ---- calls ---------------------------------------------------------------------------------------------------------

void Call::wrong_type(size_t k, const char* wanted) const {
  RL_CHECK(RuntimeError, k < in.size(), op.type, ": there is no input ", k);
  std::string name = k < op.inputs.size() ? op.inputs[k] : "";
  throw RuntimeError(str("IsType<T>()INTERNAL ASSERT FAILED at blob: wrong type for the Blob instance. Blob contains ",
                         type_name_of(in[k]), " while caller expects ", wanted, ". Offending Blob name: ", name, "."));
}

Tensor Call::X(size_t k) const {
  if (k >= in.size() || !in[k].is_tensor()) wrong_type(k, "caffe2::Tensor");
  return Tensor(in[k].tensor());
}

void Call::unsupported(const Tensor& t) const { C2_FAIL("Unsupported type of tensor: ", shown_dtype(t.scalar_type())); }

std::vector<int64_t> Call::whole_numbers(size_t k) const {
  Tensor t = X(k).to(torch::kLong).contiguous();
  const int64_t* p = t.data_ptr<int64_t>();
  return {p, p + t.numel()};
}
double Call::number(size_t k) const {
  Tensor t = X(k);
  C2_ENFORCE(t.numel() == 1, "Input ", k < op.inputs.size() ? op.inputs[k] : "", " should have one element, got ",
             t.numel());
  return t.reshape({}).item<double>();
}

void check_schema(const Op& op) {
  const OpType& t = *op.record;
  auto fail = [&](const std::string& why) {
    C2_FAIL("Operator def did not pass schema checking: ", op.def->to_text(), why);
  };
  auto n = int(op.inputs.size()), m = int(op.outputs.size());
  if (n < t.min_in || n > t.max_in)
    fail(str("Input size ", n, " not in range [min=", t.min_in, ", max=", t.max_in, "]."));
  if (m < t.min_out || m > t.max_out)
    fail(str("Output size ", m, " not in range [min=", t.min_out, ", max=", t.max_out, "]."));
  for (const std::string& a : t.required)
    if (!op.args.has(a)) fail(str("Argument ", a, " is required."));
  if (!t.inplace)
    for (const std::string& o : op.outputs)
      if (std::find(op.inputs.begin(), op.inputs.end(), o) != op.inputs.end())
        fail(str("Input and output ", o, " cannot be in-place."));
}

static const char* device_name(int64_t type) {
  static const char* names[] = {"CPU", "CUDA", "MKLDNN", "OPENGL", "OPENCL", "IDEEP",
                                "HIP", "FPGA", "ORT",    "XLA",    "MLC"};
  return type >= 0 && type < 11 ? names[type] : "UNKNOWN";
}

void check_known(const Op& op) {
  const Message* device = op.def->message_or_null("device_option");
  int64_t type = device ? device->whole("device_type") : 0;
  if (op.record && (type == 0 || type == 5)) return;
  C2_FAIL("Cannot create operator of type '", op.type, "' on the device '", device_name(type),
          "'. Verify that implementation for the corresponding device exist. It might also happen if the binary is not "
          "linked "
          "with the operator implementation code. If Python frontend is used it might happen if dyndep.InitOpsLibrary "
          "call is "
          "missing. Operator def: ",
          op.def->to_text());
}

void run_checked(Call& c) {
  NoGradGuard no_grad;
  auto rethrow = [&](const std::string& text) {
    // Frames of control operators add theirs; the innermost stays first.
    throw RuntimeError(str(text,
                           text.starts_with("[enforce fail") || text.find("INTERNAL ASSERT") != text.npos ? "" : "",
                           " (Error from operator: \n", c.op.def->to_text(), ")"));
  };
  try {
    c.op.record->run(c);
  } catch (const InternalError&) { throw; } catch (const Error& e) {
    std::string text = e.text();
    if (!text.starts_with("[enforce fail") && text.find("INTERNAL ASSERT") == text.npos)
      text = str("[enforce fail at ", c.op.type, "] . ", text);
    rethrow(text);
  }
}

// ---- the registry ----------------------------------------------------------------------------------------------------

static void parse_counts(std::string_view text, int& low, int& high) {
  auto number = [&] {
    int n = 0;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') n = n * 10 + (text[0] - '0'), text.remove_prefix(1);
    return n;
  };
  low = high = number();
  if (text.starts_with('-')) text.remove_prefix(1), high = number();
  else if (text.starts_with('+')) high = INT32_MAX;
}

Registry::Entry Registry::op(std::string name, std::string_view counts, Run run) {
  OpType t;
  t.name = name;
  t.run = std::move(run);
  size_t arrow = counts.find(" -> ");
  RL_INVARIANT(arrow != counts.npos, name, ": counts");
  parse_counts(counts.substr(0, arrow), t.min_in, t.max_in);
  parse_counts(counts.substr(arrow + 4), t.min_out, t.max_out);
  OpType& kept = all_[name];
  RL_INVARIANT(!kept.run, name, " is there twice");
  kept = std::move(t);
  return {*this, kept};
}

static std::string as_function(std::string_view parameters, std::string_view body) {
  std::string text = str(parameters, "):\n");
  while (!body.empty()) {
    size_t end = std::min(body.find('\n'), body.size());
    if (end) text += str("    ", body.substr(0, end), "\n");
    body.remove_prefix(std::min(end + 1, body.size()));
  }
  return text;
}
Registry::Entry& Registry::Entry::grad(std::string spec, std::string_view parameters, std::string_view body) {
  t_.grad_spec = std::move(spec);
  if (!body.empty()) t_.grad_script = as_function(parameters, body);
  return *this;
}
Registry::Entry& Registry::Entry::script(std::string_view parameters, std::string_view body) {
  t_.script = as_function(parameters, body);
  return *this;
}
Registry::Entry& Registry::Entry::also(std::string name) {
  OpType copy = t_;
  copy.name = name;
  r_.all_[name] = std::move(copy);
  return *this;
}

const OpType* Registry::find(std::string_view name) const {
  auto found = all_.find(name);
  return found == all_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> out;
  for (auto& [name, type] : all_) out.push_back(name);
  return out;
}

// The gradient operators that no file defines run the forward operator again and go back through it.
void Registry::derive_gradients() {
  std::vector<std::pair<const OpType*, GradientSpec>> wanted;
  for (auto& [name, type] : all_)
    if (!type.grad_spec.empty()) wanted.emplace_back(&type, GradientSpec(type.grad_spec));
  for (auto& [forward, spec] : wanted) {
    if (all_.count(spec.type)) continue;
    const OpType* of = forward;
    GradientSpec s = spec;
    op(spec.type, "0+ -> 0+", [of, s](Call& c) { s.run(*of, c); }).stop();
    all_[spec.type].script = forward->grad_script;
  }
}

const Registry& Registry::get() {
  static const Registry& all = *[] {
    auto* r = new Registry;
    for (auto add : {add_math,   add_shape,   add_nn,        add_norm,  add_loss,  add_reduce,  add_segment,
                     add_sparse, add_fill,    add_optim,     add_state, add_queue, add_dataset, add_int8,
                     add_detect, add_control, add_recurrent, add_db,    add_aten,  add_text,    add_features})
      add(*r);
    r->derive_gradients();
    return r;
  }();
  return all;
}

// ---- gradients by going back through the forward operator -------------------------------------------------------------

std::vector<Tensor> derive(const OpType& type, const Op& op, std::vector<Value> inputs,
                           const std::vector<size_t>& wanted, const std::vector<Tensor>& grads) {
  torch::AutoGradMode on(true);
  std::vector<Tensor> leaves;
  for (size_t k : wanted) {
    Tensor leaf = Tensor(inputs.at(k).tensor()).detach();
    if (!leaf.is_floating_point())
      C2_FAIL(type.name, ": there is no gradient for input ", k, " of ", shown_dtype(leaf.scalar_type()));
    leaf.requires_grad_();
    inputs[k] = Value(rushlight::Tensor(leaf));
    leaves.push_back(leaf);
  }
  Call c(op, nullptr);
  c.in = std::move(inputs);
  c.out.assign(grads.size(), {});
  type.run(c);
  std::vector<Tensor> outs, given;
  for (size_t k = 0; k < grads.size(); k++) {
    if (!grads[k].defined() || !c.out[k].is_tensor()) continue;
    Tensor out(c.out[k].tensor());
    if (!out.requires_grad()) continue;
    outs.push_back(out);
    given.push_back(grads[k].reshape(out.sizes()));
  }
  std::vector<Tensor> result(leaves.size());
  if (!outs.empty()) result = torch::autograd::grad(outs, leaves, given, false, false, true);
  for (size_t k = 0; k < leaves.size(); k++)
    result[k] = result[k].defined() ? result[k].detach().contiguous() : torch::zeros_like(leaves[k].detach());
  return result;
}

// ---- small helpers -----------------------------------------------------------------------------------------------------

torch::Dtype dtype_of_proto(int64_t type) {
  switch (type) {
    case 1: return torch::kFloat;
    case 2: return torch::kInt;
    case 3:
    case 6: return torch::kByte;
    case 5: return torch::kBool;
    case 7: return torch::kChar;
    case 8: return DType::UInt16;
    case 9: return torch::kShort;
    case 10: return torch::kLong;
    case 12: return torch::kHalf;
    case 13: return torch::kDouble;
    default: C2_FAIL("Unsupported type of tensor: data type ", type);
  }
}
int64_t proto_of_dtype(torch::Dtype d) {
  switch (d) {
    case torch::kFloat: return 1;
    case torch::kInt: return 2;
    case torch::kByte: return 6;
    case torch::kBool: return 5;
    case torch::kChar: return 7;
    case DType::UInt16: return 8;
    case torch::kShort: return 9;
    case torch::kLong: return 10;
    case torch::kHalf: return 12;
    case torch::kDouble: return 13;
    default: return 0;
  }
}
std::string shown_dtype(torch::Dtype d) {
  switch (d) {
    case torch::kFloat: return "float";
    case torch::kInt: return "int";
    case torch::kByte: return "unsigned char";
    case torch::kBool: return "bool";
    case torch::kChar: return "signed char";
    case DType::UInt16: return "unsigned short";
    case torch::kShort: return "short";
    case torch::kLong: return "long";
    case torch::kHalf: return "c10::Half";
    case torch::kDouble: return "double";
    default: return str(d);
  }
}

Tensor to_nchw(const Tensor& x) { return x.dim() > 2 ? x.movedim(-1, 1) : x; }
Tensor to_nhwc(const Tensor& x) { return x.dim() > 2 ? x.movedim(1, -1).contiguous() : x; }

int64_t canonical_axis(int64_t axis, int64_t dims, bool end) {
  int64_t a = axis < 0 ? axis + dims : axis;
  C2_ENFORCE(a >= 0 && (a < dims || (end && a == dims)), "axis ", axis, " of a tensor of ", dims, " dimensions");
  return a;
}
int64_t size_from(const Tensor& x, int64_t axis) {
  int64_t n = 1;
  for (int64_t k = axis; k < x.dim(); k++) n *= x.size(k);
  return n;
}
int64_t size_to(const Tensor& x, int64_t axis) {
  int64_t n = 1;
  for (int64_t k = 0; k < axis; k++) n *= x.size(k);
  return n;
}
Tensor flat(const Tensor& x, int64_t axis) { return x.reshape({size_to(x, axis), size_from(x, axis)}); }

Tensor int_list(const std::vector<int64_t>& v, torch::Dtype d) {
  Tensor t = torch::empty({int64_t(v.size())}, torch::TensorOptions().dtype(torch::kLong));
  if (!v.empty()) std::memcpy(t.data_ptr(), v.data(), v.size() * sizeof(int64_t));
  return t.to(d);
}
Tensor zeros_or(const Tensor& g, const Tensor& like) { return g.defined() ? g : torch::zeros_like(like); }

}  // namespace rushlight::caffe2
