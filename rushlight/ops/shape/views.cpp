// Views: tensors over another's memory. Each says how its gradient goes back to the shape it came from.
#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_unsafe_view.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/as_strided_backward.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/div.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/select_backward.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/slice_backward.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unfold.h"
#include "rushlight/fn/unfold_backward.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/view.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

Tensor with_geometry(const Tensor& self, IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  return Tensor(make_ref<TensorImpl>(self.impl()->storage(), self.dtype(), sizes, strides, offset));
}
Tensor with_geometry(const Tensor& self, const Dims& sizes, const Dims& strides) {
  return with_geometry(self, sizes, strides, self.storage_offset());
}

// The size with its -1 worked out. Throws PyTorch's texts.
Dims infer_size(IntArrayRef size, int64_t numel) {
  Dims out(size);
  int64_t known, hole = -1;
  for (size_t i = 0; i < out.size(); i++) {
    if (out[i] == -1) {
      RL_CHECK(RuntimeError, hole < 0, "only one dimension can be inferred");
      hole = int64_t(i);
      out[i] = 1;
    } else {
      RL_CHECK(RuntimeError, out[i] >= 0, "invalid shape dimension ", out[i], " at index ", i, " of shape ", size);
    }
  }
  RL_CHECK(ShapeError, try_product(out, known), "shape '", size, "' is invalid for input of size ", numel,
           ": it has more elements than 64 bits count");
  if (hole >= 0 && known != 0 && numel % known == 0) out[size_t(hole)] = numel / known;
  else if (hole >= 0) {
    RL_CHECK(RuntimeError, known != 0 || numel != 0, "cannot reshape tensor of 0 elements into shape ", size,
             " because the unspecified dimension size -1 can be any value and is ambiguous");
    throw ShapeError(str("shape '", size, "' is invalid for input of size ", numel, ". Hint: ", numel,
                         " elements don't divide by the other sizes"));
  } else {
    RL_CHECK(ShapeError, known == numel, "shape '", size, "' is invalid for input of size ", numel, ". Hint: it has ",
             known, " elements; let one size be -1 to have it computed");
  }
  return out;
}

// Strides that show the same elements in the same order at new sizes; false if there are none.
bool view_strides(const Tensor& t, const Dims& sizes, Dims& strides) {
  if (t.is_contiguous() || t.numel() == 0) {
    strides = contiguous_strides(sizes);
    return true;
  }
  strides.resize(sizes.size());
  int64_t at = int64_t(sizes.size()) - 1;
  int64_t chunk_stride = t.strides().back(), chunk = 1, covered = 1;
  for (int64_t d = t.dim() - 1; d >= 0; d--) {
    chunk *= t.sizes()[size_t(d)];
    bool ends = d == 0 || (t.sizes()[size_t(d) - 1] != 1 && t.strides()[size_t(d) - 1] != chunk * chunk_stride);
    if (!ends) continue;
    while (at >= 0 && (covered < chunk || sizes[size_t(at)] == 1)) {
      strides[size_t(at)] = covered * chunk_stride;
      covered *= sizes[size_t(at)];
      at--;
    }
    if (covered != chunk) return false;
    if (d > 0) {
      chunk_stride = t.strides()[size_t(d) - 1];
      chunk = covered = 1;
    }
  }
  return at < 0;
}

Tensor view_op(const Tensor& self, IntArrayRef size) {
  Dims sizes = infer_size(size, self.numel()), strides;
  RL_CHECK(ShapeError, view_strides(self, sizes, strides),
           "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
           "contiguous subspaces). Use .reshape(...) instead.");
  return with_geometry(self, sizes, strides);
}

Tensor view_dtype(const Tensor& self, DType dtype) {
  int64_t from = self.item_size(), to = item_size(dtype);
  auto reinterpret = [&](const Dims& sizes, const Dims& strides, int64_t offset) {
    return Tensor(make_ref<TensorImpl>(self.impl()->storage(), dtype, sizes, strides, offset));
  };
  if (from == to) return reinterpret(self.sizes(), self.strides(), self.storage_offset());
  RL_CHECK(RuntimeError, self.dim() > 0, "self.dim() cannot be 0 to view ", self.dtype(), " as ", dtype,
           " (different element sizes)");
  RL_CHECK(RuntimeError, self.strides().back() == 1 || self.numel() == 0, "self.stride(-1) must be 1 to view ",
           self.dtype(), " as ", dtype, " (different element sizes), but got ", self.strides().back());
  Dims sizes = self.sizes(), strides = self.strides();
  if (from > to) {
    int64_t ratio = from / to;
    sizes.back() = CheckedInt(sizes.back()) * ratio;
    for (size_t i = 0; i + 1 < strides.size(); i++) strides[i] = scaled_stride(strides[i], ratio);
    return reinterpret(sizes, strides, self.storage_offset() * ratio);
  }
  int64_t ratio = to / from;
  RL_CHECK(RuntimeError, sizes.back() % ratio == 0, "self.size(-1) must be divisible by ", ratio, " to view ",
           self.dtype(), " as ", dtype, " (different element sizes), but got ", sizes.back());
  RL_CHECK(RuntimeError, self.storage_offset() % ratio == 0, "self.storage_offset() must be divisible by ", ratio,
           " to view ", self.dtype(), " as ", dtype, " (different element sizes), but got ", self.storage_offset());
  sizes.back() /= ratio;
  for (size_t i = 0; i + 1 < strides.size(); i++) {
    RL_CHECK(RuntimeError, strides[i] % ratio == 0, "self.stride(", i, ") must be divisible by ", ratio, " to view ",
             self.dtype(), " as ", dtype, " (different element sizes), but got ", strides[i]);
    strides[i] /= ratio;
  }
  return reinterpret(sizes, strides, self.storage_offset() / ratio);
}

