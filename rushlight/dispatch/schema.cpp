#include "rushlight/dispatch/schema.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "rushlight/core/future_type.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/schema_class.h"
#include "rushlight/dispatch/schema_types.h"

namespace rushlight {

TypePtr (*schema_class)(const std::string&) = nullptr;

namespace {

// A type that the arguments of a call say: in "append(t[] self, t el)" whatever the list holds. It takes anything, and has a name.
struct Variable : Type {
  explicit Variable(std::string name) : Type(Kind::Any, {}, std::move(name)) {}
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Schema schema() {
    Schema s;
    s.name = word();
    if (take("::")) s.name += "::" + word();
    if (take(".")) s.overload = word();
    expect("(");
    bool kwarg_only = false;
    while (!take(")")) {
      if (take("*")) {
        kwarg_only = true;
      } else {
        Argument a = typed();
        a.name = word();
        a.kwarg_only = kwarg_only;
        a.is_out = a.is_mutated && kwarg_only;
        if (take("=")) {
          a.has_default = true;
          a.default_value = default_of(a);
        }
        s.args.push_back(std::move(a));
      }
      if (end_of_list()) break;
    }
    expect("->");
    if (text_.back() != ']' && text_.back() != '?' && take("(")) {  // else a list of tuples
      while (!take(")")) {
        add_return(s);
        if (end_of_list()) break;
      }
    } else {
      add_return(s);
    }
    expect_end();
    return s;
  }

