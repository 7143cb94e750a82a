// Calls with complex tensors, which ONNX's operators don't take: such a value is two, its real and its imaginary part.
//
// Note [Parts of complex calls]: most operators treat the parts alone (what moves elements, sums, products with real numbers) or multiply
// (a + bi)(c + di). Which of these an operator does isn't listed: it is tried on numbers that no program would give by chance. Then the
// operator is written once a part, as it is for real tensors. What does neither is a rule here, or a text named `_complex_` and the operator.
#include <cmath>
#include <cstring>

#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

bool is_complex_value(const IValue& v) {
  if (v.is_tensor()) return v.tensor().defined() && is_complex(v.tensor().dtype());
  if (v.is_tensor_list())
    for (const Tensor& t : v.tensor_list())
      if (t.defined() && is_complex(t.dtype())) return true;
  return v.is_complex();
}

// Every second number of a complex tensor.
Tensor part_of(const Tensor& t, bool imaginary) {
  Tensor from = dense(t), made = empty_tensor(t.sizes(), to_real(t.dtype()));
  size_t each = item_size(made.dtype());
  for (int64_t i = 0; i < made.numel(); i++)
    std::memcpy(static_cast<char*>(made.raw()) + size_t(i) * each,
                static_cast<const char*>(from.raw()) + (2 * size_t(i) + imaginary) * each, each);
  return made;
}
IValue part_of(const IValue& v, bool imaginary) {
  if (v.is_complex()) return IValue(imaginary ? v.to_complex().imag() : v.to_complex().real());
  if (v.is_tensor() && is_complex_value(v)) return part_of(v.tensor(), imaginary);
  if (!v.is_tensor_list()) return v;
  std::vector<Tensor> parts;
  for (const Tensor& t : v.tensor_list())
    parts.push_back(t.defined() && is_complex(t.dtype()) ? part_of(t, imaginary) : t);
  return parts;
}
Known part_of(const Known& k, bool imaginary) {
  Known part = k;
  part.imaginary.clear();
  if (k.items) {
    part.items = std::make_shared<std::vector<Known>>();
    for (const Known& i : *k.items) part.items->push_back(part_of(i, imaginary));
  }
  if (!is_complex_value(k.value)) return part;
  part.value = part_of(k.value, imaginary);
  part.other = part_of(k.other, imaginary);
  part.name = k.constant ? Name() : imaginary ? k.imaginary : k.name;
  return part;
}
void join(Known& whole, const Known& re, const Known& im) {
  whole.constant = false;
  if (!re.items) {
    whole.name = re.name, whole.imaginary = im.name;
    return;
  }
  whole.items = std::make_shared<std::vector<Known>>(items_of(whole));
  for (size_t i = 0; i < whole.items->size(); i++) join((*whole.items)[i], (*re.items)[i], (*im.items)[i]);
}

// ---- what an operator does to the parts, by trying ----

