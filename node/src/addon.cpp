// The native part of the package: checks and converts. What users see is index.js.
#include <algorithm>
#include <cstdint>

#include "node_values.h"

namespace rushlight::node {
namespace {

constexpr napi_type_tag kTag = {0x7275736c69676874, 0x6e6f64652e763031};

// ---- objects ----

// Within a collection of garbage: nothing of JavaScript may be touched.
void finalize(node_api_basic_env env, void* data, void*) {
  auto* w = static_cast<Wrapped*>(data);
  int64_t now;
  if (w->bytes) napi_adjust_external_memory(env, -w->bytes, &now);
  if (w->array) w->state->let_go(w->array);
  delete w;
}

// What Tensor's and ScriptModule's constructors do: only wrap() gives them something to hold.
thread_local Wrapped* being_made = nullptr;

napi_value construct(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Wrapped* w = std::exchange(being_made, nullptr);
    if (!w) type_error(env, "this class is not made with new: rl.tensor(data, shape) and rl.ones(shape) make tensors");
    std::unique_ptr<Wrapped> held(w);
    check(env, napi_type_tag_object(env, args.self, &kTag));
    check(env, napi_wrap(env, args.self, w, finalize, nullptr, nullptr));
    held.release();
    return args.self;
  });
}

Wrapped& self_of(napi_env env, napi_value object, bool tensor) {
  Wrapped* w = wrapped_of(env, object);
  if (!w || w->tensor != tensor)
    type_error(env,
               std::string("expected a ") + (tensor ? "Tensor" : "ScriptModule") + ", got a " + kind_of(env, object));
  return *w;
}
Wrapped& tensor_at(napi_env env, const Arguments& args, size_t i = 0) { return self_of(env, args[i], true); }
// REQUIRES of users: no call of the module on another thread, for what changes or frees it.
Wrapped& module_at(napi_env env, const Arguments& args, bool alone = true) {
  Wrapped& w = self_of(env, args[0], false);
  if (alone && w.running) {
    napi_throw_error(env, "RuntimeError",
                     "a forwardAsync of this module is running: await it first, or load the archive once more");
    throw Pending();
  }
  held_by(env, w);
  return w;
}

napi_value dispose(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Wrapped* w = wrapped_of(env, args[0]);
    if (!w) type_error(env, "dispose: expected a Tensor or ScriptModule, got a " + kind_of(env, args[0]));
    int64_t now;
    if (w->bytes) napi_adjust_external_memory(env, -std::exchange(w->bytes, 0), &now);
    w->value = Value();
    return args.undefined;
  });
}

// ---- tensors ----

// An array of sizes.
std::vector<int64_t> sizes_of(napi_env env, napi_value v, const char* where) {
  bool yes = false;
  check(env, napi_is_array(env, v, &yes));
  if (!yes)
    type_error(env, std::string(where) + ": expected a shape, an array of whole numbers, got a " + kind_of(env, v));
  std::vector<int64_t> out;
  for (napi_value item : items_of(env, v)) {
    double d = -1;
    if (!is(env, item, napi_number) || napi_get_value_double(env, item, &d) != napi_ok || d < 0 ||
        d != double(int64_t(d)))
      range_error(env, std::string(where) + ": shape[" + std::to_string(out.size()) +
                           "]: expected a whole number >= 0, got " +
                           (is(env, item, napi_number) ? std::to_string(d) : kind_of(env, item)));
    out.push_back(int64_t(d));
  }
  return out;
}

struct Lent {
  std::shared_ptr<State> state;
  napi_ref buffer;
};

int32_t dtype_of(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return RL_INT8;
    case napi_uint8_array:
    case napi_uint8_clamped_array: return RL_UINT8;
    case napi_int16_array: return RL_INT16;
    case napi_int32_array: return RL_INT32;
    case napi_float32_array: return RL_FLOAT32;
    case napi_float64_array: return RL_FLOAT64;
    case napi_bigint64_array: return RL_INT64;
    default: return -1;
  }
}

