// Boxes: pools over regions, transforms, suppression.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/operator.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/op.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

float overlap(const float* a, const float* b, float one) {
  float w = std::max(0.0f, std::min(a[2], b[2]) - std::max(a[0], b[0]) + one),
        h = std::max(0.0f, std::min(a[3], b[3]) - std::max(a[1], b[1]) + one);
  float inside = w * h, A = (a[2] - a[0] + one) * (a[3] - a[1] + one), B = (b[2] - b[0] + one) * (b[3] - b[1] + one);
  return inside / (A + B - inside);
}

// The boxes that stay, in the order of their scores.
std::vector<int64_t> suppress(const std::vector<const float*>& boxes, const std::vector<float>& scores,
                              double threshold, float one) {
  std::vector<int64_t> order(scores.size()), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[size_t(a)] > scores[size_t(b)]; });
  for (int64_t i : order) {
    bool good = true;
    for (int64_t k : kept) good = good && overlap(boxes[size_t(i)], boxes[size_t(k)], one) <= float(threshold);
    if (good) kept.push_back(i);
  }
  return kept;
}

// The same, where boxes lose of their scores what those before them cover: by a bell of width `sigma`, or in a straight line if that is 0.
std::vector<int64_t> suppress_softly(const std::vector<const float*>& boxes, std::vector<float>& scores,
                                     double threshold, float one, double sigma, double least) {
  std::vector<int64_t> pending(scores.size()), kept;
  std::iota(pending.begin(), pending.end(), 0);
  while (!pending.empty()) {
    auto best = std::max_element(pending.begin(), pending.end(),
                                 [&](int64_t a, int64_t b) { return scores[size_t(a)] < scores[size_t(b)]; });
    int64_t i = *best;
    kept.push_back(i);
    pending.erase(best);
    std::erase_if(pending, [&](int64_t k) {
      double o = overlap(boxes[size_t(i)], boxes[size_t(k)], one);
      scores[size_t(k)] *= float(sigma > 0 ? std::exp(-o * o / sigma) : o > threshold ? 1 - o : 1);
      return scores[size_t(k)] <= float(least);
    });
  }
  return kept;
}

