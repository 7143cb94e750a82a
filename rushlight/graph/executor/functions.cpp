// Functions as they are called: compiled at first, their graphs made ready and turned into programs.
#include <mutex>

#include "rushlight/core/stack.h"
#include "rushlight/graph/executor/evaluation.h"
#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {

namespace {
// One for all functions: compiling one compiles those that it calls.
std::recursive_mutex& compiling() {
  static std::recursive_mutex lock;
  return lock;
}
}  // namespace

const std::shared_ptr<Graph>& Function::make() {
  std::lock_guard lock(compiling());
  if (is_made() || making_) return graph;
  if (compile) {
    RL_CHECK(RuntimeError, !stack_is_short(), "compiling '", name,
             "': functions that call functions nest too deep for the thread's stack");
    making_ = true;
    try {
      compile(*this);
    } catch (...) {
      making_ = false;
      schema = {};
      graph = nullptr;
      throw;
    }
    making_ = false;
    compile = nullptr;
  }
  made_.store(true, std::memory_order_release);
  return graph;
}

// See Note [Evaluation].
struct Function::Programs {
  TrainingFlags flags;
  std::shared_ptr<Graph> graph;  // optimised, for `general`; null once that is made
  std::unique_ptr<const Executable> evaluating, general_made;
  std::atomic<const Executable*> general{nullptr};

  explicit Programs(const Graph& from) : graph(from.copy()) {
    optimize(*graph);
    flags = TrainingFlags(*graph);
    if (flags.empty()) {
      make_general();
      return;
    }
    std::shared_ptr<Graph> fixed = graph->copy();
    flags.assume_off(*fixed);
    prepare(*fixed);
    evaluating = std::make_unique<Executable>(std::move(fixed));
  }
  void make_general() {
    prepare(*graph);
    general_made = std::make_unique<Executable>(std::move(graph));
    general.store(general_made.get(), std::memory_order_release);
  }
};

Function::Programs& Function::make_programs() {
  std::lock_guard lock(compiling());
  if (!programs_) {
    RL_CHECK(RuntimeError, made(), "function '", name, "' is called recursively. Recursive calls are not supported");
    programs_ = std::make_shared<Programs>(*graph);
    ready_.store(programs_.get(), std::memory_order_release);
  }
  return *programs_;
}

const Executable& Function::executable(const IValue* self) {
  Programs* p = ready_.load(std::memory_order_acquire);
  if (!p) p = &make_programs();
  if (p->evaluating && (!self || p->flags.all_off(*self))) return *p->evaluating;
  if (const Executable* general = p->general.load(std::memory_order_acquire)) return *general;
  std::lock_guard lock(compiling());
  if (p->graph) p->make_general();
  return *p->general_made;
}

void make_ready(Function& function) {
  try {
    function.executable();
  } catch (const Error&) {  // a call says so
  }
}

IValue run_function(Function& function, std::vector<IValue> args) {
  const Executable& program = function.executable(args.data());
  const auto& wanted = function.schema.args;
  for (size_t i = args.size(); i < wanted.size(); i++) {
    RL_CHECK(RuntimeError, wanted[i].has_default, function.name, "() is missing value for argument '", wanted[i].name,
             "'");
    args.push_back(wanted[i].default_value);
  }
  std::vector<IValue> results = program.run(std::move(args));
  if (results.size() == 1) return std::move(results[0]);
  if (results.empty()) return {};
  return IValue::tuple(std::move(results));
}

}  // namespace rushlight::graph
