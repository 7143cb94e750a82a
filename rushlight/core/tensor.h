// TensorImpl: what a tensor is. Tensor: a handle of one pointer. The operators are functions in "rushlight/fn/<name>.h";
// the C++ front end's torch::Tensor adds them as methods.
// Thread safety: const methods may run at once; everything else needs outside agreement.
#pragma once
#include <atomic>
#include <memory>

#include "rushlight/core/device.h"
#include "rushlight/core/dtype.h"
#include "rushlight/core/scalar.h"
#include "rushlight/core/sizes.h"
#include "rushlight/core/storage.h"

namespace rushlight {

// Autograd's state of one tensor; autograd/meta.h derives from it. Null for tensors that never met autograd.
struct AutogradMetaBase { virtual ~AutogradMetaBase() = default; };

// What a call has to know about its tensors before anything else: it tests these ORed over all of them (dispatch/op.h).
enum TensorFlags : uint8_t {
  kRequiresGrad = 1,  // a leaf that wants a gradient, or the result of an operator over one
  kIsView = 2,        // a gradient may be wanted through the base
  kNotCpu = 4,
  kPythonDispatch = 8,  // its Python class has a __torch_dispatch__
  kWrapped = 16,        // stands for another tensor at a level of a transform
  kInParts = 32,        // sparse: what it holds is in other tensors
};

class TensorImpl;

// What a tensor is made of where that is not its own memory: its storage is then of no use to anybody else. Or what a program's own
// backend keeps with a tensor of memory.
struct TensorContents : RefCounted {};

// What a transform keeps behind a tensor that stands for another. The tensor shows that one's dtype and device, the sizes that the
// transform's program sees, and memory that only the transform may read.
struct TensorWrapper final : TensorContents {
  TensorWrapper(uint64_t level, Ref<TensorImpl> inner, bool batched);
  ~TensorWrapper() override;
  const uint64_t level;  // the number of the level that made it, never used again
  const Ref<TensorImpl> inner;
  const bool batched;  // the inner tensor has one dimension more, its first
};

// Note [Sparse parts]: a sparse tensor has an empty storage, and these. A tensor's aliases (detach(), `x.data`) have the same object, and
// writing in place exchanges what is in it, so that all of them see it. The parts are tensors that autograd does not know.
struct SparseParts final : TensorContents {
  SparseParts(Layout layout, Ref<TensorImpl> indices, Ref<TensorImpl> plain, Ref<TensorImpl> values, int64_t dense_dim,
              bool coalesced);
  ~SparseParts() override;
  const Layout layout;
  bool coalesced;     // of COO: indices in order, none twice
  int64_t dense_dim;  // the last dimensions, which each value has
  // COO: int64 [dimensions without the dense ones, number of values]. Compressed: where each row's (or column's) values begin, and in
  // `plain` the column (or row) of each value; plain is null for COO.
  Ref<TensorImpl> indices, plain, values;
};

// In-place writes to what doesn't share its storage's count: `x.data` and the views of it.
struct VersionCounter final : RefCounted { std::atomic<uint32_t> value{0}; };

// How a view was made, which decides whether autograd lets it be written to.
enum class ViewKind : uint8_t { Tracked, NoGrad, Inference, OneOfMany, OfFunction };

class TensorImpl final : public RefCounted, public Recycled<TensorImpl> {
 public:
  TensorImpl(Ref<Storage> storage, DType dtype, IntArrayRef sizes, IntArrayRef strides, int64_t offset);
  // Contiguous, offset 0.
  TensorImpl(Ref<Storage> storage, DType dtype, IntArrayRef sizes);
  ~TensorImpl() override;

