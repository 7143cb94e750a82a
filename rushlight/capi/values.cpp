// Errors, values and tensors of the C interface.
#include "rushlight/io/values.h"

#include "rushlight/capi/handles.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/ir.h"
#include "rushlight/io/file.h"

namespace rushlight::capi {

static rl_error out_of_memory{RL_MEMORY_ERROR, "out of memory"};

rl_error* error_of(int32_t kind, const char* text) noexcept {
  try {
    bool known = kind >= RL_RUNTIME_ERROR && kind <= RL_INTERNAL_ERROR;
    return new rl_error{known ? kind : RL_RUNTIME_ERROR, text ? text : ""};
  } catch (...) { return &out_of_memory; }
}

void throw_returned(rl_error* e, const std::string& who) {
  if (!e) return;
  Error error(ErrorKind(e->kind), str(who, ": ", e->text));
  rl_error_free(e);
  throw error;
}

const Tensor& tensor_of(const rl_value* v, const char* function) {
  const IValue& value = value_of(v, function, "the tensor");
  RL_CHECK(TypeError, value.is_tensor(), function, ": expected a tensor, got a ", value.kind_name());
  return value.tensor();
}

namespace {

DType dtype_of_number(int32_t d, const char* function) {
  RL_CHECK(ValueError, is_dtype_number(d), function, ": no dtype has the number ", d);
  return DType(d);
}
rushlight::Device device_of(int32_t type, int32_t index, const char* function) {
  RL_CHECK(ValueError, type >= 0 && type < kDeviceTypes, function, ": no device has the number ", type);
  RL_CHECK(ValueError, index >= -1 && index < 128, function, ": a device's index is -1 to 127, got ", index);
  return {DeviceType(type), int8_t(index)};
}
// An array that a caller says has n items: there has to be one, and memory for as many.
template <class T>
void check_array(const T* p, size_t n, const char* function, const char* what) {
  if (n) need(p, function, what);
  RL_CHECK(ValueError, n <= PTRDIFF_MAX / sizeof(T), function, ": ", what, " can't have ", n, " items");
}
IntArrayRef ints_of(const int64_t* p, size_t n, const char* function, const char* what) {
  check_array(p, n, function, what);
  return {p, n};
}

// The element type of a list of these.
TypePtr common_type(const std::vector<IValue>& items) {
  TypePtr type;
  for (const IValue& i : items) {
    TypePtr t = i.type();
    if (type && !type->equals(*t)) return Type::any();
    type = t;
  }
  return type ? type : Type::any();
}
std::vector<IValue> values_of(const rl_value* const* items, size_t n, const char* function) {
  std::vector<IValue> out;
  check_array(items, n, function, "the array of items");
  for (size_t i = 0; i < n; i++) out.push_back(value_of(items[i], function, "an item"));
  return out;
}

// NULL where there is no memory left, or no such value: who is passed it says so.
template <class F>
rl_value* made_by(const F& f) noexcept {
  try {
    return give(f());
  } catch (...) { return nullptr; }
}
rl_value* made(const IValue& v) {
  return made_by([&] { return v; });
}

void release_in_order(void (*release)(void*, void*), void* context, void* data) {
  if (release) release(context, data);
}

}  // namespace
}  // namespace rushlight::capi

using namespace rushlight;
using namespace rushlight::capi;

uint32_t rl_abi_version(void) { return RL_ABI_VERSION; }
const char* rl_version(void) { return RL_VERSION_TEXT; }

// ---- errors ----------------------------------------------------------------------------------------------------------------------

rl_error* rl_error_new(int32_t kind, const char* text) { return error_of(kind, text); }
int32_t rl_error_kind(const rl_error* e) { return e ? e->kind : RL_RUNTIME_ERROR; }
const char* rl_error_text(const rl_error* e) { return e ? e->text.c_str() : ""; }
void rl_error_free(rl_error* e) {
  if (e != &out_of_memory) delete e;
}

// ---- values ----------------------------------------------------------------------------------------------------------------------

