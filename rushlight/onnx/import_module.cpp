// The module of a model: its initialisers as parameters and buffers where their names say, its graph as `forward`.
#include <filesystem>

#include "rushlight/onnx/import.h"
#include "rushlight/onnx/onnx.h"

namespace rushlight::onnx {

using graph::ClassType;
using graph::Node;
using TK = Type::Kind;

namespace {

// Where initialisers stand: "layer1.0.weight" is weight of the module 0 of layer1.
struct Branch {
  std::map<std::string, std::unique_ptr<Branch>> children;
  const TensorProto* tensor = nullptr;
  IValue value;
  std::shared_ptr<ClassType> type;
};

std::string slot_name(std::string_view name) {
  std::string out;
  for (char c : name)
    out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ? c : '_';
  static const std::set<std::string> taken = {"", "training", "forward", "self", "None", "True", "False"};
  return taken.contains(out) ? out + "_" : out;
}

Ref<ObjectValue> object_of(Branch& b, const std::string& name, int& count) {
  b.type = std::make_shared<ClassType>(name, true);
  b.type->add_slot("training", Type::boolean());
  std::vector<IValue> values = {IValue(true)};
  for (auto& [child, branch] : b.children) {
    if (branch->tensor) {
      bool parameter = branch->value.is_tensor() && is_floating(branch->value.tensor().dtype()) &&
                       branch->value.tensor().item_size() > 1;
      bool tensor = branch->value.is_tensor();
      b.type->add_slot(child, tensor ? Type::tensor() : strings_type(), parameter, tensor && !parameter);
      if (parameter) branch->value.tensor().impl()->set_requires_grad(true);
      values.push_back(branch->value);
    } else {
      Ref<ObjectValue> object = object_of(*branch, str("__torch__.onnx.Module", ++count), count);
      b.type->add_slot(child, branch->type);
      values.push_back(IValue(std::move(object)));
    }
  }
  auto object = make_ref<ObjectValue>(b.type, values.size());
  object->slots = std::move(values);
  return object;
}

}  // namespace

Ref<ObjectValue> Importer::module() {
  const GraphProto& g = model_.graph;
  check_functions();
  constexpr size_t kMostModules = 20'000, kMostParts = 32;
  Branch root;
  std::vector<std::pair<const TensorProto*, std::vector<std::string>>> paths;
  std::vector<std::pair<const TensorProto*, IValue>> constants;
  std::set<std::string> flat;
  size_t modules = 0;
  std::set<Text> seen;
  auto place = [&](const TensorProto& t, IValue value) {
    check_name(t.name, "an initialiser");
    RL_CHECK(FileError, seen.insert(t.name).second, reader_.where(), ": the name '", t.name.substr(0, 200),
             "' is given twice, the second time to an initialiser");
    // Whole numbers of one dimension are shapes, axes and the like, which say what the graph is.
    if (value.is_tensor() && (t.type == kInt64 || t.type == kInt32) && value.tensor().numel() <= 64 &&
        value.tensor().dim() <= 1) {
      constants.emplace_back(&t, std::move(value));
      return;
    }
    std::vector<std::string> path;
    for (size_t at = 0; at <= t.name.size() && path.size() <= kMostParts;) {
      size_t dot = std::min(t.name.find('.', at), t.name.size());
      path.push_back(slot_name(t.name.substr(at, dot - at)));
      at = dot + 1;
    }
    if (path.size() > kMostParts || modules > kMostModules) path = {slot_name(t.name)};
    auto fits = [&] {
      Branch* b = &root;
      for (size_t i = 0; i < path.size(); i++) {
        auto found = b->children.find(path[i]);
        if (found == b->children.end()) return true;
        if (found->second->tensor || i + 1 == path.size()) return false;
        b = found->second.get();
      }
      return false;
    };
    for (int k = 0; !fits(); k++) path = {slot_name(t.name) + (k ? str("_", k) : "_")};
    Branch* b = &root;
    for (const std::string& part : path) {
      auto& child = b->children[part];
      if (!child) {
        child = std::make_unique<Branch>();
        modules++;
      }
      b = child.get();
    }
    b->tensor = &t;
    b->value = std::move(value);
    paths.emplace_back(&t, std::move(path));
  };
  for (const TensorProto& t : g.initialisers) place(t, reader_.read(t));
  for (const SparseTensorProto& t : g.sparse_initialisers) { place(t.values, reader_.read(t)); }
  int count = 0;
  Ref<ObjectValue> object = object_of(root, "__torch__.onnx.Model", count);

  graph::Graph& graph = *graph_;
  self_ = graph.add_input("self", root.type->unowned());
  Schema schema;
  schema.name = "forward";
  auto argument = [&](std::string name, TypePtr type) {
    Argument a;
    a.name = std::move(name);
    a.type = std::move(type);
    a.type_name = a.type->schema_text();
    return a;
  };
  schema.args.push_back(argument("self", self_->type()));
  Scope s;
  std::set<std::string> argument_names = {"self"};
  for (const ValueInfo& i : g.inputs) {
    if (seen.contains(i.name)) continue;  // an initialiser that a caller may give otherwise; here it is a parameter
    TypePtr type = i.type ? type_of(*i.type) : Type::tensor();
    std::string name = slot_name(i.name);
    if (name[0] >= '0' && name[0] <= '9') name = "input_" + name;
    while (!argument_names.insert(name).second) name += "_";
    Value* v = graph.add_input(name, type);
    if (i.type) names_->elems[v] = elem_of(*i.type);
    if (i.type && i.type->tensor && i.type->tensor->shape)
      names_->ranks[v] = int64_t(i.type->tensor->shape->dims.size());
    define(s, i.name, v, "an input");
    Argument a = argument(name, type);
    if (type->is(TK::Optional)) a.has_default = true;
    schema.args.push_back(std::move(a));
  }
  for (const auto& [t, value] : constants) {
    Value* c = constant(value);
    names_->elems[c] = t->type;
    define(s, t->name, c, "an initialiser");
  }
  std::map<std::vector<std::string>, Value*> holders;
  for (const auto& [t, path] : paths) {
    Value* at = self_;
    std::vector<std::string> so_far;
    for (const std::string& part : path) {
      so_far.push_back(part);
      Value*& held = holders[so_far];
      if (!held) {
        const ClassType* c = graph::as_class(at->type());
        Node* get = lowering_.emit(here_, "prim::GetAttr", {at});
        get->set_attribute("name", part);
        const TypePtr& type = c->slots[size_t(c->find_slot(part))].type;
        auto inner = graph::as_class_shared(type);
        held = get->output()->set_type(inner ? inner->unowned() : type);
      }
      at = held;
    }
    names_->elems[at] = t->type;
    names_->ranks[at] = int64_t(t->dims.size());
    names_->sizes[at] = t->dims;
    define(s, t->name, at, "an initialiser");
  }
  nodes(g.nodes, s);
  RL_CHECK(FileError, !g.outputs.empty(), reader_.where(), ": the graph has no outputs");
  Values outputs = outputs_of(g.outputs, s);
  Value* result = outputs[0];
  if (outputs.size() > 1) {
    std::vector<TypePtr> types;
    for (Value* v : outputs) types.push_back(v->type());
    result = lowering_.emit_typed(here_, "prim::TupleConstruct", outputs, Type::tuple(std::move(types)));
  }
  graph.register_output(result);
  schema.returns.push_back(argument("", result->type()));
  auto forward = std::make_shared<graph::Function>();
  forward->name = "forward";
  forward->compile = [graph = graph_, schema](graph::Function& into) {
    into.schema = schema;
    into.graph = graph;
  };
  root.type->add_method(forward);
  forward->made();
  return object;
}

Ref<ObjectValue> load(const io::Bytes& bytes, const std::string& name, const std::string& folder) {
  std::string where = str("load '", name, "'");
  std::string_view text(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
  ModelProto model = io::wire::parse<ModelProto>(text, where);
  RL_CHECK(FileError, model.ir_version > 0 || !model.opsets.empty() || !model.graph.nodes.empty(), where,
           ": no ONNX model");
  TensorReader reader(where, folder, text.size());
  // Models older than IR version 3 say no opset: 1 is meant.
  if (model.opsets.empty()) model.opsets.push_back({"", 1});
  return Importer(model, reader).module();
}

Ref<ObjectValue> load_file(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return load(io::map_file(path), path, folder.empty() ? "." : folder.string());
}

}  // namespace rushlight::onnx
