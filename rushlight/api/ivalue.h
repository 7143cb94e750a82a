// torch::IValue, List, Dict and Tuple: the values that scripts take and return, with PyTorch's names.
#pragma once
#include <map>
#include <typeinfo>
#include <unordered_map>

#include "rushlight/api/intrusive_ptr.h"
#include "rushlight/api/tensor.h"
#include "rushlight/core/ivalue.h"

namespace rushlight::api {

class IValue;
// What the objects of custom classes derive from; see torch/custom_class.h.
struct CustomClassHolder : intrusive_ptr_target {};
namespace detail {
// Throws RuntimeError for a class that torch::class_ did not make.
IValue custom_object(const std::type_info& cls, intrusive_ptr<CustomClassHolder> object);
rushlight::TypePtr custom_class_type(const std::type_info& cls);
std::string custom_class_name(const std::type_info& cls);  // "__torch__.torch.classes.mine.Stack"
bool has_custom_class(const std::type_info& cls);
}  // namespace detail
template <class T>
class List;
template <class K, class V>
class Dict;
namespace jit {
class Module;
}

// "__torch__.Net" and its parts.
class QualifiedName {
 public:
  explicit QualifiedName(std::string text) : text_(std::move(text)) {}
  const std::string& qualifiedName() const { return text_; }
  std::string name() const { return text_.substr(text_.rfind('.') + 1); }
  std::string prefix() const { return text_.substr(0, text_.rfind('.') == std::string::npos ? 0 : text_.rfind('.')); }

 private:
  std::string text_;
};
// What PyTorch's c10::Type says of a type.
class TypeView {
 public:
  explicit TypeView(const Type* t) : type_(t) {}
  const TypeView* operator->() const { return this; }
  std::string str() const;  // "int[]"
  std::string repr_str() const { return str(); }
  std::string annotation_str() const;  // "List[int]"
  Type::Kind kind() const { return type_->kind(); }
  bool isSubtypeOf(const rushlight::TypePtr& o) const { return type_->is_subtype_of(*o); }
  bool is_module() const;
  // Of a class; other types have none.
  std::optional<QualifiedName> name() const {
    if (type_->name().empty()) return std::nullopt;
    return QualifiedName(type_->name());
  }
  const TypePtr& getElementType() const { return type_->element(); }
  const std::vector<TypePtr>& containedTypes() const { return type_->contained(); }
  const std::vector<TypePtr>& contained() const { return type_->contained(); }
  const TypePtr& element() const { return type_->element(); }
  friend bool operator==(const TypeView& a, const TypeView& b) { return a.type_->equals(*b.type_); }
  friend bool operator!=(const TypeView& a, const TypeView& b) { return !(a == b); }

 private:
  const Type* type_;
};
std::ostream& operator<<(std::ostream& out, const TypeView& t);
class TypePtr : public rushlight::TypePtr {
 public:
  using rushlight::TypePtr::TypePtr;
  TypePtr(rushlight::TypePtr t) : rushlight::TypePtr(std::move(t)) {}
  TypeView operator->() const { return TypeView(get()); }
  TypeView operator*() const { return TypeView(get()); }
};
// c10::IntType::get() and its like.
#define RL_TYPE(Name, make)                 \
  struct Name {                             \
    static TypePtr get() { return (make); } \
  };
RL_TYPE(TensorType, Type::tensor())
RL_TYPE(IntType, Type::integer())
RL_TYPE(FloatType, Type::floating())
RL_TYPE(BoolType, Type::boolean())
RL_TYPE(StringType, Type::string())
RL_TYPE(NoneType, Type::none())
RL_TYPE(AnyType, Type::any())
RL_TYPE(NumberType, Type::simple(Type::Kind::Number))
RL_TYPE(DeviceObjType, Type::simple(Type::Kind::Device))
#undef RL_TYPE
struct ListType {
  static TypePtr create(TypePtr element) { return Type::list(std::move(element)); }
  static TypePtr ofTensors() { return Type::list(Type::tensor()); }
  static TypePtr ofInts() { return Type::list(Type::integer()); }
  static TypePtr ofFloats() { return Type::list(Type::floating()); }
  static TypePtr ofBools() { return Type::list(Type::boolean()); }
  static TypePtr ofStrings() { return Type::list(Type::string()); }
};
struct DictType {
  static TypePtr create(TypePtr k, TypePtr v) { return Type::dict(std::move(k), std::move(v)); }
};
struct OptionalType {
  static TypePtr create(TypePtr element) { return Type::optional(std::move(element)); }
};
struct TupleType { static TypePtr create(std::vector<TypePtr> items); };
namespace jit {
using api::AnyType;
using api::BoolType;
using api::DeviceObjType;
using api::DictType;
using api::FloatType;
using api::IntType;
using api::ListType;
using api::NoneType;
using api::NumberType;
using api::OptionalType;
using api::StringType;
using api::TensorType;
using api::TupleType;
using api::TypePtr;
}  // namespace jit

namespace ivalue {
class Future;  // rushlight/api/future.h
class Tuple : public intrusive_ptr_target {
 public:
  explicit Tuple(std::vector<IValue> elements);
  ~Tuple() override;  // where IValue is complete
  static intrusive_ptr<Tuple> create(std::initializer_list<IValue> items);
  template <class... Ts>
  static intrusive_ptr<Tuple> create(Ts&&... items);
  const std::vector<IValue>& elements() const { return elements_; }
  size_t size() const;

