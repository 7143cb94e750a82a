// The importer: nodes of ONNX to nodes of the IR.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "rushlight/onnx/operators.h"
#include "rushlight/onnx/tensors.h"
#include "rushlight/script/module.h"

namespace rushlight::onnx {

using graph::Value;
using script::SugaredPtr;

// A translator: text that stands for an operator from a version on.
struct Translator {
  std::string_view op;
  int since = 1;
  script::StmtPtr def;
  bool takes(std::string_view parameter) const;
};
// Null where the operator isn't known, or not as old as that.
const Translator* find_translator(std::string_view domain, std::string_view op, int64_t version);
// A helper of the texts. Null for others.
script::StmtPtr find_helper(const std::string& name);

// What is known of values while a model is compiled; texts see it through helpers.
class Names final : public script::Resolver {
 public:
  SugaredPtr resolve(const std::string& name, const script::Range& range) override;
  int elem(const Value* v) const {
    auto found = elems.find(v);
    return found == elems.end() ? 0 : found->second;
  }
  std::unordered_map<const Value*, int> elems;
  std::unordered_map<const Value*, int64_t> ranks,
      lengths;  // dimensions, and elements of what has one, where they are known
  std::unordered_map<const Value*, std::vector<int64_t>> sizes;  // of initialisers
  std::unordered_map<std::string, SugaredPtr> helpers;
};

class Importer {
 public:
  Importer(const ModelProto& model, TensorReader& reader);
  Ref<ObjectValue> module();

 private:
  struct Scope {
    std::unordered_map<Text, Value*> names;  // null: absent
    Scope* outer = nullptr;
  };
  using Attributes = std::unordered_map<Text, const Attribute*>;
  // A function that is being inlined, or the model itself.
  struct Frame {
    std::unordered_map<Text, int64_t> opsets;
    const Attributes* attributes = nullptr;
    const FunctionProto* function = nullptr;
    Frame* outer = nullptr;
    int depth = 0;
  };
  using Values = std::vector<Value*>;
  static constexpr int kMostCalls = 60;  // of functions in each other

  void check_name(Text name, const char* what);
  void define(Scope& s, Text name, Value* v, const char* what);
  Value* find(Scope& s, Text name);
  void initialisers(const GraphProto& g, Scope& s);
  void nodes(const std::vector<NodeProto>& all, Scope& s);
  void node(const NodeProto& n, Scope& s);
  const FunctionProto* function_of(const NodeProto& n) const;
  int64_t expanded(const std::vector<NodeProto>& all, std::map<const FunctionProto*, int64_t>& known, int depth);
  void check_functions();
  Values outputs_of(const std::vector<ValueInfo>& outputs, Scope& s);
  Values body(const GraphProto& g, Scope& outer, const Values& inputs);

  Values translate(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s);
  Values call(const Translator& t, const NodeProto& n, const Values& inputs, const Attributes& attributes,
              int64_t version);
  Values on_strings(const Translator& t, const NodeProto& n, Values inputs, const Attributes& attributes,
                    int64_t version);
  Values inlined(const FunctionProto& f, const Values& inputs, const Attributes& attributes);
  Values if_node(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s);
  Values loop(const Values& inputs, const Attributes& attributes, Scope& s);
  Values scan(const Values& inputs, const Attributes& attributes, Scope& s, int batch);
  Values scan_by_batch(const Values& inputs, const Attributes& attributes, Scope& s);
  Values sequence_map(const Values& inputs, const Attributes& attributes, Scope& s);
  Values flex_attention(const Values& inputs, const Attributes& attributes, Scope& s);
  Values gradient(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s);
  void note_elems(const NodeProto& n, const Values& inputs, const Values& outputs, const Attributes& attributes);
  void note_ranks(const NodeProto& n, const Values& inputs, const Values& outputs, const Attributes& attributes);

  SugaredPtr attribute_value(const Attribute& a);
  SugaredPtr call_helper(const char* name, std::vector<SugaredPtr> args);
  Value* helper(const char* name, std::vector<SugaredPtr> args) { return value_of(call_helper(name, std::move(args))); }
  Value* value_of(const SugaredPtr& v);
  Value* constant(IValue v, TypePtr type = nullptr) { return lowering_.constant(here_, std::move(v), std::move(type)); }
  Value* optional(Value* v, const TypePtr& type);
  TypePtr type_of(const TypeProto& t);
  int elem_of(const TypeProto& t);
  static const Attribute* find_attribute(const Attributes& all, Text name);
  const GraphProto& graph_of(const Attributes& all, const char* name);
  std::vector<int64_t> ints_of(const Attributes& all, const char* name);
  std::string described(const NodeProto& n);
  // A loop of `trips` rounds; `round` gets its number and what is carried, and gives the condition (null: on) and what is carried on.
  Values emit_loop(Value* trips, Value* condition, const Values& carried, const std::vector<TypePtr>& types,
                   const std::function<Value*(Value* i, const Values& in, Values& out)>& round);

  const ModelProto& model_;
  TensorReader& reader_;
  std::shared_ptr<graph::Graph> graph_ = std::make_shared<graph::Graph>();
  std::shared_ptr<Names> names_ = std::make_shared<Names>();
  script::Lowering lowering_{*graph_, *names_};
  script::Range here_;  // the node at hand, for errors
  Frame top_;
  Frame* frame_ = &top_;
  const std::vector<NodeProto>* around_ = nullptr;  // the nodes of the graph at hand
  int64_t looks_ = 0;                               // at nodes, for gradients
  Value* self_ = nullptr;
  int graphs_ = 0;
};

}  // namespace rushlight::onnx
