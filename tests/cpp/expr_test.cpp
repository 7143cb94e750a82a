// Formulas: that what a pointwise record says it computes is what its kernel computes, to the bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <tuple>

#include "evaluate.h"
#include "rushlight/dispatch/functor_dtype.h"
#include "values.h"

namespace rushlight {
namespace {

constexpr int64_t kCount = 10000;  // of them the squares of the extremes in all pairs

std::vector<double> extreme_numbers() {
  using F = std::numeric_limits<float>;
  using D = std::numeric_limits<double>;
  std::vector<double> v = {0, 0x1p-149, F::min(), 1e-20, 0.1, 0.5,      1,    1.5,  2,      2.5,
                           3, 6,        20,       88.7,  1e5, 16777216, 1e10, 1e30, 2.4e38, F::max()};
  v.insert(v.end(), {D::denorm_min(), D::min(), F::epsilon(), D::epsilon(), 709.7, 9007199254740992, 1e200, D::max(),
                     D::infinity()});
  for (size_t i = v.size(); i-- > 0;) v.push_back(-v[i]);
  v.push_back(D::quiet_NaN());
  return v;
}
std::vector<int64_t> extreme_integers() {
  std::vector<int64_t> v = {0,        1,   2,   3,   7,   31,    32,    33,    63,        64,
                            100,      127, 128, 255, 256, 32767, 32768, 65535, INT32_MAX, int64_t(INT32_MAX) + 1,
                            INT64_MAX};
  for (size_t i = v.size(); i-- > 0;) v.push_back(-v[i]);
  v.push_back(INT64_MIN);
  return v;
}

// kCount values for the argument number `which` of `of`: the extremes in all combinations of the first two, then random ones.
template <class T, class Draw>
std::vector<T> spread(const std::vector<T>& extremes, int which, Draw draw) {
  std::vector<T> v;
  size_t n = extremes.size();
  for (size_t i = 0; i < n * n; i++) v.push_back(extremes[which == 0 ? i % n : which == 1 ? i / n : (i + i / n) % n]);
  while (v.size() < kCount) v.push_back(draw());
  v.resize(kCount);
  return v;
}

std::vector<double> numbers(int which, std::mt19937_64& random) {
  return spread(extreme_numbers(), which, [&]() -> double {
    std::normal_distribution<double> normal;
    double x = normal(random);
    switch (random() % 4) {
      case 0: return x;
      case 1: return 4 * x;
      case 2: return std::round(8 * x);
      default: return std::copysign(std::exp2(std::uniform_real_distribution<double>(-150, 128)(random)), x);
    }
  });
}
std::vector<int64_t> integers(int which, std::mt19937_64& random) {
  return spread(extreme_integers(), which, [&]() -> int64_t {
    uint64_t bits = random();
    return int64_t(bits) >> (random() % 64);
  });
}

Tensor make_argument(DType d, int which, bool degree) {
  std::mt19937_64 random(uint64_t(which) * 100 + 7);
  if (is_complex(d)) {
    std::vector<double> re = numbers(which, random), im = numbers(which + 1, random);
    std::vector<complex128> v;
    for (size_t i = 0; i < kCount; i++) v.push_back({re[i], im[i]});
    return to(tensor_of(std::move(v), kCount), d);
  }
  if (is_floating(d)) {
    std::vector<double> v = numbers(which, random);
    if (degree)  // of a polynomial: its loop is that long
      for (double& x : v)
        if (std::abs(x) > 50) x = std::fmod(x, 50);
    return to(tensor_of(std::move(v), kCount), d);
  }
  return to(tensor_of(integers(which, random), kCount), d);
}

// An argument of that dtype, made once.
Tensor argument(DType d, int which, bool degree) {
  static std::map<std::tuple<DType, int, bool>, Tensor> made;
  Tensor& t = made[{d, which, degree}];
  if (!t.defined()) t = make_argument(d, which, degree);
  return t;
}

bool is_polynomial(const Formula& f) {
  for (const Formula::Step& s : f.steps())
    for (Fn fn : {Fn::chebyshev_t, Fn::chebyshev_u, Fn::chebyshev_v, Fn::chebyshev_w, Fn::shifted_chebyshev_t,
                  Fn::shifted_chebyshev_u, Fn::shifted_chebyshev_v, Fn::shifted_chebyshev_w, Fn::laguerre_l,
                  Fn::legendre_p, Fn::hermite_h, Fn::hermite_he})
      if (s.fn == fn) return true;
  return false;
}

// The number of elements that differ; NaNs are all one, since IEEE 754 leaves open which an operation gives.
template <class T>
int64_t differences(const T* a, const T* b, int64_t n, int64_t* where) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    if (std::memcmp(a + i, b + i, sizeof(T)) == 0) continue;
    if constexpr (std::is_floating_point_v<T>)
      if (a[i] != a[i] && b[i] != b[i]) continue;
    if (count++ == 0) *where = i;
  }
  return count;
}
int64_t differences(const Tensor& a, const Tensor& b, int64_t* where) {
  switch (a.dtype()) {
    case DType::Float32: return differences(a.data<float>(), b.data<float>(), a.numel(), where);
    case DType::Float64: return differences(a.data<double>(), b.data<double>(), a.numel(), where);
    case DType::Complex64:
      return differences(static_cast<float*>(a.raw()), static_cast<float*>(b.raw()), 2 * a.numel(), where);
    case DType::Complex128:
      return differences(static_cast<double*>(a.raw()), static_cast<double*>(b.raw()), 2 * a.numel(), where);
    default: break;
  }
  if (is_floating(a.dtype())) return differences(to(a, DType::Float32), to(b, DType::Float32), where);
  if (a.dtype() == DType::Complex32) return differences(to(a, DType::Complex64), to(b, DType::Complex64), where);
  int64_t size = item_size(a.dtype());
  return differences(static_cast<char*>(a.raw()), static_cast<char*>(b.raw()), size * a.numel(), where);
}

