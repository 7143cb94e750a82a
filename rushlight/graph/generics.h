// Generics: what t, tKey and tVal of a primitive's schema stand for in one call.
#pragma once
#include <map>
#include <string>

#include "rushlight/core/type.h"

namespace rushlight::graph {

class Generics {
 public:
  static bool is_variable(const Type& t) { return t.is(Type::Kind::Any) && !t.name().empty(); }
  static bool mentions_variable(const Type& t);
  // True if a value of type `have` may stand where the schema says `wanted`; learns what wanted's variables are.
  bool accept(const TypePtr& wanted, const TypePtr& have);
  // `wanted` with what is known of its variables.
  TypePtr fill(const TypePtr& wanted) const;

 private:
  std::map<std::string, TypePtr> known_;
};

}  // namespace rushlight::graph
