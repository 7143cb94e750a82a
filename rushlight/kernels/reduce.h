// Reductions over any set of dimensions of tensors with any strides.
//
// Note [Fixed splits]: every output element is made of segments of a size that depends on the shape and strides only; segments are merged in a
// fixed tree. So threads may take segments or outputs as they like and the bits are the same; and the tree keeps float sums accurate.
//
// A reducer R says how: types T (element), Acc, Out; identity(), merge(Acc, Acc), finish(Acc, n), and either fold(Acc, T), which loops over
// rows and columns are made of (FoldReducer), or row() and columns() of its own.
#pragma once
#include <memory>

#include "rushlight/core/tensor.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

using DimSet = uint64_t;  // bit d: dimension d

RL_FOR_EACH_ISA(
    template <class Op>, typename Op::Acc, fold_row, (const Op& op, const typename Op::T* x, int64_t n),
    {
      // Lanes of accumulators, as many on every instruction set: the sum's order must not depend on the machine.
      constexpr int64_t lanes = 256 / sizeof(typename Op::Acc);
      typename Op::Acc acc[lanes];
      if (n < 16) {
        typename Op::Acc one = op.identity();
        for (int64_t i = 0; i < n; i++) one = op.fold(one, x[i]);
        return one;
      }
      for (int64_t j = 0; j < lanes; j++) acc[j] = op.identity();
      int64_t i = 0;
      for (; i + lanes <= n; i += lanes)
        for (int64_t j = 0; j < lanes; j++) acc[j] = op.fold(acc[j], x[i + j]);
      for (int64_t j = 0; j < n - i; j++) acc[j] = op.fold(acc[j], x[i + j]);
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) acc[j] = op.merge(acc[j], acc[j + width]);
      return acc[0];
    },
    <Op>)

RL_FOR_EACH_ISA(
    template <class Op>, void, fold_columns,
    (const Op& op, typename Op::Acc* acc, const typename Op::T* x, int64_t row_stride, int64_t rows, int64_t columns),
    {
      for (int64_t j = 0; j < columns; j++) acc[j] = op.identity();
      for (int64_t i = 0; i < rows; i++) {
        const typename Op::T* p = x + i * row_stride;
        RL_IVDEP
        for (int64_t j = 0; j < columns; j++) acc[j] = op.fold(acc[j], p[j]);
      }
    },
    <Op>)

template <class Op>
struct FoldReducer : Op {
  using Acc = typename Op::Acc;
  using T = typename Op::T;
  Acc row(const T* x, int64_t stride, int64_t n) const {
    const Op& op = *this;
    if (stride == 1) return fold_row_isa<Op>()(op, x, n);
    Acc acc[4] = {op.identity(), op.identity(), op.identity(), op.identity()};
    for (int64_t i = 0; i < n; i++) acc[i & 3] = op.fold(acc[i & 3], x[i * stride]);
    return op.merge(op.merge(acc[0], acc[1]), op.merge(acc[2], acc[3]));
  }
  void columns(Acc* acc, const T* x, int64_t row_stride, int64_t rows, int64_t columns) const {
    fold_columns_isa<Op>()(*this, acc, x, row_stride, rows, columns);
  }
};

// The geometry of one reduction: kept dimensions and reduced ones, merged where their strides allow. Strides in elements.
struct ReducePlan {
  static constexpr int64_t kSegment = 16384;  // elements of a row a segment takes
  static constexpr int64_t kRows = 128;       // rows a segment takes by columns
  static constexpr int64_t kBlock = 256;      // columns taken together

  Dims kept, kept_in, kept_out;  // outermost first; by columns: without the column dimension
  Dims reduced, reduced_in;      // innermost first
  bool by_columns = false;
  int64_t columns = 1, column_out = 0;
  int64_t count = 1;  // elements that make one output

  // `out` has the kept dimensions of `in`, reduced ones being absent or of size 1.
  ReducePlan(const Tensor& in, DimSet dims, const Tensor& out);

