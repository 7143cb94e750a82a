// Quantised tensors: uint8 with a scale and a zero point, channels last; and rows with a scale of their own.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/rows.h"
#include "rushlight/caffe2/window.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

const Int8Tensor& Q(const Call& c, size_t k) { return c.object<Int8Tensor>(k); }

void give(Call& c, size_t k, Tensor data, double scale, int64_t zero_point) {
  if (k >= c.outputs()) return;
  auto q = make_ref<Int8Tensor>();
  q->data = data.contiguous();
  q->scale = float(scale);
  q->zero_point = int32_t(zero_point);
  c.set_value(k, object_value(q));
}
double y_scale(const Call& c) {
  double s = c.f("Y_scale", 1);
  C2_ENFORCE(s > 0, "Y_scale should be above 0, got ", s);
  return s;
}
int64_t y_zero(const Call& c) { return c.i("Y_zero_point", 0); }

// Real numbers, to the nearest quantum (halves to even), cut to a byte.
Tensor quantise(const Tensor& x, double scale, int64_t zero_point) {
  Tensor q = (x / scale).round() + double(zero_point);
  return q.clamp(0, 255).to(torch::kByte);
}
Tensor real(const Int8Tensor& q) { return (q.data.to(torch::kFloat) - double(q.zero_point)) * double(q.scale); }
// Exact whole numbers, as double.
Tensor whole(const Int8Tensor& q) { return q.data.to(torch::kDouble) - double(q.zero_point); }

// Sums of products, which have the scale s, to the output's quanta.
Tensor requantise(const Call& c, const Tensor& sums, double s) {
  Tensor q = (sums * (s / y_scale(c))).round() + double(y_zero(c));
  int64_t low = c.op.type.ends_with("Relu") && c.op.type != "Int8LeakyRelu" ? y_zero(c) : 0;
  return q.clamp(double(low), 255).to(torch::kByte);
}

Tensor bias_of(const Call& c, size_t k) {
  const Int8Tensor& b = Q(c, k);
  return b.data.to(torch::kDouble);
}

void fc(Call& c) {
  const Int8Tensor &x = Q(c, 0), &w = Q(c, 1);
  Tensor X = whole(x), W = whole(w);
  int64_t N = W.size(0), K = W.numel() / std::max<int64_t>(N, 1);
  C2_ENFORCE(K > 0 && X.numel() % K == 0, "X has ", X.numel(), " elements, W rows of ", K);
  Tensor y = X.reshape({-1, K}).matmul(W.reshape({N, K}).t()) + bias_of(c, 2).reshape({1, N});
  give(c, 0, requantise(c, y, double(x.scale) * w.scale), y_scale(c), y_zero(c));
}

void conv(Call& c) {
  const Int8Tensor &x = Q(c, 0), &w = Q(c, 1);
  C2_ENFORCE(c.nhwc(), "Int8Conv only supports NHWC order");
  C2_ENFORCE(x.data.dim() == 4 && w.data.dim() == 4, "Int8Conv: X and the filter should have 4 dimensions");
  Dims1 picture = picture_of(x.data, true);
  Window win(c, 2, picture);
  win.fit(picture);
  win.result(picture);
  int64_t group = c.i("group", 1), C = x.data.size(3);
  Tensor X = torch::constant_pad_nd(to_nchw(whole(x)), win.as_pad(), 0), W = whole(w).movedim(-1, 1);
  C2_ENFORCE(group > 0 && C == W.size(1) * group, "Int8Conv: ", C, " channels, the filter has ", W.size(1), " in ",
             group, " groups");
  std::optional<Tensor> bias;
  if (c.has(2)) bias = bias_of(c, 2);
  Tensor y = torch::conv2d(X, W.contiguous(), bias, win.stride, Dims1{0, 0}, win.dilation, group);
  give(c, 0, requantise(c, to_nhwc(y), double(x.scale) * w.scale), y_scale(c), y_zero(c));
}

