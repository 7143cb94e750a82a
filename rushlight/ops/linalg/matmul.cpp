// Products of matrices and vectors: mm, bmm, mv, dot with their add- forms, and matmul over them.
#include "rushlight/dispatch/cost.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/addmm.h"
#include "rushlight/fn/bmm.h"
#include "rushlight/fn/dot.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/full_like.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/mv.h"
#include "rushlight/fn/outer.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/vdot.h"
#include "rushlight/fn/view.h"
#include "rushlight/ops/linalg/products.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {

namespace {

// ---- mm, addmm ----

TensorSpec mm_meta(const Tensor& self, const Tensor& mat2) {
  RL_CHECK(ShapeError, self.dim() == 2, "self must be a matrix");
  RL_CHECK(ShapeError, mat2.dim() == 2, "mat2 must be a matrix");
  check_matrix_shapes(self, mat2);
  check_product_dtypes("addmm_impl_cpu_", self, mat2);
  return {.sizes = {self.sizes()[0], mat2.sizes()[1]}, .dtype = self.dtype(), .device = self.device()};
}
void mm_cpu(const Tensor& self, const Tensor& mat2, const Tensor& out) {
  DenseOut to(out);
  gemm(matrix_problem(self, mat2, to.get()));
  to.finish();
}

void check_same_dtype(const Tensor& self, const Tensor& mat2) {
  RL_CHECK(DTypeError, self.dtype() == mat2.dtype(), "self and mat2 must have the same dtype, but got ",
           scalar_type_name(self.dtype()), " and ", scalar_type_name(mat2.dtype()));
}

// The factors in the dtype of the product; products of halves are added in float.
void check_factors_fit(DType d, const Scalar& beta, const Scalar& alpha) {
  if (is_half(d)) d = DType::Float32;
  number_in(beta, d);
  number_in(alpha, d);
}

TensorSpec addmm_meta(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                      const Scalar& alpha) {
  RL_CHECK(ShapeError, mat1.dim() == 2, "mat1 must be a matrix, got ", mat1.dim(), "-D tensor");
  RL_CHECK(ShapeError, mat2.dim() == 2, "mat2 must be a matrix, got ", mat2.dim(), "-D tensor");
  check_matrix_shapes(mat1, mat2);
  check_same_dtype(self, mat2);
  check_product_dtypes("addmm_impl_cpu_", mat1, mat2);
  TensorSpec spec{.sizes = {mat1.sizes()[0], mat2.sizes()[1]}, .dtype = mat1.dtype(), .device = mat1.device()};
  broadcast_strides(self, spec.sizes);  // throws what expand does
  check_factors_fit(spec.dtype, beta, alpha);
  return spec;
}
void addmm_cpu(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta, const Scalar& alpha,
               const Tensor& out) {
  DenseOut to(out);
  bool add = !beta.equals(0);
  GemmProblem p = matrix_problem(mat1, mat2, to.get());
  p.alpha = alpha;
  if (add) {
    copy_elements(to.get(), self);
    p.beta = beta;
  }
  gemm(p);
  to.finish();
}

// ---- bmm, baddbmm ----

TensorSpec bmm_meta(const Tensor& batch1, const Tensor& batch2) {
  for (int i : {1, 2}) {
    const Tensor& given = i == 1 ? batch1 : batch2;
    RL_CHECK(ShapeError, given.dim() == 3, "batch", i, " must be a 3D tensor. Hint: bmm: got shape ", given.sizes(),
             "; use matmul, which takes any, or add the batch with unsqueeze(0)");
  }
  const Dims &a = batch1.sizes(), &b = batch2.sizes();
  RL_CHECK(ShapeError, a[0] == b[0] && a[2] == b[1], "Expected size for first two dimensions of batch2 tensor to be: [",
           a[0], ", ", a[2], "] but got: [", b[0], ", ", b[1], "]. Hint: bmm: shapes ", a, " and ", b,
           " are (batch, n, m) and (batch, m, p); transpose one with .mT, or reshape it");
  RL_CHECK(DTypeError, batch1.dtype() == batch2.dtype(), "expected scalar type ", scalar_type_name(batch1.dtype()),
           " but found ", scalar_type_name(batch2.dtype()));
  RL_CHECK(NotImplementedError, batch1.dtype() != DType::Bool, "\"bmm\" not implemented for 'Bool'");
  return {.sizes = {a[0], a[1], b[2]}, .dtype = batch1.dtype(), .device = batch1.device()};
}
void batched(const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha, const Tensor& c) {
  const Dims &as = a.strides(), &bs = b.strides();
  int64_t m = a.sizes()[1], k = a.sizes()[2], n = b.sizes()[2];
  batched_gemm({.dtype = a.dtype(),
                .m = m,
                .n = n,
                .k = k,
                .a = a.raw(),
                .a_row = as[1],
                .a_col = as[2],
                .b = b.raw(),
                .b_row = bs[1],
                .b_col = bs[2],
                .c = c.raw(),
                .c_row = n,
                .alpha = alpha,
                .beta = beta},
               a.sizes()[0], as[0], bs[0], m * n);
}
void bmm_cpu(const Tensor& self, const Tensor& mat2, const Tensor& out) {
  DenseOut to(out);
  batched(self, mat2, 0, 1, to.get());
  to.finish();
}
TensorSpec baddbmm_meta(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
                        const Scalar& alpha) {
  TensorSpec spec = bmm_meta(batch1, batch2);
  RL_CHECK(DTypeError, self.dtype() == batch1.dtype(), "Input dtypes must be the same, got: input ",
           info_of(self.dtype()).type_name, ", batch1: ", info_of(batch1.dtype()).type_name,
           ", batch2: ", info_of(batch2.dtype()).type_name);
  broadcast_strides(self, spec.sizes);
  check_factors_fit(spec.dtype, beta, alpha);
  return spec;
}
void baddbmm_cpu(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
                 const Scalar& alpha, const Tensor& out) {
  DenseOut to(out);
  bool add = !beta.equals(0);
  if (add) copy_elements(to.get(), self);
  batched(batch1, batch2, add ? beta : Scalar(0), alpha, to.get());
  to.finish();
}

// ---- mv, dot ----

TensorSpec mv_meta(const Tensor& self, const Tensor& vec) {
  RL_CHECK(ShapeError, self.dim() == 2 && vec.dim() == 1, "vector + matrix @ vector expected, got 1, ", self.dim(),
           ", ", vec.dim());
  RL_CHECK(ShapeError, self.sizes()[1] == vec.sizes()[0], "size mismatch, got input (", self.sizes()[0], "), mat (",
           self.sizes()[0], "x", self.sizes()[1], "), vec (", vec.sizes()[0],
           "). Hint: mv: the vector has as many elements as the matrix has columns; transpose the matrix with .mT");
  RL_CHECK(DTypeError, self.dtype() == vec.dtype(), "expected scalar type ", scalar_type_name(self.dtype()),
           " but found ", scalar_type_name(vec.dtype()));
  RL_CHECK(NotImplementedError, self.dtype() != DType::Bool, "\"addmv_impl_cpu\" not implemented for 'Bool'");
  return {.sizes = {self.sizes()[0]}, .dtype = self.dtype(), .device = self.device()};
}
void mv_into(const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha, const Tensor& out) {
  // As a row times the transposed matrix: the result is contiguous, and dot products run along the matrix's rows.
  gemm({.dtype = mat.dtype(),
        .m = 1,
        .n = mat.sizes()[0],
        .k = mat.sizes()[1],
        .a = vec.raw(),
        .a_row = 1,
        .a_col = vec.strides()[0],
        .b = mat.raw(),
        .b_row = mat.strides()[1],
        .b_col = mat.strides()[0],
        .c = out.raw(),
        .c_row = mat.sizes()[0],
        .alpha = alpha,
        .beta = beta});
}
void mv_cpu(const Tensor& self, const Tensor& vec, const Tensor& out) {
  DenseOut to(out);
  mv_into(self, vec, 0, 1, to.get());
  to.finish();
}
TensorSpec addmv_meta(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta,
                      const Scalar& alpha) {
  RL_CHECK(ShapeError, mat.dim() == 2 && vec.dim() == 1 && self.dim() <= 1, "vector + matrix @ vector expected, got ",
           self.dim(), ", ", mat.dim(), ", ", vec.dim());
  RL_CHECK(ShapeError, mat.sizes()[1] == vec.sizes()[0] && (self.numel() == 1 || self.sizes()[0] == mat.sizes()[0]),
           "size mismatch, got input (", self.numel(), "), mat (", mat.sizes()[0], "x", mat.sizes()[1], "), vec (",
           vec.sizes()[0], ")");
  TensorSpec spec = mv_meta(mat, vec);
  check_same_dtype(self, mat);
  check_factors_fit(spec.dtype, beta, alpha);
  return spec;
}
void addmv_cpu(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha,
               const Tensor& out) {
  DenseOut to(out);
  bool add = !beta.equals(0);
  if (add) copy_elements(to.get(), self);
  mv_into(mat, vec, add ? beta : Scalar(0), alpha, to.get());
  to.finish();
}

TensorSpec dot_meta(const Tensor& self, const Tensor& tensor) {
  RL_CHECK(ShapeError, self.dim() == 1 && tensor.dim() == 1, "1D tensors expected, but got ", self.dim(), "D and ",
           tensor.dim(), "D tensors");
  RL_CHECK(DTypeError, self.dtype() == tensor.dtype(), "dot : expected both vectors to have same dtype, but found ",
           scalar_type_name(self.dtype()), " and ", scalar_type_name(tensor.dtype()));
  RL_CHECK(ShapeError, self.numel() == tensor.numel(), "inconsistent tensor size, expected tensor ", self.sizes(),
           " and src ", tensor.sizes(), " to have the same number of elements, but got ", self.numel(), " and ",
           tensor.numel(), " elements respectively. Hint: dot: both vectors have one length; for matrices use matmul");
  RL_CHECK(NotImplementedError, self.dtype() != DType::Bool, "\"dot\" not implemented for 'Bool'");
  return {.sizes = {}, .dtype = self.dtype(), .device = self.device()};
}
void dot_cpu(const Tensor& self, const Tensor& tensor, const Tensor& out) {
  gemm({.dtype = self.dtype(),
        .m = 1,
        .n = 1,
        .k = self.numel(),
        .a = self.raw(),
        .a_row = 1,
        .a_col = self.strides()[0],
        .b = tensor.raw(),
        .b_row = tensor.strides()[0],
        .b_col = 1,
        .c = out.raw(),
        .c_row = 1});
}
void vdot_cpu(const Tensor& self, const Tensor& other, const Tensor& out) {
  Tensor first = self;
  if (is_complex(self.dtype())) {
    first = empty_tensor(self.sizes(), self.dtype());
    copy_elements(first, self);
    dispatch(Types<complex64, complex128>{}, self.dtype(), "vdot", [&]<class T>() {
      for (T *p = first.data<T>(), *end = p + first.numel(); p < end; p++) *p = std::conj(*p);
    });
  }
  dot_cpu(first, other, out);
}

// ---- outer, addr ----

Tensor outer_fn(const Tensor& self, const Tensor& vec2) {
  RL_CHECK(ShapeError, self.dim() == 1, "outer: Expected 1-D argument self, but got ", self.dim(),
           "-D. Hint: outer takes vectors: flatten() it, or multiply x.unsqueeze(-1) * y.unsqueeze(-2)");
  RL_CHECK(ShapeError, vec2.dim() == 1, "outer: Expected 1-D argument vec2, but got ", vec2.dim(), "-D");
  return unsqueeze(self, 1) * vec2;
}
Tensor addr_fn(const Tensor& self, const Tensor& vec1, const Tensor& vec2, const Scalar& beta, const Scalar& alpha) {
  RL_CHECK(ShapeError, vec1.dim() == 1 && vec2.dim() == 1, "addr: Expected 1-D argument vec", vec1.dim() == 1 ? 2 : 1,
           ", but got ", (vec1.dim() == 1 ? vec2 : vec1).dim(), "-D");
  Dims sizes = {vec1.sizes()[0], vec2.sizes()[0]};
  RL_CHECK(ShapeError, self.dim() <= 2 && broadcast_shapes(self.sizes(), sizes) == sizes,
           "size mismatch, input: ", self.sizes(), ", v1: ", vec1.sizes(), ", v2: ", vec2.sizes());
  DType d = promote_types(self.dtype(), promote_types(vec1.dtype(), vec2.dtype()));
  for (auto [factor, name] : {std::pair(&beta, "beta"), std::pair(&alpha, "alpha")})
    RL_CHECK(RuntimeError, !factor->is_bool() || d == DType::Bool, "Boolean ", name,
             " only supported for Boolean results. Hint: addr: give it as a number");
  check_factors(d, beta, alpha);
  check_factors_fit(d, beta, alpha);
  bool all_bool = self.dtype() == DType::Bool && vec1.dtype() == DType::Bool && vec2.dtype() == DType::Bool;
  auto scaled_by = [&](const Scalar& factor, const Tensor& t) {
    if (is_half(t.dtype()) && !factor.equals(1)) return t * full_like(t, factor);  // by the factor in t's dtype
    return all_bool ? t * Scalar(factor.to<bool>()) : factor.equals(1) ? t : t * factor;
  };
  Tensor product = outer_fn(scaled_by(alpha, vec1), vec2);
  if (beta.equals(0)) return product;
  return add(scaled_by(beta, self), product);
}

// ---- matmul ----

Tensor matmul_fn(const Tensor& a, const Tensor& b) {
  int64_t da = a.dim(), db = b.dim();
  RL_CHECK(ShapeError, da != 0 && db != 0, "both arguments to matmul need to be at least 1D, but they are ", da,
           "D and ", db, "D");
  if (da == 2 && db == 2) return mm(a, b);
  if (da == 1 && db == 1) return dot(a, b);
  if (da == 2 && db == 1) return mv(a, b);
  if (da == 1 && db == 2) return squeeze(mm(unsqueeze(a, 0), b), 0);
  if (db <= 2) {  // one product of all rows
    Dims sizes = a.sizes();
    int64_t k = sizes.back();
    sizes.resize(sizes.size() - 1);
    Tensor rows = reshape(a, {product(sizes), k});
    if (db == 1) return view(mv(rows, b), sizes);
    Tensor result = mm(rows, b);
    sizes.push_back(b.sizes()[1]);
    return view(result, sizes);
  }
  Tensor x = da == 1 ? unsqueeze(a, 0) : a, y = db == 1 ? unsqueeze(b, 1) : b;
  auto batch_of = [](const Tensor& t) { return IntArrayRef(t.sizes()).slice(0, size_t(t.dim() - 2)); };
  Dims batch = broadcast_shapes(batch_of(x), batch_of(y));
  int64_t m = x.size(-2), k = x.size(-1), k2 = y.size(-2), n = y.size(-1), count = product(batch);
  auto flat = [&](const Tensor& t, int64_t rows, int64_t cols) {
    Dims sizes = batch;
    sizes.push_back(rows);
    sizes.push_back(cols);
    Tensor wide = t.sizes() == sizes ? t : expand(t, sizes);
    return sizes.size() == 3 ? wide : reshape(wide, {count, rows, cols});
  };
  Tensor result = bmm(flat(x, m, k), flat(y, k2, n));
  Dims sizes = batch;
  if (da > 1) sizes.push_back(m);
  if (db > 1) sizes.push_back(n);
  return result.sizes() == sizes ? result : view(result, sizes);
}

Grads mm_grad(const Saved& s, const Tensor& g) {
  return {s.needs("self") ? mm(g, adjoint_of(s["mat2"])) : Tensor(),
          s.needs("mat2") ? mm(adjoint_of(s["self"]), g) : Tensor()};
}
Grads addmm_grad(const Saved& s, const Tensor& g) {
  Scalar alpha = s.arg("alpha").to_scalar();
  return {scaled(g, s.arg("beta").to_scalar()),
          s.needs("mat1") ? scaled(mm(g, adjoint_of(s["mat2"])), alpha) : Tensor(),
          s.needs("mat2") ? scaled(mm(adjoint_of(s["mat1"]), g), alpha) : Tensor()};
}
Grads bmm_grad(const Saved& s, const Tensor& g) {
  return {s.needs("self") ? bmm(g, adjoint_of(s["mat2"])) : Tensor(),
          s.needs("mat2") ? bmm(adjoint_of(s["self"]), g) : Tensor()};
}
Grads baddbmm_grad(const Saved& s, const Tensor& g) {
  Scalar alpha = s.arg("alpha").to_scalar();
  return {scaled(g, s.arg("beta").to_scalar()),
          s.needs("batch1") ? scaled(bmm(g, adjoint_of(s["batch2"])), alpha) : Tensor(),
          s.needs("batch2") ? scaled(bmm(adjoint_of(s["batch1"]), g), alpha) : Tensor()};
}
Grads mv_grad(const Saved& s, const Tensor& g) {
  return {s.needs("self") ? outer(g, conj_of(s["vec"])) : Tensor(),
          s.needs("vec") ? mv(adjoint_of(s["self"]), g) : Tensor()};
}
Grads addmv_grad(const Saved& s, const Tensor& g) {
  Scalar alpha = s.arg("alpha").to_scalar();
  return {scaled(g, s.arg("beta").to_scalar()), s.needs("mat") ? scaled(outer(g, conj_of(s["vec"])), alpha) : Tensor(),
          s.needs("vec") ? scaled(mv(adjoint_of(s["mat"]), g), alpha) : Tensor()};
}
Grads dot_grad(const Saved& s, const Tensor& g) { return {g * conj_of(s["tensor"]), g * conj_of(s["self"])}; }
Grads vdot_grad(const Saved& s, const Tensor& g) { return {conj_of(g) * s["other"], g * s["self"]}; }

}  // namespace