  int64_t blocks() const { return (columns + kBlock - 1) / kBlock; }
  int64_t units() const { return product(kept) * blocks(); }
  int64_t row_length() const { return reduced.empty() ? 1 : reduced[0]; }
  int64_t row_stride() const { return reduced.empty() ? 1 : reduced_in[0]; }
  int64_t rows() const { return count / row_length(); }
  int64_t row_offset(int64_t row) const {
    int64_t offset = 0;
    for (size_t d = 1; d < reduced.size(); d++) {
      offset += row % reduced[d] * reduced_in[d];
      row /= reduced[d];
    }
    return offset;
  }
  void unit_offsets(int64_t unit, int64_t& in, int64_t& out) const {
    in = out = 0;
    for (size_t d = kept.size(); d-- > 0;) {
      int64_t i = unit % kept[d];
      unit /= kept[d];
      in += i * kept_in[d];
      out += i * kept_out[d];
    }
  }
};

// Merges values pushed one after another as a balanced tree would.
template <class R>
class Cascade {
 public:
  explicit Cascade(const R& r) : r_(r) {}
  void push(typename R::Acc a) {
    int level = 0;
    for (uint64_t c = count_++; c & 1; c >>= 1) a = r_.merge(levels_[level++], a);
    levels_[level] = a;
  }
  typename R::Acc total() const {
    typename R::Acc sum = r_.identity();
    bool any = false;
    int level = 0;
    for (uint64_t c = count_; c; c >>= 1, level++) {
      if (!(c & 1)) continue;
      sum = any ? r_.merge(levels_[level], sum) : levels_[level];
      any = true;
    }
    return sum;
  }

 private:
  const R& r_;
  uint64_t count_ = 0;
  typename R::Acc levels_[48];
};

namespace detail {

template <class R>
void reduce_rows(const R& r, const ReducePlan& plan, const typename R::T* in, typename R::Out* out) {
  using Acc = typename R::Acc;
  const int64_t length = plan.row_length(), stride = plan.row_stride(), rows = plan.rows();
  const int64_t pieces = (length + ReducePlan::kSegment - 1) / ReducePlan::kSegment;
  const int64_t group = std::max<int64_t>(1, ReducePlan::kSegment / length);
  const int64_t segments = pieces > 1 ? rows * pieces : (rows + group - 1) / group;
  auto segment = [&](const typename R::T* x, int64_t s) -> Acc {
    if (pieces > 1) {
      int64_t from = s % pieces * ReducePlan::kSegment;
      return r.row(x + plan.row_offset(s / pieces) + from * stride, stride,
                   std::min(ReducePlan::kSegment, length - from));
    }
    if (rows == 1) return r.row(x, stride, length);
    Cascade<R> sum(r);
    for (int64_t i = s * group, end = std::min(rows, i + group); i < end; i++)
      sum.push(r.row(x + plan.row_offset(i), stride, length));
    return sum.total();
  };
  const int64_t units = plan.units();
  if (segments > 1 && units < num_threads() && !in_parallel_region()) {
    for (int64_t u = 0; u < units; u++) {
      int64_t at, to;
      plan.unit_offsets(u, at, to);
      auto partial = std::make_unique<Acc[]>(size_t(segments));
      parallel_for(0, segments, 4, [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; s++) partial[s] = segment(in + at, s);
      });
      Cascade<R> sum(r);
      for (int64_t s = 0; s < segments; s++) sum.push(partial[s]);
      out[to] = r.finish(sum.total(), plan.count);
    }
    return;
  }
  parallel_for(0, units, std::max<int64_t>(1, 65536 / plan.count), [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; u++) {
      int64_t at, to;
      plan.unit_offsets(u, at, to);
      if (segments == 1) {
        out[to] = r.finish(segment(in + at, 0), plan.count);
      } else {
        Cascade<R> sum(r);
        for (int64_t s = 0; s < segments; s++) sum.push(segment(in + at, s));
        out[to] = r.finish(sum.total(), plan.count);
      }
    }
  });
}

