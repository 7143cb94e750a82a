#include "rushlight/core/tensor.h"

#include <numeric>

#include "rushlight/core/alias.h"
#include "rushlight/core/thread_state.h"

namespace rushlight {

void (*TensorImpl::release_py_object)(void*) = nullptr;

TensorWrapper::TensorWrapper(uint64_t level, Ref<TensorImpl> inner, bool batched)
    : level(level), inner(std::move(inner)), batched(batched) {}
TensorWrapper::~TensorWrapper() = default;

SparseParts::SparseParts(Layout layout, Ref<TensorImpl> indices, Ref<TensorImpl> plain, Ref<TensorImpl> values,
                         int64_t dense_dim, bool coalesced)
    : layout(layout),
      coalesced(coalesced),
      dense_dim(dense_dim),
      indices(std::move(indices)),
      plain(std::move(plain)),
      values(std::move(values)) {}
SparseParts::~SparseParts() = default;

TensorImpl::TensorImpl(Ref<Storage> storage, DType dtype, IntArrayRef sizes, IntArrayRef strides, int64_t offset)
    : inference(thread_state.inference_mode),
      sizes_(sizes),
      strides_(strides),
      offset_(offset),
      storage_(std::move(storage)),
      dtype_(dtype),
      flags_(storage_->device().is_cpu() ? 0 : kNotCpu) {
  refresh();
}

TensorImpl::TensorImpl(Ref<Storage> storage, DType dtype, IntArrayRef sizes)
    : inference(thread_state.inference_mode),
      sizes_(sizes),
      storage_(std::move(storage)),
      dtype_(dtype),
      flags_(storage_->device().is_cpu() ? 0 : kNotCpu) {
  strides_.resize(sizes.size());
  int64_t step = 1;
  bool overflow = false;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides_[i] = step;
    overflow |= __builtin_mul_overflow(step, std::max<int64_t>(sizes[i], 1), &step);
    numel_ = sizes[i] == 0 ? 0 : numel_;
  }
  if (overflow) [[unlikely]]
    fail_product(sizes);
  numel_ *= step;
}

TensorImpl::~TensorImpl() {
  if (owns_py_object) release_py_object(py_object);
}

void TensorImpl::set_geometry(IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  product(sizes);  // throws before anything is changed
  sizes_.assign(sizes);
  strides_.assign(strides);
  offset_ = offset;
  refresh();
}

void TensorImpl::refresh() {
  int64_t step = 1;  // of a contiguous tensor; of an empty one, any
  bool empty = false, overflow = false, contiguous = true;
  for (size_t i = sizes_.size(); i-- > 0;) {
    contiguous &= sizes_[i] == 1 || strides_[i] == step;
    empty |= sizes_[i] == 0;
    overflow |= __builtin_mul_overflow(step, std::max<int64_t>(sizes_[i], 1), &step);
  }
  if (overflow) [[unlikely]]
    fail_product(sizes_);
  numel_ = empty ? 0 : step;
  contiguous_ = contiguous || empty;
}

int64_t Tensor::size(int64_t d) const {
  RL_CHECK(IndexError, dim() > 0, "Dimension specified as ", d, " but tensor has no dimensions");
  return sizes()[size_t(wrap_dim(d, dim()))];
}

int64_t Tensor::stride(int64_t d) const {
  RL_CHECK(IndexError, dim() > 0, "Dimension specified as ", d, " but tensor has no dimensions");
  return strides()[size_t(wrap_dim(d, dim()))];
}

bool Tensor::is_contiguous(MemoryFormat format) const {
  if (format == MemoryFormat::Contiguous || format == MemoryFormat::Preserve) return is_contiguous();
  if (dim() != (format == MemoryFormat::ChannelsLast ? 4 : 5)) return false;
  Dims wanted = strides_for(sizes(), format);
  for (size_t i = 0; i < wanted.size(); i++)
    if (sizes()[i] != 1 && strides()[i] != wanted[i]) return false;
  return true;
}

