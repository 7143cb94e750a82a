#include "rushlight/api/custom_class.h"

#include <mutex>
#include <typeindex>

#include "rushlight/dispatch/op.h"
#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/script/sugared.h"

namespace rushlight::api {

using graph::ClassType;

namespace {

// What an object of a custom class has in its only slot.
struct HeldObject final : RefCounted {
  explicit HeldObject(intrusive_ptr<CustomClassHolder> p) : pointer(std::move(p)) {}
  intrusive_ptr<CustomClassHolder> pointer;
};

std::mutex lock;
std::map<std::type_index, std::shared_ptr<ClassType>>& by_type() {
  static auto* all = new std::map<std::type_index, std::shared_ptr<ClassType>>;
  return *all;
}
std::shared_ptr<ClassType> find(const std::type_info& cls) {
  std::lock_guard guard(lock);
  auto found = by_type().find(cls);
  return found == by_type().end() ? nullptr : found->second;
}
std::shared_ptr<ClassType> need(const std::type_info& cls) {
  std::shared_ptr<ClassType> type = find(cls);
  RL_CHECK(RuntimeError, type, "the C++ class ", cls.name(), " is none that torch::class_ registered");
  return type;
}

// A type as a signature says it: a class by its full name, List[...] of it by "name[]".
rushlight::TypePtr type_of(const std::string& text) {
  if (text.size() > 2 && text.substr(text.size() - 2) == "[]")
    return Type::list(type_of(text.substr(0, text.size() - 2)));
  if (!text.empty() && text.back() == '?') return Type::optional(type_of(text.substr(0, text.size() - 1)));
  if (auto custom = graph::find_native_class(text)) return rushlight::TypePtr(custom);
  return parse_schema_type(text);
}

}  // namespace

bool IValue::is_custom_class() const {
  return is_object() && graph::is_of_native_class(*to_object().type) && !to_object().slots.empty() &&
         to_object().slots[0].is_capsule();
}
intrusive_ptr<CustomClassHolder> IValue::custom_class(const std::type_info& cls) const {
  std::shared_ptr<ClassType> type = need(cls);
  if (!is_custom_class() || to_object().type.get() != type.get()) fail_api_kind(type->name().c_str());
  return static_cast<HeldObject*>(to_object().slots[0].object())->pointer;
}

TypePtr getCustomClass(const std::string& name) { return rushlight::TypePtr(graph::find_native_class(name)); }

namespace detail {

bool has_custom_class(const std::type_info& cls) { return bool(find(cls)); }
rushlight::TypePtr custom_class_type(const std::type_info& cls) { return need(cls); }
std::string custom_class_name(const std::type_info& cls) { return need(cls)->name(); }
IValue custom_object(const std::type_info& cls, intrusive_ptr<CustomClassHolder> object) {
  RL_CHECK(ValueError, object, "IValue: the pointer to an object of ", need(cls)->name(), " is null");
  auto made = make_ref<ObjectValue>(need(cls), 1);
  fill_custom_object(rushlight::IValue(made), std::move(object));
  return rushlight::IValue(std::move(made));
}
void fill_custom_object(const rushlight::IValue& object, intrusive_ptr<CustomClassHolder> made) {
  RL_CHECK(RuntimeError, made, "a constructor of ", object.to_object().type->name(), " gave no object");
  object.to_object().slots[0] = rushlight::IValue::capsule(make_ref<HeldObject>(std::move(made)));
}

struct CustomClassBuilder::State {
  std::shared_ptr<ClassType> type;
  OpLibrary operators;
  std::string prefix;
};

namespace {

// An attribute that is read by calling a method, and one that is set so.
class Property final : public script::FunctionValue {
 public:
  Property(std::shared_ptr<graph::Function> f, bool reads) : FunctionValue(std::move(f)), reads_(reads) {}
  std::string kind() const override { return "a property"; }
  script::SugaredPtr bind(const script::Range& range, script::Lowering& l, graph::Value* object) override {
    auto method = std::make_shared<script::FunctionValue>(function, object);
    return reads_ ? method->call(range, l, {}) : method;
  }