void box_with_nms_limit(Call& c) {
  Tensor scores = c.X(0).contiguous(), boxes = c.X(1).contiguous();
  int64_t N = scores.size(0), C = scores.size(1);
  bool background = c.b("input_boxes_include_bg_cls", true), shown = c.b("output_classes_include_bg_cls", true),
       agnostic = c.b("cls_agnostic_bbox_reg");
  C2_ENFORCE(scores.dim() == 2 && boxes.dim() == 2 && boxes.size(0) == N, "scores of ", scores.sizes(),
             " and boxes of ", boxes.sizes(), " don't fit");
  // Class 0 is the background, which boxes have or not; where they haven't, the scores' columns begin with class 1 as well.
  int64_t classes = boxes.size(1) / 4, first = 1, missing = background ? 0 : 1;
  C2_ENFORCE(agnostic ? classes > 0 : classes == C - missing, "there are ", classes, " boxes for ", C, " classes");
  bool soft = c.b("soft_nms_enabled");
  double sigma = c.f("soft_nms_sigma", 0.5), least_soft = c.f("soft_nms_min_score_thres", 0.001);
  std::string method = c.s("soft_nms_method", "linear");
  C2_ENFORCE(!soft || method == "linear" || method == "gaussian", "Unexpected soft_nms_method: ", method);
  double thresh = c.f("score_thresh", 0.05), nms = c.f("nms", 0.3);
  int64_t limit = c.i("detections_per_im", 100);
  float one = c.b("legacy_plus_one", true) ? 1.0f : 0.0f;
  const float *s = c.data<float>(scores), *b = c.data<float>(boxes);
  Dims1 splits{N};
  if (c.has(2)) splits = c.whole_numbers(2);
  struct Hit {
    float score;
    const float* box;
    int64_t cls, row;
  };
  std::vector<Hit> all;
  std::vector<float> counts;
  Dims1 per_class(static_cast<size_t>(C));
  int64_t from = 0;
  for (int64_t n : splits) {
    C2_ENFORCE(n >= 0 && from + n <= N, "the batch splits don't add up to ", N);
    std::vector<Hit> mine;
    for (int64_t k = first; k < C; k++) {
      std::vector<const float*> at;
      std::vector<float> score;
      Dims1 rows;
      for (int64_t i = from; i < from + n; i++)
        if (s[i * C + k - missing] > float(thresh))
          at.push_back(b + i * boxes.size(1) + (agnostic ? 0 : (k - missing) * 4)),
              score.push_back(s[i * C + k - missing]), rows.push_back(i);
      for (int64_t i : soft ? suppress_softly(at, score, nms, one, method == "linear" ? 0 : sigma, least_soft)
                            : suppress(at, score, nms, one))
        mine.push_back({score[size_t(i)], at[size_t(i)], k, rows[size_t(i)]});
    }
    if (limit > 0 && int64_t(mine.size()) > limit) {
      std::vector<float> sorted;
      for (const Hit& h : mine) sorted.push_back(h.score);
      std::sort(sorted.begin(), sorted.end(), std::greater<float>());
      float least = sorted[size_t(limit - 1)];
      std::erase_if(mine, [&](const Hit& h) { return h.score < least; });
      if (int64_t(mine.size()) > limit) mine.resize(size_t(limit));
    }
    counts.push_back(float(mine.size()));
    all.insert(all.end(), mine.begin(), mine.end());
    from += n;
  }
  auto M = int64_t(all.size());
  Tensor os = torch::empty({M}), ob = torch::empty({M, 4}), oc = torch::empty({M}),
         keep = torch::empty({M}, torch::TensorOptions().dtype(torch::kInt));
  for (int64_t i = 0; i < M; i++) {
    const Hit& h = all[size_t(i)];
    os.data_ptr<float>()[i] = h.score;
    std::copy(h.box, h.box + 4, ob.data_ptr<float>() + i * 4);
    oc.data_ptr<float>()[i] = float(h.cls - (shown ? 0 : 1));
    keep.data_ptr<int32_t>()[i] = int32_t(h.row);
    per_class[size_t(h.cls)]++;
  }
  c.set(0, os), c.set(1, ob), c.set(2, oc);
  Tensor bs = torch::empty({int64_t(counts.size())});
  std::copy(counts.begin(), counts.end(), bs.data_ptr<float>());
  c.set(3, bs), c.set(4, keep), c.set(5, int_list(per_class, torch::kInt));
}

// The greatest element of each bin of each region; where a bin has none, 0.
void roi_pool(Call& c) {
  Tensor x = c.X(0).contiguous(), rois = c.X(1).contiguous();
  C2_ENFORCE(x.dim() == 4 && rois.dim() == 2 && rois.size(1) == 5, "RoIPool: pictures of ", x.sizes(),
             " and regions of ", rois.sizes());
  int64_t ph = c.i("pooled_h", 1), pw = c.i("pooled_w", 1), R = rois.size(0), C = x.size(1), H = x.size(2),
          W = x.size(3);
  C2_ENFORCE(ph > 0 && pw > 0 && ph < 4096 && pw < 4096, "pooled_h and pooled_w should be above 0");
  double scale = c.f("spatial_scale", 1);
  Tensor y = torch::zeros({R, C, ph, pw}),
         arg = torch::full({R, C, ph, pw}, -1, torch::TensorOptions().dtype(torch::kInt));
  const float *p = c.data<float>(x), *r = c.data<float>(rois);
  for (int64_t n = 0; n < R; n++) {
    const float* roi = r + n * 5;
    auto image = int64_t(roi[0]);
    C2_ENFORCE(image >= 0 && image < x.size(0), "RoIPool: region ", n, " is of picture ", image, ", there are ",
               x.size(0));
    auto at = [&](int k) { return int64_t(std::clamp(std::round(double(roi[k]) * scale), -1e9, 1e9)); };
    int64_t x1 = at(1), y1 = at(2), h = std::max<int64_t>(at(4) - y1 + 1, 1), w = std::max<int64_t>(at(3) - x1 + 1, 1);
    for (int64_t i = 0; i < ph; i++)
      for (int64_t j = 0; j < pw; j++) {
        auto low = [](int64_t k, int64_t n_, int64_t bins, int64_t start, int64_t top) {
          return std::clamp<int64_t>(int64_t(std::floor(double(k) * double(n_) / double(bins))) + start, 0, top);
        };
        auto high = [](int64_t k, int64_t n_, int64_t bins, int64_t start, int64_t top) {
          return std::clamp<int64_t>(int64_t(std::ceil(double(k + 1) * double(n_) / double(bins))) + start, 0, top);
        };
        int64_t h0 = low(i, h, ph, y1, H), h1 = high(i, h, ph, y1, H), w0 = low(j, w, pw, x1, W),
                w1 = high(j, w, pw, x1, W);
        for (int64_t k = 0; k < C; k++) {
          if (h1 <= h0 || w1 <= w0) continue;
          const float* plane = p + (image * C + k) * H * W;
          float best = -std::numeric_limits<float>::max();
          int32_t where = -1;
          for (int64_t a = h0; a < h1; a++)
            for (int64_t b = w0; b < w1; b++)
              if (plane[a * W + b] > best) best = plane[a * W + b], where = int32_t(a * W + b);
          int64_t o = ((n * C + k) * ph + i) * pw + j;
          y.data_ptr<float>()[o] = best, arg.data_ptr<int32_t>()[o] = where;
        }
      }
  }
  c.set(0, y), c.set(1, arg);
}

