// Records written in TorchScript: their text is compiled at the first call, and put into the graphs of scripts and traces that call them.
#include <map>
#include <mutex>

#include "rushlight/dispatch/scripted.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/scripted.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {
namespace {

// What a body sees besides the language: the other scripted records, as functional.pad.
class RecordNames final : public Resolver {
 public:
  SugaredPtr resolve(const std::string& name, const Range&) override {
    if (name == "functional") return std::make_shared<Namespace>("ops." + name);
    return name == "warn" ? std::make_shared<OperatorName>(name) : nullptr;
  }
};

// The function that an overload's schema and the record's body make. Types are what the schema's matching gave, so that the text leaves
// them open; that of the result is the schema's.
StmtPtr parse(const Op& op) {
  const Schema& schema = op.schema();
  std::string text = "def " + schema.name.substr(schema.name.find("::") + 2) + "(";
  for (size_t i = 0; i < schema.args.size(); i++) text += (i ? ", " : "") + schema.args[i].name + ": Any";
  std::string result;
  for (const Argument& r : schema.returns) result += (result.empty() ? "" : ", ") + r.type->text();
  if (schema.returns.size() != 1) result = result.empty() ? "None" : "Tuple[" + result + "]";
  text += ") -> " + result + ":\n";
  std::string_view body = scripted_record(op)->body;
  for (size_t at = 0; at < body.size();) {
    size_t end = std::min(body.find('\n', at), body.size());
    if (end > at) text.append("    ").append(body.substr(at, end - at));
    text += '\n';
    at = end + 1;
  }
  auto source = std::make_shared<Source>();
  source->text = std::move(text);
  source->file = "<" + op.symbol() + ">";
  std::vector<StmtPtr> all = parse_module(source);
  RL_INVARIANT(all.size() == 1, op.name(), ": the record's text is no body of a function");
  return all[0];
}

// Parsed once. The lock is held for nothing that may ask for another.
StmtPtr definition(const Op& op) {
  static std::mutex lock;
  static auto& parsed = *new std::map<const Op*, StmtPtr>;
  std::lock_guard guard(lock);
  StmtPtr& def = parsed[&op];
  if (!def) def = parse(op);
  return def;
}

}  // namespace

SugaredPtr call_record(Lowering& l, const Range& range, const Op& op, const std::vector<Value*>& inputs) {
  static const auto names = std::make_shared<RecordNames>();
  std::vector<CallArg> args;
  for (size_t i = 0; i < inputs.size(); i++) {
    Value* v = inputs[i];
    size_t wanted = size_t(op.schema().args[i].list_size);
    if (wanted > 1 && v->node()->is("prim::ListConstruct") && v->node()->inputs().size() == 1)  // [2] for int[2]
      v = l.emit_typed(range, "prim::ListConstruct", std::vector<Value*>(wanted, v->node()->input()), v->type());
    const IValue* c = graph::constant_of(v);
    bool known = c && (c->is_scalar() || c->is_string() || c->is_none());
    args.push_back({range, "", known ? constant_of(*c) : graph_value(v)});
  }
  return l.inline_call(range, InlineFunction(definition(op), names.get(), names), std::move(args));
}

}  // namespace rushlight::script

