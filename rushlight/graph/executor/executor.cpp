#include "rushlight/graph/executor/executor.h"

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/core/limits.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/graph/called_function.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/evaluation.h"
#include "rushlight/graph/executor/group.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/future.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {

constexpr size_t kSingleArgs = 12;

namespace {

// Primitives on two numbers of one kind that the loop computes itself, where the result is one; else, as for a sum that does not fit, the
// primitive does, and says what is wrong.
enum class Quick : int64_t { None, Add, Sub, Mul, FloorDiv, Mod, Lt, Le, Gt, Ge, Eq, Ne };
Quick quick_of(const Node& n) {
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

// As to = from; numbers take no call.
inline void assign(IValue& to, const IValue& from) {
  if (from.is_int()) to = IValue(from.to_int());
  else if (from.is_bool()) to = IValue(from.to_bool());
  else if (from.is_double()) to = IValue(from.to_double());
  else to = from;
}

}  // namespace

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
    if (n->op) return simple(C::Operator, n, 0, n->op);
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

  [[gnu::cold]] void leave(Executable::Instruction& end, const std::vector<Value*>& results) {
    std::vector<uint32_t> how;
    for (const Value* v : results) {
      const Node* n = v->node();
      bool once = std::count(results.begin(), results.end(), v) == 1 && !constant_of(v);
      bool reused = once && n->is(kPointwise) && n->owner() == n->graph()->block();
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
    if (first.input_count > kSingleArgs || first.output_count != end.input_count) return false;
    return std::equal(e_.operands_.begin() + first.outputs, e_.operands_.begin() + first.outputs + first.output_count,
                      e_.operands_.begin() + end.inputs);
  }

  Executable& e_;
  std::unordered_map<const Value*, uint32_t> where_;
  uint32_t next_ = 0;
};

Executable::Executable(std::shared_ptr<Graph> graph, bool places) : graph_(std::move(graph)), places_(places) {
  Compiler(*this, *graph_->block(), graph_->inputs());
}

Executable::Executable(const Executable& around, const Block& body, const std::vector<Value*>& captured)
    : graph_(around.graph_), places_(around.places_) {
  Compiler(*this, body, captured);
}

namespace {

constexpr size_t kFewArgs = 24;

// Registers of a call, from a stack that each thread keeps.
class Frame {
 public:
  explicit Frame(size_t n) {
    auto& s = stack();
    base_ = s.top;
    s.top += n;
    if (s.top > s.values.size()) {
      large_ = std::vector<IValue>(n);
      s.top = base_;
    }
    count_ = n;
  }
  ~Frame() {
    if (!large_.empty()) return;
    auto& s = stack();
    for (size_t i = base_; i < base_ + count_; i++) s.values[i] = IValue();
    s.top = base_;
  }
  IValue* registers() { return large_.empty() ? stack().values.data() + base_ : large_.data(); }