 private:
  std::vector<IValue> elements_;
};
struct ConstantString : intrusive_ptr_target {
  explicit ConstantString(std::string s) : text(std::move(s)) {}
  static intrusive_ptr<ConstantString> create(std::string s);
  const std::string& string() const { return text; }
  std::string text;
};
}  // namespace ivalue

class IValue : public rushlight::IValue {
 public:
  using rushlight::IValue::IValue;
  IValue() = default;
  IValue(rushlight::IValue v) : rushlight::IValue(std::move(v)) {}
  IValue(const Tensor& t) : rushlight::IValue(static_cast<const rushlight::Tensor&>(t)) {}
  IValue(float v) : rushlight::IValue(double(v)) {}
  IValue(const Scalar& s) : rushlight::IValue(static_cast<const rushlight::Scalar&>(s)) {}
  IValue(DeviceType t) : rushlight::IValue(rushlight::Device(Device(t))) {}
  IValue(TypeMeta d) : rushlight::IValue(d.toScalarType()) {}
  IValue(IntArrayRef v);
  IValue(std::string_view s) : rushlight::IValue(std::string(s)) {}
  IValue(const Generator& g) : rushlight::IValue(Ref<rushlight::Generator>(g.unsafe_get())) {}
  IValue(const intrusive_ptr<ivalue::Tuple>& t);
  IValue(const intrusive_ptr<ivalue::Future>& f);
  IValue(const intrusive_ptr<ivalue::ConstantString>& s) : rushlight::IValue(s->string()) {}
  template <class T, require<std::is_base_of_v<CustomClassHolder, T>> = 0>
  IValue(intrusive_ptr<T> object) : IValue(detail::custom_object(typeid(T), std::move(object))) {}
  IValue(const jit::Module& m);
  template <class T>
  IValue(const List<T>& list);
  template <class K, class V>
  IValue(const Dict<K, V>& dict);
  template <class T>
  IValue(const std::vector<T>& v);
  template <class T, size_t N>
  IValue(const std::array<T, N>& v) : IValue(std::vector<T>(v.begin(), v.end())) {}
  template <class T>
  IValue(ArrayRef<T> v) : IValue(v.vec()) {}
  template <class... Ts>
  IValue(const std::tuple<Ts...>& t);
  template <class K, class V>
  IValue(const std::unordered_map<K, V>& m);
  template <class K, class V>
  IValue(const std::map<K, V>& m);
  template <class T>
  IValue(const std::optional<T>& v) {
    if (v) *this = IValue(*v);
  }

