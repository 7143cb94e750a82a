#include "rushlight/graph/ir.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace rushlight::graph {

// ---- values ----

Value* Value::set_name(const std::string& name) {
  name_ = node_->graph()->unique_name(name);
  return this;
}

void Value::replace_all_uses_with(Value* other) {
  RL_INVARIANT(other != this);
  for (const Use& u : uses_) {
    u.user->inputs_[u.index] = other;
    other->uses_.push_back(u);
  }
  uses_.clear();
}
bool Value::replace_uses_with(Value* other, const std::function<bool(const Use&)>& which) {
  RL_INVARIANT(other != this);
  auto taken = std::stable_partition(uses_.begin(), uses_.end(), [&](const Use& u) { return !which(u); });
  if (taken == uses_.end()) return false;
  for (auto u = taken; u != uses_.end(); ++u) {
    u->user->inputs_[u->index] = other;
    other->uses_.push_back(*u);
  }
  uses_.erase(taken, uses_.end());
  return true;
}

// ---- nodes ----

// The place of a block's return node while the places of its nodes say nothing.
static constexpr int64_t kUnnumbered = -1;

const IValue& Node::attribute(const std::string& name) const {
  auto found = attributes_.find(name);
  RL_INVARIANT(found != attributes_.end(), kind_, " has no attribute ", name);
  return found->second;
}

Value* Node::add_input(Value* v) {
  inputs_.push_back(v);
  v->uses_.push_back({this, inputs_.size() - 1});
  return v;
}
void Node::drop_use(size_t i) {
  auto& uses = inputs_[i]->uses_;
  uses.erase(std::find_if(uses.begin(), uses.end(), [&](const Use& u) { return u.user == this && u.index == i; }));
}
void Node::replace_input(size_t i, Value* v) {
  drop_use(i);
  inputs_[i] = v;
  v->uses_.push_back({this, i});
}
void Node::remove_input(size_t i) {
  drop_use(i);
  for (size_t k = i + 1; k < inputs_.size(); k++)
    for (Use& u : inputs_[k]->uses_)
      if (u.user == this && u.index == k) u.index--;
  inputs_.erase(inputs_.begin() + int64_t(i));
}
void Node::remove_all_inputs() {
  while (!inputs_.empty()) remove_input(inputs_.size() - 1);
}
Value* Node::add_output(TypePtr type) {
  Value* v = graph_->new_value(this, std::move(type));
  v->index_ = outputs_.size();
  outputs_.push_back(v);
  return v;
}
void Node::remove_output(size_t i) {
  RL_INVARIANT(!outputs_[i]->has_uses());
  outputs_.erase(outputs_.begin() + int64_t(i));
  for (size_t k = i; k < outputs_.size(); k++) outputs_[k]->index_ = k;
}
Block* Node::add_block() {
  blocks_.push_back(graph_->new_block(this));
  return blocks_.back();
}

void Node::unlink() {
  if (previous_) previous_->next_ = next_;
  if (next_) next_->previous_ = previous_;
  previous_ = next_ = nullptr;
  owner_ = nullptr;
}
Node* Node::insert_before(Node* place) {
  owner_ = place->owner_;
  next_ = place;
  previous_ = place->previous_;
  if (previous_) previous_->next_ = this;
  place->previous_ = this;
  if (!previous_ || !owner_ || owner_->return_->place_ == kUnnumbered) return this;
  const int64_t after = previous_->place_;
  if (place == owner_->return_) {
    place_ = after + kGap;
    place->place_ = place_ + kGap;
  } else if (place->place_ - after > 1) {
    place_ = after + (place->place_ - after) / 2;
  } else {
    owner_->return_->place_ = kUnnumbered;  // many come here, one after the other: the next question numbers them
  }
  return this;
}
Node* Node::insert_after(Node* place) { return insert_before(place->next_); }
Node* Node::move_before(Node* place) {
  unlink();
  return insert_before(place);
}
void Node::destroy() {
  for (Value* v : outputs_) RL_INVARIANT(!v->has_uses(), kind_, " is still used");
  for (Block* b : blocks_) {
    b->return_->remove_all_inputs();
    for (Node* n = b->return_->previous_; n != b->param_;) {
      Node* before = n->previous_;
      n->destroy();
      n = before;
    }
  }
  remove_all_inputs();
  unlink();
}
bool Node::is_before(const Node* b) const {
  if (!owner_ || owner_ != b->owner_) return false;
  if (owner_->return_->place_ == kUnnumbered) owner_->number();
  return place_ < b->place_;
}

void Block::number() {
  int64_t at = 0;
  for (Node* n = param_; n; n = n->next_) n->place_ = at += Node::kGap;
}

// ---- graphs ----

Graph::Graph() {
  top_ = new_block(nullptr);
  point_ = top_->return_;
}

Block* Graph::new_block(Node* owner) {
  blocks_.push_back(std::make_unique<Block>());
  Block* b = blocks_.back().get();
  b->owner_ = owner;
  b->param_ = create("prim::Param", {}, 0);
  b->return_ = create("prim::Return", {}, 0);
  b->param_->owner_ = b->return_->owner_ = b;
  b->param_->next_ = b->return_;
  b->return_->previous_ = b->param_;
  b->number();
  return b;
}

