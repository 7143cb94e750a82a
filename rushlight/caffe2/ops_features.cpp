// Features of examples: what they are measured by (histograms, percentiles, average precision), and how those of many kinds are joined.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

std::vector<double> edges_of(const Call& c) {
  std::vector<double> edges = c.op.args.floats("bin_edges");
  C2_ENFORCE(edges.size() >= 2, "Number of bin edges must be greater than or equal to 2, got ", edges.size());
  for (size_t k = 1; k < edges.size(); k++)
    C2_ENFORCE(edges[k] > edges[k - 1], "bin_edges must be a strictly increasing sequence of values");
  return edges;
}

// How many elements of all inputs lie in each bin, which has its lower edge.
void histogram(Call& c) {
  std::vector<double> edges = edges_of(c);
  Dims1 counts(edges.size() - 1);
  for (size_t k = 0; k < c.inputs(); k++) {
    Tensor x = c.X(k);
    if (!x.is_floating_point()) c.unsupported(x);
    x = x.to(torch::kDouble).contiguous();
    const double* p = x.data_ptr<double>();
    for (int64_t i = 0; i < x.numel(); i++) {
      if (p[i] >= edges.front() && p[i] < edges.back())
        counts[size_t(std::upper_bound(edges.begin(), edges.end(), p[i]) - edges.begin() - 1)]++;
    }
  }
  c.set(int_list(counts));
}

// For each column a table of values and their percentiles; between two of them on the line from one's upper to the other's lower bound.
void bisect_percentile(Call& c) {
  Tensor x = c.X().contiguous();
  auto raw = c.op.args.floats("percentile_raw"), mapping = c.op.args.floats("percentile_mapping"),
       lower = c.op.args.floats("percentile_lower"), upper = c.op.args.floats("percentile_upper");
  Dims1 lengths = c.ints("lengths");
  C2_ENFORCE(raw.size() == mapping.size() && raw.size() == lower.size() && raw.size() == upper.size(),
             "Feature (raw) data and percentile value dimension should match.");
  C2_ENFORCE(x.dim() == 2 && x.size(1) == int64_t(lengths.size()), "there are ", lengths.size(), " lengths for ",
             x.sizes());
  size_t total = 0;
  for (int64_t n : lengths) {
    C2_ENFORCE(n > 0 && size_t(n) <= raw.size() - total,
               "Sum of lengths should be equal to the total number of percentile mapping data samples");
    total += size_t(n);
  }
  C2_ENFORCE(total == raw.size(),
             "Sum of lengths should be equal to the total number of percentile mapping data samples");
  Tensor y = torch::empty_like(x);
  const float* p = c.data<float>(x);
  float* q = y.data_ptr<float>();
  int64_t columns = x.size(1);
  size_t start = 0;
  for (int64_t j = 0; j < columns; start += size_t(lengths[size_t(j)]), j++) {
    auto first = raw.begin() + std::ptrdiff_t(start), last = first + lengths[size_t(j)] - 1;
    for (int64_t i = 0; i < x.size(0); i++) {
      double v = p[i * columns + j];
      float& out = q[i * columns + j];
      if (v < *first) out = 0;
      else if (v > *last) out = 1;
      else {
        auto at = std::max(std::upper_bound(first, last + 1, v) - 1, first);  // NaN is less than none
        auto k = size_t(at - raw.begin());
        if (*at == v || at == last) out = float(mapping[k]);
        else out = float(upper[k] + (lower[k + 1] - upper[k]) / (raw[k + 1] - raw[k]) * (v - raw[k]));
      }
    }
  }
  c.set(y);
}

// Some columns as one number: the places of their values in lists, as digits.
void ngram(Call& c) {
  Tensor x = c.X();
  Dims1 columns = c.ints("col_ids"), limits = c.ints("categorical_limits"), values = c.ints("vals");
  C2_ENFORCE(x.dim() == 2 && columns.size() == limits.size(), "there are ", columns.size(), " columns and ",
             limits.size(), " limits for ", x.sizes());
  Tensor numbers = x.to(torch::kLong), out = torch::zeros({x.size(0)}, torch::TensorOptions().dtype(torch::kLong));
  size_t from = 0;
  int64_t base = 1;
  for (size_t k = 0; k < columns.size(); k++) {
    int64_t n = limits[k];
    C2_ENFORCE(n > 0 && size_t(n) <= values.size() - from && columns[k] >= 0 && columns[k] < x.size(1),
               "categorical_limits should add up to the number of vals, ", values.size());
    C2_ENFORCE(base <= INT64_MAX / n, "more than 2^63 n-grams");
    Tensor column = numbers.select(1, columns[k]), place = torch::zeros_like(column);
    for (int64_t d = 0; d < n; d++) place = place.masked_fill(column == values[from + size_t(d)], double(d));
    out = out + place * base;
    base *= n, from += size_t(n);
  }
  c.set(out);
}

