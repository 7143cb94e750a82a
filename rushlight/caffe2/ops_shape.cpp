// Sizes, order and choice of elements.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <unordered_map>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/window.h"

namespace rushlight::caffe2 {
namespace {

using torch::indexing::Slice;

std::vector<int64_t> sizes_of(const Tensor& x) { return {x.sizes().begin(), x.sizes().end()}; }

int64_t concat_axis(const Call& c, int64_t dims) {
  if (c.has_arg("axis")) return canonical_axis(c.i("axis"), dims);
  return c.nhwc() ? dims - 1 : 1;
}

void same_type(const Call& c, size_t k) {
  C2_ENFORCE(c.X(k).scalar_type() == c.X(0).scalar_type(),
             "All inputs should have the same type: ", shown_dtype(c.X(0).scalar_type()), " and ",
             shown_dtype(c.X(k).scalar_type()));
}

// Where a slice begins and ends; -1 is one past the last element.
void slice_bounds(const Call& c, const Tensor& x, std::vector<int64_t>& from, std::vector<int64_t>& to, bool gradient) {
  size_t inputs = c.inputs() - gradient;
  if (inputs > 1) from = c.whole_numbers(1), to = c.whole_numbers(2);
  else from = c.ints("starts"), to = c.ints("ends");
  C2_ENFORCE(from.size() == to.size(), "starts and ends should have the same length");
  C2_ENFORCE(int64_t(from.size()) <= x.dim(), "starts of ", from.size(), " for a tensor of ", x.dim(), " dimensions");
  int sliced = 0;
  for (int64_t k = 0; k < x.dim(); k++) {
    int64_t n = x.size(k);
    if (k >= int64_t(from.size())) {
      from.push_back(0), to.push_back(n);
      continue;
    }
    int64_t &a = from[size_t(k)], &b = to[size_t(k)];
    if (a < 0) a = n + 1 + a;
    if (b < 0) b = n + 1 + b;
    a = std::min(a, n), b = std::min(b, n);
    C2_ENFORCE(a >= 0, "starts must be >= 0");
    if (b < a) b = a;
    sliced += a != 0 || b != n;
  }
  C2_ENFORCE(sliced <= 1, "Currently only possible to slice in 1 dimension.");
}

// Rows of `data` along `axis`. Indices that lie outside are an error that names the first.
Tensor gather(const Tensor& data, const Tensor& indices, int64_t axis, bool wrap) {
  Tensor at = indices.to(torch::kLong).contiguous();
  int64_t n = data.size(axis);
  const int64_t* p = at.data_ptr<int64_t>();
  bool negative = false;
  for (int64_t k = 0; k < at.numel(); k++) {
    negative |= p[k] < 0;
    C2_ENFORCE(p[k] < n && (wrap ? p[k] >= -n : p[k] >= 0), "INDICES element is out of DATA bounds, id=", p[k],
               " axis_dim=", n);
  }
  if (negative) at = torch::where(at < 0, at + n, at);
  std::vector<int64_t> sizes = sizes_of(data);
  sizes.erase(sizes.begin() + axis);
  sizes.insert(sizes.begin() + axis, indices.sizes().begin(), indices.sizes().end());
  return data.index_select(axis, at.reshape({-1})).reshape(sizes);
}

// Rows of all outer dimensions as rows of one, and indices of them.
Tensor matched(const Tensor& data, int64_t axis) {
  std::vector<int64_t> sizes{size_to(data, axis + 1)};
  for (int64_t d = axis + 1; d < data.dim(); d++) sizes.push_back(data.size(d));
  return data.reshape(sizes);
}
Tensor matched(const Tensor& indices, const Tensor& data, int64_t axis) {
  int64_t outer = size_to(data, axis), n = data.size(axis);
  Tensor at = indices.to(torch::kLong).reshape({outer, outer ? indices.numel() / outer : 0});
  at = torch::where(at < 0, at + n, at);
  C2_ENFORCE(at.numel() == 0 || (at.min().item<int64_t>() >= 0 && at.max().item<int64_t>() < n),
             "INDICES element is out of DATA bounds, axis_dim=", n);
  return (at + torch::arange(outer, at.options()).reshape({-1, 1}) * n).reshape({-1});
}

// The same where indices have the dimensions of `data` before the axis too: each of those has rows of its own.
Tensor gather_matched(const Tensor& data, const Tensor& indices, int64_t axis) {
  C2_ENFORCE(indices.dim() >= axis && indices.sizes().slice(0, size_t(axis)) == data.sizes().slice(0, size_t(axis)),
             "match_outer wants indices that begin as the data does: ", indices.sizes(), " and ", data.sizes());
  std::vector<int64_t> sizes = sizes_of(indices);
  for (int64_t d = axis + 1; d < data.dim(); d++) sizes.push_back(data.size(d));
  return gather(matched(data, axis), matched(indices, data, axis), 0, false).reshape(sizes);
}

std::vector<int64_t> lengths_or(const Call& c, size_t input, const char* arg) {
  return c.has(input) ? c.whole_numbers(input) : c.ints(arg);
}

Tensor pad_image(const Call& c, const Tensor& x) {
  std::vector<int64_t> picture = picture_of(x, c.nhwc());
  C2_ENFORCE(picture.size() == 2, "PadImage wants 4 dimensions, got ", x.dim());
  Window w(c, 2, picture);
  std::string mode = c.s("mode", "constant");
  Tensor y = c.nhwc() ? to_nchw(x) : x;
  if (mode == "constant") y = torch::constant_pad_nd(y, w.as_pad(), c.f("value", 0));
  else if (mode == "reflect") y = torch::reflection_pad2d(y, w.as_pad());
  else if (mode == "edge") y = torch::replication_pad2d(y, w.as_pad());
  else C2_FAIL("Unknown padding mode: ", mode);
  return c.nhwc() ? to_nhwc(y) : y;
}

Tensor space_to_batch(const Call& c, const Tensor& x) {
  int64_t b = c.i("block_size", 2), pad = c.i("pad", 0), t = c.i("pad_t", pad), l = c.i("pad_l", pad),
          bt = c.i("pad_b", pad), r = c.i("pad_r", pad);
  C2_ENFORCE(x.dim() == 4 && b > 0, "input should have 4 dimensions, got ", x.dim());
  Tensor p = torch::constant_pad_nd(x, {l, r, t, bt}, 0);
  int64_t N = x.size(0), C = x.size(1), H = p.size(2), W = p.size(3);
  C2_ENFORCE(H % b == 0 && W % b == 0, "the padded picture of ", H, " x ", W, " is no multiple of the block size ", b);
  return p.reshape({N, C, H / b, b, W / b, b}).permute({3, 5, 0, 1, 2, 4}).reshape({N * b * b, C, H / b, W / b});
}
Tensor batch_to_space(const Call& c, const Tensor& x) {
  int64_t b = c.i("block_size", 2), pad = c.i("pad", 0), t = c.i("pad_t", pad), l = c.i("pad_l", pad),
          bt = c.i("pad_b", pad), r = c.i("pad_r", pad);
  C2_ENFORCE(x.dim() == 4 && b > 0 && x.size(0) % (b * b) == 0, "the batch is no multiple of the block size's square");
  int64_t N = x.size(0) / (b * b), C = x.size(1), H = x.size(2), W = x.size(3);
  Tensor y = x.reshape({b, b, N, C, H, W}).permute({2, 3, 4, 0, 5, 1}).reshape({N, C, H * b, W * b});
  C2_ENFORCE(t >= 0 && l >= 0 && bt >= 0 && r >= 0 && t + bt <= H * b && l + r <= W * b,
             "pads are larger than the picture");
  return y.narrow(2, t, H * b - t - bt).narrow(3, l, W * b - l - r).contiguous();
}

Tensor nearest(const Tensor& x, double height_scale, double width_scale) {
  return torch::upsample_nearest2d(x, std::nullopt, std::vector<double>{height_scale, width_scale});
}

template <class T>
void find_elements(Call& c, const Tensor& items, const Tensor& wanted) {
  std::unordered_map<T, int32_t> at;
  const T* p = static_cast<const T*>(items.contiguous().data_ptr());
  for (int64_t k = 0; k < items.numel(); k++) at[p[k]] = int32_t(k);  // the last one counts
  Tensor out = torch::empty(wanted.sizes(), torch::TensorOptions().dtype(items.scalar_type()));
  Tensor w = wanted.contiguous();
  const T* q = static_cast<const T*>(w.data_ptr());
  T* o = static_cast<T*>(out.data_ptr());
  T missing = T(c.i("missing_value", -1));
  for (int64_t k = 0; k < w.numel(); k++) {
    auto found = at.find(q[k]);
    o[k] = found == at.end() ? missing : T(found->second);
  }
  c.set(out);
}

}  // namespace

void add_shape(Registry& r) {
  r.op("Reshape", "1-2 -> 2",
       [](Call& c) {
         Tensor x = c.X();
         std::vector<int64_t> to = c.has(1) ? c.whole_numbers(1) : c.ints("shape");
         C2_ENFORCE(c.has(1) || c.has_arg("shape"), "Shape is missing: an argument or a second input");
         int64_t known = 1, open = -1;
         for (size_t k = 0; k < to.size(); k++) {
           if (to[k] == 0) {
             C2_ENFORCE(int64_t(k) < x.dim(), "a size of 0 copies one of the input's, which has no dimension ", k);
             to[k] = x.size(int64_t(k));
           }
           if (to[k] == -1) {
             C2_ENFORCE(open < 0, "Argument `shape` has more than one missing dimension.");
             open = int64_t(k);
           } else {
             C2_ENFORCE(to[k] > 0 || x.numel() == 0, "Shape ", to, " has a size of ", to[k]);
             known *= std::max<int64_t>(to[k], 0);
           }
         }
         if (open >= 0) {
           C2_ENFORCE(known != 0 ? x.numel() % known == 0 : x.numel() == 0,
                      "Argument `shape` does not agree with the input data. (", x.numel(), " vs ", known, ")");
           to[size_t(open)] = known ? x.numel() / known : 0;
         } else {
           C2_ENFORCE(known == x.numel(), "Cannot reshape a tensor of sizes ", x.sizes(), " into sizes ", to,
                      ": it has ", x.numel(), " elements, the shape ", known);
         }
         c.set(x.reshape(to));
         c.set(1, int_list(sizes_of(x), c.has(1) ? c.X(1).scalar_type() : torch::kLong));
       })
      .script("X, shape: Any, outputs: Any", "return X.reshape(copied(X, shape)), as_tensor(sizes(X))")
      .grad(
          [](GradientMaker& m) { m.add("Reshape", {m.GO(0), m.O(1)}, {m.GI(0), "_" + m.GI(0) + "_dims"}, {}, false); });
  r.op("ResizeLike", "2 -> 1",
       [](Call& c) {
         C2_ENFORCE(c.X(0).numel() == c.X(1).numel(), "Output size ", c.X(1).numel(), " is not the input's ",
                    c.X(0).numel());
         c.set(c.X(0).reshape(c.X(1).sizes()));
       })
      .script("X, Y", "return X.reshape(Y.shape)")
      .grad("ResizeLike: GO0 I0 -> GI0");
  r.op("Flatten", "1 -> 1", [](Call& c) { c.set(flat(c.X(), canonical_axis(c.i("axis", 1), c.X().dim(), true))); })
      .script("X, axis: Any = 1", "return flat(X, axis)")
      .grad("ResizeLike: GO0 I0 -> GI0");
  r.op("FlattenToVec", "1 -> 1",
       [](Call& c) {
         C2_ENFORCE(c.X().dim() >= 1, "The rank of the tensor must be >= 1.");
         c.set(c.X().reshape({-1}));
       })
      .script("X", "return X.reshape([-1])")
      .grad("ResizeLike: GO0 I0 -> GI0");
  r.op("MergeDim", "1 -> 1", [](Call& c) {
     std::vector<int64_t> s = sizes_of(c.X());
     C2_ENFORCE(s.size() >= 2, "MergeDim wants at least 2 dimensions");
     s[1] *= s[0];
     s.erase(s.begin());
     c.set(c.X().reshape(s));
   }).grad("ResizeLike: GO0 I0 -> GI0");
  r.op("PrependDim", "1 -> 1", [](Call& c) {
     int64_t d = c.i("dim_size", 0);
     std::vector<int64_t> s = sizes_of(c.X());
     C2_ENFORCE(d > 0 && !s.empty() && s[0] % d == 0,
                "First dimension must be multiple of prepend_dim. Current first dimension: ", s.empty() ? 0 : s[0]);
     s[0] /= d;
     s.insert(s.begin(), d);
     c.set(c.X().reshape(s));
   }).grad("MergeDim: GO0 -> GI0");
  r.op("Squeeze", "1 -> 1",
       [](Call& c) {
         std::vector<int64_t> s = sizes_of(c.X()), dims = c.ints("dims");
         std::sort(dims.begin(), dims.end());
         dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
         for (size_t k = dims.size(); k-- > 0;) {
           C2_ENFORCE(dims[k] >= 0 && dims[k] < int64_t(s.size()), "Input needs at least ", dims[k] + 1,
                      " dimensions.");
           C2_ENFORCE(s[size_t(dims[k])] == 1, "Dimension ", dims[k], " of input must be 1 instead of ",
                      s[size_t(dims[k])], ".");
           s.erase(s.begin() + dims[k]);
         }
         c.set(c.X().reshape(s));
       })
      .script("X, dims: Any", "return X.squeeze(dims)")
      .needs("dims")
      .grad("ExpandDims: GO0 -> GI0");
  r.op("ExpandDims", "1 -> 1",
       [](Call& c) {
         std::vector<int64_t> s = sizes_of(c.X()), dims = c.ints("dims");
         std::sort(dims.begin(), dims.end());
         dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
         for (int64_t d : dims) {
           C2_ENFORCE(d >= 0 && d <= int64_t(s.size()), "Input needs at least ", d, " dimensions given `dims`.");
           s.insert(s.begin() + d, 1);
         }
         c.set(c.X().reshape(s));
       })
      .script("X, dims: Any", "return unsqueezed(X, dims)")
      .needs("dims")
      .grad("Squeeze: GO0 -> GI0");
  r.op("Transpose", "1 -> 1",
       [](Call& c) {
         std::vector<int64_t> axes = c.ints("axes");
         int64_t n = c.X().dim();
         if (axes.empty())
           for (int64_t k = n; k-- > 0;) axes.push_back(k);
         std::vector<int64_t> sorted = axes, all(static_cast<size_t>(n));
         std::sort(sorted.begin(), sorted.end());
         std::iota(all.begin(), all.end(), 0);
         C2_ENFORCE(sorted == all, "axes ", axes, " are no order of ", n, " dimensions");
         c.set(c.X().permute(axes).contiguous());
       })
      .script("X, axes: Any = None", R"(if axes is not None:
    return X.permute(axes).contiguous()
return X.permute([X.dim() - 1 - k for k in range(X.dim())]).contiguous())")
      .apart()
      .grad([](GradientMaker& m) {
        std::vector<int64_t> axes = m.op.args.ints("axes"), back(axes.size());
        for (size_t k = 0; k < axes.size(); k++)
          if (axes[k] >= 0 && axes[k] < int64_t(axes.size())) back[size_t(axes[k])] = int64_t(k);
        std::vector<MessageRef> args;
        if (!axes.empty()) args.push_back(ints_arg("axes", back));
        m.add("Transpose", {m.GO(0)}, {m.GI(0)}, args, axes.empty());
      });
  r.op("NCHW2NHWC", "1 -> 1", [](Call& c) { c.set(c.X().movedim(1, -1).contiguous()); })
      .script("X", "return X.movedim(1, -1).contiguous()")
      .apart()
      .grad("NHWC2NCHW: GO0 -> GI0");
  r.op("NHWC2NCHW", "1 -> 1", [](Call& c) { c.set(c.X().movedim(-1, 1).contiguous()); })
      .script("X", "return X.movedim(-1, 1).contiguous()")
      .apart()
      .grad("NCHW2NHWC: GO0 -> GI0");
  r.op("Concat", "1+ -> 2",
       [](Call& c) {
         std::vector<Tensor> all;
         bool add = c.b("add_axis");
         int64_t axis = concat_axis(c, c.X(0).dim() + add);
         std::vector<int64_t> lengths;
         for (size_t k = 0; k < c.inputs(); k++) {
           Tensor x = c.X(k);
           C2_ENFORCE(x.dim() == c.X(0).dim(),
                      "All inputs of Concat should have same number of dimensions: ", c.X(0).dim(), " and ", x.dim());
           for (int64_t d = 0; d < x.dim(); d++)
             C2_ENFORCE(
                 (d == axis && !add) || x.size(d) == c.X(0).size(d), "Expect dimension = ", c.X(0).size(d), " got ",
                 x.size(d), " at axis = ", d, " for input: ", k,
                 ". The input tensors can only have different dimensions when arg 'add_axis' = 0 and along the axis = ",
                 axis, " <", c.X(0).sizes(), "> vs <", x.sizes(), ">.");
           same_type(c, k);
           lengths.push_back(add ? 1 : x.size(axis));
           all.push_back(add ? x.unsqueeze(axis) : x);
         }
         c.set(torch::cat(all, axis));
         c.set(1, int_list(lengths, torch::kInt));
       })
      .script("inputs: Any, outputs: Any, axis: Any = None, add_axis: Any = 0, order: Any = \"NCHW\"", R"(d = 1
if order == "NHWC":
    d = -1
if axis is not None:
    d = axis
if add_axis != 0:
    return torch.stack(list(inputs), d), as_tensor([1] * len(inputs), torch.int32)
return torch.cat(list(inputs), d), as_tensor(lengths(inputs, d), torch.int32))")
      .apart()
      .also("DepthConcat")
      .grad([](GradientMaker& m) {
        if (m.op.inputs.size() == 1 && m.op.outputs.size() < 2)
          C2_FAIL("Concat needs its second output for a gradient");
        std::vector<std::string> out;
        for (size_t k = 0; k < m.op.inputs.size(); k++) out.push_back(m.GI(k));
        m.add("Split", {m.GO(0), m.O(1)}, out);
      });
  r.op("Split", "1-2 -> 1+",
       [](Call& c) {
         Tensor x = c.X();
         int64_t axis = concat_axis(c, x.dim()), n = axis < x.dim() ? x.size(axis) : 0;
         bool add = c.b("add_axis");
         std::vector<int64_t> lengths = lengths_or(c, 1, "split");
         auto outputs = int64_t(c.outputs());
         if (lengths.empty()) {
           C2_ENFORCE(
               n % outputs == 0,
               "When you did not specify split, you should have a dimension that is divisible by the output size.");
           lengths.assign(size_t(outputs), n / outputs);
         }
         C2_ENFORCE(int64_t(lengths.size()) == outputs, "The number of splits specified (", lengths.size(),
                    ") does not match the number of outputs ", outputs);
         int64_t total = 0;
         for (int64_t l : lengths) {
           C2_ENFORCE(l >= 0, "a split of ", l);
           total += l;
         }
         C2_ENFORCE(total == n, "Sum of split dimensions do not match: should be ", n, ", got ", total);
         int64_t from = 0;
         for (size_t k = 0; k < lengths.size(); from += lengths[k], k++) {
           Tensor y = x.narrow(axis, from, lengths[k]);
           if (add) {
             C2_ENFORCE(lengths[k] == 1, "add_axis wants splits of 1");
             y = y.squeeze(axis);
           }
           c.set(k, y.contiguous());
         }
       })
      .script("X, outputs: Any, split: Any = None, axis: Any = None, add_axis: Any = 0, order: Any = \"NCHW\"", R"(d = 1
if order == "NHWC":
    d = -1
if axis is not None:
    d = axis
if add_axis != 0:
    unsupported()
if split is None:
    return torch.chunk(X, outputs, d)
return torch.split_with_sizes(X, split, d))")
      .also("DepthSplit")
      .grad([](GradientMaker& m) {
        std::vector<std::string> in;
        for (size_t k = 0; k < m.op.outputs.size(); k++)
          if (m.has_GO(k)) in.push_back(m.GO(k));
        m.add("Concat", in, {m.GI(0), "_" + m.GI(0) + "_dims"});
      });
  r.op("SplitByLengths", "2 -> 1+", [](Call& c) {
     Tensor x = c.X();
     std::vector<int64_t> lengths = c.whole_numbers(1);
     int64_t axis = concat_axis(c, x.dim()), from = 0;
     if (!c.has_arg("axis")) axis = 0;
     size_t each = lengths.size() / c.outputs();
     C2_ENFORCE(each * c.outputs() == lengths.size(), "len(Lengths) ", lengths.size(),
                " should be divisible by OutputSize() ", c.outputs());
     int64_t total = 0, unit = 1;
     for (int64_t n : lengths) {
       C2_ENFORCE(n >= 0 && n <= INT32_MAX, "lengths should be from 0 to 2^31, got ", n);
       total += n;
     }
     if (c.b("use_scaling_lengths")) {
       C2_ENFORCE(total > 0 && x.size(axis) % total == 0, "The size ", x.size(axis),
                  " should be divisible by the sum of the lengths, ", total);
       unit = x.size(axis) / total;
     }
     C2_ENFORCE(total * unit == x.size(axis), "Sum of split dimensions do not match: ", total, " and ", x.size(axis));
     for (size_t k = 0; k < c.outputs(); k++) {
       int64_t n = unit * std::accumulate(lengths.begin() + int64_t(k * each),
                                          lengths.begin() + int64_t((k + 1) * each), int64_t(0));
       c.set(k, x.narrow(axis, from, n).contiguous());
       from += n;
     }
   }).grad([](GradientMaker& m) {
    std::vector<std::string> in;
    for (size_t k = 0; k < m.op.outputs.size(); k++)
      if (m.has_GO(k)) in.push_back(m.GO(k));
    m.add("Concat", in, {m.GI(0), "_" + m.GI(0) + "_dims"});
  });
  r.op("Slice", "1-3 -> 1",
       [](Call& c) {
         Tensor x = c.X(), y = x;
         std::vector<int64_t> from, to;
         slice_bounds(c, x, from, to, false);
         for (int64_t k = 0; k < x.dim(); k++) y = y.narrow(k, from[size_t(k)], to[size_t(k)] - from[size_t(k)]);
         c.set(y.contiguous());
       })
      .script("X, starts: Any, ends: Any", "return slice_of(X, starts, ends)")
      .grad("SliceGradient: I* GO0 -> GI0");
  r.op("SliceGradient", "2-4 -> 1", [](Call& c) {
    Tensor x = c.X(), g = torch::zeros_like(x), part = g;
    std::vector<int64_t> from, to;
    slice_bounds(c, x, from, to, true);
    for (int64_t k = 0; k < x.dim(); k++) part = part.narrow(k, from[size_t(k)], to[size_t(k)] - from[size_t(k)]);
    part.copy_(c.X(c.inputs() - 1).reshape(part.sizes()));
    c.set(g);
  });
  r.op("Gather", "2 -> 1", [](Call& c) {
     int64_t axis = canonical_axis(c.i("axis", 0), c.X(0).dim());
     c.set(c.b("match_outer") ? gather_matched(c.X(0), c.X(1), axis) : gather(c.X(0), c.X(1), axis, true));
   }).grad([](GradientMaker& m) {
    int64_t axis = m.op.args.i("axis", 0);
    if (axis == 0) {
      if (m.op.args.b("dense_gradient")) m.add("SparseToDense", {m.I(1), m.GO(0), m.I(0)}, {m.GI(0)});
      else m.set_sparse(0, m.I(1), m.GO(0));
    } else {
      m.add("BatchGatherGradient", {m.I(0), m.I(1), m.GO(0)}, {m.GI(0)}, {int_arg("axis", axis)});
    }
  });
  r.op("BatchGather", "2 -> 1", [](Call& c) {
     C2_ENFORCE(c.X(0).dim() >= 2, "DATA should be at least 2-D");
     c.set(c.b("match_outer") ? gather_matched(c.X(0), c.X(1), 1) : gather(c.X(0), c.X(1), 1, true));
   }).grad("BatchGatherGradient: I0 I1 GO0 -> GI0");
  r.op("BatchGatherGradient", "3 -> 1", [](Call& c) {
    Tensor d = c.X(0), at = c.X(1).to(torch::kLong).reshape({-1}), g = c.X(2);
    int64_t axis = canonical_axis(c.i("axis", 1), d.dim());
    if (c.b("match_outer")) {
      Tensor rows = torch::zeros_like(matched(d, axis));
      std::vector<int64_t> like = sizes_of(rows);
      like[0] = at.numel();
      c.set(rows.index_add(0, matched(c.X(1), d, axis), g.reshape(like)).reshape(d.sizes()));
      return;
    }
    std::vector<int64_t> sizes = sizes_of(d);
    sizes[size_t(axis)] = at.numel();
    at = torch::where(at < 0, at + d.size(axis), at);
    c.set(torch::zeros_like(d).index_add(axis, at, g.reshape(sizes)));
  });
  r.op("Tile", "1-3 -> 1",
       [](Call& c) {
         int64_t tiles = c.has(1) ? int64_t(c.number(1)) : c.i("tiles", 1),
                 axis = c.has(2) ? int64_t(c.number(2)) : c.i("axis", 0);
         axis = canonical_axis(axis, c.X().dim());
         C2_ENFORCE(tiles >= 0, "tiles must not be negative");
         std::vector<int64_t> times(size_t(c.X().dim()), 1);
         times[size_t(axis)] = tiles;
         c.set(c.X().repeat(times));
       })
      .script("X, tiles: Any = 1, axis: Any = 0", "return torch.cat([X for k in range(tiles)], axis)")
      .grad("TileGradient: GO0 I1? I2? -> GI0");
  r.op("TileGradient", "1-3 -> 1", [](Call& c) {
    Tensor g = c.X();
    int64_t tiles = c.has(1) ? int64_t(c.number(1)) : c.i("tiles", 1),
            axis = c.has(2) ? int64_t(c.number(2)) : c.i("axis", 0);
    axis = canonical_axis(axis, g.dim());
    C2_ENFORCE(tiles > 0 && g.size(axis) % tiles == 0, "a dimension of ", g.size(axis), " for ", tiles, " tiles");
    std::vector<int64_t> s = sizes_of(g);
    s[size_t(axis)] /= tiles;
    s.insert(s.begin() + axis, tiles);
    c.set(g.reshape(s).sum(axis));
  });
  r.op("NumpyTile", "2 -> 1", [](Call& c) { c.set(c.X().repeat(c.whole_numbers(1))); }).stop();
  r.op("Expand", "2 -> 1", [](Call& c) {
     std::vector<int64_t> to = c.whole_numbers(1), from = sizes_of(c.X());
     while (to.size() < from.size()) to.insert(to.begin(), 1);
     for (size_t k = 0; k < from.size(); k++) {
       int64_t& t = to[to.size() - from.size() + k];
       if (t == 1) t = from[k];
     }
     c.set(c.X().expand(to).contiguous());
   }).grad("ExpandGradient: GO0 I0 -> GI0");
  r.op("ExpandGradient", "2 -> 1", [](Call& c) { c.set(c.X(0).sum_to_size(c.X(1).sizes())); });
  r.op("PadImage", "1 -> 1", [](Call& c) { c.set(pad_image(c, c.X())); })
      .script("X, begin: Any, around: Any, mode: Any = \"constant\", value: Any = 0.0, order: Any = \"NCHW\"",
              R"(x = first(X, order)
if mode == "constant":
    return last(torch.constant_pad_nd(x, around, value), order)
if mode == "reflect":
    return last(torch.reflection_pad2d(x, around), order)
return last(torch.replication_pad2d(x, around), order))")
      .apart()
      .grad("PadImageGradient: GO0 -> GI0");
  r.op("PadImageGradient", "1 -> 1", [](Call& c) {
    Tensor g = c.X();
    Window w(c, 2, picture_of(g, c.nhwc()));
    std::vector<int64_t> s = sizes_of(g);
    for (size_t k = 0; k < 2; k++) {
      int64_t& n = s[k + (c.nhwc() ? 1 : 2)];
      n -= w.begin[k] + w.end[k];
      C2_ENFORCE(n >= 0, "the gradient is smaller than the padding");
    }
    torch::AutoGradMode on(true);
    Tensor x = torch::zeros(s, g.options()).requires_grad_();
    c.set(torch::autograd::grad({pad_image(c, x)}, {x}, {g})[0].contiguous());
  });
  r.op("SpaceToBatch", "1 -> 1", [](Call& c) { c.set(space_to_batch(c, c.X())); })
      .apart()
      .grad("BatchToSpace: GO0 -> GI0");
  r.op("BatchToSpace", "1 -> 1", [](Call& c) { c.set(batch_to_space(c, c.X())); })
      .apart()
      .grad("SpaceToBatch: GO0 -> GI0");
  for (bool back : {false, true})
    r.op(back ? "ChannelShuffleGradient" : "ChannelShuffle", "1 -> 1",
         [back](Call& c) {
           Tensor x = c.nhwc() ? to_nchw(c.X()) : c.X();
           int64_t g = c.i("group", 1), C = x.size(1);
           C2_ENFORCE(g > 0 && C % g == 0, C, " channels for ", g, " groups");
           std::vector<int64_t> s = sizes_of(x), split = s;
           split[1] = back ? C / g : g;
           split.insert(split.begin() + 2, back ? g : C / g);
           Tensor y = x.reshape(split).transpose(1, 2).reshape(s);
           c.set(c.nhwc() ? to_nhwc(y) : y.contiguous());
         })
        .script("X, group: Any = 1, order: Any = \"NCHW\"",
                str("x = first(X, order)\nC = size(x, 1)\ny = x.reshape([x.size(0), ",
                    back ? "C // group, group" : "group, C // group",
                    "] + x.shape[2:]).transpose(1, 2)\nreturn last(y.reshape(x.shape), order)"))
        .grad("ChannelShuffleGradient: GO0 -> GI0");
  r.op("Glu", "1 -> 1",
       [](Call& c) {
         int64_t d = canonical_axis(c.i("dim", -1), c.X().dim());
         C2_ENFORCE(c.X().size(d) % 2 == 0, "Split dimension ", c.X().size(d), " should be divided by two");
         auto halves = c.X().chunk(2, d);
         c.set(halves[0] * halves[1].sigmoid());
       })
      .script("X, dim: Any = -1", "return torch.glu(X, dim)")
      .apart();
  r.op("Shape", "1 -> 1",
       [](Call& c) {
         std::vector<int64_t> axes = c.ints("axes"), out;
         if (!c.has_arg("axes") || axes.empty()) out = sizes_of(c.X());
         else
           for (int64_t a : axes) out.push_back(c.X().size(canonical_axis(a, c.X().dim())));
         c.set(int_list(out));
       })
      .apart()
      .stop();
  r.op("Size", "1 -> 1",
       [](Call& c) { c.set(torch::full({}, c.X().numel(), torch::TensorOptions().dtype(torch::kLong))); })
      .apart()
      .stop();
  r.op("IsEmpty", "1 -> 1",
       [](Call& c) { c.set(torch::full({}, c.X().numel() == 0, torch::TensorOptions().dtype(torch::kBool))); })
      .apart()
      .stop();
  r.op("HasElements", "1+ -> 1",
       [](Call& c) {
         bool any = false;
         for (size_t k = 0; k < c.inputs(); k++) any |= c.X(k).numel() > 0;
         c.set(torch::full({}, any, torch::TensorOptions().dtype(torch::kBool)));
       })
      .apart()
      .stop();
  r.op("EnsureDense", "1 -> 1", [](Call& c) { c.set(c.X()); }).script("X", "return X").grad([](GradientMaker& m) {
    m.set_dense(0, m.GO(0));
  });
  r.op("TopK", "1-2 -> 2-3",
       [](Call& c) {
         Tensor x = c.X();
         int64_t axis = canonical_axis(c.i("axis", -1), x.dim()), n = x.size(axis),
                 k = c.has(1) ? int64_t(c.number(1)) : c.i("k", -1);
         C2_ENFORCE(k >= 1, "k argument must be >= 1");
         int64_t got = std::min(k, n);
         auto sorted = x.sort(/*stable=*/true, axis, /*descending=*/true);
         Tensor v = std::get<0>(sorted).narrow(axis, 0, got), at = std::get<1>(sorted).narrow(axis, 0, got);
         if (got < k) {
           std::vector<int64_t> more = sizes_of(x);
           more[size_t(axis)] = k - got;
           v = torch::cat({v, torch::zeros(more, v.options())}, axis);
           at = torch::cat({at, torch::full(more, -1, at.options())}, axis);
         }
         c.set(0, v.contiguous());
         c.set(1, at.contiguous());
         if (c.outputs() > 2) {
           std::vector<int64_t> below(size_t(x.dim()), 1);
           int64_t inner = size_from(x, axis + 1);
           Tensor rest = torch::arange(inner).reshape({1, 1, inner});
           Tensor outer = torch::arange(size_to(x, axis)).reshape({-1, 1, 1});
           Tensor flat_at = at.reshape({size_to(x, axis), k, inner});
           c.set(2, ((outer * n + flat_at) * inner + rest).reshape({-1}));
         }
       })
      .apart()
      .grad("TopKGradient: GO0 O1 I0 -> GI0");
  r.op("TopKGradient", "3 -> 1", [](Call& c) {
    Tensor g = c.X(0), at = c.X(1).to(torch::kLong), x = c.X(2);
    int64_t axis = canonical_axis(c.i("axis", -1), x.dim());
    Tensor valid = at >= 0;
    c.set(torch::zeros_like(x).scatter_add(axis, at.clamp_min(0), g * valid.to(g.scalar_type())));
  });
  for (bool greatest : {true, false})
    r.op(greatest ? "ArgMax" : "ArgMin", "1 -> 1",
         [greatest](Call& c) {
           int64_t axis = canonical_axis(c.i("axis", -1), c.X().dim());
           bool keep = c.b("keepdims", true);
           // The first of equals.
           auto sorted = c.X().sort(true, axis, greatest);
           Tensor at = std::get<1>(sorted).narrow(axis, 0, 1);
           c.set((keep ? at : at.squeeze(axis)).contiguous());
         })
        .script("X, axis: Any = -1, keepdims: Any = 1",
                str("return torch.", greatest ? "argmax" : "argmin", "(X, axis, keepdims != 0)"))
        .apart()
        .stop();
  r.op("Unique", "1 -> 1-2",
       [](Call& c) {
         C2_ENFORCE(c.X().dim() == 1, "Input should be a vector, got ", c.X().dim(), " dimensions");
         auto [values, back, counts] = torch::_unique2(c.X(), true, true, false);
         c.set(0, values);
         c.set(1, back.to(torch::kInt));
       })
      .apart()
      .stop();
  r.op("Im2Col", "1 -> 1",
       [](Call& c) {
         Tensor x = c.nhwc() ? to_nchw(c.X()) : c.X();
         C2_ENFORCE(x.dim() == 4, "input should have 4 dimensions");
         std::vector<int64_t> picture = picture_of(x, false);
         Window w(c, 2, picture);
         std::vector<int64_t> out = w.result(picture);
         Tensor p = torch::constant_pad_nd(x, w.as_pad(), 0);
         Tensor y = torch::im2col(p, w.kernel, w.dilation, {0, 0}, w.stride);
         if (c.nhwc()) {  // rows of a picture's windows, channels last
           int64_t C = x.size(1), K = w.kernel[0] * w.kernel[1];
           y = y.reshape({x.size(0), C, K, out[0] * out[1]})
                   .permute({0, 3, 2, 1})
                   .reshape({x.size(0), out[0], out[1], K * C});
         } else {
           y = y.reshape({x.size(0), y.size(1), out[0], out[1]});
         }
         c.set(y);
       })
      .apart()
      .grad("Col2Im: GO0 I0 -> GI0");
  r.op("Col2Im", "2 -> 1",
       [](Call& c) {
         Tensor g = c.X(0), x = c.nhwc() ? to_nchw(c.X(1)) : c.X(1);
         C2_ENFORCE(x.dim() == 4, "input should have 4 dimensions");
         std::vector<int64_t> picture = picture_of(x, false);
         Window w(c, 2, picture);
         std::vector<int64_t> out = w.result(picture);
         int64_t N = x.size(0), C = x.size(1), K = w.kernel[0] * w.kernel[1], L = out[0] * out[1];
         if (c.nhwc()) g = g.reshape({N, L, K, C}).permute({0, 3, 2, 1});
         g = g.reshape({N, C * K, L});
         std::vector<int64_t> padded{picture[0] + w.begin[0] + w.end[0], picture[1] + w.begin[1] + w.end[1]};
         Tensor y = torch::col2im(g, padded, w.kernel, w.dilation, {0, 0}, w.stride);
         y = y.narrow(2, w.begin[0], picture[0]).narrow(3, w.begin[1], picture[1]).contiguous();
         c.set(c.nhwc() ? to_nhwc(y) : y);
       })
      .apart()
      .grad("Im2Col: GO0 -> GI0");
  r.op("ResizeNearest", "1-2 -> 1",
       [](Call& c) {
         Tensor x = c.nhwc() ? to_nchw(c.X()) : c.X();
         double h = c.f("height_scale", 1), w = c.f("width_scale", 1);
         if (c.has(1)) {
           Tensor s = c.X(1).to(torch::kDouble);
           h = s.reshape({-1}).select(0, 0).item<double>(), w = s.reshape({-1}).select(0, 1).item<double>();
         }
         C2_ENFORCE(x.dim() == 4 && h > 0 && w > 0, "a tensor of 4 dimensions, and scales above 0");
         Tensor y = nearest(x, h, w);
         c.set(c.nhwc() ? to_nhwc(y) : y);
       })
      .script("X, height_scale: Any = 1.0, width_scale: Any = 1.0, order: Any = \"NCHW\"", R"(x = first(X, order)
return last(torch.upsample_nearest2d(x, [int(size(x, 2) * height_scale), int(size(x, 3) * width_scale)], height_scale, width_scale), order))")
      .apart()
      .grad("ResizeNearestGradient: GO0 I0 I1? -> GI0");
  r.op("ResizeNearestGradient", "2-3 -> 1", [](Call& c) {
    Tensor g = c.nhwc() ? to_nchw(c.X(0)) : c.X(0), like = c.nhwc() ? to_nchw(c.X(1)) : c.X(1);
    double h = c.f("height_scale", 1), w = c.f("width_scale", 1);
    if (c.has(2)) {
      Tensor s = c.X(2).to(torch::kDouble);
      h = s.reshape({-1}).select(0, 0).item<double>(), w = s.reshape({-1}).select(0, 1).item<double>();
    }
    torch::AutoGradMode on(true);
    Tensor x = torch::zeros(like.sizes(), g.options()).requires_grad_();
    Tensor y = torch::autograd::grad({nearest(x, h, w)}, {x}, {g})[0].contiguous();
    c.set(c.nhwc() ? to_nhwc(y) : y);
  });
  r.op("UpsampleNearest", "1 -> 1",
       [](Call& c) {
         auto s = double(c.i("scale", 2));
         c.set(nearest(c.X(), s, s));
       })
      .script("X, scale: Any = 2", "return torch.upsample_nearest2d(X, [size(X, 2) * scale, size(X, 3) * scale])")
      .apart()
      .grad("UpsampleNearestGradient: I0 GO0 -> GI0");
  r.op("UpsampleBilinear", "1-2 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         double h = c.f("height_scale", 1), w = c.f("width_scale", 1);
         if (c.has(1)) {
           Tensor s = c.X(1).to(torch::kDouble);
           h = s.reshape({-1}).select(0, 0).item<double>(), w = s.reshape({-1}).select(0, 1).item<double>();
         }
         std::vector<int64_t> to{int64_t(double(x.size(2)) * h), int64_t(double(x.size(3)) * w)};
         c.set(torch::upsample_bilinear2d(x, to, /*align_corners=*/true));
       })
      .script(
          "X, height_scale: Any = 1.0, width_scale: Any = 1.0",
          "return torch.upsample_bilinear2d(X, [int(size(X, 2) * height_scale), int(size(X, 3) * width_scale)], True)")
      .apart()
      .grad("UpsampleBilinearGradient: GO0 I0 I1? -> GI0");
  r.op("ResizeNearest3D", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         const char* names[] = {"temporal_scale", "height_scale", "width_scale"};
         for (int64_t d = 0; d < 3; d++) {
           double s = c.f(names[d], 1);
           std::vector<int64_t> at;
           for (int64_t k = 0; k < int64_t(double(c.X().size(2 + d)) * s); k++)
             at.push_back(std::min(int64_t(double(k) / s), c.X().size(2 + d) - 1));
           x = x.index_select(2 + d, int_list(at));
         }
         c.set(x);
       })
      .apart()
      .grad("ResizeNearest3DGradient: GO0 I0 -> GI0");
  r.op("IntegralImage", "1 -> 1",
       [](Call& c) {
         C2_ENFORCE(c.X().dim() == 4, "Only support 4D input image");
         c.set(torch::constant_pad_nd(c.X().cumsum(2).cumsum(3), {1, 0, 1, 0}, 0));
       })
      .apart()
      .grad("IntegralImageGradient: I0 GO0 -> GI0");
  r.op("IntegralImageGradient", "2 -> 1", [](Call& c) {
    // What Caffe2 computes: sums of the gradient up to each place, of the picture's size.
    Tensor x = c.X(0), g = c.X(1);
    Tensor s = g.cumsum(2).cumsum(3);
    c.set(s.narrow(2, 0, x.size(2)).narrow(3, 0, x.size(3)).contiguous());
  });
  r.op("Find", "2 -> 1", [](Call& c) {
     Tensor items = c.X(0);
     if (items.scalar_type() == torch::kInt) find_elements<int32_t>(c, items, c.X(1));
     else if (items.scalar_type() == torch::kLong) find_elements<int64_t>(c, items, c.X(1));
     else c.unsupported(items);
   }).stop();
  r.op("FindDuplicateElements", "1 -> 1", [](Call& c) {
     std::vector<int64_t> at;
     if (auto* s = as<StringTensor>(c.in[0])) {
       std::map<std::string, int> seen;
       for (size_t k = 0; k < s->items.size(); k++)
         if (seen[s->items[k]]++) at.push_back(int64_t(k));
     } else {
       Tensor x = c.X().to(torch::kDouble).contiguous();
       std::map<double, int> seen;
       for (int64_t k = 0; k < x.numel(); k++)
         if (seen[x.data_ptr<double>()[k]]++) at.push_back(k);
     }
     c.set(int_list(at));
   }).stop();
  r.op("Bucketize", "1 -> 1", [](Call& c) {
     std::vector<double> b = c.op.args.floats("boundaries");
     C2_ENFORCE(!b.empty() && std::is_sorted(b.begin(), b.end()), "The boundaries need to be monotonically increasing");
     Tensor x = c.X().contiguous(), y = torch::empty(x.sizes(), torch::TensorOptions().dtype(torch::kInt));
     const float* p = c.data<float>(x);
     for (int64_t k = 0; k < x.numel(); k++)
       y.data_ptr<int32_t>()[k] = int32_t(std::lower_bound(b.begin(), b.end(), double(p[k])) - b.begin());
     c.set(y);
   }).stop();
}

}  // namespace rushlight::caffe2
