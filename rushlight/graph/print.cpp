// Graphs as PyTorch prints them.
#include <cmath>
#include <unordered_map>

#include "rushlight/graph/escapes.h"
#include "rushlight/graph/ir.h"
#include "rushlight/graph/named_tuple.h"
#include "rushlight/kernels/dispatch.h"

namespace rushlight::graph {
namespace {

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (size_t at = kEscaped.find(c); at != kEscaped.npos) (out += '\\') += kEscapes[at];
    else out += c;
  }
  return out + "\"";
}

std::string float_text(double v) {
  std::string s = str(v);
  if (s.ends_with(".0")) s.pop_back();  // 1.0 prints as "1."
  return s;
}

// file:line:column, of the lines that an archive's were written from where they are known.
std::string place(const Location& l) {
  std::string original = l.origins ? l.origins->snippet(l.at) : "";  //   File "x.py", line 7 ... ~~~ <--- HERE
  size_t name = original.find('"') + 1, number = original.find("\", line "), end = original.find('\n');
  size_t mark = original.rfind('\n', original.rfind(" <--- HERE"));
  if (original.empty() || number > end || mark == std::string::npos) return str(l.file, ":", l.line, ":", l.column);
  size_t caret = original.find('~', mark);
  return str(original.substr(name, number - name), ":", original.substr(number + 8, end - number - 8), ":",
             caret == std::string::npos ? 0 : caret - mark - 1);
}

bool is_enum(const TypePtr& t) {
  const ClassType* c = as_class(t);
  return c && c->is_enum;
}

// A class of an enum is told as one, wherever in the type it stands; a named tuple with its fields; a future in brackets, but for one in
// a dict.
std::string type_name(const TypePtr& t) {
  if (t->is(Type::Kind::Future) && !t->contained().empty())
    return (t->fields().empty() ? "Future[" : "Await[") + type_name(t->element()) + "]";
  if (is_enum(t)) return "Enum<" + t->schema_text() + ">";
  if (t->is(Type::Kind::Tuple) && !t->fields().empty()) {
    const auto* named = dynamic_cast<const NamedTuple*>(t.get());
    std::string out = "NamedTuple(";
    for (size_t i = 0; i < t->fields().size(); i++) {
      const std::string& field = t->fields()[i];
      out += (i ? ", " : "") + field + " : " + type_name(t->contained()[i]);
      if (named && named->defaults.contains(field)) out += " = " + named->defaults.at(field).text();
    }
    return out + ")";
  }
  std::string out = t->schema_text();
  for (const TypePtr& part : t->contained()) {
    if (t->is(Type::Kind::Dict) && part->is(Type::Kind::Future)) continue;
    const std::string plain = part->schema_text(), told = type_name(part);
    for (size_t at = 0; told != plain && (at = out.find(plain, at)) != std::string::npos; at += told.size())
      out.replace(at, plain.size(), told);
  }
  return out;
}

class Printer {
 public:
  Printer(const Graph& graph, bool locations) : locations_(locations) { number(*graph.block()); }

  std::string graph(const Block& top) {
    out_ = "graph(";
    for (size_t i = 0; i < top.inputs().size(); i++) out_ += (i ? ",\n      " : "") + typed(top.inputs()[i]);
    out_ += "):\n";
    nodes(top, 1);
    out_ += "  return " + list(top.outputs()) + "\n";
    return std::move(out_);
  }
  const std::string& name_of(const Value* v) const {
    auto found = names_.find(v);
    RL_CHECK(RuntimeError, found != names_.end(), "a value that is not in the graph");
    return found->second;
  }

 private:
  // Values without names get numbers, in the order they are made, that no named value has.
  void number(const Block& b) {
    for (Value* v : b.inputs()) name(v);
    for (Node* n : b) {
      for (Block* inner : n->blocks()) number(*inner);
      for (Value* v : n->outputs()) name(v);
    }
  }
  void name(const Value* v) { names_[v] = v->name().empty() ? str(next_++) : v->name(); }

