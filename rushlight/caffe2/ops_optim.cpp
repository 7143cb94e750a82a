// Steps of optimisers, learning rates, iteration counters.
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

// Rows of state that indices name are updated one by one: an index may come twice, and then sees its first update.
template <class F>
void each_row(const Call& c, size_t indices, int64_t rows, F&& f) {
  Dims1 at = c.whole_numbers(indices);
  for (size_t k = 0; k < at.size(); k++) {
    C2_ENFORCE(at[k] >= 0 && at[k] < rows, "Index ", at[k], " is out of bounds, there are ", rows, " rows");
    f(int64_t(k), at[k]);
  }
}
Tensor row(const Tensor& t, int64_t k) { return t.select(0, k); }
// Gradients of rows of p, one for each index.
Tensor rows_of(const Tensor& g, const Tensor& p, const Tensor& indices) {
  Dims1 s(p.sizes().begin(), p.sizes().end());
  C2_ENFORCE(!s.empty(), "the parameter should have rows");
  s[0] = indices.numel();
  return g.reshape(s);
}

void same(const Call& c, size_t a, size_t b) {
  C2_ENFORCE(c.X(a).numel() == c.X(b).numel(), "input ", a, " has ", c.X(a).numel(), " elements, input ", b, " ",
             c.X(b).numel());
}

// YellowFin (arXiv:1706.03471): momentum SGD whose rate and momentum follow from running estimates of the gradient's norm (the distance to
// the optimum and the range of curvatures are made of it) and its variance. The inputs are the parameter, its momentum, rate and momentum
// coefficient, the logarithms of the last squared norms, means of the gradient and of its square, five means of numbers, gradient, iteration.
void yellow_fin(Call& c) {
  Tensor p = c.X(0), m = c.X(1), lr = c.X(2), mu = c.X(3), window = c.X(4).clone(), scalars = c.X(7).clone(),
         g = c.X(8);
  for (size_t k : {size_t(1), size_t(5), size_t(6), size_t(8)}) same(c, 0, k);
  Dims1 at = c.whole_numbers(9);
  C2_ENFORCE(at.size() == 1, "ITER should be one number, got ", at.size());
  int64_t size = c.i("curv_win_width", 20), iter = at[0];
  C2_ENFORCE(size > 0 && window.numel() == size, "CURV_WIN has ", window.numel(), " elements, curv_win_width is ",
             size);
  C2_ENFORCE(scalars.numel() == 5, "SCALARS_MEMORY should have 5 elements, got ", scalars.numel());
  C2_ENFORCE(lr.numel() == 1 && mu.numel() == 1, "LR_AVG and MU_AVG should be one number each");
  C2_ENFORCE(iter >= 1, "ITER should be above 0, got ", iter);
  double beta = c.f("beta", 0.999), tiny = c.f("epsilon", 1e-6);
  double unbias = c.b("zero_debias", true) ? 1 / (1 - std::pow(beta, double(iter))) : 1;
  Tensor rate = lr.reshape({}), keep = mu.reshape({}), next = keep * m + rate * g;
  c.set(0, c.b("nesterov") ? p - (1 + keep) * next + keep * m : p - next), c.set(1, next);

  auto mean = [&](const Tensor& old, const Tensor& now) { return beta * old + (1 - beta) * now; };
  Tensor of_g = mean(c.X(5), g), of_square = mean(c.X(6), g * g);
  Tensor square = g.square().sum().clamp_min(tiny), norm = square.sqrt();
  window.reshape({-1}).select(0, (iter - 1) % size).copy_(square.log());
  Tensor seen = window.reshape({-1}).narrow(0, 0, std::min(size, iter));
  auto averaged = [&](int64_t k, const Tensor& now) {
    Tensor place = scalars.reshape({-1}).select(0, k);
    place.copy_(mean(place, now));
    return place.item<double>();
  };
  double norms = averaged(0, norm), squares = averaged(1, square);
  double low = std::max(tiny, std::exp(unbias * averaged(2, seen.min()))),
         high = std::max(tiny, std::exp(unbias * averaged(3, seen.max())));
  double variance = std::max(tiny, unbias * squares - (unbias * of_g).square().sum().item<double>());
  double distance = unbias * averaged(4, torch::full({}, norms / squares, g.options()));
  if (iter > 1) {
    double ratio = std::sqrt(high / low), least = (ratio - 1) / (ratio + 1);
    // The root of a cubic, by Vieta's substitution.
    double q = std::pow(distance * low, 2) / (2 * variance);
    double w = std::cbrt((-std::sqrt(q * q + 4.0 / 27 * q * q * q) - q) / 2);
    double root = std::min(w - q / 3 / w + 1, 1 - 1e-6);
    double best = std::max(root * root, least * least);
    mu = mean(mu, torch::full_like(mu, best));
    lr = mean(lr, torch::full_like(lr, std::pow(1 - std::sqrt(best), 2) / low));
  }
  c.set(2, lr), c.set(3, mu), c.set(4, window), c.set(5, of_g), c.set(6, of_square), c.set(7, scalars);
}