// Numbers of which no operator makes the same by chance.
void scramble(const Tensor& t, double& seed) {
  Tensor wide = empty_tensor(t.sizes(), is_complex(t.dtype()) ? DType::Complex128 : DType::Float64);
  for (int64_t i = 0; i < wide.numel() * (is_complex(t.dtype()) ? 2 : 1); i++) {
    seed = std::fmod(seed * 1.7320508 + 0.6180339, 1);
    static_cast<double*>(wide.raw())[i] = 0.2 + seed;
  }
  copy_elements(t, wide);
}
IValue scrambled(const Known& k, double& seed) {
  auto fresh = [&](const Tensor& t) {
    if (!t.defined() || (!is_complex(t.dtype()) && (k.constant || !is_floating(t.dtype())))) return t;
    Tensor made = empty_tensor(t.sizes(), t.dtype());
    scramble(made, seed);
    return made;
  };
  if (k.value.is_tensor()) return fresh(k.value.tensor());
  if (!k.value.is_tensor_list()) return k.value;
  std::vector<Tensor> all;
  for (const Tensor& t : k.value.tensor_list()) all.push_back(fresh(t));
  return all;
}
IValue zero_like(const IValue& v) {
  auto zeros = [](const Tensor& t) {
    Tensor made = empty_tensor(t.sizes(), t.dtype());
    std::memset(made.raw(), 0, size_t(made.nbytes()));
    return made;
  };
  if (v.is_tensor()) return zeros(v.tensor());
  return v.is_double() ? IValue(0.0) : v.is_int() ? IValue(int64_t(0)) : v;
}
// p + sign * q
double largest_difference(const Tensor& wanted, const Tensor& p, const Tensor& q, double sign) {
  Tensor w = dense(wanted, DType::Float64), a = dense(p, DType::Float64), b = dense(q, DType::Float64);
  double worst = 0;
  for (int64_t i = 0; i < w.numel(); i++) {
    double want = w.data<double>()[i];
    double off = std::abs(want - a.data<double>()[i] - sign * b.data<double>()[i]) / (1 + std::abs(want));
    worst = off <= worst ? worst : off;  // NaN counts
    if (std::isnan(off)) return INFINITY;
  }
  return worst;
}
std::vector<Tensor> tensors_of(const std::vector<IValue>& all) {
  std::vector<Tensor> out;
  for (const IValue& v : all) {
    if (v.is_tensor()) out.push_back(v.tensor());
    if (v.is_tensor_list())
      for (const Tensor& t : v.tensor_list()) out.push_back(t);
  }
  return out;
}

class Trial {
 public:
  explicit Trial(Call& c) : c_(c) {
    double seed = 0.3;
    for (Known* k : c.in) args_.push_back(scrambled(*k, seed));
    wanted_ = tensors_of(run(args_));
  }
  // The results, the complex arguments being parts, all the others as they are or, if `alone`, nothing.
  std::vector<Tensor> results(bool imaginary, bool alone = false) { return tensors_of(run(args(imaginary, alone))); }
  std::vector<IValue> args(bool imaginary, bool alone) {
    std::vector<IValue> out;
    for (size_t i = 0; i < args_.size(); i++) {
      bool part = is_complex_value(c_.in[i]->value);
      bool counts = alone && !part && !c_.node->schema()->args[i].kwarg_only;
      out.push_back(part ? part_of(args_[i], imaginary) : counts ? zero_like(args_[i]) : args_[i]);
    }
    return out;
  }
  std::vector<Tensor> results(size_t i, bool first, size_t k, bool second) {
    std::vector<IValue> given = args_;
    given[i] = part_of(args_[i], first);
    given[k] = part_of(args_[k], second);
    return tensors_of(run(given));
  }
  // Whether the results are re + im * i, where re = a - b and im = c + d.
  bool gives(const std::vector<Tensor>& a, const std::vector<Tensor>* b, const std::vector<Tensor>& im,
             const std::vector<Tensor>* d) const {
    if (a.size() != wanted_.size() || im.size() != wanted_.size()) return false;
    for (size_t i = 0; i < wanted_.size(); i++) {
      const Tensor& w = wanted_[i];
      if (!is_complex(w.dtype()) || a[i].dtype() != to_real(w.dtype()) || a[i].sizes() != w.sizes()) return false;
      if (im[i].dtype() != a[i].dtype() || im[i].sizes() != w.sizes()) return false;
      if (largest_difference(part_of(w, false), a[i], b ? (*b)[i] : a[i], b ? -1 : 0) > 1e-4) return false;
      if (largest_difference(part_of(w, true), im[i], d ? (*d)[i] : im[i], d ? 1 : 0) > 1e-4) return false;
    }
    return true;
  }
  bool is_real(const std::vector<Tensor>& re) const {
    for (size_t i = 0; i < wanted_.size(); i++) {
      const Tensor& w = wanted_[i];
      if (i >= re.size() || w.dtype() != re[i].dtype() || w.sizes() != re[i].sizes() || is_complex(w.dtype()) ||
          largest_difference(w, re[i], re[i], 0) > 1e-6)
        return false;
    }
    return true;
  }

 private:
  std::vector<IValue> run(std::vector<IValue> args) {
    std::vector<IValue> rets(c_.node->outputs().size());
    c_.node->op->run(args.data(), rets.data());
    return rets;
  }
  Call& c_;
  std::vector<IValue> args_;
  std::vector<Tensor> wanted_;
};