// borrow(typedArray, shape, dtype or undefined): a tensor over the array's memory.
napi_value borrow(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    bool yes = false;
    check(env, napi_is_typedarray(env, args[0], &yes));
    if (!yes) type_error(env, "tensor: expected a typed array, got a " + kind_of(env, args[0]));
    napi_typedarray_type type;
    size_t length, offset;
    void* data;
    napi_value buffer;
    check(env, napi_get_typedarray_info(env, args[0], &type, &length, &data, &buffer, &offset));
    bool detached = false, plain = false;
    check(env, napi_is_arraybuffer(env, buffer, &plain));
    if (!plain)
      type_error(env, "tensor: the array lies in a SharedArrayBuffer, which other threads may write to; copy it first");
    check(env, napi_is_detached_arraybuffer(env, buffer, &detached));
    if (detached) type_error(env, "tensor: the array's buffer was detached (transferred)");
    // Its memory goes when it shrinks; null in versions of Node that don't know such buffers.
    bool resizable = false;
    napi_value answer;
    check(env, napi_get_named_property(env, buffer, "resizable", &answer));
    if (is(env, answer, napi_boolean)) check(env, napi_get_value_bool(env, answer, &resizable));
    if (resizable)
      type_error(env, "tensor: the array's buffer is resizable, so its memory may go; copy it first: array.slice()");
    int32_t dtype = dtype_of(type);
    if (is(env, args[2], napi_number)) check(env, napi_get_value_int32(env, args[2], &dtype));
    const size_t item = dtype < 0 ? 0 : rl_dtype_size(dtype);
    if (item == 0)
      type_error(env,
                 "tensor: this kind of typed array has no dtype of its own; say which, as in rl.tensor(array, shape, "
                 "rl.float16)");
    const size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    const size_t bytes = length * sizes[type];
    const std::vector<int64_t> shape = sizes_of(env, args[1], "tensor");
    uint64_t wanted = item;
    for (int64_t n : shape)
      if (__builtin_mul_overflow(wanted, uint64_t(n), &wanted)) wanted = UINT64_MAX, n = 1;
    if (wanted != bytes)
      range_error(env, "tensor: the shape takes " + std::to_string(wanted / item) + " elements of " +
                           std::to_string(item) + " bytes, the array has " + std::to_string(bytes) + " bytes");
    if (reinterpret_cast<uintptr_t>(data) % std::min<size_t>(item, 8))
      range_error(env, "tensor: the array begins at byte " + std::to_string(offset) + " of its buffer, elements of " +
                           std::to_string(item) + " bytes need a multiple of that; copy it first");
    auto lent = std::make_unique<Lent>(Lent{state_of(env), nullptr});
    check(env, napi_create_reference(env, buffer, 1, &lent->buffer));
    auto release = [](void* context, void*) {
      std::unique_ptr<Lent> l(static_cast<Lent*>(context));
      l->state->let_go(l->buffer);
    };
    Value out;
    check(env, rl_tensor_borrow(data, shape.data(), nullptr, shape.size(), dtype, release, lent.release(), out.out()));
    napi_ref array;
    check(env, napi_create_reference(env, buffer, 1, &array));
    return wrap(env, std::move(out), array);
  });
}

napi_value shape(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    const int64_t* sizes;
    size_t dims;
    check(env, rl_tensor_sizes(held_by(env, tensor_at(env, args)), &sizes, &dims));
    napi_value out;
    check(env, napi_create_array_with_length(env, dims, &out));
    for (size_t i = 0; i < dims; i++)
      check(env, napi_set_element(env, out, uint32_t(i), js_number(env, double(sizes[i]))));
    return out;
  });
}

// [number, name] of the dtype, and [type, index] of the device.
napi_value dtype(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    int32_t d;
    check(env, rl_tensor_dtype(held_by(env, tensor_at(env, args)), &d));
    return js_text(env, rl_dtype_name(d));
  });
}
napi_value device(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    int32_t type, index;
    check(env, rl_tensor_device(held_by(env, tensor_at(env, args)), &type, &index));
    Value d(rl_device(type, index)), text;
    check(env, rl_value_text(d.get(), text.out()));
    return to_js(env, text);
  });
}
// dtypeNames(): the names by their numbers.
napi_value dtype_names(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    napi_value out;
    check(env, napi_create_object(env, &out));
    for (int32_t d = 0; d < 64; d++)
      if (const char* name = rl_dtype_name(d)) check(env, napi_set_named_property(env, out, name, js_number(env, d)));
    return out;
  });
}

