// IValue: any value an operator takes or returns, in 16 bytes. The calling convention of all operators, graphs and front ends.
//
// Note [Borrowed arguments]: a caller may pass a tensor, list or string without owning it (IValue::borrow): no reference count is
// touched and no list is allocated. Copying a borrowed IValue makes an owned one, so whoever keeps an argument past the call
// (autograd, tracer, executor) copies it and is safe; moving keeps it borrowed.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rushlight/core/tensor.h"
#include "rushlight/core/type.h"

namespace rushlight {

class IValue;

template <class T>
struct ListOf final : RefCounted {
  ListOf() = default;
  explicit ListOf(std::vector<T> v) : items(std::move(v)) {}
  std::vector<T> items;
};
using IntList = ListOf<int64_t>;
using DoubleList = ListOf<double>;
using BoolList = ListOf<uint8_t>;
using TensorListValue = ListOf<Tensor>;
struct StringValue final : RefCounted {
  explicit StringValue(std::string s) : text(std::move(s)) {}
  std::string text;
};
struct ComplexValue final : RefCounted {
  explicit ComplexValue(complex128 v) : value(v) {}
  complex128 value;
};
struct GenericList;
struct TupleValue;
struct DictValue;
struct ObjectValue;
class Generator;  // core/generator.h; derives from RefCounted

class IValue {
 public:
  enum class Tag : uint8_t {
    None,
    Int,
    Bool,
    Double,
    Device,  // held inside
    Tensor,
    String,
    Complex,
    IntList,
    DoubleList,
    BoolList,
    TensorList,  // may be borrowed
    List,
    Tuple,
    Dict,
    Object,
    Generator,
    Capsule,
  };

  IValue() = default;
  IValue(std::nullopt_t) {}
  IValue(const IValue& o) { copy(o); }
  IValue(IValue&& o) noexcept : payload_(o.payload_), count_(o.count_), tag_(o.tag_), borrowed_(o.borrowed_) {
    o.tag_ = Tag::None;
  }
  IValue& operator=(const IValue& o) {
    if (this != &o) {
      IValue kept(o);
      swap(kept);
    }
    return *this;
  }
  IValue& operator=(IValue&& o) noexcept {
    if (this != &o) {
      IValue taken(std::move(o));
      swap(taken);
    }
    return *this;
  }
  ~IValue() { drop(); }

  IValue(Tensor t) : tag_(t.defined() ? Tag::Tensor : Tag::None) { payload_.p = Ref<TensorImpl>(t.ref()).leak(); }
  IValue(bool v) : tag_(Tag::Bool) { payload_.i = v; }
  template <class T, require<std::is_integral_v<T> && !std::is_same_v<T, bool>> = 0>
  IValue(T v) : tag_(Tag::Int) {
    payload_.i = int64_t(v);
  }
  IValue(double v) : tag_(Tag::Double) { payload_.d = v; }
  IValue(DType v) : IValue(int64_t(v)) {}
  IValue(Layout v) : IValue(int64_t(v)) {}
  IValue(MemoryFormat v) : IValue(int64_t(v)) {}
  IValue(Device v) : tag_(Tag::Device) { payload_.device = v; }
  IValue(complex128 v) : IValue(Tag::Complex, new ComplexValue(v)) {}
  IValue(const Scalar& s);
  IValue(std::string s) : IValue(Tag::String, new StringValue(std::move(s))) {}
  IValue(const char* s) : IValue(std::string(s)) {}
  IValue(std::vector<int64_t> v) : IValue(Tag::IntList, new IntList(std::move(v))) {}
  IValue(const Dims& v) : IValue(IntArrayRef(v).vec()) {}
  IValue(std::vector<double> v) : IValue(Tag::DoubleList, new DoubleList(std::move(v))) {}
  IValue(std::vector<Tensor> v) : IValue(Tag::TensorList, new TensorListValue(std::move(v))) {}
  IValue(Ref<IntList> v) : IValue(Tag::IntList, v.leak(), 0) {}
  IValue(Ref<DoubleList> v) : IValue(Tag::DoubleList, v.leak(), 0) {}
  IValue(Ref<BoolList> v) : IValue(Tag::BoolList, v.leak(), 0) {}
  IValue(Ref<TensorListValue> v) : IValue(Tag::TensorList, v.leak(), 0) {}
  IValue(Ref<GenericList> v);
  IValue(Ref<TupleValue> v);
  IValue(Ref<DictValue> v);
  IValue(Ref<ObjectValue> v);
  IValue(Ref<Generator> v);
  template <class T>
  IValue(const std::optional<T>& v) : IValue() {
    if (v) *this = IValue(*v);
  }
  static IValue tuple(std::vector<IValue> items);
  static IValue capsule(Ref<RefCounted> p) { return IValue(Tag::Capsule, p.leak(), 0); }