namespace rushlight {
namespace {

// What a call with such inputs does, at the insert point.
std::vector<graph::Value*> lower(graph::Graph& graph, const Op& op, const std::vector<graph::Value*>& inputs) {
  script::RecordNames names;
  script::Lowering l(graph, names);
  script::Range range;
  script::SugaredPtr result = script::call_record(l, range, op, inputs);
  if (op.num_returns() == 0) return {};
  if (op.num_returns() == 1) return {result->as_value(range, l)};
  std::vector<script::SugaredPtr> items;
  bool tuple = result->items(range, l, items);
  RL_INVARIANT(tuple && int(items.size()) == op.num_returns(), op.name(), ": the record's text returns another number");
  std::vector<graph::Value*> out;
  for (const script::SugaredPtr& i : items) out.push_back(i->as_value(range, l));
  return out;
}

// What tracing knows of its examples and a trace takes for granted, as a program in Python does: numbers of dimensions, kinds of dtypes.
void fold_facts(graph::Graph& graph, const graph::Block& b) {
  for (graph::Node* n : b) {
    for (graph::Block* inner : n->blocks()) fold_facts(graph, *inner);
    if (n->inputs().size() != 1 || n->outputs().size() != 1 || !n->input()->facts) continue;
    const graph::TensorFacts& facts = *n->input()->facts;
    IValue known;
    if (n->is("aten::dim") && facts.sizes) known = int64_t(facts.sizes->size());
    else if (!facts.dtype) continue;
    else if (n->is("aten::is_floating_point")) known = is_floating(*facts.dtype);
    else if (n->is("aten::is_complex")) known = is_complex(*facts.dtype);
    else if (n->is("prim::dtype")) known = *facts.dtype;
    else continue;
    graph::InsertPoint here(graph, n);
    n->output()->replace_all_uses_with(graph.insert_constant(known));
  }
}

}  // namespace

std::vector<graph::Value*> graph::inline_record(Graph& graph, const Op& op, const std::vector<Value*>& inputs) {
  // In a graph of its own first, so that only what is left of it stands in the other. What comes twice is one input, as `is` sees it.
  Graph body;
  std::map<Value*, Value*> taken;
  std::vector<Value*> outside, inside;
  for (Value* v : inputs) {
    Value*& in = taken[v];
    const IValue* c = constant_of(v);
    if (c && !c->is_tensor()) {
      in = body.insert_constant(*c, v->type());
    } else if (!in) {
      in = body.add_input(v->name(), v->type());
      in->facts = v->facts;
      outside.push_back(v);
    }
    inside.push_back(in);
  }
  for (Value* v : lower(body, op, inside)) body.register_output(v);
  fold_facts(body, *body.block());
  optimize(body);
  return graph.inline_block(*body.block(), outside);
}

namespace {

inline bool is_absent(const IValue& v) { return v.is_none() || (v.is_tensor() && !v.tensor().defined()); }

// [2] stands for int[2] too.
IValue of_length(const IValue& v, int wanted) {
  if (wanted <= 1 || !v.is_int_list() || v.int_list().size() != 1) return v;
  return std::vector<int64_t>(size_t(wanted), v.int_list()[0]);
}

// Of one overload and one choice of its options: what is None, true, false or a text is known while compiling, so that the branches on it
// are gone. Who calls with more choices than that gets a program for all.
struct Program final : Scripted::Program {
  Program(std::shared_ptr<graph::Graph> graph, std::vector<IValue> o)
      : options(std::move(o)), executable(std::move(graph), false) {}
  // An int stands for any value but None.
  std::vector<IValue> options;
  graph::Executable executable;
  bool general = false;

  bool fits(const IValue* args) const {
    for (size_t i = 0; i < options.size(); i++) {
      const IValue& o = options[i];
      if (o.is_int()) {
        if (is_absent(args[i])) return false;
      } else if (o.is_none()   ? !is_absent(args[i])
                 : o.is_bool() ? !args[i].is_bool() || args[i].to_bool() != o.to_bool()
                               : !args[i].is_string() || args[i].to_string() != o.to_string()) {
        return false;
      }
    }
    return true;
  }
};
constexpr int kMostPrograms = 24;

const Program& program_of(const Scripted& record, const Op& op, const IValue* args) {
  int n = 0;
  for (const auto* p = record.programs.load(std::memory_order_acquire); p; p = p->next) {
    if (p->op != &op) continue;
    const auto& program = *static_cast<const Program*>(p);
    if (program.general || program.fits(args)) return program;
    n++;
  }
  // Two threads may compile at once; then one of the two programs is never found. No lock: the caller may hold Python's.
  auto graph = std::make_shared<graph::Graph>();
  std::vector<graph::Value*> inputs;
  std::vector<IValue> options;
  bool general = n >= kMostPrograms;
  for (int i = 0; i < op.num_args(); i++) {
    const Argument& a = op.schema().args[size_t(i)];
    IValue given = is_absent(args[i]) ? IValue() : args[i];
    bool option = !general && (given.is_none() || given.is_bool() || given.is_string());
    options.push_back(option ? given : IValue(int64_t(0)));
    graph::Value* in = graph->add_input(a.name, !general && a.is_optional() ? a.type->element() : a.type);
    inputs.push_back(option ? graph->insert_constant(given, given.is_none() ? Type::none() : nullptr) : in);
  }
  for (graph::Value* v : lower(*graph, op, inputs)) graph->register_output(v);
  graph::optimize(*graph);
  auto* made = new Program(std::move(graph), std::move(options));
  made->op = &op;
  made->general = general;
  made->next = record.programs.load(std::memory_order_relaxed);
  while (!record.programs.compare_exchange_weak(made->next, made, std::memory_order_acq_rel)) {}
  return *made;
}

}  // namespace

void call_scripted(const Scripted& record, const Op& op, IValue* args, IValue* rets) {
  const Program& program = program_of(record, op, args);
  // Room for all would cost more to clear than a small operator does to run.
  alignas(IValue) char room[sizeof(IValue) * kMaxArguments];
  struct Given {
    IValue* first;
    size_t n = 0;
    ~Given() { std::destroy_n(first, n); }
    void add(IValue v) { new (first + n++) IValue(std::move(v)); }
  } given{reinterpret_cast<IValue*>(room)};
  for (size_t i = 0; i < program.options.size(); i++) {
    bool known = !program.general && !program.options[i].is_int();
    if (known || is_absent(args[i])) given.add(IValue());
    else if (args[i].is_tensor()) given.add(IValue::borrow(args[i].tensor()));  // the caller has it till the end
    else given.add(of_length(args[i], op.schema().args[i].list_size));
  }
  program.executable.run(given.first, rets);
}

}  // namespace rushlight
