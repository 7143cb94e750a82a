// Shapes, indices, reductions, and tensors that are made.
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

Names_ view(C c) { return {c.e.op("Reshape", {c.t(0), c.e.joined(*c.in[1])})}; }
Names_ flatten(C c) {
  int64_t n = c.rank(0);
  if (n == 0) return {reshape(c, c.t(0), {1})};
  int64_t begin = c.axis(1), end = c.axis(2);
  if (begin == end) return {c.t(0)};
  List shape;
  if (begin == 1 && end == n - 1) return {c.e.op("Flatten", {c.t(0)}, {at("axis", 1)})};
  for (int64_t k = 0; k < begin; k++) shape.push_back(0);
  shape.push_back(-1);
  if (end == n - 1) return {reshape(c, c.t(0), shape)};
  Name whole = shape_of(c, c.t(0)), head = c.e.ints(shape);
  Name tail = c.e.slice(whole, 0, c.e.ints({end + 1}), c.e.ints({INT64_MAX}), 1);
  return {c.e.op("Reshape", {c.t(0), c.e.op("Concat", {head, tail}, {at("axis", 0)})})};
}
Names_ unflatten(C c) {
  int64_t axis = c.axis(1);
  Names_ shape;
  if (axis > 0) shape.push_back(c.e.ints(List(size_t(axis), 0)));  // those before it as they are
  shape.push_back(c.e.joined(*c.in[2]));
  if (axis < c.rank(0) - 1)
    shape.push_back(c.e.slice(shape_of(c, c.t(0)), 0, c.e.ints({axis + 1}), c.e.ints({INT64_MAX}), 1));
  return {c.e.op("Reshape", {c.t(0), c.e.op("Concat", shape, {at("axis", 0)})})};
}
Names_ squeeze(C c) {
  List axes;
  if (c.in.size() > 1 && c.has(1)) {
    for (int64_t a : normal(c.list(1), c.rank(0)))
      if (c.rank(0) && c.example(0).size(a) == 1 && c.size(0, a) == 1) axes.push_back(a);
  } else {
    for (int64_t k = 0; k < c.rank(0); k++)
      if (c.example(0).size(k) == 1 && c.size(0, k) == 1) axes.push_back(k);
  }
  return {axes.empty() ? c.t(0) : c.e.squeeze(c.t(0), axes)};
}
Names_ permute(C c, List perm) { return {c.e.op("Transpose", {c.t(0)}, {at("perm", normal(perm, c.rank(0)))})}; }
Name slice_bound(C c, size_t k, int64_t otherwise) {
  if (!c.has(k)) return c.e.ints({otherwise});
  return c.e.joined(*c.in[k]);
}
Names_ expand(C c, const Name& shape, const List& to) {
  // -1 keeps a size.
  bool keeps = std::any_of(to.begin(), to.end(), [](int64_t v) { return v == -1; });
  Name target = shape;
  if (keeps) {
    List ones;
    for (int64_t v : to) ones.push_back(v == -1 ? 1 : v);
    if (c.in[1]->items && !c.in[1]->constant) {
      Names_ parts;
      DType d = DType::Int64;
      for (Known& k : *c.in[1]->items) {
        bool kept = k.value.to_int() == -1;
        parts.push_back(kept         ? c.e.ints({1})
                        : k.constant ? c.e.ints({k.value.to_int()})
                                     : c.e.unsqueeze(c.e.name_of(k, &d), {0}));
      }
      target = c.e.op("Concat", parts, {at("axis", 0)});
    } else {
      target = c.e.ints(ones);
    }
  }
  return {c.e.op("Expand", {c.t(0), target})};
}
Names_ select(C c) {
  Name i = c.in[2]->constant ? c.e.number(double(c.i(2)), DType::Int64) : c.t(2);
  return {c.e.op("Gather", {c.t(0), i}, {at("axis", c.axis(1))})};
}
// Tensors of indices as one of places: [the shape that they have together, how many there are]. `axes`: the dimensions that they are of.
struct Places {
  Name name;
  int64_t dims = 0;
  List axes;
};
Places places_of(C c, size_t list) {
  // A mask stands for the places where it is true, a tensor for each of its dimensions.
  struct Index {
    Name name;
    int64_t dims, axis;
  };
  std::vector<Index> all;
  DType wide = DType::Int64;
  int64_t axis = 0;
  for (Known& k : items_of(*c.in[list])) {
    if (k.value.is_none()) {
      axis++;
      continue;
    }
    const Tensor& t = k.value.tensor();
    if (t.dtype() != DType::Bool && t.dtype() != DType::UInt8) {
      Name at = c.e.name_of(k, &wide);
      // ONNX's GatherND counts from the end too; ScatterND in some runtimes doesn't.
      all.push_back({at, t.dim(), axis++});
      continue;
    }
    if (t.dim() == 0) refuse(c, "a mask without dimensions");
    Name found = c.e.op("NonZero", {c.e.name_of(k)});
    for (int64_t d = 0; d < t.dim(); d++)
      all.push_back({c.e.op("Gather", {found, c.e.number(double(d), wide)}, {at("axis", 0)}), 1, axis++});
  }
  Places p;
  for (const Index& i : all) p.dims = std::max(p.dims, i.dims);
  Name zero;
  if (all.size() > 1)
    for (const Index& i : all) {  // all as large as they are together
      Name n = c.e.op("Mul", {i.name, c.e.number(0, wide)});
      zero = zero.empty() ? n : c.e.op("Add", {zero, n});
    }
  Names_ parts;
  for (const Index& i : all) {
    parts.push_back(c.e.unsqueeze(all.size() > 1 ? c.e.op("Add", {i.name, zero}) : i.name, {p.dims}));
    p.axes.push_back(i.axis);
  }
  if (!parts.empty()) p.name = parts.size() == 1 ? parts[0] : c.e.op("Concat", parts, {at("axis", p.dims)});
  return p;
}
// The indexed dimensions first.
List first_of(const Places& p, int64_t rank) {
  List order = p.axes;
  for (int64_t k = 0; k < rank; k++)
    if (std::find(p.axes.begin(), p.axes.end(), k) == p.axes.end()) order.push_back(k);
  return order;
}
bool in_order(const List& order) {
  for (size_t k = 0; k < order.size(); k++)
    if (order[k] != int64_t(k)) return false;
  return true;
}
Name permuted(C c, const Name& x, const List& order, bool back = false) {
  if (in_order(order)) return x;
  List perm = order;
  if (back)
    for (size_t k = 0; k < order.size(); k++) perm[size_t(order[k])] = int64_t(k);
  return c.e.op("Transpose", {x}, {at("perm", perm)});
}
// Of x[:, i, j] the result's dimensions are where i's was; of x[i, :, j] they are the first.
List result_order(const Places& p, int64_t rank) {
  bool adjacent = true;
  for (size_t k = 1; k < p.axes.size(); k++) adjacent &= p.axes[k] == p.axes[k - 1] + 1;
  int64_t first = adjacent ? p.axes[0] : 0, n = rank - int64_t(p.axes.size()) + p.dims;
  List order;  // of the result as GatherND has it: those of the places, then the rest
  for (int64_t k = 0; k < first; k++) order.push_back(p.dims + k);
  for (int64_t k = 0; k < p.dims; k++) order.push_back(k);
  for (int64_t k = p.dims + first; k < n; k++) order.push_back(k);
  return order;
}
Names_ index(C c) {  // index(self, Tensor?[] indices)
  std::vector<Known> given = items_of(*c.in[1]);
  const Known* one = nullptr;
  int64_t axis = 0, count = 0;
  for (size_t i = 0; i < given.size(); i++)
    if (!given[i].value.is_none()) one = &given[i], axis = int64_t(i), count++;
  if (!count) return {c.t(0)};
  DType d = one->value.tensor().dtype(), wide = DType::Int64;
  if (count == 1 && d != DType::Bool && d != DType::UInt8)
    return {c.e.op("Gather", {c.t(0), c.e.name_of(given[size_t(axis)], &wide)}, {at("axis", axis)})};
  since(c, 11);
  Places p = places_of(c, 1);
  Name y = c.e.op("GatherND", {permuted(c, c.t(0), first_of(p, c.rank(0))), p.name});
  return {permuted(c, y, result_order(p, c.rank(0)))};
}
Names_ index_put(C c) {  // index_put(self, Tensor?[] indices, values, accumulate)
  bool adds = c.b(3);
  since(c, adds ? 16 : 11);
  Places p = places_of(c, 1);
  if (p.axes.empty()) refuse(c, "no indices");
  List order = first_of(p, c.rank(0));
  Name x = permuted(c, c.t(0), order), shape = shape_of(c, x);
  // Values as large as what they replace, in the result's order, and then in ONNX's.
  Name front = c.e.slice(shape_of(c, p.name), 0, c.e.ints({0}), c.e.ints({p.dims}), 1);
  Name back = c.e.slice(shape, 0, c.e.ints({int64_t(p.axes.size())}), c.e.ints({INT64_MAX}), 1);
  Name wanted = c.e.op("Concat", {front, back}, {at("axis", 0)}), v = c.as(2, c.dtype());
  List turned = result_order(p, c.rank(0));
  if (!in_order(turned)) {
    Name as_result = c.e.op("Gather", {wanted, c.e.ints(turned)}, {at("axis", 0)});
    v = permuted(c, c.e.op("Expand", {v, as_result}), turned, true);
  } else {
    v = c.e.op("Expand", {v, wanted});
  }
  AttributeList a;
  if (adds) a.push_back(at("reduction", "add"));
  return {permuted(c, c.e.op("ScatterND", {x, p.name, v}, a), order, true)};
}