  std::string typed(const Value* v) const { return "%" + names_.at(v) + " : " + type_text(v); }
  static std::string type_text(const Value* v) {
    if (!v->facts || !v->type()->is(Type::Kind::Tensor)) return type_name(v->type());
    const TensorFacts& f = *v->facts;
    std::string out(f.dtype ? scalar_type_name(*f.dtype) : "Tensor"), inside;
    if (f.dtype && !f.sizes) out += "Tensor";
    auto add = [&](const std::string& text) { inside += (inside.empty() ? "" : ", ") + text; };
    if (f.sizes) {
      for (int64_t s : *f.sizes) add(s < 0 ? "*" : str(s));
      if (f.strides && !f.sizes->empty()) add(str("strides=", *f.strides));
    }
    if (f.requires_grad) add(str("requires_grad=", int(*f.requires_grad)));
    if (f.device) add(str("device=", *f.device));
    return f.sizes || !inside.empty() ? str(out, "(", inside, ")") : out;
  }
  std::string list(const std::vector<Value*>& values) const {
    std::string out = "(";
    for (size_t i = 0; i < values.size(); i++) out += (i ? ", %" : "%") + names_.at(values[i]);
    return out + ")";
  }
  std::string value_text(const IValue& v) const {
    if (v.is_string()) return quoted(v.to_string());
    if (v.is_device()) return quoted(v.to_device().text());
    if (v.is_bool()) return v.to_bool() ? "1" : "0";
    if (v.is_double()) return float_text(v.to_double());
    if (v.is_double_list()) {
      std::string out = "[";
      for (size_t i = 0; i < v.double_list().size(); i++) out += (i ? ", " : "") + float_text(v.double_list()[i]);
      return out + "]";
    }
    if (v.is_tensor()) {
      const Tensor& t = v.tensor();
      if (t.numel() != 1 || t.dim() != 0) return "<Tensor>";
      static const Op* item = OpTable::get().find("item");
      IValue arg = IValue::borrow(t), number;
      item->run(&arg, &number);
      return "{" +
             (number.is_double()
                  ? str(number.to_double()).ends_with(".0") ? str(int64_t(number.to_double())) : str(number.to_double())
                  : number.text()) +
             "}";
    }
    if (v.is_generic_list() && !v.list().items.empty() &&
        (v.list().items[0].is_string() || v.list().items[0].is_object())) {
      std::string out = "[";
      for (size_t i = 0; i < v.list().items.size(); i++) out += (i ? ", " : "") + value_text(v.list().items[i]);
      return out + "]";
    }
    if (v.is_object() && is_enum(v.to_object().type)) {
      const ClassType& c = *as_class(v.to_object().type);
      if (int slot = c.find_slot("name"); slot >= 0 && v.to_object().slots[size_t(slot)].is_string())
        return c.name() + "." + std::string(v.to_object().slots[size_t(slot)].to_string());
    }
    return v.text();
  }

  void nodes(const Block& b, int depth) {
    std::string indent(size_t(depth) * 2, ' ');
    for (Node* n : b) {
      out_ += indent;
      for (size_t i = 0; i < n->outputs().size(); i++) out_ += (i ? ", " : "") + typed(n->output(i));
      out_ += " = ";
      const bool member = n->is("prim::GetAttr") && is_enum(n->input()->type());
      out_ += !member ? n->kind() : n->attribute("name").to_string() == "name" ? "prim::EnumName" : "prim::EnumValue";
      std::string attributes;
      if (n->is("prim::isinstance")) attributes = "types=[" + type_name(tested_type(*n)) + "]";
      else
        for (const auto& [name, v] : n->attributes())
          if (!member && !v.is_capsule())  // what it holds has no text
            attributes += (attributes.empty() ? "" : ", ") + name + "=" + value_text(v);
      if (!attributes.empty()) out_ += "[" + attributes + "]";
      out_ += list(n->inputs());
      if (locations_ && !n->location.file.empty()) out_ += " # " + place(n->location);
      out_ += "\n";
      for (size_t i = 0; i < n->blocks().size(); i++) {
        const Block& inner = *n->blocks()[i];
        out_ += indent + str("  block", i, "(");
        for (size_t k = 0; k < inner.inputs().size(); k++) out_ += (k ? ", " : "") + typed(inner.inputs()[k]);
        out_ += "):\n";
        nodes(inner, depth + 2);
        out_ += indent + "    -> " + list(inner.outputs()) + "\n";
      }
    }
  }

  bool locations_;
  std::string out_;
  int next_ = 0;
  std::unordered_map<const Value*, std::string> names_;
};

}  // namespace

std::string Graph::text(bool locations) const { return Printer(*this, locations).graph(*top_); }
std::string Graph::name_of(const Value* v) const {
  return v->name().empty() ? Printer(*this, false).name_of(v) : v->name();
}

}  // namespace rushlight::graph