 private:
  bool reads_;
};

}  // namespace

CustomClassBuilder::CustomClassBuilder(const std::string& ns, const std::string& name, const std::type_info& cls) {
  for (const std::string& part : {ns, name}) {
    bool good = !part.empty() && !std::isdigit(static_cast<unsigned char>(part[0]));
    for (char c : part) good &= c == '_' || std::isalnum(static_cast<unsigned char>(c));
    RL_CHECK(RuntimeError, good, "torch::class_: namespace and name have to be names, got \"", ns, "\" and \"", name,
             "\"");
  }
  auto type = std::make_shared<ClassType>(std::string(graph::kNativeClasses) + ns + "." + name, false);
  type->add_slot("__held__", Type::any());
  graph::add_native_class(type);
  // Methods are operators, so that graphs call them as they call any other.
  state_ = new State{type, {OpLibrary::Kind::Fragment, "torch_classes", "torch::class_"}, ns + "_" + name + "_"};
  keep_loaded(&cls);
  std::lock_guard guard(lock);
  by_type()[cls] = type;
}

void CustomClassBuilder::add(const std::string& name, Ref<BoxedKernel> kernel,
                             const library_detail::Signature& signature, const std::vector<arg>& args,
                             bool self_first) {
  ClassType& type = *state_->type;
  RL_CHECK(RuntimeError, !type.find_method(name), type.name(), ": the method '", name, "' is defined already");
  size_t from = self_first ? 1 : 0, n = signature.params.size();
  RL_CHECK(RuntimeError, n >= from, type.name(), ".", name, ": the function takes no object");
  RL_CHECK(RuntimeError, args.empty() || args.size() == n - from, type.name(), ".", name, ": ", n - from,
           " arguments, and names for ", args.size());
  std::string op_name = state_->operators.define(signature.schema(state_->prefix + name), true);
  state_->operators.impl(op_name, DispatchKey::CompositeImplicitAutograd, std::move(kernel));
  const Op* op = OpTable::get().find(op_name);

  auto f = std::make_shared<graph::Function>();
  f->name = name;
  Schema schema;
  schema.name = name;
  for (size_t i = 0; i < n; i++) {
    rushlight::Argument a;
    a.name = self_first && i == 0 ? "self" : args.empty() ? str("arg", i) : args[i - from].name;
    a.type = i == 0 && self_first ? state_->type : type_of(signature.params[i]);
    a.type_name = a.type->schema_text();
    if (i >= from && !args.empty() && args[i - from].value) {
      a.has_default = true;
      a.default_value = *args[i - from].value;
    }
    schema.args.push_back(std::move(a));
  }
  std::vector<rushlight::TypePtr> results;
  for (const std::string& r : signature.returns) results.push_back(type_of(r));
  rushlight::Argument result;
  result.type = results.empty() ? Type::none() : results.size() == 1 ? results[0] : Type::tuple(results);
  result.type_name = result.type->schema_text();
  schema.returns.push_back(std::move(result));
  f->compile = [op, schema, results](graph::Function& into) {
    into.schema = schema;
    auto g = std::make_shared<graph::Graph>();
    std::vector<graph::Value*> inputs;
    for (const rushlight::Argument& a : schema.args) inputs.push_back(g->add_input(a.name, a.type));
    graph::Node* call = g->insert_new(op->symbol(), inputs, results.size());
    call->op = op;
    for (size_t i = 0; i < results.size(); i++) call->output(i)->set_type(results[i]);
    if (results.empty()) g->register_output(g->insert_constant(rushlight::IValue(), Type::none()));
    else if (results.size() == 1) g->register_output(call->output());
    else {
      graph::Node* packed = g->insert_new("prim::TupleConstruct", call->outputs());
      packed->output()->set_type(Type::tuple(results));
      g->register_output(packed->output());
    }
    into.graph = g;
  };
  f->made();
  if (self_first) type.add_method(f);
  else
    type.constants[name] =
        rushlight::IValue::capsule(make_ref<script::SugaredCapsule>(std::make_shared<script::FunctionValue>(f)));
}
void CustomClassBuilder::add_property(const std::string& name, const std::string& getter, const std::string& setter) {
  for (const auto& f : state_->type->methods) {
    auto held = [&](bool reads) {
      return rushlight::IValue::capsule(make_ref<script::SugaredCapsule>(std::make_shared<Property>(f, reads)));
    };
    if (f->name == getter) state_->type->constants[name] = held(true);
    if (f->name == setter) state_->type->constants["$set " + name] = held(false);
  }
}

}  // namespace detail
}  // namespace rushlight::api
