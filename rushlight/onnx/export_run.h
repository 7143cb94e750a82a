// The exporter at work: a graph, node by node, as nodes of ONNX. Its parts stand by topic: export.cpp follows the graph, export_control.cpp writes If
// and Loop, export_sequences.cpp lists that grow there, export_calls.cpp an operator's call, export_parts.cpp what a composite calls, export_writes.cpp writes to tensors.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "rushlight/graph/ir.h"
#include "rushlight/onnx/exporter.h"
#include "rushlight/script/import.h"

namespace rushlight::onnx {

class Run {
 public:
  Run(const ExportOptions& o, const Ref<ObjectValue>& self) : e(o), self_(self), sizes_known_(o.dynamic_axes.empty()) {}
  std::string model(graph::Graph& g, std::vector<IValue> args);

 private:
  using Knowns = std::vector<Known>;
  void block(const graph::Block& b);
  void node(graph::Node* n);
  void if_node(graph::Node* n);
  void loop(graph::Node* n);
  void written_loop(graph::Node* n);
  bool writes_outside(const graph::Block& b);
  // A list that grows in a graph which is being written: what it was, and the name of the sequence that it is before.
  struct Grown {
    graph::Value* list;
    Known before;
    Name name;
  };
  std::vector<Grown> growing(const std::vector<const graph::Block*>& blocks);
  void set_sequence(const Grown& g, const IValue& example, const Name& name);
  void write_sequence(const Grown& g, const Known& after);
  void on_sequence(graph::Node* n, const std::vector<Known*>& in);
  Known& get(graph::Value* v) {
    auto found = known_.find(v);
    RL_INVARIANT(found != known_.end(), "a value that is not known: %", v->name());
    return found->second;
  }
  void compute(graph::Node* n, const std::vector<Known*>& in, std::vector<Known>& out);
  void write(Call& c);
  void written_to(graph::Value* v, const Known& made);
  void again(graph::Value* v);
  void name_outputs(Call& c, const Names_& names);
  bool lifted(Call& c, const std::string& kind);
  bool by_text(Call& c, const std::string& kind);
  bool by_parts(Call& c);
  bool by_sizes(Call& c, std::shared_ptr<graph::Graph>& g);
  void sizes_of(const std::array<IValue, 3>& v, const Known& k, std::vector<ThreeNumbers>& sizes,
                std::vector<std::function<Name()>>& names);
  void expand(Call& c, std::shared_ptr<graph::Graph> g);
  // Whether a value was made in the graph of a branch or loop that is being written.
  bool is_local(const graph::Value* v) const {
    return !inside_ || v->node()->graph() != inside_->graph() || is_in(v, inside_);
  }
  static bool is_in(const graph::Value* v, const graph::Block* block) {
    for (const graph::Block* b = v->node()->owner(); b; b = b->owner() ? b->owner()->owner() : nullptr)
      if (b == block) return true;
    return false;
  }
  // While it lives, nodes are those of a graph inside of a node.
  class Inner {
   public:
    Inner(Run& run, const graph::Block* b) : run_(run), outside_(std::exchange(run.inside_, b)) {
      std::swap(nodes_, run.e.nodes);
    }
    ~Inner() {
      std::swap(nodes_, run_.e.nodes);
      run_.inside_ = outside_;
    }
    Inner(const Inner&) = delete;
    void write(io::wire::Writer& g, const char* name) {
      for (const std::string& made : run_.e.nodes) g.bytes(1, made);
      g.bytes(2, name);
    }

   private:
    Run& run_;
    const graph::Block* outside_;
    std::vector<std::string> nodes_;
  };
  void attribute(graph::Node* n);
  void flatten(const IValue& v, const std::string& name, Known& into, std::vector<Known*>& flat);

  Exporter e;
  Ref<ObjectValue> self_;
  bool sizes_known_;
  std::map<graph::Value*, Known> known_;
  std::map<graph::Value*, std::string> paths_;         // of modules: "layer1.0."
  std::map<const graph::Node*, Known> sized_;          // constants that stand for what the model computes of sizes
  std::set<graph::Value*> sequences_;                  // lists that are sequences by now
  std::vector<std::shared_ptr<graph::Graph>> graphs_;  // whose values are known
  const graph::Block* inside_ = nullptr;               // the branch or loop that is being written
  int depth_ = 0;
  bool lifting_ = false;
};

// A tensor, and what the model says of a value that comes in or goes out (export_nodes.cpp). `any_size`: sizes that `dynamic` doesn't name are named too.
void write_tensor(io::wire::Writer& w, const Name& name, const Tensor& tensor);
void write_info(io::wire::Writer& w, const Name& name, const IValue& v, const std::map<int64_t, std::string>* dynamic,
                bool any_size);

// Lists and tuples (export_lists.cpp).
// What a list or tuple is, of what its items are.
void gather(Known& k, const TypePtr& element);
// The tensors and numbers of a value, in order.
void leaves(Known& k, std::vector<Known*>& out);
// With items of its own all the way down.
Known own_copy(Known k);
// What lists and tuples are, of what their items are now.
void regather(Known& k, const TypePtr& type);

inline bool is_used(const Call& c, size_t i) { return c.out.size() == 1 || c.node->output(i)->has_uses(); }

}  // namespace rushlight::onnx
