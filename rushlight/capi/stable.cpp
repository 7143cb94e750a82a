// PyTorch's stable C names (torch/csrc/stable, and the part of the AOTI shims that it calls) over this library: a plug-in that was compiled
// against PyTorch's headers of that interface finds them here.
//
// What crosses is 64 bits wide. A number is its bits; a tensor, list or text a handle that whoever gets it owns; an optional is 0 or points to
// another such value on the heap. Which it is the operator's schema says.
#include <algorithm>
#include <cstring>

#include "rushlight/capi/handles.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/kernels/parallel.h"

using namespace rushlight;
using namespace rushlight::capi;

namespace {

using Stable = uint64_t;
using Status = int32_t;
constexpr Status kDone = 0, kFailed = 1;
using TensorHandle = rushlight::Tensor*;
using GeneratorHandle = Ref<rushlight::Generator>*;
using StableList = std::vector<Stable>;
using StableFunction = void (*)(Stable*, uint64_t, uint64_t);

// Null where the library could not be made: who loads the plug-in is told, and what it registers goes nowhere.
struct StableLibrary {
  std::unique_ptr<OpLibrary> library;
  DispatchKey key = DispatchKey::CompositeImplicitAutograd;
};

thread_local std::string last_error;

template <class F>
Status run(const F& f) noexcept {
  try {
    f();
    return kDone;
  } catch (const std::exception& e) { last_error = e.what(); } catch (...) {
    last_error = "an exception of an unknown type";
  }
  return kFailed;
}

template <class T>
Stable bits_of(T v) {
  Stable out = 0;
  std::memcpy(&out, &v, sizeof(v));
  return out;
}
template <class T>
T from_bits(Stable v) {
  T out;
  std::memcpy(&out, &v, sizeof(out));
  return out;
}
bool is_number_of_enum(const std::string& name) {
  for (const char* e : {"ScalarType", "Layout", "MemoryFormat"})
    if (name.rfind(e, 0) == 0) return true;
  return false;
}
[[noreturn]] void fail_type(const Type& type) {
  throw NotImplementedError(str("the stable interface has no form of values of type ", type.text()));
}

// Both take the written type's name along, which says what an int stands for.
Stable lower(const IValue& v, const Type& type, const std::string& name) {
  switch (type.kind()) {
    case Type::Kind::Optional: return v.is_none() ? 0 : bits_of(new Stable(lower(v, *type.element(), name)));
    case Type::Kind::Tensor: return bits_of(new rushlight::Tensor(v.optional_tensor()));
    case Type::Kind::Int: return is_number_of_enum(name) ? bits_of(int32_t(v.to_int())) : bits_of(v.to_int());
    case Type::Kind::Float: return bits_of(v.to_double());
    case Type::Kind::Bool: return bits_of(v.to_bool());
    case Type::Kind::String: return bits_of(new std::string(v.to_string()));
    case Type::Kind::Device: {
      rushlight::Device d = v.to_device();
      return uint64_t(uint32_t(d.type)) << 32 | uint32_t(int32_t(d.index));
    }
    case Type::Kind::Generator: return bits_of(new Ref<rushlight::Generator>(v.generator()));
    case Type::Kind::List: {
      auto list = std::make_unique<StableList>();
      for (size_t i = 0, n = graph::list_size(v); i < n; i++)
        list->push_back(lower(graph::list_get(v, i), *type.element(), name));
      return bits_of(list.release());
    }
    default: fail_type(type);
  }
}
// Takes over what a handle owns.
IValue raise(Stable s, const Type& type, const std::string& name) {
  switch (type.kind()) {
    case Type::Kind::Optional: {
      if (!s) return {};
      std::unique_ptr<Stable> inner(from_bits<Stable*>(s));
      return raise(*inner, *type.element(), name);
    }
    case Type::Kind::Tensor: {
      std::unique_ptr<rushlight::Tensor> t(from_bits<TensorHandle>(s));
      return t ? IValue(std::move(*t)) : IValue();
    }
    case Type::Kind::Int:
      return is_number_of_enum(name) ? IValue(int64_t(from_bits<int32_t>(s))) : IValue(from_bits<int64_t>(s));
    case Type::Kind::Float: return from_bits<double>(s);
    case Type::Kind::Bool: return (s & 0xff) != 0;
    case Type::Kind::String: {
      std::unique_ptr<std::string> text(from_bits<std::string*>(s));
      return text ? IValue(std::move(*text)) : IValue(std::string());
    }
    case Type::Kind::Device: {
      uint32_t device = uint32_t(s >> 32);
      RL_CHECK(ValueError, device < uint32_t(kDeviceTypes), "no device has the number ", device);
      return rushlight::Device{DeviceType(device), int8_t(int32_t(uint32_t(s)))};
    }
    case Type::Kind::Generator: {
      std::unique_ptr<Ref<rushlight::Generator>> g(from_bits<GeneratorHandle>(s));
      return g ? IValue(*g) : IValue();
    }
    case Type::Kind::List: {
      std::unique_ptr<StableList> list(from_bits<StableList*>(s));
      std::vector<IValue> items;
      if (list)
        for (Stable item : *list) items.push_back(raise(item, *type.element(), name));
      return graph::make_list(type.element(), std::move(items));
    }
    default: fail_type(type);
  }
}

class StableKernel final : public BoxedKernel {
 public:
  explicit StableKernel(StableFunction f) : f_(f) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    const auto& schema = op.schema();
    size_t n = schema.args.size(), m = schema.returns.size();
    std::vector<Stable> stack(std::max(n, m));
    for (size_t i = 0; i < n; i++) stack[i] = lower(args[i], *schema.args[i].type, schema.args[i].type_name);
    try {
      f_(stack.data(), n, m);
    } catch (const Error&) { throw; } catch (const std::exception& e) {
      // What failed inside of a call of ours says more than the plug-in's own text.
      throw RuntimeError(
          str(op.symbol(), ": ", e.what(), last_error.empty() ? "" : str("\n", std::exchange(last_error, ""))));
    } catch (...) { throw RuntimeError(str(op.symbol(), ": an exception of an unknown type came out of its kernel")); }
    for (size_t i = 0; i < m; i++) rets[i] = raise(stack[i], *schema.returns[i].type, schema.returns[i].type_name);
  }

