// Subscripts: indices and slices of tensors, lists, dicts, tuples and modules.
#include "rushlight/graph/executor/lists.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {

using EK = Expr::Kind;
using TK = Type::Kind;

// A module of a ModuleList or ModuleDict at a place that is known only while running, as an interface that all of them have. Null where the
// place is known, or this is no container.
SugaredPtr Lowering::any_module(const Range& range, Value* container, const ExprPtr& place, const TypePtr& interface) {
  const graph::ClassType* c = graph::as_class(container->type());
  if (!c || !c->is_module || c->find_method("__getitem__")) return nullptr;
  Value* index = value(place);
  if (graph::constant_of(index)) return nullptr;
  const graph::ClassType& wanted = *graph::as_class(interface);
  for (const auto& slot : c->slots) {
    const graph::ClassType* module = graph::as_class(slot.type);
    // The classes of an archive, which was checked when it was written, are read one by one.
    if (!module || resolver_.version().number) continue;
    if (!wanted.is_implemented_by(slot.type))
      fail(range,
           str("Attribute ", slot.name, " is not of annotated type ", interface, ": it has not all of its methods"));
    for (const auto& f : wanted.methods) {  // any may be called, so that an archive has to hold it
      graph::Function* own = module->find_method(f->name);
      if (!compiling(range, own->name, [&] { return own->made(); })) continue;  // it is being compiled
      bool fits = own->schema.args.size() == f->schema.args.size() &&
                  own->schema.returns[0].type->is_subtype_of(*f->schema.returns[0].type);
      for (size_t i = 1; fits && i < f->schema.args.size(); i++)
        fits = f->schema.args[i].type->is_subtype_of(*own->schema.args[i].type);
      if (!fits)
        fail(range, str("Attribute ", slot.name, " is not of annotated type ", interface, ": its method ",
                        own->schema.text(), " is not as the interface says, ", f->schema.text()));
    }
  }
  if (!index->type()->is(TK::Int) && !index->type()->is(TK::String))
    fail(range, str("modules are picked by an int or a str, not by ", index->type()));
  return graph_value(emit_typed(range, "prim::ModuleContainerIndex", {container, index}, interface));
}

