// Random numbers, bit for bit those of PyTorch's CPU for the same seed.
#include "rushlight/dispatch/forms.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/all.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/ge.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/kernels/normal_fill.h"
#include "rushlight/ops/linalg/products.h"
#include "rushlight/ops/random/draws.h"
#include "rushlight/ops/sparse/forms.h"
#include "rushlight/ops/specs.h"

namespace rushlight {
namespace {

template <class F>
void with_type(DType d, const char* op, const F& f) {
  dispatch(RealTypes{}, d, op, [&]<class T>() { f(T()); });
}
// Whole numbers are drawn for the wide unsigned dtypes too.
template <class F>
void with_drawn(DType d, const char* op, const F& f) {
  switch (d) {
    case DType::UInt16: return f(uint16_t());
    case DType::UInt32: return f(uint32_t());
    case DType::UInt64: return f(uint64_t());
    default: return with_type(d, op, f);
  }
}
template <class F>
void with_floating(DType d, const char* op, const F& f) {
  dispatch(FloatTypes{}, d, op, [&]<class T>() { f(T()); });
}

// Elements in logical order, one draw after the other.
template <class T, class F>
void fill_serial(const Tensor& t, const F& draw) {
  if (t.device().is_meta()) return;
  if (t.is_contiguous()) {
    T* p = t.data<T>();
    for (int64_t i = 0, n = t.numel(); i < n; i++) p[i] = T(draw());
    return;
  }
  // In the order of the memory, as PyTorch's iterator goes.
  LoopPlan plan(t.sizes());
  plan.add(t);
  plan.finish();
  plan.for_each_row(false, [&](char* const* p, const int64_t* strides, int64_t n) {
    for (int64_t i = 0; i < n; i++) *reinterpret_cast<T*>(p[0] + i * strides[0]) = T(draw());
  });
}

// A complex tensor is filled as its parts are.
Tensor parts_of(const Tensor& t) {
  if (!is_complex(t.dtype())) return t;
  Dims sizes = t.sizes(), strides = t.strides();
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  return Tensor(make_ref<TensorImpl>(t.impl()->storage(), to_real(t.dtype()), sizes, strides, t.storage_offset() * 2));
}

// Half types hold what float draws, rounded: here what it is drawn into.
Tensor float_twin(const Tensor& self) {
  return empty_strided_tensor(self.sizes(), preserved_strides(self), DType::Float32);
}

void check_uniform_bounds(DType d, double from, double to) {
  with_floating(to_real(d), "check_uniform_bounds", [&]<class T>(T) {
    auto holds = [](double v) { return std::isfinite(v) && Scalar(v).fits<T>(); };
    RL_CHECK(RuntimeError, holds(from), "from is out of bounds for ", cpp_name_of(d), ": ", from);
    RL_CHECK(RuntimeError, holds(to), "to is out of bounds for ", cpp_name_of(d), ": ", to);
    RL_CHECK(RuntimeError, from <= to, "uniform_ expects to return a [from, to) range, but found from=", from,
             " > to=", to);
    RL_CHECK(RuntimeError, holds(to - from), "uniform_ expects to-from <= std::numeric_limits<", scalar_type_name(d),
             ">::max(), but found to=", to, " and from=", from, " which result in to-from to exceed the limit");
  });
}

void uniform_(const Tensor& self, double from, double to, Generator* generator) {
  check_uniform_bounds(self.dtype(), from, to);
  if (is_half(self.dtype()) && !self.device().is_meta()) {
    Tensor wide = float_twin(self);
    uniform_(wide, from, to, generator);
    copy_elements(self, wide);
    masked_fill_(self, eq(self, to), from);  // what was rounded up to the open end
    return;
  }
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  Tensor t = parts_of(self);
  with_floating(t.dtype(), "check_uniform_bounds", [&]<class T>(T) {
    using C = decltype(unit_uniform<T>(g));
    C low = C(from), span = C(to) - C(from);
    if constexpr (std::is_same_v<T, float>) {
      if (t.is_contiguous() && !t.device().is_meta()) {
        unit_uniform_fill(g, t.data<float>(), t.numel());
        if (span != 1 || low != 0) scale_fill(t.data<float>(), t.numel(), span, low);
        return;
      }
    }
    // PyTorch's build contracts this to one rounding; weights drawn from a seed must be the same bits.
    if (span == C(1) && low == C(0)) fill_serial<T>(t, [&] { return unit_uniform<T>(g); });
    else fill_serial<T>(t, [&] { return std::fma(unit_uniform<T>(g), span, low); });
  });
}

template <class T>
void unit_fill(Generator& g, T* data, int64_t n) {
  if constexpr (std::is_same_v<T, float>) unit_uniform_fill(g, data, n);
  else
    for (int64_t i = 0; i < n; i++) data[i] = T(unit_uniform<T>(g));
}
template <class T>
void normal_blocks(T* data, int64_t blocks, T mean, T std) {
  if constexpr (std::is_same_v<T, float>) {
    normal_fill(data, blocks, mean, std);
  } else {
    using C = std::conditional_t<std::is_same_v<T, double>, double, float>;
    for (; blocks > 0; blocks--, data += 16)
      for (int j = 0; j < 8; j++) {
        C u1 = C(1) - C(data[j]), u2 = C(data[j + 8]);
        C radius = std::sqrt(C(-2) * std::log(u1)), theta = C(2.0 * std::numbers::pi) * u2;
        data[j] = T(radius * std::cos(theta) * C(std) + C(mean));
        data[j + 8] = T(radius * std::sin(theta) * C(std) + C(mean));
      }
  }
}

void normal_(const Tensor& self, double mean, double std, Generator* generator) {
  RL_CHECK(RuntimeError, std >= 0, "normal expects std >= 0.0, but found std ", std);
  if (is_half(self.dtype()) && !self.device().is_meta()) {
    Tensor wide = float_twin(self);
    int64_t n = self.numel(), rest = n % 16;
    if (n < 16 || !self.is_contiguous() || rest == 0) {
      normal_(wide, mean, std, generator);
    } else {  // unlike in float, no draws are made for the rest before its 16 are drawn
      wide = alias_tensor(wide, Dims{n}, Dims{1}, 0);
      normal_(alias_tensor(wide, Dims{n - rest}, Dims{1}, 0), mean, std, generator);
      normal_(alias_tensor(wide, Dims{16}, Dims{1}, n - 16), mean, std, generator);
      wide = alias_tensor(wide, self.sizes(), self.strides(), 0);
    }
    copy_elements(self, wide);
    return;
  }
  if (is_complex(self.dtype())) std /= std::numbers::sqrt2;
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  Tensor t = parts_of(self);
  if (t.device().is_meta()) return;
  with_floating(t.dtype(), "normal_kernel_cpu", [&]<class T>(T) {
    int64_t n = t.numel();
    if (n < 16 || !t.is_contiguous()) return fill_serial<T>(t, [&] { return T(draw_normal(g, mean, std)); });
    T* data = t.data<T>();
    unit_fill(g, data, n);
    normal_blocks(data, n / 16, T(mean), T(std));
    if (n % 16) {  // the last 16 are drawn anew
      data += n - 16;
      unit_fill(g, data, 16);
      normal_blocks(data, 1, T(mean), T(std));
    }
  });
}

template <class T>
constexpr int digits() {
  return std::is_same_v<T, double> ? 53 : std::is_same_v<T, float> ? 24 : std::is_same_v<T, Half> ? 11 : 8;
}

// The place of the highest bit of |v|. REQUIRES: v != 0.
int highest_bit(int64_t v) { return 63 - __builtin_clzll(v < 0 ? -uint64_t(v) : uint64_t(v)); }

// Bounds of whole numbers that a float type draws from: moved to the next number it holds where rounding would reach past them.
template <class T>
void fit_bounds(int64_t& from, int64_t& to) {
  auto rounded = [](int64_t v) {
    double r = double(T(double(v)));
    return std::isfinite(r) && std::abs(r) < 0x1p63 ? int64_t(r) : v;
  };
  auto spacing = [](int64_t v) { return int64_t(1) << std::clamp(highest_bit(v) - digits<T>() + 1, 0, 62); };
  if (from < INT64_MAX - 1 && rounded(from + 1) < from) from = rounded(from + 1) + spacing(from + 1);
  if (to > INT64_MIN + 1 && rounded(to - 1) >= to) to = rounded(to - 1) - spacing(to - 1);
}

// PyTorch's checks of the bounds, both included, against what the dtype holds.
void check_random_bounds(DType d, int64_t from, int64_t last) {
  RL_CHECK(RuntimeError, !is_complex(d), "check_random_bounds handles only integral, floating-point and boolean types");
  with_drawn(d, "check_random_bounds", [&]<class T>(T) {
    auto fits = [](int64_t v) {
      if constexpr (std::is_integral_v<T>)
        return v >= int64_t(std::numeric_limits<T>::lowest()) &&
               (v < 0 || uint64_t(v) <= uint64_t(std::numeric_limits<T>::max()));
      else return Scalar(double(v)).fits<T>();
    };
    RL_CHECK(RuntimeError, fits(from), "from is out of bounds for ", info_of(d).type_name, ": ", from);
    RL_CHECK(RuntimeError, fits(last), "to - 1 is out of bounds for ", info_of(d).type_name, ": ", last);
  });
}

void random_range(const Tensor& self, int64_t from, uint64_t range, Generator* generator) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_drawn(self.dtype(), "random_from_to_kernel_cpu", [&]<class T>(T) {
    if (range >= 1ull << 28) fill_serial<T>(self, [&] { return T(int64_t(g.random64() % range + uint64_t(from))); });
    else fill_serial<T>(self, [&] { return T(int64_t(uint64_t(g.random()) % range + uint64_t(from))); });
  });
}
void check_range(int64_t from, int64_t to) {
  RL_CHECK(RuntimeError, from < to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", to);
}
void random_from_to(const Tensor& self, int64_t from, const std::optional<int64_t>& to, Generator* generator) {
  if (to) {
    check_range(from, *to);
    int64_t first = from, end = *to;
    if (is_floating(self.dtype())) {
      with_floating(self.dtype(), "random_", [&]<class T>(T) { fit_bounds<T>(first, end); });
      RL_CHECK(RuntimeError, first < end,
               "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, ", "but got from=", first,
               " >= to=", end);
    }
    check_random_bounds(self.dtype(), first, end - 1);
    random_range(self, first, uint64_t(end) - uint64_t(first), generator);
  } else if (from == INT64_MIN) {
    DType d = self.dtype();
    RL_CHECK(RuntimeError, d == DType::Int64 || d == DType::Float64 || d == DType::Float32 || d == DType::BFloat16,
             "random_from_to with the smallest from and no to handles only int64, double, float and bfloat16");
    std::unique_lock<std::mutex> lock;
    Generator& g = locked(generator, lock);
    with_type(self.dtype(), "random_from_to_kernel_cpu",
              [&]<class T>(T) { fill_serial<T>(self, [&] { return T(int64_t(g.random64())); }); });
  } else {
    int64_t top = 0, first = from;
    with_drawn(self.dtype(), "random_", [&]<class T>(T) {
      if constexpr (std::is_integral_v<T>) {
        top = int64_t(std::min(uint64_t(std::numeric_limits<T>::max()), uint64_t(INT64_MAX)));
      } else {
        top = int64_t(1) << digits<T>();
        int64_t unused = 0;
        fit_bounds<T>(first, unused);
        RL_CHECK(RuntimeError, first < top, "random_ expects 'from' casted to dtype to be less than or equal to ",
                 "'to_inc' casted to dtype, but got from=", first, " > to_inc=", top);
      }
    });
    check_random_bounds(self.dtype(), first, top);
    random_range(self, first, uint64_t(top) - uint64_t(first) + 1, generator);
  }
}
void random_to(const Tensor& self, int64_t to, Generator* generator) { random_from_to(self, 0, to, generator); }
void random_(const Tensor& self, Generator* generator) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_type(self.dtype(), "random_kernel_cpu", [&]<class T>(T) {
    fill_serial<T>(self, [&] {
      if constexpr (std::is_same_v<T, bool>) return T(g.random() & 1);
      else if constexpr (std::is_same_v<T, int64_t>) return T(g.random64() & 0x7FFFFFFFFFFFFFFF);
      else if constexpr (std::is_same_v<T, double>) return T(g.random64() % ((1ull << 53) + 1));
      else if constexpr (std::is_integral_v<T>) return T(g.random() % (uint32_t(std::numeric_limits<T>::max()) + 1u));
      else return T(float(g.random() % ((1u << digits<T>()) + 1)));
    });
  });
}

void check_probability(double p) {
  RL_CHECK(RuntimeError, p >= 0 && p <= 1, "bernoulli_ expects p to be in [0, 1], but got p=", p);
}
// PyTorch draws these through MKL on Intel's processors and as here on all others.
void bernoulli_number(const Tensor& self, double p, Generator* generator) {
  check_probability(p);
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_type(self.dtype(), "bernoulli_scalar_cpu_",
            [&]<class T>(T) { fill_serial<T>(self, [&] { return T(unit_uniform<double>(g) < p); }); });
}
void check_probabilities(const Tensor& p) {
  RL_CHECK(RuntimeError, is_floating(p.dtype()), "expected probabilities tensor to have floating type, got ",
           p.dtype());
}
void bernoulli_tensor(const Tensor& self, const Tensor& p, Generator* generator) {
  check_probabilities(p);
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  LoopPlan plan(self.sizes());
  plan.add(self);
  plan.add(p);
  plan.finish();
  with_type(self.dtype(), "bernoulli_tensor_cpu_self_", [&]<class T>(T) {
    with_floating(p.dtype(), "bernoulli_tensor_cpu_p_", [&]<class P>(P) {
      plan.for_each_row(false, [&](char* const* q, const int64_t* strides, int64_t n) {
        for (int64_t i = 0; i < n; i++) {
          double chance = double(*reinterpret_cast<P*>(q[1] + i * strides[1]));
          RL_CHECK(RuntimeError, chance >= 0 && chance <= 1,
                   "Expected p_in >= 0 && p_in <= 1 to be true, but got false. Hint: bernoulli: a probability is ",
                   double(chance), "; apply sigmoid to scores");
          using U = std::conditional_t<std::is_same_v<P, double>, double, float>;
          *reinterpret_cast<T*>(q[0] + i * strides[0]) = T(unit_uniform<U>(g) < U(chance));
        }
      });
    });
  });
}

// Distributions that are a transform of one uniform double a value.
template <class F>
void fill_transformed(const Tensor& self, const char* op, Generator* generator, const F& f) {
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_type(self.dtype(), op, [&]<class T>(T) { fill_serial<T>(self, [&] { return T(f(unit_uniform<double>(g))); }); });
}
void exponential_(const Tensor& self, double lambd, Generator* generator) {
  RL_CHECK(RuntimeError, lambd > 0, "exponential_ expects lambda > 0.0, but found lambda=", lambd);
  RL_CHECK(RuntimeError, is_floating(self.dtype()),
           "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
           "specified ",
           self.dtype());
  fill_transformed(self, "exponential_cpu", generator, [&](double u) { return -1.0 / lambd * std::log1p(-u); });
}
void cauchy_(const Tensor& self, double median, double sigma, Generator* generator) {
  RL_CHECK(RuntimeError, sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
  RL_CHECK(
      RuntimeError, is_floating(self.dtype()),
      "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified ",
      self.dtype());
  fill_transformed(self, "cauchy_cpu", generator,
                   [&](double u) { return median + sigma * std::tan(std::numbers::pi * (u - 0.5)); });
}
void geometric_(const Tensor& self, double p, Generator* generator) {
  RL_CHECK(RuntimeError, p > 0 && p < 1, "geometric_ expects p to be in (0, 1), but got p=", p);
  RL_CHECK(NotImplementedError, self.dtype() != DType::Bool, "\"geometric_cpu\" not implemented for 'Bool'");
  fill_transformed(self, "geometric_cpu", generator, [&](double u) { return std::ceil(std::log(u) / std::log1p(-p)); });
}
void log_normal_(const Tensor& self, double mean, double std, Generator* generator) {
  RL_CHECK(RuntimeError, std > 0, "log_normal_ expects std > 0.0, but found std=", std);
  RL_CHECK(RuntimeError, is_floating(self.dtype()), "log_normal_ expects a floating-point tensor, got ", self.dtype());
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_floating(self.dtype(), "log_normal_cpu",
                [&]<class T>(T) { fill_serial<T>(self, [&] { return T(std::exp(draw_normal(g, mean, std))); }); });
}

// ---- functions that make the tensor ----

using GN = Generator*;

TensorSpec generated_spec(IntArrayRef size, GN, const DT& dtype, const LT& layout, const DV& device, const OB& pin) {
  return sized_spec(size, dtype, layout, device, pin);
}
TensorSpec integers_spec(int64_t high, IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  check_range(0, high);
  return spec_of(size, dtype.value_or(DType::Int64), device);
}
TensorSpec integers_generated_spec(int64_t high, IntArrayRef size, GN, const DT& dtype, const LT& layout,
                                   const DV& device, const OB& pin) {
  return integers_spec(high, size, dtype, layout, device, pin);
}
TensorSpec range_spec(int64_t low, int64_t high, IntArrayRef size, const DT& dtype, const LT&, const DV& device,
                      const OB&) {
  check_range(low, high);
  return spec_of(size, dtype.value_or(DType::Int64), device);
}
TensorSpec range_generated_spec(int64_t low, int64_t high, IntArrayRef size, GN, const DT& dtype, const LT& layout,
                                const DV& device, const OB& pin) {
  return range_spec(low, high, size, dtype, layout, device, pin);
}
TensorSpec like_spec(const Tensor& self, const DT& dtype, const LT& layout, const DV& device, const OB& pin,
                     const MF& format) {
  return spec_like(self, dtype, layout, device, pin, format);
}
TensorSpec integers_like_spec(const Tensor& self, int64_t high, const DT& dtype, const LT& layout, const DV& device,
                              const OB& pin, const MF& format) {
  check_range(0, high);
  return spec_like(self, dtype, layout, device, pin, format);
}
TensorSpec range_like_spec(const Tensor& self, int64_t low, int64_t high, const DT& dtype, const LT& layout,
                           const DV& device, const OB& pin, const MF& format) {
  check_range(low, high);
  return spec_like(self, dtype, layout, device, pin, format);
}
TensorSpec permutation_spec(int64_t n, const DT& dtype, const LT&, const DV& device, const OB&) {
  RL_CHECK(RuntimeError, n >= 0, "n must be non-negative, got ", n);
  DType d = dtype.value_or(DType::Int64);
  RL_CHECK(NotImplementedError, d != DType::Bool && !is_complex(d), "\"randperm\" not implemented for '",
           scalar_type_name(d), "'");
  if (is_floating(d)) {
    int64_t most = 0;
    with_floating(d, "randperm", [&]<class T>(T) { most = (int64_t(1) << digits<T>()) + 1; });
    RL_CHECK(RuntimeError, n <= most, "n cannot be greater than ", most, " for ", scalar_type_name(d), " type.");
  } else if (n) {
    number_in(n - 1, d);
  }
  return spec_of(n, d, device);
}
TensorSpec permutation_generated_spec(int64_t n, GN, const DT& dtype, const LT& layout, const DV& device,
                                      const OB& pin) {
  return permutation_spec(n, dtype, layout, device, pin);
}

// Each is told where among the arguments stand the generator (-1: the default one) and the numbers that it needs.
GN generator_of(IValue* args, int at) { return at < 0 ? nullptr : args[at].generator(); }
template <int generator = -1>
void uniform(const Op&, IValue* args, const Tensor* out) {
  uniform_(out[0], 0, 1, generator_of(args, generator));
}
template <int generator = -1>
void normal(const Op&, IValue* args, const Tensor* out) {
  normal_(out[0], 0, 1, generator_of(args, generator));
}
template <int high, int generator = -1>
void integers(const Op&, IValue* args, const Tensor* out) {
  random_from_to(out[0], 0, args[high].to_int(), generator_of(args, generator));
}
template <int low, int generator = -1>
void range(const Op&, IValue* args, const Tensor* out) {
  random_from_to(out[0], args[low].to_int(), args[low + 1].to_int(), generator_of(args, generator));
}
void permute_range(const Tensor& out, GN generator) {
  int64_t n = out.numel();
  std::unique_lock<std::mutex> lock;
  Generator& g = locked(generator, lock);
  with_type(out.dtype(), "randperm", [&]<class T>(T) {
    T* p = out.data<T>();
    for (int64_t i = 0; i < n; i++) p[i] = T(i);
    bool wide = n >= int64_t(UINT32_MAX / 20);  // 32 bits would favour some orders
    for (int64_t i = 0; i < n - 1; i++) {
      uint64_t draw = wide ? g.random64() : g.random();
      std::swap(p[i], p[i + int64_t(draw % uint64_t(n - i))]);
    }
  });
}
template <int generator = -1>
void permutation(const Op&, IValue* args, const Tensor* out) {
  fill_in_order(out[0], [&](const Tensor& t) { permute_range(t, generator_of(args, generator)); });
}

// Contiguous whatever self is, as PyTorch's are: the draws go along the result's memory.
TensorSpec bernoulli_meta(const Tensor& self, GN) {
  check_probabilities(self);
  return spec_of(self.sizes(), self.dtype(), self.device());
}
void bernoulli_cpu(const Tensor& self, GN g, const Tensor& out) { bernoulli_tensor(out, self, g); }
TensorSpec bernoulli_p_meta(const Tensor& self, double p, GN) {
  check_probability(p);
  return spec_of(self.sizes(), self.dtype(), self.device());
}
void bernoulli_p_cpu(const Tensor&, double p, GN g, const Tensor& out) { bernoulli_number(out, p, g); }

void check_moment(const Tensor& t) {
  RL_CHECK(NotImplementedError, is_differentiable(t.dtype()), "\"normal_kernel_cpu\" not implemented for '",
           scalar_type_name(t.dtype()), "'");
}
void check_deviation(double std) { RL_CHECK(RuntimeError, std >= 0, "normal expects std >= 0.0, but found std ", std); }
void check_deviations(const Tensor& std) {
  RL_CHECK(RuntimeError, !is_complex(std.dtype()), "normal expects standard deviation to be non-complex");
  check_moment(std);
}
// Before anything is drawn.
void check_values(const Tensor& std) {
  RL_CHECK(RuntimeError, std.numel() == 0 || item(all(ge(std, 0))).to<bool>(),
           "normal expects all elements of std >= 0.0");
}
TensorSpec normal_tensor_float_meta(const Tensor& mean, double std, GN) {
  check_moment(mean);
  check_deviation(std);
  return spec_like(mean);
}
void normal_tensor_float_cpu(const Tensor& mean, double std, GN g, const Tensor& out) {
  normal_(out, 0, std, g);
  add_(out, mean);
}
TensorSpec normal_float_tensor_meta(double, const Tensor& std, GN) {
  check_deviations(std);
  return spec_like(std);
}
void normal_float_tensor_cpu(double mean, const Tensor& std, GN g, const Tensor& out) {
  check_values(std);
  normal_(out, 0, 1, g);
  add_(mul_(out, std), mean);
}
TensorSpec normal_tensor_tensor_meta(const Tensor& mean, const Tensor& std, GN) {
  check_moment(mean);
  check_deviations(std);
  return spec_of(broadcast_shapes(mean.sizes(), std.sizes()), promote_types(mean.dtype(), std.dtype()), mean.device());
}
void normal_tensor_tensor_cpu(const Tensor& mean, const Tensor& std, GN g, const Tensor& out) {
  check_values(std);
  normal_(out, 0, 1, g);
  add_(mul_(out, std), mean);
}
TensorSpec normal_float_float_meta(double, double std, IntArrayRef size, GN, const DT& dtype, const LT& layout,
                                   const DV& device, const OB& pin) {
  check_deviation(std);
  return sized_spec(size, dtype, layout, device, pin);
}
void normal_float_float(const Op&, IValue* a, const Tensor* out) {
  normal_(out[0], a[0].to_double(), a[1].to_double(), a[3].generator());
}

Grads zero_self(const Saved&, const Tensor& g) { return {zeros_like(g)}; }
Grads zero_both(const Saved&, const Tensor& g) { return {zeros_like(g), zeros_like(g)}; }

}  // namespace

OP(uniform_,
   {.schema = "uniform_(Tensor(a!) self, float from=0, float to=1, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with uniform numbers of [from, to)."
           " >>> _ = torch.manual_seed(0)\n>>> torch.empty(2).uniform_(1, 2)\ntensor([1.4963, 1.7682])",
    .kernel = mutation<uniform_>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(normal_,
   {.schema = "normal_(Tensor(a!) self, float mean=0, float std=1, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with normal numbers."
           " >>> _ = torch.manual_seed(0)\n>>> torch.empty(2).normal_()\ntensor([ 1.5410, -0.2934])",
    .kernel = mutation<normal_>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(random_from_to,
   {.schema = "random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with whole numbers of [from, to).",
    .kernel = mutation<random_from_to>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(random_to,
   {.schema = "random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with whole numbers of [0, to)."
           " >>> _ = torch.manual_seed(0)\n>>> torch.empty(3, dtype=torch.int64).random_(10)\ntensor([4, 9, 3])",
    .kernel = mutation<random_to>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(random_, {.schema = "random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)",
             .doc = "Fills with whole numbers over the dtype's range.",
             .kernel = mutation<random_>(),
             .grad = {{}, zero_self},
             .forms = kMethod});
OP(bernoulli_number,
   {.schema = "bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with 1 at chance p, else 0."
           " >>> torch.empty(3).bernoulli_(1.0)\ntensor([1., 1., 1.])",
    .kernel = mutation<bernoulli_number>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(bernoulli_tensor,
   {.schema = "bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with 1 at chance p, else 0.",
    .kernel = mutation<bernoulli_tensor>(),
    .grad = {{}, zero_both},
    .forms = kMethod});
OP(exponential_, {.schema = "exponential_(Tensor(a!) self, float lambd=1, *, Generator? generator=None) -> Tensor(a!)",
                  .doc = "Fills with exponential numbers."
                         " >>> _ = torch.manual_seed(0)\n>>> torch.empty(2).exponential_()\ntensor([3.5083, 1.2304])",
                  .kernel = mutation<exponential_>(),
                  .grad = {{}, zero_self},
                  .forms = kMethod});
OP(cauchy_,
   {.schema = "cauchy_(Tensor(a!) self, float median=0, float sigma=1, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with Cauchy numbers.",
    .kernel = mutation<cauchy_>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(geometric_, {.schema = "geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)",
                .doc = "Fills with geometric numbers.",
                .kernel = mutation<geometric_>(),
                .grad = {{}, zero_self},
                .forms = kMethod});
OP(log_normal_,
   {.schema = "log_normal_(Tensor(a!) self, float mean=1, float std=2, *, Generator? generator=None) -> Tensor(a!)",
    .doc = "Fills with log-normal numbers.",
    .kernel = mutation<log_normal_>(),
    .grad = {{}, zero_self},
    .forms = kMethod});
OP(rand, {.schema = "rand(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                    "pin_memory=None) -> Tensor",
          .doc = "Uniform numbers of [0, 1)."
                 " >>> _ = torch.manual_seed(0)\n>>> torch.rand(3)\ntensor([0.4963, 0.7682, 0.0885])",
          .kernel = filled<sized_spec>(uniform<>),
          .forms = kFunction | kOut,
          .draws = "always"});
OP(rand_generator, {.schema = "rand.generator(int[] size, *, Generator? generator, ScalarType? dtype=None, Layout? "
                              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                    .doc = "Uniform numbers of [0, 1) from a generator.",
                    .kernel = filled<generated_spec>(uniform<1>),
                    .forms = kFunction});
OP(randn, {.schema = "randn(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
                     "pin_memory=None) -> Tensor",
           .doc = "Normal numbers."
                  " >>> _ = torch.manual_seed(0)\n>>> torch.randn(3)\ntensor([ 1.5410, -0.2934, -2.1788])",
           .kernel = filled<sized_spec>(normal<>),
           .forms = kFunction | kOut,
           .draws = "always"});
OP(randn_generator, {.schema = "randn.generator(int[] size, *, Generator? generator, ScalarType? dtype=None, Layout? "
                               "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                     .doc = "Normal numbers from a generator.",
                     .kernel = filled<generated_spec>(normal<1>),
                     .forms = kFunction});
OP(randint, {.schema = "randint(int high, int[] size, *, ScalarType? dtype=long, Layout? layout=None, Device? "
                       "device=None, bool? pin_memory=None) -> Tensor",
             .doc = "Whole numbers of [0, high)."
                    " >>> _ = torch.manual_seed(0)\n>>> torch.randint(10, (3,))\ntensor([4, 9, 3])",
             .kernel = filled<integers_spec>(integers<0>),
             .forms = kFunction | kOut,
             .draws = "always"});
OP(randint_generator,
   {.schema = "randint.generator(int high, int[] size, *, Generator? generator, ScalarType? dtype=long, Layout? "
              "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "Whole numbers of [0, high) from a generator.",
    .kernel = filled<integers_generated_spec>(integers<0, 2>),
    .forms = kFunction});
OP(randint_low, {.schema = "randint.low(int low, int high, int[] size, *, ScalarType? dtype=long, Layout? layout=None, "
                           "Device? device=None, bool? pin_memory=None) -> Tensor",
                 .doc = "Whole numbers of [low, high)."
                        " >>> _ = torch.manual_seed(0)\n>>> torch.randint(5, 10, (3,))\ntensor([9, 9, 8])",
                 .kernel = filled<range_spec>(range<0>),
                 .forms = kFunction,
                 .draws = "always"});
OP(randint_low_generator,
   {.schema = "randint.low_generator(int low, int high, int[] size, *, Generator? generator, ScalarType? dtype=long, "
              "Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "Whole numbers of [low, high) from a generator.",
    .kernel = filled<range_generated_spec>(range<0, 3>),
    .forms = kFunction});
OP(rand_like,
   {.schema = "rand_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
              "bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    .doc = "rand, shaped as self."
           " >>> _ = torch.manual_seed(0)\n>>> torch.rand_like(torch.tensor([1., 2.]))\ntensor([0.4963, 0.7682])",
    .kernel = filled<like_spec>(uniform<>),
    .forms = kFunction,
    .any_device = true,
    .draws = "always",
    .sparse = sparse_values_like});
OP(randn_like,
   {.schema = "randn_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
              "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    .doc = "randn, shaped as self."
           " >>> _ = torch.manual_seed(0)\n>>> torch.randn_like(torch.tensor([1., 2.]))\ntensor([ 1.5410, -0.2934])",
    .kernel = filled<like_spec>(normal<>),
    .forms = kFunction,
    .any_device = true,
    .draws = "always",
    .sparse = sparse_values_like});
OP(randint_like,
   {.schema = "randint_like(Tensor self, int high, *, ScalarType? dtype=None, Layout? layout=None, "
              "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    .doc = "randint, shaped as self."
           " >>> _ = torch.manual_seed(0)\n>>> torch.randint_like(torch.tensor([1., 2.]), 10)\ntensor([4., 9.])",
    .kernel = filled<integers_like_spec>(integers<1>),
    .forms = kFunction,
    .any_device = true,
    .draws = "always"});
OP(randint_like_low,
   {.schema = "randint_like.low_dtype(Tensor self, int low, int high, *, ScalarType? dtype=None, Layout? layout=None, "
              "Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    .doc = "randint, shaped as self.",
    .kernel = filled<range_like_spec>(range<1>),
    .forms = kFunction,
    .any_device = true,
    .draws = "always"});
OP(randperm, {.schema = "randperm(int n, *, ScalarType? dtype=long, Layout? layout=None, Device? device=None, bool? "
                        "pin_memory=None) -> Tensor",
              .doc = "0 ... n - 1 in random order."
                     " >>> _ = torch.manual_seed(0)\n>>> torch.randperm(4)\ntensor([0, 1, 3, 2])",
              .kernel = filled<permutation_spec>(permutation<>),
              .forms = kFunction | kOut,
              .draws = "always"});
OP(randperm_generator, {.schema = "randperm.generator(int n, *, Generator? generator, ScalarType? dtype=long, Layout? "
                                  "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
                        .doc = "0 ... n - 1 in random order, from a generator.",
                        .kernel = filled<permutation_generated_spec>(permutation<1>),
                        .forms = kFunction});
OP(bernoulli, {.schema = "bernoulli(Tensor self, *, Generator? generator=None) -> Tensor",
               .doc = "1 at the chance that self says, else 0."
                      " >>> torch.bernoulli(torch.tensor([0., 1.]))\ntensor([0., 1.])",
               .kernel = structured<bernoulli_meta, bernoulli_cpu>(),
               .grad = {{}, zero_self},
               .forms = kFunction | kMethod | kOut | kOutConverts});
OP(bernoulli_p, {.schema = "bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor",
                 .doc = "1 at chance p, else 0, shaped as self.",
                 .kernel = structured<bernoulli_p_meta, bernoulli_p_cpu>(),
                 .grad = {{}, zero_self},
                 .forms = kFunction | kMethod});
OP(normal_tensor_float,
   {.schema = "normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor",
    .doc = "Normal numbers, a mean each."
           " >>> _ = torch.manual_seed(0)\n>>> torch.normal(torch.tensor([0., 100.]), 1.0)\ntensor([ 1.5410, 99.7066])",
    .kernel = structured<normal_tensor_float_meta, normal_tensor_float_cpu>(),
    .grad = {{}, zero_self},
    .forms = kFunction | kOut | kOutConverts});
OP(normal_float_tensor,
   {.schema = "normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor",
    .doc = "Normal numbers, a deviation each.",
    .kernel = structured<normal_float_tensor_meta, normal_float_tensor_cpu>(),
    .grad = {{}, zero_self},
    .forms = kFunction | kOut | kOutConverts});
OP(normal_tensor_tensor,
   {.schema = "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
    .doc = "Normal numbers, mean and deviation each.",
    .kernel = structured<normal_tensor_tensor_meta, normal_tensor_tensor_cpu>(),
    .grad = {{}, zero_both},
    .forms = kFunction | kOut | kOutConverts,
    .node = "NormalBackward1"});
OP(normal_float_float,
   {.schema = "normal.float_float(float mean, float std, int[] size, *, Generator? generator=None, ScalarType? "
              "dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "Normal numbers of a size.",
    .kernel = filled<normal_float_float_meta>(normal_float_float),
    .forms = kFunction | kOut});

}  // namespace rushlight
