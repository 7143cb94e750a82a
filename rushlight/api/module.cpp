#include "rushlight/api/module.h"

#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>

#include "rushlight/api/lowered.h"
#include "rushlight/autograd/meta.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/to.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/future.h"
#include "rushlight/io/file.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::api {
namespace jit {

using graph::ClassType;

namespace {

const ClassType& class_of(const Ref<ObjectValue>& object) {
  const ClassType& type = *graph::as_class(object->type);
  // A copy shares its class, to which the other may have added an attribute since.
  if (object->slots.size() < type.slots.size()) object->slots.resize(type.slots.size());
  return type;
}
bool is_module(const rushlight::IValue& v) {
  const ClassType* type = v.is_object() ? graph::as_class(v.to_object().type) : nullptr;
  return type && type->is_module;
}

void become(const rushlight::Tensor& to, const rushlight::Tensor& from) {
  if (from.is_same(to)) return;
  rushlight::take_over(to, from);
}

// Texts of C++ programs know no names but those of the language.
struct NoNames final : rushlight::script::Resolver {
  rushlight::script::SugaredPtr resolve(const std::string&, const rushlight::script::Range&) override {
    return nullptr;
  }
};

Module read(const io::Bytes& bytes, const std::string& name, std::optional<Device> device, ExtraFilesMap* extra) {
  std::map<std::string, std::string> files;
  if (extra) files.insert(extra->begin(), extra->end());
  Module module(rushlight::script::load_module(bytes, name, &files, device));
  for (const auto& [file, text] : files) (*extra)[file] = text;
  return module;
}

}  // namespace

// ---- methods -------------------------------------------------------------------------------------------------------------

IValue Method::operator()(std::vector<IValue> inputs, const Kwargs& kwargs) const {
  std::vector<rushlight::IValue> args(inputs.begin(), inputs.end());
  if (kwargs.empty()) return rushlight::script::run_method(module_, name_, std::move(args));
  graph::Function& f = *class_of(module_).find_method(name_);
  f.made();
  const auto& wanted = f.schema.args;
  size_t used = 0;
  for (size_t i = args.size() + 1; i < wanted.size(); i++) {
    auto given = kwargs.find(wanted[i].name);
    if (given != kwargs.end()) {
      args.push_back(given->second);
      used++;
    } else if (used < kwargs.size()) {
      RL_CHECK(RuntimeError, wanted[i].has_default, name_, "() is missing value for argument '", wanted[i].name,
               "'. Declaration: ", f.schema.text());
      args.push_back(wanted[i].default_value);
    }
  }
  for (const auto& [key, value] : kwargs) {
    int at = f.schema.find_arg(key);
    RL_CHECK(RuntimeError, at > 0, "Unknown keyword argument '", key, "' for operator '", name_,
             "'. Schema: ", f.schema.text());
    RL_CHECK(RuntimeError, at > int(inputs.size()), name_, "() got several values for argument '", key, "'");
  }
  return rushlight::script::run_method(module_, name_, std::move(args));
}
size_t Method::num_inputs() const {
  graph::Function& f = *class_of(module_).find_method(name_);
  f.made();
  return f.schema.args.size() - is_function_;
}
Module Method::owner() const { return Module(module_); }
FunctionSchema Method::getSchema() const {
  graph::Function& f = *class_of(module_).find_method(name_);
  f.made();
  Schema schema = f.schema;
  if (is_function_) schema.args.erase(schema.args.begin());
  return FunctionSchema(schema, true);
}
QualifiedName Method::qualname() const {
  return QualifiedName(is_function_ ? "__torch__." + name_ : class_of(module_).name() + "." + name_);
}
intrusive_ptr<ivalue::Future> Method::run_async(std::vector<IValue> inputs, const Kwargs& kwargs) const {
  FunctionSchema schema = getSchema();
  auto future = graph::fork([*this, inputs = std::move(inputs), kwargs] { return (*this)(inputs, kwargs); });
  return make_intrusive<ivalue::Future>(graph::make_future(future_type(schema.returns()[0].type()), std::move(future)));
}
std::shared_ptr<Graph> Method::graph() const {
  return std::make_shared<Graph>(class_of(module_).find_method(name_)->made());
}

static std::vector<Graph::Value> shown(const std::vector<graph::Value*>& values) {
  std::vector<Graph::Value> out;
  for (const graph::Value* v : values) out.push_back({v->name(), v->type()});
  return out;
}
std::vector<Graph::Value> Graph::inputs() const { return shown(graph_->inputs()); }
std::vector<Graph::Value> Graph::outputs() const { return shown(graph_->outputs()); }
std::string Graph::toString(bool print_source_locations) const { return graph_->text(print_source_locations); }
void Graph::dump() const { std::cout << *this << std::flush; }
std::ostream& operator<<(std::ostream& out, const Graph& g) { return out << g.toString(); }

Method Module::get_method(const std::string& name) const {
  RL_CHECK(AttributeError, class_of(object_).find_method(name), "Method '", name, "' is not defined.");
  return Method(object_, name);
}
std::optional<Method> Module::find_method(const std::string& name) const {
  return class_of(object_).find_method(name) ? std::optional<Method>(Method(object_, name)) : std::nullopt;
}
std::vector<Method> Module::get_methods() const {
  std::vector<Method> out;
  for (const auto& f : class_of(object_).methods) out.emplace_back(object_, f->name);
  return out;
}

// ---- attributes ----------------------------------------------------------------------------------------------------------

Module::Module(const std::string& class_name) {
  std::string full = class_name.rfind("__torch__.", 0) == 0 ? class_name : "__torch__." + class_name;
  object_ = make_ref<ObjectValue>(std::make_shared<ClassType>(full, true), 0);
}
std::string Module::name() const { return class_of(object_).name(); }
Module::operator std::shared_ptr<Module>() const { return std::make_shared<Module>(*this); }
IValue Module::forward(std::vector<IValue> inputs, const Kwargs& kwargs) const {
  return get_method("forward")(std::move(inputs), kwargs);
}
bool Module::is_training() const { return attr("training", true).toBool(); }

bool Module::hasattr(const std::string& name) const { return class_of(object_).find_slot(name) >= 0; }
IValue Module::attr(const std::string& name) const {
  int slot = class_of(object_).find_slot(name);
  RL_CHECK(AttributeError, slot >= 0, Module::name(), " does not have a field with name '", name, "'");
  return graph::read_slot(object_->slots[size_t(slot)]);
}
IValue Module::attr(const std::string& name, IValue or_else) const { return hasattr(name) ? attr(name) : or_else; }
void Module::setattr(const std::string& name, IValue value) const {
  int slot = class_of(object_).find_slot(name);
  RL_CHECK(AttributeError, slot >= 0, Module::name(), " does not have a field with name '", name, "'");
  const TypePtr& type = class_of(object_).slots[size_t(slot)].type;
  graph::set_slot(object_->slots[size_t(slot)],
                  rushlight::script::fitted_value(std::move(value), type, str("the attribute '", name, "'")));
}

template <class T, class Visit>
void Module::collect(std::vector<Named<T>>& out, const std::string& prefix, bool recurse, const Visit& visit) const {
  const ClassType& type = class_of(object_);
  for (size_t i = 0; i < type.slots.size(); i++) {
    const rushlight::IValue v = graph::read_slot(object_->slots[i]);
    visit(type.slots[i], v, prefix + type.slots[i].name);
    if (recurse && is_module(v))
      Module(v.ref<ObjectValue>()).collect(out, prefix + type.slots[i].name + ".", true, visit);
  }
}
std::vector<NamedTensor> Module::named_parameters(bool recurse) const {
  std::vector<NamedTensor> out;
  collect(out, "", recurse, [&](const ClassType::Slot& slot, const rushlight::IValue& v, const std::string& name) {
    if (slot.is_parameter && v.is_tensor()) out.push_back({name, v.tensor()});
  });
  return out;
}
std::vector<NamedTensor> Module::named_buffers(bool recurse) const {
  std::vector<NamedTensor> out;
  collect(out, "", recurse, [&](const ClassType::Slot& slot, const rushlight::IValue& v, const std::string& name) {
    if (slot.is_buffer && v.is_tensor()) out.push_back({name, v.tensor()});
  });
  return out;
}
std::vector<NamedValue> Module::named_attributes(bool recurse) const {
  std::vector<NamedValue> out;
  collect(out, "", recurse, [&](const ClassType::Slot&, const rushlight::IValue& v, const std::string& name) {
    out.push_back({name, v});
  });
  return out;
}
std::vector<Named<Module>> Module::named_children() const {
  std::vector<Named<Module>> out;
  collect(out, "", false, [&](const ClassType::Slot&, const rushlight::IValue& v, const std::string& name) {
    if (is_module(v)) out.push_back({name, Module(v.ref<ObjectValue>())});
  });
  return out;
}
std::vector<Named<Module>> Module::named_modules() const {
  std::vector<Named<Module>> out = {{"", *this}};
  std::set<const ObjectValue*> seen = {object_.get()};
  collect(out, "", true, [&](const ClassType::Slot&, const rushlight::IValue& v, const std::string& name) {
    if (is_module(v) && seen.insert(&v.to_object()).second) out.push_back({name, Module(v.ref<ObjectValue>())});
  });
  return out;
}

template <class T>
static std::vector<T> values(std::vector<Named<T>> named) {
  std::vector<T> out;
  for (auto& n : named) out.push_back(std::move(n.value));
  return out;
}
std::vector<Tensor> Module::parameters(bool recurse) const { return values(named_parameters(recurse)); }
std::vector<Tensor> Module::buffers(bool recurse) const { return values(named_buffers(recurse)); }
std::vector<IValue> Module::attributes(bool recurse) const { return values(named_attributes(recurse)); }
std::vector<Module> Module::children() const { return values(named_children()); }
std::vector<Module> Module::modules() const { return values(named_modules()); }

namespace {
std::string shown_value(const IValue& v) {
  std::ostringstream out;
  out << v;
  return out.str();
}
std::string indented(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    out += "  " + text.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}
}  // namespace

std::string Module::dump_to_str(bool bodies, bool attr_values, bool param_values) const {
  std::string parameters, attributes, methods, inside;
  for (const auto& slot : class_of(object_).slots) {
    IValue value = attr(slot.name);
    if (value.isModule()) continue;
    bool shown = slot.is_parameter ? param_values : attr_values;
    (slot.is_parameter ? parameters : attributes) +=
        shown ? str(slot.name, " = ", shown_value(value), "\n") : slot.name + "\n";
  }
  for (const Method& m : get_methods())
    methods += bodies ? str("method ", m.name(), " {\n", indented(m.graph()->toString()), "}\n") : m.name() + "\n";
  for (const Module& child : children()) inside += child.dump_to_str(bodies, attr_values, param_values);
  auto part = [](const char* title, const std::string& lines) { return str(title, " {\n", indented(lines), "}\n"); };
  return str("module ", name(), " {\n",
             indented(part("parameters", parameters) + part("attributes", attributes) + part("methods", methods) +
                      part("submodules", inside)),
             "}\n");
}
void Module::dump(bool bodies, bool attr_values, bool param_values) const {
  std::cout << dump_to_str(bodies, attr_values, param_values) << std::flush;
}

// ---- changes -------------------------------------------------------------------------------------------------------------

void Module::train(bool on) const {
  for (const Module& m : modules()) {
    int slot = class_of(m.object_).find_slot("training");
    if (slot >= 0) graph::set_slot(m.object_->slots[size_t(slot)], rushlight::IValue(on));
  }
}

void Module::to(Device device, DType dtype, bool non_blocking) const {
  to(dtype, non_blocking);
  to(device, non_blocking);
}
void Module::to(DType dtype, bool) const {
  RL_CHECK(TypeError, is_differentiable(dtype), "Module::to only accepts floating point or complex dtypes, but got ",
           dtype);
  NoGradGuard no_grad;
  for (const std::vector<Tensor>& list : {parameters(), buffers()})
    for (const Tensor& t : list)
      if (is_differentiable(t.scalar_type())) become(t, rushlight::to(t, dtype));
}
void Module::to(Device device, bool) const {
  NoGradGuard no_grad;
  for (const std::vector<Tensor>& list : {parameters(), buffers()})
    for (const Tensor& t : list) become(t, rushlight::to(t, t.scalar_type(), std::nullopt, device));
}

namespace {

class Copier {
 public:
  explicit Copier(bool tensors) : tensors_(tensors) {}
  rushlight::IValue value(const rushlight::IValue& v) {
    if (v.is_object()) return rushlight::IValue(object(v.to_object()));
    if (!tensors_) return v;
    if (v.is_tensor()) return tensor(v.tensor());
    if (v.is_tuple()) {
      std::vector<rushlight::IValue> items;
      for (const auto& i : v.to_tuple().items) items.push_back(value(i));
      return rushlight::IValue(make_ref<TupleValue>(std::move(items), v.to_tuple().type));
    }
    if (v.is_any_list()) {
      std::vector<rushlight::IValue> items;
      for (size_t i = 0; i < graph::list_size(v); i++) items.push_back(value(graph::list_get(v, i)));
      return graph::make_list(v.type()->element(), std::move(items));
    }
    if (v.is_dict()) {
      auto d = make_ref<DictValue>(v.dict().key, v.dict().value);
      for (const auto& [k, x] : v.dict().items) d->set(k, value(x));
      return rushlight::IValue(std::move(d));
    }
    return v;
  }
  Ref<ObjectValue> object(const ObjectValue& o) {
    auto& made = objects_[&o];
    if (made) return made;
    auto fresh = make_ref<ObjectValue>(o.type, o.slots.size());
    made = fresh;
    for (size_t i = 0; i < o.slots.size(); i++) fresh->slots[i] = value(o.slots[i]);
    return fresh;
  }

