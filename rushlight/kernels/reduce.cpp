#include "rushlight/kernels/reduce.h"

#include <bit>
#include <cstring>
#include <memory>

namespace rushlight {
namespace {

struct Dim { int64_t size, in, out; };

using Bytes = std::unique_ptr<std::byte[]>;
Bytes bytes(int64_t n) { return std::make_unique_for_overwrite<std::byte[]>(size_t(n)); }

// Merges blocks of accumulators pushed one after another as a balanced tree would: level k holds the merge of 2^k of them. With one
// accumulator a block the levels need no memory of their own.
class Cascade {
 public:
  Cascade(const AnyReducer& r, int64_t columns) : r_(r), columns_(columns), size_(columns * r.acc_size) {}
  // Changes `acc`.
  void push(void* acc) {
    int level = 0;
    for (uint64_t c = count_++; c & 1; c >>= 1) r_.merge(r_.reducer, at(level++), acc, columns_);
    if (columns_ > 1 && !blocks_[level]) blocks_[level] = bytes(size_);
    std::memcpy(at(level), acc, size_t(size_));
  }
  // At least one block was pushed.
  void total(void* acc) {
    int level = std::countr_zero(count_);
    std::memcpy(acc, at(level), size_t(size_));
    for (uint64_t c = count_ >> ++level; c; c >>= 1, level++)
      if (c & 1) r_.merge(r_.reducer, at(level), acc, columns_);
  }

 private:
  void* at(int level) { return columns_ > 1 ? static_cast<void*>(blocks_[level].get()) : single_[level]; }

  const AnyReducer& r_;
  int64_t columns_, size_;
  uint64_t count_ = 0;
  Bytes blocks_[48];
  alignas(8) std::byte single_[48][kMaxAcc];
};

struct Reduction {
  const AnyReducer& r;
  const ReducePlan& plan;
  const std::byte* in;
  std::byte* out;
  int64_t length = plan.row_length(), stride = plan.row_stride(), rows = plan.rows(), units = plan.units();

  // Few outputs of many segments: the threads share the segments of one output. Otherwise they share the outputs.
  bool shares_segments(int64_t segments) const {
    return segments > 1 && units < num_threads() && !in_parallel_region();
  }
  const std::byte* element(const std::byte* from, int64_t offset) const { return from + offset * r.item_size; }
  void finish(const void* acc, int64_t n, int64_t to) const {
    r.finish(r.reducer, acc, n, plan.count, out + to * r.out_size, plan.column_out);
  }

  // Every output is one row: runs of them along the innermost kept dimension.
  void whole_rows() const {
    int64_t inner = plan.kept.empty() ? 1 : plan.kept.back();
    int64_t in_stride = plan.kept.empty() ? 0 : plan.kept_in.back();
    int64_t out_stride = plan.kept.empty() ? 0 : plan.kept_out.back();
    parallel_for(0, units, std::max<int64_t>(1, 65536 / length), [&](int64_t begin, int64_t end) {
      for (int64_t u = begin; u < end;) {
        int64_t run = std::min(end - u, inner - u % inner);
        auto [at, to] = plan.unit_offsets(u);
        r.rows(r.reducer, element(in, at), in_stride, run, stride, length, out + to * r.out_size, out_stride);
        u += run;
      }
    });
  }

  void by_rows() const {
    const int64_t pieces = (length + ReducePlan::kSegment - 1) / ReducePlan::kSegment;
    const int64_t group = std::max<int64_t>(1, ReducePlan::kSegment / length);
    const int64_t segments = pieces > 1 ? rows * pieces : (rows + group - 1) / group;
    auto segment = [&](const std::byte* x, int64_t s, void* acc) {
      if (pieces > 1) {
        int64_t from = s % pieces * ReducePlan::kSegment;
        return r.row(r.reducer, element(x, plan.row_offset(s / pieces) + from * stride), stride,
                     std::min(ReducePlan::kSegment, length - from), acc);
      }
      Cascade sum(r, 1);
      for (int64_t i = s * group, end = std::min(rows, i + group); i < end; i++) {
        r.row(r.reducer, element(x, plan.row_offset(i)), stride, length, acc);
        sum.push(acc);
      }
      sum.total(acc);
    };
    if (segments == 1 && rows == 1) return whole_rows();
    if (shares_segments(segments)) {
      Bytes partial = bytes(segments * r.acc_size);
      for (int64_t u = 0; u < units; u++) {
        auto [at, to] = plan.unit_offsets(u);
        parallel_for(0, segments, 4, [&](int64_t begin, int64_t end) {
          for (int64_t s = begin; s < end; s++) segment(element(in, at), s, &partial[size_t(s * r.acc_size)]);
        });
        Cascade sum(r, 1);
        for (int64_t s = 0; s < segments; s++) sum.push(&partial[size_t(s * r.acc_size)]);
        sum.total(partial.get());
        finish(partial.get(), 1, to);
      }
      return;
    }
    parallel_for(0, units, std::max<int64_t>(1, 65536 / plan.count), [&](int64_t begin, int64_t end) {
      alignas(8) std::byte acc[kMaxAcc];
      for (int64_t u = begin; u < end; u++) {
        auto [at, to] = plan.unit_offsets(u);
        Cascade sum(r, 1);
        for (int64_t s = 0; s < segments; s++) {
          segment(element(in, at), s, acc);
          sum.push(acc);
        }
        sum.total(acc);
        finish(acc, 1, to);
      }
    });
  }

