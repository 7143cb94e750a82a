// What `with record_function("name")` became in traces and scripts that PyTorch wrote: a range of the profiler that runs, if one does.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/profiler.h"
#include "rushlight/fn/zeros.h"

namespace rushlight {
namespace {

// The handle says nothing: ranges end in the opposite order of their beginnings.
Tensor begin(std::string_view name, const std::optional<std::string_view>&) {
  if (Profiler* p = Profiler::current()) p->begin_range(std::string(name));
  return zeros({1});
}
void end(const Tensor&) {
  if (Profiler* p = Profiler::current()) p->end_range();
}
Kernel ends() {
  using S = Signature<decltype(&end)>;
  return {.kind = Kernel::Kind::Function,
          .call = [](const Op&, IValue* args, IValue*) { S::apply(&end, args); },
          .arity = S::arity};
}

}  // namespace

OP(profiler_record_function_enter, {.schema = "profiler::_record_function_enter(str name, str? text=None) -> Tensor",
                                    .doc = "Begins a named range in the profile.",
                                    .kernel = function<begin>(),
                                    .forms = kFunction,
                                    .opaque = true})

OP(profiler_record_function_enter_new,
   {.schema = "profiler::_record_function_enter_new(str name, str? text=None) -> Tensor",
    .doc = "Begins a named range in the profile.",
    .kernel = function<begin>(),
    .forms = kFunction,
    .opaque = true})

OP(profiler_record_function_exit, {.schema = "profiler::_record_function_exit(Tensor handle) -> ()",
                                   .doc = "Ends the named range that began last.",
                                   .kernel = ends(),
                                   .forms = kFunction,
                                   .opaque = true})

}  // namespace rushlight