  const Dims& sizes() const { return sizes_; }
  const Dims& strides() const { return strides_; }
  int64_t offset() const { return offset_; }  // in elements
  int64_t numel() const { return numel_; }
  int64_t dim() const { return int64_t(sizes_.size()); }
  DType dtype() const { return dtype_; }
  bool contiguous() const { return contiguous_; }
  const Ref<Storage>& storage() const { return storage_; }
  Device device() const { return storage_->device(); }
  void set_geometry(IntArrayRef sizes, IntArrayRef strides, int64_t offset);
  void set_storage(Ref<Storage> storage, DType dtype) {
    storage_ = std::move(storage);
    dtype_ = dtype;
    set_flag(kNotCpu, !storage_->device().is_cpu());
  }
  uint8_t flags() const { return flags_; }
  bool requires_grad() const { return flags_ & kRequiresGrad; }
  void set_requires_grad(bool on) { set_flag(kRequiresGrad, on); }
  void set_python_dispatch(bool on) { set_flag(kPythonDispatch, on); }
  // Null for nearly all tensors.
  TensorWrapper* wrapper() const { return flags_ & kWrapped ? static_cast<TensorWrapper*>(contents_.get()) : nullptr; }
  SparseParts* parts() const { return flags_ & kInParts ? static_cast<SparseParts*>(contents_.get()) : nullptr; }
  TensorContents* backend_contents() const { return flags_ & (kWrapped | kInParts) ? nullptr : contents_.get(); }
  // REQUIRES: neither wrapper() nor parts().
  void set_backend_contents(Ref<TensorContents> c) { contents_ = std::move(c); }
  void set_wrapper(Ref<TensorWrapper> w) {
    contents_ = std::move(w);
    set_flag(kWrapped, true);
  }
  void set_parts(Ref<SparseParts> p) {
    contents_ = std::move(p);
    set_flag(kInParts, true);
  }
  // As another tensor has them.
  void share_contents(const TensorImpl& of) {
    contents_ = of.contents_;
    flags_ = uint8_t((flags_ & ~(kWrapped | kInParts)) | (of.flags_ & (kWrapped | kInParts)));
  }

  uint32_t version() const { return counter_ ? counter_->value.load(std::memory_order_relaxed) : storage_->version(); }
  void bump_version() {
    if (counter_) counter_->value.fetch_add(1, std::memory_order_relaxed);
    else storage_->bump_version();
  }
  // See Note [Version counters] in core/storage.h.
  void detach_version(uint32_t from = 0) {
    counter_ = make_ref<VersionCounter>();
    counter_->value.store(from, std::memory_order_relaxed);
  }
  // Takes over other memory; the count stays the tensor's, as set_data wants it.
  void replace_storage(Ref<Storage> storage, DType dtype) {
    if (!counter_ && storage != storage_) detach_version(version());
    set_storage(std::move(storage), dtype);
  }
  void share_version(const TensorImpl& of) { counter_ = of.counter_; }

  // What a view was taken from; always a tensor that is no view itself. See Note [Views] in autograd/view_nodes.h.
  const Ref<TensorImpl>& base() const { return base_; }
  void set_base(Ref<TensorImpl> base, ViewKind kind = ViewKind::Tracked) {
    base_ = std::move(base);
    set_flag(kIsView, bool(base_));
    view_kind_ = kind;
    if (base_) share_version(*base_);
    view_version_ = version();
  }
  ViewKind view_kind() const { return view_kind_; }
  // REQUIRES: base(). The version of the memory to which the view's place in the graph belongs.
  uint32_t view_version() const { return view_version_; }
  void set_view_version(uint32_t version) { view_version_ = version; }

  std::unique_ptr<AutogradMetaBase> autograd;
  void* py_object = nullptr;    // the front end's object, borrowed
  bool owns_py_object = false;  // true while only this TensorImpl keeps that object alive
  bool wrapped_number = false;  // made from a Python number: its dtype yields in promotion
  bool inference = false;       // made in inference mode

  // Installed once by the Python front end: drops an object that this TensorImpl owns.
  static void (*release_py_object)(void*);

 private:
  void refresh();
  void set_flag(TensorFlags f, bool on) { flags_ = uint8_t(on ? flags_ | f : flags_ & ~f); }