 private:
  StableFunction f_;
};

Status new_library(OpLibrary::Kind kind, const char* ns, const char* key, const char* file, uint32_t line,
                   StableLibrary** out) {
  // Called while a library is loaded, where an exception would end the process.
  auto made = std::make_unique<StableLibrary>();
  try {
    if (key && *key) made->key = parse_dispatch_key(key);
    made->library = std::make_unique<OpLibrary>(kind, ns, str("registered at ", file, ":", line));
  } catch (const std::exception& e) { registration_failed(e.what()); }
  *out = made.release();
  return kDone;
}
template <class F>
Status registering(StableLibrary* library, const F& f) {
  if (!library || !library->library) return kDone;  // told already
  try {
    f(*library->library);
  } catch (const std::exception& e) { registration_failed(e.what()); }
  return kDone;
}

Status call_stable(const char* name, const char* overload, Stable* stack) {
  return run([&] {
    const Op& op = find_op(overload && *overload ? str(name, ".", overload) : std::string(name));
    const auto& schema = op.schema();
    std::vector<IValue> args;
    for (size_t i = 0; i < schema.args.size(); i++)
      args.push_back(raise(stack[i], *schema.args[i].type, schema.args[i].type_name));
    std::vector<IValue> rets(std::max<size_t>(schema.returns.size(), kMaxResults));
    rushlight::call(op, args.data(), rets.data());
    for (size_t i = 0; i < schema.returns.size(); i++)
      stack[i] = lower(rets[i], *schema.returns[i].type, schema.returns[i].type_name);
  });
}

api::TensorOptions options_of(const int32_t* dtype, const int32_t* device, int32_t index) {
  api::TensorOptions o;
  if (dtype) o = o.dtype(DType(*dtype));
  if (device) o = o.device(api::Device(DeviceType(*device), api::DeviceIndex(index)));
  return o;
}
TensorHandle owned(rushlight::Tensor t) { return new rushlight::Tensor(std::move(t)); }
api::Tensor& seen(TensorHandle t) { return static_cast<api::Tensor&>(*t); }

