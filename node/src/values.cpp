#include <cmath>
#include <cstring>

#include "node_values.h"

namespace rushlight::node {
namespace {

constexpr int kDeepest = 100;  // of arrays in arrays, which also ends those that hold themselves

const char* name_of(int32_t kind) {
  constexpr const char* names[] = {"RuntimeError",        "ValueError",      "TypeError",    "IndexError",
                                   "NotImplementedError", "MemoryError",     "OSError",      "KeyError",
                                   "AttributeError",      "UnpicklingError", "InternalError"};
  return kind >= 0 && kind < int32_t(std::size(names)) ? names[kind] : names[0];
}

bool instance_of(napi_env env, napi_value v, napi_ref constructor) {
  napi_value c;
  bool yes = false;
  check(env, napi_get_reference_value(env, constructor, &c));
  check(env, napi_instanceof(env, v, c, &yes));
  return yes;
}

Value from_number(double v) {
  // Whole numbers are ints, which the library takes for floats too: new Float(2) is one that stays.
  if (std::trunc(v) == v && std::fabs(v) <= 9007199254740991.0) return Value(rl_int(int64_t(v)));
  return Value(rl_float(v));
}

Value from_array(napi_env env, napi_value v, const std::string& where, int depth, bool tuple) {
  const std::vector<napi_value> items = items_of(env, v);
  Value out;
  if (!tuple && !items.empty()) {  // shapes: no value for each number
    std::vector<int64_t> ints(items.size());
    std::vector<double> floats(items.size());
    bool numbers = true, whole = true;
    for (size_t i = 0; i < items.size() && numbers; i++) {
      numbers = is(env, items[i], napi_number);
      if (!numbers) break;
      check(env, napi_get_value_double(env, items[i], &floats[i]));
      whole = whole && std::trunc(floats[i]) == floats[i] && std::fabs(floats[i]) <= 9007199254740991.0;
      if (whole) ints[i] = int64_t(floats[i]);
    }
    if (numbers) {
      check(env, whole ? rl_int_list(ints.data(), ints.size(), out.out())
                       : rl_float_list(floats.data(), floats.size(), out.out()));
      return out;
    }
  }
  Values held;
  for (size_t i = 0; i < items.size(); i++)
    held.push_back(from_js(env, items[i], where + "[" + std::to_string(i) + "]", depth + 1));
  const auto all = pointers(held);
  check(env, (tuple ? rl_tuple : rl_list)(all.data(), all.size(), out.out()));
  return out;
}

Value from_entries(napi_env env, const std::vector<napi_value>& entries, const std::string& where, int depth) {
  Values keys, values;
  for (napi_value entry : entries) {
    const std::vector<napi_value> pair = items_of(env, entry);
    if (pair.size() != 2) type_error(env, where + ": expected entries of a dict");
    keys.push_back(from_js(env, pair[0], where + ", a key", depth + 1));
    std::string at = is(env, pair[0], napi_string) ? "['" + text_of(env, pair[0], where) + "']" : "[...]";
    values.push_back(from_js(env, pair[1], where + at, depth + 1));
  }
  const auto k = pointers(keys), v = pointers(values);
  Value out;
  check(env, rl_dict(k.data(), v.data(), k.size(), out.out()));
  return out;
}

// Calls a method or function of a global object: Array.from(x), Object.entries(x).
napi_value call_global(napi_env env, const char* object, const char* function, napi_value argument) {
  napi_value global, o, f, out;
  check(env, napi_get_global(env, &global));
  check(env, napi_get_named_property(env, global, object, &o));
  check(env, napi_get_named_property(env, o, function, &f));
  check(env, napi_call_function(env, o, f, 1, &argument, &out));
  return out;
}

bool is_map(napi_env env, napi_value v) {
  napi_value global, map;
  bool yes = false;
  check(env, napi_get_global(env, &global));
  check(env, napi_get_named_property(env, global, "Map", &map));
  check(env, napi_instanceof(env, v, map, &yes));
  return yes;
}

}  // namespace

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) {
    const napi_extended_error_info* info = nullptr;
    napi_get_last_error_info(env, &info);
    napi_throw_error(env, "InternalError", info && info->error_message ? info->error_message : "a call of Node failed");
  }
  throw Pending();
}
void type_error(napi_env env, const std::string& text) {
  napi_throw_type_error(env, "TypeError", text.c_str());
  throw Pending();
}
void range_error(napi_env env, const std::string& text) {
  napi_throw_range_error(env, "IndexError", text.c_str());
  throw Pending();
}
napi_value exception_of(napi_env env, rl_error* error) {
  const int32_t kind = rl_error_kind(error);
  const std::string text = rl_error_text(error);
  rl_error_free(error);
  napi_value code = js_text(env, name_of(kind)), message = js_text(env, text), out;
  auto make = kind == RL_TYPE_ERROR    ? napi_create_type_error
              : kind == RL_INDEX_ERROR ? napi_create_range_error
                                       : napi_create_error;
  check(env, make(env, code, message, &out));
  return out;
}
void check(napi_env env, rl_error* error) {
  if (!error) return;
  napi_throw(env, exception_of(env, error));
  throw Pending();
}

