#include "rushlight/script/bytecode.h"

#include <map>

#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::script {
namespace {

using graph::Block;
using graph::Node;
using graph::Value;

constexpr int64_t kVersion = 8;

class Method {
 public:
  Method(graph::Function& f, const BytecodeOptions& options) : f_(f), options_(options) {
    graph_ = f.made()->copy();
    graph::inline_calls(*graph_);
    store(graph_->inputs());
    body(*graph_->block());
    for (Value* v : graph_->outputs()) load(v);
    emit("RET", 0, 0);
  }

  void write(io::Pickler& p, const std::string& class_name) const {
    p.mark();
    p.text(class_name + "." + f_.name);
    p.mark();
    field(p, "instructions", [&] {
      each(p, code_, [&](const Instruction& i) {
        p.text(i.op);
        p.integer(i.x);
        p.integer(i.n);
        p.tuple(3);
      });
    });
    field(p, "operators", [&] {
      each(p, operators_, [&](const Operator& o) {
        p.text(o.name);
        p.text(o.overload);
        p.integer(o.arguments);
        p.tuple(3);
      });
    });
    field(p, "constants", [&] { each(p, constants_, [&](const IValue& v) { options_.write(p, v); }); });
    field(p, "types", [&] { each(p, types_, [&](const std::string& t) { p.text(t); }); });
    field(p, "register_size", [&] { p.integer(int64_t(registers_.size())); });
    p.tuple(4);
    p.mark();
    field(p, "arguments", [&] {
      each(p, f_.schema.args, [&](const Argument& a) {
        argument(p, a.name, a.name == "self" ? class_name : options_.type_text(a.type), a);
      });
    });
    field(p, "returns", [&] {
      each(p, f_.schema.returns, [&](const Argument& a) { argument(p, "", options_.type_text(a.type), a); });
    });
    p.tuple(4);  // since the mark, as all that follow one
    p.tuple(4);
  }

 private:
  struct Instruction {
    const char* op;
    int64_t x, n;
  };
  struct Operator {
    std::string name, overload;
    int64_t arguments;
  };

  template <class F>
  static void field(io::Pickler& p, const char* name, F&& value) {
    p.text(name);
    value();
    p.tuple(2);
  }
  template <class Items, class F>
  static void each(io::Pickler& p, const Items& items, F&& one) {
    p.mark();
    for (const auto& i : items) one(i);
    p.tuple(4);  // since the mark
  }
  void argument(io::Pickler& p, const std::string& name, const std::string& type, const Argument& a) const {
    p.mark();
    field(p, "name", [&] { p.text(name); });
    field(p, "type", [&] { p.text(type); });
    field(p, "default_value", [&] { options_.write(p, a.has_default ? a.default_value : IValue()); });
    p.tuple(4);
  }

  size_t emit(const char* op, int64_t x, int64_t n) {
    code_.push_back({op, x, n});
    return code_.size() - 1;
  }
  [[noreturn]] void refuse(const Node& n) const {
    throw NotImplementedError(
        str("save_for_lite_interpreter: ", f_.name, " uses ", n.kind(), ", which the lite interpreter does not have"));
  }

  // Values that are others under another name.
  Value* source(Value* v) const {
    while (v->node()->is("prim::unchecked_cast") || v->node()->is("prim::unchecked_unwrap_optional"))
      v = v->node()->input();
    return v;
  }
  int64_t constant(const IValue& v) {
    constants_.push_back(v);
    return int64_t(constants_.size()) - 1;
  }
  void load(Value* v) {
    v = source(v);
    if (v->node()->is("prim::Uninitialized")) {
      emit("LOADC", constant({}), 0);
    } else if (const IValue* c = graph::constant_of(v)) {
      auto [at, fresh] = constant_of_.emplace(v, 0);
      if (fresh) at->second = constant(*c);
      emit("LOADC", at->second, 0);
    } else {
      auto found = registers_.find(v);
      RL_INVARIANT(found != registers_.end(), "bytecode: a value without a register");
      emit("LOAD", found->second, 0);
    }
  }
  int64_t new_register(Value* v) {
    int64_t r = int64_t(registers_.size()) + 1;
    registers_[v] = r;
    return r;
  }
  // What is on the stack goes to registers, side by side.
  void store(const std::vector<Value*>& values) {
    if (values.empty()) return;
    int64_t first = 0;
    for (size_t i = 0; i < values.size(); i++) {
      int64_t r = new_register(values[i]);
      if (i == 0) first = r;
    }
    if (values.size() == 1) emit("STORE", first, 0);
    else emit("STOREN", first, int64_t(values.size()));
  }
  int64_t type(const TypePtr& t) {
    types_.push_back(options_.type_text(t));
    return int64_t(types_.size()) - 1;
  }
  int64_t slot(const Node& n) const {
    const graph::ClassType* c = graph::as_class(n.input()->type());
    int at = c ? c->find_slot(std::string(n.attribute("name").to_string())) : -1;
    RL_INVARIANT(at >= 0, "bytecode: an attribute that the class lacks");
    return at;
  }

