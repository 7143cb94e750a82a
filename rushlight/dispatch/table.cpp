#include <algorithm>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

#define RL_OP_ENTRY(name) OpDef rl_op_##name();
#include "op_list.inc"
#undef RL_OP_ENTRY

struct OpTable::Names {
  mutable std::shared_mutex lock;
  std::vector<const Op*> all;
  std::unordered_map<std::string, const Op*> exact;
  std::unordered_map<std::string, std::vector<const Op*>> overloads;
};

namespace {

Forms default_forms(const OpDef& def) {
  if (def.kernel.arity == kAnyArity) return kFunction;  // scripted
  switch (def.kernel.kind) {
    case Kernel::Kind::Structured:
      return kFunction | kMethod | kOut | (def.kernel.pointwise || def.kernel.updates_self ? kInPlace : kDefaultForms);
    default: return kFunction | kMethod;
  }
}

}  // namespace

OpTable& OpTable::mutable_table() {
  static auto* table = new OpTable;
  return *table;
}
const OpTable& OpTable::get() { return mutable_table(); }

OpTable::OpTable() : names_(*new Names) {
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
      publish(add_form(def, schema, Op::Form::Function, forms));
      if (forms & kInPlace) publish(add_form(def, schema, Op::Form::InPlace, forms));
      if ((forms & kOut) && text == def.schema) publish(add_form(def, schema, Op::Form::Out, forms));
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

// "running_mean:training": two arguments of the schema. Overloads and in-place forms may lack the first.
void add_effect(std::vector<Op::Effect>& effects, const Schema& schema, std::string_view text) {
  size_t colon = text.find(':');
  int arg = schema.find_arg(text.substr(0, colon)), when = -1;
  if (colon != text.npos) {
    when = schema.find_arg(text.substr(colon + 1));
    RL_INVARIANT(when >= 0, schema.name, " has no argument ", text.substr(colon + 1));
  }
  if (arg >= 0) effects.push_back({arg, when});
}

}  // namespace

