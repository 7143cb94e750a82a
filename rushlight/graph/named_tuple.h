// A NamedTuple's type with the defaults of its fields, which graphs are printed with.
#pragma once
#include <map>

#include "rushlight/core/ivalue.h"

namespace rushlight::graph {

struct NamedTuple final : Type {
  NamedTuple(std::vector<TypePtr> items, std::string name, std::vector<std::string> fields,
             std::map<std::string, IValue> given)
      : Type(Kind::Tuple, std::move(items), std::move(name), std::move(fields)), defaults(std::move(given)) {}
  std::map<std::string, IValue> defaults;
};

}  // namespace rushlight::graph
