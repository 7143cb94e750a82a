#include "rushlight/onnx/export.h"

#include <cstring>
#include <set>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/exporter.h"
#include "rushlight/onnx/tensors.h"

namespace rushlight::onnx {
namespace {

using graph::Block;
using graph::Node;
using graph::Value;
using io::wire::Writer;

void write_tensor(Writer& w, const Name& name, const Tensor& tensor) {
  int elem = elem_of_dtype(tensor.dtype());
  RL_CHECK(NotImplementedError, elem, "onnx.export: ONNX has no tensors of ", tensor.dtype());
  Tensor t = dense(tensor);
  for (int64_t d : t.sizes()) w.varint(1, uint64_t(d));
  w.varint(2, uint64_t(elem));
  if (!name.empty()) w.bytes(8, name);
  w.bytes(9, {static_cast<const char*>(t.raw()), size_t(t.nbytes())});
}

void write_info(Writer& w, const Name& name, const IValue& v, const std::map<int64_t, std::string>* dynamic,
                bool any_size) {
  w.bytes(1, name);
  auto tensor_type = [&](Writer& type, int elem, const Tensor* t) {
    type.message(1, [&](Writer& tt) {
      tt.varint(1, uint64_t(elem));
      if (!t) return;
      tt.message(2, [&](Writer& shape) {
        for (int64_t i = 0; i < t->dim(); i++)
          shape.message(1, [&](Writer& d) {
            auto found = dynamic ? dynamic->find(i) : std::map<int64_t, std::string>::const_iterator();
            if (dynamic && found == dynamic->end()) found = dynamic->find(i - t->dim());
            if (dynamic && found != dynamic->end())
              d.bytes(2, found->second.empty() ? str(name, "_dim_", i) : found->second);
            else if (!any_size) d.varint(1, uint64_t(t->size(i)));
            else d.bytes(2, str(name, "_dim_", i));
          });
      });
    });
  };
  w.message(2, [&](Writer& type) {
    if (v.is_tensor()) tensor_type(type, elem_of_dtype(v.tensor().dtype()), &v.tensor());
    else {
      Tensor scalar = empty_tensor({}, v.is_double() ? DType::Float32 : v.is_bool() ? DType::Bool : DType::Int64);
      tensor_type(type, elem_of_dtype(scalar.dtype()), &scalar);
    }
  });
}

Tensor scalar_tensor(const IValue& v, const DType* as) {
  DType d = as ? *as : v.is_double() ? DType::Float32 : v.is_bool() ? DType::Bool : DType::Int64;
  double n = v.is_double() ? v.to_double() : v.is_bool() ? double(v.to_bool()) : double(v.to_int());
  Tensor wide = empty_tensor({}, v.is_int() ? DType::Int64 : DType::Float64), out = empty_tensor({}, d);
  if (v.is_int()) *wide.data<int64_t>() = v.to_int();
  else *wide.data<double>() = n;
  copy_elements(out, wide);
  return out;
}

}  // namespace

const IValue& Call::need(size_t k) const {
  RL_CHECK(NotImplementedError, k < in.size() && in[k]->constant, "onnx.export: ", node->kind(), "'s argument ", k,
           " depends on the inputs, and ONNX has it as an attribute");
  return in[k]->value;
}

Names_ Exporter::ops(const char* type, const Names_& inputs, size_t outputs, const AttributeList& attributes,
                     const char* domain) {
  Writer w;
  for (const Name& i : inputs) w.bytes(1, i);
  Names_ out;
  for (size_t i = 0; i < outputs; i++) {
    out.push_back(str(type, "_", count++));
    w.bytes(2, out.back());
  }
  w.bytes(3, str(type, "_node_", count));
  w.bytes(4, type);
  for (const AttributeValue& a : attributes)
    w.message(5, [&](Writer& m) {
      m.bytes(1, a.name);
      switch (a.kind) {
        case AttributeValue::I: m.varint(3, uint64_t(a.i)), m.varint(20, 2); break;
        case AttributeValue::F: m.fixed32(2, std::bit_cast<uint32_t>(float(a.f))), m.varint(20, 1); break;
        case AttributeValue::S: m.bytes(4, a.s), m.varint(20, 3); break;
        case AttributeValue::Is:
          for (int64_t v : a.is) m.varint(8, uint64_t(v));
          m.varint(20, 7);
          break;
        case AttributeValue::Fs:
          for (double v : a.fs) m.fixed32(7, std::bit_cast<uint32_t>(float(v)));
          m.varint(20, 6);
          break;
        case AttributeValue::T: m.message(5, [&](Writer& t) { write_tensor(t, "", a.t); }), m.varint(20, 4); break;
        case AttributeValue::G: m.bytes(6, a.s), m.varint(20, 5); break;
      }
    });
  if (*domain) w.bytes(7, domain);
  nodes.push_back(std::move(w.out));
  return out;
}

Name Exporter::constant(const Tensor& t) {
  AttributeValue a{"value", AttributeValue::T};
  a.t = t;
  return op("Constant", {}, {a});
}
Name Exporter::ints(const std::vector<int64_t>& v) {
  Tensor t = empty_tensor({int64_t(v.size())}, DType::Int64);
  std::copy(v.begin(), v.end(), t.data<int64_t>());
  return constant(t);
}
Name Exporter::number(double v, DType d, bool scalar) {
  Tensor t = scalar_tensor(IValue(v), &d);
  if (!scalar) {
    Tensor one = empty_tensor({1}, d);
    std::memcpy(one.raw(), t.raw(), size_t(t.nbytes()));
    t = one;
  }
  return constant(t);
}
Name Exporter::cast(const Name& x, DType to) {
  int elem = elem_of_dtype(to);
  RL_CHECK(NotImplementedError, elem, "onnx.export: ONNX has no tensors of ", to);
  return op("Cast", {x}, {at("to", elem)});
}
Name Exporter::unsqueeze(const Name& x, const std::vector<int64_t>& axes) {
  return opset >= 13 ? op("Unsqueeze", {x, ints(axes)}) : op("Unsqueeze", {x}, {at("axes", axes)});
}
Name Exporter::squeeze(const Name& x, const std::vector<int64_t>& axes) {
  return opset >= 13 ? op("Squeeze", {x, ints(axes)}) : op("Squeeze", {x}, {at("axes", axes)});
}
Name Exporter::reduce(const char* type, const Name& x, const std::vector<int64_t>& axes, bool keep) {
  bool as_input = opset >= (std::string_view(type) == "ReduceSum" ? 13 : 18);
  if (axes.empty()) return op(type, {x}, {at("keepdims", keep)});
  return as_input ? op(type, {x, ints(axes)}, {at("keepdims", keep)})
                  : op(type, {x}, {at("axes", axes), at("keepdims", keep)});
}
Name Exporter::slice(const Name& x, int64_t axis, const Name& begin, const Name& end, int64_t step) {
  return op("Slice", {x, begin, end, ints({axis}), ints({step})});
}

Name Exporter::name_of(Known& k, const DType* as) {
  if (k.value.is_tensor()) {
    const Tensor& t = k.value.tensor();
    if (k.constant && k.name.empty()) {
      Name& held = known_tensors[t.impl()];
      if (held.empty()) held = constant(t);
      k.name = held;
    }
    return as && t.dtype() != *as ? cast(k.name, *as) : k.name;
  }
  if (k.value.is_none()) return "";
  RL_CHECK(NotImplementedError, k.value.is_scalar() && !k.value.is_complex(), "onnx.export: a ", k.value.kind_name(),
           " where a tensor is expected");
  if (k.constant) return constant(scalar_tensor(k.value, as));
  DType d = k.value.is_double() ? DType::Float32 : k.value.is_bool() ? DType::Bool : DType::Int64;
  return as && *as != d ? cast(k.name, *as) : k.name;
}

Name Exporter::joined(Known& list) {
  if (list.constant || !list.items) {
    if (list.value.is_int()) {
      DType d = DType::Int64;
      return list.constant ? ints({list.value.to_int()}) : unsqueeze(name_of(list, &d), {0});
    }
    return ints(list.value.int_list().vec());
  }
  Names_ parts;
  DType d = DType::Int64;
  for (Known& k : *list.items) parts.push_back(k.constant ? ints({k.value.to_int()}) : unsqueeze(name_of(k, &d), {0}));
  return parts.size() == 1 ? parts[0] : op("Concat", parts, {at("axis", 0)});
}

namespace {

class Run {
 public:
  Run(const ExportOptions& o, const Ref<ObjectValue>& self) : e(o), self_(self), sizes_known_(o.dynamic_axes.empty()) {}
  std::string model(graph::Graph& g, std::vector<IValue> args);

