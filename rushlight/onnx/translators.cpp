// The texts as translators, parsed at their first use, and the helpers that they see.
#include <map>
#include <mutex>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/onnx/import.h"
#include "rushlight/script/parser.h"

namespace rushlight::onnx {
namespace {

struct Entry {
  std::string_view text;
  Translator translator;
  bool parsed = false;
};
struct Table {
  // "domain/Op" -> its versions, in order.
  std::map<std::string, std::vector<Entry>, std::less<>> operators;
  std::map<std::string, Entry, std::less<>> helpers;
  std::mutex lock;
};

// A text is functions one after the other, each from "def" at a line's beginning to the next.
void add(Table& table, const std::string& domain, std::string_view text) {
  for (size_t at = text.find("\ndef "); at != text.npos;) {
    size_t end = text.find("\ndef ", at + 1);
    std::string_view def = text.substr(at + 1, end == text.npos ? end : end - at);
    std::string_view name = def.substr(4, def.find('(') - 4);
    if (name[0] >= 'A' && name[0] <= 'Z') {
      size_t bar = name.find('_');
      Entry e;
      e.text = def;
      e.translator.op = name.substr(0, bar);
      if (bar != name.npos) e.translator.since = std::atoi(std::string(name.substr(bar + 1)).c_str());
      auto& versions = table.operators[domain + "/" + std::string(e.translator.op)];
      auto later = std::find_if(versions.begin(), versions.end(),
                                [&](const Entry& o) { return o.translator.since > e.translator.since; });
      versions.insert(later, std::move(e));
    } else {
      table.helpers[std::string(name)].text = def;
    }
    at = end;
  }
}

Table& table() {
  static Table* made = [] {
    auto* t = new Table;
    for (const char* text :
         {kMathText, kShapeText, kNetworkText, kQuantizedText, kSequenceText, kSignalText, kAttentionText})
      add(*t, "", text);
    add(*t, "ai.onnx.ml", kMlText);
    add(*t, "ai.onnx.preview.training", kTrainingText);
    return t;
  }();
  return *made;
}

script::StmtPtr parsed(Entry& e, const std::string& name) {
  std::lock_guard guard(table().lock);
  if (!e.parsed) {
    auto source = std::make_shared<script::Source>(script::Source{std::string(e.text), "<ONNX's " + name + ">"});
    e.translator.def = script::parse_module(source).at(0);
    e.parsed = true;
  }
  return e.translator.def;
}

// ---- helpers that look at what is known ------------------------------------------------------------------------------------------

using script::CallArg;
using script::Lowering;
using script::Range;

using script::constant_of;
using script::graph_value;

const char* const kBuiltins[] = {"ints",     "elem",      "floating",    "unsigned",   "unsupported", "number",
                                 "numbers",  "rank",      "scalar_type", "elem_named", "constant",    "has_zero",
                                 "halved",   "nth",       "nth_text",    "length",     "children",    "one_each",
                                 "only_one", "old_trees", "row_of"};

class Builtin final : public script::Sugared {
 public:
  Builtin(std::string name, Names& names) : name_(std::move(name)), names_(names) {}
  std::string kind() const override { return "function '" + name_ + "'"; }

  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>& args) override {
    // What is known of an argument: a constant of the text or the graph.
    auto known = [&](size_t i) -> const IValue* {
      if (i >= args.size()) return nullptr;
      if (auto* c = dynamic_cast<script::ConstantValue*>(args[i].value.get())) return &c->constant;
      auto* v = dynamic_cast<script::SimpleValue*>(args[i].value.get());
      return v ? graph::constant_of(v->value) : nullptr;
    };
    auto list = [&](size_t i) {
      const IValue* c = known(i);
      if (!c || !c->is_int_list()) script::fail(range, str("a list of whole numbers is missing"));
      return c->int_list().vec();
    };
    auto size = [&](size_t i) {
      const IValue* c = known(i);
      return c && c->is_any_list() ? int64_t(graph::list_size(*c)) : 0;
    };
    const SugaredPtr& x = args.at(0).value;
    const IValue* c = known(0);
    if (name_ == "unsupported")
      script::fail(range, str(c && c->is_string() ? c->to_string() : "this", " is not supported"));
    if (name_ == "scalar_type") {
      if (!c || !c->is_int()) script::fail(range, "the element type is not known");
      return constant_of(dtype_of_elem(int(c->to_int()), "the element type"));
    }
    if (name_ == "elem_named") {  // versions before 6 have its name
      if (c && c->is_string())
        for (int e = 1; e <= kBfloat16; e++) {
          std::string upper = elem_name(e);
          for (char& k : upper) k = char(std::toupper(static_cast<unsigned char>(k)));
          if (upper == c->to_string()) return constant_of(int64_t(e));
        }
      return x;
    }
    if (name_ == "constant") {
      bool one = c && c->is_int();
      std::vector<int64_t> all = one ? std::vector<int64_t>{c->to_int()} : list(0);
      Tensor t = empty_tensor(one ? Dims() : Dims({int64_t(all.size())}), DType::Int64);
      std::copy(all.begin(), all.end(), t.data<int64_t>());
      return graph_value(l.constant(range, t));
    }
    if (name_ == "has_zero") {
      if (!c || !c->is_int_list()) return constant_of(true);
      auto all = list(0);
      return constant_of(std::find(all.begin(), all.end(), 0) != all.end());
    }
    if (name_ == "halved") {  // the same on both sides, and no more than half of the kernel: as operators take it
      if (!c || c->is_none())
        return size(1) ? constant_of(std::vector<int64_t>(size_t(size(1)), 0)) : constant_of(IValue());
      std::vector<int64_t> all = list(0), kernel = size(1) ? list(1) : std::vector<int64_t>();
      size_t n = all.size() / 2;
      for (size_t i = 0; i < n; i++)
        if (all[i] != all[n + i] || all[i] < 0 || (!kernel.empty() && (i >= kernel.size() || all[i] > kernel[i] / 2)))
          return constant_of(IValue());
      return constant_of(std::vector<int64_t>(all.begin(), all.begin() + int64_t(n)));
    }
    if (name_ == "nth" || name_ == "nth_text") {
      const IValue* at = known(1);
      size_t i = at && at->is_int() ? size_t(at->to_int()) : 0;
      bool there = c && c->is_any_list() && i < graph::list_size(*c);
      if (name_ == "nth") return constant_of(there ? graph::list_get(*c, i) : IValue());
      if (!there) return args.at(2).value;
      std::string text(graph::list_get(*c, i).to_string());
      for (char& k : text) k = char(std::tolower(static_cast<unsigned char>(k)));
      return constant_of(text);
    }
    if (name_ == "length") return constant_of(size(0) ? size(0) : size(1));
    if (name_ ==
        "row_of") {  // the sizes of a row with an element for each column, which the second has too where it is there
      auto sizes = [&](size_t i) -> const std::vector<int64_t>* {
        auto* v = dynamic_cast<script::SimpleValue*>(args.at(i).value.get());
        auto found = v ? names_.sizes.find(v->value) : names_.sizes.end();
        return found == names_.sizes.end() ? nullptr : &found->second;
      };
      const auto *row = sizes(0), *other = sizes(1);
      bool same = args.at(1).value->is_none() == 1 || (row && other && *row == *other);
      return row && row->size() == 1 && row->at(0) > 1 && same ? constant_of(*row) : constant_of(IValue());
    }
    if (name_ == "only_one") {
      auto all = list(0);
      return constant_of(std::all_of(all.begin(), all.end(), [&](int64_t v) { return v == all[0]; }));
    }
    if (name_ == "children") {  // leaves as negative numbers
      auto nodes = list(0), leaves = list(1);
      if (nodes.size() != leaves.size()) script::fail(range, "its lists have different lengths");
      for (size_t i = 0; i < nodes.size(); i++)
        if (leaves[i]) nodes[i] = -1 - nodes[i];
      return constant_of(std::move(nodes));
    }
    if (name_ == "one_each") {
      std::vector<int64_t> first(list(0).size() + 1);
      for (size_t i = 0; i < first.size(); i++) first[i] = int64_t(i);
      return constant_of(std::move(first));
    }
    if (name_ == "old_trees") return old_trees(range, known, list);
    if (name_ == "ints") return ints(range, l, x);
    if (x->is_none() == 1)
      return name_ == "elem"                           ? constant_of(int64_t(0))
             : name_ == "number" || name_ == "numbers" ? constant_of(IValue())
                                                       : constant_of(false);
    if (name_ == "number") {
      if (!c || !c->is_tensor() || c->tensor().numel() != 1 || c->tensor().dim() > 0) return x;
      return number(x, c->tensor());
    }
    if (name_ == "numbers") {
      if (c && c->is_double_list()) return x;
      if (!c || !c->is_tensor() || c->tensor().dtype() != DType::Float32 || !c->tensor().is_contiguous())
        return constant_of(IValue());
      const float* p = c->tensor().data<float>();
      return constant_of(std::vector<double>(p, p + c->tensor().numel()));
    }
    Value* v = x->as_value(range, l);
    if (name_ == "rank") {
      if (auto r = names_.ranks.find(v); r != names_.ranks.end()) return constant_of(r->second);
      if (c && c->is_tensor()) return constant_of(c->tensor().dim());
      return l.call_operator(range, "dim", args);
    }
    int e = names_.elem(v);
    if (!e && c && c->is_tensor()) e = elem_of_dtype(c->tensor().dtype());
    if (name_ == "elem") return constant_of(int64_t(e));
    if (name_ == "unsigned") return constant_of(e == kUint16 || e == kUint32 || e == kUint64);
    if (!e) return l.call_operator(range, "is_floating_point", args);
    DType d = dtype_of_elem(e, "floating");
    return constant_of(e != kString && (is_floating(d) || is_complex(d)));
  }

