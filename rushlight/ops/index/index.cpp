// x[indices] with tensors of positions or masks, and writing to it: index, index_put.
#include "rushlight/fn/index.h"

#include <cstring>

#include "rushlight/core/notice.h"
#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/index_put.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/index/indices.h"

namespace rushlight {
namespace {

// Note [Advanced indexing]: masks become positions; the position tensors broadcast to one shape B. If they stand next to each other B takes
// their place in the result, else it comes first. An element of B gives one offset into self; the other dimensions are copied as they are.
// The shapes of the position tensors, one for each dimension of self or none: in place, for they are asked for twice a call.
class PositionShapes {
 public:
  void push_back(const Dims* sizes) {
    RL_CHECK(IndexError, count_ < kMost, "too many indices: expected at most ", kMost);
    items_[count_++] = sizes;
  }
  size_t size() const { return count_; }
  const Dims* operator[](size_t i) const { return items_[i]; }

 private:
  static constexpr size_t kMost = 64;
  const Dims* items_[kMost];
  size_t count_ = 0;
};

// What they say.
struct IndexShape {
  Dims sizes;         // of the result
  Dims rest;          // dimensions of self that are not indexed
  size_t before = 0;  // how many of them stand before B
  Dims broadcast;     // B

  IndexShape(const Tensor& self, const PositionShapes& positions);
};

struct IndexPlan : IndexShape {
  std::vector<int64_t> offsets;  // for every element of B, in elements of self
  Dims rest_strides;