struct Predictions final : RefCounted {
  std::vector<std::vector<std::pair<float, int>>> all;  // of each class
  size_t next = 0;
};

// The mean of the precisions at each hit, of the last buffer_size examples.
void average_precision(Call& c) {
  Tensor x = c.X(0).contiguous(), labels = c.X(1).contiguous();
  int64_t N = x.size(0), D = x.dim() == 2 ? x.size(1) : 0, most = c.i("buffer_size", 1000);
  C2_ENFORCE(x.dim() == 2 && labels.sizes() == x.sizes(), "predictions of ", x.sizes(), " and labels of ",
             labels.sizes());
  C2_ENFORCE(most > 0, "buffer_size should be above 0");
  const float* p = c.data<float>(x);
  const int32_t* l = c.data<int32_t>(labels);
  auto& kept = c.op.kept["predictions"];
  if (!kept) kept = make_ref<Predictions>();
  auto& buffer = static_cast<Predictions&>(*kept);
  buffer.all.resize(size_t(D));
  for (int64_t i = std::max<int64_t>(0, N - most); i < N; i++) {
    for (int64_t d = 0; d < D; d++) {
      auto& of = buffer.all[size_t(d)];
      std::pair<float, int> one{p[i * D + d], l[i * D + d]};
      if (of.size() < size_t(most)) of.push_back(one);
      else of[buffer.next % of.size()] = one;
    }
    if (D && buffer.all[0].size() == size_t(most)) buffer.next++;
  }
  Tensor out = torch::zeros({D});
  for (int64_t d = 0; d < D; d++) {
    auto sorted = buffer.all[size_t(d)];
    std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.first > b.first; });
    double hits = 0, sum = 0;
    for (size_t k = 0; k < sorted.size(); k++)
      if (sorted[k].second == 1) hits++, sum += hits / double(k + 1);
    if (hits) out.data_ptr<float>()[d] = float(sum / hits);
  }
  c.set(out);
}

// ---- Features of examples as ragged tensors ----------------------------------------------------------------------------------------------
//
// A feature comes as a few tensors: how many values an example has of it, or whether it has one; perhaps keys; the values, which are numbers,
// lists of them, or maps, whose lengths are beside them. Merged, an example's features stand one after the other.

Dims1 whole(const Call& c, size_t k) { return c.whole_numbers(k); }

// How many entries each example has, of so many altogether.
Dims1 entries_of(const Call& c, size_t k, int64_t all) {
  Dims1 each = whole(c, k);
  int64_t left = all;
  for (int64_t n : each) {
    C2_ENFORCE(n >= 0 && n <= left, "the lengths in ", c.op.inputs[k], " should add up to the ", all, " entries");
    left -= n;
  }
  C2_ENFORCE(left == 0, "the lengths in ", c.op.inputs[k], " should add up to the ", all, " entries");
  return each;
}

// Rows from..from + n of a tensor, of each of many.
class Pieces {
 public:
  void add(const Tensor& t, int64_t from, int64_t n) {
    C2_ENFORCE(t.dim() >= 1 && from >= 0 && n >= 0 && from <= t.size(0) && n <= t.size(0) - from,
               "the lengths add up to more than the values, ", t.sizes());
    if (n) all_.push_back(t.narrow(0, from, n));
  }
  Tensor joined(const Tensor& like) const { return all_.empty() ? like.narrow(0, 0, 0) : torch::cat(all_, 0); }

 private:
  std::vector<Tensor> all_;
};

// One feature as merging sees it: how many entries each example has, how many values each entry; and how many lie in the place of one that isn't
// there.
struct Feature { Dims1 entries, values, absent; };

// `single`: one entry an example, where the feature is present; `form`: 0 a number, 1 a list, 2 a map.
struct Form {
  bool single;
  int form;
  size_t inputs() const { return single ? (form == 0 ? 2 : form == 1 ? 3 : 4) : (form == 0 ? 3 : form == 1 ? 4 : 5); }
};

Feature feature(const Call& c, Form f, size_t at, int64_t examples) {
  Feature out;
  if (f.single) {
    Dims1 present = whole(c, at + f.inputs() - 1);
    C2_ENFORCE(int64_t(present.size()) == examples, "the features have different numbers of examples");
    for (int64_t p : present) out.entries.push_back(p ? 1 : 0);
    Dims1 lengths = f.form ? whole(c, at) : Dims1();
    C2_ENFORCE(!f.form || lengths.size() == present.size(), "the features have different numbers of examples");
    // Lengths are there of absent ones too.
    for (size_t k = 0; k < present.size(); k++)
      if (present[k]) out.values.push_back(f.form ? lengths[k] : 1);
    for (int64_t n : lengths)
      C2_ENFORCE(n >= 0 && n <= c.X(at + 1 + size_t(f.form == 2)).size(0),
                 "the lengths add up to more than the values");
    out.absent = lengths;
    return out;
  }
  int64_t entries = c.X(f.form ? at + 2 : at + 1).numel();  // their lengths, or keys
  out.entries = entries_of(c, at, entries);
  C2_ENFORCE(int64_t(out.entries.size()) == examples, "the features have different numbers of examples");
  if (f.form) out.values = whole(c, at + 2);
  else out.values.assign(size_t(entries), 1);
  return out;
}

