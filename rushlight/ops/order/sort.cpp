// sort, argsort, msort, topk, kthvalue, median, mode: order along a dimension.
#include "rushlight/fn/sort.h"

#include <numeric>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/scatter.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/value_selecting_reduction_backward.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/sort_keys.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

using Pair = std::tuple<Tensor, Tensor>;

void check_sortable(const char* op, const Tensor& self) {
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()), '"', op, "\" not implemented for '",
           scalar_type_name(self.dtype()), "'");
}
TensorSpec spec_of(const Tensor& self, const Dims& sizes) {
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
TensorSpec positions_of(const Tensor& self, const Dims& sizes) {
  return {.sizes = sizes, .dtype = DType::Int64, .device = self.device()};
}

// ---- sort ----

// The row's elements in order: f(rank, position).
template <class T, class F>
void sort_row(const T* x, int64_t step, int64_t n, bool descending, const F& f) {
  using K = SortKey<T>;
  constexpr int64_t small = 64;
  Keyed<K> few[2 * small];
  std::unique_ptr<Keyed<K>[]> many;
  Keyed<K>* items = few;
  if (n > small) {
    many.reset(new Keyed<K>[size_t(2 * n)]);
    items = many.get();
  }
  K flip = descending ? ~K(0) : K(0);
  for (int64_t i = 0; i < n; i++) items[i] = Keyed<K>(sort_key(x[i * step]) ^ flip, i);
  Keyed<K>* sorted = sort_keyed<K>(items, items + n, n);
  for (int64_t i = 0; i < n; i++) f(i, sorted[i].at());
}

template <class C> struct Candidate {
  C value;
  int64_t at;
};
// NaN counts as largest.
template <class C, bool largest>
struct Before {
  bool operator()(const Candidate<C>& a, const Candidate<C>& b) const {
    if (largest) return (a.value != a.value && b.value == b.value) || a.value > b.value;
    return (a.value == a.value && b.value != b.value) || a.value < b.value;
  }
};

// sort(stable=False) of small types leaves equal elements as std::sort does, in PyTorch too. Of the larger ones, which have fewer of
// them, PyTorch's order hangs on the machine; ours is stable.
template <class T, class F>
void unstable_row(const T* x, int64_t step, int64_t n, bool descending, const F& f) {
  using C = compute_t<T>;
  std::vector<Candidate<C>> items(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; i++) items[size_t(i)] = {C(x[i * step]), i};
  if (descending) std::sort(items.begin(), items.end(), Before<C, true>());
  else std::sort(items.begin(), items.end(), Before<C, false>());
  for (int64_t i = 0; i < n; i++) f(i, items[size_t(i)].at);
}

std::array<TensorSpec, 2> sort_meta(const Tensor& self, const std::optional<bool>&, int64_t dim, bool) {
  check_sortable("sort", self);
  wrap_dim(dim, self.dim());
  return {spec_of(self, self.sizes()), positions_of(self, self.sizes())};
}
void sort_cpu(const Tensor& self, const std::optional<bool>& stable, int64_t dim, bool descending, const Tensor& values,
              const Tensor& indices) {
  if (self.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  int64_t n = lane_size(self, dim), from = lane_stride(self, dim), to = lane_stride(values, dim),
          at = lane_stride(indices, dim);
  RL_CHECK(RuntimeError, n < int64_t(1) << 32, "sort: expected fewer than 2^32 elements along the dimension, got ", n);
  dispatch(RealTypes{}, self.dtype(), "sort", [&]<class T>() {
    for_each_lane<3>(self.sizes(), dim, {&self, &values, &indices}, lane_grain(n, 4096), [&](std::array<char*, 3> p) {
      const T* x = reinterpret_cast<const T*>(p[0]);
      T* v = reinterpret_cast<T*>(p[1]);
      int64_t* k = reinterpret_cast<int64_t*>(p[2]);
      auto place = [&](int64_t i, int64_t position) {
        v[i * to] = x[position * from];
        k[i * at] = position;
      };
      if (sizeof(T) <= 2 && !stable.value_or(false)) unstable_row<T>(x, from, n, descending, place);
      else sort_row<T>(x, from, n, descending, place);
    });
  });
}
Grads by_indices_grad(const Saved& s, const Tensors& g) {
  if (s.sizes("self").empty()) return {g[0]};
  Tensor zero = zeros(s.sizes("self"), g[0].dtype(), std::nullopt, g[0].device());
  return {scatter(zero, s.arg("dim").to_int(), s["indices"], g[0])};
}

Pair sort_plain(const Tensor& self, int64_t dim, bool descending) {
  return sort(self, std::optional<bool>(false), dim, descending);
}
Tensor argsort_stable(const Tensor& self, bool stable, int64_t dim, bool descending) {
  return std::get<1>(sort(self, std::optional<bool>(stable), dim, descending));
}
Tensor argsort_plain(const Tensor& self, int64_t dim, bool descending) {
  return argsort_stable(self, false, dim, descending);
}
Tensor msort_op(const Tensor& self) { return std::get<0>(sort(self, std::optional<bool>(false), 0, false)); }

// ---- topk ----

std::array<TensorSpec, 2> topk_meta(const Tensor& self, int64_t k, int64_t dim, bool, bool) {
  int64_t at = wrap_dim(dim, self.dim());
  RL_CHECK(RuntimeError, k >= 0 && k <= lane_size(self, at), "selected index k out of range. Hint: topk: got k=", k,
           " for ", lane_size(self, at), " elements along dimension ", at, "; use min(k, x.size(dim)), or another dim");
  check_sortable("topk", self);
  Dims sizes = self.sizes();
  if (!sizes.empty()) sizes[size_t(at)] = k;
  return {spec_of(self, sizes), positions_of(self, sizes)};
}

// The first position from `i` on whose element may displace `worst`; whole blocks are skipped at vector speed.
RL_FOR_EACH_ISA(
    template <class C RL_COMMA bool largest>, int64_t, next_candidate, (const C* x, int64_t i, int64_t n, C worst),
    {
      for (; i + 32 <= n; i += 32) {
        int any = 0;
        for (int64_t j = 0; j < 32; j++) any |= largest ? !(x[i + j] <= worst) : !(x[i + j] >= worst);
        if (any) break;
      }
      return i;
    },
    <C RL_COMMA largest>)

// Room for `n` candidates, of every dtype in turn: a variable for each would take the little memory that all libraries' threads share.
std::vector<Candidate<int64_t>>& room_of_thread() {
  thread_local std::vector<Candidate<int64_t>> room;
  return room;
}
template <class C>
Candidate<C>* queue_of_thread(int64_t n) {
  static_assert(sizeof(Candidate<C>) <= sizeof(Candidate<int64_t>));
  auto& room = room_of_thread();
  if (room.size() < size_t(n)) room.resize(size_t(n));
  return reinterpret_cast<Candidate<C>*>(room.data());
}

// PyTorch uses std::partial_sort for small k and std::nth_element for large; which of equal elements they leave is up to these algorithms, so
// the same ones run here. partial_sort's scan over the elements beyond k is spelled out to skip those that can't enter.
template <class C, bool largest>
Candidate<C>* topk_row(const C* x, int64_t n, int64_t k, bool sorted) {
  Before<C, largest> before;
  if (k * 64 <= n) {
    Candidate<C>* queue = queue_of_thread<C>(k + 1);
    for (int64_t i = 0; i < k; i++) queue[size_t(i)] = {x[i], i};
    auto first = queue, end = first + k;
    std::make_heap(first, end, before);
    for (int64_t i = k; i < n;) {
      if constexpr (std::is_floating_point_v<C>) {
        if (i % 32 == k % 32) i = next_candidate_isa<C, largest>()(x, i, n, queue[0].value);
        if (i >= n) break;
      }
      Candidate<C> c{x[i], i};
      if (before(c, queue[0])) {
        queue[size_t(k)] = c;
        std::pop_heap(first, end + 1, before);
      }
      i++;
    }
    std::sort_heap(first, end, before);
    return queue;
  }
  Candidate<C>* queue = queue_of_thread<C>(n);
  for (int64_t i = 0; i < n; i++) queue[size_t(i)] = {x[i], i};
  std::nth_element(queue, queue + k - 1, queue + n, before);
  if (sorted) std::sort(queue, queue + k - 1, before);
  return queue;
}

void topk_cpu(const Tensor& self, int64_t k, int64_t dim, bool largest, bool sorted, const Tensor& values,
              const Tensor& indices) {
  if (values.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  int64_t n = lane_size(self, dim), from = lane_stride(self, dim), to = lane_stride(values, dim),
          at = lane_stride(indices, dim);
  if (self.dim() == 0) k = 1;  // the result has no dimensions either: of one element 0 are one, as in PyTorch
  dispatch(RealTypes{}, self.dtype(), "topk", [&]<class T>() {
    using C = compute_t<T>;
    Dims sizes = self.sizes();
    for_each_lane<3>(sizes, dim, {&self, &values, &indices}, lane_grain(n, 16384), [&](std::array<char*, 3> p) {
      const C* x = reinterpret_cast<const C*>(p[0]);
      std::unique_ptr<C[]> row;
      if (from != 1 || !std::is_same_v<T, C>) {
        row.reset(new C[size_t(n)]);
        for (int64_t i = 0; i < n; i++) row[size_t(i)] = C(reinterpret_cast<const T*>(p[0])[i * from]);
        x = row.get();
      }
      const Candidate<C>* queue = largest ? topk_row<C, true>(x, n, k, sorted) : topk_row<C, false>(x, n, k, sorted);
      for (int64_t i = 0; i < k; i++) {
        reinterpret_cast<T*>(p[1])[i * to] = T(queue[size_t(i)].value);
        reinterpret_cast<int64_t*>(p[2])[i * at] = queue[size_t(i)].at;
      }
    });
  });
}

// ---- kthvalue, median, mode: one element of the order ----

template <class T>
bool is_nan(T v) {
  return compute_t<T>(v) != compute_t<T>(v);
}

std::array<TensorSpec, 2> pick_meta(const char* op, const Tensor& self, int64_t dim, bool keepdim) {
  check_sortable(op, self);
  int64_t at = wrap_dim(dim, self.dim());
  RL_CHECK(IndexError, self.dim() == 0 || self.sizes()[size_t(at)] > 0, op, "(): Expected reduction dim ", at,
           " to have non-zero size.");
  Dims sizes = reduced_sizes(self.sizes(), one_dim(dim, self.dim()), keepdim);
  return {spec_of(self, sizes), positions_of(self, sizes)};
}
// pick(row, step, n) gives the position of the element that each lane is reduced to.
template <class Types, class F>
void pick_cpu(Types types, const char* op, const Tensor& self, int64_t dim, bool keepdim, const Tensor& values,
              const Tensor& indices, const F& pick) {
  if (values.numel() == 0) return;
  dim = wrap_dim(dim, self.dim());
  auto opened = [&](const Tensor& t) {
    if (keepdim || self.dim() == 0) return t;
    Dims sizes = t.sizes(), strides = t.strides();
    sizes.insert(size_t(dim), 1);
    strides.insert(size_t(dim), 1);
    return alias_tensor(t, sizes, strides, t.storage_offset());
  };
  Tensor to = opened(values), at = opened(indices);
  int64_t n = lane_size(self, dim), step = lane_stride(self, dim);
  dispatch(types, self.dtype(), op, [&]<class T>() {
    for_each_lane<3>(self.sizes(), dim, {&self, &to, &at}, lane_grain(n, 4096), [&](std::array<char*, 3> p) {
      const T* x = reinterpret_cast<const T*>(p[0]);
      int64_t k = pick(x, step, n);
      *reinterpret_cast<T*>(p[1]) = x[k * step];
      *reinterpret_cast<int64_t*>(p[2]) = k;
    });
  });
}

// The k-th item in order by partition around a median of three (Hoare's selection, as PyTorch runs it: which of equal elements ends up
// there depends on each step).
template <class C>
void select_kth(Candidate<C>* items, int64_t n, int64_t k) {
  auto after = [&](int64_t a, int64_t b) { return Before<C, true>()(items[a], items[b]); };
  int64_t left = 0, right = n - 1;
  while (right > left) {
    if (right == left + 1) {
      if (after(left, right)) std::swap(items[left], items[right]);
      return;
    }
    std::swap(items[left + (right - left) / 2], items[left + 1]);
    if (after(left + 1, right)) std::swap(items[left + 1], items[right]);
    if (after(left, right)) std::swap(items[left], items[right]);
    if (after(left + 1, left)) std::swap(items[left + 1], items[left]);
    int64_t i = left + 1, j = right;
    for (;;) {
      do i++;
      while (after(left, i));
      do j--;
      while (after(j, left));
      if (j < i) break;
      std::swap(items[i], items[j]);
    }
    std::swap(items[left], items[j]);
    if (j <= k) left = i;
    if (j >= k) right = j - 1;
  }
}

std::array<TensorSpec, 2> kthvalue_meta(const Tensor& self, int64_t k, int64_t dim, bool keepdim) {
  int64_t at = wrap_dim(dim, self.dim());
  auto specs = pick_meta("kthvalue", self, dim, keepdim);
  RL_CHECK(RuntimeError, k >= 1 && k <= lane_size(self, at),
           "kthvalue(): selected number k out of range for dimension ", at);
  return specs;
}
void kthvalue_cpu(const Tensor& self, int64_t k, int64_t dim, bool keepdim, const Tensor& values,
                  const Tensor& indices) {
  pick_cpu(NumberTypes{}, "kthvalue_cpu", self, dim, keepdim, values, indices,
           [&]<class T>(const T* x, int64_t step, int64_t n) {
             using C = compute_t<T>;
             std::vector<Candidate<C>> items(static_cast<size_t>(n));
             for (int64_t i = 0; i < n; i++) items[size_t(i)] = {C(x[i * step]), i};
             select_kth(items.data(), n, k - 1);
             return items[size_t(k - 1)].at;
           });
}

// As PyTorch: NaN if there is one (unless ignored), else the lower of the two middle elements; of equal elements the first counts as lower.
template <bool ignore_nan, class T>
int64_t median_of(const T* x, int64_t step, int64_t n) {
  if constexpr (!ignore_nan)
    for (int64_t i = 0; i < n; i++)
      if (is_nan(x[i * step])) return i;
  std::vector<int64_t> at(size_t(n), 0);
  std::iota(at.begin(), at.end(), 0);
  int64_t numbers = 0;
  for (int64_t i = 0; i < n; i++) numbers += !is_nan(x[i * step]);
  auto nth = at.begin() + (std::max<int64_t>(numbers, 1) - 1) / 2;
  std::nth_element(at.begin(), nth, at.end(), [&](int64_t i, int64_t j) {
    auto a = compute_t<T>(x[i * step]), b = compute_t<T>(x[j * step]);
    return a < b || (b != b && a == a) || (i < j && (a == b || (a != a && b != b)));
  });
  return *nth;
}
template <bool ignore_nan>
std::array<TensorSpec, 2> median_meta(const Tensor& self, int64_t dim, bool keepdim) {
  return pick_meta("median", self, dim, keepdim);
}
template <bool ignore_nan>
void median_cpu(const Tensor& self, int64_t dim, bool keepdim, const Tensor& values, const Tensor& indices) {
  pick_cpu(NumberTypes{}, "median_cpu", self, dim, keepdim, values, indices,
           []<class T>(const T* x, int64_t step, int64_t n) { return median_of<ignore_nan>(x, step, n); });
}
TensorSpec median_all_meta(const Tensor& self) {
  check_sortable("median", self);
  return {.dtype = self.dtype(), .device = self.device()};
}
template <bool ignore_nan>
void median_all_cpu(const Tensor& self, const Tensor& out) {
  Tensor in = dense(self);
  dispatch(NumberTypes{}, self.dtype(), "median_cpu", [&]<class T>() {
    if (in.numel() == 0) {
      if constexpr (std::is_floating_point_v<compute_t<T>>) *out.data<T>() = T(compute_t<T>(__builtin_nan("")));
      else *out.data<T>() = std::numeric_limits<T>::min();
      return;
    }
    *out.data<T>() = in.data<T>()[median_of<ignore_nan>(in.data<T>(), 1, in.numel())];
  });
}
Grads picked_grad(const Saved& s, const Tensors& g) {
  return {value_selecting_reduction_backward(g[0], s.arg("dim").to_int(), s["indices"], s.sizes("self"),
                                             s.arg("keepdim").to_bool())};
}
// All elements that equal the median share its gradient.
Grads median_all_grad(const Saved& s, const Tensor& g) {
  Tensor self = s["self"], result = s["result"];
  Tensor mask = to(logical_or(eq(self, result), logical_and(isnan(self), isnan(result))), g.dtype());
  return {g * mask / sum(mask)};
}

std::array<TensorSpec, 2> mode_meta(const Tensor& self, int64_t dim, bool keepdim) {
  return pick_meta("mode", self, dim, keepdim);
}
// Of the elements that equal the mode the one that std::sort puts last, as in PyTorch.
template <class C, class T>
int64_t mode_of(const T* x, int64_t step, int64_t n) {
  std::vector<Candidate<C>> items(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; i++) items[size_t(i)] = {C(x[i * step]), i};
  std::sort(items.begin(), items.end(), Before<C, false>());
  int64_t best = 0, most = 0, run = 0;
  for (size_t i = 0; i < items.size(); i++) {
    run = i > 0 && items[i].value == items[i - 1].value ? run + 1 : 1;
    if (run > most) most = run, best = items[i].at;
  }
  return best;
}
void mode_cpu(const Tensor& self, int64_t dim, bool keepdim, const Tensor& values, const Tensor& indices) {
  pick_cpu(RealTypes{}, "mode", self, dim, keepdim, values, indices,
           []<class T>(const T* x, int64_t step, int64_t n) { return mode_of<compute_t<T>>(x, step, n); });
}

}  // namespace

OP(sort, {.schema = "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, "
                    "Tensor indices)",
          .doc = "Elements in order along a dimension, and where they stood. >>> torch.sort(torch.tensor([3, 1, 2]), "
                 "stable=True).indices\ntensor([1, 2, 0])",
          .kernel = structured<sort_meta, sort_cpu>(),
          .grad = {{"indices"}, by_indices_grad}});
OP(sort_plain, {.schema = "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
                .doc = "Elements in order along a dimension, and where they stood. >>> torch.sort(torch.tensor([3, 1, "
                       "2])).values\ntensor([1, 2, 3])",
                .kernel = composite<sort_plain>(),
                .forms = kFunction | kMethod | kOut});
OP(argsort,
   {.schema = "argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor",
    .doc = "The positions that put a dimension in order. >>> torch.argsort(torch.tensor([3, 1, 2]))\ntensor([1, 2, 0])",
    .kernel = composite<argsort_plain>()});
OP(argsort_stable,
   {.schema = "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
    .doc = "The positions that put a dimension in order, equal elements keeping theirs.",
    .kernel = composite<argsort_stable>()});
OP(msort,
   {.schema = "msort(Tensor self) -> Tensor",
    .doc = "Elements in order along the first dimension. >>> torch.msort(torch.tensor([3, 1, 2]))\ntensor([1, 2, 3])",
    .kernel = composite<msort_op>(),
    .forms = kFunction | kMethod | kOut});
OP(topk,
   {.schema =
        "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)",
    .doc = "The k largest elements along a dimension, and where they stand. >>> torch.topk(torch.tensor([3, 1, 2]), "
           "2).values\ntensor([3, 2])",
    .kernel = structured<topk_meta, topk_cpu>(),
    .grad = {{"indices"}, by_indices_grad}});
OP(kthvalue,
   {.schema = "kthvalue(Tensor self, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
    .doc =
        "The k-th smallest element along a dimension. >>> torch.kthvalue(torch.tensor([3, 1, 2]), 2).values\ntensor(2)",
    .kernel = structured<kthvalue_meta, kthvalue_cpu>(),
    .grad = {{"indices"}, picked_grad}});
OP(median, {.schema = "median(Tensor self) -> Tensor",
            .doc = "The lower of the two middle elements. >>> torch.median(torch.tensor([1, 3, 2, 4]))\ntensor(2)",
            .kernel = structured<median_all_meta, median_all_cpu<false>>(),
            .grad = {{"self", "result"}, median_all_grad},
            .forms = kFunction | kMethod,
            .node = "MedianBackward1"});
OP(median_dim, {.schema = "median.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
                .doc = "The lower middle element along a dimension. >>> torch.median(torch.tensor([[1, 3, 2]]), "
                       "1).values\ntensor([2])",
                .kernel = structured<median_meta<false>, median_cpu<false>>(),
                .grad = {{"indices"}, picked_grad}});
OP(nanmedian, {.schema = "nanmedian(Tensor self) -> Tensor",
               .doc = "The median of the elements that are not NaN. >>> torch.nanmedian(torch.tensor([1., "
                      "float('nan'), 2.]))\ntensor(1.)",
               .kernel = structured<median_all_meta, median_all_cpu<true>>(),
               .grad = {{"self", "result"}, median_all_grad},
               .forms = kFunction | kMethod,
               .node = "NanmedianBackward1"});
OP(nanmedian_dim,
   {.schema = "nanmedian.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)",
    .doc = "The median along a dimension of the elements that are not NaN.",
    .kernel = structured<median_meta<true>, median_cpu<true>>(),
    .grad = {{"indices"}, picked_grad}});
OP(mode, {.schema = "mode(Tensor self, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)",
          .doc = "The most frequent element along a dimension, the smallest of several. >>> "
                 "torch.mode(torch.tensor([1, 2, 2])).values\ntensor(2)",
          .kernel = structured<mode_meta, mode_cpu>(),
          .grad = {{"indices"}, picked_grad}});

}  // namespace rushlight
