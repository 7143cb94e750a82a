#include "rushlight/onnx/import.h"

#include <filesystem>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/io/json.h"
#include "rushlight/onnx/onnx.h"

namespace rushlight::onnx {

using graph::ClassType;
using graph::Node;
using script::constant_of;
using script::graph_value;
using TK = Type::Kind;

namespace {

Text domain_of(Text domain) { return domain == "ai.onnx" ? Text() : domain; }

const Attribute* find_attribute(const std::unordered_map<Text, const Attribute*>& all, Text name) {
  auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

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
    const Attribute* meant = &a;
    if (!a.reference.empty()) {  // of the function that this node is in; absent where its call leaves it out
      meant = frame_->attributes ? find_attribute(*frame_->attributes, a.reference) : nullptr;
      if (!meant) continue;
    }
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

Importer::Values Importer::translate(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s) {
  Text domain = domain_of(n.domain);
  for (const FunctionProto& f : model_.functions)
    if (f.name == n.op && domain_of(f.domain) == domain && f.overload == n.overload)
      return inlined(f, inputs, attributes);
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
  constexpr int kMostCalls = 60;
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
               n.op == "LayerNormalization") {
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

// ---- control flow ----------------------------------------------------------------------------------------------------------------

Importer::Values Importer::if_node(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(FileError, inputs.size() == 1 && inputs[0], "it takes a condition");
  Node* node = lowering_.emit(here_, "prim::If", {lowering_.truth(here_, inputs[0])}, 0);
  Values outs[2];
  const char* names[2] = {"then_branch", "else_branch"};
  for (int k = 0; k < 2; k++) {
    graph::InsertPoint at(*graph_, node->add_block());
    outs[k] = body(graph_of(attributes, names[k]), s, {});
  }
  RL_CHECK(FileError, outs[0].size() == outs[1].size() && outs[0].size() >= n.outputs.size(), "its branches have ",
           outs[0].size(), " and ", outs[1].size(), " outputs");
  Values out;
  for (size_t i = 0; i < outs[0].size(); i++) {
    TypePtr type = script::unify(outs[0][i]->type(), outs[1][i]->type());
    RL_CHECK(FileError, type, "its branches give a ", outs[0][i]->type(), " and a ", outs[1][i]->type());
    for (size_t k = 0; k < 2; k++) node->blocks()[k]->register_output(outs[k][i]);
    out.push_back(node->add_output(type));
    if (names_->elem(outs[0][i]) == names_->elem(outs[1][i])) names_->elems[out.back()] = names_->elem(outs[0][i]);
  }
  return out;
}

Importer::Values Importer::emit_loop(Value* trips, Value* condition, const Values& carried,
                                     const std::vector<TypePtr>& types,
                                     const std::function<Value*(Value* i, const Values& in, Values& out)>& round) {
  if (!condition) condition = constant(true);
  Values inputs = {trips, condition};
  for (size_t i = 0; i < carried.size(); i++) inputs.push_back(optional(carried[i], types[i]));
  Node* node = lowering_.emit(here_, "prim::Loop", inputs, 0);
  graph::Block* block = node->add_block();
  Value* i = block->add_input(Type::integer());
  Values in;
  for (size_t k = 0; k < carried.size(); k++) {
    in.push_back(block->add_input(types[k]));
    if (carried[k]) names_->elems[in.back()] = names_->elem(carried[k]);
  }
  {
    graph::InsertPoint at(*graph_, block);
    Values out;
    Value* go = round(i, in, out);
    block->register_output(go ? go : constant(true));
    for (size_t k = 0; k < carried.size(); k++) {
      RL_CHECK(FileError, out[k]->type()->is_subtype_of(*types[k]), "what it carries on is first a ", types[k],
               " and then a ", out[k]->type());
      block->register_output(optional(out[k], types[k]));
    }
  }
  Values results;
  for (size_t k = 0; k < carried.size(); k++) {
    results.push_back(node->add_output(types[k]));
    names_->elems[results.back()] = names_->elem(in[k]);
  }
  return results;
}

namespace {
// The types that are carried: what the graph says where it says more than what comes in.
TypePtr carried_type(const Value* given, const TypePtr& declared) {
  if (!given || declared->is(TK::Optional) || given->type()->is(TK::None)) return declared;
  return given->type();
}
}  // namespace

Importer::Values Importer::loop(const Values& inputs, const Attributes& attributes, Scope& s) {
  const GraphProto& g = graph_of(attributes, "body");
  RL_CHECK(FileError,
           g.inputs.size() >= 2 && inputs.size() <= g.inputs.size() && g.outputs.size() >= g.inputs.size() - 1,
           "its body has ", g.inputs.size(), " inputs and ", g.outputs.size(), " outputs for ", inputs.size(),
           " inputs of the node");
  Value* trips = !inputs.empty() && inputs[0] ? helper("_int", {graph_value(inputs[0])}) : constant(INT64_MAX);
  Value* condition = inputs.size() > 1 && inputs[1] ? lowering_.truth(here_, inputs[1]) : nullptr;
  size_t count = g.inputs.size() - 2;
  Values carried(count, nullptr);
  std::vector<TypePtr> types;
  for (size_t k = 0; k < count; k++) {
    if (k + 2 < inputs.size()) carried[k] = inputs[k + 2];
    const auto& declared = g.inputs[k + 2].type;
    types.push_back(carried_type(carried[k], declared ? type_of(*declared) : Type::tensor()));
  }
  size_t scans = g.outputs.size() - 1 - count;
  Values lists;
  for (size_t k = 0; k < scans; k++) {
    const auto& declared = g.outputs[1 + count + k].type;
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {},
                                         Type::list(declared ? type_of(*declared) : Type::tensor())));
  }
  Values out = emit_loop(trips, condition, carried, types, [&](Value* i, const Values& in, Values& next) {
    Values all = {helper("_number", {graph_value(i)}), helper("_truth", {constant_of(true)})};
    names_->elems[all[0]] = kInt64;
    names_->elems[all[1]] = kBool;
    all.insert(all.end(), in.begin(), in.end());
    Values results = body(g, s, all);
    next.assign(results.begin() + 1, results.begin() + 1 + int64_t(count));
    for (size_t k = 0; k < scans; k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[1 + count + k])});
    return lowering_.truth(here_, results[0]);
  });
  for (size_t k = 0; k < scans; k++) {
    std::vector<int64_t> dims;
    int elem = kFloat;
    const auto& declared = g.outputs[1 + count + k].type;
    if (declared && declared->tensor) {
      elem = declared->tensor->elem;
      if (declared->tensor->shape)
        for (const Dimension& d : declared->tensor->shape->dims) dims.push_back(d.value.value_or(0));
    }
    Value* stacked = helper(
        "_stacked", {graph_value(lists[k]), constant_of(dims), constant_of(int64_t(dtype_of_elem(elem, "Loop")))});
    names_->elems[stacked] = elem;
    out.push_back(stacked);
  }
  return out;
}

