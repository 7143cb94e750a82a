#include "rushlight/onnx/export.h"

#include <cmath>
#include <cstring>
#include <set>

#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/tracer.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/exporter.h"
#include "rushlight/onnx/tensors.h"
#include "rushlight/script/lowering.h"

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

std::vector<Known> items_of(const Known& k) {
  if (k.items) return *k.items;
  std::vector<Known> all(k.value.is_tuple() ? k.value.to_tuple().items.size() : graph::list_size(k.value));
  for (size_t i = 0; i < all.size(); i++)
    all[i].value = k.value.is_tuple() ? k.value.to_tuple().items[i] : graph::list_get(k.value, i);
  return all;
}

const IValue& Call::need(size_t k) const {
  RL_CHECK(NotImplementedError, k < in.size() && in[k]->constant, "onnx.export: ", node->kind(), "'s argument ", k,
           " depends on the inputs, and ONNX has it as an attribute");
  return in[k]->value;
}

bool Call::is_fixed(const Known& k, int64_t axis) const {
  if (k.constant || e.options.dynamic_axes.empty()) return true;
  return k.other.is_tensor() && k.other.tensor().dim() == k.value.tensor().dim() &&
         k.other.tensor().size(axis) == k.value.tensor().size(axis);
}
int64_t Call::fixed(const Known& k, int64_t axis) const {
  RL_CHECK(NotImplementedError, is_fixed(k, axis), "onnx.export: ", node->kind(), ": dimension ", axis,
           " is dynamic, and would be the example's");
  return k.value.tensor().size(axis);
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
        case AttributeValue::Ss:
          for (const std::string& v : a.ss) m.bytes(9, v);
          m.varint(20, 8);
          break;
        case AttributeValue::G: m.bytes(6, a.s), m.varint(20, 5); break;
      }
    });
  if (*domain) {
    w.bytes(7, domain);
    auto told = options.domains.find(domain);
    domains[domain] = told == options.domains.end() ? 1 : told->second;
  }
  nodes.push_back(std::move(w.out));
  return out;
}

Name Exporter::constant(const Tensor& t) {
  AttributeValue a{"value", AttributeValue::T};
  a.t = t;
  return op("Constant", {}, {a});
}
Name Exporter::scalar(const Scalar& v, DType d) { return constant(scalar_tensor(IValue(v), &d)); }
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
  RL_CHECK(NotImplementedError, elem && !is_complex(to), "onnx.export: ONNX converts nothing to ", to);
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
    RL_CHECK(NotImplementedError, !is_complex(t.dtype()), "onnx.export: ONNX has no complex tensors here");
    if (k.constant && k.name.empty()) {
      Name& held = known_tensors[t.impl()];
      if (held.empty()) {  // where every graph sees it: a branch's own nodes are seen by none but the branch
        std::swap(nodes, top);
        held = constant(t);
        std::swap(nodes, top);
      }
      k.name = held;
      kept.push_back(t);
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
  void written_loop(Node* n);
  bool writes_outside(const Block& b);
  Known& get(Value* v) {
    auto found = known_.find(v);
    RL_INVARIANT(found != known_.end(), "a value that is not known: %", v->name());
    return found->second;
  }
  void compute(Node* n, const std::vector<Known*>& in, std::vector<Known>& out);
  void write(Call& c);
  void written_to(Value* v, const Known& made);
  void again(Value* v);
  void name_outputs(Call& c, const Names_& names);
  bool lifted(Call& c, const std::string& kind);
  bool by_text(Call& c, const std::string& kind);
  bool by_parts(Call& c);
  bool by_sizes(Call& c, std::shared_ptr<graph::Graph>& g);
  void sizes_of(const std::array<IValue, 3>& v, const Known& k, std::vector<ThreeNumbers>& sizes,
                std::vector<std::function<Name()>>& names);
  void expand(Call& c, std::shared_ptr<graph::Graph> g);
  // Whether a value was made in the graph of a branch or loop that is being written.
  bool is_local(const Value* v) const {
    return !inside_ || v->node()->graph() != inside_->graph() || is_in(v, inside_);
  }
  static bool is_in(const Value* v, const Block* block) {
    for (const Block* b = v->node()->owner(); b; b = b->owner() ? b->owner()->owner() : nullptr)
      if (b == block) return true;
    return false;
  }
  // While it lives, nodes are those of a graph inside of a node.
  class Inner {
   public:
    Inner(Run& run, const Block* b) : run_(run), outside_(std::exchange(run.inside_, b)) {
      std::swap(nodes_, run.e.nodes);
    }
    ~Inner() {
      std::swap(nodes_, run_.e.nodes);
      run_.inside_ = outside_;
    }
    Inner(const Inner&) = delete;
    void write(Writer& g, const char* name) {
      for (const std::string& made : run_.e.nodes) g.bytes(1, made);
      g.bytes(2, name);
    }

   private:
    Run& run_;
    const Block* outside_;
    std::vector<std::string> nodes_;
  };
  void attribute(Node* n);
  void flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat);

  Exporter e;
  Ref<ObjectValue> self_;
  bool sizes_known_;
  std::map<Value*, Known> known_;
  std::map<Value*, std::string> paths_;                // of modules: "layer1.0."
  std::map<const Node*, Known> sized_;                 // constants that stand for what the model computes of sizes
  std::vector<std::shared_ptr<graph::Graph>> graphs_;  // whose values are known
  const Block* inside_ = nullptr;                      // the branch or loop that is being written
  int depth_ = 0;
  bool lifting_ = false;
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