Names_ extreme(C c, bool larger) {
  // max(self), max(self, other), max(self, dim, keepdim) -> values, indices
  const char* reduce = larger ? "ReduceMax" : "ReduceMin";
  if (c.in.size() == 1) return {c.e.op(reduce, {c.t(0)}, {at("keepdims", 0)})};
  if (c.in.size() == 2 || c.in[1]->value.is_tensor())
    return {c.e.extreme(c.promoted(0), c.promoted(1), c.dtype(), larger)};
  return {c.e.reduce(reduce, c.t(0), {c.axis(1)}, c.b(2)),
          c.e.op(larger ? "ArgMax" : "ArgMin", {c.t(0)}, {at("axis", c.axis(1)), at("keepdims", c.b(2))})};
}
Names_ arg_extreme(C c, const char* type) {
  if (!c.has(1)) return {c.e.op(type, {reshape(c, c.t(0), {-1})}, {at("axis", 0), at("keepdims", 0)})};
  return {c.e.op(type, {c.t(0)}, {at("axis", c.axis(1)), at("keepdims", c.b(2))})};
}
// var(self, dim, correction, keepdim) and its old form var(self, dim, unbiased, keepdim), var(self, unbiased).
Name variance(C c) {
  List axes;
  double correction = 1;
  bool keep = false;
  if (c.in.size() >= 2 && (c.in[1]->value.is_bool())) {
    correction = c.b(1);
  } else if (c.in.size() >= 2) {
    axes = axes_of(c, 1);
    if (c.in.size() > 2 && c.has(2)) correction = c.f(2);
    if (c.in.size() > 3) keep = c.b(3);
  }
  if (axes.empty())
    for (int64_t k = 0; k < c.rank(0); k++) axes.push_back(k);
  Name x = c.promoted(0), d = c.e.op("Sub", {x, c.e.reduce("ReduceMean", x, axes, true)});
  Name v = c.e.reduce("ReduceMean", square(c, d), axes, keep);
  if (correction == 0) return v;
  Name n;
  for (int64_t a : axes) {
    Name one = c.e.cast(size_of(c, x, a), c.dtype());
    n = n.empty() ? one : c.e.op("Mul", {n, one});
  }
  return c.e.op("Div", {c.e.op("Mul", {v, n}), c.e.op("Sub", {n, c.e.number(correction, c.dtype())})});
}
Names_ created(C c, size_t shape, double v) { return {filled(c, c.e.joined(*c.in[shape]), c.dtype(), v)}; }
Names_ created_like(C c, double v) { return {filled(c, shape_of(c, c.t(0)), c.dtype(), v)}; }
Names_ full(C c, const Name& shape, size_t value) {
  if (c.in[value]->constant) return {filled(c, shape, c.dtype(), c.f(value))};
  return {c.e.op("Expand", {c.as(value, c.dtype()), shape})};
}

