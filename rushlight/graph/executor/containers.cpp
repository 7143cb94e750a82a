// Lists and dictionaries. A schema's t, tKey and tVal stand for any one type.
#include <algorithm>
#include <functional>

#include "rushlight/core/limits.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/ir.h"

namespace rushlight::graph {
namespace {

std::string_view text(const IValue& v) { return v.to_string(); }

std::vector<IValue> items_of(const IValue& list) {
  std::vector<IValue> out;
  for (size_t i = 0, n = list_size(list); i < n; i++) out.push_back(list_get(list, i));
  return out;
}
void refill(const IValue& list, const std::vector<IValue>& items) {
  for (size_t i = 0; i < items.size(); i++) list_set(list, i, items[i]);
}
IValue like(const IValue& list, std::vector<IValue> items) {
  return make_list(list.type()->element(), std::move(items));
}

IValue slice(const IValue& list, const IValue& start, const IValue& stop, int64_t step) {
  SliceRange range = slice_range(int64_t(list_size(list)), start, stop, step);
  std::vector<IValue> items;
  for (int64_t k = 0, i = range.start; k < range.count; k++, i += step) items.push_back(list_get(list, size_t(i)));
  return like(list, std::move(items));
}
IValue copy(const IValue& list) { return slice(list, {}, {}, 1); }
void extend(const IValue& list, const IValue& more) {
  for (size_t i = 0, n = list_size(more); i < n; i++) list_insert(list, list_size(list), list_get(more, i));
}
IValue joined(const IValue& a, const IValue& b) {
  IValue out = copy(a);
  extend(out, b);
  return out;
}
void clear(const IValue& list) {
  while (list_size(list)) list_erase(list, list_size(list) - 1);
}
// list * n, in place.
void repeat(const IValue& list, int64_t n) {
  if (n <= 0) return clear(list);
  size_t size = list_size(list);
  RL_CHECK(RuntimeError, size == 0 || uint64_t(n) <= (uint64_t(1) << 32) / size, "a list of ", size, " items, ", n,
           " times, is too long");
  Limits::expect_room(int64_t(size) * n * int64_t(sizeof(int64_t)));
  for (int64_t k = 1; k < n && size; k++)
    for (size_t i = 0; i < size; i++) list_insert(list, list_size(list), list_get(list, i));
}
IValue repeated(const IValue& list, int64_t n) {
  IValue out = copy(list);
  repeat(out, n);
  return out;
}
IValue pop(const IValue& list, int64_t i) {
  RL_CHECK(IndexError, list_size(list) > 0, "pop from empty list");
  size_t at = list_index(list, i);
  IValue v = list_get(list, at);
  list_erase(list, at);
  return v;
}
void insert(const IValue& list, int64_t i, const IValue& v) {
  int64_t n = int64_t(list_size(list));
  list_insert(list, size_t(std::clamp<int64_t>(i < 0 ? i + n : i, 0, n)), v);
}
int64_t find(const IValue& list, const IValue& v) {
  for (size_t i = 0, n = list_size(list); i < n; i++)
    if (values_equal(list_get(list, i), v)) return int64_t(i);
  return -1;
}
void remove(const IValue& list, const IValue& v) {
  int64_t at = find(list, v);
  RL_CHECK(ValueError, at >= 0, "list.remove(x): x not in list: it has no ", represented(v));
  list_erase(list, size_t(at));
}
int64_t index(const IValue& list, const IValue& v) {
  int64_t at = find(list, v);
  RL_CHECK(ValueError, at >= 0, "'", represented(v), "' is not in list");
  return at;
}
int64_t count(const IValue& list, const IValue& v) {
  int64_t n = 0;
  for (const IValue& i : items_of(list)) n += values_equal(i, v);
  return n;
}
void reverse(const IValue& list) {
  std::vector<IValue> items = items_of(list);
  std::reverse(items.begin(), items.end());
  refill(list, items);
}
// Python's sort: stable, and in reverse too.
void sort(const IValue& list, bool reversed) {
  std::vector<IValue> items = items_of(list);
  std::stable_sort(items.begin(), items.end(),
                   [&](const IValue& a, const IValue& b) { return reversed ? value_less(b, a) : value_less(a, b); });
  refill(list, items);
}
IValue sorted(const IValue& list) {
  IValue out = copy(list);
  sort(out, false);
  return out;
}
bool truth(const IValue& v) {
  if (v.is_string()) return !text(v).empty();
  return v.to_scalar().to<bool>();
}
bool any(const IValue& list) {
  std::vector<IValue> items = items_of(list);
  return std::any_of(items.begin(), items.end(), truth);
}
bool all(const IValue& list) {
  std::vector<IValue> items = items_of(list);
  return std::all_of(items.begin(), items.end(), truth);
}
// The least item, or the largest; of equal ones the first.
IValue extreme(const IValue& list, bool largest, const char* what) {
  std::vector<IValue> items = items_of(list);
  RL_CHECK(ValueError, !items.empty(), what, "() arg is an empty sequence");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); i++)
    if (largest ? value_less(items[best], items[i]) : value_less(items[i], items[best])) best = i;
  return items[best];
}
IValue lesser(const IValue& a, const IValue& b, bool largest) {
  return (largest ? value_less(a, b) : value_less(b, a)) ? b : a;
}
int64_t total(const IValue& list) {
  int64_t n = 0;
  for (const IValue& i : items_of(list))
    RL_CHECK(RuntimeError, !__builtin_add_overflow(n, i.to_int(), &n),
             "OverflowError: a sum that does not fit in 64 bits");
  return n;
}
double float_total(const IValue& list) {
  double n = 0;
  for (const IValue& i : items_of(list)) n += i.to_double();
  return n;
}
complex128 complex_total(const IValue& list) {
  complex128 n = 0;
  for (const IValue& i : items_of(list)) n += i.to_complex();
  return n;
}