// The call with a part in place of each complex argument.
struct Part {
  std::vector<Known> in;
  Call call;
  Part(Call& c, bool imaginary) : call{c.e, c.node, {}, {}} {
    for (const Known* k : c.in) in.push_back(part_of(*k, imaginary));
    for (Known& k : in) call.in.push_back(&k);
    for (const Known& k : c.out) {
      Known out = part_of(k, imaginary);
      out.constant = true;  // it has no name yet
      call.out.push_back(std::move(out));
    }
  }
  Part(const Part&) = delete;
};

using Write = std::function<void(Call&)>;

// What it does to the real parts.
void as_real(Call& c, const Write& write) {
  Part re(c, false);
  write(re.call);
  for (size_t i = 0; i < c.out.size(); i++) {
    c.out[i].name = re.call.out[i].name, c.out[i].items = re.call.out[i].items;
    c.out[i].constant = false;
  }
}

bool by_trying(Call& c, const Write& write) {
  bool numbers = true;
  for (const Known& k : c.out) numbers &= !k.value.is_tensor() && !k.value.is_tensor_list();
  if (numbers) {  // sizes
    as_real(c, write);
    return true;
  }
  if (!c.node->op || !c.node->schema()) return false;
  auto attempt = [](auto&& f) {
    try {
      return f();
    } catch (const Error&) { return false; }  // an operator that has no real tensors, or not these
  };
  Trial trial(c);
  bool complex_result = false;
  for (const Known& k : c.out) complex_result |= is_complex_value(k.value);
  if (!complex_result) {  // sizes, and what asks for the real part alone
    if (!attempt([&] { return trial.is_real(trial.results(false)); })) return false;
    as_real(c, write);
    return true;
  }
  for (bool alone : {false, true}) {
    if (!attempt([&] { return trial.gives(trial.results(false), nullptr, trial.results(true, alone), nullptr); }))
      continue;
    Part re(c, false), im(c, true);
    if (alone) {
      std::vector<IValue> nothing = trial.args(true, true);
      for (size_t i = 0; i < im.in.size(); i++)
        if (!is_complex_value(c.in[i]->value) && !c.node->schema()->args[i].kwarg_only &&
            (im.in[i].value.is_double() || im.in[i].value.is_int() || im.in[i].value.is_tensor())) {
          im.in[i] = Known();
          im.in[i].value = nothing[i];
        }
    }
    write(re.call), write(im.call);
    for (size_t i = 0; i < c.out.size(); i++) join(c.out[i], re.call.out[i], im.call.out[i]);
    return true;
  }
  std::vector<size_t> complex;
  for (size_t i = 0; i < c.in.size(); i++)
    if (is_complex_value(c.in[i]->value)) complex.push_back(i);
  if (complex.size() != 2 || c.out.size() != 1 || !c.out[0].value.is_tensor()) return false;
  size_t i = complex[0], k = complex[1];
  bool multiplies = attempt([&] {
    auto b = trial.results(i, true, k, true), d = trial.results(i, true, k, false);
    return trial.gives(trial.results(i, false, k, false), &b, trial.results(i, false, k, true), &d);
  });
  if (!multiplies) return false;
  auto product = [&](bool first, bool second) {
    Part p(c, false);
    if (first) p.in[i] = part_of(*c.in[i], true);
    if (second) p.in[k] = part_of(*c.in[k], true);
    write(p.call);
    return p.call.out[0].name;
  };
  c.out[0].name = c.e.op("Sub", {product(false, false), product(true, true)});
  c.out[0].imaginary = c.e.op("Add", {product(false, true), product(true, false)});
  c.out[0].constant = false;
  return true;
}

// ---- rules ----

struct Parts { Name re, im; };  // im empty: a real tensor

