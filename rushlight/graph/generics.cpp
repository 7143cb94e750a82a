#include "rushlight/graph/generics.h"

#include <algorithm>

#include "rushlight/core/future_type.h"

namespace rushlight::graph {

using TK = Type::Kind;

bool Generics::mentions_variable(const Type& t) {
  return is_variable(t) || std::any_of(t.contained().begin(), t.contained().end(),
                                       [](const TypePtr& c) { return mentions_variable(*c); });
}

bool Generics::accept(const TypePtr& wanted, const TypePtr& have) {
  if (is_variable(*wanted)) {
    auto [at, fresh] = known_.emplace(wanted->name(), have);
    return fresh || have->is_subtype_of(*at->second);
  }
  if (!mentions_variable(*wanted)) return have->is_subtype_of(*wanted);
  if (wanted->is(TK::Optional)) {
    if (have->is(TK::None)) return true;
    return accept(wanted->element(), have->is(TK::Optional) ? have->element() : have);
  }
  if (wanted->kind() != have->kind() || wanted->contained().size() != have->contained().size()) return false;
  for (size_t i = 0; i < wanted->contained().size(); i++)
    if (!accept(wanted->contained()[i], have->contained()[i])) return false;
  return true;
}

TypePtr Generics::fill(const TypePtr& wanted) const {
  if (is_variable(*wanted)) {
    auto at = known_.find(wanted->name());
    return at == known_.end() ? wanted : at->second;
  }
  if (!mentions_variable(*wanted)) return wanted;
  std::vector<TypePtr> items;
  for (const TypePtr& c : wanted->contained()) items.push_back(fill(c));
  switch (wanted->kind()) {
    case TK::List: return Type::list(items[0]);
    case TK::Future: return (is_await(*wanted) ? await_type : future_type)(items[0]);
    case TK::Optional: return Type::optional(items[0]);
    case TK::Dict: return Type::dict(items[0], items[1]);
    default: return Type::tuple(std::move(items));
  }
}

}  // namespace rushlight::graph
