// The intermediate representation that every front end lowers to: SSA values, nodes, and blocks for control flow; typed, with places in the source.
//
//   prim::If(cond) has two blocks without inputs; their outputs are the node's.
//   prim::Loop(max_trip, cond, carried...) has one block: inputs (i, carried...), outputs (cond, carried...).
//
// Ownership: a Graph owns its blocks, nodes and values; pointers into it stay good until destroy() or the graph's end.
// Thread safety: a graph that nobody changes may be read at once.
#pragma once
#include <atomic>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rushlight/core/ivalue.h"
#include "rushlight/dispatch/op.h"

namespace rushlight::graph {

class Graph;
class Block;
class Node;
class Value;
class ClassType;

// An operator on values that are no tensors (len, int addition, list append, ...); see executor/primitives.
struct Primitive {
  Schema schema;
  void (*run)(IValue* args, IValue* rets);
};

// Of a text that was written from another: the place there, marked as in a Location's snippet; empty where none is known.
struct Origins {
  virtual ~Origins() = default;
  virtual std::string snippet(size_t at) const = 0;
};

// Where a node came from.
struct Location {
  std::string file;
  int line = 0, column = 0;
  std::string snippet;                               // the source around it, marked; for errors
  std::string function;                              // that the text is in
  std::shared_ptr<const Location> caller;            // where the call stands whose body this was, before it was inlined
  std::shared_ptr<const Origins> origins = nullptr;  // of an archive's text,
  size_t at = 0;                                     // in which the node stands here
  // The snippets of the calls around and its own, the outermost first.
  std::string stack() const;
  // The same of the lines that they were written from; empty where that is known of none.
  std::string original_stack() const;
};

struct Use {
  Node* user;
  size_t index;
};

// What is known of a tensor value: filled in by tracing and by tools, which may know a part; printed, and read by passes. A negative size is
// a symbol, the same number wherever it comes again; -1 is any.
struct TensorFacts {
  std::optional<DType> dtype;
  std::optional<Dims> sizes, strides;
  std::optional<bool> requires_grad;
  std::optional<Device> device;
};

class Value {
 public:
  const TypePtr& type() const { return type_; }
  Value* set_type(TypePtr t) {
    type_ = std::move(t);
    return this;
  }
  Node* node() const { return node_; }  // who makes it; the block's parameter node for inputs
  size_t index() const { return index_; }
  const std::vector<Use>& uses() const { return uses_; }
  bool has_uses() const { return !uses_.empty(); }
  // A name to print, made unique in the graph: "x", "x.1".
  Value* set_name(const std::string& name);
  const std::string& name() const { return name_; }  // empty: a number is printed
  void replace_all_uses_with(Value* other);
  // Those uses that `which` is true of. True if there was one.
  bool replace_uses_with(Value* other, const std::function<bool(const Use&)>& which);
  std::shared_ptr<TensorFacts> facts;

 private:
  friend class Node;
  friend class Graph;
  friend class Block;
  Node* node_ = nullptr;
  size_t index_ = 0;
  std::vector<Use> uses_;
  TypePtr type_;
  std::string name_;
};

class Node {
 public:
  const std::string& kind() const { return kind_; }  // "aten::add", "prim::If"
  bool is(const char* kind) const { return kind_ == kind; }
  const std::vector<Value*>& inputs() const { return inputs_; }
  const std::vector<Value*>& outputs() const { return outputs_; }
  Value* input(size_t i = 0) const { return inputs_[i]; }
  Value* output(size_t i = 0) const { return outputs_[i]; }
  const std::vector<Block*>& blocks() const { return blocks_; }
  Block* owner() const { return owner_; }
  Graph* graph() const { return graph_; }

  // The operator it calls, once resolved; null for control flow and structure.
  const Op* op = nullptr;
  const Primitive* primitive = nullptr;
  const Schema* schema() const { return op ? &op->schema() : primitive ? &primitive->schema : nullptr; }
  Location location;

  // Attributes: "value" of prim::Constant, "name" of prim::GetAttr.
  const IValue& attribute(const std::string& name) const;
  bool has_attribute(const std::string& name) const { return attributes_.contains(name); }
  Node* set_attribute(const std::string& name, IValue v) {
    attributes_[name] = std::move(v);
    return this;
  }
  const std::map<std::string, IValue>& attributes() const { return attributes_; }

  Value* add_input(Value* v);
  void replace_input(size_t i, Value* v);
  void remove_input(size_t i);
  void remove_all_inputs();
  Value* add_output(TypePtr type = Type::tensor());
  // REQUIRES: the output has no uses.
  void remove_output(size_t i);
  Block* add_block();

