#include "rushlight/kernels/isa.h"

#include <cstdlib>
#include <string_view>

#include "rushlight/core/error.h"

namespace rushlight {

Isa cpu_isa() {
  static const Isa isa = [] {
    Isa best = Isa::Base;
#ifdef RL_X86_DISPATCH
    __builtin_cpu_init();
    RL_CHECK(RuntimeError, __builtin_cpu_supports("sse4.1"),
             "this processor lacks SSE4.1, which the kernels need on x86");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
      best = Isa::Avx2;
    if (best == Isa::Avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
      best = Isa::Avx512;
#endif
    const char* wanted = std::getenv("RUSHLIGHT_ISA");
    for (Isa lower : {Isa::Base, Isa::Avx2})
      if (wanted && std::string_view(wanted) == isa_name(lower) && lower < best) best = lower;
    return best;
  }();
  return isa;
}

const char* isa_name(Isa isa) { return isa == Isa::Avx512 ? "avx512" : isa == Isa::Avx2 ? "avx2" : "base"; }

}  // namespace rushlight
