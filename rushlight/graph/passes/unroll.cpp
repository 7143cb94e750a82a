// Loops over a counter, written out: wholly where the number of turns is known and small, else eight turns at a time and a loop for the rest.
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

constexpr int64_t kTurns = 8, kMostTurns = 64;  // PyTorch's numbers
constexpr int kLargestBody = 32;                // nodes

int nodes_in(const Block& b) {
  int count = 0;
  for (Node* n : b) {
    count += !n->is("prim::Constant");
    for (Block* inner : n->blocks()) count += nodes_in(*inner);
  }
  return count;
}

bool is_true(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_bool() && c->to_bool();
}

class Unroller {
 public:
  explicit Unroller(Graph& graph) : graph_(graph) {}

  bool run(Block& b) {
    bool changed = false;
    for (Node* n : b) {
      for (Block* inner : n->blocks()) changed |= run(*inner);
      if (n->is("prim::Loop")) changed |= unroll(n);
    }
    return changed;
  }

 private:
  Value* constant(int64_t v) { return graph_.insert_constant(IValue(v)); }
  Value* number(const char* kind, Value* a, Value* b) {
    Node* n = graph_.insert_new(kind, {a, b});
    n->output()->set_type(Type::integer());
    resolve(n);
    return n->output();
  }
  // `turns` copies of a body after one another; turn(k) is the counter in the k-th. What is carried goes in and comes out.
  template <class Counter>
  std::vector<Value*> repeat(const Block& body, int64_t turns, std::vector<Value*> carried, const Counter& turn) {
    for (int64_t k = 0; k < turns; k++) {
      carried.insert(carried.begin(), body.inputs()[0]->has_uses() ? turn(k) : constant(0));
      carried = graph_.inline_block(body, carried);
      carried.erase(carried.begin());  // whether to go on: yes
    }
    return carried;
  }
  // A loop like `like` over other trips.
  Node* loop(const Node& like, Value* trips, const std::vector<Value*>& carried) {
    std::vector<Value*> inputs = {trips, graph_.insert_constant(IValue(true))};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    Node* made = graph_.insert_like(like, inputs);
    Block* body = made->add_block();
    for (Value* v : like.blocks()[0]->inputs()) body->add_input(v->type());
    for (Value* v : like.outputs()) made->add_output(v->type());
    return made;
  }
  // counter -> value for the turn k of the block's own counter.
  template <class Counter>
  void fill(Node* loop, const Block& from, int64_t turns, const Counter& counter) {
    Block& body = *loop->blocks()[0];
    InsertPoint inside(graph_, &body);
    std::vector<Value*> out = repeat(from, turns, {body.inputs().begin() + 1, body.inputs().end()},
                                     [&](int64_t k) { return counter(body.inputs()[0], k); });
    body.register_output(graph_.insert_constant(IValue(true)));
    for (Value* v : out) body.register_output(v);
  }

  bool unroll(Node* n) {
    Block& body = *n->blocks()[0];
    if (!is_true(n->input(1)) || !is_true(body.outputs()[0]) || nodes_in(body) > kLargestBody) return false;
    InsertPoint here(graph_, n);
    std::vector<Value*> carried(n->inputs().begin() + 2, n->inputs().end());
    const IValue* trips = constant_of(n->input(0));
    if (trips && trips->is_int() && trips->to_int() <= kMostTurns) {
      carried = repeat(body, trips->to_int(), carried, [&](int64_t k) { return constant(k); });
    } else {
      Value* eight = constant(kTurns);
      Value* rounds = number("aten::__round_to_zero_floordiv", n->input(0), eight);
      Value* done = number("aten::mul", rounds, eight);
      Node* main = loop(*n, rounds, carried);
      fill(main, body, kTurns, [&](Value* round, int64_t k) {
        return number("aten::add", number("aten::mul", round, constant(kTurns)), constant(k));
      });
      Node* rest = loop(*n, number("aten::sub", n->input(0), done), main->outputs());
      fill(rest, body, 1, [&](Value* turn, int64_t) { return number("aten::add", done, turn); });
      carried = rest->outputs();
    }
    for (size_t i = 0; i < carried.size(); i++) n->output(i)->replace_all_uses_with(carried[i]);
    n->destroy();
    return true;
  }

  Graph& graph_;
};

}  // namespace

bool unroll_loops(Graph& graph) {
  bool changed = Unroller(graph).run(*graph.block());
  if (changed) eliminate_dead(graph);
  return changed;
}

}  // namespace rushlight::graph