OP(mm, {.schema = "mm(Tensor self, Tensor mat2) -> Tensor",
        .doc = "The product of two matrices."
               " >>> torch.mm(torch.tensor([[1., 2.]]), torch.tensor([[3.], [4.]]))\ntensor([[11.]])",
        .kernel = structured<mm_meta, mm_cpu>(),
        .grad = {{"self", "mat2"}, mm_grad},
        .autocast = Autocast::Lower,
        .sparse = sparse_form<sparse_mm>});
COST(mm, [](auto args, auto rets) { return rets[0].tensor().numel() * args[0].tensor().size(1); })

OP(addmm, {.schema = "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
           .doc = "beta * self + alpha * mat1 @ mat2. With beta 0, self is not read."
                  " >>> torch.addmm(torch.tensor([[100.]]), torch.tensor([[1., 2.]]), torch.tensor([[3.], "
                  "[4.]]))\ntensor([[111.]])",
           .kernel = structured<addmm_meta, addmm_cpu>(),
           .grad = {{"mat1", "mat2"}, addmm_grad},
           .forms = kFunction | kMethod | kInPlace | kOut,
           .autocast = Autocast::Lower,
           .sparse = sparse_form<sparse_addmm>});
COST(addmm, [](auto args, auto rets) { return rets[0].tensor().numel() * args[1].tensor().size(1); })

