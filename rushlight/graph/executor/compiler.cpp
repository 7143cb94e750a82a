// The compiler of programs: nodes of a graph to instructions over registers.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/dispatch/library.h"
#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/executor.h"
#include "rushlight/graph/executor/group.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/executor/quick.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {

static Quick quick_of(const Node& n) {
  static constexpr std::pair<const char*, Quick> names[] = {
      {"aten::add", Quick::Add},       {"aten::sub", Quick::Sub},
      {"aten::mul", Quick::Mul},       {"aten::floordiv", Quick::FloorDiv},
      {"aten::remainder", Quick::Mod}, {"aten::lt", Quick::Lt},
      {"aten::le", Quick::Le},         {"aten::gt", Quick::Gt},
      {"aten::ge", Quick::Ge},         {"aten::eq", Quick::Eq},
      {"aten::ne", Quick::Ne}};
  if (n.inputs().size() != 2 || n.outputs().size() != 1) return Quick::None;
  for (const Value* v : n.inputs())
    if (!v->type()->is(Type::Kind::Int) && !v->type()->is(Type::Kind::Float)) return Quick::None;
  for (auto [name, quick] : names)
    if (n.is(name)) return quick;
  return Quick::None;
}

// Cold: it runs once for a program, and small is better.
class Compiler {
 public:
  [[gnu::cold]] Compiler(Executable& e, const Block& body, const std::vector<Value*>& given) : e_(e) {
    for (Value* v : given) fresh(v);
    e_.inputs_ = uint32_t(given.size());
    block(body);
    auto& end = emit(Executable::Code::Move, body.ret());
    end.number = -1;  // the end of the program
    inputs(end, body.outputs());
    leave(end, body.outputs());
    e_.registers_ = next_;
    borrow_attributes();
    e_.single_ = is_single();
  }

 private:
  using C = Executable::Code;

  Executable::Instruction& emit(C code, const Node* n) {
    e_.program_.push_back({code});
    e_.program_.back().node = n;
    return e_.program_.back();
  }
  uint32_t fresh(const Value* v) { return where_[v] = next_++; }
  uint32_t place(const Value* v) {
    auto found = where_.find(v);
    if (found == where_.end() && v->node()->is("prim::Constant")) {  // of what is around a fork's body
      declare(v->node());
      found = where_.find(v);
    }
    RL_INVARIANT(found != where_.end(), "a value is used before it is made");
    return found->second;
  }
  void operands(uint32_t& start, uint32_t& count, const std::vector<uint32_t>& places) {
    start = uint32_t(e_.operands_.size());
    count = uint32_t(places.size());
    e_.operands_.insert(e_.operands_.end(), places.begin(), places.end());
  }
  [[gnu::cold]] void inputs(Executable::Instruction& i, const std::vector<Value*>& values) {
    std::vector<uint32_t> places;
    for (Value* v : values) places.push_back(place(v));
    operands(i.inputs, i.input_count, places);
  }
  void outputs(Executable::Instruction& i, const std::vector<uint32_t>& places) {
    operands(i.outputs, i.output_count, places);
  }
  [[gnu::cold]] void move(const std::vector<Value*>& from, const std::vector<uint32_t>& to, const Node* n) {
    if (from.empty()) return;
    auto& i = emit(C::Move, n);
    inputs(i, from);
    outputs(i, to);
    // In order, unless what comes later reads what was written before.
    const uint32_t* read = e_.operands_.data() + i.inputs;
    bool in_order = true;
    for (size_t k = 0; k < to.size(); k++)
      for (size_t later = k + 1; later < to.size(); later++) in_order &= read[later] != to[k];
    i.number = in_order;
  }

  // The node of block b in which a use of v (made in b) happens, however deep.
  static const Node* user_in(const Block& b, const Node* user) {
    while (user->owner() != &b) user = user->owner()->owner();
    return user;
  }
  // Numbers may stay in their registers.
  static bool holds_memory(const Type& t) {
    return !t.is(Type::Kind::Int) && !t.is(Type::Kind::Float) && !t.is(Type::Kind::Bool) && !t.is(Type::Kind::None);
  }
  // Registers whose values nothing needs after each node of a block.
  [[gnu::cold]] std::unordered_map<const Node*, std::vector<uint32_t>> last_uses(const Block& b) {
    std::unordered_map<const Node*, int> order;
    int at = 0;
    for (Node* n : b) order[n] = at++;
    std::unordered_map<const Node*, std::vector<uint32_t>> drops;
    for (Node* n : b) {
      if (n->is("prim::Constant")) continue;
      for (Value* v : n->outputs()) {
        const Node* last = n;
        bool returned = false;
        for (const Use& u : v->uses()) {
          if (u.user == b.ret()) returned = true;
          else if (const Node* user = user_in(b, u.user); order[user] > order[last]) last = user;
        }
        if (!returned && holds_memory(*v->type())) drops[last].push_back(place(v));
      }
    }
    return drops;
  }

