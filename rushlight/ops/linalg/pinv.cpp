// What rests on singular values: pseudo-inverses, ranks, condition numbers; and least squares.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "rushlight/fn/_linalg_eigh.h"
#include "rushlight/fn/_linalg_lstsq.h"
#include "rushlight/fn/_linalg_svd.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/all.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/empty.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/linalg_cond.h"
#include "rushlight/fn/linalg_eigvalsh.h"
#include "rushlight/fn/linalg_inv_ex.h"
#include "rushlight/fn/linalg_matrix_norm.h"
#include "rushlight/fn/linalg_matrix_rank.h"
#include "rushlight/fn/linalg_pinv.h"
#include "rushlight/fn/linalg_svdvals.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/maximum.h"
#include "rushlight/fn/reciprocal.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/linalg/linalg.h"

namespace rushlight {
namespace {

double epsilon(DType d) { return to_real(d) == DType::Float64 ? 2.220446049250313e-16 : 1.1920928955078125e-07; }

// ---- which singular values count as zero ----

Tensor number_like(const Tensor& a, double value) {
  return full({}, value, to_real(a.dtype()), std::nullopt, a.device());
}
void check_tolerance(const char* op, const Tensor& t, const char* name) {
  RL_CHECK(RuntimeError, !t.defined() || !is_complex(t.dtype()), op, ": ", name,
           " tensor of complex type is not supported.");
}
// The largest of atol and rtol times the largest value. Without either, rtol is epsilon times the longer side.
Tensor cut(const Tensor& a, const Tensor& largest, const Tensor& atol, const Tensor& rtol) {
  double usual = epsilon(a.dtype()) * double(std::max(a.size(-1), a.size(-2)));
  Tensor absolute = atol.defined() ? to(atol, to_real(a.dtype())) : number_like(a, 0);
  Tensor relative = rtol.defined()   ? to(rtol, to_real(a.dtype()))
                    : atol.defined() ? where(absolute > Scalar(0), number_like(a, 0), number_like(a, usual))
                                     : number_like(a, usual);
  return maximum(absolute, relative * largest);
}
struct Tolerance {
  Tensor atol, rtol;
  Tolerance(const Tensor& a, const std::optional<double>& absolute, const std::optional<double>& relative) {
    if (absolute) atol = number_like(a, *absolute);
    if (relative) rtol = number_like(a, *relative);
  }
};
const Dims kLast = {-1};

// ---- pinv ----

TensorSpec pinv_meta(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
  check_matrix(a, "linalg.pinv");
  check_field(a, "linalg.pinv");
  if (hermitian) check_square(a, "linalg.pinv");
  Dims batch = batch_of(a.sizes());
  for (auto [t, name] : {std::pair(&atol, "atol"), std::pair(&rtol, "rtol")}) {
    check_tolerance("torch.linalg.pinv", *t, name);
    if (t->defined()) batch = broadcast_shapes(batch, t->sizes());
  }
  return rows_spec(with_matrix(batch, a.size(-1), a.size(-2)), a.dtype(), a.device());
}
void pinv_cpu(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian, const Tensor& out) {
  if (out.numel() == 0) return;
  NoGradGuard no_grad;
  Tensor values, left, right;  // A = left diag(values) right^H
  if (hermitian) {
    std::tie(values, left) = _linalg_eigh(a, "L", true);
    right = left;
  } else {
    Tensor vh;
    std::tie(left, values, vh) = _linalg_svd(a, false, true);
    right = adjoint_of(vh);
  }
  Tensor sizes = abs(values);
  Tensor smallest = cut(a, amax(sizes, kLast), atol, rtol);
  Tensor inverted = where(sizes > unsqueeze(smallest, -1), reciprocal(values), zeros_like(values));
  copy_elements(out, matmul(right * unsqueeze(inverted, -2), adjoint_of(left)));
}
// dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P.
Grads pinv_grad(const Saved& s, const Tensor& g) {
  Tensor a = s["self"], p = s["result"], ph = adjoint_of(p), gh = adjoint_of(g);
  if (g.numel() == 0) return {zeros_like(a)};
  Tensor first = matmul(matmul(gh, p), ph), second = matmul(ph, matmul(p, gh));
  return {(first - matmul(a, matmul(p, first))) + (second - matmul(matmul(second, p), a)) - matmul(ph, matmul(g, ph))};
}
Tensor pinv_floats(const Tensor& a, const std::optional<double>& atol, const std::optional<double>& rtol,
                   bool hermitian) {
  Tolerance t(a, atol, rtol);
  return linalg_pinv(a, t.atol, t.rtol, hermitian);
}
Tensor pinv_number(const Tensor& a, double rcond, bool hermitian) {
  return pinv_floats(a, std::nullopt, rcond, hermitian);
}
Tensor pinv_tensor(const Tensor& a, const Tensor& rcond, bool hermitian) {
  return linalg_pinv(a, Tensor(), rcond, hermitian);
}
Tensor pinverse_op(const Tensor& a, double rcond) { return pinv_floats(a, std::nullopt, rcond, false); }

// ---- ranks ----

Tensor rank_of(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
  check_matrix(a, "torch.linalg.matrix_rank", "input");
  check_tolerance("torch.linalg.matrix_rank", atol, "atol");
  check_tolerance("torch.linalg.matrix_rank", rtol, "rtol");
  if (hermitian) check_square(a, "linalg.matrix_rank");
  Tensor values;
  {
    NoGradGuard no_grad;
    values = hermitian ? abs(linalg_eigvalsh(a)) : linalg_svdvals(a);
    if (values.size(-1) == 0) {
      Dims batch = batch_of(a.sizes());
      for (const Tensor& t : {atol, rtol})
        if (t.defined()) batch = broadcast_shapes(batch, t.sizes());
      return zeros(batch, DType::Int64, std::nullopt, a.device());
    }
    Tensor smallest = cut(a, amax(values, kLast), atol, rtol);
    return sum(values > unsqueeze(smallest, -1), IntArrayRef(kLast));
  }
}
Tensor rank_tensors(const Tensor& a, const Tensor& atol, const Tensor& rtol, bool hermitian) {
  return rank_of(a, atol, rtol, hermitian);
}
Tensor rank_floats(const Tensor& a, const std::optional<double>& atol, const std::optional<double>& rtol,
                   bool hermitian) {
  Tolerance t(a, atol, rtol);
  return rank_of(a, t.atol, t.rtol, hermitian);
}
// PyTorch's older forms: a tolerance that is absolute.
Tensor rank_number(const Tensor& a, double tol, bool hermitian) { return rank_floats(a, tol, 0.0, hermitian); }
Tensor rank_tensor(const Tensor& a, const Tensor& tol, bool hermitian) {
  return rank_of(a, tol, number_like(a, 0), hermitian);
}

// ---- condition numbers ----

Tensor no_condition(const Tensor& a) { return zeros(batch_and(a, {}), to_real(a.dtype()), std::nullopt, a.device()); }
Tensor inverse_for(const Tensor& a, const std::string& p) {
  check_square(a, str("linalg.cond(ord=", p, ")").c_str());
  return std::get<0>(linalg_inv_ex(a));
}
Tensor cond_op(const Tensor& a, const std::optional<Scalar>& p) {
  check_matrix(a, "linalg.cond");
  double ord = p ? p->to_double() : 2, size = std::abs(ord);
  RL_CHECK(RuntimeError, size == 1 || size == 2 || std::isinf(size),
           "linalg.cond got an invalid norm type: ", p ? *p : Scalar(2));
  if (a.numel() == 0) {
    if (size != 2) inverse_for(a, str(*p));
    return no_condition(a);
  }
  if (size == 2) {
    Tensor values = linalg_svdvals(a);
    Tensor largest = select(values, -1, 0), smallest = select(values, -1, -1);
    return ord > 0 ? largest / smallest : smallest / largest;
  }
  Tensor inverse = inverse_for(a, str(*p));
  const Dims both = {-2, -1};
  return linalg_matrix_norm(a, *p, both) * linalg_matrix_norm(inverse, *p, both);
}
Tensor cond_text(const Tensor& a, std::string_view p) {
  check_matrix(a, "linalg.cond");
  RL_CHECK(RuntimeError, p == "fro" || p == "nuc", "linalg.cond got an invalid norm type: ", p);
  Tensor inverse = inverse_for(a, std::string(p));
  if (a.numel() == 0) return no_condition(a);
  const Dims both = {-2, -1};
  return linalg_matrix_norm(a, p, both) * linalg_matrix_norm(inverse, p, both);
}

// ---- least squares ----

using lapack::LeastSquares;
LeastSquares driver_named(std::string_view name) {
  const std::pair<const char*, LeastSquares> all[] = {{"gels", LeastSquares::Gels},
                                                      {"gelsy", LeastSquares::Gelsy},
                                                      {"gelsd", LeastSquares::Gelsd},
                                                      {"gelss", LeastSquares::Gelss}};
  for (auto [text, driver] : all)
    if (name == text) return driver;
  throw RuntimeError("torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
}
bool finds_values(LeastSquares d) { return d == LeastSquares::Gelsd || d == LeastSquares::Gelss; }

// B is of matrices here, and residuals are those of every column, also where the rank is low.
std::array<TensorSpec, 4> lstsq_meta(const Tensor& a, const Tensor& b, double, std::string_view name) {
  const char* op = "torch.linalg.lstsq";
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": input must have at least 2 dimensions.");
  RL_CHECK(ShapeError, b.dim() >= 2, op, ": other must have at least 2 dimensions.");
  RL_CHECK(ShapeError, a.size(-2) == b.size(-2), op, ": input.size(-2) should match other.size(-2)");
  RL_CHECK(DTypeError, a.dtype() == b.dtype(), op,
           ": Expected input and other to have the same dtype, but got input's dtype ", scalar_type_name(a.dtype()),
           " and other's dtype ", scalar_type_name(b.dtype()));
  check_field(a, op);
  LeastSquares driver = driver_named(name);
  int64_t m = a.size(-2), n = a.size(-1);
  Dims batch = common_batch(a.sizes(), b.sizes()), of_values = {0}, of_rank = {0}, of_residuals = {0};
  if (driver != LeastSquares::Gels) of_rank = batch;
  if (finds_values(driver)) {
    of_values = batch;
    of_values.push_back(std::min(m, n));
  }
  if (m > n && driver != LeastSquares::Gelsy) {
    of_residuals = batch;
    of_residuals.push_back(b.size(-1));
  }
  // The first rows of what LAPACK works in.
  TensorSpec x = columns_spec(with_matrix(batch, std::max(m, n), b.size(-1)), a.dtype(), a.device());
  x.sizes[batch.size()] = n;
  return {x, rows_spec(of_residuals, to_real(a.dtype()), a.device()), rows_spec(of_rank, DType::Int64, a.device()),
          rows_spec(of_values, to_real(a.dtype()), a.device())};
}
void lstsq_cpu(const Tensor& a, const Tensor& b, double rcond, std::string_view name, const Tensor& x,
               const Tensor& residuals, const Tensor& rank, const Tensor& values) {
  LeastSquares driver = driver_named(name);
  int64_t m = a.size(-2), n = a.size(-1), columns = b.size(-1), k = std::min(m, n), rows = std::max(m, n);
  Dims batch = batch_of(x.sizes());
  int64_t count = product(batch);
  bool with_residuals = m > n && driver != LeastSquares::Gelsy, has_values = finds_values(driver);
  Tensor matrices = empty_tensor(with_matrix(batch, n, m), a.dtype()),
         sides = empty_tensor(with_matrix(batch, columns, rows), a.dtype());
  copy_elements(matrices, exchanged(a));
  if (sides.numel() > 0) std::memset(sides.raw(), 0, size_t(sides.nbytes()));
  Dims shape = with_matrix(batch, columns, m);
  copy_elements(alias_tensor(sides, shape, sides.strides(), 0), exchanged(b));
  // Where nothing is to be solved, x stays zero.
  bool solve = k > 0 && columns > 0;
  Tensor ranks = empty_tensor(rank.sizes(), DType::Int64), found = empty_tensor(values.sizes(), values.dtype()),
         left = empty_tensor(residuals.sizes(), residuals.dtype());
  dispatch(LapackTypes{}, a.dtype(), "linalg_lstsq", [&]<class T>() {
    using R = lapack::real_t<T>;
    lapack::Work<T> work;
    std::vector<R> unused(size_t(std::max<int64_t>(k, 1)));
    for (int64_t i = 0; i < count; i++) {
      T *at = matrices.data<T>() + i * m * n, *side = sides.data<T>() + i * columns * rows;
      int found_rank = 0;
      R* s = has_values ? found.data<R>() + i * k : unused.data();
      if (solve) {
        bool finite = lapack::all_finite(at, m * n) && lapack::all_finite(side, columns * rows);
        RL_CHECK(LinAlgError, finite, "torch.linalg.lstsq: ", batch_place(x, i),
                 "The least squares solution could not be computed because the input contains non-finite values.");
        int info = lapack::least_squares<T>(driver, m, n, columns, at, side, R(rcond), s, &found_rank, work);
        RL_CHECK(LinAlgError, info == 0, "torch.linalg.lstsq: ", batch_place(x, i),
                 "The least squares solution could not be computed because the input matrix does not have full rank "
                 "(error code: ",
                 info, ").");
      } else if (has_values) {
        std::fill(s, s + k, R(0));
      }
      if (driver != LeastSquares::Gels) ranks.data<int64_t>()[i] = found_rank;
      for (int64_t c = 0; with_residuals && c < columns; c++) {
        R sum = 0;
        for (int64_t r = n; r < m; r++) sum += std::norm(side[c * rows + r]);
        left.data<R>()[i * columns + c] = sum;
      }
    }
  });
  copy_elements(exchanged(x), alias_tensor(sides, with_matrix(batch, columns, n), sides.strides(), 0));
  copy_elements(residuals, left);
  copy_elements(rank, ranks);
  copy_elements(values, found);
}
// x is pinv(A) B, and a residual's gradient doesn't go by x, which makes it the smallest.
Grads lstsq_grad(const Saved& s, const Tensors& g) {
  Tensor a = s["A"], b = s["B"], x = s["solution"], ga, gb;
  if (g[0].defined()) {
    Tensor p = linalg_pinv(a, Tensor(), Tensor());
    gb = matmul(adjoint_of(p), g[0]);
    // What pinv's own rule does with the gradient g B^H, in an order that keeps the matrices small.
    Tensor gp = matmul(g[0], adjoint_of(b)), gh = adjoint_of(gp), ph = adjoint_of(p);
    Tensor first = matmul(matmul(gh, p), ph), second = matmul(ph, matmul(p, gh));
    ga = (first - matmul(a, matmul(p, first))) + (second - matmul(matmul(second, p), a)) - matmul(ph, matmul(gp, ph));
  }
  if (g[1].defined() && g[1].numel() > 0) {
    Tensor rest = (b - matmul(a, x)) * unsqueeze(g[1], -2) * Scalar(2);
    gb = gb.defined() ? gb + rest : rest;
    Tensor by_a = -matmul(rest, adjoint_of(x));
    ga = ga.defined() ? ga + by_a : by_a;
  }
  return {ga, gb};
}
std::tuple<Tensor, Tensor, Tensor, Tensor> lstsq_op(const Tensor& a, const Tensor& b,
                                                    const std::optional<double>& rcond,
                                                    const std::optional<std::string_view>& driver) {
  const char* op = "torch.linalg.lstsq";
  RL_CHECK(ShapeError, a.dim() >= 2, op, ": input must have at least 2 dimensions.");
  RL_CHECK(ShapeError, b.dim() >= 1, op, ": other must have at least 1 dimension.");
  bool vector = is_vector_side(a.sizes(), b.sizes());
  int64_t difference = a.dim() - b.dim();
  RL_CHECK(ShapeError, difference >= 0 && difference <= 1, op,
           ": input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1");
  std::string_view name = driver.value_or("gelsy");
  double smallest = rcond.value_or(epsilon(a.dtype()) * double(std::max(a.size(-2), a.size(-1))));
  auto [x, residuals, rank, values] = _linalg_lstsq(a, vector ? unsqueeze(b, -1) : b, smallest, name);
  // Residuals of a matrix of low rank are not what LAPACK leaves behind.
  bool low = finds_values(driver_named(name)) && residuals.numel() > 0 && !a.device().is_meta() && a.numel() > 0 &&
             !item(all(rank == Scalar(a.size(-1)))).to<bool>();
  if (low) residuals = empty({0}, residuals.dtype(), std::nullopt, a.device());
  if (a.numel() == 0) values = empty({0}, values.dtype(), std::nullopt, a.device());
  return {vector ? squeeze(x, -1) : x, residuals, rank, detach(values)};
}

}  // namespace

OP(linalg_pinv,
   {.schema =
        "linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> "
        "Tensor",
    .doc = "The pseudo-inverse of matrices. Singular values of at most max(atol, rtol * the largest) count as zero."
           " >>> torch.linalg.pinv(torch.tensor([[2.], [0.]]))\ntensor([[0.5000, 0.0000]])",
    .kernel = structured<pinv_meta, pinv_cpu>(),
    .grad = {{"self", "result"}, pinv_grad},
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_pinv_floats,
   {.schema =
        "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> "
        "Tensor",
    .doc = "The pseudo-inverse, by tolerances that are numbers.",
    .kernel = composite<pinv_floats>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_pinv_number, {.schema = "linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor",
                        .doc = "The pseudo-inverse, by a relative tolerance.",
                        .kernel = composite<pinv_number>(),
                        .forms = kFunction | kOut,
                        .module = "linalg"});
OP(linalg_pinv_tensor, {.schema = "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor",
                        .doc = "The pseudo-inverse, by a relative tolerance for each matrix.",
                        .kernel = composite<pinv_tensor>(),
                        .forms = kFunction | kOut,
                        .module = "linalg"});
OP(pinverse, {.schema = "pinverse(Tensor self, float rcond=1e-15) -> Tensor",
              .doc = "linalg.pinv, by its old name. >>> torch.pinverse(torch.tensor([[2.]]))\ntensor([[0.5000]])",
              .kernel = composite<pinverse_op>(),
              .autocast = Autocast::Float32});
OP(linalg_matrix_rank,
   {.schema = "linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool "
              "hermitian=False) -> Tensor",
    .doc = "The number of singular values greater than max(atol, rtol * the largest)."
           " >>> torch.linalg.matrix_rank(torch.ones(2, 2))\ntensor(1)",
    .kernel = composite<rank_tensors>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_matrix_rank_floats,
   {.schema = "linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool "
              "hermitian=False) -> Tensor",
    .doc = "The rank, by tolerances that are numbers.",
    .kernel = composite<rank_floats>(),
    .forms = kFunction | kOut,
    .module = "linalg"});
OP(linalg_matrix_rank_number, {.schema = "linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor",
                               .doc = "The rank, by an absolute tolerance.",
                               .kernel = composite<rank_number>(),
                               .forms = kFunction | kOut,
                               .module = "linalg"});
OP(linalg_matrix_rank_tensor,
   {.schema = "linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor",
    .doc = "The rank, by an absolute tolerance for each matrix.",
    .kernel = composite<rank_tensor>(),
    .forms = kFunction,
    .module = "linalg"});
OP(linalg_cond, {.schema = "linalg_cond(Tensor self, Scalar? p=None) -> Tensor",
                 .doc = "The condition number by a norm: None, 1, -1, 2, -2, inf, -inf."
                        " >>> torch.linalg.cond(torch.tensor([[2., 0.], [0., 1.]]))\ntensor(2.)",
                 .kernel = composite<cond_op>(),
                 .forms = kFunction | kOut,
                 .module = "linalg"});
OP(linalg_cond_str, {.schema = "linalg_cond.p_str(Tensor self, str p) -> Tensor",
                     .doc = "The condition number by the norm 'fro' or 'nuc'.",
                     .kernel = composite<cond_text>(),
                     .forms = kFunction | kOut,
                     .module = "linalg"});
OP(_linalg_lstsq,
   {.schema =
        "_linalg_lstsq(Tensor A, Tensor B, float rcond, str driver) -> (Tensor solution, Tensor residuals, Tensor "
        "rank, Tensor singular_values)",
    .doc = "linalg.lstsq of matrices.",
    .kernel = structured<lstsq_meta, lstsq_cpu>(),
    .grad = {{"A", "B", "solution"}, lstsq_grad},
    .forms = kFunction});
OP(linalg_lstsq,
   {.schema = "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor "
              "residuals, Tensor rank, Tensor singular_values)",
    .doc = "The X for which the sum of squares of self X - b is smallest. driver: 'gels' (for full rank), 'gelsy', "
           "'gelsd', "
           "'gelss'."
           " >>> torch.linalg.lstsq(torch.tensor([[1.], [1.]]), torch.tensor([[1.], "
           "[3.]])).solution.round()\ntensor([[2.]])",
    .kernel = composite<lstsq_op>(),
    .forms = kFunction | kOut,
    .module = "linalg"});

}  // namespace rushlight