  bool isTensor() const { return is_tensor(); }
  bool isNone() const { return is_none(); }
  bool isInt() const { return is_int(); }
  bool isDouble() const { return is_double(); }
  bool isComplexDouble() const { return is_complex(); }
  bool isBool() const { return is_bool(); }
  bool isScalar() const { return is_scalar(); }
  bool isString() const { return is_string(); }
  bool isDevice() const { return is_device(); }
  bool isTuple() const { return is_tuple(); }
  bool isList() const { return is_any_list(); }
  bool isTensorList() const { return is_tensor_list(); }
  bool isIntList() const { return is_int_list(); }
  bool isDoubleList() const { return is_double_list(); }
  bool isBoolList() const { return is_bool_list(); }
  bool isGenericDict() const { return is_dict(); }
  bool isObject() const { return is_object(); }
  bool isModule() const;
  bool isGenerator() const { return is_generator(); }
  bool isCapsule() const { return is_capsule(); }
  bool isCustomClass() const { return is_custom_class(); }
  bool isFuture() const;
  std::string tagKind() const;
  // The same object, or equal numbers or texts.
  bool is(const IValue& o) const { return is_same(o); }
  bool isSameIdentity(const IValue& o) const { return is_same(o); }
  struct CompIdentityIValues {
    bool operator()(const IValue& a, const IValue& b) const { return a.is_same(b); }
  };
  // Whether both are tensors of the same memory, or the same list, dict, tuple or object.
  bool isAliasOf(const IValue& o) const {
    if (is_tensor() && o.is_tensor()) return Tensor(tensor()).is_alias_of(Tensor(o.tensor()));
    return !is_scalar() && !is_string() && !is_none() && is_same(o);
  }
  // With tensors and containers of its own; what is in it twice is in the copy twice.
  IValue deepcopy() const;
  TypePtr type() const { return rushlight::IValue::type(); }

  // Each throws TypeError naming both kinds when the value is of another kind.
  Tensor toTensor() const {
    expect_kind(isTensor(), "Tensor");
    return tensor();
  }
  int64_t toInt() const {
    expect_kind(isInt(), "int");
    return to_int();
  }
  double toDouble() const {
    expect_kind(isDouble(), "float");
    return to_double();
  }
  complex128 toComplexDouble() const {
    expect_kind(isComplexDouble(), "complex");
    return to_complex();
  }
  bool toBool() const {
    expect_kind(isBool(), "bool");
    return to_bool();
  }
  Scalar toScalar() const { return to_scalar(); }
  Device toDevice() const { return to_device(); }
  DType toScalarType() const { return dtype_numbered(toInt()); }
  Layout toLayout() const { return Layout(toInt()); }
  MemoryFormat toMemoryFormat() const { return MemoryFormat(toInt()); }
  // A reference to the text inside.
  const std::string& toStringRef() const;
  std::string_view toStringView() const { return to_string(); }
  intrusive_ptr<ivalue::ConstantString> toString() const;
  std::optional<std::string> toOptionalStringRef() const;
  intrusive_ptr<ivalue::Tuple> toTuple() const;
  ivalue::Tuple toTupleRef() const { return *toTuple(); }
  std::vector<IValue> toTupleElements() const;
  List<IValue> toList() const;
  std::vector<IValue> toListRef() const;
  List<Tensor> toTensorList() const;
  List<int64_t> toIntList() const;
  List<double> toDoubleList() const;
  List<bool> toBoolList() const;
  std::vector<Tensor> toTensorVector() const;
  std::vector<int64_t> toIntVector() const;
  std::vector<double> toDoubleVector() const;
  std::vector<int64_t> toDimVector() const { return toIntVector(); }
  Dict<IValue, IValue> toGenericDict() const;
  jit::Module toModule() const;
  intrusive_ptr<ivalue::Future> toFuture() const;
  // The object of a class that torch::class_ made. Throws TypeError for another class's.
  template <class T>
  intrusive_ptr<T> toCustomClass() const {
    return intrusive_ptr<T>::reclaim(static_cast<T*>(custom_class(typeid(T)).release()));
  }
  Generator toGenerator() const { return Generator(Ref<rushlight::Generator>(generator())); }
  // Any type that an IValue can be made from.
  template <class T>
  T to() const;
  template <class T>
  std::optional<T> toOptional() const {
    return isNone() ? std::nullopt : std::optional<T>(to<T>());
  }

  // Of a list of any kind.
  size_t list_size() const;
  IValue list_item(size_t i) const;