  [[gnu::cold]] void block(const Block& b) {
    for (Node* n : b) declare(n);
    auto drops = last_uses(b);
    for (Node* n : b) {
      node(n);
      auto found = drops.find(n);
      if (found == drops.end()) continue;
      auto& i = emit(C::Drop, n);
      operands(i.outputs, i.output_count, found->second);
    }
  }

  [[gnu::cold]] void declare(Node* n) {
    if (n->is("prim::Constant")) {
      const IValue* v = constant_of(n->output());
      where_[n->output()] = Executable::kConstants + uint32_t(e_.constants_.size());
      e_.constants_.push_back(*v);
      return;
    }
    for (Value* v : n->outputs()) fresh(v);
  }

  [[gnu::cold]] void simple(C code, Node* n, int64_t number = 0, const void* what = nullptr, TypePtr type = nullptr) {
    auto& i = emit(code, n);
    i.number = number;
    i.what = what;
    i.type = std::move(type);
    inputs(i, n->inputs());
    std::vector<uint32_t> places;
    for (Value* v : n->outputs()) places.push_back(place(v));
    outputs(i, places);
  }

  [[gnu::cold]] void node(Node* n) {
    if (n->is("prim::Constant")) return;
    bool makes = n->is("prim::ListConstruct") || n->is("prim::DictConstruct") || n->is("prim::CreateObject") ||
                 (n->is("prim::TupleConstruct") && !n->output()->type()->name().empty());
    RL_CHECK(RuntimeError, !makes || !holds_module(*n->output()->type()), n->kind(), ": a script can't make a ",
             n->output()->type(), ": modules are not made, nor put into containers, by scripts");
    if (n->is("prim::If")) return if_node(n);
    if (n->is("prim::Loop")) return loop_node(n);
    if (n->is(kNetwork) || n->is(kPointwise)) return group_node(n);
    if (n->is("prim::fork") || n->is("prim::awaitable")) return fork_node(n);
    if (n->is("aten::wait") || n->is("prim::awaitable_wait")) return simple(C::Wait, n);
    if (n->is("prim::awaitable_nowait")) return simple(C::Fork, n, -1, nullptr, n->output()->type());
    if (n->is("aten::warn")) {
      auto& i = emit(C::Warn, n);
      inputs(i, n->inputs());
      return outputs(i, {next_++});  // whether it has warned, in this run
    }
    if (n->op) {
      operators_[n] = e_.program_.size();
      return simple(C::Operator, n, 0, n->op);
    }
    if (n->primitive) return simple(C::Primitive, n, int64_t(quick_of(*n)), n->primitive);
    if (n->is("prim::ListConstruct")) return simple(C::ListConstruct, n, 0, nullptr, n->output()->type()->element());
    if (n->is("prim::ListUnpack")) return simple(C::ListUnpack, n);
    if (n->is("prim::TupleConstruct")) return simple(C::TupleConstruct, n, 0, nullptr, n->output()->type());
    if (n->is("prim::TupleUnpack")) return simple(C::TupleUnpack, n);
    if (n->is("prim::TupleIndex")) return simple(C::TupleIndex, n);
    if (n->is("prim::DictConstruct")) return simple(C::DictConstruct, n, 0, nullptr, n->output()->type());
    if (n->is("prim::GetAttr") || n->is("prim::SetAttr")) {
      const ClassType* type = as_class(n->input()->type());
      std::string name(n->attribute("name").to_string());
      int slot = type ? type->find_slot(name) : -1;
      RL_CHECK(RuntimeError, slot >= 0, n->kind(), ": ", n->input()->type(), " has no attribute '", name, "'");
      return simple(n->is("prim::GetAttr") ? C::GetAttr : C::SetAttr, n, slot);
    }
    if (n->is("prim::CreateObject")) return simple(C::CreateObject, n, 0, nullptr, n->output()->type());
    if (n->is("prim::CallMethod")) {
      const ClassType* type = as_class(n->input()->type());
      Function* method = type ? type->find_method(std::string(n->attribute("name").to_string())) : nullptr;
      RL_CHECK(RuntimeError, method, "prim::CallMethod: ", n->input()->type(), " has no method '",
               n->attribute("name").to_string(), "'");
      return simple(method->is_abstract ? C::CallInterface : C::CallFunction, n, 0, method);
    }
    if (Function* f = called_function(*n)) {
      auto& i = emit(C::CallFunction, n);
      i.what = f;
      inputs(i, {n->inputs().begin() + 1, n->inputs().end()});
      outputs(i, {place(n->output())});
      return;
    }
    if (n->is("prim::Enter") || n->is("prim::Exit")) {
      const ClassType* type = n->inputs().empty() ? nullptr : as_class(n->input()->type());
      const char* name = n->is("prim::Enter") ? "__enter__" : "__exit__";
      Function* method = type ? type->find_method(name) : nullptr;
      RL_CHECK(RuntimeError, method, n->kind(), ": expected an object whose class has ", name, "()");
      return simple(n->is("prim::Enter") ? C::Enter : C::Exit, n, 0, method);
    }
    if (n->is("prim::RaiseException")) return simple(C::Raise, n);
    if (n->is("prim::Print")) return simple(C::Print, n);
    if (n->is("aten::format") || n->is("aten::percentFormat")) return simple(C::Format, n);
    if (n->is("prim::unchecked_cast") || n->is("prim::unchecked_unwrap_optional") || n->is("aten::_unwrap_optional"))
      return simple(C::Cast, n);
    if (n->is("prim::isinstance")) return simple(C::Is, n, 0, nullptr, tested_type(*n));
    if (n->is("prim::Uninitialized")) return simple(C::Uninitialized, n);
    if (resolve(n)) return node(n);
    std::string types;
    for (Value* v : n->inputs()) types += (types.empty() ? "" : ", ") + v->type()->text();
    throw RuntimeError(str("nothing runs the operator ", n->kind(), "(", types, ")", missing_operator(n->kind()),
                           n->location.snippet.empty() ? "" : ":\n", n->location.snippet));
  }

