#include "rushlight/onnx/import.h"

#include "rushlight/io/json.h"

namespace rushlight::onnx {

using graph::Node;
using script::constant_of;
using script::graph_value;
using TK = Type::Kind;

namespace {

constexpr int64_t kMostDims = 64;

Text domain_of(Text domain) { return domain == "ai.onnx" ? Text() : domain; }

bool is_strings(const Value* v) { return v && v->type()->is(TK::Tuple) && v->type()->equals(*strings_type()); }

// The first line of an error: what follows shows a translator's text, which is not the user's.
std::string first_line(const std::string& text) {
  size_t begin = std::min(text.find_first_not_of("\n "), text.size());
  std::string line = text.substr(begin, text.find('\n', begin) - begin);
  while (!line.empty() && (line.back() == ':' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

Importer::Importer(const ModelProto& model, TensorReader& reader) : model_(model), reader_(reader) {
  here_ = {std::make_shared<script::Source>(script::Source{"the model", reader.where()}), 0, 9};
  for (const Opset& o : model.opsets) top_.opsets[domain_of(o.domain)] = o.version;
}

std::string Importer::described(const NodeProto& n) {
  Text domain = domain_of(n.domain);
  auto version = frame_->opsets.find(domain);
  std::string name = n.name.empty() ? n.outputs.empty() ? "" : str("-> ", n.outputs[0].substr(0, 200))
                                    : std::string(n.name.substr(0, 200));
  return str("node '", name, "' (", n.op.substr(0, 100), ", domain ",
             domain.empty() ? "ai.onnx" : domain.substr(0, 100), ", version ",
             version == frame_->opsets.end() ? "unknown" : str(version->second), ")");
}

// ---- names -----------------------------------------------------------------------------------------------------------------------

void Importer::check_name(Text name, const char* what) {
  RL_CHECK(FileError, io::is_utf8(name), reader_.where(), ": the name of ", what, " is no UTF-8");
}

void Importer::define(Scope& s, Text name, Value* v, const char* what) {
  check_name(name, what);
  RL_CHECK(FileError, s.names.emplace(name, v).second, reader_.where(), ": the name '", name.substr(0, 200),
           "' is given twice, the second time to ", what);
}

Value* Importer::find(Scope& s, Text name) {
  for (Scope* at = &s; at; at = at->outer)
    if (auto found = at->names.find(name); found != at->names.end()) return found->second;
  throw FileError(str("its input '", name.substr(0, 200),
                      "' is neither an input, an initialiser nor an earlier node's output (a cycle, a wrong order, or "
                      "a missing initialiser)"));
}

Value* Importer::value_of(const SugaredPtr& v) { return v->as_value(here_, lowering_); }

SugaredPtr Importer::call_helper(const char* name, std::vector<SugaredPtr> args) {
  SugaredPtr f = names_->resolve(name, here_);
  RL_INVARIANT(f, "no helper ", name);
  std::vector<script::CallArg> all;
  for (SugaredPtr& a : args) all.push_back({here_, "", std::move(a)});
  return f->call(here_, lowering_, all);
}

Value* Importer::optional(Value* v, const TypePtr& type) {
  if (!v) v = constant({});
  if (v->type()->equals(*type) || !type->is(TK::Optional)) return v;
  return lowering_.emit_typed(here_, "prim::unchecked_cast", {v}, type);
}

// ---- types and attributes --------------------------------------------------------------------------------------------------------

int Importer::elem_of(const TypeProto& t) {
  if (t.tensor) return t.tensor->elem;
  if (t.sequence && t.sequence->elem) return elem_of(*t.sequence->elem);
  if (t.optional && t.optional->elem) return elem_of(*t.optional->elem);
  return 0;
}

TypePtr Importer::type_of(const TypeProto& t) {
  if (t.sequence && t.sequence->elem) return Type::list(type_of(*t.sequence->elem));
  if (t.optional && t.optional->elem) return Type::optional(type_of(*t.optional->elem));
  if (t.map) {
    TypePtr value = t.map->value && t.map->value->tensor && t.map->value->tensor->elem == kString  ? Type::string()
                    : t.map->value && t.map->value->tensor && t.map->value->tensor->elem == kInt64 ? Type::integer()
                                                                                                   : Type::floating();
    return Type::dict(t.map->key == kString ? Type::string() : Type::integer(), value);
  }
  if (t.tensor && t.tensor->elem == kString) return strings_type();
  return Type::tensor();
}

SugaredPtr Importer::attribute_value(const Attribute& a) {
  switch (a.type) {
    case Attribute::Float: return constant_of(double(a.f));
    case Attribute::Int: return constant_of(a.i);
    case Attribute::String:
      RL_CHECK(FileError, io::is_utf8(a.s), "the attribute '", a.name.substr(0, 100), "' is no UTF-8");
      return constant_of(std::string(a.s));
    case Attribute::Tensor: {
      RL_CHECK(FileError, a.t, "the attribute '", a.name.substr(0, 100), "' has no tensor");
      IValue v = reader_.read(*a.t);
      Value* c = constant(v, v.is_tensor() ? nullptr : strings_type());
      names_->elems[c] = a.t->type;
      return graph_value(c);
    }
    case Attribute::SparseTensor: {
      RL_CHECK(FileError, a.sparse, "the attribute '", a.name.substr(0, 100), "' has no tensor");
      Value* c = constant(reader_.read(*a.sparse));
      names_->elems[c] = a.sparse->values.type;
      return graph_value(c);
    }
    case Attribute::Floats: return constant_of(std::vector<double>(a.floats.begin(), a.floats.end()));
    case Attribute::Ints: return constant_of(a.ints);
    case Attribute::Strings: {
      std::vector<IValue> items;
      for (Text s : a.strings) {
        RL_CHECK(FileError, io::is_utf8(s), "the attribute '", a.name.substr(0, 100), "' is no UTF-8");
        items.emplace_back(std::string(s));
      }
      return constant_of(IValue(make_ref<GenericList>(Type::string(), std::move(items))));
    }
    case Attribute::TypeOf: return std::make_shared<script::TypeName>(a.tp ? type_of(*a.tp) : Type::tensor());
    default:
      throw FileError(
          str("the attribute '", a.name.substr(0, 100), "' is of the kind ", a.type, ", which is not supported here"));
  }
}

const Attribute* Importer::find_attribute(const Attributes& all, Text name) {
  auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

const GraphProto& Importer::graph_of(const Attributes& all, const char* name) {
  const Attribute* a = find_attribute(all, name);
  RL_CHECK(FileError, a && a->g, "the attribute '", name, "' is missing, or no graph");
  return *a->g;
}

std::vector<int64_t> Importer::ints_of(const Attributes& all, const char* name) {
  const Attribute* a = find_attribute(all, name);
  return a ? a->ints : std::vector<int64_t>();
}

// ---- graphs ----------------------------------------------------------------------------------------------------------------------

void Importer::initialisers(const GraphProto& g, Scope& s) {
  for (const TensorProto& t : g.initialisers) {
    IValue v = reader_.read(t);
    Value* c = constant(v, v.is_tensor() ? nullptr : strings_type());
    names_->elems[c] = t.type;
    define(s, t.name, c, "an initialiser");
  }
  for (const SparseTensorProto& t : g.sparse_initialisers) {
    Value* c = constant(reader_.read(t));
    names_->elems[c] = t.values.type;
    define(s, t.values.name, c, "a sparse initialiser");
  }
}

void Importer::nodes(const std::vector<NodeProto>& all, Scope& s) {
  const auto* outside = std::exchange(around_, &all);
  for (const NodeProto& n : all) {
    Node* before = graph_->insert_point()->previous();
    const std::string what = described(n);
    here_ = {std::make_shared<script::Source>(script::Source{what, reader_.where()}), 0, what.size()};
    try {
      node(n, s);
    } catch (const InternalError&) { throw; } catch (const Error& e) {
      // An error of an inner graph says where it is.
      if (e.text().find(": node '") != std::string::npos) throw;
      throw RuntimeError(str(reader_.where(), ": ", what, ": ", first_line(e.text())));
    }
    // Errors while it runs name the node, not the text of its translator.
    graph::Location here{reader_.where(), 0, 0, what};
    for (Node* at = before->next(); at && at != graph_->insert_point(); at = at->next()) at->location = here;
  }
  around_ = outside;
}

Importer::Values Importer::outputs_of(const std::vector<ValueInfo>& outputs, Scope& s) {
  Values out;
  for (const ValueInfo& o : outputs) {
    Value* v = nullptr;
    try {
      v = find(s, o.name);
    } catch (const FileError&) {
      throw FileError(str(reader_.where(), ": the output '", o.name.substr(0, 200), "' is made by no node"));
    }
    out.push_back(v ? v : constant({}));
  }
  return out;
}

// Nodes with those of the functions that they call and of the graphs in them. Functions that call each other twice and twice again are a small
// file that says more nodes than there is memory.
int64_t Importer::expanded(const std::vector<NodeProto>& all, std::map<const FunctionProto*, int64_t>& known,
                           int depth) {
  constexpr int64_t kEnough = int64_t(1) << 40;
  if (depth > kMostCalls) return 0;  // told where it is translated
  int64_t count = 0;
  for (const NodeProto& n : all) {
    count++;
    for (const Attribute& a : n.attributes)
      if (a.g) count += expanded(a.g->nodes, known, depth);
    if (const FunctionProto* f = function_of(n)) {
      auto [at, fresh] = known.emplace(f, 0);
      if (fresh) known[f] = expanded(f->nodes, known, depth + 1);
      count += known[f];
    }
    count = std::min(count, kEnough);
  }
  return count;
}

void Importer::check_functions() {
  constexpr int64_t kAlways = 20'000, kTimes = 64;
  if (model_.functions.empty()) return;
  std::map<const FunctionProto*, int64_t> known;
  int64_t count = expanded(model_.graph.nodes, known, 0), there = int64_t(model_.graph.nodes.size());
  for (const FunctionProto& f : model_.functions) there += int64_t(f.nodes.size());
  RL_CHECK(FileError, count <= kAlways + kTimes * there, reader_.where(), ": calls of functions make ", count,
           " nodes of the ", there, " that are there");
}

// A graph inside of a node: it sees the names around it.
Importer::Values Importer::body(const GraphProto& g, Scope& outer, const Values& inputs) {
  constexpr int kMostGraphs = 60;
  RL_CHECK(FileError, graphs_ < kMostGraphs, reader_.where(), ": more than ", kMostGraphs,
           " graphs inside of each other");
  RL_CHECK(FileError, inputs.size() == g.inputs.size(), "the graph in it has ", g.inputs.size(), " inputs, and ",
           inputs.size(), " are given");
  graphs_++;
  Scope s;
  s.outer = &outer;
  for (size_t i = 0; i < inputs.size(); i++) {
    define(s, g.inputs[i].name, inputs[i], "an input of a graph in a node");
    if (g.inputs[i].type && inputs[i] && !names_->elem(inputs[i]))
      names_->elems[inputs[i]] = elem_of(*g.inputs[i].type);
  }
  initialisers(g, s);
  nodes(g.nodes, s);
  Values out = outputs_of(g.outputs, s);
  graphs_--;
  return out;
}

void Importer::node(const NodeProto& n, Scope& s) {
  check_name(n.op, "an operator");
  check_name(n.name, "a node");
  check_name(n.domain, "a domain");
  Values inputs;
  for (Text name : n.inputs) inputs.push_back(name.empty() ? nullptr : find(s, name));
  while (!inputs.empty() && !inputs.back()) inputs.pop_back();
  Attributes attributes;
  for (const Attribute& a : n.attributes) {
    check_name(a.name, "an attribute");
    const Attribute* meant = &a;
    if (!a.reference.empty()) {  // of the function that this node is in; absent where its call leaves it out
      meant = frame_->attributes ? find_attribute(*frame_->attributes, a.reference) : nullptr;
      if (!meant) continue;
    }
    if (a.name == "axis" || a.name == "axes" || a.name == "perm")
      for (int64_t axis : meant->type == Attribute::Int ? std::vector{meant->i} : meant->ints)
        RL_CHECK(FileError, axis >= -kMostDims && axis <= kMostDims, "the attribute '", a.name, "' says dimension ",
                 axis, "; tensors have at most ", kMostDims);
    RL_CHECK(FileError, attributes.emplace(a.name, meant).second, "the attribute '", a.name.substr(0, 100),
             "' is there twice");
  }
  Values outputs = translate(n, inputs, attributes, s);
  for (size_t i = 0; i < n.outputs.size(); i++) {
    if (n.outputs[i].empty()) continue;
    RL_CHECK(FileError, i < outputs.size(), "it has ", n.outputs.size(), " outputs, and the operator gives ",
             outputs.size());
    define(s, n.outputs[i], outputs[i], "a node's output");
  }
}

// ---- operators -------------------------------------------------------------------------------------------------------------------

const FunctionProto* Importer::function_of(const NodeProto& n) const {
  for (const FunctionProto& f : model_.functions)
    if (f.name == n.op && domain_of(f.domain) == domain_of(n.domain) && f.overload == n.overload) return &f;
  return nullptr;
}

Importer::Values Importer::translate(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s) {
  Text domain = domain_of(n.domain);
  if (const FunctionProto* f = function_of(n)) return inlined(*f, inputs, attributes);
  auto opset = frame_->opsets.find(domain);
  RL_CHECK(RuntimeError, opset != frame_->opsets.end(), "the model says no version of the domain '",
           domain.empty() ? "ai.onnx" : domain, "'");
  int64_t version = opset->second;
  if (domain.empty() && version >= 1) {
    if (n.op == "If") return if_node(n, inputs, attributes, s);
    if (n.op == "Loop") return loop(inputs, attributes, s);
    if (n.op == "Scan" && version >= 9) return scan(inputs, attributes, s, 0);
    if (n.op == "Scan" && version == 8) return scan_by_batch(inputs, attributes, s);
    if (n.op == "SequenceMap" && version >= 17) return sequence_map(inputs, attributes, s);
  }
  if (domain == "ai.onnx.preview.training" && n.op == "Gradient") return gradient(n, inputs, attributes, s);
  if (domain == "ai.onnx.preview" && n.op == "FlexAttention") return flex_attention(inputs, attributes, s);
  const int newest = newest_version(domain);
  const Translator* t = find_translator(domain, n.op, version);
  RL_CHECK(RuntimeError, newest && version <= newest,
           newest ? str("the newest known version of the domain is ", newest) : "the domain is not known");
  RL_CHECK(RuntimeError, t,
           find_translator(domain, n.op, INT64_MAX) ? "the operator is not of that version of its domain"
                                                    : "the operator is not known");
  Values out;
  if (std::any_of(inputs.begin(), inputs.end(), is_strings)) out = on_strings(*t, n, inputs, attributes, version);
  else out = call(*t, n, inputs, attributes, version);
  note_elems(n, inputs, out, attributes);
  note_ranks(n, inputs, out, attributes);
  return out;
}

Importer::Values Importer::call(const Translator& t, const NodeProto& n, const Values& inputs,
                                const Attributes& attributes, int64_t version) {
  std::vector<script::CallArg> args;
  auto as_argument = [&](Value* v) { return v ? graph_value(v) : constant_of(IValue()); };
  if (t.takes("inputs")) {
    std::vector<SugaredPtr> all;
    for (Value* v : inputs) all.push_back(as_argument(v));
    args.push_back({here_, "", std::make_shared<script::TupleOf>(std::move(all))});
  } else {
    for (Value* v : inputs) args.push_back({here_, "", as_argument(v)});
  }
  for (const auto& [name, a] : attributes)
    if (name != "consumed_inputs")  // of version 1, which says nothing of results
      args.push_back({here_, std::string(name), attribute_value(*a)});
  bool several = t.takes("outputs");
  if (several) args.push_back({here_, "outputs", constant_of(int64_t(n.outputs.size()))});
  if (t.takes("opset")) args.push_back({here_, "opset", constant_of(version)});
  SugaredPtr result = script::InlineFunction(t.def, names_.get(), names_).call(here_, lowering_, args);
  if (!several) return {result->is_none() == 1 ? constant({}) : value_of(result)};
  Values out;
  std::vector<SugaredPtr> items;
  auto* simple = dynamic_cast<script::SimpleValue*>(result.get());
  if (simple && simple->value->type()->is(TK::List)) {
    if (simple->value->node()->is("prim::ListConstruct")) return simple->value->node()->inputs();
    Node* unpack = lowering_.emit(here_, "prim::ListUnpack", {simple->value}, 0);
    for (size_t i = 0; i < n.outputs.size(); i++) out.push_back(unpack->add_output(simple->value->type()->element()));
    return out;
  }
  RL_INVARIANT(result->items(here_, lowering_, items), n.op, ": the translator gives no tuple");
  for (const SugaredPtr& i : items) out.push_back(i->is_none() == 1 ? constant({}) : value_of(i));
  return out;
}

// Most operators on strings move them; then their places in one list are moved.
Importer::Values Importer::on_strings(const Translator& t, const NodeProto& n, Values inputs,
                                      const Attributes& attributes, int64_t version) {
  static const std::set<Text> moves = {
      "Reshape",        "Flatten",         "Squeeze",   "Unsqueeze",    "Transpose",    "Gather",
      "GatherElements", "GatherND",        "Slice",     "Split",        "Expand",       "Tile",
      "Compress",       "Concat",          "Where",     "DepthToSpace", "SpaceToDepth", "ReverseSequence",
      "Scatter",        "ScatterElements", "ScatterND", "Pad",          "Upsample",     "ArrayFeatureExtractor",
      "CenterCropPad"};
  if (!moves.contains(n.op)) return call(t, n, inputs, attributes, version);
  Value* texts = nullptr;
  for (Value*& v : inputs) {
    if (!is_strings(v)) continue;
    std::vector<SugaredPtr> parts;
    graph_value(v)->items(here_, lowering_, parts);
    Value* codes = value_of(parts[0]);
    if (!texts) {
      texts = value_of(parts[1]);
      v = codes;
    } else {
      v = helper("_shifted", {graph_value(codes), graph_value(texts)});
      texts = helper("_joined", {graph_value(texts), parts[1]});
    }
    names_->elems[v] = kInt64;
  }
  Values out = call(t, n, inputs, attributes, version);
  for (Value*& v : out)
    if (v->type()->is(TK::Tensor)) v = lowering_.emit_typed(here_, "prim::TupleConstruct", {v, texts}, strings_type());
  return out;
}

Importer::Values Importer::inlined(const FunctionProto& f, const Values& inputs, const Attributes& attributes) {
  for (Frame* at = frame_; at; at = at->outer)
    RL_CHECK(FileError, at->function != &f, "the function '", f.name.substr(0, 100), "' calls itself");
  RL_CHECK(FileError, frame_->depth < kMostCalls, "more than ", kMostCalls, " functions inside of each other");
  RL_CHECK(FileError, inputs.size() <= f.inputs.size(), "the function has ", f.inputs.size(), " inputs, and ",
           inputs.size(), " are given");
  Attributes all = attributes;
  for (const Attribute& a : f.defaults) all.emplace(a.name, &a);
  Frame frame;
  for (const Opset& o : f.opsets) frame.opsets[domain_of(o.domain)] = o.version;
  for (const auto& [domain, version] : top_.opsets) frame.opsets.emplace(domain, version);
  frame.attributes = &all;
  frame.function = &f;
  frame.outer = frame_;
  frame.depth = frame_->depth + 1;
  frame_ = &frame;
  struct Back {
    Frame*& at;
    Frame* to;
    ~Back() { at = to; }
  } back{frame_, frame.outer};
  Scope s;
  for (size_t i = 0; i < f.inputs.size(); i++)
    define(s, f.inputs[i], i < inputs.size() ? inputs[i] : nullptr, "a function's input");
  nodes(f.nodes, s);
  Values out;
  for (Text name : f.outputs) out.push_back(find(s, name));
  return out;
}

void Importer::note_elems(const NodeProto& n, const Values& inputs, const Values& outputs,
                          const Attributes& attributes) {
  static const std::set<Text> booleans = {"And",           "Or",      "Xor",
                                          "Not",           "Equal",   "Less",
                                          "LessOrEqual",   "Greater", "GreaterOrEqual",
                                          "IsNaN",         "IsInf",   "OptionalHasElement",
                                          "RegexFullMatch"};
  static const std::set<Text> integers = {"Shape",         "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression",
                                          "SequenceLength"};
  static const std::set<Text> floats = {"TfIdfVectorizer", "RandomNormal",  "RandomUniform", "MelWeightMatrix",
                                        "HannWindow",      "HammingWindow", "BlackmanWindow"};
  auto of = [&](size_t i) { return i < inputs.size() && inputs[i] ? names_->elem(inputs[i]) : 0; };
  auto number = [&](Text name, int otherwise) {
    const Attribute* a = find_attribute(attributes, name);
    return a && a->i ? int(a->i) : otherwise;
  };
  if (!domain_of(n.domain).empty()) return;
  for (size_t k = 0; k < outputs.size(); k++) {
    int e = of(0);
    if (booleans.contains(n.op) || (n.op == "Dropout" && k == 1)) e = kBool;
    else if (integers.contains(n.op) || (k > 0 && (n.op == "TopK" || n.op == "MaxPool" || n.op == "Unique")))
      e = kInt64;
    else if (floats.contains(n.op)) e = number("dtype", number("output_datatype", kFloat));
    else if (n.op == "Cast" || n.op == "BitCast") e = number("to", 0);
    else if (n.op == "CastLike" || n.op == "Where") e = of(1);
    else if (n.op == "OneHot") e = of(2);
    else if (n.op == "EyeLike" || n.op == "RandomNormalLike" || n.op == "RandomUniformLike" || n.op == "Bernoulli")
      e = number("dtype", of(0));
    else if (n.op == "Multinomial") e = number("dtype", kInt32);
    else if (n.op == "MatMulInteger" || n.op == "ConvInteger") e = kInt32;
    else if (n.op == "DynamicQuantizeLinear") e = k == 1 ? kFloat : kUint8;
    else if (n.op == "QuantizeLinear") e = number("output_dtype", inputs.size() > 2 && inputs[2] ? of(2) : kUint8);
    else if (n.op == "DequantizeLinear") e = number("output_dtype", of(1));
    else if (n.op == "QLinearMatMul" || n.op == "QLinearConv") e = of(7);
    else if (n.op == "ImageDecoder") e = kUint8;
    else if (n.op == "Constant" || n.op == "ConstantOfShape") {
      const Attribute* a = find_attribute(attributes, "value");
      e = a && a->t ? a->t->type : 0;
      if (n.op == "ConstantOfShape" && !a) e = kFloat;
    } else if (n.op.starts_with("String") || n.op == "SequenceEmpty" || n.op == "Optional" ||
               (n.op == "LayerNormalization" && k > 0)) {
      e = 0;
    }
    Value* v = outputs[k];
    if (e && v && (v->type()->is(TK::Tensor) || v->type()->is(TK::List)) && !names_->elem(v)) names_->elems[v] = e;
  }
}

// How many dimensions results have, as far as that follows from what is known; shapes that are computed have a length.
void Importer::note_ranks(const NodeProto& n, const Values& inputs, const Values& outputs,
                          const Attributes& attributes) {
  static const std::set<Text> alike = {"Abs",
                                       "Acos",
                                       "Acosh",
                                       "Asin",
                                       "Asinh",
                                       "Atan",
                                       "Atanh",
                                       "AveragePool",
                                       "Cast",
                                       "CastLike",
                                       "Ceil",
                                       "Celu",
                                       "Clip",
                                       "Concat",
                                       "Cos",
                                       "Cosh",
                                       "CumSum",
                                       "Dropout",
                                       "Elu",
                                       "Erf",
                                       "Exp",
                                       "Floor",
                                       "Gelu",
                                       "GlobalAveragePool",
                                       "Identity",
                                       "HardSigmoid",
                                       "HardSwish",
                                       "LeakyRelu",
                                       "Log",
                                       "LRN",
                                       "MaxPool",
                                       "GlobalMaxPool",
                                       "Mish",
                                       "Neg",
                                       "Not",
                                       "Pad",
                                       "PRelu",
                                       "Reciprocal",
                                       "Relu",
                                       "Resize",
                                       "Round",
                                       "Selu",
                                       "Sigmoid",
                                       "Sign",
                                       "Sin",
                                       "Sinh",
                                       "Slice",
                                       "Softmax",
                                       "Softplus",
                                       "Softsign",
                                       "Split",
                                       "Sqrt",
                                       "Tan",
                                       "Tanh",
                                       "Transpose",
                                       "LogSoftmax",
                                       "Upsample",
                                       "BatchNormalization",
                                       "GroupNormalization",
                                       "InstanceNormalization",
                                       "LayerNormalization",
                                       "RMSNormalization",
                                       "ThresholdedRelu",
                                       "DepthToSpace",
                                       "SpaceToDepth",
                                       "QuantizeLinear",
                                       "DequantizeLinear"};
  static const std::set<Text> broadcast = {"Add",  "Sub",  "Mul",     "Div",         "Pow",
                                           "Mod",  "Max",  "Min",     "And",         "Equal",
                                           "Or",   "Less", "Greater", "LessOrEqual", "GreaterOrEqual",
                                           "Where"};
  if (!domain_of(n.domain).empty() || outputs.empty() || !outputs[0]) return;
  auto in = [](const auto& map, const Value* v) {
    auto found = v ? map.find(v) : map.end();
    return found == map.end() ? int64_t(-1) : found->second;
  };
  auto rank = [&](size_t i) {
    Value* v = i < inputs.size() ? inputs[i] : nullptr;
    const IValue* c = v ? graph::constant_of(v) : nullptr;
    return c && c->is_tensor() ? c->tensor().dim() : in(names_->ranks, v);
  };
  auto length = [&](size_t i) {
    Value* v = i < inputs.size() ? inputs[i] : nullptr;
    const IValue* c = v ? graph::constant_of(v) : nullptr;
    return c && c->is_tensor() ? (c->tensor().dim() == 1 ? c->tensor().size(0) : -1) : in(names_->lengths, v);
  };
  // An attribute up to some version, an input from then on: how many there are.
  auto listed = [&](const char* name) {
    const Attribute* a = find_attribute(attributes, name);
    return a ? int64_t(a->ints.size()) : inputs.size() > 1 ? length(1) : -1;
  };
  auto number = [&](Text name, int64_t otherwise) {
    const Attribute* a = find_attribute(attributes, name);
    return a ? a->i : otherwise;
  };
  int64_t r = -1, elements = -1;
  if (alike.contains(n.op)) {
    r = rank(0);
    if (n.op == "Concat") {
      for (size_t i = 0; i < inputs.size(); i++) {
        int64_t more = length(i);
        elements = more < 0 || (i && elements < 0) ? -1 : i ? elements + more : more;
      }
    } else if (n.op == "Cast" || n.op == "Identity") {
      elements = length(0);
    }
  } else if (broadcast.contains(n.op)) {
    for (size_t i = 0; i < inputs.size(); i++) {
      int64_t other = rank(i);
      r = other < 0 || (i && r < 0) ? -1 : std::max(r, other);
    }
    if (inputs.size() == 2 && (rank(0) == 0 || length(0) >= 0) && (rank(1) == 0 || length(1) >= 0))
      elements = std::max(length(0), length(1));
  } else if (n.op == "Conv" || n.op == "ConvTranspose") {
    r = rank(1);
  } else if (n.op == "Gemm" || n.op == "Flatten") {
    r = 2;
  } else if (n.op == "MatMul") {
    r = rank(0) >= 2 && rank(1) >= 2 ? std::max(rank(0), rank(1)) : -1;
  } else if (n.op == "Shape") {
    r = 1;
    if (!find_attribute(attributes, "start") && !find_attribute(attributes, "end")) elements = rank(0);
  } else if (n.op == "Size") {
    r = 0;
  } else if (n.op == "Reshape") {
    r = listed("shape");
  } else if (n.op == "Expand") {
    r = rank(0) < 0 || length(1) < 0 ? -1 : std::max(rank(0), length(1));
  } else if (n.op == "ConstantOfShape") {
    r = length(0);
  } else if (n.op == "Gather") {
    r = rank(0) < 0 || rank(1) < 0 ? -1 : rank(0) + rank(1) - 1;
    if (rank(0) == 1 && rank(1) == 1) elements = length(1);
  } else if (n.op == "Unsqueeze" || n.op == "Squeeze") {
    int64_t axes = listed("axes");
    if (rank(0) >= 0 && axes >= 0) r = n.op == "Squeeze" ? rank(0) - axes : rank(0) + axes;
    if (n.op == "Unsqueeze" && r == 1) elements = 1;
  } else if (n.op.starts_with("Reduce") && number("keepdims", 1)) {
    r = rank(0);
  } else if (n.op.starts_with("Reduce") || n.op == "ArgMax" || n.op == "ArgMin") {
    int64_t axes = n.op.starts_with("Arg") ? 1 : listed("axes");
    if (number("keepdims", 1)) r = rank(0);
    else if (rank(0) >= 0 && axes > 0) r = rank(0) - axes;
  }
  if (r >= 0)
    for (Value* v : outputs)
      if (v && v->type()->is(TK::Tensor) && (v == outputs[0] || n.op == "Split")) names_->ranks.emplace(v, r);
  if (elements >= 0) names_->lengths.emplace(outputs[0], elements);
}

}  // namespace rushlight::onnx