Tensor reshape_op(const Tensor& self, IntArrayRef shape) {
  Dims sizes = infer_size(shape, self.numel()), strides;
  if (view_strides(self, sizes, strides)) return view(self, sizes);
  return _unsafe_view(clone(self, MemoryFormat::Contiguous), sizes);
}

Tensor expand_op(const Tensor& self, IntArrayRef size, bool) {
  RL_CHECK(RuntimeError, int64_t(size.size()) >= self.dim(), "expand(", self.sizes(), ", size=", size,
           "): the number of sizes provided (", size.size(),
           ") must be greater or equal to the number of dimensions in the tensor (", self.dim(), ")");
  Dims sizes(size), strides(size.size(), 0);
  size_t lead = size.size() - size_t(self.dim());
  for (size_t i = size.size(); i-- > 0;) {
    bool fresh = i < lead;
    int64_t have = fresh ? 1 : self.sizes()[i - lead];
    if (sizes[i] == -1) {
      RL_CHECK(RuntimeError, !fresh,
               "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", i);
      sizes[i] = have;
    }
    RL_CHECK(RuntimeError, sizes[i] >= 0, "The expanded size of the tensor (", sizes[i],
             ") isn't allowed to be negative in dimension ", i);
    if (have == 1 && sizes[i] != 1) continue;
    RL_CHECK(ShapeError, have == sizes[i], "The expanded size of the tensor (", sizes[i],
             ") must match the existing size (", have, ") at non-singleton dimension ", i, ".  Target sizes: ", size,
             ".  Tensor sizes: ", self.sizes(),
             ". Hint: only dimensions of size 1 expand; unsqueeze one, or use repeat");
    // A new dimension of one element strides as unsqueeze's would.
    strides[i] = !fresh ? self.strides()[i - lead] : self.dim() ? sizes[i + 1] * strides[i + 1] : 0;
  }
  return with_geometry(self, sizes, strides);
}
Tensor expand_as(const Tensor& self, const Tensor& other) { return expand(self, other.sizes()); }
Tensor broadcast_to(const Tensor& self, IntArrayRef size) { return expand(self, size); }
Tensor view_as(const Tensor& self, const Tensor& other) { return view(self, other.sizes()); }
Tensor reshape_as(const Tensor& self, const Tensor& other) { return reshape(self, other.sizes()); }

Tensor transpose_op(const Tensor& self, int64_t dim0, int64_t dim1) {
  size_t a = size_t(wrap_dim(dim0, self.dim())), b = size_t(wrap_dim(dim1, self.dim()));
  Dims sizes = self.sizes(), strides = self.strides();
  if (self.dim() > 0) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return with_geometry(self, sizes, strides);
}
Tensor t_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() <= 2, "t() expects a tensor with <= 2 dimensions, but self is ", self.dim(),
           "D. Hint: x.mT turns each matrix of a batch, x.transpose(i, j) any two dimensions");
  return transpose_op(self, 0, self.dim() < 2 ? 0 : 1);
}

Dims wrapped_permutation(IntArrayRef dims, int64_t n) {
  RL_CHECK(RuntimeError, int64_t(dims.size()) == n,
           "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
           "ordering of dimensions i.e. input.dim() = ",
           n, " is not equal to len(dims) = ", dims.size(), ". Hint: name each dimension once; unsqueeze adds one");
  Dims out(dims);
  std::vector<bool> seen(size_t(n), false);
  for (int64_t& d : out) {
    d = wrap_dim(d, n);
    RL_CHECK(RuntimeError, !seen[size_t(d)], "permute(): duplicate dims are not allowed.");
    seen[size_t(d)] = true;
  }
  return out;
}
Tensor permute_op(const Tensor& self, IntArrayRef dims) {
  Dims order = wrapped_permutation(dims, self.dim()), sizes = order, strides = order;
  for (size_t i = 0; i < order.size(); i++) {
    sizes[i] = self.sizes()[size_t(order[i])];
    strides[i] = self.strides()[size_t(order[i])];
  }
  return with_geometry(self, sizes, strides);
}
Dims inverse_permutation(IntArrayRef dims) {
  Dims order = wrapped_permutation(dims, int64_t(dims.size())), inverse = order;
  for (size_t i = 0; i < order.size(); i++) inverse[size_t(order[i])] = int64_t(i);
  return inverse;
}

