// What is in a model, read and not translated.
#include "rushlight/io/zip.h"
#include "rushlight/onnx/import.h"
#include "rushlight/onnx/onnx.h"
#include "rushlight/script/import.h"

namespace rushlight::onnx {
namespace {

using script::ModelReport;

std::string shown(Text text) { return io::printable(std::string(text.substr(0, 300))); }

std::string shown(const TypeProto& t, int depth = 0) {
  if (depth > 20) return "...";
  auto within = [&](const std::unique_ptr<TypeProto>& p) { return p ? shown(*p, depth + 1) : std::string("?"); };
  if (t.sequence) return "sequence of " + within(t.sequence->elem);
  if (t.optional) return "optional " + within(t.optional->elem);
  if (t.map) return str("map of ", elem_name(t.map->key), " to ", within(t.map->value));
  const auto& tensor = t.tensor ? t.tensor : t.sparse_tensor;
  if (!tensor) return "?";
  std::string out = elem_name(tensor->elem);
  if (!tensor->shape) return out;
  out += "[";
  for (const Dimension& d : tensor->shape->dims) {
    if (out.back() != '[') out += ", ";
    out += d.value ? str(*d.value) : d.name ? shown(*d.name) : "?";
  }
  return out + "]";
}

Dims dims_of(const std::vector<int64_t>& all) {
  Dims out;
  for (int64_t d : all) out.push_back(d);
  return out;
}
int64_t bytes_of(const TensorProto& t) {
  if (t.raw && !t.raw->empty()) return int64_t(t.raw->size());
  double n = 1;
  for (int64_t d : t.dims) n *= double(std::max<int64_t>(d, 0));
  bool strings = t.type == kString;
  n *= strings ? 0 : double(item_size(dtype_of_elem(t.type, "a tensor")));
  for (Text s : t.strings) n += double(s.size());
  return n < 9e18 ? int64_t(n) : INT64_MAX;
}

class Walk {
 public:
  Walk(const ModelProto& model, ModelReport& out) : model_(model), out_(out) {}
  void graph(const GraphProto& g, const std::vector<Opset>& opsets) {
    for (const TensorProto& t : g.initialisers)
      out_.tensors.push_back({shown(t.name), elem_name(t.type), dims_of(t.dims), bytes_of(t)});
    for (const SparseTensorProto& t : g.sparse_initialisers)
      out_.tensors.push_back({shown(t.values.name), str("sparse ", elem_name(t.values.type)), dims_of(t.dims),
                              bytes_of(t.values) + bytes_of(t.indices)});
    nodes(g.nodes, opsets);
  }
  void nodes(const std::vector<NodeProto>& all, const std::vector<Opset>& opsets) {
    for (const NodeProto& n : all) {
      Text domain = n.domain == "ai.onnx" ? Text() : n.domain;
      std::string name = domain.empty() ? shown(n.op) : str(shown(domain), "::", shown(n.op));
      auto [found, fresh] = places_.emplace(name, out_.operators.size());
      if (fresh) out_.operators.push_back({name, 0, is_known(n.op, domain, opsets)});
      out_.operators[found->second].calls++;
      for (const Attribute& a : n.attributes)
        if (a.g) graph(*a.g, opsets);
    }
  }

 private:
  bool is_known(Text op, Text domain, const std::vector<Opset>& opsets) const {
    for (const FunctionProto& f : model_.functions)
      if (f.name == op && (f.domain == "ai.onnx" ? Text() : f.domain) == domain) return true;
    int64_t version = domain.empty() && opsets.empty() ? 1 : 0;
    for (const Opset& o : opsets)
      if ((o.domain == "ai.onnx" ? Text() : o.domain) == domain) version = o.version;
    if (version < 1 || version > newest_version(domain)) return false;
    if (domain.empty() && (op == "If" || op == "Loop" || (op == "Scan" && version >= 8) || op == "SequenceMap"))
      return true;
    return (domain == "ai.onnx.preview" && op == "FlexAttention") ||
           (domain == "ai.onnx.preview.training" && op == "Gradient") || find_translator(domain, op, version);
  }
  const ModelProto& model_;
  ModelReport& out_;
  std::map<std::string, size_t> places_;
};

}  // namespace

bool inspect(const io::Bytes& bytes, const std::string& name, ModelReport& out) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data.data()), bytes.data.size());
  auto model = io::wire::parse<ModelProto>(text, str("inspect '", name, "'"));
  if (model.graph.nodes.empty() && model.opsets.empty()) return false;
  out.kind = "ONNX model";
  out.facts.emplace_back("ir_version", str(model.ir_version));
  for (const Opset& o : model.opsets)
    out.facts.emplace_back(o.domain.empty() ? "opset" : str("opset of ", shown(o.domain)), str(o.version));
  if (!model.producer.empty())
    out.facts.emplace_back("producer", str(shown(model.producer), " ", shown(model.producer_version)));
  if (!model.functions.empty()) out.facts.emplace_back("functions", str(model.functions.size()));
  for (const Pair& p : model.metadata) out.facts.emplace_back(shown(p.key), shown(p.value));
  for (const ValueInfo& v : model.graph.inputs)
    out.inputs.emplace_back(shown(v.name), v.type ? shown(*v.type) : std::string());
  for (const ValueInfo& v : model.graph.outputs)
    out.outputs.emplace_back(shown(v.name), v.type ? shown(*v.type) : std::string());
  Walk walk(model, out);
  walk.graph(model.graph, model.opsets);
  for (const FunctionProto& f : model.functions) walk.nodes(f.nodes, f.opsets);
  return true;
}

}  // namespace rushlight::onnx