 private:
  using Knowns = std::vector<Known>;
  void block(const Block& b);
  void node(Node* n);
  void if_node(Node* n);
  void loop(Node* n);
  Known& get(Value* v) {
    auto found = known_.find(v);
    RL_INVARIANT(found != known_.end(), "a value that is not known: %", v->name());
    return found->second;
  }
  void compute(Node* n, const std::vector<Known*>& in, std::vector<Known>& out);
  void attribute(Node* n);
  void flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat);

  Exporter e;
  Ref<ObjectValue> self_;
  bool sizes_known_;
  std::map<Value*, Known> known_;
  std::map<Value*, std::string> paths_;  // of modules: "layer1.0."
};

void Run::attribute(Node* n) {
  const std::string name(n->attribute("name").to_string());
  const IValue& object = get(n->input()).value;
  const auto* type = graph::as_class(object.to_object().type);
  int slot = type->find_slot(name);
  RL_INVARIANT(slot >= 0, "no slot ", name);
  Known k;
  k.value = object.to_object().slots[size_t(slot)];
  std::string path = paths_[n->input()] + name;
  if (k.value.is_object()) paths_[n->output()] = path + ".";
  if (k.value.is_tensor()) {
    Name& held = e.known_tensors[k.value.tensor().impl()];
    if (held.empty()) {
      held = path;
      e.initialisers.emplace_back(path, k.value.tensor());
    }
    k.name = held;
  }
  known_[n->output()] = std::move(k);
}

void Run::compute(Node* n, const std::vector<Known*>& in, std::vector<Known>& out) {
  std::vector<IValue> args, rets(n->outputs().size());
  for (Known* k : in) args.push_back(k->value);
  if (n->op) {
    bool writes = !n->op->writes().empty() && n->kind().ends_with("_");
    if (writes && args[0].is_tensor()) {  // the module's tensors and the caller's stay as they are
      Tensor copy = empty_tensor(args[0].tensor().sizes(), args[0].tensor().dtype());
      copy_elements(copy, args[0].tensor());
      args[0] = copy;
    }
    n->op->run(args.data(), rets.data());
  } else if (n->primitive) {
    n->primitive->run(args.data(), rets.data());
  } else {
    throw NotImplementedError(str("onnx.export: ", n->kind(), " can't be exported"));
  }
  for (IValue& r : rets) {
    Known k;
    k.value = std::move(r);
    out.push_back(std::move(k));
  }
}

void Run::block(const Block& b) {
  for (Node* n : b) node(n);
}

void Run::if_node(Node* n) {
  Known& c = get(n->input());
  auto raises = [](const Block* b) {
    for (Node* inner : *b)
      if (inner->is("prim::RaiseException")) return true;
    return false;
  };
  // Checks of what comes in are left out, and of what is known only one side is there.
  int side = c.constant ? (c.value.to_bool() ? 0 : 1) : raises(n->blocks()[1]) ? 0 : raises(n->blocks()[0]) ? 1 : -1;
  if (side >= 0) {
    const Block* b = n->blocks()[size_t(side)];
    block(*b);
    for (size_t i = 0; i < n->outputs().size(); i++) known_[n->output(i)] = get(b->outputs()[i]);
    return;
  }
  DType boolean = DType::Bool;
  Name condition = e.name_of(c, &boolean);
  AttributeList attributes;
  size_t taken = c.value.to_bool() ? 0 : 1;
  for (size_t k = 0; k < 2; k++) {
    auto outer = std::move(e.nodes);
    auto tensors = e.known_tensors;  // constants of a branch are not seen outside of it
    e.nodes.clear();
    const Block* b = n->blocks()[k];
    block(*b);
    Writer g;
    Names_ names;
    for (Value* v : b->outputs()) names.push_back(e.op("Identity", {e.name_of(get(v))}));
    for (const std::string& made : e.nodes) g.bytes(1, made);
    g.bytes(2, k ? "else" : "then");
    for (size_t i = 0; i < names.size(); i++)
      g.message(12, [&](Writer& w) { write_info(w, names[i], get(b->outputs()[i]).value, nullptr, true); });
    AttributeValue a{k ? "else_branch" : "then_branch", AttributeValue::G};
    a.s = std::move(g.out);
    attributes.push_back(std::move(a));
    e.nodes = std::move(outer);
    e.known_tensors = std::move(tensors);
  }
  Names_ out = e.ops("If", {condition}, n->outputs().size(), attributes);
  for (size_t i = 0; i < out.size(); i++) {
    Known k = get(n->blocks()[taken]->outputs()[i]);
    k.name = out[i];
    k.constant = false;
    known_[n->output(i)] = std::move(k);
  }
}

void Run::loop(Node* n) {
  Known &trips = get(n->input(0)), &condition = get(n->input(1));
  RL_CHECK(NotImplementedError, trips.constant || sizes_known_,
           "onnx.export: a loop whose number of rounds depends on the inputs");
  const Block* b = n->blocks()[0];
  std::vector<Known> carried;
  for (size_t i = 2; i < n->inputs().size(); i++) carried.push_back(get(n->input(i)));
  bool go = condition.value.to_bool();
  constexpr int64_t kMostRounds = 5000;
  for (int64_t i = 0; go && i < trips.value.to_int(); i++) {
    RL_CHECK(NotImplementedError, i < kMostRounds, "onnx.export: a loop of more than ", kMostRounds, " rounds");
    Known number;
    number.value = i;
    known_[b->inputs()[0]] = number;
    for (size_t k = 0; k < carried.size(); k++) known_[b->inputs()[k + 1]] = carried[k];
    block(*b);
    Known& on = get(b->outputs()[0]);
    RL_CHECK(NotImplementedError, on.constant, "onnx.export: a loop whose end depends on the inputs");
    go = on.value.to_bool();
    for (size_t k = 0; k < carried.size(); k++) carried[k] = get(b->outputs()[k + 1]);
  }
  for (size_t k = 0; k < carried.size(); k++) known_[n->output(k)] = carried[k];
}

void Run::node(Node* n) {
  if (n->is("prim::Constant")) {
    Known k;
    k.value = n->has_attribute("value") ? n->attribute("value") : IValue();
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("prim::GetAttr")) return attribute(n);
  if (n->is("prim::If")) return if_node(n);
  if (n->is("prim::Loop")) return loop(n);
  if (n->is("prim::RaiseException") || n->is("prim::Print") || n->is("aten::warn") || n->is("prim::SetAttr")) return;
  std::vector<Known*> in;
  bool constant = true;
  for (Value* v : n->inputs()) {
    in.push_back(&get(v));
    constant &= in.back()->constant;
  }
  if (n->is("prim::ListConstruct") || n->is("prim::TupleConstruct")) {
    Known k;
    std::vector<IValue> items;
    k.items = std::make_shared<std::vector<Known>>();
    for (Known* i : in) {
      items.push_back(i->value);
      k.items->push_back(*i);
    }
    k.value = n->is("prim::TupleConstruct") ? IValue::tuple(std::move(items))
                                            : graph::make_list(n->output()->type()->element(), std::move(items));
    k.constant = constant;
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("prim::ListUnpack") || n->is("prim::TupleUnpack") || n->is("prim::TupleIndex") ||
      (n->is("aten::__getitem__") && in[0]->items && in[1]->constant)) {
    auto item = [&](size_t i) {
      if (in[0]->items) return in[0]->items->at(i);
      Known k;
      k.value = in[0]->value.is_tuple() ? in[0]->value.to_tuple().items.at(i) : graph::list_get(in[0]->value, i);
      return k;
    };
    if (n->is("prim::TupleIndex") || n->is("aten::__getitem__")) {
      int64_t i = in[1]->value.to_int(),
              size = int64_t(in[0]->items ? in[0]->items->size() : in[0]->value.to_tuple().items.size());
      known_[n->output()] = item(size_t(i < 0 ? i + size : i));
    } else {
      for (size_t i = 0; i < n->outputs().size(); i++) known_[n->output(i)] = item(i);
    }
    return;
  }
  if (n->is("prim::unchecked_cast") || n->is("prim::unchecked_unwrap_optional") || n->is("aten::_unwrap_optional")) {
    Known k = *in[0];
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("aten::__is__") || n->is("aten::__isnot__")) {
    Known k;
    k.value = (in[0]->value.is_none() == in[1]->value.is_none()) == n->is("aten::__is__");
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("aten::append")) {
    if (!in[0]->items) in[0]->items = std::make_shared<std::vector<Known>>();
    in[0]->items->push_back(*in[1]);
    in[0]->constant &= in[1]->constant;
    graph::list_insert(in[0]->value, graph::list_size(in[0]->value), in[1]->value);
    if (!n->outputs().empty()) known_[n->output()] = *in[0];
    return;
  }
  // Lists of numbers that depend on the inputs, as sizes do.
  bool on_list = !in.empty() && in[0]->value.is_any_list() &&
                 std::any_of(in.begin(), in.end(), [](Known* k) { return k->items && !k->constant; });
  if (on_list && (n->is("aten::add") || n->is("aten::slice") || n->is("aten::list") || n->is("aten::mul"))) {
    auto items = [](const Known& k) {
      if (k.items) return *k.items;
      std::vector<Known> all;
      for (size_t i = 0; i < graph::list_size(k.value); i++) {
        all.emplace_back();
        all.back().value = graph::list_get(k.value, i);
      }
      return all;
    };
    std::vector<Known> all = items(*in[0]), out;
    if (n->is("aten::add")) {
      out = all;
      for (Known& k : items(*in[1])) out.push_back(k);
    } else if (n->is("aten::mul")) {
      for (int64_t i = 0; i < in[1]->value.to_int(); i++) out.insert(out.end(), all.begin(), all.end());
    } else if (n->is("aten::list")) {
      out = all;
    } else {
      int64_t step = in[3]->value.is_none() ? 1 : in[3]->value.to_int();
      graph::SliceRange r = graph::slice_range(int64_t(all.size()), in[1]->value, in[2]->value, step);
      for (int64_t i = 0; i < r.count; i++) out.push_back(all[size_t(r.start + i * step)]);
    }
    Known k;
    std::vector<IValue> values;
    for (Known& i : out) {
      values.push_back(i.value);
      k.constant &= i.constant;
    }
    k.value = graph::make_list(n->output()->type()->element(), std::move(values));
    k.items = std::make_shared<std::vector<Known>>(std::move(out));
    known_[n->output()] = std::move(k);
    return;
  }
  Call c{e, n, in, {}};
  compute(n, in, c.out);
  std::string kind = n->kind();
  static const std::set<std::string> facts = {
      "aten::dim",    "prim::dtype", "prim::device",        "aten::is_floating_point", "aten::is_complex",
      "prim::layout", "aten::len",   "aten::is_contiguous", "prim::requires_grad",     "aten::__contains__"};
  static const std::set<std::string> sizes = {"aten::size", "aten::numel", "aten::sym_size", "aten::sym_numel",
                                              "prim::shape"};
  // What a program decides by comparing sizes is as it was for the examples.
  static const std::set<std::string> comparisons = {"aten::eq", "aten::ne", "aten::lt",
                                                    "aten::le", "aten::gt", "aten::ge"};
  bool compares =
      comparisons.contains(kind) && std::none_of(in.begin(), in.end(), [](Known* k) { return k->value.is_tensor(); });
  bool known = constant || compares || facts.contains(kind) || (sizes_known_ && sizes.contains(kind));
  if (!known) {
    const auto& rules = export_rules();
    auto rule = rules.find(kind);
    bool in_place = rule == rules.end() && kind.ends_with("_") && !kind.ends_with("__");
    if (in_place) rule = rules.find(kind.substr(0, kind.size() - 1));
    // Writing to a part of a tensor changes the tensor, which the model would not see.
    bool part = false;
    if (in_place)
      for (const Node* made = n->input(0)->node(); made->op && !made->op->shares().empty() && !part;
           made = made->input(0)->node())
        part = made->input(0)->uses().size() > 1;
    RL_CHECK(NotImplementedError, !part, "onnx.export: ", kind, " writes to a part of a tensor");
    RL_CHECK(NotImplementedError, rule != rules.end(), "onnx.export: ONNX has nothing for ", kind,
             " (of operators, at ", n->location.file, ":", n->location.line, ")");
    Names_ names = rule->second(c);
    RL_INVARIANT(names.size() >= c.out.size() || c.out[0].value.is_any_list(), kind, ": its rule gives ", names.size(),
                 " names");
    if (c.out.size() == 1 && c.out[0].value.is_any_list()) {
      c.out[0].items = std::make_shared<std::vector<Known>>();
      for (size_t i = 0; i < names.size(); i++) {
        Known k;
        k.value = graph::list_get(c.out[0].value, i);
        k.name = names[i];
        k.constant = false;
        c.out[0].items->push_back(std::move(k));
      }
      c.out[0].constant = false;
    } else {
      for (size_t i = 0; i < c.out.size(); i++) {
        c.out[i].name = names[i];
        c.out[i].constant = false;
      }
    }
    if (in_place) known_[n->input(0)] = c.out[0];
  }
  for (size_t i = 0; i < c.out.size(); i++) known_[n->output(i)] = c.out[i];
}

void Run::flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat) {
  into.value = v;
  if (v.is_tuple() || v.is_tensor_list() || v.is_generic_list()) {
    into.items = std::make_shared<std::vector<Known>>();
    size_t n = v.is_tuple() ? v.to_tuple().items.size() : graph::list_size(v);
    into.items->resize(n);
    for (size_t i = 0; i < n; i++) {
      flatten(v.is_tuple() ? v.to_tuple().items[i] : graph::list_get(v, i), str(name, "_", i), (*into.items)[i], flat);
      into.constant &= (*into.items)[i].constant;
    }
  } else if (v.is_tensor()) {
    into.name = name;
    into.constant = false;
    flat.push_back(&into);
  }
}

