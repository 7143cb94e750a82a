#include "rushlight/script/module.h"

#include "rushlight/graph/executor/lists.h"
#include "rushlight/kernels/providers.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {

std::shared_ptr<graph::Function> lazy_function(const std::string& name, std::shared_ptr<const Stmt> def,
                                               std::shared_ptr<Resolver> resolver, TypePtr self_type) {
  auto f = std::make_shared<graph::Function>();
  f->name = name;
  f->compile = [def, resolver, self_type](graph::Function& into) {
    auto graph = std::make_shared<graph::Graph>();
    Lowering(*graph, *resolver).function(*def, into, self_type);
    into.graph = std::move(graph);
  };
  return f;
}

std::shared_ptr<graph::Function> abstract_method(const Stmt& def, const TypePtr& self, Lowering& types) {
  auto f = std::make_shared<graph::Function>();
  f->name = f->schema.name = def.text;
  f->is_abstract = true;
  for (size_t i = 0; i < def.params.size(); i++) {
    Argument a;
    a.name = def.params[i].name;
    const ExprPtr& annotation = def.params[i].annotation;
    a.type = i == 0 ? self : annotation ? types.type_of(*annotation) : Type::tensor();
    a.type_name = a.type->schema_text();
    f->schema.args.push_back(std::move(a));
  }
  Argument result;
  result.type = def.annotation ? types.type_of(*def.annotation) : Type::none();
  result.type_name = result.type->schema_text();
  f->schema.returns.push_back(std::move(result));
  return f;
}

StmtPtr definition_in(const std::shared_ptr<const Source>& source) {
  for (const StmtPtr& s : parse_module(source))
    if (s->kind == Stmt::Kind::Def) return s;
  fail({source, 0, source->text.size()}, "expected a function definition");
}

std::shared_ptr<graph::Function> compile_function(const std::shared_ptr<const Source>& source,
                                                  std::shared_ptr<Resolver> resolver, const std::string& name) {
  StmtPtr s = definition_in(source);
  auto f = lazy_function(name.empty() ? s->text : name, s, std::move(resolver));
  f->made();
  return f;
}

namespace {
// A module as an argument: whoever calls it holds it, so that its count, which all threads that call it would share, is left alone.
union Unowned {
  explicit Unowned(const Ref<ObjectValue>& o) : value(Ref<ObjectValue>::adopt(o.get())) {}
  ~Unowned() {}
  IValue value;
};

using TK = Type::Kind;

[[noreturn]] void fail_kind(const IValue& v, const Type& type, const std::string& what) {
  throw RuntimeError(str(what, ": Expected a value of type '", type.text(), "' but instead found type '",
                         v.is_none() ? "NoneType" : v.type()->text(), "'",
                         v.is_none() ? " (an undefined tensor is None)" : ""));
}

}  // namespace

IValue fitted_value(IValue v, const TypePtr& type, const std::string& what) {
  auto check = [&](bool right) {
    if (!right) fail_kind(v, *type, what);
  };
  switch (type->kind()) {
    case TK::Tensor: check(v.is_tensor()); break;
    case TK::Int: check(v.is_int()); break;
    case TK::Float: check(v.is_double()); break;
    case TK::Bool: check(v.is_bool()); break;
    case TK::Complex: check(v.is_complex()); break;
    case TK::Number: check(v.is_scalar()); break;
    case TK::String: check(v.is_string()); break;
    case TK::None: check(v.is_none()); break;
    case TK::Device: check(v.is_device()); break;
    case TK::Generator: check(v.is_generator()); break;
    case TK::Class: check(v.is_object() && v.type()->is_subtype_of(*type)); break;
    case TK::Union: check(v.type()->is_subtype_of(*type)); break;
    case TK::Optional: return v.is_none() ? v : fitted_value(std::move(v), type->element(), what);
    case TK::List: {
      check(v.is_any_list());
      std::vector<IValue> items;
      for (size_t i = 0; i < graph::list_size(v); i++)
        items.push_back(fitted_value(graph::list_get(v, i), type->element(), str(what, "[", i, "]")));
      // The same list, so that what the script does to it is seen; one of another element type has to be copied.
      if (!v.type()->equals(*type)) return graph::make_list(type->element(), std::move(items));
      break;
    }
    case TK::Dict: {
      check(v.is_dict());
      auto fitted = make_ref<DictValue>(type->contained()[0], type->contained()[1]);
      for (const auto& [k, x] : v.dict().items)
        fitted->set(fitted_value(k, type->contained()[0], what + ", a key"),
                    fitted_value(x, type->contained()[1], str(what, "[", k, "]")));
      if (!v.type()->equals(*type)) return IValue(std::move(fitted));
      break;
    }
    case TK::Tuple: {
      check(v.is_tuple() && v.to_tuple().items.size() == type->contained().size());
      std::vector<IValue> items;
      for (size_t i = 0; i < v.to_tuple().items.size(); i++)
        items.push_back(fitted_value(v.to_tuple().items[i], type->contained()[i], str(what, "[", i, "]")));
      return IValue(make_ref<TupleValue>(std::move(items), type->name().empty() ? nullptr : type));
    }
    default: break;
  }
  return v;
}

namespace {
// Products with smaller weights are computed without a library.
bool has_large_weights(const ObjectValue& module) {
  constexpr int64_t kLarge = 128 * 128;
  for (const IValue& v : module.slots) {
    if (v.is_tensor() && v.tensor().dim() > 1 && v.tensor().numel() >= kLarge && v.tensor().device().is_cpu())
      return true;
    const graph::ClassType* c = v.is_object() ? graph::as_class(v.to_object().type) : nullptr;
    if (c && c->is_module && has_large_weights(v.to_object())) return true;
  }
  return false;
}
}  // namespace

void make_ready(const Ref<ObjectValue>& module) {
  graph::Function* f = graph::as_class(module->type)->find_method("forward");
  if (!f || f->is_abstract) return;
  graph::make_ready(*f);
  if (has_large_weights(*module))
    for (Provider* p : providers()) p->available();
}

IValue run_method(const Ref<ObjectValue>& module, const std::string& name, std::vector<IValue> args) {
  graph::Function* f = graph::as_class(module->type)->find_method(name);
  RL_CHECK(AttributeError, f, "Method '", name, "' is not defined.");
  f->made();
  const std::vector<Argument>& wanted = f->schema.args;
  RL_CHECK(RuntimeError, args.size() + 1 <= wanted.size(), name, "() expected at most ", wanted.size(),
           " argument(s) but received ", args.size() + 1, " argument(s). Declaration: ", f->schema.text());
  Unowned self(module);
  std::vector<IValue> all;
  all.reserve(args.size() + 1);
  all.push_back(IValue::borrow(self.value));
  for (IValue& a : args) {
    const Argument& to = wanted[all.size()];
    bool plain = a.is_tensor() && to.type->is(TK::Tensor);
    all.push_back(plain ? std::move(a)
                        : fitted_value(std::move(a), to.type, str(name, "(), argument '", to.name, "'")));
  }
  return graph::run_function(*f, std::move(all));
}

}  // namespace rushlight::script
