// gather and scatter in their kinds: positions along one dimension, given for every element.
#include "rushlight/fn/gather.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/ne.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/scatter_reduce.h"
#include "rushlight/fn/sparse_coo_tensor.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/view.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/lanes.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

int64_t rank_of(const Tensor& t) { return std::max<int64_t>(t.dim(), 1); }
int64_t size_at(const Tensor& t, int64_t d) { return t.dim() == 0 ? 1 : t.sizes()[size_t(d)]; }

void check_index_dtype(const char* op, const Tensor& index) {
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32/int64 for index. Hint: got ", index.dtype(), "; convert it with index.long()");
}

// ---- gather ----

TensorSpec gather_meta(const Tensor& self, int64_t dim, const Tensor& index, bool) {
  int64_t at = wrap_dim(dim, self.dim());
  if (index.numel() == 0) return {.sizes = index.sizes(), .dtype = self.dtype(), .device = self.device()};
  check_index_dtype("gather", index);
  RL_CHECK(RuntimeError, rank_of(self) == rank_of(index),
           "Index tensor must have the same number of dimensions as input tensor. Hint: the input has shape ",
           self.sizes(), ", the index ", index.sizes(), "; one number for each row is index.unsqueeze(1)");
  for (int64_t d = 0; d < rank_of(self); d++)
    RL_CHECK(RuntimeError, d == at || size_at(index, d) <= size_at(self, d), "Size does not match at dimension ", d,
             " expected index ", index.sizes(), " to be no larger than self ", self.sizes(), " apart from dimension ",
             at);
  return {.sizes = index.sizes(), .dtype = self.dtype(), .device = self.device()};
}
// Note [Lanes across]: a lane along another dimension than the one whose positions are given, where the elements of that one lie side by side.
// The tensor that is picked from is then seen at the dimension's first element all along.
bool goes_across(const Tensor& index, int64_t dim) {
  constexpr int64_t kLong = 16;
  return dim != index.dim() - 1 && index.sizes().back() >= kLong;
}
Tensor seen_across(const Tensor& t, const Tensor& index, int64_t dim) {
  Dims strides = t.strides();
  strides[size_t(dim)] = 0;
  return alias_tensor(t, index.sizes(), strides, t.storage_offset());
}

void gather_cpu(const Tensor& self, int64_t dim, const Tensor& index, bool, const Tensor& out) {
  if (index.numel() == 0) return;
  Tensor from = at_least_1d(self), at = at_least_1d(index_values("gather", index)), to = at_least_1d(out);
  dim = wrap_dim(dim, self.dim());
  int64_t size = from.sizes()[size_t(dim)], from_step = lane_stride(from, dim), along = dim;
  if (goes_across(at, dim)) {
    along = at.dim() - 1;
    from = seen_across(from, at, dim);
  }
  int64_t n = at.sizes()[size_t(along)], next = along == dim ? 0 : lane_stride(from, along);
  int64_t at_step = lane_stride(at, along), to_step = lane_stride(to, along);
  dispatch_size(self.dtype(), [&]<class W>() {
    for_each_lane<3>(at.sizes(), along, {&to, &from, &at}, lane_grain(n), [&](std::array<char*, 3> p) {
      W* o = reinterpret_cast<W*>(p[0]);
      const W* x = reinterpret_cast<const W*>(p[1]);
      const int64_t* idx = reinterpret_cast<const int64_t*>(p[2]);
      check_indices(idx, at_step, n, size, dim);
      if (to_step == 1 && at_step == 1 && from_step == 1 && next == 0) {
        for (int64_t i = 0; i < n; i++) o[i] = x[idx[i]];
        return;
      }
      for (int64_t i = 0; i < n; i++) o[i * to_step] = x[idx[i * at_step] * from_step + i * next];
    });
  });
}
Grads gather_grad(const Saved& s, const Tensor& g) {
  if (s.arg("sparse_grad").to_bool() && !s.sizes("self").empty()) {
    Tensor index = s["index"];
    Tensors at;
    int64_t along = wrap_dim(s.arg("dim").to_int(), index.dim());
    for (int64_t d = 0; d < index.dim(); d++) {
      Dims line(size_t(index.dim()), 1);
      line[size_t(d)] = index.size(d);
      Tensor rows =
          d == along ? index : expand(view(arange(index.size(d), DType::Int64, {}, g.device()), line), index.sizes());
      at.push_back(reshape(rows, {-1}));
    }
    if (!at.empty()) return {sparse_coo_tensor(stack(at, 0), reshape(g, {-1}), s.sizes("self")), Tensor()};
  }
  Tensor zero = zeros(s.sizes("self"), g.dtype(), std::nullopt, g.device());
  return {scatter_add(zero, s.arg("dim").to_int(), s["index"], g), Tensor()};
}