Value* Graph::new_value(Node* node, TypePtr type) {
  values_.push_back(std::make_unique<Value>());
  Value* v = values_.back().get();
  v->node_ = node;
  v->type_ = std::move(type);
  return v;
}

Node* Graph::create(const std::string& kind, const std::vector<Value*>& inputs, size_t outputs) {
  nodes_.push_back(std::make_unique<Node>());
  Node* n = nodes_.back().get();
  n->kind_ = kind;
  n->graph_ = this;
  for (Value* v : inputs) n->add_input(v);
  for (size_t i = 0; i < outputs; i++) n->add_output();
  return n;
}

Value* Graph::add_input(const std::string& name, TypePtr type) {
  Value* v = top_->add_input(std::move(type));
  if (!name.empty()) v->set_name(name);
  return v;
}

Node* Graph::insert_like(const Node& n, const std::vector<Value*>& inputs) {
  Node* made = insert_new(n.kind(), inputs, 0);
  made->op = n.op;
  made->primitive = n.primitive;
  made->location = n.location;
  for (const auto& [name, v] : n.attributes()) made->set_attribute(name, v);
  return made;
}

Value* Graph::insert_constant(IValue v, TypePtr type) {
  Node* n = insert_new("prim::Constant");
  n->output()->set_type(type ? type : v.type());
  if (!v.is_none()) n->set_attribute("value", std::move(v));
  return n->output();
}

std::string Graph::unique_name(const std::string& wanted) {
  std::string base = wanted;
  size_t dot = base.rfind('.');
  if (dot != std::string::npos && dot + 1 < base.size() &&
      base.find_first_not_of("0123456789", dot + 1) == std::string::npos)
    base.resize(dot);
  if (!names_.contains(wanted)) return names_.emplace(wanted, 1), wanted;
  for (;;) {
    std::string name = str(base, ".", names_[base]++);
    if (names_.emplace(name, 1).second) return name;
  }
}

namespace {

using ValueMap = std::unordered_map<const Value*, Value*>;

// Values that the block takes from around it stand for themselves; that is right only within one graph.
Value* mapped(const Graph& to, const ValueMap& map, Value* v) {
  auto found = map.find(v);
  if (found != map.end()) return found->second;
  RL_INVARIANT(v->node()->graph() == &to, "a block to copy uses a value of another graph");
  return v;
}

// The places of nodes that are copied to where a call stands: each gets the call behind the calls that it is in already.
class CalledFrom {
 public:
  explicit CalledFrom(std::shared_ptr<const Location> call) : call_(std::move(call)) {}
  void add_to(Location& l) {
    if (call_ && !l.snippet.empty()) l.caller = after(l.caller);
  }

 private:
  std::shared_ptr<const Location> after(const std::shared_ptr<const Location>& caller) {
    if (!caller) return call_;
    std::shared_ptr<const Location>& known = done_[caller.get()];
    if (!known) {
      auto copy = std::make_shared<Location>(*caller);
      copy->caller = after(caller->caller);
      known = copy;
    }
    return known;
  }
  std::shared_ptr<const Location> call_;
  std::unordered_map<const Location*, std::shared_ptr<const Location>> done_;
};

void copy_nodes(Graph& to, const Block& from, ValueMap& map, CalledFrom& places) {
  for (Node* n : from) {
    std::vector<Value*> inputs;
    for (Value* v : n->inputs()) inputs.push_back(mapped(to, map, v));
    Node* fresh = to.insert_like(*n, inputs);
    places.add_to(fresh->location);
    for (Value* v : n->outputs()) {
      Value* out = fresh->add_output(v->type());
      out->facts = v->facts;
      if (!v->name().empty()) out->set_name(v->name());
      map[v] = out;
    }
    for (Block* b : n->blocks()) {
      Block* inner = fresh->add_block();
      for (Value* v : b->inputs()) {
        Value* in = inner->add_input(v->type());
        if (!v->name().empty()) in->set_name(v->name());
        map[v] = in;
      }
      InsertPoint at(to, inner);
      copy_nodes(to, *b, map, places);
      for (Value* v : b->outputs()) inner->register_output(mapped(to, map, v));
    }
  }
}

}  // namespace

static std::string frame_of(std::string snippet, const Location& l) {
  size_t end = snippet.find('\n');
  if (!l.function.empty() && snippet.starts_with("  File ") && end != std::string::npos)
    snippet.insert(end, ", in " + l.function);
  return snippet;
}

std::string Location::stack() const {
  std::string out;
  for (const Location* l = this; l; l = l->caller.get()) out.insert(0, frame_of(l->snippet, *l));
  return out;
}

std::string Location::original_stack() const {
  std::string out;
  bool known = false;
  for (const Location* l = this; l; l = l->caller.get()) {
    std::string original = l->origins ? l->origins->snippet(l->at) : "";
    known |= !original.empty();
    out.insert(0, frame_of(original.empty() ? l->snippet : original, *l));
  }
  return known ? out : "";
}

