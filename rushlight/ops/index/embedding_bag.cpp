// embedding_bag: sums, means or maxima of the rows of a table that each bag names, without the rows themselves ever standing in memory.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_embedding_bag.h"
#include "rushlight/fn/clamp_min.h"
#include "rushlight/fn/embedding.h"
#include "rushlight/fn/embedding_backward.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

enum BagMode : int64_t { kBagSum = 0, kBagMean = 1, kBagMax = 2 };

std::array<TensorSpec, 4> bags_meta(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool,
                                    int64_t mode, bool, const Tensor& per_sample_weights, bool include_last_offset,
                                    int64_t) {
  RL_CHECK(RuntimeError, weight.dim() == 2, "embedding_bag: expected weight of 2 dimensions, got ", weight.sizes());
  RL_CHECK(RuntimeError, indices.dim() == 1 && offsets.dim() == 1,
           "embedding_bag: expected input and offsets of 1 dimension, got ", indices.sizes(), " and ", offsets.sizes());
  for (const Tensor& t : {indices, offsets})
    RL_CHECK(RuntimeError, t.dtype() == DType::Int64 || t.dtype() == DType::Int32,
             "Expected tensor for embedding_bag's indices and offsets to have one of the following scalar types: "
             "Long, Int; but got ",
             scalar_type_name(t.dtype()), " instead");
  RL_CHECK(RuntimeError, mode >= kBagSum && mode <= kBagMax, "embedding_bag: expected mode to be 0, 1 or 2, got ",
           mode);
  RL_CHECK(RuntimeError, !include_last_offset || offsets.size(0) >= 1,
           "include_last_offset: number of offsets should be at least 1");
  RL_CHECK(RuntimeError, !per_sample_weights.defined() || mode == kBagSum,
           "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
           "mode='",
           mode == kBagMean ? "mean" : "max", "'). Please open a feature request on GitHub.");
  if (per_sample_weights.defined()) {
    RL_CHECK(RuntimeError, per_sample_weights.dtype() == weight.dtype(), "embedding_bag: expected weight (",
             weight.dtype(), ") and per_sample_weights (", per_sample_weights.dtype(), ") to have the same dtype");
    RL_CHECK(RuntimeError, per_sample_weights.sizes() == indices.sizes(),
             "embedding_bag: expected per_sample_weights of the same shape as the input, got ",
             per_sample_weights.sizes(), " and ", indices.sizes());
  }
  int64_t count = offsets.numel() - int64_t(include_last_offset), columns = weight.size(1);
  auto integers = [&](const Dims& sizes) {
    return TensorSpec{.sizes = sizes, .dtype = DType::Int64, .device = weight.device()};
  };
  return {TensorSpec{.sizes = {count, columns}, .dtype = weight.dtype(), .device = weight.device()},
          integers(indices.sizes()), integers(Dims{count}), integers({mode == kBagMax ? count : 0, columns})};
}

RL_FOR_EACH_ISA(
    template <class T>, void, add_scaled, (compute_t<T> * total, const T* row, int64_t n, compute_t<T> factor),
    {
      RL_IVDEP
      for (int64_t c = 0; c < n; c++) total[c] += compute_t<T>(row[c]) * factor;
    },
    <T>)

void bags_cpu(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool, int64_t mode, bool,
              const Tensor& per_sample_weights, bool include_last_offset, int64_t padding, const Tensor& out,
              const Tensor& bag_of, const Tensor& sizes, const Tensor& largest) {
  Tensor at = dense(indices, DType::Int64), starts = dense(offsets, DType::Int64), table = dense(weight);
  const int64_t *idx = at.data<int64_t>(), *start = starts.data<int64_t>();
  int64_t n = at.numel(), rows = weight.size(0), columns = weight.size(1),
          count = starts.numel() - int64_t(include_last_offset);
  RL_CHECK(RuntimeError, starts.numel() == 0 || start[0] == 0,
           "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
           "got ",
           starts.numel() ? start[0] : 0);
  for (int64_t b = 0; b < starts.numel(); b++) {
    RL_CHECK(RuntimeError, start[b] <= n, "offsets[-1] can not be greater than input's length: (", n,
             ") but got offsets[-1] of ", start[b]);
    RL_CHECK(RuntimeError, b == 0 || start[b] >= start[b - 1], "embedding_bag: expected offsets to grow, got ",
             start[b - (b > 0)], " before ", start[b]);
  }
  for (int64_t i = 0; i < n; i++)
    RL_CHECK(RuntimeError, idx[i] >= 0 && idx[i] < rows,
             "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be ", idx[i]);
  Tensor factors = per_sample_weights.defined() ? dense(per_sample_weights) : Tensor();
  dispatch(FloatTypes{}, weight.dtype(), "embedding_bag", [&]<class T>() {
    using A = compute_t<T>;
    auto add = add_scaled_isa<T>();
    int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns * (n / std::max<int64_t>(1, count) + 1)));
    parallel_for(0, count, grain, [&](int64_t from, int64_t to) {
      std::vector<A> total(static_cast<size_t>(columns));
      for (int64_t b = from; b < to; b++) {
        int64_t end = b + 1 < starts.numel() ? start[b + 1] : n, used = 0;
        int64_t* best = mode == kBagMax ? largest.data<int64_t>() + b * columns : nullptr;
        std::fill(total.begin(), total.end(), A(0));
        if (best) std::fill(best, best + columns, int64_t(-1));
        for (int64_t i = start[b]; i < end; i++) {
          bag_of.data<int64_t>()[i] = b;
          if (idx[i] == padding) continue;
          used++;
          const T* row = table.data<T>() + idx[i] * columns;
          // Rows lie anywhere in the table: the one after the next is asked for while this one is added.
          if (i + 2 < n)
            for (int64_t c = 0; c < columns; c += 64 / int64_t(sizeof(T)))
              __builtin_prefetch(table.data<T>() + idx[i + 2] * columns + c);
          if (best) {
            for (int64_t c = 0; c < columns; c++)
              if (used == 1 || A(row[c]) > total[size_t(c)]) total[size_t(c)] = A(row[c]), best[c] = idx[i];
          } else {
            A factor = factors.defined() ? A(factors.data<T>()[i]) : A(1);
            add(total.data(), row, columns, factor);
          }
        }
        // Halves are rounded before they are divided, too.
        A divisor = mode == kBagMean && used > 0 ? A(used) : A(1);
        for (int64_t c = 0; c < columns; c++) out.data<T>()[b * columns + c] = T(A(T(total[size_t(c)])) / divisor);
        sizes.data<int64_t>()[b] = used;
      }
    });
  });
  // Behind the last offset of include_last_offset there may be indices that belong to no bag; the last stands for them, with no weight.
  for (int64_t i = include_last_offset ? (count ? start[count] : 0) : n; i < n; i++) bag_of.data<int64_t>()[i] = -1;
}