void conv_transpose(Call& c) {
  const Int8Tensor &x = Q(c, 0), &w = Q(c, 1);
  Dims1 picture = picture_of(x.data, true);
  Window win(c, 2, picture);
  Tensor W = whole(w).permute({3, 0, 1, 2});
  std::optional<Tensor> bias;
  if (c.has(2)) bias = bias_of(c, 2);
  Dims1 adjust{c.i("adj_h", c.i("adj", 0)), c.i("adj_w", c.i("adj", 0))};
  Tensor y = torch::conv_transpose2d(to_nchw(whole(x)), W.contiguous(), bias, win.stride, Dims1{0, 0}, adjust);
  for (size_t k = 0; k < 2; k++) {
    int64_t n = y.size(int64_t(k) + 2) - win.begin[k] - win.end[k];
    C2_ENFORCE(n > 0, "the pads are larger than the result");
    y = y.narrow(int64_t(k) + 2, win.begin[k], n);
  }
  give(c, 0, requantise(c, to_nhwc(y), double(x.scale) * w.scale), y_scale(c), y_zero(c));
}

void pool(Call& c, bool average) {
  const Int8Tensor& x = Q(c, 0);
  C2_ENFORCE(x.data.dim() == 4, "the input should have 4 dimensions");
  Dims1 picture = picture_of(x.data, true);
  Window w(c, 2, picture);
  w.fit(picture);
  w.result(picture);
  Tensor X = to_nchw(whole(x));
  Tensor y;
  if (average) {
    Dims1 one{1, 1, picture[0], picture[1]};
    y = torch::avg_pool2d(torch::constant_pad_nd(X, w.as_pad(), 0), w.kernel, w.stride) /
        torch::avg_pool2d(torch::constant_pad_nd(torch::ones(one, X.options()), w.as_pad(), 0), w.kernel, w.stride);
    give(c, 0, requantise(c, to_nhwc(y), x.scale), y_scale(c), y_zero(c));
  } else {
    y = torch::max_pool2d(torch::constant_pad_nd(X, w.as_pad(), -1000), w.kernel, w.stride);
    Tensor q = (to_nhwc(y) + double(x.zero_point)).clamp(c.op.type.ends_with("Relu") ? double(x.zero_point) : 0.0, 255);
    give(c, 0, q.to(torch::kByte), x.scale, x.zero_point);
  }
}

void given(Call& c, bool ints) {
  Dims1 s = c.ints("shape");
  int64_t n = 1;
  for (int64_t d : s) {
    C2_ENFORCE(d >= 0 && (d == 0 || n <= (int64_t(1) << 40) / d), "a shape of ", s);
    n *= d;
  }
  if (ints) {
    Dims1 v = c.ints("values");
    C2_ENFORCE(int64_t(v.size()) == n, "output size: ", n, " given size: ", v.size());
    give(c, 0, int_list(v, torch::kInt).reshape(s), c.f("Y_scale", 1), y_zero(c));
  } else {
    std::string v = c.s("values", "");
    C2_ENFORCE(int64_t(v.size()) == n, "output size: ", n, " given size: ", v.size());
    Tensor t = torch::empty(s, torch::TensorOptions().dtype(torch::kByte));
    if (n) std::memcpy(t.data_ptr(), v.data(), v.size());
    give(c, 0, t, c.f("Y_scale", 1), y_zero(c));
  }
}

// An operator of real tensors, run on the quanta.
template <class Prepare>
void on_quanta(Call& c, const char* type, Prepare&& also) {
  const Int8Tensor& x = Q(c, 0);
  Call inner(c.op, nullptr);
  inner.in = c.in;
  inner.in[0] = Value(rushlight::Tensor(x.data));
  also(inner);
  inner.out.assign(std::max<size_t>(c.outputs(), 1), {});
  Registry::get().find(type)->run(inner);
  give(c, 0, Tensor(inner.out[0].tensor()), x.scale, x.zero_point);
  for (size_t k = 1; k < c.outputs(); k++) c.out[k] = inner.out[k];
}

// ---- rows with a scale and a bias each

struct RowForm {
  int bits;
  bool half;
};  // of the values; whether scale and bias are float16

