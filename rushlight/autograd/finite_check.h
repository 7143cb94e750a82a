// FiniteCheck: an interceptor that stops at the first call whose result holds a NaN or an infinity that was not in its arguments, and
// says which operator and module it was. The same for gradients is anomaly mode (node.h), which asks it for the module.
#pragma once
#include <functional>
#include <string>

#include "rushlight/dispatch/recorder.h"

namespace rushlight {

struct NotFinite { int64_t nan = 0, inf = 0; };
// Zero for integers, on meta, and for tensors whose values are elsewhere.
NotFinite count_not_finite(const Tensor& t);

class FiniteCheck final : public Places {
 public:
  // `name_of` is what errors call an object whose call the thread is in; called only for them.
  FiniteCheck(bool infinities, std::function<std::string(const void*)> name_of)
      : infinities_(infinities), name_of_(std::move(name_of)) {}
  // Throws RuntimeError where something is not finite.
  void call(const Op& op, IValue* args, IValue* rets) override;
  void start() override;
  void stop() override;
  // " in encoder.fc1", or empty.
  std::string where() const;
  // The innermost that watches this thread, also while it calls on; mostly null.
  static FiniteCheck* current();

 private:
  FiniteCheck* around_ = nullptr;
  bool infinities_;
  std::function<std::string(const void*)> name_of_;
};

}  // namespace rushlight