Parts pair_of(C c, size_t i) {
  Known re = part_of(*c.in[i], false);
  if (!is_complex_value(c.in[i]->value)) return {c.e.name_of(re), ""};
  Known im = part_of(*c.in[i], true);
  return {c.e.name_of(re), c.e.name_of(im)};
}
void set(C c, const Parts& p) {
  c.out[0].name = p.re, c.out[0].imaginary = p.im;
  c.out[0].constant = false;
}
Name stacked(Exporter& e, const Parts& p, int64_t rank) {
  Name re = e.unsqueeze(p.re, {rank});
  return p.im.empty() ? re : e.op("Concat", {re, e.unsqueeze(p.im, {rank})}, {at("axis", rank)});
}
Parts unstacked(Exporter& e, const Name& x, int64_t rank) {
  auto part = [&](int64_t i) { return e.op("Gather", {x, e.number(double(i), DType::Int64)}, {at("axis", rank)}); };
  return {part(0), part(1)};
}

// Cosines and sines of 2 pi j k / n. `fixed`: n, 0 where it isn't known.
Parts turns(Exporter& e, const Name& n, int64_t fixed, DType d, bool backward) {
  constexpr int64_t kLongest = 512;  // beyond that the model computes them: a file of n * n numbers is too large
  if (!fixed || fixed > kLongest) {
    Name line = e.op("Range", {e.number(0, DType::Int64), n, e.number(1, DType::Int64)});
    // The rest by n first: float32 has too few digits for the products.
    Name places = e.op("Mod", {e.op("Mul", {e.unsqueeze(line, {0}), e.unsqueeze(line, {1})}), n});
    Name by = e.number(backward ? 2 * M_PI : -2 * M_PI, d);
    Name turn = e.op("Mul", {e.op("Div", {e.cast(places, d), e.cast(n, d)}), by});
    return {e.op("Cos", {turn}), e.op("Sin", {turn})};
  }
  Tensor cos = empty_tensor({fixed, fixed}, DType::Float64), sin = empty_tensor({fixed, fixed}, DType::Float64);
  for (int64_t i = 0; i < fixed * fixed; i++) {
    double turn = 2 * M_PI * double((i / fixed * (i % fixed)) % fixed) / double(fixed);
    cos.data<double>()[i] = std::cos(turn);
    sin.data<double>()[i] = (backward ? 1 : -1) * std::sin(turn);
  }
  return {e.constant(dense(cos, d)), e.constant(dense(sin, d))};
}
// What opsets before 17 can do.
Parts by_products(Exporter& e, const Parts& p, const Parts& turn) {
  auto times = [&](const Name& x, const Name& m) { return e.op("MatMul", {x, m}); };
  if (p.im.empty()) return {times(p.re, turn.re), times(p.re, turn.im)};
  return {e.op("Sub", {times(p.re, turn.re), times(p.im, turn.im)}),
          e.op("Add", {times(p.re, turn.im), times(p.im, turn.re)})};
}
// The transform over the last axis of tensors of `rank` dimensions, not divided by anything. `fixed`: how long it is, 0 where that isn't known.
Parts transformed(C c, const Parts& p, const Name& n, int64_t fixed, int64_t rank, bool backward) {
  Exporter& e = c.e;
  DType d = c.out[0].value.tensor().dtype();
  d = is_complex(d) ? to_real(d) : d;
  if (e.opset < 17) return by_products(e, p, turns(e, n, fixed, d, backward));
  // A transform is of a batch of signals.
  Name x = stacked(e, p, rank), shape = rank == 2 ? Name() : e.op("Shape", {x});
  if (rank != 2) {
    Name ends = e.slice(shape, 0, e.ints({rank - 1}), e.ints({INT64_MAX}), 1);
    x = e.op("Reshape", {x, e.op("Concat", {e.ints({-1}), ends}, {at("axis", 0)})});
  }
  AttributeList a = {at("inverse", backward)};
  Names_ in = {x};
  if (e.opset < 20) a.push_back(at("axis", 1));
  else in = {x, "", e.number(1, DType::Int64)};
  Parts y = unstacked(e, e.op("DFT", in, a), 2);
  if (rank != 2) {
    Name back = e.slice(shape, 0, e.ints({0}), e.ints({rank}), 1);
    y = {e.op("Reshape", {y.re, back}), e.op("Reshape", {y.im, back})};
  }
  if (backward) {  // ONNX divides
    Name by = e.cast(n, d);
    y = {e.op("Mul", {y.re, by}), e.op("Mul", {y.im, by})};
  }
  return y;
}
struct Fourier {
  C c;
  int64_t rank;
  Name count;  // of the elements that are transformed together

