// Operators of the namespace onnx: what ONNX has, no composite of others says well, and translators call.
#include <torch/library.h>
#include <torch/torch.h>

#include <cmath>
#include <regex>

#include "rushlight/data/image.h"
#include "rushlight/onnx/export.h"
#include "rushlight/onnx/onnx.h"
#include "rushlight/onnx/proto.h"
#include "rushlight/script/import.h"

namespace rushlight::onnx {
namespace {

using torch::Tensor;
using Ints = torch::IntArrayRef;

Tensor on_cpu(const Tensor& t, torch::ScalarType type) { return t.to(torch::kCPU).to(type).contiguous(); }

// ---- small floats ----------------------------------------------------------------------------------------------------------------

// A float kind: exponent and mantissa bits, bias, and what stands at the top of its range.
struct SmallFloat {
  int exponent, mantissa, bias;
  uint8_t largest, nan;
  bool has_infinity, negative_zero;
};

SmallFloat kind_of(int64_t elem) {
  switch (elem) {
    case kFloat8e4m3fn: return {4, 3, 7, 0x7e, 0x7f, false, true};
    case kFloat8e4m3fnuz: return {4, 3, 8, 0x7f, 0x80, false, false};
    case kFloat8e5m2: return {5, 2, 15, 0x7b, 0x7f, true, true};
    case kFloat8e5m2fnuz: return {5, 2, 16, 0x7f, 0x80, false, false};
    default: return {2, 1, 1, 0x07, 0x07, false, true};  // float4e2m1
  }
}

// The nearest of its values, of two the even one. Past the largest: that, or infinity or NaN where it doesn't saturate.
uint8_t small_float(float v, const SmallFloat& k, bool saturate) {
  uint8_t sign = std::signbit(v) ? 0x80 : 0;
  int bits = k.exponent + k.mantissa;
  if (bits < 7) sign = std::signbit(v) ? uint8_t(1 << bits) : 0;
  auto over = [&](bool infinite) -> uint8_t {
    if (saturate) return sign | k.largest;
    if (k.has_infinity) return sign | uint8_t(k.largest + 1);
    (void)infinite;
    return k.negative_zero ? uint8_t(sign | k.nan) : k.nan;
  };
  if (std::isnan(v)) return k.negative_zero ? uint8_t((bits < 7 ? 0 : sign) | k.nan) : k.nan;
  if (std::isinf(v)) return over(true);
  double a = std::fabs(double(v));
  int e = 0;
  if (a > 0) std::frexp(a, &e);
  e = std::max(e - 1, 1 - k.bias);  // of the step: below that values are subnormal
  double step = std::ldexp(1.0, e - k.mantissa);
  double n = std::nearbyint(a / step);
  int64_t code = int64_t(n);
  if (code >= int64_t(2) << k.mantissa) {
    e++;
    code >>= 1;
  }
  if (code >= int64_t(1) << k.mantissa) code += int64_t(e - (1 - k.bias)) << k.mantissa;
  if (code > k.largest) return over(false);
  if (code == 0 && !k.negative_zero) return 0;
  return sign | uint8_t(code);
}

uint8_t e8m0(float v, bool saturate, const std::string& mode) {
  if (std::isnan(v) || v < 0) return 0xff;
  if (std::isinf(v)) return saturate ? 0xfe : 0xff;
  if (v == 0) return 0;
  int e;
  float m = std::frexp(v, &e);  // v = m * 2^e, m in [0.5, 1)
  int power = e - 1;
  bool up = mode == "up" ? m > 0.5f : mode == "nearest" ? m >= 0.75f : false;
  if (up) power++;
  int code = power + 127;
  if (code > 254) return saturate ? 0xfe : 0xff;
  return uint8_t(std::max(code, 0));
}

Tensor to_small_float(const Tensor& x, int64_t elem, bool saturate, c10::string_view mode) {
  Tensor in = on_cpu(x, torch::kFloat);
  Tensor out = torch::empty(in.sizes(), torch::kUInt8);
  const float* from = in.data_ptr<float>();
  auto* to = out.data_ptr<uint8_t>();
  SmallFloat k = kind_of(elem);
  std::string how(mode);
  constexpr uint8_t four[16] = {0x00, 0x30, 0x38, 0x3c, 0x40, 0x44, 0x48, 0x4c,
                                0x80, 0xb0, 0xb8, 0xbc, 0xc0, 0xc4, 0xc8, 0xcc};
  for (int64_t i = 0; i < in.numel(); i++) {
    if (elem == kFloat8e8m0) to[i] = e8m0(from[i], saturate, how);
    else if (elem == kFloat4e2m1)
      to[i] = std::isnan(from[i]) ? 0x80 : four[small_float(from[i], k, true) & 15];  // it has no NaN
    else to[i] = small_float(from[i], k, saturate);
  }
  torch::ScalarType type = elem == kFloat8e4m3fnuz   ? torch::kFloat8_e4m3fnuz
                           : elem == kFloat8e5m2     ? torch::kFloat8_e5m2
                           : elem == kFloat8e5m2fnuz ? torch::kFloat8_e5m2fnuz
                           : elem == kFloat8e8m0     ? torch::kFloat8_e8m0fnu
                                                     : torch::kFloat8_e4m3fn;
  return out.view(type);
}

Tensor from_e8m0(const Tensor& x) {
  Tensor in = x.view(torch::kUInt8).contiguous(), out = torch::empty(in.sizes(), torch::kFloat);
  for (int64_t i = 0; i < in.numel(); i++) {
    uint8_t code = in.data_ptr<uint8_t>()[i];
    out.data_ptr<float>()[i] = code == 0xff ? NAN : float(std::ldexp(1.0, int(code) - 127));
  }
  return out;
}

// Of integers the low bits, as casts between integers do; floats are rounded towards zero first.
Tensor to_small_int(const Tensor& x, int64_t elem) {
  int bits = elem == kInt4 || elem == kUint4 ? 4 : 2;
  bool is_signed = elem == kInt4 || elem == kInt2;
  Tensor in = on_cpu(x, torch::kLong);
  Tensor out = torch::empty(in.sizes(), is_signed ? torch::kChar : torch::kByte);
  auto* to = static_cast<uint8_t*>(out.data_ptr());
  for (int64_t i = 0; i < in.numel(); i++) {
    auto low = uint8_t(uint64_t(in.data_ptr<int64_t>()[i]) & ((1u << bits) - 1));
    to[i] = is_signed && (low >> (bits - 1)) ? uint8_t(low | (0xff << bits)) : low;
  }
  return out;
}

// ---- lists -----------------------------------------------------------------------------------------------------------------------

std::vector<int64_t> ints(const Tensor& x) {
  Tensor in = on_cpu(x, torch::kLong);
  return {in.data_ptr<int64_t>(), in.data_ptr<int64_t>() + in.numel()};
}
std::vector<double> floats(const Tensor& x) {
  Tensor in = on_cpu(x, torch::kDouble);
  return {in.data_ptr<double>(), in.data_ptr<double>() + in.numel()};
}

// ---- strings ---------------------------------------------------------------------------------------------------------------------

// Numbers as ONNX writes them: integers plainly, floats with as few digits as read back to the same.
std::vector<std::string> texts(const Tensor& x) {
  std::vector<std::string> out;
  out.reserve(size_t(x.numel()));
  if (x.is_floating_point()) {
    bool wide = x.scalar_type() == torch::kDouble;
    Tensor in = on_cpu(x, torch::kDouble);
    for (int64_t i = 0; i < in.numel(); i++) {
      double v = in.data_ptr<double>()[i];
      if (std::isnan(v)) {
        out.push_back("NaN");
      } else if (std::isinf(v)) {
        out.push_back(v > 0 ? "INF" : "-INF");
      } else {
        char text[40];
        for (int digits = 1; digits <= 17; digits++) {
          std::snprintf(text, sizeof text, "%.*g", digits, v);
          if (wide ? std::strtod(text, nullptr) == v : std::strtof(text, nullptr) == float(v)) break;
        }
        out.emplace_back(text);
      }
    }
    return out;
  }
  Tensor in = on_cpu(x, torch::kLong);
  for (int64_t i = 0; i < in.numel(); i++) {
    int64_t v = in.data_ptr<int64_t>()[i];
    if (x.scalar_type() == torch::kBool) out.emplace_back(v ? "1" : "0");
    else out.push_back(std::to_string(v));
  }
  return out;
}

Tensor full_match(const std::vector<std::string>& all, c10::string_view pattern) {
  // The library's matcher recurses once for each character.
  constexpr size_t kLongest = 10'000;
  TORCH_CHECK(pattern.size() <= 1000, "RegexFullMatch: a pattern of ", pattern.size(), " characters; the most is 1000");
  Tensor out = torch::empty({int64_t(all.size())}, torch::kBool);
  try {
    std::regex re{std::string(pattern)};
    for (size_t i = 0; i < all.size(); i++) {
      TORCH_CHECK(all[i].size() <= kLongest, "RegexFullMatch: a string of ", all[i].size(), " characters; the most is ",
                  kLongest);
      out.data_ptr<bool>()[i] = std::regex_match(all[i], re);
    }
  } catch (const std::regex_error&) {
    TORCH_CHECK(false, "RegexFullMatch: '", std::string(pattern), "' is no regular expression that is known");
  }
  return out;
}

// How often each n-gram of a pool stands in each row. `starts`: where in the pool those of 1, 2, ... words begin.
Tensor tfidf(const Tensor& x, int64_t longest, int64_t skips, int64_t shortest, Ints starts, Ints places, Ints pool) {
  TORCH_CHECK(x.dim() == 1 || x.dim() == 2, "TfIdfVectorizer: expected 1 or 2 dimensions, got ", x.dim());
  TORCH_CHECK(shortest >= 1 && longest >= shortest && skips >= 0 && longest <= 1000,
              "TfIdfVectorizer: wrong lengths of n-grams");
  int64_t width = 0;
  for (int64_t p : places) {
    TORCH_CHECK(p >= 0 && p < (1 << 28), "TfIdfVectorizer: wrong place ", p);
    width = std::max(width, p + 1);
  }
  std::map<std::vector<int64_t>, int64_t> grams;
  size_t place = 0;
  for (size_t n = 1; n <= starts.size(); n++) {
    int64_t begin = starts[n - 1], end = n < starts.size() ? starts[n] : int64_t(pool.size());
    TORCH_CHECK(begin >= 0 && begin <= end && end <= int64_t(pool.size()) && (end - begin) % int64_t(n) == 0,
                "TfIdfVectorizer: ngram_counts doesn't fit the pool");
    for (int64_t at = begin; at < end; at += int64_t(n)) {
      TORCH_CHECK(place < places.size(), "TfIdfVectorizer: fewer places than n-grams");
      int64_t to = places[place++];
      if (int64_t(n) >= shortest && int64_t(n) <= longest)
        grams[std::vector<int64_t>(pool.begin() + at, pool.begin() + at + int64_t(n))] = to;
    }
  }
  Tensor in = on_cpu(x, torch::kLong);
  int64_t rows = x.dim() == 2 ? x.size(0) : 1, n = x.size(-1);
  Tensor out = torch::zeros({rows, width});
  std::vector<int64_t> gram;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t length = shortest; length <= longest; length++)
      for (int64_t step = 1; step <= (length == 1 ? 1 : skips + 1); step++)
        for (int64_t at = 0; at + (length - 1) * step < n; at++) {
          gram.clear();
          for (int64_t k = 0; k < length; k++) gram.push_back(in.data_ptr<int64_t>()[r * n + at + k * step]);
          if (auto found = grams.find(gram); found != grams.end())
            out.data_ptr<float>()[r * width + found->second] += 1;
        }
  return x.dim() == 2 ? out : out.squeeze(0);
}

// ---- trees -----------------------------------------------------------------------------------------------------------------------

Tensor trees(const Tensor& x, Ints roots, Ints features, Ints modes, const Tensor& splits, Ints on_true, Ints on_false,
             Ints missing, const Tensor& members, Ints first, Ints targets, const Tensor& weights, int64_t count,
             int64_t aggregate) {
  auto n = int64_t(features.size()), leaves = int64_t(first.size()) - 1;
  TORCH_CHECK(x.dim() == 2 || x.dim() == 1, "TreeEnsemble: expected rows of features, got ", x.dim(), " dimensions");
  TORCH_CHECK(int64_t(modes.size()) == n && int64_t(on_true.size()) == n && int64_t(on_false.size()) == n &&
                  splits.numel() >= n && leaves >= 0 && n > 0 && (missing.empty() || int64_t(missing.size()) == n) &&
                  count > 0 && count < (1 << 24),
              "TreeEnsemble: its lists have different lengths");
  Tensor in = on_cpu(x, torch::kDouble), split = on_cpu(splits, torch::kDouble),
         member = on_cpu(members, torch::kDouble), weight = on_cpu(weights, torch::kDouble);
  int64_t rows = x.dim() == 2 ? x.size(0) : 1, width = x.size(-1);
  for (int64_t i = 0; i < n; i++) {
    TORCH_CHECK(features[size_t(i)] >= 0 && features[size_t(i)] < width, "TreeEnsemble: node ", i, " asks for feature ",
                features[size_t(i)], " of ", width);
    for (int64_t child : {on_true[size_t(i)], on_false[size_t(i)]})
      TORCH_CHECK(child < n && child >= -leaves, "TreeEnsemble: node ", i, " has a child that doesn't exist");
  }
  for (int64_t r : roots) TORCH_CHECK(r >= 0 && r < n, "TreeEnsemble: a root ", r, " of ", n, " nodes");
  for (int64_t l = 0; l < leaves; l++)
    TORCH_CHECK(first[size_t(l)] >= 0 && first[size_t(l)] <= first[size_t(l) + 1] &&
                    first[size_t(l) + 1] <= int64_t(targets.size()),
                "TreeEnsemble: wrong leaves");
  TORCH_CHECK(weight.numel() >= int64_t(targets.size()), "TreeEnsemble: ", targets.size(), " targets and ",
              weight.numel(), " weights");
  for (int64_t t : targets) TORCH_CHECK(t >= 0 && t < count, "TreeEnsemble: a target ", t, " of ", count);
  // Sets of members stand one after the other in the order of the nodes that ask for them, a NaN behind each.
  std::vector<std::pair<int64_t, int64_t>> sets(static_cast<size_t>(n));
  for (int64_t i = 0, at = 0; i < n; i++) {
    if (modes[size_t(i)] != 6) continue;
    int64_t end = at;
    while (end < member.numel() && !std::isnan(member.data_ptr<double>()[end])) end++;
    sets[size_t(i)] = {at, end};
    at = std::min(end + 1, member.numel());
  }
  Tensor out = torch::zeros({rows, count}, torch::kDouble);
  auto* result = out.data_ptr<double>();
  std::vector<uint8_t> seen(size_t(count), 0);
  for (int64_t r = 0; r < rows; r++) {
    const double* row = in.data_ptr<double>() + r * width;
    double* to = result + r * count;
    std::fill(seen.begin(), seen.end(), uint8_t(0));
    for (int64_t root : roots) {
      int64_t at = root;
      for (int64_t steps = 0; at >= 0; steps++) {
        TORCH_CHECK(steps <= n, "TreeEnsemble: the nodes go in a circle");
        auto i = size_t(at);
        double v = row[features[i]], s = split.data_ptr<double>()[i];
        bool yes = false;
        switch (modes[i]) {
          case 0: yes = v <= s; break;
          case 1: yes = v < s; break;
          case 2: yes = v >= s; break;
          case 3: yes = v > s; break;
          case 4: yes = v == s; break;
          case 5: yes = v != s; break;
          case 6:
            for (int64_t k = sets[i].first; k < sets[i].second; k++) yes |= v == member.data_ptr<double>()[k];
            break;
          default: TORCH_CHECK(false, "TreeEnsemble: node ", at, " has the mode ", modes[i]);
        }
        if (std::isnan(v) && !missing.empty() && missing[i]) yes = true;
        at = yes ? on_true[i] : on_false[i];
      }
      auto leaf = size_t(-1 - at);
      for (int64_t k = first[leaf]; k < first[leaf + 1]; k++) {
        auto t = size_t(targets[size_t(k)]);
        double w = weight.data_ptr<double>()[k];
        if (aggregate == 2) to[t] = seen[t] ? std::min(to[t], w) : w;
        else if (aggregate == 3) to[t] = seen[t] ? std::max(to[t], w) : w;
        else to[t] += w;
        seen[t] = 1;
      }
    }
    if (aggregate == 0)
      for (int64_t t = 0; t < count; t++) to[t] /= double(std::max<size_t>(roots.size(), 1));
  }
  return x.dim() == 2 ? out : out.squeeze(0);
}

// Probabilities of classes from those of each pair: the fixed point that Wu, Lin and Weng (2004) describe as their second method.
Tensor pairwise_probabilities(const Tensor& pairs, int64_t n) {
  TORCH_CHECK(n >= 2 && n < 10'000 && pairs.dim() == 2 && pairs.size(1) == n * (n - 1) / 2,
              "SVMClassifier: the probabilities of ", n, " classes don't fit");
  Tensor in = on_cpu(pairs, torch::kDouble), out = torch::empty({pairs.size(0), n});
  auto k = size_t(n);
  std::vector<double> r(k * k), q(k * k), p(k), qp(k);
  for (int64_t row = 0; row < pairs.size(0); row++) {
    const double* from = in.data_ptr<double>() + row * in.size(1);
    for (size_t i = 0; i < k; i++)
      for (size_t j = i + 1; j < k; j++) {
        double v = std::clamp(*from++, 1e-7, 1 - 1e-7);
        r[i * k + j] = v;
        r[j * k + i] = 1 - v;
      }
    for (size_t i = 0; i < k; i++) {
      p[i] = 1.0 / double(n);
      q[i * k + i] = 0;
      for (size_t j = 0; j < k; j++) {
        if (j == i) continue;
        q[i * k + i] += r[j * k + i] * r[j * k + i];
        q[i * k + j] = -r[j * k + i] * r[i * k + j];
      }
    }
    for (int step = 0; step < std::max<int>(100, int(n)); step++) {
      double total = 0, worst = 0;
      for (size_t i = 0; i < k; i++) {
        qp[i] = 0;
        for (size_t j = 0; j < k; j++) qp[i] += q[i * k + j] * p[j];
        total += p[i] * qp[i];
      }
      for (size_t i = 0; i < k; i++) worst = std::max(worst, std::fabs(qp[i] - total));
      if (worst < 0.005 / double(n)) break;
      for (size_t i = 0; i < k; i++) {
        double d = (total - qp[i]) / q[i * k + i];
        p[i] += d;
        total = (total + d * (d * q[i * k + i] + 2 * qp[i])) / (1 + d) / (1 + d);
        for (size_t j = 0; j < k; j++) {
          qp[j] = (qp[j] + d * q[i * k + j]) / (1 + d);
          p[j] /= 1 + d;
        }
      }
    }
    for (size_t i = 0; i < k; i++) out.data_ptr<float>()[row * n + int64_t(i)] = float(p[i]);
  }
  return out;
}

// ---- pictures --------------------------------------------------------------------------------------------------------------------

// The bytes of a file as (height, width, channels).
Tensor decoded_image(const Tensor& stream, std::string_view format) {
  TORCH_CHECK(format == "RGB" || format == "BGR" || format == "Grayscale",
              "ImageDecoder: expected a pixel_format of RGB, BGR or Grayscale, got '", std::string(format), "'");
  Tensor bytes = on_cpu(stream, torch::kByte);
  data::ImageOptions options;
  options.mode = data::ImageMode::Rgb;
  Tensor t(data::decode_image({bytes.data_ptr<uint8_t>(), size_t(bytes.numel())}, "ImageDecoder", options));
  if (t.scalar_type() != torch::kByte) t = torch::floor_divide(t.to(torch::kInt), 257).to(torch::kByte);
  if (format == "BGR") t = t.flip({0});
  if (format == "Grayscale") {  // as PIL weighs the colours; a JPEG's own brightness is another number
    Tensor weights = torch::tensor({19595, 38470, 7471}, torch::kInt).view({3, 1, 1});
    t = ((t.to(torch::kInt) * weights).sum({0}, true) + 32768).to(torch::kInt).bitwise_right_shift(16).to(torch::kByte);
  }
  return t.permute({1, 2, 0}).contiguous();
}

template <class F> void define(torch::Library& m, const char* schema, F kernel) {
  m.def(schema);
  std::string name(schema, std::string(schema).find('('));
  m.impl(name.c_str(), torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, kernel));
  // What they give has no gradient.
  for (auto key : {c10::DispatchKey::AutogradCPU, c10::DispatchKey::AutogradMeta})
    m.impl(name.c_str(), torch::dispatch(key, torch::CppFunction::makeFallthrough()));
}

