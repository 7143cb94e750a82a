// embedding: rows of a table, and the gradient that adds rows back. one_hot.
#include "rushlight/fn/embedding.h"

#include <algorithm>
#include <cstring>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/embedding_backward.h"
#include "rushlight/fn/embedding_dense_backward.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sparse_coo_tensor.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

TensorSpec embedding_meta(const Tensor& weight, const Tensor& indices, int64_t, bool, bool) {
  RL_CHECK(RuntimeError, weight.dim() == 2, "'weight' must be 2-D");
  RL_CHECK(RuntimeError, indices.dtype() == DType::Int64 || indices.dtype() == DType::Int32,
           "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got ",
           scalar_type_name(indices.dtype()),
           " instead (while checking arguments for embedding). Hint: convert them with indices.long()");
  Dims sizes = indices.sizes();
  sizes.push_back(weight.sizes()[1]);
  return {.sizes = sizes, .dtype = weight.dtype(), .device = weight.device()};
}
void embedding_cpu(const Tensor& weight, const Tensor& indices, int64_t, bool, bool, const Tensor& out) {
  Tensor at = dense(indices, DType::Int64), to = dense(out);
  const int64_t* idx = at.data<int64_t>();
  int64_t rows = weight.sizes()[0], columns = weight.sizes()[1], count = at.numel();
  for (int64_t i = 0; i < count; i++)
    RL_CHECK(IndexError, idx[i] >= 0 && idx[i] < rows, "index out of range in self: index ", idx[i],
             " is out of bounds for dimension 0 with size ", rows, ". Hint: embedding: indices are 0 to ", rows - 1,
             " for the table of shape ", weight.sizes(), "; make it with num_embeddings of at least ", idx[i] + 1,
             ", or check the indices");
  if (to.numel() == 0) return;
  Tensor table = weight.strides()[1] == 1 || columns == 1 ? weight : dense(weight);
  size_t bytes = size_t(columns * weight.item_size());
  int64_t step = table.strides()[0] * weight.item_size();
  parallel_for(0, count, std::max<int64_t>(1, 65536 / columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      std::memcpy(static_cast<char*>(to.raw()) + size_t(i) * bytes, static_cast<char*>(table.raw()) + idx[i] * step,
                  bytes);
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
Grads embedding_grad(const Saved& s, const Tensor& g) {
  return {embedding_backward(g, s["indices"], s.sizes("weight")[0], s.arg("padding_idx").to_int(),
                             s.arg("scale_grad_by_freq").to_bool(), s.arg("sparse").to_bool()),
          Tensor()};
}

TensorSpec embedding_backward_meta(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t, bool) {
  RL_CHECK(RuntimeError, grad.dim() == indices.dim() + 1,
           "embedding_dense_backward: expected one dimension more in grad_output than in indices, got ", grad.dim(),
           " and ", indices.dim());
  RL_CHECK(RuntimeError, IntArrayRef(grad.sizes()).slice(0, size_t(indices.dim())) == IntArrayRef(indices.sizes()),
           "embedding_dense_backward: expected a row of grad_output for each index, got shapes ", grad.sizes(), " and ",
           indices.sizes());
  return {.sizes = Dims{rows, grad.sizes().back()}, .dtype = grad.dtype(), .device = grad.device()};
}

RL_FOR_EACH_ISA(
    template <class T>, void, add_row, (T * x, const T* y, int64_t n, float scale),
    {
      using A = compute_t<T>;
      if (scale == 1.f) {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) x[i] = T(A(x[i]) + A(y[i]));
      } else {
        RL_IVDEP
        for (int64_t i = 0; i < n; i++) x[i] = T(A(x[i]) + A(y[i]) * A(scale));
      }
    },
    <T>)

void embedding_backward_cpu(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding, bool by_frequency,
                            const Tensor& out) {
  Tensor at = dense(indices, DType::Int64), to = dense(out);
  int64_t columns = to.sizes()[1], count = at.numel();
  const int64_t* idx = at.data<int64_t>();
  std::vector<int64_t> seen(by_frequency ? size_t(rows) : 0);
  for (int64_t i = 0; i < count; i++) {
    RL_CHECK(IndexError, idx[i] >= 0 && idx[i] < rows, "index out of range in self: index ", idx[i],
             " is out of bounds for dimension 0 with size ", rows);
    if (by_frequency) seen[size_t(idx[i])]++;
  }
  // A gradient that is one value spread out (from a sum) is read as it is: one row stands for all.
  bool same_rows = true;
  for (int64_t d = 0; d + 1 < grad.dim(); d++)
    same_rows = same_rows && (grad.sizes()[size_t(d)] == 1 || grad.strides()[size_t(d)] == 0);
  Tensor row_source;
  if (same_rows && grad.numel() > 0)
    row_source =
        dense(alias_tensor(grad, IntArrayRef(columns), IntArrayRef(grad.strides().back()), grad.storage_offset()));
  else row_source = dense(grad);
  int64_t row_step = same_rows ? 0 : columns;
  dispatch(FloatAndComplexTypes{}, grad.dtype(), "embedding_backward", [&]<class T>() {
    if constexpr (is_complex(dtype_of<T>)) {
      RL_CHECK(NotImplementedError, false, "\"embedding_backward\" not implemented for '",
               scalar_type_name(dtype_of<T>), "'");
    } else {
      T* x = to.data<T>();
      const T* g = row_source.data<T>();
      // Each thread owns a range of rows and adds in the order of the indices: the same bits on any number of threads.
      parallel_for(0, rows, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, columns)),
                   [&](int64_t begin, int64_t end) {
                     std::fill_n(x + begin * columns, (end - begin) * columns, T(0));
                     for (int64_t i = 0; i < count; i++) {
                       int64_t k = idx[i];
                       if (k < begin || k >= end || k == padding) continue;
                       add_row_isa<T>()(x + k * columns, g + i * row_step, columns,
                                        by_frequency ? 1.f / float(seen[size_t(k)]) : 1.f);
                     }
                   });
    }
  });
  if (!to.is_same(out)) copy_elements(out, to);
}
Grads embedding_backward_grad(const Saved& s, const Tensor& g) {
  RL_CHECK(RuntimeError, !s.arg("scale_grad_by_freq").to_bool(),
           "embedding: double backward with scale_grad_by_freq is not supported");
  Tensor indices = s["indices"];
  int64_t padding = s.arg("padding_idx").to_int();
  Tensor rows = embedding(g, indices);
  if (padding >= 0) rows = masked_fill(rows, unsqueeze(indices == Scalar(padding), -1), Scalar(0));
  return {rows, Tensor()};
}

