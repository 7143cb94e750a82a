// Lowering: syntax trees to graphs, with types checked on the way.
#pragma once
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/core/function_ref.h"
#include "rushlight/script/sugared.h"

namespace rushlight::script {

// Compiles functions of one source. Names it does not find in the text go to the resolver.
class Lowering {
 public:
  Lowering(graph::Graph& graph, Resolver& resolver) : graph_(graph), resolver_(resolver) {}

  graph::Graph& graph() { return graph_; }
  Resolver& resolver() { return resolver_; }

  // Compiles a Def: arguments with their types become inputs, the result the only output. `self_type` types the first argument of a method.
  void function(const Stmt& def, graph::Function& into, const TypePtr& self_type);

  // ---- for sugared values ----
  graph::Node* emit(const Range& range, const std::string& kind, const std::vector<Value*>& inputs, size_t outputs = 1);
  Value* emit_typed(const Range& range, const std::string& kind, const std::vector<Value*>& inputs, TypePtr type);
  Value* constant(const Range& range, IValue v, TypePtr type = nullptr);
  // The overload of aten::name (or prim::name) that takes these arguments. Throws ScriptError listing the candidates.
  SugaredPtr call_operator(const Range& range, const std::string& name, std::vector<CallArg> args);
  // Arguments in the schema's order, converted and defaulted. `why` gets the reason where they don't fit; empty result then.
  // `builtin`: keywords may be other names of the arguments.
  bool match(const Range& range, const Schema& schema, const std::vector<CallArg>& args, std::vector<Value*>& out,
             std::string& why, bool convert, bool builtin);
  // v as a value of the type: unwraps, casts and builds lists where Python would not mind. Null if it can't be.
  Value* convert(const Range& range, const SugaredPtr& v, const TypePtr& type, const Argument* argument, bool implicit);
  // prim::CallMethod, the object first of the arguments, or prim::CallFunction.
  SugaredPtr call_function(const Range& range, const std::shared_ptr<graph::Function>& f, std::vector<CallArg> args,
                           bool method);
  SugaredPtr inline_call(const Range& range, const InlineFunction& f, std::vector<CallArg> args);
  SugaredPtr tuple_items(const Range& range, const std::vector<Value*>& outputs, std::vector<std::string> names = {});
  // How `v` is gone through. Throws ScriptError where nothing can be.
  Iteration iterate(const Range& range, const SugaredPtr& v);
  // A loop over run-time items, without values that it carries on.
  void loop_over(const Range& range, const Iteration& over, const std::function<void(const SugaredPtr&)>& body);
  // The list of all items.
  Value* list_of(const Range& range, const Iteration& over);
  Value* truth(const Range& range, Value* v);
  // An exception of this text unless `ok` is true.
  void require(const Range& range, Value* ok, const std::string& text);
  bool has_attribute(const Range& range, const SugaredPtr& v, const std::string& name);
  // v.method(args...) where v is an object of a class that has the method, as __add__; null otherwise.
  SugaredPtr call_magic(const Range& range, const SugaredPtr& v, const std::string& method,
                        const std::vector<SugaredPtr>& args);
  // Whether what stands here runs whenever the function does.
  bool is_unconditional() const { return !scope_ || !scope_->outer; }
  // Runs what compiles another function for a call here: its errors tell of the call.
  template <class F>
  auto compiling(const Range& range, const std::string& callee, F&& compile) {
    try {
      return compile();
    } catch (const ScriptError& e) {
      if (!range.source) throw;
      throw ScriptError(str(e.text(), "'", callee, "' is being compiled since it was called from '", name_, "'\n",
                            range.highlight()));
    }
  }
  TypePtr type_of(const Expr& e);
  // n of BroadcastingListn[int], a list that one number may stand for; 0 for other annotations.
  static int broadcast_size(const Expr& e);
  SugaredPtr subscript(const Range& range, const SugaredPtr& base, const std::vector<ExprPtr>& items);

 private:
  struct Scope {
    std::unordered_map<std::string, SugaredPtr>
        names;  // null: has no value after a branch or loop, for a reason in `lost`
    std::unordered_map<std::string, std::string> lost;
    Scope* outer = nullptr;
  };
  SugaredPtr parameter(const Range& range, const InlineFunction& f, const Param& p, const SugaredPtr& given,
                       Lowering& caller);
  // What a side of a comparison is, where that is known and asking has no effect. Null if it isn't.
  const IValue* known_constant(const ExprPtr& e, IValue& room);
  SugaredPtr lookup(const std::string& name, const Range& range);
  void assign(const Range& range, const std::string& name, SugaredPtr value);
  void assign_target(const ExprPtr& target, const SugaredPtr& value);
  void unpack(const ExprPtr& target, const SugaredPtr& value);
  void augmented(const StmtPtr& s);
  void store(const Range& range, Value* place, const SugaredPtr& value);
  SugaredPtr in_place(const Range& range, const std::string& op, const SugaredPtr& old, const SugaredPtr& by);
  // An empty list or dict as the type that the name has had.
  SugaredPtr as_before(const ExprPtr& target, const ExprPtr& value, SugaredPtr v);