template <class F>
IValue dict_list(const DictValue& d, TypePtr element, const F& f) {
  std::vector<IValue> items;
  for (const auto& pair : d.items) items.push_back(f(pair));
  return make_list(element, std::move(items));
}
IValue at(const IValue& dict, const IValue& key) {
  const IValue* found = dict.dict().find(key);
  RL_CHECK(KeyError, found, represented(key));
  return *found;
}
IValue taken(const IValue& dict, const IValue& key, const IValue* otherwise) {
  const IValue* found = dict.dict().find(key);
  if (!found && otherwise) return *otherwise;
  RL_CHECK(KeyError, found, represented(key));
  IValue v = *found;
  dict.dict().erase(key);
  return v;
}
IValue last_taken(const IValue& dict) {
  auto& items = dict.dict().items;
  RL_CHECK(KeyError, !items.empty(), "'popitem(): dictionary is empty'");
  auto [key, value] = items.back();
  dict.dict().pop_back();
  return IValue::tuple({key, value});
}
IValue set_default(const IValue& dict, const IValue& key, const IValue& value) {
  if (const IValue* found = dict.dict().find(key)) return *found;
  dict.dict().set(key, value);
  return value;
}
IValue dict_copy(const IValue& dict) {
  auto out = make_ref<DictValue>(dict.dict().key, dict.dict().value);
  for (const auto& [key, value] : dict.dict().items) out->set(key, value);
  return out;
}
IValue dict_of(const IValue& pairs) {
  const auto& types = pairs.type()->element()->contained();
  auto out = make_ref<DictValue>(types.at(0), types.at(1));
  for (const IValue& pair : items_of(pairs)) out->set(pair.to_tuple().items.at(0), pair.to_tuple().items.at(1));
  return out;
}
// A module in a ModuleList or ModuleDict.
IValue module_at(const ObjectValue& list, int64_t i) {
  std::vector<IValue> modules;
  const auto& slots = as_class(list.type)->slots;
  for (size_t k = 0; k < slots.size(); k++)
    if (as_class(slots[k].type)) modules.push_back(read_slot(list.slots[k]));
  const int64_t n = int64_t(modules.size()), at = i < 0 ? i + n : i;
  RL_CHECK(IndexError, at >= 0 && at < n, "list index out of range: ", i, " in a ModuleList of ", n);
  return modules[size_t(at)];
}
IValue module_named(const ObjectValue& dict, std::string_view name) {
  const ClassType& c = *as_class(dict.type);
  const int at = c.find_slot(std::string(name));
  const bool is_module = at >= 0 && as_class(c.slots[size_t(at)].type);
  RL_CHECK(KeyError, is_module, "'", name, "' is no module of the ModuleDict");
  return read_slot(dict.slots[size_t(at)]);
}