// Scales the named rows down to max_norm where they are longer.
void embedding_renorm_op(const Tensor& self, const Tensor& indices, double max_norm, double norm_type) {
  RL_CHECK(RuntimeError, self.dim() == 2 && is_floating(self.dtype()),
           "embedding_renorm_: expected a matrix of floating dtype, got ", scalar_type_name(self.dtype()), " of shape ",
           self.sizes());
  Tensor at = index_values("embedding_renorm_", indices);
  std::vector<int64_t> rows(at.data<int64_t>(), at.data<int64_t>() + at.numel());
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  NoGradGuard no_grad;
  for (int64_t row : rows) {
    RL_CHECK(IndexError, row >= 0 && row < self.size(0), "index out of range in self");
    Tensor r = alias_tensor(self, self.sizes()[1], self.strides()[1], self.storage_offset() + row * self.strides()[0]);
    double norm = item(linalg_vector_norm(r, norm_type)).to_double();
    if (norm > max_norm) copy_elements(r, mul(r, full(Dims{}, max_norm / (norm + 1e-7), r.dtype())));
  }
}

// A row for each index, not one for each row of the table.
Tensor sparse_backward(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding, bool by_frequency) {
  RL_CHECK(RuntimeError, !by_frequency,
           "embedding_backward: scale_grad_by_freq not supported with sparse gradients; use sparse=False");
  Tensor at = to(reshape(indices, {-1}), DType::Int64), values = reshape(grad, {indices.numel(), grad.size(-1)});
  if (padding >= 0) {
    Tensor kept = flatten(nonzero(at != Scalar(padding)));
    at = index_select(at, 0, kept);
    values = index_select(values, 0, kept);
  }
  return sparse_coo_tensor(unsqueeze(at, 0), values, {rows, grad.size(-1)});
}
Tensor any_backward(const Tensor& grad, const Tensor& indices, int64_t rows, int64_t padding, bool by_frequency,
                    bool sparse) {
  return sparse ? sparse_backward(grad, indices, rows, padding, by_frequency)
                : embedding_dense_backward(grad, indices, rows, padding, by_frequency);
}

