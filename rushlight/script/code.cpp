// Graphs as TorchScript text: what archives hold, and what compiles back to the same graph.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/graph/walk.h"
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
    auto code = static_cast<unsigned char>(c);
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '"' || c == '\\') (out += '\\') += c;
    else if (code < ' ' || code == 0x7f) {
      out += '\\';
      for (int shift : {6, 3, 0}) out += char('0' + ((code >> shift) & 7));
    } else out += c;
  }
  return out + "\"";
}

// Names that mean something in text, so that no value may have them.
bool is_reserved(const std::string& name) {
  static const std::unordered_set<std::string> all = {"and",
                                                      "as",
                                                      "assert",
                                                      "async",
                                                      "await",
                                                      "break",
                                                      "class",
                                                      "continue",
                                                      "def",
                                                      "del",
                                                      "elif",
                                                      "else",
                                                      "except",
                                                      "exec",
                                                      "finally",
                                                      "for",
                                                      "from",
                                                      "global",
                                                      "if",
                                                      "import",
                                                      "in",
                                                      "is",
                                                      "lambda",
                                                      "nonlocal",
                                                      "not",
                                                      "or",
                                                      "pass",
                                                      "print",
                                                      "raise",
                                                      "return",
                                                      "try",
                                                      "while",
                                                      "with",
                                                      "yield",
                                                      "None",
                                                      "True",
                                                      "False",
                                                      "int",
                                                      "float",
                                                      "bool",
                                                      "str",
                                                      "list",
                                                      "dict",
                                                      "tuple",
                                                      "len",
                                                      "range",
                                                      "getattr",
                                                      "isinstance",
                                                      "inf",
                                                      "nan",
                                                      "infj",
                                                      "nanj",
                                                      "torch",
                                                      "ops",
                                                      "CONSTANTS",
                                                      "__torch__",
                                                      "annotate",
                                                      "unchecked_cast",
                                                      "uninitialized",
                                                      "complex",
                                                      "self"};
  return all.contains(name);
}

std::string float_text(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  return str(v);
}

class Writer {
 public:
  explicit Writer(TextOptions& options)
      : constants_(options.constants),
        type_text_(options.type_text),
        types_self_(options.types_self),
        marks_(options.marks) {}

  std::string function(graph::Function& f, int indent) {
    depth_ = indent;
    marks_ = {{0, ""}};
    std::shared_ptr<graph::Graph> whole = f.made();
    if (bool calls = false;
        graph::each_node(*whole->block(), [&](Node* n) { calls |= n->is("prim::CallFunction"); }), calls) {
      whole = whole->copy();  // an archive has no functions besides methods
      graph::inline_functions(*whole);
    }
    const graph::Graph& g = *whole;
    std::string head = "def " + f.name + "(";
    for (size_t i = 0; i < g.inputs().size(); i++) {
      Value* in = g.inputs()[i];
      const Argument& a = f.schema.args[i];
      names_[in] = a.name;
      used_.insert(a.name);
      const bool bare = !types_self_ && i == 0 && a.name == "self" && graph::as_class(a.type);
      std::string text = bare ? a.name : a.name + ": " + type_text_(a.type);
      if (a.has_default) text += "=" + constant(a.default_value);
      head += (i ? std::string(",\n") + std::string(size_t(indent) * 2 + 4, ' ') : "") + text;
    }
    line(head + ") -> " + (g.outputs().empty() ? "NoneType" : type_text_(g.outputs()[0]->type())) + ":");
    depth_++;
    find_inlined(*g.block());
    block(*g.block());
    settle_for(g.block()->ret());
    marks_.push_back({out_.size(), ""});
    line("return " + (g.outputs().empty() ? "None" : use(g.outputs()[0])));
    return std::move(out_);
  }

  std::string constant(const IValue& v) {
    if (v.is_none()) return "None";
    if (v.is_bool()) return v.to_bool() ? "True" : "False";
    if (v.is_int()) return str(v.to_int());
    if (v.is_double()) return float_text(v.to_double());
    if (v.is_complex()) return str("complex(", v.to_complex().real(), ", ", v.to_complex().imag(), ")");
    if (v.is_string()) return quoted(v.to_string());
    if (v.is_device()) return "torch.device(" + quoted(v.to_device().text()) + ")";
    if (v.is_tensor() || (v.is_object() && graph::is_of_native_class(*v.type()))) {
      constants_.push_back(v);
      return str("CONSTANTS.c", constants_.size() - 1);
    }
    if (v.is_any_list()) {
      std::string out;
      for (size_t i = 0; i < graph::list_size(v); i++) out += (i ? ", " : "") + constant(graph::list_get(v, i));
      return out.empty() || v.is_generic_list() ? "annotate(" + type_text_(v.type()) + ", [" + out + "])"
                                                : "[" + out + "]";
    }
    if (const graph::ClassType* c = v.is_object() ? graph::as_class(v.type()) : nullptr; c && c->is_enum)
      return type_text_(v.type()) + "." + std::string(v.to_object().slots[0].to_string());
    if (v.is_tuple()) {
      std::string out;
      for (const IValue& i : v.to_tuple().items) out += constant(i) + ", ";
      return "(" + out + ")";
    }
    throw RuntimeError(str("a constant of type ", v.type(), " can't be written as TorchScript text"));
  }

