/* rushlight's C interface: what plug-ins and other languages are written on.
 *
 *   rl_value* x = NULL; rl_value* y = NULL;
 *   const int64_t sizes[] = {2, 3};
 *   rl_error* e = rl_tensor_empty(sizes, 2, RL_FLOAT32, RL_CPU, -1, &x);
 *   if (!e) e = rl_call("aten::relu", (const rl_value* const[]){x}, 1, NULL, NULL, 0, &y);
 *   if (e) { fprintf(stderr, "%s\n", rl_error_text(e)); rl_error_free(e); }
 *   rl_value_free(x); rl_value_free(y);
 *
 * Errors are values: a function that can fail returns NULL when it did what was asked, and otherwise an error that the caller frees. Results
 * are written through the last pointers, only where there is no error, and are then the caller's to free. Values that are passed in stay the
 * caller's. A NULL where a value is needed is an error, and nothing here throws or ends the process.
 *
 * What stands here stays: functions are added, never changed or taken away, and RL_ABI_VERSION grows when they are. A plug-in that was
 * built with a header of a version is loaded by that version of the library and all later ones.
 *
 * Handles may be used and freed in any thread. Two threads may use one value at once as long as neither changes it. */
#ifndef RUSHLIGHT_C_API_H
#define RUSHLIGHT_C_API_H

#include <stddef.h>
#include <stdint.h>

#define RL_ABI_VERSION 2