Names_ arange(C c) {
  since(c, 11);
  // arange(end, ...), arange(start, end, ...), arange(start, end, step, ...)
  size_t numbers = 0;
  const auto& args = c.node->schema()->args;
  while (numbers < args.size() &&
         (args[numbers].name == "start" || args[numbers].name == "end" || args[numbers].name == "step"))
    numbers++;
  DType d = c.dtype();
  Name start = numbers > 1 ? c.as(0, d) : c.e.number(0, d), end = c.as(numbers > 1 ? 1 : 0, d),
       step = numbers > 2 ? c.as(2, d) : c.e.number(1, d);
  return {c.e.op("Range", {start, end, step})};
}
Names_ scatter(C c, std::string reduction) {
  since(c, 11);
  if (c.in.size() > 4 && c.has(4)) {
    reduction = c.need(4).to_string() == "multiply" ? "mul" : std::string(c.need(4).to_string());
    if (reduction != "mul" && reduction != "add") refuse(c, "reduce");
  }
  Name source;
  if (!c.in[3]->value.is_tensor()) source = c.e.op("Expand", {c.as(3, c.dtype()), shape_of(c, c.t(2))});
  else if (c.example(3).sizes() == c.example(2).sizes()) source = c.t(3);
  else source = as_large(c, c.t(3), c.t(2), c.rank(2));
  AttributeList a = {at("axis", c.axis(1))};
  if (!reduction.empty()) {
    since(c, 16);
    a.push_back(at("reduction", reduction));
  }
  return {c.e.op("ScatterElements", {c.t(0), c.t(2), source}, a)};
}
Name rolled(C c) {
  std::vector<Known> shifts = c.in[1]->value.is_int() ? std::vector<Known>{*c.in[1]} : items_of(*c.in[1]);
  List axes = normal(c.list(2), c.rank(0));
  if (axes.empty()) refuse(c, "no dims");
  DType wide = DType::Int64;
  Name x = c.t(0);
  for (size_t k = 0; k < axes.size(); k++) {  // what stands from there on goes before what stands before
    Name begin;
    if (shifts[k].constant && c.is_fixed(*c.in[0], axes[k])) {
      int64_t n = c.size(0, axes[k]), by = n ? ((shifts[k].value.to_int() % n) + n) % n : 0;
      if (!by) continue;
      begin = c.e.ints({n - by});
    } else {
      Name n = size_of(c, x, axes[k]), by = c.e.op("Mod", {c.e.name_of(shifts[k], &wide), n});
      begin = c.e.unsqueeze(c.e.op("Sub", {n, by}), {0});
    }
    x = c.e.op("Concat",
               {c.e.slice(x, axes[k], begin, c.e.ints({INT64_MAX}), 1), c.e.slice(x, axes[k], c.e.ints({0}), begin, 1)},
               {at("axis", axes[k])});
  }
  return x;
}
Name scatter_reduce(C c) {  // scatter_reduce(self, dim, index, src, reduce, include_self)
  std::string by(c.need(4).to_string());
  bool included = c.in.size() < 6 || c.b(5), mean = by == "mean", whole = !is_floating(c.dtype());
  since(c, by == "amax" || by == "amin" ? 18 : 16);
  if (whole && (mean || (!included && by[0] == 'a'))) refuse(c, "of whole numbers");
  const char* named = by == "sum" || mean ? "add" : by == "prod" ? "mul" : by == "amax" ? "max" : "min";
  Name x = c.t(0), at_ = c.t(2), source = c.t(3);
  auto scattered = [&](const Name& to, const Name& values, const char* how) {
    AttributeList a = {at("axis", c.axis(1))};
    if (how) a.push_back(at("reduction", how));
    return c.e.op("ScatterElements", {to, at_, values}, a);
  };
  auto all = [&](const Name& like, double v) {
    return c.e.op("Expand", {c.e.number(v, c.dtype()), shape_of(c, like)});
  };
  // What is replaced counts for nothing.
  double nothing = by == "prod" ? 1 : by == "amax" ? -INFINITY : by == "amin" ? INFINITY : 0;
  if (c.example(3).sizes() != c.example(2).sizes()) source = as_large(c, source, at_, c.rank(2));
  Name start = included ? x : scattered(x, all(at_, nothing), nullptr), y = scattered(start, source, named);
  if (!mean) return y;
  Name counts = scattered(all(x, included ? 1 : 0), all(at_, 1), "add");
  return c.e.op("Div", {y, c.e.extreme(counts, c.e.number(1, c.dtype()), c.dtype(), true)});
}
// The elements that sizes and strides pick, by their places: the tensor's own are taken to be those of a contiguous one.
Names_ as_strided(C c) {
  if (!c.example(0).is_contiguous()) refuse(c, "a tensor that isn't contiguous");
  Exporter& e = c.e;
  DType wide = DType::Int64;
  Name places = c.in.size() > 3 && c.has(3) ? e.name_of(*c.in[3], &wide) : e.number(0, wide);
  std::vector<Known> sizes = items_of(*c.in[1]), strides = items_of(*c.in[2]);
  for (size_t k = 0; k < sizes.size(); k++) {
    Name line = e.op("Range", {e.number(0, wide), e.name_of(sizes[k], &wide), e.number(1, wide)});
    List along(sizes.size() - k, 1);
    along[0] = -1;
    places = e.op("Add", {places, reshape(c, e.op("Mul", {line, e.name_of(strides[k], &wide)}), along)});
  }
  return {e.op("Gather", {reshape(c, c.t(0), {-1}), places}, {at("axis", 0)})};
}