int32_t rl_value_kind(const rl_value* v) {
  if (!v) return RL_NONE;
  switch (v->v.tag()) {
    case IValue::Tag::None: return RL_NONE;
    case IValue::Tag::Bool: return RL_BOOL;
    case IValue::Tag::Int: return RL_INT;
    case IValue::Tag::Double: return RL_FLOAT;
    case IValue::Tag::Complex: return RL_COMPLEX;
    case IValue::Tag::String: return RL_STRING;
    case IValue::Tag::Device: return RL_DEVICE;
    case IValue::Tag::Tensor: return RL_TENSOR;
    case IValue::Tag::IntList:
    case IValue::Tag::DoubleList:
    case IValue::Tag::BoolList:
    case IValue::Tag::TensorList:
    case IValue::Tag::List: return RL_LIST;
    case IValue::Tag::Tuple: return RL_TUPLE;
    case IValue::Tag::Dict: return RL_DICT;
    case IValue::Tag::Object: return api::IValue(v->v).isModule() ? RL_MODULE : RL_OBJECT;
    case IValue::Tag::Generator: return RL_GENERATOR;
    case IValue::Tag::Capsule: return RL_OTHER;
  }
  return RL_OTHER;
}
rl_value* rl_value_copy(const rl_value* v) { return made(v ? v->v : IValue()); }
void rl_value_free(rl_value* v) { delete v; }
rl_error* rl_value_text(const rl_value* v, rl_value** text) {
  return guarded([&] {
    const IValue& value = value_of(v, "rl_value_text");
    std::ostringstream out;
    out << api::IValue(value);
    need(text, "rl_value_text", "where the text goes") = give(out.str());
  });
}
int32_t rl_value_is(const rl_value* a, const rl_value* b) { return (a ? a->v : IValue()).is_same(b ? b->v : IValue()); }

rl_value* rl_none(void) { return made({}); }
rl_value* rl_bool(int32_t v) { return made(v != 0); }
rl_value* rl_int(int64_t v) { return made(v); }
rl_value* rl_float(double v) { return made(v); }
rl_value* rl_complex(double real, double imaginary) {
  return made_by([&] { return IValue(complex128(real, imaginary)); });
}
rl_value* rl_string(const char* text, size_t length) {
  return made_by([&] { return IValue(std::string(text ? text : "", text ? length : 0)); });
}
rl_value* rl_device(int32_t type, int32_t index) {
  return made_by([&] { return IValue(device_of(type, index, "rl_device")); });
}

rl_error* rl_get_bool(const rl_value* v, int32_t* out) {
  return guarded([&] { need(out, "rl_get_bool", "out") = value_of(v, "rl_get_bool").to_bool(); });
}
rl_error* rl_get_int(const rl_value* v, int64_t* out) {
  return guarded([&] { need(out, "rl_get_int", "out") = value_of(v, "rl_get_int").to_int(); });
}
rl_error* rl_get_float(const rl_value* v, double* out) {
  return guarded([&] { need(out, "rl_get_float", "out") = value_of(v, "rl_get_float").to_double(); });
}
rl_error* rl_get_complex(const rl_value* v, double* real, double* imaginary) {
  return guarded([&] {
    complex128 c = value_of(v, "rl_get_complex").to_complex();
    need(real, "rl_get_complex", "real") = c.real();
    need(imaginary, "rl_get_complex", "imaginary") = c.imag();
  });
}
rl_error* rl_get_string(const rl_value* v, const char** text, size_t* length) {
  return guarded([&] {
    std::string_view s = value_of(v, "rl_get_string").to_string();
    need(text, "rl_get_string", "text") = s.data();
    need(length, "rl_get_string", "length") = s.size();
  });
}
rl_error* rl_get_device(const rl_value* v, int32_t* type, int32_t* index) {
  return guarded([&] {
    rushlight::Device d = value_of(v, "rl_get_device").to_device();
    need(type, "rl_get_device", "type") = int32_t(d.type);
    need(index, "rl_get_device", "index") = d.index;
  });
}