std::vector<const rl_value*> pointers(const Values& values) {
  std::vector<const rl_value*> out;
  for (const Value& v : values) out.push_back(v.get());
  return out;
}

void State::let_go(napi_ref array) {
  std::lock_guard lock(mutex);
  if (ended) return;  // the references went with the environment
  unused.push_back(array);
  if (wake) napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking);
}
void State::drop_unused() {
  std::vector<napi_ref> mine;
  {
    std::lock_guard lock(mutex);
    mine.swap(unused);
  }
  for (napi_ref r : mine) napi_delete_reference(env, r);
}

std::shared_ptr<State>& state_of(node_api_basic_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<std::shared_ptr<State>*>(data);
}

rl_value* held_by(napi_env env, const Wrapped& w) {
  if (!w.value.get()) type_error(env, w.tensor ? "this tensor was disposed" : "this module was disposed");
  if (w.array) {
    napi_value buffer;
    bool gone = false;
    check(env, napi_get_reference_value(env, w.array, &buffer));
    check(env, napi_is_detached_arraybuffer(env, buffer, &gone));
    if (gone) type_error(env, "this tensor's memory is an ArrayBuffer that was detached (transferred); copy it first");
  }
  return w.value.get();
}

Value from_js(napi_env env, napi_value v, const std::string& where, int depth) {
  if (depth > kDeepest) range_error(env, where + ": more than 100 levels of arrays, or one that holds itself");
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  switch (type) {
    case napi_undefined:
    case napi_null: return Value(rl_none());
    case napi_boolean: {
      bool b;
      check(env, napi_get_value_bool(env, v, &b));
      return Value(rl_bool(b));
    }
    case napi_number: {
      double d;
      check(env, napi_get_value_double(env, v, &d));
      return from_number(d);
    }
    case napi_bigint: {
      int64_t i;
      bool whole;
      check(env, napi_get_value_bigint_int64(env, v, &i, &whole));
      if (!whole) range_error(env, where + ": a BigInt of more than 64 bits");
      return Value(rl_int(i));
    }
    case napi_string: {
      const std::string text = text_of(env, v, where);
      return Value(rl_string(text.data(), text.size()));
    }
    case napi_object: break;
    default:
      type_error(env,
                 where + ": expected a tensor, number, string, boolean, array or object, got a " + kind_of(env, v));
  }
  State& state = *state_of(env);
  if (Wrapped* w = wrapped_of(env, v)) return Value(rl_value_copy(held_by(env, *w)));
  bool yes;
  check(env, napi_is_array(env, v, &yes));
  if (yes) return from_array(env, v, where, depth, instance_of(env, v, state.tuple));
  check(env, napi_is_typedarray(env, v, &yes));
  if (yes)
    type_error(env,
               where + ": a typed array is no tensor by itself; rl.tensor(array, shape) makes one over its memory");
  if (instance_of(env, v, state.number)) {  // Float, Complex, DType, Device: their parts tell them apart
    napi_value parts;
    check(env, napi_get_named_property(env, v, "parts", &parts));
    const std::vector<napi_value> numbers = items_of(env, parts);
    double d[3] = {};
    if (numbers.size() != 3) type_error(env, where + ": expected a number's parts");
    for (size_t i = 0; i < 3; i++)
      if (napi_get_value_double(env, numbers[i], &d[i]) != napi_ok) type_error(env, where + ": expected numbers");
    if (d[0] == 0) return Value(rl_float(d[1]));
    if (d[0] == 1) return Value(rl_complex(d[1], d[2]));
    if (d[0] == 2) return Value(rl_int(int64_t(d[1])));
    Value device(rl_device(int32_t(d[1]), int32_t(d[2])));
    if (!device.get()) range_error(env, where + ": no such device");
    return device;
  }
  if (is_map(env, v)) return from_entries(env, items_of(env, call_global(env, "Array", "from", v)), where, depth);
  return from_entries(env, items_of(env, call_global(env, "Object", "entries", v)), where, depth);
}