// data(tensor): an ArrayBuffer over the tensor's memory, and where the tensor's elements lie in it.
napi_value data(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Wrapped& w = tensor_at(env, args);
    rl_value* t = held_by(env, w);
    int32_t contiguous, dtype, type, index;
    int64_t numel;
    void* memory;
    check(env, rl_tensor_device(t, &type, &index));
    if (type == RL_META)
      type_error(env, "data: a tensor on meta has a shape and no values; rl.zeros(t.shape) has some");
    if (type != RL_CPU) type_error(env, "data: the tensor is not on the CPU; t.to({device: 'cpu'}) is");
    check(env, rl_tensor_is_contiguous(t, &contiguous));
    if (!contiguous) type_error(env, "data: the tensor's elements don't lie in a row; t.contiguous() has them so");
    check(env, rl_tensor_dtype(t, &dtype));
    check(env, rl_tensor_numel(t, &numel));
    check(env, rl_tensor_data(t, &memory));
    const size_t bytes = size_t(numel) * rl_dtype_size(dtype);
    napi_value out;
    if (bytes == 0) {
      check(env, napi_create_arraybuffer(env, 0, &memory, &out));
      return out;
    }
    auto free = [](node_api_basic_env, void*, void* held) { rl_value_free(static_cast<rl_value*>(held)); };
    Value held(rl_value_copy(t));
    check(env, napi_create_external_arraybuffer(env, memory, bytes, free, held.get(), &out));
    held.release();
    return out;
  });
}

napi_value text(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_value_text(held_by(env, tensor_at(env, args)), out.out()));
    return to_js(env, out);
  });
}
napi_value requires_grad(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    rl_value* t = held_by(env, tensor_at(env, args));
    if (is(env, args[1], napi_boolean)) {
      bool on;
      check(env, napi_get_value_bool(env, args[1], &on));
      check(env, rl_tensor_set_requires_grad(t, on));
    }
    int32_t on;
    napi_value out;
    check(env, rl_tensor_requires_grad(t, &on));
    check(env, napi_get_boolean(env, on != 0, &out));
    return out;
  });
}
napi_value grad(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_tensor_grad(held_by(env, tensor_at(env, args)), out.out()));
    return to_js(env, out);
  });
}
napi_value backward(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    rl_value* gradient = is(env, args[1], napi_undefined) ? nullptr : held_by(env, tensor_at(env, args, 1));
    check(env, rl_tensor_backward(held_by(env, tensor_at(env, args)), gradient));
    return args.undefined;
  });
}

// ---- calls ----

// The arguments of a call: an array, and an object of those with names.
struct Call {
  Call(napi_env env, const std::string& name, napi_value positional, napi_value named) : name(name) {
    const std::vector<napi_value> items = items_of(env, positional);
    for (size_t i = 0; i < items.size(); i++) {
      const bool single = is(env, items[i], napi_number) || wrapped_of(env, items[i]);
      args.push_back(from_js(env, items[i], single ? name : name + ": argument " + std::to_string(i + 1)));
    }
    if (!is(env, named, napi_object)) return;
    napi_value keys;
    check(env, napi_get_property_names(env, named, &keys));
    for (napi_value key : items_of(env, keys)) {
      napi_value v;
      check(env, napi_get_property(env, named, key, &v));
      if (is(env, v, napi_undefined)) continue;
      names.push_back(word_of(env, key, name));
      keyword.push_back(from_js(env, v, name + ": argument '" + names.back() + "'"));
    }
  }
  rl_error* run(const rl_value* module, rl_value** out) const {
    std::vector<const char*> keys;
    for (const std::string& n : names) keys.push_back(n.c_str());
    const auto a = pointers(args), k = pointers(keyword);
    if (!module) return rl_call(name.c_str(), a.data(), a.size(), keys.data(), k.data(), k.size(), out);
    return rl_module_call(module, name.c_str(), a.data(), a.size(), keys.data(), k.data(), k.size(), out);
  }
  std::string name;
  Values args, keyword;
  std::vector<std::string> names;
};