rushlight::Tensor over_blob(void* data, int64_t ndim, const int64_t* sizes, const int64_t* strides, int64_t offset,
                            int32_t dtype, int32_t device, int32_t index, const std::function<void(void*)>& deleter) {
  RL_CHECK(ValueError, is_dtype_number(dtype), "from_blob: no dtype has the number ", dtype);
  auto* first = static_cast<char*>(data) + offset * item_size(DType(dtype));
  auto options = api::TensorOptions(DType(dtype)).device(api::Device(DeviceType(device), api::DeviceIndex(index)));
  std::function<void(void*)> release;
  if (deleter) release = [data, deleter](void*) { deleter(data); };
  return api::from_blob(first, IntArrayRef(sizes, size_t(ndim)), IntArrayRef(strides, size_t(ndim)), release, options);
}

}  // namespace

extern "C" {

#define RL_CONSTANT(name, value) \
  RL_EXPORT int32_t aoti_torch_##name(void) { return int32_t(value); }
RL_CONSTANT(dtype_uint8, DType::UInt8)
RL_CONSTANT(dtype_int8, DType::Int8)
RL_CONSTANT(dtype_int16, DType::Int16)
RL_CONSTANT(dtype_int32, DType::Int32)
RL_CONSTANT(dtype_int64, DType::Int64)
RL_CONSTANT(dtype_uint16, DType::UInt16)
RL_CONSTANT(dtype_uint32, DType::UInt32)
RL_CONSTANT(dtype_uint64, DType::UInt64)
RL_CONSTANT(dtype_float16, DType::Float16)
RL_CONSTANT(dtype_float32, DType::Float32)
RL_CONSTANT(dtype_float64, DType::Float64)
RL_CONSTANT(dtype_bfloat16, DType::BFloat16)
RL_CONSTANT(dtype_bool, DType::Bool)
RL_CONSTANT(dtype_complex32, DType::Complex32)
RL_CONSTANT(dtype_complex64, DType::Complex64)
RL_CONSTANT(dtype_complex128, DType::Complex128)
RL_CONSTANT(dtype_float8_e5m2, 23)
RL_CONSTANT(dtype_float8_e4m3fn, 24)
RL_CONSTANT(dtype_float8_e5m2fnuz, 25)
RL_CONSTANT(dtype_float8_e4m3fnuz, 26)
RL_CONSTANT(device_type_cpu, DeviceType::Cpu)
RL_CONSTANT(device_type_cuda, DeviceType::Cuda)
RL_CONSTANT(device_type_meta, DeviceType::Meta)
RL_CONSTANT(device_type_xpu, DeviceType::Xpu)
RL_CONSTANT(device_type_mps, DeviceType::Mps)
RL_CONSTANT(device_type_privateuse1, DeviceType::PrivateUse1)
RL_CONSTANT(layout_strided, Layout::Strided)
RL_CONSTANT(layout_sparse_coo, Layout::Sparse)
RL_CONSTANT(layout_sparse_csr, Layout::SparseCsr)
RL_CONSTANT(layout__mkldnn, 3)
RL_CONSTANT(layout_sparse_csc, Layout::SparseCsc)
RL_CONSTANT(layout_sparse_bsr, Layout::SparseBsr)
RL_CONSTANT(layout_sparse_bsc, Layout::SparseBsc)
RL_CONSTANT(layout_jagged, 7)
RL_CONSTANT(memory_format_contiguous_format, MemoryFormat::Contiguous)
RL_CONSTANT(memory_format_preserve_format, MemoryFormat::Preserve)
RL_CONSTANT(memory_format_channels_last, MemoryFormat::ChannelsLast)
RL_CONSTANT(memory_format_channels_last_3d, MemoryFormat::ChannelsLast3d)
RL_EXPORT int32_t torch_dtype_float8_e8m0fnu(void) { return 44; }

// 2.13.0, as torch/version.h has it: a byte each.
RL_EXPORT uint64_t aoti_torch_abi_version(void) { return uint64_t(2) << 56 | uint64_t(13) << 48; }
RL_EXPORT size_t aoti_torch_dtype_element_size(int32_t dtype) { return rl_dtype_size(dtype); }
RL_EXPORT const char* torch_exception_get_what(void) { return last_error.c_str(); }
RL_EXPORT const char* torch_exception_get_what_without_backtrace(void) { return last_error.c_str(); }

// ---- tensors ----

RL_EXPORT Status aoti_torch_delete_tensor_object(TensorHandle t) {
  delete t;
  return kDone;
}
RL_EXPORT Status aoti_torch_new_tensor_handle(TensorHandle t, TensorHandle* out) {
  return run([&] { *out = owned(*t); });
}
RL_EXPORT Status aoti_torch_new_uninitialized_tensor(TensorHandle* out) {
  return run([&] { *out = owned({}); });
}
RL_EXPORT Status aoti_torch_is_defined(TensorHandle t, bool* out) {
  *out = t && t->defined();
  return kDone;
}
#define RL_GET(name, T, value)                                     \
  RL_EXPORT Status aoti_torch_get_##name(TensorHandle t, T* out) { \
    return run([&] { *out = (value); });                           \
  }