 private:
  bool is_custom_class() const;
  intrusive_ptr<CustomClassHolder> custom_class(const std::type_info& cls) const;
  void expect_kind(bool right, const char* wanted) const {
    if (!right) fail_api_kind(wanted);
  }
  [[noreturn]] void fail_api_kind(const char* wanted) const;
};
std::ostream& operator<<(std::ostream& out, const IValue& v);
// As Python's ==.
bool operator==(const IValue& a, const IValue& b);
inline bool operator!=(const IValue& a, const IValue& b) { return !(a == b); }

namespace detail {

IValue make_list(const TypePtr& element, std::vector<IValue> items);
IValue make_dict(const TypePtr& key, const TypePtr& value);
void list_set(const IValue& list, size_t i, IValue v);
void list_insert(const IValue& list, size_t i, IValue v);
void list_erase(const IValue& list, size_t i);
IValue copy_list(const IValue& list);
[[noreturn]] void fail_index(size_t i, size_t size);

template <class T>
struct Kind;  // the script type behind a C++ type
#define RL_KIND(T, make)                     \
  template <>                                \
  struct Kind<T> {                           \
    static TypePtr type() { return (make); } \
  };
RL_KIND(Tensor, Type::tensor())
RL_KIND(bool, Type::boolean())
RL_KIND(double, Type::floating())
RL_KIND(float, Type::floating())
RL_KIND(std::string, Type::string())
RL_KIND(std::string_view, Type::string())
RL_KIND(const char*, Type::string())
RL_KIND(IValue, Type::any())
RL_KIND(Scalar, Type::simple(Type::Kind::Number))
RL_KIND(Device, Type::simple(Type::Kind::Device))
RL_KIND(complex128, Type::simple(Type::Kind::Complex))
#undef RL_KIND
template <class T>
struct IntKind {
  static TypePtr type() { return Type::integer(); }
};
template <> struct Kind<int64_t> : IntKind<int64_t> {};
template <> struct Kind<int32_t> : IntKind<int32_t> {};
template <> struct Kind<int16_t> : IntKind<int16_t> {};
template <> struct Kind<DType> : IntKind<DType> {};
template <class T>
struct Kind<std::vector<T>> {
  static TypePtr type() { return Type::list(Kind<T>::type()); }
};
template <class T>
struct Kind<List<T>> {
  static TypePtr type() { return Type::list(Kind<T>::type()); }
};
template <class T>
struct Kind<std::optional<T>> {
  static TypePtr type() { return Type::optional(Kind<T>::type()); }
};
template <class K, class V>
struct Kind<Dict<K, V>> {
  static TypePtr type() { return Type::dict(Kind<K>::type(), Kind<V>::type()); }
};
template <class K, class V>
struct Kind<std::unordered_map<K, V>> : Kind<Dict<K, V>> {};
template <class K, class V>
struct Kind<std::map<K, V>> : Kind<Dict<K, V>> {};
template <class T>
struct Kind<intrusive_ptr<T>> {
  static TypePtr type() { return custom_class_type(typeid(T)); }
};
template <class... Ts>
struct Kind<std::tuple<Ts...>> {
  static TypePtr type() { return Type::tuple({Kind<Ts>::type()...}); }
};

}  // namespace detail

template <class T>
TypePtr getTypePtr() {
  return detail::Kind<T>::type();
}

// A list that shares its items with every copy and with the script that holds it.
template <class T>
class List {
 public:
  using value_type = T;
  List() : value_(detail::make_list(detail::Kind<T>::type(), {})) {}
  explicit List(TypePtr element) : value_(detail::make_list(element, {})) {}
  List(std::initializer_list<T> items) : List(std::vector<T>(items)) {}
  explicit List(const std::vector<T>& items)
      : value_(detail::make_list(detail::Kind<T>::type(), {items.begin(), items.end()})) {}
  explicit List(ArrayRef<T> items) : List(items.vec()) {}
  // REQUIRES: a list.
  static List from(IValue v) {
    List list{Unset{}};
    list.value_ = std::move(v);
    return list;
  }
  size_t size() const { return value_.list_size(); }
  bool empty() const { return size() == 0; }
  T get(size_t i) const {
    if (i >= size()) detail::fail_index(i, size());
    return value_.list_item(i).template to<T>();
  }
  void set(size_t i, T v) const {
    if (i >= size()) detail::fail_index(i, size());
    detail::list_set(value_, i, IValue(std::move(v)));
  }
  T extract(size_t i) const { return get(i); }
  void push_back(T v) const { detail::list_insert(value_, size(), IValue(std::move(v))); }
  template <class... Args>
  void emplace_back(Args&&... args) const {
    push_back(T(std::forward<Args>(args)...));
  }
  void append(const List& o) const {
    for (size_t i = 0, n = o.size(); i < n; i++) push_back(o.get(i));
  }
  void pop_back() const {
    if (empty()) detail::fail_index(0, 0);
    detail::list_erase(value_, size() - 1);
  }
  void clear() const {
    while (!empty()) pop_back();
  }
  void reserve(size_t) const {}
  void resize(size_t n, T v = T()) const {
    while (size() > n) pop_back();
    while (size() < n) push_back(v);
  }
  std::vector<T> vec() const { return {begin(), end()}; }
  List copy() const { return from(detail::copy_list(value_)); }
  bool is(const List& o) const { return value_.is_same(o.value_); }
  TypePtr elementType() const { return value_.type()->element(); }
  uint32_t use_count() const { return value_.object()->refs() - 1; }
  const IValue& value() const { return value_; }