SugaredPtr Lowering::subscript(const Range& range, const SugaredPtr& base, const std::vector<ExprPtr>& given) {
  const TypePtr wanted = std::exchange(wanted_interface_, nullptr);
  std::vector<ExprPtr> items = given.size() == 1 && given[0]->kind == EK::Tuple ? given[0]->items : given;
  auto simple = [](Value* v) { return std::make_shared<SimpleValue>(v); };
  auto part = [&](const ExprPtr& p, IValue otherwise) {  // tensors of one integer are bounds too
    if (!p) return constant(range, std::move(otherwise));
    Value* v = value(p);
    return v->type()->is(TK::Tensor) ? convert(p->range, simple(v), Type::integer(), nullptr, true) : v;
  };
  for (ExprPtr& p : items) {  // slice(...), or a name that stands for one: its parts get names
    bool call = p->kind == EK::Call && p->items[0]->kind == EK::Name && p->items[0]->text == "slice";
    if (p->kind != EK::Name && !call) continue;
    SugaredPtr v = expr(p);
    auto* slice = dynamic_cast<SliceOf*>(v.get());
    if (!slice) continue;
    auto written = std::make_shared<Expr>();
    written->kind = EK::Slice;
    written->range = p->range;
    for (const SugaredPtr& part : slice->parts) {
      auto name = std::make_shared<Expr>();
      name->kind = EK::Name;
      name->range = p->range;
      name->text = str("$slice", scope_->names.size());
      scope_->names[name->text] = part;
      written->items.push_back(part->is_none() == 1 ? nullptr : name);
    }
    p = written;
  }
  std::vector<SugaredPtr> known;
  if (items.size() == 1 && items[0]->kind != EK::Slice) {
    auto* object = dynamic_cast<SimpleValue*>(base.get());
    const graph::ClassType* c = object ? graph::as_class(object->value->type()) : nullptr;
    if (c && !c->is_module && c->find_method("__getitem__"))
      return call_magic(range, base, "__getitem__", {expr(items[0])});
  }
  auto* as_simple = dynamic_cast<SimpleValue*>(base.get());
  // A list that is known, at a place that isn't: a list of the graph.
  if (auto* c = dynamic_cast<ConstantValue*>(base.get()); c && c->constant.is_any_list() && items.size() == 1) {
    auto is_known = [&](const ExprPtr& e) { return !e || graph::constant_of(value(e)); };
    const Expr& at = *items[0];
    bool all = at.kind == EK::Slice ? is_known(at.items[0]) && is_known(at.items[1]) && is_known(at.items[2])
                                    : is_known(items[0]);
    if (!all) return subscript(range, graph_value(base->as_value(range, *this)), items);
  }
  if (wanted && as_simple && items.size() == 1 && items[0]->kind != EK::Slice)
    if (SugaredPtr module = any_module(range, as_simple->value, items[0], wanted)) return module;
  bool tuple_like = !as_simple || as_simple->value->type()->is(TK::Tuple) || graph::as_class(as_simple->value->type());
  if (tuple_like && items.size() == 1 && base->items(range, *this, known)) {
    int64_t n = int64_t(known.size());
    if (items[0]->kind == EK::Slice) {
      auto bound = [&](const ExprPtr& p) {
        if (!p) return IValue();
        const IValue* c = graph::constant_of(value(p));
        if (!c || !(c->is_int() || c->is_none())) fail(p->range, "tuples are sliced by constants only");
        return *c;
      };
      IValue from = bound(items[0]->items[0]), to = bound(items[0]->items[1]), step = bound(items[0]->items[2]);
      if (step.is_int() && step.to_int() == 0) fail(range, "slice step cannot be zero");
      int64_t by = step.is_none() ? 1 : step.to_int();
      graph::SliceRange taken = graph::slice_range(n, from, to, by);
      std::vector<SugaredPtr> out;
      for (int64_t k = 0; k < taken.count; k++) out.push_back(known[size_t(taken.start + k * by)]);
      if (auto* whole = dynamic_cast<ConstantValue*>(base.get()); whole && whole->constant.is_any_list()) {
        std::vector<IValue> part;
        for (const SugaredPtr& v : out) part.push_back(static_cast<ConstantValue&>(*v).constant);
        return constant_of(graph::make_list(whole->constant.type()->element(), std::move(part)));
      }
      return std::make_shared<TupleOf>(std::move(out));
    }
    const IValue* c = graph::constant_of(value(items[0]));
    if (c && c->is_string() && as_simple) {
      const std::string name(c->to_string());
      const graph::ClassType* table = graph::as_class(as_simple->value->type());
      if (table && table->find_slot(name) < 0) fail(range, str("Key Error, ", name, ": no module has that name"));
      return base->attribute(range, *this, name);
    }
    std::vector<SugaredPtr> alike;  // a tuple of one type is a list where the place isn't known
    if (!c && !(as_simple && graph::as_class(as_simple->value->type())))
      for (const SugaredPtr& item : known)
        if (!found_type(*item).empty() && found_type(*item) == found_type(*known[0])) alike.push_back(item);
    if (!alike.empty() && alike.size() == known.size())
      return subscript(range, graph_value(list_of(range, Iteration{true, std::move(alike), nullptr, nullptr})), items);
    if (!c || !c->is_int())
      fail(range,
           "Expected integer literal for index, because we cannot resolve the output type without it: tuples and "
           "module lists are indexed by constants only. Go through them "
           "with a loop: for i, m in enumerate(self.layers): if i == n: ...; or, if all modules have the methods of an "
           "interface, annotate the variable with it: m: MyInterface = self.layers[n]");
    int64_t i = c->to_int() < 0 ? c->to_int() + n : c->to_int();
    if (i < 0 || i >= n) fail(range, str("Index ", c->to_int(), " out of range for a tuple of ", n));
    return known[size_t(i)];
  }
  Value* v = base->as_value(range, *this);
  const TypePtr& t = v->type();
  if (t->is(TK::List) || t->is(TK::String)) {
    if (items.size() != 1) fail(range, str(t, " takes one index"));
    if (items[0]->kind == EK::Slice) {
      const auto& s = items[0]->items;
      return simple(emit_typed(range, "aten::slice", {v, part(s[0], {}), part(s[1], {}), part(s[2], int64_t(1))}, t));
    }
    Value* i = convert(range, simple(value(items[0])), Type::integer(), nullptr, true);
    if (!i) fail(range, "lists are indexed by integers");
    return simple(emit_typed(range, "aten::__getitem__", {v, i}, t->is(TK::List) ? t->element() : t));
  }
  if (t->is(TK::Dict)) {
    if (items.size() != 1 || items[0]->kind == EK::Slice) fail(range, str(t, " takes one key"));
    return call_operator(range, "__getitem__", {{range, "", simple(v)}, {items[0]->range, "", expr(items[0])}});
  }
  if (!t->is(TK::Tensor)) fail(range, str("'", t, "' object is not subscriptable"));

  // Before '...' places are counted from the front, after it from the end: `left` items stand behind the one at hand.
  int64_t dim = 0, real = 0;
  for (const ExprPtr& i : items) real += i->kind != EK::None && i->kind != EK::Ellipsis;
  std::vector<Value*> indices;  // tensor indices, None between them
  bool after_ellipsis = false;
  int64_t left = real;
  auto dim_value = [&](int64_t d) { return constant(range, after_ellipsis ? -left - 1 : d); };
  for (const ExprPtr& i : items) {
    if (i->kind == EK::Ellipsis) {
      if (after_ellipsis) fail(range, "an index may hold one '...' only");
      after_ellipsis = true;
      continue;
    }
    if (i->kind == EK::None) {
      v = emit_typed(range, "aten::unsqueeze", {v, dim_value(dim)}, Type::tensor());
      dim++;
      continue;
    }
    left--;
    if (i->kind == EK::Slice) {
      const auto& s = i->items;
      if (s[0] || s[1] || s[2])
        v = emit_typed(range, "aten::slice",
                       {v, dim_value(dim), part(s[0], {}), part(s[1], {}), part(s[2], int64_t(1))}, Type::tensor());
      dim++;
      continue;
    }
    Value* index = value(i);
    if (index->type()->is(TK::Int)) {
      v = emit_typed(range, "aten::select", {v, dim_value(dim), index}, Type::tensor());
      continue;
    }
    if (index->type()->is(TK::List)) {  // numbers are places, unless they say which to take
      TypePtr item = index->type()->element();
      while (item->is(TK::List)) item = item->element();
      IValue dtype = item->is(TK::Bool) ? DType::Bool : DType::Int64;
      index = call_operator(range, "tensor", {{i->range, "", simple(index)}, {i->range, "dtype", constant_of(dtype)}})
                  ->as_value(range, *this);
    }
    if (!index->type()->is(TK::Tensor)) fail(i->range, str("Unsupported index of type ", index->type()));
    if (after_ellipsis) fail(range, "tensor indices after '...' are not supported in TorchScript here");
    while (int64_t(indices.size()) < dim) indices.push_back(constant(range, {}));
    indices.push_back(index);
    dim++;
  }
  if (indices.empty()) return simple(v);
  Value* list = emit_typed(range, "prim::ListConstruct", indices, Type::list(Type::optional(Type::tensor())));
  return simple(emit_typed(range, "aten::index", {v, list}, Type::tensor()));
}

}  // namespace rushlight::script
