// A plug-in on the C interface that lets C++ exceptions out of its functions.
#include <stdexcept>

#include "rushlight/c_api.h"

static rl_error* kernel(void* context, const rl_operator*, const rl_value* const*, size_t, rl_value**, size_t) {
  if (context) throw std::logic_error("a plain exception");
  throw 42;
}
static rl_error* gradient(void*, const rl_operator*, const rl_value* const*, size_t, const rl_value* const*, size_t,
                          const uint8_t*, rl_value**, size_t) {
  throw std::runtime_error("an exception in a gradient");
}
static rl_error* identity(void*, const rl_operator*, const rl_value* const* args, size_t, rl_value** results, size_t) {
  results[0] = rl_value_copy(args[0]);
  return nullptr;
}

static rl_error* start() {
  static int any;
  rl_library* l = nullptr;
  rl_error* e = rl_library_new(RL_ABI_VERSION, "cthrow", RL_DEFINE, "c_plugin_throws.cpp", &l);
  if (!e) e = rl_library_define(l, "known(Tensor x) -> Tensor");
  if (!e) e = rl_library_kernel(l, "known", "CPU", kernel, &any, nullptr);
  if (!e) e = rl_library_define(l, "unknown(Tensor x) -> Tensor");
  if (!e) e = rl_library_kernel(l, "unknown", "CPU", kernel, nullptr, nullptr);
  if (!e) e = rl_library_define(l, "later(Tensor x) -> Tensor");
  if (!e) e = rl_library_kernel(l, "later", "CPU", identity, nullptr, nullptr);
  if (!e) e = rl_library_gradient(l, "later", 1, 0, gradient, nullptr, nullptr);
  return e;
}
RL_PLUGIN(start);
