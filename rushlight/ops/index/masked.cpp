// Operators under a mask, and where non-zero elements are: masked_fill, masked_select, masked_scatter, nonzero, nonzero_static, argwhere,
// where(condition).
#include <cstring>

#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/masked_scatter.h"
#include "rushlight/fn/masked_scatter_backward.h"
#include "rushlight/fn/masked_select.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unbind.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// A tensor seen at a shape it broadcasts to.
Tensor seen_at(const Tensor& t, IntArrayRef sizes) {
  return alias_tensor(t, sizes, broadcast_strides(t, sizes), t.storage_offset());
}

void check_mask(const char* op, const Tensor& mask) {
  RL_CHECK(RuntimeError, mask.dtype() == DType::Bool, op, ": expected BoolTensor for mask. Hint: it is of ",
           mask.dtype(), "; mask.bool(), or a condition such as x > 0");
}

// ---- masked_fill ----

TensorSpec masked_fill_spec(const Tensor& self, const Tensor& mask) {
  RL_CHECK(RuntimeError, mask.dtype() == DType::Bool,
           "masked_fill_ only supports boolean masks, but got mask with dtype ", mask.dtype(),
           ". Hint: make it by a comparison, mask == 0, or with mask.bool()");
  return {.sizes = broadcast_shapes(self.sizes(), mask.sizes()), .dtype = self.dtype(), .device = self.device()};
}
TensorSpec masked_fill_meta(const Tensor& self, const Tensor& mask, const Scalar& value) {
  number_in(value, self.dtype());
  return masked_fill_spec(self, mask);
}

RL_FOR_EACH_ISA(
    template <class W>, void, fill_where, (W * x, const uint8_t* mask, int64_t n, W value),
    {
      for (int64_t i = 0; i < n; i++) x[i] = mask[i] ? value : x[i];
    },
    <W>)

void masked_fill_cpu(const Tensor&, const Tensor& mask, const Scalar& value, const Tensor& out) {
  LoopPlan plan(out.sizes());
  plan.add(out);
  plan.add(mask);
  plan.finish();
  dispatch(AllTypes{}, out.dtype(), "masked_fill", [&]<class T>() {
    T v = value.to<T>();
    plan.for_each_row(true, [&](char* const* p, const int64_t* strides, int64_t n) {
      if constexpr (sizeof(T) <= 8 && !is_complex(dtype_of<T>)) {
        if (strides[0] == sizeof(T) && strides[1] == 1) {
          using W = std::conditional_t<
              sizeof(T) == 8, uint64_t,
              std::conditional_t<sizeof(T) == 4, uint32_t, std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;
          return fill_where_isa<W>()(reinterpret_cast<W*>(p[0]), reinterpret_cast<const uint8_t*>(p[1]), n,
                                     std::bit_cast<W>(v));
        }
      }
      for (int64_t i = 0; i < n; i++)
        if (p[1][i * strides[1]]) *reinterpret_cast<T*>(p[0] + i * strides[0]) = v;
    });
  });
}
Scalar number_of(const char* op, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, op, " only supports a 0-dimensional value tensor, but got tensor with ",
           value.dim(), " dimension(s).");
  Scalar s;
  dispatch(AllTypes{}, value.dtype(), op, [&]<class T>() { s = Scalar(*value.data<T>()); });
  return s;
}
TensorSpec masked_fill_tensor_meta(const Tensor& self, const Tensor& mask, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0,
           "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ", value.dim(),
           " dimension(s).");
  RL_CHECK(RuntimeError, !is_complex(value.dtype()) || is_complex(self.dtype()), "value cannot be converted to type ",
           scalar_type_name(self.dtype()), " without overflow");
  return masked_fill_spec(self, mask);
}
void masked_fill_tensor_cpu(const Tensor& self, const Tensor& mask, const Tensor& value, const Tensor& out) {
  masked_fill_cpu(self, mask, number_of("masked_fill_", value), out);
}
Grads masked_fill_grad(const Saved& s, const Tensor& g) { return {masked_fill(g, s["mask"], Scalar(0)), Tensor()}; }
Grads masked_fill_tensor_grad(const Saved& s, const Tensor& g) {
  Tensor mask = s["mask"];
  return {masked_fill(g, mask, Scalar(0)), Tensor(), s.needs("value") ? sum(where(mask, g, 0.0)) : Tensor()};
}

// ---- masked_select, masked_scatter ----

Tensor masked_select_op(const Tensor& self, const Tensor& mask) {
  check_mask("masked_select", mask);
  Dims sizes = broadcast_shapes(self.sizes(), mask.sizes());
  Tensor in = dense(seen_at(self, sizes)), where = dense(seen_at(mask, sizes));
  const bool* m = where.data<bool>();
  int64_t n = in.numel(), count = 0;
  for (int64_t i = 0; i < n; i++) count += m[i];
  Tensor out = empty_tensor(count, self.dtype());
  dispatch_size(self.dtype(), [&]<class W>() {
    const W* x = in.data<W>();
    W* o = out.data<W>();
    for (int64_t i = 0; i < n; i++)
      if (m[i]) *o++ = x[i];
  });
  return out;
}
Grads masked_select_grad(const Saved& s, const Tensor& g) {
  Tensor mask = s["mask"];
  Dims sizes = broadcast_shapes(s.sizes("self"), mask.sizes());
  return {masked_scatter(zeros(sizes, g.dtype(), std::nullopt, g.device()), expand(mask, sizes), g), Tensor()};
}

