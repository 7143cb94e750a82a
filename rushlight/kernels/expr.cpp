#include "rushlight/kernels/expr.h"

#include <cctype>

namespace rushlight {

Expr::Expr(std::string op, std::vector<Expr> args) {
  auto node = std::make_shared<Node>();
  node->op = std::move(op);
  for (const Expr& a : args) node->args.push_back(a.node_);
  node_ = std::move(node);
}

Expr Expr::input(int index) {
  Expr e;
  e.node_ = std::make_shared<Node>(Node{"input", {}, double(index)});
  return e;
}

namespace {
std::string print(const Expr::Node& n, bool nested) {
  if (n.op == "input") return str("x", int64_t(n.value));
  if (n.op == "const") return n.value == double(int64_t(n.value)) ? str(int64_t(n.value)) : str(n.value);
  if (n.op == "neg") return "-" + print(*n.args[0], true);
  bool infix = !std::isalpha(static_cast<unsigned char>(n.op[0]));
  if (infix && n.args.size() == 2) {
    std::string out = print(*n.args[0], true) + " " + n.op + " " + print(*n.args[1], true);
    return nested ? "(" + out + ")" : out;
  }
  std::string out = n.op + "(";
  for (size_t i = 0; i < n.args.size(); i++) out += (i ? ", " : "") + print(*n.args[i], false);
  return out + ")";
}
}  // namespace

std::string Expr::text() const { return print(*node_, false); }

}  // namespace rushlight