void bbox_transform(Call& c) {
  Tensor rois = c.X(0).to(torch::kDouble), deltas = c.X(1).to(torch::kDouble), info = c.X(2).to(torch::kDouble);
  std::vector<double> weights = c.op.args.floats("weights");
  if (weights.empty()) weights = {1, 1, 1, 1};
  bool scaled = c.b("apply_scale", true), legacy = c.b("legacy_plus_one", true), rotated = c.b("rotated");
  C2_ENFORCE(!rotated, "rotated boxes are not supported");
  int64_t N = rois.size(0);
  C2_ENFORCE(weights.size() == 4 && rois.dim() == 2 && (rois.size(1) == 4 || rois.size(1) == 5) && deltas.dim() == 2 &&
                 deltas.size(0) == N && deltas.size(1) % 4 == 0 && info.size(-1) >= 3,
             "BBoxTransform: the inputs' shapes don't fit");
  Tensor batch = rois.size(1) == 5 ? rois.select(1, 0).to(torch::kLong)
                                   : torch::zeros({N}, torch::TensorOptions().dtype(torch::kLong));
  C2_ENFORCE(N == 0 || (batch.min().item<int64_t>() >= 0 && batch.max().item<int64_t>() < info.size(0)),
             "a region's picture is out of range");
  Tensor box = rois.narrow(1, rois.size(1) - 4, 4), im = info.index_select(0, batch),
         scale = im.select(1, 2).reshape({-1, 1});
  if (scaled || true) box = box / scale;
  double one = legacy ? 1 : 0;
  auto col = [](const Tensor& t, int64_t k) { return t.select(-1, k); };
  Tensor w = (col(box, 2) - col(box, 0) + one).unsqueeze(1), h = (col(box, 3) - col(box, 1) + one).unsqueeze(1);
  Tensor cx = col(box, 0).unsqueeze(1) + 0.5 * w, cy = col(box, 1).unsqueeze(1) + 0.5 * h;
  Tensor d = deltas.reshape({N, deltas.size(1) / 4, 4});
  double top = std::log(1000.0 / 16.0);
  Tensor dx = col(d, 0) / weights[0], dy = col(d, 1) / weights[1], dw = (col(d, 2) / weights[2]).clamp_max(top),
         dh = (col(d, 3) / weights[3]).clamp_max(top);
  Tensor px = dx * w + cx, py = dy * h + cy, pw = dw.exp() * w, ph = dh.exp() * h;
  Tensor W = (im.select(1, 1).reshape({-1, 1}) / scale).round() - one,
         H = (im.select(1, 0).reshape({-1, 1}) / scale).round() - one;
  auto clip = [](const Tensor& v, const Tensor& most) { return torch::minimum(v.clamp_min(0), most); };
  Tensor out = torch::stack({clip(px - 0.5 * pw, W), clip(py - 0.5 * ph, H), clip(px + 0.5 * pw - one, W),
                             clip(py + 0.5 * ph - one, H)},
                            -1)
                   .reshape(deltas.sizes());
  if (scaled) out = out * scale;
  c.set(0, out.to(torch::kFloat));
  Tensor counts = torch::zeros({info.size(0)}).index_add(0, batch, torch::ones({N}));
  c.set(1, counts);
}