  // See Note [Borrowed arguments]. The originals must outlive the call.
  static IValue borrow(const Tensor& t) { return borrowed(Tag::Tensor, t.impl(), 0); }
  static IValue borrow(IntArrayRef v) { return borrowed(Tag::IntList, v.data(), v.size()); }
  static IValue borrow(ArrayRef<double> v) { return borrowed(Tag::DoubleList, v.data(), v.size()); }
  static IValue borrow(TensorList v) { return borrowed(Tag::TensorList, v.data(), v.size()); }
  static IValue borrow(std::string_view v) { return borrowed(Tag::String, v.data(), v.size()); }
  static IValue borrow(Generator* g);
  // Another borrowed view of what o holds (o must outlive it); values held inside are copied.
  static IValue borrow(const IValue& o);

  Tag tag() const { return tag_; }
  bool is_borrowed() const { return borrowed_; }
  bool is_none() const { return tag_ == Tag::None; }
  bool is_tensor() const { return tag_ == Tag::Tensor; }
  bool is_int() const { return tag_ == Tag::Int; }
  bool is_bool() const { return tag_ == Tag::Bool; }
  bool is_double() const { return tag_ == Tag::Double; }
  bool is_complex() const { return tag_ == Tag::Complex; }
  bool is_string() const { return tag_ == Tag::String; }
  bool is_device() const { return tag_ == Tag::Device; }
  bool is_scalar() const { return is_int() || is_bool() || is_double() || is_complex(); }
  bool is_int_list() const { return tag_ == Tag::IntList; }
  bool is_double_list() const { return tag_ == Tag::DoubleList; }
  bool is_bool_list() const { return tag_ == Tag::BoolList; }
  bool is_tensor_list() const { return tag_ == Tag::TensorList; }
  bool is_generic_list() const { return tag_ == Tag::List; }
  bool is_any_list() const { return (tag_ >= Tag::IntList && tag_ <= Tag::TensorList) || tag_ == Tag::List; }
  bool is_tuple() const { return tag_ == Tag::Tuple; }
  bool is_dict() const { return tag_ == Tag::Dict; }
  bool is_object() const { return tag_ == Tag::Object; }
  bool is_generator() const { return tag_ == Tag::Generator; }
  bool is_capsule() const { return tag_ == Tag::Capsule; }

  // Each throws TypeError naming both kinds when the value is of another kind.
  const Tensor& tensor() const {
    expect(Tag::Tensor);
    return reinterpret_cast<const Tensor&>(payload_.p);
  }
  // An undefined tensor for None.
  const Tensor& optional_tensor() const;
  int64_t to_int() const {
    if (is_bool()) return payload_.i;
    expect(Tag::Int);
    return payload_.i;
  }
  bool to_bool() const {
    expect(Tag::Bool);
    return payload_.i != 0;
  }
  double to_double() const {
    if (is_int() || is_bool()) return double(payload_.i);
    expect(Tag::Double);
    return payload_.d;
  }
  complex128 to_complex() const;
  Scalar to_scalar() const;
  Device to_device() const {
    expect(Tag::Device);
    return payload_.device;
  }
  std::string_view to_string() const;
  IntArrayRef int_list() const;
  ArrayRef<double> double_list() const;
  TensorList tensor_list() const;
  BoolList& bool_list() const {
    expect(Tag::BoolList);
    return *static_cast<BoolList*>(object());
  }
  // Takes the tensor out; this becomes None.
  Tensor take_tensor();

