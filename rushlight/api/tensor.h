// torch::Tensor: rushlight::Tensor with PyTorch's methods. Methods and functions are made from the operator records (tools/gen_api.py);
// only what no schema says stands here.
//
// Note [One function, two types]: torch::add and Tensor::add are no functions of their own but names, with PyTorch's types, of the library's
// rushlight::add: their declarations name its symbol. So a program compiles thousands of declarations, and no body. It holds because the
// types on both sides are laid out and passed alike: this file's classes derive from the library's and add no member, or are one pointer
// (MaybeTensor, for which the library has `const Tensor&`), and a method's object is passed as a function's first argument. What writes to
// its first argument gives that one back, as a reference on both sides.
//
// Note [Undefined tensors]: a tensor that nothing was assigned to, or that was moved from, is undefined. Operators refuse it by name
// (dispatch/op.h, call()); the methods below throw, or answer what PyTorch answers: no elements, one dimension of size 0, no gradient wanted.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <tuple>
#include <vector>

#include "rushlight/api/types.h"
#include "rushlight/core/generator.h"
#include "rushlight/core/tensor.h"

namespace rushlight::api {

class Tensor;
class TensorImpl;
class Storage;
struct BackendMeta;
template <class T>
class intrusive_ptr;
template <>
class intrusive_ptr<TensorImpl>;
template <class T>
class MaybeOwned;
using TensorList = ArrayRef<Tensor>;
template <class T>
struct DefaultPtrTraits;
template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits, class Index = int64_t>
class TensorAccessor;
template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits, class Index = int64_t>
class GenericPackedTensorAccessor;
namespace indexing {
class TensorIndex;
}
namespace autograd {
class Node;
}

// A name as PyTorch's interpreter has them, "aten::add", and one of a dimension.
class Symbol {
 public:
  static Symbol fromQualString(const std::string& text) { return Symbol(text); }
  static Symbol dimname(const std::string& name) { return Symbol("dimname::" + name); }
  static Symbol aten(const std::string& name) { return Symbol("aten::" + name); }
  static Symbol prim(const std::string& name) { return Symbol("prim::" + name); }
  static Symbol attr(const std::string& name) { return Symbol("attr::" + name); }
  const char* toQualString() const { return text_.c_str(); }
  const char* toUnqualString() const { return text_.c_str() + text_.rfind(':') + 1; }
  friend bool operator==(const Symbol& a, const Symbol& b) { return a.text_ == b.text_; }
  friend bool operator!=(const Symbol& a, const Symbol& b) { return !(a == b); }

 private:
  explicit Symbol(std::string text) : text_(std::move(text)) {}
  std::string text_;
};
class Dimname {
 public:
  static Dimname fromSymbol(Symbol name) { return Dimname(std::move(name)); }
  static Dimname wildcard() { return Dimname(Symbol::dimname("*")); }
  const Symbol& symbol() const { return name_; }
  bool isWildcard() const { return *this == wildcard(); }
  friend bool operator==(const Dimname& a, const Dimname& b) { return a.name_ == b.name_; }

 private:
  explicit Dimname(Symbol name) : name_(std::move(name)) {}
  Symbol name_;
};
using DimnameList = ArrayRef<Dimname>;

// A random number generator; copies share its state.
class Generator {
 public:
  Generator() = default;  // none: operators use the default one
  explicit Generator(Ref<rushlight::Generator> g) : state_(std::move(g)) {}
  bool defined() const { return bool(state_); }
  void set_current_seed(uint64_t seed) { get().manual_seed(seed); }
  void manual_seed(uint64_t seed) { get().manual_seed(seed); }
  uint64_t current_seed() const { return get().initial_seed(); }
  uint64_t seed() { return get().seed(); }
  Generator clone() const { return Generator(get().clone()); }
  std::mutex& mutex() { return get().mutex(); }
  // The state's bytes, as Python's get_state() has them.
  Tensor get_state() const;
  void set_state(const Tensor& state);
  friend bool operator==(const Generator& a, const Generator& b) { return a.state_ == b.state_; }
  Device device() const { return {}; }
  rushlight::Generator* unsafe_get() const { return state_.get(); }