Tensor movedim(const Tensor& self, IntArrayRef source, IntArrayRef destination) {
  RL_CHECK(RuntimeError, source.size() == destination.size(), "movedim: Invalid source or destination dims: source (",
           source, " dims) should contain the same number of dims as destination (", destination, " dims)");
  size_t n = size_t(std::max<int64_t>(self.dim(), 1));  // a tensor of no dimensions counts as having one
  Dims order(n, -1);
  std::vector<bool> used(n, false);
  for (size_t i = 0; i < source.size(); i++) {
    size_t from = size_t(wrap_dim(source[i], self.dim())), to = size_t(wrap_dim(destination[i], self.dim()));
    RL_CHECK(RuntimeError, !used[from], "movedim: repeated dim in `source` (", source, ")");
    RL_CHECK(RuntimeError, order[to] < 0, "movedim: repeated dim in `destination` (", destination, ")");
    order[to] = int64_t(from);
    used[from] = true;
  }
  size_t next = 0;
  for (size_t i = 0; i < n; i++) {
    if (order[i] >= 0) continue;
    while (used[next]) next++;
    order[i] = int64_t(next++);
  }
  order.resize(size_t(self.dim()));
  return permute(self, order);
}
Tensor movedim_one(const Tensor& self, int64_t source, int64_t destination) {
  return movedim(self, source, destination);
}

Tensor unsqueeze_op(const Tensor& self, int64_t dim) {
  size_t d = size_t(wrap_dim(dim, self.dim() + 1));
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t stride = d < sizes.size() ? scaled_stride(strides[d], sizes[d]) : 1;
  sizes.insert(d, 1);
  strides.insert(d, stride);
  return with_geometry(self, sizes, strides);
}
Tensor squeeze_dims(const Tensor& self, IntArrayRef dims) {
  std::vector<bool> drop(size_t(self.dim()) + 1, false);
  for (int64_t d : dims) {
    size_t at = size_t(wrap_dim(d, self.dim()));
    RL_CHECK(RuntimeError, !drop[at] || self.dim() == 0, "dim ", at, " appears multiple times in the list of dims");
    drop[at] = true;
  }
  Dims sizes, strides;
  for (size_t i = 0; i < size_t(self.dim()); i++) {
    if (drop[i] && self.sizes()[i] == 1) continue;
    sizes.push_back(self.sizes()[i]);
    strides.push_back(self.strides()[i]);
  }
  return with_geometry(self, sizes, strides);
}
Tensor squeeze_one(const Tensor& self, int64_t dim) { return squeeze_dims(self, dim); }
Tensor squeeze_all(const Tensor& self) {
  Dims dims;
  for (int64_t d = 0; d < self.dim(); d++) dims.push_back(d);
  return squeeze_dims(self, dims);
}

