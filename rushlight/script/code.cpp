// Graphs as TorchScript text: what archives hold, and what compiles back to the same graph.
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/script/module.h"

namespace rushlight::script {
namespace {

using graph::Block;
using graph::Node;
using graph::Value;
using TK = Type::Kind;

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else out += c;
  }
  return out + "\"";
}

std::string float_text(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return str(v);
}

class Writer {
 public:
  explicit Writer(std::vector<Tensor>& constants) : constants_(constants) {}

  std::string function(graph::Function& f, int indent) {
    depth_ = indent;
    const graph::Graph& g = *f.made();
    std::string head = "def " + f.name + "(";
    for (size_t i = 0; i < g.inputs().size(); i++) {
      Value* in = g.inputs()[i];
      const Argument& a = f.schema.args[i];
      names_[in] = a.name;
      used_.insert(a.name);
      std::string text = a.name + ": " + a.type->text();
      if (a.has_default) text += "=" + constant(a.default_value, a.type);
      head += (i ? std::string(",\n") + std::string(size_t(indent) * 2 + 4, ' ') : "") + text;
    }
    line(head + ") -> " + (g.outputs().empty() ? "NoneType" : g.outputs()[0]->type()->text()) + ":");
    depth_++;
    block(*g.block());
    line("return " + (g.outputs().empty() ? "None" : use(g.outputs()[0])));
    return std::move(out_);
  }

 private:
  void line(const std::string& s) { out_ += std::string(size_t(depth_) * 2, ' ') + s + "\n"; }

  std::string fresh(const Value* v) {
    std::string base = v->name().empty() ? "_" + std::to_string(next_++) : v->name();
    for (char& c : base)
      if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    if (std::isdigit(static_cast<unsigned char>(base[0]))) base = "_" + base;
    std::string name = base;
    for (int i = 0; !used_.insert(name).second || name == "torch" || name == "ops"; i++) name = str(base, "_", i);
    return names_[v] = name;
  }

  std::string constant(const IValue& v, const TypePtr& type) {
    if (v.is_none()) return "None";
    if (v.is_bool()) return v.to_bool() ? "True" : "False";
    if (v.is_int()) return str(v.to_int());
    if (v.is_double()) return float_text(v.to_double());
    if (v.is_complex()) return str("complex(", v.to_complex().real(), ", ", v.to_complex().imag(), ")");
    if (v.is_string()) return quoted(v.to_string());
    if (v.is_device()) return "torch.device(" + quoted(v.to_device().text()) + ")";
    if (v.is_tensor()) {
      constants_.push_back(v.tensor());
      return str("CONSTANTS.c", constants_.size() - 1);
    }
    if (v.is_int_list() || v.is_double_list()) {
      std::string out = "[";
      if (v.is_int_list())
        for (size_t i = 0; i < v.int_list().size(); i++) out += (i ? ", " : "") + str(v.int_list()[i]);
      else
        for (size_t i = 0; i < v.double_list().size(); i++) out += (i ? ", " : "") + float_text(v.double_list()[i]);
      out += "]";
      return v.is_int_list() && v.int_list().empty() ? "annotate(List[int], [])" : out;
    }
    throw RuntimeError(str("a constant of type ", type, " can't be written as TorchScript text"));
  }

  std::string use(const Value* v) {
    if (const IValue* c = graph::constant_of(v)) return constant(*c, v->type());
    return names_.at(v);
  }
  std::string list(const std::vector<Value*>& values, size_t from = 0) {
    std::string out;
    for (size_t i = from; i < values.size(); i++) out += (i > from ? ", " : "") + use(values[i]);
    return out;
  }
  std::string args_of(const Node* n) {
    const Schema* s = n->schema();
    std::string out;
    for (size_t i = 0; i < n->inputs().size(); i++) {
      if (i) out += ", ";
      if (s && s->args[i].kwarg_only) out += s->args[i].name + "=";
      // An optional that is None needs its type only where the overload hangs on it; PyTorch reads a plain None.
      out += use(n->input(i));
    }
    return out;
  }

