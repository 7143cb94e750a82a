// The C++ front end's tensor: rushlight::Tensor with PyTorch's methods. Methods and functions are made from the operator records
// (tools/gen_api.py); only what no schema says stands here.
#pragma once
#include <initializer_list>
#include <ostream>

#include "rushlight/autograd/engine.h"
#include "rushlight/core/generator.h"
#include "rushlight/core/ivalue.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/functions.h"
#include "rushlight/ops/print.h"

namespace rushlight::api {

using rushlight::ArrayRef;
using rushlight::Device;
using rushlight::DeviceType;
using rushlight::DType;
using rushlight::Generator;
using rushlight::IntArrayRef;
using rushlight::Layout;
using rushlight::MemoryFormat;
using rushlight::Scalar;
using ScalarType = DType;

constexpr DType kUInt8 = DType::UInt8, kInt8 = DType::Int8, kInt16 = DType::Int16, kInt32 = DType::Int32,
                kInt64 = DType::Int64;
constexpr DType kByte = kUInt8, kChar = kInt8, kShort = kInt16, kInt = kInt32, kLong = kInt64, kBool = DType::Bool;
constexpr DType kFloat16 = DType::Float16, kFloat32 = DType::Float32, kFloat64 = DType::Float64,
                kBFloat16 = DType::BFloat16;
constexpr DType kHalf = kFloat16, kFloat = kFloat32, kDouble = kFloat64;
constexpr DeviceType kCPU = DeviceType::Cpu, kCUDA = DeviceType::Cuda;

class Tensor;

// dtype, device and requires_grad of a tensor to be made: torch::dtype(torch::kInt64).requires_grad(false).
class TensorOptions {
 public:
  TensorOptions() = default;
  TensorOptions(DType d) : dtype_(d) {}
  TensorOptions(Device d) : device_(d) {}
  TensorOptions(DeviceType t) : device_(Device{t}) {}
  TensorOptions dtype(DType d) const {
    TensorOptions o = *this;
    o.dtype_ = d;
    return o;
  }
  TensorOptions device(Device d) const {
    TensorOptions o = *this;
    o.device_ = d;
    return o;
  }
  TensorOptions device(DeviceType t) const { return device(Device{t}); }
  TensorOptions requires_grad(bool v = true) const {
    TensorOptions o = *this;
    o.requires_grad_ = v;
    return o;
  }
  bool wants_grad() const { return requires_grad_; }
  std::optional<DType> dtype_or(std::optional<DType> other = {}) const { return dtype_ ? dtype_ : other; }
  std::optional<Device> device_opt() const { return device_; }
  Tensor finish(rushlight::Tensor made) const;

 private:
  std::optional<DType> dtype_;
  std::optional<Device> device_;
  bool requires_grad_ = false;
};
inline TensorOptions dtype(DType d) { return TensorOptions(d); }
inline TensorOptions device(Device d) { return TensorOptions(d); }
inline TensorOptions requires_grad(bool v = true) { return TensorOptions().requires_grad(v); }

// A run of tensors, of the front end's kind or the library's: they are the same bytes.
class TensorList : public rushlight::TensorList {
 public:
  TensorList() = default;
  TensorList(rushlight::TensorList list) : rushlight::TensorList(list) {}
  TensorList(const std::vector<Tensor>& list);
  TensorList(std::initializer_list<Tensor> list);
};

std::vector<Tensor> adopt(Tensors many);
template <class... Ts, class... Us>
std::tuple<Ts...> adopt(std::tuple<Us...> parts) {
  return std::apply([](auto&... p) { return std::tuple<Ts...>(Ts(std::move(p))...); }, parts);
}

class Tensor : public rushlight::Tensor {
 public:
  Tensor() = default;
  Tensor(rushlight::Tensor t) : rushlight::Tensor(std::move(t)) {}

