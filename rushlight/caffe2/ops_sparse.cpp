// Rows chosen, masked, padded, packed and scattered.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

Dims1 sizes_of(const Tensor& x) { return {x.sizes().begin(), x.sizes().end()}; }

Tensor new_rows(const Tensor& like, int64_t n, double value = 0) {
  Dims1 s = sizes_of(like);
  if (s.empty()) s.push_back(n);
  s[0] = n;
  return torch::full(s, value, like.options());
}

// Strings or numbers whose rows are taken.
Value rows_of_value(const Value& v, const Tensor& at) {
  if (auto* s = as<StringTensor>(v)) {
    auto out = make_ref<StringTensor>();
    out->sizes = {at.numel()};
    Tensor a = at.to(torch::kLong).contiguous();
    for (int64_t k = 0; k < a.numel(); k++) {
      int64_t i = a.data_ptr<int64_t>()[k];
      C2_ENFORCE(i >= 0 && i < int64_t(s->items.size()), "Index ", i, " is out of bounds");
      out->items.push_back(s->items[size_t(i)]);
    }
    return object_value(out);
  }
  return Value(rushlight::Tensor(rows_at(Tensor(v.tensor()), at)));
}

Tensor truth(const Call& c, size_t k) {
  Tensor m = c.X(k);
  if (m.scalar_type() != torch::kBool) c.unsupported(m);
  C2_ENFORCE(m.dim() == 1, "the mask should have one dimension");
  return m;
}

struct Padding { int64_t begin, end; };
Padding padding_of(const Call& c) {
  int64_t w = c.i("padding_width", 1), e = c.i("end_padding_width", -1);
  C2_ENFORCE(w >= 0, "padding_width must be >= 0");
  return {w, e >= 0 ? e : w};
}
Dims1 lengths_of(const Call& c, size_t k, int64_t rows) { return c.has(k) ? c.whole_numbers(k) : Dims1{rows}; }

Tensor mask_by(const Call& c, const Tensor& x) {
  std::string mode = c.s("mode", "");
  int64_t axis = canonical_axis(c.i("axis", 1), x.dim()), rows = size_to(x, axis), columns = size_from(x, axis),
          batches = 1, repeat = 1;
  if (c.has_arg("batch")) {
    int64_t b = canonical_axis(c.i("batch"), x.dim());
    C2_ENFORCE(b < axis, "batch should be before axis");
    batches = size_to(x, b + 1);
    rows /= std::max<int64_t>(batches, 1);
  }
  if (c.has_arg("repeat_from_axis")) repeat = size_from(x, canonical_axis(c.i("repeat_from_axis"), x.dim()));
  Tensor i = torch::arange(rows).reshape({1, rows, 1}),
         j = torch::floor_divide(torch::arange(columns), repeat).reshape({1, 1, columns}), m;
  if (mode == "sequence") m = j >= c.X(1).to(torch::kLong).reshape({1, -1, 1});
  else if (mode == "window") {
    Tensor center = c.X(1).to(torch::kLong).reshape({1, -1, 1});
    m = (j > center + c.i("radius", 10)).logical_or(j < center - c.i("radius", 10));
  } else if (mode == "upper") m = j > i;
  else if (mode == "lower") m = j < i;
  else if (mode == "upperdiag") m = j >= i;
  else if (mode == "lowerdiag") m = j <= i;
  else C2_FAIL("Unsupported mode for SequenceMaskOp: ", mode);
  if ((mode == "sequence" || mode == "window")) {
    int64_t n = c.X(1).numel();
    C2_ENFORCE(n == rows || n == rows * batches, "there are ", n, " lengths for ", rows, " rows");
    if (n == rows * batches) m = m.reshape({batches, rows, columns});
  }
  double fill = c.b("grad") ? 0 : c.f("fill_val", -std::numeric_limits<float>::infinity());
  return torch::where(m, torch::full({}, fill, x.options()), x.reshape({batches, rows, columns})).reshape(x.sizes());
}

Tensor scatter_rows(const Tensor& data, const Tensor& at, const Tensor& rows) {
  Tensor y = data.clone();
  Tensor i = at.to(torch::kLong).reshape({-1}).contiguous();
  for (int64_t k = 0; k < i.numel(); k++) {
    int64_t v = i.data_ptr<int64_t>()[k];
    C2_ENFORCE(v >= 0 && v < data.size(0), "Index out of bounds: ", v, ", range 0 to ", data.size(0));
    y.select(0, v).copy_(rows.select(0, k).reshape(y.select(0, v).sizes()));  // the last of equals stays
  }
  return y;
}

template <class T>
int64_t hashed(T id, int64_t seed, int64_t modulo) {
  using U = std::make_unsigned_t<T>;
  auto h = U(T(seed)) * U(0xDEADBEEF);
  const auto* bytes = reinterpret_cast<const int8_t*>(&id);
  for (size_t k = 0; k < sizeof(T); k++) h = h * U(65537) + U(T(bytes[k]));
  T m = T(h) % T(modulo);
  return m >= 0 ? m : m + T(modulo);
}

}  // namespace

