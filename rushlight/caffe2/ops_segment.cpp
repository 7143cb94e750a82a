// Reductions of runs of rows: by segment ids, sorted or not, and by lengths; of rows that indices name.
#include <algorithm>
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"

namespace rushlight::caffe2 {

Tensor segments_of_lengths(const Tensor& lengths, int64_t rows) {
  Tensor l = lengths.to(torch::kLong).contiguous();
  C2_ENFORCE(l.dim() == 1, "LENGTHS must be a vector");
  std::vector<int64_t> ids;
  int64_t total = 0;
  for (int64_t k = 0; k < l.numel(); k++) {
    int64_t n = l.data_ptr<int64_t>()[k];
    C2_ENFORCE(n >= 0 && (rows < 0 || total + n <= rows), "the lengths add up to more than the ", rows, " rows");
    C2_ENFORCE(n < (int64_t(1) << 31), "a length of ", n);
    total += n;
    ids.insert(ids.end(), size_t(n), k);
  }
  C2_ENFORCE(rows < 0 || total == rows, "the lengths add up to ", total, ", not to the ", rows, " rows");
  return int_list(ids);
}

Tensor rows_at(const Tensor& data, const Tensor& indices) {
  Tensor at = indices.to(torch::kLong).reshape({-1}).contiguous();
  int64_t n = data.dim() ? data.size(0) : 0;
  const int64_t* p = at.data_ptr<int64_t>();
  for (int64_t k = 0; k < at.numel(); k++)
    C2_ENFORCE(p[k] >= 0 && p[k] < n, "Index ", k, " is out of bounds: ", p[k], ", range 0 to ", n);
  return data.index_select(0, at);
}

Tensor beside(const Tensor& v, const Tensor& rows) {
  std::vector<int64_t> s(size_t(rows.dim()), 1);
  s[0] = v.numel();
  return v.reshape(s);
}

namespace {

using Dims1 = std::vector<int64_t>;

enum class Reducer { Sum, WeightedSum, Mean, LogSumExp, LogMeanExp, Max };
struct Named {
  Reducer r;
  const char* name;
};
constexpr Named kPlain[] = {{Reducer::Sum, "Sum"}, {Reducer::WeightedSum, "WeightedSum"}, {Reducer::Mean, "Mean"}};
constexpr Named kRange[] = {{Reducer::Sum, "Sum"},
                            {Reducer::LogSumExp, "LogSumExp"},
                            {Reducer::LogMeanExp, "LogMeanExp"},
                            {Reducer::Mean, "Mean"},
                            {Reducer::Max, "Max"}};

Tensor counts_of(const Tensor& ids, int64_t segments, torch::Dtype d) {
  return torch::zeros({segments}, torch::TensorOptions().dtype(d))
      .index_add(0, ids, torch::ones({ids.numel()}, torch::TensorOptions().dtype(d)));
}

// The greatest of each segment and column; 0 where a segment has no row.
Tensor segment_max(const Tensor& rows, const Tensor& ids, int64_t segments) {
  Tensor x = rows.contiguous();
  Dims1 s(x.sizes().begin(), x.sizes().end());
  s[0] = segments;
  Tensor y = torch::full(s, -std::numeric_limits<float>::infinity(), x.options());
  std::vector<bool> seen(static_cast<size_t>(segments));
  int64_t D = size_from(x, 1);
  const float* p = x.data_ptr<float>();
  float* q = y.data_ptr<float>();
  for (int64_t k = 0; k < x.size(0); k++) {
    int64_t id = ids.data_ptr<int64_t>()[k];
    seen[size_t(id)] = true;
    for (int64_t d = 0; d < D; d++) q[id * D + d] = std::max(q[id * D + d], p[k * D + d]);
  }
  for (int64_t k = 0; k < segments; k++)
    if (!seen[size_t(k)]) std::fill(q + k * D, q + (k + 1) * D, 0.0f);
  return y;
}

Tensor reduce_rows(Reducer r, const Tensor& data, const Tensor& weights, const Tensor& ids, int64_t segments) {
  Tensor rows = data.scalar_type() == torch::kHalf ? data.to(torch::kFloat) : data;
  Dims1 s(rows.sizes().begin(), rows.sizes().end());
  s[0] = segments;
  auto sum = [&](const Tensor& x) { return torch::zeros(s, x.options()).index_add(0, ids, x); };
  switch (r) {
    case Reducer::Sum: return sum(rows);
    case Reducer::WeightedSum: return sum(rows * beside(weights.to(rows.scalar_type()), rows));
    case Reducer::Mean: return sum(rows) / beside(counts_of(ids, segments, rows.scalar_type()).clamp_min(1), rows);
    case Reducer::Max: return segment_max(rows.to(torch::kFloat), ids, segments).to(rows.scalar_type());
    default: {
      Tensor top = segment_max(rows.detach().to(torch::kFloat), ids, segments),
             e = sum((rows - top.index_select(0, ids)).exp());
      Tensor n = beside(counts_of(ids, segments, rows.scalar_type()), rows);
      if (r == Reducer::LogMeanExp) e = e / n.clamp_min(1);
      return torch::where(n > 0, e.log() + top, torch::zeros_like(e));
    }
  }
}

// Inputs: DATA, [SCALARS], [INDICES], SEGMENTS (or LENGTHS).
struct Rows {
  Tensor data, weights, ids;
  int64_t segments;
};
enum class By { Sorted, Unsorted, Lengths };

Rows rows_of(const Call& c, By by, bool weighted, bool sparse) {
  Rows r;
  size_t at = 1;
  Tensor data = c.X(0);
  C2_ENFORCE(data.dim() >= 1, "DATA should have at least one dimension");
  if (weighted) r.weights = c.X(at++).reshape({-1});
  r.data = sparse ? rows_at(data, c.X(at)) : data;
  at += sparse;
  Tensor last = c.X(at);
  if (by == By::Lengths) {
    r.ids = segments_of_lengths(last, r.data.size(0));
    r.segments = last.numel();
  } else {
    C2_ENFORCE(last.dim() == 1, "SEGMENT_IDS must be a vector");
    r.ids = last.to(torch::kLong).contiguous();
    C2_ENFORCE(r.ids.numel() == r.data.size(0),
               "SEGMENT_IDS must have the same length as outer dimension of DATA: ", r.data.size(0), ", got ",
               r.ids.numel());
    r.segments = by == By::Unsorted ? c.i("num_segments", -1) : -1;
    int64_t n = 0, before = 0;
    for (int64_t k = 0; k < r.ids.numel(); k++) {
      int64_t id = r.ids.data_ptr<int64_t>()[k];
      C2_ENFORCE(id >= 0 && id < (int64_t(1) << 31), "Segment indices out of range: ", id);
      C2_ENFORCE(by == By::Unsorted || id >= before, "Segment ids must be sorted");
      C2_ENFORCE(by == By::Unsorted || id <= before + 1, "Segment ids can't have gaps");
      C2_ENFORCE(r.segments < 0 || id < r.segments, "Segment id ", id, " is out of range, num_segments is ",
                 r.segments);
      before = id;
      n = std::max(n, id + 1);
    }
    if (r.segments < 0) r.segments = n;
  }
  C2_ENFORCE(!weighted || r.weights.numel() == r.data.size(0), "there are ", weighted ? r.weights.numel() : 0,
             " weights for ", r.data.size(0), " rows");
  return r;
}

// The gradient of each row: [SCALARS], GO, SEGMENTS, ...
void spread(Call& c, Reducer r, By by, size_t weights_at, size_t grad_at, size_t segments_at, const Tensor& data) {
  Tensor g = c.X(grad_at), last = c.X(segments_at);
  Tensor ids = by == By::Lengths ? segments_of_lengths(last, -1) : last.to(torch::kLong).contiguous();
  Tensor rows = rows_at(g, ids);
  if (r == Reducer::Mean)
    rows = rows / beside(counts_of(ids, g.size(0), g.scalar_type()).clamp_min(1).index_select(0, ids), rows);
  if (r == Reducer::WeightedSum) {
    if (data.defined()) c.set(1, (data.to(rows.scalar_type()) * rows).reshape({rows.size(0), -1}).sum(Dims1{1}));
    rows = rows * beside(c.X(weights_at).reshape({-1}).to(rows.scalar_type()), rows);
  }
  c.set(rows);
}

void add_family(Registry& r, By by, const char* prefix) {
  for (const Named& n : kPlain) {
    bool weighted = n.r == Reducer::WeightedSum;
    Reducer reducer = n.r;
    std::string base = n.name, forward = str(prefix, n.name);
    for (bool sparse : {false, true}) {
      std::string name = (sparse ? "Sparse" : "") + forward;
      std::string count = std::to_string(2 + weighted + sparse);
      r.op(name, count + " -> 1",
           [by, weighted, sparse, reducer](Call& c) {
             Rows rows = rows_of(c, by, weighted, sparse);
             c.set(reduce_rows(reducer, rows.data, rows.weights, rows.ids, rows.segments));
           })
          .apart()
          .grad([by, weighted, sparse, base, prefix](GradientMaker& m) {
            size_t last = m.op.inputs.size() - 1;
            bool on_weights = weighted && m.op.args.b("grad_on_weights");
            std::vector<std::string> in, out;
            if (weighted) in.push_back(m.I(1));
            in.push_back(m.GO(0)), in.push_back(m.I(last));
            std::string type;
            if (by == By::Lengths) {
              if (on_weights) {
                in.push_back(m.I(0));
                if (sparse) in.push_back(m.I(last - 1));
                type = str(sparse ? "SparseLengths" : "Lengths", base, "WithMainInputGradient");
              } else {
                in.push_back(sparse ? m.I(last - 1) : m.I(0));
                type = str(sparse ? "SparseLengths" : "Lengths", "IndicesInGradient", base, "Gradient");
              }
            } else {
              type = str(prefix, base, "Gradient");
            }
            out.push_back(sparse ? m.GI_values(0) : m.GI(0));
            if (on_weights) out.push_back(m.GI(1));
            if (sparse) m.set_sparse(0, m.I(last - 1), m.GI_values(0));
            m.add(type, in, out);
          });
      if (by == By::Lengths) {
        r.op(str(sparse ? "SparseLengths" : "Lengths", "IndicesInGradient", base, "Gradient"), "3-4 -> 1",
             [reducer, weighted](Call& c) { spread(c, reducer, By::Lengths, 0, weighted, weighted + 1u, {}); });
        r.op(str(sparse ? "SparseLengths" : "Lengths", base, "Gradient"), "2-4 -> 1",
             [reducer, weighted](Call& c) { spread(c, reducer, By::Lengths, 0, weighted, weighted + 1u, {}); });
        if (weighted) {
          Run both = [reducer, sparse](Call& c) {
            Tensor data = sparse ? rows_at(c.X(3), c.X(4)) : c.X(3);
            spread(c, reducer, By::Lengths, 0, 1, 2, data);
          };
          r.op(str(sparse ? "SparseLengths" : "Lengths", base, "WithMainInputGradient"), "4-5 -> 2", both);
          if (sparse) r.op("SparseLengthsIndicesInGradientWeightedSumWithMainInputGradient", "5 -> 2", both);
        }
      } else if (!sparse) {
        r.op(str(prefix, base, "Gradient"), "2-3 -> 1",
             [by, reducer, weighted](Call& c) { spread(c, reducer, by, 0, weighted, weighted + 1u, {}); });
      }
    }
  }
}

// How many there are of each number in a sorted list.
Tensor lengths_of_ids(Call& c) {
  Tensor ids = c.X().to(torch::kLong).contiguous();
  const auto* p = ids.data_ptr<int64_t>();
  int64_t n = c.has(1) ? c.X(1).size(0) : 0, before = 0;
  if (!c.has(1) && ids.numel()) n = std::clamp<int64_t>(p[ids.numel() - 1], -1, INT64_MAX - 1) + 1;
  Tensor out = torch::zeros({n}, torch::TensorOptions().dtype(torch::kInt));
  auto* count = out.data_ptr<int32_t>();
  for (int64_t k = 0; k < ids.numel(); k++) {
    C2_ENFORCE(p[k] >= before && p[k] < n, "Segment ids should be sorted and below ", n, ", got ", p[k]);
    before = p[k];
    count[before]++;
  }
  return out;
}

}  // namespace

void add_segment(Registry& r) {
  add_family(r, By::Sorted, "SortedSegment");
  add_family(r, By::Unsorted, "UnsortedSegment");
  add_family(r, By::Lengths, "Lengths");
  for (bool sparse : {false, true}) {
    std::string name = sparse ? "SparseLengthsMax" : "LengthsMax";
    r.op(name, sparse ? "3 -> 1" : "2 -> 1",
         [sparse](Call& c) {
           Rows rows = rows_of(c, By::Lengths, false, sparse);
           c.set(reduce_rows(Reducer::Max, rows.data, {}, rows.ids, rows.segments));
         })
        .apart()
        .grad([name, sparse](GradientMaker& m) {
          if (sparse) {
            m.set_sparse(0, m.I(1), m.GI_values(0));
            m.add(name + "WithMainInputAndForwardOutputGradient", {m.O(0), m.GO(0), m.I(2), m.I(0), m.I(1)},
                  {m.GI_values(0)});
          } else {
            m.add(name + "WithMainInputAndForwardOutputGradient", {m.O(0), m.GO(0), m.I(1), m.I(0)}, {m.GI(0)});
          }
        });
    r.op(name + "WithMainInputAndForwardOutputGradient", "4-5 -> 1", [sparse](Call& c) {
      Tensor y = c.X(0), g = c.X(1), data = sparse ? rows_at(c.X(3), c.X(4)) : c.X(3);
      Tensor ids = segments_of_lengths(c.X(2), data.size(0));
      c.set((data == rows_at(y, ids)).to(g.scalar_type()) * rows_at(g, ids));
    });
  }
  for (const Named& n : kRange) {
    Reducer reducer = n.r;
    std::string name = str("SortedSegmentRange", n.name);
    r.op(name, "2 -> 1",
         [reducer](Call& c) {
           Rows rows = rows_of(c, By::Sorted, false, false);
           c.set(reduce_rows(reducer, rows.data, {}, rows.ids, rows.segments));
         })
        .apart()
        .grad(name + "Gradient: I0 O0 GO0 I1 -> GI0");
    r.op(name + "Gradient", "4 -> 1", [name, reducer](Call& c) {
      Tensor x = c.X(0), g = c.X(2);
      Tensor ids = c.X(3).to(torch::kLong).contiguous();
      if (reducer == Reducer::Max) {
        c.set((x == rows_at(c.X(1), ids)).to(g.scalar_type()) * rows_at(g, ids));
        return;
      }
      c.set(derive(*Registry::get().find(name), c.op, {c.in[0], c.in[3]}, {0}, {g})[0]);
    });
  }
  r.op("SparseLengthsPositionalWeightedSum", "4 -> 1", [](Call& c) {
     Tensor data = rows_at(c.X(0), c.X(2)), w = c.X(1).reshape({-1});
     Tensor ids = segments_of_lengths(c.X(3), data.size(0));
     Dims1 at;
     for (int64_t n : c.whole_numbers(3))
       for (int64_t k = 0; k < n; k++) at.push_back(k);
     c.set(reduce_rows(Reducer::WeightedSum, data, rows_at(w, int_list(at)), ids, c.X(3).numel()));
   }).apart();

  // ---- lengths, segment ids, ranges and offsets
  r.op("LengthsToSegmentIds", "1 -> 1", [](Call& c) { c.set(segments_of_lengths(c.X(), -1).to(torch::kInt)); })
      .apart()
      .stop();
  r.op("LengthsToRanges", "1 -> 1",
       [](Call& c) {
         Tensor l = c.X().to(torch::kInt);
         c.set(torch::stack({(l.cumsum(0) - l).to(torch::kInt), l}, 1));
       })
      .apart()
      .stop();
  r.op("LengthsToOffsets", "1 -> 1",
       [](Call& c) {
         Tensor l = c.X().to(torch::kInt), o = (l.cumsum(0) - l).to(torch::kInt);
         c.set(c.b("include_last_offset") ? torch::cat({o, l.sum(torch::kInt).reshape({1})}) : o);
       })
      .apart()
      .stop();
  r.op("LengthsToShape", "1 -> 1",
       [](Call& c) {
         Dims1 l = c.whole_numbers(0);
         C2_ENFORCE(!l.empty(), "LENGTHS is empty");
         for (int64_t v : l) C2_ENFORCE(v == l[0], "the lengths differ: ", l);
         c.set(int_list({int64_t(l.size()), l[0]}, torch::kInt));
       })
      .apart()
      .stop();
  r.op("LengthsToWeights", "1 -> 1",
       [](Call& c) {
         Tensor ids = segments_of_lengths(c.X(), -1);
         c.set(rows_at(c.X().to(torch::kFloat).pow(-c.f("power", 0.5)), ids));
       })
      .apart()
      .stop();
  r.op("LengthsRangeFill", "1 -> 1",
       [](Call& c) {
         Dims1 lengths = c.whole_numbers(0);
         int64_t total = 0;
         for (int64_t& n : lengths) {
           n = std::max<int64_t>(n, 0);
           C2_ENFORCE(n < (int64_t(1) << 31) && total < (int64_t(1) << 40), "a length of ", n, " behind ", total);
           total += n;
         }
         Tensor out = torch::empty({total}, torch::TensorOptions().dtype(torch::kInt));
         auto* p = out.data_ptr<int32_t>();
         for (int64_t n : lengths)
           for (int64_t k = 0; k < n; k++) *p++ = int32_t(k);
         c.set(out);
       })
      .apart()
      .quiet();
  r.op("SegmentIdsToLengths", "1-2 -> 1", [](Call& c) { c.set(lengths_of_ids(c)); }).apart().stop();
  r.op("SegmentIdsToRanges", "1-2 -> 1",
       [](Call& c) {
         Tensor l = lengths_of_ids(c);
         c.set(torch::stack({(l.cumsum(0) - l).to(torch::kInt), l}, 1));
       })
      .apart()
      .stop();
  r.op("LengthsTile", "2 -> 1",
       [](Call& c) {
         C2_ENFORCE(c.X(1).dim() == 1 && c.X(1).numel() == c.X(0).size(0),
                    "LENGTHS should have one number for each of the ", c.X(0).size(0), " rows");
         c.set(rows_at(c.X(0), segments_of_lengths(c.X(1), -1)));
       })
      .apart()
      .grad("LengthsSum: GO0 I1 -> GI0");
  r.op("LengthsGather", "3 -> 1", [](Call& c) {
     Dims1 l = c.whole_numbers(1), at, offsets;
     int64_t total = 0;
     for (int64_t n : l) offsets.push_back(total), total += n;
     Tensor items = c.X(0);
     C2_ENFORCE(items.dim() >= 1 && total == items.size(0), "the lengths add up to ", total, ", for items of ",
                items.sizes());
     for (int64_t k : c.whole_numbers(2)) {
       C2_ENFORCE(k >= 0 && k < int64_t(l.size()), "Index ", k, " is out of range, there are ", l.size(), " lengths");
       for (int64_t j = 0; j < l[size_t(k)]; j++) at.push_back(offsets[size_t(k)] + j);
     }
     c.set(rows_at(items, int_list(at)));
   }).apart();
  r.op("LengthsPad", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0);
         Dims1 l = c.whole_numbers(1), s(x.sizes().begin(), x.sizes().end());
         int64_t target = c.i("target_length", -1), from = 0;
         C2_ENFORCE(target >= 1 && target < (int64_t(1) << 31), "target_length argument must be >= 1");
         std::vector<Tensor> parts;
         segments_of_lengths(c.X(1), x.size(0));
         for (int64_t n : l) {
           C2_ENFORCE(n <= target, "Length at index is larger than the target: ", n, " > ", target);
           parts.push_back(x.narrow(0, from, n));
           s[0] = target - n;
           parts.push_back(torch::full(s, c.f("padding_value", 0), x.options()));
           from += n;
         }
         s[0] = 0;
         if (parts.empty()) parts.push_back(torch::zeros(s, x.options()));
         c.set(torch::cat(parts, 0));
       })
      .apart()
      .quiet();
  r.op("LengthsTopK", "2 -> 2",
       [](Call& c) {
         int64_t k = c.i("k", -1), from = 0;
         C2_ENFORCE(k >= 1 && k < (int64_t(1) << 24), "k argument must be >= 1");
         Tensor x = c.X(0).contiguous();
         Dims1 l = c.whole_numbers(1);
         segments_of_lengths(c.X(1), x.numel());
         Tensor v = torch::zeros({int64_t(l.size()), k}),
                at = torch::full({int64_t(l.size()), k}, -1, torch::TensorOptions().dtype(torch::kInt));
         const float* p = c.data<float>(x);
         for (size_t s = 0; s < l.size(); from += l[s], s++) {
           std::vector<int64_t> order(static_cast<size_t>(l[s]));
           for (size_t j = 0; j < order.size(); j++) order[j] = int64_t(j);
           std::stable_sort(order.begin(), order.end(),
                            [&](int64_t a, int64_t b) { return p[from + a] > p[from + b]; });
           for (int64_t j = 0; j < std::min<int64_t>(k, l[s]); j++) {
             v.data_ptr<float>()[int64_t(s) * k + j] = p[from + order[size_t(j)]];
             at.data_ptr<int32_t>()[int64_t(s) * k + j] = int32_t(order[size_t(j)]);
           }
         }
         c.set(0, v), c.set(1, at);
       })
      .apart()
      .grad("LengthsTopKGradient: I1 O1 GO0 -> GI0");
  r.op("LengthsTopKGradient", "3 -> 1", [](Call& c) {
    Dims1 l = c.whole_numbers(0), at = c.whole_numbers(1);
    Tensor g = c.X(2).contiguous();
    int64_t k = c.i("k", -1), total = 0;
    C2_ENFORCE(k >= 1 && g.numel() == int64_t(l.size()) * k && int64_t(at.size()) == g.numel(), "the shapes don't fit");
    for (int64_t n : l) total += n;
    Tensor d = torch::zeros({total});
    int64_t from = 0;
    for (size_t s = 0; s < l.size(); from += l[s], s++)
      for (int64_t j = 0; j < k; j++) {
        int64_t to = at[s * size_t(k) + size_t(j)];
        if (to >= 0 && to < l[s]) d.data_ptr<float>()[from + to] = c.data<float>(g)[int64_t(s) * k + j];
      }
    c.set(d);
  });
  r.op("LengthsSplit", "1-2 -> 1",
       [](Call& c) {
         int64_t n = c.has(1) ? int64_t(c.number(1)) : c.i("n_split", -1);
         C2_ENFORCE(n > 0 && n < (int64_t(1) << 24), "`n_split` must contain a positive value for defined behavior.");
         Dims1 out;
         for (int64_t l : c.whole_numbers(0))
           for (int64_t k = 0; k < n; k++) out.push_back(l / n + (k < l % n));
         c.set(int_list(out, torch::kInt));
       })
      .apart()
      .stop();
  r.op("SegmentOneHot", "3 -> 1",
       [](Call& c) {
         Dims1 l = c.whole_numbers(0), at = c.whole_numbers(1);
         int64_t n = c.whole_numbers(2).at(0);
         C2_ENFORCE(n > 0 && n < (int64_t(1) << 24), "index size must be above 0");
         Tensor y = torch::zeros({int64_t(l.size()), n}), ids = segments_of_lengths(c.X(0), int64_t(at.size()));
         for (size_t k = 0; k < at.size(); k++) {
           C2_ENFORCE(at[k] >= 0 && at[k] < n, "index ", at[k], " is out of range [0, ", n, ")");
           y.data_ptr<float>()[ids.data_ptr<int64_t>()[k] * n + at[k]] = 1;
         }
         c.set(y);
       })
      .apart()
      .quiet();
}

}  // namespace rushlight::caffe2