Tensor select_op(const Tensor& self, int64_t dim, int64_t index) {
  RL_CHECK(IndexError, self.dim() > 0, "select() cannot be applied to a 0-dim tensor.");
  size_t d = size_t(wrap_dim(dim, self.dim()));
  int64_t size = self.sizes()[d];
  RL_CHECK(IndexError, index >= -size && index < size, "select(): index ", index, " out of range for tensor of size ",
           self.sizes(), " at dimension ", d);
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t offset = self.storage_offset() + (index < 0 ? index + size : index) * strides[d];
  sizes.erase(d);
  strides.erase(d);
  return with_geometry(self, sizes, strides, offset);
}
Tensor slice_op(const Tensor& self, int64_t dim, const std::optional<int64_t>& start, const std::optional<int64_t>& end,
                int64_t step) {
  RL_CHECK(RuntimeError, self.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  RL_CHECK(RuntimeError, step > 0, "slice step must be positive");
  size_t d = size_t(wrap_dim(dim, self.dim()));
  int64_t size = self.sizes()[d];
  auto clip = [&](int64_t v, int64_t low) { return std::clamp(v < 0 ? v + size : v, low, size); };
  int64_t first = clip(start.value_or(0), 0), last = clip(end.value_or(size), first);
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t offset = self.storage_offset() + first * strides[d];
  sizes[d] = ceil_div(last - first, step);
  strides[d] = scaled_stride(strides[d], step);
  return with_geometry(self, sizes, strides, offset);
}
Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
  RL_CHECK(RuntimeError, self.dim() > 0, "narrow() cannot be applied to a 0-dim tensor.");
  RL_CHECK(RuntimeError, length >= 0, "narrow(): length must be non-negative.");
  int64_t size = self.size(dim);
  RL_CHECK(IndexError, start >= -size && start <= size, "start out of range (expected to be in range of [", -size, ", ",
           size, "], but got ", start, ")");
  if (start < 0) start += size;
  RL_CHECK(RuntimeError, length <= size - start, "start (", start, ") + length (", length, ") exceeds dimension size (",
           size, ").");
  return slice(self, dim, start, start + length, 1);
}
Tensor as_strided_op(const Tensor& self, IntArrayRef size, IntArrayRef stride, const std::optional<int64_t>& offset) {
  RL_CHECK(RuntimeError, size.size() == stride.size(), "mismatch in length of strides and shape");
  for (int64_t s : stride)
    RL_CHECK(RuntimeError, s >= 0,
             "as_strided: Negative strides are not supported at the moment, got strides: ", stride);
  for (int64_t s : size)
    RL_CHECK(RuntimeError, s >= 0, "Trying to create tensor with negative dimension ", s, ": ", size);
  RL_CHECK(RuntimeError, offset.value_or(0) >= 0, "Tensor: invalid storage offset ", offset.value_or(0));
  int64_t start = offset.value_or(self.storage_offset());
  // Without memory there is none to reach out of.
  return self.device().is_meta() ? with_geometry(self, size, stride, start) : alias_tensor(self, size, stride, start);
}
Tensor unfold_view(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  size_t d = size_t(wrap_dim(dimension, self.dim()));
  int64_t have = self.dim() == 0 ? 1 : self.sizes()[d];
  RL_CHECK(RuntimeError, size <= have, "maximum size for tensor at dimension ", d, " is ", have, " but size is ", size);
  RL_CHECK(RuntimeError, size >= 0, "size is ", size, " but must be >= 0");
  RL_CHECK(RuntimeError, step > 0, "step is ", step, " but must be > 0");
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t stride = self.dim() == 0 ? 1 : strides[d];
  if (self.dim() > 0) {
    sizes[d] = (have - size) / step + 1;
    strides[d] = scaled_stride(strides[d], step);
  }
  sizes.push_back(size);
  strides.push_back(stride);
  return with_geometry(self, sizes, strides);
}

Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim) {
  if (self.dim() == 0) return reshape(self, {1});
  size_t a = size_t(wrap_dim(start_dim, self.dim())), b = size_t(wrap_dim(end_dim, self.dim()));
  RL_CHECK(RuntimeError, a <= b, "flatten() has invalid args: start_dim cannot come after end_dim");
  if (a == b) return self;
  Dims sizes;
  for (size_t i = 0; i < size_t(self.dim()); i++) {
    if (i <= a || i > b) sizes.push_back(self.sizes()[i]);
    else sizes.back() *= self.sizes()[i];
  }
  return reshape(self, sizes);
}
Tensor unflatten(const Tensor& self, int64_t dim, IntArrayRef size) {
  size_t d = size_t(wrap_dim(dim, self.dim()));
  RL_CHECK(RuntimeError, !size.empty(), "unflatten: sizes must be non-empty");
  Dims inner;
  try {
    inner = infer_size(size, self.size(dim));
  } catch (const Error&) {
    throw RuntimeError(str("unflatten: Provided sizes ", size, " don't multiply up to the size of dim ", dim, " (",
                           self.size(dim), ") in the input tensor"));
  }
  Dims sizes;
  for (size_t i = 0; i < size_t(self.dim()); i++) {
    if (i != d) sizes.push_back(self.sizes()[i]);
    else
      for (int64_t s : inner) sizes.push_back(s);
  }
  return view(self, sizes);
}
Tensor ravel(const Tensor& self) { return reshape(self, {-1}); }

Tensor alias_op(const Tensor& self) { return detached_alias(self); }

// ---- what gradients of views need: a tensor of zeros with the view's place filled ----

