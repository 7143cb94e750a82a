// Writing to tensors: a model has values and no memory, so that what is written to is another value from there on.
#include <algorithm>
#include <cstring>

#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/export_run.h"

namespace rushlight::onnx {

using graph::Node;
using graph::Value;

namespace {

// Whether the first argument's memory is the first result's: the node is a view of it, or wrote to it.
bool is_view(const Node* n) {
  if (!n->op || n->inputs().empty() || n->outputs().empty()) return false;
  for (const Op::Effect& s : n->op->shares())
    if (s.arg == 0) return true;
  return n->op->mutates() && n->kind().ends_with("_");
}
bool in_one_storage(const IValue& a, const IValue& b) {
  return a.is_tensor() && b.is_tensor() && &a.tensor().storage() == &b.tensor().storage();
}
// The elements of `part`, put where `places` says.
IValue with_part(const IValue& whole, const IValue& places, const IValue& part) {
  if (!whole.is_tensor() || !places.is_tensor() || !part.is_tensor()) return {};
  const Tensor& from = whole.tensor();
  Tensor made = empty_tensor(from.sizes(), from.dtype());
  copy_elements(made, from);
  Tensor at = dense(places.tensor()), values = dense(part.tensor());
  size_t each = item_size(made.dtype());
  for (int64_t i = 0; i < at.numel(); i++)
    std::memcpy(static_cast<char*>(made.raw()) + size_t(at.data<int64_t>()[i]) * each,
                static_cast<const char*>(values.raw()) + size_t(i) * each, each);
  return made;
}

}  // namespace

// A tensor that a program writes to, perhaps a part of another: the model makes new ones of it, of what it is a part of, and of the parts that were
// taken before.
void Run::written_to(Value* v, const Known& made) {
  std::vector<Node*> path;  // from the whole to v
  Value* whole = v;
  while (is_view(whole->node()) && in_one_storage(get(whole).value, get(whole->node()->input(0)).value)) {
    path.insert(path.begin(), whole->node());
    whole = whole->node()->input(0);
  }
  RL_CHECK(NotImplementedError, is_local(whole),
           "onnx.export: a branch or a loop writes to a tensor from outside of it");
  bool part = std::any_of(path.begin(), path.end(), [](Node* n) { return !n->op->mutates(); });
  Known old = get(whole);
  if (!part) {
    known_[whole] = made;
  } else {
    // The places of the part in the whole, by doing to all places what was done to it.
    auto places = [](const IValue& like) {
      if (!like.is_tensor()) return IValue();
      Tensor t = empty_tensor(like.tensor().sizes(), DType::Int64);
      for (int64_t i = 0; i < t.numel(); i++) t.data<int64_t>()[i] = i;
      return IValue(t);
    };
    Known all;
    all.value = places(old.value);
    all.other = places(old.other);
    bool fixed = e.options.dynamic_axes.empty() || old.constant;
    if (!fixed && old.other.is_tensor()) fixed = old.other.tensor().sizes() == old.value.tensor().sizes();
    DType wide = DType::Int64;
    if (!fixed) {
      Name n = e.op("Size", {e.name_of(old)});
      Name line = e.op("Range", {e.number(0, wide), n, e.number(1, wide)});
      all.name = e.op("Reshape", {line, e.op("Shape", {e.name_of(old)})});
      all.constant = false;
    }
    known_[whole] = all;
    for (Node* step : path)
      if (step->op->mutates()) known_[step->output()] = get(step->input(0));
      else node(step);
    Known at_ = get(v), m = made, now;
    now.constant = old.constant && made.constant;
    if (!now.constant) {
      RL_CHECK(NotImplementedError, e.opset >= 11, "onnx.export: writing to a part of a tensor, before opset 11");
      Name to = e.name_of(old), flat = e.ints({-1});
      auto line = [&](const Name& x) { return e.op("Reshape", {x, flat}); };
      DType d = old.value.tensor().dtype();
      Name y = e.op("ScatterElements", {line(to), line(e.name_of(at_)), line(e.name_of(m, &d))}, {at("axis", 0)});
      now.name = e.op("Reshape", {y, e.op("Shape", {to})});
    }
    now.value = with_part(old.value, at_.value, made.value);
    now.other = with_part(old.constant ? old.value : old.other, at_.constant ? at_.value : at_.other,
                          made.constant ? made.value : made.other);
    known_[whole] = now;
  }
  again(whole);
}

// Views of a value that were taken before, as of what it is now.
void Run::again(Value* v) {
  for (const graph::Use& u : std::vector<graph::Use>(v->uses())) {
    Node* n = u.user;
    if (u.index != 0 || !is_view(n)) continue;
    if (!known_.contains(n->output())) continue;
    if (n->op->mutates()) known_[n->output()] = get(v);
    else node(n);
    again(n->output());
  }
}

}  // namespace rushlight::onnx