int64_t hash(const IValue& v) {
  if (v.is_string()) return int64_t(std::hash<std::string_view>()(text(v)));
  if (v.is_int() || v.is_bool()) return v.to_int();
  if (v.is_double())
    return v.to_double() == double(int64_t(v.to_double())) ? int64_t(v.to_double())
                                                           : int64_t(std::hash<double>()(v.to_double()));
  if (v.is_none()) return 0;
  if (v.is_device()) return int64_t(std::hash<std::string>()(str(v.to_device())));
  if (v.is_tensor()) return int64_t(reinterpret_cast<uintptr_t>(v.tensor().impl()) >> 4);  // its own, as Python's
  if (v.is_tuple()) {
    uint64_t all = 0;
    for (const IValue& item : v.to_tuple().items) all = all * 1000003 + uint64_t(hash(item));
    return int64_t(all);
  }
  throw TypeError(str("unhashable type: '", v.type(), "'"));
}

#define RL_EXTREME(name, large)                                                                      \
  RL_P("prim::" name ".self_int(int[] self) -> int", extreme(a[0], large, name)),                    \
      RL_P("prim::" name ".self_float(float[] self) -> float", extreme(a[0], large, name)),          \
      RL_P("prim::" name ".self_bool(bool[] self) -> bool", extreme(a[0], large, name)),             \
      RL_P("prim::" name ".int_list(int[] l, int[] r) -> int[]", lesser(a[0], a[1], large)),         \
      RL_P("prim::" name ".float_list(float[] l, float[] r) -> float[]", lesser(a[0], a[1], large)), \
      RL_P("prim::" name ".bool_list(bool[] l, bool[] r) -> bool[]", lesser(a[0], a[1], large))