  Node* next() const { return next_; }
  Node* previous() const { return previous_; }
  Node* insert_before(Node* place);
  Node* insert_after(Node* place);
  Node* move_before(Node* place);
  // REQUIRES: no output has uses.
  void destroy();
  // True if a is somewhere before b in the same block.
  bool is_before(const Node* b) const;

 private:
  friend class Graph;
  friend class Block;
  friend class Value;
  void unlink();
  void drop_use(size_t i);
  std::string kind_;
  std::vector<Value*> inputs_, outputs_;
  std::vector<Block*> blocks_;
  std::map<std::string, IValue> attributes_;
  Block* owner_ = nullptr;
  Graph* graph_ = nullptr;
  Node *next_ = nullptr, *previous_ = nullptr;
  static constexpr int64_t kGap = 1 << 16;
  int64_t place_ = 0;  // rises along a block, in steps of kGap where nothing was put between
};

// A run of nodes between a parameter node (whose outputs are the block's inputs) and a return node (whose inputs are its outputs).
class Block {
 public:
  const std::vector<Value*>& inputs() const { return param_->outputs(); }
  const std::vector<Value*>& outputs() const { return return_->inputs(); }
  Value* add_input(TypePtr type = Type::tensor()) { return param_->add_output(std::move(type)); }
  size_t register_output(Value* v) { return return_->add_input(v), outputs().size() - 1; }
  Node* owner() const { return owner_; }  // null for a graph's top block
  Graph* graph() const { return param_->graph(); }
  Node* param() const { return param_; }
  Node* ret() const { return return_; }
  Node* first() const { return param_->next(); }  // == ret() for an empty block
  Node* append(Node* n) { return n->insert_before(return_); }

  // for (Node* n : *block): safe against destroying the node at hand.
  class Iterator {
   public:
    Iterator(Node* n) : at_(n), next_(n->next()) {}
    Node* operator*() const { return at_; }
    Iterator& operator++() {
      at_ = next_;
      next_ = at_->next();
      return *this;
    }
    bool operator!=(const Iterator& o) const { return at_ != o.at_; }

   private:
    Node *at_, *next_;
  };
  Iterator begin() const { return first(); }
  Iterator end() const { return return_; }

 private:
  friend class Graph;
  friend class Node;
  void number();
  Node *param_ = nullptr, *return_ = nullptr, *owner_ = nullptr;
};

class Graph {
 public:
  Graph();
  Graph(const Graph&) = delete;

  Block* block() const { return top_; }
  const std::vector<Value*>& inputs() const { return top_->inputs(); }
  const std::vector<Value*>& outputs() const { return top_->outputs(); }
  Value* add_input(const std::string& name = {}, TypePtr type = Type::tensor());
  size_t register_output(Value* v) { return top_->register_output(v); }

  // A node that stands nowhere yet.
  Node* create(const std::string& kind, const std::vector<Value*>& inputs = {}, size_t outputs = 1);
  // Inserts before the insert point: the end of a block, or before a node.
  Node* insert(Node* n) { return n->insert_before(point_); }
  Node* insert_new(const std::string& kind, const std::vector<Value*>& inputs = {}, size_t outputs = 1) {
    return insert(create(kind, inputs, outputs));
  }
  // A node as n, of any graph, over other inputs; the outputs and blocks are the caller's to add.
  Node* insert_like(const Node& n, const std::vector<Value*>& inputs);
  Value* insert_constant(IValue v, TypePtr type = nullptr);
  void set_insert_point(Node* before) { point_ = before; }
  void set_insert_point(Block* at_end_of) { point_ = at_end_of->ret(); }
  Node* insert_point() const { return point_; }

  // Copies nodes of another graph's (or this one's) block here, at the insert point; `inputs` stand for its inputs. Returns what stands for its outputs.
  // `call`: where the call stands that the copy replaces.
  std::vector<Value*> inline_block(const Block& from, const std::vector<Value*>& inputs,
                                   std::shared_ptr<const Location> call = nullptr);
  std::shared_ptr<Graph> copy() const;
  // Nodes made so far, destroyed ones too: what the graph costs.
  size_t size() const { return nodes_.size(); }

  // PyTorch's text: "graph(%x : Tensor):\n  %1 : ... = aten::relu(%x) # file:line:col\n  return (%1)\n".
  std::string text(bool locations = true) const;
  // What text() calls a value of this graph: its name without the %.
  std::string name_of(const Value* v) const;
  // Throws RuntimeError where a node has not the inputs, outputs and blocks that its kind needs: text and tools may say anything.
  void check() const;
  // Throws InternalError where uses, owners and scopes don't fit together.
  void lint() const;