Tensor fuse(const Tensor& x, RowForm f) {
  Tensor in = x.to(torch::kFloat).contiguous();
  C2_ENFORCE(in.dim() >= 1, "the input should have rows");
  int64_t D = in.size(-1), R = D ? in.numel() / D : 0, per = 8 / f.bits, bytes = (D + per - 1) / per,
          tail = f.half ? 4 : 8;
  C2_ENFORCE(D % per == 0, "the number of columns should be a multiple of ", per);
  Dims1 s(in.sizes().begin(), in.sizes().end());
  s.back() = bytes + tail;
  Tensor y = torch::zeros(s, torch::TensorOptions().dtype(torch::kByte));
  const float* p = in.data_ptr<float>();
  uint8_t* q = y.data_ptr<uint8_t>();
  int top = (1 << f.bits) - 1;
  for (int64_t r = 0; r < R; r++, p += D, q += bytes + tail) {
    float low = p[0], high = p[0];
    for (int64_t d = 0; d < D; d++) low = std::min(low, p[d]), high = std::max(high, p[d]);
    float scale, inverse;
    if (f.bits < 8) {
      low = float(rushlight::Half(low));
      float range = high - low;
      scale = float(rushlight::Half(range == 0 ? 1.0f : range / float(top)));
      if (scale == 0) scale = 1;
      inverse = 1.0f / scale;
      if (std::isinf(inverse)) scale = 1, inverse = 1;
      rushlight::Half s16(scale), b16(low);
      std::memcpy(q + bytes, &s16, 2), std::memcpy(q + bytes + 2, &b16, 2);
    } else {
      float range = high - low;
      scale = range / 255.0f;
      inverse = 255.0f / (range + 1e-8f);
      rushlight::Half s16(scale), b16(low);
      if (f.half) std::memcpy(q + bytes, &s16, 2), std::memcpy(q + bytes + 2, &b16, 2);
      else std::memcpy(q + bytes, &scale, 4), std::memcpy(q + bytes + 4, &low, 4);
    }
    for (int64_t d = 0; d < D; d++) {
      int v = std::clamp(int(std::lrintf((p[d] - low) * inverse)), 0, top);
      q[d / per] = uint8_t(q[d / per] | v << (d % per) * f.bits);
    }
  }
  return y;
}

Tensor unfuse(const Tensor& x, RowForm f) {
  Tensor in = x.contiguous();
  C2_ENFORCE(in.scalar_type() == torch::kByte && in.dim() >= 1, "the input should be rows of bytes");
  int64_t tail = f.half ? 4 : 8, width = in.size(-1), bytes = width - tail, per = 8 / f.bits;
  C2_ENFORCE(bytes >= 0, "rows of ", width, " bytes have no room for scale and bias");
  int64_t D = bytes * per, R = width ? in.numel() / width : 0;
  Dims1 s(in.sizes().begin(), in.sizes().end());
  s.back() = D;
  Tensor y = torch::empty(s);
  const uint8_t* p = in.data_ptr<uint8_t>();
  float* q = y.data_ptr<float>();
  for (int64_t r = 0; r < R; r++, p += width, q += D) {
    float scale, low;
    if (f.half) {
      rushlight::Half s16, b16;
      std::memcpy(&s16, p + bytes, 2), std::memcpy(&b16, p + bytes + 2, 2);
      scale = float(s16), low = float(b16);
    } else {
      std::memcpy(&scale, p + bytes, 4), std::memcpy(&low, p + bytes + 4, 4);
    }
    for (int64_t d = 0; d < D; d++) q[d] = scale * float(p[d / per] >> (d % per) * f.bits & ((1 << f.bits) - 1)) + low;
  }
  return y;
}

}  // namespace

