// torch.gradient: derivatives of samples by central differences.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

using Shape = std::optional<IntArrayRef>;

Dims checked_dims(const Tensor& self, const Shape& dim, int64_t edge_order) {
  RL_CHECK(RuntimeError, edge_order == 1 || edge_order == 2,
           "torch.gradient only supports edge_order=1 and edge_order=2.");
  RL_CHECK(RuntimeError, self.dim() > 0, "torch.gradient expected a tensor with at least one dimension");
  Dims dims;
  if (dim)
    for (int64_t d : *dim) {
      dims.push_back(wrap_dim(d, self.dim()));
      RL_CHECK(RuntimeError, std::count(dims.begin(), dims.end(), dims.back()) == 1, "dim ", dims.back(),
               " appears multiple times in the list of dims");
    }
  else
    for (int64_t d = 0; d < self.dim(); d++) dims.push_back(d);
  for (int64_t d : dims)
    RL_CHECK(ShapeError, self.size(d) >= edge_order + 1,
             "torch.gradient expected each dimension size to be at least edge_order+1, got ", self.size(d),
             " in dimension ", d);
  return dims;
}

// Samples `step` apart.
Tensor even(const Tensor& f, int64_t d, double step, int64_t edge_order) {
  int64_t n = f.size(d);
  auto at = [&](int64_t from, int64_t count) { return narrow(f, d, from, count); };
  Scalar h(step), twice(2 * step);
  Tensor first, last;
  if (edge_order == 1) {
    first = (at(1, 1) - at(0, 1)) / h;
    last = (at(n - 1, 1) - at(n - 2, 1)) / h;
  } else {
    first = (at(1, 1) * Scalar(4) - at(0, 1) * Scalar(3) - at(2, 1)) / twice;
    last = (at(n - 1, 1) * Scalar(3) - at(n - 2, 1) * Scalar(4) + at(n - 3, 1)) / twice;
  }
  return n == 2 ? cat({first, last}, d) : cat({first, (at(2, n - 2) - at(0, n - 2)) / twice, last}, d);
}
// Samples at the places x: the derivative of the parabola through three neighbours.
Tensor uneven(const Tensor& f, int64_t d, const Tensor& x, int64_t edge_order) {
  int64_t n = f.size(d);
  Dims shape(size_t(f.dim()), 1);
  shape[size_t(d)] = n;
  Tensor places = reshape(x, shape);
  auto at = [&](int64_t from, int64_t count) { return narrow(f, d, from, count); };
  Tensor gaps = narrow(places, d, 1, n - 1) - narrow(places, d, 0, n - 1);
  auto gap = [&](int64_t from, int64_t count) { return narrow(gaps, d, from, count); };
  Tensor first, last;
  if (edge_order == 1) {
    first = (at(1, 1) - at(0, 1)) / gap(0, 1);
    last = (at(n - 1, 1) - at(n - 2, 1)) / gap(n - 2, 1);
  } else {
    Tensor a = gap(0, 1), b = gap(1, 1), c = gap(n - 3, 1), e = gap(n - 2, 1);
    first = at(1, 1) * ((a + b) / (a * b)) - at(0, 1) * ((2 * a + b) / (a * (a + b))) - at(2, 1) * (a / (b * (a + b)));
    last = at(n - 3, 1) * (e / (c * (c + e))) - at(n - 2, 1) * ((c + e) / (c * e)) +
           at(n - 1, 1) * ((2 * e + c) / (e * (c + e)));
  }
  if (n == 2) return cat({first, last}, d);
  Tensor left = gap(0, n - 2), right = gap(1, n - 2);
  Tensor inner = at(1, n - 2) * ((right - left) / (left * right)) - at(0, n - 2) * (right / (left * (left + right))) +
                 at(2, n - 2) * (left / (right * (left + right)));
  return cat({first, inner, last}, d);
}