  void body(const Block& block) {
    for (Node* n : block) node(*n);
  }
  void branches(const Node& n) {
    load(n.input());
    size_t test = emit("JF", 0, 0);
    body(*n.blocks()[0]);
    for (Value* v : n.blocks()[0]->outputs()) load(v);
    size_t end = emit("JMP", 0, 0);
    code_[test].x = int64_t(code_.size() - test);
    body(*n.blocks()[1]);
    for (Value* v : n.blocks()[1]->outputs()) load(v);
    code_[end].x = int64_t(code_.size() - end);
    store(n.outputs());
  }
  void loop(const Node& n) {
    emit("LOADC", constant(int64_t(0)), 0);  // rounds done
    for (Value* v : n.inputs()) load(v);
    size_t start = emit("LOOP", 0, int64_t(n.inputs().size()));
    store(n.blocks()[0]->inputs());
    body(*n.blocks()[0]);
    for (Value* v : n.blocks()[0]->outputs()) load(v);
    emit("JMP", int64_t(start) - int64_t(code_.size()), 0);
    code_[start].x = int64_t(code_.size() - start);
    store(n.outputs());
  }
  void node(Node& n) {
    if (n.is("prim::Constant") || n.is("prim::Uninitialized") || n.is("prim::unchecked_cast") ||
        n.is("prim::unchecked_unwrap_optional"))
      return;
    if (n.is("prim::If")) return branches(n);
    if (n.is("prim::Loop")) return loop(n);
    if (n.is("prim::TupleUnpack")) {
      for (size_t i = 0; i < n.outputs().size(); i++) {
        load(n.input());
        emit("LOADC", constant(int64_t(i)), 0);
        emit("TUPLE_INDEX", 0, 0);
        store({n.output(i)});
      }
      return;
    }
    for (Value* v : n.inputs()) load(v);
    auto count = int64_t(n.inputs().size());
    if (n.is("prim::GetAttr")) emit("GET_ATTR", slot(n), 0);
    else if (n.is("prim::SetAttr")) emit("SET_ATTR", slot(n), 0);
    else if (n.is("prim::ListConstruct")) emit("LIST_CONSTRUCT", type(n.output()->type()), count);
    else if (n.is("prim::DictConstruct")) emit("DICT_CONSTRUCT", type(n.output()->type()), count);
    else if (n.is("prim::ListUnpack")) emit("LIST_UNPACK", int64_t(n.outputs().size()), 0);
    else if (n.is("prim::TupleConstruct") && n.output()->type()->name().empty()) emit("TUPLE_CONSTRUCT", count, 0);
    else if (n.is("prim::TupleConstruct")) emit("NAMED_TUPLE_CONSTRUCT", type(n.output()->type()), count);
    else if (n.is("prim::TupleIndex")) emit("TUPLE_INDEX", 0, 0);
    else if (n.is("prim::CreateObject")) emit("CREATE_OBJECT", type(n.output()->type()), 0);
    else if (n.is("prim::RaiseException")) {
      if (count == 1) emit("LOADC", constant({}), 0);
      emit("RAISE_EXCEPTION", 0, 0);
    } else if (n.is("aten::format")) emit("FORMAT", count, 0);
    else if (n.is("aten::__is__")) emit("__IS__", 0, 0);
    else if (n.is("aten::__isnot__")) emit("__ISNOT__", 0, 0);
    else if (n.is("aten::__not__")) emit("__NOT__", 0, 0);
    else if (n.schema() || graph::resolve(&n)) {
      operators_.push_back({n.kind(), n.schema()->overload, count});
      emit("OP", int64_t(operators_.size()) - 1, 0);
    } else refuse(n);
    if (n.outputs().size() == 1 && !n.output()->has_uses()) emit("DROP", 0, 0);
    else store(n.outputs());
  }

  graph::Function& f_;
  const BytecodeOptions& options_;
  std::shared_ptr<graph::Graph> graph_;
  std::vector<Instruction> code_;
  std::vector<Operator> operators_;
  std::vector<IValue> constants_;
  std::vector<std::string> types_;
  std::map<const Value*, int64_t> registers_, constant_of_;
};

}  // namespace

std::string bytecode(const std::string& class_name, const std::vector<graph::Function*>& methods,
                     const BytecodeOptions& options) {
  io::Pickler p;
  p.mark();
  p.integer(kVersion);
  for (graph::Function* f : methods) Method(*f, options).write(p, class_name);
  p.tuple(4);  // since the mark
  return p.finish();
}

}  // namespace rushlight::script