// What the base rate is times, by a policy whose arguments' names begin with `prefix`.
double multiplier(const Call& of, const std::string& policy, int64_t iter, const std::string& prefix) {
  // The arguments by their names in full.
  struct {
    const Call& of;
    const std::string& prefix;
    double f(const char* name, double otherwise) const { return of.f(prefix + name, otherwise); }
    int64_t i(const char* name, int64_t otherwise) const { return of.i(prefix + name, otherwise); }
    bool b(const char* name, bool otherwise) const { return of.b(prefix + name, otherwise); }
  } c{of, prefix};
  double base = of.f("base_lr", 0), it = double(iter);
  double start = c.f("start_multiplier", 0), gamma = c.f("gamma", 0), power = c.f("power", 0);
  auto steps = c.i("stepsize", 0);
  double m;
  if (policy == "fixed") m = 1;
  else if (policy == "step") {
    C2_ENFORCE(steps > 0, "stepsize should be above 0");
    m = std::pow(gamma, double(iter / steps));
  } else if (policy == "exp") m = std::pow(gamma, it);
  else if (policy == "inv") m = std::pow(1 + gamma * it, -power);
  else if (policy == "poly") {
    auto max = double(c.i("max_iter", -1));
    m = std::pow(1 - it / max, power);
  } else if (policy == "linearWarmup") {
    auto n = c.i("num_iter", 0);
    C2_ENFORCE(n > 0, "num_iter should be above 0");
    m = iter >= n ? 1 : start + (1 - start) * it / double(n);
  } else if (policy == "constantWarmup") {
    m = iter >= c.i("num_iter", 0) ? 1 : c.f("multiplier", 0.5);
  } else if (policy == "alter") {
    int64_t active = c.i("active_period", 0), inactive = c.i("inactive_period", 0);
    C2_ENFORCE(active + inactive > 0, "the periods should be above 0");
    bool first = c.b("active_first", true);
    int64_t at = iter % (active + inactive);
    m = (first ? at < active : at >= inactive) ? 1 : 0;
  } else if (policy == "hill") {
    int64_t n = c.i("num_iter", 0);
    if (iter < n) m = start + (1 - start) * it / double(n);
    else m = std::max(c.f("end_multiplier", 0), std::pow(1 + gamma * double(iter - n), -power));
  } else if (policy == "gate") {
    m = iter >= c.i("num_iter", 0) ? c.f("multiplier_2", 1) : c.f("multiplier_1", 1);
  } else if (policy == "slope") {
    int64_t from = c.i("num_iter_1", 0), to = c.i("num_iter_2", 0);
    double first = c.f("multiplier_1", 0), then = c.f("multiplier_2", 0);
    C2_ENFORCE(from > 0 && to > from, "num_iter_1 should be above 0, and num_iter_2 above that");
    m = iter < from ? first : std::max(then, first + double(iter - from) * (then - first) / double(to - from));
  } else if (policy == "constantThenLinearWarmup" || policy == "compositeCosine" || policy == "compositeCyclical") {
    // A constant, then a line up to 1, then what the name says.
    int64_t constant = c.i("constant_warmup_num_iter", 10000000), line = c.i("linear_warmup_num_iter", 10000000);
    double from = c.f("start_warmup_multiplier", 0.1);
    C2_ENFORCE(constant >= 0 && line >= 0 && line <= INT64_MAX - constant,
               "the numbers of iterations should be 0 or more, and less than 2^63 together");
    if (iter < constant) m = from;
    else if (iter < constant + line) m = from + (1 - from) * double(iter - constant) / double(line);
    else if (policy == "constantThenLinearWarmup") m = 1;
    else if (policy == "compositeCosine") return multiplier(of, "cosine", iter - constant - line, prefix + "cosine_");
    else return multiplier(of, "cyclical", iter - constant - line, prefix + "cyclical_");
  } else if (policy == "composite") {
    std::vector<int64_t> lengths = of.ints("sub_policy_num_iters");
    C2_ENFORCE(prefix.empty() && !lengths.empty(),
               "the policy composite wants sub_policy_num_iters, and can't be a part of itself");
    // The last one goes on; iterations are counted from 1.
    size_t at = 0;
    int64_t left = iter - 1;
    for (; at + 1 < lengths.size() && lengths[at] >= 0 && left >= lengths[at]; at++) left -= lengths[at];
    std::string part = str("sub_policy_", at, "_");
    return multiplier(of, of.s(part + "policy", ""), iter, part) * of.f(part + "lr_scale", 1);
  } else if (policy == "cyclical") {
    int64_t half = c.i("step_size", steps);  // so it is called as a part of another policy
    C2_ENFORCE(half > 0, "stepsize should be above 0");
    double max = c.f("max_lr", 0.005), decay = c.f("decay", 1);
    int64_t cycle = iter / (2 * half), at = iter % (2 * half);
    double x = 1 - std::abs(double(at) / double(half) - 1);
    m = 1 + (max / std::abs(base) - 1) * x * std::pow(decay, double(cycle));
  } else if (policy == "cosine") {
    double max = c.f("max_lr", 0.5), min = c.f("min_lr", 0.1), t_mult = c.f("t_mult", 1),
           shrink = c.f("lr_shrink", 0.99);
    auto period = double(c.i("period", 50));
    C2_ENFORCE(period > 0, "period should be above 0");
    double cycle, at, length;
    if (t_mult == 1) cycle = std::floor(it / period), length = period, at = it - period * cycle;
    else {
      cycle = std::floor(std::log(1 - it / period * (1 - t_mult)) / std::log(t_mult));
      length = std::pow(t_mult, cycle) * period;
      at = it - (1 - std::pow(t_mult, cycle)) / (1 - t_mult) * period;
    }
    double s = std::pow(shrink, cycle);
    m = min * s + 0.5 * (max * s - min * s) * (1 + std::cos(M_PI * at / length));
  } else {
    C2_FAIL("Unsupported learning rate policy: ", policy);
  }
  return m;
}