 private:
  // An expression that is written where it is used, not in a line of its own. Marks: from where in it which node's snippet holds.
  struct Piece {
    const Value* value;
    std::string text;
    std::vector<std::pair<size_t, std::string>> marks;
  };

  Piece piece_of(const Node* n) {
    Piece p{n->outputs().empty() ? nullptr : n->output(), expression(n), {{0, snippet_of(n)}}};
    for (auto& inside : marks_of_taken(p.text, p.marks[0].second))
      if (inside.first > 0)
        p.marks.push_back(std::move(inside));  // self.part of self.part(x): the call is what begins there
    return p;
  }

  void line(const std::string& s) {
    const size_t start = out_.size() + size_t(depth_) * 2;
    const std::string around = marks_.back().snippet;
    for (auto& [at, snippet] : marks_of_taken(s, around)) marks_.push_back({start + at, std::move(snippet)});
    out_ += std::string(size_t(depth_) * 2, ' ') + s + "\n";
  }
  // Where in the text the pieces that it took stand, and `around` again behind each.
  std::vector<std::pair<size_t, std::string>> marks_of_taken(const std::string& text, const std::string& around) {
    std::vector<std::pair<size_t, std::string>> out;
    size_t at = 0;
    for (Piece& p : taken_) {
      size_t found = text.find(p.text, at);
      if (found == std::string::npos) continue;
      for (auto& [offset, snippet] : p.marks) out.emplace_back(found + offset, std::move(snippet));
      at = found + p.text.size();
      out.emplace_back(at, around);
    }
    taken_.clear();
    return out;
  }
  // Lines for the first of what waits.
  void settle(size_t count) {
    std::vector<Piece> first(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(waiting_.begin() + int64_t(count)));
    waiting_.erase(waiting_.begin(), waiting_.begin() + int64_t(count));
    for (Piece& p : first) {
      marks_.push_back({out_.size() + size_t(depth_) * 2, p.marks[0].second});
      const std::string made = fresh(p.value) + " = " + p.text;
      taken_.push_back(std::move(p));
      line(made);
    }
  }
  // Before a line of the node's, in which only its inputs may stand: what else waits is computed first, and what comes before that.
  void settle_for(const Node* n) {
    auto is_input = [&](const Piece& p) {
      return std::find(n->inputs().begin(), n->inputs().end(), p.value) != n->inputs().end();
    };
    auto last = std::find_if_not(waiting_.rbegin(), waiting_.rend(), is_input);
    settle(size_t(last.base() - waiting_.begin()));
  }

  // Note [Expressions in expressions]: a value without a name that is used once, by what is computed next but for other such values, is
  // written where it is used: torch.add(torch.mul(x, 2), y). So nothing changes its place. `n` is the node whose inputs are looked at,
  // from the last to the first, and `before` the node that must be theirs. Gives the node before all that is written inside of n.
  const Node* find_inlined(const Node* n, const Node* before) {
    auto skip = [](const Node* at) {
      while (at && at->is("prim::Constant")) at = at->previous();
      return at;
    };
    before = skip(before);
    for (size_t i = n->inputs().size(); i-- > 0;) {
      const Node* maker = n->input(i)->node();
      if (maker != before || !goes_inside(*maker, *n, i)) continue;
      inlined_.insert(maker);
      before = find_inlined(maker, maker->previous());
    }
    return before;
  }
  static bool goes_inside(const Node& n, const Node& user, size_t input) {
    if (n.outputs().size() != 1 || !n.blocks().empty() || n.is("prim::Param")) return false;
    for (const char* statement : {"prim::Enter", "prim::TupleUnpack", "prim::ListUnpack"})
      if (n.is(statement)) return false;
    const Value& v = *n.output();
    if (!v.name().empty() || v.uses().size() != 1) return false;
    const Node* around = user.owner()->owner();
    if (user.owner()->ret() == &user) return !around || around->is("prim::If");
    // The text of a loop reads what it starts with twice; `and` and `or` may not compute both sides.
    for (const char* kind : {"prim::Loop", "prim::Enter", "prim::Exit", "aten::__and__", "aten::__or__"})
      if (user.is(kind)) return false;
    return !user.is("prim::SetAttr") || input == 1;
  }
  void find_inlined(const Block& b) {
    for (const Node* n = b.ret(); n && n != b.param();) {
      for (const Block* inner : n->blocks()) find_inlined(*inner);
      n = find_inlined(n, n->previous());
    }
  }

