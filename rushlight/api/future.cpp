#include "rushlight/api/future.h"

#include <ostream>

#include "rushlight/graph/future.h"

namespace rushlight::api::ivalue {
namespace {

graph::Future& state(const Future& f) { return graph::future_of(f.held()); }
std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) { return e.what(); } catch (...) {
    return "what was thrown is no std::exception";
  }
}

}  // namespace

Future::Future(TypePtr type, const std::vector<Device>&)
    : held_(graph::make_future(future_type(std::move(type)), make_ref<graph::Future>())) {}

void Future::wait() const {
  try {
    waitAndThrow();
  } catch (...) {}  // kept for who asks
}
IValue Future::value_or_throw() const { return state(*this).wait(); }
void Future::markCompleted(IValue value) const {
  RL_CHECK(RuntimeError, state(*this).finish(std::move(value)),
           "Attempting to mark a completed Future as complete again. Note that a Future can only be marked completed "
           "once.");
}
void Future::setError(std::exception_ptr error) const {
  RL_CHECK(RuntimeError, error, "Future::setError: expected an exception, got a null exception_ptr");
  RL_CHECK(RuntimeError, state(*this).finish({}, error), "setError: the Future has a value or an error already, got ",
           text_of(error));
}
void Future::setErrorIfNeeded(std::exception_ptr error) const {
  if (!completed()) setError(std::move(error));
}
IValue Future::value() const {
  RL_CHECK(InternalError, completed(), "Future::value: it is not completed; wait() first");
  return value_or_throw();
}
bool Future::completed() const { return state(*this).done(); }
std::exception_ptr Future::exception_ptr() const { return state(*this).error(); }
std::string Future::tryRetrieveErrorMessage() const {
  RL_CHECK(RuntimeError, hasError(), "No error present on the future.");
  return text_of(exception_ptr());
}
void Future::call_back(std::function<void(Future&)> f) const {
  // By the state's address: it lives while it calls, and a reference in its own list would keep it for good.
  state(*this).then([f = std::move(f), s = &state(*this), type = rushlight::TypePtr(held_.type())] {
    Future again(graph::make_future(type, Ref<graph::Future>(s)));
    f(again);
  });
}
std::ostream& operator<<(std::ostream& out, const Future& f) {
  return out << "Future(type=" << f.elementType()->str() << ", " << (f.completed() ? "completed" : "not completed")
             << ")";
}

}  // namespace rushlight::api::ivalue