  class Reference {
   public:
    Reference(const List& list, size_t i) : list_(list), i_(i) {}
    operator T() const { return list_.get(i_); }
    // As an IValue, whatever the list's type is.
    IValue get() const { return IValue(list_.get(i_)); }
    const Reference& operator=(T v) const {
      list_.set(i_, std::move(v));
      return *this;
    }

   private:
    const List& list_;
    size_t i_;
  };
  Reference operator[](size_t i) const { return {*this, i}; }
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = int64_t;
    using pointer = const T*;
    using reference = T;
    Iterator(const List* list, size_t i) : list_(list), i_(i) {}
    T operator*() const { return list_->get(i_); }
    Iterator& operator++() { return i_++, *this; }
    Iterator& operator--() { return i_--, *this; }
    Iterator operator+(int64_t n) const { return {list_, size_t(int64_t(i_) + n)}; }
    int64_t operator-(const Iterator& o) const { return int64_t(i_) - int64_t(o.i_); }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.i_ == b.i_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return a.i_ != b.i_; }
    size_t place() const { return i_; }

   private:
    const List* list_;
    size_t i_;
  };
  using iterator = Iterator;
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }
  Iterator insert(Iterator at, T v) const {
    detail::list_insert(value_, at.place(), IValue(std::move(v)));
    return at;
  }
  Iterator erase(Iterator at) const {
    if (at.place() >= size()) detail::fail_index(at.place(), size());
    detail::list_erase(value_, at.place());
    return at;
  }

 private:
  struct Unset {};
  explicit List(Unset) {}
  IValue value_;
};

// A dict that keeps the order of insertion and shares its entries with every copy.
template <class K, class V>
class Dict {
 public:
  Dict() : Dict(detail::Kind<K>::type(), detail::Kind<V>::type()) {}
  Dict(const TypePtr& key, const TypePtr& value) : value_(detail::make_dict(key, value)) {}
  // REQUIRES: a dict.
  static Dict from(IValue v) {
    Dict dict{Unset{}};
    dict.value_ = std::move(v);
    return dict;
  }
  size_t size() const { return items().size(); }
  bool empty() const { return items().empty(); }
  bool contains(const K& key) const { return value_.dict().find(IValue(key)); }
  // Throws KeyError.
  V at(const K& key) const {
    IValue k(key);
    const rushlight::IValue* found = value_.dict().find(k);
    RL_CHECK(KeyError, found, k.text());
    return IValue(*found).template to<V>();
  }
  class Iterator;
  // Both give the entry's place, and whether it is new.
  template <class A, class B>
  std::pair<Iterator, bool> insert_or_assign(A&& key, B&& value) const {
    IValue k(K(std::forward<A>(key)));
    bool is_new = !value_.dict().find(k);
    value_.dict().set(k, IValue(V(std::forward<B>(value))));
    return {place_of(k), is_new};
  }
  // Keeps the value of a key that is there.
  template <class A, class B>
  std::pair<Iterator, bool> insert(A&& key, B&& value) const {
    K k(std::forward<A>(key));
    if (contains(k)) return {find(k), false};
    return insert_or_assign(std::move(k), std::forward<B>(value));
  }
  size_t erase(const K& key) const { return value_.dict().erase(IValue(key)); }
  void erase(Iterator at) const { erase(at->key()); }
  void clear() const { value_.dict().clear(); }
  void reserve(size_t) const {}
  Dict copy() const {
    Dict out(keyType(), valueType());
    for (const auto& [k, v] : items()) out.value_.dict().set(k, v);
    return out;
  }
  bool is(const Dict& o) const { return value_.is_same(o.value_); }
  TypePtr keyType() const { return value_.dict().key; }
  TypePtr valueType() const { return value_.dict().value; }
  const IValue& value() const { return value_; }

