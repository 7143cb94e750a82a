// Profiler: an interceptor that takes down each operator call of its thread: when, how long, how many bytes. Operators called by composite
// operators are seen too, one level deeper.
#pragma once
#include <deque>

#include "rushlight/dispatch/op.h"

namespace rushlight {

class Profiler final : public Interceptor {
 public:
  struct Event {
    const std::string* name;
    int64_t start_ns = 0, end_ns = 0;  // since the profiler was made
    int64_t bytes = 0;                 // allocated for storages
    int depth = 0;
    bool is_range = false;     // a named range of the user's, no operator
    std::vector<Dims> shapes;  // of the tensor arguments, if asked for
  };

  explicit Profiler(bool record_shapes = false);
  // On this thread. stop() may be called while other interceptors are pushed further in.
  void start();
  void stop();
  void call(const Op& op, IValue* args, IValue* rets) override;
  // A named range around whatever is called until the matching end.
  void begin_range(std::string name);
  void end_range();
  // How many calls and ranges have begun and not ended; and ends those beyond that many, where an exception has left them.
  size_t open() const { return open_.size(); }
  void end_beyond(size_t open);
  // In the order in which they began.
  const std::vector<Event>& events() const { return events_; }
  // The profiler that runs on this thread, innermost first; null if there is none.
  static Profiler* current();

 private:
  size_t begin(const std::string& name);
  void end(size_t event);
  int64_t now() const;

  std::vector<Event> events_;
  std::vector<size_t> open_;
  std::deque<std::string> range_names_;
  int64_t origin_ns_;
  bool record_shapes_;
};

}  // namespace rushlight