// call(name, [arguments], {names: values})
napi_value call(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    state_of(env)->drop_unused();
    Call c(env, word_of(env, args[0], "call"), args[1], args[2]);
    Value out;
    check(env, c.run(nullptr, out.out()));
    return to_js(env, out);
  });
}

napi_value operator_names(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    Value out;
    check(env, rl_operator_names(out.out()));
    return to_js(env, out);
  });
}
napi_value schema(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    const rl_operator* op;
    Value out;
    check(env, rl_operator_find(word_of(env, args[0], "schema").c_str(), &op));
    check(env, rl_operator_schema(op, out.out()));
    return to_js(env, out);
  });
}

// ---- modules and files ----

// loadModule(path or Uint8Array, device or undefined)
napi_value load_module(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    bool bytes = false, moved = !is(env, args[1], napi_undefined);
    std::string device = moved ? word_of(env, args[1], "ScriptModule: mapLocation") : "";
    check(env, napi_is_typedarray(env, args[0], &bytes));
    if (bytes) {
      size_t length;
      void* memory;
      napi_typedarray_type type;
      check(env, napi_get_typedarray_info(env, args[0], &type, &length, &memory, nullptr, nullptr));
      if (type != napi_uint8_array) type_error(env, "ScriptModule: expected a path or a Buffer");
      check(env, moved ? rl_module_load_to(device.c_str(), nullptr, memory, length, out.out())
                       : rl_module_load_bytes(memory, length, out.out()));
    } else {
      std::string path = word_of(env, args[0], "ScriptModule");
      check(env, moved ? rl_module_load_to(device.c_str(), path.c_str(), nullptr, 0, out.out())
                       : rl_module_load(path.c_str(), out.out()));
    }
    return wrap(env, std::move(out));
  });
}
napi_value compile(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_module_compile(word_of(env, args[0], "compile").c_str(), out.out()));
    return wrap(env, std::move(out));
  });
}
// method(module, name, [arguments], {names: values})
napi_value method(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    state_of(env)->drop_unused();
    Wrapped& m = module_at(env, args);
    Call c(env, word_of(env, args[1], "call"), args[2], args[3]);
    Value out;
    check(env, c.run(held_by(env, m), out.out()));
    return to_js(env, out);
  });
}

// A call on a thread of Node's pool.
struct Work {
  std::shared_ptr<State> state;
  std::unique_ptr<Call> call;
  Value module, result;
  rl_error* error = nullptr;
  Wrapped* wrapped = nullptr;
  napi_ref object = nullptr;  // of the module, which keeps `wrapped`
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  int32_t grad = 1;
};
void run_work(napi_env, void* data) {
  auto* w = static_cast<Work*>(data);
  const int32_t before = rl_set_grad_mode(w->grad);
  w->error = w->call->run(w->module.get(), w->result.out());
  rl_set_grad_mode(before);
}
void finish_work(napi_env env, napi_status status, void* data) {
  std::unique_ptr<Work> w(static_cast<Work*>(data));
  w->wrapped->running--;
  napi_delete_reference(env, w->object);
  napi_delete_async_work(env, w->work);
  // In a worker that was terminated no JavaScript runs any more, and nobody waits.
  napi_value any;
  if (w->state->ended || napi_create_object(env, &any) != napi_ok) return rl_error_free(w->error);
  guarded(env, [&]() -> napi_value {
    w->state->drop_unused();
    if (status == napi_cancelled) w->error = rl_error_new(RL_RUNTIME_ERROR, "the call was cancelled: the program ends");
    if (w->error) return napi_reject_deferred(env, w->deferred, exception_of(env, w->error)), nullptr;
    napi_value out = guarded(env, [&] { return to_js(env, w->result); });
    if (out) return napi_resolve_deferred(env, w->deferred, out), nullptr;
    napi_value thrown;
    check(env, napi_get_and_clear_last_exception(env, &thrown));
    napi_reject_deferred(env, w->deferred, thrown);
    return nullptr;
  });
}
// methodAsync(module, name, [arguments], {names: values}): a promise. index.js runs one at a time of a module.
napi_value method_async(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Wrapped& m = module_at(env, args);
    auto w = std::make_unique<Work>();
    w->state = state_of(env);
    w->wrapped = &m;
    w->call = std::make_unique<Call>(env, word_of(env, args[1], "forwardAsync"), args[2], args[3]);
    w->module = Value(rl_value_copy(held_by(env, m)));
    w->grad = rl_set_grad_mode(0);
    rl_set_grad_mode(w->grad);
    napi_value promise;
    check(env, napi_create_promise(env, &w->deferred, &promise));
    check(env, napi_create_reference(env, args[0], 1, &w->object));
    check(env,
          napi_create_async_work(env, nullptr, js_text(env, "rushlight"), run_work, finish_work, w.get(), &w->work));
    m.running++;
    check(env, napi_queue_async_work(env, w->work));
    w.release();
    return promise;
  });
}