 private:
  rushlight::Generator& get() const {
    RL_CHECK(RuntimeError, state_, "Generator with undefined implementation is not allowed");
    return *state_;
  }
  Ref<rushlight::Generator> state_;
};

// An argument that may be left out: a tensor, an optional one, std::nullopt or nothing. Good for the call that it is passed to.
class MaybeTensor {
 public:
  MaybeTensor() : at_(&none) {}
  MaybeTensor(std::nullopt_t) : MaybeTensor() {}
  MaybeTensor(const rushlight::Tensor& t) : at_(&t) {}
  MaybeTensor(const std::optional<Tensor>& t);

 private:
  static const rushlight::Tensor none;
  const rushlight::Tensor* at_;
};
class MaybeGenerator {
 public:
  MaybeGenerator() = default;
  MaybeGenerator(std::nullopt_t) {}
  MaybeGenerator(const Generator& g) : at_(g.unsafe_get()) {}
  MaybeGenerator(const std::optional<Generator>& g) : at_(g ? g->unsafe_get() : nullptr) {}

 private:
  rushlight::Generator* at_ = nullptr;
};

[[noreturn]] void fail_undefined(const char* method);
[[noreturn]] void fail_sparse(const char* method);
// Gives bytes of its own to a storage that shares them until it is written.
void unshare_bytes(rushlight::Storage& storage);
[[noreturn]] void fail_data_type(const char* method, DType wanted, DType got);

class Tensor : public rushlight::Tensor {
 public:
  Tensor() = default;
  Tensor(rushlight::Tensor t) : rushlight::Tensor(std::move(t)) {}
  explicit Tensor(std::nullptr_t) {}
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) = default;
  Tensor& operator=(const Tensor& o) & {
    rushlight::Tensor::operator=(o);
    return *this;
  }
  Tensor& operator=(Tensor&& o) & noexcept {
    rushlight::Tensor::operator=(std::move(o));
    return *this;
  }
  // x[0] = y writes into x.
  Tensor& operator=(const Tensor& o) && { return copy_(o); }
  Tensor& operator=(Tensor&& o) && { return copy_(o); }
  Tensor& operator=(const Scalar& v) && { return fill_(v); }