// What follows the tensors, from the schema: variant 0 has its defaults.
IValue parameter(const Argument& a, int variant) {
  if (variant == 0 && a.has_default) return a.default_value;
  if (a.type_name == "int") return IValue(std::array{1, 3, -2}[size_t(variant)]);
  if (a.type_name == "bool") return IValue(false);
  if (a.type_name == "str") return IValue(variant == 1 ? "tanh" : "none");
  if (a.type_name == "Scalar") return IValue(Scalar(std::array{1, 3, 2}[size_t(variant)]));
  return IValue(std::array{0.5, 1.25, 3.0}[size_t(variant)]);
}

struct Case {
  const Op& op;
  const PointwiseInfo& info;
  DType dtype;
  int variant;
};

// True where the kernel takes the dtype.
bool compare(const Case& c) {
  const std::vector<Argument>& schema = c.op.schema().args;
  std::vector<IValue> args;
  for (size_t i = 0; i < schema.size(); i++) {
    bool mask = i == 0 && c.info.promote == Promote::Mask;
    if (int(i) >= c.info.inputs) args.push_back(parameter(schema[i], c.variant));
    else args.push_back(argument(mask ? DType::Bool : c.dtype, int(i), false));
  }
  DType common;
  try {
    common = pointwise_dtype(c.op, args.data());
  } catch (const Error&) { return false; }
  if (common != c.dtype) return false;  // computed in a dtype that has its own turn
  std::string name = str(c.op.name(), " of ", c.dtype, " (", c.variant, "): ");
  Formula formula;
  std::string refused;
  try {
    formula = c.info.formula(common, args.data());
  } catch (const RuntimeError& e) { refused = e.what(); }
  if (refused.empty() && is_polynomial(formula)) args[1] = argument(c.dtype, 1, true);
  TensorSpec spec;
  pointwise_meta(c.op, c.info, args.data(), &spec);
  Tensor out = empty_tensor(spec.sizes, spec.dtype);
  try {
    pointwise_cpu(c.op, c.info, args.data(), out);
  } catch (const RuntimeError& e) {
    if (std::string(e.what()).find("ZeroDivisionError") == std::string::npos) {
      EXPECT_EQ(refused, e.what()) << name;
      return true;
    }
    args[1] = where(eq(args[1].tensor(), Scalar(0)), Scalar(3), args[1].tensor());
    args[1] = to(args[1].tensor(), c.dtype);
    pointwise_cpu(c.op, c.info, args.data(), out);
  }
  EXPECT_EQ(refused, "") << name;
  DType compute = c.info.entry(common).compute;
  std::vector<Tensor> inputs;
  for (int i = 0; i < c.info.inputs; i++)
    inputs.push_back(contiguous(
        to(to(args[size_t(i)].tensor(), i == 0 && c.info.promote == Promote::Mask ? DType::Bool : common), compute)));
  Tensor value = to(evaluate(formula, inputs), spec.dtype);
  int64_t at = 0, count = differences(out, value, &at);
  EXPECT_EQ(count, 0) << name << formula.text() << "\nat " << at << " of " << kCount << ": "
                      << (is_complex(spec.dtype) ? ""
                                                 : str("kernel ", to(out, DType::Float64).data<double>()[at],
                                                       ", formula ", to(value, DType::Float64).data<double>()[at]))
                      << " for "
                      << (is_complex(spec.dtype) || is_complex(c.dtype)
                              ? ""
                              : str(to(inputs[0], DType::Float64).data<double>()[at]));
  return true;
}