  // REQUIRES: no masks among the indices.
  IndexPlan(const Tensor& self, TensorList indices);
};

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

void check_index_tensor(const char* op, const Tensor& self, const Tensor& t) {
  RL_CHECK(RuntimeError, t.device().is_cpu() || t.device() == self.device(), op,
           ": indices should be either on cpu or on the same device as the indexed tensor (", self.device(),
           "), got one on ", t.device());
  RL_CHECK(IndexError, is_mask(t) || t.dtype() == DType::Int64 || t.dtype() == DType::Int32,
           "tensors used as indices must be long, int, byte or bool tensors. Hint: got ", t.dtype(),
           "; convert it with .long(), or compare to make a mask");
}
// `at`: the first dimension of self that the mask is for.
void check_mask_shape(const Tensor& self, const Tensor& mask, size_t at) {
  for (size_t d = 0; d < size_t(mask.dim()); d++) {
    RL_CHECK(IndexError, at + d < size_t(self.dim()), "too many indices for tensor of dimension ", self.dim());
    RL_CHECK(IndexError, mask.sizes()[d] == self.sizes()[at + d], "The shape of the mask ", mask.sizes(), " at index ",
             d, " does not match the shape of the indexed tensor ", self.sizes(), " at index ", at + d,
             ". Hint: a mask has the sizes of the dimensions that it chooses from");
  }
}

// Positions of a mask's true elements, a tensor for each of its dimensions.
void expand_mask(const Tensor& self, const Tensor& mask, std::vector<Tensor>& out) {
  check_mask_shape(self, mask, out.size());
  Tensor places = nonzero(mask);
  for (int64_t d = 0; d < mask.dim(); d++) out.push_back(select(places, 1, d));
}

// A 0-d mask adds a dimension of its own; the caller has put that in place as a 1-element mask.
std::vector<Tensor> positions_of(const Tensor& self, TensorList given) {
  std::vector<Tensor> indices;
  indices.reserve(given.size());
  for (const Tensor& t : given) {
    if (t.defined() && is_mask(t)) expand_mask(self, t, indices);
    else indices.push_back(t);
  }
  return indices;
}

IndexShape::IndexShape(const Tensor& self, const PositionShapes& positions) {
  RL_CHECK(IndexError, int64_t(positions.size()) <= self.dim(), "too many indices for tensor of dimension ", self.dim(),
           " (got ", positions.size(), ")");
  bool first = true, adjacent = true;
  size_t last = 0;
  for (size_t d = 0; d < positions.size(); d++) {
    if (!positions[d]) continue;
    Dims both;
    try {
      both = first ? *positions[d] : broadcast_shapes(broadcast, *positions[d]);
    } catch (const ShapeError&) {
      std::string shapes;
      for (size_t i = 0; i < positions.size(); i++)
        if (positions[i]) shapes += str(shapes.empty() ? "" : ", ", *positions[i]);
      throw IndexError("shape mismatch: indexing tensors could not be broadcast together with shapes " + shapes);
    }
    broadcast = both;
    adjacent = adjacent && (first || d == last + 1);
    if (first) before = d;
    first = false;
    last = d;
  }
  if (!adjacent) before = 0;
  for (size_t d = 0; d < positions.size(); d++)
    RL_CHECK(IndexError, !positions[d] || self.sizes()[d] || !product(broadcast),
             "index is out of bounds for dimension with size 0");
  for (size_t d = 0; d < size_t(self.dim()); d++)
    if (d >= positions.size() || !positions[d]) rest.push_back(self.sizes()[d]);
  for (size_t d = 0; d < before; d++) sizes.push_back(rest[d]);
  for (int64_t n : broadcast) sizes.push_back(n);
  for (size_t d = before; d < rest.size(); d++) sizes.push_back(rest[d]);
}

PositionShapes shapes_of(TensorList indices) {
  PositionShapes shapes;
  for (const Tensor& t : indices) shapes.push_back(t.defined() ? &t.sizes() : nullptr);
  return shapes;
}

IndexPlan::IndexPlan(const Tensor& self, TensorList indices) : IndexShape(self, shapes_of(indices)) {
  int64_t count = product(broadcast);
  offsets.assign(size_t(count), 0);
  for (size_t d = 0; d < size_t(self.dim()); d++) {
    if (d >= indices.size() || !indices[d].defined()) {
      rest_strides.push_back(self.strides()[d]);
      continue;
    }
    int64_t size = self.sizes()[d], stride = self.strides()[d];
    const Tensor& t = indices[d];
    bool whole = t.sizes() == broadcast;
    Tensor spread = dense(whole ? t : alias_tensor(t, broadcast, broadcast_strides(t, broadcast), t.storage_offset()),
                          DType::Int64);
    const int64_t* p = spread.data<int64_t>();
    uint64_t outside = 0;  // its highest bit is set once an index is below -size or above size - 1
    for (int64_t i = 0; i < count; i++)
      outside |= (uint64_t(p[i]) + uint64_t(size)) | (uint64_t(size - 1) - uint64_t(p[i]));
    if (outside >> 63) [[unlikely]]
      for (int64_t i = 0; i < count; i++) wrap_index(p[i], size, int64_t(d));
    for (int64_t i = 0; i < count; i++) offsets[size_t(i)] += (p[i] < 0 ? p[i] + size : p[i]) * stride;
  }
}

int64_t count_true(const Tensor& mask) {
  Tensor m = dense(mask, DType::Bool);
  const bool* p = m.data<bool>();
  int64_t count = 0;
  for (int64_t i = 0, n = m.numel(); i < n; i++) count += p[i];
  return count;
}
IndexPlan plan_of(const Tensor& self, TensorList given) {
  for (const Tensor& t : given)
    if (t.defined() && is_mask(t)) return IndexPlan(self, positions_of(self, given));
  return IndexPlan(self, given);
}
// The shape alone. Masks are counted, for which they have to be readable.
IndexShape shape_of(const char* op, const Tensor& self, TensorList given) {
  PositionShapes shapes;
  std::vector<Dims> counts;  // of the masks
  for (const Tensor& t : given) {
    if (t.defined()) check_index_tensor(op, self, t);
    if (!t.defined() || !is_mask(t)) {
      shapes.push_back(t.defined() ? &t.sizes() : nullptr);
      continue;
    }
    check_mask_shape(self, t, shapes.size());
    if (t.dtype() == DType::UInt8)
      show_warning("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.");
    RL_CHECK(NotImplementedError, !t.device().is_meta(), op, ": not implemented for masks on device ", t.device(),
             ": the size of the result depends on the values");
    counts.reserve(given.size());  // once: pointers to them stay
    counts.push_back(Dims{count_true(t)});
    for (int64_t d = 0; d < t.dim(); d++) shapes.push_back(&counts.back());
  }
  return IndexShape(self, shapes);
}

// How to go through what a plan names and a tensor of the result's sizes side by side, in elements.
struct IndexWalk {
  IndexWalk(const IndexPlan& plan, const Tensor& other);
  // Where element b of B begins in `other`.
  int64_t place(int64_t b) const {
    if (b_flat) return b * b_step;
    int64_t to = 0;
    for (size_t d = b_strides.size(); d-- > 0; b /= broadcast[d]) to += b % broadcast[d] * b_strides[d];
    return to;
  }
  const Dims& broadcast;
  Dims b_strides, sizes, in, out;  // `sizes` of the rest, merged where that goes, with its strides in both
  bool b_flat = true;              // one stride for all of B
  int64_t b_step = 0;
  int64_t run = 1, run_in = 0, run_out = 0;  // along the last of `sizes`
  int64_t outer = 0;                         // runs for each element of B
};

IndexWalk::IndexWalk(const IndexPlan& plan, const Tensor& other) : broadcast(plan.broadcast) {
  const size_t rank = plan.rest.size(), nb = broadcast.size();
  for (size_t d = 0; d < nb; d++) b_strides.push_back(other.strides()[plan.before + d]);
  for (size_t d = 0; d + 1 < nb; d++) b_flat = b_flat && b_strides[d] == b_strides[d + 1] * broadcast[d + 1];
  if (nb) b_step = b_strides.back();
  for (size_t d = 0; d < rank; d++) {
    if (plan.rest[d] == 1) continue;
    const size_t n = sizes.size();
    const int64_t to = other.strides()[d < plan.before ? d : d + nb];
    if (n && in[n - 1] == plan.rest[d] * plan.rest_strides[d] && out[n - 1] == plan.rest[d] * to) {
      sizes[n - 1] *= plan.rest[d];
      in[n - 1] = plan.rest_strides[d];
      out[n - 1] = to;
    } else {
      sizes.push_back(plan.rest[d]);
      in.push_back(plan.rest_strides[d]);
      out.push_back(to);
    }
  }
  if (!sizes.empty()) run = sizes.back(), run_in = in.back(), run_out = out.back();
  outer = run ? product(sizes) / run : 0;
}

// f(W* in self, W* in other, self step, other step, n) over all elements that the plan names; `other` has the result's sizes. In parallel over
// elements of B unless the same place may be written twice. kSingly: worth code of its own for elements that are named one by one.
template <class W, bool kSingly, class F>
void for_each_indexed(const IndexPlan& plan, const Tensor& self, const Tensor& other, bool parallel, const F& f) {
  const IndexWalk walk(plan, other);
  const int64_t count = int64_t(plan.offsets.size());
  if (count == 0 || walk.outer == 0) return;
  W* x = self.data<W>();
  W* y = other.data<W>();
  parallel_for(0, count, parallel ? std::max<int64_t>(1, 32768 / (walk.outer * walk.run)) : count,
               [&](int64_t begin, int64_t end) {
                 if (kSingly && walk.b_flat && walk.sizes.empty()) {
                   for (int64_t b = begin; b < end; b++) f(x + plan.offsets[size_t(b)], y + b * walk.b_step, 0, 0, 1);
                   return;
                 }
                 for (int64_t b = begin; b < end; b++) {
                   const int64_t from = plan.offsets[size_t(b)], to = walk.place(b);
                   for (int64_t o = 0; o < walk.outer; o++) {
                     int64_t left = o, di = from, dj = to;
                     for (size_t d = walk.sizes.size(); d > 1; d--) {
                       int64_t i = left % walk.sizes[d - 2];
                       left /= walk.sizes[d - 2];
                       di += i * walk.in[d - 2];
                       dj += i * walk.out[d - 2];
                     }
                     f(x + di, y + dj, walk.run_in, walk.run_out, walk.run);
                   }
                 }
               });
}

TensorSpec index_meta(const Tensor& self, TensorList indices) {
  IndexShape shape = shape_of("index", self, indices);
  return {.sizes = std::move(shape.sizes), .dtype = self.dtype(), .device = self.device()};
}
void index_cpu(const Tensor& self, TensorList indices, const Tensor& out) {
  IndexPlan plan = plan_of(self, indices);
  dispatch_size(self.dtype(), [&]<class W>() {
    for_each_indexed<W, true>(plan, self, out, true, [](const W* x, W* y, int64_t sx, int64_t sy, int64_t n) {
      if (n == 1) *y = *x;
      else if (sx == 1 && sy == 1) std::memcpy(y, x, size_t(n) * sizeof(W));
      else
        for (int64_t i = 0; i < n; i++) y[i * sy] = x[i * sx];
    });
  });
}

// The strides of values seen at the sizes of what is written.
Dims put_strides(const Tensor& values, const Dims& sizes) {
  Dims broadcast;
  try {
    broadcast = broadcast_shapes(values.sizes(), sizes);
  } catch (const ShapeError&) {}
  RL_CHECK(RuntimeError, broadcast == sizes, "shape mismatch: value tensor of shape ", values.sizes(),
           " cannot be broadcast to indexing result of shape ", sizes);
  return broadcast_strides(values, sizes);
}

TensorSpec index_put_meta(const Tensor& self, TensorList indices, const Tensor& values, bool) {
  RL_CHECK(IndexError, int64_t(indices.size()) <= self.dim(), "too many indices for tensor of dimension ", self.dim(),
           " (got ", indices.size(), ")");
  bool same = self.dtype() == values.dtype() || values.impl()->wrapped_number;
  // What fails on shapes too says so first, as PyTorch.
  if (!same && !self.device().is_meta()) put_strides(values, shape_of("index_put", self, indices).sizes);
  RL_CHECK(RuntimeError, same, "Index put requires the source and destination dtypes match, got ",
           scalar_type_name(self.dtype()), " for the destination and ", scalar_type_name(values.dtype()),
           " for the source.");
  RL_CHECK(RuntimeError, values.device() == self.device() || (values.dim() == 0 && values.device().is_cpu()),
           "index_put: expected self and values on one device, got ", self.device(), " and ", values.device());
  // The kernel looks at shapes before it writes; where none runs it is done here, if no mask hides them.
  bool known = self.device().is_meta();
  for (const Tensor& t : indices) {
    if (!t.defined()) continue;
    check_index_tensor("index_put", self, t);
    known = known && !(is_mask(t) && t.device().is_meta());
  }
  if (known) put_strides(values, shape_of("index_put", self, indices).sizes);
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}

template <class T>
void add_run(T* x, const T* y, int64_t sx, int64_t sy, int64_t n) {
  using A = compute_t<T>;
  for (int64_t i = 0; i < n; i++) {
    if constexpr (std::is_same_v<T, bool>) x[i * sx] = x[i * sx] || y[i * sy];
    else x[i * sx] = T(A(x[i * sx]) + A(y[i * sy]));
  }
}

void index_put_cpu(const Tensor&, TensorList indices, const Tensor& given, bool accumulate, const Tensor& out) {
  IndexPlan plan = plan_of(out, indices);
  Tensor values = given.dtype() == out.dtype() ? given : dense(given, out.dtype());
  Tensor from = alias_tensor(values, plan.sizes, put_strides(values, plan.sizes), values.storage_offset());
  if (!accumulate) {
    dispatch_size(out.dtype(), [&]<class W>() {
      for_each_indexed<W, true>(plan, out, from, false, [](W* x, const W* y, int64_t sx, int64_t sy, int64_t n) {
        for (int64_t i = 0; i < n; i++) x[i * sx] = y[i * sy];
      });
    });
    return;
  }
  dispatch(AllTypes{}, out.dtype(), "index_put", [&]<class T>() {
    for_each_indexed<T, false>(plan, out, from, false,
                               [](T* x, const T* y, int64_t sx, int64_t sy, int64_t n) { add_run(x, y, sx, sy, n); });
  });
}

Grads index_grad(const Saved& s, const Tensor& g) {
  Grads grads{index_put(zeros(s.sizes("self"), g.dtype(), std::nullopt, g.device()), s.list("indices"), g, true)};
  for (size_t i = 0; i < s.list_size("indices"); i++) grads.push_back(Tensor());
  return grads;
}
Grads index_put_grad(const Saved& s, const Tensor& g) {
  Tensors indices = s.list("indices");
  Grads grads;
  if (!s.needs("self")) grads.push_back(Tensor());
  else if (s.arg("accumulate").to_bool()) grads.push_back(g);
  else grads.push_back(index_put(g, indices, zeros(IntArrayRef(), g.dtype(), std::nullopt, g.device()), false));
  for (size_t i = 0; i < indices.size(); i++) grads.push_back(Tensor());
  grads.push_back(s.needs("values") ? index(g, indices) : Tensor());
  return grads;
}

}  // namespace

OP(index, {.schema = "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
           .doc = "self[indices]: elements at the positions given by tensors, or where masks are true."
                  " >>> torch.tensor([5, 6, 7])[torch.tensor([2, 0])]\ntensor([7, 5])",
           .kernel = structured<index_meta, index_cpu>(),
           .grad = {{"indices"}, index_grad},
           .forms = kFunction | kOut,
           .any_device = true});
OP(index_put, {.schema = "index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor",
               .doc = "self with values at self[indices]; with accumulate they are added. >>> "
                      "torch.index_put(torch.zeros(2), [torch.tensor([1])], torch.tensor(5.))\ntensor([0., 5.])",
               .kernel = updating<index_put_meta, index_put_cpu>(),
               .grad = {{"indices"}, index_put_grad},
               .forms = kFunction | kMethod | kInPlace | kOut | kCppByHand,
               .any_device = true,
               .on_expanded = OnExpanded::Warns});

}  // namespace rushlight
