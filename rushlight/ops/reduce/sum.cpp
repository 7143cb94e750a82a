// sum, mean, their NaN-ignoring forms, count_nonzero and trace.
#include "rushlight/fn/sum.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/count_nonzero.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/nansum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;

template <class Element>
struct Sum {
  using T = Element;
  using Acc = accumulator_t<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  RL_FN Acc identity() const { return Acc(0); }
  RL_FN Acc fold(Acc a, T x) const { return a + Acc(x); }
  RL_FN Acc merge(Acc a, Acc b) const { return a + b; }
  RL_FN Out finish(Acc a, int64_t) const { return Out(a); }
};
template <class Element>
struct Mean : Sum<Element> {
  using Fold = Sum<Element>;
  using Acc = typename Sum<Element>::Acc;
  RL_FN Element finish(Acc a, int64_t n) const {
    if constexpr (is_complex(dtype_of<Element>)) return a / typename Element::value_type(n);
    else return Element(a / Acc(n));
  }
};
template <class Element>
struct NanSum : Sum<Element> {
  using Acc = typename Sum<Element>::Acc;
  RL_FN Acc fold(Acc a, Element x) const {
    Acc v = Acc(x);
    return a + (v == v ? v : Acc(0));
  }
};
// Elements seen as words: see non_sign_bits.
template <class Word>
struct CountNonzero {
  using T = Word;
  using Acc = int64_t;
  using Out = int64_t;
  Word mask;
  RL_FN Acc identity() const { return 0; }
  RL_FN Acc fold(Acc a, T x) const { return a + ((x & mask) != 0); }
  RL_FN Acc merge(Acc a, Acc b) const { return a + b; }
  RL_FN Out finish(Acc a, int64_t) const { return a; }
};

// Reduces into out, or into a result of the reducer's own dtype that is then converted.
template <template <class> class Op, class T>
void reduce_to(const Tensor& self, DimSet dims, const Tensor& out) {
  using R = FoldReducer<Op<T>>;
  if (out.dtype() == dtype_of<typename R::Out>) return reduce(R{}, self, dims, out);
  Tensor own = empty_tensor(out.sizes(), dtype_of<typename R::Out>);
  reduce(R{}, self, dims, own);
  copy_elements(out, own);
}

DType sum_dtype(const Tensor& self, const OptionalDType& dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}
// Integers of all widths are added in int64 whatever comes out; anything else is converted before it is added.
Tensor sum_input(const Tensor& self, DType out) {
  return is_integral(self.dtype(), true) && is_computed(self.dtype()) && is_integral(out, true) ? self
                                                                                                : dense(self, out);
}

TensorSpec sum_meta(const Tensor& self, const OptionalDims& dim, bool keepdim, const OptionalDType& dtype) {
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = sum_dtype(self, dtype),
          .device = self.device()};
}
void sum_cpu(const Tensor& self, const OptionalDims& dim, bool, const OptionalDType&, const Tensor& out) {
  Tensor in = self.dtype() == out.dtype() ? self : sum_input(self, out.dtype());
  DimSet dims = dim_set(dim, self.dim());
  using Summed =
      Types<uint8_t, int8_t, int16_t, int32_t, int64_t, Half, BFloat16, float, double, complex64, complex128>;
  DType d = in.dtype() == DType::Bool ? DType::UInt8 : in.dtype();
  dispatch(Summed{}, d, "sum", [&]<class T>() { reduce_to<Sum, T>(in, dims, out); });
}
TensorSpec sum_all_meta(const Tensor& self, const OptionalDType& dtype) {
  return {.dtype = sum_dtype(self, dtype), .device = self.device()};
}
void sum_all_cpu(const Tensor& self, const OptionalDType& dtype, const Tensor& out) {
  sum_cpu(self, std::nullopt, false, dtype, out);
}

TensorSpec nansum_meta(const Tensor& self, const OptionalDims& dim, bool keepdim, const OptionalDType& dtype) {
  RL_CHECK(RuntimeError, !is_complex(self.dtype()), "nansum does not support complex inputs");
  return sum_meta(self, dim, keepdim, dtype);
}
void nansum_cpu(const Tensor& self, const OptionalDims& dim, bool keepdim, const OptionalDType& dtype,
                const Tensor& out) {
  Tensor in = sum_input(self, out.dtype());
  if (!is_floating(in.dtype())) return sum_cpu(in, dim, keepdim, dtype, out);
  DimSet dims = dim_set(dim, self.dim());
  if (is_half(in.dtype())) in = dense(in, DType::Float32);
  dispatch(Types<float, double>{}, in.dtype(), "nansum", [&]<class T>() { reduce_to<NanSum, T>(in, dims, out); });
}