  GenericList& list() const;
  TupleValue& to_tuple() const;
  DictValue& dict() const;
  ObjectValue& to_object() const;
  Generator* generator() const;  // null for None
  RefCounted* object() const { return static_cast<RefCounted*>(payload_.p); }
  // REQUIRES: an owned heap value.
  template <class T>
  Ref<T> ref() const {
    return Ref<T>(static_cast<T*>(object()));
  }

  // Same object, or equal numbers/strings/None.
  bool is_same(const IValue& o) const;
  // Type from the value; element types of empty generic lists come from their declared type.
  TypePtr type() const;
  std::string text() const;
  const char* kind_name() const;

  void swap(IValue& o) noexcept {
    std::swap(payload_, o.payload_);
    std::swap(count_, o.count_);
    std::swap(tag_, o.tag_);
    std::swap(borrowed_, o.borrowed_);
  }

 private:
  union Payload {
    int64_t i;
    double d;
    void* p;  // RefCounted* when owned; TensorImpl*, first item or first character when borrowed
    Device device;
    Payload() : i(0) {}
  };

  IValue(Tag tag, RefCounted* fresh) : tag_(tag) {
    payload_.p = fresh;
    fresh->retain();
  }
  IValue(Tag tag, RefCounted* adopted, int) : tag_(adopted ? tag : Tag::None) { payload_.p = adopted; }
  static IValue borrowed(Tag tag, const void* p, size_t count) {
    IValue v;
    v.payload_.p = const_cast<void*>(p);
    v.count_ = uint32_t(count);
    v.tag_ = tag;
    v.borrowed_ = true;
    if (tag == Tag::Tensor && !p) v.tag_ = Tag::None;
    return v;
  }
  bool counted() const { return tag_ >= Tag::Tensor; }
  void drop() {
    if (counted() && !borrowed_) object()->release();
  }
  void copy(const IValue& o);
  void expect(Tag tag) const {
    if (tag_ != tag) [[unlikely]]
      fail_kind(tag);
  }
  [[noreturn]] void fail_kind(Tag wanted) const;

  Payload payload_;
  uint32_t count_ = 0;
  Tag tag_ = Tag::None;
  bool borrowed_ = false;
};
static_assert(sizeof(IValue) == 16);
// payload_.p of a tensor is read as RefCounted*, TensorImpl* and Tensor.
static_assert(std::is_base_of_v<RefCounted, TensorImpl>);

struct GenericList final : RefCounted {
  explicit GenericList(TypePtr e, std::vector<IValue> v = {}) : element(std::move(e)), items(std::move(v)) {}
  TypePtr element;
  std::vector<IValue> items;
};

struct TupleValue final : RefCounted {
  explicit TupleValue(std::vector<IValue> v, TypePtr named = nullptr) : items(std::move(v)), type(std::move(named)) {}
  std::vector<IValue> items;
  TypePtr type;  // set for named tuples
};

// Keeps insertion order. Keys: int, float, bool, str, tensor (by identity).
struct DictValue final : RefCounted {
  DictValue(TypePtr k, TypePtr v) : key(std::move(k)), value(std::move(v)) {}
  const IValue* find(const IValue& k) const;
  void set(IValue k, IValue v);
  bool erase(const IValue& k);
  void pop_back();  // REQUIRES: there is an entry
  void clear();
  TypePtr key, value;
  std::vector<std::pair<IValue, IValue>> items;

 private:
  static size_t hash(const IValue& k);
  size_t home_of(const IValue& k) const;
  // Where a key's place stands in places_, or the free one where it would.
  size_t slot_of(const IValue& k) const;
  void index_all(size_t slots);
  void erase_at(size_t slot);
  // Of entries, by open addressing: 0 is free, n is items[n - 1]. At most two thirds are taken; the size is a power of 2.
  std::vector<uint32_t> places_;
};

// An instance of a script class; `type` is the ClassType that names the slots.
struct ObjectValue final : RefCounted {
  ObjectValue(TypePtr t, size_t slots) : type(std::move(t)), slots(slots) {}
  TypePtr type;
  std::vector<IValue> slots;
};

inline void append_text(std::string& out, const IValue& v) { out += v.text(); }

}  // namespace rushlight