  TypePtr type_only() {
    Argument a = typed();
    expect_end();
    return a.type;
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) at_++;
  }
  bool take(std::string_view s) {
    skip();
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  void expect(std::string_view s) {
    if (!take(s)) fail(s);
  }
  void expect_end() {
    skip();
    if (at_ != text_.size()) fail("the end");
  }
  bool end_of_list() {  // after an item: a comma, or the closing parenthesis
    if (take(",")) return false;
    expect(")");
    return true;
  }
  [[noreturn]] void fail(std::string_view wanted) {
    throw RuntimeError(str("schema: expected '", wanted, "' at character ", at_, " of \"", text_, "\""));
  }
  bool is_word() {
    skip();
    return at_ < text_.size() && (std::isalpha(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_');
  }
  std::string word() {
    if (!is_word()) fail("a name");
    size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) at_++;
    return std::string(text_.substr(start, at_ - start));
  }
  void add_return(Schema& s) {
    s.returns.push_back(typed());
    if (is_word()) s.returns.back().name = word();
  }

  // A type with alias marks and list sizes: "Tensor(a!)?", "int[2]?", "Tensor?[]".
  Argument typed() {
    Argument a;
    RL_CHECK(RuntimeError, ++depth_ < 50, "schema: a type is nested too deeply");
    struct Left {
      int& depth;
      ~Left() { depth--; }
    } left{depth_};
    a.type = base(a);
    for (;;) {
      if (take("(")) {  // alias set
        a.is_alias = true;
        while (!take(")")) {
          if (take("!")) a.is_mutated = true;
          else if (!take("->") && !take("|") && !take("*")) {
            std::string set = word();
            if (a.alias_set.empty()) a.alias_set = std::move(set);
          }
        }
      } else if (take("!")) {  // written to, in an alias set of its own
        a.is_alias = a.is_mutated = true;
        a.alias_set = str("w", at_);
      } else if (take("[")) {
        if (!take("]")) {
          int64_t size = integer();
          if (size < 0 || size > 1024) fail("the length of a list of numbers");  // room is made for a default
          a.list_size = int(size);
          expect("]");
        }
        a.type = Type::list(a.type);
        a.type_name += a.list_size ? str("[", a.list_size, "]") : "[]";
      } else if (take("?")) {
        a.type = Type::optional(a.type);
        a.type_name += "?";
      } else {
        return a;
      }
    }
  }

  TypePtr base(Argument& a) {
    using K = Type::Kind;
    if (take("(")) {  // tuple
      std::vector<TypePtr> items;
      a.type_name = "(";
      while (!take(")")) {
        Argument item = typed();
        a.type_name += (items.empty() ? "" : ", ") + item.type_name;
        items.push_back(item.type);
        if (end_of_list()) break;
      }
      a.type_name += ")";
      return Type::tuple(std::move(items));
    }
    std::string name = word();
    while (take(".")) name += "." + word();
    if (name == "SymInt") name = "int";
    if (TypePtr made = compound(name)) return a.type_name = made->schema_text(), made;
    a.type_name = name;
    for (const SchemaType& t : schema_types())
      if (t.graph && name == t.name) return t.graph;
    if (name == "number") return Type::simple(K::Number);
    if (name == "NoneType" || name == "None") return Type::none();
    if (name == "Any" || name == "AnyType") return Type::any();
    if (name == "t" || name == "t1" || name == "t2" || name == "tKey" || name == "tVal")
      return std::make_shared<Variable>(name);
    if (name == "AnyEnumType") return Type::simple(K::Class);  // a place that the compiler fills
    if (name.starts_with("__torch__.") && schema_class)
      if (TypePtr found = schema_class(name)) return found;
    fail("a type");
  }

  // Dict(str, int) and Union(int, str), and what annotations say: List[int], Optional[Tensor]. Null for other names.
  TypePtr compound(const std::string& name) {
    static constexpr std::string_view names[] = {"Dict", "Union", "List", "Optional", "Tuple", "Future", "Await"};
    if (std::find(std::begin(names), std::end(names), name) == std::end(names)) return nullptr;
    const bool round = take("(");
    if (!round) expect("[");
    const char* close = round ? ")" : "]";
    std::vector<TypePtr> parts;
    if (!take(close)) {
      do parts.push_back(typed().type);
      while (take(","));
      expect(close);
    }
    if (name == "Tuple") return Type::tuple(std::move(parts));
    if (parts.size() != (name == "Dict" ? 2u : name == "Union" ? std::max<size_t>(parts.size(), 1) : 1u))
      fail("the types that " + name + " takes");
    if (name == "Dict") return Type::dict(parts[0], parts[1]);
    if (name == "List") return Type::list(parts[0]);
    if (name == "Future" || name == "Await") return (name == "Future" ? future_type : await_type)(parts[0]);
    return name == "Optional" ? Type::optional(parts[0]) : Type::union_of(std::move(parts));
  }

  int64_t integer() {
    skip();
    int64_t v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc()) fail("an integer");
    at_ = size_t(end - text_.data());
    return v;
  }

  IValue default_of(const Argument& a) {
    const Type& base = a.base_type();
    using K = Type::Kind;
    if (take("None")) {
      if (!a.is_optional() && !base.is(K::Tensor) && !base.is(K::Generator) && !base.is(K::Any))
        fail("a value, not None");
      return {};
    }
    if (!base.is(K::List)) return value_of(base, a.type_name);
    const Type& element = *base.element();
    std::vector<IValue> items;
    if (take("[")) {
      while (!take("]")) {
        items.push_back(value_of(element, ""));
        if (!take(",")) {
          expect("]");
          break;
        }
      }
    } else {  // one for all
      items.assign(size_t(std::max(a.list_size, 1)), value_of(element, ""));
    }
    if (element.is(K::Float)) return numbers<double>(items, [](const IValue& v) { return v.to_double(); });
    if (element.is(K::Bool)) {
      auto list = make_ref<BoolList>();
      for (const IValue& v : items) list->items.push_back(v.to_bool());
      return IValue(std::move(list));
    }
    if (element.is(K::Int)) return numbers<int64_t>(items, [](const IValue& v) { return v.to_int(); });
    if (items.empty() && element.is(K::Tensor)) return Tensors();
    auto list = make_ref<GenericList>(base.element());
    list->items = std::move(items);
    return IValue(std::move(list));
  }
  template <class T, class F>
  static std::vector<T> numbers(const std::vector<IValue>& items, F&& f) {
    std::vector<T> out;
    for (const IValue& v : items) out.push_back(f(v));
    return out;
  }

  // A value of that type, as it is written.
  IValue value_of(const Type& type, std::string_view type_name) {
    using K = Type::Kind;
    skip();
    switch (type.kind()) {
      case K::Bool:
        if (take("True") || take("true")) return true;
        if (take("False") || take("false")) return false;
        fail("True or False");
      case K::String:
      case K::Device: {
        if (!take("'") && !take("\"")) fail("a quoted text");
        size_t end = text_.find(text_[at_ - 1], at_);
        if (end == std::string_view::npos) fail("a closing quote");
        std::string s(text_.substr(at_, end - at_));
        at_ = end + 1;
        return type.is(K::Device) ? IValue(Device::parse(s)) : IValue(std::move(s));
      }
      case K::Int: {
        if (take("Mean")) return int64_t(1);
        if (take("Sum")) return int64_t(2);
        if (take("contiguous_format")) return MemoryFormat::Contiguous;
        if (DType d; type_name.starts_with("ScalarType") && is_word()) {
          std::string name = word();
          if (!dtype_from_name(name, d)) fail("the name of a dtype");
          return d;
        }
        std::optional<int64_t> v = whole_number();
        if (v && type_name.starts_with("ScalarType") && !is_dtype_number(*v)) fail("the number of a dtype");
        if (v) return *v;
        fail("an integer");
      }
      case K::Number:
      case K::Complex:
      case K::Float: {
        if (type.is(K::Number) && take("True")) return true;
        if (type.is(K::Number) && take("False")) return false;
        if (!type.is(K::Float))
          if (std::optional<int64_t> v = whole_number()) return *v;
        double v = 0;
        auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
        if (error != std::errc()) fail("a number");
        at_ = size_t(end - text_.data());
        return v;
      }
      default: fail("no default value for this type");
    }
  }
  // Nothing is read where there is none, or it has a fraction.
  std::optional<int64_t> whole_number() {
    int64_t v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    size_t to = size_t(end - text_.data());
    if (error != std::errc() || (to < text_.size() && std::string_view(".e").find(text_[to]) != std::string_view::npos))
      return std::nullopt;
    at_ = to;
    return v;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

const std::vector<SchemaType>& schema_types() {
#define RL_ENTRY(Name, name, graph, python, ...) {Want::Name, name, graph, python},
  static const std::vector<SchemaType>& all = *new std::vector<SchemaType>{RL_SCHEMA_TYPES(RL_ENTRY)};
#undef RL_ENTRY
  return all;
}

std::string Argument::text() const {
  std::string out = type_name;
  if (is_mutated || is_alias) {
    size_t at = out.find_first_of("?[");
    out.insert(at == std::string::npos ? out.size() : at,
               str("(", alias_set.empty() ? "a" : alias_set, is_mutated ? "!)" : ")"));
  }
  if (!name.empty()) out += " " + name;
  if (has_default) {
    // One number stands for all of a list of known length.
    IntArrayRef all = default_value.is_int_list() ? default_value.int_list() : IntArrayRef();
    bool same = list_size && !all.empty() && std::count(all.begin(), all.end(), all[0]) == ptrdiff_t(all.size());
    std::string text = same ? str(all[0]) : default_value.text();
    out += "=" + (default_value.is_double() && text.ends_with(".0") ? text.substr(0, text.size() - 1) : text);
  }
  return out;
}

Schema Schema::parse(std::string_view text) { return Parser(text).schema(); }

std::string Schema::full_text() const {
  size_t colon = name.find("::");
  return (colon == name.npos ? "aten::" : "") + text();
}

std::string Schema::text() const {
  std::string out = qualified_name() + "(";
  bool star = false;
  for (size_t i = 0; i < args.size(); i++) {
    if (i) out += ", ";
    if (args[i].kwarg_only && !star) {
      out += "*, ";
      star = true;
    }
    out += args[i].text();
  }
  out += ") -> ";
  // A tuple stands in parentheses of its own, or it would be read as several results.
  if (std::string one; returns.size() == 1 && !(one = returns[0].text()).starts_with("(")) return out + one;
  out += "(";
  for (size_t i = 0; i < returns.size(); i++) out += (i ? ", " : "") + returns[i].text();
  return out + ")";
}

int Schema::find_arg(std::string_view wanted) const {
  for (size_t i = 0; i < args.size(); i++)
    if (args[i].name == wanted) return int(i);
  return -1;
}

TypePtr parse_schema_type(std::string_view text) { return Parser(text).type_only(); }

}  // namespace rushlight
