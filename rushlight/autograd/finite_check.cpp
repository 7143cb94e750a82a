#include "rushlight/autograd/finite_check.h"

#include <cmath>
#include <limits>
#include <utility>

#include "rushlight/autograd/engine.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/view_as_real.h"

namespace rushlight {

namespace {

thread_local constinit FiniteCheck* watching = nullptr;

// A dense tensor of the float64 values, two a complex element.
Tensor as_doubles(const Tensor& t) {
  NoGradGuard no_grad;
  Scoped<Interceptor*> unseen(thread_state.interceptor, nullptr);
  Tensor dense = clone(to(t, is_complex(t.dtype()) ? DType::Complex128 : DType::Float64), MemoryFormat::Contiguous);
  return is_complex(dense.dtype()) ? view_as_real(dense) : dense;
}

bool looked_at(const Tensor& t) { return is_differentiable(t.dtype()) && t.device().is_cpu() && has_values(t); }

// "float32 (4, 16) from -2.1 to 3, 2 nan"
std::string described(const Tensor& t) {
  std::string text = str(t.dtype(), " ", t.sizes());
  if (!looked_at(t) || t.numel() == 0) return text;
  Tensor values = as_doubles(t);
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double *p = values.data<double>(), *end = p + values.numel(); p < end; p++) {
    low = *p < low ? *p : low;
    high = *p > high ? *p : high;
  }
  if (low <= high) text += str(" from ", low, " to ", high);
  if (int64_t n = count_not_finite(t).nan) text += str(", ", n, " nan");
  return text;
}

NotFinite of_number(const IValue& v) {
  double n = v.is_double() ? v.to_double() : 0;
  return {std::isnan(n), std::isinf(n)};
}

// What it returns nobody has written yet.
bool leaves_unwritten(const Op& op) {
  return op.name().find("empty") != std::string::npos || op.name().find("resize") != std::string::npos;
}

}  // namespace

NotFinite count_not_finite(const Tensor& t) {
  NotFinite n;
  if (!looked_at(t)) return n;
  auto count = [&]<class T>(const T* p, int64_t length) {
    for (int64_t i = 0; i < length; i++) {
      n.nan += p[i] != p[i];
      n.inf += std::abs(p[i]) == std::numeric_limits<T>::infinity();
    }
  };
  if (t.dtype() == DType::Float32 && t.is_contiguous()) {
    count(t.data<float>(), t.numel());
  } else {
    Tensor values = as_doubles(t);
    count(values.data<double>(), values.numel());
  }
  return n;
}

void FiniteCheck::start() {
  around_ = std::exchange(watching, this);
  Places::start();
}
void FiniteCheck::stop() {
  Places::stop();
  for (FiniteCheck** at = &watching; *at; at = &(*at)->around_)
    if (*at == this) return void(*at = around_);
}
FiniteCheck* FiniteCheck::current() { return watching; }

std::string FiniteCheck::where() const { return place() ? " in " + name_of_(place()) : ""; }

void FiniteCheck::call(const Op& op, IValue* args, IValue* rets) {
  if (Backward::running_node())
    return proceed(op, args, rets);  // rules may mask what they spoil; anomaly mode sees what they return
  // What the call is given, before it may write to it.
  NotFinite tensors, numbers;
  for (int i = 0; i < op.num_args(); i++) {
    NotFinite n = of_number(args[i]);
    numbers = {numbers.nan + n.nan, numbers.inf + n.inf};
  }
  std::vector<std::pair<std::string, Tensor>> shown;
  std::string spoiled;
  std::vector<std::string> before;
  each_tensor(op, args, [&](const Tensor& t, const Argument& a) {
    if (a.is_mutated && op.form() == Op::Form::Out) return;
    NotFinite n = count_not_finite(t);
    if (n.nan && spoiled.empty()) spoiled = str("argument '", a.name, "', ", described(t));
    tensors = {tensors.nan + n.nan, tensors.inf + n.inf};
    shown.emplace_back(a.name, t);
    if (op.mutates()) before.push_back(described(t));
  });
  proceed(op, args, rets);
  if (leaves_unwritten(op)) return;
  auto look = [&](const Tensor& t) {
    if (!t.defined()) return;
    NotFinite n = count_not_finite(t);
    if (n.nan && numbers.nan) return;
    RL_CHECK(RuntimeError, !n.nan || !tensors.nan, op.name(), where(), ": ", spoiled,
             ", already, which no call under check_finite made; look at the data, and at what was computed outside");
    bool inf = infinities_ && n.inf && !numbers.inf && !tensors.inf;
    if (!n.nan && !inf) return;
    std::string text = str(op.name(), where(), ": the result, ", t.dtype(), " ", t.sizes(), ", holds ");
    text += n.nan ? str(n.nan, " nan") : str(n.inf, " infinite values");
    for (size_t i = 0; i < shown.size(); i++)
      text += str("\n  ", shown[i].first, ": ", before.empty() ? described(shown[i].second) : before[i]);
    text +=
        "\nLook at the ranges of the arguments: log, sqrt, pow and division want them away from 0, exp below 88; a "
        "learning rate that is too high shows as ever larger weights";
    throw RuntimeError(std::move(text));
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) look(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) look(t);
  }
}

}  // namespace rushlight