  // ---- what it is ----
  IntArrayRef sizes() const {
    static constexpr int64_t none[1] = {0};
    return defined() ? IntArrayRef(rushlight::Tensor::sizes()) : IntArrayRef(none, 1);
  }
  IntArrayRef strides() const { return need("strides").strides(); }
  IntArrayRef sym_sizes() const { return sizes(); }
  IntArrayRef sym_strides() const { return strides(); }
  int64_t sym_size(int64_t d) const { return size(d); }
  int64_t sym_numel() const { return numel(); }
  int64_t dim() const { return defined() ? rushlight::Tensor::dim() : 1; }
  int64_t ndimension() const { return dim(); }
  int64_t numel() const { return defined() ? rushlight::Tensor::numel() : 0; }
  int64_t size(int64_t d) const { return defined() ? rushlight::Tensor::size(d) : sizes()[size_t(wrap_dim(d, 1))]; }
  int64_t stride(int64_t d) const { return need("stride").stride(d); }
  int64_t storage_offset() const { return defined() ? rushlight::Tensor::storage_offset() : 0; }
  TypeMeta dtype() const { return need("dtype").dtype(); }
  DType scalar_type() const { return need("scalar_type").dtype(); }
  Device device() const { return need("device").device(); }
  DeviceIndex get_device() const { return device().index(); }
  Layout layout() const { return need("layout").layout(); }
  TensorOptions options() const {
    TensorOptions o = TensorOptions(scalar_type()).device(device());
    return layout() == kStrided ? o : o.layout(layout());
  }
  DeprecatedTypeProperties& type() const;
  std::string toString() const;
  int64_t itemsize() const { return need("itemsize").item_size(); }
  int64_t element_size() const { return need("element_size").item_size(); }
  size_t nbytes() const { return size_t(need("nbytes").nbytes()); }
  bool is_contiguous(MemoryFormat format = MemoryFormat::Contiguous) const {
    return !defined() || rushlight::Tensor::is_contiguous(format);
  }
  bool is_non_overlapping_and_dense() const {
    return !defined() || is_dense_non_overlapping(rushlight::Tensor::sizes(), rushlight::Tensor::strides());
  }
  // Channels last where the order of the strides says so.
  MemoryFormat suggest_memory_format() const;
  bool is_cpu() const { return defined() && rushlight::Tensor::device().is_cpu(); }
  bool is_cuda() const { return defined() && rushlight::Tensor::device().type == kCUDA; }
  bool is_meta() const { return defined() && rushlight::Tensor::device().is_meta(); }
  bool is_floating_point() const { return defined() && is_floating(rushlight::Tensor::dtype()); }
  bool is_complex() const { return defined() && rushlight::is_complex(rushlight::Tensor::dtype()); }
  bool is_signed() const { return need("is_signed").dtype() != kByte && rushlight::Tensor::dtype() != kBool; }
  bool is_sparse() const { return defined() && layout() == kSparse; }
  bool is_sparse_csr() const { return defined() && layout() == kSparseCsr; }
  bool is_quantized() const { return false; }
  bool is_mkldnn() const { return false; }
  bool is_mps() const { return false; }
  bool is_xpu() const { return false; }
  bool is_inference() const { return need("is_inference").impl()->inference; }
  bool is_same(const Tensor& o) const { return rushlight::Tensor::is_same(o); }
  bool is_same_size(const Tensor& o) const { return sizes() == o.sizes(); }
  bool is_alias_of(const Tensor& o) const {
    return need("is_alias_of").impl()->storage() == o.need("is_alias_of").impl()->storage();
  }
  // Never null: an undefined tensor has insides too, of no elements on the meta device, which refuse to be written to.
  api::TensorImpl* unsafeGetTensorImpl() const {
    return defined() ? reinterpret_cast<api::TensorImpl*>(impl()) : undefined_impl();
  }
  intrusive_ptr<api::TensorImpl> getIntrusivePtr() const;          // defined in api/tensor_impl.h
  explicit Tensor(const intrusive_ptr<api::TensorImpl>& insides);  // defined in api/tensor_impl.h
  bool has_storage() const { return defined(); }
  bool has_names() const { return false; }
  // Throws NotImplementedError: dimensions have no names here.
  Tensor refine_names(ArrayRef<Dimname> names) const;
  size_t use_count() const { return defined() ? impl()->refs() : 0; }
  bool unique() const { return use_count() == 1; }
  void reset() { *this = Tensor(); }
  bool is_view() const { return need("is_view").is_view(); }
  Tensor _base() const;
  int64_t _version() const { return need("_version").impl()->version(); }
  void print() const;  // its type and sizes, to the standard error stream
  api::Storage storage() const;
  // Shows a storage's bytes as this dtype, in place. Throws RuntimeError where the geometry reaches outside of it.
  Tensor& set_(const api::Storage& from, int64_t offset, IntArrayRef sizes, IntArrayRef strides = {}) const;
  template <class T = Tensor>
  MaybeOwned<T> expect_contiguous() const& {
    return is_contiguous() ? MaybeOwned<T>::borrowed(*this) : MaybeOwned<T>::owned(contiguous());
  }

