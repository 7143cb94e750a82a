#include "rushlight/script/used_operators.h"

#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/op.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/script/lexer.h"
#include "rushlight/script/lowering.h"

namespace rushlight::script {
namespace {

struct NoNames final : Resolver {
  SugaredPtr resolve(const std::string&, const Range&) override { return nullptr; }
};

bool is_known(const std::string& ns, const std::string& name, const Range& range) {
  if (ns == "prim") return true;  // the language's own; those of it that are unknown are found where they are compiled
  if (ns == "profiler") return true;  // only record_function calls it: see archive.cpp
  if (ns != "aten") return !OpTable::get().overloads(ns + "::" + name).empty();
  NoNames names;
  graph::Graph scratch;
  Lowering lowering(scratch, names);
  return Namespace("torch").find(range, lowering, name) != nullptr;
}

}  // namespace

void add_used_operators(const std::shared_ptr<const Source>& source, std::map<std::string, UsedOperator>& out) {
  std::vector<Token> t = tokenize(source);
  using K = Token::Kind;
  auto is_path = [&](size_t i) { return t[i].kind == K::Name && t[i + 1].is_op("."); };
  for (size_t i = 0; i + 3 < t.size(); i++) {
    if (!is_path(i) || (i > 0 && t[i - 1].is_op("."))) continue;
    size_t at = t[i].text == "torch" ? i + 2 : t[i].text == "ops" && i + 5 < t.size() && is_path(i + 2) ? i + 4 : 0;
    if (!at || !t[at + 1].is_op("(")) continue;
    std::string ns = at == i + 2 ? "aten" : t[i + 2].text;
    UsedOperator& used = out[ns + "::" + t[at].text];
    if (used.calls++) continue;
    used.first = t[i].range;
    used.known = is_known(ns, t[at].text, t[i].range);
  }
}

void check_used_operators(const std::map<std::string, UsedOperator>& used) {
  const UsedOperator* first = nullptr;
  std::string names, hint, library;  // of the first; of the first that another library would bring
  size_t count = 0;
  for (const auto& [name, u] : used) {
    if (u.known) continue;
    std::string said = missing_operator(name);
    if (library.empty() && !name.starts_with("aten::")) library = said;
    if (!first) first = &u, hint = said;
    names += (count++ ? ", " : "") + name;
  }
  if (!first) return;
  fail(first->first, count == 1
                         ? str("Unknown builtin op: ", names, hint)
                         : str("Unknown builtin ops: ", names, "; this build has none of these ", count, library));
}

}  // namespace rushlight::script