// One step for all dimensions, or a list of them.
struct Steps {
  const double* one;
  ArrayRef<double> list;
};
Tensors by_steps(const Tensor& self, const Steps& steps, const Shape& dim, int64_t edge_order) {
  Dims dims = checked_dims(self, dim, edge_order);
  RL_CHECK(RuntimeError, steps.one || steps.list.size() == dims.size(),
           "torch.gradient expected spacing to be unspecified, a scalar or a list of length ", dims.size(),
           ", but got a list of length ", steps.list.size());
  Tensors result;
  for (size_t i = 0; i < dims.size(); i++)
    result.push_back(even(self, dims[i], steps.one ? *steps.one : steps.list[i], edge_order));
  return result;
}
Tensors by_places(const Tensor& self, TensorList places, const Shape& dim, int64_t edge_order) {
  Dims dims = checked_dims(self, dim, edge_order);
  RL_CHECK(RuntimeError, places.size() == dims.size(), "torch.gradient expected spacing to be a list of ", dims.size(),
           " tensors, but got ", places.size());
  Tensors result;
  for (size_t i = 0; i < dims.size(); i++) {
    RL_CHECK(ShapeError, places[i].dim() == 1 && places[i].numel() == self.size(dims[i]),
             "torch.gradient expected each element of spacing to have one dimension with as many values as self has in "
             "dimension ",
             dims[i], ", got shapes ", places[i].sizes(), " and ", self.sizes());
    result.push_back(uneven(self, dims[i], places[i], edge_order));
  }
  return result;
}

Tensors scalar_int(const Tensor& self, const std::optional<Scalar>& spacing, const std::optional<int64_t>& dim,
                   int64_t edge_order) {
  double step = spacing ? spacing->to_double() : 1;
  return by_steps(self, {&step, {}}, dim ? Shape(IntArrayRef(*dim)) : Shape(), edge_order);
}
Tensors scalar_dims(const Tensor& self, const Scalar& spacing, IntArrayRef dim, int64_t edge_order) {
  double step = spacing.to_double();
  return by_steps(self, {&step, {}}, Shape(dim), edge_order);
}
Tensors only_dims(const Tensor& self, IntArrayRef dim, int64_t edge_order) {
  double step = 1;
  return by_steps(self, {&step, {}}, Shape(dim), edge_order);
}
Tensors scalars_int(const Tensor& self, ArrayRef<double> spacing, const std::optional<int64_t>& dim,
                    int64_t edge_order) {
  return by_steps(self, {nullptr, spacing}, dim ? Shape(IntArrayRef(*dim)) : Shape(), edge_order);
}
Tensors scalars_dims(const Tensor& self, ArrayRef<double> spacing, IntArrayRef dim, int64_t edge_order) {
  return by_steps(self, {nullptr, spacing}, Shape(dim), edge_order);
}
Tensors tensors_int(const Tensor& self, TensorList spacing, const std::optional<int64_t>& dim, int64_t edge_order) {
  return by_places(self, spacing, dim ? Shape(IntArrayRef(*dim)) : Shape(), edge_order);
}
Tensors tensors_dims(const Tensor& self, TensorList spacing, IntArrayRef dim, int64_t edge_order) {
  return by_places(self, spacing, Shape(dim), edge_order);
}

}  // namespace

OP(gradient,
   {.schema = "gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]",
    .doc = "Derivatives of samples in each dimension, by central differences; at the ends one-sided ones of edge_order."
           " >>> torch.gradient(torch.tensor([0., 1., 4.]))\n(tensor([1., 2., 3.]),)",
    .kernel = composite<scalar_int>(),
    .forms = kFunction});
OP(gradient_scalararray,
   {.schema = "gradient.scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]",
    .doc = "In some dimensions, samples as far apart in each.",
    .kernel = composite<scalar_dims>(),
    .forms = kFunction});
OP(gradient_array, {.schema = "gradient.array(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]",
                    .doc = "In some dimensions.",
                    .kernel = composite<only_dims>(),
                    .forms = kFunction});
OP(gradient_scalarrayint,
   {.schema = "gradient.scalarrayint(Tensor self, *, float[] spacing, int? dim=None, int edge_order=1) -> Tensor[]",
    .doc = "Samples apart by another number in each dimension.",
    .kernel = composite<scalars_int>(),
    .forms = kFunction});
OP(gradient_scalarrayarray,
   {.schema = "gradient.scalarrayarray(Tensor self, *, float[] spacing, int[] dim, int edge_order=1) -> Tensor[]",
    .doc = "In some dimensions, apart by another number in each.",
    .kernel = composite<scalars_dims>(),
    .forms = kFunction});
OP(gradient_tensorarrayint,
   {.schema = "gradient.tensorarrayint(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]",
    .doc = "Samples at places that are given for each dimension.",
    .kernel = composite<tensors_int>(),
    .forms = kFunction});
OP(gradient_tensorarray,
   {.schema = "gradient.tensorarray(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]",
    .doc = "In some dimensions, samples at places that are given.",
    .kernel = composite<tensors_dims>(),
    .forms = kFunction});

}  // namespace rushlight