 private:
  rushlight::IValue tensor(const rushlight::Tensor& t) {
    auto& made = made_[t.impl()];
    if (!made.defined()) {
      NoGradGuard no_grad;
      made = rushlight::clone(t);
      if (t.requires_grad()) rushlight::set_requires_grad(made, true);
    }
    return made;
  }
  bool tensors_;
  std::map<const ObjectValue*, Ref<ObjectValue>> objects_;
  std::map<const rushlight::TensorImpl*, rushlight::Tensor> made_;
};

}  // namespace

Module Module::deepcopy() const { return Module(Copier(true).object(*object_)); }
Module Module::copy() const { return Module(Copier(false).object(*object_)); }

void Module::register_parameter(const std::string& name, Tensor value, bool is_buffer) const {
  RL_CHECK(RuntimeError, value.defined(), "register_parameter: the tensor '", name, "' is undefined");
  register_attribute(name, Type::tensor(), std::move(value), !is_buffer, is_buffer);
}
void Module::register_attribute(const std::string& name, const TypePtr& type, IValue value, bool is_parameter,
                                bool is_buffer) const {
  RL_CHECK(RuntimeError, !hasattr(name), "attempting to add attribute '", name, "' to ", Module::name(),
           " but a field of the same name already exists");
  rushlight::IValue fit = rushlight::script::fitted_value(std::move(value), type, str("the attribute '", name, "'"));
  graph::as_class_shared(object_->type)->add_slot(name, type, is_parameter, is_buffer);
  object_->slots.push_back(std::move(fit));
}
void Module::register_module(const std::string& name, const Module& module) const {
  RL_CHECK(RuntimeError, !hasattr(name), "attempting to add attribute '", name, "' to ", Module::name(),
           " but a field of the same name already exists");
  graph::as_class_shared(object_->type)->add_slot(name, module.object_->type);
  object_->slots.push_back(rushlight::IValue(module.object_));
}
void Module::define(const std::string& text) const {
  auto source = std::make_shared<rushlight::script::Source>(rushlight::script::Source{text, "<C++ string>"});
  auto resolver = std::make_shared<NoNames>();
  std::shared_ptr<ClassType> type = graph::as_class_shared(object_->type);
  for (const rushlight::script::StmtPtr& s : rushlight::script::parse_module(source)) {
    if (s->kind != rushlight::script::Stmt::Kind::Def)
      rushlight::script::fail(s->range, "expected nothing but function definitions");
    RL_CHECK(RuntimeError, !type->find_method(s->text), "Can't redefine method: ", s->text,
             " on class: ", type->name());
    type->add_method(rushlight::script::lazy_function(s->text, s, resolver, type))->made();
  }
}

// ---- files ---------------------------------------------------------------------------------------------------------------

namespace {
void write(const ObjectValue& module, const std::string& path, const ExtraFilesMap& extra, bool lite) {
  io::AtomicFile file(path);
  rushlight::script::save_module(module, file.sink(), "archive", {extra.begin(), extra.end()}, lite);
  file.commit();
}
void write(const ObjectValue& module, std::ostream& out, const ExtraFilesMap& extra, bool lite) {
  rushlight::script::save_module(
      module, [&](const void* p, size_t n) { out.write(static_cast<const char*>(p), std::streamsize(n)); }, "archive",
      {extra.begin(), extra.end()}, lite);
  RL_CHECK(OsError, out.good(), "save: the stream can't be written to");
}
}  // namespace
void Module::save(const std::string& path, const ExtraFilesMap& extra) const { write(*object_, path, extra, false); }
void Module::save(std::ostream& out, const ExtraFilesMap& extra) const { write(*object_, out, extra, false); }
void Module::_save_for_mobile(const std::string& path, const ExtraFilesMap& extra, bool, bool) const {
  write(*object_, path, extra, true);
}
void Module::_save_for_mobile(std::ostream& out, const ExtraFilesMap& extra, bool, bool) const {
  write(*object_, out, extra, true);
}

Module load(const std::string& path, std::optional<Device> device) {
  return read(io::map_file(path), path, device, nullptr);
}
Module load(const std::string& path, std::optional<Device> device, ExtraFilesMap& extra) {
  return read(io::map_file(path), path, device, &extra);
}
Module load(std::istream& in, std::optional<Device> device) {
  return read(io::own_bytes(bytes_of(in)), "the stream", device, nullptr);
}
Module load(std::istream& in, std::optional<Device> device, ExtraFilesMap& extra) {
  return read(io::own_bytes(bytes_of(in)), "the stream", device, &extra);
}

Module freeze(const Module& module, const std::optional<std::vector<std::string>>& preserved, bool optimize_numerics) {
  RL_CHECK(RuntimeError, !module.hasattr("training") || !module.is_training(),
           "Freezing module in training mode is not yet supported. Call eval() first");
  std::set<std::string> methods, kept;
  if (module.find_method("forward")) methods.insert("forward");
  for (const std::string& name : preserved.value_or(std::vector<std::string>())) {
    bool method = bool(module.find_method(name));
    RL_CHECK(AttributeError, method || module.hasattr(name.substr(0, name.find('.'))), module.name(),
             " has no attribute or method '", name, "' to preserve");
    (method ? methods : kept).insert(name);
  }
  return Module(rushlight::script::freeze_module(module.object(), methods, kept, optimize_numerics));
}
Module optimize_for_inference(Module& module, const std::vector<std::string>& other_methods) {
  return module.hasattr("training") ? freeze(module, other_methods) : module;
}

struct CompilationUnit::Functions {
  std::mutex mutex;
  std::map<std::string, Method> by_name;
};
Method& CompilationUnit::get_function(const std::string& name) const {
  module_.get_method(name);
  std::lock_guard lock(functions_->mutex);
  return functions_->by_name.try_emplace(name, module_.object(), name, true).first->second;
}
Method* CompilationUnit::find_function(const std::string& name) const {
  return module_.find_method(name) ? &get_function(name) : nullptr;
}

bool& getProfilingMode() {
  static bool on = false;
  return on;
}
bool& getExecutorMode() {
  static bool on = false;
  return on;
}

FusionStrategy setFusionStrategy(FusionStrategy strategy) { return strategy; }

CompilationUnit::CompilationUnit(const std::string& source)
    : module_("CompilationUnit"), functions_(std::make_shared<Functions>()) {
  // Methods of a module take it first; these functions do not name it.
  auto text = std::make_shared<rushlight::script::Source>(rushlight::script::Source{source, "<C++ string>"});
  auto resolver = std::make_shared<NoNames>();
  for (const rushlight::script::StmtPtr& s : rushlight::script::parse_module(text)) {
    if (s->kind != rushlight::script::Stmt::Kind::Def)
      rushlight::script::fail(s->range, "expected nothing but function definitions");
    auto with_self = std::make_shared<rushlight::script::Stmt>(*s);
    with_self->params.insert(with_self->params.begin(), rushlight::script::Param{"self", s->range, nullptr, nullptr});
    auto type = graph::as_class_shared(module_.object()->type);
    type->add_method(rushlight::script::lazy_function(s->text, with_self, resolver, type))->made();
  }
}
std::shared_ptr<CompilationUnit> compile(const std::string& source) {
  return std::make_shared<CompilationUnit>(source);
}

}  // namespace jit

IValue IValue::deepcopy() const { return jit::Copier(true).value(*this); }

}  // namespace rushlight::api