TensorSpec masked_scatter_meta(const Tensor& self, const Tensor& mask, const Tensor& source) {
  RL_CHECK(RuntimeError, mask.dtype() == DType::Bool,
           "masked_scatter_ only supports boolean masks, but got mask with dtype ", mask.dtype());
  RL_CHECK(RuntimeError, self.dtype() == source.dtype(),
           "masked_scatter: expected self and source to have same dtypes but got ", self.dtype(), " and ",
           source.dtype());
  return {.sizes = broadcast_shapes(self.sizes(), mask.sizes()), .dtype = self.dtype(), .device = self.device()};
}
void masked_scatter_cpu(const Tensor&, const Tensor& mask, const Tensor& source, const Tensor& out) {
  Tensor where = dense(seen_at(mask, out.sizes())), from = dense(source), to = dense(out);
  const bool* m = where.data<bool>();
  dispatch_size(out.dtype(), [&]<class W>() {
    const W* x = from.data<W>();
    W* o = to.data<W>();
    int64_t used = 0, have = from.numel();
    for (int64_t i = 0; i < to.numel(); i++) {
      if (!m[i]) continue;
      RL_CHECK(
          RuntimeError, used < have,
          "masked_scatter: expected self to have a mask with at most as many true elements as source has elements (",
          have, ")");
      o[i] = x[used++];
    }
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
TensorSpec masked_scatter_backward_meta(const Tensor& grad, const Tensor& mask, IntArrayRef sizes) {
  check_mask("masked_scatter_backward", mask);
  broadcast_shapes(grad.sizes(), mask.sizes());
  return {.sizes = Dims(sizes), .dtype = grad.dtype(), .device = grad.device()};
}
void masked_scatter_backward_cpu(const Tensor& grad, const Tensor& mask, IntArrayRef, const Tensor& out) {
  Tensor taken = masked_select_op(grad, mask);
  int64_t used = std::min(out.nbytes(), taken.nbytes());
  if (used) std::memcpy(out.raw(), taken.raw(), size_t(used));
  if (out.nbytes() > used) std::memset(static_cast<char*>(out.raw()) + used, 0, size_t(out.nbytes() - used));
}
Grads masked_scatter_grad(const Saved& s, const Tensor& g) {
  Tensor mask = s["mask"];
  return {s.needs("self") ? masked_fill(g, mask, Scalar(0)) : Tensor(), Tensor(),
          s.needs("source") ? masked_scatter_backward(g, mask, s.sizes("source")) : Tensor()};
}
Grads masked_scatter_backward_grad(const Saved& s, const Tensor& g) {
  Tensor mask = s["mask"];
  return {masked_scatter(zeros(s.sizes("grad_output"), g.dtype(), std::nullopt, g.device()), mask,
                         reshape(g, IntArrayRef(int64_t(-1)))),
          Tensor()};
}

// ---- nonzero ----

// No branch hangs on an element, for none tells of the next.
Tensor nonzero_op(const Tensor& self) {
  Tensor in = dense(self, DType::Bool);
  const bool* x = in.data<bool>();
  const Dims& sizes = self.sizes();
  const size_t rank = sizes.size();
  const int64_t line = rank ? sizes.back() : 1;
  int64_t count = 0;
  for (int64_t i = 0, n = in.numel(); i < n; i++) count += x[i];
  // PyTorch lays the result out by columns: each dimension's positions are contiguous.
  Tensor out = empty_strided_tensor(Dims{count, int64_t(rank)}, Dims{1, std::max<int64_t>(count, 1)}, DType::Int64);
  if (rank == 0) return out;
  int64_t* columns = out.data<int64_t>();
  int64_t* last = columns + int64_t(rank - 1) * count;
  Dims at(rank - 1, 0);
  for (int64_t found = 0; found < count; x += line) {
    const int64_t before = found;
    for (int64_t j = 0; j < line && found < count; j++) {
      last[found] = j;
      found += x[j];
    }
    for (size_t d = 0; d + 1 < rank; d++)
      std::fill(columns + int64_t(d) * count + before, columns + int64_t(d) * count + found, at[d]);
    for (size_t d = rank - 1; d-- > 0;) {
      if (++at[d] < sizes[d]) break;
      at[d] = 0;
    }
  }
  return out;
}

TensorSpec nonzero_static_meta(const Tensor& self, int64_t size, int64_t) {
  RL_CHECK(RuntimeError, size >= 0, "nonzero_static: 'size' must be an non-negative integer");
  return {.sizes = {size, self.dim()}, .dtype = DType::Int64, .device = self.device()};
}
void nonzero_static_cpu(const Tensor& self, int64_t size, int64_t fill_value, const Tensor& out) {
  Tensor found = nonzero_op(self);
  int64_t rows = std::min(size, found.size(0)), rank = self.dim();
  auto part = [&](const Tensor& t, int64_t from, int64_t count) {
    return alias_tensor(t, {count, rank}, t.strides(), t.storage_offset() + from * t.strides()[0]);
  };
  copy_elements(part(out, 0, rows), part(found, 0, rows));
  if (rows == size) return;
  Tensor value = empty_tensor({}, DType::Int64);
  *value.data<int64_t>() = fill_value;
  copy_elements(part(out, rows, size - rows), seen_at(value, {size - rows, rank}));
}
Tensor argwhere_op(const Tensor& self) { return nonzero(self); }
Tensors nonzero_numpy(const Tensor& self) { return unbind(nonzero(at_least_1d(self)), 1); }

}  // namespace

OP(masked_fill, {.schema = "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
                 .doc = "self with a number where the mask is true. >>> torch.masked_fill(torch.ones(2), "
                        "torch.tensor([True, False]), 0)\ntensor([0., 1.])",
                 .kernel = updating<masked_fill_meta, masked_fill_cpu>(),
                 .grad = {{"mask"}, masked_fill_grad},
                 .numbers = Numbers::Fallback,
                 .on_expanded = OnExpanded::Warns});
OP(masked_fill_tensor, {.schema = "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
                        .doc = "self with the value of a 0-d tensor where the mask is true.",
                        .kernel = updating<masked_fill_tensor_meta, masked_fill_tensor_cpu>(),
                        .grad = {{"mask"}, masked_fill_tensor_grad},
                        .numbers = Numbers::Fallback,
                        .on_expanded = OnExpanded::Warns});
OP(masked_select, {.schema = "masked_select(Tensor self, Tensor mask) -> Tensor",
                   .doc = "The elements where the mask is true, in one dimension. >>> "
                          "torch.masked_select(torch.tensor([1, 2]), torch.tensor([False, True]))\ntensor([2])",
                   .kernel = function<masked_select_op>(),
                   .grad = {{"mask"}, masked_select_grad},
                   .forms = kFunction | kMethod | kOut | kOutApart});
OP(masked_scatter, {.schema = "masked_scatter(Tensor self, Tensor mask, Tensor source) -> Tensor",
                    .doc = "self with the elements of source, in order, where the mask is true."
                           " >>> torch.tensor([1, 2, 3]).masked_scatter(torch.tensor([True, False, True]), "
                           "torch.tensor([8, 9]))\ntensor([8, 2, 9])",
                    .kernel = updating<masked_scatter_meta, masked_scatter_cpu>(),
                    .grad = {{"mask"}, masked_scatter_grad}});
OP(masked_scatter_backward,
   {.schema = "masked_scatter_backward(Tensor grad_output, Tensor mask, int[] sizes) -> Tensor",
    .doc = "Gradient of masked_scatter for its source.",
    .kernel = structured<masked_scatter_backward_meta, masked_scatter_backward_cpu>(),
    .grad = {{"mask"}, masked_scatter_backward_grad},
    .forms = kFunction});
OP(nonzero,
   {.schema = "nonzero(Tensor self) -> Tensor",
    .doc = "The positions of non-zero elements, a row each. >>> torch.nonzero(torch.tensor([0, 5]))\ntensor([[1]])",
    .kernel = function<nonzero_op>(),
    .forms = kFunction | kMethod | kOut});
OP(nonzero_static, {.schema = "nonzero_static(Tensor self, *, int size, int fill_value=-1) -> Tensor",
                    .doc = "The first `size` rows of nonzero, and fill_value where there are fewer."
                           " >>> torch.nonzero_static(torch.tensor([0, 5, 0]), size=2)\ntensor([[ 1],\n        [-1]])",
                    .kernel = structured<nonzero_static_meta, nonzero_static_cpu>(),
                    .forms = kFunction | kMethod | kOut});
OP(nonzero_numpy,
   {.schema = "nonzero_numpy(Tensor self) -> Tensor[]",
    .doc = "The positions of non-zero elements, a tensor for each dimension."
           " >>> torch.tensor([[0, 1], [2, 0]]).nonzero(as_tuple=True)\n(tensor([0, 1]), tensor([1, 0]))",
    .kernel = composite<nonzero_numpy>()});
OP(argwhere,
   {.schema = "argwhere(Tensor self) -> Tensor",
    .doc = "The positions of non-zero elements, a row each. >>> torch.argwhere(torch.tensor([0, 5]))\ntensor([[1]])",
    .kernel = composite<argwhere_op>()});
OP(where_nonzero, {.schema = "where(Tensor condition) -> Tensor[]",
                   .doc = "The positions of non-zero elements, a tensor for each dimension. >>> "
                          "torch.where(torch.tensor([0, 5]))\n(tensor([1]),)",
                   .kernel = composite<nonzero_numpy>(),
                   .forms = kFunction,
                   .numbers = Numbers::Fallback});

}  // namespace rushlight