 private:
  static SugaredPtr number(const SugaredPtr& x, const Tensor& t) {
    switch (t.dtype()) {
      case DType::Float32: return constant_of(double(*t.data<float>()));
      case DType::Float64: return constant_of(*t.data<double>());
      case DType::Int64: return constant_of(*t.data<int64_t>());
      case DType::Int32: return constant_of(int64_t(*t.data<int32_t>()));
      case DType::Bool: return constant_of(*t.data<bool>());
      default: return x;
    }
  }
  SugaredPtr ints(const Range& range, Lowering& l, const SugaredPtr& x) {
    if (x->is_none() == 1) return constant_of(IValue());
    auto* c = dynamic_cast<script::ConstantValue*>(x.get());
    if (c && c->constant.is_any_list()) return x;
    if (c && c->constant.is_int()) return constant_of(std::vector<int64_t>{c->constant.to_int()});
    Value* v = x->as_value(range, l);
    const IValue* known = graph::constant_of(v);
    if (known && known->is_tensor()) {
      const Tensor& t = known->tensor();
      if ((t.dtype() == DType::Int64 || t.dtype() == DType::Int32) && t.is_contiguous() && t.numel() <= 1024) {
        std::vector<int64_t> out;
        for (int64_t i = 0; i < t.numel(); i++)
          out.push_back(t.dtype() == DType::Int64 ? t.data<int64_t>()[i] : t.data<int32_t>()[i]);
        return constant_of(std::move(out));
      }
    }
    if (v->type()->is(Type::Kind::List)) return x;
    return names_.resolve("_ints", range)->call(range, l, {{range, "", graph_value(v)}});
  }
  // Nodes named by tree and number, as TreeEnsembleRegressor and TreeEnsembleClassifier have them, as one list whose children are places in it:
  // (roots, modes, on_true, on_false, where each leaf's votes begin, the votes' order, their targets).
  template <class Known, class List>
  SugaredPtr old_trees(const Range& range, Known known, List list) {
    auto trees = list(0), nodes = list(1), on_true = list(3), on_false = list(4), vote_trees = list(5),
         vote_nodes = list(6), targets = list(7);
    const IValue* modes = known(2);
    size_t n = trees.size(), votes = vote_trees.size();
    if (!modes || !modes->is_any_list() || graph::list_size(*modes) != n || nodes.size() != n || on_true.size() != n ||
        on_false.size() != n || vote_nodes.size() != votes || targets.size() != votes)
      script::fail(range, "its lists have different lengths");
    std::map<std::pair<int64_t, int64_t>, int64_t> place;
    for (size_t i = 0; i < n; i++)
      if (!place.emplace(std::pair(trees[i], nodes[i]), int64_t(i)).second)
        script::fail(range, str("tree ", trees[i], " has two nodes ", nodes[i]));
    std::map<int64_t, std::vector<int64_t>> by_node;
    for (size_t k = 0; k < votes; k++) {
      auto at = place.find({vote_trees[k], vote_nodes[k]});
      if (at == place.end())
        script::fail(range, str("a vote of node ", vote_nodes[k], " of tree ", vote_trees[k], ", which doesn't exist"));
      by_node[at->second].push_back(int64_t(k));
    }
    static const std::map<std::string_view, int64_t> names = {{"BRANCH_LEQ", 0}, {"BRANCH_LT", 1}, {"BRANCH_GTE", 2},
                                                              {"BRANCH_GT", 3},  {"BRANCH_EQ", 4}, {"BRANCH_NEQ", 5},
                                                              {"LEAF", -1}};
    std::vector<int64_t> kinds, roots, first = {0}, order, picked, leaf_of(n, -1);
    for (size_t i = 0; i < n; i++) {
      IValue text = graph::list_get(*modes, i);
      auto found = text.is_string() ? names.find(text.to_string()) : names.end();
      if (found == names.end()) script::fail(range, str("the mode ", text, " of a node is not known"));
      kinds.push_back(found->second);
      if (i == 0 || trees[i] != trees[i - 1]) roots.push_back(int64_t(i));
      if (found->second >= 0) continue;
      leaf_of[i] = int64_t(first.size()) - 1;
      for (int64_t k : by_node[int64_t(i)]) {
        order.push_back(k);
        picked.push_back(targets[size_t(k)]);
      }
      first.push_back(int64_t(order.size()));
    }
    auto child = [&](size_t i, int64_t node) {
      auto at = place.find({trees[i], node});
      if (at == place.end())
        script::fail(range,
                     str("node ", nodes[i], " of tree ", trees[i], " has a child ", node, ", which doesn't exist"));
      int64_t leaf = leaf_of[size_t(at->second)];
      return leaf >= 0 ? -1 - leaf : at->second;
    };
    for (size_t i = 0; i < n; i++) {
      bool leaf = leaf_of[i] >= 0;
      on_true[i] = leaf ? -1 - leaf_of[i] : child(i, on_true[i]);
      on_false[i] = leaf ? -1 - leaf_of[i] : child(i, on_false[i]);
      if (leaf) kinds[i] = 0;
    }
    std::vector<SugaredPtr> out;
    for (auto* l : {&roots, &kinds, &on_true, &on_false, &first, &order, &picked})
      out.push_back(constant_of(std::move(*l)));
    return std::make_shared<script::TupleOf>(std::move(out));
  }
  std::string name_;
  Names& names_;
};

}  // namespace

