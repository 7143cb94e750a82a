// Functions, and how nodes get into a graph.
#include "rushlight/script/lowering.h"

#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/inferred.h"

namespace rushlight::script {

namespace {
// Takes back what has been emitted behind a node of the block.
void take_back(graph::Block& b, const graph::Node* behind) {
  for (graph::Node* n = b.ret()->previous(); n != behind;) {
    graph::Node* before = n->previous();
    n->destroy();
    n = before;
  }
}
}  // namespace

TypePtr unify(const TypePtr& a, const TypePtr& b) {
  if (a->is_subtype_of(*b)) return b;
  if (b->is_subtype_of(*a)) return a;
  if (a->is(Type::Kind::None)) return Type::optional(b);
  if (b->is(Type::Kind::None)) return Type::optional(a);
  if (a->is(Type::Kind::Tuple) && b->is(Type::Kind::Tuple) && a->contained().size() == b->contained().size()) {
    std::vector<TypePtr> items;
    for (size_t i = 0; i < a->contained().size(); i++) {
      items.push_back(unify(a->contained()[i], b->contained()[i]));
      if (!items.back()) return nullptr;
    }
    return Type::tuple(std::move(items));
  }
  auto number = [](const TypePtr& t) {
    return t->is(Type::Kind::Int) || t->is(Type::Kind::Float) || t->is(Type::Kind::Number);
  };
  if (number(a) && number(b)) return Type::simple(Type::Kind::Number);
  return nullptr;
}

graph::Location Lowering::location(const Range& range) const {
  const Source& s = *range.source;
  return {s.file, range.line(), range.column(), range.highlight(), name_, called_from_, s.origins, range.begin};
}
std::shared_ptr<const graph::Location> Lowering::place(const Range& range) const {
  if (!range.source) return called_from_;
  return std::make_shared<graph::Location>(location(range));
}

graph::Node* Lowering::emit(const Range& range, const std::string& kind, const std::vector<Value*>& inputs,
                            size_t outputs) {
  if (graph_.size() > graph::kMaxNodes)
    fail(range, str("this function needs more than ", graph::kMaxNodes, " graph nodes"));
  graph::Node* n = graph_.insert_new(kind, inputs, outputs);
  if (range.source) n->location = location(range);
  return n;
}
Value* Lowering::emit_typed(const Range& range, const std::string& kind, const std::vector<Value*>& inputs,
                            TypePtr type) {
  return emit(range, kind, inputs)->output()->set_type(std::move(type));
}
Value* Lowering::constant(const Range& range, IValue v, TypePtr type) {
  Value* out = graph_.insert_constant(std::move(v), std::move(type));
  if (range.source) out->node()->location = {range.source->file, range.line(), range.column(), "", {}, nullptr};
  return out;
}

SugaredPtr Lowering::call_magic(const Range& range, const SugaredPtr& v, const std::string& method,
                                const std::vector<SugaredPtr>& args) {
  auto* simple = dynamic_cast<SimpleValue*>(v.get());
  const graph::ClassType* c = simple ? graph::as_class(simple->value->type()) : nullptr;
  if (!c || !c->find_method(method)) return nullptr;
  std::vector<CallArg> given;
  for (const SugaredPtr& a : args) given.push_back({range, "", a});
  return v->attribute(range, *this, method)->call(range, *this, given);
}

void Lowering::require(const Range& range, Value* ok, const std::string& text) {
  graph::Node* node = emit(range, "prim::If", {ok}, 0);
  node->add_block();
  graph::InsertPoint at(graph_, node->add_block());
  emit(range, "prim::RaiseException", {constant(range, text)}, 0);
}

// [...] or {...}, or a tuple with one in it.
static bool is_display(const Expr& e) {
  if (e.kind == Expr::Kind::Tuple)
    return std::any_of(e.items.begin(), e.items.end(), [](const ExprPtr& item) { return is_display(*item); });
  return e.kind == Expr::Kind::List || e.kind == Expr::Kind::Dict;
}
[[noreturn]] static void refuse_mutable(const Param& p) {
  fail(p.range,
       str("Mutable default parameters are not supported because Python binds them to the function and they persist "
           "across function calls: '",
           p.name, "'. Let None be the default, and make it inside"));
}

const TypePtr& inferred_tensor() {
  struct Inferred : Type {
    Inferred() : Type(Kind::Tensor, {}) {}
  };
  static const TypePtr type = std::make_shared<Inferred>();
  return type;
}

void Lowering::function(const Stmt& def, graph::Function& into, const TypePtr& self_type) {
  if (self_type && def.params.empty()) fail(def.range, str("methods must have a self argument: '", def.text, "'"));
  Scope top;
  scope_ = &top;
  name_ = into.name;
  if (self_type) self_ = def.params[0].name;
  Schema& schema = into.schema;
  schema.name = into.name;
  for (size_t i = 0; i < def.params.size(); i++) {
    const Param& p = def.params[i];
    bool self = i == 0 && self_type;
    Argument a;
    a.name = p.name;
    a.kwarg_only = p.kwarg_only;
    a.type = self ? self_type : p.annotation ? type_of(*p.annotation) : inferred_tensor();
    if (const graph::ClassType* c = graph::as_class(self_type);
        i == 1 && !p.annotation && c && into.name == "__setstate__")
      if (graph::Function* get = c->find_method("__getstate__"); get && get->made() && get->schema.returns.size() == 1)
        a.type = get->schema.returns[0].type;  // it takes what that gives
    a.type_name = a.type->schema_text();
    if (p.annotation && (a.list_size = broadcast_size(*p.annotation)) && a.type->is(Type::Kind::List))
      a.type_name = str(a.type->element()->schema_text(), "[", a.list_size, "]");
    if (p.default_value && (a.has_default = resolver_.default_value(p.name, *a.type, a.default_value))) {
      if (is_display(*p.default_value)) refuse_mutable(p);
    } else if (p.default_value) {
      graph::Graph scratch;
      Lowering constants(scratch, resolver_);
      Value* v = constants.convert(p.range, constants.expr(p.default_value), a.type, &a, true);
      std::function<bool(const Value*, IValue&)> fold = [&](const Value* x, IValue& out) {
        if (const IValue* c = graph::constant_of(x)) return out = *c, true;
        if (x->node()->is("prim::TupleConstruct")) {
          std::vector<IValue> items(x->node()->inputs().size());
          for (size_t k = 0; k < items.size(); k++)
            if (!fold(x->node()->input(k), items[k])) return false;
          return out = IValue::tuple(std::move(items)), true;
        }
        if (!x->node()->is("prim::ListConstruct")) return false;
        std::vector<int64_t> ints;
        std::vector<double> doubles;
        for (const Value* item : x->node()->inputs()) {
          const IValue* c = graph::constant_of(item);
          if (!c || !c->is_scalar()) return false;
          ints.push_back(c->is_int() ? c->to_int() : 0);
          doubles.push_back(c->to_double());
        }
        out = x->type()->element()->is(Type::Kind::Float) ? IValue(doubles) : IValue(ints);
        return true;
      };
      a.has_default = v && fold(v, a.default_value);
      if (!a.has_default && (p.default_value->kind == Expr::Kind::Tuple || is_display(*p.default_value)))
        refuse_mutable(p);
      if (!a.has_default)
        fail(p.range, str("Expected a default value of type ", a.type, " (type annotation) on parameter \"", p.name,
                          "\": its default is no constant of that type"));
    }
    Value* in = graph_.add_input(p.name, a.type == inferred_tensor() ? Type::tensor() : a.type);
    top.names[p.name] = std::make_shared<SimpleValue>(in);
    if (!self && !p.annotation && a.type->is(Type::Kind::Tensor)) inferred_.insert(in);
    schema.args.push_back(std::move(a));
  }
  if (def.annotation) return_type_ = type_of(*def.annotation);
  result_declared_ = bool(def.annotation);
  function_body(def, top, [&] { take_back(*graph_.block(), graph_.block()->param()); });
  SugaredPtr result = top.names.contains("$return") ? top.names["$return"] : nullptr;
  Value* out = result ? result->as_value(def.range, *this) : constant(def.range, IValue());
  if (return_type_ && return_type_->is(Type::Kind::None)) out = constant(def.range, IValue());
  else if (!result && return_type_ && top.names.contains("$raised"))  // it never returns
    out = emit_typed(def.range, "prim::Uninitialized", {}, return_type_);
  if (!result && return_type_ && !return_type_->is(Type::Kind::None) && !return_type_->is(Type::Kind::Optional) &&
      !top.names.contains("$raised"))
    fail(def.range, str("Function was not annotated as having type None, but does not return along all paths; it is "
                        "declared to return ",
                        return_type_));
  graph_.register_output(out);
  Argument r;
  r.type = return_type_ ? return_type_ : out->type();
  r.type_name = r.type->schema_text();
  schema.returns.push_back(std::move(r));
  scope_ = nullptr;
  graph::clean_up(graph_);
}

}  // namespace rushlight::script
