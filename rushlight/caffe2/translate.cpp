#include "rushlight/caffe2/translate.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "rushlight/caffe2/lower.h"
#include "rushlight/caffe2/window.h"
#include "rushlight/script/parser.h"

namespace rushlight::caffe2 {
namespace {

using graph::Node;
using script::constant_of;
using script::graph_value;
using script::SugaredPtr;

const char* const kHelpers = R"py(
def first(x, order: Any):
    if order == "NHWC":
        return x.movedim(-1, 1)
    return x

def last(x, order: Any):
    if order == "NHWC":
        return x.movedim(1, -1).contiguous()
    return x

def around_of(x, even: Any, around: Any, value: Any):
    if even:
        return x
    return torch.constant_pad_nd(x, around, value)

def flat(x, axis: Any):
    if axis == 0:
        return x.reshape([1, -1])
    if rank(x) == 2 and axis == 1:
        return x
    y = x.flatten(axis)
    if axis > 1:
        return y.flatten(0, axis - 1)
    return y

def unflat(y, x):
    if rank(x) == 2:
        return y
    return y.reshape(x.shape)

def channels(v, x, order: Any):
    if order == "NHWC":
        return v
    return v.reshape([-1] + [1] * (x.dim() - 2))

def as_first(b, a, broadcast: Any, axis: Any):
    if broadcast == 0:
        return b
    if axis == -1:
        return b
    return b.reshape(b.shape + [1] * (a.dim() - axis - b.dim()))

def summed(g, x):
    if same(g, x):
        return g
    return torch.sum_to_size(g, x.shape)
)py";

const char* const kBuiltins[] = {"rank",   "sized",    "size",       "sizes",   "numel",    "same",      "floating",
                                 "copied", "is_whole", "unsqueezed", "lengths", "slice_of", "as_tensor", "unsupported"};

// A list of whole numbers that is known. Throws ScriptError for another thing.
std::vector<int64_t> list_of(const SugaredPtr& v, const script::Range& range) {
  auto* c = dynamic_cast<script::ConstantValue*>(v.get());
  if (!c || !c->constant.is_int_list()) script::fail(range, "wants a list of whole numbers that is known");
  return c->constant.int_list().vec();
}

class Builtin final : public script::Sugared {
 public:
  Builtin(std::string name, Translator& t) : name_(std::move(name)), t_(t) {}
  std::string kind() const override { return "function '" + name_ + "'"; }
  SugaredPtr call(const script::Range& range, script::Lowering& l, const std::vector<script::CallArg>& args) override {
    if (name_ == "unsupported") script::fail(range, "has no translation");
    if (name_ == "is_whole") {
      auto* c = dynamic_cast<script::ConstantValue*>(args.at(0).value.get());
      return constant_of(c && c->constant.is_int());
    }
    auto whole = [&](size_t k) {
      auto* c = dynamic_cast<script::ConstantValue*>(args.at(k).value.get());
      return c && c->constant.is_int() ? c->constant.to_int() : INT64_MAX;
    };
    if (name_ == "lengths") {  // of each input along a dimension
      std::vector<SugaredPtr> items, sizes;
      if (!args.at(0).value->items(range, l, items)) script::fail(range, "wants all inputs");
      std::vector<int64_t> numbers;
      for (SugaredPtr& i : items) {
        sizes.push_back(size_of(range, l, i, whole(1)));
        auto* c = dynamic_cast<script::ConstantValue*>(sizes.back().get());
        if (c) numbers.push_back(c->constant.to_int());
      }
      if (numbers.size() == items.size()) return constant_of(std::move(numbers));
      std::vector<graph::Value*> out;
      for (SugaredPtr& v : sizes) out.push_back(v->as_value(range, l));
      return graph_value(l.emit_typed(range, "prim::ListConstruct", out, Type::list(Type::integer())));
    }
    if (name_ == "as_tensor") {  // numbers as a tensor, which is a constant where they are
      auto* c = dynamic_cast<script::ConstantValue*>(args.at(0).value.get());
      bool narrow = args.size() > 1;
      if (c && c->constant.is_int_list()) {
        Tensor t = int_list(c->constant.int_list().vec(), narrow ? torch::kInt : torch::kLong);
        return graph_value(l.constant(range, rushlight::IValue(rushlight::Tensor(t))));
      }
      std::vector<script::CallArg> all{{range, "", args[0].value}};
      if (narrow) all.push_back({range, "dtype", args[1].value});
      return l.call_operator(range, "tensor", std::move(all));
    }
    auto known = [&](size_t k) -> const Known* {
      auto found = t_.known.find(args.at(k).value->as_value(range, l));
      return found == t_.known.end() ? nullptr : &found->second;
    };
    const Known* x = known(0);
    if (name_ == "sized") return constant_of(x && x->sized);
    if (name_ == "same") {
      const Known* y = known(1);
      return constant_of(x && y && x->sized && y->sized && x->sizes == y->sizes);
    }
    if (name_ == "floating") {
      if (x && x->tensor) return constant_of(is_floating(x->dtype));
      return l.call_operator(range, "is_floating_point", args);
    }
    if (name_ == "rank") return x && x->rank >= 0 ? constant_of(x->rank) : l.call_operator(range, "dim", args);
    auto call = [&](const char* op, const SugaredPtr& on, std::vector<rushlight::IValue> numbers) {
      std::vector<script::CallArg> all{{range, "", on}};
      for (rushlight::IValue& n : numbers) all.push_back({range, "", constant_of(std::move(n))});
      return l.call_operator(range, op, std::move(all));
    };
    if (name_ == "sizes") {
      if (x && x->sized) return constant_of(x->sizes);
      return call("size", args[0].value, {});
    }
    if (name_ == "copied") {  // 0: the size that stands there
      std::vector<int64_t> to = list_of(args.at(1).value, range);
      bool all_known = true;
      std::vector<graph::Value*> items;
      for (size_t k = 0; k < to.size(); k++) {
        if (to[k] == 0 && x && x->sized && k < x->sizes.size()) to[k] = x->sizes[k];
        else if (to[k] == 0) all_known = false;
      }
      if (all_known) return constant_of(std::move(to));
      for (size_t k = 0; k < to.size(); k++)
        items.push_back(to[k] ? l.constant(range, to[k])
                              : call("size", args[0].value, {int64_t(k)})->as_value(range, l));
      return graph_value(l.emit_typed(range, "prim::ListConstruct", items, Type::list(Type::integer())));
    }
    if (name_ == "unsqueezed") {
      std::vector<int64_t> dims = list_of(args.at(1).value, range);
      std::sort(dims.begin(), dims.end());
      dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
      SugaredPtr y = args[0].value;
      for (int64_t d : dims) y = call("unsqueeze", y, {d});
      return y;
    }
    if (name_ == "slice_of") {  // -1 is one past the last element
      std::vector<int64_t> from = list_of(args.at(1).value, range), to = list_of(args.at(2).value, range);
      if (from.size() != to.size()) script::fail(range, "has bounds of different lengths");
      SugaredPtr y = args[0].value;
      auto bound = [](int64_t v) { return v == -1 ? INT64_MAX : v < 0 ? v + 1 : v; };
      for (size_t k = 0; k < from.size(); k++)
        if (from[k] != 0 || to[k] != -1) y = call("slice", y, {int64_t(k), bound(from[k]), bound(to[k]), int64_t(1)});
      return y;
    }
    if (name_ == "numel") {
      if (!x || !x->sized) return l.call_operator(range, "numel", args);
      int64_t n = 1;
      for (int64_t s : x->sizes) n *= s;
      return constant_of(n);
    }
    return size_of(range, l, args.at(0).value, whole(1));
  }

