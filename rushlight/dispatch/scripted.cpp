#include "rushlight/dispatch/scripted.h"

#include <map>

namespace rushlight {
namespace {

// Filled while the table of operators is built, and read after that.
auto& records() {
  static auto& all = *new std::map<void (*)(const Op&, IValue*, IValue*), const Scripted*>;
  return all;
}

}  // namespace

void note_scripted(const Kernel& kernel, const Scripted& record) { records()[kernel.call] = &record; }

const Scripted* scripted_record(const Op& op) {
  const Kernel& k = op.def().kernel;
  return k.arity == kAnyArity ? records().at(k.call) : nullptr;
}

}  // namespace rushlight