  // ---- its elements ----
  // Addresses that may be written to give a tensor which shares its bytes until then bytes of its own.
  // The first element. Throws if T is not the dtype's type.
  template <class T>
  T* data_ptr() const {
    using Value = std::remove_const_t<T>;
    if (need("data_ptr").dtype() != dtype_of<Value>) fail_data_type("data_ptr", dtype_of<Value>, need("").dtype());
    if (impl()->parts()) fail_sparse("data_ptr");
    if constexpr (!std::is_const_v<T>) unshare();
    return rushlight::Tensor::data<T>();
  }
  void* data_ptr() const {
    const_data_ptr();
    unshare();
    return rushlight::Tensor::raw();
  }
  template <class T>
  const T* const_data_ptr() const {
    return data_ptr<const T>();
  }
  const void* const_data_ptr() const {
    if (need("data_ptr").impl()->parts()) fail_sparse("data_ptr");
    return rushlight::Tensor::raw();
  }
  template <class T>
  T* mutable_data_ptr() const {
    return data_ptr<T>();
  }
  void* mutable_data_ptr() const { return data_ptr(); }
  template <class T>
  T* data() const {
    return data_ptr<T>();
  }
  Scalar item() const __asm__("_ZN9rushlight4itemERKNS_6TensorE");
  template <class T>
  T item() const {
    return item().to<T>();
  }
  bool is_nonzero() const;
  // Reads and writes elements with a[i][j]; the tensor must outlive it. Throws for another dtype or number of dimensions.
  template <class T, size_t N>
  TensorAccessor<T, N> accessor() const&;
  template <class T, size_t N>
  TensorAccessor<T, N> accessor() && = delete;
  // One that may be kept, and whose sizes are of type Index. Throws RuntimeError for more elements than Index counts.
  template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits, class Index = int64_t>
  GenericPackedTensorAccessor<T, N, PtrTraits, Index> generic_packed_accessor() const&;
  template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits, class Index = int64_t>
  GenericPackedTensorAccessor<T, N, PtrTraits, Index> packed_accessor() const& {
    return generic_packed_accessor<T, N, PtrTraits, Index>();
  }
  template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits>
  GenericPackedTensorAccessor<T, N, PtrTraits, int64_t> packed_accessor64() const&;
  template <class T, size_t N, template <class> class PtrTraits = DefaultPtrTraits>
  GenericPackedTensorAccessor<T, N, PtrTraits, int32_t> packed_accessor32() const&;

  // ---- other types and places ----
  Tensor to(TypeMeta dtype, bool non_blocking = false, bool copy = false,
            std::optional<MemoryFormat> format = std::nullopt) const {
    return to(dtype.toScalarType(), non_blocking, copy, format);
  }
  Tensor toType(DType d) const { return to(d); }
  Tensor cpu() const { return to(TensorOptions(kCPU)); }
  Tensor cuda() const { return to(TensorOptions(kCUDA)); }
  Tensor meta() const { return to(TensorOptions(kMeta)); }