Importer::Values Importer::scan(const Values& inputs, const Attributes& attributes, Scope& s, int batch) {
  const GraphProto& g = graph_of(attributes, "body");
  const Attribute* count = find_attribute(attributes, "num_scan_inputs");
  RL_CHECK(FileError, count && count->i >= 1 && count->i <= int64_t(inputs.size()) && g.inputs.size() == inputs.size(),
           "num_scan_inputs doesn't fit ", inputs.size(), " inputs and a body with ", g.inputs.size());
  size_t scanned = size_t(count->i), states = inputs.size() - scanned;
  RL_CHECK(FileError, g.outputs.size() >= states, "its body has ", g.outputs.size(), " outputs for ", states,
           " states");
  for (Value* v : inputs) RL_CHECK(FileError, v && v->type()->is(TK::Tensor), "its inputs are tensors, and all there");
  auto axes = ints_of(attributes, "scan_input_axes"),
       directions = ints_of(attributes, batch ? "directions" : "scan_input_directions");
  auto out_axes = ints_of(attributes, "scan_output_axes"),
       out_directions = ints_of(attributes, "scan_output_directions");
  auto at = [](const std::vector<int64_t>& l, size_t i) { return i < l.size() ? l[i] : 0; };
  Values carried(inputs.begin(), inputs.begin() + int64_t(states));
  std::vector<TypePtr> types(states, Type::tensor());
  Value* trips = helper("_size", {graph_value(inputs[states]), constant_of(at(axes, 0))});
  size_t outputs = g.outputs.size() - states;
  Values lists;
  for (size_t k = 0; k < outputs; k++)
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(Type::tensor())));
  Values out = emit_loop(trips, nullptr, carried, types, [&](Value* i, const Values& in, Values& next) -> Value* {
    Values all = in;
    for (size_t k = 0; k < scanned; k++) {
      all.push_back(helper("_item", {graph_value(inputs[states + k]), graph_value(i), constant_of(at(axes, k)),
                                     constant_of(at(directions, k) == 1)}));
      names_->elems[all.back()] = names_->elem(inputs[states + k]);
    }
    Values results = body(g, s, all);
    next.assign(results.begin(), results.begin() + int64_t(states));
    for (size_t k = 0; k < outputs; k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[states + k])});
    return nullptr;
  });
  for (size_t k = 0; k < outputs; k++)
    out.push_back(helper(
        "_gathered", {graph_value(lists[k]), constant_of(at(out_axes, k)), constant_of(at(out_directions, k) == 1)}));
  return out;
}

