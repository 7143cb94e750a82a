#include "rushlight/script/parser.h"

#include <array>

#include "rushlight/core/error.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/script/lexer.h"

namespace rushlight::script {
namespace {

using EK = Expr::Kind;
using SK = Stmt::Kind;
using TK = Token::Kind;

// Deeper nesting than any program has; a hostile archive must not overflow the stack.
constexpr int kMaxDepth = 200;

struct Level { std::vector<const char*> ops; };
// Binary operators from loosest to tightest, below comparisons.
const std::array<Level, 6>& levels() {
  static const std::array<Level, 6> all = {
      {{{"|"}}, {{"^"}}, {{"&"}}, {{"<<", ">>"}}, {{"+", "-"}}, {{"*", "/", "//", "%", "@"}}}};
  return all;
}

class Parser {
 public:
  explicit Parser(const std::shared_ptr<const Source>& source)
      : source_(source), tokens_(tokenize(source, &comments_)) {}

  std::vector<StmtPtr> module() {
    std::vector<StmtPtr> out;
    while (peek().kind != TK::End) statement(out);
    return out;
  }
  ExprPtr only_expression() {
    ExprPtr e = tuple_or_expr();
    take_newlines();
    if (peek().kind != TK::End) fail(peek().range, "expected the end of the expression here");
    return e;
  }