// repeat_interleave(self, repeats, dim?, output_size?), and (repeats): places as often as they say.
Name repeated(C c) {
  Exporter& e = c.e;
  DType wide = DType::Int64;
  if (c.in.size() > 2 && !c.in[1]->value.is_tensor()) {
    Name x = c.has(2) ? c.t(0) : reshape(c, c.t(0), {-1}), one = e.ints({1});
    int64_t axis = c.has(2) ? c.axis(2) : 0, n = c.has(2) ? c.rank(0) : 1;
    Names_ times(size_t(n) + 1, one);
    times[size_t(axis) + 1] = e.joined(*c.in[1]);
    Name y = e.op("Tile", {e.unsqueeze(x, {axis + 1}), e.op("Concat", times, {at("axis", 0)})});
    // Sizes before the axis stay; of those behind it each is one further.
    Name whole = shape_of(c, x);
    Names_ to;
    if (axis > 0) to.push_back(e.slice(whole, 0, e.ints({0}), e.ints({axis}), 1));
    to.push_back(e.ints({-1}));
    if (axis + 1 < n) to.push_back(e.slice(whole, 0, e.ints({axis + 1}), e.ints({INT64_MAX}), 1));
    return e.op("Reshape", {y, e.op("Concat", to, {at("axis", 0)})});
  }
  since(c, 11);
  bool alone = c.in.size() < 3 || !c.in[1]->value.is_tensor();
  Name repeats = c.as(alone ? 0 : 1, wide), x = alone ? Name() : c.has(2) ? c.t(0) : reshape(c, c.t(0), {-1});
  int64_t axis = !alone && c.has(2) ? c.axis(2) : 0;
  if (!alone) repeats = e.op("Expand", {repeats, e.unsqueeze(size_of(c, x, axis), {0})});
  Name ends = e.op("CumSum", {repeats, e.number(0, wide)});
  Name line = e.op("Range", {e.number(0, wide), e.reduce("ReduceSum", repeats, {0}, false), e.number(1, wide)});
  Name passed = e.op("Not", {e.op("Less", {e.unsqueeze(line, {1}), e.unsqueeze(ends, {0})})});
  Name at_ = e.reduce("ReduceSum", e.cast(passed, wide), {1}, false);
  return alone ? at_ : e.op("Gather", {x, at_}, {at("axis", axis)});
}
// Each along a dimension of its own, as large as all are together.
Names_ meshgrid(C c) {
  std::vector<Known> all = items_of(*c.in[0]);
  bool xy = c.in.size() > 1 && c.need(1).to_string() == "xy" && all.size() > 1;
  auto n = int64_t(all.size());
  Names_ sizes, out;
  auto place = [&](int64_t k) { return xy && k < 2 ? 1 - k : k; };
  Names_ lines;
  for (Known& k : all) lines.push_back(reshape(c, c.e.name_of(k), {-1}));
  for (int64_t k = 0; k < n; k++) sizes.push_back(shape_of(c, lines[size_t(place(k))]));
  Name shape = c.e.op("Concat", sizes, {at("axis", 0)});
  for (int64_t k = 0; k < n; k++) {
    List along(size_t(n), 1);
    along[size_t(place(k))] = -1;
    out.push_back(c.e.op("Expand", {reshape(c, lines[size_t(k)], along), shape}));
  }
  return out;
}

