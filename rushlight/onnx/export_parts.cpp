// A composite as what it calls for the examples.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/tracer.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/export_run.h"

namespace rushlight::onnx {

using graph::Node;

namespace {

// Elements in the order from the last to the first.
void reverse_elements(const Tensor& t) {
  auto* p = static_cast<char*>(t.raw());
  size_t each = item_size(t.dtype()), n = size_t(t.numel());
  for (size_t i = 0; i < n / 2; i++) std::swap_ranges(p + i * each, p + (i + 1) * each, p + (n - 1 - i) * each);
}

bool about_equal(const IValue& a, const IValue& b) {
  if (a.is_tensor_list()) {
    if (!b.is_tensor_list() || a.tensor_list().size() != b.tensor_list().size()) return false;
    for (size_t i = 0; i < a.tensor_list().size(); i++)
      if (!about_equal(a.tensor_list()[i], b.tensor_list()[i])) return false;
    return true;
  }
  if (!a.is_tensor() || !b.is_tensor()) return a.is_tensor() == b.is_tensor();
  const Tensor &x = a.tensor(), &y = b.tensor();
  if (x.sizes() != y.sizes() || x.dtype() != y.dtype()) return false;
  const bool pairs = is_complex(x.dtype());
  const DType wide = pairs ? DType::Complex128 : DType::Float64;
  Tensor u = dense(x, wide), v = dense(y, wide);
  for (int64_t i = 0; i < u.numel() * (pairs ? 2 : 1); i++) {
    double p = static_cast<const double*>(u.raw())[i], q = static_cast<const double*>(v.raw())[i];
    if (p != q && !(std::isnan(p) && std::isnan(q)) && !(std::abs(p - q) <= 1e-4 * (1 + std::abs(q)))) return false;
  }
  return true;
}

// What dynamic axes have more than three times as much. Own: another number for each size, so that none follows from another by chance; Each: for
// each axis of each argument, so that none follows from one of the same size; Times: likewise, in multiples of the size.
enum class Bit : int64_t { None, One, Own, Each, Times };
// The value where the dynamic axes are three times as long and a bit; `place` counts axes.
IValue longest(const IValue& a, const IValue& b, Bit more, int64_t& place) {
  auto beyond = [&](int64_t x, int64_t y) {
    place++;
    if (x == y) return x;
    int64_t own = 1 + 2 * (x % 7);
    if (more == Bit::Times) return 2 * y - x + x * place;
    return 2 * y - x + (more == Bit::Each ? own + 2 * place : more == Bit::Own ? own : int64_t(more));
  };
  if (a.is_int() && b.is_int()) return beyond(a.to_int(), b.to_int());
  if (a.is_tensor() && b.is_tensor() && a.tensor().dim() == b.tensor().dim()) {
    const Tensor from = dense(b.tensor());
    Dims sizes = from.sizes();
    for (int64_t k = 0; k < from.dim(); k++) sizes[size_t(k)] = beyond(a.tensor().size(k), from.size(k));
    Tensor made = empty_tensor(sizes, from.dtype());
    size_t each = item_size(made.dtype());
    for (int64_t i = 0; i < made.numel() && from.numel(); i++)
      std::memcpy(static_cast<char*>(made.raw()) + size_t(i) * each,
                  static_cast<const char*>(from.raw()) + size_t(i % from.numel()) * each, each);
    return made;
  }
  return b;
}

// The arguments of a composite, tensors that nobody else has.
enum class Like { Example, Backwards, Longer, Longest };
std::vector<IValue> fresh_arguments(Call& c, Like like, Bit more = Bit::None) {
  std::map<const TensorImpl*, Tensor> fresh;
  std::vector<Tensor> kept;  // so that no other tensor gets their address
  int64_t place = 0;
  auto own = [&](const Tensor& t) {
    kept.push_back(t);
    Tensor& made = fresh[t.impl()];
    if (!made.defined()) {
      made = empty_tensor(t.sizes(), t.dtype());
      copy_elements(made, t);
      if (like == Like::Backwards) reverse_elements(made);
    }
    return made;
  };
  auto pick = [&](const IValue& value, const IValue& other, bool constant) {
    if (constant || like == Like::Example || like == Like::Backwards) return value;
    return like == Like::Longer ? other : longest(value, other, more, place);
  };
  std::vector<IValue> args;
  for (size_t i = 0; i < c.in.size(); i++) {
    const Known& k = *c.in[i];
    IValue v = like == Like::Example || like == Like::Backwards || k.constant ? k.value : k.other;
    if (v.is_tensor()) {
      v = own(pick(k.value, k.other, k.constant).tensor());
    } else if (v.is_tensor_list()) {
      std::vector<Tensor> all;
      for (size_t n = 0; n < v.tensor_list().size(); n++) {
        const Tensor& t = v.tensor_list()[n];
        bool both = !k.constant && k.value.is_tensor_list() && n < k.value.tensor_list().size() && t.defined();
        IValue item = both && like == Like::Longest ? longest(k.value.tensor_list()[n], t, more, place) : IValue(t);
        all.push_back(t.defined() ? own(item.tensor()) : t);
      }
      v = all;
    } else if (v.is_int()) {
      v = pick(k.value, k.other, k.constant);
    } else if (v.is_generic_list() || v.is_int_list()) {
      std::vector<IValue> all;
      for (size_t n = 0; n < graph::list_size(v); n++) {
        IValue item = graph::list_get(v, n);
        bool both = !k.constant && n < graph::list_size(k.value);
        if (both && like == Like::Longest) item = longest(graph::list_get(k.value, n), item, more, place);
        all.push_back(item.is_tensor() ? IValue(own(item.tensor())) : item);
      }
      v = graph::make_list(c.node->input(i)->type()->element(), std::move(all));
    }
    args.push_back(v);
  }
  return args;
}

// What a composite calls for arguments. Null: it returns something else than what its calls gave, or decides by values.
std::shared_ptr<graph::Graph> trace_of(Call& c, std::vector<IValue> args) {
  graph::Tracer tracer;
  bool read = false;
  tracer.lost = [&](Read) { read = true; };
  std::vector<IValue> rets(c.out.size());
  for (size_t i = 0; i < args.size(); i++)
    if (args[i].is_tensor() || args[i].is_tensor_list()) tracer.add_input(c.node->schema()->args[i].name, args[i]);
  {
    graph::Tracing tracing(tracer);
    c.node->op->run(args.data(), rets.data());
  }
  for (const IValue& r : rets) {
    if (r.is_tensor() && !tracer.knows(r.tensor())) return nullptr;
    if (r.is_tensor_list())
      for (const Tensor& t : r.tensor_list())
        if (!tracer.knows(t)) return nullptr;
  }
  if (read) return nullptr;
  auto g = tracer.graph();
  for (size_t i = 0; i < rets.size(); i++)
    if (is_used(c, i)) tracer.add_output(rets[i]);
    else g->register_output(g->insert_constant(IValue()));
  tracer.finish();
  return g;
}

// Whether a trace computes what the composite does for arguments.
bool agrees(Call& c, graph::Executable& program, std::vector<IValue> args) {
  std::vector<IValue> given, wanted(c.out.size());
  for (const IValue& v : args)
    if (v.is_tensor() || v.is_tensor_list()) given.push_back(v);
  c.node->op->run(args.data(), wanted.data());
  std::vector<IValue> got = program.run(given);
  for (size_t i = 0; i < got.size(); i++)
    if (is_used(c, i) && !about_equal(got[i], wanted[i])) return false;
  return true;
}

}  // namespace

// A composite as what it calls for the examples. What its C++ reads, sizes above all, are numbers there, so that the graph is tried on
// other values, and on other sizes where an axis is dynamic.
bool Run::by_parts(Call& c) {
  const Op* op = c.node->op;
  if (!op || op->def().kernel.kind != Kernel::Kind::Composite || op->registered()) return false;
  for (const Known& k : c.out)
    if (!k.value.is_tensor() && !k.value.is_tensor_list()) return false;
  auto g = trace_of(c, fresh_arguments(c, Like::Example));
  if (!g) return false;
  graph::forget_shapes(*g);
  graph::optimize(*g);
  graph::Executable program(g, false);
  try {
    if (!agrees(c, program, fresh_arguments(c, Like::Backwards))) return false;
  } catch (const Error&) {}  // values in that order make no sense to it
  std::vector<IValue> others;
  if (!e.options.dynamic_axes.empty()) {
    bool known = true;
    for (const Known* k : c.in) known &= k->constant || !k->other.is_none() || k->value.is_none();
    auto try_ = [](auto&& f) {
      try {
        return f();
      } catch (const Error&) { return false; }  // sizes of the example don't fit
    };
    known = known && (try_([&] { return agrees(c, program, fresh_arguments(c, Like::Longer)); }) ||
                      try_([&] { return by_sizes(c, g); }));
    RL_CHECK(NotImplementedError, known, "onnx.export: ", c.node->kind(), " where an axis is dynamic");
    for (const Known& k : c.out) others.push_back(k.other);
  }
  size_t at = 0;
  for (size_t i = 0; i < c.in.size(); i++)
    if (c.in[i]->value.is_tensor() || c.in[i]->value.is_tensor_list()) known_[g->inputs()[at++]] = *c.in[i];
  expand(c, g);
  for (size_t i = 0; i < others.size(); i++)
    RL_CHECK(NotImplementedError, !is_used(c, i) || others[i].is_none() || about_equal(c.out[i].other, others[i]),
             "onnx.export: ", c.node->kind(), " where an axis is dynamic");
  return true;
}

namespace {
// What a constant of the first trace is in the second.
IValue twin(const std::array<std::shared_ptr<graph::Graph>, 3>& traces, const Node* node) {
  auto second = traces[1]->block()->begin();
  for (const Node* n : *traces[0]->block()) {
    if (n == node) return (*second)->attribute("value");
    ++second;
  }
  return {};
}
}  // namespace

// What numbers may follow from: sizes of an argument and numbers in it, for three examples, and how the model has each.
void Run::sizes_of(const std::array<IValue, 3>& v, const Known& k, std::vector<ThreeNumbers>& sizes,
                   std::vector<std::function<Name()>>& names) {
  if (v[0].is_int()) {
    sizes.push_back({double(v[0].to_int()), double(v[1].to_int()), double(v[2].to_int())});
    names.emplace_back([this, own = Known(k)]() mutable { return e.name_of(own); });
  } else if (v[0].is_tensor() && v[0].tensor().defined()) {
    for (int64_t axis = 0; axis < v[0].tensor().dim(); axis++) {
      auto size = [&](size_t i) { return double(v[i].tensor().size(axis)); };
      sizes.push_back({size(0), size(1), size(2)});
      names.emplace_back([this, own = Known(k), axis]() mutable {
        Name x = is_complex(own.value.tensor().dtype()) ? own.name : e.name_of(own);
        return e.op("Gather", {e.op("Shape", {x}), e.number(double(axis), DType::Int64)}, {at("axis", 0)});
      });
    }
  } else if (v[0].is_any_list()) {
    std::vector<Known> items = items_of(k);
    for (size_t n = 0; n < items.size(); n++)
      sizes_of({graph::list_get(v[0], n), graph::list_get(v[1], n), graph::list_get(v[2], n)}, items[n], sizes, names);
  }
}

// Numbers in the trace that follow from sizes of the arguments, as the model computes them: Note [Sizes in parts].
bool Run::by_sizes(Call& c, std::shared_ptr<graph::Graph>& g) {
  std::array<std::shared_ptr<graph::Graph>, 3> traces;
  std::map<const Node*, SizeFormula> found;
  std::vector<std::function<Name()>> names;
  int errors = 0;
  auto follow = [&](Bit more) {
    std::array<std::vector<IValue>, 3> args;
    for (size_t k = 0; k < 3; k++) {
      args[k] = fresh_arguments(c, k == 0 ? Like::Example : k == 1 ? Like::Longer : Like::Longest, more);
      traces[k] = trace_of(c, args[k]);
      if (!traces[k]) return false;
    }
    std::vector<ThreeNumbers> sizes;
    names.clear();
    found.clear();
    for (size_t i = 0; i < c.in.size(); i++)
      if (!c.in[i]->constant) sizes_of({args[0][i], args[1][i], args[2][i]}, *c.in[i], sizes, names);
    return follow_sizes(traces, sizes, errors >= 3, found);
  };
  bool followed = false;
  for (Bit more : {Bit::Each, Bit::Own, Bit::One, Bit::Times, Bit::None}) {
    try {
      followed = follow(more);
    } catch (const Error&) { errors++; }  // of sizes that the program never has together
    if (followed) break;
  }
  if (!followed) return false;
  for (const auto& [node, f] : found) {
    auto whole = [&](int64_t v) { return e.scalar(v, DType::Int64); };
    Name x = names[size_t(f.first)]();
    if (f.second >= 0) x = e.op("Mul", {x, names[size_t(f.second)]()});
    if (f.times != 1) x = e.op("Mul", {x, whole(f.times)});
    if (f.plus) x = e.op("Add", {x, whole(f.plus)});
    if (f.over != 1) x = e.op("Div", {x, whole(f.over)});
    Known k;
    k.value = node->attribute("value");
    k.other = twin(traces, node);
    DType d = k.value.is_int() ? DType::Int64 : k.value.is_tensor() ? k.value.tensor().dtype() : DType::Float32;
    if (f.inverse) x = e.op("Reciprocal", {e.cast(x, d)});
    else if (d != DType::Int64) x = e.cast(x, d);
    k.name = x;
    k.constant = false;
    k.of_sizes = true;
    sized_[node] = std::move(k);
  }
  g = traces[0];
  return true;
}

}  // namespace rushlight::onnx