rl_error* rl_list(const rl_value* const* items, size_t n, rl_value** out) {
  return guarded([&] {
    std::vector<IValue> values = values_of(items, n, "rl_list");
    TypePtr type = common_type(values);
    need(out, "rl_list", "out") = give(graph::make_list(type, std::move(values)));
  });
}
rl_error* rl_int_list(const int64_t* items, size_t n, rl_value** out) {
  return guarded(
      [&] { need(out, "rl_int_list", "out") = give(ints_of(items, n, "rl_int_list", "the array of items").vec()); });
}
rl_error* rl_float_list(const double* items, size_t n, rl_value** out) {
  return guarded([&] {
    check_array(items, n, "rl_float_list", "the array of items");
    need(out, "rl_float_list", "out") = give(std::vector<double>(items, items + n));
  });
}
rl_error* rl_tuple(const rl_value* const* items, size_t n, rl_value** out) {
  return guarded([&] { need(out, "rl_tuple", "out") = give(IValue::tuple(values_of(items, n, "rl_tuple"))); });
}
rl_error* rl_dict(const rl_value* const* keys, const rl_value* const* values, size_t n, rl_value** out) {
  return guarded([&] {
    std::vector<IValue> k = values_of(keys, n, "rl_dict"), v = values_of(values, n, "rl_dict");
    for (const IValue& key : k)
      RL_CHECK(TypeError, key.is_int() || key.is_bool() || key.is_double() || key.is_string(),
               "rl_dict: a key is an int, a float, a bool or a text, got a ", key.kind_name());
    auto dict = make_ref<DictValue>(common_type(k), common_type(v));
    for (size_t i = 0; i < n; i++) dict->set(std::move(k[i]), std::move(v[i]));
    need(out, "rl_dict", "out") = give(std::move(dict));
  });
}
rl_error* rl_length(const rl_value* v, size_t* out) {
  return guarded([&] {
    const IValue& value = value_of(v, "rl_length");
    RL_CHECK(TypeError, value.is_tuple() || value.is_dict() || value.is_any_list(),
             "rl_length: expected a list, a tuple or a dict, got a ", value.kind_name());
    need(out, "rl_length", "out") = value.is_tuple()  ? value.to_tuple().items.size()
                                    : value.is_dict() ? value.dict().items.size()
                                                      : graph::list_size(value);
  });
}
rl_error* rl_item(const rl_value* v, size_t i, rl_value** out) {
  return guarded([&] {
    const IValue& value = value_of(v, "rl_item");
    RL_CHECK(TypeError, value.is_tuple() || value.is_any_list(), "rl_item: expected a list or a tuple, got a ",
             value.kind_name());
    size_t n = value.is_tuple() ? value.to_tuple().items.size() : graph::list_size(value);
    RL_CHECK(IndexError, i < n, "rl_item: index ", i, " is out of range for ", n, " items");
    need(out, "rl_item", "out") = give(value.is_tuple() ? value.to_tuple().items[i] : graph::list_get(value, i));
  });
}
rl_error* rl_entry(const rl_value* v, size_t i, rl_value** key, rl_value** value) {
  return guarded([&] {
    const IValue& dict = value_of(v, "rl_entry", "the dict");
    RL_CHECK(TypeError, dict.is_dict(), "rl_entry: expected a dict, got a ", dict.kind_name());
    const auto& items = dict.dict().items;
    RL_CHECK(IndexError, i < items.size(), "rl_entry: index ", i, " is out of range for ", items.size(), " entries");
    rl_value*& to = need(value, "rl_entry", "value");
    need(key, "rl_entry", "key") = give(items[i].first);
    to = give(items[i].second);
  });
}

// ---- tensors ---------------------------------------------------------------------------------------------------------------------

const char* rl_dtype_name(int32_t dtype) { return is_dtype_number(dtype) ? name_of(DType(dtype)).data() : nullptr; }
size_t rl_dtype_size(int32_t dtype) { return is_dtype_number(dtype) ? size_t(item_size(DType(dtype))) : 0; }

