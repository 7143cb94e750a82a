#include "rushlight/script/module.h"

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

std::shared_ptr<graph::Function> compile_function(const std::shared_ptr<const Source>& source,
                                                  std::shared_ptr<Resolver> resolver, const std::string& name) {
  std::vector<StmtPtr> all = parse_module(source);
  for (const StmtPtr& s : all) {
    if (s->kind != Stmt::Kind::Def) continue;
    auto f = lazy_function(name.empty() ? s->text : name, s, std::move(resolver));
    f->made();
    return f;
  }
  fail({source, 0, source->text.size()}, "expected a function definition");
}

namespace {
// A module as an argument: whoever calls it holds it, so that its count, which all threads that call it would share, is left alone.
union Unowned {
  explicit Unowned(const Ref<ObjectValue>& o) : value(Ref<ObjectValue>::adopt(o.get())) {}
  ~Unowned() {}
  IValue value;
};
}  // namespace

IValue run_method(const Ref<ObjectValue>& module, const std::string& name, std::vector<IValue> args) {
  const graph::ClassType* type = graph::as_class(module->type);
  graph::Function* f = type->find_method(name);
  RL_CHECK(AttributeError, f, "Method '", name, "' is not defined.");
  f->made();
  Unowned self(module);
  std::vector<IValue> all;
  all.reserve(args.size() + 1);
  all.push_back(IValue::borrow(self.value));
  for (IValue& a : args) all.push_back(std::move(a));
  RL_CHECK(RuntimeError, all.size() <= f->schema.args.size(), name, "() expected at most ", f->schema.args.size(),
           " argument(s) but received ", all.size(), " argument(s). Declaration: ", f->schema.text());
  return graph::run_function(*f, std::move(all));
}

}  // namespace rushlight::script
