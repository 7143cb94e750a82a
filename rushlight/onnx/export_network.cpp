// Convolutions, pooling, normalisation, recurrences, and what else networks are made of.
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

AttributeList convolution(const List& stride, const List& padding, const List& dilation, int64_t groups,
                          const List& kernel) {
  auto spread = [&](const List& v) { return v.size() == kernel.size() ? v : List(kernel.size(), v.at(0)); };
  List p = spread(padding), both = p;
  both.insert(both.end(), p.begin(), p.end());
  return {at("kernel_shape", kernel), at("strides", spread(stride)), at("pads", both),
          at("dilations", spread(dilation)), at("group", groups)};
}
Names_ conv(C c, size_t stride, size_t padding, size_t dilation, bool transposed, size_t groups,
            size_t output_padding) {
  const Tensor& w = c.example(1);
  List kernel(w.sizes().begin() + 2, w.sizes().end());
  Name x = c.t(0);
  bool batched = c.rank(0) == int64_t(kernel.size()) + 2;
  if (!batched) x = c.e.unsqueeze(x, {0});
  AttributeList a;
  bool same = c.in[padding]->value.is_string() && c.need(padding).to_string() == "same", fixed = true;
  for (size_t k = 0; k < kernel.size(); k++)
    if (same) c.size(1, int64_t(k) + 2);
    else fixed &= c.is_fixed(*c.in[1], int64_t(k) + 2);
  if (c.in[padding]->value.is_string()) {
    a = convolution(c.list(stride), {0}, c.list(dilation), c.i(groups), kernel);
    if (same) {
      List pads(kernel.size() * 2);
      for (size_t k = 0; k < kernel.size(); k++) {
        List d = c.list(dilation);
        int64_t total = (kernel[k] - 1) * (d.size() == kernel.size() ? d[k] : d[0]);
        pads[k] = total / 2;
        pads[kernel.size() + k] = total - total / 2;
      }
      a[2] = at("pads", pads);
    }
  } else {
    a = convolution(c.list(stride), c.list(padding), c.list(dilation), c.i(groups), kernel);
  }
  if (transposed) {
    List extra = c.list(output_padding);
    a.push_back(at("output_padding", extra.size() == kernel.size() ? extra : List(kernel.size(), extra.at(0))));
  }
  if (!fixed) a.erase(a.begin());  // the kernel's shape is the weight's
  Names_ in = {x, c.t(1)};
  if (c.has(2)) in.push_back(c.t(2));
  Name y = c.e.op(transposed ? "ConvTranspose" : "Conv", in, a);
  return {batched ? y : c.e.squeeze(y, {0})};
}
// PyTorch's places are those in each plane, ONNX's those in the whole tensor.
Name in_plane(C c, const Name& places, size_t n) {
  Name plane = size_of(c, c.t(0), 2);
  for (size_t k = 1; k < n; k++) plane = c.e.op("Mul", {plane, size_of(c, c.t(0), int64_t(k) + 2)});
  return c.e.op("Mod", {places, plane});
}
List spread(List v, size_t n) { return v.size() == n ? v : v.empty() ? v : List(n, v[0]); }
Names_ pool(C c, size_t n, bool average, size_t results) {
  bool batched = c.rank(0) == int64_t(n) + 2;
  Name x = batched ? c.t(0) : c.e.unsqueeze(c.t(0), {0});
  List kernel = spread(c.list(1), n), stride = c.has(2) ? spread(c.list(2), n) : List();
  if (stride.empty()) stride = kernel;
  List p = spread(c.list(3), n), both = p;
  both.insert(both.end(), p.begin(), p.end());
  AttributeList a = {at("kernel_shape", kernel), at("strides", stride), at("pads", both)};
  if (average) {
    if (c.b(4)) a.push_back(at("ceil_mode", 1));
    a.push_back(at("count_include_pad", c.b(5)));
    bool divided = c.in.size() > 6 && c.has(6);
    if (divided) a.back() = at("count_include_pad", 1);
    if (divided && c.b(4)) refuse(c, "divisor_override with ceil_mode");
    Name y = c.e.op("AveragePool", {x}, a);
    if (divided) {
      double window = 1;
      for (int64_t k : kernel) window *= double(k);
      y = c.e.op("Mul", {y, c.e.number(window / c.f(6), c.dtype())});
    }
    return {batched ? y : c.e.squeeze(y, {0})};
  }
  List dilation = spread(c.list(4), n);
  if (std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d != 1; })) {
    since(c, 10);
    a.push_back(at("dilations", dilation));
  }
  if (c.b(5)) a.push_back(at("ceil_mode", 1));
  Names_ y = c.e.ops("MaxPool", {x}, results, a);
  if (results == 2) {
    if (!batched) refuse(c, "places in an input without a batch");
    y[1] = in_plane(c, y[1], n);
  }
  if (!batched)
    for (Name& one : y) one = c.e.squeeze(one, {0});
  return y;
}
// Weights of averages over windows that aren't all as large: [size of the axis, windows], of a size that the model computes.
Name window_weights(C c, const Name& x, int64_t axis, int64_t windows) {
  Exporter& e = c.e;
  auto whole = [&](int64_t v) { return e.scalar(v, DType::Int64); };
  auto line = [&](const Name& n) { return e.op("Range", {whole(0), n, whole(1)}); };
  Name have = size_of(c, x, axis), i = e.unsqueeze(line(have), {1}), o = e.unsqueeze(line(whole(windows)), {0});
  Name scaled = e.op("Mul", {o, have}), by = whole(windows), begin = e.op("Div", {scaled, by});
  Name end = e.op("Div", {e.op("Add", {e.op("Add", {scaled, have}), whole(windows - 1)}), by});
  Name in = e.op("And", {e.op("Not", {e.op("Less", {i, begin})}), e.op("Less", {i, end})});
  return e.op("Div", {e.cast(in, c.dtype()), e.cast(e.op("Sub", {end, begin}), c.dtype())});
}
Name fixed_window_weights(C c, int64_t have, int64_t want) {
  Tensor wide = empty_tensor({have, want}, DType::Float64);
  std::fill_n(wide.data<double>(), have * want, 0.0);
  for (int64_t o = 0; o < want; o++) {
    int64_t begin = o * have / want, end = ((o + 1) * have + want - 1) / want;
    for (int64_t i = begin; i < end; i++) wide.data<double>()[i * want + o] = 1.0 / double(end - begin);
  }
  return c.e.constant(dense(wide, c.dtype()));
}
// A product with their weights, an axis at a time.
Name averaged(C c, Name x, const List& axes, const List& sizes) {
  int64_t n = c.rank(0);
  for (size_t k = 0; k < axes.size(); k++) {
    bool fixed = c.is_fixed(*c.in[0], axes[k]);
    int64_t have = c.example(0).size(axes[k]), want = sizes[k];
    if (fixed && have == want) continue;
    Name w = fixed ? fixed_window_weights(c, have, want) : window_weights(c, x, axes[k], want);
    bool last = axes[k] == n - 1;
    if (!last) x = transposed(c, x, n, axes[k], n - 1);
    x = c.e.op("MatMul", {x, w});
    if (!last) x = transposed(c, x, n, axes[k], n - 1);
  }
  return x;
}
// With so many dimensions of one element behind its own.
Name after(C c, const Name& x, int64_t dims) {
  List axes;
  for (int64_t k = 0; k < dims; k++) axes.push_back(2 + k);
  return axes.empty() ? x : c.e.unsqueeze(x, axes);
}
// The largest of each window: all of a window's places side by side, the last one as often as windows are shorter than the longest.
Name largest(C c, Name x, const List& axes, const List& sizes) {
  for (size_t k = 0; k < axes.size(); k++) {
    if (!c.is_fixed(*c.in[0], axes[k])) {
      Exporter& e = c.e;
      Name weights = window_weights(c, x, axes[k], sizes[k]);  // [size, windows], 0 outside of a window
      Name outside = e.op("Equal", {weights, e.number(0, c.dtype())}), low = e.number(-INFINITY, c.dtype());
      x = e.op("Where", {after(c, outside, c.rank(0) - axes[k] - 1), low, e.unsqueeze(x, {axes[k] + 1})});
      x = e.reduce("ReduceMax", x, {axes[k]}, false);
      continue;
    }
    int64_t have = c.size(0, axes[k]), want = sizes[k], longest = 1;
    for (int64_t o = 0; o < want; o++)
      longest = std::max(longest, ((o + 1) * have + want - 1) / want - o * have / want);
    Tensor places = empty_tensor({want, longest}, DType::Int64);
    for (int64_t o = 0; o < want; o++)
      for (int64_t i = 0; i < longest; i++)
        places.data<int64_t>()[o * longest + i] = std::min(o * have / want + i, ((o + 1) * have + want - 1) / want - 1);
    x = c.e.op("Gather", {x, c.e.constant(places)}, {at("axis", axes[k])});
    x = c.e.reduce("ReduceMax", x, {axes[k] + 1}, false);
  }
  return x;
}
Names_ adaptive(C c, size_t n, bool average) {
  List kernel, axes, size, cut, cut_to;
  bool batched = c.rank(0) == int64_t(n) + 2, whole = true, all_or_kept = true;
  std::vector<Known> wanted = c.in[1]->value.is_int() ? std::vector<Known>(n, *c.in[1]) : items_of(*c.in[1]);
  for (size_t k = 0; k < n; k++) {
    int64_t axis = c.rank(0) - int64_t(n) + int64_t(k), to = c.out[0].value.tensor().size(axis);
    axes.push_back(axis);
    size.push_back(to);
    // None keeps a size, which then is the input's.
    const Known& y = c.out[0];
    bool kept = !wanted[k].constant && to == c.example(0).size(axis) && y.other.is_tensor() &&
                c.in[0]->other.is_tensor() && y.other.tensor().size(axis) == c.in[0]->other.tensor().size(axis);
    if (!kept) c.result_size(0, axis);
    if (kept || to == 1) {
      kernel.push_back(kept ? 1 : -1);  // -1: all of it
      if (!kept) cut.push_back(axis), cut_to.push_back(to);
      continue;
    }
    all_or_kept = false;
    int64_t have = c.example(0).size(axis);
    whole &= to > 0 && have % to == 0 && c.is_fixed(*c.in[0], axis);
    kernel.push_back(to > 0 ? have / to : 0);
    cut.push_back(axis);
    cut_to.push_back(to);
  }
  bool places = !average && c.node->outputs().size() > 1 && c.node->output(1)->has_uses();
  auto all_of_it = [](int64_t k) { return k == -1; };
  if (!places && std::all_of(kernel.begin(), kernel.end(), all_of_it)) {
    Name y = batched ? c.e.op(average ? "GlobalAveragePool" : "GlobalMaxPool", {c.t(0)})
                     : c.e.reduce(average ? "ReduceMean" : "ReduceMax", c.t(0), axes, true);
    return Names_(c.out.size(), y);
  }
  if (!places && all_or_kept) {
    List all;
    for (size_t k = 0; k < n; k++)
      if (kernel[k] == -1) all.push_back(axes[k]);
    Name y = all.empty() ? c.t(0) : c.e.reduce(average ? "ReduceMean" : "ReduceMax", c.t(0), all, true);
    return Names_(c.out.size(), y);
  }
  if (!whole && average) return {averaged(c, c.t(0), cut, cut_to)};
  if (!whole && places) refuse(c, "places where the output's size doesn't divide the input's");
  if (!whole) return Names_(c.out.size(), largest(c, c.t(0), cut, cut_to));
  if (places && !batched) refuse(c, "places in an input without a batch");
  for (size_t k = 0; k < n; k++)
    if (kernel[k] == -1) kernel[k] = c.size(0, axes[k]);
  Name x = batched ? c.t(0) : c.e.unsqueeze(c.t(0), {0});
  Names_ y = c.e.ops(average ? "AveragePool" : "MaxPool", {x}, places ? 2 : 1,
                     {at("kernel_shape", kernel), at("strides", kernel)});
  if (places) y[1] = in_plane(c, y[1], n);
  if (!batched) y[0] = c.e.squeeze(y[0], {0});
  while (y.size() < c.out.size()) y.push_back(y[0]);
  return y;
}