bool Translator::takes(std::string_view parameter) const {
  return std::any_of(def->params.begin(), def->params.end(),
                     [&](const script::Param& p) { return p.name == parameter; });
}

const Translator* find_translator(std::string_view domain, std::string_view op, int64_t version) {
  auto found = table().operators.find(str(domain, "/", op));
  if (found == table().operators.end()) return nullptr;
  Entry* best = nullptr;
  for (Entry& e : found->second)
    if (e.translator.since <= version) best = &e;
  if (!best) return nullptr;
  parsed(*best, std::string(op));
  return &best->translator;
}

script::StmtPtr find_helper(const std::string& name) {
  auto found = table().helpers.find(name);
  return found == table().helpers.end() ? nullptr : parsed(found->second, name);
}

SugaredPtr Names::resolve(const std::string& name, const Range&) {
  static const std::set<std::string_view> builtins(std::begin(kBuiltins), std::end(kBuiltins));
  SugaredPtr& v = helpers[name];
  if (v) return v;
  if (builtins.contains(name)) return v = std::make_shared<Builtin>(name, *this);
  if (name == "functional") return v = std::make_shared<script::Namespace>("ops." + name);
  if (script::StmtPtr def = find_helper(name)) return v = std::make_shared<script::InlineFunction>(def, this, nullptr);
  helpers.erase(name);
  return nullptr;
}

}  // namespace rushlight::onnx