OP(bmm, {.schema = "bmm(Tensor self, Tensor mat2) -> Tensor",
         .doc = "The products of two batches of matrices."
                " >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()\ntensor([3., 3.])",
         .kernel = structured<bmm_meta, bmm_cpu>(),
         .grad = {{"self", "mat2"}, bmm_grad},
         .autocast = Autocast::Lower,
         .sparse = sparse_form<sparse_bmm>});
COST(bmm, [](auto args, auto rets) { return rets[0].tensor().numel() * args[0].tensor().size(2); })

OP(baddbmm,
   {.schema = "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    .doc = "beta * self + alpha * batch1 @ batch2, over a batch of matrices."
           " >>> torch.baddbmm(torch.ones(1), torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()\ntensor([4., 4.])",
    .kernel = structured<baddbmm_meta, baddbmm_cpu>(),
    .grad = {{"batch1", "batch2"}, baddbmm_grad},
    .forms = kFunction | kMethod | kInPlace | kOut,
    .autocast = Autocast::Lower});
COST(baddbmm, [](auto args, auto rets) { return rets[0].tensor().numel() * args[1].tensor().size(2); })

OP(mv, {.schema = "mv(Tensor self, Tensor vec) -> Tensor",
        .doc = "The product of a matrix and a vector."
               " >>> torch.mv(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 1.]))\ntensor([3., 7.])",
        .kernel = structured<mv_meta, mv_cpu>(),
        .grad = {{"self", "vec"}, mv_grad},
        .sparse = sparse_form<sparse_mv>});