const Entry kEntries[] = {
    RL_P("aten::len.t(t[] a) -> int", int64_t(list_size(a[0]))),
    RL_P("aten::__getitem__.t(t[](a) list, int idx) -> t(*)", list_get(a[0], list_index(a[0], a[1].to_int()))),
    RL_P("aten::select.t(t[](a) list, int idx) -> t(*)", list_get(a[0], list_index(a[0], a[1].to_int()))),
    RL_DO("aten::_set_item.t(t[](a!) l, int idx, t el) -> t[](a!)",
          list_set(a[0], list_index(a[0], a[1].to_int()), a[2]);
          r[0] = IValue(a[0])),
    RL_DO("aten::append.t(t[](a!) self, t el) -> t[](a!)", list_insert(a[0], list_size(a[0]), a[1]);
          r[0] = IValue(a[0])),
    RL_DO("aten::extend.t(t[](a!) self, t[] other) -> ()", extend(a[0], a[1])),
    RL_DO("aten::insert.t(t[](a!) self, int idx, t el) -> ()", insert(a[0], a[1].to_int(), a[2])),
    RL_P("aten::pop.t(t[](a!) self, int idx=-1) -> t(*)", pop(a[0], a[1].to_int())),
    RL_DO("aten::remove.t(t[](a!) self, t el) -> ()", remove(a[0], a[1])),
    RL_DO("aten::Delete.t(t[](a!) self, int idx) -> ()", list_erase(a[0], list_index(a[0], a[1].to_int()))),
    RL_DO("aten::clear.t(t[](a!) self) -> ()", clear(a[0])),
    RL_DO("aten::reverse.t(t[](a!) self) -> ()", reverse(a[0])),
    RL_DO("aten::sort.t(t[](a!) self, bool reverse=False) -> ()", sort(a[0], a[1].to_bool())),
    RL_P("aten::sorted.t(t[](a) self) -> t[]", sorted(a[0])),
    RL_P("aten::index.list(t[] self, t el) -> int", index(a[0], a[1])),
    RL_P("aten::count.list(t[] self, t el) -> int", count(a[0], a[1])),
    RL_P("aten::list.t(t[] l) -> t[]", copy(a[0])),
    RL_P("aten::copy.t(t[](a) self) -> t[]", copy(a[0])),
    RL_P("aten::slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]",
         slice(a[0], a[1], a[2], a[3].to_int())),
    RL_P("aten::add.t(t[] a, t[] b) -> t[]", joined(a[0], a[1])),
    RL_DO("aten::add_.t(t[](a!) self, t[] b) -> t[]", extend(a[0], a[1]); r[0] = IValue(a[0])),
    RL_P("aten::mul.left_t(t[] l, int n) -> t[]", repeated(a[0], a[1].to_int())),
    RL_P("aten::mul.right_(int n, t[] l) -> t[]", repeated(a[1], a[0].to_int())),
    RL_DO("aten::mul_.t(t[](a!) l, int n) -> t[](a!)", repeat(a[0], a[1].to_int()); r[0] = IValue(a[0])),
    RL_P("aten::__contains__.list(t[] l, t item) -> bool", find(a[0], a[1]) >= 0),
    RL_P("aten::eq.t_list(t[] a, t[] b) -> bool", values_equal(a[0], a[1])),
    RL_P("aten::eq.enum(AnyEnumType a, AnyEnumType b) -> bool", a[0].is_same(a[1])),
    RL_P("aten::ne.enum(AnyEnumType a, AnyEnumType b) -> bool", !a[0].is_same(a[1])),
    RL_P("aten::ne.t_list(t[] a, t[] b) -> bool", !values_equal(a[0], a[1])),
    RL_P("aten::lt.t_list(t[] a, t[] b) -> bool", value_less(a[0], a[1])),
    RL_P("aten::gt.t_list(t[] a, t[] b) -> bool", value_less(a[1], a[0])),
    RL_P("aten::le.t_list(t[] a, t[] b) -> bool", value_less(a[0], a[1]) || values_equal(a[0], a[1])),
    RL_P("aten::ge.t_list(t[] a, t[] b) -> bool", value_less(a[1], a[0]) || values_equal(a[0], a[1])),
    RL_P("aten::any.int(int[] self) -> bool", any(a[0])),
    RL_P("aten::any.float(float[] self) -> bool", any(a[0])),
    RL_P("aten::any.bool(bool[] self) -> bool", any(a[0])),
    RL_P("aten::any.str(str[] self) -> bool", any(a[0])),
    RL_P("aten::all.int(int[] self) -> bool", all(a[0])),
    RL_P("aten::all.float(float[] self) -> bool", all(a[0])),
    RL_P("aten::all.bool(bool[] self) -> bool", all(a[0])),
    RL_P("aten::sum.int(int[] self) -> int", total(a[0])),
    RL_P("aten::sum.float(float[] self) -> float", float_total(a[0])),
    RL_P("aten::sum.bool(bool[] self) -> int", total(a[0])),
    RL_P("aten::sum.complex(complex[] self) -> complex", complex_total(a[0])),
    RL_EXTREME("min", false),
    RL_EXTREME("max", true),
    RL_P("prim::rangelist(int n) -> int[]", ([](int64_t n) {
           std::vector<int64_t> out;
           for (int64_t i = 0; i < n; i++) out.push_back(i);
           return out;
         })(a[0].to_int())),
    RL_P("aten::len.Dict(Dict(tKey, tVal) self) -> int", int64_t(a[0].dict().items.size())),
    RL_P("aten::__getitem__.Dict(Dict(tKey, tVal) self, tKey key) -> tVal(*)", at(a[0], a[1])),
    RL_DO("aten::_set_item.Dict(Dict(tKey, tVal)(a!) l, tKey idx, tVal v) -> ()", a[0].dict().set(a[1], a[2])),
    RL_P("aten::__contains__.Dict(Dict(tKey, tVal) dict, tKey key) -> bool", a[0].dict().find(a[1]) != nullptr),
    RL_DO("aten::Delete.Dict(Dict(tKey, tVal)(a!) self, tKey key) -> ()",
          RL_CHECK(KeyError, a[0].dict().erase(a[1]), represented(a[1]))),
    RL_P("aten::keys(Dict(tKey, tVal) self) -> tKey[](*)",
         dict_list(a[0].dict(), a[0].dict().key, [](const auto& p) { return p.first; })),
    RL_P("aten::values(Dict(tKey, tVal) self) -> tVal[](*)",
         dict_list(a[0].dict(), a[0].dict().value, [](const auto& p) { return p.second; })),
    RL_P("aten::items(Dict(tKey, tVal) self) -> (tKey, tVal)[]",
         dict_list(a[0].dict(), Type::tuple({a[0].dict().key, a[0].dict().value}),
                   [](const auto& p) { return IValue::tuple({p.first, p.second}); })),
    RL_DO("aten::get.Dict(Dict(tKey, tVal) self, tKey key) -> tVal(*)?", const IValue* v = a[0].dict().find(a[1]);
          r[0] = v ? *v : IValue()),
    RL_DO("aten::get.default(Dict(tKey, tVal) self, tKey key, tVal default_value) -> tVal(*)",
          const IValue* v = a[0].dict().find(a[1]);
          r[0] = v ? *v : IValue(a[2])),
    RL_P("aten::pop.Dict(Dict(tKey, tVal)(a!) self, tKey key) -> tVal(*)", taken(a[0], a[1], nullptr)),
    RL_P("aten::pop.Dict_default(Dict(tKey, tVal)(a!) self, tKey key, tVal default_value) -> tVal(*)",
         taken(a[0], a[1], &a[2])),
    RL_P("aten::popitem(Dict(tKey, tVal)(a!) self) -> ((tKey, tVal))", last_taken(a[0])),
    RL_P("aten::setdefault(Dict(tKey, tVal)(a!) self, tKey key, tVal default_value) -> tVal(*)",
         set_default(a[0], a[1], a[2])),
    RL_DO("aten::update.Dict(Dict(tKey, tVal)(a!) self, Dict(tKey, tVal) to_add) -> ()",
          for (const auto& [key, value] : a[1].dict().items) a[0].dict().set(key, value)),
    RL_DO("aten::clear.Dict(Dict(tKey, tVal)(a!) self) -> ()", a[0].dict().clear()),
    RL_P("aten::copy.Dict(Dict(tKey, tVal)(a) self) -> Dict(tKey, tVal)", dict_copy(a[0])),
    RL_P("aten::dict.Dict(Dict(tKey, tVal)(a) self) -> Dict(tKey, tVal)", dict_copy(a[0])),
    RL_P("aten::dict.list((tKey, tVal)[] inputs) -> Dict(tKey, tVal)", dict_of(a[0])),
    RL_P("aten::list.Dict(Dict(tKey, tVal) l) -> tKey[]",
         dict_list(a[0].dict(), a[0].dict().key, [](const auto& p) { return p.first; })),
    RL_P("aten::hash.generic(t value) -> int", hash(a[0])),
    RL_P("prim::ModuleContainerIndex.list(Any self, int ind) -> Any", module_at(a[0].to_object(), a[1].to_int())),
    RL_P("prim::ModuleContainerIndex.dict(Any self, str ind) -> Any", module_named(a[0].to_object(), text(a[1]))),
};

}  // namespace

std::span<const Entry> container_entries() { return kEntries; }

}  // namespace rushlight::graph