  std::string expression(const Node* n) {
    const std::string& k = n->kind();
    static const std::unordered_map<std::string, const char*> infix = {
        {"aten::__is__", "is"}, {"aten::__isnot__", "is not"}, {"aten::__and__", "and"}, {"aten::__or__", "or"}};
    if (auto op = infix.find(k); op != infix.end()) {
      bool logical = n->input(0)->type()->is(TK::Bool) || k.starts_with("aten::__is");
      std::string text = op->second;
      if (!logical) text = k == "aten::__and__" ? "&" : "|";
      return "(" + use(n->input(0)) + ") " + text + " (" + use(n->input(1)) + ")";
    }
    if (k == "prim::ListConstruct") {
      if (n->inputs().empty() || n->output()->type()->element()->is(TK::Optional))
        return "annotate(" + n->output()->type()->text() + ", [" + list(n->inputs()) + "])";
      return "[" + list(n->inputs()) + "]";
    }
    if (k == "prim::TupleConstruct") return "(" + list(n->inputs()) + (n->inputs().size() == 1 ? ",)" : ")");
    if (k == "prim::DictConstruct") {
      std::string out;
      for (size_t i = 0; i + 1 < n->inputs().size(); i += 2)
        out += (i ? ", " : "") + use(n->input(i)) + ": " + use(n->input(i + 1));
      return n->inputs().empty() ? "annotate(" + n->output()->type()->text() + ", {})" : "{" + out + "}";
    }
    if (k == "prim::TupleIndex") return "(" + use(n->input(0)) + ")[" + use(n->input(1)) + "]";
    if (k == "prim::GetAttr") {
      std::string name(n->attribute("name").to_string());
      bool number = !name.empty() && name[0] >= '0' && name[0] <= '9';  // of a Sequential's item
      return number ? "getattr(" + use(n->input()) + ", \"" + name + "\")" : use(n->input()) + "." + name;
    }
    if (k == "prim::unchecked_cast")
      return "unchecked_cast(" + n->output()->type()->text() + ", " + use(n->input()) + ")";
    if (k == "prim::Uninitialized") return "uninitialized(" + n->output()->type()->text() + ")";
    if (k == "aten::_unwrap_optional")
      return "unchecked_cast(" + n->output()->type()->text() + ", " + use(n->input()) + ")";
    if (k == "prim::isinstance")
      return "isinstance(" + use(n->input()) + ", " + parse_schema_type(n->attribute("type").to_string())->text() + ")";
    if (k == "prim::CallMethod")
      return use(n->input()) + "." + std::string(n->attribute("name").to_string()) + "(" + list(n->inputs(), 1) + ")";
    if (k == "prim::CreateObject") return n->output()->type()->text() + ".__new__(" + n->output()->type()->text() + ")";
    if (k == "aten::__getitem__") return "(" + use(n->input(0)) + ")[" + use(n->input(1)) + "]";
    if (k == "aten::Int" || k == "aten::Float" || k == "aten::Bool")
      return (k == "aten::Int" ? "int(" : k == "aten::Float" ? "float(" : "bool(") + use(n->input()) + ")";
    if (k == "aten::__not__") return "not (" + use(n->input()) + ")";
    if (k == "aten::str") return "str(" + use(n->input()) + ")";
    if (k == "aten::format") return "(" + use(n->input(0)) + ").format(" + list(n->inputs(), 1) + ")";
    if (k.starts_with("prim::")) return "ops.prim." + k.substr(6) + "(" + args_of(n) + ")";
    return "torch." + k.substr(6) + "(" + args_of(n) + ")";
  }

  void assign(const std::vector<Value*>& to, const std::vector<Value*>& from) {
    if (to.empty()) return;
    std::string left, right;
    for (size_t i = 0; i < to.size(); i++) {
      left += (i ? ", " : "") + names_.at(to[i]);
      right += (i ? ", " : "") + use(from[i]);
    }
    line(left + " = " + right);
  }

  void node(const Node* n) {
    const std::string& k = n->kind();
    if (k == "prim::Constant") return;
    if (k == "prim::If") {
      for (Value* v : n->outputs()) fresh(v);
      line("if " + use(n->input()) + ":");
      for (size_t b = 0; b < 2; b++) {
        if (b == 1) line("else:");
        depth_++;
        size_t before = out_.size();
        block(*n->blocks()[b]);
        assign(n->outputs(), n->blocks()[b]->outputs());
        if (out_.size() == before) line("pass");
        depth_--;
      }
      return;
    }
    if (k == "prim::Loop") return loop(n);
    if (k == "prim::SetAttr")
      return line(use(n->input(0)) + "." + std::string(n->attribute("name").to_string()) + " = " + use(n->input(1)));
    if (k == "prim::RaiseException") return line("ops.prim.RaiseException(" + use(n->input()) + ")");
    if (k == "prim::Print") return line("print(" + list(n->inputs()) + ")");
    if (k == "prim::TupleUnpack" || k == "prim::ListUnpack") {
      std::string left;
      for (Value* v : n->outputs()) left += fresh(v) + ", ";
      return line(left + "= " + use(n->input()));
    }
    std::string text = expression(n);
    if (n->outputs().empty()) return line(text);
    std::string left;
    for (size_t i = 0; i < n->outputs().size(); i++) left += (i ? ", " : "") + fresh(n->output(i));
    line(left + " = " + text);
  }

  static bool is_true(const Value* v) {
    const IValue* c = graph::constant_of(v);
    return c && c->is_bool() && c->to_bool();
  }

  void loop(const Node* n) {
    const Block& body = *n->blocks()[0];
    std::vector<Value*> start(n->inputs().begin() + 2, n->inputs().end()),
        next(body.outputs().begin() + 1, body.outputs().end());
    for (size_t i = 0; i < n->outputs().size(); i++) names_[body.inputs()[i + 1]] = fresh(n->output(i));
    assign(n->outputs(), start);
    bool plain_for = is_true(n->input(1)) && is_true(body.outputs()[0]);
    std::string index = fresh(body.inputs()[0]);
    if (plain_for) {
      line("for " + index + " in range(" + use(n->input(0)) + "):");
      depth_++;
      block(body);
      assign(n->outputs(), next);
      if (next.empty()) line("pass");
      depth_--;
      return;
    }
    std::string go = "_go" + std::to_string(next_++);
    std::string most = use(n->input(0));
    line(index + " = -1");
    line(go + " = (" + use(n->input(1)) + ") and (torch.gt(" + most + ", 0))");
    line("while " + go + ":");
    depth_++;
    line(index + " = torch.add(" + index + ", 1)");
    block(body);
    std::string condition = use(body.outputs()[0]);
    assign(n->outputs(), next);
    line(go + " = (" + condition + ") and (torch.lt(torch.add(" + index + ", 1), " + most + "))");
    depth_--;
  }

  void block(const Block& b) {
    for (Node* n : b) node(n);
  }

  std::vector<Tensor>& constants_;
  std::string out_;
  int depth_ = 0, next_ = 0;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_set<std::string> used_;
};

}  // namespace

std::string function_code(graph::Function& f, std::vector<Tensor>& constants, int indent) {
  return Writer(constants).function(f, indent);
}

}  // namespace rushlight::script