  int64_t ndimension() const { return dim(); }
  int64_t element_size() const { return item_size(); }
  DType scalar_type() const { return dtype(); }
  TensorOptions options() const { return TensorOptions(dtype()).device(device()); }
  bool is_cuda() const { return device().type == DeviceType::Cuda; }
  bool is_floating_point() const { return is_floating(dtype()); }
  // The first element. Throws TypeError if T is not the dtype's type.
  template <class T>
  T* data_ptr() const {
    RL_CHECK(TypeError, dtype_of<T> == dtype(), "data_ptr: expected scalar type ", dtype_of<T>, " but found ", dtype());
    return data<T>();
  }
  void* data_ptr() const { return raw(); }
  template <class T>
  T item() const {
    return rushlight::item(*this).to<T>();
  }
  Tensor cpu() const { return *this; }

  // Throws for a tensor that is no leaf or not of floating point or complex dtype.
  const Tensor& set_requires_grad(bool v) const {
    rushlight::set_requires_grad(*this, v);
    return *this;
  }
  const Tensor& requires_grad_(bool v = true) const { return set_requires_grad(v); }
  bool is_leaf() const { return rushlight::is_leaf(*this); }
  // What backward() added up here; undefined before the first.
  Tensor grad() const { return rushlight::grad_of(*this); }
  void set_grad(const Tensor& g) const { rushlight::set_grad(*this, g); }
  void retain_grad() const { rushlight::retain_grad(*this); }
  // Adds the gradients of this tensor, weighted by `gradient` (1 for a single element), to .grad() of the leaves it was made from, or of
  // `inputs` only.
  void backward(const Tensor& gradient = {}, std::optional<bool> retain_graph = {}, bool create_graph = false,
                const std::vector<Tensor>& inputs = {}) const;
  // f(gradient) when it is known; what it returns, if anything, takes the gradient's place. Returns a number for remove_hook().
  template <class F>
  int64_t register_hook(F f) const;
  void remove_hook(int64_t id) const { rushlight::remove_hook(*this, id); }

#include "rushlight/torch_methods.inc"

  Tensor operator[](int64_t index) const { return rushlight::select(*this, 0, index); }
  Tensor operator-() const { return rushlight::neg(*this); }
  Tensor& operator+=(const Tensor& o) {
    rushlight::add_(*this, o);
    return *this;
  }
  Tensor& operator-=(const Tensor& o) {
    rushlight::sub_(*this, o);
    return *this;
  }
  Tensor& operator*=(const Tensor& o) {
    rushlight::mul_(*this, o);
    return *this;
  }
  Tensor& operator/=(const Tensor& o) {
    rushlight::div_(*this, o);
    return *this;
  }
};
static_assert(sizeof(Tensor) == sizeof(rushlight::Tensor));

inline TensorList::TensorList(const std::vector<Tensor>& list)
    : rushlight::TensorList(static_cast<const rushlight::Tensor*>(list.data()), list.size()) {}
inline TensorList::TensorList(std::initializer_list<Tensor> list)
    : rushlight::TensorList(static_cast<const rushlight::Tensor*>(list.begin()), list.size()) {}
inline std::vector<Tensor> adopt(Tensors many) { return {many.begin(), many.end()}; }
inline Tensor TensorOptions::finish(rushlight::Tensor made) const {
  if (requires_grad_) rushlight::set_requires_grad(made, true);
  return Tensor(std::move(made));
}

namespace detail {
template <class F>
class Hook final : public TensorHook {
 public:
  explicit Hook(F f) : f_(std::move(f)) {}
  rushlight::Tensor call(const rushlight::Tensor& g) override {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, Tensor>>) return f_(Tensor(g)), g;
    else return f_(Tensor(g));
  }

 private:
  F f_;
};
}  // namespace detail
template <class F>
int64_t Tensor::register_hook(F f) const {
  return rushlight::register_hook(*this, make_ref<detail::Hook<F>>(std::move(f)));
}

