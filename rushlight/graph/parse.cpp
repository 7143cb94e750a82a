#include "rushlight/graph/parse.h"

#include <cctype>
#include <charconv>
#include <unordered_map>

#include "rushlight/dispatch/boxing.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/graph/escapes.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/generics.h"

namespace rushlight::graph {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), graph_(std::make_shared<Graph>()) {}

  std::shared_ptr<Graph> run() {
    expect("graph");
    params(*graph_->block());
    expect(":");
    nodes(*graph_->block());
    expect("return");
    for (Value* v : operands()) graph_->register_output(v);
    skip();
    if (at_ < text_.size()) fail("the end");
    return graph_;
  }

 private:
  void skip() {
    for (; at_ < text_.size(); at_++) {
      if (text_[at_] == '#') at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      else if (!std::isspace(static_cast<unsigned char>(text_[at_]))) return;
    }
  }
  bool peek(std::string_view s) {
    skip();
    return text_.substr(at_, s.size()) == s;
  }
  bool take(std::string_view s) { return peek(s) && (at_ += s.size(), true); }
  void expect(std::string_view s) {
    if (!take(s)) fail(s);
  }
  [[noreturn]] void fail(std::string_view wanted) {
    size_t start = text_.rfind('\n', at_ ? at_ - 1 : 0);
    start = start == std::string_view::npos ? 0 : start + 1;
    throw RuntimeError(str("graph text: expected '", wanted, "' at column ", at_ - start,
                           " of: ", text_.substr(start, text_.find('\n', at_) - start)));
  }
  std::string word(std::string_view also = "_.") {
    skip();
    size_t start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || also.find(text_[at_]) != std::string_view::npos))
      at_++;
    if (at_ == start) fail("a name");
    return std::string(text_.substr(start, at_ - start));
  }

  void define(Value* v, const std::string& name) {
    if (!values_.emplace(name, v).second) fail("a name of its own");
    names_.push_back(name);
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) v->set_name(name);
  }
  // %name : type
  std::string typed(TypePtr& type, std::shared_ptr<TensorFacts>& facts) {
    expect("%");
    std::string name = word();
    type = Type::tensor();
    if (take(":")) type = parse_type(facts);
    return name;
  }
  TypePtr parse_type(std::shared_ptr<TensorFacts>& facts) {
    skip();
    size_t start = at_;
    int depth = 0;
    for (; at_ < text_.size(); at_++) {
      char c = text_[at_];
      if (c == '(' || c == '[') depth++;
      if ((c == ')' || c == ']') && depth-- == 0) break;
      if (depth == 0 && (c == ',' || c == '=' || c == '\n')) break;
    }
    std::string text(text_.substr(start, at_ - start));
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    // Float(2, 3, device=cpu); Tensor(2, 3) of any dtype; FloatTensor(device=cpu) of any shape.
    std::string_view name = std::string_view(text).substr(0, text.find('('));
    bool tensor = name.ends_with("Tensor"), any = name == "Tensor";
    if (tensor) name.remove_suffix(6);
    DType d = DType::Float32;
    bool known = !any && dtype_from_scalar_type(name, d);
    if (known ? tensor || text.size() > name.size() : any && text.size() > 6) {
      facts = std::make_shared<TensorFacts>();
      if (known) facts->dtype = d;
      read_facts(text, *facts);
      bool none = facts->sizes->empty() && (any ? text != "Tensor()" : tensor);
      if (none) facts->sizes.reset();
      return Type::tensor();
    }
    if (text.starts_with("NamedTuple(")) return named_tuple(std::string_view(text).substr(11));
    if (text.starts_with("__torch__")) return std::make_shared<ClassType>(text, true);
    return parse_schema_type(text);
  }
  // "x : int, y : int = 2)...": what stands behind the parenthesis makes lists or optionals of it. Its defaults are not read.
  TypePtr named_tuple(std::string_view text) {
    std::vector<TypePtr> parts;
    std::vector<std::string> fields;
    size_t at = 0;
    for (bool more = true; more; at++) {
      size_t colon = text.find(" : ", at), end = colon + 3;
      if (colon == text.npos) fail("a field of a NamedTuple");
      fields.emplace_back(text.substr(at + (text[at] == ' '), colon - at - (text[at] == ' ')));
      for (int depth = 0; end < text.size() && (depth > 0 || (text[end] != ',' && text[end] != ')')); end++)
        depth += text[end] == '(' || text[end] == '[' ? 1 : text[end] == ')' || text[end] == ']' ? -1 : 0;
      if (end >= text.size()) fail(")");
      std::string_view kind = text.substr(colon + 3, end - colon - 3);
      kind = kind.substr(0, kind.find(" = "));
      parts.push_back(kind.starts_with("NamedTuple(") ? named_tuple(kind.substr(11)) : parse_schema_type(kind));
      more = text[end] == ',';
      at = end;
    }
    TypePtr type = Type::tuple(std::move(parts), "NamedTuple", std::move(fields));
    for (; at < text.size(); at++)
      if (text[at] == '?') type = Type::optional(type);
      else if (text[at] == '[') type = Type::list(type);
    return type;
  }
  static void read_facts(const std::string& text, TensorFacts& f) {
    size_t strides = text.find("strides=[");
    auto numbers = [&](size_t from, size_t to, Dims& out) {
      to = std::min(to, text.size());
      for (size_t i = from; i < to;) {
        int64_t v;
        auto [end, error] = std::from_chars(text.data() + i, text.data() + to, v);
        if (error == std::errc()) {
          out.push_back(v);
          i = size_t(end - text.data());
        } else if (text[i++] == '*') {
          out.push_back(-1);
        }
      }
    };
    size_t grad = text.find("requires_grad="), device = text.find("device="), open = text.find('(');
    f.sizes.emplace();
    if (open != std::string::npos) numbers(open + 1, std::min({strides, grad, device}), *f.sizes);
    if (strides != std::string::npos) numbers(strides + 9, text.find(']', strides), f.strides.emplace());
    if (grad != std::string::npos) f.requires_grad = text[grad + 14] == '1';
    if (device != std::string::npos)
      f.device = Device::parse(text.substr(device + 7, text.find_first_of(",)", device) - device - 7));
  }

  void params(Block& b) {
    expect("(");
    while (!take(")")) {
      TypePtr type;
      std::shared_ptr<TensorFacts> facts;
      std::string name = typed(type, facts);
      Value* v = b.add_input(type);
      v->facts = facts;
      define(v, name);
      take(",");
    }
  }
  std::vector<Value*> operands() {
    std::vector<Value*> out;
    expect("(");
    while (!take(")")) {
      expect("%");
      std::string name = word();
      auto found = values_.find(name);
      if (found == values_.end()) fail("a value that is made before, and not inside of a block that has ended");
      out.push_back(found->second);
      take(",");
    }
    return out;
  }

  // [int[]] of prim::isinstance: a type.
  std::string tested() {
    expect("[");
    size_t start = at_;
    for (int depth = 1; at_ < text_.size() && (depth += (text_[at_] == '[') - (text_[at_] == ']')) > 0;) at_++;
    std::string type(text_.substr(start, at_ - start));
    expect("]");
    if (type.starts_with("Enum<") && type.ends_with(">")) type = type.substr(5, type.size() - 6);
    return type;
  }
  // annotate(List[int], []): a list whose items may not say of what type it is.
  IValue annotated() {
    skip();
    size_t start = at_;
    for (int depth = 0; at_ < text_.size() && (text_[at_] != ',' || depth > 0); at_++)
      depth += (text_[at_] == '[') - (text_[at_] == ']');
    const TypePtr type = parse_schema_type(std::string(text_.substr(start, at_ - start)));
    expect(",");
    IValue given = attribute_value();
    expect(")");
    if (!type->is(Type::Kind::List) || !given.is_any_list()) fail("a list of that type");
    std::vector<IValue> items;
    for (size_t i = 0; i < list_size(given); i++) items.push_back(list_get(given, i));
    return make_list(type->element(), std::move(items));
  }

  IValue attribute_value() {
    skip();
    if (take("annotate(")) return annotated();
    if (take("\"")) {
      std::string s;
      for (; at_ < text_.size() && text_[at_] != '"'; at_++) {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
          size_t at = kEscapes.find(text_[++at_]);
          s += at == kEscapes.npos ? text_[at_] : kEscaped[at];
        } else {
          s += text_[at_];
        }
      }
      expect("\"");
      return s;
    }
    if (take("{")) {
      Scalar s = attribute_value().to_scalar();
      expect("}");
      Tensor t = wrapped_number(s);
      t.impl()->wrapped_number = false;
      return t;
    }
    if (take("[")) {
      std::vector<double> doubles;
      std::vector<int64_t> ints;
      bool floats = false;
      while (!take("]")) {
        IValue v = attribute_value();
        floats |= v.is_double();
        doubles.push_back(v.to_double());
        ints.push_back(v.is_int() ? v.to_int() : 0);
        take(",");
      }
      if (floats) return doubles;
      return ints;
    }
    if (take("None")) return {};
    if (take("inf")) return __builtin_inf();
    double d;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), d);
    if (error != std::errc()) fail("a value");
    std::string_view digits(text_.data() + at_, size_t(end - text_.data()) - at_);
    at_ += digits.size();
    bool whole = digits.find_first_of(".e") == std::string_view::npos;
    if (whole) at_ += text_.substr(at_, 1) == ".", whole = text_[at_ - 1] != '.';
    if (!whole) return d;
    int64_t n = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), n).ec != std::errc())
      fail("a whole number of 64 bits");
    return n;
  }

  void nodes(Block& b, int depth = 0) {
    constexpr int kMaxDepth = 400;  // what goes through the graph recurses as deep
    if (depth > kMaxDepth) fail("fewer blocks inside of each other");
    InsertPoint here(*graph_, &b);
    while (!peek("return") && !peek("->")) {
      struct Out {
        std::string name;
        TypePtr type;
        std::shared_ptr<TensorFacts> facts;
      };
      std::vector<Out> outs;
      while (peek("%")) {
        Out o;
        o.name = typed(o.type, o.facts);
        outs.push_back(std::move(o));
        if (!take(",")) break;
      }
      if (!take("=") && !outs.empty()) fail("=");
      const std::string kind = word("_.:");
      const bool name = kind == "prim::EnumName";  // attributes of an enum's member are printed so
      const bool member = name || kind == "prim::EnumValue";
      Node* n = graph_->create(member ? "prim::GetAttr" : kind, {}, 0);
      if (member) n->set_attribute("name", name ? "name" : "value");
      if (take("["))
        while (!take("]")) {
          std::string name = word();
          expect("=");
          if (n->is("prim::isinstance") && name == "types") n->set_attribute("type", tested());
          else n->set_attribute(name, attribute_value());
          take(",");
        }
      for (Value* v : operands()) n->add_input(v);
      graph_->insert(n);
      for (int i = 0; peek(str("block", i)); i++) {
        take(str("block", i));
        Block* inner = n->add_block();
        const size_t outside = names_.size();
        params(*inner);
        expect(":");
        nodes(*inner, depth + 1);
        expect("->");
        for (Value* v : operands()) inner->register_output(v);
        // What a traced call made is used behind it, until outlining takes its block away.
        for (; names_.size() > outside && !n->is("prim::TracedCall"); names_.pop_back()) values_.erase(names_.back());
      }
      for (Out& o : outs) {
        Value* v = n->add_output(o.type);
        v->facts = o.facts;
        define(v, o.name);
      }
      if (n->is("prim::Constant") && n->outputs().size() != 1) fail("one output of a constant");
      if (n->is("prim::Constant") && n->has_attribute("value")) {  // bools print as 0 and 1, devices as strings
        if (n->output()->type()->is(Type::Kind::Bool)) n->set_attribute("value", n->attribute("value").to_int() != 0);
        if (n->output()->type()->is(Type::Kind::Device))
          n->set_attribute("value", Device::parse(n->attribute("value").to_string()));
        const IValue& v = n->attribute("value");
        bool right = v.type()->is_subtype_of(*n->output()->type()) || v.is_any_list();
        if (v.is_any_list())
          right = n->output()->type()->is(Type::Kind::List) &&
                  v.type()->element()->kind() == n->output()->type()->element()->kind();
        if (!right) fail(str("a constant of type ", n->output()->type()));
        // {0} of a type with sizes of 1 is no number: the tensor has those dimensions.
        const TensorFacts* f = n->output()->facts.get();
        if (v.is_tensor() && v.tensor().dim() == 0 && f && f->sizes && !f->sizes->empty() &&
            std::all_of(f->sizes->begin(), f->sizes->end(), [](int64_t s) { return s == 1; }))
          n->set_attribute("value", reshape(v.tensor(), *f->sizes));
      }
      resolve(n);
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::shared_ptr<Graph> graph_;
  std::unordered_map<std::string, Value*> values_;
  std::vector<std::string> names_;  // of values_, in order
};

bool accepts(const Argument& a, const TypePtr& type, Generics& generics) {
  if (Generics::mentions_variable(*a.type)) return generics.accept(a.type, type);
  const Type& given = *type;
  if (given.is_subtype_of(*a.type)) return true;
  const Type& wanted = a.base_type();
  if (wanted.is(Type::Kind::Number)) return given.is(Type::Kind::Bool) || given.is_subtype_of(wanted);
  if (wanted.is(Type::Kind::List) && given.is(Type::Kind::List)) {
    const Type& e = *wanted.element();
    return e.is(Type::Kind::Any) || given.element()->is_subtype_of(e);
  }
  return wanted.is(Type::Kind::Any);
}

bool fits(const Schema& schema, const Node& n) {
  if (schema.args.size() != n.inputs().size() || schema.returns.size() != n.outputs().size()) return false;
  Generics generics;
  for (size_t i = 0; i < schema.args.size(); i++)
    if (!accepts(schema.args[i], n.input(i)->type(), generics)) return false;
  return true;
}

}  // namespace

bool resolve(Node* n) {
  if (n->kind().find("::") == std::string::npos) return false;
  for (const Primitive* p : primitives(n->kind()))
    if (fits(p->schema, *n)) return n->primitive = p, true;
  for (const Op* op : OpTable::get().overloads(n->kind()))
    if (fits(op->schema(), *n)) return n->op = op, true;
  return false;
}

std::shared_ptr<Graph> parse_graph(std::string_view text) { return Parser(text).run(); }

}  // namespace rushlight::graph