// ---- scatter ----

void check_scatter(const char* op, const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  int64_t at = wrap_dim(dim, self.dim());
  if (index.numel() == 0) return;
  check_index_dtype(op, index);
  RL_CHECK(RuntimeError, !src.defined() || self.dtype() == src.dtype(), op,
           "(): Expected self.dtype to be equal to src.dtype. Hint: self is ", self.dtype(), ", src ",
           src.defined() ? src.dtype() : self.dtype(), "; convert with src.to(self.dtype)");
  RL_CHECK(RuntimeError, rank_of(self) == rank_of(index),
           "Index tensor must have the same number of dimensions as self tensor");
  RL_CHECK(RuntimeError, !src.defined() || rank_of(src) == rank_of(index),
           "Index tensor must have the same number of dimensions as src tensor");
  bool fits = true;
  for (int64_t d = 0; d < rank_of(self); d++) {
    fits = fits && (d == at || size_at(index, d) <= size_at(self, d));
    fits = fits && (!src.defined() || size_at(index, d) <= size_at(src, d));
  }
  RL_CHECK(RuntimeError, fits, "Expected index ", index.sizes(), " to be no larger than self ", self.sizes(),
           " apart from dimension ", at,
           src.defined() ? str(" and to be no larger size than src ", src.sizes()) : std::string());
}
TensorSpec like(const Tensor& self) { return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()}; }

// How to go through an index, what it points at in `to`, and a source of its sizes. What does not hang on a dtype, once for all of them.
struct TargetWalk {
  TargetWalk(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& src);
  void run(FunctionRef<void(char* const*)> lane) const;  // the first target, source and index of each lane
  Tensor to, at, from;
  int64_t dim, along, size;  // `along`: the lanes' dimension
  int64_t n, grain;          // a lane's elements; a thread's lanes
  int64_t to_step, next;     // from one position to the next, and from one element of a lane to the next, in the target
  int64_t at_step, from_step;
};

TargetWalk::TargetWalk(const Tensor& out, int64_t d, const Tensor& index, const Tensor& src)
    : to(at_least_1d(out)),
      at(at_least_1d(index_values("scatter", index))),
      from(src.defined() ? at_least_1d(src) : at),
      dim(wrap_dim(d, out.dim())),
      along(dim),
      size(to.sizes()[size_t(dim)]),
      to_step(lane_stride(to, dim)),
      next(0) {
  // On one thread, for lanes across write to the same places. Each place gets its values in the same order either way.
  if (goes_across(at, dim) && (num_threads() == 1 || at.numel() < 32768)) {
    along = at.dim() - 1;
    next = lane_stride(to, along);
    to = seen_across(to, at, dim);
  }
  n = at.sizes()[size_t(along)];
  grain = along == dim ? lane_grain(n) : std::numeric_limits<int64_t>::max();
  at_step = lane_stride(at, along);
  from_step = lane_stride(from, along);
}
void TargetWalk::run(FunctionRef<void(char* const*)> lane) const {
  const std::array<const Tensor*, 3> tensors = {&to, &from, &at};
  for_each_lane(at.sizes(), along, tensors.data(), 3, grain, [&](char* const* p) {
    check_indices(reinterpret_cast<const int64_t*>(p[2]), at_step, n, size, dim);
    lane(p);
  });
}

// f(W& target, const W& value) for every index. An undefined src: `value` stands for all of it.
template <class W, class F>
void for_each_target(const Tensor& out, int64_t dim, const Tensor& index, const Tensor& src, const W* value,
                     const F& f) {
  if (index.numel() == 0) return;
  const TargetWalk walk(out, dim, index, src);
  walk.run([&](char* const* p) {
    W* o = reinterpret_cast<W*>(p[0]);
    const W* x = value ? value : reinterpret_cast<const W*>(p[1]);
    const int64_t* idx = reinterpret_cast<const int64_t*>(p[2]);
    const int64_t x_step = value ? 0 : walk.from_step, at_step = walk.at_step, to_step = walk.to_step, next = walk.next;
    for (int64_t i = 0, n = walk.n; i < n; i++) f(o[idx[i * at_step] * to_step + i * next], x[i * x_step]);
  });
}