DType mean_dtype(const Tensor& self, const OptionalDType& dtype) {
  DType d = dtype.value_or(self.dtype());
  RL_CHECK(RuntimeError, is_differentiable(d), "mean(): could not infer output dtype. ", dtype ? "Optional" : "Input",
           " dtype must be either a floating point or complex dtype. Got: ", scalar_type_name(d),
           ". Hint: convert first, x.float().mean(), or give dtype=torch.float32");
  return d;
}
TensorSpec mean_meta(const Tensor& self, const OptionalDims& dim, bool keepdim, const OptionalDType& dtype) {
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = mean_dtype(self, dtype),
          .device = self.device()};
}
bool all_finite(const Tensor& t) {
  bool finite = true;
  dispatch(Types<float, double>{}, t.dtype(), "mean", [&]<class T>() {
    for (int64_t i = 0; i < t.numel(); i++) finite &= t.data<T>()[i] - t.data<T>()[i] == T(0);
  });
  return finite;
}
void mean_cpu(const Tensor& self, const OptionalDims& dim, bool, const OptionalDType&, const Tensor& out) {
  Tensor in = self.dtype() == out.dtype() ? self : dense(self, out.dtype());
  DimSet dims = dim_set(dim, self.dim());
  dispatch(FloatAndComplexTypes{}, in.dtype(), "mean",
           [&]<class T>() { reduce(FoldReducer<Mean<T>>{}, in, dims, out); });
  // A sum may leave the range where the mean does not: then of elements divided first.
  int64_t n = reduced_count(in.sizes(), dims);
  if (n < 2 || is_complex(in.dtype()) || is_half(in.dtype()) || !out.is_contiguous() || all_finite(out)) return;
  NoGradGuard no_grad;
  Tensor parts = in * Scalar(1.0 / double(n));
  dispatch(Types<float, double>{}, in.dtype(), "mean",
           [&]<class T>() { reduce(FoldReducer<Sum<T>>{}, parts, dims, out); });
}
TensorSpec mean_all_meta(const Tensor& self, const OptionalDType& dtype) {
  return {.dtype = mean_dtype(self, dtype), .device = self.device()};
}
void mean_all_cpu(const Tensor& self, const OptionalDType& dtype, const Tensor& out) {
  mean_cpu(self, std::nullopt, false, dtype, out);
}

TensorSpec count_nonzero_meta(const Tensor& self, IntArrayRef dim) {
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), false),
          .dtype = DType::Int64,
          .device = self.device()};
}
void count_nonzero_cpu(const Tensor& self, IntArrayRef dim, const Tensor& out) {
  if (self.dtype() == DType::Complex128) return count_nonzero_cpu(self != 0.0, dim, out);  // no word is so long
  dispatch_size(self.dtype(), [&]<class W>() {
    if constexpr (std::is_integral_v<W>)
      reduce(FoldReducer<CountNonzero<W>>{{non_sign_bits<W>(self.dtype())}}, self, dim_set(dim, self.dim()), out);
  });
}
Tensor count_nonzero_one(const Tensor& self, const std::optional<int64_t>& dim) {
  return count_nonzero(self, dim ? IntArrayRef(*dim) : IntArrayRef());
}

Tensor nanmean(const Tensor& self, const OptionalDims& dim, bool keepdim, const OptionalDType& dtype) {
  RL_CHECK(RuntimeError, is_differentiable(self.dtype()),
           "nanmean(): expected input to have floating point or complex dtype but got ",
           scalar_type_name(self.dtype()));
  Tensor count = sum(logical_not(isnan(self)), dim, keepdim);
  return nansum(self, dim, keepdim, dtype) / count;
}

Tensor trace(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() == 2, "trace: expected a matrix, but got tensor with dim ", self.dim());
  return sum(diagonal(self));
}