Grads bags_grad(const Saved& s, const Tensors& g) {
  if (!g[0].defined()) return {Tensor(), Tensor(), Tensor(), Tensor()};
  Tensor indices = s["indices"], bag_of = s["offset2bag"], sizes = s["bag_size"];
  int64_t mode = s.arg("mode").to_int(), rows = s.sizes("weight")[0], padding = s.arg("padding_idx").to_int();
  if (mode == kBagMax) {
    Tensor best = s["max_indices"], none = best < Scalar(0);
    Tensor kept = masked_fill(g[0], none, Scalar(0));
    return {scatter_add(zeros({rows, g[0].size(1)}, g[0].dtype(), std::nullopt, g[0].device()), 0, clamp_min(best, 0),
                        kept),
            Tensor(), Tensor(), Tensor()};
  }
  Tensor each = g[0];
  if (mode == kBagMean) each = each / unsqueeze(to(clamp_min(sizes, 1), each.dtype()), 1);
  // The gradient of every index' row; without bags there is none.
  Tensor outside = bag_of < Scalar(0);
  Tensor spread = each.size(0) ? index_select(each, 0, clamp_min(bag_of, 0))
                               : zeros({indices.numel(), each.size(1)}, each.dtype(), std::nullopt, each.device());
  spread = masked_fill(spread, unsqueeze(outside, 1), Scalar(0));
  Tensor factors = s["per_sample_weights"], d_weight, d_factors;
  if (s.needs("weight"))
    d_weight = embedding_backward(factors.defined() ? spread * unsqueeze(factors, 1) : spread, indices, rows, padding,
                                  s.arg("scale_grad_by_freq").to_bool(), s.arg("sparse").to_bool());
  if (factors.defined() && s.needs("per_sample_weights")) {
    d_factors = sum(embedding(s["weight"], indices) * spread, IntArrayRef(1));
    if (padding >= 0) d_factors = masked_fill(d_factors, indices == Scalar(padding), Scalar(0));
  }
  return {d_weight, Tensor(), Tensor(), d_factors};
}

using Four = std::tuple<Tensor, Tensor, Tensor, Tensor>;
Four embedding_bag_padding(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool by_frequency,
                           int64_t mode, bool sparse, const Tensor& per_sample_weights, bool include_last_offset,
                           const std::optional<int64_t>& padding) {
  int64_t skip = -1;
  if (padding) {
    int64_t rows = weight.size(0);
    RL_CHECK(RuntimeError, *padding >= -rows && *padding < rows,
             "padding_idx must be within the number of embeddings, -", rows, " through ", rows - 1, ", but got ",
             *padding);
    skip = *padding < 0 ? *padding + rows : *padding;
  }
  return _embedding_bag(weight, indices, offsets, by_frequency, mode, sparse, per_sample_weights, include_last_offset,
                        skip);
}
Four embedding_bag(const Tensor& weight, const Tensor& indices, const Tensor& offsets, bool by_frequency, int64_t mode,
                   bool sparse, const Tensor& per_sample_weights, bool include_last_offset) {
  return _embedding_bag(weight, indices, offsets, by_frequency, mode, sparse, per_sample_weights, include_last_offset,
                        -1);
}

}  // namespace

OP(_embedding_bag,
   {.schema = "_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int "
              "mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int "
              "padding_idx=-1) -> (Tensor output, Tensor offset2bag, Tensor bag_size, Tensor max_indices)",
    .doc = "embedding_bag with what its gradient needs.",
    .kernel = structured<bags_meta, bags_cpu>(),
    .grad = {{"weight", "indices", "per_sample_weights", "offset2bag", "bag_size", "max_indices"}, bags_grad},
    .forms = kFunction});
OP(embedding_bag,
   {.schema = "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
              "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, "
              "Tensor, Tensor)",
    .doc = "Sums (mode 0), means (1) or maxima (2) of the rows that each bag of indices names."
           " >>> torch.nn.functional.embedding_bag(torch.tensor([0, 2, 1]), torch.tensor([[1.], [2.], [4.]]), "
           "torch.tensor([0, 2]), mode=\"sum\")\ntensor([[5.],\n        [2.]])",
    .kernel = composite<embedding_bag>(),
    .forms = kFunction});
OP(embedding_bag_padding,
   {.schema = "embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int "
              "mode, bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, "
              "Tensor, Tensor, Tensor)",
    .doc = "embedding_bag that skips one index.",
    .kernel = composite<embedding_bag_padding>(),
    .forms = kFunction});

}  // namespace rushlight
