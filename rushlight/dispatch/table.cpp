#include <algorithm>
#include <unordered_map>

#include "rushlight/dispatch/run.h"

namespace rushlight {

#define RL_OP_ENTRY(name) OpDef rl_op_##name();
#include "op_list.inc"
#undef RL_OP_ENTRY

namespace {

struct ByName {
  std::unordered_map<std::string, const Op*> exact;
  std::unordered_map<std::string, std::vector<const Op*>> overloads;
};
ByName& by_name() {
  static ByName* maps = new ByName;
  return *maps;
}

Forms default_forms(const OpDef& def) {
  switch (def.kernel.kind) {
    case Kernel::Kind::Structured:
      return kFunction | kMethod | kOut | (def.kernel.pointwise || def.kernel.updates_self ? kInPlace : kDefaultForms);
    default: return kFunction | kMethod;
  }
}

}  // namespace

const OpTable& OpTable::get() {
  static const OpTable* table = new OpTable;
  return *table;
}

OpTable::OpTable() {
#define RL_OP_ENTRY(name) add(*new OpDef(rl_op_##name()));
#include "op_list.inc"
#undef RL_OP_ENTRY
}

void OpTable::add(const OpDef& def) {
  records_.push_back(&def);
  Forms forms = def.forms == kDefaultForms ? default_forms(def) : def.forms;
  std::vector<const char*> texts = {def.schema};
  texts.insert(texts.end(), def.overloads.begin(), def.overloads.end());
  for (const char* text : texts) {
    Schema schema = Schema::parse(text);
    std::vector<std::string> names = {schema.name};
    if (text == def.schema) names.insert(names.end(), def.aliases.begin(), def.aliases.end());
    for (const std::string& name : names) {
      schema.name = name;
      add_form(def, schema, Op::Form::Function, forms);
      if (forms & kInPlace) add_form(def, schema, Op::Form::InPlace, forms);
      if ((forms & kOut) && text == def.schema) add_form(def, schema, Op::Form::Out, forms);
    }
  }
}

namespace {

// A kernel whose results depend on its arguments in a way that only a rule could tell. What takes a layout makes new values
// (zeros_like), and views without a rule are what no gradient flows through (detach).
bool misses_rule(const OpDef& def, const Schema& schema) {
  using enum Kernel::Kind;
  Kernel::Kind k = def.kernel.kind;
  return !def.grad && (k == Structured || k == Function || k == Mutation) && !schema.returns.empty() &&
         schema.find_arg("layout") < 0;
}

}  // namespace

void OpTable::add_form(const OpDef& def, Schema schema, Op::Form form, Forms forms) {
  const Kernel& k = def.kernel;
  RL_INVARIANT(k.kind != Kernel::Kind::None, schema.name, " has no kernel");
  RL_INVARIANT(k.arity == int(schema.args.size()) || k.pointwise, schema.name,
               ": the kernel's parameters and the schema's arguments differ in number");
  auto* op = new Op;
  op->def_ = &def;
  op->form_ = form;
  op->method_ = forms & kMethod;
  op->function_ = forms & kFunction;
  if (form == Op::Form::InPlace) {
    schema.name += "_";
    for (Argument* a : {&schema.args[0], &schema.returns[0]}) a->is_mutated = a->is_alias = true;
  } else if (form == Op::Form::Out) {
    bool plain =
        (schema.overload.empty() || schema.overload == "Tensor") && !by_name().exact.contains(schema.name + ".out");
    schema.overload = plain ? "out" : schema.overload + "_out";  // the first such overload is `.out`, as in PyTorch
    op->method_ = false;
    for (size_t i = 0; i < schema.returns.size(); i++) {
      Argument out = schema.returns[i];
      out.name = schema.returns.size() == 1       ? "out"
                 : schema.returns[i].name.empty() ? str("out", i)
                                                  : schema.returns[i].name;
      out.kwarg_only = out.is_out = out.is_mutated = out.is_alias = true;
      schema.returns[i].is_mutated = schema.returns[i].is_alias = true;
      schema.args.push_back(std::move(out));
    }
  }
  op->mutates_ = form != Op::Form::Function || k.kind == Kernel::Kind::Mutation;
  op->differentiable_ = form != Op::Form::Out && (def.grad || misses_rule(def, schema));
  for (size_t i = 0; i < schema.args.size(); i++) {
    const Type& t = schema.args[i].base_type();
    bool tensor = t.is(Type::Kind::Tensor);
    bool list =
        t.is(Type::Kind::List) && (t.element()->is(Type::Kind::Tensor) || t.element()->is(Type::Kind::Optional));
    if (!tensor && !list) continue;
    op->tensor_args_.push_back(uint8_t(i));
    const Type& declared = *schema.args[i].type;
    bool required = tensor ? declared.is(Type::Kind::Tensor)
                           : declared.is(Type::Kind::List) && declared.element()->is(Type::Kind::Tensor);
    if (required && i < 64) op->required_tensors_ |= uint64_t(1) << i;
  }
  op->run_ = runner_for(k, form, schema.returns.size());
  op->schema_ = std::move(schema);
  bool fresh = by_name().exact.emplace(op->qualified_name(), op).second;
  RL_INVARIANT(fresh, "two records give ", op->qualified_name());
  by_name().overloads[op->name()].push_back(op);
  all_.push_back(op);
}

const Op* OpTable::find(std::string_view name) const {
  if (name.starts_with("aten::")) name.remove_prefix(6);
  auto found = by_name().exact.find(std::string(name));
  return found == by_name().exact.end() ? nullptr : found->second;
}

std::vector<const Op*> OpTable::overloads(std::string_view name) const {
  auto found = by_name().overloads.find(std::string(name));
  return found == by_name().overloads.end() ? std::vector<const Op*>() : found->second;
}

}  // namespace rushlight
