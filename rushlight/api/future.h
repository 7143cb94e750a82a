// c10::ivalue::Future: a value that is there later, as scripts fork it and as programs promise it.
#pragma once
#include <exception>
#include <functional>

#include "rushlight/api/ivalue.h"

namespace rushlight::api::ivalue {

// Thread safety: all may run at once.
class Future final : public intrusive_ptr_target {
 public:
  explicit Future(TypePtr type, const std::vector<Device>& = {});  // one that markCompleted() or setError() brings
  // REQUIRES: a Future of a script, which this one stands for.
  explicit Future(rushlight::IValue of) : held_(std::move(of)) {}

  // Returns once there is a value or an error.
  void wait() const;
  void waitAndThrow() const { value_or_throw(); }
  // Both throw RuntimeError where one is there already; callbacks run in this thread.
  void markCompleted(IValue value = IValue()) const;
  void setError(std::exception_ptr error) const;
  void setErrorIfNeeded(std::exception_ptr error) const;
  // Throws the error there is, and InternalError before either is there.
  IValue value() const;
  IValue constValue() const { return value(); }

  bool completed() const;
  bool hasValue() const { return completed() && !exception_ptr(); }
  bool hasError() const { return exception_ptr() != nullptr; }
  std::exception_ptr exception_ptr() const;
  // Throws RuntimeError if there is none.
  std::string tryRetrieveErrorMessage() const;
  TypePtr elementType() const { return held_.type()->element(); }
  const rushlight::IValue& held() const { return held_; }  // what scripts know

  // f(future) in the thread that brings the value, or now if it is there.
  template <class F>
  void addCallback(F f, bool /*uses_future*/ = true) const {
    call_back([f = std::move(f)](Future& of) mutable { f(of); });
  }
  // A future of what f(future) gives, or of what the future gives that it gives. What f throws is its error.
  template <class F>
  intrusive_ptr<Future> then(F f, TypePtr type) const {
    auto next = make_intrusive<Future>(std::move(type));
    call_back([next, f = std::move(f)](Future& of) mutable { next->settle_by([&] { next->markCompleted(f(of)); }); });
    return next;
  }
  template <class F>
  intrusive_ptr<Future> thenAsync(F f, TypePtr type) const {
    auto next = make_intrusive<Future>(std::move(type));
    call_back([next, f = std::move(f)](Future& of) mutable {
      next->settle_by([&] {
        f(of)->addCallback([next](Future& last) { next->settle_by([&] { next->markCompleted(last.value()); }); });
      });
    });
    return next;
  }
  intrusive_ptr<Future> createInstance(TypePtr type) const { return make_intrusive<Future>(std::move(type)); }

 private:
  IValue value_or_throw() const;
  void call_back(std::function<void(Future&)> f) const;
  template <class F>
  void settle_by(const F& bring) const {
    try {
      bring();
    } catch (...) { setErrorIfNeeded(std::current_exception()); }
  }
  rushlight::IValue held_;
};
std::ostream& operator<<(std::ostream& out, const Future& f);

}  // namespace rushlight::api::ivalue