#define RL_EXPORT __attribute__((visibility("default")))
#ifdef __cplusplus
#define RL_EXTERN_C extern "C"
extern "C" {
#else
#define RL_EXTERN_C
#endif

typedef struct rl_error rl_error;
typedef struct rl_value rl_value;       /* a tensor, a number, a text, a list, a module, ... */
typedef struct rl_operator rl_operator; /* never freed: operators stay where they are for good */
typedef struct rl_library rl_library;   /* operators and kernels that somebody added */

/* The version of the library that is loaded: at least RL_ABI_VERSION where what needs it was built with this header. */
uint32_t rl_abi_version(void);
/* "0.1.0". */
const char* rl_version(void);

/* ---- errors ---------------------------------------------------------------------------------------------------------------------- */

/* What kind of mistake it is: Python raises the exception of that name. */
enum {
  RL_RUNTIME_ERROR = 0,
  RL_VALUE_ERROR = 1,
  RL_TYPE_ERROR = 2,
  RL_INDEX_ERROR = 3,
  RL_NOT_IMPLEMENTED_ERROR = 4,
  RL_MEMORY_ERROR = 5,
  RL_OS_ERROR = 6,
  RL_KEY_ERROR = 7,
  RL_ATTRIBUTE_ERROR = 8,
  RL_UNPICKLING_ERROR = 9,
  RL_INTERNAL_ERROR = 10
};
/* For kernels, which return them. An unknown kind is a runtime error. */
rl_error* rl_error_new(int32_t kind, const char* text);
int32_t rl_error_kind(const rl_error* e);
const char* rl_error_text(const rl_error* e); /* lives as long as the error */
void rl_error_free(rl_error* e);              /* NULL is fine */

/* ---- values ---------------------------------------------------------------------------------------------------------------------- */

enum {
  RL_NONE = 0,
  RL_BOOL = 1,
  RL_INT = 2,
  RL_FLOAT = 3,
  RL_COMPLEX = 4,
  RL_STRING = 5,
  RL_DEVICE = 6,
  RL_TENSOR = 7,
  RL_LIST = 8,
  RL_TUPLE = 9,
  RL_DICT = 10,
  RL_OBJECT = 11, /* of a class that a script defined */
  RL_MODULE = 12,
  RL_GENERATOR = 13,
  RL_OTHER = 14
};
int32_t rl_value_kind(const rl_value* v); /* of NULL: RL_NONE */
/* Another handle of the same value: a tensor's memory and a list's items are shared. NULL gives a None. */
rl_value* rl_value_copy(const rl_value* v);
void rl_value_free(rl_value* v); /* NULL is fine */
/* As C++ prints it. */
rl_error* rl_value_text(const rl_value* v, rl_value** text);
/* Whether both are one tensor, list, dict or object, or equal numbers or texts. */
int32_t rl_value_is(const rl_value* a, const rl_value* b);

/* NULL where there is no memory left, or no device of that number: passed on it is an error. */
rl_value* rl_none(void);
rl_value* rl_bool(int32_t v);
rl_value* rl_int(int64_t v);
rl_value* rl_float(double v);
rl_value* rl_complex(double real, double imaginary);
rl_value* rl_string(const char* text, size_t length); /* bytes in UTF-8, copied */
rl_value* rl_device(int32_t type, int32_t index);     /* index -1: the current one */

/* Each is an error for a value of another kind; an int is a float too, and a bool an int. */
rl_error* rl_get_bool(const rl_value* v, int32_t* out);
rl_error* rl_get_int(const rl_value* v, int64_t* out);
rl_error* rl_get_float(const rl_value* v, double* out);
rl_error* rl_get_complex(const rl_value* v, double* real, double* imaginary);
rl_error* rl_get_string(const rl_value* v, const char** text,
                        size_t* length); /* lives as long as the value; no 0 behind it */
rl_error* rl_get_device(const rl_value* v, int32_t* type, int32_t* index);

/* Lists of one kind of item, which is the items' own: of ints, floats, bools, texts, tensors, ...; where they differ, of any. */
rl_error* rl_list(const rl_value* const* items, size_t n, rl_value** out);
rl_error* rl_int_list(const int64_t* items, size_t n, rl_value** out);
rl_error* rl_float_list(const double* items, size_t n, rl_value** out);
rl_error* rl_tuple(const rl_value* const* items, size_t n, rl_value** out);
/* Keys are ints, floats, bools or texts. The order is kept; a key that comes twice has its last value. */
rl_error* rl_dict(const rl_value* const* keys, const rl_value* const* values, size_t n, rl_value** out);
/* Of a list, tuple or dict. */
rl_error* rl_length(const rl_value* v, size_t* out);
/* Of a list or tuple. Index errors are RL_INDEX_ERROR. */
rl_error* rl_item(const rl_value* v, size_t i, rl_value** out);
/* The i-th entry of a dict. */
rl_error* rl_entry(const rl_value* dict, size_t i, rl_value** key, rl_value** value);

/* ---- tensors --------------------------------------------------------------------------------------------------------------------- */

/* Numbered as PyTorch's ScalarType; more exist than are named here. */
enum {
  RL_UINT8 = 0,
  RL_INT8 = 1,
  RL_INT16 = 2,
  RL_INT32 = 3,
  RL_INT64 = 4,
  RL_FLOAT16 = 5,
  RL_FLOAT32 = 6,
  RL_FLOAT64 = 7,
  RL_COMPLEX64 = 9,
  RL_COMPLEX128 = 10,
  RL_BOOL8 = 11,
  RL_BFLOAT16 = 15
};
/* "float32"; NULL for a number that is no dtype's. */
const char* rl_dtype_name(int32_t dtype);
/* Bytes of an element; 0 for a number that is no dtype's. */
size_t rl_dtype_size(int32_t dtype);
/* Numbered as PyTorch's DeviceType. */
enum { RL_CPU = 0, RL_CUDA = 1, RL_META = 14, RL_PRIVATE_USE_1 = 20 };

/* Uninitialised, contiguous. */
rl_error* rl_tensor_empty(const int64_t* sizes, size_t dims, int32_t dtype, int32_t device_type, int32_t device_index,
                          rl_value** out);
/* Over memory of the caller's, on the CPU. `strides` in elements, NULL: contiguous. When the last tensor over the memory is gone, in
 * whichever thread that is, release(context, data) is called, if it isn't NULL; also where this fails. */
rl_error* rl_tensor_borrow(void* data, const int64_t* sizes, const int64_t* strides, size_t dims, int32_t dtype,
                           void (*release)(void* context, void* data), void* context, rl_value** out);
/* Both point into the tensor, and hold until it is freed or its shape changed. */
rl_error* rl_tensor_sizes(const rl_value* tensor, const int64_t** sizes, size_t* dims);
rl_error* rl_tensor_strides(const rl_value* tensor, const int64_t** strides, size_t* dims);
rl_error* rl_tensor_numel(const rl_value* tensor, int64_t* out);
rl_error* rl_tensor_dtype(const rl_value* tensor, int32_t* out);
rl_error* rl_tensor_device(const rl_value* tensor, int32_t* type, int32_t* index);
rl_error* rl_tensor_is_contiguous(const rl_value* tensor, int32_t* out);
/* The first element, NULL where there is no memory (meta). An error for sparse tensors and within transforms. Who writes through it while
 * gradients are recorded says so with rl_tensor_written. */
rl_error* rl_tensor_data(const rl_value* tensor, void** out);
rl_error* rl_tensor_written(const rl_value* tensor);
rl_error* rl_tensor_requires_grad(const rl_value* tensor, int32_t* out);
rl_error* rl_tensor_set_requires_grad(const rl_value* tensor, int32_t on);
/* Adds gradients to the leaves; `gradient` may be NULL for a tensor of one element. */
rl_error* rl_tensor_backward(const rl_value* tensor, const rl_value* gradient);
/* A None where there is none yet. */
rl_error* rl_tensor_grad(const rl_value* tensor, rl_value** out);

/* ---- calls of operators ---------------------------------------------------------------------------------------------------------- */

/* As a front end calls it: the overload that takes these arguments is chosen, those left out have their defaults, `names` says which
 * arguments the `keyword` values are for. `name` is "aten::add" or "add", "mine::scale"; "aten::add.Tensor" is one overload only. The
 * result is a None for none, and a tuple for several. */
rl_error* rl_call(const char* name, const rl_value* const* args, size_t n, const char* const* names,
                  const rl_value* const* keyword, size_t keywords, rl_value** result);
/* One overload: "aten::add.Tensor", "aten::relu". RL_RUNTIME_ERROR with the names that are near if there is none. */
rl_error* rl_operator_find(const char* name, const rl_operator** out);
/* Its schema as text: "aten::relu(Tensor self) -> Tensor". */
rl_error* rl_operator_schema(const rl_operator* op, rl_value** text);
/* The number of arguments and of results that the schema has. */
rl_error* rl_operator_arity(const rl_operator* op, size_t* args, size_t* results);
/* With the arguments in the schema's order: NULL, and what is missing at the end, has its default. `results` has room for one value a
 * result of the schema. */
rl_error* rl_operator_call(const rl_operator* op, const rl_value* const* args, size_t n, rl_value** results,
                           size_t room);
/* A list of texts: the names of all operators with their overloads, "aten::add.Tensor". */
rl_error* rl_operator_names(rl_value** out);

/* ---- operators and kernels of one's own ------------------------------------------------------------------------------------------ */

enum { RL_DEFINE = 0, RL_FRAGMENT = 1, RL_IMPLEMENT = 2 };
/* RL_DEFINE: the only library to define operators of the namespace; RL_FRAGMENT: adds to one; RL_IMPLEMENT: has kernels only. `abi` is
 * RL_ABI_VERSION: a library that is older than the caller's header refuses. `where` is named in errors. */
rl_error* rl_library_new(uint32_t abi, const char* ns, int32_t kind, const char* where, rl_library** out);
/* Takes all away that was registered through it, once calls in other threads have ended. NULL is fine. */
void rl_library_free(rl_library* library);
/* "scale(Tensor x, float by=2.0) -> Tensor" */
rl_error* rl_library_define(rl_library* library, const char* schema);

/* A kernel gets a value for each argument of the schema and fills one for each result (NULL is an undefined tensor), which then belong to
 * its caller; args hold while it runs (rl_value_copy keeps one). It is checked that results are what the schema says. */
typedef rl_error* (*rl_kernel)(void* context, const rl_operator* op, const rl_value* const* args, size_t n,
                               rl_value** results, size_t room);
/* `key` is PyTorch's name of what the kernel is for: "CPU", "CUDA", "PrivateUse1"; "Meta" is the shape function, which makes its results
 * without data; "CompositeImplicitAutograd" calls other operators, whose gradients it has; "CompositeExplicitAutograd" is for every device.
 * drop(context), if it isn't NULL, is called when the kernel is gone; also where this fails. */
rl_error* rl_library_kernel(rl_library* library, const char* name, const char* key, rl_kernel kernel, void* context,
                            void (*drop)(void* context));
/* The gradient. `saved` has the arguments and behind them the results, tensors only where they were asked for; `grads` one for each result
 * (NULL: zero). It fills one for each argument: NULL for those that are no tensors, or whose gradient is zero; a list for a list of
 * tensors. needed[i] is 0 where nobody wants that of argument i. */
typedef rl_error* (*rl_gradient)(void* context, const rl_operator* op, const rl_value* const* saved, size_t n,
                                 const rl_value* const* grads, size_t m, const uint8_t* needed, rl_value** out,
                                 size_t room);
/* Bit i of saved_args and saved_results: argument or result i is to be saved. */
rl_error* rl_library_gradient(rl_library* library, const char* name, uint64_t saved_args, uint64_t saved_results,
                              rl_gradient gradient, void* context, void (*drop)(void* context));

/* A plug-in is a shared library with one RL_PLUGIN(start), where `rl_error* start(void)` registers what it has. rl_load_library and Python's
 * torch.ops.load_library call it; where it returns an error nothing of what it registered stays. */
typedef struct rl_plugin_info {
  uint32_t abi;
  rl_error* (*start)(void);
} rl_plugin_info;
#define RL_PLUGIN(start)                          \
  RL_EXTERN_C RL_EXPORT rl_plugin_info rl_plugin; \
  rl_plugin_info rl_plugin = {RL_ABI_VERSION, start}
rl_error* rl_load_library(const char* path);

/* ---- script modules and files ---------------------------------------------------------------------------------------------------- */

/* An archive of torch.jit.save, ours or PyTorch's; nothing in it runs. */
rl_error* rl_module_load(const char* path, rl_value** module);
rl_error* rl_module_load_bytes(const void* data, size_t size, rl_value** module);
/* The same, its tensors on `device` ("cpu") wherever they were when it was written. From `path`, or from `data` where that is null. */
rl_error* rl_module_load_to(const char* device, const char* path, const void* data, size_t size, rl_value** module);
/* The functions of a script text, as the methods of a module. */
rl_error* rl_module_compile(const char* source, rl_value** module);
/* A method, "forward" before all others. */
rl_error* rl_module_call(const rl_value* module, const char* method, const rl_value* const* args, size_t n,
                         const char* const* names, const rl_value* const* keyword, size_t keywords, rl_value** result);
/* A list of texts: the names of its methods. */
rl_error* rl_module_methods(const rl_value* module, rl_value** names);
/* "forward(__torch__.Net self, Tensor x) -> Tensor" */
rl_error* rl_module_schema(const rl_value* module, const char* method, rl_value** text);
/* Of the module or of one in it: "weight", "layer1.0.weight". */
rl_error* rl_module_get(const rl_value* module, const char* attribute, rl_value** out);
rl_error* rl_module_set(const rl_value* module, const char* attribute, const rl_value* value);
/* Parameters and buffers by their names. */
rl_error* rl_module_state(const rl_value* module, rl_value** dict);
rl_error* rl_module_train(const rl_value* module, int32_t on);
/* dtype -1 and device type -1 leave those as they are. */
rl_error* rl_module_to(const rl_value* module, int32_t dtype, int32_t device_type, int32_t device_index);
rl_error* rl_module_save(const rl_value* module, const char* path);
/* What Python's torch.save writes and torch.load reads: tensors, numbers, texts and their containers. */
rl_error* rl_load(const char* path, rl_value** out);
rl_error* rl_save(const rl_value* value, const char* path);

/* ---- settings -------------------------------------------------------------------------------------------------------------------- */

int32_t rl_threads(void);
rl_error* rl_set_threads(int32_t n);
rl_error* rl_manual_seed(uint64_t seed);
/* Whether this thread records gradients, and tracks nothing at all; both return what was so before. */
int32_t rl_set_grad_mode(int32_t on);
int32_t rl_set_inference_mode(int32_t on);

#ifdef __cplusplus
}
#endif
#endif /* RUSHLIGHT_C_API_H */