template <class T>
T plus(T a, T b) {
  return T(compute_t<T>(a) + compute_t<T>(b));
}
template <>
bool plus<bool>(bool a, bool b) {
  return a || b;
}
template <class T>
T times(T a, T b) {
  return T(compute_t<T>(a) * compute_t<T>(b));
}
template <>
bool times<bool>(bool a, bool b) {
  return a && b;
}

TensorSpec scatter_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  check_scatter("scatter", self, dim, index, src);
  return like(self);
}
void scatter_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& src, const Tensor& out) {
  dispatch_size(out.dtype(),
                [&]<class W>() { for_each_target<W>(out, dim, index, src, nullptr, [](W& a, const W& b) { a = b; }); });
}
TensorSpec scatter_value_meta(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  check_scatter("scatter", self, dim, index, Tensor());
  number_in(value, self.dtype());
  return like(self);
}
void scatter_value_cpu(const Tensor&, int64_t dim, const Tensor& index, const Scalar& value, const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "scatter", [&]<class T>() {
    T v = value.to<T>();
    for_each_target<T>(out, dim, index, Tensor(), &v, [](T& a, const T& b) { a = b; });
  });
}

template <class T>
void combine(std::string_view how, const Tensor& out, int64_t dim, const Tensor& index, const Tensor& src,
             const T* value) {
  if (how == "add" || how == "sum" || how == "mean") {
    for_each_target<T>(out, dim, index, src, value, [](T& a, const T& b) { a = plus(a, b); });
  } else if (how == "multiply" || how == "prod") {
    for_each_target<T>(out, dim, index, src, value, [](T& a, const T& b) { a = times(a, b); });
  } else if constexpr (!math::is_complex_type<T>) {
    using C = compute_t<T>;
    if (how == "amax")
      for_each_target<T>(out, dim, index, src, value, [](T& a, const T& b) { a = T(math::maximum(C(a), C(b))); });
    else for_each_target<T>(out, dim, index, src, value, [](T& a, const T& b) { a = T(math::minimum(C(a), C(b))); });
  } else {
    RL_CHECK(NotImplementedError, false, "scatter_reduce: ", how, " is not defined for complex tensors");
  }
}

TensorSpec scatter_add_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  check_scatter("scatter_add", self, dim, index, src);
  return like(self);
}
void scatter_add_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& src, const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "scatter_add",
           [&]<class T>() { combine<T>("add", out, dim, index, src, nullptr); });
}

void check_old_reduce(std::string_view reduce) {
  RL_CHECK(RuntimeError, reduce == "add" || reduce == "multiply", "reduce argument must be either add or multiply.");
}
TensorSpec scatter_with_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                             std::string_view reduce) {
  check_old_reduce(reduce);
  return scatter_meta(self, dim, index, src);
}
void scatter_with_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                      const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "scatter", [&]<class T>() { combine<T>(reduce, out, dim, index, src, nullptr); });
}
TensorSpec scatter_value_with_meta(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value,
                                   std::string_view reduce) {
  check_old_reduce(reduce);
  return scatter_value_meta(self, dim, index, value);
}
void scatter_value_with_cpu(const Tensor&, int64_t dim, const Tensor& index, const Scalar& value,
                            std::string_view reduce, const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "scatter", [&]<class T>() {
    T v = value.to<T>();
    combine<T>(reduce, out, dim, index, Tensor(), &v);
  });
}

