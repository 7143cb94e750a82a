// Diagonals: diagonal (a view), diag, diag_embed, tril, triu, tril_indices, triu_indices, block_diag.
#include "rushlight/fn/diagonal.h"

#include "rushlight/fn/copy_.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal_backward.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/tril.h"
#include "rushlight/fn/triu.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/ops/kernel.h"

namespace rushlight {
namespace {

Tensor diagonal_op(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t a = wrap_dim(dim1, self.dim()), b = wrap_dim(dim2, self.dim());
  RL_CHECK(RuntimeError, self.dim() >= 2 || a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  RL_CHECK(RuntimeError, a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  Dims sizes = self.sizes(), strides = self.strides();
  int64_t n = std::max<int64_t>(0, offset >= 0 ? std::min(sizes[size_t(a)], sizes[size_t(b)] - offset)
                                               : std::min(sizes[size_t(a)] + offset, sizes[size_t(b)]));
  int64_t start = self.storage_offset();
  if (n > 0) start += offset >= 0 ? offset * strides[size_t(b)] : -offset * strides[size_t(a)];
  int64_t step = strides[size_t(a)] + strides[size_t(b)];
  for (size_t d : {size_t(std::max(a, b)), size_t(std::min(a, b))}) {
    sizes.erase(d);
    strides.erase(d);
  }
  sizes.push_back(n);
  strides.push_back(step);
  return alias_tensor(self, sizes, strides, start);
}
Tensor diagonal_backward_op(const Tensor& grad, IntArrayRef sizes, int64_t offset, int64_t dim1, int64_t dim2) {
  Tensor out = zeros(sizes, grad.dtype(), std::nullopt, grad.device());
  copy_(diagonal_op(out, offset, dim1, dim2), grad);
  return out;
}
Grads diagonal_grad(const Saved& s, const Tensor& g) {
  return {
      diagonal_backward(g, s.sizes("self"), s.arg("offset").to_int(), s.arg("dim1").to_int(), s.arg("dim2").to_int())};
}
Grads diagonal_backward_grad(const Saved& s, const Tensor& g) {
  return {diagonal(g, s.arg("offset").to_int(), s.arg("dim1").to_int(), s.arg("dim2").to_int())};
}

Tensor diag_embed_op(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t rank = self.dim() + 1, a = wrap_dim(dim1, rank), b = wrap_dim(dim2, rank);
  RL_CHECK(RuntimeError, a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t n = self.size(-1) + std::abs(offset);
  Dims sizes = self.sizes();
  sizes.erase(sizes.size() - 1);
  sizes.insert(size_t(std::min(a, b)), n);
  sizes.insert(size_t(std::max(a, b)), n);
  Tensor out = zeros(sizes, self.dtype(), std::nullopt, self.device());
  copy_(diagonal_op(out, offset, a, b), self);
  return out;
}

Tensor diag_op(const Tensor& self, int64_t offset) {
  RL_CHECK(RuntimeError, self.dim() == 1 || self.dim() == 2, "diag(): Supports 1D or 2D tensors. Got ", self.dim(),
           "D");
  if (self.dim() == 1) return diag_embed(self, offset);
  return diagonal(self, offset);
}

Tensor diagflat_op(const Tensor& self, int64_t offset) { return diag_embed(flatten(self), offset); }

TensorSpec triangle_meta(const char* op, const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() >= 2, op, ": input tensor must have at least 2 dimensions");
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}
TensorSpec tril_meta(const Tensor& self, int64_t) { return triangle_meta("tril", self); }
TensorSpec triu_meta(const Tensor& self, int64_t) { return triangle_meta("triu", self); }

template <bool lower>
void triangle_cpu(const Tensor& out, int64_t k) {
  int64_t row_dim = out.dim() - 2, columns = out.size(-1), rows = out.size(-2);
  dispatch_size(out.dtype(), [&]<class W>() {
    int64_t row_stride = out.strides()[size_t(row_dim)], step = out.strides().back();
    Dims outer = out.sizes();
    outer[size_t(row_dim)] = 1;
    for_each_lane<1>(outer, out.dim() - 1, {&out}, lane_grain(rows * columns), [&](std::array<char*, 1> p) {
      for (int64_t i = 0; i < rows; i++) {
        W* row = reinterpret_cast<W*>(p[0]) + i * row_stride;
        int64_t from = lower ? std::clamp<int64_t>(i + k + 1, 0, columns) : 0;
        int64_t to = lower ? columns : std::clamp<int64_t>(i + k, 0, columns);
        for (int64_t j = from; j < to; j++) row[j * step] = W{};
      }
    });
  });
}
void tril_cpu(const Tensor&, int64_t k, const Tensor& out) { triangle_cpu<true>(out, k); }
void triu_cpu(const Tensor&, int64_t k, const Tensor& out) { triangle_cpu<false>(out, k); }
Grads tril_grad(const Saved& s, const Tensor& g) { return {tril(g, s.arg("diagonal").to_int())}; }
Grads triu_grad(const Saved& s, const Tensor& g) { return {triu(g, s.arg("diagonal").to_int())}; }

template <bool lower>
Tensor triangle_indices(int64_t rows, int64_t columns, int64_t offset, const std::optional<DType>& dtype,
                        const std::optional<Layout>&, const std::optional<Device>& device, const std::optional<bool>&) {
  RL_CHECK(RuntimeError, rows >= 0, "row must be non-negative, got", rows);
  RL_CHECK(RuntimeError, columns >= 0, "col must be non-negative, got", columns);
  DType d = dtype.value_or(DType::Int64);
  RL_CHECK(RuntimeError, d == DType::Int64 || d == DType::Int32, '"', lower ? "tril" : "triu",
           "_indices\" not implemented for '", scalar_type_name(d), "'");
  auto range = [&](int64_t i, int64_t& from, int64_t& to) {
    from = lower ? 0 : std::clamp<int64_t>(i + offset, 0, columns);
    to = lower ? std::clamp<int64_t>(i + offset + 1, 0, columns) : columns;
  };
  int64_t n = 0, from, to;
  for (int64_t i = 0; i < rows; i++) {
    range(i, from, to);
    n += to - from;
  }
  Tensor out = empty_tensor({2, n}, d, device.value_or(Device()));
  auto fill = [&]<class T>(T* p) {
    for (int64_t i = 0, at = 0; i < rows; i++) {
      range(i, from, to);
      for (int64_t j = from; j < to; j++, at++) {
        p[at] = T(i);
        p[n + at] = T(j);
      }
    }
  };
  if (d == DType::Int64) fill(out.data<int64_t>());
  else fill(out.data<int32_t>());
  return out;
}

Tensor block_diag(TensorList tensors) {
  int64_t rows = 0, columns = 0;
  DType d = tensors.empty() ? default_dtype() : tensors[0].dtype();
  auto height = [](const Tensor& t) { return t.dim() == 2 ? t.size(0) : 1; };
  auto width = [](const Tensor& t) { return t.dim() == 0 ? 1 : t.size(-1); };
  for (const Tensor& t : tensors) {
    RL_CHECK(RuntimeError, t.dim() <= 2, "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input has ",
             t.dim(), " dimensions");
    rows += height(t);
    columns += width(t);
    d = promote_types(d, t.dtype());
  }
  Tensor out = zeros(Dims{tensors.empty() ? 1 : rows, columns}, d);
  int64_t r = 0, c = 0;
  for (const Tensor& t : tensors) {
    copy_(slice(slice(out, 0, r, r + height(t)), 1, c, c + width(t)), t);
    r += height(t);
    c += width(t);
  }
  return out;
}

}  // namespace

OP(diagonal, {.schema = "diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)",
              .doc = "A view of the diagonal of two dimensions, placed last. >>> torch.diagonal(torch.tensor([[1, 2], "
                     "[3, 4]]))\ntensor([1, 4])",
              .kernel = view<diagonal_op>(),
              .grad = {{}, diagonal_grad}});
OP(diagonal_backward,
   {.schema = "diagonal_backward(Tensor grad_output, int[] input_sizes, int offset, int dim1, int dim2) -> Tensor",
    .doc = "Zeros of the given sizes with grad_output on a diagonal.",
    .kernel = function<diagonal_backward_op>(),
    .grad = {{}, diagonal_backward_grad},
    .forms = kFunction});
OP(diag_embed, {.schema = "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
                .doc = "Matrices whose diagonals are the last dimension of self. >>> torch.diag_embed(torch.tensor([1, "
                       "2]))\ntensor([[1, 0],\n        [0, 2]])",
                .kernel = function<diag_embed_op>(),
                .grad = {{}, diagonal_backward_grad}});
OP(diag, {.schema = "diag(Tensor self, int diagonal=0) -> Tensor",
          .doc = "The diagonal of a matrix, or the matrix with a given diagonal. >>> torch.diag(torch.tensor([1, "
                 "2]))\ntensor([[1, 0],\n        [0, 2]])",
          .kernel = composite<diag_op>(),
          .forms = kFunction | kMethod | kOut});
OP(diagflat, {.schema = "diagflat(Tensor self, int offset=0) -> Tensor",
              .doc = "The matrix with all elements on its diagonal. >>> torch.diagflat(torch.tensor([[1, "
                     "2]]))\ntensor([[1, 0],\n        [0, 2]])",
              .kernel = composite<diagflat_op>()});
OP(tril,
   {.schema = "tril(Tensor self, int diagonal=0) -> Tensor",
    .doc =
        "The lower triangle, zeros elsewhere. >>> torch.tril(torch.ones(2, 2))\ntensor([[1., 0.],\n        [1., 1.]])",
    .kernel = updating<tril_meta, tril_cpu>(),
    .grad = {{}, tril_grad}});
OP(triu,
   {.schema = "triu(Tensor self, int diagonal=0) -> Tensor",
    .doc =
        "The upper triangle, zeros elsewhere. >>> torch.triu(torch.ones(2, 2))\ntensor([[1., 1.],\n        [0., 1.]])",
    .kernel = updating<triu_meta, triu_cpu>(),
    .grad = {{}, triu_grad}});
OP(tril_indices, {.schema = "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? "
                            "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "Rows and columns of a lower triangle's elements. >>> torch.tril_indices(2, 2)\ntensor([[0, "
                         "1, 1],\n        [0, 0, 1]])",
                  .kernel = function<triangle_indices<true>>(),
                  .forms = kFunction});
OP(triu_indices, {.schema = "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? "
                            "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "Rows and columns of an upper triangle's elements. >>> torch.triu_indices(2, 2)\ntensor([[0, "
                         "0, 1],\n        [0, 1, 1]])",
                  .kernel = function<triangle_indices<false>>(),
                  .forms = kFunction});
OP(block_diag, {.schema = "block_diag(Tensor[] tensors) -> Tensor",
                .doc = "A matrix with the given ones along its diagonal. >>> torch.block_diag([torch.tensor([1]), "
                       "torch.tensor([2])])\ntensor([[1, 0],\n        [0, 2]])",
                .kernel = composite<block_diag>(),
                .forms = kFunction});

}  // namespace rushlight