void add_sparse(Registry& r) {
  r.op("BooleanMask", "2 -> 1-2",
       [](Call& c) {
         Tensor m = truth(c, 1), at = m.nonzero().reshape({-1});
         auto* s = as<StringTensor>(c.in[0]);
         C2_ENFORCE(m.numel() == (s ? int64_t(s->items.size()) : c.X(0).size(0)),
                    "the mask should have one element a row");
         c.set_value(0, rows_of_value(c.in[0], at));
         c.set(1, at);
       })
      .apart()
      .grad([](GradientMaker& m) { m.add("BooleanMaskGradient", {m.I(1), m.GO(0)}, {m.GI(0)}); });
  // Rows where the mask is true, zeros elsewhere.
  r.op("BooleanMaskGradient", "2 -> 1", [](Call& c) {
    Tensor m = truth(c, 0), at = m.nonzero().reshape({-1}), g = c.X(1);
    C2_ENFORCE(g.dim() >= 1 && g.size(0) == at.numel(), "there are ", g.sizes(), " gradients for ", at.numel(),
               " rows");
    c.set(new_rows(g, m.numel()).zero_().index_copy_(0, at, g));
  });
  r.op("BooleanMaskLengths", "2 -> 1",
       [](Call& c) {
         Tensor m = truth(c, 1).to(torch::kInt), ids = segments_of_lengths(c.X(0), m.numel());
         c.set(torch::zeros({c.X(0).numel()}, m.options()).index_add(0, ids, m).to(c.X(0).scalar_type()));
       })
      .apart()
      .stop();
  r.op("BooleanUnmask", "2+ -> 1",
       [](Call& c) {
         int64_t n = truth(c, 0).numel();
         Tensor y = new_rows(c.X(1), n), done = torch::zeros({n}, torch::TensorOptions().dtype(torch::kBool));
         C2_ENFORCE(c.inputs() % 2 == 0, "BooleanUnmask wants pairs of a mask and values");
         for (size_t k = c.inputs(); k >= 2; k -= 2) {  // where several masks are true the first counts
           Tensor m = truth(c, k - 2), v = c.X(k - 1);
           C2_ENFORCE(m.numel() == n, "the masks have different lengths");
           Tensor at = m.nonzero().reshape({-1});
           C2_ENFORCE(at.numel() <= v.size(0), "there are ", v.size(0), " values for ", at.numel(), " places");
           if (at.numel()) y = scatter_rows(y, at, v.narrow(0, 0, at.numel()));
         }
         (void)done;
         c.set(y);
       })
      .apart()
      .quiet();
  r.op("AddPadding", "1-4 -> 1-2",
       [](Call& c) {
         Padding p = padding_of(c);
         Tensor x = c.X(0);
         Dims1 l = lengths_of(c, 1, x.size(0)), out;
         std::vector<Tensor> parts;
         int64_t from = 0;
         segments_of_lengths(int_list(l), x.size(0));
         auto pad = [&](int64_t n, size_t k) {
           if (c.has(k)) {
             Dims1 s = sizes_of(x), row(s.begin() + 1, s.end());
             s[0] = n;
             return c.X(k).reshape(row).unsqueeze(0).expand(s);
           }
           return new_rows(x, n);
         };
         for (int64_t n : l) {
           parts.push_back(pad(p.begin, 2)), parts.push_back(x.narrow(0, from, n)),
               parts.push_back(pad(p.end, c.has(3) ? 3 : 2));
           out.push_back(n + p.begin + p.end);
           from += n;
         }
         c.set(0, parts.empty() ? x : torch::cat(parts, 0));
         c.set(1, int_list(out, torch::kInt));
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<std::string> in{m.GO(0)};
        if (m.op.outputs.size() > 1) in.push_back(m.O(1));
        m.add("RemovePadding", in, {m.GI(0)});
        for (size_t k = 2; k < m.op.inputs.size(); k++) m.add("GatherPadding", {m.GO(0), m.O(1)}, {m.GI(k)});
      });
  r.op("RemovePadding", "1-2 -> 1-2",
       [](Call& c) {
         Padding p = padding_of(c);
         Tensor x = c.X(0);
         Dims1 l = lengths_of(c, 1, x.size(0)), out;
         std::vector<Tensor> parts;
         int64_t from = 0;
         segments_of_lengths(int_list(l), x.size(0));
         for (int64_t n : l) {
           C2_ENFORCE(n >= p.begin + p.end, "a length of ", n, " is less than the padding");
           parts.push_back(x.narrow(0, from + p.begin, n - p.begin - p.end));
           out.push_back(n - p.begin - p.end);
           from += n;
         }
         c.set(0, parts.empty() ? x : torch::cat(parts, 0));
         c.set(1, int_list(out, torch::kInt));
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<std::string> in{m.GO(0)};
        if (m.op.outputs.size() > 1) in.push_back(m.O(1));
        m.add("AddPadding", in, {m.GI(0)});
      });
  r.op("GatherPadding", "2 -> 1-2", [](Call& c) {
     Padding p = padding_of(c);
     Tensor x = c.X(0);
     Dims1 s(x.sizes().begin() + 1, x.sizes().end());
     Tensor a = torch::zeros(s, x.options()), b = torch::zeros(s, x.options());
     int64_t from = 0;
     segments_of_lengths(c.X(1), x.size(0));
     for (int64_t n : c.whole_numbers(1)) {
       C2_ENFORCE(n >= p.begin + p.end, "a length of ", n, " is less than the padding");
       a = a + x.narrow(0, from, p.begin).sum(Dims1{0});
       b = b + x.narrow(0, from + n - p.end, p.end).sum(Dims1{0});
       from += n;
     }
     c.set(0, c.outputs() == 1 ? a + b : a);
     c.set(1, b);
   }).apart();
  r.op("PadEmptySamples", "1+ -> 1+",
       [](Call& c) {
         Dims1 l = c.whole_numbers(0), out;
         for (int64_t n : l) out.push_back(std::max<int64_t>(n, 1));
         c.set(0, int_list(out, torch::kInt));
         for (size_t k = 1; k < c.inputs(); k++) {
           Tensor x = c.X(k);
           std::vector<Tensor> parts;
           int64_t from = 0;
           segments_of_lengths(c.X(0), x.size(0));
           for (int64_t n : l) {
             parts.push_back(n ? x.narrow(0, from, n) : new_rows(x, 1));
             from += n;
           }
           c.set(k, parts.empty() ? x : torch::cat(parts, 0));
         }
       })
      .apart()
      .stop();
  r.op("PackSegments", "2 -> 1-2",
       [](Call& c) {
         Tensor x = c.X(1);
         Dims1 l = c.whole_numbers(0), s = sizes_of(x);
         C2_ENFORCE(x.dim() >= 1, "DATA should be at least 1-D");
         segments_of_lengths(c.X(0), x.size(0));
         int64_t longest = 0, wanted = c.i("max_length", -1), from = 0;
         for (int64_t n : l) longest = std::max(longest, n);
         if (wanted >= 0) {
           C2_ENFORCE(wanted >= longest, "Pre-defined max_length should be greater than the real max_length");
           longest = wanted;
         }
         double pad = c.b("pad_minf") ? -std::numeric_limits<float>::infinity() : 0;
         s[0] = longest;
         s.insert(s.begin(), int64_t(l.size()));
         Tensor y = torch::full(s, x.is_floating_point() ? pad : 0, x.options());
         Tensor mask = torch::zeros({int64_t(l.size()), longest}, torch::TensorOptions().dtype(torch::kBool));
         for (size_t k = 0; k < l.size(); from += l[k], k++) {
           if (!l[k]) continue;
           y.select(0, int64_t(k)).narrow(0, 0, l[k]).copy_(x.narrow(0, from, l[k]));
           mask.select(0, int64_t(k)).narrow(0, 0, l[k]).fill_(true);
         }
         c.set(0, y), c.set(1, mask);
       })
      .apart()
      .grad("UnpackSegments: I0 GO0 -> GI1");
  r.op("UnpackSegments", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(1);
         Dims1 l = c.whole_numbers(0);
         C2_ENFORCE(x.dim() >= 2 && x.size(0) == int64_t(l.size()), "LENGTH should match DATA in dimension 0");
         std::vector<Tensor> parts;
         for (size_t k = 0; k < l.size(); k++) {
           int64_t n = c.has_arg("max_length") ? std::min(l[k], x.size(1)) : l[k];
           C2_ENFORCE(n >= 0 && n <= x.size(1), "a length of ", n, " where there are ", x.size(1));
           parts.push_back(x.select(0, int64_t(k)).narrow(0, 0, n));
         }
         c.set(parts.empty() ? new_rows(x.flatten(0, 1), 0) : torch::cat(parts, 0));
       })
      .apart()
      .grad("PackSegments: I0 GO0 -> GI1");
  r.op("PackRNNSequence", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0);
         Dims1 l = c.whole_numbers(1), s = sizes_of(x);
         segments_of_lengths(c.X(1), x.size(0));
         int64_t longest = 0, from = 0;
         for (int64_t n : l) longest = std::max(longest, n);
         s[0] = int64_t(l.size());
         s.insert(s.begin(), longest);
         Tensor y = torch::zeros(s, x.options());
         for (size_t k = 0; k < l.size(); from += l[k], k++)
           if (l[k]) y.narrow(0, 0, l[k]).select(1, int64_t(k)).copy_(x.narrow(0, from, l[k]));
         c.set(y);
       })
      .apart()
      .grad("UnpackRNNSequence: GO0 I1 -> GI0");
  r.op("UnpackRNNSequence", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0);
         Dims1 l = c.whole_numbers(1);
         std::vector<Tensor> parts;
         C2_ENFORCE(x.dim() >= 2 && x.size(1) == int64_t(l.size()), "there are ", l.size(), " lengths for ", x.sizes());
         for (size_t k = 0; k < l.size(); k++) {
           C2_ENFORCE(l[k] >= 0 && l[k] <= x.size(0), "a length of ", l[k], " where there are ", x.size(0));
           parts.push_back(x.select(1, int64_t(k)).narrow(0, 0, l[k]));
         }
         c.set(parts.empty() ? new_rows(x.flatten(0, 1), 0) : torch::cat(parts, 0));
       })
      .apart()
      .grad("PackRNNSequence: GO0 I1 -> GI0");
  r.op("ReversePackedSegs", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0), y = x.clone();
         Dims1 l = c.whole_numbers(1);
         C2_ENFORCE(x.dim() == 3 && x.size(1) == int64_t(l.size()), "there are ", l.size(), " lengths for ", x.sizes());
         for (size_t k = 0; k < l.size(); k++) {
           C2_ENFORCE(l[k] >= 0 && l[k] <= x.size(0), "a length of ", l[k], " where there are ", x.size(0));
           y.select(1, int64_t(k)).narrow(0, 0, l[k]).copy_(x.select(1, int64_t(k)).narrow(0, 0, l[k]).flip({0}));
         }
         c.set(y);
       })
      .apart()
      .grad("ReversePackedSegs: GO0 I1 -> GI0");
  r.op("VariableLengthSequencePadding", "2 -> 1", [](Call& c) {
    Tensor x = c.X(0);
    Dims1 l = c.whole_numbers(1);
    Tensor y = x.clone();
    for (size_t k = 0; k < l.size() && int64_t(k) < x.size(1); k++)
      if (l[k] < x.size(0)) y.select(1, int64_t(k)).narrow(0, l[k], x.size(0) - l[k]).fill_(0);
    c.set(y);
  });
  r.op("OneHot", "2 -> 1",
       [](Call& c) {
         auto n = int64_t(c.number(1));
         Tensor at = c.X(0).to(torch::kLong);
         C2_ENFORCE(n >= 0 && n < (int64_t(1) << 31), "index size ", n);
         C2_ENFORCE(!(at < 0).logical_or(at >= n).any().item<bool>(), "an index is outside of [0, ", n, ")");
         c.set(torch::one_hot(at.reshape({-1}), n).to(torch::kFloat));
       })
      .apart()
      .quiet();
  r.op("BatchOneHot", "3 -> 1",
       [](Call& c) {
         Tensor x = c.X(0);
         Dims1 l = c.whole_numbers(1);
         C2_ENFORCE(x.dim() == 2 && x.size(1) == int64_t(l.size()), "there are ", l.size(), " lengths for ", x.sizes());
         Tensor ids = segments_of_lengths(c.X(1), c.X(2).numel());
         c.set((x.index_select(1, ids) == c.X(2).reshape({1, -1})).to(x.scalar_type()));
       })
      .apart()
      .quiet();
  r.op("BatchBucketOneHot", "3 -> 1",
       [](Call& c) {
         Tensor x = c.X(0).contiguous(), b = c.X(2).contiguous();
         Dims1 l = c.whole_numbers(1);
         int64_t N = x.size(0), D = size_from(x, 1), width = 0;
         C2_ENFORCE(int64_t(l.size()) == D, "there are ", l.size(), " lengths for ", D, " columns");
         segments_of_lengths(c.X(1), b.numel());
         for (int64_t n : l) width += n + 1;
         Tensor y = torch::zeros({N, width});
         const float *p = c.data<float>(x), *q = c.data<float>(b);
         for (int64_t i = 0; i < N; i++) {
           int64_t from = 0, to = 0;
           for (int64_t j = 0; j < D; j++) {
             int64_t n = l[size_t(j)], k = std::lower_bound(q + from, q + from + n, p[i * D + j]) - (q + from);
             y.data_ptr<float>()[i * width + to + k] = 1;
             from += n, to += n + 1;
           }
         }
         c.set(y);
       })
      .apart()
      .stop();
  r.op("BatchBucketize", "4 -> 1",
       [](Call& c) {
         Tensor x = c.X(0).contiguous(), b = c.X(2).contiguous();
         Dims1 at = c.whole_numbers(1), l = c.whole_numbers(3);
         C2_ENFORCE(at.size() == l.size() && x.dim() == 2, "the inputs' shapes don't fit");
         segments_of_lengths(c.X(3), b.numel());
         Tensor y = torch::zeros({x.size(0), int64_t(at.size())}, torch::TensorOptions().dtype(torch::kInt));
         const float *p = c.data<float>(x), *q = c.data<float>(b);
         for (int64_t i = 0; i < x.size(0); i++) {
           int64_t from = 0;
           for (size_t j = 0; j < at.size(); from += l[j], j++) {
             C2_ENFORCE(at[j] >= 0 && at[j] < x.size(1), "index ", at[j], " is out of range");
             y.data_ptr<int32_t>()[i * int64_t(at.size()) + int64_t(j)] =
                 int32_t(std::lower_bound(q + from, q + from + l[j], p[i * x.size(1) + at[j]]) - (q + from));
           }
         }
         c.set(y);
       })
      .apart()
      .quiet();
  r.op("SequenceMask", "1-2 -> 1", [](Call& c) { c.set(mask_by(c, c.X(0))); }).grad([](GradientMaker& m) {
    std::vector<std::string> in{m.GO(0)};
    if (m.op.inputs.size() > 1) in.push_back(m.I(1));
    m.add("SequenceMask", in, {m.GI(0)}, {int_arg("grad", 1)});
  });
  r.op("GatherRanges", "2 -> 2",
       [](Call& c) {
         Tensor ranges = c.X(1);
         Dims1 v = c.whole_numbers(1), at, l;
         C2_ENFORCE(ranges.dim() == 3 && ranges.size(2) == 2, "Ranges must be 3-D with a last dimension of 2, got ",
                    ranges.sizes());
         auto* s = as<StringTensor>(c.in[0]);
         int64_t n = s ? int64_t(s->items.size()) : c.X(0).numel();
         for (int64_t i = 0; i < ranges.size(0); i++) {
           int64_t sum = 0;
           for (int64_t j = 0; j < ranges.size(1); j++) {
             int64_t from = v[size_t((i * ranges.size(1) + j) * 2)], k = v[size_t((i * ranges.size(1) + j) * 2 + 1)];
             C2_ENFORCE(from >= 0 && k >= 0 && from <= n && k <= n - from, "the range ", from, ", ", k,
                        " is outside of ", n, " items");
             for (int64_t d = 0; d < k; d++) at.push_back(from + d);
             sum += k;
           }
           l.push_back(sum);
         }
         c.set_value(0, s ? rows_of_value(c.in[0], int_list(at))
                          : rows_of_value(Value(rushlight::Tensor(c.X(0).reshape({-1}))), int_list(at)));
         c.set(1, int_list(l, torch::kInt));
       })
      .apart()
      .stop();
  r.op("GatherRangesToDense", "2-3 -> 1+",
       [](Call& c) {
         Tensor ranges = c.X(1), x = c.X(0).reshape({-1});
         Dims1 v = c.whole_numbers(1), l = c.ints("lengths");
         C2_ENFORCE(
             ranges.dim() == 3 && ranges.size(2) == 2 && ranges.size(1) == int64_t(l.size()) && l.size() == c.outputs(),
             "Ranges must be 3-D: examples, ", l.size(), " lengths, 2; got ", ranges.sizes());
         for (size_t j = 0; j < l.size(); j++) {
           C2_ENFORCE(l[j] >= 0 && l[j] < (int64_t(1) << 24), "a length of ", l[j]);
           std::vector<Tensor> rows;
           int64_t mismatched = 0, empty = 0;  // ranges of another length are as good as none
           for (int64_t i = 0; i < ranges.size(0); i++) {
             int64_t from = v[size_t(i * ranges.size(1)) * 2 + j * 2],
                     k = v[size_t(i * ranges.size(1)) * 2 + j * 2 + 1];
             empty += k == 0;
             if (k && k != l[j]) k = 0, mismatched++;
             C2_ENFORCE(k == 0 || (from >= 0 && from + k <= x.numel()), "the range ", from, ", ", k, " is outside of ",
                        x.numel(), " items");
             rows.push_back(
                 k ? (c.has(2) ? std::get<0>(torch::stack({c.X(2).reshape({-1}).narrow(0, from, k).to(x.scalar_type()),
                                                           x.narrow(0, from, k)},
                                                          0)
                                                 .sort(1))
                                     .select(0, 1)
                               : x.narrow(0, from, k))
                   : torch::zeros({l[j]}, x.options()));
             if (k && c.has(2)) {  // in the order of the keys
               Tensor order = std::get<1>(c.X(2).reshape({-1}).narrow(0, from, k).sort(true, 0, false));
               rows.back() = x.narrow(0, from, k).index_select(0, order);
             }
           }
           auto within = [&](int64_t count, const char* name, double otherwise) {
             double most = c.f(name, otherwise);
             C2_ENFORCE(
                 most >= 1 || double(std::max(ranges.size(0), c.i("min_observation", 10000))) * most >= double(count),
                 "feature ", j, " has ", count, " such ranges of ", ranges.size(0), ", which exceeds ", name, " ",
                 most);
           };
           within(mismatched, "max_mismatched_ratio", 0.01);
           within(empty, "max_empty_ratio", 1);
           c.set(j, rows.empty() ? torch::zeros({0, l[j]}, x.options()) : torch::stack(rows, 0));
         }
       })
      .apart()
      .quiet();
  r.op("SparseToDense", "2-3 -> 1",
       [](Call& c) {
         Tensor at = c.X(0).to(torch::kLong).reshape({-1}).contiguous(), v = c.X(1);
         int64_t n = c.has(2) ? c.X(2).size(0) : 0;
         C2_ENFORCE(v.dim() >= 1 && v.size(0) == at.numel(), "there are ", at.numel(), " indices for ", v.size(0),
                    " values");
         for (int64_t k = 0; k < at.numel(); k++) {
           int64_t i = at.data_ptr<int64_t>()[k];
           C2_ENFORCE(i >= 0 && i < (int64_t(1) << 31), "sparse index out of range: ", i);
           if (!c.has(2)) n = std::max(n, i + 1);
           C2_ENFORCE(i < n, "Index out of bounds: ", i, ", range 0 to ", n);
         }
         c.set(new_rows(v, n).index_add(0, at, v));
       })
      .apart()
      .grad("Gather: GO0 I0 -> GI1");
  r.op("SparseToDenseMask", "3-4 -> 1-2",
       [](Call& c) {
         Dims1 at = c.whole_numbers(0), mask = c.ints("mask"),
               l = c.has(3) ? c.whole_numbers(3) : Dims1{int64_t(at.size())};
         C2_ENFORCE(!mask.empty(), "mask can't be empty");
         Tensor v = c.X(1), d = c.X(2);
         C2_ENFORCE(v.dim() >= 1 && v.size(0) == int64_t(at.size()) && d.numel() == size_from(v, 1),
                    "the values' and the default's shapes don't fit");
         segments_of_lengths(int_list(l), int64_t(at.size()));
         std::unordered_map<int64_t, int64_t> place;
         for (size_t k = 0; k < mask.size(); k++) place[mask[k]] = int64_t(k);
         int64_t D = d.numel(), M = int64_t(mask.size()), B = int64_t(l.size());
         Tensor y = d.reshape({1, 1, D}).expand({B, M, D}).contiguous().clone(),
                seen = torch::zeros({B, M}, torch::TensorOptions().dtype(torch::kBool));
         size_t k = 0;
         for (int64_t b = 0; b < B; b++)
           for (int64_t j = 0; j < l[size_t(b)]; j++, k++) {
             auto found = place.find(at[k]);
             if (found == place.end()) continue;
             y.select(0, b).select(0, found->second).copy_(v.select(0, int64_t(k)).reshape({D}));
             seen.select(0, b).select(0, found->second).fill_(true);
           }
         Dims1 s{B, M};
         s.insert(s.end(), d.sizes().begin(), d.sizes().end());
         if (!c.has(3)) s.erase(s.begin());
         c.set(0, y.reshape(s));
         c.set(1, c.has(3) ? seen : seen.reshape({M}));
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<std::string> in{m.I(0), m.GO(0)};
        if (m.op.inputs.size() > 3) in.push_back(m.I(3));
        m.add("SparseToDenseMaskGradient", in, {m.GI(1)});
      });
  r.op("SparseToDenseMaskGradient", "2-3 -> 1", [](Call& c) {
    Dims1 at = c.whole_numbers(0), mask = c.ints("mask"), l = c.has(2) ? c.whole_numbers(2) : Dims1{int64_t(at.size())};
    Tensor g = c.X(1);
    std::unordered_map<int64_t, int64_t> place;
    for (size_t k = 0; k < mask.size(); k++) place[mask[k]] = int64_t(k);
    int64_t M = int64_t(mask.size()), B = int64_t(l.size());
    C2_ENFORCE(M > 0 && B > 0 && g.numel() % (M * B) == 0, "the gradient's shape doesn't fit");
    int64_t skip = c.has(2) ? 2 : 1;
    Dims1 s{int64_t(at.size())};
    s.insert(s.end(), g.sizes().begin() + std::min<int64_t>(skip, g.dim()), g.sizes().end());
    Tensor G = g.reshape({B, M, g.numel() / (M * B)}), d = torch::zeros({int64_t(at.size()), G.size(2)}, g.options());
    segments_of_lengths(int_list(l), int64_t(at.size()));
    size_t k = 0;
    for (int64_t b = 0; b < B; b++) {
      std::unordered_set<int64_t> done;
      size_t first = k;
      k += size_t(l[size_t(b)]);
      for (size_t j = k; j-- > first;) {  // of equal ids the last one was taken
        auto found = place.find(at[j]);
        if (found == place.end() || !done.insert(at[j]).second) continue;
        d.select(0, int64_t(j)).copy_(G.select(0, b).select(0, found->second));
      }
    }
    c.set(d.reshape(s));
  });
  r.op("BatchSparseToDense", "3-4 -> 1",
       [](Call& c) {
         Dims1 l = c.whole_numbers(0), at = c.whole_numbers(1);
         Tensor v = c.X(2).contiguous();
         int64_t D = c.has(3) ? c.X(3).size(1) : c.i("dense_last_dim", -1);
         C2_ENFORCE(D > 0 && D < (int64_t(1) << 31), "dense_last_dim should be given");
         segments_of_lengths(c.X(0), int64_t(at.size()));
         C2_ENFORCE(v.numel() == int64_t(at.size()), "there are ", at.size(), " indices for ", v.numel(), " values");
         Tensor y = torch::full({int64_t(l.size()), D}, c.f("default_value", 0));
         size_t k = 0;
         for (size_t b = 0; b < l.size(); b++)
           for (int64_t j = 0; j < l[b]; j++, k++) {
             C2_ENFORCE(at[k] >= 0 && at[k] < D, "index ", at[k], " is out of range [0, ", D, ")");
             y.data_ptr<float>()[int64_t(b) * D + at[k]] = c.data<float>(v)[k];
           }
         c.set(y);
       })
      .apart()
      .grad("BatchDenseToSparse: I0 I1 GO0 -> GI2");
  r.op("BatchDenseToSparse", "3 -> 1",
       [](Call& c) {
         Dims1 l = c.whole_numbers(0), at = c.whole_numbers(1);
         Tensor x = c.X(2);
         C2_ENFORCE(x.dim() == 2 && x.size(0) == int64_t(l.size()), "the dense input should have one row for each of ",
                    l.size(), " lengths");
         Tensor ids = segments_of_lengths(c.X(0), int64_t(at.size()));
         for (int64_t i : at) C2_ENFORCE(i >= 0 && i < x.size(1), "index ", i, " is out of range [0, ", x.size(1), ")");
         c.set(x.reshape({-1}).index_select(0, ids * x.size(1) + int_list(at)));
       })
      .apart()
      .grad([](GradientMaker& m) { m.add("BatchSparseToDense", {m.I(0), m.I(1), m.GO(0), m.I(2)}, {m.GI(2)}); });
  r.op("DenseVectorToIdList", "1 -> 2",
       [](Call& c) {
         Tensor x = c.X();
         C2_ENFORCE(x.dim() == 2, "Input should have 2 dimensions");
         Tensor set = x >= 0.5;
         c.set(0, set.to(torch::kInt).sum(Dims1{1}, false, torch::kInt));
         c.set(1, set.nonzero().select(1, 1).to(torch::kInt).contiguous());
       })
      .apart()
      .quiet();
  r.op("MergeIdLists", "2+ -> 2",
       [](Call& c) {
         C2_ENFORCE(c.inputs() % 2 == 0, "MergeIdLists wants pairs of lengths and values");
         Dims1 out, l;
         std::vector<Dims1> lengths, values;
         for (size_t k = 0; k < c.inputs(); k += 2) {
           lengths.push_back(c.whole_numbers(k)), values.push_back(c.whole_numbers(k + 1));
           C2_ENFORCE(lengths.back().size() == lengths[0].size(), "the lists have different numbers of examples");
           segments_of_lengths(c.X(k), int64_t(values.back().size()));
         }
         std::vector<size_t> from(lengths.size());
         for (size_t b = 0; b < lengths[0].size(); b++) {
           std::set<int64_t> set;
           for (size_t k = 0; k < lengths.size(); k++)
             for (int64_t j = 0; j < lengths[k][b]; j++) set.insert(values[k][from[k]++]);
           out.insert(out.end(), set.begin(), set.end());
           l.push_back(int64_t(set.size()));
         }
         c.set(0, int_list(l, torch::kInt));
         c.set(1, int_list(out, c.X(1).scalar_type()));
       })
      .apart()
      .quiet();
  r.op("IsMemberOf", "1 -> 1",
       [](Call& c) {
         auto out = [&](Dims1 s) { return torch::zeros(s, torch::TensorOptions().dtype(torch::kBool)); };
         if (auto* s = as<StringTensor>(c.in[0])) {
           std::vector<std::string> wanted = c.op.args.strings("value");
           std::unordered_set<std::string> set(wanted.begin(), wanted.end());
           Tensor y = out(s->sizes);
           for (size_t k = 0; k < s->items.size(); k++) y.data_ptr<bool>()[k] = set.count(s->items[k]) > 0;
           return c.set(y);
         }
         Tensor x = c.X().to(torch::kLong).contiguous(), y = out(sizes_of(x));
         Dims1 wanted = c.ints("value");
         std::unordered_set<int64_t> set(wanted.begin(), wanted.end());
         for (int64_t k = 0; k < x.numel(); k++) y.data_ptr<bool>()[k] = set.count(x.data_ptr<int64_t>()[k]) > 0;
         c.set(y);
       })
      .apart()
      .stop();
  r.op("IndexHash", "1 -> 1", [](Call& c) {
     int64_t seed = c.i("seed", 0), modulo = c.i("modulo", INT64_MAX);
     C2_ENFORCE(modulo > 0, "MODULO should be > 0");
     Tensor x = c.X();
     bool wide = x.scalar_type() == torch::kLong;
     Dims1 v = c.whole_numbers(0);
     for (int64_t& id : v)
       id = wide ? hashed<int64_t>(id, seed, modulo)
                 : hashed<int32_t>(int32_t(id), seed, std::min<int64_t>(modulo, INT32_MAX));
     c.set(int_list(v, x.scalar_type()).reshape(x.sizes()));
   }).stop();
  r.op("ScatterWeightedSum", "5+ -> 1", [](Call& c) {
     Tensor y = c.X(0), at = c.X(2).to(torch::kLong).reshape({-1}).contiguous();
     C2_ENFORCE(c.inputs() % 2 == 1, "ScatterWeightedSum wants pairs of an update and its weight");
     for (int64_t k = 0; k < at.numel(); k++)
       C2_ENFORCE(at.data_ptr<int64_t>()[k] >= 0 && at.data_ptr<int64_t>()[k] < y.size(0),
                  "Index out of bounds: ", at.data_ptr<int64_t>()[k], ", range 0 to ", y.size(0));
     double w0 = c.number(1);
     if (w0 != 1) {
       // A row that is named twice is scaled twice.
       Tensor times = torch::zeros({y.size(0)}, y.options()).index_add(0, at, torch::ones({at.numel()}, y.options()));
       y = y * beside(torch::full_like(times, w0).pow(times), y);
     }
     for (size_t k = 3; k + 1 < c.inputs(); k += 2) {
       Dims1 s = sizes_of(y);
       s[0] = at.numel();
       y = y.index_add(0, at, c.X(k).reshape(s) * c.number(k + 1));
     }
     c.set(y);
   }).stop();
  r.op("ScatterAssign", "3 -> 1", [](Call& c) { c.set(scatter_rows(c.X(0), c.X(1), c.X(2))); }).stop();
  r.op("Scatter", "3 -> 1", [](Call& c) {
     int64_t axis = canonical_axis(c.i("axis", 1), c.X(0).dim());
     Tensor at = c.X(1).to(torch::kLong);
     C2_ENFORCE(!(at < 0).logical_or(at >= c.X(0).size(axis)).any().item<bool>(), "an index is out of range");
     c.set(c.X(0).scatter(axis, at, c.X(2)));
   }).stop();
  r.op("KeySplit", "1 -> 1+",
       [](Call& c) {
         Dims1 keys = c.whole_numbers(0);
         std::vector<Dims1> groups(c.outputs());
         for (size_t k = 0; k < keys.size(); k++) {
           C2_ENFORCE(keys[k] >= 0 && keys[k] < int64_t(groups.size()), "key ", keys[k], " is out of range [0, ",
                      groups.size(), ")");
           groups[size_t(keys[k])].push_back(int64_t(k));
         }
         for (size_t k = 0; k < groups.size(); k++) c.set(k, int_list(groups[k], torch::kInt));
       })
      .apart()
      .stop();
  for (bool lengths : {false, true})
    r.op(lengths ? "LengthsPartition" : "Partition", "1+ -> 1+",
         [lengths](Call& c) {
           size_t in = c.inputs();
           C2_ENFORCE(c.outputs() % in == 0, "Output number must be a multiple of input number");
           auto parts = int64_t(c.outputs() / in);
           size_t first = lengths;
           Tensor keys = c.X(first);
           Dims1 v = c.whole_numbers(first);
           bool pack = c.b("pack_first_input");
           // Keys of several dimensions stand for as many of the others.
           auto by_key = [&](const Tensor& x) {
             C2_ENFORCE(x.dim() >= keys.dim() && x.sizes().slice(0, size_t(keys.dim())) == keys.sizes(),
                        "the inputs should begin with the sizes of the first, ", keys.sizes(), ", got ", x.sizes());
             Dims1 sizes{keys.numel()};
             sizes.insert(sizes.end(), x.sizes().begin() + keys.dim(), x.sizes().end());
             return x.reshape(sizes);
           };
           std::vector<Dims1> groups(static_cast<size_t>(parts));
           auto part = [&](int64_t key) { return size_t(((key % parts) + parts) % parts); };
           for (size_t k = 0; k < v.size(); k++) groups[part(v[k])].push_back(int64_t(k));
           Tensor ids = lengths ? segments_of_lengths(c.X(0), int64_t(v.size())) : Tensor();
           for (size_t p = 0; p < groups.size(); p++) {
             if (lengths) {
               Dims1 l(size_t(c.X(0).numel()));
               for (int64_t k : groups[p]) l[size_t(ids.data_ptr<int64_t>()[k])]++;
               c.set(p * in, int_list(l, c.X(0).scalar_type()));
             }
             for (size_t i = first; i < in; i++) {
               Tensor rows = rows_at(by_key(c.X(i)), int_list(groups[p]));
               if (i == first && pack) rows = torch::floor_divide(rows - int64_t(p), parts);
               c.set(p * in + i, rows);
             }
           }
         })
        .apart()
        .quiet();
  r.op("FlexibleTopK", "2 -> 2",
       [](Call& c) {
         Tensor x = c.X(0);
         Dims1 k = c.whole_numbers(1);
         C2_ENFORCE(x.dim() > 0, "the input should have a dimension");
         Tensor rows = x.reshape({-1, x.size(-1)});
         C2_ENFORCE(rows.size(0) == int64_t(k.size()), "first n-1 dims of input data and K does not match.");
         auto sorted = rows.sort(true, 1, true);
         std::vector<Tensor> v, at;
         for (size_t i = 0; i < k.size(); i++) {
           C2_ENFORCE(k[i] > 0 && k[i] <= rows.size(1),
                      "k should be above 0 and not greater than last dim, error at index ", i, ", with value: ", k[i]);
           v.push_back(std::get<0>(sorted).select(0, int64_t(i)).narrow(0, 0, k[i]));
           at.push_back(std::get<1>(sorted).select(0, int64_t(i)).narrow(0, 0, k[i]));
         }
         c.set(0, torch::cat(v, 0)), c.set(1, torch::cat(at, 0));
       })
      .apart()
      .grad("FlexibleTopKGradient: I0 I1 GO0 O1 -> GI0");
  r.op("FlexibleTopKGradient", "4 -> 1", [](Call& c) {
    Tensor x = c.X(0), g = c.X(2).reshape({-1}), at = c.X(3).reshape({-1}).to(torch::kLong);
    int64_t width = x.dim() ? x.size(-1) : 0, rows = width ? x.numel() / width : 0;
    Tensor row = segments_of_lengths(c.X(1).reshape({-1}), at.numel()), y = torch::zeros({x.numel()}, g.options());
    C2_ENFORCE(c.X(1).numel() == rows && g.numel() == at.numel(), "there are ", c.X(1).numel(), " numbers k for ",
               x.sizes(), ", and ", g.numel(), " gradients for ", at.numel(), " indices");
    Tensor place = row * width + at;
    rows_at(y, place);  // throws for an index outside
    c.set(y.index_copy(0, place, g).reshape(x.sizes()));
  });
  r.op("ViterbiPath", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0).to(torch::kDouble).contiguous(), t = c.X(1).to(torch::kDouble).contiguous();
         int64_t N = x.size(0), D = x.size(1);
         C2_ENFORCE(x.dim() == 2 && t.numel() == D * D, "Predictions and transitions hould be 2D matrices");
         const double *p = x.data_ptr<double>(), *q = t.data_ptr<double>();
         std::vector<double> best(p, p + (N ? D : 0)), next(static_cast<size_t>(D));
         std::vector<std::vector<int32_t>> back;
         for (int64_t i = 1; i < N; i++) {
           back.emplace_back(D);
           for (int64_t j = 0; j < D; j++) {
             double top = -INFINITY;
             for (int64_t k = 0; k < D; k++)
               if (best[size_t(k)] + q[k * D + j] > top)
                 top = best[size_t(k)] + q[k * D + j], back.back()[size_t(j)] = int32_t(k);
             next[size_t(j)] = top + p[i * D + j];
           }
           best = next;
         }
         Tensor y = torch::zeros({N}, torch::TensorOptions().dtype(torch::kInt));
         if (N) {
           auto at = int32_t(std::max_element(best.begin(), best.end()) - best.begin());
           for (int64_t i = N - 1; i >= 0; i--) {
             y.data_ptr<int32_t>()[i] = at;
             if (i) at = back[size_t(i - 1)][size_t(at)];
           }
         }
         c.set(y);
       })
      .apart()
      .stop();
  r.op("SwapBestPath", "2 -> 1", [](Call& c) {
     Tensor x = c.X(0).clone(), at = c.X(1).to(torch::kLong).reshape({-1, 1});
     C2_ENFORCE(x.dim() == 2 && at.size(0) == x.size(0), "the inputs' shapes don't fit");
     Tensor top = std::get<1>(x.max(1, true)), high = x.gather(1, top), low = x.gather(1, at);
     c.set(x.scatter(1, top, low).scatter(1, at, high));
   }).apart();
  r.op("CTCGreedyDecoder", "1-2 -> 2",
       [](Call& c) {
         Tensor x = c.X(0);
         C2_ENFORCE(x.dim() == 3, "INPUTS should have 3 dimensions: time, batch, classes");
         int64_t T = x.size(0), N = x.size(1);
         Dims1 l = c.has(1) ? c.whole_numbers(1) : Dims1(size_t(N), T), best, out, values;
         C2_ENFORCE(int64_t(l.size()) == N, "there are ", l.size(), " lengths for a batch of ", N);
         Tensor top = std::get<1>(x.max(2)).contiguous();
         bool merge = c.b("merge_repeated", true);
         for (int64_t b = 0; b < N; b++) {
           C2_ENFORCE(l[size_t(b)] >= 0 && l[size_t(b)] <= T, "a length of ", l[size_t(b)], " where there are ", T);
           int64_t before = 0, n = 0;
           for (int64_t t = 0; t < l[size_t(b)]; t++) {
             int64_t k = top.data_ptr<int64_t>()[t * N + b];
             if (k != 0 && !(merge && k == before)) values.push_back(k), n++;
             before = k;
           }
           out.push_back(n);
         }
         c.set(0, int_list(out, torch::kInt)), c.set(1, int_list(values, torch::kInt));
       })
      .apart()
      .stop();
  r.op("GatherByKey", "2+ -> 1",
       [](Call& c) {
         Dims1 keys = c.whole_numbers(0);
         auto parts = int64_t(c.inputs() - 1);
         std::vector<int64_t> from(static_cast<size_t>(parts));
         Tensor y;
         std::vector<Tensor> rows;
         for (int64_t key : keys) {
           auto p = size_t(((key % parts) + parts) % parts);
           C2_ENFORCE(from[p] < c.X(1 + p).size(0), "partition ", p, " has too few rows");
           rows.push_back(c.X(1 + p).narrow(0, from[p]++, 1));
         }
         c.set(rows.empty() ? new_rows(c.X(1), 0) : torch::cat(rows, 0));
       })
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<std::string> out;
        for (size_t k = 1; k < m.op.inputs.size(); k++) {
          std::string g = m.GI(k);
          out.push_back("_" + g + "_keys"), out.push_back(g);
        }
        m.add("Partition", {m.I(0), m.GO(0)}, out, {int_arg("pack_first_input", 0)});
      });
  r.op("RemoveDataBlocks", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0), keep = torch::ones({x.size(0)}, torch::TensorOptions().dtype(torch::kBool));
         for (int64_t k : c.whole_numbers(1)) {
           C2_ENFORCE(k >= 0 && k < x.size(0), "index ", k, " is out of range");
           keep.data_ptr<bool>()[k] = false;
         }
         c.set(rows_at(x, keep.nonzero()));
       })
      .apart()
      .stop();
  r.op("BatchPermutation", "2 -> 1", [](Call& c) { c.set(rows_at(c.X(0), c.X(1))); })
      .apart()
      .grad("BatchPermutationGradient: I1 GO0 -> GI0");
  r.op("BatchPermutationGradient", "2 -> 1",
       [](Call& c) { c.set(torch::zeros_like(c.X(1)).index_copy(0, c.X(0).to(torch::kLong), c.X(1))); });
}

}  // namespace rushlight::caffe2