 private:
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool take_op(const char* t) { return peek().is_op(t) && (take(), true); }
  bool take_keyword(const char* t) { return peek().is_keyword(t) && (take(), true); }
  void take_newlines() {
    while (peek().kind == TK::Newline) take();
  }
  void expect_op(const char* t) {
    if (!take_op(t)) fail(peek().range, str("expected ", t, " but found '", shown(), "' here"));
  }
  std::string shown() const {
    const Token& t = peek();
    return t.kind == TK::Newline ? "newline" : t.kind == TK::End ? "eof" : t.text;
  }
  void expect_keyword(const char* t) {
    if (!take_keyword(t)) fail(peek().range, str("expected '", t, "' here"));
  }
  std::string expect_name() {
    if (peek().kind != TK::Name) fail(peek().range, "expected a name here");
    return take().text;
  }
  void expect_newline() {
    if (take_op(";")) return;
    if (peek().kind != TK::Newline && peek().kind != TK::End) fail(peek().range, "expected the end of the line here");
    if (peek().kind == TK::Newline) take();
  }
  Range from(const Range& start) const {
    size_t last = at_ ? tokens_[at_ - 1].range.end : start.end;
    return {source_, start.begin, std::max(last, start.end)};
  }
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++p.depth_ > kMaxDepth) fail(p.peek().range, str("nested more than ", kMaxDepth, " deep"));
    }
    ~Deeper() { parser.depth_--; }
    Parser& parser;
  };

  ExprPtr make(EK kind, Range range, std::string text = {}, std::vector<ExprPtr> items = {}) {
    auto e = std::make_shared<Expr>();
    e->kind = kind;
    e->range = std::move(range);
    e->text = std::move(text);
    e->items = std::move(items);
    constexpr int kMaxHeight = 1000;  // a long sum is as high as it is long
    for (const ExprPtr& i : e->items)
      if (i) e->height = std::max(e->height, i->height + 1);
    if (e->height > kMaxHeight) fail(e->range, str("an expression of more than ", kMaxHeight, " levels"));
    return e;
  }
  // The type comment between two places, as an expression; null if there is none. Signatures only, or none of them.
  const TypeComment* type_comment(size_t begin, size_t end, bool signature) const {
    for (const TypeComment& c : comments_)
      if (c.begin >= begin && c.begin < end && (c.text.find("->") != std::string::npos) == signature) return &c;
    return nullptr;
  }
  ExprPtr type_in(const TypeComment& c, const std::string& text) const {
    int line = Range{source_, c.begin, c.begin}.line();
    return parse_expression(std::make_shared<Source>(Source{text, source_->file, line}));
  }
  ExprPtr type_between(size_t begin, size_t end) const {
    const TypeComment* c = type_comment(begin, end, false);
    return c ? type_in(*c, c->text) : nullptr;
  }
  // def f(x, y):  # type: (int, Tensor) -> int, the result of which may be left out. A method's leaves out self; (...) says of the result only.
  void apply_signature(Stmt& def, const TypeComment& c) const {
    size_t arrow = c.text.rfind("->"), last = c.text.rfind(')', arrow);
    const bool result = arrow != std::string::npos;
    if (c.text[0] != '(' || last == std::string::npos)
      fail(def.range, "a type comment is '# type: (int, Tensor) -> int'");
    ExprPtr types = type_in(c, c.text.substr(0, last) + (c.text.find_first_not_of(" ", 1) == last ? ")" : ",)"));
    if (result) def.annotation = type_in(c, c.text.substr(arrow + 2));
    if (types->items.size() == 1 && types->items[0]->kind == EK::Ellipsis) return;
    size_t self = types->items.size() + 1 == def.params.size();
    if (types->items.size() + self != def.params.size())
      fail(def.range, str("Number of type annotations (", types->items.size(),
                          ") did not match the number of function parameters (", def.params.size(), "): ", c.text));
    for (size_t i = self; i < def.params.size(); i++)
      if (!def.params[i].annotation) def.params[i].annotation = types->items[i - self];
  }

  std::shared_ptr<Stmt> make_stmt(SK kind, const Range& start) {
    auto s = std::make_shared<Stmt>();
    s->kind = kind;
    s->range = from(start);
    return s;
  }

  // ---- statements ----

  std::vector<StmtPtr> block() {
    Deeper guard(*this);
    expect_op(":");
    std::vector<StmtPtr> out;
    if (peek().kind != TK::Newline) {  // on the same line
      do simple(out);
      while (tokens_[at_ - 1].is_op(";") && peek().kind != TK::Newline);
      return out;
    }
    take_newlines();
    if (peek().kind != TK::Indent) fail(peek().range, "expected an indented block here");
    take();
    while (peek().kind != TK::Dedent && peek().kind != TK::End) statement(out);
    if (peek().kind == TK::Dedent) take();
    return out;
  }

  void statement(std::vector<StmtPtr>& out) {
    Deeper guard(*this);
    const Token& t = peek();
    Range start = t.range;
    if (t.kind == TK::Newline) {
      take();
    } else if (t.is_op("@") || t.is_keyword("def") || t.is_keyword("class")) {
      std::vector<ExprPtr> decorators;
      while (take_op("@")) {
        decorators.push_back(expr());
        take_newlines();
      }
      auto s = peek().is_keyword("class") ? class_def() : function_def();
      s->decorators = std::move(decorators);
      out.push_back(s);
    } else if (t.is_keyword("if")) {
      take();
      out.push_back(if_rest(start));
    } else if (t.is_keyword("while")) {
      take();
      auto s = make_stmt(SK::While, start);
      s->value = expr();
      s->body = loop_body();
      s->range = start;
      no_else("while");
      out.push_back(s);
    } else if (t.is_keyword("for")) {
      take();
      auto s = make_stmt(SK::For, start);
      s->targets.push_back(target_list());
      expect_keyword("in");
      s->value = tuple_or_expr();
      s->body = loop_body();
      s->range = start;
      no_else("for");
      out.push_back(s);
    } else if (t.is_keyword("with")) {
      take();
      auto s = make_stmt(SK::With, start);
      do {
        s->targets.push_back(expr());
        s->targets.push_back(take_keyword("as") ? expr() : nullptr);
      } while (take_op(","));
      s->body = block();
      out.push_back(s);
    } else if (t.is_keyword("import") &&
               peek(1).is(TK::Name, "__torch__")) {  // archives of 1.2 and 1.3 have the lines; the names do without
      while (peek().kind != TK::Newline && peek().kind != TK::End) take();
    } else if (t.is_keyword("try") || t.is_keyword("import") || t.is_keyword("from") || t.is_keyword("global") ||
               t.is_keyword("nonlocal") || t.is_keyword("yield") || t.is_keyword("async") || t.is_keyword("await")) {
      fail(start, str("'", t.text, "' is not supported in TorchScript"));
    } else {
      simple(out);
    }
  }

  std::vector<StmtPtr> loop_body() {
    Scoped<int> inside(loops_, loops_ + 1);
    return block();
  }

  void no_else(const char* loop) {
    if (peek().is_keyword("else")) fail(peek().range, str("else branches of ", loop, " loops aren't supported"));
  }

  StmtPtr if_rest(const Range& start) {
    Deeper guard(*this);
    auto s = make_stmt(SK::If, start);
    s->value = expr();
    s->body = block();
    Range next = peek().range;
    if (take_keyword("elif")) s->orelse.push_back(if_rest(next));
    else if (take_keyword("else")) s->orelse = block();
    return s;
  }

  void simple(std::vector<StmtPtr>& out) {
    Range start = peek().range;
    if (take_keyword("pass")) {
      out.push_back(make_stmt(SK::Pass, start));
    } else if (peek().is_keyword("break") || peek().is_keyword("continue")) {
      const Token& t = take();
      if (!loops_) fail(start, str("SyntaxError: '", t.text, "' outside of a loop"));
      out.push_back(make_stmt(t.text == "break" ? SK::Break : SK::Continue, start));
    } else if (take_keyword("return")) {
      ExprPtr value = ends_here() ? nullptr : tuple_or_expr();
      auto s = make_stmt(SK::Return, start);
      s->value = value;
      out.push_back(s);
    } else if (take_keyword("raise")) {
      ExprPtr value = ends_here() ? nullptr : expr();
      if (take_keyword("from")) expr();
      auto s = make_stmt(SK::Raise, start);
      s->value = value;
      out.push_back(s);
    } else if (take_keyword("assert")) {
      ExprPtr value = expr(), message = take_op(",") ? expr() : nullptr;
      auto s = make_stmt(SK::Assert, start);
      s->value = value;
      s->message = message;
      out.push_back(s);
    } else if (take_keyword("del")) {
      auto s = make_stmt(SK::Delete, start);
      do s->targets.push_back(expr());
      while (take_op(","));
      out.push_back(s);
    } else {
      out.push_back(expression_statement(start));
    }
    expect_newline();
  }
  bool ends_here() const { return peek().kind == TK::Newline || peek().kind == TK::End || peek().is_op(";"); }

  StmtPtr expression_statement(const Range& start) {
    ExprPtr first = tuple_or_expr();
    if (take_op(":")) {
      ExprPtr annotation = expr();
      ExprPtr value = take_op("=") ? tuple_or_expr() : nullptr;
      auto s = make_stmt(SK::Assign, start);
      s->targets = {first};
      s->annotation = annotation;
      s->value = value;
      return s;
    }
    const Token& t = peek();
    if (t.kind == TK::Operator && t.text.size() >= 2 && t.text.back() == '=' && t.text != "==" && t.text != "!=" &&
        t.text != "<=" && t.text != ">=" && t.text != ":=") {
      std::string op = take().text;
      op.pop_back();
      ExprPtr value = tuple_or_expr();
      auto s = make_stmt(SK::AugAssign, start);
      s->text = op;
      s->targets = {first};
      s->value = value;
      return s;
    }
    if (!t.is_op("=")) {
      auto s = make_stmt(SK::Expression, start);
      s->value = first;
      return s;
    }
    std::vector<ExprPtr> parts = {first};
    while (take_op("=")) parts.push_back(tuple_or_expr());
    auto s = make_stmt(SK::Assign, start);
    s->value = parts.back();
    parts.pop_back();
    s->targets = std::move(parts);
    if (s->targets.size() == 1 && s->targets[0]->kind != EK::Tuple)
      s->annotation = type_between(tokens_[at_ - 1].range.end, peek().range.begin + 1);
    return s;
  }

  std::shared_ptr<Stmt> function_def() {
    Range start = peek().range;
    expect_keyword("def");
    auto s = std::make_shared<Stmt>();
    s->kind = SK::Def;
    s->text = expect_name();
    expect_op("(");
    bool kwarg_only = false;
    while (!peek().is_op(")")) {
      if (take_op("*")) {
        if (!peek().is_op(","))
          fail(peek().range, "functions with a variable number of arguments (*args) are not supported in TorchScript");
        kwarg_only = true;
      } else if (peek().is_op("**")) {
        fail(peek().range,
             "Compiled functions can't take variable number of arguments (**kwargs) or use keyword-only arguments with "
             "defaults");
      } else {
        Param p;
        p.range = peek().range;
        p.name = expect_name();
        p.kwarg_only = kwarg_only;
        if (take_op(":")) p.annotation = expr();
        if (take_op("=")) p.default_value = expr();
        bool more = take_op(",");
        if (!p.annotation) p.annotation = type_between(p.range.begin, peek().range.begin);
        s->params.push_back(std::move(p));
        if (!more) break;
        continue;
      }
      if (!take_op(",")) break;
    }
    expect_op(")");
    if (take_op("->")) s->annotation = expr();
    s->range = from(start);
    Scoped<int> outside(loops_, 0);
    s->body = block();
    size_t end = s->body.empty() ? s->range.end : s->body[0]->range.begin;
    if (const TypeComment* c = type_comment(s->range.end, end, true)) apply_signature(*s, *c);
    else if (c = type_comment(s->range.end, end, false); c && c->text[0] == '(') apply_signature(*s, *c);
    drop_doc(*s);
    return s;
  }

  std::shared_ptr<Stmt> class_def() {
    Range start = peek().range;
    expect_keyword("class");
    auto s = std::make_shared<Stmt>();
    s->kind = SK::Class;
    s->text = expect_name();
    if (take_op("(")) {
      while (!peek().is_op(")")) {
        s->targets.push_back(expr());
        if (!take_op(",")) break;
      }
      expect_op(")");
    }
    s->range = from(start);
    s->body = block();
    drop_doc(*s);
    return s;
  }
  static void drop_doc(Stmt& s) {
    if (s.body.empty() || s.body[0]->kind != SK::Expression || s.body[0]->value->kind != EK::String) return;
    s.doc = s.body[0]->value->text;
    s.body.erase(s.body.begin());
  }

  // ---- expressions ----

  ExprPtr tuple_or_expr() {
    Range start = peek().range;
    ExprPtr first = star_or_expr();
    if (!peek().is_op(",")) return first;
    std::vector<ExprPtr> items = {first};
    while (take_op(",")) {
      if (ends_here() || peek().is_op("=") || peek().is_op(")") || peek().is_op("]") || peek().is_op(":")) break;
      items.push_back(star_or_expr());
    }
    return make(EK::Tuple, from(start), {}, std::move(items));
  }
  ExprPtr star_or_expr() {
    Range start = peek().range;
    if (!take_op("*")) return expr();
    ExprPtr e = binary(0);
    return make(EK::Star, from(start), {}, {e});
  }
  // Targets of `for`: no comparisons, so that `in` ends them.
  ExprPtr target_list() {
    Range start = peek().range;
    ExprPtr first = binary(0);
    if (!peek().is_op(",")) return first;
    std::vector<ExprPtr> items = {first};
    while (take_op(",") && !peek().is_keyword("in")) items.push_back(binary(0));
    return make(EK::Tuple, from(start), {}, std::move(items));
  }

  ExprPtr expr() {
    Deeper guard(*this);
    Range start = peek().range;
    if (peek().is_keyword("lambda"))
      fail(start, "lambda functions are not supported in TorchScript; define it with def");
    ExprPtr e = or_expr();
    if (peek().is_op(":=")) fail(peek().range, "assignment expressions are not supported in TorchScript");
    if (!take_keyword("if")) return e;
    ExprPtr condition = or_expr();
    expect_keyword("else");
    ExprPtr other = expr();
    return make(EK::Conditional, from(start), {}, {condition, e, other});
  }
  ExprPtr or_expr() {
    Range start = peek().range;
    ExprPtr e = and_expr();
    while (take_keyword("or")) {
      ExprPtr right = and_expr();
      e = make(EK::Or, from(start), "or", {e, right});
    }
    return e;
  }
  ExprPtr and_expr() {
    Range start = peek().range;
    ExprPtr e = not_expr();
    while (take_keyword("and")) {
      ExprPtr right = not_expr();
      e = make(EK::And, from(start), "and", {e, right});
    }
    return e;
  }
  ExprPtr not_expr() {
    Deeper guard(*this);
    Range start = peek().range;
    if (!take_keyword("not")) return comparison();
    ExprPtr e = not_expr();
    return make(EK::Unary, from(start), "not", {e});
  }
  std::string comparison_op() {
    for (const char* op : {"<", ">", "==", ">=", "<=", "!="})
      if (take_op(op)) return op;
    if (take_keyword("in")) return "in";
    if (peek().is_keyword("not") && peek(1).is_keyword("in")) return take(), take(), "not in";
    if (take_keyword("is")) return take_keyword("not") ? "is not" : "is";
    return {};
  }
  // a < b < c means a < b and b < c, with b evaluated once.
  ExprPtr comparison() {
    Range start = peek().range;
    std::vector<ExprPtr> items = {binary(0)};
    std::vector<std::pair<std::string, ExprPtr>> ops;
    for (;;) {
      std::string op = comparison_op();
      if (op.empty()) break;
      ops.emplace_back(op, nullptr);
      items.push_back(binary(0));
    }
    if (ops.empty()) return items[0];
    if (ops.size() == 1) return make(EK::Binary, from(start), ops[0].first, std::move(items));
    auto e = std::make_shared<Expr>(*make(EK::Chain, from(start), {}, std::move(items)));
    e->keywords = std::move(ops);
    return e;
  }
  ExprPtr binary(size_t level) {
    if (level == levels().size()) return unary();
    Range start = peek().range;
    ExprPtr e = binary(level + 1);
    for (;;) {
      const char* found = nullptr;
      for (const char* op : levels()[level].ops)
        if (peek().is_op(op)) found = op;
      if (!found) return e;
      take();
      ExprPtr right = binary(level + 1);
      e = make(EK::Binary, from(start), found, {e, right});
    }
  }
  ExprPtr unary() {
    Deeper guard(*this);
    Range start = peek().range;
    for (const char* op : {"-", "+", "~"})
      if (take_op(op)) {
        ExprPtr e = unary();
        return make(EK::Unary, from(start), op, {e});
      }
    ExprPtr base = postfix();
    if (!take_op("**")) return base;
    ExprPtr exponent = unary();
    return make(EK::Binary, from(start), "**", {base, exponent});
  }

  ExprPtr postfix() {
    Range start = peek().range;
    ExprPtr e = atom();
    for (;;) {
      if (take_op(".")) {
        std::string name = peek().kind == TK::Keyword ? take().text : expect_name();
        e = make(EK::Attribute, from(start), name, {e});
      } else if (take_op("(")) {
        e = call(start, e);
      } else if (take_op("[")) {
        std::vector<ExprPtr> items = {e};
        do {
          if (peek().is_op("]")) break;
          items.push_back(subscript());
        } while (take_op(","));
        if (items.size() == 1) fail(peek().range, "an index is expected inside of the brackets");
        expect_op("]");
        bool tuple = tokens_[at_ - 2].is_op(",");
        e = make(EK::Subscript, from(start), tuple ? "," : "", std::move(items));
      } else {
        return e;
      }
    }
  }
  ExprPtr call(const Range& start, const ExprPtr& callee) {
    auto e = std::make_shared<Expr>();
    e->kind = EK::Call;
    e->items.push_back(callee);
    while (!peek().is_op(")")) {
      if (peek().is_op("**"))
        fail(peek().range, "keyword-arg expansion is not supported: give each argument by its name");
      if (peek().kind == TK::Name && peek(1).is_op("=")) {
        std::string name = take().text;
        take();
        e->keywords.emplace_back(name, expr());
      } else {
        ExprPtr item = star_or_expr();
        if (peek().is_keyword("for")) item = comprehension(item, nullptr, item->range);
        e->items.push_back(item);
      }
      if (!take_op(",")) break;
    }
    expect_op(")");
    e->range = from(start);
    return e;
  }
  ExprPtr subscript() {
    Range start = peek().range;
    ExprPtr parts[3];
    if (!peek().is_op(":")) {
      ExprPtr only = star_or_expr();
      if (!peek().is_op(":")) return only;
      parts[0] = only;
    }
    expect_op(":");
    auto ends = [&] { return peek().is_op("]") || peek().is_op(",") || peek().is_op(":"); };
    if (!ends()) parts[1] = expr();
    if (take_op(":") && !ends()) parts[2] = expr();
    return make(EK::Slice, from(start), {}, {parts[0], parts[1], parts[2]});
  }
  // After `element` (or `key: value`): for target in iterable [if condition]...
  ExprPtr comprehension(const ExprPtr& element, const ExprPtr& value, const Range& start) {
    expect_keyword("for");
    std::vector<ExprPtr> items = {element};
    if (value) items.push_back(value);
    items.push_back(target_list());
    expect_keyword("in");
    items.push_back(or_expr());
    while (take_keyword("if")) items.push_back(or_expr());
    if (peek().is_keyword("for"))
      fail(peek().range, "comprehensions with several `for` are not supported in TorchScript");
    return make(value ? EK::DictComp : EK::ListComp, from(start), {}, std::move(items));
  }

  ExprPtr atom() {
    Deeper guard(*this);
    const Token& t = peek();
    Range start = t.range;
    switch (t.kind) {
      case TK::Name: take(); return make(t.text == "Ellipsis" ? EK::Ellipsis : EK::Name, start, t.text);
      case TK::Int: take(); return make(EK::Int, start, t.text);
      case TK::Float: take(); return make(EK::Float, start, t.text);
      case TK::Imaginary: take(); return make(EK::Imaginary, start, t.text);
      case TK::String:
      case TK::FString: return text_literal();
      default: break;
    }
    if (take_keyword("True")) return make(EK::True, start);
    if (take_keyword("False")) return make(EK::False, start);
    if (take_keyword("None")) return make(EK::None, start);
    if (take_op("...")) return make(EK::Ellipsis, start);
    if (take_op("(")) {
      if (take_op(")")) return make(EK::Tuple, from(start));
      ExprPtr e = tuple_or_expr();
      if (peek().is_keyword("for")) fail(peek().range, "generator expressions are not supported in TorchScript");
      expect_op(")");
      return e;
    }
    if (take_op("[")) {
      std::vector<ExprPtr> items;
      while (!peek().is_op("]")) {
        items.push_back(star_or_expr());
        if (items.size() == 1 && peek().is_keyword("for")) {
          ExprPtr e = comprehension(items[0], nullptr, start);
          expect_op("]");
          return e;
        }
        if (!take_op(",")) break;
      }
      expect_op("]");
      return make(EK::List, from(start), {}, std::move(items));
    }
    if (take_op("{")) {
      std::vector<ExprPtr> items;
      while (!peek().is_op("}")) {
        if (peek().is_op("**")) fail(peek().range, "Dict expansion (`**`) is not supported: give each key and value");
        ExprPtr key = expr();
        if (!peek().is_op(":")) fail(key->range, "sets are not supported in TorchScript");
        take();
        ExprPtr value = expr();
        if (items.empty() && peek().is_keyword("for")) {
          ExprPtr e = comprehension(key, value, start);
          expect_op("}");
          return e;
        }
        items.push_back(key);
        items.push_back(value);
        if (!take_op(",")) break;
      }
      expect_op("}");
      return make(EK::Dict, from(start), {}, std::move(items));
    }
    if (t.is_keyword("yield") || t.is_keyword("await") || t.is_keyword("lambda"))
      fail(start, str("'", t.text, "' is not supported in TorchScript"));
    if (peek().is_op("*"))
      fail(start,
           "A Starred expression may only appear on the lhs within the presence of another non-starred expression");
    fail(start, "expected an expression here");
  }

  // Neighbours join, f-strings among them.
  ExprPtr text_literal() {
    Range start = peek().range;
    auto all = std::make_shared<Expr>();
    all->kind = EK::FString;
    bool formatted = false;
    std::string literal;
    auto flush = [&] {
      if (literal.empty()) return;
      all->items.push_back(make(EK::String, start, literal));
      all->keywords.emplace_back();
      literal.clear();
    };
    while (peek().kind == TK::String || peek().kind == TK::FString) {
      const Token& t = take();
      if (t.kind == TK::String) {
        literal += t.text;
        continue;
      }
      formatted = true;
      for (size_t i = 0; i < t.text.size(); i++) {
        char c = t.text[i];
        if ((c == '{' || c == '}') && i + 1 < t.text.size() && t.text[i + 1] == c) {
          literal += c;
          i++;
        } else if (c == '{') {
          field(t, i, literal, flush, *all);
        } else if (c == '}') {
          fail(t.range, "f-string: single '}' is not allowed");
        } else {
          literal += c;
        }
      }
    }
    if (!formatted) return make(EK::String, from(start), literal);
    flush();
    all->range = from(start);
    for (const ExprPtr& i : all->items) all->height = std::max(all->height, i->height + 1);
    return all;
  }
  // {expression[=][!conversion][:specification]}; i is at the brace, and then at the closing one.
  template <class Flush>
  void field(const Token& t, size_t& i, std::string& literal, const Flush& flush, Expr& all) {
    const std::string& s = t.text;
    size_t begin = i + 1, end = begin;
    int depth = 0;
    for (char quote = 0; end < s.size(); end++) {
      char c = s[end];
      if (quote) {
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '(' || c == '[' || c == '{') {
        depth++;
      } else if (c == ')' || c == ']' || (c == '}' && depth)) {
        depth--;
      } else if (!depth && (c == '}' || c == ':' || (c == '!' && s.substr(end, 2) != "!="))) {
        break;
      }
    }
    size_t close = s.find('}', end);
    if (close == std::string::npos) fail(t.range, "this f-string has a '{' that is never closed");
    std::string inner = s.substr(begin, end - begin), shown = s.substr(end, close - end);
    if (shown.find('{') != std::string::npos)
      fail(t.range, "fields in the format specification of an f-string are not supported in TorchScript");
    size_t last = inner.find_last_not_of(' ');
    bool named = last != std::string::npos && last > 0 && inner[last] == '=' &&
                 std::string_view("=!<>").find(inner[last - 1]) == std::string_view::npos;
    if (named) {
      literal += inner;
      inner.resize(last);
      if (shown.empty()) shown = "!r";
    }
    if (inner.find_first_not_of(" \t\n") == std::string::npos) fail(t.range, "f-string: empty expression not allowed");
    flush();
    all.items.push_back(
        parse_expression(std::make_shared<Source>(Source{"(" + inner + ")", source_->file, t.range.line()})));
    all.keywords.emplace_back(shown, nullptr);
    i = close;
  }

  std::shared_ptr<const Source> source_;
  std::vector<TypeComment> comments_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

std::vector<StmtPtr> parse_module(const std::shared_ptr<const Source>& source) { return Parser(source).module(); }
ExprPtr parse_expression(const std::shared_ptr<const Source>& source) { return Parser(source).only_expression(); }

}  // namespace rushlight::script
