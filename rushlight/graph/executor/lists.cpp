#include "rushlight/graph/executor/lists.h"

#include "rushlight/core/error.h"

namespace rushlight::graph {
namespace {

template <class F>
auto with_items(const IValue& list, const F& f) {
  switch (list.tag()) {
    case IValue::Tag::IntList: return f(list.ref<IntList>()->items);
    case IValue::Tag::DoubleList: return f(list.ref<DoubleList>()->items);
    case IValue::Tag::BoolList: return f(list.ref<BoolList>()->items);
    case IValue::Tag::TensorList: return f(list.ref<TensorListValue>()->items);
    case IValue::Tag::List: return f(list.list().items);
    default: throw TypeError(str("expected a list, got ", list.kind_name()));
  }
}
template <class T>
T to_item(IValue& v) {
  if constexpr (std::is_same_v<T, int64_t>) return v.to_int();
  else if constexpr (std::is_same_v<T, double>) return v.to_double();
  else if constexpr (std::is_same_v<T, uint8_t>) return v.to_bool();
  else if constexpr (std::is_same_v<T, Tensor>) return v.optional_tensor();
  else return std::move(v);
}
template <class T>
IValue from_item(const T& v) {
  if constexpr (std::is_same_v<T, uint8_t>) return IValue(v != 0);
  else return IValue(v);
}

}  // namespace

size_t list_size(const IValue& list) {
  if (list.is_borrowed()) {
    if (list.is_int_list()) return list.int_list().size();
    if (list.is_double_list()) return list.double_list().size();
    if (list.is_tensor_list()) return list.tensor_list().size();
  }
  return with_items(list, [](auto& items) { return items.size(); });
}
IValue list_get(const IValue& list, size_t i) {
  return with_items(list, [&](auto& items) { return from_item(items[i]); });
}
void list_set(const IValue& list, size_t i, IValue v) {
  with_items(list, [&]<class T>(std::vector<T>& items) { items[i] = to_item<T>(v); });
}
void list_insert(const IValue& list, size_t i, IValue v) {
  with_items(list, [&]<class T>(std::vector<T>& items) { items.insert(items.begin() + int64_t(i), to_item<T>(v)); });
}
void list_erase(const IValue& list, size_t i) {
  with_items(list, [&](auto& items) { items.erase(items.begin() + int64_t(i)); });
}

IValue make_list(const TypePtr& element, std::vector<IValue> items) {
  auto typed = [&]<class T>(Ref<ListOf<T>> out) {
    for (IValue& v : items) out->items.push_back(to_item<T>(v));
    return IValue(std::move(out));
  };
  switch (element->kind()) {
    case Type::Kind::Int: return typed(make_ref<IntList>());
    case Type::Kind::Float: return typed(make_ref<DoubleList>());
    case Type::Kind::Bool: return typed(make_ref<BoolList>());
    case Type::Kind::Tensor: return typed(make_ref<TensorListValue>());
    case Type::Kind::Optional:
      if (element->element()->is(Type::Kind::Tensor)) return typed(make_ref<TensorListValue>());
      [[fallthrough]];
    default: return make_ref<GenericList>(element, std::move(items));
  }
}

size_t list_index(const IValue& list, int64_t i) {
  int64_t n = int64_t(list_size(list));
  RL_CHECK(IndexError, i >= -n && i < n, "list index out of range");
  return size_t(i < 0 ? i + n : i);
}

bool values_equal(const IValue& a, const IValue& b) {
  if (a.is_any_list() && b.is_any_list()) {
    if (list_size(a) != list_size(b)) return false;
    for (size_t i = 0; i < list_size(a); i++)
      if (!values_equal(list_get(a, i), list_get(b, i))) return false;
    return true;
  }
  if (a.is_tuple() && b.is_tuple()) {
    const auto &x = a.to_tuple().items, &y = b.to_tuple().items;
    if (x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); i++)
      if (!values_equal(x[i], y[i])) return false;
    return true;
  }
  return a.is_same(b);
}

}  // namespace rushlight::graph