std::string Run::model(graph::Graph& g, std::vector<IValue> args) {
  RL_CHECK(ValueError, args.size() + 1 <= g.inputs().size(), "onnx.export: the model takes ", g.inputs().size() - 1,
           " arguments, and ", args.size(), " examples are given");
  known_[g.inputs()[0]].value = IValue(self_);
  std::vector<Known*> inputs;
  for (size_t i = 1; i < g.inputs().size(); i++) {
    std::string name = g.inputs()[i]->name().empty() ? str("input_", i) : g.inputs()[i]->name();
    flatten(i - 1 < args.size() ? args[i - 1] : IValue(), name, known_[g.inputs()[i]], inputs);
  }
  RL_CHECK(ValueError, e.options.input_names.size() <= inputs.size() + 1000,
           "onnx.export: more input_names than inputs");
  for (size_t i = 0; i < inputs.size() && i < e.options.input_names.size(); i++)
    inputs[i]->name = e.options.input_names[i];
  std::vector<Known> in;
  for (Known* k : inputs) in.push_back(*k);
  block(*g.block());
  std::vector<Known*> outputs;
  std::function<void(Known&)> gather = [&](Known& k) {
    if (k.items)
      for (Known& i : *k.items) gather(i);
    else if (!k.value.is_none()) outputs.push_back(&k);
  };
  for (Value* v : g.outputs()) gather(get(v));
  Writer graph;
  std::vector<std::pair<Name, IValue>> outs;
  std::set<std::string> input_names;
  for (const Known& k : in)
    RL_CHECK(ValueError, input_names.insert(k.name).second, "onnx.export: two inputs are named '", k.name, "'");
  for (size_t i = 0; i < outputs.size(); i++) {
    Name from = e.name_of(*outputs[i]);
    Name wanted = i < e.options.output_names.size() ? e.options.output_names[i] : str("output_", i);
    while (input_names.contains(wanted)) wanted += "_";
    Writer w;
    w.bytes(1, from), w.bytes(2, wanted), w.bytes(3, "output_node_" + std::to_string(i)), w.bytes(4, "Identity");
    e.nodes.push_back(std::move(w.out));
    outs.emplace_back(wanted, outputs[i]->value);
  }
  for (const std::string& n : e.nodes) graph.bytes(1, n);
  graph.bytes(2, "main_graph");
  auto axes_of = [&](const Name& name) -> const std::map<int64_t, std::string>* {
    auto found = e.options.dynamic_axes.find(name);
    return found == e.options.dynamic_axes.end() ? nullptr : &found->second;
  };
  if (e.options.export_params)
    for (auto& [name, t] : e.initialisers)
      graph.message(5, [&, &name = name, &t = t](Writer& w) { write_tensor(w, name, t); });
  for (Known& k : in) graph.message(11, [&](Writer& w) { write_info(w, k.name, k.value, axes_of(k.name), false); });
  if (!e.options.export_params || e.options.initializers_as_inputs)
    for (auto& [name, t] : e.initialisers)
      graph.message(11, [&, &name = name, &t = t](Writer& w) { write_info(w, name, t, nullptr, false); });
  for (auto& [name, v] : outs)
    graph.message(12, [&, &name = name, &v = v](Writer& w) {
      write_info(w, name, v, axes_of(name), !e.options.dynamic_axes.empty());
    });
  Writer w;
  int ir = e.opset >= 25 ? 13 : e.opset >= 23 ? 11 : e.opset >= 21 ? 10 : e.opset >= 19 ? 9 : e.opset >= 15 ? 8 : 7;
  w.varint(1, uint64_t(ir));
  w.bytes(2, "rushlight");
  w.bytes(7, graph.out);
  w.message(8, [&](Writer& o) { o.varint(2, uint64_t(e.opset)); });
  return std::move(w.out);
}

}  // namespace

std::string export_model(const Ref<ObjectValue>& module, const std::string& method, std::vector<IValue> args,
                         const ExportOptions& options) {
  RL_CHECK(ValueError, options.opset >= 9 && options.opset <= 28, "onnx.export: opset_version ", options.opset,
           " is not supported; 9 to 28 are");
  graph::Function* f = graph::as_class(module->type)->find_method(method);
  RL_CHECK(AttributeError, f, "Method '", method, "' is not defined.");
  std::shared_ptr<graph::Graph> g = f->made()->copy();
  graph::inline_calls(*g);
  graph::optimize(*g);
  return Run(options, module).model(*g, std::move(args));
}

}  // namespace rushlight::onnx