// Boxes that anchors at each place of a picture and predicted changes of them make: those with the best scores, without what overlaps them.
void generate_proposals(Call& c) {
  Tensor scores = c.X(0).contiguous(), deltas = c.X(1).contiguous(), info = c.X(2).contiguous(),
         anchors = c.X(3).contiguous();
  C2_ENFORCE(scores.dim() == 4, "GenerateProposals: scores of ", scores.dim(), " dimensions, not 4");
  int64_t N = scores.size(0), A = scores.size(1), H = scores.size(2), W = scores.size(3), K = H * W;
  C2_ENFORCE(anchors.dim() == 2 && anchors.size(1) != 5, "GenerateProposals: rotated boxes are not supported");
  C2_ENFORCE(deltas.sizes() == torch::IntArrayRef({N, 4 * A, H, W}) && info.sizes() == torch::IntArrayRef({N, 3}) &&
                 anchors.sizes() == torch::IntArrayRef({A, 4}),
             "GenerateProposals: scores of ", scores.sizes(), ", changes of ", deltas.sizes(), ", sizes of ",
             info.sizes(), " and anchors of ", anchors.sizes(), " don't fit");
  double scale = c.f("spatial_scale", 1.0 / 16);
  C2_ENFORCE(scale > 0, "spatial_scale should be above 0, got ", scale);
  float stride = float(1 / scale), one = c.b("legacy_plus_one", true) ? 1.0f : 0.0f;
  int64_t before = c.i("pre_nms_topN", 6000), after = c.i("post_nms_topN", 300);
  double threshold = c.f("nms_thresh", 0.7), min_size = c.f("min_size", 16);
  const float *s = c.data<float>(scores), *d = c.data<float>(deltas), *im = c.data<float>(info),
              *a = c.data<float>(anchors);
  const float top = std::log(1000.0f / 16.0f);
  std::vector<float> rois, probabilities;
  for (int64_t n = 0; n < N; n++) {
    float height = im[n * 3], width = im[n * 3 + 1], least = float(min_size) * im[n * 3 + 2];
    struct Box {
      float at[4];
      float score;
    };
    std::vector<Box> boxes;
    for (int64_t k = 0; k < K; k++)
      for (int64_t j = 0; j < A; j++) {
        float left = a[j * 4] + float(k % W) * stride, up = a[j * 4 + 1] + float(k / W) * stride;
        float w = a[j * 4 + 2] - a[j * 4] + one, h = a[j * 4 + 3] - a[j * 4 + 1] + one;
        auto change = [&](int64_t i) { return d[((n * A + j) * 4 + i) * K + k]; };
        float x = change(0) * w + left + 0.5f * w, y = change(1) * h + up + 0.5f * h;
        float pw = std::exp(std::min(change(2), top)) * w, ph = std::exp(std::min(change(3), top)) * h;
        auto clip = [&](float v, float most) { return std::max(std::min(v, most - one), 0.0f); };
        Box b{{clip(x - 0.5f * pw, width), clip(y - 0.5f * ph, height), clip(x + 0.5f * pw - one, width),
               clip(y + 0.5f * ph - one, height)},
              s[(n * A + j) * K + k]};
        float bw = b.at[2] - b.at[0] + one, bh = b.at[3] - b.at[1] + one;
        if (bw >= least && bh >= least && b.at[0] + bw / 2 < width && b.at[1] + bh / 2 < height) boxes.push_back(b);
      }
    std::stable_sort(boxes.begin(), boxes.end(), [](const Box& p, const Box& q) { return p.score > q.score; });
    if (before > 0 && int64_t(boxes.size()) > before) boxes.resize(size_t(before));
    std::vector<const Box*> kept;
    for (const Box& b : boxes) {
      if (after > 0 && int64_t(kept.size()) >= after) break;
      bool good = true;
      for (const Box* k : kept) good = good && overlap(b.at, k->at, one) <= float(threshold);
      if (good) kept.push_back(&b);
    }
    for (const Box* b : kept) {
      rois.push_back(float(n));
      rois.insert(rois.end(), b->at, b->at + 4);
      probabilities.push_back(b->score);
    }
  }
  auto M = int64_t(probabilities.size());
  Tensor r = torch::empty({M, 5}), p = torch::empty({M});
  std::copy(rois.begin(), rois.end(), r.data_ptr<float>());
  std::copy(probabilities.begin(), probabilities.end(), p.data_ptr<float>());
  c.set(0, r), c.set(1, p);
}