TensorSpec zeros_spec(const Tensor& g, IntArrayRef sizes) {
  return {.sizes = Dims(sizes), .dtype = g.dtype(), .device = g.device()};
}
const Tensor& cleared(const Tensor& out) {
  if (out.numel()) __builtin_memset(out.raw(), 0, size_t(out.nbytes()));
  return out;
}
void put(const Tensor& place, const Tensor& values) {
  LoopPlan plan(place.sizes());
  plan.add(place);
  plan.add(values);
  plan.finish();
  plan.for_each_row(true, [&](char* const* p, const int64_t* s, int64_t n) {
    convert_row(place.dtype(), p[0], s[0], values.dtype(), p[1], s[1], n);
  });
}
TensorSpec slice_backward_meta(const Tensor& g, IntArrayRef sizes, int64_t, int64_t, int64_t, int64_t) {
  return zeros_spec(g, sizes);
}
void slice_backward_cpu(const Tensor& g, IntArrayRef, int64_t dim, int64_t start, int64_t end, int64_t step,
                        const Tensor& out) {
  Tensor place = slice_op(cleared(out), dim, start, end, step);
  expect_shape("slice_backward", "grad_output", g, place.sizes());
  put(place, g);
}
TensorSpec select_backward_meta(const Tensor& g, IntArrayRef sizes, int64_t, int64_t) { return zeros_spec(g, sizes); }
void select_backward_cpu(const Tensor& g, IntArrayRef, int64_t dim, int64_t index, const Tensor& out) {
  Tensor place = select_op(cleared(out), dim, index);
  expect_shape("select_backward", "grad_output", g, place.sizes());
  put(place, g);
}
template <class T>
void add_rows(const LoopPlan& plan) {
  plan.for_each_row(false, [](char* const* p, const int64_t* s, int64_t n) {
    for (int64_t i = 0; i < n; i++) *reinterpret_cast<T*>(p[0] + i * s[0]) += *reinterpret_cast<T*>(p[1] + i * s[1]);
  });
}
// Views may show one element in several places: contributions add up.
void add_into(const Tensor& place, const Tensor& values) {
  LoopPlan plan(place.sizes());
  plan.add(place);
  plan.add(values);
  plan.finish();
  switch (place.dtype()) {
    case DType::Float64: return add_rows<double>(plan);
    case DType::Complex64: return add_rows<complex64>(plan);
    case DType::Complex128: return add_rows<complex128>(plan);
    case DType::Float32: return add_rows<float>(plan);
    default: throw NotImplementedError(str("gradient of an overlapping view: not implemented for ", place.dtype()));
  }
}
TensorSpec unfold_backward_meta(const Tensor& g, IntArrayRef sizes, int64_t, int64_t, int64_t) {
  return zeros_spec(g, sizes);
}
void unfold_backward_cpu(const Tensor& g, IntArrayRef, int64_t dim, int64_t size, int64_t step, const Tensor& out) {
  Tensor place = unfold_view(cleared(out), dim, size, step);
  expect_shape("unfold_backward", "grad_in", g, place.sizes());
  add_into(place, g);
}
// The part of a storage that two geometries reach over.
struct Span { int64_t low, count; };
Span span_of(IntArrayRef sizes1, IntArrayRef strides1, int64_t offset1, IntArrayRef sizes2, IntArrayRef strides2,
             int64_t offset2) {
  auto last = [](IntArrayRef size, IntArrayRef stride, int64_t at) {
    for (size_t i = 0; i < size.size(); i++) at += std::max<int64_t>(size[i] - 1, 0) * stride[i];
    return at;
  };
  int64_t low = std::min(offset1, offset2);
  return {low, std::max(last(sizes1, strides1, offset1), last(sizes2, strides2, offset2)) + 1 - low};
}
// Whether two elements may be in one place.
bool may_repeat(IntArrayRef sizes, IntArrayRef strides) {
  std::vector<std::pair<int64_t, int64_t>> dims;
  for (size_t i = 0; i < sizes.size(); i++)
    if (sizes[i] > 1) dims.emplace_back(strides[i], sizes[i]);
  std::ranges::sort(dims);
  int64_t reach = 0;
  for (auto [stride, size] : dims) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}
// How many elements of the geometry are in each place of the span; 1 where there are none.
Tensor times_shown(const Span& span, IntArrayRef sizes, IntArrayRef strides, int64_t offset) {
  Tensor times = cleared(empty_tensor({span.count}, DType::Float64));
  add_into(alias_tensor(times, sizes, strides, offset - span.low), expand(ones({}, DType::Float64), sizes));
  for (double *p = times.data<double>(), *end = p + span.count; p < end; p++) *p = std::max(*p, 1.0);
  return times;
}
// Gradient with respect to a tensor of the given geometry over a storage, of which as_strided showed a part. Where that geometry has
// several elements in one place, they share what comes to it.
TensorSpec as_strided_backward_meta(const Tensor& g, IntArrayRef in_sizes, IntArrayRef in_strides, int64_t,
                                    IntArrayRef sizes, IntArrayRef strides, int64_t) {
  RL_CHECK(ShapeError, in_sizes.size() == in_strides.size() && sizes.size() == strides.size() && g.sizes() == sizes,
           "as_strided_backward: expected a gradient of shape ", sizes, " and a stride for each size, got ", g.sizes());
  return zeros_spec(g, in_sizes);
}
void as_strided_backward_cpu(const Tensor& g, IntArrayRef in_sizes, IntArrayRef in_strides, int64_t in_offset,
                             IntArrayRef sizes, IntArrayRef strides, int64_t offset, const Tensor& out) {
  Span span = span_of(in_sizes, in_strides, in_offset, sizes, strides, offset);
  Tensor flat = cleared(empty_tensor({span.count}, g.dtype()));
  if (g.numel()) add_into(alias_tensor(flat, sizes, strides, offset - span.low), g);
  if (may_repeat(in_sizes, in_strides))
    flat = div(flat, to(times_shown(span, in_sizes, in_strides, in_offset), g.dtype()));
  put(out, alias_tensor(flat, in_sizes, in_strides, in_offset - span.low));
}