Names_ norm(C c) {  // norm(self, p, dim, keepdim), linalg_vector_norm(self, ord, dim, keepdim)
  double p = c.has(1) ? c.f(1) : 2;
  List axes = c.in.size() > 2 ? axes_of(c, 2) : List();
  bool keep = c.in.size() > 3 && c.b(3);
  Name x = c.promoted(0);
  if (p == 1) return {c.e.reduce("ReduceL1", x, axes, keep)};
  if (p == 2) return {c.e.reduce("ReduceL2", x, axes, keep)};
  if (p == 0) {
    Name some = c.e.cast(c.e.op("Not", {c.e.op("Equal", {x, c.e.number(0, c.dtype())})}), c.dtype());
    return {c.e.reduce("ReduceSum", some, axes, keep)};
  }
  Name a = c.e.op("Abs", {x});
  if (std::isinf(p)) return {c.e.reduce(p > 0 ? "ReduceMax" : "ReduceMin", a, axes, keep)};
  Name s = c.e.reduce("ReduceSum", c.e.op("Pow", {a, c.e.number(p, c.dtype())}), axes, keep);
  return {c.e.op("Pow", {s, c.e.number(1 / p, c.dtype())})};
}
Names_ size(C c) {
  if (c.in.size() < 2) {
    // A list of all sizes: each as a number.
    Names_ out;
    for (int64_t k = 0; k < c.rank(0); k++) out.push_back(size_of(c, c.t(0), k));
    return out;
  }
  return {size_of(c, c.t(0), c.axis(1))};
}
Names_ triangle(C c, int upper) {
  if (c.e.opset < 14) {
    Name x = c.t(0), in = in_triangle(c, x, x, c.i(1), upper);
    if (c.dtype() == DType::Bool) return {c.e.op("And", {in, x})};
    return {c.e.op("Where", {in, x, c.e.number(0, c.dtype())})};
  }
  return {c.e.op("Trilu", {c.t(0), c.e.number(double(c.i(1)), DType::Int64)}, {at("upper", upper)})};
}
// split(self, int), split(self, int[]), split_with_sizes
Names_ parts_of_sizes(C c) {
  int64_t axis = c.axis(2);
  Known& sizes = *c.in[1];
  if (sizes.value.is_int() || (sizes.constant && c.is_fixed(*c.in[0], axis)))
    return split(c, sizes_of_parts(c, axis), axis);
  std::vector<Known> all = items_of(sizes);
  if (c.e.opset >= 13) return c.e.ops("Split", {c.t(0), c.e.joined(sizes)}, all.size(), {at("axis", axis)});
  Names_ ends;
  DType wide = DType::Int64;
  for (Known& k : all) {
    Name n = k.constant ? c.e.ints({k.value.to_int()}) : c.e.unsqueeze(c.e.name_of(k, &wide), {0});
    ends.push_back(ends.empty() ? n : c.e.op("Add", {ends.back(), n}));
  }
  return cut(c, ends, axis);
}
// chunk and tensor_split: as many parts whatever the size is.
Names_ parts_of_count(C c, bool even) {
  int64_t axis = c.axis(2);
  auto n = int64_t(c.out[0].value.tensor_list().size());
  if (c.is_fixed(*c.in[0], axis)) return split(c, sizes_of_parts(c, axis), axis);
  auto whole = [&](int64_t v) { return c.e.ints({v}); };
  Names_ ends;
  if (even && !c.in[1]->value.is_int()) {
    for (Known& k : items_of(*c.in[1])) ends.push_back(c.e.joined(k));
    ends.push_back(whole(INT64_MAX));
    return cut(c, ends, axis);
  }
  if (!even && n == c.i(1) && c.e.opset >= 18)
    return c.e.ops("Split", {c.t(0)}, size_t(n), {at("axis", axis), at("num_outputs", n)});
  if (n != c.i(1)) refuse(c, "into fewer parts than are asked for, of a dynamic axis");
  Name size = c.e.unsqueeze(size_of(c, c.t(0), axis), {0});
  for (int64_t k = 1; k <= n; k++) {
    if (even) {  // the first ones have one more
      Name each = c.e.op("Div", {size, whole(n)}), rest = c.e.op("Mod", {size, whole(n)});
      Name more = c.e.op(
          "Div", {c.e.op("Sub", {c.e.op("Add", {rest, whole(k)}), c.e.op("Abs", {c.e.op("Sub", {rest, whole(k)})})}),
                  whole(2)});
      ends.push_back(c.e.op("Add", {c.e.op("Mul", {each, whole(k)}), more}));
    } else {
      Name each = c.e.op("Div", {c.e.op("Add", {size, whole(n - 1)}), whole(n)});
      ends.push_back(c.e.op("Mul", {each, whole(k)}));
    }
  }
  return cut(c, ends, axis);
}
Names_ sorted(C c, size_t axis, size_t down) {
  Name x = c.t(0), n = c.e.unsqueeze(size_of(c, x, c.axis(axis)), {0});
  return c.e.ops("TopK", {x, n}, 2, {at("axis", c.axis(axis)), at("largest", c.b(down))});
}

}  // namespace