TensorSpec scatter_reduce_meta(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                               std::string_view reduce, bool) {
  check_scatter("scatter_reduce", self, dim, index, src);
  bool known = false;
  for (std::string_view r : {"sum", "prod", "mean", "amax", "amin"}) known |= r == reduce;
  RL_CHECK(RuntimeError, known, "reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
  return like(self);
}
void scatter_reduce_cpu(const Tensor&, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                        bool include_self, const Tensor& out) {
  dispatch(AllTypes{}, out.dtype(), "scatter_reduce", [&]<class T>() {
    if (!include_self) {
      T start = T(reduce == "prod" ? 1 : 0);
      if (reduce == "amax" || reduce == "amin") {
        // Any of the values that arrive may stand for what was there.
        for_each_target<T>(out, dim, index, src, nullptr, [](T& a, const T& b) { a = b; });
      } else {
        for_each_target<T>(out, dim, index, Tensor(), &start, [](T& a, const T& b) { a = b; });
      }
    }
    combine<T>(reduce, out, dim, index, src, nullptr);
    if (reduce != "mean") return;
    Tensor count = empty_tensor(out.sizes(), DType::Int64);
    std::fill_n(count.data<int64_t>(), count.numel(), include_self ? 1 : 0);
    int64_t one = 1;
    for_each_target<int64_t>(count, dim, index, Tensor(), &one, [](int64_t& a, int64_t b) { a += b; });
    for_each_lane<2>(at_least_1d(out).sizes(), -1, {&out, &count}, 1024, [](std::array<char*, 2> p) {
      T& v = *reinterpret_cast<T*>(p[0]);
      int64_t n = std::max<int64_t>(1, *reinterpret_cast<int64_t*>(p[1]));
      if constexpr (std::is_integral_v<T>) {
        int64_t q = int64_t(v) / n;
        v = T(q - (int64_t(v) % n < 0));  // floors, as PyTorch's integer mean
      } else if constexpr (math::is_complex_type<T>) {
        v /= typename T::value_type(n);
      } else {
        v = T(compute_t<T>(v) / compute_t<T>(n));
      }
    });
  });
}

// ---- gradients ----

Grads scatter_grad(const Saved& s, const Tensor& g) {
  int64_t dim = s.arg("dim").to_int();
  Tensor index = s["index"];
  return {s.needs("self") ? scatter(g, dim, index, Scalar(0)) : Tensor(), Tensor(),
          s.needs("src") ? gather(g, dim, index) : Tensor()};
}
Grads scatter_value_grad(const Saved& s, const Tensor& g) {
  return {scatter(g, s.arg("dim").to_int(), s["index"], Scalar(0)), Tensor()};
}
Grads scatter_add_grad(const Saved& s, const Tensor& g) {
  return {g, Tensor(), s.needs("src") ? gather(g, s.arg("dim").to_int(), s["index"]) : Tensor()};
}

Grads scatter_reduce_grad(const Saved& s, const Tensor& g) {
  int64_t dim = s.arg("dim").to_int();
  std::string_view reduce = s.arg("reduce").to_string();
  bool include_self = s.arg("include_self").to_bool();
  Tensor self = s["self"], index = s["index"], src = s["src"], result = s["result"], to_self, to_src;
  auto numbers = [&](const Tensor& mask) { return to(mask, g.dtype()); };
  if (reduce == "sum") {
    to_self = g;
    to_src = gather(g, dim, index);
  } else if (reduce == "mean") {
    Tensor count = scatter_add(include_self ? ones_like(g) : zeros_like(g), dim, index, ones_like(src));
    count = masked_fill(count, eq(count, 0), Scalar(1));
    to_self = g / count;
    to_src = gather(g, dim, index) / gather(count, dim, index);
  } else if (reduce == "prod") {
    Tensor safe_self = masked_fill(self, eq(self, 0), Scalar(1));
    to_self = g * scatter_reduce(safe_self, dim, index, src, "prod", include_self) / safe_self;
    // A NaN among numbers is like a 0: what it is multiplied by is its gradient.
    Tensor zero = logical_or(eq(src, 0), ne(src, src));
    Tensor zeros_there = gather(scatter_add(zeros_like(self), dim, index, numbers(zero)), dim, index);
    Tensor single = logical_and(zero, eq(zeros_there, 1));
    Tensor without = scatter_reduce(self, dim, index, masked_fill(src, single, Scalar(1)), "prod", include_self);
    to_src = where(single, gather(g * without, dim, index),
                   gather(g * result, dim, index) / masked_fill(src, zero, Scalar(1)));
    if (thread_state.grad_enabled) {  // of two zeros each one's gradient is 0 times what the other's derivative is
      Tensor pair = logical_and(zero, eq(zeros_there, 2));
      Tensor zeros_only = masked_fill(src, logical_not(zero), Scalar(0));
      Tensor other = gather(scatter_add(zeros_like(self), dim, index, zeros_only), dim, index) - src;
      Tensor rest = scatter_reduce(self, dim, index, masked_fill(src, pair, Scalar(1)), "prod", include_self);
      to_src = where(pair, gather(g * rest, dim, index) * other, to_src);
    }
  } else {
    // A NaN wins too: nothing equals it, so its place would share the gradient with nobody and divide it by 0.
    auto wins = [&](const Tensor& x, const Tensor& best) {
      return numbers(logical_or(eq(x, best), logical_and(ne(x, x), ne(best, best))));
    };
    Tensor self_wins = wins(self, result), src_wins = wins(src, gather(result, dim, index));
    if (!include_self) self_wins = scatter(self_wins, dim, index, Scalar(0));
    Tensor share = g / scatter_add(self_wins, dim, index, src_wins);
    to_self = where(eq(self_wins, 0), zeros_like(g), self_wins * share);
    to_src = src_wins * gather(share, dim, index);
  }
  if (!include_self) to_self = scatter(to_self, dim, index, Scalar(0));
  return {to_self, Tensor(), to_src};
}

Tensor value_selecting(const Tensor& grad, int64_t dim, const Tensor& indices, IntArrayRef sizes, bool keepdim) {
  Tensor zero = zeros(sizes, grad.dtype(), std::nullopt, grad.device());
  if (keepdim || sizes.empty()) return scatter(zero, dim, indices, grad);
  dim = wrap_dim(dim, int64_t(sizes.size()));
  return scatter(zero, dim, unsqueeze(indices, dim), unsqueeze(grad, dim));
}

}  // namespace

