// What is asked of syntax trees before they are lowered.
#include "rushlight/script/syntax.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace rushlight::script {

using SK = Stmt::Kind;
using EK = Expr::Kind;

bool has_exit(const StmtPtr& s, bool in_loop) {
  switch (s->kind) {
    case SK::Return: return true;
    case SK::Break:
    case SK::Continue: return !in_loop;
    case SK::If: return has_exit(s->body, in_loop) || has_exit(s->orelse, in_loop);
    case SK::For:
    case SK::While: return has_exit(s->body, true);
    case SK::With: return has_exit(s->body, in_loop);
    default: return false;
  }
}
bool has_exit(const std::vector<StmtPtr>& body, bool in_loop) {
  for (const StmtPtr& s : body)
    if (has_exit(s, in_loop)) return true;
  return false;
}

bool is_open(const Expr& e) {
  static const std::set<std::string> names = {"Any",  "Callable", "Module",   "tuple",
                                              "list", "dict",     "Iterable", "Sequence"};
  auto none = [](const Expr& x) { return x.kind == EK::None; };
  switch (e.kind) {
    case EK::Name:
    case EK::Attribute: return names.contains(e.text);
    case EK::Subscript: {
      if (is_open(*e.items[0]) && e.items[0]->text == "Callable") return true;
      const auto& parts =
          e.items[1]->kind == EK::Tuple ? e.items[1]->items : std::vector<ExprPtr>(e.items.begin() + 1, e.items.end());
      for (const ExprPtr& i : parts)
        if (i && is_open(*i)) return true;
      return e.items[0]->text == "Union" &&
             std::count_if(parts.begin(), parts.end(), [&](const ExprPtr& i) { return !none(*i); }) > 1;
    }
    case EK::Binary: return is_open(*e.items[0]) || is_open(*e.items[1]) || (!none(*e.items[0]) && !none(*e.items[1]));
    default: return e.kind == EK::Ellipsis;
  }
}

bool asks_type(const Expr& e) {
  return e.kind == EK::Call && e.items.size() == 3 && e.items[0]->text == "isinstance" &&
         (e.items[0]->kind == EK::Name || e.items[0]->kind == EK::Attribute);
}

bool is_builtin_error(const std::string& name) {
  static constexpr std::string_view all =
      " "
      "ArithmeticError AssertionError AttributeError BaseException BlockingIOError BrokenPipeError BufferError "
      "BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError "
      "ConnectionResetError DeprecationWarning EOFError EnvironmentError Exception FileExistsError FileNotFoundError "
      "FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError "
      "InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError "
      "NameError NotADirectoryError NotImplementedError OSError OverflowError PendingDeprecationWarning "
      "PermissionError ProcessLookupError RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning "
      "StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError "
      "TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError "
      "UnicodeWarning UserWarning ValueError Warning ZeroDivisionError ";
  return name.find(' ') == std::string::npos && all.find(" " + name + " ") != std::string_view::npos;
}

}  // namespace rushlight::script
