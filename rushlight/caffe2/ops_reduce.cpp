// Sums, means, extremes and norms over dimensions.
#include <algorithm>
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/operator.h"
#include "rushlight/caffe2/rows.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

// `text`: f in TorchScript, of X, axes and keep.
void reduce(Registry& r, const std::string& name, const char* text, Tensor (*f)(const Tensor&, const Dims1&, bool)) {
  r.op(name, "1 -> 1",
       [f](Call& c) {
         Tensor x = c.X();
         Dims1 axes = c.ints("axes");
         bool keep = c.b("keepdims", true);
         for (int64_t& a : axes) a = canonical_axis(a, x.dim());
         if (axes.empty())
           for (int64_t k = 0; k < x.dim(); k++) axes.push_back(k);
         c.set(axes.empty() ? f(x.reshape({1}), {0}, false) : f(x, axes, keep));
       })
      .apart()
      .script("X, axes: Any = None, keepdims: Any = 1",
              str("if axes is None:\n    unsupported()\nkeep = keepdims != 0\nreturn ", text))
      .grad(name + "Gradient: GO0 I0 O0 -> GI0");
}

// Front or back dimensions; with lengths, only the first so many rows (or columns) of each column count.
void reduce_part(Registry& r, bool front, const char* what) {
  std::string kind = what, name = str("Reduce", front ? "Front" : "Back", what);
  auto shape = [front](Call& c, const Tensor& x, int64_t& rows, int64_t& columns, Dims1& out) {
    int64_t n = c.i("num_reduce_dim", 1);
    C2_ENFORCE(n >= 0 && n <= x.dim(), "For N-dim input tensor, support num_reduce_dims in range [0, N].");
    int64_t cut = front ? n : x.dim() - n;
    rows = size_to(x, cut), columns = size_from(x, cut);
    if (front) out.assign(x.sizes().begin() + cut, x.sizes().end());
    else out.assign(x.sizes().begin(), x.sizes().begin() + cut);
  };
  Run run = [front, kind, shape](Call& c) {
    Tensor x = c.X();
    int64_t rows, columns;
    Dims1 out;
    shape(c, x, rows, columns, out);
    Tensor m = x.reshape({rows, columns});
    int64_t n = front ? rows : columns, dim = front ? 0 : 1;
    if (c.has(1)) {
      Dims1 lengths = c.whole_numbers(1);
      C2_ENFORCE(int64_t(lengths.size()) == (front ? columns : rows),
                 "lengths vector must have the length of what remains: ", front ? columns : rows);
      for (int64_t l : lengths) C2_ENFORCE(l >= 0 && l <= n, "a length of ", l, " where there are ", n);
      // The first always counts, as in Caffe2's loops.
      Tensor L = c.X(1).to(torch::kLong), at = torch::arange(n), most = L.clamp_min(1);
      Tensor inside = front ? at.reshape({-1, 1}) < most.reshape({1, -1}) : at.reshape({1, -1}) < most.reshape({-1, 1});
      if (kind == "Max") m = torch::where(inside, m, torch::full_like(m, -std::numeric_limits<float>::infinity()));
      else m = torch::where(inside, m, torch::zeros_like(m));
      if (kind == "Mean") return c.set((m.sum(Dims1{dim}) / L.to(m.scalar_type())).reshape(out));
    }
    if (kind == "Sum") c.set(m.sum(Dims1{dim}).reshape(out));
    else if (kind == "Mean") c.set(m.mean(Dims1{dim}).reshape(out));
    else c.set(m.amax(Dims1{dim}).reshape(out));
  };
  r.op(name, "1-2 -> 1", run).apart().grad([name, kind](GradientMaker& m) {
    std::vector<std::string> in{m.GO(0), m.I(0)};
    if (kind == "Max") in.push_back(m.O(0));
    if (m.op.inputs.size() == 2) in.push_back(m.I(1));
    m.add(name + "Gradient", in, {m.GI(0)});
  });
  r.op(name + "Gradient", kind == "Max" ? "3-4 -> 1" : "2-3 -> 1", [name, kind](Call& c) {
    std::vector<Value> in;
    // (old nets gave the input's shape instead of the input)
    if (c.X(1).scalar_type() == torch::kLong) {
      C2_ENFORCE(kind != "Max", name, " wants the input");
      in.push_back(Value(rushlight::Tensor(torch::zeros(c.whole_numbers(1), c.X(0).options()))));
    } else {
      in.push_back(c.in[1]);
    }
    size_t plain = kind == "Max" ? 3 : 2;
    if (c.inputs() > plain) in.push_back(c.in[plain]);
    if (kind == "Max" && c.inputs() == 3) {  // each place that has the extreme gets the gradient
      Tensor x = c.X(1), y = c.X(2), g = c.X(0);
      bool front = name.find("Front") != name.npos;
      int64_t n = c.i("num_reduce_dim", 1), cut = front ? n : x.dim() - n, rows = size_to(x, cut),
              columns = size_from(x, cut);
      Dims1 s = front ? Dims1{1, columns} : Dims1{rows, 1};
      c.set(((x.reshape({rows, columns}) == y.reshape(s)).to(g.scalar_type()) * g.reshape(s)).reshape(x.sizes()));
      return;
    }
    c.set(derive(*Registry::get().find(name), c.op, in, {0}, {c.X(0)})[0]);
  });
}

}  // namespace