  Name size(const Name& x, int64_t axis) { return size_of(c, x, axis); }
  void counts(const Name& n) { count = count.empty() ? n : c.e.op("Mul", {count, n}); }
  // `length`: of the axis, where it isn't the operand's.
  Parts over(Parts p, int64_t axis, bool backward, int64_t fixed) {
    bool last = axis == rank - 1;
    auto turned = [&](const Name& x) { return x.empty() || last ? x : transposed(c, x, rank, axis, rank - 1); };
    p = {turned(p.re), turned(p.im)};
    Name n = size(p.re, rank - 1);
    counts(n);
    p = transformed(c, p, n, fixed, rank, backward);
    return {turned(p.re), turned(p.im)};
  }
  Parts divided(Parts p, int64_t how) {
    if (!how) return p;
    DType d = c.out[0].value.tensor().dtype();
    Name by = c.e.cast(count, is_complex(d) ? to_real(d) : d);
    if (how == 1) by = c.e.op("Sqrt", {by});
    return {c.e.op("Div", {p.re, by}), p.im.empty() ? p.im : c.e.op("Div", {p.im, by})};
  }
  int64_t fixed(size_t k, int64_t axis) { return c.is_fixed(*c.in[k], axis) ? c.example(k).size(axis) : 0; }
};
List dims_of(C c) { return normal(c.list(1), c.rank(0)); }
Name part(C c, const Name& x, int64_t axis, const Name& begin, const Name& end) {
  return c.e.slice(x, axis, begin, end, 1);
}

void r2c(C c) {  // (self, dim, normalization, onesided)
  since(c, 11);
  Fourier f{c, c.rank(0), ""};
  List dims = dims_of(c);
  Parts p = pair_of(c, 0);
  for (size_t i = dims.size(); i-- > 0;) {
    p = f.over(p, dims[i], false, f.fixed(0, dims[i]));
    if (i + 1 == dims.size() && c.b(3)) {  // the first half and one
      Name n = f.size(p.re, dims[i]), two = c.e.number(2, DType::Int64), one = c.e.number(1, DType::Int64);
      Name end = c.e.unsqueeze(c.e.op("Add", {c.e.op("Div", {n, two}), one}), {0});
      p = {part(c, p.re, dims[i], c.e.ints({0}), end), part(c, p.im, dims[i], c.e.ints({0}), end)};
    }
  }
  set(c, f.divided(p, c.i(2)));
}
void c2c(C c) {  // (self, dim, normalization, forward)
  since(c, 11);
  Fourier f{c, c.rank(0), ""};
  Parts p = pair_of(c, 0);
  for (int64_t d : dims_of(c)) p = f.over(p, d, !c.b(3), f.fixed(0, d));
  set(c, f.divided(p, c.i(2)));
}
void c2r(C c) {  // (self, dim, normalization, last_dim_size)
  since(c, 11);
  Fourier f{c, c.rank(0), ""};
  List dims = dims_of(c);
  Parts p = pair_of(c, 0);
  int64_t last = dims.back();
  dims.pop_back();
  for (int64_t d : dims) p = f.over(p, d, true, f.fixed(0, d));
  // The half that isn't there: the conjugates, backwards.
  bool known = c.in[3]->constant;
  Name n = known ? c.e.ints({c.i(3)}) : c.e.joined(*c.in[3]), one = c.e.ints({1}), two = c.e.ints({2});
  Name half = c.e.op("Add", {c.e.op("Div", {n, two}), one});
  Name end = c.e.op("Div", {c.e.op("Add", {n, one}), two});
  auto whole = [&](const Name& x, bool turned) {
    Name first = part(c, x, last, c.e.ints({0}), half);
    Name mirror = c.e.slice(part(c, x, last, one, end), last, c.e.ints({-1}), c.e.ints({INT64_MIN + 1}), -1);
    return c.e.op("Concat", {first, turned ? c.e.op("Neg", {mirror}) : mirror}, {at("axis", last)});
  };
  p = f.over({whole(p.re, false), whole(p.im, true)}, last, true, known ? c.i(3) : 0);
  c.out[0].name = f.divided({p.re, ""}, c.i(2)).re;
  c.out[0].constant = false;
}
void of_parts(C c) {
  Name re = c.t(0), im = c.t(1);
  if (c.example(0).sizes() != c.example(1).sizes()) {
    re = c.e.op("Expand", {re, shape_of(c, im)});
    im = c.e.op("Expand", {im, shape_of(c, re)});
  }
  set(c, {re, im});
}
void conjugate(C c) {
  Parts p = pair_of(c, 0);
  set(c, {p.re, p.im.empty() ? p.im : c.e.op("Neg", {p.im})});
}
void converted(C c) {
  DType to = c.out[0].value.tensor().dtype(), from = c.example(0).dtype();
  Parts p = pair_of(c, 0);
  DType d = is_complex(to) ? to_real(to) : to;
  auto as = [&](const Name& x, DType of) { return of == d ? x : c.e.cast(x, d); };
  DType of = is_complex(from) ? to_real(from) : from;
  Name re = as(p.re, of);
  if (!is_complex(to)) {
    c.out[0].name = re, c.out[0].constant = false;
    return;
  }
  set(c, {re, p.im.empty() ? c.e.op("Mul", {re, c.e.number(0, d)}) : as(p.im, of)});
}