Op* OpTable::add_form(const OpDef& def, Schema schema, Op::Form form, Forms forms) {
  const Kernel& k = def.kernel;
  RL_INVARIANT(k.kind != Kernel::Kind::None, schema.name, " has no kernel");
  RL_INVARIANT(k.arity == int(schema.args.size()) || k.pointwise || k.arity == kAnyArity, schema.name,
               ": the kernel's parameters and the schema's arguments differ in number");
  auto* op = new Op;
  op->def_ = &def;
  op->form_ = form;
  // A method has a self; and names of the module `special` are functions.
  op->method_ = forms & kMethod && schema.find_arg("self") >= 0 && !schema.name.starts_with("special_");
  op->function_ = forms & kFunction;
  if (form == Op::Form::InPlace) {
    schema.name += "_";
    for (Argument* a : {&schema.args[0], &schema.returns[0]}) a->is_mutated = a->is_alias = true;
  } else if (form == Op::Form::Out) {
    bool plain =
        (schema.overload.empty() || schema.overload == "Tensor") && !names_.exact.contains(schema.name + ".out");
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
  op->differentiable_.store(form != Op::Form::Out && (def.grad || misses_rule(def, schema)), std::memory_order_relaxed);
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
  op->record_run_ = runner_for(k, form, schema.returns.size());
  op->run_.store(op->record_run_, std::memory_order_release);
  for (size_t i = 0; i < schema.args.size(); i++) {
    const Argument& a = schema.args[i];
    if (a.is_mutated) op->writes_.push_back({int(i), -1});
    if (a.is_alias) op->shares_.push_back({int(i), -1});
    if (a.base_type().is(Type::Kind::Generator) && !def.draws) op->draws_.push_back({-1, -1});
  }
  for (const char* text : def.writes) add_effect(op->writes_, schema, text);
  for (const char* text : def.shares) add_effect(op->shares_, schema, text);
  if (def.draws) {
    std::string_view when = def.draws;
    op->draws_.push_back({-1, when == "always" ? -1 : schema.find_arg(when)});
    RL_INVARIANT(when == "always" || op->draws_[0].when >= 0, schema.name, " has no argument ", when);
  }
  op->schema_ = std::move(schema);
  return op;
}

void OpTable::publish(Op* op) {
  std::unique_lock guard(names_.lock);
  bool fresh = names_.exact.emplace(op->qualified_name(), op).second;
  RL_CHECK(RuntimeError, fresh, "there are two operators ", op->qualified_name());
  names_.overloads[op->name()].push_back(op);
  names_.all.push_back(op);
  generation_.fetch_add(1, std::memory_order_release);
}

void OpTable::withdraw(const Op* op) {
  std::unique_lock guard(names_.lock);
  names_.exact.erase(op->qualified_name());
  auto at = names_.overloads.find(op->name());
  std::erase(at->second, op);
  if (at->second.empty()) names_.overloads.erase(at);
  std::erase(names_.all, op);
  generation_.fetch_add(1, std::memory_order_release);
}

namespace {

std::string_view in_table(std::string_view name) { return name.starts_with("aten::") ? name.substr(6) : name; }

}  // namespace

const Op* OpTable::find(std::string_view name) const {
  std::string key(in_table(name));
  {
    std::shared_lock guard(names_.lock);
    auto found = names_.exact.find(key);
    if (found != names_.exact.end()) return found->second;
  }
  return load_provided(key) ? find(name) : nullptr;
}

std::vector<const Op*> OpTable::overloads(std::string_view name) const {
  std::string key(in_table(name));
  {
    std::shared_lock guard(names_.lock);
    auto found = names_.overloads.find(key);
    if (found != names_.overloads.end()) return found->second;
  }
  return load_provided(key) ? overloads(name) : std::vector<const Op*>();
}

std::vector<const Op*> OpTable::all() const {
  std::shared_lock guard(names_.lock);
  return names_.all;
}

namespace {

// Edits that make one name of the other, counted up to `most`.
size_t distance(std::string_view a, std::string_view b, size_t most) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > most) return most + 1;
  std::vector<size_t> row(a.size() + 1);
  for (size_t i = 0; i <= a.size(); i++) row[i] = i;
  for (size_t j = 1; j <= b.size(); j++) {
    size_t diagonal = std::exchange(row[0], j), least = j;
    for (size_t i = 1; i <= a.size(); i++) {
      size_t here = std::min({row[i] + 1, row[i - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = std::exchange(row[i], here);
      least = std::min(least, here);
    }
    if (least > most) return most + 1;
  }
  return row[a.size()];
}

}  // namespace

std::string OpTable::near_misses(std::string_view name) const {
  name = in_table(name);
  if (name.size() > 200) return "";
  std::string_view bare = name.substr(name.find("::") == name.npos ? 0 : name.find("::") + 2);
  if (bare.size() < 3) return "";  // everything is near
  size_t most = std::clamp<size_t>((bare.size() + 1) / 3, 1, 2);
  std::set<std::pair<size_t, std::string>> found;  // the nearest first
  {
    std::shared_lock guard(names_.lock);
    for (const auto& [other, ops] : names_.overloads) {
      size_t colon = other.find("::");
      std::string_view other_bare = std::string_view(other).substr(colon == other.npos ? 0 : colon + 2);
      size_t d = distance(bare, other_bare, most);
      if (d <= most)
        found.emplace(other.starts_with(name.substr(0, name.size() - bare.size())) ? d : d + 1, ops[0]->symbol());
    }
  }
  std::string out;
  size_t n = 0;
  for (const auto& [d, other] : found)
    if (n < 3) out += (n++ ? ", " : "; did you mean ") + other;
  return out.empty() ? out : out + "?";
}

}  // namespace rushlight
