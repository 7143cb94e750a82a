#include "rushlight/dispatch/call_named.h"

namespace rushlight {
namespace {
struct Destroyed {
  IValue* args;
  size_t n;
  ~Destroyed() {
    for (size_t i = 0; i < n; i++) args[i].~IValue();
  }
};
}  // namespace

const Op& NamedOp::find() {
  const Op* op = OpTable::get().find(name_);
  op_.store(op, std::memory_order_release);  // operators stay where they are for good
  return *op;
}

void call_named(NamedOp& op, IValue* args, size_t n, IValue* rets) {
  Destroyed destroyed{args, n};
  call(*op, args, rets);
}
Tensor call_named(NamedOp& op, IValue* args, size_t n) {
  Destroyed destroyed{args, n};
  IValue ret;
  call(*op, args, &ret);
  return ret.take_tensor();
}

}  // namespace rushlight