napi_value to_js(napi_env env, const Value& v, int depth) {
  if (depth > kDeepest) range_error(env, "a result of more than 100 levels");
  napi_value out = nullptr;
  switch (rl_value_kind(v.get())) {
    case RL_NONE: check(env, napi_get_null(env, &out)); return out;
    case RL_BOOL: {
      int32_t b;
      check(env, rl_get_bool(v.get(), &b));
      check(env, napi_get_boolean(env, b != 0, &out));
      return out;
    }
    case RL_INT: {
      int64_t i;
      check(env, rl_get_int(v.get(), &i));
      const bool safe = i <= 9007199254740991 && i >= -9007199254740991;
      check(env, safe ? napi_create_int64(env, i, &out) : napi_create_bigint_int64(env, i, &out));
      return out;
    }
    case RL_FLOAT: {
      double d;
      check(env, rl_get_float(v.get(), &d));
      return js_number(env, d);
    }
    case RL_STRING: {
      const char* text;
      size_t n;
      check(env, rl_get_string(v.get(), &text, &n));
      return js_text(env, text, n);
    }
    case RL_COMPLEX: {
      double re, im;
      check(env, rl_get_complex(v.get(), &re, &im));
      check(env, napi_create_object(env, &out));
      check(env, napi_set_named_property(env, out, "re", js_number(env, re)));
      check(env, napi_set_named_property(env, out, "im", js_number(env, im)));
      return out;
    }
    case RL_TENSOR:
    case RL_MODULE: return wrap(env, Value(rl_value_copy(v.get())));
    case RL_LIST:
    case RL_TUPLE: {
      size_t n;
      check(env, rl_length(v.get(), &n));
      if (rl_value_kind(v.get()) == RL_TUPLE) {
        napi_value constructor;
        check(env, napi_get_reference_value(env, state_of(env)->tuple, &constructor));
        check(env, napi_new_instance(env, constructor, 0, nullptr, &out));
      } else {
        check(env, napi_create_array_with_length(env, n, &out));
      }
      for (size_t i = 0; i < n; i++) {
        Value item;
        check(env, rl_item(v.get(), i, item.out()));
        check(env, napi_set_element(env, out, uint32_t(i), to_js(env, item, depth + 1)));
      }
      return out;
    }
    case RL_DICT: {
      size_t n;
      check(env, rl_length(v.get(), &n));
      napi_value global, map, set;
      check(env, napi_get_global(env, &global));
      check(env, napi_get_named_property(env, global, "Map", &map));
      check(env, napi_new_instance(env, map, 0, nullptr, &out));
      check(env, napi_get_named_property(env, out, "set", &set));
      for (size_t i = 0; i < n; i++) {
        Value key, value;
        check(env, rl_entry(v.get(), i, key.out(), value.out()));
        napi_value pair[] = {to_js(env, key, depth + 1), to_js(env, value, depth + 1)};
        check(env, napi_call_function(env, out, set, 2, pair, nullptr));
      }
      return out;
    }
    default: {  // devices, generators, objects of a script's classes: as they print
      Value text;
      check(env, rl_value_text(v.get(), text.out()));
      return to_js(env, text, depth + 1);
    }
  }
}

std::string text_of(napi_env env, napi_value v, const std::string& where) {
  if (!is(env, v, napi_string)) type_error(env, where + ": expected a string, got a " + kind_of(env, v));
  size_t n;
  check(env, napi_get_value_string_utf8(env, v, nullptr, 0, &n));
  std::string out(n + 1, 0);
  check(env, napi_get_value_string_utf8(env, v, out.data(), n + 1, &n));
  out.resize(n);
  return out;
}

std::string word_of(napi_env env, napi_value v, const std::string& where) {
  std::string text = text_of(env, v, where);
  if (text.find('\0') != std::string::npos) type_error(env, where + ": expected a string without null characters");
  return text;
}

std::string kind_of(napi_env env, napi_value v) {
  napi_valuetype type;
  check(env, napi_typeof(env, v, &type));
  switch (type) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "boolean";
    case napi_number: return "number";
    case napi_string: return "string";
    case napi_symbol: return "symbol";
    case napi_function: return "function";
    case napi_bigint: return "bigint";
    default: break;
  }
  bool yes = false;
  check(env, napi_is_array(env, v, &yes));
  if (yes) return "array";
  check(env, napi_is_typedarray(env, v, &yes));
  if (yes) return "typed array";
  Wrapped* w = wrapped_of(env, v);
  return w ? w->tensor ? "Tensor" : "ScriptModule" : "object";
}

napi_value js_text(napi_env env, const char* text, size_t n) {
  napi_value out;
  check(env, napi_create_string_utf8(env, text, n, &out));
  return out;
}
napi_value js_text(napi_env env, const std::string& text) { return js_text(env, text.data(), text.size()); }
napi_value js_number(napi_env env, double v) {
  napi_value out;
  check(env, napi_create_double(env, v, &out));
  return out;
}
std::vector<napi_value> items_of(napi_env env, napi_value array) {
  uint32_t n;
  if (napi_get_array_length(env, array, &n) != napi_ok)
    type_error(env, "expected an array, got a " + kind_of(env, array));
  std::vector<napi_value> out;
  // Not `n` at once: new Array(2 ** 32 - 1) has a length and no memory.
  for (uint32_t i = 0; i < n; i++) {
    napi_value item;
    check(env, napi_get_element(env, array, i, &item));
    out.push_back(item);
    if (i == (1u << 24)) range_error(env, "an array of more than 16 million items; use a typed array");
  }
  return out;
}
bool is(napi_env env, napi_value v, napi_valuetype type) {
  napi_valuetype of;
  check(env, napi_typeof(env, v, &of));
  return of == type;
}

Arguments::Arguments(napi_env env, napi_callback_info info) {
  size_t n = 0;
  check(env, napi_get_cb_info(env, info, &n, nullptr, &self, nullptr));
  given.resize(n);
  check(env, napi_get_cb_info(env, info, &n, given.data(), nullptr, nullptr));
  check(env, napi_get_undefined(env, &undefined));
}

}  // namespace rushlight::node
