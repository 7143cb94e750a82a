// Note [Sizes in parts]: what the C++ of a composite reads of sizes are numbers in its trace. Traces for three sizes of the dynamic axes that
// differ in nothing but numbers tell what each number follows from: a size or two of the arguments, times something, plus something, halved. Of
// three sizes, one is odd where the others are even. A number that follows from none is why the composite is refused.
#include <cmath>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/onnx/exporter.h"

namespace rushlight::onnx {
namespace {

using graph::Node;
using Three = ThreeNumbers;

// A number that a constant holds.
std::optional<double> number_in(const Node* n) {
  IValue v = n->has_attribute("value") ? n->attribute("value") : IValue();
  if (v.is_int()) return double(v.to_int());
  if (v.is_double()) return v.to_double();
  if (!v.is_tensor() || v.tensor().dim() || is_complex(v.tensor().dtype())) return std::nullopt;
  return v.tensor().dtype() == DType::Int64     ? std::optional(double(*v.tensor().data<int64_t>()))
         : v.tensor().dtype() == DType::Float32 ? std::optional(double(*v.tensor().data<float>()))
         : v.tensor().dtype() == DType::Float64 ? std::optional(*v.tensor().data<double>())
                                                : std::nullopt;
}

// (times * size + plus) / over, rounded down, is `wanted` for all three.
bool fits(const Three& size, const Three& wanted, bool even_only, SizeFormula& f) {
  auto all = [&] {
    for (size_t k = 0; k < 3; k++)
      if (std::floor((double(f.times) * size[k] + double(f.plus)) / double(f.over)) != wanted[k]) return false;
    return true;
  };
  if (size[0] == size[1]) return false;
  double times = (wanted[1] - wanted[0]) / (size[1] - size[0]);
  if (times == std::floor(times) && times != 0 && std::abs(times) < 1e6) {
    f.times = int64_t(times), f.over = 1, f.plus = int64_t(wanted[0] - times * size[0]);
    if (all()) return true;
  }
  auto odd = [&](size_t k) { return std::fmod(size[k], 2) != 0; };
  if (even_only && std::fmod(size[0], wanted[0]) == 0) {  // the program has these sizes only as multiples of something
    f.times = 1, f.plus = 0, f.over = int64_t(size[0] / wanted[0]);
    for (size_t k = 0; k < 3; k++)
      if (double(f.over) * wanted[k] != size[k]) return false;
    return f.over > 1;
  }
  if (odd(0) == odd(1) && odd(0) == odd(2)) return false;  // these don't tell which way a half is rounded
  f.over = 2;
  for (f.times = -1; f.times <= 3; f.times += 2)
    for (int64_t about = int64_t(2 * wanted[0] - double(f.times) * size[0]), more = 0; more < 2; more++) {
      f.plus = about + more;
      if (all()) return true;
    }
  return false;
}

// The simplest formula.
std::optional<SizeFormula> formula_of(const std::vector<Three>& sizes, Three wanted, bool even_only) {
  std::optional<SizeFormula> best;
  int64_t least = INT64_MAX;
  auto consider = [&](const Three& size, int64_t first, int64_t second, bool inverse) {
    SizeFormula f{first, second};
    if (!fits(size, wanted, even_only, f)) return;
    int64_t cost = 3 * std::abs(f.times) + std::abs(f.plus) + f.over + (second >= 0 ? 6 : 0);
    if (cost >= least) return;
    least = cost;
    f.inverse = inverse;
    best = f;
  };
  for (bool inverse : {false, true}) {
    if (inverse)
      for (double& v : wanted) v = std::abs(1 / v - std::round(1 / v)) < 1e-4 ? std::round(1 / v) : 0.5;
    bool whole = true;
    for (double v : wanted) whole &= v == std::round(v) && std::abs(v) < 1e15;
    for (size_t i = 0; whole && i < sizes.size(); i++) {
      consider(sizes[i], int64_t(i), -1, inverse);
      for (size_t k = i; k < sizes.size(); k++) {
        const Three &x = sizes[i], &y = sizes[k];
        consider({x[0] * y[0], x[1] * y[1], x[2] * y[2]}, int64_t(i), int64_t(k), inverse);
      }
    }
    if (best) break;
  }
  return best;
}

}  // namespace

bool follow_sizes(const std::array<std::shared_ptr<graph::Graph>, 3>& graphs, const std::vector<ThreeNumbers>& sizes,
                  bool even_only, std::map<const Node*, SizeFormula>& found) {
  std::array<std::vector<const Node*>, 3> nodes;
  std::array<std::map<const graph::Value*, size_t>, 3> numbers;
  for (size_t k = 0; k < 3; k++) {
    auto number = [&](const graph::Value* v) { numbers[k].emplace(v, numbers[k].size()); };
    for (const graph::Value* v : graphs[k]->inputs()) number(v);
    for (const Node* n : *graphs[k]->block()) {
      nodes[k].push_back(n);
      for (const graph::Value* v : n->outputs()) number(v);
    }
  }
  if (nodes[0].size() != nodes[1].size() || nodes[0].size() != nodes[2].size()) return false;
  for (size_t i = 0; i < nodes[0].size(); i++) {
    const Node* n = nodes[0][i];
    for (size_t k = 1; k < 3; k++) {
      const Node* other = nodes[k][i];
      if (n->kind() != other->kind() || n->inputs().size() != other->inputs().size()) return false;
      for (size_t j = 0; j < n->inputs().size(); j++)
        if (numbers[0].at(n->input(j)) != numbers[k].at(other->input(j))) return false;
    }
    if (!n->is("prim::Constant")) continue;
    IValue none, first = n->has_attribute("value") ? n->attribute("value") : none;
    bool same = true;
    for (size_t k = 1; k < 3; k++)
      same &= graph::values_equal(first, nodes[k][i]->has_attribute("value") ? nodes[k][i]->attribute("value") : none);
    std::optional<double> a = number_in(n), b = number_in(nodes[1][i]), c = number_in(nodes[2][i]);
    if (same || (a && a == b && a == c)) continue;
    if (!a || !b || !c) return false;
    std::optional<SizeFormula> f = formula_of(sizes, {*a, *b, *c}, even_only);
    if (!f) return false;
    found[n] = *f;
  }
  return true;
}

}  // namespace rushlight::onnx
