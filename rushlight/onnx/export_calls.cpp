// An operator's call: a rule, a text, a formula, or what a composite calls.
#include <algorithm>
#include <cstring>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/export_run.h"
#include "rushlight/script/lowering.h"

namespace rushlight::onnx {

using graph::Node;

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

// Another name of an operator's ("aten::special_erfc") as the name of its record; any other kind as it is.
std::string without_alias(const Node& n, const std::string& kind) {
  if (!n.op || !kind.starts_with("aten::")) return kind;
  const OpDef& def = n.op->def();
  bool is_alias =
      std::any_of(def.aliases.begin(), def.aliases.end(), [&](const char* a) { return kind.substr(6) == a; });
  std::string_view schema = def.schema;
  return is_alias ? str("aten::", schema.substr(0, schema.find_first_of(".("))) : kind;
}

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
  if (!rules.contains(kind)) kind = without_alias(*n, kind);
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

}  // namespace rushlight::onnx
