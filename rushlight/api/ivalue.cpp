#include "rushlight/api/ivalue.h"

#include <cmath>
#include <limits>
#include <ostream>

#include "rushlight/api/future.h"
#include "rushlight/api/lowered.h"
#include "rushlight/api/module.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/future.h"
#include "rushlight/graph/ir.h"

namespace rushlight::api {

static_assert(sizeof(IValue) == sizeof(rushlight::IValue));

ivalue::Tuple::Tuple(std::vector<IValue> elements) : elements_(std::move(elements)) {}
ivalue::Tuple::~Tuple() = default;
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(std::initializer_list<IValue> items) {
  return make_intrusive<Tuple>(std::vector<IValue>(items));
}
size_t ivalue::Tuple::size() const { return elements_.size(); }

IValue::IValue(const intrusive_ptr<ivalue::Tuple>& t) {
  RL_CHECK(RuntimeError, t, "IValue: the pointer to a tuple is null");
  *this = IValue(rushlight::IValue::tuple({t->elements().begin(), t->elements().end()}));
}
std::string TypeView::str() const { return type_->schema_text(); }
std::string TypeView::annotation_str() const { return type_->text(); }
bool TypeView::is_module() const {
  const auto* c = dynamic_cast<const graph::ClassType*>(type_);
  return c && c->is_module;
}
std::ostream& operator<<(std::ostream& out, const TypeView& t) { return out << t.str(); }

IValue::IValue(const intrusive_ptr<ivalue::Future>& f) {
  RL_CHECK(RuntimeError, f, "IValue: the pointer to a future is null");
  *this = IValue(f->held());
}
bool IValue::isFuture() const { return is_object() && is_future(*to_object().type); }
intrusive_ptr<ivalue::Future> IValue::toFuture() const {
  expect_kind(isFuture(), "Future");
  return make_intrusive<ivalue::Future>(rushlight::IValue(*this));
}

IValue::IValue(const jit::Module& m) : rushlight::IValue(m.object()) {}

void IValue::fail_api_kind(const char* wanted) const {
  throw TypeError(
      str("IValue: expected ", wanted, " but got ", kind_name(), is_none() ? " (None, or an undefined tensor)" : ""));
}

bool IValue::isModule() const {
  const graph::ClassType* type = is_object() ? graph::as_class(to_object().type) : nullptr;
  return type && type->is_module;
}
jit::Module IValue::toModule() const {
  expect_kind(isModule(), "a module");
  return jit::Module(ref<ObjectValue>());
}

std::string IValue::tagKind() const {
  if (is_any_list()) return "GenericList";
  if (isFuture()) return is_await(*to_object().type) ? "Await" : "Future";
  constexpr const char* names[] = {"None",          "Int",    "Bool",      "Double", "Device", "Tensor", "String",
                                   "ComplexDouble", "",       "",          "",       "",       "",       "Tuple",
                                   "GenericDict",   "Object", "Generator", "Capsule"};
  return names[int(tag())];
}

const std::string& IValue::toStringRef() const {
  expect_kind(isString(), "str");
  RL_INVARIANT(!is_borrowed());
  return static_cast<StringValue*>(object())->text;
}

intrusive_ptr<ivalue::Tuple> IValue::toTuple() const {
  expect_kind(isTuple(), "tuple");
  const auto& items = to_tuple().items;
  return make_intrusive<ivalue::Tuple>(std::vector<IValue>(items.begin(), items.end()));
}
std::vector<IValue> IValue::toListRef() const { return toList().vec(); }
std::vector<Tensor> IValue::toTensorVector() const { return adopt(tensor_list().vec()); }
size_t IValue::list_size() const { return graph::list_size(*this); }
IValue IValue::list_item(size_t i) const { return graph::list_get(*this, i); }

bool operator==(const IValue& a, const IValue& b) {
  if (a.isTensor() && b.isTensor()) return a.is_same(b);
  return graph::values_equal(a, b);
}

namespace {

void print_items(std::ostream& out, const std::vector<IValue>& items, const char* open, const char* close) {
  out << open;
  for (size_t i = 0; i < items.size(); i++) out << (i ? ", " : "") << items[i];
  out << close;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const IValue& v) {
  if (v.isTensor()) return out << v.toTensor();
  if (v.isString()) return out << v.toStringView();
  if (v.isDouble()) {  // 3.0 is "3."
    double d = v.toDouble();
    if (std::fabs(d) < 1e10 && d == std::trunc(d))
      return out << (d == 0 && std::signbit(d) ? "-" : "") << int64_t(d) << ".";
    auto digits = out.precision(std::numeric_limits<double>::max_digits10);
    out << d;
    out.precision(digits);
    return out;
  }
  if (v.isTuple()) {
    std::vector<IValue> items = v.toTupleElements();
    print_items(out, items, "(", items.size() == 1 ? ",)" : ")");
  } else if (v.isList()) {
    print_items(out, v.toListRef(), "[", "]");
  } else if (v.isGenericDict()) {
    out << "{";
    bool first = true;
    for (const auto& e : v.toGenericDict()) {
      out << (first ? "" : ", ") << e.key() << ": " << e.value();
      first = false;
    }
    out << "}";
  } else if (v.isObject()) {
    out << "<" << v.to_object().type->name() << " object>";
  } else {
    out << v.text();
  }
  return out;
}

namespace detail {

IValue make_list(const TypePtr& element, std::vector<IValue> items) {
  return graph::make_list(element, {items.begin(), items.end()});
}
IValue make_dict(const TypePtr& key, const TypePtr& value) {
  return rushlight::IValue(make_ref<DictValue>(key, value));
}
void list_set(const IValue& list, size_t i, IValue v) { graph::list_set(list, i, std::move(v)); }
void list_insert(const IValue& list, size_t i, IValue v) { graph::list_insert(list, i, std::move(v)); }
void list_erase(const IValue& list, size_t i) { graph::list_erase(list, i); }
IValue copy_list(const IValue& list) {
  std::vector<rushlight::IValue> items;
  for (size_t i = 0; i < list.list_size(); i++) items.push_back(list.list_item(i));
  return graph::make_list(list.type()->element(), std::move(items));
}
void fail_index(size_t i, size_t size) {
  throw IndexError(str("list index out of range: ", i, " of ", size, " items"));
}
void fail_tuple_size(size_t wanted, size_t got) {
  throw TypeError(str("IValue: expected a tuple of ", wanted, " items but got one of ", got));
}
intrusive_ptr<ivalue::Future> From<intrusive_ptr<ivalue::Future>>::get(const IValue& v) { return v.toFuture(); }

}  // namespace detail
template <>
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(std::vector<IValue>&& items) {
  return make_intrusive<Tuple>(std::move(items));
}
template <>
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(std::vector<IValue>& items) {
  return make_intrusive<Tuple>(items);
}

List<IValue> IValue::toList() const {
  expect_kind(isList(), "list");
  return List<IValue>::from(*this);
}
List<Tensor> IValue::toTensorList() const {
  expect_kind(isTensorList(), "list of Tensors");
  return List<Tensor>::from(*this);
}
List<int64_t> IValue::toIntList() const {
  expect_kind(isIntList(), "list of ints");
  return List<int64_t>::from(*this);
}
List<double> IValue::toDoubleList() const {
  expect_kind(isDoubleList(), "list of floats");
  return List<double>::from(*this);
}
List<bool> IValue::toBoolList() const {
  expect_kind(isBoolList(), "list of bools");
  return List<bool>::from(*this);
}
GenericDict IValue::toGenericDict() const {
  expect_kind(isGenericDict(), "dict");
  return GenericDict::from(*this);
}
TypePtr TupleType::create(std::vector<TypePtr> items) { return Type::tuple({items.begin(), items.end()}); }
intrusive_ptr<ivalue::ConstantString> ivalue::ConstantString::create(std::string s) {
  return make_intrusive<ConstantString>(std::move(s));
}
IValue::IValue(IntArrayRef v) : rushlight::IValue(v.vec()) {}
intrusive_ptr<ivalue::ConstantString> IValue::toString() const {
  return make_intrusive<ivalue::ConstantString>(toStringRef());
}
std::optional<std::string> IValue::toOptionalStringRef() const {
  return isNone() ? std::nullopt : std::optional<std::string>(toStringRef());
}
std::vector<IValue> IValue::toTupleElements() const { return toTuple()->elements(); }
std::vector<int64_t> IValue::toIntVector() const { return int_list().vec(); }
std::vector<double> IValue::toDoubleVector() const { return double_list().vec(); }
std::vector<Tensor> detail::as_tensors(const List<std::optional<Tensor>>& indices) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < indices.size(); i++) out.push_back(indices.get(i).value_or(Tensor()));
  return out;
}

}  // namespace rushlight::api