  // Whether `n` is an operator that may write over a result that is lent; it is told so.
  bool lends(const Node* n) {
    auto found = operators_.find(n);
    if (found == operators_.end()) return false;
    const Op& op = *n->op;
    bool lends = op.form() == Op::Form::Function && op.def().kernel.kind == Kernel::Kind::Structured;
    if (lends) e_.program_[found->second].number = 1;
    return lends;
  }

  [[gnu::cold]] void leave(Executable::Instruction& end, const std::vector<Value*>& results) {
    std::vector<uint32_t> how;
    for (const Value* v : results) {
      const Node* n = v->node();
      bool once = std::count(results.begin(), results.end(), v) == 1 && !constant_of(v);
      bool reused = once && n->owner() == n->graph()->block() && (n->is(kPointwise) || lends(n));
      how.push_back(reused ? Executable::kReused : once ? Executable::kMoved : Executable::kCopied);
      e_.reuses_ |= reused;
    }
    outputs(end, how);
  }

  std::vector<uint32_t> places(const std::vector<Value*>& values) {
    std::vector<uint32_t> out;
    for (Value* v : values) out.push_back(place(v));
    return out;
  }

  [[gnu::cold]] void if_node(Node* n) {
    auto& test = emit(C::JumpIfFalse, n);
    inputs(test, {n->input()});
    size_t test_at = e_.program_.size() - 1;
    block(*n->blocks()[0]);
    move(n->blocks()[0]->outputs(), places(n->outputs()), n);
    emit(C::Jump, n);
    size_t jump_at = e_.program_.size() - 1;
    e_.program_[test_at].number = int64_t(e_.program_.size());
    block(*n->blocks()[1]);
    move(n->blocks()[1]->outputs(), places(n->outputs()), n);
    e_.program_[jump_at].number = int64_t(e_.program_.size());
  }

  // Carried values live in the node's output registers; i and the condition in registers of their own.
  [[gnu::cold]] void loop_node(Node* n) {
    Block& body = *n->blocks()[0];
    uint32_t i = fresh(body.inputs()[0]), condition;
    std::vector<uint32_t> carried = places(n->outputs());
    for (size_t k = 0; k < carried.size(); k++) where_[body.inputs()[k + 1]] = carried[k];
    std::vector<Value*> start(n->inputs().begin() + 1, n->inputs().end()), again = body.outputs();
    std::vector<uint32_t> to = carried;
    auto is_true = [](const Value* v) {
      const IValue* c = constant_of(v);
      return c && c->is_bool() && c->to_bool();
    };
    if (is_true(start[0]) && is_true(again[0])) {  // a `for`
      condition = place(start[0]);
      start.erase(start.begin());
      again.erase(again.begin());
    } else {
      condition = next_++;
      to.insert(to.begin(), condition);
    }
    move(start, to, n);
    uint32_t zero = Executable::kConstants + uint32_t(e_.constants_.size());
    e_.constants_.emplace_back(int64_t(-1));
    auto& reset = emit(C::Move, n);
    operands(reset.inputs, reset.input_count, {zero});
    operands(reset.outputs, reset.output_count, {i});
    // i += 1; leave unless i < max_trip and condition.
    size_t test_at = e_.program_.size();
    auto& test = emit(C::LoopTest, n);
    operands(test.inputs, test.input_count, {i, place(n->input(0)), condition});
    operands(test.outputs, test.output_count, {i});
    block(body);
    move(again, to, n);
    emit(C::Jump, n).number = int64_t(test_at);
    e_.program_[test_at].number = int64_t(e_.program_.size());
  }