// Regions of all levels of a pyramid: the best of them, and those again by the level that their size asks for. The last output puts the
// concatenated levels into the first output's order.
// Ranges of levels, by their arguments.
std::pair<int64_t, int64_t> levels_of(const Call& c, const char* which, int64_t low, int64_t high) {
  low = c.i(str(which, "_min_level"), low), high = c.i(str(which, "_max_level"), high);
  C2_ENFORCE(high >= low && uint64_t(high) - uint64_t(low) < 64, "the levels ", low, " to ", high, " are no range");
  return {low, high};
}

// Regions of all levels, those with the best scores first.
Tensor collected(const Call& c) {
  auto [from, to] = levels_of(c, "rpn", 2, 6);
  int64_t most = c.i("post_nms_topN", c.i("rpn_post_nms_topN", 2000));
  auto levels = size_t(to - from + 1);
  C2_ENFORCE(c.inputs() == 2 * levels, "there are ", levels, " levels, and ", c.inputs(), " inputs");
  std::vector<Tensor> regions, values;
  for (size_t k = 0; k < levels; k++) {
    regions.push_back(c.X(k)), values.push_back(c.X(levels + k).reshape({-1}));
    C2_ENFORCE(regions[k].dim() == 2 && regions[k].size(1) == 5 && values[k].numel() == regions[k].size(0),
               "regions of ", regions[k].sizes(), " and scores of ", values[k].sizes(), " don't fit");
  }
  Tensor order = std::get<1>(torch::cat(values, 0).sort(/*stable=*/true, 0, /*descending=*/true));
  if (most > 0 && order.numel() > most) order = order.narrow(0, 0, most);
  return torch::cat(regions, 0).index_select(0, order).contiguous();
}

// Regions by the level that fits their size, as outputs from `at` on, and where each of them went.
void distribute(Call& c, const Tensor& regions, size_t at) {
  auto [low, high] = levels_of(c, "roi", 2, 5);
  auto wanted = size_t(high - low + 1);
  C2_ENFORCE(c.outputs() == at + wanted + 1, "there are ", wanted, " levels of regions, and ", c.outputs(), " outputs");
  C2_ENFORCE(regions.dim() == 2 && (regions.size(1) == 4 || regions.size(1) == 5), "regions of ", regions.sizes());
  double scale = double(c.i("roi_canonical_scale", 224)), canonical = double(c.i("roi_canonical_level", 4));
  float one = c.b("legacy_plus_one", true) ? 1.0f : 0.0f;
  Tensor rois = regions.contiguous();
  std::vector<std::vector<int64_t>> by_level(wanted);
  const float* p = c.data<float>(rois);
  int64_t width = rois.size(1);
  for (int64_t k = 0; k < rois.size(0); k++) {
    const float* b = p + k * width + width - 4;
    float area = (b[2] - b[0] + one) * (b[3] - b[1] + one);
    C2_ENFORCE(area >= 0, "Negative areas found: region ", k);
    double level = std::floor(canonical + std::log2(std::sqrt(double(area)) / scale + 1e-6));
    by_level[size_t(std::clamp(level, double(low), double(high)) - double(low))].push_back(k);
  }
  std::vector<int64_t> back(static_cast<size_t>(rois.size(0)));
  int64_t place = 0;
  for (size_t k = 0; k < wanted; k++) {
    c.set(at + k, rois.index_select(0, int_list(by_level[k])));
    for (int64_t i : by_level[k]) back[size_t(i)] = place++;
  }
  c.set(at + wanted, int_list(back, torch::kInt));
}

