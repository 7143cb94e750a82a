/* Operators written on the C interface alone, in C, against the header of version 1 as it was (tests/abi/c_api_1.h). */
#include <stdlib.h>
#include <string.h>

#include "abi/c_api_1.h"

/* cplug::cube(Tensor x) -> Tensor, for contiguous float32 on the CPU. */
static rl_error* cube_cpu(void* context, const rl_operator* op, const rl_value* const* args, size_t n,
                          rl_value** results, size_t room) {
  (void)context, (void)op, (void)n, (void)room;
  const int64_t* sizes;
  size_t dims;
  int64_t numel;
  int32_t dtype;
  void *from, *to;
  rl_value* x = NULL;
  rl_error* e = rl_call("aten::contiguous", args, 1, NULL, NULL, 0, &x);
  if (!e) e = rl_tensor_dtype(x, &dtype);
  if (!e && dtype != RL_FLOAT32) e = rl_error_new(RL_TYPE_ERROR, "expected float32");
  if (!e) e = rl_tensor_sizes(x, &sizes, &dims);
  if (!e) e = rl_tensor_numel(x, &numel);
  if (!e) e = rl_tensor_empty(sizes, dims, RL_FLOAT32, RL_CPU, -1, results);
  if (!e) e = rl_tensor_data(x, &from);
  if (!e) e = rl_tensor_data(results[0], &to);
  for (int64_t i = 0; !e && i < numel; i++) {
    float v = ((const float*)from)[i];
    ((float*)to)[i] = v * v * v;
  }
  rl_value_free(x);
  return e;
}
static rl_error* cube_shape(void* context, const rl_operator* op, const rl_value* const* args, size_t n,
                            rl_value** results, size_t room) {
  (void)context, (void)op, (void)n, (void)room;
  return rl_call("aten::empty_like", args, 1, NULL, NULL, 0, results);
}
/* 3 x x g */
static rl_error* cube_gradient(void* context, const rl_operator* op, const rl_value* const* saved, size_t n,
                               const rl_value* const* grads, size_t m, const uint8_t* needed, rl_value** out,
                               size_t room) {
  (void)op, (void)n, (void)m, (void)room;
  if (!needed[0] || !grads[0]) return NULL;
  ++*(int*)context;
  rl_value *square = NULL, *product = NULL;
  const rl_value* both[] = {saved[0], saved[0]};
  rl_error* e = rl_call("mul", both, 2, NULL, NULL, 0, &square);
  const rl_value* with[] = {square, grads[0]};
  if (!e) e = rl_call("mul", with, 2, NULL, NULL, 0, &product);
  rl_value* three = rl_float(3.0);
  const rl_value* last[] = {product, three};
  if (!e) e = rl_call("mul", last, 2, NULL, NULL, 0, out);
  rl_value_free(square), rl_value_free(product), rl_value_free(three);
  return e;
}

/* cplug::sum_all(Tensor[] xs, float scale=1.0) -> (Tensor, int): a composite, with a list. */
static rl_error* sum_all(void* context, const rl_operator* op, const rl_value* const* args, size_t n,
                         rl_value** results, size_t room) {
  (void)context, (void)op, (void)n, (void)room;
  size_t count;
  rl_error* e = rl_length(args[0], &count);
  rl_value* total = rl_float(0.0);
  for (size_t i = 0; !e && i < count; i++) {
    rl_value *x = NULL, *s = NULL, *next = NULL;
    e = rl_item(args[0], i, &x);
    if (!e) e = rl_call("sum", (const rl_value* const[]){x}, 1, NULL, NULL, 0, &s);
    if (!e) e = rl_call("add", (const rl_value* const[]){s, total}, 2, NULL, NULL, 0, &next);
    rl_value_free(x), rl_value_free(s);
    if (!e) rl_value_free(total), total = next;
  }
  if (!e) e = rl_call("mul", (const rl_value* const[]){total, args[1]}, 2, NULL, NULL, 0, &results[0]);
  if (!e) results[1] = rl_int((int64_t)count);
  rl_value_free(total);
  return e;
}

/* Each says one thing in its schema and does another; `context` says what. */
static rl_error* lies(void* context, const rl_operator* op, const rl_value* const* args, size_t n, rl_value** results,
                      size_t room) {
  (void)op, (void)n, (void)room;
  switch (*(const char*)context) {
    case 'i': results[0] = rl_int(3); break;
    case 'n': break; /* nothing at all: an undefined tensor */
    case 'a': results[0] = (rl_value*)args[0]; break; /* hands back what it was lent */
    case 'e': return rl_error_new(RL_INDEX_ERROR, "index 7 is out of range");
    case 'k': return rl_error_new(12345, NULL);
  }
  return NULL;
}

static int gradient_calls;
static int dropped;
static void drop(void* context) {
  (void)context;
  dropped++;
}
static rl_error* calls(void* context, const rl_operator* op, const rl_value* const* args, size_t n, rl_value** results,
                       size_t room) {
  (void)context, (void)op, (void)args, (void)n, (void)room;
  results[0] = rl_int(gradient_calls);
  return NULL;
}

static rl_error* start(void) {
  rl_library* l = NULL;
  rl_error* e = rl_library_new(RL_ABI_VERSION, "cplug", RL_DEFINE, "c_plugin.c", &l);
#define DO(call) \
  if (!e) e = call
  DO(rl_library_define(l, "cube(Tensor x) -> Tensor"));
  DO(rl_library_kernel(l, "cube", "CPU", cube_cpu, NULL, drop));
  DO(rl_library_kernel(l, "cube", "Meta", cube_shape, NULL, NULL));
  DO(rl_library_gradient(l, "cube", 1, 0, cube_gradient, &gradient_calls, NULL));
  DO(rl_library_define(l, "sum_all(Tensor[] xs, float scale=1.0) -> (Tensor, int)"));
  DO(rl_library_kernel(l, "sum_all", "CompositeImplicitAutograd", sum_all, NULL, NULL));
  DO(rl_library_define(l, "gradient_calls() -> int"));
  DO(rl_library_kernel(l, "gradient_calls", "CompositeExplicitAutograd", calls, NULL, NULL));
  static const char* const kinds[] = {"i", "n", "a", "e", "k"};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    char schema[] = "lie_?(Tensor x) -> Tensor";
    char name[] = "lie_?";
    schema[4] = name[4] = *kinds[k];
    DO(rl_library_define(l, schema));
    DO(rl_library_kernel(l, name, "CPU", lies, (void*)kinds[k], NULL));
  }
#ifdef FAILS_AT_THE_END
  DO(rl_library_define(l, "broken(Tensor x -> Tensor"));
#endif
  return e;
}
#ifdef ABI
RL_EXTERN_C RL_EXPORT rl_plugin_info rl_plugin;
rl_plugin_info rl_plugin = {ABI, start};
#else
RL_PLUGIN(start);
#endif