// Version 8: each row of a batch is a scan of its own.
Importer::Values Importer::scan_by_batch(const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(RuntimeError, !inputs.empty() && !inputs[0], "sequence_lens of Scan's version 8 is not supported");
  const GraphProto& g = graph_of(attributes, "body");
  Values all(inputs.begin() + 1, inputs.end()), lists;
  RL_CHECK(FileError, !all.empty(), "it has no inputs");
  for (Value* v : all) RL_CHECK(FileError, v && v->type()->is(TK::Tensor), "its inputs are tensors, and all there");
  for (size_t k = 0; k < g.outputs.size(); k++)
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(Type::tensor())));
  Value* trips = helper("_size", {graph_value(all[0]), constant_of(int64_t(0))});
  emit_loop(trips, nullptr, {}, {}, [&](Value* i, const Values&, Values&) -> Value* {
    Values row;
    for (Value* v : all)
      row.push_back(helper("_item", {graph_value(v), graph_value(i), constant_of(int64_t(0)), constant_of(false)}));
    Values results = scan(row, attributes, s, 1);
    for (size_t k = 0; k < results.size(); k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[k])});
    return nullptr;
  });
  Values out;
  for (Value* l : lists)
    out.push_back(helper("_gathered", {graph_value(l), constant_of(int64_t(0)), constant_of(false)}));
  return out;
}

Importer::Values Importer::sequence_map(const Values& inputs, const Attributes& attributes, Scope& s) {
  const GraphProto& g = graph_of(attributes, "body");
  for (Value* v : inputs) RL_CHECK(FileError, v, "an input is missing");
  RL_CHECK(FileError, !inputs.empty() && inputs[0]->type()->is(TK::List), "its first input is no sequence");
  Values lists;
  for (const ValueInfo& o : g.outputs)
    lists.push_back(
        lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(o.type ? type_of(*o.type) : Type::tensor())));
  Value* trips = helper("_length", {graph_value(inputs[0])});
  emit_loop(trips, nullptr, {}, {}, [&](Value* i, const Values&, Values&) -> Value* {
    Values all;
    for (Value* v : inputs) {
      all.push_back(v->type()->is(TK::List) ? helper("_at", {graph_value(v), graph_value(i)}) : v);
      names_->elems[all.back()] = names_->elem(v);
    }
    Values results = body(g, s, all);
    for (size_t k = 0; k < results.size(); k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[k])});
    return nullptr;
  });
  return lists;
}

// Attention whose scores and probabilities graphs of the node change.
Importer::Values Importer::flex_attention(const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(FileError, inputs.size() == 3 && inputs[0] && inputs[1] && inputs[2], "it takes a query, keys and values");
  const Attribute *scale = find_attribute(attributes, "scale"),
                  *precision = find_attribute(attributes, "softmax_precision");
  Value* scores = helper("_flex_scores", {graph_value(inputs[0]), graph_value(inputs[1]),
                                          scale ? constant_of(double(scale->f)) : constant_of(IValue()),
                                          constant_of(precision ? precision->i : int64_t(0))});
  auto changed = [&](Value* v, const char* by) {
    if (!find_attribute(attributes, by)) return v;
    Values out = body(graph_of(attributes, by), s, {v});
    RL_CHECK(FileError, out.size() == 1, "its graph '", by, "' has ", out.size(), " outputs");
    return out[0];
  };
  Value* p = changed(helper("_softmax_last", {graph_value(changed(scores, "score_mod"))}), "prob_mod");
  return {helper("_flex_result", {graph_value(p), graph_value(inputs[0]), graph_value(inputs[2])})};
}