Dims contiguous_strides(IntArrayRef sizes) {
  Dims strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) strides[i - 1] = CheckedInt(strides[i]) * std::max<int64_t>(sizes[i], 1);
  return strides;
}

Dims strides_for(IntArrayRef sizes, MemoryFormat format) {
  size_t n = sizes.size();
  if (format == MemoryFormat::Contiguous || format == MemoryFormat::Preserve) return contiguous_strides(sizes);
  RL_CHECK(RuntimeError, n == (format == MemoryFormat::ChannelsLast ? 4u : 5u), "required rank ",
           format == MemoryFormat::ChannelsLast ? 4 : 5, " tensor to use channels_last format");
  Dims strides(n, 0);
  strides[1] = 1;
  int64_t step = std::max<int64_t>(sizes[1], 1);
  for (size_t i = n - 1; i >= 2; i--) {
    strides[i] = step;
    step = CheckedInt(step) * std::max<int64_t>(sizes[i], 1);
  }
  strides[0] = step;
  return strides;
}

bool is_dense_non_overlapping(IntArrayRef sizes, IntArrayRef strides) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (sizes[a] < 2) return false;
    if (sizes[b] < 2) return true;
    return strides[a] < strides[b];
  });
  int64_t step = 1;
  for (size_t i : order) {
    if (sizes[i] < 2) break;
    if (strides[i] != step) return false;
    step *= sizes[i];
  }
  return true;
}

Dims preserved_strides(const Tensor& like) {
  if (like.is_contiguous()) return contiguous_strides(like.sizes());
  if (is_dense_non_overlapping(like.sizes(), like.strides())) return like.strides();
  // Keep the order of the dimensions, largest stride first; ties, and expanded dimensions, which have no say, keep their place.
  size_t n = size_t(like.dim());
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  const Dims& given = like.strides();
  for (size_t k = n; k-- > 0;) {
    size_t at = k;
    for (size_t next = k + 1; next < n; next++) {
      int64_t ours = given[order[at]], theirs = given[order[next]];
      if (!ours || !theirs || ours == theirs) continue;
      if (ours > theirs) break;
      std::swap(order[at], order[next]);
      at = next;
    }
  }
  Dims strides(n, 1);
  int64_t step = 1;
  for (size_t k = n; k-- > 0;) {
    strides[order[k]] = step;
    step *= std::max<int64_t>(like.sizes()[order[k]], 1);
  }
  return strides;
}

namespace {
int64_t checked_bytes(IntArrayRef sizes, DType dtype) {
  for (int64_t s : sizes)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
  int64_t bytes;
  RL_CHECK(RuntimeError, !__builtin_mul_overflow(product(sizes), int64_t(item_size(dtype)), &bytes),
           "Storage size calculation overflowed with sizes=", sizes);
  return bytes;
}

// The bytes that a storage must have for the geometry.
int64_t checked_extent(IntArrayRef sizes, IntArrayRef strides, int64_t offset, DType dtype) {
  int64_t elements, bytes;
  RL_CHECK(RuntimeError,
           storage_extent(sizes, strides, offset, elements) &&
               !__builtin_mul_overflow(elements, int64_t(item_size(dtype)), &bytes),
           "Storage size calculation overflowed with sizes=", sizes, ", strides=", strides, " and storage offset ",
           offset, ": strides and offset must not be negative, nor reach beyond 64 bits");
  return bytes;
}
// There is one CPU, and one device without data: a tensor of "cpu:0" is on "cpu".
Device place(Device d) { return d.is_cpu() || d.is_meta() ? Device{d.type, -1} : d; }
}  // namespace

Tensor empty_tensor(IntArrayRef sizes, DType dtype, Device device) {
  int64_t bytes = checked_bytes(sizes, dtype);
  return Tensor(make_ref<TensorImpl>(make_ref<Storage>(size_t(bytes), place(device)), dtype, sizes));
}

Tensor empty_strided_tensor(IntArrayRef sizes, IntArrayRef strides, DType dtype, Device device) {
  for (int64_t s : sizes)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", sizes);
  auto storage = make_ref<Storage>(size_t(checked_extent(sizes, strides, 0, dtype)), place(device));
  return Tensor(make_ref<TensorImpl>(std::move(storage), dtype, sizes, strides, 0));
}