 private:
  SugaredPtr size_of(const script::Range& range, script::Lowering& l, const SugaredPtr& of, int64_t dim) {
    graph::Value* v = of->as_value(range, l);
    auto found = t_.known.find(v);
    if (found != t_.known.end() && found->second.sized) {
      const std::vector<int64_t>& sizes = found->second.sizes;
      int64_t k = dim < 0 ? dim + int64_t(sizes.size()) : dim;
      if (k >= 0 && k < int64_t(sizes.size())) return constant_of(sizes[size_t(k)]);
    }
    return l.call_operator(range, "size", {{range, "", graph_value(v)}, {range, "", constant_of(dim)}});
  }

  std::string name_;
  Translator& t_;
};

script::StmtPtr parsed(const std::string& text, const std::string& name) {
  return script::parse_module(std::make_shared<script::Source>(script::Source{text, "<Caffe2's " + name + ">"})).at(0);
}

// Parsed at the first use.
script::StmtPtr helper(const std::string& name) {
  static const auto& all = *[] {
    auto* made = new std::map<std::string, script::StmtPtr>;
    std::string_view text = kHelpers;
    for (size_t at = text.find("\ndef "); at != text.npos;) {
      size_t end = text.find("\ndef ", at + 1);
      std::string def(text.substr(at + 1, end == text.npos ? end : end - at));
      std::string called = def.substr(4, def.find('(') - 4);
      (*made)[called] = parsed(def, called);
      at = end;
    }
    return made;
  }();
  auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}
script::StmtPtr text_of_type(const OpType& type) {
  static std::mutex lock;
  static auto& all = *new std::map<const OpType*, script::StmtPtr>;
  std::lock_guard guard(lock);
  script::StmtPtr& def = all[&type];
  if (!def) def = parsed("def " + type.name + "(" + type.script, type.name);
  return def;
}

// An argument as a constant; false for one without a value.
bool constant(const Message& a, rushlight::IValue& v) {
  if (a.has("i")) v = a.whole("i");
  else if (a.has("f")) v = a.real("f");
  else if (a.has("s")) v = a.text("s");
  else if (!a.wholes("ints").empty()) v = a.wholes("ints");
  else if (!a.floats("floats").empty()) v = std::vector<double>(a.floats("floats").begin(), a.floats("floats").end());
  else return false;
  return true;
}

// Where a convolution or pool looks, by the names that texts have for it.
std::map<std::string, rushlight::IValue> window_of(const Op& op, int64_t rank) {
  auto count = [&](const char* name) { return int64_t(op.args.ints(name).size()); };
  int64_t n = 2;
  if (op.type.find("1D") != std::string::npos) n = 1;
  else if (op.type.find("3D") != std::string::npos) n = 3;
  else if (count("kernels")) n = count("kernels");
  else if (count("strides")) n = count("strides");
  else if (count("pads")) n = count("pads") / 2;
  else if (rank > 2) n = rank - 2;
  Window w(Call(op, nullptr), n, std::vector<int64_t>(size_t(n), 0));
  if (w.legacy == 1) w.begin.assign(size_t(n), 0), w.end = w.begin;
  std::vector<int64_t> space;
  for (int64_t k = 0; k < n; k++) space.push_back(2 + k);
  return {{"kernel", w.kernel}, {"stride", w.stride},    {"dilation", w.dilation},
          {"begin", w.begin},   {"end", w.end},          {"around", w.as_pad()},
          {"space", space},     {"even", w.symmetric()}, {"zeros", std::vector<int64_t>(size_t(n), 0)},
          {"legacy", w.legacy}};
}

}  // namespace