void merge(Call& c, Form f) {
  size_t n = f.inputs(), features = c.inputs() / n;
  C2_ENFORCE(c.inputs() % n == 0 && features, c.op.type, " wants ", n, " inputs for each feature, got ", c.inputs());
  Dims1 ids = f.single ? c.ints("feature_ids") : Dims1();
  C2_ENFORCE(!f.single || ids.size() == features, "there are ", ids.size(), " feature_ids for ", features, " features");
  int64_t examples = c.X(f.single ? n - 1 : 0).numel();
  std::vector<Feature> all;
  for (size_t k = 0; k < features; k++) all.push_back(feature(c, f, k * n, examples));
  // Where the values of a feature are, and the keys of a map's values.
  size_t values = f.single ? (f.form == 0 ? 0 : f.form == 1 ? 1 : 2) : n - 1;
  std::vector<size_t> entry(features);
  Dims1 value(features), lengths, keys, counts;
  Pieces out_keys, out_values, map_keys;
  for (int64_t e = 0; e < examples; e++) {
    int64_t entries = 0;
    for (size_t k = 0; k < features; k++) {
      for (int64_t i = 0; i < all[k].entries[size_t(e)]; i++) {
        int64_t many = all[k].values[entry[k]];
        C2_ENFORCE(many >= 0, "lengths should be 0 or more");
        if (f.single) keys.push_back(ids[k]);
        else out_keys.add(c.X(k * n + 1), int64_t(entry[k]), 1);
        // A single number has a place for examples that lack it.
        int64_t from = f.single && f.form == 0 ? e : value[k];
        out_values.add(c.X(k * n + values), from, many);
        if (f.form == 2) map_keys.add(c.X(k * n + values - 1), from, many);
        counts.push_back(many), value[k] += many, entry[k]++, entries++;
      }
      if (f.single && f.form && !all[k].entries[size_t(e)]) value[k] += all[k].absent[size_t(e)];
    }
    lengths.push_back(entries);
  }
  c.set(0, int_list(lengths, torch::kInt));
  c.set(1, f.single ? int_list(keys) : out_keys.joined(c.X(1)));
  size_t at = 2;
  if (f.form) c.set(at++, int_list(counts, torch::kInt));
  if (f.form == 2) c.set(at++, map_keys.joined(c.X(values - 1)));
  c.set(at, out_values.joined(c.X(values)));
}

// Inputs are what tells the sizes of each feature, then the gradient of the values.
void merge_gradient(Call& c, Form f) {
  size_t n = f.form ? 2 : 1, features = (c.inputs() - 1) / n;
  C2_ENFORCE((c.inputs() - 1) % n == 0 && features && c.outputs() == features, c.op.type, " wants ", n,
             " inputs for each feature, and the gradient");
  Tensor g = c.X(c.inputs() - 1);
  int64_t examples = c.X(0).numel(), at = 0;
  std::vector<Pieces> out(features);
  std::vector<size_t> entry(features);
  std::vector<Dims1> first, second;
  for (size_t k = 0; k < features; k++) {
    first.push_back(f.single || n == 1 ? whole(c, k * n) : entries_of(c, k * n, c.X(k * n + 1).numel()));
    second.push_back(n == 2 ? whole(c, k * n + 1) : Dims1());
    C2_ENFORCE(int64_t(first.back().size()) == examples &&
                   (!f.single || n == 1 || second.back().size() == first.back().size()),
               "the features have different numbers of examples");
  }
  for (int64_t e = 0; e < examples; e++)
    for (size_t k = 0; k < features; k++) {
      int64_t a = first[k][size_t(e)], many = 0;
      if (f.single) {
        bool present = n == 1 ? a != 0 : second[k][size_t(e)] != 0;
        many = n == 1 ? 1 : a;
        C2_ENFORCE(many >= 0, "lengths should be 0 or more");
        if (!present) {
          out[k].add(torch::zeros({many}, g.options()), 0, many);
          continue;
        }
      } else if (n == 1) many = a;
      else
        for (int64_t i = 0; i < a; i++) {
          int64_t more = second[k][entry[k]++];
          C2_ENFORCE(more >= 0 && more <= g.size(0) - many, "the lengths add up to more than the ", g.size(0),
                     " gradients");
          many += more;
        }
      out[k].add(g, at, many);
      at += many;
    }
  for (size_t k = 0; k < features; k++) c.set(k, out[k].joined(g));
}

