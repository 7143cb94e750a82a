#include "rushlight/io/values.h"

#include "rushlight/core/error.h"
#include "rushlight/graph/executor/lists.h"

namespace rushlight::io {

using TK = Type::Kind;

void ValueReader::unsupported(const std::string& global) {
  throw UnpicklingError(
      str("load '", name_, "': Unsupported global: ", global.empty() ? "a computed callable" : global));
}
void ValueReader::refuse() {
  throw UnpicklingError(str("load '", name_, "': a kind of value that C++ programs can't take"));
}
IValue ValueReader::object(const Pickled& v, int) { unsupported(v.items[0]->text); }
IValue ValueReader::called(const std::string& global, const Pickled&, int) { unsupported(global); }
TypePtr ValueReader::type_named(const std::string& text) {
  throw UnpicklingError(str("load '", name_, "': a value of type ", text, ", which only script archives hold"));
}

// What is expected, an Optional's element for itself; null where nothing is known, or another kind.
static TypePtr known(const TypePtr& type, TK kind) {
  const TypePtr& t = type && type->is(TK::Optional) ? type->element() : type;
  return t && t->is(kind) ? t : nullptr;
}

void ValueReader::check(const IValue& v, const TypePtr& type) const {
  if (!v.is_object()) return;
  TypePtr wanted = known(type, TK::Class);
  RL_CHECK(UnpicklingError, !wanted || fits(v, wanted), "load '", name_, "': expected a ", wanted->text(), ", got a ",
           v.type());
}

IValue ValueReader::integer(int64_t i, const TypePtr& type) {
  return known(type, TK::Float) ? IValue(double(i)) : IValue(i);
}
IValue ValueReader::text(const std::string& s, const TypePtr& type) {
  return known(type, TK::Device) ? IValue(Device::parse(s)) : IValue(s);
}

IValue ValueReader::tuple(const Pickled& v, const TypePtr& type, int depth) {
  TypePtr t = known(type, TK::Tuple);
  std::vector<IValue> items;
  for (size_t i = 0; i < v.items.size(); i++)
    items.push_back(value(*v.items[i], t && i < t->contained().size() ? t->contained()[i] : nullptr, depth + 1));
  return make_ref<TupleValue>(std::move(items), t && !t->fields().empty() ? t : nullptr);
}

IValue ValueReader::list(const Pickled&, const std::vector<Pickled*>& items, const TypePtr& type, int depth) {
  TypePtr t = known(type, TK::List);
  return list_of(items, t ? t->element() : nullptr, depth);
}

IValue ValueReader::list_of(const std::vector<Pickled*>& from, const TypePtr& element, int depth) {
  std::vector<IValue> items;
  for (const Pickled* i : from) items.push_back(value(*i, element, depth + 1));
  if (element) return graph::make_list(element, std::move(items));
  // Nothing said what it holds: numbers or tensors where all are of one kind.
  TypePtr first = items.empty() ? Type::any() : items[0].type();
  bool alike = first->is(TK::Tensor) || first->is(TK::Int) || first->is(TK::Float) || first->is(TK::Bool);
  for (const IValue& i : items) alike = alike && i.type()->equals(*first);
  if (alike) return graph::make_list(first, std::move(items));
  return make_ref<GenericList>(first, std::move(items));
}

IValue ValueReader::dict(const Pickled&, const std::vector<Pickled*>& pairs, bool, const TypePtr& type, int depth) {
  TypePtr t = known(type, TK::Dict);
  Ref<DictValue> d;
  if (t) d = make_ref<DictValue>(t->contained()[0], t->contained()[1]);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    IValue key = value(*pairs[i], t ? d->key : nullptr, depth + 1);
    IValue v = value(*pairs[i + 1], t ? d->value : nullptr, depth + 1);
    RL_CHECK(UnpicklingError, key.is_string() || key.is_scalar() || (t && key.is_tensor()), "load '", name_,
             "': a dictionary key that is neither a string nor a number");
    if (!d) d = make_ref<DictValue>(key.type(), Type::any());
    d->set(std::move(key), std::move(v));
  }
  return d ? d : make_ref<DictValue>(Type::string(), Type::any());
}

// What TorchScript's pickler calls.
IValue ValueReader::other_call(const Pickled& v, int depth) {
  const std::string& f = v.items[0]->text;
  const TypePtr elements[] = {Type::integer(), Type::floating(), Type::boolean(), Type::tensor()};
  const char* names[] = {"intlist", "doublelist", "boollist", "tensorlist"};
  for (size_t i = 0; i < std::size(names); i++)
    if (f == str("torch.jit._pickle.build_", names[i])) return list_of(items_of(v), elements[i], depth);
  if (f == "torch.jit._pickle.build_tensor_from_id" && argument(v, 0).is(K::Int))
    return tensors_.numbered_tensor(str(argument(v, 0).integer));
  if (f == "torch.jit._pickle.restore_type_tag")
    return value(argument(v, 0), type_named(argument(v, 1).text), depth + 1);
  return called(f, *v.items[1], depth);
}

IValue load_value(const Bytes& bytes, const std::string& name) {
  Checkpoint c = open_checkpoint(bytes, name);
  PickleTree tree = c.parse();
  return ValueReader(*c.tensors, name).value(*tree.root);
}

}  // namespace rushlight::io