void add_int8(Registry& r) {
  r.op("Int8Quantize", "1-2 -> 1", [](Call& c) {
     give(c, 0, quantise(c.X(), y_scale(c), y_zero(c)), y_scale(c), y_zero(c));
   }).stop();
  r.op("Int8Dequantize", "1 -> 1", [](Call& c) { c.set(real(Q(c, 0))); }).stop();
  r.op("Int8GivenTensorFill", "0 -> 1", [](Call& c) { given(c, false); }).quiet();
  r.op("Int8GivenIntTensorFill", "0 -> 1", [](Call& c) { given(c, true); }).quiet();
  for (const char* n : {"Int8FC", "Int8FCRelu"}) r.op(n, "3-4 -> 1", fc).stop();
  for (const char* n : {"Int8Conv", "Int8ConvRelu"}) r.op(n, "2-4 -> 1", conv).stop();
  r.op("Int8ConvTranspose", "2-3 -> 1", conv_transpose).stop();
  for (const char* n : {"Int8AveragePool", "Int8AveragePoolRelu"})
    r.op(n, "1 -> 1", [](Call& c) { pool(c, true); }).stop();
  for (const char* n : {"Int8MaxPool", "Int8MaxPoolRelu"}) r.op(n, "1 -> 1", [](Call& c) { pool(c, false); }).stop();
  r.op("Int8Relu", "1 -> 1", [](Call& c) {
     give(c, 0, Q(c, 0).data.clamp_min(Q(c, 0).zero_point), Q(c, 0).scale, Q(c, 0).zero_point);
   }).stop();
  r.op("Int8LeakyRelu", "1 -> 1", [](Call& c) {
     Tensor x = whole(Q(c, 0));
     give(c, 0, requantise(c, torch::where(x > 0, x, x * c.f("alpha", 0.01)), Q(c, 0).scale), y_scale(c), y_zero(c));
   }).stop();
  r.op("Int8Sigmoid", "1 -> 1", [](Call& c) {
     give(c, 0, quantise(real(Q(c, 0)).sigmoid(), 1.0 / 256, 0), 1.0 / 256, 0);
   }).stop();
  r.op("Int8Softmax", "1 -> 1", [](Call& c) {
     Tensor x = real(Q(c, 0));
     give(c, 0,
          quantise(flat(x, canonical_axis(c.i("axis", 1), x.dim(), true)).softmax(1).reshape(x.sizes()), 1.0 / 256, 0),
          1.0 / 256, 0);
   }).stop();
  for (const char* n : {"Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu"})
    r.op(n, "2+ -> 1", [](Call& c) {
       Tensor y = real(Q(c, 0));
       for (size_t k = 1; k < c.inputs(); k++) {
         C2_ENFORCE(Q(c, k).data.sizes() == y.sizes(), "the inputs have different shapes");
         y = y + real(Q(c, k));
       }
       if (c.op.type.ends_with("Relu")) y = y.relu();
       give(c, 0, quantise(y, y_scale(c), y_zero(c)), y_scale(c), y_zero(c));
     }).stop();
  r.op("Int8Concat", "1+ -> 1-2", [](Call& c) {
     int64_t axis = canonical_axis(c.i("axis", 3), Q(c, 0).data.dim());
     std::vector<Tensor> all;
     Dims1 l;
     for (size_t k = 0; k < c.inputs(); k++) {
       C2_ENFORCE(Q(c, k).scale == Q(c, 0).scale && Q(c, k).zero_point == Q(c, 0).zero_point,
                  "Int8Concat: the inputs have different scales");
       all.push_back(Q(c, k).data);
       l.push_back(Q(c, k).data.size(axis));
     }
     give(c, 0, torch::cat(all, axis), Q(c, 0).scale, Q(c, 0).zero_point);
     c.set(1, int_list(l, torch::kInt));
   }).stop();
  r.op("Int8Flatten", "1 -> 1", [](Call& c) { on_quanta(c, "Flatten", [](Call&) {}); }).stop();
  r.op("Int8Reshape", "1-2 -> 1-2", [](Call& c) { on_quanta(c, "Reshape", [](Call&) {}); }).stop();
  r.op("Int8Slice", "1-3 -> 1", [](Call& c) { on_quanta(c, "Slice", [](Call&) {}); }).stop();
  r.op("Int8Transpose", "1 -> 1", [](Call& c) { on_quanta(c, "Transpose", [](Call&) {}); }).stop();
  r.op("Int8ChannelShuffle", "1 -> 1", [](Call& c) { on_quanta(c, "ChannelShuffle", [](Call&) {}); }).stop();
  r.op("Int8ResizeNearest", "1-2 -> 1", [](Call& c) {
     const Int8Tensor& x = Q(c, 0);
     auto n_of = [&](int64_t n, double s) {
       Dims1 at;
       for (int64_t k = 0; k < int64_t(double(n) * s); k++) at.push_back(std::min(int64_t(double(k) / s), n - 1));
       return int_list(at);
     };
     double h = c.f("height_scale", 1), w = c.f("width_scale", 1);
     C2_ENFORCE(x.data.dim() == 4 && h > 0 && w > 0, "a tensor of 4 dimensions, and scales above 0");
     give(c, 0, x.data.index_select(1, n_of(x.data.size(1), h)).index_select(2, n_of(x.data.size(2), w)), x.scale,
          x.zero_point);
   }).stop();

  struct Rows {
    const char* name;
    RowForm form;
  };
  static constexpr Rows kRows[] = {{"8BitRowwise", {8, false}}, {"4BitRowwise", {4, true}}, {"2BitRowwise", {2, true}}};
  for (const Rows& k : kRows) {
    RowForm f = k.form;
    std::string name = k.name;
    // Rows of eight bits have scales and biases of 32 bits, or of 16.
    for (bool h : {false, true})
      for (bool small : f.bits == 8 ? std::vector<bool>{false, true} : std::vector<bool>{true}) {
        RowForm form{f.bits, small};
        std::string from = !h            ? "Float"
                           : f.bits == 8 ? "HalfFloat"
                                         : "Half",
                    fused = name + "Quantized" + (f.bits == 8 && small ? "HalfScaleBias" : "");
        r.op(from + "ToFused" + fused, "1 -> 1", [form](Call& c) { c.set(fuse(c.X(), form)); }).quiet();
        r.op("Fused" + fused + "To" + from, "1 -> 1", [form, h](Call& c) {
           c.set(h ? unfuse(c.X(), form).to(torch::kHalf) : unfuse(c.X(), form));
         }).quiet();
      }
    for (const char* what : {"Sum", "Mean", "WeightedSum"}) {
      bool weighted = std::string_view(what) == "WeightedSum", mean = std::string_view(what) == "Mean";
      r.op(str("SparseLengths", what, "Fused", name), weighted ? "4 -> 1" : "3 -> 1", [f, weighted, mean](Call& c) {
         size_t at = 1 + weighted;
         Tensor rows = unfuse(rows_at(c.X(0), c.X(at)), f), ids = segments_of_lengths(c.X(at + 1), rows.size(0));
         if (weighted) rows = rows * beside(c.X(1).reshape({-1}), rows);
         Tensor y = torch::zeros({c.X(at + 1).numel(), rows.size(1)}).index_add(0, ids, rows);
         if (mean) y = y / beside(c.X(at + 1).to(torch::kFloat).clamp_min(1), y);
         c.set(y);
       }).quiet();
    }
  }
  r.op("GatherFused8BitRowwise", "2 -> 1", [](Call& c) {
     Tensor at = c.X(1).reshape({-1}), rows = unfuse(rows_at(c.X(0), at), {8, false});
     Dims1 s(c.X(1).sizes().begin(), c.X(1).sizes().end());
     s.push_back(rows.size(-1));
     c.set(rows.reshape(s));
   }).quiet();
  // Rows of bytes whose scales and biases are in a tensor of their own.
  auto real_rows = [](const Tensor& bytes, const Tensor& forms) {
    C2_ENFORCE(bytes.scalar_type() == torch::kByte && bytes.dim() >= 1 && forms.dim() == 2 && forms.size(1) == 2 &&
                   forms.size(0) == bytes.size(0),
               "rows of bytes want a scale and a bias each, got ", bytes.sizes(), " and ", forms.sizes());
    return bytes.to(torch::kFloat) * beside(forms.select(1, 0), bytes) + beside(forms.select(1, 1), bytes);
  };
  r.op("FloatToRowwiseQuantized8Bits", "1 -> 2", [](Call& c) {
     Tensor x = c.X();
     C2_ENFORCE(x.dim() >= 1 && x.numel() > 0, "FloatToRowwiseQuantized8Bits wants rows of numbers, got ", x.sizes());
     Tensor rows = x.to(torch::kFloat).reshape({x.size(0), -1}), low = std::get<0>(rows.min(1, true)),
            range = std::get<0>(rows.max(1, true)) - low;
     Tensor scale = range / 255.0, times = torch::where(range > 0, scale.reciprocal(), torch::ones_like(scale));
     Tensor bytes = ((rows - low) * times).round().to(torch::kByte);
     c.set(0, bytes.reshape(x.sizes())), c.set(1, torch::cat({scale, low}, 1));
   }).quiet();
  r.op("Rowwise8BitQuantizedToFloat", "2 -> 1", [real_rows](Call& c) { c.set(real_rows(c.X(0), c.X(1))); }).quiet();
  for (bool weighted : {false, true})
    for (bool mean : {false, true})
      r.op(str("SparseLengths", weighted ? "Weighted" : "", mean ? "Mean" : "Sum", "8BitsRowwise"),
           weighted ? "5 -> 1" : "4 -> 1",
           [weighted, mean, real_rows](Call& c) {
             size_t at = 1 + weighted;
             Tensor index = c.X(at), lengths = c.X(at + 1);
             Tensor rows = real_rows(rows_at(c.X(0), index), rows_at(c.X(at + 2), index));
             if (weighted) rows = rows * beside(c.X(1).reshape({-1}), rows);
             Dims1 s(rows.sizes().begin(), rows.sizes().end());
             s[0] = lengths.numel();
             Tensor y = torch::zeros(s).index_add(0, segments_of_lengths(lengths, rows.size(0)), rows);
             c.set(mean ? y / beside(lengths.to(torch::kFloat).clamp_min(1), y) : y);
           })
          .quiet();
}

}  // namespace rushlight::caffe2
