#include "rushlight/onnx/export.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/export_rules.h"
#include "rushlight/onnx/export_run.h"

namespace rushlight::onnx {

using graph::Block;
using graph::Node;
using graph::Value;
using io::wire::Writer;

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

namespace {

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

}  // namespace

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

void Run::block(const Block& b) {
  for (Node* n : b) node(n);
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
  if (std::any_of(in.begin(), in.end(), [](Known* k) { return k->sequence; }) && !n->is("prim::TupleConstruct"))
    return on_sequence(n, in);
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
  // What it draws is no constant, though all that it is told is.
  constant &= !draws(kind);
  bool rows = kind == "aten::len" && in[0]->value.is_tensor(), of_size = rows || sizes.contains(kind);
  bool known = constant || compares || (facts.contains(kind) && !rows) || (sizes_known_ && of_size);
  bool sizes_only = true;
  for (Known* k : in) sizes_only &= k->constant || k->of_sizes;
  for (Known& k : c.out) k.of_sizes = sizes_only || of_size;
  if (!known) write(c);
  // What writes to a tensor makes it another, which the values that it was known by are from here on.
  if (n->op && n->op->mutates() && kind.ends_with("_") && in[0]->value.is_tensor()) {
    written_to(n->input(0), c.out[0]);
    c.out[0] = get(n->input(0));
  }
  for (size_t i = 0; i < c.out.size(); i++) known_[n->output(i)] = c.out[i];
}

namespace {

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

}  // namespace

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
