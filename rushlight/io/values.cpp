#include "rushlight/io/values.h"

#include "rushlight/core/error.h"
#include "rushlight/graph/executor/lists.h"

namespace rushlight::io {

using K = Pickled::Kind;
using TK = Type::Kind;

constexpr int kMaxDepth = 500;

void ValueReader::unsupported(const std::string& global) {
  throw UnpicklingError(
      str("load '", name_, "': Unsupported global: ", global.empty() ? "a computed callable" : global));
}
IValue ValueReader::object(const Pickled& v, int) { unsupported(v.items[0]->text); }
TypePtr ValueReader::type_named(const std::string& text) {
  throw UnpicklingError(str("load '", name_, "': a value of type ", text, ", which only script archives hold"));
}

IValue ValueReader::value(const Pickled& v, const TypePtr& type, int depth) {
  RL_CHECK(UnpicklingError, depth < kMaxDepth, "load '", name_, "': nested more than ", kMaxDepth,
           " deep, or a value that contains itself");
  bool plain = v.items.empty() && !v.is(K::Global);
  if (!plain)
    for (const Made& m : made_[&v])
      if (m.type == type.get()) return m.value;
  IValue out = make(v, type, depth);
  if (!plain) {
    made_[&v].push_back({type.get(), out});
    if (type) held_.push_back(type);
  }
  return out;
}

IValue ValueReader::make(const Pickled& v, const TypePtr& type, int depth) {
  const Type* t = !type ? nullptr : type->is(TK::Optional) ? type->element().get() : type.get();
  switch (v.kind) {
    case K::None: return {};
    case K::Bool: return v.boolean;
    case K::Int: return t && t->is(TK::Float) ? IValue(double(v.integer)) : IValue(v.integer);
    case K::Float: return v.number;
    case K::Str: return t && t->is(TK::Device) ? IValue(Device::parse(v.text)) : IValue(v.text);
    case K::Tuple: {
      std::vector<IValue> items;
      bool known = t && t->is(TK::Tuple);
      for (size_t i = 0; i < v.items.size(); i++)
        items.push_back(
            value(*v.items[i], known && i < t->contained().size() ? t->contained()[i] : nullptr, depth + 1));
      TypePtr named = !known || t->fields().empty() ? nullptr : type->is(TK::Optional) ? type->element() : type;
      return make_ref<TupleValue>(std::move(items), std::move(named));
    }
    case K::List: return list(v.items, t && t->is(TK::List) ? t->element() : nullptr, depth);
    case K::Dict: return dict(v.items, t, depth);
    case K::Object: {
      IValue o = object(v, depth);
      TypePtr wanted = type && type->is(TK::Optional) ? type->element() : type;
      RL_CHECK(UnpicklingError, !wanted || !wanted->is(TK::Class) || fits(o, wanted), "load '", name_, "': expected a ",
               wanted->text(), ", got a ", o.type());
      return o;
    }
    case K::Call: return call(v, depth);
    case K::Global: unsupported(v.text);
    default: throw UnpicklingError(str("load '", name_, "': a kind of value that C++ programs can't take"));
  }
}

IValue ValueReader::list(const std::vector<Pickled*>& from, const TypePtr& element, int depth) {
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

IValue ValueReader::dict(const std::vector<Pickled*>& pairs, const Type* t, int depth) {
  bool known = t && t->is(TK::Dict);
  Ref<DictValue> d;
  if (known) d = make_ref<DictValue>(t->contained()[0], t->contained()[1]);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    IValue key = value(*pairs[i], known ? d->key : nullptr, depth + 1);
    IValue v = value(*pairs[i + 1], known ? d->value : nullptr, depth + 1);
    RL_CHECK(UnpicklingError, key.is_string() || key.is_scalar() || (known && key.is_tensor()), "load '", name_,
             "': a dictionary key that is neither a string nor a number");
    if (!d) d = make_ref<DictValue>(key.type(), Type::any());
    d->set(std::move(key), std::move(v));
  }
  return d ? d : make_ref<DictValue>(Type::string(), Type::any());
}

IValue ValueReader::call(const Pickled& v, int depth) {
  bool parameter;
  if (auto tensor = tensors_.tensor(v, &parameter)) return *tensor;
  const std::string& f = v.items[0]->text;
  const auto& args = v.items[1]->items;
  auto first = [&](TypePtr element) {
    return args.empty() ? graph::make_list(element, {}) : list(args[0]->items, element, depth);
  };
  if (f == "collections.OrderedDict") return dict(v.appended, nullptr, depth);
  if (f == "torch.Size") return first(Type::integer());
  if (f == "torch.jit._pickle.build_intlist") return first(Type::integer());
  if (f == "torch.jit._pickle.build_doublelist") return first(Type::floating());
  if (f == "torch.jit._pickle.build_boollist") return first(Type::boolean());
  if (f == "torch.jit._pickle.build_tensorlist") return first(Type::tensor());
  if (f == "torch.jit._pickle.restore_type_tag" && args.size() == 2)
    return value(*args[0], type_named(args[1]->text), depth + 1);
  if ((f == "builtins.complex" || f == "__builtin__.complex") && args.size() == 2)
    return complex128(value(*args[0], nullptr, depth + 1).to_double(), value(*args[1], nullptr, depth + 1).to_double());
  if (f == "torch.device" && !args.empty() && args.size() <= 2) {
    std::string index = args.size() == 2 && args[1]->is(K::Int) ? str(":", args[1]->integer) : "";
    return Device::parse(args[0]->text + index);
  }
  unsupported(f);
}

IValue load_value(const Bytes& bytes, const std::string& name) {
  Checkpoint c = open_checkpoint(bytes, name);
  PickleTree tree = c.parse();
  return ValueReader(*c.tensors, name).value(*tree.root);
}

}  // namespace rushlight::io