TORCH_LIBRARY_FRAGMENT(onnx, m) {
  define(m, "to_small_float(Tensor x, int elem, bool saturate, str mode) -> Tensor", to_small_float);
  define(m, "from_e8m0(Tensor x) -> Tensor", from_e8m0);
  define(m, "to_small_int(Tensor x, int elem) -> Tensor", to_small_int);
  define(m, "ints(Tensor x) -> int[]", ints);
  define(m, "floats(Tensor x) -> float[]", floats);
  define(m, "texts(Tensor x) -> str[]", texts);
  define(m, "full_match(str[] texts, str pattern) -> Tensor", full_match);
  define(m, "tfidf(Tensor x, int longest, int skips, int shortest, int[] starts, int[] places, int[] pool) -> Tensor",
         tfidf);
  define(m,
         "trees(Tensor x, int[] roots, int[] features, int[] modes, Tensor splits, int[] on_true, int[] on_false, "
         "int[] missing, Tensor members, int[] first, int[] targets, "
         "Tensor weights, int count, int aggregate) -> Tensor",
         trees);
  define(m, "decoded_image(Tensor stream, str format) -> Tensor", decoded_image);
  define(m, "pairwise_probabilities(Tensor pairs, int classes) -> Tensor", pairwise_probabilities);
}

const bool registered = (script::register_importer("onnx", load), script::register_exporter("onnx", export_model),
                         script::register_inspector("onnx", inspect), true);

}  // namespace
}  // namespace rushlight::onnx