// ---- the module ------------------------------------------------------------------------------------------------------------------

namespace {

// Where initialisers stand: "layer1.0.weight" is weight of the module 0 of layer1.
struct Branch {
  std::map<std::string, std::unique_ptr<Branch>> children;
  const TensorProto* tensor = nullptr;
  IValue value;
  std::shared_ptr<ClassType> type;
};

std::string slot_name(std::string_view name) {
  std::string out;
  for (char c : name)
    out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ? c : '_';
  static const std::set<std::string> taken = {"", "training", "forward", "self", "None", "True", "False"};
  return taken.contains(out) ? out + "_" : out;
}

Ref<ObjectValue> object_of(Branch& b, const std::string& name, int& count) {
  b.type = std::make_shared<ClassType>(name, true);
  b.type->add_slot("training", Type::boolean());
  std::vector<IValue> values = {IValue(true)};
  for (auto& [child, branch] : b.children) {
    if (branch->tensor) {
      bool parameter = branch->value.is_tensor() && is_floating(branch->value.tensor().dtype()) &&
                       branch->value.tensor().item_size() > 1;
      bool tensor = branch->value.is_tensor();
      b.type->add_slot(child, tensor ? Type::tensor() : strings_type(), parameter, tensor && !parameter);
      if (parameter) branch->value.tensor().impl()->set_requires_grad(true);
      values.push_back(branch->value);
    } else {
      Ref<ObjectValue> object = object_of(*branch, str("__torch__.onnx.Module", ++count), count);
      b.type->add_slot(child, branch->type);
      values.push_back(IValue(std::move(object)));
    }
  }
  auto object = make_ref<ObjectValue>(b.type, values.size());
  object->slots = std::move(values);
  return object;
}

}  // namespace