  Dims sizes_, strides_;
  int64_t offset_ = 0;
  int64_t numel_ = 1;
  Ref<Storage> storage_;
  Ref<TensorImpl> base_;
  Ref<VersionCounter> counter_;
  Ref<TensorContents> contents_;
  DType dtype_;
  bool contiguous_ = true;
  uint8_t flags_ = 0;
  ViewKind view_kind_ = ViewKind::Tracked;
  uint32_t view_version_ = 0;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return bool(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool is_same(const Tensor& o) const { return impl_ == o.impl_; }

  const Dims& sizes() const { return impl_->sizes(); }
  const Dims& strides() const { return impl_->strides(); }
  int64_t dim() const { return impl_->dim(); }
  int64_t numel() const { return impl_->numel(); }
  // Negative d counts from the end. Throws IndexError.
  int64_t size(int64_t d) const;
  int64_t stride(int64_t d) const;
  int64_t storage_offset() const { return impl_->offset(); }
  DType dtype() const { return impl_->dtype(); }
  Device device() const { return impl_->device(); }
  Storage& storage() const { return *impl_->storage(); }
  bool is_contiguous() const { return impl_->contiguous(); }
  bool is_contiguous(MemoryFormat format) const;
  Layout layout() const { return impl_->parts() ? impl_->parts()->layout : Layout::Strided; }
  // A view's base may have come to need a gradient after the view was taken.
  bool requires_grad() const { return impl_->requires_grad() || (impl_->base() && impl_->base()->requires_grad()); }
  bool is_view() const { return bool(impl_->base()); }
  int64_t item_size() const { return rushlight::item_size(dtype()); }
  int64_t nbytes() const { return numel() * item_size(); }

  // First element; null on the meta device and for empty storages.
  void* raw() const {
    char* p = static_cast<char*>(impl_->storage()->data());
    return p ? p + impl_->offset() * item_size() : nullptr;
  }
  // The first element, typed. T must be the dtype's type.
  template <class T>
  T* data() const {
    RL_BOUNDS(sizeof(T) == size_t(item_size()));
    return static_cast<T*>(raw());
  }

 private:
  Ref<TensorImpl> impl_;
};
// IValue and argument arrays treat a Tensor as the pointer that it is.
static_assert(sizeof(Tensor) == sizeof(void*));

using Tensors = std::vector<Tensor>;
using TensorList = ArrayRef<Tensor>;

// Strides of a row-major tensor of these sizes; channels-last ones for 4-d (and 5-d).
Dims contiguous_strides(IntArrayRef sizes);
Dims strides_for(IntArrayRef sizes, MemoryFormat format);
// Strides in the order of like's, dense; what PyTorch's memory_format=preserve gives.
Dims preserved_strides(const Tensor& like);
bool is_dense_non_overlapping(IntArrayRef sizes, IntArrayRef strides);

// Uninitialised. Throws RuntimeError for negative sizes and OutOfMemory.
Tensor empty_tensor(IntArrayRef sizes, DType dtype, Device device = {});
Tensor empty_strided_tensor(IntArrayRef sizes, IntArrayRef strides, DType dtype, Device device = {});
// Shares the storage; throws if the geometry reaches outside of it.
Tensor alias_tensor(const Tensor& of, IntArrayRef sizes, IntArrayRef strides, int64_t offset);
// A new tensor over the same memory and geometry that autograd does not know; shares the version counter.
Tensor detached_alias(const Tensor& of);
// As `resize_` of PyTorch: grows the storage if needed, contiguous afterwards.
void resize_tensor(const Tensor& t, IntArrayRef sizes);

// The index of dimension d of a tensor with `dims` dimensions, 0-d tensors counting as 1-d. Throws IndexError naming the range.
int64_t wrap_dim(int64_t d, int64_t dims);
// The shape both broadcast to. Throws ShapeError with PyTorch's text.
Dims broadcast_shapes(IntArrayRef a, IntArrayRef b);
// Strides of `t` seen at `sizes` (0 where a dimension is expanded). Throws ShapeError where t does not expand to them.
Dims broadcast_strides(const Tensor& t, IntArrayRef sizes);

}  // namespace rushlight