// ---- gradient rules ----

Grads back_to_shape(const Saved& s, const Tensor& g) { return {reshape(g, s.sizes("self"))}; }
int64_t int_arg(const Saved& s, const char* name) { return s.arg(name).to_int(); }

Tensor reshape_alias(const Tensor& self, IntArrayRef size, IntArrayRef stride) {
  return as_strided(self, size, stride, self.storage_offset());
}

}  // namespace

OP(view, {.schema = "view(Tensor(a) self, int[] size) -> Tensor(a)",
          .doc = "The same elements at another shape; one size may be -1. >>> torch.arange(4).view(2, -1)\ntensor([[0, "
                 "1],\n        [2, 3]])",
          .kernel = view<view_op>(),
          .grad = {{}, back_to_shape},
          .forms = kMethod});
OP(_unsafe_view, {.schema = "_unsafe_view(Tensor self, SymInt[] size) -> Tensor",
                  .doc = "view of what nothing else will look at: the result is no view to autograd, and has no base.",
                  .kernel = function<view_op>(),
                  .grad = {{}, back_to_shape},
                  .forms = kFunction,
                  .node = "UnsafeViewBackward0",
                  .any_device = true,
                  .shares = {"self"}});
OP(view_dtype, {.schema = "view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)",
                .doc = "The same bytes as another dtype."
                       " >>> torch.tensor([1.]).view(torch.int32)\ntensor([1065353216], dtype=torch.int32)",
                .kernel = view<view_dtype>(),
                .forms = kMethod});
OP(reshape, {.schema = "reshape(Tensor(a) self, int[] shape) -> Tensor(a)",
             .doc = "view where the memory allows it, else a copy."
                    " >>> torch.arange(4).reshape(2, -1)\ntensor([[0, 1],\n        [2, 3]])",
             .kernel = composite<reshape_op>()});
OP(expand, {.schema = "expand(Tensor(a) self, int[] size, *, bool implicit=False) -> Tensor(a)",
            .doc = "Repeats dimensions of size 1 without copying."
                   " >>> torch.tensor([[1], [2]]).expand(2, 3)\ntensor([[1, 1, 1],\n        [2, 2, 2]])",
            .kernel = view<expand_op>(),
            .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g}; }},
            .forms = kMethod,
            .sparse = sparse_form<sparse_expand>});
OP(expand_as,
   {.schema = "expand_as(Tensor(a) self, Tensor other) -> Tensor(a)",
    .doc = "expand to the shape of other."
           " >>> torch.tensor([[1], [2]]).expand_as(torch.ones(2, 3))\ntensor([[1, 1, 1],\n        [2, 2, 2]])",
    .kernel = composite<expand_as>(),
    .forms = kMethod});
OP(broadcast_to, {.schema = "broadcast_to(Tensor(a) self, int[] size) -> Tensor(a)",
                  .doc = "expand."
                         " >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))\ntensor([[1, 2],\n        [1, 2]])",
                  .kernel = composite<broadcast_to>()});
OP(view_as, {.schema = "view_as(Tensor(a) self, Tensor other) -> Tensor(a)",
             .doc = "view at the shape of other."
                    " >>> torch.arange(4).view_as(torch.ones(2, 2))\ntensor([[0, 1],\n        [2, 3]])",
             .kernel = composite<view_as>(),
             .forms = kMethod});
OP(reshape_as, {.schema = "reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)",
                .doc = "reshape to the shape of other."
                       " >>> torch.arange(4).reshape_as(torch.ones(2, 2))\ntensor([[0, 1],\n        [2, 3]])",
                .kernel = composite<reshape_as>(),
                .forms = kMethod});
OP(transpose, {.schema = "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
               .doc = "Swaps two dimensions."
                      " >>> torch.transpose(torch.tensor([[1, 2]]), 0, 1)\ntensor([[1],\n        [2]])",
               .kernel = view<transpose_op>(),
               .grad = {{},
                        [](const Saved& s, const Tensor& g) {
                          return Grads{transpose(g, int_arg(s, "dim0"), int_arg(s, "dim1"))};
                        }},
               .aliases = {"swapdims"},
               .sparse = sparse_form<sparse_transpose>});
OP(swapaxes, {.schema = "swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)",
              .doc = "transpose under numpy's name.",
              .kernel = view<transpose_op>(),
              .grad = {{},
                       [](const Saved& s, const Tensor& g) {
                         return Grads{transpose(g, int_arg(s, "axis0"), int_arg(s, "axis1"))};
                       }},
              .node = "TransposeBackward0",
              .sparse = sparse_form<sparse_transpose>});