  // ---- gradients ----
  bool requires_grad() const { return defined() && rushlight::Tensor::requires_grad(); }
  // Throws for a tensor that is no leaf or not of floating point or complex dtype.
  const Tensor& set_requires_grad(bool v) const;
  Tensor& requires_grad_(bool v = true) const { return const_cast<Tensor&>(set_requires_grad(v)); }
  bool is_leaf() const;
  int64_t output_nr() const;
  // The recorded operation that made it; null for leaves.
  std::shared_ptr<autograd::Node> grad_fn() const;
  // What backward() added up here; undefined before the first.
  const Tensor& grad() const;
  Tensor& mutable_grad() const;
  void set_grad(const Tensor& g) const;
  void retain_grad() const;
  bool retains_grad() const;
  Tensor& detach_() const;
  // The same memory, unknown to autograd.
  Tensor data() const;
  Tensor tensor_data() const { return data(); }
  Tensor variable_data() const { return data(); }
  // Takes over memory, shape and dtype of another tensor.
  void set_data(const Tensor& from) const;
  // Adds the gradients of this tensor, weighted by `gradient` (1 for a single element), to .grad() of the leaves it was made from, or of
  // `inputs` only.
  void backward(const Tensor& gradient = {}, std::optional<bool> retain_graph = std::nullopt,
                bool create_graph = false) const;
  void backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                const std::vector<Tensor>& inputs) const;
  // f(gradient) when it is known; what it returns, if anything, takes the gradient's place. Returns a number for remove_hook().
  template <class F>
  unsigned register_hook(F f) const {
    return add_hook([f](Tensor g) mutable -> Tensor {
      if constexpr (std::is_void_v<std::invoke_result_t<F&, Tensor>>) {
        f(g);
        return Tensor();
      } else {
        return f(g);
      }
    });
  }
  void remove_hook(unsigned id) const;

  // ---- operators that no schema gives ----
  // x[0] through a view, x[mask] as a copy; see api/indexing.h.
  Tensor index(ArrayRef<indexing::TensorIndex> indices) const;
  Tensor index(std::initializer_list<indexing::TensorIndex> indices) const;
  Tensor index(const Tensor& index) const;  // x.index(mask)
  Tensor& index_put_(ArrayRef<indexing::TensorIndex> indices, const Tensor& values, bool accumulate = false) const;
  Tensor& index_put_(std::initializer_list<indexing::TensorIndex> indices, const Tensor& values,
                     bool accumulate = false) const;
  Tensor& index_put_(ArrayRef<indexing::TensorIndex> indices, const Scalar& value) const;
  Tensor& index_put_(std::initializer_list<indexing::TensorIndex> indices, const Scalar& value) const;
  Tensor operator[](int64_t index) const;
  Tensor operator[](const Tensor& index) const;
  Tensor operator[](const Scalar& index) const {
    RL_CHECK(IndexError, index.is_integral(false), "Can only index tensors with integral scalars");
    return (*this)[index.to<int64_t>()];
  }
  Tensor where(const Tensor& condition, const Tensor& other) const;
  Tensor numpy_T() const;
  template <class F, class... Args>
  auto m(F f, Args&&... args) const -> decltype(f(*this, std::forward<Args>(args)...)) {
    return f(*this, std::forward<Args>(args)...);
  }
  Tensor mT() const { return transpose(-2, -1); }
  Tensor mH() const { return adjoint(); }

#include "rushlight/torch_methods.inc"
  // A number is a dimension; without these it would be the bool `unbiased`.
  Tensor var(int dim) const { return var(IntArrayRef(int64_t(dim))); }
  Tensor std(int dim) const { return std(IntArrayRef(int64_t(dim))); }

  Tensor operator-() const { return neg(); }
  Tensor operator~() const { return bitwise_not(); }
#define RL_COMPOUND(op, function)                              \
  Tensor& operator op(const Tensor& o) { return function(o); } \
  Tensor& operator op(const Scalar& o) { return function(o); }
  RL_COMPOUND(+=, add_)
  RL_COMPOUND(-=, sub_)
  RL_COMPOUND(*=, mul_)
  RL_COMPOUND(/=, div_)
  RL_COMPOUND(&=, bitwise_and_)
  RL_COMPOUND(|=, bitwise_or_)
  RL_COMPOUND(^=, bitwise_xor_)
  RL_COMPOUND(<<=, bitwise_left_shift_)
  RL_COMPOUND(>>=, bitwise_right_shift_)
#undef RL_COMPOUND

 private:
  static api::TensorImpl* undefined_impl();
  void unshare() const {
    if (impl()->storage()->read_only()) unshare_bytes(*impl()->storage());
  }
  // This tensor, for a method that can't do without one.
  const rushlight::Tensor& need(const char* method) const {
    if (!defined()) fail_undefined(method);
    return *this;
  }
  unsigned add_hook(std::function<Tensor(Tensor)> f) const;
};
static_assert(sizeof(Tensor) == sizeof(rushlight::Tensor), "lists of both are the same bytes");
static_assert(sizeof(MaybeTensor) == sizeof(void*) && std::is_trivially_copyable_v<MaybeTensor>);
static_assert(sizeof(std::optional<Scalar>) == sizeof(std::optional<rushlight::Scalar>) &&
              sizeof(std::optional<Device>) == sizeof(std::optional<rushlight::Device>));
inline MaybeTensor::MaybeTensor(const std::optional<Tensor>& t) : at_(t ? &*t : &none) {}

inline Tensor TensorOptions::finish(Tensor made) const {
  if (requires_grad()) made.set_requires_grad(true);
  return made;
}