napi_value methods(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_module_methods(held_by(env, module_at(env, args)), out.out()));
    return to_js(env, out);
  });
}
napi_value method_schema(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env,
          rl_module_schema(held_by(env, module_at(env, args)), word_of(env, args[1], "schema").c_str(), out.out()));
    return to_js(env, out);
  });
}
napi_value get(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_module_get(held_by(env, module_at(env, args)), word_of(env, args[1], "get").c_str(), out.out()));
    return to_js(env, out);
  });
}
napi_value set(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    const Value v = from_js(env, args[2], "set");
    check(env, rl_module_set(held_by(env, module_at(env, args)), word_of(env, args[1], "set").c_str(), v.get()));
    return args.undefined;
  });
}
napi_value module_state(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_module_state(held_by(env, module_at(env, args)), out.out()));
    return to_js(env, out);
  });
}
napi_value train(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    bool on;
    check(env, napi_get_value_bool(env, args[1], &on));
    check(env, rl_module_train(held_by(env, module_at(env, args)), on));
    return args.undefined;
  });
}
// to(module, dtype, device type, device index); -1: as it is
napi_value to(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    int32_t n[3];
    for (size_t i = 0; i < 3; i++) check(env, napi_get_value_int32(env, args[i + 1], &n[i]));
    check(env, rl_module_to(held_by(env, module_at(env, args)), n[0], n[1], n[2]));
    return args.undefined;
  });
}
napi_value save(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    const std::string path = word_of(env, args[1], "save: the path");
    Wrapped* w = wrapped_of(env, args[0]);
    if (w && !w->tensor) {
      check(env, rl_module_save(held_by(env, module_at(env, args)), path.c_str()));
    } else {
      const Value v = from_js(env, args[0], "save");
      check(env, rl_save(v.get(), path.c_str()));
    }
    return args.undefined;
  });
}
napi_value load(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    Value out;
    check(env, rl_load(word_of(env, args[0], "load: the path").c_str(), out.out()));
    return to_js(env, out);
  });
}

// ---- settings ----

napi_value manual_seed(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    int64_t seed;
    if (napi_get_value_int64(env, args[0], &seed) != napi_ok)
      type_error(env, "manualSeed: expected a number, got a " + kind_of(env, args[0]));
    check(env, rl_manual_seed(uint64_t(seed)));
    return args.undefined;
  });
}
napi_value threads(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    int32_t n;
    if (!is(env, args[0], napi_undefined)) {
      if (napi_get_value_int32(env, args[0], &n) != napi_ok)
        type_error(env, "setThreads: expected a number, got a " + kind_of(env, args[0]));
      check(env, rl_set_threads(n));
    }
    return js_number(env, rl_threads());
  });
}
napi_value grad_mode(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    bool on;
    napi_value out;
    check(env, napi_get_value_bool(env, args[0], &on));
    check(env, napi_get_boolean(env, rl_set_grad_mode(on) != 0, &out));
    return out;
  });
}

// begin({Tensor, ScriptModule, Tuple, Number}): the classes of index.js.
napi_value begin(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    Arguments args(env, info);
    State& s = *state_of(env);
    for (auto [name, ref] :
         {std::pair{"Tensor", &s.tensor}, {"ScriptModule", &s.module}, {"Tuple", &s.tuple}, {"Number", &s.number}}) {
      napi_value c;
      check(env, napi_get_named_property(env, args[0], name, &c));
      check(env, napi_create_reference(env, c, 1, ref));
    }
    return args.undefined;
  });
}