// Every pointwise record and dtype: minutes. Run with each instruction set by tests/python/test_build.py.
TEST(ExprTest, FormulasGiveTheKernelsBits) {
  if (!std::getenv("RUSHLIGHT_ISA")) GTEST_SKIP() << "takes long; RUSHLIGHT_ISA=avx2 (or another) runs it";
  int compared = 0;
  for (const OpDef* def : OpTable::get().records()) {
    const PointwiseInfo* info = def->kernel.pointwise;
    if (!info) continue;
    Schema schema = Schema::parse(def->schema);
    const Op& op = *OpTable::get().find(schema.qualified_name());
    int variants = int(schema.args.size()) > info->inputs ? 3 : 1;
    for (const DTypeInfo& d : kDTypes)
      for (int variant = 0; variant < variants; variant++)
        if (!is_quantized(d.dtype)) compared += compare({op, *info, d.dtype, variant});
  }
  EXPECT_GE(compared, 600);
}

std::string text_of(const char* name, DType d, std::vector<IValue> args = {}) {
  args.resize(8);
  return OpTable::get().find(name)->def().kernel.pointwise->formula(d, args.data()).text();
}

TEST(ExprTest, TextsNameWhatIsUsedTwice) {
  EXPECT_EQ(text_of("tanh_backward", DType::Float32), "x0 * (1 - (x1 * x1))");
  EXPECT_EQ(text_of("sigmoid", DType::Float32), "y0 = exp(-abs(x0)); select(x0 < 0, y0, 1) / (1 + y0)");
  EXPECT_EQ(text_of("special_erfcx", DType::Float32), "float32(erfcx(float64(x0)))");
  EXPECT_EQ(text_of("special_erfcx", DType::Float64), "erfcx(x0)");
}

TEST(ExprTest, EachDtypeHasItsOwnConstantsAndFormula) {
  auto largest = [](DType d) {
    std::vector<IValue> args(4);
    double most = 0;
    Formula f = OpTable::get().find("nan_to_num")->def().kernel.pointwise->formula(d, args.data());
    for (const Formula::Step& s : f.steps())
      if (s.fn == Fn::constant && std::isfinite(s.value.to_double())) most = std::max(most, s.value.to_double());
    return most;
  };
  EXPECT_EQ(largest(DType::Float64), std::numeric_limits<double>::max());
  EXPECT_EQ(largest(DType::Float32), std::numeric_limits<float>::max());
  EXPECT_EQ(largest(DType::Float16), 65504);
  EXPECT_EQ(largest(DType::BFloat16), 0x1.FEp127);
  EXPECT_EQ(text_of("nan_to_num", DType::Int32), "x0");
  EXPECT_EQ(text_of("gcd", DType::Int64), "gcd(x0, x1)");
  EXPECT_EQ(text_of("abs", DType::Float64), "abs(x0)");
  EXPECT_EQ(text_of("abs", DType::Complex64), "hypot(real(x0), imag(x0))");
  EXPECT_EQ(text_of("sgn", DType::Bool), "x0");
  EXPECT_THROW(text_of("neg", DType::Bool), RuntimeError);
}

}  // namespace
}  // namespace rushlight
