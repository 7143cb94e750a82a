// What a trace recorded inside of a module's call becomes a method of that module's class.
#include <algorithm>
#include <unordered_map>

#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

// The attributes that lead from a value that is none to v; `root` gets that value.
std::vector<std::string> path_of(const Value* v, const Value*& root) {
  std::vector<std::string> path;
  for (; v->node()->is("prim::GetAttr"); v = v->node()->input())
    path.emplace_back(v->node()->attribute("name").to_string());
  root = v;
  std::reverse(path.begin(), path.end());
  return path;
}

class Outline {
 public:
  explicit Outline(Node* call) : call_(call), block_(*call->blocks()[0]), body_(std::make_shared<Graph>()) {
    object_path_ = path_of(call->input(), object_root_);
  }

  // The calls in a block, and in the forks there.
  static void run_in(Block& b) {
    for (Node* n : b) {
      if (n->is("prim::TracedCall")) Outline(n).run();
      else
        for (Block* inner : n->blocks()) run_in(*inner);
    }
  }

 private:
  void run() {
    run_in(block_);
    for (Value* v : call_->inputs()) add_input(v);
    for (Node* n : block_) copy(n);
    for (Value* v : block_.outputs()) add_output(v);
    for (Node* n : block_)
      for (Value* v : n->outputs())
        if (used_outside(v)) add_output(v);
    auto made = std::make_shared<Function>();
    finish(*made);
    replace(*made);
    as_class_shared(call_->input()->type())->add_method(std::move(made));
    call_->destroy();
  }

  Value* add_input(Value* v) {
    bool self = arguments_.empty();
    Value* in = body_->add_input(self ? "self" : argument_name(*v), self ? as_class(v->type())->unowned() : v->type());
    in->facts = v->facts;
    arguments_.push_back(v);
    map_.emplace(v, in);
    return in;
  }
  // A name that Python could give an argument, "x" or "x1".
  std::string argument_name(const Value& v) const {
    std::string base = v.name().substr(0, v.name().find('.'));
    if (base.empty() || base == "self") base = str("argument_", arguments_.size());
    auto taken = [&](const std::string& name) {
      return std::any_of(body_->inputs().begin(), body_->inputs().end(), [&](Value* in) { return in->name() == name; });
    };
    std::string name = base;
    for (int i = 1; taken(name); i++) name = str(base, i);
    return name;
  }
  // A value of outside, as the method sees it.
  Value* inside(Value* v) {
    if (auto found = map_.find(v); found != map_.end()) return found->second;
    if (const IValue* c = constant_of(v)) {
      Value* fresh = body_->insert_constant(*c, v->type());
      fresh->facts = v->facts;
      return map_[v] = fresh;
    }
    const Value* root;
    std::vector<std::string> path = path_of(v, root);
    bool of_object = root == object_root_ && path.size() > object_path_.size() &&
                     std::equal(object_path_.begin(), object_path_.end(), path.begin());
    if (!of_object) return add_input(v);
    Node* n = body_->create("prim::GetAttr", {inside_parent(v)});
    n->set_attribute("name", path.back());
    n->output()->set_type(v->type());
    return map_[v] = body_->insert(n)->output();
  }
  Value* inside_parent(Value* v) {
    const Value* root;
    Value* parent = v->node()->input();
    return path_of(parent, root).size() == object_path_.size() ? body_->inputs()[0] : inside(parent);
  }

  // What the blocks of a node need from outside of the call, so that it stands before all of them.
  void bring_in(const Block& b) {
    for (Node* n : b) {
      for (Value* v : n->inputs())
        if (!is_inside(v->node()->owner())) inside(v);
      for (Block* inner : n->blocks()) bring_in(*inner);
    }
    for (Value* v : b.outputs())
      if (!is_inside(v->node()->owner())) inside(v);
  }
  void copy(Node* n) {
    for (Block* b : n->blocks()) bring_in(*b);
    std::vector<Value*> inputs;
    for (Value* v : n->inputs()) inputs.push_back(inside(v));
    Node* fresh = body_->insert_like(*n, inputs);
    for (Value* v : n->outputs()) same_as(v, fresh->add_output(v->type()));
    for (Block* b : n->blocks()) {
      Block* to = fresh->add_block();
      for (Value* v : b->inputs()) same_as(v, to->add_input(v->type()));
      InsertPoint here(*body_, to);
      for (Node* inner : *b) copy(inner);
      for (Value* v : b->outputs()) to->register_output(inside(v));
    }
  }
  void same_as(Value* v, Value* copy) {
    copy->facts = v->facts;
    map_[v] = copy;
  }

  bool is_inside(const Block* b) const {
    for (; b; b = b->owner() ? b->owner()->owner() : nullptr)
      if (b == &block_) return true;
    return false;
  }
  bool used_outside(const Value* v) const {
    return std::any_of(v->uses().begin(), v->uses().end(), [&](const Use& u) { return !is_inside(u.user->owner()); });
  }
  void add_output(Value* v) {
    if (std::find(results_.begin(), results_.end(), v) == results_.end()) results_.push_back(v);
  }

  void finish(Function& f) {
    const ClassType* type = as_class(call_->input()->type());
    f.name = "forward";
    for (int i = 1; type->find_method(f.name); i++) f.name = str("forward", i);  // called more than once
    std::vector<Value*> out;
    std::vector<TypePtr> types;
    for (Value* v : results_) {
      out.push_back(inside(v));
      types.push_back(v->type());
    }
    if (out.size() == 1) body_->register_output(out[0]);
    else if (out.empty()) body_->register_output(body_->insert_constant(IValue(), Type::none()));
    else body_->register_output(body_->insert_new("prim::TupleConstruct", out)->output()->set_type(Type::tuple(types)));
    eliminate_dead(*body_);
    auto argument = [](std::string name, TypePtr t) {
      Argument a;
      a.name = std::move(name);
      a.type_name = t->schema_text();
      a.type = std::move(t);
      return a;
    };
    f.schema.name = f.name;
    for (Value* v : body_->inputs()) f.schema.args.push_back(argument(v->name(), v->type()));
    f.schema.returns.push_back(argument("", body_->outputs()[0]->type()));
    f.graph = body_;
  }

  // The call, and its results where values of inside were used.
  void replace(const Function& f) {
    Graph& graph = *call_->graph();
    InsertPoint here(graph, call_);
    Node* n = graph.insert_new("prim::CallMethod", arguments_);
    n->set_attribute("name", f.name);
    n->output()->set_type(f.schema.returns[0].type);
    std::vector<Value*> out = {n->output()};
    if (results_.size() > 1) {
      Node* unpack = graph.insert_new("prim::TupleUnpack", out, 0);
      out.clear();
      for (Value* v : results_) out.push_back(unpack->add_output(v->type()));
    }
    for (size_t i = 0; i < results_.size(); i++) {
      if (results_[i]->node()->owner() != &block_) continue;  // an argument, handed back
      out[i]->facts = results_[i]->facts;
      results_[i]->replace_all_uses_with(out[i]);
    }
  }

  Node* call_;
  Block& block_;
  std::shared_ptr<Graph> body_;
  const Value* object_root_ = nullptr;
  std::vector<std::string> object_path_;
  std::vector<Value*> arguments_, results_;
  std::unordered_map<const Value*, Value*> map_;
};

}  // namespace

void outline_traced_calls(Graph& graph) { Outline::run_in(*graph.block()); }

}  // namespace rushlight::graph
