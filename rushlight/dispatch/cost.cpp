#include "rushlight/dispatch/cost.h"

#include <unordered_map>

namespace rushlight {

#define RL_COST_ENTRY(name) \
  OpDef rl_op_##name();     \
  int64_t rl_cost_##name(const IValue* args, const IValue* rets);
#include "cost_list.inc"
#undef RL_COST_ENTRY

namespace {

using Cost = int64_t (*)(const IValue* args, const IValue* rets);

// The table makes records of its own; a record is known by its schema.
const std::unordered_map<std::string_view, Cost>& costs() {
  static const auto& all = *new std::unordered_map<std::string_view, Cost>{
#define RL_COST_ENTRY(name) {rl_op_##name().schema, rl_cost_##name},
#include "cost_list.inc"
#undef RL_COST_ENTRY
  };
  return all;
}

}  // namespace

int64_t multiply_adds(const Op& op, const IValue* args, const IValue* rets) {
  auto found = costs().find(op.def().schema ? op.def().schema : "");
  return found == costs().end() ? 0 : found->second(args, rets);
}

}  // namespace rushlight