// Every element that was added gets the sum's gradient.
Tensor spread(const Saved& s, const Tensor& g) {
  int64_t rank = int64_t(s.sizes("self").size());
  bool kept = s.arg("keepdim").to_bool();
  return expand(kept ? g : restore_dims(g, dim_set_of(s.arg("dim"), rank), rank), s.sizes("self"));
}
Grads sum_grad(const Saved& s, const Tensor& g) { return {spread(s, g)}; }
Grads sum_all_grad(const Saved& s, const Tensor& g) { return {expand(g, s.sizes("self"))}; }
Grads nansum_grad(const Saved& s, const Tensor& g) {
  return {spread(s, g) * to(logical_not(isnan(s["self"])), g.dtype())};
}
Grads mean_grad(const Saved& s, const Tensor& g) {
  const Dims& sizes = s.sizes("self");
  return {spread(s, g / double(reduced_count(sizes, dim_set_of(s.arg("dim"), int64_t(sizes.size())))))};
}
Grads mean_all_grad(const Saved& s, const Tensor& g) {
  return {expand(g / double(product(s.sizes("self"))), s.sizes("self"))};
}

}  // namespace

OP(sum, {.schema = "sum(Tensor self, *, ScalarType? dtype=None) -> Tensor",
         .doc = "The sum of all elements; integers add up in int64. >>> torch.sum(torch.tensor([1, 2, 3]))\ntensor(6)",
         .kernel = structured<sum_all_meta, sum_all_cpu>(),
         .grad = {{}, sum_all_grad},
         .sparse = sparse_form<sparse_sum>});
OP(sum_dim,
   {.schema = "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    .doc = "The sum over some dimensions. >>> torch.sum(torch.tensor([[1, 2], [3, 4]]), 0)\ntensor([4, 6])",
    .kernel = structured<sum_meta, sum_cpu>(),
    .grad = {{}, sum_grad},
    .node = "SumBackward1",
    .sparse = sparse_form<sparse_sum_dims>});
OP(nansum, {.schema = "nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
            .doc = "The sum that counts NaN as zero. >>> torch.nansum(torch.tensor([1., float('nan')]))\ntensor(1.)",
            .kernel = structured<nansum_meta, nansum_cpu>(),
            .grad = {{"self"}, nansum_grad}});
OP(mean, {.schema = "mean(Tensor self, *, ScalarType? dtype=None) -> Tensor",
          .doc = "The mean of all elements. >>> torch.mean(torch.tensor([1., 2., 6.]))\ntensor(3.)",
          .kernel = structured<mean_all_meta, mean_all_cpu>(),
          .grad = {{}, mean_all_grad}});
OP(mean_dim,
   {.schema = "mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    .doc = "The mean over some dimensions. >>> torch.mean(torch.tensor([[1., 2.], [3., 4.]]), 0)\ntensor([2., 3.])",
    .kernel = structured<mean_meta, mean_cpu>(),
    .grad = {{}, mean_grad},
    .node = "MeanBackward1"});
OP(nanmean,
   {.schema = "nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
    .doc = "The mean of the elements that are not NaN. >>> torch.nanmean(torch.tensor([1., float('nan'), "
           "3.]))\ntensor(2.)",
    .kernel = composite<nanmean>(),
    .forms = kFunction | kMethod | kOut});
OP(count_nonzero, {.schema = "count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor",
                   .doc = "How many elements are not zero, over some dimensions. >>> torch.count_nonzero(torch.eye(2), "
                          "[0])\ntensor([1, 1])",
                   .kernel = structured<count_nonzero_meta, count_nonzero_cpu>(),
                   .forms = kFunction | kMethod});
OP(count_nonzero_one, {.schema = "count_nonzero(Tensor self, int? dim=None) -> Tensor",
                       .doc = "How many elements are not zero. >>> torch.count_nonzero(torch.eye(2))\ntensor(2)",
                       .kernel = composite<count_nonzero_one>(),
                       .forms = kFunction | kMethod});
OP(trace, {.schema = "trace(Tensor self) -> Tensor",
           .doc = "The sum of a matrix's diagonal. >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))\ntensor(5)",
           .kernel = composite<trace>(),
           .forms = kFunction | kMethod,
           .node = "TraceBackward0",
           .autocast = Autocast::Float32});

}  // namespace rushlight
