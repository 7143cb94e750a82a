// ThreadState: the modes a call has to know about, all in one thread-local word or two.
#pragma once
#include "rushlight/core/cxx17.h"

namespace rushlight {

class Interceptor;

struct ThreadState {
  Interceptor* interceptor = nullptr;  // innermost of a chain; null almost always
  bool grad_enabled = true;
  bool inference_mode = false;
  bool below_autograd = false;  // kernels that libraries registered for autograd are passed over
  // Kept here for the Python front end, whose every call tests them.
  bool function_modes = false;  // some TorchFunctionMode is entered
  bool overrides_off = false;   // __torch_function__ of arguments is not looked for
};

extern RL_CONSTINIT thread_local ThreadState thread_state [[gnu::tls_model("initial-exec")]];

// Sets a member for a scope.
template <class T>
class Scoped {
 public:
  Scoped(T& slot, T value) : slot_(slot), old_(slot) { slot = value; }
  ~Scoped() { slot_ = old_; }
  Scoped(const Scoped&) = delete;

 private:
  T& slot_;
  T old_;
};
struct NoGradGuard : Scoped<bool> {
  NoGradGuard() : Scoped(thread_state.grad_enabled, false) {}
};
struct EnableGradGuard : Scoped<bool> {
  EnableGradGuard() : Scoped(thread_state.grad_enabled, true) {}
};

}  // namespace rushlight
