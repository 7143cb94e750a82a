#include "rushlight/core/type.h"

#include <algorithm>

#include "rushlight/core/future_type.h"

namespace rushlight {
namespace {

struct Made : Type {  // opens the constructor to make_shared
  Made(Kind k, std::vector<TypePtr> c, std::string n = {}, std::vector<std::string> f = {})
      : Type(k, std::move(c), std::move(n), std::move(f)) {}
};

const char* simple_name(Type::Kind k) {
  switch (k) {
    case Type::Kind::Tensor: return "Tensor";
    case Type::Kind::Int: return "int";
    case Type::Kind::Float: return "float";
    case Type::Kind::Bool: return "bool";
    case Type::Kind::Complex: return "complex";
    case Type::Kind::Number: return "number";
    case Type::Kind::String: return "str";
    case Type::Kind::None: return "NoneType";
    case Type::Kind::Device: return "Device";
    case Type::Kind::Generator: return "Generator";
    case Type::Kind::Any: return "Any";
    case Type::Kind::List: return "List";
    case Type::Kind::Dict: return "Dict";
    case Type::Kind::Tuple: return "Tuple";
    case Type::Kind::Optional: return "Optional";
    case Type::Kind::Union: return "Union";
    case Type::Kind::Future: return "Future";
    case Type::Kind::Function: return "Function";
    default: return "Module";
  }
}

}  // namespace

std::string Type::text() const {
  if (!name_.empty()) return name_;
  std::string out = simple_name(kind_);
  if (kind_ == Kind::Number) return "number";
  if (kind_ == Kind::Future && !fields_.empty()) out = "Await";
  if (contained_.empty()) return kind_ == Kind::Tuple ? "Tuple[()]" : out;
  out += '[';
  for (size_t i = 0; i < contained_.size(); i++) out += (i ? ", " : "") + contained_[i]->text();
  return out + ']';
}

std::string Type::schema_text() const {
  if (!name_.empty()) return name_;
  if (kind_ == Kind::Number) return "Scalar";
  if (kind_ == Kind::List) return element()->schema_text() + "[]";
  if (kind_ == Kind::Optional) return element()->schema_text() + "?";
  if (kind_ == Kind::Future && !contained_.empty())
    return (fields_.empty() ? "Future(" : "Await(") + element()->schema_text() + ")";
  if (kind_ == Kind::Dict) return "Dict(" + contained_[0]->schema_text() + ", " + contained_[1]->schema_text() + ")";
  if (kind_ == Kind::Tuple || kind_ == Kind::Union) {
    std::string out = kind_ == Kind::Union ? "Union(" : "(";
    for (size_t i = 0; i < contained_.size(); i++) out += (i ? ", " : "") + contained_[i]->schema_text();
    return out + ")";
  }
  return text();
}

bool Type::equals(const Type& o) const {
  if (this == &o) return true;
  if (kind_ != o.kind_ || name_ != o.name_ || contained_.size() != o.contained_.size()) return false;
  if (kind_ == Kind::Future && fields_ != o.fields_) return false;  // an Await
  for (size_t i = 0; i < contained_.size(); i++)
    if (!contained_[i]->equals(*o.contained_[i])) return false;
  return true;
}

bool Type::is_subtype_of(const Type& o) const {
  if (o.kind_ == Kind::Any || equals(o)) return true;
  if (o.kind_ == Kind::Number && kind_ != Kind::Union)
    return kind_ == Kind::Int || kind_ == Kind::Float || kind_ == Kind::Complex;
  if (kind_ == Kind::Union || kind_ == Kind::Optional) {
    if (kind_ == Kind::Optional)
      return (o.kind_ == Kind::Optional || o.kind_ == Kind::Union) && element()->is_subtype_of(o) &&
             none()->is_subtype_of(o);
    return std::all_of(contained_.begin(), contained_.end(), [&](const TypePtr& t) { return t->is_subtype_of(o); });
  }
  if (o.kind_ == Kind::Optional) return kind_ == Kind::None || is_subtype_of(*o.element());
  if (kind_ == Kind::Future && o.kind_ == kind_ && fields_ == o.fields_ && contained_.size() && o.contained_.size())
    return element()->is_subtype_of(*o.element());
  if (o.kind_ == Kind::Union)
    return std::any_of(o.contained_.begin(), o.contained_.end(), [&](const TypePtr& t) { return is_subtype_of(*t); });
  if (kind_ == Kind::Tuple && o.kind_ == Kind::Tuple && contained_.size() == o.contained_.size() && o.name_.empty()) {
    for (size_t i = 0; i < contained_.size(); i++)
      if (!contained_[i]->is_subtype_of(*o.contained_[i])) return false;
    return true;
  }
  return false;
}

TypePtr Type::simple(Kind k) {
  static const std::vector<TypePtr> all = [] {
    std::vector<TypePtr> types;
    for (int i = 0; i <= int(Kind::Module); i++)
      types.push_back(std::make_shared<Made>(Kind(i), std::vector<TypePtr>{}));
    return types;
  }();
  return all[size_t(k)];
}
TypePtr Type::list(TypePtr element) { return std::make_shared<Made>(Kind::List, std::vector{std::move(element)}); }
TypePtr Type::optional(TypePtr element) {
  if (element->is(Kind::Optional) || element->is(Kind::None)) return element;
  if (element->is(Kind::Union)) return union_of({element, none()});
  return std::make_shared<Made>(Kind::Optional, std::vector{std::move(element)});
}
TypePtr Type::dict(TypePtr key, TypePtr value) {
  return std::make_shared<Made>(Kind::Dict, std::vector{std::move(key), std::move(value)});
}
TypePtr Type::tuple(std::vector<TypePtr> items, std::string name, std::vector<std::string> fields) {
  return std::make_shared<Made>(Kind::Tuple, std::move(items), std::move(name), std::move(fields));
}

namespace {
// PyTorch's order of the members of a union.
int place_in_union(Type::Kind k) {
  using K = Type::Kind;
  static constexpr K order[] = {K::Any,       K::Tensor,  K::Tuple,  K::List,  K::Dict,  K::Number,
                                K::Float,     K::Complex, K::Future, K::Int,   K::None,  K::String,
                                K::Generator, K::Bool,    K::Device, K::Class, K::Module};
  return int(std::find(std::begin(order), std::end(order), k) - std::begin(order));
}
void add_members(const TypePtr& t, std::vector<TypePtr>& out) {
  if (t->is(Type::Kind::Union) || t->is(Type::Kind::Optional)) {
    for (const TypePtr& c : t->contained()) add_members(c, out);
    if (t->is(Type::Kind::Optional)) add_members(Type::none(), out);
    return;
  }
  if (std::any_of(out.begin(), out.end(), [&](const TypePtr& o) { return t->is_subtype_of(*o); })) return;
  std::erase_if(out, [&](const TypePtr& o) { return o->is_subtype_of(*t); });
  out.push_back(t);
}
}  // namespace

TypePtr Type::union_of(std::vector<TypePtr> items) {
  std::vector<TypePtr> all;
  for (const TypePtr& t : items) add_members(t, all);
  std::stable_sort(all.begin(), all.end(), [](const TypePtr& a, const TypePtr& b) {
    int x = place_in_union(a->kind()), y = place_in_union(b->kind());
    return x != y ? x < y : a->text() < b->text();
  });
  if (all.size() == 1) return all[0];
  if (all.size() == 2 && (all[0]->is(Kind::None) || all[1]->is(Kind::None)))
    return optional(all[all[0]->is(Kind::None)]);
  return std::make_shared<Made>(Kind::Union, std::move(all));
}

// An Await is told apart by a field, for schemas know one kind for both.
TypePtr future_type(TypePtr element) {
  return std::make_shared<Made>(Type::Kind::Future, std::vector{std::move(element)});
}
TypePtr await_type(TypePtr element) {
  return std::make_shared<Made>(Type::Kind::Future, std::vector{std::move(element)}, std::string(),
                                std::vector<std::string>{"await"});
}
bool is_future(const Type& t) { return t.is(Type::Kind::Future) && !t.contained().empty(); }
bool is_await(const Type& t) { return is_future(t) && !t.fields().empty(); }

}  // namespace rushlight