void add_reduce(Registry& r) {
  reduce(r, "ReduceSum", "X.sum(axes, keep)", [](const Tensor& x, const Dims1& d, bool k) { return x.sum(d, k); });
  reduce(r, "ReduceMean", "X.mean(axes, keep)", [](const Tensor& x, const Dims1& d, bool k) { return x.mean(d, k); });
  reduce(r, "ReduceMax", "torch.amax(X, axes, keep)",
         [](const Tensor& x, const Dims1& d, bool k) { return x.amax(d, k); });
  reduce(r, "ReduceMin", "torch.amin(X, axes, keep)",
         [](const Tensor& x, const Dims1& d, bool k) { return x.amin(d, k); });
  reduce(r, "ReduceL1", "torch.abs(X).sum(axes, keep)",
         [](const Tensor& x, const Dims1& d, bool k) { return x.abs().sum(d, k); });
  reduce(r, "ReduceL2", "torch.sqrt((X * X).sum(axes, keep))",
         [](const Tensor& x, const Dims1& d, bool k) { return x.square().sum(d, k).sqrt(); });
  for (const char* k : {"Sum", "Mean", "Max"}) reduce_part(r, true, k), reduce_part(r, false, k);
  // Rows times a number each, added up.
  r.op("ReduceFrontWeightedSum", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0), w = c.X(1);
         C2_ENFORCE(x.dim() >= 1 && w.numel() == x.size(0), "there are ", w.numel(), " weights for ", x.sizes());
         c.set((x * beside(w.reshape({-1}), x)).sum(Dims1{0}));
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::string dims = "_" + m.O(0) + "_dims";
        m.add("Shape", {m.I(0)}, {dims}, {}, false);
        m.add("ReduceFrontWeightedSumGradient", {m.I(1), m.GO(0), dims}, {m.GI(0)});
      });
  r.op("ReduceFrontWeightedSumGradient", "3 -> 1", [](Call& c) {
    Dims1 s = c.whole_numbers(2), one = s;
    C2_ENFORCE(!s.empty() && c.X(0).numel() == s[0], "there are ", c.X(0).numel(), " weights for a shape of ", s);
    one[0] = 1;
    Dims1 column(s.size(), 1);
    column[0] = s[0];
    c.set(c.X(0).reshape(column) * c.X(1).reshape(one));
  });
  // The least, the greatest, the mean, and the deviation, of which one is taken off the number.
  r.op("Summarize", "1 -> 0-1", [](Call& c) {
     Tensor x = c.X().reshape({-1});
     C2_ENFORCE(!c.b("to_file"), "Summarize gives its numbers, and writes no files");
     C2_ENFORCE(x.numel() > 0, "Summarize of nothing");
     Tensor mean = x.mean();
     double n = double(std::max<int64_t>(x.numel() - 1, 1));
     c.set(torch::stack({x.min(), x.max(), mean, ((x - mean).square().sum() / n).sqrt()}, 0));
   }).stop();
  r.op("SumElements", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         c.set(c.b("average") ? (x.numel() ? x.mean() : x.sum()) : x.sum(x.scalar_type()));
       })
      .script("X, average: Any = 0", R"(if average != 0:
    return X.mean()
return X.sum())")
      .apart()
      .grad("SumElementsGradient: I0 GO0 -> GI0");
  r.op("SumElementsInt", "1 -> 1", [](Call& c) { c.set(c.X().sum(c.X().scalar_type())); }).apart().stop();
  r.op("SumSqrElements", "1 -> 1", [](Call& c) {
     Tensor s = c.X().square();
     c.set(c.b("average") ? s.mean() : s.sum());
   }).apart();
  r.op("LpNorm", "1 -> 1",
       [](Call& c) {
         int64_t p = c.i("p", 2);
         C2_ENFORCE(p == 1 || p == 2, "p should be either 1 or 2.");
         Tensor x = c.X(), y = (p == 1 ? x.abs() : x.square()).sum();
         if (c.b("average")) y = y / double(std::max<int64_t>(x.numel(), 1));
         c.set(y.reshape({1}));
       })
      .apart()
      .grad("LpNormGradient: I0 GO0 -> GI0");
  for (bool rows : {true, false}) {
    std::string name = rows ? "RowwiseMax" : "ColwiseMax";
    r.op(name, "1 -> 1",
         [rows](Call& c) {
           C2_ENFORCE(c.X().dim() == 3, "Input should have 3 dimensions, got ", c.X().dim());
           c.set(c.X().amax(Dims1{rows ? 2 : 1}));
         })
        .apart()
        .grad(name + "Gradient: I0 O0 GO0 -> GI0");
    r.op(name + "Gradient", "3 -> 1", [rows](Call& c) {
      int64_t d = rows ? 2 : 1;
      c.set((c.X(0) == c.X(1).unsqueeze(d)).to(c.X(2).scalar_type()) * c.X(2).unsqueeze(d));
    });
  }
  r.op("RowWiseArgMax", "1 -> 1", [](Call& c) {
     C2_ENFORCE(c.X().dim() == 2, "Input should have 2 dimensions");
     c.set(std::get<1>(c.X().sort(true, 1, true)).narrow(1, 0, 1).contiguous());
   }).stop();
  r.op("Quantile", "1+ -> 1", [](Call& c) {
     std::vector<double> all;
     for (size_t k = 0; k < c.inputs(); k++) {
       Tensor x = c.X(k).to(torch::kDouble).contiguous();
       all.insert(all.end(), x.data_ptr<double>(), x.data_ptr<double>() + x.numel());
     }
     C2_ENFORCE(!all.empty(), "Quantile of nothing");
     if (c.b("abs", true))
       for (double& v : all) v = std::abs(v);
     std::sort(all.begin(), all.end());
     double at = std::ceil(c.f("quantile", 1) * double(all.size()));
     c.set(
         scalar(all[size_t(std::clamp<double>(at - 1, 0, double(all.size() - 1)))], c.X(0).scalar_type()).reshape({1}));
   }).stop();
  r.op("Percentile", "3 -> 1", [](Call& c) {
     Tensor x = c.X(0).contiguous(), table = c.X(1).contiguous();
     Dims1 lengths = c.whole_numbers(2);
     C2_ENFORCE(x.dim() == 2 && table.dim() == 2 && table.size(1) == 2 && int64_t(lengths.size()) == x.size(1),
                "the inputs' shapes don't fit");
     Tensor y = torch::empty_like(x);
     const float *p = c.data<float>(x), *t = c.data<float>(table);
     int64_t from = 0, columns = x.size(1);
     for (int64_t j = 0; j < columns; from += lengths[size_t(j)], j++) {
       int64_t n = lengths[size_t(j)];
       C2_ENFORCE(n > 0 && from + n <= table.size(0), "the lengths don't add up to the table's ", table.size(0));
       for (int64_t i = 0; i < x.size(0); i++) {
         float v = p[i * columns + j], out;
         auto value = [&](int64_t k) { return t[(from + k) * 2]; };
         auto share = [&](int64_t k) { return t[(from + k) * 2 + 1]; };
         int64_t low = 0, high = n;
         while (low < high) (value((low + high) / 2) < v) ? low = (low + high) / 2 + 1 : high = (low + high) / 2;
         if (low == n) out = 1;
         else if (value(low) == v) out = share(low);
         else if (low == 0) out = 0;
         else
           out = share(low - 1) + (share(low) - share(low - 1)) * (v - value(low - 1)) / (value(low) - value(low - 1));
         y.data_ptr<float>()[i * columns + j] = out;
       }
     }
     c.set(y);
   }).quiet();
}

}  // namespace rushlight::caffe2