RL_GET(data_ptr, void*, seen(t).data_ptr())
RL_GET(dim, int64_t, seen(t).dim())
RL_GET(numel, int64_t, seen(t).numel())
RL_GET(dtype, int32_t, int32_t(seen(t).scalar_type()))
RL_GET(device_type, int32_t, int32_t(seen(t).device().type()))
RL_GET(device_index, int32_t, seen(t).device().index())
RL_GET(layout, int32_t, int32_t(seen(t).layout()))
RL_GET(storage_offset, int64_t, seen(t).storage_offset())
RL_GET(storage_size, int64_t, int64_t(seen(t).storage().nbytes()))
RL_EXPORT Status aoti_torch_get_sizes(TensorHandle t, const int64_t** out) {
  return run([&] { *out = seen(t).sizes().data(); });
}
RL_EXPORT Status aoti_torch_get_strides(TensorHandle t, const int64_t** out) {
  return run([&] { *out = seen(t).strides().data(); });
}
RL_EXPORT Status aoti_torch_get_size(TensorHandle t, int64_t d, int64_t* out) {
  return run([&] { *out = seen(t).size(d); });
}
RL_EXPORT Status aoti_torch_get_stride(TensorHandle t, int64_t d, int64_t* out) {
  return run([&] { *out = seen(t).stride(d); });
}
RL_EXPORT Status aoti_torch_is_contiguous(TensorHandle t, bool* out) {
  return run([&] { *out = seen(t).is_contiguous(); });
}
RL_EXPORT Status torch_get_mutable_data_ptr(TensorHandle t, void** out) {
  return run([&] { *out = seen(t).data_ptr(); });
}
RL_EXPORT Status torch_get_const_data_ptr(TensorHandle t, const void** out) {
  return run([&] { *out = seen(t).const_data_ptr(); });
}
RL_EXPORT Status torch_set_requires_grad(TensorHandle t, bool on) {
  return run([&] { seen(t).set_requires_grad(on); });
}
RL_EXPORT Status aoti_torch_empty_strided(int64_t ndim, const int64_t* sizes, const int64_t* strides, int32_t dtype,
                                          int32_t device, int32_t index, TensorHandle* out) {
  return run([&] {
    *out = owned(empty_strided_tensor({sizes, size_t(ndim)}, {strides, size_t(ndim)}, DType(dtype),
                                      {DeviceType(device), int8_t(index)}));
  });
}
RL_EXPORT Status aoti_torch_create_tensor_from_blob(void* data, int64_t ndim, const int64_t* sizes,
                                                    const int64_t* strides, int64_t offset, int32_t dtype,
                                                    int32_t device, int32_t index, TensorHandle* out) {
  return run([&] { *out = owned(over_blob(data, ndim, sizes, strides, offset, dtype, device, index, nullptr)); });
}
RL_EXPORT Status aoti_torch_create_tensor_from_blob_v2(void* data, int64_t ndim, const int64_t* sizes,
                                                       const int64_t* strides, int64_t offset, int32_t dtype,
                                                       int32_t device, int32_t index, TensorHandle* out, int32_t,
                                                       const uint8_t*, int64_t) {
  return aoti_torch_create_tensor_from_blob(data, ndim, sizes, strides, offset, dtype, device, index, out);
}
RL_EXPORT Status torch_from_blob(void* data, int64_t ndim, const int64_t* sizes, const int64_t* strides, int64_t offset,
                                 int32_t dtype, int32_t device, int32_t index, TensorHandle* out, int32_t,
                                 const uint8_t*, int64_t, void (*deleter)(void*, void*), void* context) {
  return run([&] {
    std::function<void(void*)> release;
    if (deleter) release = [deleter, context](void* p) { deleter(p, context); };
    *out = owned(over_blob(data, ndim, sizes, strides, offset, dtype, device, index, release));
  });
}
RL_EXPORT Status aoti_torch_clone(TensorHandle t, TensorHandle* out) {
  return run([&] { *out = owned(seen(t).clone()); });
}
RL_EXPORT Status aoti_torch_copy_(TensorHandle t, TensorHandle from, int32_t) {
  return run([&] { seen(t).copy_(seen(from)); });
}
RL_EXPORT Status aoti_torch_zero_(TensorHandle t) {
  return run([&] { seen(t).zero_(); });
}