 private:
  friend class Node;
  friend class Block;
  friend class Value;
  Value* new_value(Node* node, TypePtr type);
  Block* new_block(Node* owner);
  std::string unique_name(const std::string& wanted);
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Value>> values_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::map<std::string, int> names_;
  Block* top_ = nullptr;
  Node* point_ = nullptr;
};

// No front end makes a larger graph, and inlining stops before it: a small text may call and branch its way to any number of nodes.
constexpr size_t kMaxNodes = 300'000;

// Insert somewhere for a scope.
class InsertPoint {
 public:
  template <class Place>
  InsertPoint(Graph& g, Place* place) : graph_(g), old_(g.insert_point()) {
    g.set_insert_point(place);
  }
  ~InsertPoint() { graph_.set_insert_point(old_); }
  InsertPoint(const InsertPoint&) = delete;

 private:
  Graph& graph_;
  Node* old_;
};

// The value of a prim::Constant; null for other values.
const IValue* constant_of(const Value* v);

// A compiled function: what it is called with, and its graph.
// Thread safety: made() and executable() may be called at once. They take a lock of the process only until the function is compiled; a
// caller that holds Python's lock lets go of it before, since compiling may ask for it.
class Executable;
struct Function {
  std::string name;  // "forward"
  Schema schema;     // names, types and defaults of arguments; `self` first for methods
  std::shared_ptr<Graph> graph;
  bool is_abstract = false;            // a method of an interface: a schema, and never a graph
  std::shared_ptr<const void> origin;  // of a function from an archive, its script::Original
  // Makes schema and graph at the first use. Empty once it has; kept when it throws, so that each use fails alike.
  std::function<void(Function&)> compile;

  // Null while this very function is being compiled: it calls itself.
  const std::shared_ptr<Graph>& made() { return is_made() ? graph : make(); }
  bool is_made() const { return made_.load(std::memory_order_acquire); }
  // What a call with these arguments runs: the optimised graph as a program. No argument: what most calls will.
  const Executable& executable(const IValue* self = nullptr);

 private:
  struct Programs;
  const std::shared_ptr<Graph>& make();
  Programs& make_programs();
  std::shared_ptr<Programs> programs_;
  std::atomic<Programs*> ready_ = nullptr;
  std::atomic<bool> made_ = false;
  bool making_ = false;
};

// A class of a script: typed slots, constants and methods.
//
// Note [Who keeps a class]: its objects do, and classes with slots of it. Its own methods, which it holds, have it in their graphs: there a
// module's class is named without being kept (unowned), or neither would ever go. That is safe since no value but the module itself
// has that type: a module can't be made or put into a list by a script.
class ClassType final : public Type, public std::enable_shared_from_this<ClassType> {
 public:
  struct Slot {
    std::string name;
    TypePtr type;
    bool is_parameter = false, is_buffer = false;
  };
  explicit ClassType(std::string name, bool module) : Type(Kind::Class, {}, std::move(name)), is_module(module) {
    live_.fetch_add(1, std::memory_order_relaxed);
  }
  ~ClassType() override { live_.fetch_sub(1, std::memory_order_relaxed); }
  // How many there are.
  static int64_t live() { return live_.load(std::memory_order_relaxed); }
  // See Note [Who keeps a class]. REQUIRES: what gets it is held by the class. Other classes than modules' are kept all the same.
  TypePtr unowned() const { return is_module ? TypePtr(TypePtr(), this) : shared_from_this(); }
  int find_slot(const std::string& name) const;
  size_t add_slot(std::string name, TypePtr type, bool parameter = false, bool buffer = false);
  Function* find_method(const std::string& name) const;
  std::shared_ptr<Function> add_method(std::shared_ptr<Function> f);
  // True of an interface, and a class that has all of its methods.
  bool is_implemented_by(const TypePtr& t) const;

  std::vector<Slot> slots;
  std::map<std::string, IValue> constants;
  std::vector<std::shared_ptr<Function>> methods;
  std::vector<std::string> pre_hooks, hooks;            // methods that run before and after forward
  std::vector<std::pair<std::string, IValue>> members;  // of an enum, in order
  bool is_module, is_interface = false, is_enum = false;
  bool open = false;  // its __init__ is being compiled, whose assignments make slots

 private:
  static std::atomic<int64_t> live_;
};
// True of List[Net] and the like.
bool holds_module(const Type& t);
// An enum's class: members are objects with `name` and `value`, one for each name.
std::shared_ptr<ClassType> make_enum(std::string name, std::vector<std::pair<std::string, IValue>> members);
// A type as an attribute of a node, for those that text can't say: "held" of prim::isinstance.
struct HeldType final : RefCounted {
  explicit HeldType(TypePtr t) : type(std::move(t)) {}
  TypePtr type;
};
TypePtr tested_type(const Node& isinstance);
// The ClassType behind a type; null if it is no class.
const ClassType* as_class(const TypePtr& t);
std::shared_ptr<ClassType> as_class_shared(const TypePtr& t);

}  // namespace rushlight::graph