OP(gather, {.schema = "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
            .doc = "The element at index[i] along a dimension, for every i. >>> torch.gather(torch.tensor([1, 2, 3]), "
                   "0, torch.tensor([2, 0]))\ntensor([3, 1])",
            .kernel = structured<gather_meta, gather_cpu>(),
            .grad = {{"index"}, gather_grad}});
OP(scatter, {.schema = "scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
             .doc = "self with src written at the positions index. >>> torch.scatter(torch.zeros(3), 0, "
                    "torch.tensor([2]), torch.ones(1))\ntensor([0., 0., 1.])",
             .kernel = updating<scatter_meta, scatter_cpu>(),
             .grad = {{"index"}, scatter_grad}});
OP(scatter_value, {.schema = "scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
                   .doc = "self with a number written at the positions index. >>> torch.scatter(torch.zeros(3), 0, "
                          "torch.tensor([2]), 5)\ntensor([0., 0., 5.])",
                   .kernel = updating<scatter_value_meta, scatter_value_cpu>(),
                   .grad = {{"index"}, scatter_value_grad}});
OP(scatter_with, {.schema = "scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
                  .doc = "self with src added or multiplied in at the positions index.",
                  .kernel = updating<scatter_with_meta, scatter_with_cpu>()});
OP(scatter_value_with,
   {.schema = "scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor",
    .doc = "self with a number added or multiplied in at the positions index.",
    .kernel = updating<scatter_value_with_meta, scatter_value_with_cpu>()});
OP(scatter_add, {.schema = "scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor",
                 .doc = "self with src added at the positions index. >>> torch.scatter_add(torch.zeros(2), 0, "
                        "torch.tensor([1, 1]), torch.ones(2))\ntensor([0., 2.])",
                 .kernel = updating<scatter_add_meta, scatter_add_cpu>(),
                 .grad = {{"index"}, scatter_add_grad}});
OP(scatter_reduce, {.schema = "scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool "
                              "include_self=True) -> Tensor",
                    .doc = "self with src reduced (sum, prod, mean, amax, amin) into the positions index."
                           " >>> torch.tensor([1., 2.]).scatter_reduce(0, torch.tensor([0, 0]), torch.tensor([5., "
                           "3.]), \"amax\")\ntensor([5., 2.])",
                    .kernel = updating<scatter_reduce_meta, scatter_reduce_cpu>(),
                    .grad = {{"self", "index", "src", "result"}, scatter_reduce_grad}});
OP(value_selecting_reduction_backward,
   {.schema =
        "value_selecting_reduction_backward(Tensor grad, int dim, Tensor indices, int[] sizes, bool keepdim) -> Tensor",
    .doc = "Gradient of reductions that pick one element: max, median, kthvalue, mode.",
    .kernel = composite<value_selecting>(),
    .forms = kFunction});

}  // namespace rushlight