// A value for each channel: along dimension 1 of `rank`.
Name by_channel(C c, const Name& v, int64_t rank) {
  List shape(size_t(rank) - 1, 1);
  shape[0] = -1;
  return reshape(c, v, shape);
}
Names_ batch_norm(C c) {
  auto or_full = [&](size_t k, double v) {
    if (c.has(k)) return c.t(k);
    int64_t channels = c.size(0, 1);
    Tensor t = empty_tensor({channels}, c.dtype());
    for (int64_t i = 0; i < channels; i++)
      if (c.dtype() == DType::Float64) t.data<double>()[i] = v;
      else if (c.dtype() == DType::Float32) t.data<float>()[i] = float(v);
    return c.e.constant(t);
  };
  if (c.b(5) || !c.has(3)) {  // with the batch's own statistics
    Name x = c.t(0);
    List axes = {0};
    for (int64_t k = 2; k < c.rank(0); k++) axes.push_back(k);
    Name m = c.e.reduce("ReduceMean", x, axes, true), d = c.e.op("Sub", {x, m});
    Name v = c.e.reduce("ReduceMean", c.e.op("Mul", {d, d}), axes, true);
    Name y = c.e.op("Div", {d, c.e.op("Sqrt", {c.e.op("Add", {v, c.e.number(c.f(7), c.dtype())})})});
    if (c.has(1)) y = c.e.op("Mul", {y, by_channel(c, c.t(1), c.rank(0))});
    if (c.has(2)) y = c.e.op("Add", {y, by_channel(c, c.t(2), c.rank(0))});
    return {y};
  }
  return {
      c.e.op("BatchNormalization", {c.t(0), or_full(1, 1), or_full(2, 0), c.t(3), c.t(4)}, {at("epsilon", c.f(7))})};
}
Name normalised(C c, const Name& x, const List& axes, double eps, DType d) {
  Name m = c.e.reduce("ReduceMean", x, axes, true), diff = c.e.op("Sub", {x, m});
  Name v = c.e.reduce("ReduceMean", c.e.op("Mul", {diff, diff}), axes, true);
  return c.e.op("Div", {diff, c.e.op("Sqrt", {c.e.op("Add", {v, c.e.number(eps, d)})})});
}
Names_ layer_norm(C c) {
  auto n = int64_t(c.in[1]->value.int_list().size());
  if (c.e.opset >= 17 && c.has(2)) {
    Names_ in = {c.t(0), c.t(2)};
    if (c.has(3)) in.push_back(c.t(3));
    return {c.e.op("LayerNormalization", in, {at("axis", -n), at("epsilon", c.f(4))})};
  }
  List axes;
  for (int64_t k = c.rank(0) - n; k < c.rank(0); k++) axes.push_back(k);
  Name y = normalised(c, c.t(0), axes, c.f(4), c.dtype());
  if (c.has(2)) y = c.e.op("Mul", {y, c.t(2)});
  if (c.has(3)) y = c.e.op("Add", {y, c.t(3)});
  return {y};
}
Names_ group_norm(C c) {
  int64_t groups = c.i(1);
  Name x = c.e.op("Reshape", {c.t(0), c.e.ints({0, groups, -1})});
  Name y = c.e.op("Reshape", {normalised(c, x, {2}, c.f(4), c.dtype()), shape_of(c, c.t(0))});
  if (c.has(2)) y = c.e.op("Mul", {y, by_channel(c, c.t(2), c.rank(0))});
  if (c.has(3)) y = c.e.op("Add", {y, by_channel(c, c.t(3), c.rank(0))});
  return {y};
}
Names_ instance_norm(C c) {
  if (!c.b(5)) {
    Names_ in = {c.t(0)};
    for (size_t k = 1; k < 5; k++) {
      if (k < 3 && !c.has(k)) {
        Tensor t = empty_tensor({c.size(0, 1)}, DType::Float64);
        std::fill_n(t.data<double>(), t.numel(), k == 1 ? 1.0 : 0.0);
        in.push_back(c.e.constant(dense(t, c.dtype())));
      } else {
        in.push_back(c.t(k));
      }
    }
    return {c.e.op("BatchNormalization", in, {at("epsilon", c.f(7))})};
  }
  List axes;
  for (int64_t k = 2; k < c.rank(0); k++) axes.push_back(k);
  Name y = normalised(c, c.t(0), axes, c.f(7), c.dtype());
  if (c.has(1)) y = c.e.op("Mul", {y, by_channel(c, c.t(1), c.rank(0))});
  if (c.has(2)) y = c.e.op("Add", {y, by_channel(c, c.t(2), c.rank(0))});
  return {y};
}
// A packed sequence as one with padding [steps, sequences, features]: `rows` are its elements' places in the first two, `lengths` the sequences'.
struct Unpacked { Name padded, rows, lengths; };
Unpacked unpack(C c, const Name& data, const Name& state) {
  since(c, 11);
  Exporter& e = c.e;
  DType wide = DType::Int64;
  Name sizes = c.as(1, wide), steps = e.op("Shape", {sizes}), count = e.unsqueeze(size_of(c, state, 1), {0});
  Name line = e.op("Range", {e.number(0, wide), e.squeeze(count, {0}), e.number(1, wide)});
  Name reached = e.op("Less", {e.unsqueeze(line, {0}), e.unsqueeze(sizes, {1})});
  Unpacked u;
  u.rows = e.op("Transpose", {e.op("NonZero", {reshape(c, reached, {-1})})}, {at("perm", List{1, 0})});
  u.lengths = e.cast(e.reduce("ReduceSum", e.cast(reached, wide), {0}, false), DType::Int32);
  Name features = e.slice(e.op("Shape", {data}), 0, e.ints({1}), e.ints({2}), 1);
  Name shape = e.op("Concat", {e.op("Mul", {steps, count}), features}, {at("axis", 0)});
  Name all = e.op("ScatterND", {filled(c, shape, c.example(0).dtype(), 0), u.rows, data});
  u.padded = e.op("Reshape", {all, e.op("Concat", {steps, count, features}, {at("axis", 0)})});
  return u;
}
// The gates of PyTorch's recurrences are in another order than ONNX's.
Names_ recurrent(C c, const char* type, int64_t gates, const List& order, const char* activation) {
  // lstm(input, hx[], params[], has_biases, num_layers, dropout, train, bidirectional, batch_first)
  // lstm(data, batch_sizes, hx[], params[], has_biases, num_layers, dropout, train, bidirectional)
  const bool packed = c.node->schema()->args[1].name == "batch_sizes";
  const size_t hx = packed ? 2 : 1;
  bool lstm = gates == 4, biases = c.b(hx + 2), two = c.b(hx + 6), first = !packed && c.b(hx + 7);
  int64_t layers = c.i(hx + 3), ways = two ? 2 : 1;
  if (c.b(hx + 5) && c.f(hx + 4) > 0) refuse(c, "dropout between layers in training");
  auto item = [&](size_t k, size_t i) {
    if (!c.in[k]->items) {
      Known one;
      one.value = k == hx && c.in[k]->value.is_tensor() ? c.in[k]->value : IValue(c.in[k]->value.tensor_list()[i]);
      one.name = k == hx && c.in[k]->value.is_tensor() ? c.in[k]->name : "";
      one.constant = c.in[k]->constant;
      return one;
    }
    return (*c.in[k]->items)[i];
  };
  Known h = item(hx, 0), cell = lstm ? item(hx, 1) : Known();
  Known& parameters = *c.in[hx + 1];
  size_t weights = parameters.items ? parameters.items->size() : parameters.value.tensor_list().size();
  if (weights != size_t(layers * ways) * (biases ? 4 : 2)) refuse(c, "proj_size");
  size_t each = biases ? 4 : 2;
  Name x = c.t(0);
  if (first) x = c.e.op("Transpose", {x}, {at("perm", List{1, 0, 2})});
  Unpacked unpacked;
  if (packed) {
    unpacked = unpack(c, x, c.e.name_of(h));
    x = unpacked.padded;
  }
  int64_t hidden = h.value.tensor().size(2);
  auto reordered = [&](Known k) {
    Name w = c.e.name_of(k);
    if (order.size() == 1) return w;
    Names_ parts;
    for (int64_t g : order) parts.push_back(c.e.slice(w, 0, c.e.ints({g * hidden}), c.e.ints({(g + 1) * hidden}), 1));
    return c.e.op("Concat", parts, {at("axis", 0)});
  };
  Names_ last_h, last_c;
  for (int64_t l = 0; l < layers; l++) {
    Names_ w, r, b;
    for (int64_t d = 0; d < ways; d++) {
      auto base = size_t(l * ways + d) * each;
      w.push_back(c.e.unsqueeze(reordered(item(hx + 1, base)), {0}));
      r.push_back(c.e.unsqueeze(reordered(item(hx + 1, base + 1)), {0}));
      if (biases)
        b.push_back(c.e.unsqueeze(
            c.e.op("Concat", {reordered(item(hx + 1, base + 2)), reordered(item(hx + 1, base + 3))}, {at("axis", 0)}),
            {0}));
    }
    auto together = [&](const Names_& all) {
      return all.size() == 1 ? all[0] : c.e.op("Concat", all, {at("axis", 0)});
    };
    auto of_layer = [&](Known& k) {
      return layers == 1 ? c.e.name_of(k)
                         : c.e.slice(c.e.name_of(k), 0, c.e.ints({l * ways}), c.e.ints({(l + 1) * ways}), 1);
    };
    Names_ in = {x, together(w), together(r), biases ? together(b) : "", unpacked.lengths, of_layer(h)};
    if (lstm) in.push_back(of_layer(cell));
    AttributeList a = {at("hidden_size", hidden), at("direction", two ? "bidirectional" : "forward")};
    if (gates == 3) a.push_back(at("linear_before_reset", 1));
    if (gates == 1) a.push_back(at("activations", Names_(size_t(ways), activation)));
    Names_ out = c.e.ops(type, in, lstm ? 3 : 2, a);
    // [steps, ways, batch, hidden] -> [steps, batch, ways * hidden]
    x = c.e.op("Reshape", {c.e.op("Transpose", {out[0]}, {at("perm", List{0, 2, 1, 3})}), c.e.ints({0, 0, -1})});
    last_h.push_back(out[1]);
    if (lstm) last_c.push_back(out[2]);
  }
  if (first) x = c.e.op("Transpose", {x}, {at("perm", List{1, 0, 2})});
  if (packed)
    x = c.e.op("Gather", {reshape(c, x, {-1, hidden * ways}), c.e.squeeze(unpacked.rows, {1})}, {at("axis", 0)});
  auto stacked = [&](const Names_& all) { return all.size() == 1 ? all[0] : c.e.op("Concat", all, {at("axis", 0)}); };
  Names_ result = {x, stacked(last_h)};
  if (lstm) result.push_back(stacked(last_c));
  return result;
}
Names_ pad(C c, const Known& amounts, const char* mode, size_t value) {
  int64_t n = c.rank(0);
  Name x = c.t(0);
  Name by = value ? c.e.number(c.has(value) ? c.f(value) : 0, c.dtype()) : Name();
  if (!amounts.constant) {  // [last begin, last end, the one before it ...], each perhaps of the model's
    if (!amounts.items || c.e.opset < 11) refuse(c, "pad");
    Known pads;
    pads.constant = false;
    pads.items = std::make_shared<std::vector<Known>>(size_t(n) * 2);
    for (Known& k : *pads.items) k.value = int64_t(0);
    for (size_t k = 0; k < amounts.items->size(); k++) {
      auto axis = size_t(n) - 1 - k / 2;
      (*pads.items)[k % 2 ? size_t(n) + axis : axis] = (*amounts.items)[k];
    }
    Names_ in = {x, c.e.joined(pads)};
    if (value) in.push_back(by);
    return {c.e.op("Pad", in, {at("mode", mode)})};
  }
  List all = amounts.value.int_list().vec(), pads(size_t(n) * 2, 0);
  bool any = false;
  for (size_t k = 0; k < all.size() / 2; k++) {
    auto axis = size_t(n) - 1 - k;
    int64_t begin = all[2 * k], end = all[2 * k + 1];
    // What is cut off is cut off first: not every runtime pads by less than nothing.
    if (begin < 0 || end < 0)
      x = c.e.slice(x, int64_t(axis), c.e.ints({std::max<int64_t>(-begin, 0)}), c.e.ints({end < 0 ? end : INT64_MAX}),
                    1);
    pads[axis] = std::max<int64_t>(begin, 0);
    pads[size_t(n) + axis] = std::max<int64_t>(end, 0);
    any |= begin > 0 || end > 0;
  }
  if (!any) return {x};
  for (int64_t k = 0; !value && k < n; k++)
    if (all.size() / 2 > size_t(n - 1 - k) &&
        (all[size_t(2 * (n - 1 - k))] < 0 || all[size_t(2 * (n - 1 - k) + 1)] < 0) &&
        (pads[size_t(k)] || pads[size_t(n + k)]))
      refuse(c, "a padding that cuts off on one side and pads on the other");
  if (std::string_view(mode) == "wrap" && c.e.opset < 19) {  // what stands at the other end is put there
    for (int64_t axis = 0; axis < n; axis++) {
      int64_t begin = pads[size_t(axis)], end = pads[size_t(n + axis)];
      Names_ parts;
      if (begin) parts.push_back(c.e.slice(x, axis, c.e.ints({-begin}), c.e.ints({INT64_MAX}), 1));
      parts.push_back(x);
      if (end) parts.push_back(c.e.slice(x, axis, c.e.ints({0}), c.e.ints({end}), 1));
      if (parts.size() > 1) x = c.e.op("Concat", parts, {at("axis", axis)});
    }
    return {x};
  }
  if (c.e.opset < 11) {
    AttributeList a = {at("pads", pads), at("mode", mode)};
    if (value) a.push_back(at("value", c.f(value)));
    return {c.e.op("Pad", {x}, a)};
  }
  Names_ in = {x, c.e.ints(pads)};
  if (value) in.push_back(by);
  return {c.e.op("Pad", in, {at("mode", mode)})};
}