// Samples of regions, by the operator of rushlight/vision; regions without the number of their picture are of the first.
Tensor roi_align(const Call& c) {
  Tensor x = c.nhwc() ? to_nchw(c.X(0)) : c.X(0), rois = c.X(1);
  C2_ENFORCE(x.dim() == 4 && rois.dim() == 2 && (rois.size(1) == 4 || rois.size(1) == 5), "RoIAlign: pictures of ",
             x.sizes(), " and regions of ", rois.sizes());
  if (rois.size(1) == 4) rois = torch::cat({torch::zeros({rois.size(0), 1}, rois.options()), rois}, 1);
  load_provided("torchvision::roi_align");
  const rushlight::Op* op = OpTable::get().find("torchvision::roi_align");
  C2_ENFORCE(op, "RoIAlign wants rushlight's library of operators on images, which is not there");
  IValue args[] = {rushlight::Tensor(x.contiguous()),
                   rushlight::Tensor(rois.to(x.scalar_type()).contiguous()),
                   c.f("spatial_scale", 1),
                   c.i("pooled_h", 1),
                   c.i("pooled_w", 1),
                   c.i("sampling_ratio", -1),
                   c.b("aligned")};
  IValue ret;
  rushlight::call(*op, args, &ret);
  Tensor y(ret.tensor());
  return c.nhwc() ? to_nhwc(y) : y;
}

}  // namespace

void add_detect(Registry& r) {
  r.op("RoIAlign", "2 -> 1", [](Call& c) { c.set(roi_align(c)); }).apart().grad("RoIAlignGradient: I0 I1 GO0 -> GI0");
  r.op("GenerateProposals", "4 -> 2", generate_proposals).stop().also("GenerateProposalsCPP");
  r.op("CollectAndDistributeFpnRpnProposals", "2+ -> 3+", [](Call& c) {
     Tensor rois = collected(c);
     c.set(0, rois);
     distribute(c, rois, 1);
   }).stop();
  r.op("CollectRpnProposals", "2+ -> 1", [](Call& c) { c.set(collected(c)); }).stop();
  r.op("DistributeFpnProposals", "1 -> 2+", [](Call& c) { distribute(c, c.X(0), 0); }).stop();
  r.op("BoxWithNMSLimit", "2-6 -> 3-6", box_with_nms_limit).stop();
  r.op("RoIPool", "2 -> 1-2", roi_pool).apart().grad([](GradientMaker& m) {
    m.add("RoIPoolGradient", {m.I(0), m.I(1), m.O(1), m.GO(0)}, {m.GI(0)});
  });
  r.op("RoIPoolGradient", "4 -> 1", [](Call& c) {
    Tensor x = c.X(0), rois = c.X(1), at = c.X(2).to(torch::kLong), g = c.X(3);
    Tensor d = torch::zeros({x.size(0), x.size(1), x.size(2) * x.size(3)}, x.options());
    for (int64_t n = 0; n < rois.size(0); n++) {
      int64_t image = rois.select(0, n).select(0, 0).to(torch::kLong).item<int64_t>();
      C2_ENFORCE(image >= 0 && image < x.size(0), "RoIPool: region ", n, " is of picture ", image);
      Tensor where = at.select(0, n).reshape({x.size(1), -1}), valid = where >= 0;
      d.select(0, image).copy_(d.select(0, image).scatter_add(
          1, where.clamp_min(0), g.select(0, n).reshape({x.size(1), -1}) * valid.to(g.scalar_type())));
    }
    c.set(d.reshape(x.sizes()));
  });
  r.op("BBoxTransform", "3 -> 1-2", bbox_transform).stop();
}

}  // namespace rushlight::caffe2