OP(t, {.schema = "t(Tensor(a) self) -> Tensor(a)",
       .doc = "Transpose of a matrix."
              " >>> torch.t(torch.tensor([[1, 2], [3, 4]]))\ntensor([[1, 3],\n        [2, 4]])",
       .kernel = view<t_op>(),
       .grad = {{},
                [](const Saved& s, const Tensor& g) {
                  return Grads{transpose(g, 0, s.sizes("self").size() < 2 ? 0 : 1)};
                }},
       .sparse = sparse_form<sparse_t>});
OP(permute, {.schema = "permute(Tensor(a) self, int[] dims) -> Tensor(a)",
             .doc = "Dimensions in another order."
                    " >>> torch.permute(torch.ones(2, 3, 4), (2, 0, 1)).shape\ntorch.Size([4, 2, 3])",
             .kernel = view<permute_op>(),
             .grad = {{},
                      [](const Saved& s, const Tensor& g) {
                        return Grads{permute(g, inverse_permutation(s.arg("dims").int_list()))};
                      }},
             .sparse = sparse_form<sparse_permute>});
OP(movedim, {.schema = "movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
             .doc = "Moves dimensions to new places."
                    " >>> torch.movedim(torch.ones(2, 3, 4), (0, 1), (1, 2)).shape\ntorch.Size([4, 2, 3])",
             .kernel = composite<movedim>(),
             .aliases = {"moveaxis"}});
OP(movedim_int, {.schema = "movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
                 .doc = "Moves one dimension to a new place."
                        " >>> torch.movedim(torch.ones(2, 3, 4), 0, -1).shape\ntorch.Size([3, 4, 2])",
                 .kernel = composite<movedim_one>(),
                 .aliases = {"moveaxis"}});
OP(unsqueeze, {.schema = "unsqueeze(Tensor(a) self, int dim) -> Tensor(a)",
               .doc = "A new dimension of size 1."
                      " >>> torch.unsqueeze(torch.tensor([1, 2]), 1)\ntensor([[1],\n        [2]])",
               .kernel = view<unsqueeze_op>(),
               .grad = {{}, back_to_shape},
               .sparse = sparse_form<sparse_unsqueeze>});
OP(squeeze, {.schema = "squeeze(Tensor(a) self) -> Tensor(a)",
             .doc = "Without the dimensions of size 1."
                    " >>> torch.squeeze(torch.ones(1, 2, 1)).shape\ntorch.Size([2])",
             .kernel = view<squeeze_all>(),
             .grad = {{}, back_to_shape}});
OP(squeeze_dim, {.schema = "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)",
                 .doc = "Without a dimension, if its size is 1."
                        " >>> torch.squeeze(torch.ones(1, 2, 1), 0).shape\ntorch.Size([2, 1])",
                 .kernel = view<squeeze_one>(),
                 .grad = {{}, back_to_shape},
                 .node = "SqueezeBackward1"});
OP(squeeze_dims, {.schema = "squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)",
                  .doc = "Without those of the dimensions whose size is 1.",
                  .kernel = view<squeeze_dims>(),
                  .grad = {{}, back_to_shape},
                  .node = "SqueezeBackward2"});
OP(select, {.schema = "select.int(Tensor(a) self, int dim, int index) -> Tensor(a)",
            .doc = "One index of a dimension."
                   " >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)\ntensor([1, 3])",
            .kernel = view<select_op>(),
            .grad = {{},
                     [](const Saved& s, const Tensor& g) {
                       return Grads{select_backward(g, s.sizes("self"), int_arg(s, "dim"), int_arg(s, "index"))};
                     }},
            .sparse = sparse_form<sparse_select>});
OP(select_backward,
   {.schema = "select_backward(Tensor grad_output, int[] input_sizes, int dim, int index) -> Tensor",
    .doc = "Gradient of select.",
    .kernel = structured<select_backward_meta, select_backward_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) { return Grads{select(g, int_arg(s, "dim"), int_arg(s, "index"))}; }},
    .forms = kFunction});
OP(slice,
   {.schema = "slice.Tensor(Tensor(a) self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor(a)",
    .doc = "self[start:end:step] of a dimension.",
    .kernel = view<slice_op>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               const IValue &start = s.arg("start"), &end = s.arg("end");
               return Grads{slice_backward(g, s.sizes("self"), int_arg(s, "dim"), start.is_none() ? 0 : start.to_int(),
                                           end.is_none() ? INT64_MAX : end.to_int(), int_arg(s, "step"))};
             }},
    .forms = kFunction | kCppMethod});
OP(slice_backward,
   {.schema = "slice_backward(Tensor grad_output, int[] input_sizes, int dim, int start, int end, int step) -> Tensor",
    .doc = "Gradient of slice.",
    .kernel = structured<slice_backward_meta, slice_backward_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               return Grads{slice(g, int_arg(s, "dim"), int_arg(s, "start"), int_arg(s, "end"), int_arg(s, "step"))};
             }},
    .forms = kFunction});