Rules shape_rules() {
  return {
    // shapes
    RL_RULE("aten::view", if (c.in[1]->value.is_int_list()) return view(c); return to(c);),
        RL_RULE("aten::reshape", return view(c);), RL_RULE("aten::flatten", return flatten(c);),
        RL_RULE("aten::unflatten", return unflatten(c);),
        RL_RULE("aten::view_as", return {c.e.op("Reshape", {c.t(0), shape_of(c, c.t(1))})};),
        RL_RULE("aten::reshape_as", return {c.e.op("Reshape", {c.t(0), shape_of(c, c.t(1))})};),
        RL_RULE("aten::_shape_as_tensor", return {shape_of(c, c.t(0))};),
        RL_RULE("aten::_reshape_from_tensor", return {c.e.op("Reshape", {c.t(0), c.t(1)})};),
        RL_RULE("aten::squeeze", return squeeze(c);),
        RL_RULE("aten::unsqueeze", return {c.e.unsqueeze(c.t(0), {c.axis(1, 0, 1)})};),
        RL_RULE("aten::transpose", if (c.rank(0) == 0) return {c.t(0)};
                return {transposed(c, c.t(0), c.rank(0), c.axis(1), c.axis(2))};),
        RL_RULE("aten::t", if (c.rank(0) < 2) return {c.t(0)}; return permute(c, {1, 0});),
        RL_RULE("aten::permute", return permute(c, c.list(1));),
        RL_RULE(
            "aten::movedim", List from = normal(c.list(1), c.rank(0)), to_ = normal(c.list(2), c.rank(0)),
            perm(size_t(c.rank(0)), -1);
            for (size_t k = 0; k < from.size(); k++) perm[size_t(to_[k])] = from[k]; int64_t next = 0;
            for (int64_t& p : perm) {
              if (p >= 0) continue;
              while (std::find(from.begin(), from.end(), next) != from.end()) next++;
              p = next++;
            } return permute(c, perm);),
        RL_RULE("aten::expand", return expand(c, c.e.joined(*c.in[1]), c.in[1]->value.int_list().vec());),
        RL_RULE("aten::broadcast_to", return expand(c, c.e.joined(*c.in[1]), c.in[1]->value.int_list().vec());),
        RL_RULE("aten::expand_as", return {c.e.op("Expand", {c.t(0), shape_of(c, c.t(1))})};),
        RL_RULE("aten::repeat", Name x = c.t(0); auto more = int64_t(c.in[1]->value.int_list().size()) - c.rank(0);
                List front; for (int64_t k = 0; k < more; k++) front.push_back(k);
                if (more > 0) x = c.e.unsqueeze(x, front); return {c.e.op("Tile", {x, c.e.joined(*c.in[1])})};),
        RL_RULE("aten::tile", Name x = c.t(0), times = c.e.joined(*c.in[1]);
                auto n = int64_t(c.in[1]->value.int_list().size()); List front;
                for (int64_t k = c.rank(0); k < n; k++) front.push_back(int64_t(front.size()));
                if (!front.empty()) x = c.e.unsqueeze(x, front);
                if (n < c.rank(0)) times = c.e.op("Concat", {c.e.ints(List(size_t(c.rank(0) - n), 1)), times}, {at("axis", 0)});
                return {c.e.op("Tile", {x, times})};),
        RL_RULE("aten::cat", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim();
                return {c.e.op("Concat", tensors(c, 0), {at("axis", axis < 0 ? axis + n : axis)})};),
        RL_RULE("aten::stack", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim(); Names_ parts = tensors(c, 0);
                for (Name& p : parts) p = c.e.unsqueeze(p, {axis < 0 ? axis + n : axis});
                return {c.e.op("Concat", parts, {at("axis", axis < 0 ? axis + n : axis)})};),
        RL_RULE("aten::split", return parts_of_sizes(c);), RL_RULE("aten::split_with_sizes", return parts_of_sizes(c);),
        RL_RULE("aten::chunk", return parts_of_count(c, false);),
        RL_RULE("aten::tensor_split", return parts_of_count(c, true);),
        RL_RULE("aten::unbind", int64_t axis = c.axis(1);
                Names_ parts = split(c, List(size_t(c.size(0, axis)), 1), axis);
                for (Name& p : parts) p = c.e.squeeze(p, {axis}); return parts;),
        RL_RULE("aten::select", return select(c);),
        RL_RULE("aten::slice",
                if (c.in[4]->constant && c.i(4) == 1 && (!c.has(2) || (c.in[2]->constant && c.i(2) == 0)) &&
                    (!c.has(3) || (c.in[3]->constant && c.i(3) == INT64_MAX))) return {c.t(0)};
                return {c.e.slice(c.t(0), c.axis(1), slice_bound(c, 2, 0), slice_bound(c, 3, INT64_MAX), c.i(4))};),
        RL_RULE("aten::narrow", Name begin = c.e.joined(*c.in[2]), end = c.e.op("Add", {begin, c.e.joined(*c.in[3])});
                return {c.e.slice(c.t(0), c.axis(1), begin, end, 1)};),
        RL_RULE("aten::index_select", return {c.e.op("Gather", {c.t(0), c.t(2)}, {at("axis", c.axis(1))})};),
        RL_RULE("aten::gather", since(c, 11);
                return {c.e.op("GatherElements", {c.t(0), c.t(2)}, {at("axis", c.axis(1))})};),
        RL_RULE("aten::index", return index(c);), RL_RULE("aten::index_put", return index_put(c);),
        RL_RULE("aten::scatter_reduce", return {scatter_reduce(c)};),
        RL_RULE("aten::repeat_interleave", return {repeated(c)};), RL_RULE("aten::meshgrid", return meshgrid(c);),
        RL_RULE("aten::as_strided", return as_strided(c);),
        RL_RULE("aten::_unique2", since(c, 11); Names_ y = c.e.ops("Unique", {c.t(0)}, 4, {at("sorted", 1)});
                Name of = shape_of(c, c.t(0)); return {y[0], c.e.op("Reshape", {y[2], of}), y[3]};),
        RL_RULE("aten::unique_dim", since(c, 11);
                Names_ y = c.e.ops("Unique", {c.t(0)}, 4, {at("sorted", 1), at("axis", c.axis(1))});
                return {y[0], y[2], y[3]};),
        RL_RULE("aten::scatter", return scatter(c, "");), RL_RULE("aten::scatter_add", return scatter(c, "add");),
        RL_RULE("aten::flip", Name x = c.t(0); for (int64_t a : normal(c.list(1), c.rank(0))) x =
                                                   c.e.slice(x, a, c.e.ints({-1}), c.e.ints({INT64_MIN + 1}), -1);
                return {x};),
        RL_RULE("aten::roll", return {rolled(c)};),
        // reductions
        RL_RULE("aten::sum", bool dims = c.in.size() > 2; return reduce(c, "ReduceSum", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::mean", bool dims = c.in.size() > 2;
                return reduce(c, "ReduceMean", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::prod", bool dims = c.in.size() > 2;
                return reduce(c, "ReduceProd", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::amax", return reduce(c, "ReduceMax", 1, 2);),
        RL_RULE("aten::amin", return reduce(c, "ReduceMin", 1, 2);),
        RL_RULE("aten::logsumexp", return reduce(c, "ReduceLogSumExp", 1, 2);),
        RL_RULE("aten::max", return extreme(c, true);),
        RL_RULE("aten::min", return extreme(c, false);),
        RL_RULE("aten::argmax", return arg_extreme(c, "ArgMax");),
        RL_RULE("aten::argmin", return arg_extreme(c, "ArgMin");), RL_RULE("aten::var", return {variance(c)};),
        RL_RULE("aten::std", return {c.e.op("Sqrt", {variance(c)})};), RL_RULE("aten::norm", return norm(c);),
        RL_RULE("aten::linalg_vector_norm", return norm(c);),
        RL_RULE("aten::len", return {size_of(c, c.t(0), 0)};),
        RL_RULE("aten::cumsum", since(c, 11);
                return {c.e.op("CumSum", {c.promoted(0), c.e.number(double(c.axis(1)), DType::Int64)})};),
        RL_RULE("aten::any", Name x = c.e.cast(c.t(0), DType::Int32);
                if (c.in.size() > 1) x = c.e.reduce("ReduceMax", x, axes_of(c, 1), c.in.size() > 2 && c.b(2));
                else x = c.e.op("ReduceMax", {x}, {at("keepdims", 0)}); return {c.e.cast(x, DType::Bool)};),
        RL_RULE("aten::all", Name x = c.e.cast(c.t(0), DType::Int32);
                if (c.in.size() > 1) x = c.e.reduce("ReduceMin", x, axes_of(c, 1), c.in.size() > 2 && c.b(2));
                else x = c.e.op("ReduceMin", {x}, {at("keepdims", 0)}); return {c.e.cast(x, DType::Bool)};),
        RL_RULE("aten::topk", Name k = c.e.joined(*c.in[1]); return c.e.ops(
            "TopK", {c.t(0), k}, 2, {at("axis", c.axis(2)), at("largest", c.b(3)), at("sorted", c.b(4))});),
        RL_RULE("aten::sort", return sorted(c, c.in.size() > 3 ? 2 : 1, c.in.size() > 3 ? 3 : 2);),
        RL_RULE("aten::argsort", return {sorted(c, c.in.size() > 3 ? 2 : 1, c.in.size() > 3 ? 3 : 2)[1]};),
        RL_RULE("aten::nonzero", if (c.rank(0) == 0) {
          Name one = c.e.op("NonZero", {reshape(c, c.t(0), {1})});  // [1, count], of which no column stays
          return {c.e.slice(c.e.op("Transpose", {one}, {at("perm", List{1, 0})}), 1, c.e.ints({0}), c.e.ints({0}), 1)};
        } return {c.e.op("Transpose", {c.e.op("NonZero", {c.t(0)})}, {at("perm", List{1, 0})})};),
        RL_RULE("aten::tril", return triangle(c, 0);), RL_RULE("aten::triu", return triangle(c, 1);),
        RL_RULE("aten::one_hot", Tensor v = empty_tensor({2}, DType::Int64); v.data<int64_t>()[0] = 0;
                v.data<int64_t>()[1] = 1;
                return {c.e.op("OneHot", {c.t(0), c.e.ints({c.result_size(0, -1)}), c.e.constant(v)})};),
        RL_RULE("aten::cosine_similarity", int64_t axis = c.axis(2);
                Name dot = c.e.reduce("ReduceSum", c.e.op("Mul", {c.t(0), c.t(1)}), {axis}, false);
                Name eps = c.e.number(c.f(3), c.dtype());
                Name a = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(0), {axis}, false), eps}),
                b = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(1), {axis}, false), eps});
                return {c.e.op("Div", {dot, c.e.op("Mul", {a, b})})};),
        // tensors that are made, and what only changes how a value is seen
        RL_RULE("aten::zeros", return created(c, 0, 0);), RL_RULE("aten::ones", return created(c, 0, 1);),
        RL_RULE("aten::full", return full(c, c.e.joined(*c.in[0]), 1);),
        RL_RULE("aten::new_zeros", return created(c, 1, 0);), RL_RULE("aten::new_ones", return created(c, 1, 1);),
        RL_RULE("aten::new_empty", return created(c, 1, 0);),
        RL_RULE("aten::new_full", return full(c, c.e.joined(*c.in[1]), 2);),
        RL_RULE("aten::empty", return created(c, 0, 0);), RL_RULE("aten::zeros_like", return created_like(c, 0);),
        RL_RULE("aten::ones_like", return created_like(c, 1);),
        RL_RULE("aten::full_like", return full(c, shape_of(c, c.t(0)), 1);),
        RL_RULE("aten::empty_like", return created_like(c, 0);), RL_RULE("aten::arange", return arange(c);),
        RL_RULE("aten::eye", bool two = c.node->schema()->args.at(1).name == "m";
                Name rows = c.e.joined(*c.in[0]), columns = two ? c.e.joined(*c.in[1]) : rows;
                Name zeros = filled(c, c.e.op("Concat", {rows, columns}, {at("axis", 0)}), DType::Float32, 0);
                return {c.e.op("EyeLike", {zeros}, {at("dtype", elem_of_dtype(c.dtype()))})};),
        RL_RULE("aten::to", return to(c);), RL_RULE("aten::type_as", return to(c);),
        RL_RULE("aten::_to_copy", return to(c);), RL_RULE("aten::float", return to(c);),
        RL_RULE("aten::contiguous", return {c.t(0)};), RL_RULE("aten::clone", return {c.t(0)};),
        RL_RULE("aten::detach", return {c.t(0)};), RL_RULE("aten::alias", return {c.t(0)};),
        RL_RULE("aten::copy", return {c.e.op("Expand", {c.as(1, c.dtype()), shape_of(c, c.t(0))})};),
        RL_RULE("aten::size", return size(c);), RL_RULE("aten::numel", return {c.e.op("Size", {c.t(0)})};),
        RL_RULE("prim::NumToTensor", return {c.t(0)};), RL_RULE("aten::Int", return {c.e.cast(c.t(0), DType::Int64)};),
        RL_RULE("aten::Float", return {c.e.cast(c.t(0), DType::Float32)};),
        RL_RULE("aten::Bool", return {c.e.cast(c.t(0), DType::Bool)};), RL_RULE("aten::item", return {c.t(0)};),
        RL_RULE("aten::scalar_tensor", return {c.as(0, c.dtype())};),
        RL_RULE("aten::tensor", return {c.as(0, c.dtype())};), RL_RULE("aten::ScalarImplicit", return {c.t(0)};),
        RL_RULE("aten::IntImplicit", return {c.t(0)};),
  };
}

}  // namespace rushlight::onnx