// ---- the operators that its C++ functions call so ----

RL_EXPORT Status aoti_torch_aten_amax(TensorHandle t, const int64_t* dim, int64_t n, int32_t keepdim,
                                      TensorHandle* out) {
  return run([&] { *out = owned(seen(t).amax(IntArrayRef(dim, size_t(n)), keepdim)); });
}
RL_EXPORT Status aoti_torch_aten_fill__Scalar(TensorHandle t, double v) {
  return run([&] { seen(t).fill_(v); });
}
RL_EXPORT Status aoti_torch_aten_full(const int64_t* size, int64_t n, double v, int32_t* dtype, int32_t*,
                                      int32_t* device, int32_t index, int32_t*, TensorHandle* out) {
  return run([&] { *out = owned(api::full(IntArrayRef(size, size_t(n)), v, options_of(dtype, device, index))); });
}
RL_EXPORT Status aoti_torch_aten_narrow(TensorHandle t, int64_t dim, int64_t start, int64_t length, TensorHandle* out) {
  return run([&] { *out = owned(seen(t).narrow(dim, start, length)); });
}
RL_EXPORT Status aoti_torch_aten_new_empty(TensorHandle t, const int64_t* size, int64_t n, int32_t* dtype, int32_t*,
                                           int32_t* device, int32_t index, int32_t*, TensorHandle* out) {
  return run([&] { *out = owned(seen(t).new_empty(IntArrayRef(size, size_t(n)), options_of(dtype, device, index))); });
}
RL_EXPORT Status aoti_torch_aten_new_zeros(TensorHandle t, const int64_t* size, int64_t n, int32_t* dtype, int32_t*,
                                           int32_t* device, int32_t index, int32_t*, TensorHandle* out) {
  return run([&] { *out = owned(seen(t).new_zeros(IntArrayRef(size, size_t(n)), options_of(dtype, device, index))); });
}
RL_EXPORT Status aoti_torch_aten_subtract_Tensor(TensorHandle a, TensorHandle b, double alpha, TensorHandle* out) {
  return run([&] { *out = owned(seen(a).sub(seen(b), alpha)); });
}

// ---- lists and texts ----