  std::string fresh(const Value* v) {
    std::string base = v->name().empty() ? "_" + std::to_string(next_++) : v->name();
    for (char& c : base)
      if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    if (std::isdigit(static_cast<unsigned char>(base[0]))) base = "_" + base;
    std::string name = base;
    for (int i = 0; is_reserved(name) || !used_.insert(name).second; i++) name = str(base, "_", i);
    return names_[v] = name;
  }

  std::string use(const Value* v) {
    if (const IValue* c = graph::constant_of(v)) return constant(*c);
    auto piece = std::find_if(waiting_.begin(), waiting_.end(), [&](const Piece& p) { return p.value == v; });
    if (piece == waiting_.end()) return names_.at(v);
    taken_.push_back(std::move(*piece));
    waiting_.erase(piece);
    return taken_.back().text;
  }
  std::string list(const std::vector<Value*>& values, size_t from = 0) {
    std::string out;
    for (size_t i = from; i < values.size(); i++) out += (i > from ? ", " : "") + use(values[i]);
    return out;
  }
  std::string args_of(const Node* n) {
    const Schema* s = n->schema();
    // What stands at the end and is the default is left out, as PyTorch does: archives load where an argument is not known yet.
    size_t count = n->inputs().size();
    const size_t outs = s && count && s->args.back().kwarg_only && s->args.back().is_mutated ? 1 : 0;
    auto is_default = [&](size_t i) {
      const IValue* given = graph::constant_of(n->input(i));
      return given && s->args[i].has_default && given->is_same(s->args[i].default_value);
    };
    while (s && count > outs && is_default(count - 1 - outs)) count--;
    std::string out;
    for (size_t i = 0; i < n->inputs().size(); i++) {
      if (i >= count - outs && i + outs < n->inputs().size()) continue;
      if (!out.empty()) out += ", ";
      if (s && s->args[i].kwarg_only) out += s->args[i].name + "=";
      // An optional that is None needs its type only where the overload hangs on it; PyTorch reads a plain None.
      out += use(n->input(i));
    }
    return out;
  }