Ref<ObjectValue> Importer::module() {
  const GraphProto& g = model_.graph;
  constexpr size_t kMostModules = 20'000, kMostParts = 32;
  Branch root;
  std::vector<std::pair<const TensorProto*, std::vector<std::string>>> paths;
  std::vector<std::pair<const TensorProto*, IValue>> constants;
  std::set<std::string> flat;
  size_t modules = 0;
  std::set<Text> seen;
  auto place = [&](const TensorProto& t, IValue value) {
    check_name(t.name, "an initialiser");
    RL_CHECK(FileError, seen.insert(t.name).second, reader_.where(), ": the name '", t.name.substr(0, 200),
             "' is given twice, the second time to an initialiser");
    // Whole numbers of one dimension are shapes, axes and the like, which say what the graph is.
    if (value.is_tensor() && (t.type == kInt64 || t.type == kInt32) && value.tensor().numel() <= 64 &&
        value.tensor().dim() <= 1) {
      constants.emplace_back(&t, std::move(value));
      return;
    }
    std::vector<std::string> path;
    for (size_t at = 0; at <= t.name.size() && path.size() <= kMostParts;) {
      size_t dot = std::min(t.name.find('.', at), t.name.size());
      path.push_back(slot_name(t.name.substr(at, dot - at)));
      at = dot + 1;
    }
    if (path.size() > kMostParts || modules > kMostModules) path = {slot_name(t.name)};
    auto fits = [&] {
      Branch* b = &root;
      for (size_t i = 0; i < path.size(); i++) {
        auto found = b->children.find(path[i]);
        if (found == b->children.end()) return true;
        if (found->second->tensor || i + 1 == path.size()) return false;
        b = found->second.get();
      }
      return false;
    };
    for (int k = 0; !fits(); k++) path = {slot_name(t.name) + (k ? str("_", k) : "_")};
    Branch* b = &root;
    for (const std::string& part : path) {
      auto& child = b->children[part];
      if (!child) {
        child = std::make_unique<Branch>();
        modules++;
      }
      b = child.get();
    }
    b->tensor = &t;
    b->value = std::move(value);
    paths.emplace_back(&t, std::move(path));
  };
  for (const TensorProto& t : g.initialisers) place(t, reader_.read(t));
  for (const SparseTensorProto& t : g.sparse_initialisers) { place(t.values, reader_.read(t)); }
  int count = 0;
  Ref<ObjectValue> object = object_of(root, "__torch__.onnx.Model", count);

  graph::Graph& graph = *graph_;
  self_ = graph.add_input("self", root.type->unowned());
  Schema schema;
  schema.name = "forward";
  auto argument = [&](std::string name, TypePtr type) {
    Argument a;
    a.name = std::move(name);
    a.type = std::move(type);
    a.type_name = a.type->schema_text();
    return a;
  };
  schema.args.push_back(argument("self", self_->type()));
  Scope s;
  std::set<std::string> argument_names = {"self"};
  for (const ValueInfo& i : g.inputs) {
    if (seen.contains(i.name)) continue;  // an initialiser that a caller may give otherwise; here it is a parameter
    TypePtr type = i.type ? type_of(*i.type) : Type::tensor();
    std::string name = slot_name(i.name);
    if (name[0] >= '0' && name[0] <= '9') name = "input_" + name;
    while (!argument_names.insert(name).second) name += "_";
    Value* v = graph.add_input(name, type);
    if (i.type) names_->elems[v] = elem_of(*i.type);
    if (i.type && i.type->tensor && i.type->tensor->shape)
      names_->ranks[v] = int64_t(i.type->tensor->shape->dims.size());
    define(s, i.name, v, "an input");
    Argument a = argument(name, type);
    if (type->is(TK::Optional)) a.has_default = true;
    schema.args.push_back(std::move(a));
  }
  for (const auto& [t, value] : constants) {
    Value* c = constant(value);
    names_->elems[c] = t->type;
    define(s, t->name, c, "an initialiser");
  }
  std::map<std::vector<std::string>, Value*> holders;
  for (const auto& [t, path] : paths) {
    Value* at = self_;
    std::vector<std::string> so_far;
    for (const std::string& part : path) {
      so_far.push_back(part);
      Value*& held = holders[so_far];
      if (!held) {
        const ClassType* c = graph::as_class(at->type());
        Node* get = lowering_.emit(here_, "prim::GetAttr", {at});
        get->set_attribute("name", part);
        const TypePtr& type = c->slots[size_t(c->find_slot(part))].type;
        auto inner = graph::as_class_shared(type);
        held = get->output()->set_type(inner ? inner->unowned() : type);
      }
      at = held;
    }
    names_->elems[at] = t->type;
    names_->ranks[at] = int64_t(t->dims.size());
    names_->sizes[at] = t->dims;
    define(s, t->name, at, "an initialiser");
  }
  nodes(g.nodes, s);
  RL_CHECK(FileError, !g.outputs.empty(), reader_.where(), ": the graph has no outputs");
  Values outputs = outputs_of(g.outputs, s);
  Value* result = outputs[0];
  if (outputs.size() > 1) {
    std::vector<TypePtr> types;
    for (Value* v : outputs) types.push_back(v->type());
    result = lowering_.emit_typed(here_, "prim::TupleConstruct", outputs, Type::tuple(std::move(types)));
  }
  graph.register_output(result);
  schema.returns.push_back(argument("", result->type()));
  auto forward = std::make_shared<graph::Function>();
  forward->name = "forward";
  forward->compile = [graph = graph_, schema](graph::Function& into) {
    into.schema = schema;
    into.graph = graph;
  };
  root.type->add_method(forward);
  forward->made();
  return object;
}

Ref<ObjectValue> load(const io::Bytes& bytes, const std::string& name, const std::string& folder) {
  std::string where = str("load '", name, "'");
  std::string_view text(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
  ModelProto model = io::wire::parse<ModelProto>(text, where);
  RL_CHECK(FileError, model.ir_version > 0 || !model.opsets.empty() || !model.graph.nodes.empty(), where,
           ": no ONNX model");
  TensorReader reader(where, folder);
  // Models older than IR version 3 say no opset: 1 is meant.
  if (model.opsets.empty()) model.opsets.push_back({"", 1});
  return Importer(model, reader).module();
}

Ref<ObjectValue> load_file(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return load(io::map_file(path), path, folder.empty() ? "." : folder.string());
}

}  // namespace rushlight::onnx