#include "rushlight/torch_functions.inc"
inline Tensor var(const Tensor& self, int dim) { return self.var(dim); }
inline Tensor std(const Tensor& self, int dim) { return self.std(dim); }
inline std::tuple<Tensor, Tensor> var_mean(const Tensor& self, int dim) {
  return var_mean(self, IntArrayRef(int64_t(dim)));
}
inline std::tuple<Tensor, Tensor> std_mean(const Tensor& self, int dim) {
  return std_mean(self, IntArrayRef(int64_t(dim)));
}

inline Tensor Tensor::where(const Tensor& condition, const Tensor& other) const {
  return api::where(condition, *this, other);
}
// Sizes only, as PyTorch's overloads without factors.
#define RL_UPSAMPLE(name)                                                                \
  inline Tensor name(const Tensor& input, IntArrayRef output_size, bool align_corners) { \
    return api::name(input, output_size, align_corners, std::nullopt);                   \
  }
RL_UPSAMPLE(upsample_linear1d)
RL_UPSAMPLE(upsample_bilinear2d)
RL_UPSAMPLE(upsample_bicubic2d)
RL_UPSAMPLE(upsample_trilinear3d)
#undef RL_UPSAMPLE
#define RL_UPSAMPLE(name)                                            \
  inline Tensor name(const Tensor& input, IntArrayRef output_size) { \
    return api::name(input, output_size, std::nullopt);              \
  }
RL_UPSAMPLE(upsample_nearest1d)
RL_UPSAMPLE(upsample_nearest2d)
RL_UPSAMPLE(upsample_nearest3d)
#undef RL_UPSAMPLE

#define RL_BINARY(op, function)                                                         \
  inline Tensor operator op(const Tensor& a, const Tensor& b) { return a.function(b); } \
  inline Tensor operator op(const Tensor& a, const Scalar& b) { return a.function(b); }
RL_BINARY(+, add)
RL_BINARY(-, sub)
RL_BINARY(*, mul)
RL_BINARY(/, div)
RL_BINARY(%, remainder)
RL_BINARY(&, bitwise_and)
RL_BINARY(|, bitwise_or)
RL_BINARY(^, bitwise_xor)
RL_BINARY(<<, bitwise_left_shift)
RL_BINARY(>>, bitwise_right_shift)
RL_BINARY(==, eq)
RL_BINARY(!=, ne)
RL_BINARY(<, lt)
RL_BINARY(<=, le)
RL_BINARY(>, gt)
RL_BINARY(>=, ge)
#undef RL_BINARY
#define RL_REFLECTED(op, mirrored) \
  inline Tensor operator op(const Scalar& a, const Tensor& b) { return b mirrored a; }
RL_REFLECTED(+, +)
RL_REFLECTED(*, *)
RL_REFLECTED(&, &)
RL_REFLECTED(|, |)
RL_REFLECTED(^, ^)
RL_REFLECTED(==, ==)
RL_REFLECTED(!=, !=)
RL_REFLECTED(<, >)
RL_REFLECTED(<=, >=)
RL_REFLECTED(>, <)
RL_REFLECTED(>=, <=)
#undef RL_REFLECTED
inline Tensor operator-(const Scalar& a, const Tensor& b) { return rsub(b, a); }
inline Tensor operator/(const Scalar& a, const Tensor& b) { return b.reciprocal().mul(a); }
inline Tensor operator%(const Scalar& a, const Tensor& b) { return remainder(full_like(b, a), b); }
inline Tensor operator!(const Tensor& t) { return t.logical_not(); }

std::string to_string(const Tensor& t);
using std::to_string;  // c10::to_string(3)
std::ostream& operator<<(std::ostream& out, const Tensor& t);
// The elements in rows, as PyTorch prints them, folded at `width` columns.
void print(const Tensor& t, int64_t width = 80);
std::ostream& print(std::ostream& out, const Tensor& t, int64_t width = 80);