std::vector<Value*> Graph::inline_block(const Block& from, const std::vector<Value*>& inputs,
                                        std::shared_ptr<const Location> call) {
  RL_INVARIANT(inputs.size() == from.inputs().size());
  ValueMap map;
  for (size_t i = 0; i < inputs.size(); i++) map[from.inputs()[i]] = inputs[i];
  CalledFrom places(std::move(call));
  copy_nodes(*this, from, map, places);
  std::vector<Value*> out;
  for (Value* v : from.outputs()) out.push_back(mapped(*this, map, v));
  return out;
}

std::shared_ptr<Graph> Graph::copy() const {
  auto fresh = std::make_shared<Graph>();
  std::vector<Value*> inputs;
  for (Value* v : this->inputs()) {
    inputs.push_back(fresh->add_input(v->name(), v->type()));
    inputs.back()->facts = v->facts;
  }
  for (Value* v : fresh->inline_block(*top_, inputs)) fresh->register_output(v);
  return fresh;
}

void Graph::lint() const {
  std::unordered_set<const Value*> seen;
  auto check = [&](auto&& self, const Block& b) -> void {
    std::vector<const Value*> scope;
    auto define = [&](const Value* v) {
      RL_INVARIANT(seen.insert(v).second, "a value is made twice");
      scope.push_back(v);
    };
    auto use = [&](const Node* n) {
      for (size_t i = 0; i < n->inputs().size(); i++) {
        const Value* v = n->inputs()[i];
        RL_INVARIANT(seen.contains(v), n->kind(), " uses a value before it is made");
        RL_INVARIANT(
            std::any_of(v->uses().begin(), v->uses().end(), [&](const Use& u) { return u.user == n && u.index == i; }),
            n->kind(), " is missing from a use list");
      }
    };
    for (Value* v : b.inputs()) define(v);
    for (Node* n : b) {
      RL_INVARIANT(n->owner() == &b);
      use(n);
      for (Block* inner : n->blocks()) self(self, *inner);
      for (Value* v : n->outputs()) define(v);
    }
    use(b.ret());
    for (const Value* v : scope) seen.erase(v);
  };
  check(check, *top_);
}

const IValue* constant_of(const Value* v) {
  static const IValue none;
  if (!v->node()->is("prim::Constant")) return nullptr;
  return v->node()->has_attribute("value") ? &v->node()->attribute("value") : &none;
}

// ---- classes ----

std::atomic<int64_t> ClassType::live_{0};

bool holds_module(const Type& t) {
  if (t.is(Type::Kind::Class)) return static_cast<const ClassType&>(t).is_module;
  return std::any_of(t.contained().begin(), t.contained().end(), [](const TypePtr& c) { return holds_module(*c); });
}

int ClassType::find_slot(const std::string& name) const {
  for (size_t i = 0; i < slots.size(); i++)
    if (slots[i].name == name) return int(i);
  return -1;
}
size_t ClassType::add_slot(std::string name, TypePtr type, bool parameter, bool buffer) {
  RL_INVARIANT(find_slot(name) < 0, "two slots named ", name);
  slots.push_back({std::move(name), std::move(type), parameter, buffer});
  return slots.size() - 1;
}
Function* ClassType::find_method(const std::string& name) const {
  for (const auto& f : methods)
    if (f->name == name) return f.get();
  return nullptr;
}
std::shared_ptr<Function> ClassType::add_method(std::shared_ptr<Function> f) {
  return methods.emplace_back(std::move(f));
}

TypePtr tested_type(const Node& n) {
  if (n.has_attribute("held")) return static_cast<HeldType*>(n.attribute("held").object())->type;
  return parse_schema_type(n.attribute("type").to_string());
}

std::shared_ptr<ClassType> make_enum(std::string name, std::vector<std::pair<std::string, IValue>> members) {
  auto type = std::make_shared<ClassType>(std::move(name), false);
  type->is_enum = true;
  type->add_slot("name", Type::string());
  type->add_slot("value", members.empty() ? Type::none() : members[0].second.type());
  for (auto& [member, value] : members) {
    RL_CHECK(RuntimeError, value.type()->equals(*type->slots[1].type), "enum ", type->name(),
             ": Could not unify type list: members must have values of one type, got ", type->slots[1].type, " and ",
             value.type());
    auto object = make_ref<ObjectValue>(type, 2);
    object->slots[0] = member;
    object->slots[1] = std::move(value);
    type->members.emplace_back(std::move(member), IValue(std::move(object)));
  }
  return type;
}

bool ClassType::is_implemented_by(const TypePtr& t) const {
  const ClassType* c = as_class(t);
  if (!is_interface || !c || (is_module && !c->is_module)) return false;
  return std::all_of(methods.begin(), methods.end(), [&](const auto& f) { return c->find_method(f->name); });
}

const ClassType* as_class(const TypePtr& t) {
  return t && t->is(Type::Kind::Class) ? dynamic_cast<const ClassType*>(t.get()) : nullptr;
}
std::shared_ptr<ClassType> as_class_shared(const TypePtr& t) {
  return std::const_pointer_cast<ClassType>(std::dynamic_pointer_cast<const ClassType>(t));
}

}  // namespace rushlight::graph