RL_EXPORT Status torch_new_list_reserve_size(size_t n, StableList** out) {
  return run([&] {
    auto list = std::make_unique<StableList>();
    list->reserve(n);
    *out = list.release();
  });
}
RL_EXPORT Status torch_list_size(StableList* list, size_t* out) {
  *out = list->size();
  return kDone;
}
RL_EXPORT Status torch_list_get_item(StableList* list, size_t i, Stable* out) {
  return run([&] {
    RL_CHECK(IndexError, i < list->size(), "list index ", i, " is out of range for ", list->size(), " items");
    *out = (*list)[i];
  });
}
RL_EXPORT Status torch_list_set_item(StableList* list, size_t i, Stable v) {
  return run([&] {
    RL_CHECK(IndexError, i < list->size(), "list index ", i, " is out of range for ", list->size(), " items");
    (*list)[i] = v;
  });
}
RL_EXPORT Status torch_list_push_back(StableList* list, Stable v) {
  return run([&] { list->push_back(v); });
}
RL_EXPORT Status torch_delete_list(StableList* list) {
  delete list;
  return kDone;
}
RL_EXPORT Status torch_new_string_handle(const char* data, size_t n, std::string** out) {
  return run([&] { *out = new std::string(data, n); });
}
RL_EXPORT Status torch_delete_string(std::string* s) {
  delete s;
  return kDone;
}
RL_EXPORT Status torch_string_length(std::string* s, size_t* out) {
  *out = s->size();
  return kDone;
}
RL_EXPORT Status torch_string_c_str(std::string* s, const char** out) {
  *out = s->c_str();
  return kDone;
}
RL_EXPORT Status torch_new_stable_ivalue(Stable** out) {
  return run([&] { *out = new Stable(0); });
}
RL_EXPORT Status torch_delete_stable_ivalue(Stable* v) {
  delete v;
  return kDone;
}
RL_EXPORT Status torch_new_generator_handle(GeneratorHandle g, GeneratorHandle* out) {
  return run([&] { *out = new Ref<rushlight::Generator>(*g); });
}
RL_EXPORT Status torch_delete_generator(GeneratorHandle g) {
  delete g;
  return kDone;
}
RL_EXPORT Status torch_generator_get_device(GeneratorHandle g, int32_t* type, int32_t* index) {
  *type = int32_t((*g)->device().type);
  *index = (*g)->device().index;
  return kDone;
}
RL_EXPORT Status torch_parse_device_string(const char* text, uint32_t* type, int32_t* index) {
  return run([&] {
    rushlight::Device d = rushlight::Device::parse(text);
    *type = uint32_t(d.type);
    *index = d.index;
  });
}

// ---- threads ----

RL_EXPORT Status torch_parallel_for(int64_t begin, int64_t end, int64_t grain, void (*f)(int64_t, int64_t, void*),
                                    void* context) {
  return run([&] { rushlight::parallel_for(begin, end, grain, [&](int64_t b, int64_t e) { f(b, e, context); }); });
}
RL_EXPORT Status torch_get_thread_idx(uint32_t* out) {
  *out = uint32_t(api::get_thread_num());
  return kDone;
}
RL_EXPORT Status torch_get_num_threads(uint32_t* out) {
  *out = uint32_t(api::get_num_threads());
  return kDone;
}

// ---- libraries and calls ----

RL_EXPORT Status aoti_torch_library_init_def(const char* ns, const char* file, uint32_t line, StableLibrary** out) {
  return new_library(OpLibrary::Kind::Def, ns, nullptr, file, line, out);
}
RL_EXPORT Status aoti_torch_library_init_fragment(const char* ns, const char* file, uint32_t line,
                                                  StableLibrary** out) {
  return new_library(OpLibrary::Kind::Fragment, ns, nullptr, file, line, out);
}
RL_EXPORT Status aoti_torch_library_init_impl(const char* ns, const char* key, const char* file, uint32_t line,
                                              StableLibrary** out) {
  return new_library(OpLibrary::Kind::Impl, ns, key, file, line, out);
}
RL_EXPORT Status aoti_torch_library_def(StableLibrary* library, const char* schema) {
  return registering(library, [&](OpLibrary& l) { l.define(schema); });
}
RL_EXPORT Status aoti_torch_library_impl(StableLibrary* library, const char* name, StableFunction f) {
  return registering(library, [&](OpLibrary& l) { l.impl(name, library->key, make_ref<StableKernel>(f)); });
}
RL_EXPORT Status torch_library_impl(StableLibrary* library, const char* name, StableFunction f, uint64_t) {
  return aoti_torch_library_impl(library, name, f);
}
RL_EXPORT Status torch_library_set_python_module(StableLibrary*, const char*, const char*) { return kDone; }
RL_EXPORT Status aoti_torch_delete_library_object(StableLibrary* library) {
  return run([&] {
    if (library && library->library) library->library->drop(true);
    delete library;
  });
}
RL_EXPORT Status aoti_torch_call_dispatcher(const char* name, const char* overload, Stable* stack) {
  return call_stable(name, overload, stack);
}
RL_EXPORT Status torch_call_dispatcher(const char* name, const char* overload, Stable* stack, uint64_t) {
  return call_stable(name, overload, stack);
}

}  // extern "C"