  // Note [Exits]: `return`, `break` and `continue` are compiled by moving what follows into the branches that get there. A statement list is
  // lowered with what comes after it (`rest`); an `if` that holds an exit takes the rest into its branches. Inside of a loop the
  // end of every path sets "$go" (may the loop go on); a return also sets "$returned" and "$return".
  // All of these return true if control never passes the end.
  using Rest = std::function<bool()>;
  bool block(const std::vector<StmtPtr>& body, size_t from, const Rest& rest);
  bool if_statement(const StmtPtr& s, const Rest& rest);
  bool branches(const Range& range, Value* condition, const Rest& then, const Rest& otherwise);
  void simple_statement(const StmtPtr& s);
  bool assertion_failed(const StmtPtr& s);
  bool loop(const StmtPtr& s, const Rest& rest);
  bool with(const StmtPtr& s, const Rest& rest);
  TypePtr context_type(const Range& range, Value* object);
  graph::Location location(const Range& range) const;
  std::shared_ptr<const graph::Location> place(const Range& range) const;
  void leave_contexts(size_t down_to);
  bool return_statement(const StmtPtr& s);
  // Where control comes to the end of a function that returns elsewhere: None, unless it has promised something else.
  bool falls_off(const Stmt& def);
  // Thrown by a `return` inside of a loop, which has to carry the result, where no annotation says what that is, and by one that gives what
  // an earlier one did not. The function is lowered again then.
  struct ResultFound { TypePtr type; };
  // The body of a function whose parameters stand in `top`; as often as a ResultFound says so, each time after take_back() has removed the
  // nodes that were made. Whether it ends before its end.
  bool function_body(const Stmt& def, Scope& top, FunctionRef<void()> take_back);

  SugaredPtr expr(const ExprPtr& e);
  // The same where it is known what is wanted, which says of what type the items of a list or dict are.
  SugaredPtr expr_as(const ExprPtr& e, const TypePtr& wanted);
  SugaredPtr display(const ExprPtr& e, const TypePtr& wanted);  // [...] or {...}
  SugaredPtr any_module(const Range& range, Value* container, const ExprPtr& place, const TypePtr& interface);
  SugaredPtr to_list(const ExprPtr& e, const TypePtr& wanted);
  Value* value(const ExprPtr& e) { return expr(e)->as_value(e->range, *this); }
  Value* condition(const ExprPtr& e);
  // 1 true, 0 false, -1 unknown while compiling.
  int static_condition(const ExprPtr& e);
  struct Refinement {
    std::string name;
    TypePtr type;
  };
  // What isinstance(x, e) asks for, one type or several; a bare `list` is all lists that x, which is `have`, may be.
  std::vector<TypePtr> types_in(const Expr& e, const Type& have);
  static std::vector<TypePtr> options(const Type& have);
  void refinements(const ExprPtr& e, bool truth, std::vector<Refinement>& out);
  void refine(const std::vector<Refinement>& all, const Range& range);
  SugaredPtr short_circuit(const ExprPtr& e, bool as_condition);
  int64_t integer(const Expr& e, bool negative);
  SugaredPtr chain(const ExprPtr& e, size_t k, const SugaredPtr& left);
  SugaredPtr format(const ExprPtr& e);
  TypePtr joined(const Range& range, const TypePtr& a, const TypePtr& b, const char* what);
  SugaredPtr ternary(const ExprPtr& e, const TypePtr& wanted);  // null: nothing says what is wanted
  SugaredPtr call(const ExprPtr& e);
  SugaredPtr binary(const Range& range, const std::string& op, const SugaredPtr& a, const SugaredPtr& b);
  SugaredPtr comprehension(const ExprPtr& e);

  graph::Graph& graph_;
  Resolver& resolver_;
  Scope* scope_ = nullptr;
  std::string name_;                                    // of the function
  std::string self_;                                    // of a method: the name of its first parameter
  std::shared_ptr<const graph::Location> called_from_;  // of an inlined one, where the call stands
  TypePtr return_type_;                                 // declared, or of the returns that were seen
  bool result_declared_ = false;
  int loops_ = 0, depth_ = 0;
  Lowering* caller_ = nullptr;                 // who inlines this
  const Stmt* active_ = nullptr;               // what is inlined
  std::map<std::string, TypePtr> declared_;    // types of its parameters
  std::unordered_set<const Value*> inferred_;  // its parameters that are tensors because nothing says what they are
  // The `with` statements around: whether gradients were on before, or the object whose __exit__ ends it; or neither.
  struct Context {
    Value* gradients = nullptr;
    Value* object = nullptr;
    Range range = {};
    SugaredPtr recorded = nullptr;  // the handle of record_function
  };
  std::vector<Context> contexts_;
  Range statement_ = {};      // the assignment that is being lowered
  TypePtr wanted_interface_;  // of the subscript that is being lowered, which may pick any of a container's modules
  std::vector<size_t> loop_depth_;  // how many of them were open where each loop around began
};

// The common type two branches may have; null if there is none.
TypePtr unify(const TypePtr& a, const TypePtr& b);

// A call of a scripted record, in place; its inputs in the schema's order. See records.cpp.
SugaredPtr call_record(Lowering& lowering, const Range& range, const Op& op, const std::vector<Value*>& inputs);

// Names that are part of the language: range, len, int, torch, ...; null for others.
SugaredPtr builtin_name(const std::string& name);

}  // namespace rushlight::script