COST(mv, [](auto args, auto) { return args[0].tensor().numel(); })

OP(addmv, {.schema = "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
           .doc = "beta * self + alpha * mat @ vec. With beta 0, self is not read."
                  " >>> torch.addmv(torch.tensor([10., 20.]), torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., "
                  "1.]))\ntensor([13., 27.])",
           .kernel = structured<addmv_meta, addmv_cpu>(),
           .grad = {{"mat", "vec"}, addmv_grad},
           .forms = kFunction | kMethod | kInPlace | kOut,
           .sparse = sparse_form<sparse_addmv>});
COST(addmv, [](auto args, auto) { return args[1].tensor().numel(); })

OP(dot, {.schema = "dot(Tensor self, Tensor tensor) -> Tensor",
         .doc = "The sum of the products of two vectors' elements."
                " >>> torch.dot(torch.tensor([1., 2.]), torch.tensor([3., 4.]))\ntensor(11.)",
         .kernel = structured<dot_meta, dot_cpu>(),
         .grad = {{"self", "tensor"}, dot_grad}});
COST(dot, [](auto args, auto) { return args[0].tensor().numel(); })

OP(vdot, {.schema = "vdot(Tensor self, Tensor other) -> Tensor",
          .doc = "As dot, with self conjugated."
                 " >>> torch.vdot(torch.tensor([1j]), torch.tensor([1j]))\ntensor(1.+0.j)",
          .kernel = structured<dot_meta, vdot_cpu>(),
          .grad = {{"self", "other"}, vdot_grad}});