  // The nodes run one by one where the group can't.
  [[gnu::cold]] void group_node(Node* n) {
    std::shared_ptr<Group> group = n->is(kNetwork) ? make_network_group(*n) : make_pointwise_group(*n);
    size_t try_at = e_.program_.size();
    if (group) {
      simple(C::TryGroup, n, 0, group.get());
      e_.groups_.push_back(std::move(group));
    }
    block(*n->blocks()[0]);
    move(n->blocks()[0]->outputs(), places(n->outputs()), n);
    if (e_.program_.size() > try_at && e_.program_[try_at].code == C::TryGroup)
      e_.program_[try_at].number = int64_t(e_.program_.size());
  }

  // Values of around that the body reads, each once.
  [[gnu::cold]] static void captures(const Block& body, std::unordered_set<const Value*>& inside,
                                     std::vector<Value*>& out) {
    auto read = [&](Value* v) {
      if (!v->node()->is("prim::Constant") && inside.insert(v).second) out.push_back(v);
    };
    inside.insert(body.inputs().begin(), body.inputs().end());
    for (Node* n : body) {
      for (Value* v : n->inputs()) read(v);
      for (Block* b : n->blocks()) captures(*b, inside, out);
      inside.insert(n->outputs().begin(), n->outputs().end());
    }
    for (Value* v : body.outputs()) read(v);
  }
  [[gnu::cold]] void fork_node(Node* n) {
    std::unordered_set<const Value*> inside;
    std::vector<Value*> captured;
    captures(*n->blocks()[0], inside, captured);
    e_.forks_.push_back(std::shared_ptr<const Executable>(new Executable(e_, *n->blocks()[0], captured)));
    auto& i = emit(C::Fork, n);
    i.number = int64_t(e_.forks_.size()) - 1;
    i.type = n->output()->type();
    inputs(i, captured);
    outputs(i, {place(n->output())});
  }

  // A program that puts values into slots itself, or calls what may, would keep the old ones until it ends; it counts references.
  [[gnu::cold]] void borrow_attributes() {
    for (const auto& i : e_.program_)
      if (i.code == C::SetAttr || i.code == C::CallFunction || i.code == C::CallInterface || i.code == C::Enter ||
          i.code == C::Exit)
        return;
    for (auto& i : e_.program_)
      if (i.code == C::GetAttr &&
          (i.node->output()->type()->is(Type::Kind::Tensor) || i.node->output()->type()->is(Type::Kind::Class))) {
        i.code = C::BorrowAttr;
        e_.borrows_ = true;
      }
  }

  // An operator over inputs and constants whose results are the program's: what most records written in TorchScript come to.
  bool is_single() const {
    const auto& p = e_.program_;
    size_t n = p.size();
    if (n < 2 || n > 3 || p[0].code != C::Operator || (n == 3 && p[1].code != C::Drop)) return false;
    const auto &first = p[0], &end = p[n - 1];
    if (first.input_count > Executable::kSingleArgs || first.output_count != end.input_count) return false;
    return std::equal(e_.operands_.begin() + first.outputs, e_.operands_.begin() + first.outputs + first.output_count,
                      e_.operands_.begin() + end.inputs);
  }

  Executable& e_;
  std::unordered_map<const Value*, uint32_t> where_;
  std::unordered_map<const Node*, size_t> operators_;  // where they stand in the program
  uint32_t next_ = 0;
};

Executable::Executable(std::shared_ptr<Graph> graph, bool places) : graph_(std::move(graph)), places_(places) {
  Compiler(*this, *graph_->block(), graph_->inputs());
}

Executable::Executable(const Executable& around, const Block& body, const std::vector<Value*>& captured)
    : graph_(around.graph_), places_(around.places_) {
  Compiler(*this, body, captured);
}

}  // namespace rushlight::graph