// Its results for the arguments, the module's tensors and the caller's left as they are.
std::vector<IValue> results_of(Node* n, std::vector<IValue> args) {
  std::vector<IValue> rets(n->outputs().size());
  if (n->op) {
    bool writes = !n->op->writes().empty() && n->kind().ends_with("_");
    if (writes && args[0].is_tensor()) {
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
  return rets;
}

void Run::compute(Node* n, const std::vector<Known*>& in, std::vector<Known>& out) {
  std::vector<IValue> args, others, rets(n->outputs().size());
  bool has_others = !e.options.dynamic_axes.empty();
  for (Known* k : in) {
    args.push_back(k->value);
    others.push_back(k->constant ? k->value : k->other);
    has_others &= k->constant || !k->other.is_none() || k->value.is_none();
  }
  for (IValue& r : results_of(n, std::move(args))) {
    Known k;
    k.value = std::move(r);
    out.push_back(std::move(k));
  }
  if (!has_others) return;
  try {
    std::vector<IValue> more = results_of(n, std::move(others));
    for (size_t i = 0; i < more.size(); i++) out[i].other = std::move(more[i]);
  } catch (const Error&) {}  // sizes that the program can't do; then none counts as fixed
}

// What a list or tuple is, of what its items are.
void gather(Known& k, const TypePtr& element) {
  std::vector<IValue> values, others;
  bool all = true;
  k.constant = k.of_sizes = true;
  for (const Known& i : *k.items) {
    values.push_back(i.value);
    others.push_back(i.constant ? i.value : i.other);
    all &= i.constant || !i.other.is_none();
    k.constant &= i.constant;
    k.of_sizes &= i.constant || i.of_sizes;
  }
  auto made = [&](std::vector<IValue> v) {
    return element ? graph::make_list(element, std::move(v)) : IValue::tuple(std::move(v));
  };
  k.value = made(std::move(values));
  k.other = all ? made(std::move(others)) : IValue();
}
// The tensors and numbers of a value, in order.
void leaves(Known& k, std::vector<Known*>& out) {
  if (k.value.is_none()) return;
  if (k.value.is_tuple() || k.value.is_any_list()) {
    if (!k.items) k.items = std::make_shared<std::vector<Known>>(items_of(k));
    for (Known& i : *k.items) leaves(i, out);
  } else {
    out.push_back(&k);
  }
}
// With items of its own all the way down.
Known own_copy(Known k) {
  if (!k.items && (k.value.is_tuple() || k.value.is_any_list()))
    k.items = std::make_shared<std::vector<Known>>(items_of(k));
  if (k.items) {
    k.items = std::make_shared<std::vector<Known>>(*k.items);
    for (Known& i : *k.items) i = own_copy(i);
  }
  return k;
}
// What lists and tuples are, of what their items are now.
void regather(Known& k, const TypePtr& type) {
  if (!k.items) return;
  const Type& t = type->is(Type::Kind::Optional) ? *type->element() : *type;
  bool tuple = k.value.is_tuple();
  for (size_t i = 0; i < k.items->size(); i++) regather((*k.items)[i], tuple ? t.contained()[i] : t.element());
  gather(k, tuple ? nullptr : t.element());
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
  Knowns results;
  size_t counts[2];
  for (size_t k = 0; k < 2; k++) {
    const Block* b = n->blocks()[k];
    Inner inner(*this, b);
    block(*b);
    Writer g;
    std::vector<Known*> all;
    for (Value* v : b->outputs()) leaves(get(v), all);
    Names_ names;
    for (Known* one : all) names.push_back(e.op("Identity", {e.name_of(*one)}));
    inner.write(g, k ? "else" : "then");
    for (size_t i = 0; i < names.size(); i++)
      g.message(12, [&](Writer& w) { write_info(w, names[i], all[i]->value, nullptr, true); });
    AttributeValue a{k ? "else_branch" : "then_branch", AttributeValue::G};
    a.s = std::move(g.out);
    attributes.push_back(std::move(a));
    if (k == taken)
      for (Value* v : b->outputs()) results.push_back(own_copy(get(v)));
    counts[k] = all.size();
  }
  RL_CHECK(NotImplementedError, counts[0] == counts[1],
           "onnx.export: the branches of an if give different values: ", counts[0], " and ", counts[1], " tensors");
  std::vector<Known*> all;
  for (Known& k : results) leaves(k, all);
  if (!all.empty()) {
    Names_ out = e.ops("If", {condition}, all.size(), attributes);
    for (size_t i = 0; i < out.size(); i++) {
      all[i]->name = out[i];
      all[i]->constant = all[i]->of_sizes = false;
      all[i]->other = {};
    }
  }
  for (size_t i = 0; i < results.size(); i++) {
    regather(results[i], n->output(i)->type());
    known_[n->output(i)] = std::move(results[i]);
  }
}

void Run::loop(Node* n) {
  Known &trips = get(n->input(0)), &condition = get(n->input(1));
  const Block* b = n->blocks()[0];
  // Written out round by round where the example's rounds are everybody's.
  Value* end = b->outputs()[0];
  bool endless = trips.constant && trips.value.to_int() == INT64_MAX;
  if (!trips.constant || !condition.constant) return written_loop(n);
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
    size_t nodes = e.nodes.size();
    block(*b);
    Known& on = get(end);
    if (i == 0 && !on.constant) {
      RL_CHECK(NotImplementedError, !writes_outside(*b), "onnx.export: a ", endless ? "while" : "for",
               " loop whose end depends on the inputs writes to what is outside of it");
      e.nodes.resize(nodes);
      return written_loop(n);
    }
    RL_CHECK(NotImplementedError, on.constant, "onnx.export: a loop whose end depends on the inputs from round ", i,
             " on");
    go = on.value.to_bool();
    for (size_t k = 0; k < carried.size(); k++) carried[k] = get(b->outputs()[k + 1]);
  }
  for (size_t k = 0; k < carried.size(); k++) known_[n->output(k)] = carried[k];
}

// Whether a block changes lists or tensors that were there before it.
bool Run::writes_outside(const Block& b) {
  for (Node* n : b) {
    bool writes = n->is("aten::append") || (n->op && n->op->mutates()) || n->is("aten::_set_item");
    if (writes && !is_in(n->input(0), &b)) return true;
    for (const Block* inner : n->blocks())
      if (writes_outside(*inner)) return true;
  }
  return false;
}

// As ONNX's Loop. Numbers that are carried are tensors without dimensions; what a round leaves as it is isn't carried.
void Run::written_loop(Node* n) {
  const Block* b = n->blocks()[0];
  DType wide = DType::Int64, boolean = DType::Bool;
  Known trips = get(n->input(0)), condition = get(n->input(1));
  size_t count = b->inputs().size() - 1;
  Names_ inputs = {trips.constant && trips.value.to_int() == INT64_MAX ? Name() : e.name_of(trips, &wide),
                   e.name_of(condition, &boolean)};
  std::vector<size_t> moved;
  Knowns first;
  for (size_t i = 0; i < count; i++)
    if (b->outputs()[i + 1] != b->inputs()[i + 1]) {
      moved.push_back(i);
      Known k = get(n->input(i + 2));
      RL_CHECK(NotImplementedError, k.value.is_tensor() || (k.value.is_scalar() && !k.value.is_complex()),
               "onnx.export: a loop whose rounds or end depend on the inputs carries a ", k.value.kind_name(),
               " from round to round");
      inputs.push_back(e.name_of(k));
      first.push_back(k);
    }
  Names_ names;
  AttributeValue body{"body", AttributeValue::G};
  Knowns last;
  {
    Inner inner(*this, b);
    bool sizes = std::exchange(sizes_known_, false);  // of what is carried they may change
    auto fresh = [&](const char* what, IValue v) {
      Known k;
      k.value = std::move(v);
      k.name = str(what, "_", e.count++);
      k.constant = false;
      return k;
    };
    Known round = fresh("round", int64_t(0)), go = fresh("go", true);
    Writer g;
    known_[b->inputs()[0]] = round;
    for (size_t i = 0; i < count; i++) known_[b->inputs()[i + 1]] = get(n->input(i + 2));
    Knowns in;
    for (size_t k = 0; k < moved.size(); k++) {
      in.push_back(fresh("carried", first[k].value));
      known_[b->inputs()[moved[k] + 1]] = in.back();
    }
    block(*b);
    Names_ out = {e.op("Identity", {e.name_of(get(b->outputs()[0]), &boolean)})};
    for (size_t k = 0; k < moved.size(); k++) {
      Known now = get(b->outputs()[moved[k] + 1]);
      auto same = [](const IValue& x, const IValue& y) {
        if (!x.is_tensor() || !y.is_tensor()) return x.is_tensor() == y.is_tensor() && x.is_double() == y.is_double();
        return x.tensor().dtype() == y.tensor().dtype() && x.tensor().dim() == y.tensor().dim();
      };
      RL_CHECK(NotImplementedError, same(now.value, first[k].value),
               "onnx.export: a loop that makes another kind of tensor of what it carries");
      out.push_back(e.op("Identity", {e.name_of(now)}));
      last.push_back(now);
    }
    inner.write(g, "body");
    auto info = [&](int field, const Name& name, const IValue& v) {
      g.message(field, [&](Writer& w) { write_info(w, name, v, nullptr, true); });
    };
    info(11, round.name, round.value);
    info(11, go.name, go.value);
    for (const Known& k : in) info(11, k.name, k.value);
    info(12, out[0], true);
    for (size_t k = 0; k < moved.size(); k++) info(12, out[k + 1], last[k].value);
    body.s = std::move(g.out);
    sizes_known_ = sizes;
  }
  names = e.ops("Loop", inputs, moved.size(), {body});
  for (size_t i = 0; i < count; i++) known_[n->output(i)] = get(n->input(i + 2));
  for (size_t k = 0; k < moved.size(); k++) {
    Known y = last[k];
    y.other = {};
    y.name = names[k];
    y.constant = y.of_sizes = false;
    known_[n->output(moved[k])] = y;
  }
}

void Run::node(Node* n) {
  if (n->is("prim::Constant")) {
    Known k;
    if (auto sized = sized_.find(n); sized != sized_.end()) {
      known_[n->output()] = sized->second;
      return;
    }
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
    k.items = std::make_shared<std::vector<Known>>();
    for (Known* i : in) k.items->push_back(*i);
    gather(k, n->is("prim::TupleConstruct") ? nullptr : n->output()->type()->element());
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("prim::DictConstruct")) {  // its values in order; keys are constants
    Known k;
    k.items = std::make_shared<std::vector<Known>>();
    auto dict = make_ref<DictValue>(n->output()->type()->contained()[0], n->output()->type()->contained()[1]);
    for (size_t i = 0; i + 1 < in.size(); i += 2) {
      RL_CHECK(NotImplementedError, in[i]->constant && !dict->find(in[i]->value),
               "onnx.export: a dict whose keys depend on the inputs, or are there twice");
      dict->set(in[i]->value, in[i + 1]->value);
      k.items->push_back(*in[i + 1]);
      k.constant &= in[i + 1]->constant;
    }
    k.value = IValue(std::move(dict));
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("aten::__getitem__") && in[0]->value.is_dict() && in[0]->items && in[1]->constant) {
    const auto& entries = in[0]->value.dict().items;
    for (size_t i = 0; i < entries.size(); i++)
      if (graph::values_equal(entries[i].first, in[1]->value)) {
        Known item = (*in[0]->items)[i];
        known_[n->output()] = std::move(item);
        return;
      }
  }
  if (n->is("prim::ListUnpack") || n->is("prim::TupleUnpack") || n->is("prim::TupleIndex") ||
      (n->is("aten::__getitem__") && in[0]->items && in[1]->constant)) {
    auto item = [&](size_t i) { return items_of(*in[0]).at(i); };
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
    const IValue &a = in[0]->value, &b = in[1]->value;
    bool same = a.is_tensor() && b.is_tensor() ? a.tensor().impl() == b.tensor().impl() : a.is_none() == b.is_none();
    k.value = same == n->is("aten::__is__");
    known_[n->output()] = std::move(k);
    return;
  }
  if (n->is("aten::append")) {
    if (!in[0]->items) in[0]->items = std::make_shared<std::vector<Known>>(items_of(*in[0]));
    RL_CHECK(NotImplementedError, is_local(n->input(0)),
             "onnx.export: a list that grows in a branch or a loop which depends on the inputs");
    in[0]->items->push_back(*in[1]);
    gather(*in[0], n->input(0)->type()->element());
    if (!n->outputs().empty()) known_[n->output()] = *in[0];
    return;
  }
  // Lists of numbers that depend on the inputs, as sizes do.
  bool on_list = !in.empty() && in[0]->value.is_any_list() &&
                 std::any_of(in.begin(), in.end(), [](Known* k) { return k->items && !k->constant; });
  if (on_list && (n->is("aten::add") || n->is("aten::slice") || n->is("aten::list") || n->is("aten::mul"))) {
    std::vector<Known> all = items_of(*in[0]), out;
    if (n->is("aten::add")) {
      out = all;
      for (Known& k : items_of(*in[1])) out.push_back(k);
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
    k.items = std::make_shared<std::vector<Known>>(std::move(out));
    gather(k, n->output()->type()->element());
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
  bool compares = comparisons.contains(kind) && std::none_of(in.begin(), in.end(), [](Known* k) {
                    return k->value.is_tensor() || !(k->constant || k->of_sizes);
                  });
  if (constant && !e.options.fold_constants && export_rules().contains(kind))
    for (const Known* k : in) constant &= k->name.empty();  // of parameters
  bool known = constant || compares || facts.contains(kind) || (sizes_known_ && sizes.contains(kind));
  bool sizes_only = true;
  for (Known* k : in) sizes_only &= k->constant || k->of_sizes;
  for (Known& k : c.out) k.of_sizes = sizes_only || sizes.contains(kind);
  if (!known) write(c);
  // What writes to a tensor makes it another, which the values that it was known by are from here on.
  if (n->op && n->op->mutates() && kind.ends_with("_") && in[0]->value.is_tensor()) {
    written_to(n->input(0), c.out[0]);
    c.out[0] = get(n->input(0));
  }
  for (size_t i = 0; i < c.out.size(); i++) known_[n->output(i)] = c.out[i];
}

// ---- operators: a rule, a text, a formula, or what a composite calls ----

void Run::name_outputs(Call& c, const Names_& names) {
  RL_INVARIANT(names.size() >= c.out.size() || c.out[0].value.is_any_list(), c.node->kind(), ": its rule gives ",
               names.size(), " names");
  if (c.out.size() == 1 && c.out[0].value.is_any_list()) {
    c.out[0].items = std::make_shared<Knowns>();
    for (size_t i = 0; i < names.size(); i++) {
      Known k;
      k.value = graph::list_get(c.out[0].value, i);
      if (c.out[0].other.is_any_list() && graph::list_size(c.out[0].other) == names.size())
        k.other = graph::list_get(c.out[0].other, i);
      k.name = names[i];
      k.constant = false;
      k.of_sizes = c.out[0].of_sizes;
      c.out[0].items->push_back(std::move(k));
    }
    c.out[0].constant = false;
  } else {
    for (size_t i = 0; i < c.out.size(); i++) {
      c.out[i].name = names[i];
      c.out[i].constant = false;
    }
  }
}

namespace {

// A call as a function of the front end sees it.
class CustomCall final : public script::ExportCall {
 public:
  explicit CustomCall(Call& c) : c_(c) {}
  std::string kind() const override { return c_.node->kind(); }
  size_t size() const override { return c_.in.size(); }
  IValue example(size_t i) const override { return c_.in.at(i)->value; }
  bool is_constant(size_t i) const override { return c_.in.at(i)->constant && c_.in.at(i)->name.empty(); }
  std::string name(size_t i) override {
    return c_.in.at(i)->value.is_int_list() ? c_.e.joined(*c_.in[i]) : c_.e.name_of(*c_.in.at(i));
  }
  std::string constant(const Tensor& t) override { return c_.e.constant(t); }
  std::vector<std::string> node(const std::string& type, const std::vector<std::string>& inputs, size_t outputs,
                                const std::vector<std::pair<std::string, IValue>>& attributes) override {
    size_t colons = type.find("::");
    std::string domain = colons == type.npos ? "" : type.substr(0, colons);
    if (domain == "onnx" || domain == "ai.onnx") domain.clear();
    AttributeList list;
    for (const auto& [name, v] : attributes) list.push_back(attribute(name, v));
    return c_.e.ops(type.substr(colons == type.npos ? 0 : colons + 2).c_str(), inputs, outputs, list, domain.c_str());
  }

 private:
  static AttributeValue attribute(const std::string& name, const IValue& v) {
    if (v.is_int() || v.is_bool()) return at(name, v.is_int() ? v.to_int() : int64_t(v.to_bool()));
    if (v.is_double()) return at(name, v.to_double());
    if (v.is_string()) return at(name, std::string(v.to_string()));
    if (v.is_int_list()) return at(name, v.int_list().vec());
    AttributeValue a{name, AttributeValue::T};
    if (v.is_tensor()) {
      a.t = v.tensor();
      return a;
    }
    RL_CHECK(TypeError, v.is_any_list(), "onnx.export: the attribute '", name, "' is a ", v.kind_name());
    a.kind = v.is_double_list() ? AttributeValue::Fs : AttributeValue::Ss;
    for (size_t i = 0; i < graph::list_size(v); i++) {
      IValue item = graph::list_get(v, i);
      if (item.is_double()) a.fs.push_back(item.to_double());
      else a.ss.emplace_back(item.to_string());
    }
    return a;
  }
  Call& c_;
};

}  // namespace

void Run::write(Call& c) {
  Node* n = c.node;
  std::string kind = n->kind();
  if (e.options.custom_operators.contains(kind)) {
    CustomCall call(c);
    return name_outputs(c, e.options.custom(call));
  }
  const auto& rules = export_rules();
  auto rule = rules.find(kind);
  bool in_place = rule == rules.end() && kind.ends_with("_") && !kind.ends_with("__");
  if (in_place) kind.pop_back();
  if (in_place) {
    RL_CHECK(NotImplementedError, is_local(n->input(0)), "onnx.export: ", n->kind(),
             " in a branch or a loop writes to a tensor from outside of it");
  }
  // A copy is what its view is: a model has values and no memory.
  if (kind.ends_with("_copy") && kind != "aten::index_copy" && !rules.contains(kind)) kind.resize(kind.size() - 5);
  if (has_complex(c)) {
    std::string text = "aten::_complex_" + kind.substr(kind.find("::") + 2);
    if (!write_complex(c, kind, [&](Call& part) { write(part); }) && !by_text(c, text) && !by_parts(c))
      throw NotImplementedError(str("onnx.export: ", n->kind(), " of complex numbers can't be exported"));
    return;
  }
  rule = rules.find(kind);
  if (!lifted(c, kind)) {
    if (rule != rules.end()) name_outputs(c, rule->second(c));
    else if (!by_text(c, kind)) {
      Names_ names = by_formula(c);
      if (!names.empty()) name_outputs(c, names);
      else if (!by_parts(c))
        throw NotImplementedError(str("onnx.export: ONNX has nothing for ", n->kind(), " (of operators, at ",
                                      n->location.file, ":", n->location.line, ")"));
    }
  }
}

namespace {

// Whether the first argument's memory is the first result's: the node is a view of it, or wrote to it.
bool is_view(const Node* n) {
  if (!n->op || n->inputs().empty() || n->outputs().empty()) return false;
  for (const Op::Effect& s : n->op->shares())
    if (s.arg == 0) return true;
  return n->op->mutates() && n->kind().ends_with("_");
}
bool in_one_storage(const IValue& a, const IValue& b) {
  return a.is_tensor() && b.is_tensor() && &a.tensor().storage() == &b.tensor().storage();
}
// The elements of `part`, put where `places` says.
IValue with_part(const IValue& whole, const IValue& places, const IValue& part) {
  if (!whole.is_tensor() || !places.is_tensor() || !part.is_tensor()) return {};
  const Tensor& from = whole.tensor();
  Tensor made = empty_tensor(from.sizes(), from.dtype());
  copy_elements(made, from);
  Tensor at = dense(places.tensor()), values = dense(part.tensor());
  size_t each = item_size(made.dtype());
  for (int64_t i = 0; i < at.numel(); i++)
    std::memcpy(static_cast<char*>(made.raw()) + size_t(at.data<int64_t>()[i]) * each,
                static_cast<const char*>(values.raw()) + size_t(i) * each, each);
  return made;
}

}  // namespace

// A tensor that a program writes to, perhaps a part of another: the model makes new ones of it, of what it is a part of, and of the parts that were
// taken before.
void Run::written_to(Value* v, const Known& made) {
  std::vector<Node*> path;  // from the whole to v
  Value* whole = v;
  while (is_view(whole->node()) && in_one_storage(get(whole).value, get(whole->node()->input(0)).value)) {
    path.insert(path.begin(), whole->node());
    whole = whole->node()->input(0);
  }
  RL_CHECK(NotImplementedError, is_local(whole),
           "onnx.export: a branch or a loop writes to a tensor from outside of it");
  bool part = std::any_of(path.begin(), path.end(), [](Node* n) { return !n->op->mutates(); });
  Known old = get(whole);
  if (!part) {
    known_[whole] = made;
  } else {
    // The places of the part in the whole, by doing to all places what was done to it.
    auto places = [](const IValue& like) {
      if (!like.is_tensor()) return IValue();
      Tensor t = empty_tensor(like.tensor().sizes(), DType::Int64);
      for (int64_t i = 0; i < t.numel(); i++) t.data<int64_t>()[i] = i;
      return IValue(t);
    };
    Known all;
    all.value = places(old.value);
    all.other = places(old.other);
    bool fixed = e.options.dynamic_axes.empty() || old.constant;
    if (!fixed && old.other.is_tensor()) fixed = old.other.tensor().sizes() == old.value.tensor().sizes();
    DType wide = DType::Int64;
    if (!fixed) {
      Name n = e.op("Size", {e.name_of(old)});
      Name line = e.op("Range", {e.number(0, wide), n, e.number(1, wide)});
      all.name = e.op("Reshape", {line, e.op("Shape", {e.name_of(old)})});
      all.constant = false;
    }
    known_[whole] = all;
    for (Node* step : path)
      if (step->op->mutates()) known_[step->output()] = get(step->input(0));
      else node(step);
    Known at_ = get(v), m = made, now;
    now.constant = old.constant && made.constant;
    if (!now.constant) {
      RL_CHECK(NotImplementedError, e.opset >= 11, "onnx.export: writing to a part of a tensor, before opset 11");
      Name to = e.name_of(old), flat = e.ints({-1});
      auto line = [&](const Name& x) { return e.op("Reshape", {x, flat}); };
      DType d = old.value.tensor().dtype();
      Name y = e.op("ScatterElements", {line(to), line(e.name_of(at_)), line(e.name_of(m, &d))}, {at("axis", 0)});
      now.name = e.op("Reshape", {y, e.op("Shape", {to})});
    }
    now.value = with_part(old.value, at_.value, made.value);
    now.other = with_part(old.constant ? old.value : old.other, at_.constant ? at_.value : at_.other,
                          made.constant ? made.value : made.other);
    known_[whole] = now;
  }
  again(whole);
}

// Views of a value that were taken before, as of what it is now.
void Run::again(Value* v) {
  for (const graph::Use& u : std::vector<graph::Use>(v->uses())) {
    Node* n = u.user;
    if (u.index != 0 || !is_view(n)) continue;
    if (!known_.contains(n->output())) continue;
    if (n->op->mutates()) known_[n->output()] = get(v);
    else node(n);
    again(n->output());
  }
}

// A tensor without dimensions counts as one of a dimension where an operator is told one; ONNX has no such exception.
bool Run::lifted(Call& c, const std::string& kind) {
  const Schema* schema = c.node->schema();
  if (lifting_ || c.in.empty() || !c.in[0]->value.is_tensor() || c.rank(0) != 0 || !schema || kind == "aten::unsqueeze")
    return false;
  auto told = [](const Argument& a) { return a.name == "dim" || a.name == "dims" || a.name == "axis"; };
  if (std::none_of(schema->args.begin(), schema->args.end(), told)) return false;
  for (const Known& k : c.out)
    if (!k.value.is_tensor()) return false;
  auto flat = [](const Tensor& t) {
    Tensor one = empty_tensor({1}, t.dtype());
    std::memcpy(one.raw(), dense(t).raw(), size_t(t.nbytes()));
    return one;
  };
  Knowns lines(c.in.size());
  std::vector<Known*> in;
  for (size_t i = 0; i < c.in.size(); i++) {
    Known& k = lines[i] = *c.in[i];
    in.push_back(&k);
    if (!k.value.is_tensor() || k.value.tensor().dim() || schema->args[i].name == "value") continue;
    if (!k.constant) k.name = e.unsqueeze(e.name_of(*c.in[i]), {0});
    else k.name.clear();
    k.value = flat(k.value.tensor());
    k.other = k.other.is_tensor() && !k.other.tensor().dim() ? IValue(flat(k.other.tensor())) : IValue();
  }
  Call line{e, c.node, in, {}};
  compute(c.node, in, line.out);
  lifting_ = true;
  write(line);
  lifting_ = false;
  for (size_t i = 0; i < c.out.size(); i++) {
    int64_t wanted = c.out[i].value.tensor().dim(), have = line.out[i].value.tensor().dim();
    RL_CHECK(NotImplementedError, have == wanted || (have == 1 && wanted == 0), "onnx.export: ", kind,
             " of a tensor without dimensions");
    c.out[i].name = have == wanted ? line.out[i].name : e.squeeze(line.out[i].name, {0});
    c.out[i].constant = false;
  }
  return true;
}

bool is_used(const Call& c, size_t i) { return c.out.size() == 1 || c.node->output(i)->has_uses(); }

// Nodes of a graph that stands for the call; its results are to look as the call's do.
void Run::expand(Call& c, std::shared_ptr<graph::Graph> g) {
  graphs_.push_back(g);
  RL_CHECK(NotImplementedError, graphs_.size() < 20000 && ++depth_ < 40, "onnx.export: ", c.node->kind(),
           " consists of too much");
  block(*g->block());
  depth_--;
  auto differ = [&](const IValue& a, const IValue& b) {
    return a.is_tensor() != b.is_tensor() ||
           (a.is_tensor() && (a.tensor().dtype() != b.tensor().dtype() || a.tensor().sizes() != b.tensor().sizes()));
  };
  for (size_t i = 0; i < c.out.size(); i++) {
    Known& made = get(g->outputs()[i]);
    RL_CHECK(NotImplementedError, !is_used(c, i) || !differ(made.value, c.out[i].value),
             "onnx.export: ", c.node->kind(), " of these arguments consists of what gives something else");
    IValue own = std::move(c.out[i].value);  // a view is one still: what is written to it is written to the whole
    c.out[i] = made;
    if (is_used(c, i)) c.out[i].value = std::move(own);
  }
}

bool Run::by_text(Call& c, const std::string& kind) {
  const Schema* schema = c.node->schema();
  script::StmtPtr def = kind.starts_with("aten::") && schema ? export_text(kind.substr(6)) : nullptr;
  if (!def) return false;
  class Helpers final : public script::Resolver {
   public:
    script::SugaredPtr resolve(const std::string& name, const script::Range&) override {
      script::StmtPtr helper = name.starts_with("_") ? export_text(name) : nullptr;
      if (name == "functional") return std::make_shared<script::Namespace>("ops." + name);
      return helper ? std::make_shared<script::InlineFunction>(helper, this, nullptr) : nullptr;
    }
  };
  static const auto names = std::make_shared<Helpers>();
  auto g = std::make_shared<graph::Graph>();
  script::Lowering lowering(*g, *names);
  script::Range here;
  std::vector<script::CallArg> args;
  for (size_t i = 0; i < schema->args.size(); i++) {
    const Argument& a = schema->args[i];
    const Known& k = *c.in[i];
    bool taken = std::any_of(def->params.begin(), def->params.end(), [&](const auto& p) { return p.name == a.name; });
    if (!taken) {
      bool plain =
          k.constant && (k.value.is_none() || (a.has_default && graph::values_equal(k.value, a.default_value)));
      RL_CHECK(NotImplementedError, plain || a.name == "out", "onnx.export: ", c.node->kind(), ": ", a.name);
      continue;
    }
    if (k.constant && !k.value.is_tensor() && !k.value.is_tensor_list() && !k.items) {
      args.push_back({here, a.name, script::constant_of(k.value)});
      continue;
    }
    TypePtr type = c.node->input(i)->type();
    if (type->is(Type::Kind::Optional)) type = type->element();
    graph::Value* v = g->add_input(a.name, k.value.is_tensor() ? Type::tensor() : type);
    known_[v] = k;
    args.push_back({here, a.name, script::graph_value(v)});
  }
  script::SugaredPtr result = script::InlineFunction(def, names.get(), names).call(here, lowering, args);
  std::vector<script::SugaredPtr> items;
  if (c.out.size() == 1) items.push_back(result);
  else RL_INVARIANT(result->items(here, lowering, items) && items.size() == c.out.size(), kind, ": its text's results");
  for (const script::SugaredPtr& i : items) g->register_output(i->as_value(here, lowering));
  graph::optimize(*g);
  expand(c, g);
  return true;
}

// Elements in the order from the last to the first.
void reverse_elements(const Tensor& t) {
  auto* p = static_cast<char*>(t.raw());
  size_t each = item_size(t.dtype()), n = size_t(t.numel());
  for (size_t i = 0; i < n / 2; i++) std::swap_ranges(p + i * each, p + (i + 1) * each, p + (n - 1 - i) * each);
}

bool about_equal(const IValue& a, const IValue& b) {
  if (a.is_tensor_list()) {
    if (!b.is_tensor_list() || a.tensor_list().size() != b.tensor_list().size()) return false;
    for (size_t i = 0; i < a.tensor_list().size(); i++)
      if (!about_equal(a.tensor_list()[i], b.tensor_list()[i])) return false;
    return true;
  }
  if (!a.is_tensor() || !b.is_tensor()) return a.is_tensor() == b.is_tensor();
  const Tensor &x = a.tensor(), &y = b.tensor();
  if (x.sizes() != y.sizes() || x.dtype() != y.dtype()) return false;
  const bool pairs = is_complex(x.dtype());
  const DType wide = pairs ? DType::Complex128 : DType::Float64;
  Tensor u = dense(x, wide), v = dense(y, wide);
  for (int64_t i = 0; i < u.numel() * (pairs ? 2 : 1); i++) {
    double p = static_cast<const double*>(u.raw())[i], q = static_cast<const double*>(v.raw())[i];
    if (p != q && !(std::isnan(p) && std::isnan(q)) && !(std::abs(p - q) <= 1e-4 * (1 + std::abs(q)))) return false;
  }
  return true;
}

// What dynamic axes have more than three times as much. Own: another number for each size, so that none follows from another by chance; Each: for
// each axis of each argument, so that none follows from one of the same size; Times: likewise, in multiples of the size.
enum class Bit : int64_t { None, One, Own, Each, Times };
// The value where the dynamic axes are three times as long and a bit; `place` counts axes.
IValue longest(const IValue& a, const IValue& b, Bit more, int64_t& place) {
  auto beyond = [&](int64_t x, int64_t y) {
    place++;
    if (x == y) return x;
    int64_t own = 1 + 2 * (x % 7);
    if (more == Bit::Times) return 2 * y - x + x * place;
    return 2 * y - x + (more == Bit::Each ? own + 2 * place : more == Bit::Own ? own : int64_t(more));
  };
  if (a.is_int() && b.is_int()) return beyond(a.to_int(), b.to_int());
  if (a.is_tensor() && b.is_tensor() && a.tensor().dim() == b.tensor().dim()) {
    const Tensor from = dense(b.tensor());
    Dims sizes = from.sizes();
    for (int64_t k = 0; k < from.dim(); k++) sizes[size_t(k)] = beyond(a.tensor().size(k), from.size(k));
    Tensor made = empty_tensor(sizes, from.dtype());
    size_t each = item_size(made.dtype());
    for (int64_t i = 0; i < made.numel() && from.numel(); i++)
      std::memcpy(static_cast<char*>(made.raw()) + size_t(i) * each,
                  static_cast<const char*>(from.raw()) + size_t(i % from.numel()) * each, each);
    return made;
  }
  return b;
}

// The arguments of a composite, tensors that nobody else has.
enum class Like { Example, Backwards, Longer, Longest };
std::vector<IValue> fresh_arguments(Call& c, Like like, Bit more = Bit::None) {
  std::map<const TensorImpl*, Tensor> fresh;
  std::vector<Tensor> kept;  // so that no other tensor gets their address
  int64_t place = 0;
  auto own = [&](const Tensor& t) {
    kept.push_back(t);
    Tensor& made = fresh[t.impl()];
    if (!made.defined()) {
      made = empty_tensor(t.sizes(), t.dtype());
      copy_elements(made, t);
      if (like == Like::Backwards) reverse_elements(made);
    }
    return made;
  };
  auto pick = [&](const IValue& value, const IValue& other, bool constant) {
    if (constant || like == Like::Example || like == Like::Backwards) return value;
    return like == Like::Longer ? other : longest(value, other, more, place);
  };
  std::vector<IValue> args;
  for (size_t i = 0; i < c.in.size(); i++) {
    const Known& k = *c.in[i];
    IValue v = like == Like::Example || like == Like::Backwards || k.constant ? k.value : k.other;
    if (v.is_tensor()) {
      v = own(pick(k.value, k.other, k.constant).tensor());
    } else if (v.is_tensor_list()) {
      std::vector<Tensor> all;
      for (size_t n = 0; n < v.tensor_list().size(); n++) {
        const Tensor& t = v.tensor_list()[n];
        bool both = !k.constant && k.value.is_tensor_list() && n < k.value.tensor_list().size() && t.defined();
        IValue item = both && like == Like::Longest ? longest(k.value.tensor_list()[n], t, more, place) : IValue(t);
        all.push_back(t.defined() ? own(item.tensor()) : t);
      }
      v = all;
    } else if (v.is_int()) {
      v = pick(k.value, k.other, k.constant);
    } else if (v.is_generic_list() || v.is_int_list()) {
      std::vector<IValue> all;
      for (size_t n = 0; n < graph::list_size(v); n++) {
        IValue item = graph::list_get(v, n);
        bool both = !k.constant && n < graph::list_size(k.value);
        if (both && like == Like::Longest) item = longest(graph::list_get(k.value, n), item, more, place);
        all.push_back(item.is_tensor() ? IValue(own(item.tensor())) : item);
      }
      v = graph::make_list(c.node->input(i)->type()->element(), std::move(all));
    }
    args.push_back(v);
  }
  return args;
}

// What a composite calls for arguments. Null: it returns something else than what its calls gave, or decides by values.
std::shared_ptr<graph::Graph> trace_of(Call& c, std::vector<IValue> args) {
  graph::Tracer tracer;
  bool read = false;
  tracer.lost = [&](Read) { read = true; };
  std::vector<IValue> rets(c.out.size());
  for (size_t i = 0; i < args.size(); i++)
    if (args[i].is_tensor() || args[i].is_tensor_list()) tracer.add_input(c.node->schema()->args[i].name, args[i]);
  {
    graph::Tracing tracing(tracer);
    c.node->op->run(args.data(), rets.data());
  }
  for (const IValue& r : rets) {
    if (r.is_tensor() && !tracer.knows(r.tensor())) return nullptr;
    if (r.is_tensor_list())
      for (const Tensor& t : r.tensor_list())
        if (!tracer.knows(t)) return nullptr;
  }
  if (read) return nullptr;
  auto g = tracer.graph();
  for (size_t i = 0; i < rets.size(); i++)
    if (is_used(c, i)) tracer.add_output(rets[i]);
    else g->register_output(g->insert_constant(IValue()));
  tracer.finish();
  return g;
}

// Whether a trace computes what the composite does for arguments.
bool agrees(Call& c, graph::Executable& program, std::vector<IValue> args) {
  std::vector<IValue> given, wanted(c.out.size());
  for (const IValue& v : args)
    if (v.is_tensor() || v.is_tensor_list()) given.push_back(v);
  c.node->op->run(args.data(), wanted.data());
  std::vector<IValue> got = program.run(given);
  for (size_t i = 0; i < got.size(); i++)
    if (is_used(c, i) && !about_equal(got[i], wanted[i])) return false;
  return true;
}

// A composite as what it calls for the examples. What its C++ reads, sizes above all, are numbers there, so that the graph is tried on
// other values, and on other sizes where an axis is dynamic.
bool Run::by_parts(Call& c) {
  const Op* op = c.node->op;
  if (!op || op->def().kernel.kind != Kernel::Kind::Composite || op->registered()) return false;
  for (const Known& k : c.out)
    if (!k.value.is_tensor() && !k.value.is_tensor_list()) return false;
  auto g = trace_of(c, fresh_arguments(c, Like::Example));
  if (!g) return false;
  graph::forget_shapes(*g);
  graph::optimize(*g);
  graph::Executable program(g, false);
  try {
    if (!agrees(c, program, fresh_arguments(c, Like::Backwards))) return false;
  } catch (const Error&) {}  // values in that order make no sense to it
  std::vector<IValue> others;
  if (!e.options.dynamic_axes.empty()) {
    bool known = true;
    for (const Known* k : c.in) known &= k->constant || !k->other.is_none() || k->value.is_none();
    auto try_ = [](auto&& f) {
      try {
        return f();
      } catch (const Error&) { return false; }  // sizes of the example don't fit
    };
    known = known && (try_([&] { return agrees(c, program, fresh_arguments(c, Like::Longer)); }) ||
                      try_([&] { return by_sizes(c, g); }));
    RL_CHECK(NotImplementedError, known, "onnx.export: ", c.node->kind(), " where an axis is dynamic");
    for (const Known& k : c.out) others.push_back(k.other);
  }
  size_t at = 0;
  for (size_t i = 0; i < c.in.size(); i++)
    if (c.in[i]->value.is_tensor() || c.in[i]->value.is_tensor_list()) known_[g->inputs()[at++]] = *c.in[i];
  expand(c, g);
  for (size_t i = 0; i < others.size(); i++)
    RL_CHECK(NotImplementedError, !is_used(c, i) || others[i].is_none() || about_equal(c.out[i].other, others[i]),
             "onnx.export: ", c.node->kind(), " where an axis is dynamic");
  return true;
}

namespace {
// What a constant of the first trace is in the second.
IValue twin(const std::array<std::shared_ptr<graph::Graph>, 3>& traces, const Node* node) {
  auto second = traces[1]->block()->begin();
  for (const Node* n : *traces[0]->block()) {
    if (n == node) return (*second)->attribute("value");
    ++second;
  }
  return {};
}
}  // namespace

// What numbers may follow from: sizes of an argument and numbers in it, for three examples, and how the model has each.
void Run::sizes_of(const std::array<IValue, 3>& v, const Known& k, std::vector<ThreeNumbers>& sizes,
                   std::vector<std::function<Name()>>& names) {
  if (v[0].is_int()) {
    sizes.push_back({double(v[0].to_int()), double(v[1].to_int()), double(v[2].to_int())});
    names.emplace_back([this, own = Known(k)]() mutable { return e.name_of(own); });
  } else if (v[0].is_tensor() && v[0].tensor().defined()) {
    for (int64_t axis = 0; axis < v[0].tensor().dim(); axis++) {
      auto size = [&](size_t i) { return double(v[i].tensor().size(axis)); };
      sizes.push_back({size(0), size(1), size(2)});
      names.emplace_back([this, own = Known(k), axis]() mutable {
        Name x = is_complex(own.value.tensor().dtype()) ? own.name : e.name_of(own);
        return e.op("Gather", {e.op("Shape", {x}), e.number(double(axis), DType::Int64)}, {at("axis", 0)});
      });
    }
  } else if (v[0].is_any_list()) {
    std::vector<Known> items = items_of(k);
    for (size_t n = 0; n < items.size(); n++)
      sizes_of({graph::list_get(v[0], n), graph::list_get(v[1], n), graph::list_get(v[2], n)}, items[n], sizes, names);
  }
}

// Numbers in the trace that follow from sizes of the arguments, as the model computes them: Note [Sizes in parts].
bool Run::by_sizes(Call& c, std::shared_ptr<graph::Graph>& g) {
  std::array<std::shared_ptr<graph::Graph>, 3> traces;
  std::map<const Node*, SizeFormula> found;
  std::vector<std::function<Name()>> names;
  int errors = 0;
  auto follow = [&](Bit more) {
    std::array<std::vector<IValue>, 3> args;
    for (size_t k = 0; k < 3; k++) {
      args[k] = fresh_arguments(c, k == 0 ? Like::Example : k == 1 ? Like::Longer : Like::Longest, more);
      traces[k] = trace_of(c, args[k]);
      if (!traces[k]) return false;
    }
    std::vector<ThreeNumbers> sizes;
    names.clear();
    found.clear();
    for (size_t i = 0; i < c.in.size(); i++)
      if (!c.in[i]->constant) sizes_of({args[0][i], args[1][i], args[2][i]}, *c.in[i], sizes, names);
    return follow_sizes(traces, sizes, errors >= 3, found);
  };
  bool followed = false;
  for (Bit more : {Bit::Each, Bit::Own, Bit::One, Bit::Times, Bit::None}) {
    try {
      followed = follow(more);
    } catch (const Error&) { errors++; }  // of sizes that the program never has together
    if (followed) break;
  }
  if (!followed) return false;
  for (const auto& [node, f] : found) {
    auto whole = [&](int64_t v) { return e.scalar(v, DType::Int64); };
    Name x = names[size_t(f.first)]();
    if (f.second >= 0) x = e.op("Mul", {x, names[size_t(f.second)]()});
    if (f.times != 1) x = e.op("Mul", {x, whole(f.times)});
    if (f.plus) x = e.op("Add", {x, whole(f.plus)});
    if (f.over != 1) x = e.op("Div", {x, whole(f.over)});
    Known k;
    k.value = node->attribute("value");
    k.other = twin(traces, node);
    DType d = k.value.is_int() ? DType::Int64 : k.value.is_tensor() ? k.value.tensor().dtype() : DType::Float32;
    if (f.inverse) x = e.op("Reciprocal", {e.cast(x, d)});
    else if (d != DType::Int64) x = e.cast(x, d);
    k.name = x;
    k.constant = false;
    k.of_sizes = true;
    sized_[node] = std::move(k);
  }
  g = traces[0];
  return true;
}

void Run::flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat) {
  into.value = into.other = v;
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

// The tensor once more after itself, along each of the axes.
Tensor twice_as_long(Tensor t, const std::map<int64_t, std::string>& axes) {
  for (const auto& [given, name] : axes) {
    int64_t axis = given;
    RL_CHECK(IndexError, axis >= -t.dim() && axis < t.dim(), "onnx.export: dynamic axis ", axis, " of an input of ",
             t.dim(), " dimensions");
    axis += axis < 0 ? t.dim() : 0;
    Dims sizes = t.sizes();
    sizes[size_t(axis)] *= 2;
    Tensor made = empty_tensor(sizes, t.dtype());
    int64_t outer = 1, inner = int64_t(item_size(t.dtype()));
    for (int64_t k = 0; k < axis; k++) outer *= t.size(k);
    for (int64_t k = axis; k < t.dim(); k++) inner *= t.size(k);
    Tensor from = dense(t);
    for (int64_t o = 0; o < outer * 2; o++)
      std::memcpy(static_cast<char*>(made.raw()) + o * inner, static_cast<const char*>(from.raw()) + o / 2 * inner,
                  size_t(inner));
    t = made;
  }
  return t;
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
  for (Known* k : inputs) in.push_back(with_parts_last(e, *k));
  auto axes_of = [&](const Name& name) -> const std::map<int64_t, std::string>* {
    auto found = e.options.dynamic_axes.find(name);
    return found == e.options.dynamic_axes.end() ? nullptr : &found->second;
  };
  for (Known* k : inputs)
    if (const auto* axes = axes_of(k->name)) k->other = twice_as_long(k->value.tensor(), *axes);
  for (Known* k : inputs)
    if (is_complex(k->value.tensor().dtype())) split_parts(e, *k);
  for (size_t i = 1; i < g.inputs().size(); i++) regather(known_[g.inputs()[i]], g.inputs()[i]->type());
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
    Known out = with_parts_last(e, *outputs[i]);
    Name from = e.name_of(out);
    Name wanted = i < e.options.output_names.size() ? e.options.output_names[i] : str("output_", i);
    while (input_names.contains(wanted)) wanted += "_";
    Writer w;
    w.bytes(1, from), w.bytes(2, wanted), w.bytes(3, "output_node_" + std::to_string(i)), w.bytes(4, "Identity");
    e.nodes.push_back(std::move(w.out));
    outs.emplace_back(wanted, out.value);
  }
  for (const std::string& n : e.top) graph.bytes(1, n);
  for (const std::string& n : e.nodes) graph.bytes(1, n);
  graph.bytes(2, "main_graph");
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
  for (const auto& [domain, version] : e.domains)
    w.message(8, [&, &domain = domain, &version = version](Writer& o) {
      o.bytes(1, domain);
      o.varint(2, uint64_t(version));
    });
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