rl_error* rl_tensor_empty(const int64_t* sizes, size_t dims, int32_t dtype, int32_t device_type, int32_t device_index,
                          rl_value** out) {
  return guarded([&] {
    const char* me = "rl_tensor_empty";
    need(out, me, "out") = give(empty_tensor(ints_of(sizes, dims, me, "sizes"), dtype_of_number(dtype, me),
                                             device_of(device_type, device_index, me)));
  });
}
rl_error* rl_tensor_borrow(void* data, const int64_t* sizes, const int64_t* strides, size_t dims, int32_t dtype,
                           void (*release)(void* context, void* data), void* context, rl_value** out) {
  bool taken = false;  // from_blob sees to the release, whatever comes of it
  rl_error* e = guarded([&] {
    const char* me = "rl_tensor_borrow";
    need(out, me, "out");
    IntArrayRef shape = ints_of(sizes, dims, me, "sizes");
    DType d = dtype_of_number(dtype, me);
    for (int64_t s : shape) RL_CHECK(ValueError, s >= 0, me, ": sizes can't be negative, got ", shape);
    Dims contiguous;
    if (!strides) contiguous = contiguous_strides(shape);
    std::function<void(void*)> deleter;
    if (release) deleter = [release, context](void* p) { release(context, p); };
    taken = true;
    *out = give(rushlight::Tensor(
        api::from_blob(data, shape, strides ? IntArrayRef(strides, dims) : IntArrayRef(contiguous), deleter, d)));
  });
  if (e && !taken) release_in_order(release, context, data);
  return e;
}
rl_error* rl_tensor_sizes(const rl_value* tensor, const int64_t** sizes, size_t* dims) {
  return guarded([&] {
    const rushlight::Tensor& t = tensor_of(tensor, "rl_tensor_sizes");
    need(sizes, "rl_tensor_sizes", "sizes") = t.sizes().data();
    need(dims, "rl_tensor_sizes", "dims") = t.sizes().size();
  });
}
rl_error* rl_tensor_strides(const rl_value* tensor, const int64_t** strides, size_t* dims) {
  return guarded([&] {
    const rushlight::Tensor& t = tensor_of(tensor, "rl_tensor_strides");
    need(strides, "rl_tensor_strides", "strides") = t.strides().data();
    need(dims, "rl_tensor_strides", "dims") = t.strides().size();
  });
}
rl_error* rl_tensor_numel(const rl_value* tensor, int64_t* out) {
  return guarded([&] { need(out, "rl_tensor_numel", "out") = tensor_of(tensor, "rl_tensor_numel").numel(); });
}
rl_error* rl_tensor_dtype(const rl_value* tensor, int32_t* out) {
  return guarded([&] { need(out, "rl_tensor_dtype", "out") = int32_t(tensor_of(tensor, "rl_tensor_dtype").dtype()); });
}
rl_error* rl_tensor_device(const rl_value* tensor, int32_t* type, int32_t* index) {
  return guarded([&] {
    rushlight::Device d = tensor_of(tensor, "rl_tensor_device").device();
    need(type, "rl_tensor_device", "type") = int32_t(d.type);
    need(index, "rl_tensor_device", "index") = d.index;
  });
}
rl_error* rl_tensor_is_contiguous(const rl_value* tensor, int32_t* out) {
  return guarded([&] {
    need(out, "rl_tensor_is_contiguous", "out") = tensor_of(tensor, "rl_tensor_is_contiguous").is_contiguous();
  });
}
rl_error* rl_tensor_data(const rl_value* tensor, void** out) {
  return guarded([&] {
    const rushlight::Tensor& t = tensor_of(tensor, "rl_tensor_data");
    check_has_memory(t, "rl_tensor_data");
    RL_CHECK(RuntimeError, !t.impl()->parts(),
             "rl_tensor_data: a sparse tensor has no memory of its own; call to_dense");
    need(out, "rl_tensor_data", "out") = nullptr;
    materialize(t.storage());  // who has the address may write
    *out = t.raw();
  });
}
rl_error* rl_tensor_written(const rl_value* tensor) {
  return guarded([&] { tensor_of(tensor, "rl_tensor_written").impl()->bump_version(); });
}
rl_error* rl_tensor_requires_grad(const rl_value* tensor, int32_t* out) {
  return guarded([&] {
    need(out, "rl_tensor_requires_grad", "out") = tensor_of(tensor, "rl_tensor_requires_grad").requires_grad();
  });
}
rl_error* rl_tensor_set_requires_grad(const rl_value* tensor, int32_t on) {
  return guarded([&] { api::Tensor(tensor_of(tensor, "rl_tensor_set_requires_grad")).set_requires_grad(on != 0); });
}
rl_error* rl_tensor_backward(const rl_value* tensor, const rl_value* gradient) {
  return guarded([&] {
    api::Tensor t = tensor_of(tensor, "rl_tensor_backward");
    t.backward(gradient ? api::Tensor(tensor_of(gradient, "rl_tensor_backward")) : api::Tensor());
  });
}
rl_error* rl_tensor_grad(const rl_value* tensor, rl_value** out) {
  return guarded([&] {
    need(out, "rl_tensor_grad", "out") =
        give(rushlight::Tensor(api::Tensor(tensor_of(tensor, "rl_tensor_grad")).grad()));
  });
}

// ---- settings --------------------------------------------------------------------------------------------------------------------

int32_t rl_threads(void) { return api::get_num_threads(); }
rl_error* rl_set_threads(int32_t n) {
  return guarded([&] { api::set_num_threads(n); });
}
rl_error* rl_manual_seed(uint64_t seed) {
  return guarded([&] { api::manual_seed(seed); });
}
int32_t rl_set_grad_mode(int32_t on) { return std::exchange(thread_state.grad_enabled, on != 0); }
int32_t rl_set_inference_mode(int32_t on) { return std::exchange(thread_state.inference_mode, on != 0); }