  class Entry {
   public:
    Entry(const Dict* dict, size_t i) : dict_(dict), i_(i) {}
    K key() const { return IValue(dict_->items()[i_].first).template to<K>(); }
    V value() const { return IValue(dict_->items()[i_].second).template to<V>(); }
    template <class B>
    void setValue(B&& v) const {
      dict_->items()[i_].second = IValue(V(std::forward<B>(v)));
    }

   private:
    const Dict* dict_;
    size_t i_;
  };
  class Iterator {
   public:
    Iterator(const Dict* dict, size_t i) : dict_(dict), i_(i), entry_(dict, i) {}
    const Entry& operator*() const { return entry_; }
    const Entry* operator->() const { return &entry_; }
    Iterator& operator++() { return entry_ = Entry(dict_, ++i_), *this; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.i_ == b.i_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return a.i_ != b.i_; }

   private:
    const Dict* dict_;
    size_t i_;
    Entry entry_;
  };
  using iterator = Iterator;
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }
  Iterator find(const K& key) const { return place_of(IValue(key)); }

 private:
  struct Unset {};
  explicit Dict(Unset) {}
  Iterator place_of(const IValue& key) const {
    const rushlight::IValue* found = value_.dict().find(key);
    if (!found) return end();
    auto from = reinterpret_cast<const char*>(&items()[0].second), at = reinterpret_cast<const char*>(found);
    return {this, size_t(at - from) / sizeof(items()[0])};
  }
  std::vector<std::pair<rushlight::IValue, rushlight::IValue>>& items() const { return value_.dict().items; }
  IValue value_;
};
using GenericDict = Dict<IValue, IValue>;

namespace impl {
using GenericList = List<IValue>;
using GenericDict = Dict<IValue, IValue>;
// A list seen with its items' type.
template <class T>
List<T> toTypedList(const GenericList& list) {
  return List<T>::from(list.value());
}
template <class K, class V>
Dict<K, V> toTypedDict(const GenericDict& dict) {
  return Dict<K, V>::from(dict.value());
}
// The same list or dict, seen without them.
template <class T>
GenericList toList(const List<T>& list) {
  return GenericList::from(list.value());
}
template <class K, class V>
GenericDict toGenericDict(const Dict<K, V>& dict) {
  return GenericDict::from(dict.value());
}
}  // namespace impl

// ---- conversions ---------------------------------------------------------------------------------------------------------

template <class T>
IValue::IValue(const List<T>& list) : rushlight::IValue(list.value()) {}
template <class K, class V>
IValue::IValue(const Dict<K, V>& dict) : rushlight::IValue(dict.value()) {}
template <class T>
IValue::IValue(const std::vector<T>& v) {
  std::vector<IValue> items;
  for (const auto& i : v) items.push_back(IValue(T(i)));
  *this = detail::make_list(detail::Kind<T>::type(), std::move(items));
}
template <class... Ts>
IValue::IValue(const std::tuple<Ts...>& t) {
  std::apply([&](const Ts&... items) { *this = IValue(ivalue::Tuple::create(items...)); }, t);
}
template <class K, class V>
IValue::IValue(const std::unordered_map<K, V>& m) {
  Dict<K, V> dict;
  for (const auto& [k, v] : m) dict.insert(k, v);
  *this = dict.value();
}
template <class K, class V>
IValue::IValue(const std::map<K, V>& m) {
  Dict<K, V> dict;
  for (const auto& [k, v] : m) dict.insert(k, v);
  *this = dict.value();
}
template <class... Ts>
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(Ts&&... items) {
  return make_intrusive<Tuple>(std::vector<IValue>{IValue(std::forward<Ts>(items))...});
}
template <>
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(std::vector<IValue>&& items);
template <>
intrusive_ptr<ivalue::Tuple> ivalue::Tuple::create(std::vector<IValue>& items);