// upsample_*(input, output_size?, [align_corners], scale_factors? or a scale for each axis)
Names_ resize(C c, const char* mode, const char* places, const char* nearest = "", bool smooth = false) {
  since(c, smooth ? 18 : 11);
  const Tensor &x = c.example(0), &y = c.out[0].value.tensor();
  const auto& args = c.node->schema()->args;
  int64_t planes = x.dim() - 2;
  std::vector<double> factors;
  Known* size = nullptr;
  for (size_t i = 1; i < args.size(); i++) {
    if (!c.has(i)) continue;
    if (args[i].name == "output_size") size = c.in[i];
    else if (args[i].name == "scale_factors" && c.need(i).is_double_list())
      for (size_t k = 0; k < c.need(i).double_list().size(); k++) factors.push_back(c.need(i).double_list()[k]);
    else if (args[i].name.starts_with("scales")) factors.push_back(c.f(i));
  }
  AttributeList a = {at("mode", mode), at("coordinate_transformation_mode", places)};
  if (*nearest) a.push_back(at("nearest_mode", nearest));
  if (std::string_view(mode) == "cubic") a.push_back(at("cubic_coeff_a", smooth ? -0.5 : -0.75));
  if (smooth) a.push_back(at("antialias", 1)), a.push_back(at("exclude_outside", 1));
  auto empty = [&](DType d) { return c.e.opset >= 13 ? Name() : c.e.constant(empty_tensor({0}, d)); };
  Name roi = empty(DType::Float32);
  if (int64_t(factors.size()) == planes && planes) {
    Tensor scales = empty_tensor({x.dim()}, DType::Float32);
    bool exact = true;
    for (int64_t k = 0; k < x.dim(); k++) {
      float f = k < 2 ? 1 : float(factors[size_t(k - 2)]);
      scales.data<float>()[k] = f;
      exact &= int64_t(std::floor(float(x.size(k)) * f)) == y.size(k);
    }
    if (exact) return {c.e.op("Resize", {c.t(0), roi, c.e.constant(scales)}, a)};
  }
  // The planes' sizes, after those that stay.
  Name front = c.e.slice(shape_of(c, c.t(0)), 0, c.e.ints({0}), c.e.ints({2}), 1), back;
  if (size) back = c.e.joined(*size);
  else {
    List fixed;
    for (int64_t k = 2; k < y.dim(); k++) fixed.push_back(c.result_size(0, k));
    back = c.e.ints(fixed);
  }
  Name sizes = c.e.op("Concat", {front, back}, {at("axis", 0)});
  return {c.e.op("Resize",
                 {c.t(0), roi, c.e.opset >= 13 ? Name() : c.e.constant(empty_tensor({0}, DType::Float32)), sizes}, a)};
}