void wake_up(napi_env env, napi_value, void*, void*) {
  if (env) state_of(env)->drop_unused();
}

napi_value start(napi_env env, napi_value exports) {
  auto* state = new std::shared_ptr<State>(new State);
  (*state)->env = env;
  auto end = [](napi_env, void* data, void*) {
    auto* held = static_cast<std::shared_ptr<State>*>(data);
    {
      std::lock_guard lock((*held)->mutex);
      (*held)->ended = true;
      (*held)->wake = nullptr;
    }
    delete held;
  };
  check(env, napi_set_instance_data(env, state, end, nullptr));
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, js_text(env, "rushlight"), 0, 1, nullptr, nullptr,
                                             nullptr, wake_up, &(*state)->wake));
  check(env, napi_unref_threadsafe_function(env, (*state)->wake));
  // The function ends before the environment does.
  auto no_more = [](void* data) {
    auto* s = static_cast<State*>(data);
    std::lock_guard lock(s->mutex);
    s->ended = true;
    s->wake = nullptr;
  };
  check(env, napi_add_env_cleanup_hook(env, no_more, state->get()));
  const struct {
    const char* name;
    napi_callback f;
  } functions[] = {
      {"begin", begin},
      {"borrow", borrow},
      {"shape", shape},
      {"dtype", dtype},
      {"device", device},
      {"dtypeNames", dtype_names},
      {"data", data},
      {"text", text},
      {"requiresGrad", requires_grad},
      {"grad", grad},
      {"backward", backward},
      {"dispose", dispose},
      {"call", call},
      {"operatorNames", operator_names},
      {"schema", schema},
      {"loadModule", load_module},
      {"compile", compile},
      {"method", method},
      {"methodAsync", method_async},
      {"methods", methods},
      {"methodSchema", method_schema},
      {"get", get},
      {"set", set},
      {"state", module_state},
      {"train", train},
      {"to", to},
      {"save", save},
      {"load", load},
      {"manualSeed", manual_seed},
      {"threads", threads},
      {"gradMode", grad_mode},
  };
  for (const auto& [name, f] : functions) {
    napi_value function;
    check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, f, nullptr, &function));
    check(env, napi_set_named_property(env, exports, name, function));
  }
  for (const char* name : {"Tensor", "ScriptModule"}) {
    napi_value c;
    check(env, napi_define_class(env, name, NAPI_AUTO_LENGTH, construct, nullptr, 0, nullptr, &c));
    check(env, napi_set_named_property(env, exports, name, c));
  }
  check(env, napi_set_named_property(env, exports, "version", js_text(env, rl_version())));
  return exports;
}

}  // namespace

Wrapped* wrapped_of(napi_env env, napi_value object) {
  bool ours = false;
  void* data = nullptr;
  if (!is(env, object, napi_object) || napi_check_object_type_tag(env, object, &kTag, &ours) != napi_ok || !ours)
    return nullptr;
  return napi_unwrap(env, object, &data) == napi_ok ? static_cast<Wrapped*>(data) : nullptr;
}

napi_value wrap(napi_env env, Value v, napi_ref array) {
  auto w = std::make_unique<Wrapped>();
  w->tensor = rl_value_kind(v.get()) == RL_TENSOR;
  w->array = array;
  if (array) w->state = state_of(env);
  if (w->tensor && !array) {
    int64_t numel = 0, now;
    int32_t dtype = 0;
    check(env, rl_tensor_numel(v.get(), &numel));
    check(env, rl_tensor_dtype(v.get(), &dtype));
    w->bytes = 256 + numel * int64_t(rl_dtype_size(dtype));
    check(env, napi_adjust_external_memory(env, w->bytes, &now));
  }
  State& s = *state_of(env);
  napi_value constructor, out;
  check(env, napi_get_reference_value(env, w->tensor ? s.tensor : s.module, &constructor));
  w->value = std::move(v);
  being_made = w.release();
  const napi_status status = napi_new_instance(env, constructor, 0, nullptr, &out);
  delete std::exchange(being_made, nullptr);
  check(env, status);
  return out;
}

}  // namespace rushlight::node

NAPI_MODULE_INIT() {
  return rushlight::node::guarded(env, [&] { return rushlight::node::start(env, exports); });
}
