#include "rushlight/kernels/reduce.h"

namespace rushlight {
namespace {

struct Dim { int64_t size, in, out; };

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

}  // namespace rushlight
