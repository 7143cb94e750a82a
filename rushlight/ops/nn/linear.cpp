// linear: one record with a fused backward step, for it is the operator that small networks call most.
#include "rushlight/fn/linear.h"

#include "rushlight/dispatch/cost.h"
#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/linear_backward.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/t.h"
#include "rushlight/ops/linalg/products.h"

namespace rushlight {
namespace {

TensorSpec linear_meta(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  RL_CHECK(ShapeError, weight.dim() == 2 || weight.dim() == 1, "linear(): weight must be a matrix or a vector, got ",
           weight.dim(), "-D tensor");
  RL_CHECK(ShapeError, input.dim() > 0, "both arguments to linear need to be at least 1D, but they are 0D and ",
           weight.dim(), "D");
  int64_t in = weight.sizes().back(), last = input.sizes().back();
  int64_t rows = last ? input.numel() / last : 0;
  RL_CHECK(ShapeError, last == in, input.dim() == 1 && weight.dim() == 2 ? "size mismatch, got input " : "",
           "mat1 and mat2 shapes cannot be multiplied (", rows, "x", last, " and ", in, "x",
           weight.dim() == 2 ? weight.sizes()[0] : 1, "). Hint: linear: the input of shape ", input.sizes(), " has ",
           last, " features, the weight of shape ", weight.sizes(), " takes in_features=", in,
           "; make the layer with in_features=", last, ", or reshape the input");
  RL_CHECK(DTypeError, input.dtype() == weight.dtype(), "mat1 and mat2 must have the same dtype, but got ",
           scalar_type_name(input.dtype()), " and ", scalar_type_name(weight.dtype()),
           ". Hint: linear: convert the input with x.to(weight.dtype), or the module with .to(x.dtype)");
  RL_CHECK(NotImplementedError, input.dtype() != DType::Bool, "\"addmm_impl_cpu_\" not implemented for 'Bool'");
  TensorSpec spec{.sizes = input.sizes(), .dtype = input.dtype(), .device = input.device()};
  spec.sizes.resize(spec.sizes.size() - 1);
  if (weight.dim() == 2) spec.sizes.push_back(weight.sizes()[0]);
  if (bias.defined()) {
    RL_CHECK(DTypeError, bias.dtype() == input.dtype(), "self and mat2 must have the same dtype, but got ",
             scalar_type_name(bias.dtype()), " and ", scalar_type_name(weight.dtype()));
    bool row = bias.dim() == 1 && weight.dim() == 2 && bias.sizes()[0] == spec.sizes.back();
    RL_CHECK(ShapeError, row || broadcast_shapes(bias.sizes(), spec.sizes) == spec.sizes,
             "The expanded size of the tensor (", spec.sizes.empty() ? 1 : spec.sizes.back(),
             ") must match the existing size (", bias.numel(), ") at non-singleton dimension ",
             std::max<int64_t>(int64_t(spec.sizes.size()) - 1, 0), ".  Target sizes: ", spec.sizes,
             ".  Tensor sizes: ", bias.sizes());
  }
  return spec;
}

struct Rows {  // a tensor seen as rows of its last dimension
  Tensor t;
  int64_t count, row, col;
  explicit Rows(const Tensor& x)
      : t(x),
        count(x.sizes().back() ? x.numel() / x.sizes().back()
                               : product(IntArrayRef(x.sizes()).slice(0, size_t(x.dim() - 1)))) {
    if (x.dim() == 2) {
      row = x.strides()[0];
      col = x.strides()[1];
    } else {
      t = dense(x);
      row = x.sizes().back();
      col = 1;
    }
  }
};

void linear_cpu(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& out) {
  DenseOut to(out);
  Rows x(input);
  int64_t features = weight.dim() == 2 ? weight.sizes()[0] : 1, in = weight.sizes().back();
  GemmProblem p{.dtype = input.dtype(),
                .m = x.count,
                .n = features,
                .k = in,
                .a = x.t.raw(),
                .a_row = x.row,
                .a_col = x.col,
                .b = weight.raw(),
                .b_row = weight.strides().back(),
                .b_col = weight.strides()[0],
                .c = to.get().raw(),
                .c_row = features};
  if (bias.defined()) {
    if (bias.numel() == features && bias.is_contiguous()) {
      p.bias = bias.raw();
    } else {
      copy_elements(to.get(), bias);
      p.beta = 1;
    }
  }
  gemm(p);
  to.finish();
}

// Gradients of input, weight and bias; those that the mask does not ask for are empty.
std::array<TensorSpec, 3> linear_backward_meta(const Tensor& self, const Tensor& grad, const Tensor& weight,
                                               IntArrayRef mask) {
  RL_CHECK(RuntimeError, mask.size() == 3, "linear_backward: expected 3 values in output_mask, got ", mask.size());
  TensorSpec out = linear_meta(self, weight, Tensor());
  expect_shape("linear_backward", "grad_output", grad, out.sizes);
  expect_dtype("linear_backward", "grad_output", grad, self.dtype());
  auto spec = [&](size_t i, const Dims& sizes) {
    return TensorSpec{.sizes = mask[i] ? sizes : Dims{0}, .dtype = self.dtype(), .device = self.device()};
  };
  return {spec(0, self.sizes()), spec(1, weight.sizes()),
          spec(2, weight.dim() == 2 ? Dims{weight.sizes()[0]} : Dims())};
}
void linear_backward_cpu(const Tensor& self, const Tensor& grad_output, const Tensor& weight, IntArrayRef output_mask,
                         const Tensor& dx, const Tensor& dw, const Tensor& db) {
  Rows g(weight.dim() == 2 ? grad_output
                           : alias_tensor(dense(grad_output), {grad_output.numel(), 1}, {1, 1},
                                          grad_output.is_contiguous() ? grad_output.storage_offset() : 0));
  Rows x(self);
  int64_t features = weight.dim() == 2 ? weight.sizes()[0] : 1, in = weight.sizes().back();
  int64_t w_row = weight.dim() == 2 ? weight.strides()[0] : in, w_col = weight.strides().back();
  auto conjugated = [](const Tensor& t) { return is_complex(t.dtype()) ? dense(conj(t)) : t; };
  if (output_mask[0]) {
    Tensor w = conjugated(weight);
    if (is_complex(w.dtype())) w_row = in, w_col = 1;
    gemm({.dtype = self.dtype(),
          .m = g.count,
          .n = in,
          .k = features,
          .a = g.t.raw(),
          .a_row = g.row,
          .a_col = g.col,
          .b = w.raw(),
          .b_row = w_row,
          .b_col = w_col,
          .c = dx.raw(),
          .c_row = in});
  }
  if (output_mask[1]) {
    Rows xc(conjugated(x.t));
    gemm({.dtype = self.dtype(),
          .m = features,
          .n = in,
          .k = g.count,
          .a = g.t.raw(),
          .a_row = g.col,
          .a_col = g.row,
          .b = xc.t.raw(),
          .b_row = xc.row,
          .b_col = xc.col,
          .c = dw.raw(),
          .c_row = in});
  }
  if (output_mask[2]) {
    NoGradGuard kernel;
    if (weight.dim() != 2) sum_out(db, g.t);
    else
      sum_out(db, g.t.dim() == 2 ? g.t : alias_tensor(g.t, {g.count, features}, {g.row, g.col}, g.t.storage_offset()),
              int64_t(0));
  }
}

Grads linear_grad(const Saved& s, const Tensor& g) {
  bool bias = s.needs("bias");
  int64_t mask[] = {s.needs("input"), s.needs("weight"), bias && s.sizes("bias").size() == 1 && s["weight"].dim() == 2};
  auto [dx, dw, db] = linear_backward(s["input"], g, s["weight"], IntArrayRef(mask, 3));
  auto wanted = [&](size_t i, const Tensor& d) { return mask[i] ? d : Tensor(); };
  return {wanted(0, dx), wanted(1, dw), bias && !mask[2] ? g : wanted(2, db)};
}

// The same three products, each by operators: for gradients of gradients.
Grads linear_backward_grad(const Saved& s, const Tensors& gs) {
  const Tensor &gx = gs[0], &gw = gs[1], &gb = gs[2];
  Tensor x = s["self"], g = s["grad_output"], w = s["weight"];
  bool vector = w.dim() == 1;
  Tensor w2 = vector ? reshape(w, {1, w.sizes()[0]}) : w;
  int64_t features = w2.sizes()[0], in = w2.sizes()[1];
  Tensor g2 = reshape(g, {-1, features}), x2 = reshape(x, {-1, in});
  auto plus = [](const Tensor& a, const Tensor& b) { return a.defined() ? a + b : b; };
  Tensor dx, dg, dw;
  if (gx.defined()) {
    Tensor gx2 = reshape(gx, {-1, in});
    dg = matmul(gx2, transpose(w2, 0, 1));
    dw = matmul(adjoint_of(g2), gx2);
    if (is_complex(w.dtype())) dw = conj(matmul(transpose(g2, 0, 1), conj(gx2)));
  }
  if (gw.defined()) {
    Tensor gw2 = reshape(gw, {features, in});
    dg = plus(dg, matmul(x2, transpose(gw2, 0, 1)));
    dx = matmul(conj_of(g2), gw2);
    if (is_complex(w.dtype())) dx = conj(matmul(g2, conj(gw2)));
  }
  if (gb.defined()) dg = dg.defined() ? dg + gb : expand(gb, g2.sizes());
  if (dg.defined() && dg.numel() == g.numel()) dg = reshape(dg, g.sizes());
  return {dx.defined() ? reshape(dx, x.sizes()) : dx, dg, dw.defined() ? reshape(dw, w.sizes()) : dw};
}

}  // namespace

OP(linear, {.schema = "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
            .doc = "input @ weight.T + bias, for input (*, in), weight (out, in) and bias (out)."
                   " >>> torch.nn.functional.linear(torch.tensor([[1., 2.]]), torch.tensor([[3., 4.], [5., 6.]]), "
                   "torch.tensor([0., 1.]))\ntensor([[11., 18.]])",
            .kernel = structured<linear_meta, linear_cpu>(),
            .grad = {{"input", "weight"}, linear_grad},
            .forms = kFunction | kOut,
            .module = "nn",
            .node = "AddmmBackward0",
            .autocast = Autocast::Lower});
COST(linear, [](auto args, auto rets) { return rets[0].tensor().numel() * args[0].tensor().size(-1); })

OP(linear_backward, {.schema = "linear_backward(Tensor self, Tensor grad_output, Tensor weight, bool[3] output_mask) "
                               "-> (Tensor, Tensor, Tensor)",
                     .doc = "The gradients of linear's input, weight and bias that output_mask asks for.",
                     .kernel = structured<linear_backward_meta, linear_backward_cpu>(),
                     .grad = {{"self", "grad_output", "weight"}, linear_backward_grad},
                     .forms = kFunction});
COST(linear_backward, [](auto args, auto rets) {
  int64_t one = args[1].tensor().numel() * args[2].tensor().size(1);
  return (rets[0].is_tensor() ? one : 0) + (rets[1].is_tensor() ? one : 0);
})

}  // namespace rushlight
