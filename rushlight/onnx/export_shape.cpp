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
  int64_t axis = c.axis(1), n = c.rank(0), made = c.out[0].value.tensor().dim() - n + 1;
  List shape(size_t(axis), 0);  // those before it as they are
  for (int64_t k = 0; k < made; k++) shape.push_back(c.out[0].value.tensor().size(axis + k));
  if (axis == n - 1) return {reshape(c, c.t(0), shape)};
  Name rest = c.e.slice(shape_of(c, c.t(0)), 0, c.e.ints({axis + 1}), c.e.ints({INT64_MAX}), 1);
  return {c.e.op("Reshape", {c.t(0), c.e.op("Concat", {c.e.ints(shape), rest}, {at("axis", 0)})})};
}
Names_ squeeze(C c) {
  List axes;
  if (c.in.size() > 1 && c.has(1)) {
    for (int64_t a : normal(c.list(1), c.rank(0)))
      if (c.rank(0) && c.example(0).size(a) == 1) axes.push_back(a);
  } else {
    for (int64_t k = 0; k < c.rank(0); k++)
      if (c.example(0).size(k) == 1) axes.push_back(k);
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
Names_ index(C c) {  // index(self, Tensor?[] indices)
  std::vector<Known> given;
  if (c.in[1]->items) given = *c.in[1]->items;
  else
    for (size_t i = 0; i < (c.in[1]->value.is_tensor_list() ? c.in[1]->value.tensor_list().size()
                                                            : c.in[1]->value.list().items.size());
         i++) {
      Known k;
      k.value =
          c.in[1]->value.is_tensor_list() ? IValue(c.in[1]->value.tensor_list()[i]) : c.in[1]->value.list().items[i];
      given.push_back(k);
    }
  size_t first = given.size(), count = 0;
  for (size_t i = 0; i < given.size(); i++)
    if (!given[i].value.is_none()) {
      first = std::min(first, i);
      count++;
    }
  if (count == 0) return {c.t(0)};
  Known& one = given[first];
  DType d = one.value.tensor().dtype();
  DType wide = DType::Int64;
  if (d == DType::Bool || d == DType::UInt8) {
    if (count != 1 || first != 0) refuse(c, "a mask beside other indices");
    return {c.e.op("GatherND",
                   {c.t(0), c.e.op("Transpose", {c.e.op("NonZero", {c.e.name_of(one)})}, {at("perm", List{1, 0})})})};
  }
  if (count == 1) return {c.e.op("Gather", {c.t(0), c.e.name_of(one, &wide)}, {at("axis", int64_t(first))})};
  if (first != 0) refuse(c, "several tensors of indices that aren't those of the first dimensions");
  int64_t dims = 0;
  for (size_t i = 0; i < count; i++) {
    if (given[i].value.is_none()) refuse(c, "several tensors of indices with a gap");
    dims = std::max(dims, given[i].value.tensor().dim());
  }
  Name zero;
  for (size_t i = 0; i < count; i++) {  // all as large as they are together
    Name n = c.e.op("Mul", {c.e.name_of(given[i], &wide), c.e.number(0, DType::Int64)});
    zero = zero.empty() ? n : c.e.op("Add", {zero, n});
  }
  Names_ parts;
  for (size_t i = 0; i < count; i++)
    parts.push_back(c.e.unsqueeze(c.e.op("Add", {c.e.name_of(given[i], &wide), zero}), {dims}));
  return {c.e.op("GatherND", {c.t(0), c.e.op("Concat", parts, {at("axis", dims)})})};
}
Names_ extreme(C c, const char* type, const char* arg) {
  // max(self), max(self, other), max(self, dim, keepdim) -> values, indices
  if (c.in.size() == 1)
    return {c.e.op(type[0] == 'M' && type[1] == 'a' ? "ReduceMax" : "ReduceMin", {c.t(0)}, {at("keepdims", 0)})};
  if (c.in.size() == 2 || c.in[1]->value.is_tensor()) return binary(c, type);
  const char* reduce = type[1] == 'a' ? "ReduceMax" : "ReduceMin";
  return {c.e.reduce(reduce, c.t(0), {c.axis(1)}, c.b(2)),
          c.e.op(arg, {c.t(0)}, {at("axis", c.axis(1)), at("keepdims", c.b(2))})};
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
Names_ scatter(C c, const char* reduction) {
  since(c, 11);
  if (c.in.size() > 4) refuse(c, "reduce");
  Name source = c.in[3]->value.is_tensor() ? c.t(3) : c.e.op("Expand", {c.as(3, c.dtype()), shape_of(c, c.t(2))});
  AttributeList a = {at("axis", c.axis(1))};
  if (*reduction) {
    since(c, 16);
    a.push_back(at("reduction", reduction));
  }
  return {c.e.op("ScatterElements", {c.t(0), c.t(2), source}, a)};
}
Names_ norm(C c) {  // norm(self, p, dim, keepdim), linalg_vector_norm(self, ord, dim, keepdim)
  double p = c.has(1) ? c.f(1) : 2;
  List axes = c.in.size() > 2 ? axes_of(c, 2) : List();
  bool keep = c.in.size() > 3 && c.b(3);
  Name x = c.promoted(0);
  if (p == 1) return {c.e.reduce("ReduceL1", x, axes, keep)};
  if (p == 2) return {c.e.reduce("ReduceL2", x, axes, keep)};
  if (p == 0) refuse(c, "the number of elements that aren't 0");
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
  since(c, 14);
  return {c.e.op("Trilu", {c.t(0), c.e.number(double(c.i(1)), DType::Int64)}, {at("upper", upper)})};
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
        RL_RULE("aten::tile", Name x = c.t(0); List times = c.list(1);
                while (int64_t(times.size()) < c.rank(0)) times.insert(times.begin(), 1); List front;
                for (int64_t k = 0; k < int64_t(times.size()) - c.rank(0); k++) front.push_back(k);
                if (!front.empty()) x = c.e.unsqueeze(x, front); return {c.e.op("Tile", {x, c.e.ints(times)})};),
        RL_RULE("aten::cat", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim();
                return {c.e.op("Concat", tensors(c, 0), {at("axis", axis < 0 ? axis + n : axis)})};),
        RL_RULE("aten::stack", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim(); Names_ parts = tensors(c, 0);
                for (Name& p : parts) p = c.e.unsqueeze(p, {axis < 0 ? axis + n : axis});
                return {c.e.op("Concat", parts, {at("axis", axis < 0 ? axis + n : axis)})};),
        RL_RULE("aten::split", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
        RL_RULE("aten::split_with_sizes", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
        RL_RULE("aten::chunk", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
        RL_RULE("aten::tensor_split", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
        RL_RULE("aten::unbind", int64_t axis = c.axis(1);
                Names_ parts = split(c, List(size_t(c.example(0).size(axis)), 1), axis);
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
        RL_RULE("aten::index", return index(c);), RL_RULE("aten::scatter", return scatter(c, "");),
        RL_RULE("aten::scatter_add", return scatter(c, "add");),
        RL_RULE("aten::flip", Name x = c.t(0); for (int64_t a : normal(c.list(1), c.rank(0))) x =
                                                   c.e.slice(x, a, c.e.ints({-1}), c.e.ints({INT64_MIN + 1}), -1);
                return {x};),
        RL_RULE(
            "aten::roll", List shifts = c.list(1), axes = normal(c.list(2), c.rank(0));
            if (axes.empty()) refuse(c, "no dims"); Name x = c.t(0); for (size_t k = 0; k < axes.size(); k++) {
              int64_t n = c.example(0).size(axes[k]), by = n ? ((shifts[k] % n) + n) % n : 0;
              if (!by) continue;
              Name tail = c.e.slice(x, axes[k], c.e.ints({-by}), c.e.ints({INT64_MAX}), 1),
                   head = c.e.slice(x, axes[k], c.e.ints({0}), c.e.ints({-by}), 1);
              x = c.e.op("Concat", {tail, head}, {at("axis", axes[k])});
            } return {x};),
        // reductions
        RL_RULE("aten::sum", bool dims = c.in.size() > 2; return reduce(c, "ReduceSum", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::mean", bool dims = c.in.size() > 2;
                return reduce(c, "ReduceMean", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::prod", bool dims = c.in.size() > 2;
                return reduce(c, "ReduceProd", dims ? 1 : 99, dims ? 2 : 99);),
        RL_RULE("aten::amax", return reduce(c, "ReduceMax", 1, 2);),
        RL_RULE("aten::amin", return reduce(c, "ReduceMin", 1, 2);),
        RL_RULE("aten::logsumexp", return reduce(c, "ReduceLogSumExp", 1, 2);),
        RL_RULE("aten::max", return extreme(c, "Max", "ArgMax");),
        RL_RULE("aten::min", return extreme(c, "Min", "ArgMin");),
        RL_RULE("aten::argmax", return arg_extreme(c, "ArgMax");),
        RL_RULE("aten::argmin", return arg_extreme(c, "ArgMin");), RL_RULE("aten::var", return {variance(c)};),
        RL_RULE("aten::std", return {c.e.op("Sqrt", {variance(c)})};), RL_RULE("aten::norm", return norm(c);),
        RL_RULE("aten::linalg_vector_norm", return norm(c);),
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
        RL_RULE("aten::nonzero",
                return {c.e.op("Transpose", {c.e.op("NonZero", {c.t(0)})}, {at("perm", List{1, 0})})};),
        RL_RULE("aten::tril", return triangle(c, 0);), RL_RULE("aten::triu", return triangle(c, 1);),
        RL_RULE("aten::one_hot", Tensor v = empty_tensor({2}, DType::Int64); v.data<int64_t>()[0] = 0;
                v.data<int64_t>()[1] = 1;
                return {c.e.op("OneHot", {c.t(0), c.e.ints({c.out[0].value.tensor().size(-1)}), c.e.constant(v)})};),
        RL_RULE("aten::cosine_similarity", int64_t axis = c.axis(2);
                Name dot = c.e.reduce("ReduceSum", c.e.op("Mul", {c.t(0), c.t(1)}), {axis}, false);
                Name eps = c.e.number(c.f(3), c.dtype());
                Name a = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(0), {axis}, false), eps}),
                b = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(1), {axis}, false), eps});
                return {c.e.op("Div", {dot, c.e.op("Mul", {a, b})})};),
        // tensors that are made, and what only changes how a value is seen
        RL_RULE("aten::zeros", return created(c, 0, 0);), RL_RULE("aten::ones", return created(c, 0, 1);),
        RL_RULE("aten::full", return created(c, 0, c.f(1));), RL_RULE("aten::new_zeros", return created(c, 1, 0);),
        RL_RULE("aten::new_ones", return created(c, 1, 1);), RL_RULE("aten::new_full", return created(c, 1, c.f(2));),
        RL_RULE("aten::empty", return created(c, 0, 0);), RL_RULE("aten::zeros_like", return created_like(c, 0);),
        RL_RULE("aten::ones_like", return created_like(c, 1);),
        RL_RULE("aten::full_like", return created_like(c, c.f(1));),
        RL_RULE("aten::empty_like", return created_like(c, 0);), RL_RULE("aten::arange", return arange(c);),
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
