// Type: what a value of a schema, a graph or a script can be; printed and parsed as PyTorch does ("List[int]", "Optional[Tensor]").
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rushlight {

class Type;
using TypePtr = std::shared_ptr<const Type>;

class Type {
 public:
  enum class Kind : uint8_t {
    Tensor,
    Int,
    Float,
    Bool,
    Complex,
    Number,
    String,
    None,
    Device,
    Generator,
    Any,
    List,
    Dict,
    Tuple,
    Optional,
    Union,
    Class,
    Function,
    Future,
    Module,
  };

  virtual ~Type() = default;
  Kind kind() const { return kind_; }
  bool is(Kind k) const { return kind_ == k; }
  const std::vector<TypePtr>& contained() const { return contained_; }
  const TypePtr& element() const { return contained_[0]; }  // of a List or an Optional
  // The name of a Class or of a NamedTuple ("__torch__.Net"); empty otherwise.
  const std::string& name() const { return name_; }
  const std::vector<std::string>& fields() const { return fields_; }  // of a NamedTuple

  // "List[int]", as in script source and archives.
  std::string text() const;
  // "int[]", "Tensor?", as in schemas and printed graphs.
  std::string schema_text() const;
  bool equals(const Type& o) const;
  bool is_subtype_of(const Type& o) const;

  static TypePtr simple(Kind k);
  static TypePtr list(TypePtr element);
  static TypePtr optional(TypePtr element);
  static TypePtr dict(TypePtr key, TypePtr value);
  static TypePtr tuple(std::vector<TypePtr> items, std::string name = {}, std::vector<std::string> fields = {});
  static TypePtr union_of(std::vector<TypePtr> items);
  static TypePtr tensor() { return simple(Kind::Tensor); }
  static TypePtr integer() { return simple(Kind::Int); }
  static TypePtr floating() { return simple(Kind::Float); }
  static TypePtr boolean() { return simple(Kind::Bool); }
  static TypePtr string() { return simple(Kind::String); }
  static TypePtr none() { return simple(Kind::None); }
  static TypePtr any() { return simple(Kind::Any); }

 protected:
  Type(Kind kind, std::vector<TypePtr> contained, std::string name = {}, std::vector<std::string> fields = {})
      : contained_(std::move(contained)), name_(std::move(name)), fields_(std::move(fields)), kind_(kind) {}

 private:
  std::vector<TypePtr> contained_;
  std::string name_;
  std::vector<std::string> fields_;
  Kind kind_;
};

inline void append_text(std::string& out, const TypePtr& t) { out += t ? t->text() : "?"; }

}  // namespace rushlight
