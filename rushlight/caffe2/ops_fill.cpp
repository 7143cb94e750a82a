// What makes tensors: constants, given values, random numbers, ranges.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/random.h"

namespace rushlight::caffe2 {

std::optional<torch::Generator> generator_of(const Call& c) {
  const Message* d = c.op.def->message_or_null("device_option");
  if (!d || !d->has("random_seed")) return std::nullopt;
  return torch::make_generator<torch::CPUGeneratorImpl>(uint64_t(d->whole("random_seed")));
}
Tensor uniform_tensor(const Call& c, const std::vector<int64_t>& sizes, double low, double high) {
  return torch::empty(sizes).uniform_(low, high, generator_of(c));
}
Tensor normal_tensor(const Call& c, const std::vector<int64_t>& sizes, double mean, double std) {
  return torch::empty(sizes).normal_(mean, std, generator_of(c));
}

namespace {

using Dims1 = std::vector<int64_t>;

// shape, or that of the input; then extra_shape.
Dims1 shape_of(const Call& c) {
  Dims1 s;
  if (c.inputs()) {
    if (c.b("input_as_shape")) {
      C2_ENFORCE(c.X().dim() == 1, "When input_as_shape is true, the input must be a 1D tensor");
      s = c.whole_numbers(0);
    } else if (auto* t = as<StringTensor>(c.in[0])) {
      s = t->sizes;
    } else {
      s.assign(c.X().sizes().begin(), c.X().sizes().end());
    }
    Dims1 extra = c.ints("extra_shape");
    s.insert(s.end(), extra.begin(), extra.end());
  } else {
    if (const Message* a = c.op.args.find("shape"); a && a->has("i"))
      C2_FAIL("Fill 'shape' argument was a scalar, list expected");
    s = c.ints("shape");
  }
  int64_t n = 1;
  for (int64_t d : s) {
    C2_ENFORCE(d >= 0, "a shape of ", s);
    C2_ENFORCE(d == 0 || n <= (int64_t(1) << 40) / d, "a shape of ", s, " is too large");
    n *= d;
  }
  return s;
}

void given(Registry& r, const char* name, torch::Dtype d) {
  r.op(name, "0-1 -> 1", [own = d](Call& c) {
     // What says float may say another dtype.
     torch::Dtype d = own == torch::kFloat && c.has_arg("dtype") ? dtype_of_proto(c.i("dtype")) : own;
     Dims1 s = shape_of(c);
     const Message* a = c.op.args.find("values");
     Tensor y = torch::empty(s, torch::TensorOptions().dtype(d));
     size_t n = size_t(y.numel());
     auto fill = [&](const auto& from, auto* to) {
       C2_ENFORCE(from.size() == n, "output size: ", n, " given size: ", from.size());
       for (size_t k = 0; k < n; k++) to[k] = std::decay_t<decltype(*to)>(from[k]);
     };
     static const std::vector<float> no_floats;
     static const std::vector<int64_t> no_ints;
     if (!a && n) C2_FAIL("output size: ", n, " given size: 0");
     if (d == torch::kFloat) fill(a ? a->floats("floats") : no_floats, y.data_ptr<float>());
     else if (d == torch::kDouble) fill(a ? a->floats("floats") : no_floats, y.data_ptr<double>());
     else {
       const std::vector<int64_t>& v = a ? a->wholes("ints") : no_ints;
       if (d == torch::kLong) fill(v, y.data_ptr<int64_t>());
       else if (d == torch::kInt) fill(v, y.data_ptr<int32_t>());
       else if (d == torch::kShort) fill(v, y.data_ptr<int16_t>());
       else fill(v, y.data_ptr<bool>());
     }
     c.set(y);
   }).quiet();
}

int64_t fan_in(const Dims1& s) {
  int64_t n = 1;
  for (size_t k = 1; k < s.size(); k++) n *= s[k];
  return n;
}
int64_t fan_out(const Call& c, const Dims1& s) {
  int64_t channel = c.nhwc() ? int64_t(s.size()) - 1 : 1, n = 1;
  for (int64_t d : s) n *= d;
  return channel < int64_t(s.size()) && s[size_t(channel)] ? n / s[size_t(channel)] : n;
}

}  // namespace

void add_fill(Registry& r) {
  r.op("ConstantFill", "0-1 -> 1",
       [](Call& c) {
         Dims1 s = shape_of(c);
         const Message* v = c.op.args.find("value");
         int64_t type = c.i("dtype", 0);
         if (type == 0) type = v && v->has("i") && !v->has("f") ? 10 : v && v->has("s") ? 4 : 1;
         if (type == 4) {
           auto out = make_ref<StringTensor>();
           out->sizes = s;
           int64_t n = 1;
           for (int64_t d : s) n *= d;
           C2_ENFORCE(n < (int64_t(1) << 26), "a shape of ", s, " is too large");
           out->items.assign(size_t(n), v ? v->text("s") : "");
           return c.set_value(0, object_value(out));
         }
         torch::Dtype d = dtype_of_proto(type);
         if (torch::isFloatingType(d))
           c.set(torch::full(s, v ? (v->has("f") ? v->real("f") : double(c.i("value"))) : 0.0,
                             torch::TensorOptions().dtype(d)));
         else c.set(torch::full(s, v ? c.i("value") : 0, torch::TensorOptions().dtype(d)));
       })
      .script(
          "X: Any = None, value: Any = 0.0, dtype: Any = 1, input_as_shape: Any = 0, extra_shape: Any = None, shape: "
          "Any = None",
          R"(w = is_whole(value)
if dtype != 1 or input_as_shape != 0 or extra_shape is not None or w:
    unsupported()
if X is None:
    if shape is None:
        unsupported()
    return torch.full(shape, value)
s = sized(X)
if s:
    return torch.full(sizes(X), value)
return torch.full_like(X, value, dtype=torch.float32))")
      .quiet();
  given(r, "GivenTensorFill", torch::kFloat);
  given(r, "GivenTensorDoubleFill", torch::kDouble);
  given(r, "GivenTensorBoolFill", torch::kBool);
  given(r, "GivenTensorInt16Fill", torch::kShort);
  given(r, "GivenTensorIntFill", torch::kInt);
  given(r, "GivenTensorInt64Fill", torch::kLong);
  r.op("GivenTensorStringFill", "0-1 -> 1", [](Call& c) {
     auto out = make_ref<StringTensor>();
     out->sizes = shape_of(c);
     out->items = c.op.args.strings("values");
     int64_t n = 1;
     for (int64_t d : out->sizes) n *= d;
     C2_ENFORCE(n == int64_t(out->items.size()), "output size: ", n, " given size: ", out->items.size());
     c.set_value(0, object_value(out));
   }).quiet();
  r.op("GivenTensorByteStringToUInt8Fill", "0-1 -> 1", [](Call& c) {
     std::vector<std::string> all = c.op.args.strings("values");
     std::string bytes = all.empty() ? "" : all[0];
     Tensor y = torch::empty(shape_of(c), torch::TensorOptions().dtype(torch::kByte));
     C2_ENFORCE(y.numel() == int64_t(bytes.size()), "output size: ", y.numel(), " given size: ", bytes.size());
     if (!bytes.empty()) std::memcpy(y.data_ptr(), bytes.data(), bytes.size());
     c.set(y);
   }).quiet();
  r.op("UniformFill", "0-3 -> 1", [](Call& c) {
     double low = c.inputs() == 3 ? c.number(1) : c.f("min", 0), high = c.inputs() == 3 ? c.number(2) : c.f("max", 1);
     C2_ENFORCE(low <= high, "Max value ", high, " should be bigger than min value ", low);
     c.set(uniform_tensor(c, shape_of(c), low, high));
   }).quiet();
  r.op("UniformIntFill", "0-3 -> 1", [](Call& c) {
     int64_t low = c.inputs() == 3 ? int64_t(c.number(1)) : c.i("min", 0),
             high = c.inputs() == 3 ? int64_t(c.number(2)) : c.i("max", 1);
     C2_ENFORCE(low <= high, "Max value ", high, " should be bigger than min value ", low);
     c.set(
         torch::empty(shape_of(c), torch::TensorOptions().dtype(torch::kInt)).random_(low, high + 1, generator_of(c)));
   }).quiet();
  r.op("UniqueUniformFill", "0-2 -> 1", [](Call& c) {
     int64_t low = c.i("min", 0), high = c.i("max", 1);
     Dims1 s = shape_of(c), drawn;
     int64_t n = 1;
     for (int64_t d : s) n *= d;
     std::unordered_set<int64_t> seen;
     if (c.has(1))
       for (int64_t v : c.whole_numbers(1)) seen.insert(v);
     C2_ENFORCE(high - low + 1 >= n + int64_t(seen.size()), "Cannot satisfy the unique requirement: ", n,
                " numbers in ", low, " to ", high);
     while (int64_t(drawn.size()) < n) {
       int64_t v = torch::empty({1}, torch::TensorOptions().dtype(torch::kLong))
                       .random_(low, high + 1, generator_of(c))
                       .item<int64_t>();
       if (seen.insert(v).second) drawn.push_back(v);
     }
     c.set(int_list(drawn, dtype_of_proto(c.i("dtype", 2))).reshape(s));
   }).quiet();
  r.op("GaussianFill", "0-1 -> 1", [](Call& c) {
     c.set(normal_tensor(c, shape_of(c), c.f("mean", 0), c.f("std", 1)));
   }).quiet();
  r.op("XavierFill", "0-1 -> 1", [](Call& c) {
     Dims1 s = shape_of(c);
     double bound = std::sqrt(3.0 / double(std::max<int64_t>(fan_in(s), 1)));
     c.set(uniform_tensor(c, s, -bound, bound));
   }).quiet();
  r.op("MSRAFill", "0-1 -> 1", [](Call& c) {
     Dims1 s = shape_of(c);
     c.set(normal_tensor(c, s, 0, std::sqrt(2.0 / double(std::max<int64_t>(fan_out(c, s), 1)))));
   }).quiet();
  r.op("DiagonalFill", "0-1 -> 1", [](Call& c) {
     Dims1 s = shape_of(c);
     C2_ENFORCE(s.size() >= 2, "Input shape must be >= 2D");
     for (int64_t d : s) C2_ENFORCE(s.size() == 2 || d == s[0], "All dimensions of input must be of equal length");
     const Message* v = c.op.args.find("value");
     torch::Dtype d = c.has_arg("dtype")                 ? dtype_of_proto(c.i("dtype"))
                      : v && v->has("i") && !v->has("f") ? torch::kLong
                                                         : torch::kFloat;
     Tensor y = torch::zeros(s, torch::TensorOptions().dtype(d));
     int64_t n = *std::min_element(s.begin(), s.end()), step = 0;
     for (size_t k = 0; k < s.size(); k++) step = step * s[k] + 1;
     Tensor flat_y = y.reshape({-1});
     double value = v ? (v->has("f") ? v->real("f") : double(v->whole("i"))) : 0;
     for (int64_t k = 0; k < n; k++) flat_y.select(0, k * step).fill_(value);
     c.set(flat_y.reshape(s));
   }).quiet();
  r.op("RangeFill", "0-1 -> 1", [](Call& c) {
     Dims1 s = shape_of(c);
     int64_t n = 1;
     for (int64_t d : s) n *= d;
     c.set(torch::arange(n).to(torch::kFloat).reshape(s));
   }).quiet();
  r.op("Range", "1-3 -> 1", [](Call& c) {
     double start = c.inputs() > 1 ? c.number(0) : 0, stop = c.number(c.inputs() > 1 ? 1 : 0),
            step = c.inputs() == 3 ? c.number(2) : 1;
     C2_ENFORCE(step != 0, "Step size cannot be 0.");
     torch::Dtype d = c.X(0).scalar_type();
     double diff = stop - start;
     if (step > 0 ? diff <= 0 : diff >= 0) return c.set(torch::empty({0}, torch::TensorOptions().dtype(d)));
     auto n = int64_t(diff / step);
     if (double(n) * step < diff) n++;  // so in Caffe2, also where the step is negative
     C2_ENFORCE(n < (int64_t(1) << 32), "a range of ", n, " numbers");
     Tensor k = torch::arange(n);
     c.set(torch::isFloatingType(d) ? (k.to(d) * step + start).to(d) : (k * int64_t(step) + int64_t(start)).to(d));
   }).quiet();
  r.op("SinusoidPositionEncoding", "1 -> 1", [](Call& c) {
    Tensor x = c.X().to(torch::kDouble);
    int64_t D = c.i("embedding_size", 100);
    double alpha = c.f("alpha", 10000), amplitude = c.f("amplitude", 1);
    Dims1 s(x.sizes().begin(), x.sizes().end());
    s.push_back(D);
    Tensor k = torch::arange(D), part = k.to(torch::kDouble) / double(std::max<int64_t>(D, 1));
    Tensor at =
        x.unsqueeze(-1) / torch::pow(torch::full({}, alpha, torch::TensorOptions().dtype(torch::kDouble)), part);
    c.set((torch::where(k.remainder(2) == 0, at.sin(), at.cos()) * amplitude).to(torch::kFloat));
  });
  // Fills of float16, which have no input.
  r.op("Float16ConstantFill", "0 -> 1", [](Call& c) {
     c.set(torch::full(shape_of(c), c.f("value", 0), torch::TensorOptions().dtype(torch::kHalf)));
   }).quiet();
  r.op("Float16UniformFill", "0 -> 1", [](Call& c) {
     c.set(uniform_tensor(c, shape_of(c), c.f("min", 0), c.f("max", 1)).to(torch::kHalf));
   }).quiet();
  r.op("Bernoulli", "0-1 -> 1", [](Call& c) { c.set(uniform_tensor(c, shape_of(c), 0, 1) < c.f("p", 0.5)); }).quiet();
}

}  // namespace rushlight::caffe2
