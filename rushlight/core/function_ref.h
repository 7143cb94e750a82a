// FunctionRef: a callable passed down, not kept. What takes one is compiled once, not once for each lambda: drivers of loops take one so
// that only the innermost loops are templates.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "rushlight/core/cxx17.h"

namespace rushlight {

template <class Signature> class FunctionRef;

// Must not outlive the callable it was made from.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, require<std::is_invocable_r_v<R, const F&, Args...> && !std::is_same_v<F, FunctionRef>> = 0>
  FunctionRef(const F& f)
      : callable_(std::addressof(f)), call_([](const void* callable, Args... args) -> R {
          return (*static_cast<const F*>(callable))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(callable_, std::forward<Args>(args)...); }

 private:
  const void* callable_;
  R (*call_)(const void*, Args...);
};

}  // namespace rushlight
