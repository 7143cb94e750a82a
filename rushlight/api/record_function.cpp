#include "rushlight/api/record_function.h"

#include "rushlight/dispatch/profiler.h"

namespace rushlight::api {

void RecordFunction::before(const std::string& name, int64_t) {
  end();
  name_ = name;
  profiler_ = Profiler::current();
  if (profiler_) profiler_->begin_range(name);
}
void RecordFunction::end() {
  // A profiler that was stopped meanwhile has closed the range.
  if (profiler_ && profiler_ == Profiler::current()) profiler_->end_range();
  profiler_ = nullptr;
}
bool RecordFunction::isActive() const { return profiler_; }

}  // namespace rushlight::api