TensorSpec one_hot_meta(const Tensor& self, int64_t classes) {
  RL_CHECK(RuntimeError, self.dtype() == DType::Int64,
           "one_hot is only applicable to index tensor of type LongTensor. Hint: got ", self.dtype(),
           "; convert it with x.long()");
  RL_CHECK(RuntimeError, self.numel() > 0 || classes > 0,
           classes == 0 ? "Class values must be smaller than num_classes."
                        : "Can not infer total number of classes from empty tensor.");
  RL_CHECK(RuntimeError, classes == -1 || classes > 0, "num_classes should be positive");
  if (classes == -1) {
    RL_CHECK(NotImplementedError, !self.device().is_meta(), "one_hot: the number of classes can't be found on device ",
             self.device(), ": it depends on the values; pass num_classes");
    Tensor in = dense(self);
    classes = *std::max_element(in.data<int64_t>(), in.data<int64_t>() + in.numel()) + 1;
  }
  Dims sizes = self.sizes();
  sizes.push_back(std::max<int64_t>(classes, 0));
  return {.sizes = sizes, .dtype = DType::Int64, .device = self.device()};
}
void one_hot_cpu(const Tensor& self, int64_t, const Tensor& out) {
  Tensor in = dense(self);
  int64_t classes = out.sizes().back(), *to = out.data<int64_t>();
  std::fill_n(to, out.numel(), 0);
  for (int64_t i = 0; i < in.numel(); i++) {
    int64_t v = in.data<int64_t>()[i];
    RL_CHECK(RuntimeError, v >= 0, "Class values must be non-negative. Hint: one_hot: got the value ", v);
    RL_CHECK(RuntimeError, v < classes, "Class values must be smaller than num_classes. Hint: one_hot: got the value ",
             v, " with num_classes=", classes, "; values are 0 to ", classes - 1);
    to[i * classes + v] = 1;
  }
}

}  // namespace

OP(embedding, {.schema = "embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, "
                         "bool sparse=False) -> Tensor",
               .doc = "Rows of weight. >>> torch.embedding(torch.eye(2), torch.tensor([1]))\ntensor([[0., 1.]])",
               .kernel = structured<embedding_meta, embedding_cpu>(),
               .grad = {{"indices"}, embedding_grad},
               .forms = kFunction});
OP(embedding_dense_backward, {.schema = "embedding_dense_backward(Tensor grad_output, Tensor indices, int num_weights, "
                                        "int padding_idx, bool scale_grad_by_freq) -> Tensor",
                              .doc = "Gradient of embedding for its table.",
                              .kernel = structured<embedding_backward_meta, embedding_backward_cpu>(),
                              .grad = {{"indices"}, embedding_backward_grad},
                              .forms = kFunction});
OP(embedding_sparse_backward,
   {.schema = "embedding_sparse_backward(Tensor grad, Tensor indices, int num_weights, int padding_idx, bool "
              "scale_grad_by_freq) -> Tensor",
    .doc = "Gradient of embedding for its table, a sparse tensor.",
    .kernel = composite<sparse_backward>(),
    .forms = kFunction});
OP(embedding_backward,
   {.schema = "embedding_backward(Tensor grad, Tensor indices, int num_weights, int padding_idx, bool "
              "scale_grad_by_freq, bool sparse) -> Tensor",
    .doc = "Gradient of embedding for its table, sparse if told so.",
    .kernel = composite<any_backward>(),
    .forms = kFunction,
    .shares = {"grad:sparse"}});
OP(embedding_renorm_,
   {.schema = "embedding_renorm_(Tensor(a!) self, Tensor indices, float max_norm, float norm_type) -> Tensor(a!)",
    .doc = "Scales rows down to a norm of at most max_norm.",
    .kernel = mutation<embedding_renorm_op>(),
    .forms = kFunction});
OP(one_hot, {.schema = "one_hot(Tensor self, int num_classes=-1) -> Tensor",
             .doc = "A 1 at the position of each class, 0 elsewhere. >>> torch.nn.functional.one_hot(torch.tensor([1, "
                    "0]))\ntensor([[0, 1],\n        [1, 0]])",
             .kernel = structured<one_hot_meta, one_hot_cpu>(),
             .forms = kFunction,
             .module = "nn"});

}  // namespace rushlight