// A tensor's bytes.
class Storage {
 public:
  explicit Storage(Ref<rushlight::Storage> s) : storage_(std::move(s)) {}
  size_t nbytes() const { return storage_->bytes(); }
  void* data() const { return storage_->data(); }
  void* mutable_data() const {
    if (storage_->read_only()) unshare_bytes(*storage_);
    return storage_->data();
  }
  struct Pointer {
    void* at;
    void* context;  // what keeps the memory alive; null for memory that is only borrowed
    void* get() const { return at; }
    void* get_context() const { return context; }
    explicit operator bool() const { return at; }
  };
  Pointer data_ptr() const {
    return {storage_->data(), storage_->allocator() ? storage_->data() : storage_->keep().get()};
  }
  Pointer mutable_data_ptr() const { return mutable_data(), data_ptr(); }
  Device device() const { return storage_->device(); }
  bool is_alias_of(const Storage& o) const { return storage_ == o.storage_; }
  size_t use_count() const { return storage_->refs(); }
  const Ref<rushlight::Storage>& held() const { return storage_; }

 private:
  Ref<rushlight::Storage> storage_;
};
inline api::Storage Tensor::storage() const { return api::Storage(need("storage").impl()->storage()); }

namespace autograd {
// How a view was made, which decides whether it may be written to.
enum class CreationMeta : uint8_t { DEFAULT, IN_CUSTOM_FUNCTION, MULTI_OUTPUT_NODE, NO_GRAD_MODE, INFERENCE_MODE };
struct AutogradMetaInterface { virtual ~AutogradMetaInterface() = default; };
struct DifferentiableViewMeta : AutogradMetaInterface {
  CreationMeta get_creation_meta() const { return creation_meta; }
  bool has_bw_view() const { return is_view; }
  CreationMeta creation_meta = CreationMeta::DEFAULT;
  bool is_view = false;
};
}  // namespace autograd

// What Tensor::unsafeGetTensorImpl() points to: the tensor's insides under PyTorch's names. There are no objects of this class.
class TensorImpl {
 public:
  TensorImpl() = delete;
  IntArrayRef sizes() const { return impl().sizes(); }
  IntArrayRef strides() const { return impl().strides(); }
  int64_t size(int64_t d) const { return impl().sizes()[size_t(wrap_dim(d, dim()))]; }
  int64_t dim() const { return impl().dim(); }
  int64_t numel() const { return impl().numel(); }
  int64_t storage_offset() const { return impl().offset(); }
  TypeMeta dtype() const { return impl().dtype(); }
  Device device() const { return impl().device(); }
  api::Storage storage() const { return api::Storage(impl().storage()); }
  bool is_contiguous() const { return impl().contiguous(); }
  bool is_inference() const { return impl().inference; }
  bool requires_grad() const { return impl().requires_grad(); }
  struct VersionCounter {
    uint32_t version;
    uint32_t current_version() const { return version; }
  };
  // Both throw RuntimeError for a tensor of inference mode; bump_version() does nothing to one inside of it.
  VersionCounter version_counter() const;
  void bump_version();
  size_t use_count() const { return impl().refs(); }
  // Null for a tensor that is neither a view nor known to autograd; good until this thread's next call.
  autograd::AutogradMetaInterface* autograd_meta() const;
  // What a program's own backend keeps with a tensor, which detach() and shallow_copy_from() hand on. Throws RuntimeError for a sparse or
  // undefined tensor, and for one of a transform. A program that calls these includes api/tensor_impl.h, as torch/torch.h does.
  void set_backend_meta(intrusive_ptr<BackendMeta> meta);
  BackendMeta* get_backend_meta() const;
  intrusive_ptr<BackendMeta> get_backend_meta_intrusive_ptr() const;
  // Takes over memory, sizes and BackendMeta::clone() of the other's; autograd's state and the version counter stay. Throws RuntimeError for an
  // undefined tensor and where the layouts differ.
  void shallow_copy_from(const intrusive_ptr<TensorImpl>& from);

 private:
  const rushlight::TensorImpl& impl() const { return *reinterpret_cast<const rushlight::TensorImpl*>(this); }
};

}  // namespace rushlight::api