OP(narrow, {.schema = "narrow(Tensor(a) self, int dim, int start, int length) -> Tensor(a)",
            .doc = "`length` indices of a dimension, from start."
                   " >>> torch.narrow(torch.arange(5), 0, 1, 3)\ntensor([1, 2, 3])",
            .kernel = composite<narrow>()});
OP(as_strided,
   {.schema = "as_strided(Tensor(a) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a)",
    .doc = "A view with sizes and strides of one's own."
           " >>> torch.as_strided(torch.arange(5), (3, 2), (1, 1))\ntensor([[0, 1],\n        [1, 2],\n        [2, 3]])",
    .kernel = view<as_strided_op>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) {
               Tensor self = s["self"];
               const IValue& offset = s.arg("storage_offset");
               return Grads{as_strided_backward(g, self.sizes(), self.strides(), self.storage_offset(),
                                                s.arg("size").int_list(), s.arg("stride").int_list(),
                                                offset.is_none() ? self.storage_offset() : offset.to_int())};
             }}});
OP(_reshape_alias,
   {.schema = "_reshape_alias(Tensor(a) self, int[] size, int[] stride) -> Tensor(a)",
    .doc = "as_strided from where self begins."
           " >>> torch._reshape_alias(torch.arange(4), (2, 2), (2, 1))\ntensor([[0, 1],\n        [2, 3]])",
    .kernel = composite<reshape_alias>(),
    .forms = kFunction});
OP(as_strided_backward,
   {.schema = "as_strided_backward(Tensor grad_output, int[] input_sizes, int[] input_strides, "
              "int input_offset, int[] size, int[] stride, int storage_offset) -> Tensor",
    .doc = "Gradient of as_strided.",
    .kernel = structured<as_strided_backward_meta, as_strided_backward_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               auto in_sizes = s.arg("input_sizes").int_list(), in_strides = s.arg("input_strides").int_list(),
                    sizes = s.arg("size").int_list(), strides = s.arg("stride").int_list();
               int64_t in_offset = int_arg(s, "input_offset"), offset = int_arg(s, "storage_offset");
               Span span = span_of(in_sizes, in_strides, in_offset, sizes, strides, offset);
               Tensor flat = as_strided_backward(g, {span.count}, {1}, span.low, in_sizes, in_strides, in_offset);
               if (may_repeat(in_sizes, in_strides))
                 flat = div(flat, to(times_shown(span, in_sizes, in_strides, in_offset), g.dtype()));
               return Grads{as_strided(flat, sizes, strides, offset - span.low)};
             }},
    .forms = kFunction});
OP(unfold, {.schema = "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)",
            .doc = "Sliding windows over a dimension."
                   " >>> torch.arange(5).unfold(0, 3, 1)\ntensor([[0, 1, 2],\n        [1, 2, 3],\n        [2, 3, 4]])",
            .kernel = view<unfold_view>(),
            .grad = {{},
                     [](const Saved& s, const Tensor& g) {
                       return Grads{unfold_backward(g, s.sizes("self"), int_arg(s, "dimension"), int_arg(s, "size"),
                                                    int_arg(s, "step"))};
                     }},
            .forms = kMethod});
OP(unfold_backward,
   {.schema = "unfold_backward(Tensor grad_in, int[] input_sizes, int dim, int size, int step) -> Tensor",
    .doc = "Gradient of unfold.",
    .kernel = structured<unfold_backward_meta, unfold_backward_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               return Grads{unfold(g, int_arg(s, "dim"), int_arg(s, "size"), int_arg(s, "step"))};
             }},
    .forms = kFunction});
OP(flatten, {.schema = "flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)",
             .doc = "Merges dimensions."
                    " >>> torch.flatten(torch.tensor([[1, 2], [3, 4]]))\ntensor([1, 2, 3, 4])",
             .kernel = composite<flatten>()});
OP(unflatten, {.schema = "unflatten.int(Tensor(a) self, int dim, int[] sizes) -> Tensor(a)",
               .doc = "Splits a dimension."
                      " >>> torch.unflatten(torch.arange(4), 0, (2, 2))\ntensor([[0, 1],\n        [2, 3]])",
               .kernel = composite<unflatten>()});
OP(ravel, {.schema = "ravel(Tensor(a) self) -> Tensor(a)",
           .doc = "One dimension."
                  " >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))\ntensor([1, 2, 3, 4])",
           .kernel = composite<ravel>()});
OP(detach, {.schema = "detach(Tensor(a) self) -> Tensor(a)",
            .doc = "The same memory, unknown to autograd."
                   " >>> torch.ones(1, requires_grad=True).detach()\ntensor([1.])",
            .kernel = view<alias_op>(),
            .sparse = takes_sparse});
OP(alias, {.schema = "alias(Tensor(a) self) -> Tensor(a)",
           .doc = "The same memory.",
           .kernel = view<alias_op>(),
           .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g}; }},
           .forms = kFunction | kCppMethod,
           .sparse = takes_sparse});

}  // namespace rushlight