  static bool is_hook(const Node* n) {
    const graph::ClassType* c = graph::as_class(n->input()->type());
    if (!c) return false;
    auto named = [&](const std::string& hook) { return n->attribute("name").to_string() == hook; };
    return std::any_of(c->pre_hooks.begin(), c->pre_hooks.end(), named) ||
           std::any_of(c->hooks.begin(), c->hooks.end(), named);
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
        return "annotate(" + type_text_(n->output()->type()) + ", [" + list(n->inputs()) + "])";
      return "[" + list(n->inputs()) + "]";
    }
    if (k == "prim::TupleConstruct" && !n->output()->type()->fields().empty())
      return type_text_(n->output()->type()) + "(" + list(n->inputs()) + ")";
    if (k == "prim::TupleConstruct") return "(" + list(n->inputs()) + (n->inputs().size() == 1 ? ",)" : ")");
    if (k == "prim::DictConstruct") {
      std::string out;
      for (size_t i = 0; i + 1 < n->inputs().size(); i += 2)
        out += (i ? ", " : "") + use(n->input(i)) + ": " + use(n->input(i + 1));
      const TypePtr& type = n->output()->type();
      bool plain = !n->inputs().empty();  // its items say of which type it is
      for (size_t i = 0; i < n->inputs().size(); i++) plain &= n->input(i)->type()->equals(*type->contained()[i % 2]);
      return plain ? "{" + out + "}" : "annotate(" + type_text_(type) + ", {" + out + "})";
    }
    if (k == "prim::TupleIndex") return "(" + use(n->input(0)) + ")[" + use(n->input(1)) + "]";
    if (k == "prim::GetAttr") {
      std::string name(n->attribute("name").to_string());
      bool odd = name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) || is_reserved(name);
      for (char c : name) odd |= c != '_' && !std::isalnum(static_cast<unsigned char>(c));
      return odd ? "getattr(" + use(n->input()) + ", \"" + name + "\")"
                 : use(n->input()) + "." + name;  // "0" of a list
    }
    if (k == "prim::unchecked_cast")
      return "unchecked_cast(" + type_text_(n->output()->type()) + ", " + use(n->input()) + ")";
    if (k == "prim::tolist")
      return "annotate(" + type_text_(n->output()->type()) + ", " + use(n->input()) + ".tolist())";
    if (k == "prim::Uninitialized") return "uninitialized(" + type_text_(n->output()->type()) + ")";
    if (k == "aten::_unwrap_optional")
      return "unchecked_cast(" + type_text_(n->output()->type()) + ", " + use(n->input()) + ")";
    if (k == "prim::ModuleContainerIndex")
      return "annotate(" + type_text_(n->output()->type()) + ", (" + use(n->input(0)) + ")[" + use(n->input(1)) + "])";
    if (k == "prim::isinstance")
      return "isinstance(" + use(n->input()) + ", " + type_text_(graph::tested_type(*n)) + ")";
    if (k == "prim::CallMethod" && is_hook(n))  // which PyTorch finds by its class alone
      return type_text_(n->input()->type()) + "." + std::string(n->attribute("name").to_string()) + "(" +
             list(n->inputs()) + ")";
    if (k == "prim::CallMethod")
      return use(n->input()) + "." + std::string(n->attribute("name").to_string()) + "(" + list(n->inputs(), 1) + ")";
    if (k == "prim::CreateObject")
      return type_text_(n->output()->type()) + ".__new__(" + type_text_(n->output()->type()) + ")";
    if (k == "aten::__getitem__") {
      const std::string of = use(n->input(0));
      const bool name = std::all_of(of.begin(), of.end(), [](char ch) { return std::isalnum(ch) || ch == '_'; });
      return (name ? of : "(" + of + ")") + "[" + use(n->input(1)) + "]";
    }
    if (k == "aten::Int" || k == "aten::Float" || k == "aten::Bool")
      return (k == "aten::Int" ? "int(" : k == "aten::Float" ? "float(" : "bool(") + use(n->input()) + ")";
    if (k == "prim::PythonOp")
      throw RuntimeError(str("Could not export Python function call '", n->attribute("name").to_string(),
                             "'. Remove calls to Python functions before export. Did you forget to add @script or "
                             "@script_method annotation? If this is a nn.ModuleList, add it to __constants__"));
    if (k == "aten::__not__") return "not (" + use(n->input()) + ")";
    if (k == "aten::str") return "str(" + use(n->input()) + ")";
    if (k == "aten::format") return "(" + use(n->input(0)) + ").format(" + list(n->inputs(), 1) + ")";
    if (k == "aten::percentFormat" && n->inputs().size() > 2)  // as PyTorch takes them: one tuple
      return "torch.percentFormat(" + use(n->input(0)) + ", (" + list(n->inputs(), 1) + "))";
    if (k == "aten::backward" || k == "aten::grad") return "torch.autograd." + k.substr(6) + "(" + args_of(n) + ")";
    if (k.starts_with("aten::")) return "torch." + k.substr(6) + "(" + args_of(n) + ")";
    size_t colon = k.find("::");
    return "ops." + k.substr(0, colon) + "." + k.substr(colon + 2) + "(" + args_of(n) + ")";
  }

  // `declares`: what may be of several types says so here.
  void assign(const std::vector<Value*>& to, const std::vector<Value*>& from, bool declares = false) {
    if (to.empty()) return;
    if (declares && std::any_of(to.begin(), to.end(), [](const Value* v) { return v->type()->is(TK::Union); })) {
      for (size_t i = 0; i < to.size(); i++)
        line(names_.at(to[i]) + (to[i]->type()->is(TK::Union) ? " : " + type_text_(to[i]->type()) : "") + " = " +
             use(from[i]));
      return;
    }
    std::string left, right;
    for (size_t i = 0; i < to.size(); i++) {
      left += (i ? ", " : "") + names_.at(to[i]);
      right += (i ? ", " : "") + use(from[i]);
    }
    line(left + " = " + right);
  }

  // What is written next stands for this node.
  static std::string snippet_of(const Node* n) {
    const graph::Location& l = n->location;
    std::string snippet = l.origins ? l.origins->snippet(l.at) : "";
    return snippet.empty() ? l.snippet : snippet;
  }
  void mark(const Node* n) {
    std::string snippet = snippet_of(n);
    if (snippet.empty() && (marks_.empty() || marks_.back().snippet.empty())) return;
    marks_.push_back({out_.size() + size_t(depth_) * 2, std::move(snippet)});
  }

  void node(const Node* n) {
    const std::string& k = n->kind();
    if (k == "prim::Constant") return;
    if (inlined_.contains(n)) {
      waiting_.push_back(piece_of(n));
      constexpr size_t kLong = 40;  // PyTorch's too
      if (waiting_.back().text.size() + size_t(depth_) * 2 >= kLong) settle(waiting_.size());
      return;
    }
    settle_for(n);
    mark(n);
    if (k == "prim::If") {
      for (Value* v : n->outputs()) fresh(v);
      line("if " + use(n->input()) + ":");
      for (size_t b = 0; b < 2; b++) {
        if (b == 1) line("else:");
        depth_++;
        size_t before = out_.size();
        block(*n->blocks()[b]);
        settle_for(n->blocks()[b]->ret());
        assign(n->outputs(), n->blocks()[b]->outputs(), b == 0);
        if (out_.size() == before) line("pass");
        depth_--;
      }
      return;
    }
    if (k == "prim::Loop") return loop(n);
    if (k == "prim::fork" || k == "prim::awaitable") {  // a function without arguments, which sees what is around it
      const std::string what = k.substr(6);
      std::string name = "__" + what + "ed_function";
      if (what == "awaitable") name = "__awaitable_function";
      while (!used_.insert(name).second) name += "_0";
      line("def " + name + "():");
      depth_++;
      block(*n->blocks()[0]);
      line("return " + use(n->blocks()[0]->outputs()[0]));
      depth_--;
      return line(fresh(n->output()) + " = " + what + "(" + name + ")");
    }
    if (k == "prim::SetAttr")
      return line(use(n->input(0)) + "." + std::string(n->attribute("name").to_string()) + " = " + use(n->input(1)));
    if (k == "prim::Enter") return enter(n);
    if (k == "prim::Exit") {
      auto opened = open_.find(n);
      if (opened == open_.end()) return line(use(n->input(0)) + ".__exit__(" + list(n->inputs(), 1) + ")");
      if (out_.size() == opened->second) line("pass");
      depth_--;
      return;
    }
    if (k == "prim::RaiseException") return line("ops.prim.RaiseException(" + list(n->inputs()) + ")");
    if (k == "prim::Print") return line("print(" + list(n->inputs()) + ")");
    if (k == "prim::TupleUnpack" || k == "prim::ListUnpack") {
      std::string left;
      for (Value* v : n->outputs()) left += fresh(v) + ", ";
      return line(left + "= " + use(n->input()));
    }
    Piece made = piece_of(n);
    std::string text;
    for (size_t i = 0; i < n->outputs().size(); i++) text += (i ? ", " : "") + fresh(n->output(i));
    text += (text.empty() ? "" : " = ") + made.text;
    taken_.push_back(std::move(made));
    line(text);
  }

  // A `with` statement, unless the body leaves it in several places: then the calls that it comes to.
  void enter(const Node* n) {
    const Node* exit = nullptr;
    int exits = 0;
    for (const graph::Use& u : n->input()->uses())
      if (u.user->is("prim::Exit")) exit = u.user, exits++;
    bool whole = false;  // asked without is_before(), which may number the nodes: others may read the graph now
    for (const Node* at = n->next(); exits == 1 && at; at = at->next()) whole |= at == exit;
    std::string object = use(n->input()), name = n->output()->has_uses() || !whole ? fresh(n->output()) : "";
    if (!whole) return line(name + " = " + object + ".__enter__()");
    line("with " + object + (name.empty() ? "" : " as " + name) + ":");
    depth_++;
    open_[exit] = out_.size();
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

  std::vector<IValue>& constants_;
  const std::function<std::string(const TypePtr&)>& type_text_;
  const bool types_self_;
  std::vector<Mark>& marks_;
  std::string out_;
  int depth_ = 0, next_ = 0;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_set<const Node*> inlined_;
  std::vector<Piece> waiting_,
      taken_;  // expressions to be used, in the order in which they are computed; and those that were
  std::unordered_map<const Node*, size_t>
      open_;  // the ends of `with` statements being written, and where their bodies began
  std::unordered_set<std::string> used_;
};

}  // namespace

std::string function_code(graph::Function& f, TextOptions& options, int indent) {
  return Writer(options).function(f, indent);
}

std::string constant_code(const IValue& v, TextOptions& options) { return Writer(options).constant(v); }

}  // namespace rushlight::script