Known Known::of(const rushlight::IValue& v) {
  Known k;
  if (!v.is_tensor() || !v.tensor().defined()) return k;
  k.tensor = k.sized = true;
  k.dtype = v.tensor().dtype();
  k.rank = v.tensor().dim();
  k.sizes.assign(v.tensor().sizes().begin(), v.tensor().sizes().end());
  return k;
}

Translator::Translator(graph::Graph& graph) : graph_(graph), lowering_(graph, *this) {
  here_ = {std::make_shared<script::Source>(script::Source{"the net", "a net"}), 0, 7};
}

SugaredPtr Translator::resolve(const std::string& name, const script::Range&) {
  SugaredPtr& v = helpers_[name];
  if (v) return v;
  if (std::find(std::begin(kBuiltins), std::end(kBuiltins), name) != std::end(kBuiltins))
    return v = std::make_shared<Builtin>(name, *this);
  if (name == "functional") return v = std::make_shared<script::Namespace>("ops." + name);
  if (script::StmtPtr def = helper(name)) return v = std::make_shared<script::InlineFunction>(def, this, nullptr);
  helpers_.erase(name);
  return nullptr;
}

std::vector<graph::Value*> Translator::op(const Op& op, const std::vector<graph::Value*>& inputs,
                                          const std::vector<Known>* made) {
  std::vector<graph::Value*> out;
  std::string shown = op.def->text("name").empty() ? op.type : str(op.type, " '", op.def->text("name"), "'");
  here_ = {std::make_shared<script::Source>(script::Source{shown, "a net"}), 0, shown.size()};
  if (!by_text(op, inputs, out)) out = by_node(op, inputs, made);
  for (size_t k = 0; made && k < out.size(); k++)
    if ((*made)[k].tensor) known[out[k]] = (*made)[k];
  return out;
}

