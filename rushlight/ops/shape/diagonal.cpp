// Diagonals: diagonal (a view), diag, diag_embed, tril, triu, tril_indices, triu_indices, block_diag.
#include "rushlight/fn/diagonal.h"

#include "rushlight/dispatch/expect.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/diag_embed.h"
#include "rushlight/fn/diagonal_backward.h"
#include "rushlight/fn/fill_.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/tril.h"
#include "rushlight/fn/triu.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

// Where the diagonal of two dimensions lies; it is placed last.
struct Diagonal {
  Dims sizes, strides;
  int64_t start;

  Diagonal(const Dims& of, const Dims& steps, int64_t from, int64_t offset, int64_t dim1, int64_t dim2)
      : sizes(of), strides(steps), start(from) {
    int64_t rank = int64_t(of.size()), a = wrap_dim(dim1, rank), b = wrap_dim(dim2, rank);
    RL_CHECK(RuntimeError, a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
    // An offset beyond the matrix is as good as one just outside of it.
    offset = std::clamp(offset, -sizes[size_t(a)], sizes[size_t(b)]);
    int64_t n = std::max<int64_t>(0, offset >= 0 ? std::min(sizes[size_t(a)], sizes[size_t(b)] - offset)
                                                 : std::min(sizes[size_t(a)] + offset, sizes[size_t(b)]));
    if (n > 0) start += offset >= 0 ? offset * strides[size_t(b)] : -offset * strides[size_t(a)];
    int64_t step = strides[size_t(a)] + strides[size_t(b)];
    for (size_t d : {size_t(std::max(a, b)), size_t(std::min(a, b))}) {
      sizes.erase(d);
      strides.erase(d);
    }
    sizes.push_back(n);
    strides.push_back(step);
  }
};

Tensor diagonal_op(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  Diagonal d(self.sizes(), self.strides(), self.storage_offset(), offset, dim1, dim2);
  return alias_tensor(self, d.sizes, d.strides, d.start);
}

// Zeros with a diagonal of values.
void put_diagonal(const Tensor& out, int64_t offset, int64_t dim1, int64_t dim2, const Tensor& values) {
  dispatch_size(out.dtype(), [&]<class W>() { std::fill_n(out.data<W>(), out.numel(), W{}); });
  copy_elements(diagonal_op(out, offset, dim1, dim2), values);
}
TensorSpec diagonal_backward_meta(const Tensor& grad, IntArrayRef sizes, int64_t offset, int64_t dim1, int64_t dim2) {
  for (int64_t n : sizes)
    RL_CHECK(RuntimeError, n >= 0, "diagonal_backward: expected input_sizes of 0 or more, got ", sizes);
  Diagonal d(Dims(sizes), contiguous_strides(sizes), 0, offset, dim1, dim2);
  expect_shape("diagonal_backward", "grad_output", grad, d.sizes);
  return {.sizes = Dims(sizes), .dtype = grad.dtype(), .device = grad.device()};
}
void diagonal_backward_cpu(const Tensor& grad, IntArrayRef, int64_t offset, int64_t dim1, int64_t dim2,
                           const Tensor& out) {
  put_diagonal(out, offset, dim1, dim2, grad);
}
Grads diagonal_grad(const Saved& s, const Tensor& g) {
  return {
      diagonal_backward(g, s.sizes("self"), s.arg("offset").to_int(), s.arg("dim1").to_int(), s.arg("dim2").to_int())};
}
Grads diagonal_backward_grad(const Saved& s, const Tensor& g) {
  return {diagonal(g, s.arg("offset").to_int(), s.arg("dim1").to_int(), s.arg("dim2").to_int())};
}

TensorSpec diag_embed_meta(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  int64_t rank = self.dim() + 1, a = wrap_dim(dim1, rank), b = wrap_dim(dim2, rank);
  RL_CHECK(RuntimeError, a != b, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  RL_CHECK(RuntimeError, offset != INT64_MIN, "diag_embed: the offset ", offset, " is out of range");
  int64_t n = CheckedInt(self.size(-1)) + std::abs(offset);
  Dims sizes = self.sizes();
  sizes.erase(sizes.size() - 1);
  sizes.insert(size_t(std::min(a, b)), n);
  sizes.insert(size_t(std::max(a, b)), n);
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
void diag_embed_cpu(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2, const Tensor& out) {
  put_diagonal(out, offset, dim1, dim2, self);
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
  k = std::clamp(k, -rows - 1, columns + 1);  // diagonals beyond the matrix are all alike
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

// The elements at or below a diagonal of a matrix, or at or above it: in row i the columns from first(i) to last(i), and
// rows that have none only before row `begin` and from row `end` on.
template <bool lower>
struct Triangle {
  int64_t rows, columns, offset, begin, end;

  Triangle(int64_t rows, int64_t columns, int64_t offset) : rows(rows), columns(columns), offset(offset) {
    RL_CHECK(RuntimeError, rows >= 0, "row must be non-negative, got", rows);
    RL_CHECK(RuntimeError, columns >= 0, "col must be non-negative, got", columns);
    begin = lower ? row_where(-__int128(offset)) : 0;
    end = lower ? rows : row_where(__int128(columns) - offset);
  }
  int64_t row_where(__int128 i) const { return int64_t(std::clamp<__int128>(i, 0, rows)); }
  int64_t column(__int128 j) const { return int64_t(std::clamp<__int128>(j, 0, columns)); }
  int64_t first(int64_t i) const { return lower ? 0 : column(__int128(i) + offset); }
  int64_t last(int64_t i) const { return lower ? column(__int128(i) + offset + 1) : columns; }
  int64_t count() const {
    // Rows grow or shrink by one up to `turn`, or from it on; the others are whole.
    __int128 turn = lower ? row_where(__int128(columns) - offset - 1) : row_where(-__int128(offset)), n;
    if (turn < begin) turn = begin;
    if (turn > end) turn = end;
    if (lower) n = (turn - begin) * (begin + turn + 1 + 2 * __int128(offset)) / 2 + (end - turn) * columns;
    else n = turn * columns + (end - turn) * (2 * (__int128(columns) - offset) - turn - end + 1) / 2;
    RL_CHECK(RuntimeError, n <= INT64_MAX / 2, lower ? "tril" : "triu", "_indices: a matrix of ", rows, " by ", columns,
             " has too many elements");
    return int64_t(n);
  }
};

template <bool lower>
TensorSpec triangle_indices_meta(int64_t rows, int64_t columns, int64_t offset, const std::optional<DType>& dtype,
                                 const std::optional<Layout>&, const std::optional<Device>& device,
                                 const std::optional<bool>&) {
  Triangle<lower> t(rows, columns, offset);
  DType d = dtype.value_or(DType::Int64);
  RL_CHECK(RuntimeError, d == DType::Int64 || d == DType::Int32, '"', lower ? "tril" : "triu",
           "_indices\" not implemented for '", scalar_type_name(d), "'");
  return {.sizes = {2, t.count()}, .dtype = d, .device = device.value_or(Device())};
}
template <bool lower>
void triangle_indices(const Op&, IValue* args, const Tensor* out) {
  if (out[0].numel() == 0) return;  // without columns there may be rows past counting
  Triangle<lower> t(args[0].to_int(), args[1].to_int(), args[2].to_int());
  auto fill = [&]<class T>(T* p) {
    T* q = p + out[0].size(1);
    for (int64_t i = t.begin; i < t.end; i++)
      for (int64_t j = t.first(i), last = t.last(i); j < last; j++) *p++ = T(i), *q++ = T(j);
  };
  if (out[0].dtype() == DType::Int64) fill(out[0].data<int64_t>());
  else fill(out[0].data<int32_t>());
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
  Tensor out = zeros(Dims{tensors.empty() ? 1 : rows, columns}, d, std::nullopt,
                     tensors.empty() ? Device() : tensors[0].device());
  int64_t r = 0, c = 0;
  for (const Tensor& t : tensors) {
    copy_(slice(slice(out, 0, r, r + height(t)), 1, c, c + width(t)), t);
    r += height(t);
    c += width(t);
  }
  return out;
}

void fill_diagonal(const Tensor& self, const Scalar& value, bool wrap) {
  RL_CHECK(RuntimeError, self.dim() >= 2, "dimensions must larger than 1");
  int64_t height = self.size(0), width = self.size(1), step = 0, n = std::min(height, width);
  for (int64_t d = 0; d < self.dim(); d++) {
    RL_CHECK(RuntimeError, self.dim() == 2 || self.size(d) == height,
             "all dimensions of input must be of equal length");
    step += self.stride(d);
  }
  fill_(as_strided(self, {n}, {step}, self.storage_offset()), value);
  if (!wrap || self.dim() != 2 || height <= width + 1) return;
  // Again below the square, a row left out, as numpy does it.
  for (int64_t top = width + 1; top < height; top += width + 1)
    fill_(as_strided(self, {std::min(width, height - top)}, {step}, self.storage_offset() + top * self.stride(0)),
          value);
}
Grads fill_diagonal_grad(const Saved& s, const Tensor& g) {
  Tensor kept = clone(g);
  fill_diagonal(kept, Scalar(0), s.arg("wrap").to_bool());
  return {kept};
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
    .kernel = structured<diagonal_backward_meta, diagonal_backward_cpu>(),
    .grad = {{}, diagonal_backward_grad},
    .forms = kFunction});
OP(fill_diagonal_, {.schema = "fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False) -> Tensor(a!)",
                    .doc = "Sets the main diagonal; with wrap, of a tall matrix again below each square."
                           " >>> torch.zeros(2, 2).fill_diagonal_(5)\ntensor([[5., 0.],\n        [0., 5.]])",
                    .kernel = mutation<fill_diagonal>(),
                    .grad = {{}, fill_diagonal_grad},
                    .forms = kMethod});
OP(diag_embed, {.schema = "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
                .doc = "Matrices whose diagonals are the last dimension of self. >>> torch.diag_embed(torch.tensor([1, "
                       "2]))\ntensor([[1, 0],\n        [0, 2]])",
                .kernel = structured<diag_embed_meta, diag_embed_cpu>(),
                .grad = {{}, diagonal_backward_grad},
                .forms = kFunction | kMethod});
OP(diag, {.schema = "diag(Tensor self, int diagonal=0) -> Tensor",
          .doc = "The diagonal of a matrix, or the matrix with a given diagonal. >>> torch.diag(torch.tensor([1, "
                 "2]))\ntensor([[1, 0],\n        [0, 2]])",
          .kernel = composite<diag_op>(),
          .forms = kFunction | kMethod | kOut,
          .shares = {"self"}});
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
                  .kernel = filled<triangle_indices_meta<true>>(triangle_indices<true>),
                  .forms = kFunction});
OP(triu_indices, {.schema = "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=long, Layout? "
                            "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                  .doc = "Rows and columns of an upper triangle's elements. >>> torch.triu_indices(2, 2)\ntensor([[0, "
                         "0, 1],\n        [0, 1, 1]])",
                  .kernel = filled<triangle_indices_meta<false>>(triangle_indices<false>),
                  .forms = kFunction});
OP(block_diag, {.schema = "block_diag(Tensor[] tensors) -> Tensor",
                .doc = "A matrix with the given ones along its diagonal. >>> torch.block_diag([torch.tensor([1]), "
                       "torch.tensor([2])])\ntensor([[1, 0],\n        [0, 2]])",
                .kernel = composite<block_diag>(),
                .forms = kFunction});

}  // namespace rushlight