void add_merging(Registry& r) {
  static constexpr const char* kForms[] = {"Scalar", "List", "Map"};
  for (bool single : {true, false})
    for (int form = 0; form < 3; form++) {
      Form f{single, form};
      std::string name = str("Merge", single ? "Single" : "Multi", kForms[form], "FeatureTensors");
      r.op(name, "1+ -> 3-5", [f](Call& c) { merge(c, f); }).apart().grad([f, name](GradientMaker& m) {
        size_t n = f.inputs();
        std::vector<std::string> in, out;
        for (size_t k = 0; k + n <= m.op.inputs.size(); k += n) {
          if (!f.single || f.form) in.push_back(m.I(k));
          if (f.single) in.push_back(m.I(k + n - 1));
          else if (f.form) in.push_back(m.I(k + 2));
          out.push_back(m.GI(k + (f.single ? n - 2 : n - 1)));
        }
        in.push_back(m.GO(size_t(f.form) + 2));
        m.add(name + "Gradient", in, out);
      });
      r.op(name + "Gradient", "2+ -> 1+", [f](Call& c) { merge_gradient(c, f); });
    }
  // Columns of a table as features, each where it is present.
  r.op("MergeDenseFeatureTensors", "2 -> 3", [](Call& c) {
     Tensor x = c.X(0), present = c.X(1).to(torch::kBool);
     Dims1 ids = c.ints("feature_ids");
     C2_ENFORCE(x.dim() == 2 && present.sizes() == x.sizes() && x.size(1) == int64_t(ids.size()), "there are ",
                ids.size(), " feature_ids for ", x.sizes(), ", present: ", present.sizes());
     c.set(0, present.sum(Dims1{1}).to(torch::kInt));
     c.set(1, int_list(ids).expand_as(x).masked_select(present));
     c.set(2, x.masked_select(present));
   }).apart();
}

}  // namespace

void add_features(Registry& r) {
  r.op("Histogram", "1+ -> 1", histogram).quiet();
  r.op("BisectPercentile", "1 -> 1", bisect_percentile).quiet();
  r.op("NGramFromCategorical", "1 -> 1", ngram).quiet();
  r.op("APMeter", "2 -> 1", average_precision).stop();
  r.op("CopyRowsToTensor", "3 -> 1", [](Call& c) {
     Tensor x = c.X(0), row = c.X(2);
     C2_ENFORCE(x.dim() == 2, "INPUT_TENSOR should be 2-d");
     C2_ENFORCE(c.X(1).dim() == 1, "INDICES should be 1-d");
     C2_ENFORCE(row.dim() == 1, "ROW should be 1-d");
     C2_ENFORCE(x.size(1) == row.size(0), x.size(1), " vs ", row.size(0),
                ". width of input tensor should match lengths of row");
     rows_at(x, c.X(1));  // throws for an index outside
     c.set(x.index_copy(0, c.X(1).to(torch::kLong), row.to(x.scalar_type()).expand({c.X(1).numel(), x.size(1)})));
   }).grad("CopyRowsToTensorGradient: GO0 -> GI0", "G", "return G");
  // Values of a table by number.
  r.op("QuantDecode", "2+ -> 1+", [](Call& c) {
     Tensor book = c.X(0).reshape({-1});
     C2_ENFORCE(c.outputs() + 1 == c.inputs(), "QuantDecode wants as many outputs as codes");
     for (size_t k = 0; k < c.outputs(); k++)
       c.set(k, rows_at(book, c.X(k + 1).reshape({-1}).to(torch::kLong)).reshape(c.X(k + 1).sizes()));
   }).grad([](GradientMaker& m) {
    std::vector<std::string> in{m.I(0)};
    for (size_t k = 1; k < m.op.inputs.size(); k++) in.push_back(m.I(k));
    for (size_t k = 0; k < m.op.outputs.size(); k++) in.push_back(m.GO(k));
    m.add("QuantDecodeGradient", in, {m.GI(0)});
  });
  r.op("QuantDecodeGradient", "3+ -> 1", [](Call& c) {
    size_t codes = (c.inputs() - 1) / 2;
    C2_ENFORCE(c.inputs() == 1 + 2 * codes, "QuantDecodeGradient wants a gradient for each tensor of codes");
    Tensor sum = torch::zeros({c.X(0).numel()});
    for (size_t k = 0; k < codes; k++) {
      Tensor at = c.X(1 + k).reshape({-1}).to(torch::kLong);
      rows_at(sum, at);
      sum = sum.index_add(0, at, c.X(1 + codes + k).reshape({-1}));
    }
    c.set(sum.reshape(c.X(0).sizes()));
  });
  add_merging(r);
}

}  // namespace rushlight::caffe2
