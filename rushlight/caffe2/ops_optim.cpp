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

void same(const Call& c, size_t a, size_t b) {
  C2_ENFORCE(c.X(a).numel() == c.X(b).numel(), "input ", a, " has ", c.X(a).numel(), " elements, input ", b, " ",
             c.X(b).numel());
}

double rate(const Call& c, int64_t iter) {
  double base = c.f("base_lr", 0), it = double(iter);
  std::string policy = c.s("policy", "");
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
  } else if (policy == "composite" || policy == "cyclical") {
    int64_t half = steps;
    C2_ENFORCE(policy == "cyclical" && half > 0, "Unsupported learning rate policy: ", policy);
    double max = c.f("max_lr", 0.005), decay = c.f("decay", 1);
    int64_t cycle = iter / (2 * half), at = iter % (2 * half);
    double x = 1 - std::abs(double(at) / double(half) - 1);
    m = 1 + (max / std::abs(base) - 1) * x * std::pow(decay, double(cycle));
  } else if (policy == "cosine") {
    double max = c.f("max_lr", 0.5), min = c.f("min_lr", 0), t_mult = c.f("t_mult", 1), shrink = c.f("lr_shrink", 0.99);
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
    return min * s + 0.5 * (max * s - min * s) * (1 + std::cos(M_PI * at / length));
  } else {
    C2_FAIL("Unsupported learning rate policy: ", policy);
  }
  return base * m;
}

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
     double eps = c.f("epsilon", 1e-5);
     Dims1 s(p.sizes().begin(), p.sizes().end());
     s[0] = c.X(2).numel();
     g = g.reshape(s);
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       row(h, at).add_(gk * gk);
       row(p, at).add_(lr * gk / (row(h, at).sqrt() + eps));
     });
     c.set(0, p), c.set(1, h);
   }).stop();
  r.op("RowWiseSparseAdagrad", "5-6 -> 2", [](Call& c) {
     Tensor p = c.X(0).clone(), h = c.X(1).clone(), g = c.X(3), lr = c.X(4).reshape({});
     double eps = c.f("epsilon", 1e-5), wd = c.f("weight_decay", 0);
     Dims1 s(p.sizes().begin(), p.sizes().end());
     s[0] = c.X(2).numel();
     g = g.reshape(s);
     each_row(c, 2, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       if (wd) gk = gk + wd * row(p, at);
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
     Dims1 s(p.sizes().begin(), p.sizes().end());
     s[0] = c.X(3).numel();
     g = g.reshape(s);
     Tensor out = torch::zeros_like(g);
     each_row(c, 3, p.size(0), [&](int64_t k, int64_t at) {
       Tensor gk = row(g, k);
       row(m, at).copy_(row(m, at) * b1 + gk * (1 - b1));
       row(v, at).copy_(row(v, at) * b2 + gk * gk * (1 - b2));
       Tensor step = row(m, at) / (row(v, at).sqrt() + eps) * fix;
       row(out, k).copy_(step);
       row(p, at).add_(lr * step);
     });
     c.set(0, p), c.set(1, m), c.set(2, v), c.set(3, out);
   }).stop();
  r.op("RowWiseSparseAdam", "7 -> 3-4", [corrected](Call& c) {
     Tensor p = c.X(0).clone(), m = c.X(1).clone(), v = c.X(2).clone(), g = c.X(4), lr = c.X(5).reshape({});
     double b1 = c.f("beta1", 0.9), b2 = c.f("beta2", 0.999), eps = c.f("epsilon", 1e-5), fix = corrected(c, 6);
     Dims1 s(p.sizes().begin(), p.sizes().end());
     s[0] = c.X(3).numel();
     g = g.reshape(s);
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
}

}  // namespace rushlight::caffe2