namespace autograd {

// Gradients of `outputs`, weighted by `grad_outputs`, with respect to `inputs`.
inline std::vector<Tensor> grad(TensorList outputs, TensorList inputs, TensorList grad_outputs = {},
                                std::optional<bool> retain_graph = {}, bool create_graph = false,
                                bool allow_unused = false) {
  BackwardOptions options = {.retain_graph = retain_graph.value_or(create_graph),
                             .create_graph = create_graph,
                             .allow_unused = allow_unused,
                             .accumulate = false};
  return adopt(run_backward(outputs.vec(), grad_outputs.vec(), options, inputs.vec()));
}
// Adds gradients to .grad() of the leaves.
inline void backward(TensorList tensors, TensorList grad_tensors = {}, std::optional<bool> retain_graph = {},
                     bool create_graph = false, TensorList inputs = {}) {
  BackwardOptions options = {.retain_graph = retain_graph.value_or(create_graph), .create_graph = create_graph};
  run_backward(tensors.vec(), grad_tensors.vec(), options, inputs.vec());
}

}  // namespace autograd

inline void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                             const std::vector<Tensor>& inputs) const {
  autograd::backward({*this}, gradient.defined() ? TensorList({gradient}) : TensorList(), retain_graph, create_graph,
                     inputs);
}

#include "rushlight/torch_functions.inc"

// A tensor of the values: torch::tensor({1.0, 2.0}), torch::tensor(3).
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(std::initializer_list<T> values, const TensorOptions& options = {}) {
  using Held = std::conditional_t<std::is_same_v<T, double>, float,
                                  std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int64_t, T>>;
  rushlight::Tensor t = empty_tensor(int64_t(values.size()), dtype_of<Held>);
  std::copy(values.begin(), values.end(), t.data<Held>());
  return options.finish(rushlight::to(t, options.dtype_or(dtype_of<Held>).value()));
}
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(T value, const TensorOptions& options = {}) {
  return reshape(tensor({value}, options), IntArrayRef());
}
// Borrows memory; the caller keeps it alive for as long as the tensor.
inline Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {}) {
  DType d = options.dtype_or(default_dtype()).value();
  auto storage = make_ref<Storage>(data, size_t(product(sizes) * item_size(d)), Device(), nullptr);
  return Tensor(rushlight::Tensor(make_ref<TensorImpl>(std::move(storage), d, sizes)));
}
inline void manual_seed(uint64_t seed) { default_generator().manual_seed(seed); }
using rushlight::NoGradGuard;
// Turns the recording of gradients on or off in its scope.
struct AutoGradMode : Scoped<bool> {
  explicit AutoGradMode(bool enabled) : Scoped(thread_state.grad_enabled, enabled) {}
};

inline Tensor operator+(const Tensor& a, const Tensor& b) { return rushlight::add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return rushlight::sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return rushlight::mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return rushlight::div(a, b); }
inline Tensor operator+(const Tensor& a, const Scalar& b) { return rushlight::add(a, b); }
inline Tensor operator-(const Tensor& a, const Scalar& b) { return rushlight::sub(a, b); }
inline Tensor operator*(const Tensor& a, const Scalar& b) { return rushlight::mul(a, b); }
inline Tensor operator/(const Tensor& a, const Scalar& b) { return rushlight::div(a, b); }
inline Tensor operator+(const Scalar& a, const Tensor& b) { return rushlight::add(b, a); }
inline Tensor operator*(const Scalar& a, const Tensor& b) { return rushlight::mul(b, a); }
inline Tensor operator-(const Scalar& a, const Tensor& b) { return rushlight::rsub(b, a); }
#define RL_COMPARE(op, name)                                                                    \
  inline Tensor operator op(const Tensor& a, const Tensor& b) { return rushlight::name(a, b); } \
  inline Tensor operator op(const Tensor& a, const Scalar& b) { return rushlight::name(a, b); }
RL_COMPARE(==, eq)
RL_COMPARE(!=, ne)
RL_COMPARE(<, lt)
RL_COMPARE(<=, le)
RL_COMPARE(>, gt)
RL_COMPARE(>=, ge)
#undef RL_COMPARE

inline std::string to_string(const Tensor& t) { return tensor_text(t); }
inline std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace rushlight::api

namespace torch {
using namespace rushlight::api;
}
namespace at {
using namespace rushlight::api;
}
namespace c10 {
using rushlight::ArrayRef, rushlight::Device, rushlight::DeviceType, rushlight::Error, rushlight::IntArrayRef,
    rushlight::IValue, rushlight::Scalar;
using ScalarType = rushlight::DType;
}  // namespace c10
