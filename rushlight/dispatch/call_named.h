// Calls as the generated C++ functions make them: out of line and without clean-up of their own, for there are thousands.
#pragma once
#include <atomic>

#include "rushlight/dispatch/op.h"

namespace rushlight {

// An operator of the table by name, looked up at the first call.
class NamedOp {
 public:
  constexpr explicit NamedOp(const char* qualified_name) : name_(qualified_name) {}
  const Op& operator*() {
    const Op* op = op_.load(std::memory_order_acquire);
    return op ? *op : find();
  }

 private:
  const Op& find();
  const char* name_;
  std::atomic<const Op*> op_{nullptr};
};

// Arguments that the call destroys, whatever comes of it.
template <size_t n> union Arguments {
  IValue v[n];
  ~Arguments() {}
};
void call_named(NamedOp& op, IValue* args, size_t n, IValue* rets);
// Of an operator with one result, a tensor.
Tensor call_named(NamedOp& op, IValue* args, size_t n);

}  // namespace rushlight