template <class R>
void reduce_columns(const R& r, const ReducePlan& plan, const typename R::T* in, typename R::Out* out) {
  using Acc = typename R::Acc;
  constexpr int64_t block = ReducePlan::kBlock;
  const int64_t length = plan.row_length(), stride = plan.row_stride(), blocks = plan.blocks();
  const int64_t pieces = (length + ReducePlan::kRows - 1) / ReducePlan::kRows;
  const int64_t segments = plan.rows() * pieces;
  auto segment = [&](const typename R::T* x, int64_t s, int64_t columns, Acc* acc) {
    int64_t from = s % pieces * ReducePlan::kRows;
    r.columns(acc, x + plan.row_offset(s / pieces) + from * stride, stride, std::min(ReducePlan::kRows, length - from),
              columns);
  };
  auto write = [&](Acc* acc, int64_t to, int64_t columns) {
    for (int64_t j = 0; j < columns; j++) out[to + j * plan.column_out] = r.finish(acc[j], plan.count);
  };
  // Binary counter over blocks of accumulators: level k holds the sum of 2^k segments.
  auto merge_all = [&](int64_t columns, Acc* total, const auto& next) {
    std::unique_ptr<Acc[]> levels[48];
    for (int64_t s = 0; s < segments; s++) {
      next(s, total);
      int level = 0;
      for (uint64_t c = uint64_t(s); c & 1; c >>= 1, level++)
        for (int64_t j = 0; j < columns; j++) total[j] = r.merge(levels[level][j], total[j]);
      if (!levels[level]) levels[level] = std::make_unique<Acc[]>(block);
      std::copy(total, total + columns, levels[level].get());
    }
    bool any = false;
    int level = 0;
    for (uint64_t c = uint64_t(segments); c; c >>= 1, level++) {
      if (!(c & 1)) continue;
      for (int64_t j = 0; j < columns; j++) total[j] = any ? r.merge(levels[level][j], total[j]) : levels[level][j];
      any = true;
    }
  };
  const int64_t units = plan.units();
  auto locate = [&](int64_t u, int64_t& at, int64_t& to) {
    plan.unit_offsets(u / blocks, at, to);
    int64_t first = u % blocks * block;
    at += first;
    to += first * plan.column_out;
    return std::min(block, plan.columns - first);
  };
  if (segments > 1 && units < num_threads() && !in_parallel_region()) {
    for (int64_t u = 0; u < units; u++) {
      int64_t at, to, columns = locate(u, at, to);
      auto partial = std::make_unique<Acc[]>(size_t(segments * columns));
      parallel_for(0, segments, std::max<int64_t>(1, 512 / columns), [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; s++) segment(in + at, s, columns, &partial[s * columns]);
      });
      Acc total[block];
      merge_all(columns, total, [&](int64_t s, Acc* acc) { std::copy_n(&partial[s * columns], columns, acc); });
      write(total, to, columns);
    }
    return;
  }
  parallel_for(0, units, std::max<int64_t>(1, 65536 / (plan.count * std::min(block, plan.columns))),
               [&](int64_t begin, int64_t end) {
                 Acc total[block];
                 for (int64_t u = begin; u < end; u++) {
                   int64_t at, to, columns = locate(u, at, to);
                   if (segments == 1) segment(in + at, 0, columns, total);
                   else merge_all(columns, total, [&](int64_t s, Acc* acc) { segment(in + at, s, columns, acc); });
                   write(total, to, columns);
                 }
               });
}

}  // namespace detail

template <class R>
void reduce(const R& r, const Tensor& self, DimSet dims, const Tensor& out) {
  using Out = typename R::Out;
  auto* in = self.data<typename R::T>();
  if (self.is_contiguous() && out.dim() == 0 && self.numel() <= ReducePlan::kSegment) {
    *out.data<Out>() = self.numel() ? r.finish(r.row(in, 1, self.numel()), self.numel()) : r.finish(r.identity(), 0);
    return;
  }
  if (out.numel() == 0) return;
  ReducePlan plan(self, dims, out);
  if (plan.by_columns) detail::reduce_columns(r, plan, in, out.data<Out>());
  else if (plan.count) detail::reduce_rows(r, plan, in, out.data<Out>());
  else
    for (int64_t u = 0, n = plan.units(), at, to; u < n; u++) {
      plan.unit_offsets(u, at, to);
      out.data<Out>()[to] = r.finish(r.identity(), 0);
    }
}

}  // namespace rushlight
