// Named ranges that a profiler shows: RECORD_FUNCTION("encode", std::vector<c10::IValue>({x})); lasts until its scope ends.
#pragma once
#include <string>

#include "rushlight/api/ivalue.h"

namespace rushlight {
class Profiler;
}
namespace rushlight::api {

enum class RecordScope : uint8_t {
  FUNCTION,
  BACKWARD_FUNCTION,
  TORCHSCRIPT_FUNCTION,
  KERNEL_FUNCTION_DTYPE,
  CUSTOM_CLASS,
  BUILD_FEATURE,
  LITE_INTERPRETER,
  USER_SCOPE,
  STATIC_RUNTIME_OP,
  STATIC_RUNTIME_MODEL,
  NUM_SCOPES
};
class RecordFunction {
 public:
  explicit RecordFunction(RecordScope scope = RecordScope::FUNCTION) : scope_(scope) {}
  RecordFunction(const RecordFunction&) = delete;
  ~RecordFunction() { end(); }
  // Begins the range in the profiler that runs on this thread, if any. The arguments are not kept.
  void before(const std::string& name, int64_t sequence_number = -1);
  template <class Inputs>
  void before(const std::string& name, const Inputs&, int64_t sequence_number = -1) {
    before(name, sequence_number);
  }
  void end();
  bool isActive() const;
  RecordScope scope() const { return scope_; }
  const std::string& name() const { return name_; }

 private:
  RecordScope scope_;
  Profiler* profiler_ = nullptr;
  std::string name_;
};

}  // namespace rushlight::api

#define RL_RECORD_NAME_(line) rl_recorded_##line
#define RL_RECORD_NAME(line) RL_RECORD_NAME_(line)
#define RECORD_FUNCTION_WITH_SCOPE(scope, ...)                      \
  ::rushlight::api::RecordFunction RL_RECORD_NAME(__LINE__)(scope); \
  RL_RECORD_NAME(__LINE__).before(__VA_ARGS__)
#define RECORD_FUNCTION(...) RECORD_FUNCTION_WITH_SCOPE(::rushlight::api::RecordScope::FUNCTION, __VA_ARGS__)
#define RECORD_USER_SCOPE(name) RECORD_FUNCTION_WITH_SCOPE(::rushlight::api::RecordScope::USER_SCOPE, name)
#define RECORD_USER_SCOPE_WITH_INPUTS(name, inputs) \
  RECORD_FUNCTION_WITH_SCOPE(::rushlight::api::RecordScope::USER_SCOPE, name, inputs)
#define RECORD_TORCHSCRIPT_FUNCTION(name, inputs) \
  RECORD_FUNCTION_WITH_SCOPE(::rushlight::api::RecordScope::TORCHSCRIPT_FUNCTION, name, inputs)