 private:
  struct Stack {
    std::vector<IValue> values = std::vector<IValue>(4096);
    size_t top = 0;
  };
  static Stack& stack() {
    static thread_local Stack s;
    return s;
  }
  size_t base_ = 0, count_ = 0;
  std::vector<IValue> large_;
};

inline IValue lent(const IValue& v) { return v.is_tensor() ? IValue::borrow(v.tensor()) : IValue::borrow(v); }

// An archive may say of a value that it is of a class it is not of.
IValue& slot(const IValue& object, int64_t at) {
  auto& slots = object.to_object().slots;
  RL_CHECK(RuntimeError, size_t(at) < slots.size(), "an object of another class than the script says");
  return slots[size_t(at)];
}

bool is_instance(const IValue& v, const Type& t) { return v.type()->is_subtype_of(t); }

// REQUIRES: e is being handled.
[[noreturn]] void rethrow_with_place(const Node* n, const Error& e) {
  if (e.kind() == ErrorKind::Internal) throw;
  static constexpr std::string_view title =
      "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent call "
      "last):\n";
  std::string text = e.text();
  if (n && !n->location.snippet.empty()) {
    std::string frames = n->location.stack();
    if (text.starts_with(title)) text.insert(title.size(), frames);  // this calls what has failed
    else
      text = str(title, frames,
                 dynamic_cast<const ScriptError*>(&e) ? ""
                 : e.kind() == ErrorKind::Key         ? "KeyError: "
                                                      : "RuntimeError: ",
                 text);
  }
  if (dynamic_cast<const ScriptError*>(&e)) throw ScriptError(text);
  if (e.kind() == ErrorKind::Index) throw IndexError(text);
  if (e.kind() == ErrorKind::Value) throw ValueError(text);
  if (e.kind() == ErrorKind::Memory) throw OutOfMemory(text);
  throw RuntimeError(text);
}

// What `raise` throws where it stands for an operator's own error; `name`: "builtins.ValueError".
[[noreturn]] void raise(std::string_view name, std::string text) {
  static constexpr std::pair<std::string_view, ErrorKind> kinds[] = {
      {"ValueError", ErrorKind::Value}, {"TypeError", ErrorKind::Type},
      {"IndexError", ErrorKind::Index}, {"NotImplementedError", ErrorKind::NotImplemented},
      {"KeyError", ErrorKind::Key},     {"AttributeError", ErrorKind::Attribute}};
  if (name.ends_with("AssertionError")) throw AssertionError(std::move(text));
  for (auto [builtin, kind] : kinds)
    if (name.ends_with(builtin)) throw Error(kind, std::move(text));
  throw RuntimeError(std::move(text));
}

}  // namespace

namespace {
// Scripts that call themselves, as methods of an interface can: an error before the thread's stack ends.
struct Depth {
  static constexpr int kMost = 500;
  static inline thread_local int now = 0;
  Depth() {
    RL_CHECK(RuntimeError, now < kMost, "RecursionError: scripts call one another more than ", kMost, " times deep");
    now++;
  }
  ~Depth() { now--; }
};
// What a script makes outside of tensors: large values are seen when they come.
bool is_large(const IValue& v) {
  constexpr size_t kLarge = 1 << 16;
  return v.is_string() ? v.to_string().size() > kLarge : v.is_any_list() && list_size(v) > kLarge;
}
}  // namespace

void Executable::step(const Instruction& i, IValue* registers) const {
  const uint32_t* in = operands_.data() + i.inputs;
  const uint32_t* out = operands_.data() + i.outputs;
  auto gather = [&] {
    std::vector<IValue> items;
    items.reserve(i.input_count);
    for (uint32_t k = 0; k < i.input_count; k++) items.push_back(read(in[k], registers));
    return items;
  };
  switch (i.code) {
    case Code::Operator: {
      Limits::check();
      // Room for 32 values costs more to clear than a small operator does to run.
      auto run_with = [&](IValue* args, IValue* rets) {
        for (uint32_t k = 0; k < i.input_count; k++) new (&args[k]) IValue(lent(read(in[k], registers)));
        call(*static_cast<const Op*>(i.what), args, rets);
        for (uint32_t k = 0; k < i.output_count; k++)
          registers[out[k]] = rets[k].is_borrowed() ? IValue(rets[k]) : std::move(rets[k]);
      };
      auto run = [&]<size_t kArgs, size_t kRets>(std::integral_constant<size_t, kArgs>,
                                                 std::integral_constant<size_t, kRets>) {
        IValue args[kArgs], rets[kRets];
        run_with(args, rets);
      };
      using std::integral_constant;
      if (i.input_count <= 4 && i.output_count == 1) {
        run(integral_constant<size_t, 4>(), integral_constant<size_t, 1>());
      } else if (i.input_count <= 8 && i.output_count == 1) {
        run(integral_constant<size_t, 8>(), integral_constant<size_t, 1>());
      } else if (i.input_count <= kFewArgs && i.output_count <= kMaxResults) {
        run(integral_constant<size_t, kFewArgs>(), integral_constant<size_t, kMaxResults>());
      } else {  // only operators that libraries define
        std::vector<IValue> args(i.input_count), rets(i.output_count);
        run_with(args.data(), rets.data());
      }
      return;
    }
    case Code::Primitive: {
      auto run = [&]<size_t kArgs>(std::integral_constant<size_t, kArgs>) {
        IValue args[kArgs], rets[2];
        for (uint32_t k = 0; k < i.input_count; k++) args[k] = read(in[k], registers);
        static_cast<const struct Primitive*>(i.what)->run(args, rets);
        for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = std::move(rets[k]);
        if (Limits::any()) {
          const Schema& schema = static_cast<const struct Primitive*>(i.what)->schema;
          bool fresh = i.output_count && !schema.returns[0].is_mutated && is_large(registers[out[0]]);
          bool joined = !i.output_count && i.input_count == 2 && is_large(args[1]);  // list.extend(other)
          if (fresh || joined) Limits::check_memory();
        }
      };
      if (i.input_count <= 3) run(std::integral_constant<size_t, 3>());
      else run(std::integral_constant<size_t, kFewArgs>());
      return;
    }
    case Code::Drop:
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = IValue();
      return;
    case Code::Move: {
      if (i.number == 1) {
        for (uint32_t k = 0; k < i.output_count; k++) assign(registers[out[k]], read(in[k], registers));
        return;
      }
      // All are read before any is written.
      constexpr uint32_t kFew = 4;
      IValue few[kFew];
      std::vector<IValue> many;
      if (i.input_count > kFew) many = gather();
      else
        for (uint32_t k = 0; k < i.input_count; k++) few[k] = read(in[k], registers);
      for (uint32_t k = 0; k < i.output_count; k++)
        registers[out[k]] = std::move(i.input_count > kFew ? many[k] : few[k]);
      return;
    }
    case Code::ListConstruct: registers[out[0]] = make_list(i.type, gather()); return;
    case Code::ListUnpack: {
      IValue list = read(in[0], registers);
      RL_CHECK(ValueError, list_size(list) == i.output_count, "Expected ", i.output_count,
               " elements in a list but found ", list_size(list));
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = list_get(list, k);
      return;
    }
    case Code::TupleConstruct:
      registers[out[0]] = IValue(make_ref<TupleValue>(gather(), i.type->name().empty() ? nullptr : i.type));
      return;
    case Code::TupleUnpack: {
      IValue tuple = read(in[0], registers);
      RL_CHECK(ValueError, tuple.to_tuple().items.size() == i.output_count, "Expected ", i.output_count,
               " elements in a tuple but found ", tuple.to_tuple().items.size());
      for (uint32_t k = 0; k < i.output_count; k++) registers[out[k]] = tuple.to_tuple().items[k];
      return;
    }
    case Code::TupleIndex: {
      IValue tuple = read(in[0], registers);
      auto& items = tuple.to_tuple().items;
      int64_t n = int64_t(items.size()), at = read(in[1], registers).to_int();
      RL_CHECK(IndexError, at >= -n && at < n, "Tuple index out of range");
      registers[out[0]] = items[size_t(at < 0 ? at + n : at)];
      return;
    }
    case Code::DictConstruct: {
      auto dict = make_ref<DictValue>(i.type->contained()[0], i.type->contained()[1]);
      for (uint32_t k = 0; k + 1 < i.input_count; k += 2) dict->set(read(in[k], registers), read(in[k + 1], registers));
      registers[out[0]] = IValue(std::move(dict));
      return;
    }
    case Code::GetAttr: registers[out[0]] = read_slot(slot(read(in[0], registers), i.number)); return;
    case Code::BorrowAttr: registers[out[0]] = borrow_slot(slot(read(in[0], registers), i.number)); return;
    case Code::SetAttr: set_slot(slot(read(in[0], registers), i.number), read(in[1], registers)); return;
    case Code::CreateObject:
      registers[out[0]] = IValue(make_ref<ObjectValue>(i.type, as_class(i.type)->slots.size()));  // no module's class
      return;
    case Code::CallFunction:
    case Code::CallInterface: {
      auto* function = const_cast<Function*>(static_cast<const Function*>(i.what));
      if (i.code == Code::CallInterface) {
        const TypePtr& type = read(in[0], registers).to_object().type;
        Function* found = as_class(type)->find_method(function->name);
        RL_CHECK(RuntimeError, found && !found->is_abstract, type, " has no method '", function->name, "'");
        function = found;
      }
      IValue result = run_function(*function, gather());
      if (i.output_count) registers[out[0]] = std::move(result);
      return;
    }
    case Code::Fork: {
      if (i.number < 0) {
        registers[out[0]] = make_future(i.type, make_ref<Future>(IValue(read(in[0], registers))));
        return;
      }
      Future::Work work = [program = forks_[size_t(i.number)], args = gather()] {
        IValue result;
        program->run(std::vector<IValue>(args).data(), &result);
        return result;
      };
      registers[out[0]] =
          make_future(i.type, is_await(*i.type) ? make_ref<Future>(std::move(work)) : fork(std::move(work)));
      return;
    }
    case Code::Wait: registers[out[0]] = future_of(read(in[0], registers)).wait(); return;
    case Code::Enter:
    case Code::Exit: {
      IValue result = run_function(*const_cast<Function*>(static_cast<const Function*>(i.what)), gather());
      if (i.output_count) registers[out[0]] = std::move(result);
      return;
    }
    case Code::Raise: {
      std::string text(read(in[0], registers).to_string());
      if (places_)
        throw ScriptError(str(i.input_count > 1 ? read(in[1], registers).to_string() : "RuntimeError", ": ", text));
      raise(i.input_count > 1 ? read(in[1], registers).to_string() : "", std::move(text));
    }
    case Code::Print: {
      std::string line;
      for (uint32_t k = 0; k < i.input_count; k++) {
        const IValue& v = read(in[k], registers);
        line += (k ? " " : "") + shown(v);
      }
      print_line(line);
      return;
    }
    case Code::Format:
      registers[out[0]] =
          IValue((i.node->is("aten::format") ? format_values : percent_format)(gather().data(), i.input_count));
      return;
    case Code::Cast: {
      const IValue& v = read(in[0], registers);
      RL_CHECK(RuntimeError, !i.node->is("aten::_unwrap_optional") || !v.is_none(), "Unwrapping null optional");
      RL_CHECK(RuntimeError, v.is_tensor() || !i.node->output()->type()->is(Type::Kind::Tensor),
               "a value that is no tensor where the script says that it is one");
      registers[out[0]] = v;
      return;
    }
    case Code::Is: registers[out[0]] = IValue(is_instance(read(in[0], registers), *i.type)); return;
    case Code::Uninitialized: registers[out[0]] = IValue(); return;
    case Code::Jump:
    case Code::JumpIfFalse:
    case Code::TryGroup:
    case Code::LoopTest: return;  // run() does these
  }
}

bool Executable::run_quickly(const Instruction& i, IValue* registers) const {
  const uint32_t* in = operands_.data() + i.inputs;
  const IValue &a = read(in[0], registers), &b = read(in[1], registers);
  IValue& out = registers[operands_[i.outputs]];
  auto quick = Quick(i.number);
  auto compare = [&](auto x, auto y) {
    switch (quick) {
      case Quick::Lt: return out = IValue(x < y), true;
      case Quick::Le: return out = IValue(x <= y), true;
      case Quick::Gt: return out = IValue(x > y), true;
      case Quick::Ge: return out = IValue(x >= y), true;
      case Quick::Eq: return out = IValue(x == y), true;
      case Quick::Ne: return out = IValue(x != y), true;
      default: return false;
    }
  };
  if (a.is_int() && b.is_int()) {
    int64_t x = a.to_int(), y = b.to_int(), r;
    switch (quick) {
      case Quick::Add: return !__builtin_add_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::Sub: return !__builtin_sub_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::Mul: return !__builtin_mul_overflow(x, y, &r) && (out = IValue(r), true);
      case Quick::FloorDiv: return x >= 0 && y > 0 && (out = IValue(x / y), true);
      case Quick::Mod: return x >= 0 && y > 0 && (out = IValue(x % y), true);
      default: return compare(x, y);
    }
  }
  if (!a.is_double() || !b.is_double()) return false;
  double x = a.to_double(), y = b.to_double();
  switch (quick) {
    case Quick::Add: return out = IValue(x + y), true;
    case Quick::Sub: return out = IValue(x - y), true;
    case Quick::Mul: return out = IValue(x * y), true;
    default: return compare(x, y);
  }
}

bool Executable::run_group(const Instruction& i, IValue* registers) const {
  if (thread_state.interceptor) return false;  // it is to see each operator
  constexpr uint32_t kMost = 16;
  if (i.output_count > kMost) return false;
  const Tensor *few[kMost], **inputs = few;
  std::vector<const Tensor*> many;
  if (i.input_count > kMost) {
    many.resize(i.input_count);
    inputs = many.data();
  }
  const int plain = kIsView | (thread_state.grad_enabled ? 0 : kRequiresGrad);
  for (uint32_t k = 0; k < i.input_count; k++) {
    const IValue& v = read(operands_[i.inputs + k], registers);
    if (!v.is_tensor() || v.tensor().impl()->flags() & ~plain) return false;
    inputs[k] = &v.tensor();
  }
  IValue results[kMost];
  for (uint32_t k = 0; k < i.output_count; k++) results[k] = std::move(registers[operands_[i.outputs + k]]);
  auto* group = static_cast<Group*>(const_cast<void*>(i.what));
  if (!group->run(inputs, results)) return false;
  for (uint32_t k = 0; k < i.output_count; k++) registers[operands_[i.outputs + k]] = std::move(results[k]);
  return true;
}

std::vector<IValue> Executable::run(std::vector<IValue> args) const {
  RL_CHECK(RuntimeError, args.size() == inputs_, "expected ", inputs_, " arguments, got ", args.size());
  std::vector<IValue> results(graph_->outputs().size());
  run(args.data(), results.data());
  return results;
}

void Executable::run_single(IValue* args, IValue* results) const {
  const Instruction& i = program_[0];
  IValue given[kSingleArgs];
  for (uint32_t k = 0; k < i.input_count; k++)
    new (&given[k]) IValue(lent(read(operands_[i.inputs + k], args)));  // inputs are the first registers
  try {
    call(*static_cast<const Op*>(i.what), given, results);
  } catch (const Error& e) {
    if (!places_) throw;
    rethrow_with_place(i.node, e);
  }
  for (uint32_t k = 0; k < i.output_count; k++)
    if (results[k].is_borrowed()) results[k] = IValue(std::as_const(results[k]));
}

void Executable::run(IValue* args, IValue* results) const {
  if (single_) return run_single(args, results);
  if (!borrows_) return run_program(args, results);
  Reading borrowed;
  run_program(args, results);
}

void Executable::run_program(IValue* args, IValue* results) const {
  Depth depth;
  Limits::check();
  Frame frame(registers_);
  IValue* registers = frame.registers();
  for (size_t i = 0; i < inputs_; i++) registers[i] = std::move(args[i]);
  if (reuses_) {
    const Instruction& end = program_.back();
    for (uint32_t k = 0; k < end.input_count; k++)
      if (operands_[end.outputs + k] == kReused) registers[operands_[end.inputs + k]] = std::move(results[k]);
  }
  size_t at = 0;
  const Instruction* i = nullptr;
  struct Modes {  // a script's `with torch.no_grad()` ends with the script, by an exception too
    bool grad_enabled = thread_state.grad_enabled;
    bool keep = false;
    ~Modes() {
      if (!keep) thread_state.grad_enabled = grad_enabled;
    }
  } modes;
  // Objects of `with` statements that control is in, and what ends them: at an exception that happens here.
  struct Contexts {
    std::vector<std::pair<IValue, const Function*>> entered;
    ~Contexts() {
      for (; !entered.empty(); entered.pop_back()) {
        try {
          run_function(*const_cast<Function*>(entered.back().second), {entered.back().first, {}, {}, {}});
        } catch (...) {  // the first exception is the one to tell
        }
      }
    }
  } contexts;
  try {
    for (;;) {
      i = &program_[at++];
      switch (i->code) {
        case Code::Jump: at = size_t(i->number); break;
        case Code::JumpIfFalse:
          if (!read(operands_[i->inputs], registers).to_bool()) at = size_t(i->number);
          break;
        case Code::LoopTest: {
          Limits::check();
          const uint32_t* in = operands_.data() + i->inputs;
          int64_t trip = registers[in[0]].to_int() + 1;
          registers[in[0]] = IValue(trip);
          if (trip >= read(in[1], registers).to_int() || !read(in[2], registers).to_bool()) at = size_t(i->number);
          break;
        }
        case Code::Primitive:
          if (i->number == 0 || !run_quickly(*i, registers)) step(*i, registers);
          break;
        case Code::TryGroup:
          if (run_group(*i, registers)) at = size_t(i->number);
          break;
        case Code::Enter: {
          const IValue& object = read(operands_[i->inputs], registers);
          const Function* exit = as_class(object.to_object().type)->find_method("__exit__");
          RL_CHECK(RuntimeError, exit, "prim::Enter: ", object.to_object().type, " has no __exit__()");
          step(*i, registers);
          contexts.entered.emplace_back(object, exit);
          break;
        }
        case Code::Exit:
          if (!contexts.entered.empty()) contexts.entered.pop_back();
          step(*i, registers);
          break;
        case Code::Move:
          if (i->number == -1) {
            for (uint32_t k = 0; k < i->input_count; k++) {
              uint32_t from = operands_[i->inputs + k], how = operands_[i->outputs + k];
              if (how == kCopied || (how == kMoved && registers[from].is_borrowed()))
                results[k] = read(from, registers);
              else results[k] = std::move(registers[from]);
            }
            modes.keep = true;  // torch.set_grad_enabled(False) without a `with` stays
            return;
          }
          [[fallthrough]];
        default: step(*i, registers);
      }
    }
  } catch (const Error& e) {
    if (!places_) throw;
    rethrow_with_place(i->node, e);
  }
}

namespace {
// One for all functions: compiling one compiles those that it calls.
std::recursive_mutex& compiling() {
  static std::recursive_mutex lock;
  return lock;
}
}  // namespace

const std::shared_ptr<Graph>& Function::make() {
  std::lock_guard lock(compiling());
  if (is_made() || making_) return graph;
  if (compile) {
    making_ = true;
    try {
      compile(*this);
    } catch (...) {
      making_ = false;
      schema = {};
      graph = nullptr;
      throw;
    }
    making_ = false;
    compile = nullptr;
  }
  made_.store(true, std::memory_order_release);
  return graph;
}

// See Note [Evaluation].
struct Function::Programs {
  TrainingFlags flags;
  std::shared_ptr<Graph> graph;  // optimised, for `general`; null once that is made
  std::unique_ptr<const Executable> evaluating, general_made;
  std::atomic<const Executable*> general{nullptr};

