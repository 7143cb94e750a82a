#include "rushlight/core/ivalue.h"

#include <algorithm>
#include <functional>

#include "rushlight/core/generator.h"

namespace rushlight {
namespace {
const char* tag_name(IValue::Tag tag) {
  constexpr const char* names[] = {
      "None", "int",     "bool",         "float",          "device",        "Tensor",
      "str",  "complex", "list of ints", "list of floats", "list of bools", "list of Tensors",
      "list", "tuple",   "dict",         "object",         "Generator",     "capsule"};
  return names[int(tag)];
}
}  // namespace

IValue::IValue(const Scalar& s) {
  if (s.is_bool()) *this = IValue(s.to<bool>());
  else if (s.is_int()) *this = IValue(s.to_int());
  else if (s.is_float()) *this = IValue(s.to_double());
  else *this = IValue(s.to<complex128>());
}
IValue::IValue(Ref<GenericList> v) : IValue(Tag::List, v.leak(), 0) {}
IValue::IValue(Ref<TupleValue> v) : IValue(Tag::Tuple, v.leak(), 0) {}
IValue::IValue(Ref<DictValue> v) : IValue(Tag::Dict, v.leak(), 0) {}
IValue::IValue(Ref<ObjectValue> v) : IValue(Tag::Object, v.leak(), 0) {}
IValue::IValue(Ref<Generator> v) : IValue(Tag::Generator, v.leak(), 0) {}
IValue IValue::tuple(std::vector<IValue> items) { return make_ref<TupleValue>(std::move(items)); }
IValue IValue::borrow(Generator* g) { return g ? borrowed(Tag::Generator, static_cast<RefCounted*>(g), 0) : IValue(); }

IValue IValue::borrow(const IValue& o) {
  switch (o.tag_) {
    case Tag::None:
    case Tag::Int:
    case Tag::Bool:
    case Tag::Double:
    case Tag::Device: return o;
    case Tag::IntList: return borrow(o.int_list());
    case Tag::DoubleList: return borrow(o.double_list());
    case Tag::TensorList: return borrow(o.tensor_list());
    case Tag::String: return borrow(o.to_string());
    default: return borrowed(o.tag_, o.payload_.p, 0);
  }
}

void IValue::copy(const IValue& o) {
  payload_ = o.payload_;
  count_ = 0;
  tag_ = o.tag_;
  borrowed_ = false;
  if (!counted()) return;
  if (o.borrowed_) {
    switch (o.tag_) {
      case Tag::IntList: payload_.p = static_cast<RefCounted*>(new IntList(o.int_list().vec())); break;
      case Tag::DoubleList: payload_.p = static_cast<RefCounted*>(new DoubleList(o.double_list().vec())); break;
      case Tag::TensorList: payload_.p = static_cast<RefCounted*>(new TensorListValue(o.tensor_list().vec())); break;
      case Tag::String: payload_.p = static_cast<RefCounted*>(new StringValue(std::string(o.to_string()))); break;
      default: break;
    }
  }
  object()->retain();
}

const Tensor& IValue::optional_tensor() const {
  static const Tensor undefined;
  return is_none() ? undefined : tensor();
}

complex128 IValue::to_complex() const {
  if (is_double() || is_int() || is_bool()) return to_double();
  expect(Tag::Complex);
  return static_cast<ComplexValue*>(object())->value;
}

Scalar IValue::to_scalar() const {
  switch (tag_) {
    case Tag::Bool: return Scalar(payload_.i != 0);
    case Tag::Int: return Scalar(payload_.i);
    case Tag::Double: return Scalar(payload_.d);
    case Tag::Complex: return Scalar(to_complex());
    default: throw TypeError(str("expected a number, got ", kind_name()));
  }
}

std::string_view IValue::to_string() const {
  expect(Tag::String);
  if (borrowed_) return {static_cast<const char*>(payload_.p), count_};
  return static_cast<StringValue*>(object())->text;
}

IntArrayRef IValue::int_list() const {
  expect(Tag::IntList);
  if (borrowed_) return {static_cast<const int64_t*>(payload_.p), count_};
  return static_cast<IntList*>(object())->items;
}

ArrayRef<double> IValue::double_list() const {
  expect(Tag::DoubleList);
  if (borrowed_) return {static_cast<const double*>(payload_.p), count_};
  return static_cast<DoubleList*>(object())->items;
}

TensorList IValue::tensor_list() const {
  expect(Tag::TensorList);
  if (borrowed_) return {static_cast<const Tensor*>(payload_.p), count_};
  return static_cast<TensorListValue*>(object())->items;
}

Tensor IValue::take_tensor() {
  if (is_none()) return {};
  expect(Tag::Tensor);
  Tensor t = borrowed_ ? tensor() : Tensor(Ref<TensorImpl>::adopt(static_cast<TensorImpl*>(payload_.p)));
  tag_ = Tag::None;
  borrowed_ = false;
  return t;
}

GenericList& IValue::list() const {
  expect(Tag::List);
  return *static_cast<GenericList*>(object());
}
TupleValue& IValue::to_tuple() const {
  expect(Tag::Tuple);
  return *static_cast<TupleValue*>(object());
}
DictValue& IValue::dict() const {
  expect(Tag::Dict);
  return *static_cast<DictValue*>(object());
}
ObjectValue& IValue::to_object() const {
  expect(Tag::Object);
  return *static_cast<ObjectValue*>(object());
}
Generator* IValue::generator() const {
  if (is_none()) return nullptr;
  expect(Tag::Generator);
  return static_cast<Generator*>(object());
}

void IValue::fail_kind(Tag wanted) const { throw TypeError(str("expected ", tag_name(wanted), ", got ", kind_name())); }
const char* IValue::kind_name() const { return tag_name(tag_); }

bool IValue::is_same(const IValue& o) const {
  if (is_string() && o.is_string()) return to_string() == o.to_string();
  if ((is_int() || is_bool()) && (o.is_int() || o.is_bool())) return to_int() == o.to_int();
  if (is_scalar() && o.is_scalar()) return to_complex() == o.to_complex();
  if (tag_ != o.tag_) return false;
  if (is_device()) return to_device() == o.to_device();
  return is_none() || payload_.p == o.payload_.p;
}

TypePtr IValue::type() const {
  using K = Type::Kind;
  switch (tag_) {
    case Tag::None: return Type::none();
    case Tag::Int: return Type::integer();
    case Tag::Bool: return Type::boolean();
    case Tag::Double: return Type::floating();
    case Tag::Complex: return Type::simple(K::Complex);
    case Tag::Device: return Type::simple(K::Device);
    case Tag::Tensor: return Type::tensor();
    case Tag::String: return Type::string();
    case Tag::IntList: return Type::list(Type::integer());
    case Tag::DoubleList: return Type::list(Type::floating());
    case Tag::BoolList: return Type::list(Type::boolean());
    case Tag::TensorList: return Type::list(Type::tensor());
    case Tag::List: return Type::list(list().element);
    case Tag::Dict: return Type::dict(dict().key, dict().value);
    case Tag::Object: return to_object().type;
    case Tag::Generator: return Type::simple(K::Generator);
    case Tag::Capsule: return Type::any();
    case Tag::Tuple: break;
  }
  if (to_tuple().type) return to_tuple().type;
  std::vector<TypePtr> items;
  for (const IValue& v : to_tuple().items) items.push_back(v.type());
  return Type::tuple(std::move(items));
}

std::string IValue::text() const {
  auto join = [](const auto& items, const char* open, const char* close) {
    std::string out = open;
    for (size_t i = 0; i < items.size(); i++) out += (i ? ", " : "") + items[i].text();
    return out + close;
  };
  switch (tag_) {
    case Tag::None: return "None";
    case Tag::Int:
    case Tag::Bool:
    case Tag::Double:
    case Tag::Complex: return str(to_scalar());
    case Tag::Device: return str(to_device());
    case Tag::String: return str("'", to_string(), "'");
    case Tag::IntList: return str(int_list());
    case Tag::DoubleList: return str(double_list());
    case Tag::BoolList: {
      std::string out = "[";
      for (size_t i = 0; i < bool_list().items.size(); i++) out += str(i ? ", " : "", bool_list().items[i] != 0);
      return out + "]";
    }
    case Tag::Tensor: return str("Tensor(", name_of(tensor().dtype()), ", ", tensor().sizes(), ")");
    case Tag::TensorList: {
      std::string out = "[";
      for (size_t i = 0; i < tensor_list().size(); i++) out += (i ? ", " : "") + IValue(tensor_list()[i]).text();
      return out + "]";
    }
    case Tag::List: return join(list().items, "[", "]");
    case Tag::Tuple: return join(to_tuple().items, "(", ")");
    default: return str("<", kind_name(), ">");
  }
}

size_t DictValue::hash(const IValue& k) {
  if (k.is_string()) return std::hash<std::string_view>()(k.to_string());
  if (k.is_tensor()) return std::hash<void*>()(k.tensor().impl());
  if (k.is_complex()) return std::hash<double>()(k.to_complex().real());
  return std::hash<double>()(k.to_double());
}
// Whole numbers and addresses differ in few bits, which are not always the lowest.
size_t DictValue::home_of(const IValue& k) const {
  return (hash(k) * 0x9e3779b97f4a7c15ull >> 32) & (places_.size() - 1);
}
size_t DictValue::slot_of(const IValue& k) const {
  const size_t mask = places_.size() - 1;
  size_t i = home_of(k);
  while (places_[i] && !items[places_[i] - 1].first.is_same(k)) i = (i + 1) & mask;
  return i;
}
void DictValue::index_all(size_t slots) {
  places_.assign(slots, 0);
  for (size_t i = 0; i < items.size(); i++) places_[slot_of(items[i].first)] = uint32_t(i + 1);
}
const IValue* DictValue::find(const IValue& k) const {
  if (items.empty()) return nullptr;
  const uint32_t place = places_[slot_of(k)];
  return place ? &items[place - 1].second : nullptr;
}
void DictValue::set(IValue k, IValue v) {
  if (const IValue* found = find(k)) {
    const_cast<IValue&>(*found) = std::move(v);
    return;
  }
  RL_CHECK(RuntimeError, items.size() < UINT32_MAX / 2, "dict: expected at most ", UINT32_MAX / 2, " entries");
  if ((items.size() + 1) * 3 > places_.size() * 2) index_all(std::max<size_t>(8, places_.size() * 2));
  const size_t slot = slot_of(k);
  items.emplace_back(std::move(k), std::move(v));
  places_[slot] = uint32_t(items.size());
}
bool DictValue::erase(const IValue& k) {
  if (items.empty()) return false;
  const size_t slot = slot_of(k);
  if (!places_[slot]) return false;
  erase_at(slot);
  return true;
}
void DictValue::pop_back() {
  // By its place: a key may differ from itself (NaN).
  size_t slot = home_of(items.back().first);
  while (places_[slot] != items.size()) slot = (slot + 1) & (places_.size() - 1);
  erase_at(slot);
}
void DictValue::clear() {
  items.clear();
  places_.clear();
}
void DictValue::erase_at(size_t hole) {
  const size_t mask = places_.size() - 1;
  const uint32_t place = places_[hole];
  // What was put further on because this slot was taken moves up, so that a search still ends at a free one.
  for (size_t i = (hole + 1) & mask; places_[i]; i = (i + 1) & mask) {
    if (((i - home_of(items[places_[i] - 1].first)) & mask) < ((i - hole) & mask)) continue;
    places_[hole] = places_[i];
    hole = i;
  }
  places_[hole] = 0;
  if (place != items.size())
    for (uint32_t& p : places_) p -= p > place;
  items.erase(items.begin() + (place - 1));
}

}  // namespace rushlight