Names_ embedding(C c) { return {c.e.op("Gather", {c.t(0), c.t(1)}, {at("axis", 0)})}; }
Names_ grid(C c) {
  since(c, c.rank(0) == 5 ? 20 : 16);
  static const char *modes[] = {"bilinear", "nearest", "bicubic"}, *pads[] = {"zeros", "border", "reflection"};
  static const char* newer[] = {"linear", "nearest", "cubic"};
  return {c.e.op("GridSample", {c.t(0), c.t(1)},
                 {at("mode", c.e.opset >= 20 ? newer[c.i(2)] : modes[c.i(2)]), at("padding_mode", pads[c.i(3)]),
                  at("align_corners", c.b(4))})};
}
Names_ nms(C c) {
  since(c, 11);
  Name boxes = c.e.unsqueeze(c.t(0), {0}), scores = c.e.unsqueeze(c.t(1), {0, 1});
  Name y =
      c.e.op("NonMaxSuppression", {boxes, scores, c.e.ints({INT32_MAX}), c.e.number(c.f(2), DType::Float32, false)});
  return {c.e.squeeze(c.e.slice(y, 1, c.e.ints({2}), c.e.ints({3}), 1), {1})};
}

}  // namespace

Rules network_rules() {
  return {
    RL_RULE("aten::conv1d", return conv(c, 3, 4, 5, false, 6, 0);),
        RL_RULE("aten::conv2d", return conv(c, 3, 4, 5, false, 6, 0);),
        RL_RULE("aten::conv3d", return conv(c, 3, 4, 5, false, 6, 0);),
        RL_RULE("aten::convolution", return conv(c, 3, 4, 5, c.b(6), 8, 7);),
        RL_RULE("aten::_convolution", return conv(c, 3, 4, 5, c.b(6), 8, 7);),
        RL_RULE("aten::conv_transpose1d", return conv(c, 3, 4, 7, true, 6, 5);),
        RL_RULE("aten::conv_transpose2d", return conv(c, 3, 4, 7, true, 6, 5);),
        RL_RULE("aten::conv_transpose3d", return conv(c, 3, 4, 7, true, 6, 5);),
        RL_RULE("aten::batch_norm", return batch_norm(c);), RL_RULE("aten::layer_norm", return layer_norm(c);),
        RL_RULE("aten::group_norm", return group_norm(c);), RL_RULE("aten::instance_norm", return instance_norm(c);),
        RL_RULE(
            "aten::rms_norm", List axes; for (int64_t k = c.rank(0) - int64_t(c.in[1]->value.int_list().size());
                                              k < c.rank(0); k++) axes.push_back(k);
            double eps = c.has(3)                      ? c.f(3)
                         : c.dtype() == DType::Float64 ? 2.220446049250313e-16
                                                       : 1.1920928955078125e-07;
            Name v =
                c.e.op("Add", {c.e.reduce("ReduceMean", square(c, c.t(0)), axes, true), c.e.number(eps, c.dtype())});
            Name y = c.e.op("Div", {c.t(0), c.e.op("Sqrt", {v})}); return {c.has(2) ? c.e.op("Mul", {y, c.t(2)}) : y};),
        RL_RULE("aten::max_pool1d", return pool(c, 1, false, 1);),
        RL_RULE("aten::max_pool2d", return pool(c, 2, false, 1);),
        RL_RULE("aten::max_pool3d", return pool(c, 3, false, 1);),
        RL_RULE("aten::max_pool1d_with_indices", return pool(c, 1, false, 2);),
        RL_RULE("aten::max_pool2d_with_indices", return pool(c, 2, false, 2);),
        RL_RULE("aten::max_pool3d_with_indices", return pool(c, 3, false, 2);),
        RL_RULE("aten::avg_pool1d", return pool(c, 1, true, 1);),
        RL_RULE("aten::avg_pool2d", return pool(c, 2, true, 1);),
        RL_RULE("aten::avg_pool3d", return pool(c, 3, true, 1);),
        RL_RULE("aten::adaptive_avg_pool1d", return adaptive(c, 1, true);),
        RL_RULE("aten::adaptive_avg_pool2d", return adaptive(c, 2, true);),
        RL_RULE("aten::adaptive_avg_pool3d", return adaptive(c, 3, true);),
        RL_RULE("aten::adaptive_max_pool1d", return adaptive(c, 1, false);),
        RL_RULE("aten::adaptive_max_pool2d", return adaptive(c, 2, false);),
        RL_RULE("aten::adaptive_max_pool3d", return adaptive(c, 3, false);),
        RL_RULE("aten::lstm", return recurrent(c, "LSTM", 4, {0, 3, 1, 2}, "");),
        RL_RULE("aten::gru", return recurrent(c, "GRU", 3, {1, 0, 2}, "");),
        RL_RULE("aten::rnn_tanh", return recurrent(c, "RNN", 1, {0}, "Tanh");),
        RL_RULE("aten::rnn_relu", return recurrent(c, "RNN", 1, {0}, "Relu");),
        RL_RULE("aten::embedding", return embedding(c);),
        RL_RULE("aten::constant_pad_nd", return pad(c, *c.in[1], "constant", 2);),
        RL_RULE("aten::reflection_pad1d", return pad(c, *c.in[1], "reflect", 0);),
        RL_RULE("aten::reflection_pad2d", return pad(c, *c.in[1], "reflect", 0);),
        RL_RULE("aten::reflection_pad3d", return pad(c, *c.in[1], "reflect", 0);),
        RL_RULE("aten::replication_pad1d", return pad(c, *c.in[1], "edge", 0);),
        RL_RULE("aten::replication_pad2d", return pad(c, *c.in[1], "edge", 0);),
        RL_RULE("aten::replication_pad3d", return pad(c, *c.in[1], "edge", 0);),
        RL_RULE("aten::pad",
                std::string mode = c.in.size() > 2 && c.has(2) ? std::string(c.need(2).to_string()) : "constant";
                const char* name = mode == "constant"    ? "constant"
                                   : mode == "reflect"   ? "reflect"
                                   : mode == "replicate" ? "edge"
                                                         : "wrap";
                return pad(c, *c.in[1], name, mode == "constant" ? 3 : 0);),
        RL_RULE("aten::upsample_nearest1d", return resize(c, "nearest", "asymmetric", "floor");),
        RL_RULE("aten::_upsample_nearest_exact1d", return resize(c, "nearest", "half_pixel", "round_prefer_ceil");),
        RL_RULE("aten::upsample_nearest2d", return resize(c, "nearest", "asymmetric", "floor");),
        RL_RULE("aten::_upsample_nearest_exact2d", return resize(c, "nearest", "half_pixel", "round_prefer_ceil");),
        RL_RULE("aten::upsample_nearest3d", return resize(c, "nearest", "asymmetric", "floor");),
        RL_RULE("aten::_upsample_nearest_exact3d", return resize(c, "nearest", "half_pixel", "round_prefer_ceil");),
        RL_RULE("aten::upsample_linear1d",
                return resize(c, "linear", c.b(2) ? "align_corners" : "pytorch_half_pixel");),
        RL_RULE("aten::upsample_bilinear2d",
                return resize(c, "linear", c.b(2) ? "align_corners" : "pytorch_half_pixel");),
        RL_RULE("aten::upsample_trilinear3d",
                return resize(c, "linear", c.b(2) ? "align_corners" : "pytorch_half_pixel");),
        RL_RULE("aten::upsample_bicubic2d",
                return resize(c, "cubic", c.b(2) ? "align_corners" : "pytorch_half_pixel");),
        RL_RULE("aten::_upsample_bilinear2d_aa",
                return resize(c, "linear", c.b(2) ? "align_corners" : "pytorch_half_pixel", "", true);),
        RL_RULE("aten::_upsample_bicubic2d_aa",
                return resize(c, "cubic", c.b(2) ? "align_corners" : "pytorch_half_pixel", "", true);),
        RL_RULE("aten::grid_sampler", return grid(c);), RL_RULE("aten::grid_sampler_2d", return grid(c);),
        RL_RULE("aten::grid_sampler_3d", return grid(c);),
        RL_RULE("aten::pixel_shuffle", since(c, 11);
                return {c.e.op("DepthToSpace", {c.t(0)}, {at("blocksize", c.i(1)), at("mode", "CRD")})};),
        RL_RULE("torchvision::nms", return nms(c);),
        RL_RULE("torchvision::roi_pool", if (c.node->output(1)->has_uses()) refuse(c, "the places of the largest");
                Name y = c.e.op("MaxRoiPool", {c.t(0), c.t(1)},
                                {at("pooled_shape", List{c.i(3), c.i(4)}), at("spatial_scale", c.f(2))});
                return {y, y};),
        RL_RULE("torchvision::roi_align", since(c, 16);
                Name at_batch =
                    c.e.cast(c.e.squeeze(c.e.slice(c.t(1), 1, c.e.ints({0}), c.e.ints({1}), 1), {1}), DType::Int64);
                Name boxes = c.e.slice(c.t(1), 1, c.e.ints({1}), c.e.ints({5}), 1);
                return {c.e.op("RoiAlign", {c.t(0), boxes, at_batch},
                               {at("spatial_scale", c.f(2)), at("output_height", c.i(3)), at("output_width", c.i(4)),
                                at("sampling_ratio", std::max<int64_t>(c.i(5), 0)),
                                at("coordinate_transformation_mode", c.b(6) ? "half_pixel" : "output_half_pixel")})};),
  };
}

}  // namespace rushlight::onnx
