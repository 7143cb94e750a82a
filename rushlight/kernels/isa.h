// Instruction sets: one source, compiled for several by target attributes, chosen once at run time.
//
// Note [Vectorised loops]: kernels are plain scalar loops in functions that carry a target attribute; the compiler vectorises them for that
// instruction set, and what they call is inlined into them. Explicit vector types were tried first: gcc splits them for the baseline
// before it inlines a functor into the AVX-512 loop. RL_FOR_EACH_ISA defines the same function template three times.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__)
#define RL_X86_DISPATCH 1
#ifdef __clang__
#define RL_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma,bmi2,f16c"), flatten))
#else
#define RL_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma,bmi2,f16c,prefer-vector-width=512"), flatten))
#endif
#define RL_TARGET_AVX2 __attribute__((target("avx2,fma,bmi2,f16c"), flatten))
// What rounds vectors: without it a loop with a floor in it is not vectorised, and calls libm where others call SLEEF.
#define RL_TARGET_BASE __attribute__((target("sse4.1"), flatten))
#else
#define RL_TARGET_BASE __attribute__((flatten))
#endif

#ifdef __clang__
#define RL_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define RL_IVDEP _Pragma("GCC ivdep")
#endif

namespace rushlight {

enum class Isa : int { Base = 0, Avx2 = 1, Avx512 = 2 };
// The best this machine runs; RUSHLIGHT_ISA=base|avx2|avx512 lowers it, for tests.
Isa cpu_isa();
const char* isa_name(Isa isa);

// Picks one of three variants of a function.
template <class F>
F for_isa(F base, F avx2, F avx512) {
  switch (cpu_isa()) {
    case Isa::Avx512: return avx512;
    case Isa::Avx2: return avx2;
    default: return base;
  }
}

}  // namespace rushlight

// A comma inside of a macro argument.
#define RL_COMMA ,

// Defines the function template `name` three times and `name##_isa<...>()`, which gives the variant for this machine:
//   RL_FOR_EACH_ISA(template <class T>, void, scale, (T* x, int64_t n, T by), { RL_IVDEP for (int64_t i = 0; i < n; i++) x[i] *= by; }, <T>)
//   scale_isa<float>()(x, n, 2.f);
#ifdef RL_X86_DISPATCH
#define RL_FOR_EACH_ISA(head, result, name, params, body, args)                                                 \
  head RL_TARGET_BASE result name##_base params body head RL_TARGET_AVX2 result name##_avx2 params body head    \
      RL_TARGET_AVX512 result name##_avx512 params body head auto                                               \
      name##_isa() {                                                                                            \
    static const auto chosen = ::rushlight::for_isa(&name##_base args, &name##_avx2 args, &name##_avx512 args); \
    return chosen;                                                                                              \
  }
#else
#define RL_FOR_EACH_ISA(head, result, name, params, body, args) \
  head RL_TARGET_BASE result name##_base params body head auto name##_isa() { return &name##_base args; }
#endif