  void by_columns() const {
    constexpr int64_t block = ReducePlan::kBlock;
    const int64_t blocks = plan.blocks(), pieces = (length + ReducePlan::kRows - 1) / ReducePlan::kRows;
    const int64_t segments = rows * pieces;
    auto segment = [&](const std::byte* x, int64_t s, int64_t columns, void* acc) {
      int64_t from = s % pieces * ReducePlan::kRows;
      r.columns(r.reducer, element(x, plan.row_offset(s / pieces) + from * stride), stride,
                std::min(ReducePlan::kRows, length - from), columns, acc);
    };
    struct Place { int64_t at, to, columns; };
    auto locate = [&](int64_t u) {
      auto [at, to] = plan.unit_offsets(u / blocks);
      int64_t first = u % blocks * block;
      return Place{at + first, to + first * plan.column_out, std::min(block, plan.columns - first)};
    };
    if (shares_segments(segments)) {
      for (int64_t u = 0; u < units; u++) {
        Place p = locate(u);
        int64_t size = p.columns * r.acc_size;
        Bytes partial = bytes(segments * size);
        parallel_for(0, segments, std::max<int64_t>(1, 512 / p.columns), [&](int64_t begin, int64_t end) {
          for (int64_t s = begin; s < end; s++) segment(element(in, p.at), s, p.columns, &partial[size_t(s * size)]);
        });
        Cascade sum(r, p.columns);
        for (int64_t s = 0; s < segments; s++) sum.push(&partial[size_t(s * size)]);
        sum.total(partial.get());
        finish(partial.get(), p.columns, p.to);
      }
      return;
    }
    parallel_for(0, units, std::max<int64_t>(1, 65536 / (plan.count * std::min(block, plan.columns))),
                 [&](int64_t begin, int64_t end) {
                   alignas(8) std::byte acc[block * kMaxAcc];
                   for (int64_t u = begin; u < end; u++) {
                     Place p = locate(u);
                     if (segments == 1) {
                       segment(element(in, p.at), 0, p.columns, acc);
                     } else {
                       Cascade sum(r, p.columns);
                       for (int64_t s = 0; s < segments; s++) {
                         segment(element(in, p.at), s, p.columns, acc);
                         sum.push(acc);
                       }
                       sum.total(acc);
                     }
                     finish(acc, p.columns, p.to);
                   }
                 });
  }
};

}  // namespace

ReducePlan::ReducePlan(const Tensor& in, DimSet dims, const Tensor& out) {
  std::vector<Dim> keep, drop;
  bool same_rank = in.dim() == out.dim();
  size_t to = 0;
  for (size_t d = 0; d < size_t(in.dim()); d++) {
    bool is_reduced = dims >> d & 1;
    int64_t size = in.sizes()[d];
    if (is_reduced) count *= size;
    if (size != 1) {
      if (is_reduced) drop.push_back({size, in.strides()[d], 0});
      else keep.push_back({size, in.strides()[d], out.strides()[to]});
    }
    to += same_rank || !is_reduced;
  }
  auto outer_first = [](const Dim& a, const Dim& b) { return a.in > b.in; };
  std::stable_sort(keep.begin(), keep.end(), outer_first);
  std::stable_sort(drop.begin(), drop.end(), outer_first);
  auto merge = [](std::vector<Dim>& list) {
    size_t n = 0;
    for (const Dim& d : list) {
      if (n && list[n - 1].in == d.size * d.in && list[n - 1].out == d.size * d.out)
        list[n - 1] = {list[n - 1].size * d.size, d.in, d.out};
      else list[n++] = d;
    }
    list.resize(n);
  };
  merge(keep);
  merge(drop);
  // Neighbouring columns are read together where they are contiguous and the reduced elements are not.
  by_columns = count > 1 && !keep.empty() && keep.back().in == 1 && keep.back().size >= 4 && !drop.empty() &&
               drop.back().in != 1;
  if (by_columns) {
    columns = keep.back().size;
    column_out = keep.back().out;
    keep.pop_back();
  }
  for (const Dim& d : keep) {
    kept.push_back(d.size);
    kept_in.push_back(d.in);
    kept_out.push_back(d.out);
  }
  for (size_t i = drop.size(); i-- > 0;) {
    reduced.push_back(drop[i].size);
    reduced_in.push_back(drop[i].in);
  }
}

void reduce(const AnyReducer& r, const Tensor& self, DimSet dims, const Tensor& out) {
  alignas(8) std::byte acc[kMaxAcc];
  if (self.is_contiguous() && out.dim() == 0 && self.numel() <= ReducePlan::kSegment) {
    r.row(r.reducer, self.raw(), 1, self.numel(), acc);
    return r.finish(r.reducer, acc, 1, self.numel(), out.raw(), 1);
  }
  if (out.numel() == 0) return;
  ReducePlan plan(self, dims, out);
  if (plan.count == 0) {
    r.row(r.reducer, self.raw(), 1, 0, acc);
    for (int64_t u = 0; u < plan.units(); u++)
      r.finish(r.reducer, acc, 1, 0, static_cast<std::byte*>(out.raw()) + plan.unit_offsets(u).out * r.out_size, 1);
    return;
  }
  Reduction all{r, plan, static_cast<const std::byte*>(self.raw()), static_cast<std::byte*>(out.raw())};
  if (plan.by_columns) all.by_columns();
  else all.by_rows();
}

}  // namespace rushlight
