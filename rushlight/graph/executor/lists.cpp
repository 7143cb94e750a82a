#include "rushlight/graph/executor/lists.h"

#include <algorithm>

#include "rushlight/core/error.h"
#include "rushlight/dispatch/boxing.h"
#include "rushlight/graph/executor/executor.h"

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
  if (list.is_borrowed()) {
    if (list.is_int_list()) return list.int_list()[i];
    if (list.is_double_list()) return list.double_list()[i];
    if (list.is_tensor_list()) return list.tensor_list()[i];
  }
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

// a.method(b), if the class of a has that.
static bool call_own(const IValue& a, const char* method, const IValue& b, IValue& out) {
  const ClassType* c = as_class(a.to_object().type);
  Function* f = c ? c->find_method(method) : nullptr;
  if (!f) return false;
  out = run_function(*f, {a, b});
  return true;
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
  if (a.is_dict() && b.is_dict()) {
    if (a.dict().items.size() != b.dict().items.size()) return false;
    for (const auto& [key, value] : a.dict().items) {
      const IValue* other = b.dict().find(key);
      if (!other || !values_equal(value, *other)) return false;
    }
    return true;
  }
  if (a.is_tensor() && b.is_tensor() && !a.is_same(b)) {
    static const Op *eq = OpTable::get().find("eq.Tensor"), *item = OpTable::get().find("item");
    IValue args[] = {IValue::borrow(a), IValue::borrow(b)}, equal, truth;
    call(*eq, args, &equal);
    RL_CHECK(RuntimeError, equal.tensor().numel() == 1,
             "Boolean value of Tensor with more than one value is ambiguous");
    call(*item, &equal, &truth);
    return truth.to_bool();
  }
  IValue own;
  if (a.is_object() && b.is_object() && !a.is_same(b) && call_own(a, "__eq__", b, own)) return own.to_bool();
  return a.is_same(b);
}

bool value_less(const IValue& a, const IValue& b) {
  if (IValue own; a.is_object() && call_own(a, "__lt__", b, own)) return own.to_bool();
  if (a.is_string() && b.is_string()) return a.to_string() < b.to_string();
  if (a.is_scalar() && b.is_scalar() && !a.is_complex() && !b.is_complex())
    return a.is_double() || b.is_double() ? a.to_double() < b.to_double() : a.to_int() < b.to_int();
  auto items = [](const IValue& v) {
    if (v.is_tuple()) return v.to_tuple().items;
    std::vector<IValue> out;
    for (size_t i = 0, n = list_size(v); i < n; i++) out.push_back(list_get(v, i));
    return out;
  };
  if ((a.is_any_list() && b.is_any_list()) || (a.is_tuple() && b.is_tuple())) {
    std::vector<IValue> x = items(a), y = items(b);
    for (size_t i = 0; i < std::min(x.size(), y.size()); i++)
      if (!values_equal(x[i], y[i])) return value_less(x[i], y[i]);
    return x.size() < y.size();
  }
  if (a.is_tensor() && b.is_tensor()) {
    RL_CHECK(RuntimeError, a.tensor().numel() == 1 && b.tensor().numel() == 1,
             "Boolean value of Tensor with more than one value is ambiguous: only tensors of one element are sorted");
    static const Op *lt = OpTable::get().find("lt.Tensor"), *item = OpTable::get().find("item");
    IValue args[] = {IValue::borrow(a), IValue::borrow(b)}, less, truth;
    call(*lt, args, &less);
    call(*item, &less, &truth);
    return truth.to_bool();
  }
  throw TypeError(str("'<' is not supported between values of type '", a.type(), "' and '", b.type(), "'",
                      a.type()->kind() == b.type()->kind() ? ": they are not sortable" : "",
                      ". Only values of same type can be compared"));
}

SliceRange slice_range(int64_t n, const IValue& start, const IValue& stop, int64_t step) {
  RL_CHECK(ValueError, step != 0, "slice step cannot be zero");
  // A negative step walks from the last item to the one before the first.
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  auto bound = [&](const IValue& v, int64_t otherwise) {
    if (v.is_none()) return otherwise;
    int64_t i = v.to_int();
    return std::clamp(i < 0 ? i + n : i, low, high);
  };
  int64_t from = bound(start, step > 0 ? low : high), to = bound(stop, step > 0 ? high : low);
  int64_t span = step > 0 ? to - from : from - to;
  uint64_t by = step > 0 ? uint64_t(step) : 0 - uint64_t(step);
  return {from, span <= 0 ? 0 : int64_t((uint64_t(span) - 1) / by + 1)};
}

}  // namespace rushlight::graph
