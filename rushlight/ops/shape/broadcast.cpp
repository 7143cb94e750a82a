// Shapes and dtypes that tensors have in common: broadcast_tensors, sum_to_size, result_type.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/result_type.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/view.h"

namespace rushlight {
namespace {

Tensors broadcast_tensors(TensorList tensors) {
  Dims sizes;
  for (const Tensor& t : tensors) sizes = broadcast_shapes(sizes, t.sizes());
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(expand(t, sizes));
  return out;
}

Tensor sum_to_size(const Tensor& self, IntArrayRef size) {
  if (size.empty()) return sum(self);  // so integers become int64, here only, as in PyTorch
  int64_t lead = self.dim() - int64_t(size.size());
  std::vector<int64_t> dims;
  bool fits = lead >= 0;
  for (int64_t i = 0; fits && i < self.dim(); i++) {
    int64_t have = self.sizes()[size_t(i)], want = i < lead ? 1 : size[size_t(i - lead)];
    fits = i < lead || want == 1 || want == have;
    if (i < lead || (want == 1 && have != 1)) dims.push_back(i);
  }
  RL_CHECK(RuntimeError, fits, "size {", size, "} is not expandable to size {", self.sizes(), "}.");
  if (dims.empty()) return self;
  Tensor out = sum(self, IntArrayRef(dims), true);
  return lead ? view(out, size) : out;
}

DType result_type_tensors(const Tensor& tensor, const Tensor& other) {
  IValue args[] = {IValue::borrow(tensor), IValue::borrow(other)};
  return result_type(args, 2);
}
DType result_type_scalar(const Tensor& tensor, const Scalar& other) {
  IValue args[] = {IValue::borrow(tensor), IValue(other)};
  return result_type(args, 2);
}
DType result_type_scalars(const Scalar& a, const Scalar& b) { return promote_types(a.dtype(), b.dtype()); }

}  // namespace

OP(broadcast_tensors, {.schema = "broadcast_tensors(Tensor[] tensors) -> Tensor[]",
                       .doc = "The tensors seen at the shape they all broadcast to."
                              " >>> torch.broadcast_tensors(torch.tensor([1, 2]), torch.tensor([[3], "
                              "[4]]))[1]\ntensor([[3, 3],\n        [4, 4]])",
                       .kernel = composite<broadcast_tensors>(),
                       .forms = kFunction,
                       .shares = {"tensors"}});
OP(sum_to_size, {.schema = "sum_to_size(Tensor self, int[] size) -> Tensor",
                 .doc = "Sums over the dimensions that were broadcast from `size`."
                        " >>> torch.ones(2, 3).sum_to_size(1, 3)\ntensor([[2., 2., 2.]])",
                 .kernel = composite<sum_to_size>(),
                 .forms = kMethod});
OP(result_type,
   {.schema = "result_type.Tensor(Tensor tensor, Tensor other) -> ScalarType",
    .doc = "The dtype arithmetic on the two gives."
           " >>> torch.result_type(torch.tensor([1], dtype=torch.int8), torch.tensor([1.]))\ntorch.float32",
    .kernel = composite<result_type_tensors>(),
    .forms = kFunction,
    .numbers = Numbers::Fallback});
OP(result_type_scalar, {.schema = "result_type.Scalar(Tensor tensor, Scalar other) -> ScalarType",
                        .doc = "The dtype arithmetic with a number gives.",
                        .kernel = composite<result_type_scalar>(),
                        .forms = kFunction,
                        .numbers = Numbers::Fallback});
OP(result_type_scalars, {.schema = "result_type.Scalar_Scalar(Scalar scalar1, Scalar scalar2) -> ScalarType",
                         .doc = "The dtype of two numbers.",
                         .kernel = composite<result_type_scalars>(),
                         .forms = kFunction});

}  // namespace rushlight