  explicit Programs(const Graph& from) : graph(from.copy()) {
    optimize(*graph);
    flags = TrainingFlags(*graph);
    if (flags.empty()) {
      make_general();
      return;
    }
    std::shared_ptr<Graph> fixed = graph->copy();
    flags.assume_off(*fixed);
    prepare(*fixed);
    evaluating = std::make_unique<Executable>(std::move(fixed));
  }
  void make_general() {
    prepare(*graph);
    general_made = std::make_unique<Executable>(std::move(graph));
    general.store(general_made.get(), std::memory_order_release);
  }
};

Function::Programs& Function::make_programs() {
  std::lock_guard lock(compiling());
  if (!programs_) {
    RL_CHECK(RuntimeError, made(), "function '", name, "' is called recursively. Recursive calls are not supported");
    programs_ = std::make_shared<Programs>(*graph);
    ready_.store(programs_.get(), std::memory_order_release);
  }
  return *programs_;
}

const Executable& Function::executable(const IValue* self) {
  Programs* p = ready_.load(std::memory_order_acquire);
  if (!p) p = &make_programs();
  if (p->evaluating && (!self || p->flags.all_off(*self))) return *p->evaluating;
  if (const Executable* general = p->general.load(std::memory_order_acquire)) return *general;
  std::lock_guard lock(compiling());
  if (p->graph) p->make_general();
  return *p->general_made;
}

void make_ready(Function& function) {
  try {
    function.executable();
  } catch (const Error&) {  // a call says so
  }
}

IValue run_function(Function& function, std::vector<IValue> args) {
  const Executable& program = function.executable(args.data());
  const auto& wanted = function.schema.args;
  for (size_t i = args.size(); i < wanted.size(); i++) {
    RL_CHECK(RuntimeError, wanted[i].has_default, function.name, "() is missing value for argument '", wanted[i].name,
             "'");
    args.push_back(wanted[i].default_value);
  }
  std::vector<IValue> results = program.run(std::move(args));
  if (results.size() == 1) return std::move(results[0]);
  if (results.empty()) return {};
  return IValue::tuple(std::move(results));
}

}  // namespace rushlight::graph