const std::map<std::string, void (*)(C)>& complex_rules() {
  static const std::map<std::string, void (*)(C)> rules = {
      {"aten::_fft_r2c", r2c},
      {"aten::_fft_c2c", c2c},
      {"aten::_fft_c2r", c2r},
      {"aten::conj", conjugate},
      {"aten::_conj", conjugate},
      {"aten::conj_physical", conjugate},
      {"aten::_conj_physical", conjugate},
      {"aten::to", converted},
      {"aten::_to_copy", converted},
      {"aten::complex", of_parts},
      {"aten::view_as_complex", [](C c) { set(c, unstacked(c.e, c.t(0), c.rank(0) - 1)); }},
      {"aten::view_as_real",
       [](C c) { c.out[0].name = stacked(c.e, pair_of(c, 0), c.rank(0)), c.out[0].constant = false; }},
      {"aten::imag", [](C c) { c.out[0].name = pair_of(c, 0).im, c.out[0].constant = false; }},
  };
  return rules;
}

}  // namespace

bool has_complex(const Call& c) {
  for (const Known* k : c.in)
    if (is_complex_value(k->value)) return true;
  for (const Known& k : c.out)
    if (is_complex_value(k.value)) return true;
  return false;
}

bool write_complex(Call& c, const std::string& kind, const std::function<void(Call&)>& write) {
  auto rule = complex_rules().find(kind);
  if (rule != complex_rules().end()) {
    rule->second(c);
    return true;
  }
  return by_trying(c, write);
}

// A complex value as a real one with a dimension more, which is how models take and give it.
Known with_parts_last(Exporter& e, Known k) {
  auto flat = [](const IValue& v) -> IValue {
    if (!v.is_tensor() || !is_complex_value(v)) return v;
    Tensor from = dense(v.tensor());
    Dims sizes = from.sizes();
    sizes.push_back(2);
    Tensor made = empty_tensor(sizes, to_real(from.dtype()));
    std::memcpy(made.raw(), from.raw(), size_t(made.nbytes()));
    return made;
  };
  if (!k.value.is_tensor() || !is_complex_value(k.value)) return k;
  int64_t rank = k.value.tensor().dim();
  if (!k.constant && !k.imaginary.empty()) k.name = stacked(e, {k.name, k.imaginary}, rank);
  k.imaginary.clear();
  k.value = flat(k.value), k.other = flat(k.other);
  return k;
}
void split_parts(Exporter& e, Known& k) {
  int64_t rank = k.value.tensor().dim();
  Parts p = unstacked(e, k.name, rank);
  k.name = p.re, k.imaginary = p.im;
}

}  // namespace rushlight::onnx