bool Translator::by_text(const Op& op, const std::vector<graph::Value*>& inputs, std::vector<graph::Value*>& out) {
  if (op.record->script.empty()) return false;
  for (graph::Value* v : inputs)
    if (!v->type()->is(Type::Kind::Tensor)) return false;
  script::StmtPtr def = text_of_type(*op.record);
  auto takes = [&](std::string_view name) {
    return std::any_of(def->params.begin(), def->params.end(), [&](const script::Param& p) { return p.name == name; });
  };
  std::vector<script::CallArg> args;
  std::vector<SugaredPtr> all;
  for (graph::Value* v : inputs) all.push_back(graph_value(v));
  if (takes("inputs")) args.push_back({here_, "", std::make_shared<script::TupleOf>(std::move(all))});
  else
    for (SugaredPtr& v : all) args.push_back({here_, "", std::move(v)});
  bool several = takes("outputs");
  if (several) args.push_back({here_, "outputs", constant_of(int64_t(op.outputs.size()))});
  std::map<std::string, rushlight::IValue> named;
  if (takes("begin")) {
    size_t filter = inputs.size() > 1 && op.type.find("Conv") != std::string::npos;
    auto k = known.find(inputs.at(filter));
    named = window_of(op, k == known.end() ? -1 : k->second.rank);
  }
  for (const MessageRef& a : op.def->messages("arg"))
    if (rushlight::IValue v; !named.count(a->text("name")) && takes(a->text("name")) && constant(*a, v))
      named[a->text("name")] = std::move(v);
  for (auto& [name, v] : named)
    if (takes(name)) args.push_back({here_, name, constant_of(v)});
  Node* point = graph_.insert_point();
  Node* before = point->previous();
  try {
    SugaredPtr result = script::InlineFunction(def, this, nullptr).call(here_, lowering_, args);
    std::vector<SugaredPtr> items{result};
    if (several) {
      items.clear();
      auto* list = dynamic_cast<script::SimpleValue*>(result.get());
      if (list && list->value->type()->is(Type::Kind::List)) {
        Node* unpack = graph_.insert_new("prim::ListUnpack", {list->value}, op.outputs.size());
        for (graph::Value* v : unpack->outputs()) items.push_back(graph_value(v->set_type(Type::tensor())));
      } else {
        bool tuple = result->items(here_, lowering_, items);
        RL_INVARIANT(tuple, op.type, ": the text gives no tuple");
      }
    }
    if (items.size() >= op.outputs.size()) {
      for (size_t k = 0; k < op.outputs.size(); k++) out.push_back(items[k]->as_value(here_, lowering_));
      return true;
    }
  } catch (const ScriptError&) { out.clear(); }  // this case isn't one that the text is for
  while (point->previous() != before) point->previous()->destroy();
  return false;
}

std::vector<graph::Value*> Translator::by_node(const Op& op, const std::vector<graph::Value*>& inputs,
                                               const std::vector<Known>* made) {
  bool tensors =
      std::all_of(inputs.begin(), inputs.end(), [](graph::Value* v) { return v->type()->is(Type::Kind::Tensor); });
  if (made) tensors &= std::all_of(made->begin(), made->end(), [](const Known& k) { return k.tensor; });
  TypePtr item = tensors ? Type::tensor() : Type::any();
  Node* list = graph_.insert_new("prim::ListConstruct", inputs);
  list->output()->set_type(Type::list(item));
  Node* call = graph_.insert_new("_caffe2::" + op.type,
                                 {graph_.insert_constant(rushlight::IValue(op.def->to_text())), list->output()});
  call->op = &graph_op(op.type, tensors);
  call->output()->set_type(Type::list(item));
  Node* unpack = graph_.insert_new("prim::ListUnpack", {call->output()}, op.outputs.size());
  for (size_t k = 0; k < op.outputs.size(); k++)
    unpack->output(k)->set_type(made && (*made)[k].tensor ? Type::tensor() : item);
  return unpack->outputs();
}

}  // namespace rushlight::caffe2
