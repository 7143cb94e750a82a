// The vector variants of the functions in math.h. The compiler calls `_ZGV<isa>N<lanes>v_rlm_expf` by the vector function ABI; each is a jump to the
// SLEEF function of that width, and `rlm_expf` itself one to libm. Names of our own, because libm, libmvec and SLEEF's own ABI library
// all define the standard ones and the loader's choice between them depends on the program.
#include "rushlight/kernels/functions.h"

#if defined(RL_HAVE_SLEEF) && defined(__x86_64__)

#define RL_JUMP(from, to)                                                                                         \
  __asm__(".text\n.p2align 4\n.globl " from "\n.hidden " from "\n.type " from ", @function\n" from ":\n\tjmp " to \
          "@PLT\n");

// ulp: SLEEF's name for the accuracy of the variant; v: one "v" a parameter.
#define RL_VECTOR(name, ulp, v)                                                \
  RL_JUMP("rlm_" #name "f", #name "f")                                         \
  RL_JUMP("rlm_" #name, #name)                                                 \
  RL_JUMP("_ZGVbN4" v "_rlm_" #name "f", "Sleef_" #name "f4_" ulp "sse2")      \
  RL_JUMP("_ZGVbN2" v "_rlm_" #name, "Sleef_" #name "d2_" ulp "sse2")          \
  RL_JUMP("_ZGVcN8" v "_rlm_" #name "f", "Sleef_" #name "f8_" ulp "avx")       \
  RL_JUMP("_ZGVcN4" v "_rlm_" #name, "Sleef_" #name "d4_" ulp "avx")           \
  RL_JUMP("_ZGVdN8" v "_rlm_" #name "f", "Sleef_" #name "f8_" ulp "avx2")      \
  RL_JUMP("_ZGVdN4" v "_rlm_" #name, "Sleef_" #name "d4_" ulp "avx2")          \
  RL_JUMP("_ZGVeN16" v "_rlm_" #name "f", "Sleef_" #name "f16_" ulp "avx512f") \
  RL_JUMP("_ZGVeN8" v "_rlm_" #name, "Sleef_" #name "d8_" ulp "avx512f")

#define RL_VECTOR1(name, ulp) RL_VECTOR(name, ulp, "v")
#define RL_VECTOR2(name, ulp) RL_VECTOR(name, ulp, "vv")
RL_VECTOR_MATH1(RL_VECTOR1)
RL_MADE_MATH1(RL_VECTOR1)
RL_VECTOR_MATH2(RL_VECTOR2)

#endif