COST(vdot, [](auto args, auto) { return args[0].tensor().numel(); })

OP(outer,
   {.schema = "outer(Tensor self, Tensor vec2) -> Tensor",
    .doc = "The matrix of all products of two vectors' elements."
           " >>> torch.outer(torch.tensor([1., 2.]), torch.tensor([3., 4.]))\ntensor([[3., 4.],\n        [6., 8.]])",
    .kernel = composite<outer_fn>(),
    .forms = kFunction | kMethod | kOut,
    .aliases = {"ger"}});

OP(addr, {.schema = "addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
          .doc = "beta * self + alpha * outer(vec1, vec2). With beta 0, self is not read."
                 " >>> torch.addr(torch.ones(1, 2), torch.tensor([1.]), torch.tensor([3., 4.]))\ntensor([[4., 5.]])",
          .kernel = composite<addr_fn>(),
          .forms = kFunction | kMethod | kInPlace | kOut});

OP(matmul, {.schema = "matmul(Tensor self, Tensor other) -> Tensor",
            .doc = "The product of matrices, vectors or broadcast batches of them, as Python's @."
                   " >>> torch.matmul(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 1.]))\ntensor([3., 7.])",
            .kernel = composite<matmul_fn>(),
            .forms = kFunction | kMethod | kOut,
            .autocast = Autocast::Lower,
            .sparse = sparse_form<sparse_matmul>});

}  // namespace rushlight