namespace detail {

template <class T>
struct From;
#define RL_FROM(T, method)                                  \
  template <>                                               \
  struct From<T> {                                          \
    static T get(const IValue& v) { return T(v.method()); } \
  };
RL_FROM(Tensor, toTensor)
RL_FROM(int64_t, toInt)
RL_FROM(int32_t, toInt)
RL_FROM(int16_t, toInt)
RL_FROM(int8_t, toInt)
RL_FROM(uint8_t, toInt)
RL_FROM(double, toDouble)
RL_FROM(float, toDouble)
RL_FROM(bool, toBool)
RL_FROM(complex128, toComplexDouble)
RL_FROM(std::string, toStringRef)
RL_FROM(std::string_view, toStringView)
RL_FROM(Scalar, toScalar)
RL_FROM(Device, toDevice)
RL_FROM(DType, toScalarType)
RL_FROM(Layout, toLayout)
RL_FROM(MemoryFormat, toMemoryFormat)
RL_FROM(Generator, toGenerator)
#undef RL_FROM
template <>
struct From<IValue> {
  static IValue get(const IValue& v) { return v; }
};
template <class T>
struct From<std::optional<T>> {
  static std::optional<T> get(const IValue& v) { return v.toOptional<T>(); }
};
template <class T>
struct From<List<T>> {
  static List<T> get(const IValue& v) { return impl::toTypedList<T>(v.toList()); }
};
template <class T>
struct From<std::vector<T>> {
  static std::vector<T> get(const IValue& v) {
    std::vector<T> out;
    for (size_t i = 0, n = v.toList().size(); i < n; i++) out.push_back(v.list_item(i).template to<T>());
    return out;
  }
};
template <class K, class V>
struct From<Dict<K, V>> {
  static Dict<K, V> get(const IValue& v) { return impl::toTypedDict<K, V>(v.toGenericDict()); }
};
template <class Map>
struct FromMap {
  static Map get(const IValue& v) {
    Map out;
    for (const auto& e : v.toGenericDict())
      out.emplace(e.key().template to<typename Map::key_type>(), e.value().template to<typename Map::mapped_type>());
    return out;
  }
};
template <class K, class V>
struct From<std::unordered_map<K, V>> : FromMap<std::unordered_map<K, V>> {};
template <class K, class V>
struct From<std::map<K, V>> : FromMap<std::map<K, V>> {};
template <class T>
struct From<intrusive_ptr<T>> {
  static intrusive_ptr<T> get(const IValue& v) { return v.toCustomClass<T>(); }
};
template <>
struct From<intrusive_ptr<ivalue::Future>> {
  static intrusive_ptr<ivalue::Future> get(const IValue& v);
};
template <>
struct From<intrusive_ptr<ivalue::Tuple>> {
  static intrusive_ptr<ivalue::Tuple> get(const IValue& v) { return v.toTuple(); }
};
[[noreturn]] void fail_tuple_size(size_t wanted, size_t got);
template <class... Ts>
struct From<std::tuple<Ts...>> {
  static std::tuple<Ts...> get(const IValue& v) {
    std::vector<IValue> items = v.toTupleElements();
    if (items.size() != sizeof...(Ts)) fail_tuple_size(sizeof...(Ts), items.size());
    return get(items, std::index_sequence_for<Ts...>());
  }
  template <size_t... I>
  static std::tuple<Ts...> get(const std::vector<IValue>& items, std::index_sequence<I...>) {
    return {items[I].template to<Ts>()...};
  }
};

}  // namespace detail

template <class T>
T IValue::to() const {
  return detail::From<T>::get(*this);
}

// index() and its kin with the indices in a list, as operators take them; nothing at a place stands for the whole dimension.
namespace detail {
template <class L>
using require_indices = require<std::is_same_v<L, List<std::optional<Tensor>>>>;
std::vector<Tensor> as_tensors(const List<std::optional<Tensor>>& indices);
}  // namespace detail
template <class L, detail::require_indices<L> = 0>
Tensor index(const Tensor& self, const L& indices) {
  return index(self, TensorList(detail::as_tensors(indices)));
}
template <class L, detail::require_indices<L> = 0>
Tensor index_put(const Tensor& self, const L& indices, const Tensor& values, bool accumulate = false) {
  return index_put(self, TensorList(detail::as_tensors(indices)), values, accumulate);
}
template <class L, detail::require_indices<L> = 0>
Tensor& index_put_(Tensor& self, const L& indices, const Tensor& values, bool accumulate = false) {
  index_put_(self, TensorList(detail::as_tensors(indices)), values, accumulate);
  return self;
}

}  // namespace rushlight::api
