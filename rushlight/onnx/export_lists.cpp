// Lists and tuples whose items depend on the inputs.
#include "rushlight/graph/executor/lists.h"
#include "rushlight/onnx/export_run.h"

namespace rushlight::onnx {

std::vector<Known> items_of(const Known& k) {
  if (k.items) return *k.items;
  std::vector<Known> all(k.value.is_tuple() ? k.value.to_tuple().items.size() : graph::list_size(k.value));
  for (size_t i = 0; i < all.size(); i++)
    all[i].value = k.value.is_tuple() ? k.value.to_tuple().items[i] : graph::list_get(k.value, i);
  return all;
}

void gather(Known& k, const TypePtr& element) {
  std::vector<IValue> values, others;
  bool all = true;
  k.constant = k.of_sizes = true;
  for (const Known& i : *k.items) {
    values.push_back(i.value);
    others.push_back(i.constant ? i.value : i.other);
    all &= i.constant || !i.other.is_none();
    k.constant &= i.constant;
    k.of_sizes &= i.constant || i.of_sizes;
  }
  auto made = [&](std::vector<IValue> v) {
    return element ? graph::make_list(element, std::move(v)) : IValue::tuple(std::move(v));
  };
  k.value = made(std::move(values));
  k.other = all ? made(std::move(others)) : IValue();
}
void leaves(Known& k, std::vector<Known*>& out) {
  if (k.value.is_none()) return;
  if (k.value.is_tuple() || k.value.is_any_list()) {
    if (!k.items) k.items = std::make_shared<std::vector<Known>>(items_of(k));
    for (Known& i : *k.items) leaves(i, out);
  } else {
    out.push_back(&k);
  }
}
Known own_copy(Known k) {
  if (!k.items && (k.value.is_tuple() || k.value.is_any_list()))
    k.items = std::make_shared<std::vector<Known>>(items_of(k));
  if (k.items) {
    k.items = std::make_shared<std::vector<Known>>(*k.items);
    for (Known& i : *k.items) i = own_copy(i);
  }
  return k;
}
void regather(Known& k, const TypePtr& type) {
  if (!k.items) return;
  const Type& t = type->is(Type::Kind::Optional) ? *type->element() : *type;
  bool tuple = k.value.is_tuple();
  for (size_t i = 0; i < k.items->size(); i++) regather((*k.items)[i], tuple ? t.contained()[i] : t.element());
  gather(k, tuple ? nullptr : t.element());
}

void Run::flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat) {
  into.value = into.other = v;
  if (v.is_tuple() || v.is_tensor_list() || v.is_generic_list()) {
    into.items = std::make_shared<std::vector<Known>>();
    size_t n = v.is_tuple() ? v.to_tuple().items.size() : graph::list_size(v);
    into.items->resize(n);
    for (size_t i = 0; i < n; i++) {
      flatten(v.is_tuple() ? v.to_tuple().items[i] : graph::list_get(v, i), str(name, "_", i), (*into.items)[i], flat);
      into.constant &= (*into.items)[i].constant;
    }
  } else if (v.is_tensor()) {
    into.name = name;
    into.constant = false;
    flat.push_back(&into);
  }
}

}  // namespace rushlight::onnx