Tensor alias_tensor(const Tensor& of, IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  int64_t bytes = checked_extent(sizes, strides, offset, of.dtype());
  RL_CHECK(RuntimeError, bytes <= int64_t(of.storage().bytes()), "setStorage: sizes ", sizes, ", strides ", strides,
           ", storage offset ", offset, ", and itemsize ", of.item_size(), " requiring a storage size of ", bytes,
           " are out of bounds for storage of size ", of.storage().bytes());
  return Tensor(make_ref<TensorImpl>(of.impl()->storage(), of.dtype(), sizes, strides, offset));
}

Tensor (*alias_in_python)(const Tensor&) = nullptr;

Tensor detached_alias(const Tensor& of) {
  if (of.impl()->flags() & kPythonDispatch) [[unlikely]]
    return alias_in_python(of);
  Tensor t(make_ref<TensorImpl>(of.impl()->storage(), of.dtype(), of.sizes(), of.strides(), of.storage_offset()));
  t.impl()->inference = of.impl()->inference;
  t.impl()->share_version(*of.impl());
  t.impl()->share_contents(*of.impl());
  return t;
}

void resize_tensor(const Tensor& t, IntArrayRef sizes) {
  if (t.sizes() == Dims(sizes)) return;
  RL_CHECK(NotImplementedError, !t.impl()->parts(), "resize: a tensor of layout ", t.layout(), " can't be resized, to ",
           sizes, "; make another with sparse_coo_tensor");
  checked_bytes(sizes, t.dtype());
  Dims strides = contiguous_strides(sizes);
  int64_t bytes = checked_extent(sizes, strides, t.storage_offset(), t.dtype());
  if (bytes > int64_t(t.storage().bytes())) t.storage().resize(size_t(bytes));
  t.impl()->set_geometry(sizes, strides, t.storage_offset());
}

int64_t wrap_dim(int64_t d, int64_t dims) {
  int64_t n = std::max<int64_t>(dims, 1);
  RL_CHECK(IndexError, d >= -n && d < n, "Dimension out of range (expected to be in range of [", -n, ", ", n - 1,
           "], but got ", d, ")");
  return d < 0 ? d + n : d;
}

Dims broadcast_shapes(IntArrayRef a, IntArrayRef b) {
  Dims out(a.size() > b.size() ? a : b);
  // From the last dimension, so that the first mismatch named is the one PyTorch names.
  for (size_t k = 1; k <= std::min(a.size(), b.size()); k++) {
    int64_t x = a[a.size() - k], y = b[b.size() - k];
    size_t at = out.size() - k;
    RL_CHECK(
        ShapeError, x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
        ") at non-singleton dimension ", at, ". Hint: the shapes ", a, " and ", b,
        " don't broadcast: from the last dimension on, sizes must be equal or 1; use unsqueeze, transpose or reshape");
    out[at] = x == 1 ? y : x;
  }
  return out;
}

Dims broadcast_strides(const Tensor& t, IntArrayRef sizes) {
  RL_CHECK(ShapeError, sizes.size() >= size_t(t.dim()), "expand: a tensor of sizes ", t.sizes(),
           " has more dimensions than the sizes it should have, ", sizes);
  Dims strides(sizes.size(), 0);
  size_t lead = sizes.size() - size_t(t.dim());
  for (size_t i = 0; i < size_t(t.dim()); i++) {
    int64_t have = t.sizes()[i], want = sizes[lead + i];
    RL_CHECK(ShapeError, have == want || have == 1, "The expanded size of the tensor (", want,
             ") must match the existing size (", have, ") at non-singleton dimension ", lead + i,
             ".  Target sizes: ", sizes, ".  Tensor sizes: ", t.sizes());
    strides[lead + i] = have == 1 && want != 1 ? 0 : t.strides()[i];
  }
  return strides;
}

}  // namespace rushlight