double rate(const Call& c, int64_t iter) { return c.f("base_lr", 0) * multiplier(c, c.s("policy", ""), iter, ""); }

void next_iter(Call& c, size_t at) {
  Value& v = c.in[at];
  if (v.is_none()) return c.set(torch::zeros({1}, torch::TensorOptions().dtype(torch::kLong)));
  c.set(c.X(at) + 1);
}

}  // namespace

void add_optim(Registry& r) {
  r.op("Iter", "0-1 -> 1", [](Call& c) {
     // Counts on from the blob that it writes, also where that is no input.
     if (c.inputs()) next_iter(c, 0);
     else c.set(torch::zeros({1}, torch::TensorOptions().dtype(torch::kLong)));
   }).quiet();
  r.op("AtomicIter", "2 -> 1", [](Call& c) { next_iter(c, 1); }).quiet();
  r.op("LearningRate", "1 -> 1", [](Call& c) { c.set(scalar(rate(c, int64_t(c.number(0))))); }).quiet();
  r.op("MomentumSGD", "3 -> 2",
       [](Call& c) {
         Tensor g = c.X(0), m = c.X(1), lr = c.X(2).reshape({});
         same(c, 0, 1);
         double mu = c.f("momentum", 0);
         Tensor adjusted = lr * g + mu * m;
         c.set(0, c.b("nesterov") ? (1 + mu) * adjusted - mu * m : adjusted);
         c.set(1, adjusted);
       })
      .script("G, M, lr, outputs: Any, momentum: Any = 0.0, nesterov: Any = 0",
              R"(next = lr.reshape([]) * G + momentum * M
if nesterov != 0:
    return (1 + momentum) * next - momentum * M, next
return next, next)")
      .stop();
  r.op("MomentumSGDUpdate", "4 -> 3",
       [](Call& c) {
         Tensor g = c.X(0), m = c.X(1), lr = c.X(2).reshape({}), p = c.X(3);
         same(c, 0, 1), same(c, 0, 3);
         double mu = c.f("momentum", 0);
         Tensor next = lr * g + mu * m, step = c.b("nesterov") ? (1 + mu) * next - mu * m : next;
         c.set(0, step), c.set(1, next), c.set(2, p - step);
       })
      .script("G, M, lr, P, outputs: Any, momentum: Any = 0.0, nesterov: Any = 0", R"(r = lr.reshape([])
next = r * G + momentum * M
step = next
if nesterov != 0:
    step = (1 + momentum) * next - momentum * M
return step, next, P - step)")
      .stop();
  // Parameters and momenta may be of half precision: steps are taken in single precision.
  for (const char* name : {"FP16MomentumSGDUpdate", "FP32MomentumSGDUpdate"})
    r.op(name, "4 -> 3", [](Call& c) {
       auto wide = [&](size_t k) { return c.X(k).to(torch::kFloat); };
       Tensor p = wide(3), m = wide(1), lr = wide(2).reshape({});
       same(c, 0, 1), same(c, 0, 3);
       double mu = c.f("momentum", 0);
       Tensor next = lr * (wide(0) + c.f("weight_decay", 0) * p) + mu * m,
              step = c.b("nesterov") ? (1 + mu) * next - mu * m : next;
       c.set(0, step.to(c.X(0).scalar_type())), c.set(1, next.to(c.X(1).scalar_type()));
       c.set(2, (p - step).to(c.X(3).scalar_type()));
     }).stop();
  r.op("SparseMomentumSGDUpdate", "5 -> 3", [](Call& c) {
     Tensor g = c.X(0).clone(), m = c.X(1).clone(), lr = c.X(2).reshape({}), p = c.X(3).clone();
     double mu = c.f("momentum", 0);
     bool nesterov = c.b("nesterov");
     each_row(c, 4, p.size(0), [&](int64_t k, int64_t at) {
       Tensor old = row(m, at).clone(), next = lr * row(g, k) + mu * old,
              step = nesterov ? (1 + mu) * next - mu * old : next;
       row(g, k).copy_(step), row(m, at).copy_(next), row(p, at).sub_(step);
     });
     c.set(0, g), c.set(1, m), c.set(2, p);
   }).stop();
  r.op("Adagrad", "4-5 -> 2-4", [](Call& c) {
     Tensor p = c.X(0), h = c.X(1), g = c.X(2), lr = c.X(3).reshape({});
     same(c, 0, 1), same(c, 0, 2);
     double eps = c.f("epsilon", 1e-5), decay = c.f("decay", 1), wd = c.f("weight_decay", 0);
     if (wd) g = g + wd * p;
     Tensor next = decay * h + g * g, effective = lr / (next.sqrt() + eps), update = effective * g;
     c.set(0, p + update), c.set(1, next), c.set(2, effective), c.set(3, update);
   }).stop();
  r.op("SparseAdagrad", "5 -> 2", [](Call& c) {
     Tensor p = c.X(0).clone(), h = c.X(1).clone(), g = c.X(3), lr = c.X(4).reshape({});
     double eps = c.f("epsilon", 1e-5), wd = c.f("weight_decay", 0);
     g = rows_of(g, p, c.X(2));
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       if (wd) gk = gk + wd * row(p, at);
       row(h, at).add_(gk * gk);
       row(p, at).add_(lr * gk / (row(h, at).sqrt() + eps));
     });
     c.set(0, p), c.set(1, h);
   }).stop();
  r.op("RowWiseSparseAdagrad", "5-6 -> 2", [](Call& c) {
     Tensor p = c.X(0).clone(), h = c.X(1).clone(), g = c.X(3), lr = c.X(4).reshape({});
     double eps = c.f("epsilon", 1e-5), wd = c.f("weight_decay", 0);
     // Rows that are seen often decay less, where the sixth input counts them.
     int64_t halflife = c.i("counter_halflife", -1);
     C2_ENFORCE(halflife == -1 || (c.has(5) && c.X(5).numel() == p.size(0)),
                "counter_halflife wants a sixth input with a number for each row");
     Tensor seen = halflife > 0 ? c.X(5).to(torch::kDouble).reshape({-1}) : Tensor();
     g = rows_of(g, p, c.X(2));
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       double often = halflife > 0 ? row(seen, at).item<double>() : 0;
       if (wd) gk = gk + wd * (often > 0 ? double(halflife) / often : 1) * row(p, at);
       row(h, at).add_(gk.square().mean());
       row(p, at).add_(lr * gk / (row(h, at).sqrt() + eps));
     });
     c.set(0, p), c.set(1, h);
   }).stop();
  auto corrected = [](const Call& c, size_t iter) {
    double t = c.number(iter) + 1, b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999);
    return std::sqrt(1 - std::pow(b2, t)) / (1 - std::pow(b1, t));
  };
  r.op("Adam", "6 -> 3-4", [corrected](Call& c) {
     Tensor p = c.X(0), m = c.X(1), v = c.X(2), g = c.X(3), lr = c.X(4).reshape({});
     same(c, 0, 1), same(c, 0, 2), same(c, 0, 3);
     double b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999), eps = c.f("epsilon", 1e-5);
     Tensor m1 = m * b1 + g * (1 - b1), v1 = v * b2 + g * g * (1 - b2), step = m1 / (v1.sqrt() + eps) * corrected(c, 5);
     c.set(0, p + lr * step), c.set(1, m1), c.set(2, v1), c.set(3, step);
   }).stop();
  r.op("SparseAdam", "7 -> 3-4", [corrected](Call& c) {
     Tensor p = c.X(0).clone(), m = c.X(1).clone(), v = c.X(2).clone(), g = c.X(4), lr = c.X(5).reshape({});
     double b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999), eps = c.f("epsilon", 1e-5), fix = corrected(c, 6);
     // RAdam (arXiv:1908.03265): while too few gradients came for a variance, steps are the mean's alone.
     bool plain = false;
     if (c.b("enableRAdam")) {
       double t = c.number(6) + 1, most = 2 / (1 - b2) - 1,
              seen = most - 2 * t * std::pow(b2, t) / (1 - std::pow(b2, t));
       plain = seen < 5;
       fix = plain ? 1 / (1 - std::pow(b1, t))
                   : fix * std::sqrt((seen - 4) * (seen - 2) / seen) * std::sqrt(most / ((most - 4) * (most - 2)));
     }
     g = rows_of(g, p, c.X(3));
     Tensor out = torch::zeros_like(g);
     each_row(c, 3, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       row(m, at).copy_(row(m, at) * b1 + gk * (1 - b1));
       row(v, at).copy_(row(v, at) * b2 + gk * gk * (1 - b2));
       Tensor step = (plain ? row(m, at) : row(m, at) / (row(v, at).sqrt() + eps)) * fix;
       row(out, k).copy_(step);
       row(p, at).add_(lr * step);
     });
     c.set(0, p), c.set(1, m), c.set(2, v), c.set(3, out);
   }).stop();
  r.op("RowWiseSparseAdam", "7 -> 3-4", [corrected](Call& c) {
     Tensor p = c.X(0).clone(), m = c.X(1).clone(), v = c.X(2).clone(), g = c.X(4), lr = c.X(5).reshape({});
     double b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999), eps = c.f("epsilon", 1e-5), fix = corrected(c, 6);
     g = rows_of(g, p, c.X(3));
     Tensor out = torch::zeros_like(g);
     each_row(c, 3, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       row(m, at).copy_(row(m, at) * b1 + gk * (1 - b1));
       row(v, at).copy_(row(v, at) * b2 + gk.square().mean() * (1 - b2));
       Tensor step = row(m, at) / (row(v, at).sqrt() + eps) * fix;
       row(out, k).copy_(step);
       row(p, at).add_(lr * step);
     });
     c.set(0, p), c.set(1, m), c.set(2, v), c.set(3, out);
   }).stop();
  r.op("Adadelta", "5 -> 3", [](Call& c) {
     Tensor p = c.X(0), h = c.X(1), d = c.X(2), g = c.X(3), lr = c.X(4).reshape({});
     double eps = c.f("epsilon", 1e-5), decay = c.f("decay", 0.95);
     Tensor h1 = decay * h + (1 - decay) * g * g, step = (d + eps).sqrt() / (h1 + eps).sqrt() * g;
     c.set(0, p + lr * step), c.set(1, h1), c.set(2, decay * d + (1 - decay) * step * step);
   }).stop();
  r.op("SparseAdadelta", "6 -> 3", [](Call& c) {
     Tensor p = c.X(0).clone(), h = c.X(1).clone(), d = c.X(2).clone(), g = c.X(4), lr = c.X(5).reshape({});
     double eps = c.f("epsilon", 1e-5), decay = c.f("decay", 0.95);
     each_row(c, 3, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k).reshape(row(p, at).sizes());
       row(h, at).copy_(decay * row(h, at) + (1 - decay) * gk * gk);
       Tensor step = (row(d, at) + eps).sqrt() / (row(h, at) + eps).sqrt() * gk;
       row(p, at).add_(lr * step);
       row(d, at).copy_(decay * row(d, at) + (1 - decay) * step * step);
     });
     c.set(0, p), c.set(1, h), c.set(2, d);
   }).stop();
  r.op("RmsProp", "4 -> 3", [](Call& c) {
     Tensor g = c.X(0), ms = c.X(1), mom = c.X(2), lr = c.X(3).reshape({});
     double decay = c.f("decay", 0.9), mu = c.f("momentum", 0), eps = c.f("epsilon", 1e-5);
     Tensor ms1 = ms + (1 - decay) * (g * g - ms), step = mu * mom + lr * g / (ms1 + eps).sqrt();
     c.set(0, step), c.set(1, ms1), c.set(2, step);
   }).stop();
  auto ftrl = [](const Call& c, const Tensor& p, const Tensor& n, const Tensor& z, const Tensor& g, Tensor& p1,
                 Tensor& n1, Tensor& z1) {
    double alpha = c.f("alpha", 0.005), beta = c.f("beta", 1), l1 = c.f("lambda1", 0.001), l2 = c.f("lambda2", 0.001);
    n1 = n + g * g;
    Tensor sigma = (n1.sqrt() - n.sqrt()) / alpha;
    z1 = z + g - sigma * p;
    p1 = torch::where(z1.abs() > l1, (z1.sign() * l1 - z1) / ((beta + n1.sqrt()) / alpha + l2), torch::zeros_like(z1));
  };
  r.op("Ftrl", "3-4 -> 2", [ftrl](Call& c) {
     Tensor p1, n1, z1, nz = c.X(1);
     C2_ENFORCE(nz.dim() >= 1 && nz.size(-1) == 2 && nz.numel() == 2 * c.X(0).numel(),
                "the state should have two numbers for each parameter");
     ftrl(c, c.X(0), nz.select(-1, 0).reshape(c.X(0).sizes()), nz.select(-1, 1).reshape(c.X(0).sizes()), c.X(2), p1, n1,
          z1);
     c.set(0, p1), c.set(1, torch::stack({n1, z1}, -1).reshape(nz.sizes()));
   }).stop();
  r.op("SparseFtrl", "4-5 -> 2", [ftrl](Call& c) {
     Tensor p = c.X(0).clone(), nz = c.X(1).clone(), g = c.X(3);
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) {
       Tensor p1, n1, z1, s = row(nz, at);
       ftrl(c, row(p, at), s.select(-1, 0), s.select(-1, 1), row(g, k).reshape(row(p, at).sizes()), p1, n1, z1);
       row(p, at).copy_(p1);
       s.select(-1, 0).copy_(n1), s.select(-1, 1).copy_(z1);
     });
     c.set(0, p), c.set(1, nz);
   }).stop();
  r.op("Lars", "5 -> 1", [](Call& c) {
     double offset = c.f("offset", 0.5), min = c.f("lr_min", 0.02), wd = c.number(2), trust = c.number(3),
            max = c.number(4);
     double x = c.X(0).square().sum().sqrt().item<double>(), g = c.X(1).square().sum().sqrt().item<double>();
     double v = 1;
     if (x > 0) v = trust / (g / x + wd + offset);
     (void)min;
     c.set(scalar(std::max(std::min(v, max), min)).reshape({1}));
   }).stop();
  r.op("WeightScale", "2 -> 1", [](Call& c) {
     int64_t iter = int64_t(c.number(1)) + 1, every = c.i("stepsize", INT64_MAX),
             until = c.i("upper_bound_iter", INT64_MAX);
     c.set(iter % every == 0 && iter < until ? c.X(0) * c.f("scale", 1) : c.X(0));
   }).quiet();
  r.op("Wngrad", "4 -> 2-4", [](Call& c) {
     Tensor p = c.X(0), s = c.X(1), g = c.X(2), lr = c.X(3).reshape({});
     double eps = c.f("epsilon", 1e-5), b = s.reshape({-1}).select(0, 0).item<double>();
     Tensor step = lr / (b + eps) * g;
     c.set(0, p + step), c.set(1, (g.square().sum() / (b + eps) + b).reshape(s.sizes()));
     c.set(2, (lr / (b + eps)).reshape({1})), c.set(3, step);
   }).stop();
  r.op("SparseWngrad", "5 -> 2", [](Call& c) {
     Tensor p = c.X(0).clone(), s = c.X(1), g = rows_of(c.X(3), p, c.X(2)), lr = c.X(4).reshape({});
     C2_ENFORCE(s.numel() == 1, "seq_b should be one number");
     double b = s.reshape({}).item<double>(), near = b + c.f("epsilon", 1e-5);
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) { row(p, at).add_(lr * row(g, k) / near); });
     c.set(0, p), c.set(1, c.X(2).numel() ? s + g.square().sum() / b : s);
   }).stop();
  // A rate that falls with the cube root of all gradients so far, for a mean of gradients that corrects itself.
  for (bool sparse : {false, true})
    r.op(sparse ? "SparseStorm" : "Storm", sparse ? "6 -> 3" : "5 -> 3", [sparse](Call& c) {
       Tensor p = c.X(0).clone(), m = c.X(1).clone(), s = c.X(2), g = c.X(3), lr = c.X(sparse ? 5 : 4).reshape({});
       C2_ENFORCE(p.numel() == m.numel() && s.numel() == 1, "the inputs' sizes don't fit");
       if (sparse) g = rows_of(g, p, c.X(4));
       else same(c, 0, 3);
       if (sparse && c.X(4).numel() == 0) return c.set(0, p), c.set(1, m), c.set(2, s);
       Tensor sum = s + g.square().sum(), rate = lr * (sum.reshape({}) + c.f("beta", 0.1)).pow(-1.0 / 3),
              keep = 1 - rate.square() * c.f("momentum", 10);
       if (sparse) {
         each_row(c, 4, p.size(0), [&](int64_t k, int64_t at) {
           row(m, at).copy_(row(g, k) + keep * (row(m, at) - row(g, k)));
           row(p, at).add_(rate * row(m, at));
         });
       } else {
         m = g + keep * (m - g);
         p = p + rate * m;
       }
       c.set(0, p), c.set(1, m), c.set(2, sum);
     }).stop();
  r.op("YellowFin", "10 -> 8", yellow_fin).stop();
  r.op("DecayAdagrad", "6 -> 3", [](Call& c) {
     Tensor p = c.X(0), m = c.X(1), v = c.X(2), g = c.X(3), lr = c.X(4).reshape({});
     same(c, 0, 1), same(c, 0, 2), same(c, 0, 3);
     double b1 = c.f("beta1", 0.9), fix = c.b("bias_correction_first", true) ? 1 - std::pow(b1, c.number(5) + 1) : 1;
     Tensor m1 = m * b1 + g * (1 - b1), v1 = v + g.square();
     c.set(0, p + lr * (m1 / fix / (v1.sqrt() + c.f("epsilon", 1e-5)) + c.f("weight_decay", 0) * p));
     c.set(1, m1), c.set(2, v1);
   }).stop();
  // Adam for rows that are seen now and then: what the steps between would have done is done at once.
  r.op("SmartDecaySparseAdam", "8 -> 4", [](Call& c) {
     Tensor p = c.X(0).clone(), m = c.X(1).clone(), v = c.X(2).clone(), seen = c.X(3).clone(),
            g = rows_of(c.X(5), p, c.X(4)), lr = c.X(6).reshape({});
     double b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999), eps = c.f("epsilon", 1e-5);
     int64_t now = int64_t(c.number(7)) + 1;
     C2_ENFORCE(p.numel() == m.numel() && p.numel() == v.numel() && seen.numel() == p.size(0),
                "the inputs' sizes don't fit");
     each_row(c, 4, p.size(0), [&](int64_t k, int64_t at) {
       auto steps = double(now - row(seen.reshape({-1}), at).item<int64_t>());
       Tensor missed = row(m, at) * (steps > 1 ? b1 * (1 - std::pow(b1, steps - 1)) / (1 - b1) : 0);
       row(m, at).copy_(row(m, at) * std::pow(b1, steps) + row(g, k) * (1 - b1));
       row(v, at).copy_(row(v, at) * std::pow(b2, steps) + row(g, k).square() * (1 - b2));
       row(p, at).add_(lr * (row(m, at) + missed) / (row(v, at).sqrt() + eps));
       row(seen.reshape({-1}), at).fill_(now);
     });
     c.set(0, p), c.set(1, m), c.set(2, v), c.set(3, seen);
   }).stop();
  // Columns of a matrix of parameters are 0 together.
  r.op("GFtrl", "3-4 -> 2", [](Call& c) {
     Tensor p = c.X(0), nz = c.X(1), g = c.X(2);
     C2_ENFORCE(p.dim() >= 1 && nz.dim() >= 1 && nz.size(-1) == 2 && nz.numel() == 2 * p.numel(),
                "the state should have two numbers for each parameter");
     same(c, 0, 2);
     double alpha = c.has(3) ? c.number(3) : c.f("alpha", 0.005), beta = c.f("beta", 1), l1 = c.f("lambda1", 0.001),
            l2 = c.f("lambda2", 0.001);
     Tensor w = p.reshape({p.size(0), -1}), n = nz.select(-1, 0).reshape(w.sizes()),
            z = nz.select(-1, 1).reshape(w.sizes()), gw = g.reshape(w.sizes());
     Tensor n1 = n + gw.square(), z1 = z + gw - (n1.sqrt() - n.sqrt()) / alpha * w,
            norm = z1.square().sum(Dims1{0}, true).sqrt();
     double least = l1 * std::sqrt(double(w.size(0)));
     Tensor next = z1 * (least / norm - 1) / ((n1.sqrt() + beta) / alpha + l2);
     c.set(0, torch::where(norm > least, next, torch::zeros_like(next)).reshape(p.sizes()));
     c.set(1, torch::stack({n1, z1}, -1).reshape(nz.sizes()));
   }).stop();
  // The rate follows whether the last steps went the way that the gradient now goes.
  r.op("LearningRateAdaption", "3 -> 1", [](Call& c) {
     Tensor lr = c.X(0), g = c.X(1).reshape({-1}), e = c.X(2).reshape({-1});
     C2_ENFORCE(lr.numel() == 1, "the rate should be one number");
     same(c, 1, 2);
     double alpha = c.f("lr_alpha", 0.01);
     Tensor along = (g * e).sum();
     if (c.b("normalized_lr_adaption", true)) {
       Tensor size = g.square().sum().sqrt().clamp_min(1e-12) * e.square().sum().sqrt().clamp_min(1e-12);
       c.set(lr * (1 - alpha * along / size));
     } else {
       c.set(lr - alpha * along);
     }
   }).quiet();
  // How often rows were seen, where older times count less.
  r.op("RowWiseCounter", "4 -> 2", [](Call& c) {
     Tensor last = c.X(0).clone(), counts = c.X(1).clone();
     int64_t halflife = c.i("counter_halflife", -1);
     auto now = int64_t(c.number(3));
     C2_ENFORCE(last.numel() == counts.numel(), "there are ", last.numel(), " iterations and ", counts.numel(),
                " counts");
     if (halflife > 0)
       each_row(c, 2, last.numel(), [&](int64_t, int64_t at) {
         Tensor when = row(last.reshape({-1}), at), n = row(counts.reshape({-1}), at);
         auto since = double(std::max<int64_t>(0, now - when.item<int64_t>()));
         n.copy_(1 + std::exp2(-since / double(halflife)) * n);
         when.fill_(std::max(now, when.item<int64_t>()));
       });
     c.set(0, last), c.set(1, counts);
   }).stop();
  // Rows that indices name, changed one by one.
  auto rows = [&r](const char* name, const char* counts, auto change) {
    r.op(name, counts, [change](Call& c) {
       Tensor p = c.X(0).clone();
       C2_ENFORCE(p.dim() >= 1, "the parameter should have rows");
       each_row(c, 1, p.size(0), [&](int64_t, int64_t at) {
         Tensor was = row(p, at).to(torch::kFloat);
         row(p, at).copy_(change(c, was));
       });
       c.set(p);
     }).stop();
  };
  auto shrink = [](const Call& c, const Tensor& v) {
    double p = c.f("p", 2), lambda = c.f("reg_lambda", 1e-5);
    C2_ENFORCE(p == 1 || p == 2, "Sparse Lp regularizer only implemented for p=1 or p=2.");
    C2_ENFORCE(lambda > 0 && lambda < 1, "Lambda for sparse Lp regularizer must be greater than 0 and less than 1.");
    if (p == 2) return v * (1 - lambda);
    return torch::where(v.abs() > lambda, v - v.sign() * lambda, torch::zeros_like(v));
  };
  auto normalise = [](const Call& c, const Tensor& v) {
    double most = c.f("norm", 1), size = v.square().sum().sqrt().item<double>();
    C2_ENFORCE(most >= 0, "norm should be bigger than 0");
    return !c.b("use_max_norm", true) || size > most ? v * (most / (size + 1e-12)) : v;
  };
  rows("SparseLpRegularizer", "2-3 -> 1", shrink);
  for (const char* name : {"SparseNormalize", "Float16SparseNormalize"}) rows(name, "2-3 -> 1", normalise);
  r.op("EnsureClipped", "1-3 -> 1", [](Call& c) {
     double low = c.f("min", -std::numeric_limits<float>::max()), high = c.f("max", std::numeric_limits<float>::max());
     auto clipped = [&](const Tensor& v) { return v.clamp(low, high); };
     if (c.inputs() == 1) return c.set(clipped(c.X(0)));
     Tensor p = c.X(0).clone();
     each_row(c, 1, p.dim() ? p.size(0) : 0, [&](int64_t, int64_t at) { row(p, at).copy_(clipped(row(p, at))); });
     c.set(p);
   }).stop();
}

}  // namespace rushlight::caffe2
