#include "rushlight/dispatch/binding.h"

namespace rushlight {

std::array<const char*, 3> other_names(std::string_view argument) {
  if (argument == "self") return {"input", "x", "a"};
  if (argument == "dim") return {"axis"};
  if (argument == "keepdim") return {"keepdims"};
  if (argument == "other") return {"x2"};
  return {};
}

uint64_t looseness(const Schema& schema) {
  uint64_t score = 0;
  for (const Argument& a : schema.args) {
    if (a.kwarg_only) continue;
    score *= 4;
    const Type& t = a.base_type();
    if (t.is(Type::Kind::Number)) score += 1;
    else if (t.is(Type::Kind::List) && t.element()->is(Type::Kind::Int)) score += 2;
    else if (t.is(Type::Kind::Any)) score += 3;
  }
  return score;
}

}  // namespace rushlight
